/* SPDX-License-Identifier: ISC */
/* What the program is asked in a handshake: for which name, whether the certificates will do; and
 * the trace. */
#include <stdatomic.h>

#include "tests/sockets/peers.h"

static void set_hook(int fd, int option, const void *hook, size_t size)
{
    if (ssl_setsockopt(fd, SOL_SSL, option, hook, (socklen_t)size)) {
        fail_msg("%s", ssl_error(-1));
    }
}

static struct ssl_config *sealed(const char *cert, int role)
{
    struct ssl_config *c = ssl_config_new();
    const char *path = cert_path(cert);

    assert_non_null(c);
    assert_int_equal(ssl_config_set(c, role == SSL_SERVER ? SSL_OPT_CERT_FILE : SSL_OPT_CA_FILE,
                                    path, (socklen_t)strlen(path)),
                     0);
    assert_int_equal(ssl_config_seal(c, role), 0);
    return c;
}

/* f[0] a client for the name; not begun. */
static void ends(int f[2], const char *name)
{
    tcp_pair(f);
    set_string(f[0], SSL_OPT_NAME, name);
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
}

/* errno of both ends; 0: they are connected. */
struct outcome {
    int client, server;
    struct ssl_info c, s;
};

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;

    return (void *)(intptr_t)(ssl_handshake(fd) ? errno : 0);
}

static struct outcome meet(int f[2])
{
    struct outcome o = { 0 };
    pthread_t t;
    void *rc;
    char b;

    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(pthread_create(&t, NULL, serve, (void *)(intptr_t)f[1]), 0);
    o.client = ssl_handshake(f[0]) ? errno : 0;
    pthread_join(t, &rc);
    o.server = (int)(intptr_t)rc;
    if (o.server && !o.client) { /* TLS 1.3: it comes behind */
        assert_int_equal(ssl_read(f[0], &b, 1), -1);
        o.client = errno;
    }
    assert_int_equal(ssl_info(f[0], &o.c), 0);
    assert_int_equal(ssl_info(f[1], &o.s), 0);
    return o;
}

/* ---- SNI ---- */

static struct {
    char host[256];
    int calls, answer;
    struct ssl_config *with;
} asked;

static int pick(void *arg, const char *host, struct ssl_config **config)
{
    assert_ptr_equal(arg, &asked);
    assert_null(*config);
    snprintf(asked.host, sizeof asked.host, "%s", host);
    asked.calls++;
    *config = asked.with;
    return asked.answer;
}

static const struct ssl_sni sni = { pick, &asked };

static struct outcome ask(const char *name, struct ssl_config *with, int answer)
{
    struct outcome o;
    int f[2];

    memset(&asked, 0, sizeof asked);
    asked.with = with;
    asked.answer = answer;
    ends(f, name);
    set_hook(f[1], SSL_OPT_SNI_CALLBACK, &sni, sizeof sni);
    o = meet(f);
    close_pair(f);
    return o;
}

