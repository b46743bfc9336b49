/* SPDX-License-Identifier: ISC */
/* syscall(): the way round the C library's functions (libuv closes with it). A call that may
 * concern a connection goes to the function of that name; everything else goes on with its six
 * arguments. */
#include "preload/preload.h"
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

#include "preload/signals.h"
#include "preload/watch.h"

/* The kernel's signal sets are shorter than the C library's. */
static const sigset_t *mask_of(long p, long size, sigset_t *mask)
{
    if (p == 0 || size < 0 || (size_t)size > sizeof *mask) {
        return NULL;
    }
    sigemptyset(mask);
    memcpy(mask, (const void *)p, (size_t)size);
    return mask;
}

#define PTR(i)  ((void *)a[i])
#define INT(i)  ((int)a[i])
#define UINT(i) ((unsigned)a[i])
#define SIZE(i) ((size_t)a[i])

/* Reading, writing. True: *rc is the result. */
static bool transfers(long n, const long a[static 6], long *rc)
{
    switch (n) {
    case SYS_read:
        *rc = read(INT(0), PTR(1), SIZE(2));
        return true;
    case SYS_write:
        *rc = write(INT(0), PTR(1), SIZE(2));
        return true;
    case SYS_readv:
        *rc = readv(INT(0), PTR(1), INT(2));
        return true;
    case SYS_writev:
        *rc = writev(INT(0), PTR(1), INT(2));
        return true;
    case SYS_preadv2:
        *rc = preadv2(INT(0), PTR(1), INT(2), a[3], INT(5));
        return true;
    case SYS_pwritev2:
        *rc = pwritev2(INT(0), PTR(1), INT(2), a[3], INT(5));
        return true;
    case SYS_recvfrom:
        *rc = recvfrom(INT(0), PTR(1), SIZE(2), INT(3), PTR(4), PTR(5));
        return true;
    case SYS_sendto:
        *rc = sendto(INT(0), PTR(1), SIZE(2), INT(3), PTR(4), (socklen_t)a[5]);
        return true;
    case SYS_recvmsg:
        *rc = recvmsg(INT(0), PTR(1), INT(2));
        return true;
    case SYS_sendmsg:
        *rc = sendmsg(INT(0), PTR(1), INT(2));
        return true;
    case SYS_recvmmsg:
        *rc = recvmmsg(INT(0), PTR(1), UINT(2), INT(3), PTR(4));
        return true;
    case SYS_sendmmsg:
        *rc = sendmmsg(INT(0), PTR(1), UINT(2), INT(3));
        return true;
    case SYS_sendfile:
        *rc = sendfile(INT(0), INT(1), PTR(2), SIZE(3));
        return true;
    case SYS_splice:
        *rc = splice(INT(0), PTR(1), INT(2), PTR(3), SIZE(4), UINT(5));
        return true;
    default:
        return false;
    }
}

static bool descriptors(long n, const long a[static 6], long *rc)
{
    switch (n) {
    case SYS_connect:
        *rc = connect(INT(0), PTR(1), (socklen_t)a[2]);
        return true;
    case SYS_accept:
        *rc = accept(INT(0), PTR(1), PTR(2));
        return true;
    case SYS_accept4:
        *rc = accept4(INT(0), PTR(1), PTR(2), INT(3));
        return true;
    case SYS_shutdown:
        *rc = shutdown(INT(0), INT(1));
        return true;
    case SYS_close:
        *rc = close(INT(0));
        return true;
    case SYS_close_range:
        *rc = close_range(UINT(0), UINT(1), INT(2));
        return true;
    case SYS_dup:
        *rc = dup(INT(0));
        return true;
#ifdef SYS_dup2
    case SYS_dup2:
        *rc = dup2(INT(0), INT(1));
        return true;
#endif
    case SYS_dup3:
        *rc = dup3(INT(0), INT(1), INT(2));
        return true;
    case SYS_fcntl:
        *rc = fcntl(INT(0), INT(1), PTR(2));
        return true;
    case SYS_ioctl:
        *rc = ioctl(INT(0), (unsigned long)a[1], PTR(2));
        return true;
    case SYS_getpeername:
        *rc = getpeername(INT(0), PTR(1), PTR(2));
        return true;
    case SYS_getsockname:
        *rc = getsockname(INT(0), PTR(1), PTR(2));
        return true;
    case SYS_getsockopt:
        *rc = getsockopt(INT(0), INT(1), INT(2), PTR(3), PTR(4));
        return true;
    case SYS_setsockopt:
        *rc = setsockopt(INT(0), INT(1), INT(2), PTR(3), (socklen_t)a[4]);
        return true;
    default:
        return false;
    }
}

