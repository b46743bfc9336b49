/* SPDX-License-Identifier: ISC */
/* A soak: connections that come and go, many at once, and one that carries much. Written against
 * the calls of POSIX, CALL(read), which are the sockets API's or a wrapped program's. Both ends are
 * in the program. Memory and descriptors are looked at after a while, and again at the end: they
 * are to be as many. Each block of data tells where it belongs. */
#ifndef TESTS_SOAK_SOAK_H
#define TESTS_SOAK_SOAK_H
#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef CALL
#define CALL(name) name
#endif
#define CHECK(cond)                                                        \
    do {                                                                   \
        if (!(cond)) {                                                     \
            err(1, "%s:%d: %s %s", __FILE__, __LINE__, #cond, soak_why()); \
        }                                                                  \
    } while (0)

/* Of the program: what makes a socket TLS before it is used; when so many bytes have gone; what
 * went wrong, in a sentence. */
void soak_server(int listener);
void soak_client(int fd);
void soak_carried(int fd, uint64_t bytes);
const char *soak_why(void);

/* Their heap is not malloc's, and keeps what was freed. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#define BLOCK 65536
/* What there may be more of at the end, though nothing leaks: arenas of threads, lists that grew.
 */
#define HEAP_SLACK (256 << 10)
#define RSS_SLACK  (8 << 20)

static struct sockaddr_in soak_at;
static const char *soak_name;

struct level {
    size_t heap, rss, fds;
    double at;
};

static inline size_t count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    CHECK(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n - 3; /* two directories, and d */
}

static inline struct level level_now(void)
{
    struct level l = { .fds = count_fds() };
    unsigned long pages = 0;
    struct timespec t;
    FILE *f = fopen("/proc/self/statm", "re");

    CHECK(f && fscanf(f, "%*u %lu", &pages) == 1);
    fclose(f);
    l.rss = pages * (size_t)sysconf(_SC_PAGESIZE);
#ifndef SANITIZED
    l.heap = mallinfo2().uordblks + mallinfo2().hblkhd;
#endif
    clock_gettime(CLOCK_MONOTONIC, &t);
    l.at = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    return l;
}

static inline void table_head(void)
{
    printf("%-22s %12s %9s %10s %12s %12s %5s\n", "what", "amount", "seconds", "a second",
           "heap, grew", "RSS, grew", "fds");
}

/* A line of the table, and the verdict. */
static inline void level_same(const char *what, double amount, const char *unit,
                              const struct level *from, const struct level *warm)
{
    struct level end = level_now();
    double s = end.at - from->at;
    long heap = (long)end.heap - (long)warm->heap, rss = (long)end.rss - (long)warm->rss;
    bool grows = heap > HEAP_SLACK || rss > RSS_SLACK;

    printf("%-5s%-17s %9.4g %-2s %9.1f %10.4g %+12ld %+12ld %5zu\n", soak_name, what, amount, unit,
           s, amount / s, heap, rss, end.fds);
    fflush(stdout);
    if (end.fds != warm->fds) {
        errx(1, "%s: %zu descriptors, and %zu after a while", what, end.fds, warm->fds);
    }
#ifdef SANITIZED
    grows = false;
#endif
    if (grows) {
        errx(1, "%s: memory grows", what);
    }
}

static inline void stamp(uint8_t *block, uint64_t id, uint64_t n)
{
    memcpy(block, &id, sizeof id);
    memcpy(block + sizeof id, &n, sizeof n);
    for (size_t i = 16; i < BLOCK; i += 4096) {
        block[i] = (uint8_t)(n + i / 4096);
    }
}

/* Of who sends and who receives, and what was received: not of the heap, which is looked at. */
struct desk {
    uint8_t mine[BLOCK], in[BLOCK];
};
static struct desk desk[2];

static inline void desks_fill(void)
{
    for (size_t i = 0; i < BLOCK; i++) {
        desk[0].mine[i] = desk[1].mine[i] = (uint8_t)(i * 2654435761U >> 13);
    }
}

static inline void put_all(int fd, const uint8_t *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = CALL(write)(fd, p + done, n - done);

        CHECK(put > 0);
        done += (size_t)put;
    }
}

