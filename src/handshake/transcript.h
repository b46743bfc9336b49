/* SPDX-License-Identifier: ISC */
/* The transcript hash (RFC 8446 section 4.4.1, RFC 5246 section 7.4.9). The hello bytes are kept
 * raw until the suite says which hash it is to be; TLS 1.2 keeps all of them for as long as a
 * CertificateVerify may sign them under another hash. */
#ifndef HANDSHAKE_TRANSCRIPT_H
#define HANDSHAKE_TRANSCRIPT_H
#include "base/buf.h"
#include "crypto/crypto.h"

struct transcript {
    struct hash *hash; /* NULL: not known yet */
    enum hash_id id;
    struct buf raw;
    bool keep;    /* raw grows on although the hash is known */
    bool whole;   /* and to the end: Finished is made of it */
    bool retried; /* the first ClientHello counts as its hash */
    size_t first; /* bytes of the first ClientHello in raw */
};
int transcript_add(struct transcript *t, struct span message) MUST_CHECK;
/* The hash is known. after_retry: raw holds ClientHello1, then HelloRetryRequest: the first one is
 * replaced by its message_hash. */
int transcript_choose(struct transcript *t, enum hash_id id, bool after_retry) MUST_CHECK;
int transcript_hash(const struct transcript *t, uint8_t out[static HASH_MAX]) MUST_CHECK;
/* With raw kept: of all but its last `cut` bytes, with `more` behind; id is not chosen yet, or it
 * is the one. What the binder of a PSK covers (section 4.2.11.2). */
int transcript_partial(const struct transcript *t, enum hash_id id, size_t cut, struct span more,
                       uint8_t out[static HASH_MAX]) MUST_CHECK;
void transcript_drop_raw(struct transcript *t); /* no one will sign it */
void transcript_free(struct transcript *t);
#endif
