/* SPDX-License-Identifier: ISC */
/* Beside the openssl command: the chains of chains.h must be judged as `openssl verify` judges them
 * (or the table says why not), and certificates that openssl makes must be understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "chains.h"

static char dir[256];

__attribute__((format(printf, 1, 2))) static int run(const char *fmt, ...)
{
    char line[2048], full[2600];
    va_list ap;
    int status;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    (void)snprintf(full, sizeof full, "cd '%s' && (%s) </dev/null >>log 2>&1", dir, line);
    status = system(full);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int set_up(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    (void)snprintf(dir, sizeof dir, "%s/x509-openssl-XXXXXX", tmp ? tmp : "/tmp");
    return crypto_init() < 0 || !mkdtemp(dir) || run("exec timeout 10 openssl version") != 0;
}

static int tear_down(void **state)
{
    char line[300];

    (void)state;
    forge_done();
    (void)snprintf(line, sizeof line, "rm -rf '%s'", dir);
    return system(line);
}

static void write_pem(const char *name, const struct cert *certs, size_t n)
{
    struct buf pem = { 0 };
    char path[512];
    FILE *f;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pem_write(&pem, "CERTIFICATE", certs[i].der), 0);
    }
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "we");
    assert_non_null(f);
    if (n) {
        assert_int_equal(fwrite(buf_data(&pem), 1, buf_len(&pem), f), buf_len(&pem));
    }
    assert_int_equal(fclose(f), 0);
    buf_free(&pem);
}

static bool openssl_accepts(const struct chain_case *k)
{
    const char *host = case_host(k);
    struct world w;
    bool ok;

    world_make(&w, k);
    write_pem("trusted", w.trusted, w.ntrusted);
    write_pem("others", w.sent + 1, w.nsent - 1);
    write_pem("leaf", w.sent, 1);
    ok =
        run("exec timeout 10 openssl verify -x509_strict -policy_check -policy 2.5.29.32.0 -auth_level %d %s -no-CApath "
            "-no-CAstore %s %s -attime %lld -purpose %s %s %s leaf",
            k->weak ? 0 : 2, k->partial ? "-partial_chain" : "",
            w.ntrusted ? "-CAfile trusted" : "-no-CAfile", w.nsent > 1 ? "-untrusted others" : "",
            (long long)(NOW + k->later), k->client ? "sslclient" : "sslserver",
            !host              ? ""
            : host_is_ip(host) ? "-verify_ip"
                               : "-verify_hostname",
            host ? host : "") == 0;
    world_free(&w);
    return ok;
}

static void same_judgement(void **state)
{
    size_t wrong = 0, same = 0, noted = 0;

    (void)state;
    for (size_t i = 0; i < CHAIN_CASES; i++) {
        const struct chain_case *k = chain_case(i);
        bool agrees = openssl_accepts(k) == (k->verdict == CHAIN_OK);

        if (!agrees && !k->openssl) {
            print_error("%s: openssl verify says %s\n", k->name,
                        k->verdict == CHAIN_OK ? "no" : "yes");
            wrong++;
        }
        if (agrees && k->openssl) {
            print_message("%s: openssl agrees, although it %s\n", k->name, k->openssl);
        }
        same += agrees;
        noted += !agrees && k->openssl;
    }
    print_message("%zu chains judged alike, %zu otherwise for a reason\n", same, noted);
    assert_int_equal(wrong, 0);
}

/* ---- certificates that openssl makes ---- */

