/* SPDX-License-Identifier: ISC */
/* Every kind of handshake whose secrets differ: a name and how the two ends are set up. */
#ifndef TESTS_SECRETS_KINDS_H
#define TESTS_SECRETS_KINDS_H
#include "tests/handshake/resume13.h"

#define PSK_KEY                                                        \
    "\x93\x1f\xc4\x05\x6a\xbe\x72\xd8\x4d\x29\xf1\x8e\x37\xa3\x60\x5b" \
    "\xe6\x18\x9c\x47\xd2\x7b\x01\xaf\x54\xc9\x3e\x82\xf7\x10\x6d\xba"

static inline struct pair_params mutual(uint16_t suite, int id)
{
    return (struct pair_params){
        .suite = suite, .id = id, .client_id = true, .auth = CLIENT_AUTH_REQUIRE, .tickets = keys
    };
}

static inline struct pair_params p13(void)
{
    return (struct pair_params){ .suite = 0x1301, .tickets = keys };
}
static inline struct pair_params p13_rsa(void)
{
    struct pair_params q = mutual(0x1302, ID_RSA);

    q.client_groups[0] = q.server_groups[0] = 23;
    return q;
}
static inline struct pair_params p13_retry(void)
{
    struct pair_params q = mutual(0x1303, ID_ED25519);

    q.server_groups[0] = 24;
    return q;
}
static inline struct pair_params psk_of(uint16_t suite, bool tls12)
{
    struct pair_params q = { .suite = suite, .no_server_id = true, .no_trust = true };

    q.psk[TLS_CLIENT][0] = q.psk[TLS_SERVER][0] =
        (struct pair_psk){ .name = "device-7", .key = PSK_KEY, .tls12 = tls12 };
    q.client_max = q.server_max = tls12 ? TLS_1_2 : TLS_1_3;
    return q;
}
static inline struct pair_params p13_psk(void)
{
    return psk_of(0x1301, false);
}
static inline struct pair_params p13_imported(void)
{
    struct pair_params q = psk_of(0x1302, false);

    q.psk[TLS_CLIENT][0].own = q.psk[TLS_SERVER][0].peer = "alice";
    q.psk[TLS_CLIENT][0].peer = q.psk[TLS_SERVER][0].own = "bob";
    q.psk_ke[TLS_CLIENT] = q.psk_ke[TLS_SERVER] = true;
    return q;
}
static inline struct pair_params p13_early(void)
{
    return (
        struct pair_params){ .suite = 0x1301, .tickets = keys, .early = true, .max_early = 1000 };
}
static inline struct pair_params p12(void)
{
    return (struct pair_params){ .suite = 0xc02b, .client_max = TLS_1_2, .tickets = keys };
}
static inline struct pair_params p12_cbc(void)
{
    struct pair_params q = mutual(0xc009, 0);

    q.client_max = TLS_1_2;
    q.no_etm[TLS_CLIENT] = true;
    return q;
}
static inline struct pair_params p12_rsa(void)
{
    return (struct pair_params){ .suite = 0x009c, .id = ID_RSA, .client_max = TLS_1_2 };
}
static inline struct pair_params p12_dhe(void)
{
    return (struct pair_params){ .suite = 0x009e, .id = ID_RSA, .client_max = TLS_1_2 };
}
static inline struct pair_params p12_chacha(void)
{
    struct pair_params q = { .suite = 0xcca9, .client_max = TLS_1_2, .no_tickets = true };

    q.no_ems[TLS_SERVER] = true;
    return q;
}
static inline struct pair_params p12_psk(void)
{
    return psk_of(0x00a8, true);
}
static inline struct pair_params p12_dhe_psk(void)
{
    return psk_of(0x00aa, true);
}
static inline struct pair_params p12_ecdhe_psk(void)
{
    return psk_of(0xd001, true);
}

static const struct kind {
    const char *name;
    struct pair_params (*params)(void);
    bool resumes;
} kinds[] = {
    { "TLS 1.3", p13, true },
    { "TLS 1.3, RSA, mutual", p13_rsa, true },
    { "TLS 1.3, after a HelloRetryRequest", p13_retry, false },
    { "TLS 1.3, key from outside", p13_psk, false },
    { "TLS 1.3, imported key, no exchange", p13_imported, false },
    { "TLS 1.3, early data", p13_early, true },
    { "TLS 1.2", p12, true },
    { "TLS 1.2, CBC, mutual", p12_cbc, true },
    { "TLS 1.2, RSA key exchange", p12_rsa, false },
    { "TLS 1.2, DHE", p12_dhe, false },
    { "TLS 1.2, ChaCha20", p12_chacha, false },
    { "TLS 1.2, PSK", p12_psk, false },
    { "TLS 1.2, DHE_PSK", p12_dhe_psk, false },
    { "TLS 1.2, ECDHE_PSK", p12_ecdhe_psk, false },
};
#define KINDS (sizeof kinds / sizeof *kinds)
#endif
