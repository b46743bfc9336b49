/* SPDX-License-Identifier: ISC */
/* Which version comes of two ranges, what says that somebody wanted an older one, and what is never
 * part of a newer one. */
#include "tests/legacy/old.h"

#define HELLO_VERSION (REC_HEADER + HS_HEADER)
#define HELLO_RANDOM  (HELLO_VERSION + 2)

static uint8_t wire[WIRE_MAX];

/* Suites for every version. */
static struct pair_params ranges(unsigned cmin, unsigned cmax, unsigned smin, unsigned smax)
{
    return (struct pair_params){ .client_suites = { 0x1301, SUITE_RSA_GCM, SUITE_OLD_RSA },
                                 .server_suites = { 0x1301, SUITE_RSA_GCM, SUITE_OLD_RSA },
                                 .id = ID_RSA,
                                 .client_min = cmin,
                                 .client_max = cmax,
                                 .server_min = smin,
                                 .server_max = smax };
}

/* An old server chooses what a client that has nothing so old then refuses. One that knows no
 * extension (blind) may find no suite before that. */
static bool is_refused(const struct pair *p, bool blind)
{
    const int want = TLS_ALERT(ALERT_PROTOCOL_VERSION);

    return p->s.rc == want || (p->c.rc == want && p->s.rc == ERR_PEER_ALERT) ||
           (blind && p->s.rc == TLS_ALERT(ALERT_HANDSHAKE_FAILURE));
}

/* All ranges with all: the highest that both have, or protocol_version. */
static void threat_22_ranges(void **state)
{
    unsigned met = 0, refused = 0;

    (void)state;
    for (unsigned i = 0; i < 5 * 5 * 5 * 5; i++) {
        unsigned cmin = SSL_3_0 + i % 5, cmax = SSL_3_0 + i / 5 % 5;
        unsigned smin = SSL_3_0 + i / 25 % 5, smax = SSL_3_0 + i / 125;
        unsigned want = cmax < smax ? cmax : smax;
        struct pair_params q = ranges(cmin, cmax, smin, smax);
        struct pair *p;

        if (cmin > cmax || smin > smax) {
            continue;
        }
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        if (want >= cmin && want >= smin) {
            assert_true(p->c.rc == 0 && p->s.rc == 0);
            assert_int_equal(info_of(&p->c).version, want);
            assert_int_equal(info_of(&p->s).version, want);
            old_talk(p);
            met++;
        } else {
            assert_true(is_refused(p, cmin == TLS_1_3 && smax == SSL_3_0));
            assert_false(tls_connected(p->c.t) || tls_connected(p->s.t));
            refused++;
        }
        pair_free(p);
    }
    assert_true(met > 100 && refused > 50);
}

/* What is compiled is not spoken because of that: the range is TLS 1.2 and 1.3 unless it is set. */
static void threat_22_not_by_default(void **state)
{
    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        for (int server_old = 0; server_old < 2; server_old++) {
            unsigned old = old_versions[v];
            struct pair_params q = server_old ? ranges(0, 0, old, old) : ranges(old, old, 0, 0);
            struct pair *p = pair_new(&q);

            pair_run(p, WIRE_MAX);
            assert_true(is_refused(p, false));
            assert_false(tls_connected(p->c.t) || tls_connected(p->s.t));
            assert_int_equal(p->s.rc == TLS_ALERT(ALERT_PROTOCOL_VERSION),
                             !server_old || old != SSL_3_0);
            pair_free(p);
        }
    }
}

/* Such a server chooses it all the same. */
static void threat_22_server_chooses_what_was_not_offered(void **state)
{
    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        struct pair_params q = ranges(0, TLS_1_2, old_versions[v], old_versions[v]);
        struct pair *p = pair_new(&q);
        size_t n = end_take(&p->c, wire);

        wire[HELLO_VERSION + 1] = (uint8_t)old_versions[v];
        end_give(&p->s, wire, n);
        end_give(&p->c, wire, end_take(&p->s, wire));
        assert_refused(&p->c, ALERT_PROTOCOL_VERSION);
        pair_free(p);
    }
}

/* RFC 8446 section 4.1.3. */
static int sentinel_of(const struct pair_params *q, unsigned hello_version, struct pair **made)
{
    struct pair *p = pair_new(q);
    size_t n = end_take(&p->c, wire);

    if (hello_version) {
        wire[HELLO_VERSION + 1] = (uint8_t)hello_version;
    }
    end_give(&p->s, wire, n);
    n = end_take(&p->s, wire);
    assert_true(n > HELLO_RANDOM + RANDOM_SIZE && wire[REC_HEADER] == HS_SERVER_HELLO);
    *made = p;
    return memcmp(wire + HELLO_RANDOM + 24, "DOWNGRD", 7) == 0 ? wire[HELLO_RANDOM + 31] : -1;
}

