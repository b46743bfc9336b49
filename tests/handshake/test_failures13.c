/* SPDX-License-Identifier: ISC */
/* What TLS 1.3 asks of the provider and of memory fails, at every place of every kind of handshake
 * (threats 25, 36, 37). */
#include "tests/handshake/faulty.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define PSK(...)                                                                 \
    .no_server_id = true, .no_trust = true,                                      \
    .psk = { [TLS_CLIENT] = { { .name = "device-7", .key = KEY, __VA_ARGS__ } }, \
             [TLS_SERVER] = { { .name = "device-7", .key = KEY, __VA_ARGS__ } } }

static const struct kind kinds[] = {
    { .what = "full", .q = { .suite = 0x1301 }, .cold = true, .then = { close_some } },
    { .what = "RSA, SHA-384", .q = { .suite = 0x1302, .id = ID_RSA }, .cold = true },
    { .what = "Ed25519, P-256, GREASE",
      .q = { .suite = 0x1303, .id = ID_ED25519, .client_groups = { 23 }, .grease = true },
      .cold = true },
    { .what = "retried",
      .q = { .suite = 0x1301, .client_groups = { 29, 23 }, .server_groups = { 23 } } },
    { .what = "client authentication, all extensions",
      .q = { .suite = 0x1301,
             .auth = CLIENT_AUTH_REQUIRE,
             .client_id = true,
             .status = "response",
             .client_alpn = { "a" },
             .server_alpn = { "a" } },
      .cold = true },
    { .what = "compressed certificates",
      .q = { .suite = 0x1301,
             .pack = { true, true },
             .auth = CLIENT_AUTH_REQUIRE,
             .client_id = true } },
    { .what = "external key", .q = { .suite = 0x1301, PSK() } },
    { .what = "imported key",
      .q = { .suite = 0x1302,
             .no_server_id = true,
             .no_trust = true,
             .psk = { [TLS_CLIENT] = { { "device-7", KEY, "alice", "bob", HASH_SHA256, false } },
                      [TLS_SERVER] = { { "device-7", KEY, "bob", "alice", HASH_SHA256,
                                         false } } } } },
    { .what = "external key, without a key exchange",
      .q = { .suite = 0x1301, PSK(), .psk_ke = { true, true } } },
    { .what = "tickets", .q = { .suite = 0x1301 }, .by_ticket = true, .lax = true },
    { .what = "resumed", .q = { .suite = 0x1302 }, .by_ticket = true, .resume = true, .lax = true },
    { .what = "resumed without a key exchange",
      .q = { .suite = 0x1301, .psk_ke = { true, true } },
      .by_ticket = true,
      .resume = true,
      .lax = true },
    { .what = "early data",
      .q = { .suite = 0x1301, .early = true, .max_early = 1000 },
      .by_ticket = true,
      .resume = true,
      .lax = true },
    { .what = "early data, retried",
      .q = { .suite = 0x1301,
             .early = true,
             .max_early = 1000,
             .client_groups = { 29, 23 },
             .server_groups = { 23 } },
      .by_ticket = true,
      .resume = true,
      .lax = true },
    { .what = "post-handshake authentication",
      .q = { .suite = 0x1301, .post_auth = true, .client_id = true },
      .cold = true,
      .then = { request_some } },
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
