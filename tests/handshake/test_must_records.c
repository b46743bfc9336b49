/* SPDX-License-Identifier: ISC */
/* RFC 8446 section 5: every record that this library sends, in whatever situation, looks as it
 * must; and records of others that must not be. */
#include "tests/handshake/must.h"
#include "tests/handshake/resume13.h"

static uint8_t wire[WIRE_MAX], m[WIRE_MAX], data[40000];

/* ---- a listener on the wire ---- */
struct ear {
    const struct pair *p;
    enum tls_role from;
    struct hand hand;                      /* of its keys now; aead NULL: none yet */
    int secret;                            /* where they are from */
    size_t hellos, messages, alerts, open; /* open: bytes of an unfinished message */
    uint8_t part[WIRE_MAX];
    bool retried, ended; /* ended: after its close_notify or fatal alert */
};

static void ear_keys(struct ear *e, int secret)
{
    hand_free(&e->hand);
    e->secret = secret;
    e->hand = hand_new(e->p, secret, false);
}

/* A whole message, and whether its record ends with it. */
static void hear_message(struct ear *e, const uint8_t *p, bool aligned)
{
    bool client = e->from == TLS_CLIENT;

    e->messages++;
    assert_true(client || p[0] != HS_END_OF_EARLY_DATA);
    switch (p[0]) {
    case HS_CLIENT_HELLO:
        assert_true(aligned);
        e->hellos++;
        break;
    case HS_SERVER_HELLO:
        assert_true(aligned);
        e->retried = memcmp(p + HS_HEADER + 2, hello_retry_random, RANDOM_SIZE) == 0;
        if (!e->retried) {
            ear_keys(e, SECRET_SH);
        }
        break;
    case HS_FINISHED:
        if (e->secret == SECRET_CH || e->secret == SECRET_SH) {
            assert_true(aligned);
            ear_keys(e, client ? SECRET_CA : SECRET_SA);
        }
        break;
    case HS_KEY_UPDATE:
        assert_true(aligned);
        hand_next(&e->hand);
        break;
    default:
        break;
    }
}

static void hear_handshake(struct ear *e, const uint8_t *p, size_t n)
{
    size_t at = 0;

    assert_true(n > 0);
    memcpy(e->part + e->open, p, n);
    e->open += n;
    while (e->open - at >= HS_HEADER && e->open - at >= message_size(e->part + at)) {
        size_t size = message_size(e->part + at);

        hear_message(e, e->part + at, at + size == e->open);
        at += size;
    }
    e->open -= at;
    memmove(e->part, e->part + at, e->open);
}

static void hear_content(struct ear *e, unsigned type, const uint8_t *p, size_t n, bool sealed)
{
    assert_false(e->ended);
    assert_true(type == CT_HANDSHAKE || e->open == 0); /* nothing inside a message */
    switch (type) {
    case CT_HANDSHAKE:
        hear_handshake(e, p, n);
        break;
    case CT_ALERT:
        assert_int_equal(n, 2);
        assert_int_equal(p[0], p[1] == ALERT_CLOSE_NOTIFY ? 1 : 2);
        e->ended = true;
        e->alerts++;
        break;
    case CT_APPLICATION_DATA:
        assert_true(sealed && (e->secret == SECRET_CA || e->secret == SECRET_SA));
        break;
    default: /* change_cipher_spec: in clear, one byte, not behind our Finished */
        assert_int_equal(type, CT_CHANGE_CIPHER_SPEC);
        assert_true(!sealed && n == 1 && p[0] == 1);
        assert_true(e->secret != SECRET_CA && e->secret != SECRET_SA);
    }
}

