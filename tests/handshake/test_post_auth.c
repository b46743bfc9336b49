/* SPDX-License-Identifier: ISC */
/* Authentication of the client behind the handshake (RFC 8446 section 4.6.2). Whoever drives the
 * client by hand opens and seals with the secrets of the connection. */
#include "tests/handshake/pair.h"

static struct ticket_keys *keys;
static uint8_t wire[WIRE_MAX], flight[WIRE_MAX];

static const struct pair_params usual = { .post_auth = true, .client_id = true };

static bool authenticated(const struct end *s)
{
    struct tls_info i;

    tls_get_info(s->t, &i);
    assert_int_equal(i.client_auth, i.peer_cert.n > 0);
    return i.client_auth;
}

static void talk_both(struct pair *p)
{
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
}

/* Another config of the server. */
static int request_with(struct pair *p, const struct pair_params *q)
{
    struct config *c = pair_config(p, TLS_SERVER, q);
    int rc = tls_request_client_auth(p->s.t, c);

    config_unref(c);
    return rc;
}

/* ---- what works ---- */
static void test_proved(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk <= WIRE_MAX; chunk *= 71) {
        struct pair *p = pair_connected(&usual);
        struct tls_info i;

        assert_false(authenticated(&p->s));
        for (unsigned n = 2; n < 5; n++) { /* and again, and again */
            assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
            assert_int_equal(p->s.done, n - 1);
            pair_run(p, chunk);
            assert_int_equal(p->c.rc, 0);
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.done, n);
            assert_int_equal(p->c.done, 1); /* nothing for a client to know */
            assert_true(authenticated(&p->s));
            tls_get_info(p->s.t, &i);
            assert_true(span_eq(i.peer_cert, pki.client->leaf.der));
            talk_both(p);
        }
        pair_free(p);
    }
}

static void test_each_hash(void **state)
{
    (void)state;
    for (uint16_t suite = 0x1301; suite <= 0x1303; suite++) {
        struct pair_params q = usual;
        struct pair *p;

        q.suite = suite;
        q.client_groups[0] = 29;
        q.client_groups[1] = q.server_groups[0] = 23; /* with a retry */
        p = pair_connected(&q);
        assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
        pair_run(p, WIRE_MAX);
        assert_true(authenticated(&p->s));
        talk_both(p);
        pair_free(p);
    }
}

/* What was proved in the handshake does not count any more once it is asked for again. */
static void threat_03_forgotten_when_asked(void **state)
{
    struct pair_params q = usual;
    struct pair *p;

    (void)state;
    q.auth = CLIENT_AUTH_REQUIRE;
    p = pair_connected(&q);
    assert_true(authenticated(&p->s));
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    assert_false(authenticated(&p->s));
    pair_run(p, WIRE_MAX);
    assert_true(authenticated(&p->s));
    pair_free(p);
}

static void test_no_certificate(void **state)
{
    static const enum client_auth modes[] = { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST,
                                              CLIENT_AUTH_REQUIRE };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct pair_params q = usual;
        struct pair *p;

        q.client_id = false;
        p = pair_connected(&q);
        q.auth = modes[i];
        assert_int_equal(request_with(p, &q), 0);
        pair_run(p, WIRE_MAX);
        if (modes[i] == CLIENT_AUTH_REQUIRE) {
            assert_refused(&p->s, ALERT_CERTIFICATE_REQUIRED);
            assert_int_equal(p->s.done, 1);
        } else {
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.done, 2);
            assert_false(authenticated(&p->s));
            talk_both(p);
        }
        pair_free(p);
    }
}

static void test_the_config_judges(void **state)
{
    struct pair *p = pair_connected(&usual);
    struct pair_params q = usual;

    (void)state;
    q.other_ca = true;
    q.auth = CLIENT_AUTH_REQUIRE;
    assert_int_equal(request_with(p, &q), 0);
    pair_run(p, WIRE_MAX);
    assert_refused(&p->s, ALERT_UNKNOWN_CA);
    assert_int_equal(p->s.done, 1);
    pair_free(p);
}

