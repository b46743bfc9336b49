/* SPDX-License-Identifier: ISC */
/* threat 33: early data is fresh once, and whenever that is not sure, not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/mem.h"
#include "session/session.h"

#define NOW    INT64_C(1700000000000)
#define WINDOW 10000
#define SLACK  1000             /* of clocks read in another order */
#define PERIOD (WINDOW + SLACK) /* of one generation, and of the refusals at the start */

static bool fresh(struct replay_store *s, uint32_t value, int64_t now)
{
    uint8_t binder[48] = { 1, 2, 3 };

    memcpy(binder + 20, &value, sizeof value);
    return replay_fresh(s, binder, sizeof binder, now);
}

/* A store whose first window is over: the clock of the tests begins there, with a generation. */
static struct replay_store *opened(size_t entries)
{
    struct replay_store *s = replay_store_new(entries, WINDOW);

    assert_non_null(s);
    assert_false(fresh(s, UINT32_MAX, NOW - 2 * PERIOD));
    assert_true(fresh(s, UINT32_MAX - 1, NOW));
    assert_false(fresh(s, UINT32_MAX - 1, NOW));
    return s;
}

static void once(void **state)
{
    struct replay_store *s = opened(1000);

    (void)state;
    for (uint32_t i = 0; i < 500; i++) {
        assert_true(fresh(s, i, NOW));
        assert_false(fresh(s, i, NOW));
    }
    for (int64_t t = 0; t <= WINDOW; t += 100) {
        for (uint32_t i = 0; i < 500; i++) {
            assert_false(fresh(s, i, NOW + t));
        }
    }
    replay_store_unref(s);
}

/* Any bytes are a value; a part of one, or more, is another. */
static void values(void **state)
{
    struct replay_store *s = opened(200);
    uint8_t v[65] = { 0 };

    (void)state;
    for (size_t n = 1; n <= sizeof v; n++) {
        assert_true(replay_fresh(s, v, n, NOW));
        assert_false(replay_fresh(s, v, n, NOW));
    }
    for (size_t i = 0; i < 64; i++) {
        v[i] = 1;
        assert_true(replay_fresh(s, v, 64, NOW));
        v[i] = 0;
    }
    assert_false(replay_fresh(s, v, 64, NOW));
    assert_false(replay_fresh(s, v, 0, NOW)); /* no value */
    assert_false(replay_fresh(s, NULL, 0, NOW));
    replay_store_unref(s);
}

/* RFC 8446 section 8.2: the server may have started again within the window. */
static void first_window(void **state)
{
    static const struct {
        int64_t after;
        bool good;
    } rows[] = { { 0, false },          { 1, false },     { WINDOW, false },
                 { PERIOD - 1, false }, { PERIOD, true }, { PERIOD + 1, true },
                 { 2 * PERIOD, true },  { 100000, true } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct replay_store *s = replay_store_new(10, WINDOW);

        assert_false(fresh(s, 1, NOW));
        assert_int_equal(fresh(s, 2, NOW + rows[i].after), rows[i].good);
        assert_false(fresh(s, 2, NOW + rows[i].after));
        replay_store_unref(s);
    }
    /* What was refused then is known all the same. */
    struct replay_store *s = replay_store_new(10, WINDOW);

    assert_false(fresh(s, 1, NOW));
    assert_false(fresh(s, 2, NOW + PERIOD - 1));
    assert_false(fresh(s, 2, NOW + PERIOD));
    assert_false(fresh(s, 2, NOW + PERIOD + WINDOW));
    assert_true(fresh(s, 3, NOW + PERIOD + WINDOW));
    replay_store_unref(s);
}

/* Wherever in a generation a value came: known for a window, forgotten after three periods. */
static void generations(void **state)
{
    static const int64_t at[] = { 0, 1, WINDOW / 2, WINDOW, PERIOD - 1, PERIOD, PERIOD + 1 };

    (void)state;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        for (int64_t step = 1; step < 3 * PERIOD; step = step * 3 / 2 + 1) {
            struct replay_store *s = opened(100000);
            const int64_t t0 = NOW + at[i];
            uint32_t other = 2;

            assert_true(fresh(s, 1, t0));
            for (int64_t t = t0; t - t0 <= WINDOW; t += step > 500 ? step : 500) {
                assert_false(fresh(s, 1, t));
                assert_true(fresh(s, other++, t));
            }
            assert_false(fresh(s, 1, t0 + WINDOW));
            assert_true(fresh(s, 1, t0 + 3 * PERIOD));
            assert_false(fresh(s, 1, t0 + 3 * PERIOD));
            replay_store_unref(s);
        }
    }
}

