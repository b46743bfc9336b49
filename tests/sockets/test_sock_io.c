/* SPDX-License-Identifier: ISC */
/* Reading and writing as recv(2) and send(2) would. */
#include "tests/sockets/peers.h"

static void test_echo(void **state)
{
    char buf[64];
    int f[2];

    (void)state;
    tls_pair(f);
    assert_int_equal(ssl_write(f[0], "hello", 5), 5);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(ssl_write(f[1], "world!", 6), 6);
    assert_int_equal(ssl_read(f[0], buf, sizeof buf), 6);
    assert_memory_equal(buf, "world!", 6);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0); /* for ever */
    assert_int_equal(ssl_close(f[1]), 0);
    assert_fails(ssl_close(f[1]), EBADF);
}

/* The handshake takes place at the first use of either kind, in either order. */
static void *first_use(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[16] = "";

    if (ssl_read(fd, buf, sizeof buf) != 4 || memcmp(buf, "ping", 4) != 0) {
        return (void *)"the server's read";
    }
    return ssl_write(fd, "pong", 4) == 4 ? NULL : (void *)"the server's write";
}

static void test_lazy_handshake(void **state)
{
    char buf[16];
    pthread_t t;
    void *complaint;
    int f[2];

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    pthread_create(&t, NULL, first_use, (void *)(intptr_t)f[1]);
    assert_int_equal(ssl_write(f[0], "ping", 4), 4);
    assert_int_equal(ssl_read(f[0], buf, sizeof buf), 4);
    pthread_join(t, &complaint);
    assert_null(complaint);
    close_pair(f);
}

static void test_small_reads_and_writes(void **state)
{
    uint8_t out[3000], in[3000];
    int f[2];

    (void)state;
    tls_pair(f);
    fill_pattern(out, sizeof out, 0);
    /* one record, read byte by byte */
    assert_int_equal(ssl_write(f[0], out, sizeof out), sizeof out);
    for (size_t i = 0; i < sizeof in; i++) {
        assert_int_equal(ssl_read(f[1], in + i, 1), 1);
    }
    assert_memory_equal(in, out, sizeof in);
    /* a record per byte, read at once: several records in one read */
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(ssl_write(f[0], out + i, 1), 1);
    }
    await_input(f[1], 200 * (5 + 1 + 1 + 16)); /* RFC 8446 section 5.2 */
    assert_int_equal(ssl_read(f[1], in, sizeof in), 200);
    assert_memory_equal(in, out, 200);
    /* odd sizes */
    for (size_t n = 1; n < 60; n++) {
        assert_int_equal(ssl_write(f[0], out, n * 50), n * 50);
        memset(in, 0, sizeof in);
        for (size_t got = 0; got < n * 50;) {
            size_t ask = n * 50 - got < n ? n * 50 - got : n;
            ssize_t r = ssl_read(f[1], in + got, ask);

            assert_in_range(r, 1, ask);
            got += (size_t)r;
        }
        assert_memory_equal(in, out, n * 50);
    }
    close_pair(f);
}

static void test_zero_length(void **state)
{
    char c = 'x';
    int f[2];

    (void)state;
    tls_pair(f);
    assert_int_equal(ssl_read(f[1], &c, 0), 0);
    assert_int_equal(ssl_write(f[0], &c, 0), 0);
    assert_fails(ssl_recv(f[1], &c, 0, MSG_DONTWAIT), EAGAIN);
    assert_int_equal(ssl_write(f[0], "a", 1), 1);
    assert_int_equal(ssl_recv(f[1], &c, 0, 0), 0);
    assert_int_equal(ssl_read(f[1], &c, 1), 1);
    assert_int_equal(c, 'a');
    close_pair(f);
}

