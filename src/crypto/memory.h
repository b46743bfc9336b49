/* SPDX-License-Identifier: ISC */
/* libcrypto's memory: out of the arena as well, so that nothing below the engine's API mallocs. */
#ifndef CRYPTO_MEMORY_H
#define CRYPTO_MEMORY_H
#include <stddef.h>

#include "base/error.h"

/* mem_arena_set() for the engine and for libcrypto. 0, also when that arena is in place already;
 * ERR_ARG: too small; ERR_STATE: there is another one, or libcrypto has allocated something. To be
 * called before crypto_init(). */
int crypto_use_arena(void *memory, size_t n) MUST_CHECK;

/* Why what libcrypto did in this thread failed: ERR_MEM when it was refused memory since this was
 * asked last, else `code`. */
int crypto_why(int code);
#endif
