/* SPDX-License-Identifier: ISC */
/* Signals, jumps and cancellation in the middle of it all. */
#include <sys/time.h>

#include "shim/sys.h"
#include "tests/sockets/peers.h"

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
    (void)sig;
    ticks++;
}

/* The second time someone stands before all handlers, as the preload does. */
static bool first_of_all;
static void (*handlers[NSIG])(int);

static void before_it(int sig, siginfo_t *info, void *context)
{
    if (!signal_put_off(sig, info, context)) {
        handlers[sig](sig);
    }
}

static void handle(int sig, void (*fn)(int), int flags)
{
    struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

    handlers[sig] = fn;
    if (first_of_all) {
        sa.sa_sigaction = before_it;
        sa.sa_flags |= SA_SIGINFO;
    }
    assert_int_equal(sigaction(sig, &sa, NULL), 0);
}

/* SIGUSR1 to the first thread when it sleeps, again as long as that is wanted; then (if fd >= 0)
 * something to read. */
struct later {
    pthread_t whom;
    int fd;
    _Atomic bool again;
};

static void *disturb(void *arg)
{
    struct later *l = arg;

    do {
        await_sleep(getpid());
        pthread_kill(l->whom, SIGUSR1);
    } while (l->again);
    if (l->fd >= 0) {
        nap_ms(60);
        ssl_write(l->fd, "data", 4);
    }
    return NULL;
}

static void test_read_restarts(void **state)
{
    struct later l = { .whom = pthread_self() };
    pthread_t t;
    char buf[8];
    int f[2];

    (void)state;
    tls_pair(f);
    l.fd = f[1];
    handle(SIGUSR1, tick, SA_RESTART);
    ticks = 0;
    pthread_create(&t, NULL, disturb, &l);
    assert_int_equal(ssl_read(f[0], buf, sizeof buf), 4);
    assert_int_equal(ticks, 1);
    pthread_join(t, NULL);
    /* signal(7): not when a timeout is set on the socket */
    timeout_ms(f[0], SO_RCVTIMEO, 5000);
    l.fd = -1;
    pthread_create(&t, NULL, disturb, &l);
    assert_fails(ssl_read(f[0], buf, sizeof buf), EINTR);
    pthread_join(t, NULL);
    close_pair(f);
}

static void test_read_is_interrupted(void **state)
{
    struct later l = { .whom = pthread_self(), .fd = -1 };
    pthread_t t;
    char buf[8];
    int f[2];

    (void)state;
    tls_pair(f);
    handle(SIGUSR1, tick, 0);
    pthread_create(&t, NULL, disturb, &l);
    assert_fails(ssl_read(f[0], buf, sizeof buf), EINTR);
    pthread_join(t, NULL);
    /* what was there already is not lost */
    assert_int_equal(ssl_write(f[1], "abc", 3), 3);
    pthread_create(&t, NULL, disturb, &l);
    assert_int_equal(ssl_recv(f[0], buf, sizeof buf, MSG_WAITALL), 3);
    assert_memory_equal(buf, "abc", 3);
    pthread_join(t, NULL);
    close_pair(f);
}

static void test_handshake_is_interrupted(void **state)
{
    struct later l = { .whom = pthread_self(), .fd = -1 };
    pthread_t t;
    int f[2];

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    handle(SIGUSR1, tick, 0);
    pthread_create(&t, NULL, disturb, &l);
    assert_fails(ssl_handshake(f[0]), EINTR);
    pthread_join(t, NULL);
    handshake_pair(f[0], f[1]); /* goes on where it was */
    close_pair(f);
}

static void *handshake_late(void *arg)
{
    for (int tries = 0; !ticks && tries < 2000; tries++) {
        nap_ms(5);
    }
    return (void *)(intptr_t)ssl_handshake(*(int *)arg);
}

static void test_handshake_restarts(void **state)
{
    struct later l = { .whom = pthread_self(), .fd = -1 };
    pthread_t t, s;
    int f[2];

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    handle(SIGUSR1, tick, SA_RESTART);
    ticks = 0;
    pthread_create(&s, NULL, handshake_late, &f[1]);
    pthread_create(&t, NULL, disturb, &l);
    assert_int_equal(ssl_handshake(f[0]), 0);
    assert_int_equal(ticks, 1);
    pthread_join(t, NULL);
    pthread_join(s, NULL);
    close_pair(f);
}

