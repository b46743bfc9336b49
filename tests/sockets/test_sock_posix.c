/* SPDX-License-Identifier: ISC */
/* Reading and writing to POSIX's letter: TLS against TCP, call by call. */
#include <limits.h>
#include <netinet/tcp.h>

#include "tests/sockets/posix.h"

static void zero_lengths(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    struct iovec none[2] = { { NULL, 0 }, { NULL, 0 } };
    struct msghdr m = { .msg_iov = none, .msg_iovlen = 2 }, e = { .msg_iovlen = 0 };
    char c;

    DO(s, ssl_read(b, &c, 0));
    DO(s, ssl_read(b, NULL, 0));
    DO(s, ssl_readv(b, none, 2));
    DO(s, ssl_readv(b, NULL, 0));
    DO(s, ssl_recv(b, &c, 0, MSG_DONTWAIT));
    DO(s, ssl_recvmsg(b, &m, MSG_DONTWAIT));
    DO(s, ssl_recvmsg(b, &e, MSG_DONTWAIT));
    DO(s, ssl_write(a, &c, 0));
    DO(s, ssl_write(a, NULL, 0));
    DO(s, ssl_writev(a, none, 2));
    DO(s, ssl_writev(a, NULL, 0));
    DO(s, ssl_send(a, &c, 0, 0));
    DO(s, ssl_sendmsg(a, &m, 0));
    DO(s, ssl_sendmsg(a, &e, 0));
    DO(s, ssl_recv(b, &c, 1, MSG_DONTWAIT));
    DO(s, ssl_write(a, "x", 1));
    DO(s, ssl_recv(b, &c, 0, 0));
    DO(s, ssl_recvmsg(b, &m, 0));
    DO(s, ssl_read(b, &c, 0));
    DO(s, ssl_read(b, &c, 1));
    DO(s, ssl_shutdown(a, SHUT_WR));
    DO(s, ssl_write(a, &c, 0));
    DO(s, ssl_writev(a, none, 2));
    DO(s, ssl_send(a, &c, 0, 0));
    DO(s, ssl_send(a, &c, 0, MSG_NOSIGNAL));
    DO(s, ssl_recv(b, &c, 0, 0));
    DO(s, ssl_read(b, &c, 0));
    DO(s, ssl_read(b, &c, 1));
}

static void partial_reads(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    char in[64] = "";

    DO(s, ssl_write(a, "0123456789", 10));
    DO(s, ssl_read(b, in, 4));
    BYTES(s, in, 4);
    DO(s, ssl_read(b, in, sizeof in));
    BYTES(s, in, 6);
    for (int i = 0; i < 5; i++) {
        DO(s, ssl_send(a, &"abcdef"[i], 1, i < 4 ? MSG_MORE : 0));
    }
    arrive(b, 5);
    DO(s, ssl_read(b, in, sizeof in));
    BYTES(s, in, 5);
    DO(s, ssl_write(a, "a", 1));
    DO(s, ssl_write(a, "bc", 2));
    DO(s, ssl_write(a, "def", 3));
    arrive(b, 6);
    DO(s, ssl_recv(b, in, 5, 0));
    BYTES(s, in, 5);
    DO(s, ssl_recv(b, in, 5, 0));
    BYTES(s, in, 1);
}

static void without_waiting(struct stage *s)
{
    int b = s->f[1], n = -1;
    char in[8];
    struct iovec v = { in, sizeof in };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

    for (int i = 0; i < 2; i++) {
        DO(s, ssl_recv(b, in, 8, MSG_DONTWAIT));
        DO(s, ssl_recv(b, in, 8, MSG_DONTWAIT | MSG_PEEK));
        DO(s, ssl_recv(b, in, 8, MSG_DONTWAIT | MSG_WAITALL));
        DO(s, ssl_recv(b, in, 8, MSG_DONTWAIT | MSG_TRUNC));
        DO(s, ssl_recvfrom(b, in, 8, MSG_DONTWAIT, NULL, NULL));
        DO(s, ssl_recvmsg(b, &m, MSG_DONTWAIT));
        DO(s, ssl_recv(b, in, 8, MSG_DONTWAIT | MSG_ERRQUEUE));
        DO(s, ssl_ioctl(b, FIONREAD, &n));
        NUMBER(s, n);
    }
    nonblocking(b, true);
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_readv(b, &v, 1));
    DO(s, ssl_recv(b, in, 8, 0));
    DO(s, ssl_recv(b, in, 8, MSG_WAITALL));
    DO(s, ssl_recvmsg(b, &m, 0));
    DO(s, ssl_write(s->f[0], "abc", 3));
    arrive(b, 3);
    DO(s, ssl_recv(b, in, 8, MSG_WAITALL));
    DO(s, ssl_read(b, in, 8));
}

