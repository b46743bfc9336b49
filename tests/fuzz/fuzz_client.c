/* SPDX-License-Identifier: ISC */
/* A whole client. `fuzz_client --seed DIR` writes what it hears of genuine peers. */
#include "tests/fuzz/engines.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return engine_init(TLS_CLIENT, *argc, *argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    engine_run(TLS_CLIENT, data, size);
    return 0;
}
