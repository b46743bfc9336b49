/* SPDX-License-Identifier: ISC */
/* The table of TLS 1.2 against the RFCs' figures, and the engine against every message in every
 * state (threats 1, 2, 3, 8, 9). */
#include "handshake/kx12.h"
#include "tests/handshake/pair12.h"

/* Key exchanges, by the messages that they have: (EC)DHE with a certificate; RSA; anonymous or with
 * a pre-shared key (RFC 4279 section 3, RFC 5489), of which PSK alone may leave ServerKeyExchange
 * out (RFC 4279 section 2); RSA_PSK (section 4). */
enum { ECDHE = 1, RSA = 2, ANON = 4, DHE_PSK = 8, PSK = 16, RSA_PSK = 32, ALL = 63 };
enum { WITH_CERT = ECDHE | RSA | RSA_PSK, MAY_LEAVE_OUT = PSK | RSA_PSK, SIGNED = ECDHE };

/* Transcribed by hand from RFC 5246 section 7.3 (figures 1 and 2), 7.4.1.1 and 7.4.4, RFC 5077
 * section 3 (figures 1 and 2), RFC 6066 section 8 (CertificateStatus may be left out), and those.
 * Not from the table.
 * 259: change_cipher_spec, 260: a renegotiation that is refused. */
static const struct {
    enum hs_state from;
    unsigned message;
    enum hs_state to;
    int kx;
} graph[] = {
    { C_WAIT_SH, 0, C_WAIT_SH, ALL }, /* a HelloRequest that crossed the ClientHello */
    { C_WAIT_SH, 2, C12_WAIT_NST, ALL },
    { C_WAIT_SH, 2, C12_WAIT_CCS, ALL },
    { C_WAIT_SH, 2, C12_WAIT_CERT, WITH_CERT },
    { C_WAIT_SH, 2, C12_WAIT_SKE, ANON }, /* and allowed */
    { C_WAIT_SH, 2, C12_WAIT_SKE, ALL & ~WITH_CERT },
    { C12_WAIT_CERT, 11, C12_WAIT_STATUS, WITH_CERT },
    { C12_WAIT_CERT, 11, C12_WAIT_SKE, ECDHE | RSA_PSK },
    { C12_WAIT_CERT, 11, C12_WAIT_CR, RSA },
    { C12_WAIT_STATUS, 22, C12_WAIT_SKE, ECDHE | RSA_PSK },
    { C12_WAIT_STATUS, 22, C12_WAIT_CR, RSA },
    { C12_WAIT_STATUS, 12, C12_WAIT_CR, ECDHE },   /* signed */
    { C12_WAIT_STATUS, 12, C12_WAIT_CR, RSA_PSK }, /* a hint */
    { C12_WAIT_STATUS, 13, C12_WAIT_DONE, RSA },
    { C12_WAIT_STATUS, 14, C12_WAIT_NST, RSA | RSA_PSK },
    { C12_WAIT_STATUS, 14, C12_WAIT_CCS, RSA | RSA_PSK },
    { C12_WAIT_SKE, 12, C12_WAIT_CR, ECDHE }, /* signed */
    { C12_WAIT_SKE, 12, C12_WAIT_CR, ALL & ~(ECDHE | RSA) },
    { C12_WAIT_SKE, 14, C12_WAIT_NST, MAY_LEAVE_OUT },
    { C12_WAIT_SKE, 14, C12_WAIT_CCS, MAY_LEAVE_OUT },
    { C12_WAIT_CR, 13, C12_WAIT_DONE, ECDHE | RSA },
    { C12_WAIT_CR, 14, C12_WAIT_NST, ALL },
    { C12_WAIT_CR, 14, C12_WAIT_CCS, ALL },
    { C12_WAIT_DONE, 14, C12_WAIT_NST, ECDHE | RSA },
    { C12_WAIT_DONE, 14, C12_WAIT_CCS, ECDHE | RSA },
    { C12_WAIT_NST, 4, C12_WAIT_CCS, ALL },
    { C12_WAIT_CCS, 259, C12_WAIT_FINISHED, ALL },
    { C12_WAIT_FINISHED, 20, C12_CONNECTED, RSA_PSK },       /* proves both that follow */
    { C12_WAIT_FINISHED, 20, C12_CONNECTED, PSK | DHE_PSK }, /* that the server has the key */
    { C12_WAIT_FINISHED, 20, C12_CONNECTED, RSA }, /* that the certificate's key is the server's */
    { C12_WAIT_FINISHED, 20, C12_CONNECTED, ALL },
    { C12_CONNECTED, 0, C_WAIT_SH, ALL },
    { C12_CONNECTED, 260, C12_CONNECTED, ALL },
    { S_WAIT_CH, 1, S12_WAIT_CCS, ALL },
    { S_WAIT_CH, 1, S12_WAIT_CERT, ALL },
    { S_WAIT_CH, 1, S12_WAIT_CKE, ALL },
    { S12_WAIT_CERT, 11, S12_WAIT_CKE, ALL }, /* with a certificate */
    { S12_WAIT_CERT, 11, S12_WAIT_CKE, ALL }, /* empty */
    { S12_WAIT_CKE, 16, S12_WAIT_CV, ALL },
    { S12_WAIT_CKE, 16, S12_WAIT_CCS, ALL },
    { S12_WAIT_CV, 15, S12_WAIT_CCS, ALL },
    { S12_WAIT_CCS, 259, S12_WAIT_FINISHED, ALL },
    { S12_WAIT_FINISHED, 20, S12_CONNECTED, PSK | DHE_PSK | RSA_PSK }, /* that the client has it */
    { S12_WAIT_FINISHED, 20, S12_CONNECTED, ALL },
    { S12_CONNECTED, 1, S12_WAIT_CCS, ALL },
    { S12_CONNECTED, 1, S12_WAIT_CERT, ALL },
    { S12_CONNECTED, 1, S12_WAIT_CKE, ALL },
    { S12_CONNECTED, 260, S12_CONNECTED, ALL },
};
#define NGRAPH (sizeof graph / sizeof *graph)

