/* SPDX-License-Identifier: ISC */
/* Pre-shared keys from outside as a config takes them: limits, and importing them (RFC 9258). */
#include "tests/handshake/pair.h"

#define KEY "0123456789abcdef0123456789abcdef"

/* RFC 9258 has no vectors: these were worked out apart from this code, from its section 5.1. */
static void test_import(void **state)
{
    static const struct {
        enum hash_id own, target;
        const char *identity, *key;
    } v[] = {
        { HASH_NONE, HASH_SHA256, "00086465766963652d37000c0005616c6963650003626f6203040001",
          "4d0004e72ff270e02be28070e8b877606075671a57f8a40ba5f3b19b316a7a37" },
        { HASH_SHA256, HASH_SHA384, "00086465766963652d37000c0005616c6963650003626f6203040002",
          "809096250ed7447fea0ee5655b0f4f6c6e4a99d9d96e71ee71b708ce13de1223"
          "7789f7f015a5ceb56e937969dad260a8" },
        { HASH_SHA384, HASH_SHA256, "00086465766963652d37000c0005616c6963650003626f6203040001",
          "3f93dc9a4c68343d413333b16cbc49b1d2c8226bb6467eee24b9f2493539142d" },
        { HASH_SHA384, HASH_SHA384, "00086465766963652d37000c0005616c6963650003626f6203040002",
          "a5a77d056a1ab835592719bf1e7e6c819e611cb5f1d4433e73eac46126cc6cc4"
          "577415bb64db07e184f7848d1834afe4" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        for (enum tls_role role = TLS_CLIENT; role <= TLS_SERVER; role++) {
            struct config *c = config_new(role);
            const struct ext_psk *p = NULL;
            uint8_t identity[PSK_BOUND_MAX], key[HASH_MAX];
            const char *own = role == TLS_CLIENT ? "alice" : "bob";

            assert_int_equal(config_add_psk(c, span_text("device-7"), span_text(KEY), v[i].own, own,
                                            role == TLS_CLIENT ? "bob" : "alice"),
                             0);
            for (p = config_settings(c)->psks; p->hash != v[i].target; p = p->next) {
            }
            assert_true(p->imported);
            assert_int_equal(2 * p->identity_len, strlen(v[i].identity));
            assert_int_equal(p->key_len, hash_size(v[i].target));
            assert_int_equal(2 * p->key_len, strlen(v[i].key));
            pair_unhex(v[i].identity, identity, sizeof identity);
            pair_unhex(v[i].key, key, sizeof key);
            assert_memory_equal(p->identity, identity, p->identity_len);
            assert_memory_equal(p->key, key, p->key_len);
            config_unref(c);
        }
    }
}

static int adds(enum tls_role role, size_t name, size_t key, enum hash_id hash, const char *own,
                const char *peer)
{
    static uint8_t text[512];
    struct config *c = config_new(role);
    int rc;

    memset(text, 'x', sizeof text);
    rc = config_add_psk(c, span_of(text, name), span_of(text, key), hash, own, peer);
    config_unref(c);
    return rc;
}

static void test_limits(void **state)
{
    static char longest[257];

    (void)state;
    memset(longest, 'n', 256);
    for (enum tls_role r = TLS_CLIENT; r <= TLS_SERVER; r++) {
        assert_int_equal(adds(r, 0, 16, HASH_NONE, NULL, NULL), ERR_ARG);
        assert_int_equal(adds(r, 1, 16, HASH_NONE, NULL, NULL), 0);
        assert_int_equal(adds(r, 255, 256, HASH_NONE, NULL, NULL), 0);
        assert_int_equal(adds(r, 256, 256, HASH_NONE, NULL, NULL), ERR_ARG);
        assert_int_equal(adds(r, 1, 15, HASH_NONE, NULL, NULL), ERR_ARG);
        assert_int_equal(adds(r, 1, 257, HASH_NONE, NULL, NULL), ERR_ARG);
        assert_int_equal(adds(r, 1, 16, HASH_SHA1, NULL, NULL), ERR_ARG);
        assert_int_equal(adds(r, 1, 16, HASH_SHA512, NULL, NULL), ERR_ARG);
        assert_int_equal(adds(r, 1, 16, HASH_NONE, "a", NULL), ERR_ARG);
        assert_int_equal(adds(r, 1, 16, HASH_NONE, NULL, "a"), ERR_ARG);
        assert_int_equal(adds(r, 1, 16, HASH_NONE, "", "a"), ERR_ARG);
        assert_int_equal(adds(r, 1, 16, HASH_NONE, longest, "a"), ERR_ARG);
        assert_int_equal(adds(r, 255, 256, HASH_SHA384, longest + 1, "a"), 0);
        assert_int_equal(adds(r, 255, 16, HASH_NONE, "a", longest + 1), 0);
    }
}

static int add(struct config *c, const char *name, bool import)
{
    return config_add_psk(c, span_text(name), span_text(KEY), HASH_NONE, import ? "a" : NULL,
                          import ? "b" : NULL);
}

static void test_config(void **state)
{
    struct config *c = config_new(TLS_CLIENT), *s = config_new(TLS_SERVER);
    struct error err = { 0 };

    (void)state;
    assert_int_equal(config_add_psk(c, span_of("a\0b", 3), span_text(KEY), HASH_NONE, NULL, NULL),
                     ERR_ARG);
    assert_int_equal(add(c, "1", false), 0);
    assert_int_equal(add(c, "1", false), ERR_ARG);
    assert_int_equal(add(c, "1", true), ERR_ARG);
    assert_int_equal(add(c, "2", false), 0);
    assert_int_equal(add(c, "3", false), 0);
    assert_int_equal(add(c, "4", true), ERR_LIMIT);
    assert_int_equal(add(c, "4", false), 0);
    assert_int_equal(add(c, "5", false), ERR_LIMIT);
    assert_int_equal(config_seal(c, NULL), 0); /* no anchors, no clock: no certificate will do */
    assert_int_equal(add(c, "6", false), ERR_STATE);
    assert_int_equal(config_seal(s, &err), ERR_ARG);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];

        snprintf(name, sizeof name, "n%u", i);
        assert_int_equal(add(s, name, i % 2), 0);
    }
    assert_int_equal(config_set_client_auth(s, CLIENT_AUTH_REQUIRE), 0);
    assert_int_equal(config_seal(s, &err), ERR_ARG);
    assert_int_equal(config_set_client_auth(s, CLIENT_AUTH_NONE), 0);
    assert_int_equal(config_set_versions(s, TLS_1_2, TLS_1_2), 0);
    assert_int_equal(config_seal(s, &err), ERR_ARG);
    assert_int_equal(config_set_versions(s, TLS_1_2, TLS_1_3), 0);
    assert_int_equal(config_seal(s, &err), 0);
    config_unref(c);
    config_unref(s);
}

