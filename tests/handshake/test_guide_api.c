/* SPDX-License-Identifier: ISC */
/* The flow of bytes of the guide's API: every return code, in the guide's order of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/lib/guide.h"

/* ---- arguments and numbers ---- */
static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(MATRIXSSL_ERROR, -12);
    assert_int_equal(SSL_MAX_PLAINTEXT_LEN, 16384);
    assert_int_equal(TLS_RSA_WITH_AES_128_CBC_SHA, 47);
    assert_int_equal(SSL_RSA_WITH_3DES_EDE_CBC_SHA, 10);
    assert_int_equal(TLS_AES_128_GCM_SHA256, 0x1301);
    assert_int_equal(offsetof(sslSessionId_t, masterSecret), 32);
    assert_int_equal(offsetof(sslSessionId_t, cipherId), 32 + 48);
    assert_int_equal(MATRIXSSL_RECEIVED_ALERT, 6);
    assert_int_equal(SSL_OPTION_FULL_HANDSHAKE, 1);
    assert_int_equal(SSL_MAX_DISABLED_CIPHERS, 32);
}

static void test_null_arguments(void **state)
{
    unsigned char *p, b = 0;
    uint32 n;
    ssl_t *ssl = (ssl_t *)(void *)&b;
    sslKeys_t *keys = guide_keys(NULL, NULL);

    (void)state;
    assert_int_equal(matrixSslNewKeys(NULL), PS_ARG_FAIL);
    assert_int_equal(matrixSslNewClientSession(NULL, keys, NULL, 0, NULL, NULL, NULL), PS_ARG_FAIL);
    assert_int_equal(matrixSslNewClientSession(&ssl, NULL, NULL, 0, NULL, NULL, NULL), -12);
    assert_null(ssl);
    assert_int_equal(matrixSslNewServerSession(NULL, keys, NULL), PS_ARG_FAIL);
    assert_int_equal(matrixSslNewServerSession(&ssl, NULL, NULL), -1);
    assert_null(ssl);
    assert_true(matrixSslNewServerSession(&ssl, keys, NULL) < 0); /* no certificate */
    assert_null(ssl);
    assert_int_equal(matrixSslGetReadbuf(NULL, &p), PS_ARG_FAIL);
    assert_int_equal(matrixSslReceivedData(NULL, 0, &p, &n), PS_ARG_FAIL);
    assert_int_equal(matrixSslProcessedData(NULL, &p, &n), PS_ARG_FAIL);
    assert_int_equal(matrixSslGetWritebuf(NULL, &p, 1), PS_ARG_FAIL);
    assert_int_equal(matrixSslEncodeWritebuf(NULL, 1), PS_ARG_FAIL);
    assert_int_equal(matrixSslEncodeToOutdata(NULL, &b, 1), PS_ARG_FAIL);
    assert_int_equal(matrixSslGetOutdata(NULL, &p), PS_ARG_FAIL);
    assert_int_equal(matrixSslSentData(NULL, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslEncodeClosureAlert(NULL), PS_ARG_FAIL);
    assert_int_equal(matrixSslGetInfo(NULL, NULL), PS_ARG_FAIL);
    matrixSslDeleteSession(NULL);
    matrixSslDeleteKeys(NULL);
    matrixSslFreeKeys(keys);
    guide_begin(0);
    assert_int_equal(matrixSslGetReadbuf(cl.ssl, NULL), PS_ARG_FAIL);
    assert_int_equal(matrixSslReceivedData(cl.ssl, 0, NULL, &n), PS_ARG_FAIL);
    assert_int_equal(matrixSslReceivedData(cl.ssl, 0, &p, NULL), PS_ARG_FAIL);
    assert_int_equal(matrixSslReceivedData(cl.ssl, 1, &p, &n),
                     PS_ARG_FAIL); /* no room was asked for */
    assert_int_equal(matrixSslProcessedData(cl.ssl, NULL, &n), PS_ARG_FAIL);
    assert_int_equal(matrixSslGetWritebuf(cl.ssl, NULL, 1), PS_ARG_FAIL);
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, NULL, 1), PS_ARG_FAIL);
    assert_int_equal(matrixSslSentData(cl.ssl, 100000), PS_ARG_FAIL);
    guide_end();
}

