/* SPDX-License-Identifier: ISC */
/* Every secret, key, Finished value, signature and short record of the traces in RFC 8448, with
 * transcripts that are computed here from the messages. */
#include "kat.h"
#include "rfc8448_vectors.h"

static const uint8_t hello_retry[32] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static uint8_t next_key[32];

static int give_key(void *p, size_t n)
{
    assert_int_equal(n, sizeof next_key);
    memcpy(p, next_key, n);
    return 0;
}

/* The transcript takes a message; a HelloRetryRequest first folds ClientHello1 (RFC 8446 4.4.1). */
static struct hash *take(struct hash *h, const struct bytes *m)
{
    if (m->n > 38 && m->p[0] == 2 && memcmp(m->p + 6, hello_retry, 32) == 0) {
        uint8_t digest[4 + 32] = { 254, 0, 0, 32 };

        assert_int_equal(hash_snapshot(h, digest + 4), 0);
        hash_free(h);
        h = hash_new(HASH_SHA256);
        assert_non_null(h);
        assert_int_equal(hash_update(h, digest, sizeof digest), 0);
    }
    assert_int_equal(hash_update(h, m->p, m->n), 0);
    return h;
}

static void check_keypair(const struct step *s, const struct bytes *key)
{
    const struct group *g = group_by_id(29);
    uint8_t share[32];
    struct kex *k;

    memcpy(next_key, key->p, sizeof next_key);
    rand_set_test_source(give_key);
    k = kex_start(g, share);
    rand_set_test_source(NULL);
    assert_non_null(k);
    kex_free(k);
    same(s->name, share, sizeof share, s->b);
}

static void check_record(const struct step *s, const struct bytes *key, const struct bytes *nonce)
{
    const struct bytes inner = unhex(s->c), record = unhex(s->d);
    const struct span aad = span_of(record.p, 5), in = span_bytes(&inner);
    const struct span sealed = span_of(record.p + 5, record.n - 5);
    struct aead *seal = aead_new(AEAD_AES_128_GCM, key->p, true);
    struct aead *open = aead_new(AEAD_AES_128_GCM, key->p, false);
    uint8_t out[2048];
    const struct mspan plain = { out, inner.n };

    assert_non_null(seal);
    assert_non_null(open);
    assert_int_equal(aead_seal(seal, nonce->p, aad, &in, 1, out), 0);
    assert_memory_equal(out, sealed.p, sealed.n);
    assert_int_equal(aead_open(open, nonce->p, aad, sealed, &plain, 1), 0);
    same(s->name, out, inner.n, s->c);
    aead_free(seal);
    aead_free(open);
}

/* The public key in a Certificate message: what follows the header of an RSAPublicKey of 1024 bits,
 * or of an uncompressed point. */
static struct pubkey *key_in(const struct bytes *m)
{
    static const uint8_t rsa[] = { 0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00 };
    static const uint8_t point[] = { 0x03, 0x42, 0x00 };
    const uint8_t *at = memmem(m->p, m->n, rsa, sizeof rsa);
    struct pubkey *k;

    if (at) {
        assert_int_equal(
            pubkey_from_rsa(&k, KEY_RSA, span_of(at + sizeof rsa, 128), span_of("\1\0\1", 3)), 0);
    } else {
        at = memmem(m->p, m->n, point, sizeof point);
        assert_non_null(at);
        assert_int_equal(pubkey_from_point(&k, KEY_EC_P256, span_of(at + sizeof point, 65)), 0);
    }
    return k;
}

/* RFC 8446 section 4.4.3; another context string, or another transcript, does not verify. */
static void check_signature(const struct pubkey *k, const struct bytes *m, const uint8_t *digest,
                            bool server)
{
    const struct scheme *s = scheme_by_id((uint16_t)(m->p[4] << 8 | m->p[5]));
    const struct span sig = span_of(m->p + 8, m->n - 8);
    uint8_t pad[64];
    struct span parts[] = { { pad, sizeof pad },
                            span_text(server ? "TLS 1.3, server CertificateVerify"
                                             : "TLS 1.3, client CertificateVerify"),
                            { (const uint8_t *)"", 1 },
                            { digest, 32 } };

    memset(pad, ' ', sizeof pad);
    assert_non_null(s);
    assert_int_equal(s->key, pubkey_type(k));
    assert_int_equal(pubkey_verify(k, s->kind, s->hash, parts, 4, sig), 0);
    assert_int_equal(pubkey_verify(k, s->kind, s->hash, parts, 3, sig), BAD_SIG);
    parts[1] = span_text(server ? "TLS 1.3, client CertificateVerify"
                                : "TLS 1.3, server CertificateVerify");
    assert_int_equal(pubkey_verify(k, s->kind, s->hash, parts, 4, sig), BAD_SIG);
}

static void run(const struct step *s)
{
    struct pubkey *key = NULL;
    bool server = true;
    struct hash *transcript = hash_new(HASH_SHA256);
    unsigned done = 0;

    assert_non_null(transcript);
    for (; s->op != END; s++, done++) {
        const struct bytes a = unhex(s->a), b = unhex(s->b);
        const struct span parts[] = { span_bytes(&b) };
        uint8_t out[64], digest[32];
        size_t n;

        assert_int_equal(hash_snapshot(transcript, digest), 0);
        switch (s->op) {
        case KEYPAIR:
            check_keypair(s, &a);
            break;
        case MESSAGE:
            if (a.p[0] == 11) {
                pubkey_unref(key);
                key = key_in(&a);
            } else if (a.p[0] == 15) {
                check_signature(key, &a, digest, server);
            } else if (a.p[0] == 20) {
                server = false;
            }
            transcript = take(transcript, &a);
            break;
        case HASH:
            assert_int_equal(hash_once(HASH_SHA256, a.p, a.n, out), 0);
            same(s->name, out, 32, s->b);
            break;
        case HMAC_OF:
            assert_int_equal(hmac(HASH_SHA256, span_bytes(&a), parts, 1, out), 0);
            same(s->name, out, 32, s->c);
            break;
        case EXTRACT:
            assert_int_equal(hkdf_extract(HASH_SHA256, span_bytes(&a), span_bytes(&b), out), 0);
            same(s->name, out, 32, s->c);
            break;
        case DERIVE:
            same(s->name, digest, 32, s->b);
            __attribute__((fallthrough));
        case EXPAND:
            n = strlen(s->c) / 2;
            assert_int_equal(hkdf_expand_label(HASH_SHA256, a.p, s->label, span_bytes(&b), out, n),
                             0);
            same(s->name, out, n, s->c);
            break;
        case FINISHED:
            assert_int_equal(
                hmac(HASH_SHA256, span_bytes(&a), &(struct span){ digest, 32 }, 1, out), 0);
            same(s->name, out, 32, s->b);
            break;
        case SEAL:
            check_record(s, &a, &b);
            break;
        case END:
            break;
        }
    }
    hash_free(transcript);
    pubkey_unref(key);
    assert_true(done > 30);
}

#define TRACE(n)                                 \
    static void section_##n##_test(void **state) \
    {                                            \
        (void)state;                             \
        run(section_##n);                        \
    }
TRACE(3)
TRACE(4)
TRACE(5)
TRACE(6)
TRACE(7)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(section_3_test), cmocka_unit_test(section_4_test),
        cmocka_unit_test(section_5_test), cmocka_unit_test(section_6_test),
        cmocka_unit_test(section_7_test),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
