/* SPDX-License-Identifier: ISC */
/* A child of fork() has the locks of libcrypto as they were, and those that another thread held
 * then are held for ever: its next random number, or key, would never come. So who goes where
 * libcrypto may take a lock passes a gate, and fork() shuts it and waits until all are out.
 *
 * No one waits for anything inside but for memory and time to compute. What a token does takes as
 * long as it likes, and is not fenced in. A trace's function of the program's could wait for the
 * thread that forks, in vain; so that thread does not wait for ever either. */
#include "base/lock.h"
#include "crypto/crypto.h"
#include "crypto/local.h"

#define WAIT_S 2

static struct gate gate = GATE_INIT;
static PER_THREAD unsigned inside;
static PER_THREAD bool shut;

bool libcrypto_enter(void)
{
    if (inside++ == 0) {
        gate_pass(&gate);
    }
    return true;
}

void libcrypto_leave(const bool *entered)
{
    if (*entered && --inside == 0) {
        gate_leave(&gate);
    }
}

/* What a thread does in libcrypto itself while it forks (in a signal handler, say), it finishes in
 * both processes. */
void crypto_before_fork(void)
{
    shut = inside == 0 && gate_shut(&gate, WAIT_S);
}

static void in_parent(void)
{
    if (shut) {
        gate_open(&gate);
    }
}

static void in_child(void)
{
    in_parent();
    gate_renew(&gate);
    if (inside > 0) {
        gate_pass(&gate);
    }
}

void crypto_after_fork(bool child)
{
    if (child) {
        in_child();
    } else {
        in_parent();
    }
    shut = false;
}

static void after_parent(void)
{
    crypto_after_fork(false);
}

static void after_child(void)
{
    crypto_after_fork(true);
}

void libcrypto_watch_forks(void)
{
    (void)at_fork(crypto_before_fork, after_parent, after_child);
}
