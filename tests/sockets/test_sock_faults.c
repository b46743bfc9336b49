/* SPDX-License-Identifier: ISC */
/* The kernel gives and takes as little as it may; memory runs out anywhere (threat 37). */
#include "base/mem.h"
#include "shim/sys.h"
#include "tests/sockets/peers.h"

static struct sys real;
static unsigned seed = 5;
static size_t at_most;

static size_t some(size_t n)
{
    size_t limit = (size_t)rand_r(&seed) % at_most + 1;

    return n < limit ? n : limit;
}

/* A signal, no room, or a few bytes. */
static bool hiccup(void)
{
    switch (rand_r(&seed) % 8) {
    case 0:
        errno = EINTR;
        return true;
    case 1:
        errno = EAGAIN;
        return true;
    default:
        return false;
    }
}

static ssize_t stingy_recv(int fd, void *p, size_t n, int flags)
{
    if (flags & MSG_DONTWAIT) {
        return hiccup() ? -1 : real.recv(fd, p, some(n), flags);
    }
    return real.recv(fd, p, n, flags);
}

static ssize_t stingy_sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct msghdr part = *m;
    struct iovec iov = m->msg_iov[0];

    if (hiccup()) {
        if (errno == EAGAIN && rand_r(&seed) % 2) {
            errno = ENOBUFS;
        }
        return -1;
    }
    if (rand_r(&seed) % 4 == 0 && m->msg_iovlen > 1) {
        return real.sendmsg(fd, m, flags); /* over the border of the parts */
    }
    iov.iov_len = some(iov.iov_len);
    part.msg_iov = &iov;
    part.msg_iovlen = 1;
    return real.sendmsg(fd, &part, flags);
}

static ssize_t counting_sendmsg(int fd, const struct msghdr *m, int flags);

static void stingy(size_t limit)
{
    at_most = limit;
    sys.recv = stingy_recv;
    sys.sendmsg = stingy_sendmsg;
}

static void generous(void)
{
    sys = real;
}

/* Both ends in one thread, everything non-blocking: no byte is lost, doubled or swapped. */
static void run(size_t limit, uint64_t total)
{
    static uint8_t out[70000], in[70000];
    uint64_t sent[2] = { 0 }, got[2] = { 0 };
    int f[2];

    tcp_pair(f);
    attach_pair(f[0], f[1]);
    nonblocking(f[0], true);
    nonblocking(f[1], true);
    stingy(limit);
    for (int i = 0; got[0] < total || got[1] < total; i++) {
        int me = i % 2;
        size_t n = (size_t)rand_r(&seed) % sizeof out + 1;
        ssize_t r;

        n = n > total - sent[me] ? (size_t)(total - sent[me]) : n;
        fill_pattern(out, n, sent[me]);
        r = n ? ssl_write(f[me], out, n) : ssl_handshake(f[me]);
        if (r > 0) {
            sent[me] += (uint64_t)r;
        } else if (r < 0 && errno != EAGAIN) {
            fail_msg("write: %s: %s", strerror(errno), ssl_error(f[me]));
        }
        r = ssl_read(f[me], in, (size_t)rand_r(&seed) % sizeof in + 1);
        if (r > 0) {
            expect_pattern(in, (size_t)r, got[!me]);
            got[!me] += (uint64_t)r;
        } else if (r == 0 || errno != EAGAIN) {
            fail_msg("read: %zd, %s: %s", r, strerror(errno), ssl_error(f[me]));
        } else if (sent[me] == total) {
            struct pollfd p = { f[me], POLLOUT, 0 };

            ssl_poll(&p, 1, 0); /* the tail */
        }
    }
    generous();
    close_pair(f);
}

static void test_stingy_kernel(void **state)
{
    (void)state;
    run(1, 3000);
    run(3, 20000);
    run(100, 200000);
    run(20000, 5000000);
}

/* The client's last flight and its first words leave in one piece (house.md). */
static unsigned sends;

static ssize_t counting_sendmsg(int fd, const struct msghdr *m, int flags)
{
    sends++;
    return real.sendmsg(fd, m, flags);
}

static void test_finished_and_data_together(void **state)
{
    char buf[8];
    int f[2];

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    nonblocking(f[0], true);
    nonblocking(f[1], true);
    assert_fails(ssl_write(f[0], "first", 5), EAGAIN); /* ClientHello */
    assert_fails(ssl_handshake(f[1]), EAGAIN);         /* the server's flight */
    sends = 0;
    sys.sendmsg = counting_sendmsg;
    assert_int_equal(ssl_write(f[0], "first", 5), 5);
    generous();
    assert_int_equal(sends, 1);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 5);
    close_pair(f);
}

/* ---- close() waits ---- */

static int other_end;
static unsigned naps;

