/* SPDX-License-Identifier: ISC */
/* More than one fd for a connection, and questions to an fd. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "shim/ssl_options.h"

/* newfd is a duplicate of fd by now. What cannot be kept track of must not exist. */
static int duplicated(int fd, int newfd)
{
    int err;

    if (newfd < 0 || newfd == fd) {
        return newfd;
    }
    if (!ssl_is_tls(fd)) {
        conn_closing(newfd); /* was closed behind our back, if it is known at all */
    } else if (conn_alias(fd, newfd)) {
        err = errno;
        sys.close(newfd);
        return ssl_failed(err, "no memory to duplicate a TLS descriptor");
    }
    return newfd;
}

int ssl_dup(int fd)
{
    return duplicated(fd, sys.dup(fd));
}

int ssl_dup2(int fd, int newfd)
{
    if (fd != newfd && newfd >= 0 && sys.fcntl(fd, F_GETFD) >= 0) {
        conn_closing(newfd); /* in order */
    }
    return duplicated(fd, sys.dup2(fd, newfd));
}

int ssl_dup3(int fd, int newfd, int flags)
{
    if (fd != newfd && newfd >= 0 && (flags & ~O_CLOEXEC) == 0 && sys.fcntl(fd, F_GETFD) >= 0) {
        conn_closing(newfd);
    }
    return duplicated(fd, sys.dup3(fd, newfd, flags));
}

/* The third argument is an int or a pointer; on every ABI we know, reading it as a pointer keeps
 * both. */
int ssl_fcntl(int fd, int cmd, ...)
{
    va_list ap;
    void *arg;
    int rc;

    va_start(ap, cmd);
    arg = va_arg(ap, void *);
    va_end(ap);
    rc = sys.fcntl(fd, cmd, arg);
    return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC ? duplicated(fd, rc) : rc;
}

int ssl_ioctl(int fd, unsigned long request, ...)
{
    struct conn *c = NULL;
    va_list ap;
    void *arg;
    int rc;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (request == FIONREAD || request == SIOCATMARK) {
        c = conn_get(fd);
    }
    if (!c) {
        return sys.ioctl(fd, request, arg);
    }
    if (request == FIONREAD) {
        rc = conn_readable(c, fd, arg);
    } else if (arg) {
        *(int *)arg = 0; /* there is no urgent data, so no mark */
        rc = 0;
    } else {
        errno = EFAULT;
        rc = -1;
    }
    conn_put(c);
    return rc;
}
