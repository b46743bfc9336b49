/* SPDX-License-Identifier: ISC */
/* The table against RFC 8446 appendix A, and the engine against every message in every state
 * (threats 1, 2, 3). */
#include "handshake/local.h"
#include "tests/handshake/pair.h"

/* Transcribed by hand from the figures of appendix A.1 and A.2 and from section 4.6, with PSK and
 * with 0-RTT. Not from the table. */
static const struct {
    enum hs_state from;
    unsigned message;
    enum hs_state to;
} graph[] = {
    { C_WAIT_SH, 256, C_WAIT_SH2 },
    { C_WAIT_SH, 257, C_WAIT_EE },
    { C_WAIT_SH2, 257, C_WAIT_EE },
    { C_WAIT_EE, 8, C_WAIT_CERT_CR },
    { C_WAIT_CERT_CR, 13, C_WAIT_CERT },
    { C_WAIT_CERT_CR, 11, C_WAIT_CV },
    { C_WAIT_CERT, 11, C_WAIT_CV },
    { C_WAIT_CV, 15, C_WAIT_FINISHED },
    { C_WAIT_FINISHED, 20, C_CONNECTED },
    { C_CONNECTED, 4, C_CONNECTED },
    { C_CONNECTED, 24, C_CONNECTED },
    { S_WAIT_CH, 258, S_WAIT_CH2 },
    { S_WAIT_CH, 258, S_WAIT_CERT },
    { S_WAIT_CH, 258, S_WAIT_FINISHED },
    { S_WAIT_CH2, 258, S_WAIT_CERT },
    { S_WAIT_CH2, 258, S_WAIT_FINISHED },
    { S_WAIT_CERT, 11, S_WAIT_CV },
    { S_WAIT_CERT, 11, S_WAIT_FINISHED },
    { S_WAIT_CV, 15, S_WAIT_FINISHED },
    { S_WAIT_FINISHED, 20, S_CONNECTED },
    { S_CONNECTED, 24, S_CONNECTED },
    /* PSK: no certificate */
    { C_WAIT_EE, 8, C_WAIT_FINISHED },
    { S_WAIT_CH, 258, S_WAIT_FINISHED },
    { S_WAIT_CH2, 258, S_WAIT_FINISHED },
    /* ... with early data, which a HelloRetryRequest ends */
    { S_WAIT_CH, 258, S_WAIT_EOED },
    { S_WAIT_EOED, 5, S_WAIT_FINISHED },
    /* ... and the same for one that is no session */
    { C_WAIT_EE, 8, C_WAIT_FINISHED },
    { S_WAIT_CH, 258, S_WAIT_FINISHED },
    { S_WAIT_CH2, 258, S_WAIT_FINISHED },
    /* section 4.6.2 */
    { C_CONNECTED, 13, C_CONNECTED },
    { S_POST_CERT, 24, S_POST_CERT },
    { S_POST_CERT, 11, S_POST_CV },
    { S_POST_CERT, 11, S_POST_FINISHED },
    { S_POST_CV, 15, S_POST_FINISHED },
    { S_POST_FINISHED, 20, S_CONNECTED },
    /* RFC 8879 section 4: wherever a Certificate may stand */
    { C_WAIT_CERT_CR, 25, C_WAIT_CV },
    { C_WAIT_CERT, 25, C_WAIT_CV },
    { S_WAIT_CERT, 25, S_WAIT_CV },
    { S_WAIT_CERT, 25, S_WAIT_FINISHED },
    { S_POST_CERT, 25, S_POST_CV },
    { S_POST_CERT, 25, S_POST_FINISHED },
};
#define NGRAPH (sizeof graph / sizeof *graph)

static bool legal(unsigned from, unsigned message)
{
    if ((from == C_WAIT_SH && message == 2) || (from == S_WAIT_CH && message == 1)) {
        return true; /* TLS 1.2 begins with them (test_table12.c) */
    }
    if (from == C_WAIT_SH2 && message == 2) {
        return true; /* taken for one of TLS 1.3 that lacks supported_versions */
    }
    for (size_t i = 0; i < NGRAPH; i++) {
        if (graph[i].from == from && graph[i].message == message) {
            return true;
        }
    }
    return false;
}

static unsigned in_graph(unsigned from, unsigned message, unsigned to)
{
    unsigned n = 0;

    for (size_t i = 0; i < NGRAPH; i++) {
        n += graph[i].from == from && graph[i].message == message && graph[i].to == to;
    }
    return n;
}

