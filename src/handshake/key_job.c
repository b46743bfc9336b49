/* SPDX-License-Identifier: ISC */
/* The job object: shared by a handshake and whoever works for it. The handshake has one of the
 * references and gives it up when it ends, however it ends (threat 36): what comes later finds the
 * job cancelled. */
#include "handshake/key_job.h"

#include "base/task.h"
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/local.h"

struct key_job {
    struct task task;
    struct key_request request;
    size_t size; /* of all of it */
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
    if (!job || !task_init(&job->task)) {
        mem_free(job);
        return NULL;
    }
    job->request = *what;
    job->request.input = span_of(job->input, n);
    (void)identity_ref((struct identity *)(uintptr_t)what->identity);
    job->size = sizeof *job + n;
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
    task_ref(&job->task);
    return job;
}

void key_job_done(struct key_job *job, const void *result, size_t n)
{
    if (task_begin_end(&job->task)) {
        if (n && n <= sizeof job->result) {
            memcpy(job->result, result, n);
        }
        job->nresult = n;
        task_end(&job->task, true);
    }
}

void key_job_failed(struct key_job *job)
{
    task_fail(&job->task);
}

static void job_free(struct key_job *job)
{
    identity_unref((struct identity *)(uintptr_t)job->request.identity);
    mem_free_secret(job, job->size);
}

void key_job_unref(struct key_job *job)
{
    if (job && task_unref(&job->task)) {
        job_free(job);
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
struct task *key_job_task(struct key_job *job)
{
    return &job->task;
}

bool key_job_result(const struct key_job *job, const uint8_t **result, size_t *n)
{
    *result = job->result; /* which nobody writes any more */
    *n = job->nresult;
    return task_done(&job->task);
}

void key_job_cancel(struct key_job *job)
{
    if (job && task_cancel(&job->task)) {
        job_free(job);
    }
}
