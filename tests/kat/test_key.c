/* SPDX-License-Identifier: ISC */
/* Keys: every container a private key comes in, with and without passphrase, cut off anywhere, and
 * of kinds we have no use for; public keys that must not be made. */
#include "keys.h"

#include "base/buf.h"
#include <openssl/pem.h>

#define PASS "correct horse"

enum form { PKCS8_PEM, PKCS8_DER, OLD_PEM, OLD_DER, PKCS8_PEM_ENC, PKCS8_DER_ENC, OLD_PEM_ENC };
#define FORMS (OLD_PEM_ENC + 1)

static struct buf written(EVP_PKEY *pkey, enum form form)
{
    EVP_CIPHER *aes = EVP_CIPHER_fetch(provider.lib, "AES-256-CBC", NULL);
    BIO *bio = BIO_new(BIO_s_mem());
    char pass[] = PASS;
    const int n = (int)strlen(pass);
    struct buf b = { 0 };
    char *data;
    int ok = 0;

    switch (form) {
    case PKCS8_PEM:
        ok = PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
        break;
    case PKCS8_DER:
        ok = i2d_PKCS8PrivateKey_bio(bio, pkey, NULL, NULL, 0, NULL, NULL);
        break;
    case OLD_PEM:
        ok = PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL);
        break;
    case OLD_DER:
        ok = i2d_PrivateKey_bio(bio, pkey);
        break;
    case PKCS8_PEM_ENC:
        ok = PEM_write_bio_PKCS8PrivateKey(bio, pkey, aes, pass, n, NULL, NULL);
        break;
    case PKCS8_DER_ENC:
        ok = i2d_PKCS8PrivateKey_bio(bio, pkey, aes, pass, n, NULL, NULL);
        break;
    case OLD_PEM_ENC:
        ok = PEM_write_bio_PrivateKey_traditional(bio, pkey, aes, (unsigned char *)pass, n, NULL,
                                                  NULL);
        break;
    }
    assert_int_equal(ok, 1);
    const long len = BIO_get_mem_data(bio, &data);

    assert_int_equal(buf_append(&b, data, (size_t)len), 0);
    BIO_free(bio);
    EVP_CIPHER_free(aes);
    return b;
}

static void loads(struct span bytes, const char *pass, const struct privkey *want)
{
    struct pubkey *pub = public_of(want);
    struct privkey *k;
    struct error err;

    error_clear(&err);
    if (privkey_load(&k, bytes, pass, &err) != 0) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(privkey_type(k), want->type);
    assert_int_equal(privkey_matches(k, pub), 0);
    pubkey_unref(pub);
    privkey_unref(k);
    assert_int_equal(ERR_peek_error(), 0);
}

static void fails(struct span bytes, const char *pass, int code, const char *words)
{
    struct privkey *k = (struct privkey *)&k;
    struct error err;

    error_clear(&err);
    assert_int_equal(privkey_load(&k, bytes, pass, &err), code);
    assert_null(k);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, words));
    assert_int_equal(privkey_load(&k, bytes, pass, NULL), code);
    assert_int_equal(ERR_peek_error(), 0);
}

static void every_form(void **state)
{
    (void)state;
    for (enum key_type type = KEY_RSA; type < KEY_TYPES; type++) {
        const struct privkey *k = key_of(type);

        for (enum form form = 0; form < FORMS; form++) {
            const bool eddsa = type >= KEY_ED25519;
            const bool old = form == OLD_PEM || form == OLD_PEM_ENC;

            if (old && (eddsa || type == KEY_RSA_PSS)) {
                continue; /* there is no such form */
            }
            struct buf b = written(k->pkey, form);

            if (form < PKCS8_PEM_ENC) {
                loads(buf_span(&b), NULL, k);
                loads(buf_span(&b), "not needed", k);
            } else {
                loads(buf_span(&b), PASS, k);
                fails(buf_span(&b), NULL, ERR_PASSPHRASE, "no passphrase was given");
                fails(buf_span(&b), "wrong", ERR_PASSPHRASE, "does not open");
                fails(buf_span(&b), "", ERR_PASSPHRASE, "does not open");
            }
            buf_free(&b);
        }
    }
}

