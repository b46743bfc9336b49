/* SPDX-License-Identifier: ISC */
/* threat 37: the n-th allocation fails, ours or libcrypto's, for every n, in each primitive: it
 * either does its work or says that it did not and leaves zeroes, never something to go on with. */
#include "keys.h"

#define ERR_STATE LIBCRYPTO_ERR_STATE
#include <openssl/pkcs12.h>
#undef ERR_STATE

#include "base/buf.h"
#include "base/mem.h"
#include <pthread.h>

/* Counts in the thread that is under test only; 0: every allocation succeeds. */
static __thread long fail_at, counted;

static bool may_allocate(void)
{
    return fail_at == 0 || ++counted != fail_at;
}

static void *our_alloc(size_t n)
{
    return may_allocate() ? malloc(n) : NULL;
}

static void *their_alloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return may_allocate() ? malloc(n) : NULL;
}

static void *their_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return may_allocate() ? realloc(p, n) : NULL;
}

static void their_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

/* A primitive at work: 0 it did it right, 1 it failed as it should, -1 neither. */
typedef int work_fn(void);

static struct buf ec_pem, rsa_pem, locked_pem;
static struct bytes ec_point, ed_point, rsa_n, rsa_e;
static struct buf p12, dh_der;
static struct pubkey *rsa_pub;
static uint8_t premaster[PREMASTER_RSA] = { 3, 3, 1, 2, 3, 4 }, rsa_sealed[SIG_MAX];
static size_t rsa_sealedlen = sizeof rsa_sealed;
static struct span message;
static uint8_t ec_sig[SIG_MAX], rsa_sig[SIG_MAX], ed_sig[SIG_MAX];
static size_t ec_siglen = sizeof ec_sig, rsa_siglen = sizeof rsa_sig, ed_siglen = sizeof ed_sig;

static int result(int rc, const void *out, const void *want, size_t n)
{
    if (rc == 0) {
        return want && memcmp(out, want, n) != 0 ? -1 : 0;
    }
    return rc < 0 && (!out || all_zero(out, n)) ? 1 : -1;
}

static int work_hash(void)
{
    static const uint8_t want[4] = { 0xba, 0x78, 0x16, 0xbf };
    uint8_t out[32];

    memset(out, 0x5a, sizeof out);
    return result(hash_once(HASH_SHA256, "abc", 3, out), out, want, 4);
}

static int work_running_hash(void)
{
    struct hash *h = hash_new(HASH_SHA384);
    uint8_t out[48], want[48];
    int rc;

    if (!h) {
        return 1;
    }
    memset(out, 0x5a, sizeof out);
    rc = hash_update(h, "abc", 3);
    if (rc == 0) {
        rc = hash_snapshot(h, out);
    } else {
        memset(out, 0, sizeof out);
    }
    hash_free(h);
    return hash_once(HASH_SHA384, "abc", 3, want) < 0 ? 1 : result(rc, out, want, 48);
}

static int work_hkdf(void)
{
    static const uint8_t prk[32] = { 1 };
    uint8_t out[80], again[80];

    memset(out, 0x5a, sizeof out);
    const int rc = hkdf_expand_label(HASH_SHA256, prk, "key", message, out, sizeof out);

    if (rc == 0 && hkdf_expand_label(HASH_SHA256, prk, "key", message, again, sizeof again) < 0) {
        return 1;
    }
    return result(rc, out, again, sizeof out);
}

static int work_aead(void)
{
    static const uint8_t key[32] = { 1 }, nonce[12] = { 2 };
    struct aead *a = aead_new(AEAD_CHACHA20_POLY1305, key, true); /* libcrypto's, always */
    struct aead *b = aead_new(AEAD_CHACHA20_POLY1305, key, false);
    uint8_t sealed[64], opened[48];
    const size_t n = message.n + AEAD_TAG;
    const struct mspan to = { opened, message.n };
    int rc = 1;

    if (a && b) {
        memset(sealed, 0x5a, sizeof sealed);
        rc = result(aead_seal(a, nonce, message, &message, 1, sealed), sealed, NULL, n);
        if (rc == 0) {
            rc = result(aead_open(b, nonce, message, span_of(sealed, n), &to, 1), opened, message.p,
                        message.n);
        }
    }
    aead_free(a);
    aead_free(b);
    return rc;
}

