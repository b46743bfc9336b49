/* SPDX-License-Identifier: ISC */
/* Sessions of the sockets API: clients resume by themselves, servers give tickets that outlive
 * their certificates' files, and nobody resumes what was made under other options. */
#include <stdatomic.h>

#include "shim/sessions.h"
#include "tests/sockets/clock.h"
#include "tests/sockets/peers.h"

/* A server that answers each connection with one byte, after the handshake. */
struct server {
    int fd;
    struct sockaddr_in addr;
    pthread_t thread;
    atomic_bool stop;
    atomic_int resumed, full;
};

static void *serve(void *arg)
{
    struct server *s = arg;

    while (!s->stop) {
        int fd = ssl_accept(s->fd, NULL, NULL);
        struct ssl_info i;

        if (fd < 0) {
            continue;
        }
        if (ssl_handshake(fd) == 0 && ssl_info(fd, &i) == 0) {
            if (i.resumed) {
                s->resumed++;
            } else {
                s->full++;
            }
            (void)!ssl_write(fd, "x", 1);
        }
        ssl_close(fd);
    }
    return NULL;
}

static void start(struct server *s)
{
    timeout_ms(s->fd, SO_RCVTIMEO, 50);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void prepare(struct server *s)
{
    memset(s, 0, sizeof *s);
    s->fd = listener(&s->addr);
}

static void stop(struct server *s)
{
    s->stop = true;
    pthread_join(s->thread, NULL);
    ssl_close(s->fd);
}

/* Connects with these options, reads the byte (and the tickets before it): was it resumed? */
static int visit(int fd, const struct server *s)
{
    struct ssl_info i;
    char c;

    if (ssl_connect(fd, (const struct sockaddr *)&s->addr, sizeof s->addr)) {
        fail_msg("connect: %s", ssl_error(fd));
    }
    assert_int_equal(ssl_read(fd, &c, 1), 1);
    assert_int_equal(ssl_info(fd, &i), 0);
    ssl_close(fd);
    return i.resumed;
}

static int client(void)
{
    return client_socket("server.test", "ca.crt");
}

static void resumes_by_itself(void **state)
{
    const int versions[] = { 0x0303, 0x0304 };

    (void)state;
    for (size_t v = 0; v < 2; v++) {
        struct server s;

        prepare(&s);
        set_number(s.fd, SSL_OPT_MAX_VERSION, versions[v]);
        start(&s);
        for (int i = 0; i < 12; i++) {
            assert_int_equal(visit(client(), &s), i > 0);
        }
        stop(&s);
        assert_int_equal(s.full, 1);
        assert_int_equal(s.resumed, 11);
    }
}

static void either_side_can_turn_it_off(void **state)
{
    struct server s;
    int fd;

    (void)state;
    for (int off = 0; off < 4; off++) { /* the client; the server; no tickets, which is 1.3 only */
        prepare(&s);
        set_number(s.fd, SSL_OPT_SESSION_REUSE, off != 1);
        set_number(s.fd, SSL_OPT_TICKETS, off == 2 ? 0 : 1);
        start(&s);
        for (int i = 0; i < 3; i++) {
            fd = client();
            set_number(fd, SSL_OPT_SESSION_REUSE, off != 0);
            assert_int_equal(visit(fd, &s), off == 3 && i > 0);
        }
        stop(&s);
    }
}

/* threat 27: a client's other options are another client; what it has stays where it belongs. */
static void threat_27_other_options_other_sessions(void **state)
{
    struct server s;
    int fd;

    (void)state;
    prepare(&s);
    start(&s);
    assert_int_equal(visit(client(), &s), 0);
    fd = client_socket("localhost", "ca.crt");
    assert_int_equal(visit(fd, &s), 0);
    fd = client();
    set_string(fd, SSL_OPT_SNI, "localhost");
    assert_int_equal(visit(fd, &s), 0);
    fd = client();
    set_string(fd, SSL_OPT_CERT_FILE, cert_path("client.pem"));
    assert_int_equal(visit(fd, &s), 0);
    fd = client();
    set_number(fd, SSL_OPT_VERIFY, SSL_VERIFY_CA);
    assert_int_equal(visit(fd, &s), 0);
    fd = client();
    set_number(fd, SSL_OPT_MAX_VERSION, 0x0303);
    assert_int_equal(visit(fd, &s), 0);
    fd = ssl_socket(AF_INET, SOCK_STREAM, 0); /* by its address */
    set_number(fd, SSL_OPT_VERIFY, SSL_VERIFY_NONE);
    assert_int_equal(visit(fd, &s), 0);
    fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
    set_number(fd, SSL_OPT_VERIFY, SSL_VERIFY_NONE);
    assert_int_equal(visit(fd, &s), 1);
    assert_int_equal(visit(client(), &s), 1);
    fd = client(); /* the same again, from options of its own */
    set_string(fd, SSL_OPT_ALPN, "");
    assert_int_equal(visit(fd, &s), 1);
    stop(&s);
}

/* threats 27, 28: tickets live through a reload of the certificate, sessions do not. */
static void threat_28_another_certificate_is_seen(void **state)
{
    struct server s;

    (void)state;
    prepare(&s);
    make_leaf("second", "ca", "DNS:server.test");
    shell("cd %s && cp server.pem live.pem", certs);
    set_string(s.fd, SSL_OPT_CERT_FILE, cert_path("live.pem"));
    start(&s);
    assert_int_equal(visit(client(), &s), 0);
    assert_int_equal(visit(client(), &s), 1);
    shell("cd %s && cp second.pem new.pem && mv new.pem live.pem", certs);
    clock_on_ms(1100);
    assert_int_equal(visit(client(), &s), 0);
    assert_int_equal(visit(client(), &s), 1);
    /* A file that changes without a change in it: keys and sessions are the old ones. */
    shell("cd %s && cp second.pem new.pem && mv new.pem live.pem", certs);
    clock_on_ms(1100);
    assert_int_equal(visit(client(), &s), 1);
    stop(&s);
}

static void a_session_has_its_time(void **state)
{
    struct server s;
    int fd;

    (void)state;
    prepare(&s);
    set_number(s.fd, SSL_OPT_SESSION_TTL, 604800);
    assert_fails(ssl_setsockopt(s.fd, SOL_SSL, SSL_OPT_SESSION_TTL, &(int){ 604801 }, 4), EINVAL);
    assert_fails(ssl_setsockopt(s.fd, SOL_SSL, SSL_OPT_SESSION_TTL, &(int){ -1 }, 4), EINVAL);
    assert_fails(ssl_setsockopt(s.fd, SOL_SSL, SSL_OPT_TICKETS, &(int){ 9 }, 4), EINVAL);
    set_number(s.fd, SSL_OPT_TICKETS, 8);
    start(&s);
    assert_int_equal(visit(client(), &s), 0);
    fd = client(); /* it is what the client keeps to, too */
    set_number(fd, SSL_OPT_SESSION_TTL, 1);
    assert_int_equal(visit(fd, &s), 1);
    wall_ahead(3);
    fd = client();
    set_number(fd, SSL_OPT_SESSION_TTL, 1);
    assert_int_equal(visit(fd, &s), 0);
    wall_ahead(0);
    stop(&s);
}

/* ---- a file of keys ---- */

static void key_file(const char *parts)
{
    shell("cd %s && cat %s >keys.new && chmod 600 keys.new && mv keys.new keys", certs, parts);
}

/* Two servers, as on two machines: nothing but the file is theirs together. */
static void two_servers(struct server s[2])
{
    for (int i = 0; i < 2; i++) {
        prepare(&s[i]);
        ssl_close(s[i].fd);
        s[i].fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
        assert_true(s[i].fd >= 0);
        if (i == 1) { /* the same port, so that it is the same client's peer */
            s[1].addr = s[0].addr;
            s[1].addr.sin_addr.s_addr = htonl(0x7f000002);
        }
        setsockopt(s[i].fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        assert_int_equal(ssl_bind(s[i].fd, (struct sockaddr *)&s[i].addr, sizeof s[i].addr), 0);
        assert_int_equal(ssl_listen(s[i].fd, 16), 0);
        set_string(s[i].fd, SSL_OPT_CERT_FILE, cert_path("server.pem"));
        set_string(s[i].fd, SSL_OPT_TICKET_KEY_FILE, cert_path("keys"));
        start(&s[i]);
    }
}

static void a_file_for_many_servers(void **state)
{
    const int versions[] = { 0x0303, 0x0304 };
    struct server s[2];

    (void)state;
    shell("cd %s && for i in a b c d; do head -c 80 /dev/urandom >key.$i; done", certs);
    for (size_t v = 0; v < 2; v++) {
        int n = 0;

        key_file("key.a");
        two_servers(s);
        for (int step = 0; step < 4; step++) {
            for (int i = 0; i < 6; i++, n++) {
                int fd = client();

                set_number(fd, SSL_OPT_MAX_VERSION, versions[v]);
                assert_int_equal(visit(fd, &s[i % 2]), n > 0);
            }
            /* The next key is known everywhere before it seals; so nobody begins anew. */
            key_file(step == 0 ? "key.a key.b" : step == 1 ? "key.b key.a" : "key.b");
            clock_on_ms(1100);
        }
        stop(&s[0]);
        stop(&s[1]);
    }
}

static void a_bad_file_changes_nothing(void **state)
{
    const struct {
        const char *how, *says;
    } bad[] = {
        { "head -c 79 /dev/urandom >keys", "79 bytes" },
        { "head -c 320 /dev/urandom >keys", "320 bytes" },
        { "head -c 80 /dev/zero >keys", "zeros" },
        { ": >keys", "0 bytes" },
        { "head -c 5000 /dev/urandom >keys", "too long" },
        { "chmod 604 keys", "others may" },
        { "chmod 660 keys", "others may" },
        { "rm keys", "No such file" },
        { "rm keys; mkdir keys", "keys" },
    };
    struct server s;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *why;

        shell("cd %s && rm -rf keys && head -c 80 /dev/urandom >key.a", certs);
        key_file("key.a");
        prepare(&s);
        set_string(s.fd, SSL_OPT_TICKET_KEY_FILE, cert_path("keys"));
        start(&s);
        assert_int_equal(visit(client(), &s), 0);
        shell("cd %s && %s", certs, bad[i].how);
        clock_on_ms(1100);
        assert_int_equal(visit(client(), &s), 1);
        why = ssl_error(s.fd);
        if (!strstr(why, bad[i].says)) {
            fail_msg("\"%s\" is not in \"%s\"", bad[i].says, why);
        }
        assert_int_equal(visit(client(), &s), 1);
        stop(&s);
        /* From the start it is no option. */
        prepare(&s);
        set_string(s.fd, SSL_OPT_TICKET_KEY_FILE, cert_path("keys"));
        errno = 0;
        assert_int_equal(ssl_accept(s.fd, NULL, NULL), -1);
        assert_int_equal(errno, i < 5 ? EINVAL : i < 7 ? EACCES : i < 8 ? ENOENT : EINVAL);
        assert_non_null(strstr(ssl_error(-1), bad[i].says));
        ssl_close(s.fd);
    }
    shell("cd %s && rm -rf keys", certs);
}

/* A file that is no file of several keys any more: a key that is not in it opens nothing. */
static void a_key_that_leaked_goes(void **state)
{
    struct server s;

    (void)state;
    shell("cd %s && for i in a b c d; do head -c 48 /dev/urandom >key.$i; done", certs);
    key_file("key.a key.b");
    prepare(&s);
    set_string(s.fd, SSL_OPT_TICKET_KEY_FILE, cert_path("keys"));
    start(&s);
    assert_int_equal(visit(client(), &s), 0);
    key_file("key.b key.c");
    clock_on_ms(1100);
    assert_int_equal(visit(client(), &s), 0);
    key_file("key.d key.c key.b");
    clock_on_ms(1100);
    assert_int_equal(visit(client(), &s), 1);
    stop(&s);
}

/* ---- what is kept ---- */

/* Of sessions that no test before it can have left, should the port be the same. */
static int sni_client(void)
{
    int fd = client();

    set_string(fd, SSL_OPT_SNI, "many.server.test");
    return fd;
}

static void many_tickets_are_kept(void **state)
{
    struct server s;
    size_t before;
    int fds[8];

    (void)state;
    prepare(&s);
    set_number(s.fd, SSL_OPT_TICKETS, 8);
    start(&s);
    before = client_sessions_count();
    assert_int_equal(visit(sni_client(), &s), 0);
    assert_int_equal(client_sessions_count() - before, 8);
    for (size_t i = 0; i < 8; i++) { /* none has read its new ones when the next connects */
        struct ssl_info info;

        fds[i] = sni_client();
        assert_int_equal(ssl_connect(fds[i], (const struct sockaddr *)&s.addr, sizeof s.addr), 0);
        assert_int_equal(ssl_info(fds[i], &info), 0);
        assert_int_equal(info.resumed, 1);
    }
    assert_int_equal(client_sessions_count(), before);
    for (size_t i = 0; i < 8; i++) {
        char c;

        assert_int_equal(ssl_read(fds[i], &c, 1), 1);
        ssl_close(fds[i]);
    }
    assert_int_equal(client_sessions_count() - before, 8); /* and no more */
    stop(&s);
}

/* Another peer for each of so many addresses, without a network. */
static struct client_sessions *nth_host(struct config *config, unsigned n)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)(n & 0xffff)),
                              .sin_addr.s_addr = htonl(n) };
    struct conn_params p = { .config = config,
                             .host = "server.test",
                             .peer = (const struct sockaddr *)&to };
    struct client_sessions *s = client_sessions_new(&p, -1);

    assert_non_null(s);
    return s;
}

