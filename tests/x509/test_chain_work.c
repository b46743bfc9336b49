/* SPDX-License-Identifier: ISC */
/* How much work a chain can make, in signatures that are verified and in names that are compared:
 * what the peer sends does not decide it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chain_case.h"
#include "forge_status.h"
#include "tests/lib/counted.h"
#include "tests/lib/worked.h"
#include "x509/parts.h"

#define SIGNATURES  64     /* of one search, at most */
#define COMPARISONS 250000 /* of names of up to 64 bytes, likewise */
#define MANY        100

static struct cert sent[MANY + 1], anchors[MANY];
static size_t nsent, nanchors;

static void add(struct forge f)
{
    struct cert c = forge_cert(&f);

    if (f.at & SENT) {
        sent[nsent++] = c;
    } else {
        anchors[nanchors++] = c;
    }
}

static void forget(void)
{
    while (nsent > 0) {
        free((void *)(uintptr_t)sent[--nsent].der.p);
    }
    while (nanchors > 0) {
        free((void *)(uintptr_t)anchors[--nanchors].der.p);
    }
}

/* The verdict on what was added; *signatures: how many were verified for it. */
static enum chain_verdict judge_with(struct chain_query q, unsigned *signatures)
{
    struct chain_result v;
    int rc;

    q.trust = trust_new();
    q.now = NOW;
    q.peer_is_server = true;
    assert_non_null(q.trust);
    for (size_t i = 0; i < nanchors; i++) {
        assert_int_equal(trust_add_pem(q.trust, anchors[i].der, NULL), 1);
    }
    worked_start();
    rc = chain_verify(&q, sent, nsent, &v, NULL);
    worked_stop();
    *signatures = worked.verified;
    assert_true((rc == 0) == (v.verdict == CHAIN_OK));
    trust_unref(q.trust);
    return v.verdict;
}

static enum chain_verdict judge(unsigned *signatures)
{
    return judge_with((struct chain_query){ .host = "a.test" }, signatures);
}

/* ---- the search ---- */
/* All of them of one name, and each signed by the key of all: every order of them is a path, none
 * of which leads anywhere. */
static void threat_31_every_order(void **state)
{
    unsigned signatures;

    (void)state;
    for (int anchored = 0; anchored < 2; anchored++) {
        add((struct forge)ROOT());
        add((struct forge)LEAF("x", 2));
        for (int i = 0; i < CHAIN_MAX_CERTS - 1; i++) {
            add((struct forge)MID("x", "x", 2, 2, .serial = 100 + i, .no_ids = i % 2));
        }
        if (anchored) { /* one that ends a path, and the constraint that lets none through */
            add((struct forge)ROOT(.subject = "x", .issuer = "x", .key = 2, .by = 2,
                                   .excluded = "other.test", .inhibit_any = 1,
                                   .explicit_policy = 1));
        }
        assert_int_not_equal(judge(&signatures), anchored ? CHAIN_MALFORMED : CHAIN_OK);
        assert_in_range(signatures, 1, SIGNATURES);
        forget();
    }
}

/* Candidates of the right name with keys that have signed nothing of it, sent and trusted. */
static void threat_31_wrong_keys(void **state)
{
    unsigned signatures;

    (void)state;
    add((struct forge)LEAF("x", 2, .no_ids = true));
    for (int i = 0; i < CHAIN_MAX_CERTS - 1; i++) {
        add((struct forge)MID("x", "root", 3 + i % 4, 0, .serial = 100 + i, .no_ids = true));
    }
    add((struct forge)ROOT());
    for (int i = 0; i < MANY - 1; i++) {
        add((struct forge)ROOT(.subject = "x", .issuer = "x", .key = 3 + i % 4, .by = 3 + i % 4,
                               .serial = 100 + i, .no_ids = true));
    }
    assert_int_equal(judge(&signatures), CHAIN_TOO_MUCH_WORK);
    assert_int_equal(signatures, SIGNATURES);
    forget();
}

