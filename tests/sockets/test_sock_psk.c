/* SPDX-License-Identifier: ISC */
/* Pre-shared keys by SSL_OPT_PSK: two ends over loopback, with certificates beside them and
 * without. */
#include "tests/sockets/peers.h"

#define KEY   "0123456789abcdef"
#define OTHER "0123456789abcdeF"

static const struct ssl_psk plain = { .identity = "device-7", .key = KEY, .key_len = 16 };

static struct ssl_psk named(const char *own, const char *peer)
{
    struct ssl_psk p = plain;

    p.own = own;
    p.peer = peer;
    return p;
}

static int set_psk(int fd, const struct ssl_psk *p)
{
    return ssl_setsockopt(fd, SOL_SSL, SSL_OPT_PSK, p, p ? sizeof *p : 0);
}

/* f[0], f[1]: client and server, not yet TLS; each with its key, when it has one. */
static void ends(int f[2], const struct ssl_psk *client, const struct ssl_psk *server)
{
    tcp_pair(f);
    assert_int_equal(client ? set_psk(f[0], client) : 0, 0);
    assert_int_equal(server ? set_psk(f[1], server) : 0, 0);
}

static int attach_both(const int f[2])
{
    return ssl_attach(f[0], SSL_CLIENT) || ssl_attach(f[1], SSL_SERVER) ? -1 : 0;
}

static void by_key(int fd, const char *identity)
{
    struct ssl_info i;

    assert_int_equal(ssl_info(fd, &i), 0);
    assert_true(i.connected);
    assert_string_equal(i.psk, identity);
}

/* Under that identity, "": by certificate. */
static void connects(int f[2], const char *identity)
{
    char got[4];

    assert_int_equal(attach_both(f), 0);
    handshake_pair(f[0], f[1]);
    by_key(f[0], identity);
    by_key(f[1], identity);
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

/* Both fail so; the sentence of `by` (0 client, 1 server) has these words in it. A TLS 1.3 client
 * may think that it is connected until it reads. */
static void refused(int f[2], int by, int client_err, int server_err, const char *words)
{
    struct end client = { .fd = f[0] }, server = { .fd = f[1] };
    pthread_t t;
    char c;

    assert_int_equal(attach_both(f), 0);
    assert_int_equal(pthread_create(&t, NULL, shake, &server), 0);
    shake(&client);
    pthread_join(t, NULL);
    if (client.rc == 0) {
        client.rc = (int)ssl_read(f[0], &c, 1);
        client.err = errno;
    }
    assert_int_equal(client.rc, -1);
    assert_int_equal(server.rc, -1);
    assert_int_equal(client.err, client_err);
    assert_int_equal(server.err, server_err);
    if (!strstr(ssl_error(f[by]), words)) {
        fail_msg("\"%s\" is not in \"%s\"", words, ssl_error(f[by]));
    }
    assert_fails(ssl_write(f[0], "x", 1), client_err);
    close_pair(f);
}

/* ---- what works ---- */
static void test_as_it_is(void **state)
{
    int f[2];

    (void)state;
    ends(f, &plain, &plain);
    connects(f, "device-7");
}

static void test_every_hash(void **state)
{
    (void)state;
    for (int hash = SSL_PSK_SHA256; hash <= SSL_PSK_SHA384; hash++) {
        for (int import = 0; import < 2; import++) {
            struct ssl_psk a = import ? named("alice", "bob") : plain;
            struct ssl_psk b = import ? named("bob", "alice") : plain;
            int f[2];

            a.hash = b.hash = hash;
            ends(f, &a, &b);
            connects(f, "device-7");
        }
    }
}

static void test_lengths(void **state)
{
    static char identity[256], own[256], peer[256];
    static uint8_t key[256];
    struct ssl_psk p = { identity, key, sizeof key, SSL_PSK_SHA384, own, peer };
    struct ssl_psk q = { identity, key, sizeof key, SSL_PSK_SHA384, peer, own };
    int f[2];

    (void)state;
    memset(identity, 'i', 255);
    memset(own, 'o', 255);
    memset(peer, 'p', 255);
    ends(f, &p, &q);
    connects(f, identity);
}

/* Accepted sockets have what their listener had, a client that knows no name connects, and what is
 * set later is for later ones. */
static void test_inherited(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr);

    (void)state;
    set_string(l, SSL_OPT_CERT_FILE, "");
    assert_int_equal(set_psk(l, &plain), 0);
    for (int turn = 0; turn < 2; turn++) {
        int c = ssl_socket(AF_INET, SOCK_STREAM, 0), s;
        struct ssl_psk p = plain;
        struct end server;
        pthread_t t;

        p.key = turn ? OTHER : KEY;
        assert_int_equal(set_psk(c, &p), 0);
        nonblocking(c, true);
        assert_fails(ssl_connect(c, (struct sockaddr *)&addr, sizeof addr), EINPROGRESS);
        s = ssl_accept(l, NULL, NULL);
        assert_true(s >= 0);
        server = (struct end){ .fd = s };
        assert_int_equal(pthread_create(&t, NULL, shake, &server), 0);
        nonblocking(c, false);
        if (ssl_connect(c, (struct sockaddr *)&addr, sizeof addr)) {
            fail_msg("%s", ssl_error(c));
        }
        pthread_join(t, NULL);
        assert_int_equal(server.rc, 0);
        by_key(c, "device-7");
        by_key(s, "device-7");
        ssl_close(c);
        ssl_close(s);
        p.key = OTHER; /* the key of that identity is replaced */
        assert_int_equal(set_psk(l, &p), 0);
    }
    ssl_close(l);
}

