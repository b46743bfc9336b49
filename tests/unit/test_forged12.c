/* SPDX-License-Identifier: ISC */
/* Records of TLS 1.2 beside an independent maker of them: known answers, what is forged in each
 * byte of padding, what is damaged in each bit. */
#include "record12.h"

/* ---- records made without the code under test ---- */

static size_t tag_of(const struct rec_keys *k, uint64_t seq, uint8_t type, struct span covered,
                     uint8_t *out)
{
    static uint8_t in[ROOM + 16];
    size_t n = 0;

    for (unsigned i = 0; i < 8; i++) {
        in[i] = (uint8_t)(seq >> (56 - 8 * i));
    }
    memcpy(in + 8, (uint8_t[]){ type, 3, 3, (uint8_t)(covered.n >> 8), (uint8_t)covered.n }, 5);
    memcpy(in + 13, covered.p, covered.n);
    assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, digest_names[k->mac], NULL, mac_key,
                              hash_size(k->mac), in, 13 + covered.n, out, 64, &n));
    return n;
}

static void aes(const struct rec_keys *k, const uint8_t *block, uint8_t *p, size_t n)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len = 0;

    assert_int_equal(
        EVP_EncryptInit_ex(ctx, k->cbc == CBC_AES_128 ? EVP_aes_128_cbc() : EVP_aes_256_cbc(), NULL,
                           key, block),
        1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    assert_int_equal(EVP_EncryptUpdate(ctx, p, &len, p, (int)n), 1);
    assert_int_equal(len, n);
    EVP_CIPHER_CTX_free(ctx);
}

/* A CBC fragment into wire: n bytes of text, padding of `pad` bytes and its length byte. Of those
 * pad + 1 bytes the one at `bad` is changed by `by` (0: none); flip: the MAC is wrong. */
static struct mspan forge(const struct rec_keys *k, size_t n, size_t pad, size_t bad, uint8_t by,
                          bool flip)
{
    uint8_t *fragment = wire + REC_HEADER, *content = fragment + 16, *at = content + n;

    memset(fragment, 0x77, 16);
    memcpy(content, text, n);
    if (!k->etm) {
        size_t mac = tag_of(k, 0, 23, span_of(content, n), at);

        at[mac - 1] ^= flip;
        at += mac;
    }
    memset(at, (int)pad, pad + 1);
    at[bad] ^= by;
    at += pad + 1;
    assert_int_equal((at - content) % 16, 0);
    aes(k, fragment, content, (size_t)(at - content));
    if (k->etm) {
        size_t mac = tag_of(k, 0, 23, span_of(fragment, (size_t)(at - fragment)), at);

        at[mac - 1] ^= flip;
        at += mac;
    }
    return (struct mspan){ fragment, (size_t)(at - fragment) };
}

static int open_forged(unsigned i, struct mspan fragment, struct rec_opened *o)
{
    const struct rec_keys k = keys_at(i);
    struct rec_half rx;
    int rc;

    rec_half_init(&rx);
    assert_int_equal(rec_half_set(&rx, &k, false), 0);
    rc = rec_open(&rx, 23, fragment, (struct mspan){ NULL, 0 }, o);
    assert_int_equal(rx.seq, rc == 0);
    assert_true(rc == 0 || (o->plain.n == 0 && o->rest.n == 0));
    rec_half_wipe(&rx);
    return rc;
}

/* Bytes of padding so that n bytes of content end with a whole block. */
static size_t least_pad(const struct rec_keys *k, size_t n)
{
    return 15 - (n + (k->etm ? 0 : hash_size(k->mac))) % 16;
}

/* Any length of padding up to 255 bytes is legal; every byte of it is looked at; a wrong one is
 * nothing but bad_record_mac, whether or not the MAC would be right (threats 11, 13). */
static void threat_13_padding(void **state)
{
    struct rec_opened o;

    (void)state;
    for (unsigned i = AEADS; i < ALL; i++) {
        const struct rec_keys k = keys_at(i);

        for (size_t n = 0; n < 40; n += 13) {
            for (size_t pad = least_pad(&k, n); pad < 256; pad += 16) {
                struct mspan f = forge(&k, n, pad, 0, 0, false);

                assert_int_equal(open_forged(i, f, &o), 0);
                opened_check(&o, n, (struct mspan){ NULL, 0 }, 23);
                f = forge(&k, n, pad, 0, 0, true);
                assert_int_equal(open_forged(i, f, &o), BAD_MAC);
                assert_true(all_zero(f.p, f.n));
                for (size_t bad = 0; bad <= pad; bad++) {
                    static const uint8_t by[] = { 1, 0x80, 0xff };

                    f = forge(&k, n, pad, bad, by[bad % 3], bad % 7 == 6);
                    assert_int_equal(open_forged(i, f, &o), BAD_MAC);
                    assert_true(all_zero(f.p, f.n));
                    assert_int_equal(ERR_peek_error(), 0);
                }
            }
        }
        /* The length byte takes each of its values on a record of few bytes. Nought says that there
         * is no more of it: then the others are content, which encrypt-then-MAC believes. */
        for (unsigned by = 1; by < 256; by++) {
            const size_t pad = least_pad(&k, 3);

            assert_int_equal(open_forged(i, forge(&k, 3, pad, pad, (uint8_t)by, false), &o),
                             k.etm && by == pad ? 0 : BAD_MAC);
            assert_true(!k.etm || by != pad || o.plain.n == 3 + pad);
        }
    }
}

