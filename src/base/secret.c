/* SPDX-License-Identifier: ISC */
#include "base/secret.h"

/* More than libcrypto's arithmetic and its padding checks take. */
#define BELOW 8192

__attribute__((noinline)) void wipe_below(void)
{
    uint8_t below[BELOW];

    wipe(below, sizeof below);
}
