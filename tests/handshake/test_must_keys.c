/* SPDX-License-Identifier: ISC */
/* What RFC 8446 sections 4.2.2 and 4.2.7 to 4.2.11 demand of cookies, groups, shares and pre-shared
 * keys, where no other test shows it. */
#include "tests/handshake/craft13.h"
#include "tests/handshake/resume13.h"

#define KEY "0123456789abcdef0123456789abcdef"

static struct craft a, b;
static struct stage *stage;

/* Client and server have a key from outside; the server has a certificate as well. */
static struct pair_params with_key(void)
{
    struct pair_params q = { 0 };

    q.psk[TLS_CLIENT][0] = q.psk[TLS_SERVER][0] = (struct pair_psk){ .name = "dev", .key = KEY };
    return q;
}

/* ---- cookie (section 4.2.2) ---- */
static void test_cookie_is_copied(void **state)
{
    static const size_t sizes[] = { 1, 2, 255, 256, 16000, 16250 };
    static uint8_t cookie[2 + 16250];

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pair *p = pair_new(NULL);

        craft_take(&p->c, &a);
        craft_retry(&b, &p->c, 0x1301);
        put16(cookie, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) {
            cookie[2 + k] = (uint8_t)(k * 7 + k / 256);
        }
        craft_add(&b, EXT_COOKIE, cookie, 2 + sizes[i]);
        craft_give(&p->c, &b);
        assert_int_equal(p->c.rc, 0);
        craft_take(&p->c, &b);
        assert_true(span_eq(craft_body(&b, EXT_COOKIE), span_of(cookie, 2 + sizes[i])));
        pair_free(p);
    }
}

/* Neither by the same config nor with the session of a connection that had one. */
static void test_cookie_is_not_kept(void **state)
{
    const struct pair_params q = usual(NULL);
    struct tls_session *s = first(&q);
    struct config *config = pair_config(NULL, TLS_CLIENT, &q);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        static struct end e;

        memset(&e, 0, sizeof e);
        assert_int_equal(tls_new(&e.t, config, PAIR_HOST, NULL, i & 1 ? s : NULL, NULL), 0);
        craft_take(&e, &a);
        assert_int_equal(craft_find(&a, EXT_COOKIE), 0);
        craft_retry(&b, &e, 0x1301);
        craft_add(&b, EXT_COOKIE, "\0\6cookie", 8);
        craft_give(&e, &b);
        assert_int_equal(e.rc, 0);
        craft_take(&e, &a);
        assert_true(craft_find(&a, EXT_COOKIE) > 0);
        tls_free(e.t);
    }
    config_unref(config);
    session_unref(s);
}

/* ---- supported_groups of a server (section 4.2.7) ---- */
static void test_groups_of_server(void **state)
{
    static const struct pair_params q = { .client_groups = { 29, 23 } };
    static const char *const lists[] = { "\0\2\0\x17", "\0\4\0\x18\0\x17", "\0\2\xfe\1" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct hs *h = NULL;
        struct config *c;
        static struct end e;

        stage = lead_client(&q);
        h = &stage->p->c.t->hs;
        craft_of(&b, stage_until(stage, HS_ENCRYPTED_EXTENSIONS));
        craft_add(&b, EXT_SUPPORTED_GROUPS, lists[i], 2 + get16((const uint8_t *)lists[i]));
        stage_give(stage, b.m, b.n);
        assert_int_equal(stage->p->c.rc, 0);
        /* nothing of this connection has changed, nor of the next */
        assert_int_equal(h->group->id, 29);
        for (size_t g = 0; g < SETTINGS_GROUPS; g++) {
            assert_false(h->work->peer_has_group[g]);
        }
        memset(&e, 0, sizeof e);
        c = config_ref(stage->p->c.t->config);
        assert_int_equal(tls_new(&e.t, c, PAIR_HOST, NULL, NULL, NULL), 0);
        craft_take(&e, &a);
        assert_true(span_eq(craft_body(&a, EXT_SUPPORTED_GROUPS), span_of("\0\4\0\x1d\0\x17", 6)));
        assert_int_equal(get16(craft_body(&a, EXT_KEY_SHARE).p + 2), 29);
        tls_free(e.t);
        config_unref(c);
        stage_free(stage);
    }
}

