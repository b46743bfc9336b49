/* SPDX-License-Identifier: ISC */
/* Reading and writing: TLS when the fd is a connection, the kernel's call when it is a plain fd,
 * and ENOTCONN for what is to be TLS and is not yet: no plaintext passes there. */
#include <errno.h>
#include <unistd.h>

#include "shim/ssl_options.h"

static ssize_t receive(struct conn *c, int fd, void *buf, size_t n, int flags)
{
    struct iovec iov = { buf, n };
    ssize_t got = conn_readv(c, fd, &iov, 1, flags);

    conn_put(c);
    return got;
}

static ssize_t transmit(struct conn *c, int fd, const void *buf, size_t n, int flags)
{
    struct iovec iov = { (void *)(uintptr_t)buf, n };
    ssize_t sent = conn_writev(c, fd, &iov, 1, flags);

    conn_put(c);
    return sent;
}

ssize_t ssl_read(int fd, void *buf, size_t n)
{
    struct conn *c = conn_get(fd);

    if (c) {
        return receive(c, fd, buf, n, 0);
    }
    return options_plain(fd) ? sys.read(fd, buf, n) : -1;
}

ssize_t ssl_write(int fd, const void *buf, size_t n)
{
    struct conn *c = conn_get(fd);

    if (c) {
        return transmit(c, fd, buf, n, 0);
    }
    return options_plain(fd) ? write(fd, buf, n) : -1;
}

ssize_t ssl_recv(int fd, void *buf, size_t n, int flags)
{
    struct conn *c = conn_get(fd);
    char byte = 0;

    if (c && n == 0) {
        /* recv(2) of nothing waits until there is something; read(2) of nothing does not. */
        return receive(c, fd, &byte, 1, flags | MSG_PEEK) < 0 ? -1 : 0;
    }
    if (c) {
        return receive(c, fd, buf, n, flags);
    }
    return options_plain(fd) ? sys.recv(fd, buf, n, flags) : -1;
}

ssize_t ssl_send(int fd, const void *buf, size_t n, int flags)
{
    struct conn *c = conn_get(fd);

    if (c) {
        return transmit(c, fd, buf, n, flags);
    }
    return options_plain(fd) ? sys.send(fd, buf, n, flags) : -1;
}
