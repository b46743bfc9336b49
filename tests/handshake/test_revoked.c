/* SPDX-License-Identifier: ISC */
/* What a handshake makes of revocation, pins and partial chains, in both versions: OCSP responses
 * that a server sends or promises and does not send, CRLs about either end, and what a session is
 * bound to. The verdicts themselves are in tests/x509. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine.h"
#include "tests/x509/chains.h"
#include "tests/x509/forge_status.h"

#define SERIAL_LEAF 0x1001

static int64_t later;

static int64_t clock_now(void)
{
    return NOW + later;
}

struct setup {
    unsigned version; /* highest; 0: TLS 1.3 */
    uint16_t suite;   /* 0: any */
    bool must_staple, partial, weak, client_cert, none, only_leaf;
    enum revoke_mode client, server; /* who looks at whom */
    const struct forge_crl *crl;     /* of both */
    const struct forge_ocsp *staple;
    const char *broken_staple;
    const uint8_t *pin;
    struct ticket_keys *tickets;
    struct tls_session *resume;
    verify_fn *on_verify;
};
struct outcome {
    struct error client, server;
    bool connected, resumed, host;
    size_t status;
    struct tls_session *session;
};

static const struct forge leaf = LEAF("i", 2, .eku = EKU_SERVER | EKU_CLIENT),
                          stapled = LEAF("i", 2, .eku = EKU_SERVER, .must_staple = true),
                          mid = MID("i", "root", 2, 0), root = ROOT();
/* An RSA key, which the RSA key exchange encrypts to. */
static const struct forge rsa =
    LEAF("i", 2, .key = KEY_R, .serial = SERIAL_LEAF,
         .ku = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT, .must_staple = true);

/* The same bytes each time: a session is bound to them, and signatures have chance in them. */
static struct {
    const void *what;
    struct span der;
} forged[12];

static struct span *der_at(const void *what)
{
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        if (!forged[i].what || forged[i].what == what) {
            forged[i].what = what;
            return &forged[i].der;
        }
    }
    abort();
}

static struct span der_of(const struct forge *f)
{
    struct span *der = der_at(f);

    *der = der->n ? *der : forge_der(f);
    return *der;
}

static struct span list_of(const struct forge_crl *f)
{
    struct span *der = der_at(f);

    *der = der->n ? *der : forge_crl_der(f);
    return *der;
}

static struct identity *identity_of(const struct forge *f)
{
    struct buf certs = { 0 }, key = { 0 };
    struct span one = der_of(f), two = der_of(&mid);
    struct identity *id;

    assert_int_equal(pem_write(&certs, "CERTIFICATE", one), 0);
    assert_int_equal(pem_write(&certs, "CERTIFICATE", two), 0);
    assert_int_equal(privkey_write_pem(forge_key(f->key), &key), 0);
    assert_int_equal(identity_from_bytes(&id, buf_span(&certs), buf_span(&key), NULL, NULL), 0);
    buf_free(&certs);
    buf_free(&key);
    return id;
}

static struct trust *trust_in(const struct forge *f)
{
    struct trust *t = trust_new();

    assert_int_equal(trust_add_pem(t, der_of(f), NULL), 1);
    return t;
}

static const struct forge *leaf_of(const struct setup *s)
{
    return s->suite == 0x009c ? &rsa : s->must_staple ? &stapled : &leaf;
}

static struct config *config_of(enum tls_role role, const struct setup *s)
{
    const bool client = role == TLS_CLIENT;
    struct config *c = config_new(role);
    struct trust *t = trust_in(s->partial && client ? &mid : &root);
    struct identity *id = identity_of(client ? &leaf : leaf_of(s));
    struct error err;