/* The ticket that comes behind it has the certificate in it; the resumed connection can be asked.
 */
static void test_ticket(void **state)
{
    struct pair_params q = usual;
    struct tls_session *s;
    struct tls_info info;
    struct pair *p;

    (void)state;
    q.tickets = keys;
    p = pair_connected(&q);
    s = tls_session(p->c.t);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    pair_run(p, WIRE_MAX);
    q.resume = tls_session(p->c.t);
    assert_non_null(q.resume);
    assert_ptr_not_equal(q.resume, s);
    pair_free(p);
    p = pair_connected(&q);
    assert_true(p->s.t->hs.facts & FACT_RESUMED);
    assert_true(authenticated(&p->s));
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.done, 2);
    assert_true(authenticated(&p->s));
    for (int i = 0; i < 2; i++) { /* which is what it was */
        tls_get_info(i ? p->c.t : p->s.t, &info);
        assert_true(info.resumed);
    }
    pair_free(p);
    session_unref(q.resume);
    q.resume = s; /* the one from before knows nothing of it */
    p = pair_connected(&q);
    assert_true(p->s.t->hs.facts & FACT_RESUMED);
    assert_false(authenticated(&p->s));
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    pair_run(p, WIRE_MAX);
    assert_true(authenticated(&p->s));
    talk_both(p);
    pair_free(p);
    session_unref(s);
}

/* ---- when it may be asked for ---- */
static void test_when(void **state)
{
    struct pair_params q = usual;
    struct pair *p = pair_new(&q);

    (void)state;
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), ERR_STATE);
    pair_run(p, WIRE_MAX);
    assert_int_equal(tls_request_client_auth(p->c.t, NULL), ERR_UNSUPPORTED);
    assert_int_equal(tls_request_client_auth(p->s.t, p->c.t->config), ERR_ARG);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), ERR_STATE);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.done, 2);
    assert_int_equal(tls_close(p->s.t), 0);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), ERR_CLOSED);
    pair_free(p);
    q.post_auth = false;
    p = pair_connected(&q);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), ERR_UNSUPPORTED);
    pair_free(p);
    q.post_auth = true;
    q.client_max = TLS_1_2;
    p = pair_connected(&q);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), ERR_UNSUPPORTED);
    pair_free(p);
}

/* A client that has said its last does not answer, and does not fail. */
static void test_closed_client(void **state)
{
    struct pair *p = pair_connected(&usual);

    (void)state;
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    assert_int_equal(tls_close(p->c.t), 0);
    end_give(&p->c, wire, end_take(&p->s, wire));
    assert_int_equal(p->c.rc, 0);
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(p->s.closed, 1);
    assert_int_equal(p->s.done, 1);
    assert_false(authenticated(&p->s));
    pair_free(p);
}

/* ---- what may come between ---- */
static void test_data_and_updates_between(void **state)
{
    struct pair *p = pair_connected(&usual);
    size_t n;

    (void)state;
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    end_talk(&p->c, &p->s, "before it knows", 15);
    assert_int_equal(tls_key_update(p->c.t, true), 0);
    end_talk(&p->c, &p->s, "new keys", 8);
    n = end_take(&p->s, wire); /* the request, then the answer to the KeyUpdate */
    end_give(&p->c, wire, n);
    assert_int_equal(p->c.rc, 0);
    assert_int_equal(tls_key_update(p->s.t, true), 0);
    assert_int_equal(p->s.done, 1);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.done, 2);
    assert_true(authenticated(&p->s));
    talk_both(p);
    pair_free(p);
}

/* ---- a client by hand ---- */
struct stage {
    struct pair *p;
    struct hand hand; /* seals as the client */
    size_t n;         /* of the client's genuine answer in flight[] */
};

