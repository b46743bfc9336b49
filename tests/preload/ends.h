/* SPDX-License-Identifier: ISC */
/* For programs that have both ends of one TCP connection: ends[0] dialled, ends[1] accepted. */
#ifndef TESTS_PRELOAD_ENDS_H
#define TESTS_PRELOAD_ENDS_H
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK(cond)                                         \
    do {                                                    \
        if (!(cond)) {                                      \
            err(1, "%s:%d: %s", __FILE__, __LINE__, #cond); \
        }                                                   \
    } while (0)

static int ends[2];

static void *take_one(void *listener)
{
    char b;

    ends[1] = accept(*(int *)listener, NULL, NULL);
    CHECK(ends[1] >= 0 && read(ends[1], &b, 1) == 1);
    return NULL;
}

/* A byte goes over it, so that a handshake is done. */
static inline void connect_ends(const char *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)atoi(port)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    pthread_t t;

    CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0);
    CHECK(pthread_create(&t, NULL, take_one, &listener) == 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(ends[0], (struct sockaddr *)&at, sizeof at) == 0 && write(ends[0], "", 1) == 1);
    CHECK(pthread_join(t, NULL) == 0);
    CHECK(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    close(listener);
}
#endif
