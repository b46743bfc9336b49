/* SPDX-License-Identifier: ISC */
/* Key exchange: RFC 7748's answers, agreement with libcrypto used the plain way, and every share
 * that must be refused (threats 18, 19). */
#include "kex.h"

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
}

/* libcrypto's name of the curve or group; NULL: there is none, the algorithm is one. */
static const char *algorithm(const struct group *g, const char **name)
{
    static const struct {
        uint16_t id;
        const char *algorithm, *name;
    } rows[] = { { 29, "X25519", NULL },    { 30, "X448", NULL },  { 23, "EC", "P-256" },
                 { 24, "EC", "P-384" },     { 25, "EC", "P-521" }, { 256, "DH", "ffdhe2048" },
                 { 257, "DH", "ffdhe3072" } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].id == g->id) {
            *name = rows[i].name;
            return rows[i].algorithm;
        }
    }
    fail_msg("no reference for %s", g->name);
    return NULL;
}

static void agrees_with_libcrypto(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        const struct group *g = group_at(i);
        uint8_t theirs[KEX_SHARE_MAX], ours[KEX_SHARE_MAX];
        uint8_t secret[KEX_SECRET_MAX], want[KEX_SECRET_MAX];
        const char *type, *name = NULL;
        struct kex *k;
        EVP_PKEY *key;

        if (g->id == HYBRID) {
            continue; /* hybrid_is_both_parts() */
        }
        type = algorithm(g, &name);
        key = key_named(type, name);
        assert_int_equal(public_of(key, theirs, sizeof theirs), g->share_client);
        assert_int_equal(kex_respond(g, span_of(theirs, g->share_client), ours, secret), 0);
        assert_int_equal(derived(key, ours, g->share_server, want, sizeof want), g->secret_size);
        assert_memory_equal(secret, want, g->secret_size);
        k = kex_start(g, ours);
        assert_non_null(k);
        assert_int_equal(kex_finish(k, span_of(theirs, g->share_server), secret), 0);
        assert_int_equal(derived(key, ours, g->share_client, want, sizeof want), g->secret_size);
        assert_memory_equal(secret, want, g->secret_size);
        kex_free(k);
        EVP_PKEY_free(key);
    }
}

/* The answer to the share 2 is our own share. RFC 8446 section 7.4.1: as long as the
 * prime, with its leading zeros. */
static void finite_field_pads(void **state)
{
    static const uint16_t ids[] = { 256, 257 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct group *g = group_by_id(ids[i]);
        const size_t n = g->share_client;
        uint8_t two[KEX_SHARE_MAX] = { 0 }, share[KEX_SHARE_MAX], secret[KEX_SECRET_MAX];
        bool small = false;

        two[n - 1] = 2;
        for (int round = 0; round < 20000 && !small; round++) {
            memset(share, 0x5a, sizeof share);
            memset(secret, 0xa5, sizeof secret);
            assert_int_equal(kex_respond(g, span_of(two, n), share, secret), 0);
            assert_memory_equal(share, secret, n);
            small = share[0] == 0;
        }
        assert_true(small); /* one in 256 */
    }
}

/* ---- shares to refuse ---- */

static void bad_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        const struct group *g = group_at(i);
        uint8_t share[2 * KEX_SHARE_MAX] = { 0 };
        struct kex *k = kex_start(g, share);

        refused(g, share, g->share_client - 1u);
        refused(g, share, g->share_client + 1u);
        refused(g, share, 2u * g->share_client);
        refused(g, share, 1);
        refused(g, NULL, 0);
        kex_free(k);
    }
}

static void threat_19_bad_points(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        const struct group *g = group_at(i);
        const size_t n = g->share_client, half = n / 2;
        uint8_t share[KEX_SHARE_MAX], good[KEX_SHARE_MAX], secret[KEX_SECRET_MAX];
        struct kex *k;

        if (n % 2 == 0) {
            continue; /* x25519, x448: every string is a point; and what is no curve */
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

static void threat_19_low_order_points(void **state)
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

/* Our share of a group as if it were so large: p + add, or 0 + add. */
static void number(const struct group *g, bool from_prime, int add, uint8_t *out)
{
    EVP_PKEY *key = key_named("DH", g->name);
    BIGNUM *n = NULL;

    if (from_prime) {
        assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_FFC_P, &n), 1);
    } else {
        n = BN_new();
    }
    assert_int_equal(add < 0 ? BN_sub_word(n, (BN_ULONG)-add) : BN_add_word(n, (BN_ULONG)add), 1);
    assert_int_equal(BN_bn2binpad(n, out, g->share_client), g->share_client);
    BN_free(n);
    EVP_PKEY_free(key);
}

static void threat_18_range(void **state)
{
    static const struct {
        bool from_prime;
        int add;
        bool good;
    } rows[] = { { false, 0, false }, { false, 1, false }, { false, 2, true },  { false, 3, true },
                 { true, -3, true },  { true, -2, true },  { true, -1, false }, { true, 0, false },
                 { true, 1, false },  { true, 2, false },  { true, 7, false } };
    static const struct {
        uint16_t id;
        const char *begin, *end; /* RFC 7919 appendix A */
    } primes[] = {
        { 256, "ffffffffffffffffadf85458a2bb4a9aafdc5620273d3cf1",
          "886b423861285c97ffffffffffffffff" },
        { 257, "ffffffffffffffffadf85458a2bb4a9aafdc5620273d3cf1",
          "25e41d2b66c62e37ffffffffffffffff" },
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct group *g = group_by_id(primes[i].id);
        const size_t n = g->share_client;
        uint8_t share[KEX_SHARE_MAX], mine[KEX_SHARE_MAX], secret[KEX_SECRET_MAX];
        struct kex *k;

        number(g, true, 0, share);
        same("prime", share, 24, primes[i].begin);
        same("prime", share + n - 16, 16, primes[i].end);
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            number(g, rows[r].from_prime, rows[r].add, share);
            if (!rows[r].good) {
                refused(g, share, n);
                continue;
            }
            assert_int_equal(kex_respond(g, span_of(share, n), mine, secret), 0);
            k = kex_start(g, mine);
            assert_int_equal(kex_finish(k, span_of(share, n), secret), 0);
            kex_free(k);
        }
        memset(share, 0xff, n);
        refused(g, share, n);
        /* Good numbers, but not as long as the prime. */
        number(g, false, 2, share + 1);
        share[0] = 0;
        refused(g, share, n + 1);
        refused(g, share + 2, n - 1);
        refused(g, share + n, 1);
        number(g, true, -2, share);
        refused(g, share, n - 1);
        /* The other group's. */
        number(group_by_id(primes[1 - i].id), true, -2, share);
        refused(g, share, group_by_id(primes[1 - i].id)->share_client);
        /* A refused share leaves nothing behind that would be taken for the next one. */
        number(g, false, 2, share);
        assert_int_equal(kex_respond(g, span_of(share, n), mine, secret), 0);
        assert_memory_equal(mine, secret, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc7748),
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(agrees_with_libcrypto),
        cmocka_unit_test(finite_field_pads),
        cmocka_unit_test(bad_lengths),
        cmocka_unit_test(threat_19_bad_points),
        cmocka_unit_test(threat_19_low_order_points),
        cmocka_unit_test(threat_18_range),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
