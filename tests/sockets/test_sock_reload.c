/* SPDX-License-Identifier: ISC */
/* Certificates, keys, anchors, CRLs and OCSP responses that change while a server runs: the next
 * connection has the new ones, and broken ones never take it down. */
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/trace.h"
#include "shim/reload.h"
#include "tests/sockets/clock.h"
#include "tests/sockets/peers.h"

static atomic_int said; /* lines of trace about files */

static void on_trace(void *ctx, enum trace_kind kind, const char *line)
{
    (void)ctx;
    (void)kind;
    said += strstr(line, "changed files") != NULL;
}

/* Longer than the second in which files are not looked at. */
static void look_again(void)
{
    clock_on_ms(1050);
}

struct server {
    int fd;
    struct sockaddr_in addr;
    pthread_t thread;
    atomic_bool stop;
    atomic_int failed; /* accepts */
};

static void *serve(void *arg)
{
    struct server *s = arg;

    while (!s->stop) {
        int fd = ssl_accept(s->fd, NULL, NULL);

        if (fd >= 0) {
            if (ssl_handshake(fd) == 0) {
                (void)!ssl_write(fd, "x", 1);
            }
            ssl_close(fd);
        } else if (errno != EAGAIN && errno != EINTR) { /* a timeout is not restarted */
            s->failed++;
        }
    }
    return NULL;
}

static void start(struct server *s)
{
    timeout_ms(s->fd, SO_RCVTIMEO, 50);
    s->stop = false;
    s->failed = 0;
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void prepare(struct server *s)
{
    memset(s, 0, sizeof *s);
    s->fd = listener(&s->addr);
    shell("cd %s && rm -rf live.pem && cp server.pem live.pem", certs);
    set_string(s->fd, SSL_OPT_CERT_FILE, cert_path("live.pem"));
}

static void stop(struct server *s)
{
    s->stop = true;
    pthread_join(s->thread, NULL);
    ssl_close(s->fd);
}

/* A connected client; the server's certificate was issued for `name` (its CN). */
static int client_sees(const struct server *s, const char *name)
{
    int fd = client_socket("server.test", "ca.crt");
    uint8_t der[4096];
    socklen_t len = sizeof der;

    if (ssl_connect(fd, (const struct sockaddr *)&s->addr, sizeof s->addr)) {
        fail_msg("connect: %s", ssl_error(fd));
    }
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_PEER_CERT, der, &len), 0);
    if (!memmem(der, len, name, strlen(name))) {
        fail_msg("the certificate is not %s's; server: %s", name, ssl_error(s->fd));
    }
    return fd;
}

static void sees(const struct server *s, const char *name)
{
    int fd = client_sees(s, name);
    char c;

    assert_int_equal(ssl_read(fd, &c, 1), 1);
    ssl_close(fd);
}

/* It reads files that were written seconds ago: what it has read of them is sure. */
static void reads_old_files(const struct server *s, const char *name)
{
    wall_ahead(3);
    look_again();
    sees(s, name);
    wall_ahead(0);
}

static void problem_is(const struct server *s, const char *words)
{
    const char *text = ssl_error(s->fd);

    if (!strstr(text, words)) {
        fail_msg("\"%s\" is not in \"%s\"", words, text);
    }
}

/* ---- certificate and key ---- */

static void test_rename(void **state)
{
    struct server s;
    int old;

    (void)state;
    prepare(&s);
    start(&s);
    old = client_sees(&s, "server");
    shell("cd %s && cp second.pem new && mv new live.pem", certs);
    look_again();
    sees(&s, "second");
    shell("cd %s && cp server.pem new && mv new live.pem", certs);
    look_again();
    sees(&s, "server");
    ssl_close(old);
    assert_int_equal(s.failed, 0);
    stop(&s);
}

static void test_in_place(void **state)
{
    struct server s;

    (void)state;
    prepare(&s);
    start(&s);
    sees(&s, "server");
    reads_old_files(&s, "server");
    shell("cd %s && cat second.pem >live.pem", certs);
    look_again();
    sees(&s, "second");
    stop(&s);
}

/* The same size, and the time put back; and what was written moments ago is not believed. */
static void test_same_looks(void **state)
{
    static const char write[] = "cd %s && echo %s >same && touch -d 2020-01-01 same";
    struct files young = { 0 }, old = { 0 };
    const char *culprit;

    (void)state;
    shell(write, certs, "one");
    assert_int_equal(files_note(&young, cert_path("same")), 1);
    assert_int_equal(files_changed(&young, &culprit), FILES_YOUNG);
    wall_ahead(3);
    nap_ms(20); /* the kernel counts a file's time in steps of some milliseconds */
    assert_int_equal(files_note(&old, cert_path("same")), 1);
    assert_int_equal(files_changed(&old, &culprit), FILES_SAME);
    shell(write, certs, "two");
    assert_int_equal(files_changed(&old, &culprit), FILES_OTHER);
    wall_ahead(0);
    files_free(&young);
    files_free(&old);
}

