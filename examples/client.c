/* SPDX-License-Identifier: ISC */
/* NAME
 *     client - sends its input over TLS, then prints the answer
 *
 * SYNOPSIS
 *     client HOST PORT [CA-FILE] <request
 *
 * DESCRIPTION
 *     Connects to HOST, whose certificate must be for that name and signed by a CA of CA-FILE or,
 *     without one, by a CA that the system trusts. At the end of the input the server is told so,
 *     and what it says is printed until it ends too.
 *
 * EXIT STATUS
 *     0 all was sent and received, 1 something failed, 2 wrong usage.
 *
 * EXAMPLES
 *     printf 'GET / HTTP/1.0\r\nHost: www.example.org\r\n\r\n' | client www.example.org 443 */
#include <sleeve/ssl_socket.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Copies until the end of input. The two ends may be TLS or plain: the calls take either. */
static int copy(int from, int to)
{
    char buf[16384];
    ssize_t n;

    while ((n = ssl_read(from, buf, sizeof buf)) > 0) {
        for (ssize_t done = 0, k; done < n; done += k) {
            if ((k = ssl_write(to, buf + done, (size_t)(n - done))) < 0) {
                return -1;
            }
        }
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        int help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fprintf(help ? stdout : stderr, "usage: client HOST PORT [CA-FILE] <request\n");
        return help ? 0 : 2;
    }
    if (argc > 3) {
        ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_CA_FILE, argv[3], (socklen_t)strlen(argv[3]));
    }
    int fd = ssl_dial(argv[1], argv[2]);
    if (fd < 0 || copy(STDIN_FILENO, fd) < 0 || ssl_shutdown(fd, SHUT_WR) < 0 ||
        copy(fd, STDOUT_FILENO) < 0) {
        fprintf(stderr, "client: %s\n", ssl_error(fd));
        return 1;
    }
    return ssl_close(fd) < 0;
}
