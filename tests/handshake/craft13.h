/* SPDX-License-Identifier: ISC */
/* Messages of TLS 1.3 changed on their way: extensions put in, taken out and replaced in any of
 * them. */
#ifndef TESTS_HANDSHAKE_CRAFT13_H
#define TESTS_HANDSHAKE_CRAFT13_H
#include "tests/handshake/must.h"

/* One message with a block of extensions. */
struct craft {
    uint8_t m[90000];
    size_t n;    /* of the message */
    size_t ext;  /* where the length of the block stands; its end is that of the message */
    size_t list; /* Certificate: where the length of its list stands; else 0 */
};

static inline void craft_lengths(struct craft *c)
{
    if (c->list) {
        c->m[c->list] = 0;
        put16(c->m + c->list + 1, c->n - c->list - 3);
    }
    put16(c->m + c->ext, c->n - c->ext - 2);
    c->m[1] = (uint8_t)((c->n - HS_HEADER) >> 16);
    put16(c->m + 2, c->n - HS_HEADER);
}

/* The message that stands there. A Certificate has one certificate. */
static inline void craft_of(struct craft *c, const uint8_t *m)
{
    size_t at = HS_HEADER;

    c->n = message_size(m);
    assert_true(c->n <= sizeof c->m / 2);
    memcpy(c->m, m, c->n);
    c->list = 0;
    switch (m[0]) {
    case HS_CLIENT_HELLO:
        at += 2 + RANDOM_SIZE;
        at += 1 + (size_t)m[at];
        at += 2 + get16(m + at);
        at += 1 + (size_t)m[at];
        break;
    case HS_SERVER_HELLO:
        at += 2 + RANDOM_SIZE;
        at += 1 + (size_t)m[at] + 3;
        break;
    case HS_CERTIFICATE:
        at += 1 + (size_t)m[at];
        c->list = at;
        at += 3;
        at += 3 + get16(m + at + 1);
        break;
    case HS_CERTIFICATE_REQUEST:
        at += 1 + (size_t)m[at];
        break;
    case HS_NEW_SESSION_TICKET:
        at += 8;
        at += 1 + (size_t)m[at];
        at += 2 + get16(m + at);
        break;
    default:
        assert_int_equal(m[0], HS_ENCRYPTED_EXTENSIONS);
    }
    c->ext = at;
    if (at == c->n) { /* a hello without */
        put16(c->m + at, 0);
        c->n += 2;
    }
    assert_int_equal(at + 2 + get16(c->m + at), c->n);
}

/* Where an extension begins; 0: it is not there. */
static inline size_t craft_find(const struct craft *c, unsigned id)
{
    for (size_t at = c->ext + 2; at < c->n; at += 4 + get16(c->m + at + 2)) {
        if (get16(c->m + at) == id) {
            return at;
        }
    }
    return 0;
}

/* Its body. */
static inline struct span craft_body(const struct craft *c, unsigned id)
{
    size_t at = craft_find(c, id);

    assert_true(at);
    return span_of(c->m + at + 4, get16(c->m + at + 2));
}

static inline void craft_cut(struct craft *c, unsigned id)
{
    size_t at = craft_find(c, id), n;

    assert_true(at);
    n = 4 + get16(c->m + at + 2);
    memmove(c->m + at, c->m + at + n, c->n - at - n);
    c->n -= n;
    craft_lengths(c);
}

static inline void craft_insert(struct craft *c, size_t at, unsigned id, const void *body, size_t n)
{
    assert_true(c->n + 4 + n <= sizeof c->m);
    memmove(c->m + at + 4 + n, c->m + at, c->n - at);
    put16(c->m + at, id);
    put16(c->m + at + 2, n);
    if (n) {
        memcpy(c->m + at + 4, body, n);
    }
    c->n += 4 + n;
    craft_lengths(c);
}

/* Behind all the others but pre_shared_key. */
static inline void craft_add(struct craft *c, unsigned id, const void *body, size_t n)
{
    size_t psk = c->m[0] == HS_CLIENT_HELLO ? craft_find(c, EXT_PRE_SHARED_KEY) : 0;

    craft_insert(c, psk ? psk : c->n, id, body, n);
}

/* In the same place. */
static inline void craft_set(struct craft *c, unsigned id, const void *body, size_t n)
{
    size_t at = craft_find(c, id);

    assert_true(at);
    craft_cut(c, id);
    craft_insert(c, at, id, body, n);
}

/* One identity: the binder of the hello as it is now, a first one. SHA-256. */
static inline void craft_bind(struct craft *c, struct span secret, const char *label)
{
    uint8_t at[HASH_MAX], binder[HASH_MAX];

    assert_int_equal(hash_once(HASH_SHA256, c->m, c->n - 35, at), 0);
    assert_int_equal(schedule13_binder(HASH_SHA256, secret, label, at, binder), 0);
    memcpy(c->m + c->n - 32, binder, 32);
}

/* What is in clear of what one end has to say: its first message. */
static inline void craft_take(struct end *from, struct craft *c)
{
    static uint8_t wire[WIRE_MAX], messages[WIRE_MAX];
    size_t clear, n = flight_open(NULL, wire, end_take(from, wire), messages, &clear);

    assert_true(n > 0 && message_size(messages) <= n);
    craft_of(c, messages);
}

/* In as many records as it takes. */
static inline void craft_give(struct end *to, const struct craft *c)
{
    for (size_t at = 0, n; at < c->n && to->rc == 0; at += n) {
        n = c->n - at < 16384 ? c->n - at : 16384;
        give_clear(to, CT_HANDSHAKE, c->m + at, n);
    }
}

/* A HelloRetryRequest like the hello of some server to this client: the session id is its own. */
static inline void craft_retry(struct craft *c, const struct end *client, unsigned suite)
{
    const struct hs_work *k = client->t->hs.work;
    struct wr w = wr_of(c->m, sizeof c->m);

    wr_u32(&w, (uint32_t)HS_SERVER_HELLO << 24);
    wr_u16(&w, TLS_1_2);
    wr_bytes(&w, hello_retry_random, RANDOM_SIZE);
    wr_vec(&w, 1, k->session_id, k->session_id_len);
    wr_u16(&w, suite);
    wr_u8(&w, 0);
    c->list = 0;
    c->ext = w.len;
    c->n = w.len + 2;
    craft_lengths(c);
    craft_add(c, EXT_SUPPORTED_VERSIONS, "\3\4", 2);
}
#endif
