/* SPDX-License-Identifier: ISC */
/* May a rule speak of this program? Every program that is started under Sleeve asks, and nearly all
 * are told no: so this looks at the lines of the configuration without parsing them, allocates
 * next to nothing, and needs nothing of the engine. Whatever is not as usual means yes: who reads
 * it whole will say what is wrong. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/rules_parts.h"

const char *base_of(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path;
}

const struct program *self_find(struct self *s)
{
    static const char gone[] = " (deleted)";
    ssize_t n = readlink("/proc/self/exe", s->exe, sizeof s->exe - 1);

    s->prog = (struct program){ 0 };
    if (n > 0) {
        size_t len = (size_t)n, tail = sizeof gone - 1;

        if (len > tail && memcmp(s->exe + len - tail, gone, tail) == 0) {
            len -= tail; /* replaced since it was started: the name still says what it is */
        }
        s->exe[len] = '\0';
        s->prog.exe = s->exe;
    }
    s->prog.execfn = (const char *)getauxval(AT_EXECFN);
    return &s->prog;
}

/* As isspace(), without the page that its table is in. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool starts_key(const char *p, const char *end, const char *key)
{
    size_t n = strlen(key);

    if ((size_t)(end - p) <= n || memcmp(p, key, n) != 0) {
        return false;
    }
    for (p += n; p < end && is_space(*p); p++) {
    }
    return p < end && (*p == '=' || *p == ':');
}

static bool line_may_list(const char *p, const char *end, const struct program *prog)
{
    const char *names[] = { base_of(prog->exe), base_of(prog->execfn) };

    if (*p != '[') {
        /* Sections picked by these need the whole file and more of /proc to decide. */
        return starts_key(p, end, "exe") || starts_key(p, end, "argv0") ||
               starts_key(p, end, "script");
    }
    for (size_t i = 0; i < 2; i++) {
        if (names[i] && memmem(p, (size_t)(end - p), names[i], strlen(names[i]))) {
            return true;
        }
    }
    return false;
}

bool text_may_list(const char *text, const struct program *prog)
{
    if (!prog->exe && !prog->execfn) {
        return true;
    }
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
    }
    while (*text) {
        const char *end;

        while (is_space(*text)) {
            text++;
        }
        end = strchrnul(text, '\n');
        if (text < end && line_may_list(text, end, prog)) {
            return true;
        }
        text = end;
    }
    return false;
}

/* A rule in one line: "client|server APP ...", with what isspace() says between the words. */
static bool rule_may_list(const char *p, const char *end, const struct program *prog)
{
    static const char blank[] = " \t\r\v\f", stop[] = " \t\r\v\f;\n";
    const char *names[] = { base_of(prog->exe), base_of(prog->execfn) }, *app;
    size_t n;

    p += strspn(p, blank);
    if (p >= end) {
        return false;
    }
    n = strcspn(p, stop);
    if (n != 6 || (memcmp(p, "client", n) != 0 && memcmp(p, "server", n) != 0)) {
        return true;
    }
    app = p + n + strspn(p + n, blank);
    n = strcspn(app, stop);
    for (size_t i = 0; i < 2; i++) {
        if (names[i] && strlen(names[i]) == n && memcmp(app, names[i], n) == 0) {
            return true;
        }
    }
    return n == 0 || memchr(app, '=', n) || (n == 1 && *app == '*');
}

static bool rules_may_list(const char *text, const struct program *prog)
{
    while (*text) {
        const char *end = text + strcspn(text, ";\n");

        if (rule_may_list(text, end, prog)) {
            return true;
        }
        text = *end ? end + 1 : end;
    }
    return !prog->exe && !prog->execfn;
}

/* ---- files ---- */

static bool open_file_may_list(int fd, const struct stat *st, const struct program *prog)
{
    char small[2048], *text = small;
    size_t n = (size_t)st->st_size;
    bool may;

    if (!S_ISREG(st->st_mode) || st->st_size > INI_FILE_MAX || ini_is_foreign(st) ||
        ini_is_open(st)) {
        return true;
    }
    /* One byte more than the file has: the end of the text. */
    if (n >= sizeof small) {
        text = mmap(NULL, n + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (text == MAP_FAILED) {
            return true;
        }
    }
    text[n] = '\0';
    may = read(fd, text, n) != (ssize_t)n || strlen(text) != n || text_may_list(text, prog);
    if (text != small) {
        munmap(text, n + 1);
    }
    return may;
}

static bool directory_may_list(int dir, const struct stat *st, const struct program *prog);

/* What would be refused when it is read is a reason to read it. */
static bool path_may_list(int dir, const char *path, const struct program *prog)
{
    int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    bool may = true;

    if (fd < 0) {
        return true;
    }
    if (fstat(fd, &st) == 0) {
        may = dir == AT_FDCWD && S_ISDIR(st.st_mode) ? directory_may_list(fd, &st, prog)
                                                     : open_file_may_list(fd, &st, prog);
    }
    close(fd);
    return may;
}

/* Without opendir(), which would be the first in the program to allocate. */
static bool directory_may_list(int dir, const struct stat *st, const struct program *prog)
{
    struct {
        _Alignas(struct dirent64) char bytes[2048];
    } list;
    bool may = ini_is_foreign(st) || ini_is_open(st), any = false;
    ssize_t n = 0;

    while (!may && (n = getdents64(dir, &list, sizeof list)) > 0) {
        const struct dirent64 *e;

        for (ssize_t at = 0; at < n && !may; at += e->d_reclen) {
            e = (const void *)(list.bytes + at);
            if (ini_is_conf(e->d_name)) {
                any = true;
                may = path_may_list(dir, e->d_name, prog);
            }
        }
    }
    return may || n < 0 || !any;
}

bool sources_may_list(const struct sources *src, const struct program *prog)
{
    if (src->off) {
        return false;
    }
    if (src->rules && rules_may_list(src->rules, prog)) {
        return true;
    }
    return src->path && path_may_list(AT_FDCWD, src->path, prog);
}

/* Is the file that execve() was given the executable itself, so that there is no need to ask /proc,
 * which takes longer than all the rest? Not when it is a link; not when it is a script or the like,
 * because then the kernel has put its name among the arguments; not when the dynamic linker was
 * started with a program to load. */
static bool is_executable_itself(const char *execfn, char *const *argv)
{
    struct stat st;

    if (!execfn || !argv || !argv[0] || getauxval(AT_BASE) == 0 || lstat(execfn, &st) != 0 ||
        !S_ISREG(st.st_mode)) {
        return false;
    }
    while (*++argv) {
        if (strcmp(*argv, execfn) == 0) {
            return false;
        }
    }
    return true;
}

/* Not inlined: its room on the stack is touched only when need be. */
__attribute__((noinline)) static bool whoever_may_list(const struct sources *src)
{
    struct self self;

    return sources_may_list(src, self_find(&self));
}

bool policy_glance(char *const *argv)
{
    struct program prog = { .execfn = (const char *)getauxval(AT_EXECFN) };
    int saved = errno;
    struct sources src;
    bool may;

    sources_find(&src);
    if (src.off || !(src.path || src.rules)) {
        may = false;
    } else if (is_executable_itself(prog.execfn, argv)) {
        may = sources_may_list(&src, &prog);
    } else {
        may = whoever_may_list(&src);
    }
    errno = saved;
    return may;
}
