/* SPDX-License-Identifier: ISC */
/* What test_faults.py puts faults under: a server, a client of a mail server, a program that goes
 * on as another, and one that an inetd starts. Each bears what plain sockets may do to it: a call
 * that fails is said, with its errno, and is the end of that connection. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MARK "SLEEVE-KNOWN-PAYLOAD"

static void die(const char *what)
{
    fprintf(stderr, "%s (errno %d: %s)\n", what, errno, strerror(errno));
    exit(1);
}

static struct sockaddr_in local(const char *port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((in_port_t)atoi(port)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int dial(const char *port)
{
    struct sockaddr_in a = local(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        die("connect");
    }
    return fd;
}

static void put_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t put = write(fd, p, n);

        if (put < 0 && errno != EINTR) {
            die("write");
        }
        p += put > 0 ? put : 0;
        n -= put > 0 ? (size_t)put : 0;
    }
}

/* Up to n bytes or the end. */
static size_t get_all(int fd, char *p, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t part = read(fd, p + got, n - got);

        if (part < 0 && errno != EINTR) {
            die("read");
        }
        if (part == 0) {
            break;
        }
        got += part > 0 ? (size_t)part : 0;
    }
    return got;
}

static int listener(const char *port)
{
    struct sockaddr_in a = local(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 16) != 0) {
        die("listen");
    }
    return fd;
}

static int next(int l)
{
    int fd = accept(l, NULL, NULL);

    if (fd < 0) {
        fprintf(stderr, "accept (errno %d: %s)\n", errno, strerror(errno));
    }
    return fd;
}

/* Two connections, one behind the other; each ends with the client's end, or a failure. */
static void serve(const char *port)
{
    int l = listener(port);
    char p[8192];
    ssize_t n;

    for (int i = 0; i < 2; i++) {
        int fd = next(l);

        while (fd >= 0 && (n = read(fd, p, sizeof p)) != 0) {
            if ((n < 0 && errno != EINTR) || (n > 0 && write(fd, p, (size_t)n) != n)) {
                fprintf(stderr, "serve (errno %d: %s)\n", errno, strerror(errno));
                break;
            }
        }
        if (fd >= 0) {
            close(fd);
        }
    }
}

/* The same without waiting. */
static void serve_polling(const char *port)
{
    int l = listener(port);
    char p[65536];

    for (int i = 0; i < 2; i++) {
        int fd = next(l);
        size_t at = 0, n = 0;

        if (fd >= 0) {
            (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        }
        for (bool over = fd < 0; !over;) {
            struct pollfd w = { .fd = fd, .events = at < n ? POLLOUT : POLLIN };
            ssize_t did;

            if (poll(&w, 1, 20000) < 0 && errno != EINTR) {
                fprintf(stderr, "serve: poll (errno %d: %s)\n", errno, strerror(errno));
                break;
            }
            did = at < n ? send(fd, p + at, n - at, MSG_NOSIGNAL) : recv(fd, p, sizeof p, 0);
            if (did < 0 && errno != EAGAIN && errno != EINTR) {
                fprintf(stderr, "serve (errno %d: %s)\n", errno, strerror(errno));
                break;
            }
            over = did == 0;
            if (did > 0 && at < n) {
                at += (size_t)did;
            } else if (did > 0) {
                at = 0;
                n = (size_t)did;
            }
        }
        if (fd >= 0) {
            close(fd);
        }
    }
}

/* The words of the mail server were for the library; what is behind them is for us. */
static void mail(const char *port)
{
    char text[200];
    int fd = dial(port);
    size_t n;

    put_all(fd, MARK "\n", sizeof MARK);
    if (shutdown(fd, SHUT_WR) != 0) {
        die("shutdown");
    }
    n = get_all(fd, text, sizeof text);
    put_all(1, text, n);
}

static void again(int fd)
{
    char text[32];

    put_all(fd, MARK "+after\n", sizeof MARK + 6);
    if (get_all(fd, text, sizeof MARK + 6) != sizeof MARK + 6) {
        die("the end too early");
    }
    put_all(1, text, sizeof MARK + 6);
    close(fd);
}

static void exec(const char *port, const char *self)
{
    char number[16], text[32];
    int fd = dial(port);
    char *argv[] = { (char *)(uintptr_t)self, "again", number, NULL };

    put_all(fd, MARK "before\n", sizeof MARK + 6);
    if (get_all(fd, text, sizeof MARK + 6) != sizeof MARK + 6) {
        die("the end too early");
    }
    snprintf(number, sizeof number, "%d", fd);
    execv(self, argv);
    die("exec");
}

/* With stdio, as old servers are. */
static void inetd(void)
{
    char line[200];

    while (fgets(line, sizeof line, stdin)) {
        if (fputs(line, stdout) < 0 || fflush(stdout) != 0) {
            die("stdout");
        }
    }
    if (ferror(stdin)) {
        die("stdin");
    }
}

int main(int argc, char **argv)
{
    const char *role = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "";

    if (strcmp(role, "serve") == 0) {
        serve(arg);
    } else if (strcmp(role, "poll") == 0) {
        serve_polling(arg);
    } else if (strcmp(role, "mail") == 0) {
        mail(arg);
    } else if (strcmp(role, "exec") == 0) {
        exec(arg, argv[0]);
    } else if (strcmp(role, "again") == 0) {
        again(atoi(arg));
    } else {
        inetd();
    }
    return 0;
}
