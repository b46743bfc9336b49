/* SPDX-License-Identifier: ISC */
/* How long records may be: record_size_limit (RFC 8449). */
#include "handshake/extensions.h"
#include "tests/handshake/pair12.h"

#define EXT_LIMIT "\x00\x1c\x00\x02"

static uint8_t wire[WIRE_MAX], data[WIRE_MAX];
static struct ticket_keys *tickets;

/* ---- the config ---- */
static void test_config(void **state)
{
    static const struct {
        unsigned n;
        int limit, padding;
    } rows[] = { { 0, 0, 0 },
                 { 1, ERR_ARG, 0 },
                 { 2, ERR_ARG, 0 },
                 { 3, ERR_ARG, ERR_ARG },
                 { 63, ERR_ARG, ERR_ARG },
                 { 64, 0, 0 },
                 { 65, 0, ERR_ARG },
                 { 16383, 0, ERR_ARG },
                 { 16384, 0, 0 },
                 { 16385, 0, ERR_ARG },
                 { 16386, ERR_ARG, ERR_ARG },
                 { 32768, ERR_ARG, ERR_ARG },
                 { 65536 + 64, ERR_ARG, ERR_ARG },
                 { 0x80000000u, ERR_ARG, ERR_ARG } };
    struct config *c = config_new(TLS_CLIENT);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(config_set_record_limit(c, rows[i].n), rows[i].limit);
        assert_int_equal(config_set_padding(c, rows[i].n), rows[i].padding);
    }
    assert_int_equal(config_set_verify(c, VERIFY_NONE), 0);
    assert_int_equal(config_seal(c, NULL), 0);
    assert_int_equal(config_set_record_limit(c, 64), ERR_STATE);
    assert_int_equal(config_set_padding(c, 64), ERR_STATE);
    config_unref(c);
}

/* ---- record_size_limit ---- */
static struct pair_params limits(bool is12, unsigned client, unsigned server)
{
    return (struct pair_params){ .suite = is12 ? SUITE_GCM : 0x1301,
                                 .record_limit = { client, server },
                                 .auth = CLIENT_AUTH_REQUIRE,
                                 .client_id = true };
}

/* What a limit of `wish` comes to, when the other end knows the extension. */
static size_t limit_of(bool is12, unsigned wish)
{
    size_t most = is12 ? 16384 : 16385;

    return wish && wish < most ? wish : most;
}

/* The longest content of the sealed records among these, counted as RFC 8449 does. */
static size_t longest(const uint8_t *p, size_t n, bool is12, bool sealed)
{
    size_t most = 0, len;

    for (size_t at = 0; at < n; at += REC_HEADER + len) {
        len = (size_t)p[at + 3] << 8 | p[at + 4];
        if (is12 && sealed && p[at] != CT_CHANGE_CIPHER_SPEC) {
            len -= 24;
            most = len > most ? len : most;
            len += 24;
        } else if (!is12 && p[at] == CT_APPLICATION_DATA) {
            most = len - AEAD_TAG > most ? len - AEAD_TAG : most;
        }
        sealed = sealed || p[at] == CT_CHANGE_CIPHER_SPEC;
    }
    return most;
}