static bool legal(unsigned from, unsigned message, int kx)
{
    for (size_t i = 0; i < NGRAPH; i++) {
        if (graph[i].from == from && graph[i].message == message && (graph[i].kx & kx)) {
            return true;
        }
    }
    return false;
}

static void test_table_is_the_graph(void **state)
{
    (void)state;
    assert_int_equal(tls12_nedges, NGRAPH);
    for (size_t k = 0; k < NGRAPH; k++) { /* each row as often in the one as in the other */
        unsigned n = 0;

        for (size_t i = 0; i < NGRAPH; i++) {
            const struct edge *e = &tls12_edges[i];

            n += e->from == graph[k].from && e->message == graph[k].message && e->to == graph[k].to;
            n -= graph[i].from == graph[k].from && graph[i].message == graph[k].message &&
                 graph[i].to == graph[k].to;
        }
        assert_int_equal(n, 0);
    }
}

/* Rows of one (state, message) share handler and flags; with every fact known one of them holds.
 * Only where the key exchange decides does none hold for the other kind. */
static void test_rows_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < tls12_nedges; i++) {
        const struct edge *e = &tls12_edges[i];
        bool open = e->guard == 0, last = true;

        assert_non_null(e->handler);
        for (size_t j = 0; j < tls12_nedges; j++) {
            const struct edge *f = &tls12_edges[j];

            if (f->from == e->from && f->message == e->message) {
                assert_ptr_equal(f->handler, e->handler);
                assert_int_equal(f->flags, e->flags);
                last = last && j <= i;
                open = open || f->guard == 0;
            }
        }
        assert_true(open || (e->from == C12_WAIT_STATUS && (e->guard & FACT_NO_SKE)) ||
                    ((e->from == C12_WAIT_STATUS || e->from == C12_WAIT_SKE) &&
                     (e->guard & FACT_SKE_OPTIONAL)));
        assert_true(e->guard != 0 || last); /* behind a row without guard another would be dead */
    }
}

