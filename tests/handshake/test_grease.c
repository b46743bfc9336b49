/* SPDX-License-Identifier: ISC */
/* Reserved values in our ClientHello (RFC 8701): where they stand, that they stay in a second one,
 * and that a server which chooses one is refused. */
#include "tests/handshake/pair12.h"

static uint8_t wire[WIRE_MAX], first_wire[WIRE_MAX];
static struct ticket_keys *tickets;

static bool reserved(unsigned v)
{
    return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

/* A ClientHello taken apart. Of each list: the number of reserved values, and the first of them. */
struct found {
    unsigned suites, groups, versions, schemes, schemes_cert, shares, extensions, which;
    uint16_t suite, group, version, scheme, share, extension[2];
    size_t share_size, nshares, last_size;
    bool first_is_empty, is_last, before_psk, has_psk; /* of the extensions */
};

static void count(struct rd list, unsigned *n, uint16_t *which)
{
    uint16_t v;

    for (bool first = true; rd_u16(&list, &v); first = false) {
        if (reserved(v)) {
            assert_true(first); /* what servers read first is what they have to ignore */
            *which = v;
            ++*n;
        }
    }
    assert_true(rd_done(&list));
}

static void take_shares(struct rd list, struct found *f)
{
    struct rd key;
    uint16_t id;

    for (; rd_u16(&list, &id) && rd_vec(&list, 2, &key); f->nshares++) {
        if (reserved(id)) {
            assert_int_equal(f->nshares, 0); /* in the order of the groups */
            f->shares++;
            f->share = id;
            f->share_size = key.n;
        }
    }
    assert_true(rd_done(&list));
}

static void take_extension(uint16_t id, struct rd body, bool first, struct found *f)
{
    struct rd list;

    f->is_last = false;
    if (reserved(id)) {
        f->first_is_empty = f->first_is_empty || (first && body.n == 0);
        f->extension[f->extensions > 0] = id;
        f->extensions++;
        f->which |= 1u << (id >> 12);
        f->last_size = body.n;
        f->is_last = true;
        f->before_psk = true;
        return;
    }
    switch (id) {
    case EXT_SUPPORTED_GROUPS:
        assert_true(rd_vec(&body, 2, &list));
        count(list, &f->groups, &f->group);
        break;
    case EXT_SIGNATURE_ALGORITHMS:
        assert_true(rd_vec(&body, 2, &list));
        count(list, &f->schemes, &f->scheme);
        break;
    case EXT_SIGNATURE_ALGORITHMS_CERT:
        assert_true(rd_vec(&body, 2, &list));
        count(list, &f->schemes_cert, &f->scheme);
        break;
    case EXT_SUPPORTED_VERSIONS:
        assert_true(rd_vec(&body, 1, &list));
        count(list, &f->versions, &f->version);
        break;
    case EXT_KEY_SHARE:
        assert_true(rd_vec(&body, 2, &list));
        take_shares(list, f);
        break;
    case EXT_PRE_SHARED_KEY: /* it alone may come behind */
        f->is_last = f->before_psk;
        f->has_psk = true;
        break;
    default:
        f->before_psk = false;
    }
    f->before_psk = id == EXT_PRE_SHARED_KEY && f->before_psk;
}

static struct found look(const uint8_t *record, size_t n)
{
    struct rd r = rd_of(record + REC_HEADER + HS_HEADER, n - REC_HEADER - HS_HEADER);
    struct rd list, block = { 0 }, body;
    struct found f = { 0 };
    struct span fixed;
    uint16_t id;

    assert_int_equal(record[REC_HEADER], HS_CLIENT_HELLO);
    assert_true(rd_bytes(&r, 2 + RANDOM_SIZE, &fixed) && rd_vec(&r, 1, &list));
    assert_true(rd_vec(&r, 2, &list));
    count(list, &f.suites, &f.suite);
    assert_true(rd_vec(&r, 1, &list) && rd_vec(&r, 2, &block));
    for (bool first = true; rd_u16(&block, &id) && rd_vec(&block, 2, &body); first = false) {
        take_extension(id, body, first, &f);
    }
    assert_true(rd_done(&block) && rd_done(&r));
    return f;
}

static void assert_greased(const struct found *f, bool is13)
{
    assert_int_equal(f->suites, 1);
    assert_int_equal(f->groups, 1);
    assert_int_equal(f->schemes, 1);
    assert_int_equal(f->extensions, 2);
    assert_int_not_equal(f->extension[0], f->extension[1]);
    assert_true(f->first_is_empty && f->is_last);
    assert_int_equal(f->last_size, 1);
    assert_int_equal(f->versions, is13);
    assert_int_equal(f->shares, is13);
    if (is13) {
        assert_int_equal(f->share, f->group);
        assert_int_equal(f->share_size, 1);
        assert_int_equal(f->nshares, 2);
    }
}

static void test_where(void **state)
{
    unsigned seen[6] = { 0 };

    (void)state;
    for (int i = 0; i < 600; i++) {
        bool is13 = i % 3;
        struct pair *p = pair_new(
            &(struct pair_params){ .grease = true, .client_max = is13 ? TLS_1_3 : TLS_1_2 });
        struct found f = look(wire, end_take(&p->c, wire));

        assert_greased(&f, is13);
        seen[0] |= 1u << (f.suite >> 12);
        seen[1] |= 1u << (f.group >> 12);
        seen[2] |= is13 ? 1u << (f.version >> 12) : 0;
        seen[3] |= 1u << (f.scheme >> 12);
        seen[4] |= 1u << (f.extension[0] >> 12);
        seen[5] |= 1u << (f.extension[1] >> 12);
        pair_free(p);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(seen[i], 0xffff); /* all sixteen: else once in 10^9 runs */
    }
}

static void test_off(void **state)
{
    struct pair *p = pair_new(NULL); /* which switches it off */
    struct found f = look(wire, end_take(&p->c, wire));
    struct config *c = config_new(TLS_CLIENT);

    (void)state;
    assert_int_equal(
        f.suites + f.groups + f.versions + f.schemes + f.schemes_cert + f.shares + f.extensions, 0);
    pair_free(p);
    assert_false(config_settings(c)->no_grease); /* on unless it is */
    config_unref(c);
}

/* Our own server ignores them all. */
static void test_with_our_server(void **state)
{
    static const uint16_t suites[] = { 0x1301,    0x1302,       0x1303,      SUITE_GCM,
                                       SUITE_CBC, SUITE_RSA_KX, SUITE_CHACHA };

    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct pair_params q = { .grease = true,
                                 .suite = suites[i],
                                 .id = suites[i] == SUITE_RSA_KX ? ID_RSA : ID_P256,
                                 .tickets = tickets,
                                 .auth = CLIENT_AUTH_REQUIRE,
                                 .client_id = true };

        for (int resumed = 0; resumed < 2; resumed++) {
            struct pair *p = pair_connected(&q);

            assert_int_equal(!!(p->s.t->hs.facts & FACT_RESUMED), resumed);
            end_talk(&p->c, &p->s, "ping", 4);
            end_talk(&p->s, &p->c, "pong", 4);
            session_unref(q.resume);
            q.resume = tls_session(p->c.t);
            pair_free(p);
        }
        session_unref(q.resume);
    }
}

