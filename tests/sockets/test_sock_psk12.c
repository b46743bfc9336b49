/* SPDX-License-Identifier: ISC */
/* Pre-shared keys of TLS 1.2 by SSL_OPT_PSK, and keys of both versions in a file. */
#include <sys/stat.h>

#include "tests/sockets/peers.h"

#define KEY     "0123456789abcdef"
#define OTHER   "0123456789abcdeF"
#define KEY_HEX "30313233343536373839616263646566"
#define SUITES  "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256"

static const struct ssl_psk plain = {
    .identity = "device-7", .key = KEY, .key_len = 16, .hash = SSL_PSK_TLS12
};

static void set_psk(int fd, const struct ssl_psk *p)
{
    assert_int_equal(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_PSK, p, sizeof *p), 0);
}

/* f[0], f[1]: client and server, not yet TLS; both with that suite. */
static void ends(int f[2], const char *suites)
{
    tcp_pair(f);
    for (int i = 0; i < 2; i++) {
        set_string(f[i], SSL_OPT_SUITES, suites);
    }
}

static void connects(int f[2], const char *identity, const char *version)
{
    struct ssl_info info;
    char got[4];

    if (ssl_attach(f[0], SSL_CLIENT) != 0 || ssl_attach(f[1], SSL_SERVER) != 0) {
        fail_msg("%s", ssl_error(-1));
    }
    handshake_pair(f[0], f[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ssl_info(f[i], &info), 0);
        assert_true(info.connected);
        assert_string_equal(info.psk, identity);
        assert_string_equal(info.version_name, version);
    }
    assert_int_equal(ssl_write(f[0], "ping", 4), 4);
    read_exactly(f[1], got, 4);
    assert_memory_equal(got, "ping", 4);
    close_pair(f);
}

struct end {
    int fd, rc, err;
};

static void *shake(void *arg)
{
    struct end *e = arg;

    e->rc = ssl_handshake(e->fd);
    e->err = errno;
    return NULL;
}

