/* SPDX-License-Identifier: ISC */
/* The only file that knows zlib. */
#define ZLIB_CONST
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "base/pack.h"

#include <limits.h>
#include <zlib.h>

#include "base/mem.h"

static voidpf take(voidpf ctx, uInt items, uInt size)
{
    (void)ctx;
    return mem_zalloc((size_t)items * size);
}

static void give(voidpf ctx, voidpf p)
{
    (void)ctx;
    mem_free(p);
}

static z_stream stream(struct span in, uint8_t *out, size_t n)
{
    return (z_stream){ .next_in = in.p,
                       .avail_in = (uInt)in.n,
                       .next_out = out,
                       .avail_out = (uInt)n,
                       .zalloc = take,
                       .zfree = give };
}

int zlib_pack(struct span in, uint8_t *out, size_t *n)
{
    z_stream z = stream(in, out, *n);
    int rc;

    if (in.n > INT_MAX || *n > INT_MAX) {
        return ERR_LIMIT;
    }
    if (deflateInit(&z, Z_BEST_COMPRESSION) != Z_OK) {
        return ERR_MEM;
    }
    rc = deflate(&z, Z_FINISH);
    *n = z.total_out;
    (void)deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : ERR_LIMIT;
}

int zlib_unpack(struct span in, uint8_t *out, size_t n)
{
    z_stream z = stream(in, out, n);
    bool whole;
    int rc;

    if (in.n > INT_MAX || n > INT_MAX) {
        return ERR_PARSE;
    }
    if (inflateInit(&z) != Z_OK) {
        return ERR_MEM;
    }
    rc = inflate(&z, Z_FINISH);
    whole = rc == Z_STREAM_END && z.total_out == n && z.avail_in == 0;
    (void)inflateEnd(&z);
    return rc == Z_MEM_ERROR ? ERR_MEM : whole ? 0 : ERR_PARSE;
}
#endif
