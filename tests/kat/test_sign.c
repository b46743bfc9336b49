/* SPDX-License-Identifier: ISC */
/* Signatures: published answers, every scheme with every type of key (threat 4), every change of a
 * signature or of what was signed (threat 5), encodings that are not the one. */
#include "keys.h"

static void eddsa_answers(void **state)
{
    /* RFC 8032 section 7.1, tests 1 and 3; the private key wrapped as RFC 8410 says. */
    static const struct {
        const char *key, *pub, *msg, *sig;
    } rows[] = {
        { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
          "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
        { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
          "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
          "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct bytes raw = unhex(rows[i].key), pub = unhex(rows[i].pub);
        const struct bytes msg = unhex(rows[i].msg);
        struct bytes der = unhex("302e020100300506032b657004220420");
        const struct span parts[] = { span_bytes(&msg) };
        uint8_t sig[SIG_MAX];
        size_t n = sizeof sig;
        struct privkey *k;
        struct pubkey *p;

        memcpy(der.p + der.n, raw.p, raw.n);
        assert_int_equal(privkey_load(&k, span_of(der.p, der.n + raw.n), NULL, NULL), 0);
        assert_int_equal(privkey_type(k), KEY_ED25519);
        assert_int_equal(privkey_sign(k, scheme_by_id(0x0807), parts, 1, sig, &n), 0);
        same("ed25519", sig, n, rows[i].sig);
        assert_int_equal(pubkey_from_point(&p, KEY_ED25519, span_bytes(&pub)), 0);
        assert_int_equal(privkey_matches(k, p), 0);
        assert_int_equal(pubkey_verify(p, SIG_EDDSA, HASH_NONE, parts, 1, span_of(sig, n)), 0);
        /* S + L: the same signature to whoever does not reduce (RFC 8032 section 5.1.7). */
        const struct bytes order = unhex("edd3f55c1a631258d69cf7a2def9de14"
                                         "00000000000000000000000000000010");
        unsigned carry = 0;

        for (size_t j = 0; j < 32; j++) {
            carry += (unsigned)sig[32 + j] + order.p[j];
            sig[32 + j] = (uint8_t)carry;
            carry >>= 8;
        }
        assert_int_equal(pubkey_verify(p, SIG_EDDSA, HASH_NONE, parts, 1, span_of(sig, n)),
                         BAD_SIG);
        pubkey_unref(p);
        privkey_unref(k);
    }
}

/* RFC 6979 appendix A.2.5, P-256, SHA-256, "sample". */
static struct pubkey *rfc6979_key(void)
{
    const struct bytes point =
        unhex("04 60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
              "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
    struct pubkey *k;

    assert_int_equal(pubkey_from_point(&k, KEY_EC_P256, span_bytes(&point)), 0);
    assert_int_equal(pubkey_type(k), KEY_EC_P256);
    assert_int_equal(pubkey_bits(k), 256);
    return k;
}

#define R "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
#define S "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
#define N "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"

static void ecdsa_encodings(void **state)
{
    static const struct {
        const char *what, *sig;
        int rc;
    } rows[] = {
        { "DER", "3046 022100" R "022100" S, 0 },
        { "n - s, which is right too",
          "3045 022100" R "0220 0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9",
          0 },
        { "empty", "", BAD_SIG },
        { "one byte behind it", "3046 022100" R "022100" S "00", BAD_SIG },
        { "one byte inside it", "3047 022100" R "022100" S "00", BAD_SIG },
        { "length in two bytes", "308146 022100" R "022100" S, BAD_SIG },
        { "length in three bytes", "30820046 022100" R "022100" S, BAD_SIG },
        { "no length", "3080 022100" R "022100" S "0000", BAD_SIG },
        { "r with a zero too many", "3047 02220000" R "022100" S, BAD_SIG },
        { "s with a zero too many", "3047 022100" R "02220000" S, BAD_SIG },
        { "r negative", "3045 0220" R "022100" S, BAD_SIG },
        { "s negative", "3045 022100" R "0220" S, BAD_SIG },
        { "r with a long length", "3047 02812100" R "022100" S, BAD_SIG },
        { "not a sequence", "3146 022100" R "022100" S, BAD_SIG },
        { "not integers", "3046 032100" R "022100" S, BAD_SIG },
        { "only r", "3023 022100" R, BAD_SIG },
        { "three integers", "3049 022100" R "022100" S "020101", BAD_SIG },
        { "zeroes", "3006 020100 020100", BAD_SIG },
        { "r = 0", "3026 020100 022100" S, BAD_SIG },
        { "s = 0", "3026 022100" R "020100", BAD_SIG },
        { "r = n", "3046 022100" N "022100" S, BAD_SIG },
        { "s = n", "3046 022100" R "022100" N, BAD_SIG },
        { "raw r and s", R S, BAD_SIG },
    };
    const struct span msg = span_text("sample");
    struct pubkey *k = rfc6979_key();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct bytes sig = unhex(rows[i].sig);

        if (pubkey_verify(k, SIG_ECDSA, HASH_SHA256, &msg, 1, span_bytes(&sig)) != rows[i].rc) {
            fail_msg("%s", rows[i].what);
        }
        assert_int_equal(ERR_peek_error(), 0);
    }
    pubkey_unref(k);
}

static bool fits(enum sig_kind kind, enum hash_id hash, enum key_type type)
{
    return kind == SIG_RSA_PKCS1 ? type == KEY_RSA && hash
           : kind == SIG_RSA_PSS ? (type == KEY_RSA || type == KEY_RSA_PSS) && hash
           : kind == SIG_ECDSA   ? type >= KEY_EC_P256 && type <= KEY_EC_P521 && hash
                                 : type >= KEY_ED25519 && !hash;
}

/* A signature by each scheme, shown to each key under each name. */
static void threat_04_scheme_key_matrix(void **state)
{
    const struct span msg[] = { span_text("what "), span_text("was"), span_text(" signed") };

    (void)state;
    for (size_t i = 0; scheme_at(i); i++) {
        const struct scheme *s = scheme_at(i);
        uint8_t sig[SIG_MAX];

        assert_ptr_equal(scheme_by_id(s->id), s);
        for (enum key_type type = KEY_RSA; type < KEY_TYPES; type++) {
            /* ECDSA of TLS 1.2 takes any hash with any curve, others what the scheme says. */
            const bool right =
                type == s->key || (s->kind == SIG_ECDSA && fits(SIG_ECDSA, s->hash, type));
            size_t n = sizeof sig;

            assert_int_equal(privkey_sign(key_of(type), s, msg, 3, sig, &n),
                             right ? 0 : ERR_MISMATCH);
            if (right) {
                struct pubkey *pub = public_of(key_of(type));

                assert_int_equal(pubkey_verify(pub, s->kind, s->hash, msg, 3, span_of(sig, n)), 0);
                pubkey_unref(pub);
            }
        }
        size_t n = sizeof sig;

        assert_int_equal(privkey_sign(key_of(s->key), s, msg, 3, sig, &n), 0);
        for (enum key_type type = KEY_RSA; type < KEY_TYPES; type++) {
            struct pubkey *pub = public_of(key_of(type));

            for (enum sig_kind kind = SIG_RSA_PKCS1; kind <= SIG_EDDSA; kind++) {
                for (enum hash_id hash = HASH_NONE; hash < HASH_MD5; hash++) {
                    const bool right = type == s->key && kind == s->kind && hash == s->hash;
                    const int want = right ? 0 : fits(kind, hash, type) ? BAD_SIG : ERR_MISMATCH;

                    assert_int_equal(pubkey_verify(pub, kind, hash, msg, 3, span_of(sig, n)), want);
                }
            }
            pubkey_unref(pub);
        }
    }
    assert_null(scheme_by_id(0));
    assert_null(scheme_by_id(0x0201)); /* rsa_pkcs1_sha1: threat 21 */
    assert_null(scheme_by_id(0x0203));
    for (size_t i = 0; scheme_at(i); i++) { /* RFC 8446 section 4.2.3 */
        assert_int_equal(scheme_at(i)->handshake13, scheme_at(i)->kind != SIG_RSA_PKCS1);
    }
}

static void threat_05_changes_refused(void **state)
{
    (void)state;
    for (size_t i = 0; scheme_at(i); i++) {
        const struct scheme *s = scheme_at(i);
        struct privkey *k = key_of(s->key);
        struct pubkey *pub = public_of(k);
        const size_t step = s->key == KEY_EC_P256 || s->key == KEY_ED25519 ? 1 : 7;
        uint8_t text[40], sig[SIG_MAX];
        const struct span msg = { text, sizeof text };
        size_t n = sizeof sig;

        fill(text, sizeof text, 3);
        assert_int_equal(privkey_sign(k, s, &msg, 1, sig, &n), 0);
        for (size_t bit = 0; bit < 8 * n; bit += step) {
            sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(pubkey_verify(pub, s->kind, s->hash, &msg, 1, span_of(sig, n)),
                             BAD_SIG);
            sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t bit = 0; bit < 8 * sizeof text; bit += step) {
            text[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(pubkey_verify(pub, s->kind, s->hash, &msg, 1, span_of(sig, n)),
                             BAD_SIG);
            text[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t cut = 0; cut < n; cut += step) {
            assert_int_equal(pubkey_verify(pub, s->kind, s->hash, &msg, 1, span_of(sig, cut)),
                             BAD_SIG);
        }
        if (n < sizeof sig) {
            sig[n] = 0;
            assert_int_equal(pubkey_verify(pub, s->kind, s->hash, &msg, 1, span_of(sig, n + 1)),
                             BAD_SIG);
        }
        assert_int_equal(
            pubkey_verify(pub, s->kind, s->hash, &(struct span){ text, 39 }, 1, span_of(sig, n)),
            BAD_SIG);
        assert_int_equal(pubkey_verify(pub, s->kind, s->hash, &msg, 1, span_of(sig, n)), 0);
        assert_int_equal(ERR_peek_error(), 0);
        pubkey_unref(pub);
    }
}

static void other_key(void **state)
{
    static const enum key_type types[] = { KEY_EC_P256, KEY_ED25519, KEY_RSA };
    const struct span msg = span_text("message");

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct privkey *k = key_new(types[i]);
        struct pubkey *mine = public_of(k), *other = public_of(key_of(types[i]));
        const struct scheme *s = scheme_by_id((uint16_t[]){ 0x0403, 0x0807, 0x0804 }[i]);
        uint8_t sig[SIG_MAX];
        size_t n = sizeof sig;

        assert_int_equal(privkey_sign(k, s, &msg, 1, sig, &n), 0);
        assert_int_equal(pubkey_verify(mine, s->kind, s->hash, &msg, 1, span_of(sig, n)), 0);
        assert_int_equal(pubkey_verify(other, s->kind, s->hash, &msg, 1, span_of(sig, n)), BAD_SIG);
        assert_int_equal(privkey_matches(k, mine), 0);
        assert_int_equal(privkey_matches(k, other), ERR_MISMATCH);
        pubkey_unref(mine);
        pubkey_unref(other);
        privkey_unref(k);
    }
}

/* RFC 8446 section 4.2.3: the salt is as long as the digest. */
static void pss_salt(void **state)
{
    static const struct {
        int salt, rc;
    } rows[] = { { 32, 0 }, { 31, BAD_SIG }, { 33, BAD_SIG }, { 0, BAD_SIG }, { 20, BAD_SIG } };
    struct privkey *k = key_of(KEY_RSA);
    struct pubkey *pub = public_of(k);
    const struct span msg = span_text("salted");
    uint8_t digest[32], sig[SIG_MAX];

    (void)state;
    assert_int_equal(hash_once(HASH_SHA256, msg.p, msg.n, digest), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, k->pkey, NULL);
        size_t n = sizeof sig;

        assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
        assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0);
        assert_true(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0);
        assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, rows[i].salt) > 0);
        assert_int_equal(EVP_PKEY_sign(ctx, sig, &n, digest, 32), 1);
        EVP_PKEY_CTX_free(ctx);
        assert_int_equal(pubkey_verify(pub, SIG_RSA_PSS, HASH_SHA256, &msg, 1, span_of(sig, n)),
                         rows[i].rc);
    }
    pubkey_unref(pub);
}

