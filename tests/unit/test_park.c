/* SPDX-License-Identifier: ISC */
/* Halves that are parked between records: the same bytes as from those that never were, the keys as
 * they were given, nothing of them left behind. */
#include "base/mem.h"
#include "record12.h"

/* Those of record12.h, and TLS 1.3. */
#define EVERY (ALL + 3)

static struct rec_keys keys_of(unsigned i)
{
    return i < ALL ? keys_at(i)
                   : (struct rec_keys){
                         .version = 0x0304, .aead = (enum aead_id)(i - ALL), .key = key, .iv = iv
                     };
}

static void half_make(unsigned i, struct rec_half *h, bool seals)
{
    const struct rec_keys k = keys_of(i);

    rec_half_init(h);
    rec_half_park(h); /* before any keys there is nothing to park */
    assert_int_equal(rec_half_set(h, &k, seals), 0);
}

static int zeros(void *p, size_t n)
{
    memset(p, 0, n);
    return 0;
}

static bool parked(const struct rec_half *h)
{
    return !h->aead && !h->cbc;
}

/* Threat 25: parking changes neither key nor sequence number. */
static void threat_25_same_records(void **state)
{
    (void)state;
    rand_set_test_source(zeros); /* CBC: the same IVs */
    for (unsigned i = 0; i < EVERY; i++) {
        struct rec_half tx, twin, rx;

        half_make(i, &tx, true);
        half_make(i, &twin, true);
        half_make(i, &rx, false);
        for (size_t n = 0; n < 300; n += 13) {
            const struct span part = span_of(text, n);
            struct rec_opened o;
            struct rec_header head;
            int made;

            rec_half_park(&tx);
            rec_half_park(&tx);
            rec_half_park(&rx);
            assert_true(parked(&tx) && parked(&rx));
            assert_int_equal(rec_size(&tx, n), rec_size(&twin, n));
            assert_int_equal(rec_fit(&tx, 700), rec_fit(&twin, 700));
            made = rec_seal(&twin, 23, &part, 1, n, copy);
            assert_int_equal(rec_seal(&tx, 23, &part, 1, n, wire), made);
            assert_memory_equal(wire, copy, (size_t)made);
            assert_int_equal(tx.seq, twin.seq);
            assert_false(parked(&tx));
            assert_int_equal(rec_header_parse(&rx, wire, &head), 0);
            assert_int_equal(rec_open(&rx, 23, (struct mspan){ wire + REC_HEADER, head.len },
                                      (struct mspan){ apart, sizeof apart }, &o),
                             0);
            assert_int_equal(o.plain.n, n);
            assert_memory_equal(o.plain.p, text, n);
        }
        /* A key still serves one direction only. */
        rec_half_park(&rx);
        assert_true(rec_seal(&rx, 23, &(struct span){ text, 1 }, 1, 1, wire) < 0);
        pair_end(&tx, &rx);
        rec_half_wipe(&twin);
    }
    rand_set_test_source(NULL);
}

static void keys_shown(void **state)
{
    struct rec_half h;
    struct rec_keys got;

    (void)state;
    rec_half_init(&h);
    assert_false(rec_half_keys(&h, &got));
    for (unsigned i = 0; i < EVERY; i++) {
        const struct rec_keys k = keys_of(i);
        const struct rec_sizes n = rec_key_sizes(&k);

        half_make(i, &h, true);
        for (int park = 0; park < 2; park++) {
            assert_true(rec_half_keys(&h, &got));
            assert_int_equal(got.version, k.version);
            assert_int_equal(got.cbc, k.cbc);
            assert_int_equal(got.etm, k.etm);
            assert_int_equal(k.cbc ? (int)got.mac : (int)got.aead,
                             k.cbc ? (int)k.mac : (int)k.aead);
            assert_memory_equal(got.key, key, n.key);
            assert_memory_equal(got.iv, iv, n.iv);
            assert_memory_equal(got.mac_key, mac_key, n.mac_key);
            rec_half_park(&h);
        }
        assert_int_equal(n.key, k.cbc ? cbc_key_size(k.cbc) : aead_key_size(k.aead));
        assert_int_equal(n.iv, k.cbc ? 0 : i < AEADS && k.aead != AEAD_CHACHA20_POLY1305 ? 4 : 12);
        assert_int_equal(n.mac_key, k.cbc ? hash_size(k.mac) : 0);
        rec_half_wipe(&h);
        assert_false(rec_half_keys(&h, &got));
        assert_true(all_zero((const uint8_t *)&h, sizeof h));
    }
}

static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

/* One that cannot wake says so, has used no sequence number, and may be tried again. */
static void no_waking(void **state)
{
    const struct mem_hooks usual = mem_hooks;
    const struct span part = span_of(text, 9);
    struct rec_opened o;

    (void)state;
    for (unsigned i = 0; i < EVERY; i++) {
        struct rec_half tx, rx;
        size_t made;

        half_make(i, &tx, true);
        half_make(i, &rx, false);
        rec_half_park(&tx);
        rec_half_park(&rx);
        memset(wire, 0xa5, sizeof wire);
        mem_hooks.alloc = no_memory;
        assert_true(rec_seal(&tx, 23, &part, 1, 9, wire) < 0);
        mem_hooks = usual;
        assert_int_equal(wire[0], 0xa5);
        assert_int_equal(tx.seq, 0);
        made = (size_t)rec_seal(&tx, 23, &part, 1, 9, wire);
        assert_int_equal(made, rec_size(&tx, 9));
        mem_hooks.alloc = no_memory;
        assert_true(rec_open(&rx, 23, (struct mspan){ wire + REC_HEADER, made - REC_HEADER },
                             (struct mspan){ NULL, 0 }, &o) < 0);
        mem_hooks = usual;
        assert_int_equal(rx.seq, 0);
        assert_int_equal(rec_open(&rx, 23, (struct mspan){ wire + REC_HEADER, made - REC_HEADER },
                                  (struct mspan){ NULL, 0 }, &o),
                         0);
        assert_memory_equal(o.plain.p, text, 9);
        pair_end(&tx, &rx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_25_same_records),
        cmocka_unit_test(keys_shown),
        cmocka_unit_test(no_waking),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
