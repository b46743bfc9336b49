/* SPDX-License-Identifier: ISC */
/* Much of what means nothing, and large claims: what it costs us (threats 30, 31). */
#include "tests/handshake/pair12.h"
#include "tests/lib/counted.h"
#include "tests/lib/worked.h"

#define FLOOD 1000000
#define LONG  100000

#define SMALLEST 300 /* a buffer of ours, with what malloc adds */

static uint8_t wire[WIRE_MAX], record[REC_HEADER + REC_SEALED_MAX];

/* ---- one hand for both versions ---- */
struct sender {
    struct pair *p;
    struct end *to;
    bool is12;
    struct hand h;
    struct hand12 h12;
};

static struct sender sender_new(const struct pair_params *q, bool to_client)
{
    struct sender s = { .p = pair_connected(q), .is12 = q->server_max == TLS_1_2 };

    s.to = to_client ? &s.p->c : &s.p->s;
    if (s.is12) {
        s.h12 = hand12_new(s.p, to_client ? TLS_SERVER : TLS_CLIENT, true);
        s.h12.half.seq = 1; /* behind the Finished */
    } else {
        s.h = hand_new(s.p, to_client ? SECRET_SA : SECRET_CA, true);
    }
    return s;
}

static size_t sender_seal(struct sender *s, uint8_t type, const void *p, size_t n)
{
    return s->is12 ? hand12_seal(&s->h12, type, p, n, record)
                   : hand_seal(&s->h, type, p, n, 0, record);
}

static void sender_free(struct sender *s)
{
    hand_free(&s->h);
    hand12_free(&s->h12);
    pair_free(s->p);
}

/* ---- threat 30 ---- */
struct kind {
    const char *what;
    bool is12, to_client;
    bool keys, answered; /* keys: they change behind it */
    uint8_t type;
    const char *bytes;
    size_t n;
};
static const struct kind kinds[] = {
    { "KeyUpdate", false, false, true, false, CT_HANDSHAKE, "\x18\0\0\1\0", 5 },
    { "KeyUpdate with request", false, true, true, true, CT_HANDSHAKE, "\x18\0\0\1\1", 5 },
    { "empty records", false, false, false, false, CT_APPLICATION_DATA, "", 0 },
    { "empty records", true, false, false, false, CT_APPLICATION_DATA, "", 0 },
    { "user_canceled", false, true, false, false, CT_ALERT, "\1\x5a", 2 },
    { "warnings", true, false, false, false, CT_ALERT, "\1\x5a", 2 },
    { "HelloRequest", true, true, false, true, CT_HANDSHAKE, "\0\0\0\0", 4 },
    { "NewSessionTicket", false, true, false, false, CT_HANDSHAKE,
      "\4\0\0\xe\0\0\0\1\0\0\0\0\0\0\1t\0\0", 18 },
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* Ends after 32, and the rest of the million is not even looked at: no memory, nothing to send. */
static void threat_30_million(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        struct pair_params q = { .server_max = k->is12 ? TLS_1_2 : TLS_1_3 };
        struct sender s = sender_new(&q, k->to_client);
        size_t given, endured = 0, held, n = 0;

        counted_start();
        for (given = 0; given < FLOOD; given++) {
            struct tls_in in = { .data = record };

            if (s.to->rc == 0) {
                n = sender_seal(&s, k->type, k->bytes, k->n);
                if (k->keys) {
                    hand_next(&s.h);
                }
                endured++;
            }
            in.len = n;
            s.to->rc = tls_input(s.to->t, &in);
            s.to->rc = s.to->rc < 0 ? s.to->rc : 0;
        }
        held = counted_stop();
        assert_int_equal(endured, 33);
        assert_int_equal(s.to->rc, ERR_CLOSED);
        assert_int_equal(end_alert(s.to), ALERT_UNEXPECTED_MESSAGE);
        if (held > 4096) {
            fail_msg("%s: %zu bytes are held", k->what, held);
        }
        n = end_take(s.to, wire); /* an answer at most, and the alert */
        assert_true(n < 100);
        assert_int_equal(end_take(s.to, wire), 0);
        sender_free(&s);
    }
}

