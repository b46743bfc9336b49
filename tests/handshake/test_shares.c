/* SPDX-License-Identifier: ISC */
/* The key shares of a client whose first group is a hybrid: that one's and x25519's beside it, so
 * that a server without ML-KEM needs no HelloRetryRequest. With libcrypto's ML-KEM, or before 3.5
 * with a double of it. */
#include "tests/handshake/pair12.h"

#include "crypto/local_openssl.h"
#include "tests/kat/mlkem_double.h"

#define HYBRID 4588
#define X25519 29
#define P256   23

static uint8_t wire[WIRE_MAX], second[WIRE_MAX];

/* The key_share list of a ClientHello that is the last of so many bytes. */
static struct span shares_of(const uint8_t *hello, size_t n)
{
    struct rd r = rd_of(hello + REC_HEADER + HS_HEADER, n - REC_HEADER - HS_HEADER), skipped;
    struct rd block = rd_of(NULL, 0), body = block, list = block;
    struct span fixed;
    uint16_t id;

    assert_true(rd_bytes(&r, 2 + RANDOM_SIZE, &fixed) && rd_vec(&r, 1, &skipped) &&
                rd_vec(&r, 2, &skipped) && rd_vec(&r, 1, &skipped) && rd_vec(&r, 2, &block));
    while (rd_u16(&block, &id) && rd_vec(&block, 2, &body)) {
        if (id == EXT_KEY_SHARE) {
            assert_true(rd_vec(&body, 2, &list));
            return span_of(list.p, list.n);
        }
    }
    fail_msg("no key_share");
    return span_of(NULL, 0);
}

/* Their groups, in order; reserved ones are 0. Returns how many. */
static size_t groups_of(struct span shares, uint16_t *out)
{
    struct rd r = rd_span(shares), key;
    uint16_t id;
    size_t n = 0;

    while (rd_u16(&r, &id) && rd_vec(&r, 2, &key)) {
        const struct group *g = group_by_id(id);

        assert_int_equal(key.n, g ? g->share_client : 1);
        assert_true(n < 4);
        out[n++] = g ? id : 0;
    }
    assert_true(rd_done(&r));
    return n;
}

static void offers(const struct pair_params *q, size_t n, const uint16_t *want)
{
    struct pair *p = pair_new(q);
    uint16_t got[4];

    assert_int_equal(groups_of(shares_of(wire, end_take(&p->c, wire)), got), n);
    assert_memory_equal(got, want, n * sizeof *got);
    pair_free(p);
}

static void test_what_is_offered(void **state)
{
    (void)state;
    offers(NULL, 2, (const uint16_t[]){ HYBRID, X25519 });
    offers(&(struct pair_params){ .grease = true }, 3, (const uint16_t[]){ 0, HYBRID, X25519 });
    offers(&(struct pair_params){ .client_groups = { HYBRID, P256, X25519 } }, 2,
           (const uint16_t[]){ HYBRID, X25519 });
    offers(&(struct pair_params){ .client_groups = { HYBRID, P256 } }, 1,
           (const uint16_t[]){ HYBRID });
    offers(&(struct pair_params){ .client_groups = { HYBRID } }, 1, (const uint16_t[]){ HYBRID });
    offers(&(struct pair_params){ .client_groups = { X25519, HYBRID } }, 1,
           (const uint16_t[]){ X25519 });
    offers(&(struct pair_params){ .client_groups = { P256, X25519 } }, 1,
           (const uint16_t[]){ P256 });
}

/* Connects with that group; with a retry or not. */
static void connects(const struct pair_params *q, uint16_t group, bool retry)
{
    struct pair *p = pair_new(q);
    struct hs_work *k = p->c.t->hs.work;
    struct tls_info i;
    uint16_t got[4];
    size_t n;

    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(p->s.rc, 0);
    n = end_take(&p->s, wire);
    assert_int_equal(memcmp(wire + 11, hello_retry_random, RANDOM_SIZE) == 0, retry);
    if (retry) {
        end_give(&p->c, wire, n);
        assert_null(k->beside);
        n = end_take(&p->c, wire);
        assert_int_equal(wire[0], CT_CHANGE_CIPHER_SPEC);
        assert_int_equal(groups_of(shares_of(wire + 6, n - 6), got), 1);
        assert_int_equal(got[0], group);
        end_give(&p->s, wire, n);
        n = end_take(&p->s, wire);
    }
    /* ServerHello alone: what was not needed is gone already. */
    end_give(&p->c, wire, (size_t)REC_HEADER + ((size_t)wire[3] << 8 | wire[4]));
    assert_int_equal(p->c.rc, 0);
    assert_null(k->beside);
    assert_int_equal(buf_len(&k->shares), 0);
    n -= (size_t)REC_HEADER + ((size_t)wire[3] << 8 | wire[4]);
    end_give(&p->c, wire + REC_HEADER + ((size_t)wire[3] << 8 | wire[4]), n);
    pair_run(p, WIRE_MAX);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    tls_get_info(p->c.t, &i);
    assert_int_equal(i.group_id, group);
    tls_get_info(p->s.t, &i);
    assert_int_equal(i.group_id, group);
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
    pair_free(p);
}

