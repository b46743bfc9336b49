/* SPDX-License-Identifier: ISC */
/* CRLs and OCSP responses beside libcrypto: forged ones, their DER changed at random and signed
 * again. What we call good libcrypto calls good, and the other way round, or there is a reason.
 *
 * DIFFERENTIAL=n: so many of each; DIFFERENTIAL_SEED=s: others than always. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chain_case.h"
#include "forge_status.h"
#include "libcrypto.h"
#include "mutate.h"
#include "x509/parts.h"

static const struct forge leaf = LEAF("i", 2, .crl_point = "http://a/"),
                          mid = MID("i", "root", 2, 0), root = ROOT(),
                          responder = LEAF("i", 2, .subject = "responder", .key = 5,
                                           .eku = EKU_OCSP, .names = NULL);
static const struct forge unfit = LEAF("i", 2, .subject = "responder", .key = 5, .names = NULL);
static struct cert certs[3];
static struct trust *anchors;
static struct their_world them;
static char story[160];
static size_t changes_left;

static int set_up(void **state)
{
    struct span ders[3];

    (void)state;
    certs[0] = forge_cert(&leaf);
    certs[1] = forge_cert(&mid);
    certs[2] = forge_cert(&root);
    for (size_t i = 0; i < 3; i++) {
        ders[i] = certs[i].der;
    }
    anchors = trust_new();
    them = their_world(ders, 2, ders + 2, 1);
    return !anchors || trust_add_pem(anchors, ders[2], NULL) != 1 || them.bad;
}

static int tear_down(void **state)
{
    (void)state;
    their_world_free(&them);
    trust_unref(anchors);
    for (size_t i = 0; i < 3; i++) {
        free((void *)(uintptr_t)certs[i].der.p);
    }
    forge_done();
    return 0;
}

static void change(struct wr *w, size_t mark)
{
    for (; changes_left; changes_left--) {
        size_t n = strlen(story);

        mutate(w, mark, story + n, sizeof story - n);
    }
}

static size_t number_of(const char *name, size_t otherwise)
{
    const char *text = getenv(name);

    return text ? (size_t)strtoull(text, NULL, 0) : otherwise;
}

/* ---- CRLs ---- */

static const struct forge_crl crl_rows[] = {
    { .issuer = "i", .by = 2 },
    { .issuer = "i", .by = 2, .serials = { 0x1001, 5 } },
    { .issuer = "i", .by = 2, .serials = { 7, 0x1000, 0x1002 } },
    { .issuer = "i", .by = 2, .point = "http://a/" },
    { .issuer = "i", .by = 2, .point = "http://b/" },
    { .issuer = "i", .by = 2, .only = 1 },
    { .issuer = "i", .by = 2, .only = 2 },
    { .issuer = "i", .by = 2, .to = NOW + 1 },
    { .issuer = "i", .by = 2, .to = NOW - 1 },
    { .issuer = "i", .by = 2, .from = NOW + 1 },
    { .issuer = "i", .by = 3 },
    { .issuer = "root", .by = 2 },
    { .issuer = "i", .by = 2, .unknown = true },
};

struct answer {
    struct span der;
    bool unreadable;
    enum chain_verdict ours;
    struct error err;
    int theirs;
};

static void judge_crl(struct answer *a)
{
    struct revocation *r = revocation_new();
    STACK_OF(X509_CRL) *list = sk_X509_CRL_new_null();
    const uint8_t *p = a->der.p;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)a->der.n);
    struct chain_query q = {
        .trust = anchors, .now = NOW, .peer_is_server = true, .revoke = REVOKE_HARD, .revocation = r
    };
    struct chain_result result;

    error_clear(&a->err);
    a->unreadable = revocation_add_pem(r, a->der, &a->err) < 0;
    (void)!chain_verify(&q, certs, 2, &result, NULL);
    a->ours = result.verdict;
    assert_true(list && (!crl || sk_X509_CRL_push(list, crl) > 0));
    a->theirs = their_opinion(&them, &q, 0, list).error;
    sk_X509_CRL_pop_free(list, X509_CRL_free);
    revocation_unref(r);
}

/* Why a list that libcrypto lets speak for the leaf says nothing to us. The other way there is no
 * excuse. */
static const char *crl_reason(const struct answer *a)
{
    const uint8_t *p = a->der.p;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)a->der.n);
    bool ends = crl && X509_CRL_get0_nextUpdate(crl);
    bool scoped = crl && X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) >= 0;

    const uint8_t *name = NULL;
    size_t n = 0;
    bool named = crl && X509_NAME_get0_der(X509_CRL_get_issuer(crl), &name, &n) &&
                 span_eq(span_of(name, n), certs[0].issuer);

    X509_CRL_free(crl);
    if (a->ours != CHAIN_STATUS_UNKNOWN) {
        return NULL;
    }
    return a->unreadable ? "it is malformed: BER, two algorithms, odd contents of an extension"
           : !ends       ? "it has no nextUpdate (section 5.1.2.5)"
           : !named      ? "names are compared byte for byte"
           : scoped      ? "it is for some reasons or other distribution points"
                         : NULL;
}

