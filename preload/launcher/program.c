/* SPDX-License-Identifier: ISC */
/* Looks at a program before it is run: will the dynamic linker load our library into it, and will
 * its calls go through the C library? What can be told beforehand is refused beforehand. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "preload/launcher/elf.h"
#include "preload/launcher/launcher.h"

/* Says why not; returns the exit code. */
__attribute__((format(printf, 3, 4))) static int fault(struct look *l, int code, const char *fmt,
                                                       ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(l->why, sizeof l->why, fmt, ap);
    va_end(ap);
    return code;
}

static int copy_path(struct look *l, char *to, size_t size, const char *from)
{
    int n = snprintf(to, size, "%s", from);

    return n >= 0 && (size_t)n < size ? 0 : fault(l, EXIT_CANNOT, "%s: name too long", from);
}

/* Finds the file as execvp() does. 0 or an exit code. */
static int find(struct look *l, const char *command, char path[static 4096])
{
    const char *dirs = getenv("PATH"), *end;
    bool denied = false;

    if (strchr(command, '/')) {
        return copy_path(l, path, 4096, command);
    }
    for (dirs = dirs && *dirs ? dirs : "/usr/local/bin:/usr/bin:/bin"; *command; dirs = end + 1) {
        struct stat st;
        int n;

        end = strchrnul(dirs, ':');
        n = end == dirs ? snprintf(path, 4096, "./%s", command)
                        : snprintf(path, 4096, "%.*s/%s", (int)(end - dirs), dirs, command);
        if (n > 0 && n < 4096 && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            if (access(path, X_OK) == 0) {
                return 0;
            }
            denied = true;
        }
        if (*end == '\0') {
            break;
        }
    }
    return fault(l, denied ? EXIT_CANNOT : EXIT_NOT_FOUND, "%s: %s", command,
                 denied ? "permission denied" : "command not found");
}

/* ---- privileges: AT_SECURE makes the dynamic linker ignore LD_PRELOAD ---- */

static int privileges(struct look *l, const char *path, const struct stat *st)
{
    if ((st->st_mode & S_ISUID && st->st_uid != getuid()) ||
        ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st->st_gid != getgid())) {
        return fault(l, EXIT_REFUSED,
                     "%s is set-user-ID or set-group-ID: no library can be put under it", path);
    }
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0) {
        return fault(l, EXIT_REFUSED, "%s has file capabilities: no library can be put under it",
                     path);
    }
    return 0;
}

/* ---- scripts ---- */

struct argv {
    const char *v[64]; /* what the program at the end of the chain will be given */
    size_t n;
    char lines[SCRIPT_DEPTH][256]; /* the scripts' first lines, cut into words */
};

static void push_front(struct argv *a, const char *word)
{
    if (a->n == sizeof a->v / sizeof *a->v) {
        a->n--; /* what stands that far behind names no script */
    }
    memmove(a->v + 1, a->v, a->n * sizeof *a->v);
    a->v[0] = word;
    a->n++;
}

static int file_look(struct look *l, struct argv *a, const char *path, unsigned depth);

/* env [-S] [NAME=VALUE ...] PROGRAM [ARG ...]: the program is looked up in PATH, in the same
 * process. */
static int env_look(struct look *l, struct argv *a, char *words, unsigned depth)
{
    char *save = NULL, *w = words ? strtok_r(words, " \t", &save) : NULL, found[4096];
    const char *list[16];
    size_t n = 0;
    int rc;

    for (; w && (*w == '-' || strchr(w, '=')); w = strtok_r(NULL, " \t", &save)) {
        if (strcmp(w, "-") == 0 || strcmp(w, "-i") == 0 || strcmp(w, "--ignore-environment") == 0) {
            return fault(l, EXIT_REFUSED, "the script's first line has env empty the environment");
        }
    }
    for (; w && n < 16; w = strtok_r(NULL, " \t", &save)) {
        list[n++] = w;
    }
    if (n == 0) {
        return fault(l, EXIT_REFUSED, "the script's first line names no program behind env");
    }
    rc = find(l, list[0], found);
    if (rc) {
        return rc;
    }
    while (n > 0) {
        push_front(a, list[--n]);
    }
    l->skip++;
    return copy_path(l, l->execfn, sizeof l->execfn, found) ? EXIT_CANNOT
                                                            : file_look(l, a, found, depth + 1);
}

