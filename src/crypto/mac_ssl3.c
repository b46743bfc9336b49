/* SPDX-License-Identifier: ISC */
/* The MAC of SSL 3.0, which is of before HMAC, and the opening of its block ciphers. */
#include "base/options.h"
#ifdef USE_SSL3
#include "base/secret.h"
#include "crypto/local.h"

#define PAD_MAX 48

/* RFC 6101 section 5.2.3.1: so many bytes of padding stand behind the secret. */
static size_t pad_size(enum hash_id id)
{
    return id == HASH_MD5 ? 48 : 40;
}

static int outer_hash(enum hash_id id, const uint8_t *key, const uint8_t *inner, uint8_t *out)
{
    const size_t size = hash_size(id);
    uint8_t pad[PAD_MAX];
    const struct span parts[] = { { key, size }, { pad, pad_size(id) }, { inner, size } };

    memset(pad, 0x5c, sizeof pad);
    return hash_parts(id, parts, 3, out);
}

/* hash(secret + pad_2 + hash(secret + pad_1 + seq_num + type + length + content)): without the
 * version. */
int mac_ssl3(enum hash_id id, const uint8_t *key, const uint8_t head[static MAC_HEAD],
             struct span content, uint8_t *out)
{
    const uint8_t length[] = { (uint8_t)(content.n >> 8), (uint8_t)content.n };
    uint8_t pad[PAD_MAX], inner[HASH_MAX];
    const struct span parts[] = { { key, hash_size(id) },
                                  { pad, pad_size(id) },
                                  { head, MAC_HEAD - 2 },
                                  { length, sizeof length },
                                  content };

    memset(pad, 0x36, sizeof pad);
    TRY(hash_parts(id, parts, 5, inner));
    return outer_hash(id, key, inner, out);
}

/* 8 or 16 bytes of padding at most, of which only the last has a meaning: its number (RFC 6101
 * section 5.2.3.2). Each length of content that there can be is tried, where all that is looked at
 * has a public place: what takes time is the same whatever the padding and the MAC are (threats 11,
 * 13). A MAC cannot cover the padding here; where padding is not to be an oracle, it must not be
 * told from a wrong MAC, and more than that SSL 3.0 does not offer. */
size_t unpad_ssl3(enum hash_id id, const uint8_t *key, const uint8_t head[static MAC_HEAD],
                  struct span plain, size_t block)
{
    const size_t size = hash_size(id);
    const uint8_t *last = plain.p + plain.n - 1;
    volatile size_t found = 0, good = 0;
    bool failed = false;

    for (size_t pad = 0; pad < block && size + pad < plain.n; pad++) {
        const size_t n = plain.n - 1 - pad - size;
        const uint8_t number = (uint8_t)pad;
        uint8_t want[HASH_MAX];
        size_t mask;

        failed |= mac_ssl3(id, key, head, span_of(plain.p, n), want) < 0;
        mask = (size_t)0 - (size_t)ct_equal(want, plain.p + n, size);
        mask &= (size_t)0 - (size_t)ct_equal(&number, last, 1);
        found = found | (mask & n);
        good = good | mask;
    }
    return failed || !good ? MAC_WRONG : found;
}
#endif
