/* SPDX-License-Identifier: ISC */
/* RFC 8446 sections 4.6.1 and 4.6.2: tickets, and authentication behind the handshake. */
#include "tests/handshake/must.h"
#include "tests/handshake/resume13.h"

static uint8_t wire[WIRE_MAX], m[WIRE_MAX];

/* ---- tickets ---- */
static uint32_t lifetime_of(struct pair *p)
{
    const uint8_t *t;
    size_t n;

    end_give(&p->s, wire, end_take(&p->c, wire));
    end_give(&p->c, wire, end_take(&p->s, wire));
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(p->s.done, 1);
    n = stage_flight(p, &p->s, SECRET_SA, m);
    t = message_of(m, n, HS_NEW_SESSION_TICKET);
    assert_non_null(t);
    return (uint32_t)t[4] << 24 | (uint32_t)t[5] << 16 | (uint32_t)t[6] << 8 | t[7];
}

/* Never more than seven days, whatever is wanted; what is left of it when resumed. */
static void test_lifetime(void **state)
{
    struct config *c = config_new(TLS_SERVER);
    struct pair_params q = usual(NULL);
    struct pair *p;

    (void)state;
    assert_int_equal(config_set_sessions(c, NULL, keys, 604800), 0);
    assert_int_equal(config_set_sessions(c, NULL, keys, 604801), ERR_ARG);
    assert_int_equal(config_set_sessions(c, NULL, keys, UINT32_MAX), ERR_ARG);
    config_unref(c);
    q.life = 604800;
    p = pair_new(&q);
    assert_int_equal(lifetime_of(p), 604800);
    pair_free(p);
    q.resume = first(&q);
    pair_later = 3600;
    p = pair_new(&q);
    assert_int_equal(lifetime_of(p), 604800 - 3600);
    assert_true(resumed(&p->s));
    pair_later = 0;
    session_unref(q.resume);
    pair_free(p);
}

/* What a server tells its application is the name in this hello. */
static void test_name_of_the_resumption(void **state)
{
    static const char *const spelled[] = { PAIR_HOST, "SERVER.test", "Server.Test" };
    struct pair_params q = usual(NULL);

    (void)state;
    q.resume = first(&q);
    for (size_t i = 0; i < 3; i++) {
        struct pair *p = pair_new(&q);
        struct config *c = pair_config(p, TLS_CLIENT, &q);
        struct tls_info info;

        tls_free(p->c.t);
        assert_int_equal(tls_new(&p->c.t, c, PAIR_HOST, spelled[i], q.resume, NULL), 0);
        config_unref(c);
        pair_run(p, WIRE_MAX);
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(resumed(&p->s), i == 0); /* another spelling is another name */
        tls_get_info(p->s.t, &info);
        assert_string_equal(info.sni, spelled[i]);
        pair_free(p);
    }
    session_unref(q.resume);
}

/* ---- authentication behind the handshake: what a server says ---- */
static const struct pair_params post = { .post_auth = true, .client_id = true };

/* No two requests have the same context, nor is one empty or to be foretold. */
static void test_contexts(void **state)
{
    enum { ROUNDS = 12 };
    static uint8_t contexts[2 * ROUNDS][16];
    size_t k = 0;

    (void)state;
    for (unsigned c = 0; c < 2; c++) {
        struct pair *p = pair_connected(&post);
        struct hand open = hand_new(p, SECRET_SA, false);

        for (unsigned i = 0; i < ROUNDS; i++) {
            size_t n, clear, inside;

            assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
            n = end_take(&p->s, wire);
            inside = flight_open(&open, wire, n, m, &clear);
            assert_int_equal(inside, message_size(m));
            assert_int_equal(m[0], HS_CERTIFICATE_REQUEST);
            assert_int_equal(m[4], sizeof contexts[k]);
            memcpy(contexts[k], m + 5, sizeof contexts[k]);
            for (size_t j = 0; j < k; j++) {
                assert_memory_not_equal(contexts[j], contexts[k], 8);
            }
            k++;
            end_give(&p->c, wire, n);
            pair_run(p, WIRE_MAX);
            assert_int_equal(p->s.done, 2 + i);
        }
        hand_free(&open);
        pair_free(p);
    }
}

