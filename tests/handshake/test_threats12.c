/* SPDX-License-Identifier: ISC */
/* Peers of TLS 1.2 that lie: signatures, shares, key exchanges. */
#include "tests/handshake/pair12.h"
#include "tests/handshake/shares.h"

static uint8_t wire[WIRE_MAX];

static struct pair_params usual(void)
{
    return (struct pair_params){
        .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true, .status = "response"
    };
}

/* ---- threat 4: scheme x key ---- */

/* A ServerKeyExchange like that one, signed anew with that scheme. */
static size_t sign_exchange(const struct pair *p, const uint8_t *m, struct privkey *key,
                            const struct scheme *s, uint16_t id, uint8_t *out)
{
    size_t params = 4u + m[7], siglen = SIG_MAX, n;
    uint8_t sig[SIG_MAX] = { 0 };
    struct span part[] = { { p->s.t->hs.work->client_random, RANDOM_SIZE },
                           { p->s.t->hs.work->server_random, RANDOM_SIZE },
                           { m + HS_HEADER, params } };

    if (privkey_sign(key, s, part, 3, sig, &siglen) < 0) {
        siglen = 64; /* no such signature is possible: any bytes */
    }
    n = HS_HEADER + params + 4 + siglen;
    memcpy(out, m, HS_HEADER + params);
    out[HS_HEADER + params] = (uint8_t)(id >> 8);
    out[HS_HEADER + params + 1] = (uint8_t)id;
    out[HS_HEADER + params + 2] = (uint8_t)(siglen >> 8);
    out[HS_HEADER + params + 3] = (uint8_t)siglen;
    memcpy(out + HS_HEADER + params + 4, sig, siglen);
    out[2] = (uint8_t)((n - HS_HEADER) >> 8);
    out[3] = (uint8_t)(n - HS_HEADER);
    return n;
}

static bool fits12(const struct scheme *s, enum key_type key)
{
    bool ec = key == KEY_EC_P256 || key == KEY_EC_P384;

    return s->kind == SIG_ECDSA ? ec : s->key == key;
}

static void threat_04_server_key_exchange(void **state)
{
    static const enum key_type keys[] = { KEY_EC_P256, KEY_EC_P384, KEY_RSA, KEY_ED25519 };
    unsigned good = 0;

    (void)state;
    for (int id = 0; id < ID_KINDS; id++) {
        for (size_t i = 0; scheme_at(i); i++) {
            const struct scheme *s = scheme_at(i);
            struct pair_params q = { .suite = id == ID_RSA ? SUITE_RSA_GCM : SUITE_GCM, .id = id };
            struct stage12 g = stage12_at(C12_WAIT_SKE, &q);
            uint8_t m[1024];
            size_t n;

            n = sign_exchange(g.p, stage12_next(&g, &n), pki.server[id]->key, s, s->id, m);
            stage12_give(&g, m, n);
            if (fits12(s, keys[id])) {
                assert_int_equal(g.e->rc, 0);
                assert_ptr_equal(g.e->t->hs.scheme, s);
                good++;
            } else {
                assert_refused(g.e, ALERT_ILLEGAL_PARAMETER);
            }
            stage12_free(&g);
        }
    }
    assert_int_equal(good, 3 + 3 + 6 + 1);
}

/* Numbers that we never offer: MD5, SHA-1, SHA-224 (threat 21), GREASE, none. */
static const uint16_t unoffered[] = { 0x0101, 0x0201, 0x0203, 0x0301, 0x0303,
                                      0x0202, 0x0402, 0x0a0a, 0x0000, 0xffff };

static void threat_21_schemes_not_offered(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof unoffered / sizeof *unoffered; i++) {
        struct pair_params q = usual();
        struct stage12 g = stage12_at(i & 1 ? S12_WAIT_CV : C12_WAIT_SKE, &q);
        size_t n;
        uint8_t *m = stage12_next(&g, &n), out[1024];

        if (i & 1) {
            m[HS_HEADER] = (uint8_t)(unoffered[i / 2] >> 8);
            m[HS_HEADER + 1] = (uint8_t)unoffered[i / 2];
            stage12_give(&g, m, n);
        } else {
            n = sign_exchange(g.p, m, pki.server[0]->key, scheme_by_id(0x0403), unoffered[i / 2],
                              out);
            stage12_give(&g, out, n);
        }
        assert_refused(g.e, ALERT_ILLEGAL_PARAMETER);
        stage12_free(&g);
    }
    for (size_t i = 0; scheme_at(i); i++) { /* and that we have none of them */
        for (size_t k = 0; k < sizeof unoffered / sizeof *unoffered; k++) {
            assert_int_not_equal(scheme_at(i)->id, unoffered[k]);
        }
    }
}

