/* SPDX-License-Identifier: ISC */
/* Which certificate is shown: by the name that the client sends, by what it can verify, by whom it
 * trusts; and the config that the application chooses by the name (threats 24, 27). */
#include "tests/handshake/vhosts.h"

/* ---- by name ---- */
static void test_by_name(void **state)
{
    struct identity *wild = issued(KEY_EC_P256, "*.site.test"), *one = issued(KEY_RSA, HOST_ONE),
                    *two = issued(KEY_EC_P384, HOST_TWO);
    const struct {
        const char *name;
        struct identity *want;
    } cases[] = { { HOST_ONE, one },         { "ONE.Site.TEST", one },
                  { HOST_TWO, two },         { "three.site.test", wild },
                  { "a.b.site.test", wild }, /* the first: nobody's */
                  { "site.test", wild },     { NULL, wild } };

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct config *s = server(0, (struct identity *[]){ wild, one, two, NULL });
            struct pair *p = join(client(versions[v], any), s, cases[i].name);

            assert_shown(p, cases[i].want);
            end_talk(&p->s, &p->c, "pong", 4);
            part(p);
        }
    }
    identity_unref(wild);
    identity_unref(one);
    identity_unref(two);
}

/* Two certificates for one name: what the client can verify, else the order. */
static void test_by_scheme(void **state)
{
    struct identity *rsa = issued(KEY_RSA, HOST_ONE), *ec = issued(KEY_EC_P256, HOST_ONE),
                    *ed = issued(KEY_ED25519, HOST_ONE);
    struct identity *all[] = { ec, rsa, ed, NULL };
    const struct {
        uint16_t schemes[4];
        struct identity *want[2];
    } cases[] = { { { 0x0403, 0x0804, 0x0401, 0x0807 }, { ec, ec } },
                  { { 0x0804, 0x0403 }, { ec, ec } },
                  { { 0x0804, 0x0401 }, { rsa, rsa } },
                  { { 0x0807 }, { ed, ed } },
                  { { 0x0807, 0x0804 }, { rsa, ed } } }; /* the suite comes first in TLS 1.2 */

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct pair *p = join(client(versions[v], cases[i].schemes), server(0, all), HOST_ONE);

            assert_shown(p, cases[i].want[v]);
            part(p);
        }
    }
    identity_unref(rsa);
    identity_unref(ec);
    identity_unref(ed);
}

/* TLS 1.2: the suite says which kind of key, and never which name. */
static void test_by_suite(void **state)
{
    struct identity *mine = issued(KEY_RSA, HOST_ONE), *ec = issued(KEY_EC_P256, HOST_TWO),
                    *rsa = issued(KEY_RSA, HOST_TWO);
    static const uint16_t suites[] = { 0xc02b, 0xc02f, 0x009c };
    struct identity *all[] = { rsa, ec, mine, NULL };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct config *c = config_of(TLS_CLIENT), *s = config_of(TLS_SERVER);
        struct pair *p;

        assert_int_equal(config_set_versions(c, TLS_1_2, TLS_1_2), 0);
        assert_int_equal(config_set_suites(c, suites, i + 1), 0);
        assert_int_equal(config_set_suites(s, suites, 3), 0);
        own(s, all);
        p = join(sealed(c), sealed(s), HOST_ONE);
        if (i == 0) { /* ECDSA only: nothing for that name */
            assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        } else {
            assert_shown(p, mine);
        }
        part(p);
    }
    /* the exchange that only an RSA key can do finds the one of that name as well */
    for (size_t i = 0; i < 2; i++) {
        struct config *c = config_of(TLS_CLIENT), *s = config_of(TLS_SERVER);
        struct pair *p;

        assert_int_equal(config_set_versions(c, TLS_1_2, TLS_1_2), 0);
        assert_int_equal(config_set_suites(c, &suites[2], 1), 0);
        assert_int_equal(config_set_suites(s, suites, 3), 0);
        own(s, all);
        p = join(sealed(c), sealed(s), i ? HOST_TWO : HOST_ONE);
        assert_shown(p, i ? rsa : mine);
        part(p);
    }
    identity_unref(mine);
    identity_unref(ec);
    identity_unref(rsa);
}

