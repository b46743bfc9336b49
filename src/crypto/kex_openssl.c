/* SPDX-License-Identifier: ISC */
/* Key exchange. A private key lives for one exchange. A group is made of one part, a hybrid of two:
 * its shares and its secret are those of its parts, one after the other.
 *
 * What libcrypto accepts too generously in a peer's share (infinity, compressed and hybrid points)
 * is refused here first; set1_encoded_public_key then checks that a point is on the curve, which is
 * complete validation at cofactor 1, and that a number y of a finite field is 1 < y < p - 1, which
 * is complete for a safe prime and a key used once, so that derive need not do it again (RFC 8446
 * sections 4.2.8.1 and 4.2.8.2, RFC 7748 section 6, RFC 7919 section 5.1). */
#include "base/mem.h"
#include "base/secret.h"
#include "base/trace.h"
#include "crypto/local_openssl.h"

enum form {
    RAW,   /* a coordinate: every string is one */
    POINT, /* uncompressed */
    FIELD, /* a number, padded to the prime's length */
    KEM    /* no Diffie-Hellman: what the server sends is encapsulated under the client's key */
};

static const struct part {
    const char *type, *group; /* libcrypto's names */
    enum form form;
    uint16_t share_client, share_server, secret_size;
} parts[PART_COUNT] = {
    [PART_X25519] = { "X25519", NULL, RAW, 32, 32, 32 },
    [PART_X448] = { "X448", NULL, RAW, 56, 56, 56 },
    [PART_P256] = { "EC", "P-256", POINT, 65, 65, 32 },
    [PART_P384] = { "EC", "P-384", POINT, 97, 97, 48 },
    [PART_P521] = { "EC", "P-521", POINT, 133, 133, 66 },
    [PART_FFDHE2048] = { "DH", "ffdhe2048", FIELD, 256, 256, 256 },
    [PART_FFDHE3072] = { "DH", "ffdhe3072", FIELD, 384, 384, 384 },
    [PART_MLKEM768] = { "ML-KEM-768", NULL, KEM, 1184, 1088, 32 },
};

/* In the order of the rows of groups. */
static const enum kex_part made_of[GROUP_COUNT][KEX_PARTS] = {
    { PART_MLKEM768, PART_X25519 },
    { PART_X25519 },
    { PART_P256 },
    { PART_P384 },
    { PART_X448 },
    { PART_P521 },
    { PART_FFDHE2048 },
    { PART_FFDHE3072 },
};

/* The i-th part; NULL: there are no more. */
static const struct part *part_of(const struct group *g, size_t i)
{
    const enum kex_part id = i < KEX_PARTS ? made_of[group_index(g)][i] : PART_NONE;

    return id == PART_NONE ? NULL : &parts[id];
}

void kex_look(void)
{
    EVP_KEM *kem = EVP_KEM_fetch(provider.lib, parts[PART_MLKEM768].type, NULL);

    provider.mlkem768 = kem != NULL;
    EVP_KEM_free(kem);
    ERR_clear_error(); /* to have none is no error */
}

bool group_is_present(const struct group *g)
{
    return made_of[group_index(g)][0] != PART_MLKEM768 || provider.mlkem768;
}

/* ---- keys ---- */

/* The thread's context that makes keys of a part. */
static EVP_PKEY_CTX *kept_keygen(const struct part *p)
{
    struct kept *k = kept();
    EVP_PKEY_CTX **slot = k ? &k->keygen[p - parts] : NULL;
    EVP_PKEY_CTX *ctx;

    if (!slot || *slot) {
        return slot ? *slot : NULL;
    }
    ctx = EVP_PKEY_CTX_new_from_name(provider.lib, p->type, NULL);
    if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 ||
        (p->group && EVP_PKEY_CTX_set_group_name(ctx, p->group) != 1)) {
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }
    *slot = ctx;
    return ctx;
}

static EVP_PKEY *in_group(const struct part *p)
{
    OSSL_PARAM params[2] = { OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                              (char *)(uintptr_t)p->group, 0),
                             OSSL_PARAM_construct_end() };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(provider.lib, p->type, NULL);
    EVP_PKEY *key = NULL;

    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEY_PARAMETERS, params) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* Of a part that is no KEM: the thread's key that takes each peer's share. */
