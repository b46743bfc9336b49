/* SPDX-License-Identifier: ISC */
/* Certificates with their key, and certificates made by cert_issue(). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "forge.h"

static void drop(struct span der)
{
    free((void *)(uintptr_t)der.p);
}

static const struct forge leaf_form = {
    .subject = "leaf", .issuer = "i", .key = 1, .by = 2, .names = "a.test"
};
static const struct forge mid_form = {
    .subject = "i", .issuer = "root", .key = 2, .by = 0, .ca = CA_TRUE
};

static void add_key(struct buf *b, int key)
{
    assert_int_equal(privkey_write_pem(forge_key(key), b), 0);
}

static void from_bytes(void **state)
{
    struct span leaf = forge_der(&leaf_form), mid = forge_der(&mid_form);

    (void)state;
    /* leaf first, leaf last; key apart, in front, between, behind; parameters in front of the key
     */
    for (unsigned form = 0; form < 12; form++) {
        bool leaf_last = form % 2;
        unsigned where = form / 2;
        struct buf certs = { 0 }, key = { 0 };
        struct identity *id = NULL;
        struct error err;

        error_clear(&err);
        if (where == 4) {
            assert_int_equal(pem_write(&key, "EC PARAMETERS", span_of("\x06\x01\x2a", 3)), 0);
        }
        if (where == 0 || where == 4) {
            add_key(&key, 1);
        }
        if (where == 1) {
            add_key(&certs, 1);
        }
        assert_int_equal(pem_write(&certs, "CERTIFICATE", leaf_last ? mid : leaf), 0);
        if (where == 2 || where == 5) {
            add_key(&certs, 1);
        }
        assert_int_equal(pem_write(&certs, "CERTIFICATE", leaf_last ? leaf : mid), 0);
        if (where == 3) {
            add_key(&certs, 1);
        }
        if (where == 5) {
            assert_int_equal(pem_write(&certs, "CERTIFICATE", mid), 0);
        }
        assert_int_equal(identity_from_bytes(&id, buf_span(&certs), buf_span(&key), NULL, &err), 0);
        assert_int_equal(err.code, 0);
        assert_int_equal(id->ncerts, where == 5 ? 3 : 2);
        assert_true(span_eq(id->certs[0], leaf));
        assert_true(span_eq(id->certs[1], mid));
        assert_ptr_equal(id->leaf.der.p, id->certs[0].p);
        assert_int_equal(privkey_type(id->key), KEY_EC_P256);
        buf_free(&certs); /* nothing points into it */
        buf_free(&key);
        assert_int_equal(cert_match_host(&id->leaf, "a.test", NULL), 0);
        assert_ptr_equal(identity_ref(id), id);
        identity_unref(id);
        identity_unref(id);
    }
    identity_unref(NULL);
    drop(leaf);
    drop(mid);
}

static void expect(struct buf *certs, struct buf *key, const char *pass, int code, const char *why)
{
    struct identity *id = (struct identity *)1;
    struct error err;

    error_clear(&err);
    assert_int_equal(identity_from_bytes(&id, buf_span(certs), buf_span(key), pass, &err), code);
    assert_null(id);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, why)) {
        fail_msg("\"%s\" instead of \"%s\"", err.text, why);
    }
    buf_free(certs);
    buf_free(key);
}

