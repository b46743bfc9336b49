/* SPDX-License-Identifier: ISC */
/* Certificate extensions (RFC 5280 section 4.2). What is not understood is noted when it is
 * critical and skipped when it is not. */
#include "x509/parts.h"

static const char *parse_basic_constraints(struct cert *c, struct rd in)
{
    struct rd seq;
    uint32_t len = 0;
    bool has_len = false;

    /* An explicit FALSE is not DER, but real CAs have written it for decades. */
    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) ||
        (der_next_is(&seq, DER_BOOLEAN) && !der_bool(&seq, &c->ca))) {
        return "its basic constraints are malformed";
    }
    if (!rd_done(&seq)) {
        has_len = der_uint32(&seq, &len) && rd_done(&seq);
        if (!has_len) {
            return "its basic constraints are malformed";
        }
    }
    c->has_bc = true;
    if (has_len && c->ca) {
        c->path_len = len > 1000 ? 1000 : (int)len;
    }
    return NULL;
}

static const char *parse_key_usage(struct cert *c, struct rd in)
{
    struct span bits;
    unsigned spare;

    if (!der_bits(&in, &bits, &spare) || !rd_done(&in) || bits.n > 2) {
        return "its key usage is malformed";
    }
    c->has_ku = true;
    for (unsigned i = 0; i < 8 * bits.n; i++) {
        if (bits.p[i / 8] & 0x80 >> i % 8) {
            c->ku = (uint16_t)(c->ku | 1u << i);
        }
    }
    return NULL;
}

static const char *parse_ext_key_usage(struct cert *c, struct rd in)
{
    static const struct {
        struct span oid;
        uint8_t bit;
    } rows[] = {
        { OID_SPAN("\x55\x1d\x25\x00"), EKU_ANY },
        { OID_SPAN("\x2b\x06\x01\x05\x05\x07\x03\x01"), EKU_SERVER },
        { OID_SPAN("\x2b\x06\x01\x05\x05\x07\x03\x02"), EKU_CLIENT },
        { OID_SPAN("\x2b\x06\x01\x05\x05\x07\x03\x09"), EKU_OCSP },
    };
    struct rd seq;
    struct span oid;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) || rd_done(&seq)) {
        return "its extended key usage is malformed";
    }
    c->has_eku = true;
    while (!rd_done(&seq)) {
        uint8_t bit = EKU_OTHER;

        if (!der_oid(&seq, &oid)) {
            return "its extended key usage is malformed";
        }
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            bit = span_eq(oid, rows[i].oid) ? rows[i].bit : bit;
        }
        c->eku |= bit;
    }
    return NULL;
}

static const char *parse_alt_names(struct cert *c, struct rd in)
{
    struct rd seq, names, name;
    uint8_t tag;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) || rd_done(&seq)) {
        return "its alternative names are malformed";
    }
    names = seq;
    while (!rd_done(&names)) {
        if (!der_any(&names, &tag, &name) || !general_name_is_known(tag) ||
            (tag == DER_CONSTRUCTED(4) && !name_is_wellformed(span_of(name.p, name.n)))) {
            return "its alternative names are malformed";
        }
    }
    c->has_san = true;
    c->san = span_of(seq.p, seq.n);
    return NULL;
}

static const char *parse_name_constraints(struct cert *c, struct rd in)
{
    struct rd seq;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in)) {
        return "its name constraints are malformed";
    }
    c->name_constraints = span_of(seq.p, seq.n);
    return namecon_check(c->name_constraints);
}

static const char *parse_subject_key_id(struct cert *c, struct rd in)
{
    struct rd id;

    if (!der_get(&in, DER_OCTET_STRING, &id) || !rd_done(&in)) {
        return "its subject key identifier is malformed";
    }
    c->ski = span_of(id.p, id.n);
    return NULL;
}

/* Issuer and serial number, its other way to say whose key it was, are not used. */
static const char *parse_authority_key_id(struct cert *c, struct rd in)
{
    struct rd seq, id = rd_of(NULL, 0), unused;
    bool there;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) ||
        !der_optional(&seq, DER_CONTEXT(0), &there, &id) ||
        !der_optional(&seq, DER_CONSTRUCTED(1), &there, &unused) ||
        !der_optional(&seq, DER_CONTEXT(2), &there, &unused) || !rd_done(&seq)) {
        return "its authority key identifier is malformed";
    }
    c->aki = span_of(id.p, id.n);
    return NULL;
}

static const char *parse_policies(struct cert *c, struct rd in)
{
    struct rd seq, list, one, qualifiers; /* which are for people */
    struct span oid;
    bool there;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) || rd_done(&seq)) {
        return "its policies are malformed";
    }
    c->has_policies = true;
    c->policies = span_of(seq.p, seq.n);
    for (list = seq; !rd_done(&list);) {
        if (!der_get(&list, DER_SEQUENCE, &one) || !der_oid(&one, &oid) ||
            !der_optional(&one, DER_SEQUENCE, &there, &qualifiers) || !rd_done(&one)) {
            return "its policies are malformed";
        }
    }
    return NULL;
}

static const char *parse_policy_mappings(struct cert *c, struct rd in)
{
    struct rd seq, list, one;
    struct span from, to;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) || rd_done(&seq)) {
        return "its policy mappings are malformed";
    }
    c->policy_mappings = span_of(seq.p, seq.n);
    for (list = seq; !rd_done(&list);) {
        if (!der_get(&list, DER_SEQUENCE, &one) || !der_oid(&one, &from) || !der_oid(&one, &to) ||
            !rd_done(&one)) {
            return "its policy mappings are malformed";
        }
    }
    return NULL;
}

