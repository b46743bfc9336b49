/* SPDX-License-Identifier: ISC */
/* Paths and URIs of files: who reads a file, who watches it, and who finds it beside a
 * configuration take the same text for the same thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "shim/ini.h"
#include "shim/reload.h"
#include "x509/x509.h"

static char dir[] = "/tmp/files-XXXXXX", path[64];

static int make(void **state)
{
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/a b", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    return fclose(f);
}

static int take_away(void **state)
{
    (void)state;
    return unlink(path) || rmdir(dir);
}

static void kinds(void **state)
{
    static const struct {
        const char *text;
        bool uri, file;
    } rows[] = {
        { "", false, true },     { "a", false, true },      { ":a", false, true },
        { "/a:b", false, true }, { "./a:b", false, true },  { "1:a", false, true },
        { "+a:b", false, true }, { "a_b:c", false, true },  { "file:/a", true, true },
        { "a:b", true, false },  { "A1+-.:", true, false }, { "pkcs11:object=a", true, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (is_uri(rows[i].text) != rows[i].uri || where_is_file(rows[i].text) != rows[i].file) {
            fail_msg("%s", rows[i].text);
        }
    }
}

static void uri_paths(void **state)
{
    static const struct {
        const char *uri, *path; /* NULL: refused */
    } rows[] = {
        { "file:/a", "/a" },
        { "file:///a", "/a" },
        { "file://localhost/a", "/a" },
        { "file:/%61%2f%FF", "/a/\xff" },
        { "file:", NULL },
        { "file:a", NULL },
        { "file://host/a", NULL },
        { "file://localhost", NULL },
        { "file:/%", NULL },
        { "file:/%4", NULL },
        { "file:/%4g", NULL },
        { "file:/a%00", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = { 0 };
        char *got = NULL;
        int rc = uri_path(&got, rows[i].uri, &err);

        if (rc != (rows[i].path ? 0 : ERR_ARG) || (rc == 0) != !err.text[0] ||
            (rc == 0 && strcmp(got, rows[i].path) != 0)) {
            fail_msg("%s", rows[i].uri);
        }
        mem_free(got);
    }
}

/* What is looked at is what is read. */
static void watched(void **state)
{
    static const char *const heads[] = { "file:", "file://", "file://localhost" };
    struct files f = { 0 };
    char uri[128];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(uri, sizeof uri, "%s%s/a%%20b", heads[i], dir);
        assert_int_equal(files_note(&f, uri), 1);
        assert_string_equal(files_path(&f, 0), path);
        assert_null(files_path(&f, 1));
        files_free(&f);
    }
    assert_int_equal(files_note(&f, "pkcs11:object=a"), 0);
    assert_int_equal(files_note(&f, "file:relative"), 0);
    assert_int_equal(files_note(&f, "file:/%4"), 0);
    assert_null(files_path(&f, 0));
    assert_int_equal(files_note(&f, "1:no-scheme"), 0); /* a path, where nothing is */
    assert_string_equal(files_path(&f, 0), "1:no-scheme");
    files_free(&f);
}

/* What is no URI is beside the file that it stands in. */
static void beside(void **state)
{
    const struct section s = { .file = "/etc/sleeve/a.conf" };
    struct ini ini;

    (void)state;
    ini_init(&ini);
    assert_string_equal(path_of(&ini, &s, "a.pem"), "/etc/sleeve/a.pem");
    assert_string_equal(path_of(&ini, &s, "1:a"), "/etc/sleeve/1:a");
    assert_string_equal(path_of(&ini, &s, "/a"), "/a");
    assert_string_equal(path_of(&ini, &s, "Pkcs11:a"), "Pkcs11:a");
    ini_free(&ini);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(uri_paths),
        cmocka_unit_test(watched),
        cmocka_unit_test(beside),
    };

    return cmocka_run_group_tests_name("files", tests, make, take_away);
}