static void peeking(struct stage *s)
{
    int a = s->f[0], b = s->f[1], n;
    char in[64] = "";

    DO(s, ssl_write(a, "0123456789", 10));
    DO(s, ssl_write(a, "abcdefghij", 10));
    arrive(b, 20);
    DO(s, ssl_recv(b, in, 4, MSG_PEEK));
    BYTES(s, in, 4);
    DO(s, ssl_recv(b, in, 20, MSG_PEEK | MSG_WAITALL));
    BYTES(s, in, 20);
    DO(s, ssl_recv(b, in, 20, MSG_PEEK));
    DO(s, ssl_ioctl(b, FIONREAD, &n));
    NUMBER(s, n);
    DO(s, ssl_recv(b, NULL, 15, MSG_PEEK | MSG_TRUNC));
    DO(s, ssl_recv(b, NULL, 4, MSG_TRUNC));
    DO(s, ssl_read(b, in, 3));
    BYTES(s, in, 3);
    DO(s, ssl_recv(b, NULL, 10000000, MSG_TRUNC));
    DO(s, ssl_recv(b, NULL, 1, MSG_TRUNC | MSG_DONTWAIT));
    DO(s, ssl_write(a, "tail", 4));
    DO(s, ssl_shutdown(a, SHUT_WR));
    DO(s, ssl_recv(b, in, 64, MSG_PEEK | MSG_WAITALL));
    DO(s, ssl_recv(b, NULL, 64, MSG_TRUNC | MSG_WAITALL));
    DO(s, ssl_recv(b, in, 64, MSG_PEEK));
    DO(s, ssl_recv(b, in, 64, MSG_TRUNC));
}

static void more(struct stage *s)
{
    ssl_write(s->f[0], "67890", 5);
}

static void no_more(struct stage *s)
{
    ssl_shutdown(s->f[0], SHUT_WR);
}

static void waiting_for_all(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    struct later l;
    char in[64] = "";

    DO(s, ssl_write(a, "12345", 5));
    later(&l, s, more, 0);
    DO(s, ssl_recv(b, in, 10, MSG_WAITALL));
    joined(&l);
    BYTES(s, in, 10);
    DO(s, ssl_write(a, "12345", 5));
    timeout_ms(b, SO_RCVTIMEO, 40);
    DO(s, ssl_recv(b, in, 10, MSG_WAITALL));
    DO(s, ssl_recv(b, in, 10, MSG_WAITALL));
    DO(s, ssl_recv(b, in, 10, MSG_PEEK));
    DO(s, ssl_recv(b, in, 0, 0));
    timeout_ms(b, SO_RCVTIMEO, 0);
    DO(s, ssl_write(a, "123", 3));
    later(&l, s, NULL, SIGUSR1);
    DO(s, ssl_recv(b, in, 10, MSG_WAITALL));
    joined(&l);
    NUMBER(s, users);
    DO(s, ssl_write(a, "1234", 4));
    later(&l, s, no_more, 0);
    DO(s, ssl_recv(b, in, 10, MSG_WAITALL));
    joined(&l);
    DO(s, ssl_recv(b, in, 10, MSG_WAITALL));
}

static void urgent(struct stage *s)
{
    int b = s->f[1];
    char in[8];
    struct iovec v = { in, sizeof in };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

    DO(s, ssl_recv(b, in, 1, MSG_OOB));
    DO(s, ssl_recv(b, in, 1, MSG_OOB | MSG_DONTWAIT));
    DO(s, ssl_recvmsg(b, &m, MSG_OOB));
    DO(s, ssl_write(s->f[0], "abc", 3));
    arrive(b, 3);
    DO(s, ssl_recv(b, in, 1, MSG_OOB));
    DO(s, ssl_read(b, in, 8));
}

