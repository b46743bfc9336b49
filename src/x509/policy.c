/* SPDX-License-Identifier: ISC */
/* Certificate policies, as far as somebody needs them who asks for none: a CA on the path may
 * demand that every certificate below it is under a policy that all of them share
 * (requireExplicitPolicy). RFC 5280 section 6.1 builds a tree; with any policy welcome at its end
 * only whether the lowest level is empty counts, so one level at a time will do, as a set. */
#include "x509/parts.h"

#define POLICIES_MAX 64 /* more are as good as absent, which refuses and never allows */
#define ANY_POLICY   OID_SPAN("\x55\x1d\x20\x00")

struct policies {
    bool any; /* anyPolicy is among them */
    struct span oid[POLICIES_MAX];
    size_t n;
};

static bool has(const struct policies *s, struct span oid)
{
    for (size_t i = 0; i < s->n; i++) {
        if (span_eq(s->oid[i], oid)) {
            return true;
        }
    }
    return false;
}

static void add(struct policies *s, struct span oid)
{
    if (s->n < POLICIES_MAX && !has(s, oid)) {
        s->oid[s->n++] = oid;
    }
}

static void drop(struct policies *s, struct span oid)
{
    for (size_t i = 0; i < s->n; i++) {
        if (span_eq(s->oid[i], oid)) {
            s->oid[i] = s->oid[--s->n];
            return;
        }
    }
}

static bool is_empty(const struct policies *s)
{
    return !s->any && s->n == 0;
}

/* Section 6.1.3 d and e: what is left of the policies above a certificate. */
static void keep(struct policies *s, const struct cert *c, bool may_be_any)
{
    struct policies out = { .any = false };
    struct rd list = rd_span(c->policies), one;
    struct span oid;

    while (c->has_policies && der_get(&list, DER_SEQUENCE, &one) && der_oid(&one, &oid)) {
        if (span_eq(oid, ANY_POLICY)) {
            out.any = may_be_any;
        } else if (s->any || has(s, oid)) {
            add(&out, oid);
        }
    }
    if (out.any) {
        for (size_t i = 0; i < s->n; i++) {
            add(&out, s->oid[i]);
        }
        out.any = s->any;
    }
    *s = out;
}

/* Section 6.1.4 a and b: what the policies are called below it. False: anyPolicy is mapped. */
static bool map(struct policies *s, const struct cert *c, bool allowed)
{
    const struct policies before = *s;
    struct rd list = rd_span(c->policy_mappings), one;
    struct span from, to;

    while (der_get(&list, DER_SEQUENCE, &one) && der_oid(&one, &from) && der_oid(&one, &to)) {
        if (span_eq(from, ANY_POLICY) || span_eq(to, ANY_POLICY)) {
            return false;
        }
        drop(s, from);
    }
    list = rd_span(c->policy_mappings);
    while (allowed && der_get(&list, DER_SEQUENCE, &one) && der_oid(&one, &from) &&
           der_oid(&one, &to)) {
        if (before.any || has(&before, from)) {
            add(s, to);
        }
    }
    return true;
}

static void lower(int *counter, int to)
{
    if (to >= 0 && to < *counter) {
        *counter = to;
    }
}

bool policy_allows(const struct cert *const *path, size_t n, const struct cert **who)
{
    const int never = (int)n + 1;
    int explicit_policy = never, mapping = never, any = never;
    struct policies s = { .any = true };

    for (size_t i = n; i-- > 0;) { /* from the one below the anchor to the leaf */
        const struct cert *c = path[i];

        *who = c;
        keep(&s, c, any > 0 || (i > 0 && c->self_issued));
        if (explicit_policy == 0 && is_empty(&s)) {
            return false;
        }
        if (i == 0) {
            break;
        }
        if (!map(&s, c, mapping > 0)) {
            return false;
        }
        if (!c->self_issued) {
            explicit_policy -= explicit_policy > 0;
            mapping -= mapping > 0;
            any -= any > 0;
        }
        lower(&explicit_policy, c->explicit_policy);
        lower(&mapping, c->inhibit_mapping);
        lower(&any, c->inhibit_any);
    }
    /* Section 6.1.5 a, b and g. */
    explicit_policy -= explicit_policy > 0;
    if (n > 0) {
        lower(&explicit_policy, path[0]->explicit_policy == 0 ? 0 : -1);
    }
    return explicit_policy > 0 || !is_empty(&s);
}
