/* SPDX-License-Identifier: ISC */
/* close() and shutdown() in one thread, a call that waits in another: it ends, and nothing of ours
 * touches the file that gets the number. */
#include <poll.h>
#include <stdatomic.h>

#include "tests/sockets/peers.h"

enum how { READ, WRITE, HANDSHAKE, POLL, ACCEPT, CLOSE };

struct call {
    enum how how;
    int fd;
    pthread_t thread;
    _Atomic pid_t tid;
    ssize_t rc;
    int err;
    short revents;
};

static void *call_it(void *arg)
{
    struct call *c = arg;
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    char byte = 'x';

    c->tid = gettid();
    errno = 0;
    switch (c->how) {
    case READ:
        c->rc = ssl_read(c->fd, &byte, 1);
        break;
    case WRITE:
        do { /* now and then the kernels find room for one more */
            c->rc = ssl_write(c->fd, &byte, 1);
        } while (c->rc == 1);
        break;
    case HANDSHAKE:
        c->rc = ssl_handshake(c->fd);
        break;
    case POLL:
        c->rc = ssl_poll(&p, 1, -1);
        c->revents = p.revents;
        break;
    case CLOSE:
        conn_closing(c->fd);
        break;
    default:
        c->rc = ssl_accept(c->fd, NULL, NULL);
        break;
    }
    c->err = errno;
    return NULL;
}

/* The call is made, and waits. */
static void start(struct call *c, enum how how, int fd)
{
    *c = (struct call){ .how = how, .fd = fd };
    assert_int_equal(pthread_create(&c->thread, NULL, call_it, c), 0);
    while (!c->tid) {
        nap_ms(1);
    }
    await_sleep(c->tid);
}

static void expect(struct call *c, ssize_t rc, int err)
{
    pthread_join(c->thread, NULL);
    assert_int_equal(c->rc, rc);
    if (rc < 0) {
        assert_int_equal(c->err, err);
    }
}