/* Both say EACCES, whether the key is wrong or the name. */
static void refused(int f[2])
{
    struct end client = { .fd = f[0] }, server = { .fd = f[1] };
    pthread_t t;

    assert_int_equal(ssl_attach(f[0], SSL_CLIENT) || ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(pthread_create(&t, NULL, shake, &server), 0);
    shake(&client);
    pthread_join(t, NULL);
    assert_int_equal(client.rc, -1);
    assert_int_equal(server.rc, -1);
    assert_int_equal(client.err, EACCES);
    assert_int_equal(server.err, EACCES);
    assert_non_null(strstr(ssl_error(f[1]), "the pre-shared key of the peer is not ours"));
    close_pair(f);
}

static void test_every_exchange(void **state)
{
    static const char *const suites[] = { "TLS_PSK_WITH_AES_256_CBC_SHA384", SUITES,
                                          "TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        int f[2];

        ends(f, suites[i]);
        set_psk(f[0], &plain);
        set_psk(f[1], &plain);
        if (i == 2) { /* its certificate is verified nevertheless */
            set_string(f[1], SSL_OPT_CERT_FILE, cert_path("rsa.pem"));
            set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
            set_string(f[0], SSL_OPT_NAME, "server.test");
        }
        connects(f, "device-7", "TLSv1.2");
    }
}

static void test_wrong(void **state)
{
    struct ssl_psk other = plain;
    int f[2];

    (void)state;
    other.key = OTHER;
    ends(f, SUITES);
    set_psk(f[0], &plain);
    set_psk(f[1], &other);
    refused(f);
    other = plain;
    other.identity = "device-8";
    ends(f, SUITES);
    set_psk(f[0], &plain);
    set_psk(f[1], &other);
    refused(f);
}

/* The key says that it will do, the suite that TLS 1.2 is meant: one without the other is an error.
 */
static void test_needs_both(void **state)
{
    struct ssl_psk p = plain;
    int f[2];

    (void)state;
    ends(f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    set_psk(f[0], &plain);
    assert_fails(ssl_attach(f[0], SSL_CLIENT), EINVAL);
    assert_non_null(strstr(ssl_error(-1), "needs a cipher suite"));
    set_string(f[0], SSL_OPT_SUITES, SUITES);
    assert_int_equal(ssl_setsockopt(f[0], SOL_SSL, SSL_OPT_PSK, NULL, 0), 0);
    assert_fails(ssl_attach(f[0], SSL_CLIENT), EACCES);
    set_string(f[0], SSL_OPT_NAME, "server.test");
    assert_fails(ssl_attach(f[0], SSL_CLIENT), EINVAL);
    assert_non_null(strstr(ssl_error(-1), "need a pre-shared key"));
    p.own = "alice";
    p.peer = "bob";
    assert_fails(ssl_setsockopt(f[0], SOL_SSL, SSL_OPT_PSK, &p, sizeof p), EINVAL);
    assert_non_null(strstr(ssl_error(-1), "cannot be imported"));
    close_pair(f);
}

/* One identity, a key for each version. */
static void test_both_versions(void **state)
{
    struct ssl_psk p13 = plain;

    (void)state;
    p13.hash = SSL_PSK_SHA256;
    p13.key = OTHER;
    for (int max = 0x0303; max <= 0x0304; max++) {
        int f[2];

        ends(f, "TLS_AES_128_GCM_SHA256:" SUITES);
        for (int i = 0; i < 2; i++) {
            set_psk(f[i], &plain);
            set_psk(f[i], &p13);
        }
        set_number(f[0], SSL_OPT_MAX_VERSION, max);
        connects(f, "device-7", max == 0x0304 ? "TLSv1.3" : "TLSv1.2");
    }
}

static void test_hint(void **state)
{
    static char longest[257];
    struct ssl_psk second = plain;
    int f[2];

    (void)state;
    second.identity = "second";
    second.key = OTHER;
    for (int i = 0; i < 2; i++) {
        ends(f, "TLS_PSK_WITH_AES_128_GCM_SHA256");
        for (int k = 0; k < 2; k++) {
            set_psk(f[k], &plain);
            set_psk(f[k], &second);
        }
        set_string(f[1], SSL_OPT_PSK_HINT, i ? "second" : "");
        connects(f, i ? "second" : "device-7", "TLSv1.2");
    }
    memset(longest, 'h', 256);
    tcp_pair(f);
    assert_int_equal(ssl_setsockopt(f[1], SOL_SSL, SSL_OPT_PSK_HINT, longest, 255), 0);
    assert_fails(ssl_setsockopt(f[1], SOL_SSL, SSL_OPT_PSK_HINT, longest, 256), EINVAL);
    close_pair(f);
}

/* ---- files ---- */

static void write_keys(const char *text, mode_t mode)
{
    FILE *f;

    unlink(cert_path("keys"));
    f = fopen(cert_path("keys"), "w");
    assert_non_null(f);
    assert_int_equal(fputs(text, f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(cert_path("keys"), mode), 0);
}

static void test_file(void **state)
{
    static const char keys[] = "# identity:key\n\ndevice-7:" KEY_HEX ":tls1.2\r\n"
                               "device-7:" KEY_HEX "\nan:other:" KEY_HEX ":sha384";
    struct ssl_psk p = plain;

    (void)state;
    write_keys(keys, 0600);
    for (int i = 0; i < 3; i++) {
        int f[2];

        tcp_pair(f);
        set_string(f[1], SSL_OPT_PSK_FILE, cert_path("keys"));
        set_string(f[1], SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" SUITES);
        p.hash = i == 0 ? SSL_PSK_TLS12 : i == 1 ? SSL_PSK_SHA256 : SSL_PSK_SHA384;
        p.identity = i == 2 ? "an:other" : "device-7";
        set_psk(f[0], &p);
        if (i == 0) {
            set_string(f[0], SSL_OPT_SUITES, SUITES);
        }
        connects(f, p.identity, i == 0 ? "TLSv1.2" : "TLSv1.3");
    }
    unlink(cert_path("keys"));
}

static void test_bad_file(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        int err;
        const char *words;
    } rows[] = {
        { "device-7:" KEY_HEX, 0644, EACCES, "others may read" },
        { "device-7:" KEY_HEX, 0620, EACCES, "others may read" },
        { "\ndevice-7\n", 0600, EINVAL, "line 2: an identity, a colon and a key" },
        { ":" KEY_HEX, 0600, EINVAL, "line 1: an identity has" },
        { "device-7:sha256", 0600, EINVAL, "line 1: an identity, a colon" },
        { "device-7:00:sha256", 0600, EINVAL, "line 1: a key has" },
        { "device-7:" KEY_HEX "0", 0600, EINVAL, "line 1: a key has" },
        { "device-7:" KEY_HEX "0g", 0600, EINVAL, "line 1: a key has" },
        { "device-7:" KEY_HEX ":sha512", 0600, EINVAL, "line 1: a key has" },
        { "a:" KEY_HEX "\na:" KEY_HEX "\n", 0600, EINVAL, "two keys \"a\"" },
    };
    int f[2];

    (void)state;
    for (size_t i = 0; i <= sizeof rows / sizeof *rows; i++) {
        const bool none = i == sizeof rows / sizeof *rows;

        tcp_pair(f);
        if (none) {
            unlink(cert_path("keys"));
        } else {
            write_keys(rows[i].text, rows[i].mode);
        }
        set_string(f[1], SSL_OPT_PSK_FILE, cert_path("keys"));
        assert_fails(ssl_attach(f[1], SSL_SERVER), none ? ENOENT : rows[i].err);
        if (!strstr(ssl_error(-1), none ? "No such file" : rows[i].words)) {
            fail_msg("row %zu: %s", i, ssl_error(-1));
        }
        close_pair(f);
    }
    unlink(cert_path("keys"));
}

/* rsa.pem, which can decipher */
static int setup(void **state)
{
    assert_int_equal(peers_setup(state), 0);
    shell("cd %s && openssl req -newkey rsa:2048 -nodes -subj /CN=rsa -keyout rsa.key -out rsa.csr "
          "2>/dev/null && printf 'subjectAltName=DNS:server.test\nkeyUsage=keyEncipherment\n' "
          ">rsa.ext && openssl x509 -req -in rsa.csr -CA ca.crt -CAkey ca.key -CAcreateserial "
          "-days 2 -extfile rsa.ext -out rsa.crt 2>/dev/null && cat rsa.crt rsa.key >rsa.pem",
          certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_exchange), cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_needs_both),     cmocka_unit_test(test_both_versions),
        cmocka_unit_test(test_hint),           cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_file),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
