/* SPDX-License-Identifier: ISC */
/* All at once: threads that connect, accept, read, write, poll, dup, shut down and close, whose
 * numbers are others' a moment later, while options change, certificates are renewed, sessions are
 * resumed and the process forks. Every byte tells which connection it is of and where in it, so
 * what came to another one, twice, or not at all is seen. With SLEEVE_TEST_FULL in the environment
 * longer. */
#include <stdatomic.h>
#include <sys/time.h>

#include "tests/sockets/children.h"

#define CLIENTS 4
#define MOST    60000 /* bytes of a connection each way */

static struct sockaddr_in server_at;
static int listening;
static _Atomic bool stop;
static _Atomic unsigned serial, done;

static unsigned scale(void)
{
    return getenv("SLEEVE_TEST_FULL") ? 25 : 1;
}

/* Of a connection of its own, and of a place in it. */
static uint64_t place(uint32_t id, bool answer, uint64_t pos)
{
    return ((uint64_t)id << 24) + (answer ? 1 << 23 : 0) + pos;
}

/* ---- the two ends ---- */

struct end {
    int fd;
    uint32_t id, total;
    bool answers; /* the server */
    unsigned seed;
};

static unsigned dice(struct end *e, unsigned n)
{
    return (unsigned)rand_r(&e->seed) % n;
}

/* The same connection under another number; the old one is free for others. */
static void move(struct end *e)
{
    int to = ssl_dup(e->fd);

    assert_true(to >= 0);
    assert_int_equal(ssl_close(e->fd), 0);
    e->fd = to;
}

static void send_all(struct end *e)
{
    uint8_t buf[20000];

    for (uint32_t pos = 0; pos < e->total;) {
        size_t n = dice(e, sizeof buf) + 1;
        ssize_t put;

        n = n < e->total - pos ? n : e->total - pos;
        fill_pattern(buf, n, place(e->id, e->answers, pos));
        if (dice(e, 3) == 0) {
            struct iovec two[2] = { { buf, n / 2 }, { buf + n / 2, n - n / 2 } };

            put = ssl_writev(e->fd, two, 2);
        } else {
            put = ssl_send(e->fd, buf, n, dice(e, 2) ? MSG_NOSIGNAL : 0);
        }
        if (put != (ssize_t)n) {
            fail_msg("connection %u: wrote %zd of %zu: %s", e->id, put, n, ssl_error(e->fd));
        }
        pos += (uint32_t)n;
    }
}

/* A turn of waiting in one of the ways that there are. */
static void await_something(struct end *e)
{
    struct pollfd p = { .fd = e->fd, .events = POLLIN };
    unsigned way = dice(e, 4);
    fd_set set;
    int rc;

    do { /* no SA_RESTART makes these two go on */
        FD_ZERO(&set);
        FD_SET(e->fd, &set);
        rc = way == 0   ? ssl_poll(&p, 1, -1)
             : way == 1 ? ssl_select(e->fd + 1, &set, NULL, NULL, NULL)
                        : 1;
    } while (rc < 0 && errno == EINTR);
    assert_int_equal(rc, 1);
}

static void receive_all(struct end *e, uint32_t total)
{
    uint8_t buf[20000];

    for (uint32_t pos = 0; pos < total;) {
        ssize_t n, peeked = 0;

        await_something(e);
        if (dice(e, 4) == 0) {
            peeked = ssl_recv(e->fd, buf, sizeof buf, MSG_PEEK);
        }
        n = ssl_recv(e->fd, buf, dice(e, sizeof buf) + 1, 0);
        if (n <= 0 || peeked < 0) {
            fail_msg("connection %u: %zd after %u of %u: %s", e->id, n, pos, total,
                     ssl_error(e->fd));
        }
        expect_pattern(buf, (size_t)n, place(e->id, !e->answers, pos));
        pos += (uint32_t)n;
    }
}

/* The other end says close_notify, and nothing came that was not sent. */
static void finish(struct end *e)
{
    char more;

    assert_int_equal(ssl_shutdown(e->fd, SHUT_WR), 0);
    assert_int_equal(ssl_read(e->fd, &more, 1), 0);
    assert_int_equal(ssl_close(e->fd), 0);
}

static void *send_thread(void *arg)
{
    send_all(arg);
    return NULL;
}

