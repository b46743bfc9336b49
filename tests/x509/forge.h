/* SPDX-License-Identifier: ISC */
/* Certificates of any kind for tests, good and bad, byte by byte with the project's DER writer:
 * cert_issue() makes only good ones. */
#ifndef TESTS_X509_FORGE_H
#define TESTS_X509_FORGE_H
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "crypto/crypto.h"
#include "x509/der.h"
#include "x509/x509.h"

#define NOW   INT64_C(1750000000) /* 2025-06-15: all forged certificates are dated around it */
#define DAY   INT64_C(86400)
#define YEAR  (365 * DAY)
#define KEYS  12
#define KEY_R 8  /* RSA-2048 */
#define KEY_W 9  /* RSA-1024: weak */
#define KEY_D 10 /* Ed25519 */
#define KEY_P 11 /* P-384 */

enum forge_ca { CA_NONE, CA_TRUE, CA_FALSE, CA_FALSE_WRITTEN };
enum forge_alg { ALG_FIT, ALG_SHA1, ALG_MD5, ALG_UNKNOWN, ALG_DIFFER };

/* What to make; zero is the usual. Names are lists with spaces: "a.test 127.0.0.1 email:a@b.test
 * dn:common-name uri:x"; in constraints addresses are "10.0.0.0/255.0.0.0". */
struct forge {
    int at;                       /* for tables: where the certificate goes */
    const char *subject, *issuer; /* common names; NULL: an empty name */
    int key, by;                  /* numbers of keys: its own, and the one that signs */
    int version;                  /* 0: 3 */
    int64_t from, to;             /* 0: a day before NOW, a year behind it */
    const char *from_as, *to_as;  /* "U" UTCTime or "G" GeneralizedTime, then its text */
    enum forge_ca ca;
    int path_len; /* 1 more than the value; 0: none */
    unsigned ku, eku;
    const char *names, *permitted, *excluded;
    const char *policies, *mapped;                     /* "1 2 any": 1.2.3.1 ...; "1:2 3:4" */
    int explicit_policy, inhibit_mapping, inhibit_any; /* 1 more than the value; 0: none */
    bool must_staple;
    const char *crl_point; /* URI */
    int serial;            /* 0: by its key */
    enum forge_alg alg;
    bool critical, unknown, twice; /* an unknown extension, critical; not; the key usage twice */
    bool no_ids, wrong_aki, flip;  /* key identifiers; a bit of the signature turned */
};

static struct privkey *forge_keys[KEYS];

/* What is to be signed, written to w since mark, may be changed before it is; NULL: it is not. */
static void (*forge_change)(struct wr *w, size_t mark);

static inline struct privkey *forge_key(int i)
{
    if (!forge_keys[i]) {
        enum key_type type = i == KEY_R || i == KEY_W ? KEY_RSA
                             : i == KEY_D             ? KEY_ED25519
                             : i == KEY_P             ? KEY_EC_P384
                                                      : KEY_EC_P256;

        if (crypto_init() < 0 ||
            privkey_generate(&forge_keys[i], type, i == KEY_W ? 1024 : 2048) < 0) {
            abort();
        }
    }
    return forge_keys[i];
}

static inline void forge_done(void)
{
    for (int i = 0; i < KEYS; i++) {
        privkey_unref(forge_keys[i]);
        forge_keys[i] = NULL;
    }
}

/* ---- pieces ---- */

static inline void forge_attribute(struct wr *w, const char *text, size_t n)
{
    bool email = n > 6 && strncmp(text, "email:", 6) == 0;
    size_t at = w->len;
    char value[128];

    if (n >= sizeof value) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        value[i] = text[i] == '+' ? ' ' : text[i];
    }
    if (email) {
        wr_bytes(w, "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", 11);
        der_put(w, DER_IA5_STRING, span_of(value + 6, n - 6));
    } else {
        wr_bytes(w, "\x06\x03\x55\x04\x03", 5);
        der_put(w, DER_UTF8_STRING, span_of(value, n));
    }
    der_close(w, at, DER_SEQUENCE);
}

/* "a;b&c": one part with one common name, one with two; '+' is a space; "email:" another attribute.
 */
static inline void forge_name(struct wr *w, const char *text)
{
    size_t seq = w->len, set = seq;

    while (text && *text) {
        size_t n = strcspn(text, ";&");

        forge_attribute(w, text, n);
        if (text[n] != '&') {
            der_close(w, set, DER_SET);
            set = w->len;
        }
        text += n + (text[n] != '\0');
    }
    der_close(w, seq, DER_SEQUENCE);
}

