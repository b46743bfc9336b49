/* SPDX-License-Identifier: ISC */
/* fdopen(3). */
#include <errno.h>
#include <fcntl.h>

#include "shim/ssl_options.h"

static int fd_of(void *cookie)
{
    return (int)(intptr_t)cookie;
}

static ssize_t stream_read(void *cookie, char *p, size_t n)
{
    return ssl_read(fd_of(cookie), p, n);
}

static ssize_t stream_write(void *cookie, const char *p, size_t n)
{
    return stream_write_all(fd_of(cookie), p, n, ssl_write);
}

static int stream_seek(void *cookie, off64_t *at, int whence)
{
    return stream_seek_fd(fd_of(cookie), at, whence);
}

static int stream_close(void *cookie)
{
    return ssl_close(fd_of(cookie));
}

FILE *ssl_fdopen(int fd, const char *mode)
{
    static const cookie_io_functions_t io = {
        .read = stream_read, .write = stream_write, .seek = stream_seek, .close = stream_close
    };

    /* Also what is not connected yet: by the time it is used it will be. */
    if (!ssl_is_tls(fd)) {
        return sys.fdopen(fd, mode);
    }
    return sys.fcntl(fd, F_GETFL) < 0 ? NULL : stream_open(fd, mode, (void *)(intptr_t)fd, &io);
}
