/* SPDX-License-Identifier: ISC */
/* The build options as the library's own files see them: what is not compiled is not defined, what
 * is waits for a name (SUITE_WAITS) or is in use from the start (1). Every other file asks here,
 * and only for whole files and rows of tables. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H
#ifdef MATRIXSSL_MATRIXSSLCONFIG_H
#error "base/options.h goes before the headers of matrixssl/"
#endif
#include <matrixssl/profileConfig.h>

#define SUITE_WAITS 2

/* Suites that are compiled unless they are left out: applications do not see these. */
#ifndef SLEEVE_PROFILE_SMALL
#ifndef USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
#define USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256
#define USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384
#define USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384
#define USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
#define USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
#define USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
#define USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
#define USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_WITH_AES_128_GCM_SHA256
#define USE_TLS_RSA_WITH_AES_128_GCM_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_WITH_AES_256_GCM_SHA384
#define USE_TLS_RSA_WITH_AES_256_GCM_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_WITH_AES_128_CBC_SHA256
#define USE_TLS_RSA_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_WITH_AES_256_CBC_SHA256
#define USE_TLS_RSA_WITH_AES_256_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_WITH_AES_128_CBC_SHA
#define USE_TLS_RSA_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_WITH_AES_256_CBC_SHA
#define USE_TLS_RSA_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_RSA_WITH_AES_128_GCM_SHA256
#define USE_TLS_DHE_RSA_WITH_AES_128_GCM_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_RSA_WITH_AES_256_GCM_SHA384
#define USE_TLS_DHE_RSA_WITH_AES_256_GCM_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256
#define USE_TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA256
#define USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA256
#define USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA
#define USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA
#define USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256
#define USE_TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384
#define USE_TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256
#define USE_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256
#define USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384
#define USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA
#define USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA
#define USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_PSK_WITH_AES_128_GCM_SHA256
#define USE_TLS_DHE_PSK_WITH_AES_128_GCM_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_PSK_WITH_AES_256_GCM_SHA384
#define USE_TLS_DHE_PSK_WITH_AES_256_GCM_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256
#define USE_TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA256
#define USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA384
#define USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA
#define USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA
#define USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_PSK_WITH_AES_128_GCM_SHA256
#define USE_TLS_RSA_PSK_WITH_AES_128_GCM_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_PSK_WITH_AES_256_GCM_SHA384
#define USE_TLS_RSA_PSK_WITH_AES_256_GCM_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256
#define USE_TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA256
#define USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA384
#define USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA
#define USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA
#define USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_PSK_WITH_AES_128_GCM_SHA256
#define USE_TLS_PSK_WITH_AES_128_GCM_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_PSK_WITH_AES_256_GCM_SHA384
#define USE_TLS_PSK_WITH_AES_256_GCM_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_PSK_WITH_CHACHA20_POLY1305_SHA256
#define USE_TLS_PSK_WITH_CHACHA20_POLY1305_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_PSK_WITH_AES_128_CBC_SHA256
#define USE_TLS_PSK_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_PSK_WITH_AES_256_CBC_SHA384
#define USE_TLS_PSK_WITH_AES_256_CBC_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_PSK_WITH_AES_128_CBC_SHA
#define USE_TLS_PSK_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_PSK_WITH_AES_256_CBC_SHA
#define USE_TLS_PSK_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#endif
#ifdef SLEEVE_PROFILE_LEGACY
#ifndef USE_TLS_DH_anon_WITH_AES_128_GCM_SHA256
#define USE_TLS_DH_anon_WITH_AES_128_GCM_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DH_anon_WITH_AES_256_GCM_SHA384
#define USE_TLS_DH_anon_WITH_AES_256_GCM_SHA384 SUITE_WAITS
#endif
#ifndef USE_TLS_DH_anon_WITH_AES_128_CBC_SHA256
#define USE_TLS_DH_anon_WITH_AES_128_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DH_anon_WITH_AES_256_CBC_SHA256
#define USE_TLS_DH_anon_WITH_AES_256_CBC_SHA256 SUITE_WAITS
#endif
#ifndef USE_TLS_DH_anon_WITH_AES_128_CBC_SHA
#define USE_TLS_DH_anon_WITH_AES_128_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_TLS_DH_anon_WITH_AES_256_CBC_SHA
#define USE_TLS_DH_anon_WITH_AES_256_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_SSL_DH_anon_WITH_3DES_EDE_CBC_SHA
#define USE_SSL_DH_anon_WITH_3DES_EDE_CBC_SHA SUITE_WAITS
#endif
#ifndef USE_SSL_DH_anon_WITH_RC4_128_MD5
#define USE_SSL_DH_anon_WITH_RC4_128_MD5 SUITE_WAITS
#endif
#ifndef USE_TLS_RSA_WITH_NULL_SHA256
#define USE_TLS_RSA_WITH_NULL_SHA256 SUITE_WAITS
#endif
#ifndef USE_SSL_RSA_WITH_NULL_SHA
#define USE_SSL_RSA_WITH_NULL_SHA SUITE_WAITS
#endif
#ifndef USE_SSL_RSA_WITH_NULL_MD5
#define USE_SSL_RSA_WITH_NULL_MD5 SUITE_WAITS
#endif
#endif

