/* SPDX-License-Identifier: ISC */
/* Waiting: each way of finding out that a connection is made, or that something can be read. */
#include "io.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BULK 200000

static int so_error(int fd)
{
    int e = -1;
    socklen_t n = sizeof e;

    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) == 0);
    return e;
}

static int begin(void)
{
    int fd = make_socket();

    set_nonblocking(fd, true);
    CHECK(dial_fd(fd, false) == -1 && errno == EINPROGRESS);
    return fd;
}

static void job(int fd)
{
    char *p = malloc(BULK);

    set_nonblocking(fd, false);
    fill(p, BULK);
    say(fd, "echo %d\n", BULK);
    put_all(fd, p, BULK);
    read_marks(fd, BULK);
    free(p);
}

static int64_t ms_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void connect_poll(void)
{
    int fd = begin();
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    CHECK(poll(&p, 1, 10000) == 1 && p.revents == POLLOUT);
    CHECK(so_error(fd) == 0);
    job(fd);
}

static void connect_select(void)
{
    int fd = begin();
    fd_set w, r;
    struct timeval tv = { .tv_sec = 10 };

    FD_ZERO(&w);
    FD_ZERO(&r);
    FD_SET(fd, &w);
    FD_SET(fd, &r);
    CHECK(select(fd + 1, &r, &w, NULL, &tv) == 1);
    CHECK(FD_ISSET(fd, &w) && !FD_ISSET(fd, &r) && tv.tv_sec <= 10);
    CHECK(so_error(fd) == 0);
    job(fd);
}

static void connect_again(void)
{
    int fd = begin(), rc, waited = 0;

    while ((rc = dial_fd(fd, false)) == -1 && errno == EALREADY) {
        CHECK(waited++ < 5000);
        usleep(1000);
    }
    CHECK(rc == 0);
    CHECK(dial_fd(fd, false) == -1 && errno == EISCONN);
    job(fd);
}

/* Neither asks nor waits: just writes until it goes. */
static void connect_write(void)
{
    int fd = begin();
    ssize_t put;

    while ((put = write(fd, "echo 20\n", 8)) == -1) {
        CHECK(errno == EAGAIN);
        usleep(1000);
    }
    CHECK(put == 8);
    set_nonblocking(fd, false);
    put_all(fd, MARK, 20);
    read_marks(fd, 20);
}

/* early: registered before connect(), as nginx does. */
static void with_epoll(uint32_t how, bool early)
{
    int ep = epoll_create1(0), fd = make_socket(), spurious = 0;
    struct epoll_event ev = { .events = EPOLLOUT | how, .data.u64 = 0x1234567890abcdefULL }, got[4];
    size_t sent = 0, back = 0;
    char *out = malloc(BULK), *in = malloc(BULK);
    bool begun = false;

    fill(out, BULK);
    set_nonblocking(fd, true);
    if (how & EPOLLET) {
        ev.events |= EPOLLIN | EPOLLRDHUP;
    }
    if (early) {
        CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
    }
    CHECK(dial_fd(fd, false) == -1 && errno == EINPROGRESS);
    if (!early) {
        CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
    }
    while (back < BULK) {
        ssize_t n = 1;

        CHECK(epoll_wait(ep, got, 4, 10000) == 1);
        CHECK(got[0].data.u64 == 0x1234567890abcdefULL);
        if (early && !begun && (got[0].events & EPOLLHUP)) { /* of the socket before connect() */
            CHECK(spurious++ == 0);
            continue;
        }
        CHECK(!(got[0].events & (EPOLLERR | EPOLLHUP)));
        if (!begun && (got[0].events & EPOLLOUT)) {
            CHECK(so_error(fd) == 0);
            n = write(fd, "echo 200000\n", 12);
            if (n == -1 && errno == EAGAIN && early) {
                continue;
            }
            CHECK(n == 12);
            begun = true;
        }
        while (begun && sent < BULK && (n = write(fd, out + sent, BULK - sent)) > 0) {
            sent += (size_t)n;
        }
        CHECK(n > 0 || errno == EAGAIN);
        if (got[0].events & EPOLLIN) {
            do {
                n = read(fd, in + back,
                         how & EPOLLET        ? BULK - back
                         : 1000 < BULK - back ? 1000
                                              : BULK - back);
                back += n > 0 ? (size_t)n : 0;
            } while (n > 0 && (how & EPOLLET) && back < BULK);
            CHECK(n > 0 || errno == EAGAIN);
        }
        if (!(how & EPOLLET)) {
            ev.events = (sent < BULK ? EPOLLOUT : 0) | EPOLLIN | how;
            CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev) == 0);
        }
    }
    verify(in, BULK);
    CHECK(epoll_wait(ep, got, 4, 50) == 0); /* nothing is left to tell */
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL) == -1 && errno == ENOENT);
    free(in);
    free(out);
}