    error_clear(&err);
    assert_int_equal(config_set_trust(c, t), 0);
    assert_int_equal(config_set_clock(c, clock_now), 0);
    assert_int_equal(config_set_versions(c, TLS_1_2, s->version ? s->version : TLS_1_3), 0);
    if (s->suite) {
        assert_int_equal(config_set_suites(c, &s->suite, 1), 0);
    }
    if (!client || s->client_cert) {
        assert_int_equal(config_add_identity(c, id), 0);
    }
    assert_int_equal(config_set_flag(c, CONFIG_PARTIAL_CHAIN, client && s->partial), 0);
    if (s->client_cert && !client) {
        assert_int_equal(config_set_client_auth(c, CLIENT_AUTH_REQUIRE), 0);
    }
    if (s->crl || s->client || s->server) {
        struct revocation *r = revocation_new();

        if (s->crl) {
            assert_int_equal(revocation_add_pem(r, list_of(s->crl), NULL), 1);
        }
        assert_int_equal(config_set_revocation(c, client ? s->client : s->server, r), 0);
        revocation_unref(r);
    }
    if (!client && s->staple) {
        struct span der = forge_ocsp_der(s->staple);

        assert_int_equal(config_set_status(c, 0, der), 0);
        free((void *)(uintptr_t)der.p);
    }
    if (!client && s->broken_staple) {
        assert_int_equal(config_set_status(c, 0, span_text(s->broken_staple)), 0);
    }
    if (client && s->pin) {
        assert_int_equal(config_set_pins(c, (const uint8_t(*)[PIN_SIZE])s->pin, 1), 0);
    }
    if (client) {
        assert_int_equal(config_set_verify(c, s->none ? VERIFY_NONE : VERIFY_FULL), 0);
        assert_int_equal(config_set_verify_callback(c, s->on_verify, NULL), 0);
    } else {
        assert_int_equal(config_set_verify(c, VERIFY_CA), 0);
        assert_int_equal(config_set_sessions(c, NULL, s->tickets, 3600), 0);
    }
    if (config_seal(c, &err) < 0) {
        fail_msg("%s", err.text);
    }
    trust_unref(t);
    identity_unref(id);
    return c;
}

/* Whatever waits, from one to the other. */
static void carry(struct tls *from, struct tls *to)
{
    static uint8_t wire[1 << 16];
    struct span out = tls_output(from);
    size_t n = out.n, at = 0;

    assert_true(n <= sizeof wire);
    if (n) {
        memcpy(wire, out.p, n);
        tls_sent(from, n);
    }
    while (at < n) {
        struct tls_in in = { .data = wire + at, .len = n - at };

        if (tls_input(to, &in) < 0 || in.used == 0) {
            return;
        }
        at += in.used;
    }
}

static struct outcome meet(const struct setup *s)
{
    struct config *cc = config_of(TLS_CLIENT, s), *sc = config_of(TLS_SERVER, s);
    struct outcome o = { .connected = false };
    struct tls *c, *t;
    struct tls_info i;

    assert_int_equal(tls_new(&c, cc, "a.test", NULL, s->resume, NULL), 0);
    assert_int_equal(tls_new(&t, sc, NULL, NULL, NULL, NULL), 0);
    for (int turn = 0; turn < 4; turn++) {
        carry(c, t);
        carry(t, c);
    }
    o.connected = tls_connected(c) && tls_connected(t);
    o.client = *tls_error(c);
    o.server = *tls_error(t);
    tls_get_info(c, &i);
    o.resumed = i.resumed;
    o.host = *i.host;
    o.status = i.status.n;
    o.session = tls_session(c);
    tls_free(c);
    tls_free(t);
    config_unref(cc);
    config_unref(sc);
    return o;
}

static void refused(const struct setup *s, enum alert alert)
{
    struct outcome o = meet(s);

    assert_false(o.connected);
    assert_int_equal(o.client.code, TLS_ALERT(alert));
    assert_int_equal(o.server.alert_received, alert);
    assert_null(o.session);
}

static void accepted(const struct setup *s)
{
    struct outcome o = meet(s);

    if (!o.connected) {
        fail_msg("%s / %s", o.client.text, o.server.text);
    }
    assert_int_equal(o.host, !s->none);
    session_unref(o.session);
}

/* TLS 1.3, TLS 1.2 with ECDHE, TLS 1.2 with RSA key exchange. */
static const struct {
    unsigned version;
    uint16_t suite;
} kinds[] = { { TLS_1_3, 0 }, { TLS_1_2, 0xc02b }, { TLS_1_2, 0x009c } };
#define KINDS 3

#define OCSP(...)                                               \
    &(struct forge_ocsp)                                        \
    {                                                           \
        .about = f, .issuer = "i", .issuer_key = 2, __VA_ARGS__ \
    }

static void responses(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct setup s = { .version = kinds[i].version, .suite = kinds[i].suite };
        const struct forge *f = leaf_of(&s);

        s.client = REVOKE_HARD;
        s.staple = OCSP();
        accepted(&s);
        s.staple = OCSP(.status = 1);
        refused(&s, ALERT_CERTIFICATE_REVOKED);
        s.staple = OCSP(.to = NOW - 1);
        refused(&s, ALERT_BAD_CERTIFICATE_STATUS_RESPONSE);
        s.staple = NULL;
        s.broken_staple = "this is no response";
        refused(&s, ALERT_BAD_CERTIFICATE_STATUS_RESPONSE);
        s.client = REVOKE_SOFT;
        s.staple = OCSP(.status = 1);
        s.broken_staple = NULL;
        refused(&s, ALERT_CERTIFICATE_REVOKED);
        s.client = REVOKE_OFF;
        accepted(&s);
    }
}

