/* SPDX-License-Identifier: ISC */
/* NAME
 *     mutual - two ends that both show a certificate
 *
 * SYNOPSIS
 *     mutual server PORT CERT-FILE KEY-FILE CA-FILE
 *     mutual client HOST PORT CERT-FILE KEY-FILE CA-FILE
 *
 * DESCRIPTION
 *     The server listens on PORT of all addresses and prints it (0 takes a free one); the client
 *     connects. Each shows its own certificate, verifies the other's by CA-FILE and prints whose it
 *     is; the client, that it is for HOST as well. Then the server greets the client by its name.
 *
 * EXIT STATUS
 *     0 the client was greeted, 1 something failed, 2 wrong usage. The server runs until it is
 *     killed: a client that it refuses is a line on standard error.
 *
 * EXAMPLES
 *     sleeve keygen ca
 *     sleeve keygen server -n localhost
 *     sleeve keygen client -n alice
 *     mutual server 7443 server.pem server.key ca.pem &
 *     mutual client localhost 7443 client.pem client.key ca.pem */
#include <netinet/in.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

static int set(int option, const char *value)
{
    return ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, option, value, (socklen_t)strlen(value));
}

static int complain(int fd)
{
    fprintf(stderr, "mutual: %s\n", ssl_error(fd));
    return -1;
}

/* Who is there? 0, or -1 when nobody has said so. */
static int introduce(int fd, struct ssl_info *peer)
{
    if (ssl_handshake(fd) < 0 || ssl_info(fd, peer) < 0) {
        return complain(fd);
    }
    printf("the peer is %s\n", peer->peer_subject);
    fflush(stdout);
    return 0;
}

static int greet(int fd)
{
    char line[1024];
    struct ssl_info peer;
    int n;

    if (introduce(fd, &peer) < 0) {
        return -1;
    }
    n = snprintf(line, sizeof line, "Hello, %s!\n", peer.peer_subject);
    return ssl_write(fd, line, (size_t)n) == n ? 0 : complain(fd);
}

static int server(const char *port)
{
    struct timeval patience = { .tv_sec = 10 };
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;
    int require = SSL_CLIENT_AUTH_REQUIRE, listener, fd;

    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_CLIENT_AUTH, &require, sizeof require);
    listener = ssl_serve(NULL, port, 16);
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&a, &len) < 0) {
        return complain(listener);
    }
    printf("%u\n", ntohs(a.sin6_port)); /* where an IPv4 address has it, too */
    fflush(stdout);
    while ((fd = ssl_accept(listener, NULL, NULL)) >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        greet(fd);
        ssl_close(fd);
    }
    return complain(listener);
}

static int client(const char *host, const char *port)
{
    struct ssl_info peer;
    char line[1024];
    int fd = ssl_dial(host, port);
    ssize_t n;

    if (fd < 0) {
        return complain(fd);
    }
    if (introduce(fd, &peer) < 0) {
        return -1;
    }
    /* Only now is it certain that the server has accepted our certificate: in TLS 1.3 the client is
     * done first. */
    if ((n = ssl_read(fd, line, sizeof line)) <= 0) {
        return complain(fd);
    }
    printf("%.*s", (int)n, line);
    return ssl_close(fd);
}

int main(int argc, char **argv)
{
    int is_client = argc == 7 && strcmp(argv[1], "client") == 0;
    int is_server = argc == 6 && strcmp(argv[1], "server") == 0;

    if (!is_client && !is_server) {
        int help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fprintf(help ? stdout : stderr,
                "usage: mutual server PORT CERT-FILE KEY-FILE CA-FILE\n"
                "       mutual client HOST PORT CERT-FILE KEY-FILE CA-FILE\n");
        return help ? 0 : 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (set(SSL_OPT_CERT_FILE, argv[argc - 3]) < 0 || set(SSL_OPT_KEY_FILE, argv[argc - 2]) < 0 ||
        set(SSL_OPT_CA_FILE, argv[argc - 1]) < 0) {
        complain(-1);
        return 1;
    }
    return (is_client ? client(argv[2], argv[3]) : server(argv[2])) < 0;
}
