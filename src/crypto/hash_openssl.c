/* SPDX-License-Identifier: ISC */
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/local_openssl.h"

struct hash {
    enum hash_id id;
    EVP_MD_CTX *ctx;
};

/* The thread's digest context for one hash: never in use across calls. */
static EVP_MD_CTX *kept_md(enum hash_id id)
{
    struct kept *k = kept();

    if (!k) {
        return NULL;
    }
    if (!k->md[id]) {
        k->md[id] = EVP_MD_CTX_new();
    }
    return k->md[id];
}

static bool digest(EVP_MD_CTX *ctx, enum hash_id id, struct span prefix, const struct span *parts,
                   size_t nparts, uint8_t *out)
{
    if (!ctx || !EVP_DigestInit_ex2(ctx, provider.md[id], NULL)) {
        return false;
    }
    if (prefix.n && !EVP_DigestUpdate(ctx, prefix.p, prefix.n)) {
        return false;
    }
    for (size_t i = 0; i < nparts; i++) {
        if (parts[i].n && !EVP_DigestUpdate(ctx, parts[i].p, parts[i].n)) {
            return false;
        }
    }
    return EVP_DigestFinal_ex(ctx, out, NULL);
}

int hash_prefixed(enum hash_id id, struct span prefix, const struct span *parts, size_t nparts,
                  uint8_t *out)
{
    if (hash_size(id) == 0) {
        return ERR_ARG;
    }
    if (!digest(kept_md(id), id, prefix, parts, nparts, out)) {
        wipe(out, hash_size(id));
        return crypto_fail(ERR_CRYPTO);
    }
    return 0;
}

int hash_parts(enum hash_id id, const struct span *parts, size_t nparts, uint8_t *out)
{
    return hash_prefixed(id, span_of(NULL, 0), parts, nparts, out);
}

int hash_once(enum hash_id id, const void *p, size_t n, uint8_t *out)
{
    return hash_prefixed(id, span_of(p, n), NULL, 0, out);
}

struct hash *hash_new(enum hash_id id)
{
    struct hash *h = hash_size(id) ? mem_zalloc(sizeof *h) : NULL;

    if (!h) {
        return NULL;
    }
    h->id = id;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || !EVP_DigestInit_ex2(h->ctx, provider.md[id], NULL)) {
        (void)crypto_fail(0);
        hash_free(h);
        return NULL;
    }
    return h;
}

int hash_update(struct hash *h, const void *p, size_t n)
{
    if (n && !EVP_DigestUpdate(h->ctx, p, n)) {
        return crypto_fail(ERR_CRYPTO);
    }
    return 0;
}

int hash_snapshot(const struct hash *h, uint8_t *out)
{
    EVP_MD_CTX *ctx = kept_md(h->id);

    if (!ctx || !EVP_MD_CTX_copy_ex(ctx, h->ctx) || !EVP_DigestFinal_ex(ctx, out, NULL)) {
        wipe(out, hash_size(h->id));
        return crypto_fail(ERR_CRYPTO);
    }
    return 0;
}

struct hash *hash_copy(const struct hash *h)
{
    struct hash *c = mem_zalloc(sizeof *c);

    if (!c) {
        return NULL;
    }
    c->id = h->id;
    c->ctx = EVP_MD_CTX_new();
    if (!c->ctx || !EVP_MD_CTX_copy_ex(c->ctx, h->ctx)) {
        (void)crypto_fail(0);
        hash_free(c);
        return NULL;
    }
    return c;
}

void hash_free(struct hash *h)
{
    if (h) {
        EVP_MD_CTX_free(h->ctx);
        mem_free(h);
    }
}
