/* SPDX-License-Identifier: ISC */
/* What the tests of early data share. */
#ifndef TESTS_HANDSHAKE_EARLY_H
#define TESTS_HANDSHAKE_EARLY_H
#include "tests/handshake/resume13.h"

#define LIMIT 1000 /* bytes of early data that a ticket allows */

static uint8_t wire[WIRE_MAX], text[WIRE_MAX]; /* text: never zero */

static inline struct pair_params early_params(void)
{
    struct pair_params q = usual(NULL);

    q.early = true;
    q.max_early = LIMIT;
    return q;
}

/* Offers early data with a session that allows it. */
static inline struct pair_params ready(void)
{
    struct pair_params q = early_params();

    q.resume = first(&q);
    return q;
}

/* Of a full handshake, in place of the one before. */
static inline void another_session(struct pair_params *q)
{
    session_unref(q->resume);
    q->resume = NULL;
    q->resume = first(q);
}

static inline size_t early_seal(struct end *e, const void *p, size_t n, uint8_t *out)
{
    struct span part = span_of(p, n);
    size_t taken, made;

    assert_int_equal(tls_seal_early(e->t, &part, 1, &taken, out, WIRE_MAX / 2, &made), 0);
    assert_int_equal(taken, n);
    return made;
}

/* The client's hello with n bytes of early data behind. */
static inline size_t early_flight(struct pair *p, size_t n, uint8_t *out)
{
    size_t size = end_take(&p->c, out);

    return n ? size + early_seal(&p->c, text, n, out + size) : size;
}

/* A new connection; the server has got the hello and n bytes of early data. */
static inline struct pair *early_given(const struct pair_params *q, size_t n)
{
    struct pair *p = pair_new(q);

    assert_int_equal(info_of(&p->c).early, TLS_EARLY_OFFERED);
    end_give(&p->s, wire, early_flight(p, n, wire));
    return p;
}

static inline void early_is(const struct pair *p, enum tls_early early, enum tls_early_why why)
{
    assert_int_equal(info_of(&p->c).early, early);
    assert_int_equal(info_of(&p->s).early, early);
    assert_int_equal(info_of(&p->s).early_why, why);
    assert_int_equal(info_of(&p->c).early_why, TLS_EARLY_FINE);
}

/* Ends the handshake; both talk. */
static inline void early_finish(struct pair *p)
{
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->c.rc, 0);
    assert_int_equal(p->s.rc, 0);
    assert_true(p->c.done == 1 && p->s.done == 1);
    assert_int_equal(tls_early_room(p->c.t), 0);
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
}

static inline int early_make(void **state)
{
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(1 + i % 251);
    }
    return resume_make(state);
}
#endif
