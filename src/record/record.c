/* SPDX-License-Identifier: ISC */
#include "record/record.h"

#include "base/options.h"
#include "base/secret.h"
#include "crypto/memory.h"
#include "record/local.h"

void rec_half_init(struct rec_half *h)
{
    *h = (struct rec_half){
        .protection = &protect_none,
        .limit = UINT64_MAX,
        .most = UINT64_MAX,
        .version = 0x0303,
        .least = REC_HEADER,
        .head = REC_HEADER,
    };
}

/* ---- which row ---- */

enum kind { KIND_AEAD, KIND_CBC, KIND_STREAM };

static const struct {
    uint16_t version;
    enum kind kind;
    const struct protection *protection;
} rows[] = {
#ifdef USE_TLS_1_3
    { 0x0304, KIND_AEAD, &protect_tls13 },
#endif
#ifdef USE_TLS_1_2
    { 0x0303, KIND_AEAD, &protect_aead12 },
#endif
#ifdef USE_CBC
    { 0x0303, KIND_CBC, &protect_cbc },
#endif
#if defined(USE_CBC) && defined(USE_TLS_1_1)
    { 0x0302, KIND_CBC, &protect_cbc },
#endif
#if defined(USE_CBC) && defined(USE_TLS)
    { 0x0301, KIND_CBC, &protect_cbc },
#endif
#if defined(USE_CBC) && defined(USE_SSL3)
    { 0x0300, KIND_CBC, &protect_cbc },
#endif
#ifdef USE_STREAM
    { 0x0303, KIND_STREAM, &protect_stream }, { 0x0302, KIND_STREAM, &protect_stream },
    { 0x0301, KIND_STREAM, &protect_stream }, { 0x0300, KIND_STREAM, &protect_stream },
#endif
};

static const struct protection *row_of(const struct rec_keys *k)
{
    const enum kind kind = k->cbc != CBC_NONE         ? KIND_CBC
                           : k->stream != STREAM_NONE ? KIND_STREAM
                                                      : KIND_AEAD;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].version == k->version && rows[i].kind == kind) {
            return rows[i].protection;
        }
    }
    return NULL;
}

bool rec_sends_nonce(const struct rec_keys *k)
{
    const struct protection *p = row_of(k);

    return p && !p->hides_type && k->cbc == CBC_NONE && k->stream == STREAM_NONE &&
           k->aead != AEAD_CHACHA20_POLY1305;
}

struct rec_sizes rec_key_sizes(const struct rec_keys *k)
{
    if (k->cbc != CBC_NONE) {
        return (struct rec_sizes){ cbc_key_size(k->cbc), cbc_iv_size(k->cbc, k->version),
                                   hash_size(k->mac) };
    }
    if (k->stream != STREAM_NONE) {
        return (struct rec_sizes){ scipher_key_size(k->stream), 0, hash_size(k->mac) };
    }
    return (struct rec_sizes){ aead_key_size(k->aead),
                               rec_sends_nonce(k) ? AEAD_IV - NONCE12 : AEAD_IV, 0 };
}

bool rec_half_keys(const struct rec_half *h, struct rec_keys *k)
{
    if (!h->protection || h->protection == &protect_none) {
        return false;
    }
    *k = (struct rec_keys){ .version = h->protocol,
                            .aead = (enum aead_id)h->aead_id,
                            .cbc = (enum cbc_id)h->cbc_id,
                            .stream = (enum stream_id)h->stream_id,
                            .mac = (enum hash_id)h->mac,
                            .etm = h->etm,
                            .key = h->secret,
                            .iv = h->iv,
                            .done = h->done };
    k->mac_key = h->secret + rec_key_sizes(k).key;
    return true;
}

/* ---- keys ---- */

static bool is_awake(const struct rec_half *h)
{
    return h->aead || h->cbc || h->stream;
}

static void stop(struct rec_half *h)
{
    if (is_awake(h)) {
        h->protection->stop(h);
    }
}