static void test_table_is_the_graph(void **state)
{
    (void)state;
    assert_int_equal(tls13_nedges, NGRAPH);
    for (unsigned from = 0; from < HS_STATES; from++) {
        for (unsigned message = 0; message <= 260; message++) {
            for (unsigned to = 0; to < HS_STATES; to++) {
                unsigned n = 0;

                for (size_t i = 0; i < tls13_nedges; i++) {
                    const struct edge *e = &tls13_edges[i];

                    n += e->from == from && e->message == message && e->to == to;
                }
                assert_int_equal(n, in_graph(from, message, to));
            }
        }
    }
}

/* Rows of one (state, message) share handler and flags, and exactly the last has no guard: whatever
 * the facts are, there is one way on. */
static void test_rows_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < tls13_nedges; i++) {
        const struct edge *e = &tls13_edges[i];
        bool last = true;

        assert_non_null(e->handler);
        for (size_t j = i + 1; j < tls13_nedges; j++) {
            const struct edge *f = &tls13_edges[j];

            if (f->from == e->from && f->message == e->message) {
                last = false;
                assert_ptr_equal(f->handler, e->handler);
                assert_int_equal(f->flags, e->flags);
            }
        }
        assert_int_equal(e->guard == 0, last);
    }
}

/* threat 8: keys change behind these; section 4.6: only these stay outside the transcript. */
static void test_flags(void **state)
{
    (void)state;
    for (size_t i = 0; i < tls13_nedges; i++) {
        const struct edge *e = &tls13_edges[i];
        unsigned m = e->message;

        assert_int_equal(!!(e->flags & LAST_IN_RECORD),
                         m == 258 || m == 257 || m == 256 || m == 24 || m == 5 ||
                             (m == 20 && e->from != S_POST_FINISHED));
        assert_int_equal(!!(e->flags & STARTS), e->from == C_CONNECTED && m == 13);
        assert_int_equal(!!(e->flags & NO_TRANSCRIPT), m == 4 || m == 24);
        assert_int_equal(!!(e->flags & NEEDS_PRIOR), m == 15 || m == 20);
    }
}

/* threat 3: what each way into CONNECTED has proved. Only the edges whose handlers check it prove
 * it. */
static unsigned ways;

static void walk(enum hs_state at, unsigned proves, unsigned facts, unsigned depth)
{
    assert_true(depth < 10); /* no way round */
    if (at == C_CONNECTED || at == S_CONNECTED) {
        ways++;
        if (facts & FACT_RESUMED) {
            assert_int_equal(proves, PROVES_SESSION | PROVES_FINISHED);
        } else if (facts & FACT_PSK) {
            assert_int_equal(proves, PROVES_PSK | PROVES_FINISHED);
        } else if (at == C_CONNECTED || (facts & FACT_PEER_CERT)) {
            assert_int_equal(proves, PROVES_CHAIN | PROVES_POSSESSION | PROVES_FINISHED);
        } else {
            assert_int_equal(proves, PROVES_FINISHED);
        }
        return;
    }
    for (size_t i = 0; i < tls13_nedges; i++) {
        const struct edge *e = &tls13_edges[i];

        if (e->from == at && e->to != at) {
            walk(e->to, proves | e->proves, facts | e->guard, depth + 1);
        }
    }
}

static void threat_03_every_way_proves_enough(void **state)
{
    (void)state;
    for (size_t i = 0; i < tls13_nedges; i++) {
        const struct edge *e = &tls13_edges[i];

        if (e->proves & PROVES_CHAIN) {
            assert_true(e->handler == cert13_on_certificate || e->handler == cert13_on_packed);
        }
        if (e->proves & PROVES_POSSESSION) {
            assert_ptr_equal(e->handler, cert13_on_verify);
        }
        if (e->proves & PROVES_FINISHED) {
            assert_true(e->handler == client13_on_finished || e->handler == server13_on_finished ||
                        e->handler == post13_on_finished);
        }
        if (e->proves & PROVES_SESSION) {
            assert_int_equal(e->guard & ~(unsigned)FACT_EARLY, FACT_RESUMED);
        }
        if (e->proves & PROVES_PSK) {
            assert_int_equal(e->guard, FACT_PSK);
        }
        assert_int_equal(!!(e->proves & PROVES_FINISHED), e->message == HS_FINISHED);
    }
    ways = 0;
    walk(C_WAIT_SH, 0, 0, 0);
    /* with and without retry; resumed, or by another key, or with or without request, the
     * certificate packed or not */
    assert_int_equal(ways, 2 * (1 + 1 + 2 * 2));
    ways = 0;
    walk(S_WAIT_CH, 0, 0, 0);
    /* the request is answered or not; a session without retry may have early data */
    assert_int_equal(ways, 2 * (1 + 1 + 1 + 2 * 2) + 1);
    ways = 0;
    walk(S_POST_CERT, 0, 0, 0);
    assert_int_equal(ways, 2 * 2);
}

