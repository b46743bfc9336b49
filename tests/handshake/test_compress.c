/* SPDX-License-Identifier: ISC */
/* Compressed certificates (RFC 8879): both directions and roles, and what a peer could send instead
 * (threat 31). */
#include "base/mem.h"
#include "base/pack.h"
#include "tests/handshake/pair.h"

static uint8_t wire[WIRE_MAX], messages[WIRE_MAX], packed[WIRE_MAX], plain[WIRE_MAX];

/* ---- the two functions ---- */
static void test_pack_and_back(void **state)
{
    static const size_t sizes[] = { 1, 2, 100, 4096, 65536, 73728, 100000 };

    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t n = sizes[i], made = sizeof packed;
            uint8_t *back = mem_alloc(n);

            memset(plain, 'x', n);
            if (kind) {
                assert_int_equal(rand_bytes(plain, n), 0);
            }
            assert_int_equal(zlib_pack(span_of(plain, n), packed, &made), 0);
            assert_int_equal(zlib_unpack(span_of(packed, made), back, n), 0);
            assert_memory_equal(back, plain, n);
            mem_free(back);
            back = mem_alloc(n + 1); /* exactly that length, and one that is short of it */
            assert_int_equal(zlib_unpack(span_of(packed, made), back, n + 1), ERR_PARSE);
            assert_int_equal(n > 1 ? zlib_unpack(span_of(packed, made), back, n - 1) : ERR_PARSE,
                             ERR_PARSE);
            packed[made] = 0; /* a byte behind the stream */
            assert_int_equal(zlib_unpack(span_of(packed, made + 1), back, n), ERR_PARSE);
            for (size_t room = made - 1; room > 0 && room + 8 > made; room--) {
                size_t left = room;
                uint8_t *small = mem_alloc(room);

                assert_int_equal(zlib_pack(span_of(plain, n), small, &left), ERR_LIMIT);
                mem_free(small);
            }
            mem_free(back);
        }
    }
}

static void test_every_truncation(void **state)
{
    size_t made = sizeof packed;

    (void)state;
    for (size_t i = 0; i < 600; i++) {
        plain[i] = (uint8_t)(i * i >> 3);
    }
    assert_int_equal(zlib_pack(span_of(plain, 600), packed, &made), 0);
    for (size_t n = 0; n < made; n++) {
        uint8_t *cut = mem_dup(packed, n + !n), out[600];

        assert_int_equal(zlib_unpack(span_of(cut, n), out, sizeof out), ERR_PARSE);
        mem_free(cut);
    }
    for (size_t i = 0; i < made; i++) { /* and every byte wrong: the checksum finds what inflates */
        uint8_t out[600];

        packed[i] ^= 0x55;
        assert_int_equal(zlib_unpack(span_of(packed, made), out, sizeof out), ERR_PARSE);
        packed[i] ^= 0x55;
    }
}

static void *no_memory(size_t n)
{
    return n > 1000 ? NULL : malloc(n);
}

static void test_without_memory(void **state)
{
    struct mem_hooks before = mem_hooks;
    size_t made = sizeof packed;
    uint8_t out[100];

    (void)state;
    memset(plain, 'x', sizeof out);
    assert_int_equal(zlib_pack(span_of(plain, sizeof out), packed, &made), 0);
    mem_hooks.alloc = no_memory;
    assert_int_equal(zlib_unpack(span_of(packed, made), out, sizeof out), ERR_MEM);
    assert_int_equal(zlib_pack(span_of(plain, sizeof out), packed, &made), ERR_MEM);
    mem_hooks = before;
}

/* ---- connections ---- */
/* The first message of that type in a flight, or NULL. */
static const uint8_t *find(size_t n, unsigned type)
{
    for (size_t at = 0; at < n; at += message_size(messages + at)) {
        if (messages[at] == type) {
            return messages + at;
        }
    }
    return NULL;
}

/* Whether one end has sent its certificate compressed; a large list gets smaller. */
static bool sent_packed(struct pair *p, struct end *from, struct end *to, int secret)
{
    struct hand open;
    size_t n = end_take(from, wire), len, clear;
    const uint8_t *m;

    open = hand_new(p, secret, false);
    len = flight_open(&open, wire, n, messages, &clear);
    hand_free(&open);
    end_give(to, wire, n);
    m = find(len, HS_COMPRESSED_CERTIFICATE);
    assert_true((m != NULL) != (find(len, HS_CERTIFICATE) != NULL));
    if (m) {
        uint32_t length = (uint32_t)m[6] << 16 | (uint32_t)m[7] << 8 | m[8];

        assert_true(message_size(m) - HS_HEADER < length); /* else it would not be worth it */
        assert_int_equal(m[4] << 8 | m[5], 1);
    }
    return m != NULL;
}

