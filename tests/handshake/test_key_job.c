/* SPDX-License-Identifier: ISC */
/* Private keys that somebody else uses, at once or later: all goes as if they had been here. How it
 * ends otherwise: test_key_ends.c. */
#include "tests/handshake/key_worker.h"

static uint8_t wire[WIRE_MAX], bytes[2][WIRE_MAX];

/* ---- while it waits ---- */
static void check_waiting(struct pair *p, struct end *e, enum then then)
{
    const struct hs before = e->t->hs;
    struct tls_in in = { .data = wire, .len = sizeof wire };
    struct buf out = { 0 };
    struct tls_kernel keys;
    struct tls *t = e->t;

    assert_true(tls_waiting(e->t));
    assert_false(tls_waiting((e == &p->c ? &p->s : &p->c)->t));
    memset(wire, 0xff, sizeof wire); /* not a record: but nobody looks */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(tls_input(e->t, &in), TLS_EV_WAIT);
        assert_int_equal(in.used, 0);
        assert_int_equal(in.need, 0);
        in.len = i % 2 ? sizeof wire : (size_t)(i % 7);
    }
    assert_int_equal(tls_hand_off(&t, span_of(NULL, 0), span_of(NULL, 0), &out), ERR_STATE);
    assert_int_equal(tls_kernel_keys(&t, &keys), ERR_STATE);
    assert_ptr_equal(t, e->t);
    assert_int_equal(buf_len(&out), 0);
    assert_int_equal(tls_rehandshake(e->t, NULL, true), ERR_STATE);
    assert_int_equal(tls_output(e->t).n, 0); /* pair_run() has taken what there was */
    /* threat 3: nothing was proved by it, and nothing is complete */
    assert_int_equal(e->t->hs.state, before.state);
    assert_int_equal(e->t->hs.proves, before.proves);
    assert_int_equal(tls_connected(e->t), then != NOTHING && e->done > 0);
    if (then != ASK) {
        assert_false(tls_can_seal(e->t));
        assert_null(then == NOTHING ? tls_session(e->t) : NULL);
    }
}

/* Both ways until the handshakes are over. */
static void drive(struct pair *p, struct worker *w, enum then then, size_t chunk)
{
    struct end *e;

    pair_run(p, chunk);
    while (e = waiting_end(p), e) {
        if (w->how == LATER) {
            const unsigned wakes = atomic_load(&w->wakes);

            check_waiting(p, e, then);
            worker_do(w);
            assert_int_equal(atomic_load(&w->wakes), wakes + 1);
        }
        while (tls_waiting(e->t)) {
            assert_int_equal(w->how, THREAD);
            assert_int_equal(sem_wait(&w->woken), 0);
        }
        end_give(e, "", 0);
        pair_run(p, chunk);
    }
    assert_int_equal(p->c.rc, 0);
    assert_int_equal(p->s.rc, 0);
}

static void check_whole(struct pair *p, struct worker *w, const struct need *need, size_t chunk)
{
    struct tls_info i;

    drive(p, w, NOTHING, chunk);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    assert_int_equal(p->s.done, 1);
    if (need->then != NOTHING) {
        end_talk(&p->c, &p->s, "ping", 4);
        begin_again(p, need->then);
        drive(p, w, need->then, chunk);
        assert_int_equal(p->s.done, 2);
    }
    tls_get_info(p->s.t, &i);
    assert_int_equal(i.client_auth, need->q.client_id);
    assert_true(need->q.suite == SUITE_RSA_KX || need->q.suite == SUITE_RSA_CBC || i.scheme_id);
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
    assert_int_equal(w->calls, need->calls);
}

static void test_every_need(void **state)
{
    static const size_t chunks[] = { WIRE_MAX, 97, 1 };

    (void)state;
    for (const struct need *need = needs; need < needs + NEEDS; need++) {
        for (size_t i = 0; i < 9; i++) {
            struct worker w;
            struct pair *p;

            worker_init(&w);
            w.how = i % 3;
            w.delay = i > 4 ? 500 : 0;
            p = worker_pair(&w, &need->q);
            check_whole(p, &w, need, chunks[i / 3]);
            if (w.how == NOW) {
                assert_int_equal(atomic_load(&w.wakes), 0);
            }
            worker_join(&w);
            pair_free(p);
            sem_destroy(&w.woken);
        }
    }
}

/* ---- what the job says ---- */
static void take_and_look(void *ctx, struct key_job *job)
{
    struct key_request *copy = ctx;

    *copy = *key_job_request(job);
    copy->input = span_of(NULL, copy->input.n);
    key_job_run(job);
}

