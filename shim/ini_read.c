/* SPDX-License-Identifier: ISC */
/* Text -> sections. inih splits "key = value ; comment"; the section lines are read here, because
 * inih does not tell of a section without keys, nor of names it cut. */
#include <ctype.h>
#include <ini.h>
#include <stdio.h>

#include "base/mem.h"
#include "shim/ini.h"

/* Keys that are no option's. */
static const struct key_row {
    const char *name;
    unsigned in; /* IN_DEFAULTS, ... or-ed */
    int role;    /* enum tls_role, or -1: both */
} key_rows[KEY_OPTIONS] = {
    [KEY_EXE] = { "exe", IN_APP, -1 },
    [KEY_ARGV0] = { "argv0", IN_APP, -1 },
    [KEY_SCRIPT] = { "script", IN_APP, -1 },
    [KEY_ROLE] = { "role", IN_RULE, -1 },
    [KEY_MATCH] = { "match", IN_RULE, -1 },
    [KEY_ACTION] = { "action", IN_RULE, -1 },
    [KEY_TO_PORT] = { "to-port", IN_RULE, TLS_CLIENT },
    [KEY_CLIENT_CA] = { "client-ca", IN_RULE | IN_CONFIG, TLS_SERVER },
    [KEY_PLAINTEXT] = { "plaintext", IN_RULE, TLS_SERVER },
    [KEY_APP_TLS] = { "app-tls", IN_RULE, TLS_CLIENT },
    [KEY_LINGER] = { "linger", IN_DEFAULTS | IN_APP | IN_RULE, -1 },
    [KEY_PARK_AFTER] = { "park-after", IN_DEFAULTS | IN_APP | IN_RULE, -1 },
    [KEY_HANDOFF] = { "handoff", IN_DEFAULTS | IN_APP | IN_RULE, -1 },
    [KEY_MODE] = { "mode", IN_APP | IN_RULE, -1 },
    [KEY_INHERIT] = { "inherit", IN_DEFAULTS | IN_APP, -1 },
    [KEY_STARTTLS] = { "starttls", IN_RULE, -1 },
    [KEY_ADOPT] = { "adopt", IN_RULE, TLS_SERVER },
    [KEY_LOG] = { "log", IN_DEFAULTS | IN_APP, -1 },
};

const char *ini_key_name(size_t k)
{
    return k < KEY_OPTIONS ? key_rows[k].name : ssl_options[k - KEY_OPTIONS].key;
}

int ini_key_role(size_t k)
{
    return k < KEY_OPTIONS ? key_rows[k].role : ssl_options[k - KEY_OPTIONS].role;
}

static bool belongs(size_t k, enum section_kind where)
{
    return ((k < KEY_OPTIONS ? key_rows[k].in : ssl_options[k - KEY_OPTIONS].in) & 1U << where) !=
           0;
}

void ini_init(struct ini *ini)
{
    *ini = (struct ini){ .tail = &ini->sections };
    error_clear(&ini->error);
}

void ini_free(struct ini *ini)
{
    while (ini->sections) {
        struct section *next = ini->sections->next;

        mem_free(ini->sections->more);
        mem_free(ini->sections);
        ini->sections = next;
    }
    kept_free(ini);
}

struct keep {
    struct keep *next;
    char text[];
};

char *keep_text(struct ini *ini, const char *s, size_t n)
{
    struct keep *k = mem_alloc(sizeof *k + n + 1);

    if (!k) {
        (void)FAIL(&ini->error, ERR_MEM, "out of memory");
        return NULL;
    }
    memcpy(k->text, s, n);
    k->text[n] = '\0';
    k->next = ini->kept;
    ini->kept = k;
    return k->text;
}

void kept_free(struct ini *ini)
{
    while (ini->kept) {
        struct keep *next = ini->kept->next;

        mem_free(ini->kept);
        ini->kept = next;
    }
}

int problem(struct ini *ini, int code, const char *file, int line, const char *fmt, ...)
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
    if (ini->on_problem) {
        ini->on_problem(ini->problem_ctx, whole);
    }
    return error_set(&ini->error, code, __func__, "%s", whole);
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
        size_t d = ini_key_name(i) && belongs(i, where) ? distance(name, ini_key_name(i)) : least;

        if (d < least && d < strlen(name)) {
            least = d;
            best = ini_key_name(i);
        }
    }
    return best;
}

static const char *header_text(const struct section *s, char text[static 200])
{
    if (s->kind == SECTION_DEFAULTS) {
        return "[defaults]";
    }
    (void)snprintf(text, 200, "[%s %.80s%s%.80s]",
                   s->kind == SECTION_APP      ? "app"
                   : s->kind == SECTION_CONFIG ? "config"
                                               : "rule",
                   s->app, *s->label ? " " : "", s->label);
    return text;
}

static const int own_options[OWN_KEYS] = {
    [OWN_CERT] = SSL_OPT_CERT_FILE,
    [OWN_KEY] = SSL_OPT_KEY_FILE,
    [OWN_PASS] = SSL_OPT_KEY_PASS_FILE,
    [OWN_STAPLE] = SSL_OPT_STATUS_FILE,
};

