/* SPDX-License-Identifier: ISC */
/* Each protection with a MAC in each version that has it, and a maker of records that has nothing
 * of the code under test. */
#ifndef LEGACY_RECORD_OLD_H
#define LEGACY_RECORD_OLD_H
#include "crypto/local_openssl.h"
#include "record/record.h"
#include "tests/kat/kat.h"

#define ROOM (REC_HEADER + REC_SEALED12_MAX + 64)

static uint8_t key[32], mac_key[48], iv[16];
static uint8_t text[REC_PLAIN_MAX + 64], wire[ROOM], copy[ROOM], apart[ROOM];

static struct rec_keys all[96];
static size_t nall;

static inline void add(uint16_t version, enum cbc_id cbc, enum stream_id stream, enum hash_id mac,
                       bool etm)
{
    assert_true(nall < sizeof all / sizeof *all);
    all[nall++] = (struct rec_keys){ .version = version,
                                     .cbc = cbc,
                                     .stream = stream,
                                     .mac = mac,
                                     .etm = etm,
                                     .key = key,
                                     .iv = iv,
                                     .mac_key = mac_key };
}

/* SHA-2 came with TLS 1.2, encrypt-then-MAC is not for SSL 3.0. */
static inline int start(void **state)
{
    static const enum hash_id macs[] = { HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_SHA384 };

    assert_int_equal(start_crypto(state), 0);
    for (unsigned i = 0; i < 48; i++) {
        key[i % 32] = (uint8_t)(i % 32 + 1);
        mac_key[i] = (uint8_t)(0x40 + i);
        iv[i % 16] = (uint8_t)(0xa0 + i % 16);
    }
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * 7 + 3 + i / 256);
    }
    for (uint16_t v = 0x0300; v <= 0x0303; v++) {
        for (unsigned m = 0; m < (v == 0x0303 ? 4 : 2); m++) {
            for (enum cbc_id c = CBC_AES_128; c < CBC_COUNT; c++) {
                for (int etm = 0; etm <= (v > 0x0300); etm++) {
                    add(v, c, STREAM_NONE, macs[m], etm);
                }
            }
            for (enum stream_id s = STREAM_NULL; s < STREAM_COUNT; s++) {
                add(v, CBC_NONE, s, macs[m], false);
            }
        }
    }
    return 0;
}

static inline void pair_make(const struct rec_keys *k, struct rec_half *tx, struct rec_half *rx)
{
    rec_half_init(tx);
    rec_half_init(rx);
    assert_int_equal(rec_half_set(tx, k, true), 0);
    assert_int_equal(rec_half_set(rx, k, false), 0);
}

static inline void pair_end(struct rec_half *tx, struct rec_half *rx)
{
    rec_half_wipe(tx);
    rec_half_wipe(rx);
}

static inline size_t block_of(const struct rec_keys *k)
{
    return k->cbc == CBC_3DES ? 8 : 16;
}

static inline bool sends_iv(const struct rec_keys *k)
{
    return k->cbc && k->version >= 0x0302;
}

/* The fragment of the record that lies in wire; the header must be right. */
static inline struct mspan fragment_of(const struct rec_half *rx, const struct rec_keys *k,
                                       size_t made, uint8_t type)
{
    struct rec_header head;

    assert_int_equal(rec_header_parse(rx, wire, &head), 0);
    assert_int_equal(head.type, type);
    assert_int_equal(head.version, k->version);
    assert_int_equal(REC_HEADER + head.len, made);
    return (struct mspan){ wire + REC_HEADER, head.len };
}

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
    const size_t a = way == PARTS || way == IN_PLACE_PARTS ? n / 3 : n;
    struct span part[] = { { text, a }, { NULL, 0 }, { text + a, n - a } };
    int rc;

    memset(wire, 0xa5, sizeof wire);
    if (way >= IN_PLACE) {
        memcpy(wire + rec_headroom(tx), text, a);
        part[0].p = wire + rec_headroom(tx);
    }
    rc = rec_seal(tx, type, part, 3, n, wire);
    assert_true(rc > 0);
    assert_int_equal(rc, rec_size(tx, n));
    assert_int_equal(wire[rc], 0xa5); /* not a byte behind it */
    return (size_t)rc;
}

