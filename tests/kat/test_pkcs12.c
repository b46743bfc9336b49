/* SPDX-License-Identifier: ISC */
/* PKCS#12 files made here by libcrypto: with every way of encryption, in every order, damaged at
 * every byte. Then Diffie-Hellman parameters. */
#include "crypto/local_openssl.h"
#define ERR_STATE LIBCRYPTO_ERR_STATE
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#undef ERR_STATE

#include "base/buf.h"
#include "keys.h"
#include "x509/x509.h"

enum { ROOT, MIDDLE, LEAF, STRANGER, CERTS };
static X509 *certs[CERTS];
static EVP_PKEY *keys[CERTS];

static X509 *issue(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *x = X509_new();

    assert_true(X509_set_version(x, X509_VERSION_3) &&
                ASN1_INTEGER_set(X509_get_serialNumber(x), 7) &&
                X509_gmtime_adj(X509_getm_notBefore(x), -3600) &&
                X509_gmtime_adj(X509_getm_notAfter(x), 3600) && X509_set_pubkey(x, key) &&
                X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                           (const unsigned char *)name, -1, -1, 0) &&
                X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) &&
                X509_sign(x, issuer_key, EVP_sha256()) > 0);
    return x;
}

static int prepare(void **state)
{
    static const char *const names[] = { "root", "middle", "leaf", "stranger" };

    (void)state;
    if (crypto_init() < 0) {
        return -1;
    }
    for (unsigned i = 0; i < CERTS; i++) {
        const unsigned by = i == LEAF ? MIDDLE : i == MIDDLE ? ROOT : i;

        keys[i] = EVP_EC_gen("P-256");
        certs[i] = issue(keys[i], names[i], by == i ? NULL : certs[by], keys[by]);
    }
    return 0;
}

static int finish(void **state)
{
    for (unsigned i = 0; i < CERTS; i++) {
        X509_free(certs[i]);
        EVP_PKEY_free(keys[i]);
    }
    return keys_end(state);
}

/* others: indices into certs, ended by CERTS. nid: of both encryptions; -1 none, and no MAC. */
static struct buf make(EVP_PKEY *key, X509 *own, const unsigned *others, const char *pass, int nid)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    struct buf b = { 0 };
    unsigned char *der = NULL;
    PKCS12 *p12;
    int n;

    for (; others && *others != CERTS; others++) {
        sk_X509_push(stack, certs[*others]);
    }
    p12 = PKCS12_create(pass, "name", key, own, stack, nid, nid, 1, nid == -1 ? -1 : 1, 0);
    assert_non_null(p12);
    n = i2d_PKCS12(p12, &der);
    assert_true(n > 0);
    assert_int_equal(buf_append(&b, der, (size_t)n), 0);
    OPENSSL_free(der);
    PKCS12_free(p12);
    sk_X509_free(stack);
    ERR_clear_error();
    return b;
}

/* The certificates in text are these, in this order. */
static void certs_check(const struct buf *text, const unsigned *want)
{
    BIO *bio = BIO_new_mem_buf(buf_data(text), (int)buf_len(text));
    X509 *x;

    while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        assert_int_not_equal(*want, CERTS);
        assert_int_equal(X509_cmp(x, certs[*want++]), 0);
        X509_free(x);
    }
    assert_int_equal(*want, CERTS);
    ERR_clear_error();
    BIO_free(bio);
}

