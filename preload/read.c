/* SPDX-License-Identifier: ISC */
/* Reading. */
#include "preload/preload.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "preload/watch.h"

#define KNOWN_FLAGS (MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT | MSG_NOSIGNAL)

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
            ssize_t more = conn_readv(c, fd, &rest, 1, MSG_DONTWAIT);

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

static ssize_t total(const struct iovec *iov, int n)
{
    size_t sum = 0;

    if (n < 0 || n > IOV_MAX) {
        errno = EINVAL;
        return -1;
    }
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > SSIZE_MAX - sum) {
            errno = EINVAL;
            return -1;
        }
        sum += iov[i].iov_len;
    }
    return (ssize_t)sum;
}

ssize_t read_tracked(struct conn *c, int fd, const struct iovec *iov, int n, int flags)
{
    ssize_t want = total(iov, n), got = want;

    if (want >= 0) {
        got = conn_readv(c, fd, iov, n, flags & KNOWN_FLAGS);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && (conn_want(c, 0) & POLLOUT)) {
            conn_pump(c, fd, POLLOUT); /* what a write left over, should nobody ask for POLLOUT */
        }
        if (got > 0 && got < want && !(flags & MSG_PEEK) && watch_edge(fd)) {
            got = read_dry(c, fd, iov, n, got);
        }
        watch_note(c, fd);
    }
    conn_put(c);
    return got;
}

/* recv() and its kin, with flags. */
static ssize_t receive(struct conn *c, int fd, void *p, size_t n, int flags)
{
    struct iovec iov = { .iov_base = p, .iov_len = n > SSIZE_MAX ? SSIZE_MAX : n };
    char sink[4096];

    if (flags & MSG_OOB) { /* urgent data travels in-band */
        conn_put(c);
        errno = EINVAL;
        return -1;
    }
    if (flags & MSG_TRUNC) { /* TCP: throw away instead of copying */
        iov.iov_base = sink;
        iov.iov_len = n < sizeof sink ? n : sizeof sink;
    }
    return read_tracked(c, fd, &iov, 1, flags);
}

ssize_t read(int fd, void *p, size_t n)
{
    struct conn *c = tracked(fd);
    ssize_t got;

    if (c) {
        got = receive(c, fd, p, n, 0);
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
        got = read_tracked(c, fd, iov, n, 0);
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

    return c ? read_tracked(c, fd, iov, n, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0)
             : REAL(preadv2)(fd, iov, n, at, flags);
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

static ssize_t receive_message(struct conn *c, int fd, struct msghdr *m, int flags)
{
    ssize_t got;

    if (m->msg_iovlen > IOV_MAX) {
        conn_put(c);
        errno = EMSGSIZE;
        return -1;
    }
    if (flags & (MSG_OOB | MSG_TRUNC)) {
        struct iovec none = { .iov_base = NULL };
        const struct iovec *v = m->msg_iovlen ? m->msg_iov : &none;
        got = receive(c, fd, v->iov_base, v->iov_len, flags);
    } else {
        got = read_tracked(c, fd, m->msg_iov, (int)m->msg_iovlen, flags);
    }
    if (got >= 0) {
        m->msg_namelen = 0;
        m->msg_controllen = 0;
        m->msg_flags = 0;
    }
    return got;
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    struct conn *c = tracked(fd);

    return c && m && !(flags & MSG_ERRQUEUE) ? receive_message(c, fd, m, flags)
                                             : (conn_put(c), REAL(recvmsg)(fd, m, flags));
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
