/* SPDX-License-Identifier: ISC */
/* A connection that several processes have, after fork() or exec(): they take turns (threats 25,
 * 40).
 *
 * Its state is private memory until a fork. From then on it has a slot in memory that the processes
 * share: a lock, who they are, and the connection's bytes (tls_share()). Who enters a half takes
 * the lock (and both halves: the other thread of this process must not be in it either), takes over
 * the bytes if they are newer than its own copy, and puts its own there when it leaves. As soon as
 * no other process is left it is private memory again, at its full speed.
 *
 * No sequence number is ever used twice: before anything can leave, the slot is marked `inside`. A
 * process that dies there leaves the mark (and the lock, which is a robust one) behind, and who
 * comes next finds the connection broken, for all: it is shut down without a word. What cannot be
 * bytes (a handshake under way) stays with the process that has it; the others wait for it, or are
 * told EPERM where it will never be.
 *
 * Lock order: slot, read half, write half, table. fork() takes halves only where it need not wait.
 */
#ifndef SHIM_SHARE_H
#define SHIM_SHARE_H
#include "shim/conn.h"

#define SHARE_LOOK_MS                                                          \
    20 /* how often who waits looks whether another process left him something \
        */

/* ---- around fork(), by fork.c, under the table lock ---- */
/* Slots for the connections that are forked for the first time. NULL: no memory. */
struct share_set *share_set_new(size_t slots);
void share_before(struct conn *c, struct share_set *set);
void share_in_parent(struct conn *c);
void share_in_child(struct conn *c, bool all_torn);
unsigned fork_count(void); /* forks of this process, begun */
/* Of the process whose memory this is: around a fork made by a child that borrows it, that is not
 * getpid(). */
pid_t fork_pid(void);

/* ---- in a half ---- */
/* hush(), the slot's lock if there is one to take, and h->halves. 0 or an errno. */
int share_take(struct hold *h);
/* What is there is the newest state now. 0; EPERM; EAGAIN: another process will have it when its
 * handshake is over; EINPROGRESS: in a moment. */
int share_begin(struct hold *h);
/* Everybody may see what was done; before the halves are given. */
void share_end(struct hold *h);
/* Behind that: a fork that came while we were in a half has left us something to tell. */
void share_settle(struct conn *c);
/* Nothing was done, after share_take(): gives all back but hush(). */
void share_refuse(struct hold *h);
/* An fd is being closed, after share_take(): gives the slot back, for good if it is the last fd.
 * Where no other process is left, all of it is ours again; else it is lost. */
void share_let_go(struct hold *h, bool last);
void share_release(struct conn *c);

/* ---- over exec (share_exec.c, shim.h) ---- */
void share_set_drop(struct share_set *set);
/* Makes c one that goes on with what is in the slot. */
void share_join(struct conn *c, struct share_set *set, struct slot *slot, unsigned me);
#endif