/* The client's key is of P-256: every other scheme in its CertificateVerify. */
static void threat_04_certificate_verify(void **state)
{
    (void)state;
    for (size_t i = 0; scheme_at(i); i++) {
        struct pair_params q = usual();
        struct stage12 g = stage12_at(S12_WAIT_CV, &q);
        size_t n;
        uint8_t *m = stage12_next(&g, &n);

        m[HS_HEADER] = (uint8_t)(scheme_at(i)->id >> 8);
        m[HS_HEADER + 1] = (uint8_t)scheme_at(i)->id;
        stage12_give(&g, m, n);
        if (scheme_at(i)->id == 0x0403) {
            assert_int_equal(g.e->rc, 0);
        } else if (scheme_at(i)->kind == SIG_ECDSA) { /* another hash: signs something else */
            assert_refused(g.e, ALERT_DECRYPT_ERROR);
        } else {
            assert_refused(g.e, ALERT_ILLEGAL_PARAMETER);
        }
        stage12_free(&g);
    }
}

/* The client offers only what it has: a server with a key that fits none of it. */
static void threat_04_nothing_in_common(void **state)
{
    struct pair *p = pair_new(&(struct pair_params){ .suite = SUITE_GCM });
    static const uint8_t list[] = { 0, 13, 0, 30, 0, 28 };
    size_t n = end_take(&p->c, wire);
    uint8_t *at = wire_find(wire, n, list, sizeof list);

    (void)state;
    for (size_t i = 0; i < 28; i += 2) { /* rsa_pkcs1_sha256 in every place */
        memcpy(at + 6 + i, "\4\1", 2);
    }
    end_give(&p->s, wire, n);
    assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
    pair_free(p);
}

/* ---- threat 5: each byte of what is signed, and of the signature ---- */
static void threat_05_flipped_proofs(void **state)
{
    static const struct {
        enum hs_state at;
        uint16_t suite;
    } rows[] = { { C12_WAIT_SKE, SUITE_GCM },
                 { S12_WAIT_CV, SUITE_GCM },
                 { C12_WAIT_FINISHED, SUITE_GCM },
                 { S12_WAIT_FINISHED, SUITE_GCM } };

    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        size_t size = HS_HEADER + 1;

        for (size_t i = HS_HEADER; i < size; i++) {
            struct pair_params q = usual();
            struct stage12 g = stage12_at(rows[k].at, &q);
            uint8_t *m = stage12_next(&g, &size);

            m[i < size ? i : size - 1] ^= 1;
            stage12_give(&g, m, size);
            assert_true(IS_TLS_ALERT(g.e->rc) && g.e->done == 0);
            if (rows[k].at == C12_WAIT_FINISHED || rows[k].at == S12_WAIT_FINISHED) {
                assert_refused(g.e, ALERT_DECRYPT_ERROR);
            }
            stage12_free(&g);
        }
        assert_true(size >= HS_HEADER + VERIFY12);
    }
}

/* What is signed besides: both hellos' randoms, every byte. */
static void threat_05_flipped_randoms(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * RANDOM_SIZE; i++) {
        struct pair_params q = { .suite = SUITE_GCM };
        struct pair *p = pair_new(&q);
        size_t n = end_take(&p->c, wire);

        wire[11 + i % RANDOM_SIZE] ^= i & 1; /* odd bytes of the client's */
        end_give(&p->s, wire, n);
        n = end_take(&p->s, wire);
        wire[11 + i % RANDOM_SIZE] ^= !(i & 1); /* even ones of the server's */
        end_give(&p->c, wire, n);
        assert_refused(&p->c, ALERT_DECRYPT_ERROR);
        assert_int_equal(p->c.done, 0);
        pair_free(p);
    }
}

