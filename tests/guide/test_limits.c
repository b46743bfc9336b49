/* SPDX-License-Identifier: ISC */
/* Sessions, resumption and re-handshakes when memory runs out at any point (threats 36, 37), and in
 * several threads that share keys and the table of sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <pthread.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/lib/guide.h"

#define SUITE12 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define OTHER12 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
#define SUITE13 TLS_AES_128_GCM_SHA256

static sslKeys_t *client_keys, *server_keys;

static int32 follow(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl, (void)cert;
    return alert;
}

/* ---- a pair that may fail anywhere ---- */
struct end {
    ssl_t *ssl;
    int done, heard, failed;
};

static void take(struct end *e, uint32 n)
{
    unsigned char *data;
    uint32 len;
    int32 rc = matrixSslReceivedData(e->ssl, n, &data, &len);

    for (int turns = 0; turns < 100; turns++) {
        switch (rc) {
        case MATRIXSSL_HANDSHAKE_COMPLETE:
            e->done++;
            rc = matrixSslReceivedData(e->ssl, 0, &data, &len);
            continue;
        case MATRIXSSL_APP_DATA:
            e->heard += (int)len;
            break;
        case MATRIXSSL_RECEIVED_ALERT:
            e->failed = 1;
            break;
        default:
            e->failed = e->failed || rc < 0;
            return;
        }
        rc = matrixSslProcessedData(e->ssl, &data, &len);
    }
    e->failed = 1; /* it does not come to an end */
}

/* false: it went wrong, or nothing moved. */
static bool carry_some(struct end *from, struct end *to)
{
    unsigned char *out, *in;
    int32 n = matrixSslGetOutdata(from->ssl, &out), room, rc;

    if (n <= 0) {
        return false;
    }
    room = matrixSslGetReadbuf(to->ssl, &in);
    if (room <= 0) {
        to->failed = 1;
        return false;
    }
    n = min(n, room);
    memcpy(in, out, (size_t)n);
    rc = matrixSslSentData(from->ssl, (uint32)n);
    from->done += rc == MATRIXSSL_HANDSHAKE_COMPLETE;
    from->failed = from->failed || rc < 0 || rc == MATRIXSSL_REQUEST_CLOSE;
    take(to, (uint32)n);
    return true;
}

static bool settle(struct end *a, struct end *b)
{
    for (int turns = 0; turns < 100; turns++) {
        bool there = carry_some(a, b), back = carry_some(b, a);

        if (!there && !back) {
            return !a->failed && !b->failed;
        }
    }
    return false;
}

static bool speak(struct end *from, struct end *to)
{
    unsigned char *room;
    int before = to->heard;

    if (matrixSslGetWritebuf(from->ssl, &room, 100) < 100) {
        return false;
    }
    memset(room, 'x', 100);
    return matrixSslEncodeWritebuf(from->ssl, 100) > 0 &&
           matrixSslEncodeToOutdata(from->ssl, (unsigned char *)(uintptr_t) "y", 1) > 0 &&
           settle(from, to) && to->heard == before + 101;
}

/* Connects, talks, and begins again in the ways that the version has. */
static bool life(uint32 suite, sslSessionId_t *sid)
{
    struct end c = { 0 }, s = { 0 };
    bool ok = false;

    if (matrixSslNewClientSession(&c.ssl, client_keys, sid, suite, follow, NULL, NULL) != 1 ||
        matrixSslNewServerSession(&s.ssl, server_keys, NULL) != 0) {
        goto out;
    }
    if (!settle(&c, &s) || c.done != 1 || s.done != 1 || !speak(&c, &s) || !speak(&s, &c)) {
        goto out;
    }
    if (suite == SUITE12) {
        ok = matrixSslEncodeRehandshake(c.ssl, NULL, NULL, 0, 0) == 0 && settle(&c, &s) &&
             s.done == 2 && matrixSslEncodeRehandshake(s.ssl, server_keys, follow, 0, 0) == 0 &&
             settle(&c, &s) && s.done == 3 && speak(&c, &s) && speak(&s, &c);
    } else {
        ok = matrixSslEncodeRehandshake(c.ssl, NULL, NULL, 0, 0) == 0 && settle(&c, &s) &&
             matrixSslEncodeRehandshake(s.ssl, NULL, follow, 0, 0) == 0 && settle(&c, &s) &&
             s.done == 2 && speak(&c, &s) && speak(&s, &c);
    }
out:
    matrixSslDeleteSession(c.ssl);
    matrixSslDeleteSession(s.ssl);
    return ok;
}

