/* SPDX-License-Identifier: ISC */
/* No branch and no index on a secret in what the default build does: records of TLS 1.3 and 1.2,
 * key schedules, Finished, binders, tickets and what they hold, sessions, key updates, exporters,
 * early data, hand-over (threats 12, 26, 34, 38, 39). tests/legacy/test_branches.c has MAC-then-
 * encrypt and RSA. Run by test_branches.py under valgrind; by itself it says only that all of it
 * works. */
#include "tests/secrets/kinds.h"
#include "tests/secrets/poison.h"

#define TEXT 700
static uint8_t text[TEXT];

static void test_canary(void **state)
{
    (void)state;
    canary();
}

/* ---- records ---- */

static void half_make(struct rec_half *h, uint16_t version, enum aead_id id, bool seal)
{
    uint8_t key[AEAD_KEY_MAX] = { 5, 6, 7 }, iv[AEAD_IV] = { 8 };
    const struct rec_keys k = { .version = version, .aead = id, .key = key, .iv = iv };

    hide(key, sizeof key);
    hide(iv, sizeof iv);
    rec_half_init(h);
    assert_int_equal(rec_half_set(h, &k, seal), 0);
}

/* One record, of which the `from_end`th byte, when not 0, is another. */
static void record_try(uint16_t version, enum aead_id id, size_t len, size_t from_end)
{
    static uint8_t wire[REC_OVERHEAD_MAX + TEXT + 512];
    struct span part = span_of(text, len);
    struct rec_half tx, rx;
    struct rec_opened o;
    int made, rc;

    half_make(&tx, version, id, true);
    half_make(&rx, version, id, false);
    rec_half_pad(&tx, 64);
    made = rec_seal(&tx, CT_APPLICATION_DATA, &part, 1, len, wire);
    assert_true(made > (int)from_end);
    show(wire, (size_t)made); /* the explicit nonce is the number of the record */
    if (from_end) {
        wire[(size_t)made - from_end] ^= 0x41;
    }
    rc = rec_open(&rx, CT_APPLICATION_DATA,
                  (struct mspan){ wire + REC_HEADER, (size_t)made - REC_HEADER },
                  (struct mspan){ NULL, 0 }, &o);
    assert_int_equal(rc, from_end ? TLS_ALERT(ALERT_BAD_RECORD_MAC) : 0);
    if (rc == 0 && len) {
        assert_memory_equal(o.plain.p, text, len);
    }
    rec_half_park(&rx);
    rec_half_wipe(&tx);
    rec_half_wipe(&rx);
}

static void threat_39_records(void **state)
{
    static const size_t sizes[] = { 0, 1, 63, TEXT };

    (void)state;
    for (unsigned id = 0; id < AEAD_COUNT; id++) {
        for (uint16_t version = 0x0303; version <= 0x0304; version++) {
            for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
                record_try(version, (enum aead_id)id, sizes[j], 0);
                record_try(version, (enum aead_id)id, sizes[j], 1 + j);
            }
        }
    }
    assert_true(opened_right >= 24 && opened_wrong >= 24);
}

/* ---- handshakes ---- */

static void talk(struct pair *p)
{
    end_talk(&p->c, &p->s, text, TEXT);
    end_talk(&p->s, &p->c, text, TEXT);
}

static void moved(struct pair *p)
{
    struct buf bytes = { 0 }, received = { 0 }, unread = { 0 };
    struct config *c = config_ref(tls_config(p->s.t));

    assert_int_equal(tls_hand_off(&p->s.t, span_of(NULL, 0), span_of(NULL, 0), &bytes), 0);
    assert_int_equal(tls_take_over(&p->s.t, c, &bytes, &received, &unread, NULL), 0);
    talk(p);
    config_unref(c);
}

/* All that a connection does with its secrets. The session that it leaves. */
static struct tls_session *use(const struct pair_params *q)
{
    struct pair *p = pair_new(q);
    struct tls_session *s;
    uint8_t out[48];
    int rc;

    if (q->early && q->resume) {
        static uint8_t wire[WIRE_MAX];
        const struct span part = span_of(text, TEXT);
        size_t n = end_take(&p->c, wire), taken, made;

        assert_int_equal(tls_seal_early(p->c.t, &part, 1, &taken, wire + n, sizeof wire - n, &made),
                         0);
        end_give(&p->s, wire, n + made);
        assert_int_equal(p->s.nearly, TEXT);
    }
    pair_run(p, WIRE_MAX);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    talk(p);
    if (tls_key_update(p->c.t, true) == 0) {
        talk(p);
    }
    rc = tls_export(p->c.t, "EXPERIMENTAL branches", span_text("of both"), true, out, sizeof out);
    assert_true(rc == 0 || rc == ERR_UNSUPPORTED);
    tls_park(p->c.t);
    tls_park(p->s.t);
    talk(p);
    moved(p);
    s = tls_session(p->c.t);
    assert_int_equal(tls_close(p->c.t), 0);
    pair_run(p, WIRE_MAX);
    pair_free(p);
    return s;
}

static void threat_39_handshakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct pair_params q = kinds[i].params();

        if (q.id == ID_RSA && kinds[i].resumes) {
            q.id = 0; /* signatures are the same for every suite, and slow in valgrind */
        }
        print_message("%s\n", kinds[i].name);
        q.resume = use(&q);
        if (kinds[i].resumes) {
            struct tls_session *s = q.resume;

            assert_non_null(s);
            session_unref(use(&q));
            session_unref(s);
        } else {
            session_unref(q.resume);
        }
    }
    assert_true(secrets > 40);
}

/* ---- what is wrong ---- */

/* A ticket, a binder, or a Finished that was changed: nothing but the verdict depends on it. */
static void threat_34_changed(void **state)
{
    static uint8_t wire[WIRE_MAX];
    struct pair_params q = kinds[0].params();

    (void)state;
    q.resume = use(&q);
    for (size_t from_end = 1; from_end < 300; from_end += 30) {
        struct pair *p = pair_new(&q);
        const size_t n = end_take(&p->c, wire);

        wire[n - from_end] ^= 0x10; /* the binder is the end of a ClientHello, its ticket before */
        end_give(&p->s, wire, n);
        pair_run(p, WIRE_MAX);
        assert_false(tls_connected(p->s.t));
        pair_free(p);
    }
    session_unref(q.resume);
}

/* Another key from outside: the binder is wrong. */
static void threat_23_wrong_key(void **state)
{
    struct pair_params q = psk_of(0x1301, false);
    struct pair *p;

    (void)state;
    q.psk[TLS_SERVER][0].key = PSK_KEY "but another";
    p = pair_new(&q);
    pair_run(p, WIRE_MAX);
    assert_refused(&p->s, ALERT_DECRYPT_ERROR);
    pair_free(p);
}

static int start(void **state)
{
    for (size_t i = 0; i < TEXT; i++) {
        text[i] = (uint8_t)(i * 7);
    }
    return resume_make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canary),          cmocka_unit_test(threat_39_records),
        cmocka_unit_test(threat_39_handshakes), cmocka_unit_test(threat_34_changed),
        cmocka_unit_test(threat_23_wrong_key),
    };

    return cmocka_run_group_tests(tests, start, resume_drop);
}