static void test_flags(void **state)
{
    (void)state;
    for (size_t i = 0; i < tls12_nedges; i++) {
        const struct edge *e = &tls12_edges[i];
        unsigned m = e->message;
        bool connected = e->from == C12_CONNECTED || e->from == S12_CONNECTED;

        /* threat 8: nothing comes behind the end of a flight */
        assert_int_equal(!!(e->flags & LAST_IN_RECORD), m == 1 || m == 14 || m == 20);
        assert_int_equal(!!(e->flags & NEEDS_PRIOR), m == 20);
        /* RFC 5246 section 7.4.1.1: HelloRequest is in no handshake hash, a CCS is no message. */
        assert_int_equal(!!(e->flags & NO_TRANSCRIPT), m == 0 || m == 259 || m == 260);
        assert_int_equal(!!(e->flags & STARTS), connected && m != 260);
    }
}

/* ---- threat 3: what each way into CONNECTED has proved ---- */
static unsigned ways;

static const struct {
    int kx;
    unsigned facts, proves;
} kinds[] = {
    { ECDHE, 0, PROVES_CHAIN | PROVES_POSSESSION },
    { RSA, FACT_NO_SKE | FACT_SKE_OPTIONAL | FACT_ENCIPHERS, PROVES_CHAIN | PROVES_POSSESSION },
    { ANON, FACT_NO_CERT, PROVES_ANONYMOUS },
    { DHE_PSK, FACT_NO_CERT | FACT_PSK, PROVES_PSK },
    { PSK, FACT_NO_CERT | FACT_PSK | FACT_SKE_OPTIONAL, PROVES_PSK },
    { RSA_PSK, FACT_PSK | FACT_SKE_OPTIONAL | FACT_ENCIPHERS,
      PROVES_CHAIN | PROVES_POSSESSION | PROVES_PSK },
};
#define NKINDS (sizeof kinds / sizeof *kinds)

static void walk(size_t kind, enum hs_state at, unsigned facts, unsigned proves, unsigned depth)
{
    unsigned chain = PROVES_CHAIN | PROVES_POSSESSION;

    assert_true(depth < 12); /* no way round */
    if (at == C12_CONNECTED || at == S12_CONNECTED) {
        unsigned want = PROVES_FINISHED;

        if (facts & FACT_RESUMED) {
            want |= PROVES_SESSION;
        } else if (at == C12_CONNECTED) {
            want |= kinds[kind].proves;
        } else {
            want |= (facts & FACT_PEER_CERT ? chain : 0) | (kinds[kind].proves & PROVES_PSK);
        }
        assert_int_equal(proves, want);
        ways++;
        return;
    }
    for (size_t i = 0; i < tls12_nedges; i++) {
        const struct edge *e = &tls12_edges[i];
        /* What its handler sees to. */
        unsigned now =
            facts |
            (e->message == HS_SERVER_KEY_EXCHANGE && (kinds[kind].kx & SIGNED) ? FACT_SIGNED : 0u) |
            (e->message == HS_SERVER_HELLO && kinds[kind].kx == ANON ? FACT_ANONYMOUS : 0u);
        bool first = e->from == at && (e->guard & now) == e->guard && e->message != 0;

        for (size_t j = 0; j < i && first; j++) {
            const struct edge *f = &tls12_edges[j];

            first = !(f->from == at && f->message == e->message && (f->guard & now) == f->guard);
        }
        /* Neither is in the table: the handlers see to it (threat_02_client_states). */
        if (first && !legal(at, e->message, kinds[kind].kx)) {
            first = false;
        }
        if (first && e->message == HS_CERTIFICATE_REQUEST && !(facts & FACT_CLIENT_AUTH)) {
            first = false;
        }
        if (first && e->message == HS_SERVER_HELLO_DONE && (facts & FACT_CLIENT_AUTH) &&
            at != C12_WAIT_DONE) {
            first = false;
        }
        if (first) {
            walk(kind, e->to, facts, proves | e->proves, depth + 1);
        }
    }
}

