/* SPDX-License-Identifier: ISC */
/* Strict DER (X.690) over the bounded reader: definite lengths in their shortest form, tags of one
 * byte, integers without spare bytes. Every reader takes one element and returns true, or returns
 * false and leaves the reader as it was. The writer closes elements from the inside out. */
#ifndef X509_DER_H
#define X509_DER_H
#include "base/bytes.h"

enum der_tag {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_UTF8_STRING = 0x0c,
    DER_PRINTABLE_STRING = 0x13,
    DER_T61_STRING = 0x14,
    DER_IA5_STRING = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};
#define DER_CONTEXT(n)     ((uint8_t)(0x80 | (n))) /* [n] IMPLICIT of a primitive type */
#define DER_CONSTRUCTED(n) ((uint8_t)(0xa0 | (n))) /* [n] EXPLICIT, or IMPLICIT of a SEQUENCE */

/* An object identifier's contents, from a string literal of its bytes. */
#define OID_SPAN(bytes) ((struct span){ (const uint8_t *)("" bytes), sizeof(bytes) - 1 })

/* ---- reading ---- */
bool der_any(struct rd *r, uint8_t *tag, struct rd *in) MUST_CHECK;
bool der_get(struct rd *r, uint8_t tag, struct rd *in) MUST_CHECK;
/* The element with its header; its contents in *in. */
bool der_whole(struct rd *r, uint8_t tag, struct span *whole, struct rd *in) MUST_CHECK;
bool der_next_is(const struct rd *r, uint8_t tag);
/* True, too, when the next element is another one or there is none: then *there is false. */
bool der_optional(struct rd *r, uint8_t tag, bool *there, struct rd *in) MUST_CHECK;

bool der_bool(struct rd *r, bool *v) MUST_CHECK;
bool der_integer(struct rd *r, struct span *contents) MUST_CHECK; /* any sign */
/* Not negative; the magnitude without sign byte, empty for zero. */
bool der_unsigned(struct rd *r, struct span *magnitude) MUST_CHECK;
bool der_uint32(struct rd *r, uint32_t *v) MUST_CHECK;
/* Spare bits are zero; *spare is their number (0 to 7). */
bool der_bits(struct rd *r, struct span *bytes, unsigned *spare) MUST_CHECK;
/* A bit string of whole bytes. */
bool der_bit_bytes(struct rd *r, struct span *bytes) MUST_CHECK;
bool der_oid(struct rd *r, struct span *oid) MUST_CHECK;
bool der_null(struct rd *r) MUST_CHECK;
/* UTCTime YYMMDDHHMMSSZ or GeneralizedTime YYYYMMDDHHMMSSZ (RFC 5280 4.1.2.5): seconds since 1970.
 */
bool der_time(struct rd *r, int64_t *seconds) MUST_CHECK;

/* ---- writing ---- */
/* Everything written since `mark` (a w->len) becomes the contents of an element. */
void der_close(struct wr *w, size_t mark, uint8_t tag);
void der_put(struct wr *w, uint8_t tag, struct span contents);
void der_put_uint32(struct wr *w, uint32_t v);
/* UTCTime up to 2049, GeneralizedTime from there on; fails outside of the years 1950 to 9999. */
void der_put_time(struct wr *w, int64_t seconds);

/* ---- days ---- */
struct civil {
    int64_t year;
    unsigned month, day, hour, minute, second;
};
struct civil civil_from_seconds(int64_t seconds);
#endif
