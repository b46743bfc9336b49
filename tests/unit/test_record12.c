/* SPDX-License-Identifier: ISC */
/* The record protections of TLS 1.2: every cipher with every size and way of lying in memory, the
 * limits, the nonces, the life of keys. */
#include "record12.h"

static void round_trip(void **state)
{
    static const size_t large[] = { 255, 256, 257, 1399, 1400, 4096, 16381, 16382, 16383, 16384 };
    static const uint8_t types[] = { 20, 21, 22, 23 };

    (void)state;
    for (unsigned i = 0; i < ALL; i++) {
        struct rec_half tx, rx;
        unsigned turn = 0;

        pair_make(i, &tx, &rx);
        for (size_t s = 0; s < 100 + sizeof large / sizeof *large; s++) {
            const size_t n = s < 100 ? s : large[s - 100];
            /* Where it is to open: in place, nowhere, one byte, all but one, all, more. */
            const size_t rooms[] = { SIZE_MAX, 0, 1, n ? n - 1 : 0, n, n + 40 };

            for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++, turn++) {
                const uint8_t type = types[turn % 4];
                const struct mspan out = { rooms[r] == SIZE_MAX ? NULL : apart,
                                           rooms[r] == SIZE_MAX ? 0 : rooms[r] };
                const size_t made = seal(&tx, type, n, (enum way)(turn % WAYS));
                struct rec_opened o;

                memset(apart, 0x5b, sizeof apart);
                assert_int_equal(rec_open(&rx, type, fragment_of(&rx, made, type), out, &o), 0);
                opened_check(&o, n, out, type);
                assert_int_equal(apart[out.p && n > out.n ? out.n : out.p ? n : 0], 0x5b);
                /* What went to the caller, the IV, padding and MAC are not left behind. */
                if (i >= AEADS) {
                    const size_t first = o.rest.n ? (size_t)(o.rest.p - wire)
                                         : out.p  ? made
                                                  : REC_HEADER + 16;
                    const size_t last = o.rest.n ? first + o.rest.n : out.p ? made : first + n;

                    assert_true(all_zero(wire + REC_HEADER, first - REC_HEADER));
                    assert_true(all_zero(wire + last, made - last));
                }
            }
        }
        assert_int_equal(tx.seq, turn);
        assert_int_equal(rx.seq, turn);
        pair_end(&tx, &rx);
    }
}

/* rec_fit() is the largest content that rec_size() lets into the room, for every room. */
static void sizes(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= ALL; i++) {
        struct rec_half tx, rx;
        size_t last = 0;

        pair_make(i % ALL, &tx, &rx);
        if (i == ALL) { /* before any keys */
            rec_half_wipe(&tx);
            rec_half_init(&tx);
        }
        for (size_t n = 0; n <= REC_PLAIN_MAX; n++) {
            assert_true(rec_size(&tx, n) >= last && rec_size(&tx, n) <= n + REC_OVERHEAD_MAX);
            last = rec_size(&tx, n);
        }
        for (size_t room = 0; room < ROOM + 100; room++) {
            const size_t n = rec_fit(&tx, room);

            if (n == SIZE_MAX) {
                assert_true(rec_size(&tx, 0) > room);
                continue;
            }
            assert_true(n <= REC_PLAIN_MAX && rec_size(&tx, n) <= room);
            assert_true(n == REC_PLAIN_MAX || rec_size(&tx, n + 1) > room);
        }
        assert_int_equal(rec_fit(&tx, SIZE_MAX), REC_PLAIN_MAX);
        pair_end(&tx, &rx);
        assert_int_equal(rec_fit(&tx, SIZE_MAX), SIZE_MAX);
    }
}

