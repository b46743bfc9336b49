/* SPDX-License-Identifier: ISC */
/* Keys, certificate callbacks and client authentication through the guide's API; sharing keys
 * between threads; every allocation failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <pthread.h>
#include <cmocka.h>

#include "base/mem.h"
#include "matrixssl.h"
#include "tests/lib/guide.h"

static struct cred other_ca, expired;

/* ---- what the callback saw, and what it is to say ---- */
static struct {
    int called;
    int32 alert, answer;
    ssl_t *ssl;
    char text[1024];
    int chain;
} cb;

static void describe(const psX509Cert_t *c)
{
    size_t n = 0;

    n += (size_t)snprintf(cb.text, sizeof cb.text,
                          "%s/%s auth=%d ca=%d v%d type=%d %zu-%zu serial=%d",
                          c->subject.commonName, c->issuer.commonName, c->authStatus,
                          c->extensions.bc.cA, c->version, c->timeType, strlen(c->notBefore),
                          strlen(c->notAfter), c->serialNumberLen > 0 && c->serialNumber != NULL);
    for (const x509GeneralName_t *g = c->extensions.san; g; g = g->next) {
        n += (size_t)snprintf(cb.text + n, sizeof cb.text - n, " %d:%s:%d", g->id, g->name,
                              g->dataLen);
        if (g->id == 2) {
            n += (size_t)snprintf(cb.text + n, sizeof cb.text - n, "=%s", (const char *)g->data);
        }
    }
}

static int32 cert_cb(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    cb.called++;
    cb.alert = alert;
    cb.ssl = ssl;
    cb.chain = 0;
    assert_non_null(cert);
    describe(cert);
    for (; cert; cert = cert->next) {
        cb.chain++;
        assert_true(cert->binLen > 0 && cert->unparsedBin[0] == 0x30);
    }
    return cb.answer;
}

static int32 follow_verdict(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)cert_cb(ssl, cert, alert);
    return alert;
}

static void begin(const struct cred *server, const struct cred *trusted, sslCertCb_t client_cb,
                  sslCertCb_t server_cb, const struct cred *client, const struct cred *client_ca)
{
    memset(&cb, 0, sizeof cb);
    cl.keys = guide_keys(client, trusted);
    sv.keys = guide_keys(server, client_ca);
    assert_int_equal(matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, 0, client_cb, NULL, NULL),
                     1);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, server_cb), 0);
}

static void test_callback_matrix(void **state)
{
    static const struct {
        const struct cred *server, *trusted;
        int32 alert_in, answer;
        int alert_out; /* -1: connected */
    } row[] = {
        { &server_cred, &ca, 0, 0, -1 },
        { &server_cred, &ca, 0, SSL_ALLOW_ANON_CONNECTION, -1 },
        { &server_cred, &ca, 0, SSL_ALERT_ACCESS_DENIED, SSL_ALERT_ACCESS_DENIED },
        { &server_cred, &ca, 0, SSL_ALERT_CERTIFICATE_UNKNOWN, SSL_ALERT_CERTIFICATE_UNKNOWN },
        { &server_cred, &ca, 0, -1, SSL_ALERT_INTERNAL_ERROR },
        { &server_cred, &ca, 0, 255, SSL_ALERT_INTERNAL_ERROR },
        { &server_cred, &other_ca, SSL_ALERT_UNKNOWN_CA, 0, -1 }, /* the application knows better */
        { &server_cred, &other_ca, SSL_ALERT_UNKNOWN_CA, SSL_ALERT_UNKNOWN_CA,
          SSL_ALERT_UNKNOWN_CA },
        { &server_cred, NULL, SSL_ALERT_UNKNOWN_CA, 0, -1 },
        { &expired, &ca, SSL_ALERT_CERTIFICATE_EXPIRED, 0, -1 },
        { &expired, &ca, SSL_ALERT_CERTIFICATE_EXPIRED, SSL_ALERT_CERTIFICATE_EXPIRED,
          SSL_ALERT_CERTIFICATE_EXPIRED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        begin(row[i].server, row[i].trusted, cert_cb, NULL, NULL, NULL);
        cb.answer = row[i].answer;
        carry(&cl, &sv, 65536);
        assert_int_equal(cb.called, 1);
        assert_ptr_equal(cb.ssl, cl.ssl);
        assert_int_equal(cb.alert, row[i].alert_in);
        assert_int_equal(cl.complete, row[i].alert_out < 0);
        assert_int_equal(sv.alert, row[i].alert_out);
        assert_int_equal(cl.closed, row[i].alert_out >= 0);
        guide_end();
    }
}

static void test_verdict_decides_without_callback(void **state)
{
    static const struct {
        const struct cred *server, *trusted;
        int alert;
    } row[] = { { &server_cred, &ca, -1 },
                { &server_cred, &other_ca, SSL_ALERT_UNKNOWN_CA },
                { &server_cred, NULL, SSL_ALERT_UNKNOWN_CA },
                { &expired, &ca, SSL_ALERT_CERTIFICATE_EXPIRED } };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        begin(row[i].server, row[i].trusted, NULL, NULL, NULL, NULL);
        carry(&cl, &sv, 65536);
        assert_int_equal(sv.alert, row[i].alert);
        assert_int_equal(cl.complete, row[i].alert < 0);
        assert_int_equal(sv.complete, row[i].alert < 0);
        guide_end();
    }
}

