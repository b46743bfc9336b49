/* SPDX-License-Identifier: ISC */
/* How a connection goes to a relay (relay.h): a process, and the swap of descriptors. */
#include "preload/relay.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "preload/log.h"
#include "preload/watch.h"

#define STACK   ((size_t)1 << 20)
#define WORD_MS 30000 /* how long we wait for the relay's word that it has the connection */

/* ---- the process ---- */

struct birth {
    struct conn *c;
    int fd, end, said; /* the connection, the relay's end, where it says that all is well */
    int err;           /* fork()'s */
    enum relay_use use;
};

static void leave_others(void *ctx, int fd)
{
    if (fd != *(int *)ctx) {
        fd_leaves(fd);
        fd_left(fd);
    }
}

static int ascending(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void close_all_but(int *keep, size_t n)
{
    unsigned from = 0;

    qsort(keep, n, sizeof *keep, ascending);
    for (size_t i = 0; i < n; i++) {
        if (keep[i] >= 0) {
            if ((unsigned)keep[i] > from) {
                REAL(close_range)(from, (unsigned)keep[i] - 1, 0);
            }
            from = (unsigned)keep[i] + 1;
        }
    }
    REAL(close_range)(from, ~0U, 0);
}

/* Nothing of the program is left but its memory: no descriptor, no directory, no handler. */
static void stand_alone(const struct birth *b, int tls)
{
    int keep[] = { tls, b->end, b->said, log_descriptor() }, null;
    sigset_t none;

    close_all_but(keep, sizeof keep / sizeof *keep);
    null = open("/dev/null", O_RDWR); /* in a chroot there may be none */
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++) {
        if (fd != null && fd != log_descriptor()) {
            REAL(dup2)(null, fd);
        }
    }
    if (null > STDERR_FILENO) {
        REAL(close)(null);
    }
    (void)!chdir("/");
    for (int sig = 1; sig < NSIG; sig++) {
        signal(sig, SIG_DFL);
    }
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void relay_main(const struct birth *b)
{
    struct iovec nothing = { .iov_base = &(char){ 0 }, .iov_len = 1 };
    int tls = REAL(fcntl)(b->fd, F_DUPFD_CLOEXEC, RELAY_FD_MIN), err = 0, at_once = 1;

    setpgid(0, 0);
    prctl(PR_SET_NAME, "sleeve-relay");
    prctl(PR_SET_DUMPABLE, 0);
    if (tls < 0) {
        tls = REAL(fcntl)(b->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    if (tls < 0 || conn_alias(b->fd, tls) != 0) {
        err = errno;
    } else {
        conn_each(0, INT32_MAX, leave_others, &tls);
        stand_alone(b, tls);
        REAL(setsockopt)(b->end, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        REAL(setsockopt)(tls, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        /* The first use makes it ours. */
        err = conn_recv(b->c, tls, &nothing, 1, MSG_PEEK | MSG_DONTWAIT) < 0 ? errno : 0;
        err = err == EPERM || err == EBADF ? EPERM : 0;
    }
    if (REAL(write)(b->said, &err, sizeof err) == sizeof err && err == 0) {
        REAL(close)(b->said);
        session_silent = false;
        relay_run(b->c, tls, b->end, b->use);
    }
    REAL(_exit)(0);
    __builtin_unreachable();
}

/* Between the program and the relay, so that the relay is not its child. It shares the program's
 * memory and its end raises no signal, so the program's wait() and SIGCHLD never see it; the fork
 * is an ordinary one, with all that libraries have registered for it. */
static int between(void *birth)
{
    struct birth *b = birth;
    pid_t pid = REAL(fork)();

    if (pid == 0) {
        relay_main(b);
    }
    b->err = pid < 0 ? errno : 0;
    REAL(_exit)(0);
    return 0;
}

/* 0 when the relay has the connection. */
static int start_relay(struct birth *b, int word)
{
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    struct pollfd p = { .fd = word, .events = POLLIN };
    int err = EAGAIN;
    pid_t pid;

    if (stack == MAP_FAILED) {
        return -1;
    }
    watch_relay_forks(true);
    pid = clone(between, (char *)stack + STACK, CLONE_VM | CLONE_VFORK, b);
    watch_relay_forks(false);
    b->err = pid < 0 ? errno : b->err;
    while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR) {
    }
    munmap(stack, STACK);
    relay_close(b->said);
    b->said = -1;
    if (b->err == 0 &&
        (REAL(poll)(&p, 1, WORD_MS) != 1 || REAL(read)(word, &err, sizeof err) != sizeof err)) {
        err = EPERM;
    }
    errno = b->err ? b->err : err;
    return errno ? -1 : 0;
}

/* ---- the swap ---- */

struct swap {
    struct conn *c;
    int end;
    struct relay_names names;
};

static void swap_one(void *ctx, int fd)
{
    struct swap *s = ctx;
    struct conn *c = tracked(fd);
    struct watch_kept kept[WATCHES_PER_FD];
    int flags, n;

    conn_put(c);
    if (c != s->c) {
        return;
    }
    flags = REAL(fcntl)(fd, F_GETFD);
    n = watch_keep(fd, kept);
    watch_given(fd);
    fd_leaves(fd);
    if (REAL(dup3)(s->end, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0) {
        REAL(close)(fd); /* never the socket itself */
    } else {
        relay_remember(fd, &s->names);
        watch_again(fd, kept, n);
    }
    fd_left(fd);
    if (fd <= STDERR_FILENO) {
        stdio_follow(fd);
    }
}

/* The fork has left all connections to whoever uses them next: the others are ours still. */
static void keep_others(void *ctx, int fd)
{
    struct conn *c = watch_used_here(fd) ? tracked(fd) : NULL;

    if (c && c != ctx) {
        conn_pump(c, fd, 0);
    }
    conn_put(c);
}

static int take(int fd, struct conn *c, enum relay_use use)
{
    struct swap s = { .c = c };
    socklen_t np = sizeof s.names.peer, nl = sizeof s.names.local;
    struct birth b = { .c = c, .fd = fd, .use = use };
    struct linger abort = { .l_onoff = 1 };
    int ends[2], word[2], rc;

    if (REAL(getsockname)(fd, &s.names.local.sa, &nl) != 0) {
        return -1;
    }
    if (REAL(getpeername)(fd, &s.names.peer.sa, &np) != 0) {
        s.names.peer.sa.sa_family = AF_UNSPEC; /* the peer is gone already */
    }
    if (relay_reserve() != 0 || relay_pair(s.names.local.sa.sa_family, ends) != 0) {
        return -1;
    }
    s.end = ends[0];
    b.end = ends[1];
    rc = pipe2(word, O_CLOEXEC);
    if (rc == 0) {
        word[0] = relay_high(word[0]);
        word[1] = b.said = relay_high(word[1]);
        relay_dress(fd, s.end);
        /* Whatever kills the relay is a reset for the program, not an end of file. */
        REAL(setsockopt)(b.end, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        rc = word[0] < 0 || word[1] < 0 ? -1 : start_relay(&b, word[0]);
        relay_close(word[0]);
        relay_close(b.said);
        conn_each(0, INT32_MAX, keep_others, rc == 0 ? c : NULL);
    }
    if (rc == 0) {
        conn_each(0, INT32_MAX, swap_one, &s);
    }
    relay_close(b.end);
    relay_close(s.end);
    return rc;
}

int relay_take(int fd, enum relay_use use)
{
    struct conn *c = tracked(fd);
    int saved = errno, rc, cancel;
    sigset_t all, before;

    if (!c) {
        return 0; /* meanwhile it is nobody's, or a relay's */
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    rc = take(fd, c, use);
    saved = rc == 0 ? saved : errno;
    conn_put(c);
    pthread_setcancelstate(cancel, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        log_event(LOG_WARNING, PAIRS(pair_text("result", "refused")),
                  "fd %d cannot be given to a relay: %s", fd, strerrordesc_np(saved));
    }
    errno = saved;
    return rc;
}

bool relay_may_take(int fd)
{
    struct conn *c = tracked(fd);
    bool may = c && conn_tag(c) == HANDOFF_RELAY;

    conn_put(c);
    return may;
}