static void our_own_form(void **state)
{
    (void)state;
    for (enum key_type type = KEY_RSA; type < KEY_TYPES; type++) {
        const struct privkey *k = key_of(type);
        struct buf pem = { .secret = true }, spki = { 0 };
        unsigned char *want = NULL;
        const int n = i2d_PUBKEY(k->pkey, &want);

        assert_int_equal(buf_append(&pem, "kept\n", 5), 0);
        assert_int_equal(privkey_write_pem(k, &pem), 0);
        assert_memory_equal(buf_data(&pem), "kept\n-----BEGIN PRIVATE KEY-----\n", 33);
        loads(buf_span(&pem), NULL, k);
        assert_int_equal(privkey_public_spki(k, &spki), 0);
        assert_int_equal(buf_len(&spki), n);
        assert_memory_equal(buf_data(&spki), want, (size_t)n);
        OPENSSL_free(want);
        buf_free(&pem);
        buf_free(&spki);
    }
    struct buf small = { .max = 16 };

    assert_int_equal(privkey_write_pem(key_of(KEY_RSA), &small), ERR_LIMIT);
    assert_int_equal(buf_len(&small), 0);
}

static void among_other_blocks(void **state)
{
    static const char before[] = "Some words.\n-----BEGIN CERTIFICATE-----\nMAA=\n"
                                 "-----END CERTIFICATE-----\n";
    const struct privkey *k = key_of(KEY_EC_P256);
    struct buf pem = written(k->pkey, OLD_PEM), all = { 0 }, only = { 0 };
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;

    (void)state;
    assert_int_equal(buf_append(&all, before, strlen(before)), 0);
    assert_int_equal(buf_append(&all, before, strlen(before)), 0);
    /* As `openssl ecparam -genkey` writes it. */
    static const char params[] = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n"
                                 "-----END EC PARAMETERS-----\n";

    assert_int_equal(buf_append(&all, params, strlen(params)), 0);
    fails(buf_span(&all), NULL, ERR_PARSE, "no private key");
    assert_int_equal(buf_append(&all, buf_data(&pem), buf_len(&pem)), 0);
    loads(buf_span(&all), NULL, k);
    assert_int_equal(buf_append(&all, before, strlen(before)), 0);
    loads(buf_span(&all), NULL, k);
    assert_int_equal(PEM_write_bio_PUBKEY(bio, k->pkey), 1);
    const long n = BIO_get_mem_data(bio, &data);

    assert_int_equal(buf_append(&only, data, (size_t)n), 0);
    fails(buf_span(&only), NULL, ERR_PARSE, "no private key");
    BIO_free(bio);
    buf_free(&pem);
    buf_free(&all);
    buf_free(&only);
}

static void cut_off_anywhere(void **state)
{
    static const enum form forms[] = { PKCS8_PEM, PKCS8_DER,     OLD_PEM,
                                       OLD_DER,   PKCS8_DER_ENC, OLD_PEM_ENC };

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct buf b = written(key_of(KEY_EC_P256)->pkey, forms[i]);
        const bool pem = forms[i] == PKCS8_PEM || forms[i] == OLD_PEM || forms[i] == OLD_PEM_ENC;
        const size_t end = buf_len(&b) - (pem ? 1 : 0); /* the last newline may be missing */

        for (size_t n = 0; n < end; n++) {
            uint8_t *copy = malloc(n ? n : 1); /* so that the sanitizer sees its end */
            struct privkey *k;
            int rc;

            assert_non_null(copy);
            memcpy(copy, buf_data(&b), n);
            rc = privkey_load(&k, span_of(copy, n), PASS, NULL);
            assert_true(rc == ERR_PARSE || rc == ERR_PASSPHRASE);
            assert_null(k);
            free(copy);
        }
        buf_free(&b);
    }
    fails(span_of(NULL, 0), NULL, ERR_PARSE, "empty");
    fails(span_text("\n"), NULL, ERR_PARSE, "no private key");
    fails(span_text("-----BEGIN PRIVATE KEY-----\n"), NULL, ERR_PARSE, "no private key");
}

/* Any byte of a key changed: an error or a key, never a crash, and a key only if its halves fit. */
static void damaged(void **state)
{
    struct buf b = written(key_of(KEY_EC_P256)->pkey, PKCS8_DER);
    struct pubkey *pub = public_of(key_of(KEY_EC_P256));
    uint8_t *p = buf_data(&b);
    unsigned refused = 0;

    (void)state;
    for (size_t i = 0; i < buf_len(&b); i++) {
        struct privkey *k;
        int rc;

        p[i] ^= 0x04;
        rc = privkey_load(&k, buf_span(&b), NULL, NULL);
        assert_true(rc == 0 || rc == ERR_PARSE || rc == ERR_UNSUPPORTED || rc == ERR_PASSPHRASE);
        assert_int_equal(rc == 0, k != NULL);
        if (k) {
            assert_int_equal(privkey_matches(k, pub), 0);
        } else {
            refused++;
        }
        privkey_unref(k);
        p[i] ^= 0x04;
    }
    assert_true(refused > 120); /* the 32 bytes of the scalar and the 65 of the point among them */
    pubkey_unref(pub);
    buf_free(&b);
}

