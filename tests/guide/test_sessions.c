/* SPDX-License-Identifier: ISC */
/* sslSessionId_t and the server's side of resumption: what is filled, what resumes, what does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <malloc.h>
#include <cmocka.h>

#include "base/mem.h"
#include "matrixssl.h"
#include "tests/lib/guide.h"

#define SUITE12 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define SUITE13 TLS_AES_128_GCM_SHA256

static struct cred other_ca, server2_cred;
static int64_t later; /* seconds by which the library's clock is ahead */
static int asked;

/* In place of libc's. */
time_t time(time_t *t)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += later;
    if (t) {
        *t = now.tv_sec;
    }
    return now.tv_sec;
}

static int32 accept_all(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl, (void)cert, (void)alert;
    asked++;
    return 0;
}

static int32 let_in(ssl_t *ssl, psX509Cert_t *cert, int32 alert)
{
    (void)ssl, (void)cert, (void)alert;
    asked++;
    return SSL_ALLOW_ANON_CONNECTION;
}

struct call {
    uint32 suite;
    sslSessionId_t *sid;
    sslCertCb_t client_cb, server_cb;
    bool no_tickets;
    const char *name;
};

/* Connects; the sides' keys are there already. What came of it: resumed, full, or nothing. */
enum { NOTHING, FULL, RESUMED };

static int call(const struct call *c)
{
    sslInfo_t a, b;
    int was;

    asked = 0;
    assert_int_equal(
        matrixSslNewClientSession(&cl.ssl, cl.keys, c->sid, c->suite, c->client_cb, NULL, NULL),
        MATRIXSSL_REQUEST_SEND);
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, c->server_cb), PS_SUCCESS);
    if (c->no_tickets) {
        assert_int_equal(matrixSslSetSessionTickets(cl.ssl, PS_FALSE), PS_SUCCESS);
    }
    if (c->name) {
        assert_int_equal(matrixSslSetExpectedName(cl.ssl, c->name), PS_SUCCESS);
    }
    cl.complete = sv.complete = 0;
    carry(&cl, &sv, 65536);
    assert_int_equal(matrixSslGetInfo(cl.ssl, &a), PS_SUCCESS);
    assert_int_equal(matrixSslGetInfo(sv.ssl, &b), PS_SUCCESS);
    was = cl.complete && sv.complete ? a.resumed ? RESUMED : FULL : NOTHING;
    if (was != NOTHING) {
        assert_int_equal(a.resumed, b.resumed);
        side_write(&cl, "ping", 4);
        side_write(&sv, "pong", 4);
        cl.ngot = sv.ngot = 0;
        carry(&cl, &sv, 65536);
        assert_int_equal(cl.ngot + sv.ngot, 8);
    }
    return was;
}

static void hang_up(void)
{
    matrixSslDeleteSession(cl.ssl);
    matrixSslDeleteSession(sv.ssl);
    cl.ssl = sv.ssl = NULL;
}

static int calls(const struct call *c)
{
    int was = call(c);

    hang_up();
    return was;
}

static void begin(const struct cred *client, const struct cred *server)
{
    cl.keys = guide_keys(client, &ca);
    sv.keys = guide_keys(server, &ca);
    later = 0;
}

static void end(void)
{
    hang_up();
    guide_end();
    later = 0;
}

/* The three ways to resume. */
static const struct {
    uint32 suite;
    bool no_tickets;
} ways[] = { { SUITE12, true }, { SUITE12, false }, { SUITE13, false } };
#define NWAYS 3

static void test_resumes(void **state)
{
    (void)state;
    for (size_t i = 0; i < NWAYS; i++) {
        sslSessionId_t sid, copy;
        struct call c = { .suite = ways[i].suite, .no_tickets = ways[i].no_tickets, .sid = &sid };

        matrixSslInitSessionId(sid);
        begin(NULL, &server_cred);
        assert_int_equal(calls(&c), FULL);
        assert_int_equal(sid.cipherId, ways[i].suite);
        assert_true(sid.stateLen > 100 && sid.stateLen <= SSL_SESSION_STATE_MAX);
        copy = sid; /* plain data */
        for (int k = 0; k < 4; k++) {
            assert_int_equal(calls(&c), RESUMED);
            assert_int_equal(sid.cipherId, ways[i].suite);
        }
        c.sid = &copy;
        assert_int_equal(calls(&c), RESUMED);
        matrixSslInitSessionId(sid);
        assert_int_equal(sid.stateLen, 0);
        c.sid = &sid;
        assert_int_equal(calls(&c), FULL);
        c.sid = NULL;
        assert_int_equal(calls(&c), FULL);
        end();
    }
}

