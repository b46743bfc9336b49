/* SPDX-License-Identifier: ISC */
/* Inside httpd: a connection, what request.c makes of its bytes and what answer.c answers. */
#ifndef HTTPD_H
#define HTTPD_H
#include <sleeve/ssl_socket.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#define PATIENCE 15 /* seconds */
#define BODY_MAX (64LL << 20)
#define STRIDE   (64 * 1024) /* bytes for which a body or an answer gets as many seconds more */

enum phase {
    HEAD, /* of a request, or nothing yet */
    BODY, /* of that request */
    ANSWER,
    FLUSH, /* the last answer is on its way out of the library */
    DRAIN, /* we have said goodbye; what still comes is dropped, or the kernel would take back the
              answer */
    OVER
};
enum chunk { DATA, DATA_END, SIZE, TRAILER };

struct client {
    int fd;
    enum phase phase;
    time_t deadline;
    size_t moved; /* since the deadline was set */
    char address[64];

    char in[16384];
    size_t at, have; /* bytes of it that are used, that are there */

    enum { GET, HEAD_ONLY, POST, OTHER } method;
    char target[2048];
    char line[96]; /* of the request, for the log */
    bool keep, chunked;
    enum chunk chunk;
    long long left, size; /* of the body, or of its chunk; of what was posted */

    char out[12288];
    size_t said, say; /* bytes of it that are sent, that are there */
    int file;         /* what follows them; -1: nothing. Before the answer: what was posted */
    off_t from, to;
};

enum next { GO, MORE, WAIT }; /* on; after some more input; when there is something to do */

/* ---- httpd.c ---- */
extern bool quiet;
void enter(struct client *c, enum phase phase); /* and so much time for it */
void moved(struct client *c, size_t n);         /* so much of a body or an answer */

/* ---- request.c ---- */
enum next read_head(struct client *c);
enum next read_body(struct client *c);

/* ---- answer.c ---- */
extern int root; /* the directory that is served */
void say(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void refuse(struct client *c, int status); /* says that something is wrong */
void answer(struct client *c);             /* the request is there to its end */
#endif
