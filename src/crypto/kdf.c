/* SPDX-License-Identifier: ISC */
/* HKDF and the PRF of TLS 1.2 over HMAC, by hand: what the provider has costs many times as much,
 * in fetching and parameters. */
#include "base/secret.h"
#include "crypto/local.h"

/* `out` may be one of the parts, or the key. */
int hmac(enum hash_id id, struct span key, const struct span *parts, size_t nparts, uint8_t *out)
{
    struct hmac_key k;
    int rc = hmac_key(id, key, &k);

    if (rc == 0) {
        rc = hmac_parts(&k, parts, nparts, out);
        hmac_forget(&k);
    } else if (hash_size(id)) {
        wipe(out, hash_size(id));
    }
    return rc;
}

/* RFC 5869 section 2.2. An absent salt is hash_size zeroes, which HMAC's padding makes of none. */
int hkdf_extract(enum hash_id id, struct span salt, struct span ikm, uint8_t *prk)
{
    return hmac(id, salt, &ikm, 1, prk);
}

/* RFC 5869 section 2.3: T(i) = HMAC(prk, T(i-1) | info | i). */
static int expand(const struct hmac_key *prk, struct span info, uint8_t *out, size_t n)
{
    const size_t size = hash_size(prk->id);
    SECRET(t, HASH_MAX);
    uint8_t i = 0;
    int rc = 0;

    if (n > 255 * size) {
        return ERR_ARG;
    }
    for (size_t done = 0; rc == 0 && done < n;) {
        const size_t take = n - done < size ? n - done : size;
        const struct span parts[] = { { t, i ? size : 0 }, info, { &i, 1 } };

        i++;
        rc = hmac_parts(prk, parts, 3, t);
        memcpy(out + done, t, take);
        done += take;
    }
    if (rc < 0) {
        wipe(out, n);
    }
    return rc;
}

int hkdf_expand(enum hash_id id, const uint8_t *prk, struct span info, uint8_t *out, size_t n)
{
    struct hmac_key k;
    int rc = hmac_key(id, span_of(prk, hash_size(id)), &k);

    if (rc < 0) {
        wipe(out, n);
        return rc;
    }
    rc = expand(&k, info, out, n);
    hmac_forget(&k);
    return rc;
}

/* RFC 8446 section 7.1: struct { uint16 length; opaque label<7..255>; opaque context<0..255>; } */
int hkdf_label(const struct hmac_key *secret, const char *label, struct span context, uint8_t *out,
               size_t n)
{
    uint8_t info[2 + 1 + 255 + 1 + 255];
    struct wr w = wr_of(info, sizeof info);
    size_t mark;

    if (n > UINT16_MAX) {
        return ERR_ARG;
    }
    wr_u16(&w, (uint32_t)n);
    mark = wr_begin(&w, 1);
    wr_bytes(&w, "tls13 ", 6);
    wr_bytes(&w, label, strlen(label));
    wr_end(&w, 1, mark);
    wr_vec(&w, 1, context.p, context.n);
    if (!wr_ok(&w)) {
        wipe(out, n);
        return ERR_ARG;
    }
    return expand(secret, span_of(info, w.len), out, n);
}

int hkdf_expand_label(enum hash_id id, const uint8_t *secret, const char *label,
                      struct span context, uint8_t *out, size_t n)
{
    struct hmac_key k;
    int rc = hmac_key(id, span_of(secret, hash_size(id)), &k);

    if (rc < 0) {
        wipe(out, n);
        return rc;
    }
    rc = hkdf_label(&k, label, context, out, n);
    hmac_forget(&k);
    return rc;
}

/* P_hash(secret, label + seed); A(0) is label + seed, A(i) the HMAC of A(i-1),
 * each block the HMAC of A(i) + label + seed. */
int prf_xor(enum hash_id id, struct span secret, const char *label, const struct span *seed,
            size_t nseed, uint8_t *out, size_t n)
{
    const size_t size = hash_size(id);
    SECRET(a, HASH_MAX);
    SECRET(last, HASH_MAX);
    struct span parts[2 + PRF12_SEEDS] = { { a, size }, span_of(label, strlen(label)) };
    struct hmac_key k;
    int rc;

    if (size == 0 || nseed > PRF12_SEEDS) {
        return ERR_ARG;
    }
    for (size_t i = 0; i < nseed; i++) {
        parts[2 + i] = seed[i];
    }
    rc = hmac_key(id, secret, &k);
    for (size_t done = 0; rc == 0 && done < n;) {
        const size_t take = n - done < size ? n - done : size;

        rc = done ? hmac_parts(&k, parts, 1, a) : hmac_parts(&k, parts + 1, 1 + nseed, a);
        if (rc == 0) {
            rc = hmac_parts(&k, parts, 2 + nseed, last);
        }
        for (size_t i = 0; rc == 0 && i < take; i++) {
            out[done + i] ^= last[i];
        }
        done += take;
    }
    hmac_forget(&k);
    return rc;
}

/* RFC 5246 section 5. */
int prf12(enum hash_id id, struct span secret, const char *label, const struct span *seed,
          size_t nseed, uint8_t *out, size_t n)
{
    int rc;

    memset(out, 0, n);
    rc = prf_xor(id, secret, label, seed, nseed, out, n);
    if (rc < 0) {
        wipe(out, n);
    }
    return rc;
}
