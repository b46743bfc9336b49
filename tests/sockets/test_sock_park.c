/* SPDX-License-Identifier: ISC */
/* Connections that nobody uses give their ciphers' memory back, without a thread and without being
 * waited for, and go on when they are used again. */
#include "shim/conn.h"
#include "tests/sockets/clock.h"
#include "tests/sockets/peers.h"

#define AFTER_MS 200
#define PAIRS    4

static struct conn *conn_at(int fd)
{
    struct conn *c = conn_get(fd);

    assert_non_null(c);
    conn_put(c); /* the fd has one still */
    return c;
}

static bool is_parked(int fd)
{
    struct conn *c = conn_at(fd);

    return atomic_load(&c->parked) != 0 && atomic_load(&c->parked) == atomic_load(&c->used);
}

static void talk(const int f[2])
{
    char buf[8];

    assert_int_equal(ssl_write(f[0], "ping", 4), 4);
    assert_int_equal(ssl_recv(f[1], buf, 4, MSG_WAITALL), 4);
    assert_memory_equal(buf, "ping", 4);
    assert_int_equal(ssl_write(f[1], "pong", 4), 4);
    assert_int_equal(ssl_recv(f[0], buf, 4, MSG_WAITALL), 4);
    assert_memory_equal(buf, "pong", 4);
}

static void pairs_with(int f[PAIRS][2], int after_ms)
{
    for (int i = 0; i < PAIRS; i++) {
        tls_pair(f[i]);
        atomic_store(&conn_at(f[i][0])->park_after_ms, after_ms);
        atomic_store(&conn_at(f[i][1])->park_after_ms, after_ms);
        talk(f[i]);
    }
}

/* The first one is used all the time; until it is so of the others, or for long enough. */
static bool becomes_so(int f[PAIRS][2], bool parked, int64_t ms)
{
    int64_t end = clock_ms() + ms;

    do {
        int n = 0;

        clock_on_ms(20);
        talk(f[0]);
        for (int i = 1; i < PAIRS; i++) {
            n += is_parked(f[i][0]) + is_parked(f[i][1]);
        }
        if (parked ? n == 2 * (PAIRS - 1) : n > 0) {
            return true;
        }
    } while (clock_ms() < end);
    return false;
}

static void close_all(int f[PAIRS][2])
{
    for (int i = 0; i < PAIRS; i++) {
        close_pair(f[i]);
    }
}

static void test_idle_ones(void **state)
{
    int f[PAIRS][2];

    (void)state;
    pairs_with(f, AFTER_MS);
    for (int round = 0; round < 2; round++) {
        assert_true(becomes_so(f, true, 60000));
        assert_false(is_parked(f[0][0])); /* it is in use */
        assert_false(is_parked(f[0][1]));
        for (int i = 1; i < PAIRS; i++) {
            talk(f[i]);
            assert_false(is_parked(f[i][0]));
        }
    }
    close_all(f);
}

/* What is ready is told of a parked one, too. */
static void test_poll_wakes(void **state)
{
    struct pollfd p = { .events = POLLIN | POLLOUT };
    char buf[8];
    int f[PAIRS][2];

    (void)state;
    pairs_with(f, AFTER_MS);
    assert_true(becomes_so(f, true, 60000));
    p.fd = f[1][1];
    assert_int_equal(ssl_poll(&p, 1, 0), 1);
    assert_int_equal(p.revents, POLLOUT);
    assert_true(is_parked(f[1][1])); /* to ask is not to use */
    assert_int_equal(ssl_write(f[1][0], "x", 1), 1);
    p.events = POLLIN;
    assert_int_equal(ssl_poll(&p, 1, 60000), 1);
    assert_int_equal(ssl_read(f[1][1], buf, sizeof buf), 1);
    assert_false(is_parked(f[1][1]));
    close_all(f); /* parked ones say goodbye like others */
}

/* Never: when that was asked for; when nobody says that there are no handlers we do not see; when
 * it is a handler that uses them, or that would move the hand. */
static void test_never(void **state)
{
    int f[PAIRS][2];

    (void)state;
    pairs_with(f, 0);
    assert_false(becomes_so(f, false, 2500));
    close_all(f);

    signals_first(false);
    pairs_with(f, AFTER_MS);
    assert_false(becomes_so(f, false, 2500));
    close_all(f);
    signals_first(true);

    pairs_with(f, AFTER_MS);
    handler_begins();
    assert_false(becomes_so(f, false, 2500));
    assert_int_equal(atomic_load(&conn_at(f[0][0])->park_after_ms), 0);
    handler_ends();
    clock_on_ms(AFTER_MS);
    talk(f[0]); /* used in a handler: it does not know the time any more */
    talk(f[1]);
    assert_false(is_parked(f[0][0]));
    close_all(f);
}

/* A half that is taken is not waited for. */
static void test_busy(void **state)
{
    struct hold h;
    int f[PAIRS][2];

    (void)state;
    pairs_with(f, AFTER_MS);
    assert_int_equal(conn_enter(&h, conn_at(f[1][0]), f[1][0], HALF_WRITE), 0);
    assert_false(becomes_so(f, true, 3000));
    assert_false(is_parked(f[1][0]));
    assert_true(is_parked(f[1][1]));
    conn_leave(&h);
    assert_true(becomes_so(f, true, 60000));
    close_all(f);
}

static void *talk_for_ever(void *arg)
{
    for (int i = 0; i < 300; i++) {
        talk(arg);
        clock_on_ms(50);
    }
    return NULL;
}

/* Parked after each pause, by threads that use them at the same time. */
static void test_threads(void **state)
{
    pthread_t t[PAIRS];
    int f[PAIRS][2];

    (void)state;
    pairs_with(f, 1);
    for (int i = 0; i < PAIRS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, talk_for_ever, f[i]), 0);
    }
    for (int i = 0; i < PAIRS; i++) {
        pthread_join(t[i], NULL);
    }
    close_all(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_ones), cmocka_unit_test(test_poll_wakes),
        cmocka_unit_test(test_never),     cmocka_unit_test(test_busy),
        cmocka_unit_test(test_threads),
    };

    signals_first(true);
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