#include <matrixssl/matrixsslConfig.h>

/* What the rest follows from. */
#ifndef DISABLE_SSLV3
#define USE_SSL3
#endif
#if defined(USE_TLS_1_1) || defined(USE_TLS) || defined(USE_SSL3)
#define USE_OLD_TLS
#endif
#if defined(USE_SSL_RSA_WITH_RC4_128_SHA) || defined(USE_SSL_RSA_WITH_RC4_128_MD5) || \
    defined(USE_SSL_ECDHE_RSA_WITH_RC4_128_SHA) ||                                    \
    defined(USE_SSL_ECDHE_ECDSA_WITH_RC4_128_SHA) || defined(USE_SSL_DH_anon_WITH_RC4_128_MD5)
#define USE_RC4 1
#endif
#if defined(USE_SSL_RSA_WITH_3DES_EDE_CBC_SHA) ||         \
    defined(USE_SSL_DHE_RSA_WITH_3DES_EDE_CBC_SHA) ||     \
    defined(USE_SSL_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA) ||   \
    defined(USE_SSL_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA) || \
    defined(USE_SSL_DH_anon_WITH_3DES_EDE_CBC_SHA)
#define USE_3DES 1
#endif
#if defined(USE_TLS_RSA_WITH_NULL_SHA256) || defined(USE_SSL_RSA_WITH_NULL_SHA) || \
    defined(USE_SSL_RSA_WITH_NULL_MD5)
#define USE_NULL 1
#endif
#if defined(USE_TLS_DH_anon_WITH_AES_128_GCM_SHA256) || \
    defined(USE_TLS_DH_anon_WITH_AES_256_GCM_SHA384) || \
    defined(USE_TLS_DH_anon_WITH_AES_128_CBC_SHA256) || \
    defined(USE_TLS_DH_anon_WITH_AES_256_CBC_SHA256) || \
    defined(USE_TLS_DH_anon_WITH_AES_128_CBC_SHA) ||    \
    defined(USE_TLS_DH_anon_WITH_AES_256_CBC_SHA) ||    \
    defined(USE_SSL_DH_anon_WITH_3DES_EDE_CBC_SHA) || defined(USE_SSL_DH_anon_WITH_RC4_128_MD5)
#define USE_ANON 1
#endif
#if defined(USE_OLD_TLS) || defined(USE_SSL_RSA_WITH_RC4_128_MD5) || \
    defined(USE_SSL_DH_anon_WITH_RC4_128_MD5) || defined(USE_SSL_RSA_WITH_NULL_MD5)
#define USE_MD5 1
#endif
#if defined(USE_TLS_DHE_RSA_WITH_AES_128_GCM_SHA256) ||       \
    defined(USE_TLS_DHE_RSA_WITH_AES_256_GCM_SHA384) ||       \
    defined(USE_TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256) || \
    defined(USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA256) ||       \
    defined(USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA256) ||       \
    defined(USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA) ||          \
    defined(USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA) ||          \
    defined(USE_TLS_DHE_PSK_WITH_AES_128_GCM_SHA256) ||       \
    defined(USE_TLS_DHE_PSK_WITH_AES_256_GCM_SHA384) ||       \
    defined(USE_TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256) || \
    defined(USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA256) ||       \
    defined(USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA384) ||       \
    defined(USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA) ||          \
    defined(USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA) ||          \
    defined(USE_SSL_DHE_RSA_WITH_3DES_EDE_CBC_SHA) ||         \
    defined(USE_TLS_DH_anon_WITH_AES_128_GCM_SHA256) ||       \
    defined(USE_TLS_DH_anon_WITH_AES_256_GCM_SHA384) ||       \
    defined(USE_TLS_DH_anon_WITH_AES_128_CBC_SHA256) ||       \
    defined(USE_TLS_DH_anon_WITH_AES_256_CBC_SHA256) ||       \
    defined(USE_TLS_DH_anon_WITH_AES_128_CBC_SHA) ||          \
    defined(USE_TLS_DH_anon_WITH_AES_256_CBC_SHA) ||          \
    defined(USE_SSL_DH_anon_WITH_3DES_EDE_CBC_SHA) || defined(USE_SSL_DH_anon_WITH_RC4_128_MD5)
