/* SPDX-License-Identifier: ISC */
/* The exporter (RFC 5705, RFC 8446 section 7.5) and the channel bindings made of it and of the
 * server's certificate (RFC 9266, RFC 5929). */
#include "base/mem.h"
#include "tests/handshake/pair12.h"

#define LABEL "EXPERIMENTAL sleeve"
#define NONE  span_of(NULL, 0)

static struct ticket_keys *tickets;
static uint8_t wire[WIRE_MAX];

static struct span context(void)
{
    return span_text("context");
}

static void exported(const struct end *e, struct span ctx, bool has, uint8_t out[40])
{
    assert_int_equal(tls_export(e->t, LABEL, ctx, has, out, 40), 0);
}

/* ---- known answers: made with another program from the definition ---- */
static void known(enum hash_id hash, bool is13, struct span ctx, bool has, const char *hex)
{
    struct suite suite = { .hash = hash };
    uint8_t kept[MASTER_SIZE + 2 * RANDOM_SIZE], out[40], want[40];
    struct hs h = { .suite = &suite, .version = is13 ? TLS_1_3 : TLS_1_2, .exporter = kept };

    for (size_t i = 0; i < sizeof kept; i++) {
        kept[i] = (uint8_t)i;
    }
    pair_unhex(hex, want, sizeof want);
    assert_int_equal(hs_export(&h, LABEL, ctx, has, out, sizeof out), 0);
    assert_memory_equal(out, want, sizeof want);
}

static void test_known_answers(void **state)
{
    (void)state;
    for (int has = 0; has < 2; has++) {
        known(HASH_SHA256, true, NONE, has,
              "5f092b790fa3ebbb8da9377885484ea1580061541b8c36694dd3989107a2c1c508b9d2ecee4a73d7");
        known(HASH_SHA384, true, NONE, has,
              "1f35e3c40edb3ec180d5cd4fedb5af5c5f8b3ae80e473854b1e3093eabdc08a415dabe3ee8a800cb");
    }
    known(HASH_SHA256, true, context(), true,
          "f2596797d15341db2d697945a37db4f3fe748dd9f42063d8c0e80311b12f6b0a837ad82d3b92e7e2");
    known(HASH_SHA384, true, context(), true,
          "c634e198e8ef451491f8a09fbe6b087e04b26e88c7803cc053e09e7d91a85917628ec47a26b9cdb3");
    known(HASH_SHA256, false, NONE, false,
          "9fb5d7a62bb22a6767a4d9e94cdd105f20c1e4b6691014cbf16e9a417fa8721f86815b08f7a0d4ce");
    known(HASH_SHA256, false, NONE, true,
          "eb60a837cbd78b3453b59d5a9c4e4705490ab185a9903b50427674ff777cbe9ed895da3f14227ae1");
    known(HASH_SHA256, false, context(), true,
          "9284b76429ac27e120a2d9a5639fcb31ce2d63f4d012fb060079c058358ca90f4445f005e421b008");
    known(HASH_SHA384, false, NONE, false,
          "e59237d8dcf3de61ab57aa98511623e5b31ef5f632e4bd91d991f2b4d1cae01e2dbd94a4bc1c80c8");
    known(HASH_SHA384, false, NONE, true,
          "036bda28bcdbf64b8567956b594c0bb8e60d809feb7ef7b75ed344b49e7d7d52df6cf2345447a012");
    known(HASH_SHA384, false, context(), true,
          "ee4eea4b2d4248aa11dd5d981bcb6a5f86efc71b9c46ae09cb80c468c0be3fb93fbb3c45c578c005");
}

/* ---- both ends ---- */
static void both_say(const struct pair *p, struct span ctx, bool has, uint8_t out[40])
{
    uint8_t other[40];

    exported(&p->c, ctx, has, out);
    exported(&p->s, ctx, has, other);
    assert_memory_equal(out, other, 40);
}

static const uint16_t suites[] = { 0x1301,       0x1302,    0x1303,       SUITE_GCM,
                                   SUITE_CHACHA, SUITE_CBC, SUITE_RSA_KX, 0xc02c };

static struct pair_params row(size_t i)
{
    return (struct pair_params){ .suite = suites[i],
                                 .id = suites[i] == SUITE_RSA_KX ? ID_RSA : ID_P256,
                                 .tickets = tickets };
}

static bool is_13(size_t i)
{
    return suites[i] >> 8 == 0x13;
}

