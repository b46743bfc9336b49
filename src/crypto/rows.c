/* SPDX-License-Identifier: ISC */
/* What we have, as const rows in our order of preference. A new group or scheme is a row here. */
#include "base/options.h"
#include "crypto/local.h"

/* RFC 8446 section 4.2.7; the share of a NIST curve is an uncompressed point (section 4.2.8.2), of
 * a finite field a number as long as its prime (section 4.2.8.1). X25519MLKEM768 puts ML-KEM's
 * bytes first in both shares and in the secret (draft-ietf-tls-ecdhe-mlkem, "Construction"). */
static const struct group groups[] = {
    { 4588, 1184 + 32, 1088 + 32, 32 + 32, false, "X25519MLKEM768", 29 },
    { 29, 32, 32, 32, true, "x25519", 0 },
    { 23, 65, 65, 32, true, "secp256r1", 0 },
    { 24, 97, 97, 48, true, "secp384r1", 0 },
    { 30, 56, 56, 56, true, "x448", 0 },
    { 25, 133, 133, 66, true, "secp521r1", 0 },
    { 256, 256, 256, 256, false, "ffdhe2048", 0 },
    { 257, 384, 384, 384, false, "ffdhe3072", 0 },
};
_Static_assert(sizeof groups / sizeof *groups == GROUP_COUNT, "GROUP_COUNT");

/* RFC 8446 section 4.2.3. RSASSA-PKCS1-v1_5 signs certificates, never a TLS 1.3 handshake. */
static const struct scheme schemes[] = {
    { 0x0403, SIG_ECDSA, HASH_SHA256, KEY_EC_P256, true, .name = "ecdsa_secp256r1_sha256" },
    { 0x0503, SIG_ECDSA, HASH_SHA384, KEY_EC_P384, true, .name = "ecdsa_secp384r1_sha384" },
    { 0x0603, SIG_ECDSA, HASH_SHA512, KEY_EC_P521, true, .name = "ecdsa_secp521r1_sha512" },
    { 0x0807, SIG_EDDSA, HASH_NONE, KEY_ED25519, true, .name = "ed25519" },
    { 0x0808, SIG_EDDSA, HASH_NONE, KEY_ED448, true, .name = "ed448" },
    { 0x0804, SIG_RSA_PSS, HASH_SHA256, KEY_RSA, true, .name = "rsa_pss_rsae_sha256" },
    { 0x0805, SIG_RSA_PSS, HASH_SHA384, KEY_RSA, true, .name = "rsa_pss_rsae_sha384" },
    { 0x0806, SIG_RSA_PSS, HASH_SHA512, KEY_RSA, true, .name = "rsa_pss_rsae_sha512" },
    { 0x0809, SIG_RSA_PSS, HASH_SHA256, KEY_RSA_PSS, true, .name = "rsa_pss_pss_sha256" },
    { 0x080a, SIG_RSA_PSS, HASH_SHA384, KEY_RSA_PSS, true, .name = "rsa_pss_pss_sha384" },
    { 0x080b, SIG_RSA_PSS, HASH_SHA512, KEY_RSA_PSS, true, .name = "rsa_pss_pss_sha512" },
    { 0x0401, SIG_RSA_PKCS1, HASH_SHA256, KEY_RSA, false, .name = "rsa_pkcs1_sha256" },
    { 0x0501, SIG_RSA_PKCS1, HASH_SHA384, KEY_RSA, false, .name = "rsa_pkcs1_sha384" },
    { 0x0601, SIG_RSA_PKCS1, HASH_SHA512, KEY_RSA, false, .name = "rsa_pkcs1_sha512" },
#ifdef USE_OLD_TLS
    /* Handshakes of TLS 1.2 only where they are named (threat 21). */
    { 0x0201, SIG_RSA_PKCS1, HASH_SHA1, KEY_RSA, false, .name = "rsa_pkcs1_sha1", .weak = true },
    /* Those of enum old_scheme; what has no number is never in a list. */
    { 0x0203, SIG_ECDSA, HASH_SHA1, KEY_EC_P256, false, .name = "ecdsa_sha1", .weak = true },
    { 0, SIG_RSA_PKCS1, HASH_MD5_SHA1, KEY_RSA, false, .name = "rsa_pkcs1_md5_sha1", .weak = true },
    { 0, SIG_RSA_PKCS1, HASH_MD5_SHA1, KEY_RSA, false, .name = "rsa_pkcs1_md5_sha1", .weak = true,
      .digested = true },
#endif
};
_Static_assert(sizeof schemes / sizeof *schemes == SCHEME_COUNT, "SCHEME_COUNT");

static const struct {
    size_t size, block;
} hashes[HASH_COUNT] = {
    [HASH_SHA1] = { 20, 64 },          [HASH_SHA256] = { 32, 64 },
    [HASH_SHA384] = { 48, 128 },       [HASH_SHA512] = { 64, 128 },
#ifdef USE_MD5
    [HASH_MD5] = { 16, 64 },
#endif
#ifdef USE_OLD_TLS
    [HASH_MD5_SHA1] = { 16 + 20, 64 }, /* both, side by side */
#endif
};

static const size_t aead_key_sizes[AEAD_COUNT] = {
    [AEAD_AES_128_GCM] = 16,
    [AEAD_AES_256_GCM] = 32,
    [AEAD_CHACHA20_POLY1305] = 32,
};

static const struct {
    size_t key, block;
} cbcs[CBC_COUNT] = {
    [CBC_AES_128] = { 16, 16 },
    [CBC_AES_256] = { 32, 16 },
#ifdef USE_3DES
    [CBC_3DES] = { 24, 8 },
#endif
};

size_t cbc_key_size(enum cbc_id id)
{
    return id < CBC_COUNT ? cbcs[id].key : 0;
}

size_t cbc_block(enum cbc_id id)
{
    return id < CBC_COUNT ? cbcs[id].block : 0;
}

size_t scipher_key_size(enum stream_id id)
{
    return id == STREAM_RC4 ? STREAM_KEY_MAX : 0;
}

size_t hash_size(enum hash_id id)
{
    return id < HASH_COUNT ? hashes[id].size : 0;
}

size_t hash_block(enum hash_id id)
{
    return id < HASH_COUNT ? hashes[id].block : 0;
}

size_t aead_key_size(enum aead_id id)
{
    return id < AEAD_COUNT ? aead_key_sizes[id] : 0;
}

const struct group *group_at(size_t i)
{
    for (size_t k = 0; k < GROUP_COUNT; k++) {
        if (group_is_present(&groups[k]) && i-- == 0) {
            return &groups[k];
        }
    }
    return NULL;
}

const struct group *group_by_id(uint16_t id)
{
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if (groups[i].id == id && group_is_present(&groups[i])) {
            return &groups[i];
        }
    }
    return NULL;
}

size_t group_index(const struct group *g)
{
    return (size_t)(g - groups);
}

const struct scheme *scheme_at(size_t i)
{
    return i < SCHEME_COUNT && schemes[i].id ? &schemes[i] : NULL;
}

const struct scheme *scheme_by_id(uint16_t id)
{
    for (size_t i = 0; id && i < SCHEME_COUNT; i++) {
        if (schemes[i].id == id) {
            return &schemes[i];
        }
    }
    return NULL;
}

#ifdef USE_OLD_TLS
const struct scheme *scheme_old(enum old_scheme which)
{
    return &schemes[SCHEME_COUNT - 1 - which];
}
#endif

size_t scheme_index(const struct scheme *s)
{
    return (size_t)(s - schemes);
}