/* Both flights and data keep to what the other end said; there and back. */
static void limited(bool is12, unsigned client, unsigned server)
{
    struct pair_params q = limits(is12, client, server);
    struct pair *p = pair_new(&q);
    struct end *e[] = { &p->c, &p->s };
    size_t can[] = { limit_of(is12, client), limit_of(is12, server) }; /* receive */
    size_t n;

    if (client == 0) { /* not offered: nothing is agreed */
        can[0] = can[1] = is12 ? 16384 : 16385;
    }
    for (int flight = 0; flight < 6; flight++) {
        struct end *from = e[flight % 2], *to = e[(flight + 1) % 2];

        n = end_take(from, wire);
        assert_true(longest(wire, n, is12, false) <= can[(flight + 1) % 2]);
        end_give(to, wire, n);
        assert_int_equal(to->rc, 0);
    }
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    for (int k = 0; k < 2; k++) {
        size_t limit = can[!k], content = limit - !is12;

        assert_int_equal(tls_fragment(e[k]->t), content);
        for (size_t len = content - 1; len <= content + 1; len++) {
            size_t overhead = tls_overhead(e[k]->t, len);

            n = end_seal(e[k], data, len, wire);
            assert_int_equal(n, len + overhead);
            assert_int_equal(longest(wire, n, is12, true), (len > content ? content : len) + !is12);
            e[!k]->ngot = 0;
            end_give(e[!k], wire, n);
            assert_int_equal(e[!k]->rc, 0);
            assert_int_equal(e[!k]->ngot, len);
        }
        end_talk(e[k], e[!k], data, 40000);
    }
    if (!is12) { /* new keys, the same limits */
        assert_int_equal(tls_key_update(p->s.t, true), 0);
        pair_run(p, WIRE_MAX);
        n = end_seal(&p->s, data, 40000, wire);
        assert_int_equal(longest(wire, n, false, true), can[0]);
    }
    pair_free(p);
}

static void test_limits(void **state)
{
    static const unsigned sizes[] = { 0, 64, 65, 255, 1400, 16383, 16384, 16385 };

    (void)state;
    for (size_t c = 0; c < 8; c++) {
        for (size_t s = 0; s < 8; s++) {
            limited(false, sizes[c], sizes[s]);
            limited(true, sizes[c], sizes[s]);
        }
    }
}

/* A peer that forgets what was agreed (threat 7). In TLS 1.3 type and padding count. */
static void test_longer_than_agreed(void **state)
{
    (void)state;
    for (int by = 0; by < 2; by++) {
        for (size_t content = 90; content <= 101; content++) {
            for (size_t pad = 0; pad < 12; pad++) {
                struct pair_params q = limits(false, 100, 100);
                struct pair *p = pair_connected(&q);
                struct hand h = hand_new(p, by == TLS_CLIENT ? SECRET_CA : SECRET_SA, true);
                struct end *to = by == TLS_CLIENT ? &p->s : &p->c;

                to->ngot = 0;
                end_give(to, wire, hand_seal(&h, CT_APPLICATION_DATA, data, content, pad, wire));
                if (content + 1 + pad > 100) {
                    assert_refused(to, ALERT_RECORD_OVERFLOW);
                    assert_int_equal(to->ngot, 0);
                } else {
                    assert_int_equal(to->ngot, content);
                }
                hand_free(&h);
                pair_free(p);
            }
        }
        for (size_t content = 99; content <= 102; content++) {
            struct pair_params q = limits(true, 100, 100);
            struct pair *p = pair_connected(&q);
            struct hand12 h = hand12_new(p, by == TLS_CLIENT ? TLS_CLIENT : TLS_SERVER, true);
            struct end *to = by == TLS_CLIENT ? &p->s : &p->c;

            h.half.seq = 1;
            hand12_give(&h, to, CT_APPLICATION_DATA, data, content);
            if (content > 100) {
                assert_refused(to, ALERT_RECORD_OVERFLOW);
            } else {
                assert_int_equal(to->ngot, content);
            }
            hand12_free(&h);
            pair_free(p);
        }
    }
}

/* Every record of a handshake under its keys counts, an alert too; the plaintext of before does
 * not: a second ClientHello is longer than the limit of the server that asks for it. */
static void test_what_counts(void **state)
{
    struct pair_params q = limits(false, 64, 64);
    struct pair *p;
    struct hand h;

    (void)state;
    q.client_groups[0] = 29;
    q.client_groups[1] = 23;
    q.server_groups[0] = 23;
    p = pair_connected(&q);
    end_talk(&p->c, &p->s, data, 1000);
    h = hand_new(p, SECRET_CA, true);
    h.seq = p->s.t->rx.seq;
    end_give(&p->s, wire, hand_seal(&h, CT_ALERT, "\1\0", 2, 62, wire));
    assert_refused(&p->s, ALERT_RECORD_OVERFLOW);
    hand_free(&h);
    pair_free(p);
    p = pair_connected(&q);
    h = hand_new(p, SECRET_CA, true);
    h.seq = p->s.t->rx.seq;
    end_give(&p->s, wire, hand_seal(&h, CT_ALERT, "\1\0", 2, 61, wire));
    assert_int_equal(p->s.rc, 0);
    assert_int_equal(p->s.closed, 1);
    hand_free(&h);
    pair_free(p);
}

