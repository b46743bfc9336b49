/* SPDX-License-Identifier: ISC */
/* Waiting as the kernel's own calls wait: with the fd's timeouts, with and without SA_RESTART. */
#include <errno.h>
#include <fcntl.h>
#include <sys/time.h>

#include "shim/share.h"

/* How many of this thread: a signal handler may close what the thread it interrupted waits for, and
 * may jump away from there, which leaves both counts up. */
static __thread unsigned mine;

int wait_begin(struct conn *c, int fd)
{
    int rc = 0;

    /* First we are seen to wait, then we look: who closes fd, or forks, does it the other way. */
    atomic_fetch_add(&c->waiting, 1);
    mine++;
    if (fd >= 0 && (atomic_load(&c->ending) || !table_names(fd, c))) {
        rc = -1;
    } else if (fd >= 0 && fork_since(c)) {
        rc = 1;
    }
    if (rc) {
        wait_end(c);
        errno = EBADF;
    }
    return rc;
}

void wait_end(struct conn *c)
{
    mine--;
    atomic_fetch_sub(&c->waiting, 1);
}

bool wait_others(const struct conn *c)
{
    return atomic_load(&c->waiting) > mine;
}

void wait_forked(struct conn *c)
{
    if (wait_others(c)) {
        atomic_store(&c->waiting, mine);
    }
}

void wait_out(struct conn *c, int ms)
{
    int64_t end = now_ms() + ms;

    while (wait_others(c) && now_ms() < end) {
        sys.poll(NULL, 0, 1);
    }
}

bool wait_forbidden(struct conn *c, int fd, int flags)
{
    int status = 0;

    if (flags & MSG_DONTWAIT) {
        return true;
    }
    if (wait_begin(c, fd) == 0) {
        status = sys.fcntl(fd, F_GETFL);
        wait_end(c);
    }
    return status < 0 || (status & O_NONBLOCK) != 0;
}

/* The clock starts with the first wait, as the kernel's does. */
static int64_t patience_end(int fd, struct patience *p)
{
    struct timeval t = { 0 };
    socklen_t n = sizeof t;

    if (!p->asked) {
        p->asked = true;
        p->end = -1;
        if (sys.getsockopt(fd, SOL_SOCKET, p->option, &t, &n) == 0 && (t.tv_sec || t.tv_usec)) {
            p->end = now_ms() + (int64_t)t.tv_sec * 1000 + (t.tv_usec + 999) / 1000;
        }
    }
    return p->end;
}

/* poll() never goes on after a signal, the calls we stand for do when the handler was installed
 * with SA_RESTART. Which handler ran cannot be known, so: go on unless one without SA_RESTART is
 * there. Handlers of faults do not count: nothing waits on after those. */
static bool handlers_restart(void)
{
    struct sigaction sa;

    for (int sig = 1; sig < NSIG; sig++) {
        if (!is_fault(sig) && sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL &&
            sa.sa_handler != SIG_IGN && !(sa.sa_flags & SA_RESTART)) {
            return false;
        }
    }
    return true;
}

static int left_until(int64_t end)
{
    int64_t left = end - now_ms();

    return left <= 0 ? 0 : left > 1 << 30 ? 1 << 30 : (int)left;
}

/* poll() takes no more descriptors than RLIMIT_NOFILE, which a program may have set to 0 so as to
 * open no more (vsftpd); select() has another limit. */
static int poll_one(int fd, short events, int ms)
{
    struct pollfd q = { .fd = fd, .events = events };
    int rc = sys.poll(&q, 1, ms);

    if (rc < 0 && errno == EINVAL && fd < FD_SETSIZE) {
        struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
        fd_set set;

        FD_ZERO(&set);
        FD_SET(fd, &set);
        rc = sys.select(fd + 1, events & POLLIN ? &set : NULL, events & POLLOUT ? &set : NULL, NULL,
                        ms < 0 ? NULL : &t);
    }
    return rc;
}

static int poll_until(int fd, short events, struct patience *p, int64_t limit)
{
    int64_t patience = patience_end(fd, p);
    bool limited = limit >= 0 && (patience < 0 || limit < patience);
    int64_t end = limited ? limit : patience;

    for (;;) {
        int left = end < 0 ? -1 : left_until(end);
        int rc = left == 0 ? 0 : poll_one(fd, events, left);

        if (rc > 0) {
            return 0;
        }
        if (rc == 0) {
            errno = limited ? ETIMEDOUT : EAGAIN;
            return -1;
        }
        /* signal(7): with a timeout set on the socket, SA_RESTART has no effect. */
        if (errno != EINTR || patience >= 0 || !handlers_restart()) {
            return -1;
        }
    }
}

/* Without a timeout the kernel's own recv() waits: it knows about SA_RESTART, cancellation, a
 * signal handler that jumps away, an fd that is closed meanwhile. */
static int recv_until(struct conn *c, int fd, struct patience *p)
{
    char byte;
    int rc;

    if (atomic_load(&c->claim.shared)) {
        /* Another process may have left us what it opened and did not read. */
        rc = poll_until(fd, POLLIN, p, now_ms() + SHARE_LOOK_MS);
        return rc < 0 && errno == ETIMEDOUT ? 0 : rc;
    }
    if (patience_end(fd, p) >= 0) {
        return poll_until(fd, POLLIN, p, -1);
    }
    return sys.recv(fd, &byte, 1, MSG_PEEK) < 0 ? -1 : 0;
}

/* A thread that is cancelled here does not come back to give its reference away. */
static void cancelled(void *c)
{
    wait_end(c);
    conn_put(c);
}

int wait_poll(struct conn *c, int fd, short events, struct patience *p, int64_t limit)
{
    int rc = wait_begin(c, fd);

    if (rc) {
        return rc < 0 ? -1 : 0;
    }
    pthread_cleanup_push(cancelled, c);
    rc = poll_until(fd, events, p, limit);
    pthread_cleanup_pop(0);
    wait_end(c);
    return rc;
}

int wait_input(struct conn *c, int fd, struct patience *p)
{
    int rc = wait_begin(c, fd);

    if (rc) {
        return rc < 0 ? -1 : 0;
    }
    pthread_cleanup_push(cancelled, c);
    rc = recv_until(c, fd, p);
    pthread_cleanup_pop(0);
    wait_end(c);
    return rc;
}