static void loads(struct span file, const char *pass, const unsigned *want)
{
    struct buf key = { .secret = true }, text = { 0 };
    struct error err = { 0 };
    struct identity *id;
    struct privkey *k;

    if (pkcs12_load(file, pass, &key, &text, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(err.code, 0);
    certs_check(&text, want);
    assert_int_equal(privkey_load(&k, buf_span(&key), NULL, NULL), 0);
    assert_int_equal(EVP_PKEY_eq(k->pkey, keys[LEAF]), 1);
    privkey_unref(k);
    /* It is what an identity is made of. */
    assert_int_equal(identity_from_bytes(&id, buf_span(&text), buf_span(&key), NULL, &err), 0);
    identity_unref(id);
    assert_int_equal(ERR_peek_error(), 0);
    buf_free(&key);
    buf_free(&text);
}

static int refused(struct span file, const char *pass, char *why, size_t size)
{
    struct buf key = { 0 }, text = { 0 };
    struct error err = { 0 };
    int rc;

    assert_int_equal(buf_append(&key, "k", 1), 0); /* what was there before stays, and no more */
    assert_int_equal(buf_append(&text, "c", 1), 0);
    rc = pkcs12_load(file, pass, &key, &text, &err);
    if (rc == 0) {
        fail_msg("it was read");
    }
    assert_int_equal(err.code, rc);
    assert_true(err.text[0] != 0);
    assert_int_equal(buf_len(&key) + buf_len(&text), 2);
    assert_int_equal(ERR_peek_error(), 0);
    if (why) {
        snprintf(why, size, "%s", err.text);
    }
    buf_free(&key);
    buf_free(&text);
    return rc;
}

static const unsigned chain[] = { LEAF, MIDDLE, ROOT, CERTS };

static void encryptions(void **state)
{
    static const int nids[] = { NID_aes_256_cbc, NID_aes_128_cbc,
                                NID_pbe_WithSHA1And3_Key_TripleDES_CBC };
    static const unsigned others[] = { MIDDLE, ROOT, CERTS };

    (void)state;
    for (size_t i = 0; i < sizeof nids / sizeof *nids; i++) {
        struct buf b = make(keys[LEAF], certs[LEAF], others, "pass", nids[i]);

        loads(buf_span(&b), "pass", chain);
        assert_int_equal(refused(buf_span(&b), "Pass", NULL, 0), ERR_PASSPHRASE);
        assert_int_equal(refused(buf_span(&b), "", NULL, 0), ERR_PASSPHRASE);
        assert_int_equal(refused(buf_span(&b), NULL, NULL, 0), ERR_PASSPHRASE);
        buf_free(&b);
        /* An empty passphrase and none are the same to whoever exported it. */
        b = make(keys[LEAF], certs[LEAF], others, "", nids[i]);
        loads(buf_span(&b), "", chain);
        loads(buf_span(&b), NULL, chain);
        assert_int_equal(refused(buf_span(&b), "pass", NULL, 0), ERR_PASSPHRASE);
        buf_free(&b);
    }
}

/* Without a MAC the passphrase is only found wrong when it deciphers nothing. */
static void no_mac(void **state)
{
    static const unsigned want[] = { LEAF, CERTS };
    struct buf b = make(keys[LEAF], certs[LEAF], NULL, NULL, -1);
    PKCS12 *p12 = PKCS12_create("pass", "name", keys[LEAF], certs[LEAF], NULL, NID_aes_256_cbc,
                                NID_aes_256_cbc, 1, -1, 0);
    unsigned char *der = NULL;
    const int n = i2d_PKCS12(p12, &der);

    (void)state;
    loads(buf_span(&b), NULL, want);
    loads(buf_span(&b), "needless", want);
    assert_true(n > 0);
    loads(span_of(der, (size_t)n), "pass", want);
    for (unsigned i = 0; i < 20; i++) { /* one of 256 keys gives what looks like padding */
        const char wrong[] = { (char)('a' + i), 0 };
        const int rc = refused(span_of(der, (size_t)n), wrong, NULL, 0);

        assert_true(rc == ERR_PASSPHRASE || rc == ERR_PARSE);
    }
    OPENSSL_free(der);
    PKCS12_free(p12);
    buf_free(&b);
}

static void orders(void **state)
{
    static const struct {
        unsigned others[CERTS], want[CERTS + 1];
    } rows[] = {
        { { CERTS }, { LEAF, CERTS } },
        { { MIDDLE, CERTS }, { LEAF, MIDDLE, CERTS } },
        { { ROOT, MIDDLE, CERTS }, { LEAF, MIDDLE, ROOT, CERTS } },
        { { STRANGER, MIDDLE, CERTS }, { LEAF, MIDDLE, STRANGER, CERTS } },
        { { ROOT, STRANGER, MIDDLE, CERTS }, { LEAF, MIDDLE, ROOT, STRANGER, CERTS } },
        { { ROOT, CERTS }, { LEAF, ROOT, CERTS } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = make(keys[LEAF], certs[LEAF], rows[i].others, "pass", NID_aes_256_cbc);

        loads(buf_span(&b), "pass", rows[i].want);
        buf_free(&b);
    }
}

static void incomplete(void **state)
{
    static const unsigned others[] = { MIDDLE, ROOT, CERTS };
    EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)512);
    X509 *x = small ? issue(small, "small", NULL, small) : NULL;
    char why[160];
    struct buf b;

    (void)state;
    b = make(NULL, NULL, others, "pass", NID_aes_256_cbc);
    assert_int_equal(refused(buf_span(&b), "pass", why, sizeof why), ERR_PARSE);
    assert_non_null(strstr(why, "private key"));
    buf_free(&b);
    b = make(keys[LEAF], NULL, others, "pass", NID_aes_256_cbc);
    assert_int_equal(refused(buf_span(&b), "pass", why, sizeof why), ERR_PARSE);
    assert_non_null(strstr(why, "certificate"));
    buf_free(&b);
    assert_non_null(x); /* a key that TLS has no use for */
    b = make(small, x, NULL, "pass", NID_aes_256_cbc);
    assert_int_equal(refused(buf_span(&b), "pass", NULL, 0), ERR_UNSUPPORTED);
    buf_free(&b);
    X509_free(x);
    EVP_PKEY_free(small);
    assert_int_equal(refused(span_of(NULL, 0), "pass", NULL, 0), ERR_PARSE);
    assert_int_equal(refused(span_text("-----BEGIN CERTIFICATE-----\n"), NULL, NULL, 0), ERR_PARSE);
}

static void damaged(void **state)
{
    static const unsigned others[] = { MIDDLE, CERTS };
    struct buf b = make(keys[LEAF], certs[LEAF], others, "pass", NID_aes_256_cbc);
    const size_t n = buf_len(&b);

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *part = malloc(cut ? cut : 1); /* so that a sanitizer sees a step too far */

        assert_non_null(part);
        memcpy(part, buf_data(&b), cut);
        assert_int_equal(refused(span_of(part, cut), "pass", NULL, 0), ERR_PARSE);
        free(part);
    }
    for (size_t at = 0; at < n; at++) {
        struct buf key = { 0 }, text = { 0 };
        int rc;

        buf_data(&b)[at] ^= 0x11;
        rc = pkcs12_load(buf_span(&b), "pass", &key, &text, NULL);
        assert_true(rc <= 0 && !IS_TLS_ALERT(rc));
        assert_true(rc == 0 || buf_len(&key) + buf_len(&text) == 0);
        assert_int_equal(ERR_peek_error(), 0);
        buf_data(&b)[at] ^= 0x11;
        buf_free(&key);
        buf_free(&text);
    }
    buf_free(&b);
}