static void threat_03_every_way_of_a_server_proves_enough(void **state)
{
    static const unsigned facts[] = { FACT_CLIENT_AUTH, FACT_RESUMED, FACT_TICKET, FACT_STATUS };
    /* Ways of a client in a full handshake: with a ticket and without, for each: ECDHE and RSA with
     * a request and without one, without a status, with it, with it left out; without a certificate
     * one way; PSK without ServerKeyExchange too; RSA_PSK likewise, with each of the three. */
    static const unsigned want[] = { 2 * 2 * 3, 2 * 2 * 3, 2, 2, 2 * 2, 2 * 2 * 3 };

    (void)state;
    for (size_t i = 0; i < tls12_nedges; i++) { /* only where the handler checks it */
        const struct edge *e = &tls12_edges[i];
        bool hello = e->handler == client12_on_hello || e->handler == server12_on_hello;
        bool rsa = e->message == HS_FINISHED && (e->guard & FACT_ENCIPHERS);
        bool ske = e->handler == client12_on_key_exchange && (e->guard & FACT_SIGNED);

        assert_int_equal(!!(e->proves & PROVES_SESSION), hello && (e->guard & FACT_RESUMED));
        assert_int_equal(!!(e->proves & PROVES_FINISHED), e->message == HS_FINISHED);
        /* With a CertificateStatus to come it is judged when that is there, or is not. */
        assert_int_equal(!!(e->proves & PROVES_CHAIN),
                         e->from == C12_WAIT_STATUS ||
                             (e->handler == cert12_on_certificate && !(e->guard & FACT_STATUS) &&
                              (e->from != S12_WAIT_CERT || (e->guard & FACT_PEER_CERT))));
        assert_true(!(e->proves & PROVES_POSSESSION) || e->handler == cert12_on_verify || ske ||
                    rsa);
        assert_int_equal(!!(e->proves & PROVES_ANONYMOUS),
                         e->handler == client12_on_hello && (e->guard & FACT_ANONYMOUS));
        assert_int_equal(!!(e->proves & PROVES_PSK),
                         e->message == HS_FINISHED && (e->guard & FACT_PSK));
    }
    for (size_t kind = 0; kind < NKINDS; kind++) {
        bool asks = legal(C12_WAIT_CR, HS_CERTIFICATE_REQUEST, kinds[kind].kx);

        ways = 0;
        for (unsigned set = 0; set < 16; set++) {
            unsigned all = kinds[kind].facts;

            for (unsigned i = 0; i < 4; i++) {
                all |= set >> i & 1 ? facts[i] : 0;
            }
            if (!(all & FACT_RESUMED) && (asks || !(all & FACT_CLIENT_AUTH)) &&
                ((kinds[kind].kx & WITH_CERT) || !(all & FACT_STATUS))) {
                walk(kind, C_WAIT_SH, all, 0, 0);
            }
        }
        assert_int_equal(ways, want[kind]);
    }
    ways = 0;
    walk(0, C_WAIT_SH, FACT_RESUMED, 0, 0);
    walk(0, C_WAIT_SH, FACT_RESUMED | FACT_TICKET, 0, 0);
    assert_int_equal(ways, 2);
}

static void threat_03_every_way_of_a_client_proves_enough(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < NKINDS; kind++) {
        bool asks = legal(C12_WAIT_CR, HS_CERTIFICATE_REQUEST, kinds[kind].kx);

        ways = 0;
        for (unsigned set = 0; set < 4; set++) {
            unsigned all = (set & 1 ? FACT_CLIENT_AUTH : 0u) | (set & 2 ? FACT_PEER_CERT : 0u);

            if ((all & FACT_CLIENT_AUTH) ? asks : !(all & FACT_PEER_CERT)) {
                walk(kind, S_WAIT_CH, all | kinds[kind].facts, 0, 0);
            }
        }
        assert_int_equal(ways, asks ? 3 : 1);
    }
    ways = 0;
    walk(0, S_WAIT_CH, FACT_RESUMED, 0, 0);
    assert_int_equal(ways, 1);
}

