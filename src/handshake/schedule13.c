/* SPDX-License-Identifier: ISC */
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "handshake/schedule13.h"

#include "base/secret.h"

static const uint8_t zeros[HASH_MAX];

/* The secret that input is turned into. */
static int enter(struct schedule13 *k, struct span salt, struct span input)
{
    const size_t n = hash_size(k->hash);
    SECRET(secret, HASH_MAX);

    TRY(hkdf_extract(k->hash, salt, input.n ? input : span_of(zeros, n), secret));
    return hmac_key(k->hash, span_of(secret, n), &k->secret);
}

int schedule13_start(struct schedule13 *k, enum hash_id hash, struct span psk)
{
    k->hash = hash;
    return enter(k, span_of(zeros, hash_size(hash)), psk);
}

int schedule13_advance(struct schedule13 *k, struct span input)
{
    size_t n = hash_size(k->hash);
    uint8_t empty[HASH_MAX];
    SECRET(salt, HASH_MAX);

    TRY(hash_once(k->hash, NULL, 0, empty));
    TRY(hkdf_label(&k->secret, "derived", span_of(empty, n), salt, n));
    return enter(k, span_of(salt, n), input);
}

int schedule13_derive(const struct schedule13 *k, const char *label, const uint8_t *transcript,
                      uint8_t out[static HASH_MAX])
{
    size_t n = hash_size(k->hash);

    return hkdf_label(&k->secret, label, span_of(transcript, n), out, n);
}

int schedule13_finished(enum hash_id hash, const uint8_t *traffic, const uint8_t *transcript,
                        uint8_t out[static HASH_MAX])
{
    size_t n = hash_size(hash);
    struct span msg = span_of(transcript, n);
    SECRET(key, HASH_MAX);

    TRY(hkdf_expand_label(hash, traffic, "finished", span_of(NULL, 0), key, n));
    return hmac(hash, span_of(key, n), &msg, 1, out);
}

int schedule13_keys(enum hash_id hash, const uint8_t *traffic, size_t key_size, uint8_t *key,
                    uint8_t iv[static AEAD_IV])
{
    const struct span none = span_of(NULL, 0);
    struct hmac_key secret;
    int rc = hmac_key(hash, span_of(traffic, hash_size(hash)), &secret);

    rc = rc < 0 ? rc : hkdf_label(&secret, "key", none, key, key_size);
    rc = rc < 0 ? rc : hkdf_label(&secret, "iv", none, iv, AEAD_IV);
    hmac_forget(&secret);
    return rc;
}

int schedule13_next(enum hash_id hash, uint8_t traffic[static HASH_MAX])
{
    SECRET(old, HASH_MAX);

    memcpy(old, traffic, HASH_MAX);
    return hkdf_expand_label(hash, old, "traffic upd", span_of(NULL, 0), traffic, hash_size(hash));
}

int schedule13_binder(enum hash_id hash, struct span psk, const char *label,
                      const uint8_t *transcript, uint8_t out[static HASH_MAX])
{
    size_t n = hash_size(hash);
    uint8_t empty[HASH_MAX];
    SECRET(early, HASH_MAX);
    SECRET(key, HASH_MAX);

    TRY(hash_once(hash, NULL, 0, empty));
    TRY(hkdf_extract(hash, span_of(zeros, n), psk, early));
    TRY(hkdf_expand_label(hash, early, label, span_of(empty, n), key, n));
    return schedule13_finished(hash, key, transcript, out);
}
#endif
