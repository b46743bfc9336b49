/* SPDX-License-Identifier: ISC */
/* Resuming in TLS 1.2, by session id and by ticket: when it happens, when there is a full handshake
 * instead, and when it must be refused (threats 20, 22, 26, 27, 28, 39). */
#include "tests/handshake/pair12.h"

static uint8_t wire[WIRE_MAX];

enum { BY_ID, BY_TICKET, WAYS };

static void source_new(struct pair_params *q, int way)
{
    q->cache = way == BY_ID ? session_cache_new(64, 24 * 3600 * 1000) : NULL;
    q->tickets = way == BY_TICKET ? ticket_keys_new(24 * 3600 * 1000) : NULL;
    assert_true(q->cache || q->tickets);
}

static void source_free(struct pair_params *q)
{
    session_cache_unref(q->cache);
    ticket_keys_unref(q->tickets);
    session_unref(q->resume);
}

static bool is_resumed(const struct pair *p)
{
    struct tls_info c, s;

    tls_get_info(p->c.t, &c);
    tls_get_info(p->s.t, &s);
    assert_int_equal(c.resumed, s.resumed);
    return c.resumed;
}

/* A whole connection; its session is the next one to offer. */
static bool connect_again(struct pair_params *q)
{
    struct pair *p = pair_connected(q);
    bool resumed = is_resumed(p);

    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong!", 5);
    session_unref(q->resume);
    q->resume = tls_session(p->c.t);
    pair_free(p);
    return resumed;
}

static void test_many_times(void **state)
{
    static const struct pair_params rows[] = {
        { .suite = SUITE_GCM },
        { .suite = SUITE_CHACHA },
        { .suite = SUITE_CBC },
        { .suite = SUITE_CBC, .no_etm = { true } },
        { .suite = SUITE_RSA_KX, .id = ID_RSA },
        { .suite = 0xc030, .id = ID_RSA, .auth = CLIENT_AUTH_REQUIRE, .client_id = true },
        { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUEST },
        { .suite = SUITE_GCM, .status = "response", .max_fragment = 512 },
        { .suite = SUITE_GCM, .client_alpn = { "a" }, .server_alpn = { "a" } },
    };

    (void)state;
    for (size_t i = 0; i < WAYS * sizeof rows / sizeof *rows; i++) {
        struct pair_params q = rows[i / 2];
        uint8_t master[48];

        source_new(&q, i % WAYS);
        for (int n = 0; n < 5; n++) {
            struct pair *p = pair_connected(&q);
            struct tls_info c, s;

            tls_get_info(p->c.t, &c);
            tls_get_info(p->s.t, &s);
            assert_int_equal(c.resumed, n > 0);
            assert_int_equal(s.resumed, n > 0);
            assert_true(c.ems && s.ems && c.etm == s.etm && c.peer_cert.n > 0);
            assert_string_equal(c.alpn, q.client_alpn[0] ? "a" : "");
            assert_string_equal(s.alpn, c.alpn);
            assert_string_equal(s.sni, PAIR_HOST);
            assert_int_equal(s.client_auth, q.client_id);
            assert_int_equal(s.peer_cert.n > 0, q.client_id);
            assert_int_equal(c.finished_last, n > 0);
            assert_int_equal(s.finished_last, n == 0);
            assert_true(c.group_id == s.group_id &&
                        (c.group_id != 0) == (q.id != ID_RSA || q.suite == 0xc030));
            if (n == 0) {
                memcpy(master, p->secret[SECRET_MASTER], 48);
            }
            assert_memory_equal(master, p->secret[SECRET_MASTER], 48);
            end_talk(&p->c, &p->s, "ping", 4);
            end_talk(&p->s, &p->c, "pong!", 5);
            session_unref(q.resume);
            q.resume = tls_session(p->c.t);
            assert_non_null(q.resume);
            assert_int_equal(q.resume->ticket_len != 0, i % WAYS == BY_TICKET);
            pair_free(p);
        }
        source_free(&q);
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct pair_params q = { .suite = SUITE_GCM };
        struct pair *p;

        source_new(&q, way);
        (void)connect_again(&q);
        p = pair_new(&q);
        pair_run(p, 1);
        assert_true(p->c.done == 1 && p->s.done == 1 && is_resumed(p));
        pair_free(p);
        source_free(&q);
    }
}

