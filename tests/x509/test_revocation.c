/* SPDX-License-Identifier: ISC */
/* CRLs and OCSP responses: tables of what each says about a chain leaf - i - root, in every mode.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chains.h"
#include "forge_status.h"

#define SERIAL_LEAF 0x1001
#define SERIAL_I    0x1002

static const struct forge leaf = LEAF("i", 2), mid = MID("i", "root", 2, 0), root = ROOT();

static struct world world;
static struct trust *anchors;

static int set_up(void **state)
{
    struct chain_case k = { .certs = { leaf, mid, root } };

    (void)state;
    if (crypto_init() < 0) {
        return 1;
    }
    world_make(&world, &k);
    anchors = trust_new();
    return !anchors || trust_add_pem(anchors, world.trusted[0].der, NULL) != 1;
}

static int tear_down(void **state)
{
    (void)state;
    trust_unref(anchors);
    world_free(&world);
    forge_done();
    return 0;
}

static struct chain_query question(enum revoke_mode mode)
{
    return (struct chain_query){
        .trust = anchors, .now = NOW, .peer_is_server = true, .host = "a.test", .revoke = mode
    };
}

static enum chain_verdict ask(const struct chain_query *q, const struct cert *certs, size_t n,
                              enum alert alert)
{
    struct chain_result r;
    struct error err;
    int rc;

    error_clear(&err);
    rc = chain_verify(q, certs, n, &r, &err);
    assert_int_equal(rc, r.verdict == CHAIN_OK ? 0 : TLS_ALERT(alert));
    assert_int_equal(err.text[0] == '\0', rc == 0);
    return r.verdict;
}

/* ---- CRLs ---- */

struct crl_case {
    const char *name;
    struct forge_crl crls[3];
    enum chain_verdict soft, hard, all; /* 0: CHAIN_OK */
};
#define UNKNOWN CHAIN_STATUS_UNKNOWN
#define REVOKED CHAIN_REVOKED
#define CRL_I(...)                          \
    {                                       \
        .issuer = "i", .by = 2, __VA_ARGS__ \
    }
#define CRL_ROOT(...)                          \
    {                                          \
        .issuer = "root", .by = 0, __VA_ARGS__ \
    }