static void test_suites(void **state)
{
    static const uint16 good[] = { TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384,
                                   TLS_CHACHA20_POLY1305_SHA256 };
    static const uint32 bad[] = { TLS_EMPTY_RENEGOTIATION_INFO_SCSV, SSL_RSA_WITH_RC4_128_MD5,
                                  0x1399, 0x11301, 0xffffffff };
    sslInfo_t info;
    ssl_t *ssl;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        sslSessionId_t sid;

        memset(&sid, 7, sizeof sid);
        guide_begin(0);
        matrixSslDeleteSession(cl.ssl);
        assert_int_equal(
            matrixSslNewClientSession(&cl.ssl, cl.keys, &sid, good[i], NULL, NULL, NULL), 1);
        assert_ptr_equal(cl.ssl->keys, cl.keys);
        assert_ptr_equal(cl.ssl->sid, &sid);
        assert_int_equal(sid.cipherId, 0); /* of another suite: wiped */
        assert_int_equal(sid.masterSecret[0], 0);
        carry(&cl, &sv, 65536);
        assert_int_equal(matrixSslGetInfo(sv.ssl, &info), PS_SUCCESS);
        assert_int_equal(info.cipherId, good[i]);
        assert_string_equal(info.version, "TLSv1.3");
        assert_string_equal(info.error, "");
        assert_int_equal(info.alertSent, SSL_ALERT_NONE);
        assert_int_equal(sid.cipherId, good[i]);
        guide_end();
    }
    guide_begin(0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ssl = cl.ssl;
        assert_int_equal(matrixSslNewClientSession(&ssl, cl.keys, NULL, bad[i], NULL, NULL, NULL),
                         PS_UNSUPPORTED_FAIL);
        assert_null(ssl);
    }
    guide_end();
}

/* ---- handshake ---- */
static void test_handshake_codes(void **state)
{
    (void)state;
    guide_begin(0);
    carry(&cl, &sv, 65536);
    assert_string_equal(cl.log, "s0 r1 s5 r2"); /* and the tickets */
    assert_string_equal(sv.log, "r1 s0 r5 r1 s0");
    guide_end();
}

static void test_handshake_in_pieces(void **state)
{
    static const size_t chunks[] = { 1, 2, 3, 4, 5, 6, 7, 17, 64, 100, 333, 1000, 1399, 4096 };

    (void)state;
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        guide_begin(0);
        carry(&cl, &sv, chunks[i]);
        assert_int_equal(cl.complete, 1);
        assert_int_equal(sv.complete, 1);
        assert_int_equal(cl.error, 0);
        assert_int_equal(sv.error, 0);
        side_write(&cl, "ping", 4);
        side_write(&sv, "pong!", 5);
        carry(&cl, &sv, chunks[i]);
        assert_memory_equal(sv.got, "ping", 4);
        assert_memory_equal(cl.got, "pong!", 5);
        assert_int_equal(cl.complete, 1);
        assert_int_equal(sv.complete, 1);
        guide_end();
    }
}

/* Finished and the first request arrive in one read: complete first, then the data. */
static void test_data_right_behind_finished(void **state)
{
    unsigned char wire[8192], *room, *pt;
    uint32 len;
    size_t n;

    (void)state;
    guide_begin(0);
    n = side_take(&cl, wire, sizeof wire);
    side_give(&sv, wire, n);
    n = side_take(&sv, wire, sizeof wire);
    side_give(&cl, wire, n);
    n = side_take(&cl, wire, sizeof wire);
    assert_int_equal(cl.complete, 1);
    side_write(&cl, "GET", 3);
    n += side_take(&cl, wire + n, sizeof wire - n);
    assert_true(matrixSslGetReadbuf(sv.ssl, &room) >= (int32)n);
    memcpy(room, wire, n);
    assert_int_equal(matrixSslReceivedData(sv.ssl, (uint32)n, &pt, &len),
                     MATRIXSSL_HANDSHAKE_COMPLETE);
    assert_int_equal(len, 0);
    assert_int_equal(matrixSslReceivedData(sv.ssl, 0, &pt, &len), MATRIXSSL_APP_DATA);
    assert_int_equal(len, 3);
    assert_memory_equal(pt, "GET", 3);
    assert_int_equal(matrixSslProcessedData(sv.ssl, &pt, &len), MATRIXSSL_REQUEST_SEND);
    assert_int_equal(matrixSslReceivedData(sv.ssl, 0, &pt, &len), MATRIXSSL_SUCCESS);
    assert_true(matrixSslGetOutdata(sv.ssl, NULL) > 0); /* tickets */
    guide_end();
}

