/* SPDX-License-Identifier: ISC */
/* What a relay does all day: bytes from the program to TLS, bytes from TLS to the program, the end
 * of each direction by itself. A direction reads only when all it has read before is gone, so who
 * does not read makes the other side wait.
 *
 * An end is passed on as what it is: shutdown() as close_notify and the other way round; what is
 * truncated as a reset, never as an end of file (threat 25). That the program has closed its last
 * descriptor, and not only shut its write side down, the kernel tells us by a reset behind the FIN
 * (TCP_LINGER2, relay.c). */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "preload/relay.h"

#define ROOM      65536
#define TAIL_MS   120000 /* how long the last bytes may take: for nobody but the peer */
#define RESET_MS  20     /* how long a reset behind a FIN may take */
#define UNREAD_MS 10000  /* likewise what the program has not read when the peer resets */

struct way {
    size_t at, n; /* bytes that wait: room[at..n) */
    bool eof;     /* there will be no more */
    bool shut;    /* and the other side has been told */
    char room[ROOM];
};

struct relay {
    struct conn *c;
    int tls, end;
    bool deaf;   /* RELAY_WRITES */
    bool gone;   /* the program has closed its last descriptor */
    bool reset;  /* it has not ended in order */
    bool broken; /* TLS is at its end out of order */
};

/* In static memory: only pages that are used cost something. */
static struct way up, down;

static bool waits(const struct way *w)
{
    return w->at < w->n;
}

static bool later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOBUFS ||
           errno == ENOMEM;
}

/* ---- program -> TLS ---- */

/* An end of file: of all, or of this direction only? A socket that was closed answers the
 * acknowledgement of its FIN, which is sent now, with a reset. */
static void look_if_gone(struct relay *r)
{
    struct pollfd p = { .fd = r->end };
    int now = 1;

    REAL(setsockopt)(r->end, IPPROTO_TCP, TCP_QUICKACK, &now, sizeof now);
    if (REAL(poll)(&p, 1, RESET_MS) > 0 && p.revents & (POLLHUP | POLLERR)) {
        r->gone = true;
    }
}

static void from_program(struct relay *r)
{
    ssize_t got;

    if (waits(&up) || up.eof) {
        return;
    }
    got = REAL(recv)(r->end, up.room, sizeof up.room, MSG_DONTWAIT);
    up.at = 0;
    up.n = got > 0 ? (size_t)got : 0;
    if (got == 0) {
        up.eof = true;
        look_if_gone(r);
    } else if (got < 0 && (!later() || (r->gone && errno != EINTR))) {
        r->reset = r->gone = true; /* who is gone would have left bytes or an end */
    }
}

static void to_tls(struct relay *r, bool room)
{
    struct iovec v = { .iov_base = up.room + up.at, .iov_len = up.n - up.at };
    ssize_t put;

    if (waits(&up)) {
        put = conn_writev(r->c, r->tls, &v, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0) {
            up.at += (size_t)put;
        } else if (put < 0 && !later()) {
            r->broken = true;
        }
    } else if (up.eof && !up.shut && !r->gone &&
               room) { /* so it need not wait, even where the fd says to */
        up.shut = true;
        if (conn_shutdown(r->c, r->tls, SHUT_WR) != 0 && !later()) {
            r->broken = true;
        }
    }
}

/* ---- TLS -> program ---- */

static void from_tls(struct relay *r)
{
    struct iovec v = { .iov_base = down.room, .iov_len = sizeof down.room };
    ssize_t got;

    if (waits(&down) || down.eof || r->deaf) {
        return;
    }
    got = conn_readv(r->c, r->tls, &v, 1, MSG_DONTWAIT);
    down.at = 0;
    down.n = got > 0 ? (size_t)got : 0;
    if (got == 0) {
        down.eof = true;
    } else if (got < 0 && !later()) {
        r->broken = true;
    }
}

