/* SPDX-License-Identifier: ISC */
/* Options, refusals and facts: the sockets API beside reading and writing. */
#include <netdb.h>

#include "tests/sockets/peers.h"

/* A server in a thread: one connection, echo until the end. */
struct server {
    int listener;
    struct sockaddr_in addr;
    pthread_t thread;
    int handshake_errno; /* of its side */
};

static void *echo_once(void *arg)
{
    struct server *s = arg;
    int fd = ssl_accept(s->listener, NULL, NULL);
    char buf[5000];
    ssize_t n;

    if (fd < 0) {
        s->handshake_errno = errno;
        return NULL;
    }
    if (ssl_handshake(fd)) {
        s->handshake_errno = errno;
    } else {
        while ((n = ssl_read(fd, buf, sizeof buf)) > 0) {
            ssl_write(fd, buf, (size_t)n);
        }
    }
    ssl_close(fd);
    return NULL;
}

static void start(struct server *s)
{
    s->handshake_errno = 0;
    assert_int_equal(pthread_create(&s->thread, NULL, echo_once, s), 0);
}

static void finish(struct server *s)
{
    pthread_join(s->thread, NULL);
}

static void serve(struct server *s)
{
    s->listener = listener(&s->addr);
    start(s);
}

static int dial(struct server *s, int fd)
{
    return ssl_connect(fd, (struct sockaddr *)&s->addr, sizeof s->addr);
}

static void echo(int fd)
{
    char buf[8];

    assert_int_equal(ssl_write(fd, "echo", 4), 4);
    assert_int_equal(ssl_recv(fd, buf, 4, MSG_WAITALL), 4);
    assert_memory_equal(buf, "echo", 4);
}

/* ---- who is refused ---- */

static void test_names_and_anchors(void **state)
{
    static const struct {
        const char *name, *ca;
        int verify, err;
    } row[] = {
        { "server.test", "ca.crt", SSL_VERIFY_FULL, 0 },
        { "localhost", "ca.crt", SSL_VERIFY_FULL, 0 },
        { "127.0.0.1", "ca.crt", SSL_VERIFY_FULL, 0 },
        { "SERVER.Test", "ca.crt", SSL_VERIFY_FULL, 0 },
        { "wrong.test", "ca.crt", SSL_VERIFY_FULL, EACCES },
        { "127.0.0.2", "ca.crt", SSL_VERIFY_FULL, EACCES },
        { "server.test", "other.crt", SSL_VERIFY_FULL, EACCES },
        { "server.test", NULL, SSL_VERIFY_FULL, EACCES }, /* the system's do not have our CA */
        { NULL, "ca.crt", SSL_VERIFY_CA, 0 },
        { "wrong.test", "ca.crt", SSL_VERIFY_CA, 0 },
        { NULL, "other.crt", SSL_VERIFY_CA, EACCES },
        { NULL, NULL, SSL_VERIFY_NONE, 0 },
        { "wrong.test", "other.crt", SSL_VERIFY_NONE, 0 },
    };
    struct server s;

    (void)state;
    s.listener = listener(&s.addr);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        int fd = client_socket(row[i].name, row[i].ca), rc;

        set_number(fd, SSL_OPT_VERIFY, row[i].verify);
        start(&s);
        rc = dial(&s, fd);
        if (row[i].err) {
            assert_int_equal(rc, -1);
            assert_int_equal(errno, row[i].err);
            assert_true(strlen(ssl_error(fd)) > 0);
            assert_true(strlen(ssl_error(-1)) > 0);
            /* shut down: no plaintext can follow, by no way */
            assert_fails(ssl_write(fd, "secret", 6), row[i].err);
            assert_fails(send(fd, "secret", 6, MSG_NOSIGNAL), EPIPE);
        } else {
            if (rc) {
                fail_msg("row %zu: %s", i, ssl_error(fd));
            }
            echo(fd);
        }
        ssl_close(fd);
        finish(&s);
        assert_int_equal(s.handshake_errno, row[i].err);
    }
    ssl_close(s.listener);
}

/* Threat 32's omission: no name, and nothing said about it. Nothing is sent. */
static void test_no_name(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr), fd = client_socket(NULL, "ca.crt");

    (void)state;
    assert_fails(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), EACCES);
    assert_non_null(strstr(ssl_error(fd), "SSL_OPT_NAME"));
    assert_fails(ssl_attach(fd, SSL_CLIENT), EACCES);
    nonblocking(l, true);
    assert_fails(ssl_accept(l, NULL, NULL), EAGAIN);
    assert_fails(ssl_write(fd, "secret", 6), ENOTCONN);
    ssl_close(fd);
    ssl_close(l);
}

