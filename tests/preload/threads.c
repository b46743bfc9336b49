/* SPDX-License-Identifier: ISC */
/* threads PORT WAY: a program that knows nothing of TLS and does it all at once in threads:
 * connects, accepts, reads, writes, waits, dups, closes, looks names up; and, with WAY "forks",
 * forks and execs at the same time; with "signals" a signal comes 10,000 times a second whose
 * handler writes and reads, with "eintr" one that interrupts what waits. Every byte tells its
 * connection and its place. */
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond)                                         \
    do {                                                    \
        if (!(cond)) {                                      \
            err(1, "%s:%d: %s", __FILE__, __LINE__, #cond); \
        }                                                   \
    } while (0)
#define CLIENTS 4
#define ROUNDS  12 /* connections of each; ten times with SLEEVE_TEST_FULL in the environment */
#define MOST    60000

static struct sockaddr_in at;
static int listener;
static _Atomic bool stop;
static _Atomic unsigned serial, served;

struct end {
    int fd;
    uint32_t id, total;
    bool answers; /* the server */
    unsigned seed;
};

static unsigned dice(struct end *e, unsigned n)
{
    return (unsigned)rand_r(&e->seed) % n;
}

static uint8_t pattern(uint32_t id, bool answer, uint32_t pos)
{
    uint64_t at_all = ((uint64_t)id << 24) + (answer ? 1 << 23 : 0) + pos;

    return (uint8_t)((at_all * 2654435761U) >> 16 ^ at_all);
}

/* The call again, where a signal came first. */
#define AGAIN(result, call) \
    do {                    \
        (result) = (call);  \
    } while ((result) < 0 && errno == EINTR)

static void move(struct end *e)
{
    int to;

    AGAIN(to, dup(e->fd));
    CHECK(to >= 0 && close(e->fd) == 0);
    e->fd = to;
}

static void send_all(struct end *e)
{
    uint8_t buf[20000];

    for (uint32_t pos = 0; pos < e->total;) {
        size_t n = dice(e, sizeof buf) + 1;
        ssize_t put;

        n = n < e->total - pos ? n : e->total - pos;
        for (size_t i = 0; i < n; i++) {
            buf[i] = pattern(e->id, e->answers, pos + (uint32_t)i);
        }
        if (dice(e, 3) == 0) {
            struct iovec two[2] = { { buf, n / 2 }, { buf + n / 2, n - n / 2 } };

            AGAIN(put, writev(e->fd, two, 2));
        } else if (dice(e, 2)) {
            AGAIN(put, write(e->fd, buf, n));
        } else {
            AGAIN(put, send(e->fd, buf, n, MSG_NOSIGNAL));
        }
        CHECK(put > 0); /* all of it, but when a signal came */
        pos += (uint32_t)put;
    }
}

static void await_something(struct end *e)
{
    struct epoll_event ev = { .events = EPOLLIN };
    struct pollfd p = { .fd = e->fd, .events = POLLIN };
    fd_set set;
    int rc = 1, ep;

    switch (dice(e, 5)) {
    case 0:
        AGAIN(rc, poll(&p, 1, -1));
        break;
    case 1:
        do {
            FD_ZERO(&set);
            FD_SET(e->fd, &set);
            rc = select(e->fd + 1, &set, NULL, NULL, NULL);
        } while (rc < 0 && errno == EINTR);
        break;
    case 2:
        ep = epoll_create1(EPOLL_CLOEXEC);
        CHECK(ep >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, e->fd, &ev) == 0);
        AGAIN(rc, epoll_wait(ep, &ev, 1, -1));
        CHECK(close(ep) == 0);
        break;
    default:
        break;
    }
    CHECK(rc == 1);
}

static void receive_all(struct end *e, uint32_t total)
{
    uint8_t buf[20000];

    for (uint32_t pos = 0; pos < total;) {
        ssize_t n;

        await_something(e);
        if (dice(e, 4) == 0) {
            AGAIN(n, recv(e->fd, buf, sizeof buf, MSG_PEEK));
            CHECK(n > 0);
        }
        AGAIN(n, read(e->fd, buf, dice(e, sizeof buf) + 1));
        CHECK(n > 0);
        for (size_t i = 0; i < (size_t)n; i++) {
            if (buf[i] != pattern(e->id, !e->answers, pos + (uint32_t)i)) {
                errx(1, "connection %u: byte %u is wrong", e->id, pos + (uint32_t)i);
            }
        }
        pos += (uint32_t)n;
    }
}

static void finish(struct end *e)
{
    char more;
    ssize_t n;

    CHECK(shutdown(e->fd, SHUT_WR) == 0);
    AGAIN(n, read(e->fd, &more, 1));
    CHECK(n == 0 && close(e->fd) == 0);
}

static void *send_thread(void *arg)
{
    send_all(arg);
    return NULL;
}

static void talk(struct end *e, uint32_t theirs)
{
    pthread_t t;

    if (dice(e, 2) == 0) {
        struct end sender = *e;

        CHECK(pthread_create(&t, NULL, send_thread, &sender) == 0);
        receive_all(e, theirs);
        pthread_join(t, NULL);
    } else if (e->answers) {
        receive_all(e, theirs);
        move(e);
        send_all(e);
    } else {
        send_all(e);
        move(e);
        receive_all(e, theirs);
    }
    finish(e);
}

