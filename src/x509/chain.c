/* SPDX-License-Identifier: ISC */
/* Path building and validation (RFC 5280 section 6) in one depth-first search from the leaf to an
 * anchor. Issuers are tried by name; those whose key identifier fits come first. The work is
 * bounded whatever the peer sends (threat 31): certificates, depth, signature checks, name
 * comparisons.
 *
 * Of several faults the gravest is told: first what keeps the chain from being trusted at all, then
 * the name, dates last. So a caller who forgives an expired certificate forgives nothing else. */
#include <stdio.h>

#include "x509/parts.h"

#define DEPTH_MAX       8 /* certificates of the peer on one path, the leaf included */
#define SIGNATURES_MAX  64
#define COMPARISONS_MAX 250000

struct build {
    const struct chain_query *q;
    const struct cert *certs;
    size_t n;
    const struct cert *path[DEPTH_MAX + 1]; /* leaf first; the anchor comes on top */
    size_t depth;
    unsigned signatures, comparisons; /* left */
    /* the gravest fault so far, the certificate it is about, and its issuer where that matters */
    enum chain_verdict verdict;
    const struct cert *who, *issuer;
    int64_t until; /* of a path that stands: the first of its certificates to expire */
};

/* How near to success a search was that ended so: the nearest one is told. */
static int nearness(enum chain_verdict v)
{
    switch (v) {
    case CHAIN_OK:
        return 0;
    case CHAIN_UNKNOWN_CA:
    case CHAIN_SELF_SIGNED:
        return 1;
    case CHAIN_BAD_SIGNATURE:
        return 2;
    case CHAIN_EXPIRED:
    case CHAIN_NOT_YET_VALID:
        return 4;
    case CHAIN_TOO_MUCH_WORK:
        return 5;
    default:
        return 3;
    }
}

static int note(struct build *b, enum chain_verdict v, const struct cert *who,
                const struct cert *issuer)
{
    if (nearness(v) > nearness(b->verdict)) {
        b->verdict = v;
        b->who = who;
        b->issuer = issuer;
    }
    return 0;
}

static enum chain_verdict check_dates(const struct cert *c, int64_t now)
{
    if (now < c->not_before) {
        return CHAIN_NOT_YET_VALID;
    }
    return now > c->not_after ? CHAIN_EXPIRED : CHAIN_OK;
}

static bool usage_fits(const struct build *b, const struct cert *c)
{
    uint8_t need = b->q->peer_is_server ? EKU_SERVER : EKU_CLIENT;

    return !c->has_eku || c->eku & (need | EKU_ANY);
}

/* RFC 8446 section 4.4.2.2; with RSA key exchange RFC 5246 section 7.4.2. */
static bool key_fits(const struct build *b, const struct cert *c)
{
    return !c->has_ku || c->ku & (b->q->enciphers ? KU_KEY_ENCIPHERMENT : KU_DIGITAL_SIGNATURE);
}

/* What a leaf must be, whoever signed it. */
static enum chain_verdict check_leaf(const struct build *b, const struct cert *c, bool is_anchor)
{
    if (c->critical_unknown) {
        return CHAIN_CRITICAL_EXTENSION;
    }
    if (cert_is_weak_key(c)) {
        return CHAIN_WEAK;
    }
    if (c->key_type == KEY_NONE || (c->version != 3 && !is_anchor) || !usage_fits(b, c) ||
        !key_fits(b, c)) {
        return CHAIN_BAD_USAGE;
    }
    return CHAIN_OK;
}

/* Intermediates below the next issuer, without those that only renew their own key (RFC 5280 6.1.4
 * l). */
static int intermediates(const struct build *b)
{
    int n = 0;

    for (size_t i = 1; i < b->depth; i++) {
        n += !b->path[i]->self_issued;
    }
    return n;
}

/* May this certificate issue for the path below it? RFC 5280 section 6.1.4; an anchor may be of
 * version 1, which has no way to say that it is a CA. */
