/* SPDX-License-Identifier: ISC */
/* What a session is told before it starts: suites, hello extensions, versions, record size; and
 * wrong use of all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "handshake/suites.h"
#include "matrixssl.h"
#include "tests/lib/guide.h"

#define SUITE12 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define SUITE13 TLS_AES_128_GCM_SHA256
#define CBC     TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256

static void begin(uint32 suite, tlsExtension_t *ext, sslExtCb_t cb)
{
    cl.keys = guide_keys(NULL, &ca);
    sv.keys = guide_keys(&server_cred, NULL);
    assert_int_equal(matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, suite, NULL, ext, cb), 1);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), 0);
}

/* ---- suites ---- */
static void test_suite_status(void **state)
{
    ssl_t *ssl;

    (void)state;
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, 0x1399, PS_TRUE),
                     PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, SSL_RSA_WITH_RC4_128_MD5, PS_TRUE),
                     PS_UNSUPPORTED_FAIL); /* threat 16 */
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, 0, PS_TRUE), PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, CBC, 2), PS_ARG_FAIL);

    begin(CBC, NULL, NULL); /* a client may nominate it, a server does not accept it */
    assert_false(guide_connects());
    assert_int_equal(cl.alert, SSL_ALERT_HANDSHAKE_FAILURE);
    guide_end();
    begin(CBC, NULL, NULL);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(sv.ssl, CBC, PS_TRUE), PS_SUCCESS);
    assert_true(guide_connects());
    assert_int_equal(side_suite(&sv), CBC);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(sv.ssl, CBC, PS_FALSE), PS_FAILURE);
    guide_end();
    begin(CBC, NULL, NULL); /* that was one session's */
    assert_false(guide_connects());
    guide_end();
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, CBC, PS_TRUE), PS_SUCCESS);
    begin(CBC, NULL, NULL);
    assert_true(guide_connects());
    guide_end();
    begin(CBC, NULL, NULL); /* a session's word comes first */
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(sv.ssl, CBC, PS_FALSE), PS_SUCCESS);
    assert_false(guide_connects());
    guide_end();
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, CBC, PS_FALSE), PS_SUCCESS);
    begin(0, NULL, NULL);
    ssl = cl.ssl;
    assert_int_equal(matrixSslNewClientSession(&ssl, cl.keys, NULL, CBC, NULL, NULL, NULL),
                     PS_DISABLED_FEATURE_FAIL);
    assert_null(ssl);
    /* All that it prefers goes, one after another: the next is taken. */
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(cl.ssl, SUITE13, PS_FALSE), 0);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(cl.ssl, TLS_AES_256_GCM_SHA384, PS_FALSE),
                     0);
    assert_int_equal(
        matrixSslSetCipherSuiteEnabledStatus(cl.ssl, TLS_CHACHA20_POLY1305_SHA256, PS_FALSE), 0);
    assert_true(guide_connects());
    assert_int_equal(side_suite(&cl), SUITE12);
    guide_end();
    matrixSslClose(); /* forgets */
    assert_int_equal(matrixSslOpen(), PS_SUCCESS);
    begin(CBC, NULL, NULL);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(cl.ssl, CBC, PS_FALSE),
                     PS_UNSUPPORTED_FAIL); /* nothing would be left */
    guide_end();
}

static void test_no_suite_is_left(void **state)
{
    sslKeys_t *k = guide_keys(&server_cred, &ca);
    ssl_t *ssl;

    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, suite_at(i)->id, PS_FALSE), 0);
    }
    assert_int_equal(matrixSslNewClientSession(&ssl, k, NULL, 0, NULL, NULL, NULL),
                     PS_UNSUPPORTED_FAIL);
    assert_null(ssl);
    assert_int_equal(matrixSslNewServerSession(&ssl, k, NULL), PS_UNSUPPORTED_FAIL);
    assert_null(ssl);
    matrixSslClose();
    assert_int_equal(matrixSslOpen(), PS_SUCCESS);
    matrixSslDeleteKeys(k);
}

