/* SPDX-License-Identifier: ISC */
/* PKCS#12 (RFC 7292) is turned into the PEM that everything else reads, and made. The bags are
 * walked here because PKCS12_parse() of OpenSSL 3.0 takes ciphers and keys from the default library
 * context, which is the wrapped program's. */
#include "base/options.h"

#ifdef USE_PKCS12
#include <limits.h>
/* The same clash of names as in local_openssl.h. */
#define ERR_STATE LIBCRYPTO_ERR_STATE
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#undef ERR_STATE

#include "base/buf.h"
#include "base/secret.h"
#include "crypto/local_openssl.h"

typedef STACK_OF(X509) certs_of;
typedef STACK_OF(PKCS12_SAFEBAG) bags_of;
typedef STACK_OF(PKCS7) safes_of;

struct contents {
    OSSL_LIB_CTX *lib; /* whose ciphers open it */
    const char *pass;
    EVP_PKEY *pkey; /* the first private key there is */
    certs_of *certs;
};

/* In that library context; only the function that reads from a BIO asks the object for it. */
static PKCS12 *decode(OSSL_LIB_CTX *lib, struct span bytes)
{
    PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, lib, NULL);
    BIO *bio = BIO_new_mem_buf(bytes.p, (int)bytes.n);

    if (!bio || !p12 || !d2i_PKCS12_bio(bio, &p12)) {
        PKCS12_free(p12); /* NULL when decoding failed */
        p12 = NULL;
    }
    BIO_free(bio);
    return p12;
}

/* ---- taking it apart ---- */

static bool take_key(struct contents *c, const PKCS8_PRIV_KEY_INFO *info)
{
    if (info && !c->pkey) {
        c->pkey = EVP_PKCS82PKEY_ex(info, provider.lib, NULL);
    }
    return c->pkey != NULL;
}

static bool take_cert(struct contents *c, const PKCS12_SAFEBAG *bag)
{
    X509 *x;

    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) {
        return true;
    }
    x = PKCS12_SAFEBAG_get1_cert(bag);
    if (x && sk_X509_push(c->certs, x) > 0) {
        return true;
    }
    X509_free(x);
    return false;
}

/* Bags lie in bags as deep as libcrypto's decoder allows. */
static bool take_bags(struct contents *c, const bags_of *bags)
{
    bool ok = bags != NULL;

    for (int i = 0; ok && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
        PKCS8_PRIV_KEY_INFO *info;

        switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_keyBag:
            ok = take_key(c, PKCS12_SAFEBAG_get0_p8inf(bag));
            break;
        case NID_pkcs8ShroudedKeyBag:
            info = PKCS12_decrypt_skey_ex(bag, c->pass, -1, c->lib, NULL);
            ok = take_key(c, info) && info;
            PKCS8_PRIV_KEY_INFO_free(info);
            break;
        case NID_certBag:
            ok = take_cert(c, bag);
            break;
        case NID_safeContentsBag:
            ok = take_bags(c, PKCS12_SAFEBAG_get0_safes(bag));
            break;
        default:
            break;
        }
    }
    return ok;
}

static bool take_safe(struct contents *c, PKCS7 *safe)
{
    bags_of *bags;
    bool ok;

    if (OBJ_obj2nid(safe->type) == NID_pkcs7_data) {
        bags = PKCS12_unpack_p7data(safe);
    } else if (OBJ_obj2nid(safe->type) == NID_pkcs7_encrypted) {
        bags = PKCS12_unpack_p7encdata(safe, c->pass, -1);
    } else {
        return true; /* for the holder of another key */
    }
    ok = take_bags(c, bags);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return ok;
}

