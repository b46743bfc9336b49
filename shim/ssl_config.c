/* SPDX-License-Identifier: ISC */
/* From options to sealed configurations, each built once and shared. */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "base/mem.h"
#include "base/secret.h"
#include "shim/ssl_options.h"

#define ALPN_MAX 16

struct ssl_settings *ssl_settings_new(void)
{
    struct ssl_settings *s = mem_zalloc(sizeof *s);

    if (s) {
        atomic_store(&s->refs, 1);
        s->number[NUM_VERIFY] = SSL_VERIFY_FULL;
    }
    return s;
}

/* What was built is another one's from here on. */
static void unseal(struct ssl_settings *s)
{
    for (int i = 0; i < 2; i++) {
        config_unref(atomic_exchange(&s->sealed[i], NULL));
    }
}

/* ---- pre-shared keys ---- */

static void forget_psks(struct ssl_settings *s)
{
    while (s->psks) {
        struct psk *next = s->psks->next;

        mem_free_secret(s->psks, sizeof *s->psks);
        s->psks = next;
    }
}

static int copy_psks(struct ssl_settings *to, const struct ssl_settings *from)
{
    struct psk **end = &to->psks;

    for (const struct psk *p = from->psks; p; p = p->next) {
        *end = mem_dup(p, sizeof *p);
        if (!*end) {
            return ERR_MEM;
        }
        end = &(*end)->next;
        *end = NULL;
    }
    return 0;
}

int ssl_settings_psk(struct ssl_settings *s, const struct ssl_psk *p)
{
    struct psk **at = &s->psks, *next = NULL;

    unseal(s);
    if (!p) {
        forget_psks(s);
        return 0;
    }
    while (*at && strcmp((*at)->identity, p->identity) != 0) {
        at = &(*at)->next;
    }
    if (*at) {
        next = (*at)->next;
        wipe(*at, sizeof **at);
    } else {
        *at = mem_zalloc(sizeof **at);
    }
    if (!*at) {
        return ERR_MEM;
    }
    **at = (struct psk){ .next = next,
                         .key_len = p->key_len,
                         .hash = p->hash == SSL_PSK_SHA384 ? HASH_SHA384 : HASH_SHA256,
                         .import = p->own };
    memcpy((*at)->key, p->key, p->key_len);
    memcpy((*at)->identity, p->identity, strlen(p->identity));
    if (p->own) {
        memcpy((*at)->own, p->own, strlen(p->own));
        memcpy((*at)->peer, p->peer, strlen(p->peer));
    }
    return 0;
}

/* ---- all settings ---- */

struct ssl_settings *ssl_settings_copy(const struct ssl_settings *s)
{
    struct ssl_settings *copy = ssl_settings_new();

    for (int i = 0; copy && i < SET_STRINGS; i++) {
        if (s->string[i] && ssl_settings_string(copy, (enum setting)i, s->string[i]) < 0) {
            ssl_settings_put(copy);
            return NULL;
        }
    }
    if (copy && copy_psks(copy, s) < 0) {
        ssl_settings_put(copy);
        return NULL;
    }
    if (copy) {
        memcpy(copy->number, s->number, sizeof copy->number);
    }
    return copy;
}

struct ssl_settings *ssl_settings_ref(struct ssl_settings *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void ssl_settings_put(struct ssl_settings *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) {
        return;
    }
    unseal(s);
    forget_psks(s);
    for (int i = 0; i < SET_STRINGS; i++) {
        mem_free_secret(s->string[i], s->string[i] ? strlen(s->string[i]) : 0);
    }
    mem_free(s);
}

int ssl_settings_string(struct ssl_settings *s, enum setting which, const char *value)
{
    char *copy = NULL;

    if (*value) {
        copy = mem_strdup(value);
        if (!copy) {
            return ERR_MEM;
        }
    }
    unseal(s);
    mem_free_secret(s->string[which], s->string[which] ? strlen(s->string[which]) : 0);
    s->string[which] = copy;
    return 0;
}

void ssl_settings_number(struct ssl_settings *s, enum number which, int value)
{
    unseal(s);
    s->number[which] = value;
}

/* ---- building ---- */

static int64_t wall_clock(void)
{
    return (int64_t)time(NULL);
}

