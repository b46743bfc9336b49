/* SPDX-License-Identifier: ISC */
/* Sections -> rules: the value of every key is checked here, whether a connection will ever need it
 * or not. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "preload/rules_parts.h"
#include "base/mem.h"

#define PARK_AFTER_MS 60000

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
        return wrong_value(&p->ini, rule, KEY_TO_PORT, "it is a port, 1 to 65535");
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
            return wrong_value(&p->ini, s, KEY_MATCH, "'local' is for servers");
        }
        at += 5;
    }
    r->patterns = mem_zalloc(PATTERNS_MAX * sizeof *r->patterns);
    if (!r->patterns) {
        return FAIL(&p->ini.error, ERR_MEM, "out of memory");
    }
    for (;;) {
        size_t n;

        at += strspn(at, " \t");
        n = strcspn(at, " \t");
        if (n == 0) {
            return r->npatterns ? 0 : wrong_value(&p->ini, s, KEY_MATCH, "there is no pattern");
        }
        if (r->npatterns == PATTERNS_MAX) {
            return wrong_value(&p->ini, s, KEY_MATCH, "too many patterns in one rule");
        }
        if (pattern_parse(&r->patterns[r->npatterns], at, n, &err) < 0) {
            return wrong_value(&p->ini, s, KEY_MATCH, err.text);
        }
        if (r->pub.role == TLS_SERVER && r->patterns[r->npatterns].kind == MATCH_NAME) {
            r->npatterns++;
            return wrong_value(&p->ini, s, KEY_MATCH,
                               "a server is matched by its local address or *");
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
static const struct word_value modes[] = { { "inline", MODE_INLINE, false },
                                           { "relay", MODE_RELAY, false },
                                           { "supervise", 0, true },
                                           { NULL, 0, false } };
static const struct word_value handoffs[] = { { "none", HANDOFF_NONE, false },
                                              { "ktls", 0, true },
                                              { "relay", HANDOFF_RELAY, false },
                                              { "ktls,relay", 0, true },
                                              { NULL, 0, false } };
static const struct word_value adopts[] = { { "stdio", ADOPT_STDIO, false },
                                            { "listen-fds", ADOPT_LISTEN_FDS, false },
                                            { "any", ADOPT_ANY, false },
                                            { NULL, 0, false } };
static const struct word_value inherits[] = { { "listed", 0, false }, { NULL, 0, false } };

static const struct word_value talks[] = {
    { "smtp", STARTTLS_SMTP, false },   { "lmtp", STARTTLS_LMTP, false },
    { "imap", STARTTLS_IMAP, false },   { "pop3", STARTTLS_POP3, false },
    { "nntp", STARTTLS_NNTP, false },   { "ftp-control", STARTTLS_FTP, false },
    { "sieve", STARTTLS_SIEVE, false }, { "irc", STARTTLS_IRC, false },
    { "xmpp", STARTTLS_XMPP, false },   { "ldap", STARTTLS_LDAP, false },
    { "pgsql", STARTTLS_PGSQL, false }, { NULL, 0, false }
};

static void starttls(struct policy *p, struct policy_rule *r)
{
    const struct section *s = r->section;

    r->pub.starttls = (enum starttls)one_of(&p->ini, s, KEY_STARTTLS, talks, STARTTLS_NONE);
    if (r->pub.starttls == STARTTLS_NONE) {
        return;
    }
    if (r->pub.role == TLS_SERVER && !starttls_serves(r->pub.starttls)) {
        (void)wrong_value(&p->ini, s, KEY_STARTTLS,
                          "for servers it is one of smtp, imap, pop3, nntp, pgsql");
    }
    /* Who says nothing but TLS in his first bytes has not asked for TLS by a command, and the other
     * way round: the two cannot be told apart by the first byte. */
    if (r->pub.plaintext != PLAINTEXT_REFUSE || r->pub.app_tls == APP_TLS_BYPASS) {
        (void)wrong_value(&p->ini, s, KEY_STARTTLS,
                          r->pub.role == TLS_SERVER ? "it does not go with 'plaintext'"
                                                    : "it does not go with 'app-tls = bypass'");
    }
}

