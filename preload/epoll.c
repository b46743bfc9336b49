/* SPDX-License-Identifier: ISC */
/* epoll on connections: registrations under our data, events translated back (watch.h). */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "preload/preload.h"
#include "preload/watch.h"

#define READY_BITS 0x3fff /* the part of epoll's events that poll() knows */

static int mode_of(uint32_t events)
{
    return events & EPOLLONESHOT ? WATCH_ARMED : 0;
}

/* What the program registers for a descriptor that is not ours, but may become so (nginx registers
 * a socket before it calls connect). */
static int ctl_other(int epfd, int op, int fd, struct epoll_event *ev)
{
    int rc = REAL(epoll_ctl)(epfd, op, fd, ev);
    struct watch *w;

    if (rc != 0 || !policy || !set_at(fd) || !set_at(epfd)) {
        return rc;
    }
    if (op == EPOLL_CTL_DEL) {
        w = watch_find(epfd, fd, false);
        if (w) {
            watch_free(w);
        }
        return rc;
    }
    if (watch_is_set(fd)) {
        atomic_store(&set_at(fd)->nested, true);
    }
    w = policy_has(policy, TLS_CLIENT) ? watch_find(epfd, fd, true) : NULL;
    if (w && ev) {
        atomic_store(&w->events, ev->events);
        atomic_store(&w->data, ev->data.u64);
        atomic_store(&w->state, 0);
    }
    return rc;
}

/* The kernel's rules for EPOLLEXCLUSIVE, which it is not asked for: our registrations change. So
 * all sets are woken, as it may wake "one or more". w: NULL, not registered yet. */
static bool exclusive_allowed(int op, uint32_t events, const struct watch *w)
{
    const uint32_t with = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET;

    if (!(events & EPOLLEXCLUSIVE)) {
        return op != EPOLL_CTL_MOD || !w || !(atomic_load(&w->events) & EPOLLEXCLUSIVE);
    }
    return op == EPOLL_CTL_ADD && !(events & ~(with | EPOLLEXCLUSIVE));
}

static int ctl_set(struct conn *c, int epfd, int op, int fd, const struct epoll_event *ev)
{
    struct watch *w = watch_find(epfd, fd, false);
    bool known = w != NULL;

    if (!exclusive_allowed(op, ev->events, w)) {
        errno = EINVAL;
        return -1;
    }
    if (!w) {
        w = watch_find(epfd, fd, true);
        if (!w || set_ready_for_ours(epfd) != 0) {
            errno = ENOSPC;
            return -1;
        }
    }
    if (known && op == EPOLL_CTL_ADD) {
        errno = EEXIST;
        return -1;
    }
    atomic_store(&w->events, ev->events);
    atomic_store(&w->data, ev->data.u64);
    atomic_store(&w->state, (uint32_t)(WATCH_OURS | WATCH_NEED_OUT | mode_of(ev->events)));
    /* Another thread may sleep in the set: from here on everything goes by the watch. */
    if (watch_arm(w, c, op) != 0) {
        if (!known) {
            watch_free(w);
        }
        return -1;
    }
    set_deadline(set_at(epfd), c);
    watch_note(c, fd);
    return 0;
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
    struct conn *c = tracked(fd);
    struct watch *w;
    int rc;

    if (!c) {
        return ctl_other(epfd, op, fd, ev);
    }
    if (op == EPOLL_CTL_DEL) {
        rc = REAL(epoll_ctl)(epfd, op, fd, ev);
        w = watch_find(epfd, fd, false);
        if (rc == 0 && w) {
            watch_free(w);
        }
    } else if (!ev) {
        errno = EFAULT;
        rc = -1;
    } else {
        rc = ctl_set(c, epfd, op, fd, ev);
    }
    conn_put(c);
    return rc;
}

/* ---- waiting ---- */

/* Which of the ready bits are worth waking the program. */
static uint32_t news(struct watch *w, uint32_t app, uint32_t ready)
{
    if (!(app & EPOLLET) || (ready & ~(uint32_t)EPOLLOUT)) {
        return ready;
    }
    /* Only room to write: an edge when the program has met a full kernel, or was never told. */
    return atomic_load(&w->state) & WATCH_NEED_OUT ? ready : 0;
}

/* One watch, for which the kernel reported `kernel` (0: it is on the hot list). Writes the
 * program's event if there is one to tell. */
