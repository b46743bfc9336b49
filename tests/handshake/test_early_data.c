/* SPDX-License-Identifier: ISC */
/* Early data (RFC 8446 section 2.3): what is accepted, and every reason to reject it. */
#include "tests/handshake/early.h"

/* ---- accepted ---- */
static void test_accepted(void **state)
{
    static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303 };
    static const size_t sizes[] = { 0, 1, LIMIT - 1, LIMIT };

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct pair_params q = early_params();
        size_t n = sizes[i % 4];
        struct pair *p;

        q.client_suites[0] = suites[i / 4];
        q.client_alpn[0] = q.server_alpn[0] = i % 2 ? "proto" : NULL;
        q.resume = first(&q);
        assert_int_equal(q.resume->max_early, LIMIT);
        /* the server would choose another suite (section 4.2.10) */
        q.client_suites[1] = suites[(i / 4 + 1) % 3];
        q.client_suites[2] = suites[(i / 4 + 2) % 3];
        q.server_suites[0] = q.client_suites[2];
        q.server_suites[1] = q.client_suites[1];
        q.server_suites[2] = q.client_suites[0];
        p = pair_new(&q);
        assert_int_equal(tls_early_room(p->c.t), LIMIT);
        assert_string_equal(info_of(&p->c).alpn, i % 2 ? "proto" : "");
        assert_int_equal(info_of(&p->s).early, TLS_EARLY_NONE);
        end_give(&p->s, wire, early_flight(p, n, wire));
        assert_int_equal(tls_early_room(p->c.t), LIMIT - n);
        assert_int_equal(p->s.nearly, n);
        assert_memory_equal(p->s.early, text, n);
        assert_int_equal(p->s.done, 0);
        assert_int_equal(info_of(&p->s).early, TLS_EARLY_ACCEPTED);
        early_finish(p);
        early_is(p, TLS_EARLY_ACCEPTED, TLS_EARLY_FINE);
        assert_true(resumed(&p->c) && resumed(&p->s));
        assert_int_equal(info_of(&p->c).suite_id, suites[i / 4]);
        assert_string_equal(info_of(&p->c).alpn, i % 2 ? "proto" : "");
        assert_int_equal(p->s.nearly, n);
        assert_int_equal(info_of(&p->s).opened_bytes, n + 4);
        assert_int_equal(info_of(&p->c).sealed_bytes, n + 4);
        session_unref(q.resume);
        pair_free(p);
    }
}

/* Again and again, with the ticket of the connection before, over hours: the ticket's age counts
 * from when it was given, not from the first of them. */
static void test_chain_of_tickets(void **state)
{
    struct pair_params q = early_params();

    (void)state;
    q.resume = first(&q);
    for (pair_later = 600; pair_later < LIFE; pair_later += 600) {
        struct pair *p = early_given(&q, 10);

        assert_int_equal(p->s.nearly, 10);
        early_finish(p);
        early_is(p, TLS_EARLY_ACCEPTED, TLS_EARLY_FINE);
        session_unref(q.resume);
        q.resume = tls_session(p->c.t);
        assert_non_null(q.resume);
        pair_free(p);
    }
    pair_later = 0;
    session_unref(q.resume);
}

/* In records of any size and any pieces of them. */
static void test_in_pieces(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk < 600; chunk = chunk * 3 + 1) {
        struct pair_params q = early_params();
        struct pair *p;
        size_t n, at = 0;

        q.padding[TLS_CLIENT] = chunk & 1 ? 64 : 0;
        q.resume = first(&q);
        p = pair_new(&q);
        n = end_take(&p->c, wire);
        while (at < LIMIT) {
            size_t take = chunk < LIMIT - at ? chunk : LIMIT - at;

            n += early_seal(&p->c, text + at, take, wire + n);
            at += take;
        }
        for (at = 0; at < n; at += chunk) {
            end_give(&p->s, wire + at, chunk < n - at ? chunk : n - at);
            assert_int_equal(p->s.rc, 0);
        }
        assert_int_equal(p->s.nearly, LIMIT);
        assert_memory_equal(p->s.early, text, LIMIT);
        pair_run(p, chunk);
        early_finish(p);
        session_unref(q.resume);
        pair_free(p);
    }
}

