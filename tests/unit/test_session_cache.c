/* SPDX-License-Identifier: ISC */
/* The server's cache of sessions: order, age, ids, threads. */
#include "sessions.h"

#include <pthread.h>

static struct tls_session *numbered(unsigned n)
{
    struct tls_session *s = sample(0x0303, 0);

    s->id_len = 4;
    memcpy(s->id, &n, 4);
    return s;
}

static void put(struct session_cache *c, unsigned n, int64_t now)
{
    struct tls_session *s = numbered(n);

    session_cache_put(c, s, now);
    session_unref(s);
}

static bool has(struct session_cache *c, unsigned n, int64_t now)
{
    struct tls_session *s = session_cache_get(c, span_of(&n, 4), now);

    if (s) {
        assert_memory_equal(s->id, &n, 4);
        session_unref(s);
    }
    return s != NULL;
}

static void least_recently_used_goes_first(void **state)
{
    struct session_cache *c = session_cache_new(3, 1000);

    (void)state;
    assert_int_equal(session_cache_count(c), 0);
    for (unsigned n = 0; n < 3; n++) {
        put(c, n, NOW);
    }
    assert_true(has(c, 0, NOW)); /* order now 1 2 0 */
    put(c, 3, NOW);
    assert_int_equal(session_cache_count(c), 3);
    assert_false(has(c, 1, NOW));
    assert_true(has(c, 2, NOW)); /* 0 3 2 */
    put(c, 0, NOW);              /* 3 2 0 */
    assert_int_equal(session_cache_count(c), 3);
    put(c, 4, NOW);
    assert_false(has(c, 3, NOW));
    put(c, 5, NOW);
    assert_false(has(c, 2, NOW));
    assert_true(has(c, 0, NOW) && has(c, 4, NOW) && has(c, 5, NOW));
    assert_int_equal(session_cache_count(c), 3);
    session_cache_unref(c);
}

static void many_in_the_cache(void **state)
{
    struct session_cache *c = session_cache_new(1000, 1000);

    (void)state;
    for (unsigned n = 0; n < 3000; n++) {
        put(c, n, NOW);
    }
    assert_int_equal(session_cache_count(c), 1000);
    for (unsigned n = 0; n < 3000; n++) {
        assert_int_equal(has(c, n, NOW), n >= 2000);
    }
    for (unsigned n = 2000; n < 3000; n += 2) {
        session_cache_drop(c, span_of(&n, 4));
    }
    assert_int_equal(session_cache_count(c), 500);
    for (unsigned n = 2000; n < 3000; n++) {
        assert_int_equal(has(c, n, NOW), n & 1);
    }
    session_cache_unref(c);
}

static void ids_in_the_cache(void **state)
{
    struct session_cache *c = session_cache_new(8, 1000);
    struct tls_session *a = numbered(7), *b = numbered(7), *s;
    uint8_t id[SESSION_ID_MAX + 1] = { 7 };

    (void)state;
    session_cache_put(c, a, NOW);
    session_cache_put(c, b, NOW);
    assert_int_equal(session_cache_count(c), 1);
    assert_int_equal(a->refs, 1);
    assert_int_equal(b->refs, 2);
    s = session_cache_get(c, span_of(id, 4), NOW);
    assert_ptr_equal(s, b);
    session_unref(s);
    session_cache_put(c, b, NOW); /* itself */
    assert_int_equal(b->refs, 2);
    /* A prefix, a longer one, none, one that cannot be. */
    assert_null(session_cache_get(c, span_of(id, 3), NOW));
    assert_null(session_cache_get(c, span_of(id, 5), NOW));
    assert_null(session_cache_get(c, span_of(id, 0), NOW));
    assert_null(session_cache_get(c, span_of(NULL, 0), NOW));
    assert_null(session_cache_get(c, span_of(id, sizeof id), NOW));
    session_cache_drop(c, span_of(id, 3));
    assert_int_equal(session_cache_count(c), 1);
    session_cache_drop(c, span_of(id, 4));
    session_cache_drop(c, span_of(id, 4));
    assert_int_equal(session_cache_count(c), 0);
    assert_int_equal(b->refs, 1);
    /* Without an id nobody can ask for it. */
    a->id_len = 0;
    session_cache_put(c, a, NOW);
    assert_int_equal(session_cache_count(c), 0);
    session_unref(a);
    session_unref(b);
    session_cache_unref(c);
}

