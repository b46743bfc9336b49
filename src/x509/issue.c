/* SPDX-License-Identifier: ISC */
/* Making certificates: just what a test CA and small networks need, as RFC 5280 wants it. */
#include <arpa/inet.h>

#include "base/buf.h"
#include "x509/parts.h"

#define KEY_ID 20 /* RFC 7093 section 2, method 1 */

/* How each kind of key signs; the AlgorithmIdentifier's contents. */
static const struct signer {
    enum key_type key;
    uint16_t scheme;
    struct span algorithm;
} signers[] = {
    { KEY_EC_P256, 0x0403, OID_SPAN("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02") },
    { KEY_EC_P384, 0x0503, OID_SPAN("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03") },
    { KEY_EC_P521, 0x0603, OID_SPAN("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04") },
    { KEY_ED25519, 0x0807, OID_SPAN("\x06\x03\x2b\x65\x70") },
    { KEY_ED448, 0x0808, OID_SPAN("\x06\x03\x2b\x65\x71") },
    { KEY_RSA, 0x0401, OID_SPAN("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00") },
    { KEY_RSA_PSS, 0x0809,
      OID_SPAN("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34"
               "\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
               "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
               "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
               "\xa2\x03\x02\x01\x20") },
};

static const struct signer *signer_of(const struct privkey *key)
{
    for (size_t i = 0; i < sizeof signers / sizeof *signers; i++) {
        if (signers[i].key == privkey_type(key)) {
            return &signers[i];
        }
    }
    return NULL;
}

static int key_id(struct span spki, uint8_t id[static KEY_ID])
{
    uint8_t digest[HASH_MAX];
    struct rd r = rd_span(spki), in, alg;
    struct span bits;

    if (!der_get(&r, DER_SEQUENCE, &in) || !der_get(&in, DER_SEQUENCE, &alg) ||
        !der_bit_bytes(&in, &bits)) {
        return ERR_CRYPTO;
    }
    TRY(hash_once(HASH_SHA256, bits.p, bits.n, digest));
    memcpy(id, digest, KEY_ID);
    return 0;
}

static void put_name(struct wr *w, const char *common_name)
{
    size_t seq = w->len;

    if (common_name && *common_name) {
        size_t set = w->len;

        wr_bytes(w, "\x06\x03\x55\x04\x03", 5);
        der_put(w, DER_UTF8_STRING, span_of(common_name, strlen(common_name)));
        der_close(w, set, DER_SEQUENCE);
        der_close(w, set, DER_SET);
    }
    der_close(w, seq, DER_SEQUENCE);
}

/* ---- extensions: begin, write the value, end ---- */

struct ext {
    size_t whole, value;
};

static struct ext ext_begin(struct wr *w, uint8_t id_ce, bool critical)
{
    const uint8_t oid[] = { DER_OID, 3, 0x55, 0x1d, id_ce };
    struct ext e = { .whole = w->len };

    wr_bytes(w, oid, sizeof oid);
    if (critical) {
        wr_bytes(w, "\x01\x01\xff", 3);
    }
    e.value = w->len;
    return e;
}

static void ext_end(struct wr *w, struct ext e)
{
    der_close(w, e.value, DER_OCTET_STRING);
    der_close(w, e.whole, DER_SEQUENCE);
}

static void put_basic_constraints(struct wr *w, const struct issue *what)
{
    struct ext e = ext_begin(w, 0x13, true);
    size_t seq = w->len;

    if (what->ca) {
        wr_bytes(w, "\x01\x01\xff", 3);
    }
    if (what->ca && what->has_path_len) {
        der_put_uint32(w, what->path_len);
    }
    der_close(w, seq, DER_SEQUENCE);
    ext_end(w, e);
}

/* RFC 5280 4.2.1.10. A kind of name that is not mentioned would be free: addresses are excluded. */
static void put_name_constraints(struct wr *w, const struct issue *what)
{
    static const uint8_t every[32]; /* address and mask */
    struct ext e = ext_begin(w, 0x1e, true);
    size_t seq = w->len, list = w->len, subtree;

    for (size_t i = 0; i < what->nonly; i++) {
        subtree = w->len;
        der_put(w, DER_CONTEXT(2), span_of(what->only[i], strlen(what->only[i])));
        der_close(w, subtree, DER_SEQUENCE);
    }
    der_close(w, list, DER_CONSTRUCTED(0));
    list = w->len;
    for (size_t n = 8; n <= 32; n += 24) { /* IPv4, IPv6 */
        subtree = w->len;
        der_put(w, DER_CONTEXT(7), span_of(every, n));
        der_close(w, subtree, DER_SEQUENCE);
    }
    der_close(w, list, DER_CONSTRUCTED(1));
    der_close(w, seq, DER_SEQUENCE);
    ext_end(w, e);
}

