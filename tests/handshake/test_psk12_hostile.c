/* SPDX-License-Identifier: ISC */
/* Pre-shared keys in TLS 1.2 against peers that lie: names and keys that are wrong, messages that
 * are malformed, missing or one too many, certificates of nobody. */
#include "tests/handshake/psk12.h"

static uint8_t wire[WIRE_MAX];
static const uint16_t each_kx[] = { PSK_GCM, PSK_CBC, RSA_PSK_GCM, ECDHE_PSK_GCM, DHE_PSK_GCM };
#define KINDS (sizeof each_kx / sizeof *each_kx)

/* ---- who asks learns nothing ---- */

/* All that can be seen of a server that refuses a client: sizes of flights, and how it ends. */
struct seen {
    size_t size[8], n;
    int rc;
    unsigned alert;
    char text[sizeof((struct error *)0)->text];
};

static struct seen watch(const struct pair_params *q)
{
    struct pair *p = pair_new(q);
    struct seen s = { .n = 0 };
    size_t n;

    do {
        n = end_take(&p->c, wire);
        end_give(&p->s, wire, n);
        n = end_take(&p->s, wire);
        assert_true(s.n < 8);
        s.size[s.n++] = n;
        end_give(&p->c, wire, n);
    } while (n);
    assert_false(tls_connected(p->c.t) || tls_connected(p->s.t));
    assert_true(by_key(&p->c, "") && by_key(&p->s, ""));
    assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_DECRYPT_ERROR);
    s.rc = p->s.rc;
    s.alert = end_alert(&p->s);
    memcpy(s.text, tls_error(p->s.t)->text, sizeof s.text);
    pair_free(p);
    return s;
}

/* threat 39 */
static void threat_39_wrong_name_or_wrong_key(void **state)
{
    static const char *const names[] = { "device-8", "device-70", "device-", "x", "DEVICE-7" };
    char longest[256] = { 0 };

    (void)state;
    memset(longest, 'n', 255);
    for (size_t i = 0; i < KINDS; i++) {
        struct pair_params q = with(each_kx[i]);
        struct seen wrong;

        q.psk[TLS_CLIENT][0].key = OTHER;
        wrong = watch(&q);
        assert_int_equal(wrong.alert, ALERT_DECRYPT_ERROR);
        q.psk[TLS_CLIENT][0].key = KEY;
        for (size_t k = 0; k <= sizeof names / sizeof *names; k++) {
            struct seen unknown;

            q.psk[TLS_CLIENT][0].name = k < sizeof names / sizeof *names ? names[k] : longest;
            unknown = watch(&q);
            assert_memory_equal(&unknown, &wrong, sizeof wrong);
        }
    }
}

/* The key that is for names of nobody is not found by one. */
static void test_decoy(void **state)
{
    struct pair_params q = with(PSK_GCM);
    struct pair *p = pair_new(&q);
    const struct settings *s = p->s.t->hs.set;

    (void)state;
    assert_ptr_equal(psk12_find(s, span_of(NULL, 0)), s->decoy12);
    assert_ptr_equal(psk12_find(s, span_text("device-7")), s->psks12);
    assert_ptr_equal(psk12_find(s, span_of("device-7", 9)), s->decoy12);
    assert_ptr_equal(psk12_find(s, span_of(wire, sizeof wire)), s->decoy12);
    assert_int_equal(s->decoy12->key_len, s->psks12->key_len);
    assert_memory_not_equal(s->decoy12->key, s->psks12->key, s->decoy12->key_len);
    pair_free(p);
}

/* ---- messages ---- */

static size_t message(uint8_t *out, unsigned type, const void *body, size_t n)
{
    out[0] = (uint8_t)type;
    out[1] = (uint8_t)(n >> 16);
    out[2] = (uint8_t)(n >> 8);
    out[3] = (uint8_t)n;
    if (n) {
        memcpy(out + HS_HEADER, body, n);
    }
    return HS_HEADER + n;
}

