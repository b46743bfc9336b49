/* SPDX-License-Identifier: ISC */
/* Sections -> rules: the value of every key is checked here, whether a connection will ever need it
 * or not. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "preload/rules_parts.h"
#include "base/mem.h"

static bool same_file(const struct section *a, const struct section *b)
{
    return a->file && a->file == b->file;
}

/* The section a rule's key is taken from: its own, its [app], its file's [defaults]. */
static const struct section *home_of(const struct policy *p, const struct section *rule, enum key k)
{
    const struct section *app = NULL, *defaults = NULL;

    if (rule->set[k].value) {
        return rule;
    }
    for (const struct section *s = p->sections; s; s = s->next) {
        if (s->kind == SECTION_APP && rule->file && strcmp(s->app, rule->app) == 0) {
            app = s;
        } else if (s->kind == SECTION_DEFAULTS && same_file(s, rule)) {
            defaults = s;
        }
    }
    if (app && app->set[k].value) {
        return app;
    }
    return defaults && defaults->set[k].value ? defaults : NULL;
}

const char *setting_of(const struct policy *p, const struct section *rule, enum key k,
                       const struct section **home)
{
    const struct section *s = home_of(p, rule, k);

    if (home) {
        *home = s;
    }
    return s ? s->set[k].value : NULL;
}

/* "pkcs11:...": a scheme (RFC 3986 section 3.1) in front. */
static bool is_uri(const char *value)
{
    size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789+-.");

    return n > 0 && value[n] == ':';
}

const char *path_of(struct policy *p, const struct section *s, const char *value)
{
    const char *slash = s->file ? strrchr(s->file, '/') : NULL;
    size_t dir = slash ? (size_t)(slash - s->file) + 1 : 0, n = strlen(value);
    char *path;

    if (*value == '/' || dir == 0 || is_uri(value)) {
        return value;
    }
    path = mem_alloc(dir + n + 1);
    if (!path) {
        (void)FAIL(&p->error, ERR_MEM, "out of memory");
        return NULL;
    }
    memcpy(path, s->file, dir);
    memcpy(path + dir, value, n + 1);
    value = keep_text(p, path, dir + n);
    mem_free(path);
    return value;
}

int wrong_setting(struct policy *p, const struct section *s, enum key k, const struct setting *v,
                  const char *why)
{
    return problem(p, ERR_PARSE, s->file, s->file ? v->line : s->line, "%s = %.60s: %s",
                   key_rows[k].name, v->value, why);
}

int wrong_value(struct policy *p, const struct section *s, enum key k, const char *why)
{
    return wrong_setting(p, s, k, &s->set[k], why);
}

/* ---- values ---- */

int one_of(struct policy *p, const struct section *rule, enum key k, const struct word_value *words,
           int otherwise)
{
    const struct section *home;
    const char *v = setting_of(p, rule, k, &home);
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
            (void)wrong_value(p, home, k, "not supported yet");
            return otherwise;
        }
        n = strlen(all);
        if (!w->later && n + strlen(w->word) + 3 < sizeof all) {
            (void)snprintf(all + n, sizeof all - n, "%s %s", w == words ? "" : ",", w->word);
        }
    }
    (void)wrong_value(p, home, k, all);
    return otherwise;
}

/* "10", "10s", "1500ms" -> milliseconds, at most a day. */
static int duration(struct policy *p, const struct section *rule, enum key k)
{
    const struct section *home;
    const char *v = setting_of(p, rule, k, &home);
    long long n = 0;

    if (!v) {
        return 0;
    }
    if (!isdigit((unsigned char)*v)) {
        return wrong_value(p, home, k, "it is a number of seconds, or of 'ms'");
    }
    for (; isdigit((unsigned char)*v); v++) {
        n = n > 86400000 ? n : n * 10 + (*v - '0');
    }
    if (*v == '\0' || strcmp(v, "s") == 0) {
        n *= 1000;
    } else if (strcmp(v, "ms") != 0) {
        return wrong_value(p, home, k, "it is a number of seconds, or of 'ms'");
    }
    if (n < 1 || n > 86400000) {
        return wrong_value(p, home, k, "it is between 1 ms and one day");
    }
    return (int)n;
}

