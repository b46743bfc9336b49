/* SPDX-License-Identifier: ISC */
/* The engine end to end: client and server joined in memory. */
#include "tests/handshake/pair.h"

static uint8_t wire[WIRE_MAX], data[WIRE_MAX];

static void talk_both_ways(struct pair *p)
{
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong!", 5);
}

/* ---- handshakes ---- */
static void one_of_matrix(uint16_t suite, const struct group *g, int id)
{
    static const uint16_t schemes[ID_KINDS] = { 0x0403, 0x0503, 0x0804, 0x0807 };
    struct pair_params q = { .suite = suite, .client_groups = { g->id }, .id = id };
    struct pair *p = pair_connected(&q);
    struct end *ends[] = { &p->c, &p->s };

    for (size_t i = 0; i < 2; i++) {
        struct tls_info info;

        tls_get_info(ends[i]->t, &info);
        assert_int_equal(ends[i]->done, 1);
        assert_int_equal(info.version, TLS_1_3);
        assert_string_equal(info.version_name, "TLSv1.3");
        assert_int_equal(info.suite_id, suite);
        assert_int_equal(info.group_id, g->id);
        assert_int_equal(info.scheme_id, schemes[id]);
        assert_string_equal(info.sni, PAIR_HOST);
        assert_string_equal(info.alpn, "");
        assert_string_equal(info.host, i ? "" : PAIR_HOST);
        assert_int_equal(info.peer_cert.n != 0, i == 0);
        assert_false(info.client_auth || info.resumed);
        assert_int_equal(tls_error(ends[i]->t)->code, 0);
    }
    talk_both_ways(p);
    pair_free(p);
}

static void test_matrix(void **state)
{
    size_t ngroups = 0, nsuites = 0;

    (void)state;
    for (size_t s = 0; suite_at(s)->version == TLS_1_3; s++, nsuites++) {
        ngroups = 0;
        for (size_t g = 0; group_at(g); g++, ngroups++) {
            for (int id = 0; id < ID_KINDS; id++) {
                one_of_matrix(suite_at(s)->id, group_at(g), id);
            }
        }
    }
    assert_true(ngroups >= 2);
    assert_int_equal(nsuites, 3);
}

static void test_alpn(void **state)
{
    static const struct {
        const char *client[3], *server[3], *want;
    } rows[] = {
        { { "h2", "http/1.1" }, { "http/1.1" }, "http/1.1" },
        { { "a", "b" }, { "b", "a" }, "b" }, /* the server's order */
        { { "h2" }, { NULL }, "" },
        { { NULL }, { "h2" }, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_params q = { 0 };
        struct tls_info c, s;
        struct pair *p;

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

static void threat_24_alpn_without_overlap(void **state)
{
    static const char *const others[] = { "redis", "h", "h22", "H2", "h2c" };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof others / sizeof *others; i++) {
        struct pair_params q = { .client_alpn = { "h2" }, .server_alpn = { others[i / 2] } };
        struct pair *p;

        q.server_max = i & 1 ? TLS_1_2 : TLS_1_3;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_refused(&p->s, ALERT_NO_APPLICATION_PROTOCOL);
        assert_int_equal(p->c.rc, ERR_PEER_ALERT);
        assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_NO_APPLICATION_PROTOCOL);
        pair_free(p);
    }
}

static void test_client_auth(void **state)
{
    (void)state;
    for (int auth = CLIENT_AUTH_NONE; auth <= CLIENT_AUTH_REQUIRE; auth++) {
        for (int with = 0; with < 2; with++) {
            struct pair_params q = { .auth = (enum client_auth)auth, .client_id = with };
            bool proved = with && auth != CLIENT_AUTH_NONE;
            struct pair *p = pair_new(&q);
            struct tls_info i;

            pair_run(p, WIRE_MAX);
            tls_get_info(p->s.t, &i);
            assert_int_equal(i.client_auth, proved);
            assert_int_equal(i.peer_cert.n != 0, proved);
            if (auth == CLIENT_AUTH_REQUIRE && !with) { /* threat 3 */
                assert_refused(&p->s, ALERT_CERTIFICATE_REQUIRED);
                assert_int_equal(p->s.done, 0);
                assert_int_equal(p->c.rc, ERR_PEER_ALERT);
                assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_CERTIFICATE_REQUIRED);
            } else {
                assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
                talk_both_ways(p);
            }
            pair_free(p);
        }
    }
}

