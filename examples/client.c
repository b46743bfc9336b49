/* SPDX-License-Identifier: ISC */
/* client HOST PORT [CA-FILE] <request: sends its input, then prints the answer. */
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
    if (argc < 3) {
        fprintf(stderr, "usage: client HOST PORT [CA-FILE] <request\n");
        return 2;
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