static EVP_PKEY *peer_key(const struct part *p)
{
    static const uint8_t base[56] = { 9 };
    struct kept *k = kept();
    EVP_PKEY **slot = k ? &k->peer[p - parts] : NULL;

    if (slot && !*slot) {
        *slot = p->group ? in_group(p)
                         : EVP_PKEY_new_raw_public_key_ex(provider.lib, p->type, NULL, base,
                                                          p->share_client);
    }
    return slot ? *slot : NULL;
}

EVP_PKEY *kept_peer(const struct group *g)
{
    return peer_key(part_of(g, 0));
}

static EVP_PKEY *generate(const struct part *p)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx;

    trace(TRACE_CRYPTO, "a new key of %s", p->group ? p->group : p->type);
    if (rand_is_test() && p->form == RAW) {
        SECRET(raw, 56);

        return rand_bytes(raw, p->secret_size) < 0
                   ? NULL
                   : EVP_PKEY_new_raw_private_key_ex(provider.lib, p->type, NULL, raw,
                                                     p->secret_size);
    }
    ctx = kept_keygen(p);
    if (!ctx || EVP_PKEY_generate(ctx, &key) != 1) {
        return NULL;
    }
    return key;
}

/* A key and its public half, which has share_client bytes on either side but for a KEM, whose
 * server makes no key. */
static EVP_PKEY *generate_shared(const struct part *p, uint8_t *share)
{
    EVP_PKEY *key = generate(p);
    size_t n = 0;

    if (key && (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, share,
                                                p->share_client, &n) != 1 ||
                n != p->share_client)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

/* ---- Diffie-Hellman ---- */

/* Is it a share of the right shape, and one on the curve or in the group? */
static bool peer_is_valid(const struct part *p, const uint8_t *peer)
{
    EVP_PKEY *to;

    if (p->form == POINT && peer[0] != 0x04) {
        return false;
    }
    to = peer_key(p);
    return to && EVP_PKEY_set1_encoded_public_key(to, peer, p->share_client) == 1;
}

/* After peer_is_valid(), in the same thread. */
static bool derive(const struct part *p, EVP_PKEY *key, uint8_t *secret)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, key, NULL);
    size_t n = p->secret_size;
    uint8_t any = 0;
    bool ok = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
              /* RFC 8446 section 7.4.1: leading zeros stay; and to strip them is Raccoon (threat
               * 18). */
              (p->form != FIELD || EVP_PKEY_CTX_set_dh_pad(ctx, 1) == 1) &&
              EVP_PKEY_derive_set_peer_ex(ctx, peer_key(p), 0) == 1 &&
              EVP_PKEY_derive(ctx, secret, &n) == 1 && n == p->secret_size;

    EVP_PKEY_CTX_free(ctx);
    wipe_below(); /* the last steps of the arithmetic are the secret itself */
    if (!ok) {
        return false;
    }
    /* RFC 7748 section 6.1: an all-zero secret means a point of small order. */
    for (size_t i = 0; i < n; i++) {
        any |= secret[i];
    }
    return any != 0 || p->form != RAW;
}

static int dh_finish(const struct part *p, EVP_PKEY *key, const uint8_t *peer, uint8_t *secret)
{
    return peer_is_valid(p, peer) && derive(p, key, secret) ? 0
                                                            : TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
}

static int dh_respond(const struct part *p, const uint8_t *peer, uint8_t *share, uint8_t *secret)
{
    EVP_PKEY *key;
    int rc;

    if (!peer_is_valid(p, peer)) {
        return TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
    }
    key = generate_shared(p, share);
    rc = !key ? ERR_CRYPTO : derive(p, key, secret) ? 0 : TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
    EVP_PKEY_free(key);
    return rc;
}

/* ---- KEM ---- */

/* Whatever ciphertext of the right length came, there is a secret (FIPS 203 section 6.3): anything
 * else is a failure of ours. */
