/* SPDX-License-Identifier: ISC */
/* What can be read off an ELF file without running it. The file is hostile until the end: every
 * offset is checked, nothing is followed twice, and no more is read than there is. */
#ifndef PRELOAD_LAUNCHER_ELF_H
#define PRELOAD_LAUNCHER_ELF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf {
    const uint8_t *p;
    size_t n;
};

/* NULL: a program of this machine and of its C library; or why no library can be put under it, as
 * in "PATH is linked statically". The text is the caller's until the next call in this thread. */
const char *elf_unfit(const struct elf *e);

/* The dynamic section. Strings point into the file. */
struct elf_dynamic {
    struct elf e;
    uint64_t dynamic, ndynamic; /* offset, entries */
    uint64_t strings, nstrings; /* offset, bytes */
    uint64_t symbols, nsymbols; /* offset, entries */
};

/* False: it has none that can be read. */
bool elf_dynamic(struct elf_dynamic *d, const struct elf *e);
/* The next entry with this tag that names a string (DT_NEEDED, DT_RUNPATH, DT_RPATH), from *i = 0
 * on. NULL: no more. */
const char *elf_string(const struct elf_dynamic *d, int64_t tag, uint64_t *i);
/* The next function or variable that others must have, from *i = 0 on. NULL: no more. */
const char *elf_import(const struct elf_dynamic *d, uint64_t *i);
#endif
