/* SPDX-License-Identifier: ISC */
/* Rules in one line: they become sections like those of a file, so that everything behind this
 * knows one form. */
#include <stdio.h>

#include "preload/rules_parts.h"

static int oneliner_key(struct ini *ini, struct section *s, struct word w, const char *eq)
{
    char name[64], *value;
    size_t n = (size_t)(eq - w.p);

    (void)snprintf(name, sizeof name, "%.*s", (int)(n < 63 ? n : 63), w.p);
    value = keep_text(ini, eq + 1, w.n - n - 1);
    return value ? section_set(ini, s, name, value, s->line) : ERR_MEM;
}

static int oneliner(struct ini *ini, const char *at, const char *end, int number)
{
    struct word role = next_word(&at, end), app = next_word(&at, end), w;
    struct section *s;
    const char *first = NULL, *last = NULL;
    bool keys = false;
    char label[32];

    if ((!word_is(role, "client") && !word_is(role, "server")) || !app.n ||
        memchr(app.p, '=', app.n)) {
        return problem(ini, ERR_PARSE, NULL, number,
                       "it must begin with 'client' or 'server' and the program's name or *");
    }
    s = section_add(ini, SECTION_RULE, NULL, number);
    (void)snprintf(label, sizeof label, "-r %d", number);
    if (!s || !(s->label = keep_text(ini, label, strlen(label))) ||
        !(s->app = keep_text(ini, app.p, app.n)) ||
        !(s->set[KEY_ROLE].value = keep_text(ini, role.p, role.n))) {
        return ERR_MEM;
    }
    while (w = next_word(&at, end), w.n) {
        const char *eq = memchr(w.p, '=', w.n);

        if (eq) {
            TRY(oneliner_key(ini, s, w, eq));
            keys = true;
        } else if (keys) {
            return problem(ini, ERR_PARSE, NULL, number, "'%.*s' is not key=value", (int)w.n, w.p);
        } else {
            first = first ? first : w.p;
            last = w.p + w.n;
        }
    }
    if (first) {
        s->set[KEY_MATCH].value = keep_text(ini, first, (size_t)(last - first));
        return s->set[KEY_MATCH].value ? 0 : ERR_MEM;
    }
    return 0;
}

int oneliners_read(struct ini *ini, const char *text)
{
    int number = 1;

    while (*text) {
        const char *end = text + strcspn(text, ";\n"), *at = text;

        if (next_word(&at, end).n) {
            (void)oneliner(ini, text, end, number++);
        }
        text = *end ? end + 1 : end;
    }
    return ini->error.code;
}
