/* SPDX-License-Identifier: ISC */
/* Early data with a peer that does not keep to RFC 8446, client and server, and alerts meanwhile.
 */
#include "tests/handshake/early.h"

static uint8_t messages[WIRE_MAX], flight[WIRE_MAX];

/* A session that allows early data; q offers it. */
static struct pair_params ready(void)
{
    struct pair_params q = early_params();

    q.resume = first(&q);
    return q;
}

/* ---- EndOfEarlyData ---- */
static const uint8_t eoed[] = { HS_END_OF_EARLY_DATA, 0, 0, 0 };

enum give {
    GIVE_RIGHT,      /* as it should be */
    GIVE_PIECES,     /* a byte in each record */
    GIVE_NONE,       /* Finished under the early keys */
    GIVE_NONE_KEYS,  /* Finished under its own keys */
    GIVE_TWICE,      /* ... under the keys behind it */
    GIVE_TWO,        /* ... in one record */
    GIVE_FINISHED,   /* with Finished in its record (threat 8) */
    GIVE_A_BYTE,     /* with the beginning of Finished */
    GIVE_BODY,       /* it has one */
    GIVE_DATA,       /* data under the early keys behind it */
    GIVE_DATA_KEYS,  /* data under the keys of the handshake behind it */
    GIVE_BETWEEN,    /* data inside of it (threat 9) */
    GIVE_KEY_UPDATE, /* in the place of it (section 4.6.3) */
    GIVE_CASES
};

static const int give_alert[GIVE_CASES] = {
    [GIVE_NONE] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_NONE_KEYS] = ALERT_BAD_RECORD_MAC,
    [GIVE_TWICE] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_TWO] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_FINISHED] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_A_BYTE] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_BODY] = ALERT_DECODE_ERROR,
    [GIVE_DATA] = ALERT_BAD_RECORD_MAC,
    [GIVE_DATA_KEYS] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_BETWEEN] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_KEY_UPDATE] = ALERT_UNEXPECTED_MESSAGE,
};

/* finished: the client's, whole. */
static void give(enum give what, struct hand *early, struct hand *late, struct end *e,
                 const uint8_t *finished)
{
    size_t n = message_size(finished);
    uint8_t m[200];

    memcpy(m, eoed, sizeof eoed);
    memcpy(m + sizeof eoed, finished, n);
    switch (what) {
    case GIVE_PIECES:
        for (size_t i = 0; i < sizeof eoed; i++) {
            hand_give(early, e, CT_HANDSHAKE, eoed + i, 1);
        }
        break;
    case GIVE_NONE:
        hand_give(early, e, CT_HANDSHAKE, finished, n);
        return;
    case GIVE_NONE_KEYS:
        break;
    case GIVE_TWO:
        memcpy(m + sizeof eoed, eoed, sizeof eoed);
        hand_give(early, e, CT_HANDSHAKE, m, 2 * sizeof eoed);
        return;
    case GIVE_FINISHED:
    case GIVE_A_BYTE:
        hand_give(early, e, CT_HANDSHAKE, m, sizeof eoed + (what == GIVE_A_BYTE ? 1 : n));
        break;
    case GIVE_BODY:
        hand_give(early, e, CT_HANDSHAKE, "\5\0\0\1", 5);
        return;
    case GIVE_BETWEEN:
        hand_give(early, e, CT_HANDSHAKE, eoed, 2);
        hand_give(early, e, CT_APPLICATION_DATA, "x", 1);
        return;
    case GIVE_KEY_UPDATE:
        hand_give(early, e, CT_HANDSHAKE, "\30\0\0\1", 5);
        return;
    default:
        hand_give(early, e, CT_HANDSHAKE, eoed, sizeof eoed);
        break;
    }
    if (what == GIVE_TWICE) {
        hand_give(late, e, CT_HANDSHAKE, eoed, sizeof eoed);
    } else if (what == GIVE_DATA || what == GIVE_DATA_KEYS) {
        hand_give(what == GIVE_DATA ? early : late, e, CT_APPLICATION_DATA, "x", 1);
    }
    if (e->rc == 0) {
        hand_give(late, e, CT_HANDSHAKE, finished, n);
    }
}