static void test_client_auth(void **state)
{
    struct server s;
    struct ssl_info info;
    char c;
    int fd;

    (void)state;
    s.listener = listener(&s.addr);
    set_number(s.listener, SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
    set_string(s.listener, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    start(&s);
    fd = client_socket("server.test", "ca.crt");
    set_string(fd, SSL_OPT_CERT_FILE, cert_path("client.crt"));
    set_string(fd, SSL_OPT_KEY_FILE, cert_path("client.key"));
    assert_int_equal(dial(&s, fd), 0);
    echo(fd);
    ssl_close(fd);
    finish(&s);
    assert_int_equal(s.handshake_errno, 0);

    start(&s);
    fd = client_socket("server.test", "ca.crt");
    if (dial(&s, fd) == 0) { /* TLS 1.3: the refusal comes after the client's last flight */
        assert_int_equal(ssl_info(fd, &info), 0);
        assert_int_equal(ssl_read(fd, &c, 1), -1);
    }
    assert_int_equal(errno, EACCES);
    assert_non_null(strstr(ssl_error(fd), "certificate_required"));
    ssl_close(fd);
    finish(&s);
    assert_int_equal(s.handshake_errno, EACCES);
    ssl_close(s.listener);
}

static void test_alpn(void **state)
{
    struct ssl_info info;
    struct server s;
    int fd;

    (void)state;
    s.listener = listener(&s.addr);
    set_string(s.listener, SSL_OPT_ALPN, "h2,redis");
    start(&s);
    fd = client_socket("server.test", "ca.crt");
    set_string(fd, SSL_OPT_ALPN, "http/1.1,redis");
    assert_int_equal(dial(&s, fd), 0);
    assert_int_equal(ssl_info(fd, &info), 0);
    assert_string_equal(info.alpn, "redis");
    ssl_close(fd);
    finish(&s);

    start(&s); /* threat 24 */
    fd = client_socket("server.test", "ca.crt");
    set_string(fd, SSL_OPT_ALPN, "smtp");
    assert_fails(dial(&s, fd), ECONNABORTED);
    ssl_close(fd);
    finish(&s);
    assert_int_equal(s.handshake_errno, ECONNABORTED);
    ssl_close(s.listener);
}

/* ---- facts ---- */

static void test_facts(void **state)
{
    char text[64];
    uint8_t der[4096];
    socklen_t len;
    struct ssl_info info;
    struct server s;
    int fd = client_socket("server.test", "ca.crt");

    (void)state;
    len = sizeof text;
    assert_fails(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_SUITE, text, &len), ENOTCONN);
    assert_fails(ssl_info(fd, &info), ENOTCONN);
    serve(&s);
    assert_int_equal(dial(&s, fd), 0);
    echo(fd);
    len = sizeof text;
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_VERSION, text, &len), 0);
    assert_string_equal(text, "TLSv1.3");
    assert_int_equal(len, 8);
    len = 3;
    assert_fails(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_SUITE, text, &len), ERANGE);
    assert_true(len > 10);
    len = sizeof text;
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_SUITE, text, &len), 0);
    assert_memory_equal(text, "TLS_", 4);
    len = sizeof text;
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_GROUP, text, &len), 0);
    assert_true(len > 1);
    len = 0;
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_PEER_CERT, NULL, &len), 0);
    assert_in_range(len, 200, sizeof der);
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_PEER_CERT, der, &len), 0);
    assert_int_equal(der[0], 0x30);
    assert_int_equal(ssl_info(fd, &info), 0);
    assert_int_equal(info.role, SSL_CLIENT);
    assert_int_equal(info.connected, 1);
    assert_int_equal(info.version, 0x0304);
    assert_string_equal(info.sni, "server.test");
    assert_string_equal(info.verified_name, "server.test");
    assert_int_equal(info.bytes_sent, 4);
    assert_int_equal(info.bytes_received, 4);
    assert_string_equal(ssl_error(fd), "");
    assert_fails(ssl_connect(fd, (struct sockaddr *)&s.addr, sizeof s.addr), EISCONN);
    assert_fails(ssl_attach(fd, SSL_CLIENT), EISCONN);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, "a", 1), EISCONN);
    ssl_close(fd);
    finish(&s);
    ssl_close(s.listener);
}

