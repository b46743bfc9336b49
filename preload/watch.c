/* SPDX-License-Identifier: ISC */
#include "preload/watch.h"
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "preload/audit.h"

#define OWN_FD_MIN 1000
#define FDS_MAX    (1 << 20)

enum {
    SLOT_SET = 1,
    SLOT_BELL = 2,
    SLOT_CONNECTING = 4,
    SLOT_ERROR_TAKEN = 8,
    SLOT_WATCHED = 16,
    SLOT_ALIASED = 32,
    SLOT_LEAVING = 64
};

struct slot {
    _Atomic unsigned flags;
    _Atomic uint32_t used; /* `forks` when the connection was last used here */
    struct set set;
    struct watch watch[WATCHES_PER_FD];
};

static struct slot *slots; /* reserved; the kernel gives pages when they are touched */
static size_t nslots;
static _Atomic int top_fd;         /* no slot above it was ever used */
static uint32_t epoch = 1;         /* raised in each forked child */
static _Atomic uint32_t forks = 1; /* raised in parent and child, where other threads read it */

static _Thread_local bool relay_forks;

void watch_relay_forks(bool on)
{
    relay_forks = on;
}

void watch_forked_here(void)
{
    atomic_fetch_add(&forks, !relay_forks);
}

void watch_forked(void)
{
    epoch++;
    atomic_fetch_add(&forks, 1);
}

int watch_init(void)
{
    struct rlimit limit;
    void *p;

    nslots = FDS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < nslots) {
        nslots = (size_t)limit.rlim_max;
    }
    p = mmap(NULL, nslots * sizeof *slots, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return -1;
    }
    slots = p;
    return pthread_atfork(NULL, watch_forked_here, watch_forked) == 0 ? 0 : -1;
}

static struct slot *slot_at(int fd)
{
    return slots && fd >= 0 && (size_t)fd < nslots ? &slots[fd] : NULL;
}

struct set *set_at(int fd)
{
    struct slot *s = slot_at(fd);

    return s ? &s->set : NULL;
}

static unsigned flags_at(int fd)
{
    struct slot *s = slot_at(fd);

    return s ? atomic_load_explicit(&s->flags, memory_order_relaxed) : 0;
}

bool watch_uses(int fd)
{
    return flags_at(fd) != 0;
}

bool watch_owns(int fd)
{
    return flags_at(fd) & SLOT_BELL;
}

static bool flag(int fd, unsigned bit, bool on)
{
    struct slot *s = slot_at(fd);
    int top = atomic_load(&top_fd);

    if (!s) {
        return false;
    }
    while (on && fd > top && !atomic_compare_exchange_weak(&top_fd, &top, fd)) {
    }
    return (on ? atomic_fetch_or(&s->flags, bit) : atomic_fetch_and(&s->flags, ~bit)) & bit;
}

bool watch_used_here(int fd)
{
    struct slot *s = slot_at(fd);

    return !s || atomic_load(&s->used) == atomic_load(&forks);
}

bool watch_is_set(int fd)
{
    return flags_at(fd) & SLOT_SET;
}

bool watch_hot_set(int fd)
{
    return watch_is_set(fd) && atomic_load(&slots[fd].set.hot) != NULL;
}

bool watch_connecting(int fd, bool on)
{
    return flag(fd, SLOT_CONNECTING, on);
}

bool watch_leaves(int fd, bool on)
{
    return flag(fd, SLOT_LEAVING, on);
}

bool watch_leaving(int fd)
{
    return flags_at(fd) & SLOT_LEAVING;
}

bool watch_error_taken(int fd)
{
    return flag(fd, SLOT_ERROR_TAKEN, true);
}

/* ---- watches ---- */

static struct slot *slot_of_watch(const struct watch *w)
{
    return &slots[(size_t)((const char *)w - (const char *)slots) / sizeof *slots];
}

int watch_fd(const struct watch *w)
{
    return (int)(slot_of_watch(w) - slots);
}

struct watch *watch_of_data(uint64_t data, struct set **bell)
{
    uint64_t base = (uintptr_t)slots, at = data - base, in;
    struct slot *s;

