/* SPDX-License-Identifier: ISC */
/* Sessions on a server that machines share. A thread talks to it, one request after another; the
 * handshakes leave requests and go on, or come back for the answer. A server that fails, or is too
 * slow, is not asked for a second: lookups have missed at once then, and nothing is put.
 *
 * The lock is held for moments, with signals blocked; under it nothing else is taken but a lookup's
 * own lock, and lookups are answered under it only: so a fork can take it and find all of them
 * free. The child has no thread and no connection: what was asked has missed there, and the next
 * request starts anew. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/trace.h"
#include "shim/conn.h"
#include "shim/store.h"

#define WAITING_MAX 1024 /* requests; more of them are not taken */
#define PAUSE_MS    1000 /* for a server that failed */
#define STACK       (256 * 1024)
#define KEY_SIZE    (8 + (2 * SESSION_ID_MAX) + 1)

struct request {
    struct request *next;
    enum wanted { GET, PUT, DROP } what;
    char key[KEY_SIZE];
    struct session_lookup *lookup; /* GET: a reference; NULL: it was answered */
    bool takes;
    int64_t deadline;
    uint32_t life; /* PUT */
    size_t n;
    uint8_t value[];
};

struct net {
    const struct store_driver *driver;
    struct store_place place;
    struct net *next_made;
    _Atomic int timeout_ms;
    pthread_mutex_t lock;
    /* under it */
    pthread_cond_t come;
    pid_t pid;       /* of the process whose thread it is; 0: there is none */
    int fd;          /* of the connection; -1: not known */
    int64_t pause;   /* not asked before */
    size_t nwaiting; /* in the list */
    struct request *first, **end;
    struct request *now; /* what the thread is at */
};

static _Atomic(struct net *) all;

static void acquire(struct net *n, sigset_t *signals, int *cancel)
{
    calm(signals, cancel);
    pthread_mutex_lock(&n->lock);
}

static void release(struct net *n, const sigset_t *signals, int cancel)
{
    pthread_mutex_unlock(&n->lock);
    uncalm(signals, cancel);
}

/* ---- requests; under the lock ---- */

static void request_free(struct request *r)
{
    if (r) {
        session_lookup_unref(r->lookup);
        mem_free(r);
    }
}

static void miss(struct request *r)
{
    if (r->lookup) {
        session_lookup_missed(r->lookup);
        session_lookup_unref(r->lookup);
        r->lookup = NULL;
    }
}

static void forget_all(struct net *n)
{
    while (n->first) {
        struct request *r = n->first;

        n->first = r->next;
        miss(r);
        request_free(r);
    }
    n->end = &n->first;
    n->nwaiting = 0;
}

static struct request *next_request(struct net *n)
{
    struct request *r = n->first;

    n->first = r->next;
    n->end = n->first ? n->end : &n->first;
    n->nwaiting--;
    n->now = r;
    return r;
}

/* ---- the thread ---- */

/* What the server says to it; < 0: nothing. */
static int ask(const struct store_driver *d, void *link, const struct request *r, uint8_t *value,
               size_t *n)
{
    switch (r->what) {
    case GET:
        return d->get(link, r->key, r->takes, value, n);
    case PUT:
        return d->put(link, r->key, span_of(r->value, r->n), r->life);
    default:
        return d->drop(link, r->key);
    }
}

/* One request, without the lock. *link: the connection, NULL: there is none. */
static int exchange(const struct net *n, void **link, const struct request *r, uint8_t *value,
                    size_t *nvalue)
{
    int rc = -1;

    if (!*link) {
        *link = n->driver->connect(&n->place, atomic_load(&n->timeout_ms));
    }
    if (*link) {
        rc = ask(n->driver, *link, r, value, nvalue);
    }
    if (*link && rc < 0) {
        n->driver->disconnect(*link);
        *link = NULL;
    }
    if (rc < 0) {
        trace(TRACE_INFO, "the session store at %s does not answer", n->place.host);
    }
    return rc;
}

/* With the lock; value: SESSION_STORED_MAX bytes. */
static void serve(struct net *n, uint8_t *value)
{
    void *link = NULL;

    for (;;) {
        struct request *r;
        size_t nvalue = 0;
        int rc = 0;

        while (!n->first) {
            pthread_cond_wait(&n->come, &n->lock);
        }
        r = next_request(n);
        if (r->what != GET || r->lookup) { /* else it came too late */
            pthread_mutex_unlock(&n->lock);
            rc = exchange(n, &link, r, value, &nvalue);
            pthread_mutex_lock(&n->lock);
        }
        n->fd = link ? n->driver->fd(link) : -1;
        n->now = NULL;
        if (r->lookup && rc > 0) {
            session_lookup_found(r->lookup, span_of(value, nvalue));
        }
        miss(r);
        request_free(r);
        if (rc < 0) {
            n->pause = now_ms() + PAUSE_MS;
            forget_all(n);
        }
    }
}

static void *thread_main(void *arg)
{
    struct net *n = arg;
    uint8_t *value = mem_alloc(SESSION_STORED_MAX);

    pthread_mutex_lock(&n->lock);
    if (value) {
        serve(n, value);
    }
    forget_all(n);
    n->pid = 0; /* the next request tries again */
    pthread_mutex_unlock(&n->lock);
    return NULL;
}