/* Without SSL_OPT_NAME, or with it; the certificate beside the key is for others. */
static void test_key_before_certificate(void **state)
{
    int f[2];

    (void)state;
    ends(f, &plain, &plain);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    connects(f, "device-7");
    ends(f, &plain, &plain);
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("other.crt"));
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    connects(f, "device-7");
    ends(f, NULL, &plain);
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    connects(f, "");
}

/* ---- what does not ---- */
static void test_wrong_key(void **state)
{
    struct ssl_psk other = plain;
    int f[2];

    (void)state;
    other.key = OTHER;
    ends(f, &plain, &other);
    refused(f, 1, EACCES, EACCES, "binder of the key is wrong");
    ends(f, &plain, &other);
    refused(f, 0, EACCES, EACCES, "decrypt_error");
    other = named("alice", "bob"); /* only one of them imports it */
    ends(f, &other, &plain);
    refused(f, 1, EACCES, EACCES, "has no key of ours");
    ends(f, NULL, &plain);
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    refused(f, 1, EACCES, EACCES, "has no key of ours");
}

/* threat 32: a server that does not know the key and shows a certificate, to a client without a
 * name or without anchors of its choice, at both versions. */
static void threat_32_certificate_instead(void **state)
{
    static const struct {
        const char *name, *ca;
        int verify, version;
        const char *words; /* NULL: it is accepted */
    } v[] = {
        { NULL, NULL, SSL_VERIFY_FULL, 0, "no name to verify" },
        { NULL, "ca.crt", SSL_VERIFY_FULL, 0, "no name to verify" },
        { NULL, "ca.crt", SSL_VERIFY_FULL, 0x0303, "no name to verify" },
        { "server.test", NULL, SSL_VERIFY_FULL, 0, "unknown_ca" },
        { "server.test", NULL, SSL_VERIFY_FULL, 0x0303, "unknown_ca" },
        { "server.test", "other.crt", SSL_VERIFY_FULL, 0, "unknown_ca" },
        { "wrong.test", "ca.crt", SSL_VERIFY_FULL, 0, "wrong.test" },
        { NULL, NULL, SSL_VERIFY_CA, 0, "unknown_ca" },
        { "server.test", "ca.crt", SSL_VERIFY_FULL, 0, NULL },
        { "server.test", "ca.crt", SSL_VERIFY_FULL, 0x0303, NULL },
        { NULL, "ca.crt", SSL_VERIFY_CA, 0, NULL },
        { NULL, NULL, SSL_VERIFY_NONE, 0, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        int f[2];

        ends(f, &plain, NULL);
        set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
        set_number(f[1], SSL_OPT_MAX_VERSION, v[i].version);
        set_number(f[0], SSL_OPT_VERIFY, v[i].verify);
        if (v[i].name) {
            set_string(f[0], SSL_OPT_NAME, v[i].name);
        }
        if (v[i].ca) {
            set_string(f[0], SSL_OPT_CA_FILE, cert_path(v[i].ca));
        }
        if (v[i].words) {
            refused(f, 0, EACCES, EACCES, v[i].words);
        } else {
            connects(f, "");
        }
    }
}

/* threat 23: each end has the key as client and as server, and is spoken to by itself. */
static void threat_23_selfie(void **state)
{
    struct ssl_psk client = named("alice", "bob"), server = named("alice", "bob");
    int f[2];

    (void)state;
    ends(f, &client, &server);
    refused(f, 1, EACCES, EACCES, "has no key of ours");
}

/* ---- the option ---- */
static void bad(int fd, struct ssl_psk p)
{
    assert_fails(set_psk(fd, &p), EINVAL);
    assert_non_null(strstr(ssl_error(-1), "SSL_OPT_PSK"));
}

static void test_values(void **state)
{
    static char longest[257];
    struct ssl_psk p;
    socklen_t len = sizeof p;
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    memset(longest, 'x', 256);
    p = plain, p.identity = NULL, bad(fd, p);
    p = plain, p.identity = "", bad(fd, p);
    p = plain, p.identity = longest, bad(fd, p);
    p = plain, p.key = NULL, bad(fd, p);
    p = plain, p.key_len = 15, bad(fd, p);
    p = plain, p.key_len = 257, bad(fd, p);
    p = plain, p.hash = 3, bad(fd, p);
    p = plain, p.hash = -1, bad(fd, p);
    bad(fd, named("alice", NULL));
    bad(fd, named(NULL, "bob"));
    bad(fd, named("alice", ""));
    bad(fd, named("alice", "alice"));
    bad(fd, named(longest, "bob"));
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_PSK, &plain, sizeof plain - 1), EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_PSK, NULL, sizeof plain), EINVAL);
    assert_int_equal(set_psk(fd, &plain), 0);
    assert_fails(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_PSK, &p, &len), EINVAL);
    ssl_close(fd);
}

