/* SPDX-License-Identifier: ISC */
/* Certificate revocation lists (RFC 5280 section 5). Each is parsed once, when it is loaded, and
 * its serial numbers are put in order; its signature is checked when it is first asked about the
 * certificates of an issuer, and that is remembered. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "x509/parts.h"

struct crl {
    struct crl *next;
    struct span tbs, issuer, points; /* points: GeneralNames that it is for; empty: for all */
    struct signature sig;
    int64_t this_update, next_update; /* next_update INT64_MIN: not said, so never current */
    bool only_users, only_cas;
    bool partial;      /* does not list everything: absence proves nothing */
    uint32_t *revoked; /* where the serial numbers begin in der, in order of their bytes */
    size_t nrevoked;
    uint8_t *signer; /* SHA-256 of the key that is known to have signed it; set once, atomically */
    size_t len;
    uint8_t der[];
};

struct revocation {
    unsigned refs;
    struct crl *first;
    size_t count;
};

struct revocation *revocation_new(void)
{
    struct revocation *r = mem_zalloc(sizeof *r);

    if (r) {
        r->refs = 1;
    }
    return r;
}

struct revocation *revocation_ref(struct revocation *r)
{
    (void)__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
    return r;
}

static void crl_free(struct crl *crl)
{
    mem_free(crl->revoked);
    mem_free(crl->signer);
    mem_free(crl);
}

void revocation_unref(struct revocation *r)
{
    struct crl *next;

    if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (struct crl *c = r->first; c; c = next) {
        next = c->next;
        crl_free(c);
    }
    mem_free(r);
}

size_t revocation_count(const struct revocation *r)
{
    return r->count;
}

int revocation_digest(const struct revocation *r, uint8_t sum[static 32])
{
    uint8_t one[HASH_MAX];

    memset(sum, 0, 32);
    for (const struct crl *c = r->first; c; c = c->next) {
        TRY(hash_once(HASH_SHA256, c->der, c->len, one));
        for (size_t i = 0; i < 32; i++) {
            sum[i] ^= one[i];
        }
    }
    return 0;
}

/* ---- parsing ---- */

/* A flag of IssuingDistributionPoint: DEFAULT FALSE, IMPLICIT. */
static bool idp_flag(struct rd *seq, unsigned n, bool *flag)
{
    struct rd in;
    bool there;
    uint8_t value = 0;

    if (!der_optional(seq, DER_CONTEXT(n), &there, &in) ||
        (there && (in.n != 1 || !rd_u8(&in, &value) || value != 0xff))) {
        return false;
    }
    *flag = there;
    return true;
}

/* Section 5.2.5. */
static const char *parse_idp(struct crl *crl, struct rd in)
{
    struct rd seq, point, name, reasons;
    bool has_point, has_reasons, indirect, attributes;

    if (!der_get(&in, DER_SEQUENCE, &seq) || !rd_done(&in) ||
        !der_optional(&seq, DER_CONSTRUCTED(0), &has_point, &point) ||
        !idp_flag(&seq, 1, &crl->only_users) || !idp_flag(&seq, 2, &crl->only_cas) ||
        !der_optional(&seq, DER_CONTEXT(3), &has_reasons, &reasons) ||
        !idp_flag(&seq, 4, &indirect) || !idp_flag(&seq, 5, &attributes) || !rd_done(&seq)) {
        return "its issuing distribution point is malformed";
    }
    if (indirect || attributes) {
        return "it is indirect, or about attributes";
    }
    crl->partial = crl->partial || has_reasons;
    if (has_point) {
        if (!der_get(&point, DER_CONSTRUCTED(0), &name) || !rd_done(&point) || rd_done(&name)) {
            return "its distribution point has no full name";
        }
        crl->points = span_of(name.p, name.n);
    }
    return NULL;
}

static const char *crl_extension(void *ctx, struct span oid, bool critical, struct rd value)
{
    static const struct span passed_over[] = {
        OID_SPAN("\x55\x1d\x23"), /* authority key identifier: the signature tells */
        OID_SPAN("\x55\x1d\x14"), /* CRL number */
    };

    if (span_eq(oid, OID_SPAN("\x55\x1d\x1c"))) {
        return parse_idp(ctx, value);
    }
    for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++) {
        if (span_eq(oid, passed_over[i])) {
            return NULL;
        }
    }
    /* A delta CRL says so in one that is critical. */
    return critical ? "it has a critical extension that is not understood" : NULL;
}

static const char *entry_extension(void *ctx, struct span oid, bool critical, struct rd value)
{
    struct crl *crl = ctx;

    (void)oid;
    (void)value;

    /* Section 5.3: then the list does not tell what is not revoked. The reason is never critical.
     */
    crl->partial = crl->partial || critical;
    return NULL;
}

