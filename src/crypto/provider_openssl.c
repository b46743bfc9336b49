/* SPDX-License-Identifier: ISC */
#include "base/lock.h"
#include "base/trace.h"
#include "crypto/local_openssl.h"
#include "crypto/memory.h"

/* From 3.5 on. To search for it in vain takes 0.2 ms of each start. */
#define HAS_MLKEM 0x30500000UL

struct provider provider;

const char *const digest_names[HASH_COUNT] = {
    [HASH_SHA1] = "SHA1",     [HASH_SHA256] = "SHA256", [HASH_SHA384] = "SHA384",
    [HASH_SHA512] = "SHA512", [HASH_MD5] = "MD5",       [HASH_MD5_SHA1] = "MD5-SHA1",
};

static struct once once = ONCE_INIT;
static struct thread_end at_thread_end;
static int init_result = ERR_CRYPTO;
static PER_THREAD struct kept mine;
static PER_THREAD bool registered;

static void free_kept(struct kept *k)
{
    IN_LIBCRYPTO;

    for (size_t i = 0; i < PART_COUNT; i++) {
        EVP_PKEY_CTX_free(k->keygen[i]);
        EVP_PKEY_free(k->peer[i]);
    }
    memset(k, 0, sizeof *k);
    registered = false;
}

/* libcrypto's own part in it, which takes locks, too, would come later and at the time of any fork.
 */
static void thread_ends(void *p)
{
    IN_LIBCRYPTO;
    free_kept(p);
    OPENSSL_thread_stop();
}

struct kept *kept(void)
{
    if (!registered) {
        if (init_result < 0 || !thread_end_tell(&at_thread_end, &mine)) {
            return NULL;
        }
        registered = true;
    }
    return &mine;
}

#ifdef PS_PUBKEY_OPTIMIZE_FOR_FASTER_SPEED
void crypto_idle(void)
{
}
#else
void crypto_idle(void)
{
    free_kept(&mine);
}
#endif

int crypto_fail(int code)
{
    if (trace_on(TRACE_CRYPTO)) { /* not after libcrypto's end, when its texts are gone */
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());

        trace(TRACE_CRYPTO, "libcrypto: %s", reason ? reason : "failed and does not say why");
    }
    ERR_clear_error();
    /* A record that does not open is always the same to the peer (threat 39). */
    return code < 0 && code != TLS_ALERT(ALERT_BAD_RECORD_MAC) ? crypto_why(code) : code;
}

/* ---- methods: the first search of a kind goes through all there are of it (0.35 ms), so it waits
 * until one is needed. Threads may search at once; what all use is what came first. ---- */

static const EVP_CIPHER *cipher(_Atomic(EVP_CIPHER *) *slot, const char *name)
{
    EVP_CIPHER *have = atomic_load(slot), *made;

    if (!have) {
        IN_LIBCRYPTO;

        made = EVP_CIPHER_fetch(provider.lib, name, NULL);
        if (!atomic_compare_exchange_strong(slot, &have, made)) {
            EVP_CIPHER_free(made);
        } else {
            have = made;
        }
    }
    return have;
}

const EVP_CIPHER *method_aead(enum aead_id id)
{
    static const char *const names[AEAD_COUNT] = {
        [AEAD_AES_128_GCM] = "AES-128-GCM",
        [AEAD_AES_256_GCM] = "AES-256-GCM",
        [AEAD_CHACHA20_POLY1305] = "ChaCha20-Poly1305",
    };

    return cipher(&provider.aead[id], names[id]);
}

const EVP_CIPHER *method_cbc(enum cbc_id id)
{
    static const char *const names[CBC_COUNT] = {
        [CBC_AES_128] = "AES-128-CBC",
        [CBC_AES_256] = "AES-256-CBC",
        [CBC_3DES] = "DES-EDE3-CBC",
    };

    return cbc_key_size(id) ? cipher(&provider.cbc[id], names[id]) : NULL;
}

EVP_MAC *method_hmac(void)
{
    EVP_MAC *have = atomic_load(&provider.hmac), *made;

    if (!have) {
        made = EVP_MAC_fetch(provider.lib, "HMAC", NULL);
        if (!atomic_compare_exchange_strong(&provider.hmac, &have, made)) {
            EVP_MAC_free(made);
        } else {
            have = made;
        }
    }
    return have;
}

/* A context of our own reads no openssl.cnf unless told to. It is never freed: threads may still be
 * at work while the process ends. */
static bool begin(void)
{
    IN_LIBCRYPTO;

    /* At the end of a process it would free what connections still have: they may be closed later
     * than that, by destructors. */
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
        return false;
    }
    provider.lib = OSSL_LIB_CTX_new();
    if (!provider.lib || !OSSL_PROVIDER_load(provider.lib, "default")) {
        return false;
    }
    if (OpenSSL_version_num() >= HAS_MLKEM) {
        kex_look();
    }
    return true;
}

static void init(void)
{
    libcrypto_watch_forks();
    if (thread_end_init(&at_thread_end, thread_ends) && begin()) {
        init_result = 0;
    } else {
        init_result = crypto_fail(ERR_CRYPTO);
    }
}

int crypto_init(void)
{
    once_do(&once, init);
    return init_result;
}
