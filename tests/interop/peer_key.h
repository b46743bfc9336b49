/* SPDX-License-Identifier: ISC */
/* How peer_engine leaves its private key to a thread that takes its time, and hears when it is
 * done. A line on standard error for each time. */
#ifndef INTEROP_PEER_KEY_H
#define INTEROP_PEER_KEY_H
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "tests/interop/peer_files.h"

static unsigned key_delay;   /* milliseconds; 0: no thread */
static int key_done_fd = -1; /* readable: a job is done */

static inline void *key_work(void *job)
{
    const struct timespec t = { key_delay / 1000, key_delay % 1000 * 1000000L };

    (void)nanosleep(&t, NULL);
    key_job_run(job);
    key_job_unref(job);
    return NULL;
}

static inline void key_take(void *ctx, struct key_job *job)
{
    const struct key_request *r = key_job_request(job);
    pthread_t thread;

    (void)ctx;
    fprintf(stderr, "key %s\n", r->op == KEY_SIGN ? r->scheme->name : "decrypts");
    if (pthread_create(&thread, NULL, key_work, key_job_ref(job)) != 0) {
        die("key", "no thread");
    }
    (void)pthread_detach(thread);
}

static inline void key_woken(void *ctx)
{
    const uint64_t one = 1;

    (void)ctx;
    if (write(key_done_fd, &one, sizeof one) != sizeof one) {
        die("key", "nobody can be told");
    }
}

static inline void key_configure(struct config *c)
{
    if (key_delay) {
        key_done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        must(key_done_fd < 0 ? ERR_FILE : 0, "key", NULL);
        must(config_set_key_callback(c, key_take, NULL), "key", NULL);
    }
}

/* poll() said so. */
static inline void key_heard(void)
{
    uint64_t n;

    (void)!read(key_done_fd, &n, sizeof n);
}
#endif
