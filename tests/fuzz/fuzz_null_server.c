/* SPDX-License-Identifier: ISC */
/* A whole server that believes all proofs (null/null.h), under any records and calls. A byte for
 * the settings (duet.h), one for where plaintext goes, three for the sizes of the pieces; then the
 * stream (null/solo.h). `fuzz_null_server --seed DIR` writes what it hears of genuine peers. */
#include "tests/fuzz/null/stream.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return stream_init(1u << TLS_SERVER, *argc, *argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return stream_run(TLS_SERVER, data, size);
}
