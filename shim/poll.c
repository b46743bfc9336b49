/* SPDX-License-Identifier: ISC */
/* poll(2) with connections among the fds: readiness of the plaintext.
 *
 * What is ready in user space is told at once (with a look at the other fds). Otherwise the kernel
 * is asked for what the connections need; those that it reports are pumped, and only when that
 * gives something to the caller it is woken: a record without data is no readiness. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "shim/conn.h"

#define ON_STACK 512 /* pollfds that need no mapping */

struct poll_hooks poll_hooks;

int64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_end(const struct timespec *ts)
{
    int64_t now;

    if (!ts) {
        return FOR_EVER;
    }
    if (ts->tv_sec == 0 && ts->tv_nsec == 0) {
        return 0;
    }
    now = clock_ns();
    return ts->tv_sec > (FOR_EVER - now) / 1000000000 - 1
               ? FOR_EVER
               : now + (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

struct request {
    struct pollfd *fds;
    struct pollfd *asked; /* what the kernel is asked: as many */
    nfds_t n;
    int64_t end; /* by clock_ns(); 0: do not wait */
    const sigset_t *mask;
};

static bool hot(int fd)
{
    return poll_hooks.hot && poll_hooks.hot(fd);
}

/* Fills in what the kernel is asked. Returns how many are ready without it; *late: when the first
 * handshake has taken too long. */
static int prepare(struct request *q, int64_t *late)
{
    int ready = 0;

    *late = FOR_EVER;
    for (nfds_t i = 0; i < q->n; i++) {
        struct conn *c = conn_get(q->fds[i].fd);

        q->asked[i] = q->fds[i];
        if (c) {
            int ms = conn_deadline_ms(c);

            q->asked[i].events = conn_events(c, q->fds[i].events);
            ready += conn_revents(c, q->fds[i].events, 0) != 0;
            if (ms >= 0 && clock_ns() + (ms + 1) * (int64_t)1000000 < *late) {
                *late = clock_ns() + (ms + 1) * (int64_t)1000000;
            }
            conn_put(c);
        } else if (hot(q->fds[i].fd)) {
            ready += q->fds[i].events & POLLIN;
        }
    }
    return ready;
}

static int collect(struct request *q)
{
    int ready = 0;

    for (nfds_t i = 0; i < q->n; i++) {
        struct pollfd *p = &q->fds[i];
        short kernel = q->asked[i].revents;
        struct conn *c = conn_get(p->fd);

        p->revents = kernel;
        if (c) {
            /* Also when the kernel has nothing: a handshake may be too late. */
            if (kernel || conn_is_due(c)) {
                conn_only_hears(c, p->events);
                conn_pump(c, p->fd, kernel);
                if (poll_hooks.noted) {
                    poll_hooks.noted(c, p->fd);
                }
            }
            p->revents = conn_revents(c, p->events, kernel);
            conn_put(c);
        } else if (hot(p->fd)) {
            p->revents |= p->events & (POLLIN | POLLRDNORM);
        }
        ready += p->revents != 0;
    }
    return ready;
}

static int ask(struct request *q)
{
    for (;;) {
        int64_t late, now = q->end == 0 ? 0 : clock_ns(), until = q->end;
        int ready = prepare(q, &late), rc;
        struct timespec ts = { 0 };

        until = late < until ? late : until;
        if (ready == 0 && until != FOR_EVER && until > now) {
            ts.tv_sec = (until - now) / 1000000000;
            ts.tv_nsec = (until - now) % 1000000000;
        }
        rc = sys.ppoll(q->asked, q->n, ready == 0 && until == FOR_EVER ? NULL : &ts, q->mask);
        if (rc < 0) {
            return rc;
        }
        ready = collect(q);
        if (ready > 0 || q->end == 0 || (q->end != FOR_EVER && clock_ns() >= q->end)) {
            return ready;
        }
    }
}

void *scratch_map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        errno = ENOMEM;
        return NULL;
    }
    return p;
}

void scratch_unmap(void *p, size_t size)
{
    int saved = errno;

    munmap(p, size);
    errno = saved;
}

int poll_fds(struct pollfd *fds, nfds_t n, int64_t end, const sigset_t *mask)
{
    struct pollfd few[ON_STACK];
    struct request q = { .fds = fds, .asked = few, .n = n, .end = end, .mask = mask };
    int rc, saved = errno;

    if (n > ON_STACK) {
        q.asked = scratch_map(n * sizeof *fds);
        if (!q.asked) {
            return -1;
        }
    }
    rc = ask(&q);
    if (q.asked != few) {
        scratch_unmap(q.asked, n * sizeof *fds);
    }
    errno = rc < 0 ? errno : saved;
    return rc;
}

bool poll_concerns(int fd)
{
    struct conn *c = conn_get(fd);

    conn_put(c);
    return c || hot(fd);
}

nfds_t poll_most(void)
{
    struct rlimit most;

    return getrlimit(RLIMIT_NOFILE, &most) ? ON_STACK : most.rlim_cur;
}

/* More fds than the kernel takes are left to it to refuse: there may be no such array. */
static bool has_ours(const struct pollfd *fds, nfds_t n)
{
    if (!conn_any() || !fds || (n > ON_STACK && n > poll_most())) {
        return false;
    }
    for (nfds_t i = 0; i < n; i++) {
        if (poll_concerns(fds[i].fd)) {
            return true;
        }
    }
    return false;
}

int conn_poll(struct pollfd *fds, nfds_t n, int ms)
{
    if (!has_ours(fds, n)) {
        return sys.poll(fds, n, ms);
    }
    return poll_fds(fds, n,
                    ms < 0    ? FOR_EVER
                    : ms == 0 ? 0
                              : clock_ns() + (int64_t)ms * 1000000,
                    NULL);
}

int conn_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask)
{
    if (!has_ours(fds, n) || !timespec_valid(ts)) {
        return sys.ppoll(fds, n, ts, mask);
    }
    return poll_fds(fds, n, clock_end(ts), mask);
}
