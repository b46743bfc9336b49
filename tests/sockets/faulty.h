/* SPDX-License-Identifier: ISC */
/* The n-th system call of the sockets layer fails, does less than it was asked for, or does its
 * work and fails. Counted is what a thread calls between fault_begin() and fault_end(), be it
 * through `sys` or by the C library's name: those that shim/ calls by name are this program's own
 * here.
 *
 * Each kind of call has the errors that the kernel gives there. By default the n-th call meets one
 * of them, each time another; with SLEEVE_TEST_FULL=1 every one in turn.
 *
 * A life that hangs ends the test, which says in what call, and which fault it had met. */
#ifndef TESTS_SOCKETS_FAULTY_H
#define TESTS_SOCKETS_FAULTY_H
#include <dirent.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "shim/sys.h"
#include "tests/sockets/peers.h"

/* Instead of an errno */
enum {
    ONE = -1, /* so many bytes of those asked for */
    HALF = -2,
    SIGNAL = -3, /* before it: its handler has run when the call begins */
};

enum call {
    CALL_NONE,
    CALL_CONNECT,
    CALL_ACCEPT,
    CALL_SHUTDOWN,
    CALL_CLOSE,
    CALL_RECV,
    CALL_SEND,
    CALL_POLL,
    CALL_DUP,
    CALL_GETSOCKOPT,
    CALL_SETSOCKOPT,
    CALL_FCNTL,
    CALL_IOCTL,
    CALL_READ,
    CALL_WRITE,
    CALL_SOCKET,
    CALL_OPEN,
    CALL_STAT,
    CALL_MAP,
    CALL_MEMFD,
    CALL_TRUNCATE,
    CALL_PREAD,
    CALLS
};

#define LIFE_S 60 /* a life is a matter of milliseconds */

#define KINDS 10
static const struct {
    const char *name;
    int kind[KINDS];
} calls[CALLS] = {
    [CALL_NONE] = { "none", { 0 } },
    [CALL_CONNECT] = { "connect",
                       { EINTR, ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, SIGNAL } },
    [CALL_ACCEPT] = { "accept4",
                      { EINTR, EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO,
                        SIGNAL, EPERM } },
    [CALL_SHUTDOWN] = { "shutdown", { ENOTCONN, ENOBUFS, SIGNAL } },
    [CALL_CLOSE] = { "close", { EINTR, EIO, SIGNAL } },
    [CALL_RECV] = { "recv",
                    { EINTR, EAGAIN, ECONNRESET, ETIMEDOUT, ENOMEM, ENOBUFS, EIO, ONE, HALF,
                      SIGNAL } },
    [CALL_SEND] = { "sendmsg",
                    { EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, ETIMEDOUT, ONE, HALF,
                      SIGNAL } },
    [CALL_POLL] = { "poll", { EINTR, ENOMEM, EAGAIN, SIGNAL } },
    [CALL_DUP] = { "dup", { EMFILE, EBUSY } },
    [CALL_GETSOCKOPT] = { "getsockopt", { ENOBUFS, EPERM } },
    [CALL_SETSOCKOPT] = { "setsockopt", { ENOBUFS, ENOMEM, EPERM } },
    [CALL_FCNTL] = { "fcntl", { EMFILE, ENOMEM, EPERM } },
    [CALL_IOCTL] = { "ioctl", { EINTR, ENOMEM } },
    [CALL_READ] = { "read", { EINTR, EIO, ENOMEM, ONE, HALF } },
    [CALL_WRITE] = { "write", { ENOSPC, EINTR, EIO, EDQUOT, ONE, HALF } },
    [CALL_SOCKET] = { "socket", { EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES } },
    [CALL_OPEN] = { "open", { EMFILE, ENFILE, ENOMEM, EINTR, EACCES, EIO, ENOENT } },
    [CALL_STAT] = { "stat", { EIO, ENOMEM, EACCES } },
    [CALL_MAP] = { "mmap", { ENOMEM, EAGAIN } },
    [CALL_MEMFD] = { "memfd_create", { EMFILE, ENFILE, ENOMEM } },
    [CALL_TRUNCATE] = { "ftruncate", { ENOSPC, EINTR, EIO } },
    [CALL_PREAD] = { "pread", { EIO, EINTR, ENOMEM, ONE, HALF } },
};

static struct {
    unsigned nth, count; /* the call that is struck; those there were */
    unsigned turn;       /* which of its kinds */
    enum call hit;       /* what was struck */
    int kind;
    const char *_Atomic doing; /* what was begun last */
    bool waits;                /* the one under test waits in the kernel */
    bool restarts;             /* and its signal handlers restart calls */
    volatile sig_atomic_t signals;
    int wire;                /* an fd on which no plaintext may go */
    void (*idle)(void *arg); /* what the others do while the one under test waits in a poll() */
    void *idle_arg;
} fault;
static __thread bool fault_counted;
static struct sys sys_real;

