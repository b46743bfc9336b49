/* SPDX-License-Identifier: ISC */
/* threat 35: what lies in the caller's buffers may change at any moment. The engine looks at it
 * while it opens a record, and parses only what is its own, wherever that was opened to. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/handshake/stage13.h"

static uint8_t wire[WIRE_MAX], space[TLS_RECORD_MAX], plain[TLS_RECORD_MAX];

/* ---- while tls_input() runs, out of a callback ---- */
static struct tls_in *now;
static unsigned spoiled;

/* The whole record, and what was opened of it, is overwritten while one of its messages is read. */
static int spoil(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    (void)ctx;
    (void)t;
    assert_true(n > 0);
    memset(now->data, 0xff, now->len);
    if (now->out) {
        memset(now->out, 0xff, now->room);
    }
    assert_true(span_eq(chain[0].der, pki.server[ID_P256]->leaf.der));
    spoiled++;
    return alert;
}

static void feed(struct end *e, const uint8_t *p, size_t n, bool into)
{
    for (size_t at = 0; at < n && e->rc >= 0;) {
        struct tls_in in = { .data = space, .len = n - at, .out = into ? plain : NULL };

        memcpy(space, p + at, n - at);
        in.room = into ? sizeof plain : 0;
        now = &in;
        e->rc = tls_input(e->t, &in);
        assert_true(e->rc != TLS_EV_MORE);
        e->done += e->rc == TLS_EV_DONE;
        at += in.used;
    }
}

static void threat_35_spoiled_while_parsed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        bool into = i & 1, is12 = i / 2 == 2, one = i / 2 == 1;
        struct pair_params q = { .on_verify = spoil, .server_max = is12 ? TLS_1_2 : TLS_1_3 };
        struct pair *p = pair_new(&q);
        size_t n;

        spoiled = 0;
        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        if (one) { /* all of the flight in one record, whatever our server does */
            static uint8_t messages[WIRE_MAX], flight[WIRE_MAX];
            struct hand h = hand_new(p, SECRET_SH, false);
            size_t clear;

            n = flight_open(&h, wire, n, messages, &clear);
            hand_free(&h);
            h = hand_new(p, SECRET_SH, true);
            memcpy(flight, (uint8_t[]){ 22, 3, 3, (uint8_t)(clear >> 8), (uint8_t)clear },
                   REC_HEADER);
            memcpy(flight + REC_HEADER, messages, clear);
            n = REC_HEADER + clear +
                hand_seal(&h, CT_HANDSHAKE, messages + clear, n - clear, 0,
                          flight + REC_HEADER + clear);
            memcpy(wire, flight, n);
            hand_free(&h);
        }
        feed(&p->c, wire, n, into);
        assert_true(p->c.rc >= 0);
        assert_int_equal(spoiled, 1);
        p->c.rc = 0;
        pair_run(p, WIRE_MAX);
        assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
        pair_free(p);
    }
}

/* ---- between two calls ---- */

/* Messages in pieces: the first lies in memory that is another's by the time the last is read. */
static void threat_35_spoiled_between(void **state)
{
    (void)state;
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
        struct stage13 s = stage13_new((enum tls_role)role, &q);
        size_t n;
        uint8_t *m;

        while ((m = stage13_next(&s, &n))) {
            for (size_t at = 0; at < n; at += 7) {
                size_t part = n - at < 7 ? n - at : 7;

                if (s.hand.aead) {
                    feed(s.e, wire, hand_seal(&s.hand, CT_HANDSHAKE, m + at, part, 0, wire), true);
                } else {
                    memcpy(wire, (uint8_t[]){ 22, 3, 3, 0, (uint8_t)part }, REC_HEADER);
                    memcpy(wire + REC_HEADER, m + at, part);
                    feed(s.e, wire, REC_HEADER + part, true);
                }
                assert_true(s.e->rc >= 0);
                s.e->rc = 0;
                memset(space, 0xff, sizeof space);
                memset(plain, 0xff, sizeof plain);
            }
            stage13_passed(&s, m[0]);
        }
        assert_true(tls_connected(s.e->t));
        stage13_free(&s);
    }
}

/* What is opened into the caller's buffer and is not for the caller does not stay there. */
static void threat_35_nothing_left(void **state)
{
    static const uint8_t update[] = { HS_KEY_UPDATE, 0, 0, 1, 0 };
    struct pair *p = pair_connected(NULL);
    struct hand h = hand_new(p, SECRET_CA, true);
    size_t n = hand_seal(&h, CT_HANDSHAKE, update, sizeof update, 20, wire);

    (void)state;
    memset(plain, 0x55, sizeof plain);
    feed(&p->s, wire, n, true);
    assert_int_equal(p->s.rc, TLS_EV_PROGRESS);
    for (size_t i = 0; i < n - REC_HEADER; i++) {
        assert_int_equal(plain[i], 0);
    }
    hand_free(&h);
    pair_free(p);
}

