/* SPDX-License-Identifier: ISC */
/* The algorithms and keys that certificates, CRLs and OCSP responses name (RFC 3279, 4055, 5480,
 * 8410). */
#include "x509/parts.h"

#define OID_RSA_PSS "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"

static const struct sig_row {
    struct span oid;
    enum sig_kind kind;
    enum hash_id hash;
    bool known, weak;
} sig_rows[] = {
    { OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), SIG_RSA_PKCS1, HASH_SHA256, true, false },
    { OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), SIG_RSA_PKCS1, HASH_SHA384, true, false },
    { OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), SIG_RSA_PKCS1, HASH_SHA512, true, false },
    { OID_SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x02"), SIG_ECDSA, HASH_SHA256, true, false },
    { OID_SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x03"), SIG_ECDSA, HASH_SHA384, true, false },
    { OID_SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x04"), SIG_ECDSA, HASH_SHA512, true, false },
    { OID_SPAN("\x2b\x65\x70"), SIG_EDDSA, HASH_NONE, true, false },
    { OID_SPAN("\x2b\x65\x71"), SIG_EDDSA, HASH_NONE, true, false },
    /* threat 21: known so that the reason can be told, never relied on */
    { OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"), SIG_RSA_PKCS1, HASH_SHA1, true, true },
    { OID_SPAN("\x2a\x86\x48\xce\x3d\x04\x01"), SIG_ECDSA, HASH_SHA1, true, true },
    { OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"), SIG_RSA_PKCS1, HASH_NONE, false, true },
    { OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02"), SIG_RSA_PKCS1, HASH_NONE, false, true },
};

static const struct curve_row {
    struct span oid;
    enum key_type type;
} curve_rows[] = {
    { OID_SPAN("\x2a\x86\x48\xce\x3d\x03\x01\x07"), KEY_EC_P256 },
    { OID_SPAN("\x2b\x81\x04\x00\x22"), KEY_EC_P384 },
    { OID_SPAN("\x2b\x81\x04\x00\x23"), KEY_EC_P521 },
};

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

/* The parameters of SHA-2 and of PKCS#1: NULL, or absent (RFC 4055 section 2.1). */
static bool null_or_absent(struct rd *params)
{
    return rd_done(params) || (der_null(params) && rd_done(params));
}

enum hash_id hash_parse(struct rd in)
{
    static const struct {
        struct span oid;
        enum hash_id hash;
    } rows[] = {
        { OID_SPAN("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), HASH_SHA256 },
        { OID_SPAN("\x60\x86\x48\x01\x65\x03\x04\x02\x02"), HASH_SHA384 },
        { OID_SPAN("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), HASH_SHA512 },
        { OID_SPAN("\x2b\x0e\x03\x02\x1a"), HASH_SHA1 }, /* OCSP names certificates by it */
    };
    struct rd alg;
    struct span oid;

    if (!der_get(&in, DER_SEQUENCE, &alg) || !rd_done(&in) || !der_oid(&alg, &oid) ||
        !null_or_absent(&alg)) {
        return HASH_NONE;
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (span_eq(oid, rows[i].oid)) {
            return rows[i].hash;
        }
    }
    return HASH_NONE;
}

/* RSASSA-PSS-params (RFC 4055 section 3.1) as TLS uses it: MGF1 over the same hash and a salt as
 * long as the digest (RFC 8446 4.2.3). HASH_NONE: any other, its SHA-1 defaults included. */
static enum hash_id pss_hash(struct rd params)
{
    static const struct span mgf1 = OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08");
    struct rd seq, field, alg, trailer;
    struct span oid;
    enum hash_id hash;
    uint32_t salt, one = 1;
    bool has_trailer;

    if (!der_get(&params, DER_SEQUENCE, &seq) || !rd_done(&params) ||
        !der_get(&seq, DER_CONSTRUCTED(0), &field)) {
        return HASH_NONE;
    }
    hash = hash_parse(field);
    if (hash == HASH_NONE || hash == HASH_SHA1 || !der_get(&seq, DER_CONSTRUCTED(1), &field) ||
        !der_get(&field, DER_SEQUENCE, &alg) || !rd_done(&field) || !der_oid(&alg, &oid) ||
        !span_eq(oid, mgf1) || hash_parse(alg) != hash ||
        !der_get(&seq, DER_CONSTRUCTED(2), &field) || !der_uint32(&field, &salt) ||
        !rd_done(&field) || salt != hash_size(hash) ||
        !der_optional(&seq, DER_CONSTRUCTED(3), &has_trailer, &trailer) || !rd_done(&seq) ||
        (has_trailer && (!der_uint32(&trailer, &one) || !rd_done(&trailer))) || one != 1) {
        return HASH_NONE;
    }
    return hash;
}

bool signature_parse(struct signature *s, struct rd alg)
{
    struct span oid;

    if (!der_oid(&alg, &oid)) {
        return false;
    }
    if (span_eq(oid, OID_SPAN(OID_RSA_PSS))) {
        s->kind = SIG_RSA_PSS;
        s->hash = pss_hash(alg);
        s->known = s->hash != HASH_NONE;
        return true;
    }
    for (size_t i = 0; i < COUNT(sig_rows); i++) {
        const struct sig_row *row = &sig_rows[i];

        if (span_eq(oid, row->oid)) {
            s->kind = row->kind;
            s->hash = row->hash;
            s->known = row->known;
            s->weak = row->weak;
            /* RFC 5758 3.2, RFC 8410 section 3: no parameters. */
            return row->kind == SIG_RSA_PKCS1 ? null_or_absent(&alg) : rd_done(&alg);
        }
    }
    return true;
}

static bool parse_rsa_key(struct cert *c, enum key_type type, struct span bits)
{
    struct rd in = rd_span(bits), seq;

    c->key_type = type;
    return der_get(&in, DER_SEQUENCE, &seq) && rd_done(&in) && der_unsigned(&seq, &c->key_n) &&
           der_unsigned(&seq, &c->key_e) && rd_done(&seq) && c->key_n.n > 0 && c->key_e.n > 0;
}

bool spki_parse(struct cert *c, struct rd spki)
{
    struct rd alg;
    struct span oid, bits, curve;

    if (!der_get(&spki, DER_SEQUENCE, &alg) || !der_oid(&alg, &oid) ||
        !der_bit_bytes(&spki, &bits) || !rd_done(&spki)) {
        return false;
    }
    if (span_eq(oid, OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"))) {
        return null_or_absent(&alg) && parse_rsa_key(c, KEY_RSA, bits);
    }
    if (span_eq(oid, OID_SPAN(OID_RSA_PSS))) {
        if (!rd_done(&alg)) {
            c->key_hash = pss_hash(alg);
            if (c->key_hash == HASH_NONE) {
                return true; /* bound to what we do not do: a key of a kind we do not know */
            }
        }
        return parse_rsa_key(c, KEY_RSA_PSS, bits);
    }
    c->key_point = bits;
    if (span_eq(oid, OID_SPAN("\x2a\x86\x48\xce\x3d\x02\x01"))) {
        /* RFC 5480 2.1.1: a named curve; explicit parameters are refused (CVE-2020-0601). */
        if (!der_oid(&alg, &curve) || !rd_done(&alg)) {
            return false;
        }
        for (size_t i = 0; i < COUNT(curve_rows); i++) {
            if (span_eq(curve, curve_rows[i].oid)) {
                c->key_type = curve_rows[i].type;
            }
        }
        return true;
    }
    if (span_eq(oid, OID_SPAN("\x2b\x65\x70")) || span_eq(oid, OID_SPAN("\x2b\x65\x71"))) {
        c->key_type = oid.p[2] == 0x70 ? KEY_ED25519 : KEY_ED448;
        return rd_done(&alg);
    }
    return true;
}
