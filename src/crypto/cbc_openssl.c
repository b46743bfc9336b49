/* SPDX-License-Identifier: ISC */
/* AES-CBC with HMAC. Opening MAC-then-encrypt must take the same time whatever the padding and the
 * MAC are (threats 11, 13): the cipher's TLS mode of the provider takes the padding off and copies
 * the MAC out (a random one when the padding is wrong), and its HMAC in TLS mode reads the same
 * blocks for every length of the content. Between them the content's length is a secret: it is
 * added and stored here, never compared, until the MAC has been found right. */
#include <limits.h>

#include "base/mem.h"
#include "base/secret.h"
#include "crypto/local_openssl.h"

#define AAD (CBC_HEAD + 2)

struct cbc {
    EVP_CIPHER_CTX *ctx;
    EVP_MAC_CTX *mac; /* MAC-then-encrypt, opening: keyed, to be copied */
    enum hash_id hash;
    bool etm, seal;
    uint8_t mac_key[HASH_MAX];
};

static bool cipher_start(struct cbc *c, enum cbc_id id, const uint8_t *key)
{
    static const uint8_t iv[CBC_BLOCK]; /* deciphers the explicit IV into nothing of use */
    unsigned version = 0x0303;
    size_t mac = c->etm ? 0 : hash_size(c->hash);
    const OSSL_PARAM tls[] = {
        OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_TLS_VERSION, &version),
        OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &mac),
        OSSL_PARAM_construct_end(),
    };

    c->ctx = EVP_CIPHER_CTX_new();
    if (!c->ctx || EVP_CipherInit_ex2(c->ctx, provider.cbc[id], key, iv, c->seal, NULL) != 1) {
        return false;
    }
    return c->seal ? EVP_CIPHER_CTX_set_padding(c->ctx, 0) == 1
                   : EVP_CIPHER_CTX_set_params(c->ctx, tls) == 1;
}

static bool mac_start(struct cbc *c)
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         (char *)(uintptr_t)digest_names[c->hash], 0),
        OSSL_PARAM_construct_end(),
    };

    if (c->seal || c->etm) {
        return true; /* hmac() does it */
    }
    c->mac = EVP_MAC_CTX_new(provider.hmac);
    return c->mac && EVP_MAC_init(c->mac, c->mac_key, hash_size(c->hash), params) == 1;
}

