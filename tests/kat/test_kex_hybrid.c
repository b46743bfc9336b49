/* SPDX-License-Identifier: ISC */
/* Which groups there are, and X25519MLKEM768: with libcrypto's ML-KEM, or before 3.5 with a double
 * of it. */
#include "kex.h"

#include "mlkem_double.h"

static bool libcrypto_has_mlkem(void)
{
    EVP_KEM *kem = EVP_KEM_fetch(provider.lib, "ML-KEM-768", NULL);

    EVP_KEM_free(kem);
    ERR_clear_error();
    return kem != NULL;
}

/* Our order, with the hybrid in front only where libcrypto has ML-KEM. */
static void groups_in_order(bool hybrid)
{
    static const struct {
        uint16_t id;
        bool ec;
        const char *name;
    } want[] = {
        { HYBRID, false, "X25519MLKEM768" }, { 29, true, "x25519" },      { 23, true, "secp256r1" },
        { 24, true, "secp384r1" },           { 30, true, "x448" },        { 25, true, "secp521r1" },
        { 256, false, "ffdhe2048" },         { 257, false, "ffdhe3072" },
    };
    const size_t n = sizeof want / sizeof *want, skip = hybrid ? 0 : 1;

    for (size_t i = skip; i < n; i++) {
        const struct group *g = group_at(i - skip);

        assert_non_null(g);
        assert_int_equal(g->id, want[i].id);
        assert_string_equal(g->name, want[i].name);
        assert_int_equal(g->ec, want[i].ec);
        assert_ptr_equal(group_by_id(g->id), g);
        assert_true(g->secret_size <= KEX_SECRET_MAX);
        assert_true(g->share_client <= KEX_SHARE_MAX && g->share_server <= KEX_SHARE_MAX);
    }
    assert_null(group_at(n - skip));
    assert_null(group_at(n));
    assert_null(group_at(SIZE_MAX));
    assert_null(group_by_id(0));
    assert_null(group_by_id(258)); /* ffdhe4096 */
    assert_int_equal(group_by_id(HYBRID) != NULL, hybrid);
}

/* The tests after this one have the hybrid, with ML-KEM or its double. */
static void groups_that_are_present(void **state)
{
    const bool clean = ERR_peek_error() == 0, has = libcrypto_has_mlkem();

    (void)state;
    assert_true(clean); /* that there is none is not left for the program to find */
    print_message("ML-KEM: %s\n", has ? "libcrypto's" : "a double");
    groups_in_order(has);
    if (!has) {
        assert_int_equal(OSSL_PROVIDER_add_builtin(provider.lib, "double", double_provider), 1);
        assert_non_null(OSSL_PROVIDER_load(provider.lib, "double"));
        groups_in_order(false); /* asked once, at the start */
        kex_look();
        assert_true(libcrypto_has_mlkem());
    }
    assert_int_equal(ERR_peek_error(), 0);
    groups_in_order(true);
}

/* A new key each time, for one exchange each. */
static void hybrid_rounds(void **state)
{
    const struct group *g = group_by_id(HYBRID);
    uint8_t last[1216] = { 0 }, client[1216], server[1120], a[64], b[64];

    (void)state;
    for (int round = 0; round < 8; round++) {
        struct kex *k = kex_start(g, client);

        assert_non_null(k);
        assert_memory_not_equal(client, last, 1184);
        assert_memory_not_equal(client + 1184, last + 1184, 32);
        memcpy(last, client, sizeof last);
        assert_int_equal(kex_respond(g, span_of(client, sizeof client), server, a), 0);
        assert_int_equal(kex_finish(k, span_of(server, sizeof server), b), 0);
        assert_memory_equal(a, b, sizeof a);
        assert_false(all_zero(a, 32) || all_zero(a + 32, 32));
        assert_int_equal(kex_finish(k, span_of(server, sizeof server), b), ERR_STATE);
        assert_true(all_zero(b, sizeof b));
        kex_free(k);
        k = kex_start(g, client); /* never finished */
        assert_non_null(k);
        kex_free(k);
    }
}

