/* SPDX-License-Identifier: ISC */
/* Loading a policy: dormant, listed, broken; files that cannot be trusted; keys; the sign of life.
 */
#include "tests/launcher/policy_help.h"
#include "base/mem.h"

/* ---- loading ---- */

static int load(const char *config, const char *rules, const struct program *prog,
                struct policy **p, struct error *err)
{
    error_clear(err);
    unsetenv("SLEEVE_OFF");
    config ? setenv("SLEEVE_CONFIG", config, 1) : unsetenv("SLEEVE_CONFIG");
    rules ? setenv("SLEEVE_RULES", rules, 1) : unsetenv("SLEEVE_RULES");
    return policy_load(p, prog, err);
}

static void load_three_ways(void **state)
{
    static const struct program foo = { .exe = "/usr/bin/foo" }, bar = { .exe = "/usr/bin/bar" };
    const char *good = write_text("good.conf", APP "[rule foo a]\n" TWO);
    const char *bad = write_text("bad.conf", APP "[rule foo a]\n" TWO "[rule foo b]\nrole = x\n");
    char host[POLICY_HOST_MAX];
    struct error err;
    struct policy *p;

    (void)state;
    setenv("HOME", dir, 1);
    assert_int_equal(load(good, NULL, &foo, &p, &err), 1);
    assert_null(policy_broken(p));
    assert_non_null(ask(p, "1.2.3.4", 1, NULL, host));
    policy_free(p);
    assert_int_equal(load(good, NULL, &bar, &p, &err), 0);
    assert_null(p);
    /* A mistake elsewhere does not concern a program that is not listed. */
    assert_int_equal(load(bad, NULL, &bar, &p, &err), 0);
    assert_null(p);
    assert_true(load(bad, NULL, &foo, &p, &err) < 0);
    assert_non_null(strstr(err.text, "bad.conf:7: role = x"));
    assert_string_equal(policy_broken(p), err.text);
    assert_int_equal(ask(p, "1.2.3.4", 9999, NULL, host)->action, RULE_REFUSE);
    assert_true(policy_has(p, TLS_SERVER));
    policy_free(p);
    /* A name that is given must be there: for every program. */
    assert_true(load(in_dir("missing.conf"), NULL, &bar, &p, &err) < 0);
    assert_int_equal(ask(p, "::1", 1, NULL, host)->action, RULE_REFUSE);
    policy_free(p);
    /* One-liners come first. */
    assert_int_equal(load(good, "client foo *:1 action=refuse", &foo, &p, &err), 1);
    assert_int_equal(ask(p, "1.2.3.4", 1, NULL, host)->action, RULE_REFUSE);
    assert_int_equal(p->nrules, 2);
    policy_free(p);
    assert_int_equal(load(good, "client * *:1 action=refuse", &bar, &p, &err), 1);
    policy_free(p);
    assert_true(load(good, "client", &bar, &p, &err) < 0);
    policy_free(p);
}

static void load_off_and_home(void **state)
{
    static const struct program foo = { .exe = "/usr/bin/foo" };
    struct error err;
    struct policy *p;

    (void)state;
    setenv("HOME", dir, 1);
    assert_int_equal(mkdir(in_dir(".config"), 0700), 0);
    assert_int_equal(mkdir(in_dir(".config/sleeve"), 0700), 0);
    write_text(".config/sleeve/sleeve.conf", APP "[rule foo a]\n" TWO);
    assert_int_equal(load(NULL, NULL, &foo, &p, &err), 1);
    policy_free(p);
    setenv("SLEEVE_OFF", "1", 1);
    assert_int_equal(policy_load(&p, &foo, &err), 0);
    assert_null(p);
    setenv("SLEEVE_OFF", "0", 1);
    assert_int_equal(policy_load(&p, &foo, &err), 1);
    policy_free(p);
    setenv("SLEEVE_OFF", "", 1);
    assert_int_equal(policy_load(&p, &foo, NULL), 1);
    policy_free(p);
    unsetenv("SLEEVE_OFF");
    assert_int_equal(unlink(in_dir(".config/sleeve/sleeve.conf")), 0);
}