static void threat_07_header(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ALL; i++) {
        struct rec_half tx, rx;
        struct rec_header head;

        pair_make(i, &tx, &rx);
        for (uint8_t type = 20; type <= 23; type++) {
            for (size_t len = 16384 + 2047; len <= 16384 + 2049; len++) {
                const uint8_t p[] = { type, 3, 3, (uint8_t)(len >> 8), (uint8_t)len };

                assert_int_equal(rec_header_parse(&rx, p, &head),
                                 len > 16384 + 2048 ? TLS_ALERT(ALERT_RECORD_OVERFLOW) : 0);
            }
        }
        for (unsigned type = 0; type < 256; type++) {
            const uint8_t p[] = { (uint8_t)type, 3, 3, 0, 64 };

            assert_int_equal(rec_header_parse(&rx, p, &head),
                             type >= 20 && type <= 23 ? 0 : TLS_ALERT(10));
        }
        pair_end(&tx, &rx);
    }
}

/* 2^14 bytes of content at most, in a record that is right in all else. */
static void threat_07_content(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ALL; i++) {
        for (size_t n = REC_PLAIN_MAX - 1; n <= REC_PLAIN_MAX + 1; n++) {
            for (int spread = 0; spread < 2; spread++) {
                const struct span part = span_of(text, n);
                const struct mspan out = { spread ? apart : NULL, spread ? 100 : 0 };
                struct rec_half tx, rx;
                struct rec_opened o;
                size_t made;

                pair_make(i, &tx, &rx);
                made = rec_size(&tx, n);
                assert_int_equal(tx.protection->seal(&tx, 23, &part, 1, n, wire), 0);
                if (n <= REC_PLAIN_MAX) {
                    assert_int_equal(rec_open(&rx, 23, fragment_of(&rx, made, 23), out, &o), 0);
                    opened_check(&o, n, out, 23);
                } else {
                    assert_int_equal(rec_seal(&tx, 23, &part, 1, n, copy), ERR_LIMIT);
                    assert_int_equal(rec_open(&rx, 23, fragment_of(&rx, made, 23), out, &o),
                                     TLS_ALERT(ALERT_RECORD_OVERFLOW));
                    assert_null(memmem(wire, made, text + 200, 16));
                    assert_true(!spread || all_zero(apart, 100));
                }
                pair_end(&tx, &rx);
            }
        }
    }
}

/* ---- nonces ---- */

static void threat_25_nonces(void **state)
{
    enum { N = 300, CONTENT = 32 };
    static uint8_t seen[N][16];

    (void)state;
    for (unsigned i = 0; i < ALL; i++) {
        struct rec_half tx, rx;

        pair_make(i, &tx, &rx);
        for (unsigned j = 0; j < N; j++) {
            seal(&tx, 23, CONTENT, ONE_PART);
            if (i < AEAD_CHACHA20_POLY1305) { /* RFC 5288 section 3: it is sent, and counts */
                const uint8_t want[8] = { 0, 0, 0, 0, 0, 0, (uint8_t)(j >> 8), (uint8_t)j };

                assert_memory_equal(wire + REC_HEADER, want, 8);
            }
            /* The IV of CBC; else key stream, since the content is the same. */
            memcpy(seen[j], i < AEADS ? wire + rec_headroom(&tx) : wire + REC_HEADER, 16);
            for (unsigned before = 0; before < j; before++) {
                assert_memory_not_equal(seen[before], seen[j], 16);
            }
        }
        pair_end(&tx, &rx);
    }
}

/* threat 14: BEAST knew the next record's IV, the last block of the one before. Here each record
 * brings an IV of its own, and no two of the same content have a block in common. */
static void threat_14_iv(void **state)
{
    enum { N = 64, CONTENT = 48 };

    (void)state;
    for (unsigned i = AEADS; i < ALL; i++) {
        const bool etm = keys_at(i).etm;
        struct rec_half tx, rx;
        uint8_t last[CBC_BLOCK] = { 0 }, first[CBC_BLOCK] = { 0 };

        pair_make(i, &tx, &rx);
        for (unsigned j = 0; j < N; j++) {
            const size_t made = seal(&tx, 23, CONTENT, ONE_PART);
            const size_t mac = etm ? hash_size(keys_at(i).mac) : 0;
            const uint8_t *block = wire + REC_HEADER + CBC_BLOCK;

            assert_memory_not_equal(wire + REC_HEADER, last, CBC_BLOCK);
            assert_memory_not_equal(block, first, CBC_BLOCK);
            memcpy(first, block, CBC_BLOCK);
            memcpy(last, wire + made - mac - CBC_BLOCK, CBC_BLOCK);
        }
        pair_end(&tx, &rx);
    }
}