static void test_request(void **state)
{
    struct key_request r;
    struct pair_params q = { .id = ID_ED25519,
                             .on_key = { NULL, take_and_look },
                             .on_key_ctx = &r };
    struct pair *p = pair_connected(&q);

    (void)state;
    assert_int_equal(r.op, KEY_SIGN);
    assert_int_equal(r.scheme->id, 0x0807);
    assert_ptr_equal(r.identity, pki.server[ID_ED25519]);
    assert_int_equal(r.input.n, 64 + 34 + hash_size(p->s.t->hs.suite->hash)); /* section 4.4.3 */
    pair_free(p);
    q.client_max = TLS_1_2;
    q.id = ID_P256;
    p = pair_connected(&q);
    assert_int_equal(r.op, KEY_SIGN);
    assert_int_equal(r.scheme->id, 0x0403);
    assert_int_equal(r.input.n, 32 + 32 + 4 + p->s.t->hs.group->share_client);
    pair_free(p);
    q.id = ID_RSA;
    q.suite = SUITE_RSA_KX;
    p = pair_connected(&q);
    assert_int_equal(r.op, KEY_DECRYPT);
    assert_null(r.scheme);
    assert_int_equal(r.client_version, TLS_1_2);
    assert_int_equal(r.input.n, 256);
    pair_free(p);
}

/* ---- an identity whose key is elsewhere ---- */
static void run_elsewhere(void *ctx, struct key_job *job)
{
    const struct key_request *r = key_job_request(job);
    struct privkey *key = ctx;
    uint8_t out[SIG_MAX];
    size_t n = sizeof out;

    assert_null(r->identity->key);
    if (r->op == KEY_SIGN) {
        assert_int_equal(privkey_sign(key, r->scheme, &r->input, 1, out, &n), 0);
    } else {
        n = PREMASTER_RSA;
        assert_int_equal(privkey_decrypt_premaster(key, r->input, r->client_version, out), 0);
    }
    key_job_done(job, out, n);
}

static void test_key_elsewhere(void **state)
{
    static const uint16_t suites[][2] = { { 0x1301, 0 },
                                          { SUITE_RSA_GCM, 1 },
                                          { SUITE_RSA_KX, 1 } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct pair_params q = { .suite = suites[i][0],
                                 .client_max = suites[i][1] ? TLS_1_2 : 0,
                                 .on_key = { NULL, run_elsewhere },
                                 .on_key_ctx = pki.server[ID_RSA]->key };
        struct pair *p;

        assert_int_equal(identity_from_certs(&q.own, pki.server[ID_RSA]->certs[0], NULL), 0);
        p = pair_connected(&q);
        end_talk(&p->c, &p->s, "ping", 4);
        pair_free(p);
        /* nobody has it: not with us either */
        q.on_key[TLS_SERVER] = worker_take;
        q.on_key_ctx = &(struct worker){ .how = NOW };
        q.suite = 0;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_refused(&p->s, ALERT_INTERNAL_ERROR);
        pair_free(p);
        identity_unref(q.own);
    }
}

static void test_key_elsewhere_needs_callback(void **state)
{
    struct config *c = config_new(TLS_SERVER);
    struct error err = { 0 };
    struct identity *id;

    (void)state;
    assert_int_equal(identity_from_certs(&id, span_text("no certificate"), &err), ERR_PARSE);
    assert_null(id);
    assert_int_equal(identity_from_certs(&id, pki.server[0]->certs[0], NULL), 0);
    assert_int_equal(config_add_identity(c, id), 0);
    error_clear(&err);
    assert_int_equal(config_seal(c, &err), ERR_ARG);
    assert_non_null(strstr(err.text, "key callback"));
    assert_int_equal(config_set_key_callback(c, worker_take, NULL), 0);
    assert_int_equal(config_seal(c, NULL), 0);
    assert_int_equal(config_set_key_callback(c, NULL, NULL), ERR_STATE);
    identity_unref(id);
    config_unref(c);
}

/* ---- the peer sees no difference ---- */
/* Types and lengths of the records that a handshake has the server send. */
static size_t shape(const struct pair_params *q, struct worker *w, uint8_t *out)
{
    struct pair *p = worker_pair(w, q);
    size_t n, made = 0;

    do {
        end_give(&p->s, wire, end_take(&p->c, wire));
        if (hs_waiting(&p->s.t->hs)) {
            n = end_take(&p->s, wire); /* what there is may go already */
            end_give(&p->c, wire, n);
            memcpy(out + made, wire, n);
            made += n;
            worker_do(w);
            end_give(&p->s, "", 0);
        }
        n = end_take(&p->s, wire);
        memcpy(out + made, wire, n);
        made += n;
        end_give(&p->c, wire, n);
    } while (n);
    assert_true(tls_connected(p->s.t) && tls_connected(p->c.t));
    pair_free(p);
    return made;
}

