/* SPDX-License-Identifier: ISC */
/* Memory that processes share for sessions: what is kept, what goes first, and that no process can
 * harm the others by being killed or stopped, wherever it is. */
#include <sched.h>

#include "base/buf.h"
#include "shim/store.h"
#include "tests/sockets/peers.h"

static const struct session_store *open_store(const char *name)
{
    struct store *s;
    struct error err;

    error_clear(&err);
    assert_int_equal(store_open(name, &s, &err), 0);
    return store_calls(s);
}

/* ---- values that tell whether they are whole ---- */
static struct span id_of(unsigned which)
{
    static __thread uint8_t id[SESSION_ID_MAX];

    memset(id, 0x11, sizeof id);
    memcpy(id, &which, sizeof which);
    return span_of(id, sizeof id);
}

static struct span value_of(unsigned which, unsigned turn, size_t n)
{
    static __thread uint8_t value[STORE_SHM_VALUE + 1];

    memset(value, (int)(which * 31 + turn), n);
    return span_of(value, n);
}

static void put(const struct session_store *s, unsigned which, unsigned turn, size_t n,
                uint32_t life)
{
    s->put(s->ctx, id_of(which), value_of(which, turn, n), life);
}

/* Its length; 0: missed; -1: not what was put. */
static int get(const struct session_store *s, unsigned which, bool takes)
{
    struct session_lookup *l = session_lookup_new(id_of(which), takes);
    struct span v;
    int n;

    assert_non_null(l);
    s->get(s->ctx, l);
    session_lookup_unref(l);
    assert_true(task_ready(session_lookup_task(l)));
    v = session_lookup_value(l);
    n = (int)v.n;
    for (size_t i = 1; i < v.n; i++) {
        n = v.p[i] == v.p[0] ? n : -1;
    }
    session_lookup_cancel(l);
    return n;
}

/* ---- one process ---- */
static void test_keeps(void **state)
{
    const struct session_store *s = open_store("shm:1000");

    (void)state;
    assert_int_equal(get(s, 1, false), 0);
    put(s, 1, 0, 300, 60);
    assert_int_equal(get(s, 1, false), 300);
    put(s, 1, 1, 301, 60); /* the same id again */
    assert_int_equal(get(s, 1, false), 301);
    assert_int_equal(get(s, 1, true), 301);
    assert_int_equal(get(s, 1, true), 0); /* once */
    put(s, 1, 0, 300, 60);
    s->drop(s->ctx, id_of(1));
    assert_int_equal(get(s, 1, false), 0);
    s->drop(s->ctx, id_of(1));
    put(s, 2, 0, STORE_SHM_VALUE, 60);
    put(s, 3, 0, STORE_SHM_VALUE + 1, 60);
    assert_int_equal(get(s, 2, false), STORE_SHM_VALUE);
    assert_int_equal(get(s, 3, false), 0);
    put(s, 4, 0, 100, 1);
    assert_int_equal(get(s, 4, false), 100);
    nap_ms(2100);
    assert_int_equal(get(s, 4, false), 0);
    assert_ptr_equal(open_store("shm:1000")->ctx, s->ctx);
    assert_ptr_not_equal(open_store("shm:999")->ctx, s->ctx);
}

static void test_replaces(void **state)
{
    const struct session_store *s = open_store("shm:3"), *one = open_store("shm:1");

    (void)state;
    put(s, 1, 0, 10, 60);
    put(s, 2, 0, 20, 60);
    put(s, 3, 0, 30, 60);
    assert_int_equal(get(s, 1, false), 10); /* so 2 is the oldest */
    put(s, 4, 0, 40, 60);
    assert_int_equal(get(s, 2, false), 0);
    assert_int_equal(get(s, 1, false), 10);
    assert_int_equal(get(s, 3, false), 30);
    assert_int_equal(get(s, 4, false), 40);
    assert_int_equal(get(s, 3, true), 30); /* a place is free */
    put(s, 5, 0, 50, 60);
    assert_int_equal(get(s, 1, false), 10);
    assert_int_equal(get(s, 4, false), 40);
    assert_int_equal(get(s, 5, false), 50);
    put(one, 1, 0, 10, 60);
    put(one, 2, 0, 20, 60);
    assert_int_equal(get(one, 1, false), 0);
    assert_int_equal(get(one, 2, false), 20);
}

/* ---- several ---- */
#define CHILDREN 4
#define IDS      8

/* Takes what it gets until it is killed; ends by itself only when something is wrong. */
static void hammer(const struct session_store *s, unsigned seed)
{
    for (unsigned turn = seed;; turn++) {
        unsigned which = turn * 2654435761U >> 29;
        int n;

        put(s, which, turn, 1 + turn % STORE_SHM_VALUE, 60);
        n = get(s, which, turn % 7 == 0);
        if (n < 0 || n > STORE_SHM_VALUE) {
            _exit(1);
        }
        if (turn % 11 == 0) {
            s->drop(s->ctx, id_of(which));
        }
        if (getppid() == 1) {
            _exit(0);
        }
    }
}

static pid_t spawn(const struct session_store *s, unsigned seed)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(DEADLINE_S);
        hammer(s, seed);
    }
    return pid;
}

