/* SPDX-License-Identifier: ISC */
/* When a connection does not go, and where it cannot go to. */
#include "tests/handshake/handoff.h"

static const struct span none;

/* ---- when ---- */
static void refused(struct end *e, int want)
{
    struct tls *t = e->t;
    struct tls_kernel k;
    struct buf b = { 0 };

    assert_int_equal(tls_hand_off(&e->t, none, none, &b), want);
    assert_ptr_equal(e->t, t);
    assert_int_equal(buf_len(&b), 0);
    buf_free(&b);
    assert_int_equal(tls_kernel_keys(&e->t, &k), want);
    assert_ptr_equal(e->t, t);
}

static void test_not_connected(void **state)
{
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair_params q = kind_params(i);
        struct pair *p = pair_new(&q);

        while (!tls_connected(p->c.t) || !tls_connected(p->s.t)) {
            if (!tls_connected(p->c.t)) {
                refused(&p->c, ERR_STATE);
            }
            if (!tls_connected(p->s.t)) {
                refused(&p->s, ERR_STATE);
            }
            end_give(&p->s, wire, end_take(&p->c, wire));
            end_give(&p->c, wire, end_take(&p->s, wire));
        }
        end_move(&p->c);
        end_move(&p->s);
        tls_abort(p->c.t, ALERT_INTERNAL_ERROR, "enough");
        refused(&p->c, ERR_CLOSED);
        end_give(&p->s, wire, end_take(&p->c, wire));
        refused(&p->s, ERR_CLOSED);
        pair_free(p);
    }
}

/* Its keys are gone: bytes of it would make no connection, and it was gone as well. */
static void test_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair_params q = kind_params(i);
        struct pair *p = pair_connected(&q);
        uint8_t out[32];

        tls_end(p->c.t);
        tls_end(p->s.t);
        refused(&p->c, ERR_CLOSED);
        refused(&p->s, ERR_CLOSED);
        assert_int_equal(tls_export(p->c.t, "label", none, false, out, sizeof out), ERR_CLOSED);
        pair_free(p);
    }
}

static void test_in_a_renegotiation(void **state)
{
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (int first = 0; first < 2; first++) {
        struct pair_params q = kind_params(KINDS13);
        struct pair *p = pair_connected(&q);

        assert_int_equal(tls_rehandshake(first ? p->s.t : p->c.t, NULL, false), 0);
        for (int by = first; p->c.done < 2 || p->s.done < 2; by = !by) {
            struct end *from = by ? &p->s : &p->c, *to = by ? &p->c : &p->s;

            if (from->done < 2) {
                refused(from, ERR_STATE);
            }
            end_give(to, wire, end_take(from, wire));
            if (to->done < 2) {
                refused(to, ERR_STATE);
            }
        }
        end_move(&p->c);
        end_move(&p->s);
        talk(p);
        pair_free(p);
    }
}

/* Who promised to authenticate later cannot go; who was promised it goes without. */
static void test_post_handshake_auth(void **state)
{
    static uint8_t wire[WIRE_MAX];
    struct pair_params q = kind_params(0);
    struct config *c;
    struct pair *p;

    (void)state;
    q.post_auth = q.client_id = true;
    p = pair_connected(&q);
    refused(&p->c, ERR_UNSUPPORTED);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    refused(&p->s, ERR_STATE);
    end_give(&p->c, wire, end_take(&p->s, wire));
    refused(&p->c, ERR_UNSUPPORTED);
    refused(&p->s, ERR_STATE);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.done, 2);
    end_move(&p->s); /* with what the client has proved */
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), ERR_UNSUPPORTED);
    talk(p);
    pair_free(p);
    /* Under a config that has another certificate than the one that was shown. */
    p = pair_connected(&q);
    q.other_server = true;
    c = pair_config(p, TLS_SERVER, &q);
    assert_int_equal(tls_request_client_auth(p->s.t, c), 0);
    pair_run(p, WIRE_MAX);
    assert_ptr_equal(p->s.t->hs.shown, pki.server[ID_P256]);
    end_move(&p->s);
    assert_true(p->s.t->hs.shown && p->s.t->hs.shown != pki.server[ID_P256]);
    talk(p);
    pair_free(p);
    config_unref(c);
}

