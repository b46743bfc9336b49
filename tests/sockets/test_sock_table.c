/* SPDX-License-Identifier: ISC */
/* What an fd names: nothing (plain), the options of a TLS connection to be, a connection. */
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>

#include "shim/ssl_options.h"
#include "tests/sockets/peers.h"

/* ---- plain fds ---- */

static _Atomic unsigned questions;
static struct sys real;

static int asked_getsockopt(int fd, int level, int name, void *p, socklen_t *n)
{
    questions++;
    return real.getsockopt(fd, level, name, p, n);
}

/* Of F_GETFL only, which is all there is. */
static int asked_fcntl(int fd, int cmd, ...)
{
    questions++;
    return real.fcntl(fd, cmd);
}

/* One look at the table and the kernel's own call, whatever else there is in the process. */
static void plain_costs_no_question(void **state)
{
    struct pollfd p = { .events = POLLIN };
    struct sockaddr_in addr;
    int l = listener(&addr), f[2], plain[2], pipes[2];
    char buf[8];

    (void)state;
    tls_pair(f);
    tcp_pair(plain);
    assert_int_equal(pipe(pipes), 0);
    real = sys;
    sys.getsockopt = asked_getsockopt;
    sys.fcntl = asked_fcntl;
    questions = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ssl_write(plain[0], "plain", 5), 5);
        assert_int_equal(ssl_read(plain[1], buf, sizeof buf), 5);
        assert_memory_equal(buf, "plain", 5);
        assert_int_equal(ssl_send(plain[1], "x", 1, MSG_NOSIGNAL), 1);
        p.fd = plain[0];
        assert_int_equal(ssl_poll(&p, 1, -1), 1);
        assert_int_equal(ssl_recv(plain[0], buf, sizeof buf, 0), 1);
        assert_int_equal(ssl_write(pipes[1], "p", 1), 1);
        assert_int_equal(ssl_read(pipes[0], buf, sizeof buf), 1);
    }
    assert_int_equal(ssl_shutdown(plain[0], SHUT_WR), 0);
    assert_int_equal(ssl_close(plain[0]), 0);
    assert_int_equal(questions, 0);
    sys = real;
    close(plain[1]);
    close(pipes[0]);
    close(pipes[1]);
    ssl_close(l);
    close_pair(f);
}

/* Closed without telling us: what was known of that socket does not concern the next file. */
static void options_left_behind(void **state)
{
    int fd = client_socket("server.test", "ca.crt"), pipes[2], plain[2];
    char name[64];
    socklen_t n = sizeof name;

    (void)state;
    assert_fails(ssl_write(fd, "x", 1), ENOTCONN);
    close(fd);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipes[0], fd);
    assert_int_equal(write(pipes[1], "p", 1), 1);
    assert_int_equal(ssl_read(fd, name, sizeof name), 1);
    close_pair(pipes);

    fd = client_socket("server.test", "ca.crt");
    close(fd);
    tcp_pair(plain);
    assert_int_equal(plain[0], fd + 1); /* tcp_pair() listens on the first */
    assert_int_equal(dup2(plain[0], fd), fd);
    assert_fails(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_NAME, name, &n), ENOPROTOOPT);
    assert_int_equal(ssl_write(fd, "x", 1), 1);
    close(fd);
    close_pair(plain);
}

/* ---- options ---- */

static void expect_name(int fd, const char *name)
{
    char text[64];
    socklen_t n = sizeof text;

    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_NAME, text, &n), 0);
    assert_string_equal(text, name);
}

/* As SO_ options do: they are the socket's, whatever number it is called by. */
static void all_numbers_of_a_socket(void **state)
{
    int f[2], copy;
    char buf[8];

    (void)state;
    tcp_pair(f);
    set_string(f[0], SSL_OPT_NAME, "first.test");
    copy = dup(f[0]);
    assert_int_equal(conn_alias(f[0], copy), 0);
    assert_fails(ssl_write(copy, "x", 1), ENOTCONN);
    expect_name(copy, "first.test");
    set_string(copy, SSL_OPT_NAME, "second.test");
    expect_name(f[0], "second.test");

    attach_pair(f[0], f[1]); /* with the name server.test */
    handshake_pair(f[0], f[1]);
    expect_name(copy, "server.test");
    assert_int_equal(ssl_write(copy, "x", 1), 1);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 1);
    assert_fails(ssl_setsockopt(copy, SOL_SSL, SSL_OPT_NAME, "x.test", 6), EISCONN);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(ssl_write(copy, "y", 1), 1);
    assert_int_equal(ssl_close(copy), 0);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 1);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
    ssl_close(f[1]);
}

