/* SPDX-License-Identifier: ISC */
/* Each system call of a connection's life fails once, in every way that it can: what is written
 * arrives once, in order and whole, or the call says why not and the other end sees no clean end;
 * nothing passes in clear, nothing is left behind, nobody hangs. (threats 29, 37) */
#include <stdatomic.h>
#include <sys/syscall.h>

#include "base/mem.h"
#include "shim/conn.h"
#include "shim/sessions.h"
#include "tests/sockets/faulty.h"

#define A_TOTAL 24000 /* what the one under test says, and the other */
#define B_TOTAL 3000

struct variant {
    bool tcp, server, waits, restarts, early;
    int version;
};
struct side {
    int fd;
    uint64_t sent, got;
    bool mute, ended, updated;
    int err;
};
struct life {
    const struct variant *v;
    struct side a, b; /* a is the one under test */
    int listener;
    struct sockaddr_in addr;
    bool connecting, spared;
    unsigned tries;
    pthread_t thread;
    atomic_bool over; /* a is closed */
};

/* Each 24 bytes tell which they are. */
static void words(uint8_t *out, size_t n, uint64_t pos)
{
    char block[32];

    for (size_t i = 0; i < n; i++, pos++) {
        if (i == 0 || pos % 24 == 0) {
            snprintf(block, sizeof block, PLAINTEXT "%04x", (unsigned)(pos / 24) & 0xffff);
        }
        out[i] = (uint8_t)block[pos % 24];
    }
}

static void expect_words(const uint8_t *p, size_t n, uint64_t pos)
{
    static __thread uint8_t want[A_TOTAL];

    assert_in_range(n, 0, sizeof want);
    words(want, n, pos);
    if (memcmp(p, want, n) != 0) {
        fail_msg("%s: %zu bytes at %llu are others", fault_text(), n, (unsigned long long)pos);
    }
}

/* What ssl_socket() calls by name. */
int socket(int domain, int type, int protocol)
{
    int err = strike(CALL_SOCKET);

    return err ? (int)fails(err) : (int)syscall(SYS_socket, domain, type, protocol);
}

/* ---- the other end, which meets no faults ---- */

static void ask_for_new_keys(int fd)
{
    struct conn *c = conn_get(fd);
    struct hold h;

    if (conn_enter(&h, c, fd, HALF_BOTH) == 0) {
        (void)!tls_key_update(c->tls, true); /* perhaps it has failed */
        conn_leave(&h);
    }
    conn_put(c);
}

static bool is_soft(int err)
{
    return err == EAGAIN || err == EINTR || err == EINPROGRESS || err == EALREADY;
}

static bool b_meets(struct life *l)
{
    if (l->b.fd < 0 && !l->v->server) {
        l->b.fd = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (l->b.fd >= 0) {
            assert_int_equal(ssl_attach(l->b.fd, SSL_SERVER), 0);
        }
    }
    return l->b.fd >= 0;
}

static void b_says(struct life *l)
{
    struct side *b = &l->b;
    uint8_t buf[1000];
    ssize_t n;

    if (b->sent < B_TOTAL) {
        words(buf, sizeof buf, b->sent);
        n = ssl_write(b->fd, buf, sizeof buf);
        b->sent += n > 0 ? (uint64_t)n : 0;
        b->mute = n < 0 && !is_soft(errno);
    } else {
        b->mute = true;
        (void)!ssl_shutdown(b->fd, SHUT_WR);
    }
    if (b->sent >= 1000 && !b->updated && l->v->version == 0x0304) {
        ask_for_new_keys(b->fd);
        b->updated = true;
    }
}

static void b_step(struct life *l)
{
    static __thread uint8_t buf[A_TOTAL];
    struct side *b = &l->b;
    ssize_t n = 1;

    if (!b_meets(l)) {
        return;
    }
    if (!b->mute) {
        b_says(l);
    }
    while (!b->ended && !b->err && n > 0) {
        n = ssl_read(b->fd, buf, sizeof buf);
        if (n > 0) {
            expect_words(buf, (size_t)n, b->got);
            b->got += (uint64_t)n;
        }
        b->ended = n == 0;
        if (n < 0 && !is_soft(errno)) {
            b->err = errno;
            b->mute = true;
            (void)!ssl_shutdown(b->fd, SHUT_RDWR); /* the one under test may wait for its end */
        }
    }
}

