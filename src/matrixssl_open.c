/* SPDX-License-Identifier: ISC */
/* The guide's API: what belongs to the whole process. Opening and closing, the cache of sessions,
 * the key log. */
#include "matrixssl.h"

#include "base/trace.h"

#define SESSION_LIFE_MS ((int64_t)(SSL_SESSION_ENTRY_LIFE))

static struct lock lock = LOCK_INIT; /* of all that follows */
static unsigned opened;
static struct session_cache *cache;
static void (*keylog)(void *ctx, const char *line);
static void *keylog_ctx;

int32 matrixssl_code(int err)
{
    switch (err) {
    case 0:
        return PS_SUCCESS;
    case ERR_MEM:
        return PS_MEM_FAIL;
    case ERR_ARG:
        return PS_ARG_FAIL;
    case ERR_FILE:
        return PS_PLATFORM_FAIL;
    case ERR_PARSE:
        return PS_PARSE_FAIL;
    case ERR_MISMATCH:
        return PS_CERT_AUTH_FAIL;
    case ERR_LIMIT:
        return PS_LIMIT_FAIL;
    case ERR_UNSUPPORTED:
        return PS_UNSUPPORTED_FAIL;
    case ERR_PASSPHRASE:
    case ERR_CRYPTO:
    case ERR_STATE:
        return PS_FAILURE;
    default:
        return PS_PROTOCOL_FAIL; /* the peer's doing: alerts, a closed connection */
    }
}

static atomic_uint generation;

uint32_t matrixssl_generation(void)
{
    return atomic_load(&generation);
}

void matrixssl_next_generation(void)
{
    atomic_fetch_add(&generation, 1);
}

int32 matrixSslOpen(void)
{
    int32 rc = PS_SUCCESS;
    int ready = matrixssl_memory();

    if (ready == 0) {
        ready = crypto_init();
    }
    if (ready < 0) {
        return ready == ERR_MEM ? PS_MEM_FAIL : PS_FAILURE;
    }
    lock_take(&lock);
    if (opened == 0) {
        cache = session_cache_new(SSL_SESSION_TABLE_SIZE, SESSION_LIFE_MS);
        rc = cache ? PS_SUCCESS : PS_MEM_FAIL;
        matrixssl_next_generation();
    }
    opened += rc == PS_SUCCESS;
    lock_give(&lock);
    return rc;
}

/* The provider lives as long as the process: other users of the library may be in it. */
void matrixSslClose(void)
{
    lock_take(&lock);
    if (opened && --opened == 0) {
        session_cache_unref(cache); /* sessions that are still there have their own reference */
        cache = NULL;
        keylog = NULL;
        matrixssl_forget_suites();
        matrixssl_next_generation();
    }
    lock_give(&lock);
}

struct session_cache *matrixssl_cache(void)
{
    struct session_cache *c;

    lock_take(&lock);
    c = cache ? session_cache_ref(cache) : NULL;
    lock_give(&lock);
    return c;
}

/* ---- key log ---- */
void matrixSslSetKeyLog(void (*fn)(void *ctx, const char *line), void *ctx)
{
    lock_take(&lock);
    keylog = fn;
    keylog_ctx = ctx;
    matrixssl_next_generation();
    lock_give(&lock);
}

int matrixssl_set_keylog(struct config *c)
{
    int rc;

    lock_take(&lock);
    rc = keylog ? config_set_keylog(c, keylog, keylog_ctx) : 0;
    lock_give(&lock);
    return rc;
}

#ifdef PS_USE_FILE_SYSTEM
/* In one write: lines of several threads and processes do not mix. */
static void write_line(void *ctx, const char *line)
{
    FILE *f = ctx;

    flockfile(f);
    (void)fprintf(f, "%s\n", line);
    (void)fflush(f);
    funlockfile(f);
}

/* The file stays open until the process ends: sessions go on writing to it. */
int32 matrixSslOpenKeyLog(const char *path)
{
    FILE *f;

    if (!path) {
        path = secure_getenv("SSLKEYLOGFILE"); /* not in a set-uid program */
    }
    if (!path || !*path) {
        return PS_SUCCESS;
    }
    f = file_append(path);
    if (!f) {
        return PS_PLATFORM_FAIL;
    }
    trace(TRACE_INFO, "key log: the secrets of all sessions are written to %s", path);
    matrixSslSetKeyLog(write_line, f);
    return PS_SUCCESS;
}
#endif