/* The contents of an INTEGER: a number of certificates. Paths are short: 1000 is as good as more.
 */
static bool skip_count(struct rd in, int *count)
{
    int n = 0;

    if (in.n == 0 || in.p[0] & 0x80 || (in.n > 1 && in.p[0] == 0 && !(in.p[1] & 0x80))) {
        return false;
    }
    for (size_t i = 0; i < in.n; i++) {
        n = n > 1000 ? 1000 : n * 256 + in.p[i];
    }
    *count = n > 1000 ? 1000 : n;
    return true;
}

static const char *parse_policy_constraints(struct cert *c, struct rd in)
{
    struct rd seq, explicit_policy, mapping;
    bool has_explicit, has_mapping;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) || rd_done(&seq) ||
        !der_optional(&seq, DER_CONTEXT(0), &has_explicit, &explicit_policy) ||
        !der_optional(&seq, DER_CONTEXT(1), &has_mapping, &mapping) || !rd_done(&seq) ||
        (has_explicit && !skip_count(explicit_policy, &c->explicit_policy)) ||
        (has_mapping && !skip_count(mapping, &c->inhibit_mapping))) {
        return "its policy constraints are malformed";
    }
    return NULL;
}

static const char *parse_inhibit_any(struct cert *c, struct rd in)
{
    struct rd number;

    return der_get(&in, DER_INTEGER, &number) && rd_done(&in) && skip_count(number, &c->inhibit_any)
               ? NULL
               : "its inhibitAnyPolicy is malformed";
}

/* status_request is the one feature that says something about revocation (RFC 7633). */
static const char *parse_tls_feature(struct cert *c, struct rd in)
{
    struct rd seq;
    uint32_t feature;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in)) {
        return "its TLS features are malformed";
    }
    while (!rd_done(&seq)) {
        if (!der_uint32(&seq, &feature)) {
            return "its TLS features are malformed";
        }
        c->must_staple = c->must_staple || feature == 5;
    }
    return NULL;
}

static const char *parse_crl_points(struct cert *c, struct rd in)
{
    struct rd seq, list, one, part;
    bool there;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) || rd_done(&seq)) {
        return "its CRL distribution points are malformed";
    }
    c->crl_points = span_of(seq.p, seq.n); /* crl.c takes them apart */
    for (list = seq; !rd_done(&list);) {
        if (!der_get(&list, DER_SEQUENCE, &one) ||
            !der_optional(&one, DER_CONSTRUCTED(0), &there, &part) ||
            !der_optional(&one, DER_CONTEXT(1), &there, &part) ||
            !der_optional(&one, DER_CONSTRUCTED(2), &there, &part) || !rd_done(&one)) {
            return "its CRL distribution points are malformed";
        }
    }
    return NULL;
}

static const struct ext_row {
    struct span oid;
    const char *(*parse)(struct cert *c, struct rd in);
} ext_rows[] = {
    { OID_SPAN("\x55\x1d\x13"), parse_basic_constraints },
    { OID_SPAN("\x55\x1d\x0f"), parse_key_usage },
    { OID_SPAN("\x55\x1d\x25"), parse_ext_key_usage },
    { OID_SPAN("\x55\x1d\x11"), parse_alt_names },
    { OID_SPAN("\x55\x1d\x1e"), parse_name_constraints },
    { OID_SPAN("\x55\x1d\x0e"), parse_subject_key_id },
    { OID_SPAN("\x55\x1d\x23"), parse_authority_key_id },
    { OID_SPAN("\x55\x1d\x20"), parse_policies },
    { OID_SPAN("\x55\x1d\x21"), parse_policy_mappings },
    { OID_SPAN("\x55\x1d\x24"), parse_policy_constraints },
    { OID_SPAN("\x55\x1d\x36"), parse_inhibit_any },
    { OID_SPAN("\x55\x1d\x1f"), parse_crl_points },
    { OID_SPAN("\x2b\x06\x01\x05\x05\x07\x01\x18"), parse_tls_feature },
};

static const char *parse_one(void *ctx, struct span oid, bool critical, struct rd value)
{
    struct cert *c = ctx;

    for (size_t i = 0; i < sizeof ext_rows / sizeof *ext_rows; i++) {
        if (span_eq(oid, ext_rows[i].oid)) {
            return ext_rows[i].parse(c, value);
        }
    }
    c->critical_unknown = c->critical_unknown || critical;
    return NULL;
}

const char *ext_parse(struct cert *c, struct rd extensions)
{
    return extensions_each(extensions, c, parse_one);
}

const char *extensions_each(struct rd extensions, void *ctx, each_extension_fn *fn)
{
    struct span seen[EXTENSIONS_MAX];
    struct rd list, ext, value;
    size_t n = 0;

    if (!der_get(&extensions, DER_SEQUENCE, &list) || !rd_done(&extensions) || rd_done(&list)) {
        return "its extensions are malformed";
    }
    for (; !rd_done(&list); n++) {
        bool critical = false;
        const char *why;

        if (n == EXTENSIONS_MAX) {
            return "it has too many extensions";
        }
        if (!der_get(&list, DER_SEQUENCE, &ext) || !der_oid(&ext, &seen[n]) ||
            (der_next_is(&ext, DER_BOOLEAN) && !der_bool(&ext, &critical)) ||
            !der_get(&ext, DER_OCTET_STRING, &value) || !rd_done(&ext)) {
            return "its extensions are malformed";
        }
        for (size_t i = 0; i < n; i++) {
            if (span_eq(seen[i], seen[n])) {
                return "it has the same extension twice"; /* RFC 5280 4.2 */
            }
        }
        why = fn(ctx, seen[n], critical, value);
        if (why) {
            return why;
        }
    }
    return NULL;
}
