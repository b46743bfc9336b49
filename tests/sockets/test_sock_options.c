/* SPDX-License-Identifier: ISC */
/* The options about certificates: pins, CRLs, OCSP responses, partial chains, weak certificates,
 * several certificates, passphrases; against ourselves and against openssl. */
#include <spawn.h>

#include "tests/sockets/peers.h"

extern char **environ;

static char pin[64], wrong_pin[64] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

static void line_of(char *to, size_t size, const char *fmt, ...)
{
    char cmd[1024];
    va_list ap;
    FILE *f;

    va_start(ap, fmt);
    vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    f = popen(cmd, "r");
    assert_non_null(f);
    assert_non_null(fgets(to, (int)size, f));
    assert_int_equal(pclose(f), 0);
    to[strcspn(to, "\n")] = '\0';
}

static int set(int fd, int option, const char *value)
{
    return ssl_setsockopt(fd, SOL_SSL, option, value, (socklen_t)strlen(value));
}

/* Two ends whose handshake comes out so; at the client: 0, or errno, with these words. */
static void ends(int f[2])
{
    tcp_pair(f);
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[0], SSL_OPT_CA_FILE, cert_path("ca.crt"));
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("server.pem"));
}

static void comes_out(int f[2], int err, const char *words)
{
    pthread_t t;
    void *rc;
    int got;

    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)f[1]), 0);
    got = ssl_handshake(f[0]) ? errno : 0;
    if (got != err || (err && !strstr(ssl_error(f[0]), words))) {
        fail_msg("errno %d: \"%s\"", got, ssl_error(f[0]));
    }
    pthread_join(t, &rc);
    close_pair(f);
}

/* ---- pins ---- */

static void test_pins(void **state)
{
    char text[512], hex[80];
    int f[2];

    (void)state;
    line_of(hex, sizeof hex, "printf %%s %s | base64 -d | od -An -v -tx1 | tr -d ' \\n'", pin);
    for (int form = 0; form < 8; form++) {
        static const char *const forms[] = { "%s", "sha256//%s", "sha256:%s", " sha256//%s ",
                                             "%s", "sha256//%s", "%s",        "sha256//%s" };
        int n = snprintf(text, sizeof text, "%s%s", form >= 6 ? wrong_pin : "",
                         form == 6   ? ";"
                         : form == 7 ? " , "
                                     : "");

        snprintf(text + n, sizeof text - (size_t)n, forms[form],
                 form == 4 || form == 5 ? hex : pin);
        ends(f);
        set_string(f[0], SSL_OPT_PINS, text);
        comes_out(f, 0, "");
    }
    ends(f);
    set_string(f[0], SSL_OPT_PINS, wrong_pin);
    comes_out(f, EACCES, "pin");
    ends(f); /* the anchor's counts, too */
    line_of(text, sizeof text,
            "openssl x509 -in %s -pubkey -noout | openssl pkey -pubin -outform DER | "
            "openssl dgst -sha256 -binary | base64",
            cert_path("ca.crt"));
    set_string(f[0], SSL_OPT_PINS, text);
    comes_out(f, 0, "");
    ends(f); /* but not where nothing is verified */
    set_string(f[0], SSL_OPT_PINS, text);
    set_number(f[0], SSL_OPT_VERIFY, SSL_VERIFY_NONE);
    comes_out(f, EACCES, "pin");
    ends(f);
    set_string(f[0], SSL_OPT_PINS, pin);
    set_number(f[0], SSL_OPT_VERIFY, SSL_VERIFY_NONE);
    comes_out(f, 0, "");
    ends(f);
    set_string(f[0], SSL_OPT_PINS, wrong_pin);
    set_string(f[0], SSL_OPT_PINS, ""); /* back to none */
    comes_out(f, 0, "");
}