static int accept_any(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    (void)ctx;
    (void)t;
    (void)chain;
    (void)n;
    (void)alert;
    return 0;
}

/* threat 27: what has changed since then, and that there is a full handshake for it. */
struct change {
    const char *what;
    struct pair_params q; /* from now on */
    bool still;           /* resumed all the same */
};

static void threat_27_changes(void **state)
{
    static const struct change rows[] = {
        { "nothing", { .suite = SUITE_GCM }, true },
        { "another certificate of the server",
          { .suite = SUITE_GCM, .other_server = true },
          false },
        { "another kind of key", { .suite = SUITE_GCM, .id = ID_P384 }, false },
        { "asks for a certificate",
          { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUEST, .client_id = true },
          false },
        { "requires a certificate",
          { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true },
          false },
        { "other ALPN", { .suite = SUITE_GCM, .server_alpn = { "x" } }, false },
        { "suite removed at the server",
          { .client_suites = { SUITE_GCM, 0xc02c }, .server_suites = { 0xc02c } },
          false },
        { "suite removed at the client",
          { .client_suites = { 0xc02c }, .server_suites = { SUITE_GCM, 0xc02c } },
          false },
        { "suites added",
          { .client_suites = { 0xc02c, SUITE_GCM }, .server_suites = { 0xc02c, SUITE_GCM } },
          true },
        { "client without EMS", { .suite = SUITE_GCM, .no_ems = { true, false } }, false },
        { "server without EMS", { .suite = SUITE_GCM, .no_ems = { false, true } }, false },
        { "TLS 1.3 by now", { .suite = 0 }, false },
        { "TLS 1.3 at the client", { .server_max = TLS_1_2 }, true },
        { "TLS 1.3 at the server", { .client_max = TLS_1_2 }, true },
        { "shorter records", { .suite = SUITE_GCM, .max_fragment = 512 }, true },
    };

    (void)state;
    for (size_t i = 0; i < WAYS * sizeof rows / sizeof *rows; i++) {
        const struct change *row = &rows[i / 2];
        struct pair_params q = { .suite = SUITE_GCM }, next = row->q;

        source_new(&q, i % WAYS);
        assert_false(connect_again(&q));
        next.cache = q.cache;
        next.tickets = q.tickets;
        next.resume = q.resume;
        if (connect_again(&next) != row->still) {
            fail_msg("%s: %s", row->what, row->still ? "not resumed" : "resumed");
        }
        q.resume = next.resume;
        source_free(&q);
    }
}

/* Was anonymous, is required: the session proves no client. Same context but for that, by force. */
static void threat_27_client_auth_in_session(void **state)
{
    struct pair_params q = { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
    struct tls_session *kept;

    (void)state;
    source_new(&q, BY_ID);
    assert_false(connect_again(&q));
    kept = session_cache_get(q.cache, span_of(q.resume->id, q.resume->id_len), PAIR_NOW * 1000);
    assert_non_null(kept);
    assert_true(kept->peer_cert_len > 0);
    assert_int_equal(session_set_bytes(&kept->peer_cert, &kept->peer_cert_len, span_of(NULL, 0)),
                     0);
    session_unref(kept);
    assert_false(connect_again(&q));
    assert_true(connect_again(&q));
    source_free(&q);
}

/* Another name: our client does not offer the session; to a server it is another one's. */
static void threat_27_other_name(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * WAYS; i++) {
        struct pair_params q = { .suite = SUITE_GCM, .on_verify = accept_any };
        bool forced = i >= WAYS;

        source_new(&q, i % WAYS);
        assert_false(connect_again(&q));
        assert_true(connect_again(&q));
        q.host = "other.test";
        if (forced) { /* it offers it all the same */
            assert_int_equal(session_set_text(&q.resume->name, q.host), 0);
            assert_int_equal(session_set_text(&q.resume->sni, q.host), 0);
        }
        assert_false(connect_again(&q));
        assert_true(connect_again(&q));
        source_free(&q);
    }
}

