/* SPDX-License-Identifier: ISC */
/* Waiting for readiness to POSIX's letter: TLS against TCP, call by call. */
#include <sys/resource.h>

#include "shim/conn.h"
#include "tests/sockets/posix.h"

static fd_set set_of(int a, int b)
{
    fd_set set;

    FD_ZERO(&set);
    for (int i = 0; i < 2; i++) {
        if ((i ? b : a) >= 0) {
            FD_SET(i ? b : a, &set);
        }
    }
    return set;
}

static void show(struct stage *s, const char *what, const fd_set *set)
{
    say(s, "     %s:%s%s\n", what, FD_ISSET(s->f[0], set) ? " a" : "",
        FD_ISSET(s->f[1], set) ? " b" : "");
}

static void selecting(struct stage *s)
{
    int a = s->f[0], b = s->f[1], top = (a > b ? a : b) + 1;
    struct timeval t = { 0, 0 };
    fd_set r = set_of(a, b), w = r, e = r;
    char in[8];

    DO(s, ssl_select(top, &r, &w, &e, &t));
    show(s, "r", &r);
    show(s, "w", &w);
    show(s, "e", &e);
    r = set_of(a, b);
    t = (struct timeval){ 0, 60000 };
    DO(s, ssl_select(top, &r, NULL, NULL, &t));
    show(s, "r", &r);
    NUMBER(s, t.tv_sec);
    NUMBER(s, t.tv_usec);
    DO(s, ssl_write(a, "abcdef", 6));
    r = set_of(a, b);
    w = r;
    e = r;
    t = (struct timeval){ 20, 0 };
    DO(s, ssl_select(top, &r, NULL, &e, &t));
    show(s, "r", &r);
    show(s, "e", &e);
    NUMBER(s, t.tv_sec >= 1 && t.tv_sec < 20);
    NUMBER(s, t.tv_usec > 0 && t.tv_usec < 1000000);
    r = set_of(a, b);
    DO(s, ssl_select(top, &r, &w, NULL, NULL));
    show(s, "r", &r);
    show(s, "w", &w);
    DO(s, ssl_read(b, in, 2)); /* the rest is decrypted already */
    r = set_of(b, -1);
    DO(s, ssl_select(top, &r, NULL, NULL, NULL));
    r = set_of(a, b);
    DO(s, ssl_select(b, &r, NULL, NULL, &(struct timeval){ 0, 0 })); /* b is not below nfds */
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_shutdown(a, SHUT_WR));
    r = set_of(a, b);
    w = r;
    DO(s, ssl_select(top, &r, &w, NULL, NULL));
    until_poll(b, POLLIN);
    r = set_of(a, b);
    DO(s, ssl_select(top, &r, &w, NULL, NULL));
    show(s, "r", &r);
    show(s, "w", &w);
    DO(s, ssl_read(b, in, 8));
    close_end(s, 1);
    until_poll(a, POLLHUP);
    r = set_of(a, -1);
    DO(s, ssl_select(top, &r, NULL, NULL, NULL));
    DO(s, ssl_read(a, in, 8));
}

