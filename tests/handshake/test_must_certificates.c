/* SPDX-License-Identifier: ISC */
/* RFC 8446 sections 4.3 and 4.4: EncryptedExtensions, CertificateRequest, Certificate,
 * CertificateVerify, Finished; which of them are said, and what each may have in it. */
#include "tests/handshake/must.h"
#include "tests/handshake/resume13.h"

static uint8_t wire[WIRE_MAX], m[WIRE_MAX];

/* The fields of a message, behind its header. */
static struct rd body_of(const uint8_t *message)
{
    assert_non_null(message);
    return rd_of(message + HS_HEADER, message_size(message) - HS_HEADER);
}

static struct rd take_vec(struct rd *r, unsigned bytes)
{
    struct rd v;

    assert_true(rd_vec(r, bytes, &v));
    return v;
}

/* ---- what our server says ---- */
static void test_server_flight(void **state)
{
    static const struct {
        enum client_auth auth;
        bool resume;
        const char *types;
    } rows[] = { { CLIENT_AUTH_NONE, false, "\x02\x08\x0b\x0f\x14" },
                 { CLIENT_AUTH_REQUEST, false, "\x02\x08\x0d\x0b\x0f\x14" },
                 { CLIENT_AUTH_REQUIRE, false, "\x02\x08\x0d\x0b\x0f\x14" },
                 { CLIENT_AUTH_NONE, true, "\x02\x08\x14" },
                 { CLIENT_AUTH_REQUEST, true, "\x02\x08\x14" } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_params q = usual(NULL);
        struct rd r, list, der;
        struct stage *s;

        q.auth = rows[i].auth;
        q.resume = rows[i].resume ? first(&q) : NULL;
        s = lead_client(&q);
        assert_string_equal(types_of(s->m, s->n), rows[i].types);
        if (!rows[i].resume) {
            r = body_of(message_of(s->m, s->n, HS_CERTIFICATE));
            assert_int_equal(take_vec(&r, 1).n, 0);
            list = take_vec(&r, 3);
            der = take_vec(&list, 3);
            assert_true(span_eq(span_of(der.p, der.n), pki.server[ID_P256]->leaf.der));
            assert_true(rd_done(&r));
        }
        if (strchr(rows[i].types, HS_CERTIFICATE_REQUEST)) {
            r = body_of(message_of(s->m, s->n, HS_CERTIFICATE_REQUEST));
            assert_int_equal(take_vec(&r, 1).n, 0);
            assert_true(extension_of(take_vec(&r, 2), EXT_SIGNATURE_ALGORITHMS).n > 2);
        }
        session_unref(q.resume);
        stage_free(s);
    }
}

/* A server without a certificate to show is none. */
static void test_server_needs_one(void **state)
{
    struct config *c = config_new(TLS_SERVER);

    (void)state;
    assert_int_equal(config_seal(c, NULL), ERR_ARG);
    config_unref(c);
}

/* ---- what our client says ---- */
static void test_client_flight(void **state)
{
    static const struct {
        enum client_auth auth;
        bool has;
        const char *types;
    } rows[] = { { CLIENT_AUTH_NONE, true, "\x14" },
                 { CLIENT_AUTH_NONE, false, "\x14" },
                 { CLIENT_AUTH_REQUEST, true, "\x0b\x0f\x14" },
                 { CLIENT_AUTH_REQUEST, false, "\x0b\x14" } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_params q = { .auth = rows[i].auth, .client_id = rows[i].has };
        struct stage *s = lead_server(&q);
        struct rd r, list, der;

        assert_string_equal(types_of(s->m, s->n), rows[i].types);
        if (rows[i].auth != CLIENT_AUTH_NONE) {
            r = body_of(message_of(s->m, s->n, HS_CERTIFICATE));
            assert_int_equal(take_vec(&r, 1).n, 0);
            list = take_vec(&r, 3);
            if (rows[i].has) {
                der = take_vec(&list, 3);
                assert_true(span_eq(span_of(der.p, der.n), pki.client->leaf.der));
                assert_int_equal(take_vec(&list, 2).n, 0); /* no extensions */
            }
            assert_true(rd_done(&list) && rd_done(&r));
        }
        stage_until(s, 0);
        assert_int_equal(s->e->done, 1);
        stage_free(s);
    }
}

/* Whatever a server asks to hear about its certificate, and whatever object identifiers it would
 * like in it (none of which we know): a client has nothing to add, and shows it. */
