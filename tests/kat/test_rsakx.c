/* SPDX-License-Identifier: ISC */
/* RSA key exchange of TLS 1.2 (threat 12): what is right opens; whatever else arrives gives 48
 * random bytes and the same result, and never the same bytes again. */
#include <pthread.h>

#include "keys.h"

#define VERSION 0x0303

static uint8_t premaster[48] = { 3, 3 };

/* RSA without padding: the 256 bytes are the whole encoded message. */
static void raw(struct privkey *k, const uint8_t *em, uint8_t *out, size_t *n)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, k->pkey, NULL);

    assert_int_equal(EVP_PKEY_encrypt_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    *n = 256;
    assert_int_equal(EVP_PKEY_encrypt(ctx, out, n, em, 256), 1);
    assert_int_equal(*n, 256);
    EVP_PKEY_CTX_free(ctx);
}

/* 00 02, bytes that are not zero, 00, the n bytes of secret at the end. */
static void encode(uint8_t em[256], const uint8_t *secret, size_t n)
{
    memset(em, 0x91, 256);
    em[0] = 0;
    em[1] = 2;
    em[255 - n] = 0;
    memcpy(em + 256 - n, secret, n);
}

/* The result is the premaster secret, or bytes that are new each time. */
static void opens(struct span sealed, uint16_t version, bool right)
{
    uint8_t a[48], b[48];

    memset(a, 0x5a, sizeof a);
    memset(b, 0x5a, sizeof b);
    assert_int_equal(privkey_decrypt_premaster(key_of(KEY_RSA), sealed, version, a), 0);
    assert_int_equal(privkey_decrypt_premaster(key_of(KEY_RSA), sealed, version, b), 0);
    assert_int_equal(ERR_peek_error(), 0);
    if (right) {
        assert_memory_equal(a, premaster, 48);
        assert_memory_equal(b, premaster, 48);
        return;
    }
    assert_memory_not_equal(a, premaster, 48);
    assert_memory_not_equal(a + 2, b + 2, 8);
    for (size_t i = 0; i + 8 <= 48; i += 8) {
        assert_false(all_zero(a + i, 8));
    }
}

static void round_trip(void **state)
{
    struct pubkey *pub = public_of(key_of(KEY_RSA));
    const struct span in = span_of(premaster, 48);
    uint8_t sealed[SIG_MAX], again[SIG_MAX];
    size_t n = 256, m = sizeof again;

    (void)state;
    sealed[256] = 0x5a;
    assert_int_equal(pubkey_encrypt_pkcs1(pub, in, sealed, &n), 0);
    assert_int_equal(n, 256);
    assert_int_equal(sealed[256], 0x5a);
    assert_int_equal(pubkey_encrypt_pkcs1(pub, in, again, &m), 0);
    assert_memory_not_equal(sealed, again, 256);
    opens(span_of(sealed, 256), VERSION, true);
    opens(span_of(again, 256), VERSION, true);
    /* Room, and content, as far as they go. */
    n = 255;
    assert_int_equal(pubkey_encrypt_pkcs1(pub, in, sealed, &n), ERR_ARG);
    n = 256;
    assert_int_equal(pubkey_encrypt_pkcs1(pub, span_of(again, 246), sealed, &n), ERR_CRYPTO);
    n = 256;
    assert_int_equal(pubkey_encrypt_pkcs1(pub, span_of(again, 245), sealed, &n), 0);
    pubkey_unref(pub);
}

