/* SPDX-License-Identifier: ISC */
/* Records that are too large, out of place, forged, empty, or none at all. */
#include "tests/handshake/pair.h"

static uint8_t wire[WIRE_MAX], data[WIRE_MAX], copy[WIRE_MAX];

static void threat_07_record_limits(void **state)
{
    static const struct {
        size_t n, pad;
        bool good;
    } rows[] = { { 16383, 0, true },  { 16384, 0, true },  { 16385, 0, false },
                 { 16383, 1, true },  { 16383, 2, false }, { 0, 16384, true },
                 { 0, 16385, false }, { 1, 16383, true },  { 16623, 0, false } };

    (void)state;
    for (size_t k = 0; k < 2 * sizeof rows / sizeof *rows; k++) {
        size_t i = k / 2;
        struct pair *p = pair_connected(NULL);
        struct hand h = hand_new(p, k & 1 ? SECRET_SA : SECRET_CA, true);
        struct end *to = k & 1 ? &p->c : &p->s;

        end_give(to, wire, hand_seal(&h, CT_APPLICATION_DATA, data, rows[i].n, rows[i].pad, wire));
        if (rows[i].good) {
            assert_int_equal(to->rc, 0);
            assert_int_equal(to->ngot, rows[i].n);
        } else {
            assert_refused(to, ALERT_RECORD_OVERFLOW);
        }
        hand_free(&h);
        pair_free(p);
    }
}

/* The header alone decides, before a byte of the record is there. */
static void threat_07_header_limits(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) { /* no keys, those of TLS 1.3, of TLS 1.2; each side */
        struct pair_params q = { .server_max = i / 2 == 2 ? TLS_1_2 : TLS_1_3 };
        size_t max = (const size_t[]){ REC_PLAIN_MAX, REC_SEALED_MAX, REC_SEALED12_MAX }[i / 2];

        for (size_t len = max - 1; len <= max + 1; len++) {
            struct pair *p = i / 2 ? pair_connected(&q) : pair_new(NULL);
            struct end *to = i & 1 ? &p->c : &p->s;
            uint8_t head[] = { i / 2 ? 23 : 22, 3, 3, (uint8_t)(len >> 8), (uint8_t)len };

            end_give(to, head, sizeof head);
            if (len <= max) {
                assert_int_equal(to->rc, 0);
            } else {
                assert_refused(to, ALERT_RECORD_OVERFLOW);
            }
            pair_free(p);
        }
    }
}

static void test_too_short_to_be_sealed(void **state)
{
    (void)state;
    for (size_t n = 0; n <= AEAD_TAG + 1; n++) {
        struct pair *p = pair_connected(NULL);

        give_clear(&p->s, CT_APPLICATION_DATA, data, n);
        assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
        pair_free(p);
    }
}

/* Both hellos are said and read: the version is known. */
static struct pair *with_hellos(bool server)
{
    struct pair *p = pair_new(NULL);

    end_give(&p->s, wire, end_take(&p->c, wire));
    if (!server) {
        (void)end_take(&p->s, wire);
        end_give(&p->c, wire, REC_HEADER + ((size_t)wire[3] << 8 | wire[4]));
    }
    return p;
}

