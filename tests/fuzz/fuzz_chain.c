/* SPDX-License-Identifier: ISC */
/* A chain: two bytes of options, then certificates with 3 bytes of length each; signed ones have a
 * byte before it that says by whom. The last one is the anchor as well. */
#include "tests/fuzz/signed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte of options, the second. */
enum {
    SERVER = 1,
    HOST = 2,
    LATER = 4,
    NO_TRUST = 8,
    PARTIAL = 16,
    OLD = 32,
    ENCIPHERS = 64,
    TO_SIGN = 128
};
enum { REVOCATION = 3, CACHE = 4, OTHER_PIN = 8, ITS_PIN = 16 };

static uint8_t mem[1 << 18];

static size_t read_certs(struct rd r, bool to_sign, struct cert certs[static CHAIN_MAX_CERTS + 1])
{
    struct wr w = wr_of(mem, sizeof mem);
    struct rd in;
    uint8_t signer = 0;
    size_t n = 0;

    while (n <= CHAIN_MAX_CERTS && (!to_sign || rd_u8(&r, &signer)) && rd_vec(&r, 3, &in)) {
        struct span der = span_of(in.p, in.n);

        if (to_sign) {
            struct wr one = wr_of(mem + w.len, sizeof mem - w.len);

            signers_sign(&one, in, signer);
            der = span_of(one.p, wr_ok(&one) ? one.len : 0);
            w.len += der.n;
        }
        n += cert_parse(&certs[n], der, NULL) == 0;
    }
    return n;
}

static enum chain_verdict ask(const struct chain_query *q, const struct cert *certs, size_t n)
{
    struct chain_result r;
    struct error err;
    int rc;

    error_clear(&err);
    rc = chain_verify(q, certs, n, &r, &err);
    if (rc > 0 || (rc == 0) != (r.verdict == CHAIN_OK) || err.code != rc || r.depth > CHAIN_PATH ||
        (rc == 0 && (trust_count(q->trust) == 0 || r.until < q->now))) {
        abort();
    }
    return r.verdict;
}

/* What is good stays good when less is asked; unless what more there is to try is too much. */
static void ask_for_less(struct chain_query q, const struct cert *certs, size_t n)
{
    enum chain_verdict v[4];

    q.cache = NULL;
    q.host = NULL;
    v[0] = ask(&q, certs, n);
    q.revoke = REVOKE_OFF;
    v[1] = ask(&q, certs, n);
    q.npins = 0;
    v[2] = ask(&q, certs, n);
    q.weak = true;
    v[3] = ask(&q, certs, n);
    for (size_t i = 0; i < 4; i++) {
        if (v[i] != CHAIN_OK && v[i] != CHAIN_TOO_MUCH_WORK) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_of(data, size);
    struct cert certs[CHAIN_MAX_CERTS + 1];
    struct chain_query q = { .now = NOW };
    uint8_t options, more, pins[1][PIN_SIZE] = { { 0 } }, sum[HASH_MAX];
    enum chain_verdict v;
    size_t n;

    signers_make();
    if (!rd_u8(&r, &options) || !rd_u8(&r, &more)) {
        return 0;
    }
    n = read_certs(r, options & TO_SIGN, certs);
    q.peer_is_server = options & SERVER;
    q.host = options & HOST ? "a.test" : NULL;
    q.now += options & LATER ? 1000000000 : 0;
    q.partial = options & PARTIAL;
    q.weak = options & OLD;
    q.enciphers = options & ENCIPHERS;
    q.revoke = (enum revoke_mode)(more & REVOCATION);
    if (n && more & (OTHER_PIN | ITS_PIN)) {
        if (hash_once(HASH_SHA256, certs[0].spki.p, certs[0].spki.n, sum) < 0) {
            abort();
        }
        memcpy(pins[0], sum, more & ITS_PIN ? PIN_SIZE : 3);
        q.pins = pins;
        q.npins = 1;
    }
    q.trust = trust_new();
    if (!q.trust ||
        (n && !(options & NO_TRUST) && trust_add_pem(q.trust, certs[n - 1].der, NULL) < 0) ||
        (more & CACHE && (q.cache = chain_cache_new()) == NULL)) {
        abort();
    }
    v = ask(&q, certs, n);
    if (ask(&q, certs, n) != v) { /* from the cache, when it was good */
        abort();
    }
    if (v == CHAIN_OK) {
        ask_for_less(q, certs, n);
    }
    chain_cache_free(q.cache);
    trust_unref(q.trust);
    return 0;
}
