/* SPDX-License-Identifier: ISC */
/* One private key of each type, made when first asked for, and public keys out of private ones the
 * way x509 makes them: from the bytes of a SubjectPublicKeyInfo. */
#ifndef KAT_KEYS_H
#define KAT_KEYS_H
#include "crypto/local_openssl.h"
#include "kat.h"

#define KEY_TYPES (KEY_ED448 + 1)

static inline struct privkey *key_new(enum key_type type)
{
    struct privkey *k;

    assert_int_equal(privkey_generate(&k, type, 2048), 0);
    return k;
}

static inline struct privkey **key_shelf(void)
{
    static struct privkey *shelf[KEY_TYPES];

    return shelf;
}

static inline struct privkey *key_of(enum key_type type)
{
    struct privkey **at = &key_shelf()[type];

    if (!*at) {
        *at = key_new(type);
    }
    return *at;
}

static inline int keys_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEY_TYPES; i++) {
        privkey_unref(key_shelf()[i]);
        key_shelf()[i] = NULL;
    }
    return 0;
}

static inline struct bytes number_of(const struct privkey *k, const char *name)
{
    struct bytes b = { 0 };
    BIGNUM *bn = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(k->pkey, name, &bn), 1);
    b.n = (size_t)BN_bn2bin(bn, b.p);
    BN_free(bn);
    return b;
}

static inline struct bytes point_of(const struct privkey *k)
{
    const bool ec = k->type >= KEY_EC_P256 && k->type <= KEY_EC_P521;
    struct bytes b = { .n = sizeof b.p };

    if (ec) {
        assert_int_equal(EVP_PKEY_get_octet_string_param(
                             k->pkey, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, b.p, sizeof b.p, &b.n),
                         1);
    } else {
        assert_int_equal(EVP_PKEY_get_raw_public_key(k->pkey, b.p, &b.n), 1);
    }
    return b;
}

static inline struct pubkey *public_of(const struct privkey *k)
{
    struct pubkey *pub;

    if (k->type == KEY_RSA || k->type == KEY_RSA_PSS) {
        const struct bytes n = number_of(k, OSSL_PKEY_PARAM_RSA_N);
        const struct bytes e = number_of(k, OSSL_PKEY_PARAM_RSA_E);

        assert_int_equal(pubkey_from_rsa(&pub, k->type, span_bytes(&n), span_bytes(&e)), 0);
    } else {
        const struct bytes point = point_of(k);

        assert_int_equal(pubkey_from_point(&pub, k->type, span_bytes(&point)), 0);
    }
    return pub;
}
#endif
