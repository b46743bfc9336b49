/* SPDX-License-Identifier: ISC */
/* More than one descriptor for one connection, and questions to a descriptor. */
#include "preload/preload.h"
#include <errno.h>
#include <linux/sockios.h>
#include <stdarg.h>

#include "preload/relay.h"
#include "preload/watch.h"

/* newfd is a duplicate of fd by now. What cannot be kept track of must not exist. */
static int duplicated(int fd, int newfd)
{
    int saved = errno;

    relay_aliased(fd, newfd);
    if (newfd < 0 || !conn_any() || fd == newfd) {
        return newfd;
    }
    if (conn_alias(fd, newfd) != 0) {
        saved = errno;
        REAL(close)(newfd);
        newfd = -1;
    } else if (is_tracked(newfd)) {
        watch_aliased(fd, newfd);
        if (newfd <= STDERR_FILENO) {
            stdio_follow(newfd);
        }
    }
    errno = saved;
    return newfd;
}

int dup(int fd)
{
    int made = REAL(dup)(fd);

    return duplicated(fd, made);
}

/* dup2() and dup3() close newfd first. */
static bool makes_room(int fd, int newfd)
{
    if (fd == newfd || (!conn_any() && !watch_uses(newfd) && !log_owns(newfd))) {
        return true;
    }
    if (watch_owns(newfd) || log_owns(newfd)) {
        errno = EBUSY;
        return false;
    }
    if (newfd >= 0 && REAL(fcntl)(fd, F_GETFD) >= 0) {
        fd_leaves(newfd);
        fd_left(newfd);
    }
    return true;
}

/* An ordinary file takes the place of a connection on 0, 1 or 2. */
static int took_place(int fd, int made)
{
    made = duplicated(fd, made);
    if (made >= 0 && made <= STDERR_FILENO && policy) {
        stdio_follow(made);
    }
    return made;
}

int dup2(int fd, int newfd)
{
    return makes_room(fd, newfd) ? took_place(fd, REAL(dup2)(fd, newfd)) : -1;
}

int dup3(int fd, int newfd, int flags)
{
    return makes_room(fd, newfd) ? took_place(fd, REAL(dup3)(fd, newfd, flags)) : -1;
}

int __dup2(int fd, int newfd);
int __dup2(int fd, int newfd)
{
    return dup2(fd, newfd);
}

static int fcntl_any(int fd, int cmd, void *arg)
{
    int rc = REAL(fcntl)(fd, cmd, arg);

    return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC ? duplicated(fd, rc) : rc;
}

/* The third argument is an int or a pointer; on every ABI we know, reading it as a pointer keeps
 * both. */
#define THIRD(last, arg)            \
    do {                            \
        va_list ap;                 \
        va_start(ap, last);         \
        (arg) = va_arg(ap, void *); \
        va_end(ap);                 \
    } while (0)

int fcntl(int fd, int cmd, ...)
{
    void *arg;

    THIRD(cmd, arg);
    return fcntl_any(fd, cmd, arg);
}

int fcntl64(int fd, int cmd, ...)
{
    void *arg;

    THIRD(cmd, arg);
    return fcntl_any(fd, cmd, arg);
}

int __fcntl(int fd, int cmd, ...);
int __fcntl(int fd, int cmd, ...)
{
    void *arg;

    THIRD(cmd, arg);
    return fcntl_any(fd, cmd, arg);
}

int ioctl(int fd, unsigned long request, ...)
{
    struct conn *c = NULL;
    void *arg;
    int rc;

    THIRD(request, arg);
    if (request == FIONREAD || request == SIOCATMARK) {
        c = tracked(fd);
    }
    if (!c) {
        return REAL(ioctl)(fd, request, arg);
    }
    if (request == FIONREAD) {
        rc = conn_readable(c, fd, arg);
        watch_note(c, fd);
    } else {
        *(int *)arg = 0; /* urgent data travels in-band: there is no mark */
        rc = 0;
    }
    conn_put(c);
    return rc;
}