/* The rows that are compiled, against the kinds above. */
static void threat_03_rows(void **state)
{
    unsigned seen = 0;

    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        const struct kx12 *kx = kx12_of(suite_at(i));
        size_t kind = 0;

        assert_int_equal(!kx, suite_at(i)->version == TLS_1_3);
        if (!kx) {
            continue;
        }
        while (kind < NKINDS && kinds[kind].facts != kx->facts) {
            kind++;
        }
        assert_true(kind < NKINDS);
        assert_int_equal(kx->proves, kinds[kind].proves);
        assert_true(kx->proves != 0 && !kx->judge == (kinds[kind].kx != ANON));
        assert_int_equal(kx12_signs(kx), !!(kinds[kind].kx & SIGNED));
        assert_int_equal(kx12_asks(kx), legal(C12_WAIT_CR, HS_CERTIFICATE_REQUEST, kinds[kind].kx));
        assert_int_equal(!kx->client_read, !!(kx->facts & FACT_NO_SKE));
        assert_int_equal(!kx->server_write, !!(kx->facts & FACT_NO_SKE));
        assert_true(kx->usable && kx->client_answer && kx->server_read);
        seen |= (unsigned)kinds[kind].kx;
    }
    assert_int_equal(seen & (ECDHE | RSA), ECDHE | RSA);
}

/* ---- a real engine in every state ---- */
static struct ticket_keys *tickets;

static struct pair_params params(int kx)
{
    return (struct pair_params){ .suite = kx == RSA ? SUITE_RSA_KX : SUITE_GCM,
                                 .id = kx == RSA ? ID_RSA : ID_P256,
                                 .auth = CLIENT_AUTH_REQUIRE,
                                 .client_id = true,
                                 .tickets = tickets,
                                 .status = "response",
                                 .renegotiation = RENEGOTIATE_SECURE };
}

static bool reachable(unsigned at, int kx)
{
    return (at <= C12_CONNECTED ? at >= C12_WAIT_CERT : at >= S12_WAIT_CERT) &&
           !(at == C12_WAIT_SKE && kx == RSA);
}

static size_t any_message(unsigned type, uint8_t *out)
{
    size_t n = HS_HEADER + 2 + RANDOM_SIZE + 8;

    memset(out, 0, n);
    out[0] = (uint8_t)type;
    out[3] = (uint8_t)(n - HS_HEADER);
    out[4] = out[5] = 3;
    return n;
}

/* Every illegal message: unexpected_message. Every legal one gets as far as its handler, which
 * finds another fault in this one. */
