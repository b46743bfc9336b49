/* SPDX-License-Identifier: ISC */
/* One certificate: parsed, its names read and compared, its constraints put to itself. */
#include <stdlib.h>

#include "x509/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span whole, struct span part)
{
    if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hosts[] = { "a.test", "www.example.com", "192.0.2.1", "::1" };
    struct cert c;
    struct error err;
    struct pubkey *key = NULL;
    const struct cert *who;
    unsigned budget = 10000;
    char text[64];

    error_clear(&err);
    if (crypto_init() < 0) {
        abort();
    }
    if (cert_parse(&c, span_of(data, size), &err) < 0) {
        if (err.code != ERR_PARSE || !err.text[0] || c.san.n || c.key_type != KEY_NONE) {
            abort();
        }
        return 0;
    }
    inside(c.der, c.tbs);
    inside(c.tbs, c.serial);
    inside(c.tbs, c.issuer);
    inside(c.tbs, c.subject);
    inside(c.tbs, c.spki);
    inside(c.spki, c.key_point);
    inside(c.spki, c.key_n);
    inside(c.spki, c.key_e);
    inside(c.tbs, c.san);
    inside(c.tbs, c.name_constraints);
    inside(c.tbs, c.aki);
    inside(c.tbs, c.ski);
    inside(c.tbs, c.crl_points);
    inside(c.tbs, c.policies);
    inside(c.tbs, c.policy_mappings);
    inside(c.der, c.sig.bits);
    for (size_t i = 0; i < 4; i++) { /* a path of it alone */
        (void)policy_allows((const struct cert *const[]){ &c, &c, &c, &c }, i, &who);
    }
    if (c.path_len < -1 || c.explicit_policy < -1 || c.inhibit_mapping < -1 || c.inhibit_any < -1 ||
        (c.path_len >= 0 && !c.ca) || (c.policies.n > 0) != c.has_policies) {
        abort();
    }
    (void)cert_name_text(c.subject, text, sizeof text);
    (void)cert_name_text(c.issuer, text, 1 + size % sizeof text);
    (void)cert_is_weak_key(&c);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        error_clear(&err);
        if (cert_match_host(&c, hosts[i], &err) < 0 &&
            err.code != TLS_ALERT(ALERT_BAD_CERTIFICATE)) {
            abort();
        }
    }
    if (c.name_constraints.n && namecon_allows(c.name_constraints, &c, &budget) > 1) {
        abort();
    }
    if (cert_pubkey(&c, &key) == 0) {
        (void)pubkey_verify(key, c.sig.kind, c.sig.hash, &c.tbs, 1, c.sig.bits);
        pubkey_unref(key);
    }
    return 0;
}
