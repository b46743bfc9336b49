/* SPDX-License-Identifier: ISC */
/* sleeve scan: can a program be wrapped? What `sleeve run` would refuse, what may go wrong later,
 * and which calls it makes. Nothing of the program is run. */
#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "preload/launcher/scan.h"

#define USAGE  "sleeve scan FILE..."
#define INDENT 18

static int help(void)
{
    puts("usage: " USAGE "\n\n"
         "Says of programs and scripts whether `sleeve run` can put TLS under them, and why not;\n"
         "which calls they and their libraries make that are taken over; and what may go wrong:\n"
         "TLS of their own, io_uring, system calls made directly. Nothing is run. A FILE without\n"
         "'/' is looked up in PATH, then in the current directory.\n\n"
         "Exit: 0 all can be wrapped; 1 one cannot; 2 bad usage.\n\n"
         "  sleeve scan redis-server /usr/bin/curl");
    return EXIT_FINE;
}

/* ---- the calls ---- */

enum call { CALL_NONE, CALL_TAKEN, CALL_HARMLESS, CALL_PAST, NCALLS };

#define CALL(name)     #name,
#define HARMLESS(name) #name,
static const char *const taken[] = {
#include "preload/calls.def"
};
static const char *const harmless[] = {
#include "preload/harmless.def"
};
#undef CALL
#undef HARMLESS
/* To the kernel past the C library; libc's own that connect by themselves. */
static const char *const past[] = { "io_submit",
                                    "io_uring_queue_init",
                                    "io_uring_queue_init_params",
                                    "io_uring_queue_init_mem",
                                    "io_uring_setup",
                                    "io_uring_enter",
                                    "io_uring_submit",
                                    "rcmd",
                                    "rcmd_af",
                                    "rexec",
                                    "rexec_af" };
#define COUNT(list) (sizeof(list) / sizeof *(list))
#define NNAMES      (COUNT(taken) + COUNT(harmless) + COUNT(past))

static const struct call_group {
    const char *const *names;
    size_t n;
    const char *title;
} groups[NCALLS] = {
    [CALL_TAKEN] = { taken, COUNT(taken), "taken over" },
    [CALL_HARMLESS] = { harmless, COUNT(harmless), "harmless" },
    [CALL_PAST] = { past, COUNT(past), "not taken over" },
};

/* Which of them are imported: a bit for each, by group. */
struct calls {
    bool used[NCALLS][NNAMES];
};

static void note_call(struct calls *c, const char *name)
{
    for (size_t g = CALL_TAKEN; g < NCALLS; g++) {
        for (size_t i = 0; i < groups[g].n; i++) {
            if (strcmp(groups[g].names[i], name) == 0) {
                c->used[g][i] = true;
                return;
            }
        }
    }
}