    *bell = NULL;
    if (!slots || data < base || at >= nslots * sizeof *slots) {
        return NULL;
    }
    s = &slots[at / sizeof *slots];
    in = at % sizeof *slots;
    if (in == offsetof(struct slot, set)) {
        *bell = &s->set;
        return NULL;
    }
    in -= offsetof(struct slot, watch);
    return in % sizeof(struct watch) == 0 && in / sizeof(struct watch) < WATCHES_PER_FD
               ? &s->watch[in / sizeof(struct watch)]
               : NULL;
}

bool watch_live(const struct watch *w, int epfd)
{
    uint32_t set = atomic_load(&w->set);

    return set != 0 && (epfd < 0 || set == (uint32_t)epfd + 1) &&
           atomic_load(&w->generation) == atomic_load(&slots[set - 1].set.generation);
}

struct watch *watch_find(int epfd, int fd, bool make)
{
    struct slot *s = slot_at(fd);

    if (!s || !slot_at(epfd)) {
        return NULL;
    }
    for (int i = 0; i < WATCHES_PER_FD; i++) {
        if (watch_live(&s->watch[i], epfd)) {
            return &s->watch[i];
        }
    }
    for (int i = 0; make && i < WATCHES_PER_FD; i++) {
        struct watch *w = &s->watch[i];
        uint32_t set = atomic_load(&w->set);

        if (!watch_live(w, -1) &&
            atomic_compare_exchange_strong(&w->set, &set, (uint32_t)epfd + 1)) {
            atomic_store(&w->generation, atomic_load(&slots[epfd].set.generation));
            atomic_store(&w->state, 0);
            atomic_store(&w->cold, atomic_load(&w->told) - 1);
            w->epoch = epoch;
            flag(fd, SLOT_WATCHED, true);
            flag(epfd, SLOT_SET, true);
            return w;
        }
    }
    return NULL;
}

void watch_free(struct watch *w)
{
    atomic_store(&w->set, 0);
}

void watch_heat(struct watch *w)
{
    static const uint64_t one = 1;
    uint32_t at = atomic_load(&w->set);
    struct set *s;
    struct watch *head;
    int bell;

    if (at == 0 || atomic_exchange(&w->hot, true)) {
        return;
    }
    s = &slots[at - 1].set;
    head = atomic_load(&s->hot);
    do {
        atomic_store(&w->next_hot, head);
    } while (!atomic_compare_exchange_weak(&s->hot, &head, w));
    bell = atomic_load(&s->bell);
    if (bell > 0 && (atomic_load(&s->waiters) > 0 || atomic_load(&s->nested))) {
        int saved = errno;
        /* Edge-triggered: each write is an event, nobody need read it. */
        (void)!REAL(write)(bell - 1, &one, sizeof one);
        errno = saved;
    }
}

struct watch *set_take_hot(struct set *s)
{
    struct watch *w = atomic_exchange(&s->hot, NULL), *oldest = NULL, *next;

    for (; w; w = next) {
        next = atomic_load(&w->next_hot);
        atomic_store(&w->next_hot, oldest);
        oldest = w;
    }
    return oldest;
}

/* ---- the kernel's side ---- */

static uint32_t kernel_events(const struct watch *w, struct conn *c)
{
    uint32_t app = atomic_load(&w->events), kept = EPOLLONESHOT | EPOLLWAKEUP | EPOLLPRI;

    if (app & EPOLLET) {
        /* Everything at once: an edge that is not needed costs nothing. */
        return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET | (app & kept);
    }
    return (uint32_t)(unsigned short)conn_events(c, (short)(app & 0x3fff)) | (app & kept);
}

int watch_arm(struct watch *w, struct conn *c, int op)
{
    uint32_t set = atomic_load(&w->set), want = kernel_events(w, c);
    struct epoll_event ev = { .events = want, .data.u64 = (uintptr_t)w };

    if (set == 0 || (op == 0 && want == atomic_load(&w->kernel))) {
        return 0;
    }
    if (REAL(epoll_ctl)((int)set - 1, op ? op : EPOLL_CTL_MOD, watch_fd(w), &ev) != 0) {
        return -1;
    }
    atomic_store(&w->kernel, want);
    return 0;
}

