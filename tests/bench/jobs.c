/* SPDX-License-Identifier: ISC */
/* The jobs: client and server talk through two pipes in memory, and the CPU time of each side's own
 * calls is summed apart, the clock's own cost taken off. */
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/jobs.h"

static struct pipe to_server, to_client;
static unsigned char data[65536];
static double clock_cost;

/* ---- time ---- */
double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double median(const double *v, int n)
{
    double sorted[2001];

    memcpy(sorted, v, (size_t)n * sizeof *v);
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    return n & 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void calibrate(void)
{
    double v[2001];

    for (int i = 0; i < 2001; i++) {
        double a = cpu_seconds();

        v[i] = cpu_seconds() - a;
    }
    clock_cost = median(v, 2001);
}

/* TIMED(sum, call): adds the CPU time of the statement to sum. */
#define TIMED(sum, statement)                         \
    do {                                              \
        double start_ = cpu_seconds();                \
        statement;                                    \
        (sum) += cpu_seconds() - start_ - clock_cost; \
    } while (0)

/* ---- the jobs ---- */
static void hang_up(const struct entry *e, void *conn[2], double spent[2])
{
    for (int i = 0; i < 2; i++) {
        heap_side = i;
        if (conn[i]) {
            TIMED(spent[i], e->peer->conn_free(conn[i]));
        }
        conn[i] = NULL;
    }
}

/* A handshake; both connections stay open. */
static bool shake_hands(const struct entry *e, void *conn[2], void *session, double spent[2])
{
    const struct peer *p = e->peer;
    int done[2] = { 0, 0 };

    to_server.r = to_server.w = to_client.r = to_client.w = 0;
    heap_side = CLIENT;
    TIMED(spent[CLIENT],
          conn[CLIENT] = p->conn_new(e->ctx[CLIENT], &to_client, &to_server, session));
    heap_side = SERVER;
    TIMED(spent[SERVER], conn[SERVER] = p->conn_new(e->ctx[SERVER], &to_server, &to_client, NULL));
    for (int turn = 0; turn < 32 && conn[CLIENT] && conn[SERVER]; turn++) {
        int i = turn & 1;

        heap_side = i;
        if (done[i] == 0) {
            TIMED(spent[i], done[i] = p->handshake(conn[i]));
        }
        if (done[i] < 0) {
            break;
        }
        if (done[CLIENT] == 1 && done[SERVER] == 1) {
            return true;
        }
    }
    hang_up(e, conn, spent);
    return false;
}

/* The client reads what came behind the handshake, tickets, and takes its session. */
static void *take_session(const struct entry *e, void *conn[2], double spent[2])
{
    void *session = NULL;

    heap_side = CLIENT;
    TIMED(spent[CLIENT], {
        (void)e->peer->read(conn[CLIENT], data, sizeof data);
        session = e->peer->session ? e->peer->session(conn[CLIENT]) : NULL;
    });
    return session;
}

/* Handshakes a second, setting up and tearing down a connection included; resumed: each with the
 * session of the one before. */
static bool measure_handshakes(struct entry *e, bool resumed, double seconds, int round)
{
    double spent[2] = { 0, 0 }, unused[2] = { 0, 0 };
    void *conn[2], *session = NULL, *next;
    bool ok = true;
    long n = 0;

    if (resumed) {
        ok = shake_hands(e, conn, NULL, unused);
        session = ok ? take_session(e, conn, unused) : NULL;
        hang_up(e, conn, unused);
        ok = ok && session;
    }
    while (ok && spent[0] + spent[1] < seconds) {
        ok = shake_hands(e, conn, session, spent);
        if (ok && resumed) {
            next = take_session(e, conn, spent);
            ok = next && e->peer->resumed(conn[CLIENT]);
            if (next != session) {
                e->peer->session_free(session);
            }
            session = next;
        }
        if (ok) {
            hang_up(e, conn, spent);
            n++;
        }
    }
    if (session) {
        e->peer->session_free(session);
    }
    e->value[CLIENT][round] = (double)n / spent[CLIENT];
    e->value[SERVER][round] = (double)n / spent[SERVER];
    return ok;
}

static bool read_all(const struct peer *p, void *conn, size_t want)
{
    while (want) {
        long n = p->read(conn, data, 16384);

        if (n <= 0 || (size_t)n > want) {
            return false;
        }
        want -= (size_t)n;
    }
    return true;
}

static bool write_all(const struct peer *p, void *conn, size_t size, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (p->write(conn, data, size) != (long)size) {
            return false;
        }
    }
    return true;
}

