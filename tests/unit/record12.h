/* SPDX-License-Identifier: ISC */
/* Each protection of TLS 1.2 with a pair of halves, and sealing text in each way it may lie. */
#ifndef UNIT_RECORD12_H
#define UNIT_RECORD12_H
#include "crypto/local_openssl.h"
#include "record/record.h"
#include "tests/kat/kat.h"

#define ROOM (REC_HEADER + REC_SEALED12_MAX + 64)

static const uint8_t key[32] = { 1, 2, 3 }, iv[12] = { 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
static const uint8_t mac_key[48] = { 16, 17, 18 };
static uint8_t text[REC_PLAIN_MAX + 64], wire[ROOM], copy[ROOM], apart[ROOM];

/* All of them: 3 AEADs, then 2 ciphers x 3 MACs x both orders. */
#define AEADS 3
#define ALL   (AEADS + 12)

static inline struct rec_keys keys_at(unsigned i)
{
    const unsigned c = i - AEADS;

    if (i < AEADS) {
        return (
            struct rec_keys){ .version = 0x0303, .aead = (enum aead_id)i, .key = key, .iv = iv };
    }
    return (struct rec_keys){
        .version = 0x0303,
        .cbc = c < 6 ? CBC_AES_128 : CBC_AES_256,
        .mac = (enum hash_id)(HASH_SHA1 + c % 3),
        .etm = c / 3 % 2,
        .key = key,
        .mac_key = mac_key,
    };
}

static inline void pair_make(unsigned i, struct rec_half *tx, struct rec_half *rx)
{
    const struct rec_keys k = keys_at(i);

    rec_half_init(tx);
    rec_half_init(rx);
    assert_int_equal(rec_half_set(tx, &k, true), 0);
    assert_int_equal(rec_half_set(rx, &k, false), 0);
}

static inline void pair_end(struct rec_half *tx, struct rec_half *rx)
{
    rec_half_wipe(tx);
    rec_half_wipe(rx);
}

/* The fragment of the record that lies in wire; the header must be right. */
static inline struct mspan fragment_of(const struct rec_half *rx, size_t made, uint8_t type)
{
    struct rec_header head;

    assert_int_equal(rec_header_parse(rx, wire, &head), 0);
    assert_int_equal(head.type, type);
    assert_int_equal(head.version, 0x0303);
    assert_int_equal(REC_HEADER + head.len, made);
    return (struct mspan){ wire + REC_HEADER, head.len };
}

/* What opened is text[0..n), its first part in out when there is one. */
static inline void opened_check(const struct rec_opened *o, size_t n, struct mspan out,
                                uint8_t type)
{
    assert_int_equal(o->type, type);
    assert_int_equal(o->plain.n + o->rest.n, n);
    if (out.p) {
        assert_ptr_equal(o->plain.p, out.p);
        assert_int_equal(o->plain.n, n < out.n ? n : out.n);
    } else {
        assert_int_equal(o->rest.n, 0);
    }
    assert_memory_equal(o->plain.p, text, o->plain.n);
    if (o->rest.n) {
        assert_memory_equal(o->rest.p, text + o->plain.n, o->rest.n);
    }
}

enum way { ONE_PART, PARTS, IN_PLACE, IN_PLACE_PARTS, WAYS };

static inline size_t seal(struct rec_half *tx, uint8_t type, size_t n, enum way way)
{
    const size_t a = n / 3, b = n / 2;
    struct span part[REC_PARTS] = { span_of(text, n) };
    size_t nparts = 1;
    int rc;

    memset(wire, 0xa5, sizeof wire);
    if (way == PARTS || way == IN_PLACE_PARTS) {
        part[0] = span_of(text, a);
        part[1] = span_of(text + a, b - a);
        part[2] = span_of(NULL, 0);
        part[3] = span_of(text + b, n - b);
        nparts = 4;
    }
    if (way == IN_PLACE || way == IN_PLACE_PARTS) {
        memcpy(wire + rec_headroom(tx), text, part[0].n);
        part[0].p = wire + rec_headroom(tx);
    }
    rc = rec_seal(tx, type, part, nparts, n, wire);
    assert_true(rc > 0);
    assert_int_equal(rc, rec_size(tx, n));
    assert_int_equal(wire[rc], 0xa5); /* not a byte behind it */
    return (size_t)rc;
}

static inline int start(void **state)
{
    fill(text, sizeof text, 12);
    return start_crypto(state);
}
#endif
