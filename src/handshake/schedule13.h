/* SPDX-License-Identifier: ISC */
/* The key schedule of TLS 1.3 (RFC 8446 section 7). */
#ifndef HANDSHAKE_SCHEDULE13_H
#define HANDSHAKE_SCHEDULE13_H
#include "crypto/crypto.h"

struct schedule13 {
    enum hash_id hash;
    struct hmac_key secret; /* early, then handshake, then master secret */
};

/* The early secret; psk empty: none. */
int schedule13_start(struct schedule13 *k, enum hash_id hash, struct span psk) MUST_CHECK;
/* To the next secret of the ladder with (EC)DHE or, empty, zeros. */
int schedule13_advance(struct schedule13 *k, struct span input) MUST_CHECK;
/* Derive-Secret(current, label, transcript hash). */
int schedule13_derive(const struct schedule13 *k, const char *label, const uint8_t *transcript,
                      uint8_t out[static HASH_MAX]) MUST_CHECK;
/* The binder of a PSK over the hash of the partial ClientHello (4.2.11.2). label: "res binder" of
 * one from a session, "ext binder", "imp binder". */
int schedule13_binder(enum hash_id hash, struct span psk, const char *label,
                      const uint8_t *transcript, uint8_t out[static HASH_MAX]) MUST_CHECK;
/* The Finished of whoever's traffic secret it is (section 4.4.4). */
int schedule13_finished(enum hash_id hash, const uint8_t *traffic, const uint8_t *transcript,
                        uint8_t out[static HASH_MAX]) MUST_CHECK;
/* Traffic key and IV (7.3), and the secret after a KeyUpdate (7.2). */
int schedule13_keys(enum hash_id hash, const uint8_t *traffic, size_t key_size, uint8_t *key,
                    uint8_t iv[static AEAD_IV]) MUST_CHECK;
int schedule13_next(enum hash_id hash, uint8_t traffic[static HASH_MAX]) MUST_CHECK;
#endif
