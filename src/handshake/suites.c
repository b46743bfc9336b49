/* SPDX-License-Identifier: ISC */
#include "handshake/suites.h"

#include "base/options.h"

#define AEAD13(ID, AEAD, HASH, NAME)                                                    \
    {                                                                                   \
        .id = (ID), .version = 0x0304, .since = 0x0304, .aead = (AEAD), .hash = (HASH), \
        .by_default = true, .use = USE_##NAME, .name = #NAME                            \
    }
#define AEAD12(ID, KX, AUTH, AEAD, HASH, DEFAULT, NAME)                                           \
    {                                                                                             \
        .id = (ID), .version = 0x0303, .since = 0x0303, .kx = (KX), .auth = (AUTH),               \
        .aead = (AEAD), .hash = (HASH), .by_default = (DEFAULT), .use = USE_##NAME, .name = #NAME \
    }
#define CBC12(ID, KX, AUTH, CBC, MAC, HASH, NAME)                                                 \
    {                                                                                             \
        .id = (ID), .version = 0x0303, .since = 0x0303, .kx = (KX), .auth = (AUTH), .cbc = (CBC), \
        .mac = (MAC), .hash = (HASH), .use = USE_##NAME, .name = #NAME                            \
    }
/* Those of before: the PRF of TLS 1.2 is with SHA-256 (RFC 5246 section 5). */
#define CBC(ID, SINCE, KX, AUTH, CBC, NAME)                                                        \
    {                                                                                              \
        .id = (ID), .version = 0x0303, .since = (SINCE), .kx = (KX), .auth = (AUTH), .cbc = (CBC), \
        .mac = HASH_SHA1, .hash = HASH_SHA256, .use = USE_##NAME, .name = #NAME                    \
    }

/* Of whatever cipher, under an option that has the guide's name for it: the guide writes SSL where
 * IANA writes TLS. */
#define MAC12(ID, SINCE, KX, AUTH, OPTION, NAME, ...)                                \
    {                                                                                \
        .id = (ID), .version = 0x0303, .since = (SINCE), .kx = (KX), .auth = (AUTH), \
        .hash = HASH_SHA256, .use = USE_##OPTION, .name = #NAME, __VA_ARGS__         \
    }

/* In our order of preference: AEAD with forward secrecy, then what has to be asked for: CBC (only
 * encrypt-then-MAC makes it sound), and RSA key exchange, which has no forward secrecy. */
