/* SPDX-License-Identifier: ISC */
/* AES-GCM by Intel's IPsec-MB, several times as fast as libcrypto 3.0 where the processor has VAES.
 * Loaded with the first key that it could be for, so that nobody else needs it and no program that
 * makes no connection pays for it: where it is missing, of another version, has failed its own
 * tests or leaves secrets behind, libcrypto does the work. */
#include "crypto/aead.h"

#ifdef USE_IPSEC_MB
#include <dlfcn.h>
#include <intel-ipsec-mb.h>

#include "base/lock.h"
#include "base/mem.h"
#include "base/mem_arena.h"
#include "base/secret.h"
#include "base/trace.h"

#if IMB_VERSION_NUM < IMB_VERSION(1, 3, 0) || IMB_VERSION_NUM >= IMB_VERSION(3, 0, 0)
#error "this IPsec-MB is not known: -DPS_AES_IMPROVE_PERF_INCREASE_CODESIZE=0 does without"
#elif IMB_VERSION_NUM < IMB_VERSION(2, 0, 0)
#define LIBRARY_NAME "libIPSec_MB.so.1"
#else
#define LIBRARY_NAME "libIPSec_MB.so.2"
#endif
/* Keys have grown from 1.3 to 1.4 and the SONAME has stayed: only what the header is of will do. */
#define MINOR(version) ((version) >> 8)

#define KEY_ALIGN 64 /* of struct gcm_key_data, says the header, though not to every compiler */

/* Of one size of keys. */
struct calls {
    aes_gcm_pre_t expand;
    aes_gcm_init_t init;
    aes_gcm_enc_dec_t seal, open; /* all in one piece */
    aes_gcm_enc_dec_update_t seal_part, open_part;
    aes_gcm_enc_dec_finalize_t seal_end, open_end;
};
static struct calls calls[2]; /* written once, before loaded */
static bool loaded;

struct imb_key {
    struct gcm_key_data data; /* first, and aligned */
    struct aead aead;
    const struct calls *calls;
    void *memory; /* this is somewhere in it */
};

static struct imb_key *key_of(struct aead *a)
{
    return (struct imb_key *)((uint8_t *)a - offsetof(struct imb_key, aead));
}

/* ---- the library ---- */

static struct {
    __typeof__(&imb_get_version) version;
    __typeof__(&alloc_mb_mgr) alloc;
    __typeof__(&init_mb_mgr_auto) init;
    __typeof__(&imb_get_errno) error;
    __typeof__(&free_mb_mgr) release;
} api;

static bool find(void *lib)
{
    *(void **)&api.version = dlsym(lib, "imb_get_version");
    *(void **)&api.alloc = dlsym(lib, "alloc_mb_mgr");
    *(void **)&api.init = dlsym(lib, "init_mb_mgr_auto");
    *(void **)&api.error = dlsym(lib, "imb_get_errno");
    *(void **)&api.release = dlsym(lib, "free_mb_mgr");
    return api.version && api.alloc && api.init && api.error && api.release &&
           MINOR(api.version()) == MINOR(IMB_VERSION_NUM);
}

/* Has it found what it is fast with, passed its own tests, and does it wipe its registers and its
 * stack? */
static bool is_good(const IMB_MGR *m, IMB_ARCH arch)
{
    const uint64_t want = IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ | IMB_FEATURE_SAFE_DATA |
                          IMB_FEATURE_SELF_TEST | IMB_FEATURE_SELF_TEST_PASS;

    return arch == IMB_ARCH_AVX512 && (m->features & want) == want;
}

static bool take_calls(const IMB_MGR *m)
{
    bool all = true;

    calls[0] = (struct calls){ m->gcm128_pre,          m->gcm128_init,        m->gcm128_enc,
                               m->gcm128_dec,          m->gcm128_enc_update,  m->gcm128_dec_update,
                               m->gcm128_enc_finalize, m->gcm128_dec_finalize };
    calls[1] = (struct calls){ m->gcm256_pre,          m->gcm256_init,        m->gcm256_enc,
                               m->gcm256_dec,          m->gcm256_enc_update,  m->gcm256_dec_update,
                               m->gcm256_enc_finalize, m->gcm256_dec_finalize };
    for (size_t i = 0; i < 2; i++) {
        const struct calls *c = &calls[i];

        all = all && c->expand && c->init && c->seal && c->open && c->seal_part && c->open_part &&
              c->seal_end && c->open_end;
    }
    return all;
}

