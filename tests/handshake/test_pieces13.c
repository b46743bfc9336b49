/* SPDX-License-Identifier: ISC */
/* Messages of TLS 1.3 split, mixed with other records, cut short and changed at every byte, under
 * the right keys: by a peer, or by one who has its traffic keys. */
#include "tests/handshake/stage13.h"

static uint8_t copy[WIRE_MAX];
static struct ticket_keys *tickets;

/* Every kind of message is in it: a retry, requests, tickets. */
static struct pair_params usual(bool client_id)
{
    return (struct pair_params){ .client_groups = { 29, 23 },
                                 .server_groups = { 23 },
                                 .auth = CLIENT_AUTH_REQUEST,
                                 .client_id = client_id,
                                 .status = "response",
                                 .tickets = tickets,
                                 .post_auth = true };
}

/* How many messages: hellos, EncryptedExtensions to Finished, two tickets, a request, one more
 * ticket; hellos, Certificate to Finished, twice. */
static unsigned count_of(bool server)
{
    return server ? 2 + 3 + 3 : 2 + 5 + 2 + 1 + 1;
}

/* ---- threat 10: one reassembly for all messages ---- */

/* All messages cut at that byte: two records each. The largest message. */
static size_t split_at(enum tls_role role, size_t cut)
{
    struct pair_params q = usual(role == TLS_SERVER);
    struct stage13 s = stage13_new(role, &q);
    size_t n, largest = 0;
    unsigned messages = 0;
    uint8_t *m;

    while ((m = stage13_next(&s, &n))) {
        unsigned done = s.e->done;

        if (cut < n) {
            stage13_record(&s, CT_HANDSHAKE, m, cut);
            assert_int_equal(s.e->rc, 0);
            assert_int_equal(s.e->done, done);
            stage13_record(&s, CT_HANDSHAKE, m + cut, n - cut);
            stage13_passed(&s, m[0]);
        } else {
            stage13_give(&s, m, n);
        }
        assert_int_equal(s.e->rc, 0);
        largest = n > largest ? n : largest;
        messages++;
    }
    assert_int_equal(messages, count_of(role == TLS_SERVER));
    assert_int_equal(s.e->done, role == TLS_SERVER ? 2 : 1);
    stage13_free(&s);
    return largest;
}

static void threat_10_split_messages(void **state)
{
    (void)state;
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        size_t largest = 2;

        for (size_t cut = 1; cut < largest; cut++) {
            largest = split_at((enum tls_role)role, cut);
        }
        assert_true(largest > 300);
    }
}

/* The sealed flight in two records, which meet at every byte of it. */
static void threat_10_flight_in_two_records(void **state)
{
    (void)state;
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        size_t end = 2;

        for (size_t cut = 1; cut < end; cut++) {
            struct pair_params q = usual(true);
            struct stage13 s = stage13_new((enum tls_role)role, &q);
            size_t n;
            uint8_t *m = stage13_until(&s, s.server ? HS_CERTIFICATE : HS_ENCRYPTED_EXTENSIONS, &n);

            end = (size_t)(s.m + s.n - m);
            cut = cut < end ? cut : end - 1;
            stage13_record(&s, CT_HANDSHAKE, m, cut);
            assert_int_equal(s.e->rc, 0);
            assert_int_equal(s.e->done, 0);
            stage13_record(&s, CT_HANDSHAKE, m + cut, end - cut);
            assert_int_equal(s.e->rc, 0);
            assert_int_equal(s.e->done, 1);
            stage13_free(&s);
        }
        assert_true(end > 400);
    }
}

/* ---- threat 9: nothing else between the pieces of any message ---- */
static void threat_09_between_pieces(void **state)
{
    enum { SEALED, CLEAR, WAYS };

    (void)state;
    for (unsigned i = 0; i < count_of(false) + count_of(true); i++) {
        bool server = i >= count_of(false);
        unsigned k = server ? i - count_of(false) : i;

        for (uint8_t type = CT_CHANGE_CIPHER_SPEC; type <= CT_APPLICATION_DATA; type++) {
            for (unsigned way = SEALED; way < WAYS; way++) {
                struct pair_params q = usual(true);
                struct stage13 s = stage13_new(server ? TLS_SERVER : TLS_CLIENT, &q);
                unsigned done;
                size_t n;
                uint8_t *m = stage13_nth(&s, k, &n);

                done = s.e->done;
                stage13_record(&s, CT_HANDSHAKE, m, n / 2);
                assert_int_equal(s.e->rc, 0);
                if (way == CLEAR) {
                    give_clear(s.e, type, "\1\0", type == CT_ALERT ? 2 : 1);
                } else if (type == CT_HANDSHAKE) {
                    stage13_record(&s, type, m + n / 2, 1);
                    assert_int_equal(s.e->rc, 0);
                    stage13_free(&s);
                    continue;
                } else {
                    stage13_record(&s, type, "\1\0", type == CT_ALERT ? 2 : 1);
                }
                /* What is not sealed although there are keys is no record at all, but for those
                 * two types. */
                if (way == SEALED || type < CT_HANDSHAKE) {
                    assert_true(s.e->rc == TLS_ALERT(ALERT_UNEXPECTED_MESSAGE) ||
                                (way == CLEAR && type == CT_ALERT &&
                                 s.e->rc == TLS_ALERT(ALERT_BAD_RECORD_MAC)));
                } else if (s.hand.aead) {
                    assert_true(IS_TLS_ALERT(s.e->rc));
                }
                assert_int_equal(s.e->done, done);
                assert_int_equal(s.e->ngot, 0);
                stage13_free(&s);
            }
        }
    }
}

