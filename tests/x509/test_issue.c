/* SPDX-License-Identifier: ISC */
/* What cert_issue() puts into the certificates of CAs, and PKCS#12 files made of such. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "x509/der.h"
#include "x509/x509.h"

#define NOW  INT64_C(1800000000)
#define YEAR (365 * 86400)

static struct privkey *root_key, *sub_key, *leaf_key;

static int prepare(void **state)
{
    (void)state;
    return crypto_init() < 0 || privkey_generate(&root_key, KEY_EC_P256, 0) < 0 ||
                   privkey_generate(&sub_key, KEY_ED25519, 0) < 0 ||
                   privkey_generate(&leaf_key, KEY_EC_P256, 0) < 0
               ? -1
               : 0;
}

static int finish(void **state)
{
    (void)state;
    privkey_unref(root_key);
    privkey_unref(sub_key);
    privkey_unref(leaf_key);
    return 0;
}

struct made {
    struct buf der;
    struct cert cert;
};

static void make(struct made *m, struct issue what)
{
    struct error err = { 0 };

    what.not_before = NOW - YEAR;
    what.not_after = NOW + YEAR;
    if (cert_issue(&what, &m->der, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(cert_parse(&m->cert, buf_span(&m->der), &err), 0);
}

static void make_root(struct made *m, const struct issue *limits)
{
    struct issue what = limits ? *limits : (struct issue){ .ca = true };

    what.ca = true;
    what.common_name = "root";
    what.key = what.issuer_key = root_key;
    make(m, what);
}

static void test_serial(void **state)
{
    uint8_t seen[16][16];

    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct made m = { 0 };

        make_root(&m, NULL);
        /* Positive without a byte too many, and 16 bytes that differ in every place by now. */
        assert_int_equal(m.cert.serial.n, 17);
        assert_int_equal(m.cert.serial.p[0], 1);
        memcpy(seen[i], m.cert.serial.p + 1, 16);
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(seen[k], seen[i], 16);
        }
        buf_free(&m.der);
    }
    for (size_t at = 0; at < 16; at++) {
        bool all_same = true;

        for (size_t i = 1; i < 16; i++) {
            all_same = all_same && seen[i][at] == seen[0][at];
        }
        assert_false(all_same);
    }
}

static void test_path_length(void **state)
{
    static const struct issue limits[] = {
        { .has_path_len = false, .path_len = 5 },  { .has_path_len = true, .path_len = 0 },
        { .has_path_len = true, .path_len = 1 },   { .has_path_len = true, .path_len = 127 },
        { .has_path_len = true, .path_len = 128 }, { .has_path_len = true, .path_len = 255 }
    };
    static const int said[] = { -1, 0, 1, 127, 128, 255 };

    (void)state;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct made m = { 0 };

        make_root(&m, &limits[i]);
        assert_true(m.cert.ca);
        assert_int_equal(m.cert.path_len, said[i]);
        buf_free(&m.der);
    }
}

static int verify(const struct made *root, const char *const *names, size_t n)
{
    struct issue what = { .names = names,
                          .nnames = n,
                          .server = true,
                          .key = leaf_key,
                          .issuer_key = root_key,
                          .issuer = &root->cert };
    struct chain_query q = { .trust = trust_new(), .now = NOW, .peer_is_server = true };
    struct chain_result result;
    struct made m = { 0 };
    int rc;

    assert_true(trust_add_pem(q.trust, buf_span(&root->der), NULL) == 1);
    make(&m, what);
    rc = chain_verify(&q, &m.cert, 1, &result, NULL);
    assert_int_equal(rc == 0, result.verdict == CHAIN_OK);
    trust_unref(q.trust);
    buf_free(&m.der);
    return (int)result.verdict;
}

static void test_only(void **state)
{
    static const char *const domains[] = { "corp.test", "b.example" };
    static const struct {
        const char *names[2];
        bool good;
    } rows[] = { { { "corp.test" }, true },
                 { { "a.corp.test" }, true },
                 { { "x.y.corp.test" }, true },
                 { { "*.b.example" }, true },
                 { { "corp.test", "b.example" }, true },
                 { { "corp.test", "a.example" }, false },
                 { { "xcorp.test" }, false },
                 { { "test" }, false },
                 { { "corp.test.evil" }, false },
                 { { "192.0.2.1" }, false },
                 { { "0.0.0.0" }, false },
                 { { "::" }, false },
                 { { "2001:db8::1" }, false },
                 { { "corp.test", "::1" }, false } };
    const struct issue limits = { .only = domains, .nonly = 2 };
    struct made root = { 0 };

    (void)state;
    make_root(&root, &limits);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(verify(&root, rows[i].names, rows[i].names[1] ? 2 : 1),
                         rows[i].good ? CHAIN_OK : CHAIN_NAME_CONSTRAINTS);
    }
    buf_free(&root.der);
}

