/* SPDX-License-Identifier: ISC */
/* sleeve explain: asks the policy about one connection and says why it answers as it does. */
#include <arpa/inet.h>
#include <getopt.h>
#include <netdb.h>
#include <stdlib.h>

#include "preload/launcher/launcher.h"

#define USAGE "sleeve explain [-c FILE | DIR] [-r RULE]... [-a APP] [-s] HOST:PORT"

static int help(void)
{
    puts("usage: " USAGE "\n\n"
         "Which rule decides about a connection to HOST:PORT, and why. Reads no key and connects\n"
         "to nothing; a HOST that is a name is looked up for the rules that match by address.\n\n"
         "  -a, --app APP      the program: the name in [app NAME], or a path (default: all)\n"
         "  -s, --server       a connection accepted on the local address HOST:PORT instead\n"
         "  -c, --config PATH  the configuration, as for `sleeve run`\n"
         "  -r, --rule RULE    a one-liner, as for `sleeve run`\n\n"
         "Exit: 0 a rule decides; 1 none does, or the configuration is broken.");
    return EXIT_FINE;
}

struct question {
    const char *app; /* NULL: all */
    enum tls_role role;
    char host[POLICY_HOST_MAX], port[8];
    const char *names[1];
    size_t nnames;
    struct endpoint to[16];
    size_t nto;
};

/* The addresses of the host. A name without any is still asked about, by name. */
static int look_up(struct question *q)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST };
    struct addrinfo *list = NULL;
    bool any = strcmp(q->host, "*") == 0;
    int rc;

    if (any && q->role == TLS_SERVER) {
        (void)strcpy(q->host, "0.0.0.0");
    }
    rc = getaddrinfo(q->host, q->port, &hints, &list);
    if (rc != 0 && q->role == TLS_SERVER) {
        return say(EXIT_BAD, "explain", "%s is not a local address", q->host);
    }
    if (rc != 0) {
        q->names[q->nnames++] = q->host;
        hints.ai_flags = AI_NUMERICSERV;
        rc = getaddrinfo(q->host, q->port, &hints, &list);
    }
    for (struct addrinfo *a = rc == 0 ? list : NULL; a && q->nto < 16; a = a->ai_next) {
        q->nto += endpoint_of(&q->to[q->nto], a->ai_addr, a->ai_addrlen);
    }
    if (rc == 0) {
        freeaddrinfo(list);
    } else {
        printf("%s cannot be looked up: rules that match by address do not see it\n", q->host);
        q->to[q->nto++] = (struct endpoint){ .port = (uint16_t)atoi(q->port) };
    }
    return 0;
}

static void address(const struct endpoint *e, char text[static INET6_ADDRSTRLEN])
{
    struct in6_addr a;

    memcpy(&a, e->addr, sizeof a);
    (void)inet_ntop(IN6_IS_ADDR_V4MAPPED(&a) ? AF_INET : AF_INET6,
                    e->addr + (IN6_IS_ADDR_V4MAPPED(&a) ? 12 : 0), text, INET6_ADDRSTRLEN);
}

/* Would it match with the port left out? Tells a port that is wrong from a host that is. */
static bool host_alone(const struct policy_rule *r, const struct question *q,
                       const struct endpoint *e)
{
    for (size_t k = 0; k < r->npatterns; k++) {
        struct pattern m = r->patterns[k];

        m.nports = 0;
        if (pattern_hits(&m, e, q->nnames ? q->names[0] : NULL)) {
            return true;
        }
    }
    return false;
}

static void reason(const struct policy_rule *r, const struct question *q, const struct endpoint *e,
                   bool hit)
{
    const char *base = r->pub.file ? strrchr(r->pub.file, '/') : NULL;
    const char *name = NULL;

    printf("  %s %s ", r->pub.app, r->pub.label);
    if (r->pub.file) {
        printf("(%s:%d), ", base ? base + 1 : r->pub.file, r->pub.line);
    }
    printf("match = %s: ", r->pub.match);
    if (hit) {
        (void)rule_hits(r, e, q->names, q->nnames, &name);
        put_tinted(stdout, TINT_GOOD, "yes");
        printf(", by %s\n", name ? "the name that was looked up" : "the address");
    } else {
        put_tinted(stdout, TINT_DIM, "no");
        printf(", %s\n", host_alone(r, q, e) ? "another port" : "another host");
    }
}

static void verdict(const struct policy *p, const struct policy_rule *r, const struct question *q,
                    const char *to)
{
    if (r->pub.action == RULE_BYPASS) {
        puts("  => left as it is (bypass)");
    } else if (r->pub.action == RULE_REFUSE) {
        puts("  => refused: the program gets EACCES");
    } else if (r->pub.role == TLS_SERVER) {
        puts("  => TLS, as server");
    } else {
        const char *v = setting_of(&p->ini, r->section, KEY_OF(SSL_OPT_VERIFY), NULL);

        printf("  => TLS, name %s, verify %s",
               r->pub.name ? r->pub.name
               : q->nnames ? q->names[0]
                           : to,
               v ? v : "full");
        if (r->pub.to_port) {
            printf(", to port %u", r->pub.to_port);
        }
        putchar('\n');
    }
}

