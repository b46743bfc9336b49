/* SPDX-License-Identifier: ISC */
/* TLS connections on real file descriptors: what the sockets API (ssl_*.c) and the preload stand
 * on.
 *
 * A conn is found by fd without a lock. It has two locks (read half, write half); nobody waits in
 * the kernel while holding one. Semantics are POSIX's: -1 and errno, EINTR as the kernel says,
 * partial results. Errno of a failed connection: EACCES certificate, name or key refused (by either
 * side), ECONNABORTED alert or protocol error, ETIMEDOUT handshake deadline, ECONNRESET EOF without
 * close_notify, EPROTO local misuse. The sentence is in conn_error().
 *
 * Fork: processes that have a connection in common take turns (share.h). So no two of them ever
 * seal under one sequence number (threat 40). EPERM: it cannot be shared. */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "engine.h"
#include "shim/sys.h"

struct conn;
struct entry;
struct prelude;

enum conn_first {
    CONN_FIRST_ANY,    /* they are data like any other */
    CONN_FIRST_REFUSE, /* the connection fails with EACCES: TLS would be wrapped in TLS */
    CONN_FIRST_WAITS,  /* the handshake waits for them: the connection is the caller's, in clear */
};

struct conn_params {
    struct config *config;       /* sealed; the conn takes a reference */
    const char *host;            /* client: name to verify (and SNI) */
    const char *sni;             /* NULL: from host */
    const struct sockaddr *peer; /* client: where it connects to; NULL: the fd's peer */
    int session_ttl;             /* client: seconds that sessions are kept; 0: as the server says */
    uint32_t early_max;          /* client: bytes of early data (CONN_EARLY); 0: none */
    int handshake_timeout_ms;    /* counted from attach; 0: 60000; negative: none */
    struct prelude *prelude;     /* said in clear before the handshake; conn_attach() takes it over,
                                    whatever it returns. NULL: nothing */
    bool clear_ok;               /* server: a client that speaks no TLS goes on in clear */
    enum conn_first first;       /* client: when the caller's first words are a ClientHello */
    bool lenient_eof;            /* EOF without close_notify reads as 0 */
    /* Idle for so long: its ciphers' memory is given back. Only where signals_first() was said; 0:
     * never. */
    int park_after_ms;
    int linger_ms; /* how long close may try to get rid of a tail; 0: 2000 */
    /* Called once, when the handshake ended (ok or not) and again at the end; may be NULL. No lock
     * held. */
    void (*on_event)(void *ctx, struct conn *c, int event);
    void *ctx;
    int tag;                  /* the caller's own: conn_tag() */
    const struct entry *seen; /* what fd has to be still (table_replace()); NULL: it may be any */
};
enum {
    CONN_EVENT_CONNECTED,
    CONN_EVENT_FAILED,
    CONN_EVENT_CLEAR, /* instead of CONNECTED: without TLS, by clear_ok or CONN_FIRST_WAITS */
    CONN_EVENT_CLOSED
};

/* Once per process before anything else; idempotent, thread-safe. Installs fork handlers. */
int shim_init(void);
/* For a child that is made by a raw system call: what the handlers of fork() do. The second in both
 * processes, also when there is no child after all. */
void shim_before_fork(void);
void shim_after_fork(bool child);

/* Around a write that is ours and not the program's (a log, shared memory): it does not hear of the
 * SIGPIPE or SIGXFSZ that this may raise. why: the errno of what failed. Keeps errno. */
struct unheard {
    sigset_t mask, waiting;
};
void unheard_begin(struct unheard *u);
void unheard_end(const struct unheard *u, int why);

/* For who stands before every signal handler of the program. signals_first: true from then on, or
 * not any more. signal_put_off: asked first of all in a handler installed with SA_SIGINFO, of a
 * signal that is neither a fault nor a realtime one. true: the handler is to return at once, and
 * the signal comes again. Between signals_wait() and signals_come() all are put off; no system
 * call, unless one was. */
void signals_first(bool first);
bool signal_put_off(int sig, siginfo_t *info, void *context);
void handler_begins(void); /* of the program */
void handler_ends(void);
void signals_wait(void);
void signals_come(void);
bool is_fault(int sig); /* it tells of a fault in the program */

/* Makes fd a TLS connection; nothing is sent yet. 0, or -1 and errno; *err (may be NULL) has the
 * sentence. */
int conn_attach(int fd, const struct conn_params *p, struct error *err);
/* A server that has not heard its client yet, from now on with another sealed configuration; else
 * -1 EISCONN. */