static void halves_that_differ(void **state)
{
    struct privkey *other = key_new(KEY_EC_P256);
    const struct bytes mine = point_of(key_of(KEY_EC_P256)), theirs = point_of(other);
    struct buf b = written(key_of(KEY_EC_P256)->pkey, PKCS8_DER);
    uint8_t *at = memmem(buf_data(&b), buf_len(&b), mine.p, mine.n);

    (void)state;
    assert_non_null(at);
    memcpy(at, theirs.p, theirs.n);
    fails(buf_span(&b), NULL, ERR_PARSE, "does not belong to its own public part");
    buf_free(&b);
    privkey_unref(other);
}

static void kinds_of_no_use(void **state)
{
    EVP_PKEY *keys[] = {
        EVP_PKEY_Q_keygen(provider.lib, NULL, "X25519"),
        EVP_PKEY_Q_keygen(provider.lib, NULL, "EC", "secp256k1"),
        EVP_PKEY_Q_keygen(provider.lib, NULL, "EC", "P-224"),
        EVP_PKEY_Q_keygen(provider.lib, NULL, "RSA", (size_t)1023),
    };
    struct privkey *k;

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct buf b;

        assert_non_null(keys[i]);
        b = written(keys[i], PKCS8_PEM);
        fails(buf_span(&b), NULL, ERR_UNSUPPORTED, "of no use to TLS");
        buf_free(&b);
        EVP_PKEY_free(keys[i]);
    }
    assert_int_equal(privkey_generate(&k, KEY_NONE, 2048), ERR_UNSUPPORTED);
    assert_int_equal(privkey_generate(&k, KEY_TYPES, 2048), ERR_UNSUPPORTED);
    assert_int_equal(privkey_generate(&k, KEY_RSA, 1023), ERR_ARG);
    assert_int_equal(privkey_generate(&k, KEY_RSA, 8193), ERR_ARG);
    assert_int_equal(privkey_generate(&k, KEY_RSA, 1024), 0);
    privkey_unref(k);
    privkey_unref(NULL);
}

/* An error of the program's own use of libcrypto survives the reading of a key. */
static void errors_of_others(void **state)
{
    struct buf b = written(key_of(KEY_EC_P256)->pkey, PKCS8_PEM);
    struct privkey *k;

    (void)state;
    ERR_raise(ERR_LIB_USER, 77);
    assert_int_equal(privkey_load(&k, buf_span(&b), NULL, NULL), 0);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 77);
    assert_int_equal(ERR_peek_error(), 0);
    privkey_unref(k);
    buf_free(&b);
}

static void references(void **state)
{
    struct privkey *k = key_new(KEY_EC_P256);
    const struct span msg = span_text("still there");
    uint8_t sig[SIG_MAX];
    size_t n = sizeof sig;

    (void)state;
    assert_ptr_equal(privkey_ref(k), k);
    privkey_unref(k);
    assert_int_equal(privkey_sign(k, scheme_by_id(0x0403), &msg, 1, sig, &n), 0);
    privkey_unref(k);
}

/* ---- public keys ---- */

static void points_refused(void **state)
{
    (void)state;
    for (enum key_type type = KEY_EC_P256; type <= KEY_EC_P521; type++) {
        const struct bytes good = point_of(key_of(type));
        struct bytes bad = good;
        struct pubkey *k;

        for (unsigned form = 0; form < 256; form++) {
            bad.p[0] = (uint8_t)form;
            assert_int_equal(pubkey_from_point(&k, type, span_bytes(&bad)),
                             form == 4 ? 0 : ERR_PARSE);
            pubkey_unref(k);
            assert_int_equal(pubkey_from_point(&k, type, span_of(bad.p, 1 + bad.n / 2)), ERR_PARSE);
        }
        for (size_t n = 0; n < good.n; n++) {
            assert_int_equal(pubkey_from_point(&k, type, span_of(good.p, n)), ERR_PARSE);
        }
        bad = good;
        bad.n++;
        assert_int_equal(pubkey_from_point(&k, type, span_bytes(&bad)), ERR_PARSE);
        for (size_t bit = 8; bit < 8 * good.n; bit += 3) {
            bad = good;
            bad.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(pubkey_from_point(&k, type, span_bytes(&bad)), ERR_PARSE);
            assert_null(k);
        }
        /* The point of one curve on another. */
        assert_int_equal(pubkey_from_point(&k, type == KEY_EC_P256 ? KEY_EC_P384 : KEY_EC_P256,
                                           span_bytes(&good)),
                         ERR_PARSE);
    }
    for (enum key_type type = KEY_ED25519; type <= KEY_ED448; type++) {
        const struct bytes good = point_of(key_of(type));
        struct pubkey *k;

        assert_int_equal(pubkey_from_point(&k, type, span_of(good.p, good.n - 1)), ERR_PARSE);
        assert_int_equal(pubkey_from_point(&k, type, span_of(good.p, good.n + 1)), ERR_PARSE);
    }
    struct pubkey *k;

    assert_int_equal(pubkey_from_point(&k, KEY_RSA, span_text("")), ERR_UNSUPPORTED);
    assert_int_equal(pubkey_from_point(&k, KEY_NONE, span_text("")), ERR_UNSUPPORTED);
    assert_int_equal(pubkey_from_point(&k, KEY_TYPES, span_text("")), ERR_UNSUPPORTED);
    pubkey_unref(NULL);
    assert_int_equal(ERR_peek_error(), 0);
}

