/* SPDX-License-Identifier: ISC */
/* A certificate taken apart (RFC 5280 section 4.1). */
#include "base/mem.h"
#include "x509/parts.h"

static bool parse_version(struct cert *c, struct rd *tbs)
{
    struct rd in;
    uint32_t v = 0;
    bool there;

    /* DEFAULT v1 is not written out in DER, so what is written is v2 or v3. */
    if (!der_optional(tbs, DER_CONSTRUCTED(0), &there, &in) ||
        (there && (!der_uint32(&in, &v) || !rd_done(&in) || v < 1 || v > 2))) {
        return false;
    }
    c->version = (uint8_t)(v + 1);
    return true;
}

/* issuerUniqueID and subjectUniqueID: allowed from v2 on, and of no use to anybody. */
static bool skip_unique_ids(const struct cert *c, struct rd *tbs)
{
    struct rd in;
    bool one, two;

    return der_optional(tbs, DER_CONTEXT(1), &one, &in) &&
           der_optional(tbs, DER_CONTEXT(2), &two, &in) && (c->version >= 2 || !(one || two));
}

static const char *parse_tbs(struct cert *c, struct rd tbs, struct span *alg)
{
    struct rd in, validity, spki;
    bool has_extensions;

    if (!parse_version(c, &tbs)) {
        return "its version is not 1, 2 or 3";
    }
    if (!der_integer(&tbs, &c->serial)) {
        return "its serial number is malformed";
    }
    if (!der_whole(&tbs, DER_SEQUENCE, alg, &in)) {
        return "its signature algorithm is malformed";
    }
    if (!der_whole(&tbs, DER_SEQUENCE, &c->issuer, &in) || !name_is_wellformed(c->issuer)) {
        return "its issuer name is malformed";
    }
    if (!der_get(&tbs, DER_SEQUENCE, &validity) || !der_time(&validity, &c->not_before) ||
        !der_time(&validity, &c->not_after) || !rd_done(&validity)) {
        return "its dates are malformed";
    }
    if (!der_whole(&tbs, DER_SEQUENCE, &c->subject, &in) || !name_is_wellformed(c->subject)) {
        return "its subject name is malformed";
    }
    if (!der_whole(&tbs, DER_SEQUENCE, &c->spki, &spki) || !spki_parse(c, spki)) {
        return "its public key is malformed";
    }
    if (!skip_unique_ids(c, &tbs) ||
        !der_optional(&tbs, DER_CONSTRUCTED(3), &has_extensions, &in) || !rd_done(&tbs)) {
        return "it has fields that do not belong there";
    }
    c->self_issued = span_eq(c->issuer, c->subject);
    if (!has_extensions) {
        return NULL;
    }
    return c->version == 3 ? ext_parse(c, in) : "it has extensions, which only version 3 may have";
}

static struct cert blank(struct span der)
{
    return (struct cert){
        .der = der, .path_len = -1, .explicit_policy = -1, .inhibit_mapping = -1, .inhibit_any = -1
    };
}

int cert_parse(struct cert *c, struct span der, struct error *err)
{
    struct rd r = rd_span(der), whole, tbs, outer;
    struct span alg_inside, alg;
    const char *why;

    *c = blank(der);
    if (!der_get(&r, DER_SEQUENCE, &whole) || !rd_done(&r) ||
        !der_whole(&whole, DER_SEQUENCE, &c->tbs, &tbs) ||
        !der_whole(&whole, DER_SEQUENCE, &alg, &outer) || !der_bit_bytes(&whole, &c->sig.bits) ||
        !rd_done(&whole)) {
        return FAIL(err, ERR_PARSE, "this is not a certificate in DER");
    }
    why = parse_tbs(c, tbs, &alg_inside);
    if (!why && !span_eq(alg, alg_inside)) {
        /* RFC 5280 4.1.1.2: the algorithm that is signed is the algorithm that is used. */
        why = "its two signature algorithms differ";
    }
    if (!why && !signature_parse(&c->sig, outer)) {
        why = "its signature algorithm is malformed";
    }
    if (why) {
        *c = blank(der);
        return FAIL(err, ERR_PARSE, "the certificate is malformed: %s", why);
    }
    return 0;
}

int cert_pubkey(const struct cert *c, struct pubkey **out)
{
    *out = NULL;
    switch (c->key_type) {
    case KEY_NONE:
        return ERR_UNSUPPORTED;
    case KEY_RSA:
    case KEY_RSA_PSS:
        return pubkey_from_rsa(out, c->key_type, c->key_n, c->key_e);
    case KEY_EC_P256:
    case KEY_EC_P384:
    case KEY_EC_P521:
    case KEY_ED25519:
    case KEY_ED448:
        break;
    }
    return pubkey_from_point(out, c->key_type, c->key_point);
}

bool cert_is_weak_key(const struct cert *c)
{
    size_t bits = 8 * c->key_n.n;

    if (c->key_type != KEY_RSA && c->key_type != KEY_RSA_PSS) {
        return false;
    }
    for (unsigned top = c->key_n.p[0]; top < 0x80; top <<= 1) {
        bits--;
    }
    return bits < 2048;
}

/* ---- their bytes ---- */

struct cert_list *cert_list_new(const struct cert *certs, size_t n)
{
    struct cert_list *l;
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        len += certs[i].der.n;
    }
    l = mem_alloc(sizeof *l + len);
    if (!l) {
        return NULL;
    }
    *l = (struct cert_list){ .refs = 1, .leaf = n ? certs[0].der.n : 0 };
    for (size_t i = 0; i < n; i++) {
        memcpy(l->der + l->n, certs[i].der.p, certs[i].der.n);
        l->n += certs[i].der.n;
    }
    return l;
}

struct cert_list *cert_list_ref(struct cert_list *l)
{
    __atomic_add_fetch(&l->refs, 1, __ATOMIC_RELAXED);
    return l;
}

void cert_list_unref(struct cert_list *l)
{
    if (l && __atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        mem_free(l);
    }
}