/* One after the other: in between nothing changes. */
static void test_key_after_certificate(void **state)
{
    struct server s;

    (void)state;
    prepare(&s);
    shell("cd %s && cp server.crt live.crt && cp server.key live.key", certs);
    set_string(s.fd, SSL_OPT_CERT_FILE, cert_path("live.crt"));
    set_string(s.fd, SSL_OPT_KEY_FILE, cert_path("live.key"));
    start(&s);
    sees(&s, "server");
    shell("cd %s && cp second.crt new && mv new live.crt", certs);
    look_again();
    sees(&s, "server");
    problem_is(&s, "does not belong to the certificate");
    shell("cd %s && cp second.key new && mv new live.key", certs);
    look_again();
    sees(&s, "second");
    assert_null(strstr(ssl_error(s.fd), "does not belong"));
    /* the key first */
    shell("cd %s && cp server.key new && mv new live.key", certs);
    look_again();
    sees(&s, "second");
    shell("cd %s && cp server.crt new && mv new live.crt", certs);
    look_again();
    sees(&s, "server");
    assert_int_equal(s.failed, 0);
    stop(&s);
}

static void test_broken(void **state)
{
    static const struct {
        const char *how, *words;
    } rows[] = {
        { "rm live.pem", "No such file" },
        { ": >live.pem", "no " },
        { "head -c 300 second.pem >live.pem", "live.pem" },
        { "head -c -100 second.pem >live.pem", "live.pem" },
        { "cat second.crt >live.pem", "no private key" },
        { "cat second.crt other.key >live.pem", "does not belong" },
        { "rm -f live.pem; mkdir live.pem", "live.pem" },
        { "rm -rf live.pem; mkfifo live.pem", "is not a file" },
        { "rm -f live.pem; ln -s live.pem live.pem", "live.pem" },
    };
    struct server s;
    int before;

    (void)state;
    prepare(&s);
    trace_set(on_trace, NULL, TRACE_INFO);
    start(&s);
    sees(&s, "server");
    reads_old_files(&s, "server");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        before = said;
        shell("cd %s && %s", certs, rows[i].how);
        look_again();
        sees(&s, "server");
        problem_is(&s, rows[i].words);
        look_again();
        sees(&s, "server");
        sees(&s, "server");
        assert_int_equal(said, before + 1); /* once for each change */
    }
    shell("cd %s && rm -rf live.pem && cp second.pem live.pem", certs);
    look_again();
    sees(&s, "second");
    assert_null(strstr(ssl_error(s.fd), "live.pem"));
    trace_set(NULL, NULL, 0);
    assert_int_equal(s.failed, 0);
    stop(&s);
}

/* The right to read goes, and comes back. */
static void test_no_right(void **state)
{
    struct server s;

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    prepare(&s);
    start(&s);
    sees(&s, "server");
    shell("cd %s && chmod 755 . && chmod a+x .. && cp second.pem new && chmod 600 new && "
          "mv new live.pem",
          certs); /* the directory that tests/run made is for root only */
    assert_int_equal(seteuid(65534), 0);
    look_again();
    sees(&s, "server");
    problem_is(&s, "Permission denied");
    assert_int_equal(seteuid(0), 0);
    shell("cd %s && chmod 644 live.pem", certs);
    assert_int_equal(seteuid(65534), 0);
    look_again();
    sees(&s, "second");
    assert_int_equal(seteuid(0), 0);
    stop(&s);
}

static void test_not_wished(void **state)
{
    struct server s;

    (void)state;
    prepare(&s);
    set_number(s.fd, SSL_OPT_RELOAD, 0);
    start(&s);
    sees(&s, "server");
    shell("cd %s && cp second.pem new && mv new live.pem", certs);
    look_again();
    sees(&s, "server");
    look_again();
    sees(&s, "server");
    stop(&s);
}

