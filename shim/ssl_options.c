/* SPDX-License-Identifier: ISC */
/* Which fd has which options. Read at connect, accept and attach, not per read and write: one lock.
 */
#include "shim/ssl_options.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "shim/conn.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct options **by_fd; /* under lock, like all below */
static size_t size;
static struct options defaults;

/* The lock is held for moments and without signals, so a fork can take it. */
struct held {
    sigset_t signals;
    int cancel;
};
static struct held over_fork;

static void acquire(struct held *h)
{
    struct held mine;

    calm(&mine.signals, &mine.cancel);
    pthread_mutex_lock(&lock);
    *h = mine;
}

static void release(const struct held *h)
{
    struct held mine = *h;

    pthread_mutex_unlock(&lock);
    uncalm(&mine.signals, mine.cancel);
}

static void before_fork(void)
{
    acquire(&over_fork);
}

static void after_fork(void)
{
    release(&over_fork);
}

static void init(void)
{
    pthread_atfork(before_fork, after_fork, after_fork);
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t n = sizeof cookie;

    return sys.getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n) == 0 ? cookie : 0;
}

/* Under the lock. */
static struct options *find(int fd)
{
    if (fd == SSL_DEFAULTS) {
        if (!defaults.set) {
            defaults.set = ssl_settings_new();
        }
        return defaults.set ? &defaults : NULL;
    }
    return fd >= 0 && (size_t)fd < size ? by_fd[fd] : NULL;
}

static int grow(size_t n)
{
    size_t more = size ? size : 64;
    struct options **mem;

    while (more < n) {
        more *= 2;
    }
    mem = mem_zalloc(more * sizeof(struct options *));
    if (!mem) {
        return -1;
    }
    if (size) {
        memcpy(mem, by_fd, size * sizeof(struct options *));
    }
    mem_free(by_fd);
    by_fd = mem;
    size = more;
    return 0;
}

bool options_get(int fd, struct options *o)
{
    struct options *found;
    struct held h;

    acquire(&h);
    found = find(fd);
    if (found) {
        *o = *found;
        ssl_settings_ref(o->set);
    }
    release(&h);
    if (found && fd >= 0 && o->cookie != cookie_of(fd)) {
        options_put(o);
        options_drop(fd); /* its socket was closed behind our back, this is another one */
        return false;
    }
    return found != NULL;
}

void options_put(struct options *o)
{
    ssl_settings_put(o->set);
    o->set = NULL;
}

int options_set(int fd, const struct options *o)
{
    struct options *copy = NULL, *found;
    struct ssl_settings *old = NULL;
    struct held h;
    int rc = -1;

    pthread_once(&once, init);
    if (fd >= 0) {
        copy = mem_dup(o, sizeof *o);
    }
    acquire(&h);
    if (fd == SSL_DEFAULTS) {
        old = defaults.set;
        defaults = *o;
        ssl_settings_ref(o->set);
        rc = 0;
    } else if (copy && ((size_t)fd < size || grow((size_t)fd + 1) == 0)) {
        ssl_settings_ref(o->set);
        copy->cookie = cookie_of(fd);
        found = by_fd[fd];
        by_fd[fd] = copy;
        copy = found;
        old = found ? found->set : NULL;
        rc = 0;
    }
    release(&h);
    ssl_settings_put(old);
    mem_free(copy);
    if (rc) {
        errno = ENOMEM;
    }
    return rc;
}

void options_drop(int fd)
{
    struct options *found;
    struct held h;

    if (fork_vforked()) {
        return; /* the table is our parent's */
    }
    acquire(&h);
    found = fd >= 0 ? find(fd) : NULL;
    if (found) {
        by_fd[fd] = NULL;
    }
    release(&h);
    if (found) {
        options_put(found);
        mem_free(found);
    }
}
