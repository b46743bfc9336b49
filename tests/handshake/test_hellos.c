/* SPDX-License-Identifier: ISC */
/* Hellos changed on their way: which version comes of it, whether renegotiation will be safe, and
 * what a second ClientHello may differ in (threats 15, 22, 34). */
#include "tests/handshake/pair12.h"

static uint8_t wire[WIRE_MAX];

/* Offsets in a record with a hello. */
#define AT_VERSION (REC_HEADER + HS_HEADER)
#define AT_RANDOM  (AT_VERSION + 2)
#define AT_SESSION (AT_RANDOM + RANDOM_SIZE)

static const uint8_t both[] = { 0, 43, 0, 5, 4, 3, 4, 3, 3 };

static int sentinel(const uint8_t *flight)
{
    const uint8_t *tail = flight + AT_RANDOM + RANDOM_SIZE - 8;

    return memcmp(tail, "DOWNGRD", 7) == 0 ? tail[7] : -1;
}

/* The server's first flight, the client's hello having had its supported_versions hidden. */
static size_t server_flight(struct pair *p, bool hide)
{
    size_t n = end_take(&p->c, wire);

    if (hide) {
        wire_find(wire, n, both, sizeof both)[0] = 0xfa;
    }
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.rc, 0);
    return end_take(&p->s, wire);
}

static void threat_22_sentinel(void **state)
{
    static const struct {
        unsigned client_max, server_max;
        bool hide;
        int want; /* what the random ends with */
    } rows[] = { { 0, 0, false, -1 },
                 { 0, 0, true, 1 },
                 { TLS_1_2, 0, false, 1 },
                 { 0, TLS_1_2, false, -1 },
                 { TLS_1_2, TLS_1_2, false, -1 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_params q = { .client_max = rows[i].client_max,
                                 .server_max = rows[i].server_max };
        struct pair *p = pair_new(&q);
        size_t n = server_flight(p, rows[i].hide);

        assert_int_equal(sentinel(wire), rows[i].want);
        end_give(&p->c, wire, n);
        if (rows[i].hide) {
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        } else {
            pair_run(p, WIRE_MAX);
            assert_true(p->c.done == 1 && p->s.done == 1);
        }
        pair_free(p);
    }
}

/* A server that could do no better than TLS 1.1 says so with a zero; to us it is the same lie. */
static void threat_22_sentinel_of_older(void **state)
{
    (void)state;
    for (uint8_t last = 0; last < 4; last++) {
        struct pair_params q = { .server_max = TLS_1_2 };
        struct pair *p = pair_new(&q);
        size_t n = server_flight(p, false);

        memcpy(wire + AT_RANDOM + 24, "DOWNGRD", 7);
        wire[AT_RANDOM + 31] = last;
        end_give(&p->c, wire, n);
        /* Else it is no sentinel, but the signature is over another random. */
        assert_refused(&p->c, last < 2 ? ALERT_ILLEGAL_PARAMETER : ALERT_DECRYPT_ERROR);
        pair_free(p);
    }
}

/* With the sentinel wiped away too, something that is signed or hashed has changed. */
static void threat_22_sentinel_taken_away(void **state)
{
    (void)state;
    for (int kx = 0; kx < 2; kx++) {
        struct pair_params q = { .client_suites = { 0x1301, kx ? SUITE_RSA_KX : SUITE_RSA_GCM },
                                 .server_suites = { 0x1301, kx ? SUITE_RSA_KX : SUITE_RSA_GCM },
                                 .id = ID_RSA };
        struct pair *p = pair_new(&q);
        size_t n = server_flight(p, true);

        memset(wire + AT_RANDOM + 24, 7, 8);
        end_give(&p->c, wire, n);
        pair_run(p, WIRE_MAX);
        assert_true(p->c.done == 0 && p->s.done == 0);
        assert_true(p->c.rc < 0 && p->s.rc < 0);
        if (kx == 0) {
            assert_refused(&p->c, ALERT_DECRYPT_ERROR);
        }
        pair_free(p);
    }
}

/* RFC 7507. */
static void threat_22_fallback(void **state)
{
    static const struct {
        unsigned client_max, server_max;
        bool refused;
    } rows[] = {
        { TLS_1_2, 0, true }, { TLS_1_2, TLS_1_2, false }, { 0, 0, false }, { 0, TLS_1_2, false }
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_params q = { .client_max = rows[i].client_max,
                                 .server_max = rows[i].server_max,
                                 .fallback = true };
        struct pair *p = pair_new(&q);
        uint8_t *at;
        size_t n;

        pair_run(p, WIRE_MAX);
        if (rows[i].refused) {
            assert_refused(&p->s, ALERT_INAPPROPRIATE_FALLBACK);
            assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_INAPPROPRIATE_FALLBACK);
            pair_free(p);
            p = pair_new(&q); /* taken out on its way: the hellos differ */
            n = end_take(&p->c, wire);
            at = wire_find(wire, n, "\x56\0\1", 3);
            at[0] = 0xfa;
            end_give(&p->s, wire, n);
            assert_int_equal(p->s.rc, 0);
            pair_run(p, WIRE_MAX);
            assert_true(p->c.done == 0 && p->s.done == 0);
        } else {
            assert_true(p->c.done == 1 && p->s.done == 1);
        }
        pair_free(p);
    }
}

