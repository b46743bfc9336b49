/* SPDX-License-Identifier: ISC */
/* The cache of good chains: a hit only for the very question that was answered, in its time, and
 * then without a signature checked. Certificates whose signatures are marked as of an unknown kind
 * tell: their DER, which the cache goes by, is the same, but only a hit finds them good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <cmocka.h>

#include "chain_case.h"
#include "forge_status.h"

static const struct forge leaf = LEAF("i", 2, .ku = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT,
                                      .eku = EKU_SERVER | EKU_CLIENT, .names = "a.test b.test"),
                          mid = MID("i", "root", 2, 0), root = ROOT(), spare = MID("x", "y", 4, 5);

static struct cert good[3], spoiled[3], anchor; /* leaf, intermediate, one that is not needed */
static struct trust *anchors;

static int set_up(void **state)
{
    (void)state;
    good[0] = forge_cert(&leaf);
    good[1] = forge_cert(&mid);
    good[2] = forge_cert(&spare);
    anchor = forge_cert(&root);
    for (size_t i = 0; i < 3; i++) {
        spoiled[i] = good[i];
        spoiled[i].sig.known = false;
    }
    anchors = trust_new();
    return !anchors || trust_add_pem(anchors, anchor.der, NULL) != 1;
}

static int tear_down(void **state)
{
    (void)state;
    trust_unref(anchors);
    for (size_t i = 0; i < 3; i++) {
        free((void *)(uintptr_t)good[i].der.p);
    }
    free((void *)(uintptr_t)anchor.der.p);
    forge_done();
    return 0;
}

static struct chain_query question(struct chain_cache *cache)
{
    return (struct chain_query){
        .trust = anchors, .now = NOW, .peer_is_server = true, .host = "a.test", .cache = cache
    };
}

static struct chain_cache *new_cache(void)
{
    struct chain_cache *c = chain_cache_new();

    assert_non_null(c);
    return c;
}

static enum chain_verdict ask(const struct chain_query *q, const struct cert *certs, size_t n)
{
    struct chain_result r;
    int rc = chain_verify(q, certs, n, &r, NULL);

    assert_int_equal(rc == 0, r.verdict == CHAIN_OK);
    return r.verdict;
}

static bool hits(const struct chain_query *q, size_t n)
{
    return ask(q, spoiled, n) == CHAIN_OK;
}

static void a_hit_checks_no_signature(void **state)
{
    struct chain_cache *cache = new_cache(), *other = new_cache();
    struct chain_query q = question(cache);
    struct chain_result first, second;

    (void)state;
    assert_false(hits(&q, 2));
    assert_false(hits(&q, 2)); /* a bad one is not kept */
    assert_int_equal(chain_verify(&q, good, 2, &first, NULL), 0);
    assert_int_equal(first.depth, 3);
    assert_true(hits(&q, 2));
    assert_int_equal(chain_verify(&q, spoiled, 2, &second, NULL), 0);
    assert_int_equal(second.depth, 0);
    assert_int_equal(second.not_after, first.not_after);
    assert_int_equal(second.until, NOW + CHAIN_CACHE_SECONDS);
    q.cache = other; /* another configuration's, with other anchors or CRLs */
    assert_false(hits(&q, 2));
    q.cache = NULL;
    assert_false(hits(&q, 2));
    chain_cache_free(cache);
    chain_cache_free(other);
    chain_cache_free(NULL);
}

/* ---- other questions, each of them with a good answer of its own ---- */

static uint8_t pins[3][PIN_SIZE]; /* the leaf's, one of nobody, the anchor's */
static struct span staples[2];

static void other_host(struct chain_query *q)
{
    q->host = "b.test";
}

static void same_host_in_capitals(struct chain_query *q)
{
    q->host = "A.test";
}

static void no_host(struct chain_query *q)
{
    q->host = NULL;
}

static void a_client(struct chain_query *q)
{
    q->peer_is_server = false;
}

static void other_key_exchange(struct chain_query *q)
{
    q->enciphers = true;
}

static void partial(struct chain_query *q)
{
    q->partial = true;
}

static void weak(struct chain_query *q)
{
    q->weak = true;
}

static void softly_revoked(struct chain_query *q)
{
    q->revoke = REVOKE_SOFT;
}

static void a_staple(struct chain_query *q)
{
    q->staple = staples[0];
}

static void another_staple(struct chain_query *q)
{
    q->staple = staples[1];
}

static void a_staple_that_counts(struct chain_query *q)
{
    q->staple = staples[0];
    q->revoke = REVOKE_HARD;
}

static void a_pin(struct chain_query *q)
{
    q->pins = pins;
    q->npins = 1;
}

static void two_pins(struct chain_query *q)
{
    q->pins = pins;
    q->npins = 2;
}

static void other_pins(struct chain_query *q)
{
    q->pins = pins + 1;
    q->npins = 2;
}

