/* SPDX-License-Identifier: ISC */
/* Early data of a client whose server does not keep to RFC 8446, and alerts meanwhile. */
#include "tests/handshake/early.h"

static uint8_t messages[WIRE_MAX], flight[WIRE_MAX];

/* ---- what a client refuses ---- */
/* The server's flight, with early_data (and n zeros in it) put into its EncryptedExtensions. */
static void answer_with_early_data(struct pair *p, size_t n)
{
    size_t clear, size, all = end_take(&p->s, flight);
    struct hand open = hand_new(p, SECRET_SH, false), seal = hand_new(p, SECRET_SH, true);
    size_t hello = REC_HEADER + ((size_t)flight[3] << 8 | flight[4]);
    uint8_t *ee, changed[1000];

    all = flight_open(&open, flight, all, messages, &clear);
    end_give(&p->c, flight, hello);
    ee = messages + clear;
    assert_int_equal(ee[0], HS_ENCRYPTED_EXTENSIONS);
    size = message_size(ee);
    assert_true(clear + size <= all && size + 4 + n < sizeof changed);
    memcpy(changed, ee, size);
    memcpy(changed + size, (uint8_t[]){ 0, EXT_EARLY_DATA, 0, (uint8_t)n }, 4);
    memset(changed + size + 4, 0, n);
    size += 4 + n;
    changed[2] = (uint8_t)((size - HS_HEADER) >> 8);
    changed[3] = (uint8_t)(size - HS_HEADER);
    changed[4] = (uint8_t)((size - HS_HEADER - 2) >> 8);
    changed[5] = (uint8_t)(size - HS_HEADER - 2);
    assert_int_equal(p->c.rc, 0);
    hand_give(&seal, &p->c, CT_HANDSHAKE, changed, size);
    hand_free(&open);
    hand_free(&seal);
}

static void client_refuses(struct pair_params *q, enum tls_early_why why, size_t n, bool retry,
                           unsigned alert)
{
    struct pair *p = pair_new(q);

    end_give(&p->s, wire, early_flight(p, 0, wire));
    if (retry) {
        end_give(&p->c, wire, end_take(&p->s, wire));
        end_give(&p->s, wire, end_take(&p->c, wire));
    }
    assert_int_equal(info_of(&p->s).early_why, why);
    answer_with_early_data(p, n);
    assert_refused(&p->c, alert);
    assert_int_equal(tls_early_room(p->c.t), 0);
    pair_free(p);
}

static void threat_33_client_refuses(void **state)
{
    struct ticket_keys *others = ticket_keys_new(LIFE * 1000);
    struct pair_params q = early_params(), r;
    struct config *c;

    (void)state;
    q.client_suites[0] = 0x1301;
    q.client_suites[1] = 0x1303;
    q.client_alpn[0] = q.server_alpn[1] = "one";
    q.client_alpn[1] = q.server_alpn[0] = "two";
    q.resume = first(&q);
    r = q;
    r.max_early = 0; /* not empty */
    client_refuses(&r, TLS_EARLY_DISABLED, 1, false, ALERT_DECODE_ERROR);
    r = q;
    r.early = false; /* not offered */
    client_refuses(&r, TLS_EARLY_FINE, 0, false, ALERT_UNSUPPORTED_EXTENSION);
    r = q;
    r.tickets = others; /* without the session */
    client_refuses(&r, TLS_EARLY_NO_SESSION, 0, false, ALERT_ILLEGAL_PARAMETER);
    r = q;
    r.server_suites[0] = 0x1303;
    client_refuses(&r, TLS_EARLY_SUITE, 0, false, ALERT_ILLEGAL_PARAMETER);
    r = q;
    r.client_groups[0] = 29;
    r.client_groups[1] = r.server_groups[0] = 23;
    client_refuses(&r, TLS_EARLY_RETRY, 0, true, ALERT_UNSUPPORTED_EXTENSION);
    r = q;
    r.client_alpn[1] = NULL;
    c = pair_config(NULL, TLS_CLIENT, &r);
    memcpy(r.resume->context, config_settings(c)->context, SESSION_CONTEXT);
    config_unref(c);
    assert_int_equal(session_set_text(&r.resume->alpn, NULL), 0);
    client_refuses(&r, TLS_EARLY_ALPN, 0, false, ALERT_ILLEGAL_PARAMETER);
    session_unref(q.resume);
    ticket_keys_unref(others);
}

