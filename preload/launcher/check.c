/* SPDX-License-Identifier: ISC */
/* sleeve check: everything that can be wrong with a configuration, said at once, and its rules as a
 * table. */
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "preload/launcher/launcher.h"

#define USAGE     "sleeve check [-r RULE]... [FILE | DIR]"
#define SOON_DAYS 30
#define DAY       86400

static int help(void)
{
    puts("usage: " USAGE "\n\n"
         "Reads a configuration as `sleeve run` would: syntax, files, keys that belong to their\n"
         "certificates, dates (a warning from 30 days before the end on). Then lists the rules.\n"
         "Without FILE: SLEEVE_CONFIG, ~/.config/sleeve/sleeve.conf, /etc/sleeve/sleeve.conf.\n\n"
         "  -r, --rule RULE  a one-liner, as for `sleeve run`\n\n"
         "Exit: 0 in order (warnings too); 1 not.");
    return EXIT_FINE;
}

struct report {
    char **said; /* a bad [defaults] is found again by each rule: say it once */
    size_t nsaid, errors, warnings;
};

static void report_line(enum tint t, const char *word, const char *sentence)
{
    put_tinted(stdout, t, word);
    printf(": %s\n", sentence);
}

static void on_problem(void *ctx, const char *sentence)
{
    struct report *r = ctx;
    char **said;

    for (size_t i = 0; i < r->nsaid; i++) {
        if (strcmp(r->said[i], sentence) == 0) {
            return;
        }
    }
    said = realloc(r->said, (r->nsaid + 1) * sizeof *said);
    if (said) {
        r->said = said;
        r->said[r->nsaid] = strdup(sentence);
        r->nsaid += r->said[r->nsaid] != NULL;
    }
    r->errors++;
    report_line(TINT_BAD, "error", sentence);
}

__attribute__((format(printf, 4, 5))) static void remark(struct report *r, bool error,
                                                         const struct rule *rule, const char *fmt,
                                                         ...)
{
    char text[256], where[128], whole[400];
    const char *base = rule->file ? strrchr(rule->file, '/') : NULL;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (rule->file) {
        (void)snprintf(where, sizeof where, "%.100s:%d", base ? base + 1 : rule->file, rule->line);
    } else {
        (void)snprintf(where, sizeof where, "rule %d", rule->line);
    }
    (void)snprintf(whole, sizeof whole, "%s: %s", where, text);
    r->errors += error;
    r->warnings += !error;
    report_line(error ? TINT_BAD : TINT_WARN, error ? "error" : "warning", whole);
}

/* ---- dates ---- */

static void check_dates(struct report *r, const struct rule *rule, const char *path,
                        const struct cert *c, int64_t *until)
{
    int64_t now = (int64_t)time(NULL);
    char date[32], name[128];

    cert_name_text(c->subject, name, sizeof name);
    if (c->not_before > now) {
        remark(r, true, rule, "%s (%s) is not valid before %s", path, name,
               date_text(c->not_before, date));
    } else if (c->not_after < now) {
        remark(r, true, rule, "%s (%s) expired on %s", path, name, date_text(c->not_after, date));
    } else if (c->not_after - now < SOON_DAYS * DAY) {
        remark(r, false, rule, "%s (%s) expires in %d days, on %s", path, name,
               (int)((c->not_after - now) / DAY), date_text(c->not_after, date));
    }
    if (*until == 0 || c->not_after < *until) {
        *until = c->not_after;
    }
}

/* Every certificate of a PEM file. What cannot be read has been complained about already. */
static void check_file(struct report *r, const struct rule *rule, const char *path, int64_t *until)
{
    struct buf text = { 0 }, der = { 0 };
    struct error err = { 0 };
    char label[64];
    size_t pos = 0;
    struct stat st;
    struct cert c;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && file_read(path, &text, &err) == 0) {
        while (pem_next(buf_span(&text), &pos, label, &der) == 1) {
            if (strcmp(label, "CERTIFICATE") == 0 && cert_parse(&c, buf_span(&der), &err) == 0) {
                check_dates(r, rule, path, &c, until);
            }
            buf_free(&der);
        }
    }
    buf_free(&der);
    buf_free(&text);
}