/* ---- a real engine, brought to any state ---- */
static uint8_t wire[WIRE_MAX], messages[WIRE_MAX];

struct stage {
    struct pair *p;
    struct end *e;
    struct hand hand; /* seals what e reads; aead NULL: in clear */
};

static void stage_give(struct stage *s, const uint8_t *p, size_t n)
{
    if (s->hand.aead) {
        hand_give(&s->hand, s->e, CT_HANDSHAKE, p, n);
    } else {
        give_clear(s->e, CT_HANDSHAKE, p, n);
    }
}

static void stage_free(struct stage *s)
{
    hand_free(&s->hand);
    pair_free(s->p);
}

/* The flight that waits at `from`, opened with that secret. */
static size_t stage_flight(struct stage *s, struct end *from, int which, size_t *clear)
{
    size_t n = end_take(from, wire);
    struct hand open = hand_new(s->p, which, false);

    n = flight_open(&open, wire, n, messages, clear);
    hand_free(&open);
    return n;
}

/* A client that has read the messages up to `last` of the server's flight; 0: none. */
static struct stage client_at(enum hs_state at)
{
    static const unsigned last[] = {
        [C_WAIT_SH] = 0,    [C_WAIT_SH2] = 0, [C_WAIT_EE] = 2,        [C_WAIT_CERT_CR] = 8,
        [C_WAIT_CERT] = 13, [C_WAIT_CV] = 11, [C_WAIT_FINISHED] = 15, [C_CONNECTED] = 20
    };
    struct pair_params q = { .client_groups = { 29, 23 },
                             .server_groups = { at == C_WAIT_SH2 ? 23 : 29 },
                             .auth = at == C_WAIT_CERT ? CLIENT_AUTH_REQUEST : CLIENT_AUTH_NONE,
                             .pack = { [TLS_CLIENT] = true },
                             .post_auth = at == C_CONNECTED };
    struct stage s = { .p = pair_new(&q) };
    size_t n, clear, at_byte = 0;
    unsigned type = 0;

    s.e = &s.p->c;
    end_give(&s.p->s, wire, end_take(&s.p->c, wire));
    if (at == C_WAIT_SH2) {
        end_give(&s.p->c, wire, end_take(&s.p->s, wire));
        assert_int_equal(s.e->rc, 0);
    }
    if (last[at] == 0) {
        return s;
    }
    n = stage_flight(&s, &s.p->s, SECRET_SH, &clear);
    while (type != last[at]) {
        size_t size = message_size(messages + at_byte);

        type = messages[at_byte];
        assert_true(at_byte + size <= n);
        stage_give(&s, messages + at_byte, size);
        assert_int_equal(s.e->rc, 0);
        at_byte += size;
        if (type == 2) {
            s.hand = hand_new(s.p, SECRET_SH, true);
        }
    }
    if (at == C_CONNECTED) {
        hand_free(&s.hand);
        s.hand = hand_new(s.p, SECRET_SA, true);
        assert_int_equal(s.e->done, 1);
    }
    return s;
}

/* A server that has accepted early data. */
static struct stage server_early(void)
{
    struct ticket_keys *keys = ticket_keys_new(INT64_C(1000000));
    struct pair_params q = { .tickets = keys, .early = true, .max_early = 100 };
    struct stage s = { .p = pair_connected(&q) };

    q.resume = tls_session(s.p->c.t);
    pair_free(s.p);
    s.p = pair_new(&q);
    s.e = &s.p->s;
    end_give(s.e, wire, end_take(&s.p->c, wire));
    assert_int_equal(s.e->rc, 0);
    assert_int_equal(s.e->t->hs.state, S_WAIT_EOED);
    s.hand = hand_new(s.p, SECRET_CE, true);
    session_unref(q.resume);
    ticket_keys_unref(keys);
    return s;
}

