/* SPDX-License-Identifier: ISC */
/* Another handshake on a TLS 1.2 connection (RFC 5246 section 7.4.1.1, RFC 5746; threats 20, 30).
 */
#include "tests/handshake/pair12.h"

static uint8_t wire[WIRE_MAX];
static struct session_cache *cache;
static struct ticket_keys *tickets;

static struct pair_params usual(void)
{
    return (struct pair_params){ .suite = SUITE_GCM, .renegotiation = RENEGOTIATE_SECURE };
}

static void talk_both_ways(struct pair *p)
{
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong!", 5);
}

/* A whole handshake more; q: NULL, or what `by` wants from now on. */
static void again(struct pair *p, struct end *by, const struct pair_params *q, bool resume)
{
    struct config *c = q ? pair_config(p, tls_role(by->t), q) : NULL;
    unsigned done = p->c.done;

    assert_int_equal(tls_rehandshake(by->t, c, resume), 0);
    config_unref(c);
    pair_run(p, WIRE_MAX);
    assert_true(p->c.rc == 0 && p->s.rc == 0);
    assert_true(p->c.done == done + 1 && p->s.done == done + 1);
    assert_true(tls_can_seal(p->c.t) && tls_can_seal(p->s.t));
    talk_both_ways(p);
}

static void test_by_whom_and_how(void **state)
{
    static const struct pair_params rows[] = {
        { .suite = SUITE_GCM },
        { .suite = SUITE_CHACHA },
        { .suite = SUITE_CBC },
        { .suite = SUITE_CBC, .no_etm = { true } },
        { .suite = SUITE_RSA_KX, .id = ID_RSA },
        { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true },
        { .suite = SUITE_GCM, .max_fragment = 512 },
    };

    (void)state;
    for (size_t i = 0; i < 8 * sizeof rows / sizeof *rows; i++) {
        struct pair_params q = rows[i / 8];
        bool resume = i & 1, by_server = i & 2;
        uint8_t master[48];
        struct pair *p;

        q.renegotiation = RENEGOTIATE_SECURE;
        q.cache = i & 4 ? cache : NULL;
        q.tickets = i & 4 ? NULL : tickets;
        p = pair_connected(&q);
        for (int n = 0; n < 3; n++) {
            struct tls_info c, s;

            memcpy(master, p->secret[SECRET_MASTER], 48);
            again(p, by_server ? &p->s : &p->c, NULL, resume);
            tls_get_info(p->c.t, &c);
            tls_get_info(p->s.t, &s);
            assert_int_equal(c.resumed, s.resumed);
            if (!by_server || !resume || q.cache) { /* one that is asked may keep its ticket */
                assert_int_equal(c.resumed, resume);
            }
            assert_int_equal(memcmp(master, p->secret[SECRET_MASTER], 48) == 0, c.resumed);
            assert_int_equal(s.client_auth, q.client_id);
            assert_string_equal(s.sni, PAIR_HOST);
        }
        pair_free(p);
    }
}

/* ---- another config ---- */
static void test_other_suite(void **state)
{
    static const uint16_t suites[] = { SUITE_CBC, SUITE_CHACHA, SUITE_CBC, SUITE_GCM };
    struct pair_params q = { .server_suites = { SUITE_GCM, SUITE_CBC, SUITE_CHACHA },
                             .client_suites = { SUITE_GCM },
                             .renegotiation = RENEGOTIATE_SECURE };

    (void)state;
    for (int no_etm = 0; no_etm < 2; no_etm++) {
        struct pair *p;

        q.no_etm[0] = no_etm;
        q.client_suites[0] = SUITE_GCM;
        p = pair_connected(&q);
        for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
            struct tls_info info;

            q.client_suites[0] = suites[i];
            again(p, &p->c, &q, true);
            tls_get_info(p->s.t, &info);
            assert_int_equal(info.suite_id, suites[i]);
            assert_int_equal(info.etm, suites[i] == SUITE_CBC && !no_etm);
        }
        pair_free(p);
    }
}

