/* SPDX-License-Identifier: ISC */
/* Readiness, compared with a plain socket: sets in sets, exclusive waits, no busy loop, ways of
 * asking whether a connection is made, and a model that a random program is held against. */
#include "io.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int so_error(int fd)
{
    int e = -1;

    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &(socklen_t){ sizeof e }) == 0);
    return e;
}

static int begin(void)
{
    int fd = make_socket();

    set_nonblocking(fd, true);
    CHECK(dial_fd(fd, false) == -1 && errno == EINPROGRESS);
    return fd;
}

static int add(int ep, int fd, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.fd = fd };

    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static short polled(int fd, short events, int ms)
{
    struct pollfd p = { .fd = fd, .events = events };

    CHECK(poll(&p, 1, ms) >= 0);
    return p.revents;
}

/* Behind the answer nothing without data is left of the handshake (a ticket may make a set that
 * lies in another one look ready, and its epoll_wait() finds nothing). */
static void ping(int fd)
{
    say(fd, "echo 20\n" MARK);
    read_marks(fd, 20);
}

#define KEEPS(call)         \
    do {                    \
        errno = 77;         \
        CHECK((call));      \
        CHECK(errno == 77); \
    } while (0)

/* errno belongs to the program as long as nothing fails. */
static void keeps_errno(void)
{
    int fd = dial(), ep = epoll_create1(0), n;
    struct epoll_event ev;
    char text[64];
    fd_set r;

    KEEPS(write(fd, "late 50 40\n", 11) == 11);
    KEEPS(read(fd, text, 10) > 0);
    say(fd, "late 50 40\n");
    KEEPS(polled(fd, POLLIN, 5000) == POLLIN);
    KEEPS(ioctl(fd, FIONREAD, &n) == 0 && n > 0);
    FD_ZERO(&r);
    FD_SET(fd, &r);
    KEEPS(select(fd + 1, &r, NULL, NULL, NULL) == 1);
    KEEPS(add(ep, fd, EPOLLIN) == 0);
    KEEPS(epoll_wait(ep, &ev, 1, 5000) == 1);
    KEEPS(recv(fd, text, 1, MSG_PEEK) == 1);
    KEEPS(recv(fd, text, 40, MSG_WAITALL) == 40);
    KEEPS(poll(NULL, 0, 1) == 0);
    KEEPS(send(fd, "bye\n", 4, MSG_NOSIGNAL) == 4);
    KEEPS(shutdown(fd, SHUT_WR) == 0);
    while ((errno = 77, read(fd, text, sizeof text)) > 0) {
    }
    CHECK(errno == 77);
    KEEPS(close(fd) == 0);
    KEEPS(close(ep) == 0);
}

/* A set in a set in poll(): what waits in user space is seen from outside. */
static void nested(void)
{
    int fd = dial(), inner = epoll_create1(0), outer = epoll_create1(0);
    struct epoll_event ev;
    char c;

    ping(fd);
    CHECK(add(inner, fd, EPOLLIN) == 0 && add(outer, inner, EPOLLIN) == 0);
    CHECK(polled(outer, POLLIN, 50) == 0);
    say(fd, "send 5\n");
    for (int i = 0; i < 5; i++) {
        CHECK(polled(outer, POLLIN, 5000) == POLLIN);
        CHECK(epoll_wait(outer, &ev, 1, 5000) == 1 && ev.data.fd == inner);
        CHECK(epoll_wait(inner, &ev, 1, 5000) == 1 && ev.data.fd == fd);
        CHECK(read(fd, &c, 1) == 1 && c == MARK[i]);
    }
    CHECK(epoll_wait(inner, &ev, 1, 0) == 0 && epoll_wait(outer, &ev, 1, 0) == 0);
    CHECK(polled(outer, POLLIN, 0) == 0);
    CHECK(epoll_ctl(outer, EPOLL_CTL_ADD, outer, &ev) == -1);
    note("a set in itself: %d", errno);
}

static void *wait_in(void *arg)
{
    struct epoll_event ev;

    return (void *)(intptr_t)epoll_wait((int)(intptr_t)arg, &ev, 1, 10000);
}