static void test_many_domains(void **state)
{
    static char text[64][254];
    static const char *domains[64];
    struct issue limits = { .only = domains, .nonly = 64 };
    struct made root = { 0 };

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        memset(text[i], 'a', 253);
        text[i][63] = text[i][127] = text[i][191] = '.';
        domains[i] = text[i];
    }
    make_root(&root, &limits);
    assert_true(buf_len(&root.der) > 64 * 253);
    buf_free(&root.der);
}

static void test_refused(void **state)
{
    static const char *const wrong[] = { "", "192.0.2.1", "::1", "a b", "*.corp.test", "a..b" };
    const char *one[1];
    struct issue what = { .common_name = "x",
                          .only = one,
                          .nonly = 1,
                          .ca = true,
                          .not_before = NOW,
                          .not_after = NOW,
                          .key = root_key,
                          .issuer_key = root_key };
    struct buf der = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        one[0] = wrong[i];
        assert_int_equal(cert_issue(&what, &der, NULL), ERR_ARG);
    }
    one[0] = "corp.test";
    what.ca = false; /* only CAs are held to names */
    assert_int_equal(cert_issue(&what, &der, NULL), ERR_ARG);
    assert_int_equal(buf_len(&der), 0);
    what.ca = true;
    assert_int_equal(cert_issue(&what, &der, NULL), 0);
    buf_free(&der);
}

/* ---- PKCS#12 ---- */

static void test_pkcs12(void **state)
{
    static const char *const names[] = { "a.test" };
    static const char *const passwords[] = { "x", "pass phrase", "p\xc3\xa4ss" };
    struct made root = { 0 }, sub = { 0 }, leaf = { 0 };
    struct span chain[3];

    (void)state;
    make_root(&root, NULL);
    make(&sub, (struct issue){ .common_name = "sub",
                               .ca = true,
                               .key = sub_key,
                               .issuer_key = root_key,
                               .issuer = &root.cert });
    make(&leaf, (struct issue){ .names = names,
                                .nnames = 1,
                                .server = true,
                                .key = leaf_key,
                                .issuer_key = sub_key,
                                .issuer = &sub.cert });
    chain[0] = buf_span(&leaf.der);
    chain[1] = buf_span(&sub.der);
    chain[2] = buf_span(&root.der);
    for (size_t n = 1; n <= 3; n++) {
        for (size_t i = 0; i < sizeof passwords / sizeof *passwords; i++) {
            struct buf p12 = { 0 }, key = { .secret = true }, certs = { 0 };
            struct identity *id = NULL;

            assert_int_equal(pkcs12_save(leaf_key, chain, n, "a.test", passwords[i], &p12), 0);
            assert_int_equal(pkcs12_load(buf_span(&p12), "other", &key, &certs, NULL),
                             ERR_PASSPHRASE);
            assert_int_equal(pkcs12_load(buf_span(&p12), NULL, &key, &certs, NULL), ERR_PASSPHRASE);
            assert_int_equal(pkcs12_load(buf_span(&p12), passwords[i], &key, &certs, NULL), 0);
            assert_int_equal(identity_from_bytes(&id, buf_span(&certs), buf_span(&key), NULL, NULL),
                             0);
            assert_int_equal(id->ncerts, n);
            for (size_t k = 0; k < n; k++) {
                assert_true(span_eq(id->certs[k], chain[k]));
            }
            identity_unref(id);
            buf_free(&p12);
            buf_free(&key);
            buf_free(&certs);
        }
    }
    buf_free(&leaf.der);
    buf_free(&sub.der);
    buf_free(&root.der);
}

static void test_pkcs12_refused(void **state)
{
    struct made root = { 0 };
    struct buf p12 = { 0 };
    struct span chain[2], cut;

    (void)state;
    make_root(&root, NULL);
    chain[0] = chain[1] = buf_span(&root.der);
    cut = span_of(chain[0].p, chain[0].n - 1);
    assert_int_equal(pkcs12_save(root_key, chain, 0, "x", "pass", &p12), ERR_ARG);
    assert_int_equal(pkcs12_save(root_key, chain, 1, "x", "", &p12), ERR_ARG);
    assert_int_equal(pkcs12_save(root_key, chain, 1, "x", NULL, &p12), ERR_ARG);
    assert_int_equal(pkcs12_save(leaf_key, chain, 1, "x", "pass", &p12), ERR_MISMATCH);
    assert_int_equal(pkcs12_save(root_key, &cut, 1, "x", "pass", &p12), ERR_CRYPTO);
    chain[1] = cut;
    assert_int_equal(pkcs12_save(root_key, chain, 2, "x", "pass", &p12), ERR_CRYPTO);
    assert_int_equal(buf_len(&p12), 0);
    assert_int_equal(pkcs12_save(root_key, chain, 1, "x", "pass", &p12), 0);
    buf_free(&p12);
    buf_free(&root.der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_serial),         cmocka_unit_test(test_path_length),
        cmocka_unit_test(test_only),           cmocka_unit_test(test_many_domains),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_pkcs12),
        cmocka_unit_test(test_pkcs12_refused),
    };

    return cmocka_run_group_tests(tests, prepare, finish);
}
