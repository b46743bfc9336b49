/* SPDX-License-Identifier: ISC */
/* Writing. */
#include "preload/preload.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "preload/watch.h"

#define KNOWN_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE)
#define FILE_CHUNK  32768 /* sendfile: on the stack */

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

static size_t length(const struct iovec *iov, int n)
{
    size_t sum = 0;

    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len > SSIZE_MAX - sum) {
            return SIZE_MAX;
        }
        sum += iov[i].iov_len;
    }
    return sum;
}

ssize_t write_tracked(struct conn *c, int fd, const struct iovec *iov, int n, int flags)
{
    ssize_t put = -1;
    size_t want = n < 0 || n > IOV_MAX ? SIZE_MAX : length(iov, n);

    if (want == SIZE_MAX) {
        errno = EINVAL;
    } else if (flags & MSG_ZEROCOPY) {
        errno = ENOBUFS; /* "do it with a copy", says the kernel's documentation */
    } else {
        put = conn_writev(c, fd, iov, n, flags & KNOWN_FLAGS);
        if (put < 0 ? errno == EAGAIN || errno == EWOULDBLOCK : (size_t)put < want) {
            watch_blocked(fd);
        }
        watch_wrote(c, fd);
    }
    conn_put(c);
    return put;
}

static ssize_t write_one(struct conn *c, int fd, const void *p, size_t n, int flags)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)p,
                         .iov_len = n > SSIZE_MAX ? SSIZE_MAX : n };

    return write_tracked(c, fd, &iov, 1, flags);
}

ssize_t write(int fd, const void *p, size_t n)
{
    struct conn *c = tracked(fd);
    ssize_t put;

    if (c) {
        put = write_one(c, fd, p, n, 0);
        if (put >= 0 || !fd_is_stale(fd)) {
            return put;
        }
    }
    return leaving(fd) ? -1 : REAL(write)(fd, p, n);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
    struct conn *c = tracked(fd);
    ssize_t put;

    if (c) {
        put = write_tracked(c, fd, iov, n, 0);
        if (put >= 0 || !fd_is_stale(fd)) {
            return put;
        }
    }
    return leaving(fd) ? -1 : REAL(writev)(fd, iov, n);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    struct conn *c = at == -1 ? tracked(fd) : NULL;

    if (c) {
        return write_tracked(c, fd, iov, n, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0);
    }
    return leaving(fd) ? -1 : REAL(pwritev2)(fd, iov, n, at, flags);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    struct conn *c = tracked(fd);

    if (c) {
        return write_one(c, fd, p, n, flags);
    }
    return leaving(fd) ? -1 : REAL(send)(fd, p, n, flags);
}

/* TCP Fast Open connects and writes in one call, before there could be TLS. The answer is the one
 * of a kernel without it: programs then connect() in the ordinary way. */
static bool opens_fast(int fd, int flags)
{
    if (!(flags & MSG_FASTOPEN) || !policy || !stream_socket(fd)) {
        return false;
    }
    errno = EOPNOTSUPP;
    return true;
}

ssize_t sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *addr,
               socklen_t len)
{
    struct conn *c = tracked(fd);

    if (c) {
        return write_one(c, fd, p, n, flags);
    }
    return leaving(fd) || opens_fast(fd, flags) ? -1 : REAL(sendto)(fd, p, n, flags, addr, len);
}

/* A receiver of the descriptor would write plaintext on it. */
int rights_check(const struct msghdr *m)
{
    struct cmsghdr *c;

    if (!m || !m->msg_control || m->msg_controllen < sizeof *c || !conn_any()) {
        return 0;
    }
    for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (is_tracked(fd)) {
                log_line("result=refused: fd %d has TLS and cannot be passed to another process",
                         fd);
                errno = EACCES;
                return -1;
            }
        }
    }
    return 0;
}

static ssize_t send_message(struct conn *c, int fd, const struct msghdr *m, int flags)
{
    if (m->msg_iovlen > IOV_MAX) {
        conn_put(c);
        errno = EMSGSIZE;
        return -1;
    }
    return write_tracked(c, fd, m->msg_iov, (int)m->msg_iovlen, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct conn *c = tracked(fd);

    if (c && m) {
        return send_message(c, fd, m, flags);
    }
    conn_put(c);
    return leaving(fd) || rights_check(m) != 0 || opens_fast(fd, flags)
               ? -1
               : REAL(sendmsg)(fd, m, flags);
}

int sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    struct conn *c = tracked(fd);
    unsigned done = 0;

    if (!c) {
        for (unsigned i = 0; i < n; i++) {
            if (rights_check(&v[i].msg_hdr) != 0) {
                return -1;
            }
        }
        return leaving(fd) || opens_fast(fd, flags) ? -1 : REAL(sendmmsg)(fd, v, n, flags);
    }
    conn_put(c);
    while (done < n) {
        const struct msghdr *m = &v[done].msg_hdr;
        ssize_t put = sendmsg(fd, m, flags);

        if (put < 0) {
            return done ? (int)done : -1;
        }
        v[done++].msg_len = (unsigned)put;
        if ((size_t)put < length(m->msg_iov, (int)m->msg_iovlen)) {
            break;
        }
    }
    return (int)done;
}

/* ---- from file to socket ---- */

