/* SPDX-License-Identifier: ISC */
/* PEM and base64 both ways, and reading files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "x509/x509.h"

static struct span text_of(const char *s)
{
    return span_of(s, strlen(s));
}

static void written(void **state)
{
    static const struct {
        const char *in, *pem;
    } rows[] = {
        /* RFC 4648 section 10 */
        { "", "-----BEGIN X-----\n-----END X-----\n" },
        { "f", "-----BEGIN X-----\nZg==\n-----END X-----\n" },
        { "fo", "-----BEGIN X-----\nZm8=\n-----END X-----\n" },
        { "foo", "-----BEGIN X-----\nZm9v\n-----END X-----\n" },
        { "foob", "-----BEGIN X-----\nZm9vYg==\n-----END X-----\n" },
        { "fooba", "-----BEGIN X-----\nZm9vYmE=\n-----END X-----\n" },
        { "foobar", "-----BEGIN X-----\nZm9vYmFy\n-----END X-----\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = { 0 };

        assert_int_equal(pem_write(&b, "X", text_of(rows[i].in)), 0);
        assert_int_equal(buf_len(&b), strlen(rows[i].pem));
        assert_memory_equal(buf_data(&b), rows[i].pem, buf_len(&b));
        buf_free(&b);
    }
}

static void there_and_back(void **state)
{
    uint8_t bytes[300];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 89 + (i >> 3));
    }
    for (size_t n = 0; n <= sizeof bytes; n++) {
        struct buf pem = { 0 }, out = { 0 };
        char label[64];
        size_t pos = 0, line = 0;

        assert_int_equal(pem_write(&pem, "SOME THING", span_of(bytes, n)), 0);
        for (size_t i = 0; i < buf_len(&pem); i++) {
            line = buf_data(&pem)[i] == '\n' ? 0 : line + 1;
            assert_true(line <= 64);
        }
        assert_int_equal(pem_next(buf_span(&pem), &pos, label, &out), 1);
        assert_string_equal(label, "SOME THING");
        assert_int_equal(buf_len(&out), n);
        assert_true(n == 0 || memcmp(buf_data(&out), bytes, n) == 0);
        buf_free(&out);
        assert_int_equal(pem_next(buf_span(&pem), &pos, label, &out), 0);
        buf_free(&out);
        /* Cut short, or with its beginning gone, there is nothing in it. */
        for (size_t cut = 1; cut < buf_len(&pem) - 1; cut += 1 + n / 7) {
            pos = 0;
            assert_true(pem_next(span_of(buf_data(&pem), cut), &pos, label, &out) != 1);
            pos = cut;
            assert_true(pem_next(buf_span(&pem), &pos, label, &out) != 1);
            buf_free(&out);
        }
        buf_free(&pem);
    }
}

