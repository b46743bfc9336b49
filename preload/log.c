/* SPDX-License-Identifier: ISC */
/* The log: silent unless SLEEVE_LOG (or the configuration's `log`) says where to, "FILE", "stderr",
 * "fd:N" or "syslog", with "json:" in front for lines of JSON and kinds of trace behind
 * ("stderr,handshake"). One line for each session, one for each failure. */
#include "preload/preload.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/trace.h"
#include "preload/audit.h"
#include "preload/log.h"

static void trace_line(void *ctx, enum trace_kind kind, const char *line)
{
    (void)ctx;
    log_event(LOG_INFO, PAIRS(pair_label("trace", trace_name(kind))), "%s", line);
}

void log_open(const char *where)
{
    unsigned kinds;
    size_t n;

    if (where && *where) {
        kinds = trace_kinds(where, &n);
        log_sink_open(where, n);
        trace_set(trace_line, NULL, kinds);
    }
}

bool log_wanted(void)
{
    return audit_on || log_sink_there();
}

/* RFC 3339, UTC. Not gmtime(), which takes a lock that a child of fork() may find taken. Days of
 * years that begin in March: the leap day is the last. */
static void time_text(char *text, size_t size)
{
    struct timespec t;
    unsigned z, era, day, year, moon, s;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    s = (unsigned)(t.tv_sec % 86400);
    z = (unsigned)(t.tv_sec / 86400) + 719468; /* since 0000-03-01 */
    era = z / 146097;                          /* of 400 years */
    day = z % 146097;
    year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    moon = (5 * day + 2) / 153;
    day = day - (153 * moon + 2) / 5 + 1;
    year += era * 400 + (moon >= 10);
    snprintf(text, size, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year,
             moon < 10 ? moon + 3 : moon - 9, day, s / 3600, s / 60 % 60, s % 60,
             (unsigned)(t.tv_nsec / 1000000));
}

static void make_line(struct log_line *l, bool json, const struct pair *common,
                      const struct pair *pairs, const char *reason)
{
    log_line_begin(l, json);
    log_line_pairs(l, common);
    log_line_pairs(l, pairs);
    log_line_end(l, reason);
}

void log_event(int level, const struct pair *pairs, const char *fmt, ...)
{
    int saved = errno;
    char reason[TRACE_LINE], now[40];
    struct pair common[5];
    struct log_line l;
    uint64_t told;
    va_list ap;

    if (log_wanted()) {
        va_start(ap, fmt);
        (void)vsnprintf(reason, sizeof reason, fmt, ap);
        va_end(ap);
        time_text(now, sizeof now);
        told = log_sink_there() ? log_sink_take_dropped() : 0;
        common[0] = pair_text("program", program);
        common[1] = pair_number("pid", (uint64_t)getpid());
        common[2] = pair_text("time", now);
        common[3] = told ? pair_number("dropped", told) : (struct pair){ .kind = PAIR_END };
        common[4] = (struct pair){ .kind = PAIR_END };
        if (audit_on) {
            make_line(&l, false, common, pairs, reason);
            audit_line(l.text, l.n);
        }
        if (log_sink_there()) {
            make_line(&l, log_sink_json(), common, pairs, reason);
            log_sink_put(&l, level, told);
        }
    }
    errno = saved;
}

_Thread_local bool session_silent, session_ended;

#define SESSION 20

