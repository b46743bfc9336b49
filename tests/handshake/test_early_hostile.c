/* SPDX-License-Identifier: ISC */
/* Early data with a peer that does not keep to RFC 8446, client and server, and alerts meanwhile.
 */
#include "tests/handshake/early.h"

static uint8_t messages[WIRE_MAX], flight[WIRE_MAX];

/* ---- EndOfEarlyData ---- */
static const uint8_t eoed[] = { HS_END_OF_EARLY_DATA, 0, 0, 0 };

enum give {
    GIVE_RIGHT,      /* as it should be */
    GIVE_PIECES,     /* a byte in each record */
    GIVE_NONE,       /* Finished under the early keys */
    GIVE_NONE_KEYS,  /* Finished under its own keys */
    GIVE_TWICE,      /* ... under the keys behind it */
    GIVE_TWO,        /* ... in one record */
    GIVE_FINISHED,   /* with Finished in its record (threat 8) */
    GIVE_A_BYTE,     /* with the beginning of Finished */
    GIVE_BODY,       /* it has one */
    GIVE_DATA,       /* data under the early keys behind it */
    GIVE_DATA_KEYS,  /* data under the keys of the handshake behind it */
    GIVE_BETWEEN,    /* data inside of it (threat 9) */
    GIVE_KEY_UPDATE, /* in the place of it (section 4.6.3) */
    GIVE_CASES
};

static const int give_alert[GIVE_CASES] = {
    [GIVE_NONE] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_NONE_KEYS] = ALERT_BAD_RECORD_MAC,
    [GIVE_TWICE] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_TWO] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_FINISHED] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_A_BYTE] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_BODY] = ALERT_DECODE_ERROR,
    [GIVE_DATA] = ALERT_BAD_RECORD_MAC,
    [GIVE_DATA_KEYS] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_BETWEEN] = ALERT_UNEXPECTED_MESSAGE,
    [GIVE_KEY_UPDATE] = ALERT_UNEXPECTED_MESSAGE,
};

/* finished: the client's, whole. */
static void give(enum give what, struct hand *early, struct hand *late, struct end *e,
                 const uint8_t *finished)
{
    size_t n = message_size(finished);
    uint8_t m[200];

    memcpy(m, eoed, sizeof eoed);
    memcpy(m + sizeof eoed, finished, n);
    switch (what) {
    case GIVE_PIECES:
        for (size_t i = 0; i < sizeof eoed; i++) {
            hand_give(early, e, CT_HANDSHAKE, eoed + i, 1);
        }
        break;
    case GIVE_NONE:
        hand_give(early, e, CT_HANDSHAKE, finished, n);
        return;
    case GIVE_NONE_KEYS:
        break;
    case GIVE_TWO:
        memcpy(m + sizeof eoed, eoed, sizeof eoed);
        hand_give(early, e, CT_HANDSHAKE, m, 2 * sizeof eoed);
        return;
    case GIVE_FINISHED:
    case GIVE_A_BYTE:
        hand_give(early, e, CT_HANDSHAKE, m, sizeof eoed + (what == GIVE_A_BYTE ? 1 : n));
        break;
    case GIVE_BODY:
        hand_give(early, e, CT_HANDSHAKE, "\5\0\0\1", 5);
        return;
    case GIVE_BETWEEN:
        hand_give(early, e, CT_HANDSHAKE, eoed, 2);
        hand_give(early, e, CT_APPLICATION_DATA, "x", 1);
        return;
    case GIVE_KEY_UPDATE:
        hand_give(early, e, CT_HANDSHAKE, "\30\0\0\1", 5);
        return;
    default:
        hand_give(early, e, CT_HANDSHAKE, eoed, sizeof eoed);
        break;
    }
    if (what == GIVE_TWICE) {
        hand_give(late, e, CT_HANDSHAKE, eoed, sizeof eoed);
    } else if (what == GIVE_DATA || what == GIVE_DATA_KEYS) {
        hand_give(what == GIVE_DATA ? early : late, e, CT_APPLICATION_DATA, "x", 1);
    }
    if (e->rc == 0) {
        hand_give(late, e, CT_HANDSHAKE, finished, n);
    }
}