static void test_another_suite_wipes(void **state)
{
    (void)state;
    for (size_t i = 0; i < NWAYS; i++) {
        sslSessionId_t sid;
        struct call c = { .suite = ways[i].suite, .no_tickets = ways[i].no_tickets, .sid = &sid };

        matrixSslInitSessionId(sid);
        begin(NULL, &server_cred);
        assert_int_equal(calls(&c), FULL);
        /* A suite that there is not does not cost the session. */
        assert_int_equal(
            matrixSslNewClientSession(&cl.ssl, cl.keys, &sid, 0x1399, NULL, NULL, NULL),
            PS_UNSUPPORTED_FAIL);
        assert_int_equal(calls(&c), RESUMED);
        c.suite = c.suite == SUITE12 ? TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                                     : TLS_CHACHA20_POLY1305_SHA256;
        assert_int_equal(calls(&c), FULL);
        assert_int_equal(sid.cipherId, c.suite);
        assert_int_equal(calls(&c), RESUMED);
        c.suite = 0; /* any suite: TLS 1.3 is better than resuming TLS 1.2 */
        assert_int_equal(calls(&c), ways[i].suite == SUITE12 ? FULL : RESUMED);
        assert_int_equal(sid.cipherId, SUITE13);
        end();
    }
}

/* RFC 5246 section 7.2.2. */
static void test_fatal_alert_wipes(void **state)
{
    unsigned char wire[4096];
    size_t n;

    (void)state;
    for (size_t i = 0; i < NWAYS; i++) {
        for (int by_peer = 0; by_peer < 2; by_peer++) {
            static const unsigned char zero[sizeof(sslSessionId_t)];
            sslSessionId_t sid;
            struct call c = { .suite = ways[i].suite,
                              .no_tickets = ways[i].no_tickets,
                              .sid = &sid };
            struct side *from = by_peer ? &cl : &sv, *to = by_peer ? &sv : &cl;

            matrixSslInitSessionId(sid);
            begin(NULL, &server_cred);
            assert_int_equal(call(&c), FULL);
            assert_true(sid.stateLen > 0);
            side_write(from, "x", 1);
            n = side_take(from, wire, sizeof wire);
            wire[n - 1] ^= 1;
            side_give(to, wire, n);
            carry(&cl, &sv, 65536);
            assert_int_equal(from->alert, SSL_ALERT_BAD_RECORD_MAC);
            assert_memory_equal(&sid, zero, sizeof sid);
            end();
        }
    }
}

/* Whatever is in it, the worst is a full handshake (threat 38). */
static void test_damaged_session(void **state)
{
    sslSessionId_t sid, good;
    struct call c = { .suite = SUITE12, .sid = &sid };

    (void)state;
    begin(NULL, &server_cred);
    memset(&sid, 0xff, sizeof sid); /* never initialised */
    sid.cipherId = SUITE12;
    assert_int_equal(calls(&c), FULL);
    good = sid;
    for (uint32 i = 0; i < good.stateLen; i += 7) {
        sid = good;
        sid.state[i] ^= 0x55;
        assert_int_not_equal(calls(&c), -1);
    }
    for (uint32 i = 0; i < good.stateLen; i += 7) {
        sid = good;
        sid.stateLen = i;
        assert_int_equal(calls(&c), FULL);
    }
    sid = good;
    sid.stateLen++;
    assert_int_equal(calls(&c), FULL);
    sid = good;
    assert_int_equal(calls(&c), RESUMED);
    end();
}

