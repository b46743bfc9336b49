/* SPDX-License-Identifier: ISC */
/* Diffie-Hellman over a prime that the server names (RFC 5246 section 7.4.3). Groups of RFC 7919
 * and RFC 3526 are recognised by libcrypto, get private keys of their strength and are taken as
 * they are. Of any other prime is checked what can be paid for in a handshake: its size, that it is
 * odd, and one round of Miller-Rabin with a random base, which costs an exponentiation (1.3 ms at
 * 2048 bits, 70 ms at 8192; the full test takes 90 ms and 10 s) and finds what was made in error.
 * Who makes such a number on purpose holds the keys of the connection anyway. */
#include "base/options.h"
#ifdef USE_DHE
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/local_openssl.h"

static int number(OSSL_PARAM_BLD *b, const char *name, struct span n, BIGNUM **keep)
{
    *keep = BN_bin2bn(n.p, (int)n.n, NULL);
    return *keep && OSSL_PARAM_BLD_push_BN(b, name, *keep) == 1;
}

static EVP_PKEY *in_params(struct span p, struct span g)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(provider.lib, "DH", NULL);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    BIGNUM *np = NULL, *ng = NULL;
    EVP_PKEY *key = NULL;

    if (ctx && b && number(b, OSSL_PKEY_PARAM_FFC_P, p, &np) &&
        number(b, OSSL_PKEY_PARAM_FFC_G, g, &ng) && (params = OSSL_PARAM_BLD_to_param(b)) != NULL &&
        EVP_PKEY_fromdata_init(ctx) == 1) {
        (void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEY_PARAMETERS, params);
    }
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    BN_free(np);
    BN_free(ng);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* One round, of an odd number: 1 when it is likely to be a prime, 0 when it is none. */
static int miller_rabin(const BIGNUM *p, BN_CTX *ctx)
{
    BIGNUM *a = BN_CTX_get(ctx), *last = BN_CTX_get(ctx), *odd = BN_CTX_get(ctx);
    BIGNUM *x = BN_CTX_get(ctx);
    int twos = 0;

    if (!x || !BN_copy(last, p) || !BN_sub_word(last, 1) || !BN_copy(a, last) ||
        !BN_sub_word(a, 2) || !BN_rand_range_ex(x, a, 0, ctx) || !BN_copy(a, x) ||
        !BN_add_word(a, 2)) {
        return -1;
    }
    while (!BN_is_bit_set(last, twos)) {
        twos++;
    }
    if (!BN_rshift(odd, last, twos) || !BN_mod_exp(x, a, odd, p, ctx)) {
        return -1;
    }
    if (BN_is_one(x)) {
        return 1;
    }
    for (; twos > 0; twos--) {
        if (BN_cmp(x, last) == 0) {
            return 1;
        }
        if (!BN_mod_sqr(x, x, p, ctx)) {
            return -1;
        }
    }
    return 0;
}

static int check_prime(struct span p)
{
    BN_CTX *ctx = BN_CTX_secure_new_ex(provider.lib);
    BIGNUM *n = BN_bin2bn(p.p, (int)p.n, NULL);
    int likely = -1;

    if (ctx && n) {
        BN_CTX_start(ctx);
        likely = miller_rabin(n, ctx);
        BN_CTX_end(ctx);
    }
    BN_free(n);
    BN_CTX_free(ctx);
    return likely > 0 ? 0 : likely < 0 ? ERR_CRYPTO : ERR_PARSE;
}

static struct span stripped(struct span n)
{
    while (n.n && *n.p == 0) {
        n = span_of(n.p + 1, n.n - 1);
    }
    return n;
}

/* Is 1 < n < p - 1? p is odd, so that p - 1 differs in its last byte only. */
static bool within(struct span n, struct span p)
{
    n = stripped(n);
    if (n.n == 0 || n.n > p.n || (n.n == 1 && n.p[0] == 1)) {
        return false;
    }
    if (n.n == p.n) {
        int head = memcmp(n.p, p.p, p.n - 1);

        return head < 0 || (head == 0 && n.p[n.n - 1] < p.p[p.n - 1] - 1);
    }
    return true;
}

static unsigned bits_of(struct span n)
{
    unsigned bits = n.n ? (unsigned)(8 * n.n) : 0;

    for (unsigned top = n.n ? n.p[0] : 0x80; !(top & 0x80); top <<= 1) {
        bits--;
    }
    return bits;
}

static const struct group *known_group(const EVP_PKEY *params, bool *known)
{
    char name[32];

    *known = EVP_PKEY_get_group_name(params, name, sizeof name, NULL) == 1;
    for (size_t i = 0; *known && group_at(i); i++) {
        if (strcmp(group_at(i)->name, name) == 0) {
            return group_at(i);
        }
    }
    return NULL;
}