static void threat_25_wrap(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ALL; i++) {
        const struct span part = span_of(text, 5);
        struct rec_half tx, rx;
        struct rec_opened o;
        size_t made;

        pair_make(i, &tx, &rx);
        assert_true(tx.limit <= UINT64_C(1) << 48 && tx.limit >= 1 << 24);
        tx.seq = rx.seq = UINT64_MAX - 1;
        made = seal(&tx, 23, 5, ONE_PART);
        memcpy(copy, wire, sizeof copy);
        assert_int_equal(
            rec_open(&rx, 23, fragment_of(&rx, made, 23), (struct mspan){ NULL, 0 }, &o), 0);
        assert_int_equal(rec_seal(&tx, 23, &part, 1, 5, wire), ERR_LIMIT);
        memcpy(wire, copy, sizeof wire);
        assert_int_equal(
            rec_open(&rx, 23, fragment_of(&rx, made, 23), (struct mspan){ NULL, 0 }, &o),
            TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        pair_end(&tx, &rx);
    }
}

/* ---- keys ---- */

static void key_life(void **state)
{
    struct rec_keys bad[] = { keys_at(0), keys_at(AEADS), keys_at(AEADS), keys_at(AEADS) };

    (void)state;
    bad[0].aead = AEAD_COUNT;
    bad[1].cbc = CBC_COUNT;
    bad[2].mac = HASH_SHA512; /* no suite has it */
    bad[3].mac = HASH_NONE;
    for (unsigned i = 0; i < ALL; i++) {
        const struct rec_keys k = keys_at(i), next = keys_at((i + 4) % ALL);
        const struct span part = span_of(text, 1);
        struct rec_half tx, rx;
        struct rec_opened o;

        pair_make(i, &tx, &rx);
        seal(&tx, 23, 9, ONE_PART);
        /* Keys that cannot be leave the old ones in place. */
        for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
            assert_int_equal(rec_half_set(&tx, &bad[j], true), ERR_CRYPTO);
            assert_int_equal(tx.seq, 1);
            assert_int_equal(tx.cbc_id, k.cbc);
            assert_int_equal(tx.aead_id, k.aead);
        }
        seal(&tx, 23, 9, ONE_PART);
        /* Others of any kind replace them and begin at nought. */
        assert_int_equal(rec_half_set(&tx, &next, true), 0);
        assert_int_equal(rec_half_set(&rx, &next, false), 0);
        assert_int_equal(tx.seq, 0);
        assert_int_equal(rec_open(&rx, 22, fragment_of(&rx, seal(&tx, 22, 77, ONE_PART), 22),
                                  (struct mspan){ NULL, 0 }, &o),
                         0);
        opened_check(&o, 77, (struct mspan){ NULL, 0 }, 22);
        /* A key is for one direction. */
        assert_true(rec_seal(&rx, 23, &part, 1, 1, wire) < 0);
        assert_true(rec_open(&tx, 23, (struct mspan){ wire, 200 }, (struct mspan){ NULL, 0 }, &o) <
                    0);
        pair_end(&tx, &rx);
        rec_half_wipe(&tx);
        assert_int_equal(rec_seal(&tx, 23, &part, 1, 1, wire), ERR_CLOSED);
        assert_int_equal(
            rec_open(&rx, 23, (struct mspan){ wire, 200 }, (struct mspan){ NULL, 0 }, &o),
            ERR_CLOSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),       cmocka_unit_test(sizes),
        cmocka_unit_test(threat_07_header), cmocka_unit_test(threat_07_content),
        cmocka_unit_test(threat_14_iv),     cmocka_unit_test(threat_25_nonces),
        cmocka_unit_test(threat_25_wrap),   cmocka_unit_test(key_life),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