static void threat_08_end_of_early_data(void **state)
{
    struct pair_params q = ready();

    (void)state;
    for (unsigned what = 0; what < GIVE_CASES; what++) {
        struct pair *p = early_given(&q, 0);
        struct hand early, late, open;
        size_t n, clear;

        end_give(&p->c, flight, end_take(&p->s, flight));
        assert_int_equal(p->c.done, 1);
        open = hand_new(p, SECRET_CE, false);
        n = end_take(&p->c, flight);
        n -= REC_HEADER + sizeof eoed + 1 + AEAD_TAG; /* the first record */
        assert_int_equal(
            flight_open(&open, flight, REC_HEADER + sizeof eoed + 1 + AEAD_TAG, messages, &clear),
            sizeof eoed);
        assert_memory_equal(messages, eoed, sizeof eoed);
        hand_free(&open);
        open = hand_new(p, SECRET_CH, false);
        n = flight_open(&open, flight + REC_HEADER + sizeof eoed + 1 + AEAD_TAG, n, messages,
                        &clear);
        assert_int_equal(n, message_size(messages));
        assert_int_equal(messages[0], HS_FINISHED);
        early = hand_new(p, SECRET_CE, true);
        late = hand_new(p, SECRET_CH, true);
        hand_give(&early, &p->s, CT_APPLICATION_DATA, "early", 5);
        give((enum give)what, &early, &late, &p->s, messages);
        if (give_alert[what]) {
            assert_refused(&p->s, give_alert[what]);
            assert_int_equal(p->s.done, 0);
        } else {
            assert_true(p->s.rc == 0 && p->s.done == 1);
        }
        assert_int_equal(p->s.nearly, 5);
        hand_free(&open);
        hand_free(&early);
        hand_free(&late);
        pair_free(p);
    }
    session_unref(q.resume);
}

static void test_end_of_what_was_rejected(void **state)
{
    struct pair_params q = ready();
    struct pair *p;
    struct hand h;

    (void)state;
    q.max_early = 0;
    p = early_given(&q, 10);
    h = hand_new(p, SECRET_CH, true);
    hand_give(&h, &p->s, CT_HANDSHAKE, eoed, sizeof eoed);
    assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
    hand_free(&h);
    pair_free(p);
    session_unref(q.resume);
}

/* Section 4.2.10: where it is accepted, every record of it must open. */
static void threat_39_accepted_must_open(void **state)
{
    struct pair_params q = ready();

    (void)state;
    for (size_t at = 0; at < 100 + 1 + AEAD_TAG; at++) {
        struct pair *p = early_given(&q, 10);
        size_t n = early_seal(&p->c, text, 100, wire);

        assert_int_equal(n, REC_HEADER + 100 + 1 + AEAD_TAG);
        wire[REC_HEADER + at] ^= 1;
        end_give(&p->s, wire, n);
        assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
        assert_int_equal(p->s.nearly, 10);
        pair_free(p);
    }
    session_unref(q.resume);
}

/* ---- what a server skips ---- */
static void give_garbage(struct end *e, size_t total)
{
    static uint8_t record[REC_HEADER + REC_SEALED_MAX];

    while (total) {
        size_t n = total < REC_SEALED_MAX ? total : REC_SEALED_MAX;

        memset(record, 0x5a, sizeof record);
        memcpy(record, (uint8_t[]){ 23, 3, 3, (uint8_t)(n >> 8), (uint8_t)n }, REC_HEADER);
        end_give(e, record, REC_HEADER + n);
        total -= n;
    }
}

/* 16 KiB, or what today's setting or the ticket allows, an eighth of it and 2048. */
static void threat_33_skips_no_more(void **state)
{
    static const uint32_t max[] = { 0, 1000, 16384, 16392, 100000 };

    (void)state;
    for (size_t i = 0; i < 5 * 2 * 3 * 2; i++) {
        bool retry = i % 2, now = i / 2 % 2;
        size_t over = i / 4 % 3; /* 0: one less than the limit */
        struct pair_params q = early_params();
        uint32_t m = max[i / 12];
        size_t limit = m > 16384 ? m : 16384;
        struct pair *p;

        q.max_early = m;
        q.resume = first(&q);
        q.resume->max_early = 1;   /* so that the client says early_data in any case */
        q.max_early = now ? m : 0; /* it is the setting, or only the ticket that says so */
        q.client_groups[0] = 29;
        q.client_groups[1] = q.server_groups[0] = 23;
        q.server_groups[1] = retry ? 0 : 29;
        q.tickets = now ? ticket_keys_new(LIFE * 1000) : keys; /* others: cannot be resumed */
        p = early_given(&q, 0);
        assert_int_equal(info_of(&p->s).early, TLS_EARLY_REJECTED);
        limit += limit / 8 + 2048;
        give_garbage(&p->s, limit - 1 + over);
        if (over == 2) {
            assert_refused(&p->s, retry ? ALERT_UNEXPECTED_MESSAGE : ALERT_BAD_RECORD_MAC);
        } else {
            early_finish(p);
        }
        assert_int_equal(p->s.nearly, 0);
        pair_free(p);
        session_unref(q.resume);
        if (now) {
            ticket_keys_unref(q.tickets);
        }
    }
}

