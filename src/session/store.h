/* SPDX-License-Identifier: ISC */
/* A place outside of the process, or shared with others, where a server keeps sessions: those of
 * TLS 1.2 under their ids, those of TLS 1.3 under names that the client has in place of tickets.
 * What is kept there is sealed under the ticket keys and bound to its id (ticket_seal_stored()):
 * whoever reads or writes the store can neither learn nor forge a session, only lose it. Whatever
 * goes wrong there is a full handshake, never a failed one. */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H
#include "base/task.h"
#include "session/session.h"

/* The most that is ever put: what is longer is none of ours. */
#define SESSION_STORED_MAX (SESSION_SERIAL_MAX + 64)

/* One lookup of one handshake. It is answered in the get() of the store, or with a reference of its
 * own later, from any thread, and if need be after the connection is gone: nothing comes of it
 * then. Only the first answer counts. A lookup to which nobody has a reference any more, has
 * missed. The handshake waits as long as there is no answer: the store sees to it that there is one
 * in good time. */
struct session_lookup;
struct span session_lookup_id(const struct session_lookup *l); /* 1 to SESSION_ID_MAX bytes */
/* It serves once: who is told that it was found, is the only one. A store that cannot do that gives
 * it away all the same; its clients are then known by it more often. */
bool session_lookup_takes(const struct session_lookup *l);
struct session_lookup *session_lookup_ref(struct session_lookup *l);
void session_lookup_unref(struct session_lookup *l);                    /* NULL is fine */
void session_lookup_found(struct session_lookup *l, struct span value); /* copied */
void session_lookup_missed(struct session_lookup *l);

/* What a store does, in the threads that are in the handshakes: none of it waits. */
struct session_store {
    /* Fire and forget; life: seconds, at least 1. */
    void (*put)(void *ctx, struct span id, struct span value, uint32_t life);
    void (*get)(void *ctx, struct session_lookup *l);
    void (*drop)(void *ctx, struct span id);
    void *ctx;
};

/* ---- for the handshake ---- */
/* With two references, one for the time that get() runs. NULL: no memory. */
struct session_lookup *session_lookup_new(struct span id, bool takes);
struct task *session_lookup_task(struct session_lookup *l);
/* Once the task is ready; empty: it missed. */
struct span session_lookup_value(const struct session_lookup *l);
void session_lookup_cancel(struct session_lookup *l); /* nobody waits any more; NULL is fine */
#endif
