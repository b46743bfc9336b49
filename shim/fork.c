/* SPDX-License-Identifier: ISC */
/* What happens to the connections at fork(): parent and child have them in common (share.h).
 *
 * At the instant of the fork each connection is either idle, and then both its halves are held by
 * the forking thread so that both processes see it whole; or another thread is in it, and then the
 * child's copy, perhaps half written, is never looked at: the child gets it when that thread has
 * left. Nothing is waited for but the table lock, which is held for moments only.
 *
 * A process made without the handlers (raw clone, _Fork) finds the page wiped that was marked
 * MADV_WIPEONFORK, and has nothing that was there before. A vfork child shares the page and the
 * memory with its parent; only its pid differs. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/sessions.h"
#include "shim/share.h"

static struct {
    pthread_once_t once;
    int init_errno;
    _Atomic uint32_t *mark; /* 1; 0 in a child that the handlers did not see */
    pid_t pid;
    sigset_t signals; /* from prepare to parent or child */
    int cancel;
} self = { .once = PTHREAD_ONCE_INIT };

static _Atomic unsigned forks; /* of this process, begun */

unsigned fork_count(void)
{
    return atomic_load(&forks);
}

pid_t fork_pid(void)
{
    return self.pid;
}

bool fork_since(struct conn *c)
{
    return atomic_load(&c->claim.at) != atomic_load(&forks);
}

static void new_identity(void)
{
    self.pid = getpid();
    atomic_store(self.mark, 1);
}

/* ---- around fork() ---- */

static void before(void)
{
    struct share_set *set = NULL;
    sigset_t signals;
    size_t fresh = 0;
    int cancel;

    fork_look();
    calm(&signals, &cancel);
    table_lock();
    client_sessions_lock();
    self.signals = signals;
    self.cancel = cancel;
    /* Before we look who waits: who begins to wait later looks at this. */
    atomic_fetch_add(&forks, 1);
    for (int fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
        fresh += !table_conn(fd)->claim.slot && !atomic_load(&table_conn(fd)->claim.lost);
    }
    if (fresh) {
        set = share_set_new(fresh);
    }
    for (int fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
        struct conn *c = table_conn(fd);

        if (c->claim.at_fork == FORK_NONE) {
            share_before(c, set);
        }
    }
}

static void after_parent(void)
{
    sigset_t signals;
    int cancel;

    for (int fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
        share_in_parent(table_conn(fd));
    }
    signals = self.signals;
    cancel = self.cancel;
    client_sessions_unlock();
    table_unlock();
    uncalm(&signals, cancel);
}

/* No other thread exists here: what they held is made anew. */
static void start_over(bool all_torn)
{
    for (int fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
        struct conn *c = table_conn(fd);

        if (c->claim.at_fork != FORK_NONE || all_torn) { /* once, of several fds */
            share_in_child(c, all_torn);
        }
        atomic_store(&c->ending, false); /* the thread that was closing it is not here */
        wait_forked(c);
    }
    client_sessions_in_child(all_torn);
    new_identity();
}

static void after_child(void)
{
    start_over(false);
    table_unlock();
    uncalm(&self.signals, self.cancel);
}

/* ---- without the handlers ---- */

void shim_before_fork(void)
{
    if (self.mark) {
        before();
        crypto_before_fork();
    }
}

void shim_after_fork(bool child)
{
    if (self.mark) {
        crypto_after_fork(child);
    }
    if (self.mark && child) {
        after_child();
    } else if (self.mark) {
        after_parent();
    }
}

void fork_look(void)
{
    if (self.mark && atomic_load_explicit(self.mark, memory_order_relaxed) == 0) {
        table_lock_reset();
        crypto_after_fork(true);
        start_over(true);
    }
}

bool fork_vforked(void)
{
    fork_look();
    return self.mark && getpid() != self.pid;
}

static void init(void)
{
    long page = sysconf(_SC_PAGESIZE);

    self.mark =
        mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self.mark == MAP_FAILED || madvise((void *)self.mark, (size_t)page, MADV_WIPEONFORK)) {
        self.init_errno = errno;
        self.mark = NULL;
        return;
    }
    new_identity();
    self.init_errno = pthread_atfork(before, after_parent, after_child);
}

int fork_init(void)
{
    pthread_once(&self.once, init);
    errno = self.init_errno;
    return self.init_errno ? -1 : 0;
}
