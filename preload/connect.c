/* SPDX-License-Identifier: ISC */
/* Where connections begin and end: the rules are asked here, and from here on a socket is ours. */
#include "preload/preload.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/audit.h"
#include "preload/log.h"
#include "preload/relay.h"
#include "preload/rules_parts.h"
#include "preload/watch.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static const struct rule refuse_all = { .app = "-", .label = "-", .action = RULE_REFUSE };

union address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage any;
};

/* Is it one of two? A socket that does not say (a filter of system calls may forbid the question)
 * is taken for one of ours: what is not refused can only be TLS. */
static bool option_is(int fd, int name, int either, int other)
{
    int value = -1;
    socklen_t len = sizeof value;

    if (REAL(getsockopt)(fd, SOL_SOCKET, name, &value, &len) != 0) {
        return errno != EBADF && errno != ENOTSOCK;
    }
    return value == either || value == other;
}

bool stream_socket(int fd)
{
    int saved = errno;
    bool yes = option_is(fd, SO_DOMAIN, AF_INET, AF_INET6) &&
               option_is(fd, SO_PROTOCOL, IPPROTO_TCP, IPPROTO_MPTCP) &&
               option_is(fd, SO_TYPE, SOCK_STREAM, SOCK_STREAM);

    errno = saved;
    return yes;
}

static bool waits(int fd)
{
    int flags = REAL(fcntl)(fd, F_GETFL);

    return flags >= 0 && !(flags & O_NONBLOCK);
}

/* Makes sure that nothing can be written on a socket that should have been ours. */
static void kill_socket(int fd)
{
    int saved = errno;

    REAL(shutdown)(fd, SHUT_RDWR);
    errno = saved;
}

bool fd_is_stale(int fd)
{
    if (errno != ENOTSOCK) {
        return false;
    }
    fd_leaves(fd);
    fd_left(fd);
    return true;
}

_Atomic int fds_leaving;

bool fd_is_leaving(int fd)
{
    if (!watch_leaving(fd)) {
        return false;
    }
    errno = EBADF;
    return true;
}

/* The last look of the tripwire. */
static void look_before(int fd)
{
    struct conn *c = audit_on ? tracked(fd) : NULL;

    if (c) {
        audit_look(c, fd);
        conn_put(c);
    }
}

void fd_leaves(int fd)
{
    int saved = errno;

    session_silent = !watch_used_here(fd);
    session_ended = false;
    look_before(fd);
    watch_forget(fd);
    if (is_tracked(fd) && !watch_leaves(fd, true)) {
        fds_leaving++;
    }
    conn_closing(fd);
    if (session_ended) { /* the last one, and no other process has it: nothing can be written any
                            more */
        REAL(shutdown)(fd, SHUT_WR);
    }
    errno = saved;
}

void fd_left(int fd)
{
    if (fds_leaving != 0 && watch_leaves(fd, false)) {
        fds_leaving--;
    }
}

static void say_files(const struct rule *rule, bool good, const char *sentence)
{
    log_event(good ? LOG_INFO : LOG_WARNING,
              PAIRS(pair_text("rule", rule->label), pair_text("files", good ? "read" : "unusable")),
              "%s", sentence);
}

/* What is said before the handshake. A server greets with its machine's name. */
static struct prelude *talk_of(const struct rule *rule, const char *host)
{
    char name[256];

    if (!host && gethostname(name, sizeof name) == 0) {
        name[sizeof name - 1] = '\0';
        host = name;
    }
    return starttls_new(rule->starttls, rule->role, host);
}

/* Does a rule say that this client may do without TLS? */
static bool may_be_plain(int fd, const struct rule *rule)
{
    union address from;
    struct endpoint e;
    socklen_t len = sizeof from;

    if (rule->plaintext != PLAINTEXT_LOOPBACK) {
        return rule->plaintext == PLAINTEXT_ALLOW;
    }
    return getpeername(fd, &from.sa, &len) == 0 && endpoint_of(&e, &from.sa, len) &&
           endpoint_is_loopback(&e);
}