/* What is no pin is seen when it is set. */
static void test_no_pins(void **state)
{
    static const char *const bad[] = {
        ";",
        " ",
        "sha256//",
        "sha1//AAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=", /* spare bits */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "000000000000000000000000000000000000000000000000000000000000000",
        "00000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000000000000000000000000000000000000000000g",
    };
    char many[45 * 33 + 1] = "";
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(set(fd, SSL_OPT_PINS, bad[i]), EINVAL);
        assert_non_null(strstr(ssl_error(-1), "pin"));
    }
    for (int i = 0; i < 33; i++) {
        strcat(strcat(many, i ? ";" : ""), wrong_pin);
        if (i == 31) {
            assert_int_equal(set(fd, SSL_OPT_PINS, many), 0);
        }
    }
    assert_fails(set(fd, SSL_OPT_PINS, many), EINVAL);
    ssl_close(fd);
}

static pid_t run(char *const argv[], int *in)
{
    posix_spawn_file_actions_t a;
    int p[2];
    pid_t pid;

    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&a);
    posix_spawn_file_actions_adddup2(&a, p[0], 0);
    posix_spawn_file_actions_addopen(&a, 1, cert_path("out.txt"), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    posix_spawn_file_actions_adddup2(&a, 1, 2);
    assert_int_equal(posix_spawnp(&pid, argv[0], &a, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&a);
    close(p[0]);
    *in = p[1];
    return pid;
}

/* curl's --pinnedpubkey text against OpenSSL's server. */
static void test_pins_openssl(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr), in, status, tries = 0, fd = -1;
    char port[8], text[256];
    char *argv[] = { (char[]){ "openssl" }, (char[]){ "s_server" },
                     (char[]){ "-accept" }, port,
                     (char[]){ "-cert" },   strdup(cert_path("server.pem")),
                     (char[]){ "-quiet" },  NULL };
    pid_t pid;

    (void)state;
    snprintf(port, sizeof port, "%u", ntohs(addr.sin_port));
    ssl_close(l); /* its port is free now */
    pid = run(argv, &in);
    for (int right = 0; right < 2; right++) {
        snprintf(text, sizeof text, "sha256//%s;sha256//%s", wrong_pin, right ? pin : wrong_pin);
        do {
            nap_ms(tries ? 100 : 0);
            if (fd >= 0) {
                ssl_close(fd);
            }
            fd = client_socket("server.test", "ca.crt");
            set_string(fd, SSL_OPT_PINS, text);
            status = ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr);
        } while (status && errno == ECONNREFUSED && tries++ < 100);
        if (right) {
            assert_int_equal(status, 0);
        } else {
            assert_int_equal(status, -1);
            assert_int_equal(errno, EACCES);
        }
        ssl_close(fd);
        fd = -1;
    }
    close(in);
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    free(argv[5]);
}

/* ---- chains ---- */

static void test_partial_chain(void **state)
{
    int f[2];

    (void)state;
    for (int on = 0; on < 2; on++) {
        ends(f);
        set_string(f[0], SSL_OPT_CA_FILE, cert_path("middle.crt"));
        set_string(f[1], SSL_OPT_CERT_FILE, cert_path("below.pem"));
        set_number(f[0], SSL_OPT_PARTIAL_CHAIN, on);
        comes_out(f, on ? 0 : EACCES, "CA");
    }
}

static void test_weak(void **state)
{
    int f[2];

    (void)state;
    for (int on = 0; on < 2; on++) {
        ends(f);
        set_string(f[1], SSL_OPT_CERT_FILE, cert_path("weak.pem"));
        set_number(f[0], SSL_OPT_WEAK_CERTIFICATES, on);
        comes_out(f, on ? 0 : EACCES, "2048");
    }
}

/* ---- revocation ---- */