struct cbc *cbc_new(enum cbc_id id, enum hash_id mac, bool etm, const uint8_t *key,
                    const uint8_t *mac_key, bool seal)
{
    const bool known = cbc_key_size(id) && mac > HASH_NONE && mac <= HASH_SHA384;
    struct cbc *c = known ? mem_zalloc(sizeof *c) : NULL;

    if (!c) {
        return NULL;
    }
    c->hash = mac;
    c->etm = etm;
    c->seal = seal;
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

static size_t padded(size_t n)
{
    return n - n % CBC_BLOCK + CBC_BLOCK;
}

size_t cbc_size(const struct cbc *c, size_t len)
{
    const size_t mac = hash_size(c->hash);

    return CBC_BLOCK + (c->etm ? padded(len) + mac : padded(len + mac));
}

static void put_aad(uint8_t *aad, const uint8_t *head, size_t len)
{
    memcpy(aad, head, CBC_HEAD);
    aad[CBC_HEAD] = (uint8_t)(len >> 8);
    aad[CBC_HEAD + 1] = (uint8_t)len;
}

static int mac_of(const struct cbc *c, const uint8_t *head, struct span covered, uint8_t *out)
{
    uint8_t aad[AAD];
    const struct span parts[] = { span_of(aad, AAD), covered };

    put_aad(aad, head, covered.n);
    return hmac(c->hash, span_of(c->mac_key, hash_size(c->hash)), parts, 2, out);
}

/* ---- sealing ---- */

int cbc_seal(struct cbc *c, const uint8_t head[static CBC_HEAD], uint8_t *fragment, size_t len)
{
    const size_t mac = hash_size(c->hash), total = cbc_size(c, len);
    const size_t sealed = total - CBC_BLOCK - (c->etm ? mac : 0);
    uint8_t *content = fragment + CBC_BLOCK, *at = content + len;
    int n = 0, rc = c->seal && total <= INT_MAX ? 0 : ERR_ARG;

    if (rc == 0) {
        rc = rand_bytes(fragment, CBC_BLOCK); /* RFC 5246 section 6.2.3.2: unpredictable */
    }
    if (rc == 0 && !c->etm) {
        rc = mac_of(c, head, span_of(content, len), at);
        at += mac;
    }
    if (rc == 0) {
        const size_t pad = sealed - (size_t)(at - content);

        memset(at, (int)(pad - 1), pad);
        if (EVP_CipherInit_ex2(c->ctx, NULL, NULL, fragment, -1, NULL) != 1 ||
            EVP_CipherUpdate(c->ctx, content, &n, content, (int)sealed) != 1 ||
            (size_t)n != sealed) {
            rc = crypto_fail(ERR_CRYPTO);
        }
    }
    if (rc == 0 && c->etm) {
        rc = mac_of(c, head, span_of(fragment, CBC_BLOCK + sealed), content + sealed);
    }
    if (rc < 0) {
        wipe(fragment, total);
    }
    return rc;
}

/* ---- opening ---- */

/* Deciphers and takes the padding off. The length that comes out is secret. */
static bool decipher(struct cbc *c, struct mspan sealed, size_t *len, const uint8_t **mac)
{
    OSSL_PARAM get[] = {
        OSSL_PARAM_construct_octet_ptr(OSSL_CIPHER_PARAM_TLS_MAC, (void **)(uintptr_t)mac,
                                       c->etm ? 0 : hash_size(c->hash)),
        OSSL_PARAM_construct_end(),
    };
    int n = 0;

    if (EVP_CipherUpdate(c->ctx, sealed.p, &n, sealed.p, (int)sealed.n) != 1) {
        return false;
    }
    *len = (size_t)n;
    return c->etm || EVP_CIPHER_CTX_get_params(c->ctx, get) == 1;
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
    uint8_t aad[AAD];
    SECRET(want, HASH_MAX);
    size_t n = 0;
    bool ok;

    put_aad(aad, head, content.n);
    ok = ctx && EVP_MAC_CTX_set_params(ctx, tls) == 1 && EVP_MAC_update(ctx, aad, AAD) == 1 &&
         EVP_MAC_update(ctx, content.p, content.n) == 1 &&
         EVP_MAC_final(ctx, want, &n, sizeof want) == 1 && n == size;
    EVP_MAC_CTX_free(ctx);
    return ok && ct_equal(want, mac, size);
}

static bool open_mte(struct cbc *c, const uint8_t *head, struct mspan sealed, size_t *len)
{
    const uint8_t *mac = NULL;

    return decipher(c, sealed, len, &mac) && mac &&
           mac_is_right(c, head, span_of(sealed.p + CBC_BLOCK, *len), sealed.n - CBC_BLOCK, mac);
}

static bool open_etm(struct cbc *c, const uint8_t *head, struct mspan sealed, size_t *len)
{
    uint8_t want[HASH_MAX];

    return mac_of(c, head, span_of(sealed.p, sealed.n), want) == 0 &&
           ct_equal(want, sealed.p + sealed.n, hash_size(c->hash)) &&
           decipher(c, sealed, len, NULL);
}

int cbc_open(struct cbc *c, const uint8_t head[static CBC_HEAD], struct mspan fragment,
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
    ok = fragment.n >= cbc_size(c, 0) && sealed.n % CBC_BLOCK == 0 && sealed.n <= INT_MAX;
    ok = ok && (c->etm ? open_etm : open_mte)(c, head, sealed, &len);
    if (!ok) {
        wipe(fragment.p, fragment.n);
        return crypto_fail(TLS_ALERT(ALERT_BAD_RECORD_MAC));
    }
    *content = (struct mspan){ fragment.p + CBC_BLOCK, len };
    wipe(fragment.p, CBC_BLOCK);
    wipe(content->p + len, fragment.n - CBC_BLOCK - len);
    return 0;
}