/* A root and a leaf under it, named *.pem in the directory; false: this openssl cannot. */
static bool make(const char *name, const char *algorithm, const char *sign)
{
    return run("openssl req -x509 -newkey %s -nodes -keyout %s.ca.key -out %s.ca -days 2 -subj "
               "'/C=XX/O=Test, Inc/CN=%s root' %s -addext keyUsage=critical,keyCertSign && "
               "openssl req -newkey %s -nodes -keyout %s.key -out %s.csr -subj /CN=%s && "
               "printf 'subjectAltName=DNS:a.test,IP:192.0.2.1\\nextendedKeyUsage=serverAuth\\n"
               "basicConstraints=critical,CA:FALSE\\nauthorityKeyIdentifier=keyid,issuer\\n"
               "subjectKeyIdentifier=hash\\ncertificatePolicies=critical,1.2.3.4\\n' > ext && "
               "openssl x509 -req -in %s.csr -CA %s.ca -CAkey %s.ca.key -CAcreateserial -days 1 "
               "-extfile ext %s -out %s.pem",
               algorithm, name, name, name, sign, algorithm, name, name, name, name, name, name,
               sign, name) == 0;
}

static int judge(const char *name, struct chain_result *result, struct error *err)
{
    char path[512];
    struct trust *t = trust_new();
    struct buf pem = { 0 }, der = { 0 };
    char label[64];
    struct cert c;
    size_t pos = 0;
    int rc;

    error_clear(err);
    *result = (struct chain_result){ .verdict = CHAIN_MALFORMED };
    (void)snprintf(path, sizeof path, "%s/%s.ca", dir, name);
    rc = trust_add_path(t, path, err);
    if (rc >= 0) {
        (void)snprintf(path, sizeof path, "%s/%s.pem", dir, name);
        assert_int_equal(file_read(path, &pem, err), 0);
        assert_int_equal(pem_next(buf_span(&pem), &pos, label, &der), 1);
        assert_string_equal(label, "CERTIFICATE");
        rc = cert_parse(&c, buf_span(&der), err);
    }
    if (rc >= 0) {
        rc = chain_verify(
            &(struct chain_query){
                .trust = t, .now = time(NULL), .peer_is_server = true, .host = "a.test" },
            &c, 1, result, err);
    }
    buf_free(&pem);
    buf_free(&der);
    trust_unref(t);
    return rc;
}

static void made_by_openssl(void **state)
{
    static const struct {
        const char *name, *algorithm, *sign;
        enum chain_verdict verdict;
        int code;
    } rows[] = {
        { "rsa", "rsa:2048", "-sha256", CHAIN_OK, 0 },
        { "rsa384", "rsa:3072", "-sha384", CHAIN_OK, 0 },
        { "rsa512", "rsa:2048", "-sha512", CHAIN_OK, 0 },
        { "pss", "rsa:2048", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest",
          CHAIN_OK, 0 },
        { "pss384", "rsa:2048",
          "-sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest", CHAIN_OK, 0 },
        { "psssalt", "rsa:2048", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20",
          CHAIN_BAD_SIGNATURE, TLS_ALERT(ALERT_BAD_CERTIFICATE) },
        { "psskey", "rsa-pss -pkeyopt rsa_keygen_bits:2048",
          "-sha256 -sigopt rsa_pss_saltlen:digest", CHAIN_OK, 0 },
        { "psskey256",
          "rsa-pss -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha256 "
          "-pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32",
          "-sha256", CHAIN_OK, 0 },
        { "p256", "ec -pkeyopt ec_paramgen_curve:P-256", "-sha256", CHAIN_OK, 0 },
        { "p256s", "ec -pkeyopt ec_paramgen_curve:P-256", "-sha512", CHAIN_OK, 0 },
        { "p384", "ec -pkeyopt ec_paramgen_curve:P-384", "-sha384", CHAIN_OK, 0 },
        { "p521", "ec -pkeyopt ec_paramgen_curve:P-521", "-sha512", CHAIN_OK, 0 },
        { "ed25519", "ed25519", "", CHAIN_OK, 0 },
        { "ed448", "ed448", "", CHAIN_OK, 0 },
        { "sha1", "rsa:2048", "-sha1", CHAIN_WEAK, TLS_ALERT(ALERT_BAD_CERTIFICATE) },
        { "ecsha1", "ec -pkeyopt ec_paramgen_curve:P-256", "-sha1", CHAIN_WEAK,
          TLS_ALERT(ALERT_BAD_CERTIFICATE) },
        { "md5", "rsa:2048", "-md5", CHAIN_WEAK, TLS_ALERT(ALERT_BAD_CERTIFICATE) },
        { "rsa1024", "rsa:1024", "-sha256", CHAIN_WEAK, TLS_ALERT(ALERT_BAD_CERTIFICATE) },
        { "sha224", "rsa:2048", "-sha224", CHAIN_BAD_SIGNATURE, TLS_ALERT(ALERT_BAD_CERTIFICATE) },
        { "secp256k1", "ec -pkeyopt ec_paramgen_curve:secp256k1", "-sha256", CHAIN_BAD_USAGE,
          TLS_ALERT(ALERT_UNSUPPORTED_CERTIFICATE) },
        { "explicit", "ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
          "-sha256", CHAIN_MALFORMED, ERR_PARSE },
    };
    size_t wrong = 0, made = 0;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chain_result v;
        struct error err;
        int rc;

        if (!make(rows[i].name, rows[i].algorithm, rows[i].sign)) {
            print_message("%s: this openssl does not make it\n", rows[i].name);
            continue;
        }
        made++;
        rc = judge(rows[i].name, &v, &err);
        if (rc != rows[i].code || v.verdict != rows[i].verdict) {
            print_error("%s: %s, %s, %s\n", rows[i].name, chain_verdict_name(v.verdict),
                        error_name(rc), err.text);
            wrong++;
        }
    }
    print_message("%zu kinds made\n", made);
    assert_int_equal(wrong, 0);
    assert_true(made >= 15);
}

