/* SPDX-License-Identifier: ISC */
/* Configuration files (sleeve.conf(5)), for ssl_config_load() and for the rules of the preload:
 * text -> sections of keys and values as written (ini_read.c) -> options (ini_options.c). What the
 * keys are that belong to an option, ssl_table.c says. */
#ifndef SHIM_INI_H
#define SHIM_INI_H
#include <sleeve/ssl_socket.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "shim/ssl_options.h"

enum section_kind { SECTION_DEFAULTS, SECTION_APP, SECTION_RULE, SECTION_CONFIG };
#define IN_DEFAULTS (1U << SECTION_DEFAULTS)
#define IN_APP      (1U << SECTION_APP)
#define IN_RULE     (1U << SECTION_RULE)
#define IN_CONFIG   (1U << SECTION_CONFIG)
#define IN_ANY      (IN_DEFAULTS | IN_APP | IN_RULE | IN_CONFIG)

/* ---- keys ---- */
enum key {
    /* of the rules */
    KEY_EXE,
    KEY_ARGV0,
    KEY_SCRIPT,
    KEY_ROLE,
    KEY_MATCH,
    KEY_ACTION,
    KEY_TO_PORT,
    KEY_CLIENT_CA,
    KEY_PLAINTEXT,
    KEY_APP_TLS,
    KEY_LINGER,
    KEY_PARK_AFTER,
    KEY_HANDOFF,
    KEY_MODE,
    KEY_INHERIT,
    KEY_STARTTLS,
    KEY_ADOPT,
    KEY_LOG,
    /* of the options, by their numbers */
    KEY_OPTIONS,
    KEY_COUNT = KEY_OPTIONS + OPTIONS_END,
};
#define KEY_OF(option) ((enum key)(KEY_OPTIONS + (option)))
const char *ini_key_name(size_t k); /* NULL: there is none of that number */
int ini_key_role(size_t k);         /* enum tls_role, or -1: both */

/* ---- sections ---- */
struct written {
    const char *value; /* NULL: not set */
    int line;
};
/* What belongs to one own certificate. */
enum own_key { OWN_CERT, OWN_KEY, OWN_PASS, OWN_STAPLE, OWN_KEYS };
struct section {
    enum section_kind kind;
    const char *app, *label; /* "" where there is none; app: the name of [config NAME] too */
    const char *file;        /* NULL: a one-liner */
    int line;                /* of its header; a one-liner's number */
    bool selected;
    struct written set[KEY_COUNT];
    /* second and further certificates, in order: each `cert` begins one */
    struct written (*more)[OWN_KEYS];
    size_t nmore;
    struct section *next;
};
/* Of the i-th own certificate, up to and with .nmore. */
const struct written *own_written(const struct section *s, size_t i, enum own_key k);

/* Told of every mistake, in order; the first also becomes the error. */
typedef void problem_fn(void *ctx, const char *sentence);
struct ini {
    struct section *sections, **tail; /* in order */
    struct error error;               /* code 0: in order */
    problem_fn *on_problem;
    void *problem_ctx;
    struct keep *kept; /* every string, freed together */
};
void ini_init(struct ini *ini);
void ini_free(struct ini *ini);
/* Records a mistake: "file:line: sentence" (file NULL: "SLEEVE_RULES, rule N: sentence"). Returns
 * code. */
int problem(struct ini *ini, int code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* A copy with a NUL that lives as long as ini. NULL: no memory. */
char *keep_text(struct ini *ini, const char *s, size_t n);
void kept_free(struct ini *ini);

/* ---- reading ---- */
/* text: NUL-terminated contents; file: the name to use in sentences. */
int ini_read(struct ini *ini, const char *file, const char *text) MUST_CHECK;
/* An empty section behind the others; NULL: no memory. */
struct section *section_add(struct ini *ini, enum section_kind kind, const char *file, int line);
/* Sets a key by its name. */
int section_set(struct ini *ini, struct section *s, const char *name, const char *value,
                int line) MUST_CHECK;
#define INI_FILE_MAX (1 << 20) /* bytes */
/* Files decide what leaves in the clear: only those that nobody but root or the caller can change
 * are believed, and directories likewise. */
static inline bool ini_is_foreign(const struct stat *st)
{
    return st->st_uid != 0 && st->st_uid != geteuid();
}
static inline bool ini_is_open(const struct stat *st)
{
    return (st->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}
/* Of a directory: is it one of its configuration files? */
static inline bool ini_is_conf(const char *name)
{
    size_t n = strlen(name);

    return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".conf") == 0;
}
struct word {
    const char *p;
    size_t n; /* 0: there is none */
};
struct word next_word(const char **at, const char *end);
bool word_is(struct word w, const char *s);
/* Each file of path (itself, or a directory's *.conf sorted), after the check of owner and mode:
 * fn(ctx, path, text). Stops at the first error. */
int ini_files(const char *path, int (*fn)(void *ctx, const char *path, const char *text), void *ctx,
              struct error *err) MUST_CHECK;

/* ---- values ---- */
/* The value in force for a section: its own, its [app]'s, its file's [defaults]. NULL: none. *home
 * (may be NULL): the section it stands in. */
const char *setting_of(const struct ini *ini, const struct section *s, enum key k,
                       const struct section **home);
/* "key = value: why" of a section that sets k. Returns ERR_PARSE. */
int wrong_value(struct ini *ini, const struct section *s, enum key k, const char *why);
/* The same of a value that need not be the section's only one. */
int wrong_written(struct ini *ini, const struct section *s, enum key k, const struct written *v,
                  const char *why);
/* The key's value out of a table whose last word is NULL; `otherwise` when it is not set. */
struct word_value {
    const char *word;
    int value;
    bool later; /* known, and not built yet */
};
int one_of(struct ini *ini, const struct section *s, enum key k, const struct word_value *words,
           int otherwise);
/* "10", "10s", "1500ms" -> milliseconds, at most a day; 0: not set. */
int duration_of(struct ini *ini, const struct section *s, enum key k);
/* A path of the section, made absolute against the file it stands in. NULL: no memory. */
const char *path_of(struct ini *ini, const struct section *s, const char *value);

/* ---- options ---- */
/* Whose a section is: enum tls_role, or -1: anybody's. A [config] with a key of servers is one's:
 * what [defaults] say of how clients verify is not for it. */
int ini_role(struct ini *ini, const struct section *s);
/* What the section says, with what it inherits, into o; its values are checked, no file is read.
 * role: as above. */
int ini_options(struct ini *ini, const struct section *s, int role, struct options *o) MUST_CHECK;
/* Only says what is wrong with the [config] sections. */
int ini_check_configs(struct ini *ini) MUST_CHECK;
/* Says what was wrong when a configuration was made of these options. Returns the code that is to
 * be handed up. */
int ini_blame(struct ini *ini, const struct section *s, int role, const struct blame *blame,
              const struct error *err);
#endif