/* ---- key_share (section 4.2.8) ---- */
/* Groups of ours in the order of supported_groups, each once, as long as it has to be. */
static void assert_shares(const struct craft *hello)
{
    struct rd shares = rd_span(craft_body(hello, EXT_KEY_SHARE)), list = { 0 }, key = { 0 };
    struct rd groups = rd_span(craft_body(hello, EXT_SUPPORTED_GROUPS)), all = { 0 };
    uint16_t id = 0, listed = 0;

    assert_true(rd_vec(&shares, 2, &list) && rd_done(&shares) && rd_vec(&groups, 2, &all));
    assert_false(rd_done(&list));
    while (!rd_done(&list)) {
        const struct group *g;

        assert_true(rd_u16(&list, &id) && rd_vec(&list, 2, &key));
        do { /* those before it have had their turn */
            assert_true(rd_u16(&all, &listed));
        } while (listed != id);
        g = group_by_id(id);
        assert_int_equal(key.n, g ? g->share_client : 1);
    }
}

static void test_shares_of_client(void **state)
{
    uint8_t before[64] = { 0 };

    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        for (unsigned again = 0; again < 4; again++) { /* with GREASE and without */
            struct pair_params q = { .client_groups = { group_at(i)->id, 23 },
                                     .grease = again & 1 };
            struct span shares;
            struct pair *p;

            q.client_groups[1] = group_at(i)->id == 23 ? 29 : 23;
            p = pair_new(&q);
            craft_take(&p->c, &a);
            assert_shares(&a);
            shares = craft_body(&a, EXT_KEY_SHARE); /* made anew each time */
            assert_memory_not_equal(shares.p + shares.n - 32, before, 32);
            memcpy(before, shares.p + shares.n - 32, 32);
            pair_free(p);
        }
    }
}

/* Exactly one share of the group that was chosen among the client's; with a key too. */
static void test_share_of_server(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        for (unsigned keyed = 0; keyed < 2; keyed++) {
            const struct group *g = group_at(i);
            struct pair_params q = keyed ? with_key() : (struct pair_params){ 0 };
            struct span share;
            struct pair *p;

            q.client_groups[0] = g->id;
            p = pair_new(&q);
            craft_take(&p->c, &a);
            assert_int_equal(!!craft_find(&a, EXT_PRE_SHARED_KEY), keyed);
            assert_shares(&a); /* section 4.2.9: of a client that offers psk_dhe_ke, too */
            craft_give(&p->s, &a);
            assert_int_equal(p->s.rc, 0);
            craft_take(&p->s, &b);
            assert_int_equal(!!craft_find(&b, EXT_PRE_SHARED_KEY), keyed);
            share = craft_body(&b, EXT_KEY_SHARE);
            assert_int_equal(share.n, 4u + g->share_server);
            assert_int_equal(get16(share.p), g->id);
            assert_int_equal(get16(share.p + 2), g->share_server);
            pair_free(p);
        }
    }
}

/* Two shares to choose from; of groups that are not listed none is answered. */
static void test_choice_among_shares(void **state)
{
    static const struct {
        const char *groups;
        uint16_t server[2], want; /* 0: illegal_parameter */
    } rows[] = {
        { "\0\4\0\x1d\0\x17", { 29, 23 }, 29 },
        { "\0\4\0\x1d\0\x17", { 23, 29 }, 23 },
        { "\0\4\0\x1d\0\x17", { 23 }, 23 },
        { "\0\2\0\x1d", { 23 }, 0 },
        { "\0\2\0\x17", { 29 }, 0 },
        { "\0\2\0\x18", { 29, 24 }, 0 },
    };
    struct pair *p = pair_new(&(struct pair_params){ .client_groups = { 23 } });
    uint8_t both[2 + 4 + 32 + 4 + 65];
    struct span share;

    (void)state;
    craft_take(&p->c, &a);
    share = craft_body(&a, EXT_KEY_SHARE);
    assert_int_equal(share.n, 2 + 4 + 65);
    memcpy(both + 2 + 4 + 32, share.p + 2, 4 + 65);
    pair_free(p);
    p = pair_new(&(struct pair_params){ .client_groups = { 29 } });
    craft_take(&p->c, &a);
    share = craft_body(&a, EXT_KEY_SHARE);
    memcpy(both, share.p, share.n);
    put16(both, sizeof both - 2);
    pair_free(p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        p = pair_new(
            &(struct pair_params){ .server_groups = { rows[i].server[0], rows[i].server[1] } });
        craft_take(&p->c, &a);
        craft_set(&a, EXT_SUPPORTED_GROUPS, rows[i].groups, 2 + (size_t)rows[i].groups[1]);
        craft_set(&a, EXT_KEY_SHARE, both, sizeof both);
        craft_give(&p->s, &a);
        if (rows[i].want) {
            assert_int_equal(p->s.rc, 0);
            craft_take(&p->s, &b);
            assert_int_equal(get16(craft_body(&b, EXT_KEY_SHARE).p), rows[i].want);
        } else {
            assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        }
        pair_free(p);
    }
}

