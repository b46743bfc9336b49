/* SPDX-License-Identifier: ISC */
/* What every AEAD has in common, whoever computes it: the choice, the lengths, and that nothing is
 * left of what failed. */
#include <string.h>

#include "base/secret.h"
#include "base/trace.h"
#include "crypto/aead.h"

/* The first that can, does; the last can all. */
static const struct aead_backend *const backends[] = {
#ifdef USE_IPSEC_MB
    &aead_ipsecmb,
#endif
    &aead_openssl,
};

static const char *only;

static const struct aead_backend *backend_for(enum aead_id id)
{
    const struct aead_backend *const *b = backends;

    while (*b != &aead_openssl && !((!only || strcmp(only, (*b)->name) == 0) && (*b)->can(id))) {
        b++;
    }
    return *b;
}

const char *aead_backend(enum aead_id id)
{
    return backend_for(id)->name;
}

void aead_set_test_backend(const char *name)
{
    only = name;
}

struct aead *aead_new(enum aead_id id, const uint8_t *key, bool seal)
{
    const size_t n = aead_key_size(id);
    const struct aead_backend *b = n ? backend_for(id) : NULL;
    struct aead *a = b ? b->make(id, key, seal) : NULL;

    if (a) {
        a->backend = b;
        a->seal = seal;
        trace(TRACE_CRYPTO, "a key of %zu bytes to %s with, by %s", n, seal ? "seal" : "open",
              b->name);
    }
    return a;
}

void aead_free(struct aead *a)
{
    if (a) {
        a->backend->release(a);
    }
}

int aead_seal(struct aead *a, const uint8_t nonce[static AEAD_IV], struct span aad,
              const struct span *in, size_t nin, uint8_t *out)
{
    size_t total = 0;
    int rc;

    for (size_t i = 0; i < nin; i++) {
        total += in[i].n;
    }
    rc = a->seal ? a->backend->seal(a, nonce, aad, in, nin, out) : ERR_ARG;
    if (rc < 0) {
        wipe(out, total + AEAD_TAG);
    }
    return rc;
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
    size_t total = 0;
    int rc;

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
    rc = a->backend->open(a, nonce, aad, in, out, nout);
    if (rc < 0) {
        /* What was deciphered is the attacker's until the tag says otherwise. */
        wipe_all(out, nout);
    }
    return rc;
}