static void b_goes_on(void *arg)
{
    b_step(arg);
}

static bool b_done(const struct life *l)
{
    return l->b.err || (l->b.ended && l->b.mute);
}

static void *b_thread(void *arg)
{
    struct life *l = arg;

    for (bool over = false; !b_done(l) && !(over && l->b.fd < 0);) {
        short events = l->b.mute ? POLLIN : POLLIN | POLLOUT;
        struct pollfd p = { l->b.fd < 0 ? l->listener : l->b.fd, events, 0 };

        over = l->over; /* then who did not come before this step will not come */
        b_step(l);
        if (l->b.fd >= 0) {
            ssl_poll(&p, 1, 20);
        } else {
            poll(&p, 1, 20);
        }
    }
    return NULL;
}

/* ---- the one under test ---- */

/* After a call that failed: is it to be made again? */
static bool again(struct life *l, const char *what)
{
    const struct variant *v = l->v;
    int err = errno;

    assert_in_range(++l->tries, 1, 5000);
    if (is_soft(err)) {
        if (v->waits && err == EAGAIN && fault.kind != EAGAIN) {
            fail_msg("%s: EAGAIN from %s, which was to wait", fault_text(), what);
        }
        if (v->restarts && err == EINTR && !strstr(what, "poll") && !strstr(what, "select") &&
            !strstr(what, "connect") && !strstr(what, "accept")) {
            fail_msg("%s: EINTR from %s, which was to be restarted", fault_text(), what);
        }
        if (!v->waits) {
            b_step(l);
            if (l->tries % 50 == 0) {
                nap_ms(1);
            }
        }
        return true;
    }
    if (ssl_error(l->a.fd)[0] == '\0' && ssl_error(-1)[0] == '\0') {
        fail_msg("%s: no sentence for %s from %s", fault_text(), strerrorname_np(err), what);
    }
    if ((err == ENOMEM || err == ENOBUFS) && err == fault.kind && !l->spared &&
        !strstr(what, "connect") && !strstr(what, "accept")) {
        l->spared = true; /* there may be some the next time */
        return true;
    }
    l->a.err = err;
    return false;
}

