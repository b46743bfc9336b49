/* SPDX-License-Identifier: ISC */
/* DHE_RSA: which parameters a server takes, and all those that a client refuses (threat 18). */
#include "crypto/local_openssl.h"
#include "tests/handshake/pair12.h"

#define FFDHE2048 256
#define FFDHE3072 257
#define NUMBER    1200

struct number {
    uint8_t p[NUMBER];
    size_t n;
};

static struct number number_of(const BIGNUM *b)
{
    struct number n;

    assert_true(BN_num_bytes(b) <= NUMBER);
    n.n = (size_t)BN_bn2bin(b, n.p);
    return n;
}

static struct number small(unsigned value)
{
    return (struct number){ { (uint8_t)value }, 1 };
}

/* The prime of RFC 3526 with that many bits, plus something. */
static struct number modp(int bits, int more)
{
    BIGNUM *b = bits == 1024   ? BN_get_rfc2409_prime_1024(NULL)
                : bits == 1536 ? BN_get_rfc3526_prime_1536(NULL)
                : bits == 8192 ? BN_get_rfc3526_prime_8192(NULL)
                               : BN_get_rfc3526_prime_2048(NULL);
    struct number n;

    assert_true(more < 0 ? BN_sub_word(b, (BN_ULONG)-more) : BN_add_word(b, (BN_ULONG)more));
    n = number_of(b);
    BN_free(b);
    return n;
}

static struct pair_params dhe(void)
{
    return (struct pair_params){ .suite = SUITE_DHE, .id = ID_RSA };
}

/* ---- what a server takes ---- */
static struct dh_params loaded(struct number p)
{
    static const uint8_t two = 2;
    struct dh_params d = { { 0 }, { 0 } };

    assert_int_equal(buf_append(&d.p, p.p, p.n), 0);
    assert_int_equal(buf_append(&d.g, &two, 1), 0);
    return d;
}

static void test_groups(void **state)
{
    static const struct {
        uint16_t client[3], server[3];
        unsigned group; /* 0: refused */
    } rows[] = {
        { { 0 }, { 0 }, FFDHE2048 }, /* the key has 2048 bits */
        { { 29 }, { 0 }, FFDHE2048 },
        { { FFDHE3072, 29 }, { 0 }, FFDHE3072 },
        { { FFDHE3072, FFDHE2048 }, { 0 }, FFDHE2048 },
        { { 0 }, { FFDHE3072 }, FFDHE3072 },
        { { FFDHE2048 }, { FFDHE3072 }, 0 },
        { { 0 }, { 29, 23 }, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair_params q = dhe();
        struct pair *p;

        memcpy(q.client_groups, rows[i].client, sizeof q.client_groups);
        memcpy(q.server_groups, rows[i].server, sizeof q.server_groups);
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        if (rows[i].group) {
            assert_int_equal(info_of(&p->c).group_id, rows[i].group);
            assert_int_equal(info_of(&p->s).group_id, rows[i].group);
            end_talk(&p->c, &p->s, "there", 5);
            end_talk(&p->s, &p->c, "back", 4);
        } else {
            assert_refused(&p->s, ALERT_INSUFFICIENT_SECURITY);
        }
        pair_free(p);
    }
}

/* RFC 7919 section 4: a client that names groups of it, none of which we know, gets none at all. */
static void test_unknown_group(void **state)
{
    static const uint8_t list[] = { 0, 10, 0, 4, 0, 2, 1, 1 };
    static uint8_t wire[WIRE_MAX];
    struct pair_params q = dhe();
    struct pair *p;
    size_t n;

    (void)state;
    q.client_groups[0] = FFDHE3072;
    p = pair_new(&q);
    n = end_take(&p->c, wire);
    wire_find(wire, n, list, sizeof list)[7] = 200;
    end_give(&p->s, wire, n);
    assert_refused(&p->s, ALERT_INSUFFICIENT_SECURITY);
    pair_free(p);
}

/* Those that were loaded come first, also when they are of no known group. */
static void test_loaded(void **state)
{
    struct dh_params d = loaded(modp(2048, 0));
    const struct group *known = group_by_id(FFDHE3072);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair_params q = dhe();
        struct pair *p;

        q.dh = &d;
        p = pair_connected(&q);
        assert_int_equal(info_of(&p->c).group_id, i ? FFDHE3072 : 0);
        assert_int_equal(info_of(&p->s).group_id, i ? FFDHE3072 : 0);
        end_talk(&p->c, &p->s, "there", 5);
        pair_free(p);
        assert_int_equal(dhparams_named(&d, known), 0);
    }
    dhparams_free(&d);
}

