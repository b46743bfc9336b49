/* SPDX-License-Identifier: ISC */
/* TLS 1.2 end to end: every suite with every key, its records, and how a connection ends. Resuming
 * and renegotiating have files of their own. */
#include "tests/handshake/pair12.h"

static uint8_t wire[WIRE_MAX], data[WIRE_MAX];

static void talk_both_ways(struct pair *p)
{
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong!", 5);
}

/* Bytes that RFC 5246 section 6.2.3 (5288, 7905, 7366) has a record add to n. */
static size_t overhead_of(const struct suite *s, bool etm, size_t n)
{
    size_t mac;

    if (s->cbc == CBC_NONE) {
        return REC_HEADER + AEAD_TAG + (s->aead == AEAD_CHACHA20_POLY1305 ? 0 : 8);
    }
    mac = hash_size(s->mac);
    n += etm ? 0 : mac;
    return REC_HEADER + 16 + (16 - n % 16) + mac;
}

/* ---- the matrix ---- */
static void check_info(const struct pair *p, const struct suite *s, const struct pair_params *q)
{
    const struct end *ends[] = { &p->c, &p->s };
    bool ems = !q->no_ems[0] && !q->no_ems[1];
    bool etm = s->cbc != CBC_NONE && !q->no_etm[0] && !q->no_etm[1];
    bool client_auth = q->auth != CLIENT_AUTH_NONE && q->client_id;

    for (size_t i = 0; i < 2; i++) {
        struct tls_info info;

        tls_get_info(ends[i]->t, &info);
        assert_int_equal(ends[i]->done, 1);
        assert_int_equal(info.version, TLS_1_2);
        assert_string_equal(info.version_name, "TLSv1.2");
        assert_int_equal(info.suite_id, s->id);
        assert_int_equal(info.ems, ems);
        assert_int_equal(info.etm, etm);
        assert_int_equal(info.group_id != 0, s->kx == KX_ECDHE || s->kx == KX_DHE);
        assert_true(info.secure_renegotiation);
        assert_false(info.resumed);
        assert_int_equal(info.client_auth, i && client_auth);
        assert_int_equal(info.peer_cert.n != 0, i == 0 || client_auth);
        assert_string_equal(info.sni, PAIR_HOST);
        assert_string_equal(info.host, i ? "" : PAIR_HOST);
        assert_int_equal(info.finished_last, i);
        assert_null(tls_session(ends[i]->t)); /* the server has neither cache nor ticket keys */
        for (size_t n = 0; n < 70; n++) {
            assert_int_equal(tls_overhead(ends[i]->t, n), overhead_of(s, etm, n));
        }
    }
}

static void test_matrix(void **state)
{
    unsigned fit = 0;

    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        const struct suite *s = suite_at(i);
        const bool ours = s->version == TLS_1_2 && s->auth != AUTH_ANY && !suite_has_psk(s);

        for (int id = 0; ours && id < ID_KINDS; id++) {
            bool fits = (s->auth == AUTH_RSA) == (id == ID_RSA);

            /* client authentication, then who leaves out EMS and EtM */
            for (unsigned flags = 0; flags < (fits ? 32 : 1); flags++) {
                struct pair_params q = { .suite = s->id,
                                         .id = id,
                                         .client_id = flags & 1,
                                         .auth = flags & 1 ? CLIENT_AUTH_REQUIRE : CLIENT_AUTH_NONE,
                                         .no_ems = { flags & 2, flags & 4 },
                                         .no_etm = { flags & 8, flags & 16 } };
                struct pair *p = pair_new(&q);

                if ((flags & 6) == 6 || (flags & 24) == 24 || (s->cbc == CBC_NONE && flags > 7)) {
                    pair_free(p);
                    continue;
                }
                pair_run(p, WIRE_MAX);
                if (fits) {
                    assert_true(p->c.rc == 0 && p->s.rc == 0);
                    check_info(p, s, &q);
                    talk_both_ways(p);
                    fit++;
                } else {
                    assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
                    assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_HANDSHAKE_FAILURE);
                }
                pair_free(p);
            }
        }
    }
    assert_true(fit > 200);
}