static void test_both_ends(void **state)
{
    uint8_t kept[40] = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct pair_params q = row(i);
        uint8_t absent[40], empty[40], full[40], again[40];

        for (int resumed = 0; resumed < 2; resumed++) {
            struct pair *p = pair_connected(&q);
            struct tls_info info;

            tls_get_info(p->s.t, &info);
            assert_int_equal(info.resumed, resumed);
            both_say(p, NONE, false, absent);
            both_say(p, NONE, true, empty);
            both_say(p, context(), true, full);
            assert_int_equal(memcmp(absent, empty, 40) == 0, is_13(i));
            assert_memory_not_equal(full, empty, 40);
            assert_memory_not_equal(full, kept, 40);
            memcpy(kept, full, 40);
            assert_int_equal(tls_export(p->c.t, LABEL " 2", context(), true, again, 40), 0);
            assert_memory_not_equal(again, full, 40);
            if (is_13(i)) { /* the keys of now have no part in it; the key log has its secret */
                struct hs h = p->c.t->hs;

                assert_int_equal(tls_key_update(p->c.t, true), 0);
                pair_run(p, WIRE_MAX);
                h.exporter = p->secret[SECRET_EXPORTER];
                assert_int_equal(hs_export(&h, LABEL, context(), true, again, 40), 0);
                assert_memory_equal(again, full, 40);
            }
            both_say(p, context(), true, again);
            assert_memory_equal(again, full, 40);
            session_unref(q.resume);
            q.resume = tls_session(p->c.t);
            assert_non_null(q.resume);
            assert_int_equal(tls_close(p->c.t), 0);
            pair_run(p, WIRE_MAX);
            assert_true(tls_peer_closed(p->s.t));
            both_say(p, context(), true, again);
            assert_memory_equal(again, full, 40);
            pair_free(p);
        }
        session_unref(q.resume);
    }
}

static void test_arguments(void **state)
{
    static uint8_t out[70000];
    static char label[300];

    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct pair_params q = row(i);
        struct pair *p = pair_connected(&q);
        const size_t most = hash_size(p->c.t->hs.suite->hash) * 255;
        struct tls *t = p->c.t;

        assert_int_equal(tls_export(t, "", NONE, false, out, 1), 0);
        assert_int_equal(tls_export(t, LABEL, NONE, false, out, 0), ERR_ARG);
        assert_int_equal(tls_export(t, LABEL, context(), false, out, 1), ERR_ARG);
        assert_int_equal(tls_export(t, LABEL, span_of(out, 65535), true, out, 1), 0);
        assert_int_equal(tls_export(t, LABEL, span_of(out, 65536), true, out, 1), ERR_ARG);
        assert_int_equal(tls_export(t, LABEL, NONE, false, out, most), 0);
        assert_int_equal(tls_export(t, LABEL, NONE, false, out, most + 1) < 0, is_13(i));
        memset(label, 'x', sizeof label - 1);
        label[249] = 0; /* 255 with "tls13 " */
        assert_int_equal(tls_export(t, label, NONE, false, out, 1), 0);
        label[249] = 'x';
        label[250] = 0;
        assert_int_equal(tls_export(t, label, NONE, false, out, 1) < 0, is_13(i));
        for (int k = 0; k < 5; k++) {
            static const char *const ours[] = { "client finished", "server finished",
                                                "master secret", "extended master secret",
                                                "key expansion" };

            assert_int_equal(tls_export(t, ours[k], NONE, false, out, 12), is_13(i) ? 0 : ERR_ARG);
        }
        pair_free(p);
    }
}

static void test_states(void **state)
{
    uint8_t out[64];

    (void)state;
    for (int is12 = 0; is12 < 2; is12++) {
        struct pair *p = pair_new(&(struct pair_params){ .server_max = is12 ? TLS_1_2 : TLS_1_3 });
        size_t n = sizeof out;

        for (int flight = 0; flight < 2; flight++) {
            assert_int_equal(tls_export(p->c.t, LABEL, NONE, false, out, 32), ERR_STATE);
            assert_int_equal(tls_export(p->s.t, LABEL, NONE, false, out, 32), ERR_STATE);
            assert_int_equal(tls_channel_binding(p->s.t, TLS_BINDING_END_POINT, out, &n),
                             ERR_STATE);
            end_give(flight ? &p->c : &p->s, wire, end_take(flight ? &p->s : &p->c, wire));
        }
        assert_int_equal(tls_export(p->s.t, LABEL, NONE, false, out, 32), ERR_STATE);
        pair_run(p, WIRE_MAX);
        assert_int_equal(tls_export(p->s.t, LABEL, NONE, false, out, 32), 0);
        tls_abort(p->s.t, ALERT_INTERNAL_ERROR, "enough");
        assert_int_equal(tls_export(p->s.t, LABEL, NONE, false, out, 32), ERR_CLOSED);
        pair_run(p, WIRE_MAX);
        assert_int_equal(p->c.rc, ERR_PEER_ALERT);
        assert_int_equal(tls_export(p->c.t, LABEL, NONE, false, out, 32), ERR_CLOSED);
        assert_null(p->c.t->hs.exporter);
        assert_int_equal(tls_channel_binding(p->c.t, TLS_BINDING_END_POINT, out, &n), ERR_CLOSED);
        pair_free(p);
    }
}

