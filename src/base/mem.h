/* SPDX-License-Identifier: ISC */
/* Where every allocation of the engine goes through, so that tests can make the n-th fail and a
 * build can run out of a fixed arena. */
#ifndef BASE_MEM_H
#define BASE_MEM_H
#include <stddef.h>

struct mem_hooks {
    void *(*alloc)(size_t n);
    void (*release)(void *p);
};
extern struct mem_hooks mem_hooks; /* malloc and free unless set before first use */

void *mem_alloc(size_t n);  /* uninitialised; NULL when there is none */
void *mem_zalloc(size_t n); /* zeroed */
void *mem_dup(const void *p, size_t n);
char *mem_strdup(const char *s);
void mem_free(void *p);
void mem_free_secret(void *p, size_t n); /* wipes first; NULL is fine */

/* From now on every allocation comes out of the n bytes at `memory` (base/mem_arena.h), which stay
 * there for the life of the process; what was allocated before still goes back where it came from.
 * 0, also when it is in place already; ERR_ARG: too small for anything; ERR_STATE: there is another
 * arena. crypto_use_arena() calls it. */
int mem_arena_set(void *memory, size_t n);
/* Back to malloc and free. Only while nothing lives in the arena. */
void mem_arena_drop(void);
#endif
