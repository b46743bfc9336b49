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

/* A signature and how it was made. */
struct signature {
    enum sig_kind kind;
    enum hash_id hash; /* HASH_NONE with known: EdDSA */
    bool known;        /* an algorithm we can verify */
    bool weak;         /* MD2, MD5 or SHA-1: only with chain_query.weak is it relied on */
    struct span bits;
};

/* A parsed certificate: a view of `der`, valid as long as those bytes are. */
struct anchor;
struct cert {
    struct anchor *anchor;                     /* where trust keeps it; NULL: it does not */
    struct span der;                           /* the whole certificate */
    struct span tbs;                           /* what is signed, with its header */
    struct span serial, issuer, subject, spki; /* names and spki with their headers */
    uint8_t version;                           /* 1, 2, 3 */
    int64_t not_before, not_after;             /* seconds since 1970 UTC, inclusive */
    struct signature sig;
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
    bool must_staple;       /* it is to be shown with an OCSP response (RFC 7633) */
    struct span crl_points; /* contents of CRLDistributionPoints */
    /* policies (RFC 5280 4.2.1.4, 4.2.1.5, 4.2.1.11, 4.2.1.14): contents of the sequences, and
     * after how many more certificates something holds; -1: not said */
    bool has_policies;
    struct span policies, policy_mappings;
    int explicit_policy, inhibit_mapping, inhibit_any;
};

/* 0 or ERR_PARSE with a sentence; strict DER, nothing left over. */
int cert_parse(struct cert *c, struct span der, struct error *err) MUST_CHECK;
int cert_pubkey(const struct cert *c, struct pubkey **out) MUST_CHECK;
/* Certificates as they came, leaf first, one behind the other; immutable, reference-counted. */
struct cert_list {
    unsigned refs;  /* changed atomically */
    size_t leaf, n; /* bytes of the leaf, of all */
    uint8_t der[];
};
struct cert_list *cert_list_new(const struct cert *certs, size_t n); /* NULL: no memory */
struct cert_list *cert_list_ref(struct cert_list *l);
void cert_list_unref(struct cert_list *l);                          /* NULL is fine */
static inline struct span cert_list_leaf(const struct cert_list *l) /* of NULL: empty */
{
    return l ? span_of(l->der, l->leaf) : span_of(NULL, 0);
}

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
/* Calls fn for the files and directories that it would read; fn returns 1 when that one is there, 0
 * when not, or an error, which ends it. 0 and more, or that error, or ERR_MEM. */
int trust_system_each(int (*fn)(void *ctx, const char *path), void *ctx) MUST_CHECK;
size_t trust_count(const struct trust *t);
/* The i-th anchor whose subject is `name`, NULL when there is no i-th. */
const struct cert *trust_find(const struct trust *t, struct span name, size_t i);
/* Calls fn for each anchor (certificate_authorities). */
void trust_each(const struct trust *t, void (*fn)(void *ctx, const struct cert *c), void *ctx);

/* ---- revocation: CRLs, parsed once, shared; immutable once in use ---- */
struct revocation;
struct revocation *revocation_new(void); /* NULL: no memory */
struct revocation *revocation_ref(struct revocation *r);
void revocation_unref(struct revocation *r); /* NULL is fine */
/* Adds; returns how many CRLs were read (> 0) or ERR_FILE, ERR_PARSE (not one usable CRL in it),
 * ERR_MEM. Delta, indirect and attribute CRLs are not usable, nor are those with a critical
 * extension that is unknown (RFC 5280 section 5.2). */
int revocation_add_pem(struct revocation *r, struct span bytes,
                       struct error *err) MUST_CHECK; /* PEM or one DER */
int revocation_add_path(struct revocation *r, const char *file_or_dir,
                        struct error *err) MUST_CHECK;
size_t revocation_count(const struct revocation *r);
/* A digest of what they say, in whatever order they were added. */
int revocation_digest(const struct revocation *r, uint8_t sum[static 32]) MUST_CHECK;

/* How much must be known about whether certificates were revoked. What is known to be revoked is
 * refused in all but the first, as is a certificate that must be shown with an OCSP response and is
 * not (RFC 7633). */