/* Without extended master secret nothing is kept, on neither side (RFC 7627 section 5.3). */
static void threat_20_no_session_without_ems(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * WAYS; i++) {
        struct pair_params q = { .suite = SUITE_GCM, .no_ems = { i & 1, !(i & 1) } };

        source_new(&q, i / 2);
        assert_false(connect_again(&q));
        assert_null(q.resume);
        assert_true(!q.cache || session_cache_count(q.cache) == 0);
        source_free(&q);
    }
}

/* ---- hellos changed on their way ---- */
static const uint8_t ems[] = { 0, 23, 0, 0 };

static struct pair *offering(struct pair_params *q, int way)
{
    source_new(q, way);
    assert_false(connect_again(q));
    return pair_new(q);
}

static void threat_20_ems_taken_away(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * WAYS; i++) {
        struct pair_params q = { .suite = SUITE_GCM };
        struct pair *p = offering(&q, i / 2);
        struct end *e = i & 1 ? &p->s : &p->c;
        size_t n = end_take(&p->c, wire);

        if (i & 1) {
            wire_find(wire, n, ems, sizeof ems)[0] = 0xfa;
        } else {
            end_give(&p->s, wire, n);
            n = end_take(&p->s, wire);
            hello_cut(wire, &n, wire_find(wire, n, ems, sizeof ems), sizeof ems);
        }
        end_give(e, wire, n);
        assert_refused(e, ALERT_HANDSHAKE_FAILURE);
        pair_free(p);
        source_free(&q);
    }
}

static void test_other_suite_in_resumption(void **state)
{
    struct pair_params q = { .client_suites = { SUITE_GCM, SUITE_CHACHA },
                             .server_suites = { SUITE_GCM, SUITE_CHACHA } };
    struct pair *p = offering(&q, BY_ID);
    size_t n;

    (void)state;
    end_give(&p->s, wire, end_take(&p->c, wire));
    n = end_take(&p->s, wire);
    assert_true(n > 80 && wire[43] == 32 && wire[76] == 0xc0 && wire[77] == 0x2b);
    wire[76] = 0xcc;
    wire[77] = 0xa9;
    end_give(&p->c, wire, n);
    assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
    pair_free(p);
    source_free(&q);
}

/* The id that our hello has for middleboxes is no session: a server that repeats it lies. */
static void test_session_never_offered(void **state)
{
    struct pair_params q = { .server_max = TLS_1_2 };
    uint8_t id[32];
    struct pair *p;
    size_t n;

    (void)state;
    source_new(&q, BY_ID);
    p = pair_new(&q);
    n = end_take(&p->c, wire);
    assert_int_equal(wire[43], 32);
    memcpy(id, wire + 44, 32);
    end_give(&p->s, wire, n);
    n = end_take(&p->s, wire);
    assert_int_equal(wire[43], 32);
    memcpy(wire + 44, id, 32);
    end_give(&p->c, wire, n);
    assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
    pair_free(p);
    source_free(&q);
}

/* threat 22: the sentinel stands in a resumed handshake too. */
static void threat_22_downgrade_on_resumption(void **state)
{
    static const uint8_t versions[] = { 0, 43, 0, 5, 4, 3, 4, 3, 3 };

    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct pair_params q = { .server_max = TLS_1_2 };
        struct pair *p;
        size_t n;

        source_new(&q, way);
        assert_false(connect_again(&q));
        q.server_max = TLS_1_3; /* it has learnt it; someone hides that we know it */
        p = pair_new(&q);
        n = end_take(&p->c, wire);
        wire_find(wire, n, versions, sizeof versions)[0] = 0xfa;
        end_give(&p->s, wire, n);
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(p->s.t->hs.state, S12_WAIT_CCS);
        end_give(&p->c, wire, end_take(&p->s, wire));
        assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        pair_free(p);
        source_free(&q);
    }
}

