/* SPDX-License-Identifier: ISC */
/* Anonymous Diffie-Hellman: between our own ends under every suite; refused by whoever did not ask
 * for it in so many words; hostile servers; the guide's words for it. */
#include "handshake/kx12.h"
#include "tests/handshake/pair12.h"

#include <matrixssl/matrixsslApi.h>

#define ANON 0x00a6

static struct pair_params anon(void)
{
    return (struct pair_params){ .suite = ANON, .no_server_id = true, .verify_none = true };
}

static void test_every_suite(void **state)
{
    unsigned n = 0;

    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        struct pair_params q = anon();
        struct tls_info info;
        struct pair *p;

        if (suite_at(i)->kx != KX_DH_ANON) {
            continue;
        }
        assert_false(suite_at(i)->by_default);
        if (suite_look(suite_at(i)) < 0) {
            continue; /* no legacy provider on this machine */
        }
        q.suite = suite_at(i)->id;
        p = pair_connected(&q);
        info = info_of(&p->c);
        assert_int_equal(info.suite_id, q.suite);
        assert_int_equal(info.group_id, 256);
        assert_int_equal(info.peer_cert.n, 0);
        assert_string_equal(info.host, "");
        assert_int_equal(p->c.t->hs.scheme == NULL, true);
        assert_int_equal(p->c.t->hs.proves, PROVES_ANONYMOUS | PROVES_FINISHED);
        assert_int_equal(p->s.t->hs.proves, PROVES_FINISHED);
        end_talk(&p->c, &p->s, "there", 5);
        end_talk(&p->s, &p->c, "back", 4);
        pair_free(p);
        n++;
    }
    assert_true(n >= 7);
}

static void test_resumed(void **state)
{
    struct pair_params q = anon();
    struct tls_session *s;
    struct pair *p;

    (void)state;
    q.tickets = ticket_keys_new(3600 * 1000);
    p = pair_connected(&q);
    s = tls_session(p->c.t);
    assert_non_null(s);
    pair_free(p);
    q.resume = s;
    p = pair_connected(&q);
    assert_true(info_of(&p->c).resumed && info_of(&p->s).resumed);
    pair_free(p);
    /* threat 27: not by who verifies */
    q.verify_none = false;
    p = pair_new(&q);
    pair_run(p, WIRE_MAX);
    assert_refused(&p->c, ALERT_HANDSHAKE_FAILURE);
    pair_free(p);
    session_unref(s);
    ticket_keys_unref(q.tickets);
}

/* ---- who takes it ---- */
static int word, told, asked;
static int on_verify(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    (void)ctx;
    (void)t;
    assert_null(chain);
    assert_int_equal(n, 0);
    told = alert;
    asked++;
    return word;
}

static void threat_03_only_who_says_so(void **state)
{
    static const struct {
        bool none, asks;
        int word;
        unsigned told, alert; /* 0: connected */
    } rows[] = {
        { true, false, 0, 0, 0 },
        { false, false, 0, 0, ALERT_HANDSHAKE_FAILURE },
        { false, true, 0, ALERT_HANDSHAKE_FAILURE, 0 },
        { false, true, ALERT_BAD_CERTIFICATE, ALERT_HANDSHAKE_FAILURE, ALERT_HANDSHAKE_FAILURE },
        { true, true, 0, 0, 0 },
        { true, true, ALERT_BAD_CERTIFICATE, 0, ALERT_BAD_CERTIFICATE },
        { true, true, -1, 0, ALERT_INTERNAL_ERROR },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_params q = anon();
        struct pair *p;

        q.verify_none = rows[i].none;
        q.on_verify = rows[i].asks ? on_verify : NULL;
        word = rows[i].word;
        asked = 0;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_int_equal(asked, rows[i].asks);
        assert_int_equal(rows[i].asks ? (unsigned)told : 0, rows[i].told);
        if (rows[i].alert) {
            assert_refused(&p->c, rows[i].alert);
            assert_int_equal(p->s.done, 0);
        } else {
            assert_true(p->c.done == 1 && p->s.done == 1);
        }
        pair_free(p);
    }
}

/* threat 16: neither end has it unless it is named; a server that has a certificate for the client
 * shows it. */
static void threat_16_only_when_named(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        struct pair_params q = { .id = ID_RSA, .verify_none = true, .client_max = TLS_1_2 };
        struct pair *p;

        (server ? q.client_suites : q.server_suites)[0] = ANON;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        pair_free(p);
    }
}

/* No client certificates (RFC 5246 section 7.4.4): who calls for one does without this; who only
 * asks does not ask. */