/* The client goes on while the answer is on its way: what it seals behind ServerHello is still
 * early. */
static void test_until_the_answer(void **state)
{
    struct pair_params q = early_params();
    struct pair *p;
    static uint8_t answer[WIRE_MAX];
    size_t n;

    (void)state;
    q.resume = first(&q);
    p = early_given(&q, 10);
    n = end_take(&p->s, answer);
    end_give(&p->s, wire, early_seal(&p->c, text + 10, 10, wire));
    end_give(&p->c, answer, REC_HEADER + (size_t)(answer[3] << 8 | answer[4])); /* ServerHello */
    assert_int_equal(p->c.t->hs.state, C_WAIT_EE);
    assert_int_equal(tls_early_room(p->c.t), LIMIT - 20);
    end_give(&p->s, wire, early_seal(&p->c, text + 20, 10, wire));
    assert_int_equal(p->s.nearly, 30);
    assert_memory_equal(p->s.early, text, 30);
    end_give(&p->c, answer + REC_HEADER + (size_t)(answer[3] << 8 | answer[4]),
             n - REC_HEADER - (size_t)(answer[3] << 8 | answer[4]));
    early_finish(p);
    early_is(p, TLS_EARLY_ACCEPTED, TLS_EARLY_FINE);
    session_unref(q.resume);
    pair_free(p);
}

/* The server answers before the client's Finished. */
static void test_half_rtt(void **state)
{
    struct pair_params q = early_params();

    (void)state;
    q.resume = first(&q);
    for (int close = 0; close < 2; close++) {
        struct pair *p = pair_new(&q);
        struct span part = span_text("early");
        size_t n, taken, made;

        assert_int_equal(tls_seal(p->s.t, &part, 1, &taken, wire, sizeof wire, &made), ERR_STATE);
        end_give(&p->s, wire, early_flight(p, 5, wire));
        assert_true(tls_can_seal(p->s.t) && !tls_connected(p->s.t));
        assert_int_equal(tls_key_update(p->s.t, true), ERR_STATE);
        n = end_take(&p->s, wire);
        n += end_seal(&p->s, "answer", 6, wire + n);
        if (close) {
            assert_int_equal(tls_close(p->s.t), 0);
            assert_false(tls_can_seal(p->s.t));
            n += end_take(&p->s, wire + n);
        }
        end_give(&p->c, wire, n);
        assert_int_equal(p->c.done, 1);
        assert_int_equal(p->c.ngot, 6);
        assert_memory_equal(p->c.got, "answer", 6);
        assert_int_equal(p->c.closed, close);
        if (!close) {
            early_finish(p);
        } else {
            pair_run(p, WIRE_MAX);
            assert_true(p->s.rc == 0 && p->s.done == 1);
            end_talk(&p->c, &p->s, "more", 4);
        }
        pair_free(p);
    }
    q.early = false; /* the same without: nothing before it is done */
    for (int resume = 0; resume < 2; resume++) {
        struct pair *p = pair_new(&q);

        end_give(&p->s, wire, end_take(&p->c, wire));
        assert_false(tls_can_seal(p->s.t));
        assert_int_equal(info_of(&p->s).early, TLS_EARLY_NONE);
        early_finish(p);
        pair_free(p);
        session_unref(q.resume);
        q.resume = NULL;
    }
}

