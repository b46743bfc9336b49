/* SPDX-License-Identifier: ISC */
/* NAME
 *     httpd - a small https server
 *
 * SYNOPSIS
 *     httpd [-q] [-p PORT] [-c CERT-FILE] [-k KEY-FILE] [-C CA-FILE] [-a PROTOCOLS] [-m VERSION]
 *           [-M VERSION] [-s SUITES] [-t TICKETS] [-e BYTES] [DIRECTORY]
 *
 * DESCRIPTION
 *     Serves the files in DIRECTORY (default: the working directory) by HTTP/1.1 over TLS, with one
 *     thread and ssl_poll(). GET / is answered with a page about the connection itself, POST with
 *     what was posted. Names that begin with a dot are not served, nor what is under them.
 *
 *     A request of up to 16 KiB is taken; it and the handshake have 15 seconds, as has an idle
 *     connection, and bodies and answers 15 more for each 64 KiB. A body may have 64 MiB, and waits
 *     in a temporary file.
 *
 *     -p PORT       where to listen, on all addresses (8443); 0 takes a free one, which is printed
 *     -c CERT-FILE  the certificate with its chain, PEM (server.pem)
 *     -k KEY-FILE   its key, if it is not in CERT-FILE
 *     -C CA-FILE    clients need a certificate, signed by one of these CAs
 *     -a PROTOCOLS  ALPN, in order of preference (http/1.1)
 *     -m, -M        lowest and highest version of TLS: 1.2, 1.3
 *     -s SUITES     cipher suites, in order of preference
 *     -t TICKETS    tickets for each client to come back with (2); 0: nobody's session is resumed
 *     -e BYTES      early data (0-RTT) that is taken (0). Whoever recorded it can send it again: a
 *                   GET is answered all the same, a POST by 425 Too Early (RFC 8470)
 *     -q            no line for each request, no errors of clients
 *
 * EXIT STATUS
 *     1 port, certificate or directory cannot be used, 2 wrong usage, else it runs until killed.
 *
 * CAVEATS
 *     No ranges, no compression, no lists of files. Reading a file may hold the others up.
 *
 * SEE ALSO
 *     get, polls, ssl_socket(3) */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "httpd/httpd.h"

#define MOST 4096 /* connections */

static struct pollfd fds[1 + MOST];      /* [0]: the listener */
static struct client *clients[1 + MOST]; /* beside it */
static nfds_t used = 1, room = MOST;
bool quiet;

static time_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

void enter(struct client *c, enum phase phase)
{
    c->phase = phase;
    c->deadline = now() + (phase == FLUSH || phase == DRAIN ? 2 : PATIENCE);
    c->moved = 0;
}

void moved(struct client *c, size_t n)
{
    c->moved += n;
    if (c->moved >= STRIDE) {
        enter(c, c->phase);
    }
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static void fail(struct client *c)
{
    const char *why = ssl_error(c->fd);

    if (!quiet && *why != '\0') {
        fprintf(stderr, "httpd: %s: %s\n", c->address, why);
    }
    c->phase = OVER;
}

/* One read. False: nothing came. */
static bool fill(struct client *c)
{
    ssize_t n;

    memmove(c->in, c->in + c->at, c->have - c->at);
    c->have -= c->at;
    c->at = 0;
    n = ssl_read(c->fd, c->in + c->have, sizeof c->in - c->have);
    if (n > 0) {
        c->have += (size_t)n;
    } else if (n == 0) {
        enter(c, c->phase == DRAIN ? OVER : FLUSH);
    } else if (!would_block()) {
        fail(c);
    }
    return n >= 0;
}

static enum next push(struct client *c)
{
    int flags = MSG_NOSIGNAL | (c->phase == ANSWER && c->from < c->to ? MSG_MORE : 0);
    ssize_t n = ssl_send(c->fd, c->out + c->said, c->say - c->said, flags);

    if (n < 0 && would_block()) {
        return WAIT;
    }
    if (n < 0) {
        fail(c);
    } else {
        c->said += (size_t)n;
    }
    return GO;
}

static enum next send_file(struct client *c)
{
    off_t rest = c->to - c->from;
    ssize_t n = ssl_sendfile(c->fd, c->file, &c->from, rest < STRIDE ? (size_t)rest : STRIDE);

    if (n < 0 && would_block()) {
        return WAIT;
    }
    if (n <= 0) { /* 0: somebody has made it shorter; the client must not take that for the end */
        fail(c);
        return GO;
    }
    moved(c, (size_t)n);
    return c->from < c->to ? WAIT : GO; /* the others are waiting */
}

static enum next answered(struct client *c)
{
    if (c->file >= 0) {
        close(c->file);
    }
    c->file = -1;
    c->from = c->to = 0;
    c->said = c->say = 0;
    enter(c, c->keep ? HEAD : FLUSH);
    return GO;
}

/* Not before all has left the library: ssl_close() would wait for that. */
static enum next flush(struct client *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLOUT };

    if (ssl_poll(&p, 1, 0) == 0) {
        return WAIT;
    }
    ssl_shutdown(c->fd, SHUT_WR);
    enter(c, DRAIN);
    return GO;
}

