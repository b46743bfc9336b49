/* SPDX-License-Identifier: ISC */
/* Certificate extensions (RFC 5280 section 4.2). What is not understood is noted when it is
 * critical and skipped when it is not.
 *
 * A critical certificatePolicies or inhibitAnyPolicy counts as understood: without an initial
 * demand for a policy they refuse nothing (RFC 5280 6.1). A critical policyConstraints or
 * policyMappings can make such a demand and does not. */
#include "x509/parts.h"

#define EXT_MAX 64 /* finding doubles is quadratic; real certificates have about ten */

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
        if (!der_any(&names, &tag, &name) || !general_name_is_known(tag)) {
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
    struct rd seq, id = rd_of(NULL, 0);
    bool there;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) ||
        !der_optional(&seq, DER_CONTEXT(0), &there, &id)) {
        return "its authority key identifier is malformed";
    }
    c->aki = span_of(id.p, id.n);
    return NULL;
}

static const char *accept_as_it_is(struct cert *c, struct rd in)
{
    (void)c;
    (void)in;
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
    { OID_SPAN("\x55\x1d\x20"), accept_as_it_is }, /* certificatePolicies */
    { OID_SPAN("\x55\x1d\x36"), accept_as_it_is }, /* inhibitAnyPolicy */
};

static const char *parse_one(struct cert *c, struct span oid, bool critical, struct rd value)
{
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
    struct span seen[EXT_MAX];
    struct rd list, ext, value;
    size_t n = 0;

    if (!der_get(&extensions, DER_SEQUENCE, &list) || !rd_done(&extensions) || rd_done(&list)) {
        return "its extensions are malformed";
    }
    for (; !rd_done(&list); n++) {
        const char *why;
        bool critical = false;

        if (n == EXT_MAX) {
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
        why = parse_one(c, seen[n], critical, value);
        if (why) {
            return why;
        }
    }
    return NULL;
}