static enum chain_verdict check_issuer(const struct build *b, const struct cert *c, bool is_anchor)
{
    if (c->critical_unknown) {
        return CHAIN_CRITICAL_EXTENSION;
    }
    if (!(c->version < 3 && is_anchor) && !(c->has_bc && c->ca)) {
        return CHAIN_NOT_A_CA;
    }
    if (c->has_ku && !(c->ku & KU_CERT_SIGN)) {
        return CHAIN_NOT_A_CA;
    }
    if (!usage_fits(b, c)) {
        return CHAIN_BAD_USAGE;
    }
    if (cert_is_weak_key(c)) {
        return CHAIN_WEAK;
    }
    if (c->path_len >= 0 && intermediates(b) > c->path_len) {
        return CHAIN_PATH_TOO_LONG;
    }
    return !is_anchor && b->depth == DEPTH_MAX ? CHAIN_PATH_TOO_LONG : CHAIN_OK;
}

/* 1: right, 0: wrong, negative: could not be found out */
static int check_signature(const struct cert *c, const struct cert *issuer, bool is_anchor)
{
    const struct pubkey *key = NULL;
    struct pubkey *made = NULL;
    int rc;

    if (!c->sig_known || (issuer->key_hash != HASH_NONE && issuer->key_hash != c->sig_hash)) {
        return 0;
    }
    rc = is_anchor ? trust_key(issuer, &key) : cert_pubkey(issuer, &made);
    if (rc == 0) {
        rc = pubkey_verify(made ? made : key, c->sig_kind, c->sig_hash, &c->tbs, 1, c->sig);
        pubkey_free(made);
    }
    if (rc == 0) {
        return 1;
    }
    /* A key that is none, or of another kind than the signature, has signed nothing. */
    return IS_TLS_ALERT(rc) || rc == ERR_MISMATCH || rc == ERR_PARSE || rc == ERR_UNSUPPORTED ? 0
                                                                                              : rc;
}

/* A path stands, the anchor on top: 1 when names and dates are right as well. */
static int finish(struct build *b)
{
    int64_t until = b->path[0]->not_after;

    for (size_t i = 1; i < b->depth; i++) {
        const struct cert *ca = b->path[i];

        for (size_t j = 0; j < i && ca->name_constraints.n; j++) {
            int rc = 1;

            /* RFC 5280 6.1.4 b: not for a CA that renews its own key. */
            if (j == 0 || !b->path[j]->self_issued) {
                rc = namecon_allows(ca->name_constraints, b->path[j], &b->comparisons);
            }
            if (rc < 1) {
                return note(b, rc ? CHAIN_TOO_MUCH_WORK : CHAIN_NAME_CONSTRAINTS, b->path[j], ca);
            }
        }
    }
    /* The leaf's own dates are the same on every path: they come after its name. */
    for (size_t i = 1; i < b->depth; i++) {
        enum chain_verdict v = check_dates(b->path[i], b->q->now);

        if (v != CHAIN_OK) {
            return note(b, v, b->path[i], NULL);
        }
        until = b->path[i]->not_after < until ? b->path[i]->not_after : until;
    }
    b->until = until;
    return 1;
}

static int extend(struct build *b);

/* One issuer for the certificate on top. 1: a path stands; 0: not this way; negative: failed. */
static int step(struct build *b, const struct cert *issuer, bool is_anchor, bool id_fits)
{
    const struct cert *c = b->path[b->depth - 1];
    enum chain_verdict v = c->sig_weak ? CHAIN_WEAK : check_issuer(b, issuer, is_anchor);
    int rc;

    if (v != CHAIN_OK) {
        /* Without a fitting identifier it is most likely another key of the same name. */
        return id_fits ? note(b, v, v == CHAIN_WEAK && c->sig_weak ? c : issuer, NULL) : 0;
    }
    if (b->signatures == 0) {
        return note(b, CHAIN_TOO_MUCH_WORK, b->path[0], NULL);
    }
    b->signatures--;
    rc = check_signature(c, issuer, is_anchor);
    if (rc <= 0) {
        return rc < 0 ? rc : id_fits ? note(b, CHAIN_BAD_SIGNATURE, c, issuer) : 0;
    }
    b->path[b->depth++] = issuer;
    rc = is_anchor ? finish(b) : extend(b);
    b->depth--;
    return rc;
}

static bool on_path(const struct build *b, const struct cert *c)
{
    for (size_t i = 0; i < b->depth; i++) {
        if (span_eq(b->path[i]->der, c->der)) {
            return true;
        }
    }
    return false;
}