static void vectors(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    static struct iovec many[IOV_MAX + 1];
    static char in[IOV_MAX + 1], out[IOV_MAX + 1];
    struct iovec w[4] = { { "ab", 2 }, { NULL, 0 }, { "cde", 3 }, { "f", 1 } };
    struct iovec r[3] = { { in, 1 }, { in + 1, 4 }, { in + 5, 20 } };
    struct iovec bad[2] = { { in, 1 }, { in, (size_t)SSIZE_MAX + 1 } };
    struct iovec holed[2] = { { NULL, 5 }, { in, 5 } };

    for (int i = 0; i <= IOV_MAX; i++) {
        out[i] = (char)('a' + i % 26);
        many[i] = (struct iovec){ out + i, 1 };
    }
    DO(s, ssl_writev(a, w, 4));
    DO(s, ssl_readv(b, r, 3));
    BYTES(s, in, 6);
    DO(s, ssl_writev(a, w, -1));
    DO(s, ssl_readv(b, r, -1));
    DO(s, ssl_writev(a, many, IOV_MAX + 1));
    DO(s, ssl_readv(b, many, IOV_MAX + 1));
    DO(s, ssl_writev(a, bad, 2));
    DO(s, ssl_readv(b, bad, 2));
    DO(s, ssl_writev(a, NULL, 2));
    DO(s, ssl_readv(b, NULL, 2));
    DO(s, ssl_writev(a, many, IOV_MAX));
    arrive(b, IOV_MAX);
    DO(s, ssl_recv(b, in, IOV_MAX, MSG_WAITALL));
    NUMBER(s, memcmp(in, out, IOV_MAX));
    DO(s, ssl_writev(a, holed, 2));
    DO(s, ssl_write(a, "xyz", 3));
    arrive(b, 3);
    DO(s, ssl_readv(b, holed, 2));
    DO(s, ssl_readv(b, r, 3));
}

static void nowhere(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    struct iovec v = { NULL, 5 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 }, n = { .msg_iovlen = 3 };
    char in[8];

    DO(s, ssl_write(a, NULL, 5));
    DO(s, ssl_send(a, NULL, 5, 0));
    DO(s, ssl_sendmsg(a, &m, 0));
    DO(s, ssl_sendmsg(a, NULL, 0));
    DO(s, ssl_sendmsg(a, &n, 0));
    DO(s, ssl_recv(b, NULL, 5, MSG_DONTWAIT));
    DO(s, ssl_write(a, "abc", 3));
    arrive(b, 3);
    DO(s, ssl_read(b, NULL, 5));
    DO(s, ssl_recv(b, NULL, 5, 0));
    DO(s, ssl_recv(b, NULL, 5, MSG_PEEK));
    DO(s, ssl_recvmsg(b, &m, 0));
    DO(s, ssl_recvmsg(b, NULL, 0));
    DO(s, ssl_recvmsg(b, &n, 0));
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_ioctl(b, FIONREAD, NULL));
    DO(s, ssl_ioctl(b, FIONBIO, NULL));
    DO(s, ssl_shutdown(a, SHUT_WR));
    DO(s, ssl_recv(b, NULL, 5, 0));
}

