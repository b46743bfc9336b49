/* SPDX-License-Identifier: ISC */
/* Encrypted Client Hello (RFC 9849) at a server that does not have it: what clients send of it,
 * most of all as GREASE, changes nothing and is never answered. */
#include "tests/handshake/vhosts.h"

#define EXT_ECH 0xfe0d
/* ECHClientHello: outer; HKDF-SHA256, AES-128-GCM; config 7; enc; payload. */
#define OUTER "\0\0\1\0\1\7"

static uint8_t wire[WIRE_MAX], messages[WIRE_MAX];
static unsigned echoed;

static int note_any(void *ctx, struct tls *t, uint16_t id, struct span body)
{
    (void)ctx, (void)t, (void)body;
    echoed += id == EXT_ECH;
    return 0;
}

/* A client whose hello has this extension. */
static struct config *with_ech(unsigned max, const void *body, size_t n)
{
    static uint8_t encoded[4096];
    struct wr w = wr_of(encoded, sizeof encoded);
    struct config *c = config_of(TLS_CLIENT);

    wr_u16(&w, EXT_ECH);
    wr_vec(&w, 2, body, n);
    assert_true(wr_ok(&w));
    assert_int_equal(config_set_versions(c, TLS_1_2, max), 0);
    assert_int_equal(config_set_extensions(c, span_of(encoded, w.len)), 0);
    assert_int_equal(config_set_extension_callback(c, note_any, NULL), 0);
    return c;
}

/* The extension in a ServerHello, HelloRetryRequest or EncryptedExtensions? */
static bool answers(const uint8_t *m)
{
    struct rd r = rd_of(m + HS_HEADER, message_size(m) - HS_HEADER), block = { 0 }, body;
    struct span fixed;
    uint16_t id;

    if (m[0] == HS_SERVER_HELLO) {
        assert_true(rd_bytes(&r, 2 + RANDOM_SIZE, &fixed) && rd_vec(&r, 1, &body));
        assert_true(rd_bytes(&r, 3, &fixed));
    }
    assert_true(rd_vec(&r, 2, &block) && rd_done(&r));
    while (rd_u16(&block, &id) && rd_vec(&block, 2, &body)) {
        if (id == EXT_ECH) {
            return true;
        }
    }
    return false;
}

static void test_ignored(void **state)
{
    static uint8_t big[1000] = { 0, 0, 1, 0, 1, 7, 0, 32 };
    static const struct {
        const void *body;
        size_t n;
    } cases[] = {
        { OUTER "\0\1e\0\3pay", 6 + 3 + 5 },
        { big, sizeof big },
        { OUTER "\0\0\0\3pay", 6 + 2 + 5 }, /* as in a second hello */
        { "\1", 1 },                        /* inner: for servers behind one that has it */
        { "", 0 },                          /* malformed, to who reads it */
        { "\x09", 1 },
        { OUTER "\xff\xff", 8 },
    };

    (void)state;
    for (size_t v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct identity *ids[] = { pki.server[ID_P256], NULL };
            struct pair *p;

            echoed = 0;
            p = join(sealed(with_ech(versions[v], cases[i].body, cases[i].n)), server(0, ids),
                     PAIR_HOST);
            assert_shown(p, pki.server[ID_P256]);
            assert_int_equal(echoed, 0); /* TLS 1.2 ServerHello, EncryptedExtensions */
            end_talk(&p->c, &p->s, "ping", 4);
            end_talk(&p->s, &p->c, "pong", 4);
            part(p);
        }
    }
}

/* A client that is refused with HelloRetryRequest may encrypt anew for its second hello: in place
 * of what was sent, nothing of which we know. GREASE stays the same. No other extension may change
 * (threat 34). */
static void test_second_hello(void **state)
{
    static const char body[] = OUTER "\0\1e\0\7payload";

    (void)state;
    for (unsigned change = 0; change < 3; change++) {
        struct config *c = with_ech(TLS_1_3, body, sizeof body - 1), *s = config_of(TLS_SERVER);
        struct identity *ids[] = { pki.server[ID_P256], NULL };
        struct pair p = { 0 };
        size_t n;

        assert_int_equal(config_set_groups(c, (const uint16_t[]){ 29, 24 }, 2), 0);
        assert_int_equal(config_set_groups(s, (const uint16_t[]){ 24 }, 1), 0);
        own(s, ids);
        assert_int_equal(tls_new(&p.c.t, sealed(c), PAIR_HOST, NULL, NULL, NULL), 0);
        assert_int_equal(tls_new(&p.s.t, sealed(s), NULL, NULL, NULL, NULL), 0);
        config_unref(c);
        config_unref(s);
        end_give(&p.s, wire, end_take(&p.c, wire));
        n = end_take(&p.s, wire);
        assert_memory_equal(wire + REC_HEADER + HS_HEADER + 2, hello_retry_random, RANDOM_SIZE);
        assert_false(answers(wire + REC_HEADER));
        end_give(&p.c, wire, n);
        n = end_take(&p.c, wire);
        if (change) { /* in the payload, in the name */
            uint8_t *at = memmem(wire, n, change == 1 ? "payload" : PAIR_HOST, 7);

            assert_non_null(at);
            at[0] ^= 1;
        }
        end_give(&p.s, wire, n);
        if (change == 2) {
            assert_refused(&p.s, ALERT_ILLEGAL_PARAMETER);
        } else {
            assert_int_equal(p.s.rc, 0);
            n = end_take(&p.s, wire);
            assert_int_equal(wire[REC_HEADER], HS_SERVER_HELLO);
            assert_false(answers(wire + REC_HEADER));
            end_give(&p.c, wire, n);
            /* Changed under way, the hello is another to each of them. */
            assert_int_equal(p.c.rc < 0, change == 1);
        }
        pair_free(&p);
    }
}

/* What is in the sealed part of the flight, message by message. */
static void test_encrypted_extensions(void **state)
{
    struct pair_params q = { .suite = 0x1301 };
    struct pair *p = pair_new(&q);
    struct identity *ids[] = { pki.server[ID_P256], NULL };
    struct config *c = with_ech(TLS_1_3, OUTER "\0\1e\0\3pay", 14), *s = config_of(TLS_SERVER);
    struct hand open;
    size_t n, clear;

    (void)state;
    pair_free(p);
    own(s, ids);
    assert_int_equal(config_set_suites(s, (const uint16_t[]){ 0x1301 }, 1), 0);
    assert_int_equal(config_set_keylog(s, pair_keylog, p), 0);
    assert_int_equal(tls_new(&p->c.t, sealed(c), PAIR_HOST, NULL, NULL, NULL), 0);
    assert_int_equal(tls_new(&p->s.t, sealed(s), NULL, NULL, NULL, NULL), 0);
    config_unref(c);
    config_unref(s);
    end_give(&p->s, wire, end_take(&p->c, wire));
    n = end_take(&p->s, wire);
    open = hand_new(p, SECRET_SH, false);
    (void)flight_open(&open, wire, n, messages, &clear);
    assert_int_equal(messages[0], HS_SERVER_HELLO);
    assert_false(answers(messages));
    assert_int_equal(messages[clear], HS_ENCRYPTED_EXTENSIONS);
    assert_false(answers(messages + clear));
    hand_free(&open);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_second_hello),
        cmocka_unit_test(test_encrypted_extensions),
    };

    return cmocka_run_group_tests(tests, vhosts_make, vhosts_free);
}
