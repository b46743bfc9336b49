/* SPDX-License-Identifier: ISC */
/* chain_verify() beside libcrypto's X509_verify_cert(): the chains of chains.h with their fields
 * changed at random, and with the DER of their certificates changed at random and signed again.
 * What libcrypto takes at its strictest must be good here, and what it refuses even by default must
 * be refused here; every other outcome needs a row among the reasons.
 *
 * DIFFERENTIAL=n: so many chains; DIFFERENTIAL_SEED=s: others than always; DIFFERENTIAL_ONLY=i: one
 * of them, and all that is known about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "trial.h"
#include "x509/parts.h"

/* ---- reasons to take what libcrypto refuses; o: what it says of our path alone ---- */

static X509 *on_path(const struct trial *t, size_t i)
{
    return their_cert(t->result.path[i]->der);
}

static bool is_missing_issuer(struct opinion o)
{
    return o.error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           o.error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           o.error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           o.error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

static bool they_stop_at_one_way(const struct trial *t, struct opinion o)
{
    (void)t;
    return o.error == X509_V_OK;
}

/* Above certificate i of our path, which may be its own issuer. */
static int issued(const struct trial *t, size_t i, size_t by)
{
    X509 *c = on_path(t, i), *issuer = on_path(t, by);
    int rc = c && issuer ? X509_check_issued(issuer, c) : X509_V_ERR_UNSPECIFIED;

    X509_free(c);
    X509_free(issuer);
    return rc;
}

static bool identifiers_differ(const struct trial *t, struct opinion o)
{
    for (size_t i = 0; is_missing_issuer(o) && i + 1 < t->result.depth; i++) {
        int rc = issued(t, i, i + 1);

        if (rc == X509_V_ERR_AKID_SKID_MISMATCH || rc == X509_V_ERR_AKID_ISSUER_SERIAL_MISMATCH) {
            return true;
        }
    }
    return false;
}

static bool anchor_is_not_its_own_issuer(const struct trial *t, struct opinion o)
{
    size_t top = t->result.depth - 1;

    return is_missing_issuer(o) && issued(t, top, top) != X509_V_OK;
}

static bool two_of_one_name(const struct trial *t, struct opinion o)
{
    bool found = false;

    for (size_t i = 1; i < t->result.depth; i++) {
        for (size_t j = 0; j < i; j++) {
            found =
                found || ascii_equal_nocase(t->result.path[i]->subject, t->result.path[j]->subject);
        }
    }
    return found && (o.error == X509_V_ERR_CERT_SIGNATURE_FAILURE ||
                     o.error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
                     o.error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
}

static bool any_purpose(const struct trial *t, struct opinion o)
{
    bool found = false;

    for (size_t i = 0; i < t->result.depth; i++) {
        found = found || t->result.path[i]->eku & EKU_ANY;
    }
    return o.error == X509_V_ERR_INVALID_PURPOSE && found;
}

static bool anchor_of_version_2(const struct trial *t, struct opinion o)
{
    return o.error == X509_V_ERR_INVALID_CA && t->result.path[t->result.depth - 1]->version < 3;
}

static bool last_second(const struct trial *t, struct opinion o)
{
    bool found = false;

    for (size_t i = 0; i < t->result.depth; i++) {
        found = found || t->result.path[i]->not_after == t->q.now;
    }
    return o.error == X509_V_ERR_CERT_HAS_EXPIRED && found;
}

static bool leaf_maps_policies(const struct trial *t, struct opinion o)
{
    return (o.error == X509_V_ERR_INVALID_POLICY_EXTENSION ||
            o.error == X509_V_ERR_NO_EXPLICIT_POLICY) &&
           t->result.path[0]->policy_mappings.n;
}

static bool policy_twice(const struct trial *t, struct opinion o)
{
    bool found = false;

    for (size_t i = 0; i < t->result.depth && !found; i++) {
        struct rd list = rd_span(t->result.path[i]->policies), one, other;
        struct span a, b;

        while (der_get(&list, DER_SEQUENCE, &one) && der_oid(&one, &a)) {
            for (struct rd l = list; der_get(&l, DER_SEQUENCE, &other) && der_oid(&other, &b);) {
                found = found || span_eq(a, b);
            }
        }
    }
    return found && o.error == X509_V_ERR_INVALID_POLICY_EXTENSION;
}

/* An extension with names of which they cannot read the text. */
static bool is_unread(X509 *x, int nid)
{
    int critical = -1;
    void *value = x ? X509_get_ext_d2i(x, nid, &critical, NULL) : NULL;
    bool unread = !value && critical >= 0;

    if (nid == NID_subject_alt_name) {
        GENERAL_NAMES_free(value);
    } else {
        NAME_CONSTRAINTS_free(value);
    }
    return unread;
}

static bool odd_text(const struct trial *t, struct opinion o)
{
    bool found = false;

    for (size_t i = 0; i < t->result.depth && is_missing_issuer(o); i++) {
        X509 *x = on_path(t, i);

        found = found || is_unread(x, NID_subject_alt_name) || is_unread(x, NID_name_constraints);
        X509_free(x);
    }
    return found || (o.error == THEY_CANNOT_PARSE && their_complaint_is_about_a_name);
}

static bool leaf_has_no_key(const struct trial *t, struct opinion o)
{
    struct pubkey *key = NULL;
    int rc = cert_pubkey(t->result.path[0], &key);

    pubkey_unref(key);
    return o.error == X509_V_ERR_EE_KEY_TOO_SMALL && rc < 0;
}

static const struct taken {
    const char *why;
    bool (*is)(const struct trial *t, struct opinion o);
} taken[] = {
    { "they follow one way and do not turn back", they_stop_at_one_way },
    { "the key identifiers are a hint (RFC 5280 section 4.2.1.1), they take them for binding",
      identifiers_differ },
    { "nobody looks at how an anchor was signed (section 6.1.1 d), they look for who did it",
      anchor_is_not_its_own_issuer },
    { "of two with one name they take the first, when identifiers do not tell", two_of_one_name },
    { "anyExtendedKeyUsage is any (section 4.2.1.12), they want the purpose itself", any_purpose },
    { "an anchor before version 3 cannot say that it is a CA (section 6.1.4 k)",
      anchor_of_version_2 },
    { "notAfter is counted in (section 4.1.2.5)", last_second },
    { "mappings are for certificates below (section 6.1.4), and there is none below the leaf",
      leaf_maps_policies },
    { "a policy that is named twice is one policy", policy_twice },
    { "text in names is compared as bytes and shown with care, whatever kind it is", odd_text },
    { "the leaf's key is looked at when it proves possession", leaf_has_no_key },
};

/* ---- reasons to refuse what libcrypto takes ---- */

/* Lengths in no more bytes than they need, TRUE is ff, SEQUENCE and SET are constructed. */
static bool is_der(struct span s)
{
    const uint8_t *p = s.p, *end = s.p + s.n;

    while (end - p >= 2) {
        uint8_t tag = p[0];
        size_t n = p[1], width = 0;

        p += 2;
        if (n & 0x80) {
            width = n & 0x7f;
            if (width > (size_t)(end - p) || width > 4) {
                return true; /* no element at all */
            }
            n = 0;
            for (size_t i = 0; i < width; i++) {
                n = n << 8 | *p++;
            }
        }
        if (n > (size_t)(end - p)) {
            return true;
        }
        if ((width && n < 0x80) || (width > 1 && n >> (8 * (width - 1)) == 0) ||
            (tag == DER_BOOLEAN && n == 1 && *p != 0 && *p != 0xff) || tag == 0x10 || tag == 0x11 ||
            ((tag & 0x20 || tag == DER_OCTET_STRING) && !is_der(span_of(p, n)))) {
            return false;
        }
        p += n;
    }
    return true;
}

/* Does fn hold for one of the certificates? */
static bool any_cert(const struct trial *t, bool (*fn)(X509 *x))
{
    for (size_t i = 0; i < t->n; i++) {
        X509 *x = their_cert(t->der[i]);
        bool yes = x && fn(x);

        X509_free(x);
        if (yes) {
            return true;
        }
    }
    return false;
}

static bool not_der(struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!is_der(t->der[i])) {
            return true;
        }
    }
    return false;
}

