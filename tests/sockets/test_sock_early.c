/* SPDX-License-Identifier: ISC */
/* Early data over sockets: it leaves with the ClientHello, is there before the handshake is done,
 * is said again where it was refused, and never by a program that did not say so. */
#include <poll.h>
#include <stdatomic.h>

#include "tests/sockets/peers.h"

#define ROOM 16384

static int server_fd(struct sockaddr_in *addr, int early)
{
    int fd = listener(addr);

    set_number(fd, SSL_OPT_EARLY_DATA, early);
    return fd;
}

static int client_fd(int early)
{
    int fd = client_socket("server.test", "ca.crt");

    set_number(fd, SSL_OPT_EARLY_DATA, early);
    return fd;
}

static int connect_to(int fd, const struct sockaddr_in *addr)
{
    return ssl_connect(fd, (const struct sockaddr *)addr, sizeof *addr);
}

struct info {
    int listener;
    int rc;
    struct ssl_info info;
};

static void *greet(void *arg)
{
    int fd = ssl_accept(*(int *)arg, NULL, NULL);
    char c;

    if (fd >= 0 && ssl_handshake(fd) == 0) {
        (void)!ssl_write(fd, "t", 1);
        (void)!ssl_read(fd, &c, 1);
    }
    ssl_close(fd);
    return NULL;
}

/* One full handshake: the client has tickets. */
static void warm_up(int listener, const struct sockaddr_in *addr, int early)
{
    int fd = client_fd(early);
    pthread_t t;
    char c;

    assert_int_equal(pthread_create(&t, NULL, greet, &listener), 0);
    if (connect_to(fd, addr)) {
        fail_msg("connect: %s", ssl_error(fd));
    }
    assert_int_equal(ssl_read(fd, &c, 1), 1);
    ssl_close(fd);
    pthread_join(t, NULL);
}

static struct ssl_info facts(int fd)
{
    struct ssl_info i;

    assert_int_equal(ssl_info(fd, &i), 0);
    return i;
}

/* Both ends in this one thread: nobody waits for the other. */
static void server_answers_before_the_handshake(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM), c, s;
    char buf[64];

    (void)state;
    warm_up(l, &addr, ROOM);
    c = client_fd(ROOM);
    assert_int_equal(connect_to(c, &addr), 0); /* no server is there to answer */
    assert_int_equal(facts(c).early, SSL_EARLY_OFFERED);
    assert_int_equal(facts(c).connected, 0);
    assert_fails(connect_to(c, &addr), EISCONN);
    assert_int_equal(ssl_send(c, "request", 7, SSL_MSG_EARLY), 7);
    s = ssl_accept(l, NULL, NULL);
    assert_true(s >= 0);
    assert_int_equal(ssl_recv(s, buf, sizeof buf, MSG_PEEK), 7);
    assert_int_equal(ssl_recv(s, buf, 3, 0), 3);
    assert_int_equal(ssl_read(s, buf + 3, sizeof buf - 3), 4);
    assert_memory_equal(buf, "request", 7);
    assert_int_equal(facts(s).connected, 0);
    assert_int_equal(facts(s).early, SSL_EARLY_ACCEPTED);
    assert_int_equal(facts(s).early_bytes, 7);
    assert_int_equal(ssl_write(s, "answer", 6), 6);
    assert_int_equal(facts(s).connected, 0);
    assert_int_equal(ssl_read(c, buf, sizeof buf), 6);
    assert_memory_equal(buf, "answer", 6);
    assert_int_equal(facts(c).early, SSL_EARLY_ACCEPTED);
    assert_int_equal(facts(c).early_bytes, 7);
    assert_int_equal(facts(c).bytes_sent, 7);
    assert_int_equal(facts(c).resumed, 1);
    assert_int_equal(ssl_handshake(s), 0);
    assert_int_equal(ssl_write(c, "more", 4), 4);
    assert_int_equal(ssl_read(s, buf, sizeof buf), 4);
    assert_int_equal(facts(s).early_bytes, 7);
    assert_int_equal(ssl_close(c), 0);
    assert_int_equal(ssl_read(s, buf, sizeof buf), 0);
    ssl_close(s);
    ssl_close(l);
}

