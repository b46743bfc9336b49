/* SPDX-License-Identifier: ISC */
/* Whose order counts: suites, groups, application protocols. The server's, but for ChaCha20 where
 * the client puts it first: it has no fast AES. */
#include "tests/handshake/vhosts.h"

/* Suites of TLS 1.2 with an ECDSA certificate. */
enum { AES128 = 0xc02b, AES256 = 0xc02c, CHACHA = 0xcca9, CHACHA_RSA = 0xcca8 };

static struct config *ordered(enum tls_role role, const uint16_t suites[6],
                              const uint16_t groups[3], bool grease)
{
    struct config *c = config_of(role);
    size_t n = 0, k = 0;

    for (; n < 6 && suites[n]; n++) {
    }
    for (; k < 3 && groups[k]; k++) {
    }
    assert_int_equal(config_set_suites(c, suites, n), 0);
    assert_int_equal(config_set_groups(c, groups, k), 0);
    if (role == TLS_SERVER) {
        assert_int_equal(config_add_identity(c, pki.server[ID_P256]), 0);
    } else {
        assert_int_equal(config_set_flag(c, CONFIG_GREASE, grease), 0);
    }
    return sealed(c);
}

static struct tls_info chosen(struct config *c, struct config *s)
{
    struct pair *p = join(c, s, PAIR_HOST);
    struct tls_info i, j;

    assert_shown(p, pki.server[ID_P256]);
    tls_get_info(p->c.t, &i);
    tls_get_info(p->s.t, &j);
    assert_int_equal(i.suite_id, j.suite_id);
    assert_int_equal(i.group_id, j.group_id);
    part(p);
    return i;
}

static void test_suites(void **state)
{
    static const uint16_t none[3];
    static const struct {
        uint16_t client[6], server[6], want;
    } rows[] = {
        /* the server's order */
        { { 0x1301, 0x1302, 0x1303 }, { 0x1302, 0x1301 }, 0x1302 },
        { { 0x1302, 0x1301, 0x1303 }, { 0x1301, 0x1302, 0x1303 }, 0x1301 },
        { { 0x1302, 0x1303, 0x1301 }, { 0x1301, 0x1302, 0x1303 }, 0x1301 }, /* only second */
        { { 0x1302, 0x1301 }, { 0x1303, 0x1301, 0x1302 }, 0x1301 },
        { { 0x1301, 0x1303 }, { 0x1303, 0x1301 }, 0x1303 },
        { { AES256, AES128 }, { AES128, AES256 }, AES128 },
        { { AES256, CHACHA, AES128 }, { AES128, AES256, CHACHA }, AES128 },
        /* ChaCha20 first */
        { { 0x1303, 0x1301, 0x1302 }, { 0x1301, 0x1302, 0x1303 }, 0x1303 },
        { { 0x1303, 0x1302, 0x1301 }, { 0x1301, 0x1302 }, 0x1301 }, /* not there */
        { { CHACHA, AES128 }, { AES128, AES256, CHACHA }, CHACHA },
        /* one that does not fit the certificate says it as well */
        { { CHACHA_RSA, AES128, CHACHA }, { AES128, CHACHA, CHACHA_RSA }, CHACHA },
        { { CHACHA_RSA, AES128 }, { AES128, CHACHA_RSA }, AES128 },
        /* each version by itself */
        { { 0x1303, 0x1301, AES128, CHACHA }, { AES128, CHACHA, 0x1301, 0x1303 }, 0x1303 },
        { { CHACHA, 0x1301, 0x1303 }, { 0x1301, 0x1303, CHACHA }, 0x1301 },
        { { 0x1303, AES128, CHACHA }, { AES128, CHACHA }, AES128 },
        { { AES128, CHACHA, 0x1303 }, { CHACHA, AES128 }, CHACHA },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int grease = 0; grease < 2; grease++) { /* a reserved suite is not the first */
            struct tls_info got = chosen(ordered(TLS_CLIENT, rows[i].client, none, grease),
                                         ordered(TLS_SERVER, rows[i].server, none, false));

            assert_int_equal(got.suite_id, rows[i].want);
        }
    }
}

