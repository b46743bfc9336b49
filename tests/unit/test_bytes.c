/* SPDX-License-Identifier: ISC */
/* Readers and writers of wire data at all their limits (threats 6, 10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/mem.h"

/* ---- reader ---- */

static void reader_integers(void **state)
{
    static const uint8_t bytes[] = { 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 0xfe };
    struct rd r = rd_of(bytes, sizeof bytes);
    uint8_t v8 = 0;
    uint16_t v16 = 0;
    uint32_t v32 = 0;

    (void)state;
    assert_true(rd_u8(&r, &v8));
    assert_int_equal(v8, 0xff);
    assert_true(rd_u16(&r, &v16));
    assert_int_equal(v16, 0x0102);
    assert_true(rd_u24(&r, &v32));
    assert_int_equal(v32, 0x030405);
    assert_true(rd_u32(&r, &v32));
    assert_int_equal(v32, 0x060708fe);
    assert_true(rd_done(&r));
    assert_false(rd_u8(&r, &v8));
}

/* Every call on every length from none to enough: all or nothing, and values untouched by failure.
 */
static void threat_06_reader_at_its_end(void **state)
{
    for (size_t n = 0; n <= 6; n++) {
        uint8_t *mem = malloc(n ? n : 1); /* the sanitizer guards its end */
        uint8_t v8 = 77, copy[5] = { 9 };
        uint16_t v16 = 77;
        uint32_t v32 = 77;
        struct span s = { NULL, 77 };
        struct rd r;

        (void)state;
        assert_non_null(mem);
        memset(mem, 1, n);
#define AT_END(call, need, untouched)            \
    do {                                         \
        r = rd_of(mem, n);                       \
        assert_int_equal(call, n >= (need));     \
        if (n < (need)) {                        \
            assert_ptr_equal(r.p, mem);          \
            assert_int_equal(r.n, n);            \
            assert_true(untouched);              \
        } else {                                 \
            assert_int_equal(r.n, n - (need));   \
            assert_ptr_equal(r.p, mem + (need)); \
        }                                        \
    } while (0)
        AT_END(rd_u8(&r, &v8), 1u, v8 == 77);
        AT_END(rd_u16(&r, &v16), 2u, v16 == 77);
        AT_END(rd_u24(&r, &v32), 3u, v32 == 77);
        v32 = 77;
        AT_END(rd_u32(&r, &v32), 4u, v32 == 77);
        AT_END(rd_bytes(&r, 5, &s), 5u, s.n == 77);
        AT_END(rd_copy(&r, copy, 5), 5u, copy[0] == 9);
#undef AT_END
        r = rd_of(mem, n);
        assert_false(rd_bytes(&r, SIZE_MAX, &s));
        assert_true(rd_bytes(&r, 0, &s));
        assert_int_equal(s.n, 0);
        assert_true(rd_copy(&r, NULL, 0));
        free(mem);
    }
    struct rd none = rd_of(NULL, 0);
    struct span s;

    assert_true(rd_done(&none));
    assert_true(rd_bytes(&none, 0, &s));
}

static void threat_06_reader_vectors(void **state)
{
    (void)state;
    for (size_t width = 1; width <= 3; width++) {
        uint8_t bytes[3 + 4] = { 0 };
        struct rd r, sub = { NULL, 77 };

        bytes[width - 1] = 4;
        for (size_t n = 0; n < width + 4; n++) { /* cut anywhere */
            r = rd_of(bytes, n);
            assert_false(rd_vec(&r, width, &sub));
            assert_ptr_equal(r.p, bytes);
            assert_int_equal(r.n, n);
            assert_int_equal(sub.n, 77);
        }
        r = rd_of(bytes, width + 4);
        assert_true(rd_vec(&r, width, &sub));
        assert_true(rd_done(&r));
        assert_ptr_equal(sub.p, bytes + width);
        assert_int_equal(sub.n, 4);
        memset(bytes, 0xff, width); /* the greatest length, and not one byte behind it */
        r = rd_of(bytes, width);
        assert_false(rd_vec(&r, width, &sub));
        memset(bytes, 0, width);
        r = rd_of(bytes, width);
        assert_true(rd_vec(&r, width, &sub));
        assert_true(rd_done(&sub));
    }
}

