/* SPDX-License-Identifier: ISC */
/* Signal handlers. The kernel calls ours, and that the program's, or it puts the signal off because
 * this thread is in a half of a connection (shim/calm.c): so no half needs to block signals.
 *
 * What is installed has the program's mask and flags, but for two: SA_SIGINFO is always there, and
 * SA_RESETHAND never, lest a signal that was put off finds the handler gone. A question is answered
 * as if nothing was between.
 *
 * Handlers of faults stay the program's own. So do those of realtime signals: these are queued in
 * their order, which one that is sent again would lose. Who has such a handler, or one that was
 * installed where we cannot see it, has all signals blocked in each half instead. */
#include "preload/preload.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/signals.h"

typedef void info_handler(int sig, siginfo_t *info, void *context);
typedef void plain_handler(int sig);

#define OURS (SA_SIGINFO | (int)SA_RESETHAND)

/* What the program wants to be called. Two words that are not changed together: that a handler is
 * given more than it asked for is nothing to it. */
static struct {
    _Atomic(info_handler *) fn;
    _Atomic int flags; /* the program's, of OURS */
} handlers[NSIG];
static atomic_flag busy = ATOMIC_FLAG_INIT; /* who changes them; signals wait */
static sigset_t interrupts;                 /* siginterrupt(), for signal() */

static void lock(void)
{
    signals_wait();
    while (atomic_flag_test_and_set(&busy)) {
    }
}

static void unlock(void)
{
    atomic_flag_clear(&busy);
    signals_come();
}

static void begin_default(int sig)
{
    struct sigaction none = { .sa_handler = SIG_DFL };
    int saved = errno;

    REAL(sigaction)(sig, &none, NULL);
    errno = saved;
}

static void deliver(int sig, siginfo_t *info, void *context)
{
    info_handler *fn = atomic_load(&handlers[sig].fn);

    if (signal_put_off(sig, info, context)) {
        return;
    }
    if (atomic_load(&handlers[sig].flags) & (int)SA_RESETHAND) {
        begin_default(sig);
    }
    handler_begins();
    fn(sig, info, context);
    handler_ends();
}

static bool is_handler(const struct sigaction *a)
{
    return a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN && a->sa_handler != SIG_ERR;
}

static bool is_realtime(int sig)
{
    return sig >= SIGRTMIN;
}

/* Where the kernel has ours, the program is told its own. */
static void disguise(struct sigaction *a, info_handler *fn, int flags)
{
    if (a->sa_sigaction == deliver) {
        a->sa_sigaction = fn;
        a->sa_flags = (a->sa_flags & ~OURS) | flags;
    }
}

int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct sigaction given, was;
    info_handler *fn;
    int flags, rc;

    if (act && is_realtime(sig) && is_handler(act)) {
        signals_first(false);
    }
    if (sig <= 0 || is_realtime(sig) || is_fault(sig)) {
        return REAL(sigaction)(sig, act, old);
    }
    lock();
    fn = atomic_load(&handlers[sig].fn);
    flags = atomic_load(&handlers[sig].flags);
    if (act && is_handler(act)) {
        given = *act;
        atomic_store(&handlers[sig].fn, act->sa_sigaction);
        atomic_store(&handlers[sig].flags, act->sa_flags & OURS);
        given.sa_sigaction = deliver;
        given.sa_flags = (act->sa_flags & ~(int)SA_RESETHAND) | SA_SIGINFO;
        act = &given;
    }
    rc = REAL(sigaction)(sig, act, &was);
    if (rc == 0) {
        disguise(&was, fn, flags);
    } else {
        atomic_store(&handlers[sig].fn, fn);
        atomic_store(&handlers[sig].flags, flags);
    }
    unlock();
    if (rc == 0 && old) {
        *old = was;
    }
    return rc;
}

int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);
int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    return sigaction(sig, act, old);
}

/* ---- older ways to say it: inside the C library they do not come by here ---- */

static plain_handler *install(int sig, plain_handler *fn, int flags, bool blocks_itself)
{
    struct sigaction act = { .sa_handler = fn, .sa_flags = flags }, old;

    if (fn == SIG_ERR || sig <= 0 || sig >= NSIG) {
        errno = EINVAL;
        return SIG_ERR;
    }
    if (blocks_itself) {
        sigaddset(&act.sa_mask, sig);
    }
    return sigaction(sig, &act, &old) == 0 ? old.sa_handler : SIG_ERR;
}

plain_handler *signal(int sig, plain_handler *fn)
{
    bool restarts = sig <= 0 || sig >= NSIG || sigismember(&interrupts, sig) != 1;

    return install(sig, fn, restarts ? SA_RESTART : 0, true);
}

plain_handler *bsd_signal(int sig, plain_handler *fn);
plain_handler *bsd_signal(int sig, plain_handler *fn)
{
    return signal(sig, fn);
}

plain_handler *ssignal(int sig, plain_handler *fn)
{
    return signal(sig, fn);
}

plain_handler *sysv_signal(int sig, plain_handler *fn)
{
    return install(sig, fn, (int)SA_RESETHAND | SA_NODEFER | SA_INTERRUPT, false);
}

plain_handler *__sysv_signal(int sig, plain_handler *fn)
{
    return sysv_signal(sig, fn);
}

int siginterrupt(int sig, int interrupt)
{
    struct sigaction act;

    if (sigaction(sig, NULL, &act) != 0) {
        return -1;
    }
    act.sa_flags = interrupt ? act.sa_flags & ~SA_RESTART : act.sa_flags | SA_RESTART;
    if (sigaction(sig, &act, NULL) != 0) {
        return -1;
    }
    return interrupt ? sigaddset(&interrupts, sig) : sigdelset(&interrupts, sig);
}

plain_handler *sigset(int sig, plain_handler *fn)
{
    struct sigaction now;
    plain_handler *was;
    sigset_t one, mask;

    sigemptyset(&one);
    if (sigaddset(&one, sig) != 0) {
        return SIG_ERR;
    }
    if (fn == SIG_HOLD) {
        was = sigaction(sig, NULL, &now) == 0 ? now.sa_handler : SIG_ERR;
    } else {
        was = install(sig, fn, 0, false);
    }
    if (was == SIG_ERR || pthread_sigmask(fn == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &one, &mask)) {
        return SIG_ERR;
    }
    return sigismember(&mask, sig) == 1 ? SIG_HOLD : was;
}

/* ---- others ---- */

/* As the kernel has it: the handler comes first. */
void signals_raw(const void *act)
{
    plain_handler *fn;

    if (act) {
        memcpy(&fn, act, sizeof fn);
        if (fn != SIG_DFL && fn != SIG_IGN && (void *)fn != (void *)deliver) {
            signals_first(false);
        }
    }
}

void signals_start(void)
{
    struct sigaction act;

    signals_first(true);
    for (int sig = 1; sig < NSIG; sig++) { /* from somebody's constructor */
        if (REAL(sigaction)(sig, NULL, &act) == 0 && is_handler(&act)) {
            sigaction(sig, &act, NULL);
        }
    }
}