/* ---- limits ---- */
static void test_limit_of_the_client(void **state)
{
    struct pair_params q = early_params();
    struct span part = span_of(text, LIMIT + 1);
    size_t n, taken, made;
    struct pair *p;

    (void)state;
    q.resume = first(&q);
    p = pair_new(&q);
    n = end_take(&p->c, wire);
    assert_int_equal(tls_seal_early(p->c.t, &part, 1, &taken, wire + n, 10000, &made), 0);
    assert_int_equal(taken, LIMIT);
    assert_int_equal(tls_early_room(p->c.t), 0);
    end_give(&p->s, wire, n + made);
    assert_int_equal(p->s.nearly, LIMIT);
    assert_int_equal(tls_seal_early(p->c.t, &part, 1, &taken, wire, 10000, &made), ERR_STATE);
    assert_true(taken == 0 && made == 0);
    assert_int_equal(tls_seal(p->c.t, &part, 1, &taken, wire, 10000, &made), ERR_STATE);
    early_finish(p);
    assert_int_equal(tls_seal_early(p->c.t, &part, 1, &taken, wire, 10000, &made), ERR_STATE);
    tls_abort(p->c.t, ALERT_INTERNAL_ERROR, "test");
    assert_int_equal(tls_seal_early(p->c.t, &part, 1, &taken, wire, 10000, &made), ERR_CLOSED);
    session_unref(q.resume);
    pair_free(p);
}

static void threat_33_limit_of_the_server(void **state)
{
    static const size_t first_n[] = { LIMIT - 1, LIMIT, LIMIT, LIMIT + 1, LIMIT - 1, 0 };
    static const size_t then_n[] = { 1, 0, 1, 0, 2, 16384 };

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct pair_params q = early_params();
        bool good = first_n[i] + then_n[i] <= LIMIT;
        struct pair *p;
        struct hand h;

        q.resume = first(&q);
        p = early_given(&q, 0);
        h = hand_new(p, SECRET_CE, true);
        /* padding does not count (section 4.2.10) */
        end_give(&p->s, wire, hand_seal(&h, CT_APPLICATION_DATA, text, first_n[i], 5000, wire));
        end_give(&p->s, wire, hand_seal(&h, CT_APPLICATION_DATA, text, then_n[i], 0, wire));
        if (good) {
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.nearly, LIMIT);
        } else {
            assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
            assert_true(p->s.nearly <= LIMIT);
        }
        hand_free(&h);
        session_unref(q.resume);
        pair_free(p);
    }
}

/* threat 30: records without content, padded or not. */
static void threat_33_empty_records(void **state)
{
    (void)state;
    for (size_t pad = 0; pad < 2000; pad += 1000) {
        struct pair_params q = early_params();
        struct pair *p;
        struct hand h;

        q.resume = first(&q);
        p = early_given(&q, 1);
        h = hand_new(p, SECRET_CE, true);
        h.seq = 1;
        for (int i = 0; i < 65; i++) {
            assert_int_equal(p->s.rc, 0);
            end_give(&p->s, wire, hand_seal(&h, CT_APPLICATION_DATA, "x", i == 32, pad, wire));
        }
        assert_int_equal(p->s.nearly, 2);
        assert_int_equal(p->s.rc, 0);
        end_give(&p->s, wire, hand_seal(&h, CT_APPLICATION_DATA, "x", 0, pad, wire));
        assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
        hand_free(&h);
        session_unref(q.resume);
        pair_free(p);
    }
}

/* What is agreed about records is not agreed yet. */
static void test_record_limits(void **state)
{
    struct pair_params q = early_params();
    struct pair *p;

    (void)state;
    q.record_limit[TLS_CLIENT] = q.record_limit[TLS_SERVER] = 64;
    q.max_early = 16384;
    q.resume = first(&q);
    p = early_given(&q, 16384);
    assert_int_equal(p->s.nearly, 16384);
    early_finish(p);
    assert_int_equal(tls_fragment(p->c.t), 63);
    session_unref(q.resume);
    pair_free(p);
}

/* ---- who offers it ---- */
static void offered(const struct pair_params *q, bool want)
{
    struct pair *p = pair_new(q);

    assert_int_equal(info_of(&p->c).early, want ? TLS_EARLY_OFFERED : TLS_EARLY_NONE);
    assert_int_equal(tls_early_room(p->c.t) > 0, want);
    early_finish(p);
    early_is(p, want ? TLS_EARLY_ACCEPTED : TLS_EARLY_NONE, TLS_EARLY_FINE);
    pair_free(p);
}

