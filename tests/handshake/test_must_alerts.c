/* SPDX-License-Identifier: ISC */
/* RFC 8446 section 6: what alerts do to a connection, and what is left of it afterwards. */
#include "tests/handshake/must.h"
#include "tests/handshake/resume13.h"

static uint8_t wire[WIRE_MAX];

/* Nothing can be said, nothing is heard any more, and all secrets are forgotten. */
static void assert_over(struct end *e)
{
    static const uint8_t zeros[HASH_MAX];
    struct span one = span_of("x", 1);
    uint8_t record[] = {
        23, 3, 3, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    };
    struct tls_in in = { .data = record, .len = sizeof record };
    const struct tls *t = e->t;
    size_t taken, made;

    assert_false(tls_connected(t) || tls_can_seal(t));
    assert_int_equal(tls_seal(e->t, &one, 1, &taken, wire, WIRE_MAX, &made), ERR_CLOSED);
    assert_int_equal(made, 0);
    assert_int_equal(tls_output(e->t).n, 0);
    assert_int_equal(tls_close(e->t), 0); /* nothing to be said to an end that has failed */
    assert_int_equal(tls_output(e->t).n, 0);
    assert_true(tls_key_update(e->t, true) < 0 && tls_request_client_auth(e->t, NULL) < 0);
    assert_int_equal(tls_input(e->t, &in), ERR_CLOSED);
    assert_null(tls_session(t));
    assert_memory_equal(t->rx_secret, zeros, HASH_MAX);
    assert_memory_equal(t->tx_secret, zeros, HASH_MAX);
    assert_null(t->rx.protection);
    assert_null(t->rx.aead);
    assert_null(t->tx.protection);
    assert_null(t->tx.aead);
    assert_memory_equal(t->rx.iv, zeros, AEAD_IV);
    assert_memory_equal(t->tx.iv, zeros, AEAD_IV);
    assert_null(t->hs.work);
    assert_null(t->hs.post);
    assert_null(t->hs.session);
    assert_int_equal(tls_export(t, "EXPORTER-x", span_of("", 0), false, wire, 32), ERR_CLOSED);
}

/* ---- received ---- */
/* All of them are errors, known or not, whatever the level says; but for close_notify, and
 * user_canceled, which a close_notify follows. */
static void test_every_alert(void **state)
{
    static const uint8_t levels[] = { 0, 1, 2, 3, 255 };

    (void)state;
    for (unsigned desc = 0; desc < 256; desc++) {
        for (size_t l = 0; l < sizeof levels; l++) {
            for (int server = 0; server < 2; server++) {
                struct pair_params q = usual(NULL);
                struct pair *p;
                struct end *e;
                struct hand h;

                q.post_auth = true;
                p = pair_connected(&q);
                e = server ? &p->s : &p->c;
                h = hand_new(p, server ? SECRET_CA : SECRET_SA, true);
                h.seq = e->t->rx.seq; /* behind the tickets */
                hand_give(&h, e, CT_ALERT, (uint8_t[]){ levels[l], (uint8_t)desc }, 2);
                if (desc == ALERT_CLOSE_NOTIFY) {
                    assert_true(e->rc == 0 && e->closed == 1 && tls_peer_closed(e->t));
                } else if (desc == ALERT_USER_CANCELED) {
                    assert_true(e->rc == 0 && e->closed == 0 && e->warned == 0);
                } else {
                    assert_int_equal(e->rc, ERR_PEER_ALERT);
                    assert_int_equal(tls_error(e->t)->alert_received, desc);
                    assert_int_equal(tls_output(e->t).n, 0); /* it is not answered */
                    assert_over(e);
                }
                hand_free(&h);
                pair_free(p);
            }
        }
    }
}

/* While the handshake runs as well, sealed and, as long as there are no keys, in clear. Warnings
 * exist for a client that may yet find itself in TLS 1.2. */
static void test_alert_in_handshake(void **state)
{
    (void)state;
    for (uint8_t level = 1; level <= 2; level++) {
        for (unsigned at = 0; at < 4; at++) {
            struct pair_params q = { .auth = CLIENT_AUTH_REQUEST };
            struct stage *s = at < 2 ? lead_client(&q) : lead_server(&q);
            const uint8_t alert[] = { level, ALERT_HANDSHAKE_FAILURE };

            if (at == 1) {
                stage_until(s, HS_CERTIFICATE);
            }
            if (at == 0 || at == 3) { /* a client that failed at the ServerHello has no keys */
                give_clear(s->e, CT_ALERT, alert, 2);
            } else {
                hand_give(&s->hand, s->e, CT_ALERT, alert, 2);
            }
            if (at == 0 && level == 1) {
                assert_true(s->e->rc == 0 && s->e->warned == 1);
            } else {
                assert_int_equal(s->e->rc, ERR_PEER_ALERT);
                assert_over(s->e);
            }
            stage_free(s);
        }
    }
}