/* What a hello says its version is, without and with the extension that counts. */
static void threat_22_versions_of_hellos(void **state)
{
    static const struct {
        uint16_t version;
        bool hide, good;
    } rows[] = { { 0x0303, true, true },  { 0x0304, true, true },  { 0x03ff, true, true },
                 { 0x0302, true, false }, { 0x0301, true, false }, { 0x0300, true, false },
                 { 0x0002, true, false }, { 0x0301, false, true }, { 0x0304, false, true } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair *p = pair_new(NULL);
        size_t n = end_take(&p->c, wire);

        wire[AT_VERSION] = (uint8_t)(rows[i].version >> 8);
        wire[AT_VERSION + 1] = (uint8_t)rows[i].version;
        if (rows[i].hide) {
            wire_find(wire, n, both, sizeof both)[0] = 0xfa;
        }
        end_give(&p->s, wire, n);
        if (rows[i].good) {
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.t->hs.version, rows[i].hide ? TLS_1_2 : TLS_1_3);
        } else {
            assert_refused(&p->s, ALERT_PROTOCOL_VERSION);
        }
        pair_free(p);
    }
    for (unsigned version = 0x02ff; version < 0x0310; version++) { /* the server's */
        struct pair *p = pair_new(&(struct pair_params){ .server_max = TLS_1_2 });
        size_t n = server_flight(p, false);

        wire[AT_VERSION] = (uint8_t)(version >> 8);
        wire[AT_VERSION + 1] = (uint8_t)version;
        end_give(&p->c, wire, n);
        if (version == TLS_1_2) {
            assert_int_equal(p->c.rc, 0);
        } else {
            assert_refused(&p->c, ALERT_PROTOCOL_VERSION);
        }
        pair_free(p);
    }
}

/* A suite of one version in a hello of the other. */
static void threat_22_suite_of_another_version(void **state)
{
    (void)state;
    for (int max12 = 0; max12 < 2; max12++) {
        struct pair *p = pair_new(&(struct pair_params){ .server_max = max12 ? TLS_1_2 : TLS_1_3 });
        size_t n = server_flight(p, false), at = AT_SESSION + 1u + wire[AT_SESSION];

        wire[at] = max12 ? 0x13 : 0xc0;
        wire[at + 1] = max12 ? 0x01 : 0x2b;
        end_give(&p->c, wire, n);
        assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        pair_free(p);
    }
}

/* threat 15: null compression must be there (alone in TLS 1.3), and nothing else is chosen. */
static void threat_15_compression(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pair *p = pair_new(&(struct pair_params){ .server_max = i & 1 ? TLS_1_2 : 0 });
        size_t n, at;

        if (i & 2) {
            n = server_flight(p, false);
            at = AT_SESSION + 1u + wire[AT_SESSION] + 2;
            assert_int_equal(wire[at], 0);
            wire[at] = 1;
            end_give(&p->c, wire, n);
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        } else {
            n = end_take(&p->c, wire);
            at = AT_SESSION + 1u + wire[AT_SESSION];
            at += 2u + ((size_t)wire[at] << 8 | wire[at + 1]);
            assert_true(wire[at] == 1 && wire[at + 1] == 0);
            wire[at + 1] = 1;
            end_give(&p->s, wire, n);
            assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        }
        pair_free(p);
    }
}

