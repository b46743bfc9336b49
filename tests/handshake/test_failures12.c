/* SPDX-License-Identifier: ISC */
/* What TLS 1.2 asks of the provider and of memory fails, at every place of every kind of handshake
 * (threats 25, 36, 37). */
#include "tests/handshake/faulty.h"
#include "tests/handshake/psk12.h"

#define WITH_KEY(...)                                                                \
    .psk = { [TLS_CLIENT] = { { .name = "device-7", .key = KEY, .tls12 = true } },   \
             [TLS_SERVER] = { { .name = "device-7", .key = KEY, .tls12 = true } } }, \
    __VA_ARGS__
#define NO_CERTIFICATE .no_server_id = true, .no_trust = true

static const struct kind kinds[] = {
    { .what = "ECDHE", .q = { .suite = SUITE_GCM }, .cold = true, .then = { close_some } },
    { .what = "ChaCha20, P-256, GREASE",
      .q = { .suite = SUITE_CHACHA, .client_groups = { 23 }, .grease = true } },
    { .what = "ECDHE, RSA", .q = { .suite = SUITE_RSA_GCM, .id = ID_RSA }, .cold = true },
    { .what = "CBC", .q = { .suite = SUITE_CBC }, .then = { close_some } },
    { .what = "CBC, the MAC inside",
      .q = { .suite = SUITE_CBC, .no_etm = { true, true } },
      .then = { close_some } },
    { .what = "without extended master secret",
      .q = { .suite = SUITE_GCM, .no_ems = { true, true } } },
    { .what = "RSA", .q = { .suite = SUITE_RSA_KX, .id = ID_RSA }, .static_rsa = true },
    { .what = "DHE", .q = { .suite = SUITE_DHE, .id = ID_RSA } },
    { .what = "client authentication, all extensions",
      .q = { .suite = SUITE_GCM,
             .auth = CLIENT_AUTH_REQUIRE,
             .client_id = true,
             .status = "response",
             .client_alpn = { "a" },
             .server_alpn = { "a" } },
      .cold = true },
    { .what = "a session", .q = { .suite = SUITE_GCM }, .by_id = true, .lax = true },
    { .what = "a ticket", .q = { .suite = SUITE_GCM }, .by_ticket = true, .lax = true },
    { .what = "resumed by id",
      .q = { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true },
      .by_id = true,
      .resume = true,
      .lax = true },
    { .what = "resumed by ticket",
      .q = { .suite = SUITE_CBC },
      .by_ticket = true,
      .resume = true,
      .lax = true },
    { .what = "renegotiated",
      .q = { .suite = SUITE_GCM,
             .renegotiation = RENEGOTIATE_SECURE,
             .auth = CLIENT_AUTH_REQUIRE,
             .client_id = true },
      .then = { renegotiate_some, close_some } },
    { .what = "PSK", .q = { .suite = PSK_GCM, WITH_KEY(NO_CERTIFICATE) } },
    { .what = "PSK, CBC", .q = { .suite = PSK_CBC, WITH_KEY(NO_CERTIFICATE) } },
    { .what = "ECDHE_PSK", .q = { .suite = ECDHE_PSK_GCM, WITH_KEY(NO_CERTIFICATE) } },
    { .what = "DHE_PSK", .q = { .suite = DHE_PSK_GCM, WITH_KEY(NO_CERTIFICATE) } },
    { .what = "RSA_PSK",
      .q = { .suite = RSA_PSK_GCM, WITH_KEY(.id = ID_RSA) },
      .static_rsa = true },
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