static struct stage server_at(enum hs_state at)
{
    static const unsigned last[] = {
        [S_WAIT_CERT] = 0,  [S_WAIT_CV] = 11, [S_WAIT_FINISHED] = 15, [S_CONNECTED] = 20,
        [S_POST_CERT] = 20, [S_POST_CV] = 20, [S_POST_FINISHED] = 20
    };
    struct pair_params q = { .client_groups = { 29, 23 },
                             .server_groups = { at == S_WAIT_CH2 ? 23 : 29 },
                             .auth = CLIENT_AUTH_REQUIRE,
                             .client_id = true,
                             .pack = { [TLS_SERVER] = true },
                             .post_auth = at >= S_POST_CERT };
    struct stage s;
    size_t clear, at_byte = 0;
    unsigned type = 0;

    if (at == S_WAIT_EOED) {
        return server_early();
    }
    s = (struct stage){ .p = pair_new(&q) };
    s.e = &s.p->s;
    if (at == S_WAIT_CH) {
        return s;
    }
    end_give(&s.p->s, wire, end_take(&s.p->c, wire));
    if (at == S_WAIT_CH2) {
        return s;
    }
    end_give(&s.p->c, wire, end_take(&s.p->s, wire));
    assert_int_equal(s.p->c.done, 1);
    (void)stage_flight(&s, &s.p->c, SECRET_CH, &clear);
    assert_int_equal(clear, 0);
    s.hand = hand_new(s.p, SECRET_CH, true);
    while (type != last[at]) {
        size_t size = message_size(messages + at_byte);

        type = messages[at_byte];
        stage_give(&s, messages + at_byte, size);
        assert_int_equal(s.e->rc, 0);
        at_byte += size;
    }
    if (at >= S_CONNECTED) {
        hand_free(&s.hand);
        s.hand = hand_new(s.p, SECRET_CA, true);
        assert_int_equal(s.e->done, 1);
    }
    if (at >= S_POST_CERT) {
        assert_int_equal(tls_request_client_auth(s.e->t, NULL), 0);
        end_give(&s.p->c, wire, end_take(s.e, wire));
        (void)stage_flight(&s, &s.p->c, SECRET_CA, &clear);
        for (at_byte = 0; at > S_POST_CERT; at--) { /* its Certificate, its CertificateVerify */
            stage_give(&s, messages + at_byte, message_size(messages + at_byte));
            at_byte += message_size(messages + at_byte);
            assert_int_equal(s.e->rc, 0);
        }
    }
    return s;
}

static size_t any_message(unsigned type, uint8_t *out)
{
    size_t n = HS_HEADER + 2 + RANDOM_SIZE + 8;

    memset(out, 0, n);
    out[0] = type == HS_HELLO_RETRY_REQUEST ? HS_SERVER_HELLO : (uint8_t)type;
    out[3] = (uint8_t)(n - HS_HEADER);
    out[4] = out[5] = 3;
    if (type == HS_HELLO_RETRY_REQUEST) {
        memcpy(out + HS_HEADER + 2, hello_retry_random, RANDOM_SIZE);
    }
    return n;
}

/* Every illegal message, alone and well sealed: unexpected_message. Every legal one gets as far as
 * its handler, which finds another fault in this one. */