static void threat_22_sentinel(void **state)
{
    struct pair *p;

    (void)state;
    for (unsigned smax = SSL_3_0; smax <= TLS_1_3; smax++) {
        for (unsigned chosen = SSL_3_0; chosen <= smax && chosen <= TLS_1_2; chosen++) {
            struct pair_params q = ranges(chosen, chosen, SSL_3_0, smax);
            int want = chosen == TLS_1_2 ? (smax == TLS_1_3 ? 1 : -1) : (smax >= TLS_1_2 ? 0 : -1);

            assert_int_equal(sentinel_of(&q, 0, &p), want);
            pair_free(p);
        }
    }
}

/* Somebody makes the client's hello one of an older version: the client finds the sentinel, or,
 * where that is taken away as well, Finished does not fit. */
static void threat_22_rewritten_hello(void **state)
{
    (void)state;
    for (unsigned to = SSL_3_0; to <= TLS_1_1; to++) {
        for (unsigned max = TLS_1_1; max <= TLS_1_2; max++) {
            for (int wiped = 0; wiped < 2; wiped++) {
                struct pair_params q = ranges(SSL_3_0, max, SSL_3_0, max);
                struct pair *p;
                int mark;
                size_t n;

                q.no_ems[TLS_CLIENT] = true; /* else the keys are others already */
                if (to >= max) {
                    continue;
                }
                mark = sentinel_of(&q, to, &p);
                assert_int_equal(mark, max == TLS_1_2 ? 0 : -1);
                n = REC_HEADER + ((size_t)wire[3] << 8 | wire[4]);
                if (wiped) {
                    memset(wire + HELLO_RANDOM + 24, 0x55, 8);
                }
                end_give(&p->c, wire, n);
                if (!wiped && mark == 0) {
                    assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
                } else {
                    assert_int_equal(p->c.rc, 0);
                    end_give(&p->c, wire + n, 0);
                    pair_run(p, WIRE_MAX);
                }
                assert_false(tls_connected(p->c.t) || tls_connected(p->s.t));
                pair_free(p);
            }
        }
    }
}

/* The same without the sentinel, to the end: TLS 1.0 and 1.1 are both spoken, the hello is made one
 * of 1.0, and both ends go on until Finished. */
static void threat_22_finished_covers_the_version(void **state)
{
    struct pair_params q = ranges(TLS_1_0, TLS_1_1, TLS_1_0, TLS_1_1);
    struct pair *p = pair_new(&q);
    size_t n = end_take(&p->c, wire);

    (void)state;
    wire[HELLO_VERSION + 1] = 1;
    end_give(&p->s, wire, n);
    pair_run(p, WIRE_MAX);
    assert_false(tls_connected(p->c.t) || tls_connected(p->s.t));
    assert_true(p->s.rc == TLS_ALERT(ALERT_DECRYPT_ERROR) ||
                p->s.rc == TLS_ALERT(ALERT_BAD_RECORD_MAC));
    pair_free(p);
}

/* RFC 7507. */
static void threat_22_fallback(void **state)
{
    (void)state;
    for (unsigned cmax = SSL_3_0; cmax <= TLS_1_2; cmax++) {
        for (unsigned smax = SSL_3_0; smax <= TLS_1_3; smax++) {
            struct pair_params q = ranges(SSL_3_0, cmax, SSL_3_0, smax);
            struct pair *p;

            q.fallback = true;
            p = pair_new(&q);
            pair_run(p, WIRE_MAX);
            if (smax > cmax) {
                assert_int_equal(p->s.rc, TLS_ALERT(ALERT_INAPPROPRIATE_FALLBACK));
                assert_int_equal(p->c.rc, ERR_PEER_ALERT);
            } else {
                assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
            }
            pair_free(p);
        }
    }
}

static struct config *schemes_config(enum tls_role role, const uint16_t *ids, size_t n)
{
    struct config *c = config_new(role);

    assert_non_null(c);
    assert_int_equal(config_set_clock(c, pair_clock), 0);
    assert_int_equal(config_set_trust(c, pki.trust), 0);
    assert_int_equal(config_set_versions(c, TLS_1_2, TLS_1_2), 0);
    assert_int_equal(config_set_schemes(c, ids, n), 0);
    assert_int_equal(role == TLS_SERVER ? config_add_identity(c, pki.server[ID_RSA]) : 0, 0);
    assert_int_equal(config_seal(c, NULL), 0);
    return c;
}