static bool hello_has(size_t n, const void *what, size_t len)
{
    return memmem(wire, n, what, len) != NULL;
}

/* Not offered by default; a server answers all the same, with what its version has. */
static void test_defaults(void **state)
{
    (void)state;
    for (int is12 = 0; is12 < 2; is12++) {
        struct pair_params q = limits(is12, 0, 500);
        struct pair *p = pair_new(&q);
        size_t n = end_take(&p->c, wire);

        assert_false(hello_has(n, EXT_LIMIT, 4));
        end_give(&p->s, wire, n);
        n = end_take(&p->s, wire);
        assert_false(hello_has(n, EXT_LIMIT, 4));
        assert_int_equal(p->s.t->hs.recv_limit, 0);
        pair_free(p);
        q = limits(is12, 16385, 0);
        q.client_max = is12 ? TLS_1_2 : 0;
        p = pair_new(&q);
        n = end_take(&p->c, wire);
        /* section 4: no more than the versions that are offered have */
        assert_true(hello_has(n, is12 ? EXT_LIMIT "\x40\x00" : EXT_LIMIT "\x40\x01", 6));
        end_give(&p->s, wire, n);
        n = end_take(&p->s, wire);
        assert_int_equal(hello_has(n, EXT_LIMIT "\x40\x00", 6), is12);
        end_give(&p->c, wire, n);
        assert_int_equal(p->c.t->hs.send_limit, is12 ? 16384 : 16385);
        assert_int_equal(p->c.t->hs.recv_limit, is12 ? 16384 : 16385);
        pair_free(p);
    }
}

/* Whatever value comes in the hello of one end. */
static void test_values(void **state)
{
    static const uint16_t values[] = { 0, 1, 63, 64, 65, 16384, 16385, 16386, 65535 };

    (void)state;
    for (int is12 = 0; is12 < 2; is12++) {
        for (int by = 0; by < 2 && (by == TLS_CLIENT || is12); by++) { /* the server's of 1.2 */
            for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
                struct pair_params q = limits(is12, 500, 500);
                struct pair *p = pair_new(&q);
                struct end *to = by == TLS_CLIENT ? &p->s : &p->c;
                size_t n = end_take(&p->c, wire);
                uint8_t *at;

                if (by == TLS_SERVER) {
                    end_give(&p->s, wire, n);
                    n = end_take(&p->s, wire);
                }
                at = wire_find(wire, n, EXT_LIMIT "\x01\xf4", 6) + 4;
                at[0] = (uint8_t)(values[i] >> 8);
                at[1] = (uint8_t)values[i];
                end_give(to, wire, n);
                if (values[i] < 64) {
                    assert_refused(to, ALERT_ILLEGAL_PARAMETER);
                } else { /* section 4: more than there can be is no error */
                    assert_int_equal(to->rc, 0);
                    assert_int_equal(to->t->hs.send_limit, limit_of(is12, values[i]));
                    assert_int_equal(to->t->hs.recv_limit, 500);
                }
                pair_free(p);
            }
        }
    }
}

static void test_malformed(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 4; n++) {
        struct hs_work work = { 0 };
        struct error err = { 0 };
        struct settings set = { .role = TLS_SERVER };
        struct hs h = { .work = &work, .err = &err, .set = &set };
        struct rd body = rd_of("\x01\xf4\x00\x00", n);
        int rc = ext_limit_read(&h, &body, IN_CH);

        if (n < 2) {
            assert_int_equal(rc, TLS_ALERT(ALERT_DECODE_ERROR));
        } else { /* what is left over is an error of its own */
            assert_int_equal(rc, 0);
            assert_int_equal(body.n, n - 2);
            assert_int_equal(work.offers_limit, 500);
        }
    }
}

