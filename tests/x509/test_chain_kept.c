/* SPDX-License-Identifier: ISC */
/* What the cache of good chains keeps beside verdicts: for the same bytes the same key and the same
 * list of certificates, and for others never that one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <pthread.h>
#include <cmocka.h>

#include "chain_case.h"

static const struct forge leaf = LEAF("i", 2, .names = "a.test"), mid = MID("i", "root", 2, 0),
                          spare = MID("x", "y", 4, 5);
static struct cert good[3]; /* leaf, intermediate, one that is not needed */

static int set_up(void **state)
{
    (void)state;
    good[0] = forge_cert(&leaf);
    good[1] = forge_cert(&mid);
    good[2] = forge_cert(&spare);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        free((void *)(uintptr_t)good[i].der.p);
    }
    forge_done();
    return 0;
}

static struct chain_cache *new_cache(void)
{
    struct chain_cache *c = chain_cache_new();

    assert_non_null(c);
    return c;
}

struct made {
    struct pubkey *key;
    struct cert_list *list;
};

static struct made made_of(struct chain_cache *cache, const struct cert *certs, size_t n)
{
    struct made m = { 0 };
    size_t len = 0;

    assert_int_equal(chain_cache_keep(cache, certs, n, &m.key, &m.list), 0);
    assert_non_null(m.key);
    assert_int_equal(pubkey_type(m.key), certs[0].key_type);
    assert_true(span_eq(cert_list_leaf(m.list), certs[0].der));
    for (size_t i = 0; i < n; i++) {
        assert_true(span_eq(span_of(m.list->der + len, certs[i].der.n), certs[i].der));
        len += certs[i].der.n;
    }
    assert_int_equal(m.list->n, len);
    return m;
}

static void forget(struct made m)
{
    pubkey_unref(m.key);
    cert_list_unref(m.list);
}

/* Another key on the curve: what signs with the one does not pass for the other's. */
static void keys_and_bytes_are_kept(void **state)
{
    struct cert copy[2] = { good[0], good[1] };
    struct chain_cache *cache = new_cache();
    struct made first = made_of(cache, good, 2), again = made_of(cache, copy, 2);
    struct made other = made_of(cache, good + 1, 1), apart = made_of(NULL, good, 2);

    (void)state;
    assert_ptr_equal(first.key, again.key);
    assert_ptr_equal(first.list, again.list);
    assert_ptr_not_equal(first.key, other.key);
    assert_ptr_not_equal(first.key, apart.key);
    assert_ptr_not_equal(first.list, apart.list);
    forget(again);
    chain_cache_free(cache); /* they outlive it */
    assert_int_equal(pubkey_bits(first.key), pubkey_bits(apart.key));
    assert_true(span_eq(cert_list_leaf(first.list), cert_list_leaf(apart.list)));
    assert_int_equal(cert_list_leaf(NULL).n, 0);
    assert_int_equal(
        pubkey_verify(other.key, SIG_ECDSA, HASH_SHA256, &good[0].tbs, 1, good[0].sig.bits), 0);
    assert_int_not_equal(
        pubkey_verify(first.key, SIG_ECDSA, HASH_SHA256, &good[0].tbs, 1, good[0].sig.bits), 0);
    forget(first);
    forget(other);
    forget(apart);
}

/* Chains with one leaf have one place: never is one taken for the other. */
static void chains_that_share_a_place(void **state)
{
    struct chain_cache *cache = new_cache();
    struct cert chain[4][3] = {
        { good[0], good[1] }, { good[0], good[2] }, { good[0], good[1], good[2] }, { good[0] }
    };
    const size_t n[] = { 2, 2, 3, 1 };
    struct made before = made_of(cache, chain[3], 1);
    uint8_t der[2048];

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct made m = made_of(cache, chain[i % 4], n[i % 4]);

        assert_ptr_not_equal(m.list, before.list);
        forget(before);
        before = m;
    }
    /* the same bytes, cut elsewhere */
    assert_in_range(good[0].der.n, 1, sizeof der);
    memcpy(der, good[0].der.p, good[0].der.n);
    chain[0][0].der = span_of(der, good[0].der.n - 1);
    chain[0][1].der = span_of(der + good[0].der.n - 1, 1);
    for (size_t i = 2; i > 0; i--) {
        struct made m = made_of(cache, chain[0], i);

        assert_ptr_not_equal(m.key, before.key);
        forget(before);
        before = m;
    }
    forget(before);
    chain_cache_free(cache);
}

static void no_key(void **state)
{
    struct chain_cache *cache = new_cache();
    struct made first = made_of(cache, good, 1), none;
    struct cert bad = good[0];
    uint8_t der[2048], point[133];

    (void)state;
    assert_in_range(bad.der.n, 1, sizeof der);
    memcpy(der, bad.der.p, bad.der.n);
    der[0] ^= 1; /* else it is known */
    bad.der = span_of(der, bad.der.n);
    memcpy(point, bad.key_point.p, bad.key_point.n);
    point[bad.key_point.n - 1] ^= 1; /* not on the curve */
    bad.key_point = span_of(point, bad.key_point.n);
    assert_int_equal(chain_cache_keep(cache, &bad, 1, &none.key, &none.list), ERR_PARSE);
    assert_null(none.key);
    assert_null(none.list);
    bad.spki = span_of(bad.spki.p, 3); /* too short to be looked up by */
    assert_int_equal(chain_cache_keep(cache, &bad, 1, &none.key, &none.list), ERR_PARSE);
    forget(first);
    chain_cache_free(cache);
}

#define THREADS 4
#define TURNS   100

static struct chain_cache *shared;
static int false_hits, misses;

static void *hammer_keys(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < TURNS; i++) {
        struct made leaf_made, mid_made;

        if (chain_cache_keep(shared, good, 1 + i % 3, &leaf_made.key, &leaf_made.list) < 0 ||
            chain_cache_keep(shared, good + 1, 1, &mid_made.key, &mid_made.list) < 0 ||
            pubkey_verify(mid_made.key, SIG_ECDSA, HASH_SHA256, &good[0].tbs, 1, good[0].sig.bits) <
                0) {
            __atomic_add_fetch(&misses, 1, __ATOMIC_RELAXED);
            break;
        }
        if (pubkey_verify(leaf_made.key, SIG_ECDSA, HASH_SHA256, &good[0].tbs, 1,
                          good[0].sig.bits) == 0 ||
            !span_eq(cert_list_leaf(leaf_made.list), good[0].der)) {
            __atomic_add_fetch(&false_hits, 1, __ATOMIC_RELAXED);
        }
        forget(leaf_made);
        forget(mid_made);
    }
    return NULL;
}

static void keys_in_threads(void **state)
{
    pthread_t thread[THREADS];

    (void)state;
    shared = new_cache();
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, hammer_keys, NULL), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    assert_int_equal(false_hits, 0);
    assert_int_equal(misses, 0);
    chain_cache_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_bytes_are_kept),
        cmocka_unit_test(chains_that_share_a_place),
        cmocka_unit_test(no_key),
        cmocka_unit_test(keys_in_threads),
    };

    return cmocka_run_group_tests_name("chains kept", tests, set_up, tear_down);
}
