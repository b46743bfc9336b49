/* SPDX-License-Identifier: ISC */
/* Inside the shim: the connection object, and what the shim's files ask of each other.
 *
 * Locks. A connection has two halves, each with a mutex; who wants both takes the read half first.
 * In a half no one waits: every system call there is non-blocking, no signal handler is run
 * (calm.c) and cancellation is off, so neither a handler that jumps away or uses the same
 * connection nor a cancelled thread can leave a half taken. One writes to the fd table under the
 * table lock, which is taken after any half.
 *
 * The number of an fd may be another file's as soon as it is closed, so system calls on it are made
 * in a half, or between wait_begin() and wait_end(): who closes the last fd waits for both. */
#ifndef SHIM_CONN_H
#define SHIM_CONN_H
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "shim/shim.h"

enum conn_state { CONN_HANDSHAKE, CONN_OPEN, CONN_FAILED };
enum { HALF_READ = 1, HALF_WRITE = 2, HALF_BOTH = 3 };
#define EARLY_MAX 16384 /* what a server may write before the handshake is done */

/* Its part in memory that processes share (share.h). */
struct share_set;
struct slot;
struct claim {
    struct share_set *set;  /* kept to the end, for threads that are about to look */
    struct slot *slot;      /* NULL: never forked */
    _Atomic bool shared;    /* other processes may have it, too */
    bool torn;              /* our copy may be half written: nothing here is to be looked at */
    _Atomic bool lost;      /* and never will be: not ours any more */
    _Atomic bool denied;    /* another process has it, and cannot give it away */
    _Atomic bool elsewhere; /* another process has it, and will give it away soon */
    bool exported;          /* on its way over exec. In both halves */
    _Atomic bool owed;      /* a fork came while we were in a half */
    unsigned me, heir;      /* the slot's users: we, and the child that is being forked */
    unsigned turns;
    uint64_t version;    /* which one of the slot's our copy is */
    _Atomic unsigned at; /* which fork was the last when it was entered */
    enum { FORK_NONE, FORK_HELD, FORK_BUSY } at_fork;
    struct tls *old; /* the one before: what tls_get_info() told of it is in use still */
};

/* What an fd names that is not plain: the options of a TLS connection to be (ssl_options.c), or the
 * connection. All fds of one socket name the same. */
enum entry_kind { ENTRY_OPTIONS, ENTRY_CONN };
struct entry {
    _Atomic unsigned refs; /* 0: on a free list (table.c) */
    enum entry_kind kind;  /* of this memory, for good */
    struct entry *next_free, *next_made;
    /* everything from here is cleared when an entry is made */
    unsigned nfds;   /* fds that name it; table lock */
    uint64_t cookie; /* of the socket: a stale entry does not match it */
};

struct conn {
    struct entry entry;
    struct entry *options;    /* what the fd named before; NULL: nothing. A reference */
    _Atomic bool ending;      /* the last fd is being closed; set in table lock and both halves */
    _Atomic unsigned waiting; /* between wait_begin() and wait_end() */
    pthread_mutex_t read_lock, write_lock;
    struct wire wire; /* in: read half; the others: write half */
    struct tls *tls;
    struct config *config; /* it goes on under this one. A reference */
    enum tls_role role;
    int64_t deadline; /* of the handshake, monotonic milliseconds; < 0: none */
    int timeout_ms;   /* of the handshake; < 0: none */
    int linger_ms;
    _Atomic int park_after_ms; /* 0: never */
    _Atomic int64_t used;      /* something was sent or received; coarse milliseconds */
    _Atomic int64_t parked;    /* what that was when it was parked last */
    bool lenient_eof;
    struct prelude *prelude; /* NULL: none */
    _Atomic bool in_clear;   /* in the handshake: the prelude's time; else for good */
    _Atomic int first;       /* enum conn_first */
    void (*on_event)(void *ctx, struct conn *c, int event);
    void *ctx;
    int tag; /* conn_tag() */
    struct claim claim;
    struct client_sessions *sessions; /* client: NULL: it has no part in them. Read half */