#define USE_DHE 1
#endif
#if defined(USE_TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256) ||                                        \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384) ||                                        \
    defined(USE_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256) ||                                  \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256) ||                                        \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384) ||                                        \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA) ||                                           \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA) ||                                           \
    defined(USE_TLS_DHE_PSK_WITH_AES_128_GCM_SHA256) ||                                          \
    defined(USE_TLS_DHE_PSK_WITH_AES_256_GCM_SHA384) ||                                          \
    defined(USE_TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256) ||                                    \
    defined(USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA256) ||                                          \
    defined(USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA384) ||                                          \
    defined(USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA) ||                                             \
    defined(USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA) ||                                             \
    defined(USE_TLS_RSA_PSK_WITH_AES_128_GCM_SHA256) ||                                          \
    defined(USE_TLS_RSA_PSK_WITH_AES_256_GCM_SHA384) ||                                          \
    defined(USE_TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256) ||                                    \
    defined(USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA256) ||                                          \
    defined(USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA384) ||                                          \
    defined(USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA) ||                                             \
    defined(USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA) ||                                             \
    defined(USE_TLS_PSK_WITH_AES_128_GCM_SHA256) ||                                              \
    defined(USE_TLS_PSK_WITH_AES_256_GCM_SHA384) ||                                              \
    defined(USE_TLS_PSK_WITH_CHACHA20_POLY1305_SHA256) ||                                        \
    defined(USE_TLS_PSK_WITH_AES_128_CBC_SHA256) ||                                              \
    defined(USE_TLS_PSK_WITH_AES_256_CBC_SHA384) || defined(USE_TLS_PSK_WITH_AES_128_CBC_SHA) || \
    defined(USE_TLS_PSK_WITH_AES_256_CBC_SHA)
#define USE_PSK 1
#endif

#if defined(PS_AES_IMPROVE_PERF_INCREASE_CODESIZE) && defined(__x86_64__) && \
    __has_include(<intel-ipsec-mb.h>)
#define USE_IPSEC_MB 1
#endif
#if defined(USE_RC4) || defined(USE_NULL)
#define USE_STREAM 1
#endif
#if defined(USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256) ||                                      \
    defined(USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256) ||                                        \
    defined(USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384) ||                                      \
    defined(USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384) ||                                        \
    defined(USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA) ||                                         \
    defined(USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA) ||                                           \
    defined(USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA) ||                                         \
    defined(USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA) ||                                           \
    defined(USE_TLS_RSA_WITH_AES_128_CBC_SHA256) ||                                              \
    defined(USE_TLS_RSA_WITH_AES_256_CBC_SHA256) || defined(USE_TLS_RSA_WITH_AES_128_CBC_SHA) || \
    defined(USE_TLS_RSA_WITH_AES_256_CBC_SHA) ||                                                 \
    defined(USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA256) ||                                          \
    defined(USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA256) ||                                          \
    defined(USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA) ||                                             \
    defined(USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA) ||                                             \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256) ||                                        \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384) ||                                        \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA) ||                                           \
    defined(USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA) ||                                           \
    defined(USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA256) ||                                          \
    defined(USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA384) ||                                          \
    defined(USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA) ||                                             \
    defined(USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA) ||                                             \
    defined(USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA256) ||                                          \
    defined(USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA384) ||                                          \
    defined(USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA) ||                                             \
    defined(USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA) ||                                             \
    defined(USE_TLS_PSK_WITH_AES_128_CBC_SHA256) ||                                              \
    defined(USE_TLS_PSK_WITH_AES_256_CBC_SHA384) || defined(USE_TLS_PSK_WITH_AES_128_CBC_SHA) || \
    defined(USE_TLS_PSK_WITH_AES_256_CBC_SHA) || defined(USE_SSL_RSA_WITH_3DES_EDE_CBC_SHA) ||   \
    defined(USE_SSL_DHE_RSA_WITH_3DES_EDE_CBC_SHA) ||                                            \
    defined(USE_SSL_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA) ||                                          \
    defined(USE_SSL_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA) ||                                        \
    defined(USE_TLS_DH_anon_WITH_AES_128_CBC_SHA256) ||                                          \
    defined(USE_TLS_DH_anon_WITH_AES_256_CBC_SHA256) ||                                          \
    defined(USE_TLS_DH_anon_WITH_AES_128_CBC_SHA) ||                                             \
    defined(USE_TLS_DH_anon_WITH_AES_256_CBC_SHA) ||                                             \
    defined(USE_SSL_DH_anon_WITH_3DES_EDE_CBC_SHA)
#define USE_CBC 1
#endif
#if defined(USE_PSK) || defined(USE_TLS_RSA_WITH_AES_128_GCM_SHA256) ||                          \
    defined(USE_TLS_RSA_WITH_AES_256_GCM_SHA384) ||                                              \
    defined(USE_TLS_RSA_WITH_AES_128_CBC_SHA256) ||                                              \
    defined(USE_TLS_RSA_WITH_AES_256_CBC_SHA256) || defined(USE_TLS_RSA_WITH_AES_128_CBC_SHA) || \
    defined(USE_TLS_RSA_WITH_AES_256_CBC_SHA) || defined(USE_SSL_RSA_WITH_3DES_EDE_CBC_SHA) ||   \
    defined(USE_SSL_RSA_WITH_RC4_128_SHA) || defined(USE_SSL_RSA_WITH_RC4_128_MD5) ||            \
    defined(USE_NULL)
#define USE_RSA_KX 1
#endif
#endif
