/* SPDX-License-Identifier: ISC */
/* A provider of libcrypto that plays a token: "token:FILE.pem" is the key and the certificate in
 * that file; a file with "locked" in its name is behind the PIN 1234. Keys sign and say what they
 * are; of their halves only the public one leaves. */
#include <openssl/bio.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/ui.h>
#include <string.h>

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                       const OSSL_DISPATCH **out, void **provctx);

/* ---- keys: an EVP_PKEY of another context, that is never handed out ---- */

static void *key_new(void *provctx)
{
    (void)provctx;
    return NULL;
}

static void key_free(void *key)
{
    EVP_PKEY_free(key);
}

static void *key_load(const void *reference, size_t n)
{
    EVP_PKEY **at = (EVP_PKEY **)(uintptr_t)reference;
    EVP_PKEY *key = n == sizeof key ? *at : NULL;

    if (key) {
        *at = NULL;
    }
    return key;
}

static int key_has(const void *key, int selection)
{
    return key && !(selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY);
}

static int key_get(void *key, OSSL_PARAM params[])
{
    static const char *const names[] = { OSSL_PKEY_PARAM_BITS, OSSL_PKEY_PARAM_SECURITY_BITS,
                                         OSSL_PKEY_PARAM_MAX_SIZE };
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_GROUP_NAME);
    char group[64];

    for (size_t i = 0; i < 3; i++) {
        OSSL_PARAM *q = OSSL_PARAM_locate(params, names[i]);
        int v = 0;

        if (q && (EVP_PKEY_get_int_param(key, names[i], &v) != 1 || !OSSL_PARAM_set_int(q, v))) {
            return 0;
        }
    }
    return !p || (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
                  OSSL_PARAM_set_utf8_string(p, group));
}

static const OSSL_PARAM *key_gettable(void *provctx)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)provctx;
    return types;
}

/* Whoever asks for the whole key gets the public half, as from a TPM. */
static int key_export(void *key, int selection, OSSL_CALLBACK *cb, void *arg)
{
    OSSL_PARAM *params = NULL;
    int ok;

    (void)selection;
    ok = EVP_PKEY_todata(key, EVP_PKEY_PUBLIC_KEY, &params) == 1 && cb(params, arg);
    OSSL_PARAM_free(params);
    return ok;
}

static const OSSL_PARAM *key_export_types(int selection)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)selection;
    return types;
}

static const char *key_operation(int operation)
{
    return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* ---- signatures: the token asks again for each ---- */

/* As real ones do it: whoever has no PIN for it is asked on the terminal. */
static size_t ask_terminal(char *pin, size_t room)
{
    UI *ui = UI_new_method(NULL);

    pin[0] = '\0';
    if (ui && UI_add_input_string(ui, "PIN of the token: ", 0, pin, 0, (int)room - 1) >= 0) {
        (void)UI_process(ui);
    }
    UI_free(ui);
    return strlen(pin);
}

struct signer {
    EVP_PKEY_CTX *ctx;
    EVP_PKEY *key;
};

static void *signer_new(void *provctx, const char *properties)
{
    (void)provctx;
    (void)properties;
    return OPENSSL_zalloc(sizeof(struct signer));
}

static void signer_free(void *ctx)
{
    struct signer *s = ctx;

    EVP_PKEY_CTX_free(s->ctx);
    OPENSSL_free(s);
}

static int signer_init(void *ctx, void *key, const OSSL_PARAM params[])
{
    struct signer *s = ctx;

    EVP_PKEY_CTX_free(s->ctx);
    s->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    return s->ctx && EVP_PKEY_sign_init_ex(s->ctx, params) == 1;
}

static int signer_sign(void *ctx, unsigned char *sig, size_t *n, size_t room,
                       const unsigned char *tbs, size_t tbslen)
{
    char pin[64];

    (void)ask_terminal(pin, sizeof pin);
    *n = room;
    return EVP_PKEY_sign(((struct signer *)ctx)->ctx, sig, n, tbs, tbslen) == 1;
}

static int signer_set(void *ctx, const OSSL_PARAM params[])
{
    struct signer *s = ctx;

    return !s->ctx || EVP_PKEY_CTX_set_params(s->ctx, params) == 1;
}

static const OSSL_PARAM *signer_settable(void *ctx, void *provctx)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)ctx;
    (void)provctx;
    return types;
}

/* EdDSA signs messages, not digests. */
static int whole_init(void *ctx, const char *md, void *key, const OSSL_PARAM params[])
{
    (void)params;
    ((struct signer *)ctx)->key = key;
    return !md || !*md;
}

static int whole_sign(void *ctx, unsigned char *sig, size_t *n, size_t room,
                      const unsigned char *msg, size_t len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const int ok = md &&
                   EVP_DigestSignInit(md, NULL, NULL, NULL, ((struct signer *)ctx)->key) == 1 &&
                   (*n = room, EVP_DigestSign(md, sig, n, msg, len) == 1);

    EVP_MD_CTX_free(md);
    return ok;
}

/* ---- the store ---- */

struct drawer {
    char *path;
    EVP_PKEY *key;
    int next; /* 0: the key, 1: the certificate, 2: the end */
};

static void *drawer_open(void *provctx, const char *uri)
{
    struct drawer *d = OPENSSL_zalloc(sizeof *d);

    (void)provctx;
    if (d && strncmp(uri, "token:", 6) == 0) {
        d->path = OPENSSL_strdup(uri + 6);
    }
    return d;
}

static int drawer_close(void *ctx)
{
    struct drawer *d = ctx;

    EVP_PKEY_free(d->key);
    OPENSSL_free(d->path);
    OPENSSL_free(d);
    return 1;
}

