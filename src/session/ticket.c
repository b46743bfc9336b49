/* SPDX-License-Identifier: ISC */
/* Keys and what is sealed under them:
 *
 *     name[16] nonce[12] AES-256-GCM(key, nonce, session_write(); name) with tag[16]
 *
 * A key seals for half a life and opens for a whole one more, so each ticket can be opened for at
 * least a life. There is a key from the first moment on, and a slot without one is never used
 * (threat 26). Nonces are random, so that processes and machines with one key need not agree on
 * anything (threats 25, 40). Under the lock keys are looked up and copied, nothing else. */
#include "session/local.h"

#include "base/mem.h"
#include "base/secret.h"
#include "crypto/memory.h"

/* ---- keys ---- */

static void forget(struct ticket_keys *k, size_t i)
{
    k->count--;
    memmove(&k->gen[i], &k->gen[i + 1], (k->count - i) * sizeof *k->gen);
    wipe(&k->gen[k->count], sizeof *k->gen);
}

static void push(struct ticket_keys *k, const struct ticket_key *key)
{
    if (k->count == TICKET_GENERATIONS) {
        forget(k, k->count - 1);
    }
    memmove(&k->gen[1], &k->gen[0], k->count * sizeof *k->gen);
    k->gen[0] = *key;
    k->count++;
}

/* None is set any more: they open for a life from the next call on. */
static void retire(struct ticket_keys *k)
{
    for (size_t i = 0; i < k->count; i++) {
        if (i == 0 || k->gen[i].kept) {
            k->gen[i].since = INT64_MAX;
            k->gen[i].kept = false;
        }
    }
}

static bool is_zero(const uint8_t key[static TICKET_KEY])
{
    static const uint8_t zero[TICKET_KEY];

    return ct_equal(key, zero, sizeof zero);
}

static int draw(struct ticket_keys *k, int64_t since)
{
    struct ticket_key key = { .since = since };
    int rc = rand_bytes(key.name, sizeof key.name);

    if (rc == 0) {
        rc = rand_bytes(key.key, sizeof key.key);
    }
    if (rc == 0) {
        rc = is_zero(key.key) ? ERR_CRYPTO : 0;
    }
    if (rc == 0) {
        push(k, &key);
    }
    wipe(&key, sizeof key);
    return rc;
}

/* The key of the next period, and what the one after it will come of. */
static int derive(struct ticket_keys *k)
{
    const int64_t period = k->period + 1, half = k->life_ms / 2;
    struct ticket_key key = { .since = period * half };
    SECRET(after, TICKET_KEY);
    int rc;

    rc = hkdf_expand(HASH_SHA256, k->next, span_text("name"), key.name, sizeof key.name);
    rc = rc < 0 ? rc : hkdf_expand(HASH_SHA256, k->next, span_text("key"), key.key, sizeof key.key);
    rc = rc < 0 ? rc : hkdf_expand(HASH_SHA256, k->next, span_text("next"), after, TICKET_KEY);
    if (rc == 0) {
        if (k->count) {
            k->gen[0].since = key.since;
        }
        push(k, &key);
        memcpy(k->next, after, TICKET_KEY);
        k->period = period;
    }
    wipe(&key, sizeof key);
    return rc;
}

/* By the clock alone, which all who share the keys have in common. It does not run back. */
static int turn_shared(struct ticket_keys *k, int64_t now_ms)
{
    const int64_t period = now_ms / (k->life_ms / 2);

    if (period - k->period > TICKET_STEPS_MAX) {
        return ERR_LIMIT;
    }
    while (k->period < period) {
        TRY(derive(k));
    }
    return k->gen[0].sealed >= TICKET_SEALS_SHARE ? ERR_LIMIT : 0;
}

/* Brings the generations up to date. Without randomness what is too old is forgotten all the same,
 * and the error tells that the first key should not seal any more. */
static int turn(struct ticket_keys *k, int64_t now_ms)
{
    const int64_t half = k->life_ms / 2;
    struct ticket_key *first = &k->gen[0];
    int rc = 0;

    for (size_t i = 0; i < k->count; i++) {
        /* Its first use, or the clock was set back: counted from now. */
        if (k->gen[i].since > now_ms) {
            k->gen[i].since = now_ms;
        }
    }
    if (k->shared && !k->fixed) {
        rc = turn_shared(k, now_ms);
    } else if (!k->fixed &&
               (now_ms - first->since >= half || first->sealed >= TICKET_SEALS_DRAWN)) {
        const int64_t since = first->since;

        /* It ended when its half was over, also when nobody came by at that time. */
        first->since = now_ms - since >= half ? since + half : now_ms;
        rc = draw(k, now_ms);
        if (rc < 0) {
            first->since = since;
        }
    }
    for (size_t i = k->count; i-- > 1;) {
        if (!k->gen[i].kept && now_ms - k->gen[i].since >= k->life_ms) {
            forget(k, i);
        }
    }
    return rc;
}

