/* SPDX-License-Identifier: ISC */
/* What RFC 8446 sections 4.2 and 4.2.1 demand: every extension in every message, the right ones,
 * the wrong ones and those that nobody asked for; and which version comes of supported_versions. */
#include "tests/handshake/craft13.h"
#include "tests/handshake/resume13.h"

static uint8_t wire[WIRE_MAX];
static struct craft a, b, c;
static struct stage *stage;
static uint8_t opened[WIRE_MAX];

/* ---- the table of section 4.2, by hand ---- */
enum { CH = 1, SH = 2, EE = 4, CT = 8, CR = 16, NST = 32, HRR = 64 };
static const struct {
    unsigned id, where;
} table[] = {
    { 0, CH | EE },
    { 1, CH | EE },
    { 5, CH | CR | CT },
    { 10, CH | EE },
    { 13, CH | CR },
    { 16, CH | EE },
    { 18, CH | CR | CT },
    { 51, CH | SH | HRR },
    { 41, CH | SH },
    { 45, CH },
    { 42, CH | EE | NST },
    { 44, CH | HRR },
    { 43, CH | SH | HRR },
    { 47, CH | CR },
    { 48, CR },
    { 49, CH },
    { 50, CH | CR },
    { 28, CH | EE }, /* RFC 8449 */
    { 27, CH | CR }, /* RFC 8879 */
    { 11, CH },
    { 22, CH },
    { 23, CH },
    { 35, CH },
    { 0xff01, CH }, /* TLS 1.2 */
};
#define NTABLE (sizeof table / sizeof *table)
/* In the table of the RFC, but not known here: use_srtp, heartbeat, certificate types, padding; and
 * in no table. */
static const unsigned unknown[] = { 14, 15, 19, 20, 21, 2, 1000, 0x0a0a, 0xfafa, 0xffff };
#define NUNKNOWN (sizeof unknown / sizeof *unknown)

static const struct pair_params bare = { .client_suites = { 0x1301 }, .no_tickets = true };

/* Client and server with all that they have an extension for. */
static struct pair_params rich(void)
{
    return (struct pair_params){ .client_suites = { 0x1301 },
                                 .client_alpn = { "a" },
                                 .server_alpn = { "a" },
                                 .status = "response",
                                 .record_limit = { 4096, 4096 },
                                 .pack = { [TLS_SERVER] = true },
                                 .auth = CLIENT_AUTH_REQUEST,
                                 .client_id = true,
                                 .post_auth = true,
                                 .tickets = keys };
}

/* No RFC asks for another alert than these two, or finds fault with anything but an empty body. */
static enum alert answer_alert(unsigned id, unsigned where, const struct craft *asked)
{
    for (size_t i = 0; i < NTABLE; i++) {
        if (table[i].id == id && !(table[i].where & where)) {
            return ALERT_ILLEGAL_PARAMETER;
        }
    }
    if (asked && craft_find(asked, id)) {
        return ALERT_NONE;
    }
    return where == HRR && id == EXT_COOKIE ? ALERT_NONE : ALERT_UNSUPPORTED_EXTENSION;
}

static enum alert request_alert(unsigned id, unsigned where)
{
    enum alert alert = answer_alert(id, where, NULL);

    return alert == ALERT_UNSUPPORTED_EXTENSION ? ALERT_NONE : alert;
}

static void assert_came(const struct end *e, enum alert want)
{
    if (want != ALERT_NONE) {
        assert_refused(e, want);
    } else if (e->rc != 0) {
        assert_refused(e, ALERT_DECODE_ERROR); /* its body is empty */
    }
}

static unsigned id_at(size_t i)
{
    return i < NTABLE ? table[i].id : unknown[i - NTABLE];
}

/* ---- answers to a client ---- */
static void into_hello(const struct pair_params *q, unsigned id, bool retry)
{
    struct pair *p = pair_new(q);

    craft_take(&p->c, &a);
    if (retry) {
        craft_retry(&b, &p->c, 0x1301);
    } else {
        craft_give(&p->s, &a);
        craft_take(&p->s, &b);
    }
    if (!craft_find(&b, id)) {
        craft_add(&b, id, "", 0);
        craft_give(&p->c, &b);
        assert_came(&p->c, answer_alert(id, retry ? HRR : SH, &a));
        assert_true(p->c.rc != 0);
    }
    pair_free(p);
}

