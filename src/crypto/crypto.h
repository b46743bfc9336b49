/* SPDX-License-Identifier: ISC */
/* The provider: every primitive, as const rows and a few functions. Only crypto's _openssl.c files
 * (and the IPsec-MB file) know where they come from. Results must be looked at: a primitive that
 * fails has zeroed its outputs and the caller must not go on (threat 37).
 *
 * Threads: everything here may be called from any thread; one object is used by one thread at a
 * time unless its comment says otherwise. What calls need beside their objects is kept per thread.
 */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"

/* Fetches every method once, in a library context of its own (no openssl.cnf; the wrapped program's
 * use of OpenSSL is untouched). Idempotent and thread-safe; 0 or ERR_CRYPTO. Every function below
 * needs it to have been called once. */
int crypto_init(void) MUST_CHECK;
/* A handshake is over. What this thread keeps for the next one stays, unless the build saves memory
 * (PS_PUBKEY_OPTIMIZE_FOR_SMALLER_RAM). */
void crypto_idle(void);
/* Around a child that is made without fork(), and so without its handlers: what those do, so that
 * no lock of libcrypto is taken for ever in the child. before: only where it will not be made by
 * fork(); after: in both processes, also when there is no child after all. */
void crypto_before_fork(void);
void crypto_after_fork(bool child);

/* ---- random (RFC 8446 appendix C.1) ---- */
int rand_bytes(void *p, size_t n) MUST_CHECK; /* 0 or ERR_CRYPTO */
/* Tests only: a deterministic source in place of the provider's; NULL restores it. */
void rand_set_test_source(int (*fn)(void *p, size_t n));

/* ---- hash ---- */
enum hash_id {
    HASH_NONE,
    HASH_SHA1,
    HASH_SHA256,
    HASH_SHA384,
    HASH_SHA512,
    HASH_MD5,
    HASH_MD5_SHA1, /* both, one behind the other: what the versions before TLS 1.2 have */
    HASH_COUNT
};
/* MD5 is in builds that have a version or a suite that needs it; else these have no size. */
#define HASH_MAX       64 /* bytes of the longest digest */
#define HASH_BLOCK_MAX 128

size_t hash_size(enum hash_id id);
size_t hash_block(enum hash_id id);
int hash_once(enum hash_id id, const void *p, size_t n, uint8_t *out) MUST_CHECK;
int hash_parts(enum hash_id id, const struct span *parts, size_t nparts, uint8_t *out) MUST_CHECK;

struct hash;                            /* a running digest */
struct hash *hash_new(enum hash_id id); /* NULL: ERR_MEM or ERR_CRYPTO */
int hash_update(struct hash *h, const void *p, size_t n) MUST_CHECK;
/* The digest so far; the running one goes on (in a copy). */
int hash_snapshot(const struct hash *h, uint8_t *out) MUST_CHECK;
struct hash *hash_copy(const struct hash *h); /* NULL: ERR_MEM or ERR_CRYPTO */
void hash_free(struct hash *h);

/* ---- HMAC, HKDF (RFC 2104, 5869, 8446 section 7.1), by hand ---- */
int hmac(enum hash_id id, struct span key, const struct span *parts, size_t nparts,
         uint8_t *out) MUST_CHECK;
int hkdf_extract(enum hash_id id, struct span salt, struct span ikm, uint8_t *prk) MUST_CHECK;
int hkdf_expand(enum hash_id id, const uint8_t *prk, struct span info, uint8_t *out,
                size_t n) MUST_CHECK;
/* HKDF-Expand-Label; label without "tls13 ". */
int hkdf_expand_label(enum hash_id id, const uint8_t *secret, const char *label,
                      struct span context, uint8_t *out, size_t n) MUST_CHECK;
/* A key that HMAC, and so HKDF, uses more than once: what it makes of it each time, which is half
 * of a short one's work. A secret, of which hmac_forget() leaves nothing. */
struct hmac_key {
    enum hash_id id;
    uint64_t pads[2 * 216 / 8]; /* two states of the largest digest */
};
int hmac_key(enum hash_id id, struct span key, struct hmac_key *k) MUST_CHECK;
void hmac_forget(struct hmac_key *k);
int hkdf_label(const struct hmac_key *secret, const char *label, struct span context, uint8_t *out,
               size_t n) MUST_CHECK;
