/* SPDX-License-Identifier: ISC */
/* Taking turns: into the halves of a connection that other processes have, and out of them. */
#include <errno.h>
#include <unistd.h>

#include "shim/share_slot.h"

#define LOCK_MS  100
#define LOCK_TRY 50 /* as often: nobody is in a half for so long, unless it was stopped there */
#define PROBE    64 /* turns from one look at who lives to the next */

void share_release(struct conn *c)
{
    struct share_set *set = c->claim.set;
    sigset_t signals;
    bool unused;
    int cancel;

    tls_free(c->claim.old);
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
        share_set_drop(set);
    }
}

/* A process died inside: which sequence numbers it has used nobody knows. */
static void break_off(struct hold *h)
{
    struct conn *c = h->c;
    int fd = h->fd >= 0 ? h->fd : table_find(c);

    c->claim.slot->broken = true;
    drop_copy(c);
    if (atomic_load(&c->state) != CONN_FAILED) {
        conn_set_failed(c, ECONNABORTED, ERR_CLOSED,
                        "another process died while it used this connection");
        if (fd >= 0 && conn_on_socket(c, fd)) {
            sys.shutdown(fd, SHUT_RDWR);
        }
    }
    c->torn_down = true;
    atomic_store(&c->note, false);
    atomic_store(&c->unsent, false);
}

/* ---- in a half ---- */

static int lock_slot(struct slot *s)
{
    struct timespec end;
    int rc;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += LOCK_MS * 1000000L;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    rc = pthread_mutex_timedlock(&s->lock, &end);
    if (rc == EOWNERDEAD) { /* whether it was inside, `inside` says */
        pthread_mutex_consistent(&s->lock);
        rc = 0;
    }
    return rc;
}

static void unlock_slot(struct hold *h)
{
    pthread_mutex_unlock(&h->c->claim.slot->lock);
    h->shared = false;
}

int share_take(struct hold *h)
{
    struct conn *c = h->c;

    for (int tries = 0; tries < LOCK_TRY;) {
        h->shared = atomic_load(&c->claim.shared);
        hush(h);
        if (h->shared && lock_slot(c->claim.slot) != 0) {
            unhush(h);
            tries++;
            continue;
        }
        h->halves = h->shared ? HALF_BOTH : h->halves;
        conn_take(c, h->halves);
        if (h->shared && !atomic_load(&c->claim.shared)) {
            unlock_slot(h); /* another thread saw that we are alone */
        } else if (!h->shared && atomic_load(&c->claim.shared)) {
            conn_give(c, h->halves); /* forked in between */
            unhush(h);
            continue;
        }
        return 0;
    }
    return ETIMEDOUT;
}

/* The newest state. 0 or an errno. */
static int catch_up(struct hold *h)
{
    struct conn *c = h->c;
    struct slot *s = c->claim.slot;
    const bool newest = s->version == c->claim.version;

    if (atomic_load(&s->inside) || s->broken ||
        (!newest && s->holder && !user_lives(s, s->holder - 1))) {
        break_off(h);
    } else if (newest) {
        return 0;
    } else if (s->holder && s->soon == SOON_MOMENT) {
        return EINPROGRESS;
    } else if (s->holder && s->soon && (c->deadline < 0 || now_ms() < c->deadline)) {
        return EAGAIN;
    } else if (s->holder || take_over(c) < 0) {
        return EPERM;
    }
    return 0;
}

int share_begin(struct hold *h)
{
    struct conn *c = h->c;
    int err = 0;

    atomic_store(&c->claim.at, fork_count());
    if (!h->shared) {
        return c->claim.torn || atomic_load(&c->claim.lost) ? EPERM : 0;
    }
    if (atomic_load(&c->claim.slot->users[c->claim.me]) != (uint32_t)getpid()) {
        atomic_store(&c->claim.lost, true);
    }
    err = atomic_load(&c->claim.lost) ? EPERM : catch_up(h);
    atomic_store(&c->claim.denied, err == EPERM);
    atomic_store(&c->claim.elsewhere, err == EAGAIN || err == EINPROGRESS);
    if (!err) {
        atomic_store(&c->claim.slot->inside, true);
    }
    return err;
}

void share_refuse(struct hold *h)
{
    if (h->shared) {
        unlock_slot(h);
    }
    conn_give(h->c, h->halves);
}