static int work_prf(void)
{
    uint8_t secret[100] = { 1 }, out[80], again[80];

    memset(out, 0x5a, sizeof out);
    const int rc =
        prf12(HASH_SHA256, span_of(secret, sizeof secret), "label", &message, 1, out, sizeof out);

    if (rc == 0 && prf12(HASH_SHA256, span_of(secret, sizeof secret), "label", &message, 1, again,
                         sizeof again) < 0) {
        return 1;
    }
    return result(rc, out, again, sizeof out);
}

static int cbc_both(bool etm)
{
    static const uint8_t key[32] = { 1 }, mac_key[32] = { 2 }, head[MAC_HEAD] = { 3 };
    struct cbc *a = cbc_new(0x0303, CBC_AES_256, HASH_SHA256, etm, key, mac_key, true);
    struct cbc *b = cbc_new(0x0303, CBC_AES_256, HASH_SHA256, etm, key, mac_key, false);
    uint8_t fragment[160];
    struct mspan content;
    int rc = 1;

    if (a && b) {
        const size_t n = cbc_size(a, message.n);

        memset(fragment, 0x5a, sizeof fragment);
        memcpy(fragment + CBC_BLOCK, message.p, message.n);
        rc = result(cbc_seal(a, NULL, head, fragment, message.n), fragment, NULL, n);
        if (rc == 0) {
            const int opened = cbc_open(b, NULL, head, (struct mspan){ fragment, n }, &content);

            rc = opened == 0 && content.n != message.n
                     ? -1
                     : result(opened, opened == 0 ? content.p : fragment, message.p,
                              opened == 0 ? message.n : n);
        }
    }
    cbc_free(a);
    cbc_free(b);
    return rc;
}

static int work_cbc(void)
{
    return cbc_both(false);
}

static int work_cbc_etm(void)
{
    return cbc_both(true);
}

/* Whatever fails on the way to it gives random bytes like what a peer got wrong. A copy of the key
 * each time: when memory fails libcrypto inside its blinding, what the key deciphers is garbage
 * until the blinding is made anew, 32 uses later. */
static int work_rsakx(void)
{
    EVP_PKEY *copy = EVP_PKEY_dup(key_of(KEY_RSA)->pkey);
    uint8_t out[PREMASTER_RSA];
    struct privkey *k;
    int rc;

    if (!copy || privkey_wrap(&k, copy) < 0) {
        return crypto_fail(1);
    }
    memset(out, 0x5a, sizeof out);
    rc = privkey_decrypt_premaster(k, span_of(rsa_sealed, rsa_sealedlen), 0x0303, out);
    privkey_unref(k);
    if (rc < 0) {
        return all_zero(out, sizeof out) ? 1 : -1;
    }
    if (memcmp(out, premaster, sizeof out) == 0) {
        return 0;
    }
    return all_zero(out, 8) || (out[0] == 0x5a && out[1] == 0x5a && out[2] == 0x5a) ? -1 : 1;
}

static int work_encrypt(void)
{
    uint8_t out[SIG_MAX];
    size_t n = sizeof out;

    return result(pubkey_encrypt_pkcs1(rsa_pub, message, out, &n), NULL, NULL, 0);
}

static int work_pkcs12(void)
{
    struct buf key = { .secret = true }, certs = { 0 };
    const int rc = pkcs12_load(buf_span(&p12), "secret", &key, &certs, NULL);
    const bool both = buf_len(&key) && buf_len(&certs), none = !buf_len(&key) && !buf_len(&certs);

    buf_free(&key);
    buf_free(&certs);
    return rc == 0 ? (both ? 0 : -1) : none ? 1 : -1;
}

static int work_dhparams(void)
{
    struct dh_params p = { { 0 }, { 0 } };
    const int rc = dhparams_load(&p, buf_span(&dh_der));

    dhparams_free(&p); /* what is left of one that failed, valgrind finds */
    return result(rc, NULL, NULL, 0);
}

