/* SPDX-License-Identifier: ISC */
/* Streams. The C library's stdio reads and writes descriptors by functions of its own that nobody
 * can take over. So a stream on a connection is one with our functions behind it (fopencookie), and
 * the descriptor's number in it, for fileno(). */
#include "preload/preload.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio_ext.h>
#include <string.h>
#include <wchar.h>

#include "preload/watch.h"

static _Atomic bool any_stream; /* one of ours was ever made */

/* fd + 1; negative: the stream that stands for stdin, stdout or stderr. */
static int fd_of(void *cookie)
{
    intptr_t n = (intptr_t)cookie;

    return (int)(n < 0 ? -n : n) - 1;
}

static ssize_t stream_read(void *cookie, char *p, size_t n)
{
    return read(fd_of(cookie), p, n);
}

static ssize_t stream_write(void *cookie, const char *p, size_t n)
{
    return stream_write_all(fd_of(cookie), p, n, write);
}

static int stream_seek(void *cookie, off64_t *at, int whence)
{
    return stream_seek_fd(fd_of(cookie), at, whence);
}

static int stream_close(void *cookie);

static FILE *our_stream(int fd, const char *mode, bool for_standard)
{
    static const cookie_io_functions_t functions = {
        .read = stream_read, .write = stream_write, .seek = stream_seek, .close = stream_close
    };
    intptr_t cookie = for_standard ? -((intptr_t)fd + 1) : (intptr_t)fd + 1;

    return stream_open(fd, mode, (void *)cookie, &functions);
}

/* Also a socket that is not connected yet: by the time it is used it may be one of ours. */
static bool wants_stream(int fd)
{
    int saved = errno;
    bool yes = is_tracked(fd);

    if (!yes && policy && policy_has(policy, TLS_CLIENT) && stream_socket(fd)) {
        struct sockaddr_storage any;
        socklen_t len = sizeof any;

        yes = getpeername(fd, (struct sockaddr *)&any, &len) != 0;
    }
    errno = saved;
    return yes;
}

static FILE *stream_on(int fd, const char *mode)
{
    FILE *f;

    if (!wants_stream(fd)) {
        return REAL(fdopen)(fd, mode);
    }
    f = our_stream(fd, mode, false);
    if (f) {
        atomic_store(&any_stream, true);
    }
    return f;
}

FILE *fdopen(int fd, const char *mode)
{
    return stream_on(fd, mode);
}

FILE *_IO_fdopen(int fd, const char *mode);
FILE *_IO_fdopen(int fd, const char *mode)
{
    return stream_on(fd, mode);
}

/* ---- stdin, stdout, stderr ---- */

static struct {
    FILE *ours;  /* made at the start: exit() empties streams from the newest to the oldest */
    FILE *given; /* what it stands for while `on` */
    bool on;
} std[3];

static FILE **standard(int fd)
{
    return fd == 0 ? &stdin : fd == 1 ? &stdout : &stderr;
}

static int stream_close(void *cookie)
{
    int fd = fd_of(cookie);

    if ((intptr_t)cookie < 0) { /* fclose(stdout): another one when it is needed again */
        if (*standard(fd) == std[fd].ours) {
            *standard(fd) = std[fd].given; /* EBADF, as after any fclose(); ours is freed */
        }
        std[fd].ours = NULL;
        std[fd].on = false;
    }
    return close(fd);
}

/* What the program has printed and not flushed goes where the descriptor now leads. */
static void move_pending(FILE *from, FILE *to)
{
    size_t n = (size_t)(from->_IO_write_ptr - from->_IO_write_base);

    if (n > 0) {
        fwrite(from->_IO_write_base, 1, n, to);
        from->_IO_write_ptr = from->_IO_write_base;
    }
}

static FILE *our_standard(int fd)
{
    FILE *f = our_stream(fd, fd == STDIN_FILENO ? "r" : "w", true);

    if (f && fd == STDERR_FILENO) {
        setvbuf(f, NULL, _IONBF, 0);
    }
    if (f) {
        fwide(f, -1); /* without orientation perror() would open its own stream on the descriptor */
    }
    return f;
}

void stdio_start(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        std[fd].ours = our_standard(fd);
    }
}

/* What the program said with setvbuf(), or what its terminal made of the stream. */
static void same_buffering(FILE *from, FILE *to)
{
    size_t size = __fbufsize(from);

    if (__flbf(from)) {
        setvbuf(to, NULL, _IOLBF, 0);
    } else if (size > 0) { /* else it was not used yet */
        setvbuf(to, NULL, size == 1 ? _IONBF : _IOFBF, 0);
    }
}

static void replace(int fd)
{
    FILE **slot = standard(fd);

    if (!std[fd].ours) {
        std[fd].ours = our_standard(fd);
    }
    std[fd].given = *slot;
    std[fd].on = true;
    if (std[fd].ours) {
        atomic_store(&any_stream, true);
        same_buffering(*slot, std[fd].ours);
        move_pending(*slot, std[fd].ours);
        *slot = std[fd].ours;
    }
    std[fd].given->_fileno = -1; /* whoever kept the pointer gets EBADF, never plaintext */
}

static void restore(int fd)
{
    std[fd].on = false;
    std[fd].given->_fileno = fd;
    if (std[fd].ours && *standard(fd) == std[fd].ours) {
        same_buffering(std[fd].ours, std[fd].given);
        move_pending(std[fd].ours, std[fd].given);
        *standard(fd) = std[fd].given;
    }
}

void stdio_follow(int fd)
{
    bool ours = is_tracked(fd);

    if (ours && !std[fd].on) {
        replace(fd);
    } else if (!ours && std[fd].on) {
        restore(fd);
    }
}

void stdio_flush(void)
{
    if (atomic_load(&any_stream)) {
        fflush(NULL);
    }
}

/* freopen() puts another file on the stream's descriptor, inside the C library. */
static void before_reopen(FILE *f)
{
    int fd = f ? fileno(f) : -1;

    if (fd >= 0 && is_tracked(fd)) {
        fflush(f);
        fd_leaves(fd);
        fd_left(fd);
        if (fd <= STDERR_FILENO && std[fd].ours == f) { /* becomes an ordinary stream */
            std[fd].ours = NULL;
            std[fd].on = false;
        }
    }
}

static FILE *reopen(FILE *(*real)(const char *, const char *, FILE *), const char *path,
                    const char *mode, FILE *f)
{
    /* The C library gives a stream with a cookie this address for what wide characters need, and
     * freopen() follows it. */
    bool narrow = f && f->_wide_data == (struct _IO_wide_data *)-1;

    before_reopen(f);
    if (narrow) {
        f->_wide_data = NULL;
    }
    f = real(path, mode, f);
    if (f && narrow) {
        fwide(f, -1);
    }
    return f;
}

FILE *freopen(const char *path, const char *mode, FILE *f)
{
    return reopen(REAL(freopen), path, mode, f);
}

FILE *freopen64(const char *path, const char *mode, FILE *f)
{
    return reopen(REAL(freopen64), path, mode, f);
}