static bool take_all(struct contents *c, const PKCS12 *p12)
{
    safes_of *safes = PKCS12_unpack_authsafes(p12);
    bool ok = safes != NULL;

    for (int i = 0; ok && i < sk_PKCS7_num(safes); i++) {
        ok = take_safe(c, sk_PKCS7_value(safes, i));
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return ok;
}

/* Is it the passphrase? Exporters differ in what none is: nothing at all, or an empty one. */
static bool mac_is_right(PKCS12 *p12, const char **pass)
{
    if (!PKCS12_mac_present(p12)) {
        return true;
    }
    if (*pass && **pass) {
        return PKCS12_verify_mac(p12, *pass, -1) == 1;
    }
    *pass = PKCS12_verify_mac(p12, NULL, 0) == 1 ? NULL : "";
    return !*pass || PKCS12_verify_mac(p12, "", 0) == 1;
}

/* Why did libcrypto not read the file? Its error queue is all there is to go by. */
static int why_not(struct error *err, const char *pass, bool mac)
{
    bool passphrase = !mac, cipher = false;

    for (unsigned long e; (e = ERR_get_error()) != 0;) {
        const int lib = ERR_GET_LIB(e), reason = ERR_GET_REASON(e);

        cipher |= lib == ERR_LIB_EVP && reason == ERR_R_UNSUPPORTED;
        /* The second is what a wrong one leaves where the padding happens to be right. */
        passphrase |= lib == ERR_LIB_PKCS12 && (reason == PKCS12_R_PKCS12_CIPHERFINAL_ERROR ||
                                                reason == PKCS12_R_DECODE_ERROR);
    }
    if (cipher) {
        return FAIL(err, ERR_UNSUPPORTED,
                    "the PKCS#12 file is encrypted with a cipher of old (such as RC2) that this "
                    "libcrypto lacks; export it again with AES");
    }
    if (passphrase) {
        return FAIL(err, ERR_PASSPHRASE,
                    pass && *pass ? "the PKCS#12 file does not open with this passphrase"
                                  : "the PKCS#12 file is encrypted and no passphrase was given");
    }
    return FAIL(err, ERR_PARSE, "not a PKCS#12 file, or a damaged one");
}

/* ---- putting it together ---- */

/* The certificate with this SubjectPublicKeyInfo, out of the others. */
static X509 *take_own(certs_of *certs, struct span spki)
{
    for (int i = 0; i < sk_X509_num(certs); i++) {
        unsigned char *der = NULL;
        const int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(sk_X509_value(certs, i)), &der);
        const bool own = n > 0 && span_eq(span_of(der, (size_t)n), spki);

        OPENSSL_free(der);
        if (own) {
            return sk_X509_delete(certs, i);
        }
    }
    return NULL;
}

static X509 *take_issuer(certs_of *certs, const X509 *of)
{
    for (int i = 0; i < sk_X509_num(certs); i++) {
        X509 *x = sk_X509_value(certs, i);

        if (X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(of)) == 0) {
            return sk_X509_delete(certs, i);
        }
    }
    return NULL;
}

/* The key's own certificate, then the issuer of each as long as there is one, then the others:
 * whoever made the file may have put them in any order. */
static int write_certs(certs_of *certs, X509 *own, BIO *bio)
{
    bool ok = true;

    while (own) {
        X509 *next = take_issuer(certs, own);

        ok = PEM_write_bio_X509(bio, own) == 1 && ok;
        X509_free(own);
        own = next ? next : sk_X509_shift(certs);
    }
    return ok ? 0 : ERR_MEM;
}

static int write_all(struct privkey *k, certs_of *certs, struct buf *key, BIO *bio,
                     struct error *err)
{
    struct buf spki = { 0 };
    int rc = bio ? privkey_public_spki(k, &spki) : ERR_MEM;
    X509 *own = rc == 0 ? take_own(certs, buf_span(&spki)) : NULL;

    buf_free(&spki);
    if (rc == 0 && !own) {
        return FAIL(err, ERR_PARSE, "the PKCS#12 file holds no certificate of its key");
    }
    TRY(rc);
    TRY(write_certs(certs, own, bio));
    return privkey_write_pem(k, key);
}

/* Both or nothing. */
static int append(struct contents *c, struct buf *key, struct buf *certs, struct error *err)
{
    struct buf pem = { .secret = true };
    BIO *bio = BIO_new(BIO_s_mem());
    struct privkey *k;
    char *text = NULL;
    int rc = privkey_wrap(&k, c->pkey);

    c->pkey = NULL;
    if (rc == ERR_UNSUPPORTED) {
        error_set(err, rc, __func__, "the key in the PKCS#12 file is of no use to TLS");
    }
    if (rc == 0) {
        rc = write_all(k, c->certs, &pem, bio, err);
    }
    if (rc == 0) {
        const long n = BIO_get_mem_data(bio, &text);

        rc = buf_reserve(key, buf_len(&pem));
        if (rc == 0) {
            rc = buf_append(certs, text, (size_t)n);
        }
    }
    if (rc == 0) {
        rc = buf_append(key, buf_data(&pem), buf_len(&pem));
    }
    buf_free(&pem);
    privkey_unref(k);
    BIO_free(bio);
    return rc < 0 ? error_set(err, rc, __func__, "%s", error_name(rc)) : 0;
}

