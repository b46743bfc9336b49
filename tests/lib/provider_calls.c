/* SPDX-License-Identifier: ISC */
/* Random bytes, digests, what keys are made of and what they protect, failing (faults_local.h). */
#include "tests/lib/faults_local.h"

static size_t sum(const struct span *parts, size_t n)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        total += parts[i].n;
    }
    return total;
}

/* ---- keys that seal, to know what was sealed under them ---- */

#define USERS 64
static struct user {
    const void *who;
    uint64_t key;
} users[USERS];

static struct user *user_of(const void *who)
{
    for (size_t i = 0; i < USERS; i++) {
        if (users[i].who == who) {
            return &users[i];
        }
    }
    fail_msg("more keys at once than the test has room for");
    return NULL;
}

static void user_add(const void *who, const void *key, size_t n)
{
    if (who) {
        *user_of(NULL) = (struct user){ who, digest_more(DIGEST_START, key, n) };
    }
}

static void user_drop(const void *who)
{
    for (size_t i = 0; who && i < USERS; i++) {
        users[i].who = users[i].who == who ? NULL : users[i].who;
    }
}

static int user_sealed(int rc, const void *who, const void *nonce, size_t n)
{
    if (rc == 0) {
        sealed_under(user_of(who)->key, nonce, n);
    }
    return rc;
}

/* ---- beginnings, random bytes ---- */

WRAP(int, crypto_init, void)
{
    return FAILS() ? ERR_CRYPTO : __real_crypto_init();
}

WRAP(int, crypto_use_arena, void *memory, size_t n)
{
    return FAILS() ? ERR_ARG : __real_crypto_use_arena(memory, n);
}

WRAP(int, rand_bytes, void *p, size_t n)
{
    return FAILS() ? leave(p, n) : CHECKED(__real_rand_bytes(p, n), p, n);
}

/* ---- hash ---- */

WRAP(int, hash_once, enum hash_id id, const void *p, size_t n, uint8_t *out)
{
    return FAILS() ? leave(out, hash_size(id))
                   : CHECKED(__real_hash_once(id, p, n, out), out, hash_size(id));
}

WRAP(int, hash_parts, enum hash_id id, const struct span *parts, size_t n, uint8_t *out)
{
    return FAILS() ? leave(out, hash_size(id))
                   : CHECKED(__real_hash_parts(id, parts, n, out), out, hash_size(id));
}

WRAP(struct hash *, hash_new, enum hash_id id)
{
    return FAILS() ? NULL : __real_hash_new(id);
}

WRAP(struct hash *, hash_copy, const struct hash *h)
{
    return FAILS() ? NULL : __real_hash_copy(h);
}

WRAP(int, hash_update, struct hash *h, const void *p, size_t n)
{
    return FAILS() ? ERR_CRYPTO : __real_hash_update(h, p, n);
}

WRAP(int, hash_snapshot, const struct hash *h, uint8_t *out)
{
    enum hash_id id;

    memcpy(&id, h, sizeof id); /* its first member */
    return FAILS() ? leave(out, hash_size(id))
                   : CHECKED(__real_hash_snapshot(h, out), out, hash_size(id));
}

/* ---- HMAC, HKDF, PRF ---- */

WRAP(int, hmac, enum hash_id id, struct span key, const struct span *parts, size_t n, uint8_t *out)
{
    return FAILS() ? leave(out, hash_size(id))
                   : CHECKED(__real_hmac(id, key, parts, n, out), out, hash_size(id));
}

WRAP(int, hkdf_extract, enum hash_id id, struct span salt, struct span ikm, uint8_t *prk)
{
    return FAILS() ? leave(prk, hash_size(id))
                   : CHECKED(__real_hkdf_extract(id, salt, ikm, prk), prk, hash_size(id));
}

WRAP(int, hkdf_expand, enum hash_id id, const uint8_t *prk, struct span info, uint8_t *out,
     size_t n)
{
    return FAILS() ? leave(out, n) : CHECKED(__real_hkdf_expand(id, prk, info, out, n), out, n);
}

WRAP(int, hkdf_expand_label, enum hash_id id, const uint8_t *secret, const char *label,
     struct span context, uint8_t *out, size_t n)
{
    return FAILS() ? leave(out, n)
                   : CHECKED(__real_hkdf_expand_label(id, secret, label, context, out, n), out, n);
}

WRAP(int, hmac_key, enum hash_id id, struct span key, struct hmac_key *k)
{
    return FAILS() ? leave(k, sizeof *k) : CHECKED(__real_hmac_key(id, key, k), k, sizeof *k);
}

WRAP(int, hkdf_label, const struct hmac_key *secret, const char *label, struct span context,
     uint8_t *out, size_t n)
{
    return FAILS() ? leave(out, n)
                   : CHECKED(__real_hkdf_label(secret, label, context, out, n), out, n);
}

WRAP(int, prf12, enum hash_id id, struct span secret, const char *label, const struct span *seed,
     size_t nseed, uint8_t *out, size_t n)
{
    return FAILS() ? leave(out, n)
                   : CHECKED(__real_prf12(id, secret, label, seed, nseed, out, n), out, n);
}

