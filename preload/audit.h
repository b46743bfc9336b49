/* SPDX-License-Identifier: ISC */
/* The tripwire, and its line to whoever listens (`sleeve audit`, tests). */
#ifndef PRELOAD_AUDIT_H
#define PRELOAD_AUDIT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
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
void audit_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Where the listener is who gave out this key. */
static inline void audit_address(const char *key, struct sockaddr_un *to, socklen_t *len)
{
    memset(to, 0, sizeof *to);
    to->sun_family = AF_UNIX;
    (void)snprintf(to->sun_path + 1, sizeof to->sun_path - 1, "sleeve-audit-%.*s", AUDIT_KEY / 2,
                   key);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(to->sun_path + 1));
}
#endif