/* The identifiers are a hint: absent ones fit. */
static bool key_id_fits(const struct cert *c, const struct cert *issuer)
{
    return c->aki.n == 0 || issuer->ski.n == 0 || span_eq(c->aki, issuer->ski);
}

/* From the top of the path to an anchor: anchors before what the peer sent, fitting identifiers
 * first. */
static int extend(struct build *b)
{
    const struct cert *c = b->path[b->depth - 1], *issuer;

    for (int pass = 0; pass < 2; pass++) {
        bool fits = pass == 0;
        int rc;

        for (size_t i = 0; (issuer = trust_find(b->q->trust, c->issuer, i)) != NULL; i++) {
            if (key_id_fits(c, issuer) == fits && (rc = step(b, issuer, true, fits)) != 0) {
                return rc;
            }
        }
        for (size_t i = 1; i < b->n; i++) {
            issuer = &b->certs[i];
            if (span_eq(issuer->subject, c->issuer) && key_id_fits(c, issuer) == fits &&
                !on_path(b, issuer) && (rc = step(b, issuer, false, fits)) != 0) {
                return rc;
            }
        }
    }
    return note(b, CHAIN_UNKNOWN_CA, c, NULL);
}

/* A leaf that is itself among the anchors needs no issuer. */
static bool is_anchor(const struct trust *t, const struct cert *c)
{
    const struct cert *a;

    for (size_t i = 0; (a = trust_find(t, c->subject, i)) != NULL; i++) {
        if (span_eq(a->der, c->der)) {
            return true;
        }
    }
    return false;
}

/* ---- the verdict in words ---- */

static const uint8_t verdict_alerts[] = {
    [CHAIN_MALFORMED] = ALERT_BAD_CERTIFICATE,
    [CHAIN_UNKNOWN_CA] = ALERT_UNKNOWN_CA,
    [CHAIN_SELF_SIGNED] = ALERT_UNKNOWN_CA,
    [CHAIN_EXPIRED] = ALERT_CERTIFICATE_EXPIRED,
    [CHAIN_NOT_YET_VALID] = ALERT_CERTIFICATE_EXPIRED,
    [CHAIN_BAD_SIGNATURE] = ALERT_BAD_CERTIFICATE,
    [CHAIN_NOT_A_CA] = ALERT_BAD_CERTIFICATE,
    [CHAIN_PATH_TOO_LONG] = ALERT_BAD_CERTIFICATE,
    [CHAIN_BAD_USAGE] = ALERT_UNSUPPORTED_CERTIFICATE,
    [CHAIN_NAME_CONSTRAINTS] = ALERT_BAD_CERTIFICATE,
    [CHAIN_CRITICAL_EXTENSION] = ALERT_BAD_CERTIFICATE,
    [CHAIN_WEAK] = ALERT_BAD_CERTIFICATE,
    [CHAIN_NAME_MISMATCH] = ALERT_BAD_CERTIFICATE,
    [CHAIN_TOO_MUCH_WORK] = ALERT_BAD_CERTIFICATE,
};

static const char *usage_fault(const struct build *b, const struct cert *c)
{
    if (c->key_type == KEY_NONE) {
        return "has a key of a kind that TLS here does not use";
    }
    if (c->version != 3) {
        return "is of version 1 or 2: issue a version 3 certificate";
    }
    if (!usage_fits(b, c)) {
        return b->q->peer_is_server ? "is not for TLS servers (extended key usage)"
                                    : "is not for TLS clients (extended key usage)";
    }
    return b->q->enciphers ? "may not serve RSA key exchange (key usage lacks keyEncipherment)"
                           : "may not sign (key usage lacks digitalSignature)";
}