static void test_offered(void **state)
{
    struct pair_params q = early_params();

    (void)state;
    q.client_alpn[0] = q.server_alpn[0] = "proto";
    q.client_suites[0] = 0x1301;
    offered(&q, false); /* no session */
    q.resume = first(&q);
    offered(&q, true);
    q.early = false; /* off by default */
    offered(&q, false);
    q.early = true;
    q.client_suites[0] = 0x1303; /* resumed, but not under its suite */
    offered(&q, false);
    q.client_suites[0] = 0x1301;
    assert_int_equal(session_set_text(&q.resume->alpn, "other"), 0);
    offered(&q, false);
    assert_int_equal(session_set_text(&q.resume->alpn, "proto"), 0);
    offered(&q, true);
    q.resume->max_early = 0;
    offered(&q, false);
    q.max_early = 0; /* such a server gives no such tickets */
    another_session(&q);
    assert_int_equal(q.resume->max_early, 0);
    offered(&q, false);
    session_unref(q.resume);
}

/* Appendix C.4. */
static void test_session_is_used_once(void **state)
{
    struct pair_params q = early_params();
    struct tls_session *s = first(&q);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair *p = pair_new(&q);
        struct config *c = pair_config(p, TLS_CLIENT, &q);

        tls_free(p->c.t);
        assert_int_equal(tls_new(&p->c.t, c, PAIR_HOST, NULL, s, NULL), 0);
        config_unref(c);
        assert_int_equal(info_of(&p->c).early, i ? TLS_EARLY_NONE : TLS_EARLY_OFFERED);
        early_finish(p);
        assert_int_equal(resumed(&p->c), i == 0);
        pair_free(p);
    }
    session_unref(s);
}

/* ---- rejected ---- */
static unsigned asked;

static bool counts(void *ctx, struct span binder, int64_t now_ms)
{
    (void)ctx;
    assert_true(binder.n == 32 || binder.n == 48);
    assert_int_equal(now_ms, pair_clock() * 1000);
    asked++;
    return false;
}

/* Not delivered, the handshake goes on, and the client may say it again. */
static void rejected(const struct pair_params *q, enum tls_early_why why, bool goes_on)
{
    struct pair *p;

    asked = 0;
    p = early_given(q, LIMIT / 2);
    assert_int_equal(p->s.rc, 0);
    assert_int_equal(p->s.nearly, 0);
    assert_false(tls_can_seal(p->s.t));
    early_finish(p);
    early_is(p, TLS_EARLY_REJECTED, why);
    assert_int_equal(resumed(&p->s), goes_on);
    assert_int_equal(asked, why == TLS_EARLY_REPLAY); /* it costs the store nothing (section 8) */
    end_talk(&p->c, &p->s, text, LIMIT / 2);
    assert_int_equal(p->s.nearly, 0);
    pair_free(p);
}

static void threat_33_rejected(void **state)
{
    struct ticket_keys *others = ticket_keys_new(LIFE * 1000);
    struct pair_params q = early_params(), r;
    struct config *c;

    (void)state;
    q.on_replay = counts;
    q.client_suites[0] = 0x1301;
    q.client_suites[1] = 0x1303;
    q.resume = first(&q);
    rejected(&q, TLS_EARLY_REPLAY, true);
    r = q;
    r.max_early = 0;
    rejected(&r, TLS_EARLY_DISABLED, true);
    r = q;
    r.max_early = LIMIT - 1; /* the ticket allows more than that */
    rejected(&r, TLS_EARLY_TICKET, true);
    r = q;
    r.tickets = others;
    rejected(&r, TLS_EARLY_NO_SESSION, false);
    r = q;
    r.auth = CLIENT_AUTH_REQUIRE; /* and the session has no certificate */
    r.client_id = true;
    c = pair_config(NULL, TLS_CLIENT, &r);
    memcpy(q.resume->context, config_settings(c)->context, SESSION_CONTEXT);
    config_unref(c);
    rejected(&r, TLS_EARLY_NO_SESSION, false);
    another_session(&q);
    r = q;
    r.server_suites[0] = 0x1303;
    rejected(&r, TLS_EARLY_SUITE, true);
    r = q;
    r.client_groups[0] = 29;
    r.client_groups[1] = r.server_groups[0] = 23;
    rejected(&r, TLS_EARLY_RETRY, true);
    q.max_early = 0;
    another_session(&q);
    q.max_early = LIMIT;
    q.resume->max_early = LIMIT; /* the ticket says otherwise */
    rejected(&q, TLS_EARLY_TICKET, true);
    session_unref(q.resume);
    ticket_keys_unref(others);
}

