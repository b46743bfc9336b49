/* SPDX-License-Identifier: ISC */
/* The other hand for TLS 1.2: seals and opens records under keys derived here from the master
 * secret of the key log, and takes flights apart. */
#ifndef TESTS_HANDSHAKE_PAIR12_H
#define TESTS_HANDSHAKE_PAIR12_H
#include "tests/handshake/pair.h"

/* One of every kind. */
#define SUITE_GCM     0xc02b /* ECDSA */
#define SUITE_CHACHA  0xcca9 /* ECDSA */
#define SUITE_CBC     0xc009 /* ECDSA */
#define SUITE_RSA_GCM 0xc02f
#define SUITE_RSA_KX  0x009c
#define SUITE_RSA_CBC 0x002f
#define SUITE_DHE     0x009e /* RSA */

struct hand12 {
    struct rec_half half;
};

/* The keys with which `from` seals, whether it has taken them already or not. */
static inline struct hand12 hand12_new(const struct pair *p, enum tls_role from, bool seal)
{
    const struct span seed[] = { { p->server_random, RANDOM_SIZE },
                                 { p->client_random, RANDOM_SIZE } };
    const struct suite *s = p->s.t->hs.suite;
    bool cbc = s->cbc != CBC_NONE;
    size_t mac = cbc ? hash_size(s->mac) : 0;
    size_t key = cbc ? cbc_key_size(s->cbc) : aead_key_size(s->aead);
    size_t iv = cbc ? 0 : s->aead == AEAD_CHACHA20_POLY1305 ? 12 : 4;
    size_t second = from == TLS_SERVER;
    uint8_t block[KEY_BLOCK_MAX];
    struct rec_keys k = { .version = 0x0303,
                          .aead = s->aead,
                          .cbc = s->cbc,
                          .mac = s->mac,
                          .etm = p->s.t->hs.etm,
                          .mac_key = block + second * mac,
                          .key = block + 2 * mac + second * key,
                          .iv = block + 2 * mac + 2 * key + second * iv };
    struct hand12 h;

    assert_int_equal(prf12(s->hash, span_of(p->secret[SECRET_MASTER], 48), "key expansion", seed, 2,
                           block, 2 * (mac + key + iv)),
                     0);
    rec_half_init(&h.half);
    h.half.version = 0x0303;
    assert_int_equal(rec_half_set(&h.half, &k, seal), 0);
    return h;
}

static inline struct hand12 hand12_clear(void)
{
    struct hand12 h;

    rec_half_init(&h.half);
    h.half.version = 0x0303;
    return h;
}

static inline void hand12_free(struct hand12 *h)
{
    rec_half_wipe(&h->half);
}

static inline size_t hand12_seal(struct hand12 *h, uint8_t type, const void *p, size_t n,
                                 uint8_t *wire)
{
    struct span part = span_of(p, n);
    int made;

    if (h->half.protection == &protect_none) { /* also what no one would send in clear */
        memcpy(wire, (uint8_t[]){ type, 3, 3, (uint8_t)(n >> 8), (uint8_t)n }, REC_HEADER);
        memcpy(wire + REC_HEADER, p, n);
        return REC_HEADER + n;
    }
    made = rec_seal(&h->half, type, &part, 1, n, wire);
    assert_true(made > 0);
    return (size_t)made;
}

static inline void hand12_give(struct hand12 *h, struct end *to, uint8_t type, const void *p,
                               size_t n)
{
    static uint8_t wire[REC_HEADER + REC_SEALED12_MAX];

    end_give(to, wire, hand12_seal(h, type, p, n, wire));
}

/* A flight taken apart: handshake messages as they are; a change_cipher_spec as one byte 20 and
 * the header of an empty message (no handshake message has that type and no body). */
#define CCS_MARK "\x14\0\0\0"
static inline bool is_ccs(const uint8_t *m)
{
    return memcmp(m, CCS_MARK, HS_HEADER) == 0;
}

/* now: opens it up to its change_cipher_spec; next: what is behind (NULL: the flight has none). */
static inline size_t flight12_open(struct hand12 *now, struct hand12 *next, uint8_t *wire, size_t n,
                                   uint8_t *out)
{
    size_t made = 0;

    for (size_t at = 0; at < n;) {
        struct rec_header head;
        struct rec_opened o;
        struct mspan fragment;

        assert_int_equal(rec_header_parse(&now->half, wire + at, &head), 0);
        fragment = (struct mspan){ wire + at + REC_HEADER, head.len };
        at += (size_t)REC_HEADER + head.len;
        assert_true(at <= n);
        o = (struct rec_opened){ head.type, span_of(fragment.p, fragment.n), { NULL, 0 } };
        if (now->half.protection != &protect_none) {
            assert_int_equal(
                rec_open(&now->half, head.type, fragment, (struct mspan){ NULL, 0 }, &o), 0);
        }
        if (o.type == CT_CHANGE_CIPHER_SPEC) {
            memcpy(out + made, CCS_MARK, HS_HEADER);
            made += HS_HEADER;
            now = next;
        } else if (o.type == CT_HANDSHAKE) {
            memcpy(out + made, o.plain.p, o.plain.n);
            made += o.plain.n;
        }
    }
    return made;
}

