/* SPDX-License-Identifier: ISC */
/* The end of a connection: several fds of one, tails, close_notify once and in time. */
#include "tests/sockets/peers.h"

static void test_dup(void **state)
{
    char buf[8];
    int f[2], copy;

    (void)state;
    tls_pair(f);
    copy = dup(f[0]);
    assert_int_equal(conn_alias(f[0], copy), 0);
    assert_int_equal(ssl_write(copy, "copy", 4), 4);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 4);
    assert_int_equal(ssl_close(f[0]), 0); /* not the last: nothing is said */
    assert_int_equal(ssl_write(copy, "more", 4), 4);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 4);
    assert_fails(ssl_recv(f[1], buf, sizeof buf, MSG_DONTWAIT), EAGAIN);
    assert_int_equal(ssl_write(f[1], "back", 4), 4);
    assert_int_equal(ssl_read(copy, buf, sizeof buf), 4);
    assert_int_equal(ssl_close(copy), 0);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
    ssl_close(f[1]);
}

static _Atomic pid_t waiter;

static void *wait_for_input(void *arg)
{
    char c;

    waiter = gettid();
    errno = 0;
    return (void *)(intptr_t)(ssl_read(*(int *)arg, &c, 1) < 0 ? errno : 0);
}

static void await_reader(pthread_t *t, int *fd)
{
    waiter = 0;
    assert_int_equal(pthread_create(t, NULL, wait_for_input, fd), 0);
    while (!waiter) {
        nap_ms(1);
    }
    await_sleep(waiter);
}

/* One of two numbers is closed: the socket stays open, its reader waits on, as in read(2); what
 * comes then is for the other number. */
static void test_dup_under_a_reader(void **state)
{
    char byte = 0;
    int f[2], copy;
    pthread_t t;
    void *rc;

    (void)state;
    tls_pair(f);
    copy = dup(f[0]);
    assert_int_equal(conn_alias(f[0], copy), 0);
    await_reader(&t, &f[0]);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(ssl_write(f[1], "!", 1), 1);
    pthread_join(t, &rc);
    assert_int_equal((intptr_t)rc, EBADF);
    assert_int_equal(ssl_read(copy, &byte, 1), 1);
    assert_int_equal(byte, '!');
    ssl_close(copy);
    ssl_close(f[1]);
}

/* A connection that may linger for ever. */
static void attach_patient(int fd)
{
    struct conn_params p = { .linger_ms = 1 << 30 };
    struct error err = { 0 };

    assert_int_equal(shim_init(), 0);
    p.config = config_new(TLS_CLIENT);
    assert_non_null(p.config);
    assert_int_equal(config_set_verify(p.config, VERIFY_NONE), 0);
    assert_int_equal(config_seal(p.config, &err), 0);
    assert_int_equal(conn_attach(fd, &p, &err), 0);
    config_unref(p.config);
}

static int closed_by_handler;

static void close_in_handler(int sig)
{
    (void)sig;
    ssl_close(closed_by_handler);
}

/* close() waits for those that wait in the kernel, but not for the thread that it interrupted. */
static void test_close_in_a_handler(void **state)
{
    struct sigaction sa = { .sa_handler = close_in_handler }, old;
    pthread_t t;
    void *rc;
    int f[2];

    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &sa, &old), 0);
    tcp_pair(f);
    attach_patient(f[0]);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    handshake_pair(f[0], f[1]);
    closed_by_handler = f[0];
    await_reader(&t, &f[0]);
    pthread_kill(t, SIGUSR1);
    pthread_join(t, &rc);
    assert_true((intptr_t)rc == EBADF || (intptr_t)rc == EINTR);
    assert_null(conn_get(f[0]));
    ssl_close(f[1]);
    sigaction(SIGUSR1, &old, NULL);
}

/* The new number had a TLS connection of its own: as dup2() would, that one ends. */
static void test_dup_over_another(void **state)
{
    char buf[8];
    int f[2], g[2];

    (void)state;
    tls_pair(f);
    tls_pair(g);
    conn_closing(g[0]);
    assert_int_equal(dup2(f[0], g[0]), g[0]);
    assert_int_equal(conn_alias(f[0], g[0]), 0);
    assert_int_equal(ssl_read(g[1], buf, sizeof buf), 0);
    assert_int_equal(ssl_write(g[0], "f", 1), 1);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 1);
    ssl_close(g[0]);
    ssl_close(g[1]);
    close_pair(f);
}

