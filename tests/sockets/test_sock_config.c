/* SPDX-License-Identifier: ISC */
/* struct ssl_config: made, loaded, sealed, shared. */
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "tests/sockets/peers.h"

static void config_string(struct ssl_config *c, int option, const char *value)
{
    if (ssl_config_set(c, option, value, (socklen_t)strlen(value))) {
        fail_msg("%s", ssl_error(-1));
    }
}

static void seal(struct ssl_config *c, int role)
{
    if (ssl_config_seal(c, role)) {
        fail_msg("%s", ssl_error(-1));
    }
}

static struct ssl_config *server_config(const char *cert)
{
    struct ssl_config *c = ssl_config_new();

    assert_non_null(c);
    config_string(c, SSL_OPT_CERT_FILE, cert_path(cert));
    return c;
}

static struct ssl_config *client_config(const char *name)
{
    struct ssl_config *c = ssl_config_new();

    assert_non_null(c);
    config_string(c, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    config_string(c, SSL_OPT_NAME, name);
    return c;
}

static void one_byte(int f[2])
{
    char b = 0;

    assert_int_equal(ssl_write(f[0], "x", 1), 1);
    assert_int_equal(ssl_read(f[1], &b, 1), 1);
    assert_int_equal(b, 'x');
}

/* Whoever uses it keeps what is needed of it. */
static void test_shared(void **state)
{
    struct ssl_config *s = server_config("server.pem"), *c = client_config("server.test");
    int f[4][2];

    (void)state;
    seal(s, SSL_SERVER);
    seal(c, SSL_CLIENT);
    for (int i = 0; i < 4; i++) {
        tcp_pair(f[i]);
        assert_int_equal(ssl_use_config(f[i][0], c), 0);
        assert_int_equal(ssl_use_config(f[i][1], s), 0);
    }
    assert_ptr_equal(ssl_config_ref(c), c);
    ssl_config_free(c);
    ssl_config_free(c);
    ssl_config_free(s);
    ssl_config_free(NULL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ssl_attach(f[i][0], SSL_CLIENT), 0);
        assert_int_equal(ssl_attach(f[i][1], SSL_SERVER), 0);
        handshake_pair(f[i][0], f[i][1]);
        one_byte(f[i]);
        close_pair(f[i]);
    }
}

static void test_listener(void **state)
{
    struct ssl_config *s = server_config("server.pem");
    struct sockaddr_in addr;
    int l = listener(&addr), fd = client_socket("server.test", "ca.crt"), got;
    struct ssl_info i;
    pthread_t t;
    void *rc;

    (void)state;
    config_string(s, SSL_OPT_SUITES, "TLS_CHACHA20_POLY1305_SHA256");
    seal(s, SSL_SERVER);
    assert_int_equal(ssl_use_config(l, s), 0);
    ssl_config_free(s);
    nonblocking(fd, true);
    (void)!ssl_connect(fd, (struct sockaddr *)&addr, sizeof addr);
    got = ssl_accept(l, NULL, NULL);
    assert_true(got >= 0);
    nonblocking(fd, false);
    assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)got), 0);
    assert_int_equal(ssl_handshake(fd), 0);
    pthread_join(t, &rc);
    assert_int_equal(ssl_info(got, &i), 0);
    assert_string_equal(i.suite, "TLS_CHACHA20_POLY1305_SHA256");
    ssl_close(got);
    ssl_close(fd);
    ssl_close(l);
}