#define MUST(l, call)                         \
    __extension__({                           \
        long rc_;                             \
        do {                                  \
            int err_;                         \
            fault_begin(#call);               \
            rc_ = (long)(call);               \
            err_ = errno;                     \
            fault_end();                      \
            errno = err_;                     \
        } while (rc_ < 0 && again(l, #call)); \
        rc_;                                  \
    })

static bool a_writes(struct life *l)
{
    static uint8_t buf[A_TOTAL];
    static const size_t piece[] = { 700, 20000, 1, 299, 3000 };

    for (unsigned turn = 0; l->a.sent < A_TOTAL; turn++) {
        size_t n = piece[turn % 5];
        struct iovec v[2];
        long rc;

        n = n < A_TOTAL - l->a.sent ? n : (size_t)(A_TOTAL - l->a.sent);
        words(buf, n, l->a.sent);
        v[0] = (struct iovec){ buf, n / 2 };
        v[1] = (struct iovec){ buf + n / 2, n - n / 2 };
        rc = turn == 0 && l->v->early
                 ? MUST(l, ssl_send(l->a.fd, buf, n, SSL_MSG_EARLY | MSG_NOSIGNAL))
             : turn % 3 == 0 ? MUST(l, ssl_write(l->a.fd, buf, n))
             : turn % 3 == 1 ? MUST(l, ssl_writev(l->a.fd, v, 2))
                             : MUST(l, ssl_send(l->a.fd, buf, n, MSG_NOSIGNAL));
        if (rc < 0) {
            return false;
        }
        assert_in_range(rc, 1, n);
        l->a.sent += (uint64_t)rc;
    }
    return true;
}

static bool a_reads(struct life *l)
{
    static uint8_t buf[1200], peeked[1200];

    for (unsigned turn = 0; l->a.got < B_TOTAL; turn++) {
        struct iovec v[2] = { { buf, 100 }, { buf + 100, 1000 } };
        long rc, seen = 0;

        if (turn % 2 == 0) {
            seen = MUST(l, ssl_recv(l->a.fd, peeked, 50, MSG_PEEK));
        }
        rc = seen < 0        ? -1
             : turn % 2 == 0 ? MUST(l, ssl_read(l->a.fd, buf, 400))
                             : MUST(l, ssl_readv(l->a.fd, v, 2));
        if (rc <= 0) {
            return false;
        }
        expect_words(buf, (size_t)rc, l->a.got);
        assert_memory_equal(peeked, buf, (size_t)(seen < rc ? seen : rc));
        l->a.got += (uint64_t)rc;
    }
    return true;
}

static bool a_looks(struct life *l)
{
    struct pollfd p = { l->a.fd, POLLIN | POLLOUT, 0 };
    int fd = l->a.fd, n = 0, twin;
    fd_set r;

    if (MUST(l, ssl_poll(&p, 1, -1)) < 0) {
        return false;
    }
    FD_ZERO(&r);
    FD_SET(fd, &r);
    if (MUST(l, ssl_select(fd + 1, NULL, &r, NULL, NULL)) < 0 ||
        MUST(l, ssl_ioctl(fd, FIONREAD, &n)) < 0) {
        return false;
    }
    twin = (int)MUST(l, ssl_dup(fd));
    if (twin >= 0) {
        fault_begin("ssl_close(twin)");
        ssl_close(twin); /* whatever it says, it is closed */
        fault_end();
    }
    return twin >= 0;
}

static void a_talks(struct life *l)
{
    char c;
    long rc;

    if ((!l->v->early && MUST(l, ssl_handshake(l->a.fd)) < 0) || !a_writes(l) || !a_looks(l) ||
        !a_reads(l) || MUST(l, ssl_shutdown(l->a.fd, SHUT_WR)) < 0) {
        return;
    }
    rc = MUST(l, ssl_read(l->a.fd, &c, 1));
    assert_in_range(rc + 1, 0, 1); /* no byte more */
    l->a.ended = rc == 0;
}

/* ---- how they meet ---- */

static bool a_connects(struct life *l)
{
    long rc;

    l->a.fd = (int)MUST(l, ssl_socket(AF_INET, SOCK_STREAM, 0));
    if (l->a.fd < 0) {
        return false;
    }
    nonblocking(l->a.fd, !l->v->waits);
    rc = MUST(l, ssl_setsockopt(l->a.fd, SOL_SSL, SSL_OPT_NAME, "server.test", 11));
    rc = rc < 0 ? rc : MUST(l, ssl_connect(l->a.fd, (struct sockaddr *)&l->addr, sizeof l->addr));
    if (rc < 0 && l->a.err == EISCONN) { /* what was interrupted is done */
        l->a.err = 0;
        rc = 0;
    }
    return rc == 0;
}

static bool a_accepts(struct life *l)
{
    int fd;

    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(connect(fd, (struct sockaddr *)&l->addr, sizeof l->addr) == 0 ||
                errno == EINPROGRESS);
    assert_int_equal(ssl_attach(fd, SSL_CLIENT), 0);
    l->b.fd = fd;
    for (;;) {
        struct pollfd p = { l->listener, POLLIN, 0 };

        l->a.fd =
            (int)MUST(l, ssl_accept4(l->listener, NULL, NULL, l->v->waits ? 0 : SOCK_NONBLOCK));
        if (l->a.fd >= 0 || fault.hit != CALL_ACCEPT || poll(&p, 1, 0) != 1) {
            return l->a.fd >= 0;
        }
        assert_int_equal(l->a.err, fault.kind);
        l->a.err = 0; /* the listener goes on, and the connection waits still */
    }
}

static bool a_attaches(struct life *l)
{
    int f[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f), 0);
    nonblocking(f[0], !l->v->waits);
    nonblocking(f[1], true);
    l->a.fd = f[0];
    l->b.fd = f[1];
    if (l->v->server) {
        assert_int_equal(ssl_attach(l->b.fd, SSL_CLIENT), 0);
        return MUST(l, ssl_attach(l->a.fd, SSL_SERVER)) == 0;
    }
    assert_int_equal(ssl_attach(l->b.fd, SSL_SERVER), 0);
    return MUST(l, ssl_attach(l->a.fd, SSL_CLIENT)) == 0;
}

static void listen_for(struct life *l)
{
    static in_port_t port; /* one and the same: a client's sessions are for it */
    socklen_t len = sizeof l->addr;
    int flags = SOCK_STREAM | SOCK_CLOEXEC | (l->v->waits && l->v->server ? 0 : SOCK_NONBLOCK);

    l->addr = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_port = port,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    l->listener = l->v->server ? ssl_socket(AF_INET, flags, 0) : socket(AF_INET, flags, 0);
    setsockopt(l->listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    assert_int_equal(bind(l->listener, (struct sockaddr *)&l->addr, len), 0);
    assert_int_equal(listen(l->listener, 4), 0);
    assert_int_equal(getsockname(l->listener, (struct sockaddr *)&l->addr, &len), 0);
    port = l->addr.sin_port;
}

static long living; /* blocks of memory */
static struct mem_hooks usual;

static void judge(const struct life *l)
{
    const struct side *a = &l->a, *b = &l->b;
    bool cut_off;

    if (getenv("FAULT_SHOW")) {
        printf("%ld %s: a %s, b %s, %llu of %llu\n", living, fault_text(),
               a->err ? strerrorname_np(a->err) : "ok", b->err ? strerrorname_np(b->err) : "ok",
               (unsigned long long)b->got, (unsigned long long)a->sent);
    }
    /* As TCP, shutdown() and close() do not say whether the last words arrived: the other end
     * knows. */
    cut_off = fault.hit == CALL_SEND && fault.kind > 0 && b->err && !b->ended;
    if (!a->err &&
        (a->sent != A_TOTAL || (!cut_off && (!a->ended || a->got != B_TOTAL || !b->ended)))) {
        fail_msg("%s: not all was done, and nobody was told (%s)", fault_text(),
                 b->err ? strerrorname_np(b->err) : "the other end is fine");
    }
    if (b->got > a->sent || (b->ended && b->got != a->sent)) {
        fail_msg("%s: %llu of %llu bytes arrived, and a clean end", fault_text(),
                 (unsigned long long)b->got, (unsigned long long)a->sent);
    }
    if (a->err && a->err != fault.kind) {
        fail_msg("%s: the call said %s", fault_text(), strerrorname_np(a->err));
    }
    if (b->fd >= 0 && !b->ended && b->err != ECONNRESET && b->err != EPIPE &&
        b->err != ECONNABORTED) {
        fail_msg("%s: the other end has seen no end: %s", fault_text(), strerrorname_np(b->err));
    }
}

static void *count_alloc(size_t n)
{
    void *p = usual.alloc(n);

    __atomic_add_fetch(&living, p != NULL, __ATOMIC_RELAXED);
    return p;
}

static void count_release(void *p)
{
    __atomic_sub_fetch(&living, p != NULL, __ATOMIC_RELAXED);
    usual.release(p);
}

static bool early; /* early data was taken */

static void live(void *arg)
{
    struct life l = { .v = arg, .a.fd = -1, .b.fd = -1, .listener = -1 };
    unsigned before = open_fds();
    bool met;

    fault.waits = l.v->waits;
    fault.idle = l.v->waits ? NULL : b_goes_on;
    fault.idle_arg = &l;
    fault.signals = 0;
    if (l.v->tcp) {
        listen_for(&l);
    }
    if (l.v->waits && !l.v->server && l.v->tcp) {
        assert_int_equal(pthread_create(&l.thread, NULL, b_thread, &l), 0);
    }
    met = !l.v->tcp ? a_attaches(&l) : l.v->server ? a_accepts(&l) : a_connects(&l);
    if (l.v->waits && (l.v->server || !l.v->tcp)) {
        assert_int_equal(pthread_create(&l.thread, NULL, b_thread, &l), 0);
    }
    if (met) {
        struct ssl_info info;

        a_talks(&l);
        assert_int_equal(ssl_info(l.a.fd, &info), 0);
        early = early || info.early == SSL_EARLY_ACCEPTED;
    }
    if (l.a.fd >= 0) {
        fault_begin("ssl_close(l.a.fd)");
        ssl_close(l.a.fd);
        fault_end();
    }
    if (l.v->waits) {
        l.over = true;
        pthread_join(l.thread, NULL);
    }
    for (int i = 0; i < 2000 && l.b.fd >= 0 && !b_done(&l); i++) {
        b_step(&l);
        nap_ms(i > 20 ? 1 : 0);
    }
    if (l.b.fd >= 0) {
        ssl_close(l.b.fd);
    }
    if (l.listener >= 0) {
        ssl_close(l.listener);
    }
    judge(&l);
    assert_int_equal(fault.signals, fault.kind == SIGNAL);
    if (open_fds() != before) {
        fail_msg("%s: %u fds before, %u after", fault_text(), before, open_fds());
    }
}

/* With a session to be early under, which another life has left. */
static void live_early(void *arg)
{
    unsigned nth = fault.nth, turn = fault.turn;

    if (client_sessions_count() == 0) {
        fault_arm(0, 0);
        live(arg);
        fault_arm(nth, turn);
    }
    live(arg);
}

static void threat_37_early_data(void **state)
{
    struct variant v = { .tcp = true, .early = true, .version = 0x0304 };

    (void)state;
    set_number(SSL_DEFAULTS, SSL_OPT_MAX_VERSION, v.version);
    set_number(SSL_DEFAULTS, SSL_OPT_SESSION_REUSE, 1);
    set_number(SSL_DEFAULTS, SSL_OPT_EARLY_DATA, 16384);
    early = false;
    print_message("%u calls\n", each_fault(live_early, &v));
    v.waits = true;
    print_message("%u calls\n", each_fault(live_early, &v));
    assert_true(early);
    set_number(SSL_DEFAULTS, SSL_OPT_SESSION_REUSE, 0);
    set_number(SSL_DEFAULTS, SSL_OPT_EARLY_DATA, 0);
}

static void all_of(struct variant v)
{
    unsigned total;
    long before;

    for (int server = 0; server < 2; server++) {
        v.server = server;
        for (v.version = 0x0303; v.version <= 0x0304; v.version++) {
            set_number(SSL_DEFAULTS, SSL_OPT_MAX_VERSION, v.version);
            handle_signal(v.restarts);
            fault_arm(0, 0);
            live(&v);
            before = living;
            total = each_fault(live, &v);
            print_message("%u calls\n", total);
            assert_int_equal(living, before);
        }
    }
}

static void threat_37_nonblocking(void **state)
{
    (void)state;
    all_of((struct variant){ .tcp = false });
}

static void threat_37_blocking(void **state)
{
    (void)state;
    all_of((struct variant){ .waits = true });
    all_of((struct variant){ .waits = true, .restarts = true });
}

static void threat_37_connect_and_accept(void **state)
{
    (void)state;
    all_of((struct variant){ .tcp = true });
    all_of((struct variant){ .tcp = true, .waits = true });
}

static int setup(void **state)
{
    usual = mem_hooks;
    mem_hooks = (struct mem_hooks){ count_alloc, count_release };
    faults_setup(state);
    set_string(SSL_DEFAULTS, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(SSL_DEFAULTS, SSL_OPT_NAME, "server.test");
    set_string(SSL_DEFAULTS, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_number(SSL_DEFAULTS, SSL_OPT_SESSION_REUSE, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_37_nonblocking),
        cmocka_unit_test(threat_37_blocking),
        cmocka_unit_test(threat_37_connect_and_accept),
        cmocka_unit_test(threat_37_early_data),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
