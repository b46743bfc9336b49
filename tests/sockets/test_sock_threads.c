/* SPDX-License-Identifier: ISC */
/* One reader and one writer per fd, both ways at once; fds closed and reused under other threads'
 * feet. */
#include "tests/sockets/peers.h"

#define BULK (256 << 20)

struct stream {
    int fd;
    uint64_t total;
    const char *complaint;
};

static void *write_stream(void *arg)
{
    struct stream *s = arg;
    uint8_t *buf = malloc(100000);
    unsigned seed = (unsigned)s->fd;

    for (uint64_t pos = 0; pos < s->total;) {
        size_t n = (size_t)rand_r(&seed) % 100000 + 1;

        n = n > s->total - pos ? (size_t)(s->total - pos) : n;
        fill_pattern(buf, n, pos);
        if (ssl_write(s->fd, buf, n) != (ssize_t)n) {
            s->complaint = strerror(errno);
            break;
        }
        pos += n;
    }
    ssl_shutdown(s->fd, SHUT_WR);
    free(buf);
    return NULL;
}

static void *read_stream(void *arg)
{
    struct stream *s = arg;
    uint8_t *buf = malloc(90000);
    unsigned seed = (unsigned)s->fd + 77;
    uint64_t pos = 0;
    ssize_t n;

    while ((n = ssl_read(s->fd, buf, (size_t)rand_r(&seed) % 90000 + 1)) > 0) {
        expect_pattern(buf, (size_t)n, pos);
        pos += (uint64_t)n;
    }
    if (n < 0) {
        s->complaint = strerror(errno);
    } else if (pos != s->total) {
        s->complaint = "the stream is short";
    }
    free(buf);
    return NULL;
}

