/* SPDX-License-Identifier: ISC */
/* The pre-shared keys of a config: those of TLS 1.3, and those of the suites before it. */
#include "base/buf.h"
#include "config_local.h"

static bool name_fits(struct span name)
{
    return name.n > 0 && name.n <= PSK_NAME_MAX && !memchr(name.p, 0, name.n);
}

static bool end_fits(const char *name)
{
    return name && *name && strnlen(name, 256) < 256;
}

/* Where one more goes; NULL: there is one of that name, imported or not. *n: of keys so far. */
static struct ext_psk **end_of(struct ext_psk **at, struct span name, size_t *n)
{
    for (*n = 0; *at; at = &(*at)->next, (*n)++) {
        if (span_eq(span_text((*at)->name), name)) {
            return NULL;
        }
    }
    return at;
}

int config_add_psk(struct config *c, struct span name, struct span key, enum hash_id hash,
                   const char *own, const char *peer)
{
    static const enum hash_id targets[] = { HASH_SHA256, HASH_SHA384 };
    bool client = c->s.role == TLS_CLIENT, import = own || peer;
    struct ext_psk **end, *first, *second = NULL;
    size_t n;

    hash = hash == HASH_NONE ? HASH_SHA256 : hash;
    if (c->sealed) {
        return ERR_STATE;
    }
    if (!name_fits(name) || key.n < PSK_KEY_MIN || key.n > PSK_KEY_MAX ||
        (hash != HASH_SHA256 && hash != HASH_SHA384) ||
        (import && (!end_fits(own) || !end_fits(peer) || strcmp(own, peer) == 0))) {
        return ERR_ARG;
    }
    end = end_of(&c->s.psks, name, &n);
    if (!end) {
        return ERR_ARG;
    }
    if (client && n + (import ? 2 : 1) > PSK_OFFERS) {
        return ERR_LIMIT;
    }
    if (!import) {
        first = psk_new(name, key, hash);
    } else {
        const char *a = client ? own : peer, *b = client ? peer : own;

        first = psk_new_imported(name, key, hash, targets[0], a, b);
        second = psk_new_imported(name, key, hash, targets[1], a, b);
    }
    if (!first || (import && !second)) {
        psks_free(first);
        psks_free(second);
        return ERR_MEM;
    }
    first->next = second;
    *end = first;
    return 0;
}

int config_add_psk12(struct config *c, struct span name, struct span key)
{
    struct ext_psk **end;
    size_t n;

    if (c->sealed) {
        return ERR_STATE;
    }
    if (!name_fits(name) || key.n == 0 || key.n > PSK_KEY_MAX) {
        return ERR_ARG;
    }
    end = end_of(&c->s.psks12, name, &n);
    if (!end) {
        return ERR_ARG;
    }
    *end = psk_new(name, key, HASH_NONE);
    return *end ? 0 : ERR_MEM;
}

int config_set_psk_hint(struct config *c, struct span hint)
{
    if (c->sealed) {
        return ERR_STATE;
    }
    if (hint.n > PSK_NAME_MAX || (hint.n && memchr(hint.p, 0, hint.n))) {
        return ERR_ARG;
    }
    buf_free(&c->s.psk_hint);
    return buf_append(&c->s.psk_hint, hint.p, hint.n);
}
