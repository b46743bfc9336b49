/* SPDX-License-Identifier: ISC */
/* The tripwire, and its line to whoever listens (`sleeve audit`, tests). */
#ifndef PRELOAD_AUDIT_H
#define PRELOAD_AUDIT_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define AUDIT_KEY 32 /* hexadecimal digits of SLEEVE_AUDIT */

struct conn;

extern bool audit_on;
void audit_open(void);                    /* SLEEVE_AUDIT, read once */
void audit_begin(struct conn *c, int fd); /* a connection has become ours */
/* Has anything left without TLS? Then says so in the log, and to the listener. errno is kept. */
void audit_look(struct conn *c, int fd);
void audit_all(void);
/* A line of the log, for the listener, who is waited for while he has no room: 5 s at most. */
void audit_line(const char *line, size_t n);
/* Where the listener is who gave out this key. */
void audit_address(const char *key, struct sockaddr_un *to, socklen_t *len);
#endif
