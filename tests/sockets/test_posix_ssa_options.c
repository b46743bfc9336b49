/* SPDX-License-Identifier: ISC */
/* The Secure Socket API's options in ssl_setsockopt() and ssl_getsockopt(). */
#include "ssa.h"

static void test_what_cannot_be(void **state)
{
    static const int read_only[] = { TLS_PEER_IDENTITY, TLS_PEER_CERTIFICATE_CHAIN, TLS_ID };
    static const int set_only[] = { TLS_TRUSTED_PEER_CERTIFICATES, TLS_PRIVATE_KEY,
                                    TLS_DISABLE_CIPHER, TLS_REQUEST_PEER_AUTH };
    int fd = ssl_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
    char text[256];
    socklen_t len = sizeof text;

    (void)state;
    for (size_t i = 0; i < sizeof read_only / sizeof *read_only; i++) {
        assert_fails(put(fd, read_only[i], "x"), ENOPROTOOPT);
    }
    for (size_t i = 0; i < sizeof set_only / sizeof *set_only; i++) {
        assert_fails(ssl_getsockopt(fd, IPPROTO_TLS, set_only[i], text, &len), ENOPROTOOPT);
    }
    for (int i = TLS_ID + 1; i < TLS_ID + 20; i++) {
        assert_fails(put(fd, i, "x"), ENOPROTOOPT);
        assert_fails(ssl_getsockopt(fd, IPPROTO_TLS, i, text, &len), ENOPROTOOPT);
    }
    assert_fails(ssl_getsockopt(fd, IPPROTO_TLS, TLS_HOSTNAME, text, &len), ENOTCONN);
    assert_fails(ssl_getsockopt(fd, IPPROTO_TLS, TLS_PEER_IDENTITY, text, &len), ENOTCONN);
    assert_fails(ssl_getsockopt(fd, IPPROTO_TLS, TLS_PEER_CERTIFICATE_CHAIN, text, &len), ENOTCONN);
    assert_fails(put(fd, TLS_REMOTE_HOSTNAME, "two words"), EINVAL);
    assert_fails(put(fd, TLS_HOSTNAME, "two words"), EINVAL);
    assert_fails(put(fd, TLS_HOSTNAME, ""), EINVAL);
    put_ok(fd, TLS_HOSTNAME, "www.example.org");
    put_ok(fd, TLS_ALPN, "h2,http/1.1");
    assert_string_equal(get(fd, TLS_ALPN), "h2,http/1.1");
    len = 3;
    assert_fails(ssl_getsockopt(fd, IPPROTO_TLS, TLS_ID, text, &len), ERANGE);
    assert_int_equal(len, sizeof(unsigned long));
    ssl_close(fd);
    assert_fails(put(fd, TLS_ALPN, "h2"), EBADF);
}

static void test_files_are_named(void **state)
{
    int fd = ssl_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
    char dir[256], want[256], big[5000];

    (void)state;
    assert_fails(put(fd, TLS_CERTIFICATE_CHAIN, ""), EINVAL);
    assert_fails(put(fd, TLS_CERTIFICATE_CHAIN, "no-such-file"), EINVAL);
    assert_fails(put(fd, TLS_PRIVATE_KEY, "-----BEGIN PRIVATE KEY-----\n"), EINVAL);
    assert_null(strstr(ssl_error(-1), "BEGIN"));
    assert_fails(put(fd, TLS_TRUSTED_PEER_CERTIFICATES, "/no/such/directory"), EINVAL);
    memset(big, 'x', sizeof big);
    assert_fails(ssl_setsockopt(fd, IPPROTO_TLS, TLS_PRIVATE_KEY, big, sizeof big), EINVAL);
    assert_fails(ssl_setsockopt(fd, IPPROTO_TLS, TLS_PRIVATE_KEY, big, 4095), ENAMETOOLONG);
    assert_fails(ssl_setsockopt(fd, IPPROTO_TLS, TLS_PRIVATE_KEY, NULL, 0), EINVAL);
    /* As seen from where the program is now, wherever it goes. */
    assert_non_null(getcwd(dir, sizeof dir));
    assert_int_equal(chdir(certs), 0);
    put_ok(fd, TLS_CERTIFICATE_CHAIN, "server.pem");
    assert_int_equal(chdir(dir), 0);
    snprintf(want, sizeof want, "%s/server.pem", certs);
    assert_string_equal(get(fd, TLS_CERTIFICATE_CHAIN), want);
    ssl_close(fd);
}