/* What an engine that stands there says to this message; 0: it goes on. */
static int says(enum hs_state at, const struct pair_params *q, unsigned type, const void *body,
                size_t n)
{
    static uint8_t m[1 << 15];
    struct stage12 s = stage12_at(at, q);
    int rc;

    stage12_give(&s, m, message(m, type, body, n));
    rc = s.e->rc;
    assert_false(tls_connected(s.e->t));
    stage12_free(&s);
    return rc;
}

/* Its own next message, without its last byte, with one more, or with another in front. */
static void threat_02_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * KINDS; i++) {
        struct pair_params q = with(each_kx[i / 2]);
        const bool client = i & 1;
        size_t n = SIZE_MAX;

        q.psk_hint = "a hint";
        for (size_t cut = 0; cut <= n + 1 || n == SIZE_MAX; cut++) {
            struct stage12 s = stage12_at(client ? C12_WAIT_SKE : S12_WAIT_CKE, &q);
            uint8_t m[1024], *real = stage12_next(&s, &n);

            assert_int_equal(real[0], client ? HS_SERVER_KEY_EXCHANGE : HS_CLIENT_KEY_EXCHANGE);
            n -= HS_HEADER;
            memcpy(m, real, HS_HEADER + n);
            m[HS_HEADER + n] = 0;
            stage12_give(&s, m, message(m, m[0], m + HS_HEADER, cut));
            if (cut == n) {
                assert_int_equal(s.e->rc, 0);
            } else {
                assert_refused(s.e, ALERT_DECODE_ERROR);
            }
            stage12_free(&s);
        }
    }
}

static void test_identities_on_the_wire(void **state)
{
    static uint8_t body[16000 + 2];

    (void)state;
    for (size_t n = 0; n <= 16000; n = n ? 2 * n > 16000 && n < 16000 ? 16000 : 2 * n : 1) {
        struct pair_params q = with(PSK_GCM);

        body[0] = (uint8_t)(n >> 8);
        body[1] = (uint8_t)n;
        assert_int_equal(says(S12_WAIT_CKE, &q, HS_CLIENT_KEY_EXCHANGE, body, 2 + n), 0);
        assert_int_equal(says(C12_WAIT_SKE, &q, HS_SERVER_KEY_EXCHANGE, body, 2 + n), 0);
    }
}

