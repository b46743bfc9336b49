/* SPDX-License-Identifier: ISC */
/* RFC 8446 sections 4.6.3, 5.3 and 5.5: KeyUpdate, asked for by the application, by the peer and by
 * worn keys; what limits it (threat 30), and what it must not let through. */
#include "tests/handshake/must.h"

static uint8_t wire[WIRE_MAX], m[WIRE_MAX];

static const char quiet[] = { HS_KEY_UPDATE, 0, 0, 1, 0 }, asking[] = { HS_KEY_UPDATE, 0, 0, 1, 1 };

/* The next record in wire[*at]: type and content (in m); 0: there is none, or not under that key.
 */
static unsigned open_next(struct hand *h, size_t n, size_t *at, size_t *len)
{
    const uint8_t *r = wire + *at;
    struct mspan plain = { m, 0 };
    uint8_t nonce[AEAD_IV];

    if (*at == n) {
        return 0;
    }
    *len = (size_t)r[3] << 8 | r[4];
    plain.n = *len - AEAD_TAG;
    hand_nonce(h, nonce);
    if (aead_open(h->aead, nonce, span_of(r, REC_HEADER), span_of(r + REC_HEADER, *len), &plain,
                  1) < 0) {
        return 0;
    }
    h->seq++;
    *at += REC_HEADER + *len;
    *len = plain.n - 1;
    return m[*len];
}

static void assert_update(struct hand *h, size_t n, size_t *at, const char *want)
{
    size_t len = 0;

    assert_int_equal(open_next(h, n, at, &len), CT_HANDSHAKE);
    assert_int_equal(len, 5);
    assert_memory_equal(m, want, 5);
    hand_next(h);
}

static void assert_data(struct hand *h, size_t n, size_t *at, const char *want)
{
    size_t len = 0;

    assert_int_equal(open_next(h, n, at, &len), CT_APPLICATION_DATA);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(m, want, len);
}

static size_t all_that_is_said(struct end *e, const char *data)
{
    static uint8_t sealed[WIRE_MAX];
    size_t n = end_take(e, wire), more = data ? end_seal(e, data, strlen(data), sealed) : 0;

    memcpy(wire + n, sealed, more);
    return n + more;
}

/* ---- by request of the application ---- */
/* Under the old keys, alone in its record; everything behind it under the next ones, from sequence
 * number 0 on, alerts too. */
static void test_generations(void **state)
{
    (void)state;
    for (uint16_t suite = 0x1301; suite <= 0x1303; suite++) {
        for (int server = 0; server < 2; server++) {
            struct pair *p = pair_connected(&(struct pair_params){ .suite = suite });
            struct end *e = server ? &p->s : &p->c;
            struct hand h = hand_new(p, server ? SECRET_SA : SECRET_CA, false);
            size_t n = all_that_is_said(e, "before"), at = 0, len = 0;

            assert_data(&h, n, &at, "before");
            for (int i = 0; i < 3; i++) {
                assert_int_equal(tls_key_update(e->t, false), 0);
                n = all_that_is_said(e, "behind");
                at = 0;
                assert_int_equal(h.seq, 1);
                assert_update(&h, n, &at, quiet);
                assert_data(&h, n, &at, "behind");
                assert_int_equal(at, n);
            }
            assert_int_equal(tls_key_update(e->t, true), 0);
            assert_int_equal(tls_close(e->t), 0);
            n = all_that_is_said(e, NULL);
            at = 0;
            assert_update(&h, n, &at, asking);
            assert_int_equal(open_next(&h, n, &at, &len), CT_ALERT);
            assert_int_equal(at, n);
            hand_free(&h);
            pair_free(p);
        }
    }
}

