/* SPDX-License-Identifier: ISC */
/* What a byte meets on its way through sockets: bench_wire [-d certificates] [-m MiB]
 *
 * A client writes to a server over loopback, both in this process, with plain calls, with ssl_*()
 * and with libssl. Each side's system calls are counted, and the bytes that are copied in the
 * process: memcpy(), memmove() and the calls of the C library are this program's own, for every
 * library in it. The kernel's two copies and the cipher's one pass, which moves the bytes to where
 * they go, are not in the figures. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- counting ---- */

struct counts {
    uint64_t calls, masks, copied; /* masks: those among the calls that block or unblock signals */
};
static __thread struct counts counts;

static long call(long number, long a, long b, long c, long d)
{
    counts.calls++;
    return syscall(number, a, b, c, d, sizeof(uint64_t)); /* of a set of signals: ppoll() */
}

ssize_t read(int fd, void *p, size_t n)
{
    return call(SYS_read, fd, (long)p, (long)n, 0);
}

ssize_t write(int fd, const void *p, size_t n)
{
    return call(SYS_write, fd, (long)p, (long)n, 0);
}

ssize_t readv(int fd, const struct iovec *v, int n)
{
    return call(SYS_readv, fd, (long)v, n, 0);
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    return call(SYS_writev, fd, (long)v, n, 0);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
    counts.calls++;
    return syscall(SYS_recvfrom, fd, p, n, flags, NULL, NULL);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    counts.calls++;
    return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    return call(SYS_recvmsg, fd, (long)m, flags, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    return call(SYS_sendmsg, fd, (long)m, flags, 0);
}

int poll(struct pollfd *p, nfds_t n, int timeout)
{
    return (int)call(SYS_poll, (long)p, (long)n, timeout, 0);
}

int ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
    struct timespec left = t ? *t : (struct timespec){ 0 };

    return (int)call(SYS_ppoll, (long)p, (long)n, t ? (long)&left : 0, (long)mask);
}

int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    counts.calls++;
    counts.masks++;
    return syscall(SYS_rt_sigprocmask, how, set, old, sizeof(uint64_t)) == 0 ? 0 : EINVAL;
}

/* In words that no compiler takes for a call of what they are. */
static void copy(void *to, const void *from, size_t n)
{
    counts.copied += n;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    copy(to, from, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if ((uintptr_t)to - (uintptr_t)from >= n) {
        copy(to, from, n);
        return to;
    }
    counts.copied += n;
    while (n--) {
        t[n] = f[n];
        __asm__ volatile("" : : : "memory");
    }
    return to;
}

/* What the libraries were compiled to call. */
void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__memmove_chk(void *to, const void *from, size_t n, size_t room);

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
    return n > room ? abort(), NULL : memcpy(to, from, n);
}

void *__memmove_chk(void *to, const void *from, size_t n, size_t room)
{
    return n > room ? abort(), NULL : memmove(to, from, n);
}

/* ---- the three ways ---- */

static const char *dir = "certs";
static SSL_CTX *ctx[2]; /* server, client */