static void test_refused(void **state)
{
    struct ssl_config *s = server_config("none.pem"), *c;
    int f[2], version = 0x0303, low = 0x0304;
    struct ssl_trace trace = { .kinds = SSL_TRACE_ALL };

    (void)state;
    tcp_pair(f);
    assert_fails(ssl_use_config(f[1], s), EINVAL); /* not sealed */
    assert_fails(ssl_config_seal(s, 2), EINVAL);
    assert_fails(ssl_config_seal(s, SSL_SERVER), ENOENT);
    assert_non_null(strstr(ssl_error(-1), "none.pem"));
    assert_fails(ssl_use_config(f[1], s), EINVAL);
    config_string(s, SSL_OPT_CERT_FILE, cert_path("server.crt"));
    config_string(s, SSL_OPT_KEY_FILE, cert_path("client.key"));
    assert_fails(ssl_config_seal(s, SSL_SERVER), EINVAL);
    config_string(s, SSL_OPT_KEY_FILE, cert_path("server.key"));
    assert_int_equal(ssl_config_set(s, SSL_OPT_MIN_VERSION, &low, sizeof low), 0);
    assert_int_equal(ssl_config_set(s, SSL_OPT_MAX_VERSION, &version, sizeof version), 0);
    assert_fails(ssl_config_seal(s, SSL_SERVER), EINVAL);
    assert_non_null(strstr(ssl_error(-1), "no such range of TLS versions"));
    assert_int_equal(ssl_config_set(s, SSL_OPT_MAX_VERSION, &low, sizeof low), 0);
    seal(s, SSL_SERVER);
    assert_fails(ssl_config_set(s, SSL_OPT_ALPN, "h2", 2), EBUSY);
    assert_int_equal(ssl_use_config(f[0], s), 0);
    assert_int_equal(ssl_setsockopt(f[0], SOL_SSL, SSL_OPT_NAME, "server.test", 11), 0);
    assert_fails(ssl_attach(f[0], SSL_CLIENT), EINVAL); /* sealed for servers */
    assert_non_null(strstr(ssl_error(-1), "for servers"));
    assert_int_equal(ssl_use_config(f[1], s), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_fails(ssl_use_config(f[1], s), EISCONN);
    close_pair(f);
    ssl_config_free(s);

    c = ssl_config_new();
    assert_fails(ssl_config_set(c, 9999, "x", 1), ENOPROTOOPT);
    assert_fails(ssl_config_set(c, SSL_OPT_VERSION, "x", 1), EINVAL);
    assert_fails(ssl_config_set(c, SSL_OPT_SUITES, "TLS_NULL", 8), EINVAL);
    assert_fails(ssl_config_set(c, SSL_OPT_VERIFY, "x", 1), EINVAL);
    assert_fails(ssl_config_set(c, SSL_OPT_TRACE_CALLBACK, &trace, sizeof trace), EINVAL);
    assert_fails(ssl_config_seal(c, SSL_SERVER), EINVAL); /* no certificate */
    config_string(c, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    seal(c, SSL_CLIENT);
    assert_fails(ssl_use_config(-7, c), EBADF);
    ssl_config_free(c);
}

/* What is set on an fd afterwards is its own. */
static void test_own_afterwards(void **state)
{
    struct ssl_config *s = server_config("server.pem"), *c = client_config("wrong.test");
    char got[64];
    socklen_t len = sizeof got;
    int f[2], g[2];

    (void)state;
    seal(s, SSL_SERVER);
    seal(c, SSL_CLIENT);
    tcp_pair(f);
    tcp_pair(g);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ssl_use_config(f[i], i ? s : c), 0);
        assert_int_equal(ssl_use_config(g[i], i ? s : c), 0);
    }
    set_string(f[0], SSL_OPT_NAME, "server.test");
    set_string(f[1], SSL_OPT_ALPN, "a,b");
    set_string(f[0], SSL_OPT_ALPN, "b");
    assert_int_equal(ssl_getsockopt(g[0], SOL_SSL, SSL_OPT_NAME, got, &len), 0);
    assert_string_equal(got, "wrong.test");
    len = sizeof got;
    assert_int_equal(ssl_getsockopt(g[1], SOL_SSL, SSL_OPT_ALPN, got, &len), 0);
    assert_string_equal(got, "");
    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    handshake_pair(f[0], f[1]);
    one_byte(f);
    close_pair(f);
    close_pair(g);
    ssl_config_free(c);
    ssl_config_free(s);
}