static void life_in_the_cache(void **state)
{
    static const struct {
        int64_t after;
        bool there;
    } rows[] = { { 0, true }, { 999, true }, { 1000, false }, { 1001, false }, { -1, false } };
    struct session_cache *c = session_cache_new(4, 1000);
    struct tls_session *s;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(c, 1, NOW + 50);
        assert_int_equal(has(c, 1, NOW + 50 + rows[i].after), rows[i].there);
        assert_int_equal(session_cache_count(c), rows[i].there);
    }
    /* To be used does not make younger, to be put again does. */
    put(c, 1, NOW);
    assert_true(has(c, 1, NOW + 999));
    assert_false(has(c, 1, NOW + 1000));
    put(c, 1, NOW);
    put(c, 1, NOW + 600);
    assert_true(has(c, 1, NOW + 1500));
    session_cache_unref(c);
    /* threat 28: its own life, and its peer's, count as well. */
    c = session_cache_new(4, 1000000);
    s = numbered(1);
    s->lifetime = 2;
    session_cache_put(c, s, NOW);
    session_unref(s);
    assert_true(has(c, 1, NOW + 1999));
    assert_false(has(c, 1, NOW + 2000));
    assert_int_equal(session_cache_count(c), 0);
    session_cache_unref(c);
}

static void cache_of_one(void **state)
{
    for (size_t size = 0; size <= 1; size++) { /* none is as good as one */
        struct session_cache *c = session_cache_new(size, 1000);

        (void)state;
        for (unsigned n = 0; n < 5; n++) {
            put(c, n, NOW);
            assert_int_equal(session_cache_count(c), 1);
            assert_true(has(c, n, NOW));
            assert_false(n && has(c, n - 1, NOW));
        }
        session_cache_drop(c, span_of("\4\0\0\0", 4));
        assert_int_equal(session_cache_count(c), 0);
        assert_ptr_equal(session_cache_ref(c), c);
        session_cache_unref(c);
        put(c, 1, NOW);
        assert_true(has(c, 1, NOW));
        session_cache_unref(c);
    }
    session_cache_unref(NULL);
    /* A size is a limit, not a reservation. */
    session_cache_unref(session_cache_new(SIZE_MAX, 1));
}

static bool cache_life(void *ctx)
{
    struct session_cache *c = session_cache_new(2, 1000);
    size_t n = 0;

    if (c) {
        session_cache_put(c, ctx, NOW);
        n = session_cache_count(c);
    }
    session_cache_unref(c);
    return n == 1;
}

static void each_allocation_of_the_cache_fails(void **state)
{
    struct tls_session *s = numbered(1);

    (void)state;
    with_each_failure(cache_life, s);
    assert_int_equal(s->refs, 1);
    session_unref(s);
}

static void *hammer(void *arg)
{
    struct session_cache *c = arg;
    struct tls_session *s;

    for (unsigned i = 0; i < 20000; i++) {
        const unsigned n = (i * 2654435761u) >> 28;

        if (i % 3 == 0) {
            s = numbered(n);
            session_cache_put(c, s, NOW);
            session_unref(s);
        } else if (i % 31 == 0) {
            session_cache_drop(c, span_of(&n, 4));
        } else if ((s = session_cache_get(c, span_of(&n, 4), NOW + i % 40))) {
            if (memcmp(s->id, &n, 4) != 0 || s->secret[1] != secret_byte(1)) {
                abort();
            }
            session_unref(s);
        }
    }
    session_cache_unref(c);
    return NULL;
}

static void two_threads_hammer(void **state)
{
    struct session_cache *c = session_cache_new(8, 30);
    pthread_t t[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, hammer, session_cache_ref(c)), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
    }
    assert_true(session_cache_count(c) <= 8);
    session_cache_unref(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, hooked, unhooked)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(least_recently_used_goes_first),
        TEST(many_in_the_cache),
        TEST(ids_in_the_cache),
        TEST(life_in_the_cache),
        TEST(cache_of_one),
        TEST(each_allocation_of_the_cache_fails),
        TEST(two_threads_hammer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
