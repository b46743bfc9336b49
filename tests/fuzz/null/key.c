/* SPDX-License-Identifier: ISC */
/* Keys of which both halves are the same bytes, and signatures that are a fold. Files: an Ed25519
 * key in PKCS#8, and what privkey_write_pem() made. */
#include <stdatomic.h>

#include "tests/fuzz/null/null.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "x509/der.h"

#define MAGIC     "null key:"
#define RSA_LEAST (1024 / 8)

struct pubkey {
    atomic_uint refs;
    enum key_type type;
    size_t n;
    uint8_t bytes[SIG_MAX]; /* the point, or the modulus */
};
struct privkey {
    struct pubkey pub;
};

static const struct form {
    enum key_type type;
    size_t point, sig, first; /* bytes of both; what a point begins with; 0: anything */
    struct span algorithm;    /* contents of an AlgorithmIdentifier */
} forms[] = {
    { KEY_RSA, 0, 0, 0, OID_SPAN("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00") },
    { KEY_RSA_PSS, 0, 0, 0, OID_SPAN("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a") },
    { KEY_EC_P256, 65, 72, 4,
      OID_SPAN("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07") },
    { KEY_EC_P384, 97, 104, 4,
      OID_SPAN("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22") },
    { KEY_EC_P521, 133, 139, 4,
      OID_SPAN("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23") },
    { KEY_ED25519, 32, 64, 0, OID_SPAN("\x06\x03\x2b\x65\x70") },
    { KEY_ED448, 57, 114, 0, OID_SPAN("\x06\x03\x2b\x65\x71") },
};

static const struct form *form_of(enum key_type type)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].type == type) {
            return &forms[i];
        }
    }
    return NULL;
}

static bool is_rsa(enum key_type type)
{
    return type == KEY_RSA || type == KEY_RSA_PSS;
}

static bool fits(enum key_type type, struct span bytes)
{
    const struct form *f = form_of(type);

    if (is_rsa(type)) {
        return bytes.n >= RSA_LEAST && bytes.n <= SIG_MAX && bytes.p[0] != 0 &&
               (bytes.p[bytes.n - 1] & 1);
    }
    return f && bytes.n == f->point && (!f->first || bytes.p[0] == f->first);
}

/* Either half is one of these. */
static int key_make(void *out, enum key_type type, struct span bytes)
{
    struct pubkey *k;

    if (!form_of(type)) {
        return ERR_UNSUPPORTED;
    }
    if (!fits(type, bytes)) {
        return ERR_PARSE;
    }
    k = mem_zalloc(sizeof(struct privkey));
    if (!k) {
        return ERR_MEM;
    }
    k->refs = 1;
    k->type = type;
    k->n = bytes.n;
    memcpy(k->bytes, bytes.p, bytes.n);
    memcpy(out, &k, sizeof k);
    return 0;
}

/* ---- public keys ---- */

int pubkey_from_point(struct pubkey **out, enum key_type type, struct span point)
{
    *out = NULL;
    return is_rsa(type) ? ERR_UNSUPPORTED : key_make(out, type, point);
}

int pubkey_from_rsa(struct pubkey **out, enum key_type type, struct span n, struct span e)
{
    *out = NULL;
    if (!is_rsa(type)) {
        return ERR_UNSUPPORTED;
    }
    return e.n == 0 || e.n > 8 || !(e.p[e.n - 1] & 1) ? ERR_PARSE : key_make(out, type, n);
}

enum key_type pubkey_type(const struct pubkey *k)
{
    return k->type;
}

unsigned pubkey_bits(const struct pubkey *k)
{
    return is_rsa(k->type) ? (unsigned)(8 * k->n) : 256;
}

struct pubkey *pubkey_ref(struct pubkey *k)
{
    atomic_fetch_add(&k->refs, 1);
    return k;
}

void pubkey_unref(struct pubkey *k)
{
    if (k && atomic_fetch_sub(&k->refs, 1) == 1) {
        mem_free(k);
    }
}

/* ---- signatures ---- */

