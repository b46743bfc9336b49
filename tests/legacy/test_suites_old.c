/* SPDX-License-Identifier: ISC */
/* Connections under the suites with 3DES, RC4 and no cipher: what they agree on, data both ways,
 * waiting, and going on elsewhere; and that nobody offers one who was not told to. */
#include "tests/handshake/pair.h"

static uint8_t data[40000], wire[WIRE_MAX];

static bool has_certificate(const struct suite *s)
{
    return s->kx == KX_RSA || s->kx == KX_ECDHE || s->kx == KX_DHE;
}

static bool is_old(const struct suite *s)
{
    return has_certificate(s) && (s->cbc == CBC_3DES || s->stream != STREAM_NONE);
}

/* threat 16 */
static void threat_16_which(void **state)
{
    static const struct {
        uint16_t id, since;
        const char *name;
    } want[] = {
        { 0x000a, 0x0300, "TLS_RSA_WITH_3DES_EDE_CBC_SHA" },
        { 0x0016, 0x0300, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA" },
        { 0x0005, 0x0300, "TLS_RSA_WITH_RC4_128_SHA" },
        { 0x0004, 0x0300, "TLS_RSA_WITH_RC4_128_MD5" },
        { 0x0001, 0x0300, "TLS_RSA_WITH_NULL_MD5" },
        { 0x0002, 0x0300, "TLS_RSA_WITH_NULL_SHA" },
        { 0x003b, 0x0303, "TLS_RSA_WITH_NULL_SHA256" },
        { 0xc007, 0x0301, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA" },
        { 0xc008, 0x0301, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA" },
        { 0xc011, 0x0301, "TLS_ECDHE_RSA_WITH_RC4_128_SHA" },
        { 0xc012, 0x0301, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA" },
    };
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct suite *s = suite_by_id(want[i].id);

        assert_non_null(s);
        assert_string_equal(s->name, want[i].name);
        assert_false(s->by_default);
        assert_int_equal(s->since, want[i].since);
        for (uint16_t v = 0x02ff; v <= 0x0305; v++) {
            assert_int_equal(suite_fits(s, v), v >= want[i].since && v <= 0x0303);
        }
        assert_int_equal(suite_look(s), 0);
    }
    for (size_t i = 0; suite_at(i); i++) {
        n += is_old(suite_at(i));
    }
    assert_int_equal(n, sizeof want / sizeof *want);
}

/* The key block is divided as the record layer takes it. */
static void key_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        const struct suite *s = suite_at(i);

        for (uint16_t v = s->since; v <= s->version && v <= 0x0303; v++) {
            const struct rec_keys k = {
                .version = v, .aead = s->aead, .cbc = s->cbc, .stream = s->stream, .mac = s->mac
            };
            const struct rec_sizes want = rec_key_sizes(&k);
            const struct key_sizes got = suite_key_sizes(s, v);

            assert_int_equal(got.key, want.key);
            assert_int_equal(got.iv, want.iv);
            assert_int_equal(got.mac, want.mac_key);
            assert_true(2 * (got.key + got.iv + got.mac) <= KEY_BLOCK_MAX);
        }
    }
}

static struct pair *pair_of(const struct suite *s, unsigned version, bool no_etm)
{
    const struct pair_params q = { .suite = s->id,
                                   .client_max = version,
                                   .server_max = version,
                                   .id = s->auth == AUTH_RSA ? ID_RSA : 0,
                                   .no_etm = { no_etm, no_etm } };

    return pair_connected(&q);
}

static void talk(struct pair *p)
{
    static const size_t sizes[] = { 1, 2, 100, 16384, sizeof data };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        end_talk(&p->c, &p->s, data, sizes[i]);
        end_talk(&p->s, &p->c, data, sizes[i]);
    }
}

/* With all that the peer has to see of the version: the header's. */
static void whole_life(const struct suite *s, unsigned version, bool no_etm)
{
    struct pair *p = pair_of(s, version, no_etm);
    struct tls_kernel keys;
    size_t n;

    assert_int_equal(info_of(&p->c).suite_id, s->id);
    assert_int_equal(info_of(&p->c).version, version);
    assert_int_equal(info_of(&p->s).etm, s->cbc && !no_etm && version > 0x0300);
    talk(p);
    tls_park(p->c.t);
    tls_park(p->s.t);
    talk(p);
    n = end_seal(&p->c, data, 100, wire);
    for (size_t at = 0; at < n;
         at += (size_t)REC_HEADER + ((size_t)wire[at + 3] << 8 | wire[at + 4])) {
        assert_int_equal(wire[at + 1] << 8 | wire[at + 2], version);
    }
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.rc, 0);
    assert_int_equal(tls_kernel_keys(&p->c.t, &keys), ERR_UNSUPPORTED);
    assert_int_equal(tls_close(p->c.t), 0);
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(p->s.closed, 1);
    pair_free(p);
}

