/* SPDX-License-Identifier: ISC */
/* libssl inside a program that was written for plain sockets: included before everything else in
 * it, so that its reads and writes are libssl's. WRAP_CA (a file), WRAP_NAME (what the client
 * verifies), WRAP_CERT and WRAP_KEY (the server's); WRAP_RESUME: sessions are resumed. Blocking
 * sockets only. */
#include <err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define INSIDE_MAX 65536

static SSL *inside[INSIDE_MAX];
static SSL_CTX *inside_ctx[2]; /* by server */
static SSL_SESSION *inside_last;
static pthread_once_t inside_once = PTHREAD_ONCE_INIT;

static int inside_keep(SSL *s, SSL_SESSION *session)
{
    (void)s;
    SSL_SESSION_free(inside_last);
    inside_last = session;
    return 1;
}

static void inside_start(void)
{
    const char *cert = getenv("WRAP_CERT"), *key = getenv("WRAP_KEY"), *ca = getenv("WRAP_CA");

    for (int server = 0; server < 2; server++) {
        SSL_CTX *c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

        if (!c || !SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION)) {
            errx(1, "libssl does not start");
        }
        inside_ctx[server] = c;
        if (!getenv("WRAP_RESUME")) {
            SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
            SSL_CTX_set_num_tickets(c, 0);
        } else if (!server) {
            SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT);
            SSL_CTX_sess_set_new_cb(c, inside_keep);
        }
    }
    if (SSL_CTX_load_verify_file(inside_ctx[0], ca) != 1 ||
        SSL_CTX_use_certificate_file(inside_ctx[1], cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(inside_ctx[1], key, SSL_FILETYPE_PEM) != 1) {
        errx(1, "libssl does not take the certificates");
    }
    SSL_CTX_set_verify(inside_ctx[0], SSL_VERIFY_PEER, NULL);
}

static SSL *inside_new(int fd, int server)
{
    SSL *s;

    pthread_once(&inside_once, inside_start);
    s = fd >= 0 && fd < INSIDE_MAX ? SSL_new(inside_ctx[server]) : NULL;
    if (!s || !SSL_set_fd(s, fd)) {
        errx(1, "no memory for a connection");
    }
    inside[fd] = s;
    return s;
}

static inline int inside_connect(int fd, const struct sockaddr *to, socklen_t n)
{
    SSL *s;

    if (connect(fd, to, n) != 0) {
        return -1;
    }
    s = inside_new(fd, 0);
    if (!SSL_set1_host(s, getenv("WRAP_NAME")) ||
        !SSL_set_tlsext_host_name(s, getenv("WRAP_NAME")) ||
        (inside_last && !SSL_set_session(s, inside_last)) || SSL_connect(s) != 1) {
        errx(1, "the handshake failed");
    }
    return 0;
}

/* The handshake is where the first byte is read, as under the preload. */
static inline int inside_accept(int l, struct sockaddr *from, socklen_t *n)
{
    int fd = accept(l, from, n);

    if (fd >= 0) {
        SSL_set_accept_state(inside_new(fd, 1));
    }
    return fd;
}

static inline ssize_t inside_read(int fd, void *p, size_t n)
{
    return inside[fd] ? SSL_read(inside[fd], p, (int)n) : read(fd, p, n);
}

static inline ssize_t inside_write(int fd, const void *p, size_t n)
{
    return inside[fd] ? SSL_write(inside[fd], p, (int)n) : write(fd, p, n);
}

static inline int inside_close(int fd)
{
    if (fd >= 0 && inside[fd]) {
        SSL_shutdown(inside[fd]);
        SSL_free(inside[fd]);
        inside[fd] = NULL;
    }
    return close(fd);
}

#define connect inside_connect
#define accept  inside_accept
#define read    inside_read
#define write   inside_write
#define close   inside_close
