/* SPDX-License-Identifier: ISC */
/* Block ciphers with a MAC. Opening MAC-then-encrypt must take the same time whatever the padding
 * and the MAC are (threats 11, 13): the cipher's TLS mode of the provider takes the padding off and
 * copies the MAC out (a random one when the padding is wrong), and its HMAC in TLS mode reads the
 * same blocks for every length of the content. Between them the content's length is a secret: it is
 * added and stored here, never compared, until the MAC has been found right. What the provider has
 * no such mode for, a row of struct mode does. */
#include <limits.h>

#include "base/mem.h"
#include "base/secret.h"
#include "crypto/local_openssl.h"

struct cbc {
    EVP_CIPHER_CTX *ctx;
    EVP_MAC_CTX *mac; /* MAC-then-encrypt, opening: keyed, to be copied */
    const struct mode *mode;
    enum hash_id hash;
    bool etm, seal;
    uint8_t block, lead;
    uint8_t mac_key[HASH_MAX];
};

/* Does the provider find the end of the content? */
static bool is_tls_mode(const struct cbc *c)
{
    return !c->seal && !c->mode->unpad;
}

static bool cipher_start(struct cbc *c, enum cbc_id id, const uint8_t *key)
{
    static const uint8_t iv[CBC_BLOCK]; /* deciphers an explicit IV into nothing of use */
    unsigned version = c->mode->version;
    size_t mac = c->etm ? 0 : hash_size(c->hash);
    const OSSL_PARAM tls[] = {
        OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_TLS_VERSION, &version),
        OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &mac),
        OSSL_PARAM_construct_end(),
    };

    c->ctx = EVP_CIPHER_CTX_new();
    if (!c->ctx || EVP_CipherInit_ex2(c->ctx, method_cbc(id), key, iv, c->seal, NULL) != 1) {
        return false;
    }
    return is_tls_mode(c) ? EVP_CIPHER_CTX_set_params(c->ctx, tls) == 1
                          : EVP_CIPHER_CTX_set_padding(c->ctx, 0) == 1;
}

static bool mac_start(struct cbc *c)
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         (char *)(uintptr_t)digest_names[c->hash], 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac;

    if (!is_tls_mode(c) || c->etm) {
        return true; /* the mode's does it */
    }
    hmac = method_hmac();
    c->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    return c->mac && EVP_MAC_init(c->mac, c->mac_key, hash_size(c->hash), params) == 1;
}

struct cbc *cbc_new(uint16_t version, enum cbc_id id, enum hash_id mac, bool etm,
                    const uint8_t *key, const uint8_t *mac_key, bool seal)
{
    const struct mode *mode = mode_of(version);
    const bool known = mode && cbc_key_size(id) && hash_size(mac) && mac != HASH_SHA512 &&
                       !(etm && mode->unpad); /* RFC 7366 section 3: not with SSL 3.0 */
    struct cbc *c = known ? mem_zalloc(sizeof *c) : NULL;

    IN_LIBCRYPTO;
    if (!c) {
        return NULL;
    }
    c->mode = mode;
    c->hash = mac;
    c->etm = etm;
    c->seal = seal;
    c->block = (uint8_t)cbc_block(id);
    c->lead = mode->sends_iv ? c->block : 0;
    memcpy(c->mac_key, mac_key, hash_size(mac));
    if (!cipher_start(c, id, key) || !mac_start(c)) {
        (void)crypto_fail(0);
        cbc_free(c);
        return NULL;
    }
    return c;
}

void cbc_free(struct cbc *c)
{
    if (c) {
        EVP_CIPHER_CTX_free(c->ctx);
        EVP_MAC_CTX_free(c->mac);
        mem_free_secret(c, sizeof *c);
    }
}

static size_t padded(const struct cbc *c, size_t n)
{
    return n - n % c->block + c->block;
}

size_t cbc_size(const struct cbc *c, size_t len)
{
    const size_t mac = hash_size(c->hash);

    return c->lead + (c->etm ? padded(c, len) + mac : padded(c, len + mac));
}

size_t cbc_lead(const struct cbc *c)
{
    return c->lead;
}

static int mac_of(const struct cbc *c, const uint8_t *head, struct span covered, uint8_t *out)
{
    return c->mode->mac(c->hash, c->mac_key, head, covered, out);
}

/* ---- sealing ---- */

/* The IV is in front of what is sealed, or in iv. */
static bool encipher(struct cbc *c, const uint8_t *iv, uint8_t *content, size_t len)
{
    int n = 0;

    return EVP_CipherInit_ex2(c->ctx, NULL, NULL, c->lead ? content - c->lead : iv, -1, NULL) ==
               1 &&
           EVP_CipherUpdate(c->ctx, content, &n, content, (int)len) == 1 && (size_t)n == len;
}