/* Sections 4.2.8.1, 4.2.8.2 (kat/test_kex.c has every way to be wrong): what such a share does to
 * either end of a handshake. */
static void test_bad_shares(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        const struct group *g = group_at(i);
        const struct pair_params q = { .client_groups = { g->id } };

        for (unsigned server = 0; server < 2; server++) {
            static uint8_t body[2 + 4 + KEX_SHARE_MAX];
            struct pair *p = pair_new(&q);
            struct craft *m = server ? &a : &b;
            struct span share;

            craft_take(&p->c, &a);
            if (!server) {
                craft_give(&p->s, &a);
                craft_take(&p->s, &b);
            }
            share = craft_body(m, EXT_KEY_SHARE);
            memcpy(body, share.p, share.n);
            /* a zero, the point at infinity, one off the curve, the all-zero point of X25519 */
            memset(body + (server ? 6 : 4), 0, share.n - (server ? 6 : 4));
            if (g->share_client % 2) {
                body[server ? 6 : 4] = 4;
            } else if (!g->ec && g->share_client > 1000) {
                memset(body + (server ? 6 : 4), 0xff, share.n - (server ? 6 : 4) - 32);
            }
            craft_set(m, EXT_KEY_SHARE, body, share.n);
            craft_give(server ? &p->s : &p->c, m);
            assert_refused(server ? &p->s : &p->c, ALERT_ILLEGAL_PARAMETER);
            pair_free(p);
        }
    }
}

/* ---- psk_key_exchange_modes (section 4.2.9) ---- */
/* A hello that offers keys has the modes, whatever is switched off. */
static void test_modes_of_client(void **state)
{
    const struct pair_params q = usual(NULL);
    struct tls_session *s = first(&q);

    (void)state;
    for (unsigned i = 0; i < 16; i++) { /* bits: session, key, no tickets, psk_ke */
        struct pair_params r = i & 2 ? with_key() : (struct pair_params){ 0 };
        struct pair *p;

        r.resume = i & 1 ? s : NULL;
        r.no_tickets = i & 4;
        r.psk_ke[TLS_CLIENT] = i & 8;
        p = pair_new(&r);
        craft_take(&p->c, &a);
        assert_true(craft_find(&a, EXT_PSK_KEY_EXCHANGE_MODES) ||
                    !craft_find(&a, EXT_PRE_SHARED_KEY));
        assert_true(!(i & 2) || craft_find(&a, EXT_PRE_SHARED_KEY));
        assert_shares(&a);
        pair_free(p);
    }
    session_unref(s);
}

/* The server takes the key only in a way that is listed; a share is there when it is psk_dhe_ke or
 * none at all. */