/* A share that is there saves a round trip; else the server's order. */
static void test_groups(void **state)
{
    static const struct {
        uint16_t client[3], server[3], want;
    } rows[] = {
        { { 29, 23, 24 }, { 23, 29 }, 29 },  { { 23, 29 }, { 29, 23 }, 23 },
        { { 29, 23, 24 }, { 24, 23 }, 24 },  { { 29, 24, 23 }, { 23, 24 }, 23 },
        { { 256, 30, 25 }, { 25, 30 }, 25 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const uint16_t suites[6] = { 0x1301 };
        struct tls_info got = chosen(ordered(TLS_CLIENT, suites, rows[i].client, false),
                                     ordered(TLS_SERVER, suites, rows[i].server, false));

        assert_int_equal(got.group_id, rows[i].want);
    }
}

/* RFC 7301 section 3.2: the server's most preferred of those that the client has. */
static void test_alpn(void **state)
{
    static const struct {
        const char *client[3], *server[3], *want;
    } rows[] = {
        { { "a", "b" }, { "b", "a" }, "b" },
        { { "b", "a" }, { "a", "b" }, "a" },
        { { "ab", "a" }, { "b", "a" }, "a" },
        { { "a", "b", "c" }, { "c" }, "c" },
        { { "a" }, { NULL }, "" },
        { { NULL }, { "a" }, "" },
        { { "A", "a" }, { "a", "A" }, "a" },
    };

    (void)state;
    for (size_t v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            struct pair_params q = { .client_max = versions[v] };
            struct pair *p;
            struct tls_info c, s;

            memcpy(q.client_alpn, rows[i].client, sizeof q.client_alpn);
            memcpy(q.server_alpn, rows[i].server, sizeof q.server_alpn);
            p = pair_connected(&q);
            tls_get_info(p->c.t, &c);
            tls_get_info(p->s.t, &s);
            assert_string_equal(c.alpn, rows[i].want);
            assert_string_equal(s.alpn, rows[i].want);
            pair_free(p);
        }
    }
}

/* A session opens no door: the protocol is agreed on again, or the handshake fails (threat 24). */
static void threat_24_alpn_of_a_resumption(void **state)
{
    struct ticket_keys *keys = ticket_keys_new(INT64_C(7200000));

    (void)state;
    for (size_t v = 0; v < 2; v++) {
        for (unsigned other = 0; other < 3; other++) {
            struct pair_params q = { .client_max = versions[v],
                                     .tickets = keys,
                                     .client_alpn = { "one", "two" },
                                     .server_alpn = { "two", "one" } };
            struct pair *p = pair_connected(&q);
            struct tls_session *s = tls_session(p->c.t);
            struct tls_info i;
            struct config *c;

            assert_non_null(s);
            pair_free(p);
            if (other) { /* the client offers the session all the same */
                q.client_alpn[0] = other == 1 ? "three" : "one";
                q.client_alpn[1] = NULL;
            }
            p = pair_new(&q);
            c = pair_config(p, TLS_CLIENT, &q);
            memcpy(s->context, config_settings(c)->context, SESSION_CONTEXT);
            tls_free(p->c.t);
            assert_int_equal(tls_new(&p->c.t, c, PAIR_HOST, NULL, s, NULL), 0);
            config_unref(c);
            pair_run(p, WIRE_MAX);
            if (other == 1) {
                assert_refused(&p->s, ALERT_NO_APPLICATION_PROTOCOL);
                assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_NO_APPLICATION_PROTOCOL);
                assert_int_equal(p->c.done, 0);
            } else {
                assert_true(p->c.rc == 0 && p->s.rc == 0);
                tls_get_info(p->s.t, &i);
                assert_true(i.resumed);
                assert_string_equal(i.alpn, other ? "one" : "two");
                tls_get_info(p->c.t, &i);
                assert_string_equal(i.alpn, other ? "one" : "two");
            }
            session_unref(s);
            pair_free(p);
        }
    }
    ticket_keys_unref(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suites),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(threat_24_alpn_of_a_resumption),
    };

    return cmocka_run_group_tests(tests, vhosts_make, vhosts_free);
}
