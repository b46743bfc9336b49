/* SPDX-License-Identifier: ISC */
/* The arena: its blocks. What the engine does out of it: test_arena_engine.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/mem_arena.h"

#define ROOM ((size_t)1 << 18)
static _Alignas(16) unsigned char room[ROOM];

static unsigned seed;

static unsigned next_random(void)
{
    return seed = seed * 1664525 + 1013904223, seed >> 8;
}

static void open_at(size_t offset, size_t n)
{
    assert_int_equal(arena_open(room + offset, n), 0);
    assert_true(arena_is_sound());
}

static void close_empty(void)
{
    struct arena_use use = arena_usage();

    assert_true(arena_is_sound());
    assert_int_equal(use.used, 0);
    assert_int_equal(use.blocks, 0);
    assert_int_equal(use.largest, use.size - 16); /* one vacant block again */
    arena_close();
    assert_false(arena_is_open());
}

/* Every start and size near the smallest: never a byte outside, always aligned. */
static void tiny(void **state)
{
    (void)state;
    assert_int_equal(arena_open(NULL, 4096), ERR_ARG);
    assert_null(arena_alloc(1));
    for (size_t offset = 0; offset < 17; offset++) {
        for (size_t n = 0; n < 130; n++) {
            memset(room, 0xa5, 256);
            if (arena_open(room + offset, n) < 0) {
                assert_true(n < 63);
                continue;
            }
            assert_true(n >= 48);
            void *p = arena_alloc(1), *q;

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            memset(p, 0, 16);
            while ((q = arena_alloc(1)) != NULL) {
                memset(q, 0, 16);
                assert_true(arena_is_sound());
            }
            for (size_t i = 0; i < 256; i++) {
                assert_true((i >= offset && i < offset + n) || room[i] == 0xa5);
            }
            arena_close(); /* blocks live in it: stays */
            assert_true(arena_is_open());
            for (unsigned char *b = room; b < room + 256; b += 16) {
                if (b == p) {
                    assert_true(arena_release(p));
                }
            }
            while (arena_usage().blocks) { /* the others lie behind it, 32 bytes apart */
                p = (unsigned char *)p + 32;
                assert_true(arena_release(p));
            }
            close_empty();
        }
    }
}

static void one_arena(void **state)
{
    unsigned char other[256];

    (void)state;
    open_at(0, 4096);
    assert_int_equal(arena_open(room, 4096), 0);
    assert_int_equal(arena_open(room, 4095), ERR_STATE);
    assert_int_equal(arena_open(other, sizeof other), ERR_STATE);
    assert_false(arena_release(other));
    assert_null(arena_alloc(SIZE_MAX));
    assert_null(arena_alloc(SIZE_MAX - 15));
    assert_null(arena_alloc(SIZE_MAX / 2 + 1));
    assert_null(arena_alloc(4096));
    assert_int_equal(arena_usage().failures, 4);
    close_empty();
}

/* To the last byte, and one more. */
static void fills_up(void **state)
{
    size_t all;
    void *p;

    (void)state;
    open_at(0, 4096);
    all = arena_usage().largest;
    assert_null(arena_alloc(all + 1));
    p = arena_alloc(all);
    assert_non_null(p);
    memset(p, 1, all);
    assert_null(arena_alloc(0));
    assert_int_equal(arena_usage().largest, 0);
    assert_true(arena_release(p));
    close_empty();
}

static void joins_neighbours(void **state)
{
    static const unsigned char orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                                { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        void *p[3], *wall;

        open_at(8, 4000);
        for (size_t k = 0; k < 3; k++) {
            p[k] = arena_alloc(100 + k);
        }
        wall = arena_alloc(1);
        for (size_t k = 0; k < 3; k++) {
            assert_true(arena_release(p[orders[i][k]]));
            assert_true(arena_is_sound());
        }
        assert_ptr_equal(arena_alloc(350), p[0]); /* all three in one */
        assert_true(arena_release(p[0]));
        assert_true(arena_release(wall));
        close_empty();
    }
}

