/* SPDX-License-Identifier: ISC */
/* threat 16: where libcrypto's legacy provider is not installed there is no RC4: who names it is
 * told so, who does not has all the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/options.h"
#include "config.h"
#include "handshake/suites.h"
#include "shim/ssl_options.h"
#include "tests/lib/guide.h"

static bool is_rc4(const struct suite *s)
{
    return s->stream == STREAM_RC4;
}

static void suites_looked_at(void **state)
{
    unsigned n = 0;

    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        assert_int_equal(suite_look(suite_at(i)), is_rc4(suite_at(i)) ? ERR_UNSUPPORTED : 0);
        n += is_rc4(suite_at(i));
    }
    assert_true(n >= 4);
}

static void named_to_sockets(void **state)
{
    const uint16_t ids[] = { 0x000a, 0x0005 };
    struct config *c = config_new(TLS_CLIENT);
    struct id_list list;
    struct error err;

    (void)state;
    error_clear(&err);
    assert_int_equal(suites_parse("TLS_RSA_WITH_3DES_EDE_CBC_SHA", &list, &err), 0);
    assert_int_equal(
        suites_parse("TLS_RSA_WITH_3DES_EDE_CBC_SHA:TLS_RSA_WITH_RC4_128_SHA", &list, &err),
        ERR_UNSUPPORTED);
    assert_string_equal(err.text, "TLS_RSA_WITH_RC4_128_SHA needs the legacy provider of OpenSSL, "
                                  "which is not installed");
    assert_non_null(c);
    assert_int_equal(config_set_suites(c, ids, 1), 0);
    assert_int_equal(config_set_suites(c, ids, 2), ERR_UNSUPPORTED);
    config_unref(c);
}

/* All that is compiled is enabled there: it is left out. */
static void guide(void **state)
{
    (void)state;
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, 0x0005, PS_TRUE),
                     PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, 0x0005, PS_FALSE), PS_SUCCESS);
    guide_connected();
    side_write(&cl, "x", 1);
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.ngot, 1);
    guide_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suites_looked_at),
        cmocka_unit_test(named_to_sockets),
        cmocka_unit_test(guide),
    };

    if (setenv("OPENSSL_MODULES", "/nonexistent", 1) != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, guide_setup, guide_teardown);
}