static struct stage stage_new(void)
{
    struct stage s = { .p = pair_connected(&usual) };
    struct hand open = hand_new(s.p, SECRET_CA, false);
    size_t clear;

    assert_int_equal(tls_request_client_auth(s.p->s.t, NULL), 0);
    end_give(&s.p->c, wire, end_take(&s.p->s, wire));
    s.n = end_take(&s.p->c, wire);
    s.n = flight_open(&open, wire, s.n, flight, &clear);
    hand_free(&open);
    assert_int_equal(flight[0], HS_CERTIFICATE);
    s.hand = hand_new(s.p, SECRET_CA, true);
    return s;
}

static void stage_give(struct stage *s, unsigned type, const uint8_t *m, size_t n)
{
    hand_give(&s->hand, &s->p->s, (uint8_t)type, m, n);
}

static void stage_free(struct stage *s)
{
    hand_free(&s->hand);
    pair_free(s->p);
}

static uint8_t *message(unsigned type)
{
    uint8_t *m = flight;

    while (*m != type) {
        m += message_size(m);
    }
    return m;
}

static void not_proved(struct stage *s, int alert)
{
    assert_int_equal(s->p->s.done, 1);
    if (alert >= 0) {
        assert_refused(&s->p->s, alert);
    } else {
        assert_true(IS_TLS_ALERT(s->p->s.rc));
    }
    stage_free(s);
}

static void threat_03_genuine(void **state)
{
    struct stage s = stage_new();

    (void)state;
    stage_give(&s, CT_HANDSHAKE, flight, s.n);
    assert_int_equal(s.p->s.rc, 0);
    assert_int_equal(s.p->s.done, 2);
    assert_true(authenticated(&s.p->s));
    stage_free(&s);
}

static void threat_03_dropped(void **state)
{
    static const struct {
        const char *order; /* messages as they come */
        int alert;
    } with[] = {
        { "\x0f\x14", ALERT_UNEXPECTED_MESSAGE },
        { "\x14", ALERT_UNEXPECTED_MESSAGE },
        { "\x0b\x14", ALERT_UNEXPECTED_MESSAGE },
        { "\x0b\x0b\x0f\x14", ALERT_UNEXPECTED_MESSAGE },
        { "\x0b\x0f\x0f\x14", ALERT_UNEXPECTED_MESSAGE },
        { "\x0f\x0b\x14", ALERT_UNEXPECTED_MESSAGE },
        { "\x0b\x0f", -1 }, /* no Finished: it waits */
        { "\x0b", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        struct stage s = stage_new();

        for (const char *o = with[i].order; *o && s.p->s.rc == 0; o++) {
            uint8_t *m = message((unsigned)*o);

            stage_give(&s, CT_HANDSHAKE, m, message_size(m));
        }
        if (with[i].alert >= 0) {
            not_proved(&s, with[i].alert);
            continue;
        }
        assert_int_equal(s.p->s.rc, 0);
        assert_int_equal(s.p->s.done, 1);
        stage_free(&s);
    }
}

/* An empty Certificate in place of the genuine one: the Finished is another, and a
 * CertificateVerify has no place. */
static void threat_03_emptied(void **state)
{
    (void)state;
    for (unsigned verify = 0; verify < 2; verify++) {
        struct stage s = stage_new();
        uint8_t m[64] = { HS_CERTIFICATE };
        size_t context = flight[4];

        m[3] = (uint8_t)(1 + context + 3);
        memcpy(m + 4, flight + 4, 1 + context);
        stage_give(&s, CT_HANDSHAKE, m, 4 + 1 + context + 3);
        assert_int_equal(s.p->s.rc, 0);
        stage_give(&s, CT_HANDSHAKE, message(verify ? 15 : 20),
                   message_size(message(verify ? 15 : 20)));
        not_proved(&s, verify ? ALERT_UNEXPECTED_MESSAGE : ALERT_DECRYPT_ERROR);
    }
}

/* Each byte of CertificateVerify, of Finished and of the context. */
static void threat_05_flipped(void **state)
{
    static const unsigned types[] = { HS_CERTIFICATE_VERIFY, HS_FINISHED };
    struct stage s;

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = HS_HEADER, size = i + 1; i < size; i++) {
            uint8_t *m;

            s = stage_new();
            m = message(types[t]);
            size = message_size(m); /* of an ECDSA signature: not always the same */
            m[i < size ? i : size - 1] ^= 1;
            stage_give(&s, CT_HANDSHAKE, flight, s.n);
            not_proved(&s, types[t] == HS_FINISHED ? ALERT_DECRYPT_ERROR : -1);
        }
    }
    for (size_t i = 5, n = 6; i < n; i++) {
        s = stage_new();
        n = 5 + (size_t)flight[4];
        assert_true(n >= 5 + 8);
        flight[i] ^= 1;
        stage_give(&s, CT_HANDSHAKE, flight, s.n);
        not_proved(&s, ALERT_ILLEGAL_PARAMETER);
    }
    s = stage_new(); /* none at all */
    {
        size_t context = flight[4], size = message_size(flight) - context;

        memmove(flight + 5, flight + 5 + context, size - 5);
        flight[2] = (uint8_t)((size - HS_HEADER) >> 8);
        flight[3] = (uint8_t)(size - HS_HEADER);
        flight[4] = 0;
        stage_give(&s, CT_HANDSHAKE, flight, size);
    }
    not_proved(&s, ALERT_ILLEGAL_PARAMETER);
}

