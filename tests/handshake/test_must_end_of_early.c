/* SPDX-License-Identifier: ISC */
/* RFC 8446 section 4.5: EndOfEarlyData of a client whose early data was accepted, and of no other.
 */
#include "tests/handshake/early.h"

static uint8_t flight[WIRE_MAX], m[WIRE_MAX];

/* The content of a record, when it is sealed with that key; 0: it is not. Moves on in any case. */
static size_t open_one(struct hand *h, const uint8_t *r)
{
    size_t len = (size_t)r[3] << 8 | r[4];
    struct mspan plain = { m, len - AEAD_TAG };
    uint8_t nonce[AEAD_IV];

    hand_nonce(h, nonce);
    if (r[0] != CT_APPLICATION_DATA || aead_open(h->aead, nonce, span_of(r, REC_HEADER),
                                                 span_of(r + REC_HEADER, len), &plain, 1) < 0) {
        return 0;
    }
    h->seq++;
    assert_int_equal(m[plain.n - 1], CT_HANDSHAKE);
    return plain.n - 1;
}

/* What the client says behind the server's Finished: EndOfEarlyData alone in a record under the
 * early keys, or nothing under them; then Finished under those of the handshake. */
static void check_last_flight(const struct pair *p, size_t n, bool accepted)
{
    struct hand early = hand_new(p, SECRET_CE, false), late = hand_new(p, SECRET_CH, false);
    size_t ends = 0, finished = 0;

    early.seq = 1; /* behind one record of data */
    for (size_t at = 0; at < n; at += REC_HEADER + ((size_t)flight[at + 3] << 8 | flight[at + 4])) {
        size_t content = open_one(&early, flight + at);

        if (content) {
            assert_int_equal(content, HS_HEADER);
            assert_memory_equal(m, "\x05\0\0\0", HS_HEADER);
            assert_int_equal(finished, 0);
            ends++;
        } else if (flight[at] == CT_APPLICATION_DATA) {
            content = open_one(&late, flight + at);
            assert_int_equal(content, HS_HEADER + hash_size(late.suite->hash));
            assert_int_equal(m[0], HS_FINISHED);
            finished++;
        } else {
            assert_int_equal(flight[at], CT_CHANGE_CIPHER_SPEC);
        }
    }
    assert_int_equal(ends, accepted);
    assert_int_equal(finished, 1);
    hand_free(&early);
    hand_free(&late);
}

/* A server has none to send. */
static void check_server_flight(const struct pair *p, size_t n, bool full)
{
    struct hand open = hand_new(p, SECRET_SH, false);
    const char *types = full ? "\x02\x08\x0b\x0f\x14" : "\x02\x08\x14";
    size_t clear;

    n = flight_open(&open, flight, n, m, &clear);
    for (size_t at = 0; at < n; at += message_size(m + at)) {
        assert_int_equal(m[at], *types++);
    }
    assert_int_equal(*types, 0);
    hand_free(&open);
}

static void test_end_of_early_data(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        struct pair_params q = early_params();
        bool accepted = how == 0;
        struct pair *p;
        size_t n = 0;

        q.suite = 0x1301;
        q.client_groups[0] = 29;
        q.client_groups[1] = 23;
        q.resume = first(&q);
        q.max_early = how == 1 ? 0 : LIMIT;        /* the server takes none */
        q.server_groups[0] = how == 2 ? 23 : 0;    /* it asks for another hello */
        session_unref(how == 3 ? q.resume : NULL); /* there is nothing to resume */
        q.resume = how == 3 ? NULL : q.resume;
        p = how == 3 ? pair_new(&q) : early_given(&q, 10);
        for (unsigned turn = 0; turn < 3 && p->c.done == 0; turn++) {
            if (how == 3 || turn) {
                end_give(&p->s, flight, end_take(&p->c, flight));
            }
            n = end_take(&p->s, flight);
            end_give(&p->c, flight, n);
            assert_int_equal(p->c.rc, 0);
        }
        assert_int_equal(p->c.done, 1);
        check_server_flight(p, n, how == 3);
        n = end_take(&p->c, flight);
        check_last_flight(p, n, accepted);
        end_give(&p->s, flight, n);
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(p->s.done, 1);
        assert_int_equal(p->s.nearly, accepted ? 10 : 0);
        pair_free(p);
        session_unref(q.resume);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_of_early_data),
    };

    return cmocka_run_group_tests(tests, early_make, resume_drop);
}