/* change_cipher_spec means nothing in TLS 1.3 and is dropped (RFC 8446 section 5), but is not data
 * either. */
static void threat_30_change_cipher_spec(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        struct pair *p = pair_new(NULL);
        struct end *to = server ? &p->s : &p->c;
        unsigned given = 0;

        end_give(&p->s, wire, end_take(&p->c, wire));
        if (!server) {
            (void)end_take(&p->s, wire);
            end_give(&p->c, wire, REC_HEADER + ((size_t)wire[3] << 8 | wire[4]));
        }
        for (; given < FLOOD && to->rc == 0; given++) {
            give_clear(to, CT_CHANGE_CIPHER_SPEC, "\1", 1);
        }
        assert_int_equal(given, 33);
        assert_refused(to, ALERT_UNEXPECTED_MESSAGE);
        pair_free(p);
    }
}

/* A long life with as much of it as there is data: a limit for life would end it. */
static void threat_30_long_run(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        struct pair_params q = { .server_max = k->is12 ? TLS_1_2 : TLS_1_3 };
        struct sender s = sender_new(&q, k->to_client);
        size_t held = 0;

        for (unsigned j = 0; j < LONG; j++) {
            end_give(s.to, record, sender_seal(&s, k->type, k->bytes, k->n));
            if (k->keys) {
                hand_next(&s.h);
            }
            if (j % 31 == 30) {
                end_give(s.to, record, sender_seal(&s, CT_APPLICATION_DATA, "x", 1));
            }
            if (j == 1000) { /* what it needs it has by now */
                (void)end_take(s.to, wire);
                counted_start();
            }
            if (j % 1000 == 999) { /* our side is silent for long, but not for ever */
                assert_true(end_take(s.to, wire) < 200);
            }
        }
        held = counted_stop();
        if (s.to->rc != 0 || held > 4096) {
            fail_msg("%s: %d, %zu bytes held", k->what, s.to->rc, held);
        }
        assert_int_equal(s.to->ngot, LONG / 31);
        assert_true(tls_connected(s.to->t));
        sender_free(&s);
    }
}

/* Data between lets them go on for ever, but who does not read the answers gets only one. */
static void threat_30_unread(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *k = &kinds[i];
        struct pair_params q = { .server_max = k->is12 ? TLS_1_2 : TLS_1_3 };
        struct sender s = sender_new(&q, k->to_client);
        size_t waits = 0;

        (void)end_take(s.to, wire);
        for (unsigned round = 0; round < 2; round++) {
            for (unsigned j = 0; j < 1000; j++) {
                end_give(s.to, record, sender_seal(&s, k->type, k->bytes, k->n));
                if (k->keys) {
                    hand_next(&s.h);
                }
                end_give(s.to, record, sender_seal(&s, CT_APPLICATION_DATA, "x", 1));
                waits = tls_output(s.to->t).n;
                assert_true(waits < 60);
            }
            assert_int_equal(s.to->rc, 0);
            assert_int_equal(end_take(s.to, wire), waits);
            /* behind data of ours it is due again */
            (void)end_seal(s.to, "y", 1, wire);
        }
        assert_int_equal(waits > 0, k->answered);
        sender_free(&s);
    }
}

/* A server asks a client again and again for its certificate, and reads no answer: each costs a
 * signature. Data between lets it go on, but not until memory is full. */