/* The last but pre_shared_key, which is the last. */
static void test_before_session(void **state)
{
    struct pair_params q = { .grease = true, .tickets = tickets };
    struct pair *p = pair_connected(&q);
    struct found f;
    size_t n;

    (void)state;
    q.resume = tls_session(p->c.t);
    pair_free(p);
    p = pair_new(&q);
    n = end_take(&p->c, wire);
    f = look(wire, n);
    assert_true(f.has_psk);
    assert_greased(&f, true);
    pair_free(p);
    session_unref(q.resume);
}

/* RFC 8446 section 4.1.2: nothing changes but what was asked for. */
static void test_second_hello(void **state)
{
    (void)state;
    for (int with_session = 0; with_session < 2; with_session++) {
        struct pair_params q = {
            .grease = true, .tickets = tickets, .client_groups = { 29, 23 }, .server_groups = { 23 }
        };
        struct pair *p = pair_connected(&q);
        struct found a, b;
        size_t n;

        q.resume = with_session ? tls_session(p->c.t) : NULL;
        pair_free(p);
        p = pair_new(&q);
        n = end_take(&p->c, first_wire);
        a = look(first_wire, n);
        end_give(&p->s, first_wire, n);
        end_give(&p->c, wire, end_take(&p->s, wire));
        n = end_take(&p->c, wire);
        assert_int_equal(wire[0], CT_CHANGE_CIPHER_SPEC);
        b = look(wire + 6, n - 6);
        assert_int_equal(b.shares, 0); /* section 4.2.8: the group that was asked for, alone */
        assert_int_equal(b.nshares, 1);
        assert_int_equal(b.suite, a.suite);
        assert_int_equal(b.group, a.group);
        assert_int_equal(b.version, a.version);
        assert_int_equal(b.scheme, a.scheme);
        assert_memory_equal(b.extension, a.extension, sizeof a.extension);
        b.shares = 1;
        b.share = b.group;
        b.share_size = 1;
        b.nshares = 2;
        assert_greased(&b, true);
        end_give(&p->s, wire, n);
        pair_run(p, WIRE_MAX);
        assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
        pair_free(p);
        session_unref(q.resume);
    }
}