/* The PRF of TLS 1.2 (RFC 5246 section 5); the seed is the concatenation of at most 4 parts. */
#define PRF12_SEEDS 4
int prf12(enum hash_id id, struct span secret, const char *label, const struct span *seed,
          size_t nseed, uint8_t *out, size_t n) MUST_CHECK;

/* The PRF of TLS 1.0 and 1.1 (RFC 4346 section 5): P_MD5 of one half of the secret XOR P_SHA-1 of
 * the other; and what SSL 3 has in its place (RFC 6101 sections 6.1, 6.2.2), which knows no labels.
 * Both take no other hash: id is for nothing. */
int prf10(enum hash_id id, struct span secret, const char *label, const struct span *seed,
          size_t nseed, uint8_t *out, size_t n) MUST_CHECK;
int prf_ssl3(enum hash_id id, struct span secret, const char *label, const struct span *seed,
             size_t nseed, uint8_t *out, size_t n) MUST_CHECK;

/* ---- AEAD ---- */
enum aead_id { AEAD_AES_128_GCM, AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305, AEAD_COUNT };
#define AEAD_IV      12
#define AEAD_TAG     16
#define AEAD_KEY_MAX 32

size_t aead_key_size(enum aead_id id);
struct aead;                                                           /* one key, one direction */
struct aead *aead_new(enum aead_id id, const uint8_t *key, bool seal); /* NULL: failed */
void aead_free(struct aead *a);
/* Who computes it: "IPsec-MB" or "libcrypto". The first call, or key, settles it for all. */
const char *aead_backend(enum aead_id id);
/* Tests only: from now on keys are made by that one, if it can; NULL: by the best again. */
void aead_set_test_backend(const char *name);
/* Reads the input parts in order, writes their ciphertext and 16 bytes of tag to `out` (room: sum
 * of the parts + 16). `out` may be exactly where the first part is (in place), else it overlaps
 * none. */
int aead_seal(struct aead *a, const uint8_t nonce[static AEAD_IV], struct span aad,
              const struct span *in, size_t nin, uint8_t *out) MUST_CHECK;
/* Opens `in` (ciphertext and tag) and spreads the plaintext over the out parts in order; their sum
 * is in.n - 16. An out part may lie exactly where its own ciphertext is (in place), else it
 * overlaps none. A bad tag is TLS_ALERT(bad_record_mac) and every out part has been wiped. */
int aead_open(struct aead *a, const uint8_t nonce[static AEAD_IV], struct span aad, struct span in,
              const struct mspan *out, size_t nout) MUST_CHECK;

/* ---- what has a MAC beside the cipher: SSL 3.0 to TLS 1.2. The version says how the MAC is made
 * (HMAC, RFC 5246 section 6.2.3.1; RFC 6101 section 5.2.3.1) and where the IV of a block cipher
 * comes from: sent along from TLS 1.1 on, before that the last block of the record before, and that
 * of the first from the key block. head: sequence number, content type and version, to which the
 * MAC adds the length. mac: MD5, SHA1, SHA256 or SHA384; its key has the size of its digest. ----
 */
#define MAC_HEAD 11

/* Block ciphers (RFC 5246 section 6.2.3.2; etm: RFC 7366). A fragment is the IV where it is sent
 * along, ciphertext and, with etm, the MAC behind it. */
enum cbc_id { CBC_NONE, CBC_AES_128, CBC_AES_256, CBC_3DES, CBC_COUNT };
#define CBC_BLOCK   16 /* bytes of AES's block, the longest */
#define CBC_KEY_MAX 32
/* Bytes sealing can add, the IV among them. */
#define CBC_OVERHEAD_MAX (CBC_BLOCK + 48 + CBC_BLOCK)

size_t cbc_key_size(enum cbc_id id);
size_t cbc_block(enum cbc_id id);
/* Bytes of the IV that begins the key's use, from the key block; 0: each fragment has its own. */
size_t cbc_iv_size(enum cbc_id id, uint16_t version);
struct cbc; /* both keys of one direction */
/* NULL: failed, or there is no such cipher or version. */
struct cbc *cbc_new(uint16_t version, enum cbc_id id, enum hash_id mac, bool etm,
                    const uint8_t *key, const uint8_t *mac_key, bool seal);
void cbc_free(struct cbc *c);
/* Bytes of the fragment of len bytes of content, and of those before the content. */
size_t cbc_size(const struct cbc *c, size_t len);
size_t cbc_lead(const struct cbc *c);
/* The content lies at fragment + cbc_lead(), in room for cbc_size(len) bytes, which all get their
 * values. iv: cbc_iv_size() bytes, of this record before, of the next one after. When it fails the
 * fragment is wiped. */