static void select_errors(struct stage *s)
{
    int a = s->f[0], b = s->f[1], top = (a > b ? a : b) + 1, shut = dup(b);
    struct timeval t = { 0, 0 };
    struct timespec ts = { 0, 1000000000 };
    struct later l;
    sigset_t none;
    fd_set r = set_of(a, b), w, before;

    DO(s, ssl_select(-1, &r, NULL, NULL, &t));
    t.tv_sec = -1;
    DO(s, ssl_select(top, &r, NULL, NULL, &t));
    t = (struct timeval){ 0, -1 };
    DO(s, ssl_select(top, &r, NULL, NULL, &t));
    t = (struct timeval){ 0, 9100000 };
    w = r;
    DO(s, ssl_select(top, NULL, &w, NULL, &t));
    NUMBER(s, t.tv_sec > 0 && t.tv_sec <= 9 && t.tv_usec < 1000000);
    DO(s, ssl_pselect(top, &r, NULL, NULL, &ts, NULL));
    ts = (struct timespec){ -1, 0 };
    DO(s, ssl_pselect(top, &r, NULL, NULL, &ts, NULL));
    ts = (struct timespec){ 0, 20000000 };
    r = set_of(a, b);
    DO(s, ssl_pselect(top, &r, NULL, NULL, &ts, NULL));
    NUMBER(s, ts.tv_nsec);
    close(shut);
    r = set_of(a, shut);
    before = r;
    t = (struct timeval){ 5, 0 };
    DO(s, ssl_select((shut > top ? shut : top) + 1, &r, NULL, NULL, &t));
    NUMBER(s, memcmp(&r, &before, sizeof r));
    r = set_of(a, b);
    later(&l, s, NULL, SIGUSR1);
    DO(s, ssl_select(top, &r, NULL, NULL, NULL));
    joined(&l);
    on_signal(SIGUSR1, count_user, SA_RESTART);
    r = set_of(a, b);
    later(&l, s, NULL, SIGUSR1);
    DO(s, ssl_select(top, &r, NULL, NULL, NULL)); /* signal(7): never restarted */
    joined(&l);
    sigemptyset(&none);
    sigaddset(&none, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &none, NULL);
    raise(SIGUSR1);
    sigemptyset(&none);
    r = set_of(a, b);
    NUMBER(s, users);
    DO(s, ssl_pselect(top, &r, NULL, NULL, NULL, &none));
    NUMBER(s, users);
    raise(SIGUSR1);
    DO(s, ssl_ppoll(&(struct pollfd){ a, POLLIN, 0 }, 1, NULL, &none));
    NUMBER(s, users);
    sigaddset(&none, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &none, NULL);
}

static void poll_once(struct stage *s, int line, struct pollfd *p, nfds_t n, int ms)
{
    int rc;

    errno = 0;
    rc = ssl_poll(p, n, ms);
    say(s, "%4d poll = %d %s", line, rc, rc < 0 ? strerrorname_np(errno) : "");
    for (nfds_t i = 0; i < n; i++) {
        say(s, " %x", (unsigned)p[i].revents);
    }
    say(s, "\n");
}
#define POLL(s, ms, n, ...) poll_once(s, __LINE__, (struct pollfd[]){ __VA_ARGS__ }, n, ms)
#define ALL                 (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP | POLLPRI)

static void polling(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    char in[16];

    POLL(s, 0, 2, { a, ALL, 77 }, { b, ALL, 77 });
    POLL(s, 0, 2, { a, POLLIN, 77 }, { b, 0, 77 });
    POLL(s, 50, 1, { a, POLLIN, 77 });
    POLL(s, -1, 3, { a, POLLIN, 77 }, { -1, ALL, 77 }, { b, POLLOUT, 77 });
    DO(s, ssl_write(a, "abcdef", 6));
    POLL(s, 20000, 1, { b, POLLIN, 0 });
    POLL(s, 0, 2, { a, ALL, 77 }, { b, ALL, 77 });
    POLL(s, 0, 2, { a, POLLRDNORM, 77 }, { b, POLLRDNORM, 77 });
    DO(s, ssl_read(b, in, 5));
    POLL(s, -1, 1, { b, POLLIN, 0 });
    DO(s, ssl_read(b, in, 5));
    POLL(s, 0, 1, { b, POLLIN, 0 });
    DO(s, ssl_shutdown(a, SHUT_WR));
    until_poll(b, POLLRDHUP);
    POLL(s, 0, 2, { a, ALL, 77 }, { b, ALL, 77 });
    POLL(s, 0, 2, { a, 0, 77 }, { b, 0, 77 });
    DO(s, ssl_read(b, in, 5));
    POLL(s, 0, 1, { b, ALL, 77 });
    DO(s, ssl_shutdown(b, SHUT_WR));
    until_poll(a, POLLHUP);
    until_poll(b, POLLHUP);
    POLL(s, 0, 2, { a, ALL, 77 }, { b, ALL, 77 });
    POLL(s, 0, 2, { a, 0, 77 }, { b, POLLOUT, 77 });
    DO(s, ssl_read(a, in, 5));
}

