/* SPDX-License-Identifier: ISC */
/* Pre-shared keys from outside (RFC 8446 section 4.2.11), imported ones too (RFC 9258). */
#include "tests/handshake/psk.h"

static uint8_t wire[WIRE_MAX];

/* ---- what works ---- */
static void test_every_suite(void **state)
{
    static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (enum hash_id own = HASH_NONE; own <= HASH_SHA384; own++) {
            struct pair_params q = plain(), r = imported();
            bool same = (suites[i] == 0x1302) == (own == HASH_SHA384);

            if (own == HASH_SHA1) {
                continue;
            }
            q.suite = r.suite = suites[i];
            q.psk[TLS_CLIENT][0].hash = q.psk[TLS_SERVER][0].hash = own;
            r.psk[TLS_CLIENT][0].hash = r.psk[TLS_SERVER][0].hash = own;
            connects_once(&r, "device-7");
            if (same) {
                connects_once(&q, "device-7");
            } else {
                refused(&q, TLS_SERVER, ALERT_DECRYPT_ERROR);
            }
        }
    }
}

/* The server's favourite suite has another hash: the key decides. */
static void test_key_chooses_the_suite(void **state)
{
    struct pair_params q = plain();
    struct tls_info i;
    struct pair *p;

    (void)state;
    q.psk[TLS_CLIENT][0].hash = q.psk[TLS_SERVER][0].hash = HASH_SHA384;
    p = connects(&q, "device-7");
    tls_get_info(p->s.t, &i);
    assert_int_equal(i.suite_id, 0x1302);
    pair_free(p);
    q = plain();
    q.server_suites[0] = 0x1302;
    q.server_suites[1] = 0x1303;
    p = connects(&q, "device-7");
    tls_get_info(p->s.t, &i);
    assert_int_equal(i.suite_id, 0x1303);
    pair_free(p);
}

/* With a retry: the second binder is over both hellos; keys for another hash are not in it. */
static void test_retry(void **state)
{
    struct pair_params both[] = { plain(), imported() };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        both[i].client_groups[0] = 29;
        both[i].client_groups[1] = both[i].server_groups[0] = 23;
        connects_once(&both[i], "device-7");
        both[i].psk[TLS_SERVER][0].key = OTHER;
        refused(&both[i], TLS_SERVER, ALERT_DECRYPT_ERROR);
    }
}

static void test_second_of_two(void **state)
{
    struct pair_params q = plain();

    (void)state;
    q.psk[TLS_CLIENT][0] = (struct pair_psk){ .name = "a", .key = OTHER, .own = "x", .peer = "y" };
    q.psk[TLS_CLIENT][1] = (struct pair_psk){ .name = "device-7", .key = KEY };
    q.psk[TLS_SERVER][1] = (struct pair_psk){ .name = "b", .key = OTHER };
    connects_once(&q, "device-7");
    q.psk[TLS_CLIENT][1].name = "b";
    q.psk[TLS_CLIENT][1].key = OTHER;
    connects_once(&q, "b");
}

/* ---- what does not ---- */
static void test_wrong_key(void **state)
{
    struct pair_params q = plain(), r = imported(), s = plain();

    (void)state;
    q.psk[TLS_SERVER][0].key = r.psk[TLS_SERVER][0].key = s.psk[TLS_SERVER][0].key = OTHER;
    refused(&q, TLS_SERVER, ALERT_DECRYPT_ERROR);
    refused(&r, TLS_SERVER, ALERT_DECRYPT_ERROR);
    s.no_server_id = s.no_trust = false; /* also where a certificate would do */
    refused(&s, TLS_SERVER, ALERT_DECRYPT_ERROR);
}

static void threat_34_every_bit_of_the_binder(void **state)
{
    struct pair_params q = plain();

    (void)state;
    for (size_t i = 0; i <= 8 * 32; i++) {
        struct pair *p = pair_new(&q);
        size_t n = end_take(&p->c, wire);

        if (i < 8 * 32) {
            wire[n - 32 + i / 8] ^= (uint8_t)(1u << i % 8);
        }
        end_give(&p->s, wire, n);
        if (i < 8 * 32) {
            assert_refused(&p->s, ALERT_DECRYPT_ERROR);
        } else {
            assert_int_equal(p->s.rc, 0);
        }
        pair_free(p);
    }
}

/* The server does not know the key, or has none: certificates, for who can verify them. */
static void test_certificates_instead(void **state)
{
    struct pair_params q = plain();

    (void)state;
    q.psk[TLS_SERVER][0].name = "device-8";
    refused(&q, TLS_SERVER, ALERT_DECRYPT_ERROR);
    q.no_server_id = false;
    refused(&q, TLS_CLIENT, ALERT_UNKNOWN_CA);
    q.no_trust = false;
    connects_once(&q, "");
    q.psk[TLS_SERVER][0].name = NULL;
    connects_once(&q, "");
    q.other_ca = true;
    refused(&q, TLS_CLIENT, ALERT_UNKNOWN_CA);
    q = plain(); /* a client without a key */
    q.psk[TLS_CLIENT][0].name = NULL;
    q.no_trust = false;
    refused(&q, TLS_SERVER, ALERT_DECRYPT_ERROR);
    q.no_server_id = false;
    connects_once(&q, "");
}