/* The answer to one request is none to the next; and none without any. */
static void threat_03_replayed(void **state)
{
    struct stage s = stage_new();

    (void)state;
    stage_give(&s, CT_HANDSHAKE, flight, s.n);
    assert_int_equal(s.p->s.done, 2);
    assert_int_equal(tls_request_client_auth(s.p->s.t, NULL), 0);
    stage_give(&s, CT_HANDSHAKE, flight, s.n);
    assert_refused(&s.p->s, ALERT_ILLEGAL_PARAMETER);
    assert_int_equal(s.p->s.done, 2);
    stage_free(&s);
    s = stage_new();
    stage_give(&s, CT_HANDSHAKE, flight, s.n);
    stage_give(&s, CT_HANDSHAKE, flight, s.n);
    assert_refused(&s.p->s, ALERT_UNEXPECTED_MESSAGE);
    assert_int_equal(s.p->s.done, 2);
    stage_free(&s);
}

/* "MUST appear consecutively on the wire with no intervening messages of other types." */
static void test_nothing_between(void **state)
{
    static const uint8_t update[] = { HS_KEY_UPDATE, 0, 0, 1, 0 };

    (void)state;
    for (unsigned after = 0; after < 3; after++) {
        for (unsigned what = 0; what < 3; what++) {
            struct stage s = stage_new();
            size_t cut = message_size(flight);

            cut += after > 0 ? message_size(flight + cut) : 0;
            cut -= after == 2; /* inside a message */
            stage_give(&s, CT_HANDSHAKE, flight, cut);
            assert_int_equal(s.p->s.rc, 0);
            if (what == 0) {
                stage_give(&s, CT_APPLICATION_DATA, (const uint8_t *)"x", 1);
            } else if (what == 1 && after < 2) {
                stage_give(&s, CT_HANDSHAKE, update, sizeof update);
            } else {
                end_give(&s.p->s, "\x14\3\3\0\1\1", 6); /* change_cipher_spec, in clear */
            }
            not_proved(&s, ALERT_UNEXPECTED_MESSAGE);
        }
    }
}

