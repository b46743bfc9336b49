/* SPDX-License-Identifier: ISC */
/* Build options of the cryptography: comment one out to leave it off, or pass -D to switch it on.
 */
#ifndef MATRIXSSL_CRYPTOCONFIG_H
#define MATRIXSSL_CRYPTOCONFIG_H
#include "coreConfig.h"

/* Certificates are parsed and verified; callbacks see them as psX509Cert_t. Default: on. */
#ifndef USE_CERT_PARSE
#define USE_CERT_PARSE
#endif

/* Private keys in PKCS#1, SEC 1 and PKCS#8 form are read. Default: on. */
#ifndef USE_PRIVATE_KEY_PARSING
#define USE_PRIVATE_KEY_PARSING
#endif

/* Private keys may be encrypted under a passphrase. Default: on. */
#ifndef USE_PKCS5
#define USE_PKCS5
#endif

/* Contexts are kept per key and per thread instead of one per use. Default: on. */
#ifndef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#define PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#endif

/* The psTraceCrypto family of an application prints. Default: off. */
/* #define USE_CRYPTO_TRACE */
#endif
