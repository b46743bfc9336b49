/* SPDX-License-Identifier: ISC */
/* Connections with early data: they stay while it is on its way, and move once they are complete,
 * as what became of it and tickets that allow more do. */
#include "tests/handshake/handoff.h"

#include "tests/handshake/early.h"

static void stays(struct end *e)
{
    struct tls *t = e->t;
    struct tls_kernel k;
    struct buf b = { 0 };

    assert_int_equal(tls_hand_off(&e->t, span_of(NULL, 0), span_of(NULL, 0), &b), ERR_STATE);
    assert_int_equal(tls_kernel_keys(&e->t, &k), ERR_STATE);
    assert_ptr_equal(e->t, t);
    assert_int_equal(buf_len(&b), 0);
    tls_park(t);
}

/* accepted: or the server has forgotten its limit. */
static void run(bool accepted)
{
    struct pair_params q = early_params();
    struct pair *p;

    q.resume = first(&q);
    q.max_early = accepted ? LIMIT : 0;
    p = pair_new(&q);
    for (int round = 0; round < 3; round++) {
        static uint8_t sealed[WIRE_MAX];
        size_t n;

        assert_int_equal(info_of(&p->c).early, TLS_EARLY_OFFERED);
        stays(&p->c);
        n = early_flight(p, 500, sealed);
        stays(&p->c);
        end_give(&p->s, sealed, n);
        stays(&p->s); /* also where it may answer already */
        assert_int_equal(tls_can_seal(p->s.t), accepted);
        end_give(&p->c, sealed, end_take(&p->s, sealed));
        end_move(&p->c); /* which is done; its Finished waits */
        end_give(&p->s, sealed, end_take(&p->c, sealed));
        assert_int_equal(p->s.done, 1);
        end_move(&p->s); /* its tickets wait */
        end_move(&p->c);
        assert_int_equal(info_of(&p->c).early, accepted ? TLS_EARLY_ACCEPTED : TLS_EARLY_REJECTED);
        assert_int_equal(info_of(&p->s).early, info_of(&p->c).early);
        early_finish(p);
        end_move(&p->c);
        talk(p);
        session_unref(q.resume);
        q.resume = tls_session(p->c.t);
        assert_non_null(q.resume);
        pair_free(p);
        if (!accepted) {
            break; /* its tickets allow none */
        }
        p = pair_new(&q);
    }
    if (accepted) {
        pair_free(p);
    }
    session_unref(q.resume);
}

static void test_accepted(void **state)
{
    (void)state;
    run(true);
}

static void test_rejected(void **state)
{
    (void)state;
    run(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_rejected),
    };

    return cmocka_run_group_tests(tests, early_make, resume_drop);
}
