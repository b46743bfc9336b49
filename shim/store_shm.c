/* SPDX-License-Identifier: ISC */
/* Sessions in memory that a process and its children share: rows of a few entries, each with a lock
 * of its own that survives whoever holds it. A process that is killed in the middle of a change
 * leaves its row locked: the next one finds that out from the kernel and empties the row. One that
 * is stopped there holds the row as long: nobody waits for it, a lookup has missed then. What is in
 * a row is believed by nobody: it is sealed, and lengths are checked before they are used. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "base/mem.h"
#include "shim/store.h"

#define WAYS  8
#define TRIES 64 /* for a lock: a moment */

struct slot {
    int64_t until; /* seconds since boot; 0: empty */
    uint64_t used; /* when, by the row's count */
    uint16_t nvalue;
    uint8_t nid, id[SESSION_ID_MAX];
    uint8_t value[STORE_SHM_VALUE];
};
struct row {
    pthread_mutex_t lock;
    uint64_t count;
    struct slot slot[WAYS];
};
struct shm {
    size_t nrows, ways; /* ways: fewer than WAYS only where there is one row */
    struct row *rows;
};

static int64_t seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec + 1;
}

struct shm *shm_new(size_t entries)
{
    struct shm *m = mem_zalloc(sizeof *m);
    pthread_mutexattr_t kind;

    if (!m) {
        return NULL;
    }
    m->nrows = (entries + WAYS - 1) / WAYS;
    m->ways = entries < WAYS ? entries : WAYS;
    m->rows = mmap(NULL, m->nrows * sizeof *m->rows, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m->rows == MAP_FAILED || pthread_mutexattr_init(&kind) != 0) {
        mem_free(m);
        return NULL;
    }
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    for (size_t i = 0; i < m->nrows; i++) {
        pthread_mutex_init(&m->rows[i].lock, &kind);
    }
    pthread_mutexattr_destroy(&kind);
    return m;
}

void shm_free(struct shm *m)
{
    munmap(m->rows, m->nrows * sizeof *m->rows);
    mem_free(m);
}

/* ---- a row ---- */

/* Ids are random and of our making; whoever asks for others finds nothing in any row. */
static struct row *row_of(const struct shm *m, struct span id)
{
    uint32_t h = 2166136261;

    for (size_t i = 0; i < id.n; i++) {
        h = (h ^ id.p[i]) * 16777619;
    }
    return &m->rows[h % m->nrows];
}

static bool row_lock(struct row *r)
{
    int rc = EBUSY;

    for (int i = 0; i < TRIES && rc == EBUSY; i++) {
        rc = pthread_mutex_trylock(&r->lock);
        if (rc == EBUSY) {
            sched_yield();
        }
    }
    if (rc == EOWNERDEAD) {
        r->count = 0;
        memset(r->slot, 0, sizeof r->slot);
        rc = pthread_mutex_consistent(&r->lock);
    }
    return rc == 0;
}

static void row_unlock(struct row *r)
{
    pthread_mutex_unlock(&r->lock);
}

static struct slot *find(const struct shm *m, struct row *r, struct span id)
{
    for (struct slot *s = r->slot; s < r->slot + m->ways; s++) {
        if (s->until && s->nid <= sizeof s->id && span_eq(id, span_of(s->id, s->nid))) {
            return s;
        }
    }
    return NULL;
}

/* An empty one, or one whose time is over, or the one that was not used for the longest time. */
static struct slot *oldest(const struct shm *m, struct row *r, int64_t now)
{
    struct slot *least = r->slot;

    for (struct slot *s = r->slot; s < r->slot + m->ways; s++) {
        if (s->until <= now) {
            return s;
        }
        least = s->used < least->used ? s : least;
    }
    return least;
}

/* ---- the store ---- */

static void put(void *ctx, struct span id, struct span value, uint32_t life)
{
    const struct shm *m = ctx;
    struct row *r = row_of(m, id);
    int64_t now = seconds();
    struct slot *s;

    if (id.n == 0 || id.n > SESSION_ID_MAX || value.n > STORE_SHM_VALUE || !row_lock(r)) {
        return;
    }
    s = find(m, r, id);
    s = s ? s : oldest(m, r, now);
    s->until = now + life;
    s->used = ++r->count;
    s->nid = (uint8_t)id.n;
    s->nvalue = (uint16_t)value.n;
    memcpy(s->id, id.p, id.n);
    memcpy(s->value, value.p, value.n);
    row_unlock(r);
}

static void get(void *ctx, struct session_lookup *l)
{
    const struct shm *m = ctx;
    const struct span id = session_lookup_id(l);
    struct row *r = row_of(m, id);
    struct slot *s;

    if (!row_lock(r)) {
        session_lookup_missed(l);
        return;
    }
    s = find(m, r, id);
    if (s && s->until > seconds() && s->nvalue <= sizeof s->value) {
        session_lookup_found(l, span_of(s->value, s->nvalue));
        s->used = ++r->count;
        if (session_lookup_takes(l)) {
            s->until = 0;
        }
    } else {
        session_lookup_missed(l);
    }
    row_unlock(r);
}

static void drop(void *ctx, struct span id)
{
    const struct shm *m = ctx;
    struct row *r = row_of(m, id);
    struct slot *s;

    if (!row_lock(r)) {
        return; /* it is refused when it comes, or lives out its time */
    }
    s = find(m, r, id);
    if (s) {
        s->until = 0;
    }
    row_unlock(r);
}

const struct store_kind shm_kind = { .calls = { .put = put, .get = get, .drop = drop } };
