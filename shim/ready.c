/* SPDX-License-Identifier: ISC */
/* Readiness in terms of plaintext. POLLIN: a read would give data, the end or an error; never a
 * record that carries nothing. POLLOUT: a write would take at least one record. */
#include <errno.h>

#include "shim/conn.h"

#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

static bool late(struct conn *c)
{
    return conn_deadline_ms(c) == 0;
}

/* Without a system call: opens what has been received until there is data. Read half. */
static bool readable(struct conn *c)
{
    return conn_fetch(c, -1, 1) >= 0 || errno != EAGAIN;
}

short conn_ready(struct conn *c, short events)
{
    int ready = 0;
    struct hold h;

    if (conn_enter(&h, c, -1, HALF_READ)) {
        /* EPERM when it is used; or another process is about to share it. */
        return errno == EAGAIN ? 0 : (short)((events & (IN | OUT)) | POLLERR);
    }
    if (atomic_load(&c->state) == CONN_HANDSHAKE) {
        ready = late(c) ? IN | OUT | POLLERR : 0;
        ready |= buf_len(&c->plain) ? IN : 0; /* a server's early data */
        if (conn_waits_to_speak(c) || (!atomic_load(&c->unsent) && conn_half_open(c))) {
            ready |= OUT;
        }
    } else {
        ready = readable(c) ? IN : 0;
        if (c->saw_close || c->saw_eof) {
            ready |= POLLRDHUP;
        }
        if (!atomic_load(&c->unsent) || atomic_load(&c->write_errno)) {
            ready |= OUT;
        }
        if (atomic_load(&c->state) == CONN_FAILED) {
            ready |= OUT | POLLERR;
        }
    }
    conn_leave(&h);
    return (short)(ready & (events | POLLERR));
}

short conn_want(struct conn *c, short events)
{
    int want = events & ~(IN | OUT), state = atomic_load(&c->state);

    if (state == CONN_FAILED || atomic_load(&c->claim.elsewhere)) {
        return (short)want;
    }
    if (atomic_load(&c->unsent)) {
        want |= POLLOUT; /* whatever is waited for, the tail must go first */
    }
    if (state == CONN_HANDSHAKE) {
        want |= conn_half_open(c) && (events & OUT) ? POLLOUT : 0;
        return (short)(atomic_load(&c->asking) ? want : want | POLLIN);
    }
    if (events & IN) {
        want |= POLLIN;
    }
    if (events & OUT) {
        want |= POLLOUT;
    }
    return (short)want;
}

void conn_pump(struct conn *c, int fd, short revents)
{
    int saved = errno;
    struct hold h;

    if (conn_enter(&h, c, fd, HALF_BOTH) == 0) {
        if (conn_waits_to_speak(c) && !(revents & ~POLLOUT)) {
            /* TCP is connected, and the caller has the word. */
        } else if (atomic_load(&c->state) == CONN_HANDSHAKE) {
            conn_only_hears(c, 0);
            /* A client that may say something early is asked first, when TCP is connected. */
            if (atomic_load(&c->early_open) || !conn_early(c, fd)) {
                conn_step(c, fd, UNTIL_DONE);
            }
        } else if (revents & POLLOUT) {
            conn_flush(c, fd);
        }
        if (atomic_load(&c->state) == CONN_OPEN && (revents & ~POLLOUT)) {
            conn_fetch(c, fd, 1);
        }
        conn_leave(&h);
    }
    errno = saved;
}

size_t conn_buffered(struct conn *c)
{
    size_t n = 0;
    struct hold h;

    if (conn_enter(&h, c, -1, HALF_READ) == 0) {
        if (atomic_load(&c->state) != CONN_HANDSHAKE) {
            conn_fetch(c, -1, 1);
        }
        n = buf_len(&c->plain);
        conn_leave(&h);
    }
    return n;
}

#define COUNTED 65536 /* a little more may be kept: whole records */

int conn_readable(struct conn *c, int fd, int *bytes)
{
    int saved = errno;
    struct hold h;
    size_t n;

    if (!bytes) {
        errno = EFAULT;
        return -1;
    }
    conn_pump(c, fd, POLLIN); /* the handshake, if that is where it stands */
    if (conn_enter(&h, c, fd, HALF_READ)) {
        return -1;
    }
    if (atomic_load(&c->state) != CONN_HANDSHAKE) {
        conn_fetch(c, fd, COUNTED);
    }
    n = buf_len(&c->plain);
    conn_leave(&h);
    *bytes = n > INT32_MAX ? INT32_MAX : (int)n;
    errno = saved;
    return 0;
}

/* ---- poll(2)'s view ---- */

/* The shim knows the plain names. */
static short plain_names(short asked)
{
    short e = asked & (POLLIN | POLLOUT | POLLRDHUP);

    if (asked & POLLRDNORM) {
        e |= POLLIN;
    }
    if (asked & POLLWRNORM) {
        e |= POLLOUT;
    }
    return e;
}

short conn_events(struct conn *c, short asked)
{
    return (short)(conn_want(c, plain_names(asked)) | (asked & POLLPRI));
}

static bool ended_of(struct conn *c)
{
    return conn_ready(c, POLLRDHUP) & POLLRDHUP;
}

short conn_revents(struct conn *c, short asked, short kernel)
{
    short r = conn_ready(c, plain_names(asked)), told = r & (POLLERR | POLLHUP | POLLRDHUP);
    bool dead = conn_errno(c) != 0;

    if (r & POLLIN) {
        told |= asked & (POLLIN | POLLRDNORM);
    }
    /* Room to write is two things: nothing of ours waits, and the kernel takes more. */
    if ((r & POLLOUT) && (dead || (kernel & POLLOUT))) {
        told |= asked & (POLLOUT | POLLWRNORM);
    }
    if (conn_is_connected(c) || dead) {
        told |= kernel & (POLLERR | (asked & (POLLPRI | POLLRDHUP)));
    }
    /* The end of both directions: programs take a short read that comes with it for the last one.
     */
    if ((kernel & POLLHUP) && (dead || !(asked & IN) || (ended_of(c) && conn_buffered(c) == 0))) {
        told |= POLLHUP;
    }
    return (short)(told | (kernel & POLLNVAL));
}
