/* SPDX-License-Identifier: ISC */
/* The policy as the library and the launcher use it: load once, then ask. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "preload/rules_parts.h"
#include "base/mem.h"

/* What a broken policy answers, and the one that is left when there is no memory for another. */
static const struct rule refuse_client = {
    .app = "",
    .label = "broken configuration",
    .match = "*:*",
    .action = RULE_REFUSE,
    .role = TLS_CLIENT,
    .alpn = "",
};
static const struct rule refuse_server = {
    .app = "",
    .label = "broken configuration",
    .match = "*:*",
    .action = RULE_REFUSE,
    .role = TLS_SERVER,
    .alpn = "",
};
static struct policy no_memory = { .ini.error = { .code = ERR_MEM, .text = "out of memory" } };

struct policy *policy_new(void)
{
    struct policy *p = mem_zalloc(sizeof *p);

    if (p) {
        ini_init(&p->ini);
    }
    return p;
}

void policy_free(struct policy *p)
{
    if (!p || p == &no_memory) {
        return;
    }
    for (size_t i = 0; i < p->nrules; i++) {
        reload_free(&p->rules[i].reload);
        ssl_settings_put(p->rules[i].options.set);
        for (size_t k = 0; k < p->rules[i].npatterns; k++) {
            pattern_free(&p->rules[i].patterns[k]);
        }
        mem_free(p->rules[i].patterns);
    }
    mem_free(p->rules);
    ini_free(&p->ini);
    mem_free(p);
}

/* ---- loading ---- */

static int read_file(void *ctx, const char *path, const char *text)
{
    return ini_read(ctx, path, text);
}

int policy_read(struct policy *p, const char *oneliners, const char *path)
{
    struct error err = { 0 };
    int rc;

    if (oneliners) {
        TRY(oneliners_read(&p->ini, oneliners));
    }
    rc = path ? ini_files(path, read_file, &p->ini, &err) : 0;
    if (rc < 0) { /* what is wrong inside a file is in p->ini.error already */
        return err.code ? problem(&p->ini, rc, path, 0, "%s", err.text) : rc;
    }
    return sections_check(&p->ini);
}

static struct policy *broken(struct policy *p, const struct error *why)
{
    if (!p) {
        p = policy_new();
    }
    if (!p) {
        return &no_memory;
    }
    if (p->ini.error.code == 0) {
        p->ini.error = *why;
    }
    return p;
}

static int load(struct policy **out, const struct sources *src, const struct program *prog,
                struct self *self, struct error *err)
{
    struct policy *p = policy_new();
    int rc = p ? policy_read(p, src->rules, src->path) : FAIL(err, ERR_MEM, "out of memory");

    if (rc == 0) {
        if (self && policy_asks_arguments(p)) {
            self_arguments(self);
        }
        rc = policy_select(p, prog) > 0;
    }
    if (rc > 0) {
        int built = policy_build(p, true);

        rc = built < 0 ? built : rc;
    }
    if (p && p->ini.error.code) {
        *err = p->ini.error;
    }
    if (rc < 0) {
        (void)FAIL(err, rc, "%s", error_name(rc)); /* unless there is a better sentence */
    }
    if (rc == 0) {
        policy_free(p);
        p = NULL;
    }
    *out = rc < 0 ? broken(p, err) : p;
    return rc;
}

int policy_load(struct policy **out, const struct program *prog, struct error *err)
{
    struct error mine = { 0 };
    struct sources src;
    struct self self;
    int saved = errno, rc = 0;

    *out = NULL;
    sources_find(&src);
    if (!prog) {
        prog = self_find(&self);
    }
    if (sources_may_list(&src, prog)) {
        rc = load(out, &src, prog, prog == &self.prog ? &self : NULL, &mine);
    }
    if (rc < 0 && err) {
        *err = mine;
    }
    errno = saved;
    return rc;
}

const char *policy_broken(const struct policy *p)
{
    return p && p->ini.error.code ? p->ini.error.text : NULL;
}

const char *policy_log(const struct policy *p)
{
    return p ? p->log : NULL;
}