/* ---- options ---- */

static void test_options(void **state)
{
    char text[128], long_name[300];
    socklen_t len = sizeof text;
    int fd = client_socket(NULL, NULL), number = 77, udp = socket(AF_INET, SOCK_DGRAM, 0);

    (void)state;
    memset(long_name, 'a', sizeof long_name);
    assert_int_equal(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, "a.test\0", 7), 0); /* NUL counted */
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_NAME, text, &len), 0);
    assert_string_equal(text, "a.test");
    assert_int_equal(len, 7);
    assert_int_equal(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, "", 0), 0);
    len = sizeof text;
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_NAME, text, &len), 0);
    assert_string_equal(text, "");
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, "a\0b", 3), EINVAL); /* threat 32 */
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, "a b", 3), EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, long_name, 300), EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_NAME, NULL, 4), EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_VERIFY, &number, sizeof number), EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_VERIFY, &number, 1), EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_MIN_VERSION, &number, sizeof number), EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_SUITE, "x", 1), EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, 0, "x", 1), ENOPROTOOPT);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, 999, "x", 1), ENOPROTOOPT);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, -1, "x", 1), ENOPROTOOPT);
    assert_fails(ssl_getsockopt(fd, SOL_SSL, 999, text, &len), ENOPROTOOPT);
    set_string(fd, SSL_OPT_KEY_PASS, "secret");
    len = sizeof text;
    assert_fails(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_KEY_PASS, text, &len), EINVAL);
    set_number(fd, SSL_OPT_HANDSHAKE_TIMEOUT, 1234);
    len = sizeof number;
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_HANDSHAKE_TIMEOUT, &number, &len), 0);
    assert_int_equal(number, 1234);
    assert_fails(ssl_setsockopt(udp, SOL_SSL, SSL_OPT_NAME, "a", 1), EPROTOTYPE);
    assert_fails(ssl_setsockopt(-7, SOL_SSL, SSL_OPT_NAME, "a", 1), EBADF);
    assert_fails(ssl_socket(AF_INET, SOCK_DGRAM, 0), EPROTOTYPE);
    /* other levels are the kernel's */
    number = 1;
    assert_int_equal(ssl_setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &number, sizeof number), 0);
    number = 0;
    len = sizeof number;
    assert_int_equal(ssl_getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &number, &len), 0);
    assert_int_equal(number, 1);
    close(udp);
    ssl_close(fd);
}

static void test_bad_files(void **state)
{
    struct sockaddr_in addr;
    int l, fd;

    (void)state;
    l = listener(&addr);
    set_string(l, SSL_OPT_CERT_FILE, "/nonexistent/cert.pem");
    assert_fails(ssl_accept(l, NULL, NULL), ENOENT);
    assert_non_null(strstr(ssl_error(-1), "/nonexistent/cert.pem"));
    set_string(l, SSL_OPT_CERT_FILE, cert_path("server.crt")); /* no key in it */
    assert_fails(ssl_accept(l, NULL, NULL), EINVAL);
    set_string(l, SSL_OPT_KEY_FILE, cert_path("client.key")); /* another one's */
    assert_fails(ssl_accept(l, NULL, NULL), EINVAL);
    set_string(l, SSL_OPT_CERT_FILE, "");
    set_string(l, SSL_OPT_KEY_FILE, "");
    assert_fails(ssl_accept(l, NULL, NULL), EINVAL); /* a server needs a certificate */
    shell("openssl ec -in %s -aes128 -passout pass:sesame -out %s 2>/dev/null",
          cert_path("server.key"), cert_path("locked.key"));
    set_string(l, SSL_OPT_CERT_FILE, cert_path("server.crt"));
    set_string(l, SSL_OPT_KEY_FILE, cert_path("locked.key"));
    assert_fails(ssl_accept(l, NULL, NULL), ENOKEY);
    set_string(l, SSL_OPT_KEY_PASS, "sesame");
    nonblocking(l, true);
    assert_fails(ssl_accept(l, NULL, NULL), EAGAIN); /* all well */
    fd = client_socket("server.test", NULL);
    set_string(fd, SSL_OPT_CA_FILE, "/nonexistent/ca.pem");
    assert_fails(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), ENOENT);
    set_string(fd, SSL_OPT_CA_FILE, cert_path("ca.key"));
    assert_fails(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), EINVAL);
    set_string(fd, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_ALPN, "h2,,x", 5), EINVAL);
    ssl_close(fd);
    ssl_close(l);
}

