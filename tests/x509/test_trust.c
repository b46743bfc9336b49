/* SPDX-License-Identifier: ISC */
/* Trust anchors from PEM, DER, files, directories and the system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "forge.h"
#include "x509/parts.h"

static struct span root_der(const char *name, int key)
{
    struct forge f = { .subject = name, .issuer = name, .key = key, .by = key, .ca = CA_TRUE };

    return forge_der(&f);
}

static void drop(struct span der)
{
    free((void *)(uintptr_t)der.p);
}

static void from_bytes(void **state)
{
    struct span a = root_der("a", 0), b = root_der("b", 2), a2 = root_der("a", 3);
    struct trust *t = trust_new();
    struct buf pem = { 0 };
    const struct cert *c;
    struct cert parsed;
    struct error err;

    (void)state;
    assert_int_equal(trust_count(t), 0);
    assert_null(trust_find(t, a, 0));
    assert_int_equal(trust_add_pem(t, a, NULL), 1); /* DER */
    assert_int_equal(trust_count(t), 1);
    assert_int_equal(trust_add_pem(t, a, NULL), 1); /* there already */
    assert_int_equal(trust_count(t), 1);

    assert_int_equal(pem_write(&pem, "CERTIFICATE", a), 0);
    assert_int_equal(pem_write(&pem, "CERTIFICATE", span_of("\x30\x00", 2)),
                     0);                                       /* no certificate */
    assert_int_equal(pem_write(&pem, "EC PRIVATE KEY", b), 0); /* of no interest */
    assert_int_equal(pem_write(&pem, "X509 CERTIFICATE", b), 0);
    assert_int_equal(buf_append(&pem, "-----BEGIN CERTIFICATE-----\nbroken\n", 35), 0);
    assert_int_equal(pem_write(&pem, "CERTIFICATE", a2), 0);
    assert_int_equal(trust_add_pem(t, buf_span(&pem), NULL), 3);
    assert_int_equal(trust_count(t), 3);

    assert_int_equal(cert_parse(&parsed, a, NULL), 0);
    c = trust_find(t, parsed.subject, 0);
    assert_non_null(c);
    assert_true(span_eq(c->der, a) && c->der.p != a.p);
    c = trust_find(t, parsed.subject, 1);
    assert_non_null(c);
    assert_true(span_eq(c->der, a2));
    assert_null(trust_find(t, parsed.subject, 2));
    assert_null(trust_find(t, span_of("", 0), 0));

    error_clear(&err);
    assert_int_equal(trust_add_pem(t, span_of("no", 2), &err), ERR_PARSE);
    assert_non_null(strstr(err.text, "not one usable certificate"));
    assert_int_equal(trust_add_pem(t, span_of(NULL, 0), NULL), ERR_PARSE);
    buf_free(&pem);
    assert_int_equal(pem_write(&pem, "PUBLIC KEY", a), 0);
    assert_int_equal(trust_add_pem(t, buf_span(&pem), NULL), ERR_PARSE);
    assert_int_equal(trust_count(t), 3);
    buf_free(&pem);
    trust_unref(trust_ref(t));
    trust_unref(t);
    trust_unref(NULL);
    drop(a);
    drop(b);
    drop(a2);
}

static void count_one(void *ctx, const struct cert *c)
{
    char text[64], want[16];
    int *n = ctx;

    (void)snprintf(want, sizeof want, "CN=r%d", (*n)++);
    assert_string_equal(cert_name_text(c->subject, text, sizeof text), want);
}

/* Many: the table grows, all are found, in order. */
static void many(void **state)
{
    struct trust *t = trust_new();
    int n = 0;

    (void)state;
    for (int i = 0; i < 300; i++) {
        char name[16];
        struct span der;

        (void)snprintf(name, sizeof name, "r%d", i);
        der = root_der(name, 0);
        assert_int_equal(trust_add_pem(t, der, NULL), 1);
        drop(der);
    }
    assert_int_equal(trust_count(t), 300);
    for (int i = 0; i < 300; i++) {
        char name[16];
        struct span der;
        struct cert c;

        (void)snprintf(name, sizeof name, "r%d", i);
        der = root_der(name, 0);
        assert_int_equal(cert_parse(&c, der, NULL), 0);
        assert_non_null(trust_find(t, c.subject, 0));
        assert_null(trust_find(t, c.subject, 1));
        drop(der);
    }
    trust_each(t, count_one, &n);
    assert_int_equal(n, 300);
    trust_unref(t);
}

static void *ask_key(void *arg)
{
    const struct pubkey *key = NULL;

    assert_int_equal(trust_key(arg, &key), 0);
    return (void *)(uintptr_t)key;
}

static void one_key_for_all_threads(void **state)
{
    struct span der = root_der("a", 0);
    struct trust *t = trust_new();
    struct cert c;
    pthread_t threads[8];
    void *keys[8];

    (void)state;
    assert_int_equal(trust_add_pem(t, der, NULL), 1);
    assert_int_equal(cert_parse(&c, der, NULL), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_key,
                                        (void *)(uintptr_t)trust_find(t, c.subject, 0)),
                         0);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], &keys[i]), 0);
        assert_non_null(keys[i]);
        assert_ptr_equal(keys[i], keys[0]);
    }
    trust_unref(t);
    drop(der);
}

