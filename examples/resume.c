/* SPDX-License-Identifier: ISC */
/* NAME
 *     resume - connects several times and tells which connections were resumed
 *
 * SYNOPSIS
 *     resume HOST PORT [TIMES [CA-FILE]]
 *
 * DESCRIPTION
 *     A line for each connection (default: 5): how long it took, and whether it went on where an
 *     earlier one had ended, with less to compute and no certificate on its way. Nothing has to be
 *     done for that: a client keeps what servers give it, for the process, by host, port and
 *     options.
 *
 *     The certificate of HOST must be signed by a CA of CA-FILE or, without one, by a CA that the
 *     system trusts.
 *
 * EXIT STATUS
 *     0 all but the first were resumed, 1 a connection failed, 2 wrong usage, 3 not all were.
 *
 * SEE ALSO
 *     httpd (with -t 0, nothing is resumed), ssl_socket(3) */
#include <sleeve/ssl_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* 1: resumed, 0: not, -1: failed. */
static int once(const char *host, const char *port)
{
    struct timeval patience = { .tv_sec = 5 };
    struct ssl_info info;
    char rest[1024];
    double start = now_ms();
    int fd = ssl_dial(host, port);

    if (fd < 0 || ssl_info(fd, &info) < 0) {
        fprintf(stderr, "resume: %s\n", ssl_error(fd));
        return -1;
    }
    printf("%s %s %.1f ms\n", info.version_name, info.resumed ? "resumed" : "full",
           now_ms() - start);
    /* The ticket for the next time comes behind the handshake: read on to the end. */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssl_shutdown(fd, SHUT_WR);
    while (ssl_read(fd, rest, sizeof rest) > 0) {
    }
    ssl_close(fd);
    return info.resumed;
}

int main(int argc, char **argv)
{
    int times = argc > 3 ? atoi(argv[3]) : 5, resumed = 0;

    if (argc < 3 || argc > 5 || times < 1) {
        int help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fprintf(help ? stdout : stderr, "usage: resume HOST PORT [TIMES [CA-FILE]]\n");
        return help ? 0 : 2;
    }
    if (argc > 4) {
        ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_CA_FILE, argv[4], (socklen_t)strlen(argv[4]));
    }
    for (int i = 0; i < times; i++) {
        int rc = once(argv[1], argv[2]);

        if (rc < 0) {
            return 1;
        }
        resumed += rc;
    }
    printf("%d of %d resumed\n", resumed, times);
    return resumed == times - 1 ? 0 : 3;
}
