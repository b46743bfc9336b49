/* SPDX-License-Identifier: ISC */
/* Text -> sections. inih splits "key = value ; comment"; the section lines are read here, because
 * inih does not tell of a section without keys, nor of names it cut. One-liners become sections
 * too, so that everything behind this file knows one form. */
#include <ctype.h>
#include <ini.h>
#include <stdio.h>

#include "preload/rules_parts.h"
#include "base/mem.h"

#define ON_DEFAULTS (1U << SECTION_DEFAULTS)
#define ON_APP      (1U << SECTION_APP)
#define ON_RULE     (1U << SECTION_RULE)
#define ON_ANY      (ON_DEFAULTS | ON_APP | ON_RULE)

const struct key_row key_rows[KEY_COUNT] = {
    [KEY_EXE] = { "exe", ON_APP, -1 },
    [KEY_ARGV0] = { "argv0", ON_APP, -1 },
    [KEY_SCRIPT] = { "script", ON_APP, -1 },
    [KEY_ROLE] = { "role", ON_RULE, -1 },
    [KEY_MATCH] = { "match", ON_RULE, -1 },
    [KEY_ACTION] = { "action", ON_RULE, -1 },
    [KEY_TO_PORT] = { "to-port", ON_RULE, TLS_CLIENT },
    [KEY_NAME] = { "name", ON_RULE, TLS_CLIENT },
    [KEY_SNI] = { "sni", ON_RULE, TLS_CLIENT },
    [KEY_ALPN] = { "alpn", ON_RULE, -1 },
    [KEY_CA] = { "ca", ON_ANY, TLS_CLIENT },
    [KEY_VERIFY] = { "verify", ON_ANY, TLS_CLIENT },
    [KEY_PINS] = { "pins", ON_ANY, -1 },
    [KEY_CRL] = { "crl", ON_ANY, -1 },
    [KEY_REVOCATION] = { "revocation", ON_ANY, -1 },
    [KEY_PARTIAL_CHAIN] = { "partial-chain", ON_ANY, -1 },
    [KEY_WEAK_CERTIFICATES] = { "weak-certificates", ON_ANY, -1 },
    [KEY_CERT] = { "cert", ON_RULE, -1 },
    [KEY_KEY] = { "key", ON_RULE, -1 },
    [KEY_KEY_PASS] = { "key-pass", ON_RULE, -1 },
    [KEY_STAPLE] = { "staple", ON_RULE, TLS_SERVER },
    [KEY_CLIENT_CA] = { "client-ca", ON_RULE, TLS_SERVER },
    [KEY_CLIENT_AUTH] = { "client-auth", ON_RULE, TLS_SERVER },
    [KEY_MIN_VERSION] = { "min-version", ON_ANY, -1 },
    [KEY_MAX_VERSION] = { "max-version", ON_ANY, -1 },
    [KEY_PLAINTEXT] = { "plaintext", ON_RULE, TLS_SERVER },
    [KEY_APP_TLS] = { "app-tls", ON_RULE, TLS_CLIENT },
    [KEY_EOF] = { "eof", ON_ANY, -1 },
    [KEY_TIMEOUT] = { "timeout", ON_ANY, -1 },
    [KEY_LINGER] = { "linger", ON_ANY, -1 },
    [KEY_HANDOFF] = { "handoff", ON_ANY, -1 },
    [KEY_MODE] = { "mode", ON_APP | ON_RULE, -1 },
    [KEY_INHERIT] = { "inherit", ON_DEFAULTS | ON_APP, -1 },
    [KEY_STARTTLS] = { "starttls", ON_RULE, -1 },
    [KEY_ADOPT] = { "adopt", ON_RULE, TLS_SERVER },
    [KEY_LOG] = { "log", ON_DEFAULTS | ON_APP, -1 },
    [KEY_KEYLOG] = { "keylog", ON_ANY, -1 },
    [KEY_RELOAD] = { "reload", ON_ANY, -1 },
};

struct keep {
    struct keep *next;
    char text[];
};

