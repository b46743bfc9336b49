/* SPDX-License-Identifier: ISC */
/* Path building and validation (RFC 5280 section 6) in one depth-first search from the leaf to an
 * anchor. Issuers are tried by name; those whose key identifier fits come first. The work is
 * bounded whatever the peer sends (threat 31): certificates, depth, signature checks, name
 * comparisons.
 *
 * Of several faults the gravest is told: first what keeps the chain from being trusted at all, then
 * the name, dates last. So a caller who forgives an expired certificate forgives nothing else. */
#include "x509/parts.h"

#define DEPTH_MAX       (CHAIN_PATH - 1) /* certificates of the peer on one path, the leaf included */
#define SIGNATURES_MAX  64
#define COMPARISONS_MAX 250000

struct build {
    const struct chain_query *q;
    const struct cert *certs;
    size_t n;
    const struct cert *path[CHAIN_PATH]; /* leaf first; the anchor comes on top */
    size_t depth;
    unsigned signatures, comparisons; /* left */
    struct chain_fault fault;         /* the gravest so far */
    struct chain_result *result;
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
    case CHAIN_REVOKED: /* told before what is not known about another certificate of the path */
        return 4;
    case CHAIN_EXPIRED:
    case CHAIN_NOT_YET_VALID:
        return 5;
    case CHAIN_TOO_MUCH_WORK:
        return 6;
    default:
        return 3;
    }
}

