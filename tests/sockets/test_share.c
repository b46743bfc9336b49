/* SPDX-License-Identifier: ISC */
/* Several processes with one connection (threats 25, 40): they read and write in turn, in any order
 * of coming and going. The peer's record layer refuses a sequence number that comes twice. */
#include <sys/mman.h>

#include "shim/conn.h"
#include "tests/sockets/children.h"

#if UNDER_ASAN
enum { RECORDS = 200, KILLS = 20 };
#else
enum { RECORDS = 1000, KILLS = 60 };
#endif

/* A record tells who wrote it, and its number there. */
struct record {
    uint8_t who, fill[3];
    uint32_t number, sum;
    uint8_t body[200];
};

static uint32_t sum_of(const struct record *r)
{
    uint32_t sum = r->who * 31U + r->number;

    for (size_t i = 0; i < sizeof r->body; i++) {
        sum = sum * 33 + r->body[i];
    }
    return sum;
}

static struct record record_of(uint8_t who, uint32_t number)
{
    struct record r = { .who = who, .number = number };

    fill_pattern(r.body, sizeof r.body, who * 1000003U + number);
    r.sum = sum_of(&r);
    return r;
}

static bool write_records(int fd, uint8_t who, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct record r = record_of(who, i);

        if (ssl_write(fd, &r, sizeof r) != sizeof r) {
            return false;
        }
    }
    return true;
}

/* n records of each of the writers, those of one in order. */
static void expect_records(int fd, unsigned writers, uint32_t n)
{
    uint32_t next[8] = { 0 };

    for (uint32_t i = 0; i < writers * n; i++) {
        struct record r;

        read_exactly(fd, &r, sizeof r);
        assert_int_equal(r.sum, sum_of(&r));
        assert_in_range(r.who, 0, writers - 1);
        assert_int_equal(r.number, next[r.who]);
        next[r.who]++;
    }
}

/* One byte from one process to another: whose turn it is. */
static void pass(const int p[2])
{
    if (write(p[1], "t", 1) != 1) {
        _exit(99);
    }
}

static bool my_turn(const int p[2])
{
    char c;

    return read(p[0], &c, 1) == 1;
}

