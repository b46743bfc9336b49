/* SPDX-License-Identifier: ISC */
/* threat 14: what goes over the wire where the IV of the next record can be seen. */
#include "tests/handshake/pair.h"

#include "split.h"

static uint8_t wire[WIRE_MAX], data[WIRE_MAX];
static struct pair *pair_under(size_t i, const struct pair_params *q)
{
    static const struct pair_params usual = { .suite = 0xc02b };
    struct pair *p = pair_connected(q ? q : &usual);

    put_under(i, &p->c.t->tx, &p->s.t->rx);
    put_under(i, &p->s.t->tx, &p->c.t->rx);
    return p;
}

/* The content of each record in wire, as the other end finds it: all of them right, and none of
 * more than a byte but behind one of a byte. */
static size_t records(struct pair *p, size_t made, bool split, size_t *longest)
{
    size_t n = 0, before = 0;

    *longest = 0;
    for (size_t at = 0, size; at < made; at += size, n++) {
        const size_t got = p->s.ngot;
        size_t content;

        size = (size_t)REC_HEADER + ((size_t)wire[at + 3] << 8 | wire[at + 4]);
        end_give(&p->s, wire + at, size);
        assert_int_equal(p->s.rc, 0);
        content = p->s.ngot - got;
        assert_true(!split || content <= 1 || before == 1);
        before = content == 1 && before != 1;
        *longest = content > *longest ? content : *longest;
    }
    return n;
}

static void threat_14_split(void **state)
{
    static const size_t sizes[] = {
        0, 1, 2, 3, 100, MAX - 1, MAX, MAX + 1, MAX + 2, MAX + 3, 50000
    };

    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        const bool split = must_split(i);
        struct pair *p = pair_under(i, NULL);

        assert_int_equal(tls_fragment(p->c.t), split ? 1 : MAX);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const size_t n = sizes[s], unit = MAX + split;
            const size_t whole = n / unit, last = n % unit;
            const size_t want = whole * (1U + split) + (last > 1 ? 1U + split : last || !n);
            size_t longest, made;

            made = end_seal(&p->c, data, n, wire);
            assert_int_equal(made, n + tls_overhead(p->c.t, n));
            p->s.ngot = 0;
            assert_int_equal(records(p, made, split, &longest), want);
            assert_int_equal(p->s.ngot, n);
            assert_memory_equal(p->s.got, data, n);
            assert_true(longest <= MAX);
        }
        /* What is no data is not split. */
        assert_int_equal(tls_close(p->c.t), 0);
        assert_int_equal(end_take(&p->c, wire), rec_size(&p->s.t->tx, 2));
        pair_free(p);
    }
}

/* Each call begins with a byte on its own again, however little room the last one had: by then the
 * caller may have seen what went out. */
static void threat_14_partial_writes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        const bool split = must_split(i);
        struct pair *p = pair_under(i, NULL);

        for (size_t room = 0; room < 400; room++) {
            struct span part[] = { { data, 70 }, { data + 70, 130 } };
            size_t taken, made, longest;

            assert_int_equal(tls_seal(p->c.t, part, 2, &taken, wire, room, &made), 0);
            assert_true(made <= room && (taken > 0 || made == 0));
            assert_true(made == 0 || made == taken + tls_overhead(p->c.t, taken));
            assert_true(taken > 0 || room < 1 + tls_overhead(p->c.t, 1));
            assert_true(taken == 200 || taken + 1 + tls_overhead(p->c.t, taken + 1) > room);
            p->s.ngot = 0;
            (void)records(p, made, split, &longest);
            assert_int_equal(p->s.ngot, taken);
            assert_memory_equal(p->s.got, data, taken);
        }
        pair_free(p);
    }
}

/* Beside shorter records: those of max_fragment_length, and the first small ones. */
static void threat_14_short_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL; i++) {
        for (int small = 0; small < 2; small++) {
            const struct pair_params q = { .suite = 0xc02b,
                                           .max_fragment = small ? 0 : 512,
                                           .small_records = small };
            struct pair *p = pair_under(i, &q);

            for (size_t n = 0; n < 90000; n = n * 3 + 511) {
                const size_t want = n + tls_overhead(p->c.t, n);
                size_t longest, made;

                (void)tls_output(p->c.t);
                made = end_seal(&p->c, data, n, wire);
                assert_int_equal(made, want);
                p->s.ngot = 0;
                (void)records(p, made, must_split(i), &longest);
                assert_int_equal(p->s.ngot, n);
                assert_memory_equal(p->s.got, data, n);
                assert_true(small || longest <= 512);
                assert_true(small == 0 || n > 60000 || longest < 1400);
            }
            pair_free(p);
        }
    }
}

static int begin(void **state)
{
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 31 + i / 256);
    }
    return pki_make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_14_split),
        cmocka_unit_test(threat_14_partial_writes),
        cmocka_unit_test(threat_14_short_records),
    };

    return cmocka_run_group_tests(tests, begin, pki_free);
}
