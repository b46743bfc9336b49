/* SPDX-License-Identifier: ISC */
/* From options to sealed configurations, each built once and shared until its files change. */
#include <errno.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/trace.h"
#include "shim/ssl_options.h"

#define ALPN_MAX 16

static int64_t wall_clock(void)
{
    return (int64_t)time(NULL);
}

/* What is read of the files. Each is noted before. */
struct plan {
    const struct ssl_settings *s;
    struct config *c;
    struct files *f;
    struct error *err;
};

static const char *string_of(const struct plan *p, enum setting which)
{
    return p->s->string[which - SET_OWN];
}

static int note(const struct plan *p, const char *path)
{
    return path && files_note(p->f, path) < 0 ? FAIL(p->err, ERR_MEM, "out of memory") : 0;
}

static int add_trust(const struct plan *p)
{
    struct trust *t = NULL;
    int rc = shared_trust(string_of(p, SET_CA), p->f, &t, p->err);

    if (rc == 0) {
        rc = config_set_trust(p->c, t);
    }
    trust_unref(t);
    return rc;
}

/* ---- own certificates ---- */

static int add_status(const struct plan *p, size_t i, const char *path, const struct identity *id)
{
    struct buf bytes = { 0 };
    struct error why;
    int rc;

    if (!path) {
        return 0;
    }
    error_clear(&why);
    rc = file_read(path, &bytes, p->err);
    if (rc == 0) {
        rc = identity_check_status(id, buf_span(&bytes), wall_clock(), &why);
        if (rc < 0) {
            (void)FAIL(p->err, rc, "%.90s: %s", path, why.text);
        }
    }
    if (rc == 0) {
        rc = config_set_status(p->c, i, buf_span(&bytes));
    }
    buf_free(&bytes);
    return rc;
}

static int add_identity(const struct plan *p, size_t i)
{
    char *const *own = p->s->own[i];
    struct identity_source from = { .certs = own[SET_CERT],
                                    .key = own[SET_KEY],
                                    .pass = { .text = own[SET_PASS], .file = own[SET_PASS_FILE] } };
    struct identity *id = NULL;
    int rc;

    if (!own[SET_CERT]) {
        return own[SET_KEY] ? FAIL(p->err, ERR_ARG, "a private key without SSL_OPT_CERT_FILE") : 0;
    }
    if (!own[SET_PASS] && !own[SET_PASS_FILE]) {
        from.pass.fn = p->s->pass.get;
        from.pass.arg = p->s->pass.arg;
    }
    for (size_t k = 0; k < SET_OWN; k++) {
        TRY(k == SET_PASS ? 0 : note(p, own[k]));
    }
    rc = identity_load(&id, &from, p->err);
    if (rc >= 0) {
        rc = config_add_identity(p->c, id);
    }
    if (rc >= 0) {
        rc = add_status(p, i, own[SET_STATUS], id);
    }
    identity_unref(id);
    return rc;
}

/* "h2,http/1.1" */
static int add_alpn(struct config *c, const char *list, struct error *err)
{
    const char *names[ALPN_MAX];
    char *copy = list ? mem_strdup(list) : NULL;
    size_t n = 0;
    int rc = 0;

    if (!list) {
        return 0;
    }
    if (!copy) {
        return FAIL(err, ERR_MEM, "no memory for ALPN names");
    }
    for (char *p = copy; p && rc == 0; n++) {
        char *name = strsep(&p, ",");

        if (n == ALPN_MAX || *name == '\0' || strlen(name) > 255) {
            rc = FAIL(err, ERR_ARG, "SSL_OPT_ALPN: up to %d names of 1 to 255 bytes, not \"%s\"",
                      ALPN_MAX, list);
        } else {
            names[n] = name;
        }
    }
    if (rc == 0) {
        rc = config_set_alpn(c, names, n);
    }
    mem_free(copy);
    return rc;
}

/* ---- the peer's certificates ---- */

static int add_revocation(const struct plan *p)
{
    static const enum revoke_mode modes[] = { [SSL_REVOCATION_OFF] = REVOKE_OFF,
                                              [SSL_REVOCATION_SOFT] = REVOKE_SOFT,
                                              [SSL_REVOCATION_HARD] = REVOKE_HARD,
                                              [SSL_REVOCATION_ALL] = REVOKE_ALL };
    const char *path = string_of(p, SET_CRL);
    int mode = p->s->number[NUM_REVOCATION];
    struct revocation *crls = NULL;
    int rc = 0;

    if (mode == SSL_REVOCATION_DEFAULT) {
        mode = path ? SSL_REVOCATION_HARD : SSL_REVOCATION_OFF;
    }
    if (path) {
        TRY(note(p, path));
        crls = revocation_new();
        rc = crls ? revocation_add_path(crls, path, p->err)
                  : FAIL(p->err, ERR_MEM, "no memory for CRLs");
    }
    if (rc >= 0) {
        rc = config_set_revocation(p->c, modes[mode], crls);
    }
    revocation_unref(crls);
    return rc;
}

