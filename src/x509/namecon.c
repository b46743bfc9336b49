/* SPDX-License-Identifier: ISC */
/* Name constraints (RFC 5280 section 4.2.1.10) for DNS names, addresses, e-mail addresses and
 * directory names. A name of any other kind (URI, ...) that meets a constraint of its kind is
 * refused, whatever the constraint says. In doubt an excluded subtree covers a name and a permitted
 * one does not. */
#include "x509/parts.h"

bool general_name_is_known(uint8_t tag)
{
    switch (tag) {
    case DER_CONSTRUCTED(0): /* otherName */
    case DER_CONTEXT(1):     /* rfc822Name */
    case DER_CONTEXT(2):     /* dNSName */
    case DER_CONSTRUCTED(3): /* x400Address */
    case DER_CONSTRUCTED(4): /* directoryName */
    case DER_CONSTRUCTED(5): /* ediPartyName */
    case DER_CONTEXT(6):     /* uniformResourceIdentifier */
    case DER_CONTEXT(7):     /* iPAddress */
    case DER_CONTEXT(8):     /* registeredID */
        return true;
    default:
        return false;
    }
}

/* An address and a mask of ones, then zeros. */
static bool ip_base_is_wellformed(struct span base)
{
    bool zero_seen = false;

    if (base.n != 8 && base.n != 32) {
        return false;
    }
    for (size_t i = 4 * base.n; i < 8 * base.n; i++) {
        bool one = base.p[i / 8] & 0x80 >> i % 8;

        if (one && zero_seen) {
            return false;
        }
        zero_seen = !one;
    }
    return true;
}

/* ".a.b" means what is below a.b: the dot goes off. */
static bool take_leading_dot(struct span *base)
{
    return base->n > 0 && base->p[0] == '.' && dns_take_label(base);
}

static bool base_is_wellformed(uint8_t tag, struct span base)
{
    if (tag == DER_CONTEXT(2)) {
        (void)take_leading_dot(&base);
        return base.n == 0 || dns_is_wellformed(base);
    }
    if (tag == DER_CONTEXT(7)) {
        return ip_base_is_wellformed(base);
    }
    return tag != DER_CONSTRUCTED(4) || name_is_wellformed(base);
}

/* The base of the next subtree; a minimum or maximum distance may not be there (RFC 5280). */
static bool next_base(struct rd *subtrees, uint8_t *tag, struct span *base)
{
    struct rd tree, in;

    if (!der_get(subtrees, DER_SEQUENCE, &tree) || !der_any(&tree, tag, &in) || !rd_done(&tree)) {
        return false;
    }
    *base = span_of(in.p, in.n);
    return general_name_is_known(*tag);
}

static bool split(struct span constraints, struct rd *permitted, struct rd *excluded)
{
    struct rd r = rd_span(constraints);
    bool has_permitted, has_excluded;

    *permitted = *excluded = rd_of(NULL, 0);
    return der_optional(&r, DER_CONSTRUCTED(0), &has_permitted, permitted) &&
           der_optional(&r, DER_CONSTRUCTED(1), &has_excluded, excluded) && rd_done(&r) &&
           (has_permitted || has_excluded) && has_permitted == !rd_done(permitted) &&
           has_excluded == !rd_done(excluded);
}

const char *namecon_check(struct span constraints)
{
    struct rd lists[2];
    struct span base;
    uint8_t tag;

    if (!split(constraints, &lists[0], &lists[1])) {
        return "its name constraints are malformed";
    }
    for (size_t i = 0; i < 2; i++) {
        while (!rd_done(&lists[i])) {
            if (!next_base(&lists[i], &tag, &base) || !base_is_wellformed(tag, base)) {
                return "its name constraints are malformed";
            }
        }
    }
    return NULL;
}

/* ---- does a name lie in a subtree? ---- */

enum answer { NO, YES, UNSURE };

static enum answer dns_within(struct span base, struct span name)
{
    bool below_only = take_leading_dot(&base), wildcard = dns_take_wildcard(&name);
    struct span tail = name, parent = base;