/* Bytes a second of the server's sending ([SERVER]) and the client's receiving ([CLIENT]). */
static bool measure_records(struct entry *e, size_t size, double seconds, int round)
{
    size_t count = size >= 1024 ? 65536 / size : 256, total = 0;
    double spent[2] = { 0, 0 }, unused[2] = { 0, 0 };
    void *conn[2];
    bool ok = shake_hands(e, conn, NULL, unused);

    while (ok && spent[0] + spent[1] < seconds) {
        bool sent = false, received = false;

        TIMED(spent[SERVER], sent = write_all(e->peer, conn[SERVER], size, count));
        TIMED(spent[CLIENT], received = sent && read_all(e->peer, conn[CLIENT], size * count));
        total += size * count;
        ok = sent && received;
    }
    if (ok) {
        e->value[CLIENT][round] = (double)total / spent[CLIENT];
        e->value[SERVER][round] = (double)total / spent[SERVER];
        hang_up(e, conn, unused);
    }
    return ok;
}

/* Bytes that one connection holds while nothing happens, and allocations that its handshake made.
 */
static bool measure_heap(struct entry *e, bool parked)
{
    static void *conn[PAIRS][2];
    double unused[2] = { 0, 0 };
    bool ok = true;
    int n = 0;

    for (int i = 0; i < 20 && ok; i++) { /* what is allocated once */
        ok = shake_hands(e, conn[0], NULL, unused);
        if (ok) {
            hang_up(e, conn[0], unused);
        }
    }
    ok = ok && !(parked && !e->peer->park);
    memset(heap_of, 0, sizeof heap_of);
    heap_counting = true;
    while (ok && n < PAIRS) {
        ok = shake_hands(e, conn[n], NULL, unused);
        n += ok;
    }
    for (int i = 0; i < n && parked; i++) {
        for (heap_side = 0; heap_side < 2; heap_side++) {
            e->peer->park(conn[i][heap_side]);
        }
    }
    heap_counting = false;
    for (int i = 0; i < 2; i++) {
        e->value[i][0] = (double)heap_of[i].live / PAIRS;
        e->more[i] = (double)heap_of[i].count / PAIRS;
    }
    while (n > 0) {
        hang_up(e, conn[--n], unused);
    }
    return ok;
}

bool measure(struct entry *e, const struct row *row, double seconds, int round)
{
    if (!e->peer) {
        double value[2];
        bool ok = limit_measure(&row->job, row->kind, row->size, seconds, value);

        e->value[CLIENT][round] = value[CLIENT];
        e->value[SERVER][round] = value[SERVER];
        return ok;
    }
    switch (row->kind) {
    case HANDSHAKE:
    case RESUMED:
        return measure_handshakes(e, row->kind == RESUMED, seconds, round);
    case RECORDS:
        return measure_records(e, row->size, seconds, round);
    default:
        return measure_heap(e, row->kind == PARKED);
    }
}

bool try_out(struct entry *e, char *text, size_t n)
{
    double unused[2] = { 0, 0 };
    void *conn[2] = { NULL, NULL };
    bool ok = shake_hands(e, conn, NULL, unused);

    if (ok) {
        e->peer->describe(conn[CLIENT], text, n);
        hang_up(e, conn, unused);
    }
    return ok;
}

bool jobs_begin(void)
{
    mallopt(M_TRIM_THRESHOLD,
            256 << 20); /* a busy server's heap does not grow and shrink all the time */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    to_server.cap = to_client.cap = 1 << 20;
    to_server.buf = calloc(1, to_server.cap);
    to_client.buf = calloc(1, to_client.cap);
    calibrate();
    return to_server.buf && to_client.buf;
}
