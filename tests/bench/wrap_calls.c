/* SPDX-License-Identifier: ISC */
/* What a call costs on descriptors of several kinds: wrap_calls PORT. Both ends of a connection
 * over PORT are this program's. Prints a name and nanoseconds a call, a line each. */
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH   256 /* as many blocks as a socket takes without anyone reading */
#define BATCHES 201
#define BLOCK   64

static int listener, accepted, dialled, zero, null;

static double ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *serve(void *arg)
{
    char b;

    accepted = accept(listener, NULL, NULL);
    if (accepted < 0 || read(accepted, &b, 1) != 1) {
        err(1, "accept");
    }
    return arg;
}

/* A byte goes over it, so that a handshake is done. */
static void pair(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1;
    pthread_t t;

    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 1) != 0 ||
        pthread_create(&t, NULL, serve, NULL) != 0) {
        err(1, "listen");
    }
    dialled = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(dialled, (struct sockaddr *)&at, sizeof at) != 0 || write(dialled, "", 1) != 1) {
        err(1, "connect");
    }
    pthread_join(t, NULL);
}

static char block[BLOCK];

static ssize_t read_file(void)
{
    return read(zero, block, 1);
}

static ssize_t write_file(void)
{
    return write(null, block, 1);
}

static ssize_t poll_file(void)
{
    return poll(&(struct pollfd){ .fd = null, .events = POLLOUT }, 1, 0);
}

static ssize_t write_tcp(void)
{
    return write(dialled, block, BLOCK) == BLOCK;
}

static ssize_t read_tcp(void)
{
    return read(accepted, block, BLOCK) == BLOCK;
}

static ssize_t poll_tcp(void)
{
    return poll(&(struct pollfd){ .fd = dialled, .events = POLLOUT }, 1, 0);
}

static const struct {
    const char *name;
    ssize_t (*call)(void);
} calls[] = {
    { "read-file", read_file }, { "write-file", write_file }, { "poll-file", poll_file },
    { "write-tcp", write_tcp }, { "read-tcp", read_tcp },     { "poll-tcp", poll_tcp },
};
#define CALLS (sizeof calls / sizeof *calls)

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double took[CALLS][BATCHES];

    if (argc != 2) {
        errx(2, "wrap_calls PORT");
    }
    zero = open("/dev/zero", O_RDONLY);
    null = open("/dev/null", O_WRONLY);
    pair((uint16_t)atoi(argv[1]));
    for (int b = 0; b < BATCHES; b++) {
        for (size_t i = 0; i < CALLS; i++) { /* what write_tcp() sends, read_tcp() receives */
            double from = ns();

            for (int n = 0; n < BATCH; n++) {
                if (calls[i].call() != 1) {
                    err(1, "%s", calls[i].name);
                }
            }
            took[i][b] = (ns() - from) / BATCH;
        }
    }
    for (size_t i = 0; i < CALLS; i++) {
        qsort(took[i], BATCHES, sizeof took[i][0], order);
        printf("%s %.1f\n", calls[i].name, took[i][BATCHES / 2]);
    }
    return 0;
}