/* ---- threat 5: each byte of what was signed ---- */

/* Without the authentication of records, and before Finished. */
static void threat_05_signed_content(void **state)
{
    (void)state;
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        size_t flight = 1;

        for (size_t i = 0; i < flight; i++) {
            struct pair_params q = usual(true);
            struct stage13 s = stage13_new((enum tls_role)role, &q);
            size_t n, at = 0, end;
            uint8_t *m = stage13_until(&s, s.server ? HS_CERTIFICATE : HS_ENCRYPTED_EXTENSIONS, &n);

            while (m[at] != HS_CERTIFICATE_VERIFY) {
                at += message_size(m + at);
            }
            flight = at;
            end = (size_t)(m - s.m) + at + message_size(m + at);
            m[i] ^= (uint8_t)(1 << i % 8);
            for (at = (size_t)(m - s.m); at < end && s.e->rc == 0; at += n) {
                n = at + HS_HEADER <= end ? message_size(s.m + at) : end - at;
                n = at + n <= end ? n : end - at;
                stage13_record(&s, CT_HANDSHAKE, s.m + at, n);
            }
            /* Whoever reads it knows by the signature, if not before, but for a length that makes
             * it wait for more. */
            assert_true(IS_TLS_ALERT(s.e->rc) || s.e->t->message.end > 0);
            assert_int_equal(s.e->done, 0);
            assert_false(tls_connected(s.e->t));
            stage13_free(&s);
        }
        assert_true(flight > 300);
    }
}

/* ---- threat 6: every message cut short at every byte, with lengths that agree ---- */

/* What remains of a hello may be one without extensions: what that means is for other tests. */
static bool hello(const uint8_t *m)
{
    return m[0] == HS_CLIENT_HELLO || m[0] == HS_SERVER_HELLO;
}

static void threat_06_truncated_messages(void **state)
{
    (void)state;
    for (unsigned i = 0; i < count_of(false) + count_of(true); i++) {
        bool server = i >= count_of(false);
        unsigned k = server ? i - count_of(false) : i;
        size_t n = HS_HEADER + 1;

        for (size_t len = 0; len <= n - HS_HEADER + 1; len++) {
            struct pair_params q = usual(server);
            struct stage13 s = stage13_new(server ? TLS_SERVER : TLS_CLIENT, &q);
            uint8_t *m = stage13_nth(&s, k, &n);
            unsigned done = s.e->done;

            memcpy(copy, m, n);
            copy[n] = 0;
            copy[1] = 0;
            copy[2] = (uint8_t)(len >> 8);
            copy[3] = (uint8_t)len;
            if (len != n - HS_HEADER) {
                stage13_record(&s, CT_HANDSHAKE, copy, HS_HEADER + len);
                if (!IS_TLS_ALERT(s.e->rc)) {
                    fail_msg("message %u of type %u: %zu bytes of %zu", k, copy[0], len,
                             n - HS_HEADER);
                }
                assert_true(hello(m) || copy[0] == HS_CERTIFICATE_VERIFY ||
                            end_alert(s.e) == ALERT_DECODE_ERROR);
                assert_int_equal(s.e->done, done);
            }
            stage13_free(&s);
        }
    }
}

/* ---- threat 8: nor anything behind the last message under some keys ---- */
static void threat_08_next_message_in_the_record(void **state)
{
    (void)state;
    for (unsigned i = 0; i < count_of(false) + count_of(true); i++) {
        bool server = i >= count_of(false);
        unsigned k = server ? i - count_of(false) : i, type = 0;
        struct pair_params q = usual(true);
        struct stage13 s = stage13_new(server ? TLS_SERVER : TLS_CLIENT, &q);
        size_t n;
        uint8_t *m = stage13_nth(&s, k, &n);
        bool last;

        type = m[0];
        last = hello(m) || (type == HS_FINISHED && s.asked == 0); /* else no keys change */
        memcpy(copy, m, n);
        copy[n] = HS_KEY_UPDATE; /* the first byte of one more */
        stage13_record(&s, CT_HANDSHAKE, copy, n + 1);
        if (last) {
            assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
        } else {
            assert_int_equal(s.e->rc, 0);
        }
        stage13_free(&s);
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
        cmocka_unit_test(threat_10_split_messages),
        cmocka_unit_test(threat_10_flight_in_two_records),
        cmocka_unit_test(threat_09_between_pieces),
        cmocka_unit_test(threat_05_signed_content),
        cmocka_unit_test(threat_06_truncated_messages),
        cmocka_unit_test(threat_08_next_message_in_the_record),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
