/* SPDX-License-Identifier: ISC */
/* How a private key in other hands can go wrong: it fails, is wrong, is late, or the connection is
 * gone by then (threat 36). */
#include "tests/handshake/key_worker.h"
#include "tests/lib/counted.h"

static uint8_t wire[WIRE_MAX];

/* To the n-th job of that need. */
static struct end *arrive(struct pair **p, struct worker *w, const struct need *need, unsigned n)
{
    worker_init(w);
    *p = worker_pair(w, &need->q);
    return to_job(*p, w, need, n);
}

static struct end *other_end(struct pair *p, const struct end *e)
{
    return e == &p->c ? &p->s : &p->c;
}

/* Its job is over, and it failed. */
static void check_failed(struct pair *p, struct end *e, const char *why)
{
    end_give(e, "", 0);
    assert_refused(e, ALERT_INTERNAL_ERROR);
    assert_non_null(strstr(tls_error(e->t)->text, why));
    assert_false(tls_waiting(e->t));
    pair_run(p, WIRE_MAX);
    assert_int_equal(other_end(p, e)->rc, ERR_PEER_ALERT);
}

/* ---- nobody is there any more ---- */
enum gone { FREED, ABORTED, ABORTED_AND_READ, PEER_FAILED, GONE_WAYS };

static void leave(struct pair *p, struct end *e, enum gone how)
{
    struct tls_in in = { .data = wire };

    switch (how) {
    case FREED:
        tls_free(e->t);
        e->t = NULL;
        break;
    case ABORTED:
        tls_abort(e->t, ALERT_USER_CANCELED, "no time");
        assert_false(tls_waiting(e->t));
        break;
    case ABORTED_AND_READ:
        tls_abort(e->t, ALERT_USER_CANCELED, "no time");
        assert_int_equal(tls_input(e->t, &in), ERR_CLOSED);
        break;
    case PEER_FAILED: /* its alert stays with the caller */
        tls_abort(other_end(p, e)->t, ALERT_ACCESS_DENIED, "no time");
        end_give(e, wire, end_take(other_end(p, e), wire));
        assert_int_equal(e->rc, 0);
        assert_true(tls_waiting(e->t));
        break;
    case GONE_WAYS:
        break;
    }
}

/* Jobs that are done, or refused, or dropped, after the connection. */
static void threat_36_late(void **state)
{
    (void)state;
    for (const struct need *need = needs; need < needs + NEEDS; need++) {
        for (unsigned i = 0; i < need->calls * GONE_WAYS * 3; i++) {
            enum gone how = i % GONE_WAYS;
            struct worker w;
            struct pair *p;
            struct end *e;

            counted_start();
            e = arrive(&p, &w, need, 1 + i / (GONE_WAYS * 3));
            leave(p, e, how);
            atomic_store(&w.wakes, 0);
            if (i / GONE_WAYS % 3 == 0) {
                worker_do(&w);
            } else {
                if (i / GONE_WAYS % 3 == 1) {
                    key_job_failed(w.job);
                }
                key_job_unref(w.job);
            }
            /* Where nobody has noticed yet, there is one to be woken. */
            assert_int_equal(atomic_load(&w.wakes), how == ABORTED || how == PEER_FAILED);
            if (how == PEER_FAILED) {
                end_give(e, "", 0);
                assert_true(e->rc < 0);
            }
            pair_free(p);
            sem_destroy(&w.woken);
            assert_int_equal(counted_stop(), 0);
        }
    }
}

/* The job is all that is left: config and identity are gone, too. */
static void threat_36_outlives_all(void **state)
{
    struct worker w;
    struct pair_params q = { .on_key = { NULL, worker_take }, .on_key_ctx = &w };
    struct key_job *job;
    struct pair *p;

    (void)state;
    worker_init(&w);
    q.own = pki_identity(KEY_EC_P256, PAIR_HOST, true);
    p = pair_new(&q);
    identity_unref(q.own);
    pair_run(p, WIRE_MAX);
    job = key_job_ref(w.job);
    pair_free(p);
    assert_int_equal(key_job_request(job)->scheme->id, 0x0403);
    assert_int_equal(key_job_request(job)->identity->leaf.key_type, KEY_EC_P256);
    worker_do(&w);
    key_job_done(job, "again", 5);
    key_job_unref(job);
    key_job_unref(NULL);
}

/* ---- failures ---- */
static bool is_decryption(const struct worker *w)
{
    return key_job_request(w->job)->op == KEY_DECRYPT;
}