struct ticket_keys *ticket_keys_new(int64_t life_ms)
{
    struct ticket_keys *k = mem_zalloc(sizeof *k);

    if (!k) {
        return NULL;
    }
    k->refs = 1;
    k->life_ms = life_ms;
    if (draw(k, INT64_MAX) < 0 || !lock_init(&k->lock)) {
        mem_free_secret(k, sizeof *k);
        return NULL;
    }
    return k;
}

int ticket_keys_share(struct ticket_keys *k, int64_t now_ms)
{
    SECRET(root, TICKET_KEY);

    if (now_ms < 0 || k->life_ms < 2) {
        return ERR_ARG;
    }
    TRY(rand_bytes(root, TICKET_KEY));
    lock_take(&k->lock);
    memcpy(k->next, root, TICKET_KEY);
    while (k->count) {
        forget(k, 0);
    }
    k->period = now_ms / (k->life_ms / 2) - 1;
    k->shared = true;
    lock_give(&k->lock);
    return 0;
}

struct ticket_keys *ticket_keys_ref(struct ticket_keys *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void ticket_keys_unref(struct ticket_keys *k)
{
    if (k && atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) == 1) {
        lock_free(&k->lock);
        mem_free_secret(k, sizeof *k);
    }
}

/* A name stands for one key. The same key again goes on counting. */
static void take_name(struct ticket_keys *k, struct ticket_key *next)
{
    for (size_t i = k->count; i-- > 0;) {
        if (memcmp(k->gen[i].name, next->name, TICKET_NAME) == 0) {
            next->sealed = ct_equal(k->gen[i].key, next->key, TICKET_KEY) ? k->gen[i].sealed : 0;
            forget(k, i);
        }
    }
}

int ticket_keys_set(struct ticket_keys *k, const uint8_t name[static 16],
                    const uint8_t key[static 32])
{
    struct ticket_key next = { .since = INT64_MAX };

    if (is_zero(key)) {
        return ERR_ARG;
    }
    memcpy(next.name, name, sizeof next.name);
    memcpy(next.key, key, sizeof next.key);
    lock_take(&k->lock);
    retire(k);
    take_name(k, &next);
    push(k, &next);
    k->fixed = true;
    lock_give(&k->lock);
    wipe(&next, sizeof next);
    return 0;
}

static bool loadable(const struct ticket_secret *list, size_t n)
{
    bool good = n > 0 && n <= TICKET_GENERATIONS;

    for (size_t i = 0; good && i < n; i++) {
        good = !is_zero(list[i].key);
        for (size_t j = 0; good && j < i; j++) {
            good = memcmp(list[i].name, list[j].name, TICKET_NAME) != 0;
        }
    }
    return good;
}

static bool is_listed(const struct ticket_key *key, const struct ticket_secret *list, size_t n)
{
    bool listed = false;

    for (size_t i = 0; i < n; i++) {
        listed = listed || memcmp(key->name, list[i].name, TICKET_NAME) == 0;
    }
    return listed;
}

int ticket_keys_load(struct ticket_keys *k, const struct ticket_secret *list, size_t n)
{
    struct ticket_key next;

    if (!loadable(list, n)) {
        return ERR_ARG;
    }
    lock_take(&k->lock);
    retire(k);
    for (size_t i = k->count; i-- > 0;) {
        if (!k->fixed || (n > 1 && !is_listed(&k->gen[i], list, n))) { /* or a drawn one */
            forget(k, i);
        }
    }
    for (size_t i = n; i-- > 0;) { /* the first one last */
        next = (struct ticket_key){ .since = INT64_MAX, .kept = true };
        memcpy(next.name, list[i].name, TICKET_NAME);
        memcpy(next.key, list[i].key, TICKET_KEY);
        take_name(k, &next);
        push(k, &next);
    }
    k->fixed = true;
    lock_give(&k->lock);
    wipe(&next, sizeof next);
    return 0;
}

/* ---- tickets ---- */

/* The key for one more ticket, copied. */
static int key_to_seal(struct ticket_keys *k, int64_t now_ms, struct ticket_key *key)
{
    int rc;

    lock_take(&k->lock);
    rc = turn(k, now_ms);
    if (rc == 0 && k->gen[0].sealed >= TICKET_SEALS_MAX) {
        rc = ERR_LIMIT;
    }
    if (rc == 0) {
        k->gen[0].sealed++;
        *key = k->gen[0];
    }
    lock_give(&k->lock);
    return rc;
}

/* The key of that name, copied. Names travel in clear: no secret to compare. */
static bool key_to_open(struct ticket_keys *k, struct span name, int64_t now_ms,
                        struct ticket_key *key, bool *old)
{
    bool found = false;

    lock_take(&k->lock);
    (void)turn(k, now_ms); /* a first key that should have been replaced still opens */
    for (size_t i = 0; i < k->count && !found; i++) {
        found = span_eq(name, span_of(k->gen[i].name, TICKET_NAME));
        if (found) {
            *key = k->gen[i];
            *old = i > 0;
        }
    }
    lock_give(&k->lock);
    return found;
}

