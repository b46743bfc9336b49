/* SPDX-License-Identifier: ISC */
/* memcached, by libmemcached: loaded when it is asked for, so that nobody else needs it. What it
 * declares is held against what is called at build time; without its header there is no such
 * store. */
#include "shim/store.h"

#if __has_include(<libmemcached/memcached.h>)
#include <dlfcn.h>
#include <libmemcached/memcached.h>
#include <stdlib.h>

#define LIBRARY_NAME "libmemcached.so.11"

static struct {
    __typeof__(&memcached_create) create;
    __typeof__(&memcached_server_add) add;
    __typeof__(&memcached_server_add_unix_socket) add_unix;
    __typeof__(&memcached_behavior_set) behave;
    __typeof__(&memcached_get) get;
    __typeof__(&memcached_set) set;
    __typeof__(&memcached_delete) remove;
    __typeof__(&memcached_free) free;
} api;

static bool load(void)
{
    void *lib = dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_LOCAL);

    if (!lib) {
        return false;
    }
    *(void **)&api.create = dlsym(lib, "memcached_create");
    *(void **)&api.add = dlsym(lib, "memcached_server_add");
    *(void **)&api.add_unix = dlsym(lib, "memcached_server_add_unix_socket");
    *(void **)&api.behave = dlsym(lib, "memcached_behavior_set");
    *(void **)&api.get = dlsym(lib, "memcached_get");
    *(void **)&api.set = dlsym(lib, "memcached_set");
    *(void **)&api.remove = dlsym(lib, "memcached_delete");
    *(void **)&api.free = dlsym(lib, "memcached_free");
    return api.create && api.add && api.add_unix && api.behave && api.get && api.set &&
           api.remove && api.free;
}

/* Of one that cannot be reached the first request finds out. */
static void *connect_to(const struct store_place *p, int timeout_ms)
{
    const uint64_t ms = (uint64_t)timeout_ms;
    memcached_st *m = api.create(NULL);
    bool fine = m != NULL;

    fine = fine && !api.behave(m, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, ms);
    fine = fine && !api.behave(m, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, ms);
    fine = fine && !api.behave(m, MEMCACHED_BEHAVIOR_SND_TIMEOUT, ms * 1000);
    fine = fine && !api.behave(m, MEMCACHED_BEHAVIOR_RCV_TIMEOUT, ms * 1000);
    fine = fine && !api.behave(m, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    fine = fine && !(p->port ? api.add(m, p->host, (in_port_t)p->port) : api.add_unix(m, p->host));
    if (m && !fine) {
        api.free(m);
        m = NULL;
    }
    return m;
}

/* The server has spoken, whatever it said. */
static int said(memcached_return_t rc)
{
    switch (rc) {
    case MEMCACHED_SUCCESS:
    case MEMCACHED_DELETED:
    case MEMCACHED_BUFFERED:
        return 1;
    case MEMCACHED_NOTFOUND:
        return 0;
    default:
        return -1;
    }
}

static int drop(void *link, const char *key)
{
    return said(api.remove(link, key, strlen(key), 0));
}

/* It serves once: of several who have read it, one can delete it. */
static int get(void *link, const char *key, bool takes, uint8_t *value, size_t *n)
{
    memcached_return_t rc = MEMCACHED_FAILURE;
    uint32_t flags;
    char *found = api.get(link, key, strlen(key), n, &flags, &rc);
    int is = said(rc);

    if (is > 0 && (!found || *n > SESSION_STORED_MAX)) {
        is = 0;
    }
    if (is > 0) {
        memcpy(value, found, *n);
    }
    free(found);
    return is > 0 && takes ? drop(link, key) : is;
}

/* Without an answer: of one that is none of memcached's the library ends the process (an assertion
 * in its storage.cc). */
static int put(void *link, const char *key, struct span value, uint32_t life)
{
    int rc;

    if (api.behave(link, MEMCACHED_BEHAVIOR_NOREPLY, 1)) {
        return -1;
    }
    rc = said(api.set(link, key, strlen(key), (const char *)value.p, value.n, (time_t)life, 0));
    return api.behave(link, MEMCACHED_BEHAVIOR_NOREPLY, 0) ? -1 : rc;
}

static int fd_of(void *link)
{
    (void)link; /* the library does not tell */
    return -1;
}

static void disconnect(void *link)
{
    api.free(link);
}

const struct store_driver memcached_driver = {
    load, connect_to, get, put, drop, fd_of, disconnect
};
#else
static bool load(void)
{
    return false;
}

const struct store_driver memcached_driver = { .load = load };
#endif