static EVP_PKEY *generate_in(EVP_PKEY *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, params, NULL);
    EVP_PKEY *key = NULL;

    if (ctx && EVP_PKEY_keygen_init(ctx) == 1) {
        (void)EVP_PKEY_generate(ctx, &key);
    }
    EVP_PKEY_CTX_free(ctx);
    return key;
}

int dhe_start(struct kex **out, struct span p, struct span g, unsigned least_bits)
{
    struct kex *k = NULL;
    EVP_PKEY *params = NULL;
    bool known = false;
    int rc = 0;

    IN_LIBCRYPTO;
    *out = NULL;
    p = stripped(p);
    if (bits_of(p) < least_bits || bits_of(p) > 8 * DH_BYTES_MAX) {
        return ERR_UNSUPPORTED;
    }
    if (!(p.p[p.n - 1] & 1) || !within(g, p)) {
        return ERR_PARSE;
    }
    params = in_params(p, g);
    k = mem_zalloc(sizeof *k);
    if (!params || !k) {
        rc = ERR_CRYPTO;
    } else {
        k->group = known_group(params, &known);
        rc = known ? 0 : check_prime(p);
    }
    if (rc == 0) {
        k->key[0] = generate_in(params);
        rc = k->key[0] ? 0 : ERR_CRYPTO;
    }
    EVP_PKEY_free(params);
    if (rc < 0) {
        kex_free(k);
        return crypto_fail(rc);
    }
    *out = k;
    return 0;
}

const struct group *dhe_group(const struct kex *k)
{
    return k->group;
}

int dhe_share(const struct kex *k, uint8_t out[static DH_BYTES_MAX], size_t *n)
{
    IN_LIBCRYPTO;
    return EVP_PKEY_get_octet_string_param(k->key[0], OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, out,
                                           DH_BYTES_MAX, n) == 1
               ? 0
               : crypto_fail(ERR_CRYPTO);
}

static int prime_of(const struct kex *k, uint8_t out[static DH_BYTES_MAX], struct span *p)
{
    BIGNUM *n = NULL;
    int rc = ERR_CRYPTO;

    if (EVP_PKEY_get_bn_param(k->key[0], OSSL_PKEY_PARAM_FFC_P, &n) == 1 &&
        BN_num_bytes(n) <= DH_BYTES_MAX) {
        *p = span_of(out, (size_t)BN_bn2bin(n, out));
        rc = 0;
    }
    BN_free(n);
    return rc;
}

/* RFC 5246 section 8.1.2: leading zeros of the secret are not part of it. That they can be told by
 * the time that it takes (Raccoon) is of no use: the key goes with this one call (threat 18). */
static int derive(const struct kex *k, struct span peer, uint8_t *secret, size_t *n)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, k->key[0], NULL);
    EVP_PKEY *to = EVP_PKEY_new();
    int rc = ERR_CRYPTO;

    *n = DH_BYTES_MAX;
    if (ctx && to && EVP_PKEY_copy_parameters(to, k->key[0]) == 1 &&
        EVP_PKEY_set1_encoded_public_key(to, peer.p, peer.n) == 1 &&
        EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_CTX_set_dh_pad(ctx, 0) == 1 &&
        EVP_PKEY_derive_set_peer_ex(ctx, to, 0) == 1 && EVP_PKEY_derive(ctx, secret, n) == 1) {
        rc = 0;
    }
    EVP_PKEY_free(to);
    EVP_PKEY_CTX_free(ctx);
    wipe_below();
    return rc;
}

int dhe_finish(struct kex *k, struct span peer, uint8_t secret[static DH_BYTES_MAX], size_t *n)
{
    uint8_t prime[DH_BYTES_MAX];
    struct span p;
    int rc;

    IN_LIBCRYPTO;
    wipe(secret, DH_BYTES_MAX);
    *n = 0;
    if (!k->key[0]) {
        return ERR_STATE;
    }
    rc = prime_of(k, prime, &p);
    if (rc == 0 && !within(peer, p)) { /* RFC 7919 section 5.1 */
        rc = TLS_ALERT(ALERT_ILLEGAL_PARAMETER);
    }
    if (rc == 0) {
        rc = derive(k, stripped(peer), secret, n);
    }
    EVP_PKEY_free(k->key[0]);
    k->key[0] = NULL;
    if (rc < 0) {
        wipe(secret, DH_BYTES_MAX);
        *n = 0;
        return crypto_fail(rc);
    }
    return 0;
}
#endif