/* The bytes that a socket of this machine has sent are on their way until they are read. */
static int sleeping_poll(struct pollfd *p, nfds_t n, int ms)
{
    char some[4096];
    int rc = real.poll(p, n, ms);

    assert_int_equal(rc, 0); /* it has slept */
    if (++naps == 3) {
        while (recv(other_end, some, sizeof some, MSG_DONTWAIT) > 0) {
        }
    }
    return rc;
}

/* A client that has heard nothing, of a peer that has hung up: what is on its way is waited for
 * without turning round and round. */
static void test_close_sleeps(void **state)
{
    int f[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, f), 0);
    set_number(f[1], SSL_OPT_TICKETS, 0);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
    assert_int_equal(ssl_write(f[0], "on its way", 10), 10);
    shutdown(f[1], SHUT_WR);
    other_end = f[1];
    naps = 0;
    sys.poll = sleeping_poll;
    ssl_close(f[0]);
    generous();
    assert_int_equal(naps, 3);
    ssl_close(f[1]);
}

static int waking_poll(struct pollfd *p, nfds_t n, int ms)
{
    naps++;
    return real.poll(p, n, ms);
}

/* What was not acknowledged before a reset is counted as queued for good. */
static void test_close_after_reset(void **state)
{
    struct linger now = { 1, 0 };
    int f[2];

    (void)state;
    tcp_pair(f);
    set_number(f[1], SSL_OPT_TICKETS, 0);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
    assert_int_equal(ssl_write(f[0], "never acknowledged", 18), 18);
    setsockopt(f[1], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ssl_close(f[1]);
    assert_int_equal(poll(&(struct pollfd){ f[0], POLLERR, 0 }, 1, 10000), 1);
    naps = 0;
    sys.poll = waking_poll;
    ssl_close(f[0]);
    generous();
    assert_int_equal(naps, 0);
}

/* ---- memory ---- */

static struct mem_hooks usual;
static _Atomic long until_failure;

static void *failing_alloc(size_t n)
{
    return --until_failure == 0 ? NULL : usual.alloc(n);
}

/* Who waits in close() until its last words are taken is not let down. */
static int reading_poll(struct pollfd *p, nfds_t n, int ms)
{
    char some[4096];

    while (recv(other_end, some, sizeof some, MSG_DONTWAIT) > 0) {
    }
    return real.poll(p, n, ms);
}

/* One connection's life in which the n-th allocation fails: an error at most, never a crash or a
 * leak. true: all went well, there was no n-th. */
static bool life(long n)
{
    static uint8_t out[40000], in[40000];
    bool well = true;
    int f[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f), 0);
    until_failure = n;
    mem_hooks.alloc = failing_alloc;
    well = ssl_setsockopt(f[0], SOL_SSL, SSL_OPT_NAME, "server.test", 11) == 0 && well;
    well = ssl_setsockopt(f[0], SOL_SSL, SSL_OPT_CA_FILE, cert_path("ca.crt"),
                          (socklen_t)strlen(cert_path("ca.crt"))) == 0 &&
           well;
    well = ssl_setsockopt(f[1], SOL_SSL, SSL_OPT_CERT_FILE, cert_path("server.pem"),
                          (socklen_t)strlen(cert_path("server.pem"))) == 0 &&
           well;
    well = well && ssl_attach(f[0], SSL_CLIENT) == 0 && ssl_attach(f[1], SSL_SERVER) == 0;
    for (int i = 0; i < 8 && well; i++) {
        for (int me = 0; me < 2; me++) {
            well = (ssl_handshake(f[me]) == 0 || errno == EAGAIN) && well;
        }
    }
    for (int i = 0; i < 8 && well; i++) {
        for (int me = 0; me < 2; me++) {
            well = (ssl_write(f[me], out, sizeof out) > 0 || errno == EAGAIN) && well;
            well = (ssl_read(f[me], in, 100) >= 0 || errno == EAGAIN) && well;
            well = (ssl_read(f[me], in, sizeof in) >= 0 || errno == EAGAIN) && well;
        }
    }
    other_end = f[1];
    sys.poll = reading_poll;
    ssl_close(f[0]);
    sys.poll = real.poll;
    ssl_close(f[1]);
    mem_hooks.alloc = usual.alloc;
    return well && until_failure > 0;
}

static void threat_37_memory(void **state)
{
    long n = 1;

    (void)state;
    usual = mem_hooks;
    assert_true(life(1L << 40));
    while (!life(n)) {
        n++;
        assert_in_range(n, 1, 5000);
    }
    assert_true(n > 20);
    assert_true(life(1L << 40)); /* nothing is broken for good */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stingy_kernel), cmocka_unit_test(test_finished_and_data_together),
        cmocka_unit_test(test_close_sleeps),  cmocka_unit_test(test_close_after_reset),
        cmocka_unit_test(threat_37_memory),
    };

    real = sys;
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
