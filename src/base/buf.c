/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

#include "base/mem.h"
#include "base/secret.h"

void buf_free(struct buf *b)
{
    if (b->mem && b->secret) {
        wipe(b->mem, b->cap);
    }
    mem_free(b->mem);
    b->mem = NULL;
    b->start = b->end = b->cap = 0;
}

int buf_reserve(struct buf *b, size_t n)
{
    size_t len = buf_len(b), cap = b->cap ? b->cap : 256;
    uint8_t *mem;

    if (n > SIZE_MAX / 4 || (b->max && len + n > b->max)) {
        return ERR_LIMIT;
    }
    if (n <= b->cap - b->end) {
        return 0;
    }
    if (len + n <= b->cap) {
        memmove(b->mem, b->mem + b->start, len);
        if (b->secret) {
            wipe(b->mem + len, b->start);
        }
        b->start = 0;
        b->end = len;
        return 0;
    }
    while (cap < len + n) {
        cap *= 2;
    }
    mem = mem_alloc(cap);
    if (!mem) {
        return ERR_MEM;
    }
    if (len) {
        memcpy(mem, b->mem + b->start, len);
    }
    buf_free(b);
    b->mem = mem;
    b->cap = cap;
    b->end = len;
    return 0;
}

void buf_added(struct buf *b, size_t n)
{
    b->end += n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
    TRY(buf_reserve(b, n));
    if (n) {
        memcpy(b->mem + b->end, p, n);
    }
    b->end += n;
    return 0;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= buf_len(b)) {
        buf_free(b);
        return;
    }
    if (b->secret) {
        wipe(b->mem + b->start, n);
    }
    b->start += n;
}