int cbc_seal(struct cbc *c, uint8_t *iv, const uint8_t head[static MAC_HEAD], uint8_t *fragment,
             size_t len) MUST_CHECK;
/* Opens in place; what is not content is wiped. Anything wrong (length, padding, MAC) is
 * TLS_ALERT(bad_record_mac), in the same time, with the whole fragment wiped (threats 11, 13, 39).
 */
int cbc_open(struct cbc *c, uint8_t *iv, const uint8_t head[static MAC_HEAD], struct mspan fragment,
             struct mspan *content) MUST_CHECK;

/* Stream ciphers, and none at all (RFC 5246 section 6.2.3.1): content and MAC. */
enum stream_id { STREAM_NONE, STREAM_NULL, STREAM_RC4, STREAM_COUNT };
#define STREAM_KEY_MAX 16

size_t scipher_key_size(enum stream_id id); /* 0: STREAM_NULL has none */
/* 0, or ERR_UNSUPPORTED: this build or libcrypto has it not (RC4: its legacy provider does). */
int scipher_look(enum stream_id id) MUST_CHECK;
struct scipher; /* both keys of one direction */
/* done: bytes of the key stream that have been used. NULL: failed. */
struct scipher *scipher_new(uint16_t version, enum stream_id id, enum hash_id mac,
                            const uint8_t *key, const uint8_t *mac_key, uint64_t done, bool seal);
void scipher_free(struct scipher *s);
size_t scipher_size(const struct scipher *s, size_t len);
/* As cbc_seal() and cbc_open(); the content lies at the fragment's beginning. */
int scipher_seal(struct scipher *s, const uint8_t head[static MAC_HEAD], uint8_t *fragment,
                 size_t len) MUST_CHECK;
int scipher_open(struct scipher *s, const uint8_t head[static MAC_HEAD], struct mspan fragment,
                 struct mspan *content) MUST_CHECK;

/* ---- key exchange: the shape of a KEM, so that a hybrid group is a row and nothing else ---- */
#define KEX_SHARE_MAX  1216 /* largest public share either way (X25519MLKEM768 client share) */
#define KEX_SECRET_MAX 384  /* ffdhe3072 */

struct group {
    uint16_t id;                         /* IANA number */
    uint16_t share_client, share_server; /* bytes of each side's public share */
    uint16_t secret_size;
    bool ec;          /* an elliptic curve and nothing else: what ECDHE of TLS 1.2 can use */
    const char *name; /* IANA name: "x25519", "secp256r1" */
    uint16_t beside;  /* a client has a share of this one too, for servers of before; 0: none */
};
/* Both know only what this libcrypto has: ML-KEM came with 3.5. */
const struct group *group_by_id(uint16_t id); /* NULL: we have none of that number */
const struct group *group_at(size_t i);       /* in our order of preference; NULL ends */

struct kex; /* an ephemeral private key: used once */
/* Client: makes a key and its share (share_client bytes). NULL: failed. */
struct kex *kex_start(const struct group *g, uint8_t *share);
/* Client: the server's share gives the secret (secret_size bytes). A share that is malformed, off
 * the curve or out of range, or leads to an all-zero secret, is TLS_ALERT(illegal_parameter). May
 * be called once per kex. */
int kex_finish(struct kex *k, struct span peer, uint8_t *secret) MUST_CHECK;
void kex_free(struct kex *k);
/* Server: answers the client's share with ours and the secret. */
int kex_respond(const struct group *g, struct span peer, uint8_t *share,
                uint8_t *secret) MUST_CHECK;

/* ---- Diffie-Hellman over a prime that the server names, as the DHE of TLS 1.2 has it ---- */
#define DH_BYTES_MAX 1024 /* of a prime, and so of everything else */
#define DH_BITS_MIN  2048 /* threat 18 */
/* p and g are numbers, big-endian. The key is used once, by dhe_finish(), and freed by kex_free().
 * ERR_UNSUPPORTED: the prime has fewer than least_bits, or more than 8192; ERR_PARSE: it is no
 * prime, or g is not in 2..p-2; ERR_CRYPTO. */
