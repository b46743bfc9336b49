/* SPDX-License-Identifier: ISC */
/* Padding of records (RFC 8446 section 5.4), and small ones at the beginning. */
#include "tests/handshake/pair12.h"

static uint8_t wire[WIRE_MAX], data[WIRE_MAX];

/* ---- padding ---- */
/* Seals len bytes, alone and at once: what goes out is whole blocks, what arrives is what was sent.
 */
static void padded(struct pair *p, size_t block, size_t most, size_t len)
{
    size_t want = tls_overhead(p->c.t, len) + len, n = end_seal(&p->c, data, len, wire), content;

    assert_int_equal(n, want);
    for (size_t at = 0; at < n; at += REC_HEADER + content + 1 + AEAD_TAG) {
        content = ((size_t)wire[at + 3] << 8 | wire[at + 4]) - AEAD_TAG - 1;
        assert_int_equal(content % block, 0);
        assert_true(content <= most);
    }
    p->s.ngot = 0;
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.rc, 0);
    assert_int_equal(p->s.ngot, len);
    assert_memory_equal(p->s.got, data, len);
}

static void test_padding(void **state)
{
    (void)state;
    for (unsigned block = 1; block <= 16384; block *= 2) {
        for (unsigned limit = 0; limit <= 20000; limit = limit * 3 + 64) {
            struct pair_params q = { .suite = block & 0x5555 ? 0x1301 : 0x1303,
                                     .padding = { block, block },
                                     .record_limit = { limit > 16385 ? 16385 : limit,
                                                       limit > 16385 ? 16385 : limit } };
            struct pair *p = pair_connected(&q);
            size_t most = limit && limit < 16385 ? limit - 1 : 16384, real = block;

            while (real > most) { /* a peer whose records are shorter than a block */
                real /= 2;
            }
            assert_int_equal(tls_fragment(p->c.t), most - most % real);
            for (int updated = 0; updated < 2; updated++) {
                padded(p, real, most, 1);
                padded(p, real, most, real > 1 ? real - 1 : 1);
                padded(p, real, most, real);
                padded(p, real, most, real + 1);
                padded(p, real, most, 16384);
                padded(p, real, most, 40001);
                assert_int_equal(tls_key_update(p->c.t, false), 0);
                pair_run(p, WIRE_MAX);
            }
            pair_free(p);
        }
    }
}

/* Into as much room as there is, and none beyond: no record that does not fit, padding and all. */
static void test_padding_room(void **state)
{
    struct pair_params q = { .padding = { 64, 0 } };
    struct pair *p = pair_connected(&q);
    uint8_t *place = wire + 7;

    (void)state;
    for (size_t room = 0; room < 300; room++) {
        struct span part = span_of(data, 200);
        size_t taken, made, fits = room < 22 + 64 ? 0 : (room - 22) / 64 * 64;

        memset(wire, 0xee, 1000);
        assert_int_equal(tls_seal(p->c.t, &part, 1, &taken, place, room, &made), 0);
        assert_true(made <= room);
        assert_int_equal(wire[6], 0xee);
        assert_int_equal(place[room], 0xee);
        assert_int_equal(taken, fits < 200 ? fits : 200);
        p->s.ngot = 0;
        end_give(&p->s, place, made);
        assert_int_equal(p->s.ngot, taken);
    }
    /* in place */
    for (size_t len = 0; len <= 200; len++) {
        uint8_t *plain = wire + tls_headroom(p->c.t);
        struct span part = span_of(plain, len);
        size_t taken, made;

        memcpy(plain, data, len);
        assert_int_equal(tls_seal(p->c.t, &part, 1, &taken, wire, sizeof wire, &made), 0);
        assert_int_equal(made, 22 + (len + 63) / 64 * 64);
        p->s.ngot = 0;
        end_give(&p->s, wire, made);
        assert_int_equal(p->s.ngot, len);
        assert_memory_equal(p->s.got, data, len);
        if (len == 0) {
            p->s.t->idle = 0;
        }
    }
    pair_free(p);
}

/* Alerts and what follows the handshake too; TLS 1.2 has nothing of the kind. */
static void test_padding_elsewhere(void **state)
{
    struct pair_params q = { .padding = { 256, 256 } };
    struct pair *p = pair_connected(&q);
    size_t n;

    (void)state;
    assert_int_equal(tls_close(p->c.t), 0);
    n = end_take(&p->c, wire);
    assert_int_equal(n, 22 + 256);
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.closed, 1);
    pair_free(p);
    q.suite = SUITE_GCM;
    p = pair_connected(&q);
    assert_int_equal(end_seal(&p->c, data, 100, wire), 100 + 29);
    pair_free(p);
}

