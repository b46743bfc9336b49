/* SPDX-License-Identifier: ISC */
/* From options to sealed configurations, each built once and shared until its files change: the one
 * place where they are made, for the sockets API and for the rules of the preload. */
#include <errno.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/trace.h"
#include "shim/keylog.h"
#include "shim/psk_file.h"
#include "shim/ssl_options.h"
#include "shim/store.h"

static int64_t wall_clock(void)
{
    return (int64_t)time(NULL);
}

/* A configuration in the making. Each file is noted before it is read. */
struct plan {
    struct ssl_settings *s;
    struct config *c;
    struct files *f;
    struct blame *blame;
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
    p->blame->option = SSL_OPT_STATUS_FILE;
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
        struct ssl_key_pass pass;

        memcpy(&pass, &p->s->hook[HOOK_PASS], sizeof pass);
        from.pass.fn = pass.get;
        from.pass.arg = pass.arg;
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

static int add_identities(const struct plan *p)
{
    for (size_t i = 0; i < p->s->nown; i++) {
        *p->blame = (struct blame){ SSL_OPT_CERT_FILE, i };
        TRY(add_identity(p, i));
    }
    return 0;
}

/* ---- the peer's certificates ---- */

/* VERIFY_NONE: there is no chain to verify. */
static enum verify_mode verify_mode(const struct plan *p)
{
    const int verify = p->s->number[NUM_VERIFY];

    if (config_role(p->c) == TLS_CLIENT) {
        return verify == SSL_VERIFY_FULL ? VERIFY_FULL
               : verify == SSL_VERIFY_CA ? VERIFY_CA
                                         : VERIFY_NONE;
    }
    return verify == SSL_VERIFY_NONE ? VERIFY_NONE : VERIFY_CA; /* clients have no name */
}

/* Is a certificate asked of the peer? */
static bool asks(const struct plan *p)
{
    return config_role(p->c) == TLS_CLIENT || p->s->number[NUM_CLIENT_AUTH] != SSL_CLIENT_AUTH_NONE;
}

static bool anchored(const struct plan *p)
{
    return asks(p) && verify_mode(p) != VERIFY_NONE;
}

static int add_trust(const struct plan *p)
{
    struct trust *t = NULL;
    int rc;

    /* Who is known by a key accepts certificates of those only that were named for it. */
    if (!anchored(p) || (ssl_settings_has_psks(p->s) && !string_of(p, SET_CA))) {
        return 0;
    }
    rc = shared_trust(string_of(p, SET_CA), p->f, &t, p->err);
    if (rc == 0) {
        rc = config_set_trust(p->c, t);
    }
    trust_unref(t);
    return rc;
}

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

    if (!anchored(p)) {
        return 0;
    }
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

    if (!text || !asks(p)) {
        return 0;
    }
    TRY(pins_parse(text, pins, &n, p->err));
    return config_set_pins(p->c, (const uint8_t(*)[PIN_SIZE])pins, n);
}

static int add_client_auth(const struct plan *p)
{
    static const enum client_auth auth[] = { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST,
                                             CLIENT_AUTH_REQUIRE };

    return config_role(p->c) == TLS_SERVER
               ? config_set_client_auth(p->c, auth[p->s->number[NUM_CLIENT_AUTH]])
               : 0;
}

static int add_verify(const struct plan *p)
{
    return asks(p) ? config_set_verify(p->c, verify_mode(p)) : 0;
}

static int add_chain_flags(const struct plan *p)
{
    if (!anchored(p)) {
        return 0;
    }
    TRY(config_set_flag(p->c, CONFIG_PARTIAL_CHAIN, p->s->number[NUM_PARTIAL_CHAIN]));
    return config_set_flag(p->c, CONFIG_WEAK_CERTIFICATES, p->s->number[NUM_WEAK]);
}

/* ---- what is negotiated ---- */

static int add_versions(const struct plan *p)
{
    const int *number = p->s->number;
    unsigned min = number[NUM_MIN] ? (unsigned)number[NUM_MIN] : TLS_1_2;
    unsigned max = number[NUM_MAX] ? (unsigned)number[NUM_MAX] : TLS_1_3;

    return config_set_versions(p->c, min, max) < 0
               ? FAIL(p->err, ERR_ARG, "no such range of TLS versions: 0x%04x to 0x%04x", min, max)
               : 0;
}

/* A list of names that ssl_option_apply() has seen. */
static int add_ids(const struct plan *p, enum setting which,
                   int (*parse)(const char *, struct id_list *, struct error *),
                   int (*set)(struct config *, const uint16_t *, size_t))
{
    struct id_list ids;

    if (!string_of(p, which)) {
        return 0;
    }
    TRY(parse(string_of(p, which), &ids, p->err));
    return set(p->c, ids.id, ids.n);
}

static int add_suites(const struct plan *p)
{
    return add_ids(p, SET_SUITES, suites_parse, config_set_suites);
}