static void test_peek(void **state)
{
    uint8_t out[40000], in[40000];
    int f[2];

    (void)state;
    tls_pair(f);
    fill_pattern(out, sizeof out, 7);
    assert_fails(ssl_recv(f[1], in, 10, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
    assert_int_equal(ssl_write(f[0], out, 100), 100);
    assert_int_equal(ssl_recv(f[1], in, 10, MSG_PEEK), 10);
    assert_memory_equal(in, out, 10);
    assert_int_equal(ssl_recv(f[1], in, 200, MSG_PEEK), 100);
    assert_memory_equal(in, out, 100);
    assert_int_equal(ssl_recv(f[1], in, 30, 0), 30);
    assert_int_equal(ssl_recv(f[1], in, 200, MSG_PEEK), 70);
    assert_memory_equal(in, out + 30, 70);
    assert_int_equal(ssl_recv(f[1], in, 200, 0), 70);
    assert_memory_equal(in, out + 30, 70);
    /* with MSG_WAITALL, over several records */
    assert_int_equal(ssl_write(f[0], out, sizeof out), sizeof out);
    assert_int_equal(ssl_recv(f[1], in, sizeof in, MSG_PEEK | MSG_WAITALL), sizeof in);
    assert_memory_equal(in, out, sizeof in);
    memset(in, 0, sizeof in);
    assert_int_equal(ssl_recv(f[1], in, sizeof in, MSG_WAITALL), sizeof in);
    assert_memory_equal(in, out, sizeof in);
    /* at the end: what is there, then 0 */
    assert_int_equal(ssl_write(f[0], out, 5), 5);
    ssl_close(f[0]);
    assert_int_equal(ssl_recv(f[1], in, 10, MSG_PEEK | MSG_WAITALL), 5);
    assert_int_equal(ssl_recv(f[1], in, 10, 0), 5);
    assert_int_equal(ssl_recv(f[1], in, 10, MSG_PEEK), 0);
    ssl_close(f[1]);
}

static void *write_slowly(void *arg)
{
    int fd = (int)(intptr_t)arg;
    uint8_t out[50];

    for (int i = 0; i < 10; i++) {
        fill_pattern(out, sizeof out, (uint64_t)i * sizeof out);
        if (ssl_write(fd, out, sizeof out) != sizeof out) {
            return (void *)"write";
        }
        nap_ms(5);
    }
    return NULL;
}

static void test_waitall(void **state)
{
    uint8_t in[500];
    pthread_t t;
    int f[2];

    (void)state;
    tls_pair(f);
    pthread_create(&t, NULL, write_slowly, (void *)(intptr_t)f[0]);
    assert_int_equal(ssl_recv(f[1], in, sizeof in, MSG_WAITALL), sizeof in);
    expect_pattern(in, sizeof in, 0);
    pthread_join(t, NULL);
    /* cut short by the timeout, by O_NONBLOCK, by the end */
    assert_int_equal(ssl_write(f[0], "abc", 3), 3);
    timeout_ms(f[1], SO_RCVTIMEO, 100);
    assert_int_equal(ssl_recv(f[1], in, 10, MSG_WAITALL), 3);
    timeout_ms(f[1], SO_RCVTIMEO, 0);
    assert_int_equal(ssl_write(f[0], "abcd", 4), 4);
    await_input(f[1], 4);
    assert_int_equal(ssl_recv(f[1], in, 10, MSG_WAITALL | MSG_DONTWAIT), 4);
    assert_int_equal(ssl_write(f[0], "abcde", 5), 5);
    ssl_close(f[0]);
    assert_int_equal(ssl_recv(f[1], in, 10, MSG_WAITALL), 5);
    assert_int_equal(ssl_recv(f[1], in, 10, MSG_WAITALL), 0);
    ssl_close(f[1]);
}

static void test_iovecs(void **state)
{
    uint8_t out[40000], in[40000];
    struct iovec w[70], r[5];
    struct conn *client, *server;
    size_t at = 0, got = 0;
    int f[2];

    (void)state;
    tls_pair(f);
    client = conn_get(f[0]);
    server = conn_get(f[1]);
    fill_pattern(out, sizeof out, 99);
    for (size_t i = 0; i < 70; i++) { /* more than one batch of spans, some of them empty */
        size_t n = i % 7 == 0 ? 0 : i * 9;

        w[i] = (struct iovec){ out + at, n };
        at += n;
    }
    assert_int_equal(conn_writev(client, f[0], w, 70, 0), at);
    while (got < at) {
        r[0] = (struct iovec){ in + got, 1 };
        r[1] = (struct iovec){ in + got + 1, 0 };
        r[2] = (struct iovec){ in + got + 1, 10 };
        r[3] = (struct iovec){ in + got + 11, 3000 };
        r[4] = (struct iovec){ NULL, 0 };
        ssize_t n = conn_readv(server, f[1], r, 5, 0);

        assert_in_range(n, 1, 3011);
        got += (size_t)n;
    }
    assert_int_equal(got, at);
    assert_memory_equal(in, out, at);
    conn_put(client);
    conn_put(server);
    close_pair(f);
}

/* ---- non-blocking, small buffers ---- */

static void test_nonblocking(void **state)
{
    enum { TOTAL = 3000000 };
    static uint8_t out[50000], in[20000];
    uint64_t sent = 0, got = 0;
    size_t taken_when_full = 0;
    unsigned seed = 1;
    int f[2];

    (void)state;
    tls_pair(f);
    small_buffers(f);
    nonblocking(f[0], true);
    nonblocking(f[1], true);
    assert_fails(ssl_read(f[1], in, 1), EAGAIN);
    while (got < TOTAL) {
        size_t n = (size_t)rand_r(&seed) % sizeof out + 1, rounds = 0;
        ssize_t r;

        while (sent < TOTAL && rounds++ < 1000) {
            n = n > TOTAL - sent ? TOTAL - sent : n;
            fill_pattern(out, n, sent);
            r = ssl_write(f[0], out, n);
            if (r < 0) {
                assert_int_equal(errno, EAGAIN);
                taken_when_full++;
                break;
            }
            assert_in_range(r, 1, n);
            sent += (uint64_t)r;
        }
        n = (size_t)rand_r(&seed) % sizeof in + 1;
        while ((r = ssl_read(f[1], in, n)) > 0) {
            expect_pattern(in, (size_t)r, got);
            got += (uint64_t)r;
        }
        assert_int_equal(r, -1);
        assert_int_equal(errno, EAGAIN);
        if (sent == TOTAL) { /* the tail goes out with any call: poll's pump here */
            struct pollfd p = { f[0], POLLOUT, 0 };

            ssl_poll(&p, 1, 0);
        }
    }
    assert_true(taken_when_full > 10);
    assert_int_equal(got, TOTAL);
    close_pair(f);
}

/* At most one record is kept beyond what the kernel takes. */
static void test_bounded_tail(void **state)
{
    static uint8_t out[1 << 20];
    size_t took, kernel = 0;
    ssize_t r;
    int f[2];

    (void)state;
    tls_pair(f);
    small_buffers(f);
    nonblocking(f[0], true);
    r = ssl_write(f[0], out, sizeof out);
    assert_true(r > 0);
    took = (size_t)r;
    assert_fails(ssl_write(f[0], out, 1), EAGAIN);
    /* What the peer's and our kernel hold together is more than all but the last record. */
    for (;;) {
        static uint8_t in[65536];
        ssize_t n = recv(f[1], in, sizeof in, MSG_DONTWAIT); /* below TLS: raw bytes */

        for (int tries = 0; n <= 0 && tries < 20; tries++) { /* the window opens late */
            nap_ms(20);
            n = recv(f[1], in, sizeof in, MSG_DONTWAIT);
        }
        if (n <= 0) {
            break;
        }
        kernel += (size_t)n;
    }
    assert_in_range(took, 1, kernel + 16384);
    close_pair(f);
}

/* ---- timeouts ---- */

static void test_receive_timeout(void **state)
{
    int64_t start;
    char c;
    int f[2];

    (void)state;
    tls_pair(f);
    timeout_ms(f[1], SO_RCVTIMEO, 150);
    start = clock_ms();
    assert_fails(ssl_read(f[1], &c, 1), EAGAIN);
    assert_in_range(clock_ms() - start, 140, 20000);
    assert_int_equal(ssl_write(f[0], "x", 1), 1);
    assert_int_equal(ssl_read(f[1], &c, 1), 1);
    close_pair(f);
    /* the handshake that a read begins is bounded by it as well */
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    timeout_ms(f[1], SO_RCVTIMEO, 100);
    start = clock_ms();
    assert_fails(ssl_read(f[1], &c, 1), EAGAIN);
    assert_in_range(clock_ms() - start, 90, 20000);
    handshake_pair(f[0], f[1]);
    close_pair(f);
}

static void test_send_timeout(void **state)
{
    static uint8_t out[8 << 20];
    static uint8_t in[65536];
    uint64_t got = 0;
    int64_t start;
    ssize_t n;
    int f[2];

    (void)state;
    tls_pair(f);
    small_buffers(f);
    fill_pattern(out, sizeof out, 0);
    timeout_ms(f[0], SO_SNDTIMEO, 150);
    start = clock_ms();
    n = ssl_write(f[0], out, sizeof out);
    assert_in_range(clock_ms() - start, 140, 20000);
    assert_in_range(n, 1, sizeof out - 1);
    assert_fails(ssl_write(f[0], out, 1), EAGAIN);
    /* all that was reported arrives, and nothing else */
    nonblocking(f[1], true);
    for (int idle = 0; got < (uint64_t)n && idle < 1000;) {
        ssize_t r = ssl_read(f[1], in, sizeof in);
        struct pollfd p = { f[0], POLLOUT, 0 };

        if (r > 0) {
            expect_pattern(in, (size_t)r, got);
            got += (uint64_t)r;
        } else {
            assert_int_equal(errno, EAGAIN);
            ssl_poll(&p, 1, 1);
            idle++;
        }
    }
    assert_int_equal(got, n);
    ssl_close(f[0]);
    nonblocking(f[1], false);
    assert_int_equal(ssl_read(f[1], in, 1), 0);
    ssl_close(f[1]);
}

/* ---- half-close ---- */

static void test_half_close(void **state)
{
    char buf[16];
    int f[2];

    (void)state;
    tls_pair(f);
    assert_int_equal(ssl_write(f[0], "last", 4), 4);
    assert_int_equal(ssl_shutdown(f[0], SHUT_WR), 0);
    assert_fails(ssl_send(f[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 4);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
    assert_int_equal(ssl_write(f[1], "answer", 6), 6);
    assert_int_equal(ssl_read(f[0], buf, sizeof buf), 6);
    assert_int_equal(ssl_shutdown(f[1], SHUT_RDWR), 0);
    assert_int_equal(ssl_read(f[0], buf, sizeof buf), 0);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
    assert_fails(ssl_shutdown(f[0], 7), EINVAL);
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_lazy_handshake),
        cmocka_unit_test(test_small_reads_and_writes),
        cmocka_unit_test(test_zero_length),
        cmocka_unit_test(test_peek),
        cmocka_unit_test(test_waitall),
        cmocka_unit_test(test_iovecs),
        cmocka_unit_test(test_nonblocking),
        cmocka_unit_test(test_bounded_tail),
        cmocka_unit_test(test_receive_timeout),
        cmocka_unit_test(test_send_timeout),
        cmocka_unit_test(test_half_close),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
