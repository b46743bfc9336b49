/* SPDX-License-Identifier: ISC */
/* The ground floor but for readers and writers (test_bytes.c): memory, buffers, errors, secrets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"

/* ---- memory: what is taken, what is given back and in which state ---- */

static long live, total, fail_at;
static bool must_be_wiped;

/* The size stands in front of each block, so that a release can be looked at. */
static void *test_alloc(size_t n)
{
    size_t *p;

    if (++total == fail_at) {
        return NULL;
    }
    p = malloc(n + 16);
    assert_non_null(p);
    *p = n;
    memset((uint8_t *)p + 16, 0xa5, n);
    live++;
    return (uint8_t *)p + 16;
}

static void test_release(void *p)
{
    const size_t n = *(size_t *)(void *)((uint8_t *)p - 16);

    for (size_t i = 0; must_be_wiped && i < n; i++) {
        assert_int_equal(((uint8_t *)p)[i], 0);
    }
    live--;
    free((uint8_t *)p - 16);
}

static int hooked(void **state)
{
    (void)state;
    mem_hooks = (struct mem_hooks){ test_alloc, test_release };
    live = total = fail_at = 0;
    must_be_wiped = false;
    return 0;
}

static int unhooked(void **state)
{
    (void)state;
    mem_hooks = (struct mem_hooks){ malloc, free };
    return live == 0 ? 0 : -1;
}

static void memory(void **state)
{
    uint8_t *p;

    (void)state;
    mem_free(mem_alloc(0));
    assert_int_equal(total, 1);
    p = mem_zalloc(9);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(p[i], 0);
    }
    mem_free(p);
    p = mem_dup("\1\2\3", 3);
    assert_memory_equal(p, "\1\2\3", 3);
    mem_free(p);
    mem_free(mem_dup(NULL, 0));
    p = (uint8_t *)mem_strdup("text");
    assert_string_equal((char *)p, "text");
    mem_free(p);
    mem_free(NULL);
    mem_free_secret(NULL, 5);
    must_be_wiped = true;
    p = mem_alloc(33);
    mem_free_secret(p, 33);
    for (int i = 0; i < 4; i++) {
        fail_at = total + 1;
        assert_null(i == 0   ? mem_alloc(1)
                    : i == 1 ? mem_zalloc(1)
                    : i == 2 ? mem_dup("x", 1)
                             : (void *)mem_strdup("x"));
    }
}

/* ---- buffer ---- */

static void buffer_queue(void **state)
{
    struct buf b = { 0 };
    uint8_t in = 0, out = 0;

    (void)state;
    assert_int_equal(buf_len(&b), 0);
    assert_null(buf_data(&b));
    buf_free(&b);
    buf_consume(&b, 5);
    for (unsigned i = 0; i < 2000; i++) { /* in and out in uneven steps */
        const size_t add = i * 7 % 100, take = i * 11 % 130;
        uint8_t bytes[100];

        for (size_t j = 0; j < add; j++) {
            bytes[j] = in++;
        }
        assert_int_equal(buf_append(&b, bytes, add), 0);
        const size_t n = take < buf_len(&b) ? take : buf_len(&b);

        for (size_t j = 0; j < n; j++) {
            assert_int_equal(buf_data(&b)[j], out++);
        }
        buf_consume(&b, n);
        assert_true(buf_len(&b) > 0 || live == 0); /* empty: no memory */
    }
    buf_free(&b);
    buf_free(&b);
    assert_int_equal(live, 0);
}

static void buffer_limits(void **state)
{
    static const uint8_t bytes[2000];
    struct buf b = { .max = 1000 };

    (void)state;
    assert_int_equal(buf_append(&b, bytes, 1001), ERR_LIMIT);
    assert_int_equal(live, 0);
    assert_int_equal(buf_append(&b, bytes, 999), 0);
    assert_int_equal(buf_append(&b, bytes, 2), ERR_LIMIT);
    assert_int_equal(buf_append(&b, bytes, 1), 0);
    assert_int_equal(buf_append(&b, bytes, 1), ERR_LIMIT);
    assert_int_equal(buf_len(&b), 1000);
    buf_consume(&b, 10);
    assert_int_equal(buf_append(&b, bytes, 11), ERR_LIMIT);
    assert_int_equal(buf_append(&b, bytes, 10), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_LIMIT);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 500), ERR_LIMIT);
    assert_int_equal(buf_len(&b), 1000);
    buf_free(&b);
    b.max = 0;
    assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_LIMIT);
    assert_int_equal(buf_reserve(&b, 500), 0);
    buf_added(&b, 0);
    assert_int_equal(buf_append(&b, bytes, 400), 0);
    fail_at = total + 1;
    assert_int_equal(buf_append(&b, bytes, 2000), ERR_MEM);
    assert_int_equal(buf_len(&b), 400); /* as it was */
    buf_free(&b);
}

