/* SPDX-License-Identifier: ISC */
/* Who waits for what with epoll. The kernel tells when ciphertext comes; the program has to be told
 * when plaintext does. So a connection is registered with what *it* needs, and with the address of
 * its watch as epoll_data; epoll_wait() turns that back into the program's events and data.
 *
 * Plaintext that waits in user space is invisible to the kernel. A watch whose connection has some
 * is put on its epoll set's hot list, which epoll_wait() looks at before it sleeps; should a thread
 * sleep already, an eventfd in the set (the bell) wakes it. No locks, no allocation: one reserved
 * table, watches lie in the slot of their descriptor. */
#ifndef PRELOAD_WATCH_H
#define PRELOAD_WATCH_H
#include <stdatomic.h>
#include <stdint.h>

#include "preload/preload.h"

#define WATCHES_PER_FD 4

enum {                     /* struct watch.state */
       WATCH_OURS = 1,     /* registered in the kernel under our data */
       WATCH_ARMED = 2,    /* one-shot: not yet used up */
       WATCH_NEED_OUT = 4, /* edge-triggered: room to write would be news */
};

struct watch {
    _Atomic uint32_t set;        /* epoll fd + 1; 0: free */
    _Atomic uint32_t generation; /* of the set; another one: the set was closed */
    _Atomic uint32_t events;     /* what the program asked for */
    _Atomic uint32_t kernel;     /* what the kernel was asked for */
    _Atomic uint64_t data;       /* the program's */
    _Atomic uint32_t state;
    _Atomic uint32_t told; /* counts what epoll_wait() told while it was ready in user space */
    _Atomic uint32_t cold; /* the count after which a read left nothing */
    uint32_t epoch;        /* of the process that made it */
    _Atomic bool hot;
    _Atomic(struct watch *) next_hot;
    int place; /* where epoll_wait() put it this time, + 1 */
};

struct set {
    _Atomic uint32_t generation;
    _Atomic bool ours;   /* has a watch that is WATCH_OURS */
    _Atomic bool nested; /* is itself in an epoll set */
    _Atomic int waiters;
    _Atomic int bell;         /* eventfd + 1 */
    _Atomic int64_t deadline; /* ns: a handshake may be too late then; 0: none */
    _Atomic(struct watch *) hot;
};

int watch_init(void);
void watch_forked_here(void); /* the parent, after a fork that no handler sees */
void watch_forked(void);      /* the child */
bool watch_uses(int fd);      /* anything known of it */
bool watch_owns(int fd);      /* a bell */
bool watch_used_here(int fd); /* its connection: by this process, since it was last forked */
bool watch_is_set(int fd);    /* an epoll set that we have seen in use */
bool watch_hot_set(int fd); /* an epoll set that would report something the kernel does not know */
void watch_forget(int fd);
void watch_forget_range(int lo, int hi);
/* A registration with an epoll set, as the program made it. */
struct watch_kept {
    int set;
    struct epoll_event event;
};
/* fd will name another socket: what this process has registered for it, and the same for that one.
 * Its connection goes on in another process, which logs it. */
int watch_keep(int fd, struct watch_kept kept[static WATCHES_PER_FD]);
void watch_again(int fd, const struct watch_kept *kept, int n);
void watch_given(int fd);
void watch_relay_forks(bool on); /* this thread's fork is for a relay: not counted as one */
void watch_adopt(struct conn *c, int fd); /* fd has become ours: so have its registrations */
/* Something was done with the connection: hot lists and the kernel follow. errno is kept. */
void watch_note(struct conn *c, int fd);
/* The kernel woke one of its watches: what came for it is in user space now, where the others' sets
 * do not see it. */
void watch_note_others(struct conn *c, int fd, const struct watch *except);
void watch_wrote(struct conn *c, int fd); /* the same after a write */
void watch_aliased(int fd, int newfd);    /* newfd is a duplicate */
void watch_blocked(int fd);               /* a write met a full kernel */
bool watch_edge(int fd);                  /* some edge-triggered watch */
bool watch_connecting(int fd,
                      bool on);     /* connect() has not yet told the result; returns what was */
bool watch_leaves(int fd, bool on); /* fd_leaves(): it is about to go; returns what was */
bool watch_leaving(int fd);
bool watch_error_taken(int fd); /* SO_ERROR was asked; returns whether it was already */

struct set *set_at(int fd);                                    /* NULL: no such slot */
struct watch *watch_of_data(uint64_t data, struct set **bell); /* NULL: not ours (or a bell) */
int watch_fd(const struct watch *w);
struct watch *watch_find(int epfd, int fd, bool make);
bool watch_live(const struct watch *w, int epfd);
void watch_free(struct watch *w);
void watch_heat(struct watch *w); /* puts it on the hot list */
struct watch *set_take_hot(
    struct set *s); /* oldest first, linked by next_hot; hot is cleared one by one */
/* Tells the kernel what the connection needs now. op 0: only when that has changed. */
int watch_arm(struct watch *w, struct conn *c, int op);
int set_ready_for_ours(int epfd); /* gives it a bell */
void set_deadline(struct set *s, struct conn *c);
#endif
