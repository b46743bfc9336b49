/* SPDX-License-Identifier: ISC */
/* One piece of bytes compressed and back (RFC 1950), in memory that the caller bounds. */
#ifndef BASE_PACK_H
#define BASE_PACK_H
#include "base/bytes.h"

/* *n: room in, length out. ERR_LIMIT: it does not get that small; ERR_MEM. */
int zlib_pack(struct span in, uint8_t *out, size_t *n) MUST_CHECK;
/* ERR_PARSE: not one whole stream, or not of exactly n bytes; no more than n are ever made. */
int zlib_unpack(struct span in, uint8_t *out, size_t n) MUST_CHECK;
#endif