static void test_defaults(void **state)
{
    struct ssl_config *c = client_config("server.test"), *plain = ssl_config_new();
    char got[64];
    socklen_t len = sizeof got;
    int fd;

    (void)state;
    seal(c, SSL_CLIENT);
    assert_int_equal(ssl_use_config(SSL_DEFAULTS, c), 0);
    fd = ssl_socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, SSL_OPT_NAME, got, &len), 0);
    assert_string_equal(got, "server.test");
    ssl_close(fd);
    config_string(plain, SSL_OPT_CA_FILE, cert_path("ca.crt"));
    seal(plain, SSL_CLIENT);
    assert_int_equal(ssl_use_config(SSL_DEFAULTS, plain), 0);
    ssl_config_free(plain);
    ssl_config_free(c);
    set_string(SSL_DEFAULTS, SSL_OPT_CA_FILE, "");
}

/* ---- out of a file ---- */

static const char *conf(const char *text)
{
    const char *path = cert_path("test.conf");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
    return path;
}

static void load_fails(const char *path, const char *section, int err, const char *words)
{
    struct ssl_config *c;

    errno = 0;
    c = ssl_config_load(path, section);
    if (c || errno != err || !strstr(ssl_error(-1), words)) {
        fail_msg("[%s]: errno %d, \"%s\"", section ? section : "", errno, ssl_error(-1));
    }
}

#define WHOLE                                                                                     \
    "[defaults]\nca = ca.crt\nmax-version = 1.2\ntimeout = 9\nlog = /dev/null\n"                  \
    "[config web]\ncert = server.crt\nkey = server.key\nalpn = h2, http/1.1\nmin-version = 1.2\n" \
    "max-version = 1.3\nclient-ca = ca.crt\nclient-auth = request\n"                              \
    "[config out]\nname = server.test\nalpn = http/1.1\nsuites = TLS_AES_256_GCM_SHA384\n"        \
    "max-version = 1.3\n"                                                                         \
    "[app foo]\neof = lenient\n"                                                                  \
    "[rule foo the  client]\nrole = client\nmatch = *:1\nname = server.test\n"                    \
    "[rule foo server]\nrole = server\nmatch = *:1\ncert = server.pem\ngroups = secp384r1\n"

static int number_of(int fd, int option)
{
    int n = -1;
    socklen_t len = sizeof n;

    assert_int_equal(ssl_getsockopt(fd, SOL_SSL, option, &n, &len), 0);
    return n;
}

static void load_pair(const char *path, const char *client, const char *server, int f[2])
{
    const char *sections[2] = { client, server };

    tcp_pair(f);
    for (int i = 0; i < 2; i++) {
        struct ssl_config *c = ssl_config_load(path, sections[i]);

        if (!c) {
            fail_msg("%s", ssl_error(-1));
        }
        seal(c, i ? SSL_SERVER : SSL_CLIENT);
        assert_int_equal(ssl_use_config(f[i], c), 0);
        ssl_config_free(c);
    }
}

static void start(int f[2])
{
    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    handshake_pair(f[0], f[1]);
}

