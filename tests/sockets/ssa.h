/* SPDX-License-Identifier: ISC */
/* For the tests of the Secure Socket API's names: its options, and a server that tells what it
 * knows. */
#ifndef TESTS_SOCKETS_SSA_H
#define TESTS_SOCKETS_SSA_H
#include "peers.h"

#include <sleeve/in_tls.h>

static inline int put(int fd, int option, const char *value)
{
    return ssl_setsockopt(fd, IPPROTO_TLS, option, value, (socklen_t)strlen(value) + 1);
}

static inline void put_ok(int fd, int option, const char *value)
{
    if (put(fd, option, value)) {
        fail_msg("option %d: %s", option, ssl_error(-1));
    }
}

static inline const char *get(int fd, int option)
{
    static char text[8192];
    socklen_t len = sizeof text;

    if (ssl_getsockopt(fd, IPPROTO_TLS, option, text, &len)) {
        fail_msg("option %d: %s", option, ssl_error(-1));
    }
    assert_int_equal(len, strlen(text) + 1);
    return text;
}

/* A server as that API's programs make it. */
static inline int ssa_listener(const char *cert, struct sockaddr_host *to)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = ssl_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
    char path[2][64];

    assert_true(fd >= 0);
    snprintf(path[0], sizeof path[0], "%s.crt", cert);
    snprintf(path[1], sizeof path[1], "%s.key", cert);
    put_ok(fd, TLS_CERTIFICATE_CHAIN, cert_path(path[0]));
    put_ok(fd, TLS_PRIVATE_KEY, cert_path(path[1]));
    assert_int_equal(ssl_bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(ssl_listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *to = (struct sockaddr_host){ .sin_family = AF_HOSTNAME,
                                  .sin_port = a.sin_port,
                                  .sin_addr = { "localhost" } };
    return fd;
}

static inline int ssa_client(int domain, const char *ca)
{
    int fd = ssl_socket(domain, SOCK_STREAM, IPPROTO_TLS);

    assert_true(fd >= 0);
    put_ok(fd, TLS_TRUSTED_PEER_CERTIFICATES, cert_path(ca));
    return fd;
}

static inline size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (; (text = strstr(text, part)) != NULL; text++) {
        n++;
    }
    return n;
}

/* Takes one connection, tells what it read and who asked. */
struct served {
    int listener;
    bool ask; /* for a certificate, once it is accepted */
    int fd, err;
    ssize_t got;
    char text[32], host[64], peer[128], pem[4096];
};

static inline void *serve(void *arg)
{
    struct served *s = arg;
    socklen_t len = sizeof s->host;
    int any = 1;

    s->fd = ssl_accept(s->listener, NULL, NULL);
    if (s->fd < 0) {
        s->err = errno;
        return NULL;
    }
    if (s->ask && ssl_setsockopt(s->fd, IPPROTO_TLS, TLS_REQUEST_PEER_AUTH, &any, sizeof any)) {
        s->err = errno;
    }
    if (ssl_getsockopt(s->fd, IPPROTO_TLS, TLS_HOSTNAME, s->host, &len)) {
        s->err = errno;
    }
    len = sizeof s->peer;
    if (ssl_getsockopt(s->fd, IPPROTO_TLS, TLS_PEER_IDENTITY, s->peer, &len)) {
        snprintf(s->peer, sizeof s->peer, "%s", strerrorname_np(errno));
    }
    len = sizeof s->pem;
    if (ssl_getsockopt(s->fd, IPPROTO_TLS, TLS_PEER_CERTIFICATE_CHAIN, s->pem, &len)) {
        s->pem[0] = '\0';
    }
    s->got = ssl_read(s->fd, s->text, sizeof s->text - 1);
    ssl_write(s->fd, "answer", 6);
    ssl_close(s->fd);
    return NULL;
}

static inline pthread_t start(struct served *s)
{
    pthread_t t;

    assert_int_equal(pthread_create(&t, NULL, serve, s), 0);
    return t;
}

static inline void talk(int fd)
{
    char buf[16];

    assert_int_equal(ssl_write(fd, "question", 8), 8);
    read_exactly(fd, buf, 6);
    assert_memory_equal(buf, "answer", 6);
    assert_int_equal(ssl_read(fd, buf, 1), 0);
}

static inline int ssa_setup(void **state)
{
    peers_setup(state);
    shell("cd %s && cat server.crt ca.crt >both.crt && cp server.key both.key", certs);
    return 0;
}
#endif
