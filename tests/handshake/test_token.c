/* SPDX-License-Identifier: ISC */
/* Keys that do not leave where they are: handshakes with them in both versions, their certificates,
 * PINs. The token is a provider of our own (provider_token.c, beside this program); where softhsm2
 * and a pkcs11 provider are installed, a software token as well. */
#include "tests/handshake/pair.h"

/* libcrypto has a type of the name that base/error.h has for "wrong time". */
#define ERR_STATE LIBCRYPTO_ERR_STATE
#include <openssl/ui.h>
#undef ERR_STATE
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char module[4096], dir[] = "/tmp/sleeve-token-XXXXXX";

static char *at(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];

    (void)snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void put(const char *name, struct span one, struct span two)
{
    FILE *f = fopen(at(name), "we");

    assert_non_null(f);
    assert_int_equal(fwrite(one.p, 1, one.n, f), one.n);
    assert_true(two.n == 0 || fwrite(two.p, 1, two.n, f) == two.n);
    assert_int_equal(fclose(f), 0);
}

static const struct {
    const char *name;
    enum key_type type;
} kinds[] = {
    { "p256", KEY_EC_P256 }, { "p384", KEY_EC_P384 }, { "rsa", KEY_RSA }, { "ed25519", KEY_ED25519 }
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* NAME.pem: key and certificate; NAME.crt: the certificate alone. */
static void make(const char *name, enum key_type type)
{
    const char *host = PAIR_HOST;
    struct buf der = { 0 }, pem = { 0 }, crt = { 0 };
    char file[64];
    struct issue what = { .common_name = name,
                          .names = &host,
                          .nnames = 1,
                          .server = true,
                          .client = true,
                          .not_before = PAIR_NOW - 86400,
                          .not_after = PAIR_NOW + 86400,
                          .issuer_key = pki.ca_key,
                          .issuer = &pki.ca };

    assert_int_equal(privkey_generate(&what.key, type, 2048), 0);
    assert_int_equal(cert_issue(&what, &der, NULL), 0);
    assert_int_equal(privkey_write_pem(what.key, &pem), 0);
    assert_int_equal(pem_write(&crt, "CERTIFICATE", buf_span(&der)), 0);
    (void)snprintf(file, sizeof file, "%s.key", name);
    put(file, buf_span(&pem), span_of(NULL, 0));
    (void)snprintf(file, sizeof file, "%s.pem", name);
    put(file, buf_span(&pem), buf_span(&crt));
    (void)snprintf(file, sizeof file, "%s.locked.pem", name);
    put(file, buf_span(&pem), buf_span(&crt));
    (void)snprintf(file, sizeof file, "%s.crt", name);
    put(file, buf_span(&crt), span_of(NULL, 0));
    buf_free(&der);
    buf_free(&pem);
    buf_free(&crt);
    privkey_unref(what.key);
}

/* What libcrypto asks the terminal with, and whether somebody did. */
static UI_METHOD *spy;
static unsigned asked;

static int ask(UI *ui, UI_STRING *string)
{
    (void)string;
    asked += ui != NULL;
    return 0;
}

static int prepare(void **state)
{
    ssize_t n = readlink("/proc/self/exe", module, sizeof module - 32);
    char *slash;

    assert_true(n > 0);
    module[n] = '\0';
    slash = strrchr(module, '/');
    assert_non_null(slash);
    (void)snprintf(slash, 32, "/provider_token.so");
    assert_int_equal(pki_make(state), 0);
    spy = UI_create_method("spy");
    assert_int_equal(UI_method_set_reader(spy, ask) | UI_method_set_writer(spy, ask), 0);
    UI_set_default_method(spy);
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < KINDS; i++) {
        make(kinds[i].name, kinds[i].type);
    }
    return 0;
}

static int finish(void **state)
{
    char command[64];

    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    UI_set_default_method(UI_OpenSSL());
    UI_destroy_method(spy);
    return pki_free(state);
}

static const char *uri(const char *name, const char *tail)
{
    static char text[2][160];
    static unsigned next;
    char *p = text[next++ % 2];

    (void)snprintf(p, sizeof text[0], "token:%s/%s%s", dir, name, tail);
    return p;
}

static const char *file(const char *name, const char *tail)
{
    static char text[160];

    (void)snprintf(text, sizeof text, "%s/%s%s", dir, name, tail);
    return text;
}