    if (base.n == 0) {
        return YES;
    }
    if (!dns_is_wellformed(name)) {
        return UNSURE;
    }
    if (ascii_equal_nocase(name, base)) {
        return below_only && !wildcard ? UNSURE : YES;
    }
    while (dns_take_label(&tail)) {
        if (ascii_equal_nocase(tail, base)) {
            return YES;
        }
    }
    /* "*.a.b" speaks, among others, for the base "x.a.b". */
    return wildcard && dns_take_label(&parent) && ascii_equal_nocase(parent, name) ? UNSURE : NO;
}

static enum answer ip_within(struct span base, struct span name)
{
    if (name.n != 4 && name.n != 16) {
        return UNSURE;
    }
    if (base.n != 2 * name.n) {
        return NO;
    }
    for (size_t i = 0; i < name.n; i++) {
        if ((base.p[i] ^ name.p[i]) & base.p[name.n + i]) {
            return NO;
        }
    }
    return YES;
}

/* What stands before and behind the last '@'; false: there is none. */
static bool split_mailbox(struct span mailbox, struct span *local, struct span *host)
{
    for (size_t i = mailbox.n; i-- > 0;) {
        if (mailbox.p[i] == '@') {
            struct rd r = rd_span(mailbox);

            return rd_bytes(&r, i, local) && rd_bytes(&r, 1, host) && rd_bytes(&r, r.n, host);
        }
    }
    return false;
}

/* The base is a mailbox, a host with all its mailboxes, or ".domain": all hosts below it. */
static enum answer email_within(struct span base, struct span name)
{
    struct span local, host, base_local;

    if (!split_mailbox(name, &local, &host) || local.n == 0 || memchr(local.p, '"', local.n) ||
        !dns_is_wellformed(host)) {
        return UNSURE;
    }
    if (split_mailbox(base, &base_local, &base)) {
        if (!ascii_equal_nocase(host, base) || !ascii_equal_nocase(local, base_local)) {
            return NO;
        }
        return span_eq(local, base_local) ? YES : UNSURE; /* may be one to their host, or two */
    }
    if (base.n == 0) {
        return UNSURE; /* none of the three */
    }
    if (!take_leading_dot(&base)) {
        return ascii_equal_nocase(host, base) ? YES : NO;
    }
    while (dns_take_label(&host)) {
        if (ascii_equal_nocase(host, base)) {
            return YES;
        }
    }
    return NO;
}

