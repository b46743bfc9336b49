/* SPDX-License-Identifier: ISC */
/* What connected ends ask of the provider and of memory fails, at every place: records of several
 * lengths, new keys, exporters, sleep, another place, the end (threats 25, 36, 37, 40). */
#include "tests/handshake/faulty.h"

#define ALL export_some, bind_some, park_some, move_some, write_some, close_some

static const struct kind kinds[] = {
    { .what = "TLS 1.3, AES-GCM",
      .q = { .suite = 0x1301 },
      .by_ticket = true,
      .lax = true,
      .then = { update_some, ALL } },
    { .what = "TLS 1.3, ChaCha20, padded",
      .q = { .suite = 0x1303, .padding = { 256, 256 }, .small_records = true },
      .then = { update_some, ALL } },
    { .what = "TLS 1.2, AES-GCM",
      .q = { .suite = 0xc02c },
      .by_ticket = true,
      .lax = true,
      .then = { ALL } },
    { .what = "TLS 1.2, ChaCha20", .q = { .suite = SUITE_CHACHA }, .then = { ALL } },
    { .what = "TLS 1.2, CBC", .q = { .suite = SUITE_CBC }, .then = { ALL } },
    { .what = "TLS 1.2, CBC, the MAC inside",
      .q = { .suite = SUITE_CBC, .no_etm = { true, true }, .max_fragment = 2048 },
      .then = { ALL } },
};

FAULTY(threat_37_provider_fails, FAULT_ZEROES, false)
FAULTY(threat_37_provider_leaves_rubbish, FAULT_RUBBISH, false)
FAULTY(threat_37_no_memory, FAULT_OUR_MEMORY, false)
FAULTY(threat_37_no_memory_any_more, FAULT_OUR_MEMORY, true)
FAULTY(threat_37_libcrypto_has_no_memory, FAULT_THEIR_MEMORY, false)
FAULTY(threat_37_libcrypto_has_no_memory_any_more, FAULT_THEIR_MEMORY, true)

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
    return cmocka_run_group_tests(tests, faulty_begin, pki_free);
}
