/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

struct wr wr_buf(struct buf *b)
{
    return (struct wr){ .grow = b };
}

/* What was written so far is behind the buffer's end: it counts as added while the buffer moves, or
 * it would stay behind. */
static bool grow(struct wr *w, size_t n)
{
    struct buf *b = w->grow;
    int rc;

    if (!b) {
        return false;
    }
    b->end += w->len;
    rc = buf_reserve(b, n);
    b->end -= w->len;
    if (rc < 0) {
        return false;
    }
    w->p = buf_tail(b);
    w->cap = b->cap - b->end;
    if (b->max && w->cap > b->max - buf_len(b)) {
        w->cap = b->max - buf_len(b);
    }
    return true;
}

uint8_t *wr_room(struct wr *w, size_t n)
{
    uint8_t *at;

    if (w->failed) {
        return NULL;
    }
    if (n > w->cap - w->len) {
        if (!grow(w, n)) {
            w->failed = true;
            return NULL;
        }
    }
    at = w->p + w->len;
    w->len += n;
    return at;
}

int wr_commit(struct wr *w)
{
    if (w->failed) {
        return ERR_MEM;
    }
    if (w->grow && w->len) {
        buf_added(w->grow, w->len);
        *w = wr_buf(w->grow);
    }
    return 0;
}

void wr_bytes(struct wr *w, const void *p, size_t n)
{
    uint8_t *at = wr_room(w, n);

    if (at && n) {
        memcpy(at, p, n);
    }
}

static void put_uint(uint8_t *at, size_t width, uint32_t v)
{
    for (size_t i = width; i-- > 0; v >>= 8) {
        at[i] = (uint8_t)v;
    }
}

static bool fits(size_t width, size_t v)
{
    return width >= 4 ? v <= UINT32_MAX : v >> (8 * width) == 0;
}

void wr_uint(struct wr *w, size_t width, uint32_t v)
{
    uint8_t *at = wr_room(w, width);

    if (at && fits(width, v)) {
        put_uint(at, width, v);
    } else {
        w->failed = true;
    }
}

void wr_end(struct wr *w, size_t width, size_t mark)
{
    if (w->failed) {
        return;
    }
    if (mark < width || mark > w->len || !fits(width, w->len - mark)) {
        w->failed = true;
        return;
    }
    put_uint(w->p + mark - width, width, (uint32_t)(w->len - mark));
}

void wr_vec(struct wr *w, size_t width, const void *p, size_t n)
{
    if (!fits(width, n)) {
        w->failed = true;
        return;
    }
    wr_uint(w, width, (uint32_t)n);
    wr_bytes(w, p, n);
}
