/* SPDX-License-Identifier: ISC */
/* How a connection begins and ends, and which fds name it. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "shim/conn.h"
#include "shim/prelude.h"
#include "shim/sessions.h"
#include "shim/share.h"

#define HANDSHAKE_MS 60000
#define LINGER_MS    2000

int cookie_of(int fd, uint64_t *cookie)
{
    socklen_t n = sizeof *cookie;

    *cookie = 0;
    return sys.getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &n) && errno != ENOPROTOOPT ? -1 : 0;
}

/* Where the kernel does not tell (a program may have given up the right to ask), it is: what is
 * taken for another file passes in clear. */
bool cookie_is(int fd, uint64_t cookie)
{
    uint64_t now = 0;
    socklen_t n = sizeof now;
    int saved = errno;
    bool is;

    if (sys.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &now, &n) == 0) {
        return now == cookie;
    }
    is = errno != EBADF && errno != ENOTSOCK;
    errno = saved;
    return is;
}

bool conn_on_socket(const struct conn *c, int fd)
{
    return cookie_is(fd, c->entry.cookie);
}

static int refuse(struct error *err, int code, int num, const char *why)
{
    error_set(err, code, "conn_attach", "%s", why);
    errno = num;
    return -1;
}

/* Only a stream socket, and not one that is a TLS connection already. */
static int check_socket(int fd, struct error *err)
{
    struct conn *old;
    int type = 0;
    socklen_t n = sizeof type;

    if (sys.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0) {
        return refuse(err, ERR_ARG, errno, "not a socket");
    }
    if (type != SOCK_STREAM) {
        return refuse(err, ERR_ARG, EPROTOTYPE, "TLS needs a stream socket");
    }
    old = conn_get(fd);
    if (old && conn_on_socket(old, fd)) {
        conn_put(old);
        return refuse(err, ERR_STATE, EISCONN, "this socket is a TLS connection already");
    }
    conn_put(old);
    return 0;
}

/* The engine's part, with a session of an earlier connection if there is one. */
static int begin(struct conn *c, const struct conn_params *p, int fd, struct error *err)
{
    struct tls_session *session = NULL;
    int rc;

    c->sessions = client_sessions_new(p, fd);
    if (c->sessions) {
        session = client_sessions_take(c->sessions, p->session_ttl);
    }
    rc = tls_new(&c->tls, p->config, p->host, p->sni, session, err);
    if (rc == 0 && c->sessions) {
        tls_set_keep(c->tls, client_sessions_keep, c->sessions);
        early_begin(c, session, p->early_max);
    }
    session_unref(session);
    return rc;
}

void conn_set_up(struct conn *c, const struct conn_params *p, uint64_t cookie)
{
    int timeout = p->handshake_timeout_ms ? p->handshake_timeout_ms : HANDSHAKE_MS;

    c->role = config_role(p->config);
    c->config = config_ref(p->config);
    c->entry.cookie = cookie;
    c->timeout_ms = timeout;
    conn_clock(c);
    atomic_store(&c->park_after_ms, p->park_after_ms);
    c->linger_ms = p->linger_ms ? p->linger_ms : LINGER_MS;
    c->lenient_eof = p->lenient_eof;
    c->clear_ok = p->clear_ok && c->role == TLS_SERVER;
    atomic_store(&c->first, (int)(c->role == TLS_CLIENT ? p->first : CONN_FIRST_ANY));
    c->on_event = p->on_event;
    c->ctx = p->ctx;
    c->tag = p->tag;
    c->plain.secret = c->early.secret = c->clear.secret = true;
    c->early.max = EARLY_MAX;
}

/* A connection that has not met its fd yet. */
static struct conn *make(const struct conn_params *p, int fd, uint64_t cookie, struct error *err)
{
    struct conn *c = (struct conn *)table_new(ENTRY_CONN);
    int rc;

    if (!c) {
        refuse(err, ERR_MEM, ENOMEM, "no memory for another connection");
        return NULL;
    }
    conn_set_up(c, p, cookie);
    rc = conn_prelude_begin(c, p->prelude, err);
    rc = rc < 0 ? rc : begin(c, p, fd, err);
    if (rc < 0) {
        error_set(err, rc, "conn_attach", "%s", error_name(rc));
        c->tls = NULL;
        c->prelude = NULL;
        conn_put(c);
        errno = errno_of(err);
        return NULL;
    }
    atomic_store(&c->unsent, c->role == TLS_CLIENT || c->prelude);
    return c;
}