static inline void forge_general_name(struct wr *w, const char *name, size_t n)
{
    uint8_t ip[32];
    char text[128], *mask;
    size_t mark = w->len;

    if (n + 4 >= sizeof text) {
        abort();
    }
    memcpy(text, name, n);
    text[n] = '\0';
    mask = strchr(text, '/');
    if (mask) {
        *mask++ = '\0';
    }
    if (strncmp(text, "email:", 6) == 0) {
        der_put(w, DER_CONTEXT(1), span_of(text + 6, n - 6));
    } else if (strncmp(text, "nul:", 4) == 0) { /* "a.test", NUL, ".x" */
        (void)memcpy(text + n + 1, ".x", 2);
        der_put(w, DER_CONTEXT(2), span_of(text + 4, n - 4 + 3));
    } else if (strncmp(text, "uri:", 4) == 0) {
        der_put(w, DER_CONTEXT(6), span_of(text + 4, n - 4));
    } else if (strncmp(text, "dn:", 3) == 0) {
        forge_name(w, text + 3);
        der_close(w, mark, DER_CONSTRUCTED(4));
    } else if (inet_pton(AF_INET, text, ip) == 1 &&
               (!mask || inet_pton(AF_INET, mask, ip + 4) == 1)) {
        der_put(w, DER_CONTEXT(7), span_of(ip, mask ? 8 : 4));
    } else if (inet_pton(AF_INET6, text, ip) == 1 &&
               (!mask || inet_pton(AF_INET6, mask, ip + 16) == 1)) {
        der_put(w, DER_CONTEXT(7), span_of(ip, mask ? 32 : 16));
    } else {
        der_put(w, DER_CONTEXT(2), span_of(text, strcmp(text, "any") == 0 ? 0 : n));
    }
}

static inline void forge_names(struct wr *w, const char *names, bool as_subtrees)
{
    while (*names) {
        size_t n = strcspn(names, " "), mark = w->len;

        forge_general_name(w, names, n);
        if (as_subtrees) {
            der_close(w, mark, DER_SEQUENCE);
        }
        names += n + (names[n] == ' ');
    }
}

/* Wraps what was written since mark as the value of extension id-ce-`id`. */
static inline void forge_ext(struct wr *w, size_t mark, uint8_t id, bool critical)
{
    uint8_t value[4096];
    size_t n = w->len - mark;
    const uint8_t oid[] = { DER_OID, 3, 0x55, 0x1d, id };

    if (!wr_ok(w) || n > sizeof value) {
        abort();
    }
    memcpy(value, w->p + mark, n);
    w->len = mark;
    wr_bytes(w, oid, sizeof oid);
    if (critical) {
        wr_bytes(w, "\x01\x01\xff", 3);
    }
    der_put(w, DER_OCTET_STRING, span_of(value, n));
    der_close(w, mark, DER_SEQUENCE);
}

static inline void forge_basic(struct wr *w, const struct forge *f)
{
    size_t at = w->len;

    if (f->ca == CA_TRUE) {
        wr_bytes(w, "\x01\x01\xff", 3);
    } else if (f->ca == CA_FALSE_WRITTEN) {
        wr_bytes(w, "\x01\x01\x00", 3);
    }
    if (f->path_len) {
        der_put_uint32(w, (uint32_t)f->path_len - 1);
    }
    der_close(w, at, DER_SEQUENCE);
    forge_ext(w, at, 0x13, true);
}

static inline void forge_key_usage(struct wr *w, unsigned ku)
{
    size_t at = w->len;
    uint8_t bits[] = { DER_BIT_STRING, 2, 7, 0 };

    for (unsigned i = 0; i < 8; i++) {
        if (ku & 1u << i) {
            bits[3] = (uint8_t)(bits[3] | 0x80 >> i);
            bits[2] = (uint8_t)(7 - i);
        }
    }
    wr_bytes(w, bits, sizeof bits);
    forge_ext(w, at, 0x0f, true);
}

static inline void forge_ext_key_usage(struct wr *w, unsigned eku)
{
    size_t at = w->len;

    if (eku & EKU_ANY) {
        wr_bytes(w, "\x06\x04\x55\x1d\x25\x00", 6);
    }
    if (eku & EKU_SERVER) {
        wr_bytes(w, "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01", 10);
    }
    if (eku & EKU_CLIENT) {
        wr_bytes(w, "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02", 10);
    }
    if (eku & EKU_OCSP) {
        wr_bytes(w, "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x09", 10);
    }
    if (eku & EKU_OTHER) {
        wr_bytes(w, "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x03", 10);
    }
    der_close(w, at, DER_SEQUENCE);
    forge_ext(w, at, 0x25, false);
}

