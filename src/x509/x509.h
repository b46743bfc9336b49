/* SPDX-License-Identifier: ISC */
/* Certificates: our own DER reader, parser and path validation (RFC 5280), names (RFC 9525).
 * Everything is offsets into the caller's bytes; parsing allocates nothing. */
#ifndef X509_X509_H
#define X509_X509_H
#include <stdio.h>

#include "crypto/crypto.h"

#define CHAIN_MAX_CERTS 10
#define CHAIN_MAX_BYTES 65536

/* Key usage bits (RFC 5280 4.2.1.3) by position, and extended key usages that TLS asks for. */
enum {
    KU_DIGITAL_SIGNATURE = 1 << 0,
    KU_KEY_ENCIPHERMENT = 1 << 2,
    KU_KEY_AGREEMENT = 1 << 4,
    KU_CERT_SIGN = 1 << 5,
    KU_CRL_SIGN = 1 << 6
};
enum {
    EKU_ANY = 1 << 0,
    EKU_SERVER = 1 << 1,
    EKU_CLIENT = 1 << 2,
    EKU_OCSP = 1 << 3,
    EKU_OTHER = 1 << 4
};

/* A parsed certificate: a view of `der`, valid as long as those bytes are. */
struct cert {
    struct span der;                           /* the whole certificate */
    struct span tbs;                           /* what is signed, with its header */
    struct span serial, issuer, subject, spki; /* names and spki with their headers */
    uint8_t version;                           /* 1, 2, 3 */
    int64_t not_before, not_after;             /* seconds since 1970 UTC, inclusive */
    /* its signature */
    enum sig_kind sig_kind;
    enum hash_id sig_hash; /* HASH_NONE with sig_known: EdDSA */
    bool sig_known;        /* an algorithm we can verify */
    bool sig_weak;         /* MD2, MD5 or SHA-1: a chain never relies on it */
    struct span sig;
    /* its key */
    enum key_type key_type;   /* KEY_NONE: of a kind we do not know */
    struct span key_point;    /* EC, EdDSA */
    struct span key_n, key_e; /* RSA */
    enum hash_id
        key_hash; /* KEY_RSA_PSS bound to one hash (RFC 4055 section 3.3); else HASH_NONE */
    /* extensions; has_* tells presence */
    bool has_bc, ca, has_ku, has_eku, has_san, critical_unknown, self_issued;
    int path_len; /* -1: none */
    uint16_t ku;
    uint8_t eku;
    struct span san;              /* contents of GeneralNames: a row of context-tagged elements */
    struct span name_constraints; /* contents of NameConstraints */
    struct span aki, ski;
};

/* 0 or ERR_PARSE with a sentence; strict DER, nothing left over. */
int cert_parse(struct cert *c, struct span der, struct error *err) MUST_CHECK;
int cert_pubkey(const struct cert *c, struct pubkey **out) MUST_CHECK;
/* "CN=redis.test, O=Example": for logs; printable ASCII only, cut at size. Returns text. */
char *cert_name_text(struct span name, char *text, size_t size);

/* Does this certificate speak for the host? DNS name (RFC 9525: one left-most wildcard label, no
 * CN) or a literal IPv4/IPv6 address against iPAddress entries. 0 or TLS_ALERT(bad_certificate). */
int cert_match_host(const struct cert *c, const char *host, struct error *err) MUST_CHECK;
/* The same question, by how well the best of its names fits; no sentence is made. */
enum name_fit { NAME_NONE, NAME_WILDCARD, NAME_EXACT };
enum name_fit cert_name_fit(const struct cert *c, const char *host);
/* Is `host` something a certificate can speak for (LDH labels, or an IP address)? */
bool host_is_valid(const char *host);
bool host_is_ip(const char *host);

/* ---- trust anchors: parsed once, shared, indexed by subject; immutable once in use ---- */
struct trust;
struct trust *trust_new(void); /* NULL: no memory */
struct trust *trust_ref(struct trust *t);
void trust_unref(struct trust *t);
/* Adds; returns how many certificates were read (> 0; one that is there already counts, and is not
 * added twice) or ERR_FILE, ERR_PARSE (not one certificate in it), ERR_MEM. Single certificates
 * that do not parse inside a bundle are skipped, in a directory whole files. */
int trust_add_pem(struct trust *t, struct span bytes,
                  struct error *err) MUST_CHECK; /* PEM or one DER */