/* Long enough to be blocks, too short for IV, MAC and padding length, of any content. */
static void threat_11_short(void **state)
{
    struct rec_opened o;

    (void)state;
    for (unsigned i = 0; i < ALL; i++) {
        struct rec_half tx, rx;

        pair_make(i, &tx, &rx);
        for (size_t n = 0; n < 200; n++) {
            memset(wire, 0x3c, n);
            assert_int_equal(
                rec_open(&rx, 23, (struct mspan){ wire, n }, (struct mspan){ NULL, 0 }, &o),
                BAD_MAC);
            assert_int_equal(ERR_peek_error(), 0);
        }
        pair_end(&tx, &rx);
    }
}

/* Each bit of each byte; each length but the right one; another type; another place in the order:
 * the same alert, and nothing of the content stays anywhere. */
static void refused(struct rec_half *rx, uint8_t type, size_t n, size_t content, bool spread)
{
    struct mspan out = { spread ? apart : NULL, spread ? content / 2 : 0 };
    struct rec_opened o;

    memcpy(wire, copy, sizeof wire);
    memset(apart, 0, content);
    assert_int_equal(rec_open(rx, type, (struct mspan){ wire + REC_HEADER, n }, out, &o), BAD_MAC);
    assert_int_equal(o.plain.n + o.rest.n, 0);
    assert_null(memmem(wire, sizeof wire, text, 8));
    assert_null(memmem(wire, sizeof wire, text + content - 8, 8));
    assert_true(all_zero(apart, content));
    assert_int_equal(rx->seq, 0);
}

static void threat_39_damaged(void **state)
{
    enum { CONTENT = 43 };

    (void)state;
    for (unsigned i = 0; i < ALL; i++) {
        struct rec_half tx, rx;
        struct rec_header head;
        struct rec_opened o;
        size_t made;

        pair_make(i, &tx, &rx);
        made = seal(&tx, 23, CONTENT, ONE_PART);
        memcpy(copy, wire, sizeof copy);
        for (size_t at = REC_HEADER; at < made; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                copy[at] ^= (uint8_t)(1U << bit);
                refused(&rx, 23, made - REC_HEADER, CONTENT, bit % 2);
                copy[at] ^= (uint8_t)(1U << bit);
            }
        }
        for (size_t n = 0; n < made + 40; n++) {
            if (n != made - REC_HEADER) {
                refused(&rx, 23, n, CONTENT, n % 2);
            }
        }
        refused(&rx, 22, made - REC_HEADER, CONTENT, false);
        /* The header's version is either the one that is authenticated or refused at once. */
        for (unsigned bit = 0; bit < 16; bit++) {
            memcpy(wire, copy, sizeof wire);
            wire[1 + bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_equal(rec_header_parse(&rx, wire, &head), TLS_ALERT(ALERT_PROTOCOL_VERSION));
        }
        /* Undamaged it opens; a second time it is out of order. */
        memcpy(wire, copy, sizeof wire);
        assert_int_equal(
            rec_open(&rx, 23, fragment_of(&rx, made, 23), (struct mspan){ NULL, 0 }, &o), 0);
        opened_check(&o, CONTENT, (struct mspan){ NULL, 0 }, 23);
        memcpy(wire, copy, sizeof wire);
        assert_int_equal(
            rec_open(&rx, 23, fragment_of(&rx, made, 23), (struct mspan){ NULL, 0 }, &o), BAD_MAC);
        pair_end(&tx, &rx);
    }
}

/* ---- known answers, and what a peer may do otherwise ---- */

