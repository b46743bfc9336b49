/* SPDX-License-Identifier: ISC */
/* app_side PORT HOW: a client on loopback that says one line through the C library, and another one
 * by the processor's own instruction for a system call, which nothing can take over (threat 41):
 *   clean  it does not           write   and writes again
 *   read   and reads             close   and closes           exit   and ends
 *   exec   and becomes true(1)   child   all of it in a child
 *   late   ends its output first, so the kernel refuses the bytes */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char line[] = "a line\n";

static long past(int fd, const char *p, size_t n)
{
#if defined(__x86_64__)
    long rc = 1; /* write */

    __asm__ volatile("syscall" : "+a"(rc) : "D"(fd), "S"(p), "d"(n) : "rcx", "r11", "memory");
    return rc;
#else
#error "tests/apps/app_side.c: a system call is not written for this processor"
#endif
}

static int dial(const char *port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((unsigned short)atoi(port)),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0 ? fd : -1;
}

/* Says a line and waits for its echo. */
static int say(int fd)
{
    char text[sizeof line];
    size_t have = 0;
    ssize_t got = write(fd, line, sizeof line - 1);

    while (got > 0 && have < sizeof line - 1) {
        got = read(fd, text + have, sizeof line - 1 - have);
        have += got > 0 ? (size_t)got : 0;
    }
    return got > 0 && memcmp(text, line, have) == 0 ? 0 : -1;
}

static int work(int fd, const char *how)
{
    char byte;

    if (say(fd) != 0) {
        return 1;
    }
    if (strcmp(how, "clean") == 0) {
        return say(fd) != 0 || close(fd) != 0;
    }
    if (strcmp(how, "late") == 0 && shutdown(fd, SHUT_WR) != 0) {
        return 1;
    }
    if (past(fd, "past\n", 5) != (strcmp(how, "late") == 0 ? -32 : 5)) {
        return 1;
    }
    if (strcmp(how, "read") == 0) {
        (void)!recv(fd, &byte, 1, MSG_DONTWAIT);
        (void)!recv(fd, &byte, 1, MSG_DONTWAIT);
    } else if (strcmp(how, "write") == 0) {
        (void)!write(fd, line, sizeof line - 1);
    } else if (strcmp(how, "exec") == 0) {
        execlp("true", "true", (char *)NULL);
    } else if (strcmp(how, "close") == 0) {
        close(fd);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int fd, status = 1;

    signal(SIGPIPE, SIG_IGN);
    if (argc != 3 || (fd = dial(argv[1])) < 0) {
        fputs("app_side: no connection\n", stderr);
        return 1;
    }
    if (strcmp(argv[2], "child") == 0) {
        if (fork() == 0) {
            exit(work(fd, "close"));
        }
        return wait(&status) > 0 && status == 0 ? 0 : 1;
    }
    return work(fd, argv[2]);
}