/* For a cookie alone the shares stay as they were. */
static void test_second_hello_with_cookie(void **state)
{
    struct pair *p = pair_new(&(struct pair_params){ .grease = true });
    struct found a = look(wire, end_take(&p->c, wire)), b;
    struct wr w = wr_of(wire, sizeof wire);
    size_t message, extensions, n;

    (void)state;
    wr_u8(&w, HS_SERVER_HELLO);
    message = wr_begin(&w, 3);
    wr_u16(&w, TLS_1_2);
    wr_bytes(&w, hello_retry_random, RANDOM_SIZE);
    wr_vec(&w, 1, p->c.t->hs.work->session_id, p->c.t->hs.work->session_id_len);
    wr_u16(&w, 0x1301);
    wr_u8(&w, 0);
    extensions = wr_begin(&w, 2);
    wr_bytes(&w, "\x00\x2b\x00\x02\x03\x04\x00\x2c\x00\x03\x00\x01!", 13);
    wr_end(&w, 2, extensions);
    wr_end(&w, 3, message);
    assert_true(wr_ok(&w));
    give_clear(&p->c, CT_HANDSHAKE, wire, w.len);
    assert_int_equal(p->c.rc, 0);
    n = end_take(&p->c, wire);
    assert_int_equal(wire[0], CT_CHANGE_CIPHER_SPEC);
    b = look(wire + 6, n - 6);
    assert_greased(&b, true);
    assert_int_equal(b.share, a.share);
    assert_int_equal(b.suite, a.suite);
    pair_free(p);
}

/* One that the application sends itself is not sent twice. */
static void test_beside_the_application(void **state)
{
    uint8_t all[16 * 4] = { 0 };
    struct config *c = config_new(TLS_CLIENT);
    struct tls *t;
    struct span out;
    struct found f;

    (void)state;
    for (unsigned i = 0; i < 16; i++) {
        all[4 * i] = all[4 * i + 1] = (uint8_t)(0x0a + 0x10 * i);
    }
    assert_int_equal(config_set_verify(c, VERIFY_NONE), 0);
    assert_int_equal(config_set_extensions(c, span_of(all, sizeof all)), 0);
    assert_int_equal(config_seal(c, NULL), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(tls_new(&t, c, NULL, NULL, NULL, NULL), 0);
        out = tls_output(t);
        memcpy(wire, out.p, out.n);
        f = look(wire, out.n);
        assert_int_equal(f.extensions, 16);
        assert_int_equal(f.which, 0xffff);
        tls_free(t);
    }
    config_unref(c);
}

/* ---- a server that chooses one ---- */
/* The flight of a server up to its first sealed byte, and what the client offered. */
static struct pair *to_be_spoilt(struct pair_params q, struct found *f, size_t *n)
{
    struct pair *p;

    q.grease = true;
    p = pair_new(&q);
    *n = end_take(&p->c, wire);
    *f = look(wire, *n);
    end_give(&p->s, wire, *n);
    *n = end_take(&p->s, wire);
    assert_int_equal(p->s.rc, 0);
    return p;
}

static void refused(struct pair *p, size_t n, enum alert alert)
{
    end_give(&p->c, wire, n);
    assert_refused(&p->c, alert);
    pair_free(p);
}

#define AT_SUITE (REC_HEADER + HS_HEADER + 2 + RANDOM_SIZE + 1u + wire[43])
static const uint16_t retry_groups[2][3] = { { 29, 23 }, { 23 } };

static struct pair_params kind(int i) /* TLS 1.3, a retry, TLS 1.2 */
{
    struct pair_params q = { .server_max = i == 2 ? TLS_1_2 : TLS_1_3 };

    if (i == 1) {
        memcpy(q.client_groups, retry_groups[0], sizeof q.client_groups);
        memcpy(q.server_groups, retry_groups[1], sizeof q.server_groups);
    }
    return q;
}

static void test_chosen_suite(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct found f;
        size_t n;
        struct pair *p = to_be_spoilt(kind(i), &f, &n);

        put16(wire + AT_SUITE, f.suite);
        refused(p, n, ALERT_ILLEGAL_PARAMETER);
    }
}

