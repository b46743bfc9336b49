/* SPDX-License-Identifier: ISC */
/* The PRF of TLS 1.0 and 1.1, the key derivation and the hashes of SSL 3, against libcrypto's own
 * and known answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/local_openssl.h"

#include <openssl/kdf.h>

#include "handshake/local.h"

static void fill(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)(seed + i * 7 + i / 256);
    }
}

/* libcrypto's TLS1-PRF over MD5 and SHA-1. */
static void provider_prf(struct span secret, const char *label, struct span seed, uint8_t *out,
                         size_t n)
{
    EVP_KDF *kdf = EVP_KDF_fetch(provider.lib, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    char md[] = "MD5-SHA1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, md, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)secret.p,
                                          secret.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)label,
                                          strlen(label)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)seed.p, seed.n),
        OSSL_PARAM_construct_end(),
    };

    assert_non_null(ctx);
    assert_int_equal(EVP_KDF_derive(ctx, out, n, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static void prf10_equals_provider(void **state)
{
    static const size_t sizes[] = { 1, 12, 16, 19, 20, 21, 40, 48, 104, 200 };
    uint8_t secret[140], seed[64], want[200], got[200];

    (void)state;
    fill(secret, sizeof secret, 1);
    fill(seed, sizeof seed, 2);
    for (size_t n = 1; n <= sizeof secret; n++) { /* odd ones share a byte; long ones are hashed */
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const struct span parts[] = { { seed, 20 }, { seed + 20, 44 } };

            provider_prf(span_of(secret, n), "key expansion", span_of(seed, 64), want, sizes[i]);
            assert_int_equal(
                prf10(HASH_NONE, span_of(secret, n), "key expansion", parts, 2, got, sizes[i]), 0);
            assert_memory_equal(got, want, sizes[i]);
        }
    }
}

/* Made with Python's hashlib from RFC 6101 section 6.1: secret 0..47, seed 100..163. */
static void ssl3_known_answer(void **state)
{
    static const uint8_t known[] = {
        0x1d, 0x95, 0x14, 0x49, 0xec, 0x9a, 0x55, 0x92, 0x4f, 0xd2, 0x5a, 0x08, 0x44, 0x53, 0xfa,
        0x6c, 0xa4, 0x2d, 0xda, 0x4d, 0xd4, 0x39, 0x58, 0xa8, 0x20, 0x69, 0x9e, 0xe5, 0xb6, 0xcc,
        0x83, 0x3f, 0x3d, 0xd5, 0x59, 0xab, 0xf6, 0x4d, 0x2a, 0x61, 0x94, 0xcd, 0x99, 0x8b, 0x25,
        0xa7, 0x75, 0x83, 0x6d, 0x2d, 0x84, 0x58, 0x26, 0x7e, 0xa5, 0x45, 0xe0, 0x01, 0x5e, 0x34,
        0x81, 0x1d, 0xfe, 0x8a, 0x4e, 0x6f, 0x2a, 0x5b, 0xa6, 0x3b, 0xd0, 0xa8, 0x52, 0xf9, 0xed,
        0x6d, 0xae, 0xfc, 0x1e, 0x5d, 0xcb, 0x5c, 0xaa, 0x5b, 0xb4, 0x11, 0x66, 0x96, 0xe4, 0x12,
        0x04, 0x9c, 0x7d, 0x8c, 0x28, 0xf6, 0x7e, 0x6c, 0x40, 0xb6, 0x14, 0x51, 0x3a, 0xb4
    };
    uint8_t secret[48], seed[64], got[26 * 16 + 1];
    const struct span part[] = { { seed, 32 }, { seed + 32, 32 } };

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        seed[i] = (uint8_t)(100 + i);
        secret[i % 48] = (uint8_t)(i % 48);
    }
    for (size_t n = 1; n <= sizeof known; n++) {
        got[n] = 0x5a;
        assert_int_equal(prf_ssl3(HASH_NONE, span_of(secret, 48), "", part, 2, got, n), 0);
        assert_memory_equal(got, known, n);
        assert_int_equal(got[n], 0x5a);
    }
    assert_int_equal(prf_ssl3(HASH_NONE, span_of(secret, 48), "", part, 2, got, 26 * 16), 0);
    assert_int_equal(prf_ssl3(HASH_NONE, span_of(secret, 48), "", part, 2, got, 26 * 16 + 1),
                     ERR_ARG);
}

/* What libcrypto's digest makes of messages and sender when it is given the master secret. */
static void provider_ssl3(struct span messages, const char *sender, uint8_t *master, uint8_t *out)
{
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_DIGEST_PARAM_SSL3_MS, master,
                                                              MASTER_SIZE),
                            OSSL_PARAM_construct_end() };
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_MD *md = EVP_MD_fetch(provider.lib, digest_names[HASH_MD5_SHA1], NULL);

    assert_true(md && EVP_DigestInit_ex2(ctx, md, NULL) == 1 &&
                EVP_DigestUpdate(ctx, messages.p, messages.n) == 1 &&
                EVP_DigestUpdate(ctx, sender, strlen(sender)) == 1 &&
                EVP_MD_CTX_set_params(ctx, params) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1);
    EVP_MD_free(md);
    EVP_MD_CTX_free(ctx);
}

static void ssl3_hashes_equal_provider(void **state)
{
    static struct hs_work k;
    struct hs h = { .version = SSL_3_0, .work = &k };
    uint8_t messages[300], want[HASH_MAX], got[HASH_MAX];

    (void)state;
    fill(messages, sizeof messages, 3);
    fill(k.master, sizeof k.master, 4);
    for (size_t n = 0; n <= sizeof messages; n += 30) {
        const size_t cut = n / 3;

        buf_free(&k.transcript.raw);
        assert_int_equal(buf_append(&k.transcript.raw, messages, n), 0);
        provider_ssl3(span_of(messages, n - cut), "", k.master, want);
        assert_int_equal(protocol_ssl3.verify_digest(&h, cut, got), 0);
        assert_memory_equal(got, want, 36);
        provider_ssl3(span_of(messages, n - cut), "CLNT", k.master, want);
        assert_int_equal(protocol_ssl3.finished(&h, TLS_CLIENT, NULL, cut, got), 0);
        assert_memory_equal(got, want, 36);
        provider_ssl3(span_of(messages, n), "SRVR", k.master, want);
        assert_int_equal(protocol_ssl3.finished(&h, TLS_SERVER, NULL, 0, got), 0);
        assert_memory_equal(got, want, 36);
        assert_true(protocol_ssl3.finished(&h, TLS_SERVER, NULL, n + 1, got) < 0);
    }
    buf_free(&k.transcript.raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prf10_equals_provider),
        cmocka_unit_test(ssl3_known_answer),
        cmocka_unit_test(ssl3_hashes_equal_provider),
    };

    return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