/* One revoked certificate: its serial number. */
static const char *parse_entry(struct crl *crl, struct rd *list, struct span *serial)
{
    struct rd entry;
    int64_t when;

    if (!der_get(list, DER_SEQUENCE, &entry) || !der_integer(&entry, serial) ||
        !der_time(&entry, &when)) {
        return "an entry is malformed";
    }
    return rd_done(&entry) ? NULL : extensions_each(entry, crl, entry_extension);
}

static struct span serial_at(const struct crl *crl, uint32_t at)
{
    /* A length that parse_entry() has read: short, or of one byte behind 0x81. */
    struct rd r = rd_of(crl->der + at, crl->len - at), in;

    return der_get(&r, DER_INTEGER, &in) ? span_of(in.p, in.n) : span_of(NULL, 0);
}

static int order(struct span a, struct span b)
{
    return a.n != b.n ? (a.n < b.n ? -1 : 1) : a.n ? memcmp(a.p, b.p, a.n) : 0;
}

static int order_at(const void *a, const void *b, void *crl)
{
    return order(serial_at(crl, *(const uint32_t *)a), serial_at(crl, *(const uint32_t *)b));
}

/* Twice through the list: to count, then to keep. */
static int index_entries(struct crl *crl, struct rd list, const char **why)
{
    struct rd again = list;
    struct span serial;
    size_t n = 0;

    for (; !rd_done(&list); n++) {
        *why = parse_entry(crl, &list, &serial);
        if (*why) {
            return ERR_PARSE;
        }
    }
    if (n == 0) {
        return 0;
    }
    crl->revoked = mem_alloc(n * sizeof *crl->revoked);
    if (!crl->revoked) {
        return ERR_MEM;
    }
    for (; crl->nrevoked < n; crl->nrevoked++) {
        struct rd entry = again, in;

        if (parse_entry(crl, &again, &serial) || !der_get(&entry, DER_SEQUENCE, &in)) {
            return ERR_PARSE;
        }
        crl->revoked[crl->nrevoked] = (uint32_t)(in.p - crl->der); /* at its tag */
    }
    qsort_r(crl->revoked, n, sizeof *crl->revoked, order_at, crl);
    return 0;
}

static int parse_tbs(struct crl *crl, struct rd tbs, struct span *alg, const char **why)
{
    struct rd in, revoked = rd_of(NULL, 0);
    bool has_next, has_extensions;
    uint32_t version = 0;

    *why = "its first fields are malformed";
    if ((der_next_is(&tbs, DER_INTEGER) && (!der_uint32(&tbs, &version) || version != 1)) ||
        !der_whole(&tbs, DER_SEQUENCE, alg, &in) ||
        !der_whole(&tbs, DER_SEQUENCE, &crl->issuer, &in) || !name_is_wellformed(crl->issuer) ||
        !der_time(&tbs, &crl->this_update)) {
        return ERR_PARSE;
    }
    has_next = der_next_is(&tbs, DER_UTC_TIME) || der_next_is(&tbs, DER_GENERALIZED_TIME);
    crl->next_update = INT64_MIN;
    if ((has_next && !der_time(&tbs, &crl->next_update)) ||
        (der_next_is(&tbs, DER_SEQUENCE) && !der_get(&tbs, DER_SEQUENCE, &revoked)) ||
        !der_optional(&tbs, DER_CONSTRUCTED(0), &has_extensions, &in) || !rd_done(&tbs) ||
        (has_extensions && version != 1)) {
        return ERR_PARSE;
    }
    *why = has_extensions ? extensions_each(in, crl, crl_extension) : NULL;
    return *why ? ERR_PARSE : index_entries(crl, revoked, why);
}

static int crl_parse(struct crl *crl, struct error *err)
{
    struct rd r = rd_of(crl->der, crl->len), whole, tbs, outer;
    struct span alg, alg_inside;
    const char *why = NULL;
    int rc;

    if (!der_get(&r, DER_SEQUENCE, &whole) || !rd_done(&r) ||
        !der_whole(&whole, DER_SEQUENCE, &crl->tbs, &tbs) ||
        !der_whole(&whole, DER_SEQUENCE, &alg, &outer) || !der_bit_bytes(&whole, &crl->sig.bits) ||
        !rd_done(&whole)) {
        return FAIL(err, ERR_PARSE, "this is not a CRL in DER");
    }
    rc = parse_tbs(crl, tbs, &alg_inside, &why);
    if (rc == 0 && (!span_eq(alg, alg_inside) || !signature_parse(&crl->sig, outer))) {
        why = "its signature algorithm is malformed, or not the one that is signed";
    }
    if (rc == ERR_MEM) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    return why ? FAIL(err, ERR_PARSE, "the CRL cannot be used: %s", why) : rc;
}

