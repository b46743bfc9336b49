/* SPDX-License-Identifier: ISC */
/* The DER reader at its limits: what is accepted has one encoding only (threat 6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "x509/der.h"

#define BYTES(s) s, sizeof(s) - 1

/* What was refused has not moved the reader. */
#define REFUSED(r, expr)                    \
    do {                                    \
        struct rd before_ = (r);            \
        assert_false(expr);                 \
        assert_ptr_equal(before_.p, (r).p); \
        assert_int_equal(before_.n, (r).n); \
    } while (0)

static void elements(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool ok;
        size_t contents;
    } rows[] = {
        { BYTES("\x04\x00"), true, 0 },
        { BYTES("\x04\x01x"), true, 1 },
        { BYTES("\x04\x01"), false, 0 },
        { BYTES("\x04"), false, 0 },
        { BYTES(""), false, 0 },
        { BYTES("\x00\x00"), false, 0 },         /* end of contents */
        { BYTES("\x1f\x01x"), false, 0 },        /* tag of several bytes */
        { BYTES("\x9f\x01\x01x"), false, 0 },    /* the same, context */
        { BYTES("\xbf\x01\x01x"), false, 0 },    /* the same, constructed */
        { BYTES("\x30\x80\x00\x00"), false, 0 }, /* indefinite */
        { BYTES("\x04\x80"), false, 0 },
        { BYTES("\x04\x81\x01x"), false, 0 },         /* fits one byte */
        { BYTES("\x04\x81\x7fx"), false, 0 },         /* the same, and cut short */
        { BYTES("\x04\x82\x00\x01x"), false, 0 },     /* leading zero */
        { BYTES("\x04\x83\x00\x01\x00x"), false, 0 }, /* leading zero */
        { BYTES("\x04\x84\x00\x00\x00\x01x"), false, 0 },
        { BYTES("\x04\x84\xff\xff\xff\xffx"), false, 0 }, /* longer than there is */
        { BYTES("\x04\x85\x01\x00\x00\x00\x00x"), false, 0 },
        { BYTES("\x04\x88\x01\x00\x00\x00\x00\x00\x00\x00x"), false, 0 },
        { BYTES("\x04\xff"), false, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rd r = rd_of(rows[i].bytes, rows[i].n), in;
        uint8_t tag = 0;

        if (rows[i].ok) {
            assert_true(der_any(&r, &tag, &in));
            assert_int_equal(in.n, rows[i].contents);
            assert_true(rd_done(&r));
        } else {
            REFUSED(r, der_any(&r, &tag, &in));
        }
    }
    (void)state;
}

/* Around every length at which the header grows; and every byte less is too few. */
static void threat_06_lengths(void **state)
{
    static const size_t sizes[] = { 0,   1,   126, 127,   128,   129,   254,
                                    255, 256, 257, 65534, 65535, 65536, 65537 };
    uint8_t *mem = malloc(70000);

    (void)state;
    assert_non_null(mem);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct wr w = wr_of(mem, 70000);
        struct rd r, in;
        struct span whole;
        size_t n = sizes[i], head = n < 128 ? 2 : n < 256 ? 3 : n < 65536 ? 4 : 5;

        for (size_t j = 0; j < n; j++) {
            wr_u8(&w, (uint8_t)j);
        }
        der_close(&w, 0, DER_OCTET_STRING);
        assert_true(wr_ok(&w));
        assert_int_equal(w.len, n + head);
        r = rd_of(mem, w.len);
        assert_true(der_whole(&r, DER_OCTET_STRING, &whole, &in));
        assert_int_equal(whole.n, w.len);
        assert_int_equal(in.n, n);
        assert_true(n == 0 || (in.p[0] == 0 && in.p[n - 1] == (uint8_t)(n - 1)));
        assert_true(rd_done(&r));
        r = rd_of(mem, w.len - 1);
        REFUSED(r, der_get(&r, DER_OCTET_STRING, &in));
    }
    free(mem);
}

static void booleans(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 256; v++) {
        const uint8_t bytes[] = { 1, 1, (uint8_t)v };
        struct rd r = rd_of(bytes, 3);
        bool b = v == 0;

        if (v == 0 || v == 0xff) {
            assert_true(der_bool(&r, &b));
            assert_int_equal(b, v != 0);
        } else {
            REFUSED(r, der_bool(&r, &b));
        }
    }
    for (size_t i = 0; i < 2; i++) {
        struct rd r = i ? rd_of(BYTES("\x01\x00")) : rd_of(BYTES("\x01\x02\xff\xff"));
        bool b;

        REFUSED(r, der_bool(&r, &b));
    }
}