static void test_sni(void **state)
{
    struct ssl_config *two = sealed("two.pem", SSL_SERVER), *client = sealed("ca.crt", SSL_CLIENT),
                      *raw = ssl_config_new();
    struct outcome o;

    (void)state;
    o = ask("server.test", NULL, 0); /* goes on as it is */
    assert_int_equal(o.client, 0);
    assert_int_equal(asked.calls, 1);
    assert_string_equal(asked.host, "server.test");
    o = ask("two.test", two, 0);
    assert_int_equal(o.client, 0);
    assert_string_equal(o.c.verified_name, "two.test");
    assert_string_equal(o.c.peer_subject, "CN=two");
    o = ask("server.test", two, 0); /* the wrong one */
    assert_int_equal(o.client, EACCES);
    for (int answer = -1; answer < 2; answer += 2) {
        o = ask("server.test", two, answer);
        assert_int_equal(o.client, EACCES);
        assert_int_equal(o.server, EACCES);
        assert_int_equal(o.s.alert_sent, 112);
        assert_string_equal(o.s.alert_sent_name, "unrecognized_name");
        assert_int_equal(o.c.alert_received, 112);
        assert_string_equal(o.s.where, "ClientHello");
    }
    /* not sealed, or for the other role: fails closed */
    assert_int_equal(ssl_config_set(raw, SSL_OPT_CERT_FILE, cert_path("server.pem"),
                                    (socklen_t)strlen(cert_path("server.pem"))),
                     0);
    o = ask("server.test", raw, 0);
    assert_int_equal(o.server, EACCES);
    o = ask("server.test", client, 0);
    assert_int_equal(o.server, EACCES);
    o = ask("127.0.0.1", NULL, -1); /* an address is not sent: nobody is asked */
    assert_int_equal(o.client, 0);
    assert_int_equal(asked.calls, 0);
    ssl_config_free(two);
    ssl_config_free(client);
    ssl_config_free(raw);
}

/* It goes with the listener's options, and is gone when it is taken away. */
static void test_sni_listener(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr);

    (void)state;
    for (int on = 1; on >= 0; on--) {
        int fd = client_socket("server.test", "ca.crt"), got;
        pthread_t t;
        void *rc;

        memset(&asked, 0, sizeof asked);
        set_hook(l, SSL_OPT_SNI_CALLBACK, on ? &sni : NULL, on ? sizeof sni : 0);
        nonblocking(fd, true);
        (void)!ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr);
        got = ssl_accept(l, NULL, NULL);
        assert_true(got >= 0);
        nonblocking(fd, false);
        assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)got), 0);
        assert_int_equal(ssl_handshake(fd), 0);
        pthread_join(t, &rc);
        assert_null(rc);
        assert_int_equal(asked.calls, on);
        ssl_close(fd);
        ssl_close(got);
    }
    ssl_close(l);
}

/* ---- certificates ---- */

static struct {
    int calls, answer, role, alert;
    size_t n;
    char name[256], why[256];
    uint8_t der[3][4096];
    size_t len[3];
} seen;

static int check(void *arg, const struct ssl_peer_chain *chain)
{
    assert_ptr_equal(arg, &seen);
    seen.calls++;
    seen.role = chain->role;
    seen.alert = chain->alert;
    snprintf(seen.name, sizeof seen.name, "%s", chain->name);
    snprintf(seen.why, sizeof seen.why, "%s", chain->why);
    seen.n = chain->n;
    for (size_t i = 0; i < chain->n && i < 3; i++) {
        assert_in_range(chain->certs[i].n, 1, sizeof seen.der[0]);
        memcpy(seen.der[i], chain->certs[i].p, chain->certs[i].n);
        seen.len[i] = chain->certs[i].n;
    }
    return seen.answer;
}

static const struct ssl_cert_check checker = { check, &seen };

static struct outcome judge(const char *ca, const char *name, int version, int answer)
{
    struct outcome o;
    int f[2];

    memset(&seen, 0, sizeof seen);
    seen.answer = answer;
    ends(f, name);
    set_string(f[0], SSL_OPT_CA_FILE, cert_path(ca));
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("long.pem"));
    set_number(f[0], SSL_OPT_MAX_VERSION, version);
    set_hook(f[0], SSL_OPT_CERT_CALLBACK, &checker, sizeof checker);
    o = meet(f);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.role, SSL_CLIENT);
    assert_string_equal(seen.name, name);
    assert_int_equal(seen.n, 2);
    if (!o.client) {
        uint8_t got[8192];
        socklen_t len = sizeof got;

        assert_int_equal(ssl_getsockopt(f[0], SOL_SSL, SSL_OPT_PEER_CHAIN, got, &len), 0);
        assert_int_equal(len, seen.len[0] + seen.len[1]);
        assert_memory_equal(got, seen.der[0], seen.len[0]);
        assert_memory_equal(got + seen.len[0], seen.der[1], seen.len[1]);
    }
    close_pair(f);
    return o;
}