/* Each side compresses when both have it switched on; with and without client authentication. */
static void test_connections(void **state)
{
    (void)state;
    for (unsigned on = 0; on < 4; on++) {
        for (unsigned auth = 0; auth < 3; auth++) {
            struct pair_params q = { .id = ID_RSA,
                                     .pack = { on & 1, on >> 1 },
                                     .auth = auth ? CLIENT_AUTH_REQUEST : CLIENT_AUTH_NONE,
                                     .client_id = auth == 2 };
            struct pair *p = pair_new(&q);
            struct tls_info i;

            end_give(&p->s, wire, end_take(&p->c, wire));
            assert_int_equal(sent_packed(p, &p->s, &p->c, SECRET_SH), on == 3);
            assert_int_equal(p->c.rc, 0);
            if (auth) { /* an empty Certificate stays as it is */
                assert_int_equal(sent_packed(p, &p->c, &p->s, SECRET_CH), on == 3 && auth == 2);
            }
            pair_run(p, WIRE_MAX);
            assert_int_equal(p->s.rc, 0);
            assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
            tls_get_info(p->s.t, &i);
            assert_int_equal(i.client_auth, auth == 2);
            end_talk(&p->c, &p->s, "ping", 4);
            pair_free(p);
        }
    }
}

/* In TLS 1.2 there is no such thing, in small pieces it works as well, and behind the handshake. */
static void test_elsewhere(void **state)
{
    struct pair_params q = { .pack = { true, true },
                             .server_max = TLS_1_2,
                             .auth = CLIENT_AUTH_REQUIRE,
                             .client_id = true };
    struct pair *p = pair_connected(&q);
    struct tls_info i;

    (void)state;
    pair_free(p);
    q.server_max = 0;
    p = pair_new(&q);
    pair_run(p, 1);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    pair_free(p);
    q.auth = CLIENT_AUTH_NONE;
    q.post_auth = true;
    p = pair_connected(&q);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    end_give(&p->c, wire, end_take(&p->s, wire));
    assert_true(sent_packed(p, &p->c, &p->s, SECRET_CA));
    tls_get_info(p->s.t, &i);
    assert_true(p->s.rc == 0 && i.client_auth);
    pair_free(p);
}

/* ---- another hand ---- */
struct stage {
    struct pair *p;
    struct end *e;    /* who reads the certificate */
    struct hand hand; /* seals for it */
    struct span body; /* of the genuine Certificate */
};

/* Right before the certificate of the server, or of the client. */
static struct stage before_certificate(enum tls_role reader, bool packs)
{
    struct pair_params q = { .pack = { [TLS_CLIENT] = packs && reader == TLS_CLIENT,
                                       [TLS_SERVER] = packs && reader == TLS_SERVER },
                             .auth = reader == TLS_SERVER ? CLIENT_AUTH_REQUIRE : CLIENT_AUTH_NONE,
                             .client_id = true };
    struct stage s = { .p = pair_new(&q) };
    int secret = reader == TLS_CLIENT ? SECRET_SH : SECRET_CH;
    struct end *from = reader == TLS_CLIENT ? &s.p->s : &s.p->c;
    struct hand open;
    size_t n, clear, at = 0;

    s.e = reader == TLS_CLIENT ? &s.p->c : &s.p->s;
    end_give(&s.p->s, wire, end_take(&s.p->c, wire));
    if (reader == TLS_SERVER) {
        end_give(&s.p->c, wire, end_take(&s.p->s, wire));
    }
    n = end_take(from, wire);
    open = hand_new(s.p, secret, false);
    n = flight_open(&open, wire, n, messages, &clear);
    hand_free(&open);
    if (reader == TLS_CLIENT) { /* ServerHello in clear, then sealed EncryptedExtensions */
        give_clear(s.e, CT_HANDSHAKE, messages, message_size(messages));
        at = message_size(messages);
    }
    s.hand = hand_new(s.p, secret, true);
    while (messages[at] != HS_CERTIFICATE) {
        hand_give(&s.hand, s.e, CT_HANDSHAKE, messages + at, message_size(messages + at));
        at += message_size(messages + at);
        assert_true(at < n);
    }
    assert_int_equal(s.e->rc, 0);
    s.body = span_of(messages + at + HS_HEADER, message_size(messages + at) - HS_HEADER);
    return s;
}

