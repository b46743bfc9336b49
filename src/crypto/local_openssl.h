/* SPDX-License-Identifier: ISC */
/* What the libcrypto files share: our own library context, the methods fetched from it, and what
 * each thread keeps, so that no call on a hot path fetches or allocates a context. */
#ifndef CRYPTO_LOCAL_OPENSSL_H
#define CRYPTO_LOCAL_OPENSSL_H
#include <stdatomic.h>

/* libcrypto has a type of the name that base/error.h has for "wrong time". */
#define ERR_STATE LIBCRYPTO_ERR_STATE
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#undef ERR_STATE

#include "base/options.h"
#include "crypto/local.h"

struct provider {
    OSSL_LIB_CTX *lib;
    bool mlkem768; /* it has that one */
    /* NULL until method_...() was asked */
    _Atomic(EVP_CIPHER *) aead[AEAD_COUNT];
    _Atomic(EVP_CIPHER *) cbc[CBC_COUNT];
    _Atomic(EVP_MAC *) hmac; /* for cbc's constant time only */
};
/* Found once, then a load. NULL: libcrypto has none, or no memory for it. */
const EVP_CIPHER *method_aead(enum aead_id id);
const EVP_CIPHER *method_cbc(enum cbc_id id);
EVP_MAC *method_hmac(void);
extern const char *const digest_names[HASH_COUNT]; /* libcrypto's */
extern struct provider provider;

/* The key exchanges of which groups are made: a hybrid of two, all others of one. */
enum kex_part {
    PART_NONE,
    PART_X25519,
    PART_X448,
    PART_P256,
    PART_P384,
    PART_P521,
    PART_FFDHE2048,
    PART_FFDHE3072,
    PART_MLKEM768,
    PART_COUNT
};
#define KEX_PARTS 2 /* of a hybrid */
struct kex {
    const struct group *group;
    EVP_PKEY *key[KEX_PARTS]; /* the first is NULL: used up */
};
/* Looks once more for what libcrypto may lack: a test does, with a provider more. */
void kex_look(void);

/* Made when first needed, freed when the thread ends. None of them refers to a key of a caller. */
struct kept {
    EVP_PKEY_CTX *keygen[PART_COUNT];
    EVP_PKEY *peer[PART_COUNT]; /* takes the peer's public share */
};
struct kept *kept(void); /* NULL: no memory */
/* The thread's key on this curve whose public half is replaced by each peer's; NULL: no memory. */
EVP_PKEY *kept_peer(const struct group *g);

/* Takes what libcrypto left out of the thread's error queue, where a program that uses libcrypto
 * itself would find it; returns code. */
int crypto_fail(int code);

/* Contexts ready to verify or to sign wait with the key for whoever does it next: one thread takes
 * one out, so that there is no lock that fork could leave held, and they end with the key. */
struct verifiers {
    _Atomic(EVP_PKEY_CTX *) idle[SIG_EDDSA][HASH_COUNT];
};
struct pubkey {
    atomic_uint refs;
    enum key_type type;
    EVP_PKEY *pkey;
    struct verifiers *kept; /* in the same allocation; NULL: none are */
};

/* Where memory matters more than speed nothing waits. */
#ifdef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
#define SIGNERS_KEPT 4
#else
#define SIGNERS_KEPT 0
#endif
struct privkey {
    atomic_uint refs;
    enum key_type type;
    EVP_PKEY *pkey;
    OSSL_LIB_CTX *lib; /* of the provider that keeps it: another than ours, it stays in there */
    const char *query; /* then: which methods to prefer */
    _Atomic(EVP_PKEY_CTX *) idle[SCHEME_COUNT][SIGNERS_KEPT + 1]; /* the last one: never any */
};
static inline bool privkey_is_token(const struct privkey *k)
{
    return k->lib != provider.lib;
}
/* A library context of its own that has this provider beside the default one: a token's, or
 * libcrypto's "legacy" one for the ciphers of old that key files are in. Lives for ever; NULL: it
 * cannot be had. */
OSSL_LIB_CTX *lib_with_provider(const char *name);
/* Around whatever a token's provider does: nothing in it asks on a terminal. */
void token_begin(void);
void token_end(void);
/* Owns pkey from now on, also when it fails. ERR_MEM, ERR_UNSUPPORTED (not a key we use, or size).
 */
int privkey_wrap(struct privkey **out, EVP_PKEY *pkey) MUST_CHECK;
#endif
