/* SPDX-License-Identifier: ISC */
/* Chains that were found good, by a digest of all that the verdict depends on but the time: an
 * entry counts from when it was made for CHAIN_CACHE_SECONDS, and never beyond what the dates of
 * the certificates and of what was said about revocation allow.
 *
 * No lock: an entry is seven words, written and read one by one. Three of the digest's four words
 * are kept mixed with the other three, so that words of two entries never pass for one: that would
 * be a collision of the digest.
 *
 * And what is made of such a chain: the key of its leaf, and its bytes, which connections share.
 * What is being looked at has been taken out; who finds nothing there makes it anew, so that nobody
 * waits. */
#include "base/options.h"
#include "x509/parts.h"

static int make(const struct cert *certs, size_t n, struct pubkey **key, struct cert_list **list)
{
    *list = NULL;
    TRY(cert_pubkey(&certs[0], key));
    *list = cert_list_new(certs, n);
    if (!*list) {
        pubkey_unref(*key);
        *key = NULL;
        return ERR_MEM;
    }
    return 0;
}

#ifdef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#include <stdatomic.h>

#include "base/mem.h"

enum { MADE, UNTIL, NOT_AFTER, DIGEST, WORDS = DIGEST + 4 };

struct known {
    struct pubkey *key;
    struct cert_list *list;
};

struct chain_cache {
    _Atomic uint64_t entry[CHAIN_CACHED][WORDS];
    _Atomic(struct known *) known[CHAIN_CACHED];
};

struct chain_cache *chain_cache_new(void)
{
    return mem_zalloc(sizeof(struct chain_cache));
}

static void known_free(struct known *k)
{
    if (k) {
        pubkey_unref(k->key);
        cert_list_unref(k->list);
        mem_free(k);
    }
}

void chain_cache_free(struct chain_cache *c)
{
    for (size_t i = 0; c && i < CHAIN_CACHED; i++) {
        known_free(c->known[i]);
    }
    mem_free(c);
}

/* Each part with its length, so that no two questions are one row of bytes. */
static int digest(const struct chain_query *q, const struct cert *certs, size_t n,
                  uint64_t out[static 4])
{
    struct span values[CHAIN_MAX_CERTS + 3] = { span_text(q->host), q->staple,
                                                span_of(q->pins, q->npins * PIN_SIZE) };
    uint8_t switches[] = { q->peer_is_server,  q->enciphers,    q->partial, q->weak,
                           (uint8_t)q->revoke, q->host != NULL, (uint8_t)n };
    struct span part[2 * (CHAIN_MAX_CERTS + 3) + 1] = { span_of(switches, sizeof switches) };
    uint64_t length[CHAIN_MAX_CERTS + 3];
    size_t nvalues = 3, nparts = 1;
    uint8_t sum[HASH_MAX];

    while (nvalues < n + 3) {
        values[nvalues] = certs[nvalues - 3].der;
        nvalues++;
    }
    for (size_t i = 0; i < nvalues; i++) {
        length[i] = values[i].n;
        part[nparts++] = span_of(&length[i], sizeof length[i]);
        part[nparts++] = values[i];
    }
    TRY(hash_parts(HASH_SHA256, part, nparts, sum));
    memcpy(out, sum, 4 * sizeof *out);
    return 0;
}

bool chain_cache_has(const struct chain_query *q, const struct cert *certs, size_t n,
                     struct chain_result *result)
{
    uint64_t want[4], got[WORDS];
    _Atomic uint64_t *entry;
    int64_t made, until;

