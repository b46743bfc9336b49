/* SPDX-License-Identifier: ISC */
/* What the files of the policy share among themselves and with `sleeve check` and `sleeve explain`:
 * text -> sections (rules_ini.c) -> the sections of one program (rules_select.c) -> rules with
 * match patterns (rules_match.c) and sealed configurations (rules_build.c). */
#ifndef PRELOAD_RULES_PARTS_H
#define PRELOAD_RULES_PARTS_H
#include <stdarg.h>
#include <stdint.h>

#include "preload/rules.h"
#include "base/buf.h"
#include "shim/reload.h"

/* ---- match patterns ---- */
struct ports {
    uint16_t lo, hi;
};
struct pattern {
    enum { MATCH_ANY, MATCH_NAME, MATCH_NET } kind;
    char *glob;          /* MATCH_NAME: lower case */
    uint8_t addr[16];    /* MATCH_NET: IPv4 as ::ffff:a.b.c.d */
    unsigned bits;       /* prefix length, 0..128 */
    struct ports *ports; /* none: every port */
    size_t nports;
};
/* Any address, IPv4 in its mapped form, and the port in host order. */
struct endpoint {
    uint8_t addr[16];
    uint16_t port;
};
#define PATTERNS_MAX 64
#define PORTS_MAX    64

/* One pattern out of the n bytes at text ("*.example:443", "10.0.0.0/8:6379,7000-7010"); 0 or
 * ERR_PARSE with a sentence, ERR_MEM. */
int pattern_parse(struct pattern *m, const char *text, size_t n, struct error *err) MUST_CHECK;
void pattern_free(struct pattern *m);
/* name NULL: by address only. */
bool pattern_hits(const struct pattern *m, const struct endpoint *e, const char *name);
bool endpoint_of(struct endpoint *e, const struct sockaddr *sa, socklen_t len);
bool glob_hits(const char *glob, const char *name);

/* ---- sections: keys and values as written ---- */
enum section_kind { SECTION_DEFAULTS, SECTION_APP, SECTION_RULE };
enum key {
    KEY_EXE,
    KEY_ARGV0,
    KEY_SCRIPT,
    KEY_ROLE,
    KEY_MATCH,
    KEY_ACTION,
    KEY_TO_PORT,
    KEY_NAME,
    KEY_SNI,
    KEY_ALPN,
    KEY_CA,
    KEY_VERIFY,
    KEY_CERT, /* from here: of each own certificate */
    KEY_KEY,
    KEY_KEY_PASS,
    KEY_STAPLE, /* to here */
    KEY_CLIENT_CA,
    KEY_CLIENT_AUTH,
    KEY_PINS,
    KEY_CRL,
    KEY_REVOCATION,
    KEY_PARTIAL_CHAIN,
    KEY_WEAK_CERTIFICATES,
    KEY_MIN_VERSION,
    KEY_MAX_VERSION,
    KEY_PLAINTEXT,
    KEY_APP_TLS,
    KEY_EOF,
    KEY_TIMEOUT,
    KEY_LINGER,
    KEY_HANDOFF,
    KEY_MODE,
    KEY_INHERIT,
    KEY_STARTTLS,
    KEY_ADOPT,
    KEY_LOG,
    KEY_KEYLOG,
    KEY_RELOAD,
    KEY_COUNT,
};
#define OWN_KEYS (KEY_STAPLE - KEY_CERT + 1)
struct key_row {
    const char *name;
    unsigned where; /* 1 << enum section_kind, or-ed */
    int role;       /* enum tls_role, or -1: both */
};
extern const struct key_row key_rows[KEY_COUNT];

struct setting {
    const char *value; /* NULL: not set */
    int line;
};
struct section {
    enum section_kind kind;
    const char *app, *label; /* "" where there is none */
    const char *file;        /* NULL: a one-liner */
    int line;                /* of its header; a one-liner's number */
    bool selected;
    struct setting set[KEY_COUNT];
    /* second and further certificates, in order: each `cert` begins one */
    struct setting (*more)[OWN_KEYS];
    size_t nmore;
    struct section *next;
};

/* Of the i-th own certificate, up to and with .nmore; k: one of the OWN_KEYS. */
const struct setting *own_setting(const struct section *s, size_t i, enum key k);

/* Told of every mistake, in order; the first also becomes the policy's error. */
typedef void problem_fn(void *ctx, const char *sentence);

struct policy_rule {
    struct rule pub;
    struct pattern *patterns;
    size_t npatterns;
    const struct section *section;
    struct policy *policy;
    struct reload reload; /* its configuration, unless it is only checked */
    bool once;            /* which is never made again */
};
struct policy {
    struct section *sections, **tail; /* in order */
    struct policy_rule *rules;
    size_t nrules;
    const char *log;
    struct error error; /* code 0: in order */
    problem_fn *on_problem;
    void *problem_ctx;
    struct keep *kept; /* every string, freed together */
};