/* Any number of other messages may come before the answer. */
static void test_patience(void **state)
{
    struct pair *p = pair_connected(&post);
    struct tls_info i;
    size_t n;

    (void)state;
    assert_int_equal(tls_request_client_auth(p->s.t, NULL), 0);
    for (int k = 1; k <= 10000; k++) {
        p->s.ngot = 0;
        end_give(&p->s, wire, end_seal(&p->c, "data", 4, wire));
        assert_int_equal(p->s.ngot, 4);
        if (k % 100 == 0) {
            assert_int_equal(tls_key_update(p->c.t, false), 0);
            end_give(&p->s, wire, end_take(&p->c, wire));
        }
        assert_int_equal(p->s.rc, 0);
    }
    n = end_take(&p->s, wire);
    assert_true(n > 0);
    end_give(&p->c, wire, n);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.done, 2);
    tls_get_info(p->s.t, &i);
    assert_true(i.client_auth);
    pair_free(p);
}

/* ---- what a client says ---- */
static size_t request(const char *context, uint8_t *out)
{
    struct wr w = wr_of(m, sizeof m);

    wr_vec(&w, 1, context, strlen(context));
    wr_vec(&w, 2, "\0\x0d\0\x04\0\x02\x04\x03", 8);
    return message_make(out, HS_CERTIFICATE_REQUEST, span_of(m, w.len));
}

/* Certificate, CertificateVerify and Finished, or Certificate and Finished, with nothing between:
 * whatever else the client has to say comes before or behind. Two requests get two answers. */
static void test_nothing_between(void **state)
{
    static uint8_t both[512], sealed[WIRE_MAX];

    (void)state;
    for (unsigned has = 0; has < 2; has++) {
        for (unsigned limit = 0; limit < 2; limit++) { /* in one record or in many */
            struct pair_params q = post;
            struct pair *p;
            struct hand peer, open;
            size_t n, clear, k;
            const char *want = has ? "\x0b\x0f\x14\x0b\x0f\x14\x18" : "\x0b\x14\x0b\x14\x18";

            q.client_id = has;
            q.record_limit[TLS_CLIENT] = q.record_limit[TLS_SERVER] = limit ? 64 : 0;
            p = pair_connected(&q);
            peer = hand_new(p, SECRET_SA, true);
            open = hand_new(p, SECRET_CA, false);
            n = request("one", both);
            n += request("two", both + n);
            for (size_t at = 0; at < n; at += 50) { /* as the limit wants it */
                hand_give(&peer, &p->c, CT_HANDSHAKE, both + at, n - at < 50 ? n - at : 50);
            }
            hand_give(&peer, &p->c, CT_HANDSHAKE, "\x18\0\0\1\1", 5);
            assert_int_equal(p->c.rc, 0);
            n = end_take(&p->c, wire);
            k = end_seal(&p->c, "behind", 6, sealed);
            n = flight_open(&open, wire, n, m, &clear); /* nothing but handshake messages */
            assert_string_equal(types_of(m, n), want);
            assert_memory_equal(m + HS_HEADER, "\3one", 4);
            for (size_t at = 0, second = 0; at < n; at += message_size(m + at)) {
                if (m[at] == HS_CERTIFICATE) {
                    assert_memory_equal(m + at + HS_HEADER, second++ ? "\3two" : "\3one", 4);
                }
            }
            hand_next(&open);
            hand_free(&open);
            hand_free(&peer);
            assert_true(k > 6);
            pair_free(p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lifetime),        cmocka_unit_test(test_name_of_the_resumption),
        cmocka_unit_test(test_contexts),        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_nothing_between),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