/* The system's trust anchors: parsed at the first use, kept for the life of the process. */
static int system_trust(struct trust **out, struct error *err)
{
    static _Atomic(struct trust *) kept;
    struct trust *t = atomic_load(&kept), *none = NULL;
    int rc;

    if (!t) {
        t = trust_new();
        if (!t) {
            return FAIL(err, ERR_MEM, "no memory for trust anchors");
        }
        rc = trust_add_system(t, err);
        if (rc < 0) {
            trust_unref(t);
            return rc;
        }
        if (!atomic_compare_exchange_strong(&kept, &none, t)) {
            trust_unref(t); /* another thread was first */
            t = none;
        }
    }
    *out = trust_ref(t);
    return 0;
}

static int add_trust(struct config *c, const char *path, struct error *err)
{
    struct trust *t = NULL;
    int rc;

    if (!path || strcmp(path, "system") == 0) {
        rc = system_trust(&t, err);
    } else {
        t = trust_new();
        rc = t ? trust_add_path(t, path, err) : FAIL(err, ERR_MEM, "no memory for trust anchors");
    }
    if (rc >= 0) {
        rc = config_set_trust(c, t);
    }
    trust_unref(t);
    return rc;
}

static int add_identity(struct config *c, const struct ssl_settings *s, struct error *err)
{
    const char *cert = s->string[SET_CERT], *key = s->string[SET_KEY];
    struct identity *id = NULL;
    int rc;

    if (!cert) {
        return key ? FAIL(err, ERR_ARG, "a private key without SSL_OPT_CERT_FILE") : 0;
    }
    rc = identity_from_files(&id, cert, key ? key : cert, s->string[SET_PASS], err);
    if (rc >= 0) {
        rc = config_add_identity(c, id);
        identity_unref(id);
    }
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

static int add_verify(struct config *c, const struct ssl_settings *s, struct error *err)
{
    static const enum client_auth auth[] = { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST,
                                             CLIENT_AUTH_REQUIRE };
    int verify = s->number[NUM_VERIFY];
    enum verify_mode mode = verify == SSL_VERIFY_FULL ? VERIFY_FULL
                            : verify == SSL_VERIFY_CA ? VERIFY_CA
                                                      : VERIFY_NONE;

    if (config_role(c) == TLS_SERVER) {
        TRY(config_set_client_auth(c, auth[s->number[NUM_CLIENT_AUTH]]));
        if (s->number[NUM_CLIENT_AUTH] == SSL_CLIENT_AUTH_NONE) {
            return 0; /* no one to verify */
        }
        mode = mode == VERIFY_FULL ? VERIFY_CA : mode; /* clients have no name */
    }
    TRY(config_set_verify(c, mode));
    /* Who is known by a key accepts certificates of those only that were named for it. */
    return mode == VERIFY_NONE || (s->psks && !s->string[SET_CA])
               ? 0
               : add_trust(c, s->string[SET_CA], err);
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

static int build(struct config *c, const struct ssl_settings *s, struct error *err)
{
    unsigned min = s->number[NUM_MIN] ? (unsigned)s->number[NUM_MIN] : TLS_1_2;
    unsigned max = s->number[NUM_MAX] ? (unsigned)s->number[NUM_MAX] : TLS_1_3;

    TRY(config_set_clock(c, wall_clock));
    if (config_set_versions(c, min, max) < 0) {
        return FAIL(err, ERR_ARG, "no such range of TLS versions: 0x%04x to 0x%04x", min, max);
    }
    TRY(add_verify(c, s, err));
    TRY(add_identity(c, s, err));
    TRY(add_psks(c, s, err));
    TRY(add_alpn(c, s->string[SET_ALPN], err));
    return config_seal(c, err);
}

struct config *ssl_settings_config(struct ssl_settings *s, enum tls_role role, struct error *err)
{
    struct config *c = atomic_load(&s->sealed[role]), *none = NULL;
    int rc;

    if (c) {
        return config_ref(c);
    }
    errno = 0;
    c = config_new(role);
    rc = c ? build(c, s, err) : FAIL(err, ERR_MEM, "no memory for a configuration");
    if (rc < 0) {
        error_set(err, rc, __func__, "%s", error_name(rc));
        config_unref(c);
        errno = rc == ERR_FILE && errno ? errno : errno_of(err);
        return NULL;
    }
    if (!atomic_compare_exchange_strong(&s->sealed[role], &none, c)) {
        config_unref(c); /* another thread was first */
        return config_ref(none);
    }
    return config_ref(c);
}