static void save(const char *dir, const char *name, struct span bytes)
{
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    assert_int_equal(fclose(f), 0);
}

static void directories_and_files(void **state)
{
    char dir[] = "/tmp/sleeve-trust-XXXXXX", path[128], line[64];
    struct span a = root_der("a", 0), b = root_der("b", 2);
    struct buf pem = { 0 };
    struct trust *t = trust_new();
    struct error err;

    (void)state;
    assert_non_null(mkdtemp(dir));
    error_clear(&err);
    assert_int_equal(trust_add_path(t, dir, &err), ERR_PARSE); /* empty */
    assert_non_null(strstr(err.text, dir));
    save(dir, "text", span_of("nothing", 7));
    assert_int_equal(trust_add_path(t, dir, NULL), ERR_PARSE);

    assert_int_equal(pem_write(&pem, "CERTIFICATE", a), 0);
    save(dir, "a.pem", buf_span(&pem));
    save(dir, "b.der", b);
    (void)snprintf(path, sizeof path, "%s/12345678.0", dir);
    assert_int_equal(symlink("a.pem", path), 0);
    (void)snprintf(path, sizeof path, "%s/broken", dir);
    assert_int_equal(symlink("nowhere", path), 0);
    (void)snprintf(path, sizeof path, "%s/fifo", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof path, "%s/sub", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(trust_add_path(t, dir, NULL), 3);
    assert_int_equal(trust_count(t), 2);

    (void)snprintf(path, sizeof path, "%s/a.pem", dir);
    assert_int_equal(trust_add_path(t, path, NULL), 1);
    (void)snprintf(path, sizeof path, "%s/none", dir);
    error_clear(&err);
    assert_int_equal(trust_add_path(t, path, &err), ERR_FILE);
    assert_non_null(strstr(err.text, path));
    (void)snprintf(path, sizeof path, "%s/text", dir);
    error_clear(&err);
    assert_int_equal(trust_add_path(t, path, &err), ERR_PARSE);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(trust_count(t), 2);
    trust_unref(t);

    /* The system's place can be another one. */
    t = trust_new();
    (void)snprintf(path, sizeof path, "%s/a.pem", dir);
    assert_int_equal(setenv("SSL_CERT_FILE", path, 1), 0);
    assert_int_equal(unsetenv("SSL_CERT_DIR"), 0);
    assert_int_equal(trust_add_system(t, NULL), 1);
    (void)snprintf(path, sizeof path, "/nonexistent::%s", dir);
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
    assert_int_equal(setenv("SSL_CERT_DIR", path, 1), 0);
    assert_int_equal(trust_add_system(t, NULL), 3);
    assert_int_equal(trust_count(t), 2);
    assert_int_equal(setenv("SSL_CERT_DIR", "/nonexistent", 1), 0);
    error_clear(&err);
    assert_int_equal(trust_add_system(t, &err), ERR_PARSE);
    assert_non_null(strstr(err.text, "SSL_CERT_DIR"));
    assert_int_equal(setenv("SSL_CERT_FILE", "/nonexistent", 1), 0);
    assert_int_equal(trust_add_system(t, NULL), ERR_FILE);
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
    assert_int_equal(unsetenv("SSL_CERT_DIR"), 0);
    trust_unref(t);

    buf_free(&pem);
    drop(a);
    drop(b);
    (void)snprintf(line, sizeof line, "rm -r %s", dir);
    assert_int_equal(system(line), 0);
}

/* Every certificate that the system trusts is understood, and its key is one. */
static void check_anchor(void *ctx, const struct cert *c)
{
    const struct pubkey *key;
    char text[128];
    int rc = trust_key(c, &key);

    if (rc < 0 || !(c->version < 3 || (c->has_bc && c->ca)) || c->critical_unknown) {
        fail_msg("%s: %s", cert_name_text(c->subject, text, sizeof text), error_name(rc));
    }
    ++*(int *)ctx;
}

static void the_system(void **state)
{
    struct buf bundle = { 0 };
    struct trust *t;
    int blocks = 0, checked = 0, rc;

    (void)state;
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) < 0) {
        print_message("ca-certificates is not installed\n");
        skip();
    }
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
    assert_int_equal(unsetenv("SSL_CERT_DIR"), 0);
    assert_int_equal(file_read("/etc/ssl/certs/ca-certificates.crt", &bundle, NULL), 0);
    for (size_t i = 0; i + 27 <= buf_len(&bundle); i++) {
        blocks += memcmp(buf_data(&bundle) + i, "-----BEGIN CERTIFICATE-----", 27) == 0;
    }
    t = trust_new();
    rc = trust_add_system(t, NULL);
    assert_int_equal(rc, blocks);
    trust_each(t, check_anchor, &checked);
    assert_int_equal(checked, trust_count(t));
    print_message("%d certificates in the system's bundle, %d distinct\n", blocks, checked);
    trust_unref(t);
    buf_free(&bundle);
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
        cmocka_unit_test(from_bytes),
        cmocka_unit_test(many),
        cmocka_unit_test(one_key_for_all_threads),
        cmocka_unit_test(directories_and_files),
        cmocka_unit_test(the_system),
    };

    return crypto_init() < 0 || cmocka_run_group_tests_name("trust", tests, NULL, done);
}