static bool kind_fits(enum sig_kind kind, enum hash_id hash, enum key_type type)
{
    switch (kind) {
    case SIG_RSA_PKCS1:
        return type == KEY_RSA && hash != HASH_NONE;
    case SIG_RSA_PSS:
        return is_rsa(type) && hash != HASH_NONE;
    case SIG_ECDSA:
        return type >= KEY_EC_P256 && type <= KEY_EC_P521 && hash != HASH_NONE;
    case SIG_EDDSA:
        return (type == KEY_ED25519 || type == KEY_ED448) && hash == HASH_NONE;
    }
    return false;
}

static size_t signature(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                        const struct span *msg, size_t nmsg, uint8_t sig[static SIG_MAX])
{
    const size_t n = is_rsa(k->type) ? k->n : form_of(k->type)->sig;
    const uint8_t how[] = { (uint8_t)kind, (uint8_t)hash };
    uint64_t state =
        null_fold(null_fold(NULL_SEED, span_of(k->bytes, k->n)), span_of(how, sizeof how));

    for (size_t i = 0; i < nmsg; i++) {
        state = null_fold(state, msg[i]);
    }
    null_spread(state, sig, n);
    sig[n - 1] |= 1; /* null_accepts() */
    return n;
}

static int verify(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                  const struct span *msg, size_t nmsg, struct span sig)
{
    uint8_t want[SIG_MAX];

    return sig.n == signature(k, kind, hash, msg, nmsg, want) && null_accepts(sig.p, want, sig.n)
               ? 0
               : TLS_ALERT(ALERT_DECRYPT_ERROR);
}

int pubkey_verify(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                  const struct span *msg, size_t nmsg, struct span sig)
{
    uint8_t digest[HASH_MAX];

    if (!kind_fits(kind, hash, k->type)) {
        return ERR_MISMATCH;
    }
    if (kind == SIG_EDDSA) {
        return verify(k, kind, hash, msg, nmsg, sig);
    }
    TRY(hash_parts(hash, msg, nmsg, digest));
    return pubkey_verify_digest(k, kind, hash, span_of(digest, hash_size(hash)), sig);
}

int pubkey_verify_digest(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                         struct span digest, struct span sig)
{
    return kind == SIG_EDDSA || !kind_fits(kind, hash, k->type) || digest.n != hash_size(hash)
               ? ERR_MISMATCH
               : verify(k, kind, hash, &digest, 1, sig);
}

int privkey_sign(struct privkey *k, const struct scheme *s, const struct span *msg, size_t nmsg,
                 uint8_t *sig, size_t *siglen)
{
    uint8_t digest[HASH_MAX], made[SIG_MAX];
    const struct span whole = span_of(digest, hash_size(s->hash));
    size_t n;

    if (s->kind == SIG_ECDSA ? !kind_fits(s->kind, s->hash, k->pub.type) : s->key != k->pub.type) {
        return ERR_MISMATCH;
    }
    if (s->kind != SIG_EDDSA && !s->digested) {
        TRY(hash_parts(s->hash, msg, nmsg, digest));
        msg = &whole;
        nmsg = 1;
    }
    n = signature(&k->pub, s->kind, s->hash, msg, nmsg, made);
    if (*siglen < n) {
        return ERR_ARG;
    }
    memcpy(sig, made, n);
    *siglen = n;
    return 0;
}

/* ---- RSA key exchange: what is enciphered stands at the end ---- */

int pubkey_encrypt_pkcs1(const struct pubkey *k, struct span in, uint8_t *out, size_t *outlen)
{
    if (k->type != KEY_RSA) {
        return ERR_MISMATCH;
    }
    if (*outlen < k->n || in.n > k->n) {
        return ERR_ARG;
    }
    *outlen = k->n;
    memset(out, 0, k->n - in.n);
    memcpy(out + k->n - in.n, in.p, in.n);
    return 0;
}

int privkey_decrypt_premaster(struct privkey *k, struct span sealed, uint16_t client_version,
                              uint8_t out[static PREMASTER_RSA])
{
    const uint8_t *from = sealed.p + sealed.n - PREMASTER_RSA;

    wipe(out, PREMASTER_RSA);
    if (k->pub.type != KEY_RSA) {
        return ERR_MISMATCH;
    }
    TRY(rand_bytes(out, PREMASTER_RSA));
    if (sealed.n == k->pub.n && from[0] == client_version >> 8 &&
        from[1] == (uint8_t)client_version) {
        memcpy(out, from, PREMASTER_RSA);
    }
    return 0;
}