/* ---- RFC 5746, at first ---- */
static const uint8_t secure[] = { 0xff, 1, 0, 1, 0 };

static void test_peer_without_it(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pair_params q = { .suite = SUITE_GCM };
        struct end *e;
        struct pair *p;
        size_t n;

        q.require_secure = i & 1;
        p = pair_new(&q);
        e = i & 2 ? &p->s : &p->c;
        n = end_take(&p->c, wire);
        if (e == &p->c) {
            end_give(&p->s, wire, n);
            n = end_take(&p->s, wire);
            hello_cut(wire, &n, wire_find(wire, n, secure, sizeof secure), sizeof secure);
        } else {
            wire_find(wire, n, secure, sizeof secure)[0] = 0xfa;
        }
        end_give(e, wire, n);
        if (q.require_secure) {
            assert_refused(e, ALERT_HANDSHAKE_FAILURE);
        } else { /* gets as far as to see that the hellos differ */
            struct tls_info info;

            assert_int_equal(e->rc, 0);
            tls_get_info(e->t, &info);
            assert_false(info.secure_renegotiation);
        }
        pair_free(p);
    }
}

/* A client may say the same with a cipher suite number (section 3.3). */
static void test_signalling_suite(void **state)
{
    static const uint8_t two[] = { 0, 4, 0xc0, 0x2b, 0xc0, 0x2c };
    struct pair_params q = { .client_suites = { 0xc02b, 0xc02c },
                             .server_suites = { 0xc02b },
                             .require_secure = true };
    struct pair *p = pair_new(&q);
    size_t n = end_take(&p->c, wire);
    uint8_t *at = wire_find(wire, n, two, sizeof two);

    (void)state;
    at[4] = 0;
    at[5] = 0xff;
    wire_find(wire, n, secure, sizeof secure)[0] = 0xfa;
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.rc, 0);
    n = end_take(&p->s, wire);
    (void)wire_find(wire, n, secure, sizeof secure);
    pair_free(p);
}

/* ---- threat 34: the second ClientHello of TLS 1.3 ---- */
static const struct pair_params retrying = { .client_groups = { 29, 23 }, .server_groups = { 23 } };

static size_t second_hello(struct pair *p)
{
    size_t n = server_flight(p, false), skip = 0;

    end_give(&p->c, wire, n);
    assert_int_equal(p->c.rc, 0);
    n = end_take(&p->c, wire);
    if (wire[0] == CT_CHANGE_CIPHER_SPEC) {
        skip = REC_HEADER + 1;
    }
    memmove(wire, wire + skip, n - skip);
    assert_true(wire[0] == CT_HANDSHAKE && wire[REC_HEADER] == HS_CLIENT_HELLO);
    return n - skip;
}

/* Where its key_share extension stands. */
static size_t share_at(const uint8_t *hello, size_t n, size_t *len)
{
    size_t at = AT_SESSION + 1u + hello[AT_SESSION];

    at += 2u + ((size_t)hello[at] << 8 | hello[at + 1]);
    at += 1u + hello[at] + 2;
    while (at < n) {
        *len = 4 + ((size_t)hello[at + 2] << 8 | hello[at + 3]);
        if (hello[at] == 0 && hello[at + 1] == 51) {
            return at;
        }
        at += *len;
    }
    fail_msg("no key_share");
    return 0;
}

/* Each byte of it changed. Of a key_share only the point itself may be another. */
static void threat_34_every_byte(void **state)
{
    size_t n = REC_HEADER + 1;

    (void)state;
    for (size_t i = REC_HEADER; i < n; i++) {
        struct pair *p = pair_new(&retrying);
        size_t share, len;

        n = second_hello(p);
        share = share_at(wire, n, &len);
        wire[i] ^= 1;
        end_give(&p->s, wire, n);
        if (i < share + 10 || i >= share + len) { /* id, lengths, group; the point is behind */
            if (p->s.rc >= 0 && p->s.t->hs.state != S_WAIT_CH2) {
                fail_msg("byte %zu of %zu may differ", i, n);
            }
        }
        assert_int_equal(p->s.done, 0);
        pair_free(p);
    }
    assert_true(n > 100);
}