/* Without signals, as the caller has none. Under the lock. */
static bool start(struct net *n)
{
    pthread_attr_t how;
    pthread_t id;
    int rc;

    if (n->pid) {
        return true;
    }
    if (pthread_attr_init(&how) != 0) {
        return false;
    }
    pthread_attr_setstacksize(&how, STACK);
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    rc = pthread_create(&id, &how, thread_main, n);
    pthread_attr_destroy(&how);
    n->pid = rc == 0 ? getpid() : 0;
    return rc == 0;
}

/* ---- fork ---- */

static struct {
    sigset_t signals;
    int cancel;
} over_fork;

static void before_fork(void)
{
    sigset_t signals;
    int cancel;

    calm(&signals, &cancel);
    for (struct net *n = atomic_load(&all); n; n = n->next_made) {
        pthread_mutex_lock(&n->lock);
    }
    over_fork.signals = signals;
    over_fork.cancel = cancel;
}

static void after_parent(void)
{
    sigset_t signals = over_fork.signals;
    int cancel = over_fork.cancel;

    for (struct net *n = atomic_load(&all); n; n = n->next_made) {
        pthread_mutex_unlock(&n->lock);
    }
    uncalm(&signals, cancel);
}

/* In a child: the thread is not there. What it was at, and its connection, may be in any state: the
 * socket is closed, the rest is left alone. */
static void renew(struct net *n)
{
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->come, NULL);
    if (n->now) {
        miss(n->now);
        n->now = NULL;
    }
    forget_all(n);
    if (n->pid && n->fd >= 0) {
        sys.close(n->fd);
    }
    n->fd = -1;
    n->pause = 0;
    n->pid = 0;
}

static void after_child(void)
{
    for (struct net *n = atomic_load(&all); n; n = n->next_made) {
        renew(n);
    }
    uncalm(&over_fork.signals, over_fork.cancel);
}

static void watch_forks(void)
{
    (void)!pthread_atfork(before_fork, after_parent, after_child);
}

struct net *net_new(const struct store_driver *d, const struct store_place *p)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct net *n = mem_zalloc(sizeof *n);

    if (!n) {
        return NULL;
    }
    pthread_once(&once, watch_forks);
    n->driver = d;
    n->place = *p;
    n->timeout_ms = STORE_TIMEOUT_MS;
    n->end = &n->first;
    n->fd = -1;
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->come, NULL);
    n->next_made = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &n->next_made, n)) {
    }
    return n;
}

/* ---- the store ---- */

static void key_of(struct span id, char key[static KEY_SIZE])
{
    size_t at = 7;

    memcpy(key, "sleeve:", at);
    for (size_t i = 0; i < id.n; i++) {
        key[at++] = "0123456789abcdef"[id.p[i] >> 4];
        key[at++] = "0123456789abcdef"[id.p[i] & 15];
    }
    key[at] = '\0';
}

static struct request *request_new(enum wanted what, struct span id, struct span value)
{
    struct request *r = id.n <= SESSION_ID_MAX ? mem_alloc(sizeof *r + value.n) : NULL;

    if (r) {
        *r = (struct request){ .what = what, .n = value.n };
        key_of(id, r->key);
        if (value.n) {
            memcpy(r->value, value.p, value.n);
        }
    }
    return r;
}

/* false: it is not taken, and remains the caller's. */
static bool submit(struct net *n, struct request *r)
{
    bool taken;
    sigset_t signals;
    int cancel;

    acquire(n, &signals, &cancel);
    taken = n->nwaiting < WAITING_MAX && now_ms() >= n->pause && start(n);
    if (taken) {
        r->deadline = now_ms() + atomic_load(&n->timeout_ms);
        *n->end = r;
        n->end = &r->next;
        n->nwaiting++;
        pthread_cond_signal(&n->come);
    }
    release(n, &signals, cancel);
    return taken;
}

static void put(void *ctx, struct span id, struct span value, uint32_t life)
{
    struct request *r = request_new(PUT, id, value);

    if (r) {
        r->life = life;
        if (!submit(ctx, r)) {
            request_free(r);
        }
    }
}

static void get(void *ctx, struct session_lookup *l)
{
    struct request *r = request_new(GET, session_lookup_id(l), span_of(NULL, 0));

    if (r) {
        r->takes = session_lookup_takes(l);
        r->lookup = session_lookup_ref(l);
        if (!submit(ctx, r)) {
            miss(r);
            request_free(r);
        }
    } else {
        session_lookup_missed(l);
    }
}

static void drop(void *ctx, struct span id)
{
    struct request *r = request_new(DROP, id, span_of(NULL, 0));

    if (r && !submit(ctx, r)) {
        request_free(r);
    }
}

/* Who waits asks. */
static void expire(void *ctx)
{
    struct net *n = ctx;
    int64_t now = now_ms();
    sigset_t signals;
    bool late;
    int cancel;

    acquire(n, &signals, &cancel);
    late = n->now && n->now->lookup && n->now->deadline <= now;
    if (late) {
        miss(n->now);
    }
    for (struct request *r = n->first; r; r = r->next) {
        if (r->lookup && r->deadline <= now) {
            miss(r);
            late = true;
        }
    }
    if (late) {
        n->pause = now + PAUSE_MS;
    }
    release(n, &signals, cancel);
}

static void set_timeout(void *ctx, int ms)
{
    struct net *n = ctx;

    atomic_store(&n->timeout_ms, ms);
}

const struct store_kind net_kind = {
    .calls = { .put = put, .get = get, .drop = drop },
    .set_timeout = set_timeout,
    .expire = expire,
};
