/* SPDX-License-Identifier: ISC */
/* Certificate timestamps (RFC 6962 section 3.3): served with the certificate that they belong to,
 * received by a client that asked; and what stands behind the certificates of TLS 1.3 at all. */
#include "tests/handshake/vhosts.h"

#define LIST(s) span_of(s, sizeof(s) - 1)
static uint8_t wire[WIRE_MAX], messages[WIRE_MAX];
static struct identity *one, *two;

/* ---- served and received ---- */
static struct config *asking(unsigned max, bool scts, bool status)
{
    struct config *c = config_of(TLS_CLIENT);

    assert_int_equal(config_set_versions(c, TLS_1_2, max), 0);
    assert_int_equal(config_set_flag(c, CONFIG_SCTS, scts), 0);
    assert_int_equal(config_set_flag(c, CONFIG_STATUS, status), 0);
    return sealed(c);
}

static struct config *serving(struct span first, struct span next, struct span status)
{
    struct config *s = config_of(TLS_SERVER);

    own(s, (struct identity *[]){ one, two, NULL });
    assert_int_equal(first.n ? config_set_scts(s, 0, first) : 0, 0);
    assert_int_equal(next.n ? config_set_scts(s, 1, next) : 0, 0);
    assert_int_equal(config_set_status(s, 1, status), 0);
    return s;
}

static struct span scts_of(const struct end *e)
{
    struct tls_info i;

    tls_get_info(e->t, &i);
    return i.scts;
}

static void test_each_its_own(void **state)
{
    struct span first = LIST("\0\x05\0\x03"
                             "abc"),
                next = LIST("\0\x06\0\x01"
                            "x\0\x01"
                            "y");
    struct span status = LIST("a response"), none = span_of(NULL, 0);

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned ask = 0; ask < 4; ask++) {
            for (unsigned which = 0; which < 3; which++) {
                struct config *c = asking(versions[v], ask & 1, ask & 2);
                struct config *s = sealed(serving(which == 2 ? none : first, next, status));
                struct pair *p = join(c, s, which == 1 ? HOST_TWO : HOST_ONE);
                struct tls_info i;

                assert_shown(p, which == 1 ? two : one);
                tls_get_info(p->c.t, &i);
                assert_true(span_eq(i.scts, !(ask & 1) || which == 2 ? none
                                            : which == 1             ? next
                                                                     : first));
                assert_true(span_eq(i.status, (ask & 2) && which == 1 ? status : none));
                assert_int_equal(scts_of(&p->s).n, 0);
                part(p);
            }
        }
    }
}

/* The longest that there can be; a session that is resumed brings none. */
static void test_large_and_resumed(void **state)
{
    static uint8_t list[SCTS_MAX];
    struct ticket_keys *keys = ticket_keys_new(SESSION_LIFE_MAX * INT64_C(1000));

    (void)state;
    list[0] = (SCTS_MAX - 2) >> 8;
    list[1] = (SCTS_MAX - 2) & 255;
    list[2] = (SCTS_MAX - 4) >> 8;
    list[3] = (SCTS_MAX - 4) & 255;
    for (unsigned v = 0; v < 2; v++) {
        struct config *s = serving(span_of(list, sizeof list), span_of(NULL, 0), span_of(NULL, 0));
        struct config *c = asking(versions[v], true, false);
        struct tls_session *left;
        struct tls_info i;
        struct pair *p;

        assert_int_equal(config_set_sessions(s, NULL, keys, 3600), 0);
        p = join(config_ref(c), config_ref(sealed(s)), HOST_ONE);
        assert_shown(p, one);
        assert_true(span_eq(scts_of(&p->c), span_of(list, sizeof list)));
        left = tls_session(p->c.t);
        assert_non_null(left);
        part(p);
        p = join_with(c, s, HOST_ONE, left);
        assert_shown(p, one);
        tls_get_info(p->c.t, &i);
        assert_true(i.resumed);
        assert_int_equal(i.scts.n, 0);
        part(p);
        session_unref(left);
    }
    ticket_keys_unref(keys);
}