static int say(const struct build *b, struct error *err)
{
    const struct cert *who = b->who ? b->who : b->path[0];
    enum chain_verdict v = b->verdict;
    int code = TLS_ALERT(verdict_alerts[v]);
    struct civil day = civil_from_seconds(v == CHAIN_EXPIRED ? who->not_after : who->not_before);
    char name[56], issuer[48], date[32];

    cert_name_text(who->subject, name, sizeof name);
    cert_name_text(b->issuer ? b->issuer->subject : who->issuer, issuer, sizeof issuer);
    (void)snprintf(date, sizeof date, "%04d-%02u-%02u", (int)day.year, day.month, day.day);
    switch (v) {
    case CHAIN_UNKNOWN_CA:
        if (who->self_issued) {
            return FAIL(err, code,
                        "the chain ends at %s, which is not trusted: add it to the CA file", name);
        }
        return FAIL(
            err, code,
            "no trusted CA for %s: its issuer %s is neither trusted nor in the chain that was sent",
            name, issuer);
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
                    who->sig_known ? "the signature on %s is not one of %s"
                                   : "the signature on %s, by %s, is of an unknown kind",
                    name, issuer);
    case CHAIN_NOT_A_CA:
        return FAIL(err, code, "the certificate %s has issued another but may not: it is not a CA",
                    name);
    case CHAIN_PATH_TOO_LONG:
        return FAIL(err, code, "there are more certificates below %s than it, or we, allow", name);
    case CHAIN_BAD_USAGE:
        return FAIL(err, code, "the certificate %s %s", name, usage_fault(b, who));
    case CHAIN_NAME_CONSTRAINTS:
        return FAIL(err, code, "the certificate %s has a name that %s may not speak for", name,
                    issuer);
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

static int validate(struct build *b, struct error *err)
{
    const struct cert *leaf = b->path[0];
    bool trusted = b->q->trust && is_anchor(b->q->trust, leaf);
    enum chain_verdict v = check_leaf(b, leaf, trusted);
    int rc = 1;

    if (v != CHAIN_OK) {
        (void)note(b, v, leaf, NULL);
        return say(b, err);
    }
    if (!b->q->trust) {
        rc = note(b, CHAIN_UNKNOWN_CA, leaf, NULL);
    } else if (!trusted) {
        rc = extend(b);
    }
    if (rc < 0) {
        return FAIL(err, rc, "the chain could not be checked: %s", error_name(rc));
    }
    if (rc == 0 && b->verdict != CHAIN_EXPIRED && b->verdict != CHAIN_NOT_YET_VALID) {
        if (b->verdict == CHAIN_UNKNOWN_CA && b->who == leaf && leaf->self_issued) {
            b->verdict = CHAIN_SELF_SIGNED;
        }
        return say(b, err);
    }
    if (b->q->host && cert_match_host(leaf, b->q->host, err) < 0) {
        b->verdict = CHAIN_NAME_MISMATCH;
        return TLS_ALERT(verdict_alerts[CHAIN_NAME_MISMATCH]);
    }
    v = check_dates(leaf, b->q->now);
    if (v != CHAIN_OK) {
        b->verdict = v;
        b->who = leaf;
    } else if (rc == 1) {
        b->verdict = CHAIN_OK;
        return 0;
    }
    return say(b, err);
}

int chain_verify(const struct chain_query *q, const struct cert *certs, size_t n,
                 enum chain_verdict *verdict, struct error *err)
{
    struct build b = {
        .q = q,
        .certs = certs,
        .n = n,
        .depth = 1,
        .signatures = SIGNATURES_MAX,
        .comparisons = COMPARISONS_MAX,
    };
    int rc;

    /* RFC 8446 4.4.2.4 */
    *verdict = CHAIN_EMPTY;
    if (n == 0) {
        return FAIL(err,
                    TLS_ALERT(q->peer_is_server ? ALERT_DECODE_ERROR : ALERT_CERTIFICATE_REQUIRED),
                    "the peer sent no certificate");
    }
    *verdict = CHAIN_TOO_MUCH_WORK;
    if (n > CHAIN_MAX_CERTS) {
        return FAIL(err, TLS_ALERT(verdict_alerts[CHAIN_TOO_MUCH_WORK]),
                    "the peer sent %zu certificates: at most %d are looked at", n, CHAIN_MAX_CERTS);
    }
    b.path[0] = &certs[0];
    b.until = certs[0].not_after;
    rc = validate(&b, err);
    if (rc == 0 && q->until) {
        *q->until = b.until;
    }
    /* What could not be checked is not right. */
    *verdict = rc < 0 && b.verdict == CHAIN_OK ? CHAIN_MALFORMED : b.verdict;
    return rc;
}