static void messages(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    char in[16] = "", control[64];
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(1) };
    static struct iovec many[IOV_MAX + 1];
    struct iovec v[2] = { { in, 3 }, { in + 3, 10 } }, w[2] = { { "hel", 3 }, { "lo", 2 } };
    struct msghdr m = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = w, .msg_iovlen = 2
    };
    socklen_t len = sizeof from;

    DO(s, ssl_sendmsg(a, &m, 0)); /* the address is not looked at */
    m = (struct msghdr){ .msg_name = &from,
                         .msg_namelen = sizeof from,
                         .msg_iov = v,
                         .msg_iovlen = 2,
                         .msg_control = control,
                         .msg_controllen = sizeof control,
                         .msg_flags = 77 };
    DO(s, ssl_recvmsg(b, &m, 0));
    BYTES(s, in, 5);
    NUMBER(s, m.msg_namelen);
    NUMBER(s, m.msg_controllen);
    NUMBER(s, m.msg_flags);
    m = (struct msghdr){ .msg_namelen = 5, .msg_iov = v, .msg_iovlen = 1, .msg_flags = 77 };
    DO(s, ssl_write(a, "abcde", 5));
    arrive(b, 5);
    DO(s, ssl_recvmsg(b, &m, MSG_PEEK | MSG_CMSG_CLOEXEC));
    NUMBER(s, m.msg_namelen);
    NUMBER(s, m.msg_flags);
    DO(s, ssl_recvfrom(b, in, 5, 0, (struct sockaddr *)&from, &len));
    NUMBER(s, len);
    m = (struct msghdr){ .msg_namelen = 5, .msg_iov = v, .msg_iovlen = 1, .msg_flags = 77 };
    DO(s, ssl_recvmsg(b, &m, MSG_DONTWAIT)); /* fails: all stays as it was */
    NUMBER(s, m.msg_namelen);
    NUMBER(s, m.msg_flags);
    DO(s, ssl_sendto(a, "xy", 2, 0, (struct sockaddr *)&from, sizeof from));
    DO(s, ssl_sendto(a, "xy", 2, 0, NULL, 5));
    DO(s, ssl_sendto(a, "xy", 2, 0, (struct sockaddr *)&from, 129));
    arrive(b, 4);
    DO(s, ssl_recvfrom(b, in, 16, 0, NULL, NULL));
    m = (struct msghdr){ .msg_iov = many, .msg_iovlen = IOV_MAX + 1 };
    DO(s, ssl_sendmsg(a, &m, 0));
    DO(s, ssl_recvmsg(b, &m, 0));
    m.msg_iovlen = IOV_MAX;
    DO(s, ssl_sendmsg(a, &m, 0));
    /* control messages: of another level, and one that is not all there */
    struct cmsghdr *c = (struct cmsghdr *)control;
    *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                           .cmsg_level = IPPROTO_IP,
                           .cmsg_type = IP_TTL };
    m = (struct msghdr){ .msg_iov = w,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = CMSG_SPACE(sizeof(int)) };
    DO(s, ssl_sendmsg(a, &m, 0));
    c->cmsg_len = 1000;
    DO(s, ssl_sendmsg(a, &m, 0));
    c->cmsg_len = 1;
    DO(s, ssl_sendmsg(a, &m, 0));
    m.msg_controllen = 3;
    DO(s, ssl_sendmsg(a, &m, 0));
    arrive(b, 6);
    DO(s, ssl_read(b, in, 16));
}

static void half_close(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    struct iovec v = { "x", 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    char in[8];

    DO(s, ssl_shutdown(a, 3));
    DO(s, ssl_shutdown(a, -1));
    DO(s, ssl_write(a, "last", 4));
    DO(s, ssl_shutdown(a, SHUT_WR));
    DO(s, ssl_shutdown(a, SHUT_WR));
    DO(s, ssl_write(a, "x", 1));
    DO(s, ssl_writev(a, &v, 1));
    DO(s, ssl_send(a, "x", 1, 0));
    DO(s, ssl_send(a, "x", 1, MSG_NOSIGNAL));
    DO(s, ssl_sendmsg(a, &m, 0));
    DO(s, ssl_sendmsg(a, &m, MSG_NOSIGNAL | MSG_DONTWAIT));
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_recv(b, in, 8, MSG_PEEK));
    DO(s, ssl_recv(b, in, 8, MSG_WAITALL));
    DO(s, ssl_write(b, "answer", 6));
    DO(s, ssl_read(a, in, 8));
    DO(s, ssl_shutdown(b, SHUT_RDWR));
    DO(s, ssl_read(a, in, 8));
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_write(b, "x", 1));
}

static void shut_for_reading(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    char in[8];

    DO(s, ssl_write(a, "abc", 3));
    arrive(b, 3);
    DO(s, ssl_shutdown(b, SHUT_RD));
    DO(s, ssl_read(b, in, 2));
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_write(b, "still", 5));
    DO(s, ssl_read(a, in, 8));
}

static void peer_gone(struct stage *s)
{
    int b = s->f[1];
    char in[8];

    DO(s, ssl_write(s->f[0], "bye", 3));
    close_end(s, 0);
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_read(b, in, 8));
    DO(s, ssl_write(b, "x", 1)); /* nobody answers but the kernel, with a reset */
    until_poll(b, POLLHUP | POLLERR);
    DO(s, ssl_write(b, "x", 1));
    DO(s, ssl_send(b, "x", 1, MSG_NOSIGNAL));
    DO(s, ssl_read(b, in, 8));
}