/* Our keys are long in place: nothing in clear is believed. */
static void test_clear_records(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 2; what++) {
        struct stage s = stage_new();

        hand_give(&s.hand, &s.p->s, CT_HANDSHAKE, "\x18\0\0\1\0", 5); /* sequence number 0 again */
        assert_int_equal(s.p->s.rc, 0);
        end_give(&s.p->s, what ? "\x15\3\3\0\2\2\x28" : "\x14\3\3\0\1\1", what ? 7 : 6);
        assert_true(s.p->s.rc < 0 && s.p->s.rc != ERR_PEER_ALERT);
        stage_free(&s);
    }
}

/* threat 30: also while it waits. */
static void threat_30_update_flood(void **state)
{
    struct stage s = stage_new();
    size_t given = 0;

    (void)state;
    while (s.p->s.rc == 0 && given < 1000) {
        hand_give(&s.hand, &s.p->s, CT_HANDSHAKE, "\x18\0\0\1\0", 5);
        hand_next(&s.hand);
        given++;
    }
    assert_int_equal(given, 33);
    not_proved(&s, ALERT_UNEXPECTED_MESSAGE);
}

/* ---- a server by hand ---- */
static struct end *ask_client(bool offered, const uint8_t *m, size_t n)
{
    struct pair_params q = usual;
    struct pair *p;
    struct hand h;

    q.post_auth = offered;
    p = pair_connected(&q);
    h = hand_new(p, SECRET_SA, true);
    hand_give(&h, &p->c, CT_HANDSHAKE, m, n);
    hand_free(&h);
    return &p->c;
}

static void end_free(struct end *c)
{
    pair_free((struct pair *)((char *)c - offsetof(struct pair, c)));
}

static void test_client_refuses(void **state)
{
    /* context, then signature_algorithms; behind them the status_request that GnuTLS sends */
    uint8_t m[] = {
        HS_CERTIFICATE_REQUEST, 0, 0, 14, 1, 'c', 0, 10, 0, 13, 0, 6, 0, 4, 8, 4, 4, 3, 0, 5, 0, 0
    };
    const size_t n = sizeof m - 4;
    struct end *c = ask_client(true, m, n);

    (void)state;
    assert_int_equal(c->rc, 0);
    assert_true(end_take(c, wire) > 0);
    end_free(c);
    c = ask_client(false, m, n); /* it was not offered */
    assert_refused(c, ALERT_UNEXPECTED_MESSAGE);
    end_free(c);
    m[3] += 4;
    m[7] += 4;
    c = ask_client(true, m, n + 4);
    assert_int_equal(c->rc, 0);
    end_free(c);
    for (size_t cut = 4; cut < n; cut++) {
        m[3] = (uint8_t)(cut - 4);
        c = ask_client(true, m, cut);
        assert_refused(c, ALERT_DECODE_ERROR);
        end_free(c);
    }
    memcpy(m, "\x0d\0\0\4\1c\0\0", 8); /* no signature_algorithms */
    c = ask_client(true, m, 8);
    assert_refused(c, ALERT_MISSING_EXTENSION);
    end_free(c);
}

static int make(void **state)
{
    pki_make(state);
    keys = ticket_keys_new(SESSION_LIFE_MAX * INT64_C(1000));
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
        cmocka_unit_test(test_proved),
        cmocka_unit_test(test_each_hash),
        cmocka_unit_test(threat_03_forgotten_when_asked),
        cmocka_unit_test(test_no_certificate),
        cmocka_unit_test(test_the_config_judges),
        cmocka_unit_test(test_ticket),
        cmocka_unit_test(test_when),
        cmocka_unit_test(test_closed_client),
        cmocka_unit_test(test_data_and_updates_between),
        cmocka_unit_test(threat_03_genuine),
        cmocka_unit_test(threat_03_dropped),
        cmocka_unit_test(threat_03_emptied),
        cmocka_unit_test(threat_05_flipped),
        cmocka_unit_test(threat_03_replayed),
        cmocka_unit_test(test_nothing_between),
        cmocka_unit_test(test_clear_records),
        cmocka_unit_test(threat_30_update_flood),
        cmocka_unit_test(test_client_refuses),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