static void test_servers(void **state)
{
    (void)state;
    for (int grease = 0; grease < 2; grease++) {
        struct pair_params q = { .grease = grease };

        connects(&q, HYBRID, false);
        q.server_groups[0] = X25519; /* of before ML-KEM */
        connects(&q, X25519, false);
        q.server_groups[0] = P256;
        connects(&q, P256, true);
        q.server_groups[0] = P256; /* would rather have that, but takes what is there */
        q.server_groups[1] = X25519;
        connects(&q, X25519, false);
        q = (struct pair_params){ .grease = grease, .client_groups = { X25519, HYBRID } };
        connects(&q, X25519, false);
        q.server_groups[0] = HYBRID;
        connects(&q, HYBRID, true);
    }
}

static void test_tls12_server(void **state)
{
    struct pair *p = pair_new(&(struct pair_params){ .server_max = TLS_1_2 });
    struct hs_work *k = p->c.t->hs.work;

    (void)state;
    assert_non_null(k->beside);
    end_give(&p->s, wire, end_take(&p->c, wire));
    end_give(&p->c, wire, end_take(&p->s, wire));
    assert_int_equal(p->c.rc, 0);
    assert_null(k->beside);
    pair_run(p, WIRE_MAX);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    pair_free(p);
}

/* A HelloRetryRequest with these extensions behind supported_versions. */
static void give_retry(struct pair *p, const void *ext, size_t len)
{
    struct wr w = wr_of(second, sizeof second);
    size_t message, extensions;

    wr_u8(&w, HS_SERVER_HELLO);
    message = wr_begin(&w, 3);
    wr_u16(&w, TLS_1_2);
    wr_bytes(&w, hello_retry_random, RANDOM_SIZE);
    wr_vec(&w, 1, p->c.t->hs.work->session_id, p->c.t->hs.work->session_id_len);
    wr_u16(&w, 0x1301);
    wr_u8(&w, 0);
    extensions = wr_begin(&w, 2);
    wr_bytes(&w, "\x00\x2b\x00\x02\x03\x04", 6);
    wr_bytes(&w, ext, len);
    wr_end(&w, 2, extensions);
    wr_end(&w, 3, message);
    assert_true(wr_ok(&w));
    give_clear(&p->c, CT_HANDSHAKE, second, w.len);
}

/* Section 4.2.8: not for a share that is there; threat 34. */
static void threat_34_retry_for_a_share_that_was_sent(void **state)
{
    static const struct {
        const char *ext;
        size_t len;
        bool fine;
    } v[] = {
        { "\x00\x33\x00\x02\x11\xec", 6, false },
        { "\x00\x33\x00\x02\x00\x1d", 6, false },
        { "\x00\x2c\x00\x03\x00\x01!\x00\x33\x00\x02\x00\x1d", 13, false }, /* and a cookie */
        { "\x00\x33\x00\x02\x00\x17", 6, true },
        { "\x00\x33\x00\x02\x01\x02", 6, false }, /* ffdhe4096, which nobody knows */
    };

    (void)state;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct pair *p = pair_new(NULL);

        (void)end_take(&p->c, wire);
        give_retry(p, v[i].ext, v[i].len);
        if (v[i].fine) {
            assert_int_equal(p->c.rc, 0);
        } else {
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        }
        pair_free(p);
    }
}

/* Section 4.1.2: for a cookie both shares stay, and the server may take either. */
static void test_retry_for_a_cookie(void **state)
{
    struct pair *p = pair_new(NULL);
    struct span before = shares_of(wire, end_take(&p->c, wire)), after;
    size_t n;

    (void)state;
    give_retry(p, "\x00\x2c\x00\x03\x00\x01!", 7);
    assert_int_equal(p->c.rc, 0);
    n = end_take(&p->c, second);
    after = shares_of(second + 6, n - 6);
    assert_true(span_eq(before, after));
    assert_non_null(p->c.t->hs.work->beside);
    pair_free(p);
}

/* A ServerHello whose share is of a group that was not shared, or as long as another's. */
static void threat_34_server_takes_another_group(void **state)
{
    static const uint16_t groups[] = { HYBRID, P256, 30, 258, 0 };

    (void)state;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        struct pair *p = pair_new(&(struct pair_params){ .server_groups = { X25519 } });
        uint8_t *at;
        size_t n;

        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        at = wire_find(wire, n, "\x00\x33\x00\x24\x00\x1d", 6);
        at[4] = (uint8_t)(groups[i] >> 8);
        at[5] = (uint8_t)groups[i];
        end_give(&p->c, wire, n);
        assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        pair_free(p);
    }
}

static int make(void **state)
{
    assert_int_equal(crypto_init(), 0);
    if (!group_by_id(HYBRID)) {
        print_message("ML-KEM: a double\n");
        assert_int_equal(OSSL_PROVIDER_add_builtin(provider.lib, "double", double_provider), 1);
        assert_non_null(OSSL_PROVIDER_load(provider.lib, "double"));
        kex_look();
        assert_non_null(group_by_id(HYBRID));
    }
    return pki_make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_offered),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_tls12_server),
        cmocka_unit_test(threat_34_retry_for_a_share_that_was_sent),
        cmocka_unit_test(test_retry_for_a_cookie),
        cmocka_unit_test(threat_34_server_takes_another_group),
    };

    return cmocka_run_group_tests(tests, make, pki_free);
}
