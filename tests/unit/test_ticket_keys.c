/* SPDX-License-Identifier: ISC */
/* Keys of tickets: there from the first moment, never zero (threat 26), turned by time and by
 * count, given from outside, and wiped. */
#include "tickets.h"

static const uint8_t name_b[TICKET_NAME] = "name of key B";

static void threat_26_turned_by_time(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct buf t0 = sealed(k, NOW), t1, t2, t3;

    (void)state;
    t1 = sealed(k, NOW + 499); /* the last moment of the first key */
    assert_memory_equal(buf_data(&t0), buf_data(&t1), TICKET_NAME);
    assert_int_equal(k->count, 1);
    assert_int_equal(opened_buf(k, &t1, NOW + 499), 0);
    t2 = sealed(k, NOW + 500);
    assert_memory_not_equal(buf_data(&t1), buf_data(&t2), TICKET_NAME);
    assert_int_equal(opened_buf(k, &t1, NOW + 500), 1);
    assert_int_equal(opened_buf(k, &t2, NOW + 500), 0);
    t3 = sealed(k, NOW + 1000);
    assert_int_equal(k->count, 3);
    assert_int_equal(opened_buf(k, &t1, NOW + 1499), 1); /* a life after its key's last moment */
    assert_int_equal(opened_buf(k, &t2, NOW + 1499), 1);
    assert_int_equal(opened_buf(k, &t3, NOW + 1499), 0);
    assert_int_equal(opened_buf(k, &t1, NOW + 1500), -1);
    assert_int_equal(opened_buf(k, &t2, NOW + 1500), 1);
    assert_int_equal(opened_buf(k, &t3, NOW + 1500), 1); /* the next ticket has a newer key */
    assert_int_equal(k->count, 3);
    /* All of them too old, found by one call after a long time. */
    assert_int_equal(opened_buf(k, &t3, NOW + 3000), -1);
    assert_int_equal(k->count, 1);
    buf_free(&t0);
    t0 = sealed(k, NOW + 3000);
    assert_int_equal(opened_buf(k, &t0, NOW + 3000), 0);
    buf_free(&t0);
    buf_free(&t1);
    buf_free(&t2);
    buf_free(&t3);
    ticket_keys_unref(k);
}

/* Nobody came by for a while: a key is not older for that, nor does it live longer. */
static void an_idle_key_ends_when_it_should_have(void **state)
{
    for (int64_t late = 500; late <= 1501; late++) {
        struct ticket_keys *k = ticket_keys_new(LIFE);
        struct buf b = sealed(k, NOW);

        (void)state;
        assert_int_equal(opened_buf(k, &b, NOW + late), late < 1500 ? 1 : -1);
        assert_int_equal(opened_buf(k, &b, NOW + 1500), -1);
        buf_free(&b);
        ticket_keys_unref(k);
    }
}

static void threat_26_turned_by_count(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct buf t[5];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        t[i] = sealed(k, NOW);
        k->gen[0].sealed = TICKET_SEALS_DRAWN - 1;
        for (size_t j = 0; j <= i; j++) {
            assert_int_equal(opened_buf(k, &t[j], NOW), j == i ? 0 : j + 2 >= i ? 1 : -1);
        }
        assert_int_equal(k->count, i < 2 ? i + 1 : 3);
        buf_free(&t[i]);
        t[i] = sealed(k, NOW); /* the last one of this key */
        assert_int_equal(k->gen[0].sealed, TICKET_SEALS_DRAWN);
    }
    for (size_t i = 0; i < 5; i++) {
        buf_free(&t[i]);
    }
    ticket_keys_unref(k);
}

static void threat_26_never_zero(void **state)
{
    static const uint8_t zero[TICKET_KEY];
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct buf b;

    (void)state;
    for (int64_t i = 0; i < 8; i++) {
        b = sealed(k, NOW + i * 500);
        for (size_t j = 0; j < k->count; j++) {
            assert_memory_not_equal(k->gen[j].key, zero, TICKET_KEY);
            for (size_t o = 0; o < j; o++) {
                assert_memory_not_equal(k->gen[j].key, k->gen[o].key, TICKET_KEY);
                assert_memory_not_equal(k->gen[j].name, k->gen[o].name, TICKET_NAME);
            }
        }
        /* Empty places are wiped, and their name of zeros is nobody's. */
        for (size_t j = k->count; j < TICKET_GENERATIONS; j++) {
            assert_memory_equal(k->gen[j].key, zero, TICKET_KEY);
        }
        buf_free(&b);
    }
    b = sealed(k, NOW + 9000);
    assert_int_equal(k->count, 1);
    memset(buf_data(&b), 0, TICKET_NAME);
    assert_int_equal(opened_buf(k, &b, NOW + 9000), -1);
    assert_int_equal(ticket_keys_set(k, name_a, zero), ERR_ARG);
    assert_int_equal(k->count, 1);
    assert_false(k->fixed);
    buf_free(&b);
    ticket_keys_unref(k);
}

