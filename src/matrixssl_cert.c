/* SPDX-License-Identifier: ISC */
/* The guide's API: a presented chain as its callbacks see it. */
#include "matrixssl.h"
#ifdef USE_CERT_PARSE

#include "base/mem.h"
#include "x509/der.h"

/* Everything a chain needs is allocated piece by piece and freed as one. */
struct cert_memory {
    struct cert_memory *next;
    max_align_t data[];
};

static void *take(struct cert_memory **memory, size_t n)
{
    struct cert_memory *m = mem_zalloc(sizeof *m + n);

    if (!m) {
        return NULL;
    }
    m->next = *memory;
    *memory = m;
    return m->data;
}

void matrixssl_certs_free(struct cert_memory *m)
{
    while (m) {
        struct cert_memory *next = m->next;

        mem_free(m);
        m = next;
    }
}

/* A copy with a NUL behind it. */
static unsigned char *copy(struct cert_memory **memory, struct span s)
{
    unsigned char *p = take(memory, s.n + 1);

    if (p && s.n) {
        memcpy(p, s.p, s.n);
    }
    return p;
}

static char **attribute(x509DNattributes_t *dn, struct span oid)
{
    if (oid.n != 3 || oid.p[0] != 0x55 || oid.p[1] != 0x04) { /* id-at, 2.5.4 */
        return NULL;
    }
    switch (oid.p[2]) {
    case 3:
        return &dn->commonName;
    case 6:
        return &dn->country;
    case 7:
        return &dn->locality;
    case 8:
        return &dn->state;
    case 10:
        return &dn->organization;
    case 11:
        return &dn->orgUnit;
    default:
        return NULL;
    }
}

/* The first of each attribute. A name with a NUL inside must not read as a shorter one (threat 32).
 */
static int fill_name(x509DNattributes_t *dn, struct span name, struct cert_memory **memory)
{
    struct rd r = rd_span(name), names, set, pair, value;
    struct span oid;
    uint8_t tag;

    if (!der_get(&r, DER_SEQUENCE, &names)) {
        return ERR_PARSE;
    }
    while (!rd_done(&names)) {
        if (!der_get(&names, DER_SET, &set)) {
            return ERR_PARSE;
        }
        while (!rd_done(&set)) {
            char **where;

            if (!der_get(&set, DER_SEQUENCE, &pair) || !der_oid(&pair, &oid) ||
                !der_any(&pair, &tag, &value)) {
                return ERR_PARSE;
            }
            where = attribute(dn, oid);
            if (!where || *where) {
                continue;
            }
            *where = (char *)copy(memory, span_of(value.p, value.n));
            if (!*where) {
                return ERR_MEM;
            }
            for (size_t i = 0; i < value.n; i++) {
                if ((*where)[i] == '\0') {
                    (*where)[i] = '?';
                }
            }
        }
    }
    return 0;
}

static int fill_san(x509GeneralName_t **list, struct span san, struct cert_memory **memory)
{
    struct rd r = rd_span(san), value;
    uint8_t tag;

    while (!rd_done(&r)) {
        x509GeneralName_t *g;
        const char *kind;

        if (!der_any(&r, &tag, &value)) {
            return ERR_PARSE;
        }
        g = take(memory, sizeof *g);
        if (!g) {
            return ERR_MEM;
        }
        g->id = tag & 0x1f;
        kind = g->id == 1   ? "email"
               : g->id == 2 ? "DNS"
               : g->id == 6 ? "URI"
               : g->id == 7 ? "IP"
                            : "other";
        memcpy(g->name, kind, strlen(kind) + 1);
        g->data = copy(memory, span_of(value.p, value.n));
        if (!g->data) {
            return ERR_MEM;
        }
        g->dataLen = (int32)value.n;
        *list = g;
        list = &g->next;
    }
    return 0;
}

static char *date(int64_t seconds, bool four_digits, struct cert_memory **memory)
{
    struct civil c = civil_from_seconds(seconds);
    char *text = take(memory, 32);

    if (text) {
        (void)snprintf(text, 32, "%0*u%02u%02u%02u%02u%02uZ", four_digits ? 4 : 2,
                       (unsigned)(four_digits ? c.year : c.year % 100) % 10000, c.month, c.day,
                       c.hour, c.minute, c.second);
    }
    return text;
}

/* One type serves both dates, so both are written alike: with four digits when one needs them. */
static int fill_dates(psX509Cert_t *out, const struct cert *c, struct cert_memory **memory)
{
    bool four_digits = civil_from_seconds(c->not_after).year >= 2050 ||
                       civil_from_seconds(c->not_before).year < 1950 ||
                       civil_from_seconds(c->not_before).year >= 2050;

    out->timeType = four_digits ? ASN_GENERALIZEDTIME : ASN_UTCTIME;
    out->notBefore = date(c->not_before, four_digits, memory);
    out->notAfter = date(c->not_after, four_digits, memory);
    return out->notBefore && out->notAfter ? 0 : ERR_MEM;
}

static int32 auth_status(int alert)
{
    return alert == 0                  ? PS_CERT_AUTH_PASS
           : alert == ALERT_UNKNOWN_CA ? PS_CERT_AUTH_FAIL_DN
                                       : PS_CERT_AUTH_FAIL;
}

static int fill(psX509Cert_t *out, const struct cert *c, int alert, struct cert_memory **memory)
{
    TRY(fill_name(&out->subject, c->subject, memory));
    TRY(fill_name(&out->issuer, c->issuer, memory));
    TRY(fill_san(&out->extensions.san, c->san, memory));
    TRY(fill_dates(out, c, memory));
    out->serialNumber = copy(memory, c->serial);
    out->unparsedBin = copy(memory, c->der);
    if (!out->serialNumber || !out->unparsedBin) {
        return ERR_MEM;
    }
    out->version = c->version;
    out->serialNumberLen = (int32)c->serial.n;
    out->binLen = (int32)c->der.n;
    out->authStatus = auth_status(alert);
    out->extensions.bc.cA = c->ca ? PS_TRUE : PS_FALSE;
    out->extensions.bc.pathLenConstraint = c->path_len;
    return 0;
}

psX509Cert_t *matrixssl_certs(const struct cert *chain, size_t n, int alert,
                              struct cert_memory **memory)
{
    psX509Cert_t *first = NULL, **next = &first;

    *memory = NULL;
    for (size_t i = 0; i < n; i++) {
        *next = take(memory, sizeof **next);
        if (!*next || fill(*next, &chain[i], alert, memory) < 0) {
            matrixssl_certs_free(*memory);
            *memory = NULL;
            return NULL;
        }
        next = &(*next)->next;
    }
    return first;
}
#endif