/* Whoever can change the file could switch TLS off. */
static void load_unsafe_files(void **state)
{
    static const struct program bar = { .exe = "/usr/bin/bar" };
    static const mode_t modes[] = { 0620, 0602, 0666, 0660, 0777 },
                        fine[] = { 0600, 0644, 0400, 0444, 0755 };
    const char *path = write_text("mode.conf", APP "[rule foo a]\n" TWO);
    struct error err;
    struct policy *p;

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_true(load(path, NULL, &bar, &p, &err) < 0);
        assert_non_null(strstr(err.text, "written by others"));
        policy_free(p);
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        assert_int_equal(chmod(path, fine[i]), 0);
        assert_int_equal(load(path, NULL, &bar, &p, &err), 0);
    }
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 0), 0);
        assert_true(load(path, NULL, &bar, &p, &err) < 0);
        assert_non_null(strstr(err.text, "belongs to user 12345"));
        policy_free(p);
        assert_int_equal(chown(path, 0, 0), 0);
    }
    /* Not a file: no waiting for a FIFO's writer. */
    assert_int_equal(mkfifo(in_dir("fifo.conf"), 0600), 0);
    assert_true(load(in_dir("fifo.conf"), NULL, &bar, &p, &err) < 0);
    policy_free(p);
    assert_true(load("/dev/null", NULL, &bar, &p, &err) < 0);
    policy_free(p);
}

static void load_binary_and_large(void **state)
{
    static const struct program bar = { .exe = "/usr/bin/bar" };
    const char *path = in_dir("binary.conf");
    struct error err;
    struct policy *p;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[app foo]\n\0[app bar]\n", 21), 21);
    assert_true(load(path, NULL, &bar, &p, &err) < 0);
    assert_non_null(strstr(err.text, "not a text file"));
    policy_free(p);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    assert_true(load(path, NULL, &bar, &p, &err) < 0);
    assert_non_null(strstr(err.text, "larger than 1 MiB"));
    policy_free(p);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    assert_int_equal(load(path, NULL, &bar, &p, &err), 0); /* empty: lists nobody */
}

static void load_directory(void **state)
{
    static const struct program foo = { .exe = "/usr/bin/foo" }, bar = { .exe = "/usr/bin/bar" };
    struct error err;
    struct policy *p;

    (void)state;
    assert_int_equal(mkdir(in_dir("conf.d"), 0700), 0);
    assert_true(load(in_dir("conf.d"), NULL, &foo, &p, &err) < 0); /* no *.conf: a slip */
    policy_free(p);
    write_text("conf.d/20.conf", "[defaults]\ntimeout = 2\n" APP "[rule foo late]\n" TWO);
    write_text("conf.d/10.conf", "[defaults]\ntimeout = 1\n[app bar]\n[rule bar a]\n" TWO);
    write_text("conf.d/05.conf.bak", "nonsense");
    write_text("conf.d/.hidden.conf", "nonsense");
    assert_int_equal(load(in_dir("conf.d"), NULL, &foo, &p, &err), 1);
    assert_int_equal(policy_rule(p, 0)->handshake_timeout_ms, 2000); /* of its own file */
    policy_free(p);
    assert_int_equal(load(in_dir("conf.d"), NULL, &bar, &p, &err), 1);
    assert_int_equal(policy_rule(p, 0)->handshake_timeout_ms, 1000);
    policy_free(p);
    /* The order of the names is the order of the rules. */
    write_text("conf.d/15.conf", "[rule foo early]\n" TWO);
    assert_int_equal(load(in_dir("conf.d"), NULL, &foo, &p, &err), 1);
    assert_string_equal(policy_rule(p, 0)->label, "early");
    policy_free(p);
    assert_int_equal(chmod(in_dir("conf.d"), 0770), 0);
    assert_true(load(in_dir("conf.d"), NULL, &foo, &p, &err) < 0);
    policy_free(p);
    assert_int_equal(chmod(in_dir("conf.d"), 0700), 0);
}

static void load_self(void **state)
{
    const char *path = write_text("self.conf", "[app test_load]\n[rule test_load a]\n" TWO);
    struct error err;
    struct policy *p;

    (void)state;
    assert_int_equal(load(path, NULL, NULL, &p, &err), 1);
    policy_free(p);
    path = write_text("self.conf", "[app t]\nargv0 = test_load\n[rule t a]\n" TWO);
    assert_int_equal(load(path, NULL, NULL, &p, &err), 1);
    policy_free(p);
    path = write_text("self.conf", "[app test_loa]\n[rule test_loa a]\n" TWO);
    errno = 7;
    assert_int_equal(load(path, NULL, NULL, &p, &err), 0);
    assert_int_equal(errno, 7);
}

/* ---- keys and certificates ---- */

static void write_pem(const char *name, const struct buf *b)
{
    int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, buf_data(b), buf_len(b)), (ssize_t)buf_len(b));
    close(fd);
}

static void make_identity(const char *cert, const char *key)
{
    const char *names[] = { "localhost" };
    struct buf der = { 0 }, pem = { 0 };
    struct privkey *k = NULL;
    struct issue what = { .common_name = "localhost",
                          .names = names,
                          .nnames = 1,
                          .ca = true,
                          .server = true,
                          .not_before = time(NULL) - 60,
                          .not_after = time(NULL) + 86400 };

    assert_int_equal(privkey_generate(&k, KEY_EC_P256, 0), 0);
    what.key = what.issuer_key = k;
    assert_int_equal(cert_issue(&what, &der, NULL), 0);
    assert_int_equal(pem_write(&pem, "CERTIFICATE", buf_span(&der)), 0);
    write_pem(cert, &pem);
    buf_free(&pem);
    assert_int_equal(privkey_write_pem(k, &pem), 0);
    write_pem(key, &pem);
    buf_free(&pem);
    buf_free(&der);
    privkey_unref(k);
}