int dhe_start(struct kex **out, struct span p, struct span g, unsigned least_bits) MUST_CHECK;
const struct group *dhe_group(const struct kex *k); /* one of ours; NULL: any other */
int dhe_share(const struct kex *k, uint8_t out[static DH_BYTES_MAX], size_t *n) MUST_CHECK;
/* The peer's share, which may begin with zeros, gives the secret, which does not (RFC 5246 section
 * 8.1.2). A share that is not in 2..p-2 is TLS_ALERT(illegal_parameter). */
int dhe_finish(struct kex *k, struct span peer, uint8_t secret[static DH_BYTES_MAX],
               size_t *n) MUST_CHECK;

/* ---- public and private keys ---- */
enum key_type {
    KEY_NONE,
    KEY_RSA,
    KEY_RSA_PSS,
    KEY_EC_P256,
    KEY_EC_P384,
    KEY_EC_P521,
    KEY_ED25519,
    KEY_ED448
};
enum sig_kind { SIG_RSA_PKCS1, SIG_RSA_PSS, SIG_ECDSA, SIG_EDDSA };
#define SIG_MAX 1024 /* bytes: RSA-8192 */

/* A TLS SignatureScheme (RFC 8446 section 4.2.3). */
struct scheme {
    uint16_t id;
    enum sig_kind kind;
    enum hash_id hash; /* HASH_NONE: EdDSA */
    enum key_type key; /* the only type of key that fits in TLS 1.3; 1.2: ECDSA has any curve */
    bool handshake13;  /* may sign CertificateVerify of TLS 1.3; else certificates only */
    const char *name;  /* "ecdsa_secp256r1_sha256" */
    bool weak;         /* only where it is named */
    bool digested;     /* the message to sign is the digest already */
};
const struct scheme *scheme_by_id(uint16_t id); /* NULL: we have none of that number */
const struct scheme *scheme_at(size_t i);       /* in our order of preference; NULL ends */

/* Of the versions before TLS 1.2, which have no numbers for them (RFC 4346 section 7.4.3, RFC 8422
 * section 5.4): RSA over MD5 and SHA-1 without DigestInfo; ECDSA over SHA-1; and RSA over the 36
 * bytes that SSL 3 makes by itself. Only where such a version is compiled. */
enum old_scheme { OLD_RSA_DIGESTED, OLD_RSA, OLD_ECDSA };
const struct scheme *scheme_old(enum old_scheme which);

struct pubkey; /* immutable, reference-counted; may be shared by threads */
/* From the contents of SubjectPublicKeyInfo, already taken apart by x509: EC and EdDSA `point` is
 * the subjectPublicKey bit string's bytes; RSA is modulus and exponent, big-endian without sign
 * byte. ERR_PARSE: not a valid key (point not on the curve, modulus < 1024 or > 8192 bits, even
 * exponent); ERR_UNSUPPORTED. */
int pubkey_from_point(struct pubkey **out, enum key_type type, struct span point) MUST_CHECK;
int pubkey_from_rsa(struct pubkey **out, enum key_type type, struct span n,
                    struct span e) MUST_CHECK;
enum key_type pubkey_type(const struct pubkey *k);
unsigned pubkey_bits(const struct pubkey *k);
/* 0: the signature is right; TLS_ALERT(decrypt_error): it is not. kind must fit the type of key
 * (else ERR_MISMATCH); the message is the concatenation of the parts. RSA-PSS: MGF1 with the same
 * hash, salt as long as the digest. */
int pubkey_verify(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                  const struct span *msg, size_t nmsg, struct span sig) MUST_CHECK;
/* The same of a digest, whose size is that of the hash. Not for EdDSA. */
int pubkey_verify_digest(const struct pubkey *k, enum sig_kind kind, enum hash_id hash,
                         struct span digest, struct span sig) MUST_CHECK;
/* RSAES-PKCS1-v1_5, for the RSA key exchange of TLS 1.2. *outlen: in room, out length (that of the
 * modulus). Not an RSA key: ERR_MISMATCH. */
int pubkey_encrypt_pkcs1(const struct pubkey *k, struct span in, uint8_t *out,
                         size_t *outlen) MUST_CHECK;
struct pubkey *pubkey_ref(struct pubkey *k);
void pubkey_unref(struct pubkey *k); /* NULL is fine */

struct buf;
struct privkey; /* reference-counted; signing is safe from several threads */
/* PEM or DER; PKCS#1, SEC1, PKCS#8, encrypted PKCS#8 (PKCS#5 v1.5, v2) and legacy PEM encryption.
 * pass may be NULL. ERR_PARSE, ERR_PASSPHRASE, ERR_UNSUPPORTED; the sentence goes to err. */