/* ---- time, room, damage ---- */
static void threat_28_lifetime(void **state)
{
    static const struct {
        int64_t later;
        bool still;
    } rows[] = { { 0, true }, { 1, true }, { 3599, true }, { 3601, false }, { -10, false } };

    (void)state;
    for (size_t i = 0; i < WAYS * sizeof rows / sizeof *rows; i++) {
        struct pair_params q = { .suite = SUITE_GCM };

        source_new(&q, i % WAYS);
        assert_false(connect_again(&q));
        pair_later = rows[i / 2].later;
        assert_int_equal(connect_again(&q), rows[i / 2].still);
        if (pair_later > 0) { /* a client that offers it for ever */
            pair_later = 0;
            session_unref(q.resume);
            q.resume = NULL;
            assert_false(connect_again(&q));
            q.resume->lifetime = SESSION_LIFE_MAX;
            pair_later = rows[i / 2].later;
            assert_int_equal(connect_again(&q), rows[i / 2].still);
        }
        pair_later = 0;
        source_free(&q);
    }
}

/* The lifetime counts from the full handshake, not from the last time it was resumed. */
static void threat_28_no_life_for_ever(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct pair_params q = { .suite = SUITE_GCM };

        source_new(&q, way);
        assert_false(connect_again(&q));
        for (pair_later = 1000; pair_later < 3600; pair_later += 1000) {
            assert_true(connect_again(&q));
        }
        assert_false(connect_again(&q));
        pair_later = 0;
        source_free(&q);
    }
}

/* The server's certificate (86400 seconds) has run out: no resuming past it. */
static void threat_28_certificate_expired(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct pair_params q = { .suite = SUITE_GCM, .life = 5 * 86400 };
        struct pair *p;

        q.cache = way == BY_ID ? session_cache_new(8, INT64_C(5) * 86400 * 1000) : NULL;
        q.tickets = way == BY_TICKET ? ticket_keys_new(INT64_C(5) * 86400 * 1000) : NULL;
        assert_false(connect_again(&q));
        pair_later = 86400 - 1;
        assert_true(connect_again(&q));
        pair_later = 86400 + 10;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_refused(&p->c, ALERT_CERTIFICATE_EXPIRED);
        pair_free(p);
        pair_later = 0;
        source_free(&q);
    }
}

static void test_cache_runs_over(void **state)
{
    struct pair_params q = { .suite = SUITE_GCM, .cache = session_cache_new(2, 3600 * 1000) };
    struct tls_session *s[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_false(connect_again(&q));
        s[i] = session_ref(q.resume);
        session_unref(q.resume);
        q.resume = NULL;
        if (i == 1) { /* the first is used: the second is the one that goes */
            q.resume = session_ref(s[0]);
            assert_true(connect_again(&q));
            session_unref(q.resume);
            q.resume = NULL;
        }
    }
    assert_int_equal(session_cache_count(q.cache), 2);
    for (int i = 2; i >= 0; i--) { /* the full handshake of the one that is gone comes last */
        static const int order[] = { 1, 0, 2 };

        q.resume = session_ref(s[order[i]]);
        assert_int_equal(connect_again(&q), order[i] != 1);
        session_unref(q.resume);
        session_unref(s[order[i]]);
        q.resume = NULL;
    }
    source_free(&q);
}

/* RFC 5246 section 7.2.2: a fatal alert takes the session away. */
static void test_fatal_alert_forgets(void **state)
{
    (void)state;
    for (int damaged = 0; damaged < 2; damaged++) {
        struct pair_params q = { .suite = SUITE_GCM };
        struct pair *p = offering(&q, BY_ID);
        size_t n;

        pair_run(p, WIRE_MAX);
        assert_true(is_resumed(p));
        n = end_seal(&p->c, "x", 1, wire);
        wire[n - 1] ^= (uint8_t)damaged;
        end_give(&p->s, wire, n);
        assert_int_equal(p->s.rc, damaged ? TLS_ALERT(ALERT_BAD_RECORD_MAC) : 0);
        pair_free(p);
        assert_int_equal(session_cache_count(q.cache), !damaged);
        assert_int_equal(connect_again(&q), !damaged);
        source_free(&q);
    }
}