static bool has_tail(X509 *x)
{
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        const ASN1_OCTET_STRING *s = X509_EXTENSION_get_data(X509_get_ext(x, i));
        struct rd r = rd_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)), in;
        uint8_t tag;

        if (der_any(&r, &tag, &in) && !rd_done(&r)) {
            return true;
        }
    }
    return false;
}

static bool extension_with_a_tail(struct trial *t)
{
    return any_cert(t, has_tail);
}

static bool has_odd_version(X509 *x)
{
    return X509_get_version(x) < 0 || X509_get_version(x) > 2;
}

static bool odd_version(struct trial *t)
{
    return any_cert(t, has_odd_version);
}

static bool malformed_and_not_needed(struct trial *t)
{
    if (!t->unreadable) {
        return false;
    }
    trial_ask_us(t, true);
    return t->ours == CHAIN_OK;
}

static bool name_in_another_case(struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        for (size_t j = 0; j < t->n; j++) {
            X509 *a = their_cert(t->der[i]), *b = their_cert(t->der[j]);
            const X509_NAME *issuer = a ? X509_get_issuer_name(a) : NULL;
            const X509_NAME *subject = b ? X509_get_subject_name(b) : NULL;
            const uint8_t *p = NULL, *q = NULL;
            size_t n = 0, m = 0;
            bool yes = issuer && subject && X509_NAME_cmp(issuer, subject) == 0 &&
                       X509_NAME_get0_der(issuer, &p, &n) && X509_NAME_get0_der(subject, &q, &m) &&
                       !span_eq(span_of(p, n), span_of(q, m));

            X509_free(a);
            X509_free(b);
            if (yes) {
                return true;
            }
        }
    }
    return false;
}

