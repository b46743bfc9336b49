/* SPDX-License-Identifier: ISC */
/* SSL 3, TLS 1.0 and TLS 1.1 between two ends of ours: full, resumed, renegotiated, and with each
 * byte of what proves something changed. */
#include "base/trace.h"
#include "tests/legacy/old.h"

static uint8_t wire[WIRE_MAX];

static void check(const struct pair *p, uint16_t version)
{
    static const char *const names[] = { "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2" };

    assert_int_equal(p->c.rc, 0);
    assert_int_equal(p->s.rc, 0);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    assert_int_equal(info_of(&p->c).version, version);
    assert_int_equal(info_of(&p->s).version, version);
    assert_string_equal(info_of(&p->c).version_name, names[version - SSL_3_0]);
}

/* Every suite that the version has and that goes with a certificate, client certificates, and who
 * leaves out extended master secret. */
static void test_matrix(void **state)
{
    unsigned fit = 0;

    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        for (size_t i = 0; suite_at(i); i++) {
            const struct suite *s = suite_at(i);
            bool plain = s->kx == KX_ECDHE || s->kx == KX_RSA;

            for (unsigned flags = 0; flags < 6 && plain && suite_fits(s, old_versions[v]);
                 flags++) {
                struct pair_params q = old_params(old_versions[v]);
                struct pair *p;

                q.suite = s->id;
                q.id = s->auth == AUTH_RSA ? ID_RSA : (int)(flags & 1 ? ID_P384 : ID_P256);
                q.auth = flags & 1 ? CLIENT_AUTH_REQUIRE : CLIENT_AUTH_NONE;
                q.client_id = flags & 1;
                q.no_ems[TLS_CLIENT] = flags & 2;
                q.no_ems[TLS_SERVER] = flags & 4;
                p = pair_new(&q);
                pair_run(p, flags ? WIRE_MAX : 1);
                check(p, old_versions[v]);
                assert_int_equal(info_of(&p->s).ems, flags < 2 && old_versions[v] != SSL_3_0);
                assert_int_equal(p->s.t->hs.peer != NULL, flags & 1);
                old_talk(p);
                pair_free(p);
                fit++;
            }
        }
    }
    assert_true(fit > 60);
}

/* threat 22: a session goes on in its own version, and in no other. */
static void test_resumed(void **state)
{
    struct session_cache *cache = session_cache_new(8, 3600000);
    struct ticket_keys *tickets = ticket_keys_new(3600000);

    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        for (int by_ticket = 0; by_ticket < 2; by_ticket++) {
            struct pair_params q = old_params(old_versions[v]);
            bool goes = !by_ticket || old_versions[v] != SSL_3_0; /* which has no tickets */
            struct pair *p;

            q.auth = CLIENT_AUTH_REQUIRE;
            q.client_id = true;
            q.cache = by_ticket ? NULL : cache;
            q.tickets = by_ticket ? tickets : NULL;
            p = pair_connected(&q);
            q.resume = tls_session(p->c.t);
            pair_free(p);
            assert_int_equal(q.resume != NULL, goes);
            if (!goes) {
                continue;
            }
            for (int other = 0; other < 2; other++) {
                p = pair_connected(&q);
                assert_int_equal(info_of(&p->c).resumed, !other);
                assert_int_equal(info_of(&p->s).resumed, !other);
                check(p, (uint16_t)(old_versions[v] + other));
                old_talk(p);
                pair_free(p);
                /* Now both offer the one above, too. */
                q.client_max = q.server_max = old_versions[v] + 1u;
            }
            session_unref(q.resume);
        }
    }
    session_cache_unref(cache);
    ticket_keys_unref(tickets);
}

static void test_renegotiated(void **state)
{
    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        for (int by_server = 0; by_server < 2; by_server++) {
            struct pair_params q = old_params(old_versions[v]);
            struct pair *p;

            q.renegotiation = RENEGOTIATE_SECURE;
            q.require_secure = true;
            p = pair_connected(&q);
            for (unsigned n = 2; n < 4; n++) {
                assert_int_equal(tls_rehandshake(by_server ? p->s.t : p->c.t, NULL, false), 0);
                pair_run(p, WIRE_MAX);
                check(p, old_versions[v]);
                assert_true(p->c.done == n && p->s.done == n);
                old_talk(p);
            }
            pair_free(p);
        }
    }
}