/* Both directions at once, or one after the other under a number that changes. */
static void talk(struct end *e, uint32_t theirs)
{
    pthread_t t;

    if (dice(e, 2) == 0) {
        struct end sender = *e;

        assert_int_equal(pthread_create(&t, NULL, send_thread, &sender), 0);
        receive_all(e, theirs);
        pthread_join(t, NULL);
    } else if (e->answers) {
        receive_all(e, theirs);
        move(e);
        send_all(e);
    } else {
        send_all(e);
        move(e);
        receive_all(e, theirs);
    }
    finish(e);
}

static void *serve(void *arg)
{
    struct end e = { .fd = (int)(intptr_t)arg, .answers = true };
    uint32_t head[3];

    read_exactly(e.fd, head, sizeof head);
    e.id = head[0];
    e.seed = head[0] * 7 + 1;
    e.total = head[2];
    talk(&e, head[1]);
    done++;
    return NULL;
}

static void *accept_all(void *arg)
{
    pthread_attr_t a;
    pthread_t t;
    int fd;

    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    while ((fd = ssl_accept(listening, NULL, NULL)) >= 0) {
        if (stop) { /* it was to end this */
            ssl_close(fd);
            break;
        }
        assert_int_equal(pthread_create(&t, &a, serve, (void *)(intptr_t)fd), 0);
    }
    pthread_attr_destroy(&a);
    return arg;
}

static void *connect_often(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < 12 * scale(); i++) {
        struct end e = { .id = ++serial, .seed = seed + i };
        uint32_t head[3];
        int version = dice(&e, 2) ? TLS_1_2 : TLS_1_3;

        e.fd = client_socket("server.test", "ca.crt");
        e.total = dice(&e, MOST);
        head[0] = e.id;
        head[1] = e.total;
        head[2] = dice(&e, MOST);
        set_number(e.fd, SSL_OPT_MAX_VERSION, version);
        if (ssl_connect(e.fd, (struct sockaddr *)&server_at, sizeof server_at)) {
            fail_msg("connection %u: %s", e.id, ssl_error(e.fd));
        }
        assert_int_equal(ssl_write(e.fd, head, sizeof head), sizeof head);
        talk(&e, head[2]);
    }
    return NULL;
}

/* ---- what goes on besides ---- */

/* Looks at any number, and changes nothing. (Not for POLLIN: that would be a second reader.) */
static void *look_around(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    char text[100];

    while (!stop) {
        struct pollfd p = { .fd = rand_r(&seed) % 60 + 3, .events = POLLOUT };
        struct conn *c = conn_get(p.fd);
        socklen_t n = sizeof text;
        struct tls_info i;

        if (c) {
            conn_ready(c, POLLIN | POLLOUT);
            conn_info(c, &i);
            conn_put(c);
            ssl_getsockopt(p.fd, SOL_SSL, SSL_OPT_SUITE, text, &n);
            ssl_poll(&p, 1, 0);
            ssl_error(p.fd);
        }
        sched_yield();
    }
    return NULL;
}

static void *change_options(void *arg)
{
    while (!stop) {
        int fd = ssl_socket(AF_INET, SOCK_STREAM, 0), plain = socket(AF_INET, SOCK_STREAM, 0);

        assert_true(fd >= 0 && plain >= 0);
        set_string(fd, SSL_OPT_NAME, "other.test");
        set_number(SSL_DEFAULTS, SSL_OPT_SESSION_TTL, 3600);
        assert_int_equal(close(plain), 0);
        assert_int_equal(ssl_close(fd), 0);
        sched_yield();
    }
    return arg;
}

/* A certificate of the same name, in its place at once. */
static void *renew(void *arg)
{
    char from[2][200], link_to[200], to[200];

    snprintf(from[0], sizeof from[0], "%s", cert_path("server-a.pem"));
    snprintf(from[1], sizeof from[1], "%s", cert_path("server-b.pem"));
    snprintf(link_to, sizeof link_to, "%s", cert_path("next.pem"));
    snprintf(to, sizeof to, "%s", cert_path("live.pem"));
    for (int i = 0; !stop; i++) {
        assert_int_equal(link(from[i % 2], link_to), 0);
        assert_int_equal(rename(link_to, to), 0);
        unlink(link_to); /* rename() leaves it where both were the same file */
        nap_ms(50);
    }
    return arg;
}