static void test_load(void **state)
{
    const char *path = conf(WHOLE);
    struct ssl_config *c;
    struct ssl_info i;
    int f[2];

    (void)state;
    load_pair(path, "config out", "config web", f);
    assert_int_equal(number_of(f[0], SSL_OPT_HANDSHAKE_TIMEOUT), 9000);
    assert_int_equal(number_of(f[1], SSL_OPT_CLIENT_AUTH), SSL_CLIENT_AUTH_REQUEST);
    start(f);
    assert_int_equal(ssl_info(f[0], &i), 0);
    assert_string_equal(i.suite, "TLS_AES_256_GCM_SHA384");
    assert_string_equal(i.alpn, "http/1.1");
    assert_string_equal(i.verified_name, "server.test");
    close_pair(f);
    /* rules of the preload: what they say and inherit, also from their [app] */
    load_pair(path, "rule foo the  client", " rule  foo  server", f);
    assert_int_equal(number_of(f[0], SSL_OPT_EOF), SSL_EOF_LENIENT);
    start(f);
    assert_int_equal(ssl_info(f[1], &i), 0);
    assert_string_equal(i.version_name, "TLSv1.2");
    assert_string_equal(i.group, "secp384r1");
    close_pair(f);
    /* [defaults] alone, and more behind it */
    c = ssl_config_load(path, NULL);
    assert_non_null(c);
    config_string(c, SSL_OPT_CERT_FILE, cert_path("server.pem"));
    seal(c, SSL_SERVER);
    seal(c, SSL_CLIENT);
    ssl_config_free(c);
}

static void test_load_refused(void **state)
{
    static const struct {
        const char *text, *section, *words;
    } rows[] = {
        { WHOLE, "config none", "there is no section [config none]" },
        { WHOLE, "web", "there is no section" },
        { WHOLE, "app foo", "there is no section" },
        { WHOLE, "rule foo", "there is no section" },
        { WHOLE, "rule foo client", "there is no section" },
        { "[config a]\n", NULL, "there is no section [defaults]" },
        { "[config a]\n[config a]\n", "config a", "test.conf:2: the section stands already" },
        { "[config a]\ncerrt = x\n", "config a", "test.conf:2: unknown key 'cerrt'" },
        { "[config a]\nrole = client\n", "config a", "test.conf:2: 'role' does not belong" },
        { "[config a]\n[config]\n", "config a", "test.conf:2: a section is" },
        { "[config a]\nsuites = x\n", "config a",
          "test.conf:2: suites = x: there is no cipher suite \"x\"" },
        { "[config a]\ngroups = x25519,,\n", "config a", "test.conf:2: groups = x25519,,: " },
        { "[config a]\nsignature-schemes = ed25519:ed25519\n", "config a",
          "test.conf:2: signature-schemes = ed25519:ed25519: ed25519 stands there twice" },
        { "[config a]\nalpn = a,,b\n", "config a", "test.conf:2: alpn = a,,b: " },
        { "[config a]\ntimeout = 0\n", "config a", "test.conf:2: timeout = 0: " },
        { "[config a]\nkey = x\n", "config a", "test.conf:2: key = x: there is no 'cert'" },
        { "[config a]\nclient-auth = require\n", "config a", "'client-ca' is needed" },
        { "[defaults]\nmin-version = 1.3\n[config a]\nmax-version = 1.2\n", "config a",
          "test.conf:3: min-version is above" },
        { "[rule a b]\nrole = both\n", "rule a b", "test.conf:2: role = both" },
        { "[config a]\nclient-ca = x\nverify = ca\n", "config a",
          "test.conf:3: verify = ca: this key is for clients" },
        { "[rule a b]\nrole = client\nclient-ca = x\n", "rule a b",
          "test.conf:3: client-ca = x: this key is for servers" },
        { "[rule a b]\nrole = server\nname = x\n", "rule a b",
          "test.conf:3: name = x: this key is for clients" },
    };
    const char *path = conf(WHOLE);

    (void)state;
    load_fails(cert_path("no.conf"), NULL, ENOENT, "no.conf");
    assert_int_equal(chmod(path, 0620), 0);
    load_fails(path, "config web", EACCES, "can be written by others");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        load_fails(conf(rows[i].text), rows[i].section, EINVAL, rows[i].words);
    }
}