/* host: a client's; NULL: a server. peer: where the client connects to. */
static int attach(int fd, const struct rule *rule, const char *host, const struct sockaddr *peer)
{
    struct error err = { .code = 0 };
    int rc, saved;
    struct conn *c;
    struct conn_params p = {
        .config = policy_config(rule, say_files),
        .host = host,
        .sni = rule->sni,
        .peer = peer,
        .session_ttl = rule->session_ttl,
        .handshake_timeout_ms = rule->handshake_timeout_ms,
        .clear_ok = !host && may_be_plain(fd, rule),
        .first = rule->app_tls == APP_TLS_BYPASS ? CONN_FIRST_WAITS : CONN_FIRST_REFUSE,
        .lenient_eof = rule->lenient_eof,
        .linger_ms = rule->linger_ms,
        .park_after_ms = rule->park_after_ms,
        .on_event = visit_event,
        .ctx = visit_new(rule, fd, peer),
        .tag = (int)rule->handoff,
    };

    if (rule->starttls != STARTTLS_NONE) {
        p.prelude = talk_of(rule, host);
    }
    if (!p.ctx || (rule->starttls != STARTTLS_NONE && !p.prelude)) {
        visit_free(p.ctx);
        prelude_free(p.prelude);
        kill_socket(fd);
        config_unref(p.config);
        errno = ENOMEM;
        return -1;
    }
    rc = conn_attach(fd, &p, &err);
    saved = errno;
    config_unref(p.config);
    errno = saved;
    if (rc != 0) {
        kill_socket(fd);
        log_event(LOG_WARNING,
                  PAIRS(pair_text("role", host ? "client" : "server"),
                        pair_text("rule", rule->label), pair_text("result", "failed")),
                  "%s", err.text);
        visit_free(p.ctx);
        return -1;
    }
    c = conn_get(fd);
    if (c) {
        audit_begin(c, fd);
        watch_adopt(c, fd);
        conn_put(c);
    }
    if (fd <= STDERR_FILENO) {
        stdio_follow(fd);
    }
    return 0;
}

/* ---- clients ---- */

/* The program asks again about a connection that was begun: EALREADY, then 0, then EISCONN. */
static int connect_again(struct conn *c, int fd, const struct sockaddr *addr, socklen_t len)
{
    int rc;

    if (conn_waits_to_speak(c)) {
        conn_put(c);
        return REAL(connect)(fd, addr, len);
    }
    rc = conn_handshake(c, fd, 0);
    watch_note(c, fd);
    if (rc == 0 && !watch_connecting(fd, false)) {
        errno = EISCONN;
        rc = -1;
    } else if (rc != 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        errno = EALREADY;
    }
    conn_put(c);
    return rc;
}

/* `mode = relay`: the descriptor can only change when the handshake is done, so it is done here,
 * for sockets that do not wait as well. */
static int connect_relayed(int fd)
{
    struct conn *c = conn_get(fd);
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int rc;

    if (!c) {
        errno = EBADF;
        return -1;
    }
    while ((rc = conn_handshake(c, fd, 0)) != 0 && (errno == EAGAIN || errno == EINTR)) {
        (void)!conn_poll(&p, 1, -1);
    }
    conn_put(c);
    if (rc == 0 && relay_take(fd, RELAY_ALL) != 0) {
        kill_socket(fd);
        errno = ENOBUFS;
        rc = -1;
    }
    return rc;
}

