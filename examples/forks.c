/* SPDX-License-Identifier: ISC */
/* NAME
 *     forks - a TLS echo server with a process for each connection
 *
 * SYNOPSIS
 *     forks PORT CERT-FILE KEY-FILE
 *
 * DESCRIPTION
 *     Listens on PORT of all addresses, sends back what each client sends, and prints the port: 0
 *     takes a free one. It is the server of every textbook with ssl_ in front of its calls: the
 *     handshake takes place in the child, at its first read, and what the parent closes is closed
 *     without a word. There are 200 children at most, the next clients wait; one that says nothing,
 *     or takes nothing, for a minute has gone.
 *
 * EXIT STATUS
 *     1 the port or the certificate cannot be used, 2 wrong usage, else it runs until it is killed.
 *
 * SEE ALSO
 *     threads, polls, ssl_socket(3) */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 200

static int echo(int fd)
{
    char buf[16384];
    ssize_t n;

    while ((n = ssl_read(fd, buf, sizeof buf)) > 0) {
        for (ssize_t done = 0, k; done < n; done += k) {
            if ((k = ssl_write(fd, buf + done, (size_t)(n - done))) < 0) {
                return -1;
            }
        }
    }
    return (int)n;
}

static int serve(int fd)
{
    struct timeval minute = { .tv_sec = 60 };
    int rc;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute);
    if ((rc = echo(fd)) < 0) {
        fprintf(stderr, "forks: %s\n", errno == EAGAIN ? "idle for a minute" : ssl_error(fd));
    }
    ssl_close(fd);
    return rc < 0;
}

static volatile sig_atomic_t children; /* the loop changes it with SIGCHLD blocked */

/* Children that have ended stay as zombies until they are waited for. */
static void on_child(int sig)
{
    int saved = errno;

    (void)sig;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        children--;
    }
    errno = saved;
}

/* In the parent: a child for the connection. */
static void start(int listener, int fd)
{
    sigset_t chld, before;
    pid_t pid;

    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, &before);
    while (children >= CHILDREN) {
        sigsuspend(&before);
    }
    pid = fork();
    if (pid == 0) {
        signal(SIGCHLD, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        ssl_close(listener);
        exit(serve(fd));
    }
    if (pid > 0) {
        children++;
    } else {
        perror("forks: fork");
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    ssl_close(fd);
}

static int usage(int help)
{
    fprintf(help ? stdout : stderr, "usage: forks PORT CERT-FILE KEY-FILE\n");
    return help ? 0 : 2;
}

int main(int argc, char **argv)
{
    struct sigaction reap = { .sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP };
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;

    if (argc != 4) {
        return usage(argc == 2 && strcmp(argv[1], "--help") == 0);
    }
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGCHLD, &reap, NULL);
    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_CERT_FILE, argv[2], (socklen_t)strlen(argv[2]));
    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_KEY_FILE, argv[3], (socklen_t)strlen(argv[3]));
    int listener = ssl_serve(NULL, argv[1], 1024);
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&a, &len) < 0) {
        fprintf(stderr, "forks: %s\n", ssl_error(listener));
        return 1;
    }
    printf("%u\n", ntohs(a.sin6_port)); /* where an IPv4 address has it, too */
    fflush(stdout);
    for (;;) {
        int fd = ssl_accept(listener, NULL, NULL);

        if (fd >= 0) {
            start(listener, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            usleep(10000); /* there will be room again */
        } else if (errno != EINTR && errno != ECONNABORTED) {
            fprintf(stderr, "forks: %s\n", ssl_error(listener));
            return 1;
        }
    }
}
