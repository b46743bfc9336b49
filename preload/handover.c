/* SPDX-License-Identifier: ISC */
/* Connections that go from one program to another: over exec into one that is listed, too, and from
 * an inetd that knows nothing of TLS (`adopt`). */
#include "preload/handover.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "preload/log.h"
#include "preload/preload.h"
#include "preload/rules_parts.h"
#include "preload/watch.h"

#define OWN_FD_MIN  1000
#define OWN_FD_MOST 1256 /* where the memory of connections is looked for */
#define ANY_FD_MOST 1024 /* adopt = any */
#define LISTEN_FD   3    /* sd_listen_fds(3) */

/* ---- exec: the old program ---- */

static bool takes_us_along(char *const envp[])
{
    for (; envp && *envp; envp++) {
        if (strncmp(*envp, "LD_PRELOAD=", 11) == 0 && strstr(*envp, "libsleeve-preload.so")) {
            return true;
        }
    }
    return false;
}

/* What the rules say of the program that is to come; NULL: nothing, or it will not have us. */
static struct policy *policy_of(const char *path, char *const envp[])
{
    char real[PATH_MAX];
    struct program prog = { .execfn = path };
    struct sources src;
    struct policy *p;

    if (!path || !takes_us_along(envp) || !(p = policy_new())) {
        return NULL;
    }
    prog.exe = realpath(path, real) ? real : path;
    sources_find(&src);
    if (src.off || policy_read(p, src.rules, src.path) != 0 || policy_select(p, &prog) == 0 ||
        policy_build(p, false) != 0) {
        policy_free(p);
        p = NULL;
    }
    return p;
}

/* Will there be a rule for it? A yes that turns out to be wrong costs the connection, and is no
 * plaintext: see share_exec.c. */
static bool fits(const struct policy *p, const struct conn *c, int fd)
{
    struct sockaddr_storage any;
    socklen_t len = sizeof any;
    const struct rule *rule;

    if (conn_role(c) == TLS_CLIENT) {
        return policy_has(p, TLS_CLIENT);
    }
    rule = getsockname(fd, (struct sockaddr *)&any, &len) == 0
               ? policy_server(p, (struct sockaddr *)&any, len)
               : NULL;
    return rule && rule->action == RULE_TLS;
}

static void send_along(void *ctx, int fd)
{
    int flags = REAL(fcntl)(fd, F_GETFD);
    struct conn *c = flags < 0 || (flags & FD_CLOEXEC) ? NULL : tracked(fd);

    if (c && fits(ctx, c, fd)) {
        (void)!conn_export(c, fd); /* or it is not sent */
    }
    conn_put(c);
}

static void leave_behind(void *ctx, int fd)
{
    struct conn *c = tracked(fd);

    if (c) {
        conn_exec_leaves(c, *(const bool *)ctx);
        conn_put(c);
    }
}

static void bring_back(void *ctx, int fd)
{
    struct conn *c = tracked(fd);

    (void)ctx;
    if (c) {
        conn_export_end(c);
        conn_put(c);
    }
}

void exec_send(const char *path, char *const envp[])
{
    int saved = errno;
    struct policy *p = conn_any() ? policy_of(path, envp) : NULL;

    if (p) {
        conn_each(0, INT32_MAX, send_along, p);
    }
    policy_free(p);
    errno = saved;
}

bool exec_sent(int fd)
{
    struct conn *c = tracked(fd);
    bool sent = c && conn_exported(c, fd);

    conn_put(c);
    return sent;
}

void exec_leave(void)
{
    int saved = errno;
    bool leaves = true;

    if (conn_any()) {
        conn_each(0, INT32_MAX, leave_behind, &leaves);
    }
    errno = saved;
}

void exec_failed(void)
{
    int saved = errno;
    bool leaves = false;

    if (conn_any()) {
        conn_each(0, INT32_MAX, bring_back, NULL);
        conn_each(0, INT32_MAX, leave_behind, &leaves);
    }
    errno = saved;
}

const char *exec_path(const char *file, char *buf, size_t size)
{
    const char *dir = getenv("PATH"), *end;

    if (!file || strchr(file, '/')) {
        return file;
    }
    for (dir = dir ? dir : "/bin:/usr/bin"; *dir; dir = *end ? end + 1 : end) {
        end = strchrnul(dir, ':');
        snprintf(buf, size, "%.*s/%s", (int)(end - dir), end > dir ? dir : ".", file);
        if (access(buf, X_OK) == 0) {
            return buf;
        }
    }
    return NULL;
}