static void gcm_answer(void **state)
{
    static const uint8_t explicit_nonce[2][8] = { { 0 }, { 9, 9, 9, 9, 9, 9, 9, 9 } };
    const uint8_t aad[13] = { [8] = 22, 3, 3, 0, 77 };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned own = 0; own < 2; own++) { /* a peer's nonce may be anything */
            EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
            uint8_t want[REC_HEADER + 8 + 77 + 16] = { 22, 3, 3, 0, 8 + 77 + 16 }, nonce[12];
            struct rec_half tx, rx;
            struct rec_opened o;
            int len;

            memcpy(nonce, iv, 4);
            memcpy(nonce + 4, explicit_nonce[own], 8);
            memcpy(want + 5, explicit_nonce[own], 8);
            assert_int_equal(EVP_EncryptInit_ex(ctx, i ? EVP_aes_256_gcm() : EVP_aes_128_gcm(),
                                                NULL, key, nonce),
                             1);
            assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &len, aad, sizeof aad), 1);
            assert_int_equal(EVP_EncryptUpdate(ctx, want + 13, &len, text, 77), 1);
            assert_int_equal(EVP_EncryptFinal_ex(ctx, want + 90, &len), 1);
            assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, want + 90), 1);
            EVP_CIPHER_CTX_free(ctx);
            pair_make(i, &tx, &rx);
            if (own == 0) {
                assert_int_equal(seal(&tx, 22, 77, ONE_PART), sizeof want);
                assert_memory_equal(wire, want, sizeof want);
            }
            memcpy(wire, want, sizeof want);
            assert_int_equal(
                rec_open(&rx, 22, fragment_of(&rx, sizeof want, 22), (struct mspan){ NULL, 0 }, &o),
                0);
            opened_check(&o, 77, (struct mspan){ NULL, 0 }, 22);
            pair_end(&tx, &rx);
        }
    }
}

static void chacha_answer(void **state)
{
    const uint8_t aad[13] = { [7] = 3, 23, 3, 3, 0, 50 };
    uint8_t want[REC_HEADER + 50 + 16] = { 23, 3, 3, 0, 50 + 16 }, nonce[12];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    struct rec_half tx, rx;
    int len;

    (void)state;
    memcpy(nonce, iv, 12);
    nonce[11] ^= 3; /* RFC 7905 section 2, of the fourth record */
    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &len, aad, sizeof aad), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, want + 5, &len, text, 50), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, want + 55, &len), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, want + 55), 1);
    EVP_CIPHER_CTX_free(ctx);
    pair_make(AEAD_CHACHA20_POLY1305, &tx, &rx);
    for (unsigned i = 0; i < 3; i++) {
        seal(&tx, 23, 1, ONE_PART);
    }
    assert_int_equal(seal(&tx, 23, 50, ONE_PART), sizeof want);
    assert_memory_equal(wire, want, sizeof want);
    pair_end(&tx, &rx);
}

static int sevens(void *p, size_t n)
{
    memset(p, 0x77, n);
    return 0;
}

static int no_bytes(void *p, size_t n)
{
    (void)p;
    (void)n;
    return ERR_CRYPTO;
}

/* With forge()'s IV the record is forge()'s, with the shortest padding. */
static void cbc_answer(void **state)
{
    (void)state;
    for (unsigned i = AEADS; i < ALL; i++) {
        const struct rec_keys k = keys_at(i);

        for (size_t n = 0; n < 70; n++) {
            const struct mspan f = forge(&k, n, least_pad(&k, n), 0, 0, false);
            struct rec_half tx, rx;

            memcpy(copy, f.p, f.n);
            pair_make(i, &tx, &rx);
            rand_set_test_source(sevens);
            assert_int_equal(seal(&tx, 23, n, ONE_PART), REC_HEADER + f.n);
            rand_set_test_source(NULL);
            assert_memory_equal(wire + REC_HEADER, copy, f.n);
            pair_end(&tx, &rx);
        }
    }
}

/* Without an unpredictable IV there is no record, and none of the content in its place. */
static void no_random(void **state)
{
    (void)state;
    for (unsigned i = AEADS; i < ALL; i++) {
        struct rec_half tx, rx;
        struct span part = { NULL, 40 };

        pair_make(i, &tx, &rx);
        part.p = wire + rec_headroom(&tx);
        memcpy(wire + rec_headroom(&tx), text, 40);
        rand_set_test_source(no_bytes);
        assert_int_equal(rec_seal(&tx, 23, &part, 1, 40, wire), ERR_CRYPTO);
        rand_set_test_source(NULL);
        assert_int_equal(tx.seq, 0);
        assert_true(all_zero(wire + REC_HEADER, rec_size(&tx, 40) - REC_HEADER));
        pair_end(&tx, &rx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_13_padding), cmocka_unit_test(threat_11_short),
        cmocka_unit_test(threat_39_damaged), cmocka_unit_test(gcm_answer),
        cmocka_unit_test(chacha_answer),     cmocka_unit_test(cbc_answer),
        cmocka_unit_test(no_random),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
