/* SPDX-License-Identifier: ISC */
/* Diffie-Hellman parameters out of a file: nothing here uses them, so all there is to do is to say
 * whether they are any good. */
#include "crypto/local_openssl.h"

#define DH_BITS_MIN 2048
#define DH_BITS_MAX 8192 /* more would take minutes to check */

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

int dhparams_check(struct span pem_or_der, unsigned *bits)
{
    EVP_PKEY_CTX *ctx = NULL;
    EVP_PKEY *pkey;
    int rc = 0;

    *bits = 0;
    if (pem_or_der.n == 0) {
        return ERR_PARSE;
    }
    pkey = decode_dh(pem_or_der);
    if (!pkey) {
        return crypto_fail(ERR_PARSE);
    }
    *bits = (unsigned)EVP_PKEY_get_bits(pkey);
    if (*bits < DH_BITS_MIN || *bits > DH_BITS_MAX) {
        rc = ERR_UNSUPPORTED;
    } else {
        /* One of RFC 7919's groups is recognised at once, others are tested for primality. */
        ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, pkey, NULL);
        rc = ctx && EVP_PKEY_param_check(ctx) == 1 ? 0 : ERR_UNSUPPORTED;
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return crypto_fail(rc);
}
