/* SPDX-License-Identifier: ISC */
/* Diffie-Hellman parameters out of a file, when they are any good, and those of RFC 7919. */
#include "base/buf.h"
#include "crypto/local_openssl.h"

static EVP_PKEY *decode_dh(struct span bytes)
{
    const unsigned char *p = bytes.p;
    size_t left = bytes.n;
    EVP_PKEY *pkey = NULL;
    OSSL_DECODER_CTX *ctx = OSSL_DECODER_CTX_new_for_pkey(
        &pkey, NULL, NULL, "DH", OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS, provider.lib, NULL);

    if (!ctx || OSSL_DECODER_from_data(ctx, &p, &left) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    OSSL_DECODER_CTX_free(ctx);
    return pkey;
}

static int number(const EVP_PKEY *pkey, const char *name, struct buf *out)
{
    uint8_t bytes[DH_BYTES_MAX];
    BIGNUM *n = NULL;
    int rc = ERR_CRYPTO;

    if (EVP_PKEY_get_bn_param(pkey, name, &n) == 1 && BN_num_bytes(n) <= DH_BYTES_MAX) {
        rc = buf_append(out, bytes, (size_t)BN_bn2bin(n, bytes));
    }
    BN_free(n);
    return rc;
}

static int take(struct dh_params *out, const EVP_PKEY *pkey)
{
    struct dh_params taken = { { 0 }, { 0 } };
    int rc = number(pkey, OSSL_PKEY_PARAM_FFC_P, &taken.p);

    rc = rc < 0 ? rc : number(pkey, OSSL_PKEY_PARAM_FFC_G, &taken.g);
    if (rc < 0) {
        dhparams_free(&taken);
        return rc;
    }
    dhparams_free(out);
    *out = taken;
    return 0;
}

int dhparams_load(struct dh_params *out, struct span pem_or_der)
{
    EVP_PKEY_CTX *ctx = NULL;
    EVP_PKEY *pkey;
    int bits, rc = ERR_UNSUPPORTED;

    IN_LIBCRYPTO;
    if (pem_or_der.n == 0) {
        return ERR_PARSE;
    }
    pkey = decode_dh(pem_or_der);
    if (!pkey) {
        return crypto_fail(ERR_PARSE);
    }
    bits = EVP_PKEY_get_bits(pkey);
    if (bits >= DH_BITS_MIN && bits <= 8 * DH_BYTES_MAX) { /* more would take minutes to check */
        /* One of RFC 7919's groups is recognised at once, others are tested for primality. */
        ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, pkey, NULL);
        rc = ctx && EVP_PKEY_param_check(ctx) == 1 ? take(out, pkey) : ERR_UNSUPPORTED;
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return crypto_fail(rc);
}

int dhparams_named(struct dh_params *out, const struct group *g)
{
    IN_LIBCRYPTO;
    const EVP_PKEY *params = kept_peer(g);

    return params ? crypto_fail(take(out, params)) : crypto_fail(ERR_CRYPTO);
}

void dhparams_free(struct dh_params *params)
{
    buf_free(&params->p);
    buf_free(&params->g);
}
