/* SPDX-License-Identifier: ISC */
/* The suites with DHE: named, with a server's parameters and a client's least. */
#include "tests/sockets/peers.h"

#define SUITE "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"

static const char modp2048[] = "-----BEGIN DH PARAMETERS-----\n"
                               "MIIBCAKCAQEA///////////JD9qiIWjCNMTGYouA3BzRKQJOCIpnzHQCC76mOxOb\n"
                               "IlFKCHmONATd75UZs806QxswKwpt8l8UN0/hNW1tUcJF5IW1dmJefsb0TELppjft\n"
                               "awv/XLb0Brft7jhr+1qJn6WunyQRfEsf5kkoZlHs5Fs9wgB8uKFjvwWY2kg2HFXT\n"
                               "mmkWP6j9JM9fg2VdI9yjrZYcYvNWIIVSu57VKQdwlpZtZww1Tkq8mATxdGwIyhgh\n"
                               "fDKQXkYuNs474553LBgOhgObJ4Oi7Aeij7XFXfBvTFLJ3ivL9pVYFxg5lUl86pVq\n"
                               "5RXSJhiY+gUQFXKOWoqsqmj//////////wIBAg==\n"
                               "-----END DH PARAMETERS-----\n";

static void ends(int f[2])
{
    tcp_pair(f);
    for (int i = 0; i < 2; i++) {
        set_string(f[i], SSL_OPT_SUITES, SUITE);
    }
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("rsa.pem"));
}

static void connects(int f[2], const char *group)
{
    struct ssl_info info;
    char got[4];

    if (ssl_attach(f[0], SSL_CLIENT) != 0 || ssl_attach(f[1], SSL_SERVER) != 0) {
        fail_msg("%s", ssl_error(-1));
    }
    handshake_pair(f[0], f[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ssl_info(f[i], &info), 0);
        assert_string_equal(info.suite, SUITE);
        assert_string_equal(info.group, group);
    }
    assert_int_equal(ssl_write(f[0], "ping", 4), 4);
    read_exactly(f[1], got, 4);
    assert_memory_equal(got, "ping", 4);
    close_pair(f);
}

static void test_groups(void **state)
{
    int f[2];

    (void)state;
    ends(f);
    connects(f, "ffdhe2048");
    ends(f);
    set_string(f[0], SSL_OPT_GROUPS, "ffdhe3072");
    connects(f, "ffdhe3072");
    ends(f);
    set_string(f[1], SSL_OPT_DH_PARAMS_FILE, cert_path("modp.pem"));
    set_number(f[0], SSL_OPT_DH_BITS, 2048);
    connects(f, "");
}

/* threat 18 */
static void test_least(void **state)
{
    pthread_t t;
    void *rc;
    int f[2];

    (void)state;
    ends(f);
    set_number(f[0], SSL_OPT_DH_BITS, 3072);
    set_string(f[1], SSL_OPT_DH_PARAMS_FILE, cert_path("modp.pem"));
    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)f[1]), 0);
    assert_int_equal(ssl_handshake(f[0]), -1);
    assert_non_null(strstr(ssl_error(f[0]), "3072"));
    assert_int_equal(pthread_join(t, &rc), 0);
    close_pair(f);
}

static void test_values(void **state)
{
    static const int good[] = { 0, 2048, 8192 }, bad[] = { -1, 1, 1023, 2047, 8193 };
    int f[2];

    (void)state;
    ends(f);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        set_number(f[0], SSL_OPT_DH_BITS, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ssl_setsockopt(f[0], SOL_SSL, SSL_OPT_DH_BITS, &bad[i], sizeof bad[i]),
                         -1);
        assert_int_equal(errno, EINVAL);
    }
    close_pair(f);
}

static void test_files(void **state)
{
    static const struct {
        const char *file, *says;
    } rows[] = { { "none.pem", "none.pem" },
                 { "rsa.pem", "no Diffie-Hellman" },
                 { "small.pem", "2048" } };
    int f[2];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ends(f);
        set_string(f[1], SSL_OPT_DH_PARAMS_FILE, cert_path(rows[i].file));
        if (ssl_attach(f[1], SSL_SERVER) == 0) {
            assert_int_equal(ssl_handshake(f[1]), -1);
        }
        if (!strstr(ssl_error(-1), rows[i].says)) {
            fail_msg("%s", ssl_error(-1));
        }
        close_pair(f);
    }
}

static int setup(void **state)
{
    FILE *f;

    if (peers_setup(state) < 0) {
        return -1;
    }
    shell("cd %s && openssl req -newkey rsa:2048 -nodes -subj /CN=rsa -keyout rsa.key -out rsa.csr "
          "2>/dev/null && openssl x509 -req -in rsa.csr -CA ca.crt -CAkey ca.key -CAcreateserial "
          "-days 2 -extfile server.ext -out rsa.crt 2>/dev/null && cat rsa.crt rsa.key >rsa.pem && "
          "openssl genpkey -genparam -algorithm DH -pkeyopt group:modp_1536 2>/dev/null | "
          "openssl dhparam -out small.pem 2>/dev/null",
          certs);
    f = fopen(cert_path("modp.pem"), "w");
    return f && fputs(modp2048, f) >= 0 && fclose(f) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
