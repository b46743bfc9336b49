/* SPDX-License-Identifier: ISC */
/* poll and select: readiness of the plaintext.
 *
 * What is ready in user space is told at once (with a look at the other descriptors). Otherwise the
 * kernel is asked for what the connections need; those that it reports are pumped, and only when
 * that gives something to the program it is woken: a record without data is no readiness. */
#include "preload/preload.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "preload/watch.h"

#define ON_STACK 512 /* pollfds that need no mapping */
#define FOR_EVER INT64_MAX

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

/* The shim knows the plain names. */
static short plain_names(short asked)
{
    short e = asked & (POLLIN | POLLOUT | POLLRDHUP);

    if (asked & POLLRDNORM) {
        e |= POLLIN;
    }
    if (asked & POLLWRNORM) {
        e |= POLLOUT;
    }
    return e;
}

short want_bits(struct conn *c, short asked)
{
    return (short)(conn_want(c, plain_names(asked)) | (asked & POLLPRI));
}

static bool ended_of(struct conn *c)
{
    return conn_ready(c, POLLRDHUP) & POLLRDHUP;
}

short ready_bits(struct conn *c, short asked, short kernel)
{
    short r = conn_ready(c, plain_names(asked)), told = r & (POLLERR | POLLHUP | POLLRDHUP);
    bool dead = conn_errno(c) != 0;

    if (r & POLLIN) {
        told |= asked & (POLLIN | POLLRDNORM);
    }
    /* Room to write is two things: nothing of ours waits, and the kernel takes more. */
    if ((r & POLLOUT) && (dead || (kernel & POLLOUT))) {
        told |= asked & (POLLOUT | POLLWRNORM);
    }
    if (conn_is_connected(c) || dead) {
        told |= kernel & (POLLERR | (asked & (POLLPRI | POLLRDHUP)));
    }
    /* The end of both directions: programs take a short read that comes with it for the last one.
     */
    if ((kernel & POLLHUP) && (dead || (ended_of(c) && conn_buffered(c) == 0))) {
        told |= POLLHUP;
    }
    return (short)(told | (kernel & POLLNVAL));
}

/* ---- the core: poll with connections of ours in it ---- */

struct request {
    struct pollfd *fds;
    struct pollfd *asked; /* what the kernel is asked: as many */
    nfds_t n;
    int64_t end; /* by clock_ns(); 0 do not wait */
    const sigset_t *mask;
};

/* Fills in what the kernel is asked. Returns how many are ready without it; *late: when the first
 * handshake has taken too long. */
static int prepare(struct request *q, int64_t *late)
{
    int ready = 0;

    *late = FOR_EVER;
    for (nfds_t i = 0; i < q->n; i++) {
        struct conn *c = tracked(q->fds[i].fd);

        q->asked[i] = q->fds[i];
        if (c) {
            int ms = conn_deadline_ms(c);

            q->asked[i].events = want_bits(c, q->fds[i].events);
            ready += ready_bits(c, q->fds[i].events, 0) != 0;
            if (ms >= 0 && clock_ns() + (ms + 1) * (int64_t)1000000 < *late) {
                *late = clock_ns() + (ms + 1) * (int64_t)1000000;
            }
            conn_put(c);
        } else if (watch_hot_set(q->fds[i].fd)) {
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
        struct conn *c = tracked(p->fd);

        p->revents = kernel;
        if (c) {
            /* Also when the kernel has nothing: a handshake may be too late. */
            if (kernel || conn_deadline_ms(c) == 0) {
                conn_pump(c, p->fd, kernel);
                watch_note(c, p->fd);
            }
            p->revents = ready_bits(c, p->events, kernel);
            conn_put(c);
        } else if (watch_hot_set(p->fd)) {
            p->revents |= p->events & (POLLIN | POLLRDNORM);
        }
        ready += p->revents != 0;
    }
    return ready;
}

static int poll_core(struct request *q)
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
        rc = REAL(ppoll)(q->asked, q->n, ready == 0 && until == FOR_EVER ? NULL : &ts, q->mask);
        if (rc < 0) {
            return rc;
        }
        ready = collect(q);
        if (ready > 0 || q->end == 0 || (q->end != FOR_EVER && clock_ns() >= q->end)) {
            return ready;
        }
    }
}

/* A mapping instead of malloc: the program may be inside its own allocator. */
static void *scratch(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        errno = ENOMEM;
        return NULL;
    }
    return p;
}

static int poll_ours(struct pollfd *fds, nfds_t n, int64_t end, const sigset_t *mask)
{
    struct pollfd few[ON_STACK];
    struct request q = { .fds = fds, .asked = few, .n = n, .end = end, .mask = mask };
    int rc;

    if (n > ON_STACK) {
        q.asked = scratch(n * sizeof *fds);
        if (!q.asked) {
            return -1;
        }
    }
    rc = poll_core(&q);
    if (q.asked != few) {
        int saved = errno;
        munmap(q.asked, n * sizeof *fds);
        errno = saved;
    }
    return rc;
}

static bool has_ours(struct pollfd *fds, nfds_t n)
{
    if (!conn_any() || !fds || n > INT32_MAX) {
        return false;
    }
    for (nfds_t i = 0; i < n; i++) {
        if (is_tracked(fds[i].fd) || watch_hot_set(fds[i].fd)) {
            return true;
        }
    }
    return false;
}

