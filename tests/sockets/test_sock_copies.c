/* SPDX-License-Identifier: ISC */
/* Bulk data goes from the caller's memory to the kernel and back in as few system calls as without
 * TLS, and what one of them brings is what the caller has room for: nothing is left to be copied.
 */
#include "tests/sockets/peers.h"

#include "shim/sys.h"

#define RECORD(n) ((n) + 22) /* on the wire: TLS 1.3 with AES-GCM */

static struct sys real;
static unsigned received, sent;
static size_t asked, brought, pushed, parts;
static int watched; /* the fd whose calls count */

static ssize_t recv_seen(int fd, void *p, size_t n, int flags)
{
    ssize_t got = real.recv(fd, p, n, flags);

    if (fd == watched) {
        received++;
        asked = n;
        brought = got > 0 ? (size_t)got : 0;
    }
    return got;
}

static ssize_t sendmsg_seen(int fd, const struct msghdr *m, int flags)
{
    ssize_t n = real.sendmsg(fd, m, flags);

    if (fd == watched) {
        sent++;
        parts = m->msg_iovlen;
        pushed = n > 0 ? (size_t)n : 0;
    }
    return n;
}

static void watch(int fd)
{
    real = sys;
    watched = fd;
    received = sent = 0;
    sys.recv = recv_seen;
    sys.sendmsg = sendmsg_seen;
}

static uint8_t out[65536], in[65536];

struct writer {
    int fd;
    size_t size;
    int turns;
};

static void *write_all(void *arg)
{
    struct writer *w = arg;

    for (int i = 0; i < w->turns; i++) {
        if (ssl_write(w->fd, out, w->size) != (ssize_t)w->size) {
            return (void *)1;
        }
    }
    return NULL;
}

/* Reads `size` at a time, when that much has arrived: each time it is one system call for just the
 * records that fit. */
static void reads_whole_records(size_t size, size_t on_the_wire)
{
    struct writer w = { .size = size, .turns = 6 };
    int f[2], room = 1 << 20;
    pthread_t t;
    void *rc;

    tcp_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(f[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    set_number(f[1], SSL_OPT_TICKETS, 0);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
    w.fd = f[1];
    fill_pattern(out, size, 0);
    assert_int_equal(pthread_create(&t, NULL, write_all, &w), 0);
    for (int i = 0; i < w.turns; i++) {
        await_input(f[0], (int)on_the_wire);
        watch(f[0]);
        assert_int_equal(ssl_read(f[0], in, size), size);
        sys = real;
        assert_int_equal(received, 1);
        assert_int_equal(asked, on_the_wire);
        assert_int_equal(brought, on_the_wire);
        expect_pattern(in, size, 0);
    }
    pthread_join(t, &rc);
    assert_null(rc);
    close_pair(f);
}

static void test_one_call_brings_what_the_caller_has_room_for(void **state)
{
    (void)state;
    reads_whole_records(16384, RECORD(16384));
    reads_whole_records(32768, 2 * RECORD(16384));
    reads_whole_records(65536, 4 * RECORD(16384));
}

static void test_one_call_takes_what_the_caller_has(void **state)
{
    int f[2], room = 1 << 20;

    (void)state;
    tcp_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(f[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
    watch(f[1]);
    assert_int_equal(ssl_write(f[1], out, 65536), 65536);
    sys = real;
    assert_int_equal(sent, 1);
    assert_int_equal(parts, 1);
    assert_int_equal(pushed, 4 * RECORD(16384));
    read_exactly(f[0], in, 65536);
    assert_memory_equal(in, out, 65536);
    close_pair(f);
}

/* Many small records in one call, then none until all are read. */
static void test_one_call_brings_many_records(void **state)
{
    int f[2];

    (void)state;
    tls_pair(f);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ssl_write(f[0], out, 64), 64);
    }
    await_input(f[1], 100 * RECORD(64));
    watch(f[1]);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ssl_read(f[1], in, 64), 64);
        assert_memory_equal(in, out, 64);
    }
    sys = real;
    assert_int_equal(received, 1);
    assert_int_equal(brought, 100 * RECORD(64));
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_call_brings_what_the_caller_has_room_for),
        cmocka_unit_test(test_one_call_takes_what_the_caller_has),
        cmocka_unit_test(test_one_call_brings_many_records),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
