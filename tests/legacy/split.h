/* SPDX-License-Identifier: ISC */
/* The keys of old versions under a connection that was made with others: for tests of what becomes
 * of data, and not of how such keys are agreed. */
#ifndef LEGACY_SPLIT_H
#define LEGACY_SPLIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine_local.h"

#define MAX 16384

static const uint8_t key[32] = { 1 }, iv[16] = { 2 }, mac_key[48] = { 3 };

static const struct rec_keys all[] = {
    { .version = 0x0300, .cbc = CBC_3DES, .mac = HASH_MD5 },
    { .version = 0x0300, .cbc = CBC_AES_128, .mac = HASH_SHA1 },
    { .version = 0x0301, .cbc = CBC_AES_256, .mac = HASH_SHA1 },
    { .version = 0x0301, .cbc = CBC_3DES, .mac = HASH_SHA1, .etm = true },
    /* from here on there is nothing to hide */
    { .version = 0x0302, .cbc = CBC_AES_128, .mac = HASH_SHA1 },
    { .version = 0x0303, .cbc = CBC_3DES, .mac = HASH_SHA1 },
    { .version = 0x0301, .stream = STREAM_RC4, .mac = HASH_SHA1 },
    { .version = 0x0300, .stream = STREAM_NULL, .mac = HASH_SHA1 },
};
#define ALL (sizeof all / sizeof *all)

static inline bool must_split(size_t i)
{
    return all[i].cbc && all[i].version < 0x0302;
}

static inline void put_under(size_t i, struct rec_half *tx, struct rec_half *rx)
{
    struct rec_keys k = all[i];

    k.key = key;
    k.iv = iv;
    k.mac_key = mac_key;
    assert_int_equal(rec_half_set(tx, &k, true), 0);
    assert_int_equal(rec_half_set(rx, &k, false), 0);
}

#endif