/* Whoever waits for an answer does not ask again; one answer is enough for all. */
static void test_asked_once(void **state)
{
    struct pair *p = pair_connected(NULL);
    struct hand h = hand_new(p, SECRET_CA, false), peer = hand_new(p, SECRET_SA, true);

    (void)state;
    for (int round = 0; round < 3; round++) {
        size_t n, at = 0;

        for (int i = 0; i < 4; i++) {
            assert_int_equal(tls_key_update(p->c.t, i != 1), 0);
        }
        n = all_that_is_said(&p->c, "on");
        for (int i = 0; i < 4; i++) {
            assert_update(&h, n, &at, i ? quiet : asking);
        }
        assert_data(&h, n, &at, "on");
        hand_give(&peer, &p->c, CT_HANDSHAKE, quiet, 5);
        hand_next(&peer);
        assert_int_equal(p->c.rc, 0);
    }
    hand_free(&h);
    hand_free(&peer);
    pair_free(p);
}

/* ---- by request of the peer ---- */
/* However often it asks: one answer, before the next data, under the old keys, that asks nothing
 * itself. */
static void test_answers(void **state)
{
    (void)state;
    for (int times = 0; times < 20; times++) {
        struct pair *p = pair_connected(NULL);
        struct hand h = hand_new(p, SECRET_SA, false), peer = hand_new(p, SECRET_CA, true);
        size_t n, at = 0;

        hand_give(&peer, &p->s, CT_HANDSHAKE, quiet, 5); /* this one asks for nothing */
        hand_next(&peer);
        for (int i = 0; i < times; i++) {
            hand_give(&peer, &p->s, CT_HANDSHAKE, asking, 5);
            hand_next(&peer);
        }
        n = all_that_is_said(&p->s, "data");
        if (times) {
            assert_update(&h, n, &at, quiet);
        }
        assert_data(&h, n, &at, "data");
        assert_int_equal(at, n);
        assert_int_equal(all_that_is_said(&p->s, NULL), 0);
        hand_free(&h);
        hand_free(&peer);
        pair_free(p);
    }
}

/* Requests that cross: each end goes on by two generations. */
static void test_crossing(void **state)
{
    static uint8_t back[WIRE_MAX];
    struct pair *p = pair_connected(NULL);
    struct hand c = hand_new(p, SECRET_CA, true), s = hand_new(p, SECRET_SA, true);

    (void)state;
    for (int i = 0; i < 50; i++) {
        const size_t n_secret = hash_size(c.suite->hash);
        size_t n, k;

        assert_int_equal(tls_key_update(p->c.t, true), 0);
        assert_int_equal(tls_key_update(p->s.t, true), 0);
        n = all_that_is_said(&p->c, "there");
        memcpy(back, wire, n);
        k = all_that_is_said(&p->s, "and back");
        p->c.ngot = p->s.ngot = 0;
        end_give(&p->c, wire, k);
        end_give(&p->s, back, n);
        pair_run(p, WIRE_MAX);
        assert_true(p->c.rc == 0 && p->s.rc == 0);
        assert_true(p->s.ngot == 5 && p->c.ngot == 8);
        for (int g = 0; g < 2; g++) {
            hand_next(&c);
            hand_next(&s);
        }
        assert_memory_equal(p->c.t->tx_secret, c.secret, n_secret);
        assert_memory_equal(p->s.t->rx_secret, c.secret, n_secret);
        assert_memory_equal(p->s.t->tx_secret, s.secret, n_secret);
        assert_memory_equal(p->c.t->rx_secret, s.secret, n_secret);
        end_talk(&p->c, &p->s, "ping", 4);
        end_talk(&p->s, &p->c, "pong", 4);
    }
    hand_free(&c);
    hand_free(&s);
    pair_free(p);
}

