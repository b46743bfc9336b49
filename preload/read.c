/* SPDX-License-Identifier: ISC */
/* Reading. */
#include "preload/preload.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "preload/watch.h"

/* Who is told by edges and gets less than was asked for believes that nothing is left, and waits
 * for another edge. So a short read goes on until there really is nothing. */
static ssize_t read_dry(struct conn *c, int fd, const struct iovec *iov, int n, ssize_t got)
{
    size_t skip = (size_t)got;
    int saved = errno;

    for (int i = 0; i < n; i++) {
        while (skip < iov[i].iov_len) {
            struct iovec rest = { .iov_base = (char *)iov[i].iov_base + skip,
                                  .iov_len = iov[i].iov_len - skip };
            ssize_t more = conn_recv(c, fd, &rest, 1, MSG_DONTWAIT);

            if (more <= 0) { /* an end or an error comes again with the next call */
                errno = saved;
                return got;
            }
            got += more;
            skip += (size_t)more;
        }
        skip -= iov[i].iov_len;
    }
    errno = saved;
    return got;
}

/* Behind every read of ours: consumes the reference, keeps errno. */
static ssize_t was_read(struct conn *c, int fd, const struct iovec *iov, int n, int flags,
                        ssize_t got)
{
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && (conn_want(c, 0) & POLLOUT)) {
        conn_pump(c, fd, POLLOUT); /* what a write left over, should nobody ask for POLLOUT */
    }
    if (got > 0 && !(flags & (MSG_PEEK | MSG_TRUNC)) && watch_edge(fd)) {
        got = read_dry(c, fd, iov, n, got);
    }
    watch_note(c, fd);
    conn_put(c);
    return got;
}

static ssize_t receive(struct conn *c, int fd, void *p, size_t n, int flags)
{
    struct iovec iov = { .iov_base = p, .iov_len = n > SSIZE_MAX ? SSIZE_MAX : n };

    return was_read(c, fd, &iov, 1, flags, conn_recv(c, fd, &iov, 1, flags));
}

static ssize_t read_vector(struct conn *c, int fd, const struct iovec *iov, int n)
{
    return was_read(c, fd, iov, n, 0, conn_read(c, fd, iov, n));
}

ssize_t read(int fd, void *p, size_t n)
{
    struct conn *c = tracked(fd);
    ssize_t got;

    if (c) {
        struct iovec iov = { .iov_base = p, .iov_len = n > SSIZE_MAX ? SSIZE_MAX : n };

        got = read_vector(c, fd, &iov, 1);
        if (got >= 0 || !fd_is_stale(fd)) {
            return got;
        }
    }
    return REAL(read)(fd, p, n);
}

ssize_t readv(int fd, const struct iovec *iov, int n)
{
    struct conn *c = tracked(fd);
    ssize_t got;

    if (c) {
        got = read_vector(c, fd, iov, n);
        if (got >= 0 || !fd_is_stale(fd)) {
            return got;
        }
    }
    return REAL(readv)(fd, iov, n);
}

/* On a socket there are no offsets: only -1 is legal, and RWF_NOWAIT is MSG_DONTWAIT. */
ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    struct conn *c = at == -1 ? tracked(fd) : NULL;

    if (!c) {
        return REAL(preadv2)(fd, iov, n, at, flags);
    }
    return flags & RWF_NOWAIT && n > 0
               ? was_read(c, fd, iov, n, 0, conn_recv(c, fd, iov, (size_t)n, MSG_DONTWAIT))
               : read_vector(c, fd, iov, n);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
    struct conn *c = tracked(fd);

    return c && !(flags & MSG_ERRQUEUE) ? receive(c, fd, p, n, flags)
                                        : (conn_put(c), REAL(recv)(fd, p, n, flags));
}

ssize_t recvfrom(int fd, void *p, size_t n, int flags, struct sockaddr *addr, socklen_t *len)
{
    struct conn *c = tracked(fd);
    ssize_t got;

    if (!c || (flags & MSG_ERRQUEUE)) {
        conn_put(c);
        return REAL(recvfrom)(fd, p, n, flags, addr, len);
    }
    got = receive(c, fd, p, n, flags);
    if (got >= 0 && addr && len) {
        *len = 0; /* as TCP does */
    }
    return got;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    struct conn *c = tracked(fd);

    ssize_t got;

    if (!c || !m || (flags & MSG_ERRQUEUE)) {
        conn_put(c);
        return REAL(recvmsg)(fd, m, flags);
    }
    got = conn_recvmsg(c, fd, m, flags);
    return was_read(c, fd, m->msg_iov, (int)m->msg_iovlen, flags, got);
}

int recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
    struct conn *c = tracked(fd);
    int64_t end = c ? clock_end(timeout) : 0;
    unsigned done = 0;

    if (!c || (flags & MSG_ERRQUEUE)) {
        conn_put(c);
        return REAL(recvmmsg)(fd, v, n, flags, timeout);
    }
    conn_put(c);
    while (done < n) {
        ssize_t got = recvmsg(fd, &v[done].msg_hdr, flags & ~MSG_WAITFORONE);

        if (got <= 0) { /* the error comes again with the next call */
            if (got == 0 && done == 0) {
                v[done++].msg_len = 0;
            }
            return done ? (int)done : (int)got;
        }
        v[done++].msg_len = (unsigned)got;
        if (flags & MSG_WAITFORONE) {
            flags |= MSG_DONTWAIT;
        }
        if (timeout && clock_ns() >= end) {
            break;
        }
    }
    return (int)done;
}

/* Reads inside the C library. A socket is no eventfd, but nothing keeps a program from trying. */
int eventfd_read(int fd, eventfd_t *value)
{
    if (is_tracked(fd)) {
        return read(fd, value, sizeof *value) == (ssize_t)sizeof *value ? 0 : -1;
    }
    return REAL(eventfd_read)(fd, value);
}

/* ---- the names that other code in the C library's world uses ---- */

ssize_t __read(int fd, void *p, size_t n);
ssize_t __read(int fd, void *p, size_t n)
{
    return read(fd, p, n);
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off64_t at, int flags)
{
    return preadv2(fd, iov, n, at, flags);
}

ssize_t __read_chk(int fd, void *p, size_t n, size_t size);
ssize_t __read_chk(int fd, void *p, size_t n, size_t size)
{
    if (n > size) {
        __chk_fail();
    }
    return read(fd, p, n);
}

ssize_t __recv_chk(int fd, void *p, size_t n, size_t size, int flags);
ssize_t __recv_chk(int fd, void *p, size_t n, size_t size, int flags)
{
    if (n > size) {
        __chk_fail();
    }
    return recv(fd, p, n, flags);
}

ssize_t __recvfrom_chk(int fd, void *p, size_t n, size_t size, int flags, struct sockaddr *addr,
                       socklen_t *len);
ssize_t __recvfrom_chk(int fd, void *p, size_t n, size_t size, int flags, struct sockaddr *addr,
                       socklen_t *len)
{
    if (n > size) {
        __chk_fail();
    }
    return recvfrom(fd, p, n, flags, addr, len);
}