static void test_client_adds_nothing(void **state)
{
    static const struct span more[] = {
        { (const uint8_t *)"\0\x05\0\0", 4 },                                   /* status_request */
        { (const uint8_t *)"\0\x12\0\0", 4 },                                   /* timestamps */
        { (const uint8_t *)"\0\x30\0\x0b\0\x09\x03\x55\x1d\x25\0\x03xyz", 15 }, /* oid_filters */
        { (const uint8_t *)"\x0a\x0a\0\x01x\xfe\xed\0\0", 9 },                  /* unknown ones */
    };

    (void)state;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        struct pair_params q = { .client_id = true, .post_auth = true };
        struct pair *p = pair_connected(&q);
        struct hand h = hand_new(p, SECRET_SA, true);
        struct rd r, list;
        struct wr w = wr_of(wire, sizeof wire);
        size_t n;

        wr_vec(&w, 1, "c", 1);
        wr_u16(&w, (uint32_t)(8 + more[i].n));
        wr_bytes(&w, "\0\x0d\0\x04\0\x02\x04\x03", 8);
        wr_bytes(&w, more[i].p, more[i].n);
        n = message_make(m, HS_CERTIFICATE_REQUEST, span_of(wire, w.len));
        hand_give(&h, &p->c, CT_HANDSHAKE, m, n);
        assert_int_equal(p->c.rc, 0);
        n = stage_flight(p, &p->c, SECRET_CA, m);
        assert_string_equal(types_of(m, n), "\x0b\x0f\x14");
        r = body_of(m);
        assert_int_equal(take_vec(&r, 1).n, 1);
        list = take_vec(&r, 3);
        assert_true(take_vec(&list, 3).n > 0);
        assert_int_equal(take_vec(&list, 2).n, 0);
        assert_true(rd_done(&list));
        hand_free(&h);
        pair_free(p);
    }
}

/* ---- what our client refuses ---- */
static void test_encrypted_extensions(void **state)
{
    static const uint16_t forbidden[] = { 5,  11, 13, 18, 22, 23, 27, 35, 41,
                                          43, 44, 45, 47, 48, 49, 50, 51, 0xff01 };

    (void)state;
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        struct stage *s = lead_client(NULL);
        uint8_t body[] = { 0, 4, (uint8_t)(forbidden[i] >> 8), (uint8_t)forbidden[i], 0, 0 };

        stage_until(s, HS_ENCRYPTED_EXTENSIONS);
        stage_give(s, m, message_make(m, HS_ENCRYPTED_EXTENSIONS, span_of(body, sizeof body)));
        assert_refused(s->e, ALERT_ILLEGAL_PARAMETER);
        stage_free(s);
    }
}

static void test_request(void **state)
{
    static const struct {
        const char *body;
        size_t n;
        int want;
    } rows[] = { { "\0\0\x08\0\x0d\0\x04\0\x02\x04\x03", 11, 0 },
                 { "\x01x\0\x08\0\x0d\0\x04\0\x02\x04\x03", 12, ALERT_ILLEGAL_PARAMETER },
                 { "\0\0\0", 3, ALERT_MISSING_EXTENSION },
                 { "\0\0\x08\0\x32\0\x04\0\x02\x04\x03", 11, ALERT_MISSING_EXTENSION },
                 { "\0\0\x10\x0a\x0a\0\0\xfe\xed\0\0\0\x0d\0\x04\0\x02\x04\x03", 19, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage *s = lead_client(NULL);

        stage_until(s, HS_CERTIFICATE);
        stage_give(s, m, message_make(m, HS_CERTIFICATE_REQUEST, span_of(rows[i].body, rows[i].n)));
        if (rows[i].want) {
            assert_refused(s->e, rows[i].want);
        } else {
            assert_int_equal(s->e->rc, 0);
        }
        stage_free(s);
    }
}

/* With a session or a key both are authenticated: no request, no certificate. */
static void test_request_beside_a_session(void **state)
{
    static const uint8_t request[] = {
        HS_CERTIFICATE_REQUEST, 0, 0, 11, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3
    };
    struct pair_params q = usual(NULL);
    struct stage *s;

    (void)state;
    q.resume = first(&q);
    s = lead_client(&q);
    stage_until(s, HS_FINISHED);
    stage_give(s, request, sizeof request);
    assert_refused(s->e, ALERT_UNEXPECTED_MESSAGE);
    stage_free(s);
    session_unref(q.resume);
}

static void test_server_certificate(void **state)
{
    static const struct {
        const char *body;
        size_t n;
        unsigned want;
    } rows[] = { { "\0\0\0\0", 4, ALERT_DECODE_ERROR }, /* empty */
                 { "\x01x\0\0\0", 5, ALERT_ILLEGAL_PARAMETER },
                 { "\0\0\0\x05\0\0\0\0\0", 9, ALERT_DECODE_ERROR } }; /* of no bytes */

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct stage *s = lead_client(NULL);

        stage_until(s, HS_CERTIFICATE);
        stage_give(s, m, message_make(m, HS_CERTIFICATE, span_of(rows[i].body, rows[i].n)));
        assert_refused(s->e, rows[i].want);
        stage_free(s);
    }
}

