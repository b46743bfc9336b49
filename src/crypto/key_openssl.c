/* SPDX-License-Identifier: ISC */
/* Public keys from the parts that x509 took out of a certificate (no decoding by libcrypto: that
 * costs as much as the signature), and the life of private keys. */
#include "base/mem.h"
#include "crypto/local_openssl.h"

#define RSA_BITS_MIN 1024
#define RSA_BITS_MAX 8192
#define RSA_E_MAX    8 /* bytes; more would let a certificate buy unbounded work */

static const struct {
    const char *type, *curve;
    uint16_t group; /* of the curve */
    size_t point;   /* bytes of the public key */
} names[] = {
    [KEY_RSA] = { "RSA", NULL, 0, 0 },          [KEY_RSA_PSS] = { "RSA-PSS", NULL, 0, 0 },
    [KEY_EC_P256] = { "EC", "P-256", 23, 65 },  [KEY_EC_P384] = { "EC", "P-384", 24, 97 },
    [KEY_EC_P521] = { "EC", "P-521", 25, 133 }, [KEY_ED25519] = { "ED25519", NULL, 0, 32 },
    [KEY_ED448] = { "ED448", NULL, 0, 57 },
};
#define NAMES (sizeof names / sizeof *names)

/* Takes over pkey. */
static int wrap_public(struct pubkey **out, enum key_type type, EVP_PKEY *pkey)
{
    struct {
        struct pubkey key;
        struct verifiers kept;
    } * both;

    if (!pkey) {
        return crypto_fail(ERR_PARSE);
    }
    both = mem_zalloc(sizeof *both);
    if (!both) {
        EVP_PKEY_free(pkey);
        return ERR_MEM;
    }
    both->key = (struct pubkey){ .refs = 1, .type = type, .pkey = pkey, .kept = &both->kept };
    *out = &both->key;
    return 0;
}

/* A copy of a key on the curve, given another point: a quarter of the cost of making one from
 * parameters. The point is checked to be on the curve. */
static EVP_PKEY *from_point(const struct group *g, struct span point)
{
    EVP_PKEY *like = kept_peer(g);
    EVP_PKEY *pkey = like ? EVP_PKEY_dup(like) : NULL;

    if (pkey && EVP_PKEY_set1_encoded_public_key(pkey, point.p, point.n) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

/* y, without the sign of x, is below the prime (RFC 8032 sections 5.1.3, 5.2.3), which libcrypto
 * does not insist on: 2^255 - 19, 2^448 - 2^224 - 1. */
static bool is_reduced(enum key_type type, struct span point)
{
    const bool large = type == KEY_ED448;
    const size_t top = point.n - 1;

    for (size_t i = top + 1; i-- > 0;) {
        const uint8_t byte = i == top ? point.p[i] & 0x7f : point.p[i];
        const uint8_t prime = large ? (i == 28    ? 0xfe
                                       : i == top ? 0
                                                  : 0xff)
                                    : (i == 0     ? 0xed
                                       : i == top ? 0x7f
                                                  : 0xff);

        if (byte != prime) {
            return byte < prime;
        }
    }
    return false;
}

int pubkey_from_point(struct pubkey **out, enum key_type type, struct span point)
{
    EVP_PKEY *pkey;

    IN_LIBCRYPTO;
    *out = NULL;
    if ((size_t)type >= NAMES || names[type].point == 0) {
        return ERR_UNSUPPORTED;
    }
    if (point.n != names[type].point) {
        return ERR_PARSE;
    }
    if (names[type].curve) {
        /* RFC 5480 section 2.2 knows compressed points; RFC 8446 section 4.2.3 has no use for them.
         */
        pkey = point.p[0] == 0x04 ? from_point(group_by_id(names[type].group), point) : NULL;
    } else {
        pkey = is_reduced(type, point) ? EVP_PKEY_new_raw_public_key_ex(
                                             provider.lib, names[type].type, NULL, point.p, point.n)
                                       : NULL;
    }
    return wrap_public(out, type, pkey);
}

/* libcrypto's parameters hold integers in the machine's byte order. */
static bool native(struct span big_endian, uint8_t *out)
{
    BIGNUM *bn = BN_bin2bn(big_endian.p, (int)big_endian.n, NULL);
    bool ok = bn && BN_bn2nativepad(bn, out, (int)big_endian.n) >= 0;

    BN_free(bn);
    return ok;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(provider.lib, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static unsigned bits_of(struct span n)
{
    unsigned bits = (unsigned)n.n * 8;

    for (uint8_t top = n.p[0]; !(top & 0x80); top = (uint8_t)(top << 1)) {
        bits--;
    }
    return bits;
}

int pubkey_from_rsa(struct pubkey **out, enum key_type type, struct span n, struct span e)
{
    uint8_t n_native[RSA_BITS_MAX / 8], e_native[RSA_E_MAX];

    IN_LIBCRYPTO;
    *out = NULL;
    if (type != KEY_RSA && type != KEY_RSA_PSS) {
        return ERR_UNSUPPORTED;
    }
    if (n.n == 0 || n.n > sizeof n_native || n.p[0] == 0 || bits_of(n) < RSA_BITS_MIN ||
        !(n.p[n.n - 1] & 1)) {
        return ERR_PARSE;
    }
    if (e.n == 0 || e.n > sizeof e_native || e.p[0] == 0 || !(e.p[e.n - 1] & 1) ||
        (e.n == 1 && e.p[0] < 3)) {
        return ERR_PARSE;
    }
    if (!native(n, n_native) || !native(e, e_native)) {
        return crypto_fail(ERR_MEM);
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n_native, n.n),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e_native, e.n),
        OSSL_PARAM_construct_end(),
    };

    return wrap_public(out, type, from_params(names[type].type, params));
}

enum key_type pubkey_type(const struct pubkey *k)
{
    return k->type;
}

unsigned pubkey_bits(const struct pubkey *k)
{
    return (unsigned)EVP_PKEY_get_bits(k->pkey);
}

struct pubkey *pubkey_ref(struct pubkey *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void pubkey_unref(struct pubkey *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    IN_LIBCRYPTO;
    for (size_t i = 0; i < SIG_EDDSA; i++) {
        for (size_t j = 0; j < HASH_COUNT; j++) {
            EVP_PKEY_CTX_free(k->kept->idle[i][j]);
        }
    }
    EVP_PKEY_free(k->pkey);
    mem_free(k);
}

/* ---- private keys ---- */

static enum key_type type_of(const EVP_PKEY *pkey)
{
    char curve[32] = "";

    for (size_t i = 0; i < NAMES; i++) {
        if (names[i].type && !names[i].curve && EVP_PKEY_is_a(pkey, names[i].type)) {
            return (enum key_type)i;
        }
    }
    if (!EVP_PKEY_is_a(pkey, "EC") ||
        EVP_PKEY_get_group_name(pkey, curve, sizeof curve, NULL) != 1) {
        return KEY_NONE;
    }
    for (size_t i = 0; i < NAMES; i++) {
        if (names[i].curve && EC_curve_nist2nid(names[i].curve) == OBJ_txt2nid(curve)) {
            return (enum key_type)i;
        }
    }
    return KEY_NONE;
}

int privkey_wrap(struct privkey **out, EVP_PKEY *pkey)
{
    const enum key_type type = type_of(pkey);
    const int bits = EVP_PKEY_get_bits(pkey);
    const bool rsa = type == KEY_RSA || type == KEY_RSA_PSS;
    struct privkey *k;

    *out = NULL;
    if (type == KEY_NONE || (rsa && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))) {
        EVP_PKEY_free(pkey);
        return crypto_fail(ERR_UNSUPPORTED);
    }
    k = mem_zalloc(sizeof *k);
    if (!k) {
        EVP_PKEY_free(pkey);
        return ERR_MEM;
    }
    k->refs = 1;
    k->type = type;
    k->pkey = pkey;
    k->lib = provider.lib;
    *out = k;
    return 0;
}

int privkey_generate(struct privkey **out, enum key_type type, unsigned rsa_bits)
{
    EVP_PKEY_CTX *ctx = NULL;
    EVP_PKEY *pkey = NULL;
    bool ok;

    IN_LIBCRYPTO;
    *out = NULL;
    if ((size_t)type >= NAMES || !names[type].type) {
        return ERR_UNSUPPORTED;
    }
    ctx = EVP_PKEY_CTX_new_from_name(provider.lib, names[type].type, NULL);
    ok = ctx && EVP_PKEY_keygen_init(ctx) == 1;
    if (type == KEY_RSA || type == KEY_RSA_PSS) {
        if (rsa_bits < RSA_BITS_MIN || rsa_bits > RSA_BITS_MAX) {
            EVP_PKEY_CTX_free(ctx);
            return ERR_ARG;
        }
        ok = ok && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)rsa_bits) == 1;
    } else if (names[type].curve) {
        ok = ok && EVP_PKEY_CTX_set_group_name(ctx, names[type].curve) == 1;
    }
    ok = ok && EVP_PKEY_generate(ctx, &pkey) == 1;
    EVP_PKEY_CTX_free(ctx);
    return ok ? privkey_wrap(out, pkey) : crypto_fail(ERR_CRYPTO);
}