struct visit {
    bool client, failed, connected, clear;
    int64_t began; /* monotonic milliseconds */
    char peer[INET6_ADDRSTRLEN + 16], local[INET6_ADDRSTRLEN + 16];
    char rule[96];
    char session[SESSION];
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

static int64_t ms_now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The socket's cookie names the connection in all processes that have it. */
static void name_session(int fd, char text[static SESSION])
{
    uint64_t cookie = 0;
    socklen_t n = sizeof cookie;

    text[0] = '\0';
    if (log_wanted() && REAL(getsockopt)(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) == 0) {
        snprintf(text, SESSION, "%llx", (unsigned long long)cookie);
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
        name_session(fd, s->session);
        if (!to && log_wanted()) { /* a client has none before it connects */
            len = sizeof a;
            a.sa.sa_family = AF_UNSPEC;
            getsockname(fd, &a.sa, &len);
            text_of(&a, s->local, sizeof s->local);
        }
        snprintf(s->rule, sizeof s->rule, "%s", rule->label ? rule->label : "");
        s->began = ms_now();
    }
    errno = saved;
    return s;
}

void visit_free(struct visit *s)
{
    mem_free(s);
}

/* The same keys for each, whatever became of it. */
static void say_visit(const struct visit *s, struct conn *c, const char *result, const char *reason)
{
    bool good = strcmp(result, "closed") == 0 || strcmp(result, "plaintext") == 0;
    struct tls_info i = { .version = 0 };
    struct wire w;

    conn_info(c, &i);
    conn_wire(c, &w);
    log_event(good ? LOG_INFO : LOG_WARNING,
              PAIRS(pair_text("role", s->client ? "client" : "server"), pair_text("rule", s->rule),
                    pair_text("peer", s->peer), pair_text("local", s->local),
                    pair_text("session", s->session), pair_text("name", s->client ? i.host : i.sni),
                    pair_text("sni", i.sni), pair_text("version", i.version_name),
                    pair_text("suite", i.suite), pair_text("group", i.group),
                    pair_text("alpn", i.alpn), pair_bool("resumed", i.resumed),
                    pair_number("sent", i.sealed_bytes), pair_number("received", i.opened_bytes),
                    pair_number("wire-sent", w.out), pair_number("wire-received", w.in),
                    w.watched ? pair_number("stray", w.stray) : pair_text("stray", NULL),
                    pair_number("ms", (uint64_t)(ms_now() - s->began)),
                    pair_text("result", result)),
              "%s", reason);
}

/* Runs with no lock held, in whichever thread saw the event. */
void visit_event(void *session, struct conn *c, int event)
{
    struct visit *s = session;
    const struct error *e = conn_error(c);

    if (event == CONN_EVENT_CONNECTED) {
        s->connected = true;
        audit_say("role=%s peer=%s session=%s result=open", s->client ? "client" : "server",
                  s->peer, s->session);
        return;
    }
    if (event == CONN_EVENT_CLEAR) {
        s->clear = true;
        say_visit(s, c, "plaintext",
                  s->client ? "the program speaks TLS by itself" : "the client does not speak TLS");
        return;
    }
    if (event == CONN_EVENT_FAILED) {
        s->failed = true;
        say_visit(s, c, "failed", e->text);
        return;
    }
    if (session_silent || conn_errno(c) == EPERM) { /* it belongs to another process */
        visit_free(s);
        return;
    }
    session_ended = true;
    if (s->connected) {
        say_visit(s, c, e->code ? "broken" : "closed", e->code ? e->text : "");
    } else if (!s->failed && !s->clear) {
        say_visit(s, c, "closed", "before the handshake");
    }
    visit_free(s);
}

void visit_stray(struct conn *c, int fd, uint64_t n)
{
    union address a = { .sa.sa_family = AF_UNSPEC };
    char peer[INET6_ADDRSTRLEN + 16], session[SESSION];
    socklen_t len = sizeof a;
    int saved = errno;

    getpeername(fd, &a.sa, &len);
    text_of(&a, peer, sizeof peer);
    name_session(fd, session);
    errno = saved;
    log_event(LOG_WARNING,
              PAIRS(pair_text("role", conn_role(c) == TLS_CLIENT ? "client" : "server"),
                    pair_text("peer", peer), pair_text("session", session),
                    pair_number("fd", (uint64_t)fd), pair_number("stray", n),
                    pair_text("result", "bypassed")),
              "bytes left without TLS");
}