static int add_der(struct revocation *r, struct span der, struct error *err)
{
    struct crl *crl = mem_zalloc(sizeof *crl + der.n);
    int rc;

    if (!crl) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    crl->len = der.n;
    if (der.n) {
        memcpy(crl->der, der.p, der.n);
    }
    rc = crl_parse(crl, err);
    if (rc < 0) {
        crl_free(crl);
        return rc;
    }
    crl->next = r->first;
    r->first = crl;
    r->count++;
    return 0;
}

static int add_one(void *ctx, struct span der, struct error *err)
{
    return add_der(ctx, der, err);
}

static bool pem_is_crl(const struct pem_block *block)
{
    return strcmp(block->label, "X509 CRL") == 0;
}

int revocation_add_pem(struct revocation *r, struct span bytes, struct error *err)
{
    return pem_each(bytes, pem_is_crl, "CRL", r, add_one, err);
}

static int add_bytes(void *ctx, struct span bytes, struct error *err)
{
    return revocation_add_pem(ctx, bytes, err);
}

int revocation_add_path(struct revocation *r, const char *file_or_dir, struct error *err)
{
    return path_each(file_or_dir, r, add_bytes, err);
}

/* ---- asking ---- */

static bool names_share(struct rd a, struct rd b_all)
{
    struct rd one, other;
    uint8_t tag_a, tag_b;

    while (der_any(&a, &tag_a, &one)) {
        for (struct rd b = b_all; der_any(&b, &tag_b, &other);) {
            if (tag_a == tag_b && span_eq(span_of(one.p, one.n), span_of(other.p, other.n))) {
                return true;
            }
        }
    }
    return false;
}

/* Is the certificate among those that this list speaks of (section 6.3.3 b)? */
static bool in_scope(const struct crl *crl, const struct cert *c)
{
    struct rd points = rd_span(c->crl_points), point, choice, name;

    if ((crl->only_users && c->ca) || (crl->only_cas && !c->ca)) {
        return false;
    }
    if (crl->points.n == 0) {
        return true;
    }
    while (der_get(&points, DER_SEQUENCE, &point)) {
        if (der_get(&point, DER_CONSTRUCTED(0), &choice) &&
            der_get(&choice, DER_CONSTRUCTED(0), &name) &&
            names_share(rd_span(crl->points), name)) {
            return true;
        }
    }
    return false;
}

static bool lists(const struct crl *crl, struct span serial)
{
    size_t low = 0, high = crl->nrevoked;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int way = order(serial, serial_at(crl, crl->revoked[middle]));

        if (way == 0) {
            return true;
        }
        low = way > 0 ? middle + 1 : low;
        high = way < 0 ? middle : high;
    }
    return false;
}

/* Its own issuer's signature: found out once for each list. */
static bool is_signed(struct crl *crl, const struct cert *issuer, unsigned *signatures)
{
    uint8_t digest[HASH_MAX], *known = __atomic_load_n(&crl->signer, __ATOMIC_ACQUIRE), *mine;

    if (hash_once(HASH_SHA256, issuer->spki.p, issuer->spki.n, digest) < 0) {
        return false;
    }
    if (known) {
        return memcmp(known, digest, PIN_SIZE) == 0;
    }
    if (*signatures == 0 || crl->sig.weak) { /* threat 21 */
        return false;
    }
    --*signatures;
    if (chain_signed_by(&crl->sig, crl->tbs, issuer) != 1) {
        return false;
    }
    mine = mem_dup(digest, PIN_SIZE);
    if (mine && !__atomic_compare_exchange_n(&crl->signer, &known, mine, false, __ATOMIC_ACQ_REL,
                                             __ATOMIC_ACQUIRE)) {
        mem_free(mine); /* another thread was faster */
    }
    return true;
}

enum revoked crl_status(const struct revocation *r, const struct cert *c, const struct cert *issuer,
                        int64_t now, unsigned *signatures, int64_t *until)
{
    enum revoked found = STATUS_UNKNOWN;

    if (issuer->has_ku && !(issuer->ku & KU_CRL_SIGN)) { /* section 6.3.3 f */
        return STATUS_UNKNOWN;
    }
    for (struct crl *crl = r->first; crl; crl = crl->next) {
        bool listed;

        if (!span_eq(crl->issuer, c->issuer) || !in_scope(crl, c)) {
            continue;
        }
        listed = lists(crl, c->serial);
        /* An old list still tells what had been revoked by then, but not what has not. */
        if (crl->this_update > now || (!listed && (crl->partial || now > crl->next_update)) ||
            !is_signed(crl, issuer, signatures)) {
            continue;
        }
        if (listed) {
            return STATUS_REVOKED;
        }
        found = STATUS_GOOD;
        *until = crl->next_update < *until ? crl->next_update : *until;
    }
    return found;
}
