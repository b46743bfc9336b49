/* SPDX-License-Identifier: ISC */
/* What the tests of pre-shared keys from outside share: two ends that have one, and what comes of
 * it. */
#ifndef TESTS_HANDSHAKE_PSK_H
#define TESTS_HANDSHAKE_PSK_H
#include "tests/handshake/resume13.h"

#define KEY   "0123456789abcdef0123456789abcdef"
#define OTHER "0123456789abcdef0123456789abcdeF"

/* Both have this key; nobody has certificates. */
static inline struct pair_params with(struct pair_psk k)
{
    struct pair_params q = { .no_server_id = true, .no_trust = true };

    q.psk[TLS_CLIENT][0] = q.psk[TLS_SERVER][0] = k;
    if (k.own) {
        q.psk[TLS_SERVER][0].own = k.peer;
        q.psk[TLS_SERVER][0].peer = k.own;
    }
    return q;
}

static inline struct pair_params plain(void)
{
    return with((struct pair_psk){ .name = "device-7", .key = KEY });
}

static inline struct pair_params imported(void)
{
    return with((struct pair_psk){ .name = "device-7", .key = KEY, .own = "alice", .peer = "bob" });
}

static inline bool by_key(const struct end *e, const char *name)
{
    return strcmp(info_of(e).psk, name) == 0;
}

/* Connects by that key, or by certificate (""). */
static inline struct pair *connects(const struct pair_params *q, const char *name)
{
    struct pair *p = pair_connected(q);

    assert_true(by_key(&p->c, name) && by_key(&p->s, name));
    assert_int_equal(info_of(&p->c).peer_cert.n == 0, *name != '\0');
    assert_string_equal(info_of(&p->c).host, *name ? "" : PAIR_HOST);
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
    return p;
}

static inline void connects_once(const struct pair_params *q, const char *name)
{
    pair_free(connects(q, name));
}

/* One of the two says so; none is connected. */
static inline void refused(const struct pair_params *q, enum tls_role by, unsigned alert)
{
    struct pair *p = pair_new(q);

    pair_run(p, WIRE_MAX);
    assert_refused(by == TLS_CLIENT ? &p->c : &p->s, alert);
    assert_false(tls_connected(p->c.t) || tls_connected(p->s.t));
    pair_free(p);
}
#endif
