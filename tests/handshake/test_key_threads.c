/* SPDX-License-Identifier: ISC */
/* Many connections at once that wait for a few threads with the keys, and connections that end
 * while a thread completes their job (threat 36). Made to be run under ThreadSanitizer too. */
#include "tests/handshake/key_worker.h"

#define CONNECTIONS 32
#define THREADS     4

/* ---- threads with the keys, and one that has the connections ---- */
static struct hub {
    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    struct key_job *jobs[4 * CONNECTIONS];
    size_t njobs;
    unsigned nready;
    bool stop;
} hub = { .lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .ready = PTHREAD_COND_INITIALIZER };

static void hub_take(void *ctx, struct key_job *job)
{
    (void)ctx;
    pthread_mutex_lock(&hub.lock);
    assert_true(hub.njobs < sizeof hub.jobs / sizeof *hub.jobs);
    hub.jobs[hub.njobs++] = key_job_ref(job);
    pthread_cond_signal(&hub.work);
    pthread_mutex_unlock(&hub.lock);
}

static void hub_wake(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&hub.lock);
    hub.nready++;
    pthread_cond_signal(&hub.ready);
    pthread_mutex_unlock(&hub.lock);
}

static struct key_job *hub_next(void)
{
    struct key_job *job = NULL;

    pthread_mutex_lock(&hub.lock);
    while (!hub.njobs && !hub.stop) {
        pthread_cond_wait(&hub.work, &hub.lock);
    }
    if (hub.njobs) {
        job = hub.jobs[0];
        memmove(hub.jobs, hub.jobs + 1, --hub.njobs * sizeof *hub.jobs);
    }
    pthread_mutex_unlock(&hub.lock);
    return job;
}

static void *hub_thread(void *arg)
{
    unsigned n = (unsigned)(uintptr_t)arg;

    for (struct key_job *job; job = hub_next(), job; n++) {
        if (n % 3 == 0) {
            usleep(n * 37 % 900);
        }
        key_job_run(job);
        key_job_unref(job);
    }
    return NULL;
}

static void hub_wait(void)
{
    pthread_mutex_lock(&hub.lock);
    while (hub.nready == 0) {
        pthread_cond_wait(&hub.ready, &hub.lock);
    }
    hub.nready = 0;
    pthread_mutex_unlock(&hub.lock);
}

/* ---- many at once ---- */
static struct pair *pair_open(const struct pair_params *q)
{
    struct pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->c.t = pair_end(p, TLS_CLIENT, q);
    p->s.t = pair_end(p, TLS_SERVER, q);
    tls_set_wake(p->c.t, hub_wake, NULL);
    tls_set_wake(p->s.t, hub_wake, NULL);
    return p;
}

/* Those whose job is done go on. How many wait still? */
static unsigned go_round(struct pair **pairs, bool *again)
{
    unsigned waiting = 0;

    *again = false;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct end *e = pairs[i] ? waiting_end(pairs[i]) : NULL;

        if (e && !tls_waiting(e->t)) {
            end_give(e, "", 0);
            pair_run(pairs[i], WIRE_MAX);
            *again = true;
            e = waiting_end(pairs[i]);
        }
        waiting += e != NULL;
    }
    return waiting;
}

static void run_all(bool some_leave)
{
    pthread_t threads[THREADS];
    struct pair *pairs[CONNECTIONS];
    bool again;

    hub.stop = false;
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hub_thread, (void *)i), 0);
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct pair_params q = needs[i % NEEDS].q;

        q.on_key[0] = q.on_key[1] = hub_take;
        pairs[i] = pair_open(&q);
        pair_run(pairs[i], WIRE_MAX);
    }
    for (size_t i = 0; some_leave && i < CONNECTIONS; i += 3) {
        pair_free(pairs[i]);
        free(pairs[i]);
        pairs[i] = NULL;
    }
    while (go_round(pairs, &again)) {
        if (!again) {
            hub_wait();
        }
    }
    pthread_mutex_lock(&hub.lock);
    hub.stop = true;
    pthread_cond_broadcast(&hub.work);
    pthread_mutex_unlock(&hub.lock);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (pairs[i]) {
            assert_true(tls_connected(pairs[i]->c.t) && tls_connected(pairs[i]->s.t));
            end_talk(&pairs[i]->c, &pairs[i]->s, "ping", 4);
            pair_free(pairs[i]);
            free(pairs[i]);
        }
    }
}

static void test_many(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        run_all(false);
    }
}

static void threat_36_many_leave(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        run_all(true);
    }
}

/* ---- one that ends while its job is completed ---- */
static atomic_uint turns, runs;

static void count_wake(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void *complete_now(void *arg)
{
    unsigned n = (unsigned)(atomic_fetch_add(&runs, 1) * 7 % 23);

    while (n-- > 0) {
        atomic_fetch_add(&turns, 1);
    }
    key_job_done(arg, "", 0);
    key_job_unref(arg);
    return NULL;
}

/* Whom the wake callback is to reach is gone right behind tls_free(), or what it says was heard. */
static void threat_36_race(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        struct worker w;
        struct pair_params q = { .on_key = { NULL, worker_take }, .on_key_ctx = &w };
        unsigned *woken = calloc(1, sizeof *woken), delay = i * 5 % 19;
        pthread_t thread;
        struct pair *p;

        worker_init(&w);
        p = pair_new(&q);
        tls_set_wake(p->s.t, count_wake, woken);
        pair_run(p, WIRE_MAX);
        assert_true(tls_waiting(p->s.t));
        assert_int_equal(pthread_create(&thread, NULL, complete_now, w.job), 0);
        if (i % 2) {
            while (delay-- > 0) {
                atomic_fetch_add(&turns, 1);
            }
        } else {
            while (tls_waiting(p->s.t)) {
                end_give(&p->s, "", 0);
            }
            end_give(&p->s, "", 0);
            assert_refused(&p->s, ALERT_INTERNAL_ERROR);
            assert_int_equal(*woken, 1);
        }
        pair_free(p);
        assert_true(*woken <= 1);
        free(woken);
        assert_int_equal(pthread_join(thread, NULL), 0);
        sem_destroy(&w.woken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(threat_36_many_leave),
        cmocka_unit_test(threat_36_race),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