static void threat_08_end_of_early_data(void **state)
{
    struct pair_params q = ready();

    (void)state;
    for (unsigned what = 0; what < GIVE_CASES; what++) {
        struct pair *p = early_given(&q, 0);
        struct hand early, late, open;
        size_t n, clear;

        end_give(&p->c, flight, end_take(&p->s, flight));
        assert_int_equal(p->c.done, 1);
        open = hand_new(p, SECRET_CE, false);
        n = end_take(&p->c, flight);
        n -= REC_HEADER + sizeof eoed + 1 + AEAD_TAG; /* the first record */
        assert_int_equal(
            flight_open(&open, flight, REC_HEADER + sizeof eoed + 1 + AEAD_TAG, messages, &clear),
            sizeof eoed);
        assert_memory_equal(messages, eoed, sizeof eoed);
        hand_free(&open);
        open = hand_new(p, SECRET_CH, false);
        n = flight_open(&open, flight + REC_HEADER + sizeof eoed + 1 + AEAD_TAG, n, messages,
                        &clear);
        assert_int_equal(n, message_size(messages));
        assert_int_equal(messages[0], HS_FINISHED);
        early = hand_new(p, SECRET_CE, true);
        late = hand_new(p, SECRET_CH, true);
        hand_give(&early, &p->s, CT_APPLICATION_DATA, "early", 5);
        give((enum give)what, &early, &late, &p->s, messages);
        if (give_alert[what]) {
            assert_refused(&p->s, give_alert[what]);
            assert_int_equal(p->s.done, 0);
        } else {
            assert_true(p->s.rc == 0 && p->s.done == 1);
        }
        assert_int_equal(p->s.nearly, 5);
        hand_free(&open);
        hand_free(&early);
        hand_free(&late);
        pair_free(p);
    }
    session_unref(q.resume);
}

static void test_end_of_what_was_rejected(void **state)
{
    struct pair_params q = ready();
    struct pair *p;
    struct hand h;

    (void)state;
    q.max_early = 0;
    p = early_given(&q, 10);
    h = hand_new(p, SECRET_CH, true);
    hand_give(&h, &p->s, CT_HANDSHAKE, eoed, sizeof eoed);
    assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
    hand_free(&h);
    pair_free(p);
    session_unref(q.resume);
}

/* ---- what a server skips ---- */
static void give_garbage(struct end *e, size_t total)
{
    static uint8_t record[REC_HEADER + REC_SEALED_MAX];

    while (total) {
        size_t n = total < REC_SEALED_MAX ? total : REC_SEALED_MAX;

        memset(record, 0x5a, sizeof record);
        memcpy(record, (uint8_t[]){ 23, 3, 3, (uint8_t)(n >> 8), (uint8_t)n }, REC_HEADER);
        end_give(e, record, REC_HEADER + n);
        total -= n;
    }
}

/* 16 KiB, or what today's setting or the ticket allows, an eighth of it and 2048. */
static void threat_33_skips_no_more(void **state)
{
    static const uint32_t max[] = { 0, 1000, 16384, 16392, 100000 };

    (void)state;
    for (size_t i = 0; i < 5 * 2 * 3 * 2; i++) {
        bool retry = i % 2, now = i / 2 % 2;
        size_t over = i / 4 % 3; /* 0: one less than the limit */
        struct pair_params q = early_params();
        uint32_t m = max[i / 12];
        size_t limit = m > 16384 ? m : 16384;
        struct pair *p;

        q.max_early = m;
        q.resume = first(&q);
        q.resume->max_early = 1;   /* so that the client says early_data in any case */
        q.max_early = now ? m : 0; /* it is the setting, or only the ticket that says so */
        q.client_groups[0] = 29;
        q.client_groups[1] = q.server_groups[0] = 23;
        q.server_groups[1] = retry ? 0 : 29;
        q.tickets = now ? ticket_keys_new(LIFE * 1000) : keys; /* others: cannot be resumed */
        p = early_given(&q, 0);
        assert_int_equal(info_of(&p->s).early, TLS_EARLY_REJECTED);
        limit += limit / 8 + 2048;
        give_garbage(&p->s, limit - 1 + over);
        if (over == 2) {
            assert_refused(&p->s, retry ? ALERT_UNEXPECTED_MESSAGE : ALERT_BAD_RECORD_MAC);
        } else {
            early_finish(p);
        }
        assert_int_equal(p->s.nearly, 0);
        pair_free(p);
        session_unref(q.resume);
        if (now) {
            ticket_keys_unref(q.tickets);
        }
    }
}