static void test_hello_retry(void **state)
{
    (void)state;
    for (int auth = CLIENT_AUTH_NONE; auth <= CLIENT_AUTH_REQUIRE; auth++) {
        for (size_t s = 0; suite_at(s)->version == TLS_1_3; s++) {
            struct pair_params q = { .suite = suite_at(s)->id,
                                     .client_groups = { 29, 23 },
                                     .server_groups = { 23 },
                                     .client_id = true,
                                     .auth = (enum client_auth)auth };
            struct pair *p = pair_new(&q);
            struct tls_info i;

            pair_run(p, auth ? 1 : WIRE_MAX);
            assert_true(p->c.done == 1 && p->s.done == 1);
            tls_get_info(p->c.t, &i);
            assert_int_equal(i.group_id, 23);
            tls_get_info(p->s.t, &i);
            assert_int_equal(i.group_id, 23);
            assert_int_equal(i.client_auth, auth != CLIENT_AUTH_NONE);
            talk_both_ways(p);
            pair_free(p);
        }
    }
}

static void test_no_common_group(void **state)
{
    struct pair_params q = { .client_groups = { 29 }, .server_groups = { 23 } };
    struct pair *p = pair_new(&q);

    (void)state;
    pair_run(p, WIRE_MAX);
    assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
    assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_HANDSHAKE_FAILURE);
    pair_free(p);
}

static void test_certificate_refused(void **state)
{
    static const struct {
        struct pair_params q;
        unsigned alert;
    } rows[] = {
        { { .host = "other.test" }, ALERT_BAD_CERTIFICATE },
        { { .host = "127.0.0.1" }, ALERT_BAD_CERTIFICATE },
        { { .host = "a.server.test" }, ALERT_BAD_CERTIFICATE },
        { { .other_ca = true }, ALERT_UNKNOWN_CA },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair *p = pair_new(&rows[i].q);

        pair_run(p, WIRE_MAX);
        assert_refused(&p->c, rows[i].alert);
        assert_int_equal(p->c.done, 0);
        assert_int_equal(p->s.rc, ERR_PEER_ALERT); /* it comes sealed with the handshake keys */
        assert_int_equal(tls_error(p->s.t)->alert_received, rows[i].alert);
        assert_int_equal(p->s.done, 0);
        pair_free(p);
    }
}

/* ---- cut and joined ---- */

/* threat 10: the n-th flight arrives in two pieces, cut at every byte. */
static void test_flights_cut_at_every_byte(void **state)
{
    struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };

    (void)state;
    for (unsigned flight = 0; flight < 3; flight++) {
        size_t n = 2;

        for (size_t cut = 1; cut < n; cut++) {
            struct pair *p = pair_new(&q);

            for (unsigned i = 0; i < 3; i++) {
                struct end *from = i == 1 ? &p->s : &p->c, *to = i == 1 ? &p->c : &p->s;
                size_t len = end_take(from, wire), first = i == flight ? cut : len;

                n = i == flight ? len : n; /* ECDSA signatures vary in length */
                first = first < len ? first : len;
                end_give(to, wire, first);
                if (first < len) { /* never complete before its last byte */
                    assert_int_equal(to->done, 0);
                }
                end_give(to, wire + first, len - first);
            }
            assert_true(p->c.done == 1 && p->s.done == 1);
            pair_free(p);
        }
        assert_true(n > 50);
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    for (int id = 0; id < ID_KINDS; id++) {
        struct pair_params q = { .id = id, .auth = CLIENT_AUTH_REQUEST, .client_id = true };
        struct pair *p = pair_new(&q);
        size_t n;

        pair_run(p, 1);
        assert_true(p->c.done == 1 && p->s.done == 1);
        n = end_seal(&p->c, "by bytes", 8, wire);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(p->s.ngot, 0);
            end_give(&p->s, wire + i, 1);
        }
        assert_memory_equal(p->s.got, "by bytes", 8);
        pair_free(p);
    }
}