    if (!q->cache || digest(q, certs, n, want) < 0) {
        return false;
    }
    entry = q->cache->entry[want[0] % CHAIN_CACHED];
    for (size_t i = 0; i < WORDS; i++) {
        got[i] = atomic_load_explicit(&entry[i], memory_order_relaxed);
    }
    made = (int64_t)got[MADE];
    until = (int64_t)got[UNTIL];
    if (got[DIGEST] != want[0] || (got[DIGEST + 1] ^ got[MADE]) != want[1] ||
        (got[DIGEST + 2] ^ got[UNTIL]) != want[2] ||
        (got[DIGEST + 3] ^ got[NOT_AFTER]) != want[3] || q->now < made || q->now > until) {
        return false;
    }
    *result = (struct chain_result){ .verdict = CHAIN_OK,
                                     .not_after = (int64_t)got[NOT_AFTER],
                                     .until = until };
    return true;
}

void chain_cache_put(const struct chain_query *q, const struct cert *certs, size_t n,
                     const struct chain_result *result)
{
    int64_t last = q->now + CHAIN_CACHE_SECONDS;
    _Atomic uint64_t *entry;
    uint64_t word[WORDS], *sum = word + DIGEST;

    if (!q->cache || digest(q, certs, n, sum) < 0) {
        return;
    }
    entry = q->cache->entry[sum[0] % CHAIN_CACHED];
    word[MADE] = (uint64_t)q->now;
    word[UNTIL] = (uint64_t)(result->until < last ? result->until : last);
    word[NOT_AFTER] = (uint64_t)result->not_after;
    for (size_t i = 0; i < 3; i++) {
        sum[1 + i] ^= word[i];
    }
    for (size_t i = 0; i < WORDS; i++) {
        atomic_store_explicit(&entry[i], word[i], memory_order_relaxed);
    }
}

/* ---- what is made of them ---- */

static bool is_same(const struct known *k, const struct cert *certs, size_t n)
{
    struct rd r = rd_span(span_of(k->list->der, k->list->n));
    struct span der;
    bool same = k->list->leaf == certs[0].der.n;

    for (size_t i = 0; same && i < n; i++) {
        same = rd_bytes(&r, certs[i].der.n, &der) && span_eq(der, certs[i].der);
    }
    return same && rd_done(&r);
}

static struct known *known_new(struct pubkey *key, struct cert_list *list)
{
    struct known *k = mem_alloc(sizeof *k);

    if (k) {
        *k = (struct known){ pubkey_ref(key), cert_list_ref(list) };
    }
    return k; /* NULL: then it is not remembered */
}

int chain_cache_keep(struct chain_cache *c, const struct cert *certs, size_t n, struct pubkey **key,
                     struct cert_list **list)
{
    const struct span spki = certs[0].spki;
    _Atomic(struct known *) *place;
    uint64_t middle = 0; /* of the point, or of the modulus */
    struct known *k;
    int rc = 0;

    if (!c || spki.n < 2 * sizeof middle) {
        return make(certs, n, key, list);
    }
    memcpy(&middle, spki.p + spki.n / 2, sizeof middle);
    place = &c->known[middle % CHAIN_CACHED];
    k = atomic_exchange(place, NULL);
    if (k && is_same(k, certs, n)) {
        *key = pubkey_ref(k->key);
        *list = cert_list_ref(k->list);
    } else {
        known_free(k);
        rc = make(certs, n, key, list);
        k = rc == 0 ? known_new(*key, *list) : NULL;
    }
    known_free(atomic_exchange(place, k));
    return rc;
}
#else
struct chain_cache {
    bool none;
};

struct chain_cache *chain_cache_new(void)
{
    static struct chain_cache empty;

    return &empty;
}

void chain_cache_free(struct chain_cache *c)
{
    (void)c;
}

bool chain_cache_has(const struct chain_query *q, const struct cert *certs, size_t n,
                     struct chain_result *result)
{
    (void)q, (void)certs, (void)n, (void)result;
    return false;
}

void chain_cache_put(const struct chain_query *q, const struct cert *certs, size_t n,
                     const struct chain_result *result)
{
    (void)q, (void)certs, (void)n, (void)result;
}

int chain_cache_keep(struct chain_cache *c, const struct cert *certs, size_t n, struct pubkey **key,
                     struct cert_list **list)
{
    (void)c;
    return make(certs, n, key, list);
}
#endif