/* What we issue holds under openssl's strict rules. */
static void issued_for_openssl(void **state)
{
    static const char *const names[] = { "a.test", "*.b.test", "192.0.2.1", "2001:db8::1" };
    static const int keys[] = { 0, KEY_P, KEY_D, KEY_R };

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct issue root = { .common_name = "root",
                              .ca = true,
                              .not_before = NOW - DAY,
                              .not_after = NOW + 40 * YEAR,
                              .key = forge_key(keys[i]),
                              .issuer_key = forge_key(keys[i]) };
        struct issue leaf = { .common_name = "a.test",
                              .names = names,
                              .nnames = 4,
                              .server = true,
                              .client = true,
                              .not_before = NOW - DAY,
                              .not_after = NOW + YEAR,
                              .key = forge_key(1),
                              .issuer_key = forge_key(keys[i]) };
        struct buf root_der = { 0 }, leaf_der = { 0 };
        struct cert r, l;

        assert_int_equal(cert_issue(&root, &root_der, NULL), 0);
        assert_int_equal(cert_parse(&r, buf_span(&root_der), NULL), 0);
        leaf.issuer = &r;
        assert_int_equal(cert_issue(&leaf, &leaf_der, NULL), 0);
        assert_int_equal(cert_parse(&l, buf_span(&leaf_der), NULL), 0);
        write_pem("trusted", &r, 1);
        write_pem("leaf", &l, 1);
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(
                run("exec timeout 10 openssl verify -x509_strict -check_ss_sig -auth_level 2 "
                    "-CAfile trusted -attime %lld -purpose %s -verify_ip 2001:db8::1 "
                    "-verify_hostname x.b.test leaf",
                    (long long)NOW, j ? "sslclient" : "sslserver"),
                0);
        }
        buf_free(&root_der);
        buf_free(&leaf_der);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_judgement),
        cmocka_unit_test(made_by_openssl),
        cmocka_unit_test(issued_for_openssl),
    };

    if (system("openssl version >/dev/null 2>&1") != 0) {
        puts("the openssl command is not there");
        return 77;
    }
    return cmocka_run_group_tests_name("openssl", tests, set_up, tear_down);
}
