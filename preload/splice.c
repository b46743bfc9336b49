/* SPDX-License-Identifier: ISC */
/* splice(2) between a pipe and a connection: with a copy, and never with a byte lost. What is taken
 * out of a pipe cannot be put back, so first there has to be room for a record; what has come over
 * a connection is only looked at until the pipe has it. */
#include "preload/preload.h"
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/time.h>

#define KNOWN (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

static bool is_pipe(int fd)
{
    struct stat st;
    int saved = errno;
    bool is = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);

    errno = saved;
    return is;
}

static bool may_wait(int fd, unsigned flags)
{
    return !(flags & SPLICE_F_NONBLOCK) && !(REAL(fcntl)(fd, F_GETFL) & O_NONBLOCK);
}

/* SO_SNDTIMEO in milliseconds; -1: for ever. */
static int patience(int fd)
{
    struct timeval t = { 0 };
    socklen_t n = sizeof t;

    if (REAL(getsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &t, &n) != 0 || (!t.tv_sec && !t.tv_usec)) {
        return -1;
    }
    return t.tv_sec > INT_MAX / 1000 - 1 ? INT_MAX
                                         : (int)(t.tv_sec * 1000 + (t.tv_usec + 999) / 1000);
}

/* 0, or -1 EAGAIN, EINTR. */
static int wait_for(int fd, short events, int ms)
{
    struct pollfd p = { .fd = fd, .events = events };
    int rc = poll(&p, 1, ms);

    if (rc == 0) {
        errno = EAGAIN;
    }
    return rc > 0 ? 0 : -1;
}

static ssize_t from_pipe(int in, int fd, size_t n, unsigned flags)
{
    const int how = (flags & SPLICE_F_MORE ? MSG_MORE : 0);
    char data[TLS_PLAINTEXT_MAX];
    ssize_t got, put, done = 0;

    if (send(fd, "", 0, 0) < 0 || wait_for(in, POLLIN, may_wait(in, flags) ? -1 : 0) ||
        wait_for(fd, POLLOUT, may_wait(fd, flags) ? patience(fd) : 0)) {
        return -1;
    }
    got = REAL(read)(in, data, n < sizeof data ? n : sizeof data);
    while (done < got) {
        put = send(fd, data + done, (size_t)(got - done), how);
        if (put < 0 && errno != EAGAIN && errno != EINTR) {
            return -1; /* the connection is broken, and all that was on the way with it */
        }
        /* Only if another thread took the room. */
        if (put < 0 && wait_for(fd, POLLOUT, -1) && errno != EINTR) {
            return -1;
        }
        done += put > 0 ? put : 0;
    }
    return got;
}

/* What goes into a pipe that has room for a page at least, if need be after waiting for that. */
static ssize_t pour(int out, const char *data, size_t n, bool wait)
{
    size_t done = 0;

    while (done < n && wait_for(out, POLLOUT, wait && done == 0 ? -1 : 0) == 0) {
        ssize_t put = REAL(write)(out, data + done, n - done < PIPE_BUF ? n - done : PIPE_BUF);

        if (put < 0) {
            break;
        }
        done += (size_t)put;
    }
    return done ? (ssize_t)done : -1;
}

static ssize_t to_pipe(int fd, int out, size_t n, unsigned flags)
{
    int saved = errno;
    char data[TLS_PLAINTEXT_MAX];
    ssize_t got = recv(fd, data, n < sizeof data ? n : sizeof data,
                       MSG_PEEK | (flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0));

    if (got > 0) {
        got = pour(out, data, (size_t)got, may_wait(out, flags));
    }
    if (got > 0) {
        got = recv(fd, data, (size_t)got, MSG_DONTWAIT);
        errno = saved;
    }
    return got;
}

ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
    const bool from = is_tracked(in), to = is_tracked(out);

    if (!from && !to) {
        return leaving(out) ? -1 : REAL(splice)(in, in_at, out, out_at, n, flags);
    }
    if (n == 0) {
        return 0;
    }
    if (flags & ~(unsigned)KNOWN || from == to || !is_pipe(from ? out : in)) {
        errno = EINVAL;
        return -1;
    }
    if (in_at || out_at) {
        errno = ESPIPE;
        return -1;
    }
    return from ? to_pipe(in, out, n, flags) : from_pipe(in, out, n, flags);
}