static void test_name_reaches_callback(void **state)
{
    (void)state;
    begin(&server_cred, &ca, follow_verdict, NULL, NULL, NULL);
    assert_int_equal(matrixSslSetExpectedName(cl.ssl, "elsewhere.test"), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    assert_int_equal(cb.alert, SSL_ALERT_BAD_CERTIFICATE);
    assert_int_equal(sv.alert, SSL_ALERT_BAD_CERTIFICATE);
    guide_end();
}

/* Threat 32. */
static void test_expected_name(void **state)
{
    static const struct {
        const char *name;
        int ok;
    } row[] = { { "server.test", 1 }, { "SERVER.test", 1 }, { "127.0.0.1", 1 },
                { "other.test", 0 },  { "127.0.0.2", 0 },   { "test", 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        begin(&server_cred, &ca, NULL, NULL, NULL, NULL);
        assert_int_equal(matrixSslSetExpectedName(cl.ssl, "first.test"), PS_SUCCESS);
        assert_int_equal(matrixSslSetExpectedName(cl.ssl, "bad name"), PS_ARG_FAIL);
        assert_int_equal(matrixSslSetExpectedName(cl.ssl, NULL), PS_ARG_FAIL);
        assert_int_equal(matrixSslSetExpectedName(sv.ssl, row[i].name), PS_ARG_FAIL);
        assert_int_equal(matrixSslSetExpectedName(cl.ssl, row[i].name), PS_SUCCESS);
        carry(&cl, &sv, 65536);
        assert_int_equal(cl.complete, row[i].ok);
        assert_int_equal(sv.alert, row[i].ok ? -1 : SSL_ALERT_BAD_CERTIFICATE);
        assert_int_equal(matrixSslSetExpectedName(cl.ssl, "server.test"), PS_FAILURE);
        guide_end();
    }
}

static void test_certificate_fields(void **state)
{
    (void)state;
    begin(&server_cred, &ca, cert_cb, NULL, NULL, NULL);
    carry(&cl, &sv, 65536);
    assert_string_equal(cb.text, "server/Test CA auth=1 ca=0 v3 type=23 13-13 serial=1 "
                                 "2:DNS:11=server.test 2:DNS:10=alias.test 7:IP:4");
    assert_int_equal(cb.chain, 1);
    guide_end();
    begin(&server_cred, &other_ca, cert_cb, NULL, NULL, NULL);
    carry(&cl, &sv, 65536);
    assert_non_null(strstr(cb.text, "auth=-33"));
    guide_end();
}

/* Names and dates that no honest issuer makes. */
static void test_odd_fields(void **state)
{
    static const uint8_t name[] = "\x30\x36\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02"
                                  "DE\x31\x19\x30\x0b\x06\x03\x55\x04\x03\x0c\x04"
                                  "a\0bc\x30\x0a\x06\x03\x55\x04\x03\x0c\x03"
                                  "two\x31\x0c\x30\x0a\x06\x03\x55\x04\x0b\x0c\x03"
                                  "Dep";
    struct cert c = server_cred.cert;
    struct cert_memory *memory;
    const psX509Cert_t *seen;

    (void)state;
    c.subject = span_of(name, sizeof name - 1);
    c.not_after = INT64_C(253402300799); /* 99991231235959Z */
    seen = matrixssl_certs(&c, 1, ALERT_BAD_CERTIFICATE, &memory);
    assert_non_null(seen);
    assert_string_equal(seen->subject.commonName, "a?bc"); /* the first, no shorter than it is */
    assert_string_equal(seen->subject.country, "DE");
    assert_string_equal(seen->subject.orgUnit, "Dep");
    assert_null(seen->subject.locality);
    assert_int_equal(seen->timeType, ASN_GENERALIZEDTIME);
    assert_string_equal(seen->notAfter, "99991231235959Z");
    assert_int_equal(strlen(seen->notBefore), 15);
    assert_int_equal(seen->authStatus, PS_CERT_AUTH_FAIL);
    matrixssl_certs_free(memory);
    for (size_t n = 0; n < sizeof name - 1;
         n++) { /* cut anywhere: no chain rather than half a name */
        c.subject = span_of(name, n);
        assert_null(matrixssl_certs(&c, 1, 0, &memory));
        assert_null(memory);
    }
}

/* Server and issuer in one list: `next` leads from the leaf to its issuer. */
static void test_presented_chain(void **state)
{
    struct buf pem = { 0 };

    (void)state;
    side_init(&cl);
    side_init(&sv);
    memset(&cb, 0, sizeof cb);
    assert_int_equal(buf_append(&pem, buf_data(&server_cred.pem), buf_len(&server_cred.pem)), 0);
    assert_int_equal(buf_append(&pem, buf_data(&ca.pem), buf_len(&ca.pem)), 0);
    cl.keys = guide_keys(NULL, &ca);
    sv.keys = guide_keys(NULL, NULL);
    assert_int_equal(matrixSslLoadRsaKeysMem(sv.keys, buf_data(&pem), (int32)buf_len(&pem),
                                             buf_data(&server_cred.key_pem),
                                             (int32)buf_len(&server_cred.key_pem), NULL, 0),
                     PS_SUCCESS);
    assert_int_equal(matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, 0, cert_cb, NULL, NULL), 1);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), 0);
    carry(&cl, &sv, 65536);
    assert_int_equal(cb.chain, 2);
    assert_int_equal(cl.complete, 1);
    buf_free(&pem);
    guide_end();
}

