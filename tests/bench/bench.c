/* SPDX-License-Identifier: ISC */
/* Every job, every TLS library, one process.
 *
 *     bench [-t seconds] [-r rounds] [-p peer,peer] [-j job-prefix] [-d certificates] [-o csv] [-v]
 *
 * Libraries take turns: each round gives every one of them a cell, and so it does what the
 * primitives alone take. What is printed are medians over the rounds, and medians of the ratio to
 * libssl in the same round: the machine's speed of the moment is in both, so ratios hold from run
 * to run and figures do not. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/jobs.h"

#define MAX_PEERS 8

#define SHAKE(ID, WHAT, CLIENT_MARK, SERVER_MARK, ...)                               \
    {                                                                                \
        .id = (ID), .what = (WHAT), .kind = HANDSHAKE, .job = __VA_ARGS__, .mark = { \
            CLIENT_MARK,                                                             \
            SERVER_MARK                                                              \
        }                                                                            \
    }
#define RESUME(ID, WHAT, MARK, ...)                                                             \
    {                                                                                           \
        .id = (ID), .what = (WHAT), .kind = RESUMED, .job = __VA_ARGS__, .mark = { MARK, MARK } \
    }
#define BULK(ID, WHAT, SUITE, SIZE, MARK)                                                       \
    {                                                                                           \
        .id = (ID), .what = (WHAT), .kind = RECORDS, .size = (SIZE), .job = { .suite = SUITE }, \
        .mark = {                                                                               \
            MARK,                                                                               \
            MARK                                                                                \
        }                                                                                       \
    }

/* A mark is a ratio to libssl, client and server; README.md here says what misses its own. */
static const struct row rows[] = {
    SHAKE("hs-x25519-ecdsa", "X25519, ECDSA P-256", 2.2, 1.7, { .cert = CERT_ECDSA }),
    SHAKE("hs-x25519-ecdsa-cold", "the same, unknown chain", 0, 0, { .cold = true }),
    SHAKE("hs-p256-ecdsa", "P-256, ECDSA P-256", 2.6, 2.5, { .group = GROUP_P256 }),
    SHAKE("hs-x25519-rsa", "X25519, RSA-2048", 3.0, 1.3, { .cert = CERT_RSA }),
    SHAKE("hs-mutual", "mutual, X25519, ECDSA", 2.8, 2.8, { .mutual = true }),
    SHAKE("hs12-x25519-ecdsa", "TLS 1.2, X25519, ECDSA", 0, 0, { .tls12 = true }),
    RESUME("re-psk-dhe", "resumed, PSK with X25519", 2.0, { .sessions = true }),
    RESUME("re12", "resumed, TLS 1.2", 5.0, { .sessions = true, .tls12 = true }),
    BULK("aes128gcm-16k", "AES-128-GCM, 16 KiB", SUITE_AES128_GCM, 16384, 2.4),
    BULK("aes128gcm-1k", "AES-128-GCM, 1 KiB", SUITE_AES128_GCM, 1024, 4.5),
    BULK("aes128gcm-64", "AES-128-GCM, 64 B", SUITE_AES128_GCM, 64, 4.0),
    BULK("aes256gcm-16k", "AES-256-GCM, 16 KiB", SUITE_AES256_GCM, 16384, 0),
    BULK("chacha20-16k", "ChaCha20-Poly1305, 16 KiB", SUITE_CHACHA20, 16384, 0),
    BULK("chacha20-1k", "ChaCha20-Poly1305, 1 KiB", SUITE_CHACHA20, 1024, 0),
    BULK("chacha20-64", "ChaCha20-Poly1305, 64 B", SUITE_CHACHA20, 64, 0),
    { .id = "heap", .what = "idle after the handshake", .kind = HEAP, .mark = { 4096, 4096 } },
    { .id = "parked", .what = "the same, parked", .kind = PARKED, .mark = { 1024, 1024 } },
};
#define NROWS ((int)(sizeof rows / sizeof *rows))
static const double malloc_marks[2] = { 60, 40 };

static bool verbose;

static bool of_memory(const struct row *row)
{
    return row->kind == HEAP || row->kind == PARKED;
}

static int prepare(struct entry *e, const struct row *row, const char *list, const char *dir)
{
    struct job job = row->job;
    const struct peer *p;
    int n = 0;

    job.dir = dir;
    job.host = "server.test";
    for (size_t i = 0; (p = peer_at(i)) != NULL && n < MAX_PEERS - 1; i++) {
        char text[256] = "";

        if ((list && i > 0 && !strstr(list, p->name)) || (row->kind == PARKED && !p->park)) {
            continue;
        }
        e[n] = (struct entry){ .peer = p, .name = p->name };
        e[n].ctx[CLIENT] = p->ctx_new(&job, false);
        e[n].ctx[SERVER] = p->ctx_new(&job, true);
        e[n].bad = !e[n].ctx[CLIENT] || !e[n].ctx[SERVER] || !try_out(&e[n], text, sizeof text);
        if (verbose) {
            (void)fprintf(stderr, "%s: %s: %s\n", row->id, p->name, e[n].bad ? "cannot" : text);
        }
        n++;
    }
    if (!of_memory(row)) {
        e[n++] = (struct entry){ .name = "limit" };
    }
    return n;
}