/* A CA signs certificates and CRLs; others sign handshakes, and an RSA key may be encrypted to (the
 * RSA key exchange of TLS 1.2). */
static void put_key_usage(struct wr *w, const struct issue *what)
{
    struct ext e = ext_begin(w, 0x0f, true);
    const char *usage = what->ca                             ? "\x03\x02\x01\x06"
                        : privkey_type(what->key) == KEY_RSA ? "\x03\x02\x05\xa0"
                                                             : "\x03\x02\x07\x80";

    wr_bytes(w, usage, 4);
    ext_end(w, e);
}

static void put_ext_key_usage(struct wr *w, bool server, bool client)
{
    struct ext e = ext_begin(w, 0x25, false);
    size_t seq = w->len;

    if (server) {
        wr_bytes(w, "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", 10);
    }
    if (client) {
        wr_bytes(w, "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02", 10);
    }
    der_close(w, seq, DER_SEQUENCE);
    ext_end(w, e);
}

static void put_alt_names(struct wr *w, const struct issue *what)
{
    /* RFC 5280 4.2.1.6: critical when the subject is empty. */
    struct ext e = ext_begin(w, 0x11, !what->common_name || !*what->common_name);
    size_t seq = w->len;
    uint8_t ip[16];

    for (size_t i = 0; i < what->nnames; i++) {
        const char *name = what->names[i];

        if (inet_pton(AF_INET, name, ip) == 1) {
            der_put(w, DER_CONTEXT(7), span_of(ip, 4));
        } else if (inet_pton(AF_INET6, name, ip) == 1) {
            der_put(w, DER_CONTEXT(7), span_of(ip, 16));
        } else {
            der_put(w, DER_CONTEXT(2), span_of(name, strlen(name)));
        }
    }
    der_close(w, seq, DER_SEQUENCE);
    ext_end(w, e);
}

static void put_key_ids(struct wr *w, struct span own, struct span issuer)
{
    struct ext e = ext_begin(w, 0x0e, false);
    size_t seq;

    der_put(w, DER_OCTET_STRING, own);
    ext_end(w, e);

    e = ext_begin(w, 0x23, false);
    seq = w->len;
    der_put(w, DER_CONTEXT(0), issuer);
    der_close(w, seq, DER_SEQUENCE);
    ext_end(w, e);
}

static void put_extensions(struct wr *w, const struct issue *what, struct span own_id,
                           struct span issuer_id)
{
    size_t list = w->len;

    put_basic_constraints(w, what);
    put_key_usage(w, what);
    if (what->nonly) {
        put_name_constraints(w, what);
    }
    if (what->server || what->client) {
        put_ext_key_usage(w, what->server, what->client);
    }
    if (what->nnames) {
        put_alt_names(w, what);
    }
    put_key_ids(w, own_id, issuer_id);
    der_close(w, list, DER_SEQUENCE);
    der_close(w, list, DER_CONSTRUCTED(3));
}

/* ---- the certificate ---- */

static int check(const struct issue *what, struct error *err)
{
    const char *cn = what->common_name ? what->common_name : "";
    bool self_signed = what->issuer == NULL;

    if (!what->key || !what->issuer_key || self_signed != (what->issuer_key == what->key)) {
        return FAIL(err, ERR_ARG,
                    "a self-signed certificate is signed by its own key, and no other is");
    }
    if (!signer_of(what->issuer_key)) {
        return FAIL(err, ERR_UNSUPPORTED, "cannot sign certificates with a key of this kind");
    }
    if (strlen(cn) > 64) { /* RFC 5280 appendix A: ub-common-name */
        return FAIL(err, ERR_ARG,
                    "a common name has at most 64 bytes: leave it out, names are what counts");
    }
    if (!*cn && (what->ca || !what->nnames)) {
        return FAIL(err, ERR_ARG,
                    "a certificate needs a common name or, if not a CA's, other names");
    }
    for (const char *p = cn; *p; p++) {
        if (*p < 0x20 || *p > 0x7e) {
            return FAIL(err, ERR_ARG, "the common name is not plain ASCII");
        }
    }
    for (size_t i = 0; i < what->nnames; i++) {
        const char *name = what->names[i];
        bool wild = name[0] == '*' && name[1] == '.';

        if (!host_is_valid(wild ? name + 2 : name) || name[strlen(name) - 1] == '.' ||
            (wild && host_is_ip(name + 2))) {
            return FAIL(err, ERR_ARG, "\"%.80s\" is neither a host name nor an address", name);
        }
    }
    for (size_t i = 0; i < what->nonly; i++) {
        if (!what->ca || !host_is_valid(what->only[i]) || host_is_ip(what->only[i])) {
            return FAIL(err, ERR_ARG, "\"%.80s\" is no domain that a CA can be held to",
                        what->only[i]);
        }
    }
    if (what->not_before > what->not_after || civil_from_seconds(what->not_before).year < 1950 ||
        civil_from_seconds(what->not_after).year > 9999) {
        return FAIL(err, ERR_ARG, "its dates are not in order, or not between 1950 and 9999");
    }
    return 0;
}