/* errno of the handshake between two sections; 0: both are content. */
static int between(const char *client, const char *server, char subject[static 256])
{
    struct ssl_info i;
    pthread_t t;
    void *rc;
    char b = 0;
    int f[2], err;

    load_pair(cert_path("test.conf"), client, server, f);
    assert_int_equal(ssl_attach(f[0], SSL_CLIENT), 0);
    assert_int_equal(ssl_attach(f[1], SSL_SERVER), 0);
    assert_int_equal(pthread_create(&t, NULL, handshake_thread, (void *)(intptr_t)f[1]), 0);
    err = ssl_handshake(f[0]) ? errno : 0;
    pthread_join(t, &rc);
    if (rc && !err) { /* TLS 1.3: the server's refusal comes behind */
        assert_int_equal(ssl_read(f[0], &b, 1), -1);
        err = errno;
    }
    assert_int_equal(ssl_info(f[0], &i), 0);
    strcpy(subject, i.peer_subject);
    close_pair(f);
    return err;
}

/* Keys that mean more than one option, or something else for servers than for clients. */
static void test_load_meanings(void **state)
{
    static const char whole[] =
        "[defaults]\nca = other.crt\nverify = none\n"
        "[app foo]\n"
        /* servers verify by client-ca, whatever the clients of the file are told */
        "[rule foo strict]\nrole = server\nmatch = *:1\ncert = server.pem\nclient-ca = ca.crt\n"
        "[config strict]\ncert = server.pem\nclient-ca = ca.crt\n"
        "[rule foo open]\nrole = server\nmatch = *:1\ncert = server.pem\ncert = again.crt\n"
        "key = again.key\ncert = two.pem\nclient-ca = ca.crt\nclient-auth = none\n"
        "[rule foo ours]\nrole = client\nmatch = *:1\ncert = client.pem\n"
        "[rule foo theirs]\nrole = client\nmatch = *:1\ncert = stranger.pem\n"
        "[rule foo two]\nrole = client\nmatch = *:1\nname = two.test\nca = ca.crt\n"
        "verify = full\n"
        "[rule foo other]\nrole = client\nmatch = *:1\nname = two.test\nverify = full\n";
    static const char *const strict[] = { "rule foo strict", "config strict" };
    char text[2048], pin[128], who[256];
    FILE *file;

    (void)state;
    conf(whole);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(between("rule foo ours", strict[i], who), 0);
        assert_int_equal(between("rule foo theirs", strict[i], who), EACCES);
    }
    assert_int_equal(between("rule foo theirs", "rule foo open", who), 0);
    assert_int_equal(between("rule foo two", "rule foo open", who), 0);
    assert_string_equal(who, "CN=two");
    assert_int_equal(between("rule foo other", "rule foo open", who), EACCES);
    /* verify = pin: the key and nothing else */
    shell("cd %s && openssl x509 -in server.crt -pubkey -noout | openssl pkey -pubin -outform DER |"
          " openssl dgst -sha256 -binary | base64 >pin.txt",
          certs);
    file = fopen(cert_path("pin.txt"), "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%127s", pin), 1);
    fclose(file);
    for (int right = 0; right < 2; right++) {
        snprintf(text, sizeof text,
                 "[config in]\ncert = server.pem\n[config out]\nca = other.crt\n"
                 "verify = pin:sha256:%s\n",
                 right ? pin : "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        conf(text);
        assert_int_equal(between("config out", "config in", who), right ? 0 : EACCES);
    }
}

/* ---- no memory ---- */

static size_t allocations, fail_at;

static void *failing_alloc(size_t n)
{
    return ++allocations == fail_at ? NULL : malloc(n);
}

