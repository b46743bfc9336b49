/* SPDX-License-Identifier: ISC */
/* The protection of TLS 1.2 with AEAD, whose type is in clear and whose nonce may be sent along
 * (RFC 5246 section 6.2.3.3, RFC 5288, RFC 7905). Records of every type are sealed. */
#include "base/secret.h"
#include "record/local.h"

#define AAD (MAC_HEAD + 2)

static void put_aad(uint8_t *p, const struct rec_half *h, uint8_t type, size_t len)
{
    rec_put_head(p, h, type);
    p[MAC_HEAD] = (uint8_t)(len >> 8);
    p[MAC_HEAD + 1] = (uint8_t)len;
}

/* What opened is content, unless there is too much of it (RFC 5246
 * section 6.2.3: 2^14 bytes). */
int rec_opened12(const struct mspan part[2], uint8_t type, struct rec_opened *o)
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

static int aead12_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                       struct rec_opened *o)
{
    const size_t explicit_nonce = rec_headroom(h) - REC_HEADER;
    uint8_t aad[AAD];
    struct mspan part[2];
    size_t content;
    SECRET(nonce, AEAD_IV);

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
    return rec_opened12(part, type, o);
}

static int aead12_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                       size_t len, uint8_t *dst)
{
    const size_t head = rec_headroom(h), explicit_nonce = head - REC_HEADER;
    uint8_t aad[AAD];
    SECRET(nonce, AEAD_IV);

    rec_put_header(dst, type, h->version, rec_size(h, len) - REC_HEADER);
    rec_nonce(h, nonce);
    put_aad(aad, h, type, len);
    memcpy(dst + REC_HEADER, nonce + AEAD_IV - explicit_nonce, explicit_nonce);
    return aead_seal(h->aead, nonce, span_of(aad, AAD), in, nin, dst + head);
}

const struct protection protect_aead12 = {
    .max_len = REC_SEALED12_MAX,
    .start = rec_aead_start,
    .stop = rec_aead_stop,
    .measure = rec_aead_measure,
    .open = aead12_open,
    .seal = aead12_seal,
};