static void stage_free(struct stage *s)
{
    hand_free(&s->hand);
    pair_free(s->p);
}

/* A CompressedCertificate with those contents, in as many records as it takes. */
static void give_packed(struct stage *s, unsigned algorithm, uint32_t length, const void *p,
                        size_t n)
{
    static uint8_t m[WIRE_MAX];
    struct wr w = wr_of(m, sizeof m);
    size_t body, inner;

    wr_u8(&w, HS_COMPRESSED_CERTIFICATE);
    body = wr_begin(&w, 3);
    wr_u16(&w, algorithm);
    wr_u24(&w, length);
    inner = wr_begin(&w, 3);
    wr_bytes(&w, p, n);
    wr_end(&w, 3, inner);
    wr_end(&w, 3, body);
    assert_true(wr_ok(&w));
    for (size_t at = 0; at < w.len && s->e->rc == 0; at += 16000) {
        hand_give(&s->hand, s->e, CT_HANDSHAKE, m + at, w.len - at < 16000 ? w.len - at : 16000);
    }
}

static size_t pack_all(const void *p, size_t n)
{
    size_t made = sizeof packed;

    assert_int_equal(zlib_pack(span_of(p, n), packed, &made), 0);
    return made;
}

/* What a genuine one may lie about. Each is told from the genuine one, which is accepted. */
static void test_lies(void **state)
{
    enum {
        GENUINE,
        SHORTER,
        LONGER,
        NOTHING,
        HUGE_CLAIM,
        MOST,
        ALGORITHM0,
        BROTLI,
        ZSTD,
        TAIL,
        CUT,
        NO_BYTES,
        GARBAGE,
        UNCOMPRESSED,
        INNER_TAIL,
        LIES
    };
    static const int want[LIES] = {
        [SHORTER] = ALERT_BAD_CERTIFICATE,      [LONGER] = ALERT_BAD_CERTIFICATE,
        [NOTHING] = ALERT_BAD_CERTIFICATE,      [HUGE_CLAIM] = ALERT_BAD_CERTIFICATE,
        [MOST] = ALERT_BAD_CERTIFICATE,         [ALGORITHM0] = ALERT_ILLEGAL_PARAMETER,
        [BROTLI] = ALERT_ILLEGAL_PARAMETER,     [ZSTD] = ALERT_ILLEGAL_PARAMETER,
        [TAIL] = ALERT_BAD_CERTIFICATE,         [CUT] = ALERT_BAD_CERTIFICATE,
        [NO_BYTES] = ALERT_DECODE_ERROR,        [GARBAGE] = ALERT_BAD_CERTIFICATE,
        [UNCOMPRESSED] = ALERT_BAD_CERTIFICATE, [INNER_TAIL] = ALERT_DECODE_ERROR,
    };

    (void)state;
    for (unsigned role = 0; role < 2; role++) {
        for (unsigned lie = 0; lie < LIES; lie++) {
            struct stage s = before_certificate((enum tls_role)role, true);
            const uint8_t *p = packed;
            size_t n;
            uint32_t length = (uint32_t)s.body.n;
            unsigned algorithm = lie == ALGORITHM0 ? 0 : lie == BROTLI ? 2 : lie == ZSTD ? 3 : 1;

            memcpy(plain, s.body.p, s.body.n);
            plain[s.body.n] = 0;
            n = pack_all(plain, s.body.n + (lie == INNER_TAIL));
            length += lie == LONGER || lie == INNER_TAIL ? 1 : 0;
            length -= lie == SHORTER;
            length = lie == NOTHING      ? 0
                     : lie == HUGE_CLAIM ? 0xffffff
                     : lie == MOST       ? (uint32_t)hs_message_max(HS_CERTIFICATE) + 1
                                         : length;
            packed[n] = 0;
            n = lie == TAIL ? n + 1 : lie == CUT ? n - 1 : lie == NO_BYTES ? 0 : n;
            if (lie == GARBAGE) {
                memset(packed, 0xa5, n);
            } else if (lie == UNCOMPRESSED) {
                p = plain;
                n = s.body.n;
            }
            give_packed(&s, algorithm, length, p, n);
            if (want[lie]) {
                assert_refused(s.e, want[lie]);
            } else {
                assert_int_equal(s.e->rc, 0);
            }
            stage_free(&s);
        }
    }
}

