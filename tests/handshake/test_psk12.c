/* SPDX-License-Identifier: ISC */
/* Pre-shared keys in TLS 1.2 (RFC 4279, 5487, 5489, 7905, 8442): every suite, identities and hints,
 * beside certificates and keys of TLS 1.3, resumed and renegotiated. */
#include "tests/handshake/psk12.h"

static struct session_cache *cache;
static struct ticket_keys *tickets;

static void test_every_suite(void **state)
{
    uint16_t suite[SETTINGS_SUITES];
    size_t n = psk_suites(suite);

    (void)state;
    assert_true(n >= 28);
    for (size_t i = 0; i < 4 * n; i++) {
        struct pair_params q = with(suite[i / 4]);
        const bool cert = shows_cert(q.suite);
        struct pair *p;

        q.no_ems[TLS_CLIENT] = i & 1;
        q.no_etm[TLS_SERVER] = i & 2;
        p = connects(&q, "device-7");
        assert_int_equal(info_of(&p->c).version, TLS_1_2);
        assert_string_equal(info_of(&p->c).suite, suite_by_id(q.suite)->name);
        assert_int_equal(info_of(&p->c).peer_cert.n != 0, cert);
        assert_string_equal(info_of(&p->c).host, cert ? PAIR_HOST : "");
        assert_int_equal(info_of(&p->s).peer_cert.n, 0);
        assert_false(info_of(&p->s).client_auth);
        pair_free(p);
    }
}

/* The premaster secret as RFC 4279 section 2 has it, worked out here. */
static void test_premaster(void **state)
{
    for (size_t len = 1; len <= PSK_KEY_MAX; len += len < 5 ? 1 : len == 64 ? 192 : 59) {
        char key[PSK_KEY_MAX + 1] = { 0 };
        uint8_t premaster[2 * (2 + PSK_KEY_MAX)] = { 0 }, want[MASTER_SIZE];
        struct pair_params q = with(PSK_GCM);
        struct span randoms[2];
        struct pair *p;

        (void)state;
        memset(key, 'k', len);
        q.psk[TLS_CLIENT][0].key = q.psk[TLS_SERVER][0].key = key;
        q.no_ems[TLS_CLIENT] = true;
        p = connects(&q, "device-7");
        premaster[0] = premaster[2 + len] = (uint8_t)(len >> 8);
        premaster[1] = premaster[3 + len] = (uint8_t)len;
        memcpy(premaster + 4 + len, key, len);
        randoms[0] = span_of(p->client_random, RANDOM_SIZE);
        randoms[1] = span_of(p->server_random, RANDOM_SIZE);
        assert_int_equal(prf12(HASH_SHA256, span_of(premaster, 4 + 2 * len), "master secret",
                               randoms, 2, want, MASTER_SIZE),
                         0);
        assert_memory_equal(p->secret[SECRET_MASTER], want, MASTER_SIZE);
        pair_free(p);
    }
}

static void test_identities(void **state)
{
    static const size_t sizes[] = { 1, 2, 127, 128, 254, 255 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pair_params q = with(i & 1 ? PSK_GCM : ECDHE_PSK_GCM);
        char name[256] = { 0 };

        memset(name, 'n', sizes[i]);
        q.psk[TLS_CLIENT][0].name = q.psk[TLS_SERVER][1].name = name;
        q.psk[TLS_SERVER][1].key = KEY;
        q.psk[TLS_SERVER][1].tls12 = true;
        connects_once(&q, name);
    }
}

/* ---- hints ---- */

/* Is there a ServerKeyExchange? */
static bool exchanged(const struct pair_params *q)
{
    struct stage12 s = stage12_new(TLS_CLIENT, q);
    bool found = false;
    uint8_t *m;
    size_t n;

    do {
        m = stage12_next(&s, &n);
        found = found || m[0] == HS_SERVER_KEY_EXCHANGE;
        stage12_give(&s, m, n);
        assert_int_equal(s.e->rc, 0);
    } while (m[0] != HS_SERVER_HELLO_DONE);
    stage12_free(&s);
    return found;
}

