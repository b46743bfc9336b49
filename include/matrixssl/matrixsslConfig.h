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

/* TLS 1.0 and TLS 1.1, which RFC 8996 forbids: spoken only where the range of versions is set so at
 * run time. Default: off. */
#if defined(USE_TLS) && USE_TLS == 0
#undef USE_TLS
#endif
#if defined(USE_TLS_1_1) && USE_TLS_1_1 == 0
#undef USE_TLS_1_1
#endif

/* SSL 3.0, which RFC 7568 forbids, is not compiled. -DDISABLE_SSLV3=0 compiles it, to be spoken
 * only where the range of versions is set so at run time. Default: on. */
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

/* Bytes of a ClientHello that a server takes, 512 to 16384. Default: 16384. */
#ifndef SSL_MAX_CLIENT_HELLO
#define SSL_MAX_CLIENT_HELLO 16384
#endif

/* Bytes of the certificates that a peer shows, 1024 to 73728. Default: 73728. */
#ifndef SSL_MAX_CERTIFICATE_BYTES
#define SSL_MAX_CERTIFICATE_BYTES 73728
#endif

/* Records in a row that carry no data and that a peer may send, 1 to 1000000: more end the
 * connection. Default: 32. */
#ifndef SSL_MAX_IDLE_RECORDS
#define SSL_MAX_IDLE_RECORDS 32
#endif

/* A client may send data behind its Finished, before the server's. Has no effect: nothing leaves
 * before the handshake is complete. Default: off. */
/* #define ENABLE_FALSE_START */

#if !defined(USE_CERT_PARSE) && (defined(USE_CLIENT_SIDE_SSL) || defined(USE_CLIENT_AUTH))
#error "a client, and a server that asks for client certificates, need USE_CERT_PARSE"
#endif
#if !defined(USE_TLS_1_3) && !defined(USE_TLS_1_2)
#error "USE_TLS_1_3 or USE_TLS_1_2 is needed"
#endif
#if !defined(USE_TLS_1_2) && (defined(USE_TLS_1_1) || defined(USE_TLS) || !defined(DISABLE_SSLV3))
#error "versions below TLS 1.2 need USE_TLS_1_2"
#endif

#include "suiteConfig.h"
#endif