static void room(void **state)
{
    const struct span msg = span_text("message");
    uint8_t sig[SIG_MAX];

    (void)state;
    for (size_t i = 0; scheme_at(i); i++) {
        const struct scheme *s = scheme_at(i);
        size_t most = (size_t)EVP_PKEY_get_size(key_of(s->key)->pkey), n = most - 1;

        sig[most] = 0x5a;
        assert_int_equal(privkey_sign(key_of(s->key), s, &msg, 1, sig, &n), ERR_ARG);
        n = most;
        assert_int_equal(privkey_sign(key_of(s->key), s, &msg, 1, sig, &n), 0);
        assert_true(n <= most);
        assert_int_equal(sig[most], 0x5a);
    }
}

/* No parts, empty parts, many parts: the signature is over their concatenation. */
static void parts(void **state)
{
    static const uint16_t ids[] = { 0x0403, 0x0807, 0x0808, 0x0804 };
    const struct span whole = span_text("abcdef"), none = { NULL, 0 };
    const struct span cut[] = { none, span_text("ab"), span_text("c"), none, span_text("def") };

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const struct scheme *s = scheme_by_id(ids[i]);
        struct privkey *k = key_of(s->key);
        struct pubkey *pub = public_of(k);
        uint8_t sig[SIG_MAX];
        size_t n = sizeof sig;

        assert_int_equal(privkey_sign(k, s, cut, 5, sig, &n), 0);
        assert_int_equal(pubkey_verify(pub, s->kind, s->hash, &whole, 1, span_of(sig, n)), 0);
        assert_int_equal(pubkey_verify(pub, s->kind, s->hash, cut, 5, span_of(sig, n)), 0);
        assert_int_equal(pubkey_verify(pub, s->kind, s->hash, cut, 4, span_of(sig, n)), BAD_SIG);
        n = sizeof sig;
        assert_int_equal(privkey_sign(k, s, NULL, 0, sig, &n), 0);
        assert_int_equal(pubkey_verify(pub, s->kind, s->hash, &none, 1, span_of(sig, n)), 0);
        pubkey_unref(pub);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eddsa_answers),
        cmocka_unit_test(ecdsa_encodings),
        cmocka_unit_test(threat_04_scheme_key_matrix),
        cmocka_unit_test(threat_05_changes_refused),
        cmocka_unit_test(other_key),
        cmocka_unit_test(pss_salt),
        cmocka_unit_test(room),
        cmocka_unit_test(parts),
    };

    return cmocka_run_group_tests(tests, start_crypto, keys_end);
}
