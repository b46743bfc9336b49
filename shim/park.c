/* SPDX-License-Identifier: ISC */
/* Connections that have been idle give the memory of their ciphers back (tls_park()), which is half
 * of what one holds; the next record makes it anew.
 *
 * There is no thread to do that. Each connection notes when something was last sent or received,
 * by a clock that takes no system call; and once a second whoever leaves a half then moves a hand
 * on over the table of descriptors, and parks who has been idle for long enough. It passes by who
 * is being used, and waits for nobody. In a process that does nothing, nothing happens.
 *
 * Memory is given back and taken here, which is no work for a signal handler that may have
 * interrupted malloc(): a connection that is used in one is never parked, and a handler does not
 * move the hand. */
#include <time.h>

#include "shim/conn.h"

#define LOOK_MS 1000
#define STEPS   4096 /* descriptors, each time */

static _Atomic int64_t next_look;
static _Atomic int hand;

static int64_t coarse_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void park_note(struct conn *c)
{
    if (atomic_load_explicit(&c->park_after_ms, memory_order_relaxed) == 0) {
        return;
    }
    if (undisturbed()) {
        atomic_store_explicit(&c->used, coarse_ms(), memory_order_relaxed);
    } else {
        atomic_store(&c->park_after_ms, 0);
    }
}

static bool is_idle(struct conn *c, int64_t now)
{
    int64_t used = atomic_load(&c->used);
    int after = atomic_load(&c->park_after_ms);

    return after > 0 && used != atomic_load(&c->parked) && now - used >= after &&
           atomic_load(&c->state) == CONN_OPEN && !atomic_load(&c->in_clear);
}

static void park(struct conn *c, int64_t now)
{
    struct hold h = { .c = c };

    hush(&h);
    if (pthread_mutex_trylock(&c->read_lock) == 0) {
        if (pthread_mutex_trylock(&c->write_lock) == 0) {
            if (is_idle(c, now) && !atomic_load(&c->claim.shared) && !c->claim.torn &&
                !atomic_load(&c->ending)) {
                tls_park(c->tls);
                atomic_store(&c->parked, atomic_load(&c->used));
            }
            pthread_mutex_unlock(&c->write_lock);
        }
        pthread_mutex_unlock(&c->read_lock);
    }
    unhush(&h);
}

void park_others(struct conn *c)
{
    int64_t now = atomic_load_explicit(&c->used, memory_order_relaxed);
    int64_t next = atomic_load_explicit(&next_look, memory_order_relaxed);
    int fd, end;

    if (now < next || !undisturbed() ||
        !atomic_compare_exchange_strong(&next_look, &next, now + LOOK_MS)) {
        return;
    }
    fd = atomic_load(&hand);
    end = fd + STEPS;
    for (fd = table_next(fd); fd >= 0 && fd < end; fd = table_next(fd + 1)) {
        struct conn *other = conn_get(fd);

        if (other && is_idle(other, now)) {
            park(other, now);
        }
        conn_put(other);
    }
    atomic_store(&hand, fd < 0 ? 0 : fd);
}
