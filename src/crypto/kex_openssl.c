/* SPDX-License-Identifier: ISC */
/* (EC)DHE. A private key lives for one exchange. What libcrypto accepts too generously in a peer's
 * share (infinity, compressed and hybrid points) is refused here first; set1_encoded_public_key
 * then checks that the point is on the curve, which is complete validation at cofactor 1, so that
 * derive need not do it again (RFC 8446 section 4.2.8.2, RFC 7748 section 6). */
#include "base/mem.h"
#include "base/secret.h"
#include "base/trace.h"
#include "crypto/local_openssl.h"

struct kex {
    const struct group *group;
    EVP_PKEY *key; /* NULL: used up */
};

static const struct {
    const char *type, *curve;
} names[GROUP_COUNT] = {
    { "X25519", NULL }, { "EC", "P-256" }, { "EC", "P-384" }, { "X448", NULL }, { "EC", "P-521" },
};

static bool is_ec(const struct group *g)
{
    return names[group_index(g)].curve != NULL;
}

/* The thread's context that makes keys of a group. */
static EVP_PKEY_CTX *kept_keygen(const struct group *g)
{
    const size_t i = group_index(g);
    struct kept *k = kept();
    EVP_PKEY_CTX *ctx;

    if (!k || k->keygen[i]) {
        return k ? k->keygen[i] : NULL;
    }
    ctx = EVP_PKEY_CTX_new_from_name(provider.lib, names[i].type, NULL);
    if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 ||
        (names[i].curve && EVP_PKEY_CTX_set_group_name(ctx, names[i].curve) != 1)) {
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }
    k->keygen[i] = ctx;
    return ctx;
}

EVP_PKEY *kept_peer(const struct group *g)
{
    const size_t i = group_index(g);
    struct kept *k = kept();
    EVP_PKEY_CTX *ctx;

    if (!k || k->peer[i]) {
        return k ? k->peer[i] : NULL;
    }
    if (is_ec(g)) {
        OSSL_PARAM params[2] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                                  (char *)(uintptr_t)names[i].curve,
                                                                  0),
                                 OSSL_PARAM_construct_end() };

        ctx = EVP_PKEY_CTX_new_from_name(provider.lib, names[i].type, NULL);
        if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
            EVP_PKEY_fromdata(ctx, &k->peer[i], EVP_PKEY_KEY_PARAMETERS, params) != 1) {
            k->peer[i] = NULL;
        }
        EVP_PKEY_CTX_free(ctx);
    } else {
        static const uint8_t base[KEX_SECRET_MAX] = { 9 };

        k->peer[i] = EVP_PKEY_new_raw_public_key_ex(provider.lib, names[i].type, NULL, base,
                                                    g->share_client);
    }
    return k->peer[i];
}

static EVP_PKEY *generate(const struct group *g)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx;

    trace(TRACE_CRYPTO, "a new key of %s", g->name);
    if (rand_is_test() && !is_ec(g)) {
        SECRET(raw, KEX_SECRET_MAX);

        return rand_bytes(raw, g->secret_size) < 0
                   ? NULL
                   : EVP_PKEY_new_raw_private_key_ex(provider.lib, names[group_index(g)].type, NULL,
                                                     raw, g->secret_size);
    }
    ctx = kept_keygen(g);
    if (!ctx || EVP_PKEY_generate(ctx, &key) != 1) {
        return NULL;
    }
    return key;
}

static bool get_share(EVP_PKEY *key, uint8_t *share, size_t size)
{
    size_t n = 0;

    return EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, share, size,
                                           &n) == 1 &&
           n == size;
}

/* Is it a share of the right shape, and when it is a point, one on the curve? */
static bool peer_is_valid(const struct group *g, struct span peer, size_t size)
{
    EVP_PKEY *to;

    if (peer.n != size || (is_ec(g) && peer.p[0] != 0x04)) {
        return false;
    }
    to = kept_peer(g);
    return to && EVP_PKEY_set1_encoded_public_key(to, peer.p, peer.n) == 1;
}

/* After peer_is_valid(), in the same thread. */
static bool derive(const struct group *g, EVP_PKEY *key, uint8_t *secret)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, key, NULL);
    size_t n = g->secret_size;
    uint8_t any = 0;
    bool ok = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer_ex(ctx, kept_peer(g), 0) == 1 &&
              EVP_PKEY_derive(ctx, secret, &n) == 1 && n == g->secret_size;

    EVP_PKEY_CTX_free(ctx);
    if (!ok) {
        return false;
    }
    /* RFC 7748 section 6.1: an all-zero secret means a point of small order. */
    for (size_t i = 0; i < n; i++) {
        any |= secret[i];
    }
    return any != 0 || is_ec(g);
}

struct kex *kex_start(const struct group *g, uint8_t *share)
{
    struct kex *k = mem_zalloc(sizeof *k);

    if (!k) {
        return NULL;
    }
    k->group = g;
    k->key = generate(g);
    if (!k->key || !get_share(k->key, share, g->share_client)) {
        wipe(share, g->share_client);
        (void)crypto_fail(0);
        kex_free(k);
        return NULL;
    }
    return k;
}

int kex_finish(struct kex *k, struct span peer, uint8_t *secret)
{
    EVP_PKEY *key = k->key;
    bool ok;

    wipe(secret, k->group->secret_size);
    if (!key) {
        return ERR_STATE;
    }
    k->key = NULL;
    ok = peer_is_valid(k->group, peer, k->group->share_server) && derive(k->group, key, secret);
    EVP_PKEY_free(key);
    if (!ok) {
        wipe(secret, k->group->secret_size);
        return crypto_fail(TLS_ALERT(ALERT_ILLEGAL_PARAMETER));
    }
    return 0;
}

void kex_free(struct kex *k)
{
    if (k) {
        EVP_PKEY_free(k->key);
        mem_free(k);
    }
}

int kex_respond(const struct group *g, struct span peer, uint8_t *share, uint8_t *secret)
{
    EVP_PKEY *key = NULL;
    int rc = 0;

    if (!peer_is_valid(g, peer, g->share_client)) {
        rc = TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
    } else {
        key = generate(g);
        if (!key || !get_share(key, share, g->share_server)) {
            rc = ERR_CRYPTO;
        } else if (!derive(g, key, secret)) {
            rc = TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
        }
    }
    EVP_PKEY_free(key);
    if (rc < 0) {
        wipe(share, g->share_server);
        wipe(secret, g->secret_size);
        return crypto_fail(rc);
    }
    return 0;
}
