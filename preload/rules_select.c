/* SPDX-License-Identifier: ISC */
/* Which program is this, and which sections speak of it. Names are compared whole, never as a
 * prefix. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload/rules_parts.h"

void self_arguments(struct self *s)
{
    size_t len = 0;
    ssize_t n;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && len < sizeof s->cmdline - 1 &&
           (n = read(fd, s->cmdline + len, sizeof s->cmdline - 1 - len)) > 0) {
        len += (size_t)n;
    }
    if (fd >= 0) {
        close(fd);
    }
    s->cmdline[len] = '\0';
    if (len == 0) {
        return;
    }
    s->prog.argv0 = s->cmdline;
    for (const char *a = s->cmdline + strlen(s->cmdline) + 1; a < s->cmdline + len;
         a += strlen(a) + 1) {
        if (*a != '-') {
            s->prog.script = a;
            return;
        }
    }
}

/* A value with a slash is a path (links followed), one without is a base name. */
static bool names_file(const char *value, const char *path)
{
    char *real, *theirs;
    bool same;

    if (!path) {
        return false;
    }
    if (!strchr(value, '/')) {
        return strcmp(value, base_of(path)) == 0;
    }
    if (strcmp(value, path) == 0) {
        return true;
    }
    real = realpath(value, NULL);
    theirs = real ? realpath(path, NULL) : NULL;
    same = theirs && strcmp(real, theirs) == 0;
    free(real);
    free(theirs);
    return same;
}

static bool name_selects(const char *name, const struct program *prog)
{
    return (prog->exe && strcmp(name, base_of(prog->exe)) == 0) ||
           (prog->execfn && strcmp(name, base_of(prog->execfn)) == 0);
}

bool section_selects(const struct section *app, const struct program *prog)
{
    const char *exe = app->set[KEY_EXE].value, *argv0 = app->set[KEY_ARGV0].value,
               *script = app->set[KEY_SCRIPT].value;

    if (!exe && !argv0 && !script) {
        return name_selects(app->app, prog);
    }
    if (exe && !names_file(exe, prog->exe) && !names_file(exe, prog->execfn)) {
        return false;
    }
    if (argv0 && (!prog->argv0 ||
                  strcmp(argv0, strchr(argv0, '/') ? prog->argv0 : base_of(prog->argv0)) != 0)) {
        return false;
    }
    return !script || names_file(script, prog->script);
}

bool policy_asks_arguments(const struct policy *p)
{
    for (const struct section *s = p->ini.sections; s; s = s->next) {
        if (s->set[KEY_ARGV0].value || s->set[KEY_SCRIPT].value) {
            return true;
        }
    }
    return false;
}

/* ---- sections of a program ---- */

static struct section *app_of(const struct ini *ini, const struct section *rule)
{
    for (struct section *s = ini->sections; s; s = s->next) {
        if (s->kind == SECTION_APP && strcmp(s->app, rule->app) == 0) {
            return s;
        }
    }
    return NULL;
}

size_t policy_select(struct policy *p, const struct program *prog)
{
    size_t n = 0;

    for (struct section *s = p->ini.sections; s; s = s->next) {
        s->selected = s->kind == SECTION_APP && (!prog || section_selects(s, prog));
    }
    for (struct section *s = p->ini.sections; s; s = s->next) {
        if (s->kind != SECTION_RULE) {
            continue;
        }
        if (s->file) {
            const struct section *app = app_of(&p->ini, s);

            s->selected = app && app->selected;
        } else {
            s->selected = !prog || strcmp(s->app, "*") == 0 || name_selects(s->app, prog);
        }
        n += s->selected;
    }
    return n;
}

static struct section *twin_of(struct ini *ini, const struct section *s)
{
    for (struct section *t = ini->sections; t != s; t = t->next) {
        if (t->kind == s->kind && t->file && strcmp(t->app, s->app) == 0 &&
            strcmp(t->label, s->label) == 0 &&
            (s->kind != SECTION_DEFAULTS || t->file == s->file)) {
            return t;
        }
    }
    return NULL;
}

static bool has_rule(const struct ini *ini, const struct section *app)
{
    for (const struct section *s = ini->sections; s; s = s->next) {
        if (s->kind == SECTION_RULE && s->file && strcmp(s->app, app->app) == 0) {
            return true;
        }
    }
    return false;
}

int sections_check(struct ini *ini)
{
    for (struct section *s = ini->sections; s; s = s->next) {
        const struct section *twin = s->file ? twin_of(ini, s) : NULL;

        if (!s->file) {
            continue;
        }
        if (twin) {
            (void)problem(ini, ERR_PARSE, s->file, s->line,
                          "the section stands already in line %d of %s", twin->line,
                          base_of(twin->file));
        } else if (s->kind == SECTION_RULE && !app_of(ini, s)) {
            (void)problem(ini, ERR_PARSE, s->file, s->line,
                          "[rule %s %s] belongs to no [app %s]: add that section", s->app, s->label,
                          s->app);
        } else if (s->kind == SECTION_APP && !has_rule(ini, s)) {
            (void)problem(ini, ERR_PARSE, s->file, s->line, "[app %s] has no [rule %s LABEL]",
                          s->app, s->app);
        }
    }
    return ini->error.code;
}