static bool offer(struct watch *w, uint32_t kernel, struct epoll_event *ev)
{
    uint32_t app = atomic_load(&w->events), state = atomic_load(&w->state), ready;
    int fd = watch_fd(w);
    struct conn *c;

    if (!watch_live(w, -1)) {
        return false;
    }
    c = tracked(fd);
    if (!c) { /* no longer ours, the registration still is */
        ev->events = kernel & (app | EPOLLERR | EPOLLHUP);
        ev->data.u64 = atomic_load(&w->data);
        return ev->events != 0;
    }
    if (kernel) {
        conn_only_hears(c, (short)(app & READY_BITS));
        conn_pump(c, fd, (short)(kernel & READY_BITS));
        watch_note_others(c, fd, w);
    }
    ready = (uint32_t)(unsigned short)conn_revents(c, (short)(app & READY_BITS),
                                                   (short)(kernel & READY_BITS));
    ready = news(w, app, ready);
    if (app & EPOLLONESHOT) {
        if (ready) { /* two threads may have come here, by the hot list and by the kernel */
            state = atomic_fetch_and(&w->state, ~(uint32_t)WATCH_ARMED);
            ready = state & WATCH_ARMED ? ready : 0;
        } else if (kernel && (state & WATCH_ARMED)) {
            watch_arm(w, c, EPOLL_CTL_MOD); /* the kernel has spent it on nothing */
        }
    }
    if (!(app & (EPOLLONESHOT | EPOLLET))) {
        watch_arm(w, c, 0);
        if (ready & ~(uint32_t)EPOLLOUT) {
            atomic_fetch_add(&w->told, 1);
            watch_heat(w); /* level: as long as it is so */
        }
    }
    if (ready & EPOLLOUT) {
        atomic_fetch_and(&w->state, ~(uint32_t)WATCH_NEED_OUT);
    }
    conn_put(c);
    ev->events = ready;
    ev->data.u64 = atomic_load(&w->data);
    return ready != 0;
}

/* What is ready in user space. Watches that find no room stay hot. */
static int offer_hot(int epfd, struct set *s, struct epoll_event *ev, int max)
{
    struct watch *w = set_take_hot(s), *next;
    int n = 0;

    for (; w; w = next) {
        next = atomic_load(&w->next_hot);
        atomic_store(&w->hot, false);
        if (n == max || !watch_live(w, epfd)) {
            watch_heat(w);
        } else if (atomic_load(&w->cold) == atomic_load(&w->told)) {
            continue;
        } else if (offer(w, 0, &ev[n])) {
            w->place = ++n;
        }
    }
    return n;
}

/* ev[0..hot) is final, ev[hot..hot+got) comes from the kernel: makes it the program's. Returns the
 * total. */
static int translate(struct epoll_event *ev, int hot, int got)
{
    int n = hot;

    for (int i = hot; i < hot + got; i++) {
        struct epoll_event out;
        struct set *bell;
        struct watch *w = watch_of_data(ev[i].data.u64, &bell);

        if (bell) {
            continue;
        }
        if (!w) {
            ev[n++] = ev[i];
        } else if (offer(w, ev[i].events, &out)) {
            if (w->place > 0 && w->place <= hot && ev[w->place - 1].data.u64 == out.data.u64) {
                ev[w->place - 1].events |= out.events;
            } else {
                ev[n++] = out;
            }
        }
    }
    return n;
}

/* Handshakes that take too long: nothing comes from the kernel for them. */
struct expiry {
    int epfd;
    struct set *set;
};

static void expire(void *ctx, int fd)
{
    struct expiry *x = ctx;
    struct watch *w = watch_find(x->epfd, fd, false);
    struct conn *c = w ? tracked(fd) : NULL;

    if (!c) {
        return;
    }
    if (conn_is_due(c)) {
        conn_pump(c, fd, 0);
        watch_note(c, fd);
    }
    set_deadline(x->set, c);
    conn_put(c);
}

static void expire_all(int epfd, struct set *s)
{
    struct expiry x = { .epfd = epfd, .set = s };

    atomic_store(&s->deadline, 0);
    conn_each(0, INT32_MAX, expire, &x);
}

struct wait {
    int epfd, max;
    struct epoll_event *ev;
    const sigset_t *mask;
    int64_t ns; /* at most so long; FOR_EVER */
    bool fine;  /* the program used epoll_pwait2: nanoseconds */
};

static int kernel_wait(const struct wait *a, int from, int64_t ns)
{
    struct timespec ts;
    int64_t ms = ns == FOR_EVER ? -1 : ns / 1000000 + (ns % 1000000 != 0);

    if (a->fine) {
        ts = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
        return REAL(epoll_pwait2)(a->epfd, a->ev + from, a->max - from, ns == FOR_EVER ? NULL : &ts,
                                  a->mask);
    }
    return REAL(epoll_pwait)(a->epfd, a->ev + from, a->max - from,
                             ms > INT32_MAX ? INT32_MAX : (int)ms, a->mask);
}