static void threat_30_requests(void **state)
{
    static const uint8_t request[] = {
        HS_CERTIFICATE_REQUEST, 0, 0, 14, 1, 'c', 0, 10, 0, 13, 0, 6, 0, 4, 8, 4, 4, 3
    };
    uint8_t m[sizeof request];

    (void)state;
    for (int talks = 0; talks < 2; talks++) {
        struct pair_params q = { .client_id = true, .post_auth = true };
        struct pair *p = pair_connected(&q);
        struct hand h = hand_new(p, SECRET_SA, true);
        size_t given = 0, held;

        memcpy(m, request, sizeof m);
        worked_start();
        counted_start();
        for (; given < 10000 && p->c.rc == 0; given++) {
            m[5] = (uint8_t)given;
            hand_give(&h, &p->c, CT_HANDSHAKE, m, sizeof m);
            if (talks) {
                hand_give(&h, &p->c, CT_APPLICATION_DATA, "x", 1);
                p->c.ngot = 0;
            }
        }
        held = counted_stop();
        worked_stop();
        assert_refused(&p->c, ALERT_UNEXPECTED_MESSAGE);
        assert_true(talks ? given < 1000 : given <= 33);
        assert_true(worked.signed_ <= given && held < (talks ? 600000 : 100000));
        hand_free(&h);
        pair_free(p);
    }
}

/* A client renegotiates without end, where it may: each time costs our server a signature. */
static void threat_30_renegotiations(void **state)
{
    struct pair_params q = { .server_max = TLS_1_2, .renegotiation = RENEGOTIATE_SECURE };
    struct pair *p = pair_connected(&q);
    unsigned rounds = 0;

    (void)state;
    worked_start();
    while (rounds < 1000 && tls_connected(p->c.t) && tls_rehandshake(p->c.t, NULL, false) == 0) {
        pair_run(p, WIRE_MAX);
        rounds++;
    }
    worked_stop();
    assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
    assert_true(rounds <= 33);
    assert_true(worked.signed_ <= 33);
    pair_free(p);
}

/* ---- threat 31: memory for what came, not for what was promised ---- */

#define EXPANDED_KEY 2048

/* The headers of all messages, in all lengths that they can claim, with little behind them: in
 * clear and, on connected ends, sealed. */
static void threat_31_claims(void **state)
{
    static const size_t bodies[] = { 0, 1, 100, 1000, 16000 };
    static const uint32_t claims[] = { 1, 255, 4096, 16384, 65536, 0xffffff };
    static uint8_t m[REC_PLAIN_MAX];

    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        for (size_t i = 0; i < 6 * 5 * 3; i++) {
            uint32_t claim = claims[i % 6];
            size_t n = HS_HEADER + bodies[i / 6 % 5], made;
            bool connected = i >= 60, to_client = i >= 30 && i < 60, taken;
            struct pair *p = connected ? pair_connected(NULL) : pair_new(NULL);
            struct end *to = to_client ? &p->c : &p->s;
            struct hand h = { .aead = NULL };

            if (claim < n - HS_HEADER || (connected && type % 8)) { /* some will do */
                pair_free(p);
                continue;
            }
            memset(m, 0, sizeof m);
            m[0] = (uint8_t)type;
            m[1] = (uint8_t)(claim >> 16);
            m[2] = (uint8_t)(claim >> 8);
            m[3] = (uint8_t)claim;
            if (connected) {
                h = hand_new(p, SECRET_CA, true);
                made = hand_seal(&h, CT_HANDSHAKE, m, n, 0, record);
            } else {
                memcpy(record, (uint8_t[]){ 22, 3, 3, (uint8_t)(n >> 8), (uint8_t)n }, 5);
                memcpy(record + REC_HEADER, m, n);
                made = REC_HEADER + n;
            }
            counted_start();
            end_give(to, record, made);
            taken = to->rc == 0;
            /* A KeyUpdate is answered by a key in place of another, which IPsec-MB expands. */
            if (counted_most() > 4 * made + (taken ? SMALLEST : 2 * SMALLEST) +
                                     (connected && m[0] == HS_KEY_UPDATE ? EXPANDED_KEY : 0)) {
                fail_msg("type %u claims %u, %zu bytes came: %zu taken", type, claim, made,
                         counted_most());
            }
            counted_stop();
            hand_free(&h);
            pair_free(p);
        }
    }
}

