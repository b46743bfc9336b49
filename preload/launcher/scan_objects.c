/* SPDX-License-Identifier: ISC */
/* Finds the libraries that a program is linked with, where the dynamic linker would: the paths in
 * the files, LD_LIBRARY_PATH, the directories of ld.so.conf and the usual ones. Asking the dynamic
 * linker itself would map what may be hostile. */
#include <elf.h>
#include <glob.h>
#include <stdlib.h>

#include "preload/launcher/scan.h"

#if defined __x86_64__
#define TRIPLET "x86_64-linux-gnu"
#else
#define TRIPLET "aarch64-linux-gnu"
#endif

/* Opens dir/name. A file of another machine is passed over, as the dynamic linker does. */
static bool try_file(struct object *o, const char *dir, size_t ndir, const char *name)
{
    struct stat st = { 0 };
    char path[4096];
    int n = snprintf(path, sizeof path, "%.*s%s%s", (int)ndir, dir, ndir ? "/" : "", name);

    if (n < 0 || (size_t)n >= sizeof path || map_file(path, &o->e, &st) < 0) {
        return false;
    }
    o->found = elf_dynamic(&o->d, &o->e);
    if (!o->found) {
        unmap_file(&o->e);
        o->e = (struct elf){ .n = 0 };
    }
    return o->found;
}

/* "dir:dir", $ORIGIN being the directory of the user's file. */
static bool try_list(struct object *o, const char *list, const char *origin)
{
    const char *slash = origin ? strrchr(origin, '/') : NULL, *end;

    for (; list && *list; list = *end ? end + 1 : end) {
        static const char *const words[] = { "$ORIGIN", "${ORIGIN}" };
        size_t skip = 0;
        char dir[4096];
        int n;

        end = strchrnul(list, ':');
        for (size_t i = 0; i < 2 && slash; i++) {
            if (strncmp(list, words[i], strlen(words[i])) == 0) {
                skip = strlen(words[i]);
            }
        }
        n = snprintf(dir, sizeof dir, "%.*s%.*s", skip ? (int)(slash - origin) : 0,
                     skip ? origin : "", (int)(end - list - (ptrdiff_t)skip), list + skip);
        if (n > 0 && (size_t)n < sizeof dir && try_file(o, dir, (size_t)n, o->name)) {
            return true;
        }
    }
    return false;
}

/* The directories in a file of ld.so.conf, one a line. */
static bool try_conf(struct object *o, const char *conf)
{
    char line[4096];
    FILE *f = fopen(conf, "re");
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        size_t n = strcspn(line, "#\n \t");

        found = line[0] == '/' && try_file(o, line, n, o->name);
    }
    if (f) {
        (void)fclose(f);
    }
    return found;
}

static bool try_system(struct object *o)
{
    static const char *const dirs[] = { "/lib/" TRIPLET, "/usr/lib/" TRIPLET,
                                        "/lib64",        "/usr/lib64",
                                        "/lib",          "/usr/lib" };
    glob_t g = { .gl_pathc = 0 };
    bool found = false;

    if (glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc && !found; i++) {
            found = try_conf(o, g.gl_pathv[i]);
        }
    }
    globfree(&g);
    found = found || try_conf(o, "/etc/ld.so.conf");
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs && !found; i++) {
        found = try_file(o, dirs[i], strlen(dirs[i]), o->name);
    }
    return found;
}

static void find_library(struct objects *all, struct object *o)
{
    static const int64_t tags[] = { DT_RPATH, DT_RUNPATH };
    const struct object *users[] = { &all->o[o->by], &all->o[0] };

    if (strchr(o->name, '/')) {
        (void)try_file(o, "", 0, o->name);
        return;
    }
    for (size_t k = 0; k < 2; k++) { /* RPATH is inherited from the program */
        for (size_t u = 0; u < (k == 0 ? 2 : 1); u++) {
            uint64_t i = 0;
            const char *list = elf_string(&users[u]->d, tags[k], &i);

            /* Where a library lies is not kept: its own $ORIGIN is taken for the program's. */
            if (try_list(o, list, all->o[0].name)) {
                return;
            }
        }
        if (k == 0 && try_list(o, getenv("LD_LIBRARY_PATH"), NULL)) {
            return;
        }
    }
    (void)try_system(o);
}

static bool is_known(const struct objects *all, const char *name)
{
    for (size_t i = 1; i < all->n; i++) {
        if (strcmp(all->o[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool objects_load(struct objects *all, const char *path)
{
    all->n = 0;
    all->o[0] = (struct object){ .name = strdup(path) };
    if (!all->o[0].name) {
        return false;
    }
    all->n = 1;
    (void)try_file(&all->o[0], "", 0, path);
    for (size_t user = 0; user < all->n; user++) {
        const char *name;
        uint64_t i = 0;

        while (all->o[user].found && all->n < OBJECTS_MAX &&
               (name = elf_string(&all->o[user].d, DT_NEEDED, &i))) {
            struct object *o = &all->o[all->n];

            if (*name == '\0' || is_known(all, name)) {
                continue;
            }
            *o = (struct object){ .name = strdup(name), .by = user };
            if (!o->name) {
                return false;
            }
            all->n++;
            find_library(all, o);
        }
    }
    return true;
}

void objects_free(struct objects *all)
{
    for (size_t i = 0; i < all->n; i++) {
        unmap_file(&all->o[i].e);
        free(all->o[i].name);
    }
    all->n = 0;
}
