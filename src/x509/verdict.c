/* SPDX-License-Identifier: ISC */
/* What is wrong with a chain, in words: which certificate, and what to do about it. */
#include <stdio.h>

#include "x509/parts.h"

static const struct {
    uint8_t alert; /* RFC 8446 section 6.2 */
    const char *name;
} verdicts[CHAIN_VERDICTS] = {
    [CHAIN_OK] = { ALERT_NONE, "good" },
    [CHAIN_EMPTY] = { ALERT_DECODE_ERROR, "no certificate" },
    [CHAIN_MALFORMED] = { ALERT_BAD_CERTIFICATE, "malformed" },
    [CHAIN_UNKNOWN_CA] = { ALERT_UNKNOWN_CA, "unknown CA" },
    [CHAIN_SELF_SIGNED] = { ALERT_UNKNOWN_CA, "self-signed" },
    [CHAIN_EXPIRED] = { ALERT_CERTIFICATE_EXPIRED, "expired" },
    [CHAIN_NOT_YET_VALID] = { ALERT_CERTIFICATE_EXPIRED, "not yet valid" },
    [CHAIN_BAD_SIGNATURE] = { ALERT_BAD_CERTIFICATE, "wrong signature" },
    [CHAIN_NOT_A_CA] = { ALERT_BAD_CERTIFICATE, "issued by no CA" },
    [CHAIN_PATH_TOO_LONG] = { ALERT_BAD_CERTIFICATE, "too long" },
    [CHAIN_BAD_USAGE] = { ALERT_UNSUPPORTED_CERTIFICATE, "not for this use" },
    [CHAIN_NAME_CONSTRAINTS] = { ALERT_BAD_CERTIFICATE, "against name constraints" },
    [CHAIN_POLICY] = { ALERT_BAD_CERTIFICATE, "without the policy it needs" },
    [CHAIN_CRITICAL_EXTENSION] = { ALERT_BAD_CERTIFICATE, "unknown critical extension" },
    [CHAIN_WEAK] = { ALERT_BAD_CERTIFICATE, "weak" },
    [CHAIN_NAME_MISMATCH] = { ALERT_BAD_CERTIFICATE, "another name" },
    [CHAIN_REVOKED] = { ALERT_CERTIFICATE_REVOKED, "revoked" },
    [CHAIN_BAD_STAPLE] = { ALERT_BAD_CERTIFICATE_STATUS_RESPONSE, "bad OCSP response" },
    [CHAIN_STATUS_UNKNOWN] = { ALERT_CERTIFICATE_UNKNOWN, "revocation unknown" },
    [CHAIN_NOT_PINNED] = { ALERT_BAD_CERTIFICATE, "not pinned" },
    [CHAIN_TOO_MUCH_WORK] = { ALERT_BAD_CERTIFICATE, "too much work" },
};

const char *chain_verdict_name(enum chain_verdict v)
{
    return v < CHAIN_VERDICTS ? verdicts[v].name : "unknown";
}

bool chain_usage_fits(const struct chain_query *q, const struct cert *c)
{
    uint8_t need = q->peer_is_server ? EKU_SERVER : EKU_CLIENT;

    return !c->has_eku || c->eku & (need | EKU_ANY);
}

static const char *usage_fault(const struct chain_query *q, const struct cert *c)
{
    if (c->key_type == KEY_NONE) {
        return "has a key of a kind that TLS here does not use";
    }
    if (c->version != 3) {
        return "is of version 1 or 2: issue a version 3 certificate";
    }
    if (!chain_usage_fits(q, c)) {
        return q->peer_is_server ? "is not for TLS servers (extended key usage)"
                                 : "is not for TLS clients (extended key usage)";
    }
    return q->enciphers ? "may not serve RSA key exchange (key usage lacks keyEncipherment)"
                        : "may not sign (key usage lacks digitalSignature)";
}

