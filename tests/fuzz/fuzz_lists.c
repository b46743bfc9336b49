/* SPDX-License-Identifier: ISC */
/* Values of options that are lists of names: whatever is in them, they are refused with a sentence,
 * or what comes out is within its limits and can be written again. */
#include <stdlib.h>

#include "shim/ssl_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ids(const char *text, int (*parse)(const char *, struct id_list *, struct error *),
                bool known(uint16_t id))
{
    struct id_list list;
    struct error err;

    error_clear(&err);
    if (parse(text, &list, &err) < 0) {
        if (err.text[0] == '\0') {
            abort();
        }
        return;
    }
    if (list.n == 0 || list.n > sizeof list.id / sizeof *list.id) {
        abort();
    }
    for (size_t i = 0; i < list.n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (list.id[i] == list.id[k]) {
                abort();
            }
        }
        if (!known(list.id[i])) {
            abort();
        }
    }
}

static bool suite_known(uint16_t id)
{
    return suite_by_id(id) != NULL;
}

static bool group_known(uint16_t id)
{
    return group_by_id(id) != NULL;
}

static bool scheme_known(uint16_t id)
{
    return scheme_by_id(id) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct name_list names;
    char *text = malloc(size + 1); /* exact: the sanitizer guards its end */
    struct error err;

    if (!text) {
        return 0;
    }
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    ids(text, suites_parse, suite_known);
    ids(text, groups_parse, group_known);
    ids(text, schemes_parse, scheme_known);
    error_clear(&err);
    if (alpn_parse(text, &names, &err) == 0) {
        if (names.n == 0 || names.n > ALPN_NAMES) {
            abort();
        }
        for (size_t i = 0; i < names.n; i++) {
            if (strlen(names.name[i]) == 0 || strlen(names.name[i]) > 255) {
                abort();
            }
        }
    }
    free(text);
    return 0;
}
