/* SPDX-License-Identifier: ISC */
/* What RFC 8446 sections 4.1.2 and 4.1.4 demand of HelloRetryRequest and of the two hellos behind
 * it, where no other test shows it. */
#include "tests/handshake/craft13.h"

#define AT_SESSION (HS_HEADER + 2 + RANDOM_SIZE)

static uint8_t wire[WIRE_MAX];
static struct craft a, b;
static const struct pair_params retrying = { .client_groups = { 29, 23, 24 },
                                             .server_groups = { 23 } };

/* ---- the second ClientHello ---- */
/* All of the second one is as it was, in the same order, but for what a retry is about. */
static void assert_same_but(struct craft *first, struct craft *second, bool shares)
{
    static const unsigned change[] = { EXT_COOKIE, EXT_PRE_SHARED_KEY };

    if (shares) {
        craft_cut(first, EXT_KEY_SHARE);
        craft_cut(second, EXT_KEY_SHARE);
    }
    for (size_t i = 0; i < 2; i++) {
        if (craft_find(first, change[i])) {
            craft_cut(first, change[i]);
        }
        if (craft_find(second, change[i])) {
            craft_cut(second, change[i]);
        }
    }
    assert_int_equal(first->n, second->n);
    assert_memory_equal(first->m, second->m, first->n);
}

static void test_second_client_hello(void **state)
{
    static struct craft retry;

    (void)state;
    for (unsigned i = 1; i < 8; i++) { /* bits: another group, a cookie, GREASE */
        struct pair_params q = retrying;
        struct pair *p;

        q.client_alpn[0] = "a";
        q.status = "response";
        q.record_limit[TLS_CLIENT] = 4096;
        q.post_auth = true;
        q.grease = i & 4;
        if (!(i & 3)) {
            continue;
        }
        p = pair_new(&q);
        craft_take(&p->c, &a);
        craft_retry(&retry, &p->c, 0x1301);
        if (i & 1) {
            craft_add(&retry, EXT_KEY_SHARE, "\0\x18", 2);
        }
        if (i & 2) {
            craft_add(&retry, EXT_COOKIE, "\0\3abc", 5);
        }
        craft_give(&p->c, &retry);
        assert_int_equal(p->c.rc, 0);
        craft_take(&p->c, &b);
        if (i & 1) { /* one share, of that group */
            struct span s = craft_body(&b, EXT_KEY_SHARE);

            assert_int_equal(s.n, 2 + 4 + 97);
            assert_memory_equal(s.p, "\0\x65\0\x18\0\x61", 6);
        }
        if (i & 2) {
            struct span s = craft_body(&b, EXT_COOKIE);

            assert_true(span_eq(s, span_of("\0\3abc", 5)));
        } else {
            assert_int_equal(craft_find(&b, EXT_COOKIE), 0);
        }
        assert_same_but(&a, &b, i & 1);
        pair_free(p);
    }
}

/* ---- HelloRetryRequest ---- */
/* One that asks for nothing new, or for what cannot be. */
static void test_retry_without_change(void **state)
{
    static const struct {
        const char *share;
        bool cookie;
        enum alert alert;
    } rows[] = {
        { NULL, false, ALERT_ILLEGAL_PARAMETER },
        { NULL, true, ALERT_NONE },
        { "\0\x17", false, ALERT_NONE },
        { "\0\x18", true, ALERT_NONE },
        { "\0\x1d", false, ALERT_ILLEGAL_PARAMETER }, /* its share is there */
        { "\0\x1d", true, ALERT_ILLEGAL_PARAMETER },
        { "\0\x19", false, ALERT_ILLEGAL_PARAMETER }, /* not offered */
        { "\0\x1e", true, ALERT_ILLEGAL_PARAMETER },
        { "\x6a\x6a", false, ALERT_ILLEGAL_PARAMETER },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair *p = pair_new(&retrying);

        craft_take(&p->c, &a);
        craft_retry(&b, &p->c, 0x1301);
        if (rows[i].share) {
            craft_add(&b, EXT_KEY_SHARE, rows[i].share, 2);
        }
        if (rows[i].cookie) {
            craft_add(&b, EXT_COOKIE, "\0\1c", 3);
        }
        craft_give(&p->c, &b);
        if (rows[i].alert == ALERT_NONE) {
            assert_int_equal(p->c.rc, 0);
            craft_take(&p->c, &a);
            assert_int_equal(a.m[0], HS_CLIENT_HELLO);
        } else {
            assert_refused(&p->c, rows[i].alert);
        }
        pair_free(p);
    }
}