struct privkey *privkey_ref(struct privkey *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void privkey_unref(struct privkey *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    IN_LIBCRYPTO_IF(!privkey_is_token(k));
    for (size_t i = 0; i < SCHEME_COUNT; i++) {
        for (int j = 0; j < SIGNERS_KEPT; j++) {
            EVP_PKEY_CTX_free(k->idle[i][j]);
        }
    }
    EVP_PKEY_free(k->pkey);
    mem_free(k);
}

enum key_type privkey_type(const struct privkey *k)
{
    return k->type;
}

/* The public half need not be on the token, nor may the token's provider know how to compare. */
static int shows_pair(struct privkey *priv, const struct pubkey *pub)
{
    const struct span msg = { (const uint8_t *)"sleeve", 6 };
    const struct scheme *s;
    uint8_t sig[SIG_MAX];

    for (size_t i = 0; (s = scheme_at(i)) != NULL; i++) {
        size_t n = sizeof sig;
        int rc = s->key == priv->type ? privkey_sign(priv, s, &msg, 1, sig, &n) : ERR_MISMATCH;

        /* A token may know fewer digests or paddings than we do. */
        if (rc == 0) {
            rc = pubkey_verify(pub, s->kind, s->hash, &msg, 1, span_of(sig, n));
            return rc == TLS_ALERT(ALERT_DECRYPT_ERROR) ? ERR_MISMATCH : rc;
        }
        if (rc != ERR_MISMATCH && rc != ERR_CRYPTO) {
            return rc;
        }
    }
    return ERR_CRYPTO;
}

int privkey_matches(struct privkey *priv, const struct pubkey *pub)
{
    if (priv->type != pub->type) {
        return ERR_MISMATCH;
    }
    if (privkey_is_token(priv)) {
        return shows_pair(priv, pub);
    }
    IN_LIBCRYPTO;
    return EVP_PKEY_eq(priv->pkey, pub->pkey) == 1 ? 0 : crypto_fail(ERR_MISMATCH);
}