/* One record: header, limits, padding of zeros. */
static size_t hear_record(struct ear *e, const uint8_t *r, size_t n)
{
    size_t len = (size_t)r[3] << 8 | r[4], content;
    struct mspan plain = { m, 0 };
    uint8_t nonce[AEAD_IV];

    assert_true(n >= REC_HEADER && n - REC_HEADER >= len && len > 0);
    assert_int_equal(r[1], 3);
    assert_int_equal(r[2], e->from == TLS_CLIENT && e->hellos == 0 ? 1 : 3);
    if (r[0] != CT_APPLICATION_DATA) {
        assert_true(len <= REC_PLAIN_MAX);
        assert_true(!e->hand.aead || r[0] == CT_CHANGE_CIPHER_SPEC);
        hear_content(e, r[0], r + REC_HEADER, len, false);
        return REC_HEADER + len;
    }
    assert_true(len > AEAD_TAG && len <= REC_PLAIN_MAX + 256);
    if (!e->hand.aead) { /* the client's first sealed record: the keys of its handshake */
        assert_int_equal(e->from, TLS_CLIENT);
        ear_keys(e, SECRET_CH);
    }
    plain.n = len - AEAD_TAG;
    assert_true(plain.n <= REC_PLAIN_MAX + 1);
    hand_nonce(&e->hand, nonce);
    e->hand.seq++;
    assert_int_equal(aead_open(e->hand.aead, nonce, span_of(r, REC_HEADER),
                               span_of(r + REC_HEADER, len), &plain, 1),
                     0);
    for (content = plain.n; content > 0 && m[content - 1] == 0;) {
        content--;
    }
    assert_true(content > 0);
    hear_content(e, m[content - 1], m, content - 1, true);
    return REC_HEADER + len;
}

static size_t hear(struct ear *e, struct end *from, struct end *to)
{
    static uint8_t said[WIRE_MAX];
    size_t n = end_take(from, said);

    for (size_t at = 0; at < n;) {
        at += hear_record(e, said + at, n - at);
    }
    end_give(to, said, n);
    return n;
}

static void hear_data(struct ear *e, struct end *from, struct end *to, size_t n)
{
    static uint8_t said[WIRE_MAX];
    size_t len;

    to->ngot = 0;
    (void)hear(e, from, to);
    len = end_seal(from, data, n, said);
    for (size_t at = 0; at < len;) {
        at += hear_record(e, said + at, len - at);
    }
    end_give(to, said, len);
    assert_int_equal(to->ngot, n);
}

static void hear_both(struct pair *p, struct ear ears[2])
{
    while (hear(&ears[TLS_CLIENT], &p->c, &p->s) + hear(&ears[TLS_SERVER], &p->s, &p->c) > 0) {
    }
}

/* A connection with all there is in it. how: what goes wrong at the end, if anything. */
enum how { CLOSED, ABORTED, BROKEN };

static void whole_life(const struct pair_params *q, enum how how)
{
    static struct ear ears[2];
    struct pair *p = pair_new(q);
    struct ear *c = &ears[TLS_CLIENT], *s = &ears[TLS_SERVER];

    for (int i = 0; i < 2; i++) {
        ears[i] = (struct ear){ .p = p, .from = (enum tls_role)i, .secret = -1 };
    }
    hear_both(p, ears);
    assert_true(p->c.rc == 0 && p->s.rc == 0 && p->c.done == 1 && p->s.done == 1);
    hear_data(c, &p->c, &p->s, 1);
    hear_data(s, &p->s, &p->c, sizeof data);
    assert_int_equal(tls_key_update(p->c.t, true), 0);
    hear_data(c, &p->c, &p->s, 0);
    hear_both(p, ears);
    if (q->post_auth) {
        assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
        hear_both(p, ears);
        assert_int_equal(p->s.done, 2);
    }
    hear_data(s, &p->s, &p->c, 16384);
    hear_data(c, &p->c, &p->s, 16385);
    if (how == ABORTED) {
        tls_abort(p->s.t, ALERT_INTERNAL_ERROR, "enough");
    } else if (how == BROKEN) {
        give_clear(&p->s, CT_APPLICATION_DATA, data, 40);
        assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
    } else {
        assert_int_equal(tls_close(p->c.t), 0);
        assert_int_equal(tls_close(p->s.t), 0);
    }
    hear_both(p, ears);
    assert_int_equal(s->alerts, 1);
    assert_int_equal(c->alerts, how == CLOSED);
    assert_true(c->messages >= 2 && s->messages >= 3);
    hand_free(&c->hand);
    hand_free(&s->hand);
    pair_free(p);
}

static void test_what_we_send(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3 * 2 * 2 * 2 * 4; i++) {
        struct pair_params q = usual(NULL);
        unsigned rest = i / 24;

        q.suite = (uint16_t)(0x1301 + i % 3);
        q.client_groups[0] = 29;
        q.client_groups[1] = 23;
        q.server_groups[0] = i / 3 % 2 ? 23 : 29; /* with a retry */
        q.resume = i / 6 % 2 ? first(&q) : NULL;
        q.auth = i / 12 % 2 ? CLIENT_AUTH_REQUEST : CLIENT_AUTH_NONE;
        q.client_id = q.post_auth = true;
        q.padding[TLS_CLIENT] = q.padding[TLS_SERVER] = rest == 1 ? 256 : 0;
        q.record_limit[TLS_CLIENT] = q.record_limit[TLS_SERVER] = rest == 2 ? 64 : 0;
        q.small_records = rest == 3;
        whole_life(&q, (enum how)((i + i / 3) % 3));
        session_unref(q.resume);
    }
}

