/* SPDX-License-Identifier: ISC */
/* ELF files: what kind of program it is, which libraries and functions it wants. */
#include "preload/launcher/elf.h"
#include <elf.h>
#include <stdio.h>
#include <string.h>

#if defined __x86_64__
#define MACHINE EM_X86_64
#elif defined __aarch64__
#define MACHINE EM_AARCH64
#else
#error "which machine is this?"
#endif

/* The n bytes at offset, or NULL when the file is shorter. */
static const void *at(const struct elf *e, uint64_t offset, uint64_t n)
{
    return offset <= e->n && n <= e->n - offset ? e->p + offset : NULL;
}

/* Copies element i of a table, which need not be aligned. False: it is not all there. */
static bool element(const struct elf *e, uint64_t table, uint64_t i, void *to, size_t size)
{
    const void *from = table <= e->n && i <= e->n / size ? at(e, table + i * size, size) : NULL;

    if (from) {
        memcpy(to, from, size);
    }
    return from != NULL;
}

/* A string that ends before the table does. */
static const char *string(const struct elf *e, uint64_t table, uint64_t size, uint64_t offset)
{
    const char *s = offset < size ? at(e, table, size) : NULL;

    return s && memchr(s + offset, '\0', size - offset) ? s + offset : NULL;
}

static bool header(const struct elf *e, Elf64_Ehdr *eh)
{
    return element(e, 0, 0, eh, sizeof *eh) && memcmp(eh->e_ident, ELFMAG, SELFMAG) == 0 &&
           eh->e_ident[EI_CLASS] == ELFCLASS64 && eh->e_ident[EI_DATA] == ELFDATA2LSB;
}

static bool segment(const struct elf *e, const Elf64_Ehdr *eh, unsigned i, Elf64_Phdr *ph)
{
    return eh->e_phentsize == sizeof *ph && i < eh->e_phnum &&
           element(e, eh->e_phoff, i, ph, sizeof *ph);
}

static bool section(const struct elf *e, const Elf64_Ehdr *eh, unsigned i, Elf64_Shdr *sh)
{
    return eh->e_shentsize == sizeof *sh && i < eh->e_shnum &&
           element(e, eh->e_shoff, i, sh, sizeof *sh);
}

/* ---- what kind ---- */

static bool is_go(const struct elf *e, const Elf64_Ehdr *eh)
{
    static const char *const marks[] = { ".go.buildinfo", ".note.go.buildid", ".gopclntab" };
    Elf64_Shdr names, sh;

    if (!section(e, eh, eh->e_shstrndx, &names)) {
        return false;
    }
    for (unsigned i = 0; section(e, eh, i, &sh); i++) {
        for (size_t k = 0; k < sizeof marks / sizeof *marks; k++) {
            size_t len = strlen(marks[k]) + 1;
            const char *name = sh.sh_name < names.sh_size && names.sh_offset <= e->n
                                   ? at(e, names.sh_offset + sh.sh_name, len)
                                   : NULL;

            if (name && memcmp(name, marks[k], len) == 0) {
                return true;
            }
        }
    }
    return false;
}

const char *elf_unfit(const struct elf *e)
{
    static _Thread_local char text[160];
    const char *linker = NULL;
    Elf64_Ehdr eh;
    Elf64_Phdr ph;

    if (!header(e, &eh)) {
        return "is a program for another word size or byte order (32-bit?), or only the beginning "
               "of one";
    }
    if (eh.e_machine != MACHINE) {
        return "is a program for another machine";
    }
    if (eh.e_type != ET_EXEC && eh.e_type != ET_DYN) {
        return "is an ELF file, but no program";
    }
    if (is_go(e, &eh)) {
        return "is a Go program: it makes its system calls without the C library";
    }
    if (eh.e_phnum == 0 || !segment(e, &eh, eh.e_phnum - 1U, &ph)) {
        return "is only the beginning of a program";
    }
    for (unsigned i = 0; segment(e, &eh, i, &ph); i++) {
        if (ph.p_type == PT_INTERP) {
            linker = string(e, ph.p_offset, ph.p_filesz, 0);
        }
    }
    if (!linker) {
        return "is linked statically: no library can be put under it";
    }
    if (strstr(linker, "musl")) {
        return "is made for the musl C library, not for glibc";
    }
    if (!strstr(linker, "/ld-linux")) {
        (void)snprintf(text, sizeof text, "is made for an unknown dynamic linker (%.100s)", linker);
        return text;
    }
    return NULL;
}