static void clock_set_back(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct buf a = sealed(k, NOW + 10 * LIFE), b;

    (void)state;
    b = sealed(k, NOW); /* the key goes on, counted from now */
    assert_memory_equal(buf_data(&a), buf_data(&b), TICKET_NAME);
    assert_int_equal(opened_buf(k, &b, NOW + 499), 0);
    assert_int_equal(opened_buf(k, &b, NOW + 500), 1);
    assert_int_equal(opened_buf(k, &b, NOW + 1500), -1);
    buf_free(&a);
    buf_free(&b);
    ticket_keys_unref(k);
}

static void keys_from_outside(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE), *twin = ticket_keys_new(LIFE);
    uint8_t a[TICKET_KEY], b[TICKET_KEY];
    struct buf drawn = sealed(k, NOW), ta, tb;

    (void)state;
    outside_key(a, 0);
    outside_key(b, 32);
    assert_int_equal(ticket_keys_set(k, name_a, a), 0);
    assert_int_equal(ticket_keys_set(twin, name_a, a), 0);
    ta = sealed(k, NOW);
    assert_memory_equal(buf_data(&ta), name_a, TICKET_NAME);
    assert_int_equal(opened_buf(twin, &ta, NOW), 0);
    assert_int_equal(opened_buf(k, &drawn, NOW + 999), 1);
    assert_int_equal(opened_buf(k, &drawn, NOW + 1000), -1);
    /* No time and no count draws another. */
    k->gen[0].sealed = TICKET_SEALS_DRAWN;
    assert_int_equal(opened_buf(k, &ta, NOW + 100 * LIFE), 0);
    buf_free(&ta);
    ta = sealed(k, NOW + 100 * LIFE);
    assert_memory_equal(buf_data(&ta), name_a, TICKET_NAME);
    /* The one before opens for a life from the next call on, however old it is. */
    assert_int_equal(ticket_keys_set(k, name_b, b), 0);
    tb = sealed(k, NOW + 200 * LIFE);
    assert_memory_equal(buf_data(&tb), name_b, TICKET_NAME);
    assert_int_equal(opened_buf(twin, &tb, NOW), -1);
    assert_int_equal(opened_buf(k, &ta, NOW + 201 * LIFE - 1), 1);
    /* Set again: the first once more, and nobody is in there twice. */
    assert_int_equal(ticket_keys_set(k, name_a, a), 0);
    assert_int_equal(k->count, 2);
    assert_int_equal(k->gen[0].sealed, TICKET_SEALS_DRAWN + 1);
    assert_int_equal(ticket_keys_set(k, name_a, a), 0);
    assert_int_equal(k->count, 2);
    assert_int_equal(k->gen[0].sealed, TICKET_SEALS_DRAWN + 1);
    assert_int_equal(opened_buf(k, &ta, NOW + 201 * LIFE), 0);
    assert_int_equal(opened_buf(k, &tb, NOW + 201 * LIFE), 1);
    assert_int_equal(opened_buf(k, &tb, NOW + 202 * LIFE), -1);
    /* Another key under a name that was used: the old one is gone. */
    assert_int_equal(ticket_keys_set(k, name_a, b), 0);
    assert_int_equal(k->count, 1);
    assert_int_equal(k->gen[0].sealed, 0);
    assert_int_equal(opened_buf(k, &ta, NOW + 202 * LIFE), -1);
    wipe(a, sizeof a);
    wipe(b, sizeof b);
    buf_free(&drawn);
    buf_free(&ta);
    buf_free(&tb);
    ticket_keys_unref(k);
    ticket_keys_unref(twin);
}

static void four_keys_from_outside(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    uint8_t key[TICKET_KEY], name[TICKET_NAME] = { 0 };
    struct buf t[4];

    (void)state;
    outside_key(key, 0);
    for (uint8_t i = 0; i < 4; i++) {
        name[0] = i;
        key[0] = i;
        assert_int_equal(ticket_keys_set(k, name, key), 0);
        t[i] = sealed(k, NOW);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(opened_buf(k, &t[i], NOW), i == 0 ? -1 : i < 3);
        buf_free(&t[i]);
    }
    ticket_keys_unref(k);
}

