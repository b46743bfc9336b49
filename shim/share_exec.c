/* SPDX-License-Identifier: ISC */
/* Over exec: the connection's slot goes along (its memory is not close-on-exec then), and the
 * socket, under a number that the new program does not know. Where it expects the socket it finds a
 * stand-in that nobody listens to, until our constructor there has put the connection in its place:
 * a program without it can write no plaintext (threat 41). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "shim/share_slot.h"

#define OWN_FD 1000

/* ---- the old program ---- */

/* c has a slot, and h its lock. */
static bool make_shared(struct hold *h)
{
    struct conn *c = h->c;
    struct claim *m = &c->claim;
    struct share_set *set;

    if (!h->shared) {
        set = m->slot ? NULL : share_set_new(1);
        if (!m->slot && !set) {
            return false;
        }
        if (set) {
            m->set = set;
            m->slot = share_slot(set, set->given++);
            set->users++;
            slot_init(m->slot, c->entry.cookie, &m->me);
        }
        m->slot->holder = 0;
        m->version = ++m->slot->version;
        if (pthread_mutex_lock(&m->slot->lock) != 0) {
            return false;
        }
        h->shared = true;
        atomic_store(&m->slot->inside, true);
        atomic_store(&m->shared, true);
    }
    return true;
}

static int stand_in(int fd)
{
    int ends[2], rc;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return -1;
    }
    rc = sys.dup3(ends[0], fd, 0);
    sys.close(ends[0]);
    sys.close(ends[1]);
    return rc < 0 ? -1 : 0;
}

static int export_fd(struct hold *h)
{
    struct slot *s;

    if (!make_shared(h)) {
        errno = ENOMEM;
        return -1;
    }
    s = h->c->claim.slot;
    if (s->nfds == EXEC_FDS) {
        errno = EMFILE;
        return -1;
    }
    if (s->nfds == 0) {
        s->role = (int)h->c->role;
        s->real = sys.fcntl(h->fd, F_DUPFD, OWN_FD);
        if (s->real < 0 || share_fd(h->c->claim.set) < 0 ||
            sys.fcntl(h->c->claim.set->fd, F_SETFD, 0) != 0) {
            return -1;
        }
    }
    if (stand_in(h->fd) != 0) {
        return -1;
    }
    h->c->claim.exported = true;
    s->fds[s->nfds++] = h->fd;
    return 0;
}

int conn_export(struct conn *c, int fd)
{
    struct hold h;
    int rc;

    if (conn_handshake(c, fd, 0) != 0 || conn_enter(&h, c, fd, HALF_BOTH)) {
        return -1;
    }
    rc = export_fd(&h);
    h.fd = -1;
    conn_leave(&h);
    if (rc == 0 && c->claim.slot->holder) {
        errno = EPERM; /* it cannot be bytes */
        rc = -1;
    }
    return rc;
}

bool conn_exported(struct conn *c, int fd)
{
    bool sent = false;

    for (unsigned i = 0; c->claim.exported && i < c->claim.slot->nfds; i++) {
        sent = sent || c->claim.slot->fds[i] == fd;
    }
    return sent;
}

void conn_export_end(struct conn *c)
{
    struct slot *s = c->claim.slot;
    int saved = errno;

    if (c->claim.exported) {
        for (unsigned i = 0; i < s->nfds; i++) {
            sys.dup3(s->real, s->fds[i], 0);
        }
        sys.close(s->real);
        sys.fcntl(c->claim.set->fd, F_SETFD, FD_CLOEXEC);
        s->nfds = 0;
        c->claim.exported = false;
    }
    errno = saved;
}

/* The process goes on, and has it no more: its id is no sign of life. */
void conn_exec_leaves(struct conn *c, bool leaves)
{
    uint32_t us = (uint32_t)getpid(), none = 0;

    if (atomic_load(&c->claim.shared) && !c->claim.exported) {
        _Atomic uint32_t *user = &c->claim.slot->users[c->claim.me];

        if (leaves) {
            atomic_compare_exchange_strong(user, &us, 0);
        } else {
            atomic_compare_exchange_strong(user, &none, us);
        }
    }
}

/* ---- the new program ---- */

bool conn_import_next(struct share_set *set, struct import *i)
{
    for (; i->next < share_slots(set); i->next++) {
        struct slot *s = share_slot(set, i->next);

        for (i->me = 0; i->me < USERS; i->me++) {
            if (s->nfds > 0 && s->nfds <= EXEC_FDS &&
                atomic_load(&s->users[i->me]) == (uint32_t)getpid() &&
                cookie_is(s->real, s->cookie)) {
                i->next++;
                i->slot = s;
                i->fd = s->fds[0];
                i->real = s->real;
                i->role = (enum tls_role)s->role;
                return true;
            }
        }
    }
    return false;
}

static struct conn *import_conn(struct share_set *set, const struct import *i,
                                const struct conn_params *p)
{
    struct conn *c = (struct conn *)table_new(ENTRY_CONN);

    if (c) {
        conn_set_up(c, p, i->slot->cookie);
        share_join(c, set, i->slot, i->me);
        atomic_store(&c->state, CONN_OPEN);
        atomic_store(&c->told, true);
    }
    return c;
}

int conn_import(struct share_set *set, const struct import *i, const struct conn_params *p)
{
    struct conn *c = import_conn(set, i, p);
    struct hold h;
    int rc = -1;

    if (c && conn_enter(&h, c, -1, HALF_BOTH) == 0) {
        conn_leave(&h);
        rc = atomic_load(&c->state) == CONN_OPEN ? 0 : -1;
    }
    for (unsigned n = 0; rc == 0 && n < i->slot->nfds; n++) {
        int fd = i->slot->fds[n];

        if (table_reserve(fd) || sys.dup3(i->real, fd, 0) != fd) {
            rc = -1;
        } else if (n == 0) {
            rc = table_replace(fd, &c->entry, NULL);
        } else {
            rc = conn_alias(i->fd, fd);
        }
    }
    if (rc == 0) {
        sys.close(i->real);
        i->slot->nfds = 0;
    } else {
        conn_put(c);
    }
    return rc;
}

void conn_import_not(const struct import *i)
{
    atomic_store(&i->slot->users[i->me], 0);
    i->slot->nfds = 0;
    sys.shutdown(i->real, SHUT_RDWR);
    sys.close(i->real);
}

void conn_import_end(struct share_set *set)
{
    if (--set->users == 0) {
        share_set_drop(set);
    } else {
        sys.fcntl(set->fd, F_SETFD, FD_CLOEXEC);
    }
}
