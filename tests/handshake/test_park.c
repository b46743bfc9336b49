/* SPDX-License-Identifier: ISC */
/* Connections that are parked while nobody talks: they go on as if they had not been, cost less
 * memory, and wake by themselves. The figures are printed, not asserted. */
#include <malloc.h>
#include <time.h>

#include "base/mem.h"
#include "tests/handshake/pair12.h"

static const uint16_t suites[] = { 0x1301,       0x1302,    0x1303,       SUITE_GCM,
                                   SUITE_CHACHA, SUITE_CBC, SUITE_RSA_CBC };
#define SUITES (sizeof suites / sizeof *suites)

static struct pair_params params(size_t i)
{
    return (struct pair_params){ .suite = suites[i], .id = i == SUITES - 1 ? ID_RSA : ID_P256 };
}

static void park(struct pair *p)
{
    tls_park(p->c.t);
    tls_park(p->s.t);
    tls_park(p->s.t);
}

static void talks(struct pair *p)
{
    for (size_t n = 1; n < 3000; n = n * 3 + 1) {
        static uint8_t bytes[3000];

        memset(bytes, (int)n, sizeof bytes);
        park(p);
        end_talk(&p->c, &p->s, bytes, n);
        end_talk(&p->s, &p->c, bytes, n);
        end_talk(&p->s, &p->c, bytes, n);
    }
}

static void test_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUITES; i++) {
        const struct pair_params q = params(i);
        struct pair *p = pair_connected(&q);
        struct tls_info before, after;

        tls_get_info(p->s.t, &before);
        talks(p);
        tls_get_info(p->s.t, &after);
        assert_string_equal(after.suite, before.suite);
        assert_int_equal(after.opened_bytes - before.opened_bytes,
                         1 + 4 + 13 + 40 + 121 + 364 + 1093);
        park(p);
        assert_null(p->c.t->rx.aead);
        assert_null(p->c.t->rx.cbc);
        assert_null(p->c.t->tx.aead);
        assert_null(p->c.t->tx.cbc);
        assert_true(tls_connected(p->c.t) && tls_can_seal(p->c.t));
        assert_int_equal(tls_close(p->c.t), 0);
        pair_run(p, WIRE_MAX);
        assert_int_equal(p->s.closed, 1);
        park(p);
        assert_int_equal(tls_close(p->s.t), 0);
        pair_run(p, WIRE_MAX);
        assert_int_equal(p->c.closed, 1);
        park(p); /* with no keys at all */
        pair_free(p);
    }
}

static void test_key_updates(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct pair_params q = params(i);
        struct pair *p = pair_connected(&q);

        for (int ask = 0; ask < 2; ask++) {
            park(p);
            assert_int_equal(tls_key_update(p->c.t, ask), 0);
            park(p);
            pair_run(p, 1);
            park(p);
            assert_int_equal(tls_key_update(p->s.t, ask), 0);
            talks(p);
        }
        assert_int_equal(p->c.rc | p->s.rc, 0);
        pair_free(p);
    }
}

/* It is of no use there, and no harm. */
static void test_in_the_handshake(void **state)
{
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (size_t i = 0; i < SUITES; i++) {
        const struct pair_params q = params(i);
        struct pair *p = pair_new(&q);

        for (int turn = 0; turn < 4; turn++) {
            park(p);
            end_give(&p->s, wire, end_take(&p->c, wire));
            park(p);
            end_give(&p->c, wire, end_take(&p->s, wire));
        }
        assert_int_equal(p->c.rc | p->s.rc, 0);
        talks(p);
        pair_free(p);
    }
}

/* Threat 37: a connection that cannot wake is over, and says why. */
static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

static void threat_37_no_waking(void **state)
{
    const struct mem_hooks usual = mem_hooks;

    (void)state;
    for (size_t i = 0; i < SUITES; i++) {
        static uint8_t wire[WIRE_MAX];
        const struct pair_params q = params(i);
        struct pair *p = pair_connected(&q);
        struct span part = span_text("text");
        size_t made = end_seal(&p->c, "text", 4, wire), taken;

        park(p);
        mem_hooks.alloc = no_memory;
        end_give(&p->s, wire, made);
        assert_true(tls_seal(p->c.t, &part, 1, &taken, wire, sizeof wire, &made) < 0);
        mem_hooks = usual;
        assert_int_equal(made, 0);
        assert_true(p->s.rc < 0 && !IS_TLS_ALERT(p->s.rc));
        assert_false(tls_connected(p->c.t) || tls_connected(p->s.t));
        assert_int_equal(end_alert(&p->c), ALERT_INTERNAL_ERROR);
        assert_int_equal(end_alert(&p->s), ALERT_INTERNAL_ERROR);
        pair_free(p);
    }
}

/* ---- figures ---- */

#define MANY 200

static size_t heap(void)
{
    return mallinfo2().uordblks;
}

/* Many of them, so that what malloc() keeps at hand does not count. */
static void weigh(struct tls *const t[MANY], const char *who)
{
    size_t before = heap(), after, end;

    for (size_t i = 0; i < MANY; i++) {
        tls_park(t[i]);
    }
    after = heap();
    for (size_t i = 0; i < MANY; i++) {
        tls_free(t[i]);
    }
    end = heap();
    print_message("%s: %zu bytes idle, %zu parked\n", who, (before - end) / MANY,
                  (after - end) / MANY);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double time_of(struct end *e, bool parks)
{
    static uint8_t wire[WIRE_MAX];
    double least = 1e9;

    for (int round = 0; round < 5; round++) {
        double from = now();

        for (int i = 0; i < 2000; i++) {
            if (parks) {
                rec_half_park(&e->t->tx);
            }
            (void)end_seal(e, "x", 1, wire);
        }
        least = now() - from < least ? now() - from : least;
    }
    return least / 2000;
}

static void test_figures(void **state)
{
    static struct tls *client[MANY], *server[MANY];

    (void)state;
    for (size_t i = 0; i < SUITES; i++) {
        const struct pair_params q = params(i);
        struct pair *p = pair_connected(&q);
        struct config *c = config_ref(p->c.t->config), *s = config_ref(p->s.t->config);
        struct tls_info info;

        tls_get_info(p->c.t, &info);
        print_message("%s: a record of one byte %.2f us, behind a park %.2f us\n", info.suite,
                      time_of(&p->c, false), time_of(&p->c, true));
        for (size_t n = 0; n < MANY; n++) {
            pair_free(p);
            assert_int_equal(tls_new(&p->c.t, c, PAIR_HOST, NULL, NULL, NULL), 0);
            assert_int_equal(tls_new(&p->s.t, s, NULL, NULL, NULL, NULL), 0);
            p->c.done = p->s.done = 0;
            pair_run(p, WIRE_MAX);
            assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
            client[n] = p->c.t;
            server[n] = p->s.t;
            p->c.t = p->s.t = NULL;
        }
        weigh(client, "client");
        weigh(server, "server");
        config_unref(c);
        config_unref(s);
    }
    print_message("of which the object: %zu\n", sizeof(struct tls));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_key_updates),
        cmocka_unit_test(test_in_the_handshake),
        cmocka_unit_test(threat_37_no_waking),
        cmocka_unit_test(test_figures),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
