/* SPDX-License-Identifier: ISC */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem_arena.h"
#include "base/secret.h"
#include "base/trace.h"

struct mem_hooks mem_hooks = { malloc, free };

void *mem_alloc(size_t n)
{
    void *p = mem_hooks.alloc(n ? n : 1);

    if (!p) {
        trace(TRACE_CORE, "no memory for %zu bytes", n);
    }
    return p;
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

static void release(void *p)
{
    if (!arena_release(p)) {
        free(p); /* older than the arena */
    }
}

int mem_arena_set(void *memory, size_t n)
{
    TRY(arena_open(memory, n));
    mem_hooks = (struct mem_hooks){ arena_alloc, release };
    trace(TRACE_CORE, "all memory comes out of %zu bytes at %p", n, memory);
    return 0;
}

void mem_arena_drop(void)
{
    arena_close();
    mem_hooks = (struct mem_hooks){ malloc, free };
}