/* ---- however little room there is for plaintext ---- */

static void give_room(struct end *to, size_t n, size_t room)
{
    for (size_t at = 0; at < n;) {
        struct tls_in in = { .data = wire + at, .len = n - at, .out = plain, .room = room };

        to->rc = tls_input(to->t, &in);
        assert_true(to->rc > TLS_EV_MORE);
        to->done += to->rc == TLS_EV_DONE;
        at += in.used;
    }
}

static void run_room(struct pair *p, size_t room)
{
    for (size_t n = 1, m = 1; n + m > 0;) {
        n = end_take(&p->c, wire);
        give_room(&p->s, n, room);
        m = end_take(&p->s, wire);
        give_room(&p->c, m, room);
    }
}

/* Everything that is not for the caller gets through where he wants not a byte of it: messages,
 * change_cipher_spec, alerts, under keys and in clear. */
static void test_any_room(void **state)
{
    (void)state;
    for (size_t room = 0; room < 4; room++) {
        for (unsigned is12 = 0; is12 < 2; is12++) {
            struct pair_params q = { .server_max = is12 ? TLS_1_2 : TLS_1_3,
                                     .auth = CLIENT_AUTH_REQUIRE,
                                     .client_id = true };
            struct pair *p = pair_new(&q);

            run_room(p, room);
            assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
            if (is12) {
                tls_allow_renegotiation(p->s.t, true);
                assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
                run_room(p, room);
                assert_int_equal(p->c.done, 2);
                assert_int_equal(p->s.done, 2);
            } else {
                assert_int_equal(tls_key_update(p->c.t, true), 0);
                run_room(p, room);
            }
            assert_int_equal(tls_close(p->c.t), 0);
            give_room(&p->s, end_take(&p->c, wire), room);
            assert_int_equal(p->s.rc, TLS_EV_CLOSED);
            pair_free(p);
        }
    }
}

/* ---- at any moment, from another thread ---- */
static atomic_bool stop;

/* Sometimes here, sometimes there, so that some records get through. */
static void *flip(void *arg)
{
    volatile uint8_t *p[] = { arg, plain };

    for (unsigned i = 1; !atomic_load_explicit(&stop, memory_order_relaxed); i = i * 5 + 1) {
        if (i >> 16 < 40) {
            p[i & 1][i % 700] ^= (uint8_t)(i >> 8);
        }
    }
    return NULL;
}

/* It gets through or is refused: never anything between. Two that are connected understand each
 * other. */
static void threat_35_thread(void **state)
{
    unsigned failed = 0;
    pthread_t thread;

    (void)state;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, flip, space), 0);
    for (unsigned i = 0; i < 600; i++) {
        struct pair_params q = { .server_max = i & 2 ? TLS_1_2 : TLS_1_3,
                                 .auth = CLIENT_AUTH_REQUIRE,
                                 .client_id = true };
        struct pair *p = pair_new(&q);
        struct end *ends[] = { &p->c, &p->s };

        for (unsigned turn = 0; turn < 8; turn++) {
            struct end *from = ends[turn & 1], *to = ends[!(turn & 1)];
            size_t n = end_take(from, wire), at = 0;

            while (at < n && to->rc >= 0) {
                size_t len = REC_HEADER + ((size_t)wire[at + 3] << 8 | wire[at + 4]);
                struct tls_in in = { .data = space, .len = len };

                in.out = i & 1 ? plain : NULL;
                in.room = i & 1 ? sizeof plain : 0;
                memcpy(space, wire + at, len);
                to->rc = tls_input(to->t, &in);
                to->done += to->rc == TLS_EV_DONE;
                assert_true(in.used <= in.len);
                at += len;
            }
        }
        failed += p->c.rc < 0 || p->s.rc < 0;
        if (tls_connected(p->c.t) && tls_connected(p->s.t)) {
            p->c.rc = p->s.rc = 0;
            end_talk(&p->c, &p->s, "ping", 4);
        }
        pair_free(p);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    print_message("%u of 600 were refused\n", failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_35_spoiled_while_parsed),
        cmocka_unit_test(threat_35_spoiled_between),
        cmocka_unit_test(threat_35_nothing_left),
        cmocka_unit_test(test_any_room),
        cmocka_unit_test(threat_35_thread),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
