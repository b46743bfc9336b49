/* SPDX-License-Identifier: ISC */
/* The relay: a process of its own that takes a connection over, with its socket and its keys. The
 * program gets one end of a TCP connection over loopback under the same descriptor, which any
 * program can read and write, ours or not, and copy, pass on or keep over exec. The relay moves
 * bytes between the other end and TLS, and ends with the last user of the descriptor. */
#ifndef PRELOAD_RELAY_H
#define PRELOAD_RELAY_H
#include <netinet/in.h>

#include "preload/preload.h"

#define RELAY_FD_MIN 1000 /* its descriptors and ours stay out of the program's way */

enum relay_use {
    RELAY_ALL,
    RELAY_WRITES, /* only writes are to be expected: what the peer says is left to other processes
                   */
};
/* The connection of fd becomes a relay's: all its descriptors here name the relay's end from then
 * on. 0; or -1 and errno, and the connection is as it was: EPERM another process or thread is using
 * it, EAGAIN, ENOMEM, EMFILE there is no room for another process or its descriptors. */
int relay_take(int fd, enum relay_use use);
bool relay_may_take(int fd); /* its rule says `handoff = relay` */
/* newfd is a duplicate of fd. */
void relay_aliased(int fd, int newfd);

/* ---- relay_end.c ---- */
union relay_address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};
struct relay_names {
    union relay_address peer, local; /* of the real socket; AF_UNSPEC: it has none any more */
};
int relay_reserve(void); /* before the first relay_remember() */
void relay_remember(int fd, const struct relay_names *names);
int relay_high(int fd); /* the same out of the program's way, never 0, 1 or 2; consumes fd */
void relay_close(int fd);
/* ends[0] is the program's, ends[1] the relay's. A TCP connection, for its end can be a reset. */
int relay_pair(int family, int ends[static 2]);
void relay_dress(int fd, int end); /* end has what the program has asked of fd */

/* ---- relay_loop.c: in the relay ---- */
/* c is on tls, the program's bytes come and go through end. Returns when it is all over. */
void relay_run(struct conn *c, int tls, int end, enum relay_use use);
#endif