static inline void forge_key_ids(struct wr *w, const struct forge *f)
{
    const uint8_t own[] = { 0x5a, (uint8_t)f->key, 1, 2 };
    const uint8_t by[] = { 0x5a, (uint8_t)(f->wrong_aki ? 0xee : f->by), 1, 2 };
    size_t at = w->len;

    der_put(w, DER_OCTET_STRING, span_of(own, sizeof own));
    forge_ext(w, at, 0x0e, false);
    at = w->len;
    der_put(w, DER_CONTEXT(0), span_of(by, sizeof by));
    der_close(w, at, DER_SEQUENCE);
    forge_ext(w, at, 0x23, false);
}

static inline void forge_constraints(struct wr *w, const struct forge *f)
{
    size_t at = w->len, list = at;

    if (f->permitted) {
        forge_names(w, f->permitted, true);
        der_close(w, list, DER_CONSTRUCTED(0));
    }
    if (f->excluded) {
        list = w->len;
        forge_names(w, f->excluded, true);
        der_close(w, list, DER_CONSTRUCTED(1));
    }
    der_close(w, at, DER_SEQUENCE);
    forge_ext(w, at, 0x1e, true);
}

static inline void forge_policy(struct wr *w, const char *name, size_t n)
{
    const uint8_t oid[] = { DER_OID, 3, 0x2a, 3, (uint8_t)atoi(name) };

    if (n == 3 && strncmp(name, "any", 3) == 0) {
        wr_bytes(w, "\x06\x04\x55\x1d\x20\x00", 6);
    } else {
        wr_bytes(w, oid, sizeof oid);
    }
}

static inline void forge_policies(struct wr *w, const struct forge *f)
{
    size_t at = w->len, one;

    for (const char *p = f->policies; p && *p;) {
        size_t n = strcspn(p, " ");

        one = w->len;
        forge_policy(w, p, n);
        der_close(w, one, DER_SEQUENCE);
        p += n + (p[n] == ' ');
    }
    if (f->policies) {
        der_close(w, at, DER_SEQUENCE);
        forge_ext(w, at, 0x20, true);
    }
    at = w->len;
    for (const char *p = f->mapped; p && *p;) {
        size_t n = strcspn(p, ":"), m = strcspn(p + n + 1, " ");

        one = w->len;
        forge_policy(w, p, n);
        forge_policy(w, p + n + 1, m);
        der_close(w, one, DER_SEQUENCE);
        p += n + 1 + m;
        p += *p == ' ';
    }
    if (f->mapped) {
        der_close(w, at, DER_SEQUENCE);
        forge_ext(w, at, 0x21, true);
    }
}

static inline void forge_policy_constraints(struct wr *w, const struct forge *f)
{
    size_t at = w->len;

    if (f->explicit_policy || f->inhibit_mapping) {
        uint8_t value = (uint8_t)(f->explicit_policy - 1);

        if (f->explicit_policy) {
            der_put(w, DER_CONTEXT(0), span_of(&value, 1));
        }
        value = (uint8_t)(f->inhibit_mapping - 1);
        if (f->inhibit_mapping) {
            der_put(w, DER_CONTEXT(1), span_of(&value, 1));
        }
        der_close(w, at, DER_SEQUENCE);
        forge_ext(w, at, 0x24, true);
    }
    if (f->inhibit_any) {
        at = w->len;
        der_put_uint32(w, (uint32_t)f->inhibit_any - 1);
        forge_ext(w, at, 0x36, true);
    }
}

static inline void forge_crl_point(struct wr *w, const char *uri)
{
    size_t at = w->len;

    der_put(w, DER_CONTEXT(6), span_of(uri, strlen(uri)));
    der_close(w, at, DER_CONSTRUCTED(0));
    der_close(w, at, DER_CONSTRUCTED(0));
    der_close(w, at, DER_SEQUENCE);
    der_close(w, at, DER_SEQUENCE);
    forge_ext(w, at, 0x1f, false);
}

static inline void forge_must_staple(struct wr *w)
{
    size_t at = w->len;

    wr_bytes(w, "\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x18\x04\x05\x30\x03\x02\x01\x05", 17);
    der_close(w, at, DER_SEQUENCE);
}

static inline void forge_extensions(struct wr *w, const struct forge *f)
{
    size_t start = w->len, at;

    if (f->ca) {
        forge_basic(w, f);
    }
    for (int i = 0; f->ku && i < (f->twice ? 2 : 1); i++) {
        forge_key_usage(w, f->ku);
    }
    if (f->eku) {
        forge_ext_key_usage(w, f->eku);
    }
    if (f->names) {
        at = w->len;
        forge_names(w, f->names, false);
        der_close(w, at, DER_SEQUENCE);
        forge_ext(w, at, 0x11, !f->subject);
    }
    if (!f->no_ids) {
        forge_key_ids(w, f);
    }
    if (f->permitted || f->excluded) {
        forge_constraints(w, f);
    }
    forge_policies(w, f);
    forge_policy_constraints(w, f);
    if (f->crl_point) {
        forge_crl_point(w, f->crl_point);
    }
    if (f->must_staple) {
        forge_must_staple(w);
    }
    if (f->critical || f->unknown) {
        at = w->len;
        wr_bytes(w, "\x05\x00", 2);
        forge_ext(w, at, 0x7e, f->critical);
    }
    der_close(w, start, DER_SEQUENCE);
    der_close(w, start, DER_CONSTRUCTED(3));
}

