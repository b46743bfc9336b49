/* SPDX-License-Identifier: ISC */
/* Keys of every kind: PKCS#12, several certificates, Diffie-Hellman parameters, pre-shared keys;
 * and the key log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
/* libcrypto has a type of the name that base/error.h has for "wrong time". */
#define ERR_STATE LIBCRYPTO_ERR_STATE
#include <openssl/dh.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#undef ERR_STATE

#include "matrixssl.h"
#include "tests/lib/guide.h"

#define SUITE12 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
#define SUITE13 TLS_AES_128_GCM_SHA256

static struct cred rsa_cred;

/* ---- keys ---- */
static void write_all(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void make_p12(const char *path, const char *pass, const struct cred *c)
{
    const unsigned char *der = buf_data(&c->der);
    BIO *b = BIO_new_mem_buf(buf_data(&c->key_pem), (int)buf_len(&c->key_pem));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    X509 *cert = d2i_X509(NULL, &der, (long)buf_len(&c->der));
    PKCS12 *p12 = PKCS12_create(pass, "name", key, cert, NULL, 0, 0, 0, 0, 0);
    unsigned char *out = NULL;
    int n = i2d_PKCS12(p12, &out);

    assert_true(n > 0);
    write_all(path, out, (size_t)n);
    OPENSSL_free(out);
    PKCS12_free(p12);
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(b);
}

static char scratch[256];

static const char *in_scratch(const char *name)
{
    static char path[300];

    (void)snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

static void test_pkcs12(void **state)
{
    char file[300];
    unsigned char *path = (unsigned char *)file, pass[] = "secret", wrong[] = "wrong!";
    sslKeys_t *k;

    (void)state;
    (void)snprintf(file, sizeof file, "%s", in_scratch("server.p12"));
    make_p12(file, "secret", &server_cred);
    guide_begin(SUITE12);
    k = guide_keys(NULL, NULL);
    assert_int_equal(matrixSslLoadPkcs12(NULL, path, pass, 6, NULL, 0, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPkcs12(k, NULL, pass, 6, NULL, 0, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPkcs12(k, path, NULL, 6, NULL, 0, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPkcs12(k, path, pass, -1, NULL, 0, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPkcs12(k, path, pass, 257, NULL, 0, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPkcs12(k, path, wrong, 6, NULL, 0, 0), PS_FAILURE);
    assert_int_equal(matrixSslLoadPkcs12(k, path, pass, 5, NULL, 0, 0), PS_FAILURE);
    assert_int_equal(matrixSslLoadPkcs12(k, path, NULL, 0, NULL, 0, 0), PS_FAILURE);
    assert_int_equal(matrixSslLoadPkcs12(k, path, pass, 6, wrong, 6, 0), PS_UNSUPPORTED_FAIL);
    assert_int_equal(
        matrixSslLoadPkcs12(k, (unsigned char *)(uintptr_t) "/nowhere", pass, 6, NULL, 0, 0),
        PS_PLATFORM_FAIL);
    assert_int_equal(k->nidentities, 0);
    assert_int_equal(matrixSslLoadPkcs12(k, path, pass, 6, pass, 6, 0), PS_SUCCESS);
    assert_int_equal(k->nidentities, 1);
    matrixSslDeleteSession(sv.ssl);
    matrixSslDeleteKeys(sv.keys);
    sv.keys = k;
    assert_int_equal(matrixSslNewServerSession(&sv.ssl, k, NULL), PS_SUCCESS);
    assert_int_equal(matrixSslLoadPkcs12(k, path, pass, 6, pass, 6, 0), PS_FAILURE); /* in use */
    assert_true(guide_connects());
    guide_end();
    write_all(file, "0\x82junk", 6);
    k = guide_keys(NULL, NULL);
    assert_int_equal(matrixSslLoadPkcs12(k, path, pass, 6, NULL, 0, 0), PS_PARSE_FAIL);
    matrixSslDeleteKeys(k);
    assert_int_equal(unlink(file), 0);
}

/* RFC 7919's group of that many bits, as PKCS#3 DER. */
static int named_group(const char *name, unsigned char **der)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    EVP_PKEY *params = NULL;
    OSSL_PARAM p[] = { OSSL_PARAM_utf8_string("group", (char *)(uintptr_t)name, 0),
                       OSSL_PARAM_END };
    int n;

    p[0].data_size = strlen(name);
    assert_int_equal(EVP_PKEY_paramgen_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_params(ctx, p), 1);
    assert_int_equal(EVP_PKEY_generate(ctx, &params), 1);
    n = i2d_KeyParams(params, der);
    assert_true(n > 0);
    EVP_PKEY_free(params);
    EVP_PKEY_CTX_free(ctx);
    return n;
}

static void test_dh_params(void **state)
{
    sslKeys_t *k = guide_keys(NULL, &ca);
    unsigned char *good = NULL, *small = NULL, junk[] = "junk";
    int n = named_group("ffdhe2048", &good), m = named_group("modp_1536", &small);
    char file[300];
    ssl_t *ssl;

    (void)state;
    (void)snprintf(file, sizeof file, "%s", in_scratch("dh.der"));
    assert_int_equal(matrixSslLoadDhParamsMem(NULL, good, n), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadDhParamsMem(k, NULL, n), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadDhParamsMem(k, good, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadDhParamsMem(k, good, -1), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadDhParamsMem(k, junk, 4), PS_PARSE_FAIL);
    assert_int_equal(matrixSslLoadDhParamsMem(k, good, n - 1), PS_PARSE_FAIL);
    assert_int_equal(matrixSslLoadDhParamsMem(k, small, m), PS_UNSUPPORTED_FAIL); /* threat 18 */
    assert_int_equal(buf_len(&k->dh.p), 0);
    assert_int_equal(matrixSslLoadDhParamsMem(k, good, n), PS_SUCCESS);
    assert_int_equal(buf_len(&k->dh.p), 256);
    assert_int_equal(matrixSslLoadDhParams(k, NULL), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadDhParams(NULL, file), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadDhParams(k, "/nowhere"), PS_PLATFORM_FAIL);
    write_all(file, good, (size_t)n);
    assert_int_equal(matrixSslLoadDhParams(k, file), PS_SUCCESS);
    assert_int_equal(buf_len(&k->dh.p), 256);
    assert_int_equal(matrixSslNewClientSession(&ssl, k, NULL, 0, NULL, NULL, NULL), 1);
    assert_int_equal(matrixSslLoadDhParams(k, file), PS_FAILURE);
    assert_int_equal(matrixSslLoadDhParamsMem(k, good, n), PS_FAILURE);
    matrixSslDeleteSession(ssl);
    matrixSslDeleteKeys(k);
    assert_int_equal(unlink(file), 0);
    OPENSSL_free(good);
    OPENSSL_free(small);
}

static void test_psk(void **state)
{
    static unsigned char key[65] = "key", id[129] = "identity";
    sslKeys_t *k = guide_keys(NULL, &ca);
    ssl_t *ssl;

    (void)state;
    assert_int_equal(matrixSslLoadPsk(NULL, key, 16, id, 8), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPsk(k, NULL, 16, id, 8), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPsk(k, key, 16, NULL, 8), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPsk(k, key, 0, id, 8), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPsk(k, key, 65, id, 8), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPsk(k, key, 16, id, 0), PS_ARG_FAIL);
    assert_int_equal(matrixSslLoadPsk(k, key, 16, id, 129), PS_ARG_FAIL);
    assert_null(k->psks);
    assert_int_equal(matrixSslLoadPsk(k, key, 64, id, 128), PS_SUCCESS);
    assert_int_equal(matrixSslLoadPsk(k, key, 1, id, 1), PS_SUCCESS);
    assert_int_equal(matrixSslLoadPsk(k, key, 16, id, 8), PS_SUCCESS);
    key[0] = 'K';
    assert_int_equal(matrixSslLoadPsk(k, key, 3, id, 8), PS_SUCCESS); /* replaced */
    assert_int_equal(k->psks->nkey, 3);
    assert_memory_equal(k->psks->key, "Key", 4);
    assert_non_null(k->psks->next->next);
    assert_null(k->psks->next->next->next);
    assert_int_equal(matrixSslNewClientSession(&ssl, k, NULL, 0, NULL, NULL, NULL), 1);
    assert_int_equal(matrixSslLoadPsk(k, key, 3, id, 8), PS_FAILURE);
    matrixSslDeleteSession(ssl);
    matrixSslDeleteKeys(k);
}

/* Several certificates: the one that fits the suite. */
static void test_two_kinds_of_key(void **state)
{
    static const uint32 suites[] = { SUITE12, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        guide_begin(suites[i]);
        matrixSslDeleteSession(sv.ssl);
        matrixSslDeleteKeys(sv.keys);
        sv.keys = guide_keys(&server_cred, NULL);
        assert_int_equal(matrixSslLoadRsaKeysMem(sv.keys, buf_data(&rsa_cred.pem),
                                                 (int32)buf_len(&rsa_cred.pem),
                                                 buf_data(&rsa_cred.key_pem),
                                                 (int32)buf_len(&rsa_cred.key_pem), NULL, 0),
                         PS_SUCCESS);
        assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), PS_SUCCESS);
        assert_true(guide_connects());
        assert_int_equal(side_suite(&sv), suites[i]);
        guide_end();
    }
}

/* ---- OCSP ---- */
static void test_ocsp_response(void **state)
{
    static unsigned char response[16385] = "\x30\x03\x0a\x01\x06";
    static const uint32 suites[] = { SUITE12, SUITE13 };
    sslInfo_t info;

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        bool asks = i & 2, has = i & 4;

        guide_begin(suites[i % 2]);
        matrixSslDeleteSession(sv.ssl);
        assert_int_equal(matrixSslLoadOCSPResponse(sv.keys, response, 5), PS_FAILURE); /* in use */
        matrixSslDeleteKeys(sv.keys);
        sv.keys = guide_keys(NULL, &ca);
        assert_int_equal(matrixSslLoadOCSPResponse(sv.keys, response, 5), PS_ARG_FAIL);
        matrixSslDeleteKeys(sv.keys);
        sv.keys = guide_keys(&server_cred, NULL);
        assert_int_equal(matrixSslLoadOCSPResponse(NULL, response, 5), PS_ARG_FAIL);
        assert_int_equal(matrixSslLoadOCSPResponse(sv.keys, NULL, 5), PS_ARG_FAIL);
        assert_int_equal(matrixSslLoadOCSPResponse(sv.keys, response, 0), PS_ARG_FAIL);
        assert_int_equal(matrixSslLoadOCSPResponse(sv.keys, response, 16385), PS_LIMIT_FAIL);
        if (has) {
            assert_int_equal(matrixSslLoadOCSPResponse(sv.keys, response, 4), PS_SUCCESS);
            assert_int_equal(matrixSslLoadOCSPResponse(sv.keys, response, 5), PS_SUCCESS);
        }
        assert_int_equal(matrixSslNewServerSession(&sv.ssl, sv.keys, NULL), PS_SUCCESS);
        assert_int_equal(matrixSslRequestStatus(cl.ssl, asks ? PS_TRUE : PS_FALSE), PS_SUCCESS);
        assert_true(guide_connects());
        assert_int_equal(matrixSslGetInfo(cl.ssl, &info), PS_SUCCESS);
        assert_int_equal(info.ocspResponseLen, asks && has ? 5 : 0);
        if (asks && has) {
            assert_memory_equal(info.ocspResponse, response, 5);
        } else {
            assert_null(info.ocspResponse);
        }
        guide_end();
    }
}

/* ---- key log ---- */
static int lines;

static void count_line(void *ctx, const char *line)
{
    assert_ptr_equal(ctx, &lines);
    assert_null(strchr(line, '\n'));
    lines++;
}

static void test_key_log(void **state)
{
    char file[300], text[4096];
    struct stat made;
    mode_t mask;
    size_t n;
    FILE *f;

    (void)state;
    matrixSslSetKeyLog(count_line, &lines);
    guide_begin(SUITE12);
    assert_true(guide_connects());
    guide_end();
    assert_int_equal(lines, 2); /* CLIENT_RANDOM, once a side */
    guide_begin(SUITE13);
    assert_true(guide_connects());
    guide_end();
    assert_true(lines >= 2 + 8);
    matrixSslSetKeyLog(NULL, NULL);
    n = (size_t)lines;
    guide_begin(SUITE13);
    assert_true(guide_connects());
    guide_end();
    assert_int_equal(lines, n);

    (void)snprintf(file, sizeof file, "%s", in_scratch("keys.log"));
    assert_int_equal(matrixSslOpenKeyLog("/nowhere/at/all"), PS_PLATFORM_FAIL);
    assert_int_equal(unsetenv("SSLKEYLOGFILE"), 0);
    assert_int_equal(matrixSslOpenKeyLog(NULL), PS_SUCCESS); /* none is named */
    assert_int_equal(setenv("SSLKEYLOGFILE", file, 1), 0);
    mask = umask(0);
    assert_int_equal(matrixSslOpenKeyLog(NULL), PS_SUCCESS);
    (void)umask(mask);
    assert_int_equal(stat(file, &made), 0);
    assert_int_equal(made.st_mode & 07777, 0600); /* what is in it is for its owner */
    guide_begin(SUITE12);
    assert_true(guide_connects());
    guide_end();
    f = fopen(file, "r");
    assert_non_null(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    assert_int_equal(n, 2 * (14 + 64 + 1 + 96 + 1));
    assert_memory_equal(text, "CLIENT_RANDOM ", 14);
    matrixSslSetKeyLog(NULL, NULL);
    assert_int_equal(unlink(file), 0);
}

static int setup(void **state)
{
    const struct cred_params p = { .common_name = "server",
                                   .names = { "server.test" },
                                   .rsa = true };

    (void)snprintf(scratch, sizeof scratch, "%s/guide-XXXXXX",
                   getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(scratch) || guide_setup(state)) {
        return -1;
    }
    cred_make(&rsa_cred, &p, &ca);
    return 0;
}

static int teardown(void **state)
{
    cred_free(&rsa_cred);
    return guide_teardown(state) ? -1 : rmdir(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pkcs12),        cmocka_unit_test(test_dh_params),
        cmocka_unit_test(test_psk),           cmocka_unit_test(test_two_kinds_of_key),
        cmocka_unit_test(test_ocsp_response), cmocka_unit_test(test_key_log),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