/* The chain stops at `who`. */
static int say_unknown(const struct chain_query *q, const struct cert *who, int code,
                       const char *name, const char *issuer, struct error *err)
{
    const struct cert *a;

    if (who->self_issued) {
        return FAIL(err, code, "the chain ends at %s, which is not trusted: add it to the CA file",
                    name);
    }
    for (size_t i = 0; q->trust && (a = trust_find(q->trust, who->subject, i)) != NULL; i++) {
        if (span_eq(a->der, who->der)) {
            return FAIL(err, code,
                        "%s is in the CA file but is no root: add its issuer %s, or allow partial "
                        "chains",
                        name, issuer);
        }
    }
    return FAIL(
        err, code,
        "no trusted CA for %s: its issuer %s is neither trusted nor in the chain that was sent",
        name, issuer);
}

int chain_say(const struct chain_query *q, const struct chain_fault *f, struct error *err)
{
    const struct cert *who = f->who;
    enum chain_verdict v = f->verdict;
    int code = TLS_ALERT(verdicts[v].alert);
    struct civil day = civil_from_seconds(v == CHAIN_EXPIRED ? who->not_after : who->not_before);
    char name[56], issuer[48], date[32];

    cert_name_text(who->subject, name, sizeof name);
    cert_name_text(f->issuer ? f->issuer->subject : who->issuer, issuer, sizeof issuer);
    (void)snprintf(date, sizeof date, "%04d-%02u-%02u", (int)day.year, day.month, day.day);
    switch (v) {
    case CHAIN_UNKNOWN_CA:
        return say_unknown(q, who, code, name, issuer, err);
    case CHAIN_SELF_SIGNED:
        return FAIL(err, code,
                    "the certificate %s is self-signed and not trusted: add it to the CA file",
                    name);
    case CHAIN_EXPIRED:
        return FAIL(err, code,
                    "the certificate %s expired on %s: renew it, or check this machine's clock",
                    name, date);
    case CHAIN_NOT_YET_VALID:
        return FAIL(err, code,
                    "the certificate %s is not valid before %s: check this machine's clock", name,
                    date);
    case CHAIN_BAD_SIGNATURE:
        return FAIL(err, code,
                    who->sig.known ? "the signature on %s is not one of %s"
                                   : "the signature on %s, by %s, is of an unknown kind",
                    name, issuer);
    case CHAIN_NOT_A_CA:
        return FAIL(err, code, "the certificate %s has issued another but may not: it is not a CA",
                    name);
    case CHAIN_PATH_TOO_LONG:
        return FAIL(err, code, "there are more certificates below %s than it, or we, allow", name);
    case CHAIN_BAD_USAGE:
        return FAIL(err, code, "the certificate %s %s", name, usage_fault(q, who));
    case CHAIN_NAME_CONSTRAINTS:
        return FAIL(err, code, "the certificate %s has a name that %s may not speak for", name,
                    issuer);
    case CHAIN_POLICY:
        return FAIL(err, code, "a CA above the certificate %s demands a policy that it lacks",
                    name);
    case CHAIN_REVOKED:
        return FAIL(err, code, "the certificate %s was revoked by %s: its owner needs a new one",
                    name, issuer);
    case CHAIN_BAD_STAPLE:
        return FAIL(err, code, "the OCSP response for the certificate %s %s", name, f->why);
    case CHAIN_STATUS_UNKNOWN:
        return FAIL(err, code,
                    "whether %s was revoked is not known: no OCSP response, and no CRL of %s that "
                    "is valid now",
                    name, issuer);
    case CHAIN_NOT_PINNED:
        return FAIL(err, code, "no key in the chain of %s is one of those that were pinned", name);
    case CHAIN_CRITICAL_EXTENSION:
        return FAIL(err, code, "the certificate %s has a critical extension that is not understood",
                    name);
    case CHAIN_WEAK:
        return FAIL(err, code, "the certificate %s %s: issue a new one", name,
                    cert_is_weak_key(who) ? "has an RSA key below 2048 bits"
                                          : "is signed with MD5 or SHA-1");
    default:
        return FAIL(err, code, "the chain of %s takes too much work to check", name);
    }
}
