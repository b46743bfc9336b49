/* SPDX-License-Identifier: ISC */
/* Full handshakes of Sleeve in one thread and in two at once, each with both sides of its own
 * connections, all with the same two configurations: what threads share shows as what the second
 * does not add.
 *
 *     bench_threads [-t seconds] [-r rounds] [-d certificates]
 *
 * Time is the wall's, since waiting is what is looked for; rounds of one thread and of two take
 * turns, and the ratio is the median of the rounds'. It needs two processors. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define PIPE       (1 << 16)
#define MAX_ROUNDS 101

struct worker {
    pthread_t thread;
    void *const *ctx;
    long count;
    bool failed;
};

static atomic_bool running;

static double wall(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool one_handshake(void *const ctx[2], struct pipe pipes[2])
{
    void *conn[2];
    int done[2] = { 0, 0 };

    for (int i = 0; i < 2; i++) {
        pipes[i].r = pipes[i].w = 0;
    }
    for (int i = 0; i < 2; i++) {
        conn[i] = peer_sleeve.conn_new(ctx[i], &pipes[i], &pipes[!i], NULL);
    }
    for (int turn = 0; turn < 16 && conn[0] && conn[1] && done[0] + done[1] < 2; turn++) {
        done[turn & 1] = peer_sleeve.handshake(conn[turn & 1]);
    }
    for (int i = 0; i < 2; i++) {
        if (conn[i]) {
            peer_sleeve.conn_free(conn[i]);
        }
    }
    return done[0] == 1 && done[1] == 1;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct pipe pipes[2] = { { malloc(PIPE), PIPE, 0, 0 }, { malloc(PIPE), PIPE, 0, 0 } };

    w->failed = !pipes[0].buf || !pipes[1].buf;
    while (!w->failed && atomic_load_explicit(&running, memory_order_relaxed)) {
        w->failed = !one_handshake(w->ctx, pipes);
        w->count++;
    }
    free(pipes[0].buf);
    free(pipes[1].buf);
    return NULL;
}

/* Handshakes a second of n threads together; 0: failed. */
static double rate(void *const ctx[2], int n, double seconds)
{
    struct worker w[2] = { { .ctx = ctx }, { .ctx = ctx } };
    double start = wall(), took;
    long sum = 0;
    bool ok = true;

    atomic_store(&running, true);
    for (int i = 0; i < n; i++) {
        ok = ok && pthread_create(&w[i].thread, NULL, work, &w[i]) == 0;
    }
    if (!ok) {
        exit(1);
    }
    usleep((useconds_t)(seconds * 1e6));
    atomic_store(&running, false);
    for (int i = 0; i < n; i++) {
        (void)pthread_join(w[i].thread, NULL);
        ok = ok && !w[i].failed;
        sum += w[i].count;
    }
    took = wall() - start;
    return ok ? (double)sum / took : 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct job job = { .dir = "certs", .host = "server.test" };
    double seconds = 10, one[MAX_ROUNDS], ratio[MAX_ROUNDS];
    int rounds = 7, option;
    void *ctx[2];

    while ((option = getopt(argc, argv, "t:r:d:")) != -1) {
        switch (option) {
        case 't':
            seconds = atof(optarg);
            break;
        case 'r':
            rounds = atoi(optarg);
            break;
        case 'd':
            job.dir = optarg;
            break;
        default:
            return 2;
        }
    }
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    ctx[0] = peer_sleeve.ctx_new(&job, false);
    ctx[1] = peer_sleeve.ctx_new(&job, true);
    if (!ctx[0] || !ctx[1]) {
        return 1;
    }
    printf("\n%-28s %13s %13s %7s  mark\n", "Handshakes, both sides", "one thread/s",
           "two threads/s", "ratio");
    for (int r = 0; r < rounds; r++) {
        one[r] = rate(ctx, 1, seconds / rounds / 2);
        ratio[r] = one[r] > 0 ? rate(ctx, 2, seconds / rounds / 2) / one[r] : 0;
    }
    qsort(one, (size_t)rounds, sizeof *one, compare);
    qsort(ratio, (size_t)rounds, sizeof *ratio, compare);
    printf("  %-26s %13.0f %13.0f %7.2f  1.9 %s\n", "X25519, ECDSA P-256", one[rounds / 2],
           one[rounds / 2] * ratio[rounds / 2], ratio[rounds / 2],
           ratio[rounds / 2] >= 1.9 ? "met" : "MISSED");
    peer_sleeve.ctx_free(ctx[0]);
    peer_sleeve.ctx_free(ctx[1]);
    return one[0] > 0 && ratio[0] > 0 ? 0 : 1;
}
