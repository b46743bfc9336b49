/* SPDX-License-Identifier: ISC */
/* Lines that reach `sleeve audit`: the table that they make has nothing unprintable in it, and
 * bytes without TLS are never forgotten (threat 41). */
#include "preload/launcher/audit_table.h"

#include "tests/fuzz/party.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    stderr = fopen("/dev/null", "w"); /* alarms */
    return stderr ? 0 : -1;
}

static void check_printable(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sure(text[i] == '\n' || ((unsigned char)text[i] >= ' ' && text[i] != 127));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table t = { .n = 0 };
    char *shown = NULL;
    size_t n = 0, lines = 0;
    uint64_t before = 0;
    FILE *f = open_memstream(&shown, &n);

    sure(f != NULL);
    while (size > 0) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end ? (size_t)(end - data) : size;
        char *line = malloc(len + 1); /* exact: the sanitizer guards its end */

        sure(line != NULL);
        memcpy(line, data, len);
        line[len] = '\0';
        table_line(&t, line);
        free(line);
        lines++;
        sure(t.n <= lines && !t.lost);
        sure(t.strays == before || !table_clean(&t));
        before = t.strays;
        size -= end ? len + 1 : len;
        data += end ? len + 1 : len;
    }
    table_show(&t, f);
    sure(fclose(f) == 0);
    check_printable(shown, n);
    free(shown);
    table_free(&t);
    return 0;
}