    _Atomic bool told;           /* conn_tell() */
    _Atomic bool asking;         /* in the handshake: a session store */
    _Atomic int state;           /* enum conn_state */
    _Atomic int fail_errno;      /* set before CONN_FAILED */
    _Atomic unsigned events_due; /* bits 1 << CONN_EVENT_*; told by conn_leave() */
    _Atomic int err_stage;       /* 0 none, 1 being written, 2 there */
    struct error err;

    /* read half */
    struct buf plain;      /* opened, not yet read */
    struct buf raw;        /* received, not yet opened; starts with a record header */
    bool clear_ok;         /* see struct conn_params; until something came */
    uint64_t in_handshake; /* bytes that had come when it was over */
    bool saw_close;        /* close_notify */
    bool saw_eof;          /* the socket has ended, or we may not ask it again */
    bool behind;           /* something came with close_notify, and is lost */
    bool read_shut;        /* the caller's SHUT_RD: a bare EOF is no surprise */
    int read_errno;        /* why reading is over though the connection has not failed */

    /* write half */
    /* Plaintext from before the handshake was done: a server's, which waits for it; a client's
     * early data, in case that it is refused. */
    struct buf early;
    struct buf clear;                  /* while in_clear: waits to be sent */
    struct tls_session *early_session; /* client: what its early data was sealed for */
    _Atomic size_t early_room;         /* client: bytes that may be said early now */
    _Atomic bool early_open;           /* client: and TCP is connected */
    uint64_t early_bytes, early_again; /* were early: and taken; said twice. Both halves to read */
    _Atomic bool unsent;               /* a tail waits for room in the kernel */
    _Atomic bool note;        /* the read half left something to send: flush when you can */
    _Atomic bool closing;     /* the caller's SHUT_WR: close_notify, then FIN */
    bool detaching;           /* both halves: no FIN, and no byte is taken behind a record */
    bool fin_sent, torn_down; /* the socket's write side, both sides were shut down */
    _Atomic int write_errno;  /* the socket refuses more */
};

/* ---- table.c ---- */
struct entry *entry_get(int fd); /* lock-free, a reference; NULL: a plain fd */
void entry_put(struct entry *e);
struct entry *table_new(
    enum entry_kind kind); /* zeroed, one reference, in no slot; NULL: no memory */
int table_reserve(int fd); /* room for this fd: 0 or -1 EBADF, EMFILE, ENOMEM */
void table_lock(void);
void table_unlock(void);
void table_lock_reset(void);     /* in a child that the fork handlers did not see */
struct entry *table_at(int fd);  /* no reference: under the table lock */
struct conn *table_conn(int fd); /* likewise; NULL: no connection */
/* Table lock; keeps nfds; slot reserved. What was there and has no fd any more is returned: its
 * reference, to be given back without the lock. */
struct entry *table_set(int fd, struct entry *e);
/* Makes fd, and all other fds of its socket, name e instead of what the caller saw there (`seen`,
 * may be NULL; one of another socket is none), and takes over the reference to e. An entry of
 * another socket goes without a word: its fd was closed behind our back. 0, or -1 and nothing
 * done: EISCONN there is a connection, EAGAIN it is not what the caller saw. */
int table_replace(int fd, struct entry *e, const struct entry *seen);
void table_drop(int fd, const struct entry *e); /* fd is plain, if it names e still */
bool table_names(int fd, const struct conn *c);
int table_next(int fd);                  /* the first fd >= fd that is a connection; -1: none */
int table_find(const struct conn *c);    /* any fd of it; -1: none */
int cookie_of(int fd, uint64_t *cookie); /* of the socket; 0: it has none. 0, or -1 errno */
/* Is it that socket still? */
bool cookie_is(int fd, uint64_t cookie);