static void every_message(struct stage (*bring)(enum hs_state), enum hs_state at)
{
    for (unsigned type = 0; type <= 256; type++) {
        struct stage s = bring(at);
        uint8_t m[64];
        size_t n = any_message(type, m);

        stage_give(&s, m, n);
        if (legal(at, type)) {
            assert_true(s.e->rc < 0 && s.e->rc != TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        } else {
            assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
        }
        assert_int_equal(s.e->done, at == C_CONNECTED || at >= S_CONNECTED);
        stage_free(&s);
    }
}

static void threat_02_client_states(void **state)
{
    (void)state;
    for (unsigned at = C_WAIT_SH; at <= C_CONNECTED; at++) {
        every_message(client_at, (enum hs_state)at);
    }
}

static void threat_02_server_states(void **state)
{
    (void)state;
    for (unsigned at = S_WAIT_CH; at <= S_POST_FINISHED; at++) {
        every_message(server_at, (enum hs_state)at);
    }
}

/* threat 1: data, empty or not, before the handshake is complete, in clear and sealed. */
static void threat_01_data_too_early(void **state)
{
    (void)state;
    for (unsigned at = C_WAIT_SH; at <= S_WAIT_FINISHED; at++) {
        if (at == C_CONNECTED) {
            at = S_WAIT_CH; /* over the states of TLS 1.2 */
        }
        at += at == S_WAIT_EOED; /* where it is legal (test_early_data.c) */
        for (size_t n = 0; n < 2; n++) {
            struct stage s =
                at < S_WAIT_CH ? client_at((enum hs_state)at) : server_at((enum hs_state)at);

            if (s.hand.aead) {
                hand_give(&s.hand, s.e, CT_APPLICATION_DATA, "x", n);
            } else {
                give_clear(s.e, CT_APPLICATION_DATA, "x", n);
            }
            assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
            assert_int_equal(s.e->ngot, 0);
            stage_free(&s);
        }
    }
}

/* The genuine messages of a flight, without those of the types in `drop`. */
static void give_without(struct stage *s, size_t n, const char *drop)
{
    for (size_t at = 0; at < n && s->e->rc == 0;) {
        size_t size = message_size(messages + at);

        if (!strchr(drop, messages[at])) {
            stage_give(s, messages + at, size);
        }
        at += size;
    }
}

/* threat 3 */
static void threat_03_dropped_messages(void **state)
{
    static const char *const drops[] = { "\x0b", "\x0f", "\x0b\x0f", "\x08", "\x14" };

    (void)state;
    for (size_t i = 0; i < sizeof drops / sizeof *drops; i++) {
        struct stage c = client_at(C_WAIT_EE);
        struct stage s;
        size_t clear, n;

        /* client_at() left the flight in messages[] */
        n = message_size(messages);
        memmove(messages, messages + n, sizeof messages - n);
        for (n = 0; messages[n] != HS_FINISHED;) {
            n += message_size(messages + n);
        }
        give_without(&c, n + message_size(messages + n), drops[i]);
        assert_int_equal(c.e->done, 0);
        assert_int_equal(c.e->rc,
                         drops[i][0] == HS_FINISHED ? 0 : TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        stage_free(&c);
        if (drops[i][0] == 8) {
            continue; /* a client sends none */
        }
        s = (struct stage){ .p = pair_new(&(struct pair_params){ .auth = CLIENT_AUTH_REQUIRE,
                                                                 .client_id = true }) };
        s.e = &s.p->s;
        end_give(&s.p->s, wire, end_take(&s.p->c, wire));
        end_give(&s.p->c, wire, end_take(&s.p->s, wire));
        n = stage_flight(&s, &s.p->c, SECRET_CH, &clear);
        s.hand = hand_new(s.p, SECRET_CH, true);
        give_without(&s, n, drops[i]);
        assert_int_equal(s.e->done, 0);
        assert_int_equal(s.e->rc,
                         drops[i][0] == HS_FINISHED ? 0 : TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        stage_free(&s);
    }
}

/* A wrong signature, a wrong Finished: each byte of both (threats 3, 5). */
static void threat_05_proofs_flipped(void **state)
{
    (void)state;
    for (unsigned type = HS_CERTIFICATE_VERIFY; type <= HS_FINISHED; type += 5) {
        enum hs_state at[] = { type == HS_FINISHED ? C_WAIT_FINISHED : C_WAIT_CV,
                               type == HS_FINISHED ? S_WAIT_FINISHED : S_WAIT_CV };

        for (unsigned side = 0; side < 2; side++) {
            size_t size = HS_HEADER + 1;

            for (size_t i = HS_HEADER; i < size; i++) {
                struct stage s = side ? server_at(at[side]) : client_at(at[side]);
                uint8_t *m = messages;

                while (*m != type) {
                    m += message_size(m);
                }
                size = message_size(m);
                m[i < size ? i : size - 1] ^= 1;
                stage_give(&s, m, size);
                assert_true(IS_TLS_ALERT(s.e->rc));
                assert_false(tls_connected(s.e->t));
                if (type == HS_FINISHED || i >= HS_HEADER + 4 + 8) {
                    assert_true(s.e->rc == TLS_ALERT(ALERT_DECRYPT_ERROR));
                }
                stage_free(&s);
            }
            assert_true(size >= HS_HEADER + 32);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_the_graph),
        cmocka_unit_test(test_rows_agree),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(threat_03_every_way_proves_enough),
        cmocka_unit_test(threat_02_client_states),
        cmocka_unit_test(threat_02_server_states),
        cmocka_unit_test(threat_01_data_too_early),
        cmocka_unit_test(threat_03_dropped_messages),
        cmocka_unit_test(threat_05_proofs_flipped),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
