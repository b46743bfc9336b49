/* SPDX-License-Identifier: ISC */
/* Cipher suites as const rows (RFC 8446 appendix B.4; RFC 5246, 5288, 5289, 7905). */
#ifndef HANDSHAKE_SUITES_H
#define HANDSHAKE_SUITES_H
#include "base/buf.h"
#include "crypto/crypto.h"

/* TLS 1.2 key exchanges; a suite of TLS 1.3 says nothing about it. */
enum kx {
    KX_ANY,
    KX_ECDHE,
    KX_RSA,
    KX_DHE,
    KX_DH_ANON,
    /* with a pre-shared key */
    KX_PSK,
    KX_DHE_PSK,
    KX_ECDHE_PSK,
    KX_RSA_PSK,
    KX_COUNT
};
enum auth { AUTH_ANY, AUTH_RSA, AUTH_ECDSA }; /* AUTH_ECDSA: EdDSA too (RFC 8422) */

struct suite {
    uint16_t id;
    uint16_t version; /* the last it belongs to, */
    uint16_t since;   /* and the first */
    enum kx kx;
    enum auth auth;
    enum aead_id aead;     /* when the next two are NONE */
    enum cbc_id cbc;       /* or */
    enum stream_id stream; /* one of these, which have */
    enum hash_id mac;      /* this beside them */
    enum hash_id hash;     /* HKDF, or PRF of TLS 1.2 */
    bool by_default;       /* offered and accepted unless the suites are named */
    uint8_t use;           /* value of its build option: 1, or SUITE_WAITS for the guide's API */
    const char *name;      /* IANA's */
    int (*look)(enum stream_id id); /* what suite_look() asks; NULL: nobody */
};
/* 0, or ERR_UNSUPPORTED: it needs libcrypto's legacy provider, which is not installed. */
static inline int suite_look(const struct suite *s)
{
    return s->look ? s->look(s->stream) : 0;
}
static inline bool suite_has_psk(const struct suite *s)
{
    return s->kx >= KX_PSK;
}
/* Does this version have it? */
static inline bool suite_fits(const struct suite *s, uint16_t version)
{
    return s->since <= version && version <= s->version;
}
/* Bytes of one direction in the key block (RFC 5246 section 6.3). */
struct key_sizes {
    size_t mac, key, iv;
};
struct key_sizes suite_key_sizes(const struct suite *s, uint16_t version);
const struct suite *suite_by_id(uint16_t id); /* NULL: we have none of that number */
const struct suite *suite_at(size_t i);       /* in our order of preference; NULL ends */
#endif
