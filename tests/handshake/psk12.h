/* SPDX-License-Identifier: ISC */
/* What the tests of pre-shared keys in TLS 1.2 share: the suites, and two ends that have a key. */
#ifndef TESTS_HANDSHAKE_PSK12_H
#define TESTS_HANDSHAKE_PSK12_H
#include "tests/handshake/pair12.h"

#define KEY   "0123456789abcdef0123456789abcdef"
#define OTHER "0123456789abcdef0123456789abcdeF"

#define PSK_GCM       0x00a8
#define PSK_CBC       0x008c
#define RSA_PSK_GCM   0x00ac
#define ECDHE_PSK_GCM 0xd001
#define DHE_PSK_GCM   0x00aa

/* All that are built. */
static inline size_t psk_suites(uint16_t out[static SETTINGS_SUITES])
{
    size_t n = 0;

    for (size_t i = 0; suite_at(i); i++) {
        if (suite_has_psk(suite_at(i))) {
            out[n++] = suite_at(i)->id;
        }
    }
    return n;
}

static inline bool shows_cert(uint16_t suite)
{
    return suite && suite_by_id(suite)->kx == KX_RSA_PSK;
}

/* Both have this key; nobody has a certificate that is not needed. */
static inline struct pair_params with(uint16_t suite)
{
    struct pair_params q = { .suite = suite,
                             .id = ID_RSA,
                             .no_server_id = !shows_cert(suite),
                             .no_trust = !shows_cert(suite) };

    q.psk[TLS_CLIENT][0] = q.psk[TLS_SERVER][0] =
        (struct pair_psk){ .name = "device-7", .key = KEY, .tls12 = true };
    return q;
}

static inline bool by_key(const struct end *e, const char *name)
{
    return strcmp(info_of(e).psk, name) == 0;
}

static inline struct pair *connects(const struct pair_params *q, const char *name)
{
    struct pair *p = pair_connected(q);

    if (!by_key(&p->c, name) || !by_key(&p->s, name)) {
        fail_msg("by \"%s\" and \"%s\"", info_of(&p->c).psk, info_of(&p->s).psk);
    }
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
    return p;
}

static inline void connects_once(const struct pair_params *q, const char *name)
{
    pair_free(connects(q, name));
}

/* One of the two says so; none is connected, none known by a key. */
static inline void refused(const struct pair_params *q, enum tls_role by, unsigned alert)
{
    struct pair *p = pair_new(q);

    pair_run(p, WIRE_MAX);
    assert_refused(by == TLS_CLIENT ? &p->c : &p->s, alert);
    assert_false(tls_connected(p->c.t) || tls_connected(p->s.t));
    assert_true(by_key(&p->c, "") && by_key(&p->s, ""));
    pair_free(p);
}
#endif
