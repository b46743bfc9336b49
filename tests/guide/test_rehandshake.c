/* SPDX-License-Identifier: ISC */
/* Re-handshakes: who may begin one, what is refused and how, what data does meanwhile (threat 20);
 * and what stands for them in TLS 1.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/lib/guide.h"

#define SUITE12 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define SUITE13 TLS_AES_128_GCM_SHA256
#define OTHER12 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384

static int asked;

static int32 follow(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl, (void)cert;
    asked++;
    return alert;
}

static void begin(uint32 suite, const struct cred *client)
{
    asked = 0;
    cl.keys = guide_keys(client, &ca);
    sv.keys = guide_keys(&server_cred, &ca);
    side_connect(&cl, &sv, suite, NULL);
}

static void quiet(void)
{
    cl.nlog = sv.nlog = cl.ngot = sv.ngot = 0;
    cl.log[0] = sv.log[0] = '\0';
    cl.alert = sv.alert = cl.level = sv.level = -1;
}

static int32 again(struct side *s)
{
    return matrixSslEncodeRehandshake(s->ssl, NULL, NULL, 0, 0);
}

static void still_works(void)
{
    quiet();
    side_write(&cl, "ping", 4);
    side_write(&sv, "pong!", 5);
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.ngot, 4);
    assert_int_equal(cl.ngot, 5);
    assert_int_equal(cl.error + sv.error, 0);
}

/* One more handshake that `who` begins: is it let? */
static bool let(struct side *who)
{
    int was = cl.complete + sv.complete;
    struct side *other = who == &cl ? &sv : &cl;

    quiet();
    assert_int_equal(again(who), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    if (cl.complete + sv.complete == was + 2) {
        assert_int_equal(who->alert, -1);
        still_works();
        return true;
    }
    assert_int_equal(cl.complete + sv.complete, was);
    assert_int_equal(who->level, SSL_ALERT_LEVEL_WARNING);
    assert_int_equal(who->alert, SSL_ALERT_NO_RENEGOTIATION);
    assert_int_equal(other->alert, -1);
    assert_int_equal(who->closed + other->closed, 0);
    still_works();
    return false;
}

/* One credit for the peer of who begins; what we ask for ourselves costs none. */
static void test_credits(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct side *who = i ? &cl : &sv, *other = i ? &sv : &cl;

        begin(SUITE12, NULL);
        assert_true(let(who));
        assert_false(let(who));
        assert_false(let(who));
        assert_true(let(other)); /* the other way there is still one */
        assert_false(let(other));
        matrixSslAddRehandshakeCredits(other->ssl, 2);
        assert_true(let(who));
        assert_true(let(who));
        assert_false(let(who));
        matrixSslAddRehandshakeCredits(other->ssl, INT32_MAX);
        matrixSslAddRehandshakeCredits(other->ssl, INT32_MAX);
        for (int k = 0; k < 10; k++) {
            assert_true(let(who));
        }
        matrixSslAddRehandshakeCredits(other->ssl, INT32_MIN); /* none at all */
        assert_false(let(who));
        matrixSslAddRehandshakeCredits(other->ssl, 1);
        assert_true(let(who));
        matrixSslAddRehandshakeCredits(NULL, 1);
        guide_end();
    }
}

/* 20 MB of data, whichever way it goes, earn one. */
static void test_data_earns_credits(void **state)
{
    enum { PIECE = 16384, PIECES = 20 * 1024 * 1024 / PIECE };
    static unsigned char piece[PIECE];

    (void)state;
    begin(SUITE12, NULL);
    assert_true(let(&cl));
    assert_false(let(&cl));
    for (int i = 0; i < PIECES - 1; i++) {
        cl.ngot = sv.ngot = 0;
        side_write(i % 2 ? &cl : &sv, piece, PIECE);
        carry(&cl, &sv, 65536);
    }
    assert_false(let(&cl));
    side_write(&cl, piece, PIECE);
    carry(&cl, &sv, 65536);
    assert_true(let(&cl));
    assert_false(let(&cl));
    guide_end();
}

