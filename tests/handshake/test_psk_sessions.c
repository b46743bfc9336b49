/* SPDX-License-Identifier: ISC */
/* Sessions behind pre-shared keys from outside. */
#include "tests/handshake/psk.h"

static void test_resumption(void **state)
{
    struct pair_params both[] = { plain(), imported() };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair_params q = both[i];
        struct tls_session *s;
        struct pair *p;

        q.tickets = keys;
        q.no_trust = i == 0; /* with and without a clock */
        p = connects(&q, "device-7");
        s = tls_session(p->c.t);
        assert_non_null(s);
        pair_free(p);
        q.resume = s;
        p = pair_connected(&q);
        assert_true(resumed(&p->c) && resumed(&p->s));
        assert_true(by_key(&p->s, "device-7"));
        end_talk(&p->c, &p->s, "ping", 4);
        pair_free(p);
        q.psk[TLS_SERVER][0].key = OTHER; /* threat 27: the key is another one: so is the policy */
        refused(&q, TLS_SERVER, ALERT_DECRYPT_ERROR);
        q.psk[TLS_CLIENT][0].key = OTHER;
        p = connects(&q, "device-7");
        assert_false(resumed(&p->s));
        pair_free(p);
        session_unref(s);
    }
}

/* The server has forgotten its ticket keys: the key from outside comes second in the hello. */
static void test_key_behind_a_session(void **state)
{
    struct ticket_keys *forgotten = ticket_keys_new(LIFE * INT64_C(2000));
    struct pair_params q = plain();
    struct pair *p;

    (void)state;
    q.no_trust = false;
    q.tickets = forgotten;
    p = connects(&q, "device-7");
    q.resume = tls_session(p->c.t);
    assert_non_null(q.resume);
    pair_free(p);
    q.tickets = keys;
    p = connects(&q, "device-7");
    assert_false(resumed(&p->c) || resumed(&p->s));
    pair_free(p);
    session_unref(q.resume);
    ticket_keys_unref(forgotten);
}

/* threat 28: a client's tickets for tickets come to an end, whatever the server says; without
 * certificates nothing else would end them. */
static void threat_28_tickets_for_tickets(void **state)
{
    struct pair_params q = plain();
    struct pair *p;

    (void)state;
    q.no_trust = false;
    q.tickets = keys;
    q.life = SESSION_LIFE_MAX;
    for (pair_later = 0; pair_later < 3000; pair_later += 1000) {
        struct tls_session *before = q.resume;

        p = pair_connected(&q);
        assert_int_equal(resumed(&p->c), pair_later > 0);
        q.resume = tls_session(p->c.t);
        assert_int_equal(q.resume->peer_not_after, PAIR_NOW + SESSION_LIFE_MAX);
        session_unref(before);
        pair_free(p);
    }
    q.resume->lifetime = SESSION_LIFE_MAX; /* a server that counts anew */
    for (int past = 0; past < 2; past++) {
        pair_later = SESSION_LIFE_MAX + past;
        p = pair_new(&q);
        assert_int_equal(p->c.t->hs.work->psk != NULL, !past);
        pair_free(p);
    }
    session_unref(q.resume);
    pair_later = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_key_behind_a_session),
        cmocka_unit_test(threat_28_tickets_for_tickets),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
