/* SPDX-License-Identifier: ISC */
/* Which early data was here before (RFC 8446 sections 8.2 and 8.3). Values lie as 16 bytes of an
 * HMAC under a key of the store's own, so that nobody can aim at one slot, in two hash sets with
 * open addressing. The younger set takes values for a period, then it becomes the older one, which
 * is forgotten when the next takes its place: what came in is known for a period at least and three
 * at most. All memory is there from the start. Whatever is not sure is not fresh (threat 33). */

#include "base/lock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "session/session.h"

#define TAG         16
#define SLACK_MS    1000 /* threads read the clock in one order and come here in another */
#define ENTRIES_MAX ((size_t)1 << 24)

struct generation {
    uint8_t (*slot)[TAG]; /* all zeros: empty; never all are full */
    size_t count;
};

struct replay_store {
    atomic_uint refs;
    struct lock lock;
    unsigned forks; /* when it was made */
    uint8_t key[32];
    size_t entries, slots; /* slots: a power of two */
    int64_t period;
    int64_t start;            /* of the first call; -1: none came yet */
    int64_t latest;           /* the clock's furthest: time never runs back */
    int64_t since;            /* when the younger set began */
    struct generation gen[2]; /* the younger first */
    void *memory;             /* of both */
};

/* ---- whose process it is: a child may replay what its parent and siblings took ---- */

static atomic_uint forks;
static bool watched;

static void forked(void)
{
    atomic_fetch_add(&forks, 1);
}

static void watch(void)
{
    watched = at_fork(NULL, NULL, forked);
}

static bool watch_forks(void)
{
    static struct once once = ONCE_INIT;

    once_do(&once, watch);
    return watched;
}

/* ---- life ---- */

struct replay_store *replay_store_new(size_t entries, int64_t window_ms)
{
    struct replay_store *s;

    if (entries == 0 || entries > ENTRIES_MAX || window_ms <= 0 ||
        window_ms > INT64_C(1000) * SESSION_LIFE_MAX || !watch_forks()) {
        return NULL;
    }
    s = mem_zalloc(sizeof *s);
    if (!s) {
        return NULL;
    }
    s->refs = 1;
    s->forks = atomic_load(&forks);
    s->entries = entries;
    s->period = window_ms + SLACK_MS;
    s->start = -1;
    for (s->slots = 4; s->slots - s->slots / 4 < entries;) {
        s->slots *= 2;
    }
    s->memory = mem_zalloc(2 * s->slots * TAG);
    if (!s->memory || rand_bytes(s->key, sizeof s->key) < 0 || !lock_init(&s->lock)) {
        mem_free(s->memory);
        mem_free_secret(s, sizeof *s);
        return NULL;
    }
    s->gen[0].slot = s->memory;
    s->gen[1].slot = s->gen[0].slot + s->slots;
    return s;
}

struct replay_store *replay_store_ref(struct replay_store *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void replay_store_unref(struct replay_store *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        lock_free(&s->lock);
        mem_free(s->memory);
        mem_free_secret(s, sizeof *s);
    }
}

int64_t replay_store_window(const struct replay_store *s)
{
    return s->period - SLACK_MS;
}

/* ---- under the lock ---- */

static void forget(struct replay_store *s, struct generation *g)
{
    memset(g->slot, 0, s->slots * TAG);
    g->count = 0;
}

/* Brings the generations up to date; false: the clock was set back. A value is forgotten when
 * `latest` is a period past it, and then the clock is still a window past it. */
static bool turn(struct replay_store *s, int64_t now_ms)
{
    if (s->start < 0) {
        s->start = s->latest = s->since = now_ms;
    }
    if (now_ms < s->latest) {
        return s->latest - now_ms <= SLACK_MS;
    }
    s->latest = now_ms;
    if (now_ms - s->since >= s->period) {
        const struct generation older = s->gen[1];

        if (now_ms - s->since >= 2 * s->period) {
            forget(s, &s->gen[0]);
        }
        s->gen[1] = s->gen[0];
        s->gen[0] = older;
        forget(s, &s->gen[0]);
        s->since = now_ms;
    }
    return true;
}

/* The slot with this tag, or the empty one where it belongs. */
static uint8_t *find(const struct replay_store *s, const struct generation *g,
                     const uint8_t tag[static TAG])
{
    uint64_t at;

    memcpy(&at, tag, sizeof at);
    while (at &= s->slots - 1, g->slot[at][TAG - 1] && memcmp(g->slot[at], tag, TAG) != 0) {
        at++;
    }
    return g->slot[at];
}

static bool take(struct replay_store *s, const uint8_t tag[static TAG])
{
    uint8_t *to = find(s, &s->gen[0], tag);

    if (to[TAG - 1] || find(s, &s->gen[1], tag)[TAG - 1] || s->gen[0].count == s->entries) {
        return false;
    }
    memcpy(to, tag, TAG);
    s->gen[0].count++;
    /* Before the first call another process may have taken it: section 8.2. It is remembered all
     * the same. */
    return s->latest - s->start >= s->period;
}

/* ---- without it ---- */

bool replay_fresh(struct replay_store *s, const uint8_t *value, size_t n, int64_t now_ms)
{
    const struct span part = span_of(value, n);
    uint8_t tag[HASH_MAX];
    bool fresh;

    if (n == 0 || now_ms < 0 || s->forks != atomic_load(&forks) ||
        hmac(HASH_SHA256, span_of(s->key, sizeof s->key), &part, 1, tag) < 0) {
        return false;
    }
    tag[TAG - 1] |= 1; /* no tag looks like an empty slot */
    lock_take(&s->lock);
    fresh = turn(s, now_ms) && take(s, tag);
    lock_give(&s->lock);
    return fresh;
}
