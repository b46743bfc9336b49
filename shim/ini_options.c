/* SPDX-License-Identifier: ISC */
/* Sections -> options. What a key stands for is in the option's row (ssl_table.c), but for the few
 * that mean more than one thing. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "shim/ini.h"

struct reading {
    struct ini *ini;
    const struct section *s;
    int role; /* or -1 */
    struct options *o;
};

/* A value of the key k in the section home that is to be the option's. */
static int apply(const struct reading *r, int option, const void *value, size_t len, enum key k,
                 const struct section *home, const struct written *v)
{
    struct error err;
    int rc;

    error_clear(&err);
    rc = ssl_option_apply(&ssl_options[option], r->o, value, len, &err);
    if (rc == ERR_MEM) {
        return FAIL(&r->ini->error, ERR_MEM, "out of memory");
    }
    return rc < 0 ? wrong_written(r->ini, home, k, v, err.text) : 0;
}

static int apply_int(const struct reading *r, int option, int value, enum key k,
                     const struct section *home)
{
    return apply(r, option, &value, sizeof value, k, home, &home->set[k]);
}

static int apply_path(const struct reading *r, int option, enum key k, const struct section *home,
                      const struct written *v)
{
    const bool system = option == SSL_OPT_CA_FILE && strcmp(v->value, "system") == 0;
    const char *path = system ? v->value : path_of(r->ini, home, v->value);

    return path ? apply(r, option, path, strlen(path), k, home, v) : ERR_MEM;
}

/* ---- by their rows ---- */

static int number(const struct reading *r, const struct ssl_option *opt, int option)
{
    struct word_value words[sizeof opt->of / sizeof *opt->of + 1] = { { NULL, 0, false } };
    const enum key k = KEY_OF(option);
    const struct section *home;
    const char *v = setting_of(r->ini, r->s, k, &home);
    long n = 0;
    char *end;

    if (opt->kind == OPT_MS) {
        n = duration_of(r->ini, r->s, k);
        return n < 0 ? (int)n : apply_int(r, option, (int)n, k, home);
    }
    if (opt->nof == 0) {
        n = isdigit((unsigned char)*v) ? strtol(v, &end, 10) : -1;
        if (n < 0 || n > INT32_MAX || *end) {
            return wrong_value(r->ini, home, k, "it is a number");
        }
        return apply_int(r, option, (int)n, k, home);
    }
    for (size_t i = 0; i < opt->nof && opt->of[i].word; i++) {
        words[i] = (struct word_value){ opt->of[i].word, opt->of[i].value, false };
        n += strcmp(v, opt->of[i].word) == 0;
    }
    option = n ? option : 0;
    n = one_of(r->ini, r->s, k, words, 0);
    return option ? apply_int(r, option, (int)n, k, home) : ERR_PARSE;
}

static int by_row(const struct reading *r, const struct ssl_option *opt, int option)
{
    const enum key k = KEY_OF(option);
    const struct section *home;
    const char *v = setting_of(r->ini, r->s, k, &home);

    if (!v || (r->role != -1 && opt->role != -1 && opt->role != r->role)) {
        return 0; /* [defaults] are for both */
    }
    if (opt->kind == OPT_NUMBER || opt->kind == OPT_MS) {
        return number(r, opt, option);
    }
    return opt->kind == OPT_PATH ? apply_path(r, option, k, home, &home->set[k])
                                 : apply(r, option, v, strlen(v), k, home, &home->set[k]);
}

/* ---- those that mean more ---- */

/* "pin:sha256:DIGEST": the key itself is what is trusted; the peer still proves it has it. */
static int verify(const struct reading *r)
{
    static const char head[] = "pin:sha256:";
    const struct section *home;
    const char *v = setting_of(r->ini, r->s, KEY_OF(SSL_OPT_VERIFY), &home);
    const enum key k = KEY_OF(SSL_OPT_VERIFY);

    if (!v || r->role == TLS_SERVER || strncmp(v, head, sizeof head - 1) != 0) {
        return by_row(r, &ssl_options[SSL_OPT_VERIFY], SSL_OPT_VERIFY);
    }
    if (setting_of(r->ini, r->s, KEY_OF(SSL_OPT_PINS), NULL)) {
        return wrong_value(r->ini, home, k, "'pins' stands beside it: one or the other");
    }
    v += sizeof "pin:" - 1;
    TRY(apply(r, SSL_OPT_PINS, v, strlen(v), k, home, &home->set[k]));
    return apply_int(r, SSL_OPT_VERIFY, SSL_VERIFY_NONE, k, home);
}