/* What OpenSSL wrote before 3.0: certificates in RC2 with 40 bits. */
static void old_cipher(void **state)
{
    OSSL_PROVIDER *usual = OSSL_PROVIDER_load(NULL, "default");
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(NULL, "legacy");
    static const unsigned want[] = { LEAF, CERTS };
    struct buf b;

    (void)state;
    if (!legacy) {
        OSSL_PROVIDER_unload(usual);
        print_message("libcrypto's legacy provider is not installed\n");
        skip();
    }
    b = make(keys[LEAF], certs[LEAF], NULL, "pass", NID_pbe_WithSHA1And40BitRC2_CBC);
    OSSL_PROVIDER_unload(legacy);
    loads(buf_span(&b), "pass", want);
    assert_int_equal(refused(buf_span(&b), "other", NULL, 0), ERR_PASSPHRASE);
    assert_int_equal(refused(buf_span(&b), NULL, NULL, 0), ERR_PASSPHRASE);
    buf_free(&b);
    OSSL_PROVIDER_unload(usual);
}

/* ---- Diffie-Hellman parameters ---- */

/* PKCS#3: SEQUENCE { INTEGER p, INTEGER g }. */
static struct buf dh_der(const BIGNUM *p, uint8_t g)
{
    uint8_t number[1100] = { 0 };
    struct buf b = { 0 };
    struct wr w = wr_buf(&b);
    const size_t n = (size_t)BN_num_bytes(p) + 1;

    assert_true(BN_bn2binpad(p, number, (int)n) > 0);
    wr_u16(&w, 0x3082);
    wr_u16(&w, (uint32_t)(4 + n + 3));
    wr_u16(&w, 0x0282);
    wr_vec(&w, 2, number, n);
    wr_u24(&w, 0x020100U | g);
    assert_int_equal(wr_commit(&w), 0);
    return b;
}