/* threat 20: without extended master secret the server must stay who it was. */
static void threat_20_other_certificate(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pair_params q = usual();
        struct config *c;
        struct pair *p;

        q.no_ems[i & 1] = i & 2;
        p = pair_connected(&q);
        again(p, &p->s, &q, false); /* the same one is fine in any case */
        q.other_server = true;
        c = pair_config(p, TLS_SERVER, &q);
        assert_int_equal(tls_rehandshake(p->s.t, c, false), 0);
        config_unref(c);
        pair_run(p, WIRE_MAX);
        if (i & 2) {
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
            assert_int_equal(p->s.rc, ERR_PEER_ALERT);
            assert_false(tls_connected(p->s.t));
        } else {
            assert_true(p->c.done == 3 && p->s.done == 3);
            talk_both_ways(p);
        }
        pair_free(p);
    }
}

/* threat 20: once bound to its master secret, a connection stays so. */
static void threat_20_ems_dropped_later(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair_params q = usual();
        struct pair *p = pair_connected(&q);
        struct config *c;

        q.no_ems[i] = true; /* the client does not offer it; the server does not answer */
        c = pair_config(p, i ? TLS_SERVER : TLS_CLIENT, &q);
        assert_int_equal(tls_rehandshake(i ? p->s.t : p->c.t, c, false), 0);
        config_unref(c);
        pair_run(p, WIRE_MAX);
        assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        assert_true(p->c.done == 1 && p->s.done == 1);
        pair_free(p);
        q.no_ems[i] = false; /* but it may be had later */
        q.no_ems[!i] = true;
        p = pair_connected(&q);
        q.no_ems[!i] = false;
        again(p, i ? &p->c : &p->s, &q, false);
        pair_free(p);
    }
}

static void test_client_auth_asked_later(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct pair_params q = usual(), later = usual();
        struct pair *p;
        struct tls_info info;

        q.client_id = with;
        q.cache = later.cache = cache;
        p = pair_connected(&q);
        tls_get_info(p->s.t, &info);
        assert_true(!info.client_auth && info.peer_cert.n == 0);
        later.auth = CLIENT_AUTH_REQUIRE;
        if (with) {
            again(p, &p->s, &later, true);
            tls_get_info(p->s.t, &info);
            assert_true(info.client_auth && !info.resumed);
            assert_true(span_eq(info.peer_cert, pki.client->leaf.der));
            again(p, &p->s, NULL, true);
            tls_get_info(p->s.t, &info);
            assert_true(info.client_auth && info.resumed);
            later.auth = CLIENT_AUTH_NONE; /* and a handshake in which it proves nothing again */
            again(p, &p->s, &later, true);
            tls_get_info(p->s.t, &info);
            assert_true(!info.client_auth && !info.resumed);
            assert_int_equal(info.peer_cert.n, 0);
            again(p, &p->s, NULL, true); /* the session knows no more */
            tls_get_info(p->s.t, &info);
            assert_true(!info.client_auth && info.resumed);
        } else {
            struct config *c = pair_config(p, TLS_SERVER, &later);

            assert_int_equal(tls_rehandshake(p->s.t, c, true), 0);
            config_unref(c);
            pair_run(p, WIRE_MAX);
            assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
            assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_HANDSHAKE_FAILURE);
        }
        pair_free(p);
    }
}

/* What is told of the last handshake is of the last only. */
static void test_status_again(void **state)
{
    struct pair_params q = usual();
    struct tls_info info;
    struct pair *p;

    (void)state;
    q.status = "response";
    p = pair_connected(&q);
    again(p, &p->c, NULL, false);
    tls_get_info(p->c.t, &info);
    assert_true(span_eq(info.status, span_text("response")));
    pair_free(p);
}

/* threat 22: in a renegotiation TLS 1.3 cannot be, so the sentinel is no sign of anything. */
static void threat_22_sentinel_in_renegotiation(void **state)
{
    struct pair_params q = { .client_max = TLS_1_2, .renegotiation = RENEGOTIATE_SECURE };
    struct pair *p = pair_connected(&q);

    (void)state;
    q.client_max = TLS_1_3;
    again(p, &p->c, &q, false);
    pair_free(p);
}

/* ---- data meanwhile ---- */
/* What waits, and one record of data behind it when that may be. */
static size_t say(struct end *e, uint8_t *out, unsigned *sent)
{
    size_t n = end_take(e, out), taken, made;
    struct span one = span_of("data", 4);

    assert_int_equal(tls_seal(e->t, &one, 1, &taken, out + n, WIRE_MAX - n, &made),
                     tls_can_seal(e->t) ? 0 : ERR_STATE);
    *sent += (unsigned)taken;
    return n + made;
}

