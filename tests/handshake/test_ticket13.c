/* SPDX-License-Identifier: ISC */
/* NewSessionTicket: what a server gives and a client takes (RFC 8446 section 4.6.1). */
#include "tests/handshake/resume13.h"

static uint8_t wire[WIRE_MAX], copy[WIRE_MAX];

/* In one flight behind the client's Finished, no two alike; a resumed one gives as many. */
static void given(unsigned count, unsigned want)
{
    struct pair_params q = usual(NULL);

    q.count = count;
    for (unsigned round = 0; round < 2; round++) {
        struct pair *p = pair_new(&q);
        struct hand open;
        size_t n, clear, size;

        end_give(&p->s, wire, end_take(&p->c, wire));
        end_give(&p->c, wire, end_take(&p->s, wire));
        end_give(&p->s, wire, end_take(&p->c, wire));
        assert_int_equal(p->s.done, 1);
        open = hand_new(p, SECRET_SA, false);
        n = end_take(&p->s, wire);
        memcpy(copy, wire, n);
        end_give(&p->c, copy, n);
        session_unref(q.resume);
        q.resume = tls_session(p->c.t);
        assert_int_equal(q.resume != NULL, want > 0);
        n = flight_open(&open, wire, n, copy, &clear);
        hand_free(&open);
        size = want ? message_size(copy) : 0;
        assert_int_equal(n, want * size);
        for (size_t i = 0; i < want; i++) {
            const uint8_t *m = copy + i * size;

            assert_int_equal(m[0], HS_NEW_SESSION_TICKET);
            assert_int_equal(m[6] << 8 | m[7], LIFE);
            for (const uint8_t *k = copy; k < m; k += size) {
                assert_memory_not_equal(k + 8, m + 8, 4);   /* age_add */
                assert_memory_not_equal(k + 12, m + 12, 5); /* nonce */
                assert_memory_not_equal(k + 17, m + 17, 34);
            }
        }
        assert_int_equal(resumed(&p->c), round && want);
        pair_free(p);
    }
    session_unref(q.resume);
}

static void test_tickets_given(void **state)
{
    struct config *c = config_new(TLS_SERVER);

    (void)state;
    given(0, 2);
    for (unsigned want = 0; want <= TICKETS_MAX; want++) {
        given(want + 1, want);
    }
    assert_int_equal(config_set_ticket_count(c, TICKETS_MAX), 0);
    assert_int_equal(config_set_ticket_count(c, TICKETS_MAX + 1), ERR_ARG);
    config_unref(c);
}

/* Where none are given, none are behind authentication later either. */
static void test_none_after_authentication(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 2; count++) {
        struct pair_params q = usual(NULL);
        struct tls_session *s;
        struct pair *p;

        q.count = count;
        q.post_auth = q.client_id = true;
        p = pair_connected(&q);
        assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
        pair_run(p, WIRE_MAX);
        assert_int_equal(p->s.done, 2);
        s = tls_session(p->c.t);
        assert_int_equal(s != NULL, count == 2);
        session_unref(s);
        pair_free(p);
    }
}

/* ---- tickets that our client may get ---- */
/* One NewSessionTicket from a hand; the client's session, if it has one then. */
static struct tls_session *give_ticket(const uint8_t *m, size_t n, int *rc)
{
    struct pair *p = pair_connected(&(struct pair_params){ .suite = 0x1301 });
    struct hand h = hand_new(p, SECRET_SA, true);
    struct tls_session *s;

    assert_null(tls_session(p->c.t));
    hand_give(&h, &p->c, CT_HANDSHAKE, m, n);
    *rc = p->c.rc;
    s = tls_session(p->c.t);
    hand_free(&h);
    pair_free(p);
    return s;
}

static size_t ticket_message(uint8_t *m, uint32_t life, const char *nonce, const char *ticket,
                             struct span exts)
{
    struct wr w = wr_of(m, 1000);
    size_t mark;

    wr_u8(&w, HS_NEW_SESSION_TICKET);
    mark = wr_begin(&w, 3);
    wr_u32(&w, life);
    wr_u32(&w, 0x01020304);
    wr_vec(&w, 1, nonce, strlen(nonce));
    wr_vec(&w, 2, ticket, strlen(ticket));
    wr_vec(&w, 2, exts.p, exts.n);
    wr_end(&w, 3, mark);
    assert_true(wr_ok(&w));
    return w.len;
}

