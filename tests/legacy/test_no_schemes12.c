/* SPDX-License-Identifier: ISC */
/* A ClientHello of TLS 1.2 without signature_algorithms takes SHA-1 alone (RFC 5246 section
 * 7.4.1.4.1): a server speaks with it when SHA-1 was named, and only then (threat 21). */
#include "tests/handshake/pair12.h"

#define SUITE_RSA_CBC_ECDHE 0xc013

static struct tls *server(int id, uint16_t suite, const uint16_t *schemes, size_t n)
{
    struct config *c = config_new(TLS_SERVER);
    struct tls *t;

    assert_non_null(c);
    assert_int_equal(config_add_identity(c, pki.server[id]), 0);
    assert_int_equal(config_set_suites(c, &suite, 1), 0);
    assert_int_equal(config_set_schemes(c, schemes, n), 0);
    assert_int_equal(config_seal(c, NULL), 0);
    assert_int_equal(tls_new(&t, c, NULL, NULL, NULL, NULL), 0);
    config_unref(c);
    return t;
}

/* No extension at all: secp256r1 is for everybody then (RFC 8422 section 4). */
static int greet(struct tls *t, uint16_t suite)
{
    uint8_t hello[REC_HEADER + HS_HEADER + 41] = {
        CT_HANDSHAKE, 3, 1, 0, HS_HEADER + 41, HS_CLIENT_HELLO, 0, 0, 41, 3, 3
    };
    struct tls_in in = { .data = hello, .len = sizeof hello };

    hello[sizeof hello - 5] = 2;
    put16(hello + sizeof hello - 4, suite);
    hello[sizeof hello - 2] = 1;
    return tls_input(t, &in);
}

static void threat_21_sha1_by_default(void **state)
{
    static const struct {
        int id;
        uint16_t suite, scheme, schemes[3];
        size_t n;
    } rows[] = {
        { ID_RSA, SUITE_RSA_CBC_ECDHE, 0x0201, { 0x0804, 0x0401, 0x0201 }, 3 },
        { ID_P256, SUITE_CBC, 0x0203, { 0x0403, 0x0203 }, 2 },
        { ID_RSA, SUITE_RSA_CBC_ECDHE, 0, { 0x0804, 0x0401 }, 2 },
        { ID_RSA, SUITE_RSA_CBC_ECDHE, 0, { 0x0804, 0x0203 }, 2 },
        { ID_RSA, SUITE_RSA_CBC_ECDHE, 0, { 0 }, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tls *t =
            server(rows[i].id, rows[i].suite, rows[i].n ? rows[i].schemes : NULL, rows[i].n);
        const int rc = greet(t, rows[i].suite);

        if (rows[i].scheme) {
            static uint8_t wire[WIRE_MAX], flight[WIRE_MAX];
            const struct span out = tls_output(t);
            struct hand12 clear = hand12_clear();
            const uint8_t *m;

            assert_true(rc >= 0);
            memcpy(wire, out.p, out.n);
            m = message_find(flight, flight12_open(&clear, NULL, wire, out.n, flight),
                             HS_SERVER_KEY_EXCHANGE);
            assert_int_equal(get16(m + HS_HEADER + 1), 23); /* secp256r1 */
            assert_int_equal(get16(m + HS_HEADER + 4 + m[HS_HEADER + 3]), rows[i].scheme);
        } else {
            assert_int_equal(rc, TLS_ALERT(ALERT_HANDSHAKE_FAILURE));
        }
        tls_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_21_sha1_by_default),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