enum revoke_mode {
    REVOKE_OFF,  /* nothing is looked at */
    REVOKE_SOFT, /* what cannot be found out is no hindrance */
    REVOKE_HARD, /* the leaf: a good OCSP response or a CRL that does not list it */
    REVOKE_ALL,  /* every certificate below the anchor: likewise, CAs by CRL */
};

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
    CHAIN_POLICY,
    CHAIN_CRITICAL_EXTENSION,
    CHAIN_WEAK,
    CHAIN_NAME_MISMATCH,
    CHAIN_REVOKED,
    CHAIN_BAD_STAPLE,
    CHAIN_STATUS_UNKNOWN,
    CHAIN_NOT_PINNED,
    CHAIN_TOO_MUCH_WORK,
    CHAIN_VERDICTS
};
#define PIN_SIZE     32 /* SHA-256 of a SubjectPublicKeyInfo (RFC 7469 section 2.4) */
#define PINS_MAX     32
#define CHAIN_PATH   9  /* certificates of a path at most: 8 and the anchor */
#define CHAIN_CACHED 64 /* chains that a cache remembers */

struct chain_cache;
struct chain_query {
    struct trust *trust;
    int64_t now;         /* seconds since 1970 */
    bool peer_is_server; /* which extended key usage */
    bool enciphers;      /* RSA key exchange: the leaf's key is encrypted to, otherwise it signs */
    const char *host;    /* NULL: names are not checked */
    bool partial;        /* an anchor need not be a root: any certificate in trust ends a path */
    bool weak;           /* for old peers: SHA-1 signatures, RSA keys from 1024 bits */
    enum revoke_mode revoke;
    const struct revocation *revocation; /* CRLs; NULL: none */
    struct span staple;                  /* OCSP response for the leaf; empty: none */
    const uint8_t (*pins)[PIN_SIZE];     /* one of them must be on the path; none: no matter */
    size_t npins;
    struct chain_cache *cache; /* NULL: none */
};
struct chain_result {
    enum chain_verdict verdict;
    /* CHAIN_OK: how long it all holds without a look at anything new, the path's certificates
     * (until the least of their not_after) and what was said about revocation. */
    int64_t not_after, until;
    /* Leaf first, the anchor last; of CHAIN_OK, else as far as it was built when the fault was
     * found. Not filled (0) when the cache knew the chain. */
    const struct cert *path[CHAIN_PATH];
    size_t depth;
};
/* Validates leaf (certs[0]) with the others in any order as candidates. 0, or TLS_ALERT(..) as RFC
 * 8446 6.2 names it, with verdict and a sentence that says which certificate and what to do. */
int chain_verify(const struct chain_query *q, const struct cert *certs, size_t n,
                 struct chain_result *result, struct error *err) MUST_CHECK;
/* Pins out of text: base64 or 64 hex digits each, with or without "sha256//" (as curl writes it) or
 * "sha256:" in front, ';' or ',' between them, blanks around. ERR_PARSE. */
int pins_parse(const char *text, uint8_t pins[static PINS_MAX][PIN_SIZE], size_t *n,
               struct error *err) MUST_CHECK;
/* For a peer whose chain is not validated: is its own key among the pins? 0, or the alert. */
int chain_check_pin(const struct chain_query *q, const struct cert *leaf,
                    struct error *err) MUST_CHECK;
/* "unknown CA": a few words */
const char *chain_verdict_name(enum chain_verdict v);

/* Remembers validated chains, each with all that the question was made of (certificates, name,
 * switches, pins, OCSP response) and for no longer than CHAIN_CACHE_SECONDS; one cache goes with
 * one trust and one set of CRLs. Any number of threads, without a lock. */
#define CHAIN_CACHE_SECONDS 600
struct chain_cache *chain_cache_new(void); /* NULL: no memory */
void chain_cache_free(struct chain_cache *c);
/* Of a chain that was found good: the key of its leaf and its bytes, a reference to each; those
 * that were made of the same bytes before, of the last CHAIN_CACHED or fewer chains. NULL: no
 * cache. */
int chain_cache_keep(struct chain_cache *c, const struct cert *certs, size_t n, struct pubkey **key,
                     struct cert_list **list) MUST_CHECK;

/* ---- identity: a certificate list and its key; immutable, reference-counted ---- */
struct identity {
    unsigned refs;      /* changed atomically */
    struct span *certs; /* DER, leaf first */
    size_t ncerts;
    struct cert leaf;
    struct privkey *key; /* NULL: it is not here */
    uint8_t *mem;        /* what certs point into */
};
/* certs: PEM (leaf first, then intermediates), DER or PKCS#12; key: PEM or DER of PKCS#8, PKCS#1 or
 * SEC1, encrypted or not, or PKCS#12; none: it is in certs as well. ERR_MISMATCH when the key does
 * not belong to any of the certificates; ERR_PASSPHRASE. */