/* Steps and values at random beside a list of all that was: never true within a window, always
 * when three periods have gone by (there is room). */
static void beside_a_model(void **state)
{
    struct replay_store *s = opened(10000);
    int64_t seen[64], now = NOW;
    uint32_t seed = 7;
    int again = 0;

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        seen[i] = -1;
    }
    for (int round = 0; round < 200000; round++) {
        const uint32_t v = (seed = seed * 1664525 + 1013904223) >> 26;
        const uint32_t r = (seed = seed * 1664525 + 1013904223) >> 8;
        bool good;

        now += r % 100 == 0 ? r % (3 * PERIOD) : r % 300;
        good = fresh(s, v, now);
        if (seen[v] >= 0 && now - seen[v] <= WINDOW) {
            assert_false(good);
        } else if (seen[v] < 0 || now - seen[v] >= 3 * PERIOD) {
            assert_true(good);
        }
        if (good) {
            again += seen[v] >= 0;
            seen[v] = now;
        }
    }
    assert_true(again > 1000);
    replay_store_unref(s);
}

/* Full: refuses, goes on knowing, and is there again with the next generation. */
static void full(void **state)
{
    static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 6, 7, 12, 13, 100, 1000 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const uint32_t n = sizes[i];
        struct replay_store *s = replay_store_new(n, WINDOW);

        assert_false(fresh(s, UINT32_MAX, NOW - 2 * PERIOD));
        for (uint32_t gen = 0; gen < 4; gen++) {
            const int64_t now = NOW + gen * PERIOD;
            const uint32_t first = gen * n;

            for (uint32_t v = first; v < first + n; v++) {
                assert_true(fresh(s, v, now));
            }
            for (uint32_t v = first + n; v < first + 3 * n; v++) {
                assert_false(fresh(s, v, now + PERIOD - 1));
            }
            for (uint32_t v = gen ? first - n : first; v < first + n; v++) {
                assert_false(fresh(s, v, now + PERIOD - 1));
            }
        }
        replay_store_unref(s);
    }
}

static void clock_set_back(void **state)
{
    struct replay_store *s = opened(100);

    (void)state;
    assert_true(fresh(s, 1, NOW + 5000));
    /* A thread that read the clock before another one did. */
    assert_true(fresh(s, 2, NOW + 5000 - 1));
    assert_true(fresh(s, 3, NOW + 5000 - SLACK));
    assert_false(fresh(s, 3, NOW + 5000 - SLACK));
    /* Set back: nothing until it is again where it was. */
    assert_false(fresh(s, 4, NOW + 5000 - SLACK - 1));
    assert_false(fresh(s, 5, NOW - INT64_C(86400000)));
    assert_false(fresh(s, 6, 0));
    assert_false(fresh(s, 6, -1));
    assert_false(fresh(s, 6, INT64_MIN));
    assert_false(fresh(s, 1, NOW + 5000));
    assert_true(fresh(s, 4, NOW + 5000));
    /* What is forgotten by the store's clock is too old by any thread's. */
    assert_true(fresh(s, 7, NOW + 6000));
    assert_true(fresh(s, 8, NOW + 6000 + 2 * PERIOD));
    assert_false(fresh(s, 7, NOW + 6000 + WINDOW));
    /* Far ahead and back. */
    assert_true(fresh(s, 9, INT64_MAX));
    assert_false(fresh(s, 9, INT64_MAX));
    assert_false(fresh(s, 10, NOW + 6000 + 2 * PERIOD));
    replay_store_unref(s);
}

/* A value recorded by a late thread is known for a window of that thread's clock. */
static void late_threads(void **state)
{
    (void)state;
    for (int64_t lag = 0; lag <= SLACK; lag += 50) {
        for (int64_t at = 0; at < PERIOD + 100; at += 250) {
            struct replay_store *s = opened(100);
            const int64_t t = NOW + SLACK + at;

            assert_true(fresh(s, 1, t)); /* the clock */
            assert_true(fresh(s, 2, t - lag));
            (void)fresh(s, 3, t - lag + WINDOW + SLACK); /* another, as early as can be */
            assert_false(fresh(s, 2, t - lag + WINDOW));
            replay_store_unref(s);
        }
    }
}

/* ---- threads, processes, memory ---- */

#define THREADS 8
#define VALUES  4000

struct race {
    struct replay_store *s;
    atomic_uint *won;
    uint32_t seed;
};