static void test_hint(void **state)
{
    static const uint16_t suites[] = { PSK_GCM, RSA_PSK_GCM, ECDHE_PSK_GCM, DHE_PSK_GCM };
    char longest[256] = { 0 };

    (void)state;
    memset(longest, 'h', 255);
    for (size_t i = 0; i < 4; i++) {
        struct pair_params q = with(suites[i]);

        for (enum tls_role r = TLS_CLIENT; r <= TLS_SERVER; r++) {
            q.psk[r][1] = (struct pair_psk){ .name = "second", .key = OTHER, .tls12 = true };
            q.psk[r][2] = (struct pair_psk){ .name = longest, .key = OTHER, .tls12 = true };
        }
        assert_int_equal(exchanged(&q), i > 1);
        connects_once(&q, "device-7");
        q.psk_hint = "second";
        assert_true(exchanged(&q));
        connects_once(&q, "second");
        q.psk_hint = longest;
        connects_once(&q, longest);
        q.psk_hint = "device";
        connects_once(&q, "device-7");
    }
}

/* ---- what is offered and chosen ---- */

static void test_only_with_a_key(void **state)
{
    struct pair_params q = { .server_suites = { ECDHE_PSK_GCM, SUITE_GCM },
                             .client_suites = { ECDHE_PSK_GCM, SUITE_GCM } };

    (void)state;
    connects_once(&q, "");
    q.psk[TLS_CLIENT][0] = (struct pair_psk){ .name = "device-7", .key = KEY, .tls12 = true };
    connects_once(&q, "");
    q.psk[TLS_SERVER][0] = q.psk[TLS_CLIENT][0];
    connects_once(&q, "device-7");
    memset(&q.psk[TLS_CLIENT][0], 0, sizeof q.psk[TLS_CLIENT][0]);
    connects_once(&q, "");
    q.psk[TLS_CLIENT][0] = q.psk[TLS_SERVER][0];
    q.client_suites[0] = SUITE_GCM; /* who does not name it does not mean it */
    q.client_suites[1] = 0;
    memset(&q.psk[TLS_CLIENT][0], 0, sizeof q.psk[TLS_CLIENT][0]);
    connects_once(&q, "");
}

/* A server that has keys alone; a client that has no anchors believes no certificate. */
static void test_not_by_certificate(void **state)
{
    struct pair_params q = with(0);

    (void)state;
    q.client_suites[0] = q.server_suites[0] = PSK_GCM;
    q.client_suites[1] = q.server_suites[1] = SUITE_GCM;
    q.no_server_id = q.no_trust = true;
    connects_once(&q, "device-7");
    q.no_server_id = false;
    q.id = ID_P256;
    q.server_suites[0] = SUITE_GCM;
    q.server_suites[1] = PSK_GCM;
    refused(&q, TLS_CLIENT, ALERT_UNKNOWN_CA);
    q.no_trust = false;
    connects_once(&q, "");
    q.host = "";
    q.no_server_id = true;
    connects_once(&q, "device-7");
}

