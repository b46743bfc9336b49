/* SPDX-License-Identifier: ISC */
/* RSA key exchange (RFC 5246 section 7.4.7.1). libcrypto's TLS padding mode looks at padding and
 * version without a branch and answers with random bytes when they are wrong; nothing here looks at
 * what was deciphered (threat 12). */
#include "base/secret.h"
#include "crypto/local_openssl.h"

int pubkey_encrypt_pkcs1(const struct pubkey *k, struct span in, uint8_t *out, size_t *outlen)
{
    EVP_PKEY_CTX *ctx;
    int rc = 0;

    wipe(out, *outlen);
    if (k->type != KEY_RSA) {
        return ERR_MISMATCH;
    }
    if (*outlen < (size_t)EVP_PKEY_get_size(k->pkey)) {
        return ERR_ARG;
    }
    IN_LIBCRYPTO;
    ctx = EVP_PKEY_CTX_new_from_pkey(provider.lib, k->pkey, NULL);
    if (!ctx || EVP_PKEY_encrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_encrypt(ctx, out, outlen, in.p, in.n) != 1) {
        rc = crypto_fail(ERR_CRYPTO);
    }
    EVP_PKEY_CTX_free(ctx);
    return rc;
}

int privkey_decrypt_premaster(struct privkey *k, struct span sealed, uint16_t client_version,
                              uint8_t out[static PREMASTER_RSA])
{
    SECRET(opened, PREMASTER_RSA);
    size_t n = sizeof opened;
    unsigned version = client_version;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_uint(OSSL_ASYM_CIPHER_PARAM_TLS_CLIENT_VERSION, &version),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx;

    wipe(out, PREMASTER_RSA);
    if (k->type != KEY_RSA) {
        return ERR_MISMATCH;
    }
    /* What is left when the ciphertext is no number below the modulus, or memory is short: the
     * handshake then fails at Finished like with any other garbage. */
    if (rand_bytes(out, PREMASTER_RSA) < 0) {
        wipe(out, PREMASTER_RSA);
        return ERR_CRYPTO;
    }
    IN_LIBCRYPTO_IF(!privkey_is_token(k));
    if (privkey_is_token(k)) {
        token_begin();
    }
    ctx = EVP_PKEY_CTX_new_from_pkey(k->lib, k->pkey, k->query);
    if (ctx && sealed.n == (size_t)EVP_PKEY_get_size(k->pkey) && EVP_PKEY_decrypt_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_WITH_TLS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_params(ctx, params) == 1 &&
        EVP_PKEY_decrypt(ctx, opened, &n, sealed.p, sealed.n) == 1 && n == sizeof opened) {
        memcpy(out, opened, PREMASTER_RSA);
    }
    EVP_PKEY_CTX_free(ctx);
    wipe_below();
    if (privkey_is_token(k)) {
        token_end();
    }
    return crypto_fail(0);
}
