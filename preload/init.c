/* SPDX-License-Identifier: ISC */
/* Before main: is this program listed? If not, nothing more happens, and no call will ever be ours.
 */
#include "preload/preload.h"
#include <errno.h>
#include <string.h>

#include "base/trace.h"
#include "preload/audit.h"
#include "preload/entry.h"
#include "preload/handover.h"
#include "preload/log.h"
#include "preload/signals.h"
#include "preload/watch.h"

struct policy *policy;
char program[64] = "?";
static const char *broken; /* our own reason to refuse everything */

bool preload_refuses(void)
{
    return broken != NULL;
}

bool is_tracked(int fd)
{
    struct conn *c = tracked(fd);

    conn_put(c);
    return c != NULL;
}

/* What weakens a rule is said at every start. */
static void log_rules(void)
{
    const struct rule *r;

    for (size_t i = 0; (r = policy_rule(policy, i)) != NULL; i++) {
        if (r->unverified) {
            log_event(LOG_WARNING, PAIRS(pair_text("rule", r->label), pair_text("verify", "none")),
                      "whoever answers is believed");
        }
        if (r->keylog) {
            log_event(LOG_WARNING,
                      PAIRS(pair_text("rule", r->label), pair_text("keylog", r->keylog)),
                      "the session's secrets are written there");
        }
        if (r->plaintext != PLAINTEXT_REFUSE) {
            log_event(LOG_WARNING,
                      PAIRS(pair_text("rule", r->label),
                            pair_text("plaintext",
                                      r->plaintext == PLAINTEXT_ALLOW ? "allow" : "loopback")),
                      "clients without TLS are served, too");
        }
    }
}

/* A listed program that could write plaintext does not run. */
static void give_up(const char *why)
{
    log_event(LOG_WARNING, PAIRS(pair_text("result", "refused")), "not started: %s", why);
    hello_send(-1, why);
    fprintf(stderr, "sleeve: %s\n", why);
    REAL(_exit)(127);
}

static void start(int argc, char **argv)
{
    struct error err = { .code = 0 };
    const char *where;

    if (argc > 0 && argv[0]) {
        const char *slash = strrchr(argv[0], '/');
        snprintf(program, sizeof program, "%s", slash ? slash + 1 : argv[0]);
    }
    trace_set(NULL, NULL, 0); /* until there is a log: no file for a program that is not listed */
    if (policy_load(&policy, NULL, &err) == 0) {
        policy = NULL;
        hello_send(0, NULL);
        return;
    }
    where = secure_getenv("SLEEVE_LOG");
    log_open(where ? where : policy_log(policy));
    audit_open();
    if (uring_shut() != 0) {
        give_up("io_uring cannot be kept from the program, which has liburing");
    }
    broken = policy ? policy_broken(policy) : "no memory for the configuration";
    if (shim_init() != 0) {
        broken = "the TLS engine does not start";
    } else if (watch_init() != 0 || process_start() != 0) {
        broken = "no memory for the table of descriptors";
    }
    if (broken) {
        log_event(LOG_WARNING, PAIRS(pair_text("result", "refused")), "every connection: %s",
                  broken);
        handover_refuse();
        hello_send(-1, broken);
        return;
    }
    stdio_start();
    signals_start();
    poll_hooks = (struct poll_hooks){ .hot = watch_hot_set, .noted = watch_note };
    log_rules();
    handover_start();
    hello_send(1, NULL);
}

/* Loaded by the first of all constructors, so before the C library's own, which then finds no
 * arguments to set these from. */
static void libc_start(const struct wrap_args *e)
{
    if (!environ) {
        environ = e->envp;
    }
    if (e->argc > 0 && !*program_invocation_name) {
        char *slash = strrchr(e->argv[0], '/');

        program_invocation_name = e->argv[0];
        program_invocation_short_name = slash ? slash + 1 : e->argv[0];
    }
}

/* Of each name that is taken over, our function: in a variable whose name says nothing of its type.
 */
#define CALL(name) extern const char wrap_##name __asm__(#name);
#include "preload/calls.def"
#undef CALL

__attribute__((visibility("default"))) int sleeve_wrap_start(const struct wrap_args *e);
int sleeve_wrap_start(const struct wrap_args *e)
{
    static const void *const wraps[] = {
#define CALL(name) &wrap_##name,
#include "preload/calls.def"
#undef CALL
    };

    if (strcmp(e->version, WRAP_ABI) != 0) {
        return -1;
    }
    libc_start(e);
    real_init(e->find);
    policy_environment(e->envp);
    start(e->argc, e->argv);
    for (size_t i = 0; (policy || broken) && i < sizeof wraps / sizeof *wraps; i++) {
        *(const void **)&e->door[i] = wraps[i];
    }
    return 0;
}

__attribute__((destructor)) static void preload_end(void)
{
    process_farewell();
}