/* ---- conn.c, attach.c ---- */
/* What a thread holds while it is in a half. */
struct hold {
    struct conn *c;
    int fd;
    unsigned halves;
    bool shared;  /* the slot's lock, too: both halves then */
    bool blocked; /* signals: and what was blocked before; else they are put off */
    sigset_t signals;
    int cancel;
};
/* Takes the halves, of a connection that other processes have, too, both of them. 0; or -1 and
 * nothing taken: EBADF when fd (-1: not asked) no longer names c, EPERM when another process has it
 * and cannot share it, EAGAIN when another process is about to, ETIMEDOUT when that one has been
 * stopped. */
int conn_enter(struct hold *h, struct conn *c, int fd, unsigned halves);
void conn_take(struct conn *c, unsigned halves); /* the bare locks, hush() or calm() first */
void conn_give(struct conn *c, unsigned halves);
void conn_leave(struct hold *h); /* flushes what was noted, tells events; errno is kept */

/* Records a failure (the first one stays). conn_failed_tls: the engine has said why. Any half held.
 */
void conn_set_failed(struct conn *c, int err, int code, const char *why);
void conn_failed_tls(struct conn *c, int rc);
void conn_set_error(struct conn *c, int code, const char *why);
/* Is fd still the socket that c was made on? Not, when it was closed without telling us. */
bool conn_on_socket(const struct conn *c, int fd);
void conn_destroy(struct conn *c); /* the last reference went */
void conn_clock(struct conn *c);   /* the handshake's time begins */
void conn_set_up(struct conn *c, const struct conn_params *p, uint64_t cookie); /* without engine */
int64_t now_ms(void);

/* ---- calm.c ---- */
void calm(sigset_t *signals, int *cancel); /* no signals, no cancellation until ... */
void uncalm(const sigset_t *signals, int cancel);
void hush(struct hold *h); /* the same for what a half is held for; h->shared is set */
void unhush(struct hold *h);
bool undisturbed(void);            /* sure to be in no signal handler */
void hold_signals(struct hold *h); /* the signals' part of it */
void free_signals(struct hold *h);

/* ---- read.c, write.c, handshake.c: without waiting, in the halves named ---- */
/* Opens what was received until `goal` plaintext bytes are kept; asks the kernel for more when fd
 * >= 0. 1 there are, 0 end of stream, -1 errno (EAGAIN: not yet). Read half. */
int conn_fetch(struct conn *c, int fd, size_t goal);
/* One receive for the handshake. 1 something came, 0 end of stream, -1 errno. Both halves. */
int conn_feed(struct conn *c, int fd);
/* In the handshake, before it receives: lets go on what has waited for a session store. false: it
 * waits still. Both halves. */
bool conn_go_on(struct conn *c);
void conn_read_broke(struct conn *c, int err); /* the socket said so. Read half */
/* Throws away what the kernel has received, so that close() does not answer it with a reset. Was
 * there any? */
bool conn_drain(int fd);
bool conn_half_open(struct conn *c); /* in the handshake: may something be sealed already? */
/* Sends what waits. 0 all gone, 1 the kernel has no room, -1 the socket is broken (errno). Write
 * half. */
int conn_flush(struct conn *c, int fd);
enum until {
    UNTIL_DONE,
    UNTIL_HELD, /* its last flight may leave together with the data that is to follow */
    UNTIL_DATA, /* or a client's early data is there to be read */
};
/* Gets on with the handshake as far as it goes. 1 far enough, 0 it has to wait, -1 errno. Both
 * halves. */
int conn_step(struct conn *c, int fd, enum until until);
/* The whole handshake, waiting unless the fd or flags say not to; timeo: SO_RCVTIMEO or
 * SO_SNDTIMEO. */
int conn_complete(struct conn *c, int fd, int flags, int timeo, enum until until);

