/* SPDX-License-Identifier: ISC */
/* Tickets of ours in places where they were not given: another version, another suite, another
 * hash. The server that opens one sees what it was for, and does a full handshake. */
#include "tests/handshake/pair12.h"

static struct ticket_keys *keys;

static struct tls_session *connect_with(struct pair_params q, bool want)
{
    struct tls_session *s;
    struct tls_info c, i;
    struct pair *p;

    q.tickets = keys;
    p = pair_connected(&q);
    tls_get_info(p->c.t, &c);
    tls_get_info(p->s.t, &i);
    assert_int_equal(c.resumed, want);
    assert_int_equal(i.resumed, want);
    if (q.suite) {
        assert_int_equal(i.suite_id, q.suite);
    }
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
    s = tls_session(p->c.t);
    pair_free(p);
    assert_non_null(s);
    return s;
}

/* A session that shows a ticket of another. */
static struct tls_session *swapped(struct pair_params shown, struct pair_params given)
{
    struct tls_session *s = connect_with(shown, false), *other = connect_with(given, false);

    assert_true(other->ticket_len > 0);
    assert_int_equal(
        session_set_bytes(&s->ticket, &s->ticket_len, span_of(other->ticket, other->ticket_len)),
        0);
    s->age_add = other->age_add; /* else its age alone would give it away */
    session_unref(other);
    return s;
}

static void then(struct pair_params q, struct tls_session *s, bool want)
{
    q.resume = s;
    session_unref(connect_with(q, want));
    session_unref(s);
}

static const struct pair_params v12 = { .suite = SUITE_GCM }, v13 = { .suite = 0x1301 };

static void threat_27_other_version(void **state)
{
    (void)state;
    then(v13, swapped(v13, v12), false);
    then(v12, swapped(v12, v13), false);
}

/* The suite of a TLS 1.2 session is the one of the connection: offered, and still allowed. */
static void threat_27_other_suite12(void **state)
{
    const struct pair_params both = { .client_suites = { SUITE_GCM, SUITE_CHACHA },
                                      .server_suites = { SUITE_CHACHA, SUITE_GCM } };
    const struct pair_params chacha = { .suite = SUITE_CHACHA };
    struct pair_params q = both;

    (void)state;
    q.client_suites[0] = SUITE_CHACHA;
    q.client_suites[1] = 0;
    then(q, swapped(chacha, v12), false); /* not offered now */
    q = both;
    q.server_suites[1] = 0;
    then(q, connect_with(v12, false), false);   /* not allowed any more */
    then(both, connect_with(v12, false), true); /* no more than liked less */
}

static void threat_27_other_hash13(void **state)
{
    const struct pair_params sha384 = { .suite = 0x1302 };

    (void)state;
    then(v13, swapped(v13, sha384), false);
    then(sha384, swapped(sha384, v13), false);
}

/* A ticket that is right in its place, with the secret of another session. */
static void threat_34_other_secret(void **state)
{
    struct pair_params q = v13;
    struct pair *p;

    (void)state;
    q.tickets = keys;
    q.resume = swapped(v13, v13);
    p = pair_new(&q);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.rc, TLS_ALERT(ALERT_DECRYPT_ERROR));
    assert_false(tls_connected(p->s.t) || tls_connected(p->c.t));
    pair_free(p);
    session_unref(q.resume);
}

static int setup(void **state)
{
    keys = ticket_keys_new(3600 * 1000);
    return keys ? pki_make(state) : -1;
}

static int teardown(void **state)
{
    ticket_keys_unref(keys);
    return pki_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_27_other_version),
        cmocka_unit_test(threat_27_other_suite12),
        cmocka_unit_test(threat_27_other_hash13),
        cmocka_unit_test(threat_34_other_secret),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
