/* SPDX-License-Identifier: ISC */
/* What the fuzzers of the engine share: randomness, certificates and configs that are the same in
 * every run, so that an input found once means the same ever after, and the feeding of an engine.
 */
#ifndef FUZZ_PARTY_H
#define FUZZ_PARTY_H
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "engine.h"
#include "handshake/key_job.h"

#define FUZZ_HOST "a.test"
#define FUZZ_NOW  1750000000

static uint64_t fuzz_seed;

#define sure(fact) sure_of((fact), #fact, __FILE__, __LINE__)
static inline void sure_of(bool fact, const char *what, const char *file, int line)
{
    if (!fact) {
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
        abort();
    }
}

static inline int fuzz_random(void *p, size_t n)
{
    for (uint8_t *to = p; n > 0; n--) {
        fuzz_seed = fuzz_seed * 6364136223846793005u + 1442695040888963407u;
        *to++ = (uint8_t)(fuzz_seed >> 56);
    }
    return 0;
}

static inline int64_t fuzz_clock(void)
{
    return FUZZ_NOW;
}

static inline void fuzz_start(uint64_t seed)
{
    fuzz_seed = seed;
    sure(crypto_init() == 0);
    rand_set_test_source(fuzz_random);
}

/* PKCS#8 of the Ed25519 key made of one byte. */
static inline struct span fuzz_key_der(uint8_t fill, uint8_t der[static 48])
{
    static const uint8_t head[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                    0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };

    memcpy(der, head, sizeof head);
    memset(der + sizeof head, fill, 32);
    return span_of(der, 48);
}

/* One of two worlds that do not trust each other: its CA, and an identity from it. */
struct party {
    struct buf ca;
    struct trust *trust;
    struct identity *id;
};

static inline void party_make(struct party *p, uint8_t world)
{
    static const char *const names[] = { FUZZ_HOST };
    struct issue what = { .common_name = world == 1 ? "CA 1" : "CA 2",
                          .ca = true,
                          .not_before = FUZZ_NOW - 1000,
                          .not_after = FUZZ_NOW + 1000 };
    struct buf leaf = { 0 };
    struct cert ca;
    uint8_t der[48];

    *p = (struct party){ .trust = trust_new() };
    fuzz_start(world);
    sure(privkey_load(&what.key, fuzz_key_der(world, der), NULL, NULL) == 0);
    what.issuer_key = what.key;
    sure(cert_issue(&what, &p->ca, NULL) == 0);
    sure(cert_parse(&ca, buf_span(&p->ca), NULL) == 0);
    sure(p->trust && trust_add_pem(p->trust, buf_span(&p->ca), NULL) >= 0);
    what.ca = false;
    what.client = what.server = true;
    what.common_name = FUZZ_HOST;
    what.names = names;
    what.nnames = 1;
    what.issuer = &ca;
    sure(privkey_load(&what.key, fuzz_key_der((uint8_t)(world + 16), der), NULL, NULL) == 0);
    sure(cert_issue(&what, &leaf, NULL) == 0);
    sure(identity_from_bytes(&p->id, buf_span(&leaf), span_of(der, 48), NULL, NULL) == 0);
    privkey_unref(what.key);
    privkey_unref(what.issuer_key);
    buf_free(&leaf);
}

/* The same, with an RSA key, which is another in every run: for what is not recorded. */
static inline void party_rsa(struct party *p, const struct party *issuer)
{
    static const char *const names[] = { FUZZ_HOST };
    struct issue what = { .common_name = FUZZ_HOST,
                          .names = names,
                          .nnames = 1,
                          .server = true,
                          .not_before = FUZZ_NOW - 1000,
                          .not_after = FUZZ_NOW + 1000 };
    struct buf leaf = { 0 }, pem = { 0 };
    struct cert ca;
    uint8_t der[48];

    *p = (struct party){ .trust = issuer->trust };
    sure(cert_parse(&ca, buf_span(&issuer->ca), NULL) == 0);
    what.issuer = &ca;
    sure(privkey_load(&what.issuer_key, fuzz_key_der(1, der), NULL, NULL) == 0);
    sure(privkey_generate(&what.key, KEY_RSA, 2048) == 0);
    sure(cert_issue(&what, &leaf, NULL) == 0 && privkey_write_pem(what.key, &pem) == 0);
    sure(identity_from_bytes(&p->id, buf_span(&leaf), buf_span(&pem), NULL, NULL) == 0);
    privkey_unref(what.key);
    privkey_unref(what.issuer_key);
    buf_free(&leaf);
    buf_free(&pem);
}