/* A write that waits: a partial count, and all of what was counted arrives. */
static void test_write_is_interrupted(void **state)
{
    static uint8_t out[8 << 20], in[65536];
    struct later l = { .whom = pthread_self(), .fd = -1 };
    uint64_t got = 0;
    pthread_t t;
    ssize_t n;
    int f[2], size = 8192;

    (void)state;
    tls_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    fill_pattern(out, sizeof out, 0);
    handle(SIGUSR1, tick, 0);
    l.again = true; /* one that comes when the write has just begun to go on is for nothing */
    pthread_create(&t, NULL, disturb, &l);
    n = ssl_write(f[0], out, sizeof out);
    l.again = false;
    pthread_join(t, NULL);
    assert_in_range(n, 1, sizeof out - 1);
    /* the next blocking read of ours sends the tail: the peer answers only when it has it all */
    nonblocking(f[1], true);
    timeout_ms(f[0], SO_RCVTIMEO, 5);
    for (int i = 0; i < 500 && got < (uint64_t)n; i++) {
        char c;
        ssize_t r;

        assert_int_equal(ssl_read(f[0], &c, 1), -1);
        while ((r = ssl_read(f[1], in, sizeof in)) > 0) {
            expect_pattern(in, (size_t)r, got);
            got += (uint64_t)r;
        }
    }
    assert_int_equal(got, n);
    close_pair(f);
}

/* ---- jumping away ---- */

static sigjmp_buf out_of_it;

static void jump(int sig)
{
    (void)sig;
    siglongjmp(out_of_it, 1);
}

static void arm(int usec)
{
    struct itimerval t = { .it_value.tv_usec = usec };

    setitimer(ITIMER_REAL, &t, NULL);
}

/* Old clients leave a blocked read, or one at work, by longjmp; the connection stays whole. */
static void test_longjmp(void **state)
{
    static uint8_t in[20000], out[20000];
    volatile unsigned jumps = 0;
    volatile int i;
    char c;
    int f[2];

    (void)state;
    tls_pair(f);
    alarm(0);
    handle(SIGALRM, jump, 0);
    for (i = 0; i < 400; i++) {
        if (sigsetjmp(out_of_it, 1) == 0) {
            arm(50 + i * 3);
            for (;;) { /* sealing and opening, until it happens */
                ssl_write(f[0], out, 700);
                ssl_recv(f[1], in, sizeof in, MSG_DONTWAIT);
            }
        }
        jumps++;
    }
    assert_int_equal(jumps, 400);
    while (ssl_recv(f[1], in, sizeof in, MSG_DONTWAIT) > 0) {
    }
    if (sigsetjmp(out_of_it, 1) == 0) {
        arm(30000);
        ssl_read(f[0], &c, 1);
        fail();
    }
    assert_int_equal(ssl_write(f[0], "whole", 5), 5);
    assert_int_equal(ssl_recv(f[1], in, 5, MSG_WAITALL), 5);
    assert_memory_equal(in, "whole", 5);
    assert_int_equal(ssl_write(f[1], "too", 3), 3);
    assert_int_equal(ssl_recv(f[0], in, 3, MSG_WAITALL), 3);
    signal(SIGALRM, SIG_DFL);
    alarm(DEADLINE_S);
    close_pair(f);
}

/* ---- a handler that uses the connection it interrupted ---- */

static int shared_fd;
static volatile sig_atomic_t from_handler;

static void write_a_dot(int sig)
{
    int saved = errno;

    (void)sig;
    if (ssl_send(shared_fd, ".", 1, MSG_DONTWAIT) == 1) {
        from_handler++;
    }
    errno = saved;
}

static void test_handler_writes_too(void **state)
{
    static char in[400000];
    struct itimerval every = { { 0, 300 }, { 0, 300 } }, none = { { 0, 0 }, { 0, 0 } };
    size_t dots = 0, dashes = 0;
    ssize_t n;
    int f[2];

    (void)state;
    tls_pair(f);
    shared_fd = f[0];
    from_handler = 0;
    alarm(0);
    handle(SIGALRM, write_a_dot, SA_RESTART);
    setitimer(ITIMER_REAL, &every, NULL);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(ssl_write(f[0], "--", 2), 2);
        n = ssl_recv(f[1], in, sizeof in, MSG_DONTWAIT);
        for (ssize_t k = 0; k < n; k++) {
            dots += in[k] == '.';
            dashes += in[k] == '-';
        }
    }
    setitimer(ITIMER_REAL, &none, NULL);
    signal(SIGALRM, SIG_DFL);
    alarm(DEADLINE_S);
    ssl_shutdown(f[0], SHUT_WR);
    while ((n = ssl_read(f[1], in, sizeof in)) > 0) {
        for (ssize_t k = 0; k < n; k++) {
            dots += in[k] == '.';
            dashes += in[k] == '-';
        }
    }
    assert_int_equal(n, 0);
    assert_int_equal(dashes, 40000);
    assert_int_equal(dots, from_handler);
    assert_true(from_handler > 10);
    close_pair(f);
}

