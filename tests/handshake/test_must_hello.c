/* SPDX-License-Identifier: ISC */
/* What RFC 8446 sections 4.1.1 to 4.1.3 demand of the hellos, where no other test shows it. */
#include "tests/handshake/craft13.h"
#include "tests/handshake/pair12.h"

#define AT_VERSION HS_HEADER
#define AT_RANDOM  (AT_VERSION + 2)
#define AT_SESSION (AT_RANDOM + RANDOM_SIZE)

static uint8_t wire[WIRE_MAX];
static struct craft a, b;
static const struct pair_params retrying = { .client_groups = { 29, 23 }, .server_groups = { 23 } };
/* With all that a server has an answer to. */
static const struct pair_params rich = { .client_alpn = { "a" },
                                         .server_alpn = { "a" },
                                         .status = "response",
                                         .record_limit = { 4096, 4096 },
                                         .auth = CLIENT_AUTH_REQUEST,
                                         .client_id = true,
                                         .post_auth = true };

/* ---- ClientHello ---- */
/* It is the first message; its version, session id and compression are what they must be. */
static void test_client_hello(void **state)
{
    uint8_t before[SESSION_ID_MAX] = { 0 };

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct pair_params q = { .client_max = i == 5 ? TLS_1_2 : TLS_1_3 };
        struct pair *p;
        size_t at, clear, n;

        q.client_suites[0] = i == 4 ? 0x1301 : 0; /* then TLS 1.3 alone */
        p = pair_new(&q);
        n = end_take(&p->c, wire);
        assert_int_equal(wire[0], CT_HANDSHAKE);
        n = flight_open(NULL, wire, n, b.m, &clear);
        assert_int_equal(b.m[0], HS_CLIENT_HELLO);
        assert_int_equal(n, message_size(b.m)); /* and nothing else */
        craft_of(&a, b.m);
        assert_int_equal(get16(a.m + AT_VERSION), 0x0303);
        if (i == 5) { /* no session of TLS 1.2 either */
            assert_int_equal(a.m[AT_SESSION], 0);
        } else {
            assert_int_equal(a.m[AT_SESSION], SESSION_ID_MAX);
            assert_memory_not_equal(a.m + AT_SESSION + 1, before, SESSION_ID_MAX);
            memcpy(before, a.m + AT_SESSION + 1, SESSION_ID_MAX);
        }
        at = AT_SESSION + 1u + a.m[AT_SESSION];
        at += 2 + get16(a.m + at);
        assert_memory_equal(a.m + at, "\1\0", 2);
        assert_int_equal(at + 2, a.ext);
        pair_free(p);
    }
}

/* ---- a ClientHello where none belongs ---- */
static void test_hello_at_any_other_time(void **state)
{
    (void)state;
    for (unsigned connected = 0; connected < 2; connected++) {
        struct pair *p = pair_new(NULL);
        struct hand h;

        craft_take(&p->c, &a);
        craft_give(&p->s, &a);
        if (connected) {
            end_give(&p->c, wire, end_take(&p->s, wire));
            end_give(&p->s, wire, end_take(&p->c, wire));
        }
        assert_int_equal(p->s.done, connected);
        h = hand_new(p, connected ? SECRET_CA : SECRET_CH, true);
        hand_give(&h, &p->s, CT_HANDSHAKE, a.m, a.n);
        assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
        hand_free(&h);
        pair_free(p);
    }
}

/* A client of TLS 1.2 that renegotiates is answered by a ServerHello of TLS 1.3. */
static void test_server_hello_13_in_renegotiation(void **state)
{
    const struct pair_params q = { .server_suites = { SUITE_GCM },
                                   .renegotiation = RENEGOTIATE_SECURE };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct pair *p = pair_connected(&q);
        struct hand12 h = hand12_new(p, TLS_SERVER, true);

        h.half.seq = 1; /* behind Finished */
        assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
        assert_true(end_take(&p->c, wire) > 0);
        craft_retry(&a, &p->c, 0x1301);
        memset(a.m + AT_RANDOM, 7, RANDOM_SIZE);
        if (i) { /* one of TLS 1.2 by its version */
            craft_cut(&a, EXT_SUPPORTED_VERSIONS);
            put16(a.m + AT_VERSION, TLS_1_3);
        }
        hand12_give(&h, &p->c, CT_HANDSHAKE, a.m, a.n);
        assert_refused(&p->c, ALERT_PROTOCOL_VERSION);
        hand12_free(&h);
        pair_free(p);
    }
}

