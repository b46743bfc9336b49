/* SPDX-License-Identifier: ISC */
/* Connections are freed in every state, and behind every byte of what they are told (threat 36). */
#include "tests/handshake/pair12.h"
#include "tests/handshake/resume13.h"

static void threat_36_freed_at_every_state(void **state)
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
            stage12_free(&s);
            tls_free(s.e->t); /* NULL by now */
            ticket_keys_unref(q.tickets);
        }
    }
}

/* Every byte that goes over the wire may be the last. */
static void threat_36_freed_anywhere(void **state)
{
    static uint8_t wire[WIRE_MAX];
    struct pair_params q = usual(NULL);
    size_t most = 0;

    (void)state;
    q.post_auth = q.client_id = true;
    q.resume = first(&q);
    for (unsigned flights = 0; flights < 6; flights++) {
        for (size_t cut = 0; cut <= most + 16; cut += 17) {
            struct pair *p = pair_new(&q);
            size_t n;

            for (unsigned i = 0; i < flights; i++) {
                struct end *from = i % 2 ? &p->s : &p->c, *to = i % 2 ? &p->c : &p->s;

                if (i == 3) {
                    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
                }
                n = end_take(from, wire);
                most = i + 1 == flights ? n : most;
                end_give(to, wire, i + 1 == flights && cut < n ? cut : n);
                assert_int_equal(to->rc, 0);
            }
            pair_free(p);
        }
    }
    session_unref(q.resume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_36_freed_at_every_state),
        cmocka_unit_test(threat_36_freed_anywhere),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
