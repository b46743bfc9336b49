/* SPDX-License-Identifier: ISC */
/* Learns every secret where it is made, and looks behind every call of the engine: what --wrap of
 * the linker puts between (tests/secrets/spied). */
#ifndef TESTS_SECRETS_SPIES_H
#define TESTS_SECRETS_SPIES_H
#include "crypto/local_openssl.h"
#include "engine.h"
#include "handshake/local.h"
#include "session/session.h"
#include "tests/secrets/watch.h"

/* ---- what is learned ---- */
#define SPY(type, name, ...)         \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

static inline void learn_base64(const char *name, const uint8_t *p, size_t n)
{
    char text[2048];

    for (size_t skip = 0; skip < 3 && n > 16; skip++) {
        const size_t take = (n - skip < 1200 ? n - skip : 1200) / 3 * 3;

        (void)EVP_EncodeBlock((unsigned char *)text, p + skip, (int)take);
        needles_add(name, (const uint8_t *)text, take / 3 * 4);
    }
    wipe(text, sizeof text);
}

struct learn_key {
    const char *name;
    const EVP_PKEY *key;
};

static inline void learn_key_job(void *arg)
{
    static const char *const numbers[] = {
        OSSL_PKEY_PARAM_PRIV_KEY,         OSSL_PKEY_PARAM_RSA_D,
        OSSL_PKEY_PARAM_RSA_FACTOR1,      OSSL_PKEY_PARAM_RSA_FACTOR2,
        OSSL_PKEY_PARAM_RSA_EXPONENT1,    OSSL_PKEY_PARAM_RSA_EXPONENT2,
        OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    const struct learn_key *l = arg;
    uint8_t bytes[1024];
    size_t n = sizeof bytes;

    learning = true;
    if (EVP_PKEY_get_raw_private_key(l->key, bytes, &n) == 1) {
        learn(l->name, bytes, n);
        learn_base64(l->name, bytes, n);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        BIGNUM *bn = NULL;

        if (EVP_PKEY_get_bn_param(l->key, numbers[i], &bn) == 1) {
            n = (size_t)BN_bn2bin(bn, bytes);
            learn(l->name, bytes, n);
            learn_base64(l->name, bytes, n);
        }
        BN_clear_free(bn);
    }
    wipe(bytes, sizeof bytes);
    ERR_clear_error();
    learning = false;
}

static inline void learn_key(const char *name, const EVP_PKEY *key)
{
    struct learn_key l = { name, key };

    on_watcher(learn_key_job, &l);
}

SPY(int, privkey_wrap, struct privkey **out, EVP_PKEY *pkey)
{
    if (pkey) {
        learn_key("a private key", pkey);
    }
    return __real_privkey_wrap(out, pkey);
}

SPY(int, EVP_PKEY_generate, EVP_PKEY_CTX *ctx, EVP_PKEY **pkey)
{
    int rc = __real_EVP_PKEY_generate(ctx, pkey);

    if (rc == 1) {
        learn_key("an ephemeral key", *pkey);
    }
    return rc;
}

SPY(int, kex_finish, struct kex *k, struct span peer, uint8_t *secret)
{
    const struct group *g = k->group;
    int rc = __real_kex_finish(k, peer, secret);

    learn("the shared secret", secret, g->secret_size);
    return rc;
}

SPY(int, kex_respond, const struct group *g, struct span peer, uint8_t *share, uint8_t *secret)
{
    int rc = __real_kex_respond(g, peer, share, secret);

    learn("the shared secret", secret, g->secret_size);
    return rc;
}

SPY(int, dhe_finish, struct kex *k, struct span peer, uint8_t *secret, size_t *n)
{
    int rc = __real_dhe_finish(k, peer, secret, n);

    if (rc == 0) {
        learn("the shared secret", secret, *n);
    }
    return rc;
}

SPY(int, privkey_decrypt_premaster, struct privkey *k, struct span sealed, uint16_t version,
    uint8_t *out)
{
    int rc = __real_privkey_decrypt_premaster(k, sealed, version, out);

    learn("the premaster secret", out, PREMASTER_RSA);
    return rc;
}

SPY(int, keys12_master, struct hs *h, struct span premaster)
{
    learn("the premaster secret", premaster.p, premaster.n);
    return __real_keys12_master(h, premaster);
}

struct learn_pads {
    struct span key;
    size_t block;
};

static inline void learn_pads_job(void *arg)
{
    const struct learn_pads *l = arg;
    uint8_t pad[HASH_BLOCK_MAX];

    for (unsigned with = 0x36; l->key.n <= l->block; with ^= 0x36 ^ 0x5c) {
        for (size_t i = 0; i < l->key.n; i++) {
            pad[i] = (uint8_t)(l->key.p[i] ^ with);
        }
        needles_add("a key of HMAC, padded", pad, l->key.n);
        if (with == 0x5c) {
            break;
        }
    }
    wipe(pad, sizeof pad);
}

SPY(int, hmac_key, enum hash_id id, struct span key, struct hmac_key *k)
{
    struct learn_pads l = { key, hash_block(id) };
    int rc;

    memset(k, 0, sizeof *k);
    rc = __real_hmac_key(id, key, k);
    learn("a key of HMAC", key.p, key.n);
    on_watcher(learn_pads_job, &l);
    if (rc == 0) {
        learn("the state of HMAC", k->pads, sizeof k->pads);
    }
    return rc;
}

SPY(int, hkdf_extract, enum hash_id id, struct span salt, struct span ikm, uint8_t *prk)
{
    int rc = __real_hkdf_extract(id, salt, ikm, prk);

    learn("a secret of the key schedule", prk, hash_size(id));
    return rc;
}

SPY(int, hkdf_label, const struct hmac_key *secret, const char *label, struct span context,
    uint8_t *out, size_t n)
{
    int rc = __real_hkdf_label(secret, label, context, out, n);

    learn(label, out, n);
    return rc;
}

SPY(int, hkdf_expand_label, enum hash_id id, const uint8_t *secret, const char *label,
    struct span context, uint8_t *out, size_t n)
{
    int rc = __real_hkdf_expand_label(id, secret, label, context, out, n);

    learn(label, out, n);
    return rc;
}

SPY(int, prf12, enum hash_id id, struct span secret, const char *label, const struct span *seed,
    size_t nseed, uint8_t *out, size_t n)
{
    int rc = __real_prf12(id, secret, label, seed, nseed, out, n);

    if (!strstr(label, "finished")) { /* which is said */
        learn(label, out, n);
    }
    return rc;
}

SPY(struct aead *, aead_new, enum aead_id id, const uint8_t *key, bool seal)
{
    learn("the key of an AEAD", key, aead_key_size(id));
    return __real_aead_new(id, key, seal);
}

SPY(int, config_add_psk, struct config *c, struct span name, struct span key, enum hash_id hash,
    const char *own, const char *peer)
{
    learn("a key from outside", key.p, key.n);
    return __real_config_add_psk(c, name, key, hash, own, peer);
}

SPY(int, config_add_psk12, struct config *c, struct span name, struct span key)
{
    learn("a key from outside", key.p, key.n);
    return __real_config_add_psk12(c, name, key);
}

/* A test may have another key log in place of what the helpers of others want, or none. */
static bool key_log_ours;
static void (*key_log)(void *ctx, const char *line);

SPY(int, config_set_keylog, struct config *c, void (*fn)(void *ctx, const char *line), void *ctx)
{
    return __real_config_set_keylog(c, key_log_ours ? key_log : fn, ctx);
}

/* ---- behind which calls is looked ---- */
static __thread unsigned call_depth;

#define CALL(type, name, params, args) \
    type __real_##name params;         \
    type __wrap_##name params;         \
    type __wrap_##name params          \
    {                                  \
        type rc;                       \
                                       \
        call_depth++;                  \
        rc = __real_##name args;       \
        if (--call_depth == 0) {       \
            look(#name);               \
        }                              \
        return rc;                     \
    }
#define CALL_VOID(name, params, args) \
    void __real_##name params;        \
    void __wrap_##name params;        \
    void __wrap_##name params         \
    {                                 \
        call_depth++;                 \
        __real_##name args;           \
        if (--call_depth == 0) {      \
            look(#name);              \
        }                             \
    }

CALL(int, tls_new,
     (struct tls * *out, struct config *c, const char *host, const char *sni,
      struct tls_session *resume, struct error *err),
     (out, c, host, sni, resume, err))
CALL_VOID(tls_free, (struct tls * t), (t))
CALL(int, tls_input, (struct tls * t, struct tls_in *in), (t, in))
CALL(struct span, tls_output, (struct tls * t), (t))
CALL_VOID(tls_sent, (struct tls * t, size_t n), (t, n))
CALL(int, tls_seal,
     (struct tls * t, const struct span *in, size_t nin, size_t *taken, uint8_t *dst, size_t room,
      size_t *made),
     (t, in, nin, taken, dst, room, made))
CALL(int, tls_seal_early,
     (struct tls * t, const struct span *in, size_t nin, size_t *taken, uint8_t *dst, size_t room,
      size_t *made),
     (t, in, nin, taken, dst, room, made))
CALL(int, tls_close, (struct tls * t), (t))
CALL(int, tls_key_update, (struct tls * t, bool ask), (t, ask))
CALL(int, tls_rehandshake, (struct tls * t, struct config *c, bool resume), (t, c, resume))
CALL_VOID(tls_end, (struct tls * t), (t))
CALL_VOID(tls_abort, (struct tls * t, enum alert desc, const char *why), (t, desc, why))
CALL_VOID(tls_park, (struct tls * t), (t))
CALL(int, tls_hand_off, (struct tls * *t, struct span received, struct span plain, struct buf *out),
     (t, received, plain, out))
CALL(int, tls_take_over,
     (struct tls * *out, struct config *c, struct buf *blob, struct buf *received,
      struct buf *plain, struct error *err),
     (out, c, blob, received, plain, err))
CALL(int, tls_kernel_keys, (struct tls * *t, struct tls_kernel *out), (t, out))
CALL(int, tls_export,
     (const struct tls *t, const char *label, struct span context, bool has_context, uint8_t *out,
      size_t n),
     (t, label, context, has_context, out, n))
CALL(int, tls_channel_binding,
     (const struct tls *t, enum tls_binding what, uint8_t *out, size_t *n), (t, what, out, n))
CALL(struct tls_session *, tls_session, (const struct tls *t), (t))
CALL(int, config_seal, (struct config * c, struct error *err), (c, err))
CALL_VOID(config_unref, (struct config * c), (c))
CALL(int, session_write, (const struct tls_session *s, struct buf *out), (s, out))
CALL(int, session_parse, (struct tls_session * *out, struct span bytes), (out, bytes))
CALL_VOID(session_unref, (struct tls_session * s), (s))
CALL(struct ticket_keys *, ticket_keys_new, (int64_t life), (life))
CALL_VOID(ticket_keys_unref, (struct ticket_keys * k), (k))
CALL(int, identity_from_bytes,
     (struct identity * *out, struct span certs, struct span key, const char *pass,
      struct error *err),
     (out, certs, key, pass, err))
CALL_VOID(identity_unref, (struct identity * id), (id))
CALL(int, privkey_load,
     (struct privkey * *out, struct span bytes, const char *pass, struct error *err),
     (out, bytes, pass, err))
CALL_VOID(privkey_unref, (struct privkey * k), (k))
#endif
