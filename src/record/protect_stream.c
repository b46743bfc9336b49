/* SPDX-License-Identifier: ISC */
/* The protection by a stream cipher, or none, with a MAC (RFC 5246 section 6.2.3.1). */
#include "base/options.h"
#if defined(USE_RC4) || defined(USE_NULL)
#include "record/local.h"

static int row_start(struct rec_half *h, const struct rec_keys *k)
{
    TRY(scipher_look(k->stream));
    h->stream = scipher_new(k->version, k->stream, k->mac, k->key, k->mac_key, k->done, h->seal);
    return h->stream ? 0 : ERR_CRYPTO;
}

static void row_stop(struct rec_half *h)
{
    scipher_free(h->stream);
    h->stream = NULL;
}

static void row_measure(struct rec_half *h, const struct rec_keys *k)
{
    (void)k;
    h->limit = UINT64_MAX;
    h->head = REC_HEADER;
    h->least = (uint8_t)(REC_HEADER + scipher_size(h->stream, 0));
}

static int row_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                    struct rec_opened *o)
{
    uint8_t head[MAC_HEAD];
    struct mspan content;

    rec_put_head(head, h, type);
    TRY(scipher_open(h->stream, head, fragment, &content));
    h->done += fragment.n;
    return rec_opened_in_place(content, out, type, o);
}

static int row_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin, size_t len,
                    uint8_t *dst)
{
    uint8_t head[MAC_HEAD];

    rec_put_content(h, type, in, nin, len, dst, head);
    TRY(scipher_seal(h->stream, head, dst + REC_HEADER, len));
    h->done += rec_size(h, len) - REC_HEADER;
    return 0;
}

const struct protection protect_stream = {
    .max_len = REC_SEALED12_MAX,
    .keeps = true,
    .start = row_start,
    .stop = row_stop,
    .measure = row_measure,
    .open = row_open,
    .seal = row_seal,
};
#endif
