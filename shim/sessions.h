/* SPDX-License-Identifier: ISC */
/* What lets the next handshake be a short one: the sessions of this process's clients, and what a
 * server seals and remembers them with. */
#ifndef SHIM_SESSIONS_H
#define SHIM_SESSIONS_H
#include "shim/reload.h"
#include "shim/shim.h"

/* ---- sessions_client.c: one cache for all clients of the process ----
 * By the name to verify (else the address), the name sent, the port, and all that decides whom a
 * client trusts and what it says. Up to SESSIONS_HOSTS of them, the one used last stays longest;
 * SESSIONS_EACH sessions each. A child of fork() begins with none: tickets of TLS 1.3 are for one
 * use, and its parent has them (RFC 8446 appendix C.4). */
#define SESSIONS_HOSTS 1024
#define SESSIONS_EACH  8

/* Where a client's sessions are, and which TLS 1.2 one it uses: that can serve many. */
struct client_sessions {
    uint8_t key[32];
    int64_t (*now)(void); /* seconds since 1970 */
    struct tls_session *shared;
    bool offered; /* that one, by us */
};
/* NULL: nothing is to be kept or used. peer: NULL, or where it connects to. */
struct client_sessions *client_sessions_new(const struct conn_params *p, int fd);
void client_sessions_free(struct client_sessions *s); /* NULL is fine */
/* A session to offer, with its reference, or NULL. ttl: seconds that it may be old; 0: what the
 * server said. */
struct tls_session *client_sessions_take(struct client_sessions *s, int ttl);
keep_fn client_sessions_keep; /* ctx: struct client_sessions */
/* The handshake is over: a TLS 1.2 session that the server did not want any more goes. */
void client_sessions_settled(struct client_sessions *s, bool resumed);
/* A fatal error: nobody resumes what this connection had (RFC 5246 section 7.2.2). NULL is fine. */
void client_sessions_failed(struct client_sessions *s);
size_t client_sessions_count(void); /* of all hosts */
/* Around fork(), by fork.c. torn: some other thread may have been at it. */
void client_sessions_lock(void);
void client_sessions_unlock(void);
void client_sessions_in_child(bool torn);

/* ---- sessions_server.c ---- */
#define SESSION_TTL 86400 /* seconds, unless something else is said */
#define SESSION_IDS 1024  /* sessions of TLS 1.2 of clients that know no tickets, likewise */
struct session_options {
    bool reuse;           /* false: no tickets, no cache; the rest does not matter */
    uint32_t life;        /* seconds */
    unsigned tickets;     /* behind each handshake of TLS 1.3 */
    uint32_t early;       /* bytes of early data; 0: none */
    unsigned ids;         /* sessions of TLS 1.2 that are kept */
    const char *key_file; /* NULL: keys are drawn here */
};
/* Ticket keys, the cache of session ids, the memory of early data: made once, they outlive the
 * configurations that are made again when files change. */
struct server_sessions;
/* Draws keys and makes *kept, unless that was done before. Two threads may come at once. */
int server_sessions_make(_Atomic(struct server_sessions *) *kept, const struct session_options *o,
                         struct error *err) MUST_CHECK;
/* Gives them to a config that is not sealed yet, and takes over what the key file says, which is
 * noted in f before it is read. Last of all that makes a config: keys are in use at once. */
int server_sessions_apply(struct server_sessions *s, const struct session_options *o,
                          struct config *c, struct files *f, struct error *err) MUST_CHECK;
void server_sessions_free(struct server_sessions *s); /* NULL is fine */
#endif
