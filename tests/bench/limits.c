/* SPDX-License-Identifier: ISC */
/* What the primitives allow: the public-key operations, hashes and AEAD of a job on objects that
 * are ready, and nothing else. A handshake's transcript and key schedule are taken as two hashes
 * and some twenty HMACs of one block. A chain that was verified before costs nothing, as in the
 * cache of good chains; a cold one costs a signature more. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#if __has_include(<intel-ipsec-mb.h>)
#include <intel-ipsec-mb.h>
#define HAVE_IPSEC_MB
#endif

#define OK(call)           \
    do {                   \
        if ((call) != 1) { \
            return false;  \
        }                  \
    } while (0)

static EVP_PKEY_CTX *keygen[2], *derive[2], *sign[2], *verify[2];
static unsigned char digest[32], signature[2][256];
static size_t signature_len[2];
static EVP_MD *sha256;
static EVP_MD_CTX *md;

const char *limit_version(void)
{
#ifdef HAVE_IPSEC_MB
    return "the primitives of libcrypto, AES-GCM of IPsec-MB " IMB_VERSION_STR;
#else
    return "the primitives of libcrypto";
#endif
}

static bool make_exchange(enum bench_group group)
{
    EVP_PKEY *mine = NULL, *other = NULL;

    keygen[group] = EVP_PKEY_CTX_new_from_name(NULL, group == GROUP_X25519 ? "X25519" : "EC", NULL);
    OK(EVP_PKEY_keygen_init(keygen[group]));
    if (group == GROUP_P256) {
        OK(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(keygen[group], NID_X9_62_prime256v1));
    }
    OK(EVP_PKEY_generate(keygen[group], &mine));
    OK(EVP_PKEY_generate(keygen[group], &other));
    derive[group] = EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL);
    OK(EVP_PKEY_derive_init(derive[group]));
    OK(EVP_PKEY_derive_set_peer(derive[group], other));
    return true;
}

static bool pad(EVP_PKEY_CTX *c, enum bench_cert cert)
{
    OK(EVP_PKEY_CTX_set_signature_md(c, sha256));
    if (cert == CERT_RSA) {
        OK(EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING));
        OK(EVP_PKEY_CTX_set_rsa_pss_saltlen(c, 32));
    }
    return true;
}

static bool make_signer(enum bench_cert cert)
{
    EVP_PKEY *key = cert == CERT_RSA ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");

    sign[cert] = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    verify[cert] = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    signature_len[cert] = sizeof signature[cert];
    OK(EVP_PKEY_sign_init(sign[cert]));
    OK(EVP_PKEY_verify_init(verify[cert]));
    return pad(sign[cert], cert) && pad(verify[cert], cert) &&
           EVP_PKEY_sign(sign[cert], signature[cert], &signature_len[cert], digest,
                         sizeof digest) == 1;
}

static bool make_all(void)
{
    static int made; /* 1: yes, -1: failed */

    if (!made) {
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        md = EVP_MD_CTX_new();
        made = sha256 && md && make_exchange(GROUP_X25519) && make_exchange(GROUP_P256) &&
                       make_signer(CERT_ECDSA) && make_signer(CERT_RSA)
                   ? 1
                   : -1;
    }
    return made > 0;
}

/* ---- a handshake ---- */
enum operation { KEYGEN, DERIVE, SIGN, VERIFY, HASH, OPERATIONS };

static bool once(const struct job *job, enum operation what)
{
    unsigned char out[256];
    size_t n = sizeof out;
    EVP_PKEY *key = NULL;
    unsigned len;

    switch (what) {
    case KEYGEN:
        OK(EVP_PKEY_generate(keygen[job->group], &key));
        EVP_PKEY_free(key);
        return true;
    case DERIVE:
        OK(EVP_PKEY_derive(derive[job->group], out, &n));
        return true;
    case SIGN:
        OK(EVP_PKEY_sign(sign[job->cert], out, &n, digest, sizeof digest));
        return true;
    case VERIFY:
        OK(EVP_PKEY_verify(verify[job->cert], signature[job->cert], signature_len[job->cert],
                           digest, sizeof digest));
        return true;
    default: /* two of one block: what an HMAC does with a key that is already in */
        for (int i = 0; i < 2; i++) {
            OK(EVP_DigestInit_ex2(md, sha256, NULL));
            OK(EVP_DigestUpdate(md, digest, sizeof digest));
            OK(EVP_DigestFinal_ex(md, out, &len));
        }
        return true;
    }
}

static bool timed(const struct job *job, enum operation what, double seconds, double *cost)
{
    double start = cpu_seconds(), now = start;
    long n = 0;

    for (; now - start < seconds; now = cpu_seconds()) {
        for (int i = 0; i < 8; i++, n++) {
            if (!once(job, what)) {
                return false;
            }
        }
    }
    *cost = (now - start) / (double)n;
    return true;
}