const struct written *own_written(const struct section *s, size_t i, enum own_key k)
{
    return i == 0 ? &s->set[KEY_OF(own_options[k])] : &s->more[i - 1][k];
}

/* Where the value of a key goes. NULL: no memory, or one certificate too many. */
static struct written *room_for(struct ini *ini, struct section *s, size_t k, int line)
{
    size_t own = 0;

    while (own < OWN_KEYS && k != KEY_OF(own_options[own])) {
        own++;
    }
    if (own == OWN_KEYS || (s->nmore == 0 && own == OWN_CERT && !s->set[k].value)) {
        return &s->set[k];
    }
    if (own == OWN_CERT) {
        if (!s->more) {
            s->more = mem_zalloc((SETTINGS_IDENTITIES - 1) * sizeof *s->more);
        }
        if (!s->more || s->nmore == SETTINGS_IDENTITIES - 1) {
            (void)problem(ini, s->more ? ERR_LIMIT : ERR_MEM, s->file, line,
                          s->more ? "more than %d certificates" : "out of memory",
                          SETTINGS_IDENTITIES);
            return NULL;
        }
        s->nmore++;
    }
    return s->nmore ? &s->more[s->nmore - 1][own] : &s->set[k];
}

int section_set(struct ini *ini, struct section *s, const char *name, const char *value, int line)
{
    struct written *to;
    char text[200];
    size_t k = 0;

    while (k < KEY_COUNT && (!ini_key_name(k) || strcmp(name, ini_key_name(k)) != 0)) {
        k++;
    }
    if (k == KEY_COUNT) {
        const char *near = nearest_key(name, s->kind);

        return problem(ini, ERR_PARSE, s->file, line, "unknown key '%.40s' in %s%s%s%s", name,
                       s->file ? header_text(s, text) : "it", near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    }
    if (!belongs(k, s->kind)) {
        return problem(ini, ERR_PARSE, s->file, line, "'%s' does not belong in %s", name,
                       header_text(s, text));
    }
    to = room_for(ini, s, k, line);
    if (!to) {
        return ERR_LIMIT;
    }
    if (to->value) {
        return problem(ini, ERR_PARSE, s->file, line,
                       s->file ? "'%s' stands already in line %d" : "'%s' stands twice", name,
                       to->line);
    }
    if (*value == '\0') {
        return problem(ini, ERR_PARSE, s->file, line, "'%s' has no value", name);
    }
    *to = (struct written){ keep_text(ini, value, strlen(value)), line };
    return to->value ? 0 : ERR_MEM;
}

/* ---- sections ---- */

struct section *section_add(struct ini *ini, enum section_kind kind, const char *file, int line)
{
    struct section *s = mem_zalloc(sizeof *s);

    if (!s) {
        (void)FAIL(&ini->error, ERR_MEM, "out of memory");
        return NULL;
    }
    s->kind = kind;
    s->file = file;
    s->line = line;
    s->app = s->label = "";
    *ini->tail = s;
    ini->tail = &s->next;
    return s;
}

struct word next_word(const char **at, const char *end)
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

bool word_is(struct word w, const char *s)
{
    return w.n == strlen(s) && memcmp(w.p, s, w.n) == 0;
}

struct reader {
    struct ini *ini;
    const char *file, *at; /* what is left of the text */
    struct section *now;   /* NULL: before the first section, or in one that was refused */
    int line;
    bool refused; /* the section line was no good: its keys have been complained about enough */
};

static void wrong(struct reader *r, const char *what)
{
    (void)problem(r->ini, ERR_PARSE, r->file, r->line, "%s", what);
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
        s = section_add(r->ini, SECTION_DEFAULTS, r->file, r->line);
    } else if ((word_is(kind, "app") || word_is(kind, "config")) && app.n && !label.n) {
        s = section_add(r->ini, word_is(kind, "app") ? SECTION_APP : SECTION_CONFIG, r->file,
                        r->line);
    } else if (word_is(kind, "rule") && app.n && label.n) {
        s = section_add(r->ini, SECTION_RULE, r->file, r->line);
    } else {
        wrong(r, "a section is [defaults], [app NAME], [rule NAME LABEL] or [config NAME]");
        return;
    }
    if (s && app.n) {
        s->app = keep_text(r->ini, app.p, app.n);
    }
    if (s && s->app && label.n) {
        s->label = keep_text(r->ini, label.p, (size_t)(close - label.p));
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
    return section_set(r->ini, r->now, name, value ? value : "", r->line) == 0;
}

int ini_read(struct ini *ini, const char *file, const char *text)
{
    struct reader r = { .ini = ini, .at = text };

    r.file = keep_text(ini, file, strlen(file));
    if (!r.file) {
        return ERR_MEM;
    }
    if (ini_parse_stream(next_line, &r, on_key, &r) != 0 && ini->error.code == 0) {
        return problem(ini, ERR_PARSE, r.file, r.line, "the file cannot be read as INI");
    }
    return ini->error.code;
}