/* Slowly, a byte a record, up to the longest hello: never more than four times what came. */
static void threat_31_slow(void **state)
{
    for (int sealed = 0; sealed < 2; sealed++) {
        struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
        struct pair *p = pair_new(&q);
        size_t max = hs_message_max(sealed ? HS_CERTIFICATE : HS_CLIENT_HELLO), came = 0, i;
        struct hand h = { .aead = NULL };
        const uint8_t head[] = { sealed ? HS_CERTIFICATE : HS_CLIENT_HELLO, (uint8_t)(max >> 16),
                                 (uint8_t)(max >> 8), (uint8_t)max };

        (void)state;
        if (sealed) {
            end_give(&p->s, wire, end_take(&p->c, wire));
            h = hand_new(p, SECRET_CH, true);
        }
        counted_start();
        for (i = 0; i < HS_HEADER + max - 1 && p->s.rc == 0; i++) {
            uint8_t byte = i < HS_HEADER ? head[i] : 0;

            if (sealed) {
                hand_give(&h, &p->s, CT_HANDSHAKE, &byte, 1);
            } else {
                give_clear(&p->s, CT_HANDSHAKE, &byte, 1);
            }
            came++; /* of content: the cheapest for who sends it */
            assert_true(counted_now() <= 4 * came + SMALLEST);
            assert_true(counted_most() <= 4 * came + SMALLEST);
        }
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(i, HS_HEADER + max - 1);
        counted_stop();
        hand_free(&h);
        pair_free(p);
    }
}

/* One byte more is claimed than any of its kind has: not a byte of it is waited for. */
static void threat_31_longest(void **state)
{
    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        struct pair *p = pair_new(NULL);
        size_t n = hs_message_max(HS_CLIENT_HELLO) + over;
        const uint8_t head[] = { HS_CLIENT_HELLO, (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                                 (uint8_t)n };

        assert_true(n <= 16384 + 1);
        give_clear(&p->s, CT_HANDSHAKE, head, sizeof head);
        if (over) {
            assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        } else {
            assert_int_equal(p->s.rc, 0);
        }
        pair_free(p);
    }
}

/* A ticket that is too long to be offered is not kept. */
static void threat_31_long_tickets(void **state)
{
    static uint8_t m[1 << 16];

    (void)state;
    for (size_t n = 8191; n <= 60000; n = n < 8193 ? n + 1 : n + 50000) {
        struct pair_params q = { .server_max = TLS_1_3 };
        struct sender s = sender_new(&q, true);
        struct wr w = wr_of(m, sizeof m);
        struct tls_session *kept;
        size_t body;

        wr_u8(&w, HS_NEW_SESSION_TICKET);
        body = wr_begin(&w, 3);
        wr_u32(&w, 3600);
        wr_u32(&w, 0);
        wr_vec(&w, 1, "", 0);
        wr_vec(&w, 2, wire, n);
        wr_u16(&w, 0);
        wr_end(&w, 3, body);
        for (size_t at = 0; at < w.len; at += 16000) {
            hand_give(&s.h, s.to, CT_HANDSHAKE, m + at, w.len - at < 16000 ? w.len - at : 16000);
        }
        assert_int_equal(s.to->rc, 0);
        kept = tls_session(s.to->t);
        assert_int_equal(kept != NULL, n <= 8192);
        session_unref(kept);
        sender_free(&s);
    }
}

/* A record that is announced and does not come: nothing is kept of it at all. */
static void threat_31_headers_only(void **state)
{
    struct pair *p = pair_new(NULL);
    uint8_t head[] = { 22, 3, 1, 0x40, 0 };

    (void)state;
    counted_start();
    end_give(&p->s, head, sizeof head);
    assert_int_equal(p->s.rc, 0);
    assert_int_equal(counted_most(), 0);
    counted_stop();
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_30_million),      cmocka_unit_test(threat_30_change_cipher_spec),
        cmocka_unit_test(threat_30_long_run),     cmocka_unit_test(threat_30_unread),
        cmocka_unit_test(threat_30_requests),     cmocka_unit_test(threat_30_renegotiations),
        cmocka_unit_test(threat_31_claims),       cmocka_unit_test(threat_31_slow),
        cmocka_unit_test(threat_31_longest),      cmocka_unit_test(threat_31_headers_only),
        cmocka_unit_test(threat_31_long_tickets),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
