/* SPDX-License-Identifier: ISC */
/* From fd to what it names, read without a lock. An empty slot: a plain fd.
 *
 * The slots live in segments that are allocated once and never move or go away. An entry's memory
 * is never given back either: a dead one goes to a free list and becomes another of its kind
 * later, so `refs` can be looked at through any pointer that was ever in a slot. That makes the
 * look-up safe:
 *
 *     read the slot; raise refs unless it is 0; read the slot again.
 *
 * refs == 0: the entry died after the first read; the slot has changed, look again. Raised, but the
 * slot changed: we may hold a reference to an entry that was recycled for another fd; it is a true
 * reference, so giving it back is right, and we look again. Raised and the slot still (or again)
 * has it: as the slot itself holds a reference as long as it names the entry, ours is to what this
 * fd names now. */
#include <errno.h>
#include <stddef.h>

#include "base/mem.h"
#include "shim/conn.h"
#include "shim/ssl_options.h"

#define SEGMENT  1024
#define SEGMENTS 16384 /* 16 million fds; the kernel's limit is below that unless it was raised */

typedef _Atomic(struct entry *) slot_t;

static _Atomic(slot_t *) segments[SEGMENTS];
static slot_t defaults;       /* SSL_DEFAULTS is no fd, but has options like one */
static _Atomic int high = -1; /* no slot above it was ever used */
static _Atomic unsigned live;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *free_list[2]; /* by kind; under lock */
/* All there ever were: one whose user jumped away with a reference is in no other list. */
static _Atomic(struct entry *) all;

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

    if (fd == SSL_DEFAULTS) {
        return &defaults;
    }
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

struct entry *entry_get(int fd)
{
    slot_t *s;
    struct entry *e;
    unsigned refs;

    fork_look();
    s = slot_of(fd);
    while (s && (e = atomic_load(s))) {
        refs = atomic_load(&e->refs);
        while (refs != 0 && !atomic_compare_exchange_weak(&e->refs, &refs, refs + 1)) {
        }
        if (refs == 0) {
            continue;
        }
        if (atomic_load(s) == e) {
            return e;
        }
        entry_put(e);
    }
    return NULL;
}

struct conn *conn_get(int fd)
{
    struct entry *e = entry_get(fd);

    if (e && e->kind != ENTRY_CONN) {
        entry_put(e);
        e = NULL;
    }
    return (struct conn *)e;
}

void entry_put(struct entry *e)
{
    sigset_t signals;
    int cancel, saved = errno;

    if (!e || atomic_fetch_sub(&e->refs, 1) != 1) {
        return;
    }
    calm(&signals, &cancel); /* who jumped out of libcrypto would leave its locks taken */
    if (e->kind == ENTRY_CONN) {
        conn_destroy((struct conn *)e);
    } else {
        options_destroy(e);
    }
    table_lock();
    e->next_free = free_list[e->kind];
    free_list[e->kind] = e;
    table_unlock();
    uncalm(&signals, cancel);
    errno = saved;
}

void conn_put(struct conn *c)
{
    entry_put((struct entry *)c);
}

struct entry *table_new(enum entry_kind kind)
{
    size_t size = kind == ENTRY_CONN ? sizeof(struct conn) : sizeof(struct kept);
    sigset_t signals;
    struct entry *e;
    int cancel;

    calm(&signals, &cancel);
    table_lock();
    e = free_list[kind];
    if (e) {
        free_list[kind] = e->next_free;
    }
    table_unlock();
    uncalm(&signals, cancel);
    if (!e) {
        e = mem_zalloc(size);
        if (!e) {
            errno = ENOMEM;
            return NULL;
        }
        e->kind = kind;
        e->next_made = atomic_load(&all);
        while (!atomic_compare_exchange_weak(&all, &e->next_made, e)) {
        }
    }
    /* refs is not cleared but set at the end: a late entry_get() may be looking at it. */
    memset((char *)e + offsetof(struct entry, nfds), 0, size - offsetof(struct entry, nfds));
    if (kind == ENTRY_CONN) {
        pthread_mutex_init(&((struct conn *)e)->read_lock, NULL);
        pthread_mutex_init(&((struct conn *)e)->write_lock, NULL);
    }
    atomic_store(&e->refs, 1);
    return e;
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

struct entry *table_at(int fd)
{
    slot_t *s = slot_of(fd);

