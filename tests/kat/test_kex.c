/* SPDX-License-Identifier: ISC */
/* Key exchange: RFC 7748's answers, agreement with libcrypto used the plain way, and every share
 * that must be refused (threat 19). */
#include "kat.h"

#include "crypto/local_openssl.h"

static uint8_t given[56];

static int give(void *p, size_t n)
{
    assert_true(n <= sizeof given);
    memcpy(p, given, n);
    return 0;
}

/* The function X25519 or X448 of RFC 7748: the scalar comes through the test's random source. */
static void ladder(uint16_t id, const uint8_t *scalar, const uint8_t *u, uint8_t *out)
{
    const struct group *g = group_by_id(id);
    uint8_t share[KEX_SHARE_MAX];
    struct kex *k;

    memcpy(given, scalar, g->secret_size);
    rand_set_test_source(give);
    k = kex_start(g, share);
    rand_set_test_source(NULL);
    assert_non_null(k);
    assert_int_equal(kex_finish(k, span_of(u, g->share_server), out), 0);
    kex_free(k);
}

static void rfc7748(void **state)
{
    static const struct {
        uint16_t id;
        const char *scalar, *u, *out;
    } rows[] = {
        { 29, "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
          "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
          "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552" },
        { 29, "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
          "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
          "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957" },
        { 30,
          "3d262fddf9ec8e88495266fea19a34d28882acef045104d0d1aae121700a779c"
          "984c24f8cdd78fbff44943eba368f54b29259a4f1c600ad3",
          "06fce640fa3487bfda5f6cf2d5263f8aad88334cbd07437f020f08f9814dc031"
          "ddbdc38c19c6da2583fa5429db94ada18aa7a7fb4ef8a086",
          "ce3e4ff95a60dc6697da1db1d85e6afbdf79b50a2412d7546d5f239fe14fbaad"
          "eb445fc66a01b0779d98223961111e21766282f73dd96b6f" },
    };
    uint8_t k[32] = { 9 }, u[32] = { 9 }, out[56];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct bytes scalar = unhex(rows[i].scalar), point = unhex(rows[i].u);

        ladder(rows[i].id, scalar.p, point.p, out);
        same("ladder", out, scalar.n, rows[i].out);
    }
    for (int i = 1; i <= 1000; i++) { /* section 5.2, iterated */
        ladder(29, k, u, out);
        memcpy(u, k, 32);
        memcpy(k, out, 32);
        if (i == 1) {
            same("once", k, 32, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
        }
    }
    same("1000 times", k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

static void both_sides_agree(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        const struct group *g = group_at(i);
        uint8_t last[KEX_SHARE_MAX] = { 0 };

        assert_ptr_equal(group_by_id(g->id), g);
        assert_true(g->secret_size <= KEX_SECRET_MAX);
        for (int round = 0; round < 8; round++) {
            uint8_t client[KEX_SHARE_MAX], server[KEX_SHARE_MAX];
            uint8_t a[KEX_SECRET_MAX], b[KEX_SECRET_MAX];
            struct kex *k = kex_start(g, client);

            assert_non_null(k);
            assert_memory_not_equal(client, last, g->share_client); /* never a key twice */
            memcpy(last, client, g->share_client);
            assert_int_equal(kex_respond(g, span_of(client, g->share_client), server, a), 0);
            assert_int_equal(kex_finish(k, span_of(server, g->share_server), b), 0);
            assert_memory_equal(a, b, g->secret_size);
            assert_false(all_zero(a, g->secret_size));
            /* One key, one exchange. */
            assert_int_equal(kex_finish(k, span_of(server, g->share_server), b), ERR_STATE);
            assert_true(all_zero(b, g->secret_size));
            kex_free(k);
        }
    }
    kex_free(NULL);
    assert_null(group_by_id(0));
    assert_int_equal(group_at(0)->id, 29);
    assert_int_equal(group_at(1)->id, 23);
    assert_int_equal(group_at(2)->id, 24);
}

/* A key pair and its derivation made with nothing of ours. */
static EVP_PKEY *reference_key(const struct group *g)
{
    return g->id == 29   ? EVP_PKEY_Q_keygen(provider.lib, NULL, "X25519")
           : g->id == 30 ? EVP_PKEY_Q_keygen(provider.lib, NULL, "X448")
           : g->id == 23 ? EVP_PKEY_Q_keygen(provider.lib, NULL, "EC", "P-256")
           : g->id == 24 ? EVP_PKEY_Q_keygen(provider.lib, NULL, "EC", "P-384")
                         : EVP_PKEY_Q_keygen(provider.lib, NULL, "EC", "P-521");
}

static void agrees_with_libcrypto(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        const struct group *g = group_at(i);
        EVP_PKEY *theirs = reference_key(g), *ours = EVP_PKEY_new();
        uint8_t share[KEX_SHARE_MAX], secret[KEX_SECRET_MAX], want[KEX_SECRET_MAX];
        unsigned char *point = NULL;
        size_t n = EVP_PKEY_get1_encoded_public_key(theirs, &point), nwant = sizeof want;
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, theirs, NULL);

        assert_non_null(theirs);
        assert_int_equal(kex_respond(g, span_of(point, n), share, secret), 0);
        assert_int_equal(EVP_PKEY_copy_parameters(ours, theirs), 1);
        assert_int_equal(EVP_PKEY_set1_encoded_public_key(ours, share, g->share_server), 1);
        assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
        assert_int_equal(EVP_PKEY_derive_set_peer(ctx, ours), 1);
        assert_int_equal(EVP_PKEY_derive(ctx, want, &nwant), 1);
        assert_int_equal(nwant, g->secret_size);
        assert_memory_equal(secret, want, nwant);
        OPENSSL_free(point);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(theirs);
        EVP_PKEY_free(ours);
    }
}