/* ---- what is not taken ---- */
/* In every state that has its own keys, records of every type. */
static void test_types(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        for (unsigned how = 0; how < 3; how++) {
            struct stage *s = lead_client(NULL);

            if (type >= 20 && type <= 23) {
                stage_free(s);
                continue;
            }
            if (how == 0) { /* in clear */
                give_clear(s->e, (uint8_t)type, "\1\0", 2);
            } else { /* sealed, and in clear behind keys */
                stage_until(s, HS_CERTIFICATE);
                if (how == 1) {
                    hand_give(&s->hand, s->e, (uint8_t)type, "\1", type != 0);
                } else {
                    give_clear(s->e, (uint8_t)type, "\1\0", 2);
                }
            }
            assert_refused(s->e, ALERT_UNEXPECTED_MESSAGE);
            stage_free(s);
        }
    }
}

/* Section 5.4: neither handshake nor alert without content, whatever the padding; and padding all
 * through is no record. */
static void test_empty(void **state)
{
    static const uint8_t types[] = { 0, CT_ALERT, CT_HANDSHAKE };

    (void)state;
    for (size_t i = 0; i < sizeof types; i++) {
        for (size_t pad = 0; pad <= 16384; pad = pad * 8 + 1) {
            struct pair *p = pair_connected(NULL);
            struct hand h = hand_new(p, SECRET_CA, true);

            end_give(&p->s, wire, hand_seal(&h, types[i], data, 0, pad, wire));
            assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
            hand_free(&h);
            pair_free(p);
        }
    }
}

/* Section 5.1: exactly one alert in a record. */
static void test_alert_records(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 4; n++) {
        for (int clear = 0; clear < 2; clear++) {
            struct pair *p = clear ? pair_new(NULL) : pair_connected(NULL);
            struct hand h = { 0 };

            if (clear) {
                give_clear(&p->s, CT_ALERT, "\2\x28\2\x28", n);
            } else {
                h = hand_new(p, SECRET_CA, true);
                hand_give(&h, &p->s, CT_ALERT, "\2\x28\2\x28", n);
            }
            if (n == 2) {
                assert_int_equal(p->s.rc, ERR_PEER_ALERT);
            } else {
                assert_refused(&p->s, n ? ALERT_DECODE_ERROR : ALERT_UNEXPECTED_MESSAGE);
            }
            hand_free(&h);
            pair_free(p);
        }
    }
}

/* Section 5.1: the version of a record says nothing. Before TLS 1.3 is agreed on its first byte is
 * how TLS is known (RFC 5246 appendix E.1). */
static void test_versions(void **state)
{
    static const uint16_t versions[] = { 0x0000, 0x0300, 0x0301, 0x0302, 0x0303,
                                         0x0304, 0x03ff, 0x7f1c, 0xfefd, 0xffff };

    (void)state;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct pair *p = pair_connected(NULL);
        size_t n = end_seal(&p->c, "data", 4, wire);
        bool tls = versions[i] >> 8 == 3;

        wire[1] = (uint8_t)(versions[i] >> 8);
        wire[2] = (uint8_t)versions[i];
        end_give(&p->s, wire, n);
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(p->s.ngot, 4);
        pair_free(p);
        for (int server = 0; server < 2; server++) { /* the hellos, and all behind them */
            p = pair_new(NULL);
            n = end_take(&p->c, wire);
            if (!server) {
                end_give(&p->s, wire, n);
                n = end_take(&p->s, wire);
            }
            for (size_t at = 0; at < n;
                 at += REC_HEADER + ((size_t)wire[at + 3] << 8 | wire[at + 4])) {
                wire[at + 1] = tls || at ? (uint8_t)(versions[i] >> 8) : 3;
                wire[at + 2] = (uint8_t)versions[i];
            }
            end_give(server ? &p->s : &p->c, wire, n);
            pair_run(p, WIRE_MAX);
            assert_true(p->c.done == 1 && p->s.done == 1);
            pair_free(p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_we_send), cmocka_unit_test(test_types),
        cmocka_unit_test(test_empty),        cmocka_unit_test(test_alert_records),
        cmocka_unit_test(test_versions),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
