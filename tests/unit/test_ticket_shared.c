/* SPDX-License-Identifier: ISC */
/* Keys of tickets that a process shares with its children: they stay the same in all of them,
 * however time goes by (threats 25, 26). */
#include "tickets.h"

/* What fork() gives a child: the keys, as they are. */
static struct ticket_keys *child_of(const struct ticket_keys *k)
{
    struct ticket_keys *copy = ticket_keys_new(LIFE);

    assert_non_null(copy);
    copy->shared = k->shared;
    copy->period = k->period;
    copy->count = k->count;
    memcpy(copy->next, k->next, sizeof k->next);
    memcpy(copy->gen, k->gen, sizeof k->gen);
    return copy;
}

static struct ticket_keys *shared_keys(void)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);

    assert_non_null(k);
    assert_int_equal(ticket_keys_share(k, NOW), 0);
    return k;
}

static void same_for_ever(void **state)
{
    struct ticket_keys *parent = shared_keys(), *early = child_of(parent), *late;

    (void)state;
    for (int64_t at = NOW; at < NOW + 20 * LIFE; at += 137) {
        struct buf b = sealed(early, at);

        late = child_of(parent); /* which has not looked at its keys since */
        assert_int_equal(opened_buf(late, &b, at), 0);
        ticket_keys_unref(late);
        buf_free(&b);
    }
    /* and the other way round */
    for (int64_t at = NOW + 20 * LIFE; at < NOW + 30 * LIFE; at += 250) {
        struct buf b;

        late = child_of(parent);
        b = sealed(late, at);
        assert_int_equal(opened_buf(early, &b, at), 0);
        ticket_keys_unref(late);
        buf_free(&b);
    }
    ticket_keys_unref(parent);
    ticket_keys_unref(early);
}

static void threat_26_turned(void **state)
{
    struct ticket_keys *k = shared_keys(), *other = shared_keys();
    const int64_t begin = NOW - NOW % (LIFE / 2) + LIFE / 2; /* of a period */
    struct buf b = sealed(k, begin - 1), next = sealed(k, begin);

    (void)state;
    assert_memory_not_equal(buf_data(&b), buf_data(&next), TICKET_NAME);
    assert_memory_not_equal(k->gen[0].key, k->gen[1].key, TICKET_KEY);
    assert_memory_not_equal(k->gen[0].key, k->next, TICKET_KEY);
    assert_int_equal(opened_buf(k, &b, begin), 1);
    assert_int_equal(opened_buf(k, &b, begin + LIFE - 1), 1);
    assert_int_equal(opened_buf(k, &b, begin + LIFE), -1);
    assert_int_equal(opened_buf(other, &next, begin), -1);
    buf_free(&b);
    buf_free(&next);
    ticket_keys_unref(k);
    ticket_keys_unref(other);
}

/* What was drawn before is not among them; a key file's take their place. */
static void instead_of_others(void **state)
{
    static const uint8_t name[TICKET_NAME] = "from outside", key[TICKET_KEY] = { 7 };
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct buf b;

    (void)state;
    assert_non_null(k);
    b = sealed(k, NOW);
    assert_int_equal(ticket_keys_share(k, NOW), 0);
    assert_int_equal(opened_buf(k, &b, NOW), -1);
    buf_free(&b);
    assert_int_equal(ticket_keys_set(k, name, key), 0);
    b = sealed(k, NOW + LIFE);
    assert_memory_equal(buf_data(&b), name, TICKET_NAME);
    buf_free(&b);
    ticket_keys_unref(k);
}

static void limits(void **state)
{
    struct ticket_keys *k = shared_keys();
    struct tls_session *s = sample(0x0303, WITH_ALL);
    struct buf b = sealed(k, NOW), out = { 0 };

    (void)state;
    assert_int_equal(ticket_keys_share(k, -1), ERR_ARG);
    /* threat 25: enough for one process */
    k->gen[0].sealed = TICKET_SEALS_SHARE;
    assert_int_equal(ticket_seal(k, s, NOW, &out), ERR_LIMIT);
    assert_int_equal(buf_len(&out), 0);
    assert_int_equal(opened_buf(k, &b, NOW), 0); /* it still opens */
    assert_int_equal(ticket_seal(k, s, NOW + LIFE / 2, &out), 0);
    buf_free(&out);
    /* A clock that jumps costs so many steps, and no more. */
    assert_int_equal(ticket_seal(k, s, NOW + (int64_t)(TICKET_STEPS_MAX + 9) * (LIFE / 2), &out),
                     ERR_LIMIT);
    assert_int_equal(ticket_seal(k, s, NOW + (int64_t)(TICKET_STEPS_MAX - 9) * (LIFE / 2), &out),
                     0);
    buf_free(&out);
    /* Set back, it stays with the key that it had. */
    assert_int_equal(ticket_seal(k, s, NOW, &out), 0);
    assert_memory_equal(buf_data(&out), k->gen[0].name, TICKET_NAME);
    buf_free(&out);
    buf_free(&b);
    session_unref(s);
    ticket_keys_unref(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_for_ever, hooked, unhooked),
        cmocka_unit_test_setup_teardown(threat_26_turned, hooked, unhooked),
        cmocka_unit_test_setup_teardown(instead_of_others, hooked, unhooked),
        cmocka_unit_test_setup_teardown(limits, hooked, unhooked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
