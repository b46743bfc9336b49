/* SPDX-License-Identifier: ISC */
#include "record/record.h"

#include "base/secret.h"

/* RFC 8446 section 5.5: AES-GCM keys protect at most 2^24.5 full records; ChaCha20-Poly1305 has no
 * limit but the sequence number. Both stay well below. */
static uint64_t record_limit(enum aead_id id)
{
    return id == AEAD_CHACHA20_POLY1305 ? UINT64_C(1) << 48 : UINT64_C(1) << 24;
}

void rec_half_init(struct rec_half *h)
{
    *h = (struct rec_half){ .protection = &protect_none, .limit = UINT64_MAX, .version = 0x0303 };
}

void rec_half_wipe(struct rec_half *h)
{
    aead_free(h->aead);
    wipe(h, sizeof *h);
}

int rec_half_set(struct rec_half *h, const struct protection *p, enum aead_id id,
                 const uint8_t *key, const uint8_t *iv, bool seal)
{
    struct aead *a = aead_new(id, key, seal);

    if (!a) {
        return ERR_CRYPTO;
    }
    aead_free(h->aead);
    h->protection = p;
    h->aead = a;
    memcpy(h->iv, iv, AEAD_IV);
    h->seq = 0;
    h->limit = record_limit(id);
    h->version = 0x0303;
    return 0;
}

int rec_header_parse(const struct rec_half *h, const uint8_t p[static REC_HEADER],
                     struct rec_header *out)
{
    if (!h->protection) {
        return ERR_CLOSED;
    }
    *out = (struct rec_header){ p[0], (uint16_t)(p[1] << 8 | p[2]), (uint16_t)(p[3] << 8 | p[4]) };
    if (out->type < CT_CHANGE_CIPHER_SPEC || out->type > CT_APPLICATION_DATA) {
        return TLS_ALERT(ALERT_UNEXPECTED_MESSAGE); /* garbage, SSLv2, plain HTTP (threat 17) */
    }
    /* The minor version is to be ignored (section 5.1); another major one is no TLS at all. */
    if (p[1] != 3) {
        return TLS_ALERT(ALERT_PROTOCOL_VERSION);
    }
    /* Before a byte of it is buffered (threat 7). A record that is not sealed although we have keys
     * (change_cipher_spec, a plaintext alert) is held to the smaller limit. */
    if (out->len >
        (out->type == CT_APPLICATION_DATA ? h->protection->max_len : (size_t)REC_PLAIN_MAX)) {
        return TLS_ALERT(ALERT_RECORD_OVERFLOW);
    }
    return 0;
}

int rec_open(struct rec_half *h, uint8_t type, struct mspan fragment, struct mspan out,
             struct rec_opened *o)
{
    *o = (struct rec_opened){ 0 };
    if (!h->protection) {
        return ERR_CLOSED;
    }
    if (h->seq == UINT64_MAX) {
        return TLS_ALERT(ALERT_UNEXPECTED_MESSAGE); /* section 5.3: sequence numbers never wrap */
    }
    TRY(h->protection->open(h, type, fragment, out, o));
    h->seq++;
    return 0;
}

int rec_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin, size_t len,
             uint8_t *dst)
{
    if (!h->protection) {
        return ERR_CLOSED;
    }
    if (len > REC_PLAIN_MAX || h->seq == UINT64_MAX) {
        return ERR_LIMIT;
    }
    TRY(h->protection->seal(h, type, in, nin, len, dst));
    h->seq++;
    return (int)rec_size(h, len);
}
