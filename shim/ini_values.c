/* SPDX-License-Identifier: ISC */
/* Values of sections: which one is in force, and the forms that they come in. */
#include <ctype.h>
#include <stdio.h>

#include "base/mem.h"
#include "shim/ini.h"

static bool same_file(const struct section *a, const struct section *b)
{
    return a->file && a->file == b->file;
}

/* The section that a key is taken from: the own one, its [app], its file's [defaults]. */
static const struct section *home_of(const struct ini *ini, const struct section *own, enum key k)
{
    const struct section *app = NULL, *defaults = NULL;

    if (own->set[k].value) {
        return own;
    }
    for (const struct section *s = ini->sections; s; s = s->next) {
        if (own->kind == SECTION_RULE && s->kind == SECTION_APP && own->file &&
            strcmp(s->app, own->app) == 0) {
            app = s;
        } else if (s->kind == SECTION_DEFAULTS && same_file(s, own)) {
            defaults = s;
        }
    }
    if (app && app->set[k].value) {
        return app;
    }
    return defaults && defaults->set[k].value ? defaults : NULL;
}

const char *setting_of(const struct ini *ini, const struct section *s, enum key k,
                       const struct section **home)
{
    const struct section *found = home_of(ini, s, k);

    if (home) {
        *home = found;
    }
    return found ? found->set[k].value : NULL;
}

const char *path_of(struct ini *ini, const struct section *s, const char *value)
{
    const char *slash = s->file ? strrchr(s->file, '/') : NULL;
    size_t dir = slash ? (size_t)(slash - s->file) + 1 : 0, n = strlen(value);
    char *path;

    if (*value == '/' || dir == 0 || is_uri(value)) {
        return value;
    }
    path = mem_alloc(dir + n + 1);
    if (!path) {
        (void)FAIL(&ini->error, ERR_MEM, "out of memory");
        return NULL;
    }
    memcpy(path, s->file, dir);
    memcpy(path + dir, value, n + 1);
    value = keep_text(ini, path, dir + n);
    mem_free(path);
    return value;
}

int wrong_written(struct ini *ini, const struct section *s, enum key k, const struct written *v,
                  const char *why)
{
    return problem(ini, ERR_PARSE, s->file, s->file ? v->line : s->line, "%s = %.60s: %s",
                   ini_key_name(k), v->value, why);
}

int wrong_value(struct ini *ini, const struct section *s, enum key k, const char *why)
{
    return wrong_written(ini, s, k, &s->set[k], why);
}

int one_of(struct ini *ini, const struct section *s, enum key k, const struct word_value *words,
           int otherwise)
{
    const struct section *home;
    const char *v = setting_of(ini, s, k, &home);
    char all[100] = "it is one of";
    size_t n;

    if (!v) {
        return otherwise;
    }
    for (const struct word_value *w = words; w->word; w++) {
        if (strcmp(v, w->word) == 0 && !w->later) {
            return w->value;
        }
        if (strcmp(v, w->word) == 0) {
            (void)wrong_value(ini, home, k, "not supported yet");
            return otherwise;
        }
        n = strlen(all);
        if (!w->later && n + strlen(w->word) + 3 < sizeof all) {
            (void)snprintf(all + n, sizeof all - n, "%s %s", w == words ? "" : ",", w->word);
        }
    }
    (void)wrong_value(ini, home, k, all);
    return otherwise;
}

int duration_of(struct ini *ini, const struct section *s, enum key k)
{
    const struct section *home;
    const char *v = setting_of(ini, s, k, &home);
    long long n = 0;

    if (!v) {
        return 0;
    }
    if (!isdigit((unsigned char)*v)) {
        return wrong_value(ini, home, k, "it is a number of seconds, or of 'ms'");
    }
    for (; isdigit((unsigned char)*v); v++) {
        n = n > 86400000 ? n : n * 10 + (*v - '0');
    }
    if (*v == '\0' || strcmp(v, "s") == 0) {
        n *= 1000;
    } else if (strcmp(v, "ms") != 0) {
        return wrong_value(ini, home, k, "it is a number of seconds, or of 'ms'");
    }
    if (n < 1 || n > 86400000) {
        return wrong_value(ini, home, k, "it is between 1 ms and one day");
    }
    return (int)n;
}
