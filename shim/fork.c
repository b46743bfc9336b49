/* SPDX-License-Identifier: ISC */
/* Whose is a connection after fork()? (threat 40)
 *
 * Two processes that seal under one key and sequence number give their plaintexts away, so after a
 * fork a connection belongs to the process that uses it first. Before the fork each connection gets
 * a slot in memory that both processes share: generation << 32 | token. Token 0 is "nobody's yet";
 * whoever enters a half puts its own token there by compare-and-swap, or finds another's and keeps
 * out. The owner that forks again raises the generation, which leaves all earlier heirs behind. A
 * token is drawn from a shared counter: unlike a pid it never comes back.
 *
 * At the instant of the fork each connection is either idle, and then both its halves are held by
 * the forking thread so that both processes see it whole; or another thread is in it, and then the
 * parent owns it and the child's copy, perhaps half written, is never looked at. Where threads wait
 * for it in the kernel the parent owns it too: it is using it. Nothing is waited for but the table
 * lock, which is held for moments only and never over an allocation.
 *
 * A process made without the handlers (raw clone, _Fork) finds the page wiped that was marked
 * MADV_WIPEONFORK, and owns nothing that was there before. A vfork child shares the page and the
 * memory with its parent; only its pid differs. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/conn.h"
#include "shim/sessions.h"

/* The slots of the connections that were forked for the first time at one fork. */
struct claim_set {
    size_t size;    /* of the shared mapping */
    unsigned users; /* connections of this process; table lock */
    _Atomic uint64_t *slots;
};

static struct {
    pthread_once_t once;
    int init_errno;
    _Atomic uint32_t *counter; /* shared by all processes of the family */
    _Atomic uint32_t *mark;    /* 1; 0 in a child that the handlers did not see */
    uint32_t token;
    pid_t pid;
    sigset_t signals; /* from prepare to parent or child */
    int cancel;
} self = { .once = PTHREAD_ONCE_INIT };

static _Atomic unsigned forks; /* of this process, begun */

static uint64_t word(uint32_t generation, uint32_t token)
{
    return (uint64_t)generation << 32 | token;
}

static void *map(size_t n, int flags)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static void new_identity(void)
{
    self.token = atomic_fetch_add(self.counter, 1) + 1;
    self.pid = getpid();
    atomic_store(self.mark, 1);
}

/* ---- asking and claiming ---- */

enum owner fork_owner(struct conn *c)
{
    _Atomic uint64_t *slot = atomic_load(&c->claim.slot);
    uint64_t v;

    if (c->claim.torn) {
        return OWNER_OTHER;
    }
    if (!slot) {
        return OWNER_US;
    }
    v = atomic_load(slot);
    if (v == word(c->claim.generation, self.token)) {
        return OWNER_US;
    }
    return v == word(c->claim.generation, 0) ? OWNER_NOBODY : OWNER_OTHER;
}

bool fork_claim(struct conn *c)
{
    unsigned now = atomic_load(&forks);

    if (fork_owner(c) == OWNER_NOBODY) {
        uint64_t free = word(c->claim.generation, 0);

        atomic_compare_exchange_strong(atomic_load(&c->claim.slot), &free,
                                       word(c->claim.generation, self.token));
    }
    if (fork_owner(c) != OWNER_US) {
        return false;
    }
    if (atomic_load(&c->claim.at) != now) {
        atomic_store(&c->claim.at, now);
    }
    return true;
}

bool fork_since(struct conn *c)
{
    return atomic_load(&c->claim.at) != atomic_load(&forks);
}

static void set_free(struct claim_set *set)
{
    munmap((void *)set->slots, set->size);
    munmap(set, sizeof *set);
}

void fork_release(struct conn *c)
{
    struct claim_set *set = c->claim.set;
    sigset_t signals;
    bool unused;
    int cancel;

    memset(&c->claim, 0, sizeof c->claim);
    if (!set) {
        return;
    }
    calm(&signals, &cancel);
    table_lock();
    unused = --set->users == 0;
    table_unlock();
    uncalm(&signals, cancel);
    if (unused) {
        set_free(set);
    }
}

/* ---- around fork() ---- */

/* Both halves without waiting. */
static bool hold_both(struct conn *c)
{
    if (pthread_mutex_trylock(&c->read_lock) != 0) {
        return false;
    }
    if (pthread_mutex_trylock(&c->write_lock) != 0) {
        pthread_mutex_unlock(&c->read_lock);
        return false;
    }
    return true;
}

static struct claim_set *set_new(size_t slots)
{
    struct claim_set *set = map(sizeof *set, MAP_PRIVATE);

    if (!set) {
        return NULL;
    }
    set->size = slots * sizeof *set->slots;
    set->slots = map(set->size, MAP_SHARED);
    if (!set->slots) {
        munmap(set, sizeof *set);
        return NULL;
    }
    return set;
}

/* Opens one connection to a claim by the child, or keeps it for us when a thread is in it. */
static void expose(struct conn *c, struct claim_set *set)
{
    struct claim *claim = &c->claim;
    _Atomic uint64_t *slot = atomic_load(&claim->slot);
    bool used;

    claim->at_fork = hold_both(c) ? FORK_HELD : FORK_BUSY;
    used = claim->at_fork == FORK_BUSY || wait_others(c);
    if (!slot) {
        if (!set) {
            return; /* no memory to share: stays ours, see after_child() */
        }
        /* The slot comes last: a thread that is in a half sees all of it or nothing. */
        claim->set = set;
        claim->generation = 1;
        slot = &set->slots[set->users++];
        atomic_store(slot, word(1, used ? self.token : 0));
        atomic_store(&claim->slot, slot);
    } else if (used) {
        fork_claim(c);
    } else if (fork_owner(c) == OWNER_US) {
        claim->generation++;
        atomic_store(slot, word(claim->generation, 0));
    }
}

static void before(void)
{
    struct claim_set *set = NULL;
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
        fresh += !table_conn(fd)->claim.slot && !table_conn(fd)->claim.torn;
    }
    if (fresh) {
        set = set_new(fresh);
    }
    for (int fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
        struct conn *c = table_conn(fd);

        if (c->claim.at_fork == FORK_NONE && !c->claim.torn) {
            expose(c, set);
        }
    }
}

static void after_parent(void)
{
    sigset_t signals;
    int cancel;

    for (int fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
        struct conn *c = table_conn(fd);

        if (c->claim.at_fork == FORK_HELD) {
            conn_give(c, HALF_BOTH);
        }
        c->claim.at_fork = FORK_NONE;
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

        if (!all_torn && c->claim.at_fork == FORK_HELD) {
            conn_give(c, HALF_BOTH);
        } else {
            pthread_mutex_init(&c->read_lock, NULL);
            pthread_mutex_init(&c->write_lock, NULL);
        }
        if (all_torn || c->claim.at_fork == FORK_BUSY || !c->claim.slot) {
            c->claim.torn = true;
        }
        c->claim.at_fork = FORK_NONE;
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

void fork_look(void)
{
    if (self.mark && atomic_load_explicit(self.mark, memory_order_relaxed) == 0) {
        table_lock_reset();
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

    self.counter = map((size_t)page, MAP_SHARED);
    self.mark = map((size_t)page, MAP_PRIVATE);
    if (!self.counter || !self.mark || madvise((void *)self.mark, (size_t)page, MADV_WIPEONFORK)) {
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
