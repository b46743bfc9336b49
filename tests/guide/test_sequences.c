/* SPDX-License-Identifier: ISC */
/* The guide's sequences of calls, step by step: one test for each numbered list or flow in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/lib/guide.h"

#define SUITE     TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define CBC_SUITE TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA

static struct cred server2_cred;
static int asked_client, asked_server;

static int32 client_cb(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    assert_ptr_equal(ssl, cl.ssl);
    assert_non_null(cert);
    asked_client++;
    return alert;
}

static int32 server_cb(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    assert_ptr_equal(ssl, sv.ssl);
    assert_string_equal(cert->subject.commonName, "client");
    asked_server++;
    return alert;
}

static void begin(sslSessionId_t *sid, uint32 suite, sslCertCb_t server_certs)
{
    asked_client = asked_server = 0;
    cl.keys = guide_keys(&client_cred, &ca);
    sv.keys = guide_keys(&server_cred, &ca);
    assert_int_equal(matrixSslNewClientSession(&cl.ssl, cl.keys, sid, suite, client_cb, NULL, NULL),
                     1);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, server_certs), 0);
}

static void quiet(void)
{
    cl.nlog = sv.nlog = cl.ngot = sv.ngot = 0;
    cl.log[0] = sv.log[0] = '\0';
}

/* ---- Initialization ---- */
static void test_initialization(void **state)
{
    sslKeys_t *keys = NULL;

    (void)state;
    assert_int_equal(matrixSslOpen(), PS_SUCCESS);
    assert_int_equal(matrixSslNewKeys(&keys), PS_SUCCESS);
    assert_non_null(keys);
    assert_int_equal(matrixSslLoadRsaKeysMem(keys, buf_data(&server_cred.der),
                                             (int32)buf_len(&server_cred.der),
                                             buf_data(&server_cred.key_pem),
                                             (int32)buf_len(&server_cred.key_pem), NULL, 0),
                     PS_SUCCESS);
    matrixSslFreeKeys(keys);
    matrixSslClose();
}

/* ---- Handshaking: transmitting, steps 1 to 4 ---- */
static void test_transmit_pending_handshake_data(void **state)
{
    unsigned char *buf, first;
    int32 len, left;

    (void)state;
    begin(NULL, 0, NULL);
    len = matrixSslGetOutdata(cl.ssl, &buf); /* 1 */
    assert_true(len > 5);
    assert_int_equal(buf[0], 22); /* a handshake record */
    first = buf[5];
    assert_int_equal(first, 1); /* CLIENT_HELLO */
    for (left = len; left > 0;) {
        int32 some = left > 100 ? 100 : left; /* 2: fewer were sent */

        assert_int_equal(matrixSslGetOutdata(cl.ssl, &buf), left);
        assert_int_equal(matrixSslGetOutdata(cl.ssl, NULL), left);
        left -= some;
        assert_int_equal(matrixSslSentData(cl.ssl, (uint32)some), /* 3, 4 */
                         left ? MATRIXSSL_REQUEST_SEND : MATRIXSSL_SUCCESS);
    }
    assert_int_equal(matrixSslGetOutdata(cl.ssl, &buf), 0);
    guide_end();
}

