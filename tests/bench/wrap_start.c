/* SPDX-License-Identifier: ISC */
/* What it costs to start a program, in several environments that take turns.
 *
 *   wrap_start ROUNDS PROGRAM NAME=FILE...
 *
 * FILE has the environment, a variable a line. Prints, an environment a line, the name and the
 * medians of the CPU time and of the time that passes, in microseconds a start. */
#include <err.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define MAX  16
#define VARS 32
#define WARM 5 /* starts that fill caches */

struct place {
    const char *name;
    char *env[VARS];
    double *cpu, *wall;
};

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, order);
    return v[n / 2];
}

static void read_place(struct place *p, char *arg, int rounds)
{
    char *file = strchr(arg, '='), line[4096];
    int n = 0;
    FILE *f;

    if (!file) {
        errx(2, "%s: not NAME=FILE", arg);
    }
    *file++ = '\0';
    f = fopen(file, "r");
    if (!f) {
        err(2, "%s", file);
    }
    while (n < VARS - 1 && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        p->env[n++] = strdup(line);
    }
    fclose(f);
    p->name = arg;
    p->cpu = calloc((size_t)rounds, sizeof *p->cpu);
    p->wall = calloc((size_t)rounds, sizeof *p->wall);
    if (!p->cpu || !p->wall) {
        err(1, "memory");
    }
}

static void start(struct place *p, char *program, int round)
{
    char *argv[] = { program, NULL };
    double from = now();
    struct rusage u;
    int rc, status;
    pid_t pid;

    rc = posix_spawn(&pid, program, NULL, NULL, argv, p->env);
    if (rc != 0) {
        errx(1, "%s: %s", program, strerror(rc));
    }
    if (wait4(pid, &status, 0, &u) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        errx(1, "%s: %s does not end well", p->name, program);
    }
    if (round >= 0) {
        p->cpu[round] = seconds(u.ru_utime) + seconds(u.ru_stime);
        p->wall[round] = now() - from;
    }
}

int main(int argc, char **argv)
{
    static struct place places[MAX];
    int rounds = argc > 3 ? atoi(argv[1]) : 0, n = argc - 3;

    if (rounds < 1 || n > MAX) {
        errx(2, "wrap_start ROUNDS PROGRAM NAME=FILE...");
    }
    for (int i = 0; i < n; i++) {
        read_place(&places[i], argv[3 + i], rounds);
    }
    for (int r = -WARM; r < rounds; r++) {
        for (int i = 0; i < n; i++) {
            start(&places[(i + r + WARM) % n], argv[2], r);
        }
    }
    for (int i = 0; i < n; i++) {
        printf("%s %.2f %.2f\n", places[i].name, median(places[i].cpu, rounds) * 1e6,
               median(places[i].wall, rounds) * 1e6);
    }
    return 0;
}