/* Each may send until its hello; what is sent so arrives, in whatever state the other is. Both
 * speak at once, so that data crosses the flights. */
static void test_data_in_flight(void **state)
{
    static uint8_t back[WIRE_MAX];

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct pair_params q = usual();
        unsigned from_c = 0, from_s = 0, blocked = 0;
        struct pair *p;

        q.cache = cache;
        q.suite = i & 4 ? SUITE_CBC : SUITE_GCM;
        p = pair_connected(&q);
        p->c.ngot = p->s.ngot = 0;
        assert_int_equal(tls_rehandshake(i & 1 ? p->s.t : p->c.t, NULL, i & 2), 0);
        for (int turn = 0; p->c.done < 2 || p->s.done < 2; turn++) {
            size_t n = say(&p->c, wire, &from_c), m = say(&p->s, back, &from_s);

            assert_true(turn < 6);
            end_give(&p->s, wire, n);
            end_give(&p->c, back, m);
            assert_true(p->c.rc == 0 && p->s.rc == 0);
            assert_true(p->s.ngot == from_c && p->c.ngot == from_s);
            blocked += !tls_can_seal(p->c.t) || !tls_can_seal(p->s.t);
        }
        assert_true(blocked > 0 && (i & 1 ? from_c : from_s) >= 4);
        talk_both_ways(p);
        pair_free(p);
    }
}

/* Both begin at once: the HelloRequest crosses the ClientHello, and is dropped. */
static void test_crossing(void **state)
{
    const struct pair_params q = usual();
    struct pair *p = pair_connected(&q);
    static uint8_t other[WIRE_MAX];
    size_t n, m;

    (void)state;
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
    assert_int_equal(tls_rehandshake(p->s.t, NULL, false), 0);
    n = end_take(&p->c, wire);
    m = end_take(&p->s, other);
    end_give(&p->c, other, m);
    end_give(&p->s, wire, n);
    pair_run(p, WIRE_MAX);
    assert_true(p->c.done == 2 && p->s.done == 2);
    talk_both_ways(p);
    pair_free(p);
}

/* ---- who may ---- */
static void test_never(void **state)
{
    (void)state;
    for (int by_server = 0; by_server < 2; by_server++) {
        struct pair *p = pair_connected(&(struct pair_params){ .suite = SUITE_GCM });
        struct end *by = by_server ? &p->s : &p->c, *other = by_server ? &p->c : &p->s;

        for (int i = 0; i < 3; i++) { /* told each time, and nothing else happens */
            assert_int_equal(tls_rehandshake(by->t, NULL, false), 0);
            pair_run(p, WIRE_MAX);
            assert_true(p->c.rc == 0 && p->s.rc == 0 && p->c.done == 1 && p->s.done == 1);
            assert_true(by->warned == (unsigned)i + 1 && by->warning == ALERT_NO_RENEGOTIATION);
            assert_int_equal(other->warned, 0);
            talk_both_ways(p);
        }
        if (by_server) { /* its request was refused: that gives the client no right to one */
            assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
            pair_run(p, WIRE_MAX);
            assert_true(p->c.warned == 1 && p->c.done == 1 && p->s.done == 1);
            talk_both_ways(p);
        }
        tls_allow_renegotiation(other->t, true);
        again(p, by, NULL, false);
        tls_allow_renegotiation(other->t, false);
        assert_int_equal(tls_rehandshake(by->t, NULL, false), 0);
        pair_run(p, WIRE_MAX);
        assert_true(p->c.done == 2 && p->s.done == 2);
        talk_both_ways(p);
        pair_free(p);
    }
}

/* A server under NEVER may still ask itself. */
static void test_asked_for(void **state)
{
    struct pair *p = pair_connected(&(struct pair_params){ .suite = SUITE_GCM });

    (void)state;
    tls_allow_renegotiation(p->c.t, true);
    again(p, &p->s, NULL, false);
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
    pair_run(p, WIRE_MAX);
    assert_true(p->c.warned == 1 && p->s.done == 2);
    pair_free(p);
}