static void spans(void **state)
{
    (void)state;
    assert_true(span_eq(span_of("ab", 2), span_of("abc", 2)));
    assert_false(span_eq(span_of("ab", 2), span_of("abc", 3)));
    assert_false(span_eq(span_of("ab", 2), span_of("ac", 2)));
    assert_true(span_eq(span_of(NULL, 0), span_of("x", 0)));
}

/* ---- writer ---- */

static void writer_integers(void **state)
{
    uint8_t bytes[10];
    struct wr w = wr_of(bytes, sizeof bytes);

    (void)state;
    wr_u8(&w, 0xff);
    wr_u16(&w, 0x0102);
    wr_u24(&w, 0x030405);
    wr_u32(&w, 0x060708fe);
    assert_true(wr_ok(&w));
    assert_int_equal(w.len, 10);
    assert_memory_equal(bytes, "\xff\1\2\3\4\5\6\7\10\xfe", 10);
    assert_int_equal(wr_commit(&w), 0); /* fixed memory: nothing to do */
}

/* A value that does not fit its width must not be cut. */
static void threat_06_writer_overflow(void **state)
{
    static const struct {
        size_t width;
        uint32_t most;
    } rows[] = { { 1, 0xff }, { 2, 0xffff }, { 3, 0xffffff } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[4];
        struct wr w = wr_of(bytes, sizeof bytes);

        wr_uint(&w, rows[i].width, rows[i].most);
        assert_true(wr_ok(&w));
        w = wr_of(bytes, sizeof bytes);
        wr_uint(&w, rows[i].width, rows[i].most + 1);
        assert_false(wr_ok(&w));
        assert_int_equal(wr_commit(&w) < 0, true);
    }
}

static void writer_full(void **state)
{
    for (size_t cap = 0; cap <= 12; cap++) {
        uint8_t bytes[13];
        struct wr w = wr_of(bytes, cap);

        (void)state;
        memset(bytes, 0x5a, sizeof bytes);
        wr_u8(&w, 1);
        const size_t mark = wr_begin(&w, 2);

        wr_bytes(&w, "abc", 3);
        wr_vec(&w, 1, "xy", 2);
        wr_end(&w, 2, mark);
        wr_u24(&w, 7);
        assert_int_equal(wr_ok(&w), cap == 12);
        assert_int_equal(bytes[cap], 0x5a);
        if (wr_ok(&w)) {
            assert_memory_equal(bytes, "\1\0\6abc\2xy\0\0\7", 12);
            wr_bytes(&w, NULL, 0);
            assert_true(wr_ok(&w));
            wr_u8(&w, 0);
        }
        assert_false(wr_ok(&w)); /* once failed, failed */
        const size_t len = w.len;

        wr_bytes(&w, NULL, 0);
        assert_null(wr_room(&w, 0));
        assert_int_equal(w.len, len);
    }
}

/* Vectors as long as their prefix can tell, and one byte longer. */
static void writer_vectors(void **state)
{
    static uint8_t out[70000];
    static const uint8_t in[65536];

    (void)state;
    for (size_t width = 1; width <= 2; width++) {
        const size_t most = width == 1 ? 255 : 65535;
        struct wr w = wr_of(out, sizeof out);

        wr_vec(&w, width, in, most);
        assert_true(wr_ok(&w));
        assert_int_equal(w.len, width + most);
        w = wr_of(out, sizeof out);
        wr_vec(&w, width, in, most + 1);
        assert_false(wr_ok(&w));
        w = wr_of(out, sizeof out);
        size_t mark = wr_begin(&w, width);

        wr_bytes(&w, in, most);
        wr_end(&w, width, mark);
        assert_true(wr_ok(&w));
        w = wr_of(out, sizeof out);
        mark = wr_begin(&w, width);
        wr_bytes(&w, in, most + 1);
        wr_end(&w, width, mark);
        assert_false(wr_ok(&w));
    }
    struct wr w = wr_of(out, sizeof out);

    wr_end(&w, 2, 1); /* a mark that no wr_begin gave */
    assert_false(wr_ok(&w));
    w = wr_of(out, sizeof out);
    wr_end(&w, 1, 5);
    assert_false(wr_ok(&w));
    w = wr_of(out, sizeof out);
    assert_null(wr_room(&w, SIZE_MAX));
}

