/* SPDX-License-Identifier: ISC */
/* A client and a server that know nothing of TLS, for tests/bench/wrap.py.
 *
 *   wrap_load [-e] serve PORT     a thread for each connection; -e: one thread with epoll
 *   wrap_load [-e] bulk PORT N    receives N bytes
 *   wrap_load [-e] ping PORT N    N times 64 bytes there and back
 *   wrap_load [-e] conn PORT N    N connections with 64 bytes there and back, after one that does
 *                                 not count; -e: waits with epoll instead of in read()
 *
 * The client prints seconds, CPU seconds of its own, and with ping the median and the 99th
 * percentile in microseconds. It begins with a byte that says what it wants, and a number. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 64
#define HEAD  9
#define WARM  200 /* round trips that do not count */

static bool use_epoll;
static int set = -1; /* of the client that uses epoll */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void undelayed(int fd)
{
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static ssize_t some(int fd, void *p, size_t n)
{
    struct epoll_event ev;
    ssize_t got;

    while ((got = read(fd, p, n)) < 0 && (errno == EAGAIN || errno == EINTR)) {
        if (errno == EAGAIN) {
            epoll_wait(set, &ev, 1, -1);
        }
    }
    return got;
}

static bool all(int fd, char *p, size_t n)
{
    while (n > 0) {
        ssize_t got = some(fd, p, n);

        if (got <= 0) {
            return false;
        }
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static bool put(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);

        if (done <= 0) {
            return false;
        }
        p += done;
        n -= (size_t)done;
    }
    return true;
}

/* ---- the server ---- */

static const char zeros[16384];

static size_t least(uint64_t n)
{
    return n < sizeof zeros ? (size_t)n : sizeof zeros;
}

static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char b[BLOCK];
    uint64_t n;

    undelayed(fd);
    if (all(fd, b, HEAD)) {
        memcpy(&n, b + 1, sizeof n);
        if (b[0] == 'R') {
            while (n > 0 && put(fd, zeros, least(n))) {
                n -= least(n);
            }
        } else {
            while (all(fd, b, sizeof b) && put(fd, b, sizeof b)) {
            }
        }
    }
    close(fd);
    return NULL;
}

static void serve_threads(int l)
{
    pthread_attr_t attr;
    pthread_t t;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int fd = accept(l, NULL, NULL);

        if (fd >= 0 && pthread_create(&t, &attr, serve_one, (void *)(intptr_t)fd) != 0) {
            close(fd);
        }
    }
}

struct client {
    int fd;
    uint64_t left; /* to send */
    size_t have;   /* in b: received and not yet used */
    bool greeted, want_out;
    char b[BLOCK];
};

/* What can be done without waiting; false: the end. */
static bool client_step(struct client *c)
{
    for (;;) {
        size_t want = c->greeted ? sizeof c->b : HEAD;
        ssize_t n;

        if (c->left > 0) {
            n = write(c->fd, zeros, least(c->left));
            if (n < 0) {
                c->want_out = errno == EAGAIN;
                return c->want_out;
            }
            c->left -= (uint64_t)n;
            continue;
        }
        c->want_out = false;
        n = read(c->fd, c->b + c->have, want - c->have);
        if (n <= 0) {
            return n < 0 && errno == EAGAIN;
        }
        c->have += (size_t)n;
        if (c->have < want) {
            continue;
        }
        c->have = 0;
        if (c->greeted) {
            if (write(c->fd, c->b, sizeof c->b) != sizeof c->b) {
                return false; /* one block at a time: there is always room for it */
            }
        } else if (c->b[0] == 'R') {
            memcpy(&c->left, c->b + 1, sizeof c->left);
        }
        c->greeted = true;
    }
}

static void client_new(int ep, int l)
{
    struct client *c = calloc(1, sizeof *c);
    int fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

    if (!c || fd < 0) {
        free(c);
        return;
    }
    undelayed(fd);
    c->fd = fd;
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0) {
        err(1, "epoll_ctl");
    }
}