/* Section 4.2.10: any other selected_identity. */
static void test_client_another_key(void **state)
{
    static const char key[] = "sixteen bytes of key";
    struct pair_params q = early_params();
    struct ticket_keys *others = ticket_keys_new(LIFE * 1000);
    struct pair *p;

    (void)state;
    for (int role = 0; role < 2; role++) {
        q.psk[role][0] = (struct pair_psk){ .name = "name", .key = key };
    }
    q.suite = 0x1301;
    q.tickets = others;
    p = pair_connected(&q);
    q.resume = tls_session(p->c.t);
    assert_non_null(q.resume);
    pair_free(p);
    q.tickets = keys; /* the session is not known, the key is */
    client_refuses(&q, TLS_EARLY_NO_SESSION, 0, false, ALERT_ILLEGAL_PARAMETER);
    session_unref(q.resume);
    ticket_keys_unref(others);
}

/* Appendix D.3. */
static void test_client_old_server(void **state)
{
    struct pair_params q = ready();
    struct pair *p;
    size_t n;

    (void)state;
    q.server_max = TLS_1_2;
    p = pair_new(&q);
    n = early_flight(p, 100, wire);
    assert_true(n > 100);
    end_give(&p->s, wire, REC_HEADER + ((size_t)wire[3] << 8 | wire[4]));
    assert_int_equal(p->s.rc, 0);
    end_give(&p->c, wire, end_take(&p->s, wire));
    assert_refused(&p->c, ALERT_PROTOCOL_VERSION);
    end_give(&p->s, wire, end_take(&p->c, wire)); /* in clear */
    assert_int_equal(p->s.rc, ERR_PEER_ALERT);
    assert_int_equal(tls_error(p->s.t)->alert_received, ALERT_PROTOCOL_VERSION);
    pair_free(p);
    session_unref(q.resume);
}

/* Section 5.5: there is no KeyUpdate before a Finished, so worn keys end it. */
static void test_client_worn_keys(void **state)
{
    struct pair_params q = ready();
    struct pair *p = pair_new(&q);
    size_t n = end_take(&p->c, wire);

    (void)state;
    p->c.t->tx.limit = 2;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(tls_early_room(p->c.t), LIMIT - 10 * i);
        n += early_seal(&p->c, text + 10 * i, 10, wire + n);
    }
    assert_int_equal(tls_early_room(p->c.t), 0);
    assert_int_equal(tls_output(p->c.t).n, 0);
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.nearly, 20);
    early_finish(p);
    early_is(p, TLS_EARLY_ACCEPTED, TLS_EARLY_FINE);
    pair_free(p);
    session_unref(q.resume);
}

/* ---- alerts meanwhile ---- */
static void server_hears(struct pair *p, unsigned alert)
{
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(p->s.rc, ERR_PEER_ALERT);
    assert_int_equal(tls_error(p->s.t)->alert_received, alert);
    pair_free(p);
}

