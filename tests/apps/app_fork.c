/* SPDX-License-Identifier: ISC */
/* app_fork PORT LINES: a server on loopback whose one connection is used by two processes in turn:
 * parent and child read so many lines each, and answer them with their own letter in front. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int accept_one(const char *port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((unsigned short)atoi(port)),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int l = socket(AF_INET, SOCK_STREAM, 0), on = 1, fd;

    if (l < 0 || setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(l, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(l, 5) != 0) {
        perror("listen");
        exit(1);
    }
    fd = accept(l, NULL, NULL);
    if (fd < 0) {
        perror("accept");
        exit(1);
    }
    close(l);
    return fd;
}

/* A line, byte by byte: what follows it is the other process's. */
static size_t line(int fd, char *to, size_t size)
{
    size_t n = 0;

    while (n < size && (n == 0 || to[n - 1] != '\n')) {
        ssize_t k = read(fd, to + n, 1);
        if (k != 1) {
            perror("read");
            exit(2);
        }
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    int turn[2][2], fd, rounds, me;
    char text[256], token = 't';
    pid_t child;

    if (argc != 3 || pipe(turn[0]) != 0 || pipe(turn[1]) != 0) {
        return 1;
    }
    rounds = atoi(argv[2]);
    fd = accept_one(argv[1]);
    child = fork();
    me = child == 0;
    close(turn[me][1]);
    close(turn[!me][0]);
    for (int i = 0; i < rounds; i++) {
        size_t n;
        if ((i > 0 || me) && read(turn[me][0], &token, 1) != 1) {
            return 3;
        }
        text[0] = me ? 'C' : 'P';
        n = line(fd, text + 1, sizeof text - 1) + 1;
        if (write(fd, text, n) != (ssize_t)n) {
            perror("write");
            return 2;
        }
        if (write(turn[!me][1], &token, 1) != 1) {
            return 3;
        }
    }
    close(fd);
    if (!me) {
        int status;
        return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 4;
    }
    return 0;
}