/* The same bytes, two of which have become a cipher suite. */
static void threat_34_other_lengths(void **state)
{
    struct pair *p = pair_new(&retrying);
    size_t n = second_hello(p);
    uint8_t *session = wire + AT_SESSION, tail[2];

    (void)state;
    assert_int_equal(session[0], 32);
    session[0] = 30;
    memcpy(tail, session + 31, 2);
    memcpy(session + 31, session + 33, 2);
    less16(session + 31, (size_t)0 - 2);
    memcpy(session + 33, tail, 2);
    end_give(&p->s, wire, n);
    assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
    pair_free(p);
}

/* Taken as the first, put in again, taken away: whole extensions. */
static void threat_34_extensions(void **state)
{
    static const uint8_t extra[][5] = { { 0xfa, 0xfa, 0, 1, 0 }, { 0, 42, 0, 0, 0 } };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair *p = pair_new(&retrying);
        size_t n = second_hello(p), at = AT_SESSION + 1u + wire[AT_SESSION], len = 5 - i;

        at += 2u + ((size_t)wire[at] << 8 | wire[at + 1]);
        at += 1u + wire[at];
        memmove(wire + at + 2 + len, wire + at + 2, n - at - 2);
        memcpy(wire + at + 2, extra[i], len);
        less16(wire + at, (size_t)0 - len);
        less16(wire + 3, (size_t)0 - len);
        less16(wire + 7, (size_t)0 - len);
        end_give(&p->s, wire, n + len);
        assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        pair_free(p);
    }
}

/* A hello's extensions: the start of the list, behind its length. */
static size_t list_at(const uint8_t *hello)
{
    size_t at = AT_SESSION + 1u + hello[AT_SESSION];

    at += 2u + ((size_t)hello[at] << 8 | hello[at + 1]);
    return at + 1u + hello[at] + 2;
}

/* Each extension taken out, put in twice, or in another place than before. */
static void threat_34_whole_extensions(void **state)
{
    enum { OUT, TWICE, SWAPPED, WAYS };
    static uint8_t ext[2048];
    bool more = true;

    (void)state;
    for (unsigned k = 0; more; k++) {
        for (unsigned way = OUT; way < WAYS; way++) {
            struct pair *p = pair_new(&retrying);
            size_t n = second_hello(p), list = list_at(wire), at = list, len, next = 0;
            unsigned other;

            for (unsigned before = 0; before < k; before++) {
                at += 4 + ((size_t)wire[at + 2] << 8 | wire[at + 3]);
            }
            len = 4 + ((size_t)wire[at + 2] << 8 | wire[at + 3]);
            more = at + len < n;
            if (more) {
                next = 4 + ((size_t)wire[at + len + 2] << 8 | wire[at + len + 3]);
            }
            memcpy(ext, wire + at, len);
            other = more ? (unsigned)wire[at + len] << 8 | wire[at + len + 1] : 0;
            if (way == TWICE) {
                memmove(wire + at + len, wire + at, n - at);
                len = 0 - len;
            } else if (way == OUT) {
                memmove(wire + at, wire + at + len, n - at - len);
            } else {
                memmove(wire + at, wire + at + len, next);
                memcpy(wire + at + next, ext, len);
                len = 0;
            }
            less16(wire + list - 2, len);
            less16(wire + 3, len);
            less16(wire + 7, len);
            end_give(&p->s, wire, n - len);
            /* There is none to change places with; or it is the one that is another anyway. */
            if (way == SWAPPED &&
                (!more || (ext[0] == 0 && ext[1] == EXT_KEY_SHARE) || other == EXT_KEY_SHARE)) {
                assert_int_equal(p->s.rc, 0);
            } else {
                if (!IS_TLS_ALERT(p->s.rc)) {
                    fail_msg("extension %u, way %u: %d", k, way, p->s.rc);
                }
                assert_int_equal(p->s.done, 0);
            }
            pair_free(p);
        }
        assert_true(k < 50);
    }
}