/* ---- versions, record size ---- */
static void test_version_range(void **state)
{
    static const struct {
        uint32 client[2], server[2];
        const char *version; /* NULL: none in common */
    } row[] = {
        { { 0x0303, 0x0304 }, { 0x0303, 0x0304 }, "TLSv1.3" },
        { { 0x0303, 0x0303 }, { 0x0303, 0x0304 }, "TLSv1.2" },
        { { 0x0303, 0x0304 }, { 0x0303, 0x0303 }, "TLSv1.2" },
        { { 0x0304, 0x0304 }, { 0x0303, 0x0304 }, "TLSv1.3" },
        { { 0x0304, 0x0304 }, { 0x0303, 0x0303 }, NULL },
        { { 0x0303, 0x0303 }, { 0x0304, 0x0304 }, NULL },
    };
    sslInfo_t info;

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        begin(0, NULL, NULL);
        assert_int_equal(matrixSslSetVersionRange(cl.ssl, row[i].client[0], row[i].client[1]), 0);
        assert_int_equal(matrixSslSetVersionRange(sv.ssl, row[i].server[0], row[i].server[1]), 0);
        assert_int_equal(guide_connects(), row[i].version != NULL);
        assert_int_equal(matrixSslGetInfo(cl.ssl, &info), PS_SUCCESS);
        if (row[i].version) {
            assert_string_equal(info.version, row[i].version);
            assert_int_equal(info.secureRenegotiation, PS_TRUE);
        } else {
            assert_int_equal(cl.alert, SSL_ALERT_PROTOCOL_VERSION);
        }
        assert_int_equal(matrixSslSetVersionRange(cl.ssl, 0x0303, 0x0304), PS_FAILURE);
        guide_end();
    }
    begin(SUITE12, NULL, NULL);
    assert_int_equal(matrixSslSetVersionRange(cl.ssl, 0x0304, 0x0304), PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslSetVersionRange(cl.ssl, 0x0304, 0x0303), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetVersionRange(cl.ssl, 0x02ff, 0x0303), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetVersionRange(cl.ssl, 0x0302, 0x0303), PS_DISABLED_FEATURE_FAIL);
    assert_int_equal(matrixSslSetVersionRange(cl.ssl, 0x0300, 0x0300), PS_DISABLED_FEATURE_FAIL);
    assert_int_equal(matrixSslSetVersionRange(cl.ssl, 0x0303, 0x0305), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetVersionRange(NULL, 0x0303, 0x0303), PS_ARG_FAIL);
    assert_true(guide_connects());
    guide_end();
}

/* Both kinds of write, on both sides, over sizes round the limit. */
static void test_max_fragment(void **state)
{
    static const uint32 limits[] = { 512, 1024, 2048, 4096 };
    static const uint32 suites[] = { SUITE12, CBC, 0 /* TLS 1.3, beside 1.2 */,
                                     TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 };
    static unsigned char data[SSL_MAX_PLAINTEXT_LEN];

    (void)state;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)(i * 7 + i / 256);
    }
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, CBC, PS_TRUE), 0);
    for (size_t i = 0; i < 16; i++) {
        uint32 limit = limits[i / 4];
        const uint32 sizes[] = { 1, limit - 1, limit, limit + 1, 2 * limit, 16384 };

        begin(suites[i % 4], NULL, NULL);
        assert_int_equal(matrixSslSetMaxFragment(cl.ssl, limit), PS_SUCCESS);
        assert_true(guide_connects());
        for (size_t k = 0; k < 24; k++) {
            struct side *from = k % 2 ? &cl : &sv, *to = k % 2 ? &sv : &cl;
            uint32 n = sizes[k / 4];
            unsigned char *p;

            to->ngot = 0;
            if (k / 2 % 2) {
                assert_true(matrixSslEncodeToOutdata(from->ssl, data, n) > (int32)n);
            } else {
                assert_true(matrixSslGetWritebuf(from->ssl, &p, n) >= (int32)n);
                memcpy(p, data, n);
                assert_true(matrixSslEncodeWritebuf(from->ssl, n) > (int32)n);
            }
            assert_true(matrixSslGetOutdata(from->ssl, &p) > 5);
            assert_true((p[3] << 8 | p[4]) <= (int)limit + 100);
            carry(&cl, &sv, 65536);
            assert_int_equal(to->ngot, n);
            assert_memory_equal(to->got, data, n);
        }
        guide_end();
    }
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, CBC, PS_FALSE), 0);
    begin(0, NULL, NULL);
    assert_int_equal(matrixSslSetMaxFragment(cl.ssl, 513), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetMaxFragment(cl.ssl, 8192), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetMaxFragment(sv.ssl, 512), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetMaxFragment(NULL, 512), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetMaxFragment(cl.ssl, 0), PS_SUCCESS);
    assert_int_equal(matrixSslSetSessionTickets(sv.ssl, PS_FALSE), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetSessionTickets(cl.ssl, 2), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetSessionTickets(NULL, PS_FALSE), PS_ARG_FAIL);
    assert_int_equal(matrixSslRequestStatus(sv.ssl, PS_TRUE), PS_ARG_FAIL);
    assert_int_equal(matrixSslRequestStatus(cl.ssl, 7), PS_ARG_FAIL);
    assert_int_equal(matrixSslRequestStatus(NULL, PS_TRUE), PS_ARG_FAIL);
    assert_int_equal(matrixSslRequestStatus(cl.ssl, PS_TRUE), PS_SUCCESS);
    assert_true(guide_connects());
    assert_int_equal(matrixSslRequestStatus(cl.ssl, PS_TRUE), PS_FAILURE);
    guide_end();
}