/* Both sides refuse the share, and leave nothing in their outputs. */
static void refused(const struct group *g, const uint8_t *share, size_t n)
{
    uint8_t mine[KEX_SHARE_MAX], secret[KEX_SECRET_MAX];
    struct kex *k;

    memset(mine, 0x5a, sizeof mine);
    memset(secret, 0x5a, sizeof secret);
    assert_int_equal(kex_respond(g, span_of(share, n), mine, secret), BAD_SHARE);
    assert_true(all_zero(mine, g->share_server));
    assert_true(all_zero(secret, g->secret_size));
    k = kex_start(g, mine);
    assert_non_null(k);
    memset(secret, 0x5a, sizeof secret);
    assert_int_equal(kex_finish(k, span_of(share, n), secret), BAD_SHARE);
    assert_true(all_zero(secret, g->secret_size));
    kex_free(k);
    assert_int_equal(ERR_peek_error(), 0); /* nothing for the program's own use of libcrypto */
}

static void bad_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        const struct group *g = group_at(i);
        uint8_t share[KEX_SHARE_MAX + 1] = { 0 };
        struct kex *k = kex_start(g, share);

        refused(g, share, g->share_client - 1u);
        refused(g, share, g->share_client + 1u);
        refused(g, share, 2u * g->share_client);
        refused(g, share, 1);
        refused(g, NULL, 0);
        kex_free(k);
    }
}

/* threat 19 */
static void bad_points(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        const struct group *g = group_at(i);
        const size_t n = g->share_client, half = n / 2;
        uint8_t share[KEX_SHARE_MAX], good[KEX_SHARE_MAX], secret[KEX_SECRET_MAX];
        struct kex *k;

        if (n % 2 == 0) {
            continue; /* x25519, x448: every string is a point */
        }
        k = kex_start(g, good);
        assert_non_null(k);
        kex_free(k);
        memset(share, 0, sizeof share); /* infinity, short and long */
        refused(g, share, 1);
        refused(g, share, n);
        share[0] = 4; /* (0, 0) */
        refused(g, share, n);
        for (unsigned form = 0; form < 256;
             form++) { /* compressed 2 3, hybrid 6 7, and all others */
            memcpy(share, good, n);
            share[0] = (uint8_t)form;
            if (form != 4) {
                refused(g, share, n);
                refused(g, share, 1 + half);
            }
        }
        for (size_t bit = 8; bit < 8 * n; bit += 1 + bit % 5) { /* off the curve */
            memcpy(share, good, n);
            share[bit / 8] ^= (uint8_t)(1u << bit % 8);
            refused(g, share, n);
        }
        memset(share + 1, 0xff, n - 1); /* coordinates not below the prime */
        refused(g, share, n);
        memcpy(share, good, n);
        memcpy(share + 1, good + 1 + half, half); /* x and y swapped */
        memcpy(share + 1 + half, good + 1, half);
        refused(g, share, n);
        /* A refused share leaves nothing behind that would be taken for the next one. */
        assert_int_equal(kex_respond(g, span_of(good, n), share, secret), 0);
    }
}

/* threat 19 */
static void low_order_points(void **state)
{
    static const char *const x25519[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    static const char *const x448[] = {
        "00000000000000000000000000000000000000000000000000000000"
        "00000000000000000000000000000000000000000000000000000000",
        "01000000000000000000000000000000000000000000000000000000"
        "00000000000000000000000000000000000000000000000000000000",
        "feffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "feffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "feffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "00000000000000000000000000000000000000000000000000000000"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };

    (void)state;
    for (size_t i = 0; i < sizeof x25519 / sizeof *x25519; i++) {
        struct bytes b = unhex(x25519[i]);

        refused(group_by_id(29), b.p, b.n);
        b.p[31] |= 0x80; /* RFC 7748 section 5: this bit is ignored */
        refused(group_by_id(29), b.p, b.n);
    }
    for (size_t i = 0; i < sizeof x448 / sizeof *x448; i++) {
        const struct bytes b = unhex(x448[i]);

        refused(group_by_id(30), b.p, b.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc7748),
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(agrees_with_libcrypto),
        cmocka_unit_test(bad_lengths),
        cmocka_unit_test(bad_points),
        cmocka_unit_test(low_order_points),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
