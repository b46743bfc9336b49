/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/mem.h"

struct config {
    atomic_uint refs;
    bool sealed;
    struct settings s;
};

struct config *config_new(enum tls_role role)
{
    struct config *c;

    if (crypto_init() < 0 || !(c = mem_zalloc(sizeof *c))) {
        return NULL;
    }
    atomic_init(&c->refs, 1);
    c->s.role = role;
    c->s.min_version = c->s.max_version = TLS_1_3;
    return c;
}

struct config *config_ref(struct config *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void config_unref(struct config *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < c->s.nidentities; i++) {
        identity_unref(c->s.identities[i]);
    }
    trust_unref(c->s.trust);
    buf_free(&c->s.alpn);
    mem_free(c);
}

enum tls_role config_role(const struct config *c)
{
    return c->s.role;
}

const struct settings *config_settings(const struct config *c)
{
    return &c->s;
}

int config_set_trust(struct config *c, struct trust *t)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    t = t ? trust_ref(t) : NULL;
    trust_unref(c->s.trust);
    c->s.trust = t;
    return 0;
}

int config_add_identity(struct config *c, struct identity *id)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (c->s.nidentities == SETTINGS_IDENTITIES) {
        return ERR_LIMIT;
    }
    c->s.identities[c->s.nidentities++] = identity_ref(id);
    return 0;
}

int config_set_alpn(struct config *c, const char *const *names, size_t n)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    buf_free(&c->s.alpn);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(names[i]);
        uint8_t prefix = (uint8_t)len;

        /* RFC 7301 section 3.1: 1 to 255 bytes each; the whole list within 16 bits, and far less
         * than a ClientHello. */
        if (len == 0 || len > 255 || buf_len(&c->s.alpn) + len > 4096) {
            return ERR_ARG;
        }
        TRY(buf_append(&c->s.alpn, &prefix, 1));
        TRY(buf_append(&c->s.alpn, names[i], len));
    }
    return 0;
}

int config_set_versions(struct config *c, unsigned min, unsigned max)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (min < TLS_1_2 || max > TLS_1_3 || min > max) {
        return ERR_ARG;
    }
    if (max < TLS_1_3) {
        return ERR_UNSUPPORTED;
    }
    c->s.min_version = min;
    c->s.max_version = max;
    return 0;
}

int config_set_suites(struct config *c, const uint16_t *ids, size_t n)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (n > SETTINGS_SUITES) {
        return ERR_LIMIT;
    }
    c->s.nsuites = 0;
    for (size_t i = 0; i < n; i++) {
        const struct suite *s = suite_by_id(ids[i]);

        if (!s) {
            return ERR_UNSUPPORTED;
        }
        c->s.suites[c->s.nsuites++] = s;
    }
    return 0;
}

int config_set_groups(struct config *c, const uint16_t *ids, size_t n)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (n > SETTINGS_GROUPS) {
        return ERR_LIMIT;
    }
    c->s.ngroups = 0;
    for (size_t i = 0; i < n; i++) {
        const struct group *g = group_by_id(ids[i]);

        if (!g) {
            return ERR_UNSUPPORTED;
        }
        c->s.groups[c->s.ngroups++] = g;
    }
    return 0;
}

int config_set_verify(struct config *c, enum verify_mode mode)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.verify = mode;
    return 0;
}

int config_set_client_auth(struct config *c, enum client_auth mode)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.client_auth = mode;
    return 0;
}

int config_set_clock(struct config *c, int64_t (*now)(void))
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.now = now;
    return 0;
}

int config_set_keylog(struct config *c, void (*fn)(void *ctx, const char *line), void *ctx)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.keylog = fn;
    c->s.keylog_ctx = ctx;
    return 0;
}

int config_set_verify_callback(struct config *c, verify_fn *fn, void *ctx)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    c->s.on_verify = fn;
    c->s.on_verify_ctx = ctx;
    return 0;
}

static void fill_defaults(struct settings *s)
{
    if (s->nsuites == 0) {
        for (; s->nsuites < SETTINGS_SUITES && suite_at(s->nsuites); s->nsuites++) {
            s->suites[s->nsuites] = suite_at(s->nsuites);
        }
    }
    if (s->ngroups == 0) {
        for (; s->ngroups < SETTINGS_GROUPS && group_at(s->ngroups); s->ngroups++) {
            s->groups[s->ngroups] = group_at(s->ngroups);
        }
    }
}

int config_seal(struct config *c, struct error *err)
{
    struct settings *s = &c->s;
    bool verifies = s->role == TLS_CLIENT || s->client_auth != CLIENT_AUTH_NONE;

    if (c->sealed) {
        return 0;
    }
    if (s->role == TLS_SERVER && s->nidentities == 0) {
        return FAIL(err, ERR_ARG, "a server needs a certificate and its key");
    }
    /* With a callback the application may accept what no anchor vouches for: it is told so. */
    if (verifies && s->verify != VERIFY_NONE && !s->on_verify &&
        (!s->trust || trust_count(s->trust) == 0)) {
        return FAIL(err, ERR_ARG, "no CA certificates are set to verify the peer with");
    }
    if (verifies && s->verify != VERIFY_NONE && !s->now) {
        return FAIL(err, ERR_ARG, "no clock is set to check validity dates with");
    }
    fill_defaults(s);
    c->sealed = true;
    return 0;
}
