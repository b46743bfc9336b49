/* SPDX-License-Identifier: ISC */
/* An allocator of the engine that fails once, or from then on, when a test says so; and how many
 * allocations are held. */
#ifndef TESTS_LIB_FAILING_H
#define TESTS_LIB_FAILING_H
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

static size_t calls, fail_at, live; /* calls: since it was armed; fail_at: from 1 on */
static bool armed, for_good;

static inline void *failing_alloc(size_t n)
{
    void *p;

    if (armed && (++calls == fail_at || (for_good && calls > fail_at))) {
        return NULL;
    }
    p = malloc(n);
    live += p != NULL;
    return p;
}

static inline void failing_release(void *p)
{
    live--;
    free(p);
}

/* Before anything is allocated. */
static inline void failing_install(void)
{
    mem_hooks = (struct mem_hooks){ failing_alloc, failing_release };
}

static inline void failing_arm(size_t n)
{
    calls = 0;
    fail_at = n;
    armed = true;
}
#endif
