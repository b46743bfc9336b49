/* SPDX-License-Identifier: ISC */
/* What RFC 8446 section 4.2.3 demands of signature schemes, and section 4.2.6 of servers. */
#include "tests/handshake/craft13.h"
#include "tests/handshake/pair12.h"
#include "tests/handshake/vhosts.h"

static uint8_t wire[WIRE_MAX];
static struct craft a, b;
static struct stage *stage;
static uint8_t opened[WIRE_MAX];

/* ---- what is offered ---- */
/* Of SignatureScheme, without the legacy ones; neither MD5 nor SHA-1 nor SHA-224, nor DSA. */
static const uint16_t defined[] = { 0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0603, 0x0804,
                                    0x0805, 0x0806, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b };

static void assert_defined(struct span list, size_t skip)
{
    struct rd r = rd_span(list), ids = { 0 };
    uint16_t id;

    assert_true(rd_vec(&r, 2, &ids) && rd_done(&r) && ids.n >= 2);
    for (size_t n = 0; rd_u16(&ids, &id); n++) {
        size_t i = 0;

        while (i < sizeof defined / sizeof *defined && defined[i] != id) {
            i++;
        }
        assert_true(n < skip || i < sizeof defined / sizeof *defined);
    }
    assert_true(rd_done(&ids));
}

/* In every hello and request, whatever the version. */
static void test_offered(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct pair_params q = { .client_max = i & 1 ? TLS_1_2 : TLS_1_3,
                                 .grease = i & 2,
                                 .auth = CLIENT_AUTH_REQUEST };
        struct pair *p = pair_new(&q);

        craft_take(&p->c, &a);
        assert_defined(craft_body(&a, EXT_SIGNATURE_ALGORITHMS), q.grease);
        assert_defined(craft_body(&a, EXT_SIGNATURE_ALGORITHMS_CERT), q.grease);
        craft_give(&p->s, &a);
        if (i & 1) { /* CertificateRequest of TLS 1.2: types, then schemes */
            size_t n = end_take(&p->s, wire), clear;
            uint8_t *m = opened;

            n = flight_open(NULL, wire, n, m, &clear);
            m = message_find(m, n, HS_CERTIFICATE_REQUEST);
            m += HS_HEADER + 1 + m[HS_HEADER];
            assert_defined(span_of(m, 2 + get16(m)), 0);
        }
        pair_free(p);
        if (!(i & 1)) {
            stage = lead_client(&q);
            craft_of(&b, stage_until(stage, HS_CERTIFICATE_REQUEST));
            assert_defined(craft_body(&b, EXT_SIGNATURE_ALGORITHMS), 0);
            assert_defined(craft_body(&b, EXT_SIGNATURE_ALGORITHMS_CERT), 0);
            stage_free(stage);
        }
    }
}

/* A certificate is all that this server has, and the client does not say what it can verify. */
static void test_client_without(void **state)
{
    (void)state;
    for (unsigned cert_too = 0; cert_too < 2; cert_too++) {
        struct pair *p = pair_new(NULL);

        craft_take(&p->c, &a);
        craft_cut(&a, EXT_SIGNATURE_ALGORITHMS);
        if (cert_too) { /* is about chains only */
            craft_cut(&a, EXT_SIGNATURE_ALGORITHMS_CERT);
        }
        craft_give(&p->s, &a);
        assert_refused(&p->s, ALERT_MISSING_EXTENSION);
        pair_free(p);
    }
}

/* ---- each key makes the signatures of its own schemes only ---- */
/* CertificateVerify of that scheme, as good as that key can make it. */
static size_t sign(const struct end *client, struct privkey *key, const struct scheme *s,
                   uint8_t *out)
{
    static const char label[] = "TLS 1.3, server CertificateVerify";
    uint8_t spaces[64], at[HASH_MAX], sig[SIG_MAX] = { 0 };
    const struct hs *h = &client->t->hs;
    size_t n = sizeof sig;
    struct span part[3] = { { spaces, sizeof spaces },
                            { (const uint8_t *)label, sizeof label },
                            { at, hash_size(h->suite->hash) } };

    memset(spaces, ' ', sizeof spaces);
    assert_int_equal(transcript_hash(&h->work->transcript, at), 0);
    if (privkey_sign(key, s, part, 3, sig, &n) < 0) {
        n = 64; /* no such signature can be: any bytes */
    }
    memcpy(out, (uint8_t[]){ HS_CERTIFICATE_VERIFY, 0, 0, 0 }, HS_HEADER);
    put16(out + 2, 4 + n);
    put16(out + 4, s->id);
    put16(out + 6, n);
    memcpy(out + 8, sig, n);
    return 8 + n;
}

/* Section 4.2.3: what the names of the schemes say, and pkcs1 is for certificates only. */
static bool fits13(uint16_t id, enum key_type key)
{
    switch (id) {
    case 0x0403:
        return key == KEY_EC_P256;
    case 0x0503:
        return key == KEY_EC_P384;
    case 0x0603:
        return key == KEY_EC_P521;
    case 0x0804:
    case 0x0805:
    case 0x0806:
        return key == KEY_RSA;
    case 0x0807:
        return key == KEY_ED25519;
    case 0x0808:
        return key == KEY_ED448;
    case 0x0809:
    case 0x080a:
    case 0x080b:
        return key == KEY_RSA_PSS;
    default:
        return false;
    }
}

