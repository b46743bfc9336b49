/* SPDX-License-Identifier: ISC */
/* handlers CASE PORT: signal handlers of a program, which must not see that somebody stands before
 * them, and signals that come while a connection is worked on. */
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "ends.h"

static volatile sig_atomic_t count, blocked_itself, value;

static void plain(int sig)
{
    sigset_t now;

    pthread_sigmask(SIG_BLOCK, NULL, &now);
    blocked_itself = sigismember(&now, sig);
    count++;
}

static void with_info(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    value = context ? info->si_value.sival_int : -1;
    count++;
}

/* ---- what is installed is what is told ---- */

static void same(int sig, const struct sigaction *want)
{
    struct sigaction got;

    memset(&got, 0xff, sizeof got);
    CHECK(sigaction(sig, NULL, &got) == 0);
    CHECK(got.sa_sigaction == want->sa_sigaction);
    CHECK((got.sa_flags & ~0x04000000) == want->sa_flags); /* SA_RESTORER is the C library's */
    for (int s = 1; s < NSIG; s++) {
        CHECK(sigismember(&got.sa_mask, s) == sigismember(&want->sa_mask, s));
    }
}

static void answers(void)
{
    static const int flags[] = { 0,
                                 SA_SIGINFO,
                                 SA_RESTART,
                                 SA_SIGINFO | SA_ONSTACK,
                                 (int)SA_RESETHAND,
                                 SA_NODEFER | SA_SIGINFO | (int)SA_RESETHAND };
    struct sigaction act, old, before = { .sa_handler = SIG_DFL };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        for (int sig = 1; sig < NSIG; sig++) {
            if (sig == SIGKILL || sig == SIGSTOP || (sig > 31 && sig < SIGRTMIN)) {
                continue;
            }
            act = (struct sigaction){ .sa_flags = flags[i] };
            act.sa_sigaction = with_info;
            sigaddset(&act.sa_mask, SIGUSR1);
            CHECK(sigaction(sig, &act, &old) == 0);
            CHECK(i == 0 || old.sa_sigaction == with_info);
            same(sig, &act);
        }
    }
    act = (struct sigaction){ .sa_handler = SIG_IGN };
    CHECK(sigaction(SIGUSR1, &act, &old) == 0 && old.sa_sigaction == with_info);
    same(SIGUSR1, &act);
    CHECK(sigaction(SIGUSR1, &before, &old) == 0 && old.sa_handler == SIG_IGN);
    CHECK(sigaction(SIGKILL, &act, NULL) == -1 && errno == EINVAL);
    CHECK(sigaction(0, &act, NULL) == -1 && errno == EINVAL);
    CHECK(sigaction(NSIG, NULL, &old) == -1 && errno == EINVAL);
    CHECK(sigaction(-1, NULL, &old) == -1 && errno == EINVAL);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void older_names(void)
{
    struct sigaction act = { .sa_handler = plain, .sa_flags = SA_RESTART };

    CHECK(signal(SIGUSR1, plain) == SIG_DFL);
    sigaddset(&act.sa_mask, SIGUSR1);
    same(SIGUSR1, &act);
    CHECK(raise(SIGUSR1) == 0 && count == 1 && blocked_itself == 1);
    CHECK(siginterrupt(SIGUSR1, 1) == 0);
    act.sa_flags = 0;
    same(SIGUSR1, &act);
    CHECK(signal(SIGUSR1, plain) == plain); /* the C library remembers */
    same(SIGUSR1, &act);
    CHECK(siginterrupt(SIGUSR1, 0) == 0);
    act.sa_flags = SA_RESTART;
    same(SIGUSR1, &act);
    CHECK(raise(SIGUSR1) == 0 && count == 2);
    CHECK(signal(SIGUSR1, SIG_IGN) == plain && signal(SIGUSR1, SIG_DFL) == SIG_IGN);
    CHECK(signal(SIGKILL, plain) == SIG_ERR && errno == EINVAL);
    CHECK(signal(SIGUSR1, SIG_ERR) == SIG_ERR && errno == EINVAL);
    CHECK(signal(1000, plain) == SIG_ERR && errno == EINVAL);

    CHECK(__sysv_signal(SIGUSR2, plain) == SIG_DFL);
    CHECK(raise(SIGUSR2) == 0 && count == 3 && blocked_itself == 0);
    act = (struct sigaction){ .sa_handler = SIG_DFL };
    CHECK(sigaction(SIGUSR2, NULL, &act) == 0 && act.sa_handler == SIG_DFL); /* it was for once */

    CHECK(sigset(SIGUSR2, plain) == SIG_DFL);
    CHECK(raise(SIGUSR2) == 0 && count == 4);
    CHECK(sigset(SIGUSR2, SIG_HOLD) == plain && raise(SIGUSR2) == 0 && count == 4);
    CHECK(sigset(SIGUSR2, plain) == SIG_HOLD && count == 5);
    CHECK(sigset(SIGUSR2, SIG_IGN) == plain && raise(SIGUSR2) == 0 && count == 5);
    CHECK(sigset(0, plain) == SIG_ERR && errno == EINVAL);
}