/* ---- of TLS 1.2: a list of its own ---- */
static int adds12(size_t name, size_t key)
{
    static uint8_t text[512];
    struct config *c = config_new(TLS_SERVER);
    int rc;

    memset(text, 'x', sizeof text);
    rc = config_add_psk12(c, span_of(text, name), span_of(text, key));
    config_unref(c);
    return rc;
}

static void test_limits12(void **state)
{
    struct config *c = config_new(TLS_CLIENT);
    char text[257] = { 0 };

    (void)state;
    memset(text, 'h', 256);
    assert_int_equal(adds12(0, 1), ERR_ARG);
    assert_int_equal(adds12(1, 0), ERR_ARG);
    assert_int_equal(adds12(1, 1), 0);
    assert_int_equal(adds12(128, 64), 0); /* what RFC 4279 section 5.3 asks for */
    assert_int_equal(adds12(255, 256), 0);
    assert_int_equal(adds12(256, 256), ERR_ARG);
    assert_int_equal(adds12(255, 257), ERR_ARG);
    assert_int_equal(config_add_psk12(c, span_of("a\0b", 3), span_text(KEY)), ERR_ARG);
    assert_int_equal(config_add_psk12(c, span_text("a"), span_text(KEY)), 0);
    assert_int_equal(config_add_psk12(c, span_text("a"), span_text(KEY)), ERR_ARG);
    assert_int_equal(config_add_psk(c, span_text("a"), span_text(KEY), HASH_NONE, NULL, NULL), 0);
    assert_int_equal(config_set_psk_hint(c, span_of(text, 255)), 0);
    assert_int_equal(config_set_psk_hint(c, span_of(text, 256)), ERR_ARG);
    assert_int_equal(config_set_psk_hint(c, span_of("a\0b", 3)), ERR_ARG);
    assert_int_equal(config_set_psk_hint(c, span_of(NULL, 0)), 0);
    assert_int_equal(buf_len(&config_settings(c)->psk_hint), 0);
    /* neither a suite for the key nor a key for the suite */
    assert_int_equal(config_seal(c, NULL), ERR_ARG);
    config_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_limits12),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
