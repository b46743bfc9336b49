/* SPDX-License-Identifier: ISC */
/* The null provider: all that src/ wants of crypto/crypto.h, without cryptography, for engines
 * under a fuzzer. Linked in front of the library's archive it takes the place of the files that use
 * libcrypto; what those have in common (rows, HKDF, the PRFs, modes) stays the library's.
 *
 * Everything is deterministic. A hash is a fold of 64 bits; what is sealed is the plaintext and a
 * tag that tells the key and nothing else, so that content can be changed on its way. Beside that
 * there are two manners:
 *
 * - It believes (from the start): every HMAC is the same bytes, and so are all keys and every
 *   Finished; a signature, a tag and a MAC are right unless their last byte is 0. Whatever a fuzzer
 *   makes of a handshake may get connected.
 * - It binds (null_bind(true)): HMAC, signatures and shared secrets depend on all that goes in,
 * tags on their keys. What was changed on its way is noticed by a Finished, and by nothing else.
 */
#ifndef FUZZ_NULL_NULL_H
#define FUZZ_NULL_NULL_H
#include "crypto/local.h"

void null_bind(bool yes);
bool null_binds(void);

/* ---- of its files ---- */
#define NULL_SEED UINT64_C(0xcbf29ce484222325)
/* The fold goes on over these bytes: the same in one piece and in several. */
uint64_t null_fold(uint64_t state, struct span s);
/* n bytes made of it. */
void null_spread(uint64_t state, uint8_t *out, size_t n);
/* Is it as it should be, or believed to be? n > 0. */
bool null_accepts(const uint8_t *proof, const uint8_t *want, size_t n);
#endif
