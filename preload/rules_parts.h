/* SPDX-License-Identifier: ISC */
/* What the files of the policy share among themselves and with `sleeve check` and `sleeve explain`:
 * text -> sections (shim/ini.h) -> the sections of one program (rules_select.c) -> rules with match
 * patterns (rules_match.c) and sealed configurations (rules_config.c). */
#ifndef PRELOAD_RULES_PARTS_H
#define PRELOAD_RULES_PARTS_H
#include <stdarg.h>
#include <stdint.h>

#include "preload/rules.h"
#include "base/buf.h"
#include "shim/ini.h"
#include "shim/reload.h"
#include "shim/ssl_options.h"

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
bool endpoint_is_loopback(const struct endpoint *e); /* 127.0.0.0/8 or ::1 */
bool glob_hits(const char *glob, const char *name);

/* ---- rules ---- */
struct policy_rule {
    struct rule pub;
    struct pattern *patterns;
    size_t npatterns;
    const struct section *section;
    struct policy *policy;
    struct options options; /* of a TLS rule; without .set: there are none */
    struct reload reload;   /* its configuration, unless it is only checked */
};
struct policy {
    struct ini ini;
    struct policy_rule *rules;
    size_t nrules;
    const char *log;
};

/* ---- reading (rules_env.c, rules_lines.c) ---- */
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
int oneliners_read(struct ini *ini, const char *text) MUST_CHECK;
int sections_check(struct ini *ini)
    MUST_CHECK; /* rules without [app], [app] without rules, twice the same */

/* ---- which program (rules_glance.c, rules_select.c) ---- */
const char *base_of(const char *path); /* behind the last slash; NULL: none */
struct self {
    struct program prog;
    char exe[4096], cmdline[4096];
};
const struct program *self_find(struct self *s); /* exe and execfn */
void self_arguments(struct self *s);             /* argv0 and script as well */
/* May the text of a file list this program? May what the environment names? No false "no". */
bool text_may_list(const char *text, const struct program *prog);
bool sources_may_list(const struct sources *src, const struct program *prog);
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
/* Checks what a TLS rule says about certificates and the like; with_keys: reads them and makes the
 * sealed configuration (rules_config.c). */
int rule_config(struct policy *p, struct policy_rule *r, bool with_keys) MUST_CHECK;
#endif
