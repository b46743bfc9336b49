/* SPDX-License-Identifier: ISC */
/* A byte queue with start and end cursors in one allocation: bytes are appended at the end and
 * consumed from the start. Memory is given back when it runs empty, so an idle connection owns
 * none. What leaves a buffer is wiped when `secret` is set. */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include "base/bytes.h"

struct buf {
    uint8_t *mem;
    size_t start, end, cap;
    size_t max;  /* 0: no limit; growing beyond is ERR_LIMIT */
    bool secret; /* holds plaintext or keys */
};

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}
static inline uint8_t *buf_data(const struct buf *b)
{
    return b->mem ? b->mem + b->start : NULL;
}
static inline struct span buf_span(const struct buf *b)
{
    return span_of(buf_data(b), buf_len(b));
}
/* At least n bytes free behind the end; moves to the front before it grows. 0 or ERR_MEM,
 * ERR_LIMIT. */
int buf_reserve(struct buf *b, size_t n) MUST_CHECK;
/* Where the next bytes go, after buf_reserve(). */
static inline uint8_t *buf_tail(const struct buf *b)
{
    return b->mem + b->end;
}
void buf_added(struct buf *b, size_t n);
int buf_append(struct buf *b, const void *p, size_t n) MUST_CHECK;
void buf_consume(struct buf *b, size_t n); /* frees the memory when nothing is left */
void buf_free(struct buf *b);              /* wipes when secret; idempotent */
#endif