char *keep_text(struct policy *p, const char *s, size_t n)
{
    struct keep *k = mem_alloc(sizeof *k + n + 1);

    if (!k) {
        (void)FAIL(&p->error, ERR_MEM, "out of memory");
        return NULL;
    }
    memcpy(k->text, s, n);
    k->text[n] = '\0';
    k->next = p->kept;
    p->kept = k;
    return k->text;
}

void kept_free(struct policy *p)
{
    while (p->kept) {
        struct keep *next = p->kept->next;

        mem_free(p->kept);
        p->kept = next;
    }
}

int problem(struct policy *p, int code, const char *file, int line, const char *fmt, ...)
{
    char text[160], whole[400];
    const char *base = file ? strrchr(file, '/') : NULL;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!file) {
        (void)snprintf(whole, sizeof whole, "SLEEVE_RULES, rule %d: %s", line, text);
    } else if (line) {
        (void)snprintf(whole, sizeof whole, "%s:%d: %s", base ? base + 1 : file, line, text);
    } else {
        (void)snprintf(whole, sizeof whole, "%s", text);
    }
    if (p->on_problem) {
        p->on_problem(p->problem_ctx, whole);
    }
    return error_set(&p->error, code, __func__, "%s", whole);
}

/* ---- names of keys ---- */

/* How many letters must be changed, left out or put in; words are short. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], na = strlen(a), nb = strlen(b);

    if (na >= 32 || nb >= 32) {
        return 32;
    }
    for (size_t j = 0; j <= nb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= na; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t d = corner + (a[i - 1] != b[j - 1]);

            corner = row[j];
            d = corner + 1 < d ? corner + 1 : d;
            row[j] = row[j - 1] + 1 < d ? row[j - 1] + 1 : d;
        }
    }
    return row[nb];
}

static const char *nearest_key(const char *name, enum section_kind where)
{
    const char *best = NULL;
    size_t least = 3;

    for (size_t i = 0; i < KEY_COUNT; i++) {
        size_t d = distance(name, key_rows[i].name);

        if (d < least && d < strlen(name) && (key_rows[i].where & 1U << where)) {
            least = d;
            best = key_rows[i].name;
        }
    }
    return best;
}

static const char *header_text(const struct section *s, char text[static 200])
{
    if (s->kind == SECTION_DEFAULTS) {
        return "[defaults]";
    }
    (void)snprintf(text, 200, s->kind == SECTION_APP ? "[app %.80s]" : "[rule %.80s %.80s]", s->app,
                   s->label);
    return text;
}

/* Where the value of a key goes. NULL: no memory, or one certificate too many. */
static struct setting *room_for(struct policy *p, struct section *s, size_t k, int line)
{
    if (k < KEY_CERT || k > KEY_STAPLE || (s->nmore == 0 && k == KEY_CERT && !s->set[k].value)) {
        return &s->set[k];
    }
    if (k == KEY_CERT) {
        if (!s->more) {
            s->more = mem_zalloc((SETTINGS_IDENTITIES - 1) * sizeof *s->more);
        }
        if (!s->more || s->nmore == SETTINGS_IDENTITIES - 1) {
            (void)problem(p, s->more ? ERR_LIMIT : ERR_MEM, s->file, line,
                          s->more ? "more than %d certificates" : "out of memory",
                          SETTINGS_IDENTITIES);
            return NULL;
        }
        s->nmore++;
    }
    return s->nmore ? &s->more[s->nmore - 1][k - KEY_CERT] : &s->set[k];
}

