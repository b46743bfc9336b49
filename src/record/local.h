/* SPDX-License-Identifier: ISC */
/* What the protections of the versions have in common. */
#ifndef RECORD_LOCAL_H
#define RECORD_LOCAL_H
#include "record/record.h"

#define NONCE12 8 /* bytes of nonce that AES-GCM in TLS 1.2 sends along */

static inline void rec_put_header(uint8_t *p, uint8_t type, uint16_t version, size_t len)
{
    p[0] = type;
    p[1] = (uint8_t)(version >> 8);
    p[2] = (uint8_t)version;
    p[3] = (uint8_t)(len >> 8);
    p[4] = (uint8_t)len;
}

/* RFC 8446 section 5.3, RFC 7905 section 2: the 64-bit sequence number, big-endian and padded on
 * the left, XOR the static IV. With the salt of RFC 5288 in front of zeroes it is that nonce too.
 */
static inline void rec_nonce(const struct rec_half *h, uint8_t nonce[static AEAD_IV])
{
    memcpy(nonce, h->iv, AEAD_IV);
    for (unsigned i = 0; i < 8; i++) {
        nonce[AEAD_IV - 1 - i] ^= seq_byte(h->seq, i);
    }
}

/* seq_num + type + version: what additional data and MAC begin with. */
static inline void rec_put_head(uint8_t p[static MAC_HEAD], const struct rec_half *h, uint8_t type)
{
    for (unsigned i = 0; i < 8; i++) {
        p[i] = seq_byte(h->seq, 7 - i);
    }
    p[8] = type;
    p[9] = (uint8_t)(h->version >> 8);
    p[10] = (uint8_t)h->version;
}

/* RFC 5288 section 3: a salt of 4 bytes and 8 of nonce in each record. */
bool rec_sends_nonce(const struct rec_keys *k);

/* Before TLS 1.3: what opened is content, unless there is too much of it. */
int rec_opened12(const struct mspan part[2], uint8_t type, struct rec_opened *o) MUST_CHECK;
/* The same, of content that lies in the fragment and is wanted in out. */
int rec_opened_in_place(struct mspan content, struct mspan out, uint8_t type,
                        struct rec_opened *o) MUST_CHECK;
/* Header and content of a record whose fragment is to be sealed in place; head: for the MAC. */
void rec_put_content(const struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                     size_t len, uint8_t *dst, uint8_t head[static MAC_HEAD]);

/* Of both versions with AEAD. */
int rec_aead_start(struct rec_half *h, const struct rec_keys *k) MUST_CHECK;
void rec_aead_stop(struct rec_half *h);
void rec_aead_measure(struct rec_half *h, const struct rec_keys *k);

/* Where the n bytes that lie in `place` are to go: to out as far as it has room, the rest stays. */
static inline void rec_split(struct mspan out, struct mspan place, struct mspan part[static 2])
{
    const size_t first = out.p && out.n < place.n ? out.n : place.n;

    part[0] = (struct mspan){ out.p ? out.p : place.p, first };
    part[1] = (struct mspan){ place.p + first, place.n - first };
}
#endif