/* ---- client authentication ---- */
static void test_client_authentication(void **state)
{
    static const struct {
        const struct cred *client, *client_ca;
        int32 answer;
        int called;
        int32 alert_in;
        int alert_out;
    } row[] = {
        { &client_cred, &ca, 0, 1, 0, -1 },
        { &client_cred, &ca, SSL_ALERT_ACCESS_DENIED, 1, 0, SSL_ALERT_ACCESS_DENIED },
        { &client_cred, &other_ca, 0, 1, SSL_ALERT_UNKNOWN_CA, -1 },
        { &client_cred, &other_ca, SSL_ALERT_UNKNOWN_CA, 1, SSL_ALERT_UNKNOWN_CA,
          SSL_ALERT_UNKNOWN_CA },
        { NULL, &ca, 0, 0, 0, SSL_ALERT_CERTIFICATE_REQUIRED }, /* threat 3 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        begin(&server_cred, &ca, NULL, cert_cb, row[i].client, row[i].client_ca);
        cb.answer = row[i].answer;
        carry(&cl, &sv, i % 2 ? 1 : 65536);
        assert_int_equal(cb.called, row[i].called);
        assert_int_equal(cb.alert, row[i].alert_in);
        assert_int_equal(sv.complete, row[i].alert_out < 0);
        assert_int_equal(cl.alert, row[i].alert_out);
        if (cb.called) {
            assert_non_null(strstr(cb.text, "client/Test CA"));
        }
        guide_end();
    }
    /* Without a callback nobody asks. */
    begin(&server_cred, &ca, NULL, NULL, &client_cred, &ca);
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.complete, 1);
    guide_end();
}

/* ---- loading ---- */
static void write_file(const char *path, const struct buf *a, const struct buf *b)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(buf_data(a), 1, buf_len(a), f), buf_len(a));
    if (b) {
        assert_int_equal(fwrite(buf_data(b), 1, buf_len(b), f), buf_len(b));
    }
    assert_int_equal(fclose(f), 0);
}

