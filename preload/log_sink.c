/* SPDX-License-Identifier: ISC */
/* Where the lines of the log go: a file, a descriptor of the program, or the system's log. The
 * program never waits for it and never hears of its troubles: a line that finds no room is dropped
 * and counted. No locks, no allocation: a line is one system call, so processes may share a place.
 */
#include "preload/preload.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "preload/log.h"

#define OWN_FD_MIN 1000 /* our descriptors stay out of the program's way */

static enum { SINK_NONE, SINK_FILE, SINK_FD, SINK_SYSLOG } sink;
static bool json;
static atomic_int log_fd = -1;
static char path[1024];  /* of a SINK_FILE */
static atomic_bool torn; /* the last line is not whole */
static _Atomic uint64_t dropped;
static _Atomic pid_t dropped_by; /* a child does not tell its parent's */

int own_fd(int fd)
{
    int high = fd < 0 ? -1 : REAL(fcntl)(fd, F_DUPFD_CLOEXEC, OWN_FD_MIN);

    if (high < 0) {
        return fd;
    }
    REAL(close)(fd);
    return high;
}

static bool is_own(void)
{
    return sink == SINK_FILE || sink == SINK_SYSLOG;
}

/* A socket that lost its daemon is connected again and not made again: its number never means
 * something else to another thread. */
static void find_daemon(int fd)
{
    static const struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

    (void)REAL(connect)(fd, (const struct sockaddr *)&to, sizeof to);
}

/* A FIFO that nobody reads, or whose reader sleeps, must not stop the program: O_NONBLOCK. */
static void open_own(void)
{
    int fd, none = -1;

    if (sink == SINK_FILE) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
    } else {
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0) {
            find_daemon(fd);
        }
    }
    fd = own_fd(fd);
    if (fd >= 0 && !atomic_compare_exchange_strong(&log_fd, &none, fd)) {
        REAL(close)(fd); /* another thread was here first */
    }
}

static int number_of(const char *s, size_t n)
{
    int fd = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9' || fd > 9999999) {
            return -1;
        }
        fd = fd * 10 + (s[i] - '0');
    }
    return fd;
}

void log_sink_open(const char *where, size_t n)
{
    json = n >= 5 && memcmp(where, "json:", 5) == 0;
    where += json ? 5 : 0;
    n -= json ? 5 : 0;
    if (n == 6 && memcmp(where, "stderr", n) == 0) {
        sink = SINK_FD;
        log_fd = STDERR_FILENO;
    } else if (n > 3 && memcmp(where, "fd:", 3) == 0) {
        sink = SINK_FD;
        log_fd = number_of(where + 3, n - 3);
    } else if (n == 6 && memcmp(where, "syslog", n) == 0) {
        sink = SINK_SYSLOG;
        open_own();
    } else if (n && n < sizeof path) {
        sink = SINK_FILE;
        memcpy(path, where, n);
        path[n] = '\0';
        open_own();
    }
}

bool log_sink_there(void)
{
    return is_own() || log_fd >= 0;
}

bool log_sink_json(void)
{
    return json;
}

uint64_t log_sink_take_dropped(void)
{
    uint64_t n = dropped ? atomic_exchange(&dropped, 0) : 0;

    return n && dropped_by == getpid() ? n : 0;
}

bool log_owns(int fd)
{
    return fd >= 0 && fd == log_fd && is_own();
}

int log_descriptor(void)
{
    return log_fd;
}

void log_lost(int lo, int hi)
{
    if (is_own() && log_fd >= lo && log_fd <= hi) {
        log_fd = -1;
    }
}

/* A pipe whose reader is gone, a file that is as long as it may be: nothing to the program. */
static ssize_t write_quietly(int fd, const struct iovec *v, int flags)
{
    struct unheard u;
    ssize_t sent;

    unheard_begin(&u);
    sent = flags ? REAL(pwritev2)(fd, v, 1, -1, flags) : REAL(write)(fd, v->iov_base, v->iov_len);
    unheard_end(&u, sent < 0 ? errno : 0);
    return sent;
}

/* Others use the same open file, so it stays in the mode that it is in. */
static ssize_t write_at_once(int fd, const struct iovec *v)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    struct stat st;
    ssize_t sent;

    if (fstat(fd, &st) != 0) {
        return -1;
    }
    if (S_ISSOCK(st.st_mode)) {
        return REAL(send)(fd, v->iov_base, v->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (S_ISREG(st.st_mode)) {
        return write_quietly(fd, v, 0);
    }
    /* Behind POLLOUT a pipe takes PIPE_BUF bytes. RWF_NOWAIT, where the kernel has it for this kind
     * of file, is for who meets another writer here. */
    if (REAL(poll)(&p, 1, 0) <= 0 || !(p.revents & POLLOUT)) {
        errno = EAGAIN;
        return -1;
    }
    sent = write_quietly(fd, v, RWF_NOWAIT);
    return sent < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)
               ? write_quietly(fd, v, 0)
               : sent;
}

static ssize_t send_syslog(int fd, const struct iovec *v, int level)
{
    char head[24]; /* RFC 3164 section 4.1; the daemon has the time (section 4.3.2) */
    int n = snprintf(head, sizeof head, "<%d>%s", LOG_DAEMON | level, json ? "sleeve: " : "");
    struct iovec parts[] = { { head, (size_t)n }, *v };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t sent = REAL(sendmsg)(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0 && errno != EAGAIN && errno != EBADF) {
        find_daemon(fd);
        sent = REAL(sendmsg)(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return sent < 0 ? -1 : (ssize_t)v->iov_len;
}

static ssize_t put(const struct iovec *v, int level)
{
    int fd = log_fd;
    ssize_t sent;

    if (fd < 0 && is_own()) {
        open_own();
        fd = log_fd;
    }
    if (fd < 0 || is_tracked(fd)) { /* a connection that landed on fd 2 is no place for the log */
        return -1;
    }
    do {
        sent = sink == SINK_SYSLOG ? send_syslog(fd, v, level)
               : sink == SINK_FILE ? write_quietly(fd, v, 0)
                                   : write_at_once(fd, v);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EBADF && is_own()) { /* closed where we could not see it */
        (void)atomic_compare_exchange_strong(&log_fd, &fd, -1);
    }
    return sent;
}

void log_sink_put(struct log_line *l, int level, uint64_t told)
{
    char newline = '\n';
    struct iovec v = { l->text, l->n };
    ssize_t sent;

    if (sink != SINK_SYSLOG) {
        l->text[l->n] = newline;
        v.iov_len++;
        if (atomic_exchange(&torn, false) && put(&(struct iovec){ &newline, 1 }, level) != 1) {
            torn = true;
        }
    }
    sent = torn ? -1 : put(&v, level);
    if (sent == (ssize_t)v.iov_len) {
        return;
    }
    torn = torn || sent > 0;
    dropped_by = getpid();
    dropped += told + 1;
}
