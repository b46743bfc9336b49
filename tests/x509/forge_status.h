/* SPDX-License-Identifier: ISC */
/* CRLs and OCSP responses of any kind for tests, good and bad, like the certificates of forge.h. */
#ifndef TESTS_X509_FORGE_STATUS_H
#define TESTS_X509_FORGE_STATUS_H
#include "forge.h"

struct forge_crl {
    const char *issuer;
    int by;              /* key that signs */
    int64_t from, to;    /* 0: an hour before NOW, a day behind it; to < 0: no nextUpdate */
    int serials[4];      /* revoked; 0 ends */
    const char *point;   /* issuing distribution point: URI */
    int only;            /* 1: users, 2: CAs, 3: some reasons, 4: indirect, 5: attributes */
    bool delta, unknown; /* a critical deltaCRLIndicator; a critical extension nobody knows */
    bool entry_critical; /* the first entry has one */
    enum forge_alg alg;
    bool flip;
};

struct forge_ocsp {
    const struct forge *about; /* whose issuer and serial number */
    const char *issuer;
    int issuer_key;
    int status;       /* 0: good, 1: revoked, 2: unknown */
    int64_t from, to; /* 0: an hour before NOW, a day behind it; to < 0: no nextUpdate */
    const struct forge *responder; /* its certificate goes along; NULL: the issuer */
    int by;                        /* key that signs, when not the issuer's: 1 more */
    bool by_key;                   /* responder named by its key */
    bool sha256;                   /* in CertID */
    int failed;                    /* responseStatus */
    int serial;                    /* another than the certificate's */
    bool flip, other_first;        /* an answer about another certificate comes first */
    enum forge_alg alg;
};

static inline struct span forge_out(struct wr *w)
{
    uint8_t *out = malloc(w->len);

    if (!wr_ok(w) || !out) {
        abort();
    }
    memcpy(out, w->p, w->len);
    return span_of(out, w->len);
}

/* The algorithm, the signature over all that was written since mark, and nothing around them. */
static inline void forge_signature(struct wr *w, size_t mark, int by, enum forge_alg alg, bool flip)
{
    uint8_t sig[SIG_MAX + 1] = { 0 };
    size_t n;

    if (forge_change) {
        forge_change(w, mark);
    }
    n = forge_sign(forge_key(by), span_of(w->p + mark, w->len - mark), sig + 1);
    sig[n / 2] = (uint8_t)(sig[n / 2] ^ flip);
    forge_algorithm(w, &(struct forge){ .by = by, .alg = alg });
    der_put(w, DER_BIT_STRING, span_of(sig, n + 1));
}

static inline void forge_crl_extensions(struct wr *w, const struct forge_crl *f)
{
    size_t list = w->len, at = w->len;

    if (f->point || f->only) {
        if (f->point) {
            der_put(w, DER_CONTEXT(6), span_of(f->point, strlen(f->point)));
            der_close(w, at, DER_CONSTRUCTED(0));
            der_close(w, at, DER_CONSTRUCTED(0));
        }
        if (f->only == 3) {
            der_put(w, DER_CONTEXT(3), span_of("\x06\x40", 2));
        } else if (f->only) {
            der_put(w, DER_CONTEXT((unsigned)f->only), span_of("\xff", 1));
        }
        der_close(w, at, DER_SEQUENCE);
        forge_ext(w, at, 0x1c, true);
    }
    at = w->len;
    if (f->delta) {
        der_put_uint32(w, 1);
        forge_ext(w, at, 0x1b, true);
    }
    at = w->len;
    if (f->unknown) {
        der_put_uint32(w, 1);
        forge_ext(w, at, 0x7e, true);
    }
    at = w->len;
    der_put_uint32(w, 7);
    forge_ext(w, at, 0x14, false);
    der_close(w, list, DER_SEQUENCE);
    der_close(w, list, DER_CONSTRUCTED(0));
}

static inline struct span forge_crl_der(const struct forge_crl *f)
{
    static uint8_t mem[65536];
    struct wr w = wr_of(mem, sizeof mem);
    size_t list;

    der_put_uint32(&w, 1);
    forge_algorithm(&w, &(struct forge){ .by = f->by, .alg = f->alg });
    forge_name(&w, f->issuer);
    der_put_time(&w, f->from ? f->from : NOW - 3600);
    if (f->to >= 0) {
        der_put_time(&w, f->to ? f->to : NOW + DAY);
    }
    list = w.len;
    for (size_t i = 0; i < 4 && f->serials[i]; i++) {
        size_t at = w.len, ext;

        der_put_uint32(&w, (uint32_t)f->serials[i]);
        der_put_time(&w, NOW - DAY);
        if (i == 0) {
            ext = w.len;
            if (f->entry_critical) {
                der_put_uint32(&w, 1);
                forge_ext(&w, ext, 0x7e, true);
            } else {
                wr_bytes(&w, "\x0a\x01\x01", 3); /* keyCompromise */
                forge_ext(&w, ext, 0x15, false);
            }
            der_close(&w, ext, DER_SEQUENCE);
        }
        der_close(&w, at, DER_SEQUENCE);
    }
    if (f->serials[0]) {
        der_close(&w, list, DER_SEQUENCE);
    }
    forge_crl_extensions(&w, f);
    der_close(&w, 0, DER_SEQUENCE);
    forge_signature(&w, 0, f->by, f->alg, f->flip);
    der_close(&w, 0, DER_SEQUENCE);
    return forge_out(&w);
}

