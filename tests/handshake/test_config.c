/* SPDX-License-Identifier: ISC */
/* A configuration on its own: its switches, and sealing it again after memory was short. */
#include "tests/handshake/pair.h"
#include "tests/lib/failing.h"

static struct config *unsealed(void)
{
    struct config *c = config_new(TLS_SERVER);

    assert_non_null(c);
    assert_int_equal(config_set_trust(c, pki.trust), 0);
    assert_int_equal(config_set_clock(c, pair_clock), 0);
    assert_int_equal(config_set_client_auth(c, CLIENT_AUTH_REQUEST), 0);
    assert_int_equal(config_add_identity(c, pki.server[ID_P256]), 0);
    return c;
}

/* The n-th allocation fails, for every n, and all behind it; then it is sealed all the same, and
 * nothing is lost. */
static void test_sealed_again(void **state)
{
    size_t failures = 0;
    int rc = -1;

    (void)state;
    for_good = true;
    for (size_t n = 1; rc < 0; n++) {
        struct error err = { 0 };
        const size_t before = live;
        struct config *c = unsealed();

        failing_arm(n);
        rc = config_seal(c, &err);
        armed = false;
        assert_int_equal(err.code, rc);
        assert_true(rc == 0 || rc == ERR_MEM);
        assert_int_equal(config_sealed(c), rc == 0);
        failures += rc < 0;
        assert_int_equal(config_seal(c, NULL), 0);
        config_unref(c);
        assert_int_equal(live, before);
    }
    assert_true(failures > 2);
}

/* Each switch has a place of its own, which it sets and clears. */
static void test_switches(void **state)
{
    struct config *c = config_new(TLS_CLIENT);
    bool taken[sizeof(struct settings)] = { false };

    (void)state;
    for (int f = CONFIG_TICKETS; f <= CONFIG_EARLY_DATA; f++) {
        struct settings on = { 0 }, off = { 0 };
        size_t differs = 0;

        assert_int_equal(config_set_flag(c, (enum config_flag)f, true), 0);
        memcpy(&on, config_settings(c), sizeof on);
        assert_int_equal(config_set_flag(c, (enum config_flag)f, false), 0);
        memcpy(&off, config_settings(c), sizeof off);
        for (size_t i = 0; i < sizeof on; i++) {
            if (((const uint8_t *)&on)[i] != ((const uint8_t *)&off)[i]) {
                assert_false(taken[i]);
                taken[i] = true;
                differs++;
            }
        }
        assert_int_equal(differs, 1);
    }
    assert_int_equal(config_set_flag(c, (enum config_flag)(CONFIG_EARLY_DATA + 1), true), ERR_ARG);
    assert_int_equal(config_set_flag(c, (enum config_flag) - 1, true), ERR_ARG);
    config_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_again),
        cmocka_unit_test(test_switches),
    };

    failing_install();
    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