/* Offered, and accepted, only when it is named. */
static void threat_18_only_when_named(void **state)
{
    (void)state;
    for (int server = 0; server < 2; server++) {
        struct pair_params q = { .id = ID_RSA, .client_max = TLS_1_2 };
        struct pair *p;

        (server ? q.client_suites : q.server_suites)[0] = SUITE_DHE;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
        pair_free(p);
    }
}

/* ---- what a client refuses ---- */
static size_t make_exchange(const struct pair *p, const struct number *prime,
                            const struct number *g, const struct number *y, uint8_t *m)
{
    const struct scheme *s = scheme_by_id(0x0804);
    struct span part[] = { { p->s.t->hs.work->client_random, RANDOM_SIZE },
                           { p->s.t->hs.work->server_random, RANDOM_SIZE },
                           { NULL, 0 } };
    uint8_t sig[SIG_MAX];
    struct buf b = { 0 };
    struct wr w = wr_buf(&b);
    size_t mark, n = sizeof sig;

    wr_u8(&w, HS_SERVER_KEY_EXCHANGE);
    mark = wr_begin(&w, 3);
    wr_vec(&w, 2, prime->p, prime->n);
    wr_vec(&w, 2, g->p, g->n);
    wr_vec(&w, 2, y->p, y->n);
    assert_true(wr_ok(&w));
    part[2] = span_of(w.p + HS_HEADER, w.len - HS_HEADER);
    assert_int_equal(privkey_sign(pki.server[ID_RSA]->key, s, part, 3, sig, &n), 0);
    wr_u16(&w, s->id);
    wr_vec(&w, 2, sig, n);
    wr_end(&w, 3, mark);
    assert_int_equal(wr_commit(&w), 0);
    n = buf_len(&b);
    memcpy(m, buf_data(&b), n);
    buf_free(&b);
    return n;
}

/* alert 0: it is taken. */
static void try_exchange(struct number prime, struct number g, struct number y, unsigned alert,
                         unsigned least)
{
    struct pair_params q = dhe();
    struct stage12 s;
    uint8_t m[4 * NUMBER];
    size_t n;

    q.dh_bits = least;
    s = stage12_at(C12_WAIT_SKE, &q);
    (void)stage12_next(&s, &n);
    n = make_exchange(s.p, &prime, &g, &y, m);
    stage12_give(&s, m, n);
    if (alert) {
        if (end_alert(s.e) != alert) {
            fail_msg("prime of %zu bytes: %d, not alert %u", prime.n, s.e->rc, alert);
        }
        assert_refused(s.e, alert);
        assert_true(tls_error(s.e->t)->text[0]);
    } else {
        assert_int_equal(s.e->rc, 0);
        assert_int_equal(s.e->t->hs.state, C12_WAIT_CR);
    }
    stage12_free(&s);
}

static void threat_18_primes(void **state)
{
    const struct number two = small(2), y = modp(2048, -2);
    struct number long_one = { { 1 }, 1025 }, padded = modp(2048, 0), none = { { 0 }, 256 };

    (void)state;
    long_one.p[1024] = 1;
    memmove(padded.p + 1, padded.p, padded.n++);
    padded.p[0] = 0;
    try_exchange(modp(2048, 0), two, y, 0, 0);
    try_exchange(padded, two, y, 0, 0);
    try_exchange(modp(8192, 0), two, y, 0, 0);
    try_exchange(modp(1024, 0), two, small(4), ALERT_INSUFFICIENT_SECURITY, 0);
    try_exchange(modp(1536, 0), two, small(4), ALERT_INSUFFICIENT_SECURITY, 0);
    try_exchange(modp(2048, 0), two, y, ALERT_INSUFFICIENT_SECURITY, 2049);
    try_exchange(modp(2048, 0), two, y, 0, 2048);
    try_exchange(long_one, two, y, ALERT_INSUFFICIENT_SECURITY, 0);
    try_exchange(none, two, y, ALERT_INSUFFICIENT_SECURITY, 0);
    try_exchange(modp(2048, 1), two, y, ALERT_ILLEGAL_PARAMETER, 0); /* even */
    try_exchange(modp(2048, 2), two, y, ALERT_ILLEGAL_PARAMETER, 0); /* composite */
    try_exchange(modp(2048, -4), two, small(3), ALERT_ILLEGAL_PARAMETER, 0);
}

