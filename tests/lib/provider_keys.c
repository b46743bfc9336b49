/* SPDX-License-Identifier: ISC */
/* Key exchange, public and private keys and what holds them, failing (faults_local.h). */
#include "tests/lib/faults_local.h"

static int no_pointer(void *out)
{
    void *none = NULL;

    memcpy(out, &none, sizeof none);
    return ERR_CRYPTO;
}
#define CHECKED_POINTER(rc, out) checked(__func__, (rc), (out), sizeof *(out))

/* Nothing is appended, or something that is none. */
static int append(struct buf *b)
{
    static const uint8_t rubbish[] = { 0xa5, 0xa5, 0xa5 };

    if (b && provider_leaves()) {
        assert_int_equal(buf_append(b, rubbish, sizeof rubbish), 0);
    }
    return ERR_CRYPTO;
}

static size_t length(const struct buf *b)
{
    return b ? buf_len(b) : 0;
}

static int appended(const char *name, int rc, const struct buf *b, size_t before)
{
    if (rc < 0 && length(b) != before) {
        fail_msg("%s says %d and has appended", name + strlen("__wrap_"), rc);
    }
    return rc;
}
#define APPENDED(rc, b, before) appended(__func__, (rc), (b), (before))

/* ---- key exchange ---- */

WRAP(struct kex *, kex_start, const struct group *g, uint8_t *share)
{
    struct kex *k = NULL;

    if (FAILS()) {
        (void)leave(share, g->share_client);
    } else {
        k = __real_kex_start(g, share);
        (void)CHECKED(k ? 0 : ERR_CRYPTO, share, g->share_client);
    }
    return k;
}

WRAP(int, kex_finish, struct kex *k, struct span peer, uint8_t *secret)
{
    const size_t n = k->group->secret_size;

    return FAILS() ? leave(secret, n) : CHECKED(__real_kex_finish(k, peer, secret), secret, n);
}

WRAP(int, kex_respond, const struct group *g, struct span peer, uint8_t *share, uint8_t *secret)
{
    if (FAILS()) {
        (void)leave(share, g->share_server);
        return leave(secret, g->secret_size);
    }
    const int rc = __real_kex_respond(g, peer, share, secret);

    (void)CHECKED(rc, share, g->share_server);
    return CHECKED(rc, secret, g->secret_size);
}

#ifdef USE_DHE
WRAP(int, dhe_start, struct kex **out, struct span p, struct span g, unsigned least_bits)
{
    return FAILS() ? no_pointer(out)
                   : CHECKED_POINTER(__real_dhe_start(out, p, g, least_bits), out);
}

WRAP(int, dhe_share, const struct kex *k, uint8_t *out, size_t *n)
{
    return FAILS() ? leave(out, *n = DH_BYTES_MAX)
                   : CHECKED(__real_dhe_share(k, out, n), out, DH_BYTES_MAX);
}

WRAP(int, dhe_finish, struct kex *k, struct span peer, uint8_t *secret, size_t *n)
{
    return FAILS() ? leave(secret, *n = DH_BYTES_MAX)
                   : CHECKED(__real_dhe_finish(k, peer, secret, n), secret, DH_BYTES_MAX);
}
#endif

/* ---- public keys ---- */

WRAP(int, pubkey_from_point, struct pubkey **out, enum key_type type, struct span point)
{
    return FAILS() ? no_pointer(out)
                   : CHECKED_POINTER(__real_pubkey_from_point(out, type, point), out);
}

WRAP(int, pubkey_from_rsa, struct pubkey **out, enum key_type type, struct span n, struct span e)
{
    return FAILS() ? no_pointer(out)
                   : CHECKED_POINTER(__real_pubkey_from_rsa(out, type, n, e), out);
}

WRAP(int, pubkey_verify, const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
     const struct span *msg, size_t nmsg, struct span sig)
{
    const int rc = FAILS() ? ERR_CRYPTO : __real_pubkey_verify(k, kind, hash, msg, nmsg, sig);

    faults.verified += rc == 0;
    return rc;
}