/* Options of SSL_DEFAULTS reach later sockets; a fd's own do not reach others. */
static void test_defaults_and_dial(void **state)
{
    char service[16];
    struct server s;
    int fd;

    (void)state;
    serve(&s);
    snprintf(service, sizeof service, "%d", ntohs(s.addr.sin_port));
    assert_int_equal(ssl_dial("localhost", service), -1); /* not the system's CA */
    assert_int_equal(errno, EACCES);
    assert_true(strlen(ssl_error(-1)) > 0);
    finish(&s);
    set_string(SSL_DEFAULTS, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    for (int i = 0; i < 3; i++) {
        start(&s);
        fd = ssl_dial("localhost", service);
        if (fd < 0) {
            fail_msg("%s", ssl_error(-1));
        }
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        echo(fd);
        ssl_close(fd);
        finish(&s);
    }
    ssl_close(s.listener);
    assert_fails(ssl_dial("localhost", service), ECONNREFUSED);
    assert_fails(ssl_dial("name.invalid", service), EADDRNOTAVAIL);
    set_string(SSL_DEFAULTS, SSL_OPT_CA_FILE, "");
}

/* ---- plain fds ---- */

static void test_plain_passes_through(void **state)
{
    char buf[8];
    int f[2], p[2];

    (void)state;
    tcp_pair(f);
    assert_int_equal(ssl_write(f[0], "plain", 5), 5);
    assert_int_equal(ssl_recv(f[1], buf, 8, MSG_PEEK), 5);
    assert_int_equal(ssl_read(f[1], buf, 8), 5);
    assert_memory_equal(buf, "plain", 5);
    assert_int_equal(ssl_send(f[1], "x", 1, 0), 1);
    assert_int_equal(ssl_shutdown(f[0], SHUT_WR), 0);
    assert_int_equal(ssl_read(f[1], buf, 8), 0);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(ssl_close(f[1]), 0);
    assert_int_equal(pipe(p), 0);
    assert_int_equal(ssl_write(p[1], "pipe", 4), 4);
    assert_int_equal(ssl_read(p[0], buf, 8), 4);
    ssl_close(p[0]);
    ssl_close(p[1]);
}

/* What was meant for TLS never carries plaintext: connect() in place of ssl_connect(). */
static void test_no_plaintext_by_mistake(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr), fd = client_socket("server.test", "ca.crt"), peer;
    char buf[8];

    (void)state;
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    peer = accept(l, NULL, NULL);
    assert_fails(ssl_write(fd, "secret", 6), ENOTCONN);
    assert_fails(ssl_send(fd, "secret", 6, 0), ENOTCONN);
    assert_fails(ssl_read(fd, buf, 6), ENOTCONN);
    assert_int_equal(recv(peer, buf, sizeof buf, MSG_DONTWAIT), -1);
    /* ssl_attach() makes it right */
    assert_int_equal(ssl_attach(fd, SSL_CLIENT), 0);
    set_string(peer, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    assert_int_equal(ssl_attach(peer, SSL_SERVER), 0);
    handshake_pair(fd, peer);
    ssl_close(fd);
    ssl_close(peer);
    ssl_close(l);
}

/* An fd whose number was used before by another socket, closed with close(): nothing of it is left.
 */
static void test_left_behind(void **state)
{
    int f[2], g[2], keep;
    char buf[8];

    (void)state;
    tcp_pair(f);
    set_string(f[0], SSL_OPT_NAME, "old.test");
    keep = f[0];
    close(f[0]);
    close(f[1]);
    tcp_pair(g);
    if (g[0] != keep) {
        assert_int_equal(dup2(g[0], keep), keep);
    }
    assert_int_equal(ssl_write(keep, "plain", 5), 5);
    assert_int_equal(ssl_read(g[1], buf, sizeof buf), 5);
    if (g[0] != keep) {
        ssl_close(keep);
    }
    close_pair(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_anchors),
        cmocka_unit_test(test_no_name),
        cmocka_unit_test(test_client_auth),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_defaults_and_dial),
        cmocka_unit_test(test_plain_passes_through),
        cmocka_unit_test(test_no_plaintext_by_mistake),
        cmocka_unit_test(test_left_behind),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
