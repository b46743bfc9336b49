/* SPDX-License-Identifier: ISC */
/* Reading and writing: TLS when the fd is a connection, the kernel's call when it is a plain fd,
 * and ENOTCONN for what is to be TLS and is not yet: no plaintext passes there. */
#include <errno.h>
#include <limits.h>

#include "shim/ssl_options.h"

_Static_assert(SSL_MSG_EARLY == CONN_EARLY, "one flag");

/* More than the kernel would take has an end before the end of memory. */
static struct iovec one(const void *p, size_t n)
{
    return (struct iovec){ (void *)(uintptr_t)p, n > SSIZE_MAX ? SSIZE_MAX : n };
}

/* The connection of fd for a call with these flags. Error messages of the network are the
 * kernel's. */
static struct conn *tls(int fd, int flags)
{
    return flags & MSG_ERRQUEUE ? NULL : conn_get(fd);
}

static ssize_t done(struct conn *c, ssize_t n)
{
    conn_put(c);
    return n;
}

bool ssl_is_tls(int fd)
{
    struct options o;
    struct conn *c = conn_get(fd);

    conn_put(c);
    if (!c && options_get(fd, &o)) {
        options_put(&o);
        return true;
    }
    return c != NULL;
}

/* ---- reading ---- */

ssize_t ssl_read(int fd, void *buf, size_t n)
{
    struct conn *c = conn_get(fd);
    struct iovec iov = one(buf, n);

    if (c) {
        return done(c, conn_read(c, fd, &iov, 1));
    }
    return options_plain(fd) ? sys.read(fd, buf, n) : -1;
}

ssize_t ssl_readv(int fd, const struct iovec *iov, int n)
{
    struct conn *c = conn_get(fd);

    if (c) {
        return done(c, conn_read(c, fd, iov, n));
    }
    return options_plain(fd) ? sys.readv(fd, iov, n) : -1;
}

ssize_t ssl_recv(int fd, void *buf, size_t n, int flags)
{
    struct conn *c = tls(fd, flags);
    struct iovec iov = one(buf, n);

    if (c) {
        return done(c, conn_recv(c, fd, &iov, 1, flags));
    }
    return options_plain(fd) || (flags & MSG_ERRQUEUE) ? sys.recv(fd, buf, n, flags) : -1;
}

ssize_t ssl_recvfrom(int fd, void *buf, size_t n, int flags, struct sockaddr *addr, socklen_t *len)
{
    struct conn *c = tls(fd, flags);
    struct iovec iov = one(buf, n);
    ssize_t got;

    if (c && addr && !len) {
        errno = EFAULT;
        return done(c, -1);
    }
    if (c) {
        got = done(c, conn_recv(c, fd, &iov, 1, flags));
        if (got >= 0 && addr) {
            *len = 0; /* a stream names no sender */
        }
        return got;
    }
    return options_plain(fd) || (flags & MSG_ERRQUEUE) ? sys.recvfrom(fd, buf, n, flags, addr, len)
                                                       : -1;
}

ssize_t ssl_recvmsg(int fd, struct msghdr *m, int flags)
{
    struct conn *c = tls(fd, flags);

    if (c) {
        return done(c, conn_recvmsg(c, fd, m, flags));
    }
    return options_plain(fd) || (flags & MSG_ERRQUEUE) ? sys.recvmsg(fd, m, flags) : -1;
}

/* ---- writing ---- */

ssize_t ssl_write(int fd, const void *buf, size_t n)
{
    struct conn *c = conn_get(fd);
    struct iovec iov = one(buf, n);

    if (c) {
        return done(c, conn_send(c, fd, &iov, 1, 0));
    }
    return options_plain(fd) ? sys.write(fd, buf, n) : -1;
}

ssize_t ssl_writev(int fd, const struct iovec *iov, int n)
{
    struct conn *c = conn_get(fd);

    if (c) {
        return done(c, conn_write(c, fd, iov, n));
    }
    return options_plain(fd) ? sys.writev(fd, iov, n) : -1;
}

ssize_t ssl_send(int fd, const void *buf, size_t n, int flags)
{
    struct conn *c = conn_get(fd);
    struct iovec iov = one(buf, n);

    if (c) {
        return done(c, conn_send(c, fd, &iov, 1, flags));
    }
    return options_plain(fd) ? sys.send(fd, buf, n, flags & ~SSL_MSG_EARLY) : -1;
}

/* A stream that is connected does not look at the address. */
ssize_t ssl_sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *addr,
                   socklen_t len)
{
    struct conn *c = conn_get(fd);
    struct iovec iov = one(buf, n);

    if (c && addr && len > sizeof(struct sockaddr_storage)) {
        errno = EINVAL;
        return done(c, -1);
    }
    if (c) {
        return done(c, conn_send(c, fd, &iov, 1, flags));
    }
    return options_plain(fd) ? sys.sendto(fd, buf, n, flags & ~SSL_MSG_EARLY, addr, len) : -1;
}

ssize_t ssl_sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct conn *c = conn_get(fd);

    if (c) {
        return done(c, conn_sendmsg(c, fd, m, flags));
    }
    if (conn_in_rights(m, ssl_is_tls) >= 0) {
        return ssl_failed(EACCES, "a TLS descriptor cannot be passed on: its receiver would write "
                                  "in clear");
    }
    return options_plain(fd) ? sys.sendmsg(fd, m, flags & ~SSL_MSG_EARLY) : -1;
}

ssize_t ssl_sendfile(int out, int in, off_t *offset, size_t n)
{
    struct conn *c = conn_get(out);

    if (c) {
        return done(c, conn_sendfile(c, out, in, offset, n));
    }
    return options_plain(out) ? sys.sendfile(out, in, offset, n) : -1;
}