int privkey_load(struct privkey **out, struct span bytes, const char *pass,
                 struct error *err) MUST_CHECK;
/* What libcrypto's store holds at a URI that is not a file's: the first private key, which need not
 * leave its token, and the certificates, appended as PEM. key or certs may be NULL: not wanted;
 * *key may be NULL after 0 when certs is not. provider: as in struct identity_source. pass: the
 * PIN, may be NULL. ERR_PARSE (not what was wanted is there), ERR_PASSPHRASE, ERR_UNSUPPORTED. */
int store_load(const char *uri, const char *provider, const char *pass, struct privkey **key,
               struct buf *certs, struct error *err) MUST_CHECK;
struct privkey *privkey_ref(struct privkey *k);
void privkey_unref(struct privkey *k); /* wipes at the last one; NULL is fine */
enum key_type privkey_type(const struct privkey *k);
/* Signs the concatenation; *siglen: in room, out length. The key must be of the scheme's type, but
 * ECDSA signs with any curve (TLS 1.2): a caller for which they are one, compares them. */
int privkey_sign(struct privkey *k, const struct scheme *s, const struct span *msg, size_t nmsg,
                 uint8_t *sig, size_t *siglen) MUST_CHECK;
/* The premaster secret of an RSA key exchange (RFC 5246 section 7.4.7.1). Whatever arrived, garbage
 * or a wrong length or version, the result is 0 and 48 bytes: random ones unless all was right
 * (threat 12). Fails only for what has nothing to do with it: no RSA key (ERR_MISMATCH), no random
 * bytes (ERR_CRYPTO). Safe from several threads, like signing. */
#define PREMASTER_RSA 48
int privkey_decrypt_premaster(struct privkey *k, struct span sealed, uint16_t client_version,
                              uint8_t out[static PREMASTER_RSA]) MUST_CHECK;
/* 0 when the two are one pair, else ERR_MISMATCH. A key behind a URI shows it by a signature. */
int privkey_matches(struct privkey *priv, const struct pubkey *pub) MUST_CHECK;

/* ---- other containers ---- */
/* A PKCS#12 file: its private key as PEM (PKCS#8, not encrypted: the buffer becomes secret) and its
 * certificates as PEM, the key's own first, are appended; x509's identity_from_bytes() takes both.
 * pass may be NULL. ERR_PARSE, ERR_PASSPHRASE, ERR_UNSUPPORTED; nothing is appended then, the
 * sentence goes to err. */
int pkcs12_load(struct span bytes, const char *pass, struct buf *key, struct buf *certs,
                struct error *err) MUST_CHECK;
/* The other way: the key and the DER of its certificate and those above it, encrypted with AES-256
 * under the passphrase (PBES2, HMAC-SHA-256 all through); name is what programs list it as. The
 * file is appended. ERR_ARG: no certificate or passphrase; ERR_MISMATCH: the first is not the
 * key's. */
int pkcs12_save(const struct privkey *k, const struct span *certs, size_t n, const char *name,
                const char *pass, struct buf *out) MUST_CHECK;
/* Diffie-Hellman parameters: numbers, big-endian, without leading zeros. */
struct dh_params {
    struct buf p, g; /* empty: there are none */
};
/* From PKCS#3, PEM or DER; in place of what was in out, which stays when it fails. ERR_PARSE: they
 * are none; ERR_UNSUPPORTED: fewer than 2048 or more than 8192 bits, or neither one of RFC 7919's
 * groups nor a safe prime with a generator that fits. */
int dhparams_load(struct dh_params *out, struct span pem_or_der) MUST_CHECK;
/* Of a group of ours that is a finite field. */
int dhparams_named(struct dh_params *out, const struct group *g) MUST_CHECK;
void dhparams_free(struct dh_params *params); /* may be used again */

/* ---- making keys (sleeve keygen) ---- */
int privkey_generate(struct privkey **out, enum key_type type, unsigned rsa_bits) MUST_CHECK;
/* DER SubjectPublicKeyInfo / PEM PKCS#8 appended to b, which becomes a secret buffer with it. */
int privkey_public_spki(const struct privkey *k, struct buf *b) MUST_CHECK;
int privkey_write_pem(const struct privkey *k, struct buf *b) MUST_CHECK;
#endif