static void ttl_is(int fd, long want)
{
    int reuse = -1, small = -1;
    long ttl = -1;
    socklen_t n = sizeof ttl, m = sizeof reuse, k = sizeof small;

    assert_int_equal(ssl_getsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, &ttl, &n), 0);
    assert_int_equal(ttl, want);
    assert_int_equal(ssl_getsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, &small, &k), 0);
    assert_int_equal(small, want);
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_SESSION_REUSE, &reuse, &m), 0);
    assert_int_equal(reuse, want > 0);
}

static void test_how_long_sessions_live(void **state)
{
    int fd = ssl_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS), small = 60;
    long ttl = 300;

    (void)state;
    ttl_is(fd, 86400);
    assert_int_equal(ssl_setsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, &ttl, sizeof ttl), 0);
    ttl_is(fd, 300);
    ttl = 0;
    assert_int_equal(ssl_setsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, &ttl, sizeof ttl), 0);
    ttl_is(fd, 0);
    assert_int_equal(ssl_setsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, &small, sizeof small), 0);
    ttl_is(fd, 60);
    ttl = 604801;
    assert_int_equal(ssl_setsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, &ttl, sizeof ttl), 0);
    ttl_is(fd, 604800);
    ttl = -1;
    assert_fails(ssl_setsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, &ttl, sizeof ttl), EINVAL);
    assert_fails(ssl_setsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, &ttl, 2), EINVAL);
    assert_fails(ssl_setsockopt(fd, IPPROTO_TLS, TLS_SESSION_TTL, NULL, sizeof ttl), EINVAL);
    ttl_is(fd, 604800);
    ssl_close(fd);
}

static const char *suites_of(int fd)
{
    static char text[4096];
    socklen_t len = sizeof text;

    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_SUITES, text, &len), 0);
    return text;
}

static void test_ciphers_are_disabled(void **state)
{
    static const char *const names[] = {
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",   "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
        "TLS_AES_128_GCM_SHA256",        "TLS_CHACHA20_POLY1305_SHA256",
    };
    static const char *const unused[] = { "AES128-SHA", "AES256-GCM-SHA384", "AES128-SHA256",
                                          "ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA" };
    static const char *const unknown[] = {
        "RC4-MD5",   "", "ECDHE", "ECDHE-ECDSA-AES128-GCM-SHA25", "TLS-AES-128-GCM-SHA256",
        "aes128-sha"
    };
    struct sockaddr_host to;
    struct served s = { .listener = ssa_listener("server", &to) };
    int fd = ssa_client(AF_INET, "ca.crt");
    pthread_t t = start(&s);

    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_fails(put(fd, TLS_DISABLE_CIPHER, unknown[i]), EINVAL);
    }
    assert_fails(ssl_setsockopt(fd, IPPROTO_TLS, TLS_DISABLE_CIPHER, NULL, 0), EINVAL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put_ok(fd, TLS_DISABLE_CIPHER, names[i]);
    }
    assert_string_equal(suites_of(fd), "TLS_AES_256_GCM_SHA384");
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++) {
        put_ok(fd, TLS_DISABLE_CIPHER, unused[i]);
    }
    assert_fails(put(fd, TLS_DISABLE_CIPHER, "TLS_AES_256_GCM_SHA384"), EINVAL);
    assert_string_equal(suites_of(fd), "TLS_AES_256_GCM_SHA384");
    assert_int_equal(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    talk(fd);
    pthread_join(t, NULL);
    ssl_close(fd);
    ssl_close(s.listener);
    /* By the order they were in; a suite that was asked for goes as well. */
    fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
    set_string(fd, SSL_OPT_SUITES,
               "TLS_RSA_WITH_AES_128_CBC_SHA,TLS_AES_128_GCM_SHA256,"
               "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256");
    put_ok(fd, TLS_DISABLE_CIPHER, "AES128-SHA");
    assert_string_equal(suites_of(fd),
                        "TLS_AES_128_GCM_SHA256:TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256");
    put_ok(fd, TLS_DISABLE_CIPHER, "ECDHE-RSA-AES128-SHA256");
    assert_string_equal(suites_of(fd), "TLS_AES_128_GCM_SHA256");
    ssl_close(fd);
}