/* ---- the dynamic section ---- */

static bool entry(const struct elf_dynamic *d, uint64_t i, Elf64_Dyn *dyn)
{
    return i < d->ndynamic && element(&d->e, d->dynamic, i, dyn, sizeof *dyn) &&
           dyn->d_tag != DT_NULL;
}

/* The first entry with this tag. */
static bool value(const struct elf_dynamic *d, int64_t tag, uint64_t *v)
{
    Elf64_Dyn dyn;

    for (uint64_t i = 0; entry(d, i, &dyn); i++) {
        if (dyn.d_tag == tag) {
            *v = dyn.d_un.d_val;
            return true;
        }
    }
    return false;
}

/* Where in the file that is which will be at this address. */
static bool place(const struct elf *e, const Elf64_Ehdr *eh, uint64_t address, uint64_t *offset)
{
    Elf64_Phdr ph;

    for (unsigned i = 0; segment(e, eh, i, &ph); i++) {
        if (ph.p_type == PT_LOAD && address >= ph.p_vaddr && address - ph.p_vaddr < ph.p_filesz &&
            ph.p_offset <= e->n) {
            *offset = ph.p_offset + (address - ph.p_vaddr);
            return *offset <= e->n;
        }
    }
    return false;
}

/* The symbols' number stands in no entry: the section headers have it, or a hash table. That of
 * GNU begins with what others can use, so what is wanted of others comes before. */
static uint64_t count_symbols(const struct elf_dynamic *d, const Elf64_Ehdr *eh)
{
    uint64_t address, table;
    uint32_t words[2];
    Elf64_Shdr sh;

    for (unsigned i = 0; section(&d->e, eh, i, &sh); i++) {
        if (sh.sh_type == SHT_DYNSYM && sh.sh_offset == d->symbols) {
            return sh.sh_size / sizeof(Elf64_Sym);
        }
    }
    if ((value(d, DT_HASH, &address) || value(d, DT_GNU_HASH, &address)) &&
        place(&d->e, eh, address, &table) && element(&d->e, table, 0, words, sizeof words)) {
        return words[1]; /* nchain, or symoffset */
    }
    return 0;
}

bool elf_dynamic(struct elf_dynamic *d, const struct elf *e)
{
    uint64_t strings, symbols;
    Elf64_Ehdr eh;
    Elf64_Phdr ph;

    *d = (struct elf_dynamic){ .e = *e };
    if (!header(e, &eh) || eh.e_machine != MACHINE) {
        return false;
    }
    for (unsigned i = 0; d->ndynamic == 0 && segment(e, &eh, i, &ph); i++) {
        if (ph.p_type == PT_DYNAMIC) {
            d->dynamic = ph.p_offset;
            d->ndynamic = ph.p_filesz / sizeof(Elf64_Dyn);
        }
    }
    if (!value(d, DT_STRTAB, &strings) || !place(e, &eh, strings, &d->strings) ||
        !value(d, DT_STRSZ, &d->nstrings) || !at(e, d->strings, d->nstrings)) {
        return false;
    }
    if (value(d, DT_SYMTAB, &symbols) && place(e, &eh, symbols, &d->symbols)) {
        d->nsymbols = count_symbols(d, &eh);
    }
    return true;
}

const char *elf_string(const struct elf_dynamic *d, int64_t tag, uint64_t *i)
{
    Elf64_Dyn dyn;

    while (entry(d, *i, &dyn)) {
        const char *s =
            dyn.d_tag == tag ? string(&d->e, d->strings, d->nstrings, dyn.d_un.d_val) : NULL;

        ++*i;
        if (s) {
            return s;
        }
    }
    return NULL;
}

const char *elf_import(const struct elf_dynamic *d, uint64_t *i)
{
    Elf64_Sym sym;

    while (*i < d->nsymbols && element(&d->e, d->symbols, *i, &sym, sizeof sym)) {
        const char *s =
            sym.st_shndx == SHN_UNDEF ? string(&d->e, d->strings, d->nstrings, sym.st_name) : NULL;

        ++*i;
        if (s && *s) {
            return s;
        }
    }
    return NULL;
}
