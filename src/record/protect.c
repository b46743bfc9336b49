/* SPDX-License-Identifier: ISC */
/* The two protections of TLS 1.3: none, and AEAD with a hidden content type (RFC 8446 5.1, 5.2). */
#include "base/secret.h"
#include "record/record.h"

static void put_header(uint8_t *p, uint8_t type, uint16_t version, size_t len)
{
    p[0] = type;
    p[1] = (uint8_t)(version >> 8);
    p[2] = (uint8_t)version;
    p[3] = (uint8_t)(len >> 8);
    p[4] = (uint8_t)len;
}

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
    put_header(dst, type, h->version, len);
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
    .max_len = REC_PLAIN_MAX,
    .open = none_open,
    .seal = none_seal,
};

/* Section 5.3: the 64-bit sequence number, big-endian and padded on the left, XOR the static IV. */
static void make_nonce(const struct rec_half *h, uint8_t nonce[static AEAD_IV])
{
    memcpy(nonce, h->iv, AEAD_IV);
    for (unsigned i = 0; i < 8; i++) {
        nonce[AEAD_IV - 1 - i] ^= (uint8_t)(h->seq >> (8 * i));
    }
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
    uint8_t nonce[AEAD_IV], header[REC_HEADER];
    struct mspan part[2] = { fragment, { NULL, 0 } };
    size_t inner, content;
    int rc;

    if (type != CT_APPLICATION_DATA) {
        return TLS_ALERT(ALERT_UNEXPECTED_MESSAGE);
    }
    if (fragment.n < AEAD_TAG + 1) {
        return TLS_ALERT(ALERT_BAD_RECORD_MAC); /* like any other forgery (threat 39) */
    }
    inner = fragment.n - AEAD_TAG;
    part[0].n = inner;
    if (out.p) {
        part[0] = (struct mspan){ out.p, out.n < inner ? out.n : inner };
        part[1] = (struct mspan){ fragment.p + part[0].n, inner - part[0].n };
    }
    put_header(header, CT_APPLICATION_DATA, 0x0303, fragment.n);
    make_nonce(h, nonce);
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

static int tls13_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin,
                      size_t len, uint8_t *dst)
{
    enum { PARTS = 16 };
    struct span part[PARTS + 1];
    uint8_t nonce[AEAD_IV];

    if (nin > PARTS) {
        return ERR_ARG;
    }
    for (size_t i = 0; i < nin; i++) {
        part[i] = in[i];
    }
    part[nin] = span_of(&type, 1);
    put_header(dst, CT_APPLICATION_DATA, 0x0303, len + 1 + AEAD_TAG);
    make_nonce(h, nonce);
    return aead_seal(h->aead, nonce, span_of(dst, REC_HEADER), part, nin + 1, dst + REC_HEADER);
}

const struct protection protect_tls13 = {
    .overhead = 1 + AEAD_TAG,
    .max_len = REC_SEALED_MAX,
    .hides_type = true,
    .open = tls13_open,
    .seal = tls13_seal,
};
