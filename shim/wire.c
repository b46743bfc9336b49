/* SPDX-License-Identifier: ISC */
/* The tripwire. TCP knows how many bytes it was ever given: those that were acknowledged and those
 * that wait (TCP_INFO, SIOCOUTQ). When that is more than we gave it, something wrote on the socket
 * past us, and in clear. */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "shim/conn.h"

#define TRIES 100 /* acknowledgements come between the questions */

/* TCP_INFO's; behind SYN_RECV come those in which a FIN was sent, but for these two. */
enum { STATE_SYN_SENT = 2, STATE_SYN_RECV, STATE_CLOSE = 7, STATE_CLOSE_WAIT };

static bool ask(int fd, struct tcp_info *i)
{
    socklen_t n = sizeof *i;

    return sys.getsockopt(fd, IPPROTO_TCP, TCP_INFO, i, &n) == 0 &&
           n >= offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof i->tcpi_bytes_acked;
}

/* Sequence numbers that were given out, SYN and FIN among them. -1: it cannot be told. */
static int64_t given(int fd, unsigned *state)
{
    struct tcp_info before, after;
    int queued = 0;

    for (int i = 0; i < TRIES; i++) {
        if (!ask(fd, &before) || sys.ioctl(fd, SIOCOUTQ, &queued) != 0 || !ask(fd, &after)) {
            return -1;
        }
        if (before.tcpi_bytes_acked == after.tcpi_bytes_acked &&
            before.tcpi_state == after.tcpi_state) {
            *state = after.tcpi_state;
            return (int64_t)after.tcpi_bytes_acked + queued;
        }
    }
    return -1;
}

/* Is there a FIN in the count? A socket that was reset may have sent one. */
static bool has_fin(const struct conn *c, unsigned state)
{
    return state == STATE_CLOSE ? c->fin_sent || c->torn_down
                                : state > STATE_SYN_RECV && state != STATE_CLOSE_WAIT;
}

void conn_watch_wire(struct conn *c, int fd)
{
    int protocol = 0, saved = errno;
    socklen_t n = sizeof protocol;
    unsigned state = 0;
    int64_t base = -1;
    struct hold h;

    if (conn_enter(&h, c, fd, HALF_WRITE)) {
        errno = saved;
        return;
    }
    if (sys.getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &n) == 0 &&
        protocol == IPPROTO_TCP) {
        base = given(fd, &state);
    }
    if (base >= 0) {
        /* A SYN counts, and is not yet said to be queued. */
        c->wire.base = state == STATE_SYN_SENT || state == STATE_CLOSE ? 1 : (uint64_t)base;
        c->wire.base -= c->wire.out;
        c->wire.watched = true;
    }
    conn_leave(&h);
    errno = saved;
}

uint64_t conn_wire_stray(struct conn *c, int fd)
{
    uint64_t stray = 0;
    int saved = errno;
    unsigned state = 0;
    int64_t all;
    struct hold h;

    /* To look is not to use: a connection that was forked since is left alone. */
    if (!c->wire.watched || fork_since(c) || conn_enter(&h, c, fd, HALF_WRITE)) {
        errno = saved;
        return 0;
    }
    all = conn_on_socket(c, fd) ? given(fd, &state) : -1;
    if (all > 0 && has_fin(c, state)) {
        all--;
    }
    if (all >= 0 && (uint64_t)all > c->wire.base + c->wire.out) {
        stray = (uint64_t)all - c->wire.base - c->wire.out;
        c->wire.base += stray;
        c->wire.stray += stray;
    }
    conn_leave(&h);
    errno = saved;
    return stray;
}

void conn_wire(struct conn *c, struct wire *w)
{
    sigset_t signals;
    int cancel;

    *w = (struct wire){ .watched = false };
    if (c->claim.torn) {
        return;
    }
    calm(&signals, &cancel);
    conn_take(c, HALF_BOTH);
    *w = c->wire;
    conn_give(c, HALF_BOTH);
    uncalm(&signals, cancel);
}