static void test_crl(void **state)
{
    static const struct {
        int mode;
        const char *cert, *crl;
        int err;
    } rows[] = {
        { SSL_REVOCATION_DEFAULT, "server.pem", "ca.crl", 0 },
        { SSL_REVOCATION_DEFAULT, "revoked.pem", "ca.crl", EACCES },
        { SSL_REVOCATION_DEFAULT, "revoked.pem", "", 0 }, /* nobody looks */
        { SSL_REVOCATION_DEFAULT, "server.pem", "other.crl", EACCES },
        { SSL_REVOCATION_OFF, "revoked.pem", "ca.crl", 0 },
        { SSL_REVOCATION_SOFT, "revoked.pem", "ca.crl", EACCES },
        { SSL_REVOCATION_SOFT, "server.pem", "other.crl", 0 },
        { SSL_REVOCATION_SOFT, "server.pem", "", 0 },
        { SSL_REVOCATION_HARD, "server.pem", "", EACCES },
        { SSL_REVOCATION_HARD, "server.pem", "crls", 0 },
        { SSL_REVOCATION_ALL, "server.pem", "crls", 0 },
        { SSL_REVOCATION_ALL, "below.pem", "ca.crl", EACCES },
    };
    int f[2];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ends(f);
        set_number(f[0], SSL_OPT_REVOCATION, rows[i].mode);
        set_string(f[0], SSL_OPT_CRL_FILE, rows[i].crl[0] ? cert_path(rows[i].crl) : "");
        set_string(f[1], SSL_OPT_CERT_FILE, cert_path(rows[i].cert));
        comes_out(f, rows[i].err, "revo");
    }
    ends(f);
    set_string(f[0], SSL_OPT_CRL_FILE, cert_path("server.crt"));
    assert_fails(ssl_attach(f[0], SSL_CLIENT), EINVAL);
    set_string(f[0], SSL_OPT_CRL_FILE, cert_path("none.crl"));
    assert_fails(ssl_attach(f[0], SSL_CLIENT), ENOENT);
    close_pair(f);
}

/* ---- OCSP responses ---- */

static void test_staple(void **state)
{
    static const struct {
        const char *cert, *staple;
        int mode, err;
    } rows[] = {
        { "full.pem", "good.ocsp", SSL_REVOCATION_HARD, 0 },
        { "full.pem", "", SSL_REVOCATION_HARD, EACCES },
        { "full.pem", "", SSL_REVOCATION_SOFT, 0 },
        { "revoked.pem", "revoked.ocsp", SSL_REVOCATION_SOFT, EACCES },
        { "server.pem", "revoked.ocsp", SSL_REVOCATION_HARD, EACCES }, /* about another */
    };
    int f[2];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ends(f);
        set_number(f[0], SSL_OPT_REVOCATION, rows[i].mode);
        set_string(f[1], SSL_OPT_CERT_FILE, cert_path(rows[i].cert));
        set_string(f[1], SSL_OPT_STATUS_FILE, rows[i].staple[0] ? cert_path(rows[i].staple) : "");
        comes_out(f, rows[i].err, "");
    }
    ends(f); /* with the issuer at hand a wrong one is seen at once */
    set_string(f[1], SSL_OPT_CERT_FILE, cert_path("full.pem"));
    set_string(f[1], SSL_OPT_STATUS_FILE, cert_path("revoked.ocsp"));
    assert_fails(ssl_attach(f[1], SSL_SERVER), EINVAL);
    assert_non_null(strstr(ssl_error(-1), "another certificate"));
    set_string(f[1], SSL_OPT_STATUS_FILE, cert_path("server.crt"));
    assert_fails(ssl_attach(f[1], SSL_SERVER), EINVAL);
    set_string(f[1], SSL_OPT_STATUS_FILE, cert_path("none.ocsp"));
    assert_fails(ssl_attach(f[1], SSL_SERVER), ENOENT);
    close_pair(f);
}

static void *serve_one(void *arg)
{
    int fd = ssl_accept((int)(intptr_t)arg, NULL, NULL);

    if (fd >= 0) {
        (void)ssl_handshake(fd);
        ssl_close(fd);
    }
    return NULL;
}

