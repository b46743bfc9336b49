/* SPDX-License-Identifier: ISC */
/* The tripwire as a mode of the library, for `sleeve audit` and for tests: behind every call that
 * had to do with a connection, and before each end of one, TCP's count is compared with ours
 * (shim/wire.c). SLEEVE_AUDIT is a key of hexadecimal digits: the first half names the listener's
 * abstract socket, the whole stands before each line, so that others cannot put lines in. */
#include "preload/preload.h"
#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>

#include "preload/audit.h"

bool audit_on;
static char key[AUDIT_KEY + 1];

void audit_open(void)
{
    const char *value = secure_getenv("SLEEVE_AUDIT");

    audit_on =
        value && strlen(value) == AUDIT_KEY && strspn(value, "0123456789abcdef") == AUDIT_KEY;
    if (audit_on) {
        memcpy(key, value, sizeof key);
    }
}

/* A socket for each line: none that the program could close, or take for its own. */
void audit_line(const char *line, size_t n)
{
    const struct timeval patience = { .tv_sec = 5 };
    struct iovec parts[] = { { key, AUDIT_KEY }, { (void *)(uintptr_t)line, n } };
    struct sockaddr_un to;
    struct msghdr m = { .msg_name = &to, .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t sent = -1;
    int fd = audit_on ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

    if (fd < 0) {
        return;
    }
    audit_address(key, &to, &m.msg_namelen);
    if (REAL(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0) {
        do {
            sent = REAL(sendmsg)(fd, &m, MSG_NOSIGNAL);
        } while (sent < 0 && errno == EINTR);
    }
    REAL(close)(fd);
}

void audit_say(const char *fmt, ...)
{
    int saved = errno, n, m;
    char line[512];
    va_list ap;

    if (audit_on) {
        n = snprintf(line, sizeof line, "sleeve: program=%s pid=%d ", program, (int)getpid());
        va_start(ap, fmt);
        m = vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
        va_end(ap);
        audit_line(line, m < 0 || n + m >= (int)sizeof line ? sizeof line - 1 : (size_t)(n + m));
    }
    errno = saved;
}

void audit_begin(struct conn *c, int fd)
{
    if (audit_on) {
        conn_watch_wire(c, fd);
    }
}

void audit_look(struct conn *c, int fd)
{
    uint64_t stray = audit_on ? conn_wire_stray(c, fd) : 0;

    if (stray) {
        visit_stray(c, fd, stray);
    }
}

static void look_at(void *ctx, int fd)
{
    struct conn *c = tracked(fd);

    (void)ctx;
    if (c) {
        audit_look(c, fd);
        conn_put(c);
    }
}

void audit_all(void)
{
    if (audit_on && conn_any()) {
        conn_each(0, INT32_MAX, look_at, NULL);
    }
}
