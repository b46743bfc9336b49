/* SPDX-License-Identifier: ISC */
/* threat 40: after a fork parent and child have the connection in common. More: test_share.c. */
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests/sockets/children.h"

static void child_first(void **state)
{
    char buf[16];
    pid_t pid;
    int f[2];

    (void)state;
    tls_pair(f);
    pid = fork();
    if (pid == 0) {
        CHILD(ssl_write(f[0], "child", 5) == 5);
        CHILD(ssl_close(f[0]) == 0);
        _exit(0);
    }
    assert_int_equal(join(pid), 0);
    /* The child said no close_notify: it was not the last. */
    assert_int_equal(ssl_write(f[0], "parent", 6), 6);
    assert_int_equal(ssl_recv(f[1], buf, 11, MSG_WAITALL), 11);
    assert_memory_equal(buf, "childparent", 11);
    assert_int_equal(ssl_close(f[0]), 0);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
    ssl_close(f[1]);
}

static void parent_first(void **state)
{
    char buf[16];
    int f[2], go[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    assert_int_equal(pipe(go), 0);
    pid = fork();
    if (pid == 0) {
        CHILD(read(go[0], buf, 1) == 1);
        CHILD(ssl_write(f[0], "child", 5) == 5);
        CHILD(ssl_close(f[0]) == 0); /* silent */
        _exit(0);
    }
    assert_int_equal(ssl_write(f[0], "parent", 6), 6);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(join(pid), 0);
    assert_int_equal(ssl_write(f[0], "again", 5), 5);
    assert_int_equal(ssl_recv(f[1], buf, 16, MSG_WAITALL), 16);
    assert_memory_equal(buf, "parentchildagain", 16);
    ssl_close(f[0]);
    assert_int_equal(ssl_read(f[1], buf, 1), 0);
    ssl_close(f[1]);
    close(go[0]);
    close(go[1]);
}

/* Closing is not using: the parent of a server that forks closes its copy and the child serves. */
static void close_in_parent(void **state)
{
    char buf[16];
    int f[2], go[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    assert_int_equal(pipe(go), 0);
    pid = fork();
    if (pid == 0) {
        CHILD(read(go[0], buf, 1) == 1);
        CHILD(ssl_write(f[1], "served", 6) == 6);
        CHILD(ssl_close(f[1]) == 0);
        _exit(0);
    }
    assert_int_equal(ssl_close(f[1]), 0);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(ssl_read(f[0], buf, sizeof buf), 6);
    assert_int_equal(ssl_read(f[0], buf, sizeof buf), 0);
    assert_int_equal(join(pid), 0);
    ssl_close(f[0]);
    close(go[0]);
    close(go[1]);
}

/* Children that do nothing and go, then a child, its child, and back again. */
static void chains(void **state)
{
    char buf[64];
    int f[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    for (int i = 0; i < 3; i++) {
        pid = fork();
        if (pid == 0) {
            _exit(0);
        }
        assert_int_equal(ssl_write(f[0], "p", 1), 1);
        assert_int_equal(join(pid), 0);
    }
    pid = fork();
    if (pid == 0) {
        pid_t grand;

        CHILD(ssl_write(f[0], "c", 1) == 1);
        grand = fork();
        if (grand == 0) {
            CHILD(ssl_write(f[0], "g", 1) == 1);
            _exit(0);
        }
        CHILD(join(grand) == 0);
        CHILD(ssl_write(f[0], "x", 1) == 1);
        _exit(0);
    }
    assert_int_equal(join(pid), 0);
    assert_int_equal(ssl_write(f[0], "y", 1), 1);
    assert_int_equal(ssl_recv(f[1], buf, 7, MSG_WAITALL), 7);
    assert_memory_equal(buf, "pppcgxy", 7);
    close_pair(f);
}

#if UNDER_ASAN
enum { ROUNDS = 1000 }; /* a fork costs ten times as much */
#else
enum { ROUNDS = 10000 };
#endif

/* Parent and child write at the same moment, many times; the receiver's record layer would refuse a
 * sequence number that was used twice, and the counts must fit. */
static void await(_Atomic int *flag)
{
    for (int spin = 0; !*flag; spin++) {
        if (spin > 300) {
            sched_yield();
        }
    }
}

static void threat_40_race(void **state)
{
    struct shared {
        _Atomic int ready, go, child_won, child_done;
    } *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int f[2], child_wins = 0, parent_wins = 0;
    char buf[2];

    (void)state;
    tls_pair(f);
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t mine;
        pid_t pid;

        shared->ready = shared->go = shared->child_done = 0;
        shared->child_won = -1;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            shared->ready = 1;
            await(&shared->go);
            for (volatile int spin = i % 64 * 8; spin > 0; spin--) {
            }
            shared->child_won = ssl_write(f[0], "c", 1) == 1;
            shared->child_done = 1;
            _exit(0);
        }
        await(&shared->ready);
        shared->go = i % 100 != 50; /* now and then the parent is sure to win */
        if (i % 100 == 0) {         /* or the child */
            await(&shared->child_done);
        }
        for (volatile int spin = i / 64 % 64 * 200; spin > 0; spin--) {
        }
        mine = ssl_write(f[0], "p", 1);
        shared->go = 1;
        assert_int_equal(join(pid), 0);
        assert_int_equal(mine + shared->child_won, 2);
        assert_int_equal(ssl_recv(f[1], buf, 2, MSG_WAITALL), 2);
        assert_int_equal(buf[0] + buf[1], 'p' + 'c');
        parent_wins += buf[0] == 'p';
        child_wins += buf[0] == 'c';
    }
    print_message("parent %d, child %d of %d\n", parent_wins, child_wins, ROUNDS);
    assert_true(parent_wins > 0);
    assert_true(child_wins > 0);
    close_pair(f);
    munmap(shared, sizeof *shared);
}

/* A thread is at work in the connection while another one forks: the child waits until it has left,
 * and does not hang on a lock that was held. */
static _Atomic bool stop;
static _Atomic unsigned *writes; /* shared by the processes */

static void *keep_writing(void *arg)
{
    int fd = *(int *)arg;
    uint64_t pos = 0;
    uint8_t out[5000];

    while (!stop) {
        fill_pattern(out, sizeof out, pos);
        if (ssl_write(fd, out, sizeof out) != sizeof out) {
            return (void *)"write";
        }
        pos += sizeof out;
        ++*writes;
    }
    ssl_shutdown(fd, SHUT_WR);
    return NULL;
}

static void *keep_reading(void *arg)
{
    int fd = *(int *)arg;
    uint64_t pos = 0;
    uint8_t in[9000];
    ssize_t n;

    while ((n = ssl_read(fd, in, sizeof in)) > 0) {
        expect_pattern(in, (size_t)n, pos);
        pos += (uint64_t)n;
    }
    return n == 0 ? NULL : (void *)"read";
}

static void busy_thread(void **state)
{
    pthread_t w, r;
    void *complaint;
    int f[2];

    (void)state;
    if (!FORKS_BESIDE_THREADS) {
        skip();
    }
    tls_pair(f);
    writes = mmap(NULL, sizeof *writes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    stop = false;
    pthread_create(&w, NULL, keep_writing, &f[0]);
    pthread_create(&r, NULL, keep_reading, &f[1]);
    for (int i = 0; i < 300; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            unsigned seen = *writes;

            alarm(20);
            while (i % 4 == 0 && *writes < seen + 2) { /* the parent has used it since */
                sched_yield();
            }
            CHILD(i % 2 || ssl_write(f[0], "", 0) == 0);
            CHILD(ssl_close(f[0]) == 0);
            CHILD(ssl_close(f[1]) == 0);
            _exit(0);
        }
        assert_int_equal(join(pid), 0);
    }
    stop = true;
    pthread_join(w, &complaint);
    assert_null(complaint);
    pthread_join(r, &complaint);
    assert_null(complaint);
    close_pair(f);
    munmap((void *)writes, sizeof *writes);
}

/* Children that the fork handlers never saw. */
static pid_t raw_fork(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void raw_clone_owns_nothing(void **state)
{
    char buf[16];
    int f[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    pid = raw_fork();
    if (pid == 0) {
        CHILD(ssl_write(f[0], "child", 5) == -1 && errno == EPERM);
        CHILD(ssl_read(f[0], buf, 1) == -1 && errno == EPERM);
        CHILD(ssl_close(f[0]) == 0);
        _exit(0);
    }
    assert_int_equal(join(pid), 0);
    assert_int_equal(ssl_write(f[0], "parent", 6), 6);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 6);
    ssl_close(f[0]);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 0);
    ssl_close(f[1]);
}

/* A child that borrows our memory (vfork, posix_spawn) closes fds in its own table of them; ours
 * must stay as it is. */
static int borrowing_child(void *arg)
{
    ssl_close(*(int *)arg);
    return 0;
}

static void vfork_leaves_the_table_alone(void **state)
{
    static char stack[65536] __attribute__((aligned(16)));
    char buf[16];
    int f[2];
    pid_t pid;

    (void)state;
    tls_pair(f);
    pid = clone(borrowing_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &f[0]);
    assert_true(pid > 0);
    assert_int_equal(join(pid), 0);
    assert_int_equal(ssl_write(f[0], "still", 5), 5);
    assert_int_equal(ssl_read(f[1], buf, sizeof buf), 5);
    close_pair(f);
}

/* ssl_accept() leaves the handshake to the child; the parent closes its copy. */
static void fork_per_connection_server(void **state)
{
    enum { CLIENTS = 20 };
    struct sockaddr_in addr;
    int l = listener(&addr);
    pid_t server;

    (void)state;
    server = fork();
    if (server == 0) {
        for (int i = 0; i < CLIENTS; i++) {
            int c = ssl_accept(l, NULL, NULL);
            pid_t pid;
            char buf[64];

            CHILD(c >= 0);
            pid = fork();
            if (pid == 0) {
                ssize_t n;

                ssl_close(l);
                while ((n = ssl_read(c, buf, sizeof buf)) > 0) {
                    CHILD(ssl_write(c, buf, (size_t)n) == n);
                }
                CHILD(n == 0 && ssl_close(c) == 0);
                _exit(0);
            }
            CHILD(ssl_close(c) == 0);
        }
        for (int i = 0; i < CLIENTS; i++) {
            int status;

            CHILD(wait(&status) > 0 && status == 0);
        }
        _exit(0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        int fd = client_socket("server.test", "ca.crt");
        char out[32], in[32];

        assert_int_equal(ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
        snprintf(out, sizeof out, "client %d", i);
        assert_int_equal(ssl_write(fd, out, sizeof out), sizeof out);
        read_exactly(fd, in, sizeof in);
        assert_string_equal(in, out);
        ssl_shutdown(fd, SHUT_WR);
        assert_int_equal(ssl_read(fd, in, 1), 0);
        ssl_close(fd);
    }
    assert_int_equal(join(server), 0);
    ssl_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_first),
        cmocka_unit_test(parent_first),
        cmocka_unit_test(close_in_parent),
        cmocka_unit_test(chains),
        cmocka_unit_test(threat_40_race),
        cmocka_unit_test(busy_thread),
        cmocka_unit_test(raw_clone_owns_nothing),
        cmocka_unit_test(vfork_leaves_the_table_alone),
        cmocka_unit_test(fork_per_connection_server),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