static void test_modes_of_server(void **state)
{
    static const struct {
        const char *modes;
        bool ke, key, share; /* ke: the server's switch */
    } rows[] = {
        { "\1\1", false, true, true },  { "\1\1", true, true, true },
        { "\1\0", false, false, true }, { "\1\0", true, true, false },
        { "\2\0\1", true, true, true }, { "\2\1\0", false, true, true },
        { "\1\2", true, false, true },  { "\3\2\xff\1", false, true, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_params q = with_key();
        struct pair *p;

        q.psk_ke[TLS_SERVER] = rows[i].ke;
        p = pair_new(&q);
        craft_take(&p->c, &a);
        craft_set(&a, EXT_PSK_KEY_EXCHANGE_MODES, rows[i].modes, 1 + (size_t)rows[i].modes[0]);
        craft_bind(&a, span_text(KEY), "ext binder");
        craft_give(&p->s, &a);
        assert_int_equal(p->s.rc, 0);
        craft_take(&p->s, &b);
        assert_int_equal(!!craft_find(&b, EXT_PRE_SHARED_KEY), rows[i].key);
        assert_int_equal(!!craft_find(&b, EXT_KEY_SHARE), rows[i].share);
        pair_free(p);
    }
}

/* ---- pre_shared_key (section 4.2.11) ---- */
/* The age of a key from outside says nothing. */
static void test_age_of_external_key(void **state)
{
    static const uint8_t ages[][4] = {
        { 0 }, { 0, 0, 0, 1 }, { 0x7f, 0xff, 0xff, 0xff }, { 0x80 }, { 0xff, 0xff, 0xff, 0xff }
    };
    const struct pair_params q = with_key();

    (void)state;
    for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
        struct pair *p = pair_new(&q);
        struct span psk;

        craft_take(&p->c, &a);
        psk = craft_body(&a, EXT_PRE_SHARED_KEY);
        assert_memory_equal(psk.p, "\0\x09\0\3dev\0\0\0\0", 11); /* ours is 0 */
        memcpy(a.m + (psk.p - a.m) + 7, ages[i], 4);
        craft_bind(&a, span_text(KEY), "ext binder");
        craft_give(&p->s, &a);
        assert_int_equal(p->s.rc, 0);
        assert_true(p->s.t->hs.facts & FACT_PSK);
        pair_free(p);
    }
}

/* No binder, one for another key, or none that is long enough: no handshake, whatever else would
 * do. */
static void test_binder_has_to_be_right(void **state)
{
    const struct pair_params q = with_key();

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct pair *p = pair_new(&q);

        craft_take(&p->c, &a);
        craft_bind(&a, span_text(i == 1 ? "another key, of 32 bytes as well" : KEY),
                   i == 2 ? "res binder" : "ext binder");
        if (i == 3) {
            a.m[a.n - 34] = a.m[a.n - 35] = 0; /* an empty list, and its bytes behind it */
        }
        craft_give(&p->s, &a);
        if (i == 0) {
            assert_int_equal(p->s.rc, 0);
        } else {
            assert_refused(&p->s, i == 3 ? ALERT_DECODE_ERROR : ALERT_DECRYPT_ERROR);
        }
        pair_free(p);
    }
}

/* Section 4.2.11.1: not offered any more, even to a server that would not mind. */
static void test_old_tickets(void **state)
{
    static const struct {
        int64_t age;
        bool offered;
    } rows[] = { { 0, true }, { LIFE - 1, true }, { LIFE + 1, false }, { 2 * LIFE, false } };
    const struct pair_params q = usual(NULL);
    struct tls_session *s = first(&q);

    (void)state;
    assert_int_equal(s->lifetime, LIFE);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct pair_params r = usual(s);
        struct pair *p;

        pair_later = rows[i].age;
        p = pair_new(&r);
        craft_take(&p->c, &a);
        assert_int_equal(!!craft_find(&a, EXT_PRE_SHARED_KEY), rows[i].offered);
        pair_free(p);
    }
    pair_later = 0;
    session_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookie_is_copied),
        cmocka_unit_test(test_cookie_is_not_kept),
        cmocka_unit_test(test_groups_of_server),
        cmocka_unit_test(test_shares_of_client),
        cmocka_unit_test(test_share_of_server),
        cmocka_unit_test(test_choice_among_shares),
        cmocka_unit_test(test_bad_shares),
        cmocka_unit_test(test_modes_of_client),
        cmocka_unit_test(test_modes_of_server),
        cmocka_unit_test(test_age_of_external_key),
        cmocka_unit_test(test_binder_has_to_be_right),
        cmocka_unit_test(test_old_tickets),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