/* SSL_SESSION_TABLE_SIZE: the least recently used goes first. */
static void test_table_size(void **state)
{
    static sslSessionId_t sids[SSL_SESSION_TABLE_SIZE + 1];
    struct call c = { .suite = SUITE12, .no_tickets = true };

    (void)state;
    begin(NULL, &server_cred);
    for (size_t i = 0; i < SSL_SESSION_TABLE_SIZE; i++) {
        matrixSslInitSessionId(sids[i]);
        c.sid = &sids[i];
        assert_int_equal(calls(&c), FULL);
    }
    c.sid = &sids[0];
    assert_int_equal(calls(&c), RESUMED); /* now the most recent */
    c.sid = &sids[SSL_SESSION_TABLE_SIZE];
    matrixSslInitSessionId(*c.sid);
    assert_int_equal(calls(&c), FULL); /* the table overflows */
    c.sid = &sids[0];
    assert_int_equal(calls(&c), RESUMED);
    c.sid = &sids[2];
    assert_int_equal(calls(&c), RESUMED);
    c.sid = &sids[1];
    assert_int_equal(calls(&c), FULL);
    end();
}

/* SSL_SESSION_ENTRY_LIFE, and a clock set back (threat 28). */
static void test_entry_life(void **state)
{
    (void)state;
    for (size_t i = 0; i < NWAYS; i++) {
        sslSessionId_t sid, first;
        struct call c = { .suite = ways[i].suite, .no_tickets = ways[i].no_tickets, .sid = &sid };

        matrixSslInitSessionId(sid);
        begin(NULL, &server_cred);
        assert_int_equal(calls(&c), FULL);
        first = sid;
        later = SSL_SESSION_ENTRY_LIFE / 1000 - 5;
        assert_int_equal(calls(&c), RESUMED);
        later = SSL_SESSION_ENTRY_LIFE / 1000 + 5;
        sid = first;
        assert_int_equal(calls(&c), FULL);
        later = 0;
        sid = first;
        later = -3600;
        assert_int_equal(calls(&c), FULL);
        end();
    }
}

/* Closing the library forgets the table; tickets live with the keys. */
static void test_close_forgets(void **state)
{
    (void)state;
    for (size_t i = 0; i < NWAYS; i++) {
        sslSessionId_t sid;
        struct call c = { .suite = ways[i].suite, .no_tickets = ways[i].no_tickets, .sid = &sid };

        matrixSslInitSessionId(sid);
        begin(NULL, &server_cred);
        assert_int_equal(calls(&c), FULL);
        assert_int_equal(matrixSslOpen(), PS_SUCCESS); /* nested: nothing is lost */
        matrixSslClose();
        assert_int_equal(calls(&c), RESUMED);
        matrixSslClose();
        assert_int_equal(matrixSslOpen(), PS_SUCCESS);
        assert_int_equal(calls(&c), ways[i].no_tickets ? FULL : RESUMED);
        end();
    }
}

/* Without matrixSslOpen() nothing is kept, and nothing breaks. */
static void test_never_opened(void **state)
{
    sslSessionId_t sid;
    struct call c = { .suite = SUITE12, .no_tickets = true, .sid = &sid };

    (void)state;
    matrixSslClose();
    matrixSslInitSessionId(sid);
    begin(NULL, &server_cred);
    assert_int_equal(calls(&c), FULL);
    assert_int_equal(calls(&c), FULL);
    end();
    assert_int_equal(matrixSslOpen(), PS_SUCCESS);
}