static void test_scheme_and_key(void **state)
{
    static const enum key_type types[] = { KEY_EC_P256, KEY_EC_P384, KEY_EC_P521, KEY_RSA,
                                           KEY_RSA_PSS, KEY_ED25519, KEY_ED448 };
    struct identity *before = pki.server[ID_P256];
    unsigned good = 0;

    (void)state;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        pki.server[ID_P256] = pki_identity(types[k], PAIR_HOST, true);
        for (size_t i = 0; scheme_at(i); i++) {
            const struct scheme *s = scheme_at(i);
            uint8_t m[SIG_MAX + 8];
            struct end *e;

            stage = lead_client(NULL);
            e = &stage->p->c;
            (void)stage_until(stage, HS_CERTIFICATE_VERIFY);
            stage_give(stage, m, sign(e, pki.server[ID_P256]->key, s, m));
            if (fits13(s->id, types[k])) {
                assert_int_equal(e->rc, 0);
                assert_int_equal(e->t->hs.state, C_WAIT_FINISHED);
                good++;
            } else {
                assert_refused(e, ALERT_ILLEGAL_PARAMETER);
            }
            stage_free(stage);
        }
        identity_unref(pki.server[ID_P256]);
    }
    pki.server[ID_P256] = before;
    assert_int_equal(good, 1 + 1 + 1 + 3 + 3 + 1 + 1);
}

/* ---- SHA-1, MD5, SHA-224 in a server's certificates ---- */
/* By the RSA authority, its signature said to be another; no one who serves it looks. */
static struct identity *weak_identity(uint8_t algorithm)
{
    static const uint8_t sha256[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b };
    const char *name = HOST_ONE;
    struct buf der = { 0 }, pem = { 0 };
    struct identity *id;
    struct privkey *key;
    struct issue what = { .common_name = name,
                          .names = &name,
                          .nnames = 1,
                          .server = true,
                          .not_before = PAIR_NOW - 86400,
                          .not_after = PAIR_NOW + 86400,
                          .issuer_key = second.key,
                          .issuer = &second.cert };
    uint8_t bytes[4096];
    size_t n;

    assert_int_equal(privkey_generate(&key, KEY_EC_P256, 0), 0);
    what.key = key;
    assert_int_equal(cert_issue(&what, &der, NULL), 0);
    assert_int_equal(privkey_write_pem(key, &pem), 0);
    n = buf_len(&der);
    assert_true(n <= sizeof bytes);
    memcpy(bytes, buf_data(&der), n);
    for (unsigned i = 0; i < 2; i++) { /* inside and outside of what is signed */
        uint8_t *at = memmem(bytes, n, sha256, sizeof sha256);

        assert_non_null(at);
        at[8] = algorithm;
    }
    assert_int_equal(identity_from_bytes(&id, span_of(bytes, n), buf_span(&pem), NULL, NULL), 0);
    buf_free(&der);
    buf_free(&pem);
    privkey_unref(key);
    return id;
}

/* Also by a client that names the issuer of the weak one. */
static const struct identity *chosen_for(struct config *s, unsigned max, bool names_issuer)
{
    struct config *c = client(max, any);
    static struct end from, to;
    const struct identity *id;
    uint8_t list[600];
    struct wr w = wr_of(list, sizeof list);
    size_t at = wr_begin(&w, 2);

    memset(&from, 0, sizeof from);
    memset(&to, 0, sizeof to);
    wr_vec(&w, 2, second.cert.subject.p, second.cert.subject.n);
    wr_end(&w, 2, at);
    assert_int_equal(tls_new(&from.t, c, HOST_ONE, NULL, NULL, NULL), 0);
    assert_int_equal(tls_new(&to.t, s, NULL, NULL, NULL, NULL), 0);
    craft_take(&from, &a);
    if (names_issuer) {
        craft_add(&a, EXT_CERTIFICATE_AUTHORITIES, list, w.len);
    }
    craft_give(&to, &a);
    assert_int_equal(to.rc, 0);
    id = to.t->hs.work->identity;
    tls_free(from.t);
    tls_free(to.t);
    config_unref(c);
    config_unref(s);
    return id;
}

static void test_weak_chain_is_the_last(void **state)
{
    static const uint8_t algorithms[] = { 0x05, 0x04, 0x0e }; /* SHA-1, MD5, SHA-224 with RSA */
    struct identity *good = issued(KEY_EC_P256, HOST_ONE);

    (void)state;
    for (size_t i = 0; i < 2 * sizeof algorithms; i++) {
        struct identity *weak = weak_identity(algorithms[i / 2]);

        for (unsigned v = 0; v < 2; v++) {
            struct identity *both_of_them[] = { weak, good, NULL }, *alone[] = { weak, NULL };

            assert_ptr_equal(chosen_for(server(0, both_of_them), versions[v], i & 1), good);
            if (algorithms[i / 2] == 0x05 && v) { /* no chain without it: only in TLS 1.2 */
                assert_ptr_equal(chosen_for(server(0, alone), versions[v], i & 1), weak);
            }
        }
        identity_unref(weak);
    }
    identity_unref(good);
}