static void collect(void *ctx, int fd)
{
    int *list = ctx;

    list[++list[0]] = fd;
}

static void test_each(void **state)
{
    int f[2], list[8] = { 0 }, low, high;

    (void)state;
    tls_pair(f);
    low = f[0] < f[1] ? f[0] : f[1];
    high = f[0] < f[1] ? f[1] : f[0];
    conn_each(0, INT32_MAX, collect, list);
    assert_int_equal(list[0], 2);
    assert_int_equal(list[1], low);
    assert_int_equal(list[2], high);
    list[0] = 0;
    conn_each(high, high, collect, list);
    assert_int_equal(list[0], 1);
    list[0] = 0;
    conn_each(high + 1, INT32_MAX, collect, list);
    assert_int_equal(list[0], 0);
    close_pair(f);
    conn_each(-5, INT32_MAX, collect, list);
    assert_int_equal(list[0], 0);
}

static void *drink_slowly(void *arg)
{
    int fd = *(int *)arg;
    uint8_t in[4096];
    uint64_t pos = 0;
    ssize_t n;

    nap_ms(100);
    while ((n = ssl_read(fd, in, sizeof in)) > 0) {
        expect_pattern(in, (size_t)n, pos);
        pos += (uint64_t)n;
    }
    return n == 0 ? (void *)(uintptr_t)pos : (void *)UINTPTR_MAX;
}

/* A tail in hand at close(): it goes out, and close_notify behind it. */
static void test_close_with_a_tail(void **state)
{
    static uint8_t out[1 << 20];
    int size = 8192, f[2];
    pthread_t t;
    void *got;
    ssize_t n;

    (void)state;
    tls_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    nonblocking(f[0], true);
    fill_pattern(out, sizeof out, 0);
    n = ssl_write(f[0], out, sizeof out);
    assert_in_range(n, 1, sizeof out - 1);
    pthread_create(&t, NULL, drink_slowly, &f[1]);
    assert_int_equal(ssl_close(f[0]), 0);
    pthread_join(t, &got);
    assert_int_equal((uintptr_t)got, n);
    ssl_close(f[1]);
}

/* No one reads: close() gives up after SO_LINGER's time. */
static void test_close_is_bounded(void **state)
{
    static uint8_t out[1 << 20];
    struct linger one = { 1, 1 };
    int size = 8192, f[2];
    struct pollfd p;
    int64_t start;

    (void)state;
    tls_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    nonblocking(f[0], true);
    do { /* until neither kernel takes more */
        p = (struct pollfd){ f[0], POLLOUT, 0 };
        ssl_write(f[0], out, sizeof out);
    } while (ssl_poll(&p, 1, 100) > 0);
    setsockopt(f[0], SOL_SOCKET, SO_LINGER, &one, sizeof one);
    start = clock_ms();
    ssl_close(f[0]);
    assert_in_range(clock_ms() - start, 900, 20000); /* then the kernel lingers in its turn */
    ssl_close(f[1]);
}

