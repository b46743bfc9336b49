/* SPDX-License-Identifier: ISC */
/* Redis, by hiredis: loaded when it is asked for, so that nobody else needs it. What it declares is
 * held against what is called at build time; without its header there is no such store. */
#include "shim/store.h"

#if __has_include(<hiredis/hiredis.h>)
#include <dlfcn.h>
#include <hiredis/hiredis.h>

#define TEXT(x)      #x
#define VERSION(x)   TEXT(x)
#define LIBRARY_NAME "libhiredis.so." VERSION(HIREDIS_SONAME)

static struct {
    __typeof__(&redisConnectWithTimeout) connect;
    __typeof__(&redisConnectUnixWithTimeout) connect_unix;
    __typeof__(&redisSetTimeout) set_timeout;
    __typeof__(&redisCommand) command;
    __typeof__(&freeReplyObject) free_reply;
    __typeof__(&redisFree) free;
} api;

static bool load(void)
{
    void *lib = dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_LOCAL);

    if (!lib) {
        return false;
    }
    *(void **)&api.connect = dlsym(lib, "redisConnectWithTimeout");
    *(void **)&api.connect_unix = dlsym(lib, "redisConnectUnixWithTimeout");
    *(void **)&api.set_timeout = dlsym(lib, "redisSetTimeout");
    *(void **)&api.command = dlsym(lib, "redisCommand");
    *(void **)&api.free_reply = dlsym(lib, "freeReplyObject");
    *(void **)&api.free = dlsym(lib, "redisFree");
    return api.connect && api.connect_unix && api.set_timeout && api.command && api.free_reply &&
           api.free;
}

static void *connect_to(const struct store_place *p, int timeout_ms)
{
    const struct timeval t = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
    redisContext *c = p->port ? api.connect(p->host, p->port, t) : api.connect_unix(p->host, t);

    if (c && (c->err || api.set_timeout(c, t) != REDIS_OK)) {
        api.free(c);
        c = NULL;
    }
    return c;
}

/* What is not a string of a length that we put, is nothing. */
static int get(void *link, const char *key, bool takes, uint8_t *value, size_t *n)
{
    redisReply *r = api.command(link, takes ? "GETDEL %s" : "GET %s", key);
    bool found;

    if (!r) {
        return -1;
    }
    found = r->type == REDIS_REPLY_STRING && r->len <= SESSION_STORED_MAX;
    if (found) {
        memcpy(value, r->str, r->len);
        *n = r->len;
    }
    api.free_reply(r);
    return found;
}

static int done(redisReply *r)
{
    int rc = !r ? -1 : r->type != REDIS_REPLY_ERROR;

    if (r) {
        api.free_reply(r);
    }
    return rc;
}

static int put(void *link, const char *key, struct span value, uint32_t life)
{
    return done(api.command(link, "SET %s %b EX %u", key, value.p, value.n, (unsigned)life));
}

static int drop(void *link, const char *key)
{
    return done(api.command(link, "DEL %s", key));
}

static int fd_of(void *link)
{
    return ((redisContext *)link)->fd;
}

static void disconnect(void *link)
{
    api.free(link);
}

const struct store_driver redis_driver = { load, connect_to, get, put, drop, fd_of, disconnect };
#else
static bool load(void)
{
    return false;
}

const struct store_driver redis_driver = { .load = load };
#endif