static int exchange(uint16_t id)
{
    const struct group *g = group_by_id(id);
    uint8_t client[KEX_SHARE_MAX], server[KEX_SHARE_MAX], a[KEX_SECRET_MAX], b[KEX_SECRET_MAX];
    struct kex *k;
    int rc;

    memset(client, 0x5a, sizeof client);
    memset(server, 0x5a, sizeof server);
    memset(a, 0x5a, sizeof a);
    memset(b, 0x5a, sizeof b);
    k = kex_start(g, client);
    if (!k) {
        return 1;
    }
    rc = result(kex_respond(g, span_of(client, g->share_client), server, a), a, NULL,
                g->secret_size);
    if (rc == 1 && !all_zero(server, g->share_server)) {
        rc = -1;
    }
    if (rc == 0) {
        rc = result(kex_finish(k, span_of(server, g->share_server), b), b, a, g->secret_size);
    }
    kex_free(k);
    return rc;
}

static int work_x25519(void)
{
    return exchange(29);
}

static int work_p256(void)
{
    return exchange(23);
}

static int work_ffdhe(void)
{
    return exchange(256);
}

static int load(struct span pem, const char *pass, uint16_t scheme)
{
    const struct scheme *s = scheme_by_id(scheme);
    uint8_t sig[SIG_MAX];
    size_t n = sizeof sig;
    struct privkey *k;
    int rc = privkey_load(&k, pem, pass, NULL);

    if ((rc == 0) != (k != NULL)) {
        return -1;
    }
    if (rc == 0) {
        rc = privkey_sign(k, s, &message, 1, sig, &n);
    }
    privkey_unref(k);
    return result(rc, NULL, NULL, 0);
}

static int work_load_ec(void)
{
    return load(buf_span(&ec_pem), NULL, 0x0403);
}

static int work_load_rsa(void)
{
    return load(buf_span(&rsa_pem), NULL, 0x0804);
}

static int work_load_locked(void)
{
    return load(buf_span(&locked_pem), "secret", 0x0807);
}

/* The right signature may be refused for want of memory; a wrong one is refused always. */
static int check(struct pubkey *k, enum sig_kind kind, enum hash_id hash, struct span sig)
{
    const struct span parts[] = { { message.p, 3 }, { message.p + 3, message.n - 3 } };
    const int rc = pubkey_verify(k, kind, hash, parts, 2, sig);

    if (pubkey_verify(k, kind, hash, parts, 1, sig) == 0) {
        return -1;
    }
    return result(rc, NULL, NULL, 0);
}

static int work_verify_ec(void)
{
    struct pubkey *k;
    int rc = pubkey_from_point(&k, KEY_EC_P256, span_bytes(&ec_point));

    if ((rc == 0) != (k != NULL)) {
        return -1;
    }
    rc = k ? check(k, SIG_ECDSA, HASH_SHA256, span_of(ec_sig, ec_siglen)) : 1;
    pubkey_unref(k);
    return rc;
}

static int work_verify_rsa(void)
{
    struct pubkey *k;
    int rc = pubkey_from_rsa(&k, KEY_RSA, span_bytes(&rsa_n), span_bytes(&rsa_e));

    if ((rc == 0) != (k != NULL)) {
        return -1;
    }
    rc = k ? check(k, SIG_RSA_PSS, HASH_SHA256, span_of(rsa_sig, rsa_siglen)) : 1;
    pubkey_unref(k);
    return rc;
}

static int work_verify_ed(void)
{
    struct pubkey *k;
    int rc = pubkey_from_point(&k, KEY_ED25519, span_bytes(&ed_point));

    if ((rc == 0) != (k != NULL)) {
        return -1;
    }
    rc = k ? check(k, SIG_EDDSA, HASH_NONE, span_of(ed_sig, ed_siglen)) : 1;
    pubkey_unref(k);
    return rc;
}

static int work_make_key(void)
{
    struct buf pem = { 0 }, spki = { 0 };
    struct privkey *k;
    int rc = privkey_generate(&k, KEY_EC_P256, 0);

    if ((rc == 0) != (k != NULL)) {
        return -1;
    }
    if (rc == 0) {
        rc = privkey_write_pem(k, &pem);
    }
    if (rc == 0) {
        rc = privkey_public_spki(k, &spki);
    }
    rc = result(rc, NULL, NULL, 0);
    if (rc == 0 && (buf_len(&pem) < 100 || buf_len(&spki) != 91)) {
        rc = -1;
    }
    buf_free(&pem);
    buf_free(&spki);
    privkey_unref(k);
    return rc;
}

