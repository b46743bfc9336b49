/* SPDX-License-Identifier: ISC */
/* Peers of TLS 1.3 that lie: signatures, shares, our own words. */
#include "tests/handshake/shares.h"
#include "tests/handshake/stage13.h"

static uint8_t copy[WIRE_MAX], wire[WIRE_MAX];
static const enum key_type key_types[] = { KEY_EC_P256, KEY_EC_P384, KEY_RSA, KEY_ED25519 };

/* ---- threat 3: nobody is connected who has not proved all, however it got there ---- */
static void threat_03_proof_mask(void **state)
{
    static const unsigned proofs[] = { PROVES_CHAIN, PROVES_POSSESSION };

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
        struct stage13 s = stage13_new(i & 1 ? TLS_SERVER : TLS_CLIENT, &q);
        size_t n;
        const uint8_t *m = stage13_until(&s, HS_FINISHED, &n);

        assert_int_equal(s.e->t->hs.proves, PROVES_CHAIN | PROVES_POSSESSION);
        s.e->t->hs.proves &= ~proofs[i / 2];
        stage13_record(&s, CT_HANDSHAKE, m, n);
        assert_refused(s.e, ALERT_INTERNAL_ERROR);
        assert_int_equal(s.e->done, 0);
        stage13_free(&s);
    }
}

/* ---- threat 4: scheme x key ---- */