/* TLS 1.2: of the last handshake. */
static void test_renegotiated(void **state)
{
    struct span list = LIST("\0\x05\0\x03"
                            "abc");
    struct config *s = serving(list, span_of(NULL, 0), span_of(NULL, 0)), *without;
    struct pair *p;

    (void)state;
    assert_int_equal(config_set_renegotiation(s, RENEGOTIATE_SECURE, false), 0);
    p = join(asking(TLS_1_2, true, false), sealed(s), HOST_ONE);
    assert_true(span_eq(scts_of(&p->c), list));
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
    pair_run(p, WIRE_MAX);
    assert_true(span_eq(scts_of(&p->c), list));
    without = asking(TLS_1_2, false, false);
    assert_int_equal(tls_rehandshake(p->c.t, without, false), 0);
    pair_run(p, WIRE_MAX);
    assert_shown(p, one);
    assert_int_equal(p->c.done, 3);
    assert_int_equal(scts_of(&p->c).n, 0);
    config_unref(without);
    part(p);
}

/* ---- what is one ---- */
static const struct {
    struct span bytes;
    bool good;
} lists[] = {
    { { (const uint8_t *)"\0\x03\0\x01x", 5 }, true },
    { { (const uint8_t *)"\0\x06\0\x01x\0\x01y", 8 }, true },
    { { (const uint8_t *)"", 0 }, false },
    { { (const uint8_t *)"\0", 1 }, false },
    { { (const uint8_t *)"\0\0", 2 }, false },              /* no timestamp */
    { { (const uint8_t *)"\0\x02\0\0", 4 }, false },        /* an empty one */
    { { (const uint8_t *)"\0\x05\0\x01x\0\0", 7 }, false }, /* an empty one behind it */
    { { (const uint8_t *)"\0\x03\0\x02x", 5 }, false },
    { { (const uint8_t *)"\0\x04\0\x01x", 5 }, false },
    { { (const uint8_t *)"\0\x03\0\x01xy", 6 }, false },
    { { (const uint8_t *)"\0\x01\0", 3 }, false },
};

static void test_set(void **state)
{
    static const uint8_t longer[SCTS_MAX + 1] = { (SCTS_MAX - 1) >> 8, (SCTS_MAX - 1) & 255,
                                                  (SCTS_MAX - 3) >> 8, (SCTS_MAX - 3) & 255 };
    struct config *s = config_of(TLS_SERVER);

    (void)state;
    assert_true(scts_wellformed(span_of(longer, sizeof longer)));
    assert_int_equal(config_set_scts(s, 0, lists[0].bytes), ERR_ARG); /* no such identity */
    own(s, (struct identity *[]){ one, NULL });
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_int_equal(config_set_scts(s, 0, lists[i].bytes), lists[i].good ? 0 : ERR_ARG);
    }
    assert_int_equal(config_set_scts(s, 0, span_of(longer, sizeof longer)), ERR_ARG);
    assert_int_equal(config_set_scts(s, 1, lists[0].bytes), ERR_ARG);
    sealed(s);
    assert_int_equal(config_set_scts(s, 0, lists[0].bytes), ERR_STATE);
    config_unref(s);
}

/* ---- behind the certificates of TLS 1.3, from another hand ---- */
static struct wr body; /* of a Certificate with any extensions behind its entries */
static uint8_t content[WIRE_MAX];

static void entry(struct span der, struct span extensions)
{
    wr_vec(&body, 3, der.p, der.n);
    wr_vec(&body, 2, extensions.p, extensions.n);
}