/* A message that grows its buffer while it is written, byte by byte and behind other bytes. */
static void writer_grows(void **state)
{
    (void)state;
    for (size_t ahead = 0; ahead <= 300; ahead += 100) {
        for (size_t used = 0; used <= ahead; used += 50) {
            struct buf b = { 0 };
            uint8_t first[300];
            struct wr w;
            size_t mark;

            memset(first, 0xee, sizeof first);
            assert_int_equal(buf_append(&b, first, ahead), 0);
            buf_consume(&b, used);
            w = wr_buf(&b);
            mark = wr_begin(&w, 3);
            for (unsigned i = 0; i < 5000; i++) {
                wr_u16(&w, i);
            }
            wr_end(&w, 3, mark);
            assert_int_equal(buf_len(&b), ahead - used); /* nothing there before the commit */
            assert_int_equal(wr_commit(&w), 0);
            assert_int_equal(buf_len(&b), ahead - used + 10003);
            buf_consume(&b, ahead - used);
            struct rd r = rd_span(buf_span(&b)), sub = { NULL, 0 };

            assert_true(rd_vec(&r, 3, &sub));
            for (unsigned i = 0; i < 5000; i++) {
                uint16_t v;

                assert_true(rd_u16(&sub, &v));
                assert_int_equal(v, i);
            }
            assert_true(rd_done(&r) && rd_done(&sub));
            wr_u8(&w, 9); /* the next message with the same writer */
            assert_int_equal(wr_commit(&w), 0);
            assert_int_equal(buf_len(&b), 10004);
            assert_int_equal(buf_data(&b)[10003], 9);
            buf_free(&b);
        }
    }
}

/* The second allocation and all behind it fail. */
static long allocations;

static void *second_fails(size_t n)
{
    return ++allocations > 1 ? NULL : malloc(n);
}

static void writer_fails_whole(void **state)
{
    struct buf b = { .max = 20 };
    struct wr w = wr_buf(&b);

    (void)state;
    wr_bytes(&w, "0123456789", 10);
    assert_int_equal(wr_commit(&w), 0);
    wr_bytes(&w, "0123456789", 10);
    wr_u8(&w, 0);
    assert_true(wr_commit(&w) < 0);
    assert_int_equal(buf_len(&b), 10);
    assert_memory_equal(buf_data(&b), "0123456789", 10);
    buf_free(&b);
    b = (struct buf){ 0 };
    w = wr_buf(&b);
    mem_hooks.alloc = second_fails;
    for (unsigned i = 0; i < 1000; i++) {
        wr_u8(&w, i & 0xff);
    }
    mem_hooks.alloc = malloc;
    assert_true(wr_commit(&w) < 0);
    assert_int_equal(buf_len(&b), 0);
    buf_free(&b);
    w = wr_buf(&b);
    assert_int_equal(wr_commit(&w), 0); /* nothing written */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_integers),
        cmocka_unit_test(threat_06_reader_at_its_end),
        cmocka_unit_test(threat_06_reader_vectors),
        cmocka_unit_test(spans),
        cmocka_unit_test(writer_integers),
        cmocka_unit_test(threat_06_writer_overflow),
        cmocka_unit_test(writer_full),
        cmocka_unit_test(writer_vectors),
        cmocka_unit_test(writer_grows),
        cmocka_unit_test(writer_fails_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