/* One endpoint against the rules in order; app NULL: those of the program that was asked for. */
static bool explain_one(const struct policy *p, const struct question *q, const struct endpoint *e,
                        const char *app)
{
    char to[INET6_ADDRSTRLEN];

    address(e, to);
    printf("%s, %s %s port %u:\n", app ? app : q->app, q->role == TLS_CLIENT ? "to" : "on",
           memcmp(e->addr, (uint8_t[16]){ 0 }, 16) == 0 ? q->host : to, e->port);
    for (size_t i = 0; i < p->nrules; i++) {
        const struct policy_rule *r = &p->rules[i];
        bool hit;

        if (r->pub.role != q->role ||
            (app && strcmp(r->pub.app, app) != 0 && strcmp(r->pub.app, "*") != 0)) {
            continue;
        }
        hit = rule_hits(r, e, q->names, q->nnames, NULL);
        reason(r, q, e, hit);
        if (hit) {
            verdict(p, r, q, to);
            return true;
        }
    }
    puts("  => no rule: left as it is, without TLS");
    return false;
}

/* Is rule i the first of its app and role? "*" stands under every app, and by itself when it is
 * alone. */
static bool opens_app(const struct policy *p, enum tls_role role, size_t i)
{
    bool star = strcmp(p->rules[i].pub.app, "*") == 0;

    for (size_t k = 0; k < p->nrules; k++) {
        bool same = strcmp(p->rules[k].pub.app, p->rules[i].pub.app) == 0;

        if (p->rules[k].pub.role == role && ((same && k < i) || (star && !same))) {
            return false;
        }
    }
    return true;
}

static int explain_all(const struct policy *p, const struct question *q)
{
    bool decided = true, any = q->app != NULL;

    for (size_t k = 0; k < q->nto; k++) {
        if (q->app) {
            decided = explain_one(p, q, &q->to[k], NULL) && decided;
        }
        for (size_t i = 0; i < p->nrules && !q->app; i++) {
            if (p->rules[i].pub.role == q->role && opens_app(p, q->role, i)) {
                any = true;
                decided = explain_one(p, q, &q->to[k], p->rules[i].pub.app) && decided;
            }
        }
    }
    if (!any) {
        printf("no rule for a %s\n", q->role == TLS_CLIENT ? "client" : "server");
    }
    return q->nto && any && decided ? EXIT_FINE : EXIT_BAD;
}

/* APP as the name of a section, else as the name or path of a program. */
static size_t select_app(struct policy *p, const char *app)
{
    char *real = app && strchr(app, '/') ? realpath(app, NULL) : NULL;
    struct program prog = { .exe = real, .execfn = app };
    size_t n = policy_select(p, app ? &prog : NULL);

    for (struct section *s = p->ini.sections; app && s; s = s->next) {
        if (s->kind == SECTION_RULE && !s->selected && strcmp(s->app, app) == 0) {
            s->selected = true;
            n++;
        }
    }
    free(real);
    return n;
}

static int explain(struct question *q, const struct sources *src)
{
    struct policy *p = policy_new();
    int rc;

    if (!p) {
        return say(EXIT_BAD, "explain", "out of memory");
    }
    rc = policy_read(p, src->rules, src->path);
    if (rc == 0 && select_app(p, q->app) == 0) {
        policy_free(p);
        return say(EXIT_BAD, "explain", "no rule names '%s': it is not touched",
                   q->app ? q->app : "anything");
    }
    rc = rc == 0 ? policy_build(p, false) : rc;
    if (rc < 0) {
        (void)say(EXIT_BAD, "explain", "%s", p->ini.error.text);
        policy_free(p);
        return EXIT_BAD;
    }
    rc = look_up(q);
    rc = rc ? rc : explain_all(p, q);
    policy_free(p);
    return rc;
}

int cmd_explain(int argc, char **argv)
{
    static const struct option options[] = {
        { "app", required_argument, NULL, 'a' },    { "server", no_argument, NULL, 's' },
        { "config", required_argument, NULL, 'c' }, { "rule", required_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 }
    };
    struct question q = { .role = TLS_CLIENT };
    struct sources src;
    const char *config = NULL;
    char *rules = NULL;
    int o, rc;

    opterr = 0;
    while ((o = getopt_long(argc, argv, ":a:sc:r:h", options, NULL)) != -1) {
        if (o == 'a') {
            q.app = optarg;
        } else if (o == 's') {
            q.role = TLS_SERVER;
        } else if (o == 'c') {
            config = optarg;
        } else if (o == 'h') {
            return help();
        } else if (o != 'r') {
            return say_usage(USAGE, "explain", o == ':' ? "%s needs a value" : "unknown option %s",
                             argv[optind - 1]);
        } else if (!rule_option(&rules, optarg)) {
            return say(EXIT_BAD, "explain", "out of memory");
        }
    }
    if (argc - optind != 1 || !split_host_port(argv[optind], q.host, q.port)) {
        return say_usage(USAGE, "explain",
                         argc - optind == 1 ? "'%s' is not HOST:PORT" : "there is no HOST:PORT",
                         argv[optind] ? argv[optind] : "");
    }
    sources_find(&src);
    src.path = config ? config : src.path;
    src.rules = rules ? rules : src.rules;
    if (!src.path && !src.rules) {
        return say(EXIT_BAD, "explain", "there is no configuration");
    }
    rc = explain(&q, &src);
    free(rules);
    return rc;
}