/* A server, and then a client, with that identity; both versions. */
static void serves(struct identity *id)
{
    static const unsigned versions[] = { TLS_1_3, TLS_1_2 };
    struct identity *server = pki.server[0], *client = pki.client;

    for (size_t i = 0; i < 2; i++) {
        struct pair_params q = { .client_max = versions[i] };
        struct pair *p;

        pki.server[0] = id;
        p = pair_connected(&q);
        pair_free(p);
        pki.server[0] = server;
        pki.client = id;
        q.client_id = true;
        q.auth = CLIENT_AUTH_REQUIRE;
        p = pair_connected(&q);
        pair_free(p);
        pki.client = client;
    }
}

static struct identity *loaded(const struct identity_source *from)
{
    struct identity *id = NULL;
    struct error err;

    error_clear(&err);
    if (identity_load(&id, from, &err) != 0) {
        fail_msg("%s, %s: %s", from->certs, from->key ? from->key : "", err.text);
    }
    assert_int_equal(err.code, 0);
    return id;
}

static void fails(const struct identity_source *from, int code, const char *words)
{
    struct identity *id = (struct identity *)&id;
    struct error err;

    error_clear(&err);
    assert_int_equal(identity_load(&id, from, &err), code);
    assert_null(id);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, words)) {
        fail_msg("\"%s\" instead of \"%s\"", err.text, words);
    }
}

static void handshakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct identity_source from = { .certs = file(kinds[i].name, ".crt"),
                                        .key = uri(kinds[i].name, ".pem"),
                                        .provider = module };
        struct identity *id = loaded(&from);
        struct buf b = { 0 };

        assert_int_equal(privkey_type(id->key), kinds[i].type);
        assert_true(privkey_write_pem(id->key, &b) < 0); /* it does not leave the token */
        assert_int_equal(buf_len(&b), 0);
        serves(id);
        identity_unref(id);
        /* The certificate is there, too. */
        from = (struct identity_source){ .certs = from.key, .provider = module };
        id = loaded(&from);
        serves(id);
        identity_unref(id);
    }
}

/* With a provider named, files of keys are read by it: they may be of a kind of its own. */
static void key_files(void **state)
{
    char where[160];
    struct identity_source from = { .certs = file("p384", ".crt"), .provider = module };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct identity *id;

        (void)snprintf(where, sizeof where, "%s%s/p384.key", i ? "file:" : "", dir);
        from.key = where;
        id = loaded(&from);
        serves(id);
        identity_unref(id);
    }
    from.certs = file("p256", ".crt");
    fails(&from, ERR_MISMATCH, "does not belong");
}

static int give(void *arg, const char *what, char *out, size_t size)
{
    assert_non_null(strstr(what, "token:"));
    assert_int_equal(size, PASSPHRASE_MAX);
    return snprintf(out, size, "%s", (const char *)arg);
}

static void pins(void **state)
{
    struct identity_source from = { .certs = file("p256", ".crt"),
                                    .key = uri("p256", ".locked.pem"),
                                    .provider = module };
    struct identity *id;

    (void)state;
    fails(&from, ERR_PASSPHRASE, "asks for a PIN");
    from.pass.text = "4321";
    fails(&from, ERR_PASSPHRASE, "does not open with this PIN");
    from.pass.text = "1234";
    id = loaded(&from);
    serves(id);
    identity_unref(id);
    from.pass = (struct passphrase){ .fn = give, .arg = (char[]){ "1234" } };
    identity_unref(loaded(&from));
    from.pass.arg = (char[]){ "12345" };
    fails(&from, ERR_PASSPHRASE, "does not open with this PIN");
    put("pin", span_text("1234\n"), span_text("and more\n"));
    from.pass = (struct passphrase){ .file = at("pin") };
    identity_unref(loaded(&from));
    from = (struct identity_source){ .certs = uri("rsa", ".locked.pem"),
                                     .provider = module,
                                     .pass = { .text = "1234" } };
    identity_unref(loaded(&from));
}