/* ---- hello extensions ---- */
static struct {
    int called;
    bool seen[65536];
    int32 answer;
} ext;

static int32 ext_cb(ssl_t *ssl, unsigned short type, unsigned short len, void *e)
{
    assert_ptr_equal(ssl->keys, cl.keys);
    assert_true(len == 0 || e != NULL);
    ext.called++;
    ext.seen[type] = true;
    return ext.answer;
}

static void test_extensions(void **state)
{
    unsigned char *sni = NULL, alpn[] = "\0\x0c\x02h2\x08http/1.1", frag = 2, any[4096] = "x";
    static const char *const protos[] = { "http/1.1" };
    tlsExtension_t *e;
    sslInfo_t info;
    int32 n;

    (void)state;
    for (int i = 0; i < 2; i++) {
        memset(&ext, 0, sizeof ext);
        assert_int_equal(matrixSslNewHelloExtension(&e), PS_SUCCESS);
        assert_int_equal(
            matrixSslCreateSNIext(NULL, (unsigned char *)(uintptr_t) "server.test", 11, &sni, &n),
            PS_SUCCESS);
        assert_int_equal(n, 16);
        assert_int_equal(matrixSslLoadHelloExtension(e, sni, (uint32)n, EXT_SNI), PS_SUCCESS);
        psFree(sni);
        assert_int_equal(matrixSslLoadHelloExtension(e, alpn, sizeof alpn - 1, EXT_ALPN), 0);
        assert_int_equal(matrixSslLoadHelloExtension(e, &frag, 1, EXT_MAX_FRAGMENT_LEN), 0);
        assert_int_equal(matrixSslLoadHelloExtension(e, any, 3, 0xfa01), PS_SUCCESS);
        assert_int_equal(matrixSslLoadHelloExtension(e, NULL, 0, 0xfa02), PS_SUCCESS);
        begin(i ? SUITE12 : 0, e, ext_cb);
        matrixSslDeleteHelloExtension(e); /* copied */
        assert_int_equal(matrixSslSetAlpn(sv.ssl, protos, 1), PS_SUCCESS);
        assert_true(guide_connects());
        assert_int_equal(matrixSslGetInfo(sv.ssl, &info), PS_SUCCESS);
        assert_string_equal(info.serverName, "server.test");
        assert_string_equal(info.alpn, "http/1.1");
        assert_true(ext.called >= 2);
        assert_true(ext.seen[EXT_ALPN]);
        assert_true(ext.seen[EXT_MAX_FRAGMENT_LEN]);
        assert_false(ext.seen[0xfa01]); /* the server does not know it */
        guide_end();
    }
}

static void test_extension_callback_refuses(void **state)
{
    static const struct {
        int32 answer;
        int alert;
    } row[] = { { SSL_ALERT_UNSUPPORTED_EXTENSION, SSL_ALERT_UNSUPPORTED_EXTENSION },
                { -1, SSL_ALERT_INTERNAL_ERROR } };
    static const char *const protos[] = { "h2" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        memset(&ext, 0, sizeof ext);
        ext.answer = row[i / 2].answer;
        begin(i % 2 ? SUITE12 : SUITE13, NULL, ext_cb);
        assert_int_equal(matrixSslSetAlpn(cl.ssl, protos, 1), PS_SUCCESS);
        assert_int_equal(matrixSslSetAlpn(sv.ssl, protos, 1), PS_SUCCESS);
        assert_false(guide_connects());
        assert_int_equal(ext.called, 1);
        assert_int_equal(sv.alert, row[i / 2].alert);
        assert_int_equal(cl.closed, 1);
        guide_end();
    }
}

