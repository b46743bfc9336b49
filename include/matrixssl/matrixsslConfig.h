/* SPDX-License-Identifier: ISC */
/* Build options of the protocol: comment one out to leave it off, or pass -D to switch it on. */
#ifndef MATRIXSSL_MATRIXSSLCONFIG_H
#define MATRIXSSL_MATRIXSSLCONFIG_H
#include "cryptoConfig.h"

/* matrixSslNewClientSession() is there. Default: on. */
#ifndef USE_CLIENT_SIDE_SSL
#define USE_CLIENT_SIDE_SSL
#endif

/* matrixSslNewServerSession() is there. Default: on. */
#ifndef USE_SERVER_SIDE_SSL
#define USE_SERVER_SIDE_SSL
#endif

/* A server whose session has a certificate callback asks for the client's certificate. Default: on.
 */
#ifndef USE_CLIENT_AUTH
#define USE_CLIENT_AUTH
#endif

/* TLS 1.3, RFC 8446. Default: on. */
#ifndef USE_TLS_1_3
#define USE_TLS_1_3
#endif

/* SSL 3.0 does not exist here. Default: on. */
#ifndef DISABLE_SSLV3
#define DISABLE_SSLV3
#endif

/* Suites that are compiled and offered. Default: on. */
#ifndef USE_TLS_AES_128_GCM_SHA256
#define USE_TLS_AES_128_GCM_SHA256
#endif
#ifndef USE_TLS_AES_256_GCM_SHA384
#define USE_TLS_AES_256_GCM_SHA384
#endif
#ifndef USE_TLS_CHACHA20_POLY1305_SHA256
#define USE_TLS_CHACHA20_POLY1305_SHA256
#endif

/* The psTraceHs and psTraceInfo families of an application print. Default: off. */
/* #define USE_SSL_HANDSHAKE_MSG_TRACE */
/* #define USE_SSL_INFORMATIONAL_TRACE */
#endif
