/* SPDX-License-Identifier: ISC */
#include "io.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *io_host, *io_port;
static int notes, errors = STDERR_FILENO; /* where they led at the start */

void fail(const char *fmt, ...)
{
    int saved = errno;
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dprintf(errors, "%s (errno %d: %s)\n", text, saved, strerror(saved));
    _exit(1);
}

void note(const char *fmt, ...)
{
    char text[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text - 1, fmt, ap);
    va_end(ap);
    text[n] = '\n';
    CHECK(write(notes, text, (size_t)n + 1) == n + 1);
}

static struct addrinfo *address(void)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *ai = NULL;

    CHECK(getaddrinfo(io_host, io_port, &hints, &ai) == 0);
    return ai;
}

int make_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(fd >= 0);
    return fd;
}

int dial_fd(int fd, bool expect_ok)
{
    struct addrinfo *ai = address();
    int rc = connect(fd, ai->ai_addr, ai->ai_addrlen), saved = errno;

    freeaddrinfo(ai);
    errno = saved;
    CHECK(!expect_ok || rc == 0);
    return rc;
}

int dial(void)
{
    int fd = make_socket();

    dial_fd(fd, true);
    return fd;
}

void put_all(int fd, const void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = write(fd, (const char *)p + done, n - done);

        CHECK(put > 0);
        done += (size_t)put;
    }
}

void get_all(int fd, void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = read(fd, (char *)p + done, n - done);

        CHECK(got > 0);
        done += (size_t)got;
    }
}

void say(int fd, const char *fmt, ...)
{
    char line[128];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    put_all(fd, line, strlen(line));
}

void fill(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = MARK[i % (sizeof MARK - 1)];
    }
}

void verify(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CHECK(p[i] == MARK[i % (sizeof MARK - 1)]);
    }
}

void set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    CHECK(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0);
}

void read_marks(int fd, size_t n)
{
    char *p = malloc(n);

    CHECK(p);
    get_all(fd, p, n);
    verify(p, n);
    free(p);
}

enum { TABLES = 5 };

int main(int argc, char **argv)
{
    const struct io_case *tables[TABLES] = { io_ways, io_waits, io_others, io_streams, io_ready };

    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t t = 0; t < TABLES; t++) {
            for (const struct io_case *c = tables[t]; c->name; c++) {
                puts(c->name);
            }
        }
        return 0;
    }
    if (argc != 4) {
        fputs("usage: io CASE HOST PORT | io list\n", stderr);
        return 2;
    }
    notes = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 300);
    errors = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 300);
    io_host = argv[2];
    io_port = argv[3];
    for (size_t t = 0; t < TABLES; t++) {
        for (const struct io_case *c = tables[t]; c->name; c++) {
            if (strcmp(c->name, argv[1]) == 0) {
                c->run();
                return 0;
            }
        }
    }
    fprintf(stderr, "no case %s\n", argv[1]);
    return 2;
}