static void threat_01_change_cipher_spec(void **state)
{
    static const struct {
        const char *body;
        size_t n;
    } wrong[] = { { "\x00", 1 }, { "\x02", 1 }, { "\x01\x01", 2 }, { "", 0 } };
    struct pair *p = pair_new(NULL);
    struct hand h;

    (void)state;
    give_clear(&p->s, CT_CHANGE_CIPHER_SPEC, "\x01", 1); /* before ClientHello */
    assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
    pair_free(p);
    for (unsigned max = TLS_1_2; max <= TLS_1_3; max++) { /* before ServerHello */
        p = pair_new(&(struct pair_params){ .client_max = max });
        give_clear(&p->c, CT_CHANGE_CIPHER_SPEC, "\x01", 1);
        if (max == TLS_1_2) {
            assert_refused(&p->c, ALERT_UNEXPECTED_MESSAGE);
        } else {
            pair_run(p, WIRE_MAX);
            assert_int_equal(p->c.done, 1);
        }
        pair_free(p);
    }
    for (int server = 0; server < 2; server++) {
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            p = with_hellos(server);
            give_clear(server ? &p->s : &p->c, CT_CHANGE_CIPHER_SPEC, wrong[i].body, wrong[i].n);
            assert_refused(server ? &p->s : &p->c, ALERT_UNEXPECTED_MESSAGE);
            pair_free(p);
        }
        p = with_hellos(server);
        for (int i = 0; i < 33; i++) { /* threat 30 */
            assert_int_equal(server ? p->s.rc : p->c.rc, 0);
            give_clear(server ? &p->s : &p->c, CT_CHANGE_CIPHER_SPEC, "\x01", 1);
        }
        assert_refused(server ? &p->s : &p->c, ALERT_UNEXPECTED_MESSAGE);
        pair_free(p);
        p = pair_connected(NULL);
        give_clear(server ? &p->s : &p->c, CT_CHANGE_CIPHER_SPEC, "\x01", 1);
        assert_refused(server ? &p->s : &p->c, ALERT_UNEXPECTED_MESSAGE);
        pair_free(p);
    }
    p = pair_connected(NULL);
    h = hand_new(p, SECRET_CA, true);
    hand_give(&h, &p->s, CT_CHANGE_CIPHER_SPEC, "\x01", 1);
    assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
    hand_free(&h);
    pair_free(p);
}

static void threat_08_bytes_behind(void **state)
{
    struct pair *p = pair_new(NULL);
    struct hand h, open;
    size_t n, clear;

    (void)state;
    n = end_take(&p->c, wire);
    wire[n] = 11;
    give_clear(&p->s, CT_HANDSHAKE, wire + REC_HEADER, n - REC_HEADER + 1);
    assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
    pair_free(p);
    for (int retry = 0; retry < 2; retry++) { /* ServerHello, HelloRetryRequest */
        p = pair_new(&(struct pair_params){ .client_groups = { 29, 23 },
                                            .server_groups = { retry ? 23 : 29 } });
        end_give(&p->s, wire, end_take(&p->c, wire));
        n = flight_open(NULL, wire, end_take(&p->s, wire), copy, &clear);
        copy[n] = 8;
        give_clear(&p->c, CT_HANDSHAKE, copy, n + 1);
        assert_refused(&p->c, ALERT_UNEXPECTED_MESSAGE);
        pair_free(p);
    }
    for (int server = 0; server < 2; server++) { /* Finished */
        struct end *to;

        p = pair_new(NULL);
        to = server ? &p->s : &p->c;
        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        open = hand_new(p, server ? SECRET_CH : SECRET_SH, false);
        h = hand_new(p, server ? SECRET_CH : SECRET_SH, true);
        if (server) {
            end_give(&p->c, wire, n);
            n = end_take(&p->c, wire);
        }
        n = flight_open(&open, wire, n, copy, &clear);
        if (clear) {
            give_clear(to, CT_HANDSHAKE, copy, clear);
        }
        copy[n] = 4;
        hand_give(&h, to, CT_HANDSHAKE, copy + clear, n - clear + 1);
        assert_refused(to, ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(to->done, 0);
        hand_free(&h);
        hand_free(&open);
        pair_free(p);
        p = pair_connected(NULL); /* KeyUpdate */
        to = server ? &p->s : &p->c;
        h = hand_new(p, server ? SECRET_CA : SECRET_SA, true);
        hand_give(&h, to, CT_HANDSHAKE, "\x18\0\0\1\0\x18", 6);
        assert_refused(to, ALERT_UNEXPECTED_MESSAGE);
        hand_free(&h);
        pair_free(p);
    }
}

static void threat_09_inside_a_message(void **state)
{
    (void)state;
    for (uint8_t type = 20; type <= 23; type++) {
        struct pair *p = pair_connected(NULL);
        struct hand h = hand_new(p, SECRET_CA, true);

        hand_give(&h, &p->s, CT_HANDSHAKE, "\x18\0", 2);
        assert_int_equal(p->s.rc, 0);
        if (type == CT_HANDSHAKE) {
            hand_give(&h, &p->s, type, "\0\1\0", 3);
            assert_int_equal(p->s.rc, 0);
        } else {
            hand_give(&h, &p->s, type, "\1\0", 2);
            assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
        }
        hand_free(&h);
        pair_free(p);
        p = pair_new(NULL);
        (void)end_take(&p->c, wire);
        give_clear(&p->s, CT_HANDSHAKE, wire + REC_HEADER, 20);
        give_clear(&p->s, type, type == CT_HANDSHAKE ? wire + REC_HEADER + 20 : data, 1);
        if (type == CT_HANDSHAKE) {
            assert_int_equal(p->s.rc, 0);
        } else {
            assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
        }
        pair_free(p);
    }
}

/* 32 in a row are endured, the next is not; data between them starts the count again. */
static void threat_30_floods(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct pair *p = pair_connected(NULL);
        struct hand h = hand_new(p, kind == 3 ? SECRET_SA : SECRET_CA, true);
        struct end *to = kind == 3 ? &p->c : &p->s;

        for (int i = 0; i < 65; i++) {
            assert_int_equal(to->rc, 0);
            if (i == 32) {
                hand_give(&h, to, CT_APPLICATION_DATA, "x", 1);
                assert_int_equal(to->ngot, 1);
            }
            switch (kind) {
            case 0:
                hand_give(&h, to, CT_APPLICATION_DATA, "", 0);
                break;
            case 1:
                hand_give(&h, to, CT_HANDSHAKE, "\x18\0\0\1\1", 5);
                hand_next(&h);
                break;
            case 2:
                hand_give(&h, to, CT_ALERT, "\1\x5a", 2);
                break;
            default: /* NewSessionTicket */
                hand_give(&h, to, CT_HANDSHAKE, "\4\0\0\xe\0\0\0\1\0\0\0\0\0\0\1t\0\0", 18);
            }
        }
        assert_refused(to, ALERT_UNEXPECTED_MESSAGE);
        hand_free(&h);
        pair_free(p);
    }
}

