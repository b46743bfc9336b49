/* SPDX-License-Identifier: ISC */
/* What reads private keys, and the half of it that is for encrypted ones of old. */
#ifndef CRYPTO_KEYFILE_H
#define CRYPTO_KEYFILE_H
#include "crypto/local_openssl.h"

struct answer {
    const char *pass; /* NULL: none */
    bool asked;
};

/* The first private key in the bytes; blocks that are something else (a certificate) are passed by.
 * NULL: there is none that opens. */
EVP_PKEY *keyfile_decode(OSSL_LIB_CTX *lib, struct span bytes, struct answer *pass);
EVP_PKEY *keyfile_decode_old(struct span bytes, struct answer *pass);
#endif