static void (*const changes[])(struct chain_query *q) = {
    other_host, same_host_in_capitals, no_host,  a_client, other_key_exchange, partial,
    weak,       softly_revoked,        a_staple, a_pin,    two_pins,           a_staple_that_counts,
    other_pins, another_staple
};
#define CHANGES (sizeof changes / sizeof *changes)

static void only_the_same_question(void **state)
{
    struct forge_ocsp f[2] = { { .about = &leaf, .issuer = "i", .issuer_key = 2 },
                               { .about = &leaf, .issuer = "i", .issuer_key = 2, .by_key = true } };
    uint8_t sum[HASH_MAX];
    struct chain_query q;
    size_t kept = 0;

    (void)state;
    memset(pins, 7, sizeof pins);
    assert_int_equal(hash_once(HASH_SHA256, good[0].spki.p, good[0].spki.n, sum), 0);
    memcpy(pins[0], sum, PIN_SIZE);
    assert_int_equal(hash_once(HASH_SHA256, anchor.spki.p, anchor.spki.n, sum), 0);
    memcpy(pins[2], sum, PIN_SIZE);
    staples[0] = forge_ocsp_der(&f[0]);
    staples[1] = forge_ocsp_der(&f[1]);
    for (size_t i = 0; i < CHANGES; i++) {
        struct chain_cache *cache = new_cache();

        q = question(cache);
        assert_int_equal(ask(&q, good, 2), CHAIN_OK);
        assert_false(hits(&q, 1));
        assert_false(hits(&q, 3));
        changes[i](&q);
        for (size_t j = 0; j < CHANGES; j++) { /* nor that of any other */
            struct chain_query also = question(cache);

            changes[j](&also);
            assert_false(hits(&also, 2));
        }
        assert_int_equal(ask(&q, good, 2), CHAIN_OK);
        assert_true(hits(&q, 2));
        /* The first is still there, unless both have the same place. */
        q = question(cache);
        kept += hits(&q, 2);
        chain_cache_free(cache);
    }
    assert_true(kept > CHANGES / 2);
    free((void *)(uintptr_t)staples[0].p);
    free((void *)(uintptr_t)staples[1].p);
}

static void only_the_same_certificates(void **state)
{
    struct chain_cache *cache = new_cache();
    struct chain_query q = question(cache);
    struct cert order[3] = { spoiled[0], spoiled[2], spoiled[1] };
    struct forge f = leaf;
    struct cert renewed[2] = { { 0 }, spoiled[1] };

    (void)state;
    assert_int_equal(ask(&q, good, 3), CHAIN_OK);
    assert_true(hits(&q, 3));
    assert_false(hits(&q, 2));
    assert_true(ask(&q, order, 3) != CHAIN_OK);
    f.serial = 77; /* the same key and names */
    renewed[0] = forge_cert(&f);
    assert_true(ask(&q, renewed, 2) != CHAIN_OK);
    free((void *)(uintptr_t)renewed[0].der.p);
    chain_cache_free(cache);
}

/* ---- time ---- */

static bool hits_at(struct chain_query q, int64_t now, const struct cert *certs)
{
    q.now = now;
    return ask(&q, certs, 2) == CHAIN_OK;
}

static void not_before_and_not_for_ever(void **state)
{
    struct chain_cache *cache = new_cache();
    struct chain_query q = question(cache);

    (void)state;
    assert_int_equal(ask(&q, good, 2), CHAIN_OK);
    assert_true(hits_at(q, NOW, spoiled));
    assert_false(hits_at(q, NOW - 1, spoiled)); /* the clock was put back */
    assert_true(hits_at(q, NOW + CHAIN_CACHE_SECONDS, spoiled));
    assert_false(hits_at(q, NOW + CHAIN_CACHE_SECONDS + 1, spoiled));
    chain_cache_free(cache);
}

/* A certificate, a CRL and an OCSP response that end soon. */
static void not_beyond_an_end(void **state)
{
    for (int what = 0; what < 4; what++) {
        struct forge f[2] = { leaf, mid };
        struct forge_crl list = { .issuer = "i", .by = 2, .to = NOW + 50 };
        struct forge_ocsp response = {
            .about = &leaf, .issuer = "i", .issuer_key = 2, .to = NOW + 50
        };
        struct span crl = forge_crl_der(&list), ocsp = forge_ocsp_der(&response);
        struct revocation *r = revocation_new();
        struct chain_cache *cache = new_cache();
        struct chain_query q = question(cache);
        struct cert sent[2], bad[2];
        struct chain_result result;

        f[0].to = what == 0 ? NOW + 50 : 0;
        f[1].to = what == 1 ? NOW + 50 : 0;
        q.revoke = what < 2 ? REVOKE_OFF : REVOKE_HARD;
        q.revocation = r;
        q.staple = what == 3 ? ocsp : span_of(NULL, 0);
        if (what == 2) {
            assert_int_equal(revocation_add_pem(r, crl, NULL), 1);
        }
        for (size_t i = 0; i < 2; i++) {
            sent[i] = bad[i] = forge_cert(&f[i]);
            bad[i].sig.known = false;
        }
        assert_int_equal(chain_verify(&q, sent, 2, &result, NULL), 0);
        assert_int_equal(result.until, NOW + 50);
        assert_true(hits_at(q, NOW + 50, bad));
        assert_false(hits_at(q, NOW + 51, bad));
        assert_false(hits_at(q, NOW + 51, sent)); /* and so it is */
        for (size_t i = 0; i < 2; i++) {
            free((void *)(uintptr_t)sent[i].der.p);
        }
        free((void *)(uintptr_t)crl.p);
        free((void *)(uintptr_t)ocsp.p);
        revocation_unref(r);
        chain_cache_free(cache);
    }
    (void)state;
}