/* So full that one byte more waits. */
static void fill_up(int fd)
{
    static const uint8_t much[100000];
    int size = 4096;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    while (ssl_send(fd, much, sizeof much, MSG_DONTWAIT) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
}

/* The peer says nothing: it is close() that ends the call. */
static void close_wakes(void **state)
{
    struct call c;
    char byte;
    int f[2];

    (void)state;
    tls_pair(f);
    start(&c, READ, f[0]);
    assert_int_equal(ssl_close(f[0]), 0);
    expect(&c, -1, EBADF);
    assert_int_equal(ssl_read(f[1], &byte, 1), 0); /* close_notify */
    ssl_close(f[1]);

    tls_pair(f);
    fill_up(f[0]);
    start(&c, WRITE, f[0]);
    assert_int_equal(ssl_close(f[0]), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.rc, -1);
    assert_true(c.err == EBADF || c.err == EPIPE); /* by the kernel, of one that was just begun */
    ssl_close(f[1]);

    tcp_pair(f);
    attach_pair(f[0], f[1]);
    start(&c, HANDSHAKE, f[0]);
    assert_int_equal(ssl_close(f[0]), 0);
    expect(&c, -1, EBADF);
    ssl_close(f[1]);

    tls_pair(f);
    start(&c, POLL, f[0]);
    assert_int_equal(ssl_close(f[0]), 0);
    expect(&c, 1, 0);
    assert_true(c.revents & (POLLHUP | POLLNVAL));
    ssl_close(f[1]);
}

static void shutdown_wakes(void **state)
{
    static const int hows[] = { SHUT_RD, SHUT_RDWR };
    struct call c;
    int f[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        tls_pair(f);
        start(&c, READ, f[0]);
        assert_int_equal(ssl_shutdown(f[0], hows[i]), 0);
        expect(&c, 0, 0);
        close_pair(f);

        tls_pair(f);
        start(&c, POLL, f[0]);
        assert_int_equal(ssl_shutdown(f[0], hows[i]), 0);
        expect(&c, 1, 0);
        assert_true(c.revents & POLLIN);
        close_pair(f);
    }
    tls_pair(f);
    fill_up(f[0]);
    start(&c, WRITE, f[0]);
    assert_int_equal(ssl_shutdown(f[0], SHUT_WR), 0);
    expect(&c, -1, EPIPE);
    close_pair(f);

    tcp_pair(f);
    attach_pair(f[0], f[1]);
    start(&c, HANDSHAKE, f[0]);
    assert_int_equal(ssl_shutdown(f[0], SHUT_RDWR), 0);
    expect(&c, -1, ECONNABORTED);
    assert_fails(ssl_write(f[0], "x", 1), ECONNABORTED);
    assert_int_equal(ssl_handshake(f[1]), -1);
    close_pair(f);

    tcp_pair(f);
    attach_pair(f[0], f[1]);
    start(&c, HANDSHAKE, f[0]);
    assert_int_equal(ssl_shutdown(f[0], SHUT_RD), 0);
    expect(&c, -1, ECONNABORTED);
    close_pair(f);
}

/* As Linux has it. */
static void shutdown_of_a_listener(void **state)
{
    struct sockaddr_in addr;
    struct call c;
    int l = listener(&addr);

    (void)state;
    start(&c, ACCEPT, l);
    assert_int_equal(ssl_shutdown(l, SHUT_RDWR), 0);
    expect(&c, -1, EINVAL);
    ssl_close(l);
}

/* ---- numbers that become another file's ---- */

#define NUMBERS 1024
static _Atomic bool foreign[NUMBERS]; /* nothing of ours has any business there */
static _Atomic unsigned trespasses;
static struct sys real;

static void visit(int fd)
{
    if (fd >= 0 && fd < NUMBERS && foreign[fd]) {
        trespasses++;
    }
}

static ssize_t recv_seen(int fd, void *p, size_t n, int flags)
{
    visit(fd);
    return real.recv(fd, p, n, flags);
}

static ssize_t sendmsg_seen(int fd, const struct msghdr *m, int flags)
{
    visit(fd);
    return real.sendmsg(fd, m, flags);
}

static int poll_seen(struct pollfd *p, nfds_t n, int ms)
{
    for (nfds_t i = 0; i < n; i++) {
        visit(p[i].fd);
    }
    return real.poll(p, n, ms);
}

static int shutdown_seen(int fd, int how)
{
    visit(fd);
    return real.shutdown(fd, how);
}

static int getsockopt_seen(int fd, int level, int name, void *p, socklen_t *n)
{
    visit(fd);
    return real.getsockopt(fd, level, name, p, n);
}

/* Of F_GETFL only, which is all there is. */
static int fcntl_seen(int fd, int cmd, ...)
{
    visit(fd);
    return real.fcntl(fd, cmd);
}

static void watch_out(void)
{
    real = sys;
    sys.recv = recv_seen;
    sys.sendmsg = sendmsg_seen;
    sys.poll = poll_seen;
    sys.shutdown = shutdown_seen;
    sys.getsockopt = getsockopt_seen;
    sys.fcntl = fcntl_seen;
    trespasses = 0;
}

struct user {
    struct conn *c;
    int fd;
    pthread_t thread;
    int err;
};

static void *keep_reading(void *arg)
{
    struct user *u = arg;
    char buf[2000];
    struct iovec iov = { buf, sizeof buf };

    while (conn_readv(u->c, u->fd, &iov, 1, MSG_WAITALL) > 0) {
    }
    u->err = errno;
    return NULL;
}

static void *keep_writing(void *arg)
{
    static char buf[40000];
    struct user *u = arg;
    struct iovec iov = { buf, sizeof buf };

    while (conn_writev(u->c, u->fd, &iov, 1, MSG_NOSIGNAL) > 0) {
    }
    u->err = errno;
    return NULL;
}

static void *shake_hands(void *arg)
{
    struct user *u = arg;

    u->err = conn_handshake(u->c, u->fd, 0) ? errno : 0;
    return NULL;
}

static void use(struct user *u, int fd, void *(*how)(void *))
{
    *u = (struct user){ .c = conn_get(fd), .fd = fd };
    assert_non_null(u->c);
    assert_int_equal(pthread_create(&u->thread, NULL, how, u), 0);
}

static void used(struct user *u)
{
    pthread_join(u->thread, NULL);
    conn_put(u->c);
}

/* The number is a pipe's as soon as close() is back; there is something in it, and that stays. */
static void becomes_a_pipe(int number, int ends[2])
{
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "mine", 4), 4);
    assert_int_equal(dup2(ends[0], number), number);
    close(ends[0]);
    ends[0] = number;
}