/* By name before by wildcard, but rather a wildcard than nothing. */
static void test_widening(void **state)
{
    static const uint16_t rsa_only[4] = { 0x0804, 0x0401 }, ed_only[4] = { 0x0807 };
    struct identity *exact = issued(KEY_EC_P256, HOST_ONE), *wild = issued(KEY_RSA, "*.site.test"),
                    *other = issued(KEY_ED25519, HOST_TWO);
    struct identity *all[] = { other, wild, exact, NULL };

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        struct pair *p = join(client(versions[v], any), server(0, all), HOST_ONE);

        assert_shown(p, exact);
        part(p);
        p = join(client(versions[v], rsa_only), server(0, all), HOST_ONE);
        assert_shown(p, wild);
        part(p);
        p = join(client(versions[v], ed_only), server(0, all), HOST_ONE);
        assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE); /* not the certificate of another */
        part(p);
    }
    identity_unref(exact);
    identity_unref(wild);
    identity_unref(other);
}

static void threat_24_strict(void **state)
{
    struct identity *one = issued(KEY_EC_P256, HOST_ONE), *wild = issued(KEY_EC_P256, "*.b.test");
    struct identity *all[] = { one, wild, NULL };
    const struct {
        const char *name;
        struct identity *want; /* NULL: refused */
    } cases[] = { { HOST_ONE, one },  { "x.b.test", wild },   { HOST_TWO, NULL },
                  { "b.test", NULL }, { "x.y.b.test", NULL }, { NULL, NULL } };

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct pair *p = join(client(versions[v], any), server(STRICT, all), cases[i].name);

            if (cases[i].want) {
                assert_shown(p, cases[i].want);
            } else {
                assert_refused(&p->s, ALERT_UNRECOGNIZED_NAME);
                assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_UNRECOGNIZED_NAME);
            }
            part(p);
        }
    }
    identity_unref(one);
    identity_unref(wild);
}

/* RFC 6066 section 3: the name is acknowledged when it chose, and only then. */
static void test_acknowledged(void **state)
{
    struct identity *one = issued(KEY_EC_P256, HOST_ONE);
    struct identity *all[] = { one, NULL };
    static const char *const names[] = { HOST_ONE, HOST_TWO, NULL };

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        for (size_t i = 0; i < 3; i++) {
            struct config *c = config_of(TLS_CLIENT);
            struct pair *p;

            assert_int_equal(config_set_versions(c, TLS_1_2, versions[v]), 0);
            assert_int_equal(config_set_extension_callback(c, note_extension, NULL), 0);
            acknowledged = 0;
            p = join(sealed(c), server(0, all), names[i]);
            assert_shown(p, one);
            assert_int_equal(acknowledged, i == 0);
            part(p);
        }
    }
    identity_unref(one);
}

/* ---- by what the peer asks for ---- */
/* certificate_authorities, either version: the certificate of the CA that is named. */
static void test_authorities(void **state)
{
    struct ca old = ca_use(&second);
    struct identity *theirs = pki_identity(KEY_EC_P256, "theirs.test", false), *ours;

    (void)state;
    ca_use(&old);
    ours = pki_identity(KEY_EC_P256, "ours.test", false);
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned trusted = 0; trusted < 3; trusted++) {
            struct config *c = config_of(TLS_CLIENT), *s = config_of(TLS_SERVER);
            struct tls_info i;
            struct pair *p;

            assert_int_equal(config_set_versions(c, TLS_1_2, versions[v]), 0);
            own(c, (struct identity *[]){ ours, theirs, NULL });
            own(s, (struct identity *[]){ pki.server[ID_P256], NULL });
            assert_int_equal(config_set_trust(s, trusted == 0   ? pki.trust
                                                 : trusted == 1 ? second.trust
                                                                : both),
                             0);
            assert_int_equal(config_set_client_auth(s, CLIENT_AUTH_REQUIRE), 0);
            p = join(sealed(c), sealed(s), PAIR_HOST);
            assert_shown(p, pki.server[ID_P256]);
            tls_get_info(p->s.t, &i);
            assert_true(span_eq(i.peer_cert, (trusted == 1 ? theirs : ours)->certs[0]));
            part(p);
        }
    }
    identity_unref(theirs);
    identity_unref(ours);
}

