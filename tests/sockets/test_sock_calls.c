/* SPDX-License-Identifier: ISC */
/* The calls where TLS is not TCP: what must never leave in clear, helpers that have no counterpart,
 * and the way back to a plain socket. */
#include <linux/sockios.h>
#include <netdb.h>
#include <sys/un.h>

#include "tests/sockets/posix.h"

/* ---- no plaintext before there is a connection ---- */

static void test_nothing_in_clear(void **state)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    struct iovec v = { "secret", 6 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    int l = socket(AF_INET, SOCK_STREAM, 0), fd = client_socket("server.test", "ca.crt"), d, got;
    off_t at = 0;
    char in[16];
    FILE *f;

    (void)state;
    assert_int_equal(bind(l, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(l, 1), 0);
    assert_int_equal(getsockname(l, (struct sockaddr *)&addr, &len), 0);
    d = ssl_dup(fd);
    assert_true(d >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0); /* behind the library's back */
    got = accept(l, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        int x = i ? d : fd;

        assert_fails(ssl_write(x, "secret", 6), ENOTCONN);
        assert_fails(ssl_writev(x, &v, 1), ENOTCONN);
        assert_fails(ssl_send(x, "secret", 6, 0), ENOTCONN);
        assert_fails(ssl_send(x, "secret", 6, MSG_FASTOPEN), ENOTCONN);
        assert_fails(ssl_sendto(x, "secret", 6, 0, NULL, 0), ENOTCONN);
        assert_fails(ssl_sendto(x, "s", 1, MSG_FASTOPEN, (struct sockaddr *)&addr, len), ENOTCONN);
        assert_fails(ssl_sendmsg(x, &m, 0), ENOTCONN);
        assert_fails(ssl_sendfile(x, 0, &at, 6), ENOTCONN);
        assert_fails(ssl_read(x, in, 6), ENOTCONN);
        assert_fails(ssl_readv(x, &v, 1), ENOTCONN);
        assert_fails(ssl_recv(x, in, 6, 0), ENOTCONN);
        assert_fails(ssl_recvfrom(x, in, 6, 0, NULL, NULL), ENOTCONN);
        assert_fails(ssl_recvmsg(x, &m, 0), ENOTCONN);
        assert_fails(ssl_detach(x), ENOTCONN);
    }
    assert_fails(ssl_recv(fd, in, 6, MSG_ERRQUEUE | MSG_DONTWAIT), EAGAIN); /* the kernel's */
    f = ssl_fdopen(d, "w");
    assert_non_null(f);
    fputs("secret", f);
    assert_int_equal(fclose(f), EOF);
    ssl_close(fd);
    assert_int_equal(recv(got, in, sizeof in, 0), 0); /* not a byte */
    close(got);
    close(l);
}

static void set_rights(struct msghdr *m, char *mem, int fd)
{
    struct cmsghdr *c = (struct cmsghdr *)mem;

    m->msg_control = mem;
    m->msg_controllen = CMSG_SPACE(sizeof fd);
    *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                           .cmsg_type = SCM_RIGHTS,
                           .cmsg_len = CMSG_LEN(sizeof fd) };
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

static void test_rights(void **state)
{
    _Alignas(struct cmsghdr) char mem[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec v = { "x", 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    int f[2], u[2], later = client_socket("server.test", "ca.crt");
    char c;

    (void)state;
    tls_pair(f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, u), 0);
    set_rights(&m, mem, u[0]);
    assert_fails(ssl_sendmsg(f[0], &m, 0), EOPNOTSUPP); /* over TLS: nothing */
    assert_fails(ssl_recv(f[1], &c, 1, MSG_DONTWAIT), EAGAIN);
    assert_int_equal(ssl_sendmsg(u[0], &m, 0), 1); /* a plain one over a plain one */
    set_rights(&m, mem, f[0]);
    assert_fails(ssl_sendmsg(u[0], &m, 0), EACCES); /* a TLS one, never */
    assert_true(strlen(ssl_error(-1)) > 0);
    set_rights(&m, mem, later);
    assert_fails(ssl_sendmsg(u[0], &m, 0), EACCES);
    assert_int_equal(recv(u[1], &c, 1, MSG_DONTWAIT), 1);
    assert_fails(recv(u[1], &c, 1, MSG_DONTWAIT), EAGAIN);
    ssl_close(later);
    close_pair(u);
    close_pair(f);
}

static void test_urgent(void **state)
{
    int f[2], mark = 5, on = 1;
    char c;

    (void)state;
    tls_pair(f);
    assert_fails(ssl_send(f[0], "!", 1, MSG_OOB), EOPNOTSUPP);
    assert_fails(ssl_recv(f[1], &c, 1, MSG_DONTWAIT), EAGAIN);
    assert_int_equal(ssl_ioctl(f[1], SIOCATMARK, &mark), 0);
    assert_int_equal(mark, 0);
    assert_fails(ssl_ioctl(f[1], SIOCATMARK, NULL), EFAULT);
    assert_int_equal(setsockopt(f[0], SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on), 0);
    assert_fails(ssl_send(f[0], "!", 1, MSG_ZEROCOPY), ENOBUFS);
    assert_int_equal(ssl_send(f[0], "!", 1, 0), 1);
    close_pair(f);
}

/* ---- helpers ---- */

static void *dial_localhost(void *arg)
{
    const char *port = arg;
    int fd = ssl_dial("localhost", port);
    char c = 0;

    if (fd < 0 || ssl_read(fd, &c, 1) != 1) {
        return (void *)"dial";
    }
    ssl_close(fd);
    return NULL;
}

static void expect_served(int l, sa_family_t family, int flags)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    char port[8];
    pthread_t t;
    void *complaint;
    int fd;

    assert_int_equal(getsockname(l, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(addr.ss_family, family);
    assert_true(fcntl(l, F_GETFD) & FD_CLOEXEC);
    snprintf(port, sizeof port, "%d", ntohs(((struct sockaddr_in *)&addr)->sin_port));
    pthread_create(&t, NULL, dial_localhost, port);
    len = sizeof addr;
    fd = ssl_accept4(l, (struct sockaddr *)&addr, &len, flags);
    assert_true(fd >= 0);
    assert_int_equal(addr.ss_family, family);
    assert_int_equal((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, (flags & SOCK_CLOEXEC) != 0);
    assert_int_equal((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, (flags & SOCK_NONBLOCK) != 0);
    nonblocking(fd, false);
    assert_int_equal(ssl_write(fd, "x", 1), 1);
    pthread_join(t, &complaint);
    assert_null(complaint);
    ssl_close(fd);
    ssl_close(l);
}

static void test_serve(void **state)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int probe = socket(AF_INET6, SOCK_STREAM, 0), l, one;
    bool ipv6 = probe >= 0 && bind(probe, (struct sockaddr *)&six, sizeof six) == 0;
    char port[8];
    socklen_t len = sizeof six;

    (void)state;
    close(probe);
    set_string(SSL_DEFAULTS, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_string(SSL_DEFAULTS, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    l = ssl_serve("127.0.0.1", "0", 16);
    assert_true(l >= 0);
    assert_fails(ssl_accept4(l, NULL, NULL, 1), EINVAL);
    expect_served(l, AF_INET, SOCK_CLOEXEC | SOCK_NONBLOCK);
    l = ssl_serve("127.0.0.1", "0", 16);
    expect_served(l, AF_INET, 0);
    l = ssl_serve(NULL, "0", 16);
    assert_true(l >= 0);
    if (ipv6) { /* both families by one socket */
        assert_int_equal(getsockname(l, (struct sockaddr *)&six, &len), 0);
        one = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in four = { .sin_family = AF_INET,
                                    .sin_port = six.sin6_port,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        assert_int_equal(connect(one, (struct sockaddr *)&four, sizeof four), 0);
        close(one);
        one = ssl_accept(l, NULL, NULL);
        assert_true(one >= 0);
        ssl_close(one);
        snprintf(port, sizeof port, "%d", ntohs(six.sin6_port));
        assert_fails(ssl_serve(NULL, port, 16), EADDRINUSE);
    }
    expect_served(l, ipv6 ? AF_INET6 : AF_INET, SOCK_CLOEXEC);
    assert_fails(ssl_serve("192.0.2.1", "0", 16), EADDRNOTAVAIL);
    assert_true(strlen(ssl_error(-1)) > 0);
    assert_fails(ssl_serve("127.0.0.1", "no such service", 16), EADDRNOTAVAIL);
    assert_fails(ssl_serve(NULL, NULL, 16), EADDRNOTAVAIL);
    set_string(SSL_DEFAULTS, SSL_OPT_CERT_FILE, "");
    set_string(SSL_DEFAULTS, SSL_OPT_CA_FILE, "");
}

/* ---- descriptors ---- */

/* What is replaced ends in order, though it was the last fd of its connection. */
static void test_dup2_over_tls(void **state)
{
    int f[2], g[2];
    char c;

    (void)state;
    tls_pair(f);
    tls_pair(g);
    assert_int_equal(ssl_dup2(f[0], g[0]), g[0]);
    assert_int_equal(ssl_read(g[1], &c, 1), 0); /* close_notify, not a bare end */
    assert_int_equal(ssl_write(g[0], "x", 1), 1);
    assert_int_equal(ssl_read(f[1], &c, 1), 1);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_fails(ssl_recv(f[1], &c, 1, MSG_DONTWAIT), EAGAIN); /* g[0] is it still */
    assert_int_equal(ssl_dup3(g[1], g[0], O_CLOEXEC), g[0]);
    assert_int_equal(ssl_read(f[1], &c, 1), 0);
    ssl_close(g[0]);
    ssl_close(g[1]);
    ssl_close(f[1]);
}

/* dup of a listener: both serve. */
static void test_dup_listener(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr), d = ssl_dup(l), fd = socket(AF_INET, SOCK_STREAM, 0), got;
    struct ssl_info info;

    (void)state;
    ssl_close(l);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    got = ssl_accept(d, NULL, NULL);
    assert_true(got >= 0);
    assert_int_equal(ssl_info(got, &info), 0);
    ssl_close(got);
    close(fd);
    ssl_close(d);
}

/* A number that was closed without a word and comes back by dup(). */
static void test_dup_of_reused(void **state)
{
    int f[2], p[2], d;
    char c;

    (void)state;
    tls_pair(f);
    assert_int_equal(pipe(p), 0);
    close(f[0]);
    d = ssl_dup(p[1]);
    assert_int_equal(d, f[0]);
    assert_int_equal(ssl_write(d, "x", 1), 1); /* to the pipe */
    assert_int_equal(read(p[0], &c, 1), 1);
    ssl_close(d);
    close_pair(p);
    ssl_close(f[1]);
}

static void test_fionread(void **state)
{
    static uint8_t out[200000], in[200000];
    int f[2], n = 0;

    (void)state;
    tls_pair(f);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ssl_write(f[0], out, 10), 10);
    }
    arrive(f[1], 1000);
    assert_int_equal(ssl_ioctl(f[1], FIONREAD, &n), 0);
    assert_int_equal(n, 1000);
    assert_int_equal(ssl_recv(f[1], in, 999, MSG_WAITALL), 999);
    assert_int_equal(ssl_ioctl(f[1], FIONREAD, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(ssl_read(f[1], in, 2), 1);
    /* Much more than that: bounded, and nothing is lost. */
    fill_pattern(out, sizeof out, 0);
    assert_int_equal(ssl_write(f[0], out, sizeof out), sizeof out);
    arrive(f[1], 65536);
    assert_int_equal(ssl_ioctl(f[1], FIONREAD, &n), 0);
    assert_in_range(n, 65536, 65536 + 5 * 16384);
    assert_int_equal(ssl_recv(f[1], in, sizeof in, MSG_WAITALL), sizeof in);
    expect_pattern(in, sizeof in, 0);
    close_pair(f);
}

static void *write_much(void *arg)
{
    static uint8_t out[1000000];

    fill_pattern(out, sizeof out, 0);
    return (void *)(intptr_t)(ssl_write((int)(intptr_t)arg, out, sizeof out) != sizeof out);
}

/* More than is thrown away at once. */
static void test_much_thrown_away(void **state)
{
    uint8_t in[10];
    pthread_t t;
    void *failed;
    int f[2];

    (void)state;
    tls_pair(f);
    pthread_create(&t, NULL, write_much, (void *)(intptr_t)f[0]);
    assert_int_equal(ssl_recv(f[1], NULL, 999990, MSG_TRUNC | MSG_WAITALL), 999990);
    assert_int_equal(ssl_recv(f[1], in, 10, MSG_WAITALL), 10);
    expect_pattern(in, 10, 999990);
    pthread_join(t, &failed);
    assert_null(failed);
    close_pair(f);
}

/* After a fork the streams of both processes write to one connection, in turns (threat 40). */
static void test_stream_of_two_processes(void **state)
{
    char in[12] = "";
    int f[2], status;
    FILE *file;
    pid_t pid;

    (void)state;
    tls_pair(f);
    file = ssl_fdopen(f[0], "w");
    assert_non_null(file);
    pid = fork();
    if (pid == 0) {
        fputs("child", file);
        _exit(fflush(file) != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    fputs("parent", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(ssl_recv(f[1], in, 11, MSG_WAITALL), 11);
    assert_string_equal(in, "childparent");
    assert_int_equal(ssl_read(f[1], in, 1), 0); /* close_notify, once */
    ssl_close(f[1]);
}

/* ---- ssl_detach() ---- */

static void *detach_thread(void *arg)
{
    int fd = (int)(intptr_t)arg;

    return (void *)(intptr_t)(ssl_detach(fd) ? errno : 0);
}

static void detach_pair(const int f[2])
{
    pthread_t t;
    void *rc;

    pthread_create(&t, NULL, detach_thread, (void *)(intptr_t)f[1]);
    if (ssl_detach(f[0])) {
        fail_msg("%s: %s", strerror(errno), ssl_error(f[0]));
    }
    /* At once: these bytes may come together with our close_notify. */
    assert_int_equal(ssl_write(f[0], "clear", 5), 5);
    pthread_join(t, &rc);
    assert_int_equal((intptr_t)rc, 0);
}

static void test_detach(void **state)
{
    struct ssl_info info;
    char in[16] = "";
    int f[2];

    (void)state;
    for (int i = 0; i < 10; i++) {
        tls_pair(f);
        assert_int_equal(ssl_write(f[0], "tls", 3), 3);
        assert_int_equal(ssl_read(f[1], in, 16), 3);
        detach_pair(f);
        assert_fails(ssl_info(f[0], &info), ENOTCONN);
        assert_int_equal(recv(f[1], in, 5, MSG_WAITALL), 5); /* not by us: it is the kernel's */
        assert_memory_equal(in, "clear", 5);
        assert_int_equal(ssl_write(f[1], "back", 4), 4);
        assert_int_equal(ssl_recv(f[0], in, 4, MSG_WAITALL), 4);
        assert_memory_equal(in, "back", 4);
        attach_pair(f[0], f[1]); /* and TLS again */
        handshake_pair(f[0], f[1]);
        assert_int_equal(ssl_write(f[0], "tls", 3), 3);
        assert_int_equal(ssl_read(f[1], in, 16), 3);
        close_pair(f);
    }
}

static void test_detach_step_by_step(void **state)
{
    char in[16];
    int f[2], d;

    (void)state;
    tls_pair(f);
    nonblocking(f[0], true);
    d = ssl_dup(f[0]);
    assert_fails(ssl_detach(f[0]), EBUSY);
    assert_true(strlen(ssl_error(-1)) > 0);
    ssl_close(d);
    assert_int_equal(ssl_write(f[1], "unread", 6), 6);
    until_poll(f[0], POLLIN);
    assert_int_equal(ssl_recv(f[0], in, 1, MSG_PEEK), 1);
    assert_fails(ssl_detach(f[0]), EBUSY);
    assert_int_equal(ssl_write(f[0], "x", 1), 1); /* nothing has been said yet */
    assert_int_equal(ssl_read(f[0], in, 16), 6);
    assert_fails(ssl_detach(f[0]), EAGAIN);
    assert_fails(ssl_send(f[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    /* the peer may still talk, and then that is to be read */
    assert_int_equal(ssl_read(f[1], in, 16), 1);
    assert_int_equal(ssl_read(f[1], in, 16), 0);
    assert_int_equal(ssl_write(f[1], "more", 4), 4);
    until_poll(f[0], POLLIN);
    assert_fails(ssl_detach(f[0]), EBUSY);
    assert_int_equal(ssl_read(f[0], in, 16), 4);
    assert_fails(ssl_detach(f[0]), EAGAIN);
    assert_int_equal(ssl_detach(f[1]), 0);
    assert_int_equal(write(f[1], "clear", 5), 5);
    while (ssl_detach(f[0])) {
        assert_int_equal(errno, EAGAIN);
        nap_ms(2);
    }
    nonblocking(f[0], false);
    assert_int_equal(recv(f[0], in, 5, MSG_WAITALL), 5);
    assert_memory_equal(in, "clear", 5);
    assert_fails(ssl_detach(f[0]), ENOTCONN);
    close_pair(f);
}

static void test_detach_fails(void **state)
{
    char in[64];
    int f[2];

    (void)state;
    tls_pair(f); /* the peer ends without a word */
    shutdown(f[1], SHUT_WR);
    assert_fails(ssl_detach(f[0]), ECONNRESET);
    assert_fails(ssl_send(f[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    close_pair(f);
    tls_pair(f); /* nothing can follow a FIN */
    assert_int_equal(ssl_shutdown(f[0], SHUT_WR), 0);
    assert_fails(ssl_detach(f[0]), EPIPE);
    close_pair(f);
    tls_pair(f); /* SO_RCVTIMEO, a signal */
    timeout_ms(f[0], SO_RCVTIMEO, 100);
    assert_fails(ssl_detach(f[0]), EAGAIN);
    timeout_ms(f[0], SO_RCVTIMEO, 0);
    on_signal(SIGUSR1, count_user, 0);
    struct later l;
    later(&l, NULL, NULL, SIGUSR1);
    assert_fails(ssl_detach(f[0]), EINTR);
    joined(&l);
    signal(SIGUSR1, SIG_DFL);
    assert_int_equal(ssl_shutdown(f[0], SHUT_WR), 0); /* goes on as an end for good */
    assert_int_equal(ssl_read(f[1], in, 1), 0);
    assert_int_equal(recv(f[1], in, 1, 0), 0); /* the FIN */
    close_pair(f);
    tls_pair(f); /* bytes in clear that a read took together with close_notify */
    nonblocking(f[0], true);
    assert_fails(ssl_detach(f[0]), EAGAIN);
    assert_int_equal(send(f[0], "clear", 5, 0), 5);
    await_input(f[1], 5 + 2 + 16 + 1 + 5);
    assert_int_equal(ssl_read(f[1], in, sizeof in), 0);
    assert_fails(ssl_detach(f[1]), EBUSY);
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_in_clear), cmocka_unit_test(test_rights),
        cmocka_unit_test(test_urgent),           cmocka_unit_test(test_serve),
        cmocka_unit_test(test_dup2_over_tls),    cmocka_unit_test(test_dup_listener),
        cmocka_unit_test(test_dup_of_reused),    cmocka_unit_test(test_fionread),
        cmocka_unit_test(test_much_thrown_away), cmocka_unit_test(test_stream_of_two_processes),
        cmocka_unit_test(test_detach),           cmocka_unit_test(test_detach_step_by_step),
        cmocka_unit_test(test_detach_fails),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