static bool handshakes(const struct job *job, bool resumed, double seconds, double value[2])
{
    double cost[OPERATIONS] = { 0 }, both, client, server, chain;

    for (int i = 0; i < OPERATIONS; i++) {
        if (!timed(job, (enum operation)i, seconds / OPERATIONS, &cost[i])) {
            return false;
        }
    }
    both = 22 * cost[HASH];
    if (resumed) {
        client = server = both / 2 + (job->tls12 ? 0 : both / 2 + cost[KEYGEN] + cost[DERIVE]);
    } else {
        chain = job->cold ? 2 * cost[VERIFY] : cost[VERIFY];
        both += cost[KEYGEN] + cost[DERIVE];
        client = both + chain + (job->mutual ? cost[SIGN] : 0);
        server = both + cost[SIGN] + (job->mutual ? chain : 0);
    }
    value[CLIENT] = 1 / client;
    value[SERVER] = 1 / server;
    return true;
}

/* ---- records ---- */
static unsigned char plain[16384], sealed[16384], tag[16];
static const unsigned char key[32] = { 1 }, nonce[12] = { 2 }, aad[5] = { 23, 3, 3 };

static bool evp(EVP_CIPHER_CTX *c, bool seal, size_t n)
{
    int len;

    OK(EVP_CipherInit_ex2(c, NULL, NULL, nonce, seal, NULL));
    OK(EVP_CipherUpdate(c, NULL, &len, aad, sizeof aad));
    OK(EVP_CipherUpdate(c, seal ? sealed : plain, &len, seal ? plain : sealed, (int)n));
    if (seal) {
        OK(EVP_CipherFinal_ex(c, sealed + n, &len));
        return EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1;
    }
    OK(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, tag));
    OK(EVP_CipherFinal_ex(c, plain + n, &len));
    return true;
}

static bool evp_rate(const struct job *job, bool seal, size_t n, double seconds, double *rate)
{
    static const char *const names[] = { "AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305" };
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, names[job->suite], NULL);
    EVP_CIPHER_CTX *s = EVP_CIPHER_CTX_new(), *o = EVP_CIPHER_CTX_new();
    bool ok = cipher && s && o && EVP_CipherInit_ex2(s, cipher, key, nonce, 1, NULL) == 1 &&
              EVP_CipherInit_ex2(o, cipher, key, nonce, 0, NULL) == 1 && evp(s, true, n);
    double start = cpu_seconds(), now = start;
    long count = 0;

    for (; ok && now - start < seconds; now = cpu_seconds()) {
        for (int i = 0; ok && i < 16; i++, count++) {
            ok = evp(seal ? s : o, seal, n);
        }
    }
    *rate = (double)n * (double)count / (now - start);
    EVP_CIPHER_CTX_free(s);
    EVP_CIPHER_CTX_free(o);
    EVP_CIPHER_free(cipher);
    return ok;
}

#ifdef HAVE_IPSEC_MB
static bool mb_rate(const struct job *job, bool seal, size_t n, double seconds, double *rate)
{
    static IMB_MGR *mgr;
    static struct gcm_key_data *data;
    struct gcm_context_data ctx;
    double start, now;
    long count = 0;

    if (job->suite == SUITE_CHACHA20) {
        return false;
    }
    if (!mgr) {
        mgr = alloc_mb_mgr(0);
        data = aligned_alloc(64, sizeof *data + 64 - sizeof *data % 64);
        if (!mgr || !data) {
            return false;
        }
        init_mb_mgr_auto(mgr, NULL);
    }
    if (job->suite == SUITE_AES128_GCM) {
        IMB_AES128_GCM_PRE(mgr, key, data);
    } else {
        IMB_AES256_GCM_PRE(mgr, key, data);
    }
    for (start = now = cpu_seconds(); now - start < seconds; now = cpu_seconds()) {
        for (int i = 0; i < 16; i++, count++) {
            unsigned char *to = seal ? sealed : plain, *from = seal ? plain : sealed;

            if (job->suite == SUITE_AES128_GCM && seal) {
                IMB_AES128_GCM_ENC(mgr, data, &ctx, to, from, n, nonce, aad, sizeof aad, tag, 16);
            } else if (job->suite == SUITE_AES128_GCM) {
                IMB_AES128_GCM_DEC(mgr, data, &ctx, to, from, n, nonce, aad, sizeof aad, tag, 16);
            } else if (seal) {
                IMB_AES256_GCM_ENC(mgr, data, &ctx, to, from, n, nonce, aad, sizeof aad, tag, 16);
            } else {
                IMB_AES256_GCM_DEC(mgr, data, &ctx, to, from, n, nonce, aad, sizeof aad, tag, 16);
            }
        }
    }
    *rate = (double)n * (double)count / (now - start);
    return true;
}
#else
static bool mb_rate(const struct job *job, bool seal, size_t n, double seconds, double *rate)
{
    (void)job;
    (void)seal;
    (void)n;
    (void)seconds;
    (void)rate;
    return false;
}
#endif

bool limit_measure(const struct job *job, enum kind kind, size_t record, double seconds,
                   double value[2])
{
    if (kind == HANDSHAKE || kind == RESUMED) {
        return make_all() && handshakes(job, kind == RESUMED, seconds, value);
    }
    if (kind != RECORDS) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        double other;

        if (!evp_rate(job, i == SERVER, record, seconds / 4, &value[i])) {
            return false;
        }
        if (mb_rate(job, i == SERVER, record, seconds / 4, &other) && other > value[i]) {
            value[i] = other;
        }
    }
    return true;
}
