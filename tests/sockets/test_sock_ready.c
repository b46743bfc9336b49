/* SPDX-License-Identifier: ISC */
/* Deadlines, and readiness in terms of plaintext. */
#include "tests/sockets/peers.h"

/* ---- deadlines ---- */

static void threat_31_stalled_server(void **state)
{
    int f[2], fd;
    int64_t start_ms;
    char c;

    (void)state;
    tcp_pair(f); /* f[1] never says a word */
    fd = f[0];
    set_string(fd, SSL_OPT_NAME, "server.test");
    set_string(fd, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_number(fd, SSL_OPT_HANDSHAKE_TIMEOUT, 200);
    assert_int_equal(ssl_attach(fd, SSL_CLIENT), 0);
    start_ms = clock_ms();
    assert_fails(ssl_write(fd, "x", 1), ETIMEDOUT);
    assert_in_range(clock_ms() - start_ms, 190, 20000);
    assert_fails(ssl_read(fd, &c, 1), ETIMEDOUT);
    assert_fails(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
    close_pair(f);
}

static _Atomic bool enough;

static void *trickle(void *arg)
{
    int fd = *(int *)arg;

    for (int i = 0; i < 770 && !enough; i++) { /* 16 03 03 03 03: a handshake record of 771 bytes */
        if (send(fd, i == 0 ? "\x16" : "\x03", 1, MSG_NOSIGNAL) != 1) {
            break;
        }
        nap_ms(10);
    }
    return NULL;
}

static void threat_31_slow_loris(void **state)
{
    pthread_t t;
    int64_t start_ms;
    int f[2];

    (void)state;
    tcp_pair(f);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_number(f[1], SSL_OPT_HANDSHAKE_TIMEOUT, 300);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    pthread_create(&t, NULL, trickle, &f[0]);
    start_ms = clock_ms();
    assert_fails(ssl_handshake(f[1]), ETIMEDOUT);
    assert_in_range(clock_ms() - start_ms, 290, 6000);
    enough = true;
    pthread_join(t, NULL);
    close_pair(f);
}

static void threat_31_deadline_in_poll(void **state)
{
    struct pollfd p;
    int64_t start_ms;
    int f[2];
    char c;

    (void)state;
    tcp_pair(f);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_number(f[1], SSL_OPT_HANDSHAKE_TIMEOUT, 200);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    nonblocking(f[1], true);
    p = (struct pollfd){ f[1], POLLIN, 0 };
    start_ms = clock_ms();
    assert_int_equal(ssl_poll(&p, 1, 5000), 1);
    assert_in_range(clock_ms() - start_ms, 190, 20000);
    assert_true(p.revents & POLLIN);
    assert_fails(ssl_read(f[1], &c, 1), ETIMEDOUT);
    close_pair(f);
}

/* A peer that is no TLS peer. */
static void test_garbage(void **state)
{
    char buf[600];
    int f[2];

    (void)state;
    tcp_pair(f);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(write(f[0], "GET / HTTP/1.0\r\n\r\n", 18), 18);
    assert_fails(ssl_read(f[1], buf, sizeof buf), ECONNABORTED);
    assert_true(strlen(ssl_error(f[1])) > 0);
    assert_in_range(recv(f[0], buf, sizeof buf, 0), 7, sizeof buf); /* an alert */
    assert_int_equal(buf[0], 21);
    close_pair(f);
}

/* ---- readiness ---- */

/* A non-blocking client beside a non-blocking server in one thread, driven by ssl_poll() only. */
static void test_nonblocking_connect(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr), fd = client_socket("server.test", "ca.crt"), s = -1, told = 0;
    struct pollfd p[3];
    char buf[8];

    (void)state;
    nonblocking(fd, true);
    nonblocking(l, true);
    assert_fails(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), EINPROGRESS);
    for (int rounds = 0; !told; rounds++) {
        assert_in_range(rounds, 0, 100);
        p[0] = (struct pollfd){ fd, POLLOUT, 0 };
        p[1] = (struct pollfd){ l, POLLIN, 0 };
        p[2] = (struct pollfd){ s, POLLIN, 0 };
        assert_true(ssl_poll(p, 3, 5000) > 0);
        if (p[1].revents) {
            s = ssl_accept(l, NULL, NULL);
            assert_true(s >= 0);
            nonblocking(s, true);
        }
        assert_int_equal(p[2].revents, 0); /* the handshake is no data */
        if (p[0].revents) {
            assert_int_equal(p[0].revents, POLLOUT);
            assert_int_equal(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
            told = 1;
        } else {
            assert_fails(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), EALREADY);
        }
    }
    assert_fails(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), EISCONN);
    p[0] = (struct pollfd){ fd, POLLIN, 0 };
    p[1] = (struct pollfd){ s, POLLIN | POLLOUT, 0 };
    assert_int_equal(ssl_poll(p, 2, 100), 1); /* tickets are no data either */
    assert_int_equal(p[1].revents, POLLOUT);
    p[1].events = POLLIN;
    assert_int_equal(ssl_poll(p, 2, 100), 0);
    assert_int_equal(ssl_write(fd, "abcdef", 6), 6);
    assert_int_equal(ssl_poll(p, 2, 5000), 1);
    assert_int_equal(p[1].revents, POLLIN);
    assert_int_equal(ssl_read(s, buf, 2), 2);
    assert_int_equal(ssl_poll(p, 2, 0), 1); /* decrypted already: the kernel knows nothing of it */
    assert_int_equal(ssl_read(s, buf, 8), 4);
    assert_int_equal(ssl_poll(p, 2, 0), 0);
    ssl_close(fd);
    assert_int_equal(ssl_poll(p + 1, 1, 5000), 1);
    assert_true(p[1].revents & POLLIN);
    assert_int_equal(ssl_read(s, buf, 8), 0);
    ssl_close(s);
    ssl_close(l);
}