static inline void forge_algorithm(struct wr *w, const struct forge *f)
{
    enum key_type type = privkey_type(forge_key(f->by));
    struct span alg = type == KEY_RSA
                          ? OID_SPAN("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00")
                      : type == KEY_ED25519 ? OID_SPAN("\x06\x03\x2b\x65\x70")
                      : type == KEY_EC_P384 ? OID_SPAN("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03")
                                            : OID_SPAN("\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02");

    if (f->alg == ALG_SHA1) {
        alg = type == KEY_RSA ? OID_SPAN("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00")
                              : OID_SPAN("\x06\x07\x2a\x86\x48\xce\x3d\x04\x01");
    } else if (f->alg == ALG_MD5) {
        alg = OID_SPAN("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05\x00");
    } else if (f->alg == ALG_UNKNOWN) {
        alg = OID_SPAN("\x06\x03\x2b\x65\x01");
    }
    der_put(w, DER_SEQUENCE, alg);
}

static inline size_t forge_sign(struct privkey *key, struct span msg, uint8_t sig[static SIG_MAX])
{
    static const struct {
        enum key_type type;
        uint16_t scheme;
    } rows[] = { { KEY_EC_P256, 0x0403 },
                 { KEY_EC_P384, 0x0503 },
                 { KEY_ED25519, 0x0807 },
                 { KEY_RSA, 0x0401 } };
    size_t n = SIG_MAX;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].type == privkey_type(key) &&
            privkey_sign(key, scheme_by_id(rows[i].scheme), &msg, 1, sig, &n) == 0) {
            return n;
        }
    }
    abort();
}

static inline void forge_time(struct wr *w, const char *as, int64_t seconds)
{
    if (as) {
        der_put(w, as[0] == 'U' ? DER_UTC_TIME : DER_GENERALIZED_TIME,
                span_of(as + 1, strlen(as + 1)));
    } else {
        der_put_time(w, seconds);
    }
}

/* The certificate in malloc()ed memory. */
static inline struct span forge_der(const struct forge *f)
{
    static _Thread_local uint8_t mem[65536], sig[SIG_MAX + 1];
    struct buf spki = { 0 };
    struct wr w = wr_of(mem, sizeof mem);
    size_t n, at;
    uint8_t *out;

    if (privkey_public_spki(forge_key(f->key), &spki) < 0) {
        abort();
    }
    if (f->version != 1) {
        der_put_uint32(&w, f->version ? (uint32_t)f->version - 1 : 2);
        der_close(&w, 0, DER_CONSTRUCTED(0));
    }
    der_put_uint32(&w, f->serial ? (uint32_t)f->serial : 0x1000u + (uint32_t)f->key);
    forge_algorithm(&w, f);
    forge_name(&w, f->issuer);
    at = w.len;
    forge_time(&w, f->from_as, f->from ? f->from : NOW - DAY);
    forge_time(&w, f->to_as, f->to ? f->to : NOW + YEAR);
    der_close(&w, at, DER_SEQUENCE);
    forge_name(&w, f->subject);
    wr_bytes(&w, buf_data(&spki), buf_len(&spki));
    buf_free(&spki);
    if (f->version == 0 || f->version == 3) {
        forge_extensions(&w, f);
    }
    der_close(&w, 0, DER_SEQUENCE);
    if (forge_change) {
        forge_change(&w, 0);
    }
    n = forge_sign(forge_key(f->by), span_of(w.p, w.len), sig + 1);
    sig[0] = 0;
    sig[n / 2] = (uint8_t)(sig[n / 2] ^ f->flip);
    if (f->alg == ALG_DIFFER) {
        struct forge other = { .by = f->by == KEY_D ? 0 : KEY_D };

        forge_algorithm(&w, &other);
    } else {
        forge_algorithm(&w, f);
    }
    der_put(&w, DER_BIT_STRING, span_of(sig, n + 1));
    der_close(&w, 0, DER_SEQUENCE);
    out = malloc(w.len);
    if (!wr_ok(&w) || !out) {
        abort();
    }
    memcpy(out, mem, w.len);
    return span_of(out, w.len);
}

/* Parsed as well; free((void *)c.der.p). */
static inline struct cert forge_cert(const struct forge *f)
{
    struct cert c;

    if (cert_parse(&c, forge_der(f), NULL) < 0) {
        abort();
    }
    return c;
}
#endif