static void threat_02_every_message_in_every_state(void **state)
{
    (void)state;
    for (int kx = ECDHE; kx <= RSA; kx *= 2) {
        for (unsigned at = 0; at < HS_STATES; at++) {
            for (unsigned type = 0; reachable(at, kx) && type <= 255; type++) {
                const struct pair_params q = params(kx);
                struct stage12 s = stage12_at((enum hs_state)at, &q);
                unsigned done = s.e->done;
                uint8_t m[64];
                size_t n = any_message(type, m);

                if (type == HS_SERVER_HELLO_DONE && !legal(at, type, kx)) {
                    n = HS_HEADER; /* it has no body: this one is without fault */
                    m[3] = 0;
                }
                hand12_give(&s.hand, s.e, CT_HANDSHAKE, m, n);
                if (legal(at, type, kx)) {
                    assert_true(s.e->rc < 0 && s.e->rc != TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
                } else {
                    if (s.e->rc != TLS_ALERT(ALERT_UNEXPECTED_MESSAGE)) {
                        print_error("state %u, message %u\n", at, type);
                    }
                    assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
                }
                assert_int_equal(s.e->done, done);
                stage12_free(&s);
            }
        }
    }
}

/* threat 1: a change_cipher_spec before and after each message. */
static void threat_01_change_cipher_spec(void **state)
{
    static const struct {
        const char *body;
        size_t n;
    } wrong[] = { { "\x00", 1 }, { "\x02", 1 }, { "\x01\x01", 2 }, { "", 0 } };

    (void)state;
    for (unsigned at = 0; at < HS_STATES; at++) {
        if (reachable(at, ECDHE) || at == C_WAIT_SH || at == S_WAIT_CH) {
            const struct pair_params q = params(ECDHE);
            struct stage12 s = stage12_at((enum hs_state)at, &q);

            hand12_give(&s.hand, s.e, CT_CHANGE_CIPHER_SPEC, "\1", 1);
            if (legal(at, 259, ECDHE)) {
                assert_int_equal(s.e->rc, 0);
                hand12_give(&s.hand, s.e, CT_CHANGE_CIPHER_SPEC, "\1", 1); /* once, and in clear */
                assert_refused(s.e, ALERT_BAD_RECORD_MAC);
            } else {
                assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
            }
            stage12_free(&s);
        }
        for (size_t i = 0; legal(at, 259, ECDHE) && i < sizeof wrong / sizeof *wrong; i++) {
            const struct pair_params q = params(ECDHE);
            struct stage12 s = stage12_at((enum hs_state)at, &q);

            hand12_give(&s.hand, s.e, CT_CHANGE_CIPHER_SPEC, wrong[i].body, wrong[i].n);
            assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
            stage12_free(&s);
        }
    }
}

/* threats 1, 9: data before the handshake is complete, in clear and sealed; and any other record
 * inside a message. */
static void threat_09_other_records(void **state)
{
    static const uint8_t types[] = { CT_CHANGE_CIPHER_SPEC, CT_ALERT, CT_APPLICATION_DATA };

    (void)state;
    for (unsigned at = 0; at < HS_STATES; at++) {
        bool connected = at == C12_CONNECTED || at == S12_CONNECTED;

        for (size_t i = 0; i < 2 && reachable(at, ECDHE) && !connected; i++) {
            const struct pair_params q = params(ECDHE);
            struct stage12 s = stage12_at((enum hs_state)at, &q);

            hand12_give(&s.hand, s.e, CT_APPLICATION_DATA, "x", i);
            assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
            assert_int_equal(s.e->ngot, 0);
            stage12_free(&s);
        }
        for (size_t i = 0; i < 3 && reachable(at, ECDHE); i++) {
            const struct pair_params q = params(ECDHE);
            struct stage12 s = stage12_at((enum hs_state)at, &q);

            hand12_give(&s.hand, s.e, CT_HANDSHAKE, "\x0b\0", 2);
            assert_int_equal(s.e->rc, 0);
            hand12_give(&s.hand, s.e, types[i], "\1\1", types[i] == CT_ALERT ? 2 : 1);
            assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
            stage12_free(&s);
        }
    }
}

/* threat 8: nothing stands behind the last message of a flight in its record. */
static void threat_08_bytes_behind(void **state)
{
    static const enum hs_state at[] = { C12_WAIT_FINISHED, S12_WAIT_FINISHED, C12_WAIT_DONE,
                                        S_WAIT_CH };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct pair_params q = params(ECDHE);
        struct stage12 s = stage12_at(at[i], &q);
        uint8_t m[1024];
        size_t n;

        memcpy(m, stage12_next(&s, &n), sizeof m - 1);
        assert_true(n < sizeof m);
        m[n] = 0;
        hand12_give(&s.hand, s.e, CT_HANDSHAKE, m, n + 1);
        assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(s.e->done, 0);
        stage12_free(&s);
    }
}