/* A fault's handler is called at once, with what it needs to know. */
static sigjmp_buf out;
static void *volatile fault_at;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    fault_at = context ? info->si_addr : NULL;
    siglongjmp(out, 1);
}

static void faults(void)
{
    struct sigaction act = { .sa_flags = SA_SIGINFO };

    act.sa_sigaction = on_fault;
    CHECK(sigaction(SIGSEGV, &act, NULL) == 0);
    same(SIGSEGV, &act);
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(out, 1) == 0) {
            *(volatile char *)16 = 1;
        }
        CHECK(fault_at == (void *)16);
        fault_at = NULL;
    }
}

/* ---- while a connection is worked on ---- */

static void every(int sig, void (*fn)(int), int flags, long usec)
{
    struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };
    struct itimerval t = { { 0, usec }, { 0, usec } };

    CHECK(sigaction(sig, &sa, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
}

static void dot(int sig)
{
    int saved = errno;

    (void)sig;
    if (send(ends[0], ".", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) {
        count++;
    }
    errno = saved;
}

static size_t dots, dashes;

static ssize_t sort_out(int flags)
{
    static char in[400000];
    ssize_t n = recv(ends[1], in, sizeof in, flags);

    for (ssize_t i = 0; i < n; i++) {
        dots += in[i] == '.';
        dashes += in[i] == '-';
    }
    return n;
}

/* Until the handler has written often enough, and in the end everything has arrived. */
static void dash(int most)
{
    size_t put = 0;

    while (count < most) {
        CHECK(write(ends[0], "--", 2) == 2);
        put += 2;
        sort_out(MSG_DONTWAIT);
    }
    every(SIGALRM, SIG_IGN, 0, 0);
    CHECK(shutdown(ends[0], SHUT_WR) == 0);
    while (sort_out(0) > 0) {
    }
    CHECK(dashes == put && dots == (size_t)count);
}

static void writes_too(void)
{
    every(SIGALRM, dot, SA_RESTART, 100);
    dash(2000);
}

/* Installed by a way that nobody sees. */
static void raw(void)
{
    struct {
        void (*fn)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } act;
    struct sigaction made;

    /* The C library's way back, from one that it made. */
    every(SIGALRM, dot, SA_RESTART, 0);
    CHECK(syscall(SYS_rt_sigaction, SIGALRM, NULL, &act, 8L) == 0);
    act.fn = dot;
    CHECK(syscall(SYS_rt_sigaction, SIGALRM, &act, NULL, 8L) == 0);
    CHECK(sigaction(SIGALRM, NULL, &made) == 0 && made.sa_handler == dot);
    CHECK(setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 100 }, { 0, 100 } }, NULL) == 0);
    dash(2000);
}

static void jump(int sig)
{
    (void)sig;
    siglongjmp(out, 1);
}

static void jumps(void)
{
    static char in[20000];
    volatile int jumped = 0;

    for (volatile int i = 0; i < 1000; i++) {
        if (sigsetjmp(out, 1) == 0) {
            every(SIGALRM, jump, 0, 50 + i % 300);
            for (;;) {
                (void)!write(ends[0], in, 700);
                (void)!recv(ends[1], in, sizeof in, MSG_DONTWAIT);
            }
        }
        jumped++;
        every(SIGALRM, SIG_IGN, 0, 0);
    }
    while (recv(ends[1], in, sizeof in, MSG_DONTWAIT) > 0) {
    }
    /* On a slow machine the clock strikes again before it is put off, and jumps twice. */
    CHECK(jumped >= 1000 && write(ends[0], "whole", 5) == 5);
    CHECK(recv(ends[1], in, 5, MSG_WAITALL) == 5 && memcmp(in, "whole", 5) == 0);
}