static int64_t wall(void)
{
    return (int64_t)time(NULL);
}

static struct tls_session *some_session(uint16_t version)
{
    struct tls_session *s = session_new();

    s->version = version;
    s->made = wall() * 1000 - 500;
    s->lifetime = 3600;
    return s;
}

static struct config *some_config(void)
{
    struct config *c = config_new(TLS_CLIENT);
    struct error err;

    error_clear(&err);
    assert_int_equal(config_set_verify(c, VERIFY_NONE), 0);
    assert_int_equal(config_set_clock(c, wall), 0);
    assert_int_equal(config_seal(c, &err), 0);
    return c;
}

static void hosts_are_bounded(void **state)
{
    struct config *config = some_config();
    struct tls_session *got;

    (void)state;
    for (unsigned n = 1; n <= SESSIONS_HOSTS + 10; n++) {
        struct client_sessions *c = nth_host(config, n);
        struct tls_session *s = some_session(0x0304);

        client_sessions_keep(c, s);
        session_unref(s);
        client_sessions_free(c);
        if (n == SESSIONS_HOSTS - 1) { /* the first is used again */
            c = nth_host(config, 1);
            got = client_sessions_take(c, 0);
            assert_non_null(got);
            client_sessions_keep(c, got);
            session_unref(got);
            client_sessions_free(c);
        }
    }
    assert_true(client_sessions_count() <= SESSIONS_HOSTS + 7);
    for (unsigned n = 1; n <= SESSIONS_HOSTS + 10; n++) {
        struct client_sessions *c = nth_host(config, n);

        got = client_sessions_take(c, 0);
        if (n == 1 || n > 30) {
            assert_non_null(got);
        } else if (n > 1 && n < 8) {
            assert_null(got);
        }
        session_unref(got);
        assert_null(client_sessions_take(c, 0)); /* once */
        client_sessions_free(c);
    }
    config_unref(config);
}

