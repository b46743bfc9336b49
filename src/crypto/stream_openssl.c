/* SPDX-License-Identifier: ISC */
/* RC4 and no cipher at all, with a MAC behind the content. RC4 is in libcrypto's legacy provider,
 * which is loaded into a library context of its own when somebody asks for such a suite. */
#include "base/options.h"
#if defined(USE_RC4) || defined(USE_NULL)
#include <limits.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/local_openssl.h"

struct scipher {
    EVP_CIPHER_CTX *ctx; /* NULL: no cipher */
    mac_fn *mac;
    enum hash_id hash;
    bool seal;
    uint8_t mac_key[HASH_MAX];
};

static struct once once = ONCE_INIT;
static EVP_CIPHER *rc4; /* NULL: libcrypto has it not */

static void look(void)
{
    IN_LIBCRYPTO;
    OSSL_LIB_CTX *lib = lib_with_provider("legacy");

    rc4 = lib ? EVP_CIPHER_fetch(lib, "RC4", NULL) : NULL;
    (void)crypto_fail(0);
}

int scipher_look(enum stream_id id)
{
    if (id == STREAM_RC4) {
        once_do(&once, look);
    }
    return id == STREAM_NULL || (id == STREAM_RC4 && rc4) ? 0 : ERR_UNSUPPORTED;
}

/* Exclusive or with the key stream. */
static bool cipher(struct scipher *s, uint8_t *p, size_t n)
{
    int made = 0;

    return !s->ctx || n == 0 ||
           (n <= INT_MAX && EVP_CipherUpdate(s->ctx, p, &made, p, (int)n) == 1 &&
            (size_t)made == n);
}

static bool cipher_start(struct scipher *s, const uint8_t *key, uint64_t done)
{
    SECRET(nothing, 1024);

    s->ctx = EVP_CIPHER_CTX_new();
    if (!s->ctx || EVP_CipherInit_ex2(s->ctx, rc4, key, NULL, 1, NULL) != 1) {
        return false;
    }
    while (done) {
        const size_t n = done < sizeof nothing ? (size_t)done : sizeof nothing;

        memset(nothing, 0, n);
        if (!cipher(s, nothing, n)) {
            return false;
        }
        done -= n;
    }
    return true;
}

struct scipher *scipher_new(uint16_t version, enum stream_id id, enum hash_id mac,
                            const uint8_t *key, const uint8_t *mac_key, uint64_t done, bool seal)
{
    const struct mode *mode = mode_of(version);
    const bool known = mode && hash_size(mac) && mac != HASH_SHA512 && scipher_look(id) == 0;
    struct scipher *s = known ? mem_zalloc(sizeof *s) : NULL;

    if (!s) {
        return NULL;
    }
    s->mac = mode->mac;
    s->hash = mac;
    s->seal = seal;
    memcpy(s->mac_key, mac_key, hash_size(mac));
    if (id == STREAM_RC4 && !cipher_start(s, key, done)) {
        (void)crypto_fail(0);
        scipher_free(s);
        return NULL;
    }
    return s;
}

void scipher_free(struct scipher *s)
{
    if (s) {
        EVP_CIPHER_CTX_free(s->ctx);
        mem_free_secret(s, sizeof *s);
    }
}

size_t scipher_size(const struct scipher *s, size_t len)
{
    return len + hash_size(s->hash);
}

int scipher_seal(struct scipher *s, const uint8_t head[static MAC_HEAD], uint8_t *fragment,
                 size_t len)
{
    const size_t total = scipher_size(s, len);
    int rc = s->seal ? s->mac(s->hash, s->mac_key, head, span_of(fragment, len), fragment + len)
                     : ERR_ARG;

    if (rc == 0 && !cipher(s, fragment, total)) {
        rc = crypto_fail(ERR_CRYPTO);
    }
    if (rc < 0) {
        wipe(fragment, total);
    }
    return rc;
}

int scipher_open(struct scipher *s, const uint8_t head[static MAC_HEAD], struct mspan fragment,
                 struct mspan *content)
{
    const size_t mac = hash_size(s->hash), len = fragment.n - mac;
    uint8_t want[HASH_MAX];

    *content = (struct mspan){ NULL, 0 };
    if (s->seal) {
        return ERR_ARG;
    }
    if (fragment.n < mac || !cipher(s, fragment.p, fragment.n) ||
        s->mac(s->hash, s->mac_key, head, span_of(fragment.p, len), want) < 0 ||
        !ct_equal(want, fragment.p + len, mac)) {
        wipe(fragment.p, fragment.n);
        return crypto_fail(TLS_ALERT(ALERT_BAD_RECORD_MAC));
    }
    *content = (struct mspan){ fragment.p, len };
    wipe(fragment.p + len, mac);
    return 0;
}
#endif