static const char *heading(enum kind kind)
{
    static const char *const title[] = { "Full handshakes", NULL, "Records of TLS 1.3", "Memory" };
    static const char *const left[] = { "client hs/s", NULL, "receive MB/s", "client bytes" };
    static const char *const right[] = { "server hs/s", NULL, "send MB/s", "server bytes" };

    if (title[kind]) {
        printf("\n%-28s %-8s %13s %7s %13s %7s  %s\n", title[kind], "", left[kind], "ratio",
               right[kind], "ratio", kind == HEAP ? "mallocs client, server; mark" : "mark");
    }
    return title[kind];
}

/* "2.2 met, 1.7 met" */
static void judge(const struct row *row, const struct entry *e, const double v[2],
                  const double q[2])
{
    for (int i = 0; i < 2; i++) {
        const bool met = of_memory(row) ? v[i] <= row->mark[i] : q[i] >= row->mark[i];

        if (row->mark[i] > 0) {
            printf("%s%g %s", i ? ", " : "  ", row->mark[i], met ? "met" : "MISSED");
        }
    }
    for (int i = 0; i < 2 && row->kind == HEAP; i++) {
        printf("; %g mallocs %s", malloc_marks[i],
               e->more[i] <= malloc_marks[i] ? "met" : "MISSED");
    }
}

static void print(const struct row *row, const struct entry *e, bool first, int rounds, FILE *csv)
{
    double unit = row->kind == RECORDS ? 1e6 : 1, v[2], q[2];
    const char *what = first ? row->what : "";

    if (e->bad) {
        printf("  %-26s %-8s %13s\n", what, e->name, "cannot");
        return;
    }
    for (int i = 0; i < 2; i++) {
        v[i] = median(e->value[i], rounds);
        q[i] = median(e->ratio[i], rounds);
    }
    printf("  %-26s %-8s %13.0f %7.2f %13.0f %7.2f", what, e->name, v[CLIENT] / unit, q[CLIENT],
           v[SERVER] / unit, q[SERVER]);
    if (row->kind == HEAP) {
        printf("  %.0f, %.0f", e->more[CLIENT], e->more[SERVER]);
    }
    if (e->peer == &peer_sleeve) {
        judge(row, e, v, q);
    }
    printf("\n");
    if (csv) {
        (void)fprintf(csv, "%s,%s,%.6g,%.3f,%.6g,%.3f,%.0f,%.0f,%g,%g\n", row->id, e->name,
                      v[CLIENT], q[CLIENT], v[SERVER], q[SERVER], e->more[CLIENT], e->more[SERVER],
                      row->mark[CLIENT], row->mark[SERVER]);
        (void)fflush(csv);
    }
}

static void clean_up(struct entry *e)
{
    for (int i = 0; i < 2; i++) {
        if (e->ctx[i]) {
            e->peer->ctx_free(e->ctx[i]);
        }
    }
}

/* False when Sleeve, or libssl, failed in it. */
static bool run_row(const struct row *row, struct entry *e, int n, double seconds, int rounds,
                    FILE *csv)
{
    bool ok = true;

    if (of_memory(row)) {
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
        clean_up(&e[j]);
    }
    (void)fflush(stdout);
    return ok;
}

static bool run_all(const char *prefix, const char *list, const char *dir, double seconds,
                    int rounds, FILE *csv)
{
    static struct entry entries[MAX_PEERS];
    const char *last = NULL;
    int peers = 1; /* the limit */
    bool ok = true;

    for (size_t i = 0; peer_at(i); i++) {
        printf("%-8s %s\n", peer_at(i)->name, peer_at(i)->version());
        peers++;
    }
    printf("%-8s %s\n", "limit", limit_version());
    for (int k = 0; k < NROWS; k++) {
        int n;

        if (strncmp(rows[k].id, prefix, strlen(prefix)) != 0) {
            continue;
        }
        if (k == 0 || !last || (rows[k].kind != rows[k - 1].kind)) {
            last = rows[k].kind == PARKED ? last : heading(rows[k].kind);
        }
        n = prepare(entries, &rows[k], list, dir);
        ok = run_row(&rows[k], entries, n, seconds / ((NROWS - 2) * peers * rounds), rounds, csv) &&
             ok;
    }
    return ok;
}

int main(int argc, char **argv)
{
    const char *list = NULL, *prefix = "", *dir = "certs", *path = NULL;
    double seconds = 120;
    int rounds = 7, option;
    FILE *csv = NULL;
    bool ok;

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
    csv = path ? fopen(path, "w") : NULL;
    if (!jobs_begin() || (path && !csv)) {
        perror(path ? path : "bench");
        return 1;
    }
    if (csv) {
        (void)fprintf(csv, "row,peer,client,client_ratio,server,server_ratio,client_mallocs,"
                           "server_mallocs,client_mark,server_mark\n");
    }
    ok = run_all(prefix, list, dir, seconds, rounds, csv);
    if (csv && fclose(csv) != 0) {
        perror(path);
        ok = false;
    }
    return ok ? 0 : 1;
}