/* Before TLS 1.3 a client may offer compression, as long as it can do without. */
static void test_compression_methods(void **state)
{
    static const struct {
        const char *methods;
        size_t n;
        bool in13, in12;
    } rows[] = { { "\1\0", 2, true, true },      { "\2\1\0", 3, false, true },
                 { "\2\0\1", 3, false, true },   { "\3\x40\1\0", 4, false, true },
                 { "\1\1", 2, false, false },    { "\2\0\0", 3, false, true },
                 { "\2\1\x40", 3, false, false } };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        struct pair *p = pair_new(&(struct pair_params){ .server_max = i & 1 ? TLS_1_2 : 0 });
        size_t n = rows[i / 2].n, at;

        craft_take(&p->c, &a);
        at = a.ext - 2;
        memmove(a.m + at + n, a.m + a.ext, a.n - a.ext);
        memcpy(a.m + at, rows[i / 2].methods, n);
        a.n += n - 2;
        a.ext += n - 2;
        craft_lengths(&a);
        craft_give(&p->s, &a);
        if (i & 1 ? rows[i / 2].in12 : rows[i / 2].in13) {
            assert_int_equal(p->s.rc, 0);
        } else {
            assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        }
        pair_free(p);
    }
}

/* Before TLS 1.3 a hello may end behind its compression methods, else at the end of its
 * extensions. */
static void test_bytes_behind_a_hello(void **state)
{
    (void)state;
    for (unsigned only12 = 0; only12 < 2; only12++) {
        for (unsigned more = 0; more < 6; more++) {
            /* a suite for which extensions are not needed */
            struct pair_params q = { .server_suites = { SUITE_RSA_KX, only12 ? 0 : 0x1301 },
                                     .client_suites = { SUITE_RSA_KX },
                                     .id = ID_RSA };
            struct pair *p = pair_new(&q);

            craft_take(&p->c, &a);
            if (more < 4) { /* none; then one to three bytes */
                a.n = a.ext + more;
                memset(a.m + a.ext, 0, more);
                put16(a.m + 2, a.n - HS_HEADER);
            } else if (more == 5) {
                a.m[a.n++] = 0;
                put16(a.m + 2, a.n - HS_HEADER);
            }
            give_clear(&p->s, CT_HANDSHAKE, a.m, a.n);
            if (more == 0 || more == 2 || more == 4) { /* two: no extensions, said in full */
                assert_int_equal(p->s.rc, 0);
                assert_int_equal(p->s.t->hs.version, TLS_1_2);
            } else {
                assert_refused(&p->s, ALERT_DECODE_ERROR);
            }
            pair_free(p);
        }
    }
}

/* ---- ServerHello ---- */
static void assert_extensions(const struct craft *c, unsigned one, unsigned other)
{
    unsigned found = 0;

    for (size_t at = c->ext + 2; at < c->n; at += 4 + get16(c->m + at + 2)) {
        unsigned id = (unsigned)get16(c->m + at);

        assert_true(id == one || id == other);
        found++;
    }
    assert_int_equal(found, 2);
}

/* Whatever is asked of it: only version and share, in a retry too. */
static void test_server_hello(void **state)
{
    (void)state;
    for (unsigned retry = 0; retry < 2; retry++) {
        struct pair_params q = rich;
        struct pair *p;

        q.server_groups[0] = retry ? 23 : 29;
        q.client_groups[0] = 29;
        q.client_groups[1] = 23;
        p = pair_new(&q);
        craft_take(&p->c, &a);
        craft_give(&p->s, &a);
        craft_take(&p->s, &b);
        assert_int_equal(get16(b.m + AT_VERSION), 0x0303);
        assert_int_equal(!memcmp(b.m + AT_RANDOM, hello_retry_random, RANDOM_SIZE), retry);
        assert_memory_equal(b.m + AT_SESSION, a.m + AT_SESSION, 1 + SESSION_ID_MAX);
        assert_int_equal(b.m[AT_SESSION + 1 + SESSION_ID_MAX + 2], 0); /* compression */
        assert_extensions(&b, EXT_SUPPORTED_VERSIONS, EXT_KEY_SHARE);
        assert_true(span_eq(craft_body(&b, EXT_SUPPORTED_VERSIONS), span_of("\3\4", 2)));
        pair_free(p);
    }
}

/* One hello, many servers: nothing of their randoms is alike, nor taken from the hello. */
static void test_server_random(void **state)
{
    static uint8_t seen[24][RANDOM_SIZE];

    (void)state;
    for (unsigned i = 0; i < 24; i++) {
        bool is12 = i % 2;
        struct pair *p = pair_new(&(struct pair_params){ .server_max = is12 ? TLS_1_2 : TLS_1_3 });
        size_t n = RANDOM_SIZE - (i > 1 && is12 ? 8 : 0);
        static struct craft first;

        if (i == 0) {
            craft_take(&p->c, &first);
        }
        craft_give(&p->s, &first);
        craft_take(&p->s, &b);
        memcpy(seen[i], b.m + AT_RANDOM, RANDOM_SIZE);
        for (size_t at = 0; at + 8 <= n; at += 8) {
            assert_memory_not_equal(seen[i] + at, first.m + AT_RANDOM + at, 8);
            for (unsigned k = 0; k < i; k++) {
                assert_memory_not_equal(seen[i] + at, seen[k] + at, 8);
            }
        }
        pair_free(p);
    }
}