static int64_t left_until(int64_t end)
{
    int64_t left;

    if (end == FOR_EVER || end == 0) {
        return end;
    }
    left = end - clock_ns();
    return left < 0 ? 0 : left;
}

static int64_t end_after(int64_t ns)
{
    return ns == FOR_EVER || ns == 0 ? ns : clock_ns() + ns;
}

static int wait_ours(const struct wait *a, struct set *s)
{
    int64_t end = end_after(a->ns);

    for (;;) {
        int hot = offer_hot(a->epfd, s, a->ev, a->max), got, n;
        int64_t left = hot ? 0 : left_until(end), late = atomic_load(&s->deadline);

        if (hot == a->max) {
            return hot;
        }
        if (left > 0 && late != 0 && left_until(late) < left) {
            left = left_until(late);
        }
        atomic_fetch_add(&s->waiters, 1);
        if (hot == 0 && atomic_load(&s->hot)) { /* came in between: no bell rang */
            atomic_fetch_sub(&s->waiters, 1);
            continue;
        }
        got = kernel_wait(a, hot, left);
        atomic_fetch_sub(&s->waiters, 1);
        if (got < 0) {
            return hot ? hot : got;
        }
        if (late != 0 && clock_ns() >= late) {
            expire_all(a->epfd, s);
        }
        n = translate(a->ev, hot, got);
        if (n > 0 || (left_until(end) == 0 && !atomic_load(&s->hot))) {
            return n;
        }
        if (end == 0) { /* one more look at what has just become hot */
            return offer_hot(a->epfd, s, a->ev, a->max);
        }
    }
}

/* A set in which nothing is ours may get its first connection of ours while a thread sleeps in it.
 */
static int wait_other(const struct wait *a, struct set *s)
{
    int got, n;

    atomic_fetch_add(&s->waiters, 1);
    got = kernel_wait(a, 0, a->ns);
    atomic_fetch_sub(&s->waiters, 1);
    if (got <= 0 || !atomic_load(&s->ours)) {
        return got;
    }
    n = translate(a->ev, 0, got);
    return n > 0 ? n : wait_ours(a, s);
}

static int wait_any(const struct wait *a, struct set *s)
{
    int saved = errno, n;

    n = atomic_load_explicit(&s->ours, memory_order_relaxed) ? wait_ours(a, s) : wait_other(a, s);
    errno = n < 0 ? errno : saved;
    return n;
}

/* NULL: the C library may do it alone. */
static struct set *set_of(int epfd, const struct epoll_event *ev, int max)
{
    return policy && ev && max > 0 ? set_at(epfd) : NULL;
}

static int64_t ns_of_ms(int ms)
{
    return ms < 0 ? FOR_EVER : (int64_t)ms * 1000000;
}

int epoll_pwait(int epfd, struct epoll_event *ev, int max, int ms, const sigset_t *mask)
{
    struct set *s = set_of(epfd, ev, max);
    struct wait a = { .epfd = epfd, .max = max, .ev = ev, .mask = mask, .ns = ns_of_ms(ms) };

    return s ? wait_any(&a, s) : REAL(epoll_pwait)(epfd, ev, max, ms, mask);
}

int epoll_wait(int epfd, struct epoll_event *ev, int max, int ms)
{
    struct set *s = set_of(epfd, ev, max);
    struct wait a = { .epfd = epfd, .max = max, .ev = ev, .ns = ns_of_ms(ms) };

    return s ? wait_any(&a, s) : REAL(epoll_wait)(epfd, ev, max, ms);
}

int epoll_pwait2(int epfd, struct epoll_event *ev, int max, const struct timespec *ts,
                 const sigset_t *mask)
{
    bool sane = !ts || (ts->tv_sec >= 0 && ts->tv_sec < FOR_EVER / 1000000000 && ts->tv_nsec >= 0 &&
                        ts->tv_nsec < 1000000000);
    struct set *s = sane ? set_of(epfd, ev, max) : NULL;
    struct wait a = { .epfd = epfd, .max = max, .ev = ev, .mask = mask, .fine = true };

    if (!s) {
        return REAL(epoll_pwait2)(epfd, ev, max, ts, mask);
    }
    a.ns = ts ? (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec : FOR_EVER;
    return wait_any(&a, s);
}
