/* SPDX-License-Identifier: ISC */
/* What may be negotiated and what was: suites, groups, signature schemes, the key log; and the
 * facts of ssl_info(), ssl_getsockopt() and ssl_error(), of connections that came about and that
 * did not.
 */
#include <spawn.h>
#include <sys/stat.h>

#include "tests/sockets/peers.h"

extern char **environ;

static void ends(int f[2])
{
    tcp_pair(f);
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
}

/* errno of the client; 0: it is connected. */
static int meet(int f[2])
{
    pthread_t t;
    void *rc;
    int err;

    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)f[1]), 0);
    err = ssl_handshake(f[0]) ? errno : 0;
    pthread_join(t, &rc);
    return err;
}

static struct ssl_info info_of(int fd)
{
    struct ssl_info i;

    assert_int_equal(ssl_info(fd, &i), 0);
    return i;
}

/* ---- lists of names ---- */

static void test_lists(void **state)
{
    static const struct {
        int option;
        const char *client, *server, *got; /* NULL: they do not agree */
    } rows[] = {
        { SSL_OPT_SUITES, "TLS_AES_256_GCM_SHA384", "", "TLS_AES_256_GCM_SHA384" },
        { SSL_OPT_SUITES, "", "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
          "TLS_CHACHA20_POLY1305_SHA256 , TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", NULL },
        { SSL_OPT_SUITES, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "",
          "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" },
        { SSL_OPT_SUITES, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256",
          NULL },
        { SSL_OPT_GROUPS, "secp384r1", "", "secp384r1" },
        { SSL_OPT_GROUPS, "x25519:secp521r1", "secp521r1", "secp521r1" }, /* HelloRetryRequest */
        { SSL_OPT_GROUPS, "x25519", "secp256r1", NULL },
        { SSL_OPT_SCHEMES, "ecdsa_secp256r1_sha256", "", "ecdsa_secp256r1_sha256" },
        { SSL_OPT_SCHEMES, "rsa_pss_rsae_sha256", "", NULL }, /* its key is another one */
        { SSL_OPT_SCHEMES, "", "rsa_pss_rsae_sha256", NULL },
    };
    int f[2];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ssl_info info;
        char got[256];
        socklen_t len = sizeof got;
        int err;

        ends(f);
        set_string(f[0], rows[i].option, rows[i].client);
        set_string(f[1], rows[i].option, rows[i].server);
        assert_int_equal(ssl_getsockopt(f[1], SOL_SSL, rows[i].option, got, &len), 0);
        assert_string_equal(got, rows[i].server);
        err = meet(f);
        info = info_of(f[0]);
        if ((err == 0) != (rows[i].got != NULL)) {
            fail_msg("%zu: %d, %s", i, err, ssl_error(f[0]));
        }
        if (rows[i].got) {
            assert_string_equal(rows[i].option == SSL_OPT_SUITES   ? info.suite
                                : rows[i].option == SSL_OPT_GROUPS ? info.group
                                                                   : info.signature,
                                rows[i].got);
        }
        close_pair(f);
    }
}