static void step(struct client *c)
{
    bool read = false;

    while (c->phase != OVER) {
        enum next next = MORE;

        if (c->said < c->say) {
            next = push(c);
        } else if (c->phase == HEAD) {
            next = read_head(c);
        } else if (c->phase == BODY) {
            next = read_body(c);
        } else if (c->phase == ANSWER) {
            next = c->from < c->to ? send_file(c) : answered(c);
        } else if (c->phase == FLUSH) {
            next = flush(c);
        } else {
            c->at = c->have;
        }
        if (next == WAIT || (next == MORE && (read || !fill(c)))) {
            return;
        }
        read = read || next == MORE;
    }
}

/* Its place goes to the last one. */
static void drop(nfds_t i)
{
    struct client *c = clients[i];
    struct linger none = { .l_onoff = 1 };

    if (c->phase != OVER) { /* too slow: it is cut off */
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    ssl_close(c->fd);
    if (c->file >= 0) {
        close(c->file);
    }
    free(c);
    used--;
    fds[i] = fds[used];
    clients[i] = clients[used];
}

static void serve(nfds_t i, time_t t)
{
    struct client *c = clients[i];
    bool reading;

    if (fds[i].revents != 0) {
        step(c);
    }
    if (t >= c->deadline && (c->phase == HEAD || c->phase == BODY)) {
        enter(c, FLUSH);
        step(c);
    }
    if (c->phase == OVER || t >= c->deadline) {
        drop(i);
        return;
    }
    reading = c->said == c->say && (c->phase == HEAD || c->phase == BODY || c->phase == DRAIN);
    fds[i].events = reading ? POLLIN : POLLOUT;
}

/* All that wait. -1: the listener itself is in trouble. */
static int welcome(int listener)
{
    while (used <= room) {
        struct sockaddr_storage a;
        socklen_t len = sizeof a;
        int fd = ssl_accept4(listener, (struct sockaddr *)&a, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct client *c;

        if (fd < 0) {
            return would_block() || errno == ECONNABORTED || errno == EMFILE || errno == ENFILE
                       ? 0
                       : -1;
        }
        c = calloc(1, sizeof *c);
        if (c == NULL) {
            ssl_close(fd);
            return 0;
        }
        c->fd = fd;
        c->file = -1;
        getnameinfo((struct sockaddr *)&a, len, c->address, sizeof c->address, NULL, 0,
                    NI_NUMERICHOST);
        enter(c, HEAD);
        fds[used] = (struct pollfd){ .fd = fd, .events = POLLIN };
        clients[used++] = c;
    }
    return 0;
}

static int loop(void)
{
    for (;;) {
        fds[0].events = used <= room ? POLLIN : 0;
        if (ssl_poll(fds, used, 1000) < 0 && errno != EINTR) {
            return -1;
        }
        time_t t = now();
        for (nfds_t i = used - 1; i > 0; i--) { /* down, as drop() fills the gap from the end */
            serve(i, t);
        }
        if (fds[0].revents != 0 && welcome(fds[0].fd) < 0) {
            return -1;
        }
    }
}

/* ---- options ---- */

static int usage(FILE *to)
{
    fprintf(to,
            "usage: httpd [-q] [-p PORT] [-c CERT-FILE] [-k KEY-FILE] [-C CA-FILE] [-a PROTOCOLS]\n"
            "             [-m VERSION] [-M VERSION] [-s SUITES] [-t TICKETS] [-e BYTES]\n"
            "             [DIRECTORY]\n");
    return to == stdout ? 0 : 2;
}

static int set(int option, const char *value)
{
    return ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, option, value, (socklen_t)strlen(value));
}

static int set_number(int option, int value)
{
    return ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, option, &value, sizeof value);
}