int cbc_seal(struct cbc *c, uint8_t *iv, const uint8_t head[static MAC_HEAD], uint8_t *fragment,
             size_t len)
{
    const size_t mac = hash_size(c->hash), total = cbc_size(c, len);
    const size_t sealed = total - c->lead - (c->etm ? mac : 0);
    uint8_t *content = fragment + c->lead, *at = content + len;
    int rc = c->seal && total <= INT_MAX ? 0 : ERR_ARG;

    if (rc == 0 && c->lead) {
        rc = rand_bytes(fragment, c->lead); /* RFC 5246 section 6.2.3.2: unpredictable */
    }
    if (rc == 0 && !c->etm) {
        rc = mac_of(c, head, span_of(content, len), at);
        at += mac;
    }
    if (rc == 0) {
        const size_t pad = sealed - (size_t)(at - content);

        memset(at, (int)(pad - 1), pad);
        rc = encipher(c, iv, content, sealed) ? 0 : crypto_fail(ERR_CRYPTO);
    }
    if (rc == 0 && c->etm) {
        rc = mac_of(c, head, span_of(fragment, c->lead + sealed), content + sealed);
    }
    if (rc < 0) {
        wipe(fragment, total);
    } else if (!c->lead) { /* now that this record is one: what follows chains to it */
        memcpy(iv, content + sealed - c->block, c->block);
    }
    return rc;
}

/* ---- opening ---- */

/* Deciphers in place; iv is then that of the next record. In TLS mode without the padding: then the
 * length that comes out is secret. */
static bool decipher(struct cbc *c, uint8_t *iv, struct mspan sealed, size_t *len)
{
    uint8_t next[CBC_BLOCK];
    int n = 0;

    if (!c->lead) {
        memcpy(next, sealed.p + sealed.n - c->block, c->block);
        if (EVP_CipherInit_ex2(c->ctx, NULL, NULL, iv, -1, NULL) != 1) {
            return false;
        }
        memcpy(iv, next, c->block);
    }
    if (EVP_CipherUpdate(c->ctx, sealed.p, &n, sealed.p, (int)sealed.n) != 1) {
        return false;
    }
    *len = (size_t)n;
    return true;
}

/* content.n is secret; total is that of content, MAC and padding together. */
static bool mac_is_right(const struct cbc *c, const uint8_t *head, struct span content,
                         size_t total, const uint8_t *mac)
{
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(c->mac);
    const OSSL_PARAM tls[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_TLS_DATA_SIZE, &total),
        OSSL_PARAM_construct_end(),
    };
    const size_t size = hash_size(c->hash);
    uint8_t aad[MAC_HEAD + 2];
    SECRET(want, HASH_MAX);
    size_t n = 0;
    bool ok;

    memcpy(aad, head, MAC_HEAD);
    aad[MAC_HEAD] = (uint8_t)(content.n >> 8);
    aad[MAC_HEAD + 1] = (uint8_t)content.n;
    ok = ctx && EVP_MAC_CTX_set_params(ctx, tls) == 1 &&
         EVP_MAC_update(ctx, aad, sizeof aad) == 1 &&
         EVP_MAC_update(ctx, content.p, content.n) == 1 &&
         EVP_MAC_final(ctx, want, &n, sizeof want) == 1 && n == size;
    EVP_MAC_CTX_free(ctx);
    wipe_below(); /* the key, padded */
    return ok && ct_equal(want, mac, size);
}

static bool open_mte(struct cbc *c, uint8_t *iv, const uint8_t *head, struct mspan sealed,
                     size_t *len)
{
    const uint8_t *mac = NULL;
    OSSL_PARAM get[] = {
        OSSL_PARAM_construct_octet_ptr(OSSL_CIPHER_PARAM_TLS_MAC, (void **)(uintptr_t)&mac,
                                       hash_size(c->hash)),
        OSSL_PARAM_construct_end(),
    };

    return decipher(c, iv, sealed, len) && EVP_CIPHER_CTX_get_params(c->ctx, get) == 1 && mac &&
           mac_is_right(c, head, span_of(sealed.p + c->lead, *len), sealed.n - c->lead, mac);
}

static bool open_unpad(struct cbc *c, uint8_t *iv, const uint8_t *head, struct mspan sealed,
                       size_t *len)
{
    size_t n;

    if (!decipher(c, iv, sealed, &n) || n != sealed.n) {
        return false;
    }
    *len = c->mode->unpad(c->hash, c->mac_key, head, span_of(sealed.p, n), c->block);
    return *len != MAC_WRONG;
}

static bool open_etm(struct cbc *c, uint8_t *iv, const uint8_t *head, struct mspan sealed,
                     size_t *len)
{
    uint8_t want[HASH_MAX];

    return mac_of(c, head, span_of(sealed.p, sealed.n), want) == 0 &&
           ct_equal(want, sealed.p + sealed.n, hash_size(c->hash)) && decipher(c, iv, sealed, len);
}

int cbc_open(struct cbc *c, uint8_t *iv, const uint8_t head[static MAC_HEAD], struct mspan fragment,
             struct mspan *content)
{
    const size_t behind = c->etm ? hash_size(c->hash) : 0;
    struct mspan sealed = { fragment.p, fragment.n - behind };
    size_t len = 0;
    bool ok;

    *content = (struct mspan){ NULL, 0 };
    if (c->seal) {
        return ERR_ARG;
    }
    /* Too short for its parts or no whole blocks: all of it is public (threat 11). */
    ok = fragment.n >= cbc_size(c, 0) && sealed.n % c->block == 0 && sealed.n <= INT_MAX;
    ok = ok && (c->etm           ? open_etm
                : is_tls_mode(c) ? open_mte
                                 : open_unpad)(c, iv, head, sealed, &len);
    if (!ok) {
        wipe(fragment.p, fragment.n);
        return crypto_fail(TLS_ALERT(ALERT_BAD_RECORD_MAC));
    }
    *content = (struct mspan){ fragment.p + c->lead, len };
    wipe(fragment.p, c->lead);
    wipe(content->p + len, fragment.n - c->lead - len);
    return 0;
}