/* The handshake first: what was early comes behind it, from a client that is alive. */
static void a_careful_server_waits(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM), c, s;
    pthread_t t;
    char buf[64];
    void *rc;

    (void)state;
    warm_up(l, &addr, ROOM);
    c = client_fd(ROOM);
    assert_int_equal(connect_to(c, &addr), 0);
    assert_int_equal(ssl_send(c, "request", 7, SSL_MSG_EARLY), 7);
    s = ssl_accept(l, NULL, NULL);
    assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)s), 0);
    assert_int_equal(ssl_handshake(c), 0);
    pthread_join(t, &rc);
    assert_null(rc);
    assert_int_equal(ssl_read(s, buf, sizeof buf), 7);
    assert_memory_equal(buf, "request", 7);
    assert_int_equal(facts(s).early_bytes, 7);
    ssl_close(c);
    ssl_close(s);
    ssl_close(l);
}

/* ---- a server in a thread that reads all and says so ---- */

struct reader {
    int listener;
    uint8_t *buf;
    size_t size, got;
    struct ssl_info info;
};

static void *read_all(void *arg)
{
    struct reader *r = arg;
    int fd = ssl_accept(r->listener, NULL, NULL);
    ssize_t n = 1;

    while (n > 0 && r->got < r->size) {
        n = ssl_read(fd, r->buf + r->got, r->size - r->got);
        r->got += n > 0 ? (size_t)n : 0;
    }
    (void)ssl_info(fd, &r->info);
    (void)!ssl_write(fd, "y", 1);
    ssl_close(fd);
    return NULL;
}

/* size bytes of the pattern, said in two pieces, to a listener. What did the server see? */
static struct ssl_info say(int l, const struct sockaddr_in *addr, int early, size_t size, bool wait,
                           struct ssl_info *client)
{
    uint8_t *data = malloc(size), *got = malloc(size), c;
    struct reader r = { .listener = l, .buf = got, .size = size };
    int fd = client_fd(early);
    pthread_t t;
    size_t done = 0;

    fill_pattern(data, size, 0);
    assert_int_equal(pthread_create(&t, NULL, read_all, &r), 0);
    if (connect_to(fd, addr)) {
        fail_msg("connect: %s", ssl_error(fd));
    }
    nonblocking(fd, !wait);
    while (done < size) {
        size_t part = done ? size - done : size / 2;
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        ssize_t n = ssl_send(fd, data + done, part, SSL_MSG_EARLY);

        if (n < 0 && errno == EAGAIN && !wait) {
            assert_int_equal(ssl_poll(&p, 1, 30000), 1);
            continue;
        }
        if (n < 0) {
            fail_msg("send: %s", ssl_error(fd));
        }
        done += (size_t)n;
    }
    nonblocking(fd, false);
    assert_int_equal(ssl_read(fd, &c, 1), 1);
    *client = facts(fd);
    ssl_close(fd);
    pthread_join(t, NULL);
    assert_int_equal(r.got, size);
    expect_pattern(got, size, 0);
    free(data);
    free(got);
    return r.info;
}

/* One byte less than the server takes, all of it, one byte more, and far more. */
static void threat_33_limits(void **state)
{
    const size_t sizes[] = { 999, 1000, 1001, 100000 };

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct sockaddr_in addr;
        int l = server_fd(&addr, 1000);
        struct ssl_info s, c;
        size_t n = sizes[i % 4];

        warm_up(l, &addr, ROOM);
        s = say(l, &addr, ROOM, n, i < 4, &c);
        assert_int_equal(s.early, SSL_EARLY_ACCEPTED);
        assert_int_equal(s.early_bytes, n < 1000 ? n : 1000);
        assert_int_equal(c.early_bytes, n < 1000 ? n : 1000);
        assert_int_equal(c.bytes_sent, n);
        assert_int_equal(s.bytes_received, n);
        /* The client's own limit is lower. */
        s = say(l, &addr, 10, n, i < 4, &c);
        assert_int_equal(s.early_bytes, 10);
        ssl_close(l);
    }
}

