/* SPDX-License-Identifier: ISC */
/* Digests and HMAC, by the calls of libcrypto that keep their state where we say: what EVP has in
 * their place allocates for each digest, and takes longer for that than for the digest. */
#define OPENSSL_SUPPRESS_DEPRECATED /* in 3.0, in favour of EVP */
#include "base/mem.h"
#include "base/options.h"
#include "base/secret.h"
#include "crypto/local_openssl.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

union state {
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha512;
#ifdef USE_MD5
    MD5_CTX md5;
    struct {
        MD5_CTX md5;
        SHA_CTX sha1;
    } both;
#endif
};

struct digest {
    size_t state; /* bytes of it */
    int (*init)(union state *s);
    int (*update)(union state *s, const void *p, size_t n);
    int (*final)(unsigned char *out, union state *s);
};

#define DIGEST(PREFIX, MEMBER)                                          \
    static int MEMBER##_init(union state *s)                            \
    {                                                                   \
        return PREFIX##_Init(&s->MEMBER);                               \
    }                                                                   \
    static int MEMBER##_update(union state *s, const void *p, size_t n) \
    {                                                                   \
        return PREFIX##_Update(&s->MEMBER, p, n);                       \
    }                                                                   \
    static int MEMBER##_final(unsigned char *out, union state *s)       \
    {                                                                   \
        return PREFIX##_Final(out, &s->MEMBER);                         \
    }
#define CALLS(MEMBER)                                                                    \
    {                                                                                    \
        sizeof((union state *)0)->MEMBER, MEMBER##_init, MEMBER##_update, MEMBER##_final \
    }

DIGEST(SHA1, sha1)
DIGEST(SHA256, sha256)
DIGEST(SHA512, sha512)
#ifdef USE_MD5
DIGEST(MD5, md5)

static int both_init(union state *s)
{
    return MD5_Init(&s->both.md5) && SHA1_Init(&s->both.sha1);
}

static int both_update(union state *s, const void *p, size_t n)
{
    return MD5_Update(&s->both.md5, p, n) && SHA1_Update(&s->both.sha1, p, n);
}

static int both_final(unsigned char *out, union state *s)
{
    return MD5_Final(out, &s->both.md5) && SHA1_Final(out + MD5_DIGEST_LENGTH, &s->both.sha1);
}
#endif

static int sha384_init(union state *s)
{
    return SHA384_Init(&s->sha512);
}

static int sha384_final(unsigned char *out, union state *s)
{
    return SHA384_Final(out, &s->sha512);
}

static const struct digest digests[HASH_COUNT] = {
    [HASH_SHA1] = CALLS(sha1),
    [HASH_SHA256] = CALLS(sha256),
    [HASH_SHA384] = { sizeof(SHA512_CTX), sha384_init, sha512_update, sha384_final },
    [HASH_SHA512] = CALLS(sha512),
#ifdef USE_MD5
    [HASH_MD5] = CALLS(md5),
    [HASH_MD5_SHA1] = CALLS(both),
#endif
};

static bool update(const struct digest *d, union state *s, const struct span *parts, size_t nparts)
{
    for (size_t i = 0; i < nparts; i++) {
        if (parts[i].n && !d->update(s, parts[i].p, parts[i].n)) {
            return false;
        }
    }
    return true;
}

/* ---- in one piece ---- */
int hash_parts(enum hash_id id, const struct span *parts, size_t nparts, uint8_t *out)
{
    const struct digest *d = &digests[id];
    union state s;
    bool ok;

    if (hash_size(id) == 0) {
        return ERR_ARG;
    }
    ok = d->init(&s) && update(d, &s, parts, nparts) && d->final(out, &s);
    wipe(&s, d->state);
    if (!ok) {
        wipe(out, hash_size(id));
        return crypto_fail(ERR_CRYPTO);
    }
    return 0;
}

int hash_once(enum hash_id id, const void *p, size_t n, uint8_t *out)
{
    const struct span whole = span_of(p, n);

    return hash_parts(id, &whole, 1, out);
}

/* ---- running ---- */
struct hash {
    enum hash_id id;
    union state s;
};

struct hash *hash_new(enum hash_id id)
{
    struct hash *h = hash_size(id) ? mem_alloc(sizeof *h) : NULL;

    if (h) {
        h->id = id;
        if (!digests[id].init(&h->s)) {
            (void)crypto_fail(0);
            mem_free(h);
            return NULL;
        }
    }
    return h;
}

int hash_update(struct hash *h, const void *p, size_t n)
{
    if (n && !digests[h->id].update(&h->s, p, n)) {
        return crypto_fail(ERR_CRYPTO);
    }
    return 0;
}

int hash_snapshot(const struct hash *h, uint8_t *out)
{
    union state s = h->s;

    if (!digests[h->id].final(out, &s)) {
        wipe(out, hash_size(h->id));
        return crypto_fail(ERR_CRYPTO);
    }
    return 0;
}

struct hash *hash_copy(const struct hash *h)
{
    struct hash *c = mem_alloc(sizeof *c);

    if (c) {
        *c = *h;
    }
    return c;
}

void hash_free(struct hash *h)
{
    mem_free(h);
}

/* ---- HMAC (RFC 2104): H(key ^ opad, H(key ^ ipad, text)) ---- */
struct hmac_pads {
    union state inner, outer;
};
_Static_assert(sizeof(struct hmac_pads) <= sizeof((struct hmac_key *)0)->pads, "HMAC_PADS");

static bool begin(const struct digest *d, union state *s, uint8_t *pad, size_t n, uint8_t with)
{
    for (size_t i = 0; i < n; i++) {
        pad[i] ^= with;
    }
    return d->init(s) && d->update(s, pad, n);
}

int hmac_key(enum hash_id id, struct span key, struct hmac_key *k)
{
    const struct digest *d = &digests[id];
    const size_t block = hash_block(id);
    struct hmac_pads *pads = (struct hmac_pads *)k->pads;
    SECRET(pad, HASH_BLOCK_MAX);
    int rc = 0;

    memset(k, 0, sizeof *k); /* HASH_NONE */
    if (block == 0) {
        return ERR_ARG;
    }
    memset(pad, 0, block);
    if (key.n > block) {
        rc = hash_once(id, key.p, key.n, pad);
    } else if (key.n) {
        memcpy(pad, key.p, key.n);
    }
    if (rc == 0 && !(begin(d, &pads->inner, pad, block, 0x36) &&
                     begin(d, &pads->outer, pad, block, 0x36 ^ 0x5c))) {
        rc = crypto_fail(ERR_CRYPTO);
    }
    if (rc < 0) {
        hmac_forget(k);
        return rc;
    }
    k->id = id;
    return 0;
}

int hmac_parts(const struct hmac_key *k, const struct span *parts, size_t nparts, uint8_t *out)
{
    const struct digest *d = &digests[k->id];
    const struct hmac_pads *pads = (const struct hmac_pads *)k->pads;
    SECRET(inner, HASH_MAX);
    union state s;
    bool ok;

    if (k->id == HASH_NONE) {
        return ERR_ARG;
    }
    memcpy(&s, &pads->inner, d->state);
    ok = update(d, &s, parts, nparts) && d->final(inner, &s);
    memcpy(&s, &pads->outer, d->state);
    ok = ok && d->update(&s, inner, hash_size(k->id)) && d->final(out, &s);
    wipe(&s, d->state);
    if (!ok) {
        wipe(out, hash_size(k->id));
        return crypto_fail(ERR_CRYPTO);
    }
    return 0;
}

void hmac_forget(struct hmac_key *k)
{
    wipe(k, sizeof *k);
}