/* ---- OCSP ---- */

static inline void forge_put_hash(struct wr *w, enum hash_id hash, struct span of)
{
    uint8_t sum[HASH_MAX];

    if (hash_once(hash, of.p, of.n, sum) < 0) {
        abort();
    }
    der_put(w, DER_OCTET_STRING, span_of(sum, hash_size(hash)));
}

static inline void forge_key_hash(struct wr *w, enum hash_id hash, int key)
{
    struct buf spki = { 0 };
    struct span bits;
    struct rd r, seq, alg;

    if (privkey_public_spki(forge_key(key), &spki) < 0) {
        abort();
    }
    r = rd_span(buf_span(&spki));
    if (!der_get(&r, DER_SEQUENCE, &seq) || !der_get(&seq, DER_SEQUENCE, &alg) ||
        !der_bit_bytes(&seq, &bits)) {
        abort();
    }
    forge_put_hash(w, hash, bits);
    buf_free(&spki);
}

static inline void forge_cert_id(struct wr *w, const struct forge_ocsp *f, int serial)
{
    uint8_t mem[256];
    struct wr name = wr_of(mem, sizeof mem);
    size_t at = w->len;

    forge_name(&name, f->issuer);
    if (f->sha256) {
        wr_bytes(w, "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01", 13);
    } else {
        wr_bytes(w, "\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00", 11);
    }
    forge_put_hash(w, f->sha256 ? HASH_SHA256 : HASH_SHA1, span_of(mem, name.len));
    forge_key_hash(w, f->sha256 ? HASH_SHA256 : HASH_SHA1, f->issuer_key);
    der_put_uint32(w, (uint32_t)serial);
    der_close(w, at, DER_SEQUENCE);
}

static inline void forge_answer(struct wr *w, const struct forge_ocsp *f, int serial, int status)
{
    size_t at = w->len, to;

    forge_cert_id(w, f, serial);
    if (status == 1) {
        to = w->len;
        wr_bytes(w,
                 "\x18\x0f"
                 "20250101000000Z",
                 17);
        der_close(w, to, DER_CONSTRUCTED(1));
    } else {
        der_put(w, DER_CONTEXT((unsigned)status), span_of(NULL, 0));
    }
    to = w->len;
    {
        char text[32];
        struct civil c = civil_from_seconds(f->from ? f->from : NOW - 3600);

        (void)snprintf(text, sizeof text, "%04d%02u%02u%02u%02u%02uZ", (int)c.year, c.month, c.day,
                       c.hour, c.minute, c.second);
        der_put(w, DER_GENERALIZED_TIME, span_of(text, 15));
        if (f->to >= 0) {
            to = w->len;
            c = civil_from_seconds(f->to ? f->to : NOW + DAY);
            (void)snprintf(text, sizeof text, "%04d%02u%02u%02u%02u%02uZ", (int)c.year, c.month,
                           c.day, c.hour, c.minute, c.second);
            der_put(w, DER_GENERALIZED_TIME, span_of(text, 15));
            der_close(w, to, DER_CONSTRUCTED(0));
        }
    }
    der_close(w, at, DER_SEQUENCE);
}

static inline struct span forge_ocsp_der(const struct forge_ocsp *f)
{
    static uint8_t mem[65536];
    struct wr w = wr_of(mem, sizeof mem);
    int by = f->by ? f->by - 1 : f->responder ? f->responder->key : f->issuer_key;
    int serial = f->serial          ? f->serial
                 : f->about->serial ? f->about->serial
                                    : 0x1000 + f->about->key;
    uint8_t status = (uint8_t)f->failed;
    size_t inner, basic, tbs, list;

    der_put(&w, 0x0a, span_of(&status, 1));
    inner = w.len;
    if (!f->failed) {
        wr_bytes(&w, "\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01", 11);
        basic = tbs = w.len;
        if (f->by_key) {
            forge_key_hash(&w, HASH_SHA1, f->responder ? f->responder->key : f->issuer_key);
            der_close(&w, tbs, DER_CONSTRUCTED(2));
        } else {
            forge_name(&w, f->responder ? f->responder->subject : f->issuer);
            der_close(&w, tbs, DER_CONSTRUCTED(1));
        }
        wr_bytes(&w,
                 "\x18\x0f"
                 "20250614000000Z",
                 17);
        list = w.len;
        if (f->other_first) {
            forge_answer(&w, f, serial + 1, 1);
        }
        forge_answer(&w, f, serial, f->status);
        der_close(&w, list, DER_SEQUENCE);
        der_close(&w, tbs, DER_SEQUENCE);
        forge_signature(&w, tbs, by, f->alg, f->flip);
        if (f->responder) {
            struct span cert = forge_der(f->responder);
            size_t certs = w.len;

            wr_bytes(&w, cert.p, cert.n);
            free((void *)(uintptr_t)cert.p);
            der_close(&w, certs, DER_SEQUENCE);
            der_close(&w, certs, DER_CONSTRUCTED(0));
        }
        der_close(&w, basic, DER_SEQUENCE);
        der_close(&w, basic, DER_OCTET_STRING);
        der_close(&w, inner, DER_SEQUENCE);
        der_close(&w, inner, DER_CONSTRUCTED(0));
    }
    der_close(&w, 0, DER_SEQUENCE);
    return forge_out(&w);
}
#endif