static void test_wrong_time(void **state)
{
    unsigned char wire[8192];
    ssl_t *ssl = NULL;

    (void)state;
    assert_int_equal(matrixSslEncodeRehandshake(NULL, NULL, NULL, 0, 0), PS_ARG_FAIL);
    begin(SUITE12, NULL);
    assert_int_equal(matrixSslNewClientSession(&ssl, cl.keys, NULL, SUITE12, NULL, NULL, NULL), 1);
    assert_int_equal(matrixSslEncodeRehandshake(ssl, NULL, NULL, 0, 0), PS_FAILURE);
    matrixSslDeleteSession(ssl);
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, NULL, 0, 0x1399),
                     PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, NULL, 0, 0x1002b),
                     PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, OTHER12, PS_FALSE), PS_SUCCESS);
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, NULL, 0, OTHER12),
                     PS_DISABLED_FEATURE_FAIL);
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, OTHER12, PS_TRUE), PS_SUCCESS);
    still_works();
    quiet();
    assert_int_equal(again(&cl), PS_SUCCESS);
    assert_int_equal(again(&cl), PS_FAILURE);           /* one is under way */
    assert_true(side_take(&cl, wire, sizeof wire) > 0); /* and lost */
    assert_int_equal(again(&cl), PS_FAILURE);
    assert_int_equal(matrixSslEncodeClosureAlert(cl.ssl), PS_SUCCESS);
    assert_int_equal(again(&cl), MATRIXSSL_ERROR);
    guide_end();
    begin(SUITE12, NULL);
    assert_int_equal(matrixSslEncodeClosureAlert(cl.ssl), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    assert_int_equal(again(&sv), PS_FAILURE); /* the peer has closed */
    guide_end();
}

/* A server without a CA cannot ask for a certificate; the session goes on as it was. */
static void test_cannot_be_configured(void **state)
{
    sslKeys_t *empty = guide_keys(NULL, NULL), *no_ca = guide_keys(&server_cred, NULL);

    (void)state;
    begin(SUITE12, NULL);
    assert_true(matrixSslEncodeRehandshake(sv.ssl, empty, NULL, 0, 0) < 0);
    assert_int_equal(matrixSslEncodeRehandshake(sv.ssl, no_ca, follow, 0, 0), PS_FAILURE);
    assert_ptr_equal(sv.ssl->keys, sv.keys);
    still_works();
    assert_true(let(&sv));
    assert_int_equal(asked, 0);
    guide_end();
    matrixSslDeleteKeys(empty);
    matrixSslDeleteKeys(no_ca);
}

/* From a side's own hello to the end nothing may be encoded: PS_FAILURE, and nothing of it is lost
 * or queued. What was under way arrives. */
static void test_data_has_to_wait(void **state)
{
    unsigned char wire[8192], *room;
    size_t n;

    (void)state;
    begin(SUITE12, NULL);
    side_write(&cl, "1", 1);
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, NULL, SSL_OPTION_FULL_HANDSHAKE, 0),
                     PS_SUCCESS);
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, wire, 1), PS_FAILURE);
    side_write(&sv, "2", 1); /* it knows nothing yet */
    n = side_take(&cl, wire, sizeof wire);
    side_give(&sv, wire, n);
    assert_string_equal(sv.log, "r4 p1");
    assert_int_equal(matrixSslEncodeToOutdata(sv.ssl, wire, 1), PS_FAILURE);
    assert_true(matrixSslGetWritebuf(cl.ssl, &room, 10) >= 10); /* begun before, ended after */
    n = side_take(&sv, wire, sizeof wire);
    side_give(&cl, wire, n);
    memcpy(room, "0123456789", 10);
    assert_int_equal(matrixSslEncodeWritebuf(cl.ssl, 10), PS_FAILURE);
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, wire, 1), PS_FAILURE);
    assert_int_equal(matrixSslEncodeToOutdata(cl.ssl, NULL, 0), PS_FAILURE);
    carry(&cl, &sv, 65536);
    assert_int_equal(cl.complete + sv.complete, 4);
    side_write(&sv, "3", 1);
    carry(&cl, &sv, 65536);
    assert_int_equal(sv.ngot, 1);
    assert_int_equal(cl.ngot, 2);
    assert_memory_equal(cl.got, "23", 2);
    still_works();
    guide_end();
}

/* Every suite to every other, plaintext in place while the suite changes under it. */
static void test_gap_changes(void **state)
{
    static const uint32 suites[] = { SUITE12, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                                     TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 };
    unsigned char *room;

    (void)state;
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, (uint16)suites[2], PS_TRUE), 0);
    for (size_t i = 0; i < 9; i++) {
        begin(suites[i / 3], NULL);
        assert_true(matrixSslGetWritebuf(sv.ssl, &room, 300) >= 300);
        memset(room, 'x', 300);
        assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, NULL, 1, suites[i % 3]), 0);
        carry(&cl, &sv, 100);
        assert_int_equal(cl.complete + sv.complete, 4);
        if (matrixSslEncodeWritebuf(sv.ssl, 300) < 0) { /* the room was given up */
            assert_true(matrixSslGetWritebuf(sv.ssl, &room, 300) >= 300);
            memset(room, 'x', 300);
            assert_true(matrixSslEncodeWritebuf(sv.ssl, 300) > 300);
        }
        carry(&cl, &sv, 65536);
        assert_int_equal(cl.ngot, 300);
        assert_int_equal(cl.got[0] + cl.got[299], 2 * 'x');
        still_works();
        guide_end();
    }
}

