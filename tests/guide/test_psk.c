/* SPDX-License-Identifier: ISC */
/* The guide's pre-shared keys: client and server, with certificates beside them and
 * without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "matrixssl.h"
#include "tests/lib/guide.h"

#define SUITE384 TLS_AES_256_GCM_SHA384
#define SUITE12  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define KEY      "0123456789abcdef"
#define OTHER    "0123456789abcdeF"

/* One more key of a side, made when there is none yet. */
static void load(struct side *s, const char *id, const void *key, size_t n)
{
    s->keys = s->keys ? s->keys : guide_keys(NULL, NULL);
    assert_int_equal(matrixSslLoadPsk(s->keys, (unsigned char *)(uintptr_t)key, (uint32)n,
                                      (unsigned char *)(uintptr_t)id, (uint32)strlen(id)),
                     PS_SUCCESS);
}

static void give(struct side *s, const char *id, const char *key)
{
    load(s, id, key, strlen(key));
}

static int32 refuse(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    (void)cert;
    (void)alert;
    fail_msg("a certificate is judged");
    return -1;
}

static int32 repeat(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    (void)cert;
    return alert;
}

static void start(sslCertCb_t client_cb, sslCertCb_t server_cb, sslSessionId_t *sid)
{
    cl.keys = cl.keys ? cl.keys : guide_keys(NULL, NULL);
    sv.keys = sv.keys ? sv.keys : guide_keys(NULL, NULL);
    assert_int_equal(matrixSslNewClientSession(&cl.ssl, cl.keys, sid, 0, client_cb, NULL, NULL), 1);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, server_cb), PS_SUCCESS);
}

static sslInfo_t info_of(const struct side *s)
{
    sslInfo_t i;

    assert_int_equal(matrixSslGetInfo(s->ssl, &i), PS_SUCCESS);
    return i;
}

/* Connects, under that identity as server and client know it ("": none), and data goes through. */
static void connects_as(const char *identity, const char *client_says)
{
    carry(&cl, &sv, 65536);
    if (!cl.complete || !sv.complete) {
        fail_msg("client: %s; server: %s", info_of(&cl).error, info_of(&sv).error);
    }
    assert_string_equal(info_of(&cl).pskIdentity, client_says);
    assert_string_equal(info_of(&sv).pskIdentity, identity);
    side_write(&cl, "ping", 4);
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.ngot, 4);
    assert_memory_equal(sv.got, "ping", 4);
}

static void connects(const char *identity)
{
    connects_as(identity, identity);
}

/* by: who says so, with that alert. */
static void refused(const struct side *by, int32 alert)
{
    carry(&cl, &sv, 65536);
    assert_int_equal(info_of(by).alertSent, alert);
    assert_false(cl.complete || (by == &cl && sv.complete));
    assert_string_equal(info_of(&cl).pskIdentity, "");
}

/* Nothing but keys. */
static void test_keys_alone(void **state)
{
    (void)state;
    give(&cl, "device-7", KEY);
    give(&sv, "device-8", OTHER);
    give(&sv, "device-7", KEY);
    start(refuse, NULL, NULL);
    connects("device-7");
    assert_int_equal(info_of(&cl).versionId, SSL_VERSION_TLS_1_3);
    assert_string_equal(info_of(&sv).error, "");
    guide_end();
}

/* 15 bytes are too few for TLS 1.3, 16 and 64 are not. */
static void test_lengths(void **state)
{
    static uint8_t key[SSL_PSK_MAX_KEY_SIZE] = "of some length or other";
    static char id[SSL_PSK_MAX_ID_SIZE + 1];
    ssl_t *none;

    (void)state;
    memset(id, 'i', SSL_PSK_MAX_ID_SIZE);
    for (size_t n = 16; n <= sizeof key; n += sizeof key - 16) {
        load(&cl, id, key, n);
        load(&sv, id, key, n);
        start(NULL, NULL, NULL);
        connects(id);
        guide_end();
    }
    load(&sv, id, key, 15);
    assert_int_equal(matrixSslNewServerSession(&none, sv.keys, NULL), PS_ARG_FAIL);
    guide_end();
    sv.keys = guide_keys(NULL, NULL); /* an identity that is no text */
    assert_int_equal(matrixSslLoadPsk(sv.keys, key, 16, (unsigned char *)(uintptr_t) "a\0b", 3), 0);
    assert_int_equal(matrixSslNewServerSession(&none, sv.keys, NULL), PS_ARG_FAIL);
    guide_end();
}