/* The longest chain, one more, and a hundred: those are not begun with. */
static void threat_31_long_chains(void **state)
{
    static const size_t lengths[] = { CHAIN_MAX_CERTS, CHAIN_MAX_CERTS + 1, MANY };
    unsigned signatures;

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        add((struct forge)ROOT());
        add((struct forge)LEAF("root", 0));
        while (nsent < lengths[i]) {
            add((struct forge)MID("y", "y", 2, 2, .serial = 100 + (int)nsent));
        }
        assert_int_equal(judge(&signatures), i == 0 ? CHAIN_OK : CHAIN_TOO_MUCH_WORK);
        assert_int_equal(signatures, i == 0);
        forget();
    }
    for (int over = 0; over < 2; over++) { /* eight, and the anchor, are a path */
        static const char *const names[] = { "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7" };
        const int last = 6 + over;

        add((struct forge)ROOT());
        add((struct forge)LEAF(names[last], 2));
        for (int k = last; k >= 0; k--) {
            add((struct forge)MID(names[k], k ? names[k - 1] : "root", 2, k ? 2 : 0));
        }
        assert_int_equal(judge(&signatures), over ? CHAIN_PATH_TOO_LONG : CHAIN_OK);
        assert_in_range(signatures, 1, 8);
        forget();
    }
}

/* Keys that would make one verification as dear as thousands: they have signed nothing. */
static void threat_31_huge_keys(void **state)
{
    static uint8_t big[60000];
    static const size_t moduli[] = { 1025, 2048, 8192, sizeof big };
    unsigned signatures;

    (void)state;
    memset(big, 0xff, sizeof big);
    for (size_t i = 0; i < 4; i++) {
        add((struct forge)ROOT());
        add((struct forge)LEAF("i", KEY_R));
        add((struct forge)MID("i", "root", KEY_R, 0));
        sent[1].key_n = span_of(big, moduli[i]);
        assert_int_equal(judge(&signatures), CHAIN_BAD_SIGNATURE);
        assert_int_equal(signatures, 0);
        forget();
    }
    for (size_t n = 3; n <= sizeof big; n = n == 3 ? 9 : n * 80) { /* 65537 has three bytes */
        add((struct forge)ROOT());
        add((struct forge)LEAF("i", KEY_R));
        add((struct forge)MID("i", "root", KEY_R, 0));
        sent[1].key_e = n == 3 ? sent[1].key_e : span_of(big, n);
        assert_int_equal(judge(&signatures), n == 3 ? CHAIN_OK : CHAIN_BAD_SIGNATURE);
        assert_int_equal(signatures, n == 3 ? 2 : 0);
        forget();
    }
}

/* ---- what is said about revocation ---- */
static void threat_31_responses(void **state)
{
    struct forge leaf = LEAF("root", 0), responder = LEAF("root", 0, .subject = "r", .key = 5,
                                                          .eku = EKU_OCSP, .names = NULL);
    struct forge_ocsp f = {
        .about = &leaf, .issuer = "root", .issuer_key = 0, .responder = &responder
    };
    struct span good = forge_ocsp_der(&f), bad;
    unsigned signatures;

    (void)state;
    f.flip = true;
    bad = forge_ocsp_der(&f);
    for (int i = 0; i < 2; i++) {
        add((struct forge)ROOT());
        add(leaf);
        assert_int_equal(
            judge_with((struct chain_query){ .revoke = REVOKE_HARD, .staple = i ? bad : good },
                       &signatures),
            i ? CHAIN_BAD_STAPLE : CHAIN_OK);
        assert_int_equal(signatures, 3); /* of the leaf, the responder and the response */
        forget();
    }
    add((struct forge)ROOT());
    add((struct forge)LEAF("root", 0)); /* every path is one more reason to look at it */
    for (int i = 0; i < CHAIN_MAX_CERTS - 1; i++) {
        add((struct forge)MID("root", "root", 0, 0, .serial = 100 + i));
    }
    assert_int_equal(
        judge_with((struct chain_query){ .revoke = REVOKE_HARD, .staple = bad }, &signatures),
        CHAIN_TOO_MUCH_WORK);
    assert_in_range(signatures, 60, SIGNATURES);
    forget();
    free((void *)(uintptr_t)good.p);
    free((void *)(uintptr_t)bad.p);
}

/* ---- names ---- */
static uint8_t names_der[70000], bases_der[70000];