/* The hybrid's shares and secret are ML-KEM's, then X25519's, as each part alone has them. */
static void hybrid_is_both_parts(void **state)
{
    const struct group *g = group_by_id(HYBRID);
    uint8_t client[1184 + 32], server[1088 + 32], secret[64], want[64], share[1184 + 32];
    size_t nct = 1088, n = 32;
    struct kex *k = kex_start(g, client);
    EVP_PKEY *kem, *x = key_named("X25519", NULL);
    EVP_PKEY_CTX *ctx;

    (void)state;
    assert_int_equal(g->share_client, sizeof client);
    assert_int_equal(g->share_server, sizeof server);
    assert_int_equal(g->secret_size, sizeof secret);
    /* We are the client. */
    assert_non_null(k);
    kem = EVP_PKEY_new_raw_public_key_ex(provider.lib, "ML-KEM-768", NULL, client, 1184);
    ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, kem, NULL);
    assert_int_equal(EVP_PKEY_encapsulate_init(ctx, NULL), 1);
    assert_int_equal(EVP_PKEY_encapsulate(ctx, server, &nct, want, &n), 1);
    assert_int_equal(public_of(x, server + 1088, 32), 32);
    assert_int_equal(derived(x, client + 1184, 32, want + 32, 32), 32);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(kem);
    assert_int_equal(kex_finish(k, span_of(server, sizeof server), secret), 0);
    assert_memory_equal(secret, want, 64);
    kex_free(k);
    /* We are the server. */
    kem = key_named("ML-KEM-768", NULL);
    assert_int_equal(public_of(kem, client, 1184), 1184);
    assert_int_equal(public_of(x, client + 1184, 32), 32);
    assert_int_equal(kex_respond(g, span_of(client, sizeof client), share, secret), 0);
    ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, kem, NULL);
    assert_int_equal(EVP_PKEY_decapsulate_init(ctx, NULL), 1);
    n = 32;
    assert_int_equal(EVP_PKEY_decapsulate(ctx, want, &n, share, 1088), 1);
    assert_int_equal(derived(x, share + 1088, 32, want + 32, 32), 32);
    assert_memory_equal(secret, want, 64);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(kem);
    EVP_PKEY_free(x);
}

/* Another ciphertext is another secret (FIPS 203 section 6.3), in that part alone. */
static void hybrid_with_another_ciphertext(void **state)
{
    const struct group *g = group_by_id(HYBRID);

    (void)state;
    for (size_t at = 0; at < 1088; at += 31) {
        uint8_t client[1216], server[1120], a[64], b[64];
        struct kex *k = kex_start(g, client);

        assert_non_null(k);
        assert_int_equal(kex_respond(g, span_of(client, sizeof client), server, a), 0);
        server[at] ^= (uint8_t)(1u << at % 8);
        assert_int_equal(kex_finish(k, span_of(server, sizeof server), b), 0);
        assert_memory_not_equal(a, b, 32);
        assert_false(all_zero(b, 32));
        assert_memory_equal(a + 32, b + 32, 32);
        kex_free(k);
    }
}

/* The hybrid refuses what either part refuses, and neither's secret is left. */
static void hybrid_refusals(void **state)
{
    static const size_t wrong[] = { 0, 1, 32, 1088, 1119, 1121, 1152, 1184, 1215, 1217 };
    const struct group *g = group_by_id(HYBRID);
    uint8_t client[1217], server[1217], mine[1120], secret[64];
    struct kex *k = kex_start(g, client);

    (void)state;
    memset(server, 0, sizeof server);
    client[1216] = 0;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        refused(g, client, wrong[i]);
    }
    assert_int_equal(kex_respond(g, span_of(client, 1216), server, secret), 0);
    kex_free(k);
    /* X25519 of order one, two, four: after an ML-KEM part that is right. */
    for (uint8_t u = 0; u < 2; u++) {
        memset(client + 1184, 0, 32);
        client[1184] = u;
        memset(secret, 0x5a, sizeof secret);
        memset(mine, 0x5a, sizeof mine);
        assert_int_equal(kex_respond(g, span_of(client, 1216), mine, secret), BAD_SHARE);
        assert_true(all_zero(mine, sizeof mine));
        assert_true(all_zero(secret, sizeof secret));
        memset(server + 1088, 0, 32);
        server[1088] = u;
        k = kex_start(g, client);
        memset(secret, 0x5a, sizeof secret);
        assert_int_equal(kex_finish(k, span_of(server, 1120), secret), BAD_SHARE);
        assert_true(all_zero(secret, sizeof secret));
        assert_int_equal(kex_finish(k, span_of(server, 1120), secret), ERR_STATE);
        kex_free(k);
    }
    /* An encapsulation key whose numbers are not below 3329 (FIPS 203 section 7.2). */
    k = kex_start(g, client);
    kex_free(k);
    memset(client, 0xff, 1184);
    memset(secret, 0x5a, sizeof secret);
    memset(mine, 0x5a, sizeof mine);
    assert_int_equal(kex_respond(g, span_of(client, 1216), mine, secret), BAD_SHARE);
    assert_true(all_zero(mine, sizeof mine));
    assert_true(all_zero(secret, sizeof secret));
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_that_are_present), cmocka_unit_test(hybrid_rounds),
        cmocka_unit_test(hybrid_is_both_parts),    cmocka_unit_test(hybrid_with_another_ciphertext),
        cmocka_unit_test(hybrid_refusals),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