/* Whoever overlooks that it failed writes nothing in clear. */
static void a_failed_attach_is_not_plain(void **state)
{
    int f[2], pipes[2];
    char buf[8];

    (void)state;
    tcp_pair(f);
    assert_fails(ssl_attach(f[0], SSL_CLIENT), EACCES); /* no name */
    assert_fails(ssl_write(f[0], "secret", 6), ENOTCONN);
    assert_fails(ssl_read(f[0], buf, sizeof buf), ENOTCONN);
    assert_fails(recv(f[1], buf, sizeof buf, MSG_DONTWAIT), EAGAIN);
    attach_pair(f[0], f[1]);
    handshake_pair(f[0], f[1]);
    close_pair(f);

    assert_int_equal(pipe(pipes), 0); /* what can never be TLS stays what it is */
    assert_fails(ssl_attach(pipes[1], SSL_CLIENT), ENOTSOCK);
    assert_int_equal(ssl_write(pipes[1], "x", 1), 1);
    close_pair(pipes);
}

struct setter {
    int fd, option, rounds;
    char letter;
    const char *complaint;
};

static void *keep_setting(void *arg)
{
    struct setter *s = arg;
    char text[32], back[32];

    for (int i = 0; i < s->rounds; i++) {
        socklen_t n = sizeof back;

        snprintf(text, sizeof text, "%c%d.test", s->letter, i);
        if (ssl_setsockopt(s->fd, SOL_SSL, s->option, text, (socklen_t)strlen(text))) {
            s->complaint = "set";
        } else if (ssl_getsockopt(s->fd, SOL_SSL, s->option, back, &n) || strcmp(text, back) != 0) {
            s->complaint = "another thread's option took this one's back";
        }
    }
    return NULL;
}

/* Asked between looking at the options and setting them: the other thread's turn. */
static int slow_getsockopt(int fd, int level, int name, void *p, socklen_t *n)
{
    int rc = real.getsockopt(fd, level, name, p, n);

    if (name == SO_COOKIE) {
        sched_yield();
    }
    return rc;
}

static void two_options_at_once(void **state)
{
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
    struct setter s[2] = { { fd, SSL_OPT_NAME, 3000, 'n', NULL },
                           { fd, SSL_OPT_SNI, 3000, 's', NULL } };
    pthread_t t[2];

    (void)state;
    real = sys;
    sys.getsockopt = slow_getsockopt;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, keep_setting, &s[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        assert_null(s[i].complaint);
    }
    sys = real;
    ssl_close(fd);
}

/* ---- an fd that is closed while connect() waits ---- */

static int taken; /* the number, and whose it becomes under connect()'s feet */
static int other;

static int connect_and_lose(int fd, const struct sockaddr *addr, socklen_t len)
{
    int rc = real.connect(fd, addr, len);

    ssl_close(taken);
    dup2(other, taken);
    return rc;
}

static void closed_under_connect(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr), plain[2];
    char buf[8];

    (void)state;
    tcp_pair(plain);
    taken = client_socket("server.test", "ca.crt");
    other = plain[0];
    real = sys;
    sys.connect = connect_and_lose;
    assert_fails(ssl_connect(taken, (struct sockaddr *)&addr, sizeof addr), EBADF);
    sys = real;
    assert_int_equal(ssl_write(taken, "plain", 5), 5); /* neither attached nor shut down */
    assert_int_equal(read(plain[1], buf, sizeof buf), 5);
    close(taken);
    close(plain[0]);
    close(plain[1]);
    ssl_close(l);
}

/* ---- looked at from everywhere ---- */

static _Atomic bool stop;

static void *look_at_all(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    while (!stop) {
        struct entry *e = entry_get((int)(rand_r(&seed) % 24) + 3);
        const char *name = e && e->kind == ENTRY_OPTIONS ? ((struct kept *)e)->o.name : "";

        if (*name && strcmp(name, "server.test") != 0) {
            return (void *)"another one's name";
        }
        entry_put(e);
    }
    return NULL;
}

static void options_under_readers(void **state)
{
    pthread_t t[3];
    void *complaint;

    (void)state;
    stop = false;
    for (uintptr_t i = 0; i < 3; i++) {
        pthread_create(&t[i], NULL, look_at_all, (void *)(i + 1));
    }
    for (int i = 0; i < 500; i++) {
        int fd = ssl_socket(AF_INET, SOCK_STREAM, 0), copy = dup(fd);

        assert_int_equal(conn_alias(fd, copy), 0);
        set_number(copy, SSL_OPT_VERIFY, i % 2 ? SSL_VERIFY_NONE : SSL_VERIFY_FULL);
        set_string(fd, SSL_OPT_NAME, "server.test");
        expect_name(copy, "server.test");
        ssl_close(i % 2 ? fd : copy);
        expect_name(i % 2 ? copy : fd, "server.test");
        ssl_close(i % 2 ? copy : fd);
    }
    stop = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], &complaint);
        assert_null(complaint);
    }
    assert_false(conn_any());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_costs_no_question), cmocka_unit_test(options_left_behind),
        cmocka_unit_test(all_numbers_of_a_socket), cmocka_unit_test(a_failed_attach_is_not_plain),
        cmocka_unit_test(two_options_at_once),     cmocka_unit_test(closed_under_connect),
        cmocka_unit_test(options_under_readers),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