static const struct crl_case crl_cases[] = {
    { "none", { { 0 } }, 0, UNKNOWN, UNKNOWN },
    { "the leaf's issuer's, empty", { CRL_I() }, 0, 0, UNKNOWN },
    { "the root's, empty", { CRL_ROOT() }, 0, UNKNOWN, UNKNOWN },
    { "both, empty", { CRL_I(), CRL_ROOT() }, 0, 0, 0 },
    { "leaf revoked", { CRL_I(.serials = { SERIAL_LEAF }) }, REVOKED, REVOKED, REVOKED },
    { "leaf revoked, the last of four",
      { CRL_I(.serials = { 5, 0x7fffffff, 300, SERIAL_LEAF }) },
      REVOKED,
      REVOKED,
      REVOKED },
    { "others revoked",
      { CRL_I(.serials = { 1, 2, 0x10000000, SERIAL_LEAF + 1 }) },
      0,
      0,
      UNKNOWN },
    { "intermediate revoked",
      { CRL_ROOT(.serials = { SERIAL_I }), CRL_I() },
      REVOKED,
      REVOKED,
      REVOKED },
    { "intermediate revoked, nothing known of the leaf",
      { CRL_ROOT(.serials = { SERIAL_I }) },
      REVOKED,
      REVOKED,
      REVOKED },
    { "leaf revoked, nothing known of the intermediate",
      { CRL_I(.serials = { SERIAL_LEAF }) },
      REVOKED,
      REVOKED,
      REVOKED },
    { "the number of the leaf in the root's list: another certificate",
      { CRL_ROOT(.serials = { SERIAL_LEAF }), CRL_I() },
      0,
      0,
      0 },
    { "out of date, empty", { CRL_I(.to = NOW - 1) }, 0, UNKNOWN, UNKNOWN },
    { "in its last second", { CRL_I(.to = NOW) }, 0, 0, UNKNOWN },
    { "out of date, leaf revoked",
      { CRL_I(.to = NOW - 1, .serials = { SERIAL_LEAF }) },
      REVOKED,
      REVOKED,
      REVOKED },
    { "from the future",
      { CRL_I(.from = NOW + 1, .serials = { SERIAL_LEAF }) },
      0,
      UNKNOWN,
      UNKNOWN },
    { "without a next update", { CRL_I(.to = -1) }, 0, UNKNOWN, UNKNOWN },
    { "signed by another key",
      { CRL_I(.by = 3, .serials = { SERIAL_LEAF }) },
      0,
      UNKNOWN,
      UNKNOWN },
    { "signature wrong", { CRL_I(.flip = true, .serials = { SERIAL_LEAF }) }, 0, UNKNOWN, UNKNOWN },
    { "signed with SHA-1", { CRL_I(.alg = ALG_SHA1) }, 0, UNKNOWN, UNKNOWN },
    { "wrong, then right",
      { CRL_I(.flip = true), CRL_I(.serials = { SERIAL_LEAF }) },
      REVOKED,
      REVOKED,
      REVOKED },
    { "for users only", { CRL_I(.only = 1), CRL_ROOT() }, 0, 0, 0 },
    { "for users only, a CA asked for", { CRL_I(), CRL_ROOT(.only = 1) }, 0, 0, UNKNOWN },
    { "for CAs only", { CRL_I(.only = 2), CRL_ROOT(.only = 2) }, 0, UNKNOWN, UNKNOWN },
    { "for CAs only, leaf listed",
      { CRL_I(.only = 2, .serials = { SERIAL_LEAF }) },
      0,
      UNKNOWN,
      UNKNOWN },
    { "for some reasons", { CRL_I(.only = 3) }, 0, UNKNOWN, UNKNOWN },
    { "for some reasons, leaf revoked",
      { CRL_I(.only = 3, .serials = { SERIAL_LEAF }) },
      REVOKED,
      REVOKED,
      REVOKED },
    { "an entry with a critical extension",
      { CRL_I(.serials = { 1 }, .entry_critical = true) },
      0,
      UNKNOWN,
      UNKNOWN },
    { "the leaf's entry has one",
      { CRL_I(.serials = { SERIAL_LEAF }, .entry_critical = true) },
      REVOKED,
      REVOKED,
      REVOKED },
    { "another distribution point", { CRL_I(.point = "http://b/") }, 0, UNKNOWN, UNKNOWN },
};

static void lists(void **state)
{
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof crl_cases / sizeof *crl_cases; i++) {
        const struct crl_case *k = &crl_cases[i];
        const enum chain_verdict want[] = { CHAIN_OK, k->soft, k->hard, k->all };
        struct revocation *r = revocation_new();

        assert_non_null(r);
        for (size_t j = 0; j < 3 && k->crls[j].issuer; j++) {
            struct span der = forge_crl_der(&k->crls[j]);

            assert_int_equal(revocation_add_pem(r, der, NULL), 1);
            free((void *)(uintptr_t)der.p);
        }
        for (int mode = REVOKE_OFF; mode <= REVOKE_ALL; mode++) {
            struct chain_query q = question((enum revoke_mode)mode);

            q.revocation = r;
            for (int again = 0; again < 2; again++) { /* the second time signatures are known */
                enum chain_verdict v = ask(&q, world.sent, 2,
                                           want[mode] == REVOKED ? ALERT_CERTIFICATE_REVOKED
                                                                 : ALERT_CERTIFICATE_UNKNOWN);

                if (v != want[mode]) {
                    print_error("%s, mode %d: got %s, wanted %s\n", k->name, mode,
                                chain_verdict_name(v), chain_verdict_name(want[mode]));
                    wrong++;
                }
            }
        }
        revocation_unref(r);
    }
    assert_int_equal(wrong, 0);
}

