/* SPDX-License-Identifier: ISC */
/* The sealed configuration of a TLS rule: certificates and keys are read here, at load, while the
 * program still has the privileges it was started with. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "preload/rules_parts.h"
#include "base/mem.h"
#include "base/secret.h"

#define ALPN_MAX 16

static int64_t now(void)
{
    return (int64_t)time(NULL);
}

/* One line "LABEL RANDOM SECRET" more in the file named by ctx. Opened for each: the program may
 * close or change whatever it finds between two of them. */
static void keylog_line(void *ctx, const char *line)
{
    int fd = open(ctx, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
    char text[512];
    int n = snprintf(text, sizeof text, "%s\n", line);

    if (fd >= 0 && n > 0 && (size_t)n < sizeof text) {
        ssize_t done = write(fd, text, (size_t)n);

        (void)done; /* a full disk costs a line of the log, not the connection */
    }
    wipe(text, sizeof text);
    if (fd >= 0) {
        close(fd);
    }
}

/* ---- the parts ---- */

int plan_refused(struct plan *pl, enum key k, int rc)
{
    const struct section *home = NULL;

    (void)setting_of(pl->p, pl->s, k, &home);
    if (rc == 0 || !home) {
        return rc == 0 ? 0 : FAIL(&pl->p->error, rc, "%s", error_name(rc));
    }
    return wrong_value(pl->p, home, k, error_name(rc));
}

int plan_path(struct plan *pl, const struct section *home, const char **path)
{
    *path = path_of(pl->p, home, *path);
    return *path && files_note(pl->f, *path) >= 0 ? 0
                                                  : FAIL(&pl->p->error, ERR_MEM, "out of memory");
}

static int version_of(struct plan *pl, enum key k, unsigned otherwise, unsigned *version)
{
    const struct section *home;
    const char *v = setting_of(pl->p, pl->s, k, &home);

    *version = otherwise;
    if (!v) {
        return 0;
    }
    if (strcmp(v, "1.2") != 0 && strcmp(v, "1.3") != 0) {
        return wrong_value(pl->p, home, k, "it is 1.2 or 1.3");
    }
    *version = v[2] == '2' ? TLS_1_2 : TLS_1_3;
    return 0;
}

static int plan_versions(struct plan *pl)
{
    unsigned min, max;
    enum key k =
        setting_of(pl->p, pl->s, KEY_MAX_VERSION, NULL) ? KEY_MAX_VERSION : KEY_MIN_VERSION;

    TRY(version_of(pl, KEY_MIN_VERSION, TLS_1_2, &min));
    TRY(version_of(pl, KEY_MAX_VERSION, TLS_1_3, &max));
    if (min > max) {
        return problem(pl->p, ERR_PARSE, pl->s->file, pl->s->line,
                       "min-version is above max-version");
    }
    if (!pl->c || !setting_of(pl->p, pl->s, k, NULL)) {
        return 0;
    }
    return plan_refused(pl, k, config_set_versions(pl->c, min, max));
}

static int plan_alpn(struct plan *pl)
{
    const char *v = pl->s->set[KEY_ALPN].value, *names[ALPN_MAX];
    size_t n = 0;

    while (v && *v) {
        size_t len;

        v += strspn(v, ", \t");
        len = strcspn(v, ", \t");
        if (len == 0) {
            break;
        }
        if (n == ALPN_MAX || len > 255) {
            return wrong_value(pl->p, pl->s, KEY_ALPN, "at most 16 names of at most 255 bytes");
        }
        names[n] = keep_text(pl->p, v, len);
        if (!names[n++]) {
            return ERR_MEM;
        }
        v += len;
    }
    if (pl->s->set[KEY_ALPN].value && n == 0) {
        return wrong_value(pl->p, pl->s, KEY_ALPN, "there is no name in it");
    }
    return pl->c && n ? plan_refused(pl, KEY_ALPN, config_set_alpn(pl->c, names, n)) : 0;
}

const struct setting *own_setting(const struct section *s, size_t i, enum key k)
{
    return i == 0 ? &s->set[k] : &s->more[i - 1][k - KEY_CERT];
}

static int plan_staple(struct plan *pl, size_t i, const char *path, const struct identity *id)
{
    const struct setting *set = own_setting(pl->s, i, KEY_STAPLE);
    struct buf bytes = { 0 };
    struct error err;
    int rc;

    if (!path) {
        return 0;
    }
    error_clear(&err);
    rc = file_read(path, &bytes, &err);
    if (rc == 0) {
        rc = identity_check_status(id, buf_span(&bytes), now(), &err);
    }
    rc = rc < 0 ? wrong_setting(pl->p, pl->s, KEY_STAPLE, set, err.text)
                : plan_refused(pl, KEY_STAPLE, config_set_status(pl->c, i, buf_span(&bytes)));
    buf_free(&bytes);
    return rc;
}

/* The sentence without the paths in front of it: "cert = ..." says it already. */
static const char *reason_of(const struct error *err, const char *cert)
{
    const char *colon = strstr(err->text, ": ");
    size_t n = strlen(cert) < 60 ? strlen(cert) : 60;

    return strncmp(err->text, cert, n) == 0 && colon ? colon + 2 : err->text;
}

static int load_identity(struct plan *pl, size_t i)
{
    const char *path[OWN_KEYS];
    struct identity_source from = { 0 };
    struct identity *id = NULL;
    struct error err;
    int rc;

    for (size_t k = 0; k < OWN_KEYS; k++) {
        path[k] = own_setting(pl->s, i, (enum key)(KEY_CERT + k))->value;
        if (path[k]) {
            TRY(plan_path(pl, pl->s, &path[k]));
        }
    }
    from.certs = path[0];
    from.key = path[KEY_KEY - KEY_CERT];
    from.pass.file = path[KEY_KEY_PASS - KEY_CERT];
    error_clear(&err);
    rc = identity_load(&id, &from, &err);
    if (rc < 0) {
        return wrong_setting(pl->p, pl->s, KEY_CERT, own_setting(pl->s, i, KEY_CERT),
                             err.code ? reason_of(&err, from.certs) : error_name(rc));
    }
    rc = plan_refused(pl, KEY_CERT, config_add_identity(pl->c, id));
    if (rc == 0) {
        rc = plan_staple(pl, i, path[KEY_STAPLE - KEY_CERT], id);
    }
    identity_unref(id);
    return rc;
}

static int plan_identities(struct plan *pl)
{
    const struct section *s = pl->s;

    if (!s->set[KEY_CERT].value) {
        for (enum key k = KEY_KEY; k <= KEY_STAPLE; k++) {
            if (s->set[k].value) {
                return wrong_value(pl->p, s, k, "there is no 'cert' to go with it");
            }
        }
        return pl->r->pub.role == TLS_CLIENT
                   ? 0
                   : problem(pl->p, ERR_PARSE, s->file, s->line,
                             "[rule %s %s]: a server needs 'cert' and 'key'", s->app, s->label);
    }
    for (size_t i = 0; pl->c && i <= s->nmore; i++) {
        TRY(load_identity(pl, i));
    }
    return 0;
}

static int plan_keylog(struct plan *pl)
{
    const struct section *home;
    const char *v = setting_of(pl->p, pl->s, KEY_KEYLOG, &home), *path;

    if (!v) {
        return 0;
    }
    /* Made again, a configuration goes on with the path of the first. */
    path = pl->r->pub.keylog ? pl->r->pub.keylog : path_of(pl->p, home, v);
    if (!path) {
        return ERR_MEM;
    }
    pl->r->pub.keylog = path;
    return pl->c ? plan_refused(pl, KEY_KEYLOG,
                                config_set_keylog(pl->c, keylog_line, (void *)(uintptr_t)path))
                 : 0;
}

static int plan_name(struct plan *pl)
{
    const char *name = pl->s->set[KEY_NAME].value, *sni = pl->s->set[KEY_SNI].value;

    if (name && (strlen(name) >= POLICY_HOST_MAX || !host_is_valid(name))) {
        return wrong_value(pl->p, pl->s, KEY_NAME, "it is neither a host name nor an address");
    }
    if (sni && (strlen(sni) >= POLICY_HOST_MAX || !host_is_valid(sni) || host_is_ip(sni))) {
        return wrong_value(pl->p, pl->s, KEY_SNI, "it is not a host name");
    }
    return 0;
}

static int plan_all(struct plan *pl)
{
    if (pl->r->pub.role == TLS_CLIENT) {
        TRY(plan_name(pl));
    }
    TRY(plan_peer(pl));
    TRY(plan_versions(pl));
    TRY(plan_alpn(pl));
    TRY(plan_keylog(pl));
    return plan_identities(pl);
}

/* *out: NULL when it is only checked. */
static int rule_make(struct policy *p, struct policy_rule *r, struct files *f, bool with_keys,
                     struct config **out)
{
    struct plan pl = { .p = p, .r = r, .s = r->section, .f = f };
    struct error err;
    int rc;

    *out = NULL;
    if (with_keys) {
        rc = crypto_init();
        pl.c = rc == 0 ? config_new(r->pub.role) : NULL;
        if (!pl.c || config_set_clock(pl.c, now) < 0) {
            config_unref(pl.c);
            return FAIL(&p->error, ERR_CRYPTO, "the cryptographic library cannot be used");
        }
    }
    error_clear(&err);
    rc = plan_all(&pl);
    if (rc == 0 && pl.c && config_seal(pl.c, &err) < 0) {
        rc = problem(p, ERR_PARSE, r->pub.file, r->pub.line, "[rule %s %s]: %s", r->pub.app,
                     r->pub.label, err.text);
    }
    if (rc < 0) {
        config_unref(pl.c);
        pl.c = NULL;
    }
    *out = pl.c;
    return rc;
}

int rule_config(struct policy *p, struct policy_rule *r, bool with_keys)
{
    struct files f = { 0 };
    struct config *c;
    int rc = rule_make(p, r, &f, with_keys, &c);

    if (rc < 0 || !c) {
        files_free(&f);
        return rc;
    }
    return reload_begin(&r->reload, c, &f) < 0 ? FAIL(&p->error, ERR_MEM, "out of memory") : 0;
}

/* ---- and again when files change ---- */

struct order {
    struct policy_rule *r;
    policy_say *say;
};

/* What was read of the configuration's own file stands; all that comes with making goes. */
static int make_again(void *ctx, struct files *f, struct config **out, struct error *err)
{
    const struct order *o = ctx;
    struct policy p = { .sections = o->r->policy->sections };
    struct policy_rule r = { .pub = o->r->pub, .section = o->r->section };
    int rc;

    error_clear(&p.error);
    rc = rule_make(&p, &r, f, true, out);
    if (rc < 0) {
        (void)FAIL(err, rc, "%s", p.error.code ? p.error.text : error_name(rc));
    }
    kept_free(&p);
    return rc;
}

static void say_again(void *ctx, bool good, const char *sentence)
{
    const struct order *o = ctx;

    if (o->say) {
        o->say(&o->r->pub, good, sentence);
    }
}

/* The rules that are no policy's (refuse) have another action. */
static struct policy_rule *rule_of(const struct rule *rule)
{
    return rule->action == RULE_TLS
               ? (struct policy_rule *)((uintptr_t)rule - offsetof(struct policy_rule, pub))
               : NULL;
}

struct config *policy_config(const struct rule *rule, policy_say *say)
{
    struct order o = { .r = rule_of(rule), .say = say };
    struct reload_how how = { .make = make_again, .say = say_again, .ctx = &o };
    struct config *c;
    int saved = errno;

    if (!o.r) {
        return NULL;
    }
    how.once = o.r->once;
    c = reload_get(&o.r->reload, &how, NULL);
    errno = saved;
    return c;
}

const char *policy_file(const struct rule *rule, size_t i)
{
    struct policy_rule *r = rule_of(rule);

    return r && !r->once ? reload_file(&r->reload, i) : NULL;
}