enum {
    PARTY_USUAL = 0, /* offers and has all there is, but for what follows */
    PARTY_ID = 1,    /* client: has a certificate */
    PARTY_PLAIN = 2, /* no certificate compression, no status, no SCTs, no record limit, no EMS, no
                        EtM, no tickets; but max_fragment_length */
    PARTY_RETRY = 4, /* server: not the group that the client has a share for */
    PARTY_PSK = 8,   /* external keys */
    PARTY_IMPORTED = 16,
    PARTY_KE = 32,  /* psk_ke as well */
    PARTY_RSA = 64, /* server: an RSA key */
    PARTY_RSA_KX = 128,
    PARTY_RENEGOTIATE = 256,
    PARTY_12 = 512,     /* TLS 1.2 at most */
    PARTY_SMALL = 1024, /* takes small records only: a flight comes in many */
    PARTY_APP = 2048,   /* an application has its word on names and extensions, and on the peer */
    PARTY_EARLY = 4096, /* early data, which is always fresh */
    /* keys of TLS 1.2 and a hint, with suites of nothing else, ECDHE, RSA or DHE */
    PARTY_PSK12 = 8192,
    PARTY_ECDHE_PSK = 16384,
    PARTY_RSA_PSK = 32768,
    PARTY_DHE_PSK = 65536,
    PARTY_ANON = 131072,  /* no certificate, and none is wanted */
    PARTY_LATER = 262144, /* its private key is used when somebody calls party_work() */
};
/* Not 0: this version and this suite alone, in the configs made from here on. */
static uint16_t party_version, party_suite;

/* RC4 comes with a provider that is not on every machine. */
static inline void party_alone(struct config *c)
{
    const uint16_t suite = suite_look(suite_by_id(party_suite)) == 0 ? party_suite : 0x002f;

    sure(config_set_versions(c, party_version, party_version) == 0);
    sure(config_set_suites(c, &suite, 1) == 0);
}

static inline void party_psks(struct config *c, enum tls_role role, unsigned flags)
{
    const struct span key = span_text("0123456789abcdef");
    bool client = role == TLS_CLIENT;

    if (flags & PARTY_PSK) {
        sure(config_add_psk(c, span_text("one"), key, HASH_SHA256, NULL, NULL) == 0);
        sure(config_add_psk(c, span_text("two"), key, HASH_SHA384, NULL, NULL) == 0);
    }
    if (flags & PARTY_IMPORTED) {
        sure(config_add_psk(c, span_text("three"), key, HASH_NONE, client ? "c" : "s",
                            client ? "s" : "c") == 0);
    }
}

static inline void party_psks12(struct config *c, unsigned flags)
{
    const uint16_t suites[] = { flags & PARTY_ECDHE_PSK ? 0xd001
                                : flags & PARTY_RSA_PSK ? 0x00ac
                                : flags & PARTY_DHE_PSK ? 0x00aa
                                                        : 0x00a8,
                                0x008c };

    if (flags & (PARTY_PSK12 | PARTY_ECDHE_PSK | PARTY_RSA_PSK | PARTY_DHE_PSK)) {
        sure(config_set_suites(c, suites, flags & PARTY_PSK12 ? 2 : 1) == 0);
        sure(config_add_psk12(c, span_text("one"), span_text("0123456789abcdef")) == 0);
        sure(config_add_psk12(c, span_text("two"), span_text("a key of another length")) == 0);
        sure(config_set_psk_hint(c, span_text(flags & PARTY_PLAIN ? "" : "two")) == 0);
    }
}

/* Tickets are sealed under a key that is known, so that one of the corpus opens. */
static inline void party_sessions(struct config *c, struct session_cache *cache)
{
    static const uint8_t name[16] = "name of a key", key[32] = "key";
    struct ticket_keys *keys = ticket_keys_new(1000000);

    sure(keys && ticket_keys_set(keys, name, key) == 0);
    sure(config_set_sessions(c, cache, cache ? NULL : keys, 1000) == 0);
    ticket_keys_unref(keys);
}

static inline int party_on_sni(void *ctx, struct tls *t, const char *name, struct config **instead)
{
    (void)ctx;
    (void)t;
    *instead = NULL;
    sure(name[0] != 0 && strlen(name) < 256);
    return 0;
}

static inline int party_on_extension(void *ctx, struct tls *t, uint16_t id, struct span body)
{
    (void)ctx;
    (void)t;
    sure(body.n <= 65535);
    return id == 0x7777 && body.n == 3 ? ALERT_ILLEGAL_PARAMETER : 0;
}

static inline int party_on_peer(void *ctx, struct tls *t, const struct cert *chain, size_t n,
                                int alert)
{
    (void)ctx;
    (void)t;
    (void)chain;
    sure(n > 0);
    return alert;
}

static inline bool party_fresh(void *ctx, struct span binder, int64_t now_ms)
{
    (void)ctx;
    (void)now_ms;
    sure(binder.n >= 32);
    return true;
}

/* The last job for a private key; one that nobody did has failed. */
static struct key_job *party_job;