static void refused(void **state)
{
    struct identity_source from = { .certs = file("p256", ".crt"),
                                    .key = uri("p384", ".pem"),
                                    .provider = module };

    (void)state;
    fails(&from, ERR_MISMATCH, "does not belong");
    make("another", KEY_EC_P256); /* of the same kind: only a signature tells */
    from.key = uri("another", ".pem");
    fails(&from, ERR_MISMATCH, "does not belong");
    from.key = uri("p256", ".crt");
    fails(&from, ERR_PARSE, "no private key");
    from.key = uri("p256", ".none");
    fails(&from, ERR_PARSE, "no private key");
    from.certs = uri("p256", ".key");
    from.key = NULL;
    fails(&from, ERR_PARSE, "no certificate");
    from.certs = "other:thing";
    fails(&from, ERR_PARSE, "no private key");
    from.provider = NULL;
    fails(&from, ERR_UNSUPPORTED, "has to be named");
    from.provider = "/no/such/provider.so";
    fails(&from, ERR_UNSUPPORTED, "cannot be loaded");
    from = (struct identity_source){ .certs = file("p256", ".crt"), .key = "file:p256.key" };
    fails(&from, ERR_ARG, "not the URI of a file");
    from.key = "file:///tmp/%4";
    fails(&from, ERR_ARG, "percent");
    from.key = "file:///tmp/%00";
    fails(&from, ERR_ARG, "percent");
}

/* ---- a software token ---- */

static bool run(const char *command)
{
    return system(command) == 0;
}

/* A PIN that is in the URI opens the token in a child, too. */
static void in_a_child(struct identity *id)
{
    int status = 1;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        const struct span msg = span_text("message");
        uint8_t sig[SIG_MAX];
        size_t n = sizeof sig;

        _exit(privkey_sign(id->key, scheme_by_id(0x0403), &msg, 1, sig, &n) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void softhsm(void **state)
{
    static const char hsm[] = "/usr/lib/softhsm/libsofthsm2.so";
    struct identity_source from = { .key = "pkcs11:token=sleeve;object=web;type=private" };
    char command[512];
    struct identity *id = NULL;
    struct error err;

    (void)state;
    if (access(hsm, R_OK) != 0 || !run("command -v softhsm2-util >/dev/null")) {
        print_message("skipped: softhsm2 is not installed\n");
        skip();
    }
    assert_int_equal(mkdir(at("tokens"), 0700), 0);
    (void)snprintf(command, sizeof command, "directories.tokendir = %s/tokens\nlog.level = ERROR\n",
                   dir);
    put("conf", span_text(command), span_of(NULL, 0));
    assert_int_equal(setenv("SOFTHSM2_CONF", at("conf"), 1), 0);
    assert_int_equal(setenv("PKCS11_PROVIDER_MODULE", hsm, 1), 0);
    (void)snprintf(command, sizeof command,
                   "(softhsm2-util --init-token --free --label sleeve --pin 1234 --so-pin 5678 && "
                   "softhsm2-util --import %s/p256.key --token sleeve --label web --id 01 --pin "
                   "1234 && softhsm2-util --import %s/rsa.key --token sleeve --label rsa --id 02 "
                   "--pin 1234) >/dev/null",
                   dir, dir);
    assert_true(run(command));
    from.certs = file("p256", ".crt");
    error_clear(&err);
    if (identity_load(&id, &from, &err) == ERR_UNSUPPORTED) {
        print_message("skipped: %s\n", err.text);
        skip();
    }
    /* Once open, a token stays open for the process: what is refused comes first. */
    fails(&from, ERR_PASSPHRASE, "asks for a PIN");
    from.pass.text = "9999";
    fails(&from, ERR_PASSPHRASE, "does not open with this PIN");
    from.pass.text = "1234";
    id = loaded(&from);
    serves(id);
    identity_unref(id);
    from.certs = file("another", ".crt");
    fails(&from, ERR_MISMATCH, "does not belong");
    from.certs = file("rsa", ".crt");
    fails(&from, ERR_MISMATCH, "does not belong");
    from.key = "pkcs11:token=sleeve;object=rsa;type=private";
    id = loaded(&from);
    serves(id);
    identity_unref(id);
    put("pin", span_text("1234\n"), span_of(NULL, 0));
    (void)snprintf(command, sizeof command,
                   "pkcs11:token=sleeve;object=web;type=private?pin-source=file:%s", at("pin"));
    from = (struct identity_source){ .certs = file("p256", ".crt"), .key = command };
    id = loaded(&from);
    in_a_child(id);
    identity_unref(id);
}

/* In all of the above the provider tried to: for each PIN it was not given, and each signature. */
static void never_on_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(asked, 0);
    assert_ptr_equal(UI_get_default_method(), spy); /* for the program's own use */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes), cmocka_unit_test(key_files),
        cmocka_unit_test(pins),       cmocka_unit_test(refused),
        cmocka_unit_test(softhsm),    cmocka_unit_test(never_on_a_terminal),
    };

    return cmocka_run_group_tests(tests, prepare, finish);
}