/* ---- what is refused ---- */
static void test_values(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        struct pair *p = pair_connected(NULL);
        struct hand h = hand_new(p, SECRET_CA, true);
        uint8_t update[] = { HS_KEY_UPDATE, 0, 0, 1, (uint8_t)value };

        hand_give(&h, &p->s, CT_HANDSHAKE, update, sizeof update);
        if (value < 2) {
            assert_int_equal(p->s.rc, 0);
        } else {
            assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        }
        hand_free(&h);
        pair_free(p);
    }
    for (size_t n = 0; n < 3; n += 2) {
        struct pair *p = pair_connected(NULL);
        struct hand h = hand_new(p, SECRET_CA, true);
        uint8_t update[] = { HS_KEY_UPDATE, 0, 0, (uint8_t)n, 0, 0 };

        hand_give(&h, &p->s, CT_HANDSHAKE, update, HS_HEADER + n);
        assert_refused(&p->s, ALERT_DECODE_ERROR);
        hand_free(&h);
        pair_free(p);
    }
}

/* Nothing under the new keys before their KeyUpdate came under the old ones, not even it; and
 * nothing under the old ones behind it. */
static void test_old_and_new_keys(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct pair *p = pair_connected(NULL);
        struct hand old = hand_new(p, SECRET_CA, true), new = hand_new(p, SECRET_CA, true);

        hand_next(&new);
        if (kind < 2) {
            hand_give(&new, &p->s, kind ? CT_HANDSHAKE : CT_APPLICATION_DATA, quiet, 5);
        } else {
            hand_give(&old, &p->s, CT_HANDSHAKE, quiet, 5);
            hand_give(&new, &p->s, CT_APPLICATION_DATA, "good", 4);
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.ngot, 4);
            hand_give(&old, &p->s, kind == 2 ? CT_HANDSHAKE : CT_APPLICATION_DATA, quiet, 5);
        }
        assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
        assert_int_equal(p->s.ngot, kind < 2 ? 0 : 4);
        hand_free(&old);
        hand_free(&new);
        pair_free(p);
    }
}

/* ---- by worn keys ---- */
/* 2^24.5 records for AES-GCM; ChaCha20-Poly1305 has none that a sequence number would reach. A
 * suite of any other kind needs a limit of its own. */
static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(AEAD_COUNT, 3);
    for (uint16_t suite = 0x1301; suite <= 0x1303; suite++) {
        for (int server = 0; server < 2; server++) {
            struct pair *p = pair_connected(&(struct pair_params){ .suite = suite });
            struct end *e = server ? &p->s : &p->c, *to = server ? &p->c : &p->s;
            uint64_t limit = e->t->tx.limit;

            if (suite_by_id(suite)->aead == AEAD_CHACHA20_POLY1305) {
                assert_true(limit >= UINT64_C(1) << 48 && limit < UINT64_MAX);
            } else {
                assert_true(limit >= 1 << 20 && limit <= 23726566); /* 2^24.5 */
            }
            for (int generation = 0; generation < 3; generation++) {
                e->t->tx.seq = to->t->rx.seq = limit - 2;
                for (int i = 0; i < 2; i++) {
                    assert_int_equal(tls_output(e->t).n, 0);
                    to->ngot = 0;
                    end_give(to, wire, end_seal(e, "x", 1, wire));
                    assert_int_equal(to->ngot, 1);
                }
                assert_int_equal(e->t->tx.seq, limit);
                end_give(to, wire,
                         end_take(e, wire)); /* asks for nothing: theirs are as they are */
                assert_int_equal(to->rc, 0);
                assert_int_equal(tls_output(to->t).n, 0);
                assert_int_equal(e->t->tx.seq, 0);
                assert_int_equal(to->t->rx.seq, 0);
                assert_int_equal(e->t->tx.limit, limit);
                end_talk(e, to, "on", 2);
            }
            pair_free(p);
        }
    }
}