/* What could be read only once serves for ever, and is not asked for again. */
static void test_from_a_pipe(void **state)
{
    struct server s;
    char path[32], pem[8192];
    int p[2], fd = open(cert_path("server.pem"), O_RDONLY);
    ssize_t n = read(fd, pem, sizeof pem);

    (void)state;
    close(fd);
    prepare(&s);
    assert_int_equal(pipe(p), 0);
    assert_int_equal(write(p[1], pem, (size_t)n), n);
    close(p[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", p[0]);
    set_string(s.fd, SSL_OPT_CERT_FILE, path);
    start(&s);
    sees(&s, "server");
    look_again();
    sees(&s, "server");
    look_again();
    sees(&s, "server");
    close(p[0]);
    stop(&s);
}

/* ---- passphrases ---- */

static atomic_int asked;
static _Atomic(const char *) right;

static int pass_get(void *arg, const char *file, char *pass, size_t size)
{
    assert_non_null(strstr(file, "live"));
    assert_ptr_equal(arg, &asked);
    asked++;
    return snprintf(pass, size, "%s", right);
}

static void test_passphrase(void **state)
{
    const struct ssl_key_pass cb = { pass_get, &asked };
    struct server s;

    (void)state;
    shell("cd %s && openssl pkcs8 -topk8 -in server.key -passout pass:one -out one.key && "
          "openssl pkcs8 -topk8 -in second.key -passout pass:two -out two.key && "
          "cp server.crt live.crt && cp one.key live.key && echo one >pass.txt",
          certs);
    prepare(&s);
    set_string(s.fd, SSL_OPT_CERT_FILE, cert_path("live.crt"));
    set_string(s.fd, SSL_OPT_KEY_FILE, cert_path("live.key"));
    set_string(s.fd, SSL_OPT_KEY_PASS_FILE, cert_path("pass.txt"));
    start(&s);
    sees(&s, "server");
    shell("cd %s && cp second.crt live.crt && cp two.key live.key", certs);
    look_again();
    sees(&s, "server");
    problem_is(&s, "passphrase");
    shell("cd %s && echo two >pass.txt", certs);
    look_again();
    sees(&s, "second");
    stop(&s);

    right = "two";
    prepare(&s);
    set_string(s.fd, SSL_OPT_CERT_FILE, cert_path("live.crt"));
    set_string(s.fd, SSL_OPT_KEY_FILE, cert_path("live.key"));
    assert_int_equal(ssl_setsockopt(s.fd, SOL_SSL, SSL_OPT_KEY_PASS_CALLBACK, &cb, sizeof cb), 0);
    start(&s);
    sees(&s, "second");
    assert_true(asked > 0);
    right = "one";
    shell("cd %s && cp server.crt live.crt && cp one.key live.key", certs);
    look_again();
    sees(&s, "server");
    stop(&s);
}

/* ---- what clients are verified with ---- */

/* Is the client with that certificate let in? */
static bool let_in(const struct server *s, const char *pem)
{
    int fd = client_socket("server.test", "ca.crt"), rc;
    char c;

    set_string(fd, SSL_OPT_CERT_FILE, cert_path(pem));
    rc = ssl_connect(fd, (const struct sockaddr *)&s->addr, sizeof s->addr);
    rc = rc == 0 ? (int)ssl_read(fd, &c, 1) : rc;
    ssl_close(fd);
    return rc == 1;
}

static void test_crl(void **state)
{
    struct server s;

    (void)state;
    shell("cd %s && : >index && echo 01 >crlnumber && printf '[ca]\\ndefault_ca=d\\n[d]\\n"
          "database=index\\ncrlnumber=crlnumber\\ndefault_md=sha256\\ndefault_crl_days=2\\n' >c.cnf"
          " && openssl ca -config c.cnf -gencrl -cert ca.crt -keyfile ca.key -out live.crl "
          "2>/dev/null",
          certs);
    prepare(&s);
    set_string(s.fd, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_number(s.fd, SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
    set_string(s.fd, SSL_OPT_CRL_FILE, cert_path("live.crl"));
    start(&s);
    assert_true(let_in(&s, "client.pem"));
    shell("cd %s && openssl ca -config c.cnf -revoke client.crt -cert ca.crt -keyfile ca.key "
          "2>/dev/null && openssl ca -config c.cnf -gencrl -cert ca.crt -keyfile ca.key -out new "
          "2>/dev/null && mv new live.crl",
          certs);
    look_again();
    assert_false(let_in(&s, "client.pem"));
    assert_true(let_in(&s, "second.pem"));
    shell("echo nonsense >%s/live.crl", certs);
    look_again();
    assert_false(let_in(&s, "client.pem")); /* the old one is in force */
    assert_true(let_in(&s, "second.pem"));
    problem_is(&s, "live.crl");
    stop(&s);
}

static void test_anchors(void **state)
{
    struct server s;

    (void)state;
    shell("cd %s && mkdir -p cas && cp ca.crt cas/", certs);
    prepare(&s);
    set_string(s.fd, SSL_OPT_CA_FILE, cert_path("cas"));
    set_number(s.fd, SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
    start(&s);
    assert_true(let_in(&s, "client.pem"));
    assert_false(let_in(&s, "foreign.pem"));
    shell("cd %s && cp other.crt cas/", certs); /* one more in the directory */
    look_again();
    assert_true(let_in(&s, "foreign.pem"));
    shell("cd %s && cat ca.crt >cas/other.crt", certs); /* another one in a file of it */
    look_again();
    assert_false(let_in(&s, "foreign.pem"));
    assert_true(let_in(&s, "client.pem"));
    shell("cd %s && rm cas/*", certs);
    look_again();
    assert_true(let_in(&s, "client.pem"));
    problem_is(&s, "cas");
    stop(&s);
}

/* Two with the same file, of which the first has it in a moment, see the same. */
static void test_shared_anchors(void **state)
{
    struct server s;
    int fd;

    (void)state;
    prepare(&s);
    start(&s);
    for (int i = 0; i < 4; i++) {
        shell("cd %s && cat %s >trust.crt", certs, i % 2 ? "other.crt" : "ca.crt");
        fd = client_socket("server.test", "trust.crt");
        assert_int_equal(ssl_connect(fd, (struct sockaddr *)&s.addr, sizeof s.addr),
                         i % 2 ? -1 : 0);
        ssl_close(fd);
    }
    stop(&s);
}

/* ---- many at once ---- */

#define THREADS 4

static atomic_bool enough;
static atomic_int good, bad;

static void *connect_many(void *arg)
{
    const struct server *s = arg;

    while (!enough) {
        int fd = client_socket("server.test", "ca.crt");
        int rc = ssl_connect(fd, (const struct sockaddr *)&s->addr, sizeof s->addr);
        char c;

        *(rc == 0 && ssl_read(fd, &c, 1) == 1 ? &good : &bad) += 1;
        ssl_close(fd);
    }
    return NULL;
}

/* Until so many more have come in. */
static void await_more(int n)
{
    for (int end = good + n, tries = 0; good < end && bad == 0; tries++) {
        assert_in_range(tries, 0, 60000);
        nap_ms(1);
    }
}

static void test_many(void **state)
{
    struct server s;
    pthread_t client[THREADS], more[THREADS];

    (void)state;
    prepare(&s);
    start(&s);
    sees(&s, "server"); /* it was read once: from here on a file may be missing */
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&more[i], NULL, serve, &s), 0);
        assert_int_equal(pthread_create(&client[i], NULL, connect_many, &s), 0);
    }
    for (int i = 0; i < 60; i++) {
        /* no shell: the threads leave it no time */
        assert_int_equal(link(cert_path(i % 2 ? "server.pem" : "second.pem"), cert_path("turn")),
                         0);
        unlink(cert_path("live.pem"));
        if (i % 4 == 0) {
            look_again();
        }
        await_more(2); /* it is not there */
        assert_int_equal(rename(cert_path("turn"), cert_path("live.pem")), 0);
        look_again();
        await_more(5);
    }
    enough = true;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(client[i], NULL);
    }
    assert_int_equal(bad, 0);
    assert_int_equal(s.failed, 0);
    s.stop = true;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(more[i], NULL);
    }
    stop(&s);
}