static int kem_finish(const struct part *p, EVP_PKEY *key, const uint8_t *peer, uint8_t *secret)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, key, NULL);
    size_t n = p->secret_size;
    bool ok = ctx && EVP_PKEY_decapsulate_init(ctx, NULL) == 1 &&
              EVP_PKEY_decapsulate(ctx, secret, &n, peer, p->share_server) == 1 &&
              n == p->secret_size;

    EVP_PKEY_CTX_free(ctx);
    wipe_below();
    return ok ? 0 : ERR_CRYPTO;
}

static int kem_respond(const struct part *p, const uint8_t *peer, uint8_t *share, uint8_t *secret)
{
    size_t nshare = p->share_server, n = p->secret_size;
    EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key_ex(provider.lib, p->type, NULL, peer, p->share_client);
    EVP_PKEY_CTX *ctx = key ? EVP_PKEY_CTX_new_from_pkey(provider.lib, key, NULL) : NULL;
    bool ok = ctx && EVP_PKEY_encapsulate_init(ctx, NULL) == 1 &&
              EVP_PKEY_encapsulate(ctx, share, &nshare, secret, &n) == 1 &&
              nshare == p->share_server && n == p->secret_size;

    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    wipe_below();
    /* FIPS 203 section 7.2: the key's own check is what refuses it. */
    return ok ? 0 : key ? ERR_CRYPTO : TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
}

/* ---- groups ---- */

struct kex *kex_start(const struct group *g, uint8_t *share)
{
    struct kex *k = mem_zalloc(sizeof *k);
    const struct part *p;
    uint8_t *to = share;

    IN_LIBCRYPTO;
    wipe(share, g->share_client);
    if (!k) {
        return NULL;
    }
    k->group = g;
    for (size_t i = 0; (p = part_of(g, i)) != NULL; i++) {
        k->key[i] = generate_shared(p, to);
        if (!k->key[i]) {
            wipe(share, g->share_client);
            (void)crypto_fail(0);
            kex_free(k);
            return NULL;
        }
        to += p->share_client;
    }
    return k;
}

static void drop_keys(struct kex *k)
{
    for (size_t i = 0; i < KEX_PARTS; i++) {
        EVP_PKEY_free(k->key[i]);
        k->key[i] = NULL;
    }
}

int kex_finish(struct kex *k, struct span peer, uint8_t *secret)
{
    const struct group *g = k->group;
    const struct part *p;
    const uint8_t *from = peer.p;
    uint8_t *to = secret;
    int rc = peer.n == g->share_server ? 0 : TLS_ALERT(ALERT_ILLEGAL_PARAMETER);

    IN_LIBCRYPTO;
    wipe(secret, g->secret_size);
    if (!k->key[0]) {
        return ERR_STATE;
    }
    for (size_t i = 0; rc == 0 && (p = part_of(g, i)) != NULL; i++) {
        rc =
            p->form == KEM ? kem_finish(p, k->key[i], from, to) : dh_finish(p, k->key[i], from, to);
        from += p->share_server;
        to += p->secret_size;
    }
    drop_keys(k);
    if (rc < 0) {
        wipe(secret, g->secret_size);
        return crypto_fail(rc);
    }
    return 0;
}

void kex_free(struct kex *k)
{
    IN_LIBCRYPTO;
    if (k) {
        drop_keys(k);
        mem_free(k);
    }
}

int kex_respond(const struct group *g, struct span peer, uint8_t *share, uint8_t *secret)
{
    const struct part *p;
    const uint8_t *from = peer.p;
    uint8_t *to = share, *out = secret;
    int rc = peer.n == g->share_client ? 0 : TLS_ALERT(ALERT_ILLEGAL_PARAMETER);

    IN_LIBCRYPTO;
    for (size_t i = 0; rc == 0 && (p = part_of(g, i)) != NULL; i++) {
        rc = p->form == KEM ? kem_respond(p, from, to, out) : dh_respond(p, from, to, out);
        from += p->share_client;
        to += p->share_server;
        out += p->secret_size;
    }
    if (rc < 0) {
        wipe(share, g->share_server);
        wipe(secret, g->secret_size);
        return crypto_fail(rc);
    }
    return 0;
}
