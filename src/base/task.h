/* SPDX-License-Identifier: ISC */
/* What somebody else does for a handshake, at once or later and in any thread. A task is the first
 * member of an object that says what is to be done and has room for the result. It has two
 * references to begin with: that of whoever does it, and that of whoever waits, who gives it up by
 * task_cancel(): what comes later finds the task cancelled (threat 36). Only the first completion
 * counts; a task to which nobody but the one who waits has a reference, has failed. */
#ifndef BASE_TASK_H
#define BASE_TASK_H
#include <stdatomic.h>
#include <stdbool.h>

#include "base/lock.h"

/* The task has been completed. Called from the thread that completes it and under the task's lock,
 * so that who is woken is still there: it calls nothing of the task, and takes no lock that is held
 * around such calls. */
typedef void task_wake_fn(void *ctx);

struct task {
    atomic_uint refs;
    struct lock lock;
    /* changed under the lock */
    enum task_state { TASK_PENDING, TASK_DONE, TASK_FAILED, TASK_CANCELLED } state;
    task_wake_fn *wake; /* NULL: nobody waits */
    void *wake_ctx;
};

bool task_init(struct task *t); /* false: no mutex */
void task_ref(struct task *t);
bool task_unref(struct task *t); /* true: that was the last one, and the object is to be freed */

/* ---- who does it ---- */
/* true: it is pending and stays so, the result can be written, until task_end(). */
bool task_begin_end(struct task *t);
void task_end(struct task *t, bool done);
void task_fail(struct task *t); /* both, if it is pending */

/* ---- who waits ---- */
/* It was asked for: is it still to be done? Then wake (NULL: nobody) will be called. */
bool task_waits(struct task *t, task_wake_fn *wake, void *ctx);
bool task_ready(struct task *t);
bool task_done(const struct task *t); /* task_ready(), and it has not failed */
bool task_cancel(struct task *t);     /* no one waits any more; task_unref() */
#endif