static void lists(void **state)
{
    size_t n = number_of("DIFFERENTIAL", 2000), seed = number_of("DIFFERENTIAL_SEED", 5280);
    size_t wrong = 0, good = 0, reasons = 0;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct answer a = { 0 };
        const struct forge_crl *f;

        chance_seed(seed, i);
        f = &CHOOSE(crl_rows);
        changes_left = chance(3);
        story[0] = '\0';
        forge_change = change;
        a.der = forge_crl_der(f);
        forge_change = NULL;
        judge_crl(&a);
        good += a.ours == CHAIN_OK;
        if ((a.ours == CHAIN_OK) != (a.theirs == X509_V_OK) && crl_reason(&a)) {
            reasons++;
        } else if ((a.ours == CHAIN_OK) != (a.theirs == X509_V_OK)) {
            print_error("%zu | row %zu | %s (%s) | %s | %s\n", i, (size_t)(f - crl_rows),
                        chain_verdict_name(a.ours), a.err.text,
                        X509_verify_cert_error_string(a.theirs), story);
            wrong++;
        }
        free((void *)(uintptr_t)a.der.p);
    }
    print_message("%zu CRLs, %zu say good, %zu not to us for a reason, %zu unexplained\n", n, good,
                  reasons, wrong);
    assert_int_equal(wrong, 0);
}

/* ---- OCSP ---- */

static const struct forge_ocsp ocsp_rows[] = {
    { .about = &leaf, .issuer = "i", .issuer_key = 2 },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .by_key = true },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .sha256 = true },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .status = 1 },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .status = 2 },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .other_first = true },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .responder = &responder },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .responder = &responder, .by_key = true },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .responder = &unfit },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .by = 4 },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .to = NOW - 1 },
    { .about = &leaf, .issuer = "i", .issuer_key = 2, .from = NOW + 400 },
};

/* 1: good now, 0: anything else. */
static int their_status(struct span der)
{
    const uint8_t *p = der.p;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)der.n);
    OCSP_BASICRESP *basic = NULL;
    X509 *x = their_cert(certs[0].der), *issuer = their_cert(certs[1].der);
    OCSP_CERTID *ids[2] = { OCSP_cert_to_id(EVP_sha1(), x, issuer),
                            OCSP_cert_to_id(EVP_sha256(), x, issuer) };
    ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
    int status = -1, reason, good = 0;
    time_t now = (time_t)NOW, soon = (time_t)NOW + 300;

    X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(them.store), now);
    if (response && p == der.p + der.n &&
        OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        basic = OCSP_response_get1_basic(response);
    }
    if (basic && OCSP_basic_verify(basic, them.others, them.store, 0) == 1) {
        for (size_t i = 0; i < 2 && status < 0; i++) {
            if (OCSP_resp_find_status(basic, ids[i], &status, &reason, NULL, &this_update,
                                      &next_update) != 1) {
                status = -1;
            }
        }
        good = status == V_OCSP_CERTSTATUS_GOOD && X509_cmp_time(this_update, &soon) < 0 &&
               (!next_update || X509_cmp_time(next_update, &now) > 0);
    }
    OCSP_CERTID_free(ids[0]);
    OCSP_CERTID_free(ids[1]);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    X509_free(x);
    X509_free(issuer);
    ERR_clear_error();
    return good;
}

static const char *ocsp_reason(bool we, const char *why, const struct forge_ocsp *f)
{
    if (we) {
        return f->other_first || strstr(story, "(30) doubled")
                   ? "the answer about another certificate is not read"
                   : NULL;
    }
    return strcmp(why, "is malformed") == 0
               ? "it is malformed: BER, producedAt that is no time, critical extensions"
           : strstr(why, "somebody else") ? "names are compared byte for byte"
           : strstr(why, "another certificate")
               ? "parameters of a hash are NULL or absent (RFC 4055 section 2.1)"
               : NULL;
}

static void responses(void **state)
{
    size_t n = number_of("DIFFERENTIAL", 2000), seed = number_of("DIFFERENTIAL_SEED", 5280);
    size_t wrong = 0, good = 0, reasons = 0;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        const struct forge_ocsp *f;
        unsigned signatures = RESPONSE_SIGNATURES;
        int64_t until = INT64_MAX;
        const char *why;
        struct span der;
        bool we, they;

        chance_seed(seed, i);
        f = &CHOOSE(ocsp_rows);
        changes_left = chance(3);
        story[0] = '\0';
        forge_change = change;
        der = forge_ocsp_der(f);
        forge_change = NULL;
        we = ocsp_status(der, &certs[0], &certs[1], NOW, &signatures, &until, &why) == STATUS_GOOD;
        they = their_status(der);
        good += we;
        if (we != they && ocsp_reason(we, why, f)) {
            reasons++;
        } else if (we != they) {
            print_error("%zu | row %zu | %s (%s) | %s\n", i, (size_t)(f - ocsp_rows),
                        we ? "we take" : "we refuse", why ? why : "", story);
            wrong++;
        }
        free((void *)(uintptr_t)der.p);
    }
    print_message(
        "%zu responses, %zu say good, %zu judged otherwise for a reason, %zu unexplained\n", n,
        good, reasons, wrong);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(responses),
    };

    return cmocka_run_group_tests_name("differential status", tests, set_up, tear_down);
}
