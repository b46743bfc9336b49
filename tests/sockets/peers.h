/* SPDX-License-Identifier: ISC */
/* For the sockets tests: throw-away certificates, and two ends of one TLS connection over loopback.
 */
#ifndef TESTS_SOCKETS_PEERS_H
#define TESTS_SOCKETS_PEERS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/shim.h"

/* A test that hangs ends here, not at the runner's limit. */
#define DEADLINE_S 150

static char certs[64]; /* directory: ca.pem, server.pem (key inside), client.pem, other.pem */

static inline const char *cert_path(const char *name)
{
    static __thread char path[8][128];
    static __thread unsigned turn;
    char *p = path[turn++ % 8];

    snprintf(p, sizeof path[0], "%s/%s", certs, name);
    return p;
}

static inline void shell(const char *fmt, ...)
{
    char cmd[2048];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    assert_in_range(n, 1, sizeof cmd - 1);
    assert_int_equal(system(cmd), 0);
}

/* name.crt, name.key, and both in name.pem */
static inline void make_ca(const char *name, const char *subject)
{
    shell("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
          "-subj '/CN=%s' -addext keyUsage=critical,keyCertSign,cRLSign -keyout %s.key -out %s.crt "
          "2>/dev/null",
          certs, subject, name, name);
}

static inline void make_leaf(const char *name, const char *ca, const char *san)
{
    shell("cd %s && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=%s' "
          "-keyout %s.key -out %s.csr 2>/dev/null && "
          "printf 'subjectAltName=%s\\nbasicConstraints=CA:FALSE\\nkeyUsage=digitalSignature\\n"
          "extendedKeyUsage=serverAuth,clientAuth\\n' >%s.ext && "
          "openssl x509 -req -in %s.csr -CA %s.crt -CAkey %s.key -CAcreateserial -days 2 "
          "-extfile %s.ext -out %s.crt 2>/dev/null && cat %s.crt %s.key >%s.pem",
          certs, name, name, name, san, name, name, ca, ca, name, name, name, name, name);
}

static inline int peers_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    alarm(DEADLINE_S);
    signal(SIGPIPE, SIG_IGN);
    snprintf(certs, sizeof certs, "%s/sleeve-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(certs));
    make_ca("ca", "Test CA");
    make_ca("other", "Other CA");
    make_leaf("server", "ca", "DNS:server.test,DNS:localhost,IP:127.0.0.1");
    make_leaf("client", "ca", "DNS:client.test");
    return 0;
}

static inline int peers_teardown(void **state)
{
    (void)state;
    shell("rm -rf %s", certs);
    return 0;
}

static inline void set_string(int fd, int option, const char *value)
{
    assert_int_equal(ssl_setsockopt(fd, SOL_SSL, option, value, (socklen_t)strlen(value)), 0);
}

static inline void set_number(int fd, int option, int value)
{
    assert_int_equal(ssl_setsockopt(fd, SOL_SSL, option, &value, sizeof value), 0);
}

static inline void nap_ms(int ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

    while (nanosleep(&t, &t) != 0) {
    }
}

static inline int64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until that thread of ours has gone to sleep in the kernel, or ended: it waits where it is to. */
static inline void await_sleep(pid_t tid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    for (int calm = 0; calm < 3;) {
        FILE *file = fopen(path, "re");
        char how = 0;

        if (!file) {
            return;
        }
        calm = fscanf(file, "%*d (%*[^)]) %c", &how) == 1 && how == 'S' ? calm + 1 : 0;
        fclose(file);
        nap_ms(5);
    }
}

/* Until so many bytes have arrived: what was sent may be on its way still. */
static inline void await_input(int fd, int n)
{
    for (int have = 0, tries = 0; have < n && tries < 5000; tries++) {
        assert_int_equal(ioctl(fd, FIONREAD, &have), 0);
        if (have < n) {
            nap_ms(2);
        }
    }
}

/* A listening TLS server fd on a free loopback port. */
static inline int listener(struct sockaddr_in *addr)
{
    socklen_t len = sizeof *addr;
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    *addr =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(ssl_bind(fd, (struct sockaddr *)addr, sizeof *addr), 0);
    assert_int_equal(ssl_listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    set_string(fd, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    return fd;
}

static inline int client_socket(const char *name, const char *ca)
{
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    if (name) {
        set_string(fd, SSL_OPT_NAME, name);
    }
    if (ca) {
        set_string(fd, SSL_OPT_CA_FILE, cert_path(ca));
    }
    return fd;
}

/* Two connected plain TCP sockets. */
static inline void tcp_pair(int fds[2])
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    assert_int_equal(bind(l, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(l, 1), 0);
    assert_int_equal(getsockname(l, (struct sockaddr *)&addr, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[0], (struct sockaddr *)&addr, len), 0);
    fds[1] = accept(l, NULL, NULL);
    assert_true(fds[1] >= 0);
    setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    close(l);
}

/* Makes both ends TLS; no handshake yet. */
static inline void attach_pair(int client, int server)
{
    set_string(client, SSL_OPT_NAME, "server.test");
    set_string(client, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(server, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    assert_int_equal(ssl_attach(client, SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(server, SSL_SERVER), 0);
}

static inline void *handshake_thread(void *arg)
{
    return (void *)(intptr_t)ssl_handshake((int)(intptr_t)arg);
}

static inline void handshake_pair(int client, int server)
{
    pthread_t t;
    void *rc;

    assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)server), 0);
    if (ssl_handshake(client)) {
        fail_msg("client: %s", ssl_error(client));
    }
    pthread_join(t, &rc);
    if (rc) {
        fail_msg("server: %s", ssl_error(server));
    }
}

/* f[0]: client, f[1]: server; the handshake is done. */
static inline void tls_pair(int f[2])
{
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
}

static inline void close_pair(const int f[2])
{
    ssl_close(f[0]);
    ssl_close(f[1]);
}

/* The receive buffer stays above loopback's segment size: below it the kernel sends by timer. */
static inline void small_buffers(const int f[2])
{
    int size = 4096, more = 150000;

    for (int i = 0; i < 2; i++) {
        setsockopt(f[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        setsockopt(f[i], SOL_SOCKET, SO_RCVBUF, &more, sizeof more);
    }
}

static inline void nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static inline void timeout_ms(int fd, int option, int ms)
{
    struct timeval t = { ms / 1000, ms % 1000 * 1000 };

    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &t, sizeof t), 0);
}

/* Bytes that tell their place in a stream: the test sees loss, doubling and disorder. */
static inline void fill_pattern(uint8_t *p, size_t n, uint64_t pos)
{
    for (size_t i = 0; i < n; i++, pos++) {
        p[i] = (uint8_t)((pos * 2654435761U) >> 16 ^ pos);
    }
}

static inline void expect_pattern(const uint8_t *p, size_t n, uint64_t pos)
{
    for (size_t i = 0; i < n; i++, pos++) {
        if (p[i] != (uint8_t)((pos * 2654435761U) >> 16 ^ pos)) {
            fail_msg("byte %llu of the stream is wrong", (unsigned long long)pos);
        }
    }
}

static inline void read_exactly(int fd, void *buf, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t r = ssl_read(fd, (char *)buf + got, n - got);

        if (r <= 0) {
            fail_msg("read: %zd, %s: %s", r, strerror(errno), ssl_error(fd));
        }
        got += (size_t)r;
    }
}

#define assert_fails(call, err)         \
    do {                                \
        errno = 0;                      \
        assert_int_equal((call), -1);   \
        assert_int_equal(errno, (err)); \
    } while (0)
#endif
