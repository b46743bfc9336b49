/* SPDX-License-Identifier: ISC */
/* Cipher suites as const rows (RFC 8446 appendix B.4). */
#ifndef HANDSHAKE_SUITES_H
#define HANDSHAKE_SUITES_H
#include "base/buf.h"
#include "crypto/crypto.h"

struct suite {
    uint16_t id;
    enum aead_id aead;
    enum hash_id hash;
    const char *name;
};
const struct suite *suite_by_id(uint16_t id); /* NULL: we have none of that number */
const struct suite *suite_at(size_t i);       /* in our order of preference; NULL ends */
#endif