static void test_no_lists(void **state)
{
    static const struct {
        int option;
        const char *value, *words;
    } rows[] = {
        { SSL_OPT_SUITES, "x", "there is no cipher suite \"x\"" },
        { SSL_OPT_SUITES, "tls_aes_128_gcm_sha256", "there is no cipher suite" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256,", "has no name" },
        { SSL_OPT_SUITES, ",TLS_AES_128_GCM_SHA256", "has no name" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256::TLS_AES_256_GCM_SHA384", "has no name" },
        { SSL_OPT_SUITES, " ", "has no name" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384", "there is no" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256,TLS_AES_128_GCM_SHA256", "twice" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA25", "there is no" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA2566", "there is no" },
        { SSL_OPT_GROUPS, "P-256", "there is no group \"P-256\"" },
        { SSL_OPT_SCHEMES, "rsa", "there is no signature scheme \"rsa\"" },
        { SSL_OPT_ALPN, "a,,b", "1 to 255 bytes" },
        { SSL_OPT_ALPN, ",", "1 to 255 bytes" },
        { SSL_OPT_ALPN, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "up to 16" },
        { SSL_OPT_SNI, "127.0.0.1", "it is not a host name" },
        { SSL_OPT_NAME, "a b", "neither a host name nor an address" },
    };
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_fails(ssl_setsockopt(fd, SOL_SSL, rows[i].option, rows[i].value,
                                    (socklen_t)strlen(rows[i].value)),
                     EINVAL);
        if (!strstr(ssl_error(-1), rows[i].words) || strncmp(ssl_error(-1), "SSL_OPT_", 8) != 0) {
            fail_msg("%s: \"%s\"", rows[i].value, ssl_error(-1));
        }
    }
    ssl_close(fd);
}

static void *serve_one(void *arg)
{
    int fd = ssl_accept((int)(intptr_t)arg, NULL, NULL);

    if (fd >= 0) {
        (void)!ssl_handshake(fd);
        ssl_close(fd);
    }
    return NULL;
}

/* The listener's are those of what it accepts; seen by OpenSSL's client. */
static void test_openssl(void **state)
{
    static const struct {
        int option;
        const char *value, *theirs, *line;
    } rows[] = {
        { SSL_OPT_SUITES, "TLS_CHACHA20_POLY1305_SHA256", "", "TLS_CHACHA20_POLY1305_SHA256" },
        { SSL_OPT_SUITES, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "",
          "TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384" },
        { SSL_OPT_SUITES, "TLS_AES_256_GCM_SHA384", "-ciphersuites TLS_AES_128_GCM_SHA256",
          "alert handshake failure" },
        { SSL_OPT_GROUPS, "secp384r1", "", "Server Temp Key: ECDH, secp384r1" },
        { SSL_OPT_GROUPS, "secp384r1", "-groups P-256", "alert handshake failure" },
        { SSL_OPT_SCHEMES, "ecdsa_secp256r1_sha256", "", "Peer signing digest: SHA256" },
        { SSL_OPT_SCHEMES, "ed25519", "", "alert handshake failure" },
    };
    struct sockaddr_in addr;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int l = listener(&addr);
        pthread_t t;

        set_string(l, rows[i].option, rows[i].value);
        assert_int_equal(pthread_create(&t, NULL, serve_one, (void *)(intptr_t)l), 0);
        shell("timeout 60 openssl s_client -connect 127.0.0.1:%u -CAfile %s %s </dev/null >%s 2>&1;"
              " grep -q '%s' %s || { cat %s; false; }",
              ntohs(addr.sin_port), cert_path("ca.crt"), rows[i].theirs, cert_path("out.txt"),
              rows[i].line, cert_path("out.txt"), cert_path("out.txt"));
        pthread_join(t, NULL);
        ssl_close(l);
    }
}

static pid_t openssl_server(const char *port, int *in)
{
    char *argv[] = { (char[]){ "openssl" },
                     (char[]){ "s_server" },
                     (char[]){ "-accept" },
                     strdup(port),
                     (char[]){ "-cert" },
                     strdup(cert_path("server.pem")),
                     (char[]){ "-ciphersuites" },
                     (char[]){ "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256" },
                     (char[]){ "-groups" },
                     (char[]){ "P-384:P-521" },
                     (char[]){ "-sigalgs" },
                     (char[]){ "ECDSA+SHA256" },
                     (char[]){ "-tls1_3" },
                     (char[]){ "-quiet" },
                     NULL };
    posix_spawn_file_actions_t a;
    int p[2];
    pid_t pid;

    assert_int_equal(pipe2(p, O_CLOEXEC), 0); /* it ends with its input */
    posix_spawn_file_actions_init(&a);
    posix_spawn_file_actions_adddup2(&a, p[0], 0);
    posix_spawn_file_actions_addopen(&a, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&a, 1, 2);
    assert_int_equal(posix_spawnp(&pid, argv[0], &a, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&a);
    close(p[0]);
    free(argv[3]);
    free(argv[5]);
    *in = p[1];
    return pid;
}

/* Ours as the client of OpenSSL's server: what they agree on, and the alert when they do not. */
static void test_openssl_server(void **state)
{
    static const struct {
        int option;
        const char *value, *got; /* NULL: they do not agree */
    } rows[] = {
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256,TLS_CHACHA20_POLY1305_SHA256",
          "TLS_CHACHA20_POLY1305_SHA256" },
        { SSL_OPT_SUITES, "TLS_AES_128_GCM_SHA256", NULL },
        { SSL_OPT_GROUPS, "x25519,secp521r1", "secp521r1" },
        { SSL_OPT_GROUPS, "x25519", NULL },
        { SSL_OPT_SCHEMES, "ecdsa_secp384r1_sha384,ecdsa_secp256r1_sha256",
          "ecdsa_secp256r1_sha256" },
        { SSL_OPT_SCHEMES, "ecdsa_secp384r1_sha384", NULL },
    };
    struct sockaddr_in addr;
    int l = listener(&addr), in, status;
    struct ssl_info i;
    char port[8];
    pid_t pid;

    (void)state;
    snprintf(port, sizeof port, "%u", ntohs(addr.sin_port));
    ssl_close(l); /* its port is free now */
    pid = openssl_server(port, &in);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        int fd = -1, rc = -1, tries = 0;

        do {
            if (fd >= 0) {
                ssl_close(fd);
                nap_ms(100);
            }
            fd = client_socket("server.test", "ca.crt");
            set_string(fd, rows[k].option, rows[k].value);
            rc = ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr);
        } while (rc && errno == ECONNREFUSED && tries++ < 300);
        i = info_of(fd);
        if ((rc == 0) != (rows[k].got != NULL)) {
            fail_msg("%zu: %s", k, ssl_error(fd));
        }
        if (rc == 0) {
            assert_string_equal(rows[k].option == SSL_OPT_SUITES   ? i.suite
                                : rows[k].option == SSL_OPT_GROUPS ? i.group
                                                                   : i.signature,
                                rows[k].got);
        } else {
            assert_int_equal(i.alert_received, 40);
            assert_string_equal(i.alert_received_name, "handshake_failure");
            assert_string_equal(i.where, "ServerHello");
            assert_non_null(
                strstr(ssl_error(fd), "the peer sent the alert handshake_failure (at "));
        }
        ssl_close(fd);
    }
    close(in);
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
}