static void refused(void **state)
{
    struct span leaf = forge_der(&leaf_form);
    struct buf certs = { 0 }, key = { 0 };

    (void)state;
    add_key(&key, 1);
    expect(&certs, &key, NULL, ERR_PARSE, "no certificate");

    add_key(&certs, 1);
    expect(&certs, &key, NULL, ERR_PARSE, "no certificate");

    assert_int_equal(pem_write(&certs, "CERTIFICATE", leaf), 0);
    expect(&certs, &key, NULL, ERR_PARSE, "no private key");

    assert_int_equal(pem_write(&certs, "CERTIFICATE", leaf), 0);
    add_key(&key, 2);
    expect(&certs, &key, NULL, ERR_MISMATCH, "does not belong to the certificate CN=leaf");

    assert_int_equal(pem_write(&certs, "CERTIFICATE", leaf), 0);
    add_key(&key, KEY_R);
    expect(&certs, &key, NULL, ERR_MISMATCH, "does not belong");

    assert_int_equal(pem_write(&certs, "CERTIFICATE", span_of("\x30\x00", 2)), 0);
    add_key(&key, 1);
    expect(&certs, &key, NULL, ERR_PARSE, "not a certificate");

    assert_int_equal(
        buf_append(&certs, "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", 56), 0);
    add_key(&key, 1);
    expect(&certs, &key, NULL, ERR_PARSE, "block 1 is malformed");

    assert_int_equal(pem_write(&certs, "CERTIFICATE", leaf), 0);
    assert_int_equal(
        buf_append(&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 59), 0);
    expect(&certs, &key, NULL, ERR_PARSE, "key");

    /* ten are taken, eleven are not */
    for (int n = 10; n <= 11; n++) {
        struct identity *id;

        for (int i = 0; i < n; i++) {
            assert_int_equal(pem_write(&certs, "CERTIFICATE", leaf), 0);
        }
        add_key(&key, 1);
        if (n == 11) {
            expect(&certs, &key, NULL, ERR_LIMIT, "more than 10");
        } else {
            assert_int_equal(identity_from_bytes(&id, buf_span(&certs), buf_span(&key), NULL, NULL),
                             0);
            assert_int_equal(id->ncerts, 10);
            identity_unref(id);
            buf_free(&certs);
            buf_free(&key);
        }
    }
    drop(leaf);
}

static void write_file(const char *path, struct buf *b)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(buf_data(b), 1, buf_len(b), f), buf_len(b));
    assert_int_equal(fclose(f), 0);
}

static void from_files(void **state)
{
    struct span leaf = forge_der(&leaf_form);
    char dir[] = "/tmp/sleeve-id-XXXXXX", both[64], cert[64], der[64], key[64], none[64];
    struct buf b = { 0 };
    struct identity *id;
    struct error err;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(both, sizeof both, "%s/both", dir);
    (void)snprintf(cert, sizeof cert, "%s/cert", dir);
    (void)snprintf(der, sizeof der, "%s/der", dir);
    (void)snprintf(key, sizeof key, "%s/key", dir);
    (void)snprintf(none, sizeof none, "%s/none", dir);
    assert_int_equal(pem_write(&b, "CERTIFICATE", leaf), 0);
    write_file(cert, &b);
    add_key(&b, 1);
    write_file(both, &b);
    buf_free(&b);
    add_key(&b, 1);
    write_file(key, &b);
    buf_free(&b);
    assert_int_equal(buf_append(&b, leaf.p, leaf.n), 0);
    write_file(der, &b);
    buf_free(&b);

    error_clear(&err);
    assert_int_equal(identity_from_files(&id, cert, key, NULL, &err), 0);
    identity_unref(id);
    assert_int_equal(identity_from_files(&id, der, key, NULL, &err), 0);
    identity_unref(id);
    assert_int_equal(identity_from_files(&id, both, NULL, NULL, &err), 0);
    identity_unref(id);
    assert_int_equal(identity_from_files(&id, both, both, NULL, &err), 0);
    identity_unref(id);
    assert_int_equal(identity_from_files(&id, cert, both, NULL, &err), 0);
    identity_unref(id);
    assert_int_equal(err.code, 0);

    assert_int_equal(identity_from_files(&id, cert, NULL, NULL, &err), ERR_PARSE);
    assert_non_null(strstr(err.text, cert));
    assert_non_null(strstr(err.text, "no private key"));
    error_clear(&err);
    assert_int_equal(identity_from_files(&id, none, key, NULL, &err), ERR_FILE);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(err.text, none));
    error_clear(&err);
    assert_int_equal(identity_from_files(&id, cert, none, NULL, &err), ERR_FILE);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(err.text, none));
    assert_null(id);

    assert_int_equal(unlink(both) | unlink(cert) | unlink(der) | unlink(key) | rmdir(dir), 0);
    drop(leaf);
}

/* ---- threat 37: the n-th allocation fails, for every n ---- */

static int allocations_left;

