/* SPDX-License-Identifier: ISC */
/* The guide's API while the provider or memory fails, at every place: keys are loaded, a client and
 * a server connect, talk, change their keys and close. Each call gives a result that is documented,
 * does all or nothing, and can be made again; the same keys serve the next sessions (threats 36,
 * 37). A place is tried once, all with SLEEVE_TEST_FULL=1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/lib/faults.h"
#include "tests/lib/guide.h"

#define TEXT 20000

static struct peer {
    sslKeys_t *keys;
    ssl_t *ssl;
    unsigned complete;
    bool over; /* it said an error, or that it is at an end */
    bool closed;
    unsigned char got[2 * TEXT];
    size_t ngot;
} client, server;
static unsigned char wire[1 << 17], text[TEXT];

/* One that is no fault of the peer's or the caller's. */
static bool documented(int32 rc)
{
    return rc == PS_MEM_FAIL || rc == PS_FAILURE;
}

/* What is to succeed: at once, or with what failed out of the way. */
#define DO(call, ok)                                                 \
    do {                                                             \
        int32 rc_ = (call);                                          \
        if (!(rc_ ok)) {                                             \
            assert_true(faults.hit);                                 \
            if (!documented(rc_)) {                                  \
                fail_msg("%s said %d: %s", faults.what, rc_, #call); \
            }                                                        \
            faults_disarm();                                         \
            rc_ = (call);                                            \
            assert_true(rc_ ok);                                     \
        }                                                            \
    } while (0)

/* ---- the flow of bytes ---- */

static void handle(struct peer *p, int32 rc, unsigned char *pt, uint32 n)
{
    while (rc == MATRIXSSL_APP_DATA || rc == MATRIXSSL_RECEIVED_ALERT ||
           rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
        if (rc == MATRIXSSL_APP_DATA) {
            assert_true(p->complete && p->ngot + n <= sizeof p->got);
            memcpy(p->got + p->ngot, pt, n);
            p->ngot += n;
        }
        if (rc == MATRIXSSL_RECEIVED_ALERT) {
            assert_int_equal(n, 2);
            p->closed = pt[1] == SSL_ALERT_CLOSE_NOTIFY;
            p->over = p->over || !p->closed;
        }
        if (rc == MATRIXSSL_HANDSHAKE_COMPLETE) {
            p->complete++;
            rc = matrixSslReceivedData(p->ssl, 0, &pt, &n);
        } else {
            rc = matrixSslProcessedData(p->ssl, &pt, &n);
        }
    }
    if (rc < 0) {
        assert_true(faults.hit);
        p->over = true;
    }
}

static void give(struct peer *p, const unsigned char *in, size_t n)
{
    while (n && !p->over) {
        unsigned char *room, *pt = NULL;
        uint32 npt = 0;
        int32 rc = matrixSslGetReadbuf(p->ssl, &room);
        size_t k;

        if (rc <= 0) {
            assert_true(faults.hit);
            assert_int_equal(rc, PS_MEM_FAIL);
            faults_disarm();
            rc = matrixSslGetReadbuf(p->ssl, &room);
            assert_true(rc > 0);
        }
        k = n < (size_t)rc ? n : (size_t)rc;
        memcpy(room, in, k);
        in += k;
        n -= k;
        rc = matrixSslReceivedData(p->ssl, (uint32)k, &pt, &npt);
        handle(p, rc, pt, npt);
    }
}

static size_t pass(struct peer *from, struct peer *to)
{
    unsigned char *out = NULL;
    const int32 n = matrixSslGetOutdata(from->ssl, &out);
    int32 rc;

    assert_true(n >= 0 && (size_t)n <= sizeof wire);
    if (n == 0) {
        return 0;
    }
    memcpy(wire, out, (size_t)n);
    rc = matrixSslSentData(from->ssl, (uint32)n);
    from->complete += rc == MATRIXSSL_HANDSHAKE_COMPLETE;
    from->over = from->over || rc == MATRIXSSL_REQUEST_CLOSE;
    assert_true(rc >= 0);
    give(to, wire, (size_t)n);
    return (size_t)n;
}

static bool healthy(void)
{
    return client.ssl && server.ssl && !client.over && !server.over;
}

static void exchange(void)
{
    for (size_t i = 0; i < 16 && pass(&client, &server) + pass(&server, &client); i++) {
    }
}

/* ---- what the application does ---- */

/* Said once and read once, whatever fails: a session that could not say it is at its end. */
static void say(struct peer *from, struct peer *to, size_t n, bool in_place)
{
    unsigned char *room;
    int32 rc;

    to->ngot = 0;
    if (in_place) {
        DO(matrixSslGetWritebuf(from->ssl, &room, (uint32)n), > 0);
        memcpy(room, text, n);
        rc = matrixSslEncodeWritebuf(from->ssl, (uint32)n);
    } else {
        rc = matrixSslEncodeToOutdata(from->ssl, text, (uint32)n);
    }
    if (rc < 0) { /* MATRIXSSL_ERROR: it was at its end already */
        if (!faults.hit || !(documented(rc) || rc == MATRIXSSL_ERROR)) {
            fail_msg("%s: %d", faults.what, rc);
        }
        faults_disarm();
        rc = matrixSslEncodeToOutdata(from->ssl, text, (uint32)n);
        from->over = from->over || rc < 0;
    }
    (void)pass(from, to);
    if (rc < 0 || to->ngot != n) { /* an alert is on its way */
        exchange();
        assert_true(!healthy());
    }
    assert_true(to->ngot <= n);
    assert_memory_equal(to->got, text, to->ngot);
}

static void talk(void)
{
    static const size_t sizes[] = { 1, 16384 };

    for (size_t i = 0; i < 4 && healthy(); i++) {
        struct peer *from = i % 2 ? &client : &server, *to = i % 2 ? &server : &client;

        say(from, to, sizes[i / 2], i % 2);
    }
}

/* Other keys, by a whole handshake where there is no other way. */
static void update(uint32 version)
{
    int32 rc =
        version == SSL_VERSION_TLS_1_3
            ? matrixSslEncodeKeyUpdate(client.ssl, PS_TRUE)
            : matrixSslEncodeRehandshake(client.ssl, NULL, NULL, SSL_OPTION_FULL_HANDSHAKE, 0);

    if (rc < 0) {
        if (!faults.hit || !documented(rc)) {
            fail_msg("%s: %d", faults.what, rc);
        }
    }
    exchange();
    client.over = client.over || rc < 0;
}

static int32 accept_all(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl;
    return cert ? alert : 0;
}

/* ---- one round ---- */

static void load(void)
{
    static unsigned char psk[32] = "0123456789abcdef0123456789abcde", id[] = "device-7";
    static const unsigned char name[16] = "name of a key..", key[32] = "k", mac[32] = "m";

    DO(matrixSslNewKeys(&client.keys), == PS_SUCCESS);
    DO(matrixSslNewKeys(&server.keys), == PS_SUCCESS);
    DO(matrixSslLoadRsaKeysMem(client.keys, buf_data(&client_cred.pem),
                               (int32)buf_len(&client_cred.pem), buf_data(&client_cred.key_pem),
                               (int32)buf_len(&client_cred.key_pem), buf_data(&ca.der),
                               (int32)buf_len(&ca.der)),
       == PS_SUCCESS);
    DO(matrixSslLoadRsaKeysMem(server.keys, buf_data(&server_cred.der),
                               (int32)buf_len(&server_cred.der), buf_data(&server_cred.key_pem),
                               (int32)buf_len(&server_cred.key_pem), buf_data(&ca.pem),
                               (int32)buf_len(&ca.pem)),
       == PS_SUCCESS);
    DO(matrixSslLoadOCSPResponse(server.keys, text, 100), == PS_SUCCESS);
    DO(matrixSslLoadSessionTicketKeys(server.keys, name, key, 32, mac, 32), == PS_SUCCESS);
    DO(matrixSslLoadPsk(client.keys, psk, 32, id, 8), == PS_SUCCESS);
}

struct kind {
    uint32 version;
    bool auth, extension, resume;
};

static void start(const struct kind *k, sslSessionId_t *sid)
{
    static const char *const alpn[] = { "one", "two" };
    static unsigned char any[] = "any";
    tlsExtension_t *more = NULL;

    if (k->extension) {
        DO(matrixSslNewHelloExtension(&more), == PS_SUCCESS);
        DO(matrixSslLoadHelloExtension(more, any, 3, 0x1234), == PS_SUCCESS);
    }
    DO(matrixSslNewClientSession(&client.ssl, client.keys, sid, 0, accept_all, more, NULL),
       == MATRIXSSL_REQUEST_SEND);
    matrixSslDeleteHelloExtension(more);
    DO(matrixSslNewServerSession(&server.ssl, server.keys, k->auth ? accept_all : NULL),
       == PS_SUCCESS);
    DO(matrixSslSetVersionRange(client.ssl, SSL_VERSION_TLS_1_2, k->version), == PS_SUCCESS);
    DO(matrixSslSetExpectedName(client.ssl, "server.test"), == PS_SUCCESS);
    DO(matrixSslSetAlpn(client.ssl, alpn, 2), == PS_SUCCESS);
    DO(matrixSslSetAlpn(server.ssl, alpn, 2), == PS_SUCCESS);
    DO(matrixSslRequestStatus(client.ssl, PS_TRUE), == PS_SUCCESS);
}

static void stop(void)
{
    struct peer *peers[] = { &client, &server };

    for (size_t i = 0; i < 2; i++) {
        matrixSslDeleteSession(peers[i]->ssl);
        peers[i]->ssl = NULL;
        peers[i]->complete = 0;
        peers[i]->over = peers[i]->closed = false;
        peers[i]->ngot = 0;
    }
}

static void finish(void)
{
    DO(matrixSslEncodeClosureAlert(client.ssl), == PS_SUCCESS);
    (void)pass(&client, &server);
    assert_true(server.closed || pass(&server, &client) > 0); /* or an alert */
}

/* True: they connected and did all. */
static bool play(const struct kind *k, sslSessionId_t *sid)
{
    sslInfo_t info;

    start(k, sid);
    exchange();
    if (!healthy()) {
        return false;
    }
    assert_true(client.complete == 1 && server.complete == 1);
    assert_int_equal(matrixSslGetInfo(client.ssl, &info), PS_SUCCESS);
    assert_string_equal(info.version, k->version == SSL_VERSION_TLS_1_3 ? "TLSv1.3" : "TLSv1.2");
    talk();
    if (healthy()) {
        update(k->version);
        talk();
    }
    if (healthy()) {
        finish();
        return true;
    }
    return false;
}

static void play_well(const struct kind *k, sslSessionId_t *sid)
{
    faults_disarm();
    faults_forget();
    assert_true(play(k, sid));
    stop();
}

static void unload(void)
{
    matrixSslDeleteKeys(client.keys);
    matrixSslDeleteKeys(server.keys);
    client.keys = server.keys = NULL;
}

/* Whatever failed, the keys were loaded in the end. */
static void load_and_play(enum fault fault, size_t n)
{
    static const struct kind k = { .version = SSL_VERSION_TLS_1_3, .auth = true };
    const size_t before = faults.live;

    faults_arm(fault, n, false);
    load();
    play_well(&k, NULL);
    unload();
    if (n && faults.live != before) {
        fail_msg("%zd allocations left behind %s", (ssize_t)(faults.live - before), faults.what);
    }
}

static size_t each_load(enum fault fault)
{
    size_t tried = 0, calls;

    load_and_play(fault, 0);
    load_and_play(fault, 0);
    calls = faults.calls;
    for (size_t n = 1; n <= calls; n++) {
        if (faults_new(n)) {
            load_and_play(fault, n);
            tried++;
        }
    }
    return tried;
}

/* With one set of keys, which serve a session that nothing fails behind each. */
static size_t each_session(const struct kind *k, enum fault fault)
{
    const size_t before = faults.live;
    size_t tried = 0, calls;
    sslSessionId_t sid;

    matrixSslInitSessionId(sid);
    load();
    play_well(k, &sid);
    faults_arm(fault, 0, false);
    assert_true(play(k, k->resume ? &sid : NULL));
    faults_disarm();
    calls = faults.calls;
    stop();
    for (size_t n = 1; n <= calls; n++) {
        if (!faults_new(n)) {
            continue;
        }
        tried++;
        faults_forget();
        faults_arm(fault, n, false);
        assert_true(play(k, k->resume ? &sid : NULL) || faults.hit);
        faults_disarm();
        exchange();
        stop();
        play_well(k, &sid);
    }
    unload();
    if (faults.live != before) {
        fail_msg("%zd allocations left", (ssize_t)(faults.live - before));
    }
    return tried;
}

static void each(enum fault fault)
{
    static const struct kind kinds[] = {
        { .version = SSL_VERSION_TLS_1_3, .auth = true, .extension = true },
        { .version = SSL_VERSION_TLS_1_3, .resume = true },
        { .version = SSL_VERSION_TLS_1_2, .auth = true },
        { .version = SSL_VERSION_TLS_1_2, .resume = true, .extension = true },
    };
    size_t tried = each_load(fault);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        tried += each_session(&kinds[i], fault);
    }
    print_message("%zu places\n", tried);
    assert_true(tried > 20);
}

static void threat_37_provider_fails(void **state)
{
    (void)state;
    each(FAULT_ZEROES);
}

static void threat_37_provider_leaves_rubbish(void **state)
{
    (void)state;
    each(FAULT_RUBBISH);
}

static void threat_37_no_memory(void **state)
{
    (void)state;
    each(FAULT_OUR_MEMORY);
}

static int again(void **state)
{
    (void)state;
    faults_disarm();
    stop();
    unload();
    return 0;
}

static int begin(void **state)
{
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (unsigned char)(i * 7 + 1);
    }
    return guide_setup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(threat_37_provider_fails, again),
        cmocka_unit_test_teardown(threat_37_provider_leaves_rubbish, again),
        cmocka_unit_test_teardown(threat_37_no_memory, again),
    };

    faults_install();
    return cmocka_run_group_tests(tests, begin, guide_teardown);
}
