/* SPDX-License-Identifier: ISC */
/* ELF files: whatever is in them, every string that comes out ends within the file, and the walks
 * end. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "preload/launcher/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(const struct elf *e, const char *s)
{
    const uint8_t *p = (const uint8_t *)s;

    if (p < e->p || p >= e->p + e->n || !memchr(p, '\0', (size_t)(e->p + e->n - p))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t tags[] = { DT_NEEDED, DT_RPATH, DT_RUNPATH };
    uint8_t *copy = malloc(size ? size : 1); /* exact: the sanitizer guards its end */
    struct elf e = { copy, size };
    struct elf_dynamic d;
    const char *s;

    if (!copy) {
        return 0;
    }
    if (size) {
        memcpy(copy, data, size);
    }
    s = elf_unfit(&e);
    if (s && *s == '\0') {
        abort();
    }
    if (elf_dynamic(&d, &e)) {
        for (size_t k = 0; k < sizeof tags / sizeof *tags; k++) {
            for (uint64_t i = 0; (s = elf_string(&d, tags[k], &i));) {
                within(&e, s);
            }
        }
        for (uint64_t i = 0; (s = elf_import(&d, &i));) {
            within(&e, s);
        }
    }
    free(copy);
    return 0;
}