/* threat 26: a ticket of an older key is renewed; when all its keys are gone it is worth nothing,
 * and the handshake goes on without it. */
static void threat_26_renewed_tickets(void **state)
{
    struct pair_params q = { .suite = SUITE_GCM,
                             .life = 86400,
                             .tickets = ticket_keys_new(2000 * 1000) };
    uint8_t before[16];

    (void)state;
    assert_false(connect_again(&q));
    memcpy(before, q.resume->ticket, 16);
    pair_later = 900;
    assert_true(connect_again(&q));
    assert_memory_equal(before, q.resume->ticket, 16); /* the name of the key */
    pair_later = 1100;
    assert_true(connect_again(&q));
    assert_memory_not_equal(before, q.resume->ticket, 16);
    assert_int_equal(q.resume->id_len, 0);
    pair_later = 1900;
    assert_true(connect_again(&q));
    pair_later = 50000;
    assert_false(connect_again(&q));
    assert_true(connect_again(&q));
    pair_later = 0;
    source_free(&q);
}

/* threat 39: whatever is wrong with a ticket or an id, it is a full handshake and nothing else. */
static void threat_39_forged(void **state)
{
    (void)state;
    for (int way = 0; way < WAYS; way++) {
        struct pair_params q = { .suite = SUITE_GCM };
        size_t n;

        source_new(&q, way);
        assert_false(connect_again(&q));
        n = way == BY_ID ? q.resume->id_len : q.resume->ticket_len;
        for (size_t i = 0; i <= n; i++) {
            struct tls_session *good = session_ref(q.resume);
            uint8_t *p = way == BY_ID ? good->id : good->ticket;

            if (i < n) {
                p[i] ^= 1;
            }
            assert_int_equal(connect_again(&q), i == n);
            if (i < n) {
                p[i] ^= 1;
            }
            session_unref(q.resume);
            q.resume = good;
        }
        if (way == BY_TICKET) {
            for (size_t cut = 1; cut < n; cut++) { /* and cut at every byte */
                struct tls_session *good = session_ref(q.resume);

                good->ticket_len = cut;
                assert_false(connect_again(&q));
                good->ticket_len = n;
                session_unref(q.resume);
                q.resume = good;
            }
        }
        source_free(&q);
    }
}

static void test_no_tickets_wanted(void **state)
{
    struct pair_params q = { .suite = SUITE_GCM, .no_tickets = true };

    (void)state;
    source_new(&q, BY_TICKET);
    assert_false(connect_again(&q));
    assert_null(q.resume);
    q.no_tickets = false;
    assert_false(connect_again(&q));
    assert_non_null(q.resume);
    ticket_keys_unref(q.tickets);
    q.tickets = NULL; /* the server gives none any more */
    assert_false(connect_again(&q));
    assert_null(q.resume);
    source_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_times),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(threat_27_changes),
        cmocka_unit_test(threat_27_client_auth_in_session),
        cmocka_unit_test(threat_27_other_name),
        cmocka_unit_test(threat_20_no_session_without_ems),
        cmocka_unit_test(threat_20_ems_taken_away),
        cmocka_unit_test(test_other_suite_in_resumption),
        cmocka_unit_test(test_session_never_offered),
        cmocka_unit_test(threat_22_downgrade_on_resumption),
        cmocka_unit_test(threat_28_lifetime),
        cmocka_unit_test(threat_28_no_life_for_ever),
        cmocka_unit_test(threat_28_certificate_expired),
        cmocka_unit_test(test_cache_runs_over),
        cmocka_unit_test(test_fatal_alert_forgets),
        cmocka_unit_test(threat_26_renewed_tickets),
        cmocka_unit_test(threat_39_forged),
        cmocka_unit_test(test_no_tickets_wanted),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