static void still_mine(int ends[2])
{
    char buf[8];

    assert_int_equal(read(ends[0], buf, sizeof buf), 4);
    assert_memory_equal(buf, "mine", 4);
    foreign[ends[0]] = false;
    close(ends[0]);
    close(ends[1]);
}

static void the_number_is_reused(void **state)
{
    (void)state;
    watch_out();
    for (int i = 0; i < 100; i++) {
        struct user here[3], there[2];
        int f[2], ends[2];

        tcp_pair(f);
        attach_pair(f[0], f[1]);
        if (i % 4) { /* else in the middle of the handshake */
            handshake_pair(f[0], f[1]);
        }
        use(&here[0], f[0], keep_reading);
        use(&here[1], f[0], keep_writing);
        use(&here[2], f[0], shake_hands);
        use(&there[0], f[1], keep_reading);
        use(&there[1], f[1], keep_writing);
        if (i % 3) {
            nap_ms(i % 7);
        }
        if (i % 2) {
            /* an abrupt end */
            setsockopt(f[0], SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
                       sizeof(struct linger));
        }
        conn_closing(f[0]);
        foreign[f[0]] = true;
        becomes_a_pipe(f[0], ends);
        for (int k = 0; k < 3; k++) {
            used(&here[k]);
        }
        assert_int_equal(here[0].err, EBADF);
        assert_int_equal(here[1].err, EBADF);
        for (int k = 0; k < 2; k++) {
            used(&there[k]);
        }
        assert_int_equal(trespasses, 0);
        still_mine(ends);
        ssl_close(f[1]);
    }
    sys = real;
}

static _Atomic bool on_the_way;

/* A thread that is put to sleep just before the system call in which it is to wait. */
static ssize_t late_recv(int fd, void *p, size_t n, int flags)
{
    if (!(flags & MSG_DONTWAIT)) {
        on_the_way = true;
        nap_ms(300);
    }
    visit(fd);
    return real.recv(fd, p, n, flags);
}

static void close_waits_for_who_is_on_the_way(void **state)
{
    struct user u;
    int f[2], ends[2];

    (void)state;
    watch_out();
    sys.recv = late_recv;
    on_the_way = false;
    tls_pair(f);
    use(&u, f[0], keep_reading);
    while (!on_the_way) {
        nap_ms(1);
    }
    conn_closing(f[0]);
    foreign[f[0]] = true;
    becomes_a_pipe(f[0], ends);
    used(&u);
    assert_int_equal(u.err, EBADF);
    assert_int_equal(trespasses, 0);
    still_mine(ends);
    ssl_close(f[1]);
    sys = real;
}

/* One close() lingers, another one does not wait for that, and the number goes on. */
static void closed_twice(void **state)
{
    struct call first;
    int f[2], ends[2];

    (void)state;
    watch_out();
    tls_pair(f);
    fill_up(f[0]);
    start(&first, CLOSE, f[0]);
    conn_closing(f[0]);
    foreign[f[0]] = true;
    becomes_a_pipe(f[0], ends);
    expect(&first, 0, 0);
    assert_int_equal(trespasses, 0);
    still_mine(ends);
    ssl_close(f[1]);
    sys = real;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_wakes),
        cmocka_unit_test(shutdown_wakes),
        cmocka_unit_test(shutdown_of_a_listener),
        cmocka_unit_test(the_number_is_reused),
        cmocka_unit_test(close_waits_for_who_is_on_the_way),
        cmocka_unit_test(closed_twice),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