/* A server that gave tickets for early data and wants none any more. */
static void what_is_refused_is_said_again(void **state)
{
    const size_t sizes[] = { 2, 100, 16000, 200000 };

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct sockaddr_in addr;
        int l = server_fd(&addr, ROOM), other;
        struct ssl_info s, c;
        size_t n = sizes[i % 4];

        warm_up(l, &addr, ROOM);
        other = dup(l);
        ssl_close(l);
        set_string(other, SSL_OPT_CERT_FILE, cert_path("server.pem"));
        assert_int_equal(ssl_listen(other, 5), 0);
        s = say(other, &addr, ROOM, n, i < 4, &c); /* other keys: a full handshake */
        assert_int_equal(s.early, SSL_EARLY_REJECTED);
        assert_int_equal(c.early, SSL_EARLY_REJECTED);
        assert_int_equal(c.resumed, 0);
        assert_int_equal(c.early_bytes, 0);
        assert_int_equal(c.bytes_sent, n);
        assert_int_equal(s.bytes_received, n);
        ssl_close(other);
    }
}

static void never_under_another_protocol(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM), other, fd;
    char c;
    pthread_t t;

    (void)state;
    set_string(SSL_DEFAULTS, SSL_OPT_ALPN, "one,two");
    set_string(l, SSL_OPT_ALPN, "one");
    warm_up(l, &addr, ROOM);
    other = dup(l);
    ssl_close(l);
    set_string(other, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_string(other, SSL_OPT_ALPN, "two");
    assert_int_equal(pthread_create(&t, NULL, greet, &other), 0);
    fd = client_fd(ROOM);
    set_string(SSL_DEFAULTS, SSL_OPT_ALPN, "");
    assert_int_equal(connect_to(fd, &addr), 0);
    assert_int_equal(ssl_send(fd, "request", 7, SSL_MSG_EARLY), 7);
    assert_fails(ssl_read(fd, &c, 1), ECONNABORTED);
    assert_non_null(strstr(ssl_error(fd), "ALPN"));
    ssl_close(fd);
    pthread_join(t, NULL);
    ssl_close(other);
}

/* Nothing leaves early but what the program has said may. */
static void only_what_is_said_to_be(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM), fd;
    struct reader r = { .listener = l, .size = 9 };
    uint8_t buf[16];
    pthread_t t;
    char c;

    (void)state;
    r.buf = buf;
    warm_up(l, &addr, ROOM);
    assert_int_equal(pthread_create(&t, NULL, read_all, &r), 0);
    fd = client_fd(ROOM);
    assert_int_equal(connect_to(fd, &addr), 0);
    assert_int_equal(ssl_send(fd, "one", 3, SSL_MSG_EARLY), 3);
    assert_int_equal(ssl_write(fd, "two", 3), 3); /* the handshake comes first */
    assert_int_equal(facts(fd).connected, 1);
    assert_int_equal(ssl_send(fd, "six", 3, SSL_MSG_EARLY), 3);
    assert_int_equal(ssl_read(fd, &c, 1), 1);
    pthread_join(t, NULL);
    assert_memory_equal(buf, "onetwosix", 9);
    assert_int_equal(r.info.early_bytes, 3);
    ssl_close(fd);
    /* Without the option there is none, and none without a session. */
    r = (struct reader){ .listener = l, .size = 3, .buf = buf };
    assert_int_equal(pthread_create(&t, NULL, read_all, &r), 0);
    fd = client_fd(0);
    assert_int_equal(connect_to(fd, &addr), 0);
    assert_int_equal(facts(fd).connected, 1);
    assert_int_equal(facts(fd).resumed, 1);
    assert_int_equal(ssl_send(fd, "one", 3, SSL_MSG_EARLY), 3);
    assert_int_equal(ssl_read(fd, &c, 1), 1);
    pthread_join(t, NULL);
    assert_int_equal(r.info.early, SSL_EARLY_NONE);
    assert_int_equal(r.info.early_bytes, 0);
    ssl_close(fd);
    ssl_close(l);
}

