/* SPDX-License-Identifier: ISC */
/* A program and the libraries it is linked with, looked at without running any of it. */
#ifndef PRELOAD_LAUNCHER_SCAN_H
#define PRELOAD_LAUNCHER_SCAN_H
#include <sys/stat.h>

#include "preload/launcher/elf.h"
#include "preload/launcher/launcher.h"

#define OBJECTS_MAX 512

struct object {
    char *name; /* as its user asks for it; of the program itself: its path */
    size_t by;  /* the user */
    struct elf e;
    struct elf_dynamic d;
    bool found;
};

/* The program first, then the libraries, each after one that needs it. */
struct objects {
    struct object o[OBJECTS_MAX];
    size_t n;
};

/* False: no memory. objects_free() in any case. */
bool objects_load(struct objects *all, const char *path);
void objects_free(struct objects *all);
#endif