static void test_cert(void **state)
{
    struct outcome o;

    (void)state;
    for (int version = 0x0303; version <= 0x0304; version++) {
        o = judge("ca.crt", "server.test", version, SSL_CERT_KEEP);
        assert_int_equal(o.client, 0);
        assert_int_equal(seen.alert, 0);
        assert_string_equal(seen.why, "");
        assert_string_equal(o.c.verified_name, "server.test");
        o = judge("other.crt", "server.test", version, SSL_CERT_KEEP);
        assert_int_equal(o.client, EACCES);
        assert_int_equal(seen.alert, 48);
        assert_int_equal(o.c.alert_sent, 48);
        assert_true(strlen(seen.why) > 10);
        o = judge("ca.crt", "other.test", version, SSL_CERT_KEEP);
        assert_int_equal(o.client, EACCES);
        /* only the one word accepts what is bad, and then no name was verified */
        o = judge("other.crt", "server.test", version, SSL_CERT_ACCEPT);
        assert_int_equal(o.client, 0);
        assert_int_equal(o.c.connected, 1);
        assert_string_equal(o.c.verified_name, "");
        for (int word = 1; word < 300; word += 149) { /* 1, 150, 299 */
            o = judge("other.crt", "server.test", version, word);
            assert_int_equal(o.client, word < 256 ? ECONNABORTED : EACCES);
        }
        /* what is good, is refused by any alert */
        o = judge("ca.crt", "server.test", version, 44);
        assert_int_equal(o.client, EACCES);
        assert_int_equal(o.c.alert_sent, 44);
        assert_string_equal(o.c.alert_sent_name, "certificate_revoked");
        assert_int_equal(o.s.alert_received, 44);
        o = judge("ca.crt", "server.test", version, -1);
        assert_int_equal(o.client, EACCES);
        assert_int_equal(o.c.alert_sent, 46);
        o = judge("ca.crt", "server.test", version, 256);
        assert_int_equal(o.c.alert_sent, 46);
    }
}

/* Asked even where the library asks for nothing. */
static void test_cert_unverified(void **state)
{
    int f[2];

    (void)state;
    for (int refuse = 0; refuse < 2; refuse++) {
        memset(&seen, 0, sizeof seen);
        seen.answer = refuse ? 42 : 0;
        ends(f, "x.test");
        set_number(f[0], SSL_OPT_VERIFY, SSL_VERIFY_NONE);
        set_hook(f[0], SSL_OPT_CERT_CALLBACK, &checker, sizeof checker);
        assert_int_equal(meet(f).client, refuse ? EACCES : 0);
        assert_int_equal(seen.calls, 1);
        assert_int_equal(seen.n, 1);
        close_pair(f);
    }
}

/* A server about its clients. */
static void test_cert_server(void **state)
{
    static const struct {
        const char *ca;
        int answer, err;
    } rows[] = { { "ca.crt", SSL_CERT_KEEP, 0 },
                 { "other.crt", SSL_CERT_KEEP, EACCES },
                 { "other.crt", SSL_CERT_ACCEPT, 0 },
                 { "ca.crt", 42, EACCES } };
    struct outcome o;
    int f[2];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(&seen, 0, sizeof seen);
        seen.answer = rows[i].answer;
        ends(f, "server.test");
        set_string(f[0], SSL_OPT_CERT_FILE, cert_path("client.pem"));
        set_string(f[1], SSL_OPT_CA_FILE, cert_path(rows[i].ca));
        set_number(f[1], SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
        set_hook(f[1], SSL_OPT_CERT_CALLBACK, &checker, sizeof checker);
        o = meet(f);
        assert_int_equal(o.server, rows[i].err);
        assert_int_equal(o.client, rows[i].err);
        assert_int_equal(seen.role, SSL_SERVER);
        assert_string_equal(seen.name, "");
        if (!rows[i].err) {
            assert_string_equal(o.s.peer_subject, "CN=client");
            assert_int_equal(o.s.client_auth, 1);
        }
        close_pair(f);
    }
}