static int note(struct build *b, enum chain_verdict v, const struct cert *who,
                const struct cert *issuer)
{
    if (nearness(v) > nearness(b->fault.verdict)) {
        b->fault = (struct chain_fault){ .verdict = v, .who = who, .issuer = issuer };
        b->result->depth = b->depth;
        memcpy(b->result->path, b->path, sizeof b->path);
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

static bool is_weak_key(const struct build *b, const struct cert *c)
{
    return !b->q->weak && cert_is_weak_key(c);
}

static bool is_weak_signature(const struct build *b, const struct cert *c)
{
    return !b->q->weak && c->sig.weak;
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
    if (is_weak_key(b, c)) {
        return CHAIN_WEAK;
    }
    if (c->key_type == KEY_NONE || (c->version != 3 && !is_anchor) || !chain_usage_fits(b->q, c) ||
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
    if (!chain_usage_fits(b->q, c)) {
        return CHAIN_BAD_USAGE;
    }
    if (is_weak_key(b, c)) {
        return CHAIN_WEAK;
    }
    if (c->path_len >= 0 && intermediates(b) > c->path_len) {
        return CHAIN_PATH_TOO_LONG;
    }
    return !is_anchor && b->depth == DEPTH_MAX ? CHAIN_PATH_TOO_LONG : CHAIN_OK;
}

int chain_signed_by(const struct signature *sig, struct span tbs, const struct cert *issuer)
{
    const struct pubkey *key = NULL;
    struct pubkey *made = NULL;
    int rc;

    if (!sig->known || (issuer->key_hash != HASH_NONE && issuer->key_hash != sig->hash)) {
        return 0;
    }
    rc = issuer->anchor ? trust_key(issuer, &key) : cert_pubkey(issuer, &made);
    if (rc == 0) {
        rc = pubkey_verify(made ? made : key, sig->kind, sig->hash, &tbs, 1, sig->bits);
        pubkey_unref(made);
    }
    if (rc == 0) {
        return 1;
    }
    /* A key that is none, or of another kind than the signature, has signed nothing. */
    return IS_TLS_ALERT(rc) || rc == ERR_MISMATCH || rc == ERR_PARSE || rc == ERR_UNSUPPORTED ? 0
                                                                                              : rc;
}

/* ---- what holds for a whole path ---- */

static bool is_pinned(const struct chain_query *q, const struct cert *c)
{
    uint8_t digest[HASH_MAX];
    bool found = false;

    if (hash_once(HASH_SHA256, c->spki.p, c->spki.n, digest) < 0) {
        return false;
    }
    for (size_t i = 0; i < q->npins; i++) {
        found = found || memcmp(q->pins[i], digest, PIN_SIZE) == 0;
    }
    return found;
}

/* One certificate of the path, which an OCSP response and CRLs may be about. */
static int check_revoked(struct build *b, size_t i)
{
    const struct chain_query *q = b->q;
    const struct cert *c = b->path[i], *issuer = b->path[i + 1];
    enum revoked staple = STATUS_UNKNOWN, listed = STATUS_UNKNOWN;
    const char *why = "was not sent";
    bool wanted = q->revoke == REVOKE_ALL || (q->revoke == REVOKE_HARD && i == 0);

    if (i == 0 && q->staple.n) {
        staple = ocsp_status(q->staple, c, issuer, q->now, &b->signatures, &b->result->until, &why);
    }
    if (q->revocation) {
        listed = crl_status(q->revocation, c, issuer, q->now, &b->signatures, &b->result->until);
    }
    if (staple == STATUS_REVOKED || listed == STATUS_REVOKED) {
        return note(b, CHAIN_REVOKED, c, issuer);
    }
    if (i == 0 && staple != STATUS_GOOD &&
        (c->must_staple || (q->staple.n && wanted && listed != STATUS_GOOD))) {
        (void)note(b, CHAIN_BAD_STAPLE, c, issuer);
        b->fault.why = b->fault.verdict == CHAIN_BAD_STAPLE ? why : b->fault.why;
        return 0;
    }
    if (wanted && staple != STATUS_GOOD && listed != STATUS_GOOD) {
        return note(b, CHAIN_STATUS_UNKNOWN, c, issuer);
    }
    return 1;
}

static int check_names(struct build *b)
{
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
    return 1;
}

static int check_pins(struct build *b)
{
    bool pinned = b->q->npins == 0;

    for (size_t i = 0; i < b->depth && !pinned; i++) {
        pinned = is_pinned(b->q, b->path[i]);
    }
    return pinned ? 1 : note(b, CHAIN_NOT_PINNED, b->path[0], NULL);
}

/* A path stands, the anchor on top: 1 when all else is right as well, dates last. The leaf's own
 * are the same on every path: they come after its name. */
static int finish(struct build *b)
{
    struct chain_result *r = b->result;
    const struct cert *who = NULL;
    bool good = true;

    if (check_names(b) == 0) {
        return 0;
    }
    if (!policy_allows(b->path, b->depth - 1, &who)) {
        return note(b, CHAIN_POLICY, who, NULL);
    }
    r->until = INT64_MAX;
    for (size_t i = 0; i + 1 < b->depth && b->q->revoke != REVOKE_OFF; i++) {
        good = check_revoked(b, i) && good;
    }
    if (!good || check_pins(b) == 0) {
        return 0;
    }
    r->not_after = b->path[0]->not_after;
    for (size_t i = 1; i < b->depth; i++) {
        enum chain_verdict v = check_dates(b->path[i], b->q->now);

        if (v != CHAIN_OK) {
            return note(b, v, b->path[i], NULL);
        }
        r->not_after = b->path[i]->not_after < r->not_after ? b->path[i]->not_after : r->not_after;
    }
    r->until = r->not_after < r->until ? r->not_after : r->until;
    r->depth = b->depth;
    memcpy(r->path, b->path, sizeof b->path);
    return 1;
}

static int extend(struct build *b);

/* One issuer for the certificate on top. 1: a path stands; 0: not this way; negative: failed. */
static int step(struct build *b, const struct cert *issuer, bool is_anchor, bool id_fits)
{
    const struct cert *c = b->path[b->depth - 1];
    bool weak = is_weak_signature(b, c);
    enum chain_verdict v = weak ? CHAIN_WEAK : check_issuer(b, issuer, is_anchor);
    int rc;

    if (v != CHAIN_OK) {
        /* Without a fitting identifier it is most likely another key of the same name. */
        return id_fits ? note(b, v, weak ? c : issuer, NULL) : 0;
    }
    if (b->signatures == 0) {
        return note(b, CHAIN_TOO_MUCH_WORK, b->path[0], NULL);
    }
    b->signatures--;
    rc = chain_signed_by(&c->sig, c->tbs, issuer);
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
            /* One that is no root leads on to a root, unless it may end the path itself. */
            bool ends = issuer->self_issued || b->q->partial;

            if (key_id_fits(c, issuer) == fits && (ends || !on_path(b, issuer)) &&
                (rc = step(b, issuer, ends, fits)) != 0) {
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

/* A leaf that is itself among the anchors needs no issuer, when it is a root or may be less. */
static bool is_anchor(const struct chain_query *q, const struct cert *c)
{
    const struct cert *a;

    for (size_t i = 0; (a = trust_find(q->trust, c->subject, i)) != NULL; i++) {
        if (span_eq(a->der, c->der)) {
            return c->self_issued || q->partial;
        }
    }
    return false;
}

static int validate(struct build *b, struct error *err)
{
    const struct chain_query *q = b->q;
    const struct cert *leaf = b->path[0];
    bool trusted = q->trust && is_anchor(q, leaf);
    enum chain_verdict v = check_leaf(b, leaf, trusted), *verdict = &b->fault.verdict;
    int rc = 1;

    if (v != CHAIN_OK) {
        (void)note(b, v, leaf, NULL);
        return chain_say(q, &b->fault, err);
    }
    if (!q->trust) {
        rc = note(b, CHAIN_UNKNOWN_CA, leaf, NULL);
    } else {
        rc = trusted ? finish(b) : extend(b);
    }
    if (rc < 0) {
        return FAIL(err, rc, "the chain could not be checked: %s", error_name(rc));
    }
    if (rc == 0 && *verdict != CHAIN_EXPIRED && *verdict != CHAIN_NOT_YET_VALID) {
        if (*verdict == CHAIN_UNKNOWN_CA && b->fault.who == leaf && leaf->self_issued) {
            *verdict = CHAIN_SELF_SIGNED;
        }
        return chain_say(q, &b->fault, err);
    }
    if (q->host && cert_match_host(leaf, q->host, err) < 0) {
        *verdict = CHAIN_NAME_MISMATCH;
        return TLS_ALERT(ALERT_BAD_CERTIFICATE);
    }
    v = check_dates(leaf, q->now);
    if (v != CHAIN_OK) {
        b->fault = (struct chain_fault){ .verdict = v, .who = leaf };
    } else if (rc == 1) {
        *verdict = CHAIN_OK;
        return 0;
    }
    return chain_say(q, &b->fault, err);
}

int chain_verify(const struct chain_query *q, const struct cert *certs, size_t n,
                 struct chain_result *result, struct error *err)
{
    struct build b = {
        .q = q,
        .certs = certs,
        .n = n,
        .depth = 1,
        .signatures = SIGNATURES_MAX,
        .comparisons = COMPARISONS_MAX,
        .result = result,
    };
    int rc;

    /* RFC 8446 4.4.2.4 */
    *result = (struct chain_result){ .verdict = CHAIN_EMPTY };
    if (n == 0) {
        return FAIL(err,
                    TLS_ALERT(q->peer_is_server ? ALERT_DECODE_ERROR : ALERT_CERTIFICATE_REQUIRED),
                    "the peer sent no certificate");
    }
    result->verdict = CHAIN_TOO_MUCH_WORK;
    if (n > CHAIN_MAX_CERTS) {
        return FAIL(err, TLS_ALERT(ALERT_BAD_CERTIFICATE),
                    "the peer sent %zu certificates: at most %d are looked at", n, CHAIN_MAX_CERTS);
    }
    if (chain_cache_has(q, certs, n, result)) {
        return 0;
    }
    b.path[0] = &certs[0];
    rc = validate(&b, err);
    if (rc == 0) {
        chain_cache_put(q, certs, n, result);
    }
    /* What could not be checked is not right. */
    result->verdict = rc < 0 && b.fault.verdict == CHAIN_OK ? CHAIN_MALFORMED : b.fault.verdict;
    return rc;
}

int chain_check_pin(const struct chain_query *q, const struct cert *leaf, struct error *err)
{
    struct chain_fault f = { .verdict = CHAIN_NOT_PINNED, .who = leaf };

    return q->npins == 0 || is_pinned(q, leaf) ? 0 : chain_say(q, &f, err);
}
