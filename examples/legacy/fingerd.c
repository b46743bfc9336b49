/* SPDX-License-Identifier: ISC */
/* fingerd - say what users want to be known (RFC 1288)
 *
 *     fingerd PORT DIRECTORY
 *
 * Listens on all addresses (port 0: a free one) and prints the port. Each connection has a process
 * of its own, as under inetd: it reads one line, the name of a user, and answers with the file of
 * that name in DIRECTORY, lines ended by CR LF. Runs until it is killed. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Letters, digits and what else is in the names of users; so it is no path. */
static int is_user(const char *s)
{
    return *s != '\0' && *s != '.' &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] ==
               '\0';
}

static void answer(FILE *out, const char *user)
{
    FILE *plan = is_user(user) ? fopen(user, "r") : NULL;
    int c;

    if (!plan) {
        fprintf(out, "%s: no such user.\r\n", is_user(user) ? user : "???");
        return;
    }
    while ((c = getc(plan)) != EOF) {
        if (c == '\n') {
            putc('\r', out);
        }
        putc(c, out);
    }
    fclose(plan);
}

/* One connection, in a process of its own. Returns its exit status. */
static int serve(int fd)
{
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    char line[512];
    int lost;

    alarm(60);
    if (!in || !out || !fgets(line, sizeof line, in)) {
        exit(1);
    }
    line[strcspn(line, "\r\n")] = '\0';
    answer(out, line);
    lost = fclose(out);
    return fclose(in) || lost;
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
    socklen_t len = sizeof a;
    int on = 1, off = 0, listener, fd;

    if (argc != 3 || chdir(argv[2]) < 0) {
        fprintf(stderr, "usage: fingerd PORT DIRECTORY\n");
        return 2;
    }
    a.sin6_port = htons((unsigned short)atoi(argv[1]));
    listener = socket(AF_INET6, SOCK_STREAM, 0);
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0 ||
        bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 64) < 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) < 0) {
        perror("fingerd");
        return 1;
    }
    printf("%u\n", ntohs(a.sin6_port));
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        fd = accept(listener, NULL, NULL);
        if (fd < 0) {
            perror("fingerd: accept");
            return 1;
        }
        if (fork() == 0) {
            close(listener);
            exit(serve(fd));
        }
        close(fd);
    }
}
