/* SPDX-License-Identifier: ISC */
/* A provider for libcrypto before 3.5 that has the shape of ML-KEM-768 and none of its strength:
 * what is tested with it is how the parts of a hybrid are put together, by the same calls. */
#ifndef KAT_MLKEM_DOUBLE_H
#define KAT_MLKEM_DOUBLE_H
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DOUBLE_PUBLIC 1184
#define DOUBLE_CIPHER 1088

/* The public key is a number, over and over: a flipped bit is found. */
struct double_key {
    uint8_t pub[DOUBLE_PUBLIC];
    bool has_pub, has_priv;
};

static inline void *double_new(void *provctx)
{
    (void)provctx;
    return calloc(1, sizeof(struct double_key));
}

static inline void double_free(void *key)
{
    free(key);
}

static inline int double_has(const void *key, int selection)
{
    const struct double_key *k = key;

    return (!(selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) || k->has_pub) &&
           (!(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) || k->has_priv);
}

static inline void *double_gen_init(void *provctx, int selection, const OSSL_PARAM params[])
{
    (void)selection;
    (void)params;
    return double_new(provctx);
}

static inline void *double_gen(void *gen, OSSL_CALLBACK *cb, void *arg)
{
    struct double_key *k = double_new(gen);

    (void)cb;
    (void)arg;
    if (!k || RAND_bytes(k->pub, 32) != 1) {
        free(k);
        return NULL;
    }
    k->pub[0] &= 0x7f; /* never all ones */
    for (size_t i = 32; i < sizeof k->pub; i++) {
        k->pub[i] = k->pub[i - 32];
    }
    k->has_pub = k->has_priv = true;
    return k;
}

static inline int double_import(void *key, int selection, const OSSL_PARAM params[])
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
    struct double_key *k = key;
    void *to = k->pub;
    size_t n = 0;

    (void)selection;
    if (!p || OSSL_PARAM_get_octet_string(p, &to, sizeof k->pub, &n) != 1 || n != sizeof k->pub ||
        k->pub[0] & 0x80 || memcmp(k->pub, k->pub + 32, sizeof k->pub - 32) != 0) {
        return 0;
    }
    k->has_pub = true;
    return 1;
}

static inline const OSSL_PARAM *double_import_types(int selection)
{
    static const OSSL_PARAM types[] = { OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
                                        OSSL_PARAM_END };

    (void)selection;
    return types;
}

static inline int double_get_params(void *key, OSSL_PARAM params[])
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);
    struct double_key *k = key;

    return !p || OSSL_PARAM_set_octet_string(p, k->pub, sizeof k->pub);
}

static inline const OSSL_PARAM *double_gettable(void *provctx)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0), OSSL_PARAM_END
    };

    (void)provctx;
    return types;
}

/* ---- encapsulation: the ciphertext is padding and a number; it and the key are the secret ---- */

static inline void *double_newctx(void *provctx)
{
    (void)provctx;
    return calloc(1, sizeof(struct double_key *));
}

static inline int double_init(void *ctx, void *key, const OSSL_PARAM params[])
{
    (void)params;
    *(struct double_key **)ctx = key;
    return 1;
}

static inline int double_secret(const struct double_key *k, const uint8_t *ct, uint8_t *secret)
{
    uint8_t both[32 + DOUBLE_CIPHER];
    size_t n = 32;

    memcpy(both, k->pub, 32);
    memcpy(both + 32, ct, DOUBLE_CIPHER);
    return EVP_Q_digest(NULL, "SHA256", NULL, both, sizeof both, secret, &n);
}

static inline int double_encapsulate(void *ctx, unsigned char *out, size_t *outlen,
                                     unsigned char *secret, size_t *secretlen)
{
    if (*outlen < DOUBLE_CIPHER || *secretlen < 32 || RAND_bytes(out, DOUBLE_CIPHER) != 1) {
        return 0;
    }
    *outlen = DOUBLE_CIPHER;
    *secretlen = 32;
    return double_secret(*(struct double_key **)ctx, out, secret);
}

static inline int double_decapsulate(void *ctx, unsigned char *out, size_t *outlen,
                                     const unsigned char *in, size_t inlen)
{
    const struct double_key *k = *(struct double_key **)ctx;

    if (*outlen < 32 || inlen != DOUBLE_CIPHER || !k->has_priv) {
        return 0;
    }
    *outlen = 32;
    return double_secret(k, in, out);
}

static inline const OSSL_ALGORITHM *double_query(void *provctx, int operation, int *no_cache)
{
#define DOUBLE_FN(id, fn)      \
    {                          \
        id, (void (*)(void))fn \
    }
    static const OSSL_DISPATCH keymgmt[] = {
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_NEW, double_new),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_FREE, double_free),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_HAS, double_has),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_GEN_INIT, double_gen_init),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_GEN, double_gen),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_GEN_CLEANUP, double_free),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_IMPORT, double_import),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, double_import_types),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, double_get_params),
        DOUBLE_FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, double_gettable),
        { 0, NULL },
    };
    static const OSSL_DISPATCH kem[] = {
        DOUBLE_FN(OSSL_FUNC_KEM_NEWCTX, double_newctx),
        DOUBLE_FN(OSSL_FUNC_KEM_FREECTX, double_free),
        DOUBLE_FN(OSSL_FUNC_KEM_ENCAPSULATE_INIT, double_init),
        DOUBLE_FN(OSSL_FUNC_KEM_ENCAPSULATE, double_encapsulate),
        DOUBLE_FN(OSSL_FUNC_KEM_DECAPSULATE_INIT, double_init),
        DOUBLE_FN(OSSL_FUNC_KEM_DECAPSULATE, double_decapsulate),
        { 0, NULL },
    };
#undef DOUBLE_FN
    static const OSSL_ALGORITHM keymgmts[] = {
        { "ML-KEM-768", "provider=double", keymgmt, "a test's" }, { NULL, NULL, NULL, NULL }
    };
    static const OSSL_ALGORITHM kems[] = { { "ML-KEM-768", "provider=double", kem, "a test's" },
                                           { NULL, NULL, NULL, NULL } };

    (void)provctx;
    *no_cache = 0;
    return operation == OSSL_OP_KEYMGMT ? keymgmts : operation == OSSL_OP_KEM ? kems : NULL;
}

static inline int double_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                                  const OSSL_DISPATCH **out, void **provctx)
{
    static const OSSL_DISPATCH provider_functions[] = {
        { OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))double_query },
        { 0, NULL },
    };
    static int context;

    (void)handle;
    (void)in;
    *out = provider_functions;
    *provctx = &context;
    return 1;
}
#endif