/* ---- Handshaking: receiving, steps 1 to 4, and each return code of the table ---- */
static void test_receive_handshake_data(void **state)
{
    unsigned char wire[8192], *room, *pt;
    uint32 len;
    size_t n;

    (void)state;
    begin(NULL, SUITE, NULL);
    n = side_take(&cl, wire, sizeof wire);
    assert_true(matrixSslGetReadbuf(sv.ssl, &room) >= (int32)n); /* 1 */
    memcpy(room, wire, n / 2);                                   /* 2 */
    assert_int_equal(matrixSslReceivedData(sv.ssl, (uint32)(n / 2), &pt, &len),
                     MATRIXSSL_REQUEST_RECV); /* 3, 4: a part of a record */
    assert_true(matrixSslGetReadbuf(sv.ssl, &room) >= (int32)(n - n / 2));
    memcpy(room, wire + n / 2, n - n / 2);
    assert_int_equal(matrixSslReceivedData(sv.ssl, (uint32)(n - n / 2), &pt, &len),
                     MATRIXSSL_REQUEST_SEND);
    carry(&sv, &cl, 65536);
    assert_string_equal(cl.log, "s0 r1 s0 r5 r0"); /* HANDSHAKE_COMPLETE after the server's */
    assert_string_equal(sv.log, "s0 r1 s5");
    quiet();
    side_write(&sv, "data", 4);
    assert_int_equal(matrixSslEncodeClosureAlert(sv.ssl), PS_SUCCESS);
    carry(&sv, &cl, 65536);
    assert_string_equal(cl.log, "r4 p6 p0"); /* APP_DATA, RECEIVED_ALERT, no more */
    assert_int_equal(cl.level, SSL_ALERT_LEVEL_WARNING);
    assert_int_equal(cl.alert, SSL_ALERT_CLOSE_NOTIFY);
    guide_end();
    begin(NULL, SUITE, NULL); /* < 0 and what led to it */
    side_give(&sv, (const unsigned char *)"GET / HTTP/1.0\r\n", 16);
    assert_string_equal(sv.log, "r1");
    assert_int_equal(side_take(&sv, wire, sizeof wire), 7);
    assert_string_equal(sv.log, "r1 s3");
    assert_true(matrixSslGetReadbuf(sv.ssl, &room) > 0);
    assert_true(matrixSslReceivedData(sv.ssl, 1, &pt, &len) < 0);
    guide_end();
}

/* ---- In-situ encryption, steps 1 to 6 ---- */
static void test_in_situ_encryption(void **state)
{
    static const uint32 suites[] = { TLS_AES_128_GCM_SHA256, SUITE, CBC_SUITE,
                                     TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 };

    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        static const uint32 sizes[] = { 1, 15, 16, 17, 1000, 16383, 16384 }; /* 1 */

        begin(NULL, suites[i], NULL);
        carry(&cl, &sv, 65536);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            unsigned char *room, *buf;
            int32 len, pending;

            quiet();
            len = matrixSslGetWritebuf(cl.ssl, &room, sizes[k]); /* 2 */
            assert_true(len >= (int32)sizes[k] && len <= SSL_MAX_PLAINTEXT_LEN);
            memset(room, 'p', sizes[k]);
            pending = matrixSslEncodeWritebuf(cl.ssl, sizes[k]); /* 3 */
            assert_true(pending > (int32)sizes[k]);
            assert_int_equal(matrixSslGetOutdata(cl.ssl, &buf), pending); /* 4 */
            assert_true(room > buf && room < buf + 5 + 16 + 1); /* the record is round it */
            if (sizes[k] > 8) {
                assert_memory_not_equal(room, "pppppppp", 8);
            }
            side_give(&sv, buf, (size_t)pending);                            /* 5 */
            assert_int_equal(matrixSslSentData(cl.ssl, (uint32)pending), 0); /* 6 */
            assert_int_equal(sv.ngot, sizes[k]);
            assert_int_equal(sv.got[0], 'p');
            assert_int_equal(sv.got[sizes[k] - 1], 'p');
        }
        guide_end();
    }
}

/* ---- User provided plaintext, steps 1 to 4 ---- */
static void test_user_provided_plaintext(void **state)
{
    unsigned char plain[] = "left untouched", *buf;
    int32 len;

    (void)state;
    begin(NULL, SUITE, NULL);
    carry(&cl, &sv, 65536);
    quiet();
    len = matrixSslEncodeToOutdata(sv.ssl, plain, sizeof plain); /* 1 */
    assert_true(len > (int32)sizeof plain);
    assert_string_equal(plain, "left untouched");
    assert_int_equal(matrixSslGetOutdata(sv.ssl, &buf), len);                    /* 2 */
    side_give(&cl, buf, (size_t)len);                                            /* 3 */
    assert_int_equal(matrixSslSentData(sv.ssl, (uint32)len), MATRIXSSL_SUCCESS); /* 4 */
    assert_int_equal(cl.ngot, sizeof plain);
    assert_memory_equal(cl.got, plain, sizeof plain);
    guide_end();
}

