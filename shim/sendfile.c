/* SPDX-License-Identifier: ISC */
/* sendfile(2): from a file, sealed, to a connection. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "shim/conn.h"

#define CHUNK 32768      /* on the stack */
#define MOST  0x7ffff000 /* sendfile(2), NOTES */

/* From `at` on; moves it by exactly what was sent. */
static ssize_t copy(struct conn *c, int fd, int in, off_t *at, size_t count)
{
    uint8_t chunk[CHUNK];
    size_t done = 0;

    while (done < count) {
        size_t want = count - done < sizeof chunk ? count - done : sizeof chunk;
        ssize_t got = pread(in, chunk, want, *at), put;
        struct iovec iov = { chunk, got > 0 ? (size_t)got : 0 };
        int told = EPIPE;

        if (got == 0) {
            break;
        }
        put = got < 0 ? got : conn_writev(c, fd, &iov, 1, done ? MSG_NOSIGNAL : 0);
        if (put < 0 && done) { /* why, the next call says */
            (void)atomic_compare_exchange_strong(&c->write_errno, &told, errno);
            return (ssize_t)done;
        }
        if (put < 0) {
            return -1;
        }
        *at += put;
        done += (size_t)put;
        if (put < got) {
            break;
        }
    }
    return (ssize_t)done;
}

/* 0, or -1 errno: what sendfile() says of a file that it cannot read at an offset. */
static int check(int in, const off_t *offset, size_t count)
{
    int mode = sys.fcntl(in, F_GETFL);

    if (mode < 0 || (mode & O_ACCMODE) == O_WRONLY || (mode & O_PATH)) {
        errno = EBADF;
        return -1;
    }
    if (lseek(in, 0, SEEK_CUR) < 0) {
        errno = offset ? ESPIPE : EINVAL;
        return -1;
    }
    if ((ssize_t)count < 0 || (offset && *offset < 0)) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

ssize_t conn_sendfile(struct conn *c, int fd, int in, off_t *offset, size_t count)
{
    off_t at;
    ssize_t done;
    int saved;

    if (check(in, offset, count)) {
        return -1;
    }
    at = offset ? *offset : lseek(in, 0, SEEK_CUR);
    done = copy(c, fd, in, &at, count < MOST ? count : MOST);
    saved = done < 0 && errno == EISDIR ? EINVAL : errno;
    if (offset) {
        *offset = at;
    } else if (done > 0) {
        lseek(in, at, SEEK_SET);
    }
    errno = saved;
    return done;
}
