/* SPDX-License-Identifier: ISC */
/* From fd to connection, read without a lock.
 *
 * The slots live in segments that are allocated once and never move or go away. A connection's
 * memory is never given back either: a dead one goes to a free list and becomes another connection
 * later, so `refs` can be looked at through any pointer that was ever in a slot. That makes the
 * look-up safe:
 *
 *     read the slot; raise refs unless it is 0; read the slot again.
 *
 * refs == 0: the connection died after the first read; the slot has changed, look again. Raised,
 * but the slot changed: we may hold a reference to a connection that was recycled for another fd;
 * it is a true reference, so giving it back is right, and we look again. Raised and the slot still
 * (or again) has it: as the slot itself holds a reference as long as it names the connection, ours
 * is to the connection this fd names now. */
#include <errno.h>
#include <stddef.h>

#include "base/mem.h"
#include "shim/conn.h"

#define SEGMENT  1024
#define SEGMENTS 16384 /* 16 million fds; the kernel's limit is below that unless it was raised */

typedef _Atomic(struct conn *) slot_t;

static _Atomic(slot_t *) segments[SEGMENTS];
static _Atomic int high = -1; /* no slot above it was ever used */
static _Atomic unsigned live;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct conn *free_list; /* under lock */
/* All there ever were: one whose user jumped away with a reference is in no other list. */
static _Atomic(struct conn *) all;

void table_lock(void)
{
    pthread_mutex_lock(&lock);
}

void table_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void table_lock_reset(void)
{
    pthread_mutex_init(&lock, NULL);
}

static slot_t *slot_of(int fd)
{
    slot_t *s;

    if (fd < 0 || fd / SEGMENT >= SEGMENTS) {
        return NULL;
    }
    s = atomic_load_explicit(&segments[fd / SEGMENT], memory_order_acquire);
    return s ? s + fd % SEGMENT : NULL;
}

bool conn_any(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed) != 0;
}

struct conn *conn_get(int fd)
{
    slot_t *s;
    struct conn *c;
    unsigned refs;

    fork_look();
    s = slot_of(fd);
    while (s && (c = atomic_load(s))) {
        refs = atomic_load(&c->refs);
        while (refs != 0 && !atomic_compare_exchange_weak(&c->refs, &refs, refs + 1)) {
        }
        if (refs == 0) {
            continue;
        }
        if (atomic_load(s) == c) {
            return c;
        }
        conn_put(c);
    }
    return NULL;
}

void conn_put(struct conn *c)
{
    sigset_t signals;
    int cancel, saved = errno;

    if (!c || atomic_fetch_sub(&c->refs, 1) != 1) {
        return;
    }
    conn_destroy(c);
    calm(&signals, &cancel);
    table_lock();
    c->next_free = free_list;
    free_list = c;
    table_unlock();
    uncalm(&signals, cancel);
    errno = saved;
}

struct conn *table_new(void)
{
    sigset_t signals;
    struct conn *c;
    int cancel;

    calm(&signals, &cancel);
    table_lock();
    c = free_list;
    if (c) {
        free_list = c->next_free;
    }
    table_unlock();
    uncalm(&signals, cancel);
    if (!c) {
        c = mem_zalloc(sizeof *c);
        if (!c) {
            return NULL;
        }
        c->next_made = atomic_load(&all);
        while (!atomic_compare_exchange_weak(&all, &c->next_made, c)) {
        }
    }
    /* refs is not cleared but set at the end: a late conn_get() may be looking at it. */
    memset((char *)c + offsetof(struct conn, nfds), 0, sizeof *c - offsetof(struct conn, nfds));
    pthread_mutex_init(&c->read_lock, NULL);
    pthread_mutex_init(&c->write_lock, NULL);
    atomic_store(&c->refs, 1);
    return c;
}

int table_reserve(int fd)
{
    slot_t *made, *none = NULL;

    if (fd < 0) {
        errno = EBADF;
        return -1;
    }
    if (fd / SEGMENT >= SEGMENTS) {
        errno = EMFILE;
        return -1;
    }
    if (atomic_load(&segments[fd / SEGMENT])) {
        return 0;
    }
    made = mem_zalloc(SEGMENT * sizeof *made);
    if (!made) {
        errno = ENOMEM;
        return -1;
    }
    if (!atomic_compare_exchange_strong(&segments[fd / SEGMENT], &none, made)) {
        mem_free(made); /* another thread was first */
    }
    return 0;
}

struct conn *table_at(int fd)
{
    slot_t *s = slot_of(fd);

    return s ? atomic_load(s) : NULL;
}

void table_set(int fd, struct conn *c)
{
    struct conn *old = atomic_exchange(slot_of(fd), c);

    if (old) {
        old->nfds--;
        atomic_fetch_sub(&live, 1);
    }
    if (c) {
        c->nfds++;
        atomic_fetch_add(&live, 1);
        if (fd > atomic_load(&high)) {
            atomic_store(&high, fd);
        }
    }
}

bool table_names(int fd, const struct conn *c)
{
    slot_t *s = slot_of(fd);

    return s && atomic_load(s) == c;
}

int table_next(int fd)
{
    int last = atomic_load(&high);

    for (fd = fd < 0 ? 0 : fd; fd <= last; fd++) {
        slot_t *s = slot_of(fd);

        if (!s) {
            fd |= SEGMENT - 1; /* the whole segment is empty */
        } else if (atomic_load(s)) {
            return fd;
        }
    }
    return -1;
}

int table_find(const struct conn *c)
{
    int fd = table_next(0);

    while (fd >= 0 && !table_names(fd, c)) {
        fd = table_next(fd + 1);
    }
    return fd;
}

void conn_each(int lo, int hi, void (*fn)(void *ctx, int fd), void *ctx)
{
    fork_look();
    for (int fd = table_next(lo); fd >= 0 && fd <= hi; fd = table_next(fd + 1)) {
        fn(ctx, fd);
    }
}