static bool has_call(const struct objects *all, size_t from, size_t to, const char *name)
{
    for (size_t k = from; k < to; k++) {
        const char *s;

        for (uint64_t i = 0; (s = elf_import(&all->o[k].d, &i));) {
            if (strcmp(s, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* ---- the table ---- */

static void put_row(const char *title, enum tint t, const char *text)
{
    printf("  ");
    tint(stdout, TINT_DIM);
    printf("%-*s", INDENT - 2, title);
    tint(stdout, t);
    put_words(text, INDENT, "");
    tint(stdout, TINT_PLAIN);
}

__attribute__((format(printf, 3, 4))) static void put_rowf(const char *title, enum tint t,
                                                           const char *fmt, ...)
{
    char text[5000];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *c = text; *c; c++) { /* names out of a file, onto a terminal */
        *c = isprint((unsigned char)*c) ? *c : '?';
    }
    put_row(title, t, text);
}

static void put_calls(const struct calls *c)
{
    for (size_t g = CALL_TAKEN; g < NCALLS; g++) {
        char text[NNAMES * 24];
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < groups[g].n; i++) {
            if (c->used[g][i] && used < sizeof text) {
                used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "",
                                         groups[g].names[i]);
            }
        }
        put_row(groups[g].title, g == CALL_PAST && used ? TINT_WARN : TINT_PLAIN,
                used ? text : "none");
    }
}

/* ---- remarks ---- */

static bool is_libc(const char *name)
{
    static const char *const own[] = { "libc.so.", "ld-linux",  "libpthread.so.",
                                       "libm.so.", "libdl.so.", "librt.so." };

    for (size_t i = 0; i < COUNT(own); i++) {
        if (strncmp(name, own[i], strlen(own[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void remark_library(const struct objects *all, const struct object *o)
{
    static const char *const tls[] = {
        "libssl.so",     "libgnutls.so",  "libnss3.so", "libssl3.so",
        "libmbedtls.so", "libwolfssl.so", "libs2n.so",  "libtls.so"
    };
    const char *base = strrchr(o->name, '/');

    base = base ? base + 1 : o->name;
    if (!o->found) {
        put_rowf("remark", TINT_WARN, "%s was not found: without it the program does not start",
                 o->name);
    }
    for (size_t i = 0; i < COUNT(tls); i++) {
        if (strncmp(base, tls[i], strlen(tls[i])) == 0) {
            put_rowf(
                "remark", TINT_WARN,
                "it may speak TLS itself: %s, needed by %s. A rule is for connections that are "
                "not TLS already",
                o->name, all->o[o->by].name);
        }
    }
    if (strncmp(base, "liburing.so", strlen("liburing.so")) == 0) {
        put_rowf("remark", TINT_WARN,
                 "io_uring: %s, needed by %s. Under Sleeve the kernel says that there is none, and "
                 "the program must do without",
                 o->name, all->o[o->by].name);
    }
}

static void remark_privileges(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && st.st_mode & (S_ISUID | S_ISGID)) {
        put_rowf("remark", TINT_WARN,
                 "it is set-user-ID or set-group-ID: this is true for you, but for others "
                 "nothing can be put under it");
    }
    if (getxattr(path, "security.capability", NULL, 0) > 0) {
        put_rowf("remark", TINT_WARN, "it has file capabilities: it can be wrapped for root only");
    }
}

static void remarks(const struct objects *all, const struct calls *c)
{
    bool direct = false;

    remark_privileges(all->o[0].name);
    for (size_t i = 1; i < all->n; i++) {
        remark_library(all, &all->o[i]);
    }
    for (size_t i = 0; i < groups[CALL_PAST].n; i++) {
        direct = direct || c->used[CALL_PAST][i];
    }
    if (direct) {
        put_rowf("remark", TINT_WARN,
                 "some of its calls are not taken over: a connection must not be used with them");
    }
    if (has_call(all, 0, 1, "syscall")) {
        put_rowf("remark", TINT_PLAIN,
                 "it uses syscall(), which is taken over for the calls that concern connections");
    }
    if (has_call(all, 0, 1, "dlopen")) {
        put_rowf("remark", TINT_PLAIN,
                 "it loads libraries while it runs, which are not looked at here");
    }
    if (all->n == OBJECTS_MAX) {
        put_rowf("remark", TINT_WARN, "it has more libraries than are looked at: %d", OBJECTS_MAX);
    }
}

/* ---- one program ---- */

static bool is_linked(const struct objects *all)
{
    for (size_t i = 1; i < all->n; i++) {
        if (strncmp(all->o[i].name, "libc.so.", strlen("libc.so.")) == 0) {
            return true;
        }
    }
    return false;
}

static void put_libraries(const struct objects *all)
{
    size_t size = 1, used = 0;
    char *text;

    for (size_t i = 1; i < all->n; i++) {
        size += strlen(all->o[i].name) + 1;
    }
    text = malloc(size);
    if (!text) {
        return;
    }
    text[0] = '\0';
    for (size_t i = 1; i < all->n; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "", all->o[i].name);
    }
    for (char *c = text; *c; c++) {
        *c = isprint((unsigned char)*c) ? *c : '?';
    }
    put_row("libraries", TINT_PLAIN, used ? text : "none");
    free(text);
}

static int judge(const struct look *l, struct objects *all)
{
    static struct calls c;
    bool ok = all->o[0].found;

    memset(&c, 0, sizeof c);
    for (size_t k = 0; k < all->n; k++) {
        const char *s;

        for (uint64_t i = 0; !is_libc(all->o[k].name) && (s = elf_import(&all->o[k].d, &i));) {
            note_call(&c, s);
        }
    }
    if (ok) {
        put_row("verdict", TINT_GOOD, "can be wrapped");
    } else {
        put_row("verdict", TINT_BAD, "cannot be wrapped");
        put_row("because", TINT_PLAIN, "its dynamic section cannot be read");
    }
    put_rowf("runs", TINT_PLAIN, "%s%s", l->exe,
             strcmp(l->path, l->execfn) == 0 && !l->skip ? "" : ", as its first line says");
    if (!ok) {
        return EXIT_BAD;
    }
    if (!is_linked(all)) {
        put_rowf("remark", TINT_WARN, "it is not linked with the C library: it has no calls of it");
    }
    remarks(all, &c);
    put_libraries(all);
    put_calls(&c);
    return EXIT_FINE;
}

static int scan(const char *file)
{
    static struct objects all;
    static struct look l;
    char here[4096];
    char *argv[] = { (char *)(uintptr_t)file, NULL };
    int rc = look_at(&l, argv);

    if (rc == EXIT_NOT_FOUND && !strchr(file, '/') &&
        snprintf(here, sizeof here, "./%s", file) < (int)sizeof here && access(here, F_OK) == 0) {
        argv[0] = here;
        rc = look_at(&l, argv);
    }
    put_rowf("program", TINT_PLAIN, "%s", l.path[0] ? l.path : file);
    if (rc) {
        put_row("verdict", TINT_BAD, "cannot be wrapped");
        put_rowf("because", TINT_PLAIN, "%s", l.why);
        return EXIT_BAD;
    }
    if (objects_load(&all, l.exe)) {
        rc = judge(&l, &all);
    } else {
        rc = say(EXIT_BAD, "scan", "out of memory");
    }
    objects_free(&all);
    return rc;
}

int cmd_scan(int argc, char **argv)
{
    static const struct option longs[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    int o, worst = EXIT_FINE;

    opterr = 0;
    while ((o = getopt_long(argc, argv, "+:h", longs, NULL)) != -1) {
        if (o == 'h') {
            return help();
        }
        (void)say_usage(USAGE, "scan", "unknown option %s", argv[optind - 1]);
        return EXIT_UNREAD;
    }
    if (optind == argc) {
        (void)say_usage(USAGE, "scan", "there is no FILE");
        return EXIT_UNREAD;
    }
    for (int i = optind; i < argc; i++) {
        int rc = scan(argv[i]);

        worst = rc > worst ? rc : worst;
        if (i + 1 < argc) {
            putchar('\n');
        }
    }
    return worst;
}