/* Once the client's next message is there, all of it has come. */
static void threat_33_skips_no_longer(void **state)
{
    (void)state;
    for (int retry = 0; retry < 2; retry++) {
        struct pair_params q = ready();
        struct pair *p;

        q.max_early = 0;
        q.client_groups[0] = 29;
        q.client_groups[1] = q.server_groups[0] = 23;
        q.server_groups[1] = retry ? 0 : 29;
        p = early_given(&q, 100);
        end_give(&p->c, wire, end_take(&p->s, wire));
        give_garbage(&p->s, 100);
        assert_int_equal(p->s.rc, 0);
        end_give(&p->s, wire, end_take(&p->c, wire)); /* ClientHello, or Finished */
        assert_int_equal(p->s.rc, 0);
        give_garbage(&p->s, 100);
        assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
        pair_free(p);
        session_unref(q.resume);
    }
}

/* A client that offers none has nothing to be skipped. */
static void test_nothing_to_skip(void **state)
{
    struct pair_params q = early_params();
    struct pair *p;

    (void)state;
    p = pair_new(&q);
    end_give(&p->s, wire, end_take(&p->c, wire));
    give_garbage(&p->s, 100);
    assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
    pair_free(p);
}

/* threat 34; section 4.2.10: not in a second ClientHello. */
static void threat_34_offered_again(void **state)
{
    struct pair_params q = ready();

    (void)state;
    q.client_groups[0] = 29;
    q.client_groups[1] = q.server_groups[0] = 23;
    for (int again = 0; again < 2; again++) {
        struct pair *p = early_given(&q, 10);
        uint8_t *hello = flight + REC_HEADER, *at, *block;
        size_t n, block_n;

        end_give(&p->c, wire, end_take(&p->s, wire));
        assert_int_equal(info_of(&p->c).early, TLS_EARLY_REJECTED);
        assert_int_equal(tls_early_room(p->c.t), 0);
        n = end_take(&p->c, flight);
        assert_int_equal(flight[0], CT_HANDSHAKE);
        assert_int_equal(n, REC_HEADER + message_size(hello)); /* no second change_cipher_spec */
        n -= REC_HEADER;
        block = hello + HS_HEADER + 2 + RANDOM_SIZE;
        block += 1 + block[0];
        block += 2 + (block[0] << 8 | block[1]);
        block += 1 + block[0];
        block_n = (size_t)block[0] << 8 | block[1];
        assert_ptr_equal(block + 2 + block_n, hello + n);
        for (at = block + 2; at < hello + n; at += 4 + (at[2] << 8 | at[3])) {
            assert_false(at[0] == 0 && at[1] == EXT_EARLY_DATA);
        }
        if (again) {
            memmove(block + 6, block + 2, block_n);
            memcpy(block + 2, (uint8_t[]){ 0, EXT_EARLY_DATA, 0, 0 }, 4);
            n += 4;
            block[0] = (uint8_t)((block_n + 4) >> 8);
            block[1] = (uint8_t)(block_n + 4);
            hello[2] = (uint8_t)((n - HS_HEADER) >> 8);
            hello[3] = (uint8_t)(n - HS_HEADER);
            give_clear(&p->s, CT_HANDSHAKE, hello, n);
            assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        } else {
            give_clear(&p->s, CT_HANDSHAKE, hello, n);
            early_finish(p);
            early_is(p, TLS_EARLY_REJECTED, TLS_EARLY_RETRY);
        }
        pair_free(p);
    }
    session_unref(q.resume);
}

/* A key that nobody knows, before the session in the hello: the binder of the second is made anew.
 * Returns the new size. */
