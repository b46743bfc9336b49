/* SPDX-License-Identifier: ISC */
/* The record layer: framing and protection. It knows content types and limits, no handshake
 * message.
 *
 * A half is one direction of a connection. What differs between versions and kinds of ciphers (AAD,
 * nonce, where the content type is) is one row, struct protection; the nonce is made here and
 * nowhere else (threat 25). */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H
#include "base/seq.h"
#include "crypto/crypto.h"

enum content_type {
    CT_CHANGE_CIPHER_SPEC = 20,
    CT_ALERT = 21,
    CT_HANDSHAKE = 22,
    CT_APPLICATION_DATA = 23,
};

#define REC_HEADER       5
#define REC_PLAIN_MAX    16384
#define REC_PARTS        16                              /* at most so many spans make a record */
#define REC_SEALED_MAX   (REC_PLAIN_MAX + 256)           /* RFC 8446 section 5.2 */
#define REC_SEALED12_MAX (REC_PLAIN_MAX + 2048)          /* RFC 5246 section 6.2.3 */
#define REC_OVERHEAD_MAX (REC_HEADER + CBC_OVERHEAD_MAX) /* of every protection */

struct rec_half;
struct rec_keys;

struct rec_opened {
    uint8_t type;
    struct span plain; /* the content, or its first part when it was spread */
    struct span rest;  /* the second part; empty when the first held all */
};

struct protection {
    size_t max_len;  /* largest legal length field of a sealed record */
    bool any_minor;  /* of the version in the header; else it is that of the keys */
    bool hides_type; /* every sealed record says application_data outside; no version counts */
    bool keeps;      /* its cipher knows where it is, and is not made anew */
    /* Makes the cipher from keys that stay; 0, or why not. */
    int (*start)(struct rec_half *h, const struct rec_keys *k);
    void (*stop)(struct rec_half *h);
    void (*measure)(struct rec_half *h, const struct rec_keys *k); /* the sizes of records */
    /* fragment: the record behind its header. out: where content is wanted; out.p NULL: in place.
     */
    int (*open)(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                struct rec_opened *o);
    /* dst: room for rec_size(h, len). */
    int (*seal)(struct rec_half *h, uint8_t type, const struct span *in, size_t nin, size_t len,
                uint8_t *dst);
};
extern const struct protection protect_none;   /* before the first keys */
extern const struct protection protect_tls13;  /* RFC 8446 section 5.2 */
extern const struct protection protect_aead12; /* RFC 5246 6.2.3.3, RFC 5288, RFC 7905 */
extern const struct protection protect_cbc;    /* RFC 5246 6.2.3.2, RFC 7366, and those of before */
extern const struct protection protect_stream; /* RFC 5246 6.2.3.1; not in every build */

/* The key of a cipher, and of its MAC behind it: no suite has a longer one than SHA-384's. */
#define REC_MAC_KEY_MAX 48
#define REC_SECRET_MAX  (CBC_KEY_MAX + REC_MAC_KEY_MAX)
#define REC_IV_MAX      CBC_BLOCK
/* More of a key stream than this is not gone through again, where a connection is taken over. */
#define REC_DONE_MAX (UINT64_C(1) << 30)

struct rec_half {
    const struct protection *protection;
    struct aead *aead; /* one of these; none before the first keys, and while it is parked */
    struct cbc *cbc;
    struct scipher *stream;
    uint8_t iv[REC_IV_MAX]; /* without explicit IVs: that of the next record */
    uint8_t secret[REC_SECRET_MAX];
    uint8_t aead_id, cbc_id, stream_id, mac; /* as in struct rec_keys */
    bool etm, seal;
    seq_num seq;       /* of the next record */
    uint64_t limit;    /* records one key may protect; at it the key must be replaced */
    uint64_t most;     /* the same where it cannot: no application data is sealed any more */
    uint64_t done;     /* bytes of the key stream, of stream ciphers */
    uint16_t protocol; /* whose keys these are */
    uint16_t version;  /* in headers we send: of plaintext ones 0x0301 in a first ClientHello */
    /* What rec_size() and its like need: the size of an empty record, how much of it is before the
     * content, how much content fits into it (padding otherwise), and in which steps, of a power
     * of 2, it grows: one less than these. */
    uint8_t least, head, slack;
    uint16_t step;
    bool splits; /* its IVs can be seen: a byte on its own goes before other data (threat 14) */
};