static void exclusive(void)
{
    int fd = dial(), set = epoll_create1(0);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT };
    pthread_t t;
    void *got;

    errno = 0;
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev) == -1);
    note("once: %d", errno);
    ev.events = EPOLLIN | EPOLLEXCLUSIVE;
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev) == 0);
    CHECK(epoll_ctl(set, EPOLL_CTL_MOD, fd, &ev) == -1);
    note("modified: %d", errno);
    CHECK(pthread_create(&t, NULL, wait_in, (void *)(intptr_t)set) == 0);
    say(fd, "late 100 20\n");
    CHECK(pthread_join(t, &got) == 0 && (intptr_t)got == 1);
    CHECK(epoll_wait(set, &ev, 1, 5000) == 1);
    read_marks(fd, 15);
    CHECK(epoll_wait(set, &ev, 1, 5000) == 1); /* the rest of them */
    get_all(fd, (char[5]){ 0 }, 5);
    CHECK(epoll_wait(set, &ev, 1, 50) == 0);
}

static int64_t cpu_ms(void)
{
    struct rusage u;

    CHECK(getrusage(RUSAGE_SELF, &u) == 0);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
           (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* Who waits uses no processor, whatever it waits with and whatever it waits for. */
static void idle(void)
{
    int fd = dial(), ep = epoll_create1(0), edge = epoll_create1(0);
    struct epoll_event ev;
    char text[64];

    CHECK(add(ep, fd, EPOLLIN) == 0 && add(edge, fd, EPOLLIN | EPOLLOUT | EPOLLET) == 0);
    CHECK(epoll_wait(edge, &ev, 1, 1000) == 1);
    for (int way = 0; way < 6; way++) {
        struct timeval tv = { .tv_sec = 5 };
        int64_t before;
        fd_set r;

        say(fd, "late 600 20\n");
        before = cpu_ms();
        FD_ZERO(&r);
        FD_SET(fd, &r);
        switch (way) {
        case 0:
            CHECK(polled(fd, POLLIN, 5000) == POLLIN);
            break;
        case 1:
            CHECK(select(fd + 1, &r, NULL, NULL, &tv) == 1);
            break;
        case 2:
            CHECK(epoll_wait(ep, &ev, 1, 5000) == 1 && ev.events == EPOLLIN);
            break;
        case 3:
            do {
                CHECK(epoll_wait(edge, &ev, 1, 5000) == 1);
            } while (!(ev.events & EPOLLIN));
            break;
        case 4:
            CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
            break;
        default:
            break;
        }
        CHECK(recv(fd, text, 20, MSG_WAITALL) == 20);
        verify(text, 20);
        CHECK(cpu_ms() - before < 200);
    }
    say(fd, "bye\n");
    CHECK(read(fd, text, 1) == 0);
    note("after the end: %x", polled(fd, POLLIN | POLLOUT | POLLRDHUP, 1000));
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL) == 0 && add(ep, fd, 0) == 0);
    {
        int64_t before = cpu_ms();

        note("asked for nothing: %d", epoll_wait(ep, &ev, 1, 300));
        CHECK(cpu_ms() - before < 200);
    }
}

/* Whether it is made: SO_ERROR, the peer's name, a read; then it must carry data. */
static void connect_name(void)
{
    int fd = begin();
    struct sockaddr_in a;

    CHECK(polled(fd, POLLOUT, 10000) == POLLOUT);
    CHECK(getpeername(fd, (struct sockaddr *)&a, &(socklen_t){ sizeof a }) == 0);
    say(fd, "echo 20\n" MARK);
    set_nonblocking(fd, false);
    read_marks(fd, 20);
}

static void connect_read(void)
{
    int fd = begin(), tries = 0;
    char c;

    errno = 0;
    while (recv(fd, &c, 1, 0) == -1 && errno == EAGAIN && tries++ < 100) {
        usleep(2000);
    }
    CHECK(errno == EAGAIN && so_error(fd) == 0);
    CHECK(polled(fd, POLLOUT | POLLIN, 10000) == POLLOUT);
    CHECK(dial_fd(fd, false) == 0 || errno == EISCONN);
    say(fd, "echo 20\n" MARK);
    CHECK(polled(fd, POLLIN, 10000) == POLLIN);
    set_nonblocking(fd, false);
    read_marks(fd, 20);
}

/* Waits for input only, as a program does that is spoken to first. */
static void connect_input(void)
{
    int fd = begin(), ep = epoll_create1(0);
    struct epoll_event ev;

    CHECK(add(ep, fd, EPOLLIN | EPOLLONESHOT) == 0);
    CHECK(epoll_wait(ep, &ev, 1, 1500) == 0);
    CHECK(polled(fd, POLLOUT, 0) == POLLOUT); /* made by now */
    say(fd, "send 20\n");
    CHECK(epoll_wait(ep, &ev, 1, 5000) == 1);
    set_nonblocking(fd, false);
    read_marks(fd, 20);
}

