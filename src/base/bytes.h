/* SPDX-License-Identifier: ISC */
/* Bounded reader and writer: the only pointer arithmetic on wire data (threats 6, 10).
 *
 * A reader is a view; every rd_ call either takes all it asked for and returns true, or returns
 * false and leaves the reader as it was. A writer fails once and stays failed: write a whole
 * message and look at wr_ok() at the end. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

struct span {
    const uint8_t *p;
    size_t n;
};
struct mspan {
    uint8_t *p;
    size_t n;
};

static inline struct span span_of(const void *p, size_t n)
{
    return (struct span){ p, n };
}
static inline struct span span_text(const char *s) /* NULL: empty */
{
    return span_of(s, s ? strlen(s) : 0);
}
static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ---- reader ---- */
struct rd {
    const uint8_t *p;
    size_t n; /* bytes left */
};

static inline struct rd rd_of(const void *p, size_t n)
{
    return (struct rd){ p, n };
}
static inline struct rd rd_span(struct span s)
{
    return (struct rd){ s.p, s.n };
}
static inline bool rd_done(const struct rd *r)
{
    return r->n == 0;
}
MUST_CHECK static inline bool rd_bytes(struct rd *r, size_t n, struct span *out)
{
    if (r->n < n) {
        return false;
    }
    *out = span_of(r->p, n);
    r->n -= n;
    r->p = n ? r->p + n : r->p;
    return true;
}
MUST_CHECK static inline bool rd_uint(struct rd *r, size_t width, uint32_t *v)
{
    struct span s;
    uint32_t x = 0;

    if (!rd_bytes(r, width, &s)) {
        return false;
    }
    for (size_t i = 0; i < width; i++) {
        x = x << 8 | s.p[i];
    }
    *v = x;
    return true;
}
MUST_CHECK static inline bool rd_u8(struct rd *r, uint8_t *v)
{
    uint32_t x;

    if (!rd_uint(r, 1, &x)) {
        return false;
    }
    *v = (uint8_t)x;
    return true;
}
MUST_CHECK static inline bool rd_u16(struct rd *r, uint16_t *v)
{
    uint32_t x;

    if (!rd_uint(r, 2, &x)) {
        return false;
    }
    *v = (uint16_t)x;
    return true;
}
MUST_CHECK static inline bool rd_u24(struct rd *r, uint32_t *v)
{
    return rd_uint(r, 3, v);
}
MUST_CHECK static inline bool rd_u32(struct rd *r, uint32_t *v)
{
    return rd_uint(r, 4, v);
}
MUST_CHECK static inline bool rd_u64(struct rd *r, uint64_t *v)
{
    struct rd t = *r;
    uint32_t high, low;

    if (!rd_u32(&t, &high) || !rd_u32(&t, &low)) {
        return false;
    }
    *r = t;
    *v = (uint64_t)high << 32 | low;
    return true;
}
MUST_CHECK static inline bool rd_copy(struct rd *r, void *dst, size_t n)
{
    struct span s;

    if (!rd_bytes(r, n, &s)) {
        return false;
    }
    if (n) {
        memcpy(dst, s.p, n);
    }
    return true;
}
/* A vector with a length prefix of `width` bytes (1 to 3); *sub reads its inside. */
MUST_CHECK static inline bool rd_vec(struct rd *r, size_t width, struct rd *sub)
{
    struct rd t = *r;
    struct span s;
    uint32_t len;

    if (!rd_uint(&t, width, &len) || !rd_bytes(&t, len, &s)) {
        return false;
    }
    *r = t;
    *sub = rd_span(s);
    return true;
}

/* ---- writer ---- */
struct buf;
struct wr {
    uint8_t *p; /* fixed memory, or the memory of `grow` */
    size_t len, cap;
    struct buf *grow; /* NULL: fixed */
    bool failed;
};

static inline struct wr wr_of(void *p, size_t cap)
{
    return (struct wr){ .p = p, .cap = cap };
}
/* Appends to a buffer that grows (base/buf.h). wr_commit() makes what was written part of it. */
struct wr wr_buf(struct buf *b);
int wr_commit(struct wr *w) MUST_CHECK; /* 0, or ERR_MEM / ERR_LIMIT and nothing appended */

static inline bool wr_ok(const struct wr *w)
{
    return !w->failed;
}
/* Room for n bytes, counted as written; NULL when there is none. */
uint8_t *wr_room(struct wr *w, size_t n);
void wr_bytes(struct wr *w, const void *p, size_t n);
void wr_uint(struct wr *w, size_t width, uint32_t v); /* fails when v does not fit */
static inline void wr_u8(struct wr *w, uint32_t v)
{
    wr_uint(w, 1, v);
}
static inline void wr_u16(struct wr *w, uint32_t v)
{
    wr_uint(w, 2, v);
}
static inline void wr_u24(struct wr *w, uint32_t v)
{
    wr_uint(w, 3, v);
}
static inline void wr_u32(struct wr *w, uint32_t v)
{
    wr_uint(w, 4, v);
}
static inline void wr_u64(struct wr *w, uint64_t v)
{
    wr_u32(w, (uint32_t)(v >> 32));
    wr_u32(w, (uint32_t)v);
}
/* Opens a vector with a length prefix of `width` bytes; wr_end() fills the prefix in. */
static inline size_t wr_begin(struct wr *w, size_t width)
{
    wr_uint(w, width, 0);
    return w->len;
}
void wr_end(struct wr *w, size_t width, size_t mark);
/* A whole vector at once. */
void wr_vec(struct wr *w, size_t width, const void *p, size_t n);
#endif