static int try_rsa(const uint8_t *n, size_t nn, const char *e)
{
    const struct bytes exponent = unhex(e);
    struct pubkey *k;
    const int rc = pubkey_from_rsa(&k, KEY_RSA, span_of(n, nn), span_bytes(&exponent));

    assert_int_equal(rc == 0, k != NULL);
    pubkey_unref(k);
    return rc;
}

static void rsa_limits(void **state)
{
    static uint8_t n[1100];
    const struct span modulus = { n, 128 };
    struct pubkey *k;

    (void)state;
    memset(n, 0xff, sizeof n);
    n[0] = 0x80; /* exactly 8 bits a byte */
    assert_int_equal(try_rsa(n, 128, "010001"), 0);
    assert_int_equal(try_rsa(n, 127, "010001"), ERR_PARSE);
    assert_int_equal(try_rsa(n, 1024, "010001"), 0);
    assert_int_equal(try_rsa(n, 1025, "010001"), ERR_PARSE);
    assert_int_equal(try_rsa(n, 0, "010001"), ERR_PARSE);
    assert_int_equal(try_rsa(n, 128, "03"), 0);
    assert_int_equal(try_rsa(n, 128, "01"), ERR_PARSE);
    assert_int_equal(try_rsa(n, 128, "00"), ERR_PARSE);
    assert_int_equal(try_rsa(n, 128, ""), ERR_PARSE);
    assert_int_equal(try_rsa(n, 128, "010000"), ERR_PARSE);
    assert_int_equal(try_rsa(n, 128, "00010001"), ERR_PARSE);
    assert_int_equal(try_rsa(n, 128, "8000000000000001"), 0);
    assert_int_equal(try_rsa(n, 128, "010000000000000001"), ERR_PARSE);
    n[0] = 0x7f; /* 1023 bits */
    assert_int_equal(try_rsa(n, 128, "010001"), ERR_PARSE);
    n[0] = 0;
    assert_int_equal(try_rsa(n, 257, "010001"), ERR_PARSE);
    n[0] = 1; /* 8193 bits in 1025 bytes; 1025 bits in 129 */
    assert_int_equal(try_rsa(n, 1025, "010001"), ERR_PARSE);
    assert_int_equal(try_rsa(n, 129, "010001"), 0);
    n[0] = 0x80;
    n[127] = 0xfe;
    assert_int_equal(try_rsa(n, 128, "010001"), ERR_PARSE);
    n[127] = 0xff;
    assert_int_equal(pubkey_from_rsa(&k, KEY_EC_P256, modulus, modulus), ERR_UNSUPPORTED);
    assert_int_equal(pubkey_from_rsa(&k, KEY_RSA, modulus, span_of("\x03", 1)), 0);
    assert_int_equal(pubkey_bits(k), 1024);
    assert_int_equal(pubkey_type(k), KEY_RSA);
    pubkey_unref(k);
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form),
        cmocka_unit_test(our_own_form),
        cmocka_unit_test(among_other_blocks),
        cmocka_unit_test(cut_off_anywhere),
        cmocka_unit_test(damaged),
        cmocka_unit_test(halves_that_differ),
        cmocka_unit_test(kinds_of_no_use),
        cmocka_unit_test(errors_of_others),
        cmocka_unit_test(references),
        cmocka_unit_test(points_refused),
        cmocka_unit_test(rsa_limits),
    };

    return cmocka_run_group_tests(tests, start_crypto, keys_end);
}
