/* SPDX-License-Identifier: ISC */
/* Between faults.c, which knows what is to fail, and provider_calls.c and provider_keys.c, which
 * make it: the calls of crypto/crypto.h, each through a function of the same name there (--wrap of
 * the linker). Where the test wants it, the provider is not asked: its outputs are zeroed, or in
 * the other mode filled with what is not zero, pointers to what it should have made are NULL, and
 * it says ERR_CRYPTO. Whatever fails for another reason must have left zeroes itself. */
#ifndef TESTS_LIB_FAULTS_LOCAL_H
#define TESTS_LIB_FAULTS_LOCAL_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/options.h"
#include "crypto/local_openssl.h"
#include "crypto/memory.h"
#include "tests/lib/faults.h"

#define DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t digest_more(uint64_t d, const void *p, size_t n);

bool provider_fails(const char *name); /* this call of it */
uint8_t provider_leaves(void);         /* in what it should have made */
/* Something was sealed under that key; fails the test when it was before. */
void sealed_under(uint64_t key, const void *nonce, size_t n);

#define WRAP(type, name, ...)        \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

#define FAILS() provider_fails(__func__ + strlen("__wrap_"))

static inline int leave(void *p, size_t n)
{
    if (n) {
        memset(p, provider_leaves(), n);
    }
    return ERR_CRYPTO;
}

static inline int checked(const char *name, int rc, const void *p, size_t n)
{
    const uint8_t *byte = p;

    for (size_t i = 0; rc < 0 && i < n; i++) {
        if (byte[i]) {
            fail_msg("%s says %d and left something", name + strlen("__wrap_"), rc);
        }
    }
    return rc;
}
#define CHECKED(rc, p, n) checked(__func__, (rc), (p), (n))
#endif