/* Additional data: the key's name, and of what a store keeps the id. */
struct bound {
    uint8_t p[TICKET_NAME + SESSION_ID_MAX];
    size_t n;
};

static struct bound bind(const struct ticket_key *key, struct span id)
{
    struct bound b = { .n = TICKET_NAME + id.n };

    memcpy(b.p, key->name, TICKET_NAME);
    if (id.n) {
        memcpy(b.p + TICKET_NAME, id.p, id.n);
    }
    return b;
}

static int seal(const struct ticket_key *key, struct span id, struct span plain, struct buf *out)
{
    const struct bound b = bind(key, id);
    struct aead *a;
    uint8_t *at;
    int rc;

    TRY(buf_reserve(out, plain.n + TICKET_OVERHEAD));
    at = buf_tail(out);
    memcpy(at, key->name, TICKET_NAME);
    TRY(rand_bytes(at + TICKET_NAME, AEAD_IV));
    a = aead_new(AEAD_AES_256_GCM, key->key, true);
    if (!a) {
        return crypto_why(ERR_CRYPTO);
    }
    rc = aead_seal(a, at + TICKET_NAME, span_of(b.p, b.n), &plain, 1, at + TICKET_NAME + AEAD_IV);
    aead_free(a);
    if (rc == 0) {
        buf_added(out, plain.n + TICKET_OVERHEAD);
    }
    return rc;
}

static int seal_for(struct ticket_keys *k, struct span id, const struct tls_session *s,
                    int64_t now_ms, struct buf *out)
{
    struct ticket_key key = { 0 };
    struct buf plain = { 0 };
    int rc = session_write(s, &plain);

    if (rc == 0) {
        rc = key_to_seal(k, now_ms, &key);
    }
    if (rc == 0) {
        rc = seal(&key, id, buf_span(&plain), out);
    }
    buf_free(&plain);
    wipe(&key, sizeof key);
    return rc;
}

int ticket_seal(struct ticket_keys *k, const struct tls_session *s, int64_t now_ms, struct buf *out)
{
    return seal_for(k, span_of(NULL, 0), s, now_ms, out);
}

int ticket_seal_stored(struct ticket_keys *k, struct span id, const struct tls_session *s,
                       int64_t now_ms, struct buf *out)
{
    return id.n && id.n <= SESSION_ID_MAX ? seal_for(k, id, s, now_ms, out) : ERR_ARG;
}

/* ERR_MISMATCH for whatever the ticket is to blame for (threat 39). */
static int open_under(const struct ticket_key *key, struct span id,
                      const uint8_t nonce[static AEAD_IV], struct span sealed,
                      struct tls_session **out)
{
    const size_t n = sealed.n - AEAD_TAG;
    const struct bound b = bind(key, id);
    struct aead *a = aead_new(AEAD_AES_256_GCM, key->key, false);
    uint8_t *plain = mem_alloc(n);
    int rc = ERR_MEM;

    if (a && plain) {
        rc = aead_open(a, nonce, span_of(b.p, b.n), sealed, &(struct mspan){ plain, n }, 1);
        if (rc == 0) {
            rc = session_parse(out, span_of(plain, n));
        }
        rc = rc == 0 || rc == ERR_MEM ? rc : ERR_MISMATCH;
    }
    mem_free_secret(plain, n);
    aead_free(a);
    return rc;
}

static int open_for(struct ticket_keys *k, struct span id, struct span ticket, int64_t now_ms,
                    struct tls_session **out, bool *renew)
{
    struct rd r = rd_span(ticket);
    struct tls_session *s = NULL;
    struct ticket_key key = { 0 };
    struct span name, nonce;
    bool old = false;
    int rc = ERR_MISMATCH;

    if (ticket.n > SESSION_SERIAL_MAX + TICKET_OVERHEAD || !rd_bytes(&r, TICKET_NAME, &name) ||
        !rd_bytes(&r, AEAD_IV, &nonce) || r.n < AEAD_TAG) {
        return ERR_MISMATCH;
    }
    if (key_to_open(k, name, now_ms, &key, &old)) {
        rc = open_under(&key, id, nonce.p, span_of(r.p, r.n), &s);
    }
    wipe(&key, sizeof key);
    if (rc == 0 && !session_fresh(s, now_ms)) {
        session_unref(s);
        rc = ERR_MISMATCH;
    }
    if (rc == 0) {
        *out = s;
        *renew = old;
    }
    return rc;
}

int ticket_open(struct ticket_keys *k, struct span ticket, int64_t now_ms, struct tls_session **out,
                bool *renew)
{
    return open_for(k, span_of(NULL, 0), ticket, now_ms, out, renew);
}

int ticket_open_stored(struct ticket_keys *k, struct span id, struct span value, int64_t now_ms,
                       struct tls_session **out, bool *renew)
{
    return id.n && id.n <= SESSION_ID_MAX ? open_for(k, id, value, now_ms, out, renew)
                                          : ERR_MISMATCH;
}