/* Without extended master secret someone between us could make two connections export the same. */
static void test_without_ems(void **state)
{
    uint8_t out[64];
    size_t n = sizeof out;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair *p =
            pair_connected(&(struct pair_params){ .suite = SUITE_GCM, .no_ems = { i, !i } });
        struct end *e[] = { &p->c, &p->s };

        for (int k = 0; k < 2; k++) {
            assert_int_equal(tls_export(e[k]->t, LABEL, NONE, false, out, 32), ERR_UNSUPPORTED);
            n = sizeof out;
            assert_int_equal(tls_channel_binding(e[k]->t, TLS_BINDING_EXPORTER, out, &n),
                             ERR_UNSUPPORTED);
            assert_int_equal(tls_channel_binding(e[k]->t, TLS_BINDING_END_POINT, out, &n), 0);
        }
        pair_free(p);
    }
}

static void test_renegotiation(void **state)
{
    struct pair *p = pair_connected(
        &(struct pair_params){ .suite = SUITE_GCM, .renegotiation = RENEGOTIATE_SECURE });
    uint8_t before[40], after[40];
    size_t n = sizeof after;

    (void)state;
    both_say(p, NONE, true, before);
    assert_int_equal(tls_channel_binding(p->c.t, TLS_BINDING_EXPORTER, after, &n), ERR_UNSUPPORTED);
    assert_int_equal(tls_channel_binding(p->s.t, TLS_BINDING_EXPORTER, after, &n), ERR_UNSUPPORTED);
    assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
    assert_int_equal(tls_export(p->c.t, LABEL, NONE, true, after, 40), ERR_STATE);
    assert_int_equal(tls_channel_binding(p->c.t, TLS_BINDING_END_POINT, after, &n), ERR_STATE);
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(tls_export(p->s.t, LABEL, NONE, true, after, 40), ERR_STATE);
    pair_run(p, WIRE_MAX);
    both_say(p, NONE, true, after);
    assert_memory_not_equal(after, before, 40);
    pair_free(p);
}

static void test_post_handshake(void **state)
{
    struct pair *p = pair_connected(&(struct pair_params){ .post_auth = true, .client_id = true });
    uint8_t before[40], after[40];

    (void)state;
    both_say(p, NONE, true, before);
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    exported(&p->s, NONE, true, after);
    assert_memory_equal(after, before, 40);
    pair_run(p, WIRE_MAX);
    both_say(p, NONE, true, after);
    assert_memory_equal(after, before, 40);
    pair_free(p);
}

/* ---- channel bindings ---- */
static void binding(const struct end *e, enum tls_binding what, size_t want, uint8_t out[64])
{
    size_t n = want - 1;

    assert_int_equal(tls_channel_binding(e->t, what, out, &n), ERR_ARG);
    n = 64;
    assert_int_equal(tls_channel_binding(e->t, what, out, &n), 0);
    assert_int_equal(n, want);
}

static void test_bindings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct pair_params q = row(i);

        for (int resumed = 0; resumed < 2; resumed++) {
            struct pair *p = pair_connected(&q);
            uint8_t c[64], s[64], want[64];
            struct span leaf = pki.server[q.id]->leaf.der;

            binding(&p->c, TLS_BINDING_EXPORTER, 32, c);
            binding(&p->s, TLS_BINDING_EXPORTER, 32, s);
            assert_int_equal(tls_export(p->s.t, "EXPORTER-Channel-Binding", NONE, true, want, 32),
                             0);
            assert_memory_equal(c, want, 32);
            assert_memory_equal(s, want, 32);
            binding(&p->c, TLS_BINDING_END_POINT, 32, c);
            binding(&p->s, TLS_BINDING_END_POINT, 32, s);
            assert_int_equal(hash_once(HASH_SHA256, leaf.p, leaf.n, want), 0);
            assert_memory_equal(c, want, 32);
            assert_memory_equal(s, want, 32);
            session_unref(q.resume);
            q.resume = tls_session(p->c.t);
            pair_free(p);
        }
        session_unref(q.resume);
    }
}

