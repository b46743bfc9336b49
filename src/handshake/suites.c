/* SPDX-License-Identifier: ISC */
#include "handshake/suites.h"

static const struct suite suites[] = {
    { 0x1301, AEAD_AES_128_GCM, HASH_SHA256, "TLS_AES_128_GCM_SHA256" },
    { 0x1302, AEAD_AES_256_GCM, HASH_SHA384, "TLS_AES_256_GCM_SHA384" },
    { 0x1303, AEAD_CHACHA20_POLY1305, HASH_SHA256, "TLS_CHACHA20_POLY1305_SHA256" },
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