static void nonblocking_connect(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM), fd, s;
    struct pollfd p = { .events = POLLOUT };
    char buf[16];

    (void)state;
    warm_up(l, &addr, ROOM);
    fd = client_fd(ROOM);
    nonblocking(fd, true);
    p.fd = fd;
    if (connect_to(fd, &addr)) {
        assert_int_equal(errno, EINPROGRESS);
        assert_int_equal(ssl_poll(&p, 1, 30000), 1);
        assert_int_equal(p.revents, POLLOUT);
        assert_int_equal(connect_to(fd, &addr), 0);
    }
    assert_fails(connect_to(fd, &addr), EISCONN);
    assert_int_equal(ssl_poll(&p, 1, 30000), 1);
    assert_int_equal(p.revents, POLLOUT);
    assert_int_equal(ssl_send(fd, "one", 3, SSL_MSG_EARLY), 3);
    assert_fails(ssl_read(fd, buf, sizeof buf), EAGAIN);
    assert_int_equal(ssl_poll(&p, 1, 30000), 1);
    assert_int_equal(ssl_send(fd, "two", 3, SSL_MSG_EARLY), 3);
    assert_fails(ssl_write(fd, "not early", 9), EAGAIN); /* ends it */
    assert_int_equal(ssl_poll(&p, 1, 50), 0);
    assert_fails(ssl_send(fd, "six", 3, SSL_MSG_EARLY), EAGAIN);
    s = ssl_accept(l, NULL, NULL);
    read_exactly(s, buf, 6);
    assert_memory_equal(buf, "onetwo", 6);
    p.events = POLLIN;
    assert_int_equal(ssl_write(s, "go", 2), 2);
    assert_int_equal(ssl_poll(&p, 1, 30000), 1);
    assert_int_equal(ssl_read(fd, buf, sizeof buf), 2);
    assert_int_equal(ssl_write(fd, "three", 5), 5);
    assert_int_equal(ssl_read(s, buf, sizeof buf), 5);
    ssl_close(fd);
    ssl_close(s);
    ssl_close(l);
}

/* A program that polls for input only is not made to run in circles, nor kept from its answer. */
static void readiness_of_a_server(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM), fd, s;
    struct pollfd p = { .events = POLLIN };
    char buf[16];

    (void)state;
    warm_up(l, &addr, ROOM);
    fd = client_fd(ROOM);
    assert_int_equal(connect_to(fd, &addr), 0);
    s = ssl_accept(l, NULL, NULL);
    nonblocking(s, true);
    p.fd = s;
    assert_int_equal(ssl_poll(&p, 1, 50), 0);
    assert_int_equal(ssl_send(fd, "one", 3, SSL_MSG_EARLY), 3);
    assert_int_equal(ssl_poll(&p, 1, 30000), 1);
    assert_int_equal(p.revents, POLLIN);
    p.events = POLLIN | POLLOUT;
    assert_int_equal(ssl_poll(&p, 1, 30000), 1);
    assert_int_equal(p.revents, POLLIN | POLLOUT);
    assert_int_equal(ssl_read(s, buf, sizeof buf), 3);
    assert_fails(ssl_read(s, buf, sizeof buf), EAGAIN);
    p.events = POLLIN;
    assert_int_equal(ssl_poll(&p, 1, 50), 0);
    assert_int_equal(ssl_write(s, "answer", 6), 6);
    assert_int_equal(facts(s).connected, 0);
    p.fd = fd;
    assert_int_equal(ssl_poll(&p, 1, 30000), 1);
    assert_int_equal(ssl_read(fd, buf, sizeof buf), 6);
    ssl_close(fd);
    ssl_close(s);
    ssl_close(l);
}

/* Said, and gone: close() sees to it that it arrives. */
static void close_takes_it_along(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM), fd;
    struct reader r = { .listener = l, .size = 7 };
    uint8_t buf[16];
    pthread_t t;

    (void)state;
    r.buf = buf;
    warm_up(l, &addr, ROOM);
    fd = client_fd(ROOM);
    assert_int_equal(connect_to(fd, &addr), 0);
    assert_int_equal(ssl_send(fd, "request", 7, SSL_MSG_EARLY), 7);
    assert_int_equal(pthread_create(&t, NULL, read_all, &r), 0);
    assert_int_equal(ssl_close(fd), 0);
    pthread_join(t, NULL);
    assert_int_equal(r.got, 7);
    assert_memory_equal(buf, "request", 7);
    ssl_close(l);
}

/* threat 33: a child does not know what its parent has taken, nor a server what another took. */
static void threat_33_not_with_fork(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM), fd, s, status;
    pid_t pid;
    char c;

    (void)state;
    warm_up(l, &addr, ROOM);
    pid = fork();
    if (pid == 0) {
        struct ssl_info i;
        char buf[8];

        s = ssl_accept(l, NULL, NULL);
        status = ssl_read(s, buf, 3) == 3 && ssl_info(s, &i) == 0 && i.resumed &&
                 i.early == SSL_EARLY_REJECTED && ssl_write(s, "y", 1) == 1;
        ssl_close(s);
        _exit(!status);
    }
    fd = client_fd(ROOM);
    assert_int_equal(connect_to(fd, &addr), 0);
    assert_int_equal(ssl_send(fd, "one", 3, SSL_MSG_EARLY), 3);
    assert_int_equal(ssl_read(fd, &c, 1), 1);
    assert_int_equal(facts(fd).early, SSL_EARLY_REJECTED);
    assert_int_equal(facts(fd).resumed, 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    ssl_close(fd);
    ssl_close(l);
}

