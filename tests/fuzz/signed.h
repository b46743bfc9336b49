/* SPDX-License-Identifier: ISC */
/* What a fuzzer made is signed by the key it claims, so that it gets behind the signature: in the
 * input a key is 04 and 64 times its number, a SHA-1 hash of one is 20 times 0xe0 and its number.
 */
#ifndef TESTS_FUZZ_SIGNED_H
#define TESTS_FUZZ_SIGNED_H
#include "tests/x509/chain_case.h"
#include "tests/x509/forge_status.h"

#define SIGNERS 4

static uint8_t signer_point[SIGNERS][65], signer_hash[SIGNERS][20];

static inline void signers_make(void)
{
    for (int i = 0; i < SIGNERS && signer_point[i][0] == 0; i++) {
        uint8_t mem[64];
        struct wr w = wr_of(mem, sizeof mem);
        struct buf spki = { 0 };

        if (privkey_public_spki(forge_key(i), &spki) < 0 || buf_len(&spki) < 65) {
            abort();
        }
        memcpy(signer_point[i], buf_data(&spki) + buf_len(&spki) - 65, 65);
        buf_free(&spki);
        forge_key_hash(&w, HASH_SHA1, i);
        memcpy(signer_hash[i], mem + 2, 20);
    }
}

static inline bool is_run(const uint8_t *p, uint8_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != value) {
            return false;
        }
    }
    return true;
}

/* Puts the real keys in. */
static inline void signers_put(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t who = i + 1 < n ? p[i + 1] : 0;

        if (p[i] == 0x04 && n - i >= 65 && who < SIGNERS && is_run(p + i + 1, who, 64)) {
            memcpy(p + i, signer_point[who], 65);
            i += 64;
        } else if (p[i] >= 0xe0 && p[i] < 0xe0 + SIGNERS && n - i >= 20 &&
                   is_run(p + i, p[i], 20)) {
            memcpy(p + i, signer_hash[p[i] - 0xe0], 20);
            i += 19;
        }
    }
}

/* SEQUENCE { tbs, algorithm, signature } into w, tbs being what the input says. */
static inline void signers_sign(struct wr *w, struct rd tbs, int signer)
{
    size_t mark = w->len;

    wr_bytes(w, tbs.p, tbs.n);
    if (!wr_ok(w)) {
        return;
    }
    signers_put(w->p + mark, tbs.n);
    forge_signature(w, mark, signer % SIGNERS, ALG_FIT, false);
    der_close(w, mark, DER_SEQUENCE);
}
#endif