/* Once the client's next message is there, all of it has come. */
static void threat_33_skips_no_longer(void **state)
{
    (void)state;
    for (int retry = 0; retry < 2; retry++) {
        struct pair_params q = ready();
        struct pair *p;

        q.max_early = 0;
        q.client_groups[0] = 29;
        q.client_groups[1] = q.server_groups[0] = 23;
        q.server_groups[1] = retry ? 0 : 29;
        p = early_given(&q, 100);
        end_give(&p->c, wire, end_take(&p->s, wire));
        give_garbage(&p->s, 100);
        assert_int_equal(p->s.rc, 0);
        end_give(&p->s, wire, end_take(&p->c, wire)); /* ClientHello, or Finished */
        assert_int_equal(p->s.rc, 0);
        give_garbage(&p->s, 100);
        assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
        pair_free(p);
        session_unref(q.resume);
    }
}

/* A client that offers none has nothing to be skipped. */
static void test_nothing_to_skip(void **state)
{
    struct pair_params q = early_params();
    struct pair *p;

    (void)state;
    p = pair_new(&q);
    end_give(&p->s, wire, end_take(&p->c, wire));
    give_garbage(&p->s, 100);
    assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
    pair_free(p);
}

/* threat 34; section 4.2.10: not in a second ClientHello. */
static void threat_34_offered_again(void **state)
{
    struct pair_params q = ready();

    (void)state;
    q.client_groups[0] = 29;
    q.client_groups[1] = q.server_groups[0] = 23;
    for (int again = 0; again < 2; again++) {
        struct pair *p = early_given(&q, 10);
        uint8_t *hello = flight + REC_HEADER, *at, *block;
        size_t n, block_n;

        end_give(&p->c, wire, end_take(&p->s, wire));
        assert_int_equal(info_of(&p->c).early, TLS_EARLY_REJECTED);
        assert_int_equal(tls_early_room(p->c.t), 0);
        n = end_take(&p->c, flight);
        assert_int_equal(flight[0], CT_HANDSHAKE);
        assert_int_equal(n, REC_HEADER + message_size(hello)); /* no second change_cipher_spec */
        n -= REC_HEADER;
        block = hello + HS_HEADER + 2 + RANDOM_SIZE;
        block += 1 + block[0];
        block += 2 + (block[0] << 8 | block[1]);
        block += 1 + block[0];
        block_n = (size_t)block[0] << 8 | block[1];
        assert_ptr_equal(block + 2 + block_n, hello + n);
        for (at = block + 2; at < hello + n; at += 4 + (at[2] << 8 | at[3])) {
            assert_false(at[0] == 0 && at[1] == EXT_EARLY_DATA);
        }
        if (again) {
            memmove(block + 6, block + 2, block_n);
            memcpy(block + 2, (uint8_t[]){ 0, EXT_EARLY_DATA, 0, 0 }, 4);
            n += 4;
            block[0] = (uint8_t)((block_n + 4) >> 8);
            block[1] = (uint8_t)(block_n + 4);
            hello[2] = (uint8_t)((n - HS_HEADER) >> 8);
            hello[3] = (uint8_t)(n - HS_HEADER);
            give_clear(&p->s, CT_HANDSHAKE, hello, n);
            assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        } else {
            give_clear(&p->s, CT_HANDSHAKE, hello, n);
            early_finish(p);
            early_is(p, TLS_EARLY_REJECTED, TLS_EARLY_RETRY);
        }
        pair_free(p);
    }
    session_unref(q.resume);
}

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

    (void)state;
    for (int role = 0; role < 2; role++) {
        q.psk[role][0] = (struct pair_psk){ .name = "name", .key = key };
    }
    q.suite = 0x1301;
    q.tickets = others;
    q.max_early = 0;
    q.resume = session_new();
    q.max_early = LIMIT;
    session_unref(q.resume);
    q.resume = NULL;
    {
        struct pair_params before = q;
        struct pair *p = pair_connected(&before);

        q.resume = tls_session(p->c.t);
        assert_non_null(q.resume);
        pair_free(p);
    }
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
        cmocka_unit_test(threat_08_end_of_early_data),
        cmocka_unit_test(test_end_of_what_was_rejected),
        cmocka_unit_test(threat_33_skips_no_more),
        cmocka_unit_test(threat_33_skips_no_longer),
        cmocka_unit_test(test_nothing_to_skip),
        cmocka_unit_test(threat_34_offered_again),
        cmocka_unit_test(threat_33_client_refuses),
        cmocka_unit_test(test_client_another_key),
        cmocka_unit_test(test_client_old_server),
        cmocka_unit_test(test_alerts_of_the_client),
        cmocka_unit_test(test_alerts_of_the_server),
    };

    return cmocka_run_group_tests(tests, early_make, resume_drop);
}