/* Length 0 takes them away; then a name is needed again, and a server needs a certificate. */
static void test_taken_away(void **state)
{
    int f[2];

    (void)state;
    ends(f, &plain, &plain);
    assert_int_equal(set_psk(f[0], NULL), 0);
    assert_int_equal(set_psk(f[1], NULL), 0);
    assert_fails(ssl_attach(f[0], SSL_CLIENT), EACCES);
    assert_fails(ssl_attach(f[1], SSL_SERVER), EINVAL);
    close_pair(f);
}

/* A server may have any number, a client offers four. */
static void test_how_many(void **state)
{
    (void)state;
    for (int n = 4; n <= 5; n++) {
        struct ssl_psk p = plain;
        char identity[8];
        int f[2];

        ends(f, NULL, NULL);
        p.identity = identity;
        for (int i = 0; i < 32; i++) {
            snprintf(identity, sizeof identity, "id-%d", i);
            assert_int_equal(set_psk(f[1], &p), 0);
            assert_int_equal(i < n ? set_psk(f[0], &p) : 0, 0);
        }
        if (n == 4) {
            connects(f, "id-0");
        } else {
            assert_fails(ssl_attach(f[0], SSL_CLIENT), EINVAL);
            assert_non_null(strstr(ssl_error(-1), "at most 4 keys"));
            close_pair(f);
        }
    }
}

static void test_with_client_certificates(void **state)
{
    int f[2];

    (void)state;
    ends(f, &plain, &plain);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_string(f[1], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_number(f[1], SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUEST);
    connects(f, "device-7");
    ends(f, NULL, &plain);
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
    set_string(f[1], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_number(f[1], SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUIRE);
    assert_fails(ssl_attach(f[1], SSL_SERVER), EINVAL);
    close_pair(f);
}

/* What later sockets start with. */
static void test_defaults(void **state)
{
    int f[2];

    (void)state;
    assert_int_equal(set_psk(SSL_DEFAULTS, &plain), 0);
    tcp_pair(f);
    connects(f, "device-7");
    assert_int_equal(set_psk(SSL_DEFAULTS, NULL), 0);
    tcp_pair(f);
    assert_fails(ssl_attach(f[0], SSL_CLIENT), EACCES);
    close_pair(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_it_is),
        cmocka_unit_test(test_every_hash),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_key_before_certificate),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(threat_32_certificate_instead),
        cmocka_unit_test(threat_23_selfie),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_taken_away),
        cmocka_unit_test(test_how_many),
        cmocka_unit_test(test_with_client_certificates),
        cmocka_unit_test(test_defaults),
    };

    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
