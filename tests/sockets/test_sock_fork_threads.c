/* SPDX-License-Identifier: ISC */
/* threat 40: forks with more than one number for a connection, in the middle of its handshake,
 * while threads wait for it or the fd table changes. */
#include <stdatomic.h>

#include "tests/sockets/children.h"

/* One process uses one number, the other process the other: they are one connection. */
static void threat_40_copies_of_a_number(void **state)
{
    int f[2], copy, go[2];
    char buf[20];
    pid_t pid;

    (void)state;
    tls_pair(f);
    copy = dup(f[0]);
    assert_int_equal(conn_alias(f[0], copy), 0);
    assert_int_equal(pipe(go), 0);
    pid = fork();
    if (pid == 0) {
        CHILD(read(go[0], buf, 1) == 1);
        CHILD(ssl_write(copy, "child", 5) == 5);
        CHILD(ssl_close(copy) == 0);
        CHILD(ssl_write(f[0], "again", 5) == 5);
        CHILD(ssl_close(f[0]) == 0);
        _exit(0);
    }
    assert_int_equal(ssl_write(f[0], "parent", 6), 6);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(join(pid), 0);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(ssl_write(copy, "copy", 4), 4);
    assert_int_equal(ssl_recv(f[1], buf, 20, MSG_WAITALL), 20);
    assert_memory_equal(buf, "parentchildagaincopy", 20);
    assert_int_equal(ssl_close(copy), 0);
    assert_int_equal(ssl_read(f[1], buf, 1), 0);
    ssl_close(f[1]);
    close(go[0]);
    close(go[1]);
}

/* The client's first flight is out, and then there are two that could send the second. */
static void threat_40_in_the_handshake(void **state)
{
    (void)state;
    for (int child_goes_on = 0; child_goes_on < 2; child_goes_on++) {
        int f[2], go[2];
        pthread_t t;
        char buf[8];
        void *rc;
        pid_t pid;

        tcp_pair(f);
        attach_pair(f[0], f[1]);
        nonblocking(f[0], true);
        assert_fails(ssl_handshake(f[0]), EAGAIN);
        nonblocking(f[0], false);
        assert_int_equal(pipe(go), 0);
        pid = fork();
        if (pid == 0) {
            ssl_close(f[1]);
            if (child_goes_on) {
                CHILD(ssl_write(f[0], "child", 5) == 5);
            } else {
                CHILD(read(go[0], buf, 1) == 1);
                CHILD(ssl_handshake(f[0]) == 0);
            }
            CHILD(ssl_close(f[0]) == 0);
            _exit(0);
        }
        assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)f[1]), 0);
        if (!child_goes_on) {
            assert_int_equal(ssl_write(f[0], "owner", 5), 5);
            assert_int_equal(write(go[1], "g", 1), 1);
        }
        assert_int_equal(join(pid), 0);
        pthread_join(t, &rc);
        assert_null(rc);
        assert_int_equal(ssl_read(f[1], buf, sizeof buf), 5);
        assert_memory_equal(buf, child_goes_on ? "child" : "owner", 5);
        if (child_goes_on) {
            assert_int_equal(ssl_handshake(f[0]), 0);
        }
        close_pair(f);
        close(go[0]);
        close(go[1]);
    }
}

static _Atomic pid_t waiter;

static void *wait_for_input(void *arg)
{
    char c;

    waiter = gettid();
    errno = 0;
    return (void *)(intptr_t)(ssl_read(*(int *)arg, &c, 1) < 0 ? errno : 0);
}

/* The child has it, too; close() in another thread of the parent ends the wait and says
 * close_notify. */
static void fork_while_a_thread_reads(void **state)
{
    char buf[8];
    pthread_t t;
    pid_t pid;
    void *rc;
    int f[2];

    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        tls_pair(f);
        if (twice) { /* it was forked before the thread began to wait */
            pid = fork();
            if (pid == 0) {
                _exit(0);
            }
            assert_int_equal(join(pid), 0);
        }
        waiter = 0;
        pthread_create(&t, NULL, wait_for_input, &f[0]);
        while (!waiter) {
            nap_ms(1);
        }
        await_sleep(waiter);
        pid = fork();
        if (pid == 0) {
            alarm(20);
            CHILD(ssl_write(f[0], "child", 5) == 5);
            CHILD(ssl_close(f[0]) == 0);
            CHILD(ssl_close(f[1]) == 0);
            _exit(0);
        }
        assert_int_equal(join(pid), 0);
        assert_int_equal(ssl_close(f[0]), 0);
        pthread_join(t, &rc);
        assert_int_equal((intptr_t)rc, EBADF);
        assert_int_equal(ssl_read(f[1], buf, sizeof buf), 5);
        assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
        ssl_close(f[1]);
    }
}

static sigjmp_buf out_of_it;

static void jump(int sig)
{
    (void)sig;
    siglongjmp(out_of_it, 1);
}

/* Who has jumped out of a read left nothing taken. */
static void fork_after_a_jump(void **state)
{
    struct sigaction sa = { .sa_handler = jump }, old;
    timer_t timer;
    struct sigevent by_signal = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    struct itimerspec when = { .it_value = { .tv_nsec = 100000000 } };
    char buf[8];
    pid_t pid;
    int f[2];

    (void)state;
    tls_pair(f);
    assert_int_equal(sigaction(SIGUSR1, &sa, &old), 0);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &by_signal, &timer), 0);
    if (sigsetjmp(out_of_it, 1) == 0) {
        assert_int_equal(timer_settime(timer, 0, &when, NULL), 0);
        ssl_read(f[0], buf, 1);
        fail();
    }
    timer_delete(timer);
    sigaction(SIGUSR1, &old, NULL);
    pid = fork();
    if (pid == 0) {
        CHILD(ssl_write(f[0], "child", 5) == 5);
        CHILD(ssl_close(f[0]) == 0);
        _exit(0);
    }
    assert_int_equal(join(pid), 0);
    assert_int_equal(ssl_write(f[0], "us", 2), 2);
    assert_int_equal(ssl_recv(f[1], buf, 7, MSG_WAITALL), 7);
    close_pair(f);
}