/* The first message of that type; fails when there is none. */
static inline uint8_t *message_find(uint8_t *m, size_t n, unsigned type)
{
    size_t at = 0;

    while (at < n && (m[at] != type || is_ccs(m + at))) {
        at += message_size(m + at);
    }
    assert_true(at < n);
    return m + at;
}

/* The one place in a flight in clear where these bytes stand. */
static inline uint8_t *wire_find(uint8_t *wire, size_t n, const void *what, size_t len)
{
    uint8_t *at = memmem(wire, n, what, len);

    assert_non_null(at);
    assert_null(memmem(at + 1, n - (size_t)(at + 1 - wire), what, len));
    return at;
}

static inline void less16(uint8_t *p, size_t n)
{
    put16(p, get16(p) - n);
}

/* Takes an extension out of the ServerHello that begins the first record of a flight. */
static inline void hello_cut(uint8_t *flight, size_t *n, uint8_t *at, size_t len)
{
    memmove(at, at + len, *n - (size_t)(at + len - flight));
    *n -= len;
    less16(flight + 3, len);
    less16(flight + 7, len);
    less16(flight + REC_HEADER + HS_HEADER + 2 + RANDOM_SIZE + 1 + flight[43] + 3, len);
}

/* ---- an engine brought to any state, one message after another ---- */
struct stage12 {
    struct pair *p;
    struct end *e, *peer;
    enum tls_role from; /* the peer's */
    struct hand12 hand; /* seals what e reads */
    uint8_t *m;         /* the peer's flight, and how far it was given */
    size_t at, n;
};

static inline void stage12_give(struct stage12 *s, const uint8_t *m, size_t n)
{
    if (is_ccs(m)) {
        hand12_give(&s->hand, s->e, CT_CHANGE_CIPHER_SPEC, "\1", 1);
        hand12_free(&s->hand);
        s->hand = hand12_new(s->p, s->from, true);
    } else {
        hand12_give(&s->hand, s->e, CT_HANDSHAKE, m, n);
    }
}

static inline struct stage12 stage12_new(enum tls_role role, const struct pair_params *q)
{
    static uint8_t flight[WIRE_MAX];
    struct stage12 s = { .p = pair_new(q), .hand = hand12_clear(), .m = flight };

    s.e = role == TLS_CLIENT ? &s.p->c : &s.p->s;
    s.peer = role == TLS_CLIENT ? &s.p->s : &s.p->c;
    s.from = role == TLS_CLIENT ? TLS_SERVER : TLS_CLIENT;
    return s;
}

/* The next flight of the peer, after it has read what e says. */
static inline void stage12_flight(struct stage12 *s)
{
    static uint8_t wire[WIRE_MAX];
    struct hand12 now = hand12_clear(), next = hand12_clear();
    struct rec_header head = { 0 };
    size_t n;

    end_give(s->peer, wire, end_take(s->e, wire));
    assert_int_equal(s->peer->rc, 0);
    n = end_take(s->peer, wire);
    assert_true(n > 0);
    for (size_t at = 0; at < n && head.type != CT_CHANGE_CIPHER_SPEC; at += 5u + head.len) {
        assert_int_equal(rec_header_parse(&now.half, wire + at, &head), 0);
    }
    if (head.type == CT_CHANGE_CIPHER_SPEC) {
        next = hand12_new(s->p, s->from, false);
    }
    s->n = flight12_open(&now, &next, wire, n, s->m);
    s->at = 0;
    hand12_free(&next);
}

/* The next message, and its size. */
static inline uint8_t *stage12_next(struct stage12 *s, size_t *n)
{
    if (s->at == s->n) {
        stage12_flight(s);
    }
    *n = message_size(s->m + s->at);
    assert_true(s->at + *n <= s->n);
    s->at += *n;
    return s->m + s->at - *n;
}

static inline struct stage12 stage12_at(enum hs_state at, const struct pair_params *q)
{
    struct stage12 s = stage12_new(at < S_WAIT_CH ? TLS_CLIENT : TLS_SERVER, q);

    while (s.e->t->hs.state != at) {
        size_t n;
        const uint8_t *m = stage12_next(&s, &n);

        stage12_give(&s, m, n);
        assert_int_equal(s.e->rc, 0);
    }
    return s;
}

static inline void stage12_free(struct stage12 *s)
{
    hand12_free(&s->hand);
    pair_free(s->p);
}
#endif