/* A client whose Finished is not out yet is told to send it, again and again, and may not write. */
static void test_client_must_send_finished(void **state)
{
    unsigned char wire[8192], *pt;
    uint32 len;
    size_t n;

    (void)state;
    guide_begin(0);
    assert_int_equal(matrixSslReceivedData(sv.ssl, 0, &pt, &len), MATRIXSSL_SUCCESS);
    n = side_take(&cl, wire, sizeof wire);
    side_give(&sv, wire, n);
    n = side_take(&sv, wire, sizeof wire);
    side_give(&cl, wire, n);
    assert_string_equal(cl.log, "s0 r1");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(matrixSslReceivedData(cl.ssl, 0, &pt, &len), MATRIXSSL_REQUEST_SEND);
        assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, wire, 1), PS_FAILURE);
        assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, 0), PS_FAILURE);
        assert_int_equal(side_take(&cl, wire, 1), 1);
    }
    assert_string_equal(cl.log, "s0 r1 s1 s1 s1");
    guide_end();
}

/* An alert right behind the server's Finished, in one read: the handshake is complete before it. */
static void test_alert_right_behind_finished(void **state)
{
    unsigned char wire[8192], *pt;
    uint32 len;
    size_t n;

    (void)state;
    guide_begin(0);
    n = side_take(&cl, wire, sizeof wire);
    side_give(&sv, wire, n);
    assert_int_equal(matrixSslEncodeClosureAlert(sv.ssl), PS_SUCCESS);
    n = side_take(&sv, wire, sizeof wire);
    side_give(&cl, wire, n);
    assert_int_equal(matrixSslReceivedData(cl.ssl, 0, &pt, &len), MATRIXSSL_REQUEST_SEND);
    assert_true(side_take(&cl, wire, sizeof wire) > 0);
    assert_string_equal(cl.log, "s0 r1 s5");
    assert_int_equal(matrixSslReceivedData(cl.ssl, 0, &pt, &len), MATRIXSSL_RECEIVED_ALERT);
    assert_int_equal(pt[1], SSL_ALERT_CLOSE_NOTIFY);
    guide_end();
}

/* ---- the end ---- */
static void test_closure(void **state)
{
    unsigned char b = 'x', *pt;
    uint32 len;

    (void)state;
    for (int who = 0; who < 2; who++) {
        struct side *a = who ? &cl : &sv, *b_side = who ? &sv : &cl;

        guide_connected();
        assert_true(matrixSslEncodeToOutdata(a->ssl, &b, 1) > 0);
        assert_int_equal(matrixSslEncodeClosureAlert(a->ssl), PS_SUCCESS);
        assert_int_equal(matrixSslEncodeClosureAlert(a->ssl), PS_SUCCESS);
        assert_int_equal(matrixSslGetOutdata(a->ssl, NULL),
                         5 + 1 + 17 + 5 + 2 + 17); /* one of it */
        carry(a, b_side, 65536);
        assert_string_equal(a->log, "s3");
        assert_string_equal(b_side->log, "r4 p6 p0");
        assert_int_equal(b_side->level, SSL_ALERT_LEVEL_WARNING);
        assert_int_equal(b_side->alert, SSL_ALERT_CLOSE_NOTIFY);
        assert_int_equal(matrixSslEncodeToOutdata(a->ssl, &b, 1), MATRIXSSL_ERROR);
        assert_int_equal(matrixSslEncodeWritebuf(a->ssl, 0), MATRIXSSL_ERROR);
        assert_int_equal(matrixSslEncodeToOutdata(b_side->ssl, &b, 1), PS_FAILURE);
        /* What comes behind close_notify is ignored; the answer to it is heard. */
        side_give(b_side, (const unsigned char *)"rest", 4);
        assert_int_equal(b_side->error, 0);
        assert_int_equal(matrixSslEncodeClosureAlert(b_side->ssl), PS_SUCCESS);
        carry(b_side, a, 3);
        assert_int_equal(b_side->closed, 1);
        assert_int_equal(a->alert, SSL_ALERT_CLOSE_NOTIFY);
        assert_int_equal(matrixSslReceivedData(a->ssl, 0, &pt, &len), MATRIXSSL_SUCCESS);
        guide_end();
    }
}

/* A closed session may still have an alert of a handshake that never was. */
static void test_closure_before_complete(void **state)
{
    (void)state;
    guide_begin(0);
    assert_int_equal(matrixSslEncodeClosureAlert(sv.ssl), PS_SUCCESS);
    carry(&sv, &cl, 65536);
    assert_int_equal(sv.closed, 1);
    assert_int_equal(cl.complete + sv.complete, 0);
    guide_end();
}