/* A certificate that names a distribution point, and lists that are for it or for another. */
static void points(void **state)
{
    struct forge f = leaf;
    struct forge_crl crl = CRL_I(.point = "http://a/");
    struct cert certs[2] = { { 0 }, world.sent[1] };

    (void)state;
    f.crl_point = "http://a/";
    certs[0] = forge_cert(&f);
    for (int i = 0; i < 2; i++) {
        struct chain_query q = question(REVOKE_HARD);
        struct revocation *r = revocation_new();
        struct span der = forge_crl_der(&crl);

        q.revocation = r;
        assert_int_equal(revocation_add_pem(r, der, NULL), 1);
        assert_int_equal(ask(&q, certs, 2, ALERT_CERTIFICATE_UNKNOWN), i ? UNKNOWN : CHAIN_OK);
        free((void *)(uintptr_t)der.p);
        revocation_unref(r);
        crl.point = "http://b/";
    }
    free((void *)(uintptr_t)certs[0].der.p);
}

static void refused_when_loaded(void **state)
{
    static const struct forge_crl rows[] = { CRL_I(.delta = true), CRL_I(.unknown = true),
                                             CRL_I(.only = 4), CRL_I(.only = 5) };
    struct revocation *r = revocation_new();
    struct span der;
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        der = forge_crl_der(&rows[i]);
        error_clear(&err);
        assert_int_equal(revocation_add_pem(r, der, &err), ERR_PARSE);
        assert_non_null(strstr(err.text, "the CRL cannot be used"));
        free((void *)(uintptr_t)der.p);
    }
    /* Cut at every byte, and every byte changed: an error or a list that proves nothing new. */
    der = forge_crl_der(&(struct forge_crl)CRL_I(.serials = { SERIAL_LEAF, 5 }));
    for (size_t i = 0; i < der.n; i++) {
        uint8_t *bytes = malloc(der.n);
        struct chain_query q = question(REVOKE_HARD);
        struct revocation *one = revocation_new();

        assert_int_equal(revocation_add_pem(one, span_of(der.p, i), NULL), ERR_PARSE);
        memcpy(bytes, der.p, der.n);
        bytes[i] ^= 0x10;
        if (revocation_add_pem(one, span_of(bytes, der.n), NULL) == 1) {
            q.revocation = one;
            assert_int_equal(ask(&q, world.sent, 2, ALERT_CERTIFICATE_UNKNOWN), UNKNOWN);
        }
        revocation_unref(one);
        free(bytes);
    }
    assert_int_equal(revocation_count(r), 0);
    free((void *)(uintptr_t)der.p);
    revocation_unref(r);
}

/* A CA whose key usage forbids it signs no lists. */
static void issuer_may_not_sign_lists(void **state)
{
    struct forge f = mid;
    struct cert certs[2] = { world.sent[0], { 0 } };
    struct chain_query q = question(REVOKE_SOFT);
    struct span der = forge_crl_der(&(struct forge_crl)CRL_I(.serials = { SERIAL_LEAF }));
    struct revocation *r = revocation_new();

    (void)state;
    f.ku = KU_CERT_SIGN;
    certs[1] = forge_cert(&f);
    q.revocation = r;
    assert_int_equal(revocation_add_pem(r, der, NULL), 1);
    assert_int_equal(ask(&q, certs, 2, ALERT_NONE), CHAIN_OK);
    assert_int_equal(ask(&q, world.sent, 2, ALERT_CERTIFICATE_REVOKED), REVOKED);
    free((void *)(uintptr_t)certs[1].der.p);
    free((void *)(uintptr_t)der.p);
    revocation_unref(r);
}

/* ---- OCSP ---- */

