/* SPDX-License-Identifier: ISC */
/* One job, every TLS library, one process.
 *
 *     bench [-t seconds] [-r rounds] [-p peer,peer] [-j job-prefix] [-d certificates] [-o csv] [-v]
 *
 * Client and server talk through two pipes in memory. The CPU time of each side's own calls is
 * summed apart, the clock's own cost taken off. Peers take turns: each round gives every peer one
 * cell. What is printed are medians over the rounds, and medians of the ratio to libssl in the same
 * round: the machine's speed of the moment is in both, so ratios hold from run to run and figures
 * do not. */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define MAX_PEERS  8
#define MAX_ROUNDS 31
#define PAIRS      500 /* connections held at once for the heap's row */

enum kind { HANDSHAKE, RECORDS, HEAP };
static const struct row {
    const char *id, *what;
    enum kind kind;
    enum bench_group group;
    enum bench_cert cert;
    enum bench_suite suite;
    size_t size; /* of a record */
} rows[] = {
    { "hs-x25519-ecdsa", "X25519, ECDSA P-256", HANDSHAKE, GROUP_X25519, CERT_ECDSA,
      SUITE_AES128_GCM, 0 },
    { "hs-p256-ecdsa", "P-256, ECDSA P-256", HANDSHAKE, GROUP_P256, CERT_ECDSA, SUITE_AES128_GCM,
      0 },
    { "hs-x25519-rsa", "X25519, RSA-2048", HANDSHAKE, GROUP_X25519, CERT_RSA, SUITE_AES128_GCM, 0 },
    { "aes128gcm-16k", "AES-128-GCM, 16 KiB", RECORDS, GROUP_X25519, CERT_ECDSA, SUITE_AES128_GCM,
      16384 },
    { "aes128gcm-1k", "AES-128-GCM, 1 KiB", RECORDS, GROUP_X25519, CERT_ECDSA, SUITE_AES128_GCM,
      1024 },
    { "aes128gcm-64", "AES-128-GCM, 64 B", RECORDS, GROUP_X25519, CERT_ECDSA, SUITE_AES128_GCM,
      64 },
    { "chacha20-16k", "ChaCha20-Poly1305, 16 KiB", RECORDS, GROUP_X25519, CERT_ECDSA,
      SUITE_CHACHA20, 16384 },
    { "chacha20-1k", "ChaCha20-Poly1305, 1 KiB", RECORDS, GROUP_X25519, CERT_ECDSA, SUITE_CHACHA20,
      1024 },
    { "chacha20-64", "ChaCha20-Poly1305, 64 B", RECORDS, GROUP_X25519, CERT_ECDSA, SUITE_CHACHA20,
      64 },
    { "heap", "idle after the handshake", HEAP, GROUP_X25519, CERT_ECDSA, SUITE_AES128_GCM, 0 },
};
#define NROWS ((int)(sizeof rows / sizeof *rows))

/* One peer in one row: its two sides' contexts and what was measured, [side][round]. */
struct entry {
    const struct peer *peer;
    void *ctx[2];
    bool bad;
    double value[2][MAX_ROUNDS], ratio[2][MAX_ROUNDS];
    double more[2]; /* heap: mallocs in a handshake */
};

enum { CLIENT, SERVER };
static struct pipe to_server, to_client;
static unsigned char data[65536];
static double clock_cost;
static bool verbose;

/* ---- time ---- */
static double cpu(void)
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

static double median(const double *v, int n)
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
        double a = cpu();

        v[i] = cpu() - a;
    }
    clock_cost = median(v, 2001);
}