/* threat 16: what there is at all, and what is offered unless asked for. */
static void threat_16_suites(void **state)
{
    static const uint16_t defaults[] = { 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f,
                                         0xc02c, 0xc030, 0xcca9, 0xcca8 };
    size_t n = 0;

    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        const struct suite *s = suite_at(i);

        if (s->by_default) {
            assert_true(n < 9 && s->id == defaults[n]);
            n++;
        }
        assert_null(strstr(s->name, "NULL"));
        assert_null(strstr(s->name, "RC4"));
        assert_null(strstr(s->name, "DES"));
        assert_null(strstr(s->name, "EXPORT"));
        assert_null(strstr(s->name, "anon"));
    }
    assert_int_equal(n, 9);
}

static void test_groups(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i); i++) {
        /* secp256r1 is the curve of the certificate */
        struct pair_params q = { .suite = SUITE_GCM,
                                 .client_groups = { group_at(i)->id, 23 },
                                 .server_groups = { group_at(i)->id } };
        struct pair *p;
        struct tls_info info;

        if (!group_is_classic(group_at(i))) {
            continue;
        }
        p = pair_connected(&q);
        tls_get_info(p->c.t, &info);
        assert_string_equal(info.group, group_at(i)->name);
        pair_free(p);
        q.server_groups[0] = group_at(i)->id == 24 ? 25 : 24;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        pair_free(p);
    }
}

/* RFC 8422 section 5.1: an ECDSA certificate is of a curve that the client listed. */
static void test_curve_of_the_certificate(void **state)
{
    (void)state;
    for (int id = 0; id < ID_KINDS; id++) {
        struct pair_params q = { .suite = id == ID_RSA ? SUITE_RSA_GCM : SUITE_GCM,
                                 .id = id,
                                 .client_groups = { 29 } };
        struct pair *p = pair_new(&q);

        pair_run(p, WIRE_MAX);
        if (id == ID_P256 || id == ID_P384) {
            assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        } else {
            assert_true(p->c.done == 1 && p->s.done == 1);
        }
        pair_free(p);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        struct pair_params q;
        bool server;
        unsigned alert;
    } rows[] = {
        { { .suite = SUITE_GCM, .host = "other.test" }, false, ALERT_BAD_CERTIFICATE },
        { { .suite = SUITE_GCM, .other_ca = true }, false, ALERT_UNKNOWN_CA },
        { { .suite = SUITE_GCM, .auth = CLIENT_AUTH_REQUIRE }, true, ALERT_HANDSHAKE_FAILURE },
        { { .suite = SUITE_GCM, .client_alpn = { "h2" }, .server_alpn = { "redis" } },
          true,
          ALERT_NO_APPLICATION_PROTOCOL },
        { { .client_suites = { SUITE_GCM }, .server_suites = { SUITE_CBC } },
          true,
          ALERT_HANDSHAKE_FAILURE },
        { { .client_suites = { SUITE_GCM }, .server_suites = { 0x1301 } },
          true,
          ALERT_PROTOCOL_VERSION },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair *p = pair_new(&rows[i].q);
        struct end *e = rows[i].server ? &p->s : &p->c, *other = rows[i].server ? &p->c : &p->s;

        pair_run(p, WIRE_MAX);
        assert_refused(e, rows[i].alert);
        assert_int_equal(other->rc, ERR_PEER_ALERT);
        assert_int_equal(tls_error(other->t)->alert_received, rows[i].alert);
        assert_true(p->c.done == 0 && p->s.done == 0);
        pair_free(p);
    }
}

static void test_alpn_and_status(void **state)
{
    (void)state;
    for (int kx = 0; kx < 2; kx++) {
        struct pair_params q = { .suite = kx ? SUITE_RSA_KX : SUITE_RSA_GCM,
                                 .id = ID_RSA,
                                 .client_alpn = { "h2", "http/1.1" },
                                 .server_alpn = { "http/1.1", "h2" },
                                 .status = "an OCSP response" };
        struct pair *p = pair_connected(&q);
        struct tls_info c, s;

        tls_get_info(p->c.t, &c);
        tls_get_info(p->s.t, &s);
        assert_string_equal(c.alpn, "http/1.1");
        assert_string_equal(s.alpn, "http/1.1");
        assert_true(span_eq(c.status, span_text("an OCSP response")));
        assert_int_equal(s.status.n, 0);
        pair_free(p);
    }
}