/* Realtime signals: each of them, in their order, and with what they carry. And others between. */
#define QUEUED 20000
static volatile sig_atomic_t next_value, wrong;
static pthread_t worker;

static void in_order(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    wrong += context == NULL || info->si_code != SI_QUEUE || info->si_value.sival_int != next_value;
    next_value++;
}

static void *queue_them(void *arg)
{
    for (int i = 0; i < QUEUED; i++) {
        while (pthread_sigqueue(worker, SIGRTMIN + 3, (union sigval){ .sival_int = i }) != 0) {
            usleep(50);
        }
        if (i % 7 == 0) {
            pthread_kill(worker, SIGUSR1);
            pthread_kill(worker, SIGUSR2);
        }
        for (int n = 0; i - next_value > 20 && n < 100000; n++) {
            usleep(10);
        }
    }
    return arg;
}

static void queued(void)
{
    struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_RESTART };
    char in[1000];
    pthread_t t;

    signal(SIGUSR1, plain);
    signal(SIGUSR2, plain);
    sa.sa_sigaction = in_order;
    CHECK(sigaction(SIGRTMIN + 3, &sa, NULL) == 0);
    worker = pthread_self();
    CHECK(pthread_create(&t, NULL, queue_them, NULL) == 0);
    while (next_value < QUEUED) {
        CHECK(write(ends[0], in, 64) == 64);
        CHECK(recv(ends[1], in, 64, MSG_WAITALL) == 64);
    }
    CHECK(pthread_join(t, NULL) == 0);
    CHECK(next_value == QUEUED && wrong == 0 && count > 0);
}

/* A handler that is there once is not lost to a signal that comes at a bad time. */
static void once(void)
{
    char in[1000];

    for (int i = 0; i < 3000; i++) {
        struct itimerval t = { .it_value.tv_usec = 1 + i % 60 };

        __sysv_signal(SIGALRM, plain); /* if it came again, it would be the end of the program */
        CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
        while (count == i) {
            CHECK(write(ends[0], in, 64) == 64);
            CHECK(read(ends[1], in, sizeof in) > 0);
        }
        CHECK(count == i + 1);
    }
}

/* A child is made in the midst of it; it has the connection, too. */
static volatile sig_atomic_t children;

static void make_child(int sig)
{
    int saved = errno;
    pid_t pid = fork();

    (void)sig;
    if (pid == 0) {
        close(ends[0]);
        close(ends[1]);
        _exit(0);
    }
    children += pid > 0 && waitpid(pid, NULL, 0) == pid;
    errno = saved;
}

static void forks(void)
{
    char in[1000];

    every(SIGALRM, make_child, SA_RESTART, 5000);
    while (children < 30) {
        CHECK(write(ends[0], in, 64) == 64);
        CHECK(recv(ends[1], in, 64, MSG_WAITALL) == 64);
    }
    every(SIGALRM, SIG_IGN, 0, 0);
    CHECK(write(ends[0], "whole", 5) == 5);
    CHECK(recv(ends[1], in, 5, MSG_WAITALL) == 5 && memcmp(in, "whole", 5) == 0);
}

/* The mask is the program's at the end of each call, whatever came. */
static void masks(void)
{
    sigset_t now, want;
    char in[1000];

    sigemptyset(&want);
    sigaddset(&want, SIGHUP);
    CHECK(pthread_sigmask(SIG_SETMASK, &want, NULL) == 0);
    every(SIGALRM, plain, SA_RESTART, 70);
    while (count < 3000) {
        CHECK(write(ends[0], in, 64) == 64);
        CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0);
        for (int sig = 1; sig < NSIG; sig++) {
            CHECK(sigismember(&now, sig) == sigismember(&want, sig));
        }
        CHECK(recv(ends[1], in, 64, MSG_WAITALL) == 64);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    { "answers", answers }, { "older-names", older_names },
    { "faults", faults },   { "writes-too", writes_too },
    { "raw", raw },         { "jumps", jumps },
    { "queued", queued },   { "once", once },
    { "forks", forks },     { "masks", masks },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc == 3 && strcmp(argv[1], cases[i].name) == 0) {
            alarm(0);
            connect_ends(argv[2]);
            cases[i].run();
            return 0;
        }
        if (argc == 1) {
            puts(cases[i].name);
        }
    }
    return argc == 1 ? 0 : 2;
}