/* threat 25: a key that cannot be replaced stops where random nonces would meet. */
static void threat_25_outside_key_worn(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct tls_session *s = sample(0x0303, WITH_ALL);
    uint8_t key[TICKET_KEY];
    struct buf b = { 0 };

    (void)state;
    outside_key(key, 0);
    assert_int_equal(ticket_keys_set(k, name_a, key), 0);
    k->gen[0].sealed = TICKET_SEALS_MAX - 1;
    assert_int_equal(ticket_seal(k, s, NOW, &b), 0);
    assert_int_equal(opened_buf(k, &b, NOW), 0);
    buf_consume(&b, buf_len(&b));
    assert_int_equal(ticket_seal(k, s, NOW, &b), ERR_LIMIT);
    assert_int_equal(ticket_keys_set(k, name_a, key), 0); /* the same key is no fresh one */
    assert_int_equal(ticket_seal(k, s, NOW, &b), ERR_LIMIT);
    assert_int_equal(buf_len(&b), 0);
    assert_int_equal(ticket_keys_set(k, name_b, key), 0);
    assert_int_equal(ticket_seal(k, s, NOW, &b), 0);
    buf_free(&b);
    session_unref(s);
    ticket_keys_unref(k);
}

static int draws_left;

static int failing_source(void *p, size_t n)
{
    if (draws_left-- <= 0) {
        return ERR_CRYPTO;
    }
    memset(p, draws_left + 1, n);
    return 0;
}

static int zero_source(void *p, size_t n)
{
    memset(p, 0, n);
    return 0;
}

static void threat_37_no_randomness(void **state)
{
    struct ticket_keys *k;
    struct tls_session *s = sample(0x0303, WITH_ALL);
    struct buf b = { 0 }, old;

    (void)state;
    rand_set_test_source(failing_source);
    for (draws_left = 0; draws_left < 2; draws_left++) {
        const int n = draws_left;

        assert_null(ticket_keys_new(LIFE));
        draws_left = n;
    }
    rand_set_test_source(zero_source);
    assert_null(ticket_keys_new(LIFE)); /* threat 26 */
    rand_set_test_source(NULL);
    k = ticket_keys_new(LIFE);
    old = sealed(k, NOW);
    assert_int_equal(buf_append(&b, "front", 5), 0);
    rand_set_test_source(failing_source);
    draws_left = 0; /* no nonce */
    assert_int_equal(ticket_seal(k, s, NOW, &b), ERR_CRYPTO);
    for (int n = 0; n < 3; n++) { /* no name, no key, no nonce for the next generation */
        draws_left = n;
        assert_int_equal(ticket_seal(k, s, NOW + 500, &b), ERR_CRYPTO);
        assert_int_equal(k->count, n < 2 ? 1 : 2);
        draws_left = n < 2 ? n : 0;
        assert_int_equal(opened_buf(k, &old, NOW + 500), n < 2 ? 0 : 1);
    }
    assert_true(span_eq(buf_span(&b), span_of("front", 5)));
    /* What is too old is forgotten without it too. */
    draws_left = 0;
    assert_int_equal(opened_buf(k, &old, NOW + 1500), -1);
    rand_set_test_source(NULL);
    buf_free(&old);
    old = sealed(k, NOW + 1500);
    assert_int_equal(opened_buf(k, &old, NOW + 1500), 0);
    buf_free(&old);
    buf_free(&b);
    session_unref(s);
    ticket_keys_unref(k);
}

/* A set key, the session and its serialised form are in no block that is given back, whichever way
 * they go: by rotation, by a failure, at the end. The allocator looks. */
static void keys_are_wiped(void **state)
{
    uint8_t key[TICKET_KEY];

    (void)state;
    for (int64_t later = 0; later <= 2 * LIFE; later += LIFE / 4) {
        struct ticket_keys *k = ticket_keys_new(LIFE);
        struct buf b;

        outside_key(key, 0);
        assert_int_equal(ticket_keys_set(k, name_a, key), 0);
        b = sealed(k, NOW);
        assert_true(holds((const uint8_t *)k, sizeof *k, key_byte));
        wipe(key, sizeof key);
        key[0] = 1;
        assert_int_equal(ticket_keys_set(k, name_b, key), 0);
        assert_int_equal(opened_buf(k, &b, NOW), 1);
        assert_int_equal(opened_buf(k, &b, NOW + later), later < LIFE ? 1 : -1);
        assert_int_equal(holds((const uint8_t *)k, sizeof *k, key_byte), later < LIFE);
        buf_free(&b);
        ticket_keys_unref(k);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, hooked, unhooked)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threat_26_turned_by_time),
        TEST(an_idle_key_ends_when_it_should_have),
        TEST(threat_26_turned_by_count),
        TEST(threat_26_never_zero),
        TEST(clock_set_back),
        TEST(keys_from_outside),
        TEST(four_keys_from_outside),
        TEST(threat_25_outside_key_worn),
        TEST(threat_37_no_randomness),
        TEST(keys_are_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
