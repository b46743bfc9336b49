/* SPDX-License-Identifier: ISC */
/* Peers who take their time, and many who go no further: a handshake has an end however busy the
 * wire is, and one that is half open costs little. */
#include "tests/lib/counted.h"
#include "tests/sockets/clock.h"
#include "tests/sockets/peers.h"

#define DEFAULT_MS 60000 /* of a handshake, when nothing else is said */

/* ---- a byte now and then ---- */
/* One more byte, `pause` later. How the handshake of fd stands: 0 done, else errno. */
static int trickle(int raw, int fd, uint8_t byte, int pause)
{
    clock_on_ms(pause);
    assert_int_equal(send(raw, &byte, 1, MSG_NOSIGNAL), 1);
    await_input(fd, 1);
    return ssl_handshake(fd) ? errno : 0;
}

/* The deadline is that of the whole, not of each byte. */
static void threat_31_byte_by_byte(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        int f[2], fd, raw, n = 0, rc = EAGAIN;

        tcp_pair(f);
        fd = f[server];
        raw = f[!server];
        if (server) {
            set_string(fd, SSL_OPT_CERT_FILE, cert_path("server.pem"));
        } else {
            set_string(fd, SSL_OPT_NAME, "server.test");
            set_string(fd, SSL_OPT_CA_FILE, cert_path("ca.crt"));
        }
        assert_int_equal(ssl_attach(fd, server ? SSL_SERVER : SSL_CLIENT), 0);
        nonblocking(fd, true);
        for (; n < 16000 && rc == EAGAIN; n++) {
            rc = trickle(raw, fd, (uint8_t)(n == 0 ? 22 : n < 3 ? 3 : n == 3 ? 0x40 : 0), 500);
        }
        assert_int_equal(rc, ETIMEDOUT);
        assert_in_range(n, DEFAULT_MS / 500 - 20, DEFAULT_MS / 500 + 1);
        assert_fails(ssl_read(fd, &rc, 1), ETIMEDOUT);
        ssl_close(fd);
        close(raw);
    }
}

/* All that has come for one side goes to the other. */
static size_t carry(int from, int to, uint8_t *out, size_t room)
{
    ssize_t n = recv(from, out, room, MSG_DONTWAIT);

    if (n > 0 && to >= 0) {
        assert_int_equal(send(to, out, (size_t)n, MSG_NOSIGNAL), n);
    }
    return n > 0 ? (size_t)n : 0;
}

