/* SPDX-License-Identifier: ISC */
#include "base/mem.h"
#include "base/secret.h"
#include "base/trace.h"
#include "crypto/local_openssl.h"

/* Which key makes which kind of signature (threat 4). An RSASSA-PSS key is for nothing but PSS. */
static bool kind_fits(enum sig_kind kind, enum hash_id hash, enum key_type type)
{
    switch (kind) {
    case SIG_RSA_PKCS1:
        return type == KEY_RSA && hash != HASH_NONE;
    case SIG_RSA_PSS:
        return (type == KEY_RSA || type == KEY_RSA_PSS) && hash != HASH_NONE;
    case SIG_ECDSA:
        return (type == KEY_EC_P256 || type == KEY_EC_P384 || type == KEY_EC_P521) &&
               hash != HASH_NONE;
    case SIG_EDDSA:
        return (type == KEY_ED25519 || type == KEY_ED448) && hash == HASH_NONE;
    }
    return false;
}

/* A context to sign or verify digests: RSA is told padding, digest and salt (RFC 8446
 * section 4.2.3: MGF1 with the same digest, salt as long as the digest). ECDSA needs none of it. */
static EVP_PKEY_CTX *digest_ctx(OSSL_LIB_CTX *lib, EVP_PKEY *pkey, const char *query,
                                enum sig_kind kind, enum hash_id hash, bool sign)
{
    char *md = (char *)(uintptr_t)digest_names[hash];
    char pss[] = OSSL_PKEY_RSA_PAD_MODE_PSS, pkcs1[] = OSSL_PKEY_RSA_PAD_MODE_PKCSV15;
    char salt[] = OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST;
    OSSL_PARAM params[4], *p = params;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(lib, pkey, query);

    if (kind == SIG_RSA_PKCS1 || kind == SIG_RSA_PSS) {
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE,
                                                kind == SIG_RSA_PSS ? pss : pkcs1, 0);
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, md, 0);
    }
    if (kind == SIG_RSA_PSS) {
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, salt, 0);
    }
    *p = OSSL_PARAM_construct_end();
    if (!ctx ||
        (sign ? EVP_PKEY_sign_init_ex(ctx, params) : EVP_PKEY_verify_init_ex(ctx, params)) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* EdDSA reads its message twice, so it must lie in one piece. *mem is to be freed. */
static int join(const struct span *parts, size_t n, struct span *whole, uint8_t **mem)
{
    size_t total = 0;

    *mem = NULL;
    if (n == 1) {
        *whole = parts[0];
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        total += parts[i].n;
    }
    *mem = mem_alloc(total);
    if (!*mem) {
        return ERR_MEM;
    }
    *whole = span_of(*mem, total);
    for (size_t i = 0, at = 0; i < n; at += parts[i++].n) {
        if (parts[i].n) {
            memcpy(*mem + at, parts[i].p, parts[i].n);
        }
    }
    return 0;
}

/* ---- verifying ---- */

static int verify_whole(const struct pubkey *k, const struct span *msg, size_t nmsg,
                        struct span sig)
{
    IN_LIBCRYPTO;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct span whole;
    uint8_t *mem;
    int rc = join(msg, nmsg, &whole, &mem);

    if (rc == 0 &&
        !(ctx && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, provider.lib, NULL, k->pkey, NULL) == 1 &&
          EVP_DigestVerify(ctx, sig.p, sig.n, whole.p, whole.n) == 1)) {
        rc = crypto_fail(TLS_ALERT(ALERT_DECRYPT_ERROR));
    }
    EVP_MD_CTX_free(ctx);
    mem_free(mem);
    return rc;
}

int pubkey_verify(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                  const struct span *msg, size_t nmsg, struct span sig)
{
    uint8_t digest[HASH_MAX];

    if (hash >= HASH_COUNT || !kind_fits(kind, hash, k->type)) {
        return ERR_MISMATCH;
    }
    if (kind == SIG_EDDSA) {
        return verify_whole(k, msg, nmsg, sig);
    }
    TRY(hash_parts(hash, msg, nmsg, digest));
    return pubkey_verify_digest(k, kind, hash, span_of(digest, hash_size(hash)), sig);
}

