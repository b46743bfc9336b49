/* SPDX-License-Identifier: ISC */
/* The slot of a connection that several processes have, among the share_*.c files. */
#ifndef SHIM_SHARE_SLOT_H
#define SHIM_SHARE_SLOT_H
#include "shim/share.h"

#define USERS      64      /* processes that may have one connection */
#define SLOT_SIZE  0x80000 /* address space; memory only as far as it is used */
#define NO_VERSION UINT64_MAX
#define EXEC_FDS   16

/* What a connection is beside its engine. */
struct facts {
    int state, fail_errno, read_errno, write_errno;
    bool saw_close, saw_eof, behind, read_shut, closing, detaching, fin_sent, torn_down, unsent,
        told, note, in_clear, greeted;
    int first; /* enum conn_first */
    uint64_t early_bytes, early_again;
    struct wire wire;
    struct error err; /* code 0: none */
};

struct slot {
    pthread_mutex_t lock;
    _Atomic uint32_t users[USERS]; /* process ids; 0: free */
    uint64_t cookie;               /* of the socket */
    _Atomic bool inside;           /* somebody is, or has died there */
    bool broken;
    enum { SOON_NEVER, SOON_HANDSHAKE, SOON_MOMENT } soon; /* when the holder will have bytes */
    unsigned holder; /* the user + 1 who alone has the state; 0: it is here, or in every copy */
    uint64_t version;
    struct facts facts;
    /* Over exec: the socket, and the numbers that the program knows. */
    int role, real, fds[EXEC_FDS];
    unsigned nfds;
    size_t len;
    uint8_t bytes[];
};

struct share_set {
    size_t size;
    size_t given;   /* slots */
    unsigned users; /* connections of this process; table lock */
    int fd;         /* of the memory, and which file that is: the program may have closed it */
    dev_t dev;
    ino_t ino;
    uint8_t *mem;
};

/* ---- share_slots.c ---- */
struct slot *share_slot(const struct share_set *set, size_t i);
int share_fd(const struct share_set *set); /* -1: it was closed */
size_t share_slots(const struct share_set *set);
void slot_init(struct slot *s, uint64_t cookie, unsigned *me); /* with this process as a user */
uint32_t user_born(void); /* a child that fork() has not made yet */
bool user_is_born(uint32_t user);
/* A place for another process; false: there are too many. */
bool user_new(struct slot *s, uint32_t user, unsigned *at);
bool user_lives(struct slot *s, unsigned i);
/* Does another process have c? probe: those that ended without a word are found out. */
bool share_others(const struct conn *c, bool probe);

/* ---- share_bytes.c: in the slot's lock and both halves ---- */
void put_bytes(struct slot *s, const struct buf *b); /* NULL: none */
void put_back(struct conn *c);
int take_over(struct conn *c) MUST_CHECK; /* < 0: they make no connection here */
void drop_copy(struct conn *c);           /* nothing of it is good for anything any more */
#endif
