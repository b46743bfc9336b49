/* SPDX-License-Identifier: ISC */
#include "base/task.h"

#include <stddef.h>

bool task_init(struct task *t)
{
    if (!lock_init(&t->lock)) {
        return false;
    }
    atomic_init(&t->refs, 2);
    t->state = TASK_PENDING;
    t->wake = NULL;
    t->wake_ctx = NULL;
    return true;
}

void task_ref(struct task *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

bool task_unref(struct task *t)
{
    unsigned n = atomic_load(&t->refs);

    do { /* the other one waits: nobody could complete it any more */
        if (n == 2) {
            task_fail(t);
        }
    } while (!atomic_compare_exchange_weak(&t->refs, &n, n - 1));
    if (n == 1) {
        lock_free(&t->lock);
    }
    return n == 1;
}

bool task_begin_end(struct task *t)
{
    lock_take(&t->lock);
    if (t->state == TASK_PENDING) {
        return true;
    }
    lock_give(&t->lock);
    return false;
}

/* The lock is held while the owner of the connection is woken, so that the latter is there. */
void task_end(struct task *t, bool done)
{
    t->state = done ? TASK_DONE : TASK_FAILED;
    if (t->wake) {
        t->wake(t->wake_ctx);
    }
    lock_give(&t->lock);
}

void task_fail(struct task *t)
{
    if (task_begin_end(t)) {
        task_end(t, false);
    }
}

bool task_waits(struct task *t, task_wake_fn *wake, void *ctx)
{
    bool waits;

    lock_take(&t->lock);
    waits = t->state == TASK_PENDING;
    t->wake = waits ? wake : NULL;
    t->wake_ctx = ctx;
    lock_give(&t->lock);
    return waits;
}

bool task_ready(struct task *t)
{
    bool ready;

    lock_take(&t->lock);
    ready = t->state != TASK_PENDING;
    lock_give(&t->lock);
    return ready;
}

bool task_done(const struct task *t)
{
    return t->state == TASK_DONE; /* which nobody changes any more */
}

bool task_cancel(struct task *t)
{
    lock_take(&t->lock);
    t->state = TASK_CANCELLED;
    lock_give(&t->lock);
    return task_unref(t);
}
