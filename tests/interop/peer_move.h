/* SPDX-License-Identifier: ISC */
/* How peer_engine hands its connection to another process: the same program, run anew, which gets
 * the socket and, through a pipe, the bytes. */
#ifndef INTEROP_PEER_MOVE_H
#define INTEROP_PEER_MOVE_H
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine.h"

#define MOVE_ARGS 64

/* What it was called with, before the options are taken apart. */
static char *move_args[MOVE_ARGS + 3];

static inline void move_remember(int argc, char **argv)
{
    for (int i = 0; i < argc && i < MOVE_ARGS; i++) {
        move_args[i] = strcmp(argv[i], "--adopt") == 0 ? NULL : strdup(argv[i]);
        if (!move_args[i]) { /* the last one: of the move that brought it here */
            break;
        }
    }
}

_Noreturn static inline void move_exec(int conn, int from)
{
    static char option[] = "--adopt", fds[32];
    size_t n = 0;

    while (move_args[n]) {
        n++;
    }
    snprintf(fds, sizeof fds, "%d:%d", conn, from);
    move_args[n] = option;
    move_args[n + 1] = fds;
    (void)!fcntl(conn, F_SETFD, 0);
    (void)!execv("/proc/self/exe", move_args);
    _exit(127);
}

/* The exit status of who goes on with it; -1: it cannot go now, and stays. */
static inline int move_away(struct tls **t, int conn, const uint8_t *received, size_t n)
{
    struct buf blob = { 0 };
    int to[2], status = 0;
    size_t left;
    pid_t pid;

    if (tls_hand_off(t, span_of(received, n), span_of(NULL, 0), &blob) < 0) {
        return -1;
    }
    pid = pipe(to) == 0 ? fork() : -1;
    if (pid == 0) {
        close(to[1]);
        move_exec(conn, to[0]);
    }
    close(conn);
    close(to[0]);
    for (left = buf_len(&blob); left && pid > 0;) {
        ssize_t w = write(to[1], buf_data(&blob) + buf_len(&blob) - left, left);

        if (w <= 0) {
            break;
        }
        left -= (size_t)w;
    }
    close(to[1]);
    buf_free(&blob);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
                                                                           : 1;
}

/* The other side of it; returns the socket. */
static inline int move_adopt(const char *fds, struct config *c, struct tls **t, uint8_t *in,
                             size_t *nin)
{
    struct buf blob = { .secret = true }, received = { 0 }, plain = { 0 };
    struct error err = { 0 };
    int conn, from;
    ssize_t n = 1;

    if (sscanf(fds, "%d:%d", &conn, &from) != 2) {
        return -1;
    }
    while (n > 0 && buf_reserve(&blob, 4096) == 0) {
        n = read(from, buf_tail(&blob), 4096);
        buf_added(&blob, n > 0 ? (size_t)n : 0);
    }
    close(from);
    if (tls_take_over(t, c, &blob, &received, &plain, &err) < 0) {
        fprintf(stderr, "error %s\n", err.text);
        buf_free(&blob);
        return -1;
    }
    *nin = buf_len(&received);
    if (*nin) {
        memcpy(in, buf_data(&received), *nin);
    }
    buf_free(&received);
    buf_free(&plain);
    (void)!fcntl(conn, F_SETFD, FD_CLOEXEC);
    return conn;
}
#endif
