/* SPDX-License-Identifier: ISC */
/* AEADs by libcrypto. One cipher context per key and direction; a record sets the nonce and nothing
 * else. The nonce is the record layer's (RFC 8446 section 5.3): nothing here counts. */
#include <limits.h>

#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/local_openssl.h"

struct openssl_key {
    struct aead aead;
    EVP_CIPHER_CTX *ctx;
};

static EVP_CIPHER_CTX *ctx_of(struct aead *a)
{
    return ((struct openssl_key *)a)->ctx;
}

static bool can(enum aead_id id)
{
    return id < AEAD_COUNT;
}

static void release(struct aead *a)
{
    EVP_CIPHER_CTX_free(ctx_of(a));
    mem_free(a);
}

static struct aead *make(enum aead_id id, const uint8_t *key, bool seal)
{
    struct openssl_key *k = mem_zalloc(sizeof *k);

    if (!k) {
        return NULL;
    }
    k->ctx = EVP_CIPHER_CTX_new();
    if (!k->ctx || !EVP_CipherInit_ex2(k->ctx, method_aead(id), key, NULL, seal, NULL)) {
        (void)crypto_fail(0);
        release(&k->aead);
        return NULL;
    }
    return &k->aead;
}

/* out NULL: the bytes are additional data. */
static bool update(EVP_CIPHER_CTX *ctx, const uint8_t *in, size_t n, uint8_t *out)
{
    int len = 0;

    return n == 0 || (n <= INT_MAX && EVP_CipherUpdate(ctx, out, &len, in, (int)n) == 1 &&
                      (!out || (size_t)len == n));
}

static bool begin(EVP_CIPHER_CTX *ctx, const uint8_t *nonce, struct span aad)
{
    return EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
           update(ctx, aad.p, aad.n, NULL);
}

static int seal_parts(struct aead *a, const uint8_t *nonce, struct span aad, const struct span *in,
                      size_t nin, uint8_t *out)
{
    EVP_CIPHER_CTX *ctx = ctx_of(a);
    bool ok = begin(ctx, nonce, aad);
    uint8_t none[AEAD_TAG];
    int len = 0;

    for (size_t i = 0; i < nin; i++) {
        ok = ok && update(ctx, in[i].p, in[i].n, out);
        out += in[i].n;
    }
    ok = ok && EVP_CipherFinal_ex(ctx, none, &len) == 1 && len == 0 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, out) == 1;
    return ok ? 0 : crypto_fail(ERR_CRYPTO);
}

static int open_parts(struct aead *a, const uint8_t *nonce, struct span aad, struct span in,
                      const struct mspan *out, size_t nout)
{
    EVP_CIPHER_CTX *ctx = ctx_of(a);
    uint8_t tag[AEAD_TAG], none[AEAD_TAG];
    int len = 0;
    bool ok;

    memcpy(tag, in.p + in.n - AEAD_TAG, AEAD_TAG);
    ok = begin(ctx, nonce, aad);
    for (size_t i = 0, at = 0; i < nout; at += out[i++].n) {
        ok = ok && update(ctx, in.p + at, out[i].n, out[i].p);
    }
    ok = ok && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag) == 1 &&
         EVP_CipherFinal_ex(ctx, none, &len) == 1 && len == 0;
    return ok ? 0 : crypto_fail(TLS_ALERT(ALERT_BAD_RECORD_MAC));
}

const struct aead_backend aead_openssl = {
    .name = "libcrypto",
    .can = can,
    .make = make,
    .release = release,
    .seal = seal_parts,
    .open = open_parts,
};