/* "#!interpreter [one argument]", as the kernel reads it. */
static int script_look(struct look *l, struct argv *a, const char *path, const struct elf *m,
                       unsigned depth)
{
    size_t n = 2;
    char *line, *interp, *arg;
    const char *base;

    if (depth >= SCRIPT_DEPTH) {
        return fault(l, EXIT_CANNOT, "%s: its first line leads from script to script", path);
    }
    line = a->lines[depth];
    while (n < m->n && n < sizeof a->lines[0] - 1 && m->p[n] != '\n') {
        n++;
    }
    memcpy(line, m->p, n);
    line[n] = '\0';
    interp = line + 2 + strspn(line + 2, " \t");
    while (n > 2 && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r')) {
        line[--n] = '\0';
    }
    arg = interp + strcspn(interp, " \t");
    if (*arg) {
        *arg++ = '\0';
        arg += strspn(arg, " \t");
    }
    base = strrchr(interp, '/');
    if (*interp == '\0') {
        return fault(l, EXIT_CANNOT, "%s: its first line names no interpreter", path);
    }
    /* The name the script was called by replaces the program's own. */
    if (a->n) {
        a->v[0] = path;
    }
    if (strcmp(base ? base + 1 : interp, "env") == 0) {
        return env_look(l, a, *arg ? arg : NULL, depth);
    }
    if (*arg) {
        push_front(a, arg);
    }
    push_front(a, interp);
    return file_look(l, a, interp, depth + 1);
}

/* ---- */

static const char *script_of(const struct argv *a)
{
    for (size_t i = 1; i < a->n; i++) {
        if (a->v[i][0] != '-') {
            return a->v[i];
        }
    }
    return NULL;
}

/* The end of the chain: what /proc/self will say. */
static int arrived(struct look *l, const struct argv *a, const char *path)
{
    const char *script = script_of(a);
    char *real = realpath(path, NULL);
    int rc = real ? copy_path(l, l->exe, sizeof l->exe, real)
                  : fault(l, EXIT_CANNOT, "%s: %s", path, strerror(errno));

    free(real);
    if (rc == 0) {
        rc = copy_path(l, l->argv0, sizeof l->argv0, a->n ? a->v[0] : "");
    }
    if (rc == 0 && script) {
        /* A longer argument is not the name of a script. */
        (void)snprintf(l->script, sizeof l->script, "%.4000s", script);
    }
    l->prog = (struct program){
        .exe = l->exe, .execfn = l->execfn, .argv0 = l->argv0, .script = script ? l->script : NULL
    };
    return rc;
}

int map_file(const char *path, struct elf *e, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = -1, saved;
    void *map = NULL;

    *e = (struct elf){ .n = 0 };
    if (fd < 0 || fstat(fd, st) < 0) {
        goto out;
    }
    if (!S_ISREG(st->st_mode)) {
        errno = EACCES; /* as execve() says */
        goto out;
    }
    if (st->st_size > 0) { /* the rest of the page reads as zeros */
        map = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            goto out;
        }
        *e = (struct elf){ map, (size_t)st->st_size };
    }
    rc = 0;
out:
    saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = saved;
    return rc;
}

void unmap_file(const struct elf *e)
{
    if (e->p) {
        munmap((void *)(uintptr_t)e->p, e->n);
    }
}

static int file_look(struct look *l, struct argv *a, const char *path, unsigned depth)
{
    struct stat st = { 0 };
    struct elf m;
    int rc;

    if (map_file(path, &m, &st) < 0) {
        rc = errno == EACCES && st.st_mode && !S_ISREG(st.st_mode)
                 ? fault(l, EXIT_CANNOT, "%s is not an executable file", path)
                 : fault(l, errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT,
                         "%s: %s", path, strerror(errno));
    } else if (access(path, X_OK) < 0) {
        rc = fault(l, EXIT_CANNOT, "%s is not an executable file", path);
    } else {
        rc = privileges(l, path, &st);
    }
    if (rc != 0) {
        goto out;
    }
    if (m.n >= SELFMAG && memcmp(m.p, ELFMAG, SELFMAG) == 0) {
        const char *unfit = elf_unfit(&m);

        rc = unfit ? fault(l, EXIT_REFUSED, "%s %s", path, unfit) : arrived(l, a, path);
    } else if (m.n >= 2 && memcmp(m.p, "#!", 2) == 0) {
        rc = script_look(l, a, path, &m, depth);
    } else {
        rc = fault(l, EXIT_REFUSED, "%s is neither an ELF program nor a script with a '#!' line",
                   path);
    }
out:
    unmap_file(&m);
    return rc;
}

int look_at(struct look *l, char *const *argv)
{
    struct argv a = { .n = 0 };
    int rc;

    *l = (struct look){ .skip = 0 };
    rc = find(l, argv[0], l->path);
    for (size_t i = 0; i < sizeof a.v / sizeof *a.v && argv[i]; i++) {
        a.v[a.n++] = argv[i];
    }
    if (rc == 0) {
        rc = copy_path(l, l->execfn, sizeof l->execfn, l->path);
    }
    return rc ? rc : file_look(l, &a, l->path, 0);
}