static int add_pins(const struct plan *p)
{
    uint8_t pins[PINS_MAX][PIN_SIZE];
    const char *text = string_of(p, SET_PINS);
    size_t n = 0;

    if (!text) {
        return 0;
    }
    TRY(pins_parse(text, pins, &n, p->err));
    return config_set_pins(p->c, (const uint8_t(*)[PIN_SIZE])pins, n);
}

static int add_verify(const struct plan *p)
{
    static const enum client_auth auth[] = { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST,
                                             CLIENT_AUTH_REQUIRE };
    const struct ssl_settings *s = p->s;
    int verify = s->number[NUM_VERIFY];
    enum verify_mode mode = verify == SSL_VERIFY_FULL ? VERIFY_FULL
                            : verify == SSL_VERIFY_CA ? VERIFY_CA
                                                      : VERIFY_NONE;

    if (config_role(p->c) == TLS_SERVER) {
        TRY(config_set_client_auth(p->c, auth[s->number[NUM_CLIENT_AUTH]]));
        if (s->number[NUM_CLIENT_AUTH] == SSL_CLIENT_AUTH_NONE) {
            return 0; /* no one to verify */
        }
        mode = mode == VERIFY_FULL ? VERIFY_CA : mode; /* clients have no name */
    }
    TRY(config_set_verify(p->c, mode));
    TRY(add_pins(p));
    if (mode == VERIFY_NONE) {
        return 0;
    }
    TRY(config_set_flag(p->c, CONFIG_PARTIAL_CHAIN, s->number[NUM_PARTIAL_CHAIN]));
    TRY(config_set_flag(p->c, CONFIG_WEAK_CERTIFICATES, s->number[NUM_WEAK]));
    TRY(add_revocation(p));
    /* Who is known by a key accepts certificates of those only that were named for it. */
    return s->psks && !string_of(p, SET_CA) ? 0 : add_trust(p);
}

static int add_psks(struct config *c, const struct ssl_settings *s, struct error *err)
{
    int rc = 0;

    for (const struct psk *p = s->psks; p && rc == 0; p = p->next) {
        rc = config_add_psk(c, span_text(p->identity), span_of(p->key, p->key_len), p->hash,
                            p->import ? p->own : NULL, p->import ? p->peer : NULL);
    }
    return rc == ERR_LIMIT ? FAIL(err, ERR_ARG,
                                  "SSL_OPT_PSK: a client offers at most %d keys, an imported one "
                                  "counts twice",
                                  PSK_OFFERS)
                           : rc;
}

static int build(const struct plan *p)
{
    const int *number = p->s->number;
    unsigned min = number[NUM_MIN] ? (unsigned)number[NUM_MIN] : TLS_1_2;
    unsigned max = number[NUM_MAX] ? (unsigned)number[NUM_MAX] : TLS_1_3;

    TRY(config_set_clock(p->c, wall_clock));
    if (config_set_versions(p->c, min, max) < 0) {
        return FAIL(p->err, ERR_ARG, "no such range of TLS versions: 0x%04x to 0x%04x", min, max);
    }
    TRY(add_verify(p));
    for (size_t i = 0; i < p->s->nown; i++) {
        TRY(add_identity(p, i));
    }
    TRY(add_psks(p->c, p->s, p->err));
    TRY(add_alpn(p->c, string_of(p, SET_ALPN), p->err));
    return config_seal(p->c, p->err);
}

/* ---- and built again when files change ---- */

struct order {
    const struct ssl_settings *s;
    enum tls_role role;
};

static int make(void *ctx, struct files *f, struct config **out, struct error *err)
{
    const struct order *o = ctx;
    struct plan p = { .s = o->s, .c = config_new(o->role), .f = f, .err = err };
    int rc = p.c ? build(&p) : FAIL(err, ERR_MEM, "no memory for a configuration");

    if (rc < 0) {
        config_unref(p.c);
        p.c = NULL;
    }
    *out = p.c;
    return rc;
}

static void say(void *ctx, bool good, const char *sentence)
{
    const struct order *o = ctx;

    trace(TRACE_INFO, "%s: %s%s", o->role == TLS_SERVER ? "server" : "client",
          good ? "" : "changed files are not in use: ", sentence);
}

struct config *ssl_settings_config(struct ssl_settings *s, enum tls_role role, struct error *err)
{
    struct order o = { s, role };
    struct reload_how how = {
        .make = make, .say = say, .ctx = &o, .once = s->number[NUM_RELOAD] == 0
    };

    return reload_get(&s->sealed[role], &how, err);
}

bool ssl_settings_problem(struct ssl_settings *s, char text[static RELOAD_TEXT])
{
    return reload_problem(&s->sealed[TLS_SERVER], text) ||
           reload_problem(&s->sealed[TLS_CLIENT], text);
}
