/* SPDX-License-Identifier: ISC */
/* server PORT CERT-FILE KEY-FILE: an echo server, a process for each connection. Port 0 takes a
 * free one; the port is printed. It is the plain server of every textbook with ssl_ in front of its
 * calls. */
#include <netinet/in.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The handshake takes place here, in the child, at the first read. */
static int echo(int fd)
{
    char buf[16384];
    ssize_t n, k = 0;

    while (k >= 0 && (n = ssl_read(fd, buf, sizeof buf)) > 0) {
        for (ssize_t done = 0; done < n && k >= 0; done += k) {
            k = ssl_write(fd, buf + done, (size_t)(n - done));
        }
    }
    int failed = k < 0 || n < 0;
    if (failed) {
        fprintf(stderr, "server: %s\n", ssl_error(fd));
    }
    ssl_close(fd);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: server PORT CERT-FILE KEY-FILE\n");
        return 2;
    }
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(argv[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int on = 1, listener = ssl_socket(AF_INET, SOCK_STREAM, 0);

    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    if (ssl_setsockopt(listener, SOL_SSL, SSL_OPT_CERT_FILE, argv[2], (socklen_t)strlen(argv[2])) <
            0 ||
        ssl_setsockopt(listener, SOL_SSL, SSL_OPT_KEY_FILE, argv[3], (socklen_t)strlen(argv[3])) <
            0 ||
        ssl_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        ssl_bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || ssl_listen(listener, 64) < 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) < 0) {
        perror("server");
        return 1;
    }
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = ssl_accept(listener, NULL, NULL);
        if (fd < 0) {
            fprintf(stderr, "server: %s\n", ssl_error(listener));
            return 1;
        }
        if (fork() == 0) {
            exit(echo(fd));
        }
        ssl_close(fd);
    }
}
