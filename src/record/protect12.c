/* SPDX-License-Identifier: ISC */
/* The protections before TLS 1.3, whose type is in clear: AEAD, whose nonce may be sent along (RFC
 * 5246 section 6.2.3.3, RFC 5288, RFC 7905), and what has a MAC: block ciphers (section 6.2.3.2,
 * RFC 7366) and stream ciphers (section 6.2.3.1). Records of every type are sealed. */
#include "base/secret.h"
#include "record/local.h"

#define AAD (MAC_HEAD + 2)

/* seq_num + type + version: what additional data and MAC begin with. */
static void put_head(uint8_t *p, const struct rec_half *h, uint8_t type)
{
    for (unsigned i = 0; i < 8; i++) {
        p[i] = (uint8_t)(h->seq >> (56 - 8 * i));
    }
    p[8] = type;
    p[9] = (uint8_t)(h->version >> 8);
    p[10] = (uint8_t)h->version;
}

static void put_aad(uint8_t *p, const struct rec_half *h, uint8_t type, size_t len)
{
    put_head(p, h, type);
    p[MAC_HEAD] = (uint8_t)(len >> 8);
    p[MAC_HEAD + 1] = (uint8_t)len;
}

/* What opened is content, unless there is too much of it (section 6.2.3: 2^14 bytes). */
static int opened(const struct mspan part[2], uint8_t type, struct rec_opened *o)
{
    if (part[0].n + part[1].n > REC_PLAIN_MAX) {
        wipe(part[0].p, part[0].n);
        wipe(part[1].p, part[1].n);
        return TLS_ALERT(ALERT_RECORD_OVERFLOW);
    }
    o->type = type;
    o->plain = span_of(part[0].p, part[0].n);
    o->rest = span_of(part[1].p, part[1].n);
    return 0;
}

/* ---- AEAD ---- */

static int aead12_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                       struct rec_opened *o)
{
    const size_t explicit_nonce = rec_headroom(h) - REC_HEADER;
    uint8_t nonce[AEAD_IV], aad[AAD];
    struct mspan part[2];
    size_t content;

    if (fragment.n < explicit_nonce + AEAD_TAG) {
        return TLS_ALERT(ALERT_BAD_RECORD_MAC); /* like any other forgery (threat 39) */
    }
    content = fragment.n - explicit_nonce - AEAD_TAG;
    rec_nonce(h, nonce);
    /* What the peer says its nonce is need not be the sequence number, which is in the AAD. */
    memcpy(nonce + AEAD_IV - explicit_nonce, fragment.p, explicit_nonce);
    fragment.p += explicit_nonce;
    put_aad(aad, h, type, content);
    rec_split(out, (struct mspan){ fragment.p, content }, part);
    TRY(aead_open(h->aead, nonce, span_of(aad, AAD), span_of(fragment.p, content + AEAD_TAG), part,
                  part[1].n ? 2 : 1));
    return opened(part, type, o);
}

static int aead12_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                       size_t len, uint8_t *dst)
{
    const size_t head = rec_headroom(h), explicit_nonce = head - REC_HEADER;
    uint8_t nonce[AEAD_IV], aad[AAD];

    rec_put_header(dst, type, h->version, rec_size(h, len) - REC_HEADER);
    rec_nonce(h, nonce);
    put_aad(aad, h, type, len);
    memcpy(dst + REC_HEADER, nonce + AEAD_IV - explicit_nonce, explicit_nonce);
    return aead_seal(h->aead, nonce, span_of(aad, AAD), in, nin, dst + head);
}

const struct protection protect_aead12 = {
    .max_len = REC_SEALED12_MAX,
    .open = aead12_open,
    .seal = aead12_seal,
};

/* ---- with a MAC ---- */

/* Opened in place, since the length of the content is known only afterwards. */
static int opened_in_place(struct mspan content, struct mspan out, uint8_t type,
                           struct rec_opened *o)
{
    struct mspan part[2];

    rec_split(out, content, part);
    if (out.p && content.n) {
        memcpy(part[0].p, content.p, part[0].n);
        wipe(content.p, part[0].n);
    }
    return opened(part, type, o);
}

/* Header and content of a record whose fragment is to be sealed in place; head: for the MAC. */
static void put_content(const struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                        size_t len, uint8_t *dst, uint8_t head[static MAC_HEAD])
{
    uint8_t *at = dst + rec_headroom(h);

    rec_put_header(dst, type, h->version, rec_size(h, len) - REC_HEADER);
    put_head(head, h, type);
    for (size_t i = 0; i < nin; at += in[i++].n) {
        if (in[i].n && in[i].p != at) {
            memcpy(at, in[i].p, in[i].n);
        }
    }
}

static int cbc_row_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                        struct rec_opened *o)
{
    uint8_t head[MAC_HEAD];
    struct mspan content;

    put_head(head, h, type);
    TRY(cbc_open(h->cbc, h->iv, head, fragment, &content));
    return opened_in_place(content, out, type, o);
}

static int cbc_row_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                        size_t len, uint8_t *dst)
{
    uint8_t head[MAC_HEAD];

    put_content(h, type, in, nin, len, dst, head);
    return cbc_seal(h->cbc, h->iv, head, dst + REC_HEADER, len);
}

const struct protection protect_cbc = {
    .max_len = REC_SEALED12_MAX,
    .open = cbc_row_open,
    .seal = cbc_row_seal,
};

static int stream_row_open(struct rec_half *h, uint8_t type, struct mspan fragment,
                           struct mspan out, struct rec_opened *o)
{
    uint8_t head[MAC_HEAD];
    struct mspan content;

    put_head(head, h, type);
    TRY(scipher_open(h->stream, head, fragment, &content));
    h->done += fragment.n;
    return opened_in_place(content, out, type, o);
}

static int stream_row_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                           size_t len, uint8_t *dst)
{
    uint8_t head[MAC_HEAD];

    put_content(h, type, in, nin, len, dst, head);
    TRY(scipher_seal(h->stream, head, dst + REC_HEADER, len));
    h->done += rec_size(h, len) - REC_HEADER;
    return 0;
}

const struct protection protect_stream = {
    .max_len = REC_SEALED12_MAX,
    .open = stream_row_open,
    .seal = stream_row_seal,
};