/* SSL 3 has no alert that says no without ending the connection. */
static void test_renegotiation_refused(void **state)
{
    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        struct pair_params q = old_params(old_versions[v]);
        struct pair *p = pair_connected(&q);

        assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
        pair_run(p, WIRE_MAX);
        if (old_versions[v] == SSL_3_0) {
            assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        } else {
            assert_int_equal(p->c.warning, ALERT_NO_RENEGOTIATION);
            old_talk(p);
        }
        pair_free(p);
    }
}

static void test_exporter(void **state)
{
    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        struct pair_params q = old_params(old_versions[v]);
        struct pair *p = pair_connected(&q);
        uint8_t a[100] = { 0 }, b[100] = { 1 };
        int want = old_versions[v] == SSL_3_0 ? ERR_UNSUPPORTED : 0;

        assert_int_equal(tls_export(p->c.t, "EXPERIMENTAL", span_of("c", 1), true, a, 100), want);
        assert_int_equal(tls_export(p->s.t, "EXPERIMENTAL", span_of("c", 1), true, b, 100), want);
        if (want == 0) { /* RFC 5705 section 4 */
            uint8_t c[100];
            const struct span seed[] = { { p->client_random, RANDOM_SIZE },
                                         { p->server_random, RANDOM_SIZE },
                                         span_of("\0\1c", 3) };

            assert_int_equal(prf10(HASH_NONE, span_of(p->secret[SECRET_MASTER], MASTER_SIZE),
                                   "EXPERIMENTAL", seed, 3, c, 100),
                             0);
            assert_memory_equal(a, c, 100);
            assert_memory_equal(b, c, 100);
        }
        pair_free(p);
    }
}

/* One byte of one message of one end is not what the end has hashed: the other refuses. Returns the
 * length of the message's body. */
static size_t flipped(const struct pair_params *q, bool server, unsigned type, size_t at,
                      uint8_t flip)
{
    struct pair *p = pair_new(q);
    struct end *other = server ? &p->c : &p->s;

    lie_begin(server ? &p->s : &p->c, type, at, flip);
    pair_run(p, WIRE_MAX);
    if (lie.seen && at < lie.seen) {
        assert_true(other->rc < 0 || p->c.rc < 0);
        assert_false(tls_connected(other->t));
        assert_true(IS_TLS_ALERT(other->rc) || other->rc == ERR_PEER_ALERT);
    }
    pair_free(p);
    return lie.seen;
}

/* threats 3 and 4: every byte of Finished, CertificateVerify and ServerKeyExchange. */
static void test_flips(void **state)
{
    static const struct {
        bool server;
        unsigned type;
    } row[] = { { false, HS_FINISHED },
                { true, HS_FINISHED },
                { false, HS_CERTIFICATE_VERIFY },
                { true, HS_SERVER_KEY_EXCHANGE } };

    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        struct pair_params q = old_params(old_versions[v]);

        q.auth = CLIENT_AUTH_REQUIRE;
        q.client_id = true;
        for (size_t i = 0; i < 4; i++) {
            size_t n = flipped(&q, row[i].server, row[i].type, SIZE_MAX, 0);
            size_t step = row[i].type == HS_FINISHED ? 1 : 7;

            if (row[i].type == HS_FINISHED) {
                assert_int_equal(n, old_versions[v] == SSL_3_0 ? 36 : 12);
            }
            for (size_t at = 0; at < n; at += step) {
                (void)flipped(&q, row[i].server, row[i].type, at, (uint8_t)(1u << (at % 8)));
            }
        }
    }
}

/* RFC 6101 section 5.6.6: the alert in place of the empty list, and only there. */
static void test_no_certificate(void **state)
{
    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        for (int require = 0; require < 2; require++) {
            struct pair_params q = old_params(old_versions[v]);
            struct pair *p;

            q.auth = require ? CLIENT_AUTH_REQUIRE : CLIENT_AUTH_REQUEST;
            p = pair_new(&q);
            end_give(&p->s, wire, end_take(&p->c, wire));
            end_give(&p->c, wire, end_take(&p->s, wire));
            if (p->c.rc == 0) {
                size_t n = end_take(&p->c, wire);
                bool alert = wire[0] == CT_ALERT && n > 7 && wire[4] == 2 && wire[6] == 41;

                assert_int_equal(alert, old_versions[v] == SSL_3_0);
                end_give(&p->s, wire, n);
            }
            pair_run(p, WIRE_MAX);
            if (require) {
                assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
            } else {
                check(p, old_versions[v]);
                old_talk(p);
            }
            pair_free(p);
        }
    }
}