/* ---- threat 12: what does not decrypt is like what does, up to Finished ---- */
static void threat_12_rsa_key_exchange(void **state)
{
    static const uint8_t prefix[] = { 0, 2 };

    (void)state;
    for (int kind = 0; kind < 10; kind++) {
        struct pair_params q = { .suite = kind & 1 ? SUITE_RSA_KX : SUITE_RSA_CBC, .id = ID_RSA };
        struct stage12 g = stage12_at(S12_WAIT_CKE, &q);
        uint8_t block[300] = { 0 };
        size_t n, sealed = 256;
        uint8_t *m = stage12_next(&g, &n), version[48] = { 3, 2 };
        struct pubkey *key;

        assert_int_equal(n, HS_HEADER + 2 + 256);
        assert_int_equal(cert_pubkey(&pki.server[ID_RSA]->leaf, &key), 0);
        switch (kind / 2) {
        case 0: /* garbage */
            memset(m + 6, 0x5a, 256);
            break;
        case 1: /* one bit */
            m[100] ^= 1;
            break;
        case 2: /* well padded, another version in it */
            assert_int_equal(pubkey_encrypt_pkcs1(key, span_of(version, 48), m + 6, &sealed), 0);
            break;
        case 3: /* well padded, another length */
            assert_int_equal(pubkey_encrypt_pkcs1(key, span_of(version, 47), m + 6, &sealed), 0);
            break;
        default: /* zero */
            memcpy(block, prefix, sizeof prefix);
            memset(m + 6, 0, 256);
        }
        stage12_give(&g, m, n);
        assert_int_equal(g.e->rc, 0); /* not a word */
        assert_int_equal(end_take(g.e, wire), 0);
        m = stage12_next(&g, &n);
        assert_true(is_ccs(m));
        hand12_give(&g.hand, g.e, CT_CHANGE_CIPHER_SPEC, "\1", 1);
        assert_int_equal(g.e->rc, 0);
        hand12_free(&g.hand); /* the client's keys are not the server's */
        g.hand = hand12_new(g.p, TLS_SERVER, true);
        m = stage12_next(&g, &n);
        hand12_give(&g.hand, g.e, CT_HANDSHAKE, m, n);
        assert_refused(g.e, ALERT_BAD_RECORD_MAC); /* always the same */
        pubkey_unref(key);
        stage12_free(&g);
    }
}

/* ---- threat 19: shares that are no points ---- */
static void threat_19_shares(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * BAD_SHARES; i++) {
        const struct bad_share *sh = &bad_shares[i / 2];
        /* secp256r1 is the curve of the certificate (RFC 8422 section 5.1.1) */
        struct pair_params q = { .suite = SUITE_GCM,
                                 .client_groups = { sh->group, 23 },
                                 .server_groups = { sh->group } };
        bool server = i & 1;
        struct stage12 g;
        uint8_t m[1024], out[1024];
        size_t n, len;

        if (sh->group >= SHARE_FFDHE) {
            continue;
        }
        g = stage12_at(server ? S12_WAIT_CKE : C12_WAIT_SKE, &q);
        memcpy(m, stage12_next(&g, &n), sizeof m);
        if (server) {
            len = share_spoil(sh, m + 5, m[4]);
            m[3] = (uint8_t)(1 + len);
            m[4] = (uint8_t)len;
            stage12_give(&g, m, HS_HEADER + 1 + len);
        } else { /* signed by the server's own key */
            len = share_spoil(sh, m + 8, m[7]);
            m[7] = (uint8_t)len;
            n = sign_exchange(g.p, m, pki.server[0]->key, scheme_by_id(0x0403), 0x0403, out);
            stage12_give(&g, out, n);
        }
        if (g.e->rc != TLS_ALERT(ALERT_ILLEGAL_PARAMETER)) {
            fail_msg("%s: %d", sh->what, g.e->rc);
        }
        stage12_free(&g);
    }
}

/* A group that we did not offer, a curve type that is not named_curve. */
static void threat_19_groups(void **state)
{
    static const uint8_t heads[][3] = { { 3, 0, 24 }, { 3, 0, 29 }, { 3, 0, 0 }, { 3, 255, 1 },
                                        { 1, 0, 23 }, { 2, 0, 23 }, { 0, 0, 23 } };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct pair_params q = { .suite = SUITE_GCM, .client_groups = { 23 } };
        struct stage12 g = stage12_at(C12_WAIT_SKE, &q);
        size_t n;
        uint8_t *m = stage12_next(&g, &n), out[1024];

        memcpy(m + HS_HEADER, heads[i], 3);
        n = sign_exchange(g.p, m, pki.server[0]->key, scheme_by_id(0x0403), 0x0403, out);
        stage12_give(&g, out, n);
        assert_refused(g.e, ALERT_ILLEGAL_PARAMETER);
        stage12_free(&g);
    }
}

/* ---- what the server's certificate is good for (RFC 5246 section 7.4.2) ---- */