/* ---- asking ---- */

bool rule_hits(const struct policy_rule *r, const struct endpoint *e, const char *const *names,
               size_t nnames, const char **name)
{
    static const char *const nobody[] = { NULL };

    if (nnames == 0) {
        names = nobody;
        nnames = 1;
    }
    /* The newest name decides, whatever the order of the patterns. */
    for (size_t i = 0; i < nnames; i++) {
        for (size_t k = 0; k < r->npatterns; k++) {
            const struct pattern *m = &r->patterns[k];

            if (pattern_hits(m, e, names[i])) {
                if (name) {
                    *name = m->kind == MATCH_NAME ? names[i] : NULL;
                }
                return true;
            }
        }
    }
    if (name) {
        *name = NULL;
    }
    return false;
}

static void address_text(const struct endpoint *e, char host[static POLICY_HOST_MAX])
{
    struct in6_addr a;

    memcpy(&a, e->addr, sizeof a);
    if (IN6_IS_ADDR_V4MAPPED(&a)) {
        (void)inet_ntop(AF_INET, e->addr + 12, host, POLICY_HOST_MAX);
    } else {
        (void)inet_ntop(AF_INET6, &a, host, POLICY_HOST_MAX);
    }
}

static void host_text(const char *name, const struct endpoint *e, char host[static POLICY_HOST_MAX])
{
    size_t n = name ? strlen(name) : 0;

    if (n > 1 && name[n - 1] == '.') {
        n--; /* certificates do not write the root's dot */
    }
    if (n == 0 || n >= POLICY_HOST_MAX) {
        address_text(e, host);
        return;
    }
    memcpy(host, name, n);
    host[n] = '\0';
}

/* Programs like curl know "localhost" without a look-up (RFC 6761 section 6.3): a rule for that
 * name must not be missed, the connection would be plaintext. */
static bool rule_hits_localhost(const struct policy_rule *r, const struct endpoint *e,
                                const char **name)
{
    static const char *const localhost[] = { "localhost" };

    return endpoint_is_loopback(e) && rule_hits(r, e, localhost, 1, name);
}

const struct rule *policy_client(const struct policy *p, const struct sockaddr *dst, socklen_t len,
                                 const char *const *names, size_t nnames,
                                 char host[static POLICY_HOST_MAX])
{
    struct endpoint e;
    const char *name;

    host[0] = '\0';
    if (!p || !endpoint_of(&e, dst, len)) {
        return NULL;
    }
    if (p->ini.error.code) {
        address_text(&e, host);
        return &refuse_client;
    }
    for (size_t i = 0; i < p->nrules; i++) {
        const struct policy_rule *r = &p->rules[i];

        if (r->pub.role != TLS_CLIENT || (!rule_hits(r, &e, names, nnames, &name) &&
                                          (nnames || !rule_hits_localhost(r, &e, &name)))) {
            continue;
        }
        name = r->pub.name ? r->pub.name : name ? name : nnames ? names[0] : NULL;
        host_text(name, &e, host);
        return &r->pub;
    }
    return NULL;
}

const struct rule *policy_server(const struct policy *p, const struct sockaddr *local,
                                 socklen_t len)
{
    struct endpoint e;

    if (!p || !endpoint_of(&e, local, len)) {
        return NULL;
    }
    if (p->ini.error.code) {
        return &refuse_server;
    }
    for (size_t i = 0; i < p->nrules; i++) {
        if (p->rules[i].pub.role == TLS_SERVER && rule_hits(&p->rules[i], &e, NULL, 0, NULL)) {
            return &p->rules[i].pub;
        }
    }
    return NULL;
}

bool policy_has(const struct policy *p, enum tls_role role)
{
    if (!p || p->ini.error.code) {
        return p != NULL;
    }
    for (size_t i = 0; i < p->nrules; i++) {
        if (p->rules[i].pub.role == role) {
            return true;
        }
    }
    return false;
}

const struct rule *policy_rule(const struct policy *p, size_t i)
{
    return p && i < p->nrules ? &p->rules[i].pub : NULL;
}
