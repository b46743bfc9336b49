/* SPDX-License-Identifier: ISC */
/* threat 19: shares that are no points, or points whose secret anybody knows. */
#ifndef TESTS_HANDSHAKE_SHARES_H
#define TESTS_HANDSHAKE_SHARES_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SHARE_FFDHE 0x100 /* groups from here on are no curves (threat 18) */

enum share_fill {
    AS_IT_IS,
    ZEROS,      /* all but the first byte */
    LAST_OTHER, /* the last byte changed */
    ONES,       /* all bits but the first byte's */
    ONE,        /* zeros, and a 1 at the end */
};
struct bad_share {
    const char *what;
    uint16_t group;
    uint8_t first; /* replaces the first byte */
    size_t len;    /* 0: as it is */
    enum share_fill fill;
};
static const struct bad_share bad_shares[] = {
    { "infinity", 23, 0, 1, AS_IT_IS },
    { "point of zeros", 23, 4, 0, ZEROS },
    { "compressed", 23, 2, 33, AS_IT_IS },
    { "compressed, odd", 23, 3, 33, AS_IT_IS },
    { "hybrid", 23, 6, 0, AS_IT_IS },
    { "hybrid, odd", 23, 7, 0, AS_IT_IS },
    { "first byte 0", 23, 0, 0, AS_IT_IS },
    { "not on the curve", 23, 4, 0, LAST_OTHER },
    { "not in the field", 23, 4, 0, ONES },
    { "short", 23, 4, 64, AS_IT_IS },
    { "long", 23, 4, 66, AS_IT_IS },
    { "one byte", 23, 4, 1, AS_IT_IS },
    { "not on P-384", 24, 4, 0, LAST_OTHER },
    { "P-384 compressed", 24, 2, 49, AS_IT_IS },
    { "P-384 infinity", 24, 0, 1, AS_IT_IS },
    { "not on P-521", 25, 4, 0, LAST_OTHER },
    { "P-521 hybrid", 25, 6, 0, AS_IT_IS },
    { "P-521 infinity", 25, 0, 1, AS_IT_IS },
    { "x25519 zero", 29, 0, 0, ZEROS },
    { "x25519 short", 29, 9, 31, AS_IT_IS },
    { "x25519 long", 29, 9, 33, AS_IT_IS },
    { "x25519 one", 29, 1, 0, ZEROS },
    { "x448 zero", 30, 0, 0, ZEROS },
    { "x448 one", 30, 1, 0, ZEROS },
    { "ffdhe2048 zero", 256, 0, 0, ZEROS },
    { "ffdhe2048 one", 256, 0, 0, ONE },
    { "ffdhe2048 above the prime", 256, 0xff, 0, ONES },
    { "ffdhe2048 short", 256, 1, 255, AS_IT_IS },
    { "ffdhe3072 zero", 257, 0, 0, ZEROS },
};
#define BAD_SHARES (sizeof bad_shares / sizeof *bad_shares)

/* Spoils a right one of n bytes, which has room behind it; its new length. */
static inline size_t share_spoil(const struct bad_share *s, uint8_t *share, size_t n)
{
    if (s->fill == ZEROS || s->fill == ONES || s->fill == ONE) {
        memset(share, s->fill == ONES ? 0xff : 0, n);
    }
    if (s->fill == LAST_OTHER) {
        share[n - 1] ^= 1;
    }
    if (s->fill == ONE) {
        share[n - 1] = 1;
    }
    share[0] = s->first;
    if (s->len > n) {
        memset(share + n, 0, s->len - n);
    }
    return s->len ? s->len : n;
}
#endif
