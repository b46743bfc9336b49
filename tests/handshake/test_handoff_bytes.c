/* SPDX-License-Identifier: ISC */
/* The bytes of a hand-off: what is refused, and when; no memory at any place; whatever they are, no
 * more comes of it than an error or a connection (threat 38); what is left of the keys. */
#include <malloc.h>

#include "tests/handshake/handoff.h"

static const struct span none;

static struct buf hand_off(struct end *e)
{
    struct buf b = { 0 };

    assert_int_equal(tls_hand_off(&e->t, span_text("received"), span_text("plain"), &b), 0);
    return b;
}

static int take_over(struct tls **t, struct config *c, struct buf *b)
{
    struct buf received = { 0 }, plain = { 0 };
    struct error err = { 0 };
    int rc = tls_take_over(t, c, b, &received, &plain, &err);

    if (rc < 0) {
        assert_null(*t);
        assert_int_equal(err.code, rc);
        assert_true(strlen(err.text) > 10);
        assert_int_equal(buf_len(&received) + buf_len(&plain), 0);
    } else {
        assert_non_null(*t);
        assert_null(b->mem);
    }
    buf_free(&received);
    buf_free(&plain);
    return rc;
}

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

/* ---- other bytes ---- */
/* What came of changed bytes is used a little. */
static void use(struct tls *t)
{
    static char text[32768];
    static uint8_t wire[WIRE_MAX];
    struct span part = span_text("data");
    struct tls_in in = { .data = wire, .len = 40 };
    struct tls_info i;
    size_t taken, made, n = 40;

    assert_true(tls_connected(t));
    tls_get_info(t, &i);
    assert_true(i.version && *i.suite);
    if (i.alpn && strlen(i.alpn) < 100) {
        tell(t, text);
    }
    tls_park(t);
    (void)!tls_seal(t, &part, 1, &taken, wire, sizeof wire, &made);
    (void)!tls_key_update(t, true);
    (void)!tls_rehandshake(t, NULL, true);
    (void)tls_output(t);
    (void)!tls_channel_binding(t, TLS_BINDING_END_POINT, wire, &n);
    memcpy(wire, (uint8_t[]){ 23, 3, 3, 0, 35 }, 5);
    (void)!tls_input(t, &in);
    (void)tls_close(t);
    (void)tls_output(t);
}

static struct buf changed(const struct buf *b, size_t at, uint8_t mask)
{
    struct buf c = copy_of(b);

    buf_data(&c)[at] ^= mask;
    return c;
}

static struct pair *rich(size_t i)
{
    struct pair_params q = kind_params(i);
    struct ticket_keys *k = ticket_keys_new(1000000);
    struct pair *p;

    q.tickets = k;
    q.client_id = true;
    q.auth = CLIENT_AUTH_REQUIRE;
    q.status = "response";
    p = pair_connected(&q);
    talk(p);
    (void)!tls_key_update(p->c.t, true);
    (void)!tls_key_update(p->s.t, true);
    ticket_keys_unref(k);
    return p;
}

static void bytes_of(struct end *e)
{
    struct config *c = config_ref(e->t->config);
    struct buf b = hand_off(e), d;
    size_t good = 0, bad = 0;

    for (size_t n = 0; n < buf_len(&b); n++) { /* cut */
        d = (struct buf){ 0 };
        assert_int_equal(buf_append(&d, buf_data(&b), n), 0);
        assert_int_equal(take_over(&e->t, c, &d), ERR_PARSE);
        assert_int_equal(buf_len(&d), n);
        buf_free(&d);
    }
    d = copy_of(&b);
    assert_int_equal(buf_append(&d, "", 1), 0); /* longer */
    assert_int_equal(take_over(&e->t, c, &d), ERR_PARSE);
    buf_free(&d);
    for (size_t n = 0; n < buf_len(&b); n++) {
        static const uint8_t masks[] = { 1, 16, 128, 255 };

        for (size_t m = 0; m < sizeof masks; m++) {
            int rc;

            d = changed(&b, n, masks[m]);
            rc = take_over(&e->t, c, &d);
            assert_true(rc == 0 || rc == ERR_PARSE || rc == ERR_MISMATCH);
            assert_true(n >= 2 || rc == ERR_PARSE);              /* format */
            assert_true(n < 2 || n >= 35 || rc == ERR_MISMATCH); /* role, context */
            *(rc == 0 ? &good : &bad) += 1;
            if (rc == 0) {
                use(e->t);
                tls_free(e->t);
            }
            buf_free(&d);
        }
    }
    assert_true(good > 100 && bad > 100);
    assert_int_equal(take_over(&e->t, c, &b), 0);
    config_unref(c);
}

static void threat_38_other_bytes(void **state)
{
    static const size_t some[] = { 0, 1, KINDS13, KINDS13 + 3 };

    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct pair *p = rich(some[i]);

        bytes_of(&p->c);
        bytes_of(&p->s);
        pair_run(p, WIRE_MAX);
        talk(p);
        pair_free(p);
    }
}