static void epoll_level(void)
{
    with_epoll(0, false);
}
static void epoll_edge(void)
{
    with_epoll(EPOLLET, false);
}
static void epoll_oneshot(void)
{
    with_epoll(EPOLLONESHOT, false);
}
static void epoll_early(void)
{
    with_epoll(EPOLLET, true);
}
static void epoll_early_level(void)
{
    with_epoll(0, true);
}

/* What waits in user space is told again and again, level-triggered; and merged into one event. */
static void epoll_leftover(void)
{
    int ep = epoll_create1(0), fd = dial();
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd }, got[4];
    char c;

    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
    CHECK(epoll_wait(ep, got, 4, 200) == 0); /* tickets are no news */
    say(fd, "send 50\n");
    for (int i = 0; i < 50; i++) {
        CHECK(epoll_wait(ep, got, 4, 5000) == 1 && got[0].events == EPOLLIN &&
              got[0].data.fd == fd);
        CHECK(read(fd, &c, 1) == 1 && c == MARK[i % 20]);
    }
    CHECK(epoll_wait(ep, got, 4, 100) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == -1 && errno == EEXIST);
    /* One-shot: told once, then only after it is armed again. */
    ev.events = EPOLLIN | EPOLLONESHOT;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev) == 0);
    say(fd, "send 20\n");
    CHECK(epoll_wait(ep, got, 4, 5000) == 1);
    CHECK(read(fd, &c, 1) == 1);
    CHECK(epoll_wait(ep, got, 4, 100) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev) == 0);
    CHECK(epoll_wait(ep, got, 4, 5000) == 1);
    /* Registered anew while plaintext waits. */
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL) == 0);
    ev.events = EPOLLIN | EPOLLET;
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
    CHECK(epoll_wait(ep, got, 4, 5000) == 1);
    CHECK(epoll_wait(ep, got, 4, 100) == 0);
    /* An epoll set inside poll. */
    ev.events = EPOLLIN;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev) == 0);
    CHECK(poll(&(struct pollfd){ .fd = ep, .events = POLLIN }, 1, 1000) == 1);
}

/* Read through one descriptor, waited for through another. */
static void epoll_alias(void)
{
    int ep = epoll_create1(0), fd = dial(), other = dup(fd);
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = 4711 };
    char c;

    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, other, &ev) == 0);
    say(fd, "send 10\n");
    for (int i = 0; i < 10; i++) {
        CHECK(epoll_wait(ep, &ev, 1, 5000) == 1 && ev.data.fd == 4711);
        CHECK(read(fd, &c, 1) == 1);
    }
    CHECK(epoll_wait(ep, &ev, 1, 100) == 0);
    CHECK(close(other) == 0); /* the registration goes with it */
    say(fd, "send 10\n");
    CHECK(epoll_wait(ep, &ev, 1, 100) == 0);
    read_marks(fd, 10);
}

struct sleeper {
    int ep, n;
};

static void *sleep_in_epoll(void *arg)
{
    struct sleeper *s = arg;
    struct epoll_event got;

    s->n = epoll_wait(s->ep, &got, 1, 10000);
    return NULL;
}

/* A thread sleeps in epoll_wait; another one reads a part: the rest must wake the first. */
static void epoll_bell(void)
{
    struct sleeper s = { .ep = epoll_create1(0) };
    int fd = dial();
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.fd = fd };
    int64_t start = ms_now();
    pthread_t t;
    char c;

    CHECK(epoll_ctl(s.ep, EPOLL_CTL_ADD, fd, &ev) == 0);
    say(fd, "send 1000\n");
    CHECK(epoll_wait(s.ep, &ev, 1, 5000) == 1); /* that edge is spent */
    CHECK(pthread_create(&t, NULL, sleep_in_epoll, &s) == 0);
    usleep(100000);
    CHECK(read(fd, &c, 1) == 1);
    pthread_join(t, NULL);
    CHECK(s.n == 1 && ms_now() - start < 5000);
}

/* A record that carries no data (a ticket) is no readiness, whoever asks. */
static void no_data(void)
{
    int fd = dial();
    fd_set r;
    struct timeval tv = { .tv_usec = 300000 };
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int64_t start = ms_now();

    FD_ZERO(&r);
    FD_SET(fd, &r);
    CHECK(select(fd + 1, &r, NULL, NULL, &tv) == 0 && !FD_ISSET(fd, &r));
    CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
    CHECK(ms_now() - start >= 300);
    CHECK(poll(&p, 1, 100) == 0 && p.revents == 0);
    CHECK(ppoll(&p, 1, &(struct timespec){ .tv_nsec = 1000 }, NULL) == 0);
    say(fd, "late 200 30\n");
    start = ms_now();
    CHECK(poll(&p, 1, 5000) == 1 && p.revents == POLLIN);
    CHECK(ms_now() - start >= 190);
    read_marks(fd, 15);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN); /* what waits in user space */
    FD_SET(fd, &r);
    CHECK(pselect(fd + 1, &r, NULL, NULL, NULL, NULL) == 1);
    p.events = POLLRDNORM | POLLWRNORM;
    CHECK(poll(&p, 1, -1) == 1 && p.revents == (POLLRDNORM | POLLWRNORM));
    CHECK(select(900, NULL, NULL, NULL, &(struct timeval){ 0 }) == 0);
}