static void serve_epoll(int l)
{
    struct epoll_event evs[64], ev = { .events = EPOLLIN };
    int ep = epoll_create1(EPOLL_CLOEXEC);

    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev) != 0) {
        err(1, "epoll");
    }
    for (;;) {
        int n = epoll_wait(ep, evs, 64, -1);

        for (int i = 0; i < n; i++) {
            struct client *c = evs[i].data.ptr;
            bool wanted = c && c->want_out;

            if (!c) {
                client_new(ep, l);
            } else if (!client_step(c)) {
                close(c->fd);
                free(c);
            } else if (c->want_out != wanted) {
                ev = (struct epoll_event){ .events = c->want_out ? EPOLLOUT : EPOLLIN,
                                           .data.ptr = c };
                epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev);
            }
        }
    }
}

static void serve(struct sockaddr_in *at)
{
    int one = 1, l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(l, (struct sockaddr *)at, sizeof *at) != 0 || listen(l, 512) != 0) {
        err(1, "listen");
    }
    (use_epoll ? serve_epoll : serve_threads)(l);
}

/* ---- the client ---- */

static int dial(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct epoll_event ev = { .events = EPOLLIN };

    if (connect(fd, (const struct sockaddr *)to, sizeof *to) != 0) {
        err(1, "connect");
    }
    undelayed(fd);
    if (use_epoll) {
        if (set < 0) {
            set = epoll_create1(EPOLL_CLOEXEC);
        }
        if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev) != 0) {
            err(1, "epoll");
        }
    }
    return fd;
}

static void head(char *b, char kind, uint64_t n)
{
    b[0] = kind;
    memcpy(b + 1, &n, sizeof n);
}

static void trip(int fd, char *b, size_t n)
{
    if (!put(fd, b, n) || !all(fd, b, BLOCK)) {
        err(1, "there and back");
    }
}

static void bulk(const struct sockaddr_in *to, uint64_t n)
{
    static char b[sizeof zeros];
    int fd = dial(to);

    head(b, 'R', n);
    if (!put(fd, b, HEAD)) {
        err(1, "write");
    }
    while (n > 0) {
        ssize_t got = some(fd, b, sizeof b);

        if (got <= 0) {
            err(1, "the end, %ju bytes early", (uintmax_t)n);
        }
        n -= (uint64_t)got;
    }
    close(fd);
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void conn(const struct sockaddr_in *to, uint64_t n)
{
    char b[HEAD + BLOCK] = { 0 };

    while (n-- > 0) {
        int fd = dial(to);

        head(b, 'P', 0);
        trip(fd, b, sizeof b);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    double t, c, *v = NULL;
    uint64_t n;

    signal(SIGPIPE, SIG_IGN);
    use_epoll = argc > 1 && strcmp(argv[1], "-e") == 0;
    argv += use_epoll;
    argc -= use_epoll;
    if (argc < 3) {
        errx(2, "wrap_load [-e] serve|bulk|ping|conn PORT [N]");
    }
    at.sin_port = htons((uint16_t)atoi(argv[2]));
    if (strcmp(argv[1], "serve") == 0) {
        serve(&at);
    }
    n = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    if (strcmp(argv[1], "ping") == 0) {
        char b[HEAD + BLOCK] = { 0 };
        int fd = dial(&at);

        v = calloc(n, sizeof *v);
        if (!v || n == 0) {
            err(1, "ping");
        }
        head(b, 'P', 0);
        trip(fd, b, sizeof b);
        for (int i = 0; i < WARM; i++) {
            trip(fd, b, BLOCK);
        }
        t = now();
        c = cpu();
        for (uint64_t i = 0; i < n; i++) {
            double from = now();

            trip(fd, b, BLOCK);
            v[i] = now() - from;
        }
    } else if (strcmp(argv[1], "bulk") == 0) {
        t = now();
        c = cpu();
        bulk(&at, n);
    } else {
        conn(&at, 1);
        t = now();
        c = cpu();
        conn(&at, n);
    }
    printf("%.6f %.6f", now() - t, cpu() - c);
    if (v) {
        qsort(v, n, sizeof *v, order);
        printf(" %.2f %.2f", v[n / 2] * 1e6, v[n * 99 / 100] * 1e6);
    }
    printf("\n");
    return 0;
}