int trust_add_path(struct trust *t, const char *file_or_dir, struct error *err) MUST_CHECK;
/* SSL_CERT_FILE, SSL_CERT_DIR (one directory, or several with colons; neither counts in a set-uid
 * program), else the Debian bundle, else /etc/ssl/certs. */
int trust_add_system(struct trust *t, struct error *err) MUST_CHECK;
size_t trust_count(const struct trust *t);
/* The i-th anchor whose subject is `name`, NULL when there is no i-th. */
const struct cert *trust_find(const struct trust *t, struct span name, size_t i);
/* Calls fn for each anchor (certificate_authorities). */
void trust_each(const struct trust *t, void (*fn)(void *ctx, const struct cert *c), void *ctx);

/* ---- path validation ---- */
enum chain_verdict {
    CHAIN_OK,
    CHAIN_EMPTY,
    CHAIN_MALFORMED,
    CHAIN_UNKNOWN_CA,
    CHAIN_SELF_SIGNED,
    CHAIN_EXPIRED,
    CHAIN_NOT_YET_VALID,
    CHAIN_BAD_SIGNATURE,
    CHAIN_NOT_A_CA,
    CHAIN_PATH_TOO_LONG,
    CHAIN_BAD_USAGE,
    CHAIN_NAME_CONSTRAINTS,
    CHAIN_CRITICAL_EXTENSION,
    CHAIN_WEAK,
    CHAIN_NAME_MISMATCH,
    CHAIN_TOO_MUCH_WORK,
};
struct chain_query {
    struct trust *trust;
    int64_t now;         /* seconds since 1970 */
    bool peer_is_server; /* which extended key usage */
    bool enciphers;      /* RSA key exchange: the leaf's key is encrypted to, otherwise it signs */
    const char *host;    /* NULL: names are not checked */
    int64_t *until;      /* NULL, or gets the last second in which the path that stands is valid */
};
/* Validates leaf (certs[0]) with the others in any order as candidates. 0, or TLS_ALERT(..) as RFC
 * 8446 6.2 names it, with verdict and a sentence that says which certificate and what to do. */
int chain_verify(const struct chain_query *q, const struct cert *certs, size_t n,
                 enum chain_verdict *verdict, struct error *err) MUST_CHECK;

/* ---- identity: a certificate list and its key; immutable, reference-counted ---- */
struct identity {
    unsigned refs;      /* changed atomically */
    struct span *certs; /* DER, leaf first */
    size_t ncerts;
    struct cert leaf;
    struct privkey *key;
    uint8_t *mem; /* what certs point into */
};
/* PEM (leaf first, then intermediates) or DER; the key may be in the same bytes. ERR_MISMATCH when
 * the key does not belong to the leaf. */
int identity_from_bytes(struct identity **out, struct span certs, struct span key, const char *pass,
                        struct error *err) MUST_CHECK;
int identity_from_files(struct identity **out, const char *certs, const char *key, const char *pass,
                        struct error *err) MUST_CHECK;
/* One without a key, which says nothing but which certificate it is. ERR_PARSE, ERR_MEM. */
int identity_from_leaf(struct identity **out, struct span der) MUST_CHECK;
struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity *id);

/* ---- PEM ---- */
/* The next "-----BEGIN label-----" block at or behind *pos in text: appends its decoded bytes to
 * out, copies the label, moves *pos behind the block. 1 found, 0 no more, ERR_PARSE, ERR_MEM. */
struct buf;
int pem_next(struct span text, size_t *pos, char label[static 64], struct buf *out) MUST_CHECK;
int pem_write(struct buf *out, const char *label, struct span der) MUST_CHECK;
/* A whole file, at most 16 MiB; ERR_FILE keeps errno. */
int file_read(const char *path, struct buf *out, struct error *err) MUST_CHECK;
/* To write behind what is in it; made for its owner alone when it is not there. NULL: errno. */
FILE *file_append(const char *path);

/* ---- making certificates (sleeve keygen) ---- */
struct issue {
    const char *common_name;
    const char *const *names; /* DNS names and IP addresses for subjectAltName */
    size_t nnames;
    bool ca, client, server;
    int64_t not_before, not_after;
    struct privkey *key;        /* the subject's */
    struct privkey *issuer_key; /* == key: self-signed */
    const struct cert *issuer;  /* NULL: self-signed */
};
int cert_issue(const struct issue *what, struct buf *der, struct error *err) MUST_CHECK;
#endif
