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

/* Private keys in PKCS#1, SEC 1 and PKCS#8 form are read; without, also none out of PKCS#12.
 * Default: on. */
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

#ifndef USE_PRIVATE_KEY_PARSING
#undef USE_PKCS5
#undef USE_PKCS12
#endif

/* For speed: each thread keeps contexts of digests and key exchanges, each private key some that
 * are ready to sign, and chains of certificates that were found good are remembered for a while.
 * Default: on. */
#ifndef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#ifndef PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM
#define PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED 1
#endif
#elif PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED == 0
#undef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#endif
/* The opposite: nothing of that is kept beyond its use, or the handshake. Default: off. */
#ifndef PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM
#ifndef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#define PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM 1
#endif
#elif PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM == 0
#undef PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM
#endif
#if defined(PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED) == defined(PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM)
#error "one of faster speed and smaller RAM, not both and not neither"
#endif

#ifndef PS_AES_IMPROVE_PERF_INCREASE_CODESIZE
#define PS_AES_IMPROVE_PERF_INCREASE_CODESIZE 1
#elif PS_AES_IMPROVE_PERF_INCREASE_CODESIZE == 0
#undef PS_AES_IMPROVE_PERF_INCREASE_CODESIZE
#endif

/* Kept objects of old algorithms. They have no effect, since there is nothing to choose: methods
 * are fetched from libcrypto when they are first needed and stay, and digests work on the stack.
 * Default: off. */
#if defined(PS_3DES_IMPROVE_PERF_INCREASE_CODESIZE) && PS_3DES_IMPROVE_PERF_INCREASE_CODESIZE == 0
#undef PS_3DES_IMPROVE_PERF_INCREASE_CODESIZE
#endif
#if defined(PS_SHA1_IMPROVE_PERF_INCREASE_CODESIZE) && PS_SHA1_IMPROVE_PERF_INCREASE_CODESIZE == 0
#undef PS_SHA1_IMPROVE_PERF_INCREASE_CODESIZE
#endif
#if defined(PS_MD5_IMPROVE_PERF_INCREASE_CODESIZE) && PS_MD5_IMPROVE_PERF_INCREASE_CODESIZE == 0
#undef PS_MD5_IMPROVE_PERF_INCREASE_CODESIZE
#endif

#endif
