/* SPDX-License-Identifier: ISC */
/* Writing. */
#include "preload/preload.h"
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "preload/log.h"
#include "preload/relay.h"
#include "preload/watch.h"

static size_t length(const struct iovec *iov, int n)
{
    size_t sum = 0;

    for (int i = 0; i < n; i++) {
        sum += iov[i].iov_len;
    }
    return sum;
}

/* Behind every write of ours: consumes the reference, keeps errno. */
static ssize_t was_written(struct conn *c, int fd, const struct iovec *iov, int n, ssize_t put)
{
    if (put < 0 ? errno == EAGAIN || errno == EWOULDBLOCK : (size_t)put < length(iov, n)) {
        watch_blocked(fd);
    }
    watch_wrote(c, fd);
    conn_put(c);
    return put;
}

static ssize_t write_vector(struct conn *c, int fd, const struct iovec *iov, int n)
{
    return was_written(c, fd, iov, n, conn_write(c, fd, iov, n));
}

static ssize_t write_one(struct conn *c, int fd, const void *p, size_t n, int flags)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)p,
                         .iov_len = n > SSIZE_MAX ? SSIZE_MAX : n };

    /* Urgent data travels in-band. */
    return was_written(c, fd, &iov, 1, conn_send(c, fd, &iov, 1, flags & ~MSG_OOB));
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
        put = write_vector(c, fd, iov, n);
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
        return flags & RWF_NOWAIT && n > 0
                   ? was_written(c, fd, iov, n, conn_send(c, fd, iov, (size_t)n, MSG_DONTWAIT))
                   : write_vector(c, fd, iov, n);
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

/* A receiver of the descriptor would write plaintext on it. EACCES: the rule forbids a relay. */
int rights_check(const struct msghdr *m)
{
    int fd;

    while (conn_any() && (fd = conn_in_rights(m, is_tracked)) >= 0) {
        if (!relay_may_take(fd)) {
            log_event(LOG_WARNING, PAIRS(pair_text("result", "refused")),
                      "fd %d has TLS and cannot be passed to another process", fd);
            errno = EACCES;
            return -1;
        }
        if (relay_take(fd, RELAY_ALL) != 0) {
            return -1;
        }
    }
    return 0;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct conn *c = tracked(fd);

    if (c && m) {
        ssize_t put = conn_sendmsg(c, fd, m, flags & ~MSG_OOB);

        return was_written(c, fd, m->msg_iov, put < 0 ? 0 : (int)m->msg_iovlen, put);
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

static ssize_t send_file(struct conn *c, int out, int in, off_t *offset, size_t count)
{
    struct iovec all = { .iov_len = count };
    ssize_t put = conn_sendfile(c, out, in, offset, count);

    /* Also at the end of the file: less than was asked. */
    return was_written(c, out, &all, 1, put);
}

ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    struct conn *c = tracked(out);

    if (c) {
        return send_file(c, out, in, offset, count);
    }
    return leaving(out) ? -1 : REAL(sendfile)(out, in, offset, count);
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count)
{
    struct conn *c = tracked(out);

    if (c) {
        return send_file(c, out, in, (off_t *)offset, count);
    }
    return leaving(out) ? -1 : REAL(sendfile64)(out, in, offset, count);
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

int eventfd_write(int fd, eventfd_t value)
{
    if (is_tracked(fd)) {
        return write(fd, &value, sizeof value) == (ssize_t)sizeof value ? 0 : -1;
    }
    return leaving(fd) ? -1 : REAL(eventfd_write)(fd, value);
}

/* What a crashing program calls: without malloc(). */
void backtrace_symbols_fd(void *const *frames, int n, int fd)
{
    if (!is_tracked(fd)) {
        if (!leaving(fd)) {
            REAL(backtrace_symbols_fd)(frames, n, fd);
        }
        return;
    }
    for (int i = 0; i < n; i++) {
        char line[320];
        Dl_info at;
        int len =
            dladdr(frames[i], &at) && at.dli_fname
                ? snprintf(line, sizeof line, "%s(%s+%#tx)[%p]\n", at.dli_fname,
                           at.dli_sname ? at.dli_sname : "",
                           (char *)frames[i] - (char *)(at.dli_sname ? at.dli_saddr : at.dli_fbase),
                           frames[i])
                : snprintf(line, sizeof line, "[%p]\n", frames[i]);

        write(fd, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
    }
}

void __backtrace_symbols_fd(void *const *frames, int n, int fd);
void __backtrace_symbols_fd(void *const *frames, int n, int fd)
{
    backtrace_symbols_fd(frames, n, fd);
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