static void test_replaced(void **state)
{
    (void)state;
    give(&cl, "device-7", OTHER);
    give(&cl, "device-7", KEY);
    give(&sv, "device-7", KEY);
    start(NULL, NULL, NULL);
    connects("device-7");
    guide_end();
}

static void test_wrong_key(void **state)
{
    (void)state;
    give(&cl, "device-7", KEY);
    give(&sv, "device-7", OTHER);
    start(NULL, NULL, NULL);
    refused(&sv, SSL_ALERT_DECRYPT_ERROR);
    assert_int_equal(cl.alert, SSL_ALERT_DECRYPT_ERROR);
    guide_end();
    /* also where a certificate would do */
    cl.keys = guide_keys(NULL, &ca);
    sv.keys = guide_keys(&server_cred, NULL);
    give(&cl, "device-7", KEY);
    give(&sv, "device-7", OTHER);
    start(NULL, NULL, NULL);
    refused(&sv, SSL_ALERT_DECRYPT_ERROR);
    guide_end();
}

/* A server without a certificate refuses; one that has one shows it. */
static void test_unknown_identity(void **state)
{
    (void)state;
    give(&cl, "device-7", KEY);
    give(&sv, "device-8", KEY);
    start(NULL, NULL, NULL);
    refused(&sv, SSL_ALERT_DECRYPT_ERROR);
    guide_end();
    sv.keys = guide_keys(&server_cred, NULL);
    give(&cl, "device-7", KEY);
    give(&sv, "device-8", KEY);
    start(NULL, NULL, NULL);
    refused(&cl, SSL_ALERT_UNKNOWN_CA); /* it has no CAs: never without being asked for it */
    guide_end();
    cl.keys = guide_keys(NULL, &ca);
    sv.keys = guide_keys(&server_cred, NULL);
    give(&cl, "device-7", KEY);
    start(NULL, NULL, NULL);
    connects("");
    guide_end();
}

/* The key comes before the certificate; certificates go on as before where no key is. */
static void test_beside_certificates(void **state)
{
    (void)state;
    for (int keys = 0; keys < 4; keys++) {
        cl.keys = guide_keys(NULL, &ca);
        sv.keys = guide_keys(&server_cred, NULL);
        if (keys & 1) {
            give(&cl, "device-7", KEY);
        }
        if (keys & 2) {
            give(&sv, "device-7", KEY);
        }
        start(keys == 3 ? refuse : NULL, NULL, NULL);
        connects(keys == 3 ? "device-7" : "");
        guide_end();
    }
}

/* A server that wants to see certificates takes no key in their place. */
static void test_asks_for_certificates(void **state)
{
    ssl_t *none;

    (void)state;
    cl.keys = guide_keys(&client_cred, &ca);
    sv.keys = guide_keys(&server_cred, &ca);
    give(&cl, "device-7", KEY);
    give(&sv, "device-7", KEY);
    start(NULL, repeat, NULL);
    connects("");
    assert_int_equal(info_of(&sv).clientAuth, PS_TRUE);
    guide_end();
    cl.keys = guide_keys(NULL, &ca); /* the key alone will not do */
    sv.keys = guide_keys(&server_cred, &ca);
    give(&cl, "device-7", KEY);
    give(&sv, "device-7", KEY);
    start(NULL, repeat, NULL);
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.complete, 0);
    assert_int_equal(info_of(&sv).alertSent, SSL_ALERT_CERTIFICATE_REQUIRED);
    guide_end();
    sv.keys = guide_keys(NULL, &ca);
    give(&sv, "device-7", KEY);
    assert_int_equal(matrixSslNewServerSession(&none, sv.keys, repeat), PS_ARG_FAIL);
    guide_end();
}

/* One of four is known; a fifth is not offered. */
static void test_as_many_as_a_client_may(void **state)
{
    static const char *const names[] = { "a", "b", "c", "d", "e" };

    (void)state;
    for (size_t known = 0; known < 5; known++) {
        for (size_t i = 0; i < 5; i++) {
            give(&cl, names[i], KEY);
        }
        give(&sv, names[known], KEY);
        start(NULL, NULL, NULL);
        if (known == 0) {
            refused(&sv, SSL_ALERT_DECRYPT_ERROR);
        } else {
            connects(names[known]);
        }
        guide_end();
    }
}

/* A suite of another hash or version: no key is offered, and a server that has nothing else says
 * no. */
