/* SPDX-License-Identifier: ISC */
/* costs PORT: every kind of call on descriptors that are not ours, in a program that has
 * connections that are; then the calls on these. Each part stands between two getppid(), for who
 * looks at the system calls, and must not allocate: malloc() is counted here. */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "ends.h"

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static volatile unsigned long allocations;

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

static int fd[2], set, zero, null;
static char b[64];
static struct iovec iov = { b, 8 };

/* What is done twice in each part leaves things as they were. */
static void reads(void)
{
    CHECK(write(fd[0], b, 24) == 24);
    CHECK(read(fd[1], b, 8) == 8);
    CHECK(readv(fd[1], &iov, 1) == 8);
    CHECK(recv(fd[1], b, 8, MSG_PEEK) == 8);
    CHECK(recvfrom(fd[1], b, 8, 0, NULL, NULL) == 8);
    CHECK(recv(fd[1], b, 8, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    CHECK(read(zero, b, 8) == 8);
}

static void messages(void)
{
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct mmsghdr many = { .msg_hdr = m };

    CHECK(sendmsg(fd[0], &m, 0) == 8);
    CHECK(recvmsg(fd[1], &m, 0) == 8);
    CHECK(sendmmsg(fd[0], &many, 1, 0) == 1);
    CHECK(recvmmsg(fd[1], &many, 1, 0, NULL) == 1);
}

static void writes(void)
{
    CHECK(write(null, b, 8) == 8);
    CHECK(writev(fd[0], &iov, 1) == 8);
    CHECK(send(fd[0], b, 8, MSG_NOSIGNAL) == 8);
    CHECK(sendto(fd[0], b, 8, 0, NULL, 0) == 8);
    CHECK(recv(fd[1], b, 24, MSG_WAITALL) == 24);
}

static void waits(void)
{
    struct pollfd p = { .fd = fd[0], .events = POLLOUT };
    struct timeval now = { 0 };
    struct timespec at_once = { 0 };
    struct epoll_event e;
    fd_set w;

    CHECK(poll(&p, 1, 0) == 1);
    CHECK(ppoll(&p, 1, &at_once, NULL) == 1);
    FD_ZERO(&w);
    FD_SET(fd[0], &w);
    CHECK(select(fd[0] + 1, NULL, &w, NULL, &now) == 1);
    CHECK(epoll_wait(set, &e, 1, 0) == 1);
}

static void others(void)
{
    int n, copy;

    CHECK(ioctl(fd[1], FIONREAD, &n) == 0 && n == 0);
    CHECK(fcntl(fd[1], F_GETFL) >= 0);
    CHECK(setsockopt(fd[1], SOL_SOCKET, SO_KEEPALIVE, &n, sizeof n) == 0);
    CHECK(getsockopt(fd[1], SOL_SOCKET, SO_ERROR, &n, &(socklen_t){ sizeof n }) == 0);
    copy = dup(fd[1]);
    CHECK(copy >= 0 && close(copy) == 0);
}

/* ---- those with TLS ---- */

static void wrapped_write(void)
{
    CHECK(write(ends[0], b, 64) == 64);
}

static void wrapped_read(void)
{
    CHECK(read(ends[1], b, 64) == 64);
}

static void wrapped_poll(void)
{
    CHECK(poll(&(struct pollfd){ .fd = ends[0], .events = POLLOUT }, 1, 0) == 1);
}

static void nothing(void)
{
}

int main(int argc, char **argv)
{
    static void (*const parts[])(void) = { nothing, reads,         messages,     writes,      waits,
                                           others,  wrapped_write, wrapped_read, wrapped_poll };
    unsigned long before;

    CHECK(argc == 2 && socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
    zero = open("/dev/zero", O_RDONLY);
    null = open("/dev/null", O_WRONLY);
    set = epoll_create1(0);
    CHECK(epoll_ctl(set, EPOLL_CTL_ADD, fd[0], &(struct epoll_event){ .events = EPOLLOUT }) == 0);
    connect_ends(argv[1]);
    for (int i = 0; i < 3; i++) { /* all that is made once */
        wrapped_write();
        wrapped_read();
        wrapped_poll();
        waits();
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        getppid();
        before = allocations;
        parts[i]();
        if (allocations != before) {
            errx(1, "part %zu: %lu allocations", i, allocations - before);
        }
    }
    getppid();
    return 0;
}