static long raw_pselect(const long a[static 6])
{
    struct {
        const void *set;
        size_t size;
    } m = { .set = NULL };
    sigset_t mask;

    if (a[5]) {
        memcpy(&m, PTR(5), sizeof m);
    }
    return pselect(INT(0), PTR(1), PTR(2), PTR(3), PTR(4),
                   mask_of((long)m.set, (long)m.size, &mask));
}

static bool readiness(long n, const long a[static 6], long *rc)
{
    sigset_t mask;

    switch (n) {
#ifdef SYS_poll
    case SYS_poll:
        *rc = poll(PTR(0), (nfds_t)a[1], INT(2));
        return true;
    case SYS_select:
        *rc = select(INT(0), PTR(1), PTR(2), PTR(3), PTR(4));
        return true;
    case SYS_epoll_wait:
        *rc = epoll_wait(INT(0), PTR(1), INT(2), INT(3));
        return true;
#endif
    case SYS_ppoll:
        *rc = ppoll(PTR(0), (nfds_t)a[1], PTR(2), mask_of(a[3], a[4], &mask));
        return true;
    case SYS_pselect6:
        *rc = raw_pselect(a);
        return true;
    case SYS_epoll_ctl:
        *rc = epoll_ctl(INT(0), INT(1), INT(2), PTR(3));
        return true;
    case SYS_epoll_pwait:
        *rc = epoll_pwait(INT(0), PTR(1), INT(2), INT(3), mask_of(a[4], a[5], &mask));
        return true;
    case SYS_epoll_pwait2:
        *rc = epoll_pwait2(INT(0), PTR(1), INT(2), PTR(3), mask_of(a[4], a[5], &mask));
        return true;
    default:
        return false;
    }
}

/* A child with a copy of the memory. One that shares it sees what its parent does. */
static bool forks(long n, const long a[static 6])
{
    const struct clone_args *more = PTR(0);

    switch (n) {
#ifdef SYS_fork
    case SYS_fork:
        return true;
#endif
    case SYS_clone:
        return !(a[0] & CLONE_VM) && a[1] == 0;
    case SYS_clone3:
        return more && !(more->flags & CLONE_VM) && more->stack == 0;
    default:
        return false;
    }
}

/* Without fork()'s handlers nobody would be told that the connections are two processes' now. */
static long fork_raw(long n, const long a[static 6])
{
    long rc;
    int saved;

    shim_before_fork();
    rc = REAL(syscall)(n, a[0], a[1], a[2], a[3], a[4], a[5]);
    saved = errno;
    shim_after_fork(rc == 0);
    if (rc == 0) {
        watch_forked();
    } else {
        watch_forked_here();
    }
    errno = saved;
    return rc;
}

static bool processes(long n, const long a[static 6], long *rc)
{
    switch (n) {
    case SYS_execve:
        *rc = execve(PTR(0), PTR(1), PTR(2));
        return true;
    case SYS_execveat:
        *rc = execveat(INT(0), PTR(1), PTR(2), PTR(3), INT(4));
        return true;
    case SYS_exit_group:
        _exit(INT(0));
    case SYS_rt_sigaction:
        signals_raw(PTR(1));
        return false;
    case SYS_io_uring_setup: /* the kernel would work on the socket itself */
        errno = ENOSYS;
        *rc = -1;
        return true;
    default:
        return false;
    }
}

long syscall(long n, ...)
{
    long a[6], rc;
    va_list ap;

    va_start(ap, n);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(ap, long);
    }
    va_end(ap);
    if (policy && forks(n, a)) {
        return fork_raw(n, a);
    }
    if (policy && (transfers(n, a, &rc) || descriptors(n, a, &rc) || readiness(n, a, &rc) ||
                   processes(n, a, &rc))) {
        return rc;
    }
    return REAL(syscall)(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}