/* threat 41: when the connection is forgotten and the fd is not closed yet, the kernel refuses. */
static void threat_41_closing(void **state)
{
    struct linger now = { 1, 0 };
    char buf[8];
    int f[2];

    (void)state;
    for (int abort = 0; abort < 2; abort++) {
        tls_pair(f);
        if (abort) {
            setsockopt(f[0], SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        conn_closing(f[0]);
        assert_null(conn_get(f[0]));
        assert_int_equal(send(f[0], "secret", 6, MSG_NOSIGNAL), -1);
        assert_true(errno == EPIPE || errno == ECONNRESET); /* the latter after a disconnect */
        if (abort) {
            assert_fails(ssl_read(f[1], buf, sizeof buf), ECONNRESET);
        } else {
            assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
        }
        close_pair(f);
    }
}

static _Atomic pid_t closer;

static void *close_it(void *arg)
{
    closer = gettid();
    ssl_close(*(int *)arg);
    return NULL;
}

/* While close() lingers, other threads have EBADF, and a second close() is harmless. */
static void threat_41_lingering(void **state)
{
    static uint8_t out[1 << 20];
    struct linger two = { 1, 2 };
    int size = 8192, f[2], copy;
    struct pollfd p;
    pthread_t t;
    char c;

    (void)state;
    tls_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    nonblocking(f[0], true);
    do {
        p = (struct pollfd){ f[0], POLLOUT, 0 };
        ssl_write(f[0], out, sizeof out);
    } while (ssl_poll(&p, 1, 100) > 0);
    setsockopt(f[0], SOL_SOCKET, SO_LINGER, &two, sizeof two);
    copy = dup(f[0]);
    pthread_create(&t, NULL, close_it, &f[0]);
    while (!closer) {
        nap_ms(1);
    }
    await_sleep(closer);
    assert_fails(ssl_write(f[0], "x", 1), EBADF);
    assert_fails(ssl_read(f[0], &c, 1), EBADF);
    assert_int_equal(conn_alias(f[0], copy), -1);
    conn_closing(f[0]);
    assert_null(conn_get(f[0]));
    ssl_close(f[1]);
    pthread_join(t, NULL);
    close(copy);
}

/* Session tickets that were never read must not turn close() into a reset that destroys data on its
 * way. */
static void test_write_and_close(void **state)
{
    static uint8_t out[200000], in[65536];
    uint64_t pos;
    ssize_t n;
    int f[2];

    (void)state;
    fill_pattern(out, sizeof out, 0);
    for (int i = 0; i < 20; i++) {
        tls_pair(f);
        nap_ms(i == 0 ? 50 : 0);
        assert_int_equal(ssl_write(f[0], out, sizeof out), sizeof out);
        assert_int_equal(ssl_close(f[0]), 0);
        for (pos = 0; (n = ssl_read(f[1], in, sizeof in)) > 0; pos += (uint64_t)n) {
            expect_pattern(in, (size_t)n, pos);
        }
        assert_int_equal(n, 0);
        assert_int_equal(pos, sizeof out);
        ssl_close(f[1]);
    }
}

/* Closed before a word was said. */
static void test_close_before_the_handshake(void **state)
{
    char buf[8];
    int f[2];

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    assert_int_equal(ssl_close(f[1]), 0);
    assert_fails(ssl_read(f[0], buf, sizeof buf), ECONNRESET);
    ssl_close(f[0]);
}

/* A server's words from before the handshake still go out when it closes at once (daytime). */
static void test_close_with_early_words(void **state)
{
    char buf[16];
    pthread_t t;
    void *rc;
    int f[2];

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    nonblocking(f[1], true);
    assert_int_equal(ssl_write(f[1], "noon\r\n", 6), 6);
    pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)f[0]);
    assert_int_equal(ssl_close(f[1]), 0);
    pthread_join(t, &rc);
    assert_null(rc);
    assert_int_equal(ssl_recv(f[0], buf, sizeof buf, MSG_WAITALL), 6);
    assert_memory_equal(buf, "noon\r\n", 6);
    assert_int_equal(ssl_read(f[0], buf, sizeof buf), 0);
    ssl_close(f[0]);
}

/* ---- events ---- */

struct seen {
    int connected, failed, closed;
};

static void count(void *ctx, struct conn *c, int event)
{
    struct seen *s = ctx;

    s->connected += event == CONN_EVENT_CONNECTED;
    s->failed += event == CONN_EVENT_FAILED;
    s->closed += event == CONN_EVENT_CLOSED;
    conn_ready(c, POLLIN); /* no lock is held: a callback may ask */
}

static int64_t wall_clock(void)
{
    return (int64_t)time(NULL);
}

static struct config *client_config(void)
{
    struct config *config = config_new(TLS_CLIENT);
    struct trust *trust = trust_new();
    struct error err = { 0 };

    assert_true(trust_add_path(trust, cert_path("ca.crt"), &err) > 0);
    assert_int_equal(config_set_trust(config, trust), 0);
    assert_int_equal(config_set_clock(config, wall_clock), 0);
    trust_unref(trust);
    assert_int_equal(config_seal(config, &err), 0);
    return config;
}

static void events_of(const char *host, struct seen *s)
{
    struct config *config = client_config();
    struct conn_params p = { .config = config, .host = host, .on_event = count, .ctx = s };
    struct error err;
    pthread_t t;
    void *rc;
    int f[2];

    tcp_pair(f);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(conn_attach(f[0], &p, &err), 0);
    config_unref(config);
    pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)f[1]);
    (void)!ssl_handshake(f[0]);
    (void)!ssl_handshake(f[0]);
    pthread_join(t, &rc);
    assert_int_equal(s->closed, 0);
    close_pair(f);
}

static void test_events(void **state)
{
    struct seen good = { 0 }, bad = { 0 };

    (void)state;
    events_of("server.test", &good);
    assert_int_equal(good.connected, 1);
    assert_int_equal(good.failed, 0);
    assert_int_equal(good.closed, 1);
    events_of("wrong.test", &bad);
    assert_int_equal(bad.connected, 0);
    assert_int_equal(bad.failed, 1);
    assert_int_equal(bad.closed, 1);
}

