/* SPDX-License-Identifier: ISC */
/* A connection moves (issue: whole-session export and import) at every stage of its life, in both
 * roles and under every suite, and neither end notices. */
#include "tests/handshake/handoff.h"

static struct ticket_keys *keys;

static struct end *end_of(struct pair *p, int role)
{
    return role == TLS_CLIENT ? &p->c : &p->s;
}

/* Runs `at` for every suite, with the client moving, the server, both. It brings the connection to
 * a stage and calls move(). */
static unsigned movers;
static void move(struct pair *p)
{
    if (movers & 1) {
        end_move(&p->c);
    }
    if (movers & 2) {
        end_move(&p->s);
    }
}

static void every(size_t from, size_t to, void (*stage)(struct pair *p))
{
    for (size_t i = from; i < to; i++) {
        for (movers = 1; movers <= 3; movers++) {
            struct pair_params q = kind_params(i);
            struct pair *p;

            q.tickets = keys;
            p = pair_connected(&q);
            stage(p);
            assert_int_equal(p->c.rc, 0);
            assert_int_equal(p->s.rc, 0);
            pair_free(p);
        }
    }
}

static void at_once(struct pair *p)
{
    move(p);
    talk(p);
}

static void amid_data(struct pair *p)
{
    for (int i = 0; i < 3; i++) {
        talk(p);
        move(p);
    }
    talk(p);
    if (hs_is_13(&p->c.t->hs)) {
        updates(p);
        move(p);
        updates(p);
        move(p);
        talk(p);
    }
}

static void test_fresh(void **state)
{
    (void)state;
    every(0, KINDS, at_once);
}

static void test_amid_data(void **state)
{
    (void)state;
    every(0, KINDS, amid_data);
}

/* Record halves, each received byte by byte, and plaintext that nobody has read. */
static void test_half_a_record(void **state)
{
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair_params q = kind_params(i);
        struct pair *p = pair_connected(&q);
        size_t n = end_seal(&p->c, "some text", 9, wire);

        p->s.ngot = 0;
        n += end_seal(&p->c, "and more", 8, wire + n);
        for (size_t at = 0; at < n; at++) {
            end_give(&p->s, wire + at, 1);
            end_move(&p->s);
        }
        assert_int_equal(p->s.ngot, 17);
        assert_memory_equal(p->s.got, "some textand more", 17);
        talk(p);
        pair_free(p);
    }
}

/* What waits to be sent goes along: tickets, an answer to a KeyUpdate, the residue of a send. */
static void test_output(void **state)
{
    static uint8_t wire[WIRE_MAX], most[WIRE_MAX];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair_params q = kind_params(i);
        struct pair *p = pair_new(&q);
        size_t n;

        for (int turn = 0; turn < 3; turn++) {
            end_give(&p->s, wire, end_take(&p->c, wire));
            if (turn < 2 && !tls_connected(p->s.t)) {
                end_give(&p->c, wire, end_take(&p->s, wire));
            }
        }
        assert_true(tls_connected(p->s.t));
        n = end_seal(&p->s, "said before", 11, most);
        assert_int_equal(tls_queue(p->s.t, most, n), 0);
        end_move(&p->s);
        p->c.ngot = 0;
        pair_run(p, WIRE_MAX);
        assert_int_equal(p->c.ngot, 11);
        assert_memory_equal(p->c.got, "said before", 11);
        /* Half of what waits is out already. */
        n = end_seal(&p->c, "a long sentence", 15, most);
        assert_int_equal(tls_queue(p->c.t, most, n), 0);
        tls_sent(p->c.t, n / 2);
        end_move(&p->c);
        end_give(&p->s, most, n / 2);
        p->s.ngot = 0;
        pair_run(p, WIRE_MAX);
        assert_memory_equal(p->s.got, "a long sentence", 15);
        assert_int_equal(p->s.ngot, 15);
        talk(p);
        pair_free(p);
    }
}

/* Behind close_notify of either side, or both. */
static void test_closed(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        for (int role = 0; role < 2; role++) {
            struct pair_params q = kind_params(i);
            struct pair *p = pair_connected(&q);
            struct end *e = end_of(p, role), *peer = end_of(p, !role);
            struct span part = span_text("x");
            uint8_t wire[200];
            size_t taken, made;

            assert_int_equal(tls_close(e->t), 0);
            end_move(e); /* it waits */
            pair_run(p, WIRE_MAX);
            assert_int_equal(peer->closed, 1);
            end_move(e);
            end_move(peer);
            assert_true(tls_peer_closed(peer->t));
            end_talk(peer, e, "still there", 11);
            assert_int_equal(tls_seal(e->t, &part, 1, &taken, wire, sizeof wire, &made),
                             ERR_CLOSED);
            assert_int_equal(tls_close(peer->t), 0);
            end_move(peer);
            pair_run(p, WIRE_MAX);
            assert_int_equal(e->closed, 1);
            end_move(e);
            assert_true(tls_peer_closed(e->t));
            pair_free(p);
        }
    }
}

