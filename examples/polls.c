/* SPDX-License-Identifier: ISC */
/* NAME
 *     polls - a TLS echo server with one thread and poll()
 *
 * SYNOPSIS
 *     polls PORT CERT-FILE KEY-FILE
 *
 * DESCRIPTION
 *     Listens on PORT of all addresses, sends back what each client sends, and prints the port: 0
 *     takes a free one. All connections are non-blocking and belong to one loop around ssl_poll(),
 *     1000 of them and more, as many as the limit of open files permits. Each has a buffer of its
 *     own, and is read from only when that is empty: a client that takes nothing is not listened to
 *     either, which TCP lets it feel. Nobody waits for a handshake, ssl_poll() does them on the
 *     way.
 *
 * EXIT STATUS
 *     1 the port or the certificate cannot be used, 2 wrong usage, else it runs until it is killed.
 *
 * CAVEATS
 *     A client that does nothing keeps its place; httpd has time limits.
 *
 * SEE ALSO
 *     threads, forks, httpd, ssl_socket(3) */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MOST 4096 /* connections */

struct client {
    size_t have, sent; /* bytes in buf, and how many of them are echoed */
    int ended;         /* the client has said all */
    char buf[16384];
};

static struct pollfd fds[1 + MOST];      /* [0]: the listener */
static struct client *clients[1 + MOST]; /* beside it */
static nfds_t used = 1;

static int would_block(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* One read or one write: the others are waiting. -1: this client is served. */
static int echo(int fd, struct client *c)
{
    ssize_t n;

    if (c->ended) {
        return -1; /* POLLOUT: the last of it has left, closing will not have to wait */
    }
    if (c->have == 0) {
        n = ssl_read(fd, c->buf, sizeof c->buf);
        if (n < 0) {
            return would_block() ? 0 : -1;
        }
        if (n == 0) {
            c->ended = 1;
            return 0;
        }
        c->have = (size_t)n;
        c->sent = 0;
    }
    n = ssl_write(fd, c->buf + c->sent, c->have - c->sent);
    if (n < 0) {
        return would_block() ? 0 : -1;
    }
    c->sent += (size_t)n;
    if (c->sent == c->have) {
        c->have = 0;
    }
    return 0;
}

/* Its place goes to the last one. */
static void drop(nfds_t i)
{
    const char *why = ssl_error(fds[i].fd);

    if (*why != '\0') {
        fprintf(stderr, "polls: %s\n", why);
    }
    ssl_close(fds[i].fd);
    free(clients[i]);
    used--;
    fds[i] = fds[used];
    clients[i] = clients[used];
}

static void serve(nfds_t i)
{
    struct client *c = clients[i];

    if (echo(fds[i].fd, c) < 0) {
        drop(i);
    } else {
        fds[i].events = c->have == 0 && !c->ended ? POLLIN : POLLOUT;
    }
}

/* All that wait. -1: the listener itself is in trouble. */
static int welcome(int listener)
{
    while (used <= MOST) {
        int fd = ssl_accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct client *c = fd < 0 ? NULL : malloc(sizeof *c);

        if (fd < 0) {
            return would_block() || errno == ECONNABORTED || errno == EMFILE || errno == ENFILE
                       ? 0
                       : -1;
        }
        if (c == NULL) {
            ssl_close(fd);
            return 0;
        }
        c->have = c->sent = 0;
        c->ended = 0;
        fds[used] = (struct pollfd){ .fd = fd, .events = POLLIN };
        clients[used++] = c;
    }
    return 0;
}

static int loop(void)
{
    struct rlimit files;
    nfds_t room = MOST;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < MOST + 32) {
        room = files.rlim_cur - 32;
    }
    for (;;) {
        fds[0].events = used <= room ? POLLIN : 0;
        if (ssl_poll(fds, used, -1) < 0 && errno != EINTR) {
            return -1;
        }
        for (nfds_t i = used - 1; i > 0; i--) { /* down, as drop() fills the gap from the end */
            if (fds[i].revents != 0) {
                serve(i);
            }
        }
        if (fds[0].revents != 0 && welcome(fds[0].fd) < 0) {
            return -1;
        }
    }
}

static int usage(int help)
{
    fprintf(help ? stdout : stderr, "usage: polls PORT CERT-FILE KEY-FILE\n");
    return help ? 0 : 2;
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;

    if (argc != 4) {
        return usage(argc == 2 && strcmp(argv[1], "--help") == 0);
    }
    signal(SIGPIPE, SIG_IGN);
    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_CERT_FILE, argv[2], (socklen_t)strlen(argv[2]));
    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_KEY_FILE, argv[3], (socklen_t)strlen(argv[3]));
    fds[0].fd = ssl_serve(NULL, argv[1], 1024);
    if (fds[0].fd >= 0 && getsockname(fds[0].fd, (struct sockaddr *)&a, &len) == 0 &&
        fcntl(fds[0].fd, F_SETFL, O_NONBLOCK) == 0 &&
        welcome(fds[0].fd) == 0) {          /* the certificate is read */
        printf("%u\n", ntohs(a.sin6_port)); /* where an IPv4 address has it, too */
        fflush(stdout);
        loop();
    }
    fprintf(stderr, "polls: %s\n", ssl_error(fds[0].fd));
    return 1;
}
