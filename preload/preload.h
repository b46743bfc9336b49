/* SPDX-License-Identifier: ISC */
/* What the files of the preload share. Each file takes over one family of calls; the shape of a
 * wrapper is always the same: not one of our connections -> the C library's function at once, with
 * no lock, no allocation and no system call on the way; one of ours -> the shim, with the same
 * meaning for the plaintext. */
#ifndef PRELOAD_PRELOAD_H
#define PRELOAD_PRELOAD_H
#include "preload/real.h"
#include "preload/rules.h"
#include "shim/shim.h"

/* ---- init.c ---- */
extern struct policy *policy; /* NULL: dormant, and then no connection is ever ours */
extern char program[64];      /* for the log; argv[0] itself may be written over */
bool preload_refuses(void);   /* the policy or the engine cannot be used: no connection at all */

/* The connection of fd with a reference, or NULL. */
static inline struct conn *tracked(int fd)
{
    return __builtin_expect(conn_any(), 0) ? conn_get(fd) : NULL;
}
bool is_tracked(int fd);

/* ---- connect.c ---- */
bool stream_socket(int fd); /* TCP over IPv4 or IPv6 */
/* A connected socket that the program was started with: ours now, if its rule says so? */
bool adopt_server(int fd, enum adopt how);
void refuse_inherited(int fd); /* a connection, which nobody knows to be one of ours or not */
/* fd is about to be closed or to name something else: forgets all we know of it. errno is kept. */
void fd_leaves(int fd);
/* Between fd_leaves() and fd_left() whoever writes on fd is told EBADF: it is a socket still, and
 * no longer one with TLS. */
void fd_left(int fd);
extern _Atomic int fds_leaving;
bool fd_is_leaving(int fd); /* sets errno */
static inline bool leaving(int fd)
{
    return __builtin_expect(fds_leaving != 0, 0) && fd_is_leaving(fd);
}
/* The kernel says that fd is no socket (errno ENOTSOCK): it was closed where we could not see it.
 * Then forgets it and says true: ask the C library instead. */
bool fd_is_stale(int fd);

/* ---- write.c ---- */
/* Would this message hand one of our descriptors to another process? Then its connection goes to a
 * relay, or -1, errno: not allowed or not possible, logged. */
int rights_check(const struct msghdr *m);

/* ---- names.c ---- */
#define NAMES_PER_ADDRESS 32
struct names {
    char text[NAMES_PER_ADDRESS][POLICY_HOST_MAX];
    const char *list[NAMES_PER_ADDRESS];
    size_t n;
};
/* What the program resolved to this address, newest first. */
void names_of(const struct sockaddr *sa, socklen_t len, struct names *out);

/* ---- stdio.c ---- */
/* fd (0, 1 or 2) begins or ceases to be one of ours: puts a stream in the place of stdin, stdout,
 * stderr that goes through us, or the C library's own one back. */
void stdio_follow(int fd);
void stdio_start(void); /* a listed program */
void stdio_flush(void); /* streams of ours, before their connections say goodbye */

/* ---- process.c ---- */
int process_start(void);     /* a listed program; 0 or not */
void process_farewell(void); /* the process ends: every connection is closed in order */

/* ---- uring.c ---- */
int uring_shut(void); /* no io_uring for a program that has liburing; 0, or -1: it still has */

/* ---- log.c, log_sink.c (and log.h) ---- */
void log_open(const char *where); /* NULL: silent */
bool log_owns(int fd);
int log_descriptor(void);      /* -1: none */
int own_fd(int fd);            /* the same out of the program's way; < 0: so is this */
void log_lost(int lo, int hi); /* these descriptors were closed: opens the log again when needed */
/* This thread closes a copy that came by fork() and was never used here: the other process logs it.
 */
extern _Thread_local bool session_silent;
/* One line at a connection's end, or when it fails. to: where a client connects; NULL: a server. */
struct visit *visit_new(const struct rule *rule, int fd, const struct sockaddr *to);
void visit_free(struct visit *s);
void visit_event(void *session, struct conn *c, int event);
void visit_stray(struct conn *c, int fd, uint64_t n); /* the tripwire: n bytes without TLS */
extern _Thread_local bool
    session_ended; /* set when the last descriptor of a connection of ours goes */
#endif