/* threat 10: every handshake message in records of one byte. */
static void threat_10_records_of_one_byte(void **state)
{
    struct pair *p = pair_new(NULL);
    struct hand open, seal;
    static uint8_t messages[WIRE_MAX];
    size_t n, clear;

    (void)state;
    n = end_take(&p->c, wire);
    for (size_t i = REC_HEADER; i < n; i++) {
        give_clear(&p->s, CT_HANDSHAKE, wire + i, 1);
    }
    n = end_take(&p->s, wire);
    open = hand_new(p, SECRET_SH, false);
    seal = hand_new(p, SECRET_SH, true);
    n = flight_open(&open, wire, n, messages, &clear);
    for (size_t i = 0; i < clear; i++) {
        give_clear(&p->c, CT_HANDSHAKE, messages + i, 1);
    }
    for (size_t i = clear; i < n; i++) {
        assert_int_equal(p->c.done, 0);
        hand_give(&seal, &p->c, CT_HANDSHAKE, messages + i, 1);
    }
    assert_int_equal(p->c.rc, 0);
    assert_int_equal(p->c.done, 1);
    pair_run(p, WIRE_MAX);
    talk_both_ways(p);
    hand_free(&open);
    hand_free(&seal);
    pair_free(p);
}

/* Finished, data, KeyUpdate, more data and close_notify in one piece. */
static void test_coalesced(void **state)
{
    struct pair *p = pair_new(NULL);
    size_t n;

    (void)state;
    end_give(&p->s, wire, end_take(&p->c, wire));
    end_give(&p->c, wire, end_take(&p->s, wire));
    assert_int_equal(p->c.done, 1);
    n = end_take(&p->c, wire);
    n += end_seal(&p->c, "one", 3, wire + n);
    assert_int_equal(tls_key_update(p->c.t, true), 0);
    n += end_take(&p->c, wire + n);
    n += end_seal(&p->c, "two", 3, wire + n);
    assert_int_equal(tls_close(p->c.t), 0);
    n += end_take(&p->c, wire + n);
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.rc, 0);
    assert_true(p->s.done == 1 && p->s.closed == 1);
    assert_int_equal(p->s.ngot, 6);
    assert_memory_equal(p->s.got, "onetwo", 6);
    pair_free(p);
}

/* ---- data ---- */
static void test_data_sizes(void **state)
{
    static const size_t sizes[] = { 1, 2, 16383, 16384, 16385, 32768, 32769, 100000 };
    struct pair *p = pair_connected(NULL);
    struct tls_info i;
    size_t sum = 0;

    (void)state;
    for (size_t k = 0; k < sizeof data; k++) {
        data[k] = (uint8_t)(k * 7 + (k >> 8));
    }
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        end_talk(&p->c, &p->s, data, sizes[k]);
        end_talk(&p->s, &p->c, data, sizes[k]);
        sum += sizes[k];
    }
    tls_get_info(p->c.t, &i);
    assert_int_equal(i.sealed_bytes, sum);
    assert_int_equal(i.opened_bytes, sum);
    pair_free(p);
}

/* As many whole records as fit, and not a byte more. */
static void test_seal_room(void **state)
{
    struct span parts[3] = { span_of(data, 10), span_of(data + 10, 0), span_of(data + 10, 90) };
    struct pair *p = pair_connected(NULL);
    size_t taken, made, overhead = tls_overhead(p->c.t, 0);

    (void)state;
    for (size_t room = 0; room <= 130; room++) {
        size_t want = room <= overhead ? 0 : room - overhead;

        want = want > 100 ? 100 : want;
        memset(wire, 0xa5, 200);
        assert_int_equal(tls_seal(p->c.t, parts, 3, &taken, wire, room, &made), 0);
        assert_int_equal(taken, want);
        assert_int_equal(made, want ? want + overhead : 0);
        assert_int_equal(wire[room], 0xa5);
        p->s.ngot = 0;
        end_give(&p->s, wire, made);
        assert_int_equal(p->s.ngot, want);
        assert_memory_equal(p->s.got, data, want);
    }
    assert_int_equal(tls_seal(p->c.t, NULL, 0, &taken, wire, sizeof wire, &made), 0);
    assert_int_equal(made, overhead); /* one empty record */
    p->s.ngot = 0;
    end_give(&p->s, wire, made);
    assert_int_equal(p->s.rc, 0);
    assert_int_equal(p->s.ngot, 0);
    pair_free(p);
}