/* Sequence numbers never wrap: where new keys are out of the question the connection ends. */
static void test_wrap(void **state)
{
    (void)state;
    for (int back = 1; back >= 0; back--) {
        struct pair *p = pair_connected(NULL);
        struct hand h = hand_new(p, SECRET_SA, true);
        struct span one = span_of("x", 1);
        size_t taken, made;

        p->c.t->tx.limit = UINT64_MAX;
        p->c.t->tx.seq = UINT64_MAX - (uint64_t)back;
        assert_int_equal(tls_seal(p->c.t, &one, 1, &taken, wire, WIRE_MAX, &made),
                         back ? 0 : ERR_LIMIT);
        assert_int_equal(tls_connected(p->c.t), back);
        pair_free(p);
        p = pair_connected(NULL);
        hand_free(&h);
        h = hand_new(p, SECRET_SA, true);
        h.seq = p->c.t->rx.seq = UINT64_MAX - (uint64_t)back;
        hand_give(&h, &p->c, CT_APPLICATION_DATA, "x", 1);
        if (back) {
            assert_int_equal(p->c.ngot, 1);
        } else {
            assert_true(p->c.rc < 0 && p->c.ngot == 0);
        }
        hand_free(&h);
        pair_free(p);
    }
}

/* ---- threat 30 ---- */
enum { LONG_RUN = 100000 };

/* However many in the life of a connection, as long as data goes one way or the other: with that of
 * the peer between them, or with ours to a peer that only listens. */
static void threat_30_long_run(void **state)
{
    (void)state;
    for (int listens = 0; listens < 2; listens++) {
        struct pair *p = pair_connected(&(struct pair_params){ .suite = 0x1303 });
        struct hand h = hand_new(p, SECRET_CA, true);

        for (int i = 1; i <= LONG_RUN; i++) {
            hand_give(&h, &p->s, CT_HANDSHAKE, i % 4 ? quiet : asking, 5);
            hand_next(&h);
            assert_int_equal(p->s.rc, 0);
            if (i % 32 == 0 && listens) {
                (void)end_take(&p->s, wire);
                (void)end_seal(&p->s, "data", 4, wire);
            } else if (i % 32 == 0) {
                p->s.ngot = 0;
                hand_give(&h, &p->s, CT_APPLICATION_DATA, "data", 4);
                assert_int_equal(p->s.ngot, 4);
                assert_true(tls_output(p->s.t).n <= LONG_RUN * 27);
                (void)end_take(&p->s, wire);
            }
        }
        for (int i = 0; i < 33; i++) { /* and then a flood is one all the same */
            assert_int_equal(p->s.rc, 0);
            hand_give(&h, &p->s, CT_HANDSHAKE, quiet, 5);
            hand_next(&h);
        }
        assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
        hand_free(&h);
        pair_free(p);
    }
}

/* It is not by kind that they are counted, and sealing nothing is not talking. */
static void threat_30_mixed_flood(void **state)
{
    struct pair *p = pair_connected(NULL);
    struct hand h = hand_new(p, SECRET_CA, true);
    struct span none = span_of("", 0);
    size_t taken, made, n = 0;

    (void)state;
    while (p->s.rc == 0 && n < 1000) {
        switch (n++ % 3) {
        case 0:
            hand_give(&h, &p->s, CT_HANDSHAKE, asking, 5);
            hand_next(&h);
            break;
        case 1:
            hand_give(&h, &p->s, CT_APPLICATION_DATA, "", 0);
            break;
        default:
            hand_give(&h, &p->s, CT_ALERT, "\1\x5a", 2);
        }
        (void)end_take(&p->s, wire);
        if (p->s.rc == 0) {
            assert_int_equal(tls_seal(p->s.t, &none, 1, &taken, wire, WIRE_MAX, &made), 0);
        }
    }
    assert_int_equal(n, 33);
    assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
    hand_free(&h);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generations),   cmocka_unit_test(test_asked_once),
        cmocka_unit_test(test_answers),       cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_old_and_new_keys),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_wrap),
        cmocka_unit_test(threat_30_long_run), cmocka_unit_test(threat_30_mixed_flood),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