/* 0 for none. */
static inline unsigned kinds_of(enum call c)
{
    unsigned n = 0;

    while (n < KINDS && calls[c].kind[n]) {
        n++;
    }
    return n;
}

/* For a message. */
static inline const char *fault_text(void)
{
    static char text[80];

    snprintf(text, sizeof text, "call %u, %s: %s", fault.nth, calls[fault.hit].name,
             fault.kind > 0         ? strerrorname_np(fault.kind)
             : fault.kind == 0      ? "nothing"
             : fault.kind == SIGNAL ? "a signal"
             : fault.kind == ONE    ? "one byte"
                                    : "half");
    return text;
}

/* Is it this one's turn? Then what is to become of it. */
static inline int strike(enum call c)
{
    if (!fault_counted || ++fault.count != fault.nth) {
        return 0;
    }
    fault.hit = c;
    fault.kind = calls[c].kind[fault.turn % kinds_of(c)];
    if (fault.kind == SIGNAL) {
        raise(SIGUSR1);
        return 0;
    }
    return fault.kind;
}

static inline int64_t fails(int err)
{
    errno = err;
    return -1;
}

static inline size_t less(int kind, size_t n)
{
    return kind == ONE && n > 1 ? 1 : kind == HALF && n > 1 ? n / 2 : n;
}

/* ---- through sys ---- */

/* The kernel goes on by itself with what was interrupted. */
static inline int faulty_connect(int fd, const struct sockaddr *a, socklen_t n)
{
    int err = strike(CALL_CONNECT);

    if (err == EINTR) {
        (void)sys_real.connect(fd, a, n);
    }
    return err ? (int)fails(err) : sys_real.connect(fd, a, n);
}

static inline int faulty_accept4(int fd, struct sockaddr *a, socklen_t *n, int flags)
{
    int err = strike(CALL_ACCEPT);

    return err ? (int)fails(err) : sys_real.accept4(fd, a, n, flags);
}

static inline int faulty_shutdown(int fd, int how)
{
    int err = strike(CALL_SHUTDOWN);

    return err ? (int)fails(err) : sys_real.shutdown(fd, how);
}

/* close(2): the fd is closed whatever it says. */
static inline int faulty_close(int fd)
{
    int err = strike(CALL_CLOSE), rc = sys_real.close(fd);

    return err ? (int)fails(err) : rc;
}

static inline ssize_t faulty_recv(int fd, void *p, size_t n, int flags)
{
    int kind = strike(CALL_RECV);
    bool sleeps = fault.waits && !(flags & MSG_DONTWAIT);

    if (sleeps && ((kind == EINTR && fault.restarts) || kind == EAGAIN)) {
        kind = 0; /* not from the kernel either */
    }
    return kind > 0 ? fails(kind) : sys_real.recv(fd, p, less(kind, n), flags);
}

/* The payload of these tests has these words in it everywhere. */
#define PLAINTEXT "no one may read this"

static inline ssize_t faulty_sendmsg(int fd, const struct msghdr *m, int flags)
{
    int kind = strike(CALL_SEND);
    struct msghdr part = *m;
    struct iovec iov[64];

    assert_in_range(m->msg_iovlen, 1, 64);
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        iov[i] = m->msg_iov[i];
        assert_null(memmem(iov[i].iov_base, iov[i].iov_len, PLAINTEXT, strlen(PLAINTEXT)));
    }
    if (kind > 0) {
        return fails(kind);
    }
    if (kind < 0) {
        iov[0].iov_len = less(kind, iov[0].iov_len);
        part.msg_iov = iov;
        part.msg_iovlen = 1;
    }
    return sys_real.sendmsg(fd, &part, flags);
}

static inline int faulty_poll(struct pollfd *p, nfds_t n, int ms)
{
    int err = strike(CALL_POLL);

    if (fault_counted && fault.idle) {
        fault_counted = false;
        fault.idle(fault.idle_arg);
        fault_counted = true;
    }
    return err ? (int)fails(err) : sys_real.poll(p, n, ms);
}

static inline int faulty_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t,
                               const sigset_t *mask)
{
    int err = strike(CALL_POLL);

    return err ? (int)fails(err) : sys_real.ppoll(p, n, t, mask);
}

static inline int faulty_dup(int fd)
{
    int err = strike(CALL_DUP);

    return err ? (int)fails(err) : sys_real.dup(fd);
}

static inline int faulty_dup3(int fd, int to, int flags)
{
    int err = strike(CALL_DUP);

    return err ? (int)fails(err) : sys_real.dup3(fd, to, flags);
}

static inline int faulty_getsockopt(int fd, int level, int option, void *value, socklen_t *n)
{
    int err = strike(CALL_GETSOCKOPT);

    return err ? (int)fails(err) : sys_real.getsockopt(fd, level, option, value, n);
}