static void buffer_wipes(void **state)
{
    struct buf b = { .secret = true };
    uint8_t bytes[100];

    (void)state;
    memset(bytes, 0xee, sizeof bytes);
    must_be_wiped = true; /* each block it gives back, also when it grows */
    for (int i = 0; i < 30; i++) {
        assert_int_equal(buf_append(&b, bytes, sizeof bytes), 0);
    }
    buf_consume(&b, 1500);
    for (size_t i = 0; i < 1500; i++) {
        assert_int_equal(b.mem[i], 0);
    }
    assert_int_equal(buf_reserve(&b, b.cap - b.end + 1), 0); /* moves to the front */
    for (size_t i = b.end; i < b.cap; i++) {
        assert_true(b.mem[i] != 0xee);
    }
    buf_consume(&b, 5000);
    assert_null(b.mem);
}

/* ---- errors ---- */

static void error_sticks(void **state)
{
    struct error e;

    (void)state;
    error_clear(&e);
    assert_int_equal(e.code, 0);
    assert_int_equal(e.alert_sent, ALERT_NONE);
    assert_int_equal(e.alert_received, ALERT_NONE);
    assert_int_equal(FAIL(&e, ERR_PARSE, "first %d", 1), ERR_PARSE);
    assert_int_equal(FAIL(&e, ERR_MEM, "second"), ERR_MEM);
    assert_int_equal(e.code, ERR_PARSE);
    assert_string_equal(e.text, "first 1");
    assert_string_equal(e.place, "error_sticks");
    assert_int_equal(FAIL(NULL, ERR_ARG, "nowhere"), ERR_ARG);
    error_clear(&e);
    assert_int_equal(FAIL(&e, ERR_ARG, "%0200d", 7), ERR_ARG);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

static int tries(int rc)
{
    TRY(rc);
    return 42;
}

static void error_names(void **state)
{
    (void)state;
    for (int code = ERR_PASSPHRASE; code <= ERR_MEM; code++) {
        assert_string_not_equal(error_name(code), "unknown error");
        assert_false(IS_TLS_ALERT(code));
        for (int other = ERR_PASSPHRASE; other < code; other++) {
            assert_string_not_equal(error_name(code), error_name(other));
        }
    }
    for (int alert = 0; alert < 256; alert++) {
        const int code = TLS_ALERT(alert);

        assert_true(IS_TLS_ALERT(code));
        assert_int_equal(ALERT_OF(code), alert);
        assert_ptr_equal(error_name(code), alert_name((unsigned)alert));
    }
    assert_string_equal(alert_name(ALERT_DECODE_ERROR), "decode_error");
    assert_string_equal(alert_name(ALERT_NO_APPLICATION_PROTOCOL), "no_application_protocol");
    assert_string_equal(alert_name(77), "unknown alert");
    assert_string_equal(alert_name(1000), "unknown alert");
    assert_string_equal(error_name(0), "no error");
    assert_string_equal(error_name(ERR_PASSPHRASE - 1), "unknown error");
    assert_int_equal(tries(0), 42);
    assert_int_equal(tries(3), 42);
    assert_int_equal(tries(ERR_MEM), ERR_MEM);
}

/* ---- secrets ---- */

static void secrets(void **state)
{
    uint8_t a[64], b[64];

    (void)state;
    memset(a, 0xee, sizeof a);
    wipe(a, 0);
    assert_int_equal(a[0], 0xee);
    wipe(a, 63);
    for (size_t i = 0; i < 63; i++) {
        assert_int_equal(a[i], 0);
    }
    assert_int_equal(a[63], 0xee);
    wipe(NULL, 0);
    {
        SECRET(key, 32);

        assert_ptr_equal(key_ref_.p, key);
        assert_int_equal(key_ref_.n, 32);
        memset(key, 0xee, sizeof key);
        secret_leave(&key_ref_);
        for (size_t i = 0; i < sizeof key; i++) {
            assert_int_equal(key[i], 0);
        }
    }
    memset(a, 0x11, sizeof a);
    memset(b, 0x11, sizeof b);
    assert_true(ct_equal(a, b, sizeof a));
    assert_true(ct_equal(a, b, 0));
    for (size_t bit = 0; bit < 8 * sizeof b; bit++) {
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(ct_equal(a, b, sizeof a));
        assert_true(ct_equal(a, b, bit / 8));
        assert_false(ct_equal(a, b, bit / 8 + 1));
        assert_false(ct_equal(a + bit / 8, b + bit / 8, sizeof a - bit / 8));
        b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

#define HOOKED(test) cmocka_unit_test_setup_teardown(test, hooked, unhooked)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOOKED(memory),
        HOOKED(buffer_queue),
        HOOKED(buffer_limits),
        HOOKED(buffer_wipes),
        cmocka_unit_test(error_sticks),
        cmocka_unit_test(error_names),
        cmocka_unit_test(secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
