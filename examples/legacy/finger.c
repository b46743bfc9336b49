/* SPDX-License-Identifier: ISC */
/* finger - ask a host about a user (RFC 1288)
 *
 *     finger [-p PORT] USER@HOST
 *
 * Sends the name of the user and prints what the host says about them: exit 0. No answer, or not
 * the whole of it: a sentence and exit 1. Wrong arguments: exit 2. */
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection to the first address of the host that accepts one; -1: none does. */
static int dial(const char *host, const char *port)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
    int fd = -1, rc = getaddrinfo(host, port, &hints, &list);

    if (rc != 0) {
        fprintf(stderr, "finger: %s: %s\n", host, gai_strerror(rc));
        exit(1);
    }
    for (a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            perror("finger: connect");
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* What strangers say must not play with the terminal. */
static void show(FILE *from)
{
    int c;

    while ((c = getc(from)) != EOF) {
        if (c == '\n' || c == '\t' || isprint(c)) {
            putchar(c);
        }
    }
}

int main(int argc, char **argv)
{
    const char *port = "finger";
    char *host = NULL;
    FILE *stream;
    int fd, opt;

    while ((opt = getopt(argc, argv, "p:")) == 'p') {
        port = optarg;
    }
    if (opt == -1 && optind == argc - 1) {
        host = strrchr(argv[optind], '@');
    }
    if (!host) {
        fprintf(stderr, "usage: finger [-p PORT] USER@HOST\n");
        return 2;
    }
    *host++ = '\0';
    fd = dial(host, port);
    if (fd < 0) {
        return 1;
    }
    stream = fdopen(fd, "r+");
    if (!stream || fprintf(stream, "%s\r\n", argv[optind]) < 0 || fflush(stream) != 0) {
        perror("finger: write");
        return 1;
    }
    show(stream);
    if (ferror(stream)) {
        perror("finger: read");
        return 1;
    }
    return fclose(stream) == 0 ? 0 : 1;
}