int poll(struct pollfd *fds, nfds_t n, int ms)
{
    if (!has_ours(fds, n)) {
        return REAL(poll)(fds, n, ms);
    }
    return poll_ours(fds, n,
                     ms < 0    ? FOR_EVER
                     : ms == 0 ? 0
                               : clock_ns() + (int64_t)ms * 1000000,
                     NULL);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask)
{
    if (!has_ours(fds, n)) {
        return REAL(ppoll)(fds, n, ts, mask);
    }
    return poll_ours(fds, n, clock_end(ts), mask);
}

int __poll(struct pollfd *fds, nfds_t n, int ms);
int __poll(struct pollfd *fds, nfds_t n, int ms)
{
    return poll(fds, n, ms);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size);
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size)
{
    if (size / sizeof *fds < n) {
        __chk_fail();
    }
    return poll(fds, n, ms);
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask,
                size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask,
                size_t size)
{
    if (size / sizeof *fds < n) {
        __chk_fail();
    }
    return ppoll(fds, n, ts, mask);
}

/* ---- select: sets of bits, of any length ---- */

#define WORD_BITS ((int)(8 * sizeof(fd_mask)))

struct bits {
    fd_mask *set[3]; /* read, write, except; each may be NULL */
};
static const struct {
    short ask, mean;
} meaning[3] = {
    { POLLIN, POLLIN | POLLHUP | POLLERR },
    { POLLOUT, POLLOUT | POLLERR },
    { POLLPRI, POLLPRI },
};

static short asked_of(const struct bits *b, int fd)
{
    short ask = 0;

    for (int k = 0; k < 3; k++) {
        if (b->set[k] && (b->set[k][fd / WORD_BITS] >> (fd % WORD_BITS) & 1)) {
            ask |= meaning[k].ask;
        }
    }
    return ask;
}

static bool select_has_ours(const struct bits *b, int nfds)
{
    for (int fd = 0; conn_any() && fd < nfds; fd++) {
        if (asked_of(b, fd) && (is_tracked(fd) || watch_hot_set(fd))) {
            return true;
        }
    }
    return false;
}

static int select_result(const struct bits *b, int nfds, const struct pollfd *fds, nfds_t n)
{
    int count = 0;

    for (int k = 0; k < 3; k++) {
        size_t words = ((size_t)nfds + (size_t)WORD_BITS - 1) / (size_t)WORD_BITS;

        if (b->set[k]) {
            memset(b->set[k], 0, words * sizeof(fd_mask));
        }
        for (nfds_t i = 0; b->set[k] && i < n; i++) {
            if ((fds[i].events & meaning[k].ask) && (fds[i].revents & meaning[k].mean)) {
                b->set[k][fds[i].fd / WORD_BITS] |= (fd_mask)(1UL << (fds[i].fd % WORD_BITS));
                count++;
            }
        }
    }
    return count;
}

static int select_ours(const struct bits *b, int nfds, int64_t end, const sigset_t *mask)
{
    struct pollfd few[ON_STACK], *fds = few;
    nfds_t n = 0;
    int rc;

    if (nfds > ON_STACK) {
        fds = scratch((size_t)nfds * sizeof *fds);
        if (!fds) {
            return -1;
        }
    }
    for (int fd = 0; fd < nfds; fd++) {
        short ask = asked_of(b, fd);

        if (ask) {
            fds[n++] = (struct pollfd){ .fd = fd, .events = ask };
        }
    }
    rc = poll_ours(fds, n, end, mask);
    for (nfds_t i = 0; rc > 0 && i < n; i++) {
        if (fds[i].revents & POLLNVAL) {
            errno = EBADF;
            rc = -1;
        }
    }
    if (rc >= 0) {
        rc = select_result(b, nfds, fds, n);
    }
    if (fds != few) {
        int saved = errno;
        munmap(fds, (size_t)nfds * sizeof *fds);
        errno = saved;
    }
    return rc;
}

static struct bits bits_of(fd_set *r, fd_set *w, fd_set *e)
{
    return (struct bits){ .set = { r ? r->fds_bits : NULL, w ? w->fds_bits : NULL,
                                   e ? e->fds_bits : NULL } };
}

int select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
    struct bits b = bits_of(r, w, e);
    struct timespec ts;
    int64_t end, left;
    int rc;

    if (nfds < 0 || (tv && (tv->tv_sec < 0 || tv->tv_usec < 0)) || !select_has_ours(&b, nfds)) {
        return REAL(select)(nfds, r, w, e, tv);
    }
    if (tv) {
        ts = (struct timespec){ .tv_sec = tv->tv_sec + tv->tv_usec / 1000000,
                                .tv_nsec = tv->tv_usec % 1000000 * 1000 };
    }
    end = clock_end(tv ? &ts : NULL);
    rc = select_ours(&b, nfds, end, NULL);
    if (tv && end != FOR_EVER) { /* as Linux does: what is left of the time */
        left = end == 0 ? 0 : end - clock_ns();
        left = left < 0 ? 0 : left;
        *tv = (struct timeval){ .tv_sec = left / 1000000000, .tv_usec = left / 1000 % 1000000 };
    }
    return rc;
}

int __select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv);
int __select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
    return select(nfds, r, w, e, tv);
}

int pselect(int nfds, fd_set *r, fd_set *w, fd_set *e, const struct timespec *ts,
            const sigset_t *mask)
{
    struct bits b = bits_of(r, w, e);

    if (nfds < 0 || !select_has_ours(&b, nfds)) {
        return REAL(pselect)(nfds, r, w, e, ts, mask);
    }
    return select_ours(&b, nfds, clock_end(ts), mask);
}