static void into_flight(const struct pair_params *q, unsigned id, unsigned type, unsigned where)
{
    struct pair *p = pair_new(q);

    craft_take(&p->c, &a); /* what such a client asks for */
    pair_free(p);
    stage = lead_client(q);
    craft_of(&b, stage_until(stage, type));
    if (!craft_find(&b, id)) {
        craft_add(&b, id, "", 0);
        stage_give(stage, b.m, b.n);
        assert_came(&stage->p->c,
                    where == CR ? request_alert(id, where) : answer_alert(id, where, &a));
    }
    stage_free(stage);
}

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < NTABLE + NUNKNOWN; i++) {
        for (unsigned much = 0; much < 2; much++) {
            const struct pair_params q = much ? rich() : bare;

            into_hello(&q, id_at(i), false);
            into_hello(&q, id_at(i), true);
            into_flight(&q, id_at(i), HS_ENCRYPTED_EXTENSIONS, EE);
            into_flight(&q, id_at(i), HS_CERTIFICATE, CT);
        }
    }
}

/* Behind the certificate of a client: our request asks for nothing there. */
static struct pair *client_certificate(struct craft *m, struct hand *h)
{
    const struct pair_params q = rich();
    struct pair *p = pair_new(&q);
    struct hand open;
    size_t clear, n;

    end_give(&p->s, wire, end_take(&p->c, wire));
    end_give(&p->c, wire, end_take(&p->s, wire));
    open = hand_new(p, SECRET_CH, false);
    n = end_take(&p->c, wire);
    (void)flight_open(&open, wire, n, opened, &clear);
    craft_of(m, opened);
    assert_int_equal(m->m[0], HS_CERTIFICATE);
    *h = hand_new(p, SECRET_CH, true);
    hand_free(&open);
    return p;
}

static void test_answers_to_server(void **state)
{
    (void)state;
    for (size_t i = 0; i <= NTABLE + NUNKNOWN; i++) {
        struct hand h;
        struct pair *p = client_certificate(&b, &h);

        if (i < NTABLE + NUNKNOWN) {
            craft_add(&b, id_at(i), "", 0);
        }
        hand_give(&h, &p->s, CT_HANDSHAKE, b.m, b.n);
        if (i < NTABLE + NUNKNOWN) {
            assert_came(&p->s, answer_alert(id_at(i), CT, NULL));
            assert_true(p->s.rc != 0);
        } else {
            assert_int_equal(p->s.rc, 0);
        }
        hand_free(&h);
        pair_free(p);
    }
}

/* ---- requests ---- */
static struct pair *fresh_ticket(struct craft *m, struct hand *h)
{
    const struct pair_params q = rich();
    struct pair *p = pair_new(&q);
    struct hand open;
    size_t clear, n;

    end_give(&p->s, wire, end_take(&p->c, wire));
    end_give(&p->c, wire, end_take(&p->s, wire));
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_true(p->c.done == 1 && p->s.done == 1);
    n = end_take(&p->s, wire);
    open = hand_new(p, SECRET_SA, false);
    (void)flight_open(&open, wire, n, opened, &clear);
    craft_of(m, opened);
    assert_int_equal(m->m[0], HS_NEW_SESSION_TICKET);
    *h = hand_new(p, SECRET_SA, true);
    hand_free(&open);
    return p;
}

static void test_requests(void **state)
{
    const struct pair_params q = rich();

    (void)state;
    for (size_t i = 0; i < NTABLE + NUNKNOWN; i++) {
        unsigned id = id_at(i);
        struct pair *p = pair_new(&q);
        struct hand h;

        craft_take(&p->c, &a);
        if (!craft_find(&a, id)) {
            craft_insert(&a, id == EXT_PRE_SHARED_KEY ? a.n : a.ext + 2, id, "", 0);
            craft_give(&p->s, &a);
            assert_came(&p->s, request_alert(id, CH));
            assert_true(i < NTABLE || p->s.rc == 0); /* unknown ones are ignored */
        }
        pair_free(p);
        into_flight(&q, id, HS_CERTIFICATE_REQUEST, CR);
        p = fresh_ticket(&b, &h);
        craft_add(&b, id, "", 0);
        hand_give(&h, &p->c, CT_HANDSHAKE, b.m, b.n);
        assert_came(&p->c, request_alert(id, NST));
        assert_true(i < NTABLE || p->c.rc == 0);
        hand_free(&h);
        pair_free(p);
    }
}