static inline void get_all(int fd, uint8_t *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = CALL(recv)(fd, p + done, n - done, MSG_WAITALL);

        CHECK(got > 0);
        done += (size_t)got;
    }
}

static inline void put_block(int fd, struct desk *d, uint64_t id, uint64_t n, size_t size)
{
    stamp(d->mine, id, n);
    put_all(fd, d->mine, size);
}

static inline void expect_block(int fd, struct desk *d, uint64_t id, uint64_t n, size_t size)
{
    stamp(d->mine, id, n);
    get_all(fd, d->in, size);
    if (memcmp(d->mine, d->in, size) != 0) {
        errx(1, "connection %lu: block %lu is wrong", (unsigned long)id, (unsigned long)n);
    }
}

static inline int soak_listen(uint16_t port)
{
    int fd = CALL(socket)(AF_INET, SOCK_STREAM, 0), one = 1;
    socklen_t len = sizeof soak_at;

    soak_at = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    soak_server(fd);
    CHECK(CALL(bind)(fd, (struct sockaddr *)&soak_at, len) == 0 && CALL(listen)(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&soak_at, &len) == 0);
    return fd;
}

static inline int soak_dial(void)
{
    int fd = CALL(socket)(AF_INET, SOCK_STREAM, 0), one = 1;

    CHECK(fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    soak_client(fd);
    CHECK(CALL(connect)(fd, (struct sockaddr *)&soak_at, sizeof soak_at) == 0);
    return fd;
}

static inline void must_end(int fd)
{
    uint8_t more;

    CHECK(CALL(read)(fd, &more, 1) == 0);
    CHECK(CALL(close)(fd) == 0);
}

struct accepting {
    int listener, fd;
};

static inline void *accept_one(void *arg)
{
    struct accepting *a = arg;
    uint8_t hello;

    a->fd = CALL(accept)(a->listener, NULL, NULL);
    CHECK(a->fd >= 0);
    get_all(a->fd, &hello, 1);
    return NULL;
}

/* ends[0]: who dialled. A byte goes over it, so that the handshake is done. */
static inline void make_pair(int listener, int ends[2])
{
    struct accepting a = { .listener = listener };
    pthread_t t;

    CHECK(pthread_create(&t, NULL, accept_one, &a) == 0);
    ends[0] = soak_dial();
    put_all(ends[0], (const uint8_t *)"", 1);
    pthread_join(t, NULL);
    ends[1] = a.fd;
}

/* ---- they come and go ---- */

struct serving {
    int listener;
    uint64_t n;
};

static inline void *serve_one_by_one(void *arg)
{
    const struct serving *s = arg;
    int one = 1;

    for (uint64_t i = 0; i < s->n; i++) {
        int fd = CALL(accept)(s->listener, NULL, NULL);

        CHECK(fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
        expect_block(fd, &desk[1], i, 0, 2000);
        put_block(fd, &desk[1], i, 1, 20000);
        must_end(fd);
    }
    return NULL;
}

static inline void come_and_go(int listener, uint64_t n)
{
    struct serving s = { listener, n };
    struct level from = level_now(), warm = from;
    const uint64_t tenth = n / 10 ? n / 10 : 1;
    pthread_t t;

    CHECK(pthread_create(&t, NULL, serve_one_by_one, &s) == 0);
    for (uint64_t i = 0; i < n; i++) {
        int fd = soak_dial();

        put_block(fd, &desk[0], i, 0, 2000);
        expect_block(fd, &desk[0], i, 1, 20000);
        CHECK(CALL(close)(fd) == 0);
        if (i % tenth == tenth - 1 && i / tenth < 9) {
            fprintf(stderr, "%lu of %lu connections\n", (unsigned long)i + 1, (unsigned long)n);
        }
        if (i == 2 * tenth) {
            warm = level_now(); /* the server's end may be open still */
        }
    }
    pthread_join(t, NULL);
    warm.fds = from.fds;
    level_same("opened and closed", (double)n, "", &from, &warm);
}

/* ---- many at once ---- */

static inline void hold_once(int listener, int n)
{
    struct level from = level_now(), held;
    int(*fd)[2] = malloc((size_t)n * sizeof *fd);

    CHECK(fd);
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < n; i++) {
            if (turn == 0) {
                make_pair(listener, fd[i]);
            }
            for (int way = 0; way < 2; way++) {
                uint64_t id = (uint64_t)i * 2 + (uint64_t)way;

                put_block(fd[i][way], &desk[0], id, (uint64_t)turn, 8000);
                expect_block(fd[i][!way], &desk[1], id, (uint64_t)turn, 8000);
            }
        }
        if (turn == 0) {
            held = level_now();
            printf("%-5s%d held: %.1f KiB of heap for both ends of each\n", soak_name, n,
                   (double)(held.heap - from.heap) / 1024 / n);
        }
    }
    for (int i = 0; i < n; i++) {
        CHECK(CALL(shutdown)(fd[i][0], SHUT_WR) == 0);
        must_end(fd[i][1]);
        must_end(fd[i][0]);
    }
    free(fd);
}