/* The version of the ServerHello is that of the HelloRetryRequest, and so is the group. */
static void test_server_hello_behind_retry(void **state)
{
    enum { AS_IT_IS, OLDER, NEWER, NO_VERSION, GROUP, FIRST_GROUP, ROWS };

    (void)state;
    for (unsigned i = AS_IT_IS; i < ROWS; i++) {
        struct pair *p = pair_new(&retrying);
        struct span share;
        uint8_t body[256];

        end_give(&p->s, wire, end_take(&p->c, wire));
        end_give(&p->c, wire, end_take(&p->s, wire));
        end_give(&p->s, wire, end_take(&p->c, wire));
        assert_true(p->c.rc == 0 && p->s.rc == 0);
        craft_take(&p->s, &b);
        share = craft_body(&b, EXT_KEY_SHARE);
        memcpy(body, share.p, share.n);
        put16(body, i == GROUP ? 24 : 29);
        switch (i) {
        case OLDER:
        case NEWER:
            craft_set(&b, EXT_SUPPORTED_VERSIONS, i == OLDER ? "\3\3" : "\3\5", 2);
            break;
        case NO_VERSION:
            craft_cut(&b, EXT_SUPPORTED_VERSIONS);
            break;
        case GROUP:
        case FIRST_GROUP:
            craft_set(&b, EXT_KEY_SHARE, body, share.n);
            break;
        default:
            break;
        }
        craft_give(&p->c, &b);
        if (i == AS_IT_IS) {
            assert_int_equal(p->c.rc, 0);
            assert_int_equal(p->c.t->hs.state, C_WAIT_EE);
        } else {
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        }
        pair_free(p);
    }
}

/* The suite was chosen for a key that the second hello offers no more: it stays. */
static void test_suite_stays_after_retry(void **state)
{
    const struct pair_psk key = { .name = "device",
                                  .key = "0123456789abcdef0123456789abcdef",
                                  .hash = HASH_SHA384 };

    (void)state;
    for (unsigned with_key = 0; with_key < 2; with_key++) {
        struct pair_params q = retrying;
        struct pair *p;

        q.psk[TLS_CLIENT][0] = q.psk[TLS_SERVER][0] = key;
        p = pair_new(&q);
        craft_take(&p->c, &a);
        craft_give(&p->s, &a);
        craft_take(&p->s, &b);
        assert_int_equal(get16(b.m + AT_SESSION + 1 + SESSION_ID_MAX), 0x1302);
        craft_give(&p->c, &b);
        assert_int_equal(p->c.rc, 0);
        craft_take(&p->c, &a);
        if (!with_key) {
            craft_cut(&a, EXT_PRE_SHARED_KEY);
        }
        craft_give(&p->s, &a);
        assert_int_equal(p->s.rc, 0);
        craft_take(&p->s, &b);
        assert_int_equal(get16(b.m + AT_SESSION + 1 + SESSION_ID_MAX), 0x1302);
        assert_int_equal(!!craft_find(&b, EXT_PRE_SHARED_KEY), with_key);
        pair_free(p);
    }
}

/* No share at all, or of groups that the server does not have: it asks for one. */
static void test_server_asks_for_a_share(void **state)
{
    static const char *const shares[] = { "\0\0", "\0\6\0\x1d\0\2xy" };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct pair_params q = retrying;
        struct pair *p;

        q.client_groups[0] = 23;
        q.client_groups[1] = 29;
        p = pair_new(&q);
        craft_take(&p->c, &a);
        craft_set(&a, EXT_KEY_SHARE, shares[i], i ? 8 : 2);
        craft_give(&p->s, &a);
        assert_int_equal(p->s.rc, 0);
        craft_take(&p->s, &b);
        assert_memory_equal(b.m + HS_HEADER + 2, hello_retry_random, RANDOM_SIZE);
        assert_true(span_eq(craft_body(&b, EXT_KEY_SHARE), span_of("\0\x17", 2)));
        pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_client_hello),
        cmocka_unit_test(test_retry_without_change),
        cmocka_unit_test(test_server_hello_behind_retry),
        cmocka_unit_test(test_suite_stays_after_retry),
        cmocka_unit_test(test_server_asks_for_a_share),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
