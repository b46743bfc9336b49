/* SPDX-License-Identifier: ISC */
/* What reading certificates, CRLs and identities takes from the heap at its worst moment: at most
 * four times what was read, whatever it is (without what libcrypto takes). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chain_case.h"
#include "forge_status.h"
#include "tests/lib/counted.h"

#define BUNDLE  "/etc/ssl/certs/ca-certificates.crt"
#define ENTRIES 100000

static int done(void **state)
{
    (void)state;
    forge_done();
    return 0;
}

/* Ends the account that counted_start() opened. */
static void at_most_four_times(const char *what, size_t input)
{
    size_t peak = counted_peak;

    counted_stop();
    print_message("%s: %zu bytes read, %zu taken at most, %.2f times\n", what, input, peak,
                  (double)peak / (double)input);
    if (peak > 4 * input) {
        fail_msg("%s: more than four times", what);
    }
}

static void a_certificate(void **state)
{
    struct forge f = LEAF("root", 0);
    struct span der = forge_der(&f);
    struct cert c;

    (void)state;
    counted_start();
    assert_int_equal(cert_parse(&c, der, NULL), 0);
    assert_int_equal(counted_peak, 0);
    counted_stop();
    free((void *)(uintptr_t)der.p);
}

static void the_systems_bundle(void **state)
{
    struct trust *t = trust_new();
    struct buf file = { 0 };

    (void)state;
    if (file_read(BUNDLE, &file, NULL) < 0) {
        trust_unref(t);
        skip();
    }
    counted_start();
    assert_true(trust_add_pem(t, buf_span(&file), NULL) > 100);
    at_most_four_times("CA bundle", buf_len(&file));
    counted_start(); /* all of it is there already */
    assert_true(trust_add_pem(t, buf_span(&file), NULL) > 100);
    at_most_four_times("CA bundle again", buf_len(&file));
    buf_free(&file);
    trust_unref(t);
}

/* ---- a large CRL ---- */

static struct span large_crl(void)
{
    size_t room = (size_t)ENTRIES * 32 + 4096, list;
    struct wr w = wr_of(malloc(room), room);

    assert_non_null(w.p);
    (void)forge_key(0);
    der_put_uint32(&w, 1);
    forge_algorithm(&w, &(struct forge){ .by = 0 });
    forge_name(&w, "root");
    der_put_time(&w, NOW - 3600);
    der_put_time(&w, NOW + DAY);
    list = w.len;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        size_t at = w.len;

        der_put_uint32(&w, (i * 2654435761u) | 1); /* odd ones, in no order */
        der_put_time(&w, NOW - DAY);
        der_close(&w, at, DER_SEQUENCE);
    }
    der_close(&w, list, DER_SEQUENCE);
    forge_crl_extensions(&w, &(struct forge_crl){ .issuer = "root" });
    der_close(&w, 0, DER_SEQUENCE);
    forge_signature(&w, 0, 0, ALG_FIT, false);
    der_close(&w, 0, DER_SEQUENCE);
    assert_true(wr_ok(&w));
    return span_of(w.p, w.len);
}

static void a_large_list(void **state)
{
    struct span der = large_crl();
    struct buf pem = { 0 };
    /* One that is not in it, the third that is. */
    struct forge root_f = ROOT(), f[2] = { LEAF("root", 0, .serial = 2000000),
                                           LEAF("root", 0, .serial = 1013904227) };
    struct cert root = forge_cert(&root_f), certs[2];
    struct trust *t = trust_new();

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        certs[i] = forge_cert(&f[i]);
    }
    assert_int_equal(trust_add_pem(t, root.der, NULL), 1);
    assert_int_equal(pem_write(&pem, "X509 CRL", der), 0);
    for (int as_pem = 0; as_pem < 2; as_pem++) {
        struct span bytes = as_pem ? buf_span(&pem) : der;
        struct revocation *r = revocation_new();
        struct chain_query q = {
            .trust = t, .now = NOW, .peer_is_server = true, .revoke = REVOKE_HARD, .revocation = r
        };
        struct chain_result result;

        counted_start();
        assert_int_equal(revocation_add_pem(r, bytes, NULL), 1);
        at_most_four_times(as_pem ? "CRL of 100000, PEM" : "CRL of 100000", bytes.n);
        counted_start();
        assert_int_equal(chain_verify(&q, &certs[0], 1, &result, NULL), 0);
        assert_true(chain_verify(&q, &certs[1], 1, &result, NULL) < 0);
        assert_int_equal(result.verdict, CHAIN_REVOKED);
        assert_true(counted_peak < 4096); /* nothing grows with the list */
        counted_stop();
        revocation_unref(r);
    }
    free((void *)(uintptr_t)certs[0].der.p);
    free((void *)(uintptr_t)certs[1].der.p);
    free((void *)(uintptr_t)root.der.p);
    free((void *)(uintptr_t)der.p);
    buf_free(&pem);
    trust_unref(t);
}

/* ---- the rest ---- */

static void an_identity(void **state)
{
    static const int keys[] = { 1, KEY_R, KEY_P };

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct forge f[2] = { LEAF("i", 2, .key = keys[i]), MID("i", "root", 2, 0) };
        struct buf pem = { 0 };
        struct identity *id = NULL;

        assert_int_equal(privkey_write_pem(forge_key(keys[i]), &pem), 0);
        for (size_t j = 0; j < 2; j++) {
            struct span cert = forge_der(&f[j]);

            assert_int_equal(pem_write(&pem, "CERTIFICATE", cert), 0);
            free((void *)(uintptr_t)cert.p);
        }
        counted_start();
        assert_int_equal(identity_from_bytes(&id, buf_span(&pem), buf_span(&pem), NULL, NULL), 0);
        at_most_four_times("identity", buf_len(&pem));
        identity_unref(id);
        buf_free(&pem);
    }
}

static void a_chain(void **state)
{
    struct forge f[3] = { LEAF("j", 3), MID("j", "i", 3, 2), MID("i", "root", 2, 0) };
    struct forge root_f = ROOT();
    struct cert certs[3], root = forge_cert(&root_f);
    struct trust *t = trust_new();
    struct chain_query q = { .trust = t, .now = NOW, .peer_is_server = true, .host = "a.test" };
    struct chain_result result;
    size_t input = 0;

    (void)state;
    assert_int_equal(trust_add_pem(t, root.der, NULL), 1);
    for (size_t i = 0; i < 3; i++) {
        certs[i] = forge_cert(&f[i]);
        input += certs[i].der.n;
    }
    counted_start();
    assert_int_equal(chain_verify(&q, certs, 3, &result, NULL), 0);
    at_most_four_times("chain of three", input);
    for (size_t i = 0; i < 3; i++) {
        free((void *)(uintptr_t)certs[i].der.p);
    }
    free((void *)(uintptr_t)root.der.p);
    trust_unref(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate), cmocka_unit_test(the_systems_bundle),
        cmocka_unit_test(a_large_list),  cmocka_unit_test(an_identity),
        cmocka_unit_test(a_chain),
    };

    return cmocka_run_group_tests_name("memory", tests, NULL, done);
}