/* threat 31: up to 8 KB of names; more are none. */
static void threat_31_many_authorities(void **state)
{
    struct trust *t = trust_new();
    size_t sum = 0, most = 0, steps = 0;

    (void)state;
    for (; sum <= 8192 + 200; steps++) {
        struct config *s = config_of(TLS_SERVER);
        struct buf der = { 0 };
        struct cert c;
        char name[64];
        const struct buf *made;

        /* the last ones small, so that the limit is met closely */
        snprintf(name, sizeof name, "%0*zu", sum < 8000 ? 60 : 3, steps);
        trust_unref(pki_trust(pki.ca_key, name, &der));
        assert_int_equal(trust_add_pem(t, buf_span(&der), NULL), 1);
        assert_int_equal(cert_parse(&c, buf_span(&der), NULL), 0);
        sum += 2 + c.subject.n;
        buf_free(&der);
        own(s, (struct identity *[]){ pki.server[ID_P256], NULL });
        assert_int_equal(config_set_trust(s, t), 0);
        made = &config_settings(sealed(s))->authorities;
        assert_int_equal(buf_len(made), sum <= 8192 ? sum : 0);
        most = buf_len(made) > most ? buf_len(made) : most;
        config_unref(s);
    }
    assert_true(most > 8192 - 30 && steps > 100);
    trust_unref(t);
}

/* A client may ask for an authority as well (section 4.2.4). */
static void test_authorities_of_client(void **state)
{
    static uint8_t wire[WIRE_MAX], m[WIRE_MAX];
    struct identity *by_first = issued(KEY_EC_P256, HOST_ONE), *by_second;
    struct ca old = ca_use(&second);

    (void)state;
    by_second = issued(KEY_EC_P256, HOST_ONE);
    ca_use(&old);
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned i = 0; i < 3; i++) {
            const struct span name = i == 1 ? pki.ca.subject : second.cert.subject;
            struct config *c = client(versions[v], any);
            struct config *s = server(0, (struct identity *[]){ by_first, by_second, NULL });
            struct pair *p = join(c, config_ref(s), HOST_ONE); /* only for its hello */
            struct end from = { 0 }, to = { 0 };
            size_t n, at = REC_HEADER + HS_HEADER + 2 + RANDOM_SIZE;
            struct wr w;

            c = client(versions[v], any);
            assert_int_equal(tls_new(&from.t, c, HOST_ONE, NULL, NULL, NULL), 0);
            assert_int_equal(tls_new(&to.t, s, NULL, NULL, NULL, NULL), 0);
            n = end_take(&from, wire);
            at += 1 + (size_t)wire[at];
            at += 2 + ((size_t)wire[at] << 8 | wire[at + 1]);
            at += 1 + (size_t)wire[at]; /* here the extensions begin */
            w = wr_of(m, sizeof m);
            wr_bytes(&w, wire + REC_HEADER, at - REC_HEADER);
            wr_u16(&w, (uint32_t)(n - at - 2 + (i ? 8 + name.n : 0)));
            wr_bytes(&w, wire + at + 2, n - at - 2);
            if (i) {
                wr_u16(&w, EXT_CERTIFICATE_AUTHORITIES);
                wr_u16(&w, (uint32_t)(4 + name.n));
                wr_u16(&w, (uint32_t)(2 + name.n));
                wr_vec(&w, 2, name.p, name.n);
            }
            m[2] = (uint8_t)((w.len - HS_HEADER) >> 8);
            m[3] = (uint8_t)(w.len - HS_HEADER);
            give_clear(&to, CT_HANDSHAKE, m, w.len);
            assert_int_equal(to.rc, 0);
            assert_ptr_equal(to.t->hs.work->identity, i == 2 ? by_second : by_first);
            tls_free(from.t);
            tls_free(to.t);
            config_unref(c);
            config_unref(s);
            part(p);
        }
    }
    identity_unref(by_first);
    identity_unref(by_second);
}

/* Of two chains the one that the client says it can verify. */
static void test_chain_schemes(void **state)
{
    static const uint16_t rsa_only[4] = { 0x0804, 0x0401 },
                          both_kinds[4] = { 0x0804, 0x0401, 0x0403 };
    struct identity *by_ec = issued(KEY_RSA, HOST_ONE), *by_rsa;
    struct ca old = ca_use(&second);

    (void)state;
    by_rsa = issued(KEY_RSA, HOST_ONE);
    ca_use(&old);
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned turn = 0; turn < 2; turn++) {
            struct identity *all[] = { turn ? by_rsa : by_ec, turn ? by_ec : by_rsa, NULL };
            struct pair *p = join(client(versions[v], rsa_only), server(0, all), HOST_ONE);

            assert_shown(p, by_rsa);
            part(p);
            p = join(client(versions[v], both_kinds), server(0, all), HOST_ONE);
            assert_shown(p, all[0]);
            part(p);
        }
    }
    identity_unref(by_ec);
    identity_unref(by_rsa);
}