static void threat_33_other_alpn(void **state)
{
    struct pair_params q = early_params();
    struct config *c;

    (void)state;
    q.on_replay = counts;
    q.client_alpn[0] = q.server_alpn[1] = "one";
    q.client_alpn[1] = q.server_alpn[0] = "two";
    q.resume = first(&q);
    assert_string_equal(q.resume->alpn, "two");
    q.client_alpn[1] = NULL; /* a client that does not care */
    c = pair_config(NULL, TLS_CLIENT, &q);
    memcpy(q.resume->context, config_settings(c)->context, SESSION_CONTEXT);
    config_unref(c);
    assert_int_equal(session_set_text(&q.resume->alpn, "one"), 0);
    rejected(&q, TLS_EARLY_ALPN, true);
    q.client_alpn[0] = NULL; /* none at all */
    c = pair_config(NULL, TLS_CLIENT, &q);
    memcpy(q.resume->context, config_settings(c)->context, SESSION_CONTEXT);
    config_unref(c);
    assert_int_equal(session_set_text(&q.resume->alpn, NULL), 0);
    rejected(&q, TLS_EARLY_ALPN, true);
    session_unref(q.resume);
}

/* Section 8.3. */
static void threat_33_age(void **state)
{
    static const struct {
        int64_t older;
        bool good;
    } ages[] = { { 0, true },
                 { EARLY_AGE_MS, true },
                 { -EARLY_AGE_MS, true },
                 { 1000, true },
                 { EARLY_AGE_MS + 1, false },
                 { -EARLY_AGE_MS - 1, false },
                 { 60000, false },
                 { -60000, false } };

    (void)state;
    for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
        struct pair_params q = early_params();
        struct pair *p;

        q.resume = first(&q);
        q.resume->made -= ages[i].older;
        pair_later = 100;
        if (ages[i].good) {
            p = early_given(&q, 10);
            assert_int_equal(p->s.nearly, 10);
            early_finish(p);
            pair_free(p);
        } else {
            q.on_replay = counts;
            rejected(&q, TLS_EARLY_AGE, true);
        }
        pair_later = 0;
        session_unref(q.resume);
    }
}

