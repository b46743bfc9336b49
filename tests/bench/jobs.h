/* SPDX-License-Identifier: ISC */
/* What is measured of a library: jobs.c. */
#ifndef TESTS_BENCH_JOBS_H
#define TESTS_BENCH_JOBS_H
#include "tests/bench/bench.h"

#define MAX_ROUNDS 31
#define PAIRS      500 /* connections held at once for the rows of memory */

struct row {
    const char *id, *what;
    enum kind kind;
    size_t size; /* of a record */
    struct job job;
    double mark[2]; /* ratio to libssl that Sleeve is to reach, bytes in HEAP; 0: none */
};

/* One library in one row: its two sides' contexts and what was measured, [side][round]. */
struct entry {
    const char *name;
    const struct peer *peer; /* NULL: the limit */
    void *ctx[2];
    bool bad;
    double value[2][MAX_ROUNDS], ratio[2][MAX_ROUNDS];
    double more[2]; /* heap: mallocs in a handshake */
};

bool jobs_begin(void);
double median(const double *v, int n);
/* One handshake to see that it can; text: what was negotiated. */
bool try_out(struct entry *e, char *text, size_t n);
bool measure(struct entry *e, const struct row *row, double seconds, int round);
#endif