/* Not offered, or not in this direction. */
static void test_not_offered(void **state)
{
    (void)state;
    for (unsigned role = 0; role < 2; role++) {
        struct stage s = before_certificate((enum tls_role)role, false);
        size_t n = pack_all(s.body.p, s.body.n);

        give_packed(&s, 1, (uint32_t)s.body.n, packed, n);
        assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
        stage_free(&s);
    }
}

/* threat 31: a few bytes that become megabytes, whatever they claim; and what is taken while it is
 * found out. */
static size_t largest;

static void *watched(size_t n)
{
    largest = n > largest ? n : largest;
    return malloc(n);
}

static void threat_31_bombs(void **state)
{
    static uint8_t zeros[16 << 20];
    static const uint32_t claims[] = { 1, 100, 16384, 65536, 73727, 73728, 73729, 0xffffff };
    size_t room = sizeof zeros / 900, n = room;
    uint8_t *bomb = malloc(room);
    struct mem_hooks before = mem_hooks;

    (void)state;
    assert_int_equal(zlib_pack(span_of(zeros, sizeof zeros), bomb, &n), 0);
    assert_true(n < 20000);
    for (unsigned role = 0; role < 2; role++) {
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
            struct stage s = before_certificate((enum tls_role)role, true);

            largest = 0;
            mem_hooks.alloc = watched;
            give_packed(&s, 1, claims[i], bomb, n);
            mem_hooks = before;
            assert_refused(s.e, ALERT_BAD_CERTIFICATE);
            assert_true(largest <= hs_message_max(HS_CERTIFICATE));
            stage_free(&s);
        }
    }
    free(bomb);
}

/* A hundred bytes that tell the truth, but of which no certificates come: above 4096 bytes they are
 * not expanded when they would become more than 16 times as much. */
static void threat_31_small_bombs(void **state)
{
    static const uint8_t zeros[73728];
    static const size_t lengths[] = { 4095, 4096, 4097, 16384, 65536, 73728 };

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct stage s = before_certificate(TLS_CLIENT, true);
        size_t n = pack_all(zeros, lengths[i]);
        bool bomb = lengths[i] > 4096;

        assert_true(n < lengths[i] / 16);
        largest = 0;
        mem_hooks.alloc = watched;
        give_packed(&s, 1, (uint32_t)lengths[i], packed, n);
        mem_hooks.alloc = malloc;
        assert_true(s.e->rc < 0);
        assert_int_equal(strstr(tls_error(s.e->t)->text, " bytes out of ") != NULL, bomb);
        assert_true(!bomb || largest < 4 * n + 512);
        stage_free(&s);
    }
    for (size_t over = 0; over < 2; over++) { /* 16 times is not too much */
        struct stage s = before_certificate(TLS_CLIENT, true);

        memset(packed, 0xa5, 400);
        give_packed(&s, 1, (uint32_t)(16 * 400 + 15 + over), packed, 400);
        assert_refused(s.e, ALERT_BAD_CERTIFICATE);
        assert_int_equal(strstr(tls_error(s.e->t)->text, " bytes out of ") != NULL, over);
        stage_free(&s);
    }
}

/* Every prefix of the message, its length put right, and every byte of it wrong: never connected,
 * nothing read beyond. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    for (unsigned role = 0; role < 2; role++) {
        size_t end = 9;

        for (size_t len = 0; len < end; len++) {
            struct stage s = before_certificate((enum tls_role)role, true);
            static uint8_t m[WIRE_MAX];
            size_t n = pack_all(s.body.p, s.body.n);
            struct wr w = wr_of(m, sizeof m);

            wr_u8(&w, HS_COMPRESSED_CERTIFICATE);
            wr_u24(&w, (uint32_t)len);
            wr_u16(&w, 1);
            wr_u24(&w, (uint32_t)s.body.n);
            wr_vec(&w, 3, packed, n);
            end = 8 + n;
            hand_give(&s.hand, s.e, CT_HANDSHAKE, m, HS_HEADER + len);
            assert_refused(s.e, ALERT_DECODE_ERROR);
            stage_free(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_and_back),    cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_without_memory),   cmocka_unit_test(test_connections),
        cmocka_unit_test(test_elsewhere),        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_not_offered),      cmocka_unit_test(threat_31_bombs),
        cmocka_unit_test(threat_31_small_bombs), cmocka_unit_test(test_cut_anywhere),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