static _Thread_local long fail_in = -1;

static void *failing_alloc(size_t n)
{
    return fail_in >= 0 && fail_in-- == 0 ? NULL : malloc(n);
}

static void make_keys(void)
{
    client_keys = guide_keys(&client_cred, &ca);
    server_keys = guide_keys(&server_cred, &ca);
}

static void drop_keys(void)
{
    matrixSslDeleteKeys(client_keys);
    matrixSslDeleteKeys(server_keys);
}

static void test_every_allocation_fails(void **state)
{
    static const uint32 suites[] = { SUITE12, SUITE13 };
    struct mem_hooks before = mem_hooks;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        sslSessionId_t sid;
        long n = 0, survived = 0;

        matrixSslInitSessionId(sid);
        make_keys();
        assert_true(life(suites[i], &sid));
        assert_true(life(suites[i], &sid)); /* resumed */
        mem_hooks.alloc = failing_alloc;
        do {
            drop_keys(); /* nothing is shared from before */
            mem_hooks = before;
            make_keys();
            mem_hooks.alloc = failing_alloc;
            fail_in = n++;
            survived += life(suites[i], &sid);
            fail_in = fail_in < 0 ? -1 : fail_in;
            assert_true(n < 5000);
        } while (fail_in < 0);
        fail_in = -1;
        mem_hooks = before;
        assert_true(n > 100);
        assert_true(survived < n / 2); /* most of them matter */
        matrixSslInitSessionId(sid);
        assert_true(life(suites[i], &sid));
        assert_true(life(suites[i], &sid));
        drop_keys();
    }
}

static void *lives(void *arg)
{
    const unsigned *seed = arg;
    unsigned r = *seed;
    sslSessionId_t sid[3];
    static const uint32 suites[] = { SUITE12, SUITE13, SUITE12 };

    for (int i = 0; i < 3; i++) {
        matrixSslInitSessionId(sid[i]);
    }
    for (int i = 0; i < 24; i++) {
        unsigned k = (r = r * 1103515245 + 12345) >> 16;

        if (!life(suites[k % 3], &sid[k % 3])) {
            return arg;
        }
        if (k % 5 == 0 && (matrixSslOpen() != PS_SUCCESS ||
                           matrixSslSetCipherSuiteEnabledStatus(NULL, OTHER12, k % 2) < 0)) {
            return arg;
        }
        if (k % 5 == 0) {
            matrixSslClose();
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    unsigned seed[3] = { 1, 2, 3 };
    pthread_t t[3];
    void *failed;

    (void)state;
    make_keys();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, lives, &seed[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    /* Whose word was the last is chance. */
    assert_int_equal(matrixSslSetCipherSuiteEnabledStatus(NULL, OTHER12, PS_TRUE), 0);
    drop_keys();
}

/* More kinds of session than configs are kept for, in turns. */
static void test_many_kinds(void **state)
{
    static const uint32 suites[] = { 0,
                                     SUITE12,
                                     OTHER12,
                                     SUITE13,
                                     TLS_AES_256_GCM_SHA384,
                                     TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                                     TLS_CHACHA20_POLY1305_SHA256 };

    (void)state;
    make_keys();
    for (size_t i = 0; i < 21; i++) {
        struct end c = { 0 }, s = { 0 };
        sslInfo_t info;

        assert_int_equal(
            matrixSslNewClientSession(&c.ssl, client_keys, NULL, suites[i % 7], follow, NULL, NULL),
            1);
        assert_int_equal(matrixSslNewServerSession(&s.ssl, server_keys, i % 2 ? follow : NULL), 0);
        assert_true(settle(&c, &s));
        assert_int_equal(matrixSslGetInfo(s.ssl, &info), 0);
        assert_int_equal(info.cipherId, suites[i % 7] ? suites[i % 7] : SUITE13);
        assert_int_equal(info.clientAuth, i % 2);
        matrixSslDeleteSession(c.ssl);
        matrixSslDeleteSession(s.ssl);
    }
    drop_keys();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_many_kinds),
    };

    return cmocka_run_group_tests(tests, guide_setup, guide_teardown);
}
