/* SPDX-License-Identifier: ISC */
/* Build options of the cryptography: -DOPTION=0 leaves one off, -DOPTION switches one on. */
#ifndef MATRIXSSL_CRYPTOCONFIG_H
#define MATRIXSSL_CRYPTOCONFIG_H
#include "coreConfig.h"

/* Callbacks see presented certificates as psX509Cert_t; only a server that never asks for client
 * certificates can do without. Default: on. */
#ifndef USE_CERT_PARSE
#define USE_CERT_PARSE 1
#elif USE_CERT_PARSE == 0
#undef USE_CERT_PARSE
#endif

/* Private keys in PKCS#1, SEC 1 and PKCS#8 form are read. Default: on. */
#ifndef USE_PRIVATE_KEY_PARSING
#define USE_PRIVATE_KEY_PARSING 1
#elif USE_PRIVATE_KEY_PARSING == 0
#undef USE_PRIVATE_KEY_PARSING
#endif

/* Private keys may be encrypted under a passphrase. Default: on. */
#ifndef USE_PKCS5
#define USE_PKCS5 1
#elif USE_PKCS5 == 0
#undef USE_PKCS5
#endif

/* matrixSslLoadPkcs12() is there. Default: on. */
#ifndef USE_PKCS12
#define USE_PKCS12 1
#elif USE_PKCS12 == 0
#undef USE_PKCS12
#endif

/* Contexts are kept per key and per thread instead of one per use. Default: on. */
#ifndef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#define PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED 1
#elif PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED == 0
#undef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#endif
/* The opposite: nothing is kept beyond its use. Has no effect yet. Default: off. */
/* #define PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM */

/* AES-GCM by Intel's IPsec-MB where that is installed, also when this is built, and the processor
 * has VAES and AVX-512; by libcrypto anywhere else. Default: on. */
#ifndef PS_AES_IMPROVE_PERF_INCREASE_CODESIZE
#define PS_AES_IMPROVE_PERF_INCREASE_CODESIZE 1
#elif PS_AES_IMPROVE_PERF_INCREASE_CODESIZE == 0
#undef PS_AES_IMPROVE_PERF_INCREASE_CODESIZE
#endif

/* Kept method and context objects for that algorithm. SHA-1 has them with every other digest; MD5
 * and 3DES are in no suite that is compiled. Default: off. */
/* #define PS_3DES_IMPROVE_PERF_INCREASE_CODESIZE */
/* #define PS_SHA1_IMPROVE_PERF_INCREASE_CODESIZE */
/* #define PS_MD5_IMPROVE_PERF_INCREASE_CODESIZE */

/* The psTraceCrypto family prints. Default: off. */
/* #define USE_CRYPTO_TRACE */
#endif