/* More than it can become. */
static size_t size_bound(const struct issue *what, size_t spki)
{
    size_t n = 1024 + SIG_MAX + spki + (what->issuer ? what->issuer->subject.n : 0);

    for (size_t i = 0; i < what->nnames; i++) {
        n += strlen(what->names[i]) + 16;
    }
    for (size_t i = 0; i < what->nonly; i++) {
        n += strlen(what->only[i]) + 16;
    }
    return n;
}

/* RFC 5280 4.1.2.2: positive, at most 20 bytes; 128 random bits, so that nobody can guess what will
 * be signed. */
static int put_serial(struct wr *w)
{
    uint8_t serial[17] = { 1 };

    TRY(rand_bytes(serial + 1, sizeof serial - 1));
    der_put(w, DER_INTEGER, span_of(serial, sizeof serial));
    return 0;
}

static void put_algorithm(struct wr *w, const struct signer *s)
{
    der_put(w, DER_SEQUENCE, s->algorithm);
}

static int put_tbs(struct wr *w, const struct issue *what, const struct signer *s, struct span spki)
{
    uint8_t own[KEY_ID];
    struct span own_id = span_of(own, sizeof own), issuer_id = own_id;
    uint8_t made[KEY_ID];
    size_t tbs = w->len, validity;

    TRY(key_id(spki, own));
    if (what->issuer) {
        issuer_id = what->issuer->ski;
        if (!issuer_id.n) {
            TRY(key_id(what->issuer->spki, made));
            issuer_id = span_of(made, sizeof made);
        }
    }
    wr_bytes(w, "\xa0\x03\x02\x01\x02", 5); /* version 3 */
    TRY(put_serial(w));
    put_algorithm(w, s);
    if (what->issuer) {
        wr_bytes(w, what->issuer->subject.p, what->issuer->subject.n);
    } else {
        put_name(w, what->common_name);
    }
    validity = w->len;
    der_put_time(w, what->not_before);
    der_put_time(w, what->not_after);
    der_close(w, validity, DER_SEQUENCE);
    put_name(w, what->common_name);
    wr_bytes(w, spki.p, spki.n);
    put_extensions(w, what, own_id, issuer_id);
    der_close(w, tbs, DER_SEQUENCE);
    return 0;
}

static int sign(struct wr *w, const struct issue *what, const struct signer *s)
{
    const struct scheme *scheme = scheme_by_id(s->scheme);
    uint8_t sig[SIG_MAX + 1] = { 0 }; /* no spare bits, then the signature */
    struct span msg;
    size_t n = SIG_MAX;

    if (!scheme) {
        return ERR_UNSUPPORTED;
    }
    if (!wr_ok(w)) {
        return ERR_MEM;
    }
    msg = span_of(w->p, w->len);
    TRY(privkey_sign(what->issuer_key, scheme, &msg, 1, sig + 1, &n));
    put_algorithm(w, s);
    der_put(w, DER_BIT_STRING, span_of(sig, n + 1));
    return 0;
}

int cert_issue(const struct issue *what, struct buf *der, struct error *err)
{
    const struct signer *s;
    struct buf spki = { 0 };
    struct wr w = wr_buf(der);
    int rc;

    TRY(check(what, err));
    s = signer_of(what->issuer_key);
    rc = privkey_public_spki(what->key, &spki);
    if (rc == 0) {
        rc = buf_reserve(der, size_bound(what, buf_len(&spki)));
    }
    if (rc == 0) {
        rc = put_tbs(&w, what, s, buf_span(&spki));
    }
    if (rc == 0) {
        rc = sign(&w, what, s);
    }
    buf_free(&spki);
    if (rc == 0) {
        der_close(&w, 0, DER_SEQUENCE);
        rc = wr_commit(&w);
    }
    return rc < 0 ? FAIL(err, rc, "the certificate could not be made: %s", error_name(rc)) : 0;
}
