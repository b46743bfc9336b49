/* SPDX-License-Identifier: ISC */
/* An echo server for plain sockets in each of the ways servers are written. `greet`: it speaks
 * first. Ends with SIGTERM. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GREETING "HELLO FROM THE SERVER\n"
#define ROOM     65536
#define MAX_FDS  1024

static bool greet;

/* What has been read and not yet written, of one non-blocking connection. */
struct echo {
    size_t at, n;
    bool over;
    char p[ROOM];
};
static struct echo *echoes[MAX_FDS];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int listener(const char *port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((in_port_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 256)) {
        die("listen");
    }
    return fd;
}

static void serve_blocking(int fd)
{
    char p[8192];
    ssize_t n;

    signal(SIGPIPE, SIG_IGN);
    if (greet && write(fd, GREETING, strlen(GREETING)) < 0) {
        close(fd);
        return;
    }
    while ((n = read(fd, p, sizeof p)) > 0) {
        for (ssize_t done = 0, put; done < n; done += put) {
            put = write(fd, p + done, (size_t)(n - done));
            if (put < 0) {
                close(fd);
                return;
            }
        }
    }
    close(fd);
}

static void serial(int l)
{
    for (;;) {
        int fd = accept(l, NULL, NULL);

        if (fd >= 0) {
            serve_blocking(fd);
        }
    }
}

static void forking(int l)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(l, NULL, NULL);

        if (fd >= 0 && fork() == 0) {
            close(l);
            serve_blocking(fd);
            exit(0);
        }
        close(fd);
    }
}

static void *thread(void *arg)
{
    serve_blocking((int)(intptr_t)arg);
    return NULL;
}

static void threads(int l)
{
    for (;;) {
        int fd = accept(l, NULL, NULL);
        pthread_t t;

        if (fd >= 0 && pthread_create(&t, NULL, thread, (void *)(intptr_t)fd) == 0) {
            pthread_detach(t);
        }
    }
}

/* Four processes that wait in accept(). */
static void prefork(int l)
{
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            break;
        }
    }
    serial(l);
}

/* ---- non-blocking ---- */

static int welcome(int l)
{
    int fd = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= MAX_FDS) {
        close(fd);
        return -1;
    }
    if (fd >= 0) {
        echoes[fd] = calloc(1, sizeof *echoes[fd]);
        if (greet && send(fd, GREETING, strlen(GREETING), MSG_NOSIGNAL) < 0 && errno == EAGAIN) {
            die("a first write of the server is not taken");
        }
    }
    return fd;
}

static void leave(int fd)
{
    free(echoes[fd]);
    echoes[fd] = NULL;
    close(fd);
}

/* Does what can be done. False: the connection is over. */
static bool progress(int fd)
{
    struct echo *e = echoes[fd];

    for (;;) {
        ssize_t n;

        while (e->at < e->n) {
            n = send(fd, e->p + e->at, e->n - e->at, MSG_NOSIGNAL);
            if (n < 0) {
                return errno == EAGAIN;
            }
            e->at += (size_t)n;
        }
        if (e->over) {
            return false;
        }
        e->at = e->n = 0;
        n = read(fd, e->p, ROOM);
        if (n < 0) {
            return errno == EAGAIN;
        }
        e->over = n == 0;
        e->n = (size_t)n;
    }
}

static bool wants_out(int fd)
{
    return echoes[fd]->at < echoes[fd]->n;
}

static void polling(int l)
{
    struct pollfd p[MAX_FDS];

    for (;;) {
        nfds_t n = 0;

        p[n++] = (struct pollfd){ .fd = l, .events = POLLIN };
        for (int fd = 0; fd < MAX_FDS; fd++) {
            if (echoes[fd]) {
                p[n++] = (struct pollfd){ .fd = fd, .events = wants_out(fd) ? POLLOUT : POLLIN };
            }
        }
        if (poll(p, n, -1) < 0) {
            die("poll");
        }
        if (p[0].revents) {
            welcome(l);
        }
        for (nfds_t i = 1; i < n; i++) {
            if (p[i].revents && !progress(p[i].fd)) {
                leave(p[i].fd);
            }
        }
    }
}

static void selecting(int l)
{
    for (;;) {
        fd_set r, w;

        FD_ZERO(&r);
        FD_ZERO(&w);
        FD_SET(l, &r);
        for (int fd = 0; fd < MAX_FDS; fd++) {
            if (echoes[fd] && wants_out(fd)) {
                FD_SET(fd, &w);
            } else if (echoes[fd]) {
                FD_SET(fd, &r);
            }
        }
        if (select(MAX_FDS, &r, &w, NULL, NULL) < 0) {
            die("select");
        }
        for (int fd = 0; fd < MAX_FDS; fd++) {
            if (fd != l && (FD_ISSET(fd, &r) || FD_ISSET(fd, &w)) && !progress(fd)) {
                leave(fd);
            }
        }
        if (FD_ISSET(l, &r)) {
            welcome(l);
        }
    }
}

static uint32_t epoll_how;

static uint32_t epoll_events(int fd)
{
    return epoll_how & EPOLLET ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | epoll_how
                               : (wants_out(fd) ? EPOLLOUT : EPOLLIN) | epoll_how;
}

static void *epoll_loop(void *arg)
{
    int ep = (int)(intptr_t)arg;
    struct epoll_event got[64];

    for (;;) {
        int n = epoll_wait(ep, got, epoll_how & EPOLLONESHOT ? 1 : 64, -1);

        for (int i = 0; i < n; i++) {
            int fd = got[i].data.fd;
            struct epoll_event ev = { .data.fd = fd };

            if (!progress(fd)) {
                leave(fd);
            } else if (!(epoll_how & EPOLLET)) {
                ev.events = epoll_events(fd);
                epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
            }
        }
    }
    return NULL;
}

/* One set; with one-shot events four threads share it. */
static void epolling(int l)
{
    int ep = epoll_create1(EPOLL_CLOEXEC);
    pthread_t t;

    for (int i = 0; i < (epoll_how & EPOLLONESHOT ? 4 : 1); i++) {
        pthread_create(&t, NULL, epoll_loop, (void *)(intptr_t)ep);
    }
    for (;;) {
        struct epoll_event ev;
        int fd;

        poll(&(struct pollfd){ .fd = l, .events = POLLIN }, 1, -1);
        fd = welcome(l);
        if (fd >= 0) {
            ev = (struct epoll_event){ .events = epoll_events(fd), .data.fd = fd };
            if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0) {
                die("epoll_ctl");
            }
        }
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(int);
        uint32_t how;
    } ways[] = {
        { "serial", serial, 0 },
        { "forking", forking, 0 },
        { "threads", threads, 0 },
        { "prefork", prefork, 0 },
        { "polling", polling, 0 },
        { "selecting", selecting, 0 },
        { "epoll", epolling, 0 },
        { "epoll-edge", epolling, EPOLLET },
        { "epoll-oneshot", epolling, EPOLLONESHOT },
    };

    if (argc < 3) {
        return 2;
    }
    greet = argc > 3 && strcmp(argv[3], "greet") == 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].name, argv[1]) == 0) {
            epoll_how = ways[i].how;
            ways[i].run(listener(argv[2]));
        }
    }
    return 2;
}
