/* SPDX-License-Identifier: ISC */
/* Engines behind the null provider get connected: a fuzz target whose engines never do would look
 * no different from one that finds nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fuzz/null/world.h"

static int setup(void **state)
{
    (void)state;
    duet_setup();
    return 0;
}

static int manner_believes(void **state)
{
    (void)state;
    null_bind(false);
    return 0;
}

static int manner_binds(void **state)
{
    (void)state;
    null_bind(true);
    return 0;
}

/* ---- they agree on everything ---- */

static void check_agree(struct tls *end[2], size_t which)
{
    const struct scenario *s = &scenarios[which];
    uint8_t key[2][32];
    struct tls_info i[2];
    int rc[2];

    for (int r = 0; r < 2; r++) {
        assert_true(tls_connected(end[r]));
        tls_get_info(end[r], &i[r]);
        rc[r] = tls_export(end[r], "a label", span_of("c", 1), true, key[r], sizeof key[r]);
    }
    assert_int_equal(i[0].version, s->version ? s->version : s->is12 ? TLS_1_2 : TLS_1_3);
    assert_int_equal(i[1].version, i[0].version);
    assert_int_equal(i[1].suite_id, i[0].suite_id);
    assert_int_equal(i[1].group_id, i[0].group_id);
    assert_string_equal(i[1].alpn, i[0].alpn);
    if (!i[0].resumed) { /* a server knows the name still */
        assert_string_equal(i[1].psk, i[0].psk);
    }
    assert_int_equal(i[0].resumed, s->resumption != FRESH || s->more == SERVER_RENEGOTIATES);
    assert_int_equal(i[1].resumed, i[0].resumed);
    assert_int_equal(rc[1], rc[0]);
    assert_true(rc[0] == ERR_UNSUPPORTED || memcmp(key[0], key[1], sizeof key[0]) == 0);
    if (s->auth == CLIENT_AUTH_REQUIRE) {
        assert_true(i[TLS_SERVER].client_auth);
    }
}

static void play(struct tls *end[2], size_t which, struct buf heard[2])
{
    world_start(end, which);
    world_early(end[TLS_CLIENT]);
    world_talk(end, heard);
    world_more(end, which, heard);
}

static void test_all_connect(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        struct tls *end[2];

        play(end, i, NULL);
        check_agree(end, i);
        world_say(end[0], end[1], span_text("question"), NULL);
        world_say(end[1], end[0], span_text("answer"), NULL);
        if (!scenarios[i].is12) {
            assert_int_equal(tls_key_update(end[0], true), 0);
            world_talk(end, NULL);
            world_say(end[0], end[1], span_text("under other keys"), NULL);
        }
        assert_int_equal(tls_close(end[0]), 0);
        world_talk(end, NULL);
        assert_true(tls_peer_closed(end[1]));
        world_free(end);
    }
}

static void test_the_same_every_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        struct buf heard[2][2] = { 0 };

        for (int round = 0; round < 2; round++) {
            struct tls *end[2];

            play(end, i, heard[round]);
            world_free(end);
        }
        for (int r = 0; r < 2; r++) {
            assert_true(buf_len(&heard[0][r]) > 100);
            assert_true(span_eq(buf_span(&heard[0][r]), buf_span(&heard[1][r])));
            buf_free(&heard[0][r]);
            buf_free(&heard[1][r]);
        }
    }
}

/* ---- a byte of the client's random is another on its way ---- */

static bool connects_changed(size_t which)
{
    struct tls *end[2];
    struct span out;
    uint8_t *copy;
    bool both;

    world_start(end, which);
    out = tls_output(end[TLS_CLIENT]);
    copy = malloc(out.n);
    assert_non_null(copy);
    memcpy(copy, out.p, out.n);
    copy[TLS_HEADER + HS_HEADER + 2 + 7] ^= 1;
    tls_sent(end[TLS_CLIENT], out.n);
    (void)world_hear(end[TLS_SERVER], span_of(copy, out.n), NULL, NULL);
    world_talk(end, NULL);
    both = tls_connected(end[0]) && tls_connected(end[1]);
    assert_true(both || tls_error(end[0])->code || tls_error(end[1])->code);
    world_free(end);
    free(copy);
    return both;
}

static void test_changed_is_believed(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        /* A second hello has to be like the first. */
        assert_int_equal(connects_changed(i), !(scenarios[i].server & PARTY_RETRY));
    }
}

static void test_changed_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        assert_false(connects_changed(i));
    }
}

/* ---- what is believed can be denied as well ---- */

static void test_last_byte_zero_is_wrong(void **state)
{
    static const uint8_t key[AEAD_KEY_MAX] = { 1 }, nonce[AEAD_IV];
    const struct span in = span_text("content");
    struct aead *s = aead_new(AEAD_AES_128_GCM, key, true);
    struct aead *o = aead_new(AEAD_AES_128_GCM, key, false);
    uint8_t sealed[7 + AEAD_TAG], opened[7];
    const struct mspan out = { opened, sizeof opened };

    (void)state;
    assert_non_null(s);
    assert_non_null(o);
    assert_int_equal(aead_seal(s, nonce, in, &in, 1, sealed), 0);
    assert_memory_equal(sealed, in.p, in.n);
    sealed[7] ^= 1;
    assert_int_equal(aead_open(o, nonce, in, span_of(sealed, sizeof sealed), &out, 1), 0);
    sealed[7 + AEAD_TAG - 1] = 0;
    assert_int_equal(aead_open(o, nonce, in, span_of(sealed, sizeof sealed), &out, 1),
                     TLS_ALERT(ALERT_BAD_RECORD_MAC));
    aead_free(s);
    aead_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_all_connect, manner_believes),
        cmocka_unit_test_setup(test_the_same_every_time, manner_believes),
        cmocka_unit_test_setup(test_changed_is_believed, manner_believes),
        cmocka_unit_test_setup(test_last_byte_zero_is_wrong, manner_believes),
        cmocka_unit_test_setup_teardown(test_all_connect, manner_binds, manner_believes),
        cmocka_unit_test_setup_teardown(test_the_same_every_time, manner_binds, manner_believes),
        cmocka_unit_test_setup_teardown(test_changed_is_noticed, manner_binds, manner_believes),
    };

    return cmocka_run_group_tests_name("null provider", tests, setup, NULL);
}