/* A hash of the certificate's own, found by patching the algorithm's number into one: what it is
 * signed with does not matter here. */
static void end_point_of(const char *from, const char *to, enum hash_id want)
{
    struct span der = pki.server[ID_P256]->leaf.der;
    struct cert_list *list = cert_list_new(&pki.server[ID_P256]->leaf, 1);
    struct settings set = { .role = TLS_CLIENT };
    struct hs h = { .set = &set, .peer = list };
    size_t n = 64, times = 0, len = strlen(from);
    uint8_t out[64], digest[64], *copy, *at;

    assert_non_null(list);
    copy = at = list->der;
    while ((at = memmem(at, der.n - (size_t)(at - copy), from, len)) != NULL) {
        memcpy(at, to, len);
        at += len;
        times++;
    }
    assert_int_equal(times, 2); /* inside what is signed, and behind it */
    if (want == HASH_NONE) {
        assert_int_equal(hs_end_point(&h, out, &n), ERR_UNSUPPORTED);
    } else {
        assert_int_equal(hs_end_point(&h, out, &n), 0);
        assert_int_equal(n, hash_size(want));
        assert_int_equal(hash_once(want, copy, der.n, digest), 0);
        assert_memory_equal(out, digest, n);
    }
    cert_list_unref(list);
}

static void test_end_point_hashes(void **state)
{
#define SHA2 "\x2a\x86\x48\xce\x3d\x04\x03" /* ecdsa-with-SHA2: 2 is 256, 3 is 384, 4 is 512 */
    (void)state;
    end_point_of(SHA2 "\x02", SHA2 "\x02", HASH_SHA256);
    end_point_of(SHA2 "\x02", SHA2 "\x03", HASH_SHA384);
    end_point_of(SHA2 "\x02", SHA2 "\x04", HASH_SHA512);
    end_point_of(SHA2 "\x02", SHA2 "\x01", HASH_NONE); /* SHA-224: not one that we know */
    end_point_of(SHA2 "\x02", "\x2a\x86\x48\x86\xf7\x0d\x01\x01", HASH_NONE);
}

/* A server of several certificates cannot tell which one a session goes back to. */
static void test_end_point_unknown(void **state)
{
    struct settings set = { .role = TLS_SERVER };
    struct hs h = { .set = &set };
    uint8_t out[64];
    size_t n = sizeof out;

    (void)state;
    assert_int_equal(hs_end_point(&h, out, &n), ERR_UNSUPPORTED);
    set.role = TLS_CLIENT;
    assert_int_equal(hs_end_point(&h, out, &n), ERR_UNSUPPORTED);
}

/* ---- what is kept ---- */
static const void *watched;
static size_t watched_size;
static int seen;
static struct mem_hooks real;

static void release(void *p)
{
    if (p && p == watched) {
        for (size_t i = 0; i < watched_size; i++) {
            assert_int_equal(((const uint8_t *)p)[i], 0);
        }
        seen++;
    }
    real.release(p);
}

static void test_kept_and_wiped(void **state)
{
    static const struct {
        uint16_t suite;
        size_t size;
    } rows[] = { { 0x1301, 32 }, { 0x1302, 48 }, { SUITE_GCM, 112 } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct pair *p = pair_connected(&(struct pair_params){ .suite = rows[i].suite });

        assert_int_equal(p->c.t->hs.exporter_size, rows[i].size);
        assert_int_equal(p->s.t->hs.exporter_size, rows[i].size);
        watched = p->s.t->hs.exporter;
        watched_size = rows[i].size;
        seen = 0;
        real = mem_hooks;
        mem_hooks.release = release;
        pair_free(p);
        mem_hooks = real;
        assert_int_equal(seen, 1);
    }
}

static int make(void **state)
{
    tickets = NULL;
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
        cmocka_unit_test(test_known_answers),    cmocka_unit_test(test_both_ends),
        cmocka_unit_test(test_arguments),        cmocka_unit_test(test_states),
        cmocka_unit_test(test_without_ems),      cmocka_unit_test(test_renegotiation),
        cmocka_unit_test(test_post_handshake),   cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_end_point_hashes), cmocka_unit_test(test_end_point_unknown),
        cmocka_unit_test(test_kept_and_wiped),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