    return s ? atomic_load(s) : NULL;
}

struct conn *table_conn(int fd)
{
    struct entry *e = table_at(fd);

    return e && e->kind == ENTRY_CONN ? (struct conn *)e : NULL;
}

struct entry *table_set(int fd, struct entry *e)
{
    struct entry *old = atomic_exchange(slot_of(fd), e);

    if (e) {
        e->nfds++;
    }
    if (fd >= 0) {
        atomic_fetch_add(&live, (e != NULL) - (unsigned)(old != NULL));
        if (e && fd > atomic_load(&high)) {
            atomic_store(&high, fd);
        }
    }
    return old && --old->nfds == 0 ? old : NULL;
}

int table_replace(int fd, struct entry *e, const struct entry *seen)
{
    struct entry *old, *gone = NULL;
    sigset_t signals;
    int cancel, err = 0;
    bool same;

    calm(&signals, &cancel);
    table_lock();
    old = table_at(fd);
    same = old && old->cookie == e->cookie;
    if (same && old->kind == ENTRY_CONN) {
        err = EISCONN;
    } else if (old != seen && (same || (seen && seen->cookie == e->cookie))) {
        err = EAGAIN;
    } else {
        if (same && e->kind == ENTRY_CONN) {
            ((struct conn *)e)->options = old; /* the table's reference goes there */
        }
        for (int n = 0; same && old->nfds > 1 && n <= atomic_load(&high); n++) {
            if (n != fd && table_at(n) == old) {
                table_set(n, e);
            }
        }
        gone = table_set(fd, e);
        gone = same && e->kind == ENTRY_CONN ? NULL : gone;
    }
    table_unlock();
    uncalm(&signals, cancel);
    entry_put(gone);
    errno = err;
    return err ? -1 : 0;
}

void table_drop(int fd, const struct entry *e)
{
    struct entry *gone = NULL;
    sigset_t signals;
    int cancel;

    calm(&signals, &cancel);
    table_lock();
    if (table_at(fd) == e) {
        gone = table_set(fd, NULL);
    }
    table_unlock();
    uncalm(&signals, cancel);
    entry_put(gone);
}

int conn_alias(int oldfd, int newfd)
{
    struct entry *e, *gone = NULL;
    sigset_t signals;
    int cancel, rc = 0;

    if (oldfd < 0 || oldfd == newfd || !table_at(oldfd) || fork_vforked() ||
        !(e = entry_get(oldfd))) {
        return 0;
    }
    if (table_reserve(newfd)) {
        entry_put(e);
        return -1;
    }
    calm(&signals, &cancel);
    table_lock();
    if (table_at(newfd) != e) {
        if (e->nfds == 0 || (e->kind == ENTRY_CONN && atomic_load(&((struct conn *)e)->ending))) {
            rc = -1; /* its last fd was closed meanwhile */
        } else {
            gone = table_set(newfd, e);
        }
    }
    table_unlock();
    uncalm(&signals, cancel);
    entry_put(gone);
    entry_put(e);
    errno = rc ? EBADF : errno;
    return rc;
}

bool table_names(int fd, const struct conn *c)
{
    return table_at(fd) == &c->entry;
}

int table_next(int fd)
{
    int last = atomic_load(&high);

    for (fd = fd < 0 ? 0 : fd; fd <= last; fd++) {
        if (!slot_of(fd)) {
            fd |= SEGMENT - 1; /* the whole segment is empty */
        } else if (table_conn(fd)) {
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