static int drawer_eof(void *ctx)
{
    return ((struct drawer *)ctx)->next >= 2;
}

static int pin_is_right(const struct drawer *d, OSSL_PASSPHRASE_CALLBACK *ask, void *arg)
{
    char pin[64];
    size_t n = 0;

    if (!strstr(d->path, "locked")) {
        return 1;
    }
    if (ask(pin, sizeof pin, &n, NULL, arg) != 1) {
        n = ask_terminal(pin, sizeof pin);
    }
    return n == 4 && memcmp(pin, "1234", 4) == 0;
}

static int hand_key(struct drawer *d, BIO *bio, OSSL_CALLBACK *object, void *arg)
{
    int type = OSSL_OBJECT_PKEY;
    char *name;

    d->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (char[]){ "" });
    name = d->key ? (char *)(uintptr_t)EVP_PKEY_get0_type_name(d->key) : NULL;
    if (!name) {
        return 1; /* there is none: go on */
    }
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &d->key, sizeof d->key),
        OSSL_PARAM_construct_end(),
    };

    return object(params, arg);
}

static int hand_cert(BIO *bio, OSSL_CALLBACK *object, void *arg)
{
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    unsigned char *der = NULL;
    const int n = x ? i2d_X509(x, &der) : 0;
    int type = OSSL_OBJECT_CERT, ok;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, der, n > 0 ? (size_t)n : 0),
        OSSL_PARAM_construct_end(),
    };

    ok = n <= 0 || object(params, arg);
    OPENSSL_free(der);
    X509_free(x);
    return ok;
}

static int drawer_load(void *ctx, OSSL_CALLBACK *object, void *arg, OSSL_PASSPHRASE_CALLBACK *ask,
                       void *ask_arg)
{
    struct drawer *d = ctx;
    const int next = d->next++;
    BIO *bio;
    int ok;

    if (!d->path || !pin_is_right(d, ask, ask_arg)) {
        d->next = 2;
        return 0;
    }
    bio = BIO_new_file(d->path, "r");
    ok = bio && (next == 0 ? hand_key(d, bio, object, arg) : hand_cert(bio, object, arg));
    BIO_free(bio);
    return ok;
}

static int drawer_set(void *ctx, const OSSL_PARAM params[])
{
    (void)ctx;
    (void)params;
    return 1;
}

/* ---- the provider ---- */

#define FN(id, fn)                         \
    {                                      \
        OSSL_FUNC_##id, (void (*)(void))fn \
    }
#define KEYMGMT                                                                       \
    FN(KEYMGMT_NEW, key_new), FN(KEYMGMT_FREE, key_free), FN(KEYMGMT_LOAD, key_load), \
        FN(KEYMGMT_HAS, key_has), FN(KEYMGMT_EXPORT, key_export),                     \
        FN(KEYMGMT_EXPORT_TYPES, key_export_types), FN(KEYMGMT_GET_PARAMS, key_get),  \
        FN(KEYMGMT_GETTABLE_PARAMS, key_gettable)
static const OSSL_DISPATCH ec[] = { KEYMGMT,
                                    FN(KEYMGMT_QUERY_OPERATION_NAME, key_operation),
                                    { 0, NULL } },
                           other[] = { KEYMGMT, { 0, NULL } },
                           signature[] = { FN(SIGNATURE_NEWCTX, signer_new),
                                           FN(SIGNATURE_FREECTX, signer_free),
                                           FN(SIGNATURE_SIGN_INIT, signer_init),
                                           FN(SIGNATURE_SIGN, signer_sign),
                                           FN(SIGNATURE_SET_CTX_PARAMS, signer_set),
                                           FN(SIGNATURE_SETTABLE_CTX_PARAMS, signer_settable),
                                           { 0, NULL } },
                           whole[] = { FN(SIGNATURE_NEWCTX, signer_new),
                                       FN(SIGNATURE_FREECTX, signer_free),
                                       FN(SIGNATURE_DIGEST_SIGN_INIT, whole_init),
                                       FN(SIGNATURE_DIGEST_SIGN, whole_sign),
                                       { 0, NULL } },
                           store[] = { FN(STORE_OPEN, drawer_open),
                                       FN(STORE_LOAD, drawer_load),
                                       FN(STORE_EOF, drawer_eof),
                                       FN(STORE_CLOSE, drawer_close),
                                       FN(STORE_SET_CTX_PARAMS, drawer_set),
                                       { 0, NULL } };

#define ROW(name, fns)                                   \
    {                                                    \
        name, "provider=provider_token", fns, "a test's" \
    }
static const OSSL_ALGORITHM keymgmts[] = { ROW("EC", ec),
                                           ROW("RSA", other),
                                           ROW("ED25519", other),
                                           { NULL, NULL, NULL, NULL } },
                            signatures[] = { ROW("ECDSA", signature),
                                             ROW("RSA", signature),
                                             ROW("ED25519", whole),
                                             { NULL, NULL, NULL, NULL } },
                            stores[] = { ROW("token", store), { NULL, NULL, NULL, NULL } };

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
    (void)provctx;
    *no_cache = 0;
    return operation == OSSL_OP_KEYMGMT     ? keymgmts
           : operation == OSSL_OP_SIGNATURE ? signatures
           : operation == OSSL_OP_STORE     ? stores
                                            : NULL;
}

__attribute__((visibility("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *handle,
                                                              const OSSL_DISPATCH *in,
                                                              const OSSL_DISPATCH **out,
                                                              void **provctx)
{
    static const OSSL_DISPATCH functions[] = {
        FN(PROVIDER_QUERY_OPERATION, query),
        { 0, NULL },
    };
    static int context;

    (void)handle;
    (void)in;
    *out = functions;
    *provctx = &context;
    return 1;
}
