/* SPDX-License-Identifier: ISC */
#include "crypto/memory.h"

#include "base/lock.h"
#include "base/mem.h"
#include "base/mem_arena.h"
#include "crypto/local_openssl.h"

static PER_THREAD bool refused;

static void *note(void *p)
{
    refused = refused || !p;
    return p;
}

static void *take(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n ? note(arena_alloc(n)) : NULL;
}

static void give(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    if (p) {
        (void)arena_release(p);
    }
}

/* As realloc(3), with a size of 0 to release: libcrypto hands both on. */
static void *resize(void *p, size_t n, const char *file, int line)
{
    if (n == 0) {
        give(p, file, line);
        return NULL;
    }
    return note(arena_resize(p, n));
}

int crypto_use_arena(void *memory, size_t n)
{
    const bool was_open = arena_is_open();

    TRY(mem_arena_set(memory, n));
    if (!was_open && CRYPTO_set_mem_functions(take, resize, give) != 1) {
        mem_arena_drop();
        return ERR_STATE;
    }
    /* Nothing of ours needs openssl.cnf, and libcrypto would read it with stdio, which mallocs. */
    return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) == 1
               ? 0
               : crypto_fail(ERR_MEM);
}

int crypto_why(int code)
{
    const bool was = refused;

    refused = false;
    return was ? ERR_MEM : code;
}