static inline int faulty_setsockopt(int fd, int level, int option, const void *value, socklen_t n)
{
    int err = strike(CALL_SETSOCKOPT);

    return err ? (int)fails(err) : sys_real.setsockopt(fd, level, option, value, n);
}

/* To ask for flags never fails. */
static inline int faulty_fcntl(int fd, int cmd, ...)
{
    int err = cmd == F_GETFL ? 0 : strike(CALL_FCNTL);
    va_list ap;
    long arg;

    va_start(ap, cmd);
    arg = va_arg(ap, long);
    va_end(ap);
    return err ? (int)fails(err) : sys_real.fcntl(fd, cmd, arg);
}

static inline int faulty_ioctl(int fd, unsigned long request, ...)
{
    int err = strike(CALL_IOCTL);
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    return err ? (int)fails(err) : sys_real.ioctl(fd, request, arg);
}

static inline ssize_t faulty_read(int fd, void *p, size_t n)
{
    int kind = strike(CALL_READ);

    return kind > 0 ? fails(kind) : sys_real.read(fd, p, less(kind, n));
}

static inline ssize_t faulty_write(int fd, const void *p, size_t n)
{
    int kind = strike(CALL_WRITE);

    assert_int_not_equal(fd, fault.wire);
    return kind > 0 ? fails(kind) : sys_real.write(fd, p, less(kind, n));
}

/* What carries plaintext when it is called at all. */
static inline ssize_t forbidden_send(int fd, const void *p, size_t n, int flags)
{
    assert_false(fault_counted);
    return sys_real.send(fd, p, n, flags);
}

static inline ssize_t forbidden_writev(int fd, const struct iovec *iov, int n)
{
    assert_false(fault_counted);
    return sys_real.writev(fd, iov, n);
}

static inline void note_signal(int sig)
{
    fault.signals += sig == SIGUSR1;
}

static inline void handle_signal(bool restart)
{
    struct sigaction a = { .sa_handler = note_signal, .sa_flags = restart ? SA_RESTART : 0 };

    fault.restarts = restart;
    assert_int_equal(sigaction(SIGUSR1, &a, NULL), 0);
}

/* Not a handler: calls go on after those or do not, and who hangs may have blocked every signal. */
static inline void *end_what_hangs(void *alarms)
{
    int sig;

    assert_int_equal(sigwait(alarms, &sig), 0);
    fprintf(stderr, "%s: no end of this, in %s or behind it\n", fault_text(), fault.doing);
    _exit(1);
}

static inline void watch(void)
{
    static sigset_t alarms;
    pthread_t watcher;

    fault.doing = "the setup";
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &alarms, NULL), 0);
    assert_int_equal(pthread_create(&watcher, NULL, end_what_hangs, &alarms), 0);
    assert_int_equal(pthread_detach(watcher), 0);
}

static inline int faults_setup(void **state)
{
    watch();
    sys_real = sys;
    fault.wire = -1;
    handle_signal(false);
    sys.connect = faulty_connect;
    sys.accept4 = faulty_accept4;
    sys.shutdown = faulty_shutdown;
    sys.close = faulty_close;
    sys.recv = faulty_recv;
    sys.sendmsg = faulty_sendmsg;
    sys.poll = faulty_poll;
    sys.ppoll = faulty_ppoll;
    sys.dup = faulty_dup;
    sys.dup3 = faulty_dup3;
    sys.getsockopt = faulty_getsockopt;
    sys.setsockopt = faulty_setsockopt;
    sys.fcntl = faulty_fcntl;
    sys.ioctl = faulty_ioctl;
    sys.read = faulty_read;
    sys.write = faulty_write;
    sys.send = forbidden_send;
    sys.writev = forbidden_writev;
    return peers_setup(state);
}

/* ---- the n-th ---- */

static inline void fault_begin(const char *doing)
{
    fault.doing = doing;
    fault_counted = true;
}

static inline void fault_end(void)
{
    fault_counted = false;
}

static inline void fault_arm(unsigned nth, unsigned turn)
{
    fault.nth = nth;
    fault.turn = turn;
    fault.count = 0;
    fault.hit = CALL_NONE;
    fault.kind = 0;
    fault.doing = "the life's beginning";
    alarm(LIFE_S);
}

/* `life` with a fault in each of its calls; returns how many calls there are without. */
static inline unsigned each_fault(void (*life)(void *arg), void *arg)
{
    const bool full = getenv("SLEEVE_TEST_FULL") != NULL;
    unsigned turn = 0, total;

    fault_arm(0, 0);
    life(arg);
    total = fault.count;
    assert_true(total > 0);
    for (unsigned n = 1;; n++) {
        unsigned kind = 0;

        assert_in_range(n, 1, 20000);
        do {
            fault_arm(n, full ? kind : turn++);
            life(arg);
        } while (full && ++kind < kinds_of(fault.hit));
        if (fault.hit == CALL_NONE) {
            return total;
        }
    }
}

/* How many descriptors are open. */
static inline unsigned open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 200; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}
#endif