/* ---- TLS 1.3 ---- */
/* The peer's wish is known, and nothing said yet; and the first bytes of a message. */
static void test_notes_and_messages(void **state)
{
    static const uint8_t update[] = { HS_KEY_UPDATE, 0, 0, 1, 1 };
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (size_t i = 0; i < KINDS13; i++) {
        for (size_t cut = 1; cut < sizeof update; cut++) {
            struct pair_params q = kind_params(i);
            struct pair *p = pair_connected(&q);
            struct hand h = hand_new(p, SECRET_CA, true);
            uint64_t seq;

            hand_give(&h, &p->s, CT_HANDSHAKE, update, cut);
            end_move(&p->s);
            hand_give(&h, &p->s, CT_HANDSHAKE, update + cut, sizeof update - cut);
            assert_int_equal(p->s.rc, 0);
            hand_next(&h);
            seq = p->s.t->tx.seq;
            end_move(&p->s);
            assert_int_equal(p->s.t->tx.seq, seq); /* the note went, not a record */
            end_give(&p->c, wire, end_take(&p->s, wire));
            assert_int_equal(p->s.t->tx.seq, 0);
            p->s.ngot = 0;
            hand_give(&h, &p->s, CT_APPLICATION_DATA, "under new keys", 14);
            assert_int_equal(p->s.ngot, 14);
            end_talk(&p->s, &p->c, "so are these", 12);
            hand_free(&h);
            pair_free(p);
        }
    }
}

/* A peer that owes an answer is not asked again. */
static void test_asked(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS13; i++) {
        struct pair_params q = kind_params(i);
        struct pair *p = pair_connected(&q);

        assert_int_equal(tls_key_update(p->c.t, true), 0);
        end_move(&p->c);
        assert_int_equal(tls_key_update(p->c.t, true), 0);
        end_move(&p->c);
        pair_run(p, WIRE_MAX);
        end_move(&p->c);
        assert_int_equal(tls_key_update(p->c.t, true), 0);
        pair_run(p, WIRE_MAX);
        talk(p);
        pair_free(p);
    }
}

/* Threat 25: near the limits of a key. */
static void threat_25_worn_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS13; i++) {
        for (uint64_t left = 0; left < 3; left++) {
            struct pair_params q = kind_params(i);
            struct pair *p = pair_connected(&q);

            p->c.t->tx.seq = p->s.t->rx.seq = p->c.t->tx.limit - left;
            end_move(&p->c);
            end_move(&p->s);
            assert_int_equal(p->s.t->rx.limit, p->c.t->tx.limit);
            for (uint64_t n = 0; n < left; n++) {
                end_talk(&p->c, &p->s, "x", 1);
                assert_int_equal(p->c.t->tx.seq, p->c.t->tx.limit - left + n + 1);
            }
            end_talk(&p->c, &p->s, "x", 1);
            assert_int_equal(p->c.t->tx.seq, 1); /* its keys were changed */
            talk(p);
            pair_free(p);
        }
    }
}

/* Threat 25: sequence numbers do not wrap. */
static void threat_25_no_wrap(void **state)
{
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (size_t i = KINDS13; i < KINDS; i++) {
        struct pair_params q = kind_params(i);
        struct pair *p = pair_connected(&q);
        struct span part = span_text("x");
        size_t taken, made;

        p->c.t->tx.seq = p->s.t->rx.seq = UINT64_MAX - 2;
        end_move(&p->c);
        end_move(&p->s);
        end_talk(&p->c, &p->s, "x", 1);
        end_move(&p->c);
        end_talk(&p->c, &p->s, "x", 1);
        end_move(&p->c);
        assert_int_equal(p->c.t->tx.seq, UINT64_MAX);
        assert_int_equal(tls_seal(p->c.t, &part, 1, &taken, wire, sizeof wire, &made), ERR_LIMIT);
        pair_free(p);
    }
}

/* Tickets come after the move of one that will use them, and of one that made them. */
static void test_tickets(void **state)
{
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair_params q = kind_params(i);
        struct tls_session *s;
        struct pair *p;
        struct tls_info info;

        q.tickets = keys;
        p = pair_new(&q);
        for (int turn = 0; turn < 2; turn++) {
            end_give(&p->s, wire, end_take(&p->c, wire));
            if (!tls_connected(p->s.t)) {
                end_give(&p->c, wire, end_take(&p->s, wire));
            }
        }
        if (tls_connected(p->c.t)) { /* TLS 1.2 has had them */
            end_move(&p->c);
        }
        end_move(&p->s);
        pair_run(p, WIRE_MAX);
        end_move(&p->c);
        s = tls_session(p->c.t);
        assert_non_null(s);
        talk(p);
        pair_free(p);
        for (int again = 0; again < 2; again++) {
            q.resume = s;
            p = pair_connected(&q);
            end_move(&p->c);
            end_move(&p->s);
            tls_get_info(p->c.t, &info);
            assert_true(info.resumed);
            assert_true(info.peer_cert.n > 0);
            talk(p);
            session_unref(s);
            s = tls_session(p->c.t);
            pair_free(p);
        }
        session_unref(s);
    }
}