/* What section 4.1.2 allows: padding that comes, with any length. (And it makes another transcript:
 * our client knows nothing of it.) */
static void threat_34_padding_may_come(void **state)
{
    (void)state;
    for (uint8_t size = 0; size < 100; size += 33) {
        struct pair *p = pair_new(&retrying);
        size_t n = second_hello(p), list = list_at(wire);

        memmove(wire + list + 4 + size, wire + list, n - list);
        memset(wire + list, 0, 4u + size);
        wire[list + 1] = 21;
        wire[list + 3] = size;
        less16(wire + list - 2, (size_t)0 - 4 - size);
        less16(wire + 3, (size_t)0 - 4 - size);
        less16(wire + 7, (size_t)0 - 4 - size);
        end_give(&p->s, wire, n + 4 + size);
        assert_int_equal(p->s.rc, 0);
        assert_true(p->s.t->hs.state != S_WAIT_CH2);
        pair_free(p);
    }
}

static void threat_34_second_retry(void **state)
{
    struct pair *p = pair_new(&retrying);
    static uint8_t retry[WIRE_MAX];
    size_t n = server_flight(p, false);

    (void)state;
    n = REC_HEADER + ((size_t)wire[3] << 8 | wire[4]);
    memcpy(retry, wire, n);
    end_give(&p->c, retry, n);
    assert_int_equal(p->c.rc, 0);
    end_give(&p->c, retry, n);
    assert_refused(&p->c, ALERT_UNEXPECTED_MESSAGE);
    pair_free(p);
}

/* And the ServerHello behind it: the same suite. */
static void threat_34_other_suite_after_retry(void **state)
{
    struct pair *p = pair_new(&retrying);
    size_t n = second_hello(p), at;

    (void)state;
    end_give(&p->s, wire, n);
    n = end_take(&p->s, wire);
    at = AT_SESSION + 1u + wire[AT_SESSION];
    assert_int_equal(wire[at], 0x13);
    wire[at + 1] ^= 3;
    end_give(&p->c, wire, n);
    assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
    pair_free(p);
}

/* A server of TLS 1.2 behind a HelloRetryRequest is none (section 4.1.4: the version changes). */
static void threat_34_older_after_retry(void **state)
{
    struct pair *p;
    static uint8_t older[WIRE_MAX];

    (void)state;
    for (unsigned alone = 0; alone < 2; alone++) {
        size_t n;

        p = pair_new(&(struct pair_params){ .server_max = TLS_1_2 });
        n = server_flight(p, false);
        memcpy(older, wire, n);
        pair_free(p);
        p = pair_new(&retrying);
        (void)second_hello(p);
        if (alone) {
            give_clear(&p->c, CT_HANDSHAKE, older + REC_HEADER, message_size(older + REC_HEADER));
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        } else { /* more in the record of a ServerHello: none of TLS 1.3 does that */
            end_give(&p->c, older, n);
            assert_refused(&p->c, ALERT_UNEXPECTED_MESSAGE);
        }
        pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_22_sentinel),
        cmocka_unit_test(threat_22_sentinel_of_older),
        cmocka_unit_test(threat_22_sentinel_taken_away),
        cmocka_unit_test(threat_22_fallback),
        cmocka_unit_test(threat_22_versions_of_hellos),
        cmocka_unit_test(threat_22_suite_of_another_version),
        cmocka_unit_test(threat_15_compression),
        cmocka_unit_test(test_peer_without_it),
        cmocka_unit_test(test_signalling_suite),
        cmocka_unit_test(threat_34_every_byte),
        cmocka_unit_test(threat_34_other_lengths),
        cmocka_unit_test(threat_34_extensions),
        cmocka_unit_test(threat_34_whole_extensions),
        cmocka_unit_test(threat_34_padding_may_come),
        cmocka_unit_test(threat_34_second_retry),
        cmocka_unit_test(threat_34_other_suite_after_retry),
        cmocka_unit_test(threat_34_older_after_retry),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