/* TIMED(sum, call): adds the CPU time of the statement to sum. */
#define TIMED(sum, statement)                 \
    do {                                      \
        double start_ = cpu();                \
        statement;                            \
        (sum) += cpu() - start_ - clock_cost; \
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
static bool shake_hands(const struct entry *e, void *conn[2], double spent[2])
{
    int done[2] = { 0, 0 };

    to_server.r = to_server.w = to_client.r = to_client.w = 0;
    heap_side = CLIENT;
    TIMED(spent[CLIENT], conn[CLIENT] = e->peer->conn_new(e->ctx[CLIENT], &to_client, &to_server));
    heap_side = SERVER;
    TIMED(spent[SERVER], conn[SERVER] = e->peer->conn_new(e->ctx[SERVER], &to_server, &to_client));
    for (int turn = 0; turn < 32 && conn[CLIENT] && conn[SERVER]; turn++) {
        int i = turn & 1;

        heap_side = i;
        if (done[i] == 0) {
            TIMED(spent[i], done[i] = e->peer->handshake(conn[i]));
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

/* Handshakes a second, setting up and tearing down a connection included. */
static bool measure_handshakes(struct entry *e, double seconds, int round)
{
    double spent[2] = { 0, 0 };
    void *conn[2];
    long n = 0;

    while (spent[0] + spent[1] < seconds) {
        if (!shake_hands(e, conn, spent)) {
            return false;
        }
        hang_up(e, conn, spent);
        n++;
    }
    e->value[CLIENT][round] = (double)n / spent[CLIENT];
    e->value[SERVER][round] = (double)n / spent[SERVER];
    return true;
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
    bool ok = shake_hands(e, conn, unused);

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
static bool measure_heap(struct entry *e)
{
    static void *conn[PAIRS][2];
    double unused[2] = { 0, 0 };
    bool ok = true;
    int n = 0;

    for (int i = 0; i < 20 && ok; i++) { /* what is allocated once */
        ok = shake_hands(e, conn[0], unused);
        if (ok) {
            hang_up(e, conn[0], unused);
        }
    }
    memset(heap_of, 0, sizeof heap_of);
    heap_counting = true;
    while (ok && n < PAIRS) {
        ok = shake_hands(e, conn[n], unused);
        n += ok;
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

static bool measure(struct entry *e, const struct row *row, double seconds, int round)
{
    switch (row->kind) {
    case HANDSHAKE:
        return measure_handshakes(e, seconds, round);
    case RECORDS:
        return measure_records(e, row->size, seconds, round);
    default:
        return measure_heap(e);
    }
}

/* ---- rows ---- */
static int prepare(struct entry *e, const struct row *row, const char *list, const char *dir)
{
    struct job job = { row->group, row->cert, row->suite, dir, "server.test" };
    const struct peer *p;
    int n = 0;

    for (size_t i = 0; (p = peer_at(i)) != NULL && n < MAX_PEERS; i++) {
        double unused[2] = { 0, 0 };
        void *conn[2] = { NULL, NULL };
        char text[256];

        if (list && i > 0 && !strstr(list, p->name)) {
            continue;
        }
        e[n] = (struct entry){ .peer = p };
        e[n].ctx[CLIENT] = p->ctx_new(&job, false);
        e[n].ctx[SERVER] = p->ctx_new(&job, true);
        e[n].bad = !e[n].ctx[CLIENT] || !e[n].ctx[SERVER] || !shake_hands(&e[n], conn, unused);
        if (!e[n].bad) {
            p->describe(conn[CLIENT], text, sizeof text);
            if (verbose) {
                (void)fprintf(stderr, "%s: %s: %s\n", row->id, p->name, text);
            }
            hang_up(&e[n], conn, unused);
        }
        n++;
    }
    return n;
}

static void heading(enum kind kind)
{
    static const char *const title[] = { "Full handshakes of TLS 1.3", "Records of TLS 1.3",
                                         "Memory" };
    static const char *const left[] = { "client hs/s", "receive MB/s", "client bytes" };
    static const char *const right[] = { "server hs/s", "send MB/s", "server bytes" };

    printf("\n%-28s %-8s %13s %7s %13s %7s%s\n", title[kind], "", left[kind], "ratio", right[kind],
           "ratio", kind == HEAP ? "   mallocs client, server" : "");
}

static void print(const struct row *row, const struct entry *e, bool first, int rounds, FILE *csv)
{
    double unit = row->kind == RECORDS ? 1e6 : 1, v[2], q[2];
    const char *what = first ? row->what : "";

    if (e->bad) {
        printf("  %-26s %-8s %13s\n", what, e->peer->name, "cannot");
        return;
    }
    for (int i = 0; i < 2; i++) {
        v[i] = median(e->value[i], rounds);
        q[i] = median(e->ratio[i], rounds);
    }
    printf("  %-26s %-8s %13.0f %7.2f %13.0f %7.2f", what, e->peer->name, v[CLIENT] / unit,
           q[CLIENT], v[SERVER] / unit, q[SERVER]);
    if (row->kind == HEAP) {
        printf("   %.0f, %.0f", e->more[CLIENT], e->more[SERVER]);
    }
    printf("\n");
    if (csv) {
        (void)fprintf(csv, "%s,%s,%.6g,%.3f,%.6g,%.3f,%.0f,%.0f\n", row->id, e->peer->name,
                      v[CLIENT], q[CLIENT], v[SERVER], q[SERVER], e->more[CLIENT], e->more[SERVER]);
        (void)fflush(csv);
    }
}

/* False when Sleeve, or libssl, failed in it. */
static bool run_row(const struct row *row, struct entry *e, int n, double seconds, int rounds,
                    FILE *csv)
{
    bool ok = true;

    if (row->kind == HEAP) {
        rounds = 1;
    }
    for (int r = 0; r < rounds; r++) {
        for (int j = 0; j < n; j++) {
            struct entry *turn = &e[(j + r) % n];

            if (!turn->bad && !measure(turn, row, seconds, r)) {
                turn->bad = true;
            }
        }
        for (int j = 0; j < n; j++) {
            for (int i = 0; i < 2; i++) {
                e[j].ratio[i][r] = e[0].bad || e[j].bad ? 0 : e[j].value[i][r] / e[0].value[i][r];
            }
        }
    }
    for (int j = 0; j < n; j++) {
        print(row, &e[j], j == 0, rounds, csv);
        ok = ok && !(e[j].bad && (e[j].peer == &peer_sleeve || j == 0));
        for (int i = 0; i < 2; i++) {
            if (e[j].ctx[i]) {
                e[j].peer->ctx_free(e[j].ctx[i]);
            }
        }
    }
    (void)fflush(stdout);
    return ok;
}

int main(int argc, char **argv)
{
    static struct entry entries[MAX_PEERS];
    const char *list = NULL, *prefix = "", *dir = "certs", *path = NULL;
    double seconds = 120;
    int rounds = 7, option, last = -1, peers = 0;
    FILE *csv = NULL;
    bool ok = true;

    while ((option = getopt(argc, argv, "t:r:p:j:d:o:v")) != -1) {
        switch (option) {
        case 't':
            seconds = atof(optarg);
            break;
        case 'r':
            rounds = atoi(optarg);
            break;
        case 'p':
            list = optarg;
            break;
        case 'j':
            prefix = optarg;
            break;
        case 'd':
            dir = optarg;
            break;
        case 'o':
            path = optarg;
            break;
        case 'v':
            verbose = true;
            break;
        default:
            return 2;
        }
    }
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    mallopt(M_TRIM_THRESHOLD,
            256 << 20); /* a busy server's heap does not grow and shrink all the time */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    to_server.cap = to_client.cap = 1 << 20;
    to_server.buf = calloc(1, to_server.cap);
    to_client.buf = calloc(1, to_client.cap);
    csv = path ? fopen(path, "w") : NULL;
    if (!to_server.buf || !to_client.buf || (path && !csv)) {
        perror(path ? path : "bench");
        return 1;
    }
    if (csv) {
        (void)fprintf(
            csv,
            "row,peer,client,client_ratio,server,server_ratio,client_mallocs,server_mallocs\n");
    }
    calibrate();
    for (size_t i = 0; peer_at(i); i++) {
        printf("%-8s %s\n", peer_at(i)->name, peer_at(i)->version());
        peers++;
    }
    for (int k = 0; k < NROWS; k++) {
        int n;

        if (strncmp(rows[k].id, prefix, strlen(prefix)) != 0) {
            continue;
        }
        if (last != (int)rows[k].kind) {
            heading(rows[k].kind);
            last = (int)rows[k].kind;
        }
        n = prepare(entries, &rows[k], list, dir);
        ok = run_row(&rows[k], entries, n, seconds / ((NROWS - 1) * peers * rounds), rounds, csv) &&
             ok;
    }
    if (csv && fclose(csv) != 0) {
        perror(path);
        ok = false;
    }
    return ok ? 0 : 1;
}
