/* SPDX-License-Identifier: ISC */
/* RFC 8446 sections 4.4.2.2, 4.4.2.3 and 4.4.3: which certificate is shown, by which schemes it and
 * the handshake are signed, and which of them are believed. */
#include "tests/handshake/must.h"
#include "tests/handshake/vhosts.h"
#include "tests/x509/forge.h"

static uint8_t m[WIRE_MAX];

static uint16_t scheme_of(const struct end *e)
{
    struct tls_info i;

    tls_get_info(e->t, &i);
    return i.scheme_id;
}

static struct config *server_of(unsigned max, struct identity *const *ids)
{
    struct config *s = config_of(TLS_SERVER);

    assert_int_equal(config_set_versions(s, TLS_1_2, max), 0);
    own(s, ids);
    return sealed(s);
}

/* ---- what a server signs with ---- */
/* One of the client's list, of the kind of its key, with an RSA key never PKCS #1. */
static void test_server_signs(void **state)
{
    static const struct {
        enum key_type type;
        uint16_t list[4], want; /* 0: refused */
    } rows[] = { { KEY_RSA, { 0x0401, 0x0804 }, 0x0804 },
                 { KEY_RSA, { 0x0601, 0x0806, 0x0401 }, 0x0806 },
                 { KEY_RSA, { 0x0401, 0x0501, 0x0601 }, 0 },
                 { KEY_RSA, { 0x0403 }, 0 },
                 { KEY_EC_P256, { 0x0503, 0x0403 }, 0x0403 },
                 { KEY_EC_P256, { 0x0503, 0x0603 }, 0 },
                 { KEY_EC_P384, { 0x0403, 0x0503 }, 0x0503 },
                 { KEY_EC_P384, { 0x0403, 0x0804 }, 0 },
                 { KEY_ED25519, { 0x0403, 0x0807 }, 0x0807 },
                 { KEY_ED25519, { 0x0403, 0x0808 }, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct identity *id = issued(rows[i].type, HOST_ONE);
        struct pair *p = join(client(TLS_1_3, rows[i].list),
                              server_of(TLS_1_3, (struct identity *[]){ id, NULL }), HOST_ONE);

        if (rows[i].want) {
            assert_shown(p, id);
            assert_int_equal(scheme_of(&p->c), rows[i].want);
        } else {
            assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        }
        part(p);
        identity_unref(id);
    }
}

/* ---- what is believed ---- */
/* A CertificateVerify that claims any scheme: one that was not offered, that the key is not for, of
 * PKCS #1 or of SHA-1 is no matter of the signature. */
static void test_claimed_schemes(void **state)
{
    static const uint16_t claims[] = { 0x0201, 0x0202, 0x0203, 0x0401, 0x0501, 0x0601, 0x0403,
                                       0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808,
                                       0x0809, 0x080a, 0x080b, 0x0001, 0xfefe, 0x0a0a };
    static const uint16_t right[ID_KINDS][3] = { [ID_P256] = { 0x0403 },
                                                 [ID_P384] = { 0x0503 },
                                                 [ID_RSA] = { 0x0804, 0x0805, 0x0806 },
                                                 [ID_ED25519] = { 0x0807 } };

    (void)state;
    for (int kind = 0; kind < ID_KINDS; kind++) {
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
            struct pair_params q = { .id = kind };
            struct stage *s = lead_client(&q);
            uint8_t *verify = stage_until(s, HS_CERTIFICATE_VERIFY);
            bool fits = claims[i] == right[kind][0] || claims[i] == right[kind][1] ||
                        claims[i] == right[kind][2];

            if (verify[4] == claims[i] >> 8 && verify[5] == (claims[i] & 0xff)) {
                verify[message_size(verify) - 1] ^= 1;
            }
            verify[4] = (uint8_t)(claims[i] >> 8);
            verify[5] = (uint8_t)claims[i];
            stage_give(s, verify, message_size(verify));
            assert_refused(s->e, fits ? ALERT_DECRYPT_ERROR : ALERT_ILLEGAL_PARAMETER);
            stage_free(s);
        }
    }
}

/* ... nor the other way about. */
static void test_claimed_by_a_client(void **state)
{
    static const uint16_t claims[] = { 0x0203, 0x0401, 0x0503, 0x0804, 0x0807, 0x0403 };

    (void)state;
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
        struct stage *s = lead_server(&q);
        uint8_t *verify = stage_until(s, HS_CERTIFICATE_VERIFY);

        verify[4] = (uint8_t)(claims[i] >> 8);
        verify[5] = (uint8_t)claims[i];
        verify[message_size(verify) - 1] ^= claims[i] == 0x0403;
        stage_give(s, verify, message_size(verify));
        assert_refused(s->e, claims[i] == 0x0403 ? ALERT_DECRYPT_ERROR : ALERT_ILLEGAL_PARAMETER);
        assert_int_equal(s->e->done, 0);
        stage_free(s);
    }
}

/* ---- what a client shows ---- */
/* Its certificate, when the request lists a scheme for the key and one for each signature of the
 * chain; in TLS 1.2 the former will do. */