/* ---- RSASSA-PSS-params ---- */
/* A certificate signed with RSASSA-PSS, both times with these parameters. */
static bool is_known(struct span params)
{
    static const uint8_t pss[] = { 0x30, 0x41, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 10 };
    static uint8_t bytes[4096];
    static struct privkey *key;
    struct issue what = { .common_name = "pss",
                          .ca = true,
                          .not_before = PAIR_NOW - 86400,
                          .not_after = PAIR_NOW + 86400 };
    struct buf der = { 0 };
    uint8_t *from = bytes;
    struct cert c;
    size_t n;

    if (!key) {
        assert_int_equal(privkey_generate(&key, KEY_RSA_PSS, 2048), 0);
    }
    if (params.n == 0) {
        privkey_unref(key);
        return false;
    }
    what.key = what.issuer_key = key;
    assert_int_equal(cert_issue(&what, &der, NULL), 0);
    n = buf_len(&der);
    memcpy(bytes, buf_data(&der), n);
    buf_free(&der);
    for (unsigned i = 0; i < 2; i++) { /* 0x34 bytes of contents are there */
        uint8_t *at = memmem(from, n - (size_t)(from - bytes), pss, sizeof pss);
        size_t more = params.n - 0x36;

        assert_non_null(at);
        from = at + sizeof pss;
        memmove(from + params.n, from + 0x36, n - (size_t)(from - bytes) - 0x36);
        memcpy(from, params.p, params.n);
        at[1] = (uint8_t)(at[1] + more);
        n += more;
        put16(bytes + 2, n - 4);
        if (i == 0) { /* inside of what is signed */
            put16(bytes + 6, get16(bytes + 6) + more);
        }
    }
    return cert_parse(&c, span_of(bytes, n), NULL) == 0 && c.sig.known;
}

/* Nothing but DER: the same parameters in other encodings are not those of a signature. */
static void test_pss_parameters_are_der(void **state)
{
#define SHA256 "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
#define MGF1   "\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" SHA256
    static const struct {
        const char *params;
        size_t n;
        bool good;
    } rows[] = {
        { "\x30\x34\xa0\x0f" SHA256 "\xa1\x1c" MGF1 "\xa2\x03\x02\x01\x20", 0x36, true },
        /* lengths that are too long */
        { "\x30\x81\x34\xa0\x0f" SHA256 "\xa1\x1c" MGF1 "\xa2\x03\x02\x01\x20", 0x37, false },
        { "\x30\x35\xa0\x81\x0f" SHA256 "\xa1\x1c" MGF1 "\xa2\x03\x02\x01\x20", 0x37, false },
        { "\x30\x35\xa0\x0f" SHA256 "\xa1\x81\x1c" MGF1 "\xa2\x03\x02\x01\x20", 0x37, false },
        { "\x30\x35\xa0\x0f" SHA256 "\xa1\x1c" MGF1 "\xa2\x81\x03\x02\x01\x20", 0x37, false },
        /* a zero in front of a number */
        { "\x30\x35\xa0\x0f" SHA256 "\xa1\x1c" MGF1 "\xa2\x04\x02\x02\x00\x20", 0x37, false },
        /* no length */
        { "\x30\x80\xa0\x0f" SHA256 "\xa1\x1c" MGF1 "\xa2\x03\x02\x01\x20\0\0", 0x38, false },
        /* another order */
        { "\x30\x34\xa1\x1c" MGF1 "\xa0\x0f" SHA256 "\xa2\x03\x02\x01\x20", 0x36, false },
        /* another salt, or the one of SHA-1 that nobody writes down */
        { "\x30\x34\xa0\x0f" SHA256 "\xa1\x1c" MGF1 "\xa2\x03\x02\x01\x14", 0x36, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(is_known(span_of(rows[i].params, rows[i].n)), rows[i].good);
    }
    (void)is_known(span_of(NULL, 0));
}

/* ---- post_handshake_auth (section 4.2.6) ---- */
/* To a client that did not offer it nothing is sent, and the connection goes on. */
static void test_no_request_unasked(void **state)
{
    (void)state;
    for (unsigned offered = 0; offered < 2; offered++) {
        struct pair_params q = { .auth = CLIENT_AUTH_NONE, .client_id = true };
        struct pair *p;

        q.post_auth = offered;
        p = pair_connected(&q);
        assert_int_equal(tls_request_client_auth(p->s.t, NULL), offered ? 0 : ERR_UNSUPPORTED);
        assert_int_equal(end_take(&p->s, wire) > 0, offered);
        pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offered),
        cmocka_unit_test(test_client_without),
        cmocka_unit_test(test_scheme_and_key),
        cmocka_unit_test(test_weak_chain_is_the_last),
        cmocka_unit_test(test_pss_parameters_are_der),
        cmocka_unit_test(test_no_request_unasked),
    };

    return cmocka_run_group_tests(tests, vhosts_make, vhosts_free);
}