/* The two lists apart, by a hand on the hello: where there is a signature_algorithms_cert, chains
 * go by it alone (section 4.2.3). */
static void test_chain_schemes_apart(void **state)
{
    static uint8_t wire[WIRE_MAX], messages[WIRE_MAX];
    static const uint16_t both_kinds[4] = { 0x0804, 0x0401, 0x0403 };
    static const uint8_t list[] = { 4, 1, 4, 3 }; /* its end, in either extension */
    struct identity *by_ec = issued(KEY_RSA, HOST_ONE), *by_rsa;
    struct ca old = ca_use(&second);

    (void)state;
    by_rsa = issued(KEY_RSA, HOST_ONE);
    ca_use(&old);
    for (unsigned without = 0; without < 4; without++) { /* ECDSA in the one, in the other */
        static struct pair p;
        struct config *c = client(TLS_1_3, both_kinds), *s = config_of(TLS_SERVER);
        struct span want = (without & 2 ? by_rsa : by_ec)->certs[0];
        uint8_t *first, *next;
        struct hand open;
        size_t n, clear;

        memset(&p, 0, sizeof p);
        own(s, (struct identity *[]){ by_ec, by_rsa, NULL });
        assert_int_equal(config_set_keylog(s, pair_keylog, &p), 0);
        assert_int_equal(tls_new(&p.c.t, c, HOST_ONE, NULL, NULL, NULL), 0);
        assert_int_equal(tls_new(&p.s.t, sealed(s), NULL, NULL, NULL, NULL), 0);
        config_unref(c);
        config_unref(s);
        n = end_take(&p.c, wire);
        first = memmem(wire, n, list, sizeof list);
        assert_non_null(first);
        next = memmem(first + 1, n - (size_t)(first + 1 - wire), list, sizeof list);
        assert_non_null(next);
        first[2] = without & 1 ? 0xfe : 4;
        next[2] = without & 2 ? 0xfe : 4;
        end_give(&p.s, wire, n);
        assert_int_equal(p.s.rc, 0);
        n = end_take(&p.s, wire);
        open = hand_new(&p, SECRET_SH, false);
        n = flight_open(&open, wire, n, messages, &clear);
        assert_non_null(memmem(messages, n, want.p, want.n));
        hand_free(&open);
        part(&p);
    }
    identity_unref(by_ec);
    identity_unref(by_rsa);
}

/* How a certificate signs itself does not matter (section 4.4.2.2). */
static void test_chain_of_one(void **state)
{
    static const uint16_t pss_only[4] = { 0x0804 };
    struct identity *by_ec = issued(KEY_RSA, HOST_ONE), *itself;
    const char *name = HOST_ONE;
    struct buf der = { 0 }, pem = { 0 };
    struct privkey *key;
    struct issue what = { .common_name = name,
                          .names = &name,
                          .nnames = 1,
                          .server = true,
                          .not_before = PAIR_NOW - 86400,
                          .not_after = PAIR_NOW + 86400 };

    (void)state;
    assert_int_equal(privkey_generate(&key, KEY_RSA, 2048), 0);
    what.key = what.issuer_key = key;
    assert_int_equal(cert_issue(&what, &der, NULL), 0);
    assert_int_equal(privkey_write_pem(key, &pem), 0);
    assert_int_equal(identity_from_bytes(&itself, buf_span(&der), buf_span(&pem), NULL, NULL), 0);
    for (unsigned v = 0; v < 2; v++) {
        struct pair *p = join(client(versions[v], pss_only),
                              server(0, (struct identity *[]){ by_ec, itself, NULL }), HOST_ONE);

        assert_shown(p, itself);
        part(p);
    }
    buf_free(&der);
    buf_free(&pem);
    privkey_unref(key);
    identity_unref(by_ec);
    identity_unref(itself);
}