static void integers(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool any, positive, small;
        uint32_t value;
    } rows[] = {
        { BYTES("\x02\x00"), false, false, false, 0 },
        { BYTES("\x02\x01\x00"), true, true, true, 0 },
        { BYTES("\x02\x01\x7f"), true, true, true, 127 },
        { BYTES("\x02\x01\x80"), true, false, false, 0 },
        { BYTES("\x02\x01\xff"), true, false, false, 0 },
        { BYTES("\x02\x02\x00\x80"), true, true, true, 128 },
        { BYTES("\x02\x02\x00\x7f"), false, false, false, 0 },
        { BYTES("\x02\x02\x00\x00"), false, false, false, 0 },
        { BYTES("\x02\x02\xff\x80"), false, false, false, 0 },
        { BYTES("\x02\x02\xff\x7f"), true, false, false, 0 },
        { BYTES("\x02\x04\x7f\xff\xff\xff"), true, true, true, 0x7fffffff },
        { BYTES("\x02\x05\x00\xff\xff\xff\xff"), true, true, true, 0xffffffff },
        { BYTES("\x02\x05\x01\x00\x00\x00\x00"), true, true, false, 0 },
        { BYTES("\x22\x01\x00"), false, false, false, 0 },
        { BYTES("\x02\x02\x01"), false, false, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rd r = rd_of(rows[i].bytes, rows[i].n), s = r, t = r;
        struct span out;
        uint32_t v;

        if (!rows[i].any) {
            REFUSED(r, der_integer(&r, &out));
        } else {
            assert_true(der_integer(&r, &out) && rd_done(&r));
        }
        if (!rows[i].positive) {
            REFUSED(s, der_unsigned(&s, &out));
        } else {
            assert_true(der_unsigned(&s, &out) && rd_done(&s));
            assert_true(out.n == 0 || out.p[0] != 0);
        }
        if (!rows[i].small) {
            REFUSED(t, der_uint32(&t, &v));
        } else {
            uint8_t mem[16];
            struct wr w = wr_of(mem, sizeof mem);

            assert_true(der_uint32(&t, &v) && rd_done(&t));
            assert_int_equal(v, rows[i].value);
            der_put_uint32(&w, v);
            assert_true(wr_ok(&w) && w.len == rows[i].n);
            assert_memory_equal(mem, rows[i].bytes, w.len);
        }
    }
}

static void bit_strings(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool ok;
        size_t len;
        unsigned spare;
    } rows[] = {
        { BYTES("\x03\x00"), false, 0, 0 },         { BYTES("\x03\x01\x00"), true, 0, 0 },
        { BYTES("\x03\x01\x01"), false, 0, 0 },     { BYTES("\x03\x02\x00\xff"), true, 1, 0 },
        { BYTES("\x03\x02\x07\x80"), true, 1, 7 },  { BYTES("\x03\x02\x07\xc0"), false, 0, 0 },
        { BYTES("\x03\x02\x08\x00"), false, 0, 0 }, { BYTES("\x03\x02\x01\xfe"), true, 1, 1 },
        { BYTES("\x03\x02\x01\xff"), false, 0, 0 }, { BYTES("\x03\x03\x04\xff\xf0"), true, 2, 4 },
        { BYTES("\x23\x02\x00\xff"), false, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rd r = rd_of(rows[i].bytes, rows[i].n), s = r;
        struct span out;
        unsigned spare;

        if (rows[i].ok) {
            assert_true(der_bits(&r, &out, &spare) && rd_done(&r));
            assert_int_equal(out.n, rows[i].len);
            assert_int_equal(spare, rows[i].spare);
        } else {
            REFUSED(r, der_bits(&r, &out, &spare));
        }
        if (rows[i].ok && rows[i].spare == 0) {
            assert_true(der_bit_bytes(&s, &out));
        } else {
            REFUSED(s, der_bit_bytes(&s, &out));
        }
    }
}

static void object_identifiers(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool ok;
    } rows[] = {
        { BYTES("\x06\x00"), false },
        { BYTES("\x06\x01\x2a"), true },
        { BYTES("\x06\x01\x80"), false },
        { BYTES("\x06\x02\x2a\x86"), false },
        { BYTES("\x06\x03\x2a\x86\x48"), true },
        { BYTES("\x06\x03\x2a\x80\x01"), false },
        { BYTES("\x06\x02\x80\x01"), false },
        { BYTES("\x06\x04\x2a\x81\x80\x01"), true },
        { BYTES("\x05\x01\x2a"), false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rd r = rd_of(rows[i].bytes, rows[i].n);
        struct span oid;

        if (rows[i].ok) {
            assert_true(der_oid(&r, &oid) && rd_done(&r));
        } else {
            REFUSED(r, der_oid(&r, &oid));
        }
    }
}

static void nulls_and_options(void **state)
{
    struct rd r = rd_of(BYTES("\x05\x00\x05\x01\x00")), in;
    bool there;

    (void)state;
    assert_true(der_null(&r));
    REFUSED(r, der_null(&r));
    r = rd_of(BYTES("\xa0\x00\xa1\x05"));
    assert_true(der_optional(&r, DER_CONSTRUCTED(3), &there, &in) && !there);
    assert_true(der_optional(&r, DER_CONSTRUCTED(0), &there, &in) && there);
    /* There, but cut short: not the same as not there. */
    REFUSED(r, der_optional(&r, DER_CONSTRUCTED(1), &there, &in));
    r = rd_of(NULL, 0);
    assert_true(der_optional(&r, DER_CONSTRUCTED(1), &there, &in) && !there);
    assert_false(der_next_is(&r, DER_NULL));
}