/* ---- what we send ourselves ---- */
/* Each where it belongs, and once. */
static void assert_ours(const struct craft *m, unsigned where)
{
    for (size_t at = m->ext + 2; at < m->n; at += 4 + get16(m->m + at + 2)) {
        unsigned id = (unsigned)get16(m->m + at);

        assert_int_equal(craft_find(m, id), at);
        if ((id & 0x0f0f) != 0x0a0a) { /* of RFC 8701: the two that mean nothing */
            assert_int_not_equal(answer_alert(id, where, NULL), ALERT_ILLEGAL_PARAMETER);
        }
    }
}

/* And pre_shared_key is the last in a hello. */
static void test_ours(void **state)
{
    struct pair_params q = rich();
    struct hand h;
    struct pair *p;

    (void)state;
    q.grease = true;
    for (unsigned again = 0; again < 2; again++) {
        p = pair_new(&q);
        craft_take(&p->c, &a);
        assert_ours(&a, CH);
        pair_free(p);
        if (again) {
            const struct span psk = craft_body(&a, EXT_PRE_SHARED_KEY);

            assert_ptr_equal(psk.p + psk.n, a.m + a.n);
            session_unref(q.resume);
        } else {
            q.resume = first(&q);
        }
    }
    q = rich();
    stage = lead_client(&q);
    for (size_t at = 0; at < stage->n; at += message_size(stage->m + at)) {
        static const uint8_t where[] = {
            [HS_SERVER_HELLO] = SH,        [HS_ENCRYPTED_EXTENSIONS] = EE, [HS_CERTIFICATE] = CT,
            [HS_CERTIFICATE_REQUEST] = CR, [HS_CERTIFICATE_VERIFY] = 0,    [HS_FINISHED] = 0
        };

        if (where[stage->m[at]]) {
            craft_of(&b, stage->m + at);
            assert_true(b.n > b.ext + 2);
            assert_ours(&b, where[stage->m[at]]);
        }
    }
    stage_free(stage);
    p = client_certificate(&b, &h);
    assert_ours(&b, CT);
    hand_free(&h);
    pair_free(p);
    p = fresh_ticket(&b, &h);
    assert_ours(&b, NST);
    hand_free(&h);
    pair_free(p);
}

static void test_two_of_a_type(void **state)
{
    static const unsigned types[] = { HS_ENCRYPTED_EXTENSIONS, HS_CERTIFICATE_REQUEST,
                                      HS_CERTIFICATE };
    static const uint8_t response[] = { 1, 0, 0, 1, 'r' };
    const struct pair_params q = rich();
    struct pair *p;
    struct hand h;

    (void)state;
    for (unsigned i = 0; i < 3; i++) { /* an unknown one, a known one, SH and HRR */
        struct span again;

        p = pair_new(&q);
        craft_take(&p->c, &a);
        if (i == 0) {
            craft_insert(&a, a.ext + 2, 0xfafa, "", 0);
            craft_insert(&a, a.ext + 2, 0xfafa, "x", 1);
        } else if (i == 1) {
            again = craft_body(&a, EXT_SUPPORTED_GROUPS);
            memcpy(wire, again.p, again.n);
            craft_add(&a, EXT_SUPPORTED_GROUPS, wire, again.n);
        } else {
            craft_give(&p->s, &a);
            craft_take(&p->s, &b);
            craft_add(&b, EXT_SUPPORTED_VERSIONS, "\3\4", 2);
            craft_give(&p->c, &b);
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
            pair_free(p);
            p = pair_new(&q);
            craft_take(&p->c, &a);
            craft_retry(&b, &p->c, 0x1301);
            craft_add(&b, EXT_COOKIE, "\0\1c", 3);
            craft_add(&b, EXT_COOKIE, "\0\1c", 3);
            craft_give(&p->c, &b);
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
            pair_free(p);
            continue;
        }
        craft_give(&p->s, &a);
        assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        pair_free(p);
    }
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned times = 1; times <= 2; times++) {
            stage = lead_client(&q);
            craft_of(&b, stage_until(stage, types[i]));
            for (unsigned t = types[i] == HS_CERTIFICATE; t < times; t++) {
                craft_add(&b,
                          i == 0   ? EXT_SUPPORTED_GROUPS
                          : i == 1 ? 0xfafa
                                   : EXT_STATUS_REQUEST,
                          i == 0 ? (const void *)"\0\2\0\x1d" : response, i == 0 ? 4 : 5);
            }
            stage_give(stage, b.m, b.n);
            if (times == 1) {
                assert_int_equal(stage->p->c.rc, 0);
            } else {
                assert_refused(&stage->p->c, ALERT_ILLEGAL_PARAMETER);
            }
            stage_free(stage);
        }
    }
    p = fresh_ticket(&b, &h);
    craft_add(&b, 0xfafa, "", 0);
    craft_add(&b, 0xfafa, "", 0);
    hand_give(&h, &p->c, CT_HANDSHAKE, b.m, b.n);
    assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
    hand_free(&h);
    pair_free(p);
}