static void resizes(void **state)
{
    unsigned char *p, *q;

    (void)state;
    open_at(0, 8192);
    p = arena_resize(NULL, 100);
    memset(p, 7, 100);
    assert_ptr_equal(arena_resize(p, 1000), p); /* into what is free behind */
    assert_true(arena_is_sound());
    assert_ptr_equal(arena_resize(p, 50), p);
    q = arena_alloc(16);
    assert_non_null(q);
    p = arena_resize(p, 5000); /* q is in the way, or what is in front of it too small */
    assert_non_null(p);
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(p[i], 7);
    }
    memset(p, 9, 5000);
    assert_null(arena_resize(p, 9000));
    assert_null(arena_resize(p, SIZE_MAX));
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(p[i], 9);
    }
    assert_true(arena_is_sound());
    assert_true(arena_release(p));
    assert_true(arena_release(q));
    close_empty();
}

struct piece {
    unsigned char *p, mark;
    size_t n;
};

static void check_piece(const struct piece *at)
{
    for (size_t i = 0; i < at->n; i++) {
        assert_int_equal(at->p[i], at->mark);
    }
}

/* Nothing overlaps, nothing is lost, all is sound, whatever the order. */
static void any_order(void **state)
{
    static struct piece piece[200];

    (void)state;
    memset(piece, 0, sizeof piece);
    seed = 1;
    open_at(3, 200000);
    for (unsigned step = 0; step < 20000; step++) {
        struct piece *at = &piece[next_random() % 200];
        size_t n = 1 + next_random() % (next_random() % 8 ? 300 : 20000);

        check_piece(at);
        if (at->p && next_random() % 2) {
            assert_true(arena_release(at->p));
            *at = (struct piece){ 0 };
        } else {
            unsigned char *p = arena_resize(at->p, n);

            if (!p) {
                continue;
            }
            for (size_t i = 0; i < (at->n < n ? at->n : n); i++) {
                assert_int_equal(p[i], at->mark);
            }
            *at = (struct piece){ p, (unsigned char)next_random(), n };
            memset(p, at->mark, n);
        }
        if (step % 64 == 0) {
            assert_true(arena_is_sound());
        }
    }
    assert_true(arena_usage().failures > 0);
    for (size_t i = 0; i < 200; i++) {
        if (piece[i].p) {
            check_piece(&piece[i]);
            assert_true(arena_release(piece[i].p));
        }
    }
    close_empty();
}

static void *hammer(void *arg)
{
    unsigned mine = (unsigned)(uintptr_t)arg;
    unsigned char *p[32] = { 0 };
    size_t n[32] = { 0 };

    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = step * 7 % 32;

        for (size_t k = 0; k < n[i]; k++) {
            if (p[i][k] != (unsigned char)mine) {
                abort();
            }
        }
        if (p[i]) {
            (void)arena_release(p[i]);
        }
        n[i] = step * mine % 257;
        p[i] = arena_alloc(n[i]);
        n[i] = p[i] ? n[i] : 0;
        memset(p[i] ? p[i] : (unsigned char *)&i, p[i] ? (int)mine : (int)i, p[i] ? n[i] : 1);
    }
    for (unsigned i = 0; i < 32; i++) {
        if (p[i]) {
            (void)arena_release(p[i]);
        }
    }
    return NULL;
}

static void threads_and_fork(void **state)
{
    pthread_t id[4];

    (void)state;
    open_at(0, 100000);
    for (uintptr_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&id[i], NULL, hammer, (void *)(i + 3)), 0);
    }
    for (int i = 0; i < 20; i++) { /* never with the lock held in the child */
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            alarm(20);
            _exit(arena_is_sound() && arena_release(arena_alloc(10)) ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(id[i], NULL);
    }
    close_empty();
}

/* What is older than the arena goes back to malloc. */
static void hooks(void **state)
{
    char *before = mem_strdup("before"), *after;

    (void)state;
    assert_int_equal(mem_arena_set(room, 15), ERR_ARG);
    assert_int_equal(mem_arena_set(room, 4096), 0);
    after = mem_strdup("after");
    assert_true((unsigned char *)after > room && (unsigned char *)after < room + 4096);
    mem_free(before);
    assert_null(mem_alloc(5000));
    mem_free(after);
    mem_arena_drop();
    assert_false(arena_is_open());
    mem_free(mem_alloc(5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny),
        cmocka_unit_test(one_arena),
        cmocka_unit_test(fills_up),
        cmocka_unit_test(joins_neighbours),
        cmocka_unit_test(resizes),
        cmocka_unit_test(any_order),
        cmocka_unit_test(threads_and_fork),
        cmocka_unit_test(hooks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