static void *serve(void *arg)
{
    struct end e = { .fd = (int)(intptr_t)arg, .answers = true };
    uint32_t head[3];
    ssize_t n;

    for (size_t done = 0; done < sizeof head; done += (size_t)n) {
        AGAIN(n, recv(e.fd, (char *)head + done, sizeof head - done, MSG_WAITALL));
        CHECK(n > 0);
    }
    e.id = head[0];
    e.seed = head[0] * 7 + 1;
    e.total = head[2];
    talk(&e, head[1]);
    served++;
    return NULL;
}

static void *accept_all(void *arg)
{
    pthread_attr_t a;
    pthread_t t;
    int fd;

    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    for (;;) {
        AGAIN(fd, accept(listener, NULL, NULL));
        CHECK(fd >= 0);
        CHECK(pthread_create(&t, &a, serve, (void *)(intptr_t)fd) == 0);
    }
    return arg;
}

/* connect() goes on after EINTR, and may not be called twice. */
static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), rc, why = 0;
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    socklen_t n = sizeof why;

    CHECK(fd >= 0);
    rc = connect(fd, (struct sockaddr *)&at, sizeof at);
    if (rc < 0 && errno == EINTR) {
        AGAIN(rc, poll(&p, 1, -1));
        CHECK(rc == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) == 0);
        errno = why;
        rc = why ? -1 : 0;
    }
    CHECK(rc == 0);
    return fd;
}

static unsigned rounds(void)
{
    return ROUNDS * (getenv("SLEEVE_TEST_FULL") ? 10 : 1);
}

static void *connect_often(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < rounds(); i++) {
        struct end e = { .id = ++serial, .seed = seed + i };
        uint32_t head[3] = { e.id, dice(&e, MOST), dice(&e, MOST) };
        ssize_t n;

        e.total = head[1];
        e.fd = dial();
        AGAIN(n, write(e.fd, head, sizeof head));
        CHECK(n == sizeof head);
        talk(&e, head[2]);
    }
    return NULL;
}

/* ---- besides ---- */

static void *look_up(void *arg)
{
    while (!stop) {
        struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *ai = NULL;
        int fd = socket(AF_INET, SOCK_STREAM, 0), copy;

        CHECK(getaddrinfo("localhost", "1", &hints, &ai) == 0);
        freeaddrinfo(ai);
        CHECK(fd >= 0 && (copy = dup(fd)) >= 0 && close(fd) == 0 && close(copy) == 0);
        sched_yield();
    }
    return arg;
}

static void *fork_often(void *arg)
{
    extern char **environ;
    char *argv[] = { "threads", NULL }; /* ourselves: under the same sanitizer */
    int status;
    pid_t pid;

    for (int i = 0; !stop; i++) {
        if (i % 3 == 2) {
            CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
        } else {
            pid = fork();
        }
        CHECK(pid >= 0);
        if (pid == 0 && i % 3 == 1) {
            execv("/proc/self/exe", argv);
            _exit(1);
        } else if (pid == 0) {
            for (int fd = 3; fd < 100; fd++) {
                close(fd);
            }
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        if (status != 0) {
            errx(1, "child %d: status %x", i, status);
        }
        usleep(15000);
    }
    return arg;
}

static int notes[2];
static _Atomic unsigned ticks, wrong;

/* What a handler may do: it writes and reads. */
static void tick(int sig)
{
    int saved = errno;
    char c = 't';

    (void)sig;
    if (write(notes[1], &c, 1) == 1 && (c = 0, read(notes[0], &c, 1) == 1) && c != 't') {
        wrong++;
    }
    ticks++;
    errno = saved;
}

static void signals(int flags)
{
    struct sigaction sa = { .sa_handler = tick, .sa_flags = flags };

    CHECK(pipe2(notes, 04000 | 02000000) == 0); /* O_NONBLOCK | O_CLOEXEC */
    CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 100 }, { 0, 100 } }, NULL) == 0);
}

int main(int argc, char **argv)
{
    pthread_t client[CLIENTS], besides[2], accepting[2];
    int one = 1;

    if (argc != 3) {
        return argc != 1; /* see fork_often() */
    }
    signal(SIGPIPE, SIG_IGN);
    at = (struct sockaddr_in){ .sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(argv[1])),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 64) == 0);
    if (strcmp(argv[2], "signals") == 0 || strcmp(argv[2], "eintr") == 0) {
        signals(strcmp(argv[2], "signals") == 0 ? SA_RESTART : 0);
    }
    CHECK(pthread_create(&besides[0], NULL, look_up, NULL) == 0);
    CHECK(pthread_create(&besides[1], NULL, strcmp(argv[2], "forks") == 0 ? fork_often : look_up,
                         NULL) == 0);
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&accepting[i], NULL, accept_all, NULL) == 0);
    }
    for (uintptr_t i = 0; i < CLIENTS; i++) {
        CHECK(pthread_create(&client[i], NULL, connect_often, (void *)(i * 1000 + 1)) == 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(client[i], NULL);
    }
    while (served < serial) {
        usleep(1000);
    }
    stop = true;
    for (int i = 0; i < 2; i++) {
        pthread_join(besides[i], NULL);
    }
    setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
    printf("%u connections, %u signals\n", serial, ticks);
    return wrong ? 1 : 0;
}