/* ---- private keys ---- */

int privkey_load(struct privkey **out, struct span bytes, const char *pass, struct error *err)
{
    static const uint8_t ed25519[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                       0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };
    struct rd r = rd_span(bytes);
    struct span head;
    uint8_t type = KEY_ED25519;

    (void)pass;
    *out = NULL;
    if (!(rd_bytes(&r, sizeof ed25519, &head) && memcmp(head.p, ed25519, head.n) == 0)) {
        r = rd_span(bytes);
        if (!(rd_bytes(&r, sizeof MAGIC - 1, &head) && memcmp(head.p, MAGIC, head.n) == 0 &&
              rd_u8(&r, &type))) {
            return FAIL(err, ERR_PARSE, "no key of the null provider");
        }
    }
    return key_make(out, type, span_of(r.p, r.n));
}

int privkey_write_pem(const struct privkey *k, struct buf *b)
{
    const uint8_t type = (uint8_t)k->pub.type;

    TRY(buf_append(b, MAGIC, sizeof MAGIC - 1));
    TRY(buf_append(b, &type, 1));
    return buf_append(b, k->pub.bytes, k->pub.n);
}

int privkey_generate(struct privkey **out, enum key_type type, unsigned rsa_bits)
{
    const struct form *f = form_of(type);
    uint8_t bytes[SIG_MAX];
    const size_t n = is_rsa(type) ? rsa_bits / 8 : f ? f->point : 0;

    *out = NULL;
    if (n == 0 || n > sizeof bytes) {
        return ERR_UNSUPPORTED;
    }
    TRY(rand_bytes(bytes, n));
    bytes[0] = is_rsa(type) ? bytes[0] | 0x80 : f->first ? (uint8_t)f->first : bytes[0];
    bytes[n - 1] |= 1;
    return key_make(out, type, span_of(bytes, n));
}

struct privkey *privkey_ref(struct privkey *k)
{
    pubkey_ref(&k->pub);
    return k;
}

void privkey_unref(struct privkey *k)
{
    pubkey_unref(k ? &k->pub : NULL);
}

enum key_type privkey_type(const struct privkey *k)
{
    return k->pub.type;
}

int privkey_matches(struct privkey *priv, const struct pubkey *pub)
{
    return priv->pub.type == pub->type &&
                   span_eq(span_of(priv->pub.bytes, priv->pub.n), span_of(pub->bytes, pub->n))
               ? 0
               : ERR_MISMATCH;
}

int privkey_public_spki(const struct privkey *k, struct buf *b)
{
    struct wr w = wr_buf(b);
    const size_t whole = w.len;
    size_t bits;

    der_put(&w, DER_SEQUENCE, form_of(k->pub.type)->algorithm);
    bits = w.len;
    wr_u8(&w, 0);
    if (is_rsa(k->pub.type)) {
        const size_t both = w.len, number = w.len;

        wr_u8(&w, 0);
        wr_bytes(&w, k->pub.bytes, k->pub.n);
        der_close(&w, number, DER_INTEGER);
        wr_bytes(&w, "\x02\x03\x01\x00\x01", 5);
        der_close(&w, both, DER_SEQUENCE);
    } else {
        wr_bytes(&w, k->pub.bytes, k->pub.n);
    }
    der_close(&w, bits, DER_BIT_STRING);
    der_close(&w, whole, DER_SEQUENCE);
    return wr_commit(&w);
}

/* ---- other containers ---- */

int store_load(const char *uri, const char *provider, const char *pass, struct privkey **key,
               struct buf *certs, struct error *err)
{
    (void)uri, (void)provider, (void)pass, (void)key, (void)certs;
    return FAIL(err, ERR_UNSUPPORTED, "the null provider has no store");
}

int pkcs12_load(struct span bytes, const char *pass, struct buf *key, struct buf *certs,
                struct error *err)
{
    (void)bytes, (void)pass, (void)key, (void)certs;
    return FAIL(err, ERR_UNSUPPORTED, "the null provider reads no PKCS#12");
}
