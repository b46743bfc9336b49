/* SPDX-License-Identifier: ISC */
#include "base/mem_arena.h"

#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/lock.h"

#define ALIGN 16
#define BINS  (8 * sizeof(size_t))
#define USED  ((size_t)1) /* in block.size, which is a multiple of ALIGN */

struct block {
    _Alignas(ALIGN) size_t size; /* with this header; | USED */
    size_t before;               /* size of the block in front; 0: the first */
};
struct vacant {
    struct block head;
    struct vacant *next, *prev;
};
#define HEADER   sizeof(struct block)
#define SMALLEST sizeof(struct vacant)

static struct {
    struct lock lock;
    struct once once;
    uint8_t *_Atomic base; /* the first block; NULL: no arena */
    struct block *end;     /* behind the last block: used, and of no size */
    const void *memory;    /* as given */
    size_t given;
    struct vacant *bin[BINS];
    struct arena_use use;
} arena = { .lock = LOCK_INIT, .once = ONCE_INIT };

static void lock(void)
{
    lock_take(&arena.lock);
}

static void unlock(void)
{
    lock_give(&arena.lock);
}

static void init(void)
{
    (void)at_fork(lock, unlock, unlock);
}

/* ---- blocks; all of it under the lock ---- */

static size_t size_of(const struct block *b)
{
    return b->size & ~USED;
}

static bool is_used(const struct block *b)
{
    return b->size & USED;
}

static struct block *at(void *p, size_t offset)
{
    return (struct block *)(void *)((uint8_t *)p + offset);
}

static struct block *after(struct block *b)
{
    return at(b, size_of(b));
}

static struct block *ahead_of(struct block *b)
{
    return (struct block *)(void *)((uint8_t *)b - b->before);
}

static struct block *block_of(void *p)
{
    return (struct block *)(void *)((uint8_t *)p - HEADER);
}

static void *contents_of(struct block *b)
{
    return (uint8_t *)b + HEADER;
}

static unsigned bin_of(size_t size)
{
    return (unsigned)(BINS - 1 - (unsigned)__builtin_clzl(size));
}

static void set_size(struct block *b, size_t size, size_t used)
{
    b->size = size | used;
    at(b, size)->before = size;
}

static void list_add(struct block *b)
{
    struct vacant *v = (struct vacant *)(void *)b, **bin = &arena.bin[bin_of(size_of(b))];

    v->prev = NULL;
    v->next = *bin;
    if (*bin) {
        (*bin)->prev = v;
    }
    *bin = v;
}

static void list_take(struct block *b)
{
    struct vacant *v = (struct vacant *)(void *)b;

    if (v->prev) {
        v->prev->next = v->next;
    } else {
        arena.bin[bin_of(size_of(b))] = v->next;
    }
    if (v->next) {
        v->next->prev = v->prev;
    }
}

/* Some block of that size or more: in its own list the first that fits, in those of greater sizes
 * any. */
static struct block *find(size_t size)
{
    unsigned bin = bin_of(size);

    for (struct vacant *v = arena.bin[bin]; v; v = v->next) {
        if (size_of(&v->head) >= size) {
            return &v->head;
        }
    }
    for (bin++; bin < BINS; bin++) {
        if (arena.bin[bin]) {
            return &arena.bin[bin]->head;
        }
    }
    return NULL;
}

/* Makes a vacant block of [b, b + size), joined to vacant neighbours. */
static void vacate(struct block *b, size_t size)
{
    struct block *next = at(b, size);

    if (!is_used(next)) {
        list_take(next);
        size += size_of(next);
    }
    if (b->before) {
        struct block *prev = ahead_of(b);

        if (!is_used(prev)) {
            list_take(prev);
            size += size_of(prev);
            b = prev;
        }
    }
    set_size(b, size, 0);
    list_add(b);
}

/* `size` bytes of a block that is in no list are used, the rest is vacant. */
static void occupy(struct block *b, size_t size)
{
    size_t whole = size_of(b);

    if (whole - size < SMALLEST) {
        set_size(b, whole, USED);
        return;
    }
    set_size(b, size, USED);
    vacate(after(b), whole - size);
}

static void count_used(size_t more, size_t less)
{
    arena.use.used += more;
    arena.use.used -= less;
    if (arena.use.used > arena.use.peak) {
        arena.use.peak = arena.use.used;
    }
}

/* Size of the block for n bytes; 0: no arena can have it. */
static size_t block_size(size_t n)
{
    size_t size = (n + HEADER + ALIGN - 1) & ~(size_t)(ALIGN - 1);

    if (n > SIZE_MAX / 2) {
        return 0;
    }
    return size < SMALLEST ? SMALLEST : size;
}