/* Records a mistake: "file:line: sentence" (file NULL: "SLEEVE_RULES, rule N: sentence"). Returns
 * code. */
int problem(struct policy *p, int code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void kept_free(struct policy *p);
char *keep_text(struct policy *p, const char *s,
                size_t n); /* NUL-terminated copy; NULL: no memory */

/* ---- reading (rules_ini.c, rules_files.c) ---- */
struct sources {
    const char *path;  /* file or directory; NULL: none */
    const char *rules; /* one-liners; NULL: none */
    bool off;
    char buf[4096]; /* room for path */
};
/* What the environment and the file system say. */
void sources_find(struct sources *s);
/* The environment handed over with policy_environment(). */
const char *env_get(const char *name); /* NULL: not set */
char *env_edit(const char *name);      /* its value, in place */
void env_remove(const char *name);
/* text: NUL-terminated contents; file: the name to use in sentences. */
int ini_read(struct policy *p, const char *file, const char *text) MUST_CHECK;
int oneliners_read(struct policy *p, const char *text) MUST_CHECK;
/* Each file of path (itself, or a directory's *.conf sorted), after the check of owner and mode:
 * fn(ctx, path, text). Stops at the first error. */
int files_each(const char *path, int (*fn)(void *ctx, const char *path, const char *text),
               void *ctx, struct error *err) MUST_CHECK;
int sections_check(struct policy *p)
    MUST_CHECK; /* rules without [app], [app] without rules, twice the same */

/* ---- which program (rules_select.c) ---- */
struct self {
    struct program prog;
    char exe[4096], cmdline[4096];
};
const struct program *self_find(struct self *s); /* exe and execfn */
void self_arguments(struct self *s);             /* argv0 and script as well */
/* May the text list this program? No false "no". */
bool text_may_list(const char *text, const struct program *prog);
bool section_selects(const struct section *app, const struct program *prog);
/* Marks the [app] sections of the program and their rules; how many rules. prog NULL: all. */
size_t policy_select(struct policy *p, const struct program *prog);
bool policy_asks_arguments(const struct policy *p);

/* ---- a policy (rules_policy.c) ---- */
struct policy *policy_new(void);
/* One-liners first, then the file or files; any may be NULL. */
int policy_read(struct policy *p, const char *oneliners, const char *path) MUST_CHECK;
/* Does the rule speak of this connection? *name (may be NULL): the name that did it, or NULL. */
bool rule_hits(const struct policy_rule *r, const struct endpoint *e, const char *const *names,
               size_t nnames, const char **name);

/* ---- rules (rules_build.c) ---- */
/* Turns the selected sections into rules; with_keys: makes their configurations too. Goes on after
 * mistakes so that check sees all of them; < 0 when there was one. */
int policy_build(struct policy *p, bool with_keys) MUST_CHECK;
/* The value in force for a rule: its own, its [app]'s, its file's [defaults]. NULL: none. *home
 * (may be NULL): the section it stands in. */
const char *setting_of(const struct policy *p, const struct section *rule, enum key k,
                       const struct section **home);
/* "key = value: why" of a section that sets k. Returns ERR_PARSE. */
int wrong_value(struct policy *p, const struct section *s, enum key k, const char *why);
/* The same of a setting that need not be the section's only one. */
int wrong_setting(struct policy *p, const struct section *s, enum key k, const struct setting *v,
                  const char *why);
/* The key's value out of a table whose last word is NULL; `otherwise` when it is not set. */
struct word_value {
    const char *word;
    int value;
    bool later; /* known, and not built yet */
};
int one_of(struct policy *p, const struct section *rule, enum key k, const struct word_value *words,
           int otherwise);
/* Checks what a TLS rule says about certificates and versions; with_keys: reads them and makes the
 * sealed configuration (rules_config.c). */
int rule_config(struct policy *p, struct policy_rule *r, bool with_keys) MUST_CHECK;
/* A configuration in the making. */
struct plan {
    struct policy *p;
    struct policy_rule *r;
    const struct section *s;
    struct config *c; /* NULL: only checking */
    struct files *f;  /* what is read for it */
};
/* A setter of the engine has refused a value. */
int plan_refused(struct plan *pl, enum key k, int rc) MUST_CHECK;
/* Notes a file that will be read; *path is made absolute. */
int plan_path(struct plan *pl, const struct section *home, const char **path) MUST_CHECK;
/* How the peer is verified (rules_peer.c). */
int plan_peer(struct plan *pl) MUST_CHECK;
/* A path of the configuration, made absolute against the file it stands in. NULL: no memory. */
const char *path_of(struct policy *p, const struct section *s, const char *value);
#endif
