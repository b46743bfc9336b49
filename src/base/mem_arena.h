/* SPDX-License-Identifier: ISC */
/* One fixed piece of memory that everything is allocated from, for programs that must know at start
 * that they will not run out later, or must keep TLS from taking more than its share.
 *
 * Blocks carry their own size and that of the block before them, so that a released one joins its
 * free neighbours at once; free ones wait in lists by power of two. Every address is a multiple of
 * 16. Any thread may call; fork leaves the child with a whole arena of its own. */
#ifndef BASE_MEM_ARENA_H
#define BASE_MEM_ARENA_H
#include <stdbool.h>
#include <stddef.h>

int arena_open(void *memory, size_t n); /* 0, ERR_ARG, ERR_STATE: as mem_arena_set() says */
void arena_close(void);                 /* only while nothing is allocated */
bool arena_is_open(void);
void *arena_alloc(size_t n);           /* NULL: there is no such block, or no arena */
void *arena_resize(void *p, size_t n); /* NULL: p stays as it was; p NULL: arena_alloc() */
bool arena_release(void *p);           /* false: it is not from the arena */

struct arena_use {
    size_t size;     /* bytes that blocks and their headers share */
    size_t used;     /* bytes of blocks in use, headers included */
    size_t peak;     /* the most that `used` was since arena_reset_peak() */
    size_t blocks;   /* in use */
    size_t largest;  /* the longest that arena_alloc() could give now */
    size_t failures; /* how often there was none */
};
struct arena_use arena_usage(void);
void arena_reset_peak(void);
/* Every size, link and list agrees with every other: for tests. */
bool arena_is_sound(void);
#endif
