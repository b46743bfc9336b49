/* SPDX-License-Identifier: ISC */
/* What the files of crypto share among themselves and show to nobody else. */
#ifndef CRYPTO_LOCAL_H
#define CRYPTO_LOCAL_H
#include "base/options.h"
#include "crypto/crypto.h"

#define GROUP_COUNT 8
#ifdef USE_OLD_TLS
#define SCHEME_COUNT 18
#else
#define SCHEME_COUNT 14
#endif

/* Where a row stands in its table: an index for what is kept per group or per scheme. */
size_t group_index(const struct group *g);
size_t scheme_index(const struct scheme *s);
/* Has this libcrypto all of which the group is made? */
bool group_is_present(const struct group *g);

/* `out` may be one of the parts, and is wiped on failure. */
int hmac_parts(const struct hmac_key *k, const struct span *parts, size_t nparts,
               uint8_t *out) MUST_CHECK;

/* The MAC of a record: head, the content's length, the content. */
typedef int mac_fn(enum hash_id id, const uint8_t *key, const uint8_t head[static MAC_HEAD],
                   struct span content, uint8_t *out);
/* Looks for content and MAC in what deciphered, without letting time tell what it found. The
 * content's length; MAC_WRONG: nothing is right. */
typedef size_t unpad_fn(enum hash_id id, const uint8_t *key, const uint8_t head[static MAC_HEAD],
                        struct span plain, size_t block);
#define MAC_WRONG SIZE_MAX

/* What a version does with MAC, padding and IV. */
struct mode {
    uint16_t version;
    bool sends_iv;
    mac_fn *mac;
    unpad_fn *unpad; /* NULL: libcrypto's TLS mode does it */
};
const struct mode *mode_of(uint16_t version); /* NULL: we have no such version */
mac_fn mac_ssl3;
unpad_fn unpad_ssl3;

/* P_hash of RFC 5246 section 5 on top of what is in out. An error leaves there anything. */
int prf_xor(enum hash_id id, struct span secret, const char *label, const struct span *seed,
            size_t nseed, uint8_t *out, size_t n) MUST_CHECK;

/* Is a test's source in place (rand_set_test_source)? Then x25519 keys come from it too, so that a
 * recorded handshake can be replayed. */
bool rand_is_test(void);

/* For the rest of the block this thread is inside libcrypto, and no fork comes (gate.c): around
 * whatever may take a lock there, which is all but what is done with contexts that are ready. A
 * token's provider is outside. */
#define IN_LIBCRYPTO_IF(cond)                                                   \
    __attribute__((cleanup(libcrypto_leave), unused)) const bool in_libcrypto = \
        (cond) && libcrypto_enter()
#define IN_LIBCRYPTO IN_LIBCRYPTO_IF(true)
bool libcrypto_enter(void); /* true */
void libcrypto_leave(const bool *entered);
void libcrypto_watch_forks(void);
#endif