/* Servers believe other authorities than the clients of the same file. */
static int anchors(const struct reading *r)
{
    const struct section *home;

    if (r->role != TLS_CLIENT && setting_of(r->ini, r->s, KEY_CLIENT_CA, &home)) {
        return apply_path(r, SSL_OPT_CA_FILE, KEY_CLIENT_CA, home, &home->set[KEY_CLIENT_CA]);
    }
    return by_row(r, &ssl_options[SSL_OPT_CA_FILE], SSL_OPT_CA_FILE);
}

static int client_auth(const struct reading *r)
{
    const enum key k = KEY_OF(SSL_OPT_CLIENT_AUTH);
    const bool ca = r->s->set[KEY_CLIENT_CA].value;

    if (r->role == TLS_CLIENT) {
        return 0;
    }
    if (!r->s->set[k].value) {
        return ca ? apply_int(r, SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE, KEY_CLIENT_CA, r->s)
                  : 0;
    }
    TRY(by_row(r, &ssl_options[SSL_OPT_CLIENT_AUTH], SSL_OPT_CLIENT_AUTH));
    if (!ca && r->o->set->number[NUM_CLIENT_AUTH] != SSL_CLIENT_AUTH_NONE) {
        return wrong_value(r->ini, r->s, k, "'client-ca' is needed for that");
    }
    return 0;
}

static int versions(const struct reading *r)
{
    const int *number_of = r->o->set->number;

    return number_of[NUM_MAX] && number_of[NUM_MIN] > number_of[NUM_MAX]
               ? problem(r->ini, ERR_PARSE, r->s->file, r->s->line,
                         "min-version is above max-version")
               : 0;
}

/* Own certificates, in order. The options are about the one that was added last. */
static int identities(const struct reading *r)
{
    static const int options[OWN_KEYS] = { SSL_OPT_ADD_CERT_FILE, SSL_OPT_KEY_FILE,
                                           SSL_OPT_KEY_PASS_FILE, SSL_OPT_STATUS_FILE };
    static const int keys[OWN_KEYS] = { SSL_OPT_CERT_FILE, SSL_OPT_KEY_FILE, SSL_OPT_KEY_PASS_FILE,
                                        SSL_OPT_STATUS_FILE };
    const struct section *s = r->s;

    for (size_t i = 0; i <= s->nmore; i++) {
        for (size_t k = 0; k < OWN_KEYS; k++) {
            const struct written *v = own_written(s, i, (enum own_key)k);

            if (v->value && !own_written(s, i, OWN_CERT)->value) {
                return wrong_value(r->ini, s, KEY_OF(keys[k]), "there is no 'cert' to go with it");
            }
            if (v->value) {
                TRY(apply_path(r, options[k], KEY_OF(keys[k]), s, v));
            }
        }
    }
    return 0;
}

static int one(const struct reading *r, int option)
{
    switch (option) {
    case SSL_OPT_VERIFY:
        return verify(r);
    case SSL_OPT_CA_FILE:
        return anchors(r);
    case SSL_OPT_CLIENT_AUTH:
        return client_auth(r);
    case SSL_OPT_CERT_FILE:
        return identities(r);
    case SSL_OPT_KEY_FILE:
    case SSL_OPT_KEY_PASS_FILE:
    case SSL_OPT_STATUS_FILE:
        return 0;
    default:
        return ssl_options[option].key ? by_row(r, &ssl_options[option], option) : 0;
    }
}

int ini_role(struct ini *ini, const struct section *s)
{
    static const struct word_value roles[] = { { "client", TLS_CLIENT, false },
                                               { "server", TLS_SERVER, false },
                                               { NULL, 0, false } };

    for (size_t k = 0; k < KEY_COUNT && s->kind == SECTION_CONFIG; k++) {
        if (s->set[k].value && ini_key_role(k) == TLS_SERVER) {
            return TLS_SERVER;
        }
    }
    return one_of(ini, s, KEY_ROLE, roles, -1);
}