static void threat_18_generators_and_shares(void **state)
{
    const struct number p = modp(2048, 0), two = small(2);
    struct number padded = { { 0 }, 256 };
    static const int near[] = { -1, 0, 1 };

    (void)state;
    padded.p[255] = 2;
    try_exchange(p, p, two, ALERT_ILLEGAL_PARAMETER, 0);
    for (unsigned i = 0; i < 2; i++) {
        try_exchange(p, small(i), two, ALERT_ILLEGAL_PARAMETER, 0);
        try_exchange(p, two, small(i), ALERT_ILLEGAL_PARAMETER, 0);
    }
    for (size_t i = 0; i < 3; i++) {
        try_exchange(p, modp(2048, near[i]), two, ALERT_ILLEGAL_PARAMETER, 0);
        try_exchange(p, two, modp(2048, near[i]), ALERT_ILLEGAL_PARAMETER, 0);
    }
    try_exchange(p, two, modp(8192, 0), ALERT_ILLEGAL_PARAMETER, 0);
    try_exchange(p, two, two, 0, 0);
    try_exchange(p, two, padded, 0, 0);
    try_exchange(p, modp(2048, -2), modp(2048, -2), 0, 0);
    padded.n = 0;
    try_exchange(padded, two, two, ALERT_DECODE_ERROR, 0);
    try_exchange(p, padded, two, ALERT_DECODE_ERROR, 0);
    try_exchange(p, two, padded, ALERT_DECODE_ERROR, 0);
}

/* The server's side: its own prime, the client's number. */
static void threat_18_client_shares(void **state)
{
    static const struct {
        int value, near; /* value, or near the prime */
        size_t n;        /* 0: as it is */
        unsigned alert;
    } rows[] = {
        { 0, 0, 1, ALERT_ILLEGAL_PARAMETER },
        { 1, 0, 1, ALERT_ILLEGAL_PARAMETER },
        { 2, 0, 1, 0 },
        { 0, -1, 0, ALERT_ILLEGAL_PARAMETER },
        { 0, -2, 0, 0 },
        { 0, 1, 0, ALERT_ILLEGAL_PARAMETER },
        { 0, 2, 0, ALERT_ILLEGAL_PARAMETER },
        { 0, 0, 0, ALERT_DECODE_ERROR },
    };
    struct dh_params d = loaded(modp(2048, 0));

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct number y = rows[i].n ? small((unsigned)rows[i].value) : modp(2048, rows[i].near);
        struct pair_params q = dhe();
        struct stage12 s;
        uint8_t m[NUMBER];
        size_t n;

        q.dh = &d;
        s = stage12_at(S12_WAIT_CKE, &q);
        (void)stage12_next(&s, &n);
        y.n = rows[i].alert == ALERT_DECODE_ERROR ? 0 : y.n;
        memcpy(m,
               (uint8_t[]){ HS_CLIENT_KEY_EXCHANGE, 0, (uint8_t)((y.n + 2) >> 8),
                            (uint8_t)(y.n + 2), (uint8_t)(y.n >> 8), (uint8_t)y.n },
               6);
        memcpy(m + 6, y.p, y.n);
        stage12_give(&s, m, 6 + y.n);
        if (rows[i].alert) {
            assert_refused(s.e, rows[i].alert);
        } else {
            assert_int_equal(s.e->rc, 0);
        }
        stage12_free(&s);
    }
    dhparams_free(&d);
}

/* threat 5: each byte of both messages, and each place where they may end. */
static void threat_05_flips_and_ends(void **state)
{
    static const enum hs_state at[] = { C12_WAIT_SKE, S12_WAIT_CKE };

    (void)state;
    for (int k = 0; k < 2; k++) {
        size_t size = HS_HEADER + 1;

        for (size_t i = HS_HEADER; i < size; i++) {
            for (int cut = 0; cut < 2; cut++) {
                struct pair_params q = dhe();
                struct stage12 s = stage12_at(at[k], &q);
                uint8_t *m = stage12_next(&s, &size);
                size_t n = cut ? i : size;

                m[i] ^= cut ? 0 : 1;
                m[2] = (uint8_t)((n - HS_HEADER) >> 8);
                m[3] = (uint8_t)(n - HS_HEADER);
                stage12_give(&s, m, n);
                /* Another number of the client's is as good, until Finished. */
                if (k == 1 && !cut && i >= HS_HEADER + 2) {
                    assert_int_equal(s.e->rc, 0);
                    for (int left = 0; left < 2; left++) {
                        m = stage12_next(&s, &n);
                        stage12_give(&s, m, n);
                    }
                }
                assert_true(IS_TLS_ALERT(s.e->rc) && s.e->done == 0);
                stage12_free(&s);
            }
        }
        assert_true(size > 256);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_unknown_group),
        cmocka_unit_test(test_loaded),
        cmocka_unit_test(threat_18_only_when_named),
        cmocka_unit_test(threat_18_primes),
        cmocka_unit_test(threat_18_generators_and_shares),
        cmocka_unit_test(threat_18_client_shares),
        cmocka_unit_test(threat_05_flips_and_ends),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
