/* SPDX-License-Identifier: ISC */
/* The log: silent unless SLEEVE_LOG (or the configuration's `log`) names a file, "stderr" or
 * "fd:N", and behind it kinds of trace ("stderr,handshake"). One line for each session, one for
 * each failure; a line is one write(), so processes may share a file. */
#include "preload/preload.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/trace.h"
#include "preload/audit.h"

#define OWN_FD_MIN 1000 /* our descriptors stay out of the program's way */
#define LINE_MAX_  2048

static int log_fd = -1;
static char log_path[1024]; /* empty: a descriptor that is not ours to reopen */

int own_fd(int fd)
{
    int high = fd < 0 ? -1 : REAL(fcntl)(fd, F_DUPFD_CLOEXEC, OWN_FD_MIN);

    if (high < 0) {
        return fd;
    }
    REAL(close)(fd);
    return high;
}

static void open_path(void)
{
    log_fd = own_fd(open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644));
}

static void trace_line(void *ctx, enum trace_kind kind, const char *line)
{
    (void)ctx;
    log_line("%s: %s", trace_name(kind), line);
}

void log_open(const char *where)
{
    unsigned kinds;
    size_t n;

    if (!where || !*where) {
        return;
    }
    kinds = trace_kinds(where, &n);
    if (n == 6 && memcmp(where, "stderr", n) == 0) {
        log_fd = STDERR_FILENO;
    } else if (strncmp(where, "fd:", 3) == 0) {
        log_fd = atoi(where + 3);
    } else if (n && n < sizeof log_path) {
        memcpy(log_path, where, n);
        log_path[n] = '\0';
        open_path();
    }
    trace_set(trace_line, NULL, kinds);
}

bool log_owns(int fd)
{
    return fd == log_fd && log_path[0] != '\0';
}

int log_descriptor(void)
{
    return log_fd;
}

void log_lost(int lo, int hi)
{
    if (log_path[0] && log_fd >= lo && log_fd <= hi) {
        log_fd = -1;
    }
}

void log_line(const char *fmt, ...)
{
    int saved = errno, n, m;
    char line[LINE_MAX_];
    va_list ap;
    bool logs;

    if (log_fd < 0 && log_path[0]) {
        open_path();
    }
    /* A connection that landed on fd 2 is not a place for the log. */
    logs = log_fd >= 0 && !is_tracked(log_fd);
    if (logs || audit_on) {
        n = snprintf(line, sizeof line, "sleeve: program=%s pid=%d ", program, (int)getpid());
        va_start(ap, fmt);
        m = vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
        va_end(ap);
        n = m < 0 || n + m > (int)sizeof line - 2 ? (int)sizeof line - 2 : n + m;
        for (int i = 0; i < n; i++) { /* what a peer sent cannot forge a line */
            line[i] = (unsigned char)line[i] < ' ' || line[i] == 127 ? '?' : line[i];
        }
        audit_line(line, (size_t)n);
        line[n++] = '\n';
        while (logs && REAL(write)(log_fd, line, (size_t)n) < 0 && errno == EINTR) {
        }
    }
    errno = saved;
}

_Thread_local bool session_silent, session_ended;

struct visit {
    bool client, failed, connected, clear;
    char peer[INET6_ADDRSTRLEN + 16];
    char rule[96];
};

union address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage any;
};

static void text_of(const union address *a, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (a->sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%u", host, ntohs(a->in.sin_port));
    } else if (a->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof host);
        snprintf(text, size, "[%s]:%u", host, ntohs(a->in6.sin6_port));
    } else {
        snprintf(text, size, "-");
    }
}

struct visit *visit_new(const struct rule *rule, int fd, const struct sockaddr *to)
{
    int saved = errno;
    struct visit *s = mem_zalloc(sizeof *s);
    union address a = { .sa.sa_family = AF_UNSPEC };
    socklen_t len = sizeof a;

    if (s) {
        s->client = to != NULL;
        if (to) {
            memcpy(&a, to, to->sa_family == AF_INET ? sizeof a.in : sizeof a.in6);
        } else {
            getpeername(fd, &a.sa, &len);
        }
        text_of(&a, s->peer, sizeof s->peer);
        snprintf(s->rule, sizeof s->rule, "%s", rule->label ? rule->label : "-");
        for (char *p = s->rule; (p = strchr(p, ' ')) != NULL;) {
            *p = '_'; /* a line is words of the form key=value, and `result` the last */
        }
    }
    errno = saved;
    return s;
}

void visit_free(struct visit *s)
{
    mem_free(s);
}

static const char *or_dash(const char *s)
{
    return s && *s ? s : "-";
}

/* Runs with no lock held, in whichever thread saw the event. */
void visit_event(void *session, struct conn *c, int event)
{
    struct visit *s = session;
    const struct error *e = conn_error(c);
    struct tls_info i = { .version = 0 };
    struct wire w;
    char strays[40] = "";
    const char *role = s->client ? "client" : "server";

    if (event == CONN_EVENT_CONNECTED) {
        s->connected = true;
        return;
    }
    if (event == CONN_EVENT_CLEAR) {
        s->clear = true;
        log_line("role=%s rule=%s peer=%s result=plaintext: %s", role, s->rule, s->peer,
                 s->client ? "the program speaks TLS by itself" : "the client does not speak TLS");
        return;
    }
    if (event == CONN_EVENT_FAILED) {
        s->failed = true;
        log_line("role=%s rule=%s peer=%s result=failed: %s", role, s->rule, s->peer, e->text);
        return;
    }
    if (session_silent || conn_errno(c) == EPERM) { /* it belongs to another process */
        visit_free(s);
        return;
    }
    session_ended = true;
    if (s->connected) {
        conn_info(c, &i);
        conn_wire(c, &w);
        if (w.watched) {
            snprintf(strays, sizeof strays, " stray=%llu", (unsigned long long)w.stray);
        }
        log_line("role=%s rule=%s peer=%s name=%s version=%s suite=%s group=%s alpn=%s sent=%llu "
                 "received=%llu wire-sent=%llu wire-received=%llu%s result=%s%s",
                 role, s->rule, s->peer, or_dash(s->client ? i.host : i.sni),
                 or_dash(i.version_name), or_dash(i.suite), or_dash(i.group), or_dash(i.alpn),
                 (unsigned long long)i.sealed_bytes, (unsigned long long)i.opened_bytes,
                 (unsigned long long)w.out, (unsigned long long)w.in, strays,
                 e->code ? "broken: " : "closed", e->code ? e->text : "");
    } else if (!s->failed && !s->clear) {
        log_line("role=%s rule=%s peer=%s result=closed before the handshake", role, s->rule,
                 s->peer);
    }
    visit_free(s);
}

void visit_stray(struct conn *c, int fd, uint64_t n)
{
    union address a = { .sa.sa_family = AF_UNSPEC };
    char peer[INET6_ADDRSTRLEN + 16];
    socklen_t len = sizeof a;
    int saved = errno;

    getpeername(fd, &a.sa, &len);
    text_of(&a, peer, sizeof peer);
    errno = saved;
    log_line("role=%s peer=%s fd=%d stray=%llu result=bypassed: bytes left without TLS",
             conn_role(c) == TLS_CLIENT ? "client" : "server", peer, fd, (unsigned long long)n);
}