/* None is sent, or (TLS 1.2) none is promised. */
static void absent(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct setup s = { .version = kinds[i].version, .suite = kinds[i].suite };

        s.client = REVOKE_SOFT;
        if (kinds[i].suite != 0x009c) { /* whose certificate must be stapled */
            accepted(&s);
            s.client = REVOKE_HARD;
            refused(&s, ALERT_CERTIFICATE_UNKNOWN);
        }
        s.client = REVOKE_SOFT;
        s.must_staple = true;
        refused(&s, ALERT_BAD_CERTIFICATE_STATUS_RESPONSE);
        s.staple = &(struct forge_ocsp){ .about = leaf_of(&s), .issuer = "i", .issuer_key = 2 };
        accepted(&s);
    }
}

/* Messages of a TLS 1.2 server's first flight: one is left out, and the record of the others is
 * made anew. */
static void promised_and_not_sent(void **state)
{
    static uint8_t wire[1 << 16], rest[1 << 16];

    (void)state;
    for (size_t i = 1; i < KINDS; i++) {
        for (int mode = REVOKE_SOFT; mode <= REVOKE_HARD; mode++) {
            struct setup s = { .version = TLS_1_2,
                               .suite = kinds[i].suite,
                               .client = (enum revoke_mode)mode };
            const struct forge *f = leaf_of(&s);
            const enum alert alert =
                f->must_staple ? ALERT_BAD_CERTIFICATE_STATUS_RESPONSE : ALERT_CERTIFICATE_UNKNOWN;
            struct config *cc, *sc;
            struct tls *c, *t;
            struct span out;
            size_t n, made = 5;

            s.staple = OCSP();
            cc = config_of(TLS_CLIENT, &s);
            sc = config_of(TLS_SERVER, &s);
            assert_int_equal(tls_new(&c, cc, "a.test", NULL, NULL, NULL), 0);
            assert_int_equal(tls_new(&t, sc, NULL, NULL, NULL, NULL), 0);
            carry(c, t);
            out = tls_output(t);
            memcpy(wire, out.p, out.n);
            for (n = 5; n + 4 <= out.n; n += 4 + ((size_t)wire[n + 2] << 8 | wire[n + 3])) {
                size_t len = 4 + ((size_t)wire[n + 2] << 8 | wire[n + 3]);

                if (wire[n] != 22) { /* certificate_status */
                    memcpy(rest + made, wire + n, len);
                    made += len;
                }
            }
            assert_int_equal(n, out.n);
            assert_true(made < out.n);
            memcpy(rest, "\x16\x03\x03", 3);
            rest[3] = (uint8_t)((made - 5) >> 8);
            rest[4] = (uint8_t)(made - 5);
            {
                struct tls_in in = { .data = rest, .len = made };
                int rc = tls_input(c, &in);

                if (mode == REVOKE_SOFT && !f->must_staple) {
                    assert_true(rc >= 0);
                } else {
                    assert_int_equal(rc, TLS_ALERT(alert));
                }
            }
            tls_free(c);
            tls_free(t);
            config_unref(cc);
            config_unref(sc);
        }
    }
}

static void lists(void **state)
{
    static const struct forge_crl empty = { .issuer = "i", .by = 2 },
                                  listed = { .issuer = "i", .by = 2, .serials = { SERIAL_LEAF } };

    (void)state;
    for (size_t i = 0; i < KINDS - 1; i++) {
        struct setup s = { .version = kinds[i].version, .suite = kinds[i].suite };

        s.client = REVOKE_HARD;
        s.crl = &empty;
        accepted(&s);
        s.crl = &listed;
        refused(&s, ALERT_CERTIFICATE_REVOKED);
        /* The certificate of a client, at the server. */
        s.client = REVOKE_OFF;
        s.server = REVOKE_HARD;
        s.client_cert = true;
        {
            struct outcome o = meet(&s);

            assert_int_equal(o.server.code, TLS_ALERT(ALERT_CERTIFICATE_REVOKED));
            session_unref(o.session);
        }
        s.crl = &empty;
        accepted(&s);
    }
}