static void poll_errors(struct stage *s)
{
    int a = s->f[0], b = s->f[1], shut = dup(a);
    struct timespec bad = { 0, -1 }, zero = { 0, 0 };
    struct pollfd p = { a, POLLIN, 0 }, *many;
    struct rlimit most;

    close(shut);
    POLL(s, -1, 2, { a, POLLIN, 77 }, { shut, POLLIN, 77 });
    POLL(s, -1, 2, { shut, 0, 77 }, { b, POLLOUT, 77 });
    close_end(s, 1);
    POLL(s, -1, 1, { b, POLLIN, 77 });
    DO(s, ssl_poll(NULL, 0, 0));
    DO(s, ssl_poll(NULL, 2, 0));
    getrlimit(RLIMIT_NOFILE, &most);
    many = calloc(most.rlim_cur + 1, sizeof *many);
    assert_non_null(many);
    many[0] = p;
    DO(s, ssl_poll(many, most.rlim_cur + 1, 0));
    free(many);
    DO(s, ssl_ppoll(&p, 1, &bad, NULL));
    DO(s, ssl_ppoll(&p, 0, &zero, NULL));
}

static void poll_signals(struct stage *s)
{
    struct later l;

    for (int i = 0; i < 2; i++) {
        later(&l, s, NULL, SIGUSR1);
        POLL(s, -1, 1, { s->f[0], POLLIN, 0 });
        joined(&l);
        on_signal(SIGUSR1, count_user, SA_RESTART);
    }
    NUMBER(s, users);
}

/* A full socket is not ready for writing, and is again when it has been read. */
static void room(struct stage *s)
{
    static char some[65536];
    int a = s->f[0];
    fd_set w = set_of(a, -1);

    small_buffers(s->f);
    fill_up(a);
    POLL(s, 0, 1, { a, POLLOUT | POLLWRNORM | POLLIN, 77 });
    DO(s, ssl_select(a + 1, NULL, &w, NULL, &(struct timeval){ 0, 50000 }));
    while (ssl_recv(s->f[1], some, sizeof some, MSG_DONTWAIT) > 0 ||
           ssl_poll(&(struct pollfd){ a, POLLOUT, 0 }, 1, 10) == 0) {
    }
    POLL(s, 20000, 1, { a, POLLOUT, 77 });
    w = set_of(a, -1);
    DO(s, ssl_select(a + 1, NULL, &w, NULL, NULL));
    DO(s, ssl_write(a, "x", 1));
}

static void test_scenes(void **state)
{
    static const struct scene scenes[] = {
        { "select", selecting },
        { "select refused", select_errors },
        { "poll", polling },
        { "poll refused", poll_errors },
        { "poll, signals", poll_signals },
        { "room to write", room },
    };

    (void)state;
    play_all(scenes, sizeof scenes / sizeof *scenes);
}

/* ---- what TLS adds: no readiness for records without data ---- */

/* A record that carries nothing: a key update that wants an answer, or no bytes of data. */
static void send_nothing(int fd, bool update)
{
    struct conn *c = conn_get(fd);
    struct hold h;
    uint8_t record[64];
    size_t taken, made;

    assert_int_equal(conn_enter(&h, c, fd, HALF_BOTH), 0);
    if (update) {
        assert_int_equal(tls_key_update(c->tls, true), 0);
    }
    assert_int_equal(conn_flush(c, fd), 0);
    if (!update) {
        assert_int_equal(tls_seal(c->tls, NULL, 0, &taken, record, sizeof record, &made), 0);
        assert_int_equal(send(fd, record, made, 0), made);
    }
    conn_leave(&h);
    conn_put(c);
}

static void expect_not_ready(int fd)
{
    struct timeval t = { 0, 100000 };
    struct timespec ts = { 0, 20000000 };
    fd_set r = set_of(fd, -1);

    assert_int_equal(ssl_select(fd + 1, &r, NULL, NULL, &t), 0);
    assert_false(FD_ISSET(fd, &r));
    assert_int_equal(t.tv_sec, 0);
    assert_int_equal(t.tv_usec, 0);
    r = set_of(fd, -1);
    assert_int_equal(ssl_pselect(fd + 1, &r, NULL, NULL, &ts, NULL), 0);
    assert_int_equal(ssl_ppoll(&(struct pollfd){ fd, POLLIN, 0 }, 1, &ts, NULL), 0);
    assert_int_equal(ssl_poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 20), 0);
}