/* Many requests, one answer. */
static void threat_30_one_answer(void **state)
{
    struct pair *p = pair_connected(NULL);
    struct hand h = hand_new(p, SECRET_CA, true);

    (void)state;
    for (int i = 0; i < 20; i++) {
        hand_give(&h, &p->s, CT_HANDSHAKE, "\x18\0\0\1\1", 5);
        hand_next(&h);
    }
    assert_int_equal(end_take(&p->s, wire), REC_HEADER + 5 + 1 + AEAD_TAG);
    hand_free(&h);
    pair_free(p);
}

static void test_forged_bits(void **state)
{
    size_t n = 30;

    (void)state;
    for (size_t bit = 0; bit < 8 * n; bit++) {
        struct pair *p = pair_connected(NULL);

        n = end_seal(&p->c, "secret", 6, wire);
        wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        end_give(&p->s, wire, n);
        if (bit / 8 == 1 || bit / 8 == 2) { /* the version is to be ignored (section 5.1) */
            assert_int_equal(p->s.ngot, 6);
        } else {
            assert_int_equal(p->s.ngot, 0);
            assert_true(p->s.rc < 0 || bit / 8 == 3 || bit / 8 == 4);
            assert_true(bit / 8 < 5 || p->s.rc == TLS_ALERT(ALERT_BAD_RECORD_MAC));
        }
        pair_free(p);
    }
}

static void test_content_types(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) { /* 0: nothing but zeros inside */
        struct pair *p = pair_connected(NULL);
        struct hand h = hand_new(p, SECRET_CA, true);

        if (type < 20 || type > 23) {
            end_give(&p->s, wire,
                     hand_seal(&h, (uint8_t)type, data, type ? 5 : 0, type ? 0 : 100, wire));
            assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
        }
        hand_free(&h);
        pair_free(p);
        p = pair_new(NULL);
        if (type != 22) {
            give_clear(&p->s, (uint8_t)type, "\2\x28", 2);
            assert_true(p->s.rc < 0 && p->s.done == 0);
        }
        pair_free(p);
    }
}

static void test_padding(void **state)
{
    struct pair *p = pair_connected(NULL);
    struct hand h = hand_new(p, SECRET_CA, true);

    (void)state;
    memset(data, 0, 100); /* content that ends in zeros keeps them */
    for (size_t pad = 0; pad < 300; pad += 13) {
        p->s.ngot = 0;
        end_give(&p->s, wire, hand_seal(&h, CT_APPLICATION_DATA, data, 100, pad, wire));
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(p->s.ngot, 100);
        assert_memory_equal(p->s.got, data, 100);
    }
    hand_free(&h);
    pair_free(p);
}