/* ---- Expecting application data, steps 1 to 6 ---- */
static void test_expect_application_data(void **state)
{
    unsigned char wire[1024], *room, *pt;
    uint32 len;
    size_t n;

    (void)state;
    begin(NULL, SUITE, NULL);
    carry(&cl, &sv, 65536);
    side_write(&cl, "first", 5);
    side_write(&cl, "second", 6);
    n = side_take(&cl, wire, sizeof wire);
    assert_true(matrixSslGetReadbuf(sv.ssl, &room) >= (int32)n);          /* 1 */
    memcpy(room, wire, n);                                                /* 2 */
    assert_int_equal(matrixSslReceivedData(sv.ssl, (uint32)n, &pt, &len), /* 3 */
                     MATRIXSSL_APP_DATA);                                 /* 4 */
    assert_int_equal(len, 5);
    assert_memory_equal(pt, "first", 5);
    assert_int_equal(matrixSslProcessedData(sv.ssl, &pt, &len), MATRIXSSL_APP_DATA); /* 6 */
    assert_int_equal(len, 6);
    assert_memory_equal(pt, "second", 6);
    assert_int_equal(matrixSslProcessedData(sv.ssl, &pt, &len), MATRIXSSL_SUCCESS);
    guide_end();
}

/* ---- Ending a session ---- */
static void test_ending_a_session(void **state)
{
    (void)state;
    begin(NULL, SUITE, NULL);
    carry(&cl, &sv, 65536);
    quiet();
    assert_int_equal(matrixSslEncodeClosureAlert(cl.ssl), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    assert_string_equal(cl.log, "s3"); /* the transport may be closed */
    assert_string_equal(sv.log, "r6 p0");
    matrixSslDeleteSession(cl.ssl);
    cl.ssl = NULL;
    guide_end();
}

/* ---- Closing the library: keys and sessions first; it can be opened again ---- */
static void test_closing_the_library(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        begin(NULL, SUITE, NULL);
        carry(&cl, &sv, 65536);
        assert_int_equal(cl.complete + sv.complete, 2);
        matrixSslDeleteKeys(cl.keys);
        matrixSslDeleteSession(cl.ssl);
        cl.keys = NULL;
        cl.ssl = NULL;
        guide_end();
        matrixSslClose();
        matrixSslClose(); /* once more than it was opened */
        assert_int_equal(matrixSslOpen(), PS_SUCCESS);
    }
}

/* ---- Standard handshake: four flights, the client is the last to receive ---- */
static void test_standard_handshake(void **state)
{
    sslSessionId_t sid;

    (void)state;
    matrixSslInitSessionId(sid);
    begin(&sid, SUITE, NULL);
    carry(&cl, &sv, 65536);
    assert_string_equal(cl.log, "s0 r1 s0 r5 r0");
    assert_string_equal(sv.log, "r1 s0 r1 s5");
    assert_int_equal(asked_client, 1);
    assert_int_equal(sid.cipherId, SUITE);
    guide_end();
}

/* ---- Client authentication ---- */
static void test_client_authentication(void **state)
{
    (void)state;
    begin(NULL, SUITE, server_cb);
    carry(&cl, &sv, 65536);
    assert_string_equal(cl.log, "s0 r1 s0 r5 r0");
    assert_string_equal(sv.log, "r1 s0 r1 s5");
    assert_int_equal(asked_client, 1);
    assert_int_equal(asked_server, 1);
    guide_end();
}