/* threat 21: TLS 1.2 signs with SHA-1 only where both ends name it. */
static void threat_21_sha1(void **state)
{
    static const uint16_t sha1[] = { 0x0201 };

    (void)state;
    for (unsigned named = 0; named < 4; named++) { /* bits: by the client, by the server */
        static struct pair p;
        const bool agreed = named == 0 || named == 3;
        struct config *c = schemes_config(TLS_CLIENT, sha1, named & 1);
        struct config *s = schemes_config(TLS_SERVER, sha1, named >> 1);

        memset(&p, 0, sizeof p);
        assert_int_equal(tls_new(&p.c.t, c, PAIR_HOST, NULL, NULL, NULL), 0);
        assert_int_equal(tls_new(&p.s.t, s, NULL, NULL, NULL, NULL), 0);
        pair_run(&p, WIRE_MAX);
        assert_int_equal(tls_connected(p.c.t), agreed);
        assert_int_equal(p.s.rc, agreed ? 0 : TLS_ALERT(ALERT_HANDSHAKE_FAILURE));
        assert_int_equal(named == 3, p.c.t->hs.scheme && p.c.t->hs.scheme->hash == HASH_SHA1);
        pair_free(&p);
        config_unref(c);
        config_unref(s);
    }
    for (size_t i = 0; scheme_at(i); i++) { /* and what has no number cannot be named */
        assert_true(scheme_at(i)->id != 0 && scheme_at(i)->hash != HASH_MD5_SHA1);
        assert_int_equal(scheme_at(i)->weak, scheme_at(i)->hash == HASH_SHA1);
    }
    assert_null(scheme_by_id(0));
}

/* SSL 3 knows no extensions: an SSL 3 server ignores what is behind a hello, a client takes nothing
 * but the answer to its SCSV. */
static void test_ssl3_hellos(void **state)
{
    struct pair_params q = ranges(SSL_3_0, SSL_3_0, SSL_3_0, TLS_1_2);
    struct pair *p = pair_new(&q);
    size_t n = end_take(&p->c, wire), body;
    static const uint8_t ems[] = { 0, 4, 0, 23, 0, 0 };

    (void)state;
    assert_int_equal(wire[2], 0);                               /* the record says it, too */
    body = REC_HEADER + HS_HEADER + 2 + RANDOM_SIZE + 1;        /* without a session */
    body += 2 + ((size_t)wire[body] << 8 | wire[body + 1]) + 2; /* suites, compression */
    assert_int_equal(n, body);
    memcpy(wire + n, ems, sizeof ems); /* nobody hashes the same: it ends at Finished */
    wire[4] = (uint8_t)(wire[4] + sizeof ems);
    wire[8] = (uint8_t)(wire[8] + sizeof ems);
    end_give(&p->s, wire, n + sizeof ems);
    assert_int_equal(p->s.rc, 0);
    assert_false(p->s.t->hs.ems);
    assert_true(p->s.t->hs.secure);
    pair_free(p);
    p = pair_new(&q);
    end_give(&p->s, wire, end_take(&p->c, wire));
    n = end_take(&p->s, wire);
    body = HELLO_RANDOM + RANDOM_SIZE + 1 + wire[HELLO_RANDOM + RANDOM_SIZE] + 3;
    assert_memory_equal(wire + body, "\0\5\xff\1\0\1\0", 7);
    wire[body + 2] = 0;
    wire[body + 3] = 16; /* any other */
    end_give(&p->c, wire, n);
    assert_int_equal(p->c.rc, TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION));
    assert_int_equal(end_alert(&p->c), ALERT_HANDSHAKE_FAILURE);
    pair_free(p);
}

/* threat 17: SSL 2 is none of the versions that are compiled. */
static void threat_17_ssl2_hello(void **state)
{
    static const uint8_t hello[] = { 0x80, 0x2e, 0x01, 0x03, 0x00, 0x00, 0x15, 0x00, 0x00, 0x00 };
    struct pair_params q = ranges(SSL_3_0, TLS_1_2, SSL_3_0, TLS_1_2);
    struct pair *p = pair_new(&q);

    (void)state;
    end_give(&p->s, hello, sizeof hello);
    assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_22_ranges),
        cmocka_unit_test(threat_22_not_by_default),
        cmocka_unit_test(threat_22_server_chooses_what_was_not_offered),
        cmocka_unit_test(threat_22_sentinel),
        cmocka_unit_test(threat_22_rewritten_hello),
        cmocka_unit_test(threat_22_finished_covers_the_version),
        cmocka_unit_test(threat_22_fallback),
        cmocka_unit_test(threat_21_sha1),
        cmocka_unit_test(test_ssl3_hellos),
        cmocka_unit_test(threat_17_ssl2_hello),
    };

    return cmocka_run_group_tests(tests, old_make, old_free);
}