/* ---- where to ---- */
static void test_other_config(void **state)
{
    struct pair_params q = kind_params(0), others[6];
    struct pair *p = pair_connected(&q);
    struct config *own[2] = { config_ref(p->c.t->config), config_ref(p->s.t->config) };
    struct config *bare = config_new(TLS_CLIENT);
    struct buf b = hand_off(&p->c), copy = copy_of(&b);

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        others[i] = q;
    }
    others[0].suite = 0x1302;
    others[1].client_max = TLS_1_2;
    others[1].suite = SUITE_GCM;
    others[2].other_ca = true;
    others[3].client_alpn[1] = NULL;
    others[4].verify_none = true;
    others[5].psk[TLS_CLIENT][0] =
        (struct pair_psk){ .name = "key", .key = "0123456789abcdef0123456789abcdef" };
    for (size_t i = 0; i < 6; i++) {
        struct config *c = pair_config(p, TLS_CLIENT, &others[i]);

        assert_int_equal(take_over(&p->c.t, c, &b), ERR_MISMATCH);
        assert_true(span_eq(buf_span(&b), buf_span(&copy))); /* there may be a better one */
        config_unref(c);
    }
    assert_int_equal(take_over(&p->c.t, own[TLS_SERVER], &b), ERR_MISMATCH);
    assert_int_equal(take_over(&p->c.t, bare, &b), ERR_ARG);
    assert_int_equal(take_over(&p->c.t, own[TLS_CLIENT], &b), 0);
    talk(p);
    buf_free(&copy);
    pair_free(p);
    config_unref(own[0]);
    config_unref(own[1]);
    config_unref(bare);
}

/* Behind what is there already. */
static void test_appends(void **state)
{
    struct pair_params q = kind_params(0);
    struct pair *p = pair_connected(&q);
    struct config *c = config_ref(p->c.t->config);
    struct buf b = { 0 }, received = { 0 }, plain = { 0 };
    uint8_t *huge = calloc(1, TLS_HAND_OFF_MAX + 1);

    (void)state;
    assert_int_equal(buf_append(&b, "before", 6), 0);
    assert_int_equal(buf_append(&received, "a", 1), 0);
    assert_int_equal(buf_append(&plain, "b", 1), 0);
    assert_int_equal(tls_hand_off(&p->c.t, span_of(huge, TLS_HAND_OFF_MAX + 1), none, &b),
                     ERR_LIMIT);
    assert_int_equal(tls_hand_off(&p->c.t, none, span_of(huge, TLS_HAND_OFF_MAX + 1), &b),
                     ERR_LIMIT);
    assert_int_equal(buf_len(&b), 6);
    talk(p);
    assert_int_equal(tls_hand_off(&p->c.t, span_of(huge, TLS_HAND_OFF_MAX), span_text("xy"), &b),
                     0);
    assert_true(b.secret);
    assert_memory_equal(buf_data(&b), "before", 6);
    buf_consume(&b, 6);
    assert_int_equal(tls_take_over(&p->c.t, c, &b, &received, &plain, NULL), 0);
    assert_int_equal(buf_len(&received), 1 + TLS_HAND_OFF_MAX);
    assert_int_equal(*buf_data(&received), 'a');
    assert_int_equal(buf_len(&plain), 3);
    assert_memory_equal(buf_data(&plain), "bxy", 3);
    talk(p);
    buf_free(&received);
    buf_free(&plain);
    free(huge);
    pair_free(p);
    config_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_connected),      cmocka_unit_test(test_ended),
        cmocka_unit_test(test_in_a_renegotiation), cmocka_unit_test(test_post_handshake_auth),
        cmocka_unit_test(test_other_config),       cmocka_unit_test(test_appends),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
