/* SPDX-License-Identifier: ISC */
/* What the tests of key exchange share: the same done with nothing of ours, and how a share is
 * refused. */
#ifndef KAT_KEX_H
#define KAT_KEX_H
#include "kat.h"

#include "crypto/local_openssl.h"

#define HYBRID 4588 /* X25519MLKEM768 */

/* A key pair made with nothing of ours. */
static inline EVP_PKEY *key_named(const char *type, const char *group)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(provider.lib, type, NULL);
    EVP_PKEY *key = NULL;

    assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
    if (group) {
        assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, group), 1);
    }
    assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static inline size_t public_of(EVP_PKEY *key, uint8_t *out, size_t size)
{
    size_t n = 0;

    assert_int_equal(
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, out, size, &n), 1);
    return n;
}

/* The secret of a key and a share, with nothing of ours; how many bytes it has. */
static inline size_t derived(EVP_PKEY *key, const uint8_t *share, size_t n, uint8_t *out,
                             size_t size)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, key, NULL);
    EVP_PKEY *peer = EVP_PKEY_new();

    assert_int_equal(EVP_PKEY_copy_parameters(peer, key), 1);
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(peer, share, n), 1);
    assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
    if (EVP_PKEY_is_a(key, "DH")) {
        assert_int_equal(EVP_PKEY_CTX_set_dh_pad(ctx, 1), 1);
    }
    assert_int_equal(EVP_PKEY_derive_set_peer(ctx, peer), 1);
    assert_int_equal(EVP_PKEY_derive(ctx, out, &size), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    return size;
}

/* Both sides refuse the share, and leave nothing in their outputs. */
static inline void refused(const struct group *g, const uint8_t *share, size_t n)
{
    uint8_t mine[KEX_SHARE_MAX], secret[KEX_SECRET_MAX];
    struct kex *k;

    memset(mine, 0x5a, sizeof mine);
    memset(secret, 0x5a, sizeof secret);
    assert_int_equal(kex_respond(g, span_of(share, n), mine, secret), BAD_SHARE);
    assert_true(all_zero(mine, g->share_server));
    assert_true(all_zero(secret, g->secret_size));
    k = kex_start(g, mine);
    assert_non_null(k);
    memset(secret, 0x5a, sizeof secret);
    assert_int_equal(kex_finish(k, span_of(share, n), secret), BAD_SHARE);
    assert_true(all_zero(secret, g->secret_size));
    kex_free(k);
    assert_int_equal(ERR_peek_error(), 0); /* nothing for the program's own use of libcrypto */
}
#endif
