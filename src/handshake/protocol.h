/* SPDX-License-Identifier: ISC */
/* What a version has of its own, as one const row. The files that end in 12 are of TLS 1.2 and all
 * before it: where these differ they ask the row. Those that end in 13 know what they are. */
#ifndef HANDSHAKE_PROTOCOL_H
#define HANDSHAKE_PROTOCOL_H
#include "crypto/crypto.h"

struct hs;
enum tls_role { TLS_CLIENT, TLS_SERVER };
enum { SSL_3_0 = 0x0300, TLS_1_0 = 0x0301, TLS_1_1 = 0x0302, TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 };

#define VERIFY12 12 /* bytes of Finished in TLS 1.2, 1.1 and 1.0 */

struct protocol {
    uint16_t version;
    const char *name;   /* "TLSv1.2" */
    bool names_schemes; /* signatures say of which scheme they are, and requests which they take */
    /* Up to TLS 1.2. */
    bool knows_ems;        /* extended master secret can bind a session to its handshake */
    bool prefixed;         /* an encrypted premaster secret has its length in front */
    bool has_empty;        /* who has no certificate sends an empty list */
    uint8_t verify_size;   /* bytes of Finished */
    uint8_t request_types; /* of ClientCertificateType: RSA, then ECDSA */
    enum hash_id hash;     /* of the transcript; HASH_NONE: the suite's */
    int (*prf)(enum hash_id id, struct span secret, const char *label, const struct span *seed,
               size_t nseed, uint8_t *out, size_t n);
    /* Finished. at: the transcript's hash up to it; cut: bytes that the transcript has had since.
     */
    int (*finished)(const struct hs *h, enum tls_role whose, const uint8_t *at, size_t cut,
                    uint8_t *out);
    /* Without names_schemes: the one that there is for such a key; NULL: none. */
    const struct scheme *(*scheme)(enum key_type key);
    /* What CertificateVerify signs in place of all messages, all but the last cut bytes of them,
     * and under which scheme. NULL: the messages, like ServerKeyExchange its parameters. */
    int (*verify_digest)(const struct hs *h, size_t cut, uint8_t out[static HASH_MAX]);
    const struct scheme *(*verify_scheme)(void);
    /* The alert that takes the place of one that the version does not have. NULL: it has all. */
    unsigned (*alert)(unsigned desc);
};
/* NULL: there is no such version, or it is not compiled. */
const struct protocol *protocol_of(unsigned version);
/* Is that the number of one that this library knows, compiled or not? */
bool protocol_is_known(unsigned version);
/* The macro that would compile it; for errors. */
const char *protocol_option(unsigned version);

int finished12_digest(const struct hs *h, enum tls_role whose, const uint8_t *at, size_t cut,
                      uint8_t *out);
/* TLS 1.1 and 1.0 (protocol_old.c), SSL 3 (protocol_ssl3.c). */
extern const struct protocol protocol_tls11, protocol_tls10, protocol_ssl3;
const struct scheme *scheme_of_old(enum key_type key);
#endif