/* Each allocation fails once: ENOMEM, nothing leaks, nothing is half sealed. */
static void test_no_memory(void **state)
{
    const char *path = conf(WHOLE);
    int server = SSL_SERVER, done = 0;

    (void)state;
    for (fail_at = 1; fail_at < 3000 && !done; fail_at++) {
        struct ssl_config *c;
        int err = 0;

        allocations = 0;
        errno = 0;
        mem_hooks.alloc = failing_alloc;
        c = ssl_config_load(path, "config web");
        if (!c || ssl_config_set(c, SSL_OPT_SNI, "a.test", 6) ||
            ssl_config_set(c, SSL_OPT_KEYLOG_FILE, "/dev/null", 9) || ssl_config_seal(c, server)) {
            err = errno;
        }
        mem_hooks.alloc = malloc;
        done = allocations < fail_at;
        if (err != 0 && err != ENOMEM) {
            fail_msg("allocation %zu: errno %d, \"%s\"", fail_at, err, ssl_error(-1));
        }
        if (c && err) { /* what failed can be tried again */
            seal(c, SSL_SERVER);
        }
        ssl_config_free(c);
    }
    assert_true(done);
    assert_true(fail_at > 30);
}

/* ---- threads ---- */

static struct ssl_config *common[2];
static atomic_int running;

static void *many(void *arg)
{
    (void)arg;
    for (int i = 0; i < 120; i++) {
        int f[2];

        tcp_pair(f);
        assert_int_equal(ssl_use_config(f[0], common[0]), 0);
        assert_int_equal(ssl_use_config(f[1], common[1]), 0);
        start(f);
        one_byte(f);
        close_pair(f);
        nap_ms(20);
    }
    running--;
    return NULL;
}

/* Four threads share both ends' while the files change and are locked. */
static void test_threads(void **state)
{
    pthread_t t[4];
    int turn = 0;

    (void)state;
    shell("cd %s && cp server.pem live.pem", certs);
    common[0] = client_config("server.test");
    common[1] = server_config("live.pem");
    seal(common[0], SSL_CLIENT);
    seal(common[1], SSL_SERVER);
    running = 4;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, many, NULL), 0);
    }
    while (running > 0) {
        switch (turn++ % 3) {
        case 0:
            shell("cd %s && cp again.pem new.pem && mv new.pem live.pem", certs);
            break;
        case 1:
            shell("cd %s && head -c 300 server.pem >live.pem", certs);
            break;
        default:
            shell("cd %s && cp server.pem live.pem", certs);
        }
        nap_ms(150);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
    ssl_config_free(common[0]);
    ssl_config_free(common[1]);
}

/* Sealed configurations read their files again, too. */
static void test_reload(void **state)
{
    struct ssl_config *c = client_config("server.test"), *s;
    char subject[2][256];
    int f[2];

    (void)state;
    shell("cd %s && cp server.pem live.pem && touch -d '1 hour ago' live.pem", certs);
    s = server_config("live.pem");
    seal(c, SSL_CLIENT);
    seal(s, SSL_SERVER);
    for (int i = 0; i < 2; i++) {
        struct ssl_info info = { 0 };

        for (int tries = 0; tries < 100; tries++) {
            tcp_pair(f);
            assert_int_equal(ssl_use_config(f[0], c), 0);
            assert_int_equal(ssl_use_config(f[1], s), 0);
            start(f);
            assert_int_equal(ssl_info(f[0], &info), 0);
            close_pair(f);
            if (i == 0 || strcmp(info.peer_subject, subject[0]) != 0) {
                break;
            }
            nap_ms(100);
        }
        strcpy(subject[i], info.peer_subject);
        shell("cd %s && cp again.pem new.pem && mv new.pem live.pem", certs);
    }
    assert_string_equal(subject[0], "CN=server");
    assert_string_equal(subject[1], "CN=again");
    ssl_config_free(c);
    ssl_config_free(s);
}

static int setup(void **state)
{
    peers_setup(state);
    make_leaf("again", "ca", "DNS:server.test");
    make_leaf("two", "ca", "DNS:two.test");
    make_leaf("stranger", "other", "DNS:client.test");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared),       cmocka_unit_test(test_listener),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_own_afterwards),
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_refused), cmocka_unit_test(test_load_meanings),
        cmocka_unit_test(test_no_memory),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_reload),
    };

    return cmocka_run_group_tests(tests, setup, peers_teardown);
}