/* What may stand in a request, and what not. */
static void test_requests(void **state)
{
    static const struct {
        const char *bytes; /* the extension behind signature_algorithms */
        size_t n;
        int want;
    } cases[] = {
        { "\0\x2f\0\x05\0\x03\0\x01\x30", 9, 0 },
        { "\0\x2f\0\x02\0\0", 6, ALERT_DECODE_ERROR },             /* no name */
        { "\0\x2f\0\x04\0\x02\0\0", 8, ALERT_DECODE_ERROR },       /* an empty one */
        { "\0\x2f\0\x05\0\x03\0\x02\x30", 9, ALERT_DECODE_ERROR }, /* cut off */
        { "\0\x2f\0\x06\0\x03\0\x01\x30\0", 10, ALERT_DECODE_ERROR },
        { "\0\x30\0\x02\0\0", 6, 0 }, /* oid_filters: ignored (section 4.2.5) */
        { "\0\x30\0\x07\0\x05\x03\x55\x1d\x25\0", 11, 0 },
        { "\0\x12\0\0", 4, 0 }, /* timestamps */
        { "\0\x12\0\x01\0", 5, ALERT_DECODE_ERROR },
        { "\0\x1b\0\x03\x02\0\x01", 7, 0 },       /* compress_certificate */
        { "\0\x1b\0\x05\x04\0\x02\0\x03", 9, 0 }, /* with others than ours */
        { "\0\x1b\0\x01\0", 5, ALERT_DECODE_ERROR },
        { "\0\x1b\0\x04\x03\0\x01\0", 8, ALERT_DECODE_ERROR },
        { "\0\x0f\0\0", 4, 0 }, /* one that nobody knows here */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static uint8_t wire[WIRE_MAX], messages[WIRE_MAX];
        struct pair *p = pair_new(
            &(struct pair_params){ .auth = CLIENT_AUTH_REQUEST, .pack = { [TLS_CLIENT] = true } });
        struct hand open, seal;
        uint8_t m[64] = { HS_CERTIFICATE_REQUEST, 0, 0, 0, 0, 0, 0, 0, 13, 0, 4, 0, 2, 4, 3 };
        size_t n, clear, at = 0;

        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        open = hand_new(p, SECRET_SH, false);
        n = flight_open(&open, wire, n, messages, &clear);
        give_clear(&p->c, CT_HANDSHAKE, messages, at = message_size(messages));
        seal = hand_new(p, SECRET_SH, true);
        assert_int_equal(messages[at], HS_ENCRYPTED_EXTENSIONS);
        hand_give(&seal, &p->c, CT_HANDSHAKE, messages + at, message_size(messages + at));
        assert_int_equal(p->c.rc, 0);
        n = 15 + cases[i].n;
        memcpy(m + 15, cases[i].bytes, cases[i].n);
        m[3] = (uint8_t)(n - HS_HEADER);
        m[6] = (uint8_t)(n - 7);
        hand_give(&seal, &p->c, CT_HANDSHAKE, m, n);
        if (cases[i].want) {
            assert_refused(&p->c, cases[i].want);
        } else {
            assert_int_equal(p->c.rc, 0);
        }
        hand_free(&open);
        hand_free(&seal);
        pair_free(p);
    }
}

/* A key that is too short for PSS with SHA-512 signs with what it can hold, or not at all. */
static void test_short_key(void **state)
{
    struct identity *rsa = pki_identity_of(KEY_RSA, 1024, HOST_ONE, true);
    struct identity *all[] = { rsa, NULL };
    const struct {
        uint16_t schemes[4];
        bool good;
    } cases[] = { { { 0x0806 }, false },        /* rsa_pss_rsae_sha512 */
                  { { 0x0806, 0x0805 }, true }, /* or sha384 */
                  { { 0x0806, 0x0403, 0x0804 }, true } };

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            static const uint16_t ours[4] = { 0x0806, 0x0805, 0x0804 };
            struct config *s = config_of(TLS_SERVER);
            struct pair *p;

            own(s, all);
            assert_int_equal(config_set_schemes(s, ours, 3), 0);
            p = join(client(versions[v], cases[i].schemes), sealed(s), HOST_ONE);
            if (cases[i].good) {
                assert_shown(p, rsa);
            } else {
                assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
            }
            part(p);
        }
    }
    identity_unref(rsa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_name),
        cmocka_unit_test(test_by_scheme),
        cmocka_unit_test(test_by_suite),
        cmocka_unit_test(test_widening),
        cmocka_unit_test(threat_24_strict),
        cmocka_unit_test(test_acknowledged),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(threat_31_many_authorities),
        cmocka_unit_test(test_authorities_of_client),
        cmocka_unit_test(test_chain_schemes),
        cmocka_unit_test(test_chain_schemes_apart),
        cmocka_unit_test(test_chain_of_one),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_short_key),
    };

    return cmocka_run_group_tests(tests, vhosts_make, vhosts_free);
}