/* ---- values ---- */

static void test_values(void **state)
{
    const struct ssl_sni no_pick = { NULL, NULL };
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
    char got[32];
    socklen_t len = sizeof got;

    (void)state;
    for (int option = SSL_OPT_SNI_CALLBACK; option <= SSL_OPT_CERT_CALLBACK; option++) {
        assert_fails(ssl_setsockopt(fd, SOL_SSL, option, &no_pick, sizeof no_pick), EINVAL);
        assert_fails(ssl_setsockopt(fd, SOL_SSL, option, &sni, sizeof sni - 1), EINVAL);
        assert_fails(ssl_setsockopt(fd, SOL_SSL, option, NULL, sizeof sni), EINVAL);
        assert_int_equal(ssl_setsockopt(fd, SOL_SSL, option, NULL, 0), 0);
        assert_fails(ssl_getsockopt(fd, SOL_SSL, option, got, &len), EINVAL);
    }
    ssl_close(fd);
}

/* ---- trace ---- */

static atomic_int lines[SSL_TRACE_ALL + 1];
static atomic_bool saw_hello;

static void line(void *arg, int kind, const char *text)
{
    assert_ptr_equal(arg, lines);
    assert_in_range(kind, 1, SSL_TRACE_ALL);
    assert_null(strchr(text, '\n'));
    lines[kind]++;
    if (strstr(text, "ClientHello")) {
        saw_hello = true;
    }
}

static void test_trace(void **state)
{
    struct ssl_trace t = { line, lines, SSL_TRACE_HANDSHAKE };
    int f[2], before;

    (void)state;
    f[0] = ssl_socket(AF_INET, SOCK_STREAM, 0);
    assert_fails(ssl_setsockopt(f[0], SOL_SSL, SSL_OPT_TRACE_CALLBACK, &t, sizeof t), EINVAL);
    assert_non_null(strstr(ssl_error(-1), "SSL_DEFAULTS"));
    ssl_close(f[0]);
    t.kinds = SSL_TRACE_ALL + 1;
    assert_fails(ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_TRACE_CALLBACK, &t, sizeof t),
                 EINVAL);
    t.kinds = 0;
    assert_fails(ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_TRACE_CALLBACK, &t, sizeof t),
                 EINVAL);
    t.kinds = SSL_TRACE_HANDSHAKE;
    assert_fails(ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_TRACE_CALLBACK, &t, 1), EINVAL);
    assert_int_equal(ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_TRACE_CALLBACK, &t, sizeof t),
                     0);
    tls_pair(f);
    close_pair(f);
    assert_true(saw_hello);
    assert_true(lines[SSL_TRACE_HANDSHAKE] > 4);
    assert_int_equal(lines[SSL_TRACE_INFO] + lines[SSL_TRACE_CRYPTO], 0);
    assert_int_equal(ssl_setsockopt(SSL_DEFAULTS, SOL_SSL, SSL_OPT_TRACE_CALLBACK, NULL, 0), 0);
    before = lines[SSL_TRACE_HANDSHAKE];
    tls_pair(f);
    close_pair(f);
    assert_int_equal(lines[SSL_TRACE_HANDSHAKE], before);
}

static int setup(void **state)
{
    peers_setup(state);
    make_leaf("two", "ca", "DNS:two.test");
    shell("cd %s && cat server.crt ca.crt server.key >long.pem", certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sni),         cmocka_unit_test(test_sni_listener),
        cmocka_unit_test(test_cert),        cmocka_unit_test(test_cert_unverified),
        cmocka_unit_test(test_cert_server), cmocka_unit_test(test_values),
        cmocka_unit_test(test_trace),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