static bool leaf_for_the_other_key_exchange(struct trial *t)
{
    const struct cert *c = &t->certs[0];
    unsigned need = t->q.enciphers ? KU_KEY_ENCIPHERMENT : KU_DIGITAL_SIGNATURE;

    return t->ours == CHAIN_BAD_USAGE && c->has_ku && !(c->ku & need);
}

/* Is that what we find wrong with one of the certificates? */
static bool complained(const struct trial *t, const char *words, int where)
{
    for (size_t i = 0; i < t->n; i++) {
        struct error err;
        struct cert c;

        error_clear(&err);
        if (t->k.certs[i].at & where && cert_parse(&c, t->der[i], &err) < 0 &&
            strstr(err.text, words)) {
            return true;
        }
    }
    return false;
}

/* They stop looking when no policy is left, or when a certificate has none. */
static bool malformed_policies(struct trial *t)
{
    bool found = complained(t, "polic", BOTH) || complained(t, "Policy", BOTH);

    for (size_t i = 0; i < t->nsent && !t->unreadable; i++) {
        found = found || (t->certs[i].policy_mappings.n && !t->certs[i].has_policies);
    }
    return found;
}

static bool leaf_with_mappings(struct trial *t)
{
    return t->ours == CHAIN_POLICY && t->certs[0].policy_mappings.n;
}

static bool leaf_of_version_1(struct trial *t)
{
    return t->ours == CHAIN_BAD_USAGE && t->certs[0].version < 3;
}

static bool extension_twice(struct trial *t)
{
    return complained(t, "same extension twice", BOTH);
}