/* What a client that asks for these says to leaf and issuer with those extensions. */
static int told(bool scts, bool status, struct span leaf, struct span issuer, struct span *kept)
{
    static uint8_t keep[WIRE_MAX];
    struct pair *p = pair_new(NULL);
    struct config *c = asking(TLS_1_3, scts, status);
    struct hand open, seal;
    size_t n, clear, at, message, list;
    int rc;

    tls_free(p->c.t);
    p->c.nin = 0;
    assert_int_equal(tls_new(&p->c.t, c, PAIR_HOST, NULL, NULL, NULL), 0);
    config_unref(c);
    end_give(&p->s, wire, end_take(&p->c, wire));
    n = end_take(&p->s, wire);
    open = hand_new(p, SECRET_SH, false);
    (void)flight_open(&open, wire, n, messages, &clear);
    at = message_size(messages);
    give_clear(&p->c, CT_HANDSHAKE, messages, at);
    seal = hand_new(p, SECRET_SH, true);
    hand_give(&seal, &p->c, CT_HANDSHAKE, messages + at, message_size(messages + at));
    assert_int_equal(p->c.rc, 0);
    body = wr_of(content, sizeof content);
    wr_u8(&body, HS_CERTIFICATE);
    message = wr_begin(&body, 3);
    wr_u8(&body, 0);
    list = wr_begin(&body, 3);
    entry(pki.server[ID_P256]->certs[0], leaf);
    entry(buf_span(&pki.ca_der), issuer);
    wr_end(&body, 3, list);
    wr_end(&body, 3, message);
    assert_true(wr_ok(&body));
    hand_give(&seal, &p->c, CT_HANDSHAKE, content, body.len);
    rc = p->c.rc;
    if (kept) {
        *kept = scts_of(&p->c);
        if (kept->n) {
            memcpy(keep, kept->p, kept->n);
        }
        kept->p = keep;
    }
    hand_free(&open);
    hand_free(&seal);
    pair_free(p);
    return rc;
}

static struct span extension(unsigned id, struct span inside, uint8_t *out, size_t room)
{
    struct wr w = wr_of(out, room);

    wr_u16(&w, id);
    wr_vec(&w, 2, inside.p, inside.n);
    assert_true(wr_ok(&w));
    return span_of(out, w.len);
}

static struct span joined(struct span a, struct span b, uint8_t *out)
{
    memcpy(out, a.p, a.n);
    memcpy(out + a.n, b.p, b.n);
    return span_of(out, a.n + b.n);
}

static void test_entries(void **state)
{
    struct span list = LIST("\0\x03\0\x01x"), response = LIST("\1\0\0\1r"), none = span_of("", 0);
    uint8_t a[64], b[64], c[64], d[64];
    struct span sct = extension(18, list, a, sizeof a), ocsp = extension(5, response, b, sizeof b);
    struct span two_of_them = joined(sct, ocsp, c), kept;
    struct span empty = extension(18, none, d, sizeof d);

    (void)state;
    assert_int_equal(told(true, true, none, none, &kept), 0);
    assert_int_equal(kept.n, 0);
    assert_int_equal(told(true, false, sct, none, &kept), 0);
    assert_true(span_eq(kept, list));
    assert_int_equal(told(true, true, two_of_them, two_of_them, &kept), 0); /* of the leaf */
    assert_true(span_eq(kept, list));
    assert_int_equal(told(true, true, none, two_of_them, &kept), 0);
    assert_int_equal(kept.n, 0);
    assert_int_equal(told(true, false, empty, none, NULL), TLS_ALERT(ALERT_DECODE_ERROR));
    /* not asked for */
    assert_int_equal(told(false, true, sct, none, NULL), TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION));
    assert_int_equal(told(true, false, ocsp, none, NULL), TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION));
    assert_int_equal(told(false, true, none, sct, NULL), TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION));
    assert_int_equal(told(true, true, LIST("\xfa\xfa\0\0"), none, NULL),
                     TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION));
    /* server_name has no place here (section 4.2) */
    assert_int_equal(told(false, false, LIST("\0\0\0\0"), none, NULL),
                     TLS_ALERT(ALERT_ILLEGAL_PARAMETER));
    assert_int_equal(told(true, true, none, LIST("\0\0\0\0"), NULL),
                     TLS_ALERT(ALERT_ILLEGAL_PARAMETER));
    /* twice */
    assert_int_equal(told(true, true, joined(sct, sct, d), none, NULL),
                     TLS_ALERT(ALERT_ILLEGAL_PARAMETER));
    assert_int_equal(told(true, true, joined(ocsp, ocsp, d), none, NULL),
                     TLS_ALERT(ALERT_ILLEGAL_PARAMETER));
    assert_int_equal(told(true, true, joined(two_of_them, sct, d), none, NULL),
                     TLS_ALERT(ALERT_ILLEGAL_PARAMETER));
    assert_int_equal(told(true, true, none, joined(two_of_them, ocsp, d), NULL),
                     TLS_ALERT(ALERT_ILLEGAL_PARAMETER));
    /* cut off */
    for (size_t n = 1; n < two_of_them.n; n++) {
        int rc = told(true, true, span_of(two_of_them.p, n), none, NULL);

        assert_int_equal(rc, n == sct.n ? 0 : TLS_ALERT(ALERT_DECODE_ERROR));
    }
}