/* threat 2: what has no place is not taken, what has one is not done without. */
static void threat_02_places(void **state)
{
    static const uint8_t request[] = { 1, 1, 0, 2, 4, 3, 0, 0 }, none[4] = { 0 };

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair_params q = with(each_kx[i]);
        const bool ephemeral = q.suite == ECDHE_PSK_GCM || q.suite == DHE_PSK_GCM,
                   cert = shows_cert(q.suite);
        struct stage12 s;
        uint8_t *m;
        size_t n;

        assert_int_equal(says(C12_WAIT_SKE, &q, HS_CERTIFICATE, none, 3),
                         TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        assert_int_equal(says(C12_WAIT_SKE, &q, HS_CERTIFICATE_STATUS, none, 4),
                         TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        assert_int_equal(says(C12_WAIT_SKE, &q, HS_SERVER_HELLO_DONE, NULL, 0),
                         ephemeral ? TLS_ALERT(ALERT_UNEXPECTED_MESSAGE) : 0);
        assert_int_equal(says(S12_WAIT_CKE, &q, HS_CERTIFICATE, none, 3),
                         TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        assert_int_equal(says(S12_WAIT_CKE, &q, HS_CERTIFICATE_VERIFY, none, 4),
                         TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        q.psk_hint = "hint";
        s = stage12_at(C12_WAIT_SKE, &q);
        m = stage12_next(&s, &n);
        stage12_give(&s, m, n);
        assert_int_equal(s.e->rc, 0);
        stage12_give(&s, m, n); /* a second one */
        assert_refused(s.e, ALERT_UNEXPECTED_MESSAGE);
        stage12_free(&s);
        assert_int_equal(says(C12_WAIT_CR, &q, HS_CERTIFICATE_REQUEST, request, sizeof request),
                         TLS_ALERT(ALERT_HANDSHAKE_FAILURE));
        if (cert) { /* its certificate is not left out */
            assert_int_equal(says(C12_WAIT_CERT, &q, HS_SERVER_KEY_EXCHANGE, none, 2),
                             TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
            assert_int_equal(says(C12_WAIT_CERT, &q, HS_SERVER_HELLO_DONE, NULL, 0),
                             TLS_ALERT(ALERT_UNEXPECTED_MESSAGE));
        }
    }
}

/* A server cannot lead who has no key, or does not name the suite, to it. */
static void test_suite_not_offered(void **state)
{
    struct pair_params q = { .suite = SUITE_GCM };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair *p;
        size_t n;

        q.client_suites[0] = i ? SUITE_GCM : PSK_GCM;
        q.client_suites[1] = i ? 0 : SUITE_GCM;
        q.server_suites[0] = SUITE_GCM;
        q.suite = 0;
        p = pair_new(&q);
        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        put16(wire + REC_HEADER + HS_HEADER + 2 + RANDOM_SIZE + 1 + wire[43], PSK_GCM);
        end_give(&p->c, wire, n);
        assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        pair_free(p);
    }
}

/* ---- RSA_PSK ---- */

/* The key does not stand for the certificate. */
static void threat_32_certificate(void **state)
{
    struct pair_params q = with(RSA_PSK_GCM);

    (void)state;
    q.other_ca = true;
    refused(&q, TLS_CLIENT, ALERT_UNKNOWN_CA);
    q = with(RSA_PSK_GCM);
    q.no_trust = true;
    refused(&q, TLS_CLIENT, ALERT_UNKNOWN_CA);
    q = with(RSA_PSK_GCM);
    q.host = "other.test";
    refused(&q, TLS_CLIENT, ALERT_BAD_CERTIFICATE);
    q.host = "";
    refused(&q, TLS_CLIENT, ALERT_CERTIFICATE_UNKNOWN);
    q = with(RSA_PSK_GCM);
    q.id = ID_P256;
    refused(&q, TLS_SERVER, ALERT_HANDSHAKE_FAILURE);
    q.no_server_id = true;
    refused(&q, TLS_SERVER, ALERT_HANDSHAKE_FAILURE);
}

/* A sealed premaster secret that is garbage, of any length or none, is a wrong key. */
static void threat_12_garbage(void **state)
{
    struct pair_params q = with(RSA_PSK_GCM);
    struct seen wrong;

    (void)state;
    q.psk[TLS_CLIENT][0].key = OTHER;
    wrong = watch(&q);
    q = with(RSA_PSK_GCM);
    for (size_t i = 0; i < 6; i++) {
        static const size_t sizes[] = { 256, 256, 255, 257, 1, 128 };
        struct stage12 s = stage12_at(S12_WAIT_CKE, &q);
        uint8_t m[1024], body[1024] = { 0, 8, 'd', 'e', 'v', 'i', 'c', 'e', '-', '7' };
        size_t n;

        memcpy(body, stage12_next(&s, &n) + HS_HEADER, 10 + 2 + 256);
        if (i > 0) {
            memset(body + 12, (int)(0x11 * i), 300);
            put16(body + 10, sizes[i]);
        } else {
            body[12 + 100] ^= 1;
        }
        stage12_give(&s, m, message(m, HS_CLIENT_KEY_EXCHANGE, body, 12 + sizes[i]));
        assert_int_equal(s.e->rc, 0);
        assert_int_equal(s.e->t->hs.state, S12_WAIT_CCS);
        hand12_give(&s.hand, s.e, CT_CHANGE_CIPHER_SPEC, "\1", 1);
        assert_int_equal(s.e->rc, 0);
        hand12_give(&s.hand, s.e, CT_HANDSHAKE, wire, 40); /* in clear: what no key opens */
        assert_int_equal(s.e->rc, wrong.rc);
        assert_int_equal(end_alert(s.e), wrong.alert);
        assert_string_equal(tls_error(s.e->t)->text, wrong.text);
        stage12_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_39_wrong_name_or_wrong_key),
        cmocka_unit_test(test_decoy),
        cmocka_unit_test(threat_02_every_length),
        cmocka_unit_test(test_identities_on_the_wire),
        cmocka_unit_test(threat_02_places),
        cmocka_unit_test(test_suite_not_offered),
        cmocka_unit_test(threat_32_certificate),
        cmocka_unit_test(threat_12_garbage),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