static void test_connect_refused(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr), fd, err;
    struct pollfd p;
    socklen_t len = sizeof err;

    (void)state;
    ssl_close(l);
    fd = client_socket("server.test", "ca.crt");
    assert_fails(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), ECONNREFUSED);
    ssl_close(fd);
    fd = client_socket("server.test", "ca.crt");
    nonblocking(fd, true);
    errno = 0;
    if (ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr) == -1 && errno == EINPROGRESS) {
        p = (struct pollfd){ fd, POLLOUT, 0 };
        assert_int_equal(ssl_poll(&p, 1, 5000), 1);
        assert_int_equal(ssl_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
        assert_int_equal(err, ECONNREFUSED);
        assert_fails(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), ECONNREFUSED);
    } else {
        assert_int_equal(errno, ECONNREFUSED);
    }
    ssl_close(fd);
}

/* A server that speaks first without waiting: its words are taken and follow the handshake. */
static void test_server_first(void **state)
{
    static char big[20000];
    char buf[16];
    int f[2];

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    nonblocking(f[1], true);
    assert_int_equal(ssl_write(f[1], "220 hello\r\n", 11), 11);
    assert_int_equal(ssl_write(f[1], big, sizeof big), 16384 - 11);
    assert_fails(ssl_write(f[1], "x", 1), EAGAIN);
    nonblocking(f[0], true);
    for (int i = 0; i < 20 && ssl_handshake(f[0]) != 0; i++) {
        struct pollfd p = { f[1], POLLIN, 0 };

        ssl_poll(&p, 1, 10);
    }
    nonblocking(f[0], false);
    {
        struct pollfd p = { f[1], POLLIN, 0 };

        ssl_poll(&p, 1, 10); /* takes the client's Finished */
    }
    assert_int_equal(ssl_recv(f[0], buf, 11, MSG_WAITALL), 11);
    assert_memory_equal(buf, "220 hello\r\n", 11);
    assert_int_equal(ssl_recv(f[0], big, 16384 - 11, MSG_WAITALL), 16384 - 11);
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_31_stalled_server),   cmocka_unit_test(threat_31_slow_loris),
        cmocka_unit_test(threat_31_deadline_in_poll), cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_nonblocking_connect),   cmocka_unit_test(test_connect_refused),
        cmocka_unit_test(test_server_first),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