static void threat_33_not_with_a_shared_key(void **state)
{
    struct sockaddr_in addr;
    int l = server_fd(&addr, ROOM);

    (void)state;
    shell("cd %s && head -c 80 /dev/urandom >keys && chmod 600 keys", certs);
    set_string(l, SSL_OPT_TICKET_KEY_FILE, cert_path("keys"));
    assert_fails(ssl_accept(l, NULL, NULL), EINVAL);
    assert_non_null(strstr(ssl_error(-1), "early data"));
    set_number(l, SSL_OPT_SESSION_REUSE, 0);
    assert_fails(ssl_accept(l, NULL, NULL), EINVAL);
    assert_fails(ssl_setsockopt(l, SOL_SSL, SSL_OPT_EARLY_DATA, &(int){ -1 }, 4), EINVAL);
    assert_fails(ssl_setsockopt(l, SOL_SSL, SSL_OPT_EARLY_DATA, &(int){ (1 << 20) + 1 }, 4),
                 EINVAL);
    ssl_close(l);
}

/* Copies what a client sends to another connection: a replay, byte for byte. */
static void threat_33_replay(void **state)
{
    struct sockaddr_in addr, between;
    socklen_t len = sizeof between;
    int l = server_fd(&addr, ROOM), fd, mitm = socket(AF_INET, SOCK_STREAM, 0), in, out[2], s;
    uint8_t wire[8192];
    struct ssl_info i;
    char buf[16];
    ssize_t n;

    (void)state;
    between = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_port = addr.sin_port,
                                    .sin_addr.s_addr = htonl(0x7f000002) };
    assert_int_equal(bind(mitm, (struct sockaddr *)&between, sizeof between), 0);
    assert_int_equal(listen(mitm, 1), 0);
    assert_int_equal(getsockname(mitm, (struct sockaddr *)&between, &len), 0);
    warm_up(l, &addr, ROOM);
    fd = client_fd(ROOM);
    assert_int_equal(connect_to(fd, &between), 0); /* same name and port */
    assert_int_equal(ssl_send(fd, "transfer", 8, SSL_MSG_EARLY), 8);
    in = accept(mitm, NULL, NULL);
    n = recv(in, wire, sizeof wire, 0);
    assert_true(n > 200);
    for (int k = 0; k < 2; k++) {
        out[k] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(out[k], (struct sockaddr *)&addr, sizeof addr), 0);
        assert_int_equal(send(out[k], wire, (size_t)n, 0), n);
        s = ssl_accept(l, NULL, NULL);
        nonblocking(s, true);
        if (k == 0) {
            await_input(s, (int)n);
            assert_int_equal(ssl_read(s, buf, sizeof buf), 8);
        } else {
            await_input(s, (int)n);
            assert_fails(ssl_read(s, buf, sizeof buf), EAGAIN);
        }
        assert_int_equal(ssl_info(s, &i), 0);
        assert_int_equal(i.early, k == 0 ? SSL_EARLY_ACCEPTED : SSL_EARLY_REJECTED);
        ssl_close(s);
        close(out[k]);
    }
    close(in);
    close(mitm);
    ssl_close(fd);
    ssl_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_answers_before_the_handshake),
        cmocka_unit_test(a_careful_server_waits),
        cmocka_unit_test(threat_33_limits),
        cmocka_unit_test(what_is_refused_is_said_again),
        cmocka_unit_test(never_under_another_protocol),
        cmocka_unit_test(only_what_is_said_to_be),
        cmocka_unit_test(nonblocking_connect),
        cmocka_unit_test(readiness_of_a_server),
        cmocka_unit_test(close_takes_it_along),
        cmocka_unit_test(threat_33_not_with_fork),
        cmocka_unit_test(threat_33_not_with_a_shared_key),
        cmocka_unit_test(threat_33_replay),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
