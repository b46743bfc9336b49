/* SPDX-License-Identifier: ISC */
/* The Secure Socket API's names in the ssl_ calls: IPPROTO_TLS as a protocol, and AF_HOSTNAME. */
#include "ssa.h"

/* ---- sockets ---- */

static void test_which_sockets_are_tls(void **state)
{
    static const struct {
        int domain, type, protocol, err;
        bool tls, posix_tls;
    } rows[] = {
        { AF_INET, SOCK_STREAM, IPPROTO_TLS, 0, true, true },
        { AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS, 0, true, true },
        { AF_UNIX, SOCK_STREAM, IPPROTO_TLS, 0, true, true },
        { AF_HOSTNAME, SOCK_STREAM, IPPROTO_TLS, 0, true, true },
        { AF_INET, SOCK_STREAM, 0, 0, true, true },
        { AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP, 0, true, true },
        { AF_INET6, SOCK_STREAM, 0, 0, true, true },
        { AF_UNIX, SOCK_STREAM, 0, 0, true, false },
        { AF_INET, SOCK_DGRAM, 0, EPROTOTYPE, false, false },
        { AF_INET, SOCK_DGRAM, IPPROTO_UDP, EPROTOTYPE, false, false },
        { AF_UNIX, SOCK_DGRAM, 0, EPROTOTYPE, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = ssl_socket(rows[i].domain, rows[i].type, rows[i].protocol), verify;
        socklen_t len = sizeof verify;

        if (!rows[i].tls) {
            assert_int_equal(fd, -1);
        } else {
            assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_VERIFY, &verify, &len), 0);
            assert_fails(ssl_write(fd, "x", 1), ENOTCONN);
            ssl_close(fd);
        }
        fd = ssl_posix_socket(rows[i].domain, rows[i].type, rows[i].protocol);
        assert_true(fd >= 0);
        len = sizeof verify;
        assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_VERIFY, &verify, &len),
                         rows[i].posix_tls ? 0 : -1);
        ssl_close(fd);
    }
    assert_fails(ssl_socket(AF_INET, SOCK_DGRAM, IPPROTO_TLS), EPROTOTYPE);
    assert_fails(ssl_posix_socket(AF_INET, SOCK_DGRAM, IPPROTO_TLS), EPROTOTYPE);
    assert_fails(ssl_posix_socket(AF_INET, SOCK_STREAM, 250), EPROTONOSUPPORT);
}

/* ---- both roles ---- */

static void by_name(int domain)
{
    struct sockaddr_host to;
    struct served s = { .listener = ssa_listener("server", &to) };
    pthread_t t = start(&s);
    int fd = ssa_client(domain, "ca.crt");
    char *pem, file[96];
    unsigned long id = 0, other = 0;
    socklen_t len = sizeof id;

    if (ssl_connect(fd, (struct sockaddr *)&to, sizeof to)) {
        fail_msg("connect: %s", ssl_error(fd));
    }
    assert_string_equal(get(fd, TLS_REMOTE_HOSTNAME), "localhost");
    assert_string_equal(get(fd, TLS_PEER_IDENTITY), "CN=server");
    /* What openssl finds in it is the server's certificate. */
    pem = strdup(get(fd, TLS_PEER_CERTIFICATE_CHAIN));
    snprintf(file, sizeof file, "%s/shown", certs);
    FILE *f = fopen(file, "w");
    fputs(pem, f);
    fclose(f);
    free(pem);
    shell("cd %s && openssl x509 -in shown -outform DER -out shown.der && "
          "openssl x509 -in server.crt -outform DER | cmp - shown.der",
          certs);
    assert_int_equal(ssl_getsockopt(fd, IPPROTO_TLS, TLS_ID, &id, &len), 0);
    assert_int_equal(len, sizeof id);
    assert_int_equal(ssl_getsockopt(s.listener, IPPROTO_TLS, TLS_ID, &other, &len), 0);
    assert_true(id != 0 && id != other);
    assert_fails(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), EISCONN);
    assert_fails(put(fd, TLS_REMOTE_HOSTNAME, "elsewhere.test"), EISCONN);
    talk(fd);
    pthread_join(t, NULL);
    assert_int_equal(s.err, 0);
    assert_string_equal(s.text, "question");
    assert_string_equal(s.host, "localhost");
    assert_string_equal(s.peer, "ENODATA");
    ssl_close(fd);
    ssl_close(s.listener);
}