/* Threat 27: another identity, another trust, a question for the client: never resumed. */
static void test_other_policy(void **state)
{
    (void)state;
    for (size_t i = 0; i < NWAYS; i++) {
        static const unsigned char name[16] = "shared by all", key[32] = "ticket key";
        sslSessionId_t sid, first;
        struct call c = { .suite = ways[i].suite, .no_tickets = ways[i].no_tickets, .sid = &sid };
        sslKeys_t *mine, *twin, *stranger;

        matrixSslInitSessionId(sid);
        begin(&client_cred, &server_cred);
        mine = sv.keys;
        twin = guide_keys(&server_cred, &ca);
        stranger = guide_keys(&server2_cred, &ca);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(matrixSslLoadSessionTicketKeys(k == 0   ? mine
                                                            : k == 1 ? twin
                                                                     : stranger,
                                                            name, key, 32, key, 32),
                             PS_SUCCESS);
        }
        assert_int_equal(calls(&c), FULL);
        first = sid;
        sv.keys = twin; /* the same in all that counts */
        assert_int_equal(calls(&c), RESUMED);
        sid = first;
        sv.keys = stranger;
        assert_int_equal(calls(&c), FULL);
        sid = first;
        sv.keys = mine;
        c.server_cb = accept_all;
        assert_int_equal(calls(&c), FULL);
        assert_int_equal(asked, 1);
        assert_int_equal(calls(&c), RESUMED);
        assert_int_equal(asked, 0);
        c.server_cb = NULL;
        assert_int_equal(calls(&c), FULL); /* nor the other way round */
        matrixSslDeleteKeys(twin);
        matrixSslDeleteKeys(stranger);
        end();
    }
}

static void test_ticket_keys(void **state)
{
    static const unsigned char name[16] = "name", key[32] = "key", other[32] = "yek";
    sslKeys_t *a, *b;
    sslSessionId_t sid, first;
    struct call c = { .suite = SUITE12, .sid = &sid };

    (void)state;
    matrixSslInitSessionId(sid);
    begin(NULL, &server_cred);
    a = sv.keys;
    b = guide_keys(&server_cred, &ca);
    assert_int_equal(calls(&c), FULL);
    first = sid;
    sv.keys = b; /* keys of its own: a stranger's ticket */
    assert_int_equal(calls(&c), FULL);
    sid = first;
    sv.keys = a;
    assert_int_equal(matrixSslLoadSessionTicketKeys(a, name, key, 16, key, 32), PS_SUCCESS);
    assert_int_equal(calls(&c), RESUMED); /* the one before serves on */
    matrixSslInitSessionId(sid);
    assert_int_equal(calls(&c), FULL);
    first = sid;
    sv.keys = b; /* each part of the key counts */
    assert_int_equal(matrixSslLoadSessionTicketKeys(b, name, key, 32, key, 32), PS_SUCCESS);
    assert_int_equal(calls(&c), FULL);
    sid = first;
    assert_int_equal(matrixSslLoadSessionTicketKeys(b, name, key, 16, other, 32), PS_SUCCESS);
    assert_int_equal(calls(&c), FULL);
    sid = first;
    assert_int_equal(matrixSslLoadSessionTicketKeys(b, name, key, 16, key, 32), PS_SUCCESS);
    assert_int_equal(calls(&c), RESUMED);
    assert_int_equal(matrixSslLoadSessionTicketKeys(b, name, key, 15, key, 32), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadSessionTicketKeys(b, name, key, 16, key, 31), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadSessionTicketKeys(b, NULL, key, 16, key, 32), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadSessionTicketKeys(b, name, NULL, 16, key, 32), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadSessionTicketKeys(b, name, key, 16, NULL, 32), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadSessionTicketKeys(NULL, name, key, 16, key, 32), PS_ARG_FAIL);
    sv.keys = a;
    matrixSslDeleteKeys(b);
    end();
}

/* A certificate that only a callback accepted is not resumed without one; being let in anonymously
 * is remembered. */
static void test_how_it_was_accepted(void **state)
{
    int32 anon;

    (void)state;
    for (size_t i = 0; i < NWAYS; i++) {
        sslSessionId_t sid, first;
        struct call c = { .suite = ways[i].suite, .no_tickets = ways[i].no_tickets, .sid = &sid };

        matrixSslInitSessionId(sid);
        begin(NULL, &server_cred);
        matrixSslDeleteKeys(cl.keys);
        cl.keys = guide_keys(NULL, &other_ca);
        assert_int_equal(calls(&c), NOTHING); /* the verdict decides */
        c.client_cb = accept_all;
        assert_int_equal(calls(&c), FULL);
        assert_int_equal(asked, 1);
        assert_int_equal(call(&c), RESUMED);
        matrixSslGetAnonStatus(cl.ssl, &anon);
        assert_int_equal(anon, PS_FALSE);
        hang_up();
        first = sid;
        c.client_cb = NULL;
        assert_int_equal(calls(&c), NOTHING);
        sid = first;
        matrixSslInitSessionId(sid);
        c.client_cb = let_in;
        for (int k = 0; k < 2; k++) {
            assert_int_equal(call(&c), k ? RESUMED : FULL);
            matrixSslGetAnonStatus(cl.ssl, &anon);
            assert_int_equal(anon, PS_TRUE);
            matrixSslGetAnonStatus(sv.ssl, &anon);
            assert_int_equal(anon, PS_FALSE);
            hang_up();
        }
        end();
    }
    matrixSslGetAnonStatus(NULL, &anon);
    assert_int_equal(anon, PS_FALSE);
    matrixSslGetAnonStatus(NULL, NULL);
}

