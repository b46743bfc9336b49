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
#endif
