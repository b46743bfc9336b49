/* SPDX-License-Identifier: ISC */
#include "record/record.h"

#include "base/secret.h"
#include "crypto/memory.h"
#include "record/local.h"

/* RFC 8446 section 5.5: AES-GCM keys protect at most 2^24.5 full records; ChaCha20-Poly1305 has no
 * limit but the sequence number. Both stay well below, and so does AES-CBC, whose blocks may begin
 * to repeat at 2^64 of them. */
static uint64_t record_limit(enum aead_id id)
{
    return id == AEAD_CHACHA20_POLY1305 ? UINT64_C(1) << 48 : UINT64_C(1) << 24;
}

void rec_half_init(struct rec_half *h)
{
    *h = (struct rec_half){
        .protection = &protect_none,
        .limit = UINT64_MAX,
        .version = 0x0303,
        .least = REC_HEADER,
        .head = REC_HEADER,
    };
}

void rec_half_wipe(struct rec_half *h)
{
    aead_free(h->aead);
    cbc_free(h->cbc);
    wipe(h, sizeof *h);
}

static int set_aead(struct rec_half *h, const struct rec_keys *k, bool seal)
{
    /* RFC 5288 section 3: a salt of 4 bytes and 8 of nonce in each record. */
    const bool explicit_nonce =
        k->protection == &protect_tls12_aead && k->aead != AEAD_CHACHA20_POLY1305;

    h->aead = aead_new(k->aead, k->key, seal);
    if (!h->aead) {
        return crypto_why(ERR_CRYPTO);
    }
    memcpy(h->iv, k->iv, explicit_nonce ? AEAD_IV - NONCE12 : AEAD_IV);
    h->head = REC_HEADER + (explicit_nonce ? NONCE12 : 0);
    h->least = (uint8_t)(h->head + AEAD_TAG + k->protection->hides_type);
    h->limit = record_limit(k->aead);
    return 0;
}

static int set_cbc(struct rec_half *h, const struct rec_keys *k, bool seal)
{
    h->cbc = cbc_new(k->cbc, k->mac, k->etm, k->key, k->mac_key, seal);
    if (!h->cbc) {
        return crypto_why(ERR_CRYPTO);
    }
    h->head = REC_HEADER + CBC_BLOCK;
    h->least = (uint8_t)(REC_HEADER + cbc_size(h->cbc, 0));
    h->step = CBC_BLOCK - 1;
    while (cbc_size(h->cbc, h->slack + 1U) == cbc_size(h->cbc, 0)) {
        h->slack++;
    }
    h->limit = record_limit(AEAD_AES_128_GCM);
    return 0;
}

int rec_half_set(struct rec_half *h, const struct rec_keys *k, bool seal)
{
    struct rec_half next = { .protection = k->protection, .version = 0x0303 };

    TRY(k->cbc == CBC_NONE ? set_aead(&next, k, seal) : set_cbc(&next, k, seal));
    rec_half_wipe(h);
    *h = next;
    wipe(&next, sizeof next);
    return 0;
}

void rec_half_pad(struct rec_half *h, size_t block)
{
    if (h->protection && h->protection->hides_type) {
        h->step = (uint16_t)(block - 1);
    }
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
    /* The minor version is to be ignored (section 5.1), except that TLS 1.2 authenticates what it
     * must be; another major one is no TLS at all. */
    if (p[1] != 3 || (h->protection->version && out->version != h->protection->version)) {
        return TLS_ALERT(ALERT_PROTOCOL_VERSION);
    }
    /* Before a byte of it is buffered (threat 7). A record that TLS 1.3 cannot have
     * sealed (change_cipher_spec, a plaintext alert) is held to the smaller limit. */
    if (out->len > (h->protection->hides_type && out->type != CT_APPLICATION_DATA
                        ? (size_t)REC_PLAIN_MAX
                        : h->protection->max_len)) {
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