static bool malformed_name(struct trial *t)
{
    return complained(t, "name is malformed", BOTH);
}

/* Several attributes in one part, text that may stand for other text, half an e-mail address. */
static bool is_doubtful(const struct cert *c)
{
    struct rd name = rd_span(c->subject), rdns, rdn, names = rd_span(c->san), one;
    struct span oid, value;
    uint8_t tag;

    if (!der_get(&name, DER_SEQUENCE, &rdns)) {
        return true;
    }
    while (name_next_rdn(&rdns, &rdn)) {
        if (!name_next_attribute(&rdn, &oid, &tag, &value) || !rd_done(&rdn) ||
            (tag != DER_UTF8_STRING && tag != DER_IA5_STRING)) {
            return true;
        }
    }
    while (der_any(&names, &tag, &one)) {
        bool is_email = tag == DER_CONTEXT(1);

        for (size_t i = 0; i < one.n && tag != DER_CONTEXT(7) && tag != DER_CONSTRUCTED(4); i++) {
            if (!memchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.@",
                        one.p[i], 66)) {
                return true;
            }
        }
        if (is_email && (one.n < 3 || !memchr(one.p + 1, '@', one.n - 2))) {
            return true;
        }
    }
    return false;
}

static bool name_in_doubt(struct trial *t)
{
    bool found = false;

    for (size_t i = 0; i < t->nsent && !t->unreadable; i++) {
        const struct span nc = t->certs[i].name_constraints;

        found =
            found || is_doubtful(&t->certs[i]) || (nc.n && memmem(nc.p, nc.n, "\x30\x02\x81", 4));
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct forge *f = &t->k.certs[i];

        found = found || (f->permitted && strchr(f->permitted, '&')) ||
                (f->excluded && strchr(f->excluded, '&'));
    }
    return found && t->ours == CHAIN_NAME_CONSTRAINTS;
}

static bool malformed_key_usage(struct trial *t)
{
    return complained(t, ": its key usage", BOTH);
}

static bool malformed_key(struct trial *t)
{
    return complained(t, "public key", BOTH);
}

static bool anchor_at_odds_with_itself(struct trial *t)
{
    return complained(t, "signature algorithms differ", TRUSTED) ||
           complained(t, "only version 3", TRUSTED);
}

static bool malformed_constraints(struct trial *t)
{
    return complained(t, "name constraints are malformed", BOTH);
}

static bool malformed_tls_feature(struct trial *t)
{
    return complained(t, "TLS features", BOTH);
}

static const struct refused {
    const char *why;
    bool (*is)(struct trial *t);
} refused[] = {
    { "it is BER: X.509 is DER (section 4.1)", not_der },
    { "something stands behind an extension's value, where they do not look",
      extension_with_a_tail },
    { "a version that is not there", odd_version },
    { "name constraints are read when the certificate is, they do it when a name meets them",
      malformed_constraints },
    { "key usage has nine bits, and no bit behind its last one (X.690 section 11.2)",
      malformed_key_usage },
    { "parameters of an RSA key are NULL (RFC 3279 section 2.3.1)", malformed_key },
    { "an anchor is well-formed or none", anchor_at_odds_with_itself },
    { "the TLS features are read, they do not know them", malformed_tls_feature },
    { "a certificate that is malformed is refused even if another way is there",
      malformed_and_not_needed },
    { "names are compared byte for byte: a CA writes its own in one way (section 4.1.2.6)",
      name_in_another_case },
    { "policies are read in every certificate, and anyPolicy is not to be mapped (section 6.1.4 a)",
      malformed_policies },
    { "the leaf's mappings are nobody's policies, they count them in", leaf_with_mappings },
    { "TLS has certificates of version 3 (RFC 8446 section 4.4.2.2)", leaf_of_version_1 },
    { "an empty part of a name is none (X.501: SIZE (1..MAX))", malformed_name },
    { "no extension is there twice (section 4.2), they see it in those that they read",
      extension_twice },
    { "in doubt a name is within an excluded subtree and without a permitted one", name_in_doubt },
    { "a key that may not do what the key exchange asks of it (RFC 8446 section 4.4.2.2)",
      leaf_for_the_other_key_exchange },
};
#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
static size_t times_taken[COUNT(taken)], times_refused[COUNT(refused)];