/* ---- what is to be received ---- */
/* Of whoever receives what the other seals, as far as that can be known. */
static void test_expected(void **state)
{
    static const struct pair_params all[] = {
        { .suite = 0x1301 },
        { .suite = 0x1303, .record_limit = { 512, 512 } },
        { .suite = 0x1302, .record_limit = { 0, 16000 } },
        { .suite = SUITE_GCM },
        { .suite = SUITE_CHACHA, .record_limit = { 4096, 0 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct pair *p = pair_connected(&all[i]);

        for (int way = 0; way < 2; way++) {
            const struct tls *from = way ? p->s.t : p->c.t, *to = way ? p->c.t : p->s.t;
            const size_t f = tls_fragment(from), one = f + tls_overhead(from, f);

            for (size_t n = 1; n <= 5; n++) {
                assert_int_equal(tls_expected(to, n * f, SIZE_MAX), n * one);
                assert_int_equal(tls_expected(to, n * f - f + 1, SIZE_MAX), n * one);
                assert_int_equal(tls_expected(to, n * f, n * one), n * one);
                assert_int_equal(tls_expected(to, n * f, n * one - 1), n * one - one);
            }
        }
        pair_free(p);
    }
}

/* ---- small first records ---- */
static void small(uint16_t suite, unsigned padding, bool in_place)
{
    struct pair_params q = { .suite = suite,
                             .small_records = true,
                             .padding = { padding, padding } };
    struct pair *p = pair_connected(&q);
    size_t sealed = 0, len;

    while (sealed < 200000) {
        size_t first = tls_fragment(p->c.t), n = sealed % 7 ? 16384 : 40000, overhead, whole = 0;
        size_t before = sealed;

        assert_int_equal(first == 16384, sealed >= 65536 || (padding > 1024 && suite < 0x1400));
        if (in_place) {
            n = first;
            memcpy(wire + tls_headroom(p->c.t), data, n);
        }
        overhead = tls_overhead(p->c.t, n);
        p->s.ngot = 0;
        len = end_seal(&p->c, in_place ? wire + tls_headroom(p->c.t) : data, n, wire);
        assert_int_equal(len, n + overhead);
        for (size_t at = 0, size; at < len; at += size, whole++) {
            size = (size_t)REC_HEADER + ((size_t)wire[at + 3] << 8 | wire[at + 4]);
            if (before < 65536 && padding <= 1024) {
                assert_true(size <= 1400);
            }
            /* the content that was in it, but for CBC, where it may be a little less */
            before += size > 1400 ? 16384 : size - tls_overhead(p->c.t, 0);
        }
        sealed += n;
        end_give(&p->s, wire, len);
        assert_int_equal(p->s.ngot, n);
        assert_memory_equal(p->s.got, data, n);
    }
    assert_int_equal(tls_fragment(p->c.t), 16384);
    pair_free(p);
}

static void test_small_records(void **state)
{
    static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303, SUITE_GCM, SUITE_CHACHA, SUITE_CBC };

    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        small(suites[i], 0, false);
        small(suites[i], 0, true);
        small(suites[i], 64, false);
        small(suites[i], 64, true);
        small(suites[i], 4096, false);
    }
}

/* Seals so much, of which the first record may hold `first`. */
static void burst(struct pair *p, size_t first, size_t n)
{
    size_t overhead;

    (void)end_take(&p->c, wire);
    assert_int_equal(tls_fragment(p->c.t), first);
    overhead = tls_overhead(p->c.t, n);
    assert_int_equal(overhead, 22 * ((n + first - 1) / first));
    assert_int_equal(end_seal(&p->c, data, n, wire), n + overhead);
}

/* They start anew when more than a second has passed for certain, by a clock of whole seconds. */
static void test_small_records_after_a_pause(void **state)
{
    struct pair_params q = { .small_records = true };
    const size_t small = 1400 - 22;
    struct pair *p = pair_connected(&q);

    (void)state;
    burst(p, small, 32768);
    burst(p, small, 32768);
    burst(p, 16384, 16384);
    pair_later += 1; /* perhaps a moment */
    burst(p, 16384, 16384);
    pair_later += 1; /* from the last one, not from the first */
    burst(p, 16384, 16384);
    pair_later -= 100; /* a clock that was set back */
    burst(p, 16384, 16384);
    pair_later += 2;
    assert_int_equal(tls_fragment(p->c.t), 16384); /* what was said holds until tls_output() */
    assert_int_equal(end_seal(&p->c, data, 16384, wire), 16384 + 22);
    pair_later += 2;
    burst(p, small, 16384);
    burst(p, small, 49152);
    burst(p, 16384, 16384);
    pair_later += 100; /* a KeyUpdate is no data */
    assert_int_equal(tls_key_update(p->c.t, false), 0);
    burst(p, small, 100);
    pair_free(p);
    q.no_trust = true; /* nor a clock: at the beginning only */
    q.verify_none = true;
    p = pair_connected(&q);
    burst(p, small, 32768);
    burst(p, small, 32768);
    pair_later += 100;
    burst(p, 16384, 16384);
    pair_free(p);
    pair_later = 0;
}

static void test_small_records_off(void **state)
{
    struct pair *p = pair_connected(NULL);

    (void)state;
    assert_int_equal(tls_fragment(p->c.t), 16384);
    assert_int_equal(end_seal(&p->c, data, 16384, wire), 16384 + 22);
    pair_free(p);
}

static int make(void **state)
{
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7 + i / 251);
    }
    return pki_make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_padding_room),
        cmocka_unit_test(test_padding_elsewhere),
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_small_records),
        cmocka_unit_test(test_small_records_after_a_pause),
        cmocka_unit_test(test_small_records_off),
    };

    return cmocka_run_group_tests(tests, make, pki_free);
}
