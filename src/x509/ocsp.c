/* SPDX-License-Identifier: ISC */
/* OCSP responses, as a server staples them (RFC 6960 section 4.2, RFC 5019 section 2.2). Signed by
 * the issuer of the certificate, or by whom that issuer has certified for it. */
#include "x509/parts.h"

/* How far a responder's clock may be ahead of ours, and how long a response without nextUpdate
 * counts: seconds. */
#define SKEW     300
#define LIFE_MAX (7 * 24 * 3600)

struct response {
    struct span tbs;
    struct signature sig;
    struct rd responder, answers, certs; /* responder: of one of the two tags below */
    uint8_t responder_tag;
};
enum { BY_NAME = DER_CONSTRUCTED(1), BY_KEY = DER_CONSTRUCTED(2) };

static const char *nothing_critical(void *ctx, struct span oid, bool critical, struct rd value)
{
    (void)ctx;
    (void)oid;
    (void)value;
    return critical ? "it has a critical extension that is not understood" : NULL;
}

/* At the end of a ResponseData or of an answer: extensions, none of which has to be understood. */
static bool parse_tail(struct rd *in)
{
    struct rd extensions;
    bool there;

    return der_optional(in, DER_CONSTRUCTED(1), &there, &extensions) && rd_done(in) &&
           (!there || !extensions_each(extensions, NULL, nothing_critical));
}

static bool is_list(struct rd in)
{
    struct rd one;

    while (!rd_done(&in)) {
        if (!der_get(&in, DER_SEQUENCE, &one)) {
            return false;
        }
    }
    return true;
}

/* The parts of a BasicOCSPResponse. */
static bool parse_basic(struct response *r, struct rd in)
{
    struct rd basic, tbs, alg, version;
    bool has_version, has_certs;
    uint32_t number;
    int64_t produced;

    *r = (struct response){ .certs = rd_of(NULL, 0) };
    if (!der_get(&in, DER_SEQUENCE, &basic) || !rd_done(&in) ||
        !der_whole(&basic, DER_SEQUENCE, &r->tbs, &tbs) || !der_get(&basic, DER_SEQUENCE, &alg) ||
        !signature_parse(&r->sig, alg) || !der_bit_bytes(&basic, &r->sig.bits) ||
        !der_optional(&basic, DER_CONSTRUCTED(0), &has_certs, &r->certs) || !rd_done(&basic)) {
        return false;
    }
    if (has_certs) {
        struct rd list = r->certs;

        if (!der_get(&list, DER_SEQUENCE, &r->certs) || !rd_done(&list)) {
            return false;
        }
    }
    return der_optional(&tbs, DER_CONSTRUCTED(0), &has_version, &version) &&
           (!has_version || (der_uint32(&version, &number) && rd_done(&version))) &&
           der_any(&tbs, &r->responder_tag, &r->responder) && der_time(&tbs, &produced) &&
           der_get(&tbs, DER_SEQUENCE, &r->answers) && is_list(r->answers) && parse_tail(&tbs);
}

static const char *parse(struct response *r, struct span bytes)
{
    static const struct span basic = OID_SPAN("\x2b\x06\x01\x05\x05\x07\x30\x01\x01");
    struct rd in = rd_span(bytes), whole, status, outer, seq, octets;
    struct span oid;
    uint8_t code;

    if (!der_get(&in, DER_SEQUENCE, &whole) || !rd_done(&in) || !der_get(&whole, 0x0a, &status) ||
        !rd_u8(&status, &code) || !rd_done(&status)) {
        return "is malformed";
    }
    if (code != 0) {
        return "says only that the responder failed";
    }
    if (!der_get(&whole, DER_CONSTRUCTED(0), &outer) || !rd_done(&whole) ||
        !der_get(&outer, DER_SEQUENCE, &seq) || !rd_done(&outer) || !der_oid(&seq, &oid) ||
        !der_get(&seq, DER_OCTET_STRING, &octets) || !rd_done(&seq)) {
        return "is malformed";
    }
    return !span_eq(oid, basic)     ? "is of an unknown kind"
           : parse_basic(r, octets) ? NULL
                                    : "is malformed";
}

/* Do these hashes stand for this issuer? The key's is that of its bits alone (section 4.1.1). */
static bool is_key_hash(const struct cert *c, enum hash_id hash, struct rd digest)
{
    struct rd spki = rd_span(c->spki), seq, alg;
    uint8_t out[HASH_MAX];
    struct span bits;

    return der_get(&spki, DER_SEQUENCE, &seq) && der_get(&seq, DER_SEQUENCE, &alg) &&
           der_bit_bytes(&seq, &bits) && hash_once(hash, bits.p, bits.n, out) == 0 &&
           span_eq(span_of(digest.p, digest.n), span_of(out, hash_size(hash)));
}