/* threat 23: each version has its own, and one that both have must be said twice. */
static void threat_23_not_in_both_versions(void **state)
{
    struct pair_params q = with(0);

    (void)state;
    q.client_suites[0] = q.server_suites[0] = 0x1301;
    q.client_suites[1] = q.server_suites[1] = ECDHE_PSK_GCM;
    for (enum tls_role r = TLS_CLIENT; r <= TLS_SERVER; r++) {
        q.psk[r][1] = (struct pair_psk){ .name = "device-7", .key = OTHER };
    }
    q.no_server_id = q.no_trust = true;
    for (unsigned max = TLS_1_2; max <= TLS_1_3; max++) {
        struct pair *p;

        q.client_max = max;
        p = connects(&q, "device-7");
        assert_int_equal(info_of(&p->s).version, max);
        pair_free(p);
    }
    q.psk[TLS_SERVER][1].name = NULL; /* that server speaks no TLS 1.3 any more */
    for (int i = 0; i < 2; i++) {
        struct pair *p = connects(&q, "device-7");

        assert_int_equal(info_of(&p->s).version, TLS_1_2);
        pair_free(p);
        q.psk[TLS_CLIENT][1].name = NULL;
    }
    q.client_suites[0] = 0x1301;
    q.client_suites[1] = 0;
    q.psk[TLS_CLIENT][0] = (struct pair_psk){ .name = "device-7", .key = KEY };
    refused(&q, TLS_SERVER, ALERT_PROTOCOL_VERSION);
}

static void test_nobody_is_asked(void **state)
{
    struct pair_params q = with(0);
    struct pair *p;

    (void)state;
    q.client_suites[0] = q.server_suites[0] = RSA_PSK_GCM;
    q.client_suites[1] = q.server_suites[1] = SUITE_RSA_GCM;
    q.no_server_id = q.no_trust = false;
    q.auth = CLIENT_AUTH_REQUEST;
    q.client_id = true;
    p = connects(&q, "device-7");
    assert_false(info_of(&p->s).client_auth);
    pair_free(p);
    memset(q.psk, 0, sizeof q.psk);
    p = connects(&q, "");
    assert_true(info_of(&p->s).client_auth);
    pair_free(p);
}

/* ---- sessions ---- */

static struct pair *resumes(struct pair_params *q, bool resumed)
{
    struct tls_session *s = q->resume;
    struct pair *p = pair_connected(q);

    assert_int_equal(info_of(&p->c).resumed, resumed);
    assert_int_equal(info_of(&p->s).resumed, resumed);
    assert_true(by_key(&p->s, "device-7"));
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
    session_unref(s);
    q->resume = tls_session(p->c.t);
    assert_non_null(q->resume);
    return p;
}

/* A server knows the identity again; with other keys the session is worth nothing (threat 27). */
static void threat_27_resumed_by_key(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        static const uint16_t suites[] = { PSK_CBC, RSA_PSK_GCM, ECDHE_PSK_GCM };
        struct pair_params q = with(suites[i / 2]);

        q.cache = i & 1 ? cache : NULL;
        q.tickets = i & 1 ? NULL : tickets;
        pair_free(resumes(&q, false));
        pair_free(resumes(&q, true));
        pair_free(resumes(&q, true));
        q.psk[TLS_SERVER][1] = (struct pair_psk){ .name = "x", .key = OTHER, .tls12 = true };
        pair_free(resumes(&q, false));
        pair_free(resumes(&q, true));
        q.psk[TLS_CLIENT][0].key = q.psk[TLS_SERVER][0].key = OTHER;
        pair_free(resumes(&q, false));
        pair_free(resumes(&q, true));
        session_unref(q.resume);
    }
}

/* ---- renegotiation ---- */

/* What both want from now on. */
static void again(struct pair *p, const struct pair_params *q)
{
    struct config *c = pair_config(p, TLS_CLIENT, q);

    assert_int_equal(tls_rehandshake(p->c.t, c, false), 0);
    config_unref(c);
    pair_run(p, WIRE_MAX);
}

static void again_as(struct pair *p, const struct pair_params *q, const char *name, bool cert)
{
    again(p, q);
    assert_true(p->c.rc == 0 && p->s.rc == 0);
    assert_true(by_key(&p->c, name) && by_key(&p->s, name));
    assert_int_equal(info_of(&p->c).peer_cert.n != 0, cert);
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
}

static struct pair_params either(void)
{
    struct pair_params q = with(0);