/* What protects one direction. The sizes of keys and iv follow from the version and the algorithms:
 * iv is 12 bytes, for AES-GCM in TLS 1.2 the 4 of the salt, for CBC in TLS 1.0 and SSL 3.0 a block,
 * else none. */
struct rec_keys {
    uint16_t version;      /* of the protocol */
    enum aead_id aead;     /* when the next two are NONE */
    enum cbc_id cbc;       /* or */
    enum stream_id stream; /* one of these, which have */
    enum hash_id mac;      /* this beside them */
    bool etm;              /* with cbc: encrypt-then-MAC (RFC 7366) */
    const uint8_t *key, *iv, *mac_key;
    uint64_t done; /* with stream: bytes of the key stream that have been used */
};
struct rec_sizes {
    size_t key, iv, mac_key;
};
struct rec_sizes rec_key_sizes(const struct rec_keys *k);

void rec_half_init(struct rec_half *h);
/* Takes the keys, starts at sequence number 0. The old keys are gone, unless this fails:
 * ERR_UNSUPPORTED when the version does not have such a cipher, or this build or libcrypto not. */
int rec_half_set(struct rec_half *h, const struct rec_keys *k, bool seal) MUST_CHECK;
/* From now on the content of records that can hide their length is padded to a multiple of block,
 * a power of 2 up to REC_PLAIN_MAX (RFC 8446 section 5.4). Content must be short enough for it. */
void rec_half_pad(struct rec_half *h, size_t block);
void rec_half_wipe(struct rec_half *h); /* no keys any more, open and seal fail; idempotent */
/* Gives the cipher's memory back, but for a stream cipher's, which knows where it is. The next
 * record, either way, makes it anew from the key. */
void rec_half_park(struct rec_half *h);
/* What it is keyed with; the pointers lead into h. False: with nothing. */
bool rec_half_keys(const struct rec_half *h, struct rec_keys *k);

struct rec_header {
    uint8_t type;
    uint16_t version, len;
};
/* Looks at the first five bytes. 0, or the alert for a type, version or length that cannot be. */
int rec_header_parse(const struct rec_half *h, const uint8_t p[static REC_HEADER],
                     struct rec_header *out) MUST_CHECK;

/* Content opens into `out` as far as that has room, the rest in place. On failure nothing
 * that was opened is left anywhere. */
int rec_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
             struct rec_opened *o) MUST_CHECK;
/* One record of at most REC_PLAIN_MAX bytes, the parts' sum; its size on the wire is returned (>
 * 0). The first part may lie at dst + rec_headroom(h), else no part overlaps the record. */
int rec_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin, size_t len,
             uint8_t *dst) MUST_CHECK;

/* Bytes on the wire of a record with len bytes of content. */
static inline size_t rec_size(const struct rec_half *h, size_t len)
{
    return h->least + (len > h->slack ? (len - h->slack + h->step) & ~(size_t)h->step : 0);
}
/* Bytes of header and explicit nonce or IV: where content lies to be sealed in place. */
static inline size_t rec_headroom(const struct rec_half *h)
{
    return h->head;
}
/* The longest content, up to REC_PLAIN_MAX, whose record fits in room; SIZE_MAX: not even an empty
 * one. */
static inline size_t rec_fit(const struct rec_half *h, size_t room)
{
    size_t n;

    if (!h->protection || room < h->least) {
        return SIZE_MAX;
    }
    n = h->slack + ((room - h->least) & ~(size_t)h->step);
    return n < REC_PLAIN_MAX ? n : REC_PLAIN_MAX;
}
#endif