/* ---- what our server refuses ---- */
static void test_client_certificate(void **state)
{
    static const uint16_t ids[] = { 5, 18, 0xfeed };
    struct pair_params q = { .auth = CLIENT_AUTH_REQUEST, .client_id = true };
    struct stage *s;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct wr w = wr_of(wire, sizeof wire);
        size_t list;

        s = lead_server(&q);
        wr_vec(&w, 1, "x", i == 3);
        list = wr_begin(&w, 3);
        wr_vec(&w, 3, pki.client->leaf.der.p, pki.client->leaf.der.n);
        wr_u16(&w, i < 3 ? 4 : 0);
        if (i < 3) { /* an extension that the request did not ask for */
            wr_u16(&w, ids[i]);
            wr_u16(&w, 0);
        }
        wr_end(&w, 3, list);
        assert_true(wr_ok(&w));
        stage_give(s, m, message_make(m, HS_CERTIFICATE, span_of(wire, w.len)));
        assert_refused(s->e, i < 3 ? ALERT_UNSUPPORTED_EXTENSION : ALERT_ILLEGAL_PARAMETER);
        stage_free(s);
    }
}

/* ---- section 4.4.2.1 ---- */
/* A hello with status_request_v2 gets an answer as if it were not there; status_request one with a
 * CertificateStatus in it. */
static void test_status_extensions(void **state)
{
    (void)state;
    for (unsigned v2 = 0; v2 < 2; v2++) {
        struct pair_params q = { .auth = CLIENT_AUTH_REQUEST, .status = "a response" };
        struct pair *p = pair_new(&q);
        struct config *c = config_new(TLS_CLIENT);
        struct rd r, list;
        struct span status;
        size_t n;

        tls_free(p->c.t);
        assert_int_equal(config_set_trust(c, pki.trust), 0);
        assert_int_equal(config_set_clock(c, pair_clock), 0);
        assert_int_equal(config_set_keylog(c, pair_keylog, p), 0);
        assert_int_equal(config_set_flag(c, CONFIG_STATUS, !v2), 0);
        if (v2) { /* RFC 6961: ocsp_multi, no responders, no extensions */
            assert_int_equal(
                config_set_extensions(c, span_of("\0\x11\0\x09\0\x07\x02\0\x04\0\0\0\0", 13)), 0);
        }
        assert_int_equal(config_seal(c, NULL), 0);
        assert_int_equal(tls_new(&p->c.t, c, PAIR_HOST, NULL, NULL, NULL), 0);
        config_unref(c);
        n = end_take(&p->c, wire);
        assert_int_equal(!!memmem(wire, n, "\0\x11\0\x09\0\x07\x02", 7), v2);
        end_give(&p->s, wire, n);
        n = stage_flight(p, &p->s, SECRET_SH, m);
        assert_string_equal(types_of(m, n), "\x02\x08\x0d\x0b\x0f\x14");
        r = body_of(message_of(m, n, HS_ENCRYPTED_EXTENSIONS));
        assert_null(extension_of(take_vec(&r, 2), 17).p);
        r = body_of(message_of(m, n, HS_CERTIFICATE_REQUEST));
        (void)take_vec(&r, 1);
        assert_null(extension_of(take_vec(&r, 2), 17).p);
        r = body_of(message_of(m, n, HS_CERTIFICATE));
        (void)take_vec(&r, 1);
        list = take_vec(&r, 3);
        (void)take_vec(&list, 3);
        r = take_vec(&list, 2);
        assert_null(extension_of(r, 17).p);
        status = extension_of(r, EXT_STATUS_REQUEST);
        assert_true(v2 ? status.p == NULL
                       : span_eq(status, span_of("\1\0\0\x0a"
                                                 "a response",
                                                 14)));
        pair_free(p);
    }
}

/* ---- section 4.4.4 ---- */
/* What the server says about the second flight of the client is sealed with the application's keys,
 * and the client reads it. */
static void test_alert_about_the_client(void **state)
{
    struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE };
    struct stage *s = lead_server(&q);
    struct hand open = hand_new(s->p, SECRET_SA, false);
    struct mspan plain = { m, 3 };
    uint8_t nonce[AEAD_IV];
    size_t n;

    (void)state;
    stage_give(s, s->m, message_size(s->m));
    assert_refused(s->e, ALERT_CERTIFICATE_REQUIRED);
    n = end_take(s->e, wire);
    assert_int_equal(n, REC_HEADER + 3 + AEAD_TAG);
    hand_nonce(&open, nonce);
    assert_int_equal(aead_open(open.aead, nonce, span_of(wire, REC_HEADER),
                               span_of(wire + REC_HEADER, n - REC_HEADER), &plain, 1),
                     0);
    assert_memory_equal(m, "\x02\x74\x15", 3);
    /* the same bytes again: opening wiped nothing of them */
    end_give(&s->p->c, wire, n);
    assert_int_equal(s->p->c.rc, ERR_PEER_ALERT);
    assert_int_equal(tls_error(s->p->c.t)->alert_received, ALERT_CERTIFICATE_REQUIRED);
    hand_free(&open);
    stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_flight),
        cmocka_unit_test(test_server_needs_one),
        cmocka_unit_test(test_client_flight),
        cmocka_unit_test(test_client_adds_nothing),
        cmocka_unit_test(test_encrypted_extensions),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_request_beside_a_session),
        cmocka_unit_test(test_server_certificate),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_status_extensions),
        cmocka_unit_test(test_alert_about_the_client),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