/* threat 10: everything in pieces of one byte, with every message that there is. */
static void test_byte_by_byte(void **state)
{
    static const uint16_t suites[] = { SUITE_GCM, SUITE_CBC, SUITE_CHACHA };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct pair_params q = {
            .suite = suites[i], .client_id = true, .auth = CLIENT_AUTH_REQUIRE, .status = "response"
        };
        struct pair *p = pair_new(&q);

        pair_run(p, 1);
        assert_true(p->c.done == 1 && p->s.done == 1);
        talk_both_ways(p);
        pair_free(p);
    }
}

/* ---- records ---- */
static const struct {
    uint16_t suite;
    bool no_etm;
} kinds[] = { { SUITE_GCM, false }, { SUITE_CHACHA, false }, { SUITE_CBC, false },
              { SUITE_CBC, true },  { 0xc024, false },       { 0xc024, true },
              { 0x1301, false } };
#define NKINDS (sizeof kinds / sizeof *kinds)

static struct pair *of_kind(size_t i)
{
    return pair_connected(
        &(struct pair_params){ .suite = kinds[i].suite, .no_etm = { kinds[i].no_etm } });
}

static void test_data_sizes(void **state)
{
    static const size_t sizes[] = { 1, 2, 15, 16, 17, 16383, 16384, 16385, 50000 };

    (void)state;
    for (size_t k = 0; k < sizeof data; k++) {
        data[k] = (uint8_t)(k * 7 + (k >> 8));
    }
    for (size_t i = 0; i < NKINDS; i++) {
        struct pair *p = of_kind(i);

        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            end_talk(&p->c, &p->s, data, sizes[k]);
            end_talk(&p->s, &p->c, data, sizes[k]);
        }
        pair_free(p);
    }
}

static void test_seal_in_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKINDS; i++) {
        struct pair *p = of_kind(i);

        for (size_t n = 0; n < 100; n++) {
            size_t head = tls_headroom(p->c.t), want = n + tls_overhead(p->c.t, n), taken, made;
            struct span part = span_of(wire + head, n);

            memset(wire, 0xa5, 400);
            memcpy(wire + head, data, n);
            assert_int_equal(tls_seal(p->c.t, &part, 1, &taken, wire, want, &made), 0);
            assert_true(taken == n && made == want);
            assert_int_equal(wire[want], 0xa5);
            p->s.ngot = 0;
            end_give(&p->s, wire, made);
            assert_int_equal(p->s.ngot, n);
            assert_memory_equal(p->s.got, data, n);
        }
        pair_free(p);
    }
}

/* As much as fits, and not a byte more; opened into whatever room there is. */
static void test_seal_and_open_rooms(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKINDS; i++) {
        struct pair *p = of_kind(i);

        for (size_t room = 0; room <= 220; room++) {
            struct span part[2] = { span_of(data, 7), span_of(data + 7, 93) };
            size_t taken, made;
            uint8_t out[256];
            struct tls_in in = { .data = wire, .out = out, .room = room / 2 };

            memset(wire, 0xa5, 256);
            memset(out, 0xa5, sizeof out);
            assert_int_equal(tls_seal(p->c.t, part, 2, &taken, wire, room, &made), 0);
            assert_true(made <= room && wire[room] == 0xa5);
            if (taken < 100) { /* one more would not have fitted */
                assert_true(taken + 1 + tls_overhead(p->c.t, taken + 1) > room);
            }
            assert_int_equal(made, taken ? taken + tls_overhead(p->c.t, taken) : 0);
            in.len = made;
            if (made == 0) {
                continue;
            }
            assert_int_equal(tls_input(p->s.t, &in), TLS_EV_DATA);
            assert_int_equal(in.nplain, taken < in.room ? taken : in.room);
            assert_int_equal(in.nplain + in.nrest, taken);
            assert_memory_equal(out, data, in.nplain);
            assert_true(in.nrest == 0 || memcmp(in.rest, data + in.nplain, in.nrest) == 0);
            assert_int_equal(out[in.room], 0xa5);
        }
        pair_free(p);
    }
}