#define RESPONDER(...)                                                                        \
    {                                                                                         \
        .subject = "responder", .issuer = "i", .key = 5, .by = 2, .ku = KU_DIGITAL_SIGNATURE, \
        .eku = EKU_OCSP, __VA_ARGS__                                                          \
    }
static const struct forge responder = RESPONDER(), unfit = RESPONDER(.eku = EKU_SERVER),
                          foreign = RESPONDER(.issuer = "root", .by = 0),
                          faked = RESPONDER(.by = 3), expired = RESPONDER(.to = NOW - 1),
                          any_purpose = RESPONDER(.eku = EKU_ANY),
                          may_not_sign = RESPONDER(.ku = KU_CRL_SIGN);

struct ocsp_case {
    const char *name;
    struct forge_ocsp f;
    enum chain_verdict soft, hard;
    const char *sentence;
};
#define OCSP(...)                                                   \
    {                                                               \
        .about = &leaf, .issuer = "i", .issuer_key = 2, __VA_ARGS__ \
    }
#define BAD_STAPLE CHAIN_OK, CHAIN_BAD_STAPLE

static const struct ocsp_case ocsp_cases[] = {
    { "good", OCSP(), 0, 0, NULL },
    { "good, by key", OCSP(.by_key = true), 0, 0, NULL },
    { "good, SHA-256", OCSP(.sha256 = true), 0, 0, NULL },
    { "good, of a responder", OCSP(.responder = &responder), 0, 0, NULL },
    { "good, of a responder by key", OCSP(.responder = &responder, .by_key = true), 0, 0, NULL },
    { "good, behind another answer", OCSP(.other_first = true), 0, 0, NULL },
    { "good, without a next update", OCSP(.to = -1), 0, 0, NULL },
    { "good, from a clock that is ahead", OCSP(.from = NOW + 299), 0, 0, NULL },
    { "good, in its last second", OCSP(.to = NOW), 0, 0, NULL },
    { "revoked", OCSP(.status = 1), REVOKED, REVOKED, "was revoked by CN=i" },
    { "revoked, out of date", OCSP(.status = 1, .to = NOW - 1), REVOKED, REVOKED, NULL },
    { "unknown", OCSP(.status = 2), BAD_STAPLE, "does not know the certificate" },
    { "out of date", OCSP(.to = NOW - 1), BAD_STAPLE, "is out of date" },
    { "old, without a next update", OCSP(.from = NOW - 8 * DAY, .to = -1), BAD_STAPLE,
      "is out of date" },
    { "from the future", OCSP(.from = NOW + 301), BAD_STAPLE, "is from the future" },
    { "signature wrong", OCSP(.flip = true), BAD_STAPLE, "has a wrong signature" },
    { "signed by another key", OCSP(.by = 4), BAD_STAPLE, "has a wrong signature" },
    { "revoked, signed by another key", OCSP(.status = 1, .by = 4), BAD_STAPLE,
      "has a wrong signature" },
    { "signed with SHA-1", OCSP(.alg = ALG_SHA1), BAD_STAPLE, "weak or unknown" },
    { "signed in a way nobody knows", OCSP(.alg = ALG_UNKNOWN), BAD_STAPLE, "weak or unknown" },
    { "another serial number", OCSP(.serial = 7), BAD_STAPLE, "is about another certificate" },
    { "another issuer's key", OCSP(.issuer_key = 0), BAD_STAPLE, "is about another certificate" },
    { "another issuer's name", OCSP(.issuer = "root", .by = 3), BAD_STAPLE,
      "is about another certificate" },
    { "responder without the purpose", OCSP(.responder = &unfit), BAD_STAPLE, "has not made" },
    { "responder for any purpose", OCSP(.responder = &any_purpose), BAD_STAPLE, "has not made" },
    { "responder of another issuer", OCSP(.responder = &foreign), BAD_STAPLE, "has not made" },
    { "responder's certificate is a fake", OCSP(.responder = &faked), BAD_STAPLE, "has not made" },
    { "responder may not sign", OCSP(.responder = &may_not_sign), BAD_STAPLE, "has not made" },
    { "responder's certificate has expired", OCSP(.responder = &expired), BAD_STAPLE, "expired" },
    { "responder's signature wrong", OCSP(.responder = &responder, .flip = true), BAD_STAPLE,
      "has a wrong signature" },
    { "responder failed", OCSP(.failed = 3), BAD_STAPLE, "that the responder failed" },
};