static void dh_is(const BIGNUM *p, uint8_t g, int want)
{
    struct buf der = dh_der(p, g), pem = { 0 };
    struct dh_params in_der = { { 0 }, { 0 } }, in_pem = { { 0 }, { 0 } };

    assert_int_equal(dhparams_load(&in_der, buf_span(&der)), want);
    assert_int_equal(pem_write(&pem, "DH PARAMETERS", buf_span(&der)), 0);
    assert_int_equal(dhparams_load(&in_pem, buf_span(&pem)), want);
    assert_int_equal(ERR_peek_error(), 0);
    if (want == 0) {
        uint8_t number[1024];
        size_t n = (size_t)BN_bn2bin(p, number);

        assert_true(span_eq(buf_span(&in_der.p), span_of(number, n)));
        assert_true(span_eq(buf_span(&in_pem.p), span_of(number, n)));
        assert_true(span_eq(buf_span(&in_der.g), span_of(&g, 1)));
        /* What was there is replaced, or stays where the new ones are none. */
        assert_int_equal(dhparams_load(&in_der, buf_span(&pem)), 0);
        assert_int_equal(dhparams_load(&in_der, span_text("none")), ERR_PARSE);
        assert_true(span_eq(buf_span(&in_der.p), buf_span(&in_pem.p)));
    } else {
        assert_int_equal(buf_len(&in_der.p) + buf_len(&in_der.g), 0);
    }
    dhparams_free(&in_der);
    dhparams_free(&in_pem);
    buf_free(&der);
    buf_free(&pem);
}

static void dh_parameters(void **state)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){ "ffdhe2048" }, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *named = NULL;
    BIGNUM *p = NULL, *other = BN_get_rfc3526_prime_2048(NULL);

    (void)state;
    assert_true(EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &named, EVP_PKEY_KEY_PARAMETERS, params) == 1 &&
                EVP_PKEY_get_bn_param(named, OSSL_PKEY_PARAM_FFC_P, &p) == 1);
    dh_is(p, 2, 0);
    dh_is(other, 2, 0);
    dh_is(other, 5, 0); /* of no known group: it is tested */
    dh_is(other, 1, ERR_UNSUPPORTED);
    dh_is(other, 0, ERR_UNSUPPORTED);
    assert_true(BN_add_word(other, 2)); /* odd, and no prime */
    dh_is(other, 2, ERR_UNSUPPORTED);
    assert_true(BN_rshift1(p, p)); /* 2047 bits, and a prime, for RFC 7919's are safe */
    dh_is(p, 2, ERR_UNSUPPORTED);
    BN_free(other);
    other = BN_get_rfc2409_prime_1024(NULL);
    dh_is(other, 2, ERR_UNSUPPORTED);
    BN_free(other);
    other = BN_new(); /* too long to be tested */
    assert_true(BN_set_bit(other, 8192) && BN_set_bit(other, 0));
    dh_is(other, 2, ERR_UNSUPPORTED);
    BN_free(other);
    BN_free(p);
    EVP_PKEY_free(named);
    EVP_PKEY_CTX_free(ctx);
}

static void dh_damaged(void **state)
{
    BIGNUM *p = BN_get_rfc3526_prime_2048(NULL);
    struct buf der = dh_der(p, 2), spki = { 0 };
    struct dh_params none = { { 0 }, { 0 } };

    (void)state;
    for (size_t n = 0; n < buf_len(&der); n++) {
        assert_int_equal(dhparams_load(&none, span_of(buf_data(&der), n)), ERR_PARSE);
        assert_int_equal(ERR_peek_error(), 0);
    }
    assert_int_equal(dhparams_load(&none, span_text("-----BEGIN DH PARAMETERS-----\n")), ERR_PARSE);
    assert_int_equal(privkey_public_spki(key_of(KEY_EC_P256), &spki), 0);
    assert_int_equal(dhparams_load(&none, buf_span(&spki)), ERR_PARSE);
    assert_int_equal(buf_len(&none.p), 0);
    buf_free(&spki);
    buf_free(&der);
    BN_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encryptions),   cmocka_unit_test(no_mac),     cmocka_unit_test(orders),
        cmocka_unit_test(incomplete),    cmocka_unit_test(damaged),    cmocka_unit_test(old_cipher),
        cmocka_unit_test(dh_parameters), cmocka_unit_test(dh_damaged),
    };

    return cmocka_run_group_tests(tests, prepare, finish);
}