static void a_failed_session_goes(void **state)
{
    struct config *config = some_config();
    struct client_sessions *a = nth_host(config, 5000), *b = nth_host(config, 5000);
    struct tls_session *s = some_session(0x0303), *t, *old = some_session(0x0303);

    (void)state;
    client_sessions_keep(a, s);
    t = client_sessions_take(b, 0); /* many use it */
    assert_ptr_equal(t, s);
    session_unref(t);
    client_sessions_settled(b, true);
    t = client_sessions_take(b, 0);
    assert_ptr_equal(t, s);
    session_unref(t);
    client_sessions_settled(b, false); /* the server did not want it */
    assert_null(client_sessions_take(b, 0));
    client_sessions_keep(a, s);
    client_sessions_failed(a); /* RFC 5246 section 7.2.2 */
    assert_null(client_sessions_take(b, 0));
    old->made -= 3600 * 1000;
    client_sessions_keep(a, old);
    assert_null(client_sessions_take(b, 0));
    session_unref(s);
    session_unref(old);
    client_sessions_free(a);
    client_sessions_free(b);
    config_unref(config);
}

/* ---- fork, threads ---- */

static void a_child_begins_anew(void **state)
{
    struct server s;
    int status;
    pid_t pid;

    (void)state;
    prepare(&s);
    start(&s);
    assert_int_equal(visit(client(), &s), 0);
    pid = fork();
    if (pid == 0) {
        int first = visit(client(), &s), second = visit(client(), &s);

        _exit(first == 0 && second == 1 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(visit(client(), &s), 1);
    stop(&s);
}

static void *visit_often(void *arg)
{
    const struct server *s = arg;
    intptr_t resumed = 0;

    for (int i = 0; i < 20; i++) {
        resumed += visit(client(), s);
    }
    return (void *)resumed;
}

static void threads_share_them(void **state)
{
    struct server s;
    pthread_t t[4];
    intptr_t sum = 0;
    void *n;

    (void)state;
    prepare(&s);
    set_number(s.fd, SSL_OPT_TICKETS, 4);
    start(&s);
    assert_int_equal(visit(client(), &s), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, visit_often, &s), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(t[i], &n);
        sum += (intptr_t)n;
    }
    stop(&s);
    assert_int_equal(s.resumed, sum);
    assert_int_equal(sum, 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_by_itself),
        cmocka_unit_test(either_side_can_turn_it_off),
        cmocka_unit_test(threat_27_other_options_other_sessions),
        cmocka_unit_test(threat_28_another_certificate_is_seen),
        cmocka_unit_test(a_session_has_its_time),
        cmocka_unit_test(a_file_for_many_servers),
        cmocka_unit_test(a_bad_file_changes_nothing),
        cmocka_unit_test(a_key_that_leaked_goes),
        cmocka_unit_test(many_tickets_are_kept),
        cmocka_unit_test(hosts_are_bounded),
        cmocka_unit_test(a_failed_session_goes),
        cmocka_unit_test(a_child_begins_anew),
        cmocka_unit_test(threads_share_them),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
