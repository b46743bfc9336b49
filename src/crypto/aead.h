/* SPDX-License-Identifier: ISC */
/* Who computes an AEAD, as rows. */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H
#include "base/options.h"
#include "crypto/crypto.h"

/* What each backend's own key begins with. */
struct aead {
    const struct aead_backend *backend;
    bool seal;
};

/* What aead_new(), aead_seal() and aead_open() promise, less what is the same for all: the lengths
 * are right, the key is for that direction, and what failed is wiped by the caller. */
struct aead_backend {
    const char *name;
    bool (*can)(enum aead_id id); /* from any thread; always the same answer */
    struct aead *(*make)(enum aead_id id, const uint8_t *key, bool seal);
    void (*release)(struct aead *a);
    int (*seal)(struct aead *a, const uint8_t *nonce, struct span aad, const struct span *in,
                size_t nin, uint8_t *out);
    int (*open)(struct aead *a, const uint8_t *nonce, struct span aad, struct span in,
                const struct mspan *out, size_t nout);
};
extern const struct aead_backend aead_openssl;
#ifdef USE_IPSEC_MB
extern const struct aead_backend aead_ipsecmb; /* AES-GCM where the processor has VAES */
#endif
#endif