static int set_key(struct policy *p, struct section *s, const char *name, const char *value,
                   int line)
{
    struct setting *to;
    char text[200];
    size_t k = 0;

    while (k < KEY_COUNT && strcmp(name, key_rows[k].name) != 0) {
        k++;
    }
    if (k == KEY_COUNT) {
        const char *near = nearest_key(name, s->kind);

        return problem(p, ERR_PARSE, s->file, line, "unknown key '%.40s' in %s%s%s%s", name,
                       s->file ? header_text(s, text) : "it", near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    if (!(key_rows[k].where & 1U << s->kind)) {
        return problem(p, ERR_PARSE, s->file, line, "'%s' does not belong in %s", name,
                       header_text(s, text));
    }
    to = room_for(p, s, k, line);
    if (!to) {
        return ERR_LIMIT;
    }
    if (to->value) {
        return problem(p, ERR_PARSE, s->file, line,
                       s->file ? "'%s' stands already in line %d" : "'%s' stands twice", name,
                       to->line);
    }
    if (*value == '\0') {
        return problem(p, ERR_PARSE, s->file, line, "'%s' has no value", name);
    }
    *to = (struct setting){ keep_text(p, value, strlen(value)), line };
    return to->value ? 0 : ERR_MEM;
}

/* ---- sections ---- */

static struct section *section_add(struct policy *p, enum section_kind kind, const char *file,
                                   int line)
{
    struct section *s = mem_zalloc(sizeof *s);

    if (!s) {
        (void)FAIL(&p->error, ERR_MEM, "out of memory");
        return NULL;
    }
    s->kind = kind;
    s->file = file;
    s->line = line;
    s->app = s->label = "";
    *p->tail = s;
    p->tail = &s->next;
    return s;
}

struct word {
    const char *p;
    size_t n;
};

static struct word next_word(const char **at, const char *end)
{
    struct word w;

    while (*at < end && isspace((unsigned char)**at)) {
        ++*at;
    }
    w.p = *at;
    while (*at < end && !isspace((unsigned char)**at)) {
        ++*at;
    }
    w.n = (size_t)(*at - w.p);
    return w;
}

static bool word_is(struct word w, const char *s)
{
    return w.n == strlen(s) && memcmp(w.p, s, w.n) == 0;
}

struct reader {
    struct policy *p;
    const char *file, *at; /* what is left of the text */
    struct section *now;   /* NULL: before the first section, or in one that was refused */
    int line;
    bool refused; /* the section line was no good: its keys have been complained about enough */
};

static void wrong(struct reader *r, const char *what)
{
    (void)problem(r->p, ERR_PARSE, r->file, r->line, "%s", what);
}

/* "[defaults]", "[app NAME]", "[rule APP LABEL]" out of the line p..end, which starts with '['. */
static void read_header(struct reader *r, const char *p, const char *end)
{
    const char *close = memchr(p, ']', (size_t)(end - p)), *at = p + 1, *rest;
    struct word kind, app, label, more;
    struct section *s;

    r->now = NULL;
    r->refused = true;
    rest = close ? close + 1 : end;
    more = next_word(&rest, end);
    if (!close || (more.n && *more.p != ';' && *more.p != '#')) {
        wrong(r, close ? "nothing may stand behind ']'" : "a section without ']'");
        return;
    }
    kind = next_word(&at, close);
    app = next_word(&at, close);
    label = next_word(&at, close);
    while (close > at && isspace((unsigned char)close[-1])) {
        close--;
    }
    if (word_is(kind, "defaults") && !app.n) {
        s = section_add(r->p, SECTION_DEFAULTS, r->file, r->line);
    } else if (word_is(kind, "app") && app.n && !label.n) {
        s = section_add(r->p, SECTION_APP, r->file, r->line);
    } else if (word_is(kind, "rule") && app.n && label.n) {
        s = section_add(r->p, SECTION_RULE, r->file, r->line);
    } else {
        wrong(r, "a section is [defaults], [app NAME] or [rule NAME LABEL]");
        return;
    }
    if (s && app.n) {
        s->app = keep_text(r->p, app.p, app.n);
    }
    if (s && s->app && label.n) {
        s->label = keep_text(r->p, label.p, (size_t)(close - label.p));
    }
    if (s && (!s->app || !s->label)) {
        s->app = s->label = "";
        return;
    }
    r->now = s;
    r->refused = false;
}

/* inih's way to ask for a line. Section lines and what it would misread become empty lines, so that
 * its count stays ours. */
static char *next_line(char *str, int num, void *stream)
{
    struct reader *r = stream;
    const char *end, *stop;

    if (*r->at == '\0') {
        return NULL;
    }
    r->line++;
    end = strchrnul(r->at, '\n');
    stop = *end ? end + 1 : end;
    if (r->line == 1 && strncmp(r->at, "\xef\xbb\xbf", 3) == 0) {
        r->at += 3;
    }
    while (r->at < end && isspace((unsigned char)*r->at)) {
        r->at++; /* inih takes an indented line for the rest of the one before */
    }
    while (end > r->at && isspace((unsigned char)end[-1])) {
        end--;
    }
    str[0] = '\0';
    if (*r->at == '[') {
        read_header(r, r->at, end);
    } else if (end - r->at >= num - 2 && *r->at != '#' && *r->at != ';') {
        char text[80];

        (void)snprintf(text, sizeof text, "the line is longer than %d bytes", num - 3);
        wrong(r, text);
    } else if (r->at < end && *r->at != '#' && *r->at != ';') {
        if (!memchr(r->at, '=', (size_t)(end - r->at)) &&
            !memchr(r->at, ':', (size_t)(end - r->at))) {
            wrong(r, "this is not 'key = value'");
            r->at = end;
        }
        memcpy(str, r->at, (size_t)(end - r->at));
        str[end - r->at] = '\0';
    }
    r->at = stop;
    return str;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;

    (void)section;
    if (!r->now) {
        if (!r->refused) {
            wrong(r, "a key before the first section");
        }
        return r->refused;
    }
    return set_key(r->p, r->now, name, value ? value : "", r->line) == 0;
}

int ini_read(struct policy *p, const char *file, const char *text)
{
    struct reader r = { .p = p, .at = text };

    r.file = keep_text(p, file, strlen(file));
    if (!r.file) {
        return ERR_MEM;
    }
    if (ini_parse_stream(next_line, &r, on_key, &r) != 0 && p->error.code == 0) {
        return problem(p, ERR_PARSE, r.file, r.line, "the file cannot be read as INI");
    }
    return p->error.code;
}

/* ---- one-liners: ROLE APP PATTERN... KEY=VALUE... ---- */

static int oneliner_key(struct policy *p, struct section *s, struct word w, const char *eq)
{
    char name[64], *value;
    size_t n = (size_t)(eq - w.p);

    (void)snprintf(name, sizeof name, "%.*s", (int)(n < 63 ? n : 63), w.p);
    value = keep_text(p, eq + 1, w.n - n - 1);
    return value ? set_key(p, s, name, value, s->line) : ERR_MEM;
}

static int oneliner(struct policy *p, const char *at, const char *end, int number)
{
    struct word role = next_word(&at, end), app = next_word(&at, end), w;
    struct section *s;
    const char *first = NULL, *last = NULL;
    bool keys = false;
    char label[32];

    if ((!word_is(role, "client") && !word_is(role, "server")) || !app.n ||
        memchr(app.p, '=', app.n)) {
        return problem(p, ERR_PARSE, NULL, number,
                       "it must begin with 'client' or 'server' and the program's name or *");
    }
    s = section_add(p, SECTION_RULE, NULL, number);
    (void)snprintf(label, sizeof label, "-r %d", number);
    if (!s || !(s->label = keep_text(p, label, strlen(label))) ||
        !(s->app = keep_text(p, app.p, app.n)) ||
        !(s->set[KEY_ROLE].value = keep_text(p, role.p, role.n))) {
        return ERR_MEM;
    }
    while (w = next_word(&at, end), w.n) {
        const char *eq = memchr(w.p, '=', w.n);

        if (eq) {
            TRY(oneliner_key(p, s, w, eq));
            keys = true;
        } else if (keys) {
            return problem(p, ERR_PARSE, NULL, number, "'%.*s' is not key=value", (int)w.n, w.p);
        } else {
            first = first ? first : w.p;
            last = w.p + w.n;
        }
    }
    if (first) {
        s->set[KEY_MATCH].value = keep_text(p, first, (size_t)(last - first));
        return s->set[KEY_MATCH].value ? 0 : ERR_MEM;
    }
    return 0;
}

int oneliners_read(struct policy *p, const char *text)
{
    int number = 1;

    while (*text) {
        const char *end = text + strcspn(text, ";\n"), *at = text;

        if (next_word(&at, end).n) {
            (void)oneliner(p, text, end, number++);
        }
        text = *end ? end + 1 : end;
    }
    return p->error.code;
}
