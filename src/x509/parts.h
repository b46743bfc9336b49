/* SPDX-License-Identifier: ISC */
/* What the files of this room share with each other and with nobody else. */
#ifndef X509_PARTS_H
#define X509_PARTS_H
#include "x509/der.h"
#include "x509/x509.h"

/* ---- algorithm.c ---- */
/* The contents of an AlgorithmIdentifier of a signature; its bits stay as they are. False: it is
 * malformed; one that is not known is not. */
bool signature_parse(struct signature *s, struct rd alg) MUST_CHECK;
/* An AlgorithmIdentifier of a hash, with its header. HASH_NONE: another, or malformed. */
enum hash_id hash_parse(struct rd in);
bool spki_parse(struct cert *c, struct rd spki) MUST_CHECK; /* the contents of one */

/* ---- ext.c ---- */
#define EXTENSIONS_MAX 64 /* finding doubles is quadratic; real certificates have about ten */
/* Calls fn for each in the SEQUENCE of extensions (of a certificate, a CRL, an entry of one); NULL,
 * or the first complaint. */
typedef const char *each_extension_fn(void *ctx, struct span oid, bool critical, struct rd value);
const char *extensions_each(struct rd extensions, void *ctx, each_extension_fn *fn);
/* The SEQUENCE of extensions into c. NULL, or what is wrong with them. */
const char *ext_parse(struct cert *c, struct rd extensions);

/* ---- name.c ---- */
/* One relative distinguished name after the other, and one attribute of it after the other. */
bool name_next_rdn(struct rd *name, struct rd *rdn) MUST_CHECK;
bool name_next_attribute(struct rd *rdn, struct span *oid, uint8_t *tag,
                         struct span *value) MUST_CHECK;
bool name_is_wellformed(struct span name);
bool ascii_equal_nocase(struct span a, struct span b);
/* LDH labels (and underscore, which real names have), no empty one, no trailing dot. */
bool dns_is_wellformed(struct span name);
/* "*.a.b": takes the "*." off and says so. */
bool dns_take_wildcard(struct span *name);
/* Takes the left-most label and its dot off; false when there is no dot. */
bool dns_take_label(struct span *name);

/* ---- namecon.c ---- */
/* Is this the tag of one of the nine kinds of GeneralName (RFC 5280 4.2.1.6)? */
bool general_name_is_known(uint8_t tag);
/* NULL, or what is wrong with the contents of a NameConstraints. */
const char *namecon_check(struct span constraints);
/* Comparisons are counted down from *budget, those of long names as several. 1: every name of `c`
 * is allowed; 0: one is not; ERR_LIMIT. */
int namecon_allows(struct span constraints, const struct cert *c, unsigned *budget) MUST_CHECK;

/* ---- policy.c ---- */
/* Is a path of n certificates (leaf first, without the anchor) under the policies that its CAs
 * demand? Else *who is where that came out. */
bool policy_allows(const struct cert *const *path, size_t n, const struct cert **who);

/* ---- revocation: crl.c, ocsp.c ---- */
enum revoked { STATUS_UNKNOWN, STATUS_GOOD, STATUS_REVOKED };
/* What the CRLs say of a certificate and its issuer's key. *until: lowered to where that ends.
 * *signatures: left to be checked. */
enum revoked crl_status(const struct revocation *r, const struct cert *c, const struct cert *issuer,
                        int64_t now, unsigned *signatures, int64_t *until);
/* What an OCSP response says of it; *why: the reason when that is nothing, else NULL. With fewer
 * *signatures left than it may have, it is not looked at. */
#define RESPONSE_SIGNATURES 2 /* of the responder's certificate, and its own */
enum revoked ocsp_status(struct span response, const struct cert *c, const struct cert *issuer,
                         int64_t now, unsigned *signatures, int64_t *until, const char **why);

/* ---- verdict.c ---- */
/* What was found, about which certificate, its issuer where that matters, and in which words. */
struct chain_fault {
    enum chain_verdict verdict;
    const struct cert *who, *issuer;
    const char *why; /* OCSP */
};
int chain_say(const struct chain_query *q, const struct chain_fault *f, struct error *err);
bool chain_usage_fits(const struct chain_query *q, const struct cert *c);

/* ---- chain.c ---- */
/* 1: right, 0: wrong, negative: could not be found out */
int chain_signed_by(const struct signature *sig, struct span tbs, const struct cert *issuer);

/* ---- cache.c ---- */
/* Both do nothing without a cache. */
bool chain_cache_has(const struct chain_query *q, const struct cert *certs, size_t n,
                     struct chain_result *result);
void chain_cache_put(const struct chain_query *q, const struct cert *certs, size_t n,
                     const struct chain_result *result);

/* ---- trust.c ---- */
/* The key of a certificate that has .anchor: made once, kept with the anchor. */
int trust_key(const struct cert *c, const struct pubkey **key) MUST_CHECK;

/* ---- identity.c ---- */
bool bytes_are_pkcs12(struct span bytes);
int key_from_bytes(struct privkey **out, struct span bytes, const char *pass,
                   struct error *err) MUST_CHECK;
/* With a key of its own; pass: for certs. */
int identity_from_key(struct identity **out, struct span certs, struct privkey *key,
                      const char *pass, struct error *err) MUST_CHECK;

/* ---- files.c ---- */
/* Files, or what is in a directory: calls add for the bytes of each. The sum of what it returned,
 * or the first error (a directory: only ERR_MEM). */
typedef int bytes_fn(void *ctx, struct span bytes, struct error *err);
int path_each(const char *file_or_dir, void *ctx, bytes_fn *add, struct error *err) MUST_CHECK;

/* ---- pem.c ---- */
struct pem_block {
    char label[64];
    struct span whole; /* from -----BEGIN to the end of the END line */
    struct span body;  /* between the two lines */
};
/* 1 found, 0 no more, ERR_PARSE (no END line, unusable label); *pos is moved behind it each time.
 */
int pem_find(struct span text, size_t *pos, struct pem_block *block) MUST_CHECK;
int pem_decode(struct span body, struct buf *out) MUST_CHECK;
bool pem_is_certificate(const struct pem_block *block);
bool pem_is_key(const struct pem_block *block);
/* Calls add for the DER of each block of that kind, or of all of the bytes when there is no PEM in
 * them. How many it took; what it refused is passed by. ERR_MEM; ERR_PARSE: not one usable `what`.
 */
int pem_each(struct span bytes, bool (*wanted)(const struct pem_block *block), const char *what,
             void *ctx, bytes_fn *add, struct error *err) MUST_CHECK;

/* ---- cert.c ---- */
bool cert_is_weak_key(const struct cert *c); /* RSA below 2048 bits */
#endif
