/* SPDX-License-Identifier: ISC */
/* Build options of the protocol: -DOPTION=0 leaves one off, -DOPTION switches one on. */
#ifndef MATRIXSSL_MATRIXSSLCONFIG_H
#define MATRIXSSL_MATRIXSSLCONFIG_H
#include "cryptoConfig.h"

/* matrixSslNewClientSession() is there. Default: on. */
#ifndef USE_CLIENT_SIDE_SSL
#define USE_CLIENT_SIDE_SSL 1
#elif USE_CLIENT_SIDE_SSL == 0
#undef USE_CLIENT_SIDE_SSL
#endif

/* matrixSslNewServerSession() is there. Default: on. */
#ifndef USE_SERVER_SIDE_SSL
#define USE_SERVER_SIDE_SSL 1
#elif USE_SERVER_SIDE_SSL == 0
#undef USE_SERVER_SIDE_SSL
#endif

/* A server whose session has a certificate callback asks for the client's certificate. Default: on.
 */
#ifndef USE_CLIENT_AUTH
#define USE_CLIENT_AUTH 1
#elif USE_CLIENT_AUTH == 0
#undef USE_CLIENT_AUTH
#endif

/* A server may ask for the client's certificate although it has loaded no CA to name. Default: off.
 */
/* #define SERVER_CAN_SEND_EMPTY_CERT_REQUEST */

/* TLS 1.3, RFC 8446. Default: on. */
#ifndef USE_TLS_1_3
#define USE_TLS_1_3 1
#elif USE_TLS_1_3 == 0
#undef USE_TLS_1_3
#endif

/* TLS 1.2, RFC 5246. Default: on. */
#ifndef USE_TLS_1_2
#define USE_TLS_1_2 1
#elif USE_TLS_1_2 == 0
#undef USE_TLS_1_2
#endif

/* TLS 1.0 and 1.1 (RFC 8996 forbids both). Have no effect yet: neither is compiled. Default: off.
 */
/* #define USE_TLS */
/* #define USE_TLS_1_1 */

/* SSL 3.0 does not exist here, whatever this says. Default: on. */
#ifndef DISABLE_SSLV3
#define DISABLE_SSLV3 1
#elif DISABLE_SSLV3 == 0
#undef DISABLE_SSLV3
#endif

/* Re-handshakes on a TLS 1.2 connection, bound to it by RFC 5746. Default: on. */
#ifndef ENABLE_SECURE_REHANDSHAKES
#define ENABLE_SECURE_REHANDSHAKES 1
#elif ENABLE_SECURE_REHANDSHAKES == 0
#undef ENABLE_SECURE_REHANDSHAKES
#endif

/* No TLS 1.2 connection with a peer that does not know RFC 5746. Default: on. */
#ifndef REQUIRE_SECURE_REHANDSHAKES
#define REQUIRE_SECURE_REHANDSHAKES 1
#elif REQUIRE_SECURE_REHANDSHAKES == 0
#undef REQUIRE_SECURE_REHANDSHAKES
#endif

/* Re-handshakes with a peer that does not know RFC 5746: an attacker may have spoken before it. Not
 * recommended. Default: off. */
/* #define ENABLE_INSECURE_REHANDSHAKES */

/* What applications test before they call matrixSslEncodeRehandshake(). */
#if defined(ENABLE_SECURE_REHANDSHAKES) || defined(ENABLE_INSECURE_REHANDSHAKES)
#define SSL_REHANDSHAKES_ENABLED
#endif

/* Sessions that the process keeps for resumption by session id. Default: 32. */
#ifndef SSL_SESSION_TABLE_SIZE
#define SSL_SESSION_TABLE_SIZE 32
#endif

/* Milliseconds that a session may be resumed, by id or by ticket. Default: one day. */
#ifndef SSL_SESSION_ENTRY_LIFE
#define SSL_SESSION_ENTRY_LIFE (86400 * 1000)
#endif

/* A client may send data behind its Finished, before the server's. Has no effect: nothing leaves
 * before the handshake is complete. Default: off. */
/* #define ENABLE_FALSE_START */

/* Suites that are compiled, and offered and accepted from the start. Default: on. */
#ifdef USE_TLS_1_3
#ifndef USE_TLS_AES_128_GCM_SHA256
#define USE_TLS_AES_128_GCM_SHA256 1
#elif USE_TLS_AES_128_GCM_SHA256 == 0
#undef USE_TLS_AES_128_GCM_SHA256
#endif
#ifndef USE_TLS_AES_256_GCM_SHA384
#define USE_TLS_AES_256_GCM_SHA384 1
#elif USE_TLS_AES_256_GCM_SHA384 == 0
#undef USE_TLS_AES_256_GCM_SHA384
#endif
#ifndef USE_TLS_CHACHA20_POLY1305_SHA256
#define USE_TLS_CHACHA20_POLY1305_SHA256 1
#elif USE_TLS_CHACHA20_POLY1305_SHA256 == 0
#undef USE_TLS_CHACHA20_POLY1305_SHA256
#endif
#endif
#ifdef USE_TLS_1_2
#ifndef USE_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define USE_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 1
#elif USE_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 == 0
#undef USE_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#endif
#ifndef USE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
#define USE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 1
#elif USE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 == 0
#undef USE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
#endif
#ifndef USE_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
#define USE_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 1
#elif USE_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 == 0
#undef USE_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
#endif
#ifndef USE_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
#define USE_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 1
#elif USE_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 == 0
#undef USE_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
#endif
#ifndef USE_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
#define USE_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 1
#elif USE_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 == 0
#undef USE_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
#endif
#ifndef USE_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
#define USE_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 1
#elif USE_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 == 0
#undef USE_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
#endif
#endif

/* Suites that are compiled and wait for matrixSslSetCipherSuiteEnabledStatus(), or for a client
 * that nominates them: CBC, and RSA key exchange, which has no forward secrecy. Switched on, they
 * are offered and accepted from the start. Default: off. */
/* #define USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 */
/* #define USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 */
/* #define USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 */
/* #define USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 */
/* #define USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA */
/* #define USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA */
/* #define USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA */
/* #define USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA */
/* #define USE_TLS_RSA_WITH_AES_128_GCM_SHA256 */
/* #define USE_TLS_RSA_WITH_AES_256_GCM_SHA384 */
/* #define USE_TLS_RSA_WITH_AES_128_CBC_SHA256 */
/* #define USE_TLS_RSA_WITH_AES_256_CBC_SHA256 */
/* #define USE_TLS_RSA_WITH_AES_128_CBC_SHA */
/* #define USE_TLS_RSA_WITH_AES_256_CBC_SHA */
/* The suites with DHE and PSK are not compiled yet; those with 3DES, RC4, NULL, MD5 and without
 * authentication never are. */

/* The handshake trace and the informational trace print: the library's, and the psTraceHs and
 * psTraceInfo families of an application. Default: off. */
/* #define USE_SSL_HANDSHAKE_MSG_TRACE */
/* #define USE_SSL_INFORMATIONAL_TRACE */

#if !defined(USE_CERT_PARSE) && (defined(USE_CLIENT_SIDE_SSL) || defined(USE_CLIENT_AUTH))
#error "a client, and a server that asks for client certificates, need USE_CERT_PARSE"
#endif
#endif