static void threat_03_no_client_certificates(void **state)
{
    (void)state;
    for (int auth = CLIENT_AUTH_REQUEST; auth <= CLIENT_AUTH_REQUIRE; auth++) {
        struct pair_params q = anon();
        struct pair *p;

        q.auth = (enum client_auth)auth;
        q.client_id = true;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        if (auth == CLIENT_AUTH_REQUIRE) {
            assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        } else {
            assert_true(p->c.done == 1 && p->s.done == 1);
            assert_false(info_of(&p->s).client_auth);
        }
        pair_free(p);
    }
}

/* ---- hostile peers ---- */
static void threat_02_messages(void **state)
{
    static const struct {
        enum hs_state at;
        int legal[3];
    } rows[] = { { C12_WAIT_SKE, { HS_SERVER_KEY_EXCHANGE, -1, -1 } },
                 { C12_WAIT_CR, { HS_SERVER_HELLO_DONE, HS_CERTIFICATE_REQUEST, -1 } },
                 { S12_WAIT_CKE, { HS_CLIENT_KEY_EXCHANGE, -1, -1 } },
                 { S12_WAIT_CCS, { -1, -1, -1 } } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (unsigned type = 0; type <= 255; type++) {
            const struct pair_params q = anon();
            struct stage12 s = stage12_at(rows[i].at, &q);
            uint8_t m[] = { (uint8_t)type, 0, 0, 3, 1, 64, 0 };
            bool legal = false, request = type == HS_CERTIFICATE_REQUEST;

            for (int k = 0; k < 3; k++) {
                legal = legal || rows[i].legal[k] == (int)type;
            }
            if (rows[i].at == C12_WAIT_SKE && type == HS_SERVER_HELLO_DONE) {
                m[3] = 0; /* this one is without fault, but too early */
            }
            hand12_give(&s.hand, s.e, CT_HANDSHAKE, m, HS_HEADER + m[3]);
            assert_true(IS_TLS_ALERT(s.e->rc));
            if (!legal) {
                assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
            } else if (request) { /* section 7.4.4 */
                assert_refused(s.e, ALERT_HANDSHAKE_FAILURE);
            } else {
                assert_refused(s.e, ALERT_DECODE_ERROR);
            }
            stage12_free(&s);
        }
    }
}

static void threat_02_left_out_messages(void **state)
{
    static const uint8_t done[] = { HS_SERVER_HELLO_DONE, 0, 0, 0 };
    const struct pair_params q = anon();
    struct stage12 s = stage12_at(C12_WAIT_SKE, &q);

    (void)state;
    stage12_give(&s, done, sizeof done);
    assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
    stage12_free(&s);
}

/* threat 18: y that is in nobody's group; nothing is signed. */
static void threat_18_shares(void **state)
{
    (void)state;
    for (unsigned y = 0; y < 3; y++) {
        for (int role = 0; role < 2; role++) {
            const struct pair_params q = anon();
            struct stage12 s = stage12_at(role ? S12_WAIT_CKE : C12_WAIT_SKE, &q);
            size_t n;
            uint8_t *m = stage12_next(&s, &n);

            memset(m + n - 256, 0, 255); /* the share ends the message */
            m[n - 1] = (uint8_t)y;
            stage12_give(&s, m, n);
            if (y < 2) {
                assert_refused(s.e, ALERT_ILLEGAL_PARAMETER);
            } else {
                assert_int_equal(s.e->rc, 0);
            }
            stage12_free(&s);
        }
    }
}

/* threat 3: an anonymous server that nobody allowed, however it got there; threat 5: with another
 * number than it sent there is no Finished. */
static void threat_03_proof_mask(void **state)
{
    const struct pair_params q = anon();
    struct stage12 s = stage12_at(C12_WAIT_FINISHED, &q);
    size_t n;
    uint8_t *m = stage12_next(&s, &n);

    (void)state;
    assert_int_equal(s.e->t->hs.proves, PROVES_ANONYMOUS);
    s.e->t->hs.proves = PROVES_CHAIN | PROVES_POSSESSION | PROVES_SESSION | PROVES_PSK;
    stage12_give(&s, m, n);
    assert_refused(s.e, ALERT_INTERNAL_ERROR);
    stage12_free(&s);
    for (unsigned at = 1; at <= 256; at += 15) {
        s = stage12_at(C12_WAIT_SKE, &q);
        m = stage12_next(&s, &n);
        m[n - at] ^= 1;
        while (s.e->rc == 0 && s.peer->rc == 0 && s.e->done == 0) {
            static uint8_t wire[WIRE_MAX];

            stage12_give(&s, m, n);
            if (s.e->rc == 0 && s.at == s.n) {
                end_give(s.peer, wire, end_take(s.e, wire));
                assert_true(s.peer->rc < 0);
                break;
            }
            m = stage12_next(&s, &n);
        }
        assert_true(s.e->done == 0 && s.peer->done == 0);
        stage12_free(&s);
    }
}