static void test_tickets_taken(void **state)
{
    static const struct {
        uint32_t life, kept; /* 0: none */
        const char *nonce, *ticket, *exts;
        size_t n;
        enum alert alert;
        uint32_t early;
    } with[] = {
        { 60, 60, "n", "t", "", 0, ALERT_NONE, 0 },
        { 60, 60, "", "t", "", 0, ALERT_NONE, 0 },
        { 0, 0, "n", "t", "", 0, ALERT_NONE, 0 }, /* section 4.6.1 */
        { SESSION_LIFE_MAX, SESSION_LIFE_MAX, "n", "t", "", 0, ALERT_NONE, 0 },
        { SESSION_LIFE_MAX + 1, SESSION_LIFE_MAX, "n", "t", "", 0, ALERT_NONE, 0 },
        { UINT32_MAX, SESSION_LIFE_MAX, "n", "t", "", 0, ALERT_NONE, 0 },
        { 60, 0, "n", "", "", 0, ALERT_DECODE_ERROR, 0 },
        { 60, 60, "n", "t", "\0\52\0\4\0\0\1\0", 8, ALERT_NONE, 256 },
        { 60, 0, "n", "t", "\0\52\0\3\0\0\1", 7, ALERT_DECODE_ERROR, 0 },
        { 60, 0, "n", "t", "\0\52\0\5\0\0\1\0\0", 9, ALERT_DECODE_ERROR, 0 },
        { 60, 60, "n", "t", "\x12\x34\0\1x", 5, ALERT_NONE, 0 },
        { 60, 0, "n", "t", "\0\63\0\0", 4, ALERT_ILLEGAL_PARAMETER, 0 }, /* key_share */
        { 60, 0, "n", "t", "\x12\x34\0\0\x12\x34\0\0", 8, ALERT_ILLEGAL_PARAMETER, 0 },
    };
    uint8_t m[1000];

    (void)state;
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        size_t n = ticket_message(m, with[i].life, with[i].nonce, with[i].ticket,
                                  span_of(with[i].exts, with[i].n));
        int rc;
        struct tls_session *s = give_ticket(m, n, &rc);

        assert_int_equal(rc, with[i].alert == ALERT_NONE ? 0 : TLS_ALERT(with[i].alert));
        assert_int_equal(s != NULL, with[i].kept != 0);
        if (s) {
            assert_int_equal(s->lifetime, with[i].kept);
            assert_int_equal(s->age_add, 0x01020304);
            assert_int_equal(s->max_early, with[i].early);
            assert_int_equal(s->made, PAIR_NOW * 1000);
            assert_int_equal(s->peer_not_after, PAIR_NOW + 86400);
            assert_string_equal(s->name, PAIR_HOST);
        }
        session_unref(s);
    }
    for (size_t n = ticket_message(m, 60, "n", "t", span_of("\x12\x34\0\1x", 5)), cut = 4; cut < n;
         cut++) {
        int rc;

        m[3] = (uint8_t)(cut - 4);
        assert_null(give_ticket(m, cut, &rc));
        assert_int_equal(rc, TLS_ALERT(ALERT_DECODE_ERROR));
    }
}

/* threat 30 */
static void threat_30_ticket_flood(void **state)
{
    struct pair *p = pair_connected(NULL);
    struct hand h = hand_new(p, SECRET_SA, true);
    uint8_t m[1000];
    size_t n = ticket_message(m, 60, "n", "t", span_of(NULL, 0)), given = 0;

    (void)state;
    while (p->c.rc == 0 && given < 1000) {
        hand_give(&h, &p->c, CT_HANDSHAKE, m, n);
        given++;
    }
    assert_int_equal(given, 33);
    assert_refused(&p->c, ALERT_UNEXPECTED_MESSAGE);
    hand_free(&h);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tickets_given),
        cmocka_unit_test(test_none_after_authentication),
        cmocka_unit_test(test_tickets_taken),
        cmocka_unit_test(threat_30_ticket_flood),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