/* The random says what it is: the same message is a HelloRetryRequest or not. */
static void test_random_decides(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * 8 * RANDOM_SIZE + 2; i++) {
        struct pair *p = pair_new(&retrying);
        const unsigned bit = i / 2;

        craft_take(&p->c, &a);
        craft_retry(&b, &p->c, 0x1301);
        craft_add(&b, EXT_KEY_SHARE, i & 1 ? "\0\x1d\0\1x" : "\0\x17", i & 1 ? 5 : 2);
        if (bit < 8 * RANDOM_SIZE) {
            b.m[AT_RANDOM + bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        craft_give(&p->c, &b);
        if (bit < 8 * RANDOM_SIZE) { /* the form of the share has to be that of a ServerHello */
            assert_refused(&p->c, i & 1 ? ALERT_ILLEGAL_PARAMETER : ALERT_DECODE_ERROR);
        } else if (i & 1) {
            assert_refused(&p->c, ALERT_DECODE_ERROR);
        } else {
            assert_int_equal(p->c.rc, 0);
            assert_int_equal(p->c.t->hs.state, C_WAIT_SH2);
        }
        pair_free(p);
    }
}

/* What a client holds against a ServerHello and a HelloRetryRequest alike, and apart. */
static void test_fields(void **state)
{
    enum {
        ECHO,
        SHORTER,
        EMPTY,
        SUITE,
        OTHER_SUITE,
        COMPRESSION,
        VERSION,
        VERSION_LIST,
        NONE,
        SSL3
    };

    (void)state;
    for (unsigned retry = 0; retry < 2; retry++) {
        for (unsigned i = ECHO; i <= SSL3; i++) {
            struct pair_params q = { .client_suites = { 0x1301, 0x1303 },
                                     .client_groups = { 29, 23 },
                                     .server_groups = { retry ? 23 : 29 } };
            enum alert want = ALERT_ILLEGAL_PARAMETER;
            size_t at = AT_SESSION + 1 + SESSION_ID_MAX;
            struct pair *p = pair_new(&q);

            craft_take(&p->c, &a);
            craft_give(&p->s, &a);
            craft_take(&p->s, &b);
            switch (i) {
            case ECHO:
                b.m[AT_SESSION + SESSION_ID_MAX] ^= 1;
                break;
            case SHORTER:
            case EMPTY:
                at -= i == EMPTY ? SESSION_ID_MAX : 1;
                memmove(b.m + at, b.m + AT_SESSION + 1 + SESSION_ID_MAX,
                        b.n - (AT_SESSION + 1 + SESSION_ID_MAX));
                b.m[AT_SESSION] = i == EMPTY ? 0 : SESSION_ID_MAX - 1;
                b.n -= i == EMPTY ? SESSION_ID_MAX : 1;
                b.ext -= i == EMPTY ? SESSION_ID_MAX : 1;
                craft_lengths(&b);
                break;
            case SUITE:
                put16(b.m + at, 0x1302);
                break;
            case OTHER_SUITE: /* of TLS 1.2 */
                put16(b.m + at, SUITE_GCM);
                break;
            case COMPRESSION:
                b.m[at + 2] = 1;
                break;
            case VERSION:
                put16(b.m + AT_VERSION, 0x0304);
                want = retry ? want : ALERT_NONE; /* section 4.2.1: ignored */
                break;
            case VERSION_LIST:
                craft_set(&b, EXT_SUPPORTED_VERSIONS, "\3\3", 2);
                break;
            case SSL3:
                put16(b.m + AT_VERSION, 0x0300);
                want = ALERT_PROTOCOL_VERSION; /* appendix D.5 */
                break;
            default:
                craft_cut(&b, EXT_SUPPORTED_VERSIONS);
                /* else it is one of TLS 1.2, which is not spoken */
                want = retry ? ALERT_MISSING_EXTENSION : ALERT_PROTOCOL_VERSION;
            }
            craft_give(&p->c, &b);
            if (want == ALERT_NONE) {
                assert_int_equal(p->c.rc, 0);
                assert_int_equal(p->c.t->hs.state, C_WAIT_EE);
            } else {
                assert_refused(&p->c, want);
            }
            pair_free(p);
        }
    }
}

/* ---- no handshake at all ---- */
/* Nothing in common but the version. */
static void test_nothing_in_common(void **state)
{
    static const struct pair_params rows[] = {
        { .client_suites = { 0x1301 }, .server_suites = { 0x1302 } },
        { .client_groups = { 29 }, .server_groups = { 23, 24 } },
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair *p = pair_new(&rows[i]);

        pair_run(p, WIRE_MAX);
        assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_HANDSHAKE_FAILURE);
        pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_hello),
        cmocka_unit_test(test_hello_at_any_other_time),
        cmocka_unit_test(test_server_hello_13_in_renegotiation),
        cmocka_unit_test(test_compression_methods),
        cmocka_unit_test(test_bytes_behind_a_hello),
        cmocka_unit_test(test_server_hello),
        cmocka_unit_test(test_server_random),
        cmocka_unit_test(test_random_decides),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_nothing_in_common),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