/* Another list goes with another cache: the old one does not vouch for what is revoked now. */
static void a_new_list(void **state)
{
    struct forge_crl lists[2] = { { .issuer = "i", .by = 2 },
                                  { .issuer = "i", .by = 2, .serials = { 0x1001 } } };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct span der = forge_crl_der(&lists[i]);
        struct revocation *r = revocation_new();
        struct chain_cache *cache = new_cache();
        struct chain_query q = question(cache);

        q.revoke = REVOKE_SOFT;
        q.revocation = r;
        assert_int_equal(revocation_add_pem(r, der, NULL), 1);
        for (int again = 0; again < 3; again++) {
            assert_int_equal(ask(&q, good, 2), i ? CHAIN_REVOKED : CHAIN_OK);
        }
        assert_int_equal(hits(&q, 2), i == 0);
        free((void *)(uintptr_t)der.p);
        revocation_unref(r);
        chain_cache_free(cache);
    }
}

/* ---- room ---- */

static void old_ones_make_room(void **state)
{
    static const char digits[] = "0123456789abcdef";
    struct chain_cache *cache = new_cache();
    struct forge f = LEAF("i", 2, .names = "*.a.test");
    struct cert certs[2] = { forge_cert(&f), good[1] }, bad[2] = { certs[0], spoiled[1] };
    size_t kept = 0;

    (void)state;
    bad[0].sig.known = false;
    for (size_t i = 0; i < 4 * CHAIN_CACHED; i++) {
        char host[] = "00.a.test";
        struct chain_query q = question(cache);

        host[0] = digits[i / 16];
        host[1] = digits[i % 16];
        q.host = host;
        assert_int_equal(ask(&q, certs, 2), CHAIN_OK);
        assert_int_equal(ask(&q, bad, 2), CHAIN_OK); /* the newest is always there */
    }
    for (size_t i = 0; i < 4 * CHAIN_CACHED; i++) {
        char host[] = "00.a.test";
        struct chain_query q = question(cache);

        host[0] = digits[i / 16];
        host[1] = digits[i % 16];
        q.host = host;
        kept += ask(&q, bad, 2) == CHAIN_OK;
    }
    assert_in_range(kept, CHAIN_CACHED / 2, CHAIN_CACHED);
    free((void *)(uintptr_t)certs[0].der.p);
    chain_cache_free(cache);
}

/* ---- threads: entries are written over while others read them ---- */

#define THREADS 4
#define TURNS   400

static struct chain_cache *shared;
static int false_hits, misses;

static void *hammer(void *arg)
{
    unsigned mine = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < TURNS; i++) {
        char host[] = "0.a.test", never[] = "0.b.test";
        struct chain_query q = question(shared);
        struct chain_result r;

        host[0] = never[0] = (char)('a' + (i * 7 + mine) % 26);
        q.host = host;
        q.now = NOW + i % 3; /* entries of the same question differ */
        if (chain_verify(&q, good, 2, &r, NULL) != 0 || r.not_after != good[0].not_after) {
            __atomic_add_fetch(&misses, 1, __ATOMIC_RELAXED);
        }
        q.host = never;
        if (chain_verify(&q, spoiled, 2, &r, NULL) == 0) {
            __atomic_add_fetch(&false_hits, 1, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static void threads(void **state)
{
    struct cert before[2] = { good[0], spoiled[0] };
    struct forge f = LEAF("i", 2, .names = "*.a.test");
    pthread_t thread[THREADS];

    (void)state;
    shared = new_cache();
    good[0] = spoiled[0] = forge_cert(&f);
    spoiled[0].sig.known = false;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, (void *)(uintptr_t)i), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    assert_int_equal(false_hits, 0);
    assert_int_equal(misses, 0);
    free((void *)(uintptr_t)good[0].der.p);
    good[0] = before[0];
    spoiled[0] = before[1];
    chain_cache_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hit_checks_no_signature),  cmocka_unit_test(only_the_same_question),
        cmocka_unit_test(only_the_same_certificates), cmocka_unit_test(not_before_and_not_for_ever),
        cmocka_unit_test(not_beyond_an_end),          cmocka_unit_test(a_new_list),
        cmocka_unit_test(old_ones_make_room),         cmocka_unit_test(threads),
    };

    return cmocka_run_group_tests_name("chain cache", tests, set_up, tear_down);
}
