/* SPDX-License-Identifier: ISC */
/* Diffie-Hellman over a prime from the wire, with libcrypto used the plain way at the other end;
 * and numbers that are no prime (threat 18). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crypto/local_openssl.h"

static struct span prime(struct dh_params *d, uint16_t id)
{
    assert_int_equal(dhparams_named(d, group_by_id(id)), 0);
    return buf_span(&d->p);
}

/* The secret between the key and share y of ours, padded to the prime's length. */
static size_t plain_secret(EVP_PKEY *key, const uint8_t *share, size_t n, uint8_t *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    EVP_PKEY *peer = EVP_PKEY_new();
    size_t len = DH_BYTES_MAX;

    assert_true(EVP_PKEY_copy_parameters(peer, key) == 1 &&
                EVP_PKEY_set1_encoded_public_key(peer, share, n) == 1 &&
                EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_CTX_set_dh_pad(ctx, 1) == 1 &&
                EVP_PKEY_derive_set_peer(ctx, peer) == 1 && EVP_PKEY_derive(ctx, out, &len) == 1);
    EVP_PKEY_free(peer);
    EVP_PKEY_CTX_free(ctx);
    return len;
}

/* RFC 5246 section 8.1.2, in one exchange of 256: goes on until there was one, and one with a share
 * that begins with a zero. */
static void test_leading_zeros(void **state)
{
    struct dh_params d = { { 0 }, { 0 } };
    struct span p = prime(&d, 256);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    EVP_PKEY *key = NULL;
    unsigned zeros = 0, tries = 0;

    (void)state;
    assert_true(EVP_PKEY_keygen_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_group_name(ctx, "ffdhe2048") == 1 &&
                EVP_PKEY_generate(ctx, &key) == 1);
    while (zeros < 2) {
        uint8_t mine[DH_BYTES_MAX], theirs[DH_BYTES_MAX], secret[DH_BYTES_MAX], want[DH_BYTES_MAX];
        size_t nmine, ntheirs, n, len, skip = 0;
        struct kex *k;

        assert_true(tries++ < 20000); /* all but sure to end before 3000 */
        assert_int_equal(dhe_start(&k, p, buf_span(&d.g), DH_BITS_MIN), 0);
        assert_string_equal(dhe_group(k)->name, "ffdhe2048");
        assert_int_equal(dhe_share(k, mine, &nmine), 0);
        assert_int_equal(nmine, 256);
        assert_int_equal(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
                                                         theirs, sizeof theirs, &ntheirs),
                         1);
        assert_int_equal(dhe_finish(k, span_of(theirs, ntheirs), secret, &n), 0);
        len = plain_secret(key, mine, nmine, want);
        assert_int_equal(len, 256);
        while (want[skip] == 0) {
            skip++;
        }
        zeros += skip > 0;
        assert_int_equal(n, len - skip);
        assert_memory_equal(secret, want + skip, n);
        assert_int_equal(dhe_finish(k, span_of(theirs, ntheirs), secret, &n), ERR_STATE);
        assert_int_equal(n, 0);
        kex_free(k);
    }
    dhparams_free(&d);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
}

/* Two keys are never the same, nor are their secrets; of primes that are no group of ours too. */
static void test_other_primes(void **state)
{
    BIGNUM *b = BN_get_rfc3526_prime_2048(NULL);
    uint8_t p[256], share[2][DH_BYTES_MAX], secret[2][DH_BYTES_MAX];
    size_t n, len[2];
    struct kex *k[2];

    (void)state;
    assert_int_equal(BN_bn2bin(b, p), sizeof p);
    for (uint8_t g = 2; g < 6; g += 3) { /* with 5 nobody knows it */
        for (int i = 0; i < 2; i++) {
            assert_int_equal(dhe_start(&k[i], span_of(p, sizeof p), span_of(&g, 1), 2048), 0);
            assert_null(dhe_group(k[i]));
            assert_int_equal(dhe_share(k[i], share[i], &n), 0);
            assert_int_equal(n, sizeof p);
        }
        assert_memory_not_equal(share[0], share[1], n);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(dhe_finish(k[i], span_of(share[!i], n), secret[i], &len[i]), 0);
            kex_free(k[i]);
        }
        assert_int_equal(len[0], len[1]);
        assert_memory_equal(secret[0], secret[1], len[0]);
    }
    BN_free(b);
}

/* threat 18: the test finds composites, among them those that pass Fermat's with every base (a
 * Carmichael number: (6k+1)(12k+1)(18k+1), all prime), and strong pseudoprimes to base 2. */
static BIGNUM *carmichael(int bits)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *k = BN_new(), *f[3] = { BN_new(), BN_new(), BN_new() }, *n = BN_new();
    bool found = false;

    assert_true(BN_rand(k, bits / 3 - 3, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
    while (!found) {
        found = true;
        assert_true(BN_add_word(k, 1) == 1);
        for (unsigned i = 0; i < 3 && found; i++) {
            assert_true(BN_copy(f[i], k) && BN_mul_word(f[i], 6 * (i + 1)) && BN_add_word(f[i], 1));
            found = BN_check_prime(f[i], ctx, NULL) == 1;
        }
    }
    assert_true(BN_mul(n, f[0], f[1], ctx) && BN_mul(n, n, f[2], ctx));
    for (unsigned i = 0; i < 3; i++) {
        BN_free(f[i]);
    }
    BN_free(k);
    BN_CTX_free(ctx);
    return n;
}

static void threat_18_composites(void **state)
{
    static const uint8_t two = 2;
    BIGNUM *n = carmichael(560);
    uint8_t p[256];
    size_t len = (size_t)BN_bn2bin(n, p);
    unsigned passed = 0;
    struct kex *k;

    (void)state;
    for (int i = 0; i < 60; i++) { /* one round: at most one in four, each time */
        int rc = dhe_start(&k, span_of(p, len), span_of(&two, 1), 512);

        assert_true(rc == 0 || rc == ERR_PARSE);
        passed += rc == 0;
        kex_free(k);
    }
    assert_true(passed < 45); /* Fermat's test: all 60 */
    BN_free(n);
    n = BN_get_rfc3526_prime_2048(NULL);
    for (int i = 0; i < 20; i++) { /* not made by anybody */
        assert_true(BN_add_word(n, 2) == 1);
        len = (size_t)BN_bn2bin(n, p);
        assert_int_equal(dhe_start(&k, span_of(p, len), span_of(&two, 1), 2048), ERR_PARSE);
        assert_null(k);
    }
    assert_int_equal(ERR_peek_error(), 0);
    BN_free(n);
}

static int setup(void **state)
{
    (void)state;
    return crypto_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leading_zeros),
        cmocka_unit_test(test_other_primes),
        cmocka_unit_test(threat_18_composites),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