static void test_staple_openssl(void **state)
{
    struct sockaddr_in addr;
    int l = listener(&addr);
    pthread_t t;

    (void)state;
    set_string(l, SSL_OPT_CERT_FILE, cert_path("full.pem"));
    set_string(l, SSL_OPT_STATUS_FILE, cert_path("good.ocsp"));
    assert_int_equal(pthread_create(&t, NULL, serve_one, (void *)(intptr_t)l), 0);
    shell("openssl s_client -connect 127.0.0.1:%u -status -CAfile %s -servername server.test "
          "</dev/null 2>&1 | grep -q 'Cert Status: good'",
          ntohs(addr.sin_port), cert_path("ca.crt"));
    pthread_join(t, NULL);
    ssl_close(l);
}

/* ---- own certificates ---- */

static void test_several(void **state)
{
    static const char *const names[] = { "server.test", "two.test", "three.test" };
    struct sockaddr_in addr;
    int l = listener(&addr);
    char got[256];
    socklen_t len = sizeof got;

    (void)state;
    set_string(l, SSL_OPT_CERT_FILE, cert_path("server.crt"));
    set_string(l, SSL_OPT_KEY_FILE, cert_path("server.key"));
    set_string(l, SSL_OPT_ADD_CERT_FILE, cert_path("two.crt"));
    set_string(l, SSL_OPT_KEY_FILE, cert_path("two.enc"));
    set_string(l, SSL_OPT_KEY_PASS_FILE, cert_path("two.pass"));
    set_string(l, SSL_OPT_ADD_CERT_FILE, cert_path("three.pem"));
    assert_int_equal(ssl_getsockopt(l, SOL_SSL, SSL_OPT_CERT_FILE, got, &len), 0);
    assert_string_equal(got, cert_path("three.pem"));
    for (int i = 0; i < 3; i++) {
        pthread_t t;
        int fd = client_socket(names[i], "ca.crt");

        assert_int_equal(pthread_create(&t, NULL, serve_one, (void *)(intptr_t)l), 0);
        if (ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr)) {
            fail_msg("%s: %s", names[i], ssl_error(fd));
        }
        ssl_close(fd);
        pthread_join(t, NULL);
    }
    ssl_close(l);
}

static void test_limits(void **state)
{
    static const struct {
        int option, value;
    } bad[] = { { SSL_OPT_REVOCATION, -1 },
                { SSL_OPT_REVOCATION, 5 },
                { SSL_OPT_PARTIAL_CHAIN, 2 },
                { SSL_OPT_WEAK_CERTIFICATES, -1 },
                { SSL_OPT_RELOAD, 2 } };
    const struct ssl_key_pass none = { NULL, NULL };
    int fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
    char got[16];
    socklen_t len = sizeof got;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_fails(ssl_setsockopt(fd, SOL_SSL, bad[i].option, &bad[i].value, sizeof bad[i].value),
                     EINVAL);
    }
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_KEY_PASS_CALLBACK, &none, sizeof none),
                 EINVAL);
    assert_fails(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_KEY_PASS_CALLBACK, &none, 1), EINVAL);
    assert_int_equal(ssl_setsockopt(fd, SOL_SSL, SSL_OPT_KEY_PASS_CALLBACK, NULL, 0), 0);
    assert_fails(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_KEY_PASS_CALLBACK, got, &len), EINVAL);
    assert_fails(set(fd, SSL_OPT_ADD_CERT_FILE, ""), EINVAL);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(set(fd, SSL_OPT_ADD_CERT_FILE, "a.pem"), 0);
    }
    assert_fails(set(fd, SSL_OPT_ADD_CERT_FILE, "a.pem"), EINVAL);
    assert_int_equal(set(fd, SSL_OPT_CERT_FILE, "a.pem"), 0); /* the others are gone */
    assert_int_equal(set(fd, SSL_OPT_ADD_CERT_FILE, "a.pem"), 0);
    ssl_close(fd);
}

