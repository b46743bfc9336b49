/* SPDX-License-Identifier: ISC */
/* libcrypto's generator: one per thread, seeded by getrandom(2) (so it needs no file descriptor and
 * no /dev), seeded anew in the child after fork. */
#include "base/secret.h"
#include "crypto/local_openssl.h"

static int (*test_source)(void *p, size_t n);

void rand_set_test_source(int (*fn)(void *p, size_t n))
{
    test_source = fn;
}

bool rand_is_test(void)
{
    return test_source != NULL;
}

int rand_bytes(void *p, size_t n)
{
    if (test_source) {
        return test_source(p, n);
    }
    IN_LIBCRYPTO;
    if (RAND_bytes_ex(provider.lib, p, n, 0) != 1) {
        wipe(p, n);
        return crypto_fail(ERR_CRYPTO);
    }
    return 0;
}