/* "The SSA will report an error if the provided key does not match." */
static void test_a_key_must_fit(void **state)
{
    int fd = ssl_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);

    (void)state;
    assert_fails(put(fd, TLS_PRIVATE_KEY, cert_path("server.key")), EINVAL); /* of what? */
    put_ok(fd, TLS_CERTIFICATE_CHAIN, cert_path("server.crt"));
    assert_fails(put(fd, TLS_PRIVATE_KEY, cert_path("client.key")), EINVAL);
    assert_fails(put(fd, TLS_PRIVATE_KEY, cert_path("ca.crt")), EINVAL);
    put_ok(fd, TLS_PRIVATE_KEY, cert_path("server.key"));
    put_ok(fd, TLS_CERTIFICATE_CHAIN, cert_path("client.crt"));
    assert_fails(put(fd, TLS_PRIVATE_KEY, cert_path("server.key")), EINVAL);
    put_ok(fd, TLS_PRIVATE_KEY, cert_path("client.key"));
    ssl_close(fd);
}

/* Each TLS_CERTIFICATE_CHAIN is one more, and the name decides; the protocol is agreed on. */
static void test_two_certificates_and_alpn(void **state)
{
    struct sockaddr_host to;
    struct served s = { .listener = ssa_listener("server", &to) };
    pthread_t t;
    int fd = ssa_client(AF_INET, "ca.crt");
    socklen_t len = 0;

    (void)state;
    put_ok(s.listener, TLS_CERTIFICATE_CHAIN, cert_path("client.crt"));
    put_ok(s.listener, TLS_PRIVATE_KEY, cert_path("client.key"));
    put_ok(s.listener, TLS_ALPN, "talk/2,talk/1");
    put_ok(fd, TLS_ALPN, "talk/1");
    t = start(&s);
    assert_int_equal(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_string_equal(get(fd, TLS_PEER_IDENTITY), "CN=server");
    assert_string_equal(get(fd, TLS_ALPN), "talk/1");
    assert_int_equal(ssl_getsockopt(fd, IPPROTO_TLS, TLS_ALPN, NULL, &len), 0);
    assert_int_equal(len, 7);
    talk(fd);
    pthread_join(t, NULL);
    ssl_close(fd);
    ssl_close(s.listener);
}

static void test_the_whole_chain_is_shown(void **state)
{
    struct sockaddr_host to;
    struct served s = { .listener = ssa_listener("both", &to) };
    pthread_t t = start(&s);
    int fd = ssa_client(AF_INET, "ca.crt");
    const char *pem;
    char all[8192];

    (void)state;
    assert_int_equal(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    pem = get(fd, TLS_PEER_CERTIFICATE_CHAIN);
    assert_int_equal(count(pem, "-----BEGIN CERTIFICATE-----"), 2);
    assert_int_equal(count(pem, "-----END CERTIFICATE-----"), 2);
    FILE *f = fopen(cert_path("both.crt"), "r");
    all[fread(all, 1, sizeof all - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(pem, all);
    assert_string_equal(get(fd, TLS_PEER_IDENTITY), "CN=server");
    talk(fd);
    pthread_join(t, NULL);
    ssl_close(fd);
    ssl_close(s.listener);
}

/* "These can be leaf certificates that directly match the peer certificate." */
static void test_a_leaf_may_be_trusted(void **state)
{
    struct sockaddr_host to;
    struct served s = { .listener = ssa_listener("server", &to) };
    pthread_t t = start(&s);
    int fd = ssa_client(AF_INET, "server.crt");

    (void)state;
    if (ssl_connect(fd, (struct sockaddr *)&to, sizeof to)) {
        fail_msg("connect: %s", ssl_error(fd));
    }
    talk(fd);
    pthread_join(t, NULL);
    ssl_close(fd);
    ssl_close(s.listener);
}

/* ---- the client's certificate ---- */

static void with_client_certificate(bool listener_asks, bool has_one)
{
    struct sockaddr_host to;
    struct served s = { .listener = ssa_listener("server", &to), .ask = !listener_asks };
    int fd = ssa_client(AF_INET, "ca.crt"), any = 1;
    char buf[8];
    pthread_t t;

    put_ok(s.listener, TLS_TRUSTED_PEER_CERTIFICATES, cert_path("ca.crt"));
    if (listener_asks) {
        assert_int_equal(
            ssl_setsockopt(s.listener, IPPROTO_TLS, TLS_REQUEST_PEER_AUTH, &any, sizeof any), 0);
    }
    if (has_one) {
        put_ok(fd, TLS_CERTIFICATE_CHAIN, cert_path("client.crt"));
        put_ok(fd, TLS_PRIVATE_KEY, cert_path("client.key"));
    }
    t = start(&s);
    assert_int_equal(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    if (has_one) {
        talk(fd);
    } else {
        assert_fails(ssl_read(fd, buf, sizeof buf), EACCES);
    }
    pthread_join(t, NULL);
    if (has_one) {
        assert_string_equal(s.peer, "CN=client");
        assert_non_null(strstr(s.pem, "-----BEGIN CERTIFICATE-----"));
    } else {
        assert_int_equal(s.err, EACCES);
        assert_int_equal(s.got, -1);
    }
    ssl_close(fd);
    ssl_close(s.listener);
}

static void test_peer_auth_by_the_listener(void **state)
{
    (void)state;
    with_client_certificate(true, true);
    with_client_certificate(true, false);
}

static void test_peer_auth_by_the_accepted(void **state)
{
    (void)state;
    with_client_certificate(false, true);
    with_client_certificate(false, false);
}

static void test_peer_auth_too_late(void **state)
{
    int f[2], any = 1;

    (void)state;
    tls_pair(f);
    assert_fails(ssl_setsockopt(f[1], IPPROTO_TLS, TLS_REQUEST_PEER_AUTH, &any, sizeof any),
                 EISCONN);
    assert_fails(ssl_setsockopt(f[0], IPPROTO_TLS, TLS_REQUEST_PEER_AUTH, &any, sizeof any),
                 EISCONN);
    assert_int_equal(ssl_write(f[0], "fine", 4), 4);
    close_pair(f);
    /* The server has heard the client, and waits for more. */
    tcp_pair(f);
    attach_pair(f[0], f[1]);
    nonblocking(f[0], true);
    nonblocking(f[1], true);
    assert_fails(ssl_handshake(f[0]), EAGAIN);
    await_input(f[1], 1);
    assert_fails(ssl_handshake(f[1]), EAGAIN);
    assert_fails(ssl_setsockopt(f[1], IPPROTO_TLS, TLS_REQUEST_PEER_AUTH, &any, sizeof any),
                 EISCONN);
    nonblocking(f[0], false);
    nonblocking(f[1], false);
    handshake_pair(f[0], f[1]);
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be),
        cmocka_unit_test(test_files_are_named),
        cmocka_unit_test(test_how_long_sessions_live),
        cmocka_unit_test(test_ciphers_are_disabled),
        cmocka_unit_test(test_a_key_must_fit),
        cmocka_unit_test(test_two_certificates_and_alpn),
        cmocka_unit_test(test_the_whole_chain_is_shown),
        cmocka_unit_test(test_a_leaf_may_be_trusted),
        cmocka_unit_test(test_peer_auth_by_the_listener),
        cmocka_unit_test(test_peer_auth_by_the_accepted),
        cmocka_unit_test(test_peer_auth_too_late),
    };

    return cmocka_run_group_tests_name("posix_ssa_options", tests, ssa_setup, peers_teardown);
}