static const char *file(const char *name)
{
    static __thread char path[2][512];
    static __thread unsigned turn;
    char *p = path[turn++ & 1];

    (void)snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

struct way {
    const char *name;
    void *(*open)(int fd, bool client);
    ssize_t (*read)(void *conn, void *p, size_t n);
    ssize_t (*write)(void *conn, const void *p, size_t n);
    void (*close)(void *conn);
};

static int fd_of(void *conn)
{
    return (int)(intptr_t)conn;
}

static void *plain_open(int fd, bool client)
{
    (void)client;
    return (void *)(intptr_t)fd;
}

static ssize_t plain_read(void *conn, void *p, size_t n)
{
    return read(fd_of(conn), p, n);
}

static ssize_t plain_write(void *conn, const void *p, size_t n)
{
    return write(fd_of(conn), p, n);
}

static void plain_close(void *conn)
{
    (void)close(fd_of(conn));
}

static bool set(int fd, int option, const char *value)
{
    return ssl_setsockopt(fd, SOL_SSL, option, value, (socklen_t)strlen(value)) == 0;
}

static void *sleeve_open(int fd, bool client)
{
    bool ok = set(fd, SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256");

    if (client) {
        ok = ok && set(fd, SSL_OPT_CA_FILE, file("ecdsa-root.crt")) &&
             set(fd, SSL_OPT_NAME, "server.test");
    } else {
        ok = ok && set(fd, SSL_OPT_CERT_FILE, file("ecdsa-server.crt")) &&
             set(fd, SSL_OPT_KEY_FILE, file("ecdsa-server.key"));
    }
    if (!ok || ssl_attach(fd, client ? SSL_CLIENT : SSL_SERVER) != 0 || ssl_handshake(fd) != 0) {
        errx(1, "sleeve: %s", ssl_error(fd));
    }
    return (void *)(intptr_t)fd;
}

static ssize_t sleeve_read(void *conn, void *p, size_t n)
{
    return ssl_read(fd_of(conn), p, n);
}

static ssize_t sleeve_write(void *conn, const void *p, size_t n)
{
    return ssl_write(fd_of(conn), p, n);
}

static void sleeve_close(void *conn)
{
    (void)ssl_close(fd_of(conn));
}

static void *libssl_open(int fd, bool client)
{
    SSL *s = SSL_new(ctx[client]);

    if (!s || !SSL_set_fd(s, fd) || (client ? SSL_connect(s) : SSL_accept(s)) != 1) {
        errx(1, "libssl");
    }
    return s;
}

static ssize_t libssl_read(void *conn, void *p, size_t n)
{
    return SSL_read(conn, p, (int)n);
}

static ssize_t libssl_write(void *conn, const void *p, size_t n)
{
    return SSL_write(conn, p, (int)n);
}

static void libssl_close(void *conn)
{
    (void)close(SSL_get_fd(conn));
    SSL_free(conn);
}

static void libssl_start(void)
{
    ctx[0] = SSL_CTX_new(TLS_server_method());
    ctx[1] = SSL_CTX_new(TLS_client_method());
    if (!ctx[0] || !ctx[1] || !SSL_CTX_set_ciphersuites(ctx[0], "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set_num_tickets(ctx[0], 0) ||
        !SSL_CTX_use_certificate_chain_file(ctx[0], file("ecdsa-server.crt")) ||
        !SSL_CTX_use_PrivateKey_file(ctx[0], file("ecdsa-server.key"), SSL_FILETYPE_PEM)) {
        errx(1, "libssl, or no certificates in %s", dir);
    }
}

static const struct way ways[] = {
    { "plain", plain_open, plain_read, plain_write, plain_close },
    { "sleeve", sleeve_open, sleeve_read, sleeve_write, sleeve_close },
    { "libssl", libssl_open, libssl_read, libssl_write, libssl_close },
};

/* ---- the job ---- */

struct side {
    const struct way *way;
    int fd;
    bool client;
    size_t size;    /* of a call */
    uint64_t total; /* bytes to go */
    struct counts counts;
};

static void *run(void *arg)
{
    struct side *s = arg;
    void *conn = s->way->open(s->fd, s->client);
    uint8_t *data = calloc(1, s->size);
    uint64_t left = s->total;

    if (!data) {
        err(1, "calloc");
    }
    counts = (struct counts){ 0 };
    while (left) {
        ssize_t n =
            s->client ? s->way->write(conn, data, s->size) : s->way->read(conn, data, s->size);

        if (n <= 0 || (uint64_t)n > left) {
            err(1, "%s: %zd", s->way->name, n);
        }
        left -= (uint64_t)n;
    }
    s->counts = counts;
    free(data);
    return conn;
}

static void join(int fd[2])
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&a, &len)) {
        err(1, "listen");
    }
    fd[1] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd[1], (struct sockaddr *)&a, len)) {
        err(1, "connect");
    }
    fd[0] = accept(listener, NULL, NULL);
    (void)close(listener);
}

static void show(const struct side *s)
{
    const double gib = (double)s->total / (1 << 30);

    printf("   %10.0f %7.0f %7.2f", (double)s->counts.calls / gib,
           100.0 * (double)s->counts.masks / (double)s->counts.calls,
           (double)s->counts.copied / (double)s->total);
}

static void measure(const struct way *w, size_t size, uint64_t total)
{
    struct side s[2];
    void *conn[2];
    pthread_t t[2];
    int fd[2];

    join(fd);
    for (int i = 0; i < 2; i++) {
        s[i] = (struct side){ .way = w, .fd = fd[i], .client = i, .size = size, .total = total };
        if (pthread_create(&t[i], NULL, run, &s[i]) != 0) {
            errx(1, "pthread_create");
        }
    }
    for (int i = 0; i < 2; i++) {
        (void)pthread_join(t[i], &conn[i]);
    }
    w->close(conn[0]);
    w->close(conn[1]);
    printf("  %7zu %-8s", size, w->name);
    show(&s[1]);
    show(&s[0]);
    printf("\n");
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = { 65536, 16384, 1024, 64 };
    uint64_t most = 256;
    int option;

    while ((option = getopt(argc, argv, "d:m:")) != -1) {
        if (option == 'd') {
            dir = optarg;
        } else if (option == 'm' && atoi(optarg) > 0) {
            most = (uint64_t)atoi(optarg);
        } else {
            return 2;
        }
    }
    libssl_start();
    printf("\n%-18s   %10s %7s %7s   %10s %7s %7s\n", "Sockets, AES-128-GCM", "write", "of them",
           "copies", "read", "of them", "copies");
    printf("  %-16s   %10s %7s %7s   %10s %7s %7s\n", "bytes a call", "calls/GiB", "masks %",
           "a byte", "calls/GiB", "masks %", "a byte");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
            measure(&ways[k], sizes[i], (most << 20) / (sizes[i] < 1024 ? 8 : 1));
        }
    }
    return 0;
}