int conn_renew(struct conn *c, int fd, struct config *config, struct error *err)
{
    struct tls *fresh = NULL;
    struct tls_info i;
    struct hold h;
    int rc = -1;

    error_clear(err);
    if (conn_enter(&h, c, fd, HALF_BOTH)) {
        return refuse(err, ERR_STATE, errno, strerrordesc_np(errno));
    }
    tls_get_info(c->tls, &i);
    if (c->role != TLS_SERVER || atomic_load(&c->state) != CONN_HANDSHAKE || i.version != 0) {
        refuse(err, ERR_STATE, EISCONN, "the handshake has begun");
    } else if (tls_new(&fresh, config, NULL, NULL, NULL, err) < 0) {
        errno = errno_of(err);
    } else {
        tls_free(c->tls);
        c->tls = fresh;
        config_unref(c->config);
        c->config = config_ref(config);
        rc = 0;
    }
    conn_leave(&h);
    return rc;
}

static int attach(int fd, const struct conn_params *p, struct error *err)
{
    struct entry *seen = NULL;
    uint64_t cookie;
    struct conn *c;
    int rc = -1;

    error_clear(err);
    fork_look();
    if (check_socket(fd, err)) {
        return -1;
    }
    if (cookie_of(fd, &cookie)) {
        return refuse(err, ERR_ARG, errno, "the kernel does not tell which socket it is");
    }
    if (p->seen && p->seen->cookie != cookie) {
        return refuse(err, ERR_CLOSED, EBADF, "the socket was closed meanwhile");
    }
    if (table_reserve(fd)) {
        return refuse(err, ERR_MEM, errno, "no memory for another connection");
    }
    seen = entry_get(fd);
    c = make(p, fd, cookie, err);
    if (c && table_replace(fd, &c->entry, p->seen ? p->seen : seen)) {
        c->prelude = NULL;
        conn_put(c);
        refuse(err, ERR_STATE, errno == EAGAIN ? EBADF : errno, "closed or attached meanwhile");
    } else if (c) {
        rc = 0;
    }
    entry_put(seen);
    return rc;
}

int conn_attach(int fd, const struct conn_params *p, struct error *err)
{
    struct error local;
    sigset_t signals;
    int rc, saved, cancel;

    calm(&signals, &cancel); /* who jumped out of libcrypto would leave its locks taken */
    rc = attach(fd, p, err ? err : &local);
    saved = errno;
    if (rc != 0) {
        prelude_free(p->prelude);
    }
    uncalm(&signals, cancel);
    errno = rc ? saved : errno;
    return rc;
}

/* ---- the end ---- */

void conn_destroy(struct conn *c)
{
    pthread_mutex_destroy(&c->read_lock);
    pthread_mutex_destroy(&c->write_lock);
    tls_free(c->tls);
    buf_free(&c->plain);
    buf_free(&c->raw);
    buf_free(&c->early);
    buf_free(&c->clear);
    prelude_free(c->prelude);
    session_unref(c->early_session);
    client_sessions_free(c->sessions);
    config_unref(c->config);
    c->tls = NULL;
    c->config = NULL;
    entry_put(c->options);
    share_release(c);
}

/* How long close() may wait; < 0: the caller wants an abortive end (SO_LINGER with 0 seconds). */
static int linger_of(const struct conn *c, int fd)
{
    struct linger l = { 0 };
    socklen_t n = sizeof l;

    if (sys.getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &n) == 0 && l.l_onoff) {
        return l.l_linger == 0 ? -1 : l.l_linger > 1 << 20 ? 1 << 30 : l.l_linger * 1000;
    }
    return c->linger_ms;
}

/* What other processes have still is left to them without a word. And another thread may have
 * closed fd while the halves were free. */
static bool may_end(struct conn *c, int fd)
{
    return !atomic_load(&c->claim.lost) && table_names(fd, c) && conn_on_socket(c, fd);
}

/* In both halves of a connection that is ending, so no one else comes in. */
static bool still_to_send(struct conn *c, int fd)
{
    if (atomic_load(&c->state) == CONN_HANDSHAKE && buf_len(&c->early) > 0) {
        conn_step(c, fd, UNTIL_DONE);
        return atomic_load(&c->state) == CONN_HANDSHAKE;
    }
    if (atomic_load(&c->state) != CONN_OPEN) {
        return false;
    }
    return conn_flush(c, fd) > 0;
}

/* A client that has heard nothing since the handshake may have a server's tickets still to come
 * (RFC 8446 section 4.6.1). Bytes for a closed socket reset the connection, and what the kernel has
 * not delivered yet is lost: so it is not closed before they are here, or all has arrived. */