/* ---- cancellation ---- */

static void *read_for_ever(void *arg)
{
    char c;

    while (ssl_read(*(int *)arg, &c, 1) == 1) {
    }
    return NULL;
}

static void test_cancel(void **state)
{
    pthread_t t;
    void *result;
    char c;
    int f[2];

    (void)state;
    tls_pair(f);
    for (int i = 0; i < 50; i++) {
        pthread_create(&t, NULL, read_for_ever, &f[0]);
        for (int k = 0; k < i % 5; k++) {
            assert_int_equal(ssl_write(f[1], "x", 1), 1);
        }
        if (i % 2) {
            nap_ms(1);
        }
        pthread_cancel(t);
        pthread_join(t, &result);
        assert_ptr_equal(result, PTHREAD_CANCELED);
    }
    while (ssl_recv(f[0], &c, 1, MSG_DONTWAIT) == 1) {
    }
    assert_int_equal(ssl_write(f[1], "y", 1), 1);
    assert_int_equal(ssl_read(f[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    close_pair(f);
}

/* ---- SIGPIPE ---- */

static void test_sigpipe(void **state)
{
    struct linger now = { 1, 0 };
    struct pollfd reset = { 0 };
    int f[2];

    (void)state;
    tls_pair(f);
    handle(SIGPIPE, tick, 0);
    ticks = 0;
    ssl_shutdown(f[0], SHUT_WR);
    assert_fails(ssl_send(f[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    assert_int_equal(ticks, 0);
    assert_fails(ssl_write(f[0], "x", 1), EPIPE);
    assert_int_equal(ticks, 1);
    close_pair(f);

    tls_pair(f);
    setsockopt(f[1], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ssl_close(f[1]);
    reset.fd = f[0];
    assert_int_equal(poll(&reset, 1, 10000), 1);
    assert_fails(ssl_write(f[0], "x", 1), ECONNRESET); /* as the kernel: why, then EPIPE */
    assert_int_equal(ticks, 1);
    assert_fails(ssl_write(f[0], "x", 1), EPIPE);
    assert_int_equal(ticks, 2);
    ssl_close(f[0]); /* close_notify on a broken socket: no signal */
    assert_int_equal(ticks, 2);
    signal(SIGPIPE, SIG_IGN);
}

static ssize_t (*real_sendmsg)(int fd, const struct msghdr *m, int flags);

static ssize_t reset_behind_one(int fd, const struct msghdr *m, int flags)
{
    errno = ECONNRESET;
    return ticks++ == 0 ? real_sendmsg(fd, m, flags) : -1;
}

/* It broke behind the first of several records: that is a short count, and then why, without a
 * signal. */
static void test_why_after_a_short_count(void **state)
{
    static char out[300000];
    ssize_t n;
    int f[2];

    (void)state;
    tls_pair(f);
    nonblocking(f[0], true);
    ticks = 0;
    real_sendmsg = sys.sendmsg;
    sys.sendmsg = reset_behind_one;
    n = ssl_write(f[0], out, sizeof out);
    assert_true(n > 0 && n < (ssize_t)sizeof out);
    assert_fails(ssl_write(f[0], out, 1), ECONNRESET);
    assert_fails(ssl_send(f[0], out, 1, MSG_NOSIGNAL), EPIPE);
    sys.sendmsg = real_sendmsg;
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_restarts),
        cmocka_unit_test(test_read_is_interrupted),
        cmocka_unit_test(test_handshake_is_interrupted),
        cmocka_unit_test(test_handshake_restarts),
        cmocka_unit_test(test_write_is_interrupted),
        cmocka_unit_test(test_longjmp),
        cmocka_unit_test(test_handler_writes_too),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_sigpipe),
        cmocka_unit_test(test_why_after_a_short_count),
    };

    int failed = cmocka_run_group_tests_name("blocked", tests, peers_setup, peers_teardown);

    first_of_all = true;
    signals_first(true);
    return failed + cmocka_run_group_tests_name("put off", tests, peers_setup, peers_teardown);
}
