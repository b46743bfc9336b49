/* SPDX-License-Identifier: ISC */
/* Records of TLS 1.3 as the record layer sees them: no nonce twice, no number past the last. */
#include "record12.h"

static void halves(unsigned i, struct rec_half *tx, struct rec_half *rx)
{
    const struct rec_keys k = { .version = 0x0304, .aead = (enum aead_id)i, .key = key, .iv = iv };

    rec_half_init(tx);
    rec_half_init(rx);
    assert_int_equal(rec_half_set(tx, &k, true), 0);
    assert_int_equal(rec_half_set(rx, &k, false), 0);
}

/* The record in wire, opened elsewhere; the code. */
static int open_it(struct rec_half *rx, size_t made, size_t n)
{
    const struct mspan out = { apart, sizeof apart };
    struct rec_opened o;
    int rc = rec_open(rx, 23, fragment_of(rx, made, 23), out, &o);

    if (rc == 0) {
        opened_check(&o, n, out, 23);
    }
    return rc;
}

/* The same content each time: what is sealed is key stream, and no block of it comes twice. Each
 * opens under its own number, and under no other. */
static void threat_25_nonces(void **state)
{
    enum { N = 300, CONTENT = 32 };
    static uint8_t seen[N][16];

    (void)state;
    for (unsigned i = 0; i < AEADS; i++) {
        struct rec_half tx, rx;

        halves(i, &tx, &rx);
        for (unsigned j = 0; j < N; j++) {
            size_t made = seal(&tx, 23, CONTENT, ONE_PART);

            memcpy(seen[j], wire + REC_HEADER, 16);
            for (unsigned before = 0; before < j; before++) {
                assert_memory_not_equal(seen[before], seen[j], 16);
            }
            memcpy(copy, wire, made);
            rx.seq = j + 1u;
            assert_int_equal(open_it(&rx, made, CONTENT), TLS_ALERT(ALERT_BAD_RECORD_MAC));
            memcpy(wire, copy, made);
            rx.seq = j;
            assert_int_equal(open_it(&rx, made, CONTENT), 0);
            assert_int_equal(rx.seq, j + 1u);
        }
        pair_end(&tx, &rx);
    }
}

/* RFC 8446 section 5.3: the number must not wrap. */
static void threat_25_wrap(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AEADS; i++) {
        const struct span part = span_of(text, 5);
        struct rec_half tx, rx;
        size_t made;

        halves(i, &tx, &rx);
        assert_true(tx.limit <= UINT64_C(1) << 48 && tx.limit >= 1 << 24);
        tx.seq = rx.seq = UINT64_MAX - 1;
        made = seal(&tx, 23, 5, ONE_PART);
        memcpy(copy, wire, made);
        assert_int_equal(open_it(&rx, made, 5), 0);
        for (unsigned again = 0; again < 3; again++) {
            assert_int_equal(rec_seal(&tx, 23, &part, 1, 5, wire), ERR_LIMIT);
            assert_int_equal(tx.seq, UINT64_MAX);
            memcpy(wire, copy, made);
            assert_int_equal(open_it(&rx, made, 5), TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        }
        pair_end(&tx, &rx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_25_nonces),
        cmocka_unit_test(threat_25_wrap),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