static void test_client_shows(void **state)
{
    struct identity *by_ec = pki_identity(KEY_EC_P256, "client.test", false), *by_rsa;
    struct ca old = ca_use(&second);
    static const struct {
        uint16_t list[4];
        bool ec, rsa; /* whose chain may be shown in TLS 1.3 */
    } rows[] = { { { 0x0403 }, true, false },
                 { { 0x0403, 0x0401 }, true, true },
                 { { 0x0403, 0x0804, 0x0501 }, true, false },
                 { { 0x0807, 0x0503 }, false, false },
                 { { 0x0401, 0x0804 }, false, false } };

    (void)state;
    by_rsa = pki_identity(KEY_EC_P256, "client.test", false);
    ca_use(&old);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (unsigned rsa = 0; rsa < 2; rsa++) {
            struct config *c = config_of(TLS_CLIENT), *s = config_of(TLS_SERVER);
            size_t n = 0;
            struct pair *p;
            struct tls_info info;

            while (n < 4 && rows[i].list[n]) {
                n++;
            }
            own(c, (struct identity *[]){ rsa ? by_rsa : by_ec, NULL });
            own(s, (struct identity *[]){ pki.server[ID_P256], pki.server[ID_RSA],
                                          pki.server[ID_ED25519], NULL });
            assert_int_equal(config_set_schemes(s, rows[i].list, n), 0);
            assert_int_equal(config_set_client_auth(s, CLIENT_AUTH_REQUEST), 0);
            p = join(sealed(c), sealed(s), PAIR_HOST);
            assert_int_equal(p->c.rc, 0);
            assert_int_equal(p->s.rc, 0);
            tls_get_info(p->s.t, &info);
            assert_int_equal(info.client_auth, rsa ? rows[i].rsa : rows[i].ec);
            if (info.client_auth) {
                assert_int_equal(info.scheme_id, 0x0403);
            }
            part(p);
        }
    }
    identity_unref(by_ec);
    identity_unref(by_rsa);
}

/* ---- what a server does not show ---- */
static struct identity *forged(const struct forge *f)
{
    struct span der = forge_der(f);
    struct buf pem = { 0 };
    struct identity *id;

    assert_int_equal(privkey_write_pem(forge_key(f->key), &pem), 0);
    assert_int_equal(identity_from_bytes(&id, der, buf_span(&pem), NULL, NULL), 0);
    buf_free(&pem);
    free((void *)(uintptr_t)der.p);
    return id;
}

/* No client lists SHA-1 here, and a key that is not for signatures signs nothing. How a certificate
 * signs itself does not matter. TLS 1.2 goes on with both. */
static void test_server_does_not_show(void **state)
{
    static const struct {
        struct forge f;
        bool shown;
    } rows[] = {
        { { .alg = ALG_FIT, .ku = KU_DIGITAL_SIGNATURE }, true },
        { { .alg = ALG_FIT, .ku = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT }, true },
        { { .alg = ALG_FIT, .ku = 0 }, true }, /* no such extension */
        { { .alg = ALG_FIT, .ku = KU_KEY_ENCIPHERMENT }, false },
        { { .alg = ALG_FIT, .ku = KU_KEY_AGREEMENT }, false },
        { { .alg = ALG_SHA1, .ku = KU_DIGITAL_SIGNATURE }, false },
        { { .alg = ALG_SHA1, .ku = KU_DIGITAL_SIGNATURE, .issuer = HOST_ONE }, true },
    };
    struct identity *good = issued(KEY_EC_P256, HOST_ONE);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct forge f = rows[i].f;
        struct identity *id;
        struct pair *p;

        f.subject = f.names = HOST_ONE;
        f.issuer = f.issuer ? f.issuer : "root";
        f.by = rows[i].f.issuer ? f.key : 1;
        id = forged(&f);
        p = join(client(TLS_1_3, any), server_of(TLS_1_3, (struct identity *[]){ id, NULL }),
                 HOST_ONE);
        if (rows[i].shown) {
            assert_shown(p, id);
        } else {
            assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        }
        part(p);
        p = join(client(TLS_1_3, any), server_of(TLS_1_3, (struct identity *[]){ id, good, NULL }),
                 HOST_ONE);
        assert_shown(p, rows[i].shown ? id : good);
        part(p);
        p = join(client(TLS_1_2, any), server_of(TLS_1_2, (struct identity *[]){ id, NULL }),
                 HOST_ONE);
        assert_shown(p, id);
        part(p);
        identity_unref(id);
    }
    identity_unref(good);
}

/* ---- section 6: a share that is none is an illegal parameter ---- */
static void test_share_of_one(void **state)
{
    struct pair_params q = { .client_groups = { 256 }, .server_groups = { 256 } };

    (void)state;
    for (unsigned server = 0; server < 2; server++) {
        for (unsigned y = 0; y < 2; y++) {
            struct pair *p = pair_new(&q);
            struct end *e = server ? &p->s : &p->c;
            size_t n = end_take(&p->c, m), at = 0;

            if (!server) {
                end_give(&p->s, m, n);
                n = end_take(&p->s, m);
            }
            while (at + 4 < n && memcmp(m + at, "\x01\x00\x01\x00", 4) != 0) { /* ffdhe2048, 256 */
                at++;
            }
            assert_true(at + 4 + 256 <= n);
            memset(m + at + 4, 0, 256);
            m[at + 4 + 255] = (uint8_t)y;
            end_give(e, m, n);
            assert_refused(e, ALERT_ILLEGAL_PARAMETER);
            pair_free(p);
        }
    }
}

static int drop(void **state)
{
    forge_done();
    return vhosts_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_signs),         cmocka_unit_test(test_claimed_schemes),
        cmocka_unit_test(test_claimed_by_a_client),  cmocka_unit_test(test_client_shows),
        cmocka_unit_test(test_server_does_not_show), cmocka_unit_test(test_share_of_one),
    };

    return cmocka_run_group_tests(tests, vhosts_make, drop);
}