/* conn_fail(): the preload's way to refuse; every later use has the errno, the socket is shut down.
 */
static void test_fail(void **state)
{
    struct conn *c;
    char buf[8];
    int f[2];

    (void)state;
    tls_pair(f);
    c = conn_get(f[0]);
    conn_fail(c, EACCES, "the policy says no");
    assert_int_equal(conn_errno(c), EACCES);
    assert_non_null(strstr(conn_error(c)->text, "policy"));
    assert_true(conn_ready(c, POLLIN | POLLOUT) & POLLERR);
    conn_put(c);
    assert_fails(ssl_write(f[0], "x", 1), EACCES);
    assert_fails(ssl_read(f[0], buf, 1), EACCES);
    assert_fails(send(f[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    assert_true(ssl_read(f[1], buf, 1) <= 0);
    close_pair(f);
}

#define WORDS (1 << 20)

static void *write_and_go(void *arg)
{
    const int fd = (int)(intptr_t)arg;
    uint8_t *p = malloc(WORDS);
    ssize_t put;

    assert_non_null(p);
    fill_pattern(p, WORDS, 0);
    put = ssl_write(fd, p, WORDS);
    free(p);
    return (void *)(intptr_t)(put == WORDS && ssl_close(fd) == 0);
}

static void *read_to_the_end(void *arg)
{
    static uint8_t in[WORDS];
    const int fd = (int)(intptr_t)arg;
    char byte;

    read_exactly(fd, in, WORDS);
    expect_pattern(in, WORDS, 0);
    return (void *)(intptr_t)(ssl_read(fd, &byte, 1) == 0);
}

/* What there is from one to the other, until nothing comes for some time. */
static bool carry(int from, int to, int ms)
{
    static uint8_t mem[16384];
    struct pollfd p = { .fd = from, .events = POLLIN };

    while (poll(&p, 1, ms) == 1) {
        ssize_t n = read(from, mem, sizeof mem);

        if (n <= 0) {
            return false;
        }
        assert_int_equal(write(to, mem, (size_t)n), n);
    }
    return true;
}

/* A server's tickets come when the client, which only writes, has said its all and closed: the
 * reset with which a closed socket answers them must not cost what is still on its way. */
static void test_close_before_the_tickets(void **state)
{
    struct linger patient = { .l_onoff = 1, .l_linger = 20 };
    int near[2], far[2], small = 150000;
    pthread_t c, s;
    void *rc;

    (void)state;
    tcp_pair(near);
    tcp_pair(far);
    setsockopt(near[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    attach_pair(near[0], far[1]);
    setsockopt(near[0], SOL_SOCKET, SO_LINGER, &patient, sizeof patient);
    pthread_create(&s, NULL, read_to_the_end, (void *)(intptr_t)far[1]);
    pthread_create(&c, NULL, write_and_go, (void *)(intptr_t)near[0]);
    assert_true(carry(near[1], far[0], 300)); /* ClientHello */
    assert_true(carry(far[0], near[1], 300)); /* and the answer */
    nap_ms(200);                              /* the client writes, and closes */
    {
        uint8_t some[4096]; /* Finished: the server gives its tickets */
        ssize_t n = read(near[1], some, sizeof some);

        assert_true(n > 0 && write(far[0], some, (size_t)n) == n);
    }
    assert_true(carry(far[0], near[1], 300));
    while (carry(near[1], far[0], 5000)) {
    }
    shutdown(far[0], SHUT_WR);
    pthread_join(c, &rc);
    assert_non_null(rc);
    pthread_join(s, &rc);
    assert_non_null(rc);
    close(near[1]);
    close(far[0]);
    ssl_close(far[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dup),
        cmocka_unit_test(test_dup_under_a_reader),
        cmocka_unit_test(test_close_in_a_handler),
        cmocka_unit_test(test_dup_over_another),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_close_with_a_tail),
        cmocka_unit_test(test_close_is_bounded),
        cmocka_unit_test(test_close_before_the_tickets),
        cmocka_unit_test(threat_41_closing),
        cmocka_unit_test(threat_41_lingering),
        cmocka_unit_test(test_write_and_close),
        cmocka_unit_test(test_close_before_the_handshake),
        cmocka_unit_test(test_close_with_early_words),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_fail),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