/* RFC 6066 section 4: from the ServerHello on, both ways, and handshake messages too. */
static void test_max_fragment(void **state)
{
    static const uint16_t suites[] = { SUITE_RSA_GCM, 0xcca8, 0xc013 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (unsigned max = 512; max <= 4096; max *= 2) {
            struct pair_params q = { .suite = suites[i],
                                     .id = ID_RSA,
                                     .max_fragment = max,
                                     .auth = CLIENT_AUTH_REQUIRE,
                                     .client_id = true };
            struct pair *p = pair_new(&q);
            struct end *ends[] = { &p->c, &p->s };
            struct hand12 h;
            size_t n, len;

            end_give(&p->s, wire, end_take(&p->c, wire));
            n = end_take(&p->s, wire);
            for (size_t at = 0; at < n; at += REC_HEADER + len) {
                len = (size_t)wire[at + 3] << 8 | wire[at + 4];
                assert_true(len <= max);
            }
            end_give(&p->c, wire, n);
            pair_run(p, WIRE_MAX);
            assert_true(p->c.done == 1 && p->s.done == 1);
            for (size_t k = 0; k < 2; k++) {
                n = end_seal(ends[k], data, 10000, wire);
                for (size_t at = 0; at < n; at += REC_HEADER + len) {
                    len = (size_t)wire[at + 3] << 8 | wire[at + 4];
                    assert_true(REC_HEADER + len <= max + tls_overhead(ends[k]->t, max));
                }
                ends[!k]->ngot = 0;
                end_give(ends[!k], wire, n);
                assert_int_equal(ends[!k]->ngot, 10000);
            }
            pair_free(p);
            for (size_t extra = 0; extra < 2; extra++) { /* a peer that forgets: threat 7 */
                p = pair_connected(&q);
                h = hand12_new(p, TLS_CLIENT, true);
                h.half.seq = 1;
                hand12_give(&h, &p->s, CT_APPLICATION_DATA, data, max + extra);
                if (extra) {
                    assert_refused(&p->s, ALERT_RECORD_OVERFLOW);
                } else {
                    assert_int_equal(p->s.ngot, max);
                }
                hand12_free(&h);
                pair_free(p);
            }
        }
    }
}

/* ---- the end ---- */
static void test_close(void **state)
{
    struct span one = span_of("x", 1);
    size_t taken, made;

    (void)state;
    for (size_t i = 0; i < NKINDS; i++) {
        struct pair *p = of_kind(i);

        assert_int_equal(tls_key_update(p->c.t, true),
                         kinds[i].suite == 0x1301 ? 0 : ERR_UNSUPPORTED);
        assert_int_equal(tls_close(p->c.t), 0);
        assert_int_equal(tls_close(p->c.t), 0);
        end_give(&p->s, wire, end_take(&p->c, wire));
        assert_int_equal(p->s.closed, 1);
        assert_true(tls_peer_closed(p->s.t));
        end_give(&p->s, "anything", 8);
        assert_int_equal(p->s.rc, 0);
        end_talk(&p->s, &p->c, "still", 5); /* half-closed */
        assert_int_equal(tls_seal(p->c.t, &one, 1, &taken, wire, 100, &made), ERR_CLOSED);
        assert_int_equal(tls_rehandshake(p->c.t, NULL, true), ERR_STATE);
        assert_int_equal(tls_close(p->s.t), 0);
        end_give(&p->c, wire, end_take(&p->s, wire));
        assert_int_equal(p->c.closed, 1);
        pair_free(p);
    }
}