static int verdict, word;

static int judge(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    (void)ctx;
    (void)t;
    (void)chain;
    (void)n;
    verdict = alert;
    return word;
}

/* threat 32: a client that knows no name goes by its key, and takes no certificate of anyone, but
 * where the application judges it. */
static void threat_32_without_a_name(void **state)
{
    struct pair_params q = plain();
    struct config *c;
    struct tls *t;

    (void)state;
    q.host = "";
    q.no_trust = false;
    connects_once(&q, "device-7");
    q.no_server_id = false;
    connects_once(&q, "device-7");
    for (unsigned max = TLS_1_2; max <= TLS_1_3; max++) {
        q.server_max = max;
        q.psk[TLS_SERVER][0].name = "device-8";
        refused(&q, TLS_CLIENT, ALERT_CERTIFICATE_UNKNOWN);
    }
    q.on_verify = judge;
    word = 0;
    pair_free(pair_connected(&q));
    assert_int_equal(verdict, ALERT_CERTIFICATE_UNKNOWN);
    word = ALERT_BAD_CERTIFICATE;
    refused(&q, TLS_CLIENT, ALERT_BAD_CERTIFICATE);
    c = config_new(TLS_CLIENT); /* and without a key there is nothing to go by */
    assert_int_equal(config_set_trust(c, pki.trust), 0);
    assert_int_equal(config_set_clock(c, pair_clock), 0);
    assert_int_equal(config_seal(c, NULL), 0);
    assert_int_equal(tls_new(&t, c, NULL, NULL, NULL, NULL), ERR_ARG);
    assert_int_equal(tls_new(&t, c, "", NULL, NULL, NULL), ERR_ARG);
    config_unref(c);
}

static void test_tls12_has_none(void **state)
{
    struct pair_params q = plain();

    (void)state;
    q.no_trust = false;
    q.client_max = TLS_1_2;
    refused(&q, TLS_SERVER, ALERT_PROTOCOL_VERSION);
    q.no_server_id = false;
    connects_once(&q, "");
    q.client_max = 0;
    q.server_max = TLS_1_2;
    connects_once(&q, "");
}

/* Section 4.3.2: no CertificateRequest beside a key. */
static void test_client_certificate_is_not_asked_for(void **state)
{
    struct pair_params q = plain();
    struct tls_info i;
    struct pair *p;

    (void)state;
    q.no_trust = false;
    q.client_id = true;
    q.auth = CLIENT_AUTH_REQUEST;
    p = connects(&q, "device-7");
    tls_get_info(p->s.t, &i);
    assert_false(i.client_auth);
    assert_int_equal(i.peer_cert.n, 0);
    pair_free(p);
}

/* The server names another of our keys than the suite goes with, or none of ours. */
static void test_other_key_than_offered(void **state)
{
    struct pair_params q = imported();

    (void)state;
    for (unsigned index = 0; index < 4; index++) {
        struct pair *p = pair_new(&q);
        const uint8_t *at;
        size_t n;

        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        at = memmem(wire, n, "\x00\x29\x00\x02\x00\x00", 6);
        assert_non_null(at);
        wire[at - wire + 5] = (uint8_t)index;
        end_give(&p->c, wire, n);
        if (index == 0) {
            assert_int_equal(p->c.rc, 0);
        } else {
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        }
        pair_free(p);
    }
}

/* A server without the key that claims to have taken it: its flight does not open. */
static void threat_03_server_without_the_key(void **state)
{
    struct pair_params q = plain();
    struct pair *p = pair_new(&q);
    struct ext_psk *k = p->s.t->hs.set->psks;

    (void)state;
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_ptr_equal(p->s.t->hs.work->external, k);
    pair_free(p);
    p = pair_new(&q);
    k = p->c.t->hs.set->psks;
    end_give(&p->s, wire, end_take(&p->c, wire));
    k->key[0] ^= 1; /* after its binder went out */
    end_give(&p->c, wire, end_take(&p->s, wire));
    assert_refused(&p->c, ALERT_BAD_RECORD_MAC);
    pair_free(p);
}

/* ---- without a key exchange ---- */
/* The client's hello offers psk_ke alone, with a binder for that. */
static size_t only_alone(struct pair *p)
{
    static const uint8_t modes[] = { 0, 45, 0, 3, 2, 1, 0 };
    size_t n = end_take(&p->c, wire);
    uint8_t *at = memmem(wire, n, modes, sizeof modes), digest[HASH_MAX], mac[HASH_MAX];

    assert_non_null(at);
    at[5] = 0;
    assert_int_equal(hash_once(HASH_SHA256, wire + REC_HEADER, n - REC_HEADER - 35, digest), 0);
    assert_int_equal(schedule13_binder(HASH_SHA256, span_text(KEY), "ext binder", digest, mac), 0);
    memcpy(wire + n - 32, mac, 32);
    return n;
}