static void times(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t seconds;
    } rows[] = {
        { "700101000000Z", true, 0 },
        { "691231235959Z", true, -1 },
        { "500101000000Z", true, INT64_C(-631152000) },
        { "491231235959Z", true, INT64_C(2524607999) },
        { "000229120000Z", true, 951825600 },
        { "010229120000Z", false, 0 },
        { "240229000000Z", true, 1709164800 },
        { "250615150640Z", true, 1750000000 },
        { "19700101000000Z", true, 0 },
        { "20380119031408Z", true, INT64_C(2147483648) },
        { "21000228235959Z", true, INT64_C(4107542399) },
        { "21000229000000Z", false, 0 },
        { "20000229000000Z", true, 951782400 },
        { "99991231235959Z", true, INT64_C(253402300799) },
        { "00000101000000Z", true, INT64_C(-62167219200) },
        { "00000301000000Z", true, INT64_C(-62162035200) },
        { "16010101000000Z", true, INT64_C(-11644473600) },
        { "250015000000Z", false, 0 },
        { "251315000000Z", false, 0 },
        { "250600000000Z", false, 0 },
        { "250631000000Z", false, 0 },
        { "250630235959Z", true, 1751327999 },
        { "250630240000Z", false, 0 },
        { "250630236000Z", false, 0 },
        { "250630235960Z", false, 0 },
        { "2506302359Z", false, 0 },
        { "250630235959", false, 0 },
        { "250630235959z", false, 0 },
        { "250630235959+0000", false, 0 },
        { "250630235959ZZ", false, 0 },
        { "20250630235959.5Z", false, 0 },
        { "20250630235959", false, 0 },
        { "20250630235959+0000", false, 0 },
        { " 50630235959Z", false, 0 },
        { "25063023595/Z", false, 0 },
        { "25063023595:Z", false, 0 },
        { "-50630235959Z", false, 0 },
        { "", false, 0 },
        { "Z", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].text);
        uint8_t tag =
            n == 13 || (n != 15 && rows[i].text[0] != '2') ? DER_UTC_TIME : DER_GENERALIZED_TIME;
        uint8_t mem[64];
        struct wr w = wr_of(mem, sizeof mem);
        struct rd r;
        int64_t t = 0;

        der_put(&w, tag, span_of(rows[i].text, n));
        r = rd_of(mem, w.len);
        if (!rows[i].ok) {
            REFUSED(r, der_time(&r, &t));
            continue;
        }
        assert_true(der_time(&r, &t) && rd_done(&r));
        assert_true(t == rows[i].seconds);
    }
}

/* There and back, a day and a second at a time. */
static void times_round(void **state)
{
    (void)state;
    for (int64_t t = INT64_C(-631152000); t < INT64_C(253402300800); t += 86400 * 13 + 3601) {
        uint8_t mem[32];
        struct wr w = wr_of(mem, sizeof mem);
        struct civil c = civil_from_seconds(t);
        struct rd r;
        int64_t back;

        der_put_time(&w, t);
        assert_true(wr_ok(&w));
        assert_int_equal(mem[0], c.year < 2050 ? DER_UTC_TIME : DER_GENERALIZED_TIME);
        r = rd_of(mem, w.len);
        assert_true(der_time(&r, &back) && rd_done(&r));
        assert_true(back == t);
    }
    for (size_t i = 0; i < 2; i++) {
        uint8_t mem[32];
        struct wr w = wr_of(mem, sizeof mem);

        der_put_time(&w, i ? INT64_C(253402300800) : INT64_C(-631152001));
        assert_false(wr_ok(&w));
    }
}

/* A writer that is full stays quiet and failed. */
static void writer_is_bounded(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 12; cap++) {
        uint8_t mem[16];
        struct wr w = wr_of(mem, cap);

        memset(mem, 0xaa, sizeof mem);
        der_put_uint32(&w, 0x80000000);
        der_put(&w, DER_NULL, span_of(NULL, 0));
        der_close(&w, 0, DER_SEQUENCE);
        assert_int_equal(wr_ok(&w), cap >= 11);
        for (size_t i = cap; i < sizeof mem; i++) {
            assert_int_equal(mem[i], 0xaa);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),          cmocka_unit_test(threat_06_lengths),
        cmocka_unit_test(booleans),          cmocka_unit_test(integers),
        cmocka_unit_test(bit_strings),       cmocka_unit_test(object_identifiers),
        cmocka_unit_test(nulls_and_options), cmocka_unit_test(times),
        cmocka_unit_test(times_round),       cmocka_unit_test(writer_is_bounded),
    };

    return cmocka_run_group_tests_name("der", tests, NULL, NULL);
}
