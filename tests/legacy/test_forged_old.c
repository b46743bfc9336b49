/* SPDX-License-Identifier: ISC */
/* Records of SSL 3.0 to TLS 1.2 with a MAC, beside an independent maker of them: what is forged in
 * each byte of padding, what is damaged in each bit, what is too short. */
#include "record_old.h"

static int open_forged(const struct rec_keys *k, struct mspan fragment, struct rec_opened *o)
{
    struct rec_half rx;
    int rc;

    rec_half_init(&rx);
    assert_int_equal(rec_half_set(&rx, k, false), 0);
    rc = rec_open(&rx, 23, fragment, (struct mspan){ NULL, 0 }, o);
    assert_int_equal(rx.seq, rc == 0);
    assert_true(rc == 0 || (o->plain.n == 0 && o->rest.n == 0 && all_zero(fragment.p, fragment.n)));
    assert_int_equal(ERR_peek_error(), 0);
    rec_half_wipe(&rx);
    return rc;
}

/* TLS: any length of padding up to 255 bytes is legal; every byte of it is looked at; a wrong one
 * is nothing but bad_record_mac, whether or not the MAC would be right (threats 11, 13). */
static void tls_padding(const struct rec_keys *k)
{
    static const uint8_t by[] = { 1, 0x80, 0xff };
    const struct flaw none = { 0 };
    struct rec_opened o;

    for (size_t n = 0; n < 40; n += 13) {
        for (size_t pad = least_pad(k, n); pad < 256; pad += block_of(k)) {
            assert_int_equal(open_forged(k, forge(k, n, pad, none), &o), 0);
            opened_check(&o, n, (struct mspan){ NULL, 0 }, 23);
            assert_int_equal(open_forged(k, forge(k, n, pad, (struct flaw){ .mac = true }), &o),
                             BAD_MAC);
            for (size_t bad = 0; bad <= pad; bad += pad > 32 ? 2 : 1) {
                const struct flaw flaw = { bad, by[bad % 3], bad % 7 == 6 };

                assert_int_equal(open_forged(k, forge(k, n, pad, flaw), &o), BAD_MAC);
            }
        }
    }
    /* The length byte takes each of its values. Nought says that there is no more of it: then the
     * others are content, which encrypt-then-MAC believes. */
    for (unsigned v = 1; v < 256; v++) {
        const size_t pad = least_pad(k, 3);
        const bool right = k->etm && v == pad;

        assert_int_equal(
            open_forged(k, forge(k, 3, pad, (struct flaw){ pad, (uint8_t)v, false }), &o),
            right ? 0 : BAD_MAC);
        assert_true(!right || o.plain.n == 3 + pad);
    }
}

/* SSL 3.0: the length byte alone has a meaning, and no more than a block of padding is legal (RFC
 * 6101 section 5.2.3.2), which has the limit of what POODLE can try. */
static void ssl3_padding(const struct rec_keys *k)
{
    struct rec_opened o;

    for (size_t n = 0; n < 40; n++) {
        const size_t least = least_pad(k, n);

        for (size_t pad = least; pad < 256; pad += block_of(k)) {
            const bool right = pad == least;

            assert_int_equal(open_forged(k, forge(k, n, pad, (struct flaw){ 0 }), &o),
                             right ? 0 : BAD_MAC);
            if (right) {
                opened_check(&o, n, (struct mspan){ NULL, 0 }, 23);
            }
        }
        for (size_t bad = 0; bad < least; bad++) { /* any bytes */
            const struct flaw flaw = { bad, (uint8_t)(1 + 37 * bad), false };

            assert_int_equal(open_forged(k, forge(k, n, least, flaw), &o), 0);
            opened_check(&o, n, (struct mspan){ NULL, 0 }, 23);
        }
        for (unsigned v = 1; v < 256; v++) { /* but the last */
            const struct flaw flaw = { least, (uint8_t)v, false };

            assert_int_equal(open_forged(k, forge(k, n, least, flaw), &o), BAD_MAC);
        }
        assert_int_equal(open_forged(k, forge(k, n, least, (struct flaw){ .mac = true }), &o),
                         BAD_MAC);
    }
}

static void threat_13_padding(void **state)
{
    (void)state;
    for (size_t i = 0; i < nall; i++) {
        if (all[i].cbc) {
            (all[i].version == 0x0300 ? ssl3_padding : tls_padding)(&all[i]);
        }
    }
}

/* Whatever its length, of whole blocks or not: the one alert, and nothing is left. */
static void threat_11_short(void **state)
{
    struct rec_opened o;

    (void)state;
    for (size_t i = 0; i < nall; i++) {
        for (size_t n = 0; n < 200; n++) {
            memset(wire, 0x3c, n);
            assert_int_equal(open_forged(&all[i], (struct mspan){ wire, n }, &o), BAD_MAC);
        }
    }
}

static void refused(const struct rec_keys *k, uint8_t type, size_t n, size_t content, bool spread)
{
    struct mspan out = { spread ? apart : NULL, spread ? content / 2 : 0 };
    struct rec_opened o;
    struct rec_half rx;

    rec_half_init(&rx);
    assert_int_equal(rec_half_set(&rx, k, false), 0);
    memcpy(wire, copy, 512);
    memset(apart, 0, content);
    assert_int_equal(rec_open(&rx, type, (struct mspan){ wire + REC_HEADER, n }, out, &o), BAD_MAC);
    assert_int_equal(o.plain.n + o.rest.n, 0);
    assert_null(memmem(wire, n + REC_HEADER, text, 8));
    assert_null(memmem(wire, n + REC_HEADER, text + content - 8, 8));
    assert_true(all_zero(apart, content));
    assert_int_equal(rx.seq, 0);
    rec_half_wipe(&rx);
}

/* Each bit of each byte; each length but the right one; another type; another place in the order.
 */
static void threat_39_damaged(void **state)
{
    enum { CONTENT = 43 };

    (void)state;
    for (size_t i = 0; i < nall; i++) {
        const struct rec_keys *k = &all[i];
        struct rec_half tx, rx;
        struct rec_opened o;
        size_t made;

        pair_make(k, &tx, &rx);
        made = seal(&tx, 23, CONTENT, ONE_PART);
        memcpy(copy, wire, sizeof copy);
        for (size_t at = REC_HEADER; at < made; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                copy[at] ^= (uint8_t)(1U << bit);
                refused(k, 23, made - REC_HEADER, CONTENT, bit % 2);
                copy[at] ^= (uint8_t)(1U << bit);
            }
        }
        for (size_t n = 0; n < made + 40; n++) {
            if (n != made - REC_HEADER) {
                refused(k, 23, n, CONTENT, n % 2);
            }
        }
        refused(k, 22, made - REC_HEADER, CONTENT, false);
        /* Undamaged it opens; a second time it is out of order. */
        memcpy(wire, copy, sizeof wire);
        assert_int_equal(
            rec_open(&rx, 23, fragment_of(&rx, k, made, 23), (struct mspan){ NULL, 0 }, &o), 0);
        opened_check(&o, CONTENT, (struct mspan){ NULL, 0 }, 23);
        memcpy(wire, copy, sizeof wire);
        assert_int_equal(
            rec_open(&rx, 23, fragment_of(&rx, k, made, 23), (struct mspan){ NULL, 0 }, &o),
            BAD_MAC);
        pair_end(&tx, &rx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_13_padding),
        cmocka_unit_test(threat_11_short),
        cmocka_unit_test(threat_39_damaged),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
