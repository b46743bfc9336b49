/* SPDX-License-Identifier: ISC */
/* What the files of this room share with each other and with nobody else. */
#ifndef X509_PARTS_H
#define X509_PARTS_H
#include "x509/der.h"
#include "x509/x509.h"

/* ---- ext.c ---- */
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
/* Comparisons are counted down from *budget. 1: every name of `c` is allowed; 0: one is not;
 * ERR_LIMIT. */
int namecon_allows(struct span constraints, const struct cert *c, unsigned *budget) MUST_CHECK;

/* ---- trust.c ---- */
/* The key of a certificate that trust_find() returned: made once, kept with the anchor. */
int trust_key(const struct cert *anchor, const struct pubkey **key) MUST_CHECK;

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

/* ---- cert.c ---- */
bool cert_is_weak_key(const struct cert *c); /* RSA below 2048 bits */
#endif
