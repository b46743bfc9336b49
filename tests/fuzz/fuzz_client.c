/* SPDX-License-Identifier: ISC */
/* A whole client. It trusts a CA that signs none of the corpus, so no input may ever get it
 * connected; all its randomness is fixed, so inputs may hold records sealed for it. */
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *config;

    if (!config) {
        static struct party other;

        party_make(&other, 2);
        config = party_config(&other, other.trust, TLS_CLIENT, CLIENT_AUTH_NONE);
    }
    fuzz_start(4);
    engine_run(config, FUZZ_HOST, data, size);
    return 0;
}