static void test_wrong_calls(void **state)
{
    struct pair_params q = usual();
    struct pair *p = pair_new(&q);
    struct config *server = pair_config(p, TLS_SERVER, &q), *only13;

    (void)state;
    q.suite = 0x1301;
    only13 = pair_config(p, TLS_CLIENT, &q);
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), ERR_STATE);
    pair_run(p, WIRE_MAX);
    assert_int_equal(tls_rehandshake(p->c.t, server, false), ERR_ARG);
    assert_int_equal(tls_rehandshake(p->c.t, only13, false), ERR_UNSUPPORTED);
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), ERR_STATE);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->c.done, 2);
    tls_abort(p->c.t, ALERT_INTERNAL_ERROR, "enough");
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), ERR_CLOSED);
    pair_free(p);
    p = pair_connected(NULL); /* TLS 1.3 */
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), ERR_UNSUPPORTED);
    assert_int_equal(tls_rehandshake(p->s.t, NULL, false), ERR_UNSUPPORTED);
    talk_both_ways(p);
    pair_free(p);
    config_unref(server);
    config_unref(only13);
}

/* ---- floods ---- */

/* threat 30: HelloRequests, refused, ignored while one is under way, or in one record. */
static void threat_30_hello_requests(void **state)
{
    static const uint8_t many[4 * 100] = { 0 };

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct pair_params q = usual();
        struct pair *p;
        struct hand12 h;
        int n = 0;

        q.renegotiation = kind == 1 ? RENEGOTIATE_SECURE : RENEGOTIATE_NEVER;
        p = pair_connected(&q);
        h = hand12_new(p, TLS_SERVER, true);
        h.half.seq = 1;
        if (kind == 1) {
            assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
        }
        if (kind == 2) {
            hand12_give(&h, &p->c, CT_HANDSHAKE, many, sizeof many);
        }
        for (n = 0; n < 100 && p->c.rc == 0; n++) {
            if (kind == 3 && n == 20) { /* data starts the count again */
                hand12_give(&h, &p->c, CT_APPLICATION_DATA, "x", 1);
            }
            hand12_give(&h, &p->c, CT_HANDSHAKE, many, HS_HEADER);
        }
        assert_refused(&p->c, ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(n, kind == 2 ? 0 : kind == 3 ? 20 + 33 : 33);
        hand12_free(&h);
        pair_free(p);
    }
}

/* However many come between two chances to speak, one warning answers them. */
static void threat_30_one_answer(void **state)
{
    struct pair *p = pair_connected(&(struct pair_params){ .suite = SUITE_GCM });
    struct hand12 h = hand12_new(p, TLS_SERVER, true);

    (void)state;
    h.half.seq = 1;
    for (int i = 0; i < 20; i++) {
        hand12_give(&h, &p->c, CT_HANDSHAKE, "\0\0\0\0", HS_HEADER);
    }
    assert_int_equal(end_take(&p->c, wire), REC_HEADER + 8 + 2 + AEAD_TAG);
    hand12_free(&h);
    pair_free(p);
}

/* ---- RFC 5746 ---- */
/* threat 20: a policy of SECURE, and a peer that never said it knows RFC 5746. */
static void threat_20_unsafe_is_refused(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        const struct pair_params q = usual();
        struct pair *p = pair_connected(&q);
        struct end *by = server ? &p->s : &p->c, *other = server ? &p->c : &p->s;

        other->t->hs.secure = false;
        assert_int_equal(tls_rehandshake(other->t, NULL, false), ERR_UNSUPPORTED);
        assert_int_equal(tls_rehandshake(by->t, NULL, false), 0);
        pair_run(p, WIRE_MAX);
        assert_true(by->warned == 1 && by->warning == ALERT_NO_RENEGOTIATION && by->done == 1);
        talk_both_ways(p);
        pair_free(p);
    }
}

static void threat_20_wrong_verify_data(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4 * VERIFY12; i++) {
        const struct pair_params q = usual();
        struct pair *p = pair_connected(&q);
        struct end *e = i & 1 ? &p->s : &p->c; /* remembers another Finished */
        bool client_sees = i / 2 >= VERIFY12;  /* the client's goes into its hello */

        e->t->hs.verify[i / 2 / VERIFY12][i / 2 % VERIFY12] ^= 1;
        assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
        pair_run(p, WIRE_MAX);
        assert_refused(client_sees ? &p->c : &p->s, ALERT_HANDSHAKE_FAILURE);
        assert_true(p->c.done == 1 && p->s.done == 1);
        pair_free(p);
    }
}

