/* SPDX-License-Identifier: ISC */
/* A program written for plain sockets that does one job in each of the ways there are to do I/O.
 * The peer (peer.py) obeys lines: "echo N" and N bytes, "send N", "sink N" and N bytes (answers
 * "ok\n"), "late MS N", "line" and a line that comes back, "keep" and what the test compares, "bye"
 * (close_notify), "cut" (no close_notify). All payload is the mark, over and over. */
#ifndef TESTS_PRELOAD_IO_H
#define TESTS_PRELOAD_IO_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MARK "SLEEVE-KNOWN-PAYLOAD"

struct io_case {
    const char *name;
    void (*run)(void);
};
extern const struct io_case io_ways[], io_waits[], io_others[], io_streams[], io_ready[];

extern const char *io_host, *io_port;

void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
#define CHECK(cond)                                       \
    do {                                                  \
        if (!(cond)) {                                    \
            fail("%s:%d: %s", __FILE__, __LINE__, #cond); \
        }                                                 \
    } while (0)

/* On a plain socket the same is noted. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int make_socket(void);
int dial_fd(int fd, bool expect_ok); /* connect(); its result */
int dial(void);                      /* connected, blocking */
void put_all(int fd, const void *p, size_t n);
void get_all(int fd, void *p, size_t n);
void say(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void fill(char *p, size_t n);
void verify(const char *p, size_t n);
void set_nonblocking(int fd, bool on);
void read_marks(int fd, size_t n);
#endif
