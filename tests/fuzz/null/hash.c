/* SPDX-License-Identifier: ISC */
/* Digests, HMAC and randomness that cost next to nothing. */
#include "tests/fuzz/null/null.h"

#include "base/mem.h"
#include "base/mem_arena.h"
#include "base/secret.h"
#include "crypto/memory.h"

struct hash {
    enum hash_id id;
    uint64_t state;
};

static bool binds;
static int (*test_source)(void *p, size_t n);
static uint64_t drawn;

void null_bind(bool yes)
{
    binds = yes;
}

bool null_binds(void)
{
    return binds;
}

/* FNV-1a: byte by byte, so that pieces do not matter. */
uint64_t null_fold(uint64_t state, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        state = (state ^ s.p[i]) * UINT64_C(0x100000001b3);
    }
    return state;
}

void null_spread(uint64_t state, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0) {
            state = (state ^ state >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + 0x9e3779b9;
            state ^= state >> 32;
        }
        out[i] = (uint8_t)(state >> 8 * (i % 8));
    }
}

bool null_accepts(const uint8_t *proof, const uint8_t *want, size_t n)
{
    return binds ? ct_equal(proof, want, n) : proof[n - 1] != 0;
}

int crypto_init(void)
{
    return 0;
}

void crypto_idle(void)
{
}

int crypto_use_arena(void *memory, size_t n)
{
    return mem_arena_set(memory, n);
}

int crypto_why(int code)
{
    return code;
}

/* ---- random ---- */

void rand_set_test_source(int (*fn)(void *p, size_t n))
{
    test_source = fn;
}

bool rand_is_test(void)
{
    return true;
}

int rand_bytes(void *p, size_t n)
{
    if (test_source) {
        return test_source(p, n);
    }
    null_spread(++drawn, p, n);
    return 0;
}

/* ---- hash ---- */

static uint64_t start(enum hash_id id)
{
    return NULL_SEED + (uint64_t)id;
}

int hash_parts(enum hash_id id, const struct span *parts, size_t nparts, uint8_t *out)
{
    uint64_t state = start(id);

    if (hash_size(id) == 0) {
        return ERR_CRYPTO;
    }
    for (size_t i = 0; i < nparts; i++) {
        state = null_fold(state, parts[i]);
    }
    null_spread(state, out, hash_size(id));
    return 0;
}

int hash_once(enum hash_id id, const void *p, size_t n, uint8_t *out)
{
    const struct span part = span_of(p, n);

    return hash_parts(id, &part, 1, out);
}

struct hash *hash_new(enum hash_id id)
{
    struct hash *h = hash_size(id) ? mem_alloc(sizeof *h) : NULL;

    if (h) {
        *h = (struct hash){ id, start(id) };
    }
    return h;
}

int hash_update(struct hash *h, const void *p, size_t n)
{
    h->state = null_fold(h->state, span_of(p, n));
    return 0;
}

int hash_snapshot(const struct hash *h, uint8_t *out)
{
    null_spread(h->state, out, hash_size(h->id));
    return 0;
}

struct hash *hash_copy(const struct hash *h)
{
    return mem_dup(h, sizeof *h);
}

void hash_free(struct hash *h)
{
    mem_free(h);
}

/* ---- HMAC ---- */

int hmac_key(enum hash_id id, struct span key, struct hmac_key *k)
{
    if (hash_size(id) == 0) {
        return ERR_CRYPTO;
    }
    *k = (struct hmac_key){ .id = id, .pads = { null_fold(start(id), key) } };
    return 0;
}

void hmac_forget(struct hmac_key *k)
{
    wipe(k, sizeof *k);
}

int hmac_parts(const struct hmac_key *k, const struct span *parts, size_t nparts, uint8_t *out)
{
    uint64_t state = k->pads[0] * 3;

    for (size_t i = 0; i < nparts; i++) {
        state = null_fold(state, parts[i]);
    }
    if (binds) {
        null_spread(state, out, hash_size(k->id));
    } else {
        memset(out, 'H', hash_size(k->id));
    }
    return 0;
}
