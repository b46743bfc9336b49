/* SPDX-License-Identifier: ISC */
/* The protection by a block cipher with a MAC, of all versions before TLS 1.3 (RFC 5246 section
 * 6.2.3.2, RFC 7366). */
#include "base/secret.h"
#include "record/local.h"

/* Opened in place, since the length of the content is known only afterwards. */
int rec_opened_in_place(struct mspan content, struct mspan out, uint8_t type, struct rec_opened *o)
{
    struct mspan part[2];

    rec_split(out, content, part);
    if (out.p && content.n) {
        memcpy(part[0].p, content.p, part[0].n);
        wipe(content.p, part[0].n);
    }
    return rec_opened12(part, type, o);
}

/* Header and content of a record whose fragment is to be sealed in place; head: for the MAC. */
void rec_put_content(const struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                     size_t len, uint8_t *dst, uint8_t head[static MAC_HEAD])
{
    uint8_t *at = dst + rec_headroom(h);

    rec_put_header(dst, type, h->version, rec_size(h, len) - REC_HEADER);
    rec_put_head(head, h, type);
    for (size_t i = 0; i < nin; at += in[i++].n) {
        if (in[i].n && in[i].p != at) {
            memcpy(at, in[i].p, in[i].n);
        }
    }
}

static int row_start(struct rec_half *h, const struct rec_keys *k)
{
    h->cbc = cbc_new(k->version, k->cbc, k->mac, k->etm, k->key, k->mac_key, h->seal);
    return h->cbc ? 0 : ERR_CRYPTO;
}

static void row_stop(struct rec_half *h)
{
    cbc_free(h->cbc);
    h->cbc = NULL;
}

/* Blocks of 16 bytes may begin to repeat at 2^64 of them, those of 8 at 2^32, which 2^20 full
 * records stay below (Sweet32, CVE-2016-2183). */
static void row_measure(struct rec_half *h, const struct rec_keys *k)
{
    const size_t block = cbc_block(k->cbc);

    h->limit = UINT64_C(1) << (block < CBC_BLOCK ? 20 : 48);
    h->most = block < CBC_BLOCK ? h->limit : UINT64_MAX;
    h->splits = rec_key_sizes(k).iv != 0;
    h->head = (uint8_t)(REC_HEADER + cbc_lead(h->cbc));
    h->least = (uint8_t)(REC_HEADER + cbc_size(h->cbc, 0));
    h->step = (uint16_t)(block - 1);
    while (cbc_size(h->cbc, h->slack + 1U) == cbc_size(h->cbc, 0)) {
        h->slack++;
    }
}

static int row_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                    struct rec_opened *o)
{
    uint8_t head[MAC_HEAD];
    struct mspan content;

    rec_put_head(head, h, type);
    TRY(cbc_open(h->cbc, h->iv, head, fragment, &content));
    return rec_opened_in_place(content, out, type, o);
}

static int row_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin, size_t len,
                    uint8_t *dst)
{
    uint8_t head[MAC_HEAD];

    rec_put_content(h, type, in, nin, len, dst, head);
    return cbc_seal(h->cbc, h->iv, head, dst + REC_HEADER, len);
}

const struct protection protect_cbc = {
    .max_len = REC_SEALED12_MAX,
    .start = row_start,
    .stop = row_stop,
    .measure = row_measure,
    .open = row_open,
    .seal = row_seal,
};