static void load_keys(void **state)
{
    static const struct program foo = { .exe = "/usr/bin/foo" };
    const char *path;
    struct error err;
    struct policy *p;

    (void)state;
    assert_int_equal(crypto_init(), 0);
    make_identity("a.pem", "a.key");
    make_identity("b.pem", "b.key");
    /* Relative paths are relative to the file. */
    path =
        write_text("keys.conf", APP
                   "[rule foo s]\nrole=server\nmatch=*:1\ncert=a.pem\nkey=a.key\nclient-ca=b.pem\n"
                   "[rule foo c]\nrole=client\nmatch=*:1\nca=a.pem\ncert=b.pem\nkey=b.key\n"
                   "[rule foo p]\nrole=client\nmatch=*:2\nverify=pin:sha256:"
                   "0123456789abcdefABCDEF000000000000000000000000000000000000000000\n"
                   "[rule foo q]\nrole=client\nmatch=*:2\nverify=pin:sha256:"
                   "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
                   "[rule foo n]\nrole=client\nmatch=*:3\nverify=none\nkeylog=secrets.log\n");
    if (load(path, NULL, &foo, &p, &err) != 1) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < 5; i++) {
        struct config *c = policy_config(policy_rule(p, i), NULL);

        assert_non_null(c);
        assert_int_equal(config_role(c), i == 0 ? TLS_SERVER : TLS_CLIENT);
        config_unref(c);
    }
    assert_true(policy_rule(p, 4)->unverified);
    assert_string_equal(policy_rule(p, 4)->keylog, in_dir("secrets.log"));
    policy_free(p);

    path = write_text("keys.conf",
                      APP "[rule foo s]\nrole=server\nmatch=*:1\ncert=a.pem\nkey=b.key\n");
    assert_true(load(path, NULL, &foo, &p, &err) < 0); /* not one pair */
    assert_non_null(strstr(err.text, "keys.conf:5: cert = a.pem:"));
    policy_free(p);
    path = write_text("keys.conf",
                      APP "[rule foo s]\nrole=server\nmatch=*:1\ncert=a.pem\nkey=none.key\n");
    assert_true(load(path, NULL, &foo, &p, &err) < 0);
    policy_free(p);
    path =
        write_text("keys.conf", APP "[rule foo s]\nrole=server\nmatch=*:1\ncert=a.pem\nkey=a.key\n"
                                    "cert=b.pem\nkey=a.key\n");
    assert_true(load(path, NULL, &foo, &p, &err) < 0);
    assert_non_null(strstr(err.text, "keys.conf:7: cert = b.pem:"));
    policy_free(p);
    path =
        write_text("keys.conf", APP "[rule foo s]\nrole=server\nmatch=*:1\ncert=a.pem\nkey=a.key\n"
                                    "client-ca=none.pem\n");
    assert_true(load(path, NULL, &foo, &p, &err) < 0);
    assert_non_null(strstr(err.text, "keys.conf:7: client-ca = none.pem:"));
    policy_free(p);
    path = write_text("keys.conf", APP "[rule foo s]\nrole=server\nmatch=*:1\ncert=keys.conf\n");
    assert_true(load(path, NULL, &foo, &p, &err) < 0);
    policy_free(p);
    path = write_text("keys.conf", APP "[rule foo c]\nrole=client\nmatch=*:1\nca=none.pem\n");
    assert_true(load(path, NULL, &foo, &p, &err) < 0);
    assert_non_null(strstr(err.text, "keys.conf:5: ca = none.pem:"));
    policy_free(p);
    path = write_text("keys.conf", APP "[rule foo c]\nrole=client\nmatch=*:1\nca=a.key\n");
    assert_true(load(path, NULL, &foo, &p, &err) < 0);
    policy_free(p);
}

/* ---- no memory ---- */

static size_t allocations, fail_at;

static void *failing_alloc(size_t n)
{
    return ++allocations == fail_at ? NULL : malloc(n);
}

