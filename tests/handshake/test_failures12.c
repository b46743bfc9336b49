/* SPDX-License-Identifier: ISC */
/* Memory runs out at every place of every kind of handshake, once or for good; connections are
 * freed in every state (threats 36, 37). */
#include "tests/handshake/pair12.h"
#include "tests/lib/failing.h"

/* ---- memory fails ---- */
struct kind {
    const char *what;
    struct pair_params q;
    bool by_id, by_ticket, resume, again;
};

static const struct kind kinds[] = {
    { .what = "TLS 1.2, everything",
      .q = { .suite = SUITE_GCM,
             .auth = CLIENT_AUTH_REQUIRE,
             .client_id = true,
             .status = "response",
             .client_alpn = { "a" },
             .server_alpn = { "a" } },
      .by_ticket = true },
    { .what = "TLS 1.2, id", .q = { .suite = SUITE_CHACHA }, .by_id = true },
    { .what = "TLS 1.2, CBC", .q = { .suite = SUITE_CBC } },
    { .what = "TLS 1.2, RSA", .q = { .suite = SUITE_RSA_KX, .id = ID_RSA } },
    { .what = "TLS 1.2, resumed by id",
      .q = { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true },
      .by_id = true,
      .resume = true },
    { .what = "TLS 1.2, resumed by ticket",
      .q = { .suite = SUITE_CBC },
      .by_ticket = true,
      .resume = true },
    { .what = "TLS 1.2, renegotiated",
      .q = { .suite = SUITE_GCM,
             .renegotiation = RENEGOTIATE_SECURE,
             .auth = CLIENT_AUTH_REQUIRE,
             .client_id = true },
      .by_ticket = true,
      .again = true },
    { .what = "TLS 1.3",
      .q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true, .status = "response" } },
    { .what = "TLS 1.3, retried", .q = { .client_groups = { 29, 23 }, .server_groups = { 23 } } },
};
#define NKINDS (sizeof kinds / sizeof *kinds)

static void pump(struct pair *p)
{
    for (int i = 0; i < 8 && p->c.t && p->s.t; i++) {
        static uint8_t wire[WIRE_MAX];

        end_give(&p->s, wire, end_take(&p->c, wire));
        end_give(&p->c, wire, end_take(&p->s, wire));
    }
}

/* One end ran out of memory, is not connected, and says no more than internal_error. The other may
 * see that alert, or one that comes under keys that could not be changed any more. */
static void check_failed(const struct pair *p, const char *what)
{
    const struct end *ends[] = { &p->c, &p->s };
    bool found = false;

    for (size_t i = 0; i < 2; i++) {
        const struct error *err = tls_error(ends[i]->t);

        if (ends[i]->rc == 0) {
            continue;
        }
        assert_false(tls_connected(ends[i]->t));
        found = found || (err->alert_sent == ALERT_INTERNAL_ERROR && err->code < 0);
    }
    if (!found) {
        fail_msg("%s, allocation %zu: %d %s / %d %s", what, fail_at, p->c.rc,
                 tls_error(p->c.t)->text, p->s.rc, tls_error(p->s.t)->text);
    }
}

/* Whether the n-th allocation was reached at all. */
static bool run(const struct kind *k, size_t n)
{
    size_t before = live;
    struct pair_params q = k->q;
    struct config *client, *server;
    struct pair *p;
    bool failed;

    q.cache = k->by_id ? session_cache_new(4, 3600 * 1000) : NULL;
    q.tickets = k->by_ticket ? ticket_keys_new(3600 * 1000) : NULL;
    p = pair_connected(&q);
    q.resume = k->resume ? tls_session(p->c.t) : NULL;
    assert_true(!k->resume || q.resume);
    pair_free(p);
    client = pair_config(p, TLS_CLIENT, &q);
    server = pair_config(p, TLS_SERVER, &q);
    if (k->again) {
        p = pair_connected(&q);
    } else {
        p = pair_new(&q);
        pair_free(p);
    }
    failing_arm(n);
    if (k->again) {
        if (tls_rehandshake(p->c.t, NULL, false) < 0) {
            p->c.rc = tls_error(p->c.t)->code;
        }
    } else if (tls_new(&p->c.t, client, PAIR_HOST, NULL, q.resume, NULL) == 0) {
        (void)!tls_new(&p->s.t, server, NULL, NULL, NULL, NULL);
    }
    pump(p);
    armed = false;
    failed = calls >= n;
    if (p->c.t && p->s.t) {
        unsigned done = 1u + k->again;
        bool connected = tls_connected(p->c.t) && tls_connected(p->s.t);

        if (connected && p->c.done == done && p->s.done == done) { /* it could do without */
            end_talk(&p->c, &p->s, "ping", 4);
            end_talk(&p->s, &p->c, "pong!", 5);
        } else if (for_good && connected) { /* not even an alert could be said */
            assert_true(failed);
        } else {
            assert_true(failed);
            assert_true(p->c.rc < 0 || p->s.rc < 0 || for_good);
            check_failed(p, k->what);
        }
    } else {
        assert_true(failed);
    }
    pair_free(p);
    config_unref(client);
    config_unref(server);
    session_cache_unref(q.cache);
    ticket_keys_unref(q.tickets);
    session_unref(q.resume);
    if (live != before && n) {
        fail_msg("%s, allocation %zu: %zd left", k->what, n, (ssize_t)(live - before));
    }
    return failed;
}

static void threat_37_no_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < NKINDS; k++) {
            size_t n = 1;

            for_good = i;
            (void)run(&kinds[k], 0); /* what is made once, is made */
            while (run(&kinds[k], n)) {
                n++;
            }
            assert_true(n > 15);
        }
    }
}

/* ---- freed in every state ---- */
static void threat_36_free_at_every_state(void **state)
{
    (void)state;
    for (unsigned at = 0; at < HS_STATES; at++) {
        bool in12 = (at >= C12_WAIT_CERT && at <= C12_CONNECTED) || at == S_WAIT_CH ||
                    at >= S12_WAIT_CERT || at == C_WAIT_SH;

        for (int how = 0; in12 && how < 5; how++) {
            struct pair_params q = { .suite = SUITE_GCM,
                                     .auth = CLIENT_AUTH_REQUIRE,
                                     .client_id = true,
                                     .status = "response",
                                     .tickets = ticket_keys_new(1000) };
            struct stage12 s = stage12_at((enum hs_state)at, &q);
            size_t before = live;

            switch (how) {
            case 1: /* with half a message */
                hand12_give(&s.hand, s.e, CT_HANDSHAKE, "\1\0", 2);
                break;
            case 2: /* after an error, with an alert that waits */
                hand12_give(&s.hand, s.e, CT_HANDSHAKE, "\377\0\0\0", 4);
                assert_true(s.e->rc < 0);
                break;
            case 3: /* given up, and closed */
                tls_abort(s.e->t, ALERT_USER_CANCELED, "enough");
                assert_int_equal(tls_close(s.e->t), 0);
                break;
            case 4: /* closed in the middle of it */
                assert_int_equal(tls_close(s.e->t), 0);
                break;
            default:
                break;
            }
            assert_true(before > 0);
            stage12_free(&s);
            tls_free(s.e->t); /* NULL by now */
            ticket_keys_unref(q.tickets);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_37_no_memory),
        cmocka_unit_test(threat_36_free_at_every_state),
    };

    failing_install();
    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