static void responses(void **state)
{
    size_t wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof ocsp_cases / sizeof *ocsp_cases; i++) {
        const struct ocsp_case *k = &ocsp_cases[i];
        struct span der = forge_ocsp_der(&k->f);

        for (int mode = REVOKE_OFF; mode <= REVOKE_HARD; mode++) {
            struct chain_query q = question((enum revoke_mode)mode);
            enum chain_verdict want = mode == REVOKE_OFF    ? CHAIN_OK
                                      : mode == REVOKE_SOFT ? k->soft
                                                            : k->hard;
            struct chain_result r;
            struct error err;
            int rc, code = want == CHAIN_OK  ? 0
                           : want == REVOKED ? TLS_ALERT(ALERT_CERTIFICATE_REVOKED)
                                             : TLS_ALERT(ALERT_BAD_CERTIFICATE_STATUS_RESPONSE);

            error_clear(&err);
            q.staple = der;
            rc = chain_verify(&q, world.sent, 2, &r, &err);
            if (rc != code || r.verdict != want ||
                (rc < 0 && k->sentence && !strstr(err.text, k->sentence))) {
                print_error("%s, mode %d: got %s, wanted %s: %s\n", k->name, mode,
                            chain_verdict_name(r.verdict), chain_verdict_name(want), err.text);
                wrong++;
            }
        }
        free((void *)(uintptr_t)der.p);
    }
    assert_int_equal(wrong, 0);
}

static void damaged_responses(void **state)
{
    struct span der = forge_ocsp_der(&(struct forge_ocsp)OCSP(.responder = &responder));
    struct chain_query q = question(REVOKE_HARD);
    uint8_t *bytes = malloc(der.n);

    (void)state;
    for (size_t i = 1; i < der.n; i++) {
        q.staple = span_of(der.p, i);
        assert_int_equal(ask(&q, world.sent, 2, ALERT_BAD_CERTIFICATE_STATUS_RESPONSE),
                         CHAIN_BAD_STAPLE);
    }
    for (size_t i = 0; i < der.n; i++) {
        memcpy(bytes, der.p, der.n);
        bytes[i] ^= 0x01;
        q.staple = span_of(bytes, der.n);
        if (ask(&q, world.sent, 2, ALERT_BAD_CERTIFICATE_STATUS_RESPONSE) != CHAIN_BAD_STAPLE) {
            fail_msg("byte %zu may be another", i);
        }
    }
    free(bytes);
    free((void *)(uintptr_t)der.p);
}

static void must_staple(void **state)
{
    struct forge f = leaf;
    struct cert certs[2] = { { 0 }, world.sent[1] };
    struct chain_query q = question(REVOKE_SOFT);
    struct span good, crl = forge_crl_der(&(struct forge_crl)CRL_I());
    struct revocation *r = revocation_new();

    (void)state;
    f.must_staple = true;
    certs[0] = forge_cert(&f);
    assert_true(certs[0].must_staple);
    assert_int_equal(revocation_add_pem(r, crl, NULL), 1);
    q.revocation = r; /* a list does not stand in for it */
    assert_int_equal(ask(&q, certs, 2, ALERT_BAD_CERTIFICATE_STATUS_RESPONSE), CHAIN_BAD_STAPLE);
    good = forge_ocsp_der(&(struct forge_ocsp)OCSP());
    q.staple = good;
    assert_int_equal(ask(&q, certs, 2, ALERT_NONE), CHAIN_OK);
    q.revoke = REVOKE_OFF;
    q.staple = span_of(NULL, 0);
    assert_int_equal(ask(&q, certs, 2, ALERT_NONE), CHAIN_OK);
    free((void *)(uintptr_t)good.p);
    free((void *)(uintptr_t)crl.p);
    free((void *)(uintptr_t)certs[0].der.p);
    revocation_unref(r);
}