/* ---- TLS 1.3 ---- */
static void test_new_keys_in_13(void **state)
{
    (void)state;
    begin(SUITE13, NULL);
    for (int i = 0; i < 6; i++) {
        struct side *who = i % 2 ? &cl : &sv;

        quiet();
        assert_int_equal(again(who), PS_SUCCESS);
        side_write(who, "at once", 7);
        carry(&cl, &sv, 65536);
        assert_non_null(strstr(who->log, "s5")); /* the new keys are in use */
        still_works();
        quiet();
        assert_int_equal(matrixSslEncodeKeyUpdate(who->ssl, i < 3 ? PS_TRUE : PS_FALSE), 0);
        carry(&cl, &sv, 65536);
        assert_null(strstr(who->log, "5"));
        still_works();
    }
    assert_int_equal(matrixSslEncodeKeyUpdate(cl.ssl, 2), PS_ARG_FAIL);
    assert_int_equal(matrixSslEncodeKeyUpdate(NULL, PS_TRUE), PS_ARG_FAIL);
    guide_end();
    begin(SUITE12, NULL);
    assert_int_equal(matrixSslEncodeKeyUpdate(cl.ssl, PS_TRUE), PS_UNSUPPORTED_FAIL);
    still_works();
    guide_end();
}

static void test_what_13_has_not(void **state)
{
    sslKeys_t *other = guide_keys(NULL, &ca);
    unsigned char key[16] = "pre-shared";

    (void)state;
    begin(SUITE13, NULL);
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, NULL, 0, TLS_AES_256_GCM_SHA384),
                     PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslEncodeRehandshake(sv.ssl, NULL, NULL, 0, TLS_AES_256_GCM_SHA384),
                     PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, cl.keys, NULL, 0, 0), PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslEncodeRehandshake(sv.ssl, sv.keys, NULL, 0, 0), PS_UNSUPPORTED_FAIL);
    /* What has been made of them is there for the next session: they take no more. */
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, other, NULL, 0, 0), PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslLoadPsk(other, key, sizeof key, key, 3), PS_FAILURE);
    assert_ptr_equal(cl.ssl->keys, cl.keys);
    matrixSslDeleteKeys(other);
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, follow, 0, 0), PS_UNSUPPORTED_FAIL);
    assert_int_equal(matrixSslEncodeRehandshake(sv.ssl, NULL, follow, 0, 0), /* not offered */
                     PS_UNSUPPORTED_FAIL);
    still_works();
    assert_int_equal(matrixSslEncodeRehandshake(cl.ssl, NULL, NULL, 0, SUITE13), PS_SUCCESS);
    carry(&cl, &sv, 65536);
    still_works();
    guide_end();
}

static void test_authentication_in_13(void **state)
{
    static const size_t chunks[] = { 65536, 1, 100 };
    sslInfo_t info;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        begin(SUITE13, &client_cred);
        assert_int_equal(matrixSslEncodeRehandshake(sv.ssl, NULL, follow, 0, 0), PS_SUCCESS);
        assert_int_equal(again(&sv), PS_FAILURE); /* one is under way */
        side_write(&sv, "who are you?", 12);
        side_write(&cl, "hello", 5);
        carry(&cl, &sv, chunks[i]);
        assert_int_equal(asked, 1);
        assert_int_equal(sv.complete, 2);
        assert_int_equal(matrixSslGetInfo(sv.ssl, &info), PS_SUCCESS);
        assert_int_equal(info.clientAuth, PS_TRUE);
        still_works();
        guide_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credits),
        cmocka_unit_test(test_data_earns_credits),
        cmocka_unit_test(test_wrong_time),
        cmocka_unit_test(test_cannot_be_configured),
        cmocka_unit_test(test_data_has_to_wait),
        cmocka_unit_test(test_gap_changes),
        cmocka_unit_test(test_new_keys_in_13),
        cmocka_unit_test(test_what_13_has_not),
        cmocka_unit_test(test_authentication_in_13),
    };

    return cmocka_run_group_tests(tests, guide_setup, guide_teardown);
}