/* By SIGKILL, and not because it saw something wrong. */
static void reap(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* All of it is of use; a moment may belong to another process. */
static void check_all(const struct session_store *s, unsigned from)
{
    for (unsigned i = from; i < from + IDS; i++) {
        int n = 0;

        for (int tries = 0; tries < 1000 && n <= 0; tries++) {
            put(s, i, i, 100, 60);
            n = get(s, i, false);
            assert_true(n >= 0);
        }
        assert_int_equal(n, 100);
    }
}

static void test_killed(void **state)
{
    const struct session_store *s = open_store("shm:8"); /* one row: all want its lock */
    pid_t child[CHILDREN];

    (void)state;
    for (unsigned i = 0; i < CHILDREN; i++) {
        child[i] = spawn(s, i << 20);
    }
    for (unsigned i = 0; i < 400; i++) {
        nap_ms((int)(i % 4));
        reap(child[i % CHILDREN]);
        child[i % CHILDREN] = spawn(s, i << 12);
    }
    for (unsigned i = 0; i < CHILDREN; i++) {
        reap(child[i]);
    }
    check_all(s, 100);
}

/* One that is stopped in there costs the others what is in that row, and no time. */
static void test_stopped(void **state)
{
    const struct session_store *s = open_store("shm:7");
    int64_t longest = 0;
    pid_t child;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        child = spawn(s, i << 12);
        nap_ms(2);
        assert_int_equal(kill(child, SIGSTOP), 0);
        assert_int_equal(waitpid(child, NULL, WUNTRACED), child);
        for (unsigned k = 0; k < 20; k++) {
            int64_t before = clock_ms(), took;

            put(s, k, k, 50, 60);
            assert_true(get(s, k, false) >= 0);
            took = clock_ms() - before;
            longest = took > longest ? took : longest;
        }
        reap(child);
        check_all(s, 200);
    }
    assert_in_range(longest, 0, 5000);
}

static void test_taken_once(void **state)
{
    const struct session_store *s = open_store("shm:64");
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    for (unsigned round = 0; round < 200; round++) {
        pid_t child[2];
        char got[2];

        put(s, round, 0, 100, 60);
        for (int i = 0; i < 2; i++) {
            child[i] = fork();
            assert_true(child[i] >= 0);
            if (child[i] == 0) {
                got[0] = get(s, round, true) > 0;
                _exit(write(pipes[1], got, 1) == 1 ? 0 : 1);
            }
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(waitpid(child[i], NULL, 0), child[i]);
            assert_int_equal(read(pipes[0], got + i, 1), 1);
        }
        assert_int_equal(got[0] + got[1], 1);
    }
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- the option ---- */
static void test_names(void **state)
{
    static const struct {
        const char *name;
        int err;
    } rows[] = {
        { "shm:1", 0 },
        { "shm:1000000", 0 },
        { "shm:0", EINVAL },
        { "shm:1000001", EINVAL },
        { "shm:", EINVAL },
        { "shm:-1", EINVAL },
        { "shm: 1", EINVAL },
        { "shm:1x", EINVAL },
        { "shm:99999999999999999999", EINVAL },
        { "shm", EINVAL },
        { "disk:1", EINVAL },
        { "redis:", EINVAL },
        { "redis:localhost", EINVAL },
        { "redis:localhost:", EINVAL },
        { "redis:localhost:0", EINVAL },
        { "redis:localhost:65536", EINVAL },
        { "redis:local host:1", EINVAL },
        { "redis::1", EINVAL },
        { "redis:[]:1", EINVAL },
        { "memcached:a_b!:11211", EINVAL },
    };
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0), ms;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *name = rows[i].name;
        int rc;

        errno = 0;
        rc = ssl_setsockopt(fd, SOL_SSL, SSL_OPT_SESSION_STORE, name, (socklen_t)strlen(name));
        assert_int_equal(rc, rows[i].err ? -1 : 0);
        assert_int_equal(errno, rows[i].err);
        assert_true(rc == 0 || strlen(ssl_error(-1)) > 20);
    }
    for (size_t i = 0; i < 2; i++) { /* or it says why not */
        const char *name = i ? "redis:[::1]:6379" : "memcached:/nonexistent.sock";

        if (ssl_setsockopt(fd, SOL_SSL, SSL_OPT_SESSION_STORE, name, (socklen_t)strlen(name))) {
            assert_int_equal(errno, EOPNOTSUPP);
        }
    }
    set_string(fd, SSL_OPT_SESSION_STORE, "");
    for (ms = 0; ms <= 10001; ms += 10001) {
        assert_int_equal(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_SESSION_STORE_TIMEOUT, &ms, sizeof ms),
                         -1);
        assert_int_equal(errno, EINVAL);
    }
    set_number(fd, SSL_OPT_SESSION_STORE_TIMEOUT, 1);
    set_number(fd, SSL_OPT_SESSION_STORE_TIMEOUT, 10000);
    ssl_close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps),      cmocka_unit_test(test_replaces),
        cmocka_unit_test(test_killed),     cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_taken_once), cmocka_unit_test(test_names),
    };

    alarm(DEADLINE_S);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