/* From here on nobody looks into the slot, until the next fork. */
static void make_private(struct conn *c)
{
    struct slot *s = c->claim.slot;

    table_lock(); /* not while we fork */
    if (!share_others(c, false)) {
        put_bytes(s, NULL);
        s->holder = c->claim.me + 1;
        s->soon = SOON_NEVER;
        c->claim.version = ++s->version;
        atomic_store(&c->claim.shared, false);
    }
    table_unlock();
}

void share_end(struct hold *h)
{
    struct conn *c = h->c;
    struct slot *s = c->claim.slot;

    if (!s->broken && !c->claim.exported && !share_others(c, ++c->claim.turns % PROBE == 0)) {
        make_private(c);
    }
    if (!s->broken && atomic_load(&c->claim.shared)) {
        put_back(c);
    }
    atomic_store(&c->claim.owed, false);
    atomic_store(&s->inside, false);
    unlock_slot(h);
}

void share_settle(struct conn *c)
{
    struct hold h;

    if (atomic_load(&c->claim.owed) && atomic_load(&c->claim.shared) &&
        conn_enter(&h, c, -1, HALF_BOTH) == 0) {
        conn_leave(&h);
    }
}

void share_let_go(struct hold *h, bool last)
{
    struct conn *c = h->c;
    struct slot *s = atomic_load(&c->claim.shared) ? c->claim.slot : NULL;
    uint32_t us = (uint32_t)getpid();

    if (last && s && h->shared && atomic_load(&s->users[c->claim.me]) == us &&
        !share_others(c, true) && catch_up(h) == 0) {
        make_private(c);
    }
    if (last && s && atomic_load(&c->claim.shared)) {
        atomic_store(&c->claim.lost, true);
        atomic_compare_exchange_strong(&s->users[c->claim.me], &us, 0);
    }
    if (h->shared) {
        unlock_slot(h);
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

void share_before(struct conn *c, struct share_set *set)
{
    struct claim *m = &c->claim;
    struct slot *s;

    m->at_fork = hold_both(c) ? FORK_HELD : FORK_BUSY;
    m->heir = USERS;
    if (!m->slot && set && !atomic_load(&c->ending)) {
        m->set = set;
        m->slot = share_slot(set, set->given++);
        set->users++;
        slot_init(m->slot, c->entry.cookie, &m->me);
    }
    s = m->slot;
    if (!s || atomic_load(&m->lost) || atomic_load(&c->ending) ||
        !user_new(s, user_born(), &m->heir)) {
        m->heir = USERS; /* it stays ours */
        return;
    }
    if (!atomic_load(&m->shared)) {
        s->holder = m->at_fork == FORK_BUSY ? m->me + 1 : 0; /* else all copies are alike */
        s->soon = atomic_load(&c->state) == CONN_HANDSHAKE ? SOON_HANDSHAKE : SOON_MOMENT;
        m->version = ++s->version;
        atomic_store(&m->owed, m->at_fork == FORK_BUSY);
        /* Last: a thread that is in a half sees all of it or nothing. */
        atomic_store(&m->shared, true);
    }
}

void share_in_parent(struct conn *c)
{
    if (c->claim.at_fork == FORK_HELD) {
        conn_give(c, HALF_BOTH);
    }
    c->claim.at_fork = FORK_NONE;
}

/* The memory of a copy that another thread was writing to is left as it is. */
static void tear(struct conn *c)
{
    c->claim.torn = true;
    c->claim.version = NO_VERSION;
    c->claim.old = NULL;
    c->tls = NULL;
    c->plain = (struct buf){ .secret = true };
    c->raw = (struct buf){ 0 };
    c->early = (struct buf){ .secret = true };
    c->clear = (struct buf){ .secret = true };
    c->prelude = NULL;
}

void share_in_child(struct conn *c, bool all_torn)
{
    struct claim *m = &c->claim;
    uint32_t born =
        m->slot && m->heir < USERS && !all_torn ? atomic_load(&m->slot->users[m->heir]) : 0;

    if (m->at_fork == FORK_HELD && !all_torn) {
        conn_give(c, HALF_BOTH);
    } else {
        pthread_mutex_init(&c->read_lock, NULL);
        pthread_mutex_init(&c->write_lock, NULL);
    }
    if (all_torn || m->at_fork == FORK_BUSY) {
        tear(c);
    }
    m->at_fork = FORK_NONE;
    m->me = m->heir;
    m->heir = USERS;
    atomic_store(&m->owed, false);
    if (!user_is_born(born) ||
        !atomic_compare_exchange_strong(&m->slot->users[m->me], &born, (uint32_t)getpid())) {
        atomic_store(&m->lost, true);
        atomic_store(&m->shared, false);
    }
}