/* ---- sent ---- */
static void test_sent(void **state)
{
    (void)state;
    for (unsigned desc = 0; desc < 256; desc++) {
        struct pair *p = pair_connected(NULL);
        struct hand open = hand_new(p, SECRET_SA, false);
        uint8_t plain[3], nonce[AEAD_IV];
        struct mspan part = { plain, 3 };
        struct span out;

        tls_abort(p->s.t, (enum alert)desc, "enough");
        out = tls_output(p->s.t);
        assert_int_equal(out.n, REC_HEADER + 3 + AEAD_TAG);
        hand_nonce(&open, nonce);
        assert_int_equal(aead_open(open.aead, nonce, span_of(out.p, REC_HEADER),
                                   span_of(out.p + REC_HEADER, out.n - REC_HEADER), &part, 1),
                         0);
        assert_int_equal(plain[0], 2); /* fatal */
        assert_int_equal(plain[1], desc == ALERT_CLOSE_NOTIFY ? ALERT_INTERNAL_ERROR : desc);
        assert_int_equal(plain[2], CT_ALERT);
        tls_sent(p->s.t, out.n);
        assert_over(&p->s);
        hand_free(&open);
        pair_free(p);
    }
}

/* An error that we find: one alert, nothing before or behind it, whatever was going on. */
static void test_found(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct pair_params q = usual(NULL);
        struct pair *p;

        q.post_auth = q.client_id = true;
        p = pair_connected(&q);
        if (kind & 1) { /* other things are still to be said */
            assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
            (void)end_take(&p->s, wire);
        }
        if (kind & 2) {
            struct hand h = hand_new(p, SECRET_CA, true);

            hand_give(&h, &p->s, CT_HANDSHAKE, "\x18\0\0\1\1", 5);
            hand_free(&h);
        }
        give_clear(&p->s, CT_APPLICATION_DATA, wire, 100);
        assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
        assert_int_equal(end_take(&p->s, wire), REC_HEADER + 3 + AEAD_TAG);
        assert_over(&p->s);
        pair_free(p);
    }
}

/* Section 6: what does not parse. Each message of both flights behind the hellos, cut off at every
 * byte or longer by one, with a length in its header that agrees: nothing but decode_error. */
static void test_cut_messages(void **state)
{
    struct pair_params q = { .auth = CLIENT_AUTH_REQUEST, .client_id = true };
    size_t cuts = 0;

    (void)state;
    for (unsigned server = 0; server < 2; server++) {
        for (const char *type = server ? "\x0b\x0f\x14" : "\x08\x0d\x0b\x0f\x14"; *type; type++) {
            for (size_t cut = 0, n = 1; cut <= n; cut++) {
                struct stage *s = server ? lead_server(&q) : lead_client(&q);
                uint8_t *m = stage_until(s, (unsigned)*type);
                size_t body;

                n = message_size(m) - HS_HEADER;
                body = cut < n ? cut : n + 1;
                m[2] = (uint8_t)(body >> 8);
                m[3] = (uint8_t)body;
                stage_give(s, m, HS_HEADER + body);
                assert_refused(s->e, ALERT_DECODE_ERROR);
                assert_int_equal(s->e->done, 0);
                stage_free(s);
                cuts++;
            }
        }
    }
    assert_true(cuts > 1000);
}

/* ---- section 6.1 ---- */
/* Behind close_notify everything is ignored, our own sending goes on. */
static void test_behind_close_notify(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        struct pair *p = pair_connected(NULL);
        struct end *e = server ? &p->s : &p->c, *peer = server ? &p->c : &p->s;
        struct hand h = hand_new(p, server ? SECRET_CA : SECRET_SA, true);

        hand_give(&h, e, CT_ALERT, "\1\0", 2);
        assert_int_equal(e->closed, 1);
        hand_give(&h, e, CT_APPLICATION_DATA, "data", 4);
        hand_give(&h, e, CT_ALERT, "\2\x28", 2);
        hand_give(&h, e, CT_HANDSHAKE, "\x18\0\0\1\1", 5);
        give_clear(e, CT_APPLICATION_DATA, "forged", 6);
        end_give(e, "no record", 9);
        assert_true(e->rc == 0 && e->ngot == 0 && e->nin == 0);
        end_talk(e, peer, "still here", 10);
        assert_int_equal(tls_close(e->t), 0);
        assert_int_equal(end_take(e, wire), REC_HEADER + 3 + AEAD_TAG);
        hand_free(&h);
        pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_alert),  cmocka_unit_test(test_alert_in_handshake),
        cmocka_unit_test(test_sent),         cmocka_unit_test(test_found),
        cmocka_unit_test(test_cut_messages), cmocka_unit_test(test_behind_close_notify),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