static int connect_tls(int fd, const union address *to, socklen_t len, const struct rule *rule,
                       const char *host)
{
    struct conn *c;
    int rc = REAL(connect)(fd, &to->sa, len), why = errno;

    /* EINTR: the kernel goes on with it. EISCONN: connected before the library could see it. */
    if (rc != 0 && why != EINPROGRESS && why != EINTR) {
        return rc;
    }
    if (attach(fd, rule, host, &to->sa) != 0) {
        return -1;
    }
    if (rule->mode == MODE_RELAY) {
        return connect_relayed(fd);
    }
    if (rule->app_tls == APP_TLS_BYPASS && rc == 0) {
        return 0; /* the handshake waits for the program's first words */
    }
    watch_connecting(fd, true);
    if (rc != 0 || !waits(fd)) {
        errno = rc != 0 ? why : EINPROGRESS;
        return -1;
    }
    c = conn_get(fd);
    if (!c) {
        errno = EBADF; /* another thread closed it */
        return -1;
    }
    rc = conn_handshake(c, fd, 0);
    if (rc == 0) {
        watch_connecting(fd, false);
    }
    conn_put(c);
    return rc;
}

static const struct rule *client_rule(int fd, const union address *to, socklen_t len,
                                      char host[static POLICY_HOST_MAX])
{
    int saved = errno;
    const struct rule *rule;
    struct names names;

    if ((to->sa.sa_family != AF_INET && to->sa.sa_family != AF_INET6) || !stream_socket(fd)) {
        return NULL;
    }
    if (preload_refuses()) {
        return &refuse_all;
    }
    names_of(&to->sa, len, &names);
    rule = policy_client(policy, &to->sa, len, names.list, names.n, host);
    errno = saved;
    return rule;
}

static int connect_ruled(int fd, const struct sockaddr *addr, socklen_t len)
{
    char host[POLICY_HOST_MAX] = "";
    const struct rule *rule;
    union address to;

    memset(&to, 0, sizeof to);
    memcpy(&to, addr, len);
    rule = client_rule(fd, &to, len, host);
    if (!rule || rule->action == RULE_BYPASS) {
        return REAL(connect)(fd, addr, len);
    }
    if (rule->action == RULE_REFUSE) {
        log_event(LOG_WARNING,
                  PAIRS(pair_text("role", "client"), pair_text("rule", rule->label),
                        pair_text("result", "refused")),
                  "the rules allow no connection there");
        errno = EACCES;
        return -1;
    }
    if (rule->to_port) {
        *(to.sa.sa_family == AF_INET ? &to.in.sin_port : &to.in6.sin6_port) = htons(rule->to_port);
    }
    return connect_tls(fd, &to, len, rule, host);
}

int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    struct conn *c;

    if (!policy && !preload_refuses()) {
        return REAL(connect)(fd, addr, len);
    }
    if (!addr || len < sizeof addr->sa_family || len > sizeof(struct sockaddr_storage)) {
        return REAL(connect)(fd, addr, len);
    }
    c = tracked(fd);
    if (!c) {
        return connect_ruled(fd, addr, len);
    }
    if (addr->sa_family != AF_UNSPEC) {
        return connect_again(c, fd, addr, len);
    }
    conn_put(c); /* dissolves the association: the next connect() is a new connection */
    fd_leaves(fd);
    fd_left(fd);
    return REAL(connect)(fd, addr, len);
}

int __connect(int fd, const struct sockaddr *addr, socklen_t len);
int __connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    return connect(fd, addr, len);
}

/* ---- servers ---- */

/* fd has just been accepted. Returns it, or -1 and errno when the rules or memory do not allow it.
 */