int set_ready_for_ours(int epfd)
{
    struct set *s = set_at(epfd);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = (uintptr_t)s };
    int fd, high, none = 0;

    atomic_store(&s->ours, true);
    flag(epfd, SLOT_SET, true);
    if (atomic_load(&s->bell) > 0) {
        return 0;
    }
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    high = REAL(fcntl)(fd, F_DUPFD_CLOEXEC, OWN_FD_MIN);
    if (high >= 0) {
        REAL(close)(fd);
        fd = high;
    }
    if (slot_at(fd) && REAL(epoll_ctl)(epfd, EPOLL_CTL_ADD, fd, &ev) == 0 &&
        atomic_compare_exchange_strong(&s->bell, &none, fd + 1)) {
        flag(fd, SLOT_BELL, true);
        return 0;
    }
    REAL(close)(fd);
    return none > 0 ? 0 : -1; /* another thread was first, or it cannot be done */
}

void set_deadline(struct set *s, struct conn *c)
{
    int ms = conn_deadline_ms(c);
    int64_t at, old = atomic_load(&s->deadline);

    if (ms < 0) {
        return;
    }
    at = clock_ns() + ((int64_t)ms + 1) * 1000000;
    while ((old == 0 || at < old) && !atomic_compare_exchange_weak(&s->deadline, &old, at)) {
    }
}

/* read: it may have become readable, or ceased to be. */
static void note_slot(struct conn *c, struct slot *s, bool read, const struct watch *except)
{
    for (int i = 0; i < WATCHES_PER_FD; i++) {
        struct watch *w = &s->watch[i];
        uint32_t app = atomic_load(&w->events), state = atomic_load(&w->state);
        uint32_t told = atomic_load(&w->told);

        if (w == except || !watch_live(w, -1) || !(state & WATCH_OURS) ||
            ((app & EPOLLONESHOT) && !(state & WATCH_ARMED))) {
            continue;
        }
        if (read && conn_revents(c, (short)(app & 0x3fff), 0)) {
            atomic_store(&w->cold, told - 1);
            watch_heat(w);
        } else if (read) {
            atomic_store(&w->cold, told);
        }
        watch_arm(w, c, 0);
    }
}

struct note {
    struct conn *c;
    bool read;
    const struct watch *except; /* its event is being told */
};

static void note_alias(void *ctx, int fd)
{
    const struct note *n = ctx;
    struct slot *s = slot_at(fd);
    struct conn *c = s && (flags_at(fd) & SLOT_WATCHED) ? tracked(fd) : NULL;

    if (c && c == n->c) {
        note_slot(c, s, n->read, n->except);
    }
    conn_put(c);
}

static void note(struct conn *c, int fd, bool read, const struct watch *except)
{
    struct slot *s = slot_at(fd);
    struct note n = { .c = c, .read = read, .except = except };
    int saved = errno;
    unsigned flags;

    if (audit_on) {
        audit_look(c, fd);
    }
    if (!s) {
        return;
    }
    atomic_store_explicit(&s->used, atomic_load(&forks), memory_order_relaxed);
    flags = atomic_load_explicit(&s->flags, memory_order_relaxed);
    if (flags & SLOT_ALIASED) {
        conn_each(0, INT32_MAX, note_alias, &n);
    } else if (flags & SLOT_WATCHED) {
        note_slot(c, s, read, except);
    }
    errno = saved;
}

void watch_note(struct conn *c, int fd)
{
    note(c, fd, true, NULL);
}

void watch_note_others(struct conn *c, int fd, const struct watch *except)
{
    note(c, fd, true, except);
}

void watch_wrote(struct conn *c, int fd)
{
    note(c, fd, !conn_is_connected(c),
         NULL); /* a write may have done the handshake, or found the end */
}

void watch_aliased(int fd, int newfd)
{
    flag(fd, SLOT_ALIASED, true);
    flag(newfd, SLOT_ALIASED, true);
    if (slot_at(fd) && slot_at(newfd)) {
        atomic_store(&slots[newfd].used, atomic_load(&slots[fd].used));
    }
}

void watch_adopt(struct conn *c, int fd)
{
    struct slot *s = slot_at(fd);

    flag(fd, SLOT_CONNECTING | SLOT_ERROR_TAKEN, false);
    if (s) {
        atomic_store(&s->used, atomic_load(&forks));
    }
    for (int i = 0; s && i < WATCHES_PER_FD; i++) {
        struct watch *w = &s->watch[i];

        if (watch_live(w, -1) && set_ready_for_ours((int)atomic_load(&w->set) - 1) == 0) {
            atomic_fetch_or(&w->state, WATCH_OURS | WATCH_ARMED | WATCH_NEED_OUT);
            set_deadline(&slots[atomic_load(&w->set) - 1].set, c);
            watch_arm(w, c, EPOLL_CTL_MOD);
        }
    }
}