/* ---- TLS 1.2 ---- */
static void test_renegotiation(void **state)
{
    (void)state;
    for (size_t i = KINDS13; i < KINDS; i++) {
        for (int role = 0; role < 2; role++) {
            struct pair_params q = kind_params(i);
            struct pair *p = pair_connected(&q);
            struct end *e = end_of(p, role);

            for (unsigned round = 2; round < 5; round++) {
                end_move(&p->c);
                end_move(&p->s);
                assert_int_equal(tls_rehandshake(e->t, NULL, round & 1), 0);
                pair_run(p, WIRE_MAX);
                assert_int_equal(p->c.rc | p->s.rc, 0);
                assert_int_equal(p->c.done, round); /* which the verify data allows only if right */
                assert_int_equal(p->s.done, round);
                talk(p);
            }
            tls_allow_renegotiation(p->s.t, false);
            end_move(&p->s);
            assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
            pair_run(p, WIRE_MAX);
            assert_int_equal(p->c.warned, 1);
            assert_int_equal(p->c.warning, ALERT_NO_RENEGOTIATION);
            end_move(&p->c); /* given up: as before */
            talk(p);
            pair_free(p);
        }
    }
}

/* ---- everything that was agreed ---- */
static void test_agreed(void **state)
{
    static const struct pair_psk psk = { .name = "key", .key = "0123456789abcdef0123456789abcdef" };
    const struct pair_params all[] = {
        { .suite = 0x1301, .record_limit = { 100, 200 }, .padding = { 64, 32 } },
        { .suite = 0x1302, .auth = CLIENT_AUTH_REQUIRE, .client_id = true, .status = "response" },
        { .suite = SUITE_GCM, .record_limit = { 64, 16384 }, .status = "response" },
        { .suite = SUITE_CBC, .max_fragment = 512, .auth = CLIENT_AUTH_REQUEST },
        { .suite = SUITE_CBC, .client_id = true, .auth = CLIENT_AUTH_REQUIRE },
        { .suite = SUITE_GCM, .no_ems = { true, true } },
        { .suite = SUITE_RSA_KX, .id = ID_RSA },
        { .suite = 0x1301, .psk = { { psk }, { psk } } },
        { .suite = 0x1301, .psk = { { psk }, { psk } }, .host = "" },
        { .suite = 0x1303, .small_records = true },
        { .suite = 0x1301, .max_fragment = 1024 },
        { .id = ID_ED25519, .client_groups = { 23 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct pair *p = pair_connected(&all[i]);
        struct config *c = pair_config(p, TLS_CLIENT, &all[i]);
        struct config *s = pair_config(p, TLS_SERVER, &all[i]);

        end_move(&p->c);
        end_move(&p->s);
        talk(p);
        assert_true(tls_output(p->c.t).n == 0 && !all[i].small_records == !p->c.t->sealed_at);
        end_move_to(&p->c, c); /* another config that says the same */
        end_move_to(&p->s, s);
        talk(p);
        pair_free(p);
        config_unref(c);
        config_unref(s);
    }
}

/* A client known by its key and, since the server asked later, by a certificate, comes again. */
static void test_key_and_certificate(void **state)
{
    static const struct pair_psk psk = { .name = "key", .key = "0123456789abcdef0123456789abcdef" };
    struct pair_params q = {
        .psk = { { psk }, { psk } }, .post_auth = true, .client_id = true, .tickets = keys
    };
    struct pair *p = pair_connected(&q);

    (void)state;
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.done, 2);
    q.resume = tls_session(p->c.t);
    pair_free(p);
    p = pair_connected(&q);
    assert_true(info_of(&p->s).resumed && info_of(&p->s).client_auth);
    assert_string_equal(info_of(&p->s).psk, "key");
    end_move(&p->s);
    talk(p);
    pair_free(p);
    session_unref(q.resume);
}

static int make(void **state)
{
    pki_make(state);
    keys = ticket_keys_new(4 * SESSION_LIFE_MAX * INT64_C(1000));
    return keys ? 0 : -1;
}

static int drop(void **state)
{
    ticket_keys_unref(keys);
    return pki_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh),
        cmocka_unit_test(test_amid_data),
        cmocka_unit_test(test_half_a_record),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_notes_and_messages),
        cmocka_unit_test(test_asked),
        cmocka_unit_test(threat_25_worn_keys),
        cmocka_unit_test(threat_25_no_wrap),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_renegotiation),
        cmocka_unit_test(test_agreed),
        cmocka_unit_test(test_key_and_certificate),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