/* threat 28: a session made under other lists, or before anybody looked, is not resumed. */
static void sessions(void **state)
{
    static const struct forge_crl empty = { .issuer = "i", .by = 2 },
                                  longer = { .issuer = "i", .by = 2, .serials = { 77 } };
    struct ticket_keys *keys = ticket_keys_new(3600000);

    (void)state;
    for (int change = 0; change < 4; change++) {
        struct setup s = { .tickets = keys,
                           .client = REVOKE_HARD,
                           .server = REVOKE_HARD,
                           .client_cert = true,
                           .crl = &empty };
        struct outcome o = meet(&s), again;

        assert_true(o.connected);
        assert_non_null(o.session);
        s.resume = o.session;
        s.crl = change == 1 ? &longer : &empty;
        s.server = change == 2 ? REVOKE_ALL : REVOKE_HARD;
        s.client = change == 3 ? REVOKE_SOFT : REVOKE_HARD;
        again = meet(&s);
        if (change == 2) { /* there is no list of the root */
            assert_int_equal(again.server.code, TLS_ALERT(ALERT_CERTIFICATE_UNKNOWN));
        } else {
            assert_true(again.connected);
            assert_int_equal(again.resumed, change == 0);
        }
        session_unref(o.session);
        session_unref(again.session);
    }
    ticket_keys_unref(keys);
}

static void pins(void **state)
{
    const struct forge *all[] = { &leaf, &mid, &root };
    uint8_t sum[HASH_MAX];

    (void)state;
    for (size_t v = 0; v < 2; v++) {
        for (size_t i = 0; i < 3; i++) {
            struct setup s = { .version = v ? TLS_1_2 : TLS_1_3, .pin = sum };
            struct cert c = forge_cert(all[i]);

            assert_int_equal(hash_once(HASH_SHA256, c.spki.p, c.spki.n, sum), 0);
            accepted(&s);
            s.none = true; /* then its own key alone counts */
            if (i == 0) {
                accepted(&s);
            } else {
                refused(&s, ALERT_BAD_CERTIFICATE);
            }
            sum[0] ^= 1;
            refused(&s, ALERT_BAD_CERTIFICATE);
            s.none = false;
            refused(&s, ALERT_BAD_CERTIFICATE);
            free((void *)(uintptr_t)c.der.p);
        }
    }
}

static void partial_chains(void **state)
{
    struct setup s = { .partial = true };
    struct config *c;
    struct trust *t = trust_in(&mid);

    (void)state;
    accepted(&s);
    /* Off, the same trust is not enough. */
    c = config_new(TLS_CLIENT);
    assert_int_equal(config_set_trust(c, t), 0);
    assert_int_equal(config_set_clock(c, clock_now), 0);
    assert_int_equal(config_seal(c, NULL), 0);
    {
        struct config *sc = config_of(TLS_SERVER, &(struct setup){ .version = 0 });
        struct tls *a, *b;

        assert_int_equal(tls_new(&a, c, "a.test", NULL, NULL, NULL), 0);
        assert_int_equal(tls_new(&b, sc, NULL, NULL, NULL, NULL), 0);
        carry(a, b);
        carry(b, a);
        assert_int_equal(tls_error(a)->code, TLS_ALERT(ALERT_UNKNOWN_CA));
        assert_non_null(strstr(tls_error(a)->text, "allow partial chains"));
        tls_free(a);
        tls_free(b);
        config_unref(sc);
    }
    config_unref(c);
    trust_unref(t);
}

static unsigned asked;
static int heard;

static int on_verify(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    (void)ctx;
    (void)t;
    (void)chain;
    assert_int_equal(n, 2);
    asked++;
    heard = alert;
    return alert;
}

/* The application is asked once, also where TLS 1.2 makes the verdict wait. */
static void the_word_of_the_application(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct setup s = { .version = kinds[i].version, .suite = kinds[i].suite };
        const struct forge *f = leaf_of(&s);

        s.client = REVOKE_HARD;
        s.on_verify = on_verify;
        s.staple = OCSP();
        asked = 0;
        {
            struct outcome o = meet(&s);

            assert_true(o.connected);
            session_unref(o.session);
        }
        assert_int_equal(asked, 1);
        assert_int_equal(heard, 0);
        s.staple = OCSP(.status = 1);
        refused(&s, ALERT_CERTIFICATE_REVOKED);
        assert_int_equal(asked, 2);
        assert_int_equal(heard, ALERT_CERTIFICATE_REVOKED);
    }
}

static int set_up(void **state)
{
    (void)state;
    return crypto_init();
}

static int tear_down(void **state)
{
    (void)state;
    forge_done();
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        free((void *)(uintptr_t)forged[i].der.p);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses),
        cmocka_unit_test(absent),
        cmocka_unit_test(promised_and_not_sent),
        cmocka_unit_test(lists),
        cmocka_unit_test(sessions),
        cmocka_unit_test(pins),
        cmocka_unit_test(partial_chains),
        cmocka_unit_test(the_word_of_the_application),
    };

    return cmocka_run_group_tests_name("revoked", tests, set_up, tear_down);
}