struct attempt {
    work_fn *work;
    long n;
    int rc;
    long seen;    /* allocations asked for */
    bool reached; /* the n-th took place */
};

static void *attempt_run(void *arg)
{
    struct attempt *a = arg;

    counted = 0;
    fail_at = a->n;
    a->rc = a->work();
    fail_at = 0;
    a->seen = counted;
    a->reached = counted >= a->n;
    /* What libcrypto got over by itself it may have noted; a failure of ours is cleared away. */
    if (a->rc == 1 && ERR_peek_error() != 0) {
        a->rc = -2;
    }
    return NULL;
}

/* A thread of its own each time: one that keeps no contexts yet. Of many thousands of allocations
 * (a decoder's) the later ones are sampled. */
static void each_allocation(const char *name, work_fn *work, long at_least)
{
    struct attempt a = { .work = work };

    for (a.n = 1; a.n == 1 || a.reached; a.n += 1 + a.n / 200) {
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, attempt_run, &a), 0);
        assert_int_equal(pthread_join(t, NULL), 0);
        if (a.rc != 0 && a.rc != 1) {
            fail_msg("%s: allocation %ld failed: %d", name, a.n, a.rc);
        }
    }
    if (a.rc != 0) {
        fail_msg("%s: with all memory it needs: %d", name, a.rc);
    }
    if (a.seen < at_least) {
        fail_msg("%s: only %ld allocations were seen", name, a.seen);
    }
}