/* In TLS it is a warning like others: the server goes on waiting for the certificates. */
static void test_no_certificate_elsewhere(void **state)
{
    (void)state;
    for (size_t v = 0; v < NOLD; v++) {
        struct pair_params q = old_params(old_versions[v]);
        uint8_t alert[] = { CT_ALERT, 3, (uint8_t)old_versions[v], 0, 2, 1, 41 };
        struct pair *p;

        for (int early = 0; early < 2; early++) {
            q.auth = early ? CLIENT_AUTH_NONE : CLIENT_AUTH_REQUEST;
            p = pair_new(&q);
            end_give(&p->s, wire, end_take(&p->c, wire));
            (void)end_take(&p->s, wire);
            end_give(&p->s, alert, sizeof alert);
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(p->s.t->hs.state,
                             early || old_versions[v] == SSL_3_0 ? S12_WAIT_CKE : S12_WAIT_CERT);
            assert_int_equal(p->s.warned, early || old_versions[v] != SSL_3_0);
            pair_free(p);
        }
    }
}

/* RFC 6101 section 5.4.2: no alert goes out that SSL 3 does not have. */
static void test_alerts(void **state)
{
    static const uint8_t nonsense[] = { CT_HANDSHAKE, 3, 0, 0, 5, HS_CERTIFICATE, 0, 0, 1, 9 };
    struct pair_params q = old_params(SSL_3_0);
    struct pair *p;

    (void)state;
    q.other_ca = true;
    p = pair_new(&q);
    pair_run(p, WIRE_MAX);
    assert_int_equal(end_alert(&p->c), ALERT_CERTIFICATE_UNKNOWN);
    assert_int_equal(tls_error(p->s.t)->alert_received, ALERT_CERTIFICATE_UNKNOWN);
    pair_free(p);
    q.other_ca = false;
    q.auth = CLIENT_AUTH_REQUEST;
    p = pair_new(&q);
    end_give(&p->s, wire, end_take(&p->c, wire));
    end_give(&p->s, nonsense, sizeof nonsense);
    assert_int_equal(p->s.rc, TLS_ALERT(ALERT_DECODE_ERROR));
    assert_int_equal(end_alert(&p->s), ALERT_ILLEGAL_PARAMETER);
    pair_free(p);
    for (unsigned desc = 0; desc < 256; desc++) {
        unsigned made = protocol_ssl3.alert(desc);

        assert_true(made == 0 || made == 10 || made == 20 || made == 40 ||
                    (made >= 41 && made <= 47) || made == desc);
        assert_true(made <= 47);
    }
}

static unsigned said, unread;

static void listen(void *ctx, enum trace_kind kind, const char *line)
{
    (void)ctx;
    (void)kind;
    unread += strstr(line, "malformed") != NULL || strstr(line, "signed with") != NULL ||
              strstr(line, "schemes") != NULL;
    said += strstr(line, "signature of 256 bytes") != NULL || strstr(line, "authorities") != NULL;
}

/* Traces read messages as the version has them. */
static void test_traces(void **state)
{
    struct pair_params q = old_params(TLS_1_1);

    (void)state;
    q.auth = CLIENT_AUTH_REQUIRE;
    q.client_id = true;
    trace_set(listen, NULL, TRACE_HANDSHAKE);
    pair_free(pair_connected(&q));
    trace_set(NULL, NULL, 0);
    assert_int_equal(unread, 0);
    assert_int_equal(said, 6); /* ServerKeyExchange, CertificateRequest and -Verify, at both ends */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),         cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_renegotiated),   cmocka_unit_test(test_renegotiation_refused),
        cmocka_unit_test(test_exporter),       cmocka_unit_test(test_flips),
        cmocka_unit_test(test_no_certificate), cmocka_unit_test(test_no_certificate_elsewhere),
        cmocka_unit_test(test_alerts),         cmocka_unit_test(test_traces),
    };

    return cmocka_run_group_tests(tests, old_make, old_free);
}
