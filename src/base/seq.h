/* SPDX-License-Identifier: ISC */
/* Numbers of records, 0 to 2^64-1, which never wrap; as two words where HAVE_NATIVE_INT64 is off.
 */
#ifndef BASE_SEQ_H
#define BASE_SEQ_H
#include <matrixssl/coreConfig.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef HAVE_NATIVE_INT64
typedef uint64_t seq_num;

static inline seq_num seq_of(uint64_t n)
{
    return n;
}
static inline uint64_t seq_value(seq_num s)
{
    return s;
}
static inline bool seq_is_last(seq_num s)
{
    return s == UINT64_MAX;
}
static inline void seq_next(seq_num *s)
{
    ++*s;
}
static inline uint8_t seq_byte(seq_num s, unsigned i) /* 0 is the last of eight on the wire */
{
    return (uint8_t)(s >> (8 * i));
}
#else
typedef struct {
    uint32_t high, low;
} seq_num;

static inline seq_num seq_of(uint64_t n)
{
    return (seq_num){ (uint32_t)(n >> 32), (uint32_t)n };
}
static inline uint64_t seq_value(seq_num s)
{
    return (uint64_t)s.high << 32 | s.low;
}
static inline bool seq_is_last(seq_num s)
{
    return s.high == UINT32_MAX && s.low == UINT32_MAX;
}
static inline void seq_next(seq_num *s)
{
    s->low++;
    s->high += s->low == 0;
}
static inline uint8_t seq_byte(seq_num s, unsigned i) /* 0 is the last of eight on the wire */
{
    return (uint8_t)(i < 4 ? s.low >> (8 * i) : s.high >> (8 * (i - 4)));
}
#endif
#endif