static void test_key_alone(void **state)
{
    struct pair_params q = plain();
    struct tls_info i;
    struct pair *p;

    (void)state;
    q.psk_ke[TLS_CLIENT] = q.psk_ke[TLS_SERVER] = true;
    p = connects(&q, "device-7"); /* both can do better */
    tls_get_info(p->c.t, &i);
    assert_string_equal(i.group, "x25519");
    pair_free(p);
    p = pair_new(&q);
    end_give(&p->s, wire, only_alone(p));
    assert_int_equal(p->s.rc, 0);
    tls_get_info(p->s.t, &i);
    assert_true(by_key(&p->s, "device-7") && i.group_id == 0);
    pair_free(p);
    q.psk[TLS_SERVER][0].key = OTHER;
    p = pair_new(&q);
    end_give(&p->s, wire, only_alone(p));
    assert_refused(&p->s, ALERT_DECRYPT_ERROR);
    pair_free(p);
    q = plain(); /* the server does not do that */
    q.psk_ke[TLS_CLIENT] = true;
    p = pair_new(&q);
    end_give(&p->s, wire, only_alone(p));
    assert_refused(&p->s, ALERT_DECRYPT_ERROR);
    pair_free(p);
}

/* A server that leaves its share out, to a client that wants one, or has no key in use. */
static void test_server_without_share(void **state)
{
    (void)state;
    for (unsigned with_key = 0; with_key < 2; with_key++) {
        struct pair_params q = plain();
        uint8_t *at, *end;
        struct pair *p;
        size_t n;

        q.psk_ke[TLS_CLIENT] = !with_key;
        q.no_server_id = q.no_trust = with_key;
        q.psk[TLS_SERVER][0].name = with_key ? "device-7" : "another";
        p = pair_new(&q);
        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        at = memmem(wire, n, "\x00\x33\x00\x24\x00\x1d", 6);
        assert_non_null(at);
        end = wire + REC_HEADER + (wire[3] << 8 | wire[4]); /* of the ServerHello */
        memmove(at, at + 40, (size_t)(end - at) - 40);
        wire[4] = (uint8_t)(wire[4] - 40); /* record, message, extensions */
        wire[8] = (uint8_t)(wire[8] - 40);
        wire[80] = (uint8_t)(wire[80] - 40);
        end_give(&p->c, wire, (size_t)(end - wire) - 40);
        assert_refused(&p->c, with_key ? ALERT_ILLEGAL_PARAMETER : ALERT_MISSING_EXTENSION);
        pair_free(p);
    }
}

/* ---- the two ends have names ---- */
/* threat 23: one that has the key as client and as server does not talk to itself. */
static void threat_23_selfie(void **state)
{
    struct pair_params q = imported();
    struct config *c = config_new(TLS_CLIENT);

    (void)state;
    connects_once(&q, "device-7");
    /* alice's server, as she would set it up to hear bob; and her own hello comes back. */
    q.psk[TLS_SERVER][0].own = "alice";
    q.psk[TLS_SERVER][0].peer = "bob";
    refused(&q, TLS_SERVER, ALERT_DECRYPT_ERROR);
    q.psk[TLS_CLIENT][0].own = "bob"; /* bob's client */
    q.psk[TLS_CLIENT][0].peer = "alice";
    connects_once(&q, "device-7");
    assert_int_equal(config_add_psk(c, span_text("x"), span_text(KEY), HASH_NONE, "me", "me"),
                     ERR_ARG);
    config_unref(c);
}

/* Names are not to be confused with each other by where one ends. */
static void test_names_are_told_apart(void **state)
{
    struct pair_params q = imported();

    (void)state;
    q.psk[TLS_CLIENT][0].own = "ab";
    q.psk[TLS_CLIENT][0].peer = "c";
    q.psk[TLS_SERVER][0].peer = "a";
    q.psk[TLS_SERVER][0].own = "bc";
    refused(&q, TLS_SERVER, ALERT_DECRYPT_ERROR);
    q = imported(); /* an imported one is not the same as it is */
    q.psk[TLS_SERVER][0].own = q.psk[TLS_SERVER][0].peer = NULL;
    refused(&q, TLS_SERVER, ALERT_DECRYPT_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_suite),
        cmocka_unit_test(test_key_chooses_the_suite),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_second_of_two),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(threat_34_every_bit_of_the_binder),
        cmocka_unit_test(test_certificates_instead),
        cmocka_unit_test(threat_32_without_a_name),
        cmocka_unit_test(test_tls12_has_none),
        cmocka_unit_test(test_client_certificate_is_not_asked_for),
        cmocka_unit_test(test_other_key_than_offered),
        cmocka_unit_test(threat_03_server_without_the_key),
        cmocka_unit_test(test_key_alone),
        cmocka_unit_test(test_server_without_share),
        cmocka_unit_test(threat_23_selfie),
        cmocka_unit_test(test_names_are_told_apart),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