static void test_suites_that_no_key_goes_with(void **state)
{
    static const uint32 suites[] = { SUITE384, SUITE12 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        cl.keys = guide_keys(NULL, &ca);
        give(&cl, "device-7", KEY);
        give(&sv, "device-7", KEY);
        assert_int_equal(
            matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, suites[i], NULL, NULL, NULL), 1);
        assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), PS_SUCCESS);
        refused(&sv, i ? SSL_ALERT_PROTOCOL_VERSION : SSL_ALERT_DECRYPT_ERROR);
        guide_end();
    }
}

/* ---- TLS 1.2 ---- */

static const uint16 suites12[] = { TLS_PSK_WITH_AES_128_CBC_SHA, TLS_PSK_WITH_AES_256_GCM_SHA384,
                                   TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 };

static void enable(ssl_t *ssl, uint32 suite, uint32 status)
{
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(ssl, (uint16)suite, status), PS_SUCCESS);
}

/* Nobody takes them before they are enabled; a client may nominate one. */
static void test_suites_of_tls12(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t n = 1; n <= SSL_PSK_MAX_KEY_SIZE; n += 21) {
            uint8_t key[SSL_PSK_MAX_KEY_SIZE] = { 1, 2, 3 };

            load(&cl, "device-7", key, n);
            load(&sv, "device-7", key, n);
            load(&sv, "device-8", key, 3);
            enable(NULL, suites12[i], PS_TRUE);
            assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), PS_SUCCESS);
            assert_int_equal(
                matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, suites12[i], refuse, NULL, NULL),
                1);
            connects("device-7");
            assert_int_equal(info_of(&cl).versionId, SSL_VERSION_TLS_1_2);
            assert_int_equal(info_of(&sv).cipherId, suites12[i]);
            guide_end();
            enable(NULL, suites12[i], PS_FALSE);
        }
    }
}

static void test_wrong_in_tls12(void **state)
{
    (void)state;
    for (int name = 0; name < 2; name++) {
        enable(NULL, suites12[1], PS_TRUE);
        give(&cl, name ? "device-8" : "device-7", name ? KEY : OTHER);
        give(&sv, "device-7", KEY);
        assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), PS_SUCCESS);
        assert_int_equal(
            matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, suites12[1], refuse, NULL, NULL), 1);
        refused(&sv, SSL_ALERT_DECRYPT_ERROR);
        assert_int_equal(cl.alert, SSL_ALERT_DECRYPT_ERROR);
        guide_end();
    }
    enable(NULL, suites12[1], PS_FALSE);
}

/* No key, no such suite; and what is not enabled is not taken. */
static void test_tls12_needs_both(void **state)
{
    ssl_t *none;

    (void)state;
    cl.keys = guide_keys(NULL, &ca);
    assert_int_equal(matrixSslNewClientSession(&none, cl.keys, NULL, TLS_PSK_WITH_AES_256_CBC_SHA,
                                               NULL, NULL, NULL),
                     PS_ARG_FAIL);
    guide_end();
    give(&cl, "device-7", KEY);
    sv.keys = guide_keys(&server_cred, NULL);
    give(&sv, "device-7", KEY);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), PS_SUCCESS);
    assert_int_equal(matrixSslNewClientSession(&cl.ssl, cl.keys, NULL, TLS_PSK_WITH_AES_256_CBC_SHA,
                                               NULL, NULL, NULL),
                     1);
    refused(&sv, SSL_ALERT_HANDSHAKE_FAILURE);
    guide_end();
}

/* What was made with the key is resumed, and the server still knows by whom. */
static void test_resumed(void **state)
{
    sslSessionId_t sid;

    (void)state;
    matrixSslInitSessionId(sid);
    give(&cl, "device-7", KEY);
    give(&sv, "device-7", KEY);
    for (int i = 0; i < 2; i++) {
        start(refuse, NULL, &sid);
        connects_as("device-7", i ? "" : "device-7");
        assert_int_equal(info_of(&sv).resumed, i);
        matrixSslDeleteSession(cl.ssl);
        matrixSslDeleteSession(sv.ssl);
        cl.ssl = sv.ssl = NULL;
        cl.complete = sv.complete = 0;
        cl.ngot = sv.ngot = 0;
    }
    guide_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_alone),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_unknown_identity),
        cmocka_unit_test(test_beside_certificates),
        cmocka_unit_test(test_asks_for_certificates),
        cmocka_unit_test(test_as_many_as_a_client_may),
        cmocka_unit_test(test_suites_that_no_key_goes_with),
        cmocka_unit_test(test_suites_of_tls12),
        cmocka_unit_test(test_wrong_in_tls12),
        cmocka_unit_test(test_tls12_needs_both),
        cmocka_unit_test(test_resumed),
    };

    return cmocka_run_group_tests(tests, guide_setup, guide_teardown);
}
