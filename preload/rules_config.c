/* SPDX-License-Identifier: ISC */
/* The sealed configuration of a TLS rule: certificates and keys are read here, at load, while the
 * program still has the privileges it was started with. */
#include <errno.h>

#include "preload/rules_parts.h"

/* What others see of the options. */
static void publish(const struct ini *ini, struct policy_rule *r)
{
    const struct section *s = r->section;
    const struct options *o = &r->options;
    const char *verify = setting_of(ini, s, KEY_OF(SSL_OPT_VERIFY), NULL);
    const char *alpn = s->set[KEY_OF(SSL_OPT_ALPN)].value;

    r->pub.name = o->name[0] ? o->name : NULL;
    r->pub.sni = o->sni[0] ? o->sni : NULL;
    r->pub.alpn = alpn ? alpn : "";
    r->pub.lenient_eof = o->eof == SSL_EOF_LENIENT;
    r->pub.handshake_timeout_ms = o->timeout_ms;
    r->pub.session_ttl = o->set ? o->set->number[NUM_TTL] : 0;
    r->pub.keylog = o->set ? ssl_settings_get(o->set, SET_KEYLOG) : NULL;
    r->pub.unverified = r->pub.role == TLS_CLIENT && verify && strcmp(verify, "none") == 0;
}

/* Made again, too: then only what comes with making may be changed. */
static int rule_make(struct ini *ini, const struct policy_rule *r, struct files *f,
                     struct config **out)
{
    struct blame blame;
    struct error err;
    int rc;

    error_clear(&err);
    rc = ssl_settings_make(r->options.set, r->pub.role, f, out, &blame, &err);
    if (rc < 0) {
        (void)FAIL(&err, rc, "%s", error_name(rc));
        rc = ini_blame(ini, r->section, (int)r->pub.role, &blame, &err);
    }
    return rc;
}

int rule_config(struct policy *p, struct policy_rule *r, bool with_keys)
{
    struct files f = { 0 };
    struct config *c = NULL;
    int rc;

    r->options.set = ssl_settings_new();
    if (!r->options.set) {
        return FAIL(&p->ini.error, ERR_MEM, "out of memory");
    }
    rc = ini_options(&p->ini, r->section, (int)r->pub.role, &r->options);
    publish(&p->ini, r);
    if (rc == 0 && r->pub.action == RULE_TLS && r->pub.role == TLS_SERVER &&
        !own_written(r->section, 0, OWN_CERT)->value && !ssl_settings_has_psks(r->options.set)) {
        rc = problem(&p->ini, ERR_PARSE, r->pub.file, r->pub.line,
                     "[rule %s %s]: a server needs 'cert' and 'key', or 'psk-file'", r->pub.app,
                     r->pub.label);
    }
    if (rc < 0 || !with_keys || r->pub.action != RULE_TLS) {
        return rc;
    }
    rc = rule_make(&p->ini, r, &f, &c);
    if (rc < 0) {
        files_free(&f);
        return rc;
    }
    return reload_begin(&r->reload, c, &f) < 0 ? FAIL(&p->ini.error, ERR_MEM, "out of memory") : 0;
}

/* ---- and again when files change ---- */

struct order {
    struct policy_rule *r;
    policy_say *say;
};

/* What was read of the configuration's own file stands. */
static int make_again(void *ctx, struct files *f, struct config **out, struct error *err)
{
    const struct order *o = ctx;
    struct ini ini = { .sections = o->r->policy->ini.sections };
    int rc;

    error_clear(&ini.error);
    rc = rule_make(&ini, o->r, f, out);
    if (rc < 0) {
        (void)FAIL(err, rc, "%s", ini.error.code ? ini.error.text : error_name(rc));
    }
    kept_free(&ini);
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
    how.once = o.r->options.set->number[NUM_RELOAD] == 0;
    c = reload_get(&o.r->reload, &how, NULL);
    errno = saved;
    return c;
}

const char *policy_file(const struct rule *rule, size_t i)
{
    struct policy_rule *r = rule_of(rule);

    return r && r->options.set && r->options.set->number[NUM_RELOAD] ? reload_file(&r->reload, i)
                                                                     : NULL;
}
