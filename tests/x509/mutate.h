/* SPDX-License-Identifier: ISC */
/* DER changed at random but with sense: one element of it is dropped, doubled, moved, filled with
 * something else, and what is around it keeps the right lengths. Signed again, it is what a CA
 * with bad habits might have made. The same seed makes the same changes on every machine. */
#ifndef TESTS_X509_MUTATE_H
#define TESTS_X509_MUTATE_H
#include <stdio.h>

#include "forge.h"

/* ---- chance ---- */
static uint64_t chance_state;

static inline uint64_t chance_next(void) /* splitmix64 */
{
    uint64_t z = chance_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline void chance_seed(uint64_t seed, uint64_t i)
{
    chance_state = seed;
    chance_state = chance_next() ^ i;
    chance_state = chance_next();
}

static inline size_t chance(size_t n) /* 0 to n - 1 */
{
    return (size_t)(chance_next() % n);
}

#define CHOOSE(array) ((array)[chance(sizeof(array) / sizeof *(array))])

/* ---- what may be done to an element ---- */
enum change {
    DROP,
    DOUBLE,
    SWAP, /* with the one behind it */
    FLIP, /* a bit of its contents */
    RETAG,
    EMPTY,
    LONGER,
    SHORTER,
    LONG_LENGTH, /* a length in more bytes than it needs: BER */
    REFILL,      /* with other contents that such an element may have */
    CHANGES
};
static const char *const change_names[CHANGES] = { "dropped",     "doubled",      "swapped",
                                                   "flipped",     "retagged",     "emptied",
                                                   "made longer", "made shorter", "long length",
                                                   "refilled" };

struct mutation {
    size_t count, target; /* elements passed; which one is changed */
    enum change change;
    uint8_t was; /* its tag */
};

static inline void mutate_elements(struct wr *w, struct rd in, struct mutation *m);

/* A row of elements, and nothing else? */
static inline bool is_row(struct rd in)
{
    struct rd one;
    uint8_t tag;

    if (rd_done(&in)) {
        return false;
    }
    while (!rd_done(&in)) {
        if (!der_any(&in, &tag, &one)) {
            return false;
        }
    }
    return true;
}

static inline void mutate_contents(struct wr *w, uint8_t tag, struct rd in, struct mutation *m)
{
    if ((tag & 0x20 || tag == DER_OCTET_STRING) && is_row(in)) {
        mutate_elements(w, in, m);
    } else {
        wr_bytes(w, in.p, in.n);
    }
}

#define TEXT(s)                                \
    {                                          \
        (const uint8_t *)("" s), sizeof(s) - 1 \
    }

static inline struct span refill(uint8_t tag)
{
    static const struct span bools[] = { TEXT("\x00"), TEXT("\xff"), TEXT("\x01") };
    static const struct span ints[] = { TEXT("\x00"),     TEXT("\x01"),
                                        TEXT("\x02"),     TEXT("\xff"),
                                        TEXT("\x7f"),     TEXT("\x00\x01"),
                                        TEXT("\x00\x80"), TEXT("\x7f\xff\xff\xff\xff"),
                                        TEXT("") };
    static const struct span oids[] = { TEXT("\x55\x1d\x13"),
                                        TEXT("\x55\x1d\x0f"),
                                        TEXT("\x55\x1d\x25"),
                                        TEXT("\x55\x1d\x11"),
                                        TEXT("\x55\x1d\x1e"),
                                        TEXT("\x55\x1d\x20"),
                                        TEXT("\x55\x1d\x24"),
                                        TEXT("\x55\x1d\x36"),
                                        TEXT("\x55\x1d\x12"),
                                        TEXT("\x55\x1d\x1f"),
                                        TEXT("\x55\x04\x03"),
                                        TEXT("\x55\x04\x0a"),
                                        TEXT("\x55\x1d\x25\x00"),
                                        TEXT("\x2b\x06\x01\x05\x05\x07\x03\x01"),
                                        TEXT("\x2b\x06\x01\x05\x05\x07\x03\x02"),
                                        TEXT("\x2b\x06\x01\x05\x05\x07\x01\x18"),
                                        TEXT("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"),
                                        TEXT("\x2a\x03\x01"),
                                        TEXT("\x55\x1d\x20\x00") };
    static const struct span times[] = {
        TEXT("250615000000Z"),   TEXT("250616000000Z"),     TEXT("491231235959Z"),
        TEXT("500101000000Z"),   TEXT("20250615000000Z"),   TEXT("20491231235959Z"),
        TEXT("20500101000000Z"), TEXT("99991231235959Z"),   TEXT("00000101000000Z"),
        TEXT("20260101000060Z"), TEXT("260101000060Z"),     TEXT("2601010000Z"),
        TEXT("260230000000Z"),   TEXT("260101240000Z"),     TEXT("260101000000+0100"),
        TEXT("260101000000"),    TEXT("20260101000000.5Z"), TEXT("261301000000Z"),
        TEXT("19500101000000Z"), TEXT("202601010000Z"),     TEXT("20240229000000Z")
    };
    static const struct span texts[] = { TEXT("a.test"),   TEXT("A.TEST"),        TEXT("*.test"),
                                         TEXT("*.a.test"), TEXT("b.test"),        TEXT("test"),
                                         TEXT(".test"),    TEXT("root"),          TEXT("i"),
                                         TEXT("leaf"),     TEXT("a.test."),       TEXT(""),
                                         TEXT("a..test"),  TEXT("a.test\0x.com"), TEXT("Root") };
    static const struct span bits[] = { TEXT("\x00"),         TEXT("\x07\x80"), TEXT("\x02\x04"),
                                        TEXT("\x01\x06"),     TEXT("\x00\xff"), TEXT("\x05\xa0"),
                                        TEXT("\x07\x00\x80"), TEXT("\x07\xff") };

    switch (tag) {
    case DER_BOOLEAN:
        return CHOOSE(bools);
    case DER_INTEGER:
    case DER_CONTEXT(0):
        return CHOOSE(ints);
    case DER_OID:
        return CHOOSE(oids);
    case DER_UTC_TIME:
    case DER_GENERALIZED_TIME:
        return CHOOSE(times);
    case DER_BIT_STRING:
        return CHOOSE(bits);
    default:
        return CHOOSE(texts);
    }
}

static inline void put_long_length(struct wr *w, uint8_t tag, struct rd in)
{
    wr_u8(w, tag);
    wr_u8(w, 0x83);
    wr_uint(w, 3, (uint32_t)in.n);
    wr_bytes(w, in.p, in.n);
}

/* The element that is the target; *rest: what stands behind it. */
static inline void mutate_one(struct wr *w, struct rd *rest, struct mutation *m)
{
    struct rd in = rd_of(NULL, 0), next_in = in;
    struct span whole = { NULL, 0 }, next;
    uint8_t tag = 0, next_tag;
    struct rd before = *rest;
    size_t at = w->len;

    if (!der_any(rest, &tag, &in)) {
        abort();
    }
    whole = span_of(before.p, before.n - rest->n);
    m->was = tag;
    switch (m->change) {
    case DROP:
        return;
    case DOUBLE:
        wr_bytes(w, whole.p, whole.n);
        break;
    case SWAP:
        before = *rest;
        if (der_any(rest, &next_tag, &next_in)) {
            next = span_of(before.p, before.n - rest->n);
            wr_bytes(w, next.p, next.n);
        }
        break;
    case FLIP:
        wr_bytes(w, whole.p, whole.n);
        if (in.n) {
            w->p[w->len - 1 - chance(in.n)] ^= (uint8_t)(1u << chance(8));
        }
        return;
    case RETAG:
        wr_bytes(w, whole.p, whole.n);
        w->p[at] ^= (uint8_t)(1u << chance(8));
        return;
    case EMPTY:
        der_put(w, tag, span_of(NULL, 0));
        return;
    case LONGER:
        wr_bytes(w, in.p, in.n);
        wr_u8(w, (uint32_t)chance(256));
        der_close(w, at, tag);
        return;
    case SHORTER:
        der_put(w, tag, span_of(in.p, in.n ? in.n - 1 : 0));
        return;
    case LONG_LENGTH:
        put_long_length(w, tag, in);
        return;
    case REFILL:
        der_put(w, tag, refill(tag));
        return;
    case CHANGES:
        break;
    }
    wr_bytes(w, whole.p, whole.n);
}

static inline void mutate_elements(struct wr *w, struct rd in, struct mutation *m)
{
    struct rd contents;
    uint8_t tag;

    while (!rd_done(&in)) {
        size_t at = w->len;

        if (m->count++ == m->target) {
            mutate_one(w, &in, m);
        } else if (der_any(&in, &tag, &contents)) {
            mutate_contents(w, tag, contents, m);
            der_close(w, at, tag);
        } else {
            abort();
        }
    }
}

/* One change somewhere below the outermost element of what was written since mark; text: what. */
static inline void mutate(struct wr *w, size_t mark, char *text, size_t size)
{
    static uint8_t mem[65536];
    struct mutation m = { .target = SIZE_MAX };
    struct wr dry = wr_of(mem, sizeof mem);
    size_t n = w->len - mark, deep;
    struct rd r = rd_of(w->p + mark, n), in;
    uint8_t tag = 0;

    /* Earlier changes may have left no whole element: then there is nothing to do. */
    if (!der_any(&r, &tag, &in) || !is_row(in)) {
        return;
    }
    mutate_elements(&dry, in, &m);
    deep = m.count;
    m = (struct mutation){ .target = chance(deep), .change = (enum change)chance(CHANGES) };
    dry = wr_of(mem, sizeof mem);
    mutate_elements(&dry, in, &m);
    der_close(&dry, 0, tag);
    if (!wr_ok(&dry)) {
        abort();
    }
    (void)snprintf(text, size, "element %zu of %zu (%02x) %s", m.target, deep, m.was,
                   change_names[m.change]);
    w->len = mark;
    wr_bytes(w, dry.p, dry.len);
}
#endif