/* More parts than one record takes. */
static void test_seal_many_parts(void **state)
{
    struct span parts[50];
    struct pair *p = pair_connected(NULL);
    size_t taken, made;

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        parts[i] = span_of(data + 3 * i, 3);
    }
    assert_int_equal(tls_seal(p->c.t, parts, 50, &taken, wire, sizeof wire, &made), 0);
    assert_int_equal(taken, 150);
    end_give(&p->s, wire, made);
    assert_int_equal(p->s.ngot, 150);
    assert_memory_equal(p->s.got, data, 150);
    pair_free(p);
}

/* The plaintext goes where it is wanted; what does not fit there stays in the record. */
static void test_open_into(void **state)
{
    static const size_t rooms[] = { 0, 1, 50, 99, 100, 101, 116, 117, 200 };
    struct pair *p = pair_connected(NULL);
    uint8_t out[256];

    (void)state;
    for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++) {
        size_t n = end_seal(&p->c, data, 100, wire), room = rooms[k];
        struct tls_in in = { .data = wire, .len = n, .out = out, .room = room };

        memset(out, 0xa5, sizeof out);
        assert_int_equal(tls_input(p->s.t, &in), TLS_EV_DATA);
        assert_int_equal(in.used, n);
        assert_int_equal(in.nplain, room < 100 ? room : 100);
        assert_int_equal(in.nrest, room < 100 ? 100 - room : 0);
        assert_memory_equal(out, data, in.nplain);
        if (in.nrest) {
            assert_memory_equal(in.rest, data + room, in.nrest);
        }
        assert_int_equal(out[room], 0xa5);
    }
    pair_free(p);
}

static void test_too_early(void **state)
{
    struct pair *p = pair_new(NULL);
    struct span one = span_of("x", 1);
    size_t taken, made;

    (void)state;
    assert_int_equal(tls_seal(p->c.t, &one, 1, &taken, wire, 100, &made), ERR_STATE);
    assert_int_equal(tls_key_update(p->c.t, false), ERR_STATE);
    assert_int_equal(made, 0);
    pair_free(p);
}

/* ---- the end ---- */
static void test_close(void **state)
{
    struct pair *p = pair_connected(NULL);
    struct span one = span_of("x", 1);
    size_t taken, made, n;

    (void)state;
    assert_int_equal(tls_close(p->c.t), 0);
    assert_int_equal(tls_close(p->c.t), 0);
    n = end_take(&p->c, wire);
    assert_int_equal(n, REC_HEADER + 2 + 1 + AEAD_TAG); /* once */
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.closed, 1);
    assert_true(tls_peer_closed(p->s.t));
    assert_int_equal(p->s.rc, 0);
    end_give(&p->s, "anything", 8); /* ignored (section 6.1) */
    assert_int_equal(p->s.rc, 0);
    end_talk(&p->s, &p->c, "still", 5); /* half-closed */
    assert_int_equal(tls_seal(p->c.t, &one, 1, &taken, wire, 100, &made), ERR_CLOSED);
    assert_int_equal(tls_key_update(p->c.t, false), ERR_CLOSED);
    assert_int_equal(tls_close(p->s.t), 0);
    end_give(&p->c, wire, end_take(&p->s, wire));
    assert_int_equal(p->c.closed, 1);
    pair_free(p);
}

static void test_abort(void **state)
{
    struct pair *p = pair_connected(NULL);

    (void)state;
    tls_abort(p->c.t, ALERT_INTERNAL_ERROR, "enough");
    assert_false(tls_connected(p->c.t));
    assert_string_equal(tls_error(p->c.t)->text, "enough");
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(p->s.rc, ERR_PEER_ALERT);
    assert_int_equal(tls_error(p->s.t)->alert_received, ALERT_INTERNAL_ERROR);
    assert_int_equal(end_take(&p->s, wire), 0); /* an alert is not answered */
    pair_free(p);
}