/* The child has all of them, too; it closes them, or just ends. */
static void fork_often(void)
{
    for (int i = 0; !stop; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            alarm(60);
            for (int fd = 3; i % 2 && fd < 100; fd++) {
                ssl_close(fd);
            }
            _exit(0);
        }
        assert_int_equal(join(pid), 0);
        nap_ms(15);
    }
}

static void *fork_thread(void *arg)
{
    fork_often();
    return arg;
}

static void storm(bool forks)
{
    void *(*const besides[])(void *) = { look_around, look_around, change_options, renew,
                                         forks ? fork_thread : look_around };
    pthread_t client[CLIENTS], accepting[2], other[5];
    const unsigned before = done, first = serial;
    struct sockaddr_in at;
    int ends[2];

    stop = false;
    listening = listener(&at);
    server_at = at;
    set_string(listening, SSL_OPT_CERT_FILE, cert_path("live.pem"));
    for (uintptr_t i = 0; i < 5; i++) {
        pthread_create(&other[i], NULL, besides[i], (void *)(i + 1));
    }
    for (int i = 0; i < 2; i++) {
        pthread_create(&accepting[i], NULL, accept_all, NULL);
    }
    for (uintptr_t i = 0; i < CLIENTS; i++) {
        pthread_create(&client[i], NULL, connect_often, (void *)(i * 1000 + first));
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(client[i], NULL);
    }
    while (done - before < serial - first) {
        nap_ms(5);
    }
    stop = true;
    for (int i = 0; i < 5; i++) {
        pthread_join(other[i], NULL);
    }
    for (int i = 0; i < 2; i++) {
        ends[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(ends[i], (struct sockaddr *)&at, sizeof at), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(accepting[i], NULL);
        close(ends[i]);
    }
    ssl_close(listening);
    assert_false(conn_any());
}

static void test_storm(void **state)
{
    (void)state;
    storm(false);
}

/* threat 40: and processes come and go that have the connections, too. */
static void threat_40_storm_with_forks(void **state)
{
    (void)state;
    if (!FORKS_BESIDE_THREADS) {
        skip();
    }
    storm(true);
}

static int notes[2];
static _Atomic unsigned ticks, lost;

/* What a handler may do: it writes and reads. */
static void tick(int sig)
{
    int saved = errno;
    char c = 't';

    (void)sig;
    if (ssl_write(notes[1], &c, 1) != 1 || (ssl_read(notes[0], &c, 1) == 1 && c != 't')) {
        lost++;
    }
    ticks++;
    errno = saved;
}

/* 10,000 times a second, in whichever thread. */
static void storm_of_signals(void **state)
{
    struct sigaction sa = { .sa_handler = tick, .sa_flags = SA_RESTART }, old;
    struct itimerval every = { { 0, 100 }, { 0, 100 } }, never = { { 0, 0 }, { 0, 0 } };

    (void)state;
    assert_int_equal(pipe2(notes, O_NONBLOCK | O_CLOEXEC), 0);
    alarm(0);
    assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
    storm(FORKS_BESIDE_THREADS);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
    alarm(DEADLINE_S);
    close(notes[0]);
    close(notes[1]);
    assert_int_equal(lost, 0);
    assert_true(ticks > 0);
}

/* ---- closed under those who use it ---- */

struct victim {
    int fd[2];
    uint32_t id;
    _Atomic uint64_t got;
};

static void *write_until_closed(void *arg)
{
    struct victim *v = arg;
    uint8_t buf[3000];
    uint64_t pos = 0;
    ssize_t n = 1;

    while (n > 0) {
        fill_pattern(buf, sizeof buf, place(v->id, false, pos));
        n = ssl_write(v->fd[0], buf, sizeof buf);
        pos += n > 0 ? (uint64_t)n : 0;
    }
    return NULL;
}

static void *read_until_closed(void *arg)
{
    struct victim *v = arg;
    uint8_t buf[5000];
    uint64_t pos = 0;
    ssize_t n;

    while ((n = ssl_read(v->fd[1], buf, sizeof buf)) > 0) {
        expect_pattern(buf, (size_t)n, place(v->id, false, pos));
        pos += (uint64_t)n;
        v->got = pos;
    }
    return NULL;
}

/* Each pair is ended by a third thread in the middle of it, at either end or by shutdown(). What
 * has come by then is right, and the threads find their end. Something that gives neither bytes nor
 * takes any stands under the number until nobody uses it any more. */
static void *close_often(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    for (unsigned i = 0; i < 15 * scale(); i++) {
        struct victim v = { .id = ++serial };
        unsigned way = (unsigned)rand_r(&seed) % 3;
        uint64_t enough = (uint64_t)rand_r(&seed) % 100000;
        pthread_t t[2];

        tls_pair(v.fd);
        pthread_create(&t[0], NULL, write_until_closed, &v);
        pthread_create(&t[1], NULL, read_until_closed, &v);
        while (v.got < enough) {
            sched_yield();
        }
        if (way == 2) {
            assert_int_equal(ssl_shutdown(v.fd[0], SHUT_RDWR), 0);
        } else {
            assert_int_equal(ssl_dup2(nothing, v.fd[way]), v.fd[way]);
        }
        pthread_join(t[1], NULL);
        assert_int_equal(ssl_close(v.fd[1]), 0);
        pthread_join(t[0], NULL);
        assert_int_equal(ssl_close(v.fd[0]), 0);
    }
    close(nothing);
    return NULL;
}

static void test_closed_by_others(void **state)
{
    pthread_t t[3], look;

    (void)state;
    stop = false;
    pthread_create(&look, NULL, look_around, (void *)77);
    for (uintptr_t i = 0; i < 3; i++) {
        pthread_create(&t[i], NULL, close_often, (void *)(i + 1));
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
    }
    stop = true;
    pthread_join(look, NULL);
    assert_false(conn_any());
}

/* ---- jumps out of it ---- */

/* What such a jump leaves behind is nobody's. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static sigjmp_buf out_of_it;

static void jump(int sig)
{
    (void)sig;
    siglongjmp(out_of_it, 1);
}

/* A handler leaves the beginning of a connection, or its end, by a jump. Nothing of libcrypto's, or
 * of what keeps forks out of it, is taken for ever then. */
static void jumps_out_of_the_beginning(void **state)
{
    struct sigaction sa = { .sa_handler = jump }, old;
    volatile int jumped = 0, first = dup(0);
    pthread_t t;
    pid_t pid;
    int f[2];

    (void)state;
    close(first);
    sigaddset(&sa.sa_mask, SIGALRM);
    if (__lsan_disable) {
        __lsan_disable();
    }
    alarm(0);
    assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
    for (volatile int i = 0; i < 400; i++) {
        if (sigsetjmp(out_of_it, 1) == 0) {
            struct itimerval when = { .it_value.tv_usec = 200 + i * 3 };

            setitimer(ITIMER_REAL, &when, NULL);
            for (;;) {
                int fd;

                pthread_sigmask(SIG_BLOCK, &sa.sa_mask, NULL); /* malloc() is not left so */
                fd = client_socket("server.test", "ca.crt");
                pthread_sigmask(SIG_UNBLOCK, &sa.sa_mask, NULL);
                assert_int_equal(ssl_attach(fd, SSL_CLIENT), 0);
                ssl_close(fd);
            }
        }
        jumped++;
        for (int fd = first; fd < first + 4; fd++) { /* where it was open still */
            ssl_close(fd);
        }
    }
    if (__lsan_enable) {
        __lsan_enable();
    }
    assert_int_equal(jumped, 400);
    assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
    alarm(DEADLINE_S);
    for (int i = 0; i < 2; i++) { /* forked by another thread, and by this one */
        stop = true;
        pthread_create(&t, NULL, fork_thread, NULL);
        pthread_join(t, NULL);
        tls_pair(f);
        pid = fork();
        if (pid == 0) {
            close_pair(f);
            _exit(0);
        }
        assert_int_equal(join(pid), 0);
        close_pair(f);
    }
}

static int setup(void **state)
{
    int rc = peers_setup(state);

    make_leaf("server-a", "ca", "DNS:server.test");
    make_leaf("server-b", "ca", "DNS:server.test");
    shell("cp %s/server-a.pem %s/live.pem", certs, certs);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_storm),
        cmocka_unit_test(threat_40_storm_with_forks),
        cmocka_unit_test(storm_of_signals),
        cmocka_unit_test(test_closed_by_others),
        cmocka_unit_test(jumps_out_of_the_beginning),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