static void test_refused(void **state)
{
    static const enum how ways[] = { REFUSE, FORGET, LATER };

    (void)state;
    for (const struct need *need = needs; need < needs + NEEDS; need++) {
        for (size_t i = 0; i < 3; i++) {
            struct worker w;
            struct pair *p;

            worker_init(&w);
            if (need->q.suite == SUITE_RSA_KX || need->q.suite == SUITE_RSA_CBC) {
                continue; /* below */
            }
            w.how = ways[i];
            p = worker_pair(&w, &need->q);
            pair_run(p, WIRE_MAX);
            assert_int_equal(w.calls, 1);
            if (w.how == LATER) { /* the last reference goes, and nothing was done */
                assert_true(tls_waiting(p->s.t));
                key_job_unref(key_job_ref(w.job));
                assert_int_equal(atomic_load(&w.wakes), 0);
                key_job_unref(w.job);
                assert_int_equal(atomic_load(&w.wakes), 1);
                assert_false(tls_waiting(p->s.t));
                check_failed(p, &p->s, "could not be used");
            } else {
                assert_refused(&p->s, ALERT_INTERNAL_ERROR);
            }
            pair_free(p);
        }
    }
}

/* Only the first counts. */
static void test_twice(void **state)
{
    (void)state;
    for (const struct need *need = needs; need < needs + NEEDS; need++) {
        for (unsigned i = 0; i < 2; i++) {
            struct worker w;
            struct pair *p;
            struct end *e = arrive(&p, &w, need, need->calls);
            struct key_job *job = key_job_ref(w.job);

            if (i && !is_decryption(&w)) {
                key_job_failed(w.job);
                worker_do(&w);
                check_failed(p, e, "could not be used");
            } else {
                worker_do(&w);
                key_job_done(job, "garbage", 7);
                key_job_failed(job);
                key_job_run(job);
                assert_false(tls_waiting(e->t));
                end_give(e, "", 0);
                key_job_done(job, "garbage", 7);
                pair_run(p, WIRE_MAX);
                assert_int_equal(p->s.rc, 0);
                assert_true(tls_connected(p->s.t) && tls_connected(p->c.t));
                end_talk(&p->c, &p->s, "ping", 4);
            }
            assert_int_equal(atomic_load(&w.wakes), need->calls);
            key_job_unref(job);
            pair_free(p);
        }
    }
}

/* ---- signatures that are none ---- */
/* The shortest and longest of each kind that are let through to the peer, which refuses them. */
static void test_lengths(void **state)
{
    static const struct {
        struct pair_params q;
        size_t least, most;
    } rows[] = {
        { { .id = ID_P256 }, 8, 72 },
        { { .id = ID_P384 }, 8, 104 },
        { { .id = ID_RSA }, 256, 256 },
        { { .id = ID_ED25519 }, 64, 64 },
        { { .id = ID_RSA, .client_max = TLS_1_2, .suite = SUITE_RSA_GCM }, 256, 256 },
        { { .id = ID_P256, .client_max = TLS_1_2 }, 8, 72 },
    };
    uint8_t sig[SIG_MAX + 1] = { 0x30 };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t n[] = { rows[i].least,    rows[i].most, 0,           rows[i].least - 1,
                             rows[i].most + 1, SIG_MAX,      SIG_MAX + 1, 1u << 24 };

        for (size_t j = 0; j < sizeof n / sizeof *n; j++) {
            struct need need = { .q = rows[i].q, .calls = 1 };
            struct worker w;
            struct pair *p;
            struct end *e = arrive(&p, &w, &need, 1);

            key_job_done(w.job, sig, n[j]);
            key_job_unref(w.job);
            if (j > 1) {
                check_failed(p, e, "wrong length");
            } else {
                end_give(e, "", 0);
                assert_int_equal(e->rc, 0);
                pair_run(p, WIRE_MAX);
                assert_refused(&p->c, ALERT_DECRYPT_ERROR);
                assert_int_equal(p->s.rc, ERR_PEER_ALERT);
            }
            pair_free(p);
        }
    }
}