/* A CertificateVerify for what e has read so far: by that key and scheme, under that number. */
static size_t sign_anew(const struct stage13 *s, struct privkey *key, const struct scheme *how,
                        uint16_t id, uint8_t *out)
{
    static const char spaces[] = "                                "
                                 "                                ";
    const char *label =
        s->server ? "TLS 1.3, client CertificateVerify" : "TLS 1.3, server CertificateVerify";
    uint8_t hash[HASH_MAX], sig[SIG_MAX] = { 0 };
    size_t n = sizeof sig;
    struct span part[3];

    assert_int_equal(transcript_hash(&s->e->t->hs.work->transcript, hash), 0);
    part[0] = span_of(spaces, 64);
    part[1] = span_of(label, strlen(label) + 1);
    part[2] = span_of(hash, hash_size(s->e->t->hs.suite->hash));
    if (privkey_sign(key, how, part, 3, sig, &n) < 0) {
        n = 64; /* no such signature is possible: any bytes */
    }
    memcpy(out,
           (uint8_t[]){ HS_CERTIFICATE_VERIFY, 0, (uint8_t)((n + 4) >> 8), (uint8_t)(n + 4),
                        (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(n >> 8), (uint8_t)n },
           8);
    memcpy(out + 8, sig, n);
    return 8 + n;
}

static void threat_04_server_signs(void **state)
{
    unsigned good = 0;

    (void)state;
    for (int id = 0; id < ID_KINDS; id++) {
        for (size_t i = 0; scheme_at(i); i++) {
            const struct scheme *how = scheme_at(i);
            struct pair_params q = { .id = id };
            struct stage13 s = stage13_new(TLS_CLIENT, &q);
            size_t n;

            (void)stage13_until(&s, HS_CERTIFICATE_VERIFY, &n);
            n = sign_anew(&s, pki.server[id]->key, how, how->id, copy);
            stage13_record(&s, CT_HANDSHAKE, copy, n);
            /* Unlike in TLS 1.2 the curve is part of the scheme, and PKCS #1 is none (4.2.3). */
            if (how->key == key_types[id] && how->handshake13) {
                assert_int_equal(s.e->rc, 0);
                assert_ptr_equal(s.e->t->hs.scheme, how);
                good++;
            } else {
                assert_refused(s.e, ALERT_ILLEGAL_PARAMETER);
            }
            stage13_free(&s);
        }
    }
    assert_int_equal(good, 1 + 1 + 3 + 1);
}

static void threat_04_client_signs(void **state)
{
    (void)state;
    for (size_t i = 0; scheme_at(i); i++) {
        struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
        struct stage13 s = stage13_new(TLS_SERVER, &q);
        const struct scheme *how = scheme_at(i);
        size_t n;

        (void)stage13_until(&s, HS_CERTIFICATE_VERIFY, &n);
        n = sign_anew(&s, pki.client->key, how, how->id, copy);
        stage13_record(&s, CT_HANDSHAKE, copy, n);
        if (how->key == KEY_EC_P256) {
            assert_int_equal(s.e->rc, 0);
        } else {
            assert_refused(s.e, ALERT_ILLEGAL_PARAMETER);
        }
        stage13_free(&s);
    }
}

/* A client that takes one scheme only, of those that the server's key could sign with. */
static struct stage13 choosy(uint16_t scheme)
{
    struct pair_params q = { .id = ID_RSA };
    struct stage13 s = stage13_new(TLS_CLIENT, &q);
    struct config *c = config_new(TLS_CLIENT);

    tls_free(s.p->c.t);
    assert_int_equal(config_set_trust(c, pki.trust), 0);
    assert_int_equal(config_set_clock(c, pair_clock), 0);
    assert_int_equal(config_set_keylog(c, pair_keylog, s.p), 0);
    /* ecdsa_secp256r1_sha256 for the chain */
    assert_int_equal(config_set_schemes(c, (uint16_t[]){ scheme, 0x0403 }, 2), 0);
    assert_int_equal(config_seal(c, NULL), 0);
    assert_int_equal(tls_new(&s.p->c.t, c, PAIR_HOST, NULL, NULL, NULL), 0);
    config_unref(c);
    return s;
}

static void threat_04_not_offered(void **state)
{
    static const uint16_t pss[] = { 0x0804, 0x0805, 0x0806 };

    (void)state;
    for (size_t i = 0; i < 9; i++) {
        struct stage13 s = choosy(pss[i / 3]);
        uint16_t id = pss[i % 3];
        size_t n;

        (void)stage13_until(&s, HS_CERTIFICATE_VERIFY, &n);
        n = sign_anew(&s, pki.server[ID_RSA]->key, scheme_by_id(id), id, copy);
        stage13_record(&s, CT_HANDSHAKE, copy, n);
        if (i / 3 == i % 3) {
            assert_int_equal(s.e->rc, 0);
        } else {
            assert_refused(s.e, ALERT_ILLEGAL_PARAMETER);
        }
        stage13_free(&s);
    }
}

/* A right signature by the right key, but of the other side's words, or of another transcript. */
static void threat_04_other_content(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
        struct stage13 s = stage13_new(i & 1 ? TLS_SERVER : TLS_CLIENT, &q);
        struct privkey *key = i & 1 ? pki.client->key : pki.server[ID_P256]->key;
        const struct scheme *how = scheme_by_id(0x0403);
        size_t n;

        (void)stage13_until(&s, HS_CERTIFICATE_VERIFY, &n);
        s.server ^= !(i & 2);
        n = sign_anew(&s, key, how, how->id, copy);
        s.server ^= !(i & 2);
        stage13_record(&s, CT_HANDSHAKE, copy, n);
        if (i & 2) {
            assert_int_equal(s.e->rc, 0);
        } else {
            assert_refused(s.e, ALERT_DECRYPT_ERROR);
        }
        stage13_free(&s);
    }
}

/* ---- threat 19 ---- */