int identity_from_bytes(struct identity **out, struct span certs, struct span key, const char *pass,
                        struct error *err) MUST_CHECK;

/* What opens an encrypted key or PKCS#12 file, or the PIN of a token: the first of these that is
 * set. fn and file are turned to only when something is encrypted, once for each identity. Nobody
 * is ever asked on a terminal. */
#define PASSPHRASE_MAX 1024 /* with the NUL */
struct passphrase {
    const char *text; /* the caller's, and the caller's to wipe */
    /* Puts the passphrase of `what` (a file or URI, for people) into out; returns its length, less
     * than size, or negative: there is none. */
    int (*fn)(void *arg, const char *what, char *out, size_t size);
    void *arg;
    const char *file; /* its first line, without the line end */
};
/* The first line of a file, which may be empty. ERR_PASSPHRASE: it is none; ERR_FILE, ERR_MEM. Wipe
 * it. */
int passphrase_read(const char *file, char out[static PASSPHRASE_MAX],
                    struct error *err) MUST_CHECK;
/* Where an identity comes from. Both are paths of files, or URIs: "file:/etc/tls/a.p12", or one of
 * a token that a provider of libcrypto opens: "pkcs11:token=tls;object=web", "handle:0x81000001". A
 * path that looks like a URI has to begin with "./" or "/". */
struct identity_source {
    const char *certs;
    const char *key; /* NULL: in certs */
    struct passphrase pass;
    /* The provider for URIs of tokens, and when set for the key's file as well, which may be one
     * that only it can read (TSS2 PRIVATE KEY of "tpm2"): a name that libcrypto finds (in
     * OPENSSL_MODULES or its own directory), or the path of its module. NULL: "pkcs11" for pkcs11:,
     * "tpm2" for handle:. It is loaded into a library context of its own without openssl.cnf; what
     * it has to know is in its environment (PKCS11_PROVIDER_MODULE, TPM2OPENSSL_TCTI). A PIN is not
     * kept: a program that forks and whose token has to be opened again in the child has it in the
     * URI ("pin-source" of RFC 7512). */
    const char *provider;
};
bool is_uri(const char *s);            /* a scheme and a colon in front (RFC 3986 section 3.1) */
bool where_is_file(const char *where); /* a path, or the URI of a file */
/* The path of a file's URI (RFC 8089): file:/p, file:///p or file://localhost/p. To be freed, also
 * after ERR_ARG or ERR_MEM. */
int uri_path(char **path, const char *uri, struct error *err) MUST_CHECK;
/* As identity_from_bytes(), and ERR_FILE, ERR_UNSUPPORTED (no such provider). The sentence says
 * which file. */
int identity_load(struct identity **out, const struct identity_source *from,
                  struct error *err) MUST_CHECK;
/* The same with a passphrase in memory, or none. */
int identity_from_files(struct identity **out, const char *certs, const char *key, const char *pass,
                        struct error *err) MUST_CHECK;
/* One without a key, which says nothing but which certificate it is. ERR_PARSE, ERR_MEM. */
int identity_from_leaf(struct identity **out, struct span der) MUST_CHECK;
/* A certificate list, leaf first, whose key is elsewhere (config_set_key_callback()). ERR_PARSE,
 * ERR_LIMIT, ERR_MEM. */
int identity_from_certs(struct identity **out, struct span certs, struct error *err) MUST_CHECK;
/* Is this an OCSP response to show with the certificate? If its issuer's is in the list: a current
 * one about it, signed as it should be; else an OCSP response at all. ERR_PARSE with a sentence. */
int identity_check_status(const struct identity *id, struct span response, int64_t now,
                          struct error *err) MUST_CHECK;
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
    bool has_path_len; /* ca: at most path_len CAs below it */
    uint8_t path_len;
    const char *const *only; /* ca: the domains it may speak for, and no address; none: all */
    size_t nonly;
    int64_t not_before, not_after;
    struct privkey *key;        /* the subject's */
    struct privkey *issuer_key; /* == key: self-signed */
    const struct cert *issuer;  /* NULL: self-signed */
};
int cert_issue(const struct issue *what, struct buf *der, struct error *err) MUST_CHECK;
#endif
