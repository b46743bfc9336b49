/* SPDX-License-Identifier: ISC */
/* A program of the old kind behind <sleeve/posix.h>: it knows no names but those of POSIX, and all
 * it says is TLS. What is in this file as socket(), read(), ... is Sleeve's. */
#include <sleeve/posix.h>

#include "peers.h"

#include <sys/mman.h>
#include <sys/un.h>

/* ---- the old program: an echo server with select(), and a table of functions ---- */

static const struct ops {
    ssize_t (*read)(int, void *, size_t);
    ssize_t (*write)(int, const void *, size_t);
    int (*close)(int);
} ops = { .read = read, .write = write, .close = close };

struct echo {
    int listener, clients; /* to be served before it ends */
    int failed;
};

static bool echo_one(struct echo *e, int fd)
{
    char buf[3000];
    ssize_t n = ops.read(fd, buf, sizeof buf);

    for (ssize_t done = 0, k = 1; done < n && k > 0; done += k) {
        k = ops.write(fd, buf + done, (size_t)(n - done));
    }
    if (n > 0) {
        return true;
    }
    e->failed += n < 0;
    ops.close(fd);
    return false;
}

static void *echo_server(void *arg)
{
    struct echo *e = arg;
    int top = e->listener;
    fd_set all;

    FD_ZERO(&all);
    FD_SET(e->listener, &all);
    while (e->clients > 0) {
        fd_set ready = all;

        if (select(top + 1, &ready, NULL, NULL, NULL) < 0) {
            e->failed++;
            break;
        }
        for (int fd = 0; fd <= top; fd++) {
            if (FD_ISSET(fd, &ready) && fd == e->listener) {
                int made = accept(fd, NULL, NULL);

                FD_SET(made, &all);
                top = made > top ? made : top;
            } else if (FD_ISSET(fd, &ready) && !echo_one(e, fd)) {
                FD_CLR(fd, &all);
                e->clients--;
            }
        }
    }
    close(e->listener);
    return NULL;
}