/* A record that was changed on the way: the alert is queued, and flushing it asks to close. */
static void test_fatal_error(void **state)
{
    unsigned char wire[256], *room, *pt, b = 'x';
    sslInfo_t info;
    uint32 len;
    size_t n;

    (void)state;
    guide_connected();
    side_write(&cl, "hello", 5);
    n = side_take(&cl, wire, sizeof wire);
    wire[n - 1] ^= 1;
    side_give(&sv, wire, n);
    assert_string_equal(sv.log, "r1");
    assert_int_equal(matrixSslEncodeToOutdata(sv.ssl, &b, 1), MATRIXSSL_ERROR);
    assert_int_equal(matrixSslReceivedData(sv.ssl, 0, &pt, &len), MATRIXSSL_REQUEST_SEND);
    carry(&sv, &cl, 65536);
    assert_string_equal(sv.log, "r1 s3");
    assert_int_equal(cl.level, SSL_ALERT_LEVEL_FATAL);
    assert_int_equal(cl.alert, SSL_ALERT_BAD_RECORD_MAC);
    assert_string_equal(cl.log, "s0 r6 p0");
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, &b, 1), PS_FAILURE);
    assert_int_equal(matrixSslEncodeClosureAlert(cl.ssl), PS_SUCCESS);
    assert_true(matrixSslGetReadbuf(sv.ssl, &room) > 0);
    assert_int_equal(matrixSslReceivedData(sv.ssl, 1, &pt, &len), MATRIXSSL_ERROR);
    assert_int_equal(matrixSslReceivedData(sv.ssl, 0, &pt, &len), MATRIXSSL_SUCCESS);
    assert_int_equal(matrixSslGetInfo(sv.ssl, &info), PS_SUCCESS);
    assert_int_equal(info.alertSent, SSL_ALERT_BAD_RECORD_MAC);
    assert_true(strlen(info.error) > 10);
    assert_int_equal(matrixSslGetInfo(cl.ssl, &info), PS_SUCCESS);
    assert_int_equal(info.alertReceived, SSL_ALERT_BAD_RECORD_MAC);
    guide_end();
}

static void test_garbage(void **state)
{
    static const char *const garbage[] = { "GET / HTTP/1.0\r\n\r\n", "\x16\x02\x00\x00\x05hello",
                                           "\x16\x03\x01\x7f\xff", "\x80\x2e\x01\x00\x02" };
    static const size_t size[] = { 18, 10, 5, 5 };
    unsigned char wire[64];

    (void)state;
    for (size_t i = 0; i < 4; i++) { /* threats 7, 17 */
        guide_begin(0);
        side_give(&sv, (const unsigned char *)garbage[i], size[i]);
        assert_string_equal(sv.log, "r1");
        assert_int_equal(side_take(&sv, wire, sizeof wire), 7);
        assert_int_equal(wire[0], 21);
        assert_int_equal(wire[5], SSL_ALERT_LEVEL_FATAL);
        assert_string_equal(sv.log, "r1 s3");
        guide_end();
    }
}

/* ---- settings beyond the guide ---- */
static void test_alpn(void **state)
{
    static const char *const mine[] = { "h2", "http/1.1" }, *const theirs[] = { "http/1.1" };
    static const char *const none[] = { "smtp" }, *const empty[] = { "" };
    sslInfo_t info;

    (void)state;
    guide_begin(0);
    assert_int_equal(matrixSslSetAlpn(cl.ssl, empty, 1), PS_ARG_FAIL);
    assert_int_equal(matrixSslSetAlpn(cl.ssl, none, 1), PS_SUCCESS);
    assert_int_equal(matrixSslSetAlpn(cl.ssl, mine, 2), PS_SUCCESS);
    assert_int_equal(matrixSslSetExpectedName(cl.ssl, "server.test"), PS_SUCCESS); /* both count */
    assert_int_equal(matrixSslSetAlpn(sv.ssl, theirs, 1), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    assert_int_equal(matrixSslGetInfo(cl.ssl, &info), PS_SUCCESS);
    assert_string_equal(info.alpn, "http/1.1");
    guide_end();
    guide_begin(0);
    assert_int_equal(matrixSslSetAlpn(cl.ssl, none, 1), PS_SUCCESS);
    assert_int_equal(matrixSslSetAlpn(sv.ssl, theirs, 1), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    assert_int_equal(cl.alert, SSL_ALERT_NO_APPLICATION_PROTOCOL); /* threat 24 */
    assert_int_equal(sv.closed, 1);
    guide_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_suites),
        cmocka_unit_test(test_handshake_codes),
        cmocka_unit_test(test_handshake_in_pieces),
        cmocka_unit_test(test_data_right_behind_finished),
        cmocka_unit_test(test_client_must_send_finished),
        cmocka_unit_test(test_alert_right_behind_finished),
        cmocka_unit_test(test_closure),
        cmocka_unit_test(test_closure_before_complete),
        cmocka_unit_test(test_fatal_error),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_alpn),
    };

    return cmocka_run_group_tests(tests, guide_setup, guide_teardown);
}
