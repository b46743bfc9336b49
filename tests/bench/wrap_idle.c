/* SPDX-License-Identifier: ISC */
/* Heap of idle connections: wrap_idle serve|dial PORT N. N connections that have carried 64 bytes
 * each way; then the bytes that one of them costs, at once and after each line on standard input.
 * The server answers from one thread, and ends with its input. */
#include <err.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 64

static int *fds, count, used;

static size_t heap(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void get(int fd, char *p)
{
    for (ssize_t n, at = 0; at < BLOCK; at += n) {
        n = read(fd, p + at, (size_t)(BLOCK - at));
        if (n <= 0) {
            err(1, "read");
        }
    }
}

static void put(int fd, const char *p)
{
    if (write(fd, p, BLOCK) != BLOCK) {
        err(1, "write");
    }
}

static struct sockaddr_in at;

static void dial(void)
{
    char block[BLOCK] = "";
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        err(1, "connect");
    }
    put(fd, block);
    get(fd, block);
    fds[used++] = fd;
}

static void serve_one(int listener)
{
    char block[BLOCK];
    int fd = accept(listener, NULL, NULL);

    if (fd < 0) {
        err(1, "accept");
    }
    get(fd, block);
    put(fd, block);
    fds[used++] = fd;
}

/* A round trip on the first connection: the others stay as they are. */
static void touch(int server)
{
    char block[BLOCK] = "";

    if (server) {
        get(fds[0], block);
        put(fds[0], block);
    } else {
        put(fds[0], block);
        get(fds[0], block);
    }
}

int main(int argc, char **argv)
{
    int server = argc == 4 && strcmp(argv[1], "serve") == 0, listener = -1, one = 1, first = 16;
    struct rlimit most;
    char line[16];
    size_t before;

    if (argc != 4 || (count = atoi(argv[3])) < 1) {
        errx(2, "wrap_idle serve|dial PORT N");
    }
    getrlimit(RLIMIT_NOFILE, &most);
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most);
    fds = calloc((size_t)(count + first), sizeof *fds);
    at = (struct sockaddr_in){ .sin_family = AF_INET,
                               .sin_port = htons((unsigned short)atoi(argv[2])),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (server) {
        listener = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 64) != 0) {
            err(1, "listen");
        }
    }
    for (int i = 0; i < first; i++) { /* what is there once */
        server ? serve_one(listener) : dial();
    }
    before = heap();
    for (int i = 0; i < count; i++) {
        server ? serve_one(listener) : dial();
    }
    printf("%zu\n", (heap() - before) / (size_t)count);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        touch(server);
        printf("%zu\n", (heap() - before) / (size_t)count);
        fflush(stdout);
    }
    return 0;
}