/* ---- replay ---- */
/* The very same bytes to another server with the same store. */
static void threat_33_replay(void **state)
{
    struct pair_params q = early_params();
    static uint8_t bytes[WIRE_MAX];
    size_t n;

    (void)state;
    q.replay = replay_store_new(100, EARLY_WINDOW_MS);
    assert_non_null(q.replay);
    q.resume = first(&q);
    for (int round = 0; round < 3; round++) {
        struct pair *p = early_given(&q, 10);

        if (round == 0) { /* the store is young: what another process took is not known */
            assert_int_equal(info_of(&p->s).early_why, TLS_EARLY_REPLAY);
            pair_later = EARLY_WINDOW_MS / 1000 + 2;
        } else {
            assert_int_equal(info_of(&p->s).early, TLS_EARLY_ACCEPTED);
            assert_int_equal(p->s.nearly, 10);
        }
        early_finish(p);
        pair_free(p);
    }
    for (int64_t wait = 0; wait <= EARLY_AGE_MS / 1000 + 1; wait++) {
        struct pair *p = pair_new(&q);
        struct config *c = pair_config(p, TLS_SERVER, &q);
        struct tls *second;

        n = early_flight(p, 10, bytes);
        memcpy(wire, bytes, n);
        end_give(&p->s, wire, n);
        assert_int_equal(p->s.nearly, 10);
        assert_int_equal(tls_new(&second, c, NULL, NULL, NULL, NULL), 0);
        config_unref(c);
        tls_free(p->s.t);
        p->s.t = second;
        p->s.nearly = 0;
        pair_later += wait;
        end_give(&p->s, bytes, n);
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(p->s.nearly, 0);
        assert_int_equal(info_of(&p->s).early, TLS_EARLY_REJECTED);
        assert_int_equal(info_of(&p->s).early_why,
                         wait * 1000 > EARLY_AGE_MS ? TLS_EARLY_AGE : TLS_EARLY_REPLAY);
        pair_free(p);
    }
    pair_later = 0;
    session_unref(q.resume);
    replay_store_unref(q.replay);
}

/* There is no way to enable it without one of the two. */
static void threat_33_config(void **state)
{
    struct replay_store *small = replay_store_new(10, EARLY_WINDOW_MS - 1),
                        *store = replay_store_new(10, EARLY_WINDOW_MS);
    struct config *c = config_new(TLS_SERVER), *client = config_new(TLS_CLIENT);

    (void)state;
    assert_int_equal(config_set_early_data(client, 10, store, NULL, NULL), ERR_ARG);
    assert_int_equal(config_set_early_data(c, 10, NULL, NULL, NULL), ERR_ARG);
    assert_int_equal(config_set_early_data(c, 10, store, counts, NULL), ERR_ARG);
    assert_int_equal(config_set_early_data(c, 10, small, NULL, NULL), ERR_ARG);
    assert_int_equal(config_settings(c)->max_early, 0);
    assert_int_equal(config_set_early_data(c, 10, NULL, counts, NULL), 0);
    assert_int_equal(config_set_early_data(c, 10, store, NULL, NULL), 0);
    assert_int_equal(config_settings(c)->max_early, 10);
    assert_int_equal(config_add_identity(c, pki.server[0]), 0);
    assert_int_equal(config_seal(c, NULL), ERR_ARG); /* neither clock nor tickets */
    assert_int_equal(config_set_clock(c, pair_clock), 0);
    assert_int_equal(config_seal(c, NULL), ERR_ARG);
    assert_int_equal(config_set_sessions(c, NULL, keys, LIFE), 0);
    assert_int_equal(config_set_clock(c, NULL), 0);
    assert_int_equal(config_seal(c, NULL), ERR_ARG);
    assert_int_equal(config_set_clock(c, pair_clock), 0);
    assert_int_equal(config_seal(c, NULL), 0);
    assert_int_equal(config_set_early_data(c, 0, NULL, NULL, NULL), ERR_STATE);
    config_unref(c);
    config_unref(client);
    replay_store_unref(small);
    replay_store_unref(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_chain_of_tickets),
        cmocka_unit_test(test_in_pieces),
        cmocka_unit_test(test_until_the_answer),
        cmocka_unit_test(test_half_rtt),
        cmocka_unit_test(test_limit_of_the_client),
        cmocka_unit_test(threat_33_limit_of_the_server),
        cmocka_unit_test(threat_33_empty_records),
        cmocka_unit_test(test_record_limits),
        cmocka_unit_test(test_offered),
        cmocka_unit_test(test_session_is_used_once),
        cmocka_unit_test(threat_33_rejected),
        cmocka_unit_test(threat_33_other_alpn),
        cmocka_unit_test(threat_33_age),
        cmocka_unit_test(threat_33_replay),
        cmocka_unit_test(threat_33_config),
    };

    return cmocka_run_group_tests(tests, early_make, resume_drop);
}