WRAP(int, pubkey_verify_digest, const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
     struct span digest, struct span sig)
{
    const int rc = FAILS() ? ERR_CRYPTO : __real_pubkey_verify_digest(k, kind, hash, digest, sig);

    faults.verified += rc == 0;
    return rc;
}

WRAP(int, pubkey_encrypt_pkcs1, const struct pubkey *k, struct span in, uint8_t *out,
     size_t *outlen)
{
    const size_t room = *outlen;

    return FAILS() ? leave(out, room)
                   : CHECKED(__real_pubkey_encrypt_pkcs1(k, in, out, outlen), out, room);
}

/* ---- private keys ---- */

WRAP(int, privkey_load, struct privkey **out, struct span bytes, const char *pass,
     struct error *err)
{
    return FAILS() ? no_pointer(out)
                   : CHECKED_POINTER(__real_privkey_load(out, bytes, pass, err), out);
}

WRAP(int, store_load, const char *uri, const char *from, const char *pass, struct privkey **key,
     struct buf *certs, struct error *err)
{
    const size_t before = length(certs);

    if (FAILS()) {
        return key ? no_pointer(key) : append(certs);
    }
    return APPENDED(__real_store_load(uri, from, pass, key, certs, err), certs, before);
}

WRAP(int, privkey_sign, struct privkey *k, const struct scheme *s, const struct span *msg,
     size_t nmsg, uint8_t *sig, size_t *siglen)
{
    const size_t room = *siglen;

    return FAILS() ? leave(sig, room)
                   : CHECKED(__real_privkey_sign(k, s, msg, nmsg, sig, siglen), sig, room);
}

WRAP(int, privkey_decrypt_premaster, struct privkey *k, struct span sealed, uint16_t version,
     uint8_t *out)
{
    return FAILS() ? leave(out, PREMASTER_RSA)
                   : CHECKED(__real_privkey_decrypt_premaster(k, sealed, version, out), out,
                             PREMASTER_RSA);
}

WRAP(int, privkey_matches, struct privkey *priv, const struct pubkey *pub)
{
    return FAILS() ? ERR_CRYPTO : __real_privkey_matches(priv, pub);
}

WRAP(int, privkey_generate, struct privkey **out, enum key_type type, unsigned rsa_bits)
{
    return FAILS() ? no_pointer(out)
                   : CHECKED_POINTER(__real_privkey_generate(out, type, rsa_bits), out);
}

WRAP(int, privkey_public_spki, const struct privkey *k, struct buf *b)
{
    const size_t before = length(b);

    return FAILS() ? append(b) : APPENDED(__real_privkey_public_spki(k, b), b, before);
}

WRAP(int, privkey_write_pem, const struct privkey *k, struct buf *b)
{
    const size_t before = length(b);

    return FAILS() ? append(b) : APPENDED(__real_privkey_write_pem(k, b), b, before);
}

/* ---- other containers ---- */

WRAP(int, pkcs12_load, struct span bytes, const char *pass, struct buf *key, struct buf *certs,
     struct error *err)
{
    const size_t keys_before = length(key), before = length(certs);

    if (FAILS()) {
        (void)append(key);
        return append(certs);
    }
    const int rc = __real_pkcs12_load(bytes, pass, key, certs, err);

    (void)APPENDED(rc, key, keys_before);
    return APPENDED(rc, certs, before);
}

WRAP(int, pkcs12_save, const struct privkey *k, const struct span *certs, size_t n,
     const char *name, const char *pass, struct buf *out)
{
    const size_t before = length(out);

    return FAILS() ? append(out)
                   : APPENDED(__real_pkcs12_save(k, certs, n, name, pass, out), out, before);
}

WRAP(int, dhparams_load, struct dh_params *out, struct span pem_or_der)
{
    return FAILS() ? ERR_CRYPTO : __real_dhparams_load(out, pem_or_der);
}

WRAP(int, dhparams_named, struct dh_params *out, const struct group *g)
{
    return FAILS() ? ERR_CRYPTO : __real_dhparams_named(out, g);
}
