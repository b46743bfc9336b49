/* SPDX-License-Identifier: ISC */
/* Flights of TLS 1.2 damaged, split, cut short at every byte; records forged. */
#include "tests/handshake/pair12.h"

static uint8_t wire[WIRE_MAX];

static struct pair_params usual(void)
{
    return (struct pair_params){
        .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true, .status = "response"
    };
}

/* Every byte of the two first flights: whoever reads it, nobody gets connected. */
static void threat_05_flipped_flights(void **state)
{
    (void)state;
    for (int flight = 0; flight < 3; flight++) {
        size_t n = 1;

        for (size_t i = 0; i < n; i++) {
            struct pair_params q = usual();
            struct pair *p = pair_new(&q);
            bool ignored = false; /* the minor version in the header of a record in clear */

            for (int f = 0; f <= flight; f++) {
                n = end_take(f & 1 ? &p->s : &p->c, wire);
                if (f == flight) {
                    bool clear = true;

                    for (size_t at = 0; at < n && clear;
                         at += 5u + ((size_t)wire[at + 3] << 8 | wire[at + 4])) {
                        ignored = ignored || i == at + 2;
                        clear = wire[at] != CT_CHANGE_CIPHER_SPEC;
                    }
                    wire[i < n ? i : n - 1] ^= (uint8_t)(1 << i % 8);
                }
                end_give(f & 1 ? &p->c : &p->s, wire, n);
            }
            pair_run(p, WIRE_MAX);
            if (!ignored && (p->c.done != 0 && p->s.done != 0)) {
                fail_msg("flight %d: byte %zu of %zu does not count", flight, i, n);
            }
            pair_free(p);
        }
        assert_true(n > 100);
    }
}

/* ---- threat 10: each message split at every byte ---- */
static void threat_10_split_messages(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        unsigned messages = 1, done;

        for (unsigned k = 0; k < messages; k++) { /* the k-th message of the peer */
            size_t size = 2;

            for (size_t cut = 1; cut < size; cut++) {
                struct pair_params q = usual();
                struct stage12 g = stage12_new(server ? TLS_SERVER : TLS_CLIENT, &q);

                for (done = 0; g.e->done == 0; done++) {
                    size_t n;
                    const uint8_t *m = stage12_next(&g, &n);

                    if (done == k && !is_ccs(m)) {
                        size = n;
                        cut = cut < n ? cut : n - 1;
                        hand12_give(&g.hand, g.e, CT_HANDSHAKE, m, cut);
                        hand12_give(&g.hand, g.e, CT_HANDSHAKE, m + cut, n - cut);
                    } else {
                        stage12_give(&g, m, n);
                    }
                    assert_int_equal(g.e->rc, 0);
                }
                messages = done;
                stage12_free(&g);
            }
        }
        assert_int_equal(messages, server ? 6 : 8);
    }
}

static void threat_10_records_of_one_byte(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        struct pair_params q = usual();
        struct stage12 g = stage12_new(server ? TLS_SERVER : TLS_CLIENT, &q);

        while (g.e->done == 0) {
            size_t n;
            const uint8_t *m = stage12_next(&g, &n);

            if (is_ccs(m)) {
                stage12_give(&g, m, n);
            }
            for (size_t i = 0; i < n && !is_ccs(m); i++) {
                assert_int_equal(g.e->done, 0);
                hand12_give(&g.hand, g.e, CT_HANDSHAKE, m + i, 1);
            }
            assert_int_equal(g.e->rc, 0);
        }
        stage12_free(&g);
    }
}

/* Every message cut short at every byte, with a length that agrees; and with a byte more. */
static void threat_06_truncated_messages(void **state)
{
    static uint8_t m[WIRE_MAX];

    (void)state;
    for (int i = 0; i < 8 + 6; i++) { /* the k-th message that a client, a server reads */
        bool server = i >= 8;
        int k = server ? i - 8 : i;
        size_t n = HS_HEADER + 1;

        for (size_t len = 0; len <= n - HS_HEADER + 1; len++) {
            struct pair_params q = usual();
            struct stage12 g = stage12_new(server ? TLS_SERVER : TLS_CLIENT, &q);
            const uint8_t *next = stage12_next(&g, &n);

            for (int at = 0; at < k; at++) {
                stage12_give(&g, next, n);
                next = stage12_next(&g, &n);
            }
            if (!is_ccs(next) && len != n - HS_HEADER) {
                /* A ServerHello may have no extensions; the Finished would tell. */
                bool bare = k == 0 && !server && len == 38u + next[38];

                memcpy(m, next, n);
                m[n] = 0;
                m[1] = 0;
                m[2] = (uint8_t)(len >> 8);
                m[3] = (uint8_t)len;
                stage12_give(&g, m, HS_HEADER + len);
                assert_true(bare ? g.e->rc == 0 : IS_TLS_ALERT(g.e->rc));
            }
            assert_int_equal(g.e->done, 0);
            stage12_free(&g);
        }
    }
}

/* ---- threat 39: one alert for whatever is wrong with a record ---- */
static void threat_39_forged_records(void **state)
{
    static const struct pair_params rows[] = { { .suite = SUITE_GCM },
                                               { .suite = SUITE_CHACHA },
                                               { .suite = SUITE_CBC },
                                               { .suite = SUITE_CBC, .no_etm = { true } } };

    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        size_t n = REC_HEADER + 1;

        for (size_t i = REC_HEADER; i < n; i++) {
            struct pair *p = pair_connected(&rows[k]);

            n = end_seal(&p->c, "secret", 6, wire);
            wire[i] ^= (uint8_t)(1 << i % 8);
            end_give(&p->s, wire, n);
            assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
            assert_int_equal(p->s.ngot, 0);
            pair_free(p);
        }
        for (size_t cut = 0; cut < n - REC_HEADER; cut++) { /* too short for what must be there */
            struct pair *p = pair_connected(&rows[k]);

            (void)!end_seal(&p->c, "secret", 6, wire);
            wire[3] = (uint8_t)(cut >> 8);
            wire[4] = (uint8_t)cut;
            end_give(&p->s, wire, REC_HEADER + cut);
            assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
            pair_free(p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_05_flipped_flights),
        cmocka_unit_test(threat_10_split_messages),
        cmocka_unit_test(threat_10_records_of_one_byte),
        cmocka_unit_test(threat_06_truncated_messages),
        cmocka_unit_test(threat_39_forged_records),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
