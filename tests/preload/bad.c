/* SPDX-License-Identifier: ISC */
/* A client for bad days. It has its own malloc(), which can be told to fail, for every library in
 * the process. Notes what its calls say; the peer echoes. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MARK "SLEEVE-KNOWN-PAYLOAD"
#define BULK 3000

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static _Atomic long left = -1; /* allocations that still succeed; negative: all */
static _Atomic int once;       /* only one fails */

static int fails(void)
{
    if (left < 0 || left-- > 0) {
        return 0;
    }
    left = once ? -1 : 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}

static struct sockaddr_in peer;
static char out[BULK], in[BULK];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* One job, whole or not at all. 0, or the errno of the call that failed. */
static int job(int fd)
{
    struct timeval tv = { .tv_sec = 20 };
    size_t got = 0, put = 0;
    ssize_t n;

    if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0) {
        return errno;
    }
    if (!getenv("BAD_STORM")) { /* with it there is no SA_RESTART: signal(7) */
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    }
    while (put < BULK) {
        n = send(fd, out + put, BULK - put, MSG_NOSIGNAL);
        if (n < 0) {
            return errno;
        }
        put += (size_t)n;
    }
    while (got < BULK) {
        n = recv(fd, in + got, BULK - got, 0);
        if (n <= 0) {
            return n < 0 ? errno : ECONNRESET;
        }
        got += (size_t)n;
    }
    if (memcmp(in, out, BULK) != 0) {
        puts("other bytes");
        exit(1);
    }
    return 0;
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), rc = job(fd);

    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

/* The same without blocking: what SO_ERROR says in the end. */
static int dial_polling(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), e = -1;
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    socklen_t n = sizeof e;

    if (connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0 && errno != EINPROGRESS) {
        e = errno;
    } else if (poll(&p, 1, 30000) != 1) {
        die("poll");
    } else {
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n);
    }
    close(fd);
    return e;
}

static int open_fds(void)
{
    int n = 0;

    for (int fd = 0; fd < 4096; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

static long resident(void)
{
    long pages[2] = { 0 };
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f || fscanf(f, "%ld %ld", &pages[0], &pages[1]) != 2) {
        die("statm");
    }
    fclose(f);
    return pages[1] * 4;
}

/* Prints each outcome; then what has been left over. */
static void many(long n, int (*way)(void))
{
    int seen[200] = { 0 }, before, rc;
    long size = 0;

    dial();
    before = open_fds();
    for (long i = 0; i < n; i++) {
        rc = way();
        seen[rc < 0 || rc >= 200 ? 199 : rc]++;
        if (i == n / 5) {
            size = resident();
        }
    }
    for (int e = 0; e < 200; e++) {
        if (seen[e]) {
            printf("%d:%d ", e, seen[e]);
        }
    }
    printf("fds:%d grown:%ld\n", open_fds() - before, resident() - size);
}

/* Each allocation of a connection's life fails once; then it and all that follow. */
static void memory(long n)
{
    int bad = 0;

    for (int mode = 0; mode < 2; mode++) {
        for (long i = 0; i < n; i++) {
            once = mode == 0;
            left = i;
            bad += dial() != 0;
            left = -1;
        }
        if (dial() != 0) {
            die("after the memory is back");
        }
    }
    printf("%d\n", bad);
}

/* All descriptors are taken: socket() says so, what there is goes on, and afterwards all is well.
 */
static void descriptors(void)
{
    struct rlimit r = { .rlim_cur = 40, .rlim_max = 40 };
    int fds[64], n = 0, e;

    setrlimit(RLIMIT_NOFILE, &r);
    while (n < 64 && (fds[n] = socket(AF_INET, SOCK_STREAM, 0)) >= 0) {
        n++;
    }
    if (n == 64 || errno != EMFILE) {
        die("socket");
    }
    for (int i = 0; i < n; i++) {
        if ((e = job(fds[i])) != 0) {
            errno = e;
            die("a job without descriptors");
        }
    }
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
    printf("%d\n", dial());
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void storm(void)
{
    const char *how = getenv("BAD_STORM");
    struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    struct itimerval t = { .it_interval.tv_usec = 100, .it_value.tv_usec = 100 };

    if (how) {
        sigaction(SIGALRM, &sa, NULL);
        setitimer(ITIMER_REAL, &t, NULL);
    }
}

int main(int argc, char **argv)
{
    long n = argc > 3 ? atol(argv[3]) : 0;

    if (argc < 3) {
        return 2;
    }
    peer = (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((in_port_t)atoi(argv[2])),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (size_t i = 0; i < BULK; i++) {
        out[i] = MARK[i % 20];
    }
    storm();
    if (strcmp(argv[1], "many") == 0) {
        many(n, dial);
    } else if (strcmp(argv[1], "polling") == 0) {
        many(n, dial_polling);
    } else if (strcmp(argv[1], "memory") == 0) {
        memory(n);
    } else if (strcmp(argv[1], "descriptors") == 0) {
        descriptors();
    }
    return 0;
}
