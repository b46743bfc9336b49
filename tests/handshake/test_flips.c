/* SPDX-License-Identifier: ISC */
/* threat 5: every kind of handshake (tests/fuzz/duet.h) with one bit of one message wrong. It is in
 * a signature, a binder, a Finished or what they cover: the two do not get connected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/fuzz/duet.h"

/* How many bytes the messages of that scenario have in all before the first handshake is complete;
 * the one at `flip` is wrong (SIZE_MAX: none). */
static size_t play(size_t which, size_t flip, unsigned bit, bool *wrong, bool *connected)
{
    struct duet_end *to;
    struct duet d;
    struct span m;
    size_t at = 0;

    *wrong = false;
    fuzz_start(9);
    duet_start(&d, which);
    d.more_done = true;
    while (!duet_connected(&d) && (m = duet_next(&d, &to)).n) {
        static uint8_t copy[1 << 15];

        memcpy(copy, m.p, m.n);
        if (flip >= at && flip < at + m.n && m.p[0] != DUET_CCS) {
            copy[flip - at] ^= (uint8_t)(1 << bit);
            *wrong = true; /* a change_cipher_spec has no bytes */
        }
        at += m.n;
        /* With a length that is too small the rest is the next message's beginning; with one too
         * large it waits for ever. */
        if (memcmp(copy + 1, m.p + 1, 3) == 0) {
            duet_hear(to, copy, m.n, true);
        }
        buf_consume(&to->heard, m.n);
    }
    *connected = duet_connected(&d);
    duet_free(&d);
    return at;
}

static void threat_05_every_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        bool wrong, connected;
        size_t n = play(i, SIZE_MAX, 0, &wrong, &connected);

        assert_true(connected && !wrong && n > 200);
        for (size_t flip = 0; flip < n; flip++) {
            (void)play(i, flip, (unsigned)(flip + i) % 8, &wrong, &connected);
            if (connected == wrong) {
                fail_msg("scenario %zu: byte %zu of %zu does not count", i, flip, n);
            }
        }
    }
}

static int setup(void **state)
{
    (void)state;
    duet_setup();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(threat_05_every_byte) };

    return cmocka_run_group_tests(tests, setup, NULL);
}
