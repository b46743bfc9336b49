/* SPDX-License-Identifier: ISC */
/* The protections of TLS 1.3: none (which 1.2 begins with too), and AEAD with a hidden content type
 * (RFC 8446 5.1, 5.2). */
#include "base/secret.h"
#include "record/local.h"

static int none_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                     struct rec_opened *o)
{
    (void)h;
    (void)out; /* never application data: nothing of it is for the caller */
    o->type = type;
    o->plain = span_of(fragment.p, fragment.n);
    return 0;
}

static int none_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                     size_t len, uint8_t *dst)
{
    if (type == CT_APPLICATION_DATA) {
        return ERR_STATE; /* never in clear */
    }
    rec_put_header(dst, type, h->version, len);
    dst += REC_HEADER;
    for (size_t i = 0; i < nin; i++) {
        if (in[i].n) {
            memcpy(dst, in[i].p, in[i].n);
            dst += in[i].n;
        }
    }
    return 0;
}

const struct protection protect_none = {
    .max_len = REC_SEALED_MAX, /* of early data that a server skips */
    .any_minor = true,
    .open = none_open,
    .seal = none_seal,
};

/* ---- AEAD ---- */

int rec_aead_start(struct rec_half *h, const struct rec_keys *k)
{
    h->aead = aead_new(k->aead, k->key, h->seal);
    return h->aead ? 0 : ERR_CRYPTO;
}

void rec_aead_stop(struct rec_half *h)
{
    aead_free(h->aead);
    h->aead = NULL;
}

/* RFC 8446 section 5.5: AES-GCM keys protect at most 2^24.5 full records; ChaCha20-Poly1305 has no
 * limit but the sequence number. Both stay well below. */
void rec_aead_measure(struct rec_half *h, const struct rec_keys *k)
{
    h->limit = UINT64_C(1) << (k->aead == AEAD_CHACHA20_POLY1305 ? 48 : 24);
    h->head = REC_HEADER + (rec_sends_nonce(k) ? NONCE12 : 0);
    h->least = (uint8_t)(h->head + AEAD_TAG + h->protection->hides_type);
}

/* Content ends where the padding of zeros begins; the byte before that is its type. Wipes what is
 * not content. Returns the length of the content or an alert. */
static int strip_padding(const struct mspan part[2], size_t total, uint8_t *type)
{
    for (size_t n = total; n > 0; n--) {
        uint8_t *p = n > part[0].n ? part[1].p + (n - 1 - part[0].n) : part[0].p + (n - 1);

        if (*p != 0) {
            *type = *p;
            *p = 0;
            return (int)(n - 1);
        }
    }
    return TLS_ALERT(ALERT_UNEXPECTED_MESSAGE); /* section 5.4: no non-zero octet */
}

static int tls13_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
                      struct rec_opened *o)
{
    uint8_t header[REC_HEADER];
    struct mspan part[2];
    size_t inner, content;
    SECRET(nonce, AEAD_IV);
    int rc;

    if (type != CT_APPLICATION_DATA) {
        return TLS_ALERT(ALERT_UNEXPECTED_MESSAGE);
    }
    if (fragment.n < AEAD_TAG + 1) {
        return TLS_ALERT(ALERT_BAD_RECORD_MAC); /* like any other forgery (threat 39) */
    }
    inner = fragment.n - AEAD_TAG;
    rec_split(out, (struct mspan){ fragment.p, inner }, part);
    rec_put_header(header, CT_APPLICATION_DATA, 0x0303, fragment.n);
    rec_nonce(h, nonce);
    TRY(aead_open(h->aead, nonce, span_of(header, sizeof header), span_of(fragment.p, fragment.n),
                  part, part[1].n ? 2 : 1));
    /* Content, type and padding together are at most 2^14 + 1 (section 5.4). */
    rc = inner > REC_PLAIN_MAX + 1 ? TLS_ALERT(ALERT_RECORD_OVERFLOW)
                                   : strip_padding(part, inner, &o->type);
    if (rc < 0) {
        wipe(part[0].p, part[0].n);
        wipe(part[1].p, part[1].n);
        return rc;
    }
    content = (size_t)rc;
    o->plain = span_of(part[0].p, content < part[0].n ? content : part[0].n);
    o->rest = span_of(part[1].p, content - o->plain.n);
    return 0;
}

#define PAD_PARTS 16

static int tls13_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                      size_t len, uint8_t *dst)
{
    static const uint8_t zeros[REC_PLAIN_MAX / PAD_PARTS];
    const size_t size = rec_size(h, len) - REC_HEADER;
    struct span part[REC_PARTS + 1 + PAD_PARTS];
    SECRET(nonce, AEAD_IV);

    if (nin > REC_PARTS) {
        return ERR_ARG;
    }
    for (size_t i = 0; i < nin; i++) {
        part[i] = in[i];
    }
    part[nin++] = span_of(&type, 1);
    for (size_t pad = size - len - 1 - AEAD_TAG; pad; pad -= part[nin++].n) {
        part[nin] = span_of(zeros, pad < sizeof zeros ? pad : sizeof zeros);
    }
    rec_put_header(dst, CT_APPLICATION_DATA, 0x0303, size);
    rec_nonce(h, nonce);
    return aead_seal(h->aead, nonce, span_of(dst, REC_HEADER), part, nin, dst + REC_HEADER);
}

const struct protection protect_tls13 = {
    .max_len = REC_SEALED_MAX,
    .hides_type = true,
    .start = rec_aead_start,
    .stop = rec_aead_stop,
    .measure = rec_aead_measure,
    .open = tls13_open,
    .seal = tls13_seal,
};
