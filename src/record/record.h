/* SPDX-License-Identifier: ISC */
/* The record layer: framing and protection. It knows content types and limits, no handshake
 * message.
 *
 * A half is one direction of a connection. What differs between versions (AAD, nonce, where the
 * content type is) is one row, struct protection; the nonce is made here and nowhere else (threat
 * 25). */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H
#include "crypto/crypto.h"

enum content_type {
    CT_CHANGE_CIPHER_SPEC = 20,
    CT_ALERT = 21,
    CT_HANDSHAKE = 22,
    CT_APPLICATION_DATA = 23,
};

#define REC_HEADER       5
#define REC_PLAIN_MAX    16384
#define REC_SEALED_MAX   (REC_PLAIN_MAX + 256) /* RFC 8446 section 5.2 */
#define REC_OVERHEAD_MAX (REC_HEADER + 1 + AEAD_TAG)

struct rec_half;

struct rec_opened {
    uint8_t type;
    struct span plain; /* the content, or its first part when it was spread */
    struct span rest;  /* the second part; empty when the first held all */
};

struct protection {
    size_t overhead; /* bytes sealing adds behind the header */
    size_t max_len;  /* largest legal length field */
    bool hides_type; /* every sealed record says application_data outside */
    /* fragment: the record behind its header. out: where content is wanted; out.p NULL: in place.
     */
    int (*open)(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                struct rec_opened *o);
    /* dst: room for REC_HEADER + len + overhead. */
    int (*seal)(struct rec_half *h, uint8_t type, const struct span *in, size_t nin, size_t len,
                uint8_t *dst);
};
extern const struct protection protect_none;  /* before the first keys */
extern const struct protection protect_tls13; /* RFC 8446 section 5.2 */

struct rec_half {
    const struct protection *protection;
    struct aead *aead;
    uint8_t iv[AEAD_IV];
    uint64_t seq;     /* of the next record */
    uint64_t limit;   /* records one key may protect; at it the key must be replaced */
    uint16_t version; /* for plaintext records we send: 0x0301 in a first ClientHello */
};

void rec_half_init(struct rec_half *h);
/* Takes key and IV, starts at sequence number 0. The old keys are gone. */
int rec_half_set(struct rec_half *h, const struct protection *p, enum aead_id aead,
                 const uint8_t *key, const uint8_t *iv, bool seal) MUST_CHECK;
void rec_half_wipe(struct rec_half *h); /* no keys any more, open and seal fail; idempotent */

struct rec_header {
    uint8_t type;
    uint16_t version, len;
};
/* Looks at the first five bytes. 0, or the alert for a type, version or length that cannot be. */
int rec_header_parse(const struct rec_half *h, const uint8_t p[static REC_HEADER],
                     struct rec_header *out) MUST_CHECK;

int rec_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
             struct rec_opened *o) MUST_CHECK;
/* One record of at most REC_PLAIN_MAX bytes; its size on the wire is returned (> 0). */
int rec_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin, size_t len,
             uint8_t *dst) MUST_CHECK;
/* Bytes on the wire of a record with len bytes of content. */
static inline size_t rec_size(const struct rec_half *h, size_t len)
{
    return REC_HEADER + len + h->protection->overhead;
}
#endif