static inline void party_take(void *ctx, struct key_job *job)
{
    (void)ctx;
    key_job_unref(party_job);
    party_job = key_job_ref(job);
}

static inline void party_work(bool fails)
{
    if (party_job) {
        (fails ? key_job_failed : key_job_run)(party_job);
        key_job_unref(party_job);
        party_job = NULL;
    }
}

static inline void party_application(struct config *c, enum tls_role role)
{
    static const uint8_t own[] = { 0x77, 0x77, 0, 1, 5 };

    sure(config_set_verify_callback(c, party_on_peer, NULL) == 0);
    if (role == TLS_CLIENT) {
        sure(config_set_extensions(c, span_of(own, sizeof own)) == 0);
        sure(config_set_extension_callback(c, party_on_extension, NULL) == 0);
    } else {
        sure(config_set_sni_callback(c, party_on_sni, NULL) == 0);
    }
}

static inline struct config *party_config(const struct party *self, struct trust *trust,
                                          enum tls_role role, enum client_auth auth, unsigned flags,
                                          struct session_cache *cache)
{
    static const char *const protocols[] = { "h2", "http/1.1" };
    static const uint16_t groups[] = { 29, 30, 23 }, rsa_kx[] = { 0x009c, 0x002f };
    struct config *c = config_new(role);
    bool full = !(flags & PARTY_PLAIN);

    sure(c && config_set_trust(c, trust) == 0 && config_set_clock(c, fuzz_clock) == 0 &&
         config_set_alpn(c, protocols, 2) == 0 && config_set_client_auth(c, auth) == 0);
    sure(!self || (flags & PARTY_ANON) || config_add_identity(c, self->id) == 0);
    sure(!(flags & PARTY_ANON) || config_set_verify(c, VERIFY_NONE) == 0);
    sure(config_set_flag(c, CONFIG_CERT_COMPRESSION, full) == 0);
    sure(config_set_flag(c, CONFIG_EMS, full) == 0 && config_set_flag(c, CONFIG_ETM, full) == 0);
    sure(config_set_flag(c, CONFIG_PSK_KE, flags & PARTY_KE) == 0);
    sure(config_set_record_limit(c, flags & PARTY_SMALL ? 100 : full ? TLS_PLAINTEXT_MAX : 0) == 0);
    sure(!(flags & PARTY_RETRY) || config_set_groups(c, groups + 1, 2) == 0);
    sure(!(flags & PARTY_RSA_KX) || config_set_suites(c, rsa_kx, 2) == 0);
    sure(!(flags & PARTY_RENEGOTIATE) || config_set_renegotiation(c, RENEGOTIATE_ANY, false) == 0);
    sure(!(flags & PARTY_12) || config_set_versions(c, TLS_1_2, TLS_1_2) == 0);
    party_psks(c, role, flags);
    party_psks12(c, flags);
    if (party_version) {
        party_alone(c);
    }
    if (flags & PARTY_APP) {
        party_application(c, role);
    }
    if (flags & PARTY_LATER) {
        sure(config_set_key_callback(c, party_take, NULL) == 0 && config_set_padding(c, 64) == 0);
    }
    if (role == TLS_CLIENT) {
        sure(config_set_groups(c, groups, 3) == 0);
        sure(config_set_flag(c, CONFIG_STATUS, full) == 0);
        sure(config_set_flag(c, CONFIG_SCTS, full) == 0);
        sure(config_set_flag(c, CONFIG_TICKETS, full) == 0);
        sure(config_set_flag(c, CONFIG_POST_AUTH, true) == 0);
        sure(config_set_max_fragment(c, full ? 0 : 4096) == 0);
        sure(config_set_flag(c, CONFIG_EARLY_DATA, flags & PARTY_EARLY) == 0);
    } else {
        party_sessions(c, cache);
        sure(!(flags & PARTY_EARLY) ||
             config_set_early_data(c, 1000, NULL, party_fresh, NULL) == 0);
        if (!(flags & PARTY_ANON)) {
            sure(config_set_status(c, 0, span_of("response", 8)) == 0);
            sure(config_set_scts(c, 0, span_of("\0\3\0\1x", 5)) == 0);
        }
    }
    sure(config_seal(c, NULL) == 0);
    return c;
}

/* ---- writing a corpus: fuzz_NAME --seed DIR ---- */

/* The directory that was asked for, or NULL. Called by LLVMFuzzerInitialize(). */
static inline const char *seed_dir(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], "--seed") == 0 ? argv[2] : NULL;
}

static inline void seed_write(const char *dir, const char *name, struct span head, struct span body)
{
    char path[512];
    FILE *f;

    sure(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
    f = fopen(path, "wb");
    sure(f != NULL);
    sure(fwrite(head.p, 1, head.n, f) == head.n && fwrite(body.p, 1, body.n, f) == body.n);
    sure(fclose(f) == 0);
}
#endif
