/* SPDX-License-Identifier: ISC */
/* app_hand PORT exec PROGRAM [ARG...]: a server on loopback that puts its one connection on 0 and 1
 * and becomes another program.
 * app_hand PORT pass PROGRAM [ARG...]: starts that program with a socket on 0, sends it the
 * connection over that by SCM_RIGHTS, closes its own descriptor and waits for the end.
 * app_hand - take: what `pass` starts: receives the connection and sends back what it reads. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static int accept_one(const char *port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((unsigned short)atoi(port)),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (l < 0 || setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(l, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(l, 5) != 0) {
        return -1;
    }
    return accept(l, NULL, NULL);
}

union rights {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

static int send_fd(int over, int fd)
{
    union rights r = { .room = { 0 } };
    char byte = 'x';
    struct iovec v = { &byte, 1 };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = r.room, .msg_controllen = sizeof r.room
    };

    r.head = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(&r.head), &fd, sizeof fd);
    return sendmsg(over, &m, 0) == 1 ? 0 : -1;
}

static int receive_fd(int over)
{
    union rights r;
    char byte;
    struct iovec v = { &byte, 1 };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = r.room, .msg_controllen = sizeof r.room
    };
    int fd = -1;

    if (recvmsg(over, &m, 0) == 1 && m.msg_controllen >= CMSG_LEN(sizeof fd)) {
        memcpy(&fd, CMSG_DATA(&r.head), sizeof fd);
    }
    return fd;
}

static int take(void)
{
    int fd = receive_fd(0);
    char text[16384];
    ssize_t n;

    if (fd < 0) {
        return 3;
    }
    while ((n = read(fd, text, sizeof text)) > 0) {
        for (ssize_t at = 0, k; at < n; at += k) {
            k = write(fd, text + at, (size_t)(n - at));
            if (k < 0) {
                return fail("write");
            }
        }
    }
    return n < 0 ? fail("read") : 0;
}

static int pass(int fd, char **argv)
{
    int pair[2], status, bad;
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return fail("socketpair");
    }
    child = fork();
    if (child == 0) {
        close(fd);
        dup2(pair[1], 0);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(pair[1]);
    bad = send_fd(pair[0], fd) != 0 ? errno : 0;
    close(fd);
    close(pair[0]);
    if (waitpid(child, &status, 0) != child) {
        return 4;
    }
    if (bad) {
        errno = bad;
        return fail("sendmsg");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 5;
}

int main(int argc, char **argv)
{
    int fd;

    if (argc == 3 && strcmp(argv[2], "take") == 0) {
        return take();
    }
    if (argc < 4) {
        return 64;
    }
    fd = accept_one(argv[1]);
    if (fd < 0) {
        return fail("accept");
    }
    if (strcmp(argv[2], "pass") == 0) {
        return pass(fd, argv + 3);
    }
    if (dup2(fd, 0) != 0 || dup2(fd, 1) != 1) {
        return fail("dup2");
    }
    close(fd);
    execvp(argv[3], argv + 3);
    return fail("exec");
}