static void test_host_over_ipv4(void **state)
{
    (void)state;
    by_name(AF_INET);
}

/* The server is not there under ::1, where the name may lead first. */
static void test_host_over_either_family(void **state)
{
    (void)state;
    by_name(AF_HOSTNAME);
}

static void test_the_name_is_verified(void **state)
{
    struct sockaddr_host to;
    struct served s = { .listener = ssa_listener("client", &to) };
    pthread_t t = start(&s);
    int fd = ssa_client(AF_INET, "ca.crt");

    (void)state;
    assert_fails(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), EACCES);
    assert_non_null(strstr(ssl_error(fd), "localhost"));
    pthread_join(t, NULL);
    assert_int_equal(s.got, -1);
    ssl_close(fd);
    ssl_close(s.listener);
}

static void test_addresses_that_are_none(void **state)
{
    struct sockaddr_host to = { .sin_family = AF_HOSTNAME, .sin_port = htons(9) };
    int fd = ssl_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS), plain[2];

    (void)state;
    assert_fails(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), EINVAL);
    assert_fails(ssl_connect(fd, (struct sockaddr *)&to, 2), EINVAL);
    memset(&to.sin_addr, 'a', sizeof to.sin_addr);
    assert_fails(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), EINVAL);
    strcpy((char *)to.sin_addr.name, "not a name");
    assert_fails(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), EINVAL);
    strcpy((char *)to.sin_addr.name, "no-such-host.invalid");
    assert_fails(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), EADDRNOTAVAIL);
    assert_non_null(strstr(ssl_error(-1), "no-such-host.invalid"));
    ssl_close(fd);
    tcp_pair(plain); /* a plain fd: the kernel's business */
    assert_int_equal(ssl_connect(plain[0], (struct sockaddr *)&to, sizeof to), -1);
    close_pair(plain);
}

/* Nobody listens: as with any connect(), and the fd is good for another one. */
static void test_refused_and_again(void **state)
{
    struct sockaddr_host to, nobody;
    struct served s = { .listener = ssa_listener("server", &to) };
    int fd = ssa_client(AF_HOSTNAME, "ca.crt");
    pthread_t t;

    (void)state;
    ssl_close(ssa_listener("server", &nobody));
    assert_fails(ssl_connect(fd, (struct sockaddr *)&nobody, sizeof nobody), ECONNREFUSED);
    t = start(&s);
    assert_int_equal(ssl_connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    talk(fd);
    pthread_join(t, NULL);
    ssl_close(fd);
    ssl_close(s.listener);
}

static void test_without_waiting(void **state)
{
    struct sockaddr_host to;
    struct served s = { .listener = ssa_listener("server", &to) };
    pthread_t t = start(&s);
    int fd = ssa_client(AF_INET, "ca.crt"), rc;

    (void)state;
    nonblocking(fd, true);
    rc = ssl_connect(fd, (struct sockaddr *)&to, sizeof to);
    while (rc && (errno == EINPROGRESS || errno == EALREADY)) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };

        ssl_poll(&p, 1, 1000);
        rc = ssl_connect(fd, (struct sockaddr *)&to, sizeof to);
    }
    if (rc) {
        fail_msg("connect: %s", ssl_error(fd));
    }
    nonblocking(fd, false);
    talk(fd);
    pthread_join(t, NULL);
    ssl_close(fd);
    ssl_close(s.listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_sockets_are_tls),   cmocka_unit_test(test_host_over_ipv4),
        cmocka_unit_test(test_host_over_either_family), cmocka_unit_test(test_the_name_is_verified),
        cmocka_unit_test(test_addresses_that_are_none), cmocka_unit_test(test_refused_and_again),
        cmocka_unit_test(test_without_waiting),
    };

    return cmocka_run_group_tests_name("posix_ssa", tests, ssa_setup, peers_teardown);
}
