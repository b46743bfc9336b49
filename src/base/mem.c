/* SPDX-License-Identifier: ISC */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

struct mem_hooks mem_hooks = { malloc, free };

void *mem_alloc(size_t n)
{
    return mem_hooks.alloc(n ? n : 1);
}

void *mem_zalloc(size_t n)
{
    void *p = mem_alloc(n);

    if (p) {
        memset(p, 0, n);
    }
    return p;
}

void *mem_dup(const void *src, size_t n)
{
    void *p = mem_alloc(n);

    if (p && n) {
        memcpy(p, src, n);
    }
    return p;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

void mem_free(void *p)
{
    if (p) {
        mem_hooks.release(p);
    }
}

void mem_free_secret(void *p, size_t n)
{
    if (p) {
        wipe(p, n);
        mem_hooks.release(p);
    }
}