/* A full kernel is not writable; when the peer reads, it is again. */
static void full(void)
{
    int fd = dial(), waits = 0;
    struct pollfd p = { .fd = fd, .events = POLLOUT | POLLIN };
    size_t total = 32u << 20, sent = 0, back = 0;
    char *out = malloc(BULK), *in = malloc(BULK);

    fill(out, BULK);
    say(fd, "echo %zu\n", total);
    set_nonblocking(fd, true);
    while (back < total) {
        size_t n = total - sent < BULK - 20 ? total - sent : BULK - 20;
        ssize_t put = write(fd, out + sent % 20, n), got = 1;

        CHECK(put >= 0 || errno == EAGAIN);
        sent += put > 0 ? (size_t)put : 0;
        if (n > 0 && put > 0) {
            continue;
        }
        waits += n > 0;
        p.events = n > 0 ? POLLOUT | POLLIN : POLLIN;
        CHECK(poll(&p, 1, 10000) == 1);
        if (p.revents & POLLIN) {
            got = read(fd, in, BULK);
            CHECK(got > 0 && in[0] == MARK[back % 20]);
            CHECK(in[got - 1] == MARK[(back + (size_t)got - 1) % 20]);
            back += (size_t)got;
        }
    }
    CHECK(waits > 0 && back == total);
    free(in);
    free(out);
}

/* More descriptors than the stack has room for, most of them not ours. */
static void crowd(void)
{
    enum { N = 700 };
    struct pollfd *p = calloc(N, sizeof *p);
    int fd = dial(), pipes[2];

    CHECK(pipe(pipes) == 0);
    for (int i = 0; i < N; i++) {
        p[i] = (struct pollfd){ .fd = i % 2 ? pipes[0] : -1, .events = POLLIN };
    }
    p[650] = (struct pollfd){ .fd = fd, .events = POLLIN };
    CHECK(poll(p, N, 100) == 0);
    say(fd, "send 10\n");
    CHECK(poll(p, N, 5000) == 1 && p[650].revents == POLLIN);
    CHECK(write(pipes[1], "x", 1) == 1);
    CHECK(poll(p, N, 5000) == N / 2 + 1);
    free(p);
}

/* The other side of a failed handshake (the configuration names a CA that has nothing to do with
 * it). */
static void refused_blocking(void)
{
    int fd = make_socket();

    CHECK(dial_fd(fd, false) == -1 && errno == EACCES);
    errno = 0;
    CHECK(send(fd, MARK, 20, MSG_NOSIGNAL) == -1 &&
          errno != EAGAIN); /* a program that does not look */
    CHECK(dprintf(fd, "%s", MARK) < 0);
    CHECK(close(fd) == 0);
}

static void refused_poll(void)
{
    int fd = begin();
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    CHECK(poll(&p, 1, 10000) == 1 && (p.revents & POLLOUT));
    CHECK(so_error(fd) == EACCES);
    CHECK(so_error(fd) == 0); /* told once */
    CHECK(send(fd, MARK, 20, MSG_NOSIGNAL) == -1);
}

static void refused_epoll(void)
{
    int fd = begin(), ep = epoll_create1(0);
    struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };

    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
    CHECK(epoll_wait(ep, &ev, 1, 10000) == 1 && (ev.events & (EPOLLOUT | EPOLLERR)));
    CHECK(so_error(fd) == EACCES);
}

static void refused_again(void)
{
    int fd = begin(), rc;

    while ((rc = dial_fd(fd, false)) == -1 && errno == EALREADY) {
        usleep(1000);
    }
    CHECK(rc == -1 && errno == EACCES);
}

const struct io_case io_waits[] = {
    { "connect-poll", connect_poll },
    { "connect-select", connect_select },
    { "connect-again", connect_again },
    { "connect-write", connect_write },
    { "epoll-level", epoll_level },
    { "epoll-edge", epoll_edge },
    { "epoll-oneshot", epoll_oneshot },
    { "epoll-early", epoll_early },
    { "epoll-early-level", epoll_early_level },
    { "epoll-leftover", epoll_leftover },
    { "epoll-alias", epoll_alias },
    { "epoll-bell", epoll_bell },
    { "no-data", no_data },
    { "full", full },
    { "crowd", crowd },
    { "refused-blocking", refused_blocking },
    { "refused-poll", refused_poll },
    { "refused-epoll", refused_epoll },
    { "refused-again", refused_again },
    { NULL, NULL },
};