/* ---- a second ClientHello of another hand ---- */
static struct pair *second_hello(uint8_t *m, size_t *n, struct hand12 *h)
{
    const struct pair_params q = { .client_suites = { 0xc02b, 0xc02c },
                                   .server_suites = { 0xc02b },
                                   .renegotiation = RENEGOTIATE_SECURE };
    struct pair *p = pair_connected(&q);
    struct hand12 open = hand12_new(p, TLS_CLIENT, false);

    *h = hand12_new(p, TLS_CLIENT, true);
    open.half.seq = h->half.seq = 1;
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
    *n = flight12_open(&open, NULL, wire, end_take(&p->c, wire), m);
    assert_true(m[0] == HS_CLIENT_HELLO && *n == message_size(m));
    hand12_free(&open);
    return p;
}

static void test_second_hello(void **state)
{
    static const uint8_t bound[] = { 0xff, 1, 0, 13, 12 }, name[] = "server.test",
                         suites[] = { 0, 4, 0xc0, 0x2b, 0xc0, 0x2c },
                         versions[] = { 0, 43, 0, 5, 4, 3, 4, 3, 3 };
    static uint8_t m[WIRE_MAX];

    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        struct hand12 h;
        size_t n, block;
        struct pair *p = second_hello(m, &n, &h);

        block = HS_HEADER + 2 + RANDOM_SIZE + 1 + m[38];
        block += 2 + ((size_t)m[block] << 8 | m[block + 1]) + 2;
        switch (kind) {
        case 1: /* not bound at all */
            wire_find(m, n, bound, sizeof bound)[0] = 0xfa;
            break;
        case 2: /* as if it were the first */
            wire_find(m, n, bound, sizeof bound)[4] = 0;
            break;
        case 3: /* RFC 6066 section 3 */
            wire_find(m, n, name, 11)[0] = 't';
            break;
        case 4: /* a suite becomes TLS_EMPTY_RENEGOTIATION_INFO_SCSV */
            memcpy(wire_find(m, n, suites, 6) + 4, "\0\xff", 2);
            break;
        case 5: /* RFC 8446 section 4.1.2: lists TLS 1.3 and still gets 1.2 */
            memcpy(m + n, versions, sizeof versions);
            n += sizeof versions;
            m[3] = (uint8_t)(m[3] + sizeof versions);
            m[block + 1] = (uint8_t)(m[block + 1] + sizeof versions);
            break;
        default: /* as it is */
            break;
        }
        hand12_give(&h, &p->s, CT_HANDSHAKE, m, n);
        if (kind == 0 || kind == 5) {
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.t->hs.state, S12_WAIT_CKE);
        } else if (kind == 2) {
            assert_true(IS_TLS_ALERT(p->s.rc));
        } else {
            assert_refused(&p->s, kind == 3 ? ALERT_ILLEGAL_PARAMETER : ALERT_HANDSHAKE_FAILURE);
        }
        hand12_free(&h);
        pair_free(p);
    }
}

static int setup(void **state)
{
    cache = session_cache_new(8, 3600 * 1000);
    tickets = ticket_keys_new(3600 * 1000);
    return cache && tickets ? pki_make(state) : -1;
}

static int teardown(void **state)
{
    session_cache_unref(cache);
    ticket_keys_unref(tickets);
    return pki_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_whom_and_how),
        cmocka_unit_test(test_other_suite),
        cmocka_unit_test(threat_20_other_certificate),
        cmocka_unit_test(threat_20_ems_dropped_later),
        cmocka_unit_test(test_client_auth_asked_later),
        cmocka_unit_test(test_status_again),
        cmocka_unit_test(threat_22_sentinel_in_renegotiation),
        cmocka_unit_test(test_data_in_flight),
        cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_asked_for),
        cmocka_unit_test(test_wrong_calls),
        cmocka_unit_test(threat_30_hello_requests),
        cmocka_unit_test(threat_30_one_answer),
        cmocka_unit_test(threat_20_unsafe_is_refused),
        cmocka_unit_test(threat_20_wrong_verify_data),
        cmocka_unit_test(test_second_hello),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
