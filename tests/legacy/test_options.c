/* SPDX-License-Identifier: ISC */
/* PROFILE=legacy: what it compiles, what of it is in use from the start, and what has to be named.
 */
#include "base/options.h"

#include <matrixssl/matrixsslApi.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "handshake/suites.h"

#if !defined(USE_TLS_1_1) || !defined(USE_TLS) || !defined(USE_SSL3) || !defined(USE_OLD_TLS)
#error "a version is not compiled"
#endif
#if !defined(USE_RC4) || !defined(USE_3DES) || !defined(USE_NULL) || !defined(USE_ANON) || \
    !defined(USE_MD5) || !defined(USE_DHE) || !defined(USE_PSK)
#error "a family of suites is not compiled"
#endif

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static void test_only_what_protects_is_in_use_from_the_start(void **state)
{
    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        const char *name = suite_at(i)->name;
        bool hollow = strstr(name, "NULL") || strstr(name, "DH_anon");

        print_message("%s %s\n", name, suite_at(i)->use == SUITE_WAITS ? "waits" : "");
        assert_int_equal(suite_at(i)->use, hollow ? SUITE_WAITS : 1);
        assert_true(begins(name, "TLS_") || begins(name, "SSL_"));
    }
}

/* threat 16: what is not AEAD with forward secrecy waits for its name, with sockets too */
static void test_sockets_offer_no_more_than_in_other_builds(void **state)
{
    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        if (suite_at(i)->by_default) {
            assert_int_equal(suite_at(i)->cbc, CBC_NONE);
            assert_true(suite_at(i)->kx == KX_ANY || suite_at(i)->kx == KX_ECDHE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_protects_is_in_use_from_the_start),
        cmocka_unit_test(test_sockets_offer_no_more_than_in_other_builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