static const struct suite suites[] = {
#ifdef USE_TLS_AES_128_GCM_SHA256
    AEAD13(0x1301, AEAD_AES_128_GCM, HASH_SHA256, TLS_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_AES_256_GCM_SHA384
    AEAD13(0x1302, AEAD_AES_256_GCM, HASH_SHA384, TLS_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_CHACHA20_POLY1305_SHA256
    AEAD13(0x1303, AEAD_CHACHA20_POLY1305, HASH_SHA256, TLS_CHACHA20_POLY1305_SHA256),
#endif
#ifdef USE_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    AEAD12(0xc02b, KX_ECDHE, AUTH_ECDSA, AEAD_AES_128_GCM, HASH_SHA256, true,
           TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    AEAD12(0xc02f, KX_ECDHE, AUTH_RSA, AEAD_AES_128_GCM, HASH_SHA256, true,
           TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    AEAD12(0xc02c, KX_ECDHE, AUTH_ECDSA, AEAD_AES_256_GCM, HASH_SHA384, true,
           TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    AEAD12(0xc030, KX_ECDHE, AUTH_RSA, AEAD_AES_256_GCM, HASH_SHA384, true,
           TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    AEAD12(0xcca9, KX_ECDHE, AUTH_ECDSA, AEAD_CHACHA20_POLY1305, HASH_SHA256, true,
           TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
#endif
#ifdef USE_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    AEAD12(0xcca8, KX_ECDHE, AUTH_RSA, AEAD_CHACHA20_POLY1305, HASH_SHA256, true,
           TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
#endif
#ifdef USE_TLS_DHE_RSA_WITH_AES_128_GCM_SHA256
    AEAD12(0x009e, KX_DHE, AUTH_RSA, AEAD_AES_128_GCM, HASH_SHA256, false,
           TLS_DHE_RSA_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_DHE_RSA_WITH_AES_256_GCM_SHA384
    AEAD12(0x009f, KX_DHE, AUTH_RSA, AEAD_AES_256_GCM, HASH_SHA384, false,
           TLS_DHE_RSA_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    AEAD12(0xccaa, KX_DHE, AUTH_RSA, AEAD_CHACHA20_POLY1305, HASH_SHA256, false,
           TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
#endif
#ifdef USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256
    CBC12(0xc023, KX_ECDHE, AUTH_ECDSA, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256
    CBC12(0xc027, KX_ECDHE, AUTH_RSA, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384
    CBC12(0xc024, KX_ECDHE, AUTH_ECDSA, CBC_AES_256, HASH_SHA384, HASH_SHA384,
          TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384),
#endif
#ifdef USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384
    CBC12(0xc028, KX_ECDHE, AUTH_RSA, CBC_AES_256, HASH_SHA384, HASH_SHA384,
          TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384),
#endif
#ifdef USE_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    CBC(0xc009, 0x0301, KX_ECDHE, AUTH_ECDSA, CBC_AES_128, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
    CBC(0xc013, 0x0301, KX_ECDHE, AUTH_RSA, CBC_AES_128, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
    CBC(0xc00a, 0x0301, KX_ECDHE, AUTH_ECDSA, CBC_AES_256, TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA),
#endif
#ifdef USE_TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
    CBC(0xc014, 0x0301, KX_ECDHE, AUTH_RSA, CBC_AES_256, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA),
#endif
#ifdef USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA256
    CBC12(0x0067, KX_DHE, AUTH_RSA, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_DHE_RSA_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA256
    CBC12(0x006b, KX_DHE, AUTH_RSA, CBC_AES_256, HASH_SHA256, HASH_SHA256,
          TLS_DHE_RSA_WITH_AES_256_CBC_SHA256),
#endif
#ifdef USE_TLS_DHE_RSA_WITH_AES_128_CBC_SHA
    CBC(0x0033, 0x0300, KX_DHE, AUTH_RSA, CBC_AES_128, TLS_DHE_RSA_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_DHE_RSA_WITH_AES_256_CBC_SHA
    CBC(0x0039, 0x0300, KX_DHE, AUTH_RSA, CBC_AES_256, TLS_DHE_RSA_WITH_AES_256_CBC_SHA),
#endif
#ifdef USE_TLS_RSA_WITH_AES_128_GCM_SHA256
    AEAD12(0x009c, KX_RSA, AUTH_RSA, AEAD_AES_128_GCM, HASH_SHA256, false,
           TLS_RSA_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_RSA_WITH_AES_256_GCM_SHA384
    AEAD12(0x009d, KX_RSA, AUTH_RSA, AEAD_AES_256_GCM, HASH_SHA384, false,
           TLS_RSA_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_RSA_WITH_AES_128_CBC_SHA256
    CBC12(0x003c, KX_RSA, AUTH_RSA, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_RSA_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_RSA_WITH_AES_256_CBC_SHA256
    CBC12(0x003d, KX_RSA, AUTH_RSA, CBC_AES_256, HASH_SHA256, HASH_SHA256,
          TLS_RSA_WITH_AES_256_CBC_SHA256),
#endif
#ifdef USE_TLS_RSA_WITH_AES_128_CBC_SHA
    CBC(0x002f, 0x0300, KX_RSA, AUTH_RSA, CBC_AES_128, TLS_RSA_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_RSA_WITH_AES_256_CBC_SHA
    CBC(0x0035, 0x0300, KX_RSA, AUTH_RSA, CBC_AES_256, TLS_RSA_WITH_AES_256_CBC_SHA),
#endif
/* RFC 4279, 5487, 5489, 7905, 8442: with forward secrecy before those without */
#ifdef USE_TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256
    AEAD12(0xd001, KX_ECDHE_PSK, AUTH_ANY, AEAD_AES_128_GCM, HASH_SHA256, false,
           TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384
    AEAD12(0xd002, KX_ECDHE_PSK, AUTH_ANY, AEAD_AES_256_GCM, HASH_SHA384, false,
           TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256
    AEAD12(0xccac, KX_ECDHE_PSK, AUTH_ANY, AEAD_CHACHA20_POLY1305, HASH_SHA256, false,
           TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256),
#endif
#ifdef USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256
    CBC12(0xc037, KX_ECDHE_PSK, AUTH_ANY, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384
    CBC12(0xc038, KX_ECDHE_PSK, AUTH_ANY, CBC_AES_256, HASH_SHA384, HASH_SHA384,
          TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384),
#endif
#ifdef USE_TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA
    CBC(0xc035, 0x0301, KX_ECDHE_PSK, AUTH_ANY, CBC_AES_128, TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA
    CBC(0xc036, 0x0301, KX_ECDHE_PSK, AUTH_ANY, CBC_AES_256, TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA),
#endif
#ifdef USE_TLS_DHE_PSK_WITH_AES_128_GCM_SHA256
    AEAD12(0x00aa, KX_DHE_PSK, AUTH_ANY, AEAD_AES_128_GCM, HASH_SHA256, false,
           TLS_DHE_PSK_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_DHE_PSK_WITH_AES_256_GCM_SHA384
    AEAD12(0x00ab, KX_DHE_PSK, AUTH_ANY, AEAD_AES_256_GCM, HASH_SHA384, false,
           TLS_DHE_PSK_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256
    AEAD12(0xccad, KX_DHE_PSK, AUTH_ANY, AEAD_CHACHA20_POLY1305, HASH_SHA256, false,
           TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256),
#endif
#ifdef USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA256
    CBC12(0x00b2, KX_DHE_PSK, AUTH_ANY, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_DHE_PSK_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA384
    CBC12(0x00b3, KX_DHE_PSK, AUTH_ANY, CBC_AES_256, HASH_SHA384, HASH_SHA384,
          TLS_DHE_PSK_WITH_AES_256_CBC_SHA384),
#endif
#ifdef USE_TLS_DHE_PSK_WITH_AES_128_CBC_SHA
    CBC(0x0090, 0x0301, KX_DHE_PSK, AUTH_ANY, CBC_AES_128, TLS_DHE_PSK_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_DHE_PSK_WITH_AES_256_CBC_SHA
    CBC(0x0091, 0x0301, KX_DHE_PSK, AUTH_ANY, CBC_AES_256, TLS_DHE_PSK_WITH_AES_256_CBC_SHA),
#endif
#ifdef USE_TLS_RSA_PSK_WITH_AES_128_GCM_SHA256
    AEAD12(0x00ac, KX_RSA_PSK, AUTH_RSA, AEAD_AES_128_GCM, HASH_SHA256, false,
           TLS_RSA_PSK_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_RSA_PSK_WITH_AES_256_GCM_SHA384
    AEAD12(0x00ad, KX_RSA_PSK, AUTH_RSA, AEAD_AES_256_GCM, HASH_SHA384, false,
           TLS_RSA_PSK_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256
    AEAD12(0xccae, KX_RSA_PSK, AUTH_RSA, AEAD_CHACHA20_POLY1305, HASH_SHA256, false,
           TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256),
#endif
#ifdef USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA256
    CBC12(0x00b6, KX_RSA_PSK, AUTH_RSA, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_RSA_PSK_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA384
    CBC12(0x00b7, KX_RSA_PSK, AUTH_RSA, CBC_AES_256, HASH_SHA384, HASH_SHA384,
          TLS_RSA_PSK_WITH_AES_256_CBC_SHA384),
#endif
#ifdef USE_TLS_RSA_PSK_WITH_AES_128_CBC_SHA
    CBC(0x0094, 0x0301, KX_RSA_PSK, AUTH_RSA, CBC_AES_128, TLS_RSA_PSK_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_RSA_PSK_WITH_AES_256_CBC_SHA
    CBC(0x0095, 0x0301, KX_RSA_PSK, AUTH_RSA, CBC_AES_256, TLS_RSA_PSK_WITH_AES_256_CBC_SHA),
#endif
#ifdef USE_TLS_PSK_WITH_AES_128_GCM_SHA256
    AEAD12(0x00a8, KX_PSK, AUTH_ANY, AEAD_AES_128_GCM, HASH_SHA256, false,
           TLS_PSK_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_PSK_WITH_AES_256_GCM_SHA384
    AEAD12(0x00a9, KX_PSK, AUTH_ANY, AEAD_AES_256_GCM, HASH_SHA384, false,
           TLS_PSK_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_PSK_WITH_CHACHA20_POLY1305_SHA256
    AEAD12(0xccab, KX_PSK, AUTH_ANY, AEAD_CHACHA20_POLY1305, HASH_SHA256, false,
           TLS_PSK_WITH_CHACHA20_POLY1305_SHA256),
#endif
#ifdef USE_TLS_PSK_WITH_AES_128_CBC_SHA256
    CBC12(0x00ae, KX_PSK, AUTH_ANY, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_PSK_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_PSK_WITH_AES_256_CBC_SHA384
    CBC12(0x00af, KX_PSK, AUTH_ANY, CBC_AES_256, HASH_SHA384, HASH_SHA384,
          TLS_PSK_WITH_AES_256_CBC_SHA384),
#endif
#ifdef USE_TLS_PSK_WITH_AES_128_CBC_SHA
    CBC(0x008c, 0x0301, KX_PSK, AUTH_ANY, CBC_AES_128, TLS_PSK_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_PSK_WITH_AES_256_CBC_SHA
    CBC(0x008d, 0x0301, KX_PSK, AUTH_ANY, CBC_AES_256, TLS_PSK_WITH_AES_256_CBC_SHA),
#endif
/* What is broken, or never was a cipher: legacy builds have it, for whoever names it. */
#ifdef USE_SSL_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA
    MAC12(0xc008, 0x0301, KX_ECDHE, AUTH_ECDSA, SSL_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA,
          TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA, .cbc = CBC_3DES, .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA
    MAC12(0xc012, 0x0301, KX_ECDHE, AUTH_RSA, SSL_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
          TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, .cbc = CBC_3DES, .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_DHE_RSA_WITH_3DES_EDE_CBC_SHA
    MAC12(0x0016, 0x0300, KX_DHE, AUTH_RSA, SSL_DHE_RSA_WITH_3DES_EDE_CBC_SHA,
          TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA, .cbc = CBC_3DES, .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_RSA_WITH_3DES_EDE_CBC_SHA
    MAC12(0x000a, 0x0300, KX_RSA, AUTH_RSA, SSL_RSA_WITH_3DES_EDE_CBC_SHA,
          TLS_RSA_WITH_3DES_EDE_CBC_SHA, .cbc = CBC_3DES, .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_ECDHE_ECDSA_WITH_RC4_128_SHA
    MAC12(0xc007, 0x0301, KX_ECDHE, AUTH_ECDSA, SSL_ECDHE_ECDSA_WITH_RC4_128_SHA,
          TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, .stream = STREAM_RC4, .look = scipher_look,
          .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_ECDHE_RSA_WITH_RC4_128_SHA
    MAC12(0xc011, 0x0301, KX_ECDHE, AUTH_RSA, SSL_ECDHE_RSA_WITH_RC4_128_SHA,
          TLS_ECDHE_RSA_WITH_RC4_128_SHA, .stream = STREAM_RC4, .look = scipher_look,
          .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_RSA_WITH_RC4_128_SHA
    MAC12(0x0005, 0x0300, KX_RSA, AUTH_RSA, SSL_RSA_WITH_RC4_128_SHA, TLS_RSA_WITH_RC4_128_SHA,
          .stream = STREAM_RC4, .look = scipher_look, .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_RSA_WITH_RC4_128_MD5
    MAC12(0x0004, 0x0300, KX_RSA, AUTH_RSA, SSL_RSA_WITH_RC4_128_MD5, TLS_RSA_WITH_RC4_128_MD5,
          .stream = STREAM_RC4, .look = scipher_look, .mac = HASH_MD5),
#endif
#ifdef USE_TLS_RSA_WITH_NULL_SHA256
    MAC12(0x003b, 0x0303, KX_RSA, AUTH_RSA, TLS_RSA_WITH_NULL_SHA256, TLS_RSA_WITH_NULL_SHA256,
          .stream = STREAM_NULL, .mac = HASH_SHA256),
#endif
#ifdef USE_SSL_RSA_WITH_NULL_SHA
    MAC12(0x0002, 0x0300, KX_RSA, AUTH_RSA, SSL_RSA_WITH_NULL_SHA, TLS_RSA_WITH_NULL_SHA,
          .stream = STREAM_NULL, .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_RSA_WITH_NULL_MD5
    MAC12(0x0001, 0x0300, KX_RSA, AUTH_RSA, SSL_RSA_WITH_NULL_MD5, TLS_RSA_WITH_NULL_MD5,
          .stream = STREAM_NULL, .mac = HASH_MD5),
#endif
/* who the server is nobody knows */
#ifdef USE_TLS_DH_anon_WITH_AES_128_GCM_SHA256
    AEAD12(0x00a6, KX_DH_ANON, AUTH_ANY, AEAD_AES_128_GCM, HASH_SHA256, false,
           TLS_DH_anon_WITH_AES_128_GCM_SHA256),
#endif
#ifdef USE_TLS_DH_anon_WITH_AES_256_GCM_SHA384
    AEAD12(0x00a7, KX_DH_ANON, AUTH_ANY, AEAD_AES_256_GCM, HASH_SHA384, false,
           TLS_DH_anon_WITH_AES_256_GCM_SHA384),
#endif
#ifdef USE_TLS_DH_anon_WITH_AES_128_CBC_SHA256
    CBC12(0x006c, KX_DH_ANON, AUTH_ANY, CBC_AES_128, HASH_SHA256, HASH_SHA256,
          TLS_DH_anon_WITH_AES_128_CBC_SHA256),
#endif
#ifdef USE_TLS_DH_anon_WITH_AES_256_CBC_SHA256
    CBC12(0x006d, KX_DH_ANON, AUTH_ANY, CBC_AES_256, HASH_SHA256, HASH_SHA256,
          TLS_DH_anon_WITH_AES_256_CBC_SHA256),
#endif
#ifdef USE_TLS_DH_anon_WITH_AES_128_CBC_SHA
    CBC(0x0034, 0x0300, KX_DH_ANON, AUTH_ANY, CBC_AES_128, TLS_DH_anon_WITH_AES_128_CBC_SHA),
#endif
#ifdef USE_TLS_DH_anon_WITH_AES_256_CBC_SHA
    CBC(0x003a, 0x0300, KX_DH_ANON, AUTH_ANY, CBC_AES_256, TLS_DH_anon_WITH_AES_256_CBC_SHA),
#endif
#ifdef USE_SSL_DH_anon_WITH_3DES_EDE_CBC_SHA
    MAC12(0x001b, 0x0300, KX_DH_ANON, AUTH_ANY, SSL_DH_anon_WITH_3DES_EDE_CBC_SHA,
          TLS_DH_anon_WITH_3DES_EDE_CBC_SHA, .cbc = CBC_3DES, .mac = HASH_SHA1),
#endif
#ifdef USE_SSL_DH_anon_WITH_RC4_128_MD5
    MAC12(0x0018, 0x0300, KX_DH_ANON, AUTH_ANY, SSL_DH_anon_WITH_RC4_128_MD5,
          TLS_DH_anon_WITH_RC4_128_MD5, .stream = STREAM_RC4, .look = scipher_look,
          .mac = HASH_MD5),
#endif
};
#define NSUITES (sizeof suites / sizeof *suites)

const struct suite *suite_at(size_t i)
{
    return i < NSUITES ? &suites[i] : NULL;
}

const struct suite *suite_by_id(uint16_t id)
{
    for (size_t i = 0; i < NSUITES; i++) {
        if (suites[i].id == id) {
            return &suites[i];
        }
    }
    return NULL;
}

struct key_sizes suite_key_sizes(const struct suite *s, uint16_t version)
{
    if (s->cbc != CBC_NONE) {
        return (struct key_sizes){ hash_size(s->mac), cbc_key_size(s->cbc),
                                   cbc_iv_size(s->cbc, version) };
    }
    if (s->stream != STREAM_NONE) {
        return (struct key_sizes){ hash_size(s->mac), scipher_key_size(s->stream), 0 };
    }
    /* The salt of GCM (RFC 5288 section 3), the whole nonce of ChaCha20 (RFC 7905 section 2). */
    return (struct key_sizes){ 0, aead_key_size(s->aead),
                               s->aead == AEAD_CHACHA20_POLY1305 ? AEAD_IV : 4 };
}