/* Behind the handshake came tickets. */
static void test_records_without_data(void **state)
{
    int f[2];
    fd_set r;
    char in[4];

    (void)state;
    tls_pair(f);
    expect_not_ready(f[0]);
    for (int i = 0; i < 2; i++) {
        send_nothing(f[1], i == 0);
        await_input(f[0], 20);
        expect_not_ready(f[0]);
        expect_not_ready(f[1]); /* the answer is none either */
    }
    assert_int_equal(ssl_write(f[1], "abc", 3), 3);
    r = set_of(f[0], -1);
    assert_int_equal(ssl_pselect(f[0] + 1, &r, NULL, NULL, NULL, NULL), 1);
    assert_int_equal(ssl_read(f[0], in, 4), 3);
    close_pair(f);
}

/* No tail of ours waits, but the kernel is full: a write would have to wait. */
static void test_kernel_full(void **state)
{
    static char junk[65536];
    int f[2];
    fd_set w;

    (void)state;
    tls_pair(f);
    small_buffers(f);
    assert_int_equal(ssl_poll(&(struct pollfd){ f[0], POLLOUT, 0 }, 1, 0), 1);
    for (int full = 0; full < FULL_TRIES;) { /* beneath TLS: nobody reads it */
        full = send(f[0], junk, sizeof junk, MSG_DONTWAIT) > 0 ? 0 : full + 1;
        nap_ms(full ? FULL_MS : 0);
    }
    assert_int_equal(ssl_poll(&(struct pollfd){ f[0], POLLOUT, 0 }, 1, 50), 0);
    w = set_of(f[0], -1);
    assert_int_equal(ssl_select(f[0] + 1, NULL, &w, NULL, &(struct timeval){ 0, 50000 }), 0);
    drain(f[1]);
    close_pair(f);
}

/* A handshake under way is neither data nor room to write. */
static void test_select_in_handshake(void **state)
{
    int f[2], done = 0;
    fd_set r, w;

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    nonblocking(f[0], true);
    nonblocking(f[1], true);
    for (int round = 0; done < 2; round++) {
        assert_in_range(round, 0, 1000);
        r = set_of(f[0], f[1]);
        w = r;
        done = ssl_select((f[0] > f[1] ? f[0] : f[1]) + 1, &r, &w, NULL,
                          &(struct timeval){ 0, 10000 });
        assert_false(FD_ISSET(f[0], &r) || FD_ISSET(f[1], &r));
    }
    assert_int_equal(ssl_handshake(f[0]), 0);
    assert_int_equal(ssl_handshake(f[1]), 0);
    close_pair(f);
}

/* Beyond FD_SETSIZE, with sets that are as long. */
static void test_long_sets(void **state)
{
    struct rlimit most;
    unsigned long sets[64] = { 0 }; /* 4096 fds */
    int f[2], high;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
    if (most.rlim_max < 4096) {
        skip();
    }
    if (most.rlim_cur < 4096) {
        most.rlim_cur = 4096;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
    }
    tls_pair(f);
    high = ssl_fcntl(f[0], F_DUPFD, 3000);
    assert_in_range(high, 3000, 4095);
    assert_int_equal(ssl_write(f[1], "x", 1), 1);
    sets[high / 64] = 1UL << (high % 64);
    assert_int_equal(ssl_select(high + 1, (fd_set *)sets, NULL, NULL, NULL), 1);
    assert_int_equal(sets[high / 64], 1UL << (high % 64));
    assert_int_equal(ssl_close(high), 0);
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenes),      cmocka_unit_test(test_records_without_data),
        cmocka_unit_test(test_kernel_full), cmocka_unit_test(test_select_in_handshake),
        cmocka_unit_test(test_long_sets),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