static int add_groups(const struct plan *p)
{
    return add_ids(p, SET_GROUPS, groups_parse, config_set_groups);
}

static int add_schemes(const struct plan *p)
{
    return add_ids(p, SET_SCHEMES, schemes_parse, config_set_schemes);
}

static int add_alpn(const struct plan *p)
{
    struct name_list names;

    if (!string_of(p, SET_ALPN)) {
        return 0;
    }
    TRY(alpn_parse(string_of(p, SET_ALPN), &names, p->err));
    return config_set_alpn(p->c, names.name, names.n);
}

static int add_psk(void *ctx, const struct psk *k)
{
    const struct plan *p = ctx;
    const struct span name = span_text(k->identity), key = span_of(k->key, k->key_len);
    int rc = k->hash == HASH_NONE
                 ? config_add_psk12(p->c, name, key)
                 : config_add_psk(p->c, name, key, k->hash, k->import ? k->own : NULL,
                                  k->import ? k->peer : NULL);

    if (rc == ERR_LIMIT) {
        return FAIL(p->err, ERR_ARG,
                    "SSL_OPT_PSK: a client offers at most %d keys, an imported one counts twice",
                    PSK_OFFERS);
    }
    return rc == ERR_ARG ? FAIL(p->err, ERR_ARG, "there are two keys \"%.100s\"", k->identity) : rc;
}

static int add_psks(const struct plan *p)
{
    struct plan q = *p;

    for (const struct psk *k = p->s->psks; k; k = k->next) {
        TRY(add_psk(&q, k));
    }
    return 0;
}

static int add_psk_file(const struct plan *p)
{
    const char *path = string_of(p, SET_PSKS);
    struct plan q = *p;

    TRY(note(p, path));
    return path ? psk_file_load(path, add_psk, &q, p->err) : 0;
}

static int add_psk_hint(const struct plan *p)
{
    const char *hint = string_of(p, SET_PSK_HINT);

    return hint ? config_set_psk_hint(p->c, span_text(hint)) : 0;
}

static int add_dh_params(const struct plan *p)
{
    const char *path = string_of(p, SET_DH_PARAMS);
    struct dh_params params = { { 0 }, { 0 } };
    struct buf bytes = { 0 };
    int rc;

    if (!path || config_role(p->c) == TLS_CLIENT) {
        return 0;
    }
    TRY(note(p, path));
    rc = file_read(path, &bytes, p->err);
    if (rc == 0) {
        rc = dhparams_load(&params, buf_span(&bytes));
        rc = rc == ERR_PARSE || rc == ERR_UNSUPPORTED
                 ? FAIL(p->err, rc, "%.90s: %s", path,
                        rc == ERR_PARSE ? "no Diffie-Hellman parameters"
                                        : "its prime has not 2048 to 8192 bits, or is not safe")
                 : rc;
    }
    rc = rc < 0 ? rc : config_set_dh_params(p->c, &params);
    dhparams_free(&params);
    buf_free(&bytes);
    return rc;
}

static int add_dh_bits(const struct plan *p)
{
    const int bits = p->s->number[NUM_DH_BITS];

    return bits ? config_set_dh_bits(p->c, (unsigned)bits) : 0;
}

static int add_keylog(const struct plan *p)
{
    const char *path = string_of(p, SET_KEYLOG);
    char *copy = path ? mem_strdup(path) : NULL;

    if (!path) {
        return 0;
    }
    if (!copy || config_keep(p->c, copy, mem_free) < 0) {
        mem_free(copy);
        return FAIL(p->err, ERR_MEM, "no memory for a configuration");
    }
    return config_set_keylog(p->c, keylog_append, copy);
}

static int add_limits(const struct plan *p)
{
    const int *number = p->s->number;

    TRY(config_set_limit(p->c, CONFIG_MAX_HELLO, (uint32_t)number[NUM_MAX_HELLO]));
    TRY(config_set_limit(p->c, CONFIG_MAX_CHAIN, (uint32_t)number[NUM_MAX_CHAIN]));
    return config_set_limit(p->c, CONFIG_MAX_IDLE, (uint32_t)number[NUM_MAX_IDLE]);
}

static int add_hooks(const struct plan *p)
{
    return ssl_hooks_add(p->s, p->c);
}

static int add_sessions(const struct plan *p)
{
    const struct settings *set = config_settings(p->c);
    const int *number = p->s->number;
    /* A callback that has the last word on certificates is asked for each connection. */
    const bool asks =
        set->on_verify && (set->role == TLS_CLIENT || set->client_auth != CLIENT_AUTH_NONE);
    const struct session_options o = {
        .reuse = number[NUM_REUSE] && !asks,
        .life = number[NUM_TTL] ? (uint32_t)number[NUM_TTL] : SESSION_TTL,
        .tickets = (unsigned)number[NUM_TICKETS],
        .early = (uint32_t)number[NUM_EARLY],
        .ids = (unsigned)number[NUM_CACHE],
        .key_file = string_of(p, SET_TICKET_KEYS),
    };

    if (config_role(p->c) == TLS_CLIENT) {
        TRY(config_set_flag(p->c, CONFIG_TICKETS, o.reuse));
        return config_set_flag(p->c, CONFIG_EARLY_DATA, o.early > 0);
    }
    TRY(server_sessions_make(&p->s->sessions, &o, p->err));
    return server_sessions_apply(atomic_load(&p->s->sessions), &o, p->c, p->f, p->err);
}