/* ---- made otherwise ---- */

/* RFC 5246 section 6.2.3.1; RFC 6101 section 5.2.3.1. */
static inline size_t ref_mac(const struct rec_keys *k, uint64_t seq, uint8_t type,
                             struct span covered, uint8_t *out)
{
    static uint8_t in[ROOM + 128];
    const size_t size = hash_size(k->mac), pad = size == 16 ? 48 : 40;
    const bool old = k->version == 0x0300;
    const EVP_MD *md = EVP_get_digestbyname(digest_names[k->mac]);
    unsigned made = 0;
    size_t n = 0;

    if (old) {
        memcpy(in, mac_key, size);
        memset(in + size, 0x36, pad);
        n = size + pad;
    }
    for (unsigned i = 0; i < 8; i++) {
        in[n++] = (uint8_t)(seq >> (56 - 8 * i));
    }
    in[n++] = type;
    if (!old) {
        in[n++] = (uint8_t)(k->version >> 8);
        in[n++] = (uint8_t)k->version;
    }
    in[n++] = (uint8_t)(covered.n >> 8);
    in[n++] = (uint8_t)covered.n;
    memcpy(in + n, covered.p, covered.n);
    n += covered.n;
    if (!old) {
        assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, digest_names[k->mac], NULL, mac_key, size, in,
                                  n, out, 64, &n));
        return n;
    }
    assert_int_equal(EVP_Digest(in, n, in + size + pad, &made, md, NULL), 1);
    memset(in + size, 0x5c, pad);
    assert_int_equal(EVP_Digest(in, size + pad + size, out, &made, md, NULL), 1);
    return made;
}

static inline void ref_cipher(const struct rec_keys *k, const uint8_t *block, uint8_t *p, size_t n)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const EVP_CIPHER *c = k->cbc == CBC_3DES      ? EVP_des_ede3_cbc()
                          : k->cbc == CBC_AES_128 ? EVP_aes_128_cbc()
                                                  : EVP_aes_256_cbc();
    int len = 0;

    assert_int_equal(EVP_EncryptInit_ex(ctx, c, NULL, key, block), 1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, p, &len, p, (int)n), 1);
    assert_int_equal(len, n);
    EVP_CIPHER_CTX_free(ctx);
}

/* Bytes of padding so that n bytes of content end with a whole block. */
static inline size_t least_pad(const struct rec_keys *k, size_t n)
{
    return block_of(k) - 1 - (n + (k->etm ? 0 : hash_size(k->mac))) % block_of(k);
}

struct flaw {
    size_t bad; /* of the pad + 1 bytes of padding this one is changed */
    uint8_t by; /* by so much; 0: none */
    bool mac;   /* the MAC is wrong */
};

/* The first fragment of a block cipher, into wire: n bytes of text, padding of `pad` bytes and its
 * length byte. */
static inline struct mspan forge(const struct rec_keys *k, size_t n, size_t pad, struct flaw flaw)
{
    const size_t lead = sends_iv(k) ? block_of(k) : 0;
    uint8_t *fragment = wire + REC_HEADER, *content = fragment + lead, *at = content + n;

    memset(fragment, 0x77, lead);
    memcpy(content, text, n);
    if (!k->etm) {
        at += ref_mac(k, 0, 23, span_of(content, n), at);
        at[-1] ^= flaw.mac;
    }
    memset(at, (int)pad, pad + 1);
    at[flaw.bad] ^= flaw.by;
    at += pad + 1;
    assert_int_equal((size_t)(at - content) % block_of(k), 0);
    ref_cipher(k, lead ? fragment : iv, content, (size_t)(at - content));
    if (k->etm) {
        at += ref_mac(k, 0, 23, span_of(fragment, (size_t)(at - fragment)), at);
        at[-1] ^= flaw.mac;
    }
    return (struct mspan){ fragment, (size_t)(at - fragment) };
}
#endif
