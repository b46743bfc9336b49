/* SPDX-License-Identifier: ISC */
/* Socket options: native, but for those that would tell a lie about the connection or break it. */
#include "preload/preload.h"
#include <errno.h>
#include <netinet/tcp.h>

#include "preload/watch.h"

/* The result of a non-blocking connect(), or a later failure: told once, as the kernel does. */
static int failure_of(struct conn *c, int fd)
{
    int err;

    if (!conn_is_connected(c) && conn_errno(c) == 0 && !conn_waits_to_speak(c)) {
        conn_pump(c, fd, POLLIN | POLLOUT); /* a connection that the kernel refused */
        watch_note(c, fd);
    }
    err = conn_errno(c);
    return err && !watch_error_taken(fd) ? err : 0;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    struct conn *c = level == SOL_SOCKET && name == SO_ERROR ? tracked(fd) : NULL;
    int err;

    /* Would take ciphertext off the socket, past us. */
    if (level == IPPROTO_TCP && name == TCP_ZEROCOPY_RECEIVE && is_tracked(fd)) {
        errno = ENOPROTOOPT;
        return -1;
    }
    if (!c) {
        return REAL(getsockopt)(fd, level, name, value, len);
    }
    err = value && len && *len >= sizeof(int) ? failure_of(c, fd) : 0;
    conn_put(c);
    if (err == 0) {
        return REAL(getsockopt)(fd, level, name, value, len);
    }
    *(int *)value = err;
    *len = sizeof(int);
    return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    /* TLS of the program's own, in the kernel, under ours: it has to do without. */
    if (level == IPPROTO_TCP && name == TCP_ULP && is_tracked(fd)) {
        errno = ENOENT;
        return -1;
    }
    return REAL(setsockopt)(fd, level, name, value, len);
}

int sockatmark(int fd)
{
    return is_tracked(fd) ? 0 : REAL(sockatmark)(fd);
}