static void test_another_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < NWAYS; i++) {
        sslSessionId_t sid;
        struct call c = { .suite = ways[i].suite,
                          .no_tickets = ways[i].no_tickets,
                          .sid = &sid,
                          .name = "server.test" };

        matrixSslInitSessionId(sid);
        begin(NULL, &server_cred);
        assert_int_equal(calls(&c), FULL);
        assert_int_equal(calls(&c), RESUMED);
        c.name = "alias.test";
        assert_int_equal(calls(&c), FULL);
        assert_int_equal(calls(&c), RESUMED);
        c.name = "elsewhere.test";
        assert_int_equal(calls(&c), NOTHING);
        assert_int_equal(sid.stateLen, 0);
        end();
    }
}

/* Blocks that are given back hold no master secret (threat 36). */
static unsigned char needle[48];
static int found;

static void release_scanned(void *p)
{
    size_t n = p ? malloc_usable_size(p) : 0;

    for (size_t i = 0; needle[0] && i + sizeof needle <= n; i++) {
        found += memcmp((unsigned char *)p + i, needle, 16) == 0;
    }
    free(p);
}

static void test_secrets_are_wiped(void **state)
{
    struct mem_hooks before = mem_hooks;

    (void)state;
    mem_hooks.release = release_scanned;
    for (size_t i = 0; i < NWAYS; i++) {
        sslSessionId_t sid;
        struct call c = { .suite = ways[i].suite, .no_tickets = ways[i].no_tickets, .sid = &sid };

        matrixSslInitSessionId(sid);
        memset(needle, 0, sizeof needle);
        begin(NULL, &server_cred);
        assert_int_equal(call(&c), FULL);
        memcpy(needle, sid.masterSecret, sizeof needle);
        assert_memory_not_equal(needle, (unsigned char[48]){ 0 }, 16);
        hang_up();
        assert_int_equal(calls(&c), RESUMED);
        end();
        matrixSslClose();
        assert_int_equal(matrixSslOpen(), PS_SUCCESS);
        assert_int_equal(found, 0);
    }
    memset(needle, 0, sizeof needle);
    mem_hooks = before;
}

static int setup(void **state)
{
    const struct cred_params p = {
        .common_name = "server", .names = { "server.test", "alias.test" }, .from = -30, .until = 30
    };

    if (guide_setup(state)) {
        return -1;
    }
    cred_make(&other_ca, &(struct cred_params){ .common_name = "Other", .ca = true }, NULL);
    cred_make(&server2_cred, &p, &ca);
    return 0;
}

static int teardown(void **state)
{
    cred_free(&other_ca);
    cred_free(&server2_cred);
    return guide_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumes),
        cmocka_unit_test(test_another_suite_wipes),
        cmocka_unit_test(test_fatal_alert_wipes),
        cmocka_unit_test(test_damaged_session),
        cmocka_unit_test(test_table_size),
        cmocka_unit_test(test_entry_life),
        cmocka_unit_test(test_close_forgets),
        cmocka_unit_test(test_never_opened),
        cmocka_unit_test(test_other_policy),
        cmocka_unit_test(test_ticket_keys),
        cmocka_unit_test(test_how_it_was_accepted),
        cmocka_unit_test(test_another_name),
        cmocka_unit_test(test_secrets_are_wiped),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