int conn_renew(struct conn *c, int fd, struct config *config, struct error *err);
/* Lock-free; NULL: not ours. A reference is taken: conn_put() gives it back. */
struct conn *conn_get(int fd);
void conn_put(struct conn *c);
/* Any fd that is not plain? One relaxed load, for the fast way out of wrappers. */
bool conn_any(void);

/* Drives the handshake: 0 done; -1 EAGAIN (O_NONBLOCK or MSG_DONTWAIT in flags and it would wait),
 * or the error. */
int conn_handshake(struct conn *c, int fd, int flags);
bool conn_is_connected(const struct conn *c);
/* Client: TCP is connected and the handshake is not done, but conn_writev() takes early data. */
bool conn_early(struct conn *c, int fd);
void conn_early_over(struct conn *c); /* and from now on it does not */
/* How many of the first bytes were early data (server: received; client: sent, and not refused). */
uint64_t conn_early_bytes(struct conn *c);
/* CONN_FIRST_WAITS, and the caller has not spoken. conn_only_hears: it waits for these events: the
 * handshake does not wait any more when it does not ask for POLLOUT. Before conn_pump(). */
bool conn_waits_to_speak(const struct conn *c);
void conn_only_hears(struct conn *c, short events);
/* connect() has told its caller that it is connected: true the first time. */
bool conn_tell(struct conn *c);
/* Milliseconds until the handshake has taken too long (0: it has), or is to be looked at because it
 * waits for a session store, for poll's timeout; -1: there is no such time. conn_is_due: one of the
 * two is so: conn_pump(), also when the kernel has reported nothing. */
int conn_deadline_ms(struct conn *c);
bool conn_is_due(struct conn *c);

/* POSIX recv/send semantics on plaintext: flags MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_NOSIGNAL,
 * MSG_MORE; O_NONBLOCK, SO_RCVTIMEO and SO_SNDTIMEO of the fd honoured; the handshake is done first
 * when need be. */
/* In conn_writev()'s flags: these bytes may be replayed by anyone, so let them leave as early data
 * if they can. Of SSL_MSG_EARLY's value; MSG_ has nothing there. */
#define CONN_EARLY 0x10000000
ssize_t conn_readv(struct conn *c, int fd, const struct iovec *iov, int n, int flags);
ssize_t conn_writev(struct conn *c, int fd, const struct iovec *iov, int n, int flags);
/* The calls themselves, with all that they refuse: readv(2) and writev(2) (read(2), too); recv(2)
 * and send(2); recvmsg(2) and sendmsg(2); sendfile(2). MSG_TRUNC throws away as for TCP, MSG_OOB is
 * EINVAL or EOPNOTSUPP, control messages of SOL_SOCKET are EOPNOTSUPP, memory at NULL is EFAULT.
 * MSG_ERRQUEUE is for the caller to give to the kernel. */
ssize_t conn_read(struct conn *c, int fd, const struct iovec *iov, int n);
ssize_t conn_write(struct conn *c, int fd, const struct iovec *iov, int n);
ssize_t conn_recv(struct conn *c, int fd, const struct iovec *iov, size_t n, int flags);
ssize_t conn_send(struct conn *c, int fd, const struct iovec *iov, size_t n, int flags);
ssize_t conn_recvmsg(struct conn *c, int fd, struct msghdr *m, int flags);
ssize_t conn_sendmsg(struct conn *c, int fd, const struct msghdr *m, int flags);
ssize_t conn_sendfile(struct conn *c, int fd, int in, off_t *offset, size_t count);
/* An fd in m's SCM_RIGHTS that is one of `ours`: its receiver would write plaintext. -1: none. */
int conn_in_rights(const struct msghdr *m, bool (*ours)(int fd));
int conn_shutdown(struct conn *c, int fd,
                  int how); /* SHUT_WR: close_notify, then the socket's write side */

/* TLS ends and the socket goes on in clear: says close_notify, waits for the peer's, forgets fd. 0,
 * or -1: EBUSY data of the peer's is unread, or another fd is the same connection. */
int conn_detach(struct conn *c, int fd);

/* Readiness (poll bits). conn_ready: what is true now without a system call. conn_want: which
 * kernel events the connection needs in order to come nearer to `events`. conn_pump: the kernel
 * reported `revents`: does what can be done without waiting (handshake, opening records that are
 * there, flushing a tail). A record without data makes no POLLIN; a waiting tail masks POLLOUT. */
short conn_ready(struct conn *c, short events);
short conn_want(struct conn *c, short events);
void conn_pump(struct conn *c, int fd, short revents);
size_t conn_buffered(struct conn *c); /* plaintext bytes that wait in user space */
/* FIONREAD: how much a read would give now, what has arrived is opened first. 0 or -1 errno. */
int conn_readable(struct conn *c, int fd, int *bytes);
/* The same in poll(2)'s words: what the kernel has to be asked for who asked for `asked`, and what
 * the caller is told when the kernel says `kernel` of the socket. */