/* So many of that kind, each of n bytes: names, or the subtrees of a list with that tag. */
static struct span row_of(uint8_t *mem, uint8_t tag, const char *begin, size_t n, size_t count,
                          uint8_t list)
{
    static char text[60000];
    struct wr w = wr_of(mem, 70000);

    assert_true(n <= sizeof text && strlen(begin) <= n);
    memset(text, 'a', sizeof text);
    memcpy(text, begin, strlen(begin));
    for (size_t i = 0; i < count; i++) {
        size_t mark = w.len;

        der_put(&w, tag, span_of(text, n));
        if (list) {
            der_close(&w, mark, DER_SEQUENCE);
        }
    }
    if (list) {
        der_close(&w, 0, list);
    }
    assert_true(wr_ok(&w));
    return span_of(mem, w.len);
}

/* Few names and long ones cost as much as many short ones: bytes are counted, not names. */
static void threat_31_long_names(void **state)
{
    enum { MAIL = DER_CONTEXT(1), DNS = DER_CONTEXT(2) };
    enum { PERMITTED = DER_CONSTRUCTED(0), EXCLUDED = DER_CONSTRUCTED(1) };
    static const struct {
        uint8_t tag, list;
        const char *begin;
        size_t names, name_len, bases, base_len;
        bool enough;
    } rows[] = {
        { DNS, EXCLUDED, "", 100, 20, 100, 20, true },
        { DNS, EXCLUDED, "", 500, 59, 499, 4, true }, /* and the subject */
        { DNS, EXCLUDED, "", 501, 59, 499, 4, false },
        { DNS, EXCLUDED, "", 500, 60, 499, 4, false },
        { DNS, EXCLUDED, "", 3000, 20, 2000, 20, false },
        { MAIL, PERMITTED, "a@", 1, 100, 5000, 4, true },
        { MAIL, PERMITTED, "a@", 1, 50000, 5000, 4, false },
        { MAIL, EXCLUDED, "a@", 100, 4, 1, 50000, true },
        { MAIL, EXCLUDED, "a@", 1000, 4, 1, 50000, false },
    };
    struct forge f = LEAF("root", 0);
    struct cert c = forge_cert(&f);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned left = COMPARISONS;
        int rc;

        c.san = row_of(names_der, rows[i].tag, rows[i].begin, rows[i].name_len, rows[i].names, 0);
        counted_start();
        rc = namecon_allows(
            row_of(bases_der, rows[i].tag, "b", rows[i].base_len, rows[i].bases, rows[i].list), &c,
            &left);
        assert_int_equal(counted_stop(), 0);
        if ((rc == ERR_LIMIT) == rows[i].enough) {
            fail_msg("row %zu: %d, %u left", i, rc, left);
        }
        assert_true(rows[i].enough || left == 0);
    }
    free((void *)(uintptr_t)c.der.p);
}

/* Thousands of names, and the one that counts behind them. */
static void threat_31_alternative_names(void **state)
{
    struct forge f = LEAF("root", 0);
    struct cert c = forge_cert(&f);
    struct span many = row_of(names_der, DER_CONTEXT(2), "b", 10, 5000, 0);
    struct error err;

    (void)state;
    error_clear(&err);
    memcpy(names_der + many.n, "\x82\6z.test", 8);
    c.san = span_of(many.p, many.n + 8);
    counted_start();
    assert_int_equal(cert_match_host(&c, "z.test", &err), 0);
    c.san = many;
    assert_int_equal(cert_match_host(&c, "z.test", &err), TLS_ALERT(ALERT_BAD_CERTIFICATE));
    assert_int_equal(counted_most(), 0);
    (void)counted_stop();
    free((void *)(uintptr_t)c.der.p);
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
        cmocka_unit_test(threat_31_every_order),       cmocka_unit_test(threat_31_wrong_keys),
        cmocka_unit_test(threat_31_long_chains),       cmocka_unit_test(threat_31_huge_keys),
        cmocka_unit_test(threat_31_responses),         cmocka_unit_test(threat_31_long_names),
        cmocka_unit_test(threat_31_alternative_names),
    };

    return cmocka_run_group_tests_name("the work of chains", tests, NULL, done);
}