static void test_malformed_13(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        uint8_t a[64];
        struct span e = extension(18, lists[i].bytes, a, sizeof a), kept;

        assert_int_equal(told(true, false, e, span_of("", 0), &kept),
                         lists[i].good ? 0 : TLS_ALERT(ALERT_DECODE_ERROR));
        assert_true(!lists[i].good || span_eq(kept, lists[i].bytes));
    }
}

/* TLS 1.2: in the ServerHello, and only for who asked. */
static void test_in_server_hello(void **state)
{
    static const uint8_t genuine[] = { 0, 18, 0, 8, 0, 6, 0, 1, 'x', 0, 1, 'y' };

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct config *s =
            sealed(serving(LIST("\0\x06\0\x01x\0\x01y"), span_of(NULL, 0), span_of(NULL, 0)));
        struct config *c = asking(TLS_1_2, true, false), *other = asking(TLS_1_2, i > 0, false);
        struct end ce = { 0 }, se = { 0 }, to = { 0 };
        uint8_t *at;
        size_t n;

        assert_int_equal(tls_new(&ce.t, c, HOST_ONE, NULL, NULL, NULL), 0);
        assert_int_equal(tls_new(&se.t, s, NULL, NULL, NULL, NULL), 0);
        assert_int_equal(tls_new(&to.t, other, HOST_ONE, NULL, NULL, NULL), 0);
        end_give(&se, wire, end_take(&ce, wire));
        n = end_take(&se, wire);
        at = memmem(wire, n, genuine, sizeof genuine);
        assert_non_null(at);
        at[5] = i == 2 ? 5 : i == 3 ? 7 : at[5];
        at[7] = i == 4 ? 0 : i == 5 ? 2 : at[7];
        end_give(&to, wire, n);
        if (i == 0) {
            assert_refused(&to, ALERT_UNSUPPORTED_EXTENSION);
        } else if (i == 1) { /* further than that: it is not this client's handshake */
            assert_true(to.rc != TLS_ALERT(ALERT_DECODE_ERROR) && scts_of(&to).n == 8);
        } else {
            assert_refused(&to, ALERT_DECODE_ERROR);
        }
        tls_free(ce.t);
        tls_free(se.t);
        tls_free(to.t);
        config_unref(s);
        config_unref(c);
        config_unref(other);
    }
}

static int make(void **state)
{
    vhosts_make(state);
    one = issued(KEY_EC_P256, HOST_ONE);
    two = issued(KEY_EC_P256, HOST_TWO);
    return 0;
}

static int drop(void **state)
{
    identity_unref(one);
    identity_unref(two);
    return vhosts_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_its_own),    cmocka_unit_test(test_large_and_resumed),
        cmocka_unit_test(test_renegotiated),    cmocka_unit_test(test_set),
        cmocka_unit_test(test_entries),         cmocka_unit_test(test_malformed_13),
        cmocka_unit_test(test_in_server_hello),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