static void test_chosen_version(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        for (int only13 = 0; only13 < 2; only13++) {
            struct pair_params q = kind(i);
            struct found f;
            size_t n;
            struct pair *p;

            q.client_suites[0] = only13 ? 0x1301 : 0; /* then TLS 1.2 is not spoken */
            p = to_be_spoilt(q, &f, &n);
            put16(wire_find(wire, n, "\x00\x2b\x00\x02\x03\x04", 6) + 4, f.version);
            refused(p, n, ALERT_ILLEGAL_PARAMETER);
        }
    }
}

static void test_chosen_group(void **state)
{
    struct found f;
    size_t n, len;
    struct pair *p = to_be_spoilt(kind(0), &f, &n);
    uint8_t *at;

    (void)state;
    put16(wire_find(wire, n, "\x00\x33\x00\x24\x00\x1d", 6) + 4, f.group);
    refused(p, n, ALERT_ILLEGAL_PARAMETER);
    p = to_be_spoilt(kind(1), &f, &n);
    put16(wire_find(wire, n, "\x00\x33\x00\x02\x00\x17", 6) + 4, f.group);
    refused(p, n, ALERT_ILLEGAL_PARAMETER);
    /* TLS 1.2: in ServerKeyExchange, whose signature says so */
    p = to_be_spoilt(kind(2), &f, &n);
    len = (size_t)wire[3] << 8 | wire[4];
    at = message_find(wire + REC_HEADER, len, HS_SERVER_KEY_EXCHANGE);
    {
        struct span part[3] = { { p->s.t->hs.work->client_random, RANDOM_SIZE },
                                { p->s.t->hs.work->server_random, RANDOM_SIZE },
                                { at + HS_HEADER, 4u + at[HS_HEADER + 3] } };
        const struct scheme *s = scheme_by_id(0x0403);
        uint8_t sig[SIG_MAX], *end = at + HS_HEADER + part[2].n;
        size_t room = sizeof sig, was = (size_t)end[2] << 8 | end[3];

        put16(at + HS_HEADER + 1, f.group);
        do { /* of the same length */
            room = sizeof sig;
            assert_int_equal(privkey_sign(pki.server[ID_P256]->key, s, part, 3, sig, &room), 0);
        } while (room != was);
        memcpy(end + 4, sig, room);
    }
    refused(p, n, ALERT_ILLEGAL_PARAMETER);
}

static void test_chosen_scheme(void **state)
{
    struct found f;
    size_t n;
    struct pair *p = to_be_spoilt(kind(2), &f, &n);
    uint8_t *at =
        message_find(wire + REC_HEADER, (size_t)wire[3] << 8 | wire[4], HS_SERVER_KEY_EXCHANGE);

    (void)state;
    put16(at + HS_HEADER + 4 + at[HS_HEADER + 3], f.scheme);
    refused(p, n, ALERT_ILLEGAL_PARAMETER);
}

/* Not one that we asked for, as RFC 8446 section 4.2 has it. */
static void test_echoed_extension(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        for (int which = 0; which < 2; which++) {
            struct found f;
            size_t n, block, end, minus = (size_t)-4;
            struct pair *p = to_be_spoilt(kind(i), &f, &n);

            block = AT_SUITE + 3;
            end = block + 2 + ((size_t)wire[block] << 8 | wire[block + 1]);
            memmove(wire + end + 4, wire + end, n - end);
            put16(wire + end, f.extension[which]);
            put16(wire + end + 2, 0);
            less16(wire + 3, minus);
            less16(wire + 7, minus);
            less16(wire + block, minus);
            refused(p, n + 4, ALERT_UNSUPPORTED_EXTENSION);
        }
    }
}

static int make(void **state)
{
    if (pki_make(state) < 0) {
        return -1;
    }
    tickets = ticket_keys_new(INT64_C(3600) * 1000);
    return tickets ? 0 : -1;
}

static int drop(void **state)
{
    ticket_keys_unref(tickets);
    return pki_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_with_our_server),
        cmocka_unit_test(test_before_session),
        cmocka_unit_test(test_second_hello),
        cmocka_unit_test(test_second_hello_with_cookie),
        cmocka_unit_test(test_beside_the_application),
        cmocka_unit_test(test_chosen_suite),
        cmocka_unit_test(test_chosen_version),
        cmocka_unit_test(test_chosen_group),
        cmocka_unit_test(test_chosen_scheme),
        cmocka_unit_test(test_echoed_extension),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