/* Puts an extension at the end of the ServerHello that begins a flight of TLS 1.2. */
static size_t hello_paste(size_t n, const void *ext, size_t len)
{
    size_t block = REC_HEADER + HS_HEADER + 2 + RANDOM_SIZE + 1 + wire[43] + 3;
    size_t end = block + 2 + ((size_t)wire[block] << 8 | wire[block + 1]);
    size_t minus = (size_t)0 - len;

    memmove(wire + end + len, wire + end, n - end);
    memcpy(wire + end, ext, len);
    less16(wire + 3, minus);
    less16(wire + 7, minus);
    less16(wire + block, minus);
    return n + len;
}

/* max_fragment_length (RFC 6066 section 4) where TLS 1.3 comes of it, which does not count the
 * type: the client learns that it holds from the EncryptedExtensions, a peer that forgets is told
 * (threat 7). */
static void test_max_fragment_13(void **state)
{
    (void)state;
    for (unsigned max = 512; max <= 4096; max *= 2) {
        struct pair_params q = limits(false, 0, 0);
        struct pair *p;

        q.suite = 0; /* a client that could do with TLS 1.2: others have record_size_limit */
        q.client_suites[0] = q.server_suites[0] = 0x1301;
        q.client_suites[1] = SUITE_GCM;
        q.max_fragment = max;
        p = pair_new(&q);
        for (int flight = 0; flight < 6; flight++) {
            struct end *e[] = { &p->c, &p->s };
            size_t n = end_take(e[flight % 2], wire);

            assert_true(longest(wire, n, false, false) <= max + 1);
            end_give(e[!(flight % 2)], wire, n);
        }
        assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
        assert_int_equal(tls_fragment(p->c.t), max);
        assert_int_equal(tls_fragment(p->s.t), max);
        for (size_t len = max - 1; len <= max + 1; len++) {
            end_talk(&p->c, &p->s, data, len);
            end_talk(&p->s, &p->c, data, len);
        }
        assert_int_equal(longest(wire, end_seal(&p->s, data, 40000, wire), false, true), max + 1);
        pair_free(p);
        for (size_t role = 0; role < 2; role++) {
            for (size_t extra = 0; extra < 2; extra++) {
                struct hand h;
                struct end *to;

                p = pair_connected(&q);
                to = role ? &p->c : &p->s;
                h = hand_new(p, role ? SECRET_SA : SECRET_CA, true);
                hand_give(&h, to, CT_APPLICATION_DATA, data, max + extra);
                if (extra) {
                    assert_refused(to, ALERT_RECORD_OVERFLOW);
                } else {
                    assert_int_equal(to->ngot, max);
                }
                hand_free(&h);
                pair_free(p);
            }
        }
    }
}

/* section 5: the server ignores max_fragment_length beside it; a client takes no two answers, and
 * none that it did not ask for. */
static void test_beside_max_fragment(void **state)
{
    (void)state;
    for (int is12 = 0; is12 < 2; is12++) {
        struct pair_params q = limits(is12, 600, 700);
        struct pair *p;

        q.max_fragment = 512;
        p = pair_connected(&q);
        assert_int_equal(p->c.t->hs.max_fragment, 0);
        assert_int_equal(p->s.t->hs.max_fragment, 0);
        assert_int_equal(tls_fragment(p->c.t), 700 - !is12);
        assert_int_equal(tls_fragment(p->s.t), 600 - !is12);
        end_talk(&p->c, &p->s, data, 5000);
        end_talk(&p->s, &p->c, data, 5000);
        pair_free(p);
    }
    for (int i = 0; i < 4; i++) {
        static const uint8_t fragment[] = { 0, 1, 0, 1, 1 }, limit[] = { 0, 28, 0, 2, 2, 0 };
        bool both = i < 2;
        struct pair_params q = limits(true, both ? 600 : 0, 700);
        struct pair *p;
        size_t n;

        q.max_fragment = both ? 512 : 0;
        p = pair_new(&q);
        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        if (i == 1) { /* the other one first */
            uint8_t *at = wire_find(wire, n, EXT_LIMIT "\x02\xbc", 6);

            hello_cut(wire, &n, at, 6);
            n = hello_paste(n, fragment, sizeof fragment);
            n = hello_paste(n, limit, sizeof limit);
        } else if (i == 0 || i == 2) {
            n = hello_paste(n, fragment, sizeof fragment);
        } else {
            n = hello_paste(n, limit, sizeof limit);
        }
        end_give(&p->c, wire, n);
        assert_refused(&p->c, both ? ALERT_ILLEGAL_PARAMETER : ALERT_UNSUPPORTED_EXTENSION);
        pair_free(p);
    }
}

