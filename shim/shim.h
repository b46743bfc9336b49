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
 * Fork: a connection that lives in parent and child belongs to the process that uses it first
 * (read, write, shutdown); in the other one every use fails with EPERM and close() is silent. So no
 * two processes ever seal under one sequence number (threat 40). */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H
#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "engine.h"
#include "shim/sys.h"

struct conn;
struct entry;

struct conn_params {
    struct config *config;    /* sealed; the conn takes a reference */
    const char *host;         /* client: name to verify (and SNI) */
    const char *sni;          /* NULL: from host */
    int handshake_timeout_ms; /* counted from attach; 0: 60000; negative: none */
    bool lenient_eof;         /* EOF without close_notify reads as 0 */
    int linger_ms;            /* how long close may try to get rid of a tail; 0: 2000 */
    /* Called once, when the handshake ended (ok or not) and again at the end; may be NULL. No lock
     * held. */
    void (*on_event)(void *ctx, struct conn *c, int event);
    void *ctx;
    const struct entry *seen; /* what fd has to be still (table_replace()); NULL: it may be any */
};
enum { CONN_EVENT_CONNECTED, CONN_EVENT_FAILED, CONN_EVENT_CLOSED };

/* Once per process before anything else; idempotent, thread-safe. Installs fork handlers. */
int shim_init(void);

/* Makes fd a TLS connection; nothing is sent yet. 0, or -1 and errno; *err (may be NULL) has the
 * sentence. */
int conn_attach(int fd, const struct conn_params *p, struct error *err);
/* Lock-free; NULL: not ours. A reference is taken: conn_put() gives it back. */
struct conn *conn_get(int fd);
void conn_put(struct conn *c);
/* Any fd that is not plain? One relaxed load, for the fast way out of wrappers. */
bool conn_any(void);

/* Drives the handshake: 0 done; -1 EAGAIN (O_NONBLOCK or MSG_DONTWAIT in flags and it would wait),
 * or the error. */
int conn_handshake(struct conn *c, int fd, int flags);
bool conn_is_connected(const struct conn *c);
/* connect() has told its caller that it is connected: true the first time. */
bool conn_tell(struct conn *c);
/* Milliseconds until the handshake has taken too long, for poll's timeout; -1: there is no such
 * time. */
int conn_deadline_ms(struct conn *c);

/* POSIX recv/send semantics on plaintext: flags MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_NOSIGNAL,
 * MSG_MORE; O_NONBLOCK, SO_RCVTIMEO and SO_SNDTIMEO of the fd honoured; the handshake is done first
 * when need be. */
ssize_t conn_readv(struct conn *c, int fd, const struct iovec *iov, int n, int flags);
ssize_t conn_writev(struct conn *c, int fd, const struct iovec *iov, int n, int flags);
int conn_shutdown(struct conn *c, int fd,
                  int how); /* SHUT_WR: close_notify, then the socket's write side */

/* Readiness (poll bits). conn_ready: what is true now without a system call. conn_want: which
 * kernel events the connection needs in order to come nearer to `events`. conn_pump: the kernel
 * reported `revents`: does what can be done without waiting (handshake, opening records that are
 * there, flushing a tail). A record without data makes no POLLIN; a waiting tail masks POLLOUT. */
short conn_ready(struct conn *c, short events);
short conn_want(struct conn *c, short events);
void conn_pump(struct conn *c, int fd, short revents);
size_t conn_buffered(struct conn *c); /* plaintext bytes that wait in user space */

/* The fd table. conn_alias: newfd is the same (dup): connection, or options of one that is to be.
 * conn_closing: call before close(fd): forgets the fd; at the last fd of a connection says
 * close_notify, gets rid of a tail within linger_ms, frees. errno is kept. */
int conn_alias(int oldfd, int newfd);
void conn_closing(int fd);
/* All tracked fds from lo to hi, in order: fn(ctx, fd). For closefrom, exec. */
void conn_each(int lo, int hi, void (*fn)(void *ctx, int fd), void *ctx);

/* Facts. Valid while a reference is held; conn_error()->code is 0 when nothing is wrong. */
const struct error *conn_error(struct conn *c);
void conn_info(struct conn *c, struct tls_info *i);
enum tls_role conn_role(const struct conn *c);
int conn_errno(struct conn *c); /* what errno a failed connection reports; 0: it has not failed */
void conn_fail(struct conn *c, int err,
               const char *why);     /* refuses all later use with this errno */
int errno_of(const struct error *e); /* the one mapping from engine errors to errno */
#endif