/* ---- a client that asks for nothing ---- */
static void test_nothing_unasked(void **state)
{
    static const unsigned needed[] = { EXT_SUPPORTED_VERSIONS, EXT_SUPPORTED_GROUPS,
                                       EXT_SIGNATURE_ALGORITHMS, EXT_KEY_SHARE };
    const struct pair_params q = rich();

    (void)state;
    for (unsigned asks = 0; asks < 2; asks++) {
        struct pair *p = pair_new(&q);
        struct hand open;
        size_t n, clear;

        craft_take(&p->c, &c);
        if (!asks) {
            a = c;
            a.n = a.ext + 2;
            for (size_t i = 0; i < 4; i++) {
                struct span body = craft_body(&c, needed[i]);

                craft_add(&a, needed[i], body.p, body.n);
            }
            craft_give(&p->s, &a);
        } else {
            craft_give(&p->s, &c);
        }
        assert_int_equal(p->s.rc, 0);
        n = end_take(&p->s, wire);
        open = hand_new(p, SECRET_SH, false);
        n = flight_open(&open, wire, n, opened, &clear);
        hand_free(&open);
        for (size_t at = 0; at < n; at += message_size(opened + at)) {
            if (opened[at] == HS_SERVER_HELLO) {
                craft_of(&b, opened + at);
                assert_int_equal(b.n - b.ext, 2 + 6 + 4 + 4 + 32); /* version, share */
            } else if (opened[at] == HS_ENCRYPTED_EXTENSIONS || opened[at] == HS_CERTIFICATE) {
                craft_of(&b, opened + at);
                assert_int_equal(b.n - b.ext > 2, asks);
            }
        }
        pair_free(p);
    }
}

/* ---- supported_versions (section 4.2.1) ---- */
static void test_versions_of_client(void **state)
{
    static const struct {
        uint16_t suite;
        unsigned max;
        struct span want;
    } rows[] = { { 0, 0, { (const uint8_t *)"\4\3\4\3\3", 5 } },
                 { 0x1301, 0, { (const uint8_t *)"\2\3\4", 3 } }, /* TLS 1.2 has no such suite */
                 { 0, TLS_1_2, { NULL, 0 } } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct pair *p = pair_new(
            &(struct pair_params){ .client_suites = { rows[i].suite }, .client_max = rows[i].max });

        craft_take(&p->c, &a);
        if (rows[i].want.n) {
            assert_true(span_eq(craft_body(&a, EXT_SUPPORTED_VERSIONS), rows[i].want));
        } else {
            assert_int_equal(craft_find(&a, EXT_SUPPORTED_VERSIONS), 0);
        }
        pair_free(p);
    }
}