/* ---- KeyUpdate ---- */
static void test_key_update(void **state)
{
    (void)state;
    for (size_t s = 0; suite_at(s)->version == TLS_1_3; s++) {
        struct pair_params q = { .suite = suite_at(s)->id };
        struct pair *p = pair_connected(&q);
        struct end *ends[] = { &p->c, &p->s };

        for (int i = 0; i < 6; i++) {
            struct end *from = ends[i & 1], *to = ends[!(i & 1)];
            bool ask = i & 2;
            size_t n;

            assert_int_equal(tls_key_update(from->t, ask), 0);
            end_give(to, wire, end_take(from, wire));
            assert_int_equal(to->rc, 0);
            n = end_take(to, wire);
            assert_int_equal(n, ask ? REC_HEADER + 5 + 1 + AEAD_TAG : 0);
            end_give(from, wire, n);
            assert_int_equal(end_take(from, wire), 0); /* the answer asks for none */
            talk_both_ways(p);
        }
        pair_free(p);
    }
}

/* The answer goes out under the old keys, before anything sealed behind it. */
static void test_key_update_crossing(void **state)
{
    struct pair *p = pair_connected(NULL);
    static uint8_t back[WIRE_MAX];
    size_t n, m;

    (void)state;
    assert_int_equal(tls_key_update(p->c.t, true), 0);
    assert_int_equal(tls_key_update(p->s.t, true), 0);
    n = end_take(&p->c, wire);
    m = end_take(&p->s, back);
    end_give(&p->s, wire, n);
    end_give(&p->c, back, m);
    pair_run(p, WIRE_MAX);
    assert_true(p->c.rc == 0 && p->s.rc == 0);
    talk_both_ways(p);
    pair_free(p);
}

/* ---- threat 25: the last numbers of a key ---- */

/* At the limit of the AEAD the keys change by themselves, and nobody notices. */
static void threat_25_worn_keys(void **state)
{
    (void)state;
    for (size_t s = 0; suite_at(s)->version == TLS_1_3; s++) {
        for (int i = 0; i < 4; i++) {
            struct pair_params q = { .suite = suite_at(s)->id };
            struct pair *p = pair_connected(&q);
            struct end *from = i & 1 ? &p->s : &p->c, *to = i & 1 ? &p->c : &p->s;
            uint64_t left = i & 2 ? 0 : 1;

            (void)end_take(&p->c, wire);
            (void)end_take(&p->s, wire);
            from->t->tx.seq = to->t->rx.seq = from->t->tx.limit - left;
            if (left) {
                end_talk(from, to, "last", 4);
                assert_int_equal(from->t->tx.seq, from->t->tx.limit);
            }
            end_talk(from, to, "next", 4); /* behind a KeyUpdate */
            assert_int_equal(from->t->tx.seq, 1);
            assert_int_equal(to->t->rx.seq, 1);
            talk_both_ways(p);
            pair_free(p);
        }
    }
}

/* TLS 1.2 has no such means: it ends before a number comes again. */
static void threat_25_wrap(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pair_params q = { .server_max = i & 2 ? TLS_1_2 : TLS_1_3 };
        struct pair *p = pair_connected(&q);
        struct span part = span_of("x", 1);
        size_t taken, made;

        (void)end_take(&p->c, wire);
        p->c.t->tx.seq = p->s.t->rx.seq = UINT64_MAX;
        if (i & 1) {
            assert_int_equal(tls_seal(p->c.t, &part, 1, &taken, wire, sizeof wire, &made),
                             ERR_LIMIT);
        } else { /* nor does a KeyUpdate or an alert get out */
            (void)!tls_close(p->c.t);
        }
        assert_int_equal(tls_output(p->c.t).n, 0);
        assert_true(tls_seal(p->c.t, &part, 1, &taken, wire, sizeof wire, &made) < 0);
        assert_int_equal(made, 0);
        pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(threat_24_alpn_without_overlap),
        cmocka_unit_test(test_client_auth),
        cmocka_unit_test(test_hello_retry),
        cmocka_unit_test(test_no_common_group),
        cmocka_unit_test(test_certificate_refused),
        cmocka_unit_test(test_flights_cut_at_every_byte),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(threat_10_records_of_one_byte),
        cmocka_unit_test(test_coalesced),
        cmocka_unit_test(test_data_sizes),
        cmocka_unit_test(test_seal_room),
        cmocka_unit_test(test_seal_many_parts),
        cmocka_unit_test(test_open_into),
        cmocka_unit_test(test_too_early),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_key_update),
        cmocka_unit_test(test_key_update_crossing),
        cmocka_unit_test(threat_25_worn_keys),
        cmocka_unit_test(threat_25_wrap),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