/* threats 2, 3: the genuine flights without one or two of their messages. */
static void threat_03_dropped_messages(void **state)
{
    static const char *const drops[] = { "\x0b",     "\x0c",     "\x0d",        "\x0e",
                                         "\x0f",     "\x10",     "\x04",        "\x14",
                                         "\x0b\x0f", "\x0b\x0c", "\x0b\x10\x0f" };

    (void)state;
    for (size_t i = 0; i < sizeof drops / sizeof *drops; i++) {
        for (int kind = 0; kind < 3; kind++) {
            for (int server = 0; server < 2; server++) {
                struct pair_params q = params(kind == 0 ? ECDHE : RSA);
                struct stage12 s;
                bool dropped = false;

                q.suite = kind == 2 ? SUITE_DHE : q.suite;
                s = stage12_new(server ? TLS_SERVER : TLS_CLIENT, &q);
                while (s.e->done == 0 && s.e->rc == 0 && s.peer->rc == 0 &&
                       (s.at < s.n || !dropped)) {
                    size_t n;
                    const uint8_t *m = stage12_next(&s, &n);

                    if (!is_ccs(m) && strchr(drops[i], m[0])) {
                        dropped = true;
                        continue;
                    }
                    stage12_give(&s, m, n);
                }
                /* A request that is not seen makes a transcript that is not the server's. */
                assert_int_equal(s.e->done == 0, dropped);
                if (dropped && drops[i][0] != HS_FINISHED && drops[i][0] != 13 &&
                    drops[i][0] != 14) {
                    assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
                }
                stage12_free(&s);
            }
        }
    }
}

/* threat 3: however it got there, nobody is connected who has not proved all. */
static void threat_03_proof_mask(void **state)
{
    static const unsigned proofs[] = { PROVES_CHAIN, PROVES_POSSESSION };

    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct pair_params q = params(ECDHE);
        struct stage12 s = stage12_at(i & 1 ? S12_WAIT_FINISHED : C12_WAIT_FINISHED, &q);
        size_t n;
        const uint8_t *m = stage12_next(&s, &n);

        assert_int_equal(s.e->t->hs.proves, PROVES_CHAIN | PROVES_POSSESSION);
        s.e->t->hs.proves &= ~proofs[i / 2];
        stage12_give(&s, m, n);
        assert_refused(s.e, ALERT_INTERNAL_ERROR);
        assert_int_equal(s.e->done, 0);
        stage12_free(&s);
    }
}

/* threat 3: a server that asks but does not insist takes an empty Certificate, and nothing else. */
static void threat_03_empty_certificate(void **state)
{
    static const uint8_t empty[] = { HS_CERTIFICATE, 0, 0, 3, 0, 0, 0 };

    (void)state;
    for (int auth = CLIENT_AUTH_REQUEST; auth <= CLIENT_AUTH_REQUIRE; auth++) {
        struct pair_params q = params(ECDHE);
        struct stage12 s;

        q.auth = (enum client_auth)auth;
        s = stage12_at(S12_WAIT_CERT, &q);
        stage12_give(&s, empty, sizeof empty);
        if (auth == CLIENT_AUTH_REQUIRE) {
            assert_refused(s.e, ALERT_HANDSHAKE_FAILURE);
        } else {
            size_t n;
            const uint8_t *m = stage12_next(&s, &n); /* Certificate: dropped */

            m = stage12_next(&s, &n);
            stage12_give(&s, m, n);
            assert_int_equal(s.e->t->hs.state, S12_WAIT_CCS);
            m = stage12_next(&s, &n); /* CertificateVerify of no certificate */
            stage12_give(&s, m, n);
            assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
        }
        stage12_free(&s);
    }
}

static int setup(void **state)
{
    tickets = ticket_keys_new(3600 * 1000);
    return tickets ? pki_make(state) : -1;
}

static int teardown(void **state)
{
    ticket_keys_unref(tickets);
    return pki_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_the_graph),
        cmocka_unit_test(test_rows_agree),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(threat_03_every_way_of_a_server_proves_enough),
        cmocka_unit_test(threat_03_every_way_of_a_client_proves_enough),
        cmocka_unit_test(threat_03_rows),
        cmocka_unit_test(threat_02_every_message_in_every_state),
        cmocka_unit_test(threat_01_change_cipher_spec),
        cmocka_unit_test(threat_09_other_records),
        cmocka_unit_test(threat_08_bytes_behind),
        cmocka_unit_test(threat_03_dropped_messages),
        cmocka_unit_test(threat_03_proof_mask),
        cmocka_unit_test(threat_03_empty_certificate),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