static void *failing_alloc(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void threat_37_out_of_memory(void **state)
{
    struct span leaf = forge_der(&leaf_form), mid = forge_der(&mid_form);
    struct buf certs = { 0 };
    struct mem_hooks usual = mem_hooks;
    int rc = ERR_MEM, n;

    (void)state;
    assert_int_equal(pem_write(&certs, "CERTIFICATE", leaf), 0);
    assert_int_equal(pem_write(&certs, "CERTIFICATE", mid), 0);
    add_key(&certs, 1);
    for (n = 0; rc < 0 && n < 1000; n++) {
        struct identity *id = NULL;

        allocations_left = n;
        mem_hooks.alloc = failing_alloc;
        rc = identity_from_bytes(&id, buf_span(&certs), span_of(NULL, 0), NULL, NULL);
        mem_hooks = usual;
        assert_int_equal(rc == 0, id != NULL);
        assert_true(rc == 0 || rc == ERR_MEM || rc == ERR_CRYPTO);
        identity_unref(id);
    }
    assert_true(n > 3 && n < 1000);
    rc = ERR_MEM;
    for (n = 0; rc < 0 && n < 1000; n++) {
        struct trust *t;

        allocations_left = n;
        mem_hooks.alloc = failing_alloc;
        t = trust_new();
        rc = t ? trust_add_pem(t, buf_span(&certs), NULL) : ERR_MEM;
        mem_hooks = usual;
        assert_true(rc == 2 || rc == ERR_MEM);
        trust_unref(t);
    }
    assert_true(n > 3 && n < 1000);
    rc = ERR_MEM;
    for (n = 0; rc < 0 && n < 1000; n++) {
        struct forge root_form = { .subject = "root", .issuer = "root", .ca = CA_TRUE };
        struct cert sent[2], root = forge_cert(&root_form);
        struct trust *t = trust_new();
        struct chain_result v;

        assert_int_equal(cert_parse(&sent[0], leaf, NULL) | cert_parse(&sent[1], mid, NULL), 0);
        assert_int_equal(trust_add_pem(t, root.der, NULL), 1);
        allocations_left = n;
        mem_hooks.alloc = failing_alloc;
        rc = chain_verify(&(struct chain_query){ .trust = t, .now = NOW, .peer_is_server = true },
                          sent, 2, &v, NULL);
        mem_hooks = usual;
        assert_int_equal(rc == 0, v.verdict == CHAIN_OK);
        assert_true(rc == 0 || rc == ERR_MEM || rc == ERR_CRYPTO);
        trust_unref(t);
        drop(root.der);
    }
    assert_true(n > 1 && n < 1000);
    buf_free(&certs);
    drop(leaf);
    drop(mid);
}

/* ---- cert_issue ---- */

static int issue(const struct issue *what, struct cert *c, struct buf *der, struct error *err)
{
    int rc = cert_issue(what, der, err);

    if (rc == 0) {
        assert_int_equal(cert_parse(c, buf_span(der), NULL), 0);
    }
    return rc;
}

static void issued(void **state)
{
    static const char *const names[] = { "a.test", "*.b.test", "192.0.2.1", "2001:db8::1",
                                         "_x.test" };
    static const int keys[] = { 0, KEY_P, KEY_D, KEY_R };

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct privkey *ca_key = forge_key(keys[i]);
        struct issue root_form = { .common_name = "Some CA",
                                   .ca = true,
                                   .not_before = NOW - DAY,
                                   .not_after = NOW + 100 * YEAR,
                                   .key = ca_key,
                                   .issuer_key = ca_key };
        struct buf a = { 0 }, b = { 0 }, again = { 0 };
        struct cert root, leaf, other;
        struct issue form = { .common_name = "me",
                              .names = names,
                              .nnames = 5,
                              .server = true,
                              .not_before = NOW - DAY,
                              .not_after = NOW + DAY,
                              .key = forge_key(1),
                              .issuer_key = ca_key,
                              .issuer = &root };
        struct trust *t = trust_new();
        struct chain_query q = { .trust = t, .now = NOW, .peer_is_server = true };
        struct chain_result v;

        assert_int_equal(issue(&root_form, &root, &a, NULL), 0);
        assert_true(root.version == 3 && root.self_issued && root.has_bc && root.ca &&
                    root.path_len == -1);
        assert_int_equal(root.ku, KU_CERT_SIGN | KU_CRL_SIGN);
        assert_false(root.has_eku || root.has_san || root.critical_unknown);
        assert_int_equal(root.ski.n, 20);
        assert_true(span_eq(root.ski, root.aki));
        assert_int_equal(root.not_after, NOW + 100 * YEAR);

        assert_int_equal(issue(&form, &leaf, &b, NULL), 0);
        assert_true(span_eq(leaf.issuer, root.subject) && span_eq(leaf.aki, root.ski));
        assert_false(span_eq(leaf.ski, root.ski));
        assert_true(leaf.has_bc && !leaf.ca && leaf.ku == KU_DIGITAL_SIGNATURE &&
                    leaf.eku == EKU_SERVER);
        assert_int_equal(leaf.serial.n, 17);
        assert_int_equal(leaf.serial.p[0], 1);
        assert_int_equal(trust_add_pem(t, root.der, NULL), 1);
        for (size_t j = 0; j < 5; j++) {
            q.host = j == 1 ? "x.b.test" : names[j];
            assert_int_equal(chain_verify(&q, &leaf, 1, &v, NULL), 0);
        }
        q.peer_is_server = false;
        assert_int_equal(chain_verify(&q, &leaf, 1, &v, NULL),
                         TLS_ALERT(ALERT_UNSUPPORTED_CERTIFICATE));

        /* Another serial number each time. */
        assert_int_equal(issue(&form, &other, &again, NULL), 0);
        assert_false(span_eq(leaf.serial, other.serial));
        buf_free(&again);

        /* A client without names, a server without a common name. */
        form.server = false;
        form.client = true;
        form.nnames = 0;
        assert_int_equal(issue(&form, &other, &again, NULL), 0);
        assert_true(other.eku == EKU_CLIENT && !other.has_san);
        q.host = NULL;
        assert_int_equal(chain_verify(&q, &other, 1, &v, NULL), 0);
        buf_free(&again);
        form.common_name = NULL;
        form.nnames = 1;
        assert_int_equal(issue(&form, &other, &again, NULL), 0);
        assert_int_equal(other.subject.n, 2);
        assert_non_null(memmem(other.der.p, other.der.n, "\x06\x03\x55\x1d\x11\x01\x01\xff", 8));
        assert_null(memmem(leaf.der.p, leaf.der.n, "\x06\x03\x55\x1d\x11\x01\x01\xff", 8));
        assert_int_equal(cert_match_host(&other, "a.test", NULL), 0);
        buf_free(&again);

        trust_unref(t);
        buf_free(&a);
        buf_free(&b);
    }
}