static int set_version(int option, const char *value)
{
    return set_number(option, strcmp(value, "1.2") == 0   ? 0x0303
                              : strcmp(value, "1.3") == 0 ? 0x0304
                                                          : -1);
}

static int set_amount(int option, const char *value)
{
    char *end;
    long n = strtol(value, &end, 10);

    return set_number(option, end > value && *end == '\0' && n <= INT_MAX ? (int)n : -1);
}

/* -1: the option cannot be set so, errno; -2: there is no such option. */
static int option(int c, const char **port)
{
    switch (c) {
    case 'q':
        quiet = true;
        return 0;
    case 'p':
        *port = optarg;
        return 0;
    case 'c':
        return set(SSL_OPT_CERT_FILE, optarg);
    case 'k':
        return set(SSL_OPT_KEY_FILE, optarg);
    case 'C':
        return set(SSL_OPT_CA_FILE, optarg) < 0
                   ? -1
                   : set_number(SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
    case 'a':
        return set(SSL_OPT_ALPN, optarg);
    case 's':
        return set(SSL_OPT_SUITES, optarg);
    case 'm':
        return set_version(SSL_OPT_MIN_VERSION, optarg);
    case 'M':
        return set_version(SSL_OPT_MAX_VERSION, optarg);
    case 't':
        return strcmp(optarg, "0") == 0 ? set_number(SSL_OPT_SESSION_REUSE, 0)
                                        : set_amount(SSL_OPT_TICKETS, optarg);
    case 'e':
        return set_amount(SSL_OPT_EARLY_DATA, optarg);
    default:
        return -2;
    }
}

static int start(const char *port)
{
    struct rlimit files;
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;
    int fd;

    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files); /* each client may have a file beside its connection */
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2 * MOST + 32) {
        room = (files.rlim_cur - 32) / 2;
    }
    fd = ssl_serve(NULL, port, 4096);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&a, &len) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || welcome(fd) < 0) { /* the certificate is read */
        return -1;
    }
    if (strcmp(port, "0") == 0) {
        printf("%u\n", ntohs(a.sin6_port)); /* where an IPv4 address has it, too */
    }
    return fd;
}

int main(int argc, char **argv)
{
    static const struct option help[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    const char *port = "8443";

    setvbuf(stdout, NULL, _IOLBF, 0);
    set(SSL_OPT_CERT_FILE, "server.pem");
    set(SSL_OPT_ALPN, "http/1.1");
    set_number(SSL_OPT_HANDSHAKE_TIMEOUT, PATIENCE * 1000);
    for (int c; (c = getopt_long(argc, argv, "qp:c:k:C:a:m:M:s:t:e:", help, NULL)) != -1;) {
        int rc = option(c, &port);

        if (rc == -2) {
            return usage(c == 'h' ? stdout : stderr);
        }
        if (rc < 0) {
            fprintf(stderr, "httpd: -%c %s: %s\n", c, optarg, ssl_error(-1));
            return 2;
        }
    }
    if (optind < argc - 1) {
        return usage(stderr);
    }
    root = open(optind < argc ? argv[optind] : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        fprintf(stderr, "httpd: %s: %s\n", argv[optind], strerror(errno));
        return 1;
    }
    fds[0].fd = start(port);
    if (fds[0].fd >= 0) {
        loop();
    }
    fprintf(stderr, "httpd: %s\n", ssl_error(fds[0].fd));
    return 1;
}
