/* SPDX-License-Identifier: ISC */
/* Session stores of SSL_OPT_SESSION_STORE: memory shared by the processes of a prefork server, or a
 * memcached or Redis server that machines share. One for each name in the process; it is never
 * closed. Nothing in here waits, but a thread of its own that talks to the server. */
#ifndef SHIM_STORE_H
#define SHIM_STORE_H
#include "base/error.h"
#include "config.h"

#define STORE_TIMEOUT_MS 50 /* the default */

struct store;
/* "shm:ENTRIES", "memcached:HOST:PORT", "memcached:/path.sock", "redis:...". Shared memory, and the
 * keys, are made by the first call: before a fork that is to share them. 0, or ERR_ARG, ERR_MEM,
 * ERR_UNSUPPORTED (no library for it) with a sentence. */
int store_open(const char *name, struct store **out, struct error *err) MUST_CHECK;
/* How long an answer may take, for all who use it. */
void store_set_timeout(struct store *s, int ms);
const struct session_store *store_calls(const struct store *s);
struct ticket_keys *store_keys(const struct store *s); /* drawn when it was opened */
/* Lookups that took too long have missed from here on. */
void stores_expire(void);

/* ---- what the kinds give to store.c ---- */
struct store_kind {
    struct session_store calls;
    void (*set_timeout)(void *ctx, int ms); /* NULL: there is nothing to wait for */
    void (*expire)(void *ctx);              /* likewise */
};
/* ---- store_shm.c ---- */
#define STORE_SHM_MAX   1000000 /* entries */
#define STORE_SHM_VALUE 1984    /* bytes; what is longer is not kept */
struct shm;
struct shm *shm_new(size_t entries); /* NULL: no memory */
void shm_free(struct shm *m);
extern const struct store_kind shm_kind; /* ctx: a struct shm */

/* ---- store_net.c ---- */
struct store_place {
    char host[256]; /* or the path of a socket */
    int port;       /* 0: a path */
};
/* How to talk to one kind of server. Called by one thread, which may wait in there for about as
 * long as the timeout says. What get, put and drop return: 1 done or found, 0 not, -1 the
 * connection is of no use any more. */
struct store_driver {
    bool (*load)(void); /* false: the library is not there */
    void *(*connect)(const struct store_place *p, int timeout_ms);
    int (*get)(void *link, const char *key, bool takes, uint8_t *value, size_t *n);
    int (*put)(void *link, const char *key, struct span value, uint32_t life);
    int (*drop)(void *link, const char *key);
    int (*fd)(void *link); /* for a forked child to close; -1: not known */
    void (*disconnect)(void *link);
};
struct net;
struct net *net_new(const struct store_driver *d,
                    const struct store_place *p); /* NULL: no memory */
extern const struct store_kind net_kind;          /* ctx: a struct net */
extern const struct store_driver redis_driver, memcached_driver;
#endif