static void issue_refuses(void **state)
{
    static const char *const bad_names[] = { "",          "a b",     "*",
                                             "a.*.test",  "a.test.", "b\xc3\xbc.test",
                                             "*.1.2.3.4", "*.::1",   "-a.test",
                                             "10.1" };
    static char cn64[] = "1234567890123456789012345678901234567890123456789012345678901234";
    static char cn65[] = "12345678901234567890123456789012345678901234567890123456789012345";
    struct issue good = { .common_name = "me",
                          .not_before = NOW,
                          .not_after = NOW + DAY,
                          .key = forge_key(1),
                          .issuer_key = forge_key(1) };
    struct buf der = { 0 };
    struct issue f;
    struct cert c;

    (void)state;
    assert_int_equal(issue(&good, &c, &der, NULL), 0);
    buf_free(&der);
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        f = good;
        f.names = &bad_names[i];
        f.nnames = 1;
        assert_int_equal(issue(&f, &c, &der, NULL), ERR_ARG);
        assert_int_equal(buf_len(&der), 0);
    }
    f = good;
    f.common_name = cn64;
    assert_int_equal(issue(&f, &c, &der, NULL), 0);
    buf_free(&der);
    f.common_name = cn65;
    assert_int_equal(issue(&f, &c, &der, NULL), ERR_ARG);
    f.common_name = "new\nline";
    assert_int_equal(issue(&f, &c, &der, NULL), ERR_ARG);
    f.common_name = "";
    assert_int_equal(issue(&f, &c, &der, NULL), ERR_ARG); /* nobody */
    f = good;
    f.not_after = f.not_before - 1;
    assert_int_equal(issue(&f, &c, &der, NULL), ERR_ARG);
    f.not_after = INT64_C(253402300800);
    assert_int_equal(issue(&f, &c, &der, NULL), ERR_ARG);
    f = good;
    f.issuer_key = forge_key(2); /* not its own key, and no issuer */
    assert_int_equal(issue(&f, &c, &der, NULL), ERR_ARG);
    f.issuer_key = NULL;
    assert_int_equal(issue(&f, &c, &der, NULL), ERR_ARG);
    buf_free(&der);
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
        cmocka_unit_test(from_bytes), cmocka_unit_test(refused),
        cmocka_unit_test(from_files), cmocka_unit_test(threat_37_out_of_memory),
        cmocka_unit_test(issued),     cmocka_unit_test(issue_refuses),
    };

    return cmocka_run_group_tests_name("identity", tests, NULL, done);
}