#ifdef USE_OLD_TLS
WRAP(int, prf10, enum hash_id id, struct span secret, const char *label, const struct span *seed,
     size_t nseed, uint8_t *out, size_t n)
{
    return FAILS() ? leave(out, n)
                   : CHECKED(__real_prf10(id, secret, label, seed, nseed, out, n), out, n);
}

#ifdef USE_SSL3
WRAP(int, prf_ssl3, enum hash_id id, struct span secret, const char *label, const struct span *seed,
     size_t nseed, uint8_t *out, size_t n)
{
    return FAILS() ? leave(out, n)
                   : CHECKED(__real_prf_ssl3(id, secret, label, seed, nseed, out, n), out, n);
}
#endif
#endif

/* ---- what protects records ---- */

WRAP(struct aead *, aead_new, enum aead_id id, const uint8_t *key, bool seal)
{
    struct aead *a = FAILS() ? NULL : __real_aead_new(id, key, seal);

    if (seal) {
        user_add(a, key, aead_key_size(id));
    }
    return a;
}

WRAP(void, aead_free, struct aead *a)
{
    user_drop(a);
    __real_aead_free(a);
}

WRAP(int, aead_seal, struct aead *a, const uint8_t *nonce, struct span aad, const struct span *in,
     size_t nin, uint8_t *out)
{
    const size_t n = sum(in, nin) + AEAD_TAG;

    int rc;

    if (FAILS()) {
        return leave(out, n);
    }
    rc = CHECKED(__real_aead_seal(a, nonce, aad, in, nin, out), out, n);
    return user_sealed(rc, a, nonce, AEAD_IV);
}

WRAP(int, aead_open, struct aead *a, const uint8_t *nonce, struct span aad, struct span in,
     const struct mspan *out, size_t nout)
{
    const bool fails = FAILS();
    const int rc = fails ? ERR_CRYPTO : __real_aead_open(a, nonce, aad, in, out, nout);

    for (size_t i = 0; i < nout; i++) {
        (void)(fails ? leave(out[i].p, out[i].n) : CHECKED(rc, out[i].p, out[i].n));
    }
    return rc;
}

WRAP(struct cbc *, cbc_new, uint16_t version, enum cbc_id id, enum hash_id mac, bool etm,
     const uint8_t *key, const uint8_t *mac_key, bool seal)
{
    struct cbc *c = FAILS() ? NULL : __real_cbc_new(version, id, mac, etm, key, mac_key, seal);

    if (seal) {
        user_add(c, mac_key, hash_size(mac));
    }
    return c;
}

WRAP(void, cbc_free, struct cbc *c)
{
    user_drop(c);
    __real_cbc_free(c);
}

WRAP(int, cbc_seal, struct cbc *c, uint8_t *iv, const uint8_t *head, uint8_t *fragment, size_t len)
{
    const size_t n = cbc_size(c, len);

    int rc;

    if (FAILS()) {
        return leave(fragment, n);
    }
    rc = CHECKED(__real_cbc_seal(c, iv, head, fragment, len), fragment, n);
    return user_sealed(rc, c, head, 8);
}

WRAP(int, cbc_open, struct cbc *c, uint8_t *iv, const uint8_t *head, struct mspan fragment,
     struct mspan *content)
{
    if (FAILS()) {
        *content = provider_leaves() ? fragment : (struct mspan){ NULL, 0 };
        return leave(fragment.p, fragment.n);
    }
    return CHECKED(__real_cbc_open(c, iv, head, fragment, content), fragment.p, fragment.n);
}

#if defined(USE_RC4) || defined(USE_NULL)
WRAP(int, scipher_look, enum stream_id id)
{
    return FAILS() ? ERR_UNSUPPORTED : __real_scipher_look(id);
}

WRAP(struct scipher *, scipher_new, uint16_t version, enum stream_id id, enum hash_id mac,
     const uint8_t *key, const uint8_t *mac_key, uint64_t done, bool seal)
{
    struct scipher *s =
        FAILS() ? NULL : __real_scipher_new(version, id, mac, key, mac_key, done, seal);

    if (seal) {
        user_add(s, mac_key, hash_size(mac));
    }
    return s;
}

WRAP(void, scipher_free, struct scipher *s)
{
    user_drop(s);
    __real_scipher_free(s);
}

WRAP(int, scipher_seal, struct scipher *s, const uint8_t *head, uint8_t *fragment, size_t len)
{
    const size_t n = scipher_size(s, len);

    int rc;

    if (FAILS()) {
        return leave(fragment, n);
    }
    rc = CHECKED(__real_scipher_seal(s, head, fragment, len), fragment, n);
    return user_sealed(rc, s, head, 8);
}

WRAP(int, scipher_open, struct scipher *s, const uint8_t *head, struct mspan fragment,
     struct mspan *content)
{
    if (FAILS()) {
        *content = provider_leaves() ? fragment : (struct mspan){ NULL, 0 };
        return leave(fragment.p, fragment.n);
    }
    return CHECKED(__real_scipher_open(s, head, fragment, content), fragment.p, fragment.n);
}
#endif