/* ---- premaster secrets that are none: all the same to the peer ---- */
static void threat_12_decryption(void **state)
{
    static const struct need need = {
        .q = { .client_max = TLS_1_2, .id = ID_RSA, .suite = SUITE_RSA_KX }, .calls = 1
    };
    uint8_t good[PREMASTER_RSA];

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct worker w;
        struct pair *p;
        struct end *e = arrive(&p, &w, &need, 1);
        const struct key_request *r = key_job_request(w.job);
        const char *const late = "a record is forged or damaged";

        assert_ptr_equal(e, &p->s);
        assert_int_equal(privkey_decrypt_premaster(r->identity->key, r->input, TLS_1_2, good), 0);
        assert_memory_equal(good, "\3\3", 2);
        if (i >= 6) { /* not that version */
            e->t->hs.work->client_version ^= i == 6 ? 1 : 0x100;
        }
        switch (i) {
        case 1:
            key_job_failed(w.job);
            break;
        case 2:
            key_job_done(w.job, good, PREMASTER_RSA - 1);
            break;
        case 3:
            key_job_done(w.job, "", 0);
            break;
        case 4:
            key_job_done(w.job, good, 1u << 20); /* more than is looked at */
            break;
        case 5: /* nobody does it */
            break;
        default:
            key_job_done(w.job, good, PREMASTER_RSA);
        }
        key_job_unref(w.job);
        end_give(e, "", 0); /* what waits behind it is read with it */
        pair_run(p, WIRE_MAX);
        if (i == 0) {
            assert_true(tls_connected(p->s.t) && tls_connected(p->c.t));
        } else {
            assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
            assert_string_equal(tls_error(p->s.t)->text, late);
        }
        pair_free(p);
    }
}

/* The secret in place of a bad one is random, when all else is the same. */
static int drawn;

static int constant(void *p, size_t n)
{
    memset(p, drawn, n);
    return 0;
}

static void threat_12_random(void **state)
{
    static const struct need need = { .q = { .client_max = TLS_1_2,
                                             .id = ID_RSA,
                                             .suite = SUITE_RSA_KX,
                                             .no_ems = { true, true } },
                                      .calls = 1 };
    uint8_t master[3][MASTER_SIZE];

    (void)state;
    rand_set_test_source(constant);
    for (int i = 0; i < 3; i++) {
        struct worker w;
        struct pair *p;
        struct end *e;

        drawn = 1;
        e = arrive(&p, &w, &need, 1);
        e->nin = 0; /* the secret is there, and the message behind it is not */
        drawn = i / 2;
        key_job_failed(w.job);
        key_job_unref(w.job);
        end_give(e, "", 0);
        memcpy(master[i], e->t->hs.work->master, MASTER_SIZE);
        pair_free(p);
    }
    rand_set_test_source(NULL);
    assert_memory_equal(master[0], master[1], MASTER_SIZE);
    assert_memory_not_equal(master[0], master[2], MASTER_SIZE);
}

/* ---- no memory (threats 36, 37) ---- */
static long allowed;

static void *scarce_alloc(size_t n)
{
    return allowed-- > 0 ? counted_alloc(n) : NULL;
}

/* Each allocation fails once; what was taken is given back, and nobody is connected by half. */
static void threat_37_no_memory(void **state)
{
    (void)state;
    for (const struct need *need = needs; need < needs + NEEDS; need++) {
        bool failed = true;

        for (long n = 0; failed; n++) {
            struct worker w;
            struct pair *p;

            worker_init(&w);
            counted_start();
            p = worker_pair(&w, &need->q);
            allowed = n;
            mem_hooks.alloc = scarce_alloc;
            pair_run(p, WIRE_MAX);
            for (struct end *e; e = waiting_end(p), e;) {
                worker_do(&w);
                end_give(e, "", 0);
                pair_run(p, WIRE_MAX);
            }
            assert_null(w.job);
            failed = allowed < 0;
            mem_hooks.alloc = counted_alloc;
            assert_true(failed || (tls_connected(p->c.t) && tls_connected(p->s.t)));
            pair_free(p);
            assert_int_equal(counted_stop(), 0);
        }
    }
}

/* What is made once and kept, the keys of the anchors, is there before anything is counted. */
static int make(void **state)
{
    assert_int_equal(pki_make(state), 0);
    pair_free(
        pair_connected(&(struct pair_params){ .auth = CLIENT_AUTH_REQUIRE, .client_id = true }));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_36_late),   cmocka_unit_test(threat_36_outlives_all),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_twice),
        cmocka_unit_test(test_lengths),     cmocka_unit_test(threat_12_decryption),
        cmocka_unit_test(threat_12_random), cmocka_unit_test(threat_37_no_memory),
    };

    return cmocka_run_group_tests(tests, make, pki_free);
}