/* Keys of the other role. */
static int misplaced(const struct reading *r)
{
    int rc = 0;

    for (size_t k = 0; k < KEY_COUNT && r->role != -1; k++) {
        if (r->s->set[k].value && ini_key_role(k) != -1 && ini_key_role(k) != r->role) {
            rc = wrong_value(r->ini, r->s, (enum key)k,
                             r->role == TLS_CLIENT ? "this key is for servers"
                                                   : "this key is for clients");
        }
    }
    return rc;
}

int ini_options(struct ini *ini, const struct section *s, int role, struct options *o)
{
    const struct reading r = { .ini = ini, .s = s, .role = role, .o = o };
    int first = misplaced(&r), rc;

    for (int option = 1; option < OPTIONS_END; option++) {
        rc = one(&r, option);
        first = first ? first : rc;
    }
    rc = versions(&r);
    return first ? first : rc;
}

int ini_check_configs(struct ini *ini)
{
    for (const struct section *s = ini->sections; s; s = s->next) {
        struct options o = { 0 };
        int rc = 0;

        if (s->kind != SECTION_CONFIG) {
            continue;
        }
        o.set = ssl_settings_new();
        rc = o.set ? ini_options(ini, s, ini_role(ini, s), &o)
                   : FAIL(&ini->error, ERR_MEM, "out of memory");
        options_put(&o);
        if (rc == ERR_MEM) {
            return rc;
        }
    }
    return ini->error.code;
}

/* ---- what the builder refused ---- */

/* The key that the option came from, and where it stands; NULL: nobody has set it. */
static const struct section *origin(const struct ini *ini, const struct section *s, int role,
                                    int option, enum key *k)
{
    const struct section *home = NULL;

    *k = KEY_OF(option);
    if (option == SSL_OPT_CA_FILE && role != TLS_CLIENT &&
        setting_of(ini, s, KEY_CLIENT_CA, &home)) {
        *k = KEY_CLIENT_CA;
    } else if (ini_key_name(*k)) {
        (void)setting_of(ini, s, *k, &home);
    }
    if (!home && option == SSL_OPT_PINS) {
        *k = KEY_OF(SSL_OPT_VERIFY);
        (void)setting_of(ini, s, *k, &home);
    }
    return home;
}

/* The sentence without the paths in front of it: "cert = ..." says it already. */
static const char *reason_of(const struct error *err, const char *cert)
{
    const char *colon = strstr(err->text, ": ");
    size_t n = strlen(cert) < 60 ? strlen(cert) : 60;

    return strncmp(err->text, cert, n) == 0 && colon ? colon + 2 : err->text;
}

int ini_blame(struct ini *ini, const struct section *s, int role, const struct blame *blame,
              const struct error *err)
{
    const struct section *home;
    const struct written *cert;
    const char *path;
    enum key k;

    if (err->code == ERR_MEM || err->code == ERR_CRYPTO) {
        return FAIL(&ini->error, err->code, "%s", err->text);
    }
    home = blame->option ? origin(ini, s, role, blame->option, &k) : NULL;
    if (home && blame->option == SSL_OPT_CERT_FILE) {
        cert = own_written(s, blame->own, OWN_CERT);
        path = path_of(ini, s, cert->value);
        return path ? wrong_written(ini, s, k, cert, reason_of(err, path)) : ERR_MEM;
    }
    if (home && blame->option == SSL_OPT_STATUS_FILE) {
        return wrong_written(ini, s, k, own_written(s, blame->own, OWN_STAPLE), err->text);
    }
    if (home) {
        return wrong_value(ini, home, k, err->text);
    }
    if (blame->option == SSL_OPT_CA_FILE) {
        return problem(ini, ERR_FILE, s->file, s->line, "ca = system: %s", err->text);
    }
    return problem(ini, ERR_PARSE, s->file, s->line, "[rule %s %s]: %s", s->app, s->label,
                   err->text);
}
