/* SPDX-License-Identifier: ISC */
/* Build options of the traces. -DOPTION has one print from the start, on standard error, by library
 * and application. Default: none does, and SLEEVE_LOG can ask the library for it at run time.
 * -DOPTION=0 leaves one out of the library with all its texts; what failed is traced as long as one
 * of the four is there. */
#ifndef MATRIXSSL_TRACECONFIG_H
#define MATRIXSSL_TRACECONFIG_H
#include "profileConfig.h"

/* The psTraceCore family and the library's trace of memory print. */
/* #define USE_CORE_TRACE 1 */
#if defined(USE_CORE_TRACE) && USE_CORE_TRACE == 0
#undef USE_CORE_TRACE
#define NO_CORE_TRACE
#endif

/* The psTraceCrypto family and the library's trace of keys and signatures print. */
/* #define USE_CRYPTO_TRACE 1 */
#if defined(USE_CRYPTO_TRACE) && USE_CRYPTO_TRACE == 0
#undef USE_CRYPTO_TRACE
#define NO_CRYPTO_TRACE
#endif

/* The psTraceHs family and the library's trace of handshake messages print. */
/* #define USE_SSL_HANDSHAKE_MSG_TRACE 1 */
#if defined(USE_SSL_HANDSHAKE_MSG_TRACE) && USE_SSL_HANDSHAKE_MSG_TRACE == 0
#undef USE_SSL_HANDSHAKE_MSG_TRACE
#define NO_SSL_HANDSHAKE_MSG_TRACE
#endif

/* The psTraceInfo family and the library's trace of what becomes of connections print. */
/* #define USE_SSL_INFORMATIONAL_TRACE 1 */
#if defined(USE_SSL_INFORMATIONAL_TRACE) && USE_SSL_INFORMATIONAL_TRACE == 0
#undef USE_SSL_INFORMATIONAL_TRACE
#define NO_SSL_INFORMATIONAL_TRACE
#endif
#endif
