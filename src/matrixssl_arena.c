/* SPDX-License-Identifier: ISC */
/* The guide's API: the memory that all of it is taken from, when that is a fixed piece. */
#include "matrixssl.h"

#include "crypto/memory.h"

#ifdef USE_PEERSEC_MEMORY_MANAGEMENT
#include "base/mem_arena.h"

int matrixssl_memory(void)
{
    static _Alignas(max_align_t) unsigned char memory[MATRIXSSL_ARENA_SIZE];

    return arena_is_open() ? 0 : crypto_use_arena(memory, sizeof memory);
}
#else
int matrixssl_memory(void)
{
    return 0;
}
#endif

int32 matrixSslOpenWithArena(void *memory, uint32 size)
{
    int rc = crypto_use_arena(memory, size);

    if (rc == ERR_ARG) {
        return memory ? PS_MEM_FAIL : PS_ARG_FAIL;
    }
    return rc < 0 ? matrixssl_code(rc) : matrixSslOpen();
}