/* Nobody listens: every question has the kernel's own answer. */
static void connect_nobody(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int bound = make_socket(), fd = make_socket();
    char c;

    CHECK(bind(bound, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(getsockname(bound, (struct sockaddr *)&a, &n) == 0);
    set_nonblocking(fd, true);
    CHECK(connect(fd, (struct sockaddr *)&a, sizeof a) == -1);
    note("%x", polled(fd, POLLIN | POLLOUT, 5000));
    CHECK(getpeername(fd, (struct sockaddr *)&a, &n) == -1);
    note("name %d", errno);
    CHECK(read(fd, &c, 1) == -1);
    note("read %d, then %d", errno, so_error(fd));
    dial(); /* the harness expects one */
}

/* ---- the model ---- */

#define QUEUE (1 << 20)

static struct model {
    int fd, level, edge;
    char *due; /* what the peer owes, [at, end) */
    size_t at, end;
    unsigned long ops, waits, reads;
} m;
static unsigned seed;

static unsigned pick(unsigned n)
{
    return (unsigned)rand_r(&seed) % n;
}

static void owe(const char *p, size_t n)
{
    CHECK(m.end + n <= QUEUE);
    memcpy(m.due + m.end, p, n);
    m.end += n;
}

static void write_somehow(const char *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        size_t part = 1 + pick((unsigned)(n - done)), half = part / 2;
        struct iovec v[2] = { { (char *)(uintptr_t)p + done, half },
                              { (char *)(uintptr_t)p + done + half, part - half } };
        struct msghdr msg = { .msg_iov = v, .msg_iovlen = 2 };
        ssize_t put;

        switch (pick(4)) {
        case 0:
            put = write(m.fd, p + done, part);
            break;
        case 1:
            put = writev(m.fd, v, 2);
            break;
        case 2:
            put = send(m.fd, p + done, part, pick(2) ? MSG_MORE : MSG_DONTWAIT);
            break;
        default:
            put = sendmsg(m.fd, &msg, MSG_NOSIGNAL);
            break;
        }
        CHECK(put > 0 && (size_t)put <= part);
        done += (size_t)put;
    }
}

static void ask_peer(void)
{
    static const unsigned sizes[] = { 1, 2, 100, 1000, 16383, 16384, 16385, 40000 };
    unsigned n = sizes[pick(8)];
    char line[64], *p = malloc(n);

    CHECK(p);
    fill(p, n);
    if (m.end - m.at + n > 200000) {
        free(p);
        return;
    }
    switch (pick(3)) {
    case 0:
        snprintf(line, sizeof line, "send %u\n", n);
        write_somehow(line, strlen(line));
        owe(p, n);
        break;
    case 1:
        snprintf(line, sizeof line, "sink %u\n", n);
        write_somehow(line, strlen(line));
        write_somehow(p, n);
        owe("ok\n", 3);
        break;
    default:
        snprintf(line, sizeof line, "echo %u\n", n);
        write_somehow(line, strlen(line));
        write_somehow(p, n);
        owe(p, n);
        break;
    }
    free(p);
}

/* Readable exactly when something is due: nothing is lost, nothing is made up. */
static void wait_somehow(bool due)
{
    int ms = due ? 10000 : pick(2) ? 0 : 15, way = (int)pick(6), got;
    struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
    struct pollfd p = { .fd = m.fd, .events = POLLIN };
    struct epoll_event ev;
    fd_set r;

    FD_ZERO(&r);
    FD_SET(m.fd, &r);
    switch (way) {
    case 0:
        got = poll(&p, 1, ms);
        break;
    case 1:
        got = ppoll(&p, 1, &ts, NULL);
        break;
    case 2:
        got = select(m.fd + 1, &r, NULL, NULL, &tv);
        break;
    case 3:
        got = pselect(m.fd + 1, &r, NULL, NULL, &ts, NULL);
        break;
    case 4:
        if (due) { /* it may look ready for a part of a record, too */
            CHECK(polled(m.level, POLLIN, ms) == POLLIN);
        }
        got = poll(&p, 1, ms);
        break;
    default:
        got = epoll_wait(m.level, &ev, 1, ms);
        break;
    }
    if (got != due) {
        fail("seed %u, way %d, %d ms, %zu due: %d", seed, way, ms, m.end - m.at, got);
    }
    m.waits++;
}

static size_t read_somehow(size_t n, int flags)
{
    static char in[70000];
    size_t half = n / 2;
    struct iovec v[2] = { { in, half }, { in + half, n - half } };
    struct msghdr msg = { .msg_iov = v, .msg_iovlen = 2 };
    ssize_t got;

    switch (pick(4)) {
    case 0:
        got = flags ? recv(m.fd, in, n, flags) : read(m.fd, in, n);
        break;
    case 1:
        got = flags ? recvfrom(m.fd, in, n, flags, NULL, NULL) : readv(m.fd, v, 2);
        break;
    case 2:
        got = recvmsg(m.fd, &msg, flags);
        break;
    default:
        got = recv(m.fd, in, n, flags);
        break;
    }
    if (got < 0) {
        CHECK(errno == EAGAIN && (flags & MSG_DONTWAIT) && m.at == m.end);
        return 0;
    }
    CHECK(got > 0 && (size_t)got <= n && m.at + (size_t)got <= m.end);
    CHECK(memcmp(in, m.due + m.at, (size_t)got) == 0);
    CHECK(!(flags & MSG_WAITALL) || (size_t)got == n);
    m.reads++;
    return (size_t)got;
}

static void read_some(void)
{
    size_t left = m.end - m.at, n = 1 + pick(pick(2) ? 50 : 60000), got;
    int bytes = -1;

    if (left == 0) {
        CHECK(read_somehow(n, MSG_DONTWAIT) == 0);
        CHECK(ioctl(m.fd, FIONREAD, &bytes) == 0 && bytes == 0);
        return;
    }
    switch (pick(4)) {
    case 0:
        wait_somehow(true); /* ready: then it does not fail, and some bytes can be counted */
        CHECK(ioctl(m.fd, FIONREAD, &bytes) == 0 && bytes > 0 && (size_t)bytes <= left);
        got = read_somehow(n, MSG_DONTWAIT);
        CHECK(got > 0);
        break;
    case 1:
        n = n > left ? left : n;
        got = read_somehow(n, MSG_WAITALL);
        break;
    case 2:
        CHECK(read_somehow(n, MSG_PEEK) > 0);
        got = read_somehow(n, 0);
        break;
    default:
        got = read_somehow(n, 0);
        break;
    }
    m.at += got;
    if (m.at == m.end) {
        m.at = m.end = 0;
    }
}

/* All read: no event; then something comes: one. */
static void edge_somehow(void)
{
    struct epoll_event ev;

    while (m.at < m.end) {
        m.at += read_somehow(60000, 0);
    }
    m.at = m.end = 0;
    CHECK(read_somehow(1, MSG_DONTWAIT) == 0);
    while (epoll_wait(m.edge, &ev, 1, 0) == 1) {
    }
    write_somehow("send 3\n", 7);
    owe(MARK, 3);
    CHECK(epoll_wait(m.edge, &ev, 1, 10000) == 1 && (ev.events & EPOLLIN));
}

static void model(void)
{
    m.due = malloc(QUEUE);
    CHECK(m.due);
    for (unsigned round = 1; round <= 4; round++) {
        seed = round * 7919;
        m.fd = dial();
        CHECK(setsockopt(m.fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0);
        m.level = epoll_create1(0);
        m.edge = epoll_create1(0);
        m.at = m.end = 0;
        ping(m.fd);
        CHECK(add(m.level, m.fd, EPOLLIN) == 0 && add(m.edge, m.fd, EPOLLIN | EPOLLET) == 0);
        for (int i = 0; i < 250; i++, m.ops++) {
            switch (pick(8)) {
            case 0:
            case 1:
                ask_peer();
                break;
            case 2:
                wait_somehow(m.at < m.end);
                break;
            case 3:
                CHECK(polled(m.fd, POLLOUT, 10000) == POLLOUT);
                break;
            case 4:
                edge_somehow();
                break;
            default:
                read_some();
                break;
            }
        }
        while (m.at < m.end) { /* closing on unread data resets a connection */
            read_some();
        }
        CHECK(close(m.fd) == 0 && close(m.level) == 0 && close(m.edge) == 0);
    }
    CHECK(m.waits > 50 && m.reads > 200);
    note("%lu operations", m.ops);
}

const struct io_case io_ready[] = {
    { "ready-errno", keeps_errno },
    { "ready-nested", nested },
    { "ready-exclusive", exclusive },
    { "ready-idle", idle },
    { "ready-connect-name", connect_name },
    { "ready-connect-read", connect_read },
    { "ready-connect-input", connect_input },
    { "ready-connect-nobody", connect_nobody },
    { "ready-model", model },
    { NULL, NULL },
};
