/* SPDX-License-Identifier: ISC */
/* What the tests of TLS 1.3 resumption share: a server's ticket keys, and connections that leave
 * and take sessions. */
#ifndef TESTS_HANDSHAKE_RESUME13_H
#define TESTS_HANDSHAKE_RESUME13_H
#include "base/mem.h"
#include "tests/handshake/pair.h"

#define LIFE 3600

static struct ticket_keys *keys;

/* ---- helpers ---- */
static inline bool resumed(const struct end *e)
{
    return info_of(e).resumed;
}

static inline struct pair_params usual(struct tls_session *s)
{
    return (struct pair_params){ .tickets = keys, .resume = s };
}

/* Connects and talks; both ends say whether it was a resumption. The client's newest session. */
static inline struct tls_session *connect_with(const struct pair_params *q, bool want)
{
    struct pair *p = pair_connected(q);
    struct tls_session *s = tls_session(p->c.t);

    assert_int_equal(resumed(&p->c), want);
    assert_int_equal(resumed(&p->s), want);
    assert_true(info_of(&p->c).peer_cert.n > 0); /* also of a resumed one */
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
    pair_free(p);
    return s;
}

static inline struct tls_session *first(const struct pair_params *q)
{
    struct tls_session *s = connect_with(q, false);

    assert_non_null(s);
    return s;
}

/* Drops the session after one more connection with it. */
static inline void then(struct pair_params *q, struct tls_session *s, bool want)
{
    struct tls_session *next;

    q->resume = s;
    next = connect_with(q, want);
    q->resume = NULL;
    session_unref(next);
    session_unref(s);
}

/* Of a suite with SHA-256. */
static inline struct tls_session *sha256_session(void)
{
    struct pair_params q = usual(NULL);
    struct tls_session *s;

    q.suite = 0x1301;
    s = first(&q);
    return s;
}

static inline int resume_make(void **state)
{
    pki_make(state);
    keys = ticket_keys_new(4 * SESSION_LIFE_MAX * INT64_C(1000));
    return keys ? 0 : -1;
}

static inline int resume_drop(void **state)
{
    ticket_keys_unref(keys);
    return pki_free(state);
}
#endif
