/* SPDX-License-Identifier: ISC */
/* Private keys that are encrypted in ways that libcrypto has put aside. */
#include "base/options.h"

#ifdef USE_PKCS5
#include "crypto/keyfile.h"

/* The ciphers of PKCS #5 v1.5 (DES, RC2: RFC 8018 section 6.1) are in libcrypto's legacy provider:
 * only what opens the file is from there, the key then moves to where all others are. */
EVP_PKEY *keyfile_decode_old(struct span bytes, struct answer *pass)
{
    OSSL_LIB_CTX *old = lib_with_provider("legacy");
    EVP_PKEY *there = old ? keyfile_decode(old, bytes, pass) : NULL, *pkey = NULL;
    OSSL_ENCODER_CTX *ctx = there ? OSSL_ENCODER_CTX_new_for_pkey(there, EVP_PKEY_KEYPAIR, "DER",
                                                                  "PrivateKeyInfo", NULL)
                                  : NULL;
    unsigned char *der = NULL;
    size_t n = 0;

    if (ctx && OSSL_ENCODER_to_data(ctx, &der, &n) == 1) {
        pkey = keyfile_decode(provider.lib, span_of(der, n), pass);
    }
    OPENSSL_clear_free(der, n);
    OSSL_ENCODER_CTX_free(ctx);
    EVP_PKEY_free(there);
    return pkey;
}
#else
#include "crypto/keyfile.h"

EVP_PKEY *keyfile_decode_old(struct span bytes, struct answer *pass)
{
    (void)bytes, (void)pass;
    return NULL;
}
#endif