static int port(struct policy *p, const struct section *rule)
{
    const char *v = rule->set[KEY_TO_PORT].value;
    unsigned long n = 0;
    char *end = NULL;

    if (!v) {
        return 0;
    }
    n = isdigit((unsigned char)*v) ? strtoul(v, &end, 10) : 0;
    if (n < 1 || n > 65535 || *end) {
        return wrong_value(p, rule, KEY_TO_PORT, "it is a port, 1 to 65535");
    }
    return (int)n;
}

/* ---- match ---- */

static int patterns(struct policy *p, struct policy_rule *r)
{
    const struct section *s = r->section;
    const char *at = s->set[KEY_MATCH].value;
    struct error err = { 0 };

    r->pub.match = at;
    if (strncmp(at, "local", 5) == 0 && isspace((unsigned char)at[5])) {
        if (r->pub.role != TLS_SERVER) {
            return wrong_value(p, s, KEY_MATCH, "'local' is for servers");
        }
        at += 5;
    }
    r->patterns = mem_zalloc(PATTERNS_MAX * sizeof *r->patterns);
    if (!r->patterns) {
        return FAIL(&p->error, ERR_MEM, "out of memory");
    }
    for (;;) {
        size_t n;

        at += strspn(at, " \t");
        n = strcspn(at, " \t");
        if (n == 0) {
            return r->npatterns ? 0 : wrong_value(p, s, KEY_MATCH, "there is no pattern");
        }
        if (r->npatterns == PATTERNS_MAX) {
            return wrong_value(p, s, KEY_MATCH, "too many patterns in one rule");
        }
        if (pattern_parse(&r->patterns[r->npatterns], at, n, &err) < 0) {
            return wrong_value(p, s, KEY_MATCH, err.text);
        }
        if (r->pub.role == TLS_SERVER && r->patterns[r->npatterns].kind == MATCH_NAME) {
            r->npatterns++;
            return wrong_value(p, s, KEY_MATCH, "a server is matched by its local address or *");
        }
        r->npatterns++;
        at += n;
    }
}

/* ---- rules ---- */

static const struct word_value roles[] = { { "client", TLS_CLIENT, false },
                                           { "server", TLS_SERVER, false },
                                           { NULL, 0, false } };
static const struct word_value actions[] = { { "tls", RULE_TLS, false },
                                             { "bypass", RULE_BYPASS, false },
                                             { "refuse", RULE_REFUSE, false },
                                             { NULL, 0, false } };
static const struct word_value plaintexts[] = { { "refuse", PLAINTEXT_REFUSE, false },
                                                { "loopback", PLAINTEXT_LOOPBACK, false },
                                                { "allow", PLAINTEXT_ALLOW, false },
                                                { NULL, 0, false } };
static const struct word_value app_tlses[] = { { "bypass", APP_TLS_BYPASS, false },
                                               { "refuse", APP_TLS_REFUSE, false },
                                               { NULL, 0, false } };
static const struct word_value eofs[] = { { "strict", false, false },
                                          { "lenient", true, false },
                                          { NULL, 0, false } };
static const struct word_value modes[] = { { "inline", MODE_INLINE, false },
                                           { "relay", 0, true },
                                           { "supervise", 0, true },
                                           { NULL, 0, false } };
static const struct word_value handoffs[] = { { "none", HANDOFF_NONE, false },
                                              { "ktls", 0, true },
                                              { "relay", 0, true },
                                              { "ktls,relay", 0, true },
                                              { NULL, 0, false } };
static const struct word_value reloads[] = { { "yes", 1, false },
                                             { "no", 0, false },
                                             { NULL, 0, false } };
static const struct word_value inherits[] = { { "listed", 0, false }, { NULL, 0, false } };