static void test_alerts_of_the_client(void **state)
{
    struct pair_params q = ready(), r;
    struct pair *p;
    size_t n;

    (void)state;
    /* while it is offered, and the server takes it: under the early keys */
    p = early_given(&q, 10);
    tls_abort(p->c.t, ALERT_USER_CANCELED, "test");
    assert_int_equal(tls_early_room(p->c.t), 0);
    assert_string_equal(info_of(&p->c).alpn, "");
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(p->s.rc, 0); /* user_canceled alone says nothing (section 6.1) */
    pair_free(p);
    p = early_given(&q, 10);
    tls_abort(p->c.t, ALERT_INTERNAL_ERROR, "test");
    server_hears(p, ALERT_INTERNAL_ERROR);
    p = early_given(&q, 10);
    assert_int_equal(tls_close(p->c.t), 0);
    assert_int_equal(tls_early_room(p->c.t), 0);
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_true(p->s.rc == 0 && p->s.closed == 1 && p->s.nearly == 10);
    assert_true(tls_peer_closed(p->s.t) && !tls_connected(p->s.t));
    pair_free(p);
    /* accepted, and the server's Finished is wrong */
    p = early_given(&q, 10);
    n = end_take(&p->s, wire);
    wire[n - 1] ^= 1;
    end_give(&p->c, wire, n);
    assert_refused(&p->c, ALERT_BAD_RECORD_MAC);
    server_hears(p, ALERT_BAD_RECORD_MAC);
    /* HelloRetryRequest: in clear again */
    r = q;
    r.client_groups[0] = 29;
    r.client_groups[1] = r.server_groups[0] = 23;
    p = early_given(&r, 10);
    n = end_take(&p->s, wire);
    n = REC_HEADER + ((size_t)wire[3] << 8 | wire[4]);
    wire[n - 1] ^= 0xff; /* an unknown group */
    end_give(&p->c, wire, n);
    assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
    server_hears(p, ALERT_ILLEGAL_PARAMETER);
    /* without the session: in clear, or under the keys of the handshake */
    r = q;
    r.tickets = NULL;
    r.max_early = 0;
    p = early_given(&r, 10);
    n = end_take(&p->s, wire);
    wire[n - 1] ^= 1;
    end_give(&p->c, wire, n);
    assert_refused(&p->c, ALERT_BAD_RECORD_MAC);
    server_hears(p, ALERT_BAD_RECORD_MAC);
    session_unref(q.resume);
}

/* Who has said close_notify says nothing behind it (section 6.1), whatever the server answers. */
static void test_client_closed_early(void **state)
{
    static uint8_t last[WIRE_MAX];
    struct pair_params q = ready();

    (void)state;
    for (int answer = 0; answer < 3; answer++) { /* accepted, rejected, HelloRetryRequest */
        struct pair_params r = q;
        struct pair *p;
        size_t n;

        r.max_early = answer == 1 ? 0 : q.max_early;
        r.client_groups[0] = 29;
        r.client_groups[1] = r.server_groups[0] = answer == 2 ? 23 : 0;
        p = early_given(&r, 10);
        n = end_take(&p->s, wire);
        assert_int_equal(tls_close(p->c.t), 0);
        assert_true(end_take(&p->c, last) > 0);
        end_give(&p->c, wire, n);
        assert_int_equal(end_take(&p->c, wire), 0);
        assert_int_equal(p->c.rc, ERR_CLOSED);
        assert_false(tls_can_seal(p->c.t));
        pair_free(p);
    }
    session_unref(q.resume);
}

static void test_alerts_of_the_server(void **state)
{
    struct pair_params q = ready();

    (void)state;
    for (int close = 0; close < 2; close++) {
        struct pair *p = early_given(&q, 10);

        if (close) {
            assert_int_equal(tls_close(p->s.t), 0);
        } else {
            tls_abort(p->s.t, ALERT_ACCESS_DENIED, "test");
        }
        end_give(&p->c, wire, end_take(&p->s, wire));
        if (close) {
            assert_true(p->c.rc == 0 && p->c.done == 1 && p->c.closed == 1);
            end_give(&p->s, wire, end_take(&p->c, wire));
            assert_true(p->s.rc == 0 && p->s.done == 1);
        } else {
            assert_int_equal(p->c.rc, ERR_PEER_ALERT);
        }
        pair_free(p);
    }
    session_unref(q.resume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_33_client_refuses),  cmocka_unit_test(test_client_another_key),
        cmocka_unit_test(test_client_old_server),    cmocka_unit_test(test_client_worn_keys),
        cmocka_unit_test(test_alerts_of_the_client), cmocka_unit_test(test_alerts_of_the_server),
        cmocka_unit_test(test_client_closed_early),
    };

    return cmocka_run_group_tests(tests, early_make, resume_drop);
}