static void test_same_records(void **state)
{
    struct pair_params q = { .id = ID_ED25519, .auth = CLIENT_AUTH_REQUEST };

    (void)state;
    for (int v = 0; v < 2; v++) {
        struct worker now, later;
        size_t n;

        q.client_max = v ? TLS_1_2 : 0;
        worker_init(&now);
        worker_init(&later);
        now.how = NOW;
        n = shape(&q, &now, bytes[0]);
        assert_int_equal(shape(&q, &later, bytes[1]), n);
        for (size_t at = 0; at < n; at += 5u + ((size_t)bytes[0][at + 3] << 8 | bytes[0][at + 4])) {
            assert_memory_equal(bytes[0] + at, bytes[1] + at, REC_HEADER);
        }
        assert_int_equal(now.calls + later.calls, 2);
    }
}

/* ---- data, closing and key updates while a client's answer to a request waits ---- */
static const struct need asked = { "", { .post_auth = true, .client_id = true }, ASK, 2 };

/* RFC 8446 section 4.6.2: nothing comes between the three messages. */
static void test_data_meanwhile(void **state)
{
    struct worker w;
    struct pair *p;
    struct tls_info i;

    (void)state;
    worker_init(&w);
    p = worker_pair(&w, &asked.q);
    assert_ptr_equal(to_job(p, &w, &asked, 2), &p->c);
    assert_true(tls_can_seal(p->c.t));
    end_talk(&p->c, &p->s, "before", 6);
    assert_int_equal(tls_key_update(p->c.t, false), 0);
    end_talk(&p->c, &p->s, "under new keys", 14);
    end_give(&p->c, wire, end_seal(&p->s, "not read yet", 12, wire)); /* it stays with the caller */
    assert_int_equal(p->c.ngot, 0);
    assert_int_equal(p->s.done, 1);
    worker_do(&w);
    end_give(&p->c, "", 0);
    assert_int_equal(p->c.ngot, 12);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->s.done, 2);
    tls_get_info(p->s.t, &i);
    assert_true(i.client_auth);
    end_talk(&p->c, &p->s, "after", 5);
    pair_free(p);
}

/* Half an answer is never sent. */
static void test_close_meanwhile(void **state)
{
    struct worker w;
    struct pair *p;
    size_t n;

    (void)state;
    worker_init(&w);
    p = worker_pair(&w, &asked.q);
    assert_ptr_equal(to_job(p, &w, &asked, 2), &p->c);
    assert_int_equal(tls_close(p->c.t), 0);
    n = end_take(&p->c, wire);
    assert_int_equal(n, TLS_HEADER + 2 + 1 + AEAD_TAG); /* the alert */
    end_give(&p->s, wire, n);
    assert_int_equal(p->s.closed, 1);
    assert_int_equal(p->s.rc, 0);
    worker_do(&w);
    end_give(&p->c, "", 0); /* and the rest of it neither */
    assert_int_equal(p->c.rc, 0);
    assert_int_equal(end_take(&p->c, wire), 0);
    pair_free(p);
}

/* A resumed connection needs no key. */
static void test_resumed(void **state)
{
    struct ticket_keys *keys = ticket_keys_new(3600000);

    (void)state;
    for (int v = 0; v < 2; v++) {
        struct pair_params q = { .client_max = v ? TLS_1_2 : 0, .tickets = keys };
        struct tls_session *s;
        struct worker w;
        struct pair *p;

        worker_init(&w);
        p = worker_pair(&w, &q);
        drive(p, &w, NOTHING, WIRE_MAX);
        s = q.resume = tls_session(p->c.t);
        assert_non_null(s);
        pair_free(p);
        assert_int_equal(w.calls, 1);
        p = worker_pair(&w, &q);
        drive(p, &w, NOTHING, WIRE_MAX);
        assert_true(tls_connected(p->s.t));
        assert_int_equal(w.calls, 1);
        pair_free(p);
        session_unref(s);
    }
    ticket_keys_unref(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_need),      cmocka_unit_test(test_request),
        cmocka_unit_test(test_key_elsewhere),   cmocka_unit_test(test_key_elsewhere_needs_callback),
        cmocka_unit_test(test_same_records),    cmocka_unit_test(test_data_meanwhile),
        cmocka_unit_test(test_close_meanwhile), cmocka_unit_test(test_resumed),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