/* threat 20: who had a certificate does not become nobody. */
static void threat_20_renegotiated(void **state)
{
    struct pair_params q = { .id = ID_RSA,
                             .renegotiation = RENEGOTIATE_SECURE,
                             .verify_none = true };
    struct settings changed;
    struct pair *p;

    (void)state;
    q.client_suites[0] = q.server_suites[0] = SUITE_DHE;
    q.client_suites[1] = q.server_suites[1] = ANON;
    p = pair_connected(&q);
    assert_int_equal(info_of(&p->c).suite_id, SUITE_DHE);
    changed = *p->s.t->hs.set;
    changed.suites[0] = suite_by_id(ANON);
    p->s.t->hs.set = &changed;
    tls_allow_renegotiation(p->s.t, true);
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->c.rc, TLS_ALERT(ALERT_HANDSHAKE_FAILURE));
    pair_free(p);
}

/* ---- the guide's words ---- */
static int32 says;
static unsigned calls;
static int32 cert_cb(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    assert_null(cert);
    assert_int_equal(alert, SSL_ALERT_HANDSHAKE_FAILURE);
    calls++;
    return says;
}

/* Until neither has anything to send; true: both are through. */
static bool guide_runs(ssl_t *c, ssl_t *s)
{
    ssl_t *end[2] = { c, s };
    int complete = 0;

    for (int quiet = 0, at = 0; quiet < 2; at = !at) {
        unsigned char *out, *in, *plain;
        int32 n = matrixSslGetOutdata(end[at], &out), room, rc;
        uint32 len;

        quiet = n > 0 ? 0 : quiet + 1;
        if (n <= 0) {
            continue;
        }
        room = matrixSslGetReadbuf(end[!at], &in);
        n = n < room ? n : room;
        memcpy(in, out, (size_t)n);
        rc = matrixSslSentData(end[at], (uint32)n);
        complete += rc == MATRIXSSL_HANDSHAKE_COMPLETE;
        rc = matrixSslReceivedData(end[!at], (uint32)n, &plain, &len);
        complete += rc == MATRIXSSL_HANDSHAKE_COMPLETE;
        if (rc == MATRIXSSL_RECEIVED_ALERT) {
            return false;
        }
    }
    return complete == 2;
}

static void test_guide(void **state)
{
    static const int32 words[] = { SSL_ALLOW_ANON_CONNECTION, 0, SSL_ALERT_HANDSHAKE_FAILURE, -1,
                                   SSL_ALERT_BAD_CERTIFICATE };

    (void)state;
    assert_int_equal(matrixSslOpen(), PS_SUCCESS);
    for (size_t i = 0; i < 6; i++) { /* the last one: without a callback */
        sslKeys_t *ck, *sk;
        ssl_t *c, *s;
        int32 is[2];

        assert_int_equal(matrixSslNewKeys(&ck), PS_SUCCESS);
        assert_int_equal(matrixSslNewKeys(&sk), PS_SUCCESS);
        assert_int_equal(
            matrixSslSetCipherSuiteEnabledStatus(NULL, TLS_DH_anon_WITH_AES_128_CBC_SHA, PS_TRUE),
            PS_SUCCESS);
        calls = 0;
        says = words[i % 5];
        assert_int_equal(matrixSslNewClientSession(&c, ck, NULL, TLS_DH_anon_WITH_AES_128_CBC_SHA,
                                                   i < 5 ? cert_cb : NULL, NULL, NULL),
                         MATRIXSSL_REQUEST_SEND);
        assert_int_equal(matrixSslNewServerSession(&s, sk, NULL), PS_SUCCESS);
        matrixSslGetAnonStatus(c, &is[0]);
        assert_int_equal(is[0], PS_FALSE);
        assert_int_equal(guide_runs(c, s), i == 0);
        matrixSslGetAnonStatus(c, &is[0]);
        matrixSslGetAnonStatus(s, &is[1]);
        assert_int_equal(calls, i < 5);
        assert_true(i || (is[0] == PS_TRUE && is[1] == PS_TRUE));
        matrixSslDeleteSession(c);
        matrixSslDeleteSession(s);
        matrixSslDeleteKeys(ck);
        matrixSslDeleteKeys(sk);
    }
    matrixSslClose();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_suite),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(threat_03_only_who_says_so),
        cmocka_unit_test(threat_16_only_when_named),
        cmocka_unit_test(threat_03_no_client_certificates),
        cmocka_unit_test(threat_02_messages),
        cmocka_unit_test(threat_02_left_out_messages),
        cmocka_unit_test(threat_18_shares),
        cmocka_unit_test(threat_03_proof_mask),
        cmocka_unit_test(threat_20_renegotiated),
        cmocka_unit_test(test_guide),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