static _Atomic bool stop;

/* What a thread had of the fd table at the fork is whole in the child. */
static void *churn(void *arg)
{
    (void)arg;
    while (!stop) {
        int fd = ssl_socket(AF_INET, SOCK_STREAM, 0), copy = dup(fd);

        if (fd < 0 || copy < 0 || conn_alias(fd, copy)) {
            return (void *)"no socket";
        }
        ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, "server.test", 11);
        ssl_attach(fd, SSL_CLIENT);
        ssl_close(fd);
        ssl_close(copy);
    }
    return NULL;
}

static void fork_while_the_table_changes(void **state)
{
    pthread_t t[2];
    void *complaint;

    (void)state;
    if (!FORKS_BESIDE_THREADS) {
        skip();
    }
    stop = false;
    for (int i = 0; i < 2; i++) {
        pthread_create(&t[i], NULL, churn, NULL);
    }
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            int fd, low = 1 << 20;

            alarm(20);
            for (int k = 0; k < 20; k++) { /* what was on the free lists, and more */
                fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
                low = fd < low ? fd : low;
                CHILD(fd >= 0);
                CHILD(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, "server.test", 11) == 0);
            }
            for (fd = low; fd < low + 60; fd++) {
                ssl_close(fd);
            }
            _exit(0);
        }
        assert_int_equal(join(pid), 0);
    }
    stop = true;
    for (int i = 0; i < 2; i++) {
        pthread_join(t[i], &complaint);
        assert_null(complaint);
    }
}

static void *make_connections(void *arg)
{
    (void)arg;
    while (!stop) {
        int f[2];

        tls_pair(f);
        close_pair(f);
    }
    return NULL;
}

/* Both ends by one thread. */
static bool handshake_alone(const int f[2])
{
    bool done[2] = { false, false };

    nonblocking(f[0], true);
    nonblocking(f[1], true);
    while (!done[0] || !done[1]) {
        for (int i = 0; i < 2; i++) {
            done[i] = done[i] || ssl_handshake(f[i]) == 0;
            if (!done[i] && errno != EAGAIN) {
                return false;
            }
        }
    }
    return true;
}

/* Other threads are in libcrypto at each fork, and hold locks of it. None of them is taken in the
 * child, which makes a connection of its own. */
static void fork_while_keys_are_made(void **state)
{
    pthread_t t[4];

    (void)state;
    if (!FORKS_BESIDE_THREADS) {
        skip();
    }
    stop = false;
    for (int i = 0; i < 4; i++) {
        pthread_create(&t[i], NULL, make_connections, NULL);
    }
    for (int i = 0; i < 200; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            int f[2];

            alarm(20);
            tcp_pair(f);
            attach_pair(f[0], f[1]);
            CHILD(handshake_alone(f));
            close_pair(f);
            _exit(0);
        }
        assert_int_equal(join(pid), 0);
    }
    stop = true;
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
}

/* Prefork: a listener and its options in two processes; each changes its own. */
static void both_accept(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr), go[2];
    char buf[8];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(go), 0);
    pid = fork();
    if (pid == 0) {
        int c;

        set_number(l, SSL_OPT_MIN_VERSION, TLS_1_3);
        CHILD(write(go[1], "r", 1) == 1);
        c = ssl_accept(l, NULL, NULL);
        CHILD(c >= 0 && ssl_write(c, "child", 5) == 5);
        CHILD(ssl_close(c) == 0 && ssl_close(l) == 0);
        _exit(0);
    }
    assert_int_equal(read(go[0], buf, 1), 1);
    for (int i = 0; i < 2; i++) { /* the child's first, then ours */
        int fd = client_socket("server.test", "ca.crt"), min = -1, c = -1;
        socklen_t n = sizeof min;
        pthread_t t;

        if (i == 1) {
            assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
            c = ssl_accept(l, NULL, NULL);
            assert_int_equal(ssl_attach(fd, SSL_CLIENT), 0);
            assert_int_equal(ssl_getsockopt(c, SOL_SSL, SSL_OPT_MIN_VERSION, &min, &n), 0);
            assert_int_equal(min, 0);
            pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)c);
            assert_int_equal(ssl_handshake(fd), 0);
            pthread_join(t, NULL);
            ssl_close(c);
        } else {
            assert_int_equal(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
            assert_int_equal(ssl_read(fd, buf, sizeof buf), 5);
        }
        assert_int_equal(ssl_read(fd, buf, sizeof buf), 0);
        ssl_close(fd);
        if (i == 0) {
            assert_int_equal(join(pid), 0);
        }
    }
    ssl_close(l);
    close(go[0]);
    close(go[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_40_copies_of_a_number),
        cmocka_unit_test(threat_40_in_the_handshake),
        cmocka_unit_test(fork_while_a_thread_reads),
        cmocka_unit_test(fork_after_a_jump),
        cmocka_unit_test(fork_while_the_table_changes),
        cmocka_unit_test(fork_while_keys_are_made),
        cmocka_unit_test(both_accept),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