static void every_version(void **state)
{
    unsigned n = 0;

    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        const struct suite *s = suite_at(i);

        for (uint16_t v = 0x0300; v <= 0x0303; v++) {
            for (int no_etm = 0; no_etm <= (s->cbc != CBC_NONE); no_etm++) {
                if (has_certificate(s) && s->mac && suite_fits(s, v)) {
                    whole_life(s, v, no_etm);
                    n++;
                }
            }
        }
    }
    assert_true(n > 90);
}

static void elsewhere(struct end *e)
{
    struct config *c = config_ref(tls_config(e->t));
    struct buf blob = { 0 }, received = { 0 }, plain = { 0 };

    assert_int_equal(tls_hand_off(&e->t, span_of(NULL, 0), span_of(NULL, 0), &blob), 0);
    assert_int_equal(tls_take_over(&e->t, c, &blob, &received, &plain, NULL), 0);
    assert_int_equal(buf_len(&received) + buf_len(&plain), 0);
    buf_free(&blob);
    config_unref(c);
}

static void moved_life(const struct suite *s, unsigned version)
{
    struct pair *p = pair_of(s, version, false);

    for (int turn = 0; turn < 3; turn++) {
        talk(p);
        elsewhere(turn == 1 ? &p->s : &p->c);
    }
    talk(p);
    if (s->stream == STREAM_RC4) { /* not where it would take long */
        struct buf blob = { 0 };

        assert_true(p->c.t->tx.done > 3 * sizeof data);
        p->c.t->tx.done = REC_DONE_MAX + 1;
        assert_int_equal(tls_hand_off(&p->c.t, span_of(NULL, 0), span_of(NULL, 0), &blob),
                         ERR_UNSUPPORTED);
        assert_non_null(p->c.t);
    }
    pair_free(p);
}

/* IVs that follow from the record before, and key streams, go on where they were. */
static void goes_on_elsewhere(void **state)
{
    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        const struct suite *s = suite_at(i);

        for (uint16_t v = 0x0300; s->kx == KX_RSA && v <= 0x0303; v++) {
            if (s->mac && suite_fits(s, v)) {
                moved_life(s, v);
            }
        }
    }
}

/* threat 16: each end alone, under what it uses from the start. */
static void threat_16_unasked(void **state)
{
    (void)state;
    for (size_t i = 0; suite_at(i); i++) {
        for (int server = 0; is_old(suite_at(i)) && server < 2; server++) {
            struct pair_params q = { .id = suite_at(i)->auth == AUTH_RSA ? ID_RSA : 0,
                                     .client_max = TLS_1_2 };
            struct pair *p;

            *(server ? q.server_suites : q.client_suites) = suite_at(i)->id;
            p = pair_new(&q);
            pair_run(p, WIRE_MAX);
            assert_refused(&p->s, ALERT_HANDSHAKE_FAILURE);
            pair_free(p);
        }
    }
}

/* threat 16: a connection that 3DES has protected for long enough ends, and says so. */
static void threat_16_3des_ends(void **state)
{
    struct pair *p = pair_of(suite_by_id(0x000a), TLS_1_2, false);
    struct span part = { data, 10 };
    size_t taken, made;

    (void)state;
    talk(p);
    p->c.t->tx.seq = p->s.t->rx.seq = (1 << 20) - 1;
    end_talk(&p->c, &p->s, data, 10);
    assert_int_equal(tls_seal(p->c.t, &part, 1, &taken, wire, sizeof wire, &made), ERR_LIMIT);
    assert_int_equal(taken + made, 0);
    assert_int_equal(end_alert(&p->c), ALERT_INTERNAL_ERROR);
    assert_non_null(strstr(tls_error(p->c.t)->text, "protected"));
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(p->s.rc, ERR_PEER_ALERT);
    pair_free(p);
}

static int begin(void **state)
{
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 31 + i / 256);
    }
    return pki_make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_16_which),   cmocka_unit_test(key_sizes),
        cmocka_unit_test(every_version),     cmocka_unit_test(goes_on_elsewhere),
        cmocka_unit_test(threat_16_unasked), cmocka_unit_test(threat_16_3des_ends),
    };

    return cmocka_run_group_tests(tests, begin, pki_free);
}