static void test_load_files(void **state)
{
    char dir[200], list[256];
    sslKeys_t *k;

    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/guide-XXXXXX",
                   getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    write_file("server.pem", &server_cred.pem, NULL);
    write_file("server.key", &server_cred.key_pem, NULL);
    write_file("both.pem", &server_cred.pem, &server_cred.key_pem);
    write_file("ca.pem", &ca.pem, NULL);
    write_file("ca.der", &ca.der, NULL);
    write_file("other.key", &client_cred.key_pem, NULL);
    write_file("cut.pem", &(struct buf){ .mem = server_cred.pem.mem, .end = 100 }, NULL);

    k = guide_keys(NULL, NULL);
    assert_int_equal(matrixSslLoadRsaKeys(NULL, NULL, NULL, NULL, "ca.pem"), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, NULL, NULL, NULL, NULL), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, NULL, "server.key", NULL, "ca.pem"), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, "nowhere.pem", "server.key", NULL, NULL),
                     PS_PLATFORM_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, "server.pem", "nowhere.key", NULL, NULL),
                     PS_PLATFORM_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, NULL, NULL, NULL, "nowhere.pem"), PS_PLATFORM_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, "cut.pem", "server.key", NULL, NULL), PS_PARSE_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, "server.pem", "cut.pem", NULL, NULL), PS_PARSE_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, NULL, NULL, NULL, "server.key"), PS_PARSE_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, "server.pem", "other.key", NULL, NULL),
                     PS_CERT_AUTH_FAIL);
    assert_int_equal(matrixSslLoadRsaKeys(k, "server.pem", "server.key", NULL, "ca.pem;ca.der"),
                     PS_SUCCESS);
    assert_int_equal(matrixSslLoadRsaKeys(k, "both.pem", NULL, NULL, NULL), PS_SUCCESS);
    matrixSslDeleteKeys(k);

    side_init(&cl);
    side_init(&sv);
    cl.keys = guide_keys(NULL, NULL);
    sv.keys = guide_keys(NULL, NULL);
    (void)snprintf(list, sizeof list, ";%s/ca.der;", dir);
    assert_int_equal(matrixSslLoadRsaKeys(cl.keys, NULL, NULL, NULL, list), PS_SUCCESS);
    assert_int_equal(matrixSslLoadRsaKeys(sv.keys, "server.pem;ca.der", "server.key", NULL, NULL),
                     PS_SUCCESS);
    assert_int_equal(matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, 0, NULL, NULL, NULL), 1);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), 0);
    assert_int_equal(matrixSslLoadRsaKeys(cl.keys, NULL, NULL, NULL, "ca.pem"),
                     PS_FAILURE); /* in use */
    matrixSslDeleteKeys(cl.keys); /* sessions keep what they need */
    cl.keys = NULL;
    carry(&cl, &sv, 65536);
    assert_int_equal(cl.complete, 1);
    guide_end();
    for (const char *const *f =
             (const char *const[]){ "server.pem", "server.key", "both.pem", "ca.pem", "ca.der",
                                    "other.key", "cut.pem", NULL };
         *f; f++) {
        assert_int_equal(unlink(*f), 0);
    }
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_load_memory(void **state)
{
    sslKeys_t *k = guide_keys(NULL, NULL);
    unsigned char junk[] = "0\x82\x01\x01junk";

    (void)state;
    assert_int_equal(matrixSslLoadRsaKeysMem(k, NULL, 0, NULL, 0, NULL, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadRsaKeysMem(NULL, junk, 5, junk, 5, NULL, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadRsaKeysMem(k, junk, 5, NULL, 0, NULL, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadRsaKeysMem(k, junk, -1, junk, 5, NULL, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadRsaKeysMem(k, NULL, 0, NULL, 0, junk, 8), PS_PARSE_FAIL);
    assert_int_equal(matrixSslLoadRsaKeysMem(k, junk, 8, junk, 8, NULL, 0), PS_PARSE_FAIL);
    assert_int_equal(matrixSslLoadRsaKeysMem(k, buf_data(&server_cred.der),
                                             (int32)buf_len(&server_cred.der),
                                             buf_data(&server_cred.key_pem),
                                             (int32)buf_len(&server_cred.key_pem), junk, 8),
                     PS_PARSE_FAIL); /* all of it or nothing */
    assert_int_equal(k->nidentities, 0);
    assert_int_equal(matrixSslLoadRsaKeysMem(
                         k, buf_data(&server_cred.der), (int32)buf_len(&server_cred.der),
                         buf_data(&server_cred.key_pem), (int32)buf_len(&server_cred.key_pem),
                         buf_data(&ca.der), (int32)buf_len(&ca.der)),
                     PS_SUCCESS);
    matrixSslDeleteKeys(k);
}

/* ---- threads and memory ---- */
static void *handshakes(void *arg)
{
    struct side *keys = arg, a, b;

    for (int i = 0; i < 20; i++) {
        static _Thread_local unsigned char wire[8192];
        size_t n;

        side_init(&a);
        side_init(&b);
        if (matrixSslNewClientSession(&a.ssl, keys[0].keys, NULL, 0, NULL, NULL, NULL) != 1 ||
            matrixSslNewServerSession(&b.ssl, keys[1].keys, NULL) != 0) {
            return arg;
        }
        do {
            n = side_take(&a, wire, sizeof wire);
            side_give(&b, wire, n);
            n += side_take(&b, wire, sizeof wire);
            side_give(&a, wire, n);
        } while (n && !(a.complete && b.complete));
        n = (size_t)(a.complete + b.complete);
        side_free(&a);
        side_free(&b);
        if (n != 2) {
            return arg;
        }
    }
    return NULL;
}

static void test_threads_share_keys(void **state)
{
    struct side keys[2] = { { .keys = guide_keys(NULL, &ca) },
                            { .keys = guide_keys(&server_cred, NULL) } };
    pthread_t t[3];
    void *failed;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, handshakes, keys), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    matrixSslDeleteKeys(keys[0].keys);
    matrixSslDeleteKeys(keys[1].keys);
}

static long fail_in = -1;

static void *failing_alloc(size_t n)
{
    return fail_in >= 0 && fail_in-- == 0 ? NULL : malloc(n);
}

/* One handshake and a word each way; what may fail fails without a crash or a leak (threats 36,
 * 37). */
static bool whole_life(const sslKeys_t *ck, const sslKeys_t *sk)
{
    static unsigned char wire[65536];
    struct side *side[2] = { &cl, &sv };
    bool ok = false;

    side_init(&cl);
    side_init(&sv);
    if (matrixSslNewClientSession(&cl.ssl, (sslKeys_t *)(uintptr_t)ck, NULL, 0, follow_verdict,
                                  NULL, NULL) != 1 ||
        matrixSslNewServerSession(&sv.ssl, (sslKeys_t *)(uintptr_t)sk, follow_verdict) != 0) {
        goto out;
    }
    for (int i = 0; i < 12 && !cl.error && !sv.error; i++) {
        unsigned char *room, *pt;
        struct side *from = side[i & 1], *to = side[!(i & 1)];
        size_t n = side_take(from, wire, sizeof wire);
        uint32 len;

        if (i == 6 || i == 7) {
            (void)matrixSslEncodeToOutdata(from->ssl, wire, 100);
            (void)matrixSslGetWritebuf(from->ssl, &pt, 100);
            (void)matrixSslEncodeWritebuf(from->ssl, 100);
            n = side_take(from, wire, sizeof wire);
        }
        if (n && matrixSslGetReadbuf(to->ssl, &room) < (int32)n) {
            goto out;
        }
        if (n) {
            memcpy(room, wire, n);
            switch (matrixSslReceivedData(to->ssl, (uint32)n, &pt, &len)) {
            case MATRIXSSL_HANDSHAKE_COMPLETE:
                to->complete++;
                break;
            case MATRIXSSL_APP_DATA:
                to->ngot++;
                while (matrixSslProcessedData(to->ssl, &pt, &len) == MATRIXSSL_APP_DATA) {
                    to->ngot++;
                }
                break;
            case MATRIXSSL_RECEIVED_ALERT:
                goto out;
            default:
                break;
            }
        }
    }
    ok = cl.complete == 1 && sv.complete == 1 && cl.ngot == 2 && sv.ngot == 2;
out:
    side_free(&cl);
    side_free(&sv);
    return ok;
}

static void test_every_allocation_fails(void **state)
{
    struct mem_hooks before = mem_hooks;
    sslKeys_t *ck = guide_keys(&client_cred, &ca), *sk = guide_keys(&server_cred, &ca);
    long n = 0;

    (void)state;
    assert_true(whole_life(ck, sk));
    mem_hooks.alloc = failing_alloc;
    do {
        fail_in = n++;
        (void)whole_life(ck, sk);
        assert_true(n < 5000);
    } while (fail_in < 0); /* until nothing was left to fail */
    fail_in = -1;
    mem_hooks = before;
    assert_true(n > 20);
    assert_true(whole_life(ck, sk));
    matrixSslDeleteKeys(ck);
    matrixSslDeleteKeys(sk);
}

static int setup(void **state)
{
    const struct cred_params p = {
        .common_name = "server", .names = { "server.test" }, .from = -20, .until = -10
    };

    if (guide_setup(state)) {
        return -1;
    }
    cred_make(&other_ca, &(struct cred_params){ .common_name = "Other CA", .ca = true }, NULL);
    cred_make(&expired, &p, &ca);
    return 0;
}

static int teardown(void **state)
{
    cred_free(&other_ca);
    cred_free(&expired);
    return guide_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_callback_matrix),
        cmocka_unit_test(test_verdict_decides_without_callback),
        cmocka_unit_test(test_name_reaches_callback),
        cmocka_unit_test(test_expected_name),
        cmocka_unit_test(test_certificate_fields),
        cmocka_unit_test(test_odd_fields),
        cmocka_unit_test(test_presented_chain),
        cmocka_unit_test(test_client_authentication),
        cmocka_unit_test(test_load_files),
        cmocka_unit_test(test_load_memory),
        cmocka_unit_test(test_threads_share_keys),
        cmocka_unit_test(test_every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
