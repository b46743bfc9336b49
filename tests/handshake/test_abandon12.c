/* SPDX-License-Identifier: ISC */
/* Renegotiation of TLS 1.2 that does not come about: refused with a warning, or met by
 * close_notify. The connection stays what it was. */
#include "tests/handshake/pair12.h"

static uint8_t wire[WIRE_MAX];
static struct session_cache *cache;
static struct ticket_keys *tickets;

static struct pair_params usual(bool cached)
{
    return (struct pair_params){ .suite = SUITE_GCM,
                                 .renegotiation = RENEGOTIATE_SECURE,
                                 .cache = cached ? cache : NULL,
                                 .tickets = cached ? NULL : tickets };
}

static bool is_resumed(const struct end *e)
{
    return info_of(e).resumed;
}

/* A connection that resumed another one; both know its session. */
static struct pair *resumed_pair(struct pair_params *q)
{
    struct pair *p = pair_connected(q);

    q->resume = tls_session(p->c.t);
    assert_non_null(q->resume);
    pair_free(p);
    p = pair_connected(q);
    session_unref(q->resume);
    q->resume = NULL;
    assert_true(is_resumed(&p->c) && is_resumed(&p->s));
    return p;
}

/* What the client wants is refused: what it has, and knows of itself, stays; as often as it tries.
 */
static void test_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pair_params q = usual(i & 1);
        struct tls_session *before, *after;
        struct pair *p;

        q.renegotiation = RENEGOTIATE_NEVER;
        p = resumed_pair(&q);
        before = tls_session(p->c.t);
        for (unsigned n = 1; n <= 3; n++) {
            assert_int_equal(tls_rehandshake(p->c.t, NULL, i & 2), 0);
            pair_run(p, WIRE_MAX);
            assert_true(p->c.warned == n && p->c.warning == ALERT_NO_RENEGOTIATION);
            assert_true(is_resumed(&p->c) && is_resumed(&p->s));
            after = tls_session(p->c.t);
            assert_ptr_equal(before, after);
            session_unref(after);
            end_talk(&p->c, &p->s, "ping", 4);
            end_talk(&p->s, &p->c, "pong", 4);
        }
        pair_free(p);
        q.resume = before; /* and serves */
        p = pair_connected(&q);
        assert_true(is_resumed(&p->c));
        pair_free(p);
        session_unref(before);
    }
}

/* A server that asked for one itself and then does not want it. */
static void test_asked_and_refused(void **state)
{
    (void)state;
    for (int cached = 0; cached < 2; cached++) {
        struct pair_params q = usual(cached);
        struct pair *p = resumed_pair(&q);
        struct tls_session *before = tls_session(p->c.t), *after;

        assert_int_equal(tls_rehandshake(p->s.t, NULL, false), 0);
        end_give(&p->c, wire, end_take(&p->s, wire));
        assert_true(end_take(&p->c, wire) > 0); /* its hello, lost on the way */
        atomic_fetch_or(&p->s.t->notes, NOTE_REFUSE);
        end_give(&p->c, wire, end_take(&p->s, wire));
        assert_true(p->c.rc == 0 && p->c.warned == 1);
        assert_true(is_resumed(&p->c));
        after = tls_session(p->c.t);
        assert_ptr_equal(before, after);
        session_unref(before);
        session_unref(after);
        end_talk(&p->s, &p->c, "pong", 4);
        pair_free(p);
    }
}

/* One that comes about without resuming has a session of its own. */
static void test_not_refused(void **state)
{
    (void)state;
    for (int cached = 0; cached < 2; cached++) {
        struct pair_params q = usual(cached);
        struct pair *p = resumed_pair(&q);
        struct tls_session *before = tls_session(p->c.t), *after;

        assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
        pair_run(p, WIRE_MAX);
        assert_int_equal(p->c.done, 2);
        assert_false(is_resumed(&p->c) || is_resumed(&p->s));
        after = tls_session(p->c.t);
        assert_non_null(after);
        assert_ptr_not_equal(before, after);
        session_unref(before);
        session_unref(after);
        pair_free(p);
    }
}

/* A server's wish for a full one was refused: the client may still resume. */
static void test_full_one_refused(void **state)
{
    struct pair_params q = usual(true);
    struct pair *p = pair_connected(&q);

    (void)state;
    tls_allow_renegotiation(p->c.t, false);
    assert_int_equal(tls_rehandshake(p->s.t, NULL, false), 0);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.warned, 1);
    assert_int_equal(tls_rehandshake(p->c.t, NULL, true), 0);
    pair_run(p, WIRE_MAX);
    assert_true(p->c.done == 2 && is_resumed(&p->c) && is_resumed(&p->s));
    pair_free(p);
}

/* One end has said close_notify when the other's hello arrives: that is ignored, full or not, and
 * the end of the other is heard. */
static void test_behind_close_notify(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct pair_params q = usual(i & 4);
        bool resume = i & 1, by_server = i & 2;
        struct end *from, *to;
        struct pair *p;
        size_t n;

        p = pair_connected(&q);
        from = by_server ? &p->s : &p->c;
        to = by_server ? &p->c : &p->s;
        assert_int_equal(tls_rehandshake(from->t, NULL, resume), 0);
        n = end_take(from, wire);
        assert_int_equal(tls_close(to->t), 0);
        (void)end_take(to, wire + n);
        end_give(to, wire, n);
        assert_int_equal(to->rc, 0);
        assert_true(tls_connected(to->t));
        assert_int_equal(end_take(to, wire), 0);
        assert_int_equal(tls_close(from->t), 0);
        end_give(to, wire, end_take(from, wire));
        assert_int_equal(to->rc, 0);
        assert_int_equal(to->closed, 1);
        pair_free(p);
    }
}

static int setup(void **state)
{
    cache = session_cache_new(8, 3600 * 1000);
    tickets = ticket_keys_new(3600 * 1000);
    return cache && tickets ? pki_make(state) : -1;
}

static int teardown(void **state)
{
    session_cache_unref(cache);
    ticket_keys_unref(tickets);
    return pki_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_asked_and_refused),
        cmocka_unit_test(test_not_refused),
        cmocka_unit_test(test_full_one_refused),
        cmocka_unit_test(test_behind_close_notify),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