static void both_ways(uint64_t total)
{
    struct stream s[4];
    pthread_t t[4];
    int f[2];

    tls_pair(f);
    for (int i = 0; i < 4; i++) { /* write 0, read 0, write 1, read 1 */
        s[i] = (struct stream){ .fd = f[i / 2], .total = total };
        pthread_create(&t[i], NULL, i % 2 ? read_stream : write_stream, &s[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        if (s[i].complaint) {
            fail_msg("thread %d: %s", i, s[i].complaint);
        }
    }
    close_pair(f);
}

static void test_bulk_both_ways(void **state)
{
    (void)state;
    both_ways(BULK / 2);
}

static void test_small_buffers_both_ways(void **state)
{
    int size = 4096, f[2];
    struct stream s[2];
    pthread_t t[2];

    (void)state;
    tls_pair(f);
    setsockopt(f[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int i = 0; i < 2; i++) {
        s[i] = (struct stream){ .fd = f[i], .total = 4 << 20 };
        pthread_create(&t[i], NULL, i ? read_stream : write_stream, &s[i]);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        assert_null(s[i].complaint);
    }
    close_pair(f);
}

/* ---- several writers, several readers ---- */

static int many_fd;
static _Atomic unsigned counts[256];

static void *write_letters(void *arg)
{
    char line[100];

    memset(line, (int)(intptr_t)arg, sizeof line);
    for (int i = 0; i < 2000; i++) {
        if (ssl_write(many_fd, line, sizeof line) != sizeof line) {
            return (void *)"write";
        }
    }
    return NULL;
}

static void *count_letters(void *arg)
{
    int fd = *(int *)arg;
    unsigned char buf[3000];
    ssize_t n;

    while ((n = ssl_read(fd, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            counts[buf[i]]++;
        }
    }
    return n == 0 ? NULL : (void *)"read";
}

static void test_many_of_each(void **state)
{
    pthread_t w[3], r[3];
    void *complaint;
    int f[2];

    (void)state;
    tls_pair(f);
    many_fd = f[0];
    for (intptr_t i = 0; i < 3; i++) {
        pthread_create(&w[i], NULL, write_letters, (void *)('a' + i));
        pthread_create(&r[i], NULL, count_letters, &f[1]);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(w[i], &complaint);
        assert_null(complaint);
    }
    ssl_shutdown(f[0], SHUT_WR);
    for (int i = 0; i < 3; i++) {
        pthread_join(r[i], &complaint);
        assert_null(complaint);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(counts['a' + i], 200000);
    }
    close_pair(f);
}

/* Both threads find the handshake not done. */
static void *write_one(void *arg)
{
    return ssl_write(*(int *)arg, "w", 1) == 1 ? NULL : (void *)"write";
}

static void *read_one(void *arg)
{
    char c;

    return ssl_read(*(int *)arg, &c, 1) == 1 ? NULL : (void *)"read";
}

static void test_handshake_by_both(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        pthread_t t[4];
        void *complaint;
        int f[2];

        tcp_pair(f);
        attach_pair(f[0], f[1]);
        for (int k = 0; k < 4; k++) {
            pthread_create(&t[k], NULL, k % 2 ? read_one : write_one, &f[k / 2]);
        }
        for (int k = 0; k < 4; k++) {
            pthread_join(t[k], &complaint);
            assert_null(complaint);
        }
        close_pair(f);
    }
}

/* ---- close ---- */

static _Atomic pid_t reader;

static void *blocked_reader(void *arg)
{
    char c;

    reader = gettid();
    errno = 0;
    return (void *)(intptr_t)(ssl_read(*(int *)arg, &c, 1) < 0 ? errno : 0);
}

static void start_reader(pthread_t *t, int *fd)
{
    reader = 0;
    pthread_create(t, NULL, blocked_reader, fd);
    while (!reader) {
        nap_ms(1);
    }
    await_sleep(reader);
}

/* shutdown() from another thread wakes a blocked read, as with the kernel's; close() says
 * close_notify at once though a reader sits in the kernel. */
static void test_close_under_a_reader(void **state)
{
    char buf[8];
    pthread_t t;
    void *rc;
    int f[2];

    (void)state;
    tls_pair(f);
    start_reader(&t, &f[0]);
    assert_int_equal(ssl_shutdown(f[0], SHUT_RDWR), 0);
    pthread_join(t, &rc);
    assert_int_equal((intptr_t)rc, 0); /* end of stream */
    close_pair(f);

    tls_pair(f);
    start_reader(&t, &f[0]);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
    pthread_join(t, &rc);
    assert_int_equal((intptr_t)rc, EBADF);
    ssl_close(f[1]);
}

/* The number of a closed fd belongs to a plain socket at once: what the late reader does must not
 * touch it. */
static void test_reuse_under_a_reader(void **state)
{
    char buf[8];
    pthread_t t;
    void *rc;
    int f[2], plain[2], old;

    (void)state;
    tls_pair(f);
    start_reader(&t, &f[0]);
    tcp_pair(plain);
    assert_int_equal(write(plain[1], "mine", 4), 4);
    old = f[0];
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(dup2(plain[0], old), old);
    ssl_close(f[1]);
    pthread_join(t, &rc);
    assert_int_equal((intptr_t)rc, EBADF);
    assert_int_equal(ssl_read(old, buf, sizeof buf), 4);
    assert_memory_equal(buf, "mine", 4);
    close(old);
    close(plain[0]);
    close(plain[1]);
}

/* Look-ups against closing and making, on the same few fds. */
static _Atomic bool stop;

static void *look_up(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;

    while (!stop) {
        struct conn *c = conn_get((int)(rand_r(&seed) % 24) + 3);

        if (c) {
            conn_is_connected(c);
            conn_ready(c, POLLIN | POLLOUT);
            conn_put(c);
        }
    }
    return NULL;
}

static void test_table(void **state)
{
    pthread_t t[3];

    (void)state;
    stop = false;
    for (uintptr_t i = 0; i < 3; i++) {
        pthread_create(&t[i], NULL, look_up, (void *)(i + 1));
    }
    for (int i = 0; i < 400; i++) {
        int f[2], copy;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, f), 0);
        attach_pair(f[0], f[1]);
        copy = dup(f[0]);
        assert_int_equal(conn_alias(f[0], copy), 0);
        ssl_close(f[0]);
        assert_true(conn_any());
        ssl_close(f[1]);
        ssl_close(copy);
    }
    stop = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
    }
    assert_false(conn_any());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bulk_both_ways),
        cmocka_unit_test(test_small_buffers_both_ways),
        cmocka_unit_test(test_many_of_each),
        cmocka_unit_test(test_handshake_by_both),
        cmocka_unit_test(test_close_under_a_reader),
        cmocka_unit_test(test_reuse_under_a_reader),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