/* RFC 5246 section 7.2: warnings are told, all else ends it. */
static void test_alerts(void **state)
{
    static const uint8_t rows[][2] = { { 1, 90 }, { 1, 100 }, { 1, 112 }, { 1, 40 }, { 2, 40 },
                                       { 2, 90 }, { 2, 100 }, { 0, 40 },  { 3, 40 }, { 255, 255 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int server = 0; server < 2; server++) {
            struct pair *p = pair_connected(&(struct pair_params){ .suite = SUITE_GCM });
            struct hand12 h = hand12_new(p, server ? TLS_CLIENT : TLS_SERVER, true);
            struct end *e = server ? &p->s : &p->c;

            h.half.seq = 1;
            hand12_give(&h, e, CT_ALERT, rows[i], 2);
            if (rows[i][0] == 1) {
                assert_true(e->rc == 0 && e->warned == 1 && e->warning == rows[i][1]);
                end_talk(e, server ? &p->c : &p->s, "on", 2);
            } else if (rows[i][1] == ALERT_USER_CANCELED) {
                assert_int_equal(e->warned, 0);
            } else {
                assert_int_equal(e->rc, ERR_PEER_ALERT);
                assert_int_equal(tls_error(e->t)->alert_received, rows[i][1]);
                assert_int_equal(end_take(e, wire), 0); /* not answered */
            }
            hand12_free(&h);
            pair_free(p);
        }
    }
}

static void test_malformed_alerts(void **state)
{
    (void)state;
    for (size_t n = 0; n < 4; n++) {
        struct pair *p = pair_connected(&(struct pair_params){ .suite = SUITE_GCM });
        struct hand12 h = hand12_new(p, TLS_CLIENT, true);

        h.half.seq = 1;
        hand12_give(&h, &p->s, CT_ALERT, "\2\50\0", n);
        if (n == 2) {
            assert_int_equal(p->s.rc, ERR_PEER_ALERT);
        } else {
            assert_refused(&p->s, n ? ALERT_DECODE_ERROR : ALERT_UNEXPECTED_MESSAGE);
        }
        hand12_free(&h);
        pair_free(p);
    }
}

/* threat 30: warnings and empty records; data between them starts the count again. */
static void threat_30_floods(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct pair *p = pair_connected(&(struct pair_params){ .suite = SUITE_GCM });
        struct hand12 h = hand12_new(p, TLS_CLIENT, true);

        h.half.seq = 1;
        for (int i = 0; i < 65; i++) {
            assert_int_equal(p->s.rc, 0);
            if (i == 32) {
                hand12_give(&h, &p->s, CT_APPLICATION_DATA, "x", 1);
            }
            hand12_give(&h, &p->s, kind ? CT_ALERT : CT_APPLICATION_DATA, "\1\x5a", kind ? 2 : 0);
        }
        assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
        hand12_free(&h);
        pair_free(p);
    }
}

/* Warnings in clear while the handshake runs are told too; the handshake goes on. */
static void test_warning_in_handshake(void **state)
{
    struct pair *p = pair_new(&(struct pair_params){ .suite = SUITE_GCM });

    (void)state;
    give_clear(&p->c, CT_ALERT, "\1\x70", 2); /* unrecognized_name */
    assert_true(p->c.rc == 0 && p->c.warned == 1 && p->c.warning == ALERT_UNRECOGNIZED_NAME);
    pair_run(p, WIRE_MAX);
    assert_true(p->c.done == 1 && p->s.done == 1);
    talk_both_ways(p);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),        cmocka_unit_test(threat_16_suites),
        cmocka_unit_test(test_groups),        cmocka_unit_test(test_curve_of_the_certificate),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_alpn_and_status),
        cmocka_unit_test(test_byte_by_byte),  cmocka_unit_test(test_data_sizes),
        cmocka_unit_test(test_seal_in_place), cmocka_unit_test(test_seal_and_open_rooms),
        cmocka_unit_test(test_max_fragment),  cmocka_unit_test(test_close),
        cmocka_unit_test(test_alerts),        cmocka_unit_test(test_malformed_alerts),
        cmocka_unit_test(threat_30_floods),   cmocka_unit_test(test_warning_in_handshake),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