/* Sends from the file at `at`; moves it by exactly what was sent. */
static ssize_t send_file(int out, int in, off_t *at, size_t count)
{
    char chunk[FILE_CHUNK];
    size_t done = 0;

    while (done < count) {
        size_t want = count - done < sizeof chunk ? count - done : sizeof chunk;
        ssize_t got = pread(in, chunk, want, *at), put;

        if (got == 0) {
            break;
        }
        put = got < 0 ? got : write(out, chunk, (size_t)got);
        if (put < 0) {
            if (errno == ESPIPE) {
                errno = EINVAL; /* what sendfile() says of a pipe or a socket */
            }
            return done ? (ssize_t)done : -1;
        }
        *at += put;
        done += (size_t)put;
        if (put < got) {
            break;
        }
    }
    return (ssize_t)done;
}

static ssize_t sendfile_tracked(int out, int in, off_t *offset, size_t count)
{
    off_t at = offset ? *offset : lseek(in, 0, SEEK_CUR);
    ssize_t done;

    if (at < 0) {
        errno = errno == EBADF ? EBADF : EINVAL;
        return -1;
    }
    done = send_file(out, in, &at, count);
    if (offset) {
        *offset = at;
    } else {
        int saved = errno;
        lseek(in, at, SEEK_SET);
        errno = saved;
    }
    return done;
}

ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    if (is_tracked(out)) {
        return sendfile_tracked(out, in, offset, count);
    }
    return leaving(out) ? -1 : REAL(sendfile)(out, in, offset, count);
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
    if (is_tracked(out)) {
        return sendfile_tracked(out, in, (off_t *)offset, count);
    }
    return leaving(out) ? -1 : REAL(sendfile64)(out, in, offset, count);
}

/* EINVAL is what splice() says of files it does not work with: programs then read and write. */
ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
    if (is_tracked(in) || is_tracked(out)) {
        errno = EINVAL;
        return -1;
    }
    return leaving(out) ? -1 : REAL(splice)(in, in_at, out, out_at, n, flags);
}

/* ---- formatted, and the C library's other names ---- */

int __vasprintf_chk(char **text, int flag, const char *fmt, va_list ap);

/* flag < 0: not fortified. */
static int print(int fd, int flag, const char *fmt, va_list ap)
{
    char *text = NULL;
    ssize_t put;
    int n = flag < 0 ? vasprintf(&text, fmt, ap) : __vasprintf_chk(&text, flag, fmt, ap), done = 0;

    while (n > done) {
        put = write(fd, text + done, (size_t)(n - done));
        if (put < 0) {
            n = -1;
        } else {
            done += (int)put;
        }
    }
    if (text) {
        int saved = errno;
        free(text);
        errno = saved;
    }
    return n;
}

int vdprintf(int fd, const char *fmt, va_list ap)
{
    if (is_tracked(fd)) {
        return print(fd, -1, fmt, ap);
    }
    return leaving(fd) ? -1 : REAL(vdprintf)(fd, fmt, ap);
}

int dprintf(int fd, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vdprintf(fd, fmt, ap);
    va_end(ap);
    return n;
}

int __vdprintf_chk(int fd, int flag, const char *fmt, va_list ap)
{
    if (is_tracked(fd)) {
        return print(fd, flag, fmt, ap);
    }
    return leaving(fd) ? -1 : REAL(__vdprintf_chk)(fd, flag, fmt, ap);
}

int __dprintf_chk(int fd, int flag, const char *fmt, ...);
int __dprintf_chk(int fd, int flag, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = __vdprintf_chk(fd, flag, fmt, ap);
    va_end(ap);
    return n;
}

ssize_t __write(int fd, const void *p, size_t n);
ssize_t __write(int fd, const void *p, size_t n)
{
    return write(fd, p, n);
}

ssize_t __send(int fd, const void *p, size_t n, int flags);
ssize_t __send(int fd, const void *p, size_t n, int flags)
{
    return send(fd, p, n, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off64_t at, int flags)
{
    return pwritev2(fd, iov, n, at, flags);
}

/* ---- asynchronous I/O of the C library: it would read and write the socket itself ---- */

static bool no_aio(const struct aiocb *a)
{
    if (!a || !is_tracked(a->aio_fildes)) {
        return false;
    }
    errno = EOPNOTSUPP;
    return true;
}

int aio_read(struct aiocb *a)
{
    return no_aio(a) ? -1 : REAL(aio_read)(a);
}

int aio_write(struct aiocb *a)
{
    return no_aio(a) ? -1 : REAL(aio_write)(a);
}

int aio_read64(struct aiocb64 *a)
{
    return no_aio((struct aiocb *)(void *)a) ? -1 : REAL(aio_read64)(a);
}

int aio_write64(struct aiocb64 *a)
{
    return no_aio((struct aiocb *)(void *)a) ? -1 : REAL(aio_write64)(a);
}

int lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
    for (int i = 0; i < n; i++) {
        if (no_aio(list[i])) {
            return -1;
        }
    }
    return REAL(lio_listio)(mode, list, n, event);
}

int lio_listio64(int mode, struct aiocb64 *const list[], int n, struct sigevent *event)
{
    for (int i = 0; i < n; i++) {
        if (no_aio((const struct aiocb *)(const void *)list[i])) {
            return -1;
        }
    }
    return REAL(lio_listio64)(mode, list, n, event);
}
