/* SPDX-License-Identifier: ISC */
/* The program's malloc: glibc's, with an account per side that is switched off while time is taken.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

struct heap heap_of[2];
int heap_side;
bool heap_counting;

/* A block costs its usable size and the allocator's own word. */
static void *add(void *p)
{
    if (__builtin_expect(heap_counting, false) && p) {
        heap_of[heap_side].live += (long)(malloc_usable_size(p) + sizeof(size_t));
        heap_of[heap_side].count++;
    }
    return p;
}

static void take_off(void *p)
{
    if (__builtin_expect(heap_counting, false) && p) {
        heap_of[heap_side].live -= (long)(malloc_usable_size(p) + sizeof(size_t));
    }
}

void *malloc(size_t n)
{
    return add(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
    return add(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
    take_off(p);
    return add(__libc_realloc(p, n));
}

void free(void *p)
{
    take_off(p);
    __libc_free(p);
}

void *memalign(size_t align, size_t n)
{
    return add(__libc_memalign(align, n));
}

void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
    *out = memalign(align, n);
    return *out ? 0 : ENOMEM;
}
