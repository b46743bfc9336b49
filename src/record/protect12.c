/* SPDX-License-Identifier: ISC */
/* The protections of TLS 1.2: AEAD, whose type is in clear and whose nonce may be sent along (RFC
 * 5246 section 6.2.3.3, RFC 5288, RFC 7905), and the block ciphers with HMAC (section 6.2.3.2, RFC
 * 7366). Records of every type are sealed. */
#include "base/secret.h"
#include "record/local.h"

#define VERSION 0x0303
#define AAD     (CBC_HEAD + 2)

/* seq_num + type + version: what additional data and MAC begin with. */
static void put_head(uint8_t *p, const struct rec_half *h, uint8_t type)
{
    for (unsigned i = 0; i < 8; i++) {
        p[i] = (uint8_t)(h->seq >> (56 - 8 * i));
    }
    p[8] = type;
    p[9] = VERSION >> 8;
    p[10] = VERSION & 0xff;
}

static void put_aad(uint8_t *p, const struct rec_half *h, uint8_t type, size_t len)
{
    put_head(p, h, type);
    p[CBC_HEAD] = (uint8_t)(len >> 8);
    p[CBC_HEAD + 1] = (uint8_t)len;
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

    rec_put_header(dst, type, VERSION, rec_size(h, len) - REC_HEADER);
    rec_nonce(h, nonce);
    put_aad(aad, h, type, len);
    memcpy(dst + REC_HEADER, nonce + AEAD_IV - explicit_nonce, explicit_nonce);
    return aead_seal(h->aead, nonce, span_of(aad, AAD), in, nin, dst + head);
}

const struct protection protect_tls12_aead = {
    .max_len = REC_SEALED12_MAX,
    .version = VERSION,
    .open = aead12_open,
    .seal = aead12_seal,
};

/* ---- CBC ---- */

/* Opens in place, since the length of the content is known only afterwards. */
static int cbc12_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                      struct rec_opened *o)
{
    uint8_t head[CBC_HEAD];
    struct mspan content, part[2];

    put_head(head, h, type);
    TRY(cbc_open(h->cbc, head, fragment, &content));
    rec_split(out, content, part);
    if (out.p && content.n) {
        memcpy(part[0].p, content.p, part[0].n);
        wipe(content.p, part[0].n);
    }
    return opened(part, type, o);
}

static int cbc12_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                      size_t len, uint8_t *dst)
{
    uint8_t head[CBC_HEAD], *at = dst + rec_headroom(h);

    rec_put_header(dst, type, VERSION, rec_size(h, len) - REC_HEADER);
    put_head(head, h, type);
    for (size_t i = 0; i < nin; at += in[i++].n) {
        if (in[i].n && in[i].p != at) {
            memcpy(at, in[i].p, in[i].n);
        }
    }
    return cbc_seal(h->cbc, head, dst + REC_HEADER, len);
}

const struct protection protect_tls12_cbc = {
    .max_len = REC_SEALED12_MAX,
    .version = VERSION,
    .open = cbc12_open,
    .seal = cbc12_seal,
};
