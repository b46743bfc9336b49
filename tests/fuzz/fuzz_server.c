/* SPDX-License-Identifier: ISC */
/* A whole server. It asks for a certificate from a CA that signs none of the corpus, so no input
 * may ever get it connected; all its randomness is fixed, so inputs may hold records sealed for it.
 */
#include "tests/fuzz/party.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config *config;

    if (!config) {
        static struct party self;

        party_make(&self, 1);
        config = party_config(&self, self.trust, TLS_SERVER, CLIENT_AUTH_REQUIRE);
    }
    fuzz_start(3);
    engine_run(config, NULL, data, size);
    return 0;
}