static bool on_its_way(struct conn *c, int fd)
{
    int left = 0;

    if (c->role != TLS_CLIENT || atomic_load(&c->state) != CONN_OPEN ||
        c->wire.in != c->in_handshake || c->saw_close || c->saw_eof) {
        return false;
    }
    /* After a reset the kernel counts what was on its way for ever. */
    return sys.shutdown(fd, SHUT_WR) == 0 && !conn_drain(fd) &&
           sys.ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0;
}

/* Says close_notify and gets rid of what waits, for at most the linger time. */
static void say_goodbye(struct hold *h, int fd, int budget)
{
    struct conn *c = h->c;
    struct pollfd p = { 0 };
    int64_t end = now_ms() + budget;
    bool closing = false, leaving, nap;

    /* Each time the halves were free, another thread may have closed fd. */
    while (may_end(c, fd)) {
        bool more = still_to_send(c, fd);

        if (!more && !closing && atomic_load(&c->state) == CONN_OPEN) {
            tls_close(c->tls);
            closing = true;
            continue;
        }
        leaving = !more && on_its_way(c, fd);
        budget = (int)(end - now_ms());
        if ((!more && !leaving) || budget <= 0) {
            (void)conn_drain(fd);
            return;
        }
        nap = leaving || atomic_load(&c->asking);
        p.events = atomic_load(&c->unsent) ? POLLOUT : POLLIN;
        p.fd = nap ? -1 : fd; /* that the peer has hung up is no reason to wake */
        budget = nap ? 1 : budget;
        /* A close() that a jump cuts short must not leave the halves taken. */
        wait_begin(c, -1);
        conn_give(c, HALF_BOTH);
        free_signals(h);
        sys.poll(&p, 1, budget);
        hold_signals(h);
        wait_end(c);
        conn_take(c, HALF_BOTH);
    }
}

/* From when the fd is forgotten to when it is closed, a write of another thread's would not be ours
 * to refuse: the kernel has to. And it wakes those who wait. */
static void seal_off(struct conn *c, int fd, bool abort)
{
    struct sockaddr none = { .sa_family = AF_UNSPEC };

    /* connect() to nothing is the reset that close() with SO_LINGER of 0 seconds sends. */
    if (!abort || sys.connect(fd, &none, sizeof none) != 0) {
        sys.shutdown(fd, SHUT_RDWR);
    }
    /* The keys go now, not with the last reference: a thread that jumped away may have left one. */
    if (!c->claim.torn) {
        tls_end(c->tls);
    }
}

/* In both halves; fd is the last that names c. */
static void end(struct hold *h, int fd)
{
    struct conn *c = h->c;
    struct entry *gone = NULL;
    int budget;

    if (may_end(c, fd)) {
        budget = linger_of(c, fd);
        if (budget >= 0) {
            say_goodbye(h, fd, budget);
        }
        if (may_end(c, fd)) {
            seal_off(c, fd, budget < 0);
        }
    }
    table_lock();
    if (table_names(fd, c)) { /* else the fd was closed and attached anew meanwhile */
        gone = table_set(fd, NULL);
    }
    table_unlock();
    atomic_fetch_or(&c->events_due, 1U << CONN_EVENT_CLOSED);
    entry_put(gone);
}

static void close_conn(struct conn *c, int fd)
{
    struct hold h = { .c = c, .fd = -1, .halves = HALF_BOTH };
    struct entry *gone = NULL;
    bool last = false, again = false;

    if (share_take(&h) != 0) { /* the others have it, one of them was stopped inside */
        hush(&h);
        conn_take(c, HALF_BOTH);
    }
    table_lock();
    if (table_names(fd, c)) { /* else another thread has closed it */
        last = c->entry.nfds == 1;
        again = last && atomic_load(&c->ending); /* who closed it first jumped away, or waits */
        if (last) {
            atomic_store(&c->ending, true); /* the slot keeps it until all is sealed off */
        } else {
            gone = table_set(fd, NULL);
        }
    }
    table_unlock();
    share_let_go(&h, last && !again);
    if (again && may_end(c, fd)) {
        seal_off(c, fd, false);
    }
    if (again) {
        table_lock();
        gone = table_set(fd, NULL);
        table_unlock();
    } else if (last) {
        end(&h, fd);
    }
    entry_put(gone);
    conn_leave(&h);
    if (last) {
        wait_out(c, c->linger_ms);
    }
}

void conn_closing(int fd)
{
    int saved = errno;
    struct entry *e;

    if (fd < 0 || !table_at(fd) || fork_vforked() || !(e = entry_get(fd))) {
        return;
    }
    if (e->kind == ENTRY_CONN) {
        close_conn((struct conn *)e, fd);
    } else {
        table_drop(fd, e);
    }
    entry_put(e);
    errno = saved;
}