/* Nothing but a hand-off: random bytes, a session, an empty buffer. */
static void threat_38_no_hand_off(void **state)
{
    struct pair *p = rich(0);
    struct tls_session *s = tls_session(p->c.t);
    struct config *c = config_ref(p->c.t->config);
    struct tls *t;
    struct buf b = { 0 };

    (void)state;
    assert_int_equal(take_over(&t, c, &b), ERR_PARSE);
    assert_int_equal(session_write(s, &b), 0);
    assert_int_equal(take_over(&t, c, &b), ERR_PARSE);
    assert_int_equal(rand_bytes(buf_data(&b), buf_len(&b)), 0);
    assert_int_equal(take_over(&t, c, &b), ERR_PARSE);
    buf_free(&b);
    session_unref(s);
    config_unref(c);
    pair_free(p);
}

/* ---- memory ---- */
static struct mem_hooks usual;
static size_t calls, fail_at;
static bool for_good;
static struct span secret[8];
static size_t nsecrets, leaks;

static void *failing_alloc(size_t n)
{
    calls++;
    return calls == fail_at || (for_good && calls > fail_at) ? NULL : usual.alloc(n);
}

static void watching_release(void *p)
{
    const size_t n = p ? malloc_usable_size(p) : 0;

    for (size_t i = 0; i < nsecrets; i++) {
        leaks += memmem(p, n, secret[i].p, secret[i].n) != NULL;
    }
    usual.release(p);
}

static void arm(size_t at, bool more)
{
    usual = mem_hooks;
    calls = 0;
    fail_at = at;
    for_good = more;
    mem_hooks.alloc = failing_alloc;
}

/* The object is as it was, and so are the bytes, whatever cannot be had. */
static void threat_37_no_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair *p = rich(i);

        for (int role = 0; role < 2; role++) {
            struct end *e = role == TLS_CLIENT ? &p->c : &p->s;
            struct config *c = config_ref(e->t->config);
            struct buf b = { 0 }, copy;
            int rc = ERR_MEM;

            for (size_t n = 1; rc < 0; n++) {
                struct tls *t = e->t;

                arm((n + 1) / 2, n & 1);
                rc = tls_hand_off(&e->t, span_text("received"), span_text("plain"), &b);
                mem_hooks = usual;
                assert_true(rc == 0 ? !e->t : rc == ERR_MEM && e->t == t && !buf_len(&b));
            }
            copy = copy_of(&b);
            rc = ERR_MEM;
            for (size_t n = 1; rc < 0; n++) {
                struct buf received = { 0 }, plain = { 0 };

                arm((n + 1) / 2, n & 1);
                rc = tls_take_over(&e->t, c, &b, &received, &plain, NULL);
                mem_hooks = usual;
                assert_true(rc == 0 || rc == ERR_MEM || rc == ERR_CRYPTO);
                if (rc < 0) {
                    assert_null(e->t);
                    assert_true(span_eq(buf_span(&b), buf_span(&copy)));
                    assert_int_equal(buf_len(&received) + buf_len(&plain), 0);
                }
                assert_true(rc < 0 || n > 12);
                buf_free(&received);
                buf_free(&plain);
            }
            buf_free(&copy);
            config_unref(c);
        }
        pair_run(p, WIRE_MAX);
        talk(p);
        pair_free(p);
    }
}

static void remember(uint8_t *store, size_t *at, const uint8_t *p, size_t n)
{
    if (n >= 16) {
        memcpy(store + *at, p, n);
        secret[nsecrets++] = span_of(store + *at, n);
        *at += n;
    }
}

/* No key is in memory that was given back. */
static void test_wiped(void **state)
{
    static uint8_t store[1024];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair *p = rich(i);
        struct config *c = config_ref(p->c.t->config);
        struct tls *t = p->c.t;
        struct rec_keys k[2];
        struct buf b;
        size_t at = 0;

        pair_run(p, WIRE_MAX); /* no more records in the way */
        nsecrets = leaks = 0;
        assert_true(rec_half_keys(&t->rx, &k[0]) && rec_half_keys(&t->tx, &k[1]));
        remember(store, &at, k[0].key, rec_key_sizes(&k[0]).key);
        remember(store, &at, k[1].key, rec_key_sizes(&k[1]).key);
        remember(store, &at, k[1].mac_key, rec_key_sizes(&k[1]).mac_key);
        remember(store, &at, t->hs.exporter, t->hs.exporter ? 32 : 0);
        if (hs_is_13(&t->hs)) {
            remember(store, &at, t->rx_secret, 32);
            remember(store, &at, t->tx_secret, 32);
            remember(store, &at, t->hs.post->resumption, 32);
        }
        usual = mem_hooks;
        mem_hooks.release = watching_release;
        b = hand_off(&p->c);
        assert_int_equal(leaks, 0);
        assert_non_null(memmem(buf_data(&b), buf_len(&b), secret[nsecrets - 1].p, 32));
        assert_int_equal(take_over(&p->c.t, c, &b), 0);
        pair_free(p);
        mem_hooks = usual;
        assert_int_equal(leaks, 0);
        watching_release(memcpy(malloc(100), store, 100)); /* it does find them */
        assert_true(leaks > 0);
        nsecrets = 0;
        config_unref(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_connected),
        cmocka_unit_test(test_in_a_renegotiation),
        cmocka_unit_test(test_post_handshake_auth),
        cmocka_unit_test(test_other_config),
        cmocka_unit_test(test_appends),
        cmocka_unit_test(threat_38_other_bytes),
        cmocka_unit_test(threat_38_no_hand_off),
        cmocka_unit_test(threat_37_no_memory),
        cmocka_unit_test(test_wiped),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