/* Takes the file apart with the ciphers of lib. */
static int open_with(OSSL_LIB_CTX *lib, struct span bytes, const char *pass, struct buf *key,
                     struct buf *certs, struct error *err)
{
    struct contents c = { .lib = lib, .pass = pass };
    bool mac = true;
    PKCS12 *p12;
    int rc;

    ERR_clear_error();
    c.certs = sk_X509_new_null();
    p12 = c.certs ? decode(lib, bytes) : NULL;
    if (!c.certs) {
        rc = FAIL(err, ERR_MEM, "%s", error_name(ERR_MEM));
    } else if (!p12 || !(mac = mac_is_right(p12, &c.pass)) || !take_all(&c, p12)) {
        rc = why_not(err, pass, mac);
    } else if (!c.pkey) {
        rc = FAIL(err, ERR_PARSE, "the PKCS#12 file holds no private key");
    } else {
        rc = append(&c, key, certs, err);
    }
    PKCS12_free(p12);
    EVP_PKEY_free(c.pkey);
    sk_X509_pop_free(c.certs, X509_free);
    return crypto_fail(rc);
}

int pkcs12_load(struct span bytes, const char *pass, struct buf *key, struct buf *certs,
                struct error *err)
{
    OSSL_LIB_CTX *old;
    struct error why;
    int rc;

    if (bytes.n == 0 || bytes.n > INT_MAX) {
        return FAIL(err, ERR_PARSE, "the PKCS#12 file is empty");
    }
    IN_LIBCRYPTO;
    error_clear(&why);
    rc = open_with(provider.lib, bytes, pass, key, certs, &why);
    if (rc == ERR_UNSUPPORTED && why.code == rc) {
        old = lib_with_provider("legacy");
        (void)crypto_fail(0);
        if (old) {
            error_clear(&why);
            rc = open_with(old, bytes, pass, key, certs, &why);
        }
    }
    wipe_below();
    return rc < 0 ? FAIL(err, rc, "%s", why.text[0] ? why.text : error_name(rc)) : 0;
}

/* ---- making one ---- */

#define ITERATIONS 100000

static X509 *decode_cert(struct span der)
{
    const unsigned char *at = der.p;
    X509 *x = X509_new_ex(provider.lib, NULL);

    if (x && !d2i_X509(&x, &at, (long)der.n)) {
        return NULL; /* freed */
    }
    return x;
}

static bool decode_certs(certs_of *list, const struct span *certs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        X509 *x = decode_cert(certs[i]);

        if (!x || sk_X509_push(list, x) <= 0) {
            X509_free(x);
            return false;
        }
    }
    return true;
}

static int append_der(const PKCS12 *p12, struct buf *out)
{
    unsigned char *der = NULL;
    const int n = i2d_PKCS12(p12, &der);
    const int rc = n > 0 ? buf_append(out, der, (size_t)n) : ERR_MEM;

    OPENSSL_free(der);
    return rc;
}

int pkcs12_save(const struct privkey *k, const struct span *certs, size_t n, const char *name,
                const char *pass, struct buf *out)
{
    IN_LIBCRYPTO;
    certs_of *above = sk_X509_new_null();
    PKCS12 *p12 = NULL;
    X509 *own = NULL;
    int rc = ERR_CRYPTO;

    if (n == 0 || !pass || !*pass) {
        rc = ERR_ARG;
    } else if (!above || !(own = decode_cert(certs[0])) || !decode_certs(above, certs + 1, n - 1)) {
        rc = ERR_CRYPTO;
    } else if (X509_check_private_key(own, k->pkey) != 1) {
        rc = ERR_MISMATCH;
    } else {
        /* A cipher in the place of a PBE algorithm means PBES2. Its own MAC would be of a default
         * digest. */
        p12 = PKCS12_create_ex(pass, name, k->pkey, own, above, NID_aes_256_cbc, NID_aes_256_cbc,
                               ITERATIONS, -1, 0, provider.lib, NULL);
    }
    if (p12 && PKCS12_set_mac(p12, pass, -1, NULL, 0, ITERATIONS, EVP_sha256()) == 1) {
        rc = append_der(p12, out);
    }
    PKCS12_free(p12);
    X509_free(own);
    sk_X509_pop_free(above, X509_free);
    wipe_below();
    return rc < 0 ? crypto_fail(rc) : 0;
}
#endif
