/* SPDX-License-Identifier: ISC */
/* The stores of this process, by name. */
#include "shim/store.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "shim/conn.h"

#define KEYS_LIFE_MS (INT64_C(2) * 24 * 3600 * 1000)

struct store {
    struct store *next;
    char *name;
    const struct store_kind *kind;
    struct session_store calls;
    struct ticket_keys *keys;
};
static _Atomic(struct store *) all; /* only ever longer */

static struct store *find(struct store *s, const char *name)
{
    while (s && strcmp(s->name, name) != 0) {
        s = s->next;
    }
    return s;
}

/* ---- names ---- */

/* 1 to max, nothing behind it; 0: not so. */
static int number_of(const char *text, int max)
{
    char *end;
    long n = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : 0;

    return n > 0 && n <= max && *end == '\0' ? (int)n : 0;
}

/* "/path", "HOST:PORT", "[::1]:PORT" */
static bool place_of(const char *text, struct store_place *p)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;

    *p = (struct store_place){ .port = 0 };
    if (*text == '/') {
        n = strlen(text);
    } else {
        p->port = colon ? number_of(colon + 1, 65535) : 0;
        if (p->port == 0) {
            return false;
        }
        if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
            text++;
            n -= 2;
        }
    }
    if (n == 0 || n >= sizeof p->host) {
        return false;
    }
    memcpy(p->host, text, n);
    return p->port == 0 || host_is_valid(p->host) || host_is_ip(p->host);
}

static int make_net(struct store *s, const struct store_driver *d, const char *rest,
                    const char *library, struct error *err)
{
    struct store_place p;

    if (!place_of(rest, &p)) {
        return FAIL(err, ERR_ARG, "\"%.100s\" names neither HOST:PORT nor /path", rest);
    }
    if (!d->load()) {
        return FAIL(err, ERR_UNSUPPORTED, "%s is not there, or was not when this was built",
                    library);
    }
    s->kind = &net_kind;
    s->calls = net_kind.calls;
    s->calls.ctx = net_new(d, &p);
    return s->calls.ctx ? 0 : FAIL(err, ERR_MEM, "no memory for a session store");
}

static int make_shm(struct store *s, const char *rest, struct error *err)
{
    const int entries = number_of(rest, STORE_SHM_MAX);

    if (!entries) {
        return FAIL(err, ERR_ARG, "shm:ENTRIES are 1 to %d, not \"%.50s\"", STORE_SHM_MAX, rest);
    }
    s->kind = &shm_kind;
    s->calls = shm_kind.calls;
    s->calls.ctx = shm_new((size_t)entries);
    return s->calls.ctx ? 0 : FAIL(err, ERR_MEM, "no shared memory for %d sessions", entries);
}

static const char *behind(const char *text, const char *prefix)
{
    const size_t n = strlen(prefix);

    return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

static int make(struct store *s, const char *name, struct error *err)
{
    const char *rest;

    s->name = mem_strdup(name);
    s->keys = ticket_keys_new(KEYS_LIFE_MS);
    if (!s->name || !s->keys || ticket_keys_share(s->keys, (int64_t)time(NULL) * 1000) < 0) {
        return FAIL(err, ERR_MEM, "no memory or no randomness for a session store");
    }
    if ((rest = behind(name, "shm:"))) {
        return make_shm(s, rest, err);
    }
    if ((rest = behind(name, "memcached:"))) {
        return make_net(s, &memcached_driver, rest, "libmemcached", err);
    }
    if ((rest = behind(name, "redis:"))) {
        return make_net(s, &redis_driver, rest, "hiredis", err);
    }
    return FAIL(err, ERR_ARG, "\"%.100s\" is none of shm:, memcached:, redis:", name);
}

/* ---- all of them ---- */

/* The one of that name: s, unless another thread was first. */
static struct store *add(struct store *s)
{
    struct store *head = atomic_load(&all), *found;

    do {
        found = find(head, s->name);
        s->next = head;
    } while (!found && !atomic_compare_exchange_weak(&all, &head, s));
    return found ? found : s;
}

int store_open(const char *name, struct store **out, struct error *err)
{
    struct store *s;
    int rc;

    *out = find(atomic_load(&all), name);
    if (*out) {
        return 0;
    }
    if (crypto_init() < 0 || !(s = mem_zalloc(sizeof *s))) {
        return FAIL(err, ERR_MEM, "no memory for a session store");
    }
    rc = make(s, name, err);
    *out = rc == 0 ? add(s) : NULL;
    if (*out != s) {
        if (rc == 0 && s->kind == &shm_kind) { /* the other kind stays, and is not used */
            shm_free(s->calls.ctx);
        }
        ticket_keys_unref(s->keys);
        mem_free(s->name);
        mem_free(s);
    }
    return rc;
}

void store_set_timeout(struct store *s, int ms)
{
    if (s->kind->set_timeout) {
        s->kind->set_timeout(s->calls.ctx, ms);
    }
}

const struct session_store *store_calls(const struct store *s)
{
    return &s->calls;
}

struct ticket_keys *store_keys(const struct store *s)
{
    return s->keys;
}

void stores_expire(void)
{
    for (struct store *s = atomic_load(&all); s; s = s->next) {
        if (s->kind->expire) {
            s->kind->expire(s->calls.ctx);
        }
    }
}
