/* SPDX-License-Identifier: ISC */
/* A chain: a byte of options, then certificates with 3 bytes of length each. The last one is the
 * anchor as well. */
#include <stdlib.h>

#include "x509/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_of(data, size), der;
    struct cert certs[CHAIN_MAX_CERTS + 1];
    struct chain_query q = { .now = 1750000000 };
    struct chain_result result;
    struct error err;
    uint8_t options;
    size_t n = 0;
    int rc;

    if (crypto_init() < 0) {
        abort();
    }
    if (!rd_u8(&r, &options)) {
        return 0;
    }
    while (n <= CHAIN_MAX_CERTS && rd_vec(&r, 3, &der)) {
        if (cert_parse(&certs[n], span_of(der.p, der.n), NULL) == 0) {
            n++;
        }
    }
    q.peer_is_server = options & 1;
    q.host = options & 2 ? "a.test" : NULL;
    q.now += options & 4 ? 1000000000 : 0;
    q.trust = trust_new();
    if (!q.trust || (n && !(options & 8) && trust_add_pem(q.trust, certs[n - 1].der, NULL) < 0)) {
        abort();
    }
    error_clear(&err);
    rc = chain_verify(&q, certs, n, &result, &err);
    if (rc > 0 || (rc == 0) != (result.verdict == CHAIN_OK) || err.code != rc ||
        (rc == 0 && trust_count(q.trust) == 0)) {
        abort();
    }
    trust_unref(q.trust);
    return 0;
}
