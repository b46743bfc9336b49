/* SPDX-License-Identifier: ISC */
/* A library that has the name of IPsec-MB and one thing that is the matter with it: which, is in
 * the variable STUB. Without that it would be taken. */
#if __has_include(<intel-ipsec-mb.h>)
#include <intel-ipsec-mb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static bool is(const char *fault)
{
    const char *s = getenv("STUB");

    return s && strcmp(s, fault) == 0;
}

EXPORT unsigned imb_get_version(void)
{
    return is("old") ? IMB_VERSION_NUM - 0x100 : IMB_VERSION_NUM + (is("new") ? 0x100 : 1);
}

EXPORT IMB_MGR *alloc_mb_mgr(uint64_t flags)
{
    (void)flags;
    return is("memory") ? NULL : calloc(1, sizeof(IMB_MGR));
}

EXPORT void free_mb_mgr(IMB_MGR *m)
{
    free(m);
}

EXPORT int imb_get_errno(IMB_MGR *m)
{
    return m && is("error") ? IMB_ERR_SELFTEST : 0;
}

static void expand(const void *key, struct gcm_key_data *data)
{
    (void)key;
    (void)data;
    abort();
}

static void init(const struct gcm_key_data *k, struct gcm_context_data *c, const uint8_t *iv,
                 const uint8_t *aad, uint64_t n)
{
    (void)k, (void)c, (void)iv, (void)aad, (void)n;
    abort();
}

static void once(const struct gcm_key_data *k, struct gcm_context_data *c, uint8_t *out,
                 const uint8_t *in, uint64_t n, const uint8_t *iv, const uint8_t *aad,
                 uint64_t aad_n, uint8_t *tag, uint64_t tag_n)
{
    (void)k, (void)c, (void)out, (void)in, (void)n, (void)iv, (void)aad, (void)aad_n;
    (void)tag, (void)tag_n;
    abort();
}

static void update(const struct gcm_key_data *k, struct gcm_context_data *c, uint8_t *out,
                   const uint8_t *in, uint64_t n)
{
    (void)k, (void)c, (void)out, (void)in, (void)n;
    abort();
}

static void end(const struct gcm_key_data *k, struct gcm_context_data *c, uint8_t *tag, uint64_t n)
{
    (void)k, (void)c, (void)tag, (void)n;
    abort();
}

EXPORT void init_mb_mgr_auto(IMB_MGR *m, IMB_ARCH *arch)
{
    m->features = ~UINT64_C(0);
    m->features ^= is("no vaes") ? IMB_FEATURE_VAES : 0;
    m->features ^= is("no vpclmulqdq") ? IMB_FEATURE_VPCLMULQDQ : 0;
    m->features ^= is("leaves secrets") ? IMB_FEATURE_SAFE_DATA : 0;
    m->features ^= is("untested") ? IMB_FEATURE_SELF_TEST : 0;
    m->features ^= is("test failed") ? IMB_FEATURE_SELF_TEST_PASS : 0;
    *arch = is("avx2") ? IMB_ARCH_AVX2 : is("no arch") ? IMB_ARCH_NONE : IMB_ARCH_AVX512;
    m->gcm128_pre = m->gcm256_pre = expand;
    m->gcm128_init = m->gcm256_init = init;
    m->gcm128_enc = m->gcm256_enc = m->gcm128_dec = m->gcm256_dec = once;
    m->gcm128_enc_update = m->gcm256_enc_update = update;
    m->gcm128_dec_update = m->gcm256_dec_update = update;
    m->gcm128_enc_finalize = m->gcm256_enc_finalize = end;
    m->gcm128_dec_finalize = m->gcm256_dec_finalize = is("a hole") ? NULL : end;
}
#endif