/* One says good and the other revoked: it is revoked. Hard is content with either. */
static void both_kinds(void **state)
{
    static const struct {
        int staple; /* -1: none */
        int listed; /* -1: no list */
        enum chain_verdict hard;
    } rows[] = { { 0, 1, REVOKED },          { 1, 0, REVOKED },   { 0, 0, CHAIN_OK },
                 { 0, -1, CHAIN_OK },        { -1, 0, CHAIN_OK }, { 2, 0, CHAIN_OK },
                 { 2, -1, CHAIN_BAD_STAPLE } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chain_query q = question(REVOKE_HARD);
        struct revocation *r = revocation_new();
        struct span crl = forge_crl_der(
            &(struct forge_crl)CRL_I(.serials = { rows[i].listed == 1 ? SERIAL_LEAF : 5 }));
        struct span ocsp = forge_ocsp_der(&(struct forge_ocsp)OCSP(.status = rows[i].staple));

        assert_int_equal(revocation_add_pem(r, crl, NULL), 1);
        q.revocation = rows[i].listed < 0 ? NULL : r;
        q.staple = rows[i].staple < 0 ? span_of(NULL, 0) : ocsp;
        assert_int_equal(ask(&q, world.sent, 2,
                             rows[i].hard == REVOKED ? ALERT_CERTIFICATE_REVOKED
                                                     : ALERT_BAD_CERTIFICATE_STATUS_RESPONSE),
                         rows[i].hard);
        free((void *)(uintptr_t)crl.p);
        free((void *)(uintptr_t)ocsp.p);
        revocation_unref(r);
    }
}

/* ---- pins ---- */

static void pins(void **state)
{
    uint8_t pin[2][PIN_SIZE], sum[HASH_MAX];
    struct chain_query q = question(REVOKE_OFF);

    (void)state;
    memset(pin, 7, sizeof pin);
    q.pins = pin;
    q.npins = 2;
    assert_int_equal(ask(&q, world.sent, 2, ALERT_BAD_CERTIFICATE), CHAIN_NOT_PINNED);
    for (int i = 0; i < 3; i++) { /* any certificate of the path, the anchor too */
        const struct cert *c = i < 2 ? &world.sent[i] : &world.trusted[0];

        assert_int_equal(hash_once(HASH_SHA256, c->spki.p, c->spki.n, sum), 0);
        memcpy(pin[1], sum, PIN_SIZE);
        assert_int_equal(ask(&q, world.sent, 2, ALERT_NONE), CHAIN_OK);
        assert_int_equal(chain_check_pin(&q, c, NULL), 0);
        assert_int_equal(chain_check_pin(&q, i ? &world.sent[0] : &world.sent[1], NULL),
                         TLS_ALERT(ALERT_BAD_CERTIFICATE));
        pin[1][i] ^= 1;
        assert_int_equal(ask(&q, world.sent, 2, ALERT_BAD_CERTIFICATE), CHAIN_NOT_PINNED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(points),
        cmocka_unit_test(refused_when_loaded),
        cmocka_unit_test(issuer_may_not_sign_lists),
        cmocka_unit_test(responses),
        cmocka_unit_test(damaged_responses),
        cmocka_unit_test(must_staple),
        cmocka_unit_test(both_kinds),
        cmocka_unit_test(pins),
    };

    return cmocka_run_group_tests_name("revocation", tests, set_up, tear_down);
}