static bool is_explained(struct trial *t, struct opinion *o)
{
    if (t->ours != CHAIN_OK) {
        for (size_t i = 0; i < COUNT(refused); i++) {
            if (refused[i].is(t)) {
                times_refused[i]++;
                return true;
            }
        }
        return false;
    }
    their_complaint_is_about_a_name = false;
    *o = trial_second_opinion(t);
    for (size_t i = 0; i < COUNT(taken); i++) {
        if (taken[i].is(t, *o)) {
            times_taken[i]++;
            return true;
        }
    }
    return false;
}

/* ---- the test ---- */

static size_t number_of(const char *name, size_t otherwise)
{
    const char *text = getenv(name);

    return text ? (size_t)strtoull(text, NULL, 0) : otherwise;
}

static void show(const struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct buf pem = { 0 };

        assert_int_equal(pem_write(&pem, "CERTIFICATE", t->der[i]), 0);
        print_message("%zu: place %d\n%.*s", i, t->k.certs[i].at, (int)buf_len(&pem),
                      (const char *)buf_data(&pem));
        buf_free(&pem);
    }
    print_message("host %s, %s, strict %d, lenient %d, at depth %d\n", case_host(&t->k),
                  t->k.partial ? "partial" : "to a root", t->strict.error, t->lenient.error,
                  t->lenient.depth);
}

static const char *their_word(struct opinion o)
{
    return o.error == THEY_CANNOT_PARSE ? "does not parse" : X509_verify_cert_error_string(o.error);
}

static void differential(void **state)
{
    size_t trials = number_of("DIFFERENTIAL", 5000), seed = number_of("DIFFERENTIAL_SEED", 5280);
    size_t only = number_of("DIFFERENTIAL_ONLY", SIZE_MAX), good = 0, between = 0, wrong = 0;

    (void)state;
    for (size_t i = only == SIZE_MAX ? 0 : only; i < trials || i == only; i++) {
        struct trial t;
        bool we, strict, lenient;
        struct opinion o;

        trial_make(&t, seed, i);
        trial_judge(&t);
        we = t.ours == CHAIN_OK;
        strict = t.strict.error == X509_V_OK;
        lenient = t.lenient.error == X509_V_OK;
        good += we;
        between += strict != lenient;
        o = t.lenient;
        if (we != strict && we != lenient && !is_explained(&t, &o)) {
            wrong++;
            print_error("%zu | %s | %s (%s) | %s\n", i, we ? "we take" : "we refuse",
                        chain_verdict_name(t.ours), t.err.text, their_word(o));
            print_error("      %s\n", t.story);
        }
        if (only != SIZE_MAX) {
            show(&t);
            trial_free(&t);
            break;
        }
        trial_free(&t);
    }
    print_message("%zu chains, %zu good, %zu of two opinions, %zu unexplained\n", trials, good,
                  between, wrong);
    for (size_t i = 0; i < COUNT(taken); i++) {
        print_message("  %5zu taken: %s\n", times_taken[i], taken[i].why);
    }
    for (size_t i = 0; i < COUNT(refused); i++) {
        print_message("  %5zu refused: %s\n", times_refused[i], refused[i].why);
    }
    assert_int_equal(wrong, 0);
}

/* libcrypto 3.0 forgets the policy constraints of a certificate that has no policies. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libcrypto.so";
}

static int done(void **state)
{
    (void)state;
    forge_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differential),
    };

    return cmocka_run_group_tests_name("differential", tests, NULL, done);
}