static void test_extension_arguments(void **state)
{
    static unsigned char body[4097];
    static const struct {
        uint32 type;
        const char *body;
        uint32 len;
    } bad[] = {
        { EXT_SNI, "", 0 },
        { EXT_SNI, "\0\5\0\0\2a", 6 },
        { EXT_SNI, "\0\5\1\0\2ab", 7 },
        { EXT_SNI, "\0\5\0\0\2a\0", 7 },
        { EXT_SNI, "\0\6\0\0\3a b", 8 },
        { EXT_SNI, "\0\5\0\0\2abc", 8 },
        { EXT_ALPN, "\0\0", 2 },
        { EXT_ALPN, "\0\1\0", 3 },
        { EXT_ALPN, "\0\3\3h2", 5 },
        { EXT_ALPN, "\0\3\2h2x", 6 },
        { EXT_MAX_FRAGMENT_LEN, "\0", 1 },
        { EXT_MAX_FRAGMENT_LEN, "\5", 1 },
        { EXT_MAX_FRAGMENT_LEN, "\1\1", 2 },
        { 43, "\2\3\4", 3 }, /* supported_versions: the library's own */
        { 51, "", 0 },
        { 0xff01, "\0", 1 },
    };
    tlsExtension_t *e;
    sslKeys_t *k = guide_keys(NULL, &ca);
    ssl_t *ssl;

    (void)state;
    assert_int_equal(matrixSslNewHelloExtension(NULL), PS_ARG_FAIL);
    matrixSslDeleteHelloExtension(NULL);
    assert_int_equal(matrixSslNewHelloExtension(&e), PS_SUCCESS);
    assert_int_equal(matrixSslLoadHelloExtension(NULL, body, 1, 0xfa01), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadHelloExtension(e, NULL, 1, 0xfa01), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadHelloExtension(e, body, 1, 0x10000), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadHelloExtension(e, body, 4097, 0xfa01), PS_LIMIT_FAIL);
    assert_int_equal(matrixSslLoadHelloExtension(e, body, 1, 0xfa01), PS_SUCCESS);
    assert_int_equal(matrixSslLoadHelloExtension(e, body, 1, 0xfa01), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadHelloExtension(e, body, 4096, 0xfa02), PS_LIMIT_FAIL);
    assert_int_equal(matrixSslLoadHelloExtension(e, body, 4000, 0xfa02), PS_SUCCESS);
    assert_int_equal(matrixSslNewClientSession(&ssl, k, NULL, 0, NULL, e, NULL), 1);
    matrixSslDeleteSession(ssl);
    matrixSslDeleteHelloExtension(e);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(matrixSslNewHelloExtension(&e), PS_SUCCESS);
        memcpy(body, bad[i].body, bad[i].len);
        assert_int_equal(matrixSslLoadHelloExtension(e, body, bad[i].len, bad[i].type), 0);
        assert_int_equal(matrixSslNewClientSession(&ssl, k, NULL, 0, NULL, e, NULL), PS_ARG_FAIL);
        assert_null(ssl);
        matrixSslDeleteHelloExtension(e);
    }
    /* An address is no server name: it is not sent. */
    assert_int_equal(matrixSslNewHelloExtension(&e), PS_SUCCESS);
    memcpy(body,
           "\0\14\0\0\11"
           "127.0.0.1",
           14);
    assert_int_equal(matrixSslLoadHelloExtension(e, body, 14, EXT_SNI), PS_SUCCESS);
    assert_int_equal(matrixSslNewClientSession(&ssl, k, NULL, 0, NULL, e, NULL), 1);
    matrixSslDeleteSession(ssl);
    matrixSslDeleteHelloExtension(e);
    matrixSslDeleteKeys(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite_status),
        cmocka_unit_test(test_no_suite_is_left),
        cmocka_unit_test(test_version_range),
        cmocka_unit_test(test_max_fragment),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_extension_callback_refuses),
        cmocka_unit_test(test_extension_arguments),
    };

    return cmocka_run_group_tests(tests, guide_setup, guide_teardown);
}