static void add16(uint8_t *p, size_t n)
{
    size_t v = ((size_t)p[0] << 8 | p[1]) + n;

    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Spoils the only share of a hello; the new size. */
static size_t spoil_hello(const struct bad_share *how, uint8_t *m, size_t n)
{
    bool client = m[0] == HS_CLIENT_HELLO;
    size_t block = HS_HEADER + 2 + RANDOM_SIZE, at, len, now;

    block += 1u + m[block];
    block += client ? 2 + ((size_t)m[block] << 8 | m[block + 1]) : 2;
    block += client ? 1u + m[block] : 1;
    for (at = block + 2; m[at] != 0 || m[at + 1] != EXT_KEY_SHARE;) {
        at += 4 + ((size_t)m[at + 2] << 8 | m[at + 3]);
        assert_true(at < n);
    }
    at += client ? 8 : 6; /* where the share's length stands */
    len = (size_t)m[at] << 8 | m[at + 1];
    memmove(m + at + 2 + len + 8, m + at + 2 + len, n - at - 2 - len); /* room for a longer one */
    now = share_spoil(how, m + at + 2, len);
    memmove(m + at + 2 + now, m + at + 2 + len + 8, n - at - 2 - len);
    add16(m + at, now - len);
    if (client) {
        add16(m + at - 4, now - len);
    }
    add16(m + at - (client ? 6 : 4), now - len);
    add16(m + block, now - len);
    add16(m + 2, now - len);
    return n + now - len;
}

static void threat_19_shares(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * BAD_SHARES; i++) {
        const struct bad_share *how = &bad_shares[i / 2];
        struct pair_params q = { .client_groups = { how->group }, .server_groups = { how->group } };
        struct stage13 s = stage13_new(i & 1 ? TLS_SERVER : TLS_CLIENT, &q);
        size_t n;
        const uint8_t *m = stage13_next(&s, &n);

        memcpy(copy, m, n);
        n = spoil_hello(how, copy, n);
        stage13_record(&s, CT_HANDSHAKE, copy, n);
        if (s.e->rc != TLS_ALERT(ALERT_ILLEGAL_PARAMETER)) {
            fail_msg("%s, to a %s: %d", how->what, s.server ? "server" : "client", s.e->rc);
        }
        assert_refused(s.e, ALERT_ILLEGAL_PARAMETER);
        stage13_free(&s);
    }
}

/* ---- threat 23 ---- */

/* Both ends have one key, as it is or imported with their names (RFC 9258). */
static struct pair_params with_key(bool names)
{
    struct pair_params q = { .suite = 0x1301 };

    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        const char *own = role == TLS_CLIENT ? "alice" : "bob";

        q.psk[role][0] = (struct pair_psk){ .name = "device-7", .key = "0123456789abcdef" };
        if (names) {
            q.psk[role][0].own = own;
            q.psk[role][0].peer = role == TLS_CLIENT ? "bob" : "alice";
        }
    }
    return q;
}

/* A key without names does not say who is the client, so that its owner may talk to
 * itself (config.h says so of config_add_psk): this is what the names are for. */
static void threat_23_without_names(void **state)
{
    struct pair_params q = with_key(false);
    struct pair *p = pair_connected(&q);
    struct tls_info i;

    (void)state;
    tls_get_info(p->s.t, &i);
    assert_string_equal(i.psk, "device-7");
    pair_free(p);
}

/* Whatever one says is thrown back at it: hello, flight, data. With names or without, it
 * never takes itself for its peer. */
static void threat_23_reflected(void **state)
{
    const struct pair_params both[] = { with_key(false), with_key(true) };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair *p = pair_new(&both[i]);
        size_t n = end_take(&p->c, wire);

        end_give(&p->c, wire, n); /* its hello */
        assert_refused(&p->c, ALERT_UNEXPECTED_MESSAGE);
        end_give(&p->s, wire, n);
        n = end_take(&p->s, wire);
        end_give(&p->s, wire, n); /* the server's flight */
        assert_true(IS_TLS_ALERT(p->s.rc));
        assert_int_equal(p->c.done + p->s.done, 0);
        pair_free(p);
        p = pair_new(&both[i]);
        end_give(&p->s, wire, end_take(&p->c, wire));
        end_give(&p->c, wire, end_take(&p->s, wire));
        assert_int_equal(p->c.done, 1);
        n = end_take(&p->c, wire); /* the client's Finished */
        end_give(&p->c, wire, n);
        assert_true(IS_TLS_ALERT(p->c.rc));
        pair_free(p);
        for (int server = 0; server < 2; server++) {
            struct end *e;

            p = pair_connected(&both[i]);
            e = server ? &p->s : &p->c;
            (void)end_take(e, wire);
            end_give(e, wire, end_seal(e, "data", 4, wire));
            assert_refused(e, ALERT_BAD_RECORD_MAC);
            assert_int_equal(e->ngot, 0);
            pair_free(p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_03_proof_mask),    cmocka_unit_test(threat_04_server_signs),
        cmocka_unit_test(threat_04_client_signs),  cmocka_unit_test(threat_04_not_offered),
        cmocka_unit_test(threat_04_other_content), cmocka_unit_test(threat_19_shares),
        cmocka_unit_test(threat_23_without_names), cmocka_unit_test(threat_23_reflected),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