/* ---- prelude.c. Both halves, but for conn_first_said() ---- */
int conn_prelude_begin(struct conn *c, struct prelude *p, struct error *err); /* nobody else yet */
/* Leads the talk as far as it goes. 1 it is over, 0 it has to wait, -1 errno. */
int conn_prelude(struct conn *c, int fd);
/* How many of the caller's first bytes are not to be sent. Write half */
size_t conn_prelude_skip(struct conn *c, struct span said);
/* Looks at a client's first byte, which stays in the kernel. 0: seen, and perhaps there is no
 * handshake any more; -1 errno (EAGAIN: nothing has come). */
int conn_first_heard(struct conn *c, int fd);
/* The same for the caller's first words; 0 or -1 errno. */
int conn_first_said(struct conn *c, int fd, const struct iovec *iov, int n);

/* ---- early.c: a client's. Write half ---- */
void early_look(struct conn *c); /* how much may be said now? */
/* A connection that offers `session` and may say `max` bytes early. */
void early_begin(struct conn *c, struct tls_session *session, uint32_t max);
/* These bytes were sealed; room for them in c->early was reserved. */
int early_kept(struct conn *c, const struct span *in, size_t nin, size_t taken) MUST_CHECK;
/* The handshake is over: what was refused waits in c->early to be said again, or the connection has
 * failed. Both halves. */
void early_answered(struct conn *c);

/* ---- wait.c: outside the halves; a thread that is cancelled there gives back one reference to c
 * ---- */
/* SO_RCVTIMEO or SO_SNDTIMEO of the fd over one call of the caller's. */
struct patience {
    int option;
    bool asked;
    int64_t end; /* monotonic milliseconds; < 0: none */
};
/* 0; 1: look again whose c is, there was a fork; -1: EBADF, fd (-1: not asked) is not c's any more.
 */
int wait_begin(struct conn *c, int fd);
void wait_end(struct conn *c); /* after wait_begin() gave 0 */
/* Does anybody wait but this thread, which a signal handler may have interrupted there? */
bool wait_others(const struct conn *c);
void wait_out(struct conn *c, int ms); /* until nobody else does, or at the longest so long */
void wait_forked(struct conn *c);      /* the others are not here */
bool wait_forbidden(struct conn *c, int fd, int flags); /* O_NONBLOCK or MSG_DONTWAIT */
/* 0: try again; -1 EAGAIN (patience at its end), EINTR as the kernel would say it, or the socket's
 * error. wait_poll: `limit` (< 0: none) is another end; it gives ETIMEDOUT. */
int wait_input(struct conn *c, int fd, struct patience *p);
int wait_poll(struct conn *c, int fd, short events, struct patience *p, int64_t limit);

/* ---- park.c ---- */
void park_note(struct conn *c);   /* bytes went or came. Any half */
void park_others(struct conn *c); /* c was left */

/* ---- poll.c ---- */
int poll_fds(struct pollfd *fds, nfds_t n, int64_t end, const sigset_t *mask);
bool poll_concerns(int fd); /* not the kernel's alone */
nfds_t poll_most(void);     /* fds that the kernel takes */
static inline bool timespec_valid(const struct timespec *ts)
{
    return !ts || (ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < 1000000000);
}
/* A mapping instead of malloc(): the program may be inside an allocator of its own. */
void *scratch_map(size_t size);
void scratch_unmap(void *p, size_t size);

/* ---- scratch.c ---- */
#define SCRATCH (4 * (size_t)TLS_RECORD_MAX)
uint8_t *scratch_get(void); /* SCRATCH bytes of this thread; NULL: no memory */

/* ---- fork.c ---- */
int fork_init(void);
void fork_look(void);            /* notices a process made without the fork handlers; cheap */
bool fork_vforked(void);         /* we are a child that borrows its parent's memory */
bool fork_since(struct conn *c); /* has there been a fork since it was entered? */
#endif
