/* SPDX-License-Identifier: ISC */
/* One end of TLS 1.3 that is given the messages of its peer one after another, by a hand that may
 * change, cut and spread them before it seals them again. */
#ifndef TESTS_HANDSHAKE_STAGE13_H
#define TESTS_HANDSHAKE_STAGE13_H
#include "tests/handshake/pair.h"

struct stage13 {
    struct pair *p;
    struct end *e, *peer;
    bool server;      /* e is one */
    struct hand hand; /* seals what e reads; aead NULL: in clear */
    struct hand open; /* of what the peer says */
    int opens;        /* with that secret; -1: none yet */
    uint8_t *m;       /* the peer's messages of now, and how far they were given */
    size_t at, n;
    unsigned asked; /* requests behind the handshake */
};

static inline struct stage13 stage13_new(enum tls_role role, const struct pair_params *q)
{
    static uint8_t messages[WIRE_MAX];
    struct stage13 s = {
        .p = pair_new(q), .server = role == TLS_SERVER, .opens = -1, .m = messages
    };

    s.e = s.server ? &s.p->s : &s.p->c;
    s.peer = s.server ? &s.p->c : &s.p->s;
    return s;
}

static inline void stage13_free(struct stage13 *s)
{
    hand_free(&s->hand);
    hand_free(&s->open);
    pair_free(s->p);
}

/* One record as it would come now. */
static inline void stage13_record(struct stage13 *s, uint8_t type, const void *p, size_t n)
{
    if (s->hand.aead) {
        hand_give(&s->hand, s->e, type, p, n);
    } else {
        give_clear(s->e, type, p, n);
    }
}

/* The next keys, when that message was the last under the ones of now. */
static inline void stage13_passed(struct stage13 *s, unsigned type)
{
    bool first = !s->hand.aead;

    if (s->e->rc == 0 &&
        (type == HS_SERVER_HELLO || type == HS_CLIENT_HELLO ||
         (type == HS_FINISHED && s->asked == 0)) &&
        s->e->t->hs.state != C_WAIT_SH2 && s->e->t->hs.state != S_WAIT_CH2) {
        hand_free(&s->hand);
        s->hand = hand_new(
            s->p, first ? (s->server ? SECRET_CH : SECRET_SH) : (s->server ? SECRET_CA : SECRET_SA),
            true);
    }
}

static inline void stage13_give(struct stage13 *s, const uint8_t *m, size_t n)
{
    unsigned type = m[0];

    stage13_record(s, CT_HANDSHAKE, m, n);
    stage13_passed(s, type);
}

/* The peer reads what e has said, and speaks. Behind the handshake the server asks once more for a
 * certificate, if the client offered that. False: there is nothing to say. */
static inline bool stage13_flight(struct stage13 *s)
{
    static uint8_t wire[WIRE_MAX];
    size_t n, clear;
    bool post = s->e->done > 0, sealed = false;
    int which;

    if (post && s->asked == 0 && s->server && tls_request_client_auth(s->p->s.t, NULL) == 0) {
        s->asked++;
    }
    end_give(s->peer, wire, end_take(s->e, wire));
    assert_int_equal(s->peer->rc, 0);
    if (post && s->asked == 0 && !s->server && tls_request_client_auth(s->p->s.t, NULL) == 0) {
        s->asked++;
    }
    n = end_take(s->peer, wire);
    for (size_t at = 0; at < n; at += REC_HEADER + ((size_t)wire[at + 3] << 8 | wire[at + 4])) {
        sealed = sealed || wire[at] == CT_APPLICATION_DATA;
    }
    which = s->server ? (post ? SECRET_CA : SECRET_CH) : (post ? SECRET_SA : SECRET_SH);
    if (sealed && which != s->opens) {
        hand_free(&s->open);
        s->open = hand_new(s->p, which, false);
        s->opens = which;
    }
    s->n = flight_open(sealed ? &s->open : NULL, wire, n, s->m, &clear);
    s->at = 0;
    return s->n > 0;
}

/* The next message, and its size; NULL: that was all. */
static inline uint8_t *stage13_next(struct stage13 *s, size_t *n)
{
    *n = 0;
    if (s->at == s->n && !stage13_flight(s)) {
        return NULL;
    }
    *n = message_size(s->m + s->at);
    assert_true(s->at + *n <= s->n);
    s->at += *n;
    return s->m + s->at - *n;
}

/* Gives all up to that one. */
static inline uint8_t *stage13_until(struct stage13 *s, unsigned type, size_t *n)
{
    uint8_t *m;

    while ((m = stage13_next(s, n)) && *m != type) {
        stage13_give(s, m, *n);
        assert_int_equal(s->e->rc, 0);
    }
    assert_non_null(m);
    return m;
}

/* Gives k of them; the next. */
static inline uint8_t *stage13_nth(struct stage13 *s, unsigned k, size_t *n)
{
    uint8_t *m = stage13_next(s, n);

    for (; m && k > 0; k--) {
        stage13_give(s, m, *n);
        assert_int_equal(s->e->rc, 0);
        m = stage13_next(s, n);
    }
    assert_non_null(m);
    return m;
}
#endif