short conn_events(struct conn *c, short asked);
short conn_revents(struct conn *c, short asked, short kernel);
/* poll(2) and select(2) over any fds; those that are not ours go to the kernel. Timeouts, signal
 * masks, errno and what is left in *tv as on Linux. Nothing is allocated but by mmap(). */
int conn_poll(struct pollfd *fds, nfds_t n, int ms);
int conn_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *ts, const sigset_t *mask);
int conn_select(int nfds, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv);
int conn_pselect(int nfds, fd_set *r, fd_set *w, fd_set *e, const struct timespec *ts,
                 const sigset_t *mask);
/* Set before the first connection, or never. hot: an fd of none of ours that would report something
 * the kernel does not know (POLLIN). noted: poll has driven the connection. */
extern struct poll_hooks {
    bool (*hot)(int fd);
    void (*noted)(struct conn *c, int fd);
} poll_hooks;
#define FOR_EVER INT64_MAX
int64_t clock_ns(void);                       /* monotonic */
int64_t clock_end(const struct timespec *ts); /* FOR_EVER: never; 0: at once */

/* A stream over fd with the caller's functions behind it; what two of them do. NULL: errno. */
FILE *stream_open(int fd, const char *mode, void *cookie, const cookie_io_functions_t *io);
ssize_t stream_write_all(int fd, const char *p, size_t n,
                         ssize_t (*put)(int fd, const void *p, size_t n));
int stream_seek_fd(int fd, off64_t *at, int whence);

/* The fd table. conn_alias: newfd is the same (dup): connection, or options of one that is to be.
 * conn_closing: call before close(fd): forgets the fd; at the last fd of a connection says
 * close_notify, gets rid of a tail within linger_ms, frees. errno is kept. */
int conn_alias(int oldfd, int newfd);
void conn_closing(int fd);
/* All tracked fds from lo to hi, in order: fn(ctx, fd). For closefrom, exec. */
void conn_each(int lo, int hi, void (*fn)(void *ctx, int fd), void *ctx);

/* exec. conn_export: fd, which is not close-on-exec, goes along; it must be able to share
 * (share.h). From here to conn_export_end(), which is for an exec that failed, fd is a stand-in.
 * conn_exec_leaves: a connection that does not go along; false: the exec has failed. */
int conn_export(struct conn *c, int fd);
bool conn_exported(struct conn *c, int fd);
void conn_export_end(struct conn *c);
void conn_exec_leaves(struct conn *c, bool leaves);
/* In the new program, before it has threads: what the memory at an fd has for us, one by one.
 * conn_import: 0, or -1: not with this configuration; conn_import_not: with none. */
struct share_set;
struct slot;
struct import {
    size_t next; /* 0 at first */
    struct slot *slot;
    unsigned me;
    int fd, real; /* where it is to be, one of its numbers; where it is now */
    enum tls_role role;
};
struct share_set *share_set_open(int fd); /* NULL: it is nothing of ours */
bool conn_import_next(struct share_set *set, struct import *i);
int conn_import(struct share_set *set, const struct import *i, const struct conn_params *p);
void conn_import_not(const struct import *i);
void conn_import_end(struct share_set *set);

/* Facts. Valid while a reference is held; conn_error()->code is 0 when nothing is wrong. */
const struct error *conn_error(struct conn *c);
void conn_info(struct conn *c, struct tls_info *i);
enum tls_role conn_role(const struct conn *c);
int conn_tag(const struct conn *c);
/* What went over the wire, all records with their heads, and what the tripwire found (wire.c). */
struct wire {
    uint64_t out, in; /* bytes that we gave the kernel; that we took from it */
    uint64_t base;    /* what the kernel had been given when we began, SYN and strays included */
    uint64_t stray;   /* bytes that somebody else gave it since: they left without TLS */
    bool watched;     /* somebody looks */
};
void conn_wire(struct conn *c, struct wire *w);
void conn_watch_wire(struct conn *c, int fd); /* from now on; before anything is sent */
/* How many strays came since the last look. errno is kept; costs some system calls. */
uint64_t conn_wire_stray(struct conn *c, int fd);
int conn_errno(struct conn *c); /* what errno a failed connection reports; 0: it has not failed */
void conn_fail(struct conn *c, int err,
               const char *why);     /* refuses all later use with this errno */
int errno_of(const struct error *e); /* the one mapping from engine errors to errno */
#endif