/* The Certificate of the RSA server with that key usage, signed by the CA again. */
static size_t certificate_with_usage(uint8_t unused, uint8_t bits, uint8_t *out)
{
    const struct cert *leaf = &pki.server[ID_RSA]->leaf;
    static const uint8_t usage[] = { 3, 2, 5, 0xa0 };
    static const uint8_t algorithm[] = {
        0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2
    }; /* ecdsa, SHA-256 */
    uint8_t tbs[1024], sig[SIG_MAX], *at;
    struct span part = { tbs, leaf->tbs.n };
    size_t n = SIG_MAX, mark[4];
    struct wr w = wr_of(out, 2048);

    assert_true(leaf->tbs.n <= sizeof tbs);
    memcpy(tbs, leaf->tbs.p, leaf->tbs.n);
    at = memmem(tbs, leaf->tbs.n, usage, sizeof usage);
    assert_non_null(at);
    at[2] = unused;
    at[3] = bits;
    assert_int_equal(privkey_sign(pki.ca_key, scheme_by_id(0x0403), &part, 1, sig, &n), 0);
    wr_u8(&w, HS_CERTIFICATE);
    for (size_t i = 0; i < 3; i++) { /* of the message, of the list, of this one */
        mark[i] = wr_begin(&w, 3);
    }
    wr_u16(&w, 0x3082);
    mark[3] = wr_begin(&w, 2);
    wr_bytes(&w, tbs, part.n);
    wr_bytes(&w, algorithm, sizeof algorithm);
    wr_u8(&w, 3);
    wr_u8(&w, (uint8_t)(n + 1));
    wr_u8(&w, 0);
    wr_bytes(&w, sig, n);
    wr_end(&w, 2, mark[3]);
    for (size_t i = 3; i-- > 0;) {
        wr_end(&w, 3, mark[i]);
    }
    assert_true(wr_ok(&w));
    return w.len;
}

static void test_key_usage(void **state)
{
    static const struct {
        uint8_t unused, bits;
        bool signs, opens;
    } rows[] = {
        { 5, 0xa0, true, true },   /* digitalSignature, keyEncipherment */
        { 7, 0x80, true, false },  /* the one */
        { 5, 0x20, false, true },  /* the other */
        { 3, 0x08, false, false }, /* keyAgreement */
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        struct pair_params q = { .suite = i % 2 ? SUITE_RSA_KX : SUITE_RSA_GCM, .id = ID_RSA };
        struct stage12 g = stage12_at(C12_WAIT_CERT, &q);
        uint8_t m[2048];
        size_t n;

        (void)stage12_next(&g, &n);
        stage12_give(&g, m, certificate_with_usage(rows[i / 2].unused, rows[i / 2].bits, m));
        if (i % 2 ? rows[i / 2].opens : rows[i / 2].signs) {
            assert_int_equal(g.e->rc, 0);
        } else {
            assert_refused(g.e, ALERT_UNSUPPORTED_CERTIFICATE);
        }
        stage12_free(&g);
    }
}

/* ---- proofs of the client ---- */
static int accept_any(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    (void)ctx, (void)t, (void)chain, (void)n, (void)alert;
    return 0;
}

/* What the server staples to its own certificate changes nothing in how it looks at the client's.
 */
static void threat_03_client_of_another_ca(void **state)
{
    static const char *const staples[] = { NULL, "response" };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair_params q = {
            .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE, .client_id = true, .status = staples[i]
        };
        struct pair *p = pair_connected(&q);

        assert_true(info_of(&p->s).client_auth);
        assert_int_equal(info_of(&p->c).status.n, i ? strlen(staples[1]) : 0);
        pair_free(p);
        q.other_ca = true; /* that none of the two is of */
        q.on_verify = accept_any;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_refused(&p->s, ALERT_UNKNOWN_CA);
        assert_false(tls_connected(p->c.t));
        pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_03_client_of_another_ca),
        cmocka_unit_test(threat_04_server_key_exchange),
        cmocka_unit_test(threat_04_certificate_verify),
        cmocka_unit_test(threat_04_nothing_in_common),
        cmocka_unit_test(threat_21_schemes_not_offered),
        cmocka_unit_test(threat_05_flipped_proofs),
        cmocka_unit_test(threat_05_flipped_randoms),
        cmocka_unit_test(threat_12_rsa_key_exchange),
        cmocka_unit_test(threat_19_shares),
        cmocka_unit_test(threat_19_groups),
        cmocka_unit_test(test_key_usage),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
