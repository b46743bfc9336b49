/* SPDX-License-Identifier: ISC */
/* Private keys from and to files' contents. libcrypto's decoder knows the containers; what it must
 * never do is ask for a passphrase on the terminal of the program that is being wrapped. */
#include "base/options.h"

#ifdef USE_PRIVATE_KEY_PARSING
#include <limits.h>

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/keyfile.h"
#include "crypto/memory.h"

static int give_passphrase(char *out, size_t size, size_t *len, const OSSL_PARAM params[],
                           void *arg)
{
    struct answer *p = arg;
    const size_t n = p->pass ? strlen(p->pass) : 0;

    (void)params;
    p->asked = true;
    if (!p->pass || n > size) {
        return 0;
    }
    memcpy(out, p->pass, n);
    *len = n;
    return 1;
}

EVP_PKEY *keyfile_decode(OSSL_LIB_CTX *lib, struct span bytes, struct answer *pass)
{
    EVP_PKEY *pkey = NULL;
    BIO *bio = BIO_new_mem_buf(bytes.p, (int)bytes.n);
    OSSL_DECODER_CTX *ctx = OSSL_DECODER_CTX_new_for_pkey(
        &pkey, NULL, NULL, NULL, OSSL_KEYMGMT_SELECT_PRIVATE_KEY, lib, NULL);
    bool ok = bio && ctx && OSSL_DECODER_CTX_set_passphrase_cb(ctx, give_passphrase, pass) == 1;

    for (long at = 0; ok && !pkey;) {
        if (OSSL_DECODER_from_bio(ctx, bio) != 1 || !pkey) {
            const long now = BIO_tell(bio);

            ok = now > at && !BIO_eof(bio);
            at = now;
        }
    }
    OSSL_DECODER_CTX_free(ctx);
    BIO_free(bio);
    wipe_below(); /* the passphrase, and keys of what it opens */
    return pkey;
}

/* A signature and its check: a file whose private and public halves differ is found when it is
 * read, not by the first peer. */
static int check_pair(struct privkey *k)
{
    const struct pubkey pub = { .type = k->type, .pkey = k->pkey };
    const struct span msg = { (const uint8_t *)"sleeve", 6 };
    const struct scheme *s;
    uint8_t sig[SIG_MAX];

    for (size_t i = 0; (s = scheme_at(i)) != NULL; i++) {
        size_t n = sizeof sig;
        int rc = privkey_sign(k, s, &msg, 1, sig, &n);

        if (rc == 0) {
            rc = pubkey_verify(&pub, s->kind, s->hash, &msg, 1, span_of(sig, n));
            return rc == TLS_ALERT(ALERT_DECRYPT_ERROR) ? ERR_PARSE : rc;
        }
        if (rc == ERR_MEM) {
            return rc;
        }
        /* An RSASSA-PSS key may be restricted to one digest: then the others do not sign. */
    }
    return ERR_PARSE;
}

int privkey_load(struct privkey **out, struct span bytes, const char *passphrase, struct error *err)
{
    struct answer pass = { .pass = passphrase };
    EVP_PKEY *pkey;
    int rc;

    IN_LIBCRYPTO;
    *out = NULL;
    if (bytes.n == 0 || bytes.n > INT_MAX) {
        return FAIL(err, ERR_PARSE, "the private key is empty");
    }
    (void)ERR_set_mark();
    pkey = keyfile_decode(provider.lib, bytes, &pass);
    if (!pkey && pass.asked && passphrase) {
        pkey = keyfile_decode_old(bytes, &pass);
    }
    (void)ERR_pop_to_mark();
    if (!pkey && crypto_why(ERR_PARSE) == ERR_MEM) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    if (!pkey && pass.asked) {
        return FAIL(err, ERR_PASSPHRASE,
                    passphrase ? "the private key does not open with this passphrase"
                               : "the private key is encrypted and no passphrase was given");
    }
    if (!pkey) {
        return FAIL(err, ERR_PARSE, "no private key found (PEM or DER of PKCS#8, PKCS#1 or SEC1)");
    }
    rc = privkey_wrap(out, pkey);
    if (rc == ERR_UNSUPPORTED) {
        return FAIL(err, rc,
                    "a private key of this kind is of no use to TLS; RSA of 1024 to 8192 bits, "
                    "P-256, P-384, P-521, Ed25519 and Ed448 are");
    }
    if (rc < 0) {
        return FAIL(err, rc, "%s", error_name(rc));
    }
    rc = check_pair(*out);
    if (rc < 0) {
        privkey_unref(*out);
        *out = NULL;
        return FAIL(err, rc,
                    rc == ERR_PARSE ? "the private key does not belong to its own public part"
                                    : "the private key could not be tried out");
    }
    return 0;
}

static int encode(const struct privkey *k, int selection, const char *format, const char *structure,
                  struct buf *b)
{
    IN_LIBCRYPTO;
    OSSL_ENCODER_CTX *ctx =
        OSSL_ENCODER_CTX_new_for_pkey(k->pkey, selection, format, structure, NULL);
    unsigned char *data = NULL;
    size_t n = 0;
    int rc = ERR_CRYPTO;

    if (ctx && OSSL_ENCODER_to_data(ctx, &data, &n) == 1) {
        rc = buf_append(b, data, n);
    }
    OSSL_ENCODER_CTX_free(ctx);
    OPENSSL_clear_free(data, n);
    return rc < 0 ? crypto_fail(rc) : 0;
}

int privkey_public_spki(const struct privkey *k, struct buf *b)
{
    return encode(k, EVP_PKEY_PUBLIC_KEY, "DER", "SubjectPublicKeyInfo", b);
}

int privkey_write_pem(const struct privkey *k, struct buf *b)
{
    b->secret = true;
    return encode(k, EVP_PKEY_KEYPAIR, "PEM", "PrivateKeyInfo", b);
}
#endif