void rec_half_park(struct rec_half *h)
{
    if (is_awake(h) && !h->protection->keeps) {
        stop(h);
    }
}

void rec_half_wipe(struct rec_half *h)
{
    stop(h);
    wipe(h, sizeof *h);
}

/* The keys are there: so is the cipher. */
static int wake(struct rec_half *h)
{
    struct rec_keys k;
    int rc = is_awake(h) || !rec_half_keys(h, &k) ? 0 : h->protection->start(h, &k);

    return rc == ERR_CRYPTO ? crypto_why(rc) : rc;
}

static int half_make(struct rec_half *h, const struct rec_keys *k, bool seal)
{
    struct rec_sizes n = rec_key_sizes(k);

    *h = (struct rec_half){ .protection = row_of(k),
                            .aead_id = (uint8_t)k->aead,
                            .cbc_id = (uint8_t)k->cbc,
                            .stream_id = (uint8_t)k->stream,
                            .mac = (uint8_t)k->mac,
                            .etm = k->etm,
                            .seal = seal,
                            .done = k->done,
                            .protocol = k->version,
                            .version = k->version };
    if (!h->protection) {
        return ERR_UNSUPPORTED;
    }
    if (h->protection->hides_type) {
        h->version = 0x0303; /* RFC 8446 section 5.1 */
    }
    if (n.key + n.mac_key == 0 || n.key > CBC_KEY_MAX || n.mac_key > REC_MAC_KEY_MAX) {
        return ERR_CRYPTO;
    }
    if (n.key) {
        memcpy(h->secret, k->key, n.key);
    }
    if (n.mac_key) {
        memcpy(h->secret + n.key, k->mac_key, n.mac_key);
    }
    if (n.iv) {
        memcpy(h->iv, k->iv, n.iv);
    }
    TRY(wake(h));
    h->limit = h->most = UINT64_MAX;
    h->protection->measure(h, k);
    return 0;
}

int rec_half_set(struct rec_half *h, const struct rec_keys *k, bool seal)
{
    struct rec_half next;
    int rc = half_make(&next, k, seal);

    if (rc == 0) {
        rec_half_wipe(h);
        *h = next;
    }
    wipe(&next, sizeof next);
    return rc;
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
    /* TLS 1.3 ignores the version (section 5.1), TLS 1.2 authenticates what it must be. Before one
     * is agreed on the minor version is ignored; another major one is no TLS at all (RFC 5246
     * appendix E.1). */
    if (!h->protection->hides_type &&
        (p[1] != 3 || (!h->protection->any_minor && out->version != h->version))) {
        return TLS_ALERT(ALERT_PROTOCOL_VERSION);
    }
    /* Before a byte of it is buffered (threat 7). A record that TLS 1.3 cannot have
     * sealed (change_cipher_spec, a plaintext alert) is held to the smaller limit. */
    if (out->len > (h->protection->max_len == REC_SEALED_MAX && out->type != CT_APPLICATION_DATA
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
    if (seq_is_last(h->seq)) {
        return TLS_ALERT(ALERT_UNEXPECTED_MESSAGE); /* section 5.3: sequence numbers never wrap */
    }
    TRY(wake(h));
    TRY(h->protection->open(h, type, fragment, out, o));
    seq_next(&h->seq);
    return 0;
}

int rec_seal(struct rec_half *h, uint8_t type, const struct span *in, size_t nin, size_t len,
             uint8_t *dst)
{
    if (!h->protection) {
        return ERR_CLOSED;
    }
    if (len > REC_PLAIN_MAX || seq_is_last(h->seq) ||
        (seq_value(h->seq) >= h->most && type == CT_APPLICATION_DATA)) {
        return ERR_LIMIT;
    }
    TRY(wake(h));
    TRY(h->protection->seal(h, type, in, nin, len, dst));
    seq_next(&h->seq);
    return (int)rec_size(h, len);
}