/* What comes of a client's list, whatever the version in its hello. */
static void test_versions_of_server(void **state)
{
    static const struct {
        const char *list;
        size_t n; /* 0: without the extension */
        unsigned server_max;
        unsigned want; /* 0: protocol_version */
    } rows[] = {
        { "\4\3\4\3\3", 5, 0, TLS_1_3 },
        { "\4\3\3\3\4", 5, 0, TLS_1_3 }, /* ours is the choice */
        { "\2\3\4", 3, 0, TLS_1_3 },
        { "\2\3\3", 3, 0, TLS_1_2 }, /* present, and without TLS 1.3 */
        { "\4\3\4\3\3", 5, TLS_1_2, TLS_1_2 },
        { "\2\3\4", 3, TLS_1_2, 0 },
        { "\4\3\4\3\2", 5, TLS_1_2, 0 }, /* nothing between them */
        { "\4\3\2\3\1", 5, 0, 0 },
        { "\2\3\5", 3, 0, 0 },
        { "\2\x7f\x1c", 3, 0, 0 }, /* a draft */
        { "\xa\xa\xa\3\5\x7f\x1c\3\4\xff\xff", 11, 0, TLS_1_3 },
        { "\xa\xa\xa\3\5\x7f\x1c\3\3\xff\xff", 11, 0, TLS_1_2 },
        { "", 0, 0, TLS_1_2 },
        { "", 0, TLS_1_2, TLS_1_2 },
    };
    static const unsigned legacy[] = { 0x0301, 0x0302, 0x0303, 0x0304, 0x0305, 0xffff };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t v = 0; v < sizeof legacy / sizeof *legacy; v++) {
            struct pair *p = pair_new(&(struct pair_params){ .server_max = rows[i].server_max });
            unsigned want = rows[i].want;

            craft_take(&p->c, &a);
            put16(a.m + HS_HEADER, legacy[v]);
            if (rows[i].n) {
                craft_set(&a, EXT_SUPPORTED_VERSIONS, rows[i].list, rows[i].n);
            } else { /* then it is the version in the hello that counts */
                craft_cut(&a, EXT_SUPPORTED_VERSIONS);
                want = legacy[v] < TLS_1_2 ? 0 : want;
            }
            craft_give(&p->s, &a);
            if (want == 0) {
                assert_refused(&p->s, ALERT_PROTOCOL_VERSION);
                pair_free(p);
                continue;
            }
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.t->hs.version, want);
            craft_of(&b, (end_take(&p->s, wire), wire + REC_HEADER));
            assert_int_equal(get16(b.m + HS_HEADER), 0x0303);
            if (want == TLS_1_3) {
                assert_true(span_eq(craft_body(&b, EXT_SUPPORTED_VERSIONS), span_of("\3\4", 2)));
            } else {
                assert_int_equal(craft_find(&b, EXT_SUPPORTED_VERSIONS), 0);
            }
            pair_free(p);
        }
    }
}

/* The extension alone says what a ServerHello is. */
static void test_versions_in_server_hello(void **state)
{
    static const unsigned legacy[] = { 0x0301, 0x0302, 0x0303, 0x0304, 0x0305, 0xffff };
    static const char *const chosen[] = {
        "\3\0", "\3\1", "\3\2", "\3\3", "\3\4", "\3\5", "\x7f\x1c"
    };

    (void)state;
    for (size_t v = 0; v < sizeof legacy / sizeof *legacy; v++) {
        for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++) {
            for (unsigned only13 = 0; only13 < 2; only13++) {
                struct pair *p =
                    pair_new(&(struct pair_params){ .client_suites = { only13 ? 0x1301 : 0 } });

                craft_take(&p->c, &a);
                craft_give(&p->s, &a);
                craft_take(&p->s, &b);
                put16(b.m + HS_HEADER, legacy[v]);
                craft_set(&b, EXT_SUPPORTED_VERSIONS, chosen[i], 2);
                craft_give(&p->c, &b);
                if (i == 4) {
                    assert_int_equal(p->c.rc, 0);
                    assert_int_equal(p->c.t->hs.version, TLS_1_3);
                } else {
                    assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
                }
                pair_free(p);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_to_server),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_two_of_a_type),
        cmocka_unit_test(test_nothing_unasked),
        cmocka_unit_test(test_versions_of_client),
        cmocka_unit_test(test_versions_of_server),
        cmocka_unit_test(test_versions_in_server_hello),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