static size_t put_first(uint8_t *hello, size_t n, const struct tls_session *s)
{
    enum { ID = 2 + 32 + 4, MAC = 1 + 32 };
    uint8_t *block = hello + HS_HEADER + 2 + RANDOM_SIZE, *psk, at[HASH_MAX], mac[HASH_MAX];
    size_t ids;

    block += 1 + block[0];
    block += 2 + get16(block);
    block += 1 + block[0];
    for (psk = block + 2; psk + 4 + get16(psk + 2) < hello + n;) {
        psk += 4 + get16(psk + 2);
    }
    assert_int_equal(get16(psk), EXT_PRE_SHARED_KEY);
    ids = get16(psk + 4);
    memmove(psk + 6 + ID, psk + 6, ids);
    memset(psk + 6, 7, ID);
    put16(psk + 6, 32);
    put16(psk + 4, ids + ID);
    put16(psk + 6 + ID + ids, 2 * MAC);
    memset(psk + 8 + ID + ids, 32, 2 * MAC);
    put16(psk + 2, 2 + ids + ID + 2 + 2 * MAC);
    put16(block, get16(block) + ID + MAC);
    n += ID + MAC;
    put16(hello + 2, n - HS_HEADER);
    assert_int_equal(hash_once(HASH_SHA256, hello, n - 2 - 2 * MAC, at), 0);
    assert_int_equal(
        schedule13_binder(HASH_SHA256, span_of(s->secret, s->secret_len), "res binder", at, mac),
        0);
    memcpy(hello + n - 32, mac, 32);
    return n;
}

static unsigned asked;

static bool counts(void *ctx, struct span binder, int64_t now_ms)
{
    (void)ctx;
    asked++;
    return binder.n == 32 && now_ms;
}

/* Section 8.2: what is remembered is a binder that was found right. */
static void threat_33_binder_before_the_store(void **state)
{
    struct pair_params q = ready();

    (void)state;
    q.suite = 0x1301;
    another_session(&q);
    q.on_replay = counts;
    for (size_t at = 0; at <= 32; at++) { /* 32: none of it is wrong */
        struct pair *p = pair_new(&q);
        size_t n;

        (void)end_take(&p->c, flight);
        n = message_size(flight + REC_HEADER);
        flight[REC_HEADER + n - 32 + at] ^= 1;
        asked = 0;
        give_clear(&p->s, CT_HANDSHAKE, flight + REC_HEADER, n);
        assert_int_equal(asked, at == 32);
        assert_int_equal(p->s.rc, at == 32 ? 0 : TLS_ALERT(ALERT_DECRYPT_ERROR));
        pair_free(p);
    }
    session_unref(q.resume);
}

/* Section 4.2.10: only under the first key of the list. */
static void threat_33_not_the_first_key(void **state)
{
    struct pair_params q = early_params();

    (void)state;
    q.suite = 0x1301;
    q.resume = first(&q);
    for (int change = 0; change < 2; change++) {
        struct pair *p = pair_new(&q);
        size_t n;

        (void)end_take(&p->c, flight);
        n = message_size(flight + REC_HEADER);
        n = change ? put_first(flight + REC_HEADER, n, q.resume) : n;
        give_clear(&p->s, CT_HANDSHAKE, flight + REC_HEADER, n);
        assert_int_equal(p->s.rc, 0);
        assert_true(resumed(&p->s));
        assert_int_equal(info_of(&p->s).early, change ? TLS_EARLY_REJECTED : TLS_EARLY_ACCEPTED);
        assert_int_equal(info_of(&p->s).early_why, change ? TLS_EARLY_NO_SESSION : TLS_EARLY_FINE);
        pair_free(p);
    }
    session_unref(q.resume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_08_end_of_early_data),
        cmocka_unit_test(test_end_of_what_was_rejected),
        cmocka_unit_test(threat_39_accepted_must_open),
        cmocka_unit_test(threat_33_skips_no_more),
        cmocka_unit_test(threat_33_skips_no_longer),
        cmocka_unit_test(test_nothing_to_skip),
        cmocka_unit_test(threat_34_offered_again),
        cmocka_unit_test(threat_33_binder_before_the_store),
        cmocka_unit_test(threat_33_not_the_first_key),
    };

    return cmocka_run_group_tests(tests, early_make, resume_drop);
}
