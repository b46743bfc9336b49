/* SPDX-License-Identifier: ISC */
/* One end of TLS 1.3 that is led, message by message, through what its genuine peer said: for tests
 * of single sentences of RFC 8446. */
#ifndef TESTS_HANDSHAKE_MUST_H
#define TESTS_HANDSHAKE_MUST_H
#include "tests/handshake/pair.h"

struct stage {
    struct pair *p;
    struct end *e;       /* the one that is led */
    struct hand hand;    /* seals what it reads; aead NULL: in clear */
    uint8_t m[WIRE_MAX]; /* the flight of its peer, message behind message */
    size_t n, at;        /* at: of the next to be given */
};

static inline void stage_give(struct stage *s, const void *m, size_t n)
{
    if (s->hand.aead) {
        hand_give(&s->hand, s->e, CT_HANDSHAKE, m, n);
    } else {
        give_clear(s->e, CT_HANDSHAKE, m, n);
    }
}

/* The genuine messages in front of the one of that type; 0: all. */
static inline uint8_t *stage_until(struct stage *s, unsigned type)
{
    while (s->at < s->n && s->m[s->at] != type) {
        size_t size = message_size(s->m + s->at);

        stage_give(s, s->m + s->at, size);
        assert_int_equal(s->e->rc, 0);
        if (s->m[s->at] == HS_SERVER_HELLO) {
            s->hand = hand_new(s->p, SECRET_SH, true);
        }
        s->at += size;
    }
    assert_true(type == 0 || s->at < s->n);
    return s->m + s->at;
}

static inline size_t stage_flight(struct pair *p, struct end *from, int which, uint8_t *out)
{
    static uint8_t sealed[WIRE_MAX];
    size_t n = end_take(from, sealed), clear;
    struct hand open = hand_new(p, which, false);

    n = flight_open(&open, sealed, n, out, &clear);
    hand_free(&open);
    return n;
}

/* A client that waits for the answer to its hello. */
static inline struct stage *lead_client(const struct pair_params *q)
{
    static struct stage s;
    uint8_t *hello = s.m;

    s = (struct stage){ .p = pair_new(q) };
    s.e = &s.p->c;
    end_give(&s.p->s, hello, end_take(&s.p->c, hello));
    assert_int_equal(s.p->s.rc, 0);
    s.n = stage_flight(s.p, &s.p->s, SECRET_SH, s.m);
    return &s;
}

/* A server that waits for the second flight of the client, which believes itself connected. */
static inline struct stage *lead_server(const struct pair_params *q)
{
    static struct stage s;
    uint8_t *flight = s.m;

    s = (struct stage){ .p = pair_new(q) };
    s.e = &s.p->s;
    end_give(&s.p->s, flight, end_take(&s.p->c, flight));
    end_give(&s.p->c, flight, end_take(&s.p->s, flight));
    assert_int_equal(s.p->c.done, 1);
    s.n = stage_flight(s.p, &s.p->c, SECRET_CH, s.m);
    s.hand = hand_new(s.p, SECRET_CH, true);
    return &s;
}

static inline void stage_free(struct stage *s)
{
    hand_free(&s->hand);
    pair_free(s->p);
}

/* The types of the messages, one behind another. */
static inline const char *types_of(const uint8_t *m, size_t n)
{
    static char types[16];
    size_t k = 0;

    for (size_t at = 0; at < n; at += message_size(m + at)) {
        assert_true(k + 1 < sizeof types && at + HS_HEADER <= n);
        types[k++] = (char)m[at];
    }
    types[k] = 0;
    return types;
}

static inline const uint8_t *message_of(const uint8_t *m, size_t n, unsigned type)
{
    for (size_t at = 0; at < n; at += message_size(m + at)) {
        if (m[at] == type) {
            return m + at;
        }
    }
    return NULL;
}

/* A handshake message with that body. */
static inline size_t message_make(uint8_t *out, unsigned type, struct span body)
{
    struct wr w = wr_of(out, WIRE_MAX);

    wr_u8(&w, (uint8_t)type);
    wr_vec(&w, 3, body.p, body.n);
    assert_true(wr_ok(&w));
    return w.len;
}

/* An extension in a block of them without its length; .p NULL: it is not there. */
static inline struct span extension_of(struct rd block, unsigned want)
{
    struct rd body;
    uint16_t id;

    while (rd_u16(&block, &id) && rd_vec(&block, 2, &body)) {
        if (id == want) {
            return span_of(body.p ? body.p : (const uint8_t *)"", body.n);
        }
    }
    return span_of(NULL, 0);
}
#endif