    q.server_suites[0] = PSK_GCM;
    q.server_suites[1] = SUITE_RSA_GCM;
    q.client_suites[0] = PSK_GCM;
    q.no_server_id = q.no_trust = false;
    q.renegotiation = RENEGOTIATE_SECURE;
    q.psk[TLS_SERVER][1] = (struct pair_psk){ .name = "second", .key = OTHER, .tls12 = true };
    return q;
}

static void test_renegotiates(void **state)
{
    struct pair_params key = either(), second = either(), cert = either();
    struct pair *p = connects(&key, "device-7");

    (void)state;
    second.psk[TLS_CLIENT][0] = key.psk[TLS_SERVER][1];
    cert.client_suites[0] = SUITE_RSA_GCM;
    cert.psk[TLS_CLIENT][0].name = NULL;
    again_as(p, &key, "device-7", false);
    again_as(p, &cert, "", true);
    again_as(p, &second, "second", false);
    again_as(p, &cert, "", true);
    again_as(p, &key, "device-7", false);
    pair_free(p);
}

/* A session says by whom it was made, to a server; what was before does not stay. */
static void test_renegotiates_resumed(void **state)
{
    struct pair_params key = either(), cert = either();
    struct pair *p;

    (void)state;
    key.cache = cert.cache = cache;
    cert.client_suites[0] = SUITE_RSA_GCM;
    cert.psk[TLS_CLIENT][0].name = NULL;
    p = connects(&key, "device-7");
    for (int by_cert = 0; by_cert < 2; by_cert++) {
        assert_int_equal(tls_rehandshake(p->c.t, NULL, true), 0);
        pair_run(p, WIRE_MAX);
        assert_true(p->c.rc == 0 && p->s.rc == 0 && info_of(&p->s).resumed);
        assert_true(by_key(&p->c, "") && by_key(&p->s, by_cert ? "" : "device-7"));
        again_as(p, by_cert ? &key : &cert, by_cert ? "device-7" : "", !by_cert);
    }
    pair_free(p);
}

/* threat 20: without extended master secret the peer stays who it was. */
static void threat_20_changes_who_it_is(void **state)
{
    for (int i = 0; i < 4; i++) {
        struct pair_params from = either(), to = either();
        struct pair *p;

        (void)state;
        from.no_ems[TLS_SERVER] = true;
        to.no_ems[TLS_SERVER] = true;
        if (i == 1) {
            to.psk[TLS_CLIENT][0] = from.psk[TLS_SERVER][1];
        }
        if (i & 2) {
            struct pair_params *q = i == 2 ? &from : &to;

            q->client_suites[0] = SUITE_RSA_GCM;
            q->psk[TLS_CLIENT][0].name = NULL;
        }
        p = connects(&from, i == 2 ? "" : "device-7");
        again(p, &to);
        if (i == 0) {
            assert_true(p->c.rc == 0 && p->s.rc == 0 && by_key(&p->s, "device-7"));
        } else {
            assert_true(p->c.rc != 0 && p->s.rc != 0);
            assert_false(by_key(&p->s, "second"));
        }
        pair_free(p);
    }
}

static int setup(void **state)
{
    assert_int_equal(pki_make(state), 0);
    cache = session_cache_new(16, 1000000);
    tickets = ticket_keys_new(1000000);
    return cache && tickets ? 0 : -1;
}

static int teardown(void **state)
{
    session_cache_unref(cache);
    ticket_keys_unref(tickets);
    return pki_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_suite),
        cmocka_unit_test(test_premaster),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_hint),
        cmocka_unit_test(test_only_with_a_key),
        cmocka_unit_test(test_not_by_certificate),
        cmocka_unit_test(threat_23_not_in_both_versions),
        cmocka_unit_test(test_nobody_is_asked),
        cmocka_unit_test(threat_27_resumed_by_key),
        cmocka_unit_test(test_renegotiates),
        cmocka_unit_test(test_renegotiates_resumed),
        cmocka_unit_test(threat_20_changes_who_it_is),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
