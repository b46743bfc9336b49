/* SPDX-License-Identifier: ISC */
/* NAME
 *     server - echoes over TLS, one client after another
 *
 * SYNOPSIS
 *     server PORT CERT-FILE KEY-FILE
 *
 * DESCRIPTION
 *     Listens on PORT of all addresses, sends back what each client sends, and prints the port: 0
 *     takes a free one. The certificate and its key are PEM.
 *
 * EXIT STATUS
 *     1 the port or the certificate cannot be used, 2 wrong usage, else it runs until it is killed.
 *
 * CAVEATS
 *     The next client waits until this one has gone. For many at once see threads, forks, polls. */
#include <netinet/in.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdio.h>
#include <string.h>

static void echo(int fd)
{
    char buf[16384];
    ssize_t n, k = 0;

    while (k >= 0 && (n = ssl_read(fd, buf, sizeof buf)) > 0) { /* first of all, the handshake */
        for (ssize_t done = 0; done < n && k >= 0; done += k) {
            k = ssl_write(fd, buf + done, (size_t)(n - done));
        }
    }
    if (k < 0 || n < 0) {
        fprintf(stderr, "server: %s\n", ssl_error(fd));
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;

    if (argc != 4) {
        int help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fprintf(help ? stdout : stderr, "usage: server PORT CERT-FILE KEY-FILE\n");
        return help ? 0 : 2;
    }
    signal(SIGPIPE, SIG_IGN);
    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_CERT_FILE, argv[2], (socklen_t)strlen(argv[2]));
    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_KEY_FILE, argv[3], (socklen_t)strlen(argv[3]));
    int listener = ssl_serve(NULL, argv[1], 64);
    if (listener >= 0 && getsockname(listener, (struct sockaddr *)&a, &len) == 0) {
        printf("%u\n", ntohs(a.sin6_port)); /* where an IPv4 address has it, too */
        fflush(stdout);
        for (int fd; (fd = ssl_accept(listener, NULL, NULL)) >= 0; ssl_close(fd)) {
            echo(fd);
        }
    }
    fprintf(stderr, "server: %s\n", ssl_error(listener));
    return 1;
}
