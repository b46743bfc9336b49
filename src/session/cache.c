/* SPDX-License-Identifier: ISC */
/* A hash table with a ring through it: from `ring`, `older` leads from the entry used last to the
 * one that goes first. Ids in here are random ones of our own making, so nobody can aim at one
 * chain. No session is freed under the lock. */

#include "base/lock.h"
#include "base/mem.h"
#include "session/session.h"

enum { BUCKETS_MAX = 1 << 16 };

struct entry {
    struct entry *newer, *older; /* the ring */
    struct entry *next;          /* the same bucket */
    struct tls_session *session; /* its id is the key */
    int64_t since;
};

struct session_cache {
    atomic_uint refs;
    struct lock lock;
    size_t size, count;
    int64_t life_ms;
    struct entry ring;
    struct entry **buckets;
    size_t nbuckets; /* a power of two */
};

struct session_cache *session_cache_new(size_t size, int64_t life_ms)
{
    struct session_cache *c = mem_zalloc(sizeof *c);

    if (!c) {
        return NULL;
    }
    c->refs = 1;
    c->size = size ? size : 1;
    c->life_ms = life_ms;
    c->ring.newer = c->ring.older = &c->ring;
    c->nbuckets = 1;
    while (c->nbuckets < c->size && c->nbuckets < BUCKETS_MAX) {
        c->nbuckets *= 2;
    }
    c->buckets = mem_zalloc(c->nbuckets * sizeof(struct entry *));
    if (!c->buckets || !lock_init(&c->lock)) {
        mem_free(c->buckets);
        mem_free(c);
        return NULL;
    }
    return c;
}

struct session_cache *session_cache_ref(struct session_cache *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void session_cache_unref(struct session_cache *c)
{
    struct entry *e;

    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    while ((e = c->ring.older) != &c->ring) {
        c->ring.older = e->older;
        session_unref(e->session);
        mem_free(e);
    }
    lock_free(&c->lock);
    mem_free(c->buckets);
    mem_free(c);
}

/* ---- under the lock ---- */

static struct span id_of(const struct entry *e)
{
    return span_of(e->session->id, e->session->id_len);
}

/* FNV-1a; the pointer that leads to the entry with this id, or to the NULL at the chain's end. */
static struct entry **find(struct session_cache *c, struct span id)
{
    uint32_t h = 2166136261;
    struct entry **at;

    for (size_t i = 0; i < id.n; i++) {
        h = (h ^ id.p[i]) * 16777619;
    }
    at = &c->buckets[h & (c->nbuckets - 1)];
    while (*at && !span_eq(id_of(*at), id)) {
        at = &(*at)->next;
    }
    return at;
}

static void leave_ring(struct entry *e)
{
    e->newer->older = e->older;
    e->older->newer = e->newer;
}

static void make_newest(struct session_cache *c, struct entry *e)
{
    e->newer = &c->ring;
    e->older = c->ring.older;
    e->older->newer = e;
    c->ring.older = e;
}

/* Takes *at out and returns it, or NULL when there is none; the caller frees it. */
static struct entry *take(struct session_cache *c, struct entry **at)
{
    struct entry *e = *at;

    if (e) {
        *at = e->next;
        leave_ring(e);
        c->count--;
    }
    return e;
}

/* ---- without it ---- */

static void entry_free(struct entry *e)
{
    if (e) {
        session_unref(e->session);
        mem_free(e);
    }
}

void session_cache_put(struct session_cache *c, struct tls_session *s, int64_t now_ms)
{
    const struct span id = span_of(s->id, s->id_len);
    struct entry *e, *gone, **at;

    /* Nobody could ask for a session without an id. */
    e = id.n ? mem_alloc(sizeof *e) : NULL;
    if (!e) {
        return;
    }
    *e = (struct entry){ .session = session_ref(s), .since = now_ms };
    lock_take(&c->lock);
    gone = take(c, find(c, id));
    if (c->count == c->size) {
        gone = take(c, find(c, id_of(c->ring.newer)));
    }
    at = find(c, id);
    *at = e;
    make_newest(c, e);
    c->count++;
    lock_give(&c->lock);
    entry_free(gone);
}

struct tls_session *session_cache_get(struct session_cache *c, struct span id, int64_t now_ms)
{
    struct tls_session *s = NULL;
    struct entry *e, *gone = NULL, **at;

    lock_take(&c->lock);
    at = find(c, id);
    e = *at;
    if (e && (now_ms < e->since || now_ms - e->since >= c->life_ms ||
              !session_fresh(e->session, now_ms))) {
        gone = take(c, at);
    } else if (e) {
        leave_ring(e);
        make_newest(c, e);
        s = session_ref(e->session);
    }
    lock_give(&c->lock);
    entry_free(gone);
    return s;
}

void session_cache_drop(struct session_cache *c, struct span id)
{
    struct entry *gone;

    lock_take(&c->lock);
    gone = take(c, find(c, id));
    lock_give(&c->lock);
    entry_free(gone);
}

size_t session_cache_count(struct session_cache *c)
{
    size_t n;

    lock_take(&c->lock);
    n = c->count;
    lock_give(&c->lock);
    return n;
}