void watch_blocked(int fd)
{
    struct slot *s = slot_at(fd);

    for (int i = 0; s && i < WATCHES_PER_FD && (flags_at(fd) & SLOT_WATCHED); i++) {
        atomic_fetch_or(&s->watch[i].state, WATCH_NEED_OUT);
    }
}

bool watch_edge(int fd)
{
    struct slot *s = slot_at(fd);

    for (int i = 0; s && i < WATCHES_PER_FD && (flags_at(fd) & SLOT_WATCHED); i++) {
        if (watch_live(&s->watch[i], -1) && (atomic_load(&s->watch[i].events) & EPOLLET)) {
            return true;
        }
    }
    return false;
}

/* ---- another socket under the number ---- */

int watch_keep(int fd, struct watch_kept kept[static WATCHES_PER_FD])
{
    struct slot *s = slot_at(fd);
    int n = 0;

    for (int i = 0; s && i < WATCHES_PER_FD && (flags_at(fd) & SLOT_WATCHED); i++) {
        const struct watch *w = &s->watch[i];
        uint32_t events = atomic_load(&w->events);

        if (!watch_live(w, -1) || w->epoch != epoch) {
            continue;
        }
        if ((events & EPOLLONESHOT) && !(atomic_load(&w->state) & WATCH_ARMED)) {
            events = EPOLLONESHOT; /* used up */
        }
        kept[n++] =
            (struct watch_kept){ .set = (int)atomic_load(&w->set) - 1,
                                 .event = { .events = events, .data.u64 = atomic_load(&w->data) } };
    }
    return n;
}

void watch_again(int fd, const struct watch_kept *kept, int n)
{
    for (int i = 0; i < n; i++) {
        struct epoll_event ev = kept[i].event;

        REAL(epoll_ctl)(kept[i].set, EPOLL_CTL_ADD, fd, &ev);
    }
}

void watch_given(int fd)
{
    struct slot *s = slot_at(fd);

    if (s) {
        atomic_store(&s->used, atomic_load(&forks) - 1);
    }
}

/* ---- the end of a descriptor ---- */

static void set_forget(struct set *s)
{
    int bell = atomic_exchange(&s->bell, 0);
    struct watch *w, *next;

    atomic_fetch_add(&s->generation, 1);
    atomic_store(&s->ours, false);
    atomic_store(&s->nested, false);
    atomic_store(&s->waiters, 0);
    atomic_store(&s->deadline, 0);
    for (w = set_take_hot(s); w; w = next) {
        next = atomic_load(&w->next_hot);
        atomic_store(&w->hot, false);
    }
    if (bell > 0) {
        flag(bell - 1, SLOT_BELL, false);
        REAL(close)(bell - 1);
    }
}

void watch_forget(int fd)
{
    struct slot *s = slot_at(fd);
    struct epoll_event none = { .events = 0 };
    unsigned had = s ? atomic_exchange(&s->flags, 0) : 0;

    for (int i = 0; (had & SLOT_WATCHED) && i < WATCHES_PER_FD; i++) {
        struct watch *w = &s->watch[i];

        /* The socket may live on under another descriptor, and with it the registration under data
         * that will soon mean something else. A forked child must not touch its parent's. */
        if (watch_live(w, -1) && (atomic_load(&w->state) & WATCH_OURS) && w->epoch == epoch) {
            REAL(epoll_ctl)((int)atomic_load(&w->set) - 1, EPOLL_CTL_DEL, fd, &none);
        }
        watch_free(w);
    }
    if (had & SLOT_SET) {
        set_forget(&s->set);
    }
    if (had & SLOT_BELL) { /* taken by closefrom(): the set makes a new one when it needs it */
        for (int i = 0; i <= atomic_load(&top_fd); i++) {
            int at = fd + 1;
            if ((atomic_load(&slots[i].flags) & SLOT_SET) &&
                atomic_compare_exchange_strong(&slots[i].set.bell, &at, 0)) {
                break;
            }
        }
    }
}

void watch_forget_range(int lo, int hi)
{
    for (int fd = lo < 0 ? 0 : lo; fd <= hi && fd <= atomic_load(&top_fd); fd++) {
        if (watch_uses(fd)) {
            watch_forget(fd);
        }
    }
}
