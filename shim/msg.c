/* SPDX-License-Identifier: ISC */
/* What recv(2), send(2) and their kin look at before there is data: flags, addresses, control
 * messages, iovecs. As Linux has it for TCP. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "shim/conn.h"

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif
#define WASTE 4096 /* MSG_TRUNC: on the stack */

/* Bytes in all, and how many iovecs come before one that points nowhere. -1: EINVAL, EFAULT. */
static ssize_t check(const struct iovec *iov, size_t n, int *sound)
{
    size_t sum = 0;
    bool whole = true;

    *sound = 0;
    if (n > IOV_MAX || (n > 0 && !iov)) {
        errno = n > IOV_MAX ? EINVAL : EFAULT;
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        if (iov[i].iov_len > SSIZE_MAX - sum) {
            errno = EINVAL;
            return -1;
        }
        sum += iov[i].iov_len;
        whole = whole && (iov[i].iov_base || iov[i].iov_len == 0);
        *sound += whole;
    }
    return (ssize_t)sum;
}

/* ---- receiving ---- */

/* Waits as recv() waits; takes nothing. 1 there is something, 0 the end, -1 errno. */
static ssize_t look(struct conn *c, int fd, int flags)
{
    char byte;
    struct iovec one = { &byte, 1 };

    return conn_readv(c, fd, &one, 1, flags | MSG_PEEK);
}

/* Unlike read(2) of nothing, recv(2) of nothing waits until it would give something, once: when a
 * signal or the timeout ends that, it is done as well. */
static ssize_t receive_nothing(struct conn *c, int fd, int flags)
{
    if (look(c, fd, flags) >= 0) {
        return 0;
    }
    return (errno == EAGAIN || errno == EINTR) && !wait_forbidden(c, fd, flags) ? 0 : -1;
}

/* tcp(7), MSG_TRUNC: the bytes are thrown away, or with MSG_PEEK counted, and never copied. */
static ssize_t discard(struct conn *c, int fd, size_t n, int flags)
{
    char waste[WASTE];
    struct iovec iov[64];
    size_t done = 0, asked;
    ssize_t got;

    do {
        int parts = 0;

        for (asked = 0; asked < n - done && parts < 64; parts++) {
            size_t left = n - done - asked;

            iov[parts] = (struct iovec){ waste, left < WASTE ? left : WASTE };
            asked += iov[parts].iov_len;
        }
        got = conn_readv(c, fd, iov, parts, flags & ~MSG_TRUNC);
        done += got > 0 ? (size_t)got : 0;
    } while (done < n && got == (ssize_t)asked && (flags & MSG_WAITALL) && !(flags & MSG_PEEK));
    return done ? (ssize_t)done : got;
}

ssize_t conn_recv(struct conn *c, int fd, const struct iovec *iov, size_t n, int flags)
{
    int sound;
    ssize_t total = check(iov, n, &sound), sane = 0;

    if (total < 0) {
        return -1;
    }
    if (flags & MSG_OOB) { /* nothing urgent is there, ever */
        errno = EINVAL;
        return -1;
    }
    if (total == 0) {
        return receive_nothing(c, fd, flags);
    }
    if (flags & MSG_TRUNC) {
        return discard(c, fd, (size_t)total, flags);
    }
    for (int i = 0; i < sound; i++) {
        sane += (ssize_t)iov[i].iov_len;
    }
    if (sane == 0) {
        total = look(c, fd, flags);
        errno = total > 0 ? EFAULT : errno;
        return total > 0 ? -1 : total;
    }
    return conn_readv(c, fd, iov, sound, flags);
}

ssize_t conn_read(struct conn *c, int fd, const struct iovec *iov, int n)
{
    int sound;
    ssize_t total = check(iov, n < 0 ? SIZE_MAX : (size_t)n, &sound);

    return total <= 0 ? total : conn_recv(c, fd, iov, (size_t)n, 0);
}