/* ---- the key log ---- */

static int lines_in(const char *path, const char *word)
{
    char text[1024];
    FILE *file = fopen(path, "r");
    int n = 0;

    while (file && fgets(text, sizeof text, file)) {
        n += strncmp(text, word, strlen(word)) == 0;
    }
    if (file) {
        fclose(file);
    }
    return n;
}

static void test_keylog(void **state)
{
    char path[128], link[128];
    struct stat st;
    int f[2];

    (void)state;
    snprintf(path, sizeof path, "%s", cert_path("keys.log"));
    snprintf(link, sizeof link, "%s", cert_path("link.log"));
    for (int i = 1; i <= 2; i++) { /* behind what is there */
        ends(f);
        set_string(f[0], SSL_OPT_KEYLOG_FILE, path);
        assert_int_equal(meet(f), 0);
        close_pair(f);
        assert_int_equal(lines_in(path, "CLIENT_TRAFFIC_SECRET_0 "), i);
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ends(f);
    set_number(f[1], SSL_OPT_MAX_VERSION, 0x0303);
    set_string(f[1], SSL_OPT_KEYLOG_FILE, path);
    assert_int_equal(meet(f), 0);
    close_pair(f);
    assert_int_equal(lines_in(path, "CLIENT_RANDOM "), 1);
    /* where it cannot be written, and through a link, it is not; the connection goes on */
    assert_int_equal(symlink("elsewhere.log", link), 0);
    ends(f);
    set_string(f[0], SSL_OPT_KEYLOG_FILE, link);
    set_string(f[1], SSL_OPT_KEYLOG_FILE, "/nonexistent/keys.log");
    assert_int_equal(meet(f), 0);
    close_pair(f);
    assert_int_equal(access(cert_path("elsewhere.log"), F_OK), -1);
    ends(f); /* off again */
    set_string(f[0], SSL_OPT_KEYLOG_FILE, path);
    set_string(f[0], SSL_OPT_KEYLOG_FILE, "");
    assert_int_equal(meet(f), 0);
    close_pair(f);
    assert_int_equal(lines_in(path, "CLIENT_TRAFFIC_SECRET_0 "), 2);
}

/* ---- facts ---- */

static void test_facts(void **state)
{
    struct ssl_info i;
    uint8_t chain[8192], cert[4096];
    socklen_t len = sizeof chain, one = sizeof cert;
    int64_t now = (int64_t)time(NULL);
    int f[2];

    (void)state;
    ends(f);
    set_string(f[0], SSL_OPT_CERT_FILE, cert_path("client.pem"));
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("long.pem"));
    set_string(f[1], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_number(f[1], SSL_OPT_CLIENT_AUTH, SSL_CLIENT_AUTH_REQUEST);
    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    i = info_of(f[0]);
    assert_int_equal(i.connected, 0);
    assert_string_equal(i.where, "ServerHello");
    assert_string_equal(i.peer_subject, "");
    assert_int_equal(i.peer_certificates, 0);
    assert_int_equal(i.alert_sent, -1);
    assert_int_equal(i.alert_received, -1);
    assert_fails(ssl_getsockopt(f[0], SOL_SSL, SSL_OPT_PEER_CHAIN, chain, &len), ENOTCONN);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_string_equal(info_of(f[1]).where, "ClientHello");
    handshake_pair(f[0], f[1]);
    i = info_of(f[0]);
    assert_int_equal(i.connected, 1);
    assert_string_equal(i.where, "data");
    assert_string_equal(i.version_name, "TLSv1.3");
    assert_string_equal(i.signature, "ecdsa_secp256r1_sha256");
    assert_string_equal(i.sni, "server.test");
    assert_string_equal(i.verified_name, "server.test");
    assert_string_equal(i.peer_subject, "CN=server");
    assert_string_equal(i.peer_issuer, "CN=Test CA");
    assert_in_range(i.peer_not_before, now - 3600, now);
    assert_in_range(i.peer_not_after, now + 86400, now + 3 * 86400);
    assert_int_equal(i.peer_certificates, 2);
    assert_int_equal(i.alert_sent, -1);
    assert_string_equal(i.alert_sent_name, "");
    i = info_of(f[1]);
    assert_string_equal(i.sni, "server.test");
    assert_string_equal(i.peer_subject, "CN=client");
    assert_int_equal(i.peer_certificates, 1);
    assert_int_equal(i.client_auth, 1);

    assert_int_equal(ssl_getsockopt(f[0], SOL_SSL, SSL_OPT_PEER_CERT, cert, &one), 0);
    len = one; /* too small for all of it */
    assert_fails(ssl_getsockopt(f[0], SOL_SSL, SSL_OPT_PEER_CHAIN, chain, &len), ERANGE);
    assert_true(len > one);
    assert_int_equal(ssl_getsockopt(f[0], SOL_SSL, SSL_OPT_PEER_CHAIN, chain, &len), 0);
    assert_memory_equal(chain, cert, one);
    shell("cd %s && openssl x509 -in ca.crt -outform DER -out ca.der", certs);
    {
        FILE *file = fopen(cert_path("ca.der"), "r");

        assert_non_null(file);
        assert_int_equal(fread(cert, 1, sizeof cert, file), len - one);
        fclose(file);
        assert_memory_equal(chain + one, cert, len - one);
    }
    assert_fails(ssl_setsockopt(f[0], SOL_SSL, SSL_OPT_PEER_CHAIN, chain, len), EINVAL);
    close_pair(f);
}

/* Who refused, by which alert, and when. */
static void test_failures(void **state)
{
    static const struct {
        int version, sent;
        const char *ca, *alert, *at_client, *at_server;
    } rows[] = {
        { 0x0304, 48, "other.crt", "unknown_ca", "Certificate", "Finished" },
        { 0x0303, 48, "other.crt", "unknown_ca", "Certificate", "ClientKeyExchange" },
    };
    struct ssl_info i;
    char text[256];
    int f[2];

    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        ends(f);
        set_string(f[0], SSL_OPT_CA_FILE, cert_path(rows[k].ca));
        set_number(f[0], SSL_OPT_MAX_VERSION, rows[k].version);
        assert_int_equal(meet(f), EACCES);
        i = info_of(f[0]);
        assert_int_equal(i.connected, 0);
        assert_int_equal(i.alert_sent, rows[k].sent);
        assert_string_equal(i.alert_sent_name, rows[k].alert);
        assert_int_equal(i.alert_received, -1);
        assert_non_null(strstr(i.where, rows[k].at_client));
        snprintf(text, sizeof text, "(alert sent: %s, at %s)", rows[k].alert, i.where);
        if (!strstr(ssl_error(f[0]), text)) {
            fail_msg("\"%s\" has no \"%s\"", ssl_error(f[0]), text);
        }
        i = info_of(f[1]);
        assert_int_equal(i.alert_sent, -1);
        assert_int_equal(i.alert_received, rows[k].sent);
        assert_string_equal(i.alert_received_name, rows[k].alert);
        assert_string_equal(i.where, rows[k].at_server);
        snprintf(text, sizeof text, "the peer sent the alert %s (at %s)", rows[k].alert, i.where);
        assert_non_null(strstr(ssl_error(f[1]), text));
        close_pair(f);
    }
    tcp_pair(f); /* no alert: the stream ends */
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    close(f[1]);
    assert_int_equal(ssl_handshake(f[0]), -1);
    assert_int_equal(info_of(f[0]).alert_received, -1);
    assert_non_null(strstr(ssl_error(f[0]), "(at ServerHello)"));
    ssl_close(f[0]);
}

static int setup(void **state)
{
    peers_setup(state);
    shell("cd %s && cat server.crt ca.crt server.key >long.pem", certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),    cmocka_unit_test(test_no_lists),
        cmocka_unit_test(test_openssl),  cmocka_unit_test(test_openssl_server),
        cmocka_unit_test(test_keylog),   cmocka_unit_test(test_facts),
        cmocka_unit_test(test_failures),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