static void *take(size_t n)
{
    size_t size = block_size(n);
    struct block *b = arena.base && size ? find(size) : NULL;

    if (!b) {
        arena.use.failures++;
        return NULL;
    }
    list_take(b);
    occupy(b, size);
    count_used(size_of(b), 0);
    arena.use.blocks++;
    return contents_of(b);
}

static void give(void *p)
{
    struct block *b = block_of(p);

    count_used(0, size_of(b));
    arena.use.blocks--;
    vacate(b, size_of(b));
}

/* In place: into the vacant block behind, or giving its own end back. */
static bool resize_here(struct block *b, size_t size)
{
    size_t was = size_of(b);
    struct block *next = after(b);

    if (was < size) {
        if (is_used(next) || was + size_of(next) < size) {
            return false;
        }
        list_take(next);
        set_size(b, was + size_of(next), USED);
    }
    occupy(b, size);
    count_used(size_of(b), was);
    return true;
}

static bool is_inside(const void *p)
{
    return arena.base && (uintptr_t)p >= (uintptr_t)arena.base &&
           (uintptr_t)p < (uintptr_t)arena.end;
}

/* ---- what others call ---- */

static void lay_out(uint8_t *base, size_t size)
{
    memset(arena.bin, 0, sizeof arena.bin);
    arena.use = (struct arena_use){ .size = size };
    arena.base = base;
    arena.end = at(base, size);
    arena.end->size = USED;
    at(base, 0)->before = 0;
    vacate(at(base, 0), size);
}

int arena_open(void *memory, size_t n)
{
    size_t skip = (ALIGN - (uintptr_t)memory % ALIGN) % ALIGN;
    int rc = 0;

    if (!memory || n < skip + SMALLEST + HEADER) {
        return ERR_ARG;
    }
    once_do(&arena.once, init);
    lock();
    if (arena.base) {
        rc = arena.memory == memory && arena.given == n ? 0 : ERR_STATE;
    } else {
        arena.memory = memory;
        arena.given = n;
        lay_out((uint8_t *)memory + skip, (n - skip - HEADER) & ~(size_t)(ALIGN - 1));
    }
    unlock();
    return rc;
}

void arena_close(void)
{
    lock();
    if (arena.use.blocks == 0) {
        arena.base = NULL;
    }
    unlock();
}

bool arena_is_open(void)
{
    return arena.base != NULL; /* without the lock: a child of fork() may find that one taken */
}

void *arena_alloc(size_t n)
{
    void *p;

    lock();
    p = take(n);
    unlock();
    return p;
}

void *arena_resize(void *p, size_t n)
{
    size_t size = block_size(n), was;
    void *to = NULL;

    if (!p) {
        return arena_alloc(n);
    }
    lock();
    was = size_of(block_of(p)) - HEADER;
    if (size && resize_here(block_of(p), size)) {
        to = p;
    } else {
        to = take(n);
        if (to) {
            memcpy(to, p, was < n ? was : n);
            give(p);
        }
    }
    unlock();
    return to;
}

bool arena_release(void *p)
{
    bool ours;

    lock();
    ours = is_inside(p);
    if (ours) {
        give(p);
    }
    unlock();
    return ours;
}

/* ---- looking at it ---- */

struct arena_use arena_usage(void)
{
    struct arena_use use;

    lock();
    use = arena.use;
    for (unsigned bin = 0; arena.base && bin < BINS; bin++) {
        for (const struct vacant *v = arena.bin[bin]; v; v = v->next) {
            size_t room = size_of(&v->head) - HEADER;

            use.largest = room > use.largest ? room : use.largest;
        }
    }
    unlock();
    return use;
}

void arena_reset_peak(void)
{
    lock();
    arena.use.peak = arena.use.used;
    unlock();
}

bool arena_is_sound(void)
{
    size_t used = 0, blocks = 0, vacant = 0, listed = 0, before = 0;
    bool sound = true, was_vacant = false;

    lock();
    for (struct block *b = at(arena.base, 0); sound && b != arena.end; b = after(b)) {
        sound = size_of(b) >= SMALLEST && size_of(b) % ALIGN == 0 && b->before == before &&
                !(was_vacant && !is_used(b)) && is_inside(b);
        before = size_of(b);
        was_vacant = !is_used(b);
        used += is_used(b) ? before : 0;
        blocks += is_used(b);
        vacant += !is_used(b);
    }
    for (unsigned bin = 0; bin < BINS; bin++) {
        for (struct vacant *v = arena.bin[bin]; v && sound; v = v->next) {
            sound = !is_used(&v->head) && bin_of(size_of(&v->head)) == bin &&
                    (!v->next || v->next->prev == v);
            listed++;
        }
    }
    sound = sound && used == arena.use.used && blocks == arena.use.blocks && vacant == listed &&
            arena.end->before == before;
    unlock();
    return sound;
}
