/* SPDX-License-Identifier: ISC */
/* Neither signals nor cancellation while something is taken that a signal handler might want, or
 * that nobody would give back after a jump out of it.
 *
 * Two ways. calm() blocks the signals: two system calls. In a half, which every read and write
 * takes, that is most of what TLS costs; so where somebody stands before each handler of the
 * program (the preload does), they are not blocked. The handler of a signal that comes in a half is
 * not run: it is sent to this thread again, all signals are blocked from where it came to where the
 * half is left, and there they come, with all that is known of them. As ever, one of a kind can
 * wait.
 *
 * A signal without a handler does at once what it does. To a connection that other processes have,
 * too, that is not indifferent: in its halves signals are always blocked.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "shim/conn.h"

/* This thread. A handler has to find it without memory being allocated. */
static __thread struct {
    volatile sig_atomic_t halves;   /* it is in so many, with signals to be put off */
    volatile sig_atomic_t put_off;  /* one has come: all are blocked */
    volatile sig_atomic_t handlers; /* run; or did, and were left by a jump */
    uint64_t mask;                  /* the kernel's, from before that */
} mine __attribute__((tls_model("initial-exec")));

static _Atomic bool we_are_first;

/* Faults of the program's own must still reach it. */
static sigset_t quiet;
static pthread_once_t quiet_once = PTHREAD_ONCE_INIT;

bool is_fault(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP ||
           sig == SIGABRT || sig == SIGSYS;
}

static void make_quiet(void)
{
    sigfillset(&quiet);
    for (int sig = 1; sig < NSIG; sig++) {
        if (is_fault(sig)) {
            sigdelset(&quiet, sig);
        }
    }
}

void calm(sigset_t *signals, int *cancel)
{
    pthread_once(&quiet_once, make_quiet);
    pthread_sigmask(SIG_SETMASK, &quiet, signals);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel);
}

void uncalm(const sigset_t *signals, int cancel)
{
    pthread_setcancelstate(cancel, NULL);
    pthread_sigmask(SIG_SETMASK, signals, NULL);
}

void unheard_begin(struct unheard *u)
{
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGPIPE);
    sigaddset(&both, SIGXFSZ); /* setrlimit(2), RLIMIT_FSIZE */
    sigemptyset(&u->waiting);
    sigpending(&u->waiting);
    pthread_sigmask(SIG_BLOCK, &both, &u->mask);
}

void unheard_end(const struct unheard *u, int why)
{
    static const struct timespec at_once;
    int saved = errno, sig = why == EPIPE ? SIGPIPE : why == EFBIG ? SIGXFSZ : 0;
    sigset_t one;

    sigemptyset(&one);
    if (sig && !sigismember(&u->waiting, sig) && sigaddset(&one, sig) == 0) {
        while (sigtimedwait(&one, NULL, &at_once) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &u->mask, NULL);
    errno = saved;
}

/* ---- putting off ---- */

void signals_first(bool first)
{
    pthread_once(&quiet_once, make_quiet);
    atomic_store(&we_are_first, first);
}

void signals_wait(void)
{
    mine.halves++;
    atomic_signal_fence(memory_order_seq_cst);
}

void signals_come(void)
{
    sigset_t mask;

    atomic_signal_fence(memory_order_seq_cst);
    mine.halves--;
    atomic_signal_fence(memory_order_seq_cst);
    if (mine.halves == 0 && mine.put_off) {
        mine.put_off = 0;
        sigemptyset(&mask);
        memcpy(&mask, &mine.mask, sizeof mine.mask);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
    }
}

bool signal_put_off(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    int saved = errno;

    if (mine.halves == 0) {
        return false;
    }
    /* Other handlers may lie between this one and the half, stopped before they began: they are
     * put off next. The last one is that which came in the half, and its mask is the one to go
     * back to. Only the kernel's part of a mask is there. */
    pthread_sigmask(SIG_SETMASK, &quiet, NULL);
    syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), sig, info);
    memcpy(&mine.mask, &u->uc_sigmask, sizeof mine.mask);
    memcpy(&u->uc_sigmask, &quiet, sizeof mine.mask);
    mine.put_off = 1;
    errno = saved;
    return true;
}

void handler_begins(void)
{
    mine.handlers++;
}

void handler_ends(void)
{
    mine.handlers--;
}

bool undisturbed(void)
{
    return mine.handlers == 0 && atomic_load_explicit(&we_are_first, memory_order_relaxed);
}

/* ---- in a half ---- */

void hold_signals(struct hold *h)
{
    h->blocked = h->shared || !atomic_load_explicit(&we_are_first, memory_order_relaxed);
    if (h->blocked) {
        pthread_once(&quiet_once, make_quiet);
        pthread_sigmask(SIG_SETMASK, &quiet, &h->signals);
    } else {
        signals_wait();
    }
}

void free_signals(struct hold *h)
{
    if (h->blocked) {
        pthread_sigmask(SIG_SETMASK, &h->signals, NULL);
    } else {
        signals_come();
    }
}

void hush(struct hold *h)
{
    hold_signals(h);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &h->cancel);
}

void unhush(struct hold *h)
{
    pthread_setcancelstate(h->cancel, NULL);
    free_signals(h);
}