static void check_key_mode(struct report *r, const struct rule *rule, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && st.st_mode & (S_IRWXG | S_IRWXO)) {
        remark(r, false, rule, "%s holds a key and is open to others (mode %03o): chmod 600 it",
               path, (unsigned)(st.st_mode & 0777));
    }
}

static void check_own(struct report *r, struct policy *p, const struct policy_rule *pr,
                      int64_t *until)
{
    for (size_t i = 0; i <= pr->section->nmore; i++) {
        const char *cert = own_written(pr->section, i, OWN_CERT)->value;
        const char *key = own_written(pr->section, i, OWN_KEY)->value;

        key = key ? key : cert;
        if (cert && (cert = path_of(&p->ini, pr->section, cert)) != NULL) {
            check_file(r, &pr->pub, cert, until);
        }
        if (key && (key = path_of(&p->ini, pr->section, key)) != NULL) {
            check_key_mode(r, &pr->pub, key);
        }
    }
}

static void check_files(struct report *r, struct policy *p, const struct policy_rule *pr,
                        int64_t *until)
{
    static const enum key anchors[] = { KEY_OF(SSL_OPT_CA_FILE), KEY_CLIENT_CA };
    const struct section *home;
    int64_t ignored = 0;

    check_own(r, p, pr, until);
    for (size_t i = 0; i < sizeof anchors / sizeof *anchors; i++) {
        const char *v = setting_of(&p->ini, pr->section, anchors[i], &home);

        if (v && strcmp(v, "system") != 0 && (v = path_of(&p->ini, home, v)) != NULL) {
            check_file(r, &pr->pub, v, &ignored);
        }
    }
    if (pr->pub.unverified) {
        remark(r, false, &pr->pub,
               "verify = none: anyone in between can read and change this traffic");
    }
    if (pr->pub.keylog) {
        remark(r, false, &pr->pub, "keylog: who reads %s reads this traffic", pr->pub.keylog);
    }
}

/* ---- the table ---- */

static const char *how(const struct policy *p, const struct policy_rule *r, char text[static 80])
{
    static const char *const actions[] = { "tls", "bypass", "refuse" };
    const char *v = setting_of(&p->ini, r->section, KEY_OF(SSL_OPT_VERIFY), NULL);
    const char *auth = r->section->set[KEY_OF(SSL_OPT_CLIENT_AUTH)].value;
    const char *ca = r->section->set[KEY_CLIENT_CA].value;

    if (r->pub.action != RULE_TLS) {
        return actions[r->pub.action];
    }
    if (r->pub.role == TLS_CLIENT) {
        (void)snprintf(text, 80, "tls, verify %.10s%s", v ? v : "full",
                       v && strlen(v) > 10 ? "..." : "");
    } else {
        (void)snprintf(text, 80, "tls, client certificate %s",
                       auth ? auth
                       : ca ? "require"
                            : "none");
    }
    return text;
}

/* What a running program looks at. */
static void print_files(const struct policy *p)
{
    for (size_t i = 0; i < p->nrules; i++) {
        const struct policy_rule *r = &p->rules[i];
        const char *path;

        for (size_t k = 0; (path = policy_file(&r->pub, k)) != NULL; k++) {
            tint(stdout, TINT_DIM);
            printf("%s %s: read again when it changes: %s\n", r->pub.app, r->pub.label, path);
            tint(stdout, TINT_PLAIN);
        }
    }
}