/* Behind add_sessions(): where nothing is resumed there are no keys. Those of a file are for all
 * machines; others have to be the store's, drawn before anybody forked. */
static int add_store(const struct plan *p)
{
    const struct settings *set = config_settings(p->c);
    const char *name = string_of(p, SET_STORE);
    struct store *store;

    if (!name || set->role != TLS_SERVER || !set->tickets) {
        return 0;
    }
    TRY(store_open(name, &store, p->err));
    store_set_timeout(store, p->s->number[NUM_STORE_TIMEOUT]);
    if (!string_of(p, SET_TICKET_KEYS)) {
        TRY(config_set_sessions(p->c, set->cache, store_keys(store), set->session_life));
    }
    return config_set_store(p->c, store_calls(store));
}

/* ---- all of it ---- */

static const struct step {
    int option; /* to blame when it fails */
    int (*add)(const struct plan *p);
} steps[] = {
    { SSL_OPT_CLIENT_AUTH, add_client_auth },
    { SSL_OPT_VERIFY, add_verify },
    { SSL_OPT_PINS, add_pins },
    { SSL_OPT_PARTIAL_CHAIN, add_chain_flags },
    { SSL_OPT_CRL_FILE, add_revocation },
    { SSL_OPT_CA_FILE, add_trust },
    { SSL_OPT_MAX_VERSION, add_versions },
    { SSL_OPT_SUITES, add_suites },
    { SSL_OPT_GROUPS, add_groups },
    { SSL_OPT_SCHEMES, add_schemes },
    { SSL_OPT_ALPN, add_alpn },
    { SSL_OPT_KEYLOG_FILE, add_keylog },
    { SSL_OPT_CERT_FILE, add_identities },
    { SSL_OPT_PSK, add_psks },
    { SSL_OPT_PSK_FILE, add_psk_file },
    { SSL_OPT_PSK_HINT, add_psk_hint },
    { SSL_OPT_DH_PARAMS_FILE, add_dh_params },
    { SSL_OPT_DH_BITS, add_dh_bits },
    { SSL_OPT_MAX_HELLO, add_limits },
    { SSL_OPT_CERT_CALLBACK, add_hooks },
    { SSL_OPT_TICKET_KEY_FILE, add_sessions }, /* the last: keys are in use at once */
    { SSL_OPT_SESSION_STORE, add_store },
};

static int build(const struct plan *p)
{
    TRY(config_set_clock(p->c, wall_clock));
    for (const struct step *s = steps; s < steps + sizeof steps / sizeof *steps; s++) {
        int rc;

        *p->blame = (struct blame){ .option = s->option };
        rc = s->add(p);
        if (rc < 0) {
            return FAIL(p->err, rc, "%s: %s", ssl_options[p->blame->option].name, error_name(rc));
        }
    }
    *p->blame = (struct blame){ 0 };
    return config_seal(p->c, p->err);
}

int ssl_settings_make(struct ssl_settings *s, enum tls_role role, struct files *f,
                      struct config **out, struct blame *blame, struct error *err)
{
    struct plan p = { .s = s, .c = config_new(role), .f = f, .blame = blame, .err = err };
    int rc;

    *blame = (struct blame){ 0 };
    rc = p.c ? build(&p) : FAIL(err, ERR_MEM, "no memory for a configuration");
    if (rc < 0) {
        config_unref(p.c);
        p.c = NULL;
    }
    *out = p.c;
    return rc;
}

/* ---- and built again when files change ---- */

struct order {
    struct ssl_settings *s;
    enum tls_role role;
};

static int make(void *ctx, struct files *f, struct config **out, struct error *err)
{
    const struct order *o = ctx;
    struct blame blame;

    return ssl_settings_make(o->s, o->role, f, out, &blame, err);
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

    if (s->roles && !(s->roles & 1U << role)) {
        (void)FAIL(err, ERR_ARG, "the configuration is sealed for %s",
                   role == TLS_SERVER ? "clients" : "servers");
        errno = EINVAL;
        return NULL;
    }
    return reload_get(&s->sealed[role], &how, err);
}

bool ssl_settings_problem(struct ssl_settings *s, char text[static RELOAD_TEXT])
{
    return reload_problem(&s->sealed[TLS_SERVER], text) ||
           reload_problem(&s->sealed[TLS_CLIENT], text);
}