static void read_leniently_and_strictly(void **state)
{
    static const struct {
        const char *text;
        int rc;
        const char *out;
    } rows[] = {
        { "-----BEGIN X-----\nZm9v\n-----END X-----", 1, "foo" },
        { "-----BEGIN X-----\r\nZm9v\r\n-----END X-----\r\n", 1, "foo" },
        { "-----BEGIN X-----\n Zm 9\tv \n\n-----END X-----\n", 1, "foo" },
        { "text before\n\n-----BEGIN X-----\nZm9v\n-----END X-----\ntext behind\n", 1, "foo" },
        { "-----BEGIN X-----\nA: b\nC: d\n\nZm9v\n-----END X-----\n", 1, "foo" },
        { "-----BEGIN X-----\r\nA: b\r\n\r\nZm9v\r\n-----END X-----\n", 1, "foo" },
        { "-----BEGIN X-----\nZg==\n-----END X-----\n", 1, "f" },
        { "-----BEGIN X-----\nZg=\n=\n-----END X-----\n", 1, "f" },
        { "-----BEGIN X-----\nZg=\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZg\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZ\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZ===\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\n====\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZg===\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZm9v=\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZg==Zg==\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZm=v\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZg=A\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZh==\n-----END X-----\n", ERR_PARSE, NULL }, /* spare bits */
        { "-----BEGIN X-----\nZm9=\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZm9*\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZm9-\n-----END X-----\n", ERR_PARSE, NULL }, /* not base64url */
        { "-----BEGIN X-----\nZm9_\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nA: b\nZm9v\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZm9v\n-----END Y-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZm9v\n-----BEGIN X-----\nZm9v\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZm9v\n", ERR_PARSE, NULL },
        { "-----BEGIN X-----\nZm9v\nx-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN X----\nZm9v\n-----END X-----\n", ERR_PARSE, NULL },
        { "-----BEGIN -----\nZm9v\n-----END -----\n", ERR_PARSE, NULL },
        { "-----BEGIN X\n-----\nZm9v\n-----END X\n-----\n", ERR_PARSE, NULL },
        { "-----BEGIN ", ERR_PARSE, NULL },
        { "x-----BEGIN X-----\nZm9v\n-----END X-----\n", 0, NULL },
        { "----BEGIN X-----\nZm9v\n-----END X-----\n", 0, NULL },
        { "-----BEGI", 0, NULL },
        { "", 0, NULL },
        { "nothing of the kind", 0, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = { 0 };
        char label[64];
        size_t pos = 0;
        int rc = pem_next(text_of(rows[i].text), &pos, label, &out);

        if (rc != rows[i].rc) {
            fail_msg("row %zu: %d", i, rc);
        }
        if (rc == 1) {
            assert_int_equal(buf_len(&out), strlen(rows[i].out));
            assert_memory_equal(buf_data(&out), rows[i].out, buf_len(&out));
            assert_string_equal(label, "X");
        } else {
            assert_int_equal(buf_len(&out), 0);
        }
        assert_true(pos <= strlen(rows[i].text));
        buf_free(&out);
    }
}

/* 63 bytes of label fit; one more does not. */
static void labels(void **state)
{
    (void)state;
    for (size_t n = 62; n <= 65; n++) {
        struct buf pem = { 0 }, out = { 0 };
        char name[80], label[64];
        size_t pos = 0;

        memset(name, 'L', n);
        name[n] = '\0';
        assert_int_equal(pem_write(&pem, name, text_of("foo")), 0);
        assert_int_equal(pem_next(buf_span(&pem), &pos, label, &out), n <= 63 ? 1 : ERR_PARSE);
        assert_true(n > 63 || strcmp(label, name) == 0);
        buf_free(&pem);
        buf_free(&out);
    }
}

/* A bad block does not hide the good ones behind it. */
static void goes_on_behind_a_bad_block(void **state)
{
    static const char text[] = "-----BEGIN A-----\nZm9v\n-----END A-----\n"
                               "-----BEGIN B-----\n????\n-----END B-----\n"
                               "-----BEGIN C-----\nZm9v\n"
                               "-----BEGIN D-----\nZm9v\n-----END D-----\n";
    static const int want[] = { 1, ERR_PARSE, ERR_PARSE, 1, 0, 0 };
    char label[64];
    size_t pos = 0;

    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct buf out = { 0 };

        assert_int_equal(pem_next(text_of(text), &pos, label, &out), want[i]);
        buf_free(&out);
    }
    assert_string_equal(label, "D");
}

static void files(void **state)
{
    char dir[] = "/tmp/sleeve-pem-XXXXXX", path[64];
    struct buf b = { 0 };
    struct error err;
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/f", dir);
    error_clear(&err);
    errno = 0;
    assert_int_equal(file_read(path, &b, &err), ERR_FILE);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "No such file"));

    error_clear(&err);
    assert_int_equal(file_read(dir, &b, &err), ERR_FILE);
    assert_int_equal(errno, EISDIR);

    f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(file_read(path, &b, NULL), 0);
    assert_int_equal(buf_len(&b), 0);
    buf_free(&b);

    /* 16 MiB are read, one byte more is not. */
    assert_int_equal(truncate(path, 16 << 20), 0);
    assert_int_equal(file_read(path, &b, NULL), 0);
    assert_int_equal(buf_len(&b), 16 << 20);
    buf_free(&b);
    assert_int_equal(truncate(path, (16 << 20) + 1), 0);
    assert_int_equal(file_read(path, &b, NULL), ERR_FILE);
    assert_int_equal(errno, EFBIG);
    assert_int_equal(buf_len(&b), 0);
    assert_int_equal(file_read("/dev/zero", &b, NULL), ERR_FILE);
    assert_int_equal(errno, EFBIG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(read_leniently_and_strictly),
        cmocka_unit_test(labels),
        cmocka_unit_test(goes_on_behind_a_bad_block),
        cmocka_unit_test(files),
    };

    return cmocka_run_group_tests_name("pem", tests, NULL, NULL);
}