/* ---- Session resumption: three flights, the client is the last to send ---- */
static void test_session_resumption(void **state)
{
    sslSessionId_t sid;

    (void)state;
    matrixSslInitSessionId(sid);
    begin(&sid, SUITE, NULL);
    assert_int_equal(matrixSslSetSessionTickets(cl.ssl, PS_FALSE), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    assert_true(sid.stateLen > 0);
    assert_memory_not_equal(sid.id, (unsigned char[32]){ 0 }, 32);
    assert_memory_not_equal(sid.masterSecret, (unsigned char[48]){ 0 }, 48);
    guide_end();
    for (int i = 0; i < 3; i++) {
        begin(&sid, SUITE, NULL);
        assert_int_equal(matrixSslSetSessionTickets(cl.ssl, PS_FALSE), PS_SUCCESS);
        carry(&cl, &sv, 65536);
        assert_string_equal(cl.log, "s0 r1 s5");
        assert_string_equal(sv.log, "r1 s0 r5 r0");
        assert_int_equal(asked_client, 0);
        side_write(&cl, "a", 1);
        side_write(&sv, "bc", 2);
        carry(&cl, &sv, 65536);
        assert_int_equal(cl.ngot, 2);
        assert_int_equal(sv.ngot, 1);
        guide_end();
    }
    matrixSslInitSessionId(sid); /* an empty one: a full handshake */
    begin(&sid, SUITE, NULL);
    carry(&cl, &sv, 65536);
    assert_string_equal(cl.log, "s0 r1 s0 r5 r0");
    guide_end();
}

/* In TLS 1.3 each ticket is used once: nothing to offer between a resumption and the next ticket
 * (RFC 8446 appendix C.4). */
static void test_session_resumption_13(void **state)
{
    unsigned char wire[8192];
    sslSessionId_t sid;
    sslInfo_t info;

    (void)state;
    matrixSslInitSessionId(sid);
    begin(NULL, SUITE, NULL);
    for (int i = 0; i < 3; i++) {
        side_connect(&cl, &sv, TLS_AES_128_GCM_SHA256, &sid);
        assert_int_equal(matrixSslGetInfo(cl.ssl, &info), PS_SUCCESS);
        assert_int_equal(info.resumed, i > 0);
        assert_true(sid.stateLen > 0);
    }
    matrixSslDeleteSession(cl.ssl);
    matrixSslDeleteSession(sv.ssl);
    assert_int_equal(
        matrixSslNewClientSession(&cl.ssl, cl.keys, &sid, TLS_AES_128_GCM_SHA256, NULL, NULL, NULL),
        1);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), 0);
    side_give(&sv, wire, side_take(&cl, wire, sizeof wire));
    assert_true(sid.stateLen > 0); /* it may be wanted for another try */
    side_give(&cl, wire, side_take(&sv, wire, sizeof wire));
    side_give(&sv, wire, side_take(&cl, wire, sizeof wire)); /* its Finished */
    assert_int_equal(sid.stateLen, 0);
    assert_memory_equal(sid.masterSecret, (unsigned char[48]){ 0 }, 48);
    side_give(&cl, wire, side_take(&sv, wire, sizeof wire));
    assert_true(sid.stateLen > 0);
    guide_end();
}

/* ---- Re-handshakes ---- */
static void begin_again(void)
{
    begin(NULL, SUITE, NULL);
    carry(&cl, &sv, 65536);
    side_write(&cl, "before", 6);
    side_write(&sv, "before", 6);
    carry(&cl, &sv, 65536);
    quiet();
}

static void check_again(uint32 suite)
{
    sslInfo_t info;

    assert_int_equal(cl.complete, 2);
    assert_int_equal(sv.complete, 2);
    side_write(&cl, "after", 5);
    side_write(&sv, "after!", 6);
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.ngot, 5);
    assert_int_equal(cl.ngot, 6);
    assert_int_equal(matrixSslGetInfo(sv.ssl, &info), PS_SUCCESS);
    assert_int_equal(info.cipherId, suite);
    guide_end();
}