int pubkey_verify_digest(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                         struct span digest, struct span sig)
{
    _Atomic(EVP_PKEY_CTX *) *idle;
    EVP_PKEY_CTX *ctx;
    int rc = 0;

    if (hash >= HASH_COUNT || kind == SIG_EDDSA || !kind_fits(kind, hash, k->type) ||
        digest.n != hash_size(hash)) {
        return ERR_MISMATCH;
    }
    IN_LIBCRYPTO;
    idle = k->kept ? &k->kept->idle[kind][hash] : NULL;
    ctx = idle ? atomic_exchange(idle, NULL) : NULL;
    ctx = ctx ? ctx : digest_ctx(provider.lib, k->pkey, NULL, kind, hash, false);
    if (!ctx) {
        return crypto_fail(ERR_CRYPTO);
    }
    /* ECDSA: libcrypto insists on the one DER encoding of r and s. */
    if (EVP_PKEY_verify(ctx, sig.p, sig.n, digest.p, digest.n) != 1) {
        rc = crypto_fail(TLS_ALERT(ALERT_DECRYPT_ERROR));
    }
    trace(TRACE_CRYPTO, "a signature by a key of %u bits is %s", pubkey_bits(k),
          rc == 0 ? "right" : "not right");
    EVP_PKEY_CTX_free(idle && rc == 0 ? atomic_exchange(idle, ctx) : ctx);
    return rc;
}

/* ---- signing ---- */

static int sign_whole(struct privkey *k, const struct span *msg, size_t nmsg, uint8_t *sig,
                      size_t *siglen)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct span whole;
    uint8_t *mem;
    int rc = join(msg, nmsg, &whole, &mem);

    if (rc == 0 &&
        !(ctx && EVP_DigestSignInit_ex(ctx, NULL, NULL, k->lib, k->query, k->pkey, NULL) == 1 &&
          EVP_DigestSign(ctx, sig, siglen, whole.p, whole.n) == 1)) {
        rc = crypto_fail(ERR_CRYPTO);
    }
    EVP_MD_CTX_free(ctx);
    mem_free(mem);
    return rc;
}

/* One context out of those that wait, or a new one. */
static EVP_PKEY_CTX *signer_take(struct privkey *k, const struct scheme *s)
{
    const size_t row = scheme_index(s);

    for (int i = 0; i < SIGNERS_KEPT; i++) {
        EVP_PKEY_CTX *ctx = atomic_exchange(&k->idle[row][i], NULL);

        if (ctx) {
            return ctx;
        }
    }
    return digest_ctx(k->lib, k->pkey, k->query, s->kind, s->hash, true);
}

static void signer_give(struct privkey *k, const struct scheme *s, EVP_PKEY_CTX *ctx)
{
    const size_t row = scheme_index(s);

    for (int i = 0; ctx && i < SIGNERS_KEPT; i++) {
        ctx = atomic_exchange(&k->idle[row][i], ctx);
    }
    EVP_PKEY_CTX_free(ctx);
}

static int sign_digest(struct privkey *k, const struct scheme *s, const struct span *msg,
                       size_t nmsg, uint8_t *sig, size_t *siglen)
{
    uint8_t digest[HASH_MAX];
    EVP_PKEY_CTX *ctx;

    if (s->digested && (nmsg != 1 || msg[0].n != hash_size(s->hash))) {
        return ERR_ARG;
    }
    if (s->digested) {
        memcpy(digest, msg[0].p, msg[0].n);
    } else {
        TRY(hash_parts(s->hash, msg, nmsg, digest));
    }
    ctx = signer_take(k, s);
    if (!ctx || EVP_PKEY_sign(ctx, sig, siglen, digest, hash_size(s->hash)) != 1) {
        EVP_PKEY_CTX_free(ctx);
        return crypto_fail(ERR_CRYPTO);
    }
    signer_give(k, s, ctx);
    return 0;
}

static int sign(struct privkey *k, const struct scheme *s, const struct span *msg, size_t nmsg,
                uint8_t *sig, size_t *siglen)
{
    const bool token = privkey_is_token(k);
    int rc;

    /* Before TLS 1.3 ECDSA with some hash says nothing of the curve (RFC 5246 section 7.4.1.4.1).
     */
    if (s->kind == SIG_ECDSA ? !kind_fits(s->kind, s->hash, k->type) : s->key != k->type) {
        return ERR_MISMATCH;
    }
    if (*siglen < (size_t)EVP_PKEY_get_size(k->pkey)) {
        return ERR_ARG;
    }
    trace(TRACE_CRYPTO, "signing with %s", s->name);
    IN_LIBCRYPTO_IF(!token);
    if (token) {
        token_begin();
    }
    rc = s->kind == SIG_EDDSA ? sign_whole(k, msg, nmsg, sig, siglen)
                              : sign_digest(k, s, msg, nmsg, sig, siglen);
    if (token) {
        token_end();
    }
    return rc;
}

int privkey_sign(struct privkey *k, const struct scheme *s, const struct span *msg, size_t nmsg,
                 uint8_t *sig, size_t *siglen)
{
    const size_t room = *siglen;
    const int rc = sign(k, s, msg, nmsg, sig, siglen);

    if (rc < 0) {
        wipe(sig, room);
    }
    return rc;
}
