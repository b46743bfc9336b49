/* SPDX-License-Identifier: ISC */
/* What a configuration is made from: strings, numbers and keys, shared by all fds that inherited
 * them. */
#include <stdatomic.h>

#include "base/mem.h"
#include "base/secret.h"
#include "shim/ssl_options.h"
#include "shim/store.h"

struct ssl_settings *ssl_settings_new(void)
{
    struct ssl_settings *s = mem_zalloc(sizeof *s);

    if (s) {
        atomic_store(&s->refs, 1);
        s->number[NUM_VERIFY] = SSL_VERIFY_FULL;
        s->number[NUM_RELOAD] = 1;
        s->number[NUM_REUSE] = 1;
        s->number[NUM_TICKETS] = 2;
        s->number[NUM_STORE_TIMEOUT] = STORE_TIMEOUT_MS;
        s->number[NUM_MAX_HELLO] = MAX_HELLO_DEFAULT;
        s->number[NUM_MAX_CHAIN] = MAX_CHAIN_DEFAULT;
        s->number[NUM_MAX_IDLE] = MAX_IDLE_DEFAULT;
        s->number[NUM_CACHE] = SESSION_IDS;
        s->nown = 1;
    }
    return s;
}

/* What was built is another one's from here on. */
static void unseal(struct ssl_settings *s)
{
    reload_free(&s->sealed[TLS_CLIENT]);
    reload_free(&s->sealed[TLS_SERVER]);
    server_sessions_free(atomic_exchange(&s->sessions, NULL));
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
    while (*at && (strcmp((*at)->identity, p->identity) != 0 ||
                   ((*at)->hash == HASH_NONE) != (p->hash == SSL_PSK_TLS12))) {
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
                         .hash = p->hash == SSL_PSK_SHA384  ? HASH_SHA384
                                 : p->hash == SSL_PSK_TLS12 ? HASH_NONE
                                                            : HASH_SHA256,
                         .import = p->own };
    memcpy((*at)->key, p->key, p->key_len);
    memcpy((*at)->identity, p->identity, strlen(p->identity));
    if (p->own) {
        memcpy((*at)->own, p->own, strlen(p->own));
        memcpy((*at)->peer, p->peer, strlen(p->peer));
    }
    return 0;
}

bool ssl_settings_has_psks(const struct ssl_settings *s)
{
    return s->psks || s->string[SET_PSKS - SET_OWN];
}

/* ---- all settings ---- */

static void free_string(char **s)
{
    mem_free_secret(*s, *s ? strlen(*s) : 0);
    *s = NULL;
}

static int copy_string(char **to, const char *from)
{
    char *copy = from && *from ? mem_strdup(from) : NULL;

    if (from && *from && !copy) {
        return ERR_MEM;
    }
    free_string(to);
    *to = copy;
    return 0;
}

static int copy_strings(struct ssl_settings *to, const struct ssl_settings *from)
{
    for (size_t i = 0; i < SET_STRINGS - SET_OWN; i++) {
        TRY(copy_string(&to->string[i], from->string[i]));
    }
    to->nown = from->nown;
    for (size_t i = 0; i < from->nown; i++) {
        for (size_t k = 0; k < SET_OWN; k++) {
            TRY(copy_string(&to->own[i][k], from->own[i][k]));
        }
    }
    return 0;
}

struct ssl_settings *ssl_settings_copy(const struct ssl_settings *s)
{
    struct ssl_settings *copy = ssl_settings_new();

    if (!copy || copy_strings(copy, s) < 0 || copy_psks(copy, s) < 0) {
        ssl_settings_put(copy);
        return NULL;
    }
    memcpy(copy->number, s->number, sizeof copy->number);
    memcpy(copy->hook, s->hook, sizeof copy->hook);
    return copy;
}

struct ssl_settings *ssl_settings_ref(struct ssl_settings *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

/* The certificates from the i-th on, with what belongs to them. */
static void drop_own(struct ssl_settings *s, size_t i)
{
    for (size_t n = i; n < s->nown; n++) {
        for (size_t k = 0; k < SET_OWN; k++) {
            free_string(&s->own[n][k]);
        }
    }
    s->nown = i > 0 && i < s->nown ? i : s->nown;
}

void ssl_settings_put(struct ssl_settings *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) {
        return;
    }
    unseal(s);
    forget_psks(s);
    for (size_t i = 0; i < SET_STRINGS - SET_OWN; i++) {
        free_string(&s->string[i]);
    }
    drop_own(s, 0);
    mem_free(s);
}

static char **place_of(struct ssl_settings *s, enum setting which)
{
    return which < SET_OWN ? &s->own[s->nown - 1][which] : &s->string[which - SET_OWN];
}

const char *ssl_settings_get(struct ssl_settings *s, enum setting which)
{
    return *place_of(s, which);
}

int ssl_settings_string(struct ssl_settings *s, enum setting which, const char *value)
{
    unseal(s);
    if (which == SET_CERT) {
        drop_own(s, 1);
    }
    return copy_string(place_of(s, which), value);
}

int ssl_settings_add(struct ssl_settings *s, const char *cert)
{
    unseal(s);
    if (s->own[s->nown - 1][SET_CERT]) {
        if (s->nown == SETTINGS_IDENTITIES) {
            return ERR_LIMIT;
        }
        s->nown++;
    }
    return copy_string(&s->own[s->nown - 1][SET_CERT], cert);
}

void ssl_settings_hook(struct ssl_settings *s, enum hook which, const struct ssl_hook *h)
{
    unseal(s);
    s->hook[which] = *h;
}

void ssl_settings_number(struct ssl_settings *s, enum number which, int value)
{
    unseal(s);
    s->number[which] = value;
}