static void threat_40_writers_in_turn(void **state)
{
    int f[2], down[2], up[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    pid = fork();
    if (pid == 0) {
        for (uint32_t i = 0; i < RECORDS; i++) {
            struct record r = record_of(1, i);

            CHILD(my_turn(down));
            CHILD(ssl_write(f[0], &r, sizeof r) == sizeof r);
            pass(up);
        }
        CHILD(ssl_close(f[0]) == 0);
        _exit(0);
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record r = record_of(0, i), in[2];

        assert_int_equal(ssl_write(f[0], &r, sizeof r), sizeof r);
        pass(down);
        assert_true(my_turn(up));
        read_exactly(f[1], in, sizeof in);
        assert_memory_equal(&in[0], &r, sizeof r);
        r = record_of(1, i);
        assert_memory_equal(&in[1], &r, sizeof r);
    }
    assert_int_equal(join(pid), 0);
    close_pair(f);
}

/* All at once; the last one to go says close_notify, whoever that is. With SLEEVE_TEST_FULL=1 it is
 * a hundred thousand records. */
static void threat_40_writers_at_once(void **state)
{
    const uint32_t records = getenv("SLEEVE_TEST_FULL") ? 34000 : RECORDS;
    int f[2];
    pid_t pid[2];
    char c;

    (void)state;
    for (int order = 0; order < 2; order++) {
        tls_pair(f);
        for (uint8_t i = 0; i < 2; i++) {
            pid[i] = fork();
            if (pid[i] == 0) {
                ssl_close(f[1]);
                CHILD(write_records(f[0], i, records));
                CHILD(ssl_close(f[0]) == 0);
                _exit(0);
            }
        }
        if (order == 1) {
            ssl_close(f[0]); /* the children have it for themselves */
        }
        if (order == 0) {
            pid_t third = fork();

            if (third == 0) {
                CHILD(write_records(f[0], 2, records));
                _exit(0); /* not even closed */
            }
            expect_records(f[1], 3, records);
            assert_int_equal(join(third), 0);
            ssl_close(f[0]);
        } else {
            expect_records(f[1], 2, records);
        }
        assert_int_equal(ssl_read(f[1], &c, 1), 0);
        assert_int_equal(join(pid[0]), 0);
        assert_int_equal(join(pid[1]), 0);
        ssl_close(f[1]);
    }
}

/* A byte each: what one process opened and did not read, the other one gets. */
static void readers_in_turn(void **state)
{
    enum { BYTES = 5000 };
    int f[2], down[2], up[2];
    uint8_t all[BYTES], c;
    pid_t pid;

    (void)state;
    tls_pair(f);
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    fill_pattern(all, sizeof all, 0);
    assert_int_equal(ssl_write(f[1], all, sizeof all), sizeof all);
    pid = fork();
    if (pid == 0) {
        for (int i = 1; i < BYTES; i += 2) {
            CHILD(my_turn(down));
            CHILD(ssl_read(f[0], &c, 1) == 1 && c == all[i]);
            pass(up);
        }
        _exit(0);
    }
    for (int i = 0; i < BYTES; i += 2) {
        assert_int_equal(ssl_read(f[0], &c, 1), 1);
        assert_int_equal(c, all[i]);
        pass(down);
        assert_true(my_turn(up));
    }
    assert_int_equal(join(pid), 0);
    close_pair(f);
}

/* Who waits, in whatever way, sees what another process left: the kernel does not tell it. */
static void left_for_who_waits(void **state)
{
    int f[2], up[2];
    char buf[16];
    pid_t pid;

    (void)state;
    for (int way = 0; way < 2; way++) {
        tls_pair(f);
        assert_int_equal(pipe(up), 0);
        pid = fork();
        if (pid == 0) {
            struct pollfd p = { .fd = f[0], .events = POLLIN };

            pass(up);
            CHILD(way == 0 || (ssl_poll(&p, 1, 30000) == 1 && p.revents == POLLIN));
            CHILD(ssl_read(f[0], buf, sizeof buf) == 3 && memcmp(buf, "bcd", 3) == 0);
            _exit(0);
        }
        assert_true(my_turn(up));
        nap_ms(100); /* it waits by now, most probably */
        assert_int_equal(kill(pid, SIGSTOP), 0);
        assert_int_equal(ssl_write(f[1], "abcd", 4), 4);
        assert_int_equal(ssl_read(f[0], buf, 1), 1);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(join(pid), 0);
        close_pair(f);
        close(up[0]);
        close(up[1]);
    }
}

static int key_update(int fd, bool ask)
{
    struct conn *c = conn_get(fd);
    struct hold h;
    int rc = conn_enter(&h, c, fd, HALF_BOTH);

    if (rc == 0) {
        rc = tls_key_update(c->tls, ask);
        atomic_store(&c->note, true);
        conn_leave(&h);
    }
    conn_put(c);
    return rc;
}

/* Both directions and KeyUpdates in between, by whichever process. */
static void key_updates(void **state)
{
    int f[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    pid = fork();
    if (pid == 0) {
        for (uint32_t i = 0; i < RECORDS; i++) {
            struct record r = record_of(0, i);

            CHILD(i % 50 || key_update(f[0], i % 100 == 0) == 0);
            CHILD(ssl_write(f[0], &r, sizeof r) == sizeof r);
        }
        _exit(0);
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct record r = record_of(1, i);

        if (i % 70 == 3) {
            assert_int_equal(key_update(f[0], true), 0);
        }
        assert_int_equal(ssl_write(f[0], &r, sizeof r), sizeof r);
    }
    expect_records(f[1], 2, RECORDS);
    assert_int_equal(ssl_write(f[1], "back", 4), 4);
    assert_int_equal(join(pid), 0);
    read_exactly(f[0], &(char[4]){ 0 }, 4);
    close_pair(f);
}

/* The handshake belongs to who begins it; the other one waits, then both have the connection. */
static void handshake_in_one(void **state)
{
    int f[2], down[2];
    char buf[8];
    pid_t pid;

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    assert_int_equal(pipe(down), 0);
    pid = fork();
    if (pid == 0) {
        CHILD(ssl_read(f[1], buf, 4) == 4 && memcmp(buf, "ping", 4) == 0);
        CHILD(ssl_write(f[1], "pong", 4) == 4);
        CHILD(my_turn(down));
        _exit(0);
    }
    assert_int_equal(ssl_handshake(f[0]), 0);
    assert_int_equal(ssl_write(f[0], "ping", 4), 4);
    read_exactly(f[0], buf, 4);
    assert_int_equal(ssl_write(f[1], "more", 4), 4);
    read_exactly(f[0], buf, 4);
    assert_memory_equal(buf, "more", 4);
    pass(down);
    assert_int_equal(join(pid), 0);
    close_pair(f);
}

static void not_while_another_shakes_hands(void **state)
{
    int f[2], up[2], down[2];
    pid_t pid;
    char c;

    (void)state;
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    pid = fork();
    if (pid == 0) {
        nonblocking(f[0], true);
        CHILD(ssl_handshake(f[0]) == -1 && errno == EAGAIN); /* it has begun */
        pass(up);
        CHILD(my_turn(down));
        nonblocking(f[0], false);
        CHILD(ssl_handshake(f[0]) == 0);
        pass(up);
        CHILD(my_turn(down));
        _exit(0);
    }
    assert_true(my_turn(up));
    assert_fails(ssl_recv(f[0], &c, 1, MSG_DONTWAIT), EAGAIN);
    assert_fails(ssl_send(f[0], "x", 1, MSG_DONTWAIT), EAGAIN);
    assert_int_equal(ssl_poll(&(struct pollfd){ .fd = f[0], .events = POLLIN | POLLOUT }, 1, 50),
                     0);
    pass(down);
    assert_int_equal(ssl_handshake(f[1]), 0);
    assert_true(my_turn(up));
    assert_int_equal(ssl_write(f[0], "x", 1), 1);
    assert_int_equal(ssl_read(f[1], &c, 1), 1);
    pass(down);
    assert_int_equal(join(pid), 0);
    close_pair(f);
}

/* Killed at any moment: either it was not inside and the other goes on, or the connection is over
 * for everybody, and the peer is told no close_notify. Never is a number used twice. */
static void threat_40_killed(void **state)
{
    int broken = 0, whole = 0;

    (void)state;
    for (int i = 0; i < KILLS; i++) {
        struct record r = record_of(7, 0);
        uint32_t next = 0;
        bool last = false;
        int f[2], status, born[2];
        ssize_t n;
        pid_t pid;

        tls_pair(f);
        assert_int_equal(pipe(born), 0);
        pid = fork();
        if (pid == 0) {
            pass(born);
            ssl_close(f[1]);
            (void)write_records(f[0], 0, 1000000);
            _exit(1);
        }
        assert_true(my_turn(born));
        close(born[0]);
        close(born[1]);
        for (int k = 0; k < i % 7; k++) { /* some have come: it is at work */
            read_exactly(f[1], &r, sizeof r);
            assert_int_equal(r.number, next++);
        }
        for (volatile int spin = i * 997 % 20000; spin > 0; spin--) {
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        r = record_of(7, 0);
        n = ssl_send(f[0], &r, sizeof r, MSG_DONTWAIT);
        if (n != sizeof r) {
            assert_int_equal(n, -1);
            assert_true(errno == ECONNABORTED || errno == EAGAIN);
            if (errno == ECONNABORTED) {
                assert_non_null(strstr(ssl_error(f[0]), "another process died"));
                assert_fails(ssl_write(f[0], "x", 1), ECONNABORTED);
            }
        }
        broken += n != sizeof r;
        whole += n == sizeof r;
        ssl_close(f[0]);
        /* What comes is in order, and ends with our record and close_notify, or without either. */
        while ((status = (int)ssl_recv(f[1], &r, sizeof r, MSG_WAITALL)) == sizeof r) {
            assert_false(last);
            assert_int_equal(r.sum, sum_of(&r));
            last = r.who == 7;
            assert_int_equal(r.number, last ? 0 : next);
            next++;
        }
        if (n == sizeof r) {
            assert_true(last);
            if (status != 0) {
                fail_msg("round %d: %s: %s", i, strerror(errno), ssl_error(f[1]));
            }
        }
        ssl_close(f[1]);
    }
    print_message("killed inside: %d, outside: %d\n", broken, whole);
}

static void fork_from_fork(void **state)
{
    int f[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    pid = fork();
    if (pid == 0) {
        pid_t more = fork();

        CHILD(more >= 0);
        if (more == 0) {
            pid_t most = fork();

            CHILD(most >= 0);
            CHILD(write_records(f[0], most == 0 ? 3 : 2, RECORDS));
            CHILD(most == 0 || join(most) == 0);
            _exit(0);
        }
        CHILD(write_records(f[0], 1, RECORDS));
        CHILD(join(more) == 0);
        _exit(0);
    }
    assert_true(write_records(f[0], 0, RECORDS / 4));
    {
        pid_t helper = fork(); /* the reader, so that nobody waits for room */

        if (helper == 0) {
            uint32_t next[4] = { 0 };

            for (uint32_t i = 0; i < 3 * RECORDS + RECORDS / 4; i++) {
                struct record r;

                CHILD(ssl_recv(f[1], &r, sizeof r, MSG_WAITALL) == sizeof r);
                CHILD(r.sum == sum_of(&r) && r.who < 4 && r.number == next[r.who]++);
            }
            CHILD(next[0] == RECORDS / 4 && next[3] == RECORDS);
            _exit(0);
        }
        assert_int_equal(join(pid), 0);
        assert_int_equal(join(helper), 0);
    }
    close_pair(f);
}

/* A duplicate, then a fork; each process closes both of its own in another order. */
static void duplicates(void **state)
{
    int f[2], copy;
    pid_t pid;
    char buf[16];

    (void)state;
    tls_pair(f);
    copy = ssl_dup2(f[0], 60);
    assert_int_equal(copy, 60);
    pid = fork();
    if (pid == 0) {
        CHILD(ssl_write(copy, "child", 5) == 5);
        CHILD(ssl_close(f[0]) == 0 && ssl_write(copy, "again", 5) == 5 && ssl_close(copy) == 0);
        _exit(0);
    }
    assert_int_equal(join(pid), 0);
    assert_int_equal(ssl_close(copy), 0);
    assert_int_equal(ssl_write(f[0], "parent", 6), 6);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(ssl_recv(f[1], buf, 16, MSG_WAITALL), 16);
    assert_memory_equal(buf, "childagainparent", 16);
    assert_int_equal(ssl_read(f[1], buf, 1), 0);
    ssl_close(f[1]);
}

static void *close_thread(void *fd)
{
    ssl_close(*(int *)fd);
    return NULL;
}

/* A tail that found no room in the kernel goes with whoever is left. */
static void tail_is_left(void **state)
{
    enum { SIZE = 300000 };
    uint8_t *out = malloc(SIZE), *in = malloc(SIZE);
    ssize_t sent = 0, n;
    int f[2], status[2];
    pthread_t closer;
    pid_t pid;

    (void)state;
    assert_true(out && in);
    fill_pattern(out, SIZE, 0);
    tls_pair(f);
    small_buffers(f);
    assert_int_equal(pipe(status), 0);
    pid = fork();
    if (pid == 0) {
        while (sent < SIZE &&
               (n = ssl_send(f[0], out + sent, (size_t)(SIZE - sent), MSG_DONTWAIT)) > 0) {
            sent += n;
        }
        CHILD(sent == SIZE || errno == EAGAIN);
        CHILD(write(status[1], &sent, sizeof sent) == sizeof sent);
        _exit(0);
    }
    assert_int_equal(read(status[0], &sent, sizeof sent), sizeof sent);
    assert_int_equal(join(pid), 0);
    pthread_create(&closer, NULL, close_thread, &f[0]);
    read_exactly(f[1], in, (size_t)sent);
    assert_memory_equal(in, out, (size_t)sent);
    assert_int_equal(ssl_read(f[1], in, 1), 0);
    pthread_join(closer, NULL);
    ssl_close(f[1]);
    free(in);
    free(out);
}

/* One that ended is found out, and the connection is private memory again. */
static void alone_again(void **state)
{
    int f[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    assert_int_equal(join(pid), 0);
    assert_int_equal(ssl_write(f[0], "x", 1), 1);
    {
        struct conn *c = conn_get(f[0]);

        assert_true(conn_deadline_ms(c) >= 0); /* nobody knows yet */
        assert_true(write_records(f[0], 0, 200));
        assert_int_equal(conn_deadline_ms(c), -1);
        conn_put(c);
    }
    read_exactly(f[1], &(char){ 0 }, 1);
    expect_records(f[1], 1, 200);
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_40_writers_in_turn),
        cmocka_unit_test(threat_40_writers_at_once),
        cmocka_unit_test(readers_in_turn),
        cmocka_unit_test(left_for_who_waits),
        cmocka_unit_test(key_updates),
        cmocka_unit_test(handshake_in_one),
        cmocka_unit_test(not_while_another_shakes_hands),
        cmocka_unit_test(threat_40_killed),
        cmocka_unit_test(fork_from_fork),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(tail_is_left),
        cmocka_unit_test(alone_again),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