static void threat_17_not_tls(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        unsigned alert;
    } rows[] = {
        { "G", 1, ALERT_UNEXPECTED_MESSAGE },
        { "GET / HTTP/1.0\r\n\r\n", 18, ALERT_UNEXPECTED_MESSAGE },
        { "\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", 11, ALERT_UNEXPECTED_MESSAGE },
        { "\0\0\0\0\0", 5, ALERT_UNEXPECTED_MESSAGE },
        { "\xff\xff\xff\xff\xff", 5, ALERT_UNEXPECTED_MESSAGE },
        { "\x16\x02\x00\x00\x05", 5, ALERT_PROTOCOL_VERSION },
        { "\x16\x03\x03\x00\x00", 5, ALERT_UNEXPECTED_MESSAGE }, /* empty handshake record */
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        struct pair *p = pair_new(NULL);
        struct end *e = i & 1 ? &p->s : &p->c;

        end_give(e, rows[i / 2].bytes, rows[i / 2].n);
        assert_refused(e, rows[i / 2].alert);
        pair_free(p);
    }
}

/* Hellos that end too early, with lengths that agree. */
static void test_truncated_hellos(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        size_t full = 1;

        for (size_t n = 0; n < full; n++) {
            struct pair *p = pair_new(NULL);
            struct end *e = server ? &p->s : &p->c;
            size_t sent = end_take(&p->c, wire), clear, bare;

            if (!server) {
                end_give(&p->s, wire, sent);
                sent = end_take(&p->s, wire);
            }
            full = flight_open(NULL, wire, sent, copy, &clear) - HS_HEADER;
            bare = server ? 2 + 32 + 33 : 2 + 32 + 33 + 3; /* where extensions begin */
            if (server) {
                bare += 2 + ((size_t)copy[HS_HEADER + bare] << 8 | copy[HS_HEADER + bare + 1]) + 2;
            }
            copy[2] = (uint8_t)(n >> 8);
            copy[3] = (uint8_t)n;
            give_clear(e, CT_HANDSHAKE, copy, HS_HEADER + n);
            if (server) { /* without extensions it is one of TLS 1.2, without schemes */
                assert_refused(e, n == bare ? ALERT_HANDSHAKE_FAILURE : ALERT_DECODE_ERROR);
            } else { /* of TLS 1.2, but the suite is not */
                assert_refused(e, n >= bare ? ALERT_ILLEGAL_PARAMETER : ALERT_DECODE_ERROR);
            }
            pair_free(p);
        }
        assert_true(full > 80);
    }
}

/* Every byte of the first two flights changed: who reads it never connects. */
static void test_flipped_flights(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        size_t n = 1;

        for (size_t i = 0; i < n; i++) {
            struct pair *p = pair_new(NULL);
            struct end *e = server ? &p->s : &p->c;
            bool ignored = false; /* version in a record's header, at first only the minor one */

            n = end_take(&p->c, wire);
            if (!server) {
                end_give(&p->s, wire, n);
                n = end_take(&p->s, wire);
            }
            for (size_t at = 0; at < n;
                 at += REC_HEADER + ((size_t)wire[at + 3] << 8 | wire[at + 4])) {
                ignored |= at + 2 == i || (at && at + 1 == i);
            }
            wire[i < n ? i : n - 1] ^= (uint8_t)(1 << i % 8);
            end_give(e, wire, n);
            pair_run(p, WIRE_MAX);
            assert_int_equal(e->done, ignored);
            assert_true(ignored || !tls_connected(e->t));
            pair_free(p);
        }
        assert_true(n > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_07_record_limits),
        cmocka_unit_test(threat_07_header_limits),
        cmocka_unit_test(test_too_short_to_be_sealed),
        cmocka_unit_test(threat_01_change_cipher_spec),
        cmocka_unit_test(threat_08_bytes_behind),
        cmocka_unit_test(threat_09_inside_a_message),
        cmocka_unit_test(threat_30_floods),
        cmocka_unit_test(threat_30_one_answer),
        cmocka_unit_test(test_forged_bits),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(threat_17_not_tls),
        cmocka_unit_test(test_truncated_hellos),
        cmocka_unit_test(test_flipped_flights),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
