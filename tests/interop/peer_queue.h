/* SPDX-License-Identifier: ISC */
/* What peer_guide keeps until it can go, and the sums of what went and came. */
#ifndef INTEROP_PEER_QUEUE_H
#define INTEROP_PEER_QUEUE_H
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct queue {
    unsigned char *p;
    size_t n;
};

_Noreturn static inline void die(const char *what, int code)
{
    fprintf(stderr, "peer_guide: %s: %d (%s)\n", what, code, code ? "" : strerror(errno));
    exit(2);
}

/* RFC 1950 */
static inline void sum(uint32_t *adler, const unsigned char *p, size_t n)
{
    uint32_t a = *adler & 0xffff, b = *adler >> 16;

    for (size_t i = 0; i < n; i++) {
        a = (a + p[i]) % 65521;
        b = (b + a) % 65521;
    }
    *adler = b << 16 | a;
}

static inline void add(struct queue *q, const void *p, size_t n)
{
    unsigned char *more = n ? realloc(q->p, q->n + n) : q->p;

    if (n) {
        if (!more) {
            die("memory", 0);
        }
        memcpy(more + q->n, p, n);
        q->p = more;
        q->n += n;
    }
}

static inline void take(struct queue *q, size_t n)
{
    q->n -= n;
    if (n && q->n) {
        memmove(q->p, q->p + n, q->n);
    }
}
#endif
