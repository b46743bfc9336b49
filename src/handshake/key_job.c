/* SPDX-License-Identifier: ISC */
/* The job object: shared by a handshake and whoever works for it. The handshake has one of the
 * references and gives it up when it ends, however it ends (threat 36): what comes later finds the
 * job cancelled. */
#include "handshake/key_job.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "base/secret.h"
#include "handshake/local.h"

enum { PENDING, DONE, FAILED, CANCELLED };

struct key_job {
    struct key_request request;
    size_t size; /* of all of it */
    atomic_uint refs;
    pthread_mutex_t lock;
    /* changed under the lock */
    atomic_int state;
    key_wake_fn *wake; /* NULL: nobody waits */
    void *wake_ctx;
    uint8_t result[SIG_MAX];
    size_t nresult;
    uint8_t input[];
};

struct key_job *key_job_new(const struct key_request *what, const struct span *part, size_t nparts)
{
    struct key_job *job;
    size_t n = 0;

    for (size_t i = 0; i < nparts; i++) {
        n += part[i].n;
    }
    job = mem_zalloc(sizeof *job + n);
    if (!job || pthread_mutex_init(&job->lock, NULL) != 0) {
        mem_free(job);
        return NULL;
    }
    job->request = *what;
    job->request.input = span_of(job->input, n);
    (void)identity_ref((struct identity *)(uintptr_t)what->identity);
    job->size = sizeof *job + n;
    atomic_init(&job->refs, 2);
    atomic_init(&job->state, PENDING);
    n = 0;
    for (size_t i = 0; i < nparts; n += part[i++].n) {
        if (part[i].n) {
            memcpy(job->input + n, part[i].p, part[i].n);
        }
    }
    return job;
}

const struct key_request *key_job_request(const struct key_job *job)
{
    return &job->request;
}

struct key_job *key_job_ref(struct key_job *job)
{
    atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
    return job;
}

/* The lock is held while the owner of the connection is woken, so that the latter is there. */
static void complete(struct key_job *job, int state)
{
    job->state = state;
    if (job->wake) {
        job->wake(job->wake_ctx);
    }
}

void key_job_done(struct key_job *job, const void *result, size_t n)
{
    pthread_mutex_lock(&job->lock);
    if (job->state == PENDING) {
        if (n && n <= sizeof job->result) {
            memcpy(job->result, result, n);
        }
        job->nresult = n;
        complete(job, DONE);
    }
    pthread_mutex_unlock(&job->lock);
}

void key_job_failed(struct key_job *job)
{
    pthread_mutex_lock(&job->lock);
    if (job->state == PENDING) {
        complete(job, FAILED);
    }
    pthread_mutex_unlock(&job->lock);
}

void key_job_unref(struct key_job *job)
{
    unsigned n;

    if (!job) {
        return;
    }
    n = atomic_load(&job->refs);
    do { /* the other one is the handshake's: nobody could complete it any more */
        if (n == 2 && job->state == PENDING) {
            key_job_failed(job);
        }
    } while (!atomic_compare_exchange_weak(&job->refs, &n, n - 1));
    if (n == 1) {
        pthread_mutex_destroy(&job->lock);
        identity_unref((struct identity *)(uintptr_t)job->request.identity);
        mem_free_secret(job, job->size);
    }
}

void key_job_run(struct key_job *job)
{
    const struct key_request *r = &job->request;
    struct privkey *key = r->identity->key;
    SECRET(result, SIG_MAX);
    size_t n = r->op == KEY_SIGN ? sizeof result : PREMASTER_RSA;
    int rc;

    if (!key) {
        rc = ERR_ARG;
    } else if (r->op == KEY_SIGN) {
        rc = privkey_sign(key, r->scheme, &r->input, 1, result, &n);
    } else {
        rc = privkey_decrypt_premaster(key, r->input, r->client_version, result);
    }
    if (rc < 0) {
        key_job_failed(job);
    } else {
        key_job_done(job, result, n);
    }
}

/* ---- for the handshake ---- */
bool key_job_waits(struct key_job *job, key_wake_fn *wake, void *ctx)
{
    bool waits;

    pthread_mutex_lock(&job->lock);
    waits = job->state == PENDING;
    job->wake = waits ? wake : NULL;
    job->wake_ctx = ctx;
    pthread_mutex_unlock(&job->lock);
    return waits;
}

bool key_job_ready(struct key_job *job)
{
    bool ready;

    pthread_mutex_lock(&job->lock);
    ready = job->state != PENDING;
    pthread_mutex_unlock(&job->lock);
    return ready;
}

bool key_job_result(const struct key_job *job, const uint8_t **result, size_t *n)
{
    *result = job->result; /* which nobody writes any more */
    *n = job->nresult;
    return job->state == DONE;
}

void key_job_cancel(struct key_job *job)
{
    if (!job) {
        return;
    }
    pthread_mutex_lock(&job->lock);
    job->state = CANCELLED;
    pthread_mutex_unlock(&job->lock);
    key_job_unref(job);
}