static bool is_ascii_text(uint8_t tag, struct span value)
{
    if (tag != DER_UTF8_STRING && tag != DER_PRINTABLE_STRING && tag != DER_IA5_STRING &&
        tag != DER_T61_STRING) {
        return false;
    }
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

struct folded {
    struct rd text;
    bool started;
};

/* Lower case, runs of spaces as one and none at either end (RFC 4518 2.6.1); -1 at the end. */
static int next_folded(struct folded *f)
{
    bool spaces = false;
    uint8_t c;

    while (!rd_done(&f->text) && f->text.p[0] == ' ' && rd_u8(&f->text, &c)) {
        spaces = true;
    }
    if (spaces && f->started && !rd_done(&f->text)) {
        return ' ';
    }
    f->started = true;
    if (!rd_u8(&f->text, &c)) {
        return -1;
    }
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static enum answer attribute_equal(struct rd *a, struct rd *b)
{
    struct span oid_a, oid_b, value_a, value_b;
    struct folded text_a = { .started = false }, text_b = { .started = false };
    uint8_t tag_a, tag_b;
    int c;

    if (!name_next_attribute(a, &oid_a, &tag_a, &value_a) ||
        !name_next_attribute(b, &oid_b, &tag_b, &value_b) || !span_eq(oid_a, oid_b)) {
        return NO;
    }
    if (!is_ascii_text(tag_a, value_a) || !is_ascii_text(tag_b, value_b)) {
        return UNSURE; /* another alphabet: equal text may have unequal bytes */
    }
    text_a.text = rd_span(value_a);
    text_b.text = rd_span(value_b);
    do {
        c = next_folded(&text_a);
        if (c != next_folded(&text_b)) {
            return NO;
        }
    } while (c >= 0);
    return YES;
}

static enum answer rdn_equal(struct rd a, struct rd b)
{
    enum answer first;

    if (span_eq(span_of(a.p, a.n), span_of(b.p, b.n))) {
        return YES;
    }
    first = attribute_equal(&a, &b);
    /* Several attributes in one part are a set: their order may differ. */
    return rd_done(&a) && rd_done(&b) ? first : UNSURE;
}

/* A directory name lies below another that it begins with. */
static enum answer directory_within(struct span base, struct span name)
{
    struct rd b = rd_span(base), n = rd_span(name), base_rdns, rdns, base_rdn, rdn;
    enum answer all = YES;

    if (!der_get(&b, DER_SEQUENCE, &base_rdns) || !der_get(&n, DER_SEQUENCE, &rdns)) {
        return UNSURE;
    }
    while (!rd_done(&base_rdns)) {
        enum answer one;

        if (rd_done(&rdns)) {
            return NO;
        }
        if (!name_next_rdn(&base_rdns, &base_rdn) || !name_next_rdn(&rdns, &rdn)) {
            return UNSURE;
        }
        one = rdn_equal(base_rdn, rdn);
        if (one == NO) {
            return NO;
        }
        all = one == UNSURE ? UNSURE : all;
    }
    return all;
}

/* ---- a certificate's names against all subtrees ---- */

struct check {
    struct rd permitted, excluded;
    unsigned *budget;
};

typedef enum answer within_fn(struct span base, struct span name);

static within_fn *within_of(uint8_t tag)
{
    switch (tag) {
    case DER_CONTEXT(1):
        return email_within;
    case DER_CONTEXT(2):
        return dns_within;
    case DER_CONTEXT(7):
        return ip_within;
    case DER_CONSTRUCTED(4):
        return directory_within;
    default:
        return NULL;
    }
}

/* Comparing long names is more work than comparing short ones. False: there was too much of it. */
static bool charge(const struct check *k, struct span base, struct span name)
{
    size_t cost = 1 + (base.n + name.n) / 64;
    bool enough = *k->budget >= cost;

    *k->budget = enough ? *k->budget - (unsigned)cost : 0;
    return enough;
}

/* 1: allowed, 0: not, ERR_LIMIT */
static int allows(const struct check *k, uint8_t tag, struct span name)
{
    within_fn *within = within_of(tag);
    struct rd permitted = k->permitted, excluded = k->excluded;
    bool constrained = false, inside = false;
    struct span base;
    uint8_t kind;

    while (next_base(&permitted, &kind, &base)) {
        if (!charge(k, base, name)) {
            return ERR_LIMIT;
        }
        if (kind == tag) {
            constrained = true;
            inside = inside || (within && within(base, name) == YES);
        }
    }
    while (next_base(&excluded, &kind, &base)) {
        if (!charge(k, base, name)) {
            return ERR_LIMIT;
        }
        if (kind == tag && (!within || within(base, name) != NO)) {
            return 0;
        }
    }
    return !constrained || inside;
}

/* The subject is a directory name, and an e-mail address in it is an e-mail address (RFC 5280). */
static int allows_subject(const struct check *k, struct span subject)
{
    static const struct span email = OID_SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01");
    struct rd r = rd_span(subject), rdns, rdn;
    struct span oid, value;
    uint8_t tag;
    int rc;

    if (!der_get(&r, DER_SEQUENCE, &rdns)) {
        return 0;
    }
    rc = rd_done(&rdns) ? 1 : allows(k, DER_CONSTRUCTED(4), subject);
    while (rc == 1 && name_next_rdn(&rdns, &rdn)) {
        while (rc == 1 && name_next_attribute(&rdn, &oid, &tag, &value)) {
            rc = span_eq(oid, email) ? allows(k, DER_CONTEXT(1), value) : 1;
        }
    }
    return rc;
}

int namecon_allows(struct span constraints, const struct cert *c, unsigned *budget)
{
    struct check k = { .budget = budget };
    struct rd names = rd_span(c->san), name;
    uint8_t tag;
    int rc;

    if (!split(constraints, &k.permitted, &k.excluded)) {
        return 0;
    }
    rc = allows_subject(&k, c->subject);
    while (rc == 1 && der_any(&names, &tag, &name)) {
        rc = allows(&k, tag, span_of(name.p, name.n));
    }
    return rc;
}
