/* SPDX-License-Identifier: ISC */
/* Digests (FIPS 180), HMAC (RFC 4231), HKDF (RFC 5869, RFC 8446 section 7.1), the PRF of TLS 1.2:
 * published answers, then the provider's own KDFs as a reference over many lengths. */
#include "kat.h"

#include "crypto/local_openssl.h"
#include <openssl/kdf.h>

static const char *const md_names[] = {
    [HASH_SHA1] = "SHA1",
    [HASH_SHA256] = "SHA256",
    [HASH_SHA384] = "SHA384",
    [HASH_SHA512] = "SHA512",
};

static struct bytes repeat(uint8_t v, size_t n)
{
    struct bytes b = { .n = n };

    memset(b.p, v, n);
    return b;
}

static struct bytes range(uint8_t from, size_t n)
{
    struct bytes b = { .n = n };

    for (size_t i = 0; i < n; i++) {
        b.p[i] = (uint8_t)(from + i);
    }
    return b;
}

static struct bytes text(const char *s)
{
    struct bytes b = { .n = strlen(s) };

    memcpy(b.p, s, b.n);
    return b;
}

static void digests(void **state)
{
    static const struct {
        enum hash_id id;
        const char *abc, *empty;
    } rows[] = {
        { HASH_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d",
          "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
        { HASH_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { HASH_SHA384,
          "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
          "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
          "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
          "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b" },
        { HASH_SHA512,
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
          "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
          "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const enum hash_id id = rows[i].id;
        const struct span parts[] = { span_text("a"), span_of(NULL, 0), span_text("bc") };
        struct hash *h = hash_new(id);
        uint8_t out[HASH_MAX];

        assert_non_null(h);
        assert_int_equal(hash_once(id, "abc", 3, out), 0);
        same("abc", out, hash_size(id), rows[i].abc);
        assert_int_equal(hash_once(id, NULL, 0, out), 0);
        same("empty", out, hash_size(id), rows[i].empty);
        assert_int_equal(hash_parts(id, parts, 3, out), 0);
        same("parts", out, hash_size(id), rows[i].abc);
        /* A snapshot does not end the running digest, nor does other hashing in between. */
        assert_int_equal(hash_snapshot(h, out), 0);
        same("snapshot 0", out, hash_size(id), rows[i].empty);
        assert_int_equal(hash_update(h, "ab", 2), 0);
        assert_int_equal(hash_snapshot(h, out), 0);
        assert_int_equal(hash_once(id, "x", 1, out), 0);
        assert_int_equal(hash_update(h, "c", 1), 0);
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(hash_snapshot(h, out), 0);
            same("snapshot 3", out, hash_size(id), rows[i].abc);
        }
        hash_free(h);
    }
    assert_null(hash_new(HASH_NONE));
    assert_null(hash_new(HASH_COUNT));
    assert_int_equal(hash_size(HASH_NONE), 0);
    assert_int_equal(hash_size(HASH_COUNT), 0);
    assert_int_equal(hash_block(HASH_SHA256), 64);
    assert_int_equal(hash_block(HASH_SHA384), 128);
    assert_int_equal(hash_once(HASH_NONE, "abc", 3, (uint8_t[HASH_MAX]){ 0 }), ERR_ARG);
    hash_free(NULL);
}

static void check_hmac(struct bytes key, struct bytes data, const char *sha256, const char *sha384,
                       const char *sha512)
{
    const char *const want[] = { sha256, sha384, sha512 };

    for (unsigned i = 0; i < 3; i++) {
        const enum hash_id id = (enum hash_id)(HASH_SHA256 + i);

        /* However the message is cut. */
        for (size_t cut = 0; cut <= data.n; cut++) {
            const struct span parts[] = { { data.p, cut }, { data.p + cut, data.n - cut } };
            uint8_t out[HASH_MAX];

            assert_int_equal(hmac(id, span_bytes(&key), parts, 2, out), 0);
            same("hmac", out, hash_size(id), want[i]);
        }
    }
}

static void rfc4231(void **state)
{
    (void)state;
    check_hmac(
        repeat(0x0b, 20), text("Hi There"),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af1"
        "52e8b2fa9cb6",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b"
        "274eaea3f4e4be9d914eeb61f1702e696c203a126854");
    check_hmac(
        text("Jefe"), text("what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b32"
        "39ecfab21649",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d03"
        "4f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
    check_hmac(
        repeat(0xaa, 20), repeat(0xdd, 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3a"
        "b6e101a34f27",
        "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b4"
        "85a47e67c807b946a337bee8942674278859e13292fb");
    check_hmac(
        range(1, 25), repeat(0xcd, 50),
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8"
        "a386c674cffb",
        "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679"
        "275cc5788063a5f19741120c4f2de2adebeb10a298dd");
    check_hmac(
        repeat(0xaa, 131), text("Test Using Larger Than Block-Size Key - Hash Key First"),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe829624"
        "8df163f44952",
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0f"
        "d2215d6a1e5295e64f73f63f0aec8b915a985d786598");
    check_hmac(
        repeat(0xaa, 131),
        text(
            "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860"
        "e6110c46523e",
        "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5e"
        "eb55c3e4de15134676fb6de0446065c97440fa8c6a58");
}

static void check_hkdf(enum hash_id id, struct bytes ikm, struct bytes salt, struct bytes info,
                       const char *prk, const char *okm)
{
    uint8_t p[HASH_MAX], out[128];
    const size_t n = strlen(okm) / 2;

    assert_int_equal(hkdf_extract(id, span_bytes(&salt), span_bytes(&ikm), p), 0);
    same("prk", p, hash_size(id), prk);
    assert_int_equal(hkdf_expand(id, p, span_bytes(&info), out, n), 0);
    same("okm", out, n, okm);
}

static void rfc5869(void **state)
{
    const struct bytes none = { 0 };

    (void)state;
    check_hkdf(
        HASH_SHA256, repeat(0x0b, 22), range(0, 13), range(0xf0, 10),
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    check_hkdf(
        HASH_SHA256, range(0, 80), range(0x60, 80), range(0xb0, 80),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb"
        "41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
    check_hkdf(
        HASH_SHA256, repeat(0x0b, 22), none, none,
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    check_hkdf(
        HASH_SHA1, repeat(0x0b, 11), range(0, 13), range(0xf0, 10),
        "9b6c18c432a7bf8f0e71c8eb88f4b30baa2ba243",
        "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896");
}

/* The provider's HKDF (mode 0: extract and expand; 1: extract; 2: expand). */
static void provider_hkdf(enum hash_id id, int mode, struct span key, struct span salt,
                          struct span info, uint8_t *out, size_t n)
{
    EVP_KDF *kdf = EVP_KDF_fetch(provider.lib, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)md_names[id], 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key.p, key.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt.p, salt.n),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.p, info.n),
        OSSL_PARAM_construct_end(),
    };

    assert_non_null(ctx);
    assert_int_equal(EVP_KDF_derive(ctx, out, n, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static void equals_provider(void **state)
{
    static const size_t sizes[] = { 1, 12, 16, 32, 47, 48, 49, 64, 65, 200, 1000 };
    uint8_t key[300], salt[300], info[300], prk[HASH_MAX], want[1000], got[1000];

    (void)state;
    fill(key, sizeof key, 1);
    fill(salt, sizeof salt, 2);
    fill(info, sizeof info, 3);
    for (enum hash_id id = HASH_SHA1; id < HASH_MD5; id++) {
        /* Salts and keys around the block length, where HMAC hashes its key. */
        for (size_t n = 1; n < sizeof key; n += n < 130 ? 1 : 17) {
            const struct span k = { key, n }, s = { salt, n };

            provider_hkdf(id, 1, k, s, span_of(info, 1), want, hash_size(id));
            assert_int_equal(hkdf_extract(id, s, k, prk), 0);
            assert_memory_equal(prk, want, hash_size(id));
        }
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const struct span in = { info, 17 * i };

            provider_hkdf(id, 2, span_of(prk, hash_size(id)), span_of(salt, 1), in, want, sizes[i]);
            assert_int_equal(hkdf_expand(id, prk, in, got, sizes[i]), 0);
            assert_memory_equal(got, want, sizes[i]);
        }
    }
}

static void limits(void **state)
{
    static uint8_t out[255 * 64 + 1];
    const uint8_t prk[HASH_MAX] = { 1 };
    const struct span none = { NULL, 0 }, big = { out, 255 }, bigger = { out, 256 };
    char label[260];

    (void)state;
    memset(label, 'x', sizeof label);
    for (enum hash_id id = HASH_SHA1; id < HASH_MD5; id++) {
        const size_t most = 255 * hash_size(id); /* RFC 5869 section 2.3 */

        out[most] = 0x5a;
        assert_int_equal(hkdf_expand(id, prk, none, out, most), 0);
        assert_int_equal(out[most], 0x5a);
        assert_int_equal(hkdf_expand(id, prk, none, out, most + 1), ERR_ARG);
        assert_int_equal(hkdf_expand(id, prk, none, out, 0), 0);
    }
    label[249] = '\0'; /* with "tls13 " the 255 of RFC 8446 section 7.1 */
    assert_int_equal(hkdf_expand_label(HASH_SHA256, prk, label, none, out, 32), 0);
    assert_int_equal(hkdf_expand_label(HASH_SHA256, prk, label, big, out, 32), 0);
    assert_int_equal(hkdf_expand_label(HASH_SHA256, prk, label, bigger, out, 32), ERR_ARG);
    label[249] = 'x';
    label[250] = '\0';
    memset(out, 1, 32);
    assert_int_equal(hkdf_expand_label(HASH_SHA256, prk, label, none, out, 32), ERR_ARG);
    assert_true(all_zero(out, 32)); /* threat 37: no old bytes to go on with */
    memset(out, 1, HASH_MAX);
    assert_int_equal(hmac(HASH_NONE, none, NULL, 0, out), ERR_ARG);
    assert_int_equal(hkdf_expand(HASH_NONE, prk, none, out, 1), ERR_ARG);
    assert_int_equal(hkdf_expand_label(HASH_SHA256, prk, "key", none, out, 65536), ERR_ARG);
}

static void random_bytes(void **state)
{
    uint8_t a[64] = { 0 }, b[64] = { 0 };

    (void)state;
    assert_int_equal(rand_bytes(a, sizeof a), 0);
    assert_int_equal(rand_bytes(b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
    assert_false(all_zero(a + 32, 32));
    assert_int_equal(rand_bytes(a, 0), 0);
}

/* "TLS 1.2 PRF test vectors" sent to the TLS working group's list. */
static void prf12_answers(void **state)
{
    static const struct {
        enum hash_id id;
        const char *secret, *seed, *out;
    } rows[] = {
        { HASH_SHA256, "9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c",
          "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
          "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
          "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
          "87347b66" },
        { HASH_SHA384, "b80b733d6ceefcdc71566ea48e5567df", "cd665cf6a8447dd6ff8b27555edb7465",
          "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd"
          "e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd"
          "8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425"
          "9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6"
          "91c8f3a26854308d5eaa3be85e0990703d73e56f" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct bytes secret = unhex(rows[i].secret), seed = unhex(rows[i].seed);
        const struct span whole = span_bytes(&seed);
        /* The seed's parts are one: any cut gives the same. */
        const struct span cut[PRF12_SEEDS] = {
            { seed.p, 5 }, { NULL, 0 }, { seed.p + 5, 1 }, { seed.p + 6, seed.n - 6 }
        };
        const size_t n = strlen(rows[i].out) / 2;
        uint8_t out[200];

        assert_int_equal(prf12(rows[i].id, span_bytes(&secret), "test label", &whole, 1, out, n),
                         0);
        same("prf12", out, n, rows[i].out);
        memset(out, 0x5a, sizeof out);
        assert_int_equal(
            prf12(rows[i].id, span_bytes(&secret), "test label", cut, PRF12_SEEDS, out, n - 1), 0);
        assert_int_equal(out[n - 1], 0x5a);
        out[n - 1] = unhex(rows[i].out).p[n - 1];
        same("prf12 in parts", out, n, rows[i].out);
        memset(out, 0x5a, sizeof out);
        assert_int_equal(
            prf12(rows[i].id, span_bytes(&secret), "test label", cut, PRF12_SEEDS + 1, out, n),
            ERR_ARG);
        assert_true(all_zero(out, n) && out[n] == 0x5a);
    }
    uint8_t out[3] = { 1, 2, 3 };

    assert_int_equal(prf12(HASH_NONE, span_text("x"), "l", NULL, 0, out, 2), ERR_ARG);
    assert_true(all_zero(out, 2) && out[2] == 3);
    assert_int_equal(prf12(HASH_SHA256, span_text("x"), "l", NULL, 0, out, 0), 0);
}

static void provider_prf12(enum hash_id id, struct span secret, const char *label, struct span seed,
                           uint8_t *out, size_t n)
{
    EVP_KDF *kdf = EVP_KDF_fetch(provider.lib, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)md_names[id], 0),
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

/* Every length of output up to several blocks; secrets around the block length. */
static void prf12_equals_provider(void **state)
{
    uint8_t secret[300], seed[200], want[300], got[300];

    (void)state;
    fill(secret, sizeof secret, 4);
    fill(seed, sizeof seed, 5);
    for (enum hash_id id = HASH_SHA256; id <= HASH_SHA384; id++) {
        for (size_t n = 1; n < sizeof want; n += n < 140 ? 1 : 13) {
            const struct span k = { secret, 48 }, s = { seed, 64 };

            provider_prf12(id, k, "key expansion", s, want, n);
            assert_int_equal(prf12(id, k, "key expansion", &s, 1, got, n), 0);
            assert_memory_equal(got, want, n);
        }
        for (size_t n = 1; n < sizeof secret; n += n < 140 ? 1 : 23) {
            const struct span k = { secret, n }, s = { seed, 1 + n % sizeof seed };

            provider_prf12(id, k, "extended master secret", s, want, 48);
            assert_int_equal(prf12(id, k, "extended master secret", &s, 1, got, 48), 0);
            assert_memory_equal(got, want, 48);
        }
    }
}

/* One key for many labels gives what a key for each does; without one there is nothing. */
static void a_key_that_is_kept(void **state)
{
    const char *const labels[] = { "c hs traffic", "s hs traffic", "derived", "key", "" };
    uint8_t secret[HASH_MAX], want[100], got[100];
    struct hmac_key k;

    (void)state;
    fill(secret, sizeof secret, 6);
    for (enum hash_id id = HASH_SHA256; id <= HASH_SHA384; id++) {
        assert_int_equal(hmac_key(id, span_of(secret, hash_size(id)), &k), 0);
        for (size_t n = 1; n < sizeof want; n++) {
            const char *label = labels[n % 5];
            const struct span context = span_of(secret, n % HASH_MAX);

            assert_int_equal(hkdf_expand_label(id, secret, label, context, want, n), 0);
            assert_int_equal(hkdf_label(&k, label, context, got, n), 0);
            assert_memory_equal(got, want, n);
        }
        hmac_forget(&k);
        assert_int_equal(hkdf_label(&k, "key", span_of(NULL, 0), got, 16), ERR_ARG);
    }
    assert_int_equal(hmac_key(HASH_NONE, span_of(secret, 32), &k), ERR_ARG);
    assert_int_equal(hkdf_label(&k, "key", span_of(NULL, 0), got, 16), ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests),
        cmocka_unit_test(rfc4231),
        cmocka_unit_test(rfc5869),
        cmocka_unit_test(equals_provider),
        cmocka_unit_test(prf12_answers),
        cmocka_unit_test(prf12_equals_provider),
        cmocka_unit_test(limits),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(a_key_that_is_kept),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
