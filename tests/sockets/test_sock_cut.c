/* SPDX-License-Identifier: ISC */
/* threat 29: a stream that is cut, reset or held up at any byte never looks like one that ended.
 *
 * client <-> relay <-> server, all in one thread; the relay passes so many bytes of one direction,
 * then does what it is to do. By default each byte has one of the three fates, the next byte the
 * next one; with SLEEVE_TEST_FULL=1 each has all. */
#include "shim/sessions.h"
#include "tests/sockets/clock.h"
#include "tests/sockets/peers.h"

enum fate { FIN, RESET, STALL, FATES };
struct mode {
    int version, eof;
    bool resumed, early; /* threat 33 */
};
struct end {
    int fd;
    const char *says;
    size_t said, ngot;
    char got[128];
    bool mute, connected, ended;
    int err;
};
struct line {
    const struct mode *m;
    struct end end[2]; /* client, server */
    int side[2];       /* the relay's ends towards them */
    int from;          /* whose bytes are counted; the other one is the victim */
    size_t pass;
    enum fate fate;
    size_t passed[2];
    bool over[2], acted;
};

static int outer, inner; /* where clients and the relay connect to */
static struct sockaddr_in outer_at, inner_at;
static struct ssl_info facts; /* of the last client */
static const size_t piece[] = { 17, 32, 45, 0 };
static const char *const text[2] = { "the first record|the second one|and the last",
                                     "THE FIRST RECORD|THE SECOND ONE|AND THE LAST" };
#define TEXT 45 /* with its NUL */