/* Quick until its last flight: what it has done by then gives it no more time. */
static void threat_31_last_flight(void **state)
{
    static uint8_t bytes[65536];
    int c[2], s[2], rc = EAGAIN;
    size_t n = 0, at = 0;

    (void)state;
    tcp_pair(c);
    tcp_pair(s);
    set_string(c[0], SSL_OPT_NAME, "server.test");
    set_string(c[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(s[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    assert_int_equal(ssl_attach(c[0], SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(s[1], SSL_SERVER), 0);
    nonblocking(c[0], true);
    nonblocking(s[1], true);
    assert_fails(ssl_handshake(c[0]), EAGAIN);
    while (carry(c[1], s[0], bytes, sizeof bytes) == 0) {
    }
    for (int tries = 0; tries < 5000 && n == 0; tries++) { /* until the client has its last say */
        assert_fails(ssl_handshake(s[1]), EAGAIN);
        (void)carry(s[0], c[1], bytes, sizeof bytes);
        (void)!ssl_handshake(c[0]);
        n = carry(c[1], -1, bytes, sizeof bytes);
        nap_ms(n ? 0 : 1);
    }
    assert_true(n > 50);
    clock_on_ms(DEFAULT_MS / 2);
    while (at < n && rc == EAGAIN) {
        rc = trickle(s[0], s[1], bytes[at++], 1500);
    }
    assert_int_equal(rc, ETIMEDOUT);
    assert_in_range(at, 5, DEFAULT_MS / 2 / 1500 + 1);
    close_pair(c);
    close_pair(s);
}

/* ---- many of them ---- */
#define MANY 200

/* A hello of some client. */
static size_t a_hello(uint8_t *out, size_t room)
{
    ssize_t n = 0;
    int f[2];

    tcp_pair(f);
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    nonblocking(f[0], true);
    assert_fails(ssl_handshake(f[0]), EAGAIN);
    n = recv(f[1], out, room, 0);
    assert_in_range(n, 100, room);
    ssl_close(f[0]);
    close(f[1]);
    return (size_t)n;
}

/* So many connect and say that; bytes that each of them holds on our side then. */
static size_t held_each(const struct sockaddr_in *addr, int l, const uint8_t *say, size_t n)
{
    static int raw[MANY], fd[MANY];
    size_t each;

    counted_start();
    for (int i = 0; i < MANY; i++) {
        raw[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(raw[i], (const struct sockaddr *)addr, sizeof *addr), 0);
        fd[i] = ssl_accept(l, NULL, NULL);
        assert_true(fd[i] >= 0);
        nonblocking(fd[i], true);
        assert_int_equal(send(raw[i], say, n, MSG_NOSIGNAL), n);
        await_input(fd[i], (int)n);
        assert_fails(ssl_handshake(fd[i]), EAGAIN);
    }
    each = counted_now() / MANY;
    clock_on_ms(DEFAULT_MS + 1000);
    for (int i = 0; i < MANY; i++) {
        char c;

        assert_fails(ssl_read(fd[i], &c, 1), ETIMEDOUT);
        assert_int_equal(ssl_close(fd[i]), 0);
        close(raw[i]);
    }
    (void)counted_stop();
    return each;
}

/* They end by themselves, and the next ones find the memory of those before. */
static void threat_31_half_open(void **state)
{
    static uint8_t hello[16384];
    struct sockaddr_in addr;
    int l = listener(&addr);
    size_t n = a_hello(hello, sizeof hello), silent, waiting;

    (void)state;
    (void)held_each(&addr, l, hello, n); /* what is made once, is there */
    silent = held_each(&addr, l, hello, 3);
    waiting = held_each(&addr, l, hello, n);
    print_message("half open: %zu bytes, with the hello answered %zu\n", silent, waiting);
    assert_true(silent < 8000 && waiting < 16000);
    ssl_close(l);
}

/* ---- what can be set ---- */
static void test_options(void **state)
{
    static const struct {
        int option, usual, min, max;
    } rows[] = { { SSL_OPT_MAX_HELLO, 16384, 512, 16384 },
                 { SSL_OPT_MAX_CHAIN, 73728, 1024, 73728 },
                 { SSL_OPT_MAX_IDLE, 32, 1, 1000000 },
                 { SSL_OPT_SESSION_CACHE, 1024, 1, 1000000 } };
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int values[] = { rows[i].min, rows[i].max, rows[i].min - 1, rows[i].max + 1 };
        int value = 0;
        socklen_t n = sizeof value;

        assert_int_equal(ssl_getsockopt(fd, SOL_SSL, rows[i].option, &value, &n), 0);
        assert_int_equal(value, rows[i].usual);
        for (int k = 0; k < 4; k++) {
            int rc = ssl_setsockopt(fd, SOL_SSL, rows[i].option, &values[k], sizeof values[k]);

            assert_int_equal(rc, k < 2 ? 0 : -1);
            assert_true(k < 2 || errno == EINVAL);
        }
    }
    ssl_close(fd);
}

/* Who shows more than is asked for is refused, and told so. */
static void threat_31_set_limits(void **state)
{
    static const struct {
        bool server;
        int option, value;
    } rows[] = { { true, SSL_OPT_MAX_IDLE, 1 }, /* no hindrance */
                 { true, SSL_OPT_MAX_HELLO, 512 },
                 { false, SSL_OPT_MAX_CHAIN, 1024 } };

    (void)state;
    shell("cd %s && cat server.crt ca.crt other.crt ca.crt server.key >long.pem", certs);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char alpn[600] = "";
        pthread_t t;
        void *rc;
        int f[2], ok;

        for (int k = 0; k < 12; k++) {
            snprintf(alpn + strlen(alpn), sizeof alpn - strlen(alpn), "%sprotocol-of-%030d",
                     k ? "," : "", k);
        }
        tcp_pair(f);
        set_string(f[0], SSL_OPT_NAME, "server.test");
        set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
        set_string(f[0], SSL_OPT_ALPN, alpn);
        set_string(f[1], SSL_OPT_CERT_FILE, cert_path("long.pem"));
        set_number(f[rows[i].server], rows[i].option, rows[i].value);
        assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
        assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
        assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)f[1]), 0);
        ok = ssl_handshake(f[0]);
        pthread_join(t, &rc);
        assert_int_equal(ok, i == 0 ? 0 : -1);
        if (i) {
            assert_non_null(strstr(ssl_error(f[rows[i].server]), "longer than any"));
        }
        close_pair(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_31_byte_by_byte), cmocka_unit_test(threat_31_last_flight),
        cmocka_unit_test(threat_31_half_open),    cmocka_unit_test(test_options),
        cmocka_unit_test(threat_31_set_limits),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