/* 1: re-key, resumed or in full, by either side. */
static void test_rehandshake_rekey(void **state)
{
    static const struct {
        bool by_server;
        uint32 option;
        const char *client, *server;
    } row[] = {
        { false, 0, "s0 r1 s5", "r1 s0 r5 r0" },
        { false, SSL_OPTION_FULL_HANDSHAKE, "s0 r1 s0 r5 r0", "r1 s0 r1 s5" },
        { true, 0, "r1 s0 r1 s5", "s0 r1 s0 r5 r0" },
        { true, SSL_OPTION_FULL_HANDSHAKE, "r1 s0 r1 s0 r5 r0", "s0 r1 s0 r1 s5" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct side *who = row[i].by_server ? &sv : &cl;

        begin_again();
        assert_int_equal(matrixSslEncodeRehandshake(who->ssl, NULL, NULL, row[i].option, 0), 0);
        carry(&cl, &sv, 65536);
        assert_string_equal(cl.log, row[i].client);
        assert_string_equal(sv.log, row[i].server);
        assert_int_equal(asked_client, row[i].option ? 2 : 1);
        check_again(SUITE);
    }
}

/* 2: client authentication, which the first handshake was without. */
static void test_rehandshake_client_authentication(void **state)
{
    sslInfo_t info;

    (void)state;
    begin_again();
    assert_int_equal(matrixSslGetInfo(sv.ssl, &info), PS_SUCCESS);
    assert_int_equal(info.clientAuth, PS_FALSE);
    assert_int_equal(matrixSslEncodeRehandshake(sv.ssl, NULL, server_cb, 0, 0), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    assert_int_equal(asked_server, 1);
    assert_int_equal(matrixSslGetInfo(sv.ssl, &info), PS_SUCCESS);
    assert_int_equal(info.clientAuth, PS_TRUE);
    check_again(SUITE);
}

/* 3: another cipher suite, which the client names. */
static void test_rehandshake_change_cipher_spec(void **state)
{
    (void)state;
    begin_again();
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, NULL, 0, CBC_SUITE), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    assert_int_equal(asked_client, 2); /* in full */
    check_again(CBC_SUITE);
}

/* And with new keys. */
static void test_rehandshake_new_keys(void **state)
{
    sslKeys_t *keys = guide_keys(&server2_cred, NULL);

    (void)state;
    begin_again();
    assert_int_equal(matrixSslEncodeRehandshake(sv.ssl, keys, NULL, 0, 0), PS_SUCCESS);
    assert_ptr_equal(sv.ssl->keys, keys);
    carry(&cl, &sv, 65536);
    assert_int_equal(asked_client, 2);
    check_again(SUITE);
    matrixSslDeleteKeys(keys);
}

/* Closing forgets which suites were switched on. */
static int each(void **state)
{
    (void)state;
    return matrixSslSetCipherSuiteEnabledStatus(NULL, CBC_SUITE, PS_TRUE);
}

static int setup(void **state)
{
    const struct cred_params p = { .common_name = "server2", .names = { "server.test" } };

    if (guide_setup(state)) {
        return -1;
    }
    cred_make(&server2_cred, &p, &ca);
    return 0;
}

static int teardown(void **state)
{
    cred_free(&server2_cred);
    return guide_teardown(state);
}

int main(void)
{
#define STEP(f) cmocka_unit_test_setup(f, each)
    const struct CMUnitTest tests[] = {
        STEP(test_initialization),
        STEP(test_transmit_pending_handshake_data),
        STEP(test_receive_handshake_data),
        STEP(test_in_situ_encryption),
        STEP(test_user_provided_plaintext),
        STEP(test_expect_application_data),
        STEP(test_ending_a_session),
        STEP(test_closing_the_library),
        STEP(test_standard_handshake),
        STEP(test_client_authentication),
        STEP(test_session_resumption),
        STEP(test_session_resumption_13),
        STEP(test_rehandshake_rekey),
        STEP(test_rehandshake_client_authentication),
        STEP(test_rehandshake_change_cipher_spec),
        STEP(test_rehandshake_new_keys),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
