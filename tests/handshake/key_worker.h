/* SPDX-License-Identifier: ISC */
/* A key callback that takes its time, and every way in which a handshake needs a private key. */
#ifndef TESTS_HANDSHAKE_KEY_WORKER_H
#define TESTS_HANDSHAKE_KEY_WORKER_H
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "tests/handshake/pair12.h"

enum how { NOW, LATER, THREAD, REFUSE, FORGET };
struct worker {
    enum how how;
    unsigned calls;
    struct key_job *job; /* LATER: the last one */
    pthread_t thread;
    bool running;
    useconds_t delay;
    atomic_uint wakes;
    sem_t woken;
};

static inline void *worker_thread(void *arg)
{
    struct worker *w = arg;

    usleep(w->delay);
    key_job_run(w->job);
    key_job_unref(w->job);
    return NULL;
}

static inline void worker_join(struct worker *w)
{
    if (w->running) {
        assert_int_equal(pthread_join(w->thread, NULL), 0);
        w->running = false;
        w->job = NULL;
    }
}

static inline void worker_take(void *ctx, struct key_job *job)
{
    struct worker *w = ctx;

    w->calls++;
    worker_join(w);
    switch (w->how) {
    case NOW:
        key_job_unref(key_job_ref(job)); /* it thinks better of it */
        key_job_run(job);
        break;
    case LATER:
        assert_null(w->job);
        w->job = key_job_ref(job);
        break;
    case THREAD:
        w->job = key_job_ref(job);
        w->running = true;
        assert_int_equal(pthread_create(&w->thread, NULL, worker_thread, w), 0);
        break;
    case REFUSE:
        key_job_failed(job);
        break;
    case FORGET:
        break;
    }
}

static inline void worker_woken(void *ctx)
{
    struct worker *w = ctx;

    atomic_fetch_add(&w->wakes, 1);
    sem_post(&w->woken);
}

/* The end that waits; NULL: neither. */
static inline struct end *waiting_end(struct pair *p)
{
    return hs_waiting(&p->c.t->hs) ? &p->c : hs_waiting(&p->s.t->hs) ? &p->s : NULL;
}

/* The job of LATER is done. */
static inline void worker_do(struct worker *w)
{
    struct key_job *job = w->job;

    w->job = NULL;
    assert_non_null(job);
    key_job_run(job);
    key_job_unref(job);
}

/* ---- what needs a key ---- */
enum then { NOTHING, ASK, CLIENT_AGAIN, SERVER_AGAIN }; /* once connected */
static const struct need {
    const char *what;
    struct pair_params q;
    enum then then;
    unsigned calls; /* in all */
} needs[] = {
    { "1.3 ECDSA", { 0 }, NOTHING, 1 },
    { "1.3 ECDSA P-384", { .id = ID_P384 }, NOTHING, 1 },
    { "1.3 RSA-PSS", { .id = ID_RSA }, NOTHING, 1 },
    { "1.3 Ed25519", { .id = ID_ED25519 }, NOTHING, 1 },
    { "1.3 behind a retry, compressed",
      { .client_groups = { 29, 23 }, .server_groups = { 23 }, .pack = { true, true } },
      NOTHING,
      1 },
    { "1.3 client", { .auth = CLIENT_AUTH_REQUIRE, .client_id = true }, NOTHING, 2 },
    { "1.3 post-handshake", { .post_auth = true, .client_id = true }, ASK, 2 },
    { "1.2 ECDSA", { .client_max = TLS_1_2 }, NOTHING, 1 },
    { "1.2 RSA", { .client_max = TLS_1_2, .id = ID_RSA, .suite = SUITE_RSA_GCM }, NOTHING, 1 },
    { "1.2 Ed25519", { .client_max = TLS_1_2, .id = ID_ED25519 }, NOTHING, 1 },
    { "1.2 CBC",
      { .client_max = TLS_1_2, .suite = SUITE_CBC, .no_etm = { true, true } },
      NOTHING,
      1 },
    { "1.2 client",
      { .client_max = TLS_1_2, .auth = CLIENT_AUTH_REQUIRE, .client_id = true },
      NOTHING,
      2 },
    { "1.2 RSA key exchange",
      { .client_max = TLS_1_2, .id = ID_RSA, .suite = SUITE_RSA_KX },
      NOTHING,
      1 },
    { "1.2 RSA key exchange and client",
      { .client_max = TLS_1_2,
        .id = ID_RSA,
        .suite = SUITE_RSA_CBC,
        .auth = CLIENT_AUTH_REQUIRE,
        .client_id = true },
      NOTHING,
      2 },
    { "1.2 renegotiation by the client",
      { .client_max = TLS_1_2, .renegotiation = RENEGOTIATE_SECURE },
      CLIENT_AGAIN,
      2 },
    { "1.2 renegotiation by the server with a client",
      { .client_max = TLS_1_2,
        .renegotiation = RENEGOTIATE_SECURE,
        .auth = CLIENT_AUTH_REQUIRE,
        .client_id = true },
      SERVER_AGAIN,
      4 },
};
#define NEEDS (sizeof needs / sizeof *needs)

/* Both ends leave their keys to w. */
static inline struct pair *worker_pair(struct worker *w, const struct pair_params *q)
{
    struct pair_params mine = *q;
    struct pair *p;

    mine.on_key[TLS_CLIENT] = mine.on_key[TLS_SERVER] = worker_take;
    mine.on_key_ctx = w;
    p = pair_new(&mine);
    tls_set_wake(p->c.t, worker_woken, w);
    tls_set_wake(p->s.t, worker_woken, w);
    return p;
}

/* What starts the handshake behind the first one. */
static inline void begin_again(struct pair *p, enum then then)
{
    if (then == ASK) {
        assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    } else if (then != NOTHING) {
        assert_int_equal(tls_rehandshake((then == CLIENT_AGAIN ? &p->c : &p->s)->t, NULL, false),
                         0);
    }
}

/* To the n-th job, which is out then: the end that waits. */
static inline struct end *to_job(struct pair *p, struct worker *w, const struct need *need,
                                 unsigned n)
{
    bool again = false;

    for (;;) {
        struct end *e;

        pair_run(p, WIRE_MAX);
        e = waiting_end(p);
        if (e && w->calls == n) {
            return e;
        }
        if (e) {
            worker_do(w);
            end_give(e, "", 0);
        } else {
            assert_false(again);
            again = true;
            begin_again(p, need->then);
        }
    }
}

static inline void worker_init(struct worker *w)
{
    *w = (struct worker){ .how = LATER };
    assert_int_equal(sem_init(&w->woken, 0, 0), 0);
}
#endif
