/* SPDX-License-Identifier: ISC */
/* How many bytes the engine has taken since some moment: through its allocator, so without what
 * libcrypto keeps. */
#ifndef TESTS_LIB_COUNTED_H
#define TESTS_LIB_COUNTED_H
#include <malloc.h>
#include <stdlib.h>

#include "base/mem.h"

static size_t counted_bytes, counted_peak;
static struct mem_hooks counted_before;

static inline void *counted_alloc(size_t n)
{
    void *p = malloc(n);

    counted_bytes += p ? malloc_usable_size(p) : 0;
    counted_peak = counted_bytes > counted_peak ? counted_bytes : counted_peak;
    return p;
}

/* What was there before it all does not make it negative. */
static inline void counted_release(void *p)
{
    size_t n = malloc_usable_size(p);

    counted_bytes -= n < counted_bytes ? n : counted_bytes;
    free(p);
}

static inline void counted_start(void)
{
    counted_bytes = counted_peak = 0;
    counted_before = mem_hooks;
    mem_hooks = (struct mem_hooks){ counted_alloc, counted_release };
}

static inline size_t counted_now(void)
{
    return counted_bytes;
}

static inline size_t counted_most(void)
{
    return counted_peak;
}

/* What is held of it still. */
static inline size_t counted_stop(void)
{
    mem_hooks = counted_before;
    return counted_bytes;
}
#endif