/* The manager is what finds out which calls suit the processor; it is not needed for them. */
static void load(void)
{
    void *lib = dlopen(LIBRARY_NAME, RTLD_NOW | RTLD_LOCAL);
    IMB_MGR *m = lib && find(lib) ? api.alloc(0) : NULL;
    IMB_ARCH arch = IMB_ARCH_NONE;

    if (m) {
        api.init(m, &arch);
        loaded = api.error(m) == 0 && is_good(m, arch) && take_calls(m);
        api.release(m);
    }
    if (lib && !loaded) {
        (void)dlclose(lib);
    }
    (void)dlerror(); /* is the program's own again */
    trace(TRACE_CRYPTO, "IPsec-MB is %s", loaded ? "used" : "not used");
}

/* It allocates where an arena is to be all there is. */
static bool can(enum aead_id id)
{
    static struct once once = ONCE_INIT;

    if ((id != AEAD_AES_128_GCM && id != AEAD_AES_256_GCM) || arena_is_open()) {
        return false;
    }
    once_do(&once, load);
    return loaded;
}

/* ---- keys ---- */

static struct aead *make(enum aead_id id, const uint8_t *key, bool seal)
{
    uint8_t *memory = mem_alloc(sizeof(struct imb_key) + KEY_ALIGN - 1);
    struct imb_key *k;

    (void)seal;
    if (!memory) {
        return NULL;
    }
    k = (struct imb_key *)(memory + (-(uintptr_t)memory & (KEY_ALIGN - 1)));
    k->memory = memory;
    k->calls = &calls[id == AEAD_AES_256_GCM];
    k->calls->expand(key, &k->data);
    return &k->aead;
}

static void release(struct aead *a)
{
    struct imb_key *k = key_of(a);
    void *memory = k->memory;

    wipe(k, sizeof *k);
    mem_free(memory);
}

/* ---- records ---- */

static int seal_parts(struct aead *a, const uint8_t *nonce, struct span aad, const struct span *in,
                      size_t nin, uint8_t *out)
{
    const struct imb_key *k = key_of(a);
    const struct calls *c = k->calls;
    struct gcm_context_data ctx;

    if (nin == 1) {
        c->seal(&k->data, &ctx, out, in->p, in->n, nonce, aad.p, aad.n, out + in->n, AEAD_TAG);
    } else {
        c->init(&k->data, &ctx, nonce, aad.p, aad.n);
        for (size_t i = 0; i < nin; out += in[i++].n) {
            if (in[i].n) {
                c->seal_part(&k->data, &ctx, out, in[i].p, in[i].n);
            }
        }
        c->seal_end(&k->data, &ctx, out, AEAD_TAG);
    }
    wipe(&ctx, sizeof ctx);
    return 0;
}

static int open_parts(struct aead *a, const uint8_t *nonce, struct span aad, struct span in,
                      const struct mspan *out, size_t nout)
{
    const struct imb_key *k = key_of(a);
    const struct calls *c = k->calls;
    struct gcm_context_data ctx;
    uint8_t tag[AEAD_TAG], want[AEAD_TAG];

    memcpy(want, in.p + in.n - AEAD_TAG, AEAD_TAG);
    if (nout == 1) {
        c->open(&k->data, &ctx, out->p, in.p, out->n, nonce, aad.p, aad.n, tag, AEAD_TAG);
    } else {
        c->init(&k->data, &ctx, nonce, aad.p, aad.n);
        for (size_t i = 0; i < nout; in.p += out[i++].n) {
            if (out[i].n) {
                c->open_part(&k->data, &ctx, out[i].p, in.p, out[i].n);
            }
        }
        c->open_end(&k->data, &ctx, tag, AEAD_TAG);
    }
    wipe(&ctx, sizeof ctx);
    return ct_equal(tag, want, AEAD_TAG) ? 0 : TLS_ALERT(ALERT_BAD_RECORD_MAC);
}

const struct aead_backend aead_ipsecmb = {
    .name = "IPsec-MB",
    .can = can,
    .make = make,
    .release = release,
    .seal = seal_parts,
    .open = open_parts,
};
#endif