#define EACH(name, at_least)                           \
    static void name(void **state)                     \
    {                                                  \
        (void)state;                                   \
        each_allocation(#name, work_##name, at_least); \
    }
EACH(hash, 0) /* needs no memory */
EACH(running_hash, 1)
EACH(hkdf, 0)
EACH(prf, 0)
EACH(aead, 4)
EACH(cbc, 8)
EACH(cbc_etm, 4)
EACH(rsakx, 4)
EACH(encrypt, 4)
EACH(pkcs12, 50)
EACH(dhparams, 20)
EACH(x25519, 8)
EACH(p256, 8)
EACH(ffdhe, 8)
EACH(load_ec, 50)
EACH(load_rsa, 50)
EACH(load_locked, 50)
EACH(verify_ec, 8)
EACH(verify_rsa, 8)
EACH(verify_ed, 4)
EACH(make_key, 50)

/* The caller's source of random numbers may fail too. */
static int no_randomness(void *p, size_t n)
{
    (void)p;
    (void)n;
    return ERR_CRYPTO;
}

static void no_random(void **state)
{
    uint8_t share[KEX_SHARE_MAX], out[16];

    (void)state;
    memset(share, 0x5a, sizeof share);
    rand_set_test_source(no_randomness);
    assert_int_equal(rand_bytes(out, sizeof out), ERR_CRYPTO);
    assert_null(kex_start(group_by_id(29), share));
    rand_set_test_source(NULL);
    assert_true(all_zero(share, 32));
}

static void make_p12(void)
{
    EVP_PKEY *pkey = key_of(KEY_EC_P256)->pkey;
    X509 *x = X509_new();
    unsigned char *der = NULL;

    assert_true(X509_gmtime_adj(X509_getm_notBefore(x), 0) &&
                X509_gmtime_adj(X509_getm_notAfter(x), 3600) && X509_set_pubkey(x, pkey) == 1 &&
                X509_sign(x, pkey, EVP_sha256()) > 0);
    PKCS12 *made = PKCS12_create("secret", NULL, pkey, x, NULL, 0, 0, 1, 1, 0);
    const int n = i2d_PKCS12(made, &der);

    assert_true(n > 0);
    assert_int_equal(buf_append(&p12, der, (size_t)n), 0);
    OPENSSL_free(der);
    PKCS12_free(made);
    X509_free(x);
}

/* PKCS#3 by hand: SEQUENCE { INTEGER p, INTEGER 2 }. */
static void make_dh(void)
{
    BIGNUM *p = BN_get_rfc3526_prime_2048(NULL);
    uint8_t der[268] = { 0x30, 0x82, 1, 8, 2, 0x82, 1, 1, 0, [265] = 2, 1, 2 };

    assert_int_equal(BN_bn2bin(p, der + 9), 256);
    assert_int_equal(buf_append(&dh_der, der, sizeof der), 0);
    BN_free(p);
}

static int prepare(void **state)
{
    static const uint8_t text[] = "what is worked on";

    (void)state;
    message = span_of(text, sizeof text);
    if (crypto_init() < 0) {
        return -1;
    }
    mem_hooks.alloc = our_alloc;
    assert_int_equal(privkey_write_pem(key_of(KEY_EC_P256), &ec_pem), 0);
    assert_int_equal(privkey_write_pem(key_of(KEY_RSA), &rsa_pem), 0);
    ec_point = point_of(key_of(KEY_EC_P256));
    ed_point = point_of(key_of(KEY_ED25519));
    rsa_n = number_of(key_of(KEY_RSA), OSSL_PKEY_PARAM_RSA_N);
    rsa_e = number_of(key_of(KEY_RSA), OSSL_PKEY_PARAM_RSA_E);
    assert_int_equal(
        privkey_sign(key_of(KEY_EC_P256), scheme_by_id(0x0403), &message, 1, ec_sig, &ec_siglen),
        0);
    assert_int_equal(
        privkey_sign(key_of(KEY_RSA), scheme_by_id(0x0804), &message, 1, rsa_sig, &rsa_siglen), 0);
    assert_int_equal(
        privkey_sign(key_of(KEY_ED25519), scheme_by_id(0x0807), &message, 1, ed_sig, &ed_siglen),
        0);

    rsa_pub = public_of(key_of(KEY_RSA));
    assert_int_equal(pubkey_encrypt_pkcs1(rsa_pub, span_of(premaster, sizeof premaster), rsa_sealed,
                                          &rsa_sealedlen),
                     0);
    make_p12();
    make_dh();

    OSSL_ENCODER_CTX *ctx = OSSL_ENCODER_CTX_new_for_pkey(
        key_of(KEY_ED25519)->pkey, EVP_PKEY_KEYPAIR, "DER", "PrivateKeyInfo", NULL);
    unsigned char *der = NULL;
    size_t n = 0;

    assert_int_equal(OSSL_ENCODER_CTX_set_cipher(ctx, "AES-256-CBC", NULL), 1);
    assert_int_equal(OSSL_ENCODER_CTX_set_passphrase(ctx, (const uint8_t *)"secret", 6), 1);
    assert_int_equal(OSSL_ENCODER_to_data(ctx, &der, &n), 1);
    assert_int_equal(buf_append(&locked_pem, der, n), 0);
    OPENSSL_free(der);
    OSSL_ENCODER_CTX_free(ctx);
    return 0;
}

static int finish(void **state)
{
    buf_free(&ec_pem);
    buf_free(&rsa_pem);
    buf_free(&locked_pem);
    buf_free(&p12);
    buf_free(&dh_der);
    pubkey_unref(rsa_pub);
    return keys_end(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash),        cmocka_unit_test(running_hash), cmocka_unit_test(hkdf),
        cmocka_unit_test(aead),        cmocka_unit_test(x25519),       cmocka_unit_test(p256),
        cmocka_unit_test(ffdhe),       cmocka_unit_test(load_ec),      cmocka_unit_test(load_rsa),
        cmocka_unit_test(load_locked), cmocka_unit_test(verify_ec),    cmocka_unit_test(verify_rsa),
        cmocka_unit_test(verify_ed),   cmocka_unit_test(make_key),     cmocka_unit_test(no_random),
        cmocka_unit_test(prf),         cmocka_unit_test(cbc),          cmocka_unit_test(cbc_etm),
        cmocka_unit_test(rsakx),       cmocka_unit_test(encrypt),      cmocka_unit_test(pkcs12),
        cmocka_unit_test(dhparams),
    };

    if (CRYPTO_set_mem_functions(their_alloc, their_realloc, their_free) != 1) {
        return 1;
    }
    return cmocka_run_group_tests(tests, prepare, finish);
}
