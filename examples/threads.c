/* SPDX-License-Identifier: ISC */
/* NAME
 *     threads - a TLS echo server with a thread for each connection
 *
 * SYNOPSIS
 *     threads PORT CERT-FILE KEY-FILE
 *
 * DESCRIPTION
 *     Listens on PORT of all addresses, sends back what each client sends, and prints the port: 0
 *     takes a free one. The handshake takes place in the client's own thread, at its first read, so
 *     nobody waits for somebody else's. A client that says nothing, or takes nothing, for a minute
 *     has gone; there are 2000 at most, the next ones wait.
 *
 * EXIT STATUS
 *     1 the port or the certificate cannot be used, 2 wrong usage, else it runs until it is killed.
 *
 * SEE ALSO
 *     forks, polls, ssl_socket(3) */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sleeve/ssl_socket.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static sem_t places;

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

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct timeval minute = { .tv_sec = 60 };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute);
    if (echo(fd) < 0) {
        fprintf(stderr, "threads: %s\n", errno == EAGAIN ? "idle for a minute" : ssl_error(fd));
    }
    ssl_close(fd);
    sem_post(&places);
    return NULL;
}

/* A small stack, and nobody to wait for the end. */
static int start(int fd)
{
    pthread_attr_t attr;
    pthread_t thread;
    int err;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    err = pthread_create(&thread, &attr, serve, (void *)(intptr_t)fd);
    pthread_attr_destroy(&attr);
    return err;
}

/* Not the listener's fault, and over soon. */
static int passes(int err)
{
    return err == EINTR || err == ECONNABORTED || err == EMFILE || err == ENFILE ||
           err == ENOBUFS || err == ENOMEM;
}

static int usage(int help)
{
    fprintf(help ? stdout : stderr, "usage: threads PORT CERT-FILE KEY-FILE\n");
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
    sem_init(&places, 0, 2000);
    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_CERT_FILE, argv[2], (socklen_t)strlen(argv[2]));
    ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_KEY_FILE, argv[3], (socklen_t)strlen(argv[3]));
    int listener = ssl_serve(NULL, argv[1], 1024);
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&a, &len) < 0) {
        fprintf(stderr, "threads: %s\n", ssl_error(listener));
        return 1;
    }
    printf("%u\n", ntohs(a.sin6_port)); /* where an IPv4 address has it, too */
    fflush(stdout);
    for (;;) {
        while (sem_wait(&places) < 0) { /* a signal */
        }
        int fd = ssl_accept(listener, NULL, NULL);
        if (fd >= 0 && start(fd) == 0) {
            continue;
        }
        sem_post(&places);
        if (fd < 0 && !passes(errno)) {
            fprintf(stderr, "threads: %s\n", ssl_error(listener));
            return 1;
        }
        if (fd >= 0 || errno != EINTR) {
            usleep(10000); /* no thread, no descriptor: some will be there again */
        }
        if (fd >= 0) {
            ssl_close(fd);
        }
    }
}