static void test_passphrase_file(void **state)
{
    static const struct {
        const char *content;
        int err;
    } rows[] = { { "printf two", 0 },
                 { "printf 'two\\n'", 0 },
                 { "printf 'two\\r\\nx\\n'", 0 },
                 { "printf 'tw'", ENOKEY },
                 { "printf '\\ntwo'", ENOKEY } };
    int f[2];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        shell("cd %s && %s >pass.txt", certs, rows[i].content);
        tcp_pair(f);
        set_string(f[1], SSL_OPT_CERT_FILE, cert_path("two.crt"));
        set_string(f[1], SSL_OPT_KEY_FILE, cert_path("two.enc"));
        set_string(f[1], SSL_OPT_KEY_PASS_FILE, cert_path("pass.txt"));
        errno = 0;
        assert_int_equal(ssl_attach(f[1], SSL_SERVER), rows[i].err ? -1 : 0);
        assert_int_equal(rows[i].err ? errno : 0, rows[i].err);
        close_pair(f);
    }
}

static int setup(void **state)
{
    peers_setup(state);
    make_leaf("two", "ca", "DNS:two.test");
    make_leaf("three", "ca", "DNS:three.test");
    make_leaf("revoked", "ca", "DNS:server.test");
    shell("cd %s && openssl pkcs8 -topk8 -in two.key -passout pass:two -out two.enc && "
          "echo two >two.pass && cat server.pem ca.crt >full.pem && "
          /* a CA between, and below it */
          "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Middle -keyout "
          "middle.key -out middle.csr 2>/dev/null && printf 'basicConstraints=critical,CA:TRUE\\n"
          "keyUsage=keyCertSign,cRLSign\\n' >middle.ext && openssl x509 -req -in middle.csr -CA "
          "ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile middle.ext -out middle.crt "
          "2>/dev/null",
          certs);
    make_leaf("below", "middle", "DNS:server.test");
    shell(
        "cd %s && cat middle.crt >>below.pem && "
        "openssl req -newkey rsa:1024 -nodes -subj /CN=weak -keyout weak.key -out weak.csr "
        "2>/dev/null && openssl x509 -req -in weak.csr -CA ca.crt -CAkey ca.key -CAcreateserial "
        "-days 2 -extfile server.ext -out weak.crt 2>/dev/null && cat weak.crt weak.key >weak.pem",
        certs);
    shell(
        "cd %s && : >index && echo 01 >crlnumber && printf '[ca]\\ndefault_ca=d\\n[d]\\n"
        "database=index\\ncrlnumber=crlnumber\\ndefault_md=sha256\\ndefault_crl_days=2\\n' >c.cnf"
        " && openssl ca -config c.cnf -gencrl -cert other.crt -keyfile other.key -out other.crl "
        "2>/dev/null && openssl ca -config c.cnf -revoke revoked.crt -cert ca.crt -keyfile ca.key "
        "2>/dev/null && openssl ca -config c.cnf -gencrl -cert ca.crt -keyfile ca.key -out ca.crl "
        "2>/dev/null && mkdir crls && cp ca.crl other.crl crls/",
        certs);
    /* the responder's index wants the good one, too */
    shell("cd %s && end=$(date -u -d +2days +%%y%%m%%d%%H%%M%%SZ) && serial=$(openssl x509 -in "
          "server.crt -noout -serial | cut -d= -f2) && printf 'V\\t%%s\\t\\t%%s\\tunknown\\t"
          "/CN=server\\n' $end $serial >>index",
          certs);
    for (int i = 0; i < 2; i++) {
        shell("cd %s && openssl ocsp -index index -CA ca.crt -rsigner ca.crt -rkey ca.key -issuer "
              "ca.crt -cert %s.crt -respout %s.ocsp -ndays 1 >/dev/null 2>&1",
              certs, i ? "revoked" : "server", i ? "revoked" : "good");
    }
    line_of(pin, sizeof pin,
            "openssl x509 -in %s -pubkey -noout | openssl pkey -pubin -outform DER | "
            "openssl dgst -sha256 -binary | base64",
            cert_path("server.crt"));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pins),
        cmocka_unit_test(test_no_pins),
        cmocka_unit_test(test_pins_openssl),
        cmocka_unit_test(test_partial_chain),
        cmocka_unit_test(test_weak),
        cmocka_unit_test(test_crl),
        cmocka_unit_test(test_staple),
        cmocka_unit_test(test_staple_openssl),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_passphrase_file),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