static void threat_12_garbage(void **state)
{
    uint8_t em[256], sealed[300] = { 0 };
    size_t n;

    (void)state;
    encode(em, premaster, 48);
    raw(key_of(KEY_RSA), em, sealed, &n);
    opens(span_of(sealed, n), VERSION, true);
    /* The client's version is the one in its hello (RFC 5246 section 7.4.7.1). */
    opens(span_of(sealed, n), 0x0302, false);
    opens(span_of(sealed, n), 0x0304, false);
    opens(span_of(sealed, n), 0x0203, false);
    /* Any length but the modulus's, any number that is not below it. */
    for (size_t len = 0; len<sizeof sealed; len += len> 250 && len < 260 ? 1 : 25) {
        opens(span_of(sealed, len), VERSION, len == 256);
    }
    memset(sealed, 0xff, 256);
    opens(span_of(sealed, 256), VERSION, false);
    memset(sealed, 0, 256);
    opens(span_of(sealed, 256), VERSION, false);
    /* Every byte of padding and version counts. */
    for (size_t at = 0; at < 256 - 46; at++) {
        const bool filler = at > 1 && at < 207;

        encode(em, premaster, 48);
        em[at] = filler ? 0 : (uint8_t)(em[at] ^ 1);
        raw(key_of(KEY_RSA), em, sealed, &n);
        opens(span_of(sealed, n), VERSION, false);
    }
    /* A premaster of another length, none at all, or no end of the padding. */
    for (size_t len = 0; len<120; len += len> 40 && len < 52 ? 1 : 8) {
        uint8_t secret[120] = { 3, 3 };

        memset(secret + 2, 0x44, sizeof secret - 2);
        encode(em, secret, len);
        raw(key_of(KEY_RSA), em, sealed, &n);
        if (len != 48) {
            opens(span_of(sealed, n), VERSION, false);
        }
    }
    encode(em, premaster, 48);
    em[207] = 1;
    raw(key_of(KEY_RSA), em, sealed, &n);
    opens(span_of(sealed, n), VERSION, false);
}

static void other_keys(void **state)
{
    uint8_t out[SIG_MAX];

    (void)state;
    for (enum key_type type = KEY_RSA_PSS; type < KEY_TYPES; type++) {
        struct pubkey *pub = public_of(key_of(type));
        size_t n = sizeof out;

        memset(out, 0x5a, 48);
        assert_int_equal(
            privkey_decrypt_premaster(key_of(type), span_of(premaster, 48), VERSION, out),
            ERR_MISMATCH);
        assert_true(all_zero(out, 48));
        assert_int_equal(pubkey_encrypt_pkcs1(pub, span_of(premaster, 48), out, &n), ERR_MISMATCH);
        pubkey_unref(pub);
    }
}

static int no_bytes(void *p, size_t n)
{
    (void)p;
    (void)n;
    return ERR_CRYPTO;
}

/* Nothing random, nothing to go on with (threat 37). */
static void no_random(void **state)
{
    uint8_t em[256], sealed[256], out[48];
    size_t n;

    (void)state;
    encode(em, premaster, 48);
    raw(key_of(KEY_RSA), em, sealed, &n);
    memset(out, 0x5a, sizeof out);
    rand_set_test_source(no_bytes);
    assert_int_equal(privkey_decrypt_premaster(key_of(KEY_RSA), span_of(sealed, n), VERSION, out),
                     ERR_CRYPTO);
    rand_set_test_source(NULL);
    assert_true(all_zero(out, 48));
}

/* Everything may be called from any thread, and on one key at the same time. */
static void *open_many(void *arg)
{
    const uint8_t *sealed = arg;
    uintptr_t bad = 0;

    for (unsigned i = 0; i < 50; i++) {
        uint8_t out[48];

        bad |= privkey_decrypt_premaster(key_of(KEY_RSA), span_of(sealed, 256), VERSION, out) != 0;
        bad |= memcmp(out, premaster, 48) != 0;
    }
    return (void *)bad;
}

static void threads(void **state)
{
    uint8_t em[256], sealed[256];
    pthread_t t[4];
    size_t n;

    (void)state;
    encode(em, premaster, 48);
    raw(key_of(KEY_RSA), em, sealed, &n);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, open_many, sealed), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        void *bad = sealed;

        assert_int_equal(pthread_join(t[i], &bad), 0);
        assert_null(bad);
    }
}

static int start(void **state)
{
    fill(premaster + 2, 46, 9);
    return start_crypto(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(threat_12_garbage),
        cmocka_unit_test(other_keys), cmocka_unit_test(no_random),
        cmocka_unit_test(threads),
    };

    return cmocka_run_group_tests(tests, start, keys_end);
}
