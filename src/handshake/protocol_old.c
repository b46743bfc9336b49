/* SPDX-License-Identifier: ISC */
/* TLS 1.1 (RFC 4346) and TLS 1.0 (RFC 2246), which differ in their records only; RFC 8996 forbids
 * both. Everything is hashed with MD5 and with SHA-1. */
#include "base/options.h"
#ifdef USE_OLD_TLS
#include "handshake/local.h"

const struct scheme *scheme_of_old(enum key_type key)
{
    switch (key) {
    case KEY_RSA: /* RFC 4346 section 7.4.3 */
        return scheme_old(OLD_RSA);
    case KEY_EC_P256:
    case KEY_EC_P384:
    case KEY_EC_P521: /* RFC 8422 section 5.10 */
        return scheme_old(OLD_ECDSA);
    default:
        return NULL;
    }
}

#define ROW(VERSION, NAME)                                                                     \
    {                                                                                          \
        .version = (VERSION), .name = (NAME), .knows_ems = true, .prefixed = true,             \
        .has_empty = true, .verify_size = VERIFY12, .request_types = 2, .hash = HASH_MD5_SHA1, \
        .prf = prf10, .finished = finished12_digest, .scheme = scheme_of_old                   \
    }
#ifdef USE_TLS_1_1
const struct protocol protocol_tls11 = ROW(TLS_1_1, "TLSv1.1");
#endif
#ifdef USE_TLS
const struct protocol protocol_tls10 = ROW(TLS_1_0, "TLSv1.0");
#endif
#endif
