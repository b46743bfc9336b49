/* SPDX-License-Identifier: ISC */
/* What the versions before TLS 1.2 and the ciphers of old ask of the provider and of memory fails,
 * at every place (threats 25, 36, 37). */
#include "tests/handshake/faulty.h"
#include "tests/legacy/old.h"

#define VERSION(v) .client_min = (v), .client_max = (v), .server_min = (v), .server_max = (v)

static const struct kind kinds[] = {
    { .what = "TLS 1.0, split records",
      .q = { .suite = SUITE_OLD_EC, VERSION(TLS_1_0) },
      .by_id = true,
      .lax = true,
      .then = { export_some, park_some, move_some, close_some } },
    { .what = "TLS 1.0, client authentication",
      .q = { .suite = SUITE_OLD_EC,
             .auth = CLIENT_AUTH_REQUIRE,
             .client_id = true,
             VERSION(TLS_1_0) } },
    { .what = "TLS 1.1, resumed",
      .q = { .suite = SUITE_OLD_EC, VERSION(TLS_1_1) },
      .by_id = true,
      .resume = true,
      .lax = true },
    { .what = "TLS 1.1, renegotiated",
      .q = { .suite = SUITE_OLD_EC, .renegotiation = RENEGOTIATE_SECURE, VERSION(TLS_1_1) },
      .then = { renegotiate_some } },
    { .what = "SSL 3",
      .q = { .suite = SUITE_OLD_RSA, .id = ID_RSA, VERSION(SSL_3_0) },
      .static_rsa = true,
      .then = { move_some, close_some } },
    { .what = "3DES", .q = { .suite = 0xc008, VERSION(TLS_1_2) } },
    { .what = "RC4",
      .q = { .suite = 0xc007, VERSION(TLS_1_2) },
      .then = { park_some, move_some, close_some } },
};
#define NKINDS (sizeof kinds / sizeof *kinds)

FAULTY(threat_37_provider_fails, FAULT_ZEROES, false)
FAULTY(threat_37_provider_leaves_rubbish, FAULT_RUBBISH, false)
FAULTY(threat_37_no_memory, FAULT_OUR_MEMORY, false)
FAULTY(threat_37_no_memory_any_more, FAULT_OUR_MEMORY, true)
FAULTY(threat_37_libcrypto_has_no_memory, FAULT_THEIR_MEMORY, false)
FAULTY(threat_37_libcrypto_has_no_memory_any_more, FAULT_THEIR_MEMORY, true)

static int begin_old(void **state)
{
    if (pki_make(state) < 0) {
        return -1;
    }
    pair_free(pair_connected(&kinds[NKINDS - 1].q)); /* what is made once, is made */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_37_provider_fails),
        cmocka_unit_test(threat_37_provider_leaves_rubbish),
        cmocka_unit_test(threat_37_no_memory),
        cmocka_unit_test(threat_37_no_memory_any_more),
        cmocka_unit_test(threat_37_libcrypto_has_no_memory),
        cmocka_unit_test(threat_37_libcrypto_has_no_memory_any_more),
    };

    faults_install();
    return cmocka_run_group_tests(tests, begin_old, pki_free);
}
