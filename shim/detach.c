/* SPDX-License-Identifier: ISC */
/* From TLS back to bytes in clear on the same socket (RFC 8446 section 6.1: each side says
 * close_notify for its own direction). The peer's first byte in clear must still be in the kernel
 * when we are done, so from here on records are received one by one. */
#include <errno.h>

#include "shim/conn.h"

/* Other fds of it would go on with TLS on a socket that has none. */
static bool has_aliases(const struct conn *c)
{
    bool more;

    table_lock();
    more = c->entry.nfds > 1;
    table_unlock();
    return more;
}

/* 0: no data waits that the caller has not read. Before anything is said, and behind. */
static int check_unread(struct conn *c, int rc)
{
    if (rc > 0 || (c->saw_close && c->behind)) {
        errno = EBUSY;
        return -1;
    }
    return 0;
}

/* In both halves. 1: both have said all, 0: has to wait, -1 errno; EINPROGRESS: the handshake comes
 * first. */
static int step(struct conn *c, int fd)
{
    int state = atomic_load(&c->state), rc;

    if (state != CONN_OPEN) {
        errno = state == CONN_FAILED ? atomic_load(&c->fail_errno) : EINPROGRESS;
        return -1;
    }
    if (has_aliases(c) || check_unread(c, conn_fetch(c, -1, 1))) {
        errno = EBUSY;
        return -1;
    }
    if (atomic_load(&c->closing) && !c->detaching) {
        errno = EPIPE; /* shutdown(): the socket cannot be written to any more */
        return -1;
    }
    c->detaching = true;
    atomic_store(&c->closing, true);
    rc = conn_flush(c, fd);
    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    rc = conn_fetch(c, fd, 1);
    if (rc < 0 && errno == EAGAIN) {
        return 0;
    }
    if (rc < 0 || check_unread(c, rc)) {
        return -1;
    }
    if (!c->saw_close) {
        errno = ECONNRESET; /* not even with lenient_eof: there is nothing to go on with */
        return -1;
    }
    return 1;
}

int conn_detach(struct conn *c, int fd)
{
    struct patience p = { .option = SO_RCVTIMEO };
    struct hold h;
    int rc;

    do {
        if (conn_enter(&h, c, fd, HALF_BOTH)) {
            return -1;
        }
        rc = step(c, fd);
        if (rc > 0) {
            table_drop(fd, &c->entry);
            h.fd = -1; /* what the peer wanted answered has no place on it any more */
            atomic_fetch_or(&c->events_due, 1U << CONN_EVENT_CLOSED);
        }
        conn_leave(&h);
        if (rc < 0 && errno == EINPROGRESS) {
            rc = conn_complete(c, fd, 0, SO_RCVTIMEO, false);
        } else if (rc == 0 && wait_forbidden(c, fd, 0)) {
            errno = EAGAIN;
            rc = -1;
        } else if (rc == 0) {
            rc = wait_poll(c, fd, atomic_load(&c->unsent) ? POLLIN | POLLOUT : POLLIN, &p, -1);
        }
    } while (rc == 0);
    return rc > 0 ? 0 : -1;
}
