/* SPDX-License-Identifier: ISC */
/* relay PORT FILE: listens on a free loopback port, prints it, and carries one connection after the
 * other to PORT, recording what goes by: each piece is a line in FILE,
 *     > 48454c4c4f    from the client
 *     < 576f726c64    from the server
 * So that anybody can see with their own eyes what is on the wire. Ends on SIGTERM. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int tcp(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        perror("relay: socket");
        exit(1);
    }
    return fd;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void record(FILE *log, char direction, const uint8_t *p, size_t n)
{
    fprintf(log, "%c ", direction);
    for (size_t i = 0; i < n; i++) {
        fprintf(log, "%02x", p[i]);
    }
    fputc('\n', log);
    fflush(log);
}

static bool send_all(int fd, const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k <= 0) {
            return false;
        }
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* One piece from `from` to `to`. False: this direction is over. */
static bool carry(int from, int to, char direction, FILE *log)
{
    uint8_t piece[16384];
    ssize_t n = recv(from, piece, sizeof piece, 0);
    if (n <= 0) {
        shutdown(to, SHUT_WR);
        return n < 0 && errno == EINTR;
    }
    record(log, direction, piece, (size_t)n);
    return send_all(to, piece, (size_t)n);
}

static void relay(int client, int server, FILE *log)
{
    struct pollfd p[2] = { { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN } };
    while (p[0].fd >= 0 || p[1].fd >= 0) {
        if (poll(p, 2, -1) < 0 && errno != EINTR) {
            return;
        }
        if (p[0].fd >= 0 && p[0].revents != 0 && !carry(client, server, '>', log)) {
            p[0].fd = -1;
        }
        if (p[1].fd >= 0 && p[1].revents != 0 && !carry(server, client, '<', log)) {
            p[1].fd = -1;
        }
    }
}

int main(int argc, char **argv)
{
    long port = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: relay PORT FILE\n");
        return 2;
    }
    FILE *log = fopen(argv[2], "w");
    if (log == NULL) {
        perror(argv[2]);
        return 1;
    }
    int listener = tcp();
    struct sockaddr_in here = loopback(0);
    struct sockaddr_in there = loopback((uint16_t)port);
    socklen_t len = sizeof here;
    if (bind(listener, (struct sockaddr *)&here, len) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&here, &len) != 0) {
        perror("relay: listen");
        return 1;
    }
    printf("%u\n", ntohs(here.sin_port));
    fflush(stdout);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0 && (errno == EINTR || errno == ECONNABORTED)) {
            continue;
        }
        if (client < 0) {
            perror("relay: accept");
            return 1;
        }
        int server = tcp();
        if (connect(server, (struct sockaddr *)&there, sizeof there) == 0) {
            relay(client, server, log);
        } else {
            perror("relay: connect");
        }
        close(server);
        close(client);
    }
}