/* ---- exec: the new program ---- */

static uint64_t cookie(int fd)
{
    uint64_t value = 0;
    socklen_t n = sizeof value;

    return REAL(getsockopt)(fd, SOL_SOCKET, SO_COOKIE, &value, &n) == 0 ? value : 0;
}

/* The connection at `first` may have other numbers. */
static void take_aliases(int first, int last)
{
    uint64_t one = cookie(first);

    for (int fd = first; fd <= last; fd++) {
        struct conn *c =
            fd == first || (cookie(fd) == one && !is_tracked(fd) && conn_alias(first, fd) == 0)
                ? conn_get(fd)
                : NULL;

        if (c && is_tracked(fd)) {
            watch_adopt(c, fd);
            if (fd != first) {
                watch_aliased(first, fd);
            }
            if (fd <= STDERR_FILENO) {
                stdio_follow(fd);
            }
        }
        conn_put(c);
    }
}

/* A connection that was made under other rules is none under these: what its peer proved it proved
 * to those. */
static bool import_by(struct share_set *set, const struct import *i, const struct rule *rule)
{
    struct sockaddr_storage any;
    struct sockaddr *peer = (struct sockaddr *)&any;
    socklen_t len = sizeof any;
    struct conn_params p = {
        .lenient_eof = rule->lenient_eof,
        .linger_ms = rule->linger_ms,
        .park_after_ms = rule->park_after_ms,
        .on_event = visit_event,
        .tag = (int)rule->handoff,
    };
    bool done;

    if (rule->action != RULE_TLS || rule->role != i->role ||
        getpeername(i->real, peer, &len) != 0) {
        return false;
    }
    p.config = policy_config(rule, NULL);
    p.ctx = visit_new(rule, i->real, i->role == TLS_CLIENT ? peer : NULL);
    done = p.config && p.ctx && conn_import(set, i, &p) == 0;
    config_unref(p.config);
    if (!done) {
        visit_free(p.ctx);
    }
    return done;
}

static void import_one(struct share_set *set, const struct import *i)
{
    const struct rule *rule;

    for (size_t n = 0; (rule = policy_rule(policy, n)) != NULL; n++) {
        if (import_by(set, i, rule)) {
            take_aliases(i->fd, i->fd <= STDERR_FILENO ? STDERR_FILENO : ANY_FD_MOST);
            return;
        }
    }
    log_event(LOG_WARNING, PAIRS(pair_text("result", "refused")),
              "fd %d has TLS from the program before, and no rule fits it", i->fd);
    conn_import_not(i);
}

static void import_all(void)
{
    for (int fd = OWN_FD_MIN; fd < OWN_FD_MOST; fd++) {
        struct share_set *set = share_set_open(fd);
        struct import i = { .next = 0 };

        while (set && conn_import_next(set, &i)) {
            import_one(set, &i);
        }
        if (set) {
            conn_import_end(set);
        }
    }
}

/* ---- inetd ---- */

static void adopt(int lo, int hi, enum adopt how)
{
    for (int fd = lo; fd <= hi; fd++) {
        if (!is_tracked(fd) && adopt_server(fd, how)) {
            take_aliases(fd, how == ADOPT_STDIO ? STDERR_FILENO : ANY_FD_MOST);
        }
    }
}

/* What systemd passes on is for the process of that id. */
static int listen_fds(void)
{
    const char *pid = env_get("LISTEN_PID"), *n = env_get("LISTEN_FDS");

    return pid && n && atoi(pid) == (int)getpid() && atoi(n) > 0 && atoi(n) < ANY_FD_MOST ? atoi(n)
                                                                                          : 0;
}

void handover_refuse(void)
{
    int saved = errno, listen = listen_fds();

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO || fd < LISTEN_FD + listen; fd++) {
        refuse_inherited(fd);
    }
    errno = saved;
}

void handover_start(void)
{
    int saved = errno;

    import_all();
    if (policy_has(policy, TLS_SERVER)) {
        adopt(STDIN_FILENO, STDERR_FILENO, ADOPT_STDIO);
        adopt(LISTEN_FD, LISTEN_FD + listen_fds() - 1, ADOPT_LISTEN_FDS);
        adopt(0, ANY_FD_MOST, ADOPT_ANY);
    }
    errno = saved;
}