static int listen_at(struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static void quick(int fd)
{
    nonblocking(fd, true);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

static void open_line(struct line *l, const struct mode *m, int from, size_t pass, enum fate fate)
{
    *l = (struct line){ .m = m, .from = from, .pass = pass, .fate = fate };
    for (int i = 0; i < 2; i++) {
        l->end[i].says = text[i];
    }
    l->end[0].fd = ssl_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    quick(l->end[0].fd);
    set_number(l->end[0].fd, SSL_OPT_EOF, m->eof);
    l->side[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(l->side[1], (struct sockaddr *)&inner_at, sizeof inner_at), 0);
    l->end[1].fd = accept4(inner, NULL, NULL, SOCK_CLOEXEC);
    quick(l->end[1].fd);
    quick(l->side[1]);
    assert_int_equal(ssl_attach(l->end[1].fd, SSL_SERVER), 0);
    /* With early data it may say that TCP is connected. */
    l->end[0].connected =
        ssl_connect(l->end[0].fd, (struct sockaddr *)&outer_at, sizeof outer_at) == 0;
    assert_true(l->end[0].connected || errno == EINPROGRESS);
    l->side[0] = accept4(outer, NULL, NULL, SOCK_CLOEXEC);
    assert_true(l->side[0] >= 0);
    quick(l->side[0]);
}

/* With a reset: nothing is left in the kernel. */
static void hang_up(struct line *l)
{
    struct linger now = { 1, 0 };

    for (int i = 0; i < 2; i++) {
        if (l->side[i] >= 0) {
            setsockopt(l->side[i], SOL_SOCKET, SO_LINGER, &now, sizeof now);
            close(l->side[i]);
        }
        l->side[i] = -1;
    }
}

static void act(struct line *l)
{
    l->acted = true;
    l->over[l->from] = true;
    if (l->fate == FIN) {
        shutdown(l->side[!l->from], SHUT_WR);
    } else if (l->fate == RESET) {
        hang_up(l);
    }
}

/* Whether it had anything to do. */
static bool relay_from(struct line *l, int i)
{
    char buf[4096];
    size_t room = i == l->from ? l->pass - l->passed[i] : sizeof buf;
    ssize_t n = recv(l->side[i], buf, room < sizeof buf && !l->over[i] ? room : sizeof buf, 0);

    if (n > 0 && !l->over[i]) {
        (void)!send(l->side[!i], buf, (size_t)n, MSG_NOSIGNAL);
        l->passed[i] += (size_t)n;
    } else if (n == 0 && !l->over[i]) {
        shutdown(l->side[!i], SHUT_WR);
        l->over[i] = true;
    }
    if (i == l->from && !l->acted && l->passed[i] == l->pass) {
        act(l);
    }
    return n > 0;
}

static bool relay(struct line *l)
{
    bool busy = false;

    for (int i = 0; i < 2; i++) {
        busy = (l->side[i] >= 0 && relay_from(l, i)) || busy;
    }
    return busy;
}

static bool soft(void)
{
    return errno == EAGAIN || errno == EINPROGRESS || errno == EALREADY;
}

static int failed(const struct end *e)
{
    if (soft()) {
        return 0;
    }
    assert_true(strlen(ssl_error(e->fd)) > 0);
    return errno;
}

static void speak(struct line *l, struct end *e)
{
    size_t n = piece[e->said] - (e->said ? piece[e->said - 1] : 0);
    int flags = MSG_NOSIGNAL | (l->m->early && e == l->end && e->said == 0 ? SSL_MSG_EARLY : 0);

    if (piece[e->said] == 0) {
        e->mute = ssl_shutdown(e->fd, SHUT_WR) == 0 || failed(e);
    } else if (ssl_send(e->fd, e->says + piece[e->said] - n, n, flags) == (ssize_t)n) {
        e->said++;
    } else {
        e->mute = failed(e) != 0; /* what has come before can be read still */
    }
}

/* One end as far as it goes; whether it went at all. */
static bool step(struct line *l, int i)
{
    struct end *e = &l->end[i];
    size_t before = e->ngot + e->said + e->mute;
    ssize_t n = 1;

    if (i == 0 && !e->connected) {
        e->connected = ssl_connect(e->fd, (struct sockaddr *)&outer_at, sizeof outer_at) == 0 ||
                       errno == EISCONN;
        if (!e->connected) {
            e->err = failed(e);
            return false;
        }
    }
    while (!e->err && !e->ended && n > 0) {
        n = ssl_read(e->fd, e->got + e->ngot, sizeof e->got - e->ngot);
        e->ngot += n > 0 ? (size_t)n : 0;
        e->ended = n == 0;
        e->err = n < 0 ? failed(e) : 0;
    }
    /* The server answers: what it says before the handshake is done is one record. */
    for (size_t said = SIZE_MAX; !e->err && !e->mute && said != e->said && (i == 0 || e->ngot);) {
        said = e->said;
        speak(l, e);
    }
    return before != e->ngot + e->said + e->mute;
}

static bool done(const struct end *e)
{
    return e->err || (e->ended && e->mute);
}

/* Until the victim has seen its end; or, when it is held up, until nothing goes on. */
static void play(struct line *l)
{
    const struct end *victim = &l->end[!l->from];
    int quiet = 0;

    while (!(done(victim) && (done(&l->end[l->from]) || l->acted)) && quiet < 5000 &&
           (!l->acted || l->fate != STALL || quiet < 4)) {
        bool busy = step(l, 0);

        busy = relay(l) || busy;
        busy = step(l, 1) || busy;
        busy = relay(l) || busy;
        quiet = busy ? 0 : quiet + 1;
        if (quiet > 4) {
            nap_ms(1);
        }
    }
    assert_true(quiet < 5000);
}

static void end_is_sound(const struct line *l, int i)
{
    const struct end *e = &l->end[i];
    char c;

    assert_true(e->ngot == 0 || e->ngot == 17 || e->ngot == 32 || e->ngot == TEXT);
    assert_memory_equal(e->got, text[!i], e->ngot);
    if (e->ended && l->m->eof == SSL_EOF_STRICT) {
        assert_int_equal(e->ngot, TEXT);
    } else if (e->err) {
        for (int k = 0; k < 2; k++) { /* each time */
            errno = 0;
            assert_int_equal(ssl_read(e->fd, &c, 1), -1);
            assert_int_equal(errno, e->err);
        }
    }
}

/* A handshake ends by its deadline; who is connected waits for ever, or as SO_RCVTIMEO has it. */
static void held_up(struct line *l)
{
    struct end *e = &l->end[!l->from];
    struct ssl_info info;
    char c;

    assert_int_equal(ssl_info(e->fd, &info), 0);
    if (info.connected) {
        assert_int_equal(e->err, 0);
        if (!e->ended && l->pass % 16 == 0) {
            nonblocking(e->fd, false);
            timeout_ms(e->fd, SO_RCVTIMEO, 1);
            assert_fails(ssl_read(e->fd, &c, 1), EAGAIN);
        }
        return;
    }
    if (l->pass % 16 == 0) {
        nonblocking(e->fd, false);
        timeout_ms(e->fd, SO_SNDTIMEO, 1);
        assert_fails(ssl_handshake(e->fd), EAGAIN);
    }
    clock_on_ms(60001);
    assert_fails(ssl_handshake(e->fd), ETIMEDOUT);
    assert_non_null(strstr(ssl_error(e->fd), "too long"));
    assert_fails(ssl_read(e->fd, &c, 1), ETIMEDOUT);
}

/* Whether the victim has seen a clean end. */
static bool life(const struct mode *m, int from, size_t pass, enum fate fate, size_t passed[2])
{
    struct line l;
    const struct end *victim = &l.end[!from];

    open_line(&l, m, from, pass, fate);
    play(&l);
    for (int i = 0; i < 2; i++) {
        end_is_sound(&l, i);
    }
    if (l.acted && fate == STALL) {
        held_up(&l);
    } else if (l.acted && victim->err) {
        assert_true(victim->err == ECONNRESET || (fate == RESET && victim->err == EPIPE));
    }
    memcpy(passed, l.passed, sizeof l.passed);
    assert_int_equal(ssl_info(l.end[0].fd, &facts), 0);
    hang_up(&l);
    ssl_close(l.end[0].fd);
    ssl_close(l.end[1].fd);
    return victim->ended;
}

static size_t others; /* sessions that were there before: of other modes */

static void begin(const struct mode *m)
{
    set_number(SSL_DEFAULTS, SSL_OPT_MAX_VERSION, m->version);
    set_number(SSL_DEFAULTS, SSL_OPT_SESSION_REUSE, m->resumed);
    set_number(SSL_DEFAULTS, SSL_OPT_EARLY_DATA, m->early ? 1000 : 0);
    others = client_sessions_count();
}

/* A client that is to resume has what it takes. */
static void warm_up(const struct mode *m)
{
    size_t passed[2];

    if (m->resumed && client_sessions_count() <= others) {
        assert_true(life(m, 0, SIZE_MAX, FIN, passed));
    }
}

/* Signatures have lengths of their own each time: the last bytes are looked at from the end. */
#define SPREAD 10

static void each_byte(const struct mode *m)
{
    const bool full = getenv("SLEEVE_TEST_FULL") != NULL;
    size_t passed[2], total[2];

    begin(m);
    warm_up(m);
    assert_true(life(m, 0, SIZE_MAX, FIN, total));
    assert_int_equal(facts.resumed, m->resumed);
    assert_int_equal(facts.early_bytes, m->early ? piece[0] : 0);
    for (int from = 0; from < 2; from++) {
        for (size_t pass = 1; pass <= total[from] + SPREAD; pass++) {
            for (unsigned i = 0; i < (full ? FATES : 1); i++) {
                warm_up(m);
                if (life(m, from, pass, (enum fate)((pass + i) % FATES), passed)) {
                    assert_in_range(pass, total[from] - SPREAD, total[from] + SPREAD);
                }
            }
        }
        warm_up(m);
        assert_true(life(m, from, total[from] + 100, FIN, passed));
    }
    print_message("%zu, %zu bytes\n", total[0], total[1]);
}

static void threat_29_tls13(void **state)
{
    (void)state;
    each_byte(&(struct mode){ .version = 0x0304 });
}

static void threat_29_tls12(void **state)
{
    (void)state;
    each_byte(&(struct mode){ .version = 0x0303 });
}

static void threat_29_resumed(void **state)
{
    (void)state;
    each_byte(&(struct mode){ .version = 0x0304, .resumed = true });
    each_byte(&(struct mode){ .version = 0x0303, .resumed = true });
}

static void threat_29_early_data(void **state)
{
    (void)state;
    each_byte(&(struct mode){ .version = 0x0304, .resumed = true, .early = true });
}

/* SSL_EOF_LENIENT forgives a missing close_notify, but not half a record. */
static void threat_29_lenient(void **state)
{
    const struct mode m = { .version = 0x0304, .eof = SSL_EOF_LENIENT, .resumed = true };
    size_t passed[2], total[2], clean = 0;

    (void)state;
    begin(&m);
    warm_up(&m);
    assert_true(life(&m, 1, SIZE_MAX, FIN, total));
    for (size_t pass = total[1] - 130; pass < total[1]; pass++) {
        warm_up(&m);
        clean += life(&m, 1, pass, FIN, passed);
    }
    assert_int_equal(clean, 3); /* behind one record of data, two, and all */
}

/* A reset is an error, whatever came before. */
static void reset(void **state)
{
    struct linger now = { 1, 0 };
    char buf[16];
    int f[2];

    (void)state;
    tls_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ssl_close(f[0]); /* SO_LINGER of 0: no close_notify */
    assert_fails(ssl_read(f[1], buf, sizeof buf), ECONNRESET);
    assert_fails(ssl_read(f[1], buf, sizeof buf), ECONNRESET);
    ssl_close(f[1]);
}

/* After a truncated answer our own words still go out: only reading is over. */
static void half_cut(void **state)
{
    char buf[16];
    int f[2];

    (void)state;
    tls_pair(f);
    shutdown(f[1], SHUT_WR); /* below TLS */
    assert_fails(ssl_read(f[0], buf, sizeof buf), ECONNRESET);
    assert_int_equal(ssl_write(f[0], "still", 5), 5);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 5);
    close_pair(f);
}

static int setup(void **state)
{
    peers_setup(state);
    outer = listen_at(&outer_at);
    inner = listen_at(&inner_at);
    set_string(SSL_DEFAULTS, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(SSL_DEFAULTS, SSL_OPT_NAME, "server.test");
    set_string(SSL_DEFAULTS, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_number(SSL_DEFAULTS, SSL_OPT_TICKETS, 4);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_29_tls13),   cmocka_unit_test(threat_29_tls12),
        cmocka_unit_test(threat_29_resumed), cmocka_unit_test(threat_29_early_data),
        cmocka_unit_test(threat_29_lenient), cmocka_unit_test(reset),
        cmocka_unit_test(half_cut),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
