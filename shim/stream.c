/* SPDX-License-Identifier: ISC */
/* stdio over a connection. The C library's own streams read and write the descriptor by functions
 * that are not ours; so a stream on a connection is one with ours behind it (fopencookie), and the
 * descriptor's number in it, for fileno(). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shim/shim.h"

FILE *stream_open(int fd, const char *mode, void *cookie, const cookie_io_functions_t *io)
{
    char plain[3] = { mode[0], strchr(mode, '+') ? '+' : '\0', '\0' };
    FILE *f;

    if (!plain[0] || !strchr("rwa", plain[0])) {
        errno = EINVAL;
        return NULL;
    }
    f = fopencookie(cookie, plain, *io);
    if (f) {
        f->_fileno = fd;
    }
    return f;
}

ssize_t stream_write_all(int fd, const char *p, size_t n,
                         ssize_t (*put)(int fd, const void *p, size_t n))
{
    size_t done = 0;

    while (done < n) {
        ssize_t taken = put(fd, p + done, n - done);

        if (taken < 0) {
            break;
        }
        done += (size_t)taken;
    }
    return (ssize_t)done;
}

int stream_seek_fd(int fd, off64_t *at, int whence)
{
    off64_t now = lseek64(fd, *at, whence); /* a socket: ESPIPE */

    if (now < 0) {
        return -1;
    }
    *at = now;
    return 0;
}