static int accepted(int fd)
{
    int saved = errno;
    socklen_t len = sizeof(union address);
    const struct rule *rule = NULL;
    union address local;

    if (fd < 0) {
        return fd;
    }
    watch_forget(fd);
    if (!preload_refuses() && !policy_has(policy, TLS_SERVER)) {
        return fd;
    }
    if (stream_socket(fd)) {
        /* One that does not say where it was accepted could be any rule's. */
        rule = preload_refuses() || getsockname(fd, &local.sa, &len) != 0
                   ? &refuse_all
                   : policy_server(policy, &local.sa, len);
    }
    if (!rule || rule->action == RULE_BYPASS) {
        errno = saved;
        return fd;
    }
    if (rule->action == RULE_TLS && attach(fd, rule, NULL, NULL) == 0) {
        if (rule->mode != MODE_RELAY || relay_take(fd, RELAY_ALL) == 0) {
            errno = saved;
            return fd;
        }
        fd_leaves(fd);
        fd_left(fd);
        errno = ECONNABORTED;
    }
    if (rule->action == RULE_REFUSE) {
        log_event(LOG_WARNING,
                  PAIRS(pair_text("role", "server"), pair_text("rule", rule->label),
                        pair_text("result", "refused")),
                  "the rules allow no connection here");
        errno = EACCES;
    }
    saved = errno;
    REAL(close)(fd);
    errno = saved;
    return -1;
}

int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    int got = REAL(accept)(fd, addr, len);

    return policy || preload_refuses() ? accepted(got) : got;
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    int got = REAL(accept4)(fd, addr, len, flags);

    return policy || preload_refuses() ? accepted(got) : got;
}

bool adopt_server(int fd, enum adopt how)
{
    union address local, peer;
    socklen_t len = sizeof local, peer_len = sizeof peer;
    const struct rule *rule;

    if (!stream_socket(fd)) {
        return false;
    }
    if (getpeername(fd, &peer.sa, &peer_len) != 0 || getsockname(fd, &local.sa, &len) != 0) {
        if (errno != ENOTCONN) { /* it could be any rule's */
            kill_socket(fd);
        }
        return false;
    }
    rule = policy_server(policy, &local.sa, len);
    return rule && rule->action == RULE_TLS && rule->adopt == how &&
           attach(fd, rule, NULL, NULL) == 0;
}

void refuse_inherited(int fd)
{
    union address peer;
    socklen_t len = sizeof peer;

    if (stream_socket(fd) && (getpeername(fd, &peer.sa, &len) == 0 || errno != ENOTCONN)) {
        kill_socket(fd);
    }
}

/* ---- ends ---- */

int shutdown(int fd, int how)
{
    struct conn *c = tracked(fd);
    int rc;

    if (!c) {
        return REAL(shutdown)(fd, how);
    }
    rc = conn_shutdown(c, fd, how);
    watch_note(c, fd);
    conn_put(c);
    return rc;
}

int close(int fd)
{
    if (__builtin_expect(watch_uses(fd), 0) || conn_any()) {
        if (watch_owns(fd) || log_owns(fd)) {
            errno = EBADF; /* ours: the program has no such descriptor */
            return -1;
        }
        fd_leaves(fd);
        fd_left(fd);
    } else if (log_owns(fd)) {
        errno = EBADF;
        return -1;
    }
    return REAL(close)(fd);
}

int __close(int fd);
int __close(int fd)
{
    return close(fd);
}

static void leave(void *ctx, int fd)
{
    (void)ctx;
    fd_leaves(fd);
    fd_left(fd);
}

static void leave_range(unsigned lo, unsigned hi)
{
    int last = hi > INT32_MAX ? INT32_MAX : (int)hi;

    if (lo <= INT32_MAX && lo <= hi) {
        conn_each((int)lo, last, leave, NULL);
        watch_forget_range((int)lo, last);
        log_lost((int)lo, last);
    }
}

int close_range(unsigned lo, unsigned hi, int flags)
{
    /* CLOSE_RANGE_CLOEXEC closes nothing now, and what it asks for is right for ours too. */
    if (policy && !((unsigned)flags & CLOSE_RANGE_CLOEXEC)) {
        leave_range(lo, hi);
    }
    return REAL(close_range)(lo, hi, flags);
}

void closefrom(int lo)
{
    if (policy) {
        leave_range(lo < 0 ? 0 : (unsigned)lo, INT32_MAX);
    }
    REAL(closefrom)(lo);
}
