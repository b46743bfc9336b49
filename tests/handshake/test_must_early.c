/* SPDX-License-Identifier: ISC */
/* What RFC 8446 section 4.2.10 demands of early data, where no other test shows it. */
#include "tests/handshake/craft13.h"
#include "tests/handshake/early.h"

static struct craft a;

/* early_data comes with pre_shared_key, whose first identity is the session that the data is under;
 * without early data neither needs the other. */
static void test_hello(void **state)
{
    struct pair_params q = early_params();

    (void)state;
    q.psk[TLS_CLIENT][0] = (struct pair_psk){ .name = "another", .key = "0123456789abcdef" };
    q.resume = first(&q);
    for (unsigned i = 0; i < 3; i++) { /* both, a session alone, early data without a session */
        struct pair_params r = q;
        struct pair *p;

        r.early = i != 1;
        r.resume = i == 2 ? NULL : q.resume;
        p = pair_new(&r);
        craft_take(&p->c, &a);
        assert_int_equal(!!craft_find(&a, EXT_EARLY_DATA), i == 0);
        if (i == 0) {
            const struct span psk = craft_body(&a, EXT_PRE_SHARED_KEY);

            assert_int_equal(craft_body(&a, EXT_EARLY_DATA).n, 0);
            assert_true(psk.n > 4 + q.resume->ticket_len);
            assert_int_equal(get16(psk.p + 2), q.resume->ticket_len);
            assert_memory_equal(psk.p + 4, q.resume->ticket, q.resume->ticket_len);
        }
        pair_free(p);
    }
    session_unref(q.resume);
}

/* A record that was accepted and does not open: whichever of its bytes has changed. */
static void test_record_that_does_not_open(void **state)
{
    struct pair_params q = ready();
    size_t size = REC_HEADER + 1;

    (void)state;
    for (size_t i = REC_HEADER; i <= size; i++) {
        struct pair *p = early_given(&q, 1);

        size = early_seal(&p->c, text, 20, wire);
        if (i < size) {
            wire[i] ^= 1;
        }
        end_give(&p->s, wire, size);
        if (i < size) {
            assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
            assert_int_equal(p->s.nearly, 1);
        } else {
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.nearly, 21);
        }
        pair_free(p);
    }
    session_unref(q.resume);
}

/* The rules for all records (sections 5.1, 5.2, 5.4) hold for those of early data. */
static void test_rules_of_records(void **state)
{
    static uint8_t inner[16384 + 3];
    static const struct {
        size_t n;
        uint8_t type;
        enum alert alert;
    } rows[] = {
        { 10, CT_APPLICATION_DATA, ALERT_NONE },
        { 10, 0, ALERT_UNEXPECTED_MESSAGE }, /* nothing but padding */
        { 10, CT_CHANGE_CIPHER_SPEC, ALERT_UNEXPECTED_MESSAGE },
        { 10, 99, ALERT_UNEXPECTED_MESSAGE },
        { 0, CT_HANDSHAKE, ALERT_UNEXPECTED_MESSAGE },
        { 16384, CT_APPLICATION_DATA, ALERT_NONE },
        { 16385, CT_APPLICATION_DATA, ALERT_RECORD_OVERFLOW },
    };
    struct pair_params q = early_params();

    (void)state;
    q.max_early = 20000;
    q.resume = first(&q);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair *p = early_given(&q, 1);
        struct hand h = hand_new(p, SECRET_CE, true);

        h.seq = 1;
        memset(inner, rows[i].type ? 'x' : 0, sizeof inner);
        inner[rows[i].n] = rows[i].type;
        end_give(&p->s, wire, hand_seal_inner(&h, inner, rows[i].n + 1, wire));
        if (rows[i].alert == ALERT_NONE) {
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.nearly, 1 + rows[i].n);
        } else {
            assert_refused(&p->s, rows[i].alert);
            assert_int_equal(p->s.nearly, 1);
        }
        hand_free(&h);
        pair_free(p);
    }
    session_unref(q.resume);
}

/* What was rejected is not sent again by itself: here under the same protocol, there another. */
static void test_nothing_is_said_again(void **state)
{
    struct pair_params q = early_params();

    (void)state;
    q.client_alpn[0] = q.server_alpn[0] = "one";
    q.client_alpn[1] = "two";
    q.resume = first(&q);
    for (unsigned other = 0; other < 2; other++) {
        struct pair_params r = q;
        struct pair *p;

        r.max_early = 0; /* rejected in any case */
        r.server_alpn[0] = other ? "two" : "one";
        p = early_given(&r, 100);
        pair_run(p, WIRE_MAX);
        assert_true(p->c.rc == 0 && p->s.rc == 0 && p->c.done == 1 && p->s.done == 1);
        assert_int_equal(info_of(&p->c).early, TLS_EARLY_REJECTED);
        assert_string_equal(info_of(&p->c).alpn, other ? "two" : "one");
        assert_int_equal(p->s.nearly + p->s.ngot, 0);
        pair_free(p);
    }
    session_unref(q.resume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_record_that_does_not_open),
        cmocka_unit_test(test_rules_of_records),
        cmocka_unit_test(test_nothing_is_said_again),
    };

    return cmocka_run_group_tests(tests, early_make, resume_drop);
}
