/* SPDX-License-Identifier: ISC */
/* Known answers are written in hex; these turn them into bytes and compare. */
#ifndef KAT_KAT_H
#define KAT_KAT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/crypto.h"

#define BAD_SHARE TLS_ALERT(ALERT_ILLEGAL_PARAMETER)
#define BAD_SIG   TLS_ALERT(ALERT_DECRYPT_ERROR)
#define BAD_MAC   TLS_ALERT(ALERT_BAD_RECORD_MAC)

struct bytes {
    size_t n;
    uint8_t p[2048];
};

/* Pairs of hex digits; blanks between them do not count. */
static inline struct bytes unhex(const char *hex)
{
    struct bytes b = { 0 };

    while (*hex) {
        unsigned v = 0;

        if (*hex == ' ') {
            hex++;
            continue;
        }
        if (b.n == sizeof b.p || sscanf(hex, "%2x", &v) != 1) {
            fail_msg("bad hex: %.20s", hex);
        }
        b.p[b.n++] = (uint8_t)v;
        hex += 2;
    }
    return b;
}

static inline struct span span_bytes(const struct bytes *b)
{
    return span_of(b->p, b->n);
}

/* what: shown when the two differ. */
static inline void same(const char *what, const void *got, size_t n, const char *hex)
{
    const struct bytes want = unhex(hex);

    if (n != want.n || memcmp(got, want.p, n) != 0) {
        fprintf(stderr, "%s: got %zu bytes, want %zu:\n  ", what, n, want.n);
        for (size_t i = 0; i < n; i++) {
            fprintf(stderr, "%02x", ((const uint8_t *)got)[i]);
        }
        fail_msg("%s\n  %s", what, hex);
    }
}

static inline bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

/* Bytes that look like nothing in particular, the same in every run. */
static inline void fill(void *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        ((uint8_t *)p)[i] = (uint8_t)(seed >> 24);
    }
}

static inline int start_crypto(void **state)
{
    (void)state;
    return crypto_init();
}
#endif