/* section 4: agreed anew with each handshake, and it holds from the keys of that one on. */
static void test_renegotiation(void **state)
{
    static const unsigned sizes[] = { 0, 200, 1000, 0, 100 };
    struct pair_params q = { .suite = SUITE_GCM,
                             .renegotiation = RENEGOTIATE_SECURE,
                             .record_limit = { 500, 300 } };
    struct pair *p = pair_connected(&q);
    size_t now = 500;

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct config *c;
        size_t next = sizes[i] ? sizes[i] : 16384;

        q.record_limit[TLS_CLIENT] = sizes[i];
        c = pair_config(p, TLS_CLIENT, &q);
        assert_int_equal(tls_rehandshake(p->c.t, c, false), 0);
        config_unref(c);
        /* before it hears of that the server goes on as it was */
        p->c.ngot = 0;
        assert_int_equal(tls_fragment(p->s.t), now);
        end_give(&p->c, wire, end_seal(&p->s, data, 20000, wire));
        assert_int_equal(p->c.ngot, 20000);
        end_give(&p->s, wire, end_take(&p->c, wire));
        assert_int_equal(longest(wire, end_take(&p->s, wire), true, true) <= now, 1);
        pair_free(p);
        /* and a whole one */
        q.record_limit[TLS_CLIENT] = (unsigned)(now == 16384 ? 0 : now);
        p = pair_connected(&q);
        q.record_limit[TLS_CLIENT] = sizes[i];
        c = pair_config(p, TLS_CLIENT, &q);
        assert_int_equal(tls_rehandshake(p->c.t, c, false), 0);
        config_unref(c);
        pair_run(p, WIRE_MAX);
        assert_int_equal(p->c.rc, 0);
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(tls_fragment(p->s.t), next);
        assert_int_equal(tls_fragment(p->c.t), sizes[i] ? 300 : 16384);
        end_talk(&p->s, &p->c, data, 20000);
        end_talk(&p->c, &p->s, data, 20000);
        now = next;
    }
    pair_free(p);
}

/* Resumed sessions know nothing of it either. */
static void test_resumption(void **state)
{
    (void)state;
    for (int is12 = 0; is12 < 2; is12++) {
        struct pair_params q = limits(is12, 100, 200);
        struct pair *p;

        q.tickets = tickets;
        p = pair_connected(&q);
        q.resume = tls_session(p->c.t);
        pair_free(p);
        q.record_limit[TLS_CLIENT] = 300;
        p = pair_connected(&q);
        assert_true(p->c.t->hs.facts & FACT_RESUMED);
        assert_int_equal(tls_fragment(p->s.t), 300 - !is12);
        assert_int_equal(tls_fragment(p->c.t), 200 - !is12);
        pair_free(p);
        q.record_limit[TLS_CLIENT] = 0;
        p = pair_connected(&q);
        assert_true(p->c.t->hs.facts & FACT_RESUMED);
        assert_int_equal(tls_fragment(p->s.t), 16384);
        assert_int_equal(tls_fragment(p->c.t), 16384);
        pair_free(p);
        session_unref(q.resume);
    }
}

static int make(void **state)
{
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7 + i / 251);
    }
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
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_longer_than_agreed),
        cmocka_unit_test(test_what_counts),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_max_fragment_13),
        cmocka_unit_test(test_beside_max_fragment),
        cmocka_unit_test(test_renegotiation),
        cmocka_unit_test(test_resumption),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