/* Keys that have to do with the other role, and keys whose time has not come. */
static void misplaced(struct policy *p, const struct section *s, enum tls_role role)
{
    for (size_t k = 0; k < KEY_COUNT; k++) {
        if (s->set[k].value && key_rows[k].role != -1 && key_rows[k].role != (int)role) {
            (void)wrong_value(p, s, (enum key)k,
                              role == TLS_CLIENT ? "this key is for servers"
                                                 : "this key is for clients");
        }
    }
    if (s->set[KEY_STARTTLS].value) {
        (void)wrong_value(p, s, KEY_STARTTLS, "not supported yet");
    }
    if (s->set[KEY_ADOPT].value) {
        (void)wrong_value(p, s, KEY_ADOPT, "not supported yet");
    }
}

static int rule_build(struct policy *p, const struct section *s, bool with_keys)
{
    struct policy_rule *r = &p->rules[p->nrules++];
    struct error outer = p->error;

    /* Mistakes of this rule are counted by themselves: a broken one gets no configuration. */
    error_clear(&p->error);
    r->section = s;
    r->policy = p;
    r->pub = (struct rule){ .app = s->app, .label = s->label, .file = s->file, .line = s->line };
    r->pub.role = (enum tls_role)one_of(p, s, KEY_ROLE, roles, TLS_CLIENT);
    if (!s->set[KEY_ROLE].value || !s->set[KEY_MATCH].value) {
        (void)problem(p, ERR_PARSE, s->file, s->line, "[rule %s %s] has no '%s'", s->app, s->label,
                      s->set[KEY_ROLE].value ? "match" : "role");
    } else {
        (void)patterns(p, r);
    }
    r->pub.action = (enum rule_action)one_of(p, s, KEY_ACTION, actions, RULE_REFUSE);
    if (!s->set[KEY_ACTION].value) {
        r->pub.action = RULE_TLS;
    }
    misplaced(p, s, r->pub.role);
    r->pub.to_port = (in_port_t)port(p, s);
    r->pub.name = s->set[KEY_NAME].value;
    r->pub.sni = s->set[KEY_SNI].value;
    r->pub.alpn = s->set[KEY_ALPN].value ? s->set[KEY_ALPN].value : "";
    r->pub.lenient_eof = one_of(p, s, KEY_EOF, eofs, false);
    r->pub.handshake_timeout_ms = duration(p, s, KEY_TIMEOUT);
    r->pub.linger_ms = duration(p, s, KEY_LINGER);
    r->pub.plaintext = (enum plaintext)one_of(p, s, KEY_PLAINTEXT, plaintexts, PLAINTEXT_REFUSE);
    r->pub.app_tls = (enum app_tls)one_of(p, s, KEY_APP_TLS, app_tlses, APP_TLS_BYPASS);
    r->pub.mode = (enum rule_mode)one_of(p, s, KEY_MODE, modes, MODE_INLINE);
    r->pub.handoff = (enum handoff)one_of(p, s, KEY_HANDOFF, handoffs, HANDOFF_NONE);
    (void)one_of(p, s, KEY_INHERIT, inherits, 0);
    r->once = !one_of(p, s, KEY_RELOAD, reloads, 1);
    if (p->error.code == 0 && r->pub.action == RULE_TLS) {
        int rc = rule_config(p, r, with_keys);

        (void)rc; /* its sentence is in p->error */
    }
    if (outer.code != 0) {
        p->error = outer;
    }
    return p->error.code;
}

int policy_build(struct policy *p, bool with_keys)
{
    size_t n = 0;

    for (const struct section *s = p->sections; s; s = s->next) {
        n += s->kind == SECTION_RULE && s->selected;
    }
    p->rules = mem_zalloc((n ? n : 1) * sizeof *p->rules);
    if (!p->rules) {
        return FAIL(&p->error, ERR_MEM, "out of memory");
    }
    for (const struct section *s = p->sections; s; s = s->next) {
        if (s->kind == SECTION_RULE && s->selected) {
            (void)rule_build(p, s, with_keys);
            p->log = p->log ? p->log : setting_of(p, s, KEY_LOG, NULL);
        }
    }
    return p->error.code;
}