static int park_after(struct ini *ini, const struct section *s)
{
    const struct section *home;
    const char *v = setting_of(ini, s, KEY_PARK_AFTER, &home);

    if (!v) {
        return PARK_AFTER_MS;
    }
    return strcmp(v, "never") == 0 ? 0 : duration_of(ini, s, KEY_PARK_AFTER);
}

static int rule_build(struct policy *p, const struct section *s, bool with_keys)
{
    struct policy_rule *r = &p->rules[p->nrules++];
    struct ini *ini = &p->ini;
    struct error outer = ini->error;

    /* Mistakes of this rule are counted by themselves: a broken one gets no configuration. */
    error_clear(&ini->error);
    r->section = s;
    r->policy = p;
    r->pub = (struct rule){ .app = s->app, .label = s->label, .file = s->file, .line = s->line };
    r->pub.role = (enum tls_role)one_of(ini, s, KEY_ROLE, roles, TLS_CLIENT);
    if (!s->set[KEY_ROLE].value || !s->set[KEY_MATCH].value) {
        (void)problem(ini, ERR_PARSE, s->file, s->line, "[rule %s %s] has no '%s'", s->app,
                      s->label, s->set[KEY_ROLE].value ? "match" : "role");
    } else {
        (void)patterns(p, r);
    }
    r->pub.action = (enum rule_action)one_of(ini, s, KEY_ACTION, actions, RULE_REFUSE);
    if (!s->set[KEY_ACTION].value) {
        r->pub.action = RULE_TLS;
    }
    r->pub.to_port = (in_port_t)port(p, s);
    r->pub.linger_ms = duration_of(ini, s, KEY_LINGER);
    r->pub.park_after_ms = park_after(ini, s);
    r->pub.plaintext = (enum plaintext)one_of(ini, s, KEY_PLAINTEXT, plaintexts, PLAINTEXT_REFUSE);
    r->pub.app_tls = (enum app_tls)one_of(ini, s, KEY_APP_TLS, app_tlses, APP_TLS_REFUSE);
    starttls(p, r);
    r->pub.adopt = (enum adopt)one_of(ini, s, KEY_ADOPT, adopts, ADOPT_NONE);
    r->pub.mode = (enum rule_mode)one_of(ini, s, KEY_MODE, modes, MODE_INLINE);
    if (r->pub.mode == MODE_RELAY && r->pub.app_tls == APP_TLS_BYPASS) {
        /* A relay does not know whether the program waits or is about to speak. */
        (void)wrong_value(ini, s, KEY_APP_TLS, "it does not go with 'mode = relay'");
    }
    r->pub.handoff = (enum handoff)one_of(ini, s, KEY_HANDOFF, handoffs, HANDOFF_RELAY);
    (void)one_of(ini, s, KEY_INHERIT, inherits, 0);
    if (ini->error.code == 0) {
        int rc = rule_config(p, r, with_keys);

        (void)rc; /* its sentence is in the error */
    }
    if (outer.code != 0) {
        ini->error = outer;
    }
    return ini->error.code;
}

int policy_build(struct policy *p, bool with_keys)
{
    size_t n = 0;

    for (const struct section *s = p->ini.sections; s; s = s->next) {
        n += s->kind == SECTION_RULE && s->selected;
    }
    p->rules = mem_zalloc((n ? n : 1) * sizeof *p->rules);
    if (!p->rules) {
        return FAIL(&p->ini.error, ERR_MEM, "out of memory");
    }
    for (const struct section *s = p->ini.sections; s; s = s->next) {
        if (s->kind == SECTION_RULE && s->selected) {
            (void)rule_build(p, s, with_keys);
            p->log = p->log ? p->log : setting_of(&p->ini, s, KEY_LOG, NULL);
        }
    }
    return p->ini.error.code;
}