static void to_program(struct relay *r)
{
    ssize_t put;

    if (waits(&down)) {
        put =
            REAL(send)(r->end, down.room + down.at, down.n - down.at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0) {
            down.at += (size_t)put;
        } else if (put < 0 && !later()) {
            r->reset = r->reset || errno == ECONNRESET; /* the kernel says it once only */
            r->gone = true;
        }
    }
    if (!waits(&down) && down.eof && !down.shut) {
        down.shut = true;
        REAL(shutdown)(r->end, SHUT_WR);
    }
}

/* ---- both ---- */

static void wait_for_work(struct relay *r, struct pollfd p[static 2])
{
    p[0] = (struct pollfd){ .fd = r->tls };
    p[1] = (struct pollfd){ .fd = r->gone ? -1 : r->end };
    if (!waits(&down) && !down.eof && !r->gone && !r->deaf) {
        p[0].events |= POLLIN;
    }
    if (waits(&up) || (up.eof && !up.shut)) {
        p[0].events |= POLLOUT;
    }
    if (!waits(&up) && !up.eof) {
        p[1].events |= POLLIN;
    }
    if (waits(&down)) {
        p[1].events |= POLLOUT;
    }
    if (p[0].events == 0) { /* its state is of no interest now, and poll() would go on telling it */
        p[0].fd = -1;
    }
    /* What a program that is gone has left is there to be read. */
    if (conn_poll(p, 2, r->gone && !waits(&up) ? 0 : -1) < 0) {
        p[0].revents = p[1].revents = 0;
    }
}

/* One turn. false: there is nothing left to do. */
static bool turn(struct relay *r)
{
    struct pollfd p[2];

    wait_for_work(r, p);
    if (p[1].revents & (POLLHUP | POLLERR)) {
        r->gone = true;
    }
    if (r->gone || p[1].revents) {
        from_program(r);
    }
    if (p[0].revents || waits(&up)) {
        to_tls(r, p[0].revents & POLLOUT);
    }
    if (p[0].revents && !r->gone) {
        from_tls(r);
    }
    if (r->gone) {
        return !r->reset && !r->broken && (waits(&up) || !up.eof);
    }
    to_program(r);
    return !r->broken && !(up.shut && down.shut);
}

/* ---- the end ---- */

/* Bytes in the kernel that the other side has not taken. */
static bool unread(int fd)
{
    int n = 0;

    return REAL(ioctl)(fd, SIOCOUTQ, &n) == 0 && n > 0;
}

/* TLS has ended out of order: what came before goes to the program, and then a reset. */
static void end_broken(struct relay *r)
{
    struct pollfd p = { .fd = r->end };

    from_tls(r);
    for (int64_t end = clock_ns() + UNREAD_MS * (int64_t)1000000;
         (waits(&down) || unread(r->end)) && !r->gone && clock_ns() < end;) {
        p.events = waits(&down) ? POLLOUT : 0;
        if (REAL(poll)(&p, 1, 20) > 0 && p.revents & (POLLHUP | POLLERR)) {
            return;
        }
        to_program(r);
        if (!waits(&down)) {
            from_tls(r);
        }
    }
}

/* The last bytes for the peer, then close_notify. */
static void end_in_order(struct relay *r)
{
    struct linger orderly = { .l_onoff = 0 };
    struct pollfd p = { .fd = r->tls, .events = POLLOUT };

    if (!up.shut) {
        (void)!conn_poll(&p, 1, TAIL_MS);
    }
    if (down.shut) {
        REAL(setsockopt)(r->end, SOL_SOCKET, SO_LINGER, &orderly, sizeof orderly);
    }
}

void relay_run(struct conn *c, int tls, int end, enum relay_use use)
{
    struct relay r = { .c = c, .tls = tls, .end = end, .deaf = use == RELAY_WRITES };
    struct linger abort = { .l_onoff = 1 };

    while (turn(&r)) {
    }
    if (r.broken) {
        end_broken(&r);
    }
    if (r.reset && !r.broken) { /* what it wrote may not be whole: no close_notify */
        REAL(setsockopt)(tls, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    } else if (!r.broken) {
        end_in_order(&r);
    }
    conn_closing(tls);
    REAL(close)(tls);
    REAL(close)(end);
}