static pthread_t start(struct echo *e, int clients, struct sockaddr_in *addr)
{
    socklen_t len = sizeof *addr;
    int on = 1;
    pthread_t t;

    *addr =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    *e = (struct echo){ .listener = socket(AF_INET, SOCK_STREAM, 0), .clients = clients };
    assert_int_equal(setsockopt(e->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    set_string(e->listener, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    assert_int_equal(bind(e->listener, (struct sockaddr *)addr, sizeof *addr), 0);
    assert_int_equal(listen(e->listener, 8), 0);
    assert_int_equal(getsockname(e->listener, (struct sockaddr *)addr, &len), 0);
    assert_int_equal(pthread_create(&t, NULL, echo_server, e), 0);
    return t;
}

static int dial(const struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    set_string(fd, SSL_OPT_NAME, "localhost");
    set_string(fd, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    if (connect(fd, (const struct sockaddr *)addr, sizeof *addr)) {
        fail_msg("connect: %s", ssl_error(fd));
    }
    return fd;
}

static void expect(int fd, const char *text)
{
    char buf[64];
    size_t n = strlen(text), got = 0;

    while (got < n) {
        ssize_t r = read(fd, buf + got, n - got);

        assert_true(r > 0);
        got += (size_t)r;
    }
    assert_memory_equal(buf, text, n);
}

static void finish(int fd)
{
    char c;

    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(read(fd, &c, 1), 0);
    assert_int_equal(close(fd), 0);
}

static void end(pthread_t t, const struct echo *e)
{
    pthread_join(t, NULL);
    assert_int_equal(e->failed, 0);
}

/* ---- */

static void test_reading_and_writing(void **state)
{
    struct sockaddr_in addr, from;
    struct echo e;
    pthread_t t = start(&e, 1, &addr);
    int fd = dial(&addr), n = 0;
    struct iovec v[2] = { { (char[]){ "two " }, 4 }, { (char[]){ "parts" }, 5 } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
    char buf[64];
    socklen_t len = sizeof from;
    struct ssl_info info;

    (void)state;
    assert_int_equal(ssl_info(fd, &info), 0);
    assert_string_equal(info.verified_name, "localhost");
    assert_int_equal(write(fd, "write", 5), 5);
    expect(fd, "write");
    assert_int_equal(writev(fd, v, 2), 9);
    expect(fd, "two parts");
    assert_int_equal(send(fd, "send", 4, MSG_NOSIGNAL), 4);
    assert_int_equal(recv(fd, buf, 4, MSG_PEEK | MSG_WAITALL), 4);
    assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
    assert_int_equal(n, 4);
    expect(fd, "send");
    assert_int_equal(sendto(fd, "sendto", 6, 0, NULL, 0), 6);
    assert_int_equal(recvfrom(fd, buf, 6, MSG_WAITALL, (struct sockaddr *)&from, &len), 6);
    assert_memory_equal(buf, "sendto", 6);
    assert_int_equal(sendmsg(fd, &m, 0), 9);
    v[0] = (struct iovec){ buf, 3 };
    v[1] = (struct iovec){ buf + 32, 6 };
    assert_int_equal(recvmsg(fd, &m, MSG_WAITALL), 9);
    assert_memory_equal(buf, "two", 3);
    assert_memory_equal(buf + 32, " parts", 6);
    assert_int_equal(recv(fd, buf, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(write(fd, "last", 4), 4);
    assert_int_equal(readv(fd, v, 1), 3);
    expect(fd, "t");
    finish(fd);
    end(t, &e);
}

static void test_sending_a_file(void **state)
{
    struct sockaddr_in addr;
    struct echo e;
    pthread_t t = start(&e, 1, &addr);
    int fd = dial(&addr), file = memfd_create("file", 0);
    off_t at = 5;

    (void)state;
    assert_int_equal(write(file, "what is in the file", 19), 19); /* plain, through the same name */
    assert_int_equal(sendfile(fd, file, &at, 7), 7);
    assert_int_equal(at, 12);
    expect(fd, "is in t");
    close(file);
    finish(fd);
    end(t, &e);
}

static void test_waiting(void **state)
{
    const struct timespec nothing = { 0 };
    struct sockaddr_in addr;
    struct echo e;
    pthread_t t = start(&e, 1, &addr);
    int fd = dial(&addr), err = -1;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct timeval moment = { 0 };
    socklen_t len = sizeof err;
    fd_set set;

    (void)state;
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_int_equal(write(fd, "twice", 5), 5);
    assert_int_equal(poll(&p, 1, 20000), 1);
    expect(fd, "tw"); /* the rest is here and not in the kernel: poll(2) would wait */
    assert_int_equal(ppoll(&p, 1, &nothing, NULL), 1);
    assert_int_equal(p.revents, POLLIN);
    FD_ZERO(&set);
    FD_SET(fd, &set);
    assert_int_equal(pselect(fd + 1, &set, NULL, NULL, &nothing, NULL), 1);
    assert_true(FD_ISSET(fd, &set));
    assert_int_equal(select(fd + 1, &set, NULL, NULL, &moment), 1);
    expect(fd, "ice");
    assert_int_equal(select(fd + 1, &set, NULL, NULL, &moment), 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    assert_int_equal(err, 0);
    fcntl(fd, F_SETFL, 0);
    finish(fd);
    end(t, &e);
}

/* As inetd's servers do: the connection as another fd, the first one closed, stdio on top. */
static void test_duplicates_and_stdio(void **state)
{
    struct sockaddr_in addr;
    struct echo e;
    pthread_t t = start(&e, 1, &addr);
    int fd = dial(&addr), other = dup(fd), place = open("/dev/null", O_RDONLY), more;
    FILE *in, *out;
    char line[64];

    (void)state;
    assert_int_equal(dup2(fd, place), place);
    assert_int_equal(dup3(fd, other, O_CLOEXEC), other);
    assert_int_equal(fcntl(other, F_GETFD), FD_CLOEXEC);
    more = fcntl(place, F_DUPFD_CLOEXEC, 100);
    assert_true(more >= 100);
    assert_int_equal(close(fd), 0);
    assert_int_equal(write(more, "all one", 7), 7);
    expect(place, "all one");
    assert_int_equal(close(more), 0);
    in = fdopen(place, "r");
    out = fdopen(other, "w");
    assert_true(fileno(in) == place && fileno(out) == other);
    assert_true(fprintf(out, "line %d\r\n", 1) > 0);
    assert_int_equal(fflush(out), 0);
    assert_non_null(fgets(line, sizeof line, in));
    assert_string_equal(line, "line 1\r\n");
    assert_int_equal(shutdown(fileno(out), SHUT_WR), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(getc(in), EOF);
    assert_false(ferror(in));
    assert_int_equal(fclose(in), 0);
    end(t, &e);
}

static void test_many_clients(void **state)
{
    struct sockaddr_in addr;
    struct echo e;
    pthread_t t = start(&e, 20, &addr);
    int fds[20];
    char text[16];

    (void)state;
    /* The server shakes hands when it reads, so each one must have said something. */
    for (int i = 0; i < 20; i++) {
        fds[i] = dial(&addr);
    }
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 20; i++) {
            snprintf(text, sizeof text, "client %d", i);
            assert_int_equal(write(fds[i], text, strlen(text)), strlen(text));
        }
        for (int i = 19; i >= 0; i--) {
            snprintf(text, sizeof text, "client %d", i);
            expect(fds[i], text);
        }
    }
    for (int i = 0; i < 20; i++) {
        finish(fds[i]);
    }
    end(t, &e);
}

/* Nothing but a stream over IP is TLS. */
static void test_the_rest_is_plain(void **state)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sa_family_t), verify;
    int l = socket(AF_UNIX, SOCK_STREAM, 0), a, b, p[2], size = sizeof verify;

    (void)state;
    assert_int_equal(bind(l, (struct sockaddr *)&local, len), 0); /* any abstract name */
    assert_int_equal(listen(l, 1), 0);
    len = sizeof local;
    assert_int_equal(getsockname(l, (struct sockaddr *)&local, &len), 0);
    a = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(a, (struct sockaddr *)&local, len), 0);
    b = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    assert_true(b >= 0);
    assert_int_equal(fcntl(b, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(a, "plain", 5), 5);
    expect(b, "plain");
    assert_int_equal(getsockopt(b, SOL_SSL, SSL_OPT_VERIFY, &verify, (socklen_t *)&size), -1);
    close(a);
    close(b);
    close(l);
    a = socket(AF_INET, SOCK_DGRAM, 0);
    b = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(a, (struct sockaddr *)&addr, sizeof addr), 0);
    len = sizeof addr;
    assert_int_equal(getsockname(a, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(sendto(b, "datagram", 8, 0, (struct sockaddr *)&addr, len), 8);
    expect(a, "datagram");
    close(a);
    close(b);
    assert_int_equal(pipe(p), 0);
    assert_int_equal(write(p[1], "pipe", 4), 4);
    expect(p[0], "pipe");
    close(p[0]);
    close(p[1]);
}

/* A port that says nothing about its peer does not connect, and never speaks in clear. */
static void test_nothing_in_clear(void **state)
{
    struct sockaddr_in addr;
    struct echo e;
    pthread_t t = start(&e, 1, &addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_fails(connect(fd, (struct sockaddr *)&addr, sizeof addr), EACCES);
    assert_fails(write(fd, "x", 1), ENOTCONN);
    assert_fails(ops.write(fd, "x", 1), ENOTCONN);
    assert_fails(send(fd, "x", 1, 0), ENOTCONN);
    close(fd);
    finish(dial(&addr));
    end(t, &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_and_writing),
        cmocka_unit_test(test_sending_a_file),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_duplicates_and_stdio),
        cmocka_unit_test(test_many_clients),
        cmocka_unit_test(test_the_rest_is_plain),
        cmocka_unit_test(test_nothing_in_clear),
    };

    return cmocka_run_group_tests_name("posix_calls", tests, peers_setup, peers_teardown);
}