static void interrupted(struct stage *s)
{
    int a = s->f[0], b = s->f[1];
    struct later l;
    char in[8];

    later(&l, s, NULL, SIGUSR1);
    DO(s, ssl_read(b, in, 8));
    joined(&l);
    later(&l, s, NULL, SIGUSR1);
    DO(s, ssl_recv(b, in, 8, MSG_PEEK));
    joined(&l);
    on_signal(SIGUSR1, count_user, SA_RESTART);
    later(&l, s, NULL, SIGUSR1);
    timeout_ms(b, SO_RCVTIMEO, 20000);
    DO(s, ssl_read(b, in, 8)); /* signal(7): with a timeout not restarted */
    joined(&l);
    NUMBER(s, users);
    timeout_ms(b, SO_RCVTIMEO, 40);
    DO(s, ssl_read(b, in, 8));
    timeout_ms(b, SO_RCVTIMEO, 0);
    later(&l, s, more, 0);
    DO(s, ssl_read(b, in, 8));
    joined(&l);
    (void)a;
}

/* How much the kernel takes differs; that it is not all, and what comes then, does not. */
static void full(struct stage *s)
{
    static char big[8 << 20];
    int a = s->f[0];
    struct iovec v = { big, sizeof big };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    struct later l;
    long n;

    small_buffers(s->f);
    nonblocking(a, true);
    n = ssl_write(a, big, sizeof big);
    say(s, "some: %d\n", n > 0 && n < (long)sizeof big);
    fill_up(a);
    DO(s, ssl_write(a, big, sizeof big));
    DO(s, ssl_writev(a, &v, 1));
    DO(s, ssl_send(a, "x", 1, 0));
    DO(s, ssl_sendmsg(a, &m, MSG_NOSIGNAL));
    nonblocking(a, false);
    DO(s, ssl_send(a, big, sizeof big, MSG_DONTWAIT));
    timeout_ms(a, SO_SNDTIMEO, 40);
    DO(s, ssl_write(a, big, sizeof big));
    timeout_ms(a, SO_SNDTIMEO, 0);
    later(&l, s, NULL, SIGUSR1);
    DO(s, ssl_write(a, big, sizeof big));
    joined(&l);
}

static void closed(struct stage *s)
{
    int a = s->f[0];
    struct iovec v = { "x", 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    off_t at = 0;
    char in[8];

    close_end(s, 0);
    DO(s, ssl_read(a, in, 8));
    DO(s, ssl_readv(a, &v, 1));
    DO(s, ssl_recv(a, in, 8, 0));
    DO(s, ssl_recvfrom(a, in, 8, 0, NULL, NULL));
    DO(s, ssl_recvmsg(a, &m, 0));
    DO(s, ssl_write(a, in, 8));
    DO(s, ssl_writev(a, &v, 1));
    DO(s, ssl_send(a, in, 8, 0));
    DO(s, ssl_sendto(a, in, 8, 0, NULL, 0));
    DO(s, ssl_sendmsg(a, &m, 0));
    DO(s, ssl_sendfile(a, 0, &at, 1));
    DO(s, ssl_shutdown(a, SHUT_WR));
    DO(s, ssl_dup(a));
    DO(s, ssl_dup2(a, 100));
    DO(s, ssl_dup3(a, 100, 0));
    DO(s, ssl_fcntl(a, F_DUPFD, 0));
    DO(s, ssl_fcntl(a, F_GETFL));
    DO(s, ssl_ioctl(a, FIONREAD, in));
    DO(s, ssl_accept4(a, NULL, NULL, 0));
    DO(s, ssl_fdopen(a, "r") == NULL ? -1 : 0);
    DO(s, ssl_close(a));
}

static void test_scenes(void **state)
{
    static const struct scene scenes[] = {
        { "zero lengths", zero_lengths },
        { "partial reads", partial_reads },
        { "without waiting", without_waiting },
        { "MSG_PEEK, MSG_TRUNC", peeking },
        { "MSG_WAITALL", waiting_for_all },
        { "MSG_OOB", urgent },
        { "iovecs", vectors },
        { "EFAULT", nowhere },
        { "messages", messages },
        { "half-close", half_close },
        { "SHUT_RD", shut_for_reading },
        { "peer gone", peer_gone },
        { "signals", interrupted },
        { "a full socket", full },
        { "closed fds", closed },
    };

    (void)state;
    play_all(scenes, sizeof scenes / sizeof *scenes);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_scenes) };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
