/* SPDX-License-Identifier: ISC */
/* What makes secrets into keys before TLS 1.2: two hashes side by side, so that one of them may be
 * broken. */
#include "base/options.h"
#ifdef USE_OLD_TLS
#include "base/secret.h"
#include "crypto/local.h"

/* Section 5: of a secret with an odd number of bytes the halves share the one in the middle. */
int prf10(enum hash_id id, struct span secret, const char *label, const struct span *seed,
          size_t nseed, uint8_t *out, size_t n)
{
    const size_t half = (secret.n + 1) / 2;
    int rc;

    (void)id;
    memset(out, 0, n);
    rc = prf_xor(HASH_MD5, span_of(secret.p, half), label, seed, nseed, out, n);
    if (rc == 0) {
        rc = prf_xor(HASH_SHA1, span_of(secret.p + secret.n - half, half), label, seed, nseed, out,
                     n);
    }
    if (rc < 0) {
        wipe(out, n);
    }
    return rc;
}
#ifdef USE_SSL3

#define ROUNDS 26 /* one for each letter */

/* MD5(secret + SHA('A' + secret + seed)) + MD5(secret + SHA('BB' + secret + seed)) + ... */
int prf_ssl3(enum hash_id id, struct span secret, const char *label, const struct span *seed,
             size_t nseed, uint8_t *out, size_t n)
{
    const size_t size = hash_size(HASH_MD5);
    uint8_t letters[ROUNDS];
    SECRET(inner, HASH_MAX);
    SECRET(last, HASH_MAX);
    struct span part[2 + PRF12_SEEDS] = { { letters, 0 }, secret };
    const struct span outer[] = { secret, { inner, hash_size(HASH_SHA1) } };
    int rc = nseed > PRF12_SEEDS || n > ROUNDS * size ? ERR_ARG : 0;

    (void)id;
    (void)label;
    for (size_t i = 0; rc == 0 && i < nseed; i++) {
        part[2 + i] = seed[i];
    }
    for (size_t done = 0; rc == 0 && done < n; done += size) {
        part[0].n++;
        memset(letters, 'A' - 1 + (int)part[0].n, part[0].n);
        rc = hash_parts(HASH_SHA1, part, 2 + nseed, inner);
        rc = rc < 0 ? rc : hash_parts(HASH_MD5, outer, 2, last);
        if (rc == 0) {
            memcpy(out + done, last, n - done < size ? n - done : size);
        }
    }
    if (rc < 0) {
        wipe(out, n);
    }
    return rc;
}
#endif
#endif
