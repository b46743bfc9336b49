/* SPDX-License-Identifier: ISC */
/* One cipher context per key and direction; a record sets the nonce and nothing else. The nonce is
 * the record layer's (RFC 8446 section 5.3): nothing here counts. */
#include <limits.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/trace.h"
#include "crypto/local_openssl.h"

struct aead {
    EVP_CIPHER_CTX *ctx;
    bool seal;
};

struct aead *aead_new(enum aead_id id, const uint8_t *key, bool seal)
{
    struct aead *a = aead_key_size(id) ? mem_zalloc(sizeof *a) : NULL;

    if (!a) {
        return NULL;
    }
    a->seal = seal;
    a->ctx = EVP_CIPHER_CTX_new();
    if (!a->ctx || !EVP_CipherInit_ex2(a->ctx, provider.aead[id], key, NULL, seal, NULL)) {
        (void)crypto_fail(0);
        aead_free(a);
        return NULL;
    }
    trace(TRACE_CRYPTO, "a key of %zu bytes to %s with", aead_key_size(id), seal ? "seal" : "open");
    return a;
}

void aead_free(struct aead *a)
{
    if (a) {
        EVP_CIPHER_CTX_free(a->ctx);
        mem_free(a);
    }
}

/* out NULL: the bytes are additional data. */
static bool update(struct aead *a, const uint8_t *in, size_t n, uint8_t *out)
{
    int len = 0;

    return n == 0 || (n <= INT_MAX && EVP_CipherUpdate(a->ctx, out, &len, in, (int)n) == 1 &&
                      (!out || (size_t)len == n));
}

static bool begin(struct aead *a, const uint8_t *nonce, struct span aad)
{
    return EVP_CipherInit_ex2(a->ctx, NULL, NULL, nonce, -1, NULL) == 1 &&
           update(a, aad.p, aad.n, NULL);
}

int aead_seal(struct aead *a, const uint8_t nonce[static AEAD_IV], struct span aad,
              const struct span *in, size_t nin, uint8_t *out)
{
    uint8_t *at = out;
    bool ok = a->seal && begin(a, nonce, aad);
    uint8_t none[AEAD_TAG];
    int len = 0;

    for (size_t i = 0; i < nin; i++) {
        ok = ok && update(a, in[i].p, in[i].n, at);
        at += in[i].n;
    }
    ok = ok && EVP_CipherFinal_ex(a->ctx, none, &len) == 1 && len == 0 &&
         EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, at) == 1;
    if (!ok) {
        wipe(out, (size_t)(at - out) + AEAD_TAG);
        return crypto_fail(a->seal ? ERR_CRYPTO : ERR_ARG);
    }
    return 0;
}

static void wipe_all(const struct mspan *out, size_t nout)
{
    for (size_t i = 0; i < nout; i++) {
        wipe(out[i].p, out[i].n);
    }
}

int aead_open(struct aead *a, const uint8_t nonce[static AEAD_IV], struct span aad, struct span in,
              const struct mspan *out, size_t nout)
{
    uint8_t tag[AEAD_TAG], none[AEAD_TAG];
    size_t total = 0;
    int len = 0;
    bool ok;

    if (in.n < AEAD_TAG) {
        wipe_all(out, nout);
        return TLS_ALERT(ALERT_BAD_RECORD_MAC);
    }
    for (size_t i = 0; i < nout; i++) {
        total += out[i].n;
    }
    if (a->seal || total != in.n - AEAD_TAG) {
        return ERR_ARG;
    }
    memcpy(tag, in.p + total, AEAD_TAG);
    ok = begin(a, nonce, aad);
    for (size_t i = 0, at = 0; i < nout; at += out[i++].n) {
        ok = ok && update(a, in.p + at, out[i].n, out[i].p);
    }
    ok = ok && EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, tag) == 1 &&
         EVP_CipherFinal_ex(a->ctx, none, &len) == 1 && len == 0;
    if (!ok) {
        /* What was deciphered is the attacker's until the tag says otherwise. */
        wipe_all(out, nout);
        return crypto_fail(TLS_ALERT(ALERT_BAD_RECORD_MAC));
    }
    return 0;
}