/* What a connection was may become another one, and stays until then. */
static inline void hold(int listener, int n)
{
    struct level from, warm;

    hold_once(listener, n);
    from = warm = level_now();
    hold_once(listener, n);
    level_same("held at once", n, "", &from, &warm);
}

/* ---- much over one ---- */

struct bulk {
    int fd;
    uint64_t blocks;
};

static inline void *pour(void *arg)
{
    const struct bulk *b = arg;

    for (uint64_t n = 0; n < b->blocks; n++) {
        put_block(b->fd, &desk[0], 7, n, BLOCK);
        soak_carried(b->fd, (n + 1) * BLOCK);
    }
    CHECK(CALL(shutdown)(b->fd, SHUT_WR) == 0);
    return NULL;
}

static inline void carry(int listener, double gb)
{
    struct bulk b = { .blocks = (uint64_t)(gb * 1e9 / BLOCK) + 10 };
    const uint64_t tenth = b.blocks / 10;
    struct level from, warm = { 0 };
    int ends[2];
    pthread_t t;

    make_pair(listener, ends);
    from = level_now();
    b.fd = ends[0];
    CHECK(pthread_create(&t, NULL, pour, &b) == 0);
    for (uint64_t n = 0; n < b.blocks; n++) {
        expect_block(ends[1], &desk[1], 7, n, BLOCK);
        if (n == tenth) {
            warm = level_now();
        }
        if (n % tenth == tenth - 1 && n / tenth < 9) {
            fprintf(stderr, "%.2f of %.2f GB\n", (double)n * BLOCK / 1e9, gb);
        }
    }
    pthread_join(t, NULL);
    level_same("over one", (double)b.blocks * BLOCK / 1e9, "GB", &from, &warm);
    must_end(ends[1]);
    must_end(ends[0]);
}

/* ---- what is asked for ---- */

static inline double wanted(const char *name, double otherwise)
{
    const char *s = getenv(name);

    return s && *s ? strtod(s, NULL) : otherwise;
}

static inline void soak(const char *name, uint16_t port)
{
    uint64_t connections = (uint64_t)wanted("SOAK_CONNECTIONS", 300);
    int held = (int)wanted("SOAK_HELD", 60), listener;
    double gb = wanted("SOAK_GB", 0.2);
    struct rlimit most;

    soak_name = name;
    signal(SIGPIPE, SIG_IGN);
    CHECK(getrlimit(RLIMIT_NOFILE, &most) == 0);
    most.rlim_cur = most.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &most) == 0);
    if (most.rlim_cur < (rlim_t)held * 2 + 64) {
        held = (int)(most.rlim_cur - 64) / 2;
        fprintf(stderr, "the limit of descriptors lets %d be held\n", held);
    }
    desks_fill();
    listener = soak_listen(port);
    come_and_go(listener, connections);
    hold(listener, held);
    carry(listener, gb);
    CHECK(CALL(close)(listener) == 0);
}
#endif