static void *race(void *arg)
{
    struct race *r = arg;

    for (uint32_t i = 0; i < 2 * VALUES; i++) {
        const uint32_t v = i < VALUES ? i : (r->seed = r->seed * 1664525 + 1013904223) % VALUES;

        if (fresh(r->s, v, NOW + (i + r->seed) % SLACK)) {
            atomic_fetch_add(&r->won[v], 1);
        }
    }
    replay_store_unref(r->s);
    return NULL;
}

static void threads(void **state)
{
    static atomic_uint won[VALUES];
    struct replay_store *s = opened(VALUES + 1);
    struct race r[THREADS];
    pthread_t t[THREADS];

    (void)state;
    for (uint32_t i = 0; i < THREADS; i++) {
        r[i] = (struct race){ replay_store_ref(s), won, i * 77 };
        assert_int_equal(pthread_create(&t[i], NULL, race, &r[i]), 0);
    }
    replay_store_unref(s);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
    }
    for (size_t v = 0; v < VALUES; v++) {
        assert_int_equal(won[v], 1);
    }
}

/* What its siblings took, a child of fork() cannot know. */
static void processes(void **state)
{
    struct replay_store *s = opened(10);
    int status = -1;
    pid_t pid;

    (void)state;
    assert_true(fresh(s, 1, NOW));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct replay_store *own = replay_store_new(10, WINDOW);
        bool good = !fresh(s, 1, NOW) && !fresh(s, 2, NOW) && !fresh(s, 3, NOW + 5 * PERIOD);

        good = good && own && !fresh(own, 1, NOW) && fresh(own, 2, NOW + PERIOD);
        replay_store_unref(own);
        replay_store_unref(s);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(fresh(s, 2, NOW));
    assert_false(fresh(s, 1, NOW));
    replay_store_unref(s);
}

static long live, fail_at, asked;

static void *alloc(size_t n)
{
    void *p = ++asked == fail_at ? NULL : malloc(n);

    live += p != NULL;
    return p;
}

static void release(void *p)
{
    live -= p != NULL;
    free(p);
}

static int no_randomness(void *p, size_t n)
{
    (void)p;
    (void)n;
    return ERR_CRYPTO;
}

static void makings(void **state)
{
    static const struct {
        size_t entries;
        int64_t window;
        bool good;
    } rows[] = {
        { 0, WINDOW, false },
        { 1, WINDOW, true },
        { ((size_t)1 << 24) + 1, WINDOW, false },
        { SIZE_MAX, WINDOW, false },
        { 10, 0, false },
        { 10, -1, false },
        { 10, INT64_MIN, false },
        { 10, 1, true },
        { 10, INT64_C(1000) * SESSION_LIFE_MAX, true },
        { 10, INT64_C(1000) * SESSION_LIFE_MAX + 1, false },
        { 10, INT64_MAX, false },
    };
    const struct mem_hooks before = mem_hooks;
    struct replay_store *s;

    (void)state;
    mem_hooks = (struct mem_hooks){ alloc, release };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        s = replay_store_new(rows[i].entries, rows[i].window);
        assert_int_equal(s != NULL, rows[i].good);
        replay_store_unref(s);
        assert_int_equal(live, 0);
    }
    for (fail_at = 1; fail_at <= 2; fail_at++) {
        asked = 0;
        assert_null(replay_store_new(10, WINDOW));
        assert_int_equal(asked, fail_at);
        assert_int_equal(live, 0);
    }
    fail_at = 0;
    rand_set_test_source(no_randomness);
    assert_null(replay_store_new(10, WINDOW));
    rand_set_test_source(NULL);
    assert_int_equal(live, 0);
    /* Bounded: nothing more is asked for, and after its sets changed places all goes back. */
    s = opened(50);
    asked = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        (void)fresh(s, i, NOW + i * 100);
    }
    assert_int_equal(asked, 0);
    assert_ptr_equal(replay_store_ref(s), s);
    replay_store_unref(s);
    assert_true(live > 0);
    replay_store_unref(s);
    assert_int_equal(live, 0);
    replay_store_unref(NULL);
    mem_hooks = before;
}

static int start(void **state)
{
    (void)state;
    return crypto_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once),           cmocka_unit_test(values),
        cmocka_unit_test(first_window),   cmocka_unit_test(generations),
        cmocka_unit_test(beside_a_model), cmocka_unit_test(full),
        cmocka_unit_test(clock_set_back), cmocka_unit_test(late_threads),
        cmocka_unit_test(threads),        cmocka_unit_test(processes),
        cmocka_unit_test(makings),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