/* Each allocation fails once: broken, never dormant and never half a policy; nothing leaks. */
static void load_without_memory(void **state)
{
    static const struct program foo = { .exe = "/usr/bin/foo" };
    const char *path;
    struct error err;
    struct policy *p;
    int rc = -1;

    (void)state;
    assert_int_equal(crypto_init(), 0);
    make_identity("m.pem", "m.key");
    path = write_text("memory.conf",
                      APP "[rule foo s]\nrole=server\nmatch=*:1\ncert=m.pem\nkey=m.key\nalpn=a,b\n"
                          "[rule foo c]\nrole=client\nmatch=a:1 b:2,3\nca=m.pem\n");
    mem_hooks.alloc = failing_alloc;
    for (fail_at = 1; fail_at < 2000; fail_at++) {
        allocations = 0;
        rc = load(path, NULL, &foo, &p, &err);
        if (allocations < fail_at) {
            break;
        }
        if (rc >= 0 || !policy_broken(p) || !policy_has(p, TLS_CLIENT)) {
            mem_hooks.alloc = malloc;
            fail_msg("allocation %zu failed, and the policy is %s", fail_at,
                     rc ? "listed" : "dormant");
        }
        policy_free(p);
    }
    mem_hooks.alloc = malloc;
    assert_int_equal(rc, 1);
    assert_true(fail_at > 20);
    policy_free(p);
}

/* ---- environment and sign of life ---- */

static void environment(void **state)
{
    char a[] = "SLEEVE_X=1", b[] = "SLEEVE_XY=2", c[] = "SLEEVE_X=3", d[] = "OTHER=4";
    char *envp[] = { a, b, c, d, NULL };

    (void)state;
    policy_environment(envp);
    assert_string_equal(env_get("SLEEVE_X"), "1");
    assert_string_equal(env_get("SLEEVE_XY"), "2");
    assert_null(env_get("SLEEVE"));
    assert_null(env_get("THER"));
    env_remove("SLEEVE_X"); /* both of them */
    assert_null(env_get("SLEEVE_X"));
    assert_ptr_equal(envp[0], b);
    assert_ptr_equal(envp[1], d);
    assert_null(envp[2]);
    env_remove("OTHER");
    assert_null(envp[1]);
    policy_environment(NULL);
}

static void hello(void **state)
{
    int fds[2];
    char value[64], got[600], *envp[2] = { value, NULL };
    char longest[2000];

    (void)state;
    policy_environment(envp);
    assert_int_equal(pipe(fds), 0);
    (void)snprintf(value, sizeof value, "SLEEVE_HELLO=%d:%d:1", fds[1], (int)getpid());
    assert_int_equal(hello_send(0, NULL), 0); /* the first one is passed over in silence */
    assert_int_equal(value[strlen(value) - 1], '0');
    assert_int_equal(hello_send(0, NULL), 1);
    assert_null(envp[0]);
    assert_int_equal(read(fds[0], got, sizeof got), 2);
    assert_memory_equal(got, "0", 2);
    assert_int_equal(read(fds[0], got, sizeof got), 0); /* closed */
    close(fds[0]);

    assert_int_equal(hello_send(1, NULL), 0); /* nobody asks */
    assert_int_equal(pipe(fds), 0);
    envp[0] = value;
    (void)snprintf(value, sizeof value, "SLEEVE_HELLO=%d:%d:0", fds[1], (int)getpid());
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    errno = 5;
    assert_int_equal(hello_send(-1, longest), 1);
    assert_int_equal(errno, 5);
    assert_int_equal(read(fds[0], got, sizeof got), 512); /* cut, and still ended by NUL */
    assert_int_equal(got[0], '-');
    assert_int_equal(got[511], '\0');
    close(fds[0]);

    /* Not ours: another process's, no pipe, nonsense. The variable goes, the descriptor stays. */
    assert_int_equal(pipe(fds), 0);
    for (size_t i = 0; i < 8; i++) {
        static const char *const forms[] = { "%d:1:0", "%d:%d:", "%d:%d",   "%d",
                                             "x",      "",       "-1:%d:0", "%d:%d:0x" };

        envp[0] = value;
        (void)strcpy(value, "SLEEVE_HELLO=");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        (void)snprintf(value + 13, sizeof value - 13, forms[i], fds[1], (int)getpid());
#pragma GCC diagnostic pop
        assert_int_equal(hello_send(1, NULL), 0);
        assert_null(envp[0]);
        assert_true(fcntl(fds[1], F_GETFD) >= 0);
    }
    close(fds[0]);
    close(fds[1]);
    policy_environment(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(load_three_ways),   cmocka_unit_test(load_off_and_home),
        cmocka_unit_test(load_unsafe_files), cmocka_unit_test(load_binary_and_large),
        cmocka_unit_test(load_directory),    cmocka_unit_test(load_self),
        cmocka_unit_test(load_keys),         cmocka_unit_test(load_without_memory),
        cmocka_unit_test(environment),       cmocka_unit_test(hello),
    };

    return cmocka_run_group_tests_name("load", tests, make_dir, remove_dir);
}