/* A child that was forked at any moment goes on to look. */
static void test_forked(void **state)
{
    struct server s;
    pid_t pid;
    int status;

    (void)state;
    prepare(&s);
    start(&s);
    sees(&s, "server");
    stop(&s);
    prepare(&s);
    timeout_ms(s.fd, SO_RCVTIMEO, 5000);
    for (int i = 0; i < 3; i++) {
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            for (int k = 0; k < 2; k++) {
                int fd = ssl_accept(s.fd, NULL, NULL);

                if (fd < 0 || ssl_handshake(fd) || ssl_write(fd, "x", 1) != 1) {
                    _exit(1);
                }
                ssl_close(fd);
            }
            _exit(0);
        }
        sees(&s, i % 2 ? "second" : "server");
        shell("cd %s && cp %s.pem new && mv new live.pem", certs, i % 2 ? "server" : "second");
        look_again();
        sees(&s, i % 2 ? "server" : "second");
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    ssl_close(s.fd);
}

static int setup(void **state)
{
    peers_setup(state);
    make_leaf("second", "ca", "DNS:server.test,DNS:localhost,IP:127.0.0.1");
    make_leaf("foreign", "other", "DNS:foreign.test");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rename),     cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_same_looks), cmocka_unit_test(test_key_after_certificate),
        cmocka_unit_test(test_broken),     cmocka_unit_test(test_no_right),
        cmocka_unit_test(test_not_wished), cmocka_unit_test(test_from_a_pipe),
        cmocka_unit_test(test_passphrase), cmocka_unit_test(test_crl),
        cmocka_unit_test(test_anchors),    cmocka_unit_test(test_shared_anchors),
        cmocka_unit_test(test_many),       cmocka_unit_test(test_forked),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