/* The CertID of an answer: is it ours? */
static bool is_about(struct rd *answer, const struct cert *c, const struct cert *issuer)
{
    struct rd id, alg, name, key;
    struct span alg_whole, serial;
    uint8_t out[HASH_MAX];
    enum hash_id hash;

    if (!der_get(answer, DER_SEQUENCE, &id) || !der_whole(&id, DER_SEQUENCE, &alg_whole, &alg) ||
        !der_get(&id, DER_OCTET_STRING, &name) || !der_get(&id, DER_OCTET_STRING, &key) ||
        !der_integer(&id, &serial) || !rd_done(&id)) {
        return false;
    }
    hash = hash_parse(rd_span(alg_whole));
    return hash != HASH_NONE && span_eq(serial, c->serial) &&
           hash_once(hash, c->issuer.p, c->issuer.n, out) == 0 &&
           span_eq(span_of(name.p, name.n), span_of(out, hash_size(hash))) &&
           is_key_hash(issuer, hash, key);
}

static bool is_responder(const struct response *r, const struct cert *signer)
{
    struct rd in = r->responder, name, digest;
    struct span whole;

    if (r->responder_tag == BY_NAME) {
        return der_whole(&in, DER_SEQUENCE, &whole, &name) && rd_done(&in) &&
               span_eq(whole, signer->subject);
    }
    return r->responder_tag == BY_KEY && der_get(&in, DER_OCTET_STRING, &digest) && rd_done(&in) &&
           is_key_hash(signer, HASH_SHA1, digest);
}

/* Section 4.2.2.2: the issuer itself, or one with a certificate of the issuer for this purpose. */
static const char *check_signer(const struct response *r, const struct cert *issuer, int64_t now,
                                unsigned *signatures, int64_t *until)
{
    struct rd certs = r->certs, in;
    struct span der;
    struct cert c;

    if (r->sig.weak || !r->sig.known) {
        return "is signed in a way that is weak or unknown";
    }
    if (*signatures < RESPONSE_SIGNATURES) { /* threat 31: one response, many paths */
        return "was not checked: the chain made too much work";
    }
    if (is_responder(r, issuer)) {
        --*signatures;
        return chain_signed_by(&r->sig, r->tbs, issuer) == 1 ? NULL : "has a wrong signature";
    }
    for (int i = 0; i < 4 && der_whole(&certs, DER_SEQUENCE, &der, &in); i++) {
        if (cert_parse(&c, der, NULL) < 0 || !is_responder(r, &c)) {
            continue;
        }
        *signatures -= RESPONSE_SIGNATURES;
        if (!span_eq(c.issuer, issuer->subject) || !(c.eku & EKU_OCSP) || c.critical_unknown ||
            c.sig.weak || cert_is_weak_key(&c) || (c.has_ku && !(c.ku & KU_DIGITAL_SIGNATURE)) ||
            chain_signed_by(&c.sig, c.tbs, issuer) != 1) {
            return "is signed by one whom the issuer has not made a responder";
        }
        if (now < c.not_before || now > c.not_after) {
            return "is signed by a responder whose certificate has expired";
        }
        *until = c.not_after < *until ? c.not_after : *until;
        return chain_signed_by(&r->sig, r->tbs, &c) == 1 ? NULL : "has a wrong signature";
    }
    return "is signed by somebody else than the issuer or its responder";
}

/* CertStatus and the dates behind it. */
static enum revoked read_answer(struct rd answer, int64_t now, int64_t *until, const char **why)
{
    struct rd status, in;
    uint8_t tag;
    int64_t from, to;
    bool has_to;

    *why = "is malformed";
    if (!der_any(&answer, &tag, &status) || !der_time(&answer, &from) ||
        !der_optional(&answer, DER_CONSTRUCTED(0), &has_to, &in) ||
        (has_to && (!der_time(&in, &to) || !rd_done(&in))) || !parse_tail(&answer)) {
        return STATUS_UNKNOWN;
    }
    if (tag == DER_CONSTRUCTED(1)) { /* it stays so */
        *why = NULL;
        return STATUS_REVOKED;
    }
    to = has_to ? to : from + LIFE_MAX;
    if (tag != DER_CONTEXT(0) || !rd_done(&status)) {
        *why = "says that the responder does not know the certificate";
    } else if (from > now + SKEW) {
        *why = "is from the future: check this machine's clock";
    } else if (now > to) {
        *why = "is out of date: the server must renew it";
    } else {
        *why = NULL;
        *until = to < *until ? to : *until;
        return STATUS_GOOD;
    }
    return STATUS_UNKNOWN;
}

enum revoked ocsp_status(struct span response, const struct cert *c, const struct cert *issuer,
                         int64_t now, unsigned *signatures, int64_t *until, const char **why)
{
    int64_t ends = *until;
    enum revoked found;
    struct response r;
    struct rd answer;

    *why = parse(&r, response);
    if (*why) {
        return STATUS_UNKNOWN;
    }
    *why = "is about another certificate";
    while (der_get(&r.answers, DER_SEQUENCE, &answer)) {
        if (!is_about(&answer, c, issuer)) {
            continue;
        }
        *why = check_signer(&r, issuer, now, signatures, &ends);
        if (*why) {
            return STATUS_UNKNOWN;
        }
        found = read_answer(answer, now, &ends, why);
        *until = found == STATUS_GOOD ? ends : *until;
        return found;
    }
    return STATUS_UNKNOWN;
}