static void print_table(struct policy *p, const int64_t *until)
{
    char date[32], text[80];
    int wide[3] = { 3, 4, 5 };

    for (size_t i = 0; i < p->nrules; i++) {
        const struct rule *r = &p->rules[i].pub;
        const char *cells[3] = { r->app, r->label, r->match ? r->match : "?" };

        for (size_t k = 0; k < 3; k++) {
            int n = (int)strlen(cells[k]);

            wide[k] = n > wide[k] && n <= 40 ? n : wide[k];
        }
    }
    tint(stdout, TINT_DIM);
    printf("%-*s  %-*s  %-6s  %-*s  %s\n", wide[0], "APP", wide[1], "RULE", "ROLE", wide[2],
           "MATCH", "WHAT");
    tint(stdout, TINT_PLAIN);
    for (size_t i = 0; i < p->nrules; i++) {
        const struct policy_rule *r = &p->rules[i];

        printf("%-*s  %-*s  %-6s  %-*s  %s", wide[0], r->pub.app, wide[1], r->pub.label,
               r->pub.role == TLS_CLIENT ? "client" : "server", wide[2],
               r->pub.match ? r->pub.match : "?", how(p, r, text));
        if (r->pub.to_port) {
            printf(", to port %u", r->pub.to_port);
        }
        if (until[i]) {
            printf(", own certificate until %.10s", date_text(until[i], date));
        }
        putchar('\n');
    }
    print_files(p);
}

/* ---- */

static int check(const char *rules, const char *path)
{
    struct report r = { 0 };
    struct policy *p = policy_new();
    int64_t *until = NULL;
    bool fine;

    if (!p) {
        return say(EXIT_BAD, "check", "out of memory");
    }
    p->ini.on_problem = on_problem;
    p->ini.problem_ctx = &r;
    fine = policy_read(p, rules, path) == 0;
    policy_select(p, NULL);
    fine = policy_build(p, true) == 0 && fine;
    fine = ini_check_configs(&p->ini) == 0 && fine;
    until = calloc(p->nrules + 1, sizeof *until);
    for (size_t i = 0; until && i < p->nrules; i++) {
        check_files(&r, p, &p->rules[i], &until[i]);
    }
    if (!fine && r.errors == 0) {
        on_problem(&r, p->ini.error.text); /* of the kind that stands in no line */
    }
    if (r.nsaid || r.warnings) {
        putchar('\n');
    }
    if (until && p->nrules) {
        print_table(p, until);
        putchar('\n');
    }
    printf("%s: %zu rule%s, %zu error%s, %zu warning%s: ", path ? path : "rules", p->nrules,
           p->nrules == 1 ? "" : "s", r.errors, r.errors == 1 ? "" : "s", r.warnings,
           r.warnings == 1 ? "" : "s");
    put_tinted(stdout, r.errors ? TINT_BAD : TINT_GOOD,
               r.errors ? "it will not be used\n" : "in order\n");
    for (size_t i = 0; i < r.nsaid; i++) {
        free(r.said[i]);
    }
    free(r.said);
    free(until);
    policy_free(p);
    return r.errors ? EXIT_BAD : EXIT_FINE;
}

int cmd_check(int argc, char **argv)
{
    static const struct option options[] = { { "rule", required_argument, NULL, 'r' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    struct sources src;
    char *rules = NULL;
    int o, rc;

    opterr = 0;
    while ((o = getopt_long(argc, argv, ":r:h", options, NULL)) != -1) {
        if (o == 'h') {
            return help();
        }
        if (o != 'r') {
            return say_usage(USAGE, "check", o == ':' ? "%s needs a value" : "unknown option %s",
                             argv[optind - 1]);
        }
        if (!rule_option(&rules, optarg)) {
            return say(EXIT_BAD, "check", "out of memory");
        }
    }
    if (argc - optind > 1) {
        return say_usage(USAGE, "check", "one configuration at a time");
    }
    sources_find(&src);
    if (optind < argc) {
        src.path = argv[optind];
    } else if (rules) {
        src.path = NULL;
    }
    src.rules = rules ? rules : optind < argc ? NULL : src.rules;
    if (!src.path && !src.rules) {
        return say(EXIT_BAD, "check",
                   "there is no configuration: name one, or write ~/.config/sleeve/sleeve.conf");
    }
    rc = check(src.rules, src.path);
    free(rules);
    return rc;
}