ssize_t conn_recvmsg(struct conn *c, int fd, struct msghdr *m, int flags)
{
    ssize_t got;

    if (!m || m->msg_iovlen > IOV_MAX) {
        errno = m ? EMSGSIZE : EFAULT;
        return -1;
    }
    got = conn_recv(c, fd, m->msg_iov, m->msg_iovlen, flags);
    if (got >= 0) {
        m->msg_namelen = m->msg_name ? 0 : m->msg_namelen; /* a stream names no sender */
        m->msg_controllen = 0;
        m->msg_flags = flags & MSG_CMSG_CLOEXEC; /* so Linux */
    }
    return got;
}

/* ---- sending ---- */

static bool zerocopy(int fd)
{
    int on = 0;
    socklen_t n = sizeof on;

    return sys.getsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, &n) == 0 && on;
}

ssize_t conn_send(struct conn *c, int fd, const struct iovec *iov, size_t n, int flags)
{
    int sound, err = 0;

    if (check(iov, n, &sound) < 0) {
        return -1;
    }
    if (flags & MSG_OOB) {
        err = EOPNOTSUPP; /* TLS has no urgent data */
    } else if ((flags & MSG_ZEROCOPY) && zerocopy(fd)) {
        err = ENOBUFS; /* "do it with a copy", says the kernel's documentation */
    } else if ((size_t)sound < n) {
        err = EFAULT;
    }
    if (err) {
        errno = err;
        return -1;
    }
    return conn_writev(c, fd, iov, (int)n, flags);
}

/* send(2) goes as far as the socket with nothing to say, writev(2) does not. */
ssize_t conn_write(struct conn *c, int fd, const struct iovec *iov, int n)
{
    int sound;
    ssize_t total = check(iov, n < 0 ? SIZE_MAX : (size_t)n, &sound);

    return total <= 0 ? total : conn_send(c, fd, iov, (size_t)n, 0);
}

/* The next one, or NULL; *bad: it is not all there. */
static const struct cmsghdr *control(const struct msghdr *m, const struct cmsghdr *before,
                                     bool *bad)
{
    const struct cmsghdr *c;
    size_t left;

    *bad = false;
    c = before ? CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, (struct cmsghdr *)(uintptr_t)before)
               : CMSG_FIRSTHDR(m);
    if (!c || !m->msg_control) {
        return NULL;
    }
    left = m->msg_controllen - (size_t)((const char *)c - (const char *)m->msg_control);
    *bad = c->cmsg_len < sizeof *c || c->cmsg_len > left;
    return c;
}

/* A stream carries no control message. The kernel ignores SCM_RIGHTS on TCP; who passes descriptors
 * must know that they do not arrive. Those of other levels TCP ignores, too. */
static int check_control(const struct msghdr *m)
{
    bool bad;

    for (const struct cmsghdr *c = control(m, NULL, &bad); c; c = control(m, c, &bad)) {
        if (bad || c->cmsg_level == SOL_SOCKET) {
            errno = bad ? EINVAL : EOPNOTSUPP;
            return -1;
        }
    }
    return 0;
}

ssize_t conn_sendmsg(struct conn *c, int fd, const struct msghdr *m, int flags)
{
    if (!m || m->msg_iovlen > IOV_MAX) {
        errno = m ? EMSGSIZE : EFAULT;
        return -1;
    }
    return check_control(m) ? -1 : conn_send(c, fd, m->msg_iov, m->msg_iovlen, flags);
}

int conn_in_rights(const struct msghdr *m, bool (*ours)(int fd))
{
    bool bad = !m;

    for (const struct cmsghdr *c = m ? control(m, NULL, &bad) : NULL; c && !bad;
         c = control(m, c, &bad)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA((struct cmsghdr *)(uintptr_t)c) + i * sizeof fd, sizeof fd);
            if (ours(fd)) {
                return fd;
            }
        }
    }
    return -1;
}
