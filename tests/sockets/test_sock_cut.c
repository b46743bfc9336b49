/* SPDX-License-Identifier: ISC */
/* threat 29: a stream that is cut at any byte never looks like one that ended. */
#include "tests/sockets/peers.h"

/* client <-> relay <-> server; the relay passes `pass` bytes from server to client, then ends the
 * stream. */
struct line {
    int client, near, far, server;
    size_t pass, passed;
    bool cut;
};

static void open_line(struct line *l, size_t pass, int eof)
{
    int a[2], b[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
    *l = (struct line){ .client = a[0], .near = a[1], .far = b[0], .server = b[1], .pass = pass };
    set_number(l->client, SSL_OPT_EOF, eof);
    attach_pair(l->client, l->server);
}

static void close_line(struct line *l)
{
    ssl_close(l->client);
    ssl_close(l->server);
    close(l->near);
    close(l->far);
}

static void relay(struct line *l)
{
    char buf[4096];
    ssize_t n;

    while ((n = recv(l->near, buf, sizeof buf, 0)) > 0) {
        (void)!write(l->far, buf, (size_t)n);
    }
    while (!l->cut) {
        size_t room = l->pass - l->passed;

        n = recv(l->far, buf, room < sizeof buf ? room : sizeof buf, 0);
        if (n > 0) {
            assert_int_equal(write(l->near, buf, (size_t)n), n);
            l->passed += (size_t)n;
        }
        if (l->passed == l->pass || n == 0) {
            shutdown(l->near, SHUT_WR);
            l->cut = true;
        }
        if (n < 0) {
            break;
        }
    }
}

/* Both sides as far as they go. */
static int handshake(struct line *l)
{
    for (int i = 0; i < 50; i++) {
        int c = ssl_handshake(l->client), err = errno;

        if (c < 0 && err != EAGAIN) {
            errno = err;
            return -1;
        }
        relay(l);
        if (ssl_handshake(l->server) == 0 && c == 0) {
            return 0;
        }
        relay(l);
    }
    fail_msg("the handshake stands still");
    return -1;
}

static const char text[] = "the first record|the second one|and the last";

static void serve(struct line *l)
{
    assert_int_equal(ssl_write(l->server, text, 17), 17);
    relay(l);
    assert_int_equal(ssl_write(l->server, text + 17, 15), 15);
    assert_int_equal(ssl_write(l->server, text + 32, sizeof text - 32), sizeof text - 32);
    relay(l);
    assert_int_equal(ssl_shutdown(l->server, SHUT_WR), 0);
    relay(l);
}

/* Reads to the end. The last result (0 or -1 and errno); *got: bytes before. */
static ssize_t drink(int fd, char *buf, size_t room, size_t *got)
{
    ssize_t n;

    *got = 0;
    while ((n = ssl_read(fd, buf + *got, room - *got)) > 0) {
        *got += (size_t)n;
    }
    return n;
}

static size_t length_of_all(void)
{
    struct line l;
    char buf[100];
    size_t got, total;

    open_line(&l, SIZE_MAX, SSL_EOF_STRICT);
    assert_int_equal(handshake(&l), 0);
    serve(&l);
    assert_int_equal(drink(l.client, buf, sizeof buf, &got), 0);
    assert_int_equal(got, sizeof text);
    total = l.passed;
    close_line(&l);
    return total;
}

/* Signatures have lengths of their own each time: the last bytes are looked at from the end. */
static void cut_at(size_t pass, int eof, bool *clean)
{
    struct line l;
    char buf[100];
    size_t got;
    ssize_t rc;

    open_line(&l, pass, eof);
    *clean = false;
    if (handshake(&l) < 0) {
        assert_int_equal(errno, ECONNRESET);
        assert_fails(ssl_read(l.client, buf, 1), ECONNRESET);
        assert_fails(ssl_write(l.client, buf, 1), ECONNRESET);
    } else {
        serve(&l);
        rc = drink(l.client, buf, sizeof buf, &got);
        assert_true(got == 0 || got == 17 || got == 32 || got == sizeof text);
        assert_memory_equal(buf, text, got);
        if (rc == 0) {
            *clean = true;
        } else {
            assert_int_equal(errno, ECONNRESET);
            assert_fails(ssl_read(l.client, buf, 1), ECONNRESET); /* each time */
            assert_true(strlen(ssl_error(l.client)) > 0);
        }
    }
    close_line(&l);
}

static void threat_29_cut_at_every_byte(void **state)
{
    size_t total = length_of_all(), clean_ones = 0;
    bool clean;

    (void)state;
    for (size_t pass = 1; pass < total - 8; pass++) { /* 8: the spread of ECDSA signatures */
        cut_at(pass, SSL_EOF_STRICT, &clean);
        assert_false(clean);
    }
    for (size_t pass = total - 8; pass <= total + 8; pass++) {
        cut_at(pass, SSL_EOF_STRICT, &clean);
        clean_ones += clean;
    }
    assert_in_range(clean_ones, 1, 17);
    cut_at(total + 100, SSL_EOF_STRICT, &clean);
    assert_true(clean);
}

/* SSL_EOF_LENIENT forgives a missing close_notify, but not half a record. */
static void threat_29_lenient(void **state)
{
    size_t total = length_of_all(), clean_ones = 0;
    bool clean;

    (void)state;
    for (size_t pass = total - 120; pass < total - 8; pass++) {
        cut_at(pass, SSL_EOF_LENIENT, &clean);
        clean_ones += clean;
    }
    /* Three borders between records lie in this range; the length of the signature before them
     * differs from pass to pass, so one may be met a few times or not at all. Of 112 cuts the
     * others are half records. */
    assert_in_range(clean_ones, 1, 15);
}

/* A reset is an error, whatever came before. */
static void reset(void **state)
{
    struct linger now = { 1, 0 };
    char buf[16];
    int f[2];

    (void)state;
    tls_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ssl_close(f[0]); /* SO_LINGER of 0: no close_notify */
    assert_fails(ssl_read(f[1], buf, sizeof buf), ECONNRESET);
    assert_fails(ssl_read(f[1], buf, sizeof buf), ECONNRESET);
    ssl_close(f[1]);
}

/* After a truncated answer our own words still go out: only reading is over. */
static void half_cut(void **state)
{
    char buf[16];
    int f[2];

    (void)state;
    tls_pair(f);
    shutdown(f[1], SHUT_WR); /* below TLS */
    assert_fails(ssl_read(f[0], buf, sizeof buf), ECONNRESET);
    assert_int_equal(ssl_write(f[0], "still", 5), 5);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 5);
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_29_cut_at_every_byte),
        cmocka_unit_test(threat_29_lenient),
        cmocka_unit_test(reset),
        cmocka_unit_test(half_cut),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
