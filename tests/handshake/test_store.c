/* SPDX-License-Identifier: ISC */
/* A server's sessions in a store outside, which answers at once, later, never, or with anything:
 * the handshake resumes or is a full one, and nothing else comes of it (threats 26, 36, 38, 39). */
#include "tests/handshake/pair12.h"

enum how { NOW, LATER, THREAD, FORGET, MISS };
enum lie { TRUTH, OTHERS, GARBAGE, CUT, LONG, EMPTY, FLIPPED, HUGE };
struct entry {
    uint8_t id[SESSION_ID_MAX], value[2048];
    size_t nid, nvalue;
    uint32_t life;
    bool gone; /* taken or dropped; kept to be played again */
};
static struct fake {
    enum how how;
    enum lie lie;
    bool replays; /* gives again what was taken */
    struct entry e[64];
    size_t n;
    unsigned puts, gets, takes, drops;
    struct session_lookup *held; /* LATER */
    pthread_t thread;
    bool running;
} fake;
static struct ticket_keys *keys;
static struct key_job *signing; /* likewise */
static unsigned signings;

static struct entry *entry_of(struct span id)
{
    for (size_t i = fake.n; i-- > 0;) {
        if (span_eq(id, span_of(fake.e[i].id, fake.e[i].nid))) {
            return &fake.e[i];
        }
    }
    return NULL;
}

static void fake_put(void *ctx, struct span id, struct span value, uint32_t life)
{
    struct entry *e = entry_of(id);

    assert_ptr_equal(ctx, &fake);
    assert_true(id.n == SESSION_ID_MAX && value.n > 60 && value.n <= sizeof e->value);
    assert_true(life > 0 && life <= 3600);
    assert_null(e);
    assert_true(fake.n < sizeof fake.e / sizeof *fake.e);
    e = &fake.e[fake.n++];
    *e = (struct entry){ .nid = id.n, .nvalue = value.n, .life = life };
    memcpy(e->id, id.p, id.n);
    memcpy(e->value, value.p, value.n);
    fake.puts++;
}

static void fake_drop(void *ctx, struct span id)
{
    struct entry *e = entry_of(id);

    (void)ctx;
    fake.drops++;
    if (e) {
        e->gone = true;
    }
}

static void lie(struct session_lookup *l, const struct entry *e)
{
    static uint8_t bytes[1 << 16];
    size_t n = e->nvalue;

    memset(bytes, 0xa5, sizeof bytes);
    memcpy(bytes, e->value, e->nvalue);
    switch (fake.lie) {
    case OTHERS:
        for (size_t i = 0; i < fake.n; i++) {
            if (&fake.e[i] != e) {
                memcpy(bytes, fake.e[i].value, n = fake.e[i].nvalue);
            }
        }
        break;
    case GARBAGE:
        memset(bytes, 0, n);
        break;
    case CUT:
        n--;
        break;
    case LONG:
        n++;
        break;
    case EMPTY:
        n = 0;
        break;
    case FLIPPED:
        bytes[n / 2] ^= 1;
        break;
    case HUGE:
        n = SESSION_STORED_MAX + 1;
        break;
    case TRUTH:
        break;
    }
    session_lookup_found(l, span_of(bytes, n));
}

static void answer(struct session_lookup *l)
{
    struct entry *e = entry_of(session_lookup_id(l));

    if (!e || (e->gone && !fake.replays) || fake.how == MISS) {
        session_lookup_missed(l);
    } else {
        e->gone = e->gone || session_lookup_takes(l);
        lie(l, e);
    }
    /* Only the first one counts. */
    session_lookup_missed(l);
    session_lookup_found(l, span_text("second"));
}

static void *answer_thread(void *l)
{
    answer(l);
    session_lookup_unref(l);
    return NULL;
}

static void fake_get(void *ctx, struct session_lookup *l)
{
    (void)ctx;
    fake.gets++;
    fake.takes += session_lookup_takes(l);
    switch (fake.how) {
    case NOW:
    case MISS:
        answer(l);
        break;
    case LATER:
        assert_null(fake.held);
        fake.held = session_lookup_ref(l);
        break;
    case THREAD:
        fake.running = true;
        assert_int_equal(pthread_create(&fake.thread, NULL, answer_thread, session_lookup_ref(l)),
                         0);
        break;
    case FORGET:
        break;
    }
}

static const struct session_store store = { fake_put, fake_get, fake_drop, &fake };

static void fake_reset(enum how how)
{
    assert_null(fake.held);
    memset(&fake, 0, sizeof fake);
    fake.how = how;
}

static struct pair_params usual(unsigned max)
{
    return (struct pair_params){
        .client_max = max, .tickets = keys, .store = &store, .no_tickets = max == TLS_1_2
    };
}

static void answer_held(void)
{
    struct session_lookup *l = fake.held;

    fake.held = NULL;
    answer(l);
    session_lookup_unref(l);
}

static void sign_later(void *ctx, struct key_job *job)
{
    (void)ctx;
    signings++;
    assert_null(signing);
    signing = key_job_ref(job);
}

/* Until both are silent. */
static void drive(struct pair *p, size_t chunk)
{
    pair_run(p, chunk);
    while (hs_waiting(&p->s.t->hs)) {
        const enum hs_state state = p->s.t->hs.state;

        if (signing) {
            key_job_run(signing);
            key_job_unref(signing);
            signing = NULL;
        } else if (fake.how == LATER) {
            assert_true(tls_waiting(p->s.t));
            assert_int_equal(tls_output(p->s.t).n, 0); /* the hello has no answer yet */
            end_give(&p->s, "", 0);
            assert_int_equal(p->s.t->hs.state, state);
            assert_int_equal(p->s.t->hs.proves, 0);
            answer_held();
        }
        while (tls_waiting(p->s.t)) {
            assert_int_equal(fake.how, THREAD);
        }
        end_give(&p->s, "", 0);
        pair_run(p, chunk);
    }
    if (fake.running) {
        assert_int_equal(pthread_join(fake.thread, NULL), 0);
        fake.running = false;
    }
}

static bool connects(struct pair_params *q, size_t chunk)
{
    struct pair *p = pair_new(q);
    bool resumed;

    drive(p, chunk);
    assert_int_equal(p->c.rc, 0);
    assert_int_equal(p->s.rc, 0);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    resumed = info_of(&p->c).resumed;
    assert_int_equal(info_of(&p->s).resumed, resumed);
    end_talk(&p->c, &p->s, "ping", 4);
    end_talk(&p->s, &p->c, "pong", 4);
    session_unref(q->resume);
    q->resume = tls_session(p->c.t);
    pair_free(p);
    return resumed;
}

static const unsigned versions[] = { TLS_1_2, TLS_1_3 };

/* ---- it answers ---- */
static void test_resumes(void **state)
{
    static const size_t chunks[] = { WIRE_MAX, 97, 1 };

    (void)state;
    for (size_t i = 0; i < 2 * 3 * 3; i++) {
        struct pair_params q = usual(versions[i % 2]);

        fake_reset((enum how)(i / 2 % 3));
        assert_false(connects(&q, chunks[i / 6]));
        assert_int_equal(fake.puts, q.client_max == TLS_1_2 ? 1 : 2);
        for (int n = 0; n < 4; n++) {
            assert_non_null(q.resume);
            if (q.client_max == TLS_1_3) { /* no more than a name */
                assert_int_equal(q.resume->ticket_len, 32);
            }
            assert_true(connects(&q, chunks[i / 6]));
        }
        assert_int_equal(fake.takes, q.client_max == TLS_1_3 ? 4 : 0);
        assert_int_equal(fake.drops, 0);
        session_unref(q.resume);
    }
}

static void test_behind_a_retry(void **state)
{
    (void)state;
    for (int how = NOW; how <= THREAD; how++) {
        struct pair_params q = usual(TLS_1_3);

        q.client_groups[0] = 29;
        q.client_groups[1] = q.server_groups[0] = 23;
        fake_reset((enum how)how);
        assert_false(connects(&q, WIRE_MAX));
        assert_true(connects(&q, WIRE_MAX));
        assert_int_equal(fake.gets, 1); /* for the first hello, which has taken it */
        session_unref(q.resume);
    }
}

static void test_serves_once(void **state)
{
    struct pair_params q = usual(TLS_1_3);
    struct tls_session *s;

    (void)state;
    fake_reset(NOW);
    assert_false(connects(&q, WIRE_MAX));
    s = session_ref(q.resume);
    assert_true(connects(&q, WIRE_MAX));
    session_unref(q.resume);
    q.resume = s; /* the name that was taken */
    assert_false(connects(&q, WIRE_MAX));
    session_unref(q.resume);
}

/* One hello waits twice: for the store, and as that knows nothing, for a signature. */
static void test_and_then_the_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair_params q = usual(versions[i]);

        fake_reset(NOW);
        assert_false(connects(&q, WIRE_MAX));
        fake_reset(LATER); /* and empty */
        q.on_key[TLS_SERVER] = sign_later;
        signings = 0;
        assert_false(connects(&q, WIRE_MAX));
        assert_int_equal(fake.gets, 1);
        assert_int_equal(signings, 1);
        assert_true(connects(&q, WIRE_MAX));
        assert_int_equal(signings, 1);
        session_unref(q.resume);
    }
}

/* ---- it does not, or lies ---- */
static void test_no_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct pair_params q = usual(versions[i % 2]);

        fake_reset(NOW);
        assert_false(connects(&q, WIRE_MAX));
        fake.how = i / 2 ? FORGET : MISS;
        assert_false(connects(&q, WIRE_MAX));
        assert_int_equal(fake.gets, 1);
        fake.how = NOW;
        assert_true(connects(&q, WIRE_MAX)); /* by what that one left */
        session_unref(q.resume);
    }
}

static void test_lies(void **state)
{
    (void)state;
    for (int what = OTHERS; what <= HUGE; what++) {
        for (size_t i = 0; i < 4; i++) {
            struct pair_params q = usual(versions[i % 2]), other = usual(versions[i % 2]);

            fake_reset(i / 2 ? LATER : NOW);
            assert_false(connects(&q, WIRE_MAX));
            assert_false(connects(&other, WIRE_MAX));
            fake.lie = (enum lie)what;
            assert_false(connects(&q, WIRE_MAX)); /* threat 38 */
            assert_int_equal(fake.gets, 1);
            session_unref(q.resume);
            session_unref(other.resume);
        }
    }
}

/* Whoever writes the store can bring back what was there: as long as it lives, and no longer. */
static void test_old_values(void **state)
{
    struct pair_params q = usual(TLS_1_2);
    struct tls_session *s;

    (void)state;
    fake_reset(NOW);
    fake.replays = true;
    assert_false(connects(&q, WIRE_MAX));
    assert_true(connects(&q, WIRE_MAX));
    pair_later += 3599;
    assert_true(connects(&q, WIRE_MAX));
    s = session_again(q.resume);
    s->lifetime = SESSION_LIFE_MAX; /* the client would still offer it */
    session_unref(q.resume);
    q.resume = s;
    pair_later += 1;
    assert_false(connects(&q, WIRE_MAX));
    assert_int_equal(fake.gets, 3);
    session_unref(q.resume);
    pair_later = 0;
}

/* threat 27: under another policy it is worth nothing. */
static void test_other_config(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair_params q = usual(versions[i]);

        fake_reset(NOW);
        assert_false(connects(&q, WIRE_MAX));
        q.auth = CLIENT_AUTH_REQUEST;
        assert_false(connects(&q, WIRE_MAX));
        assert_int_equal(fake.gets, 1);
        session_unref(q.resume);
    }
}

/* Values of another fleet, and of keys that are gone. */
static void test_other_keys(void **state)
{
    struct ticket_keys *theirs = ticket_keys_new(INT64_C(3600000));

    (void)state;
    assert_non_null(theirs);
    for (size_t i = 0; i < 2; i++) {
        struct pair_params q = usual(versions[i]);

        fake_reset(NOW);
        assert_false(connects(&q, WIRE_MAX));
        q.tickets = theirs;
        assert_false(connects(&q, WIRE_MAX));
        assert_int_equal(fake.gets, 1);
        session_unref(q.resume);
    }
    ticket_keys_unref(theirs);
}

/* threat 36: the connection goes while the lookup is out. */
static void test_gone_meanwhile(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct pair_params q = usual(versions[i % 2]);
        struct pair *p;

        fake_reset(NOW);
        assert_false(connects(&q, WIRE_MAX));
        fake.how = LATER;
        p = pair_new(&q);
        pair_run(p, WIRE_MAX);
        assert_true(tls_waiting(p->s.t));
        if (i / 2 == 1) {
            answer_held();
        } else if (i / 2 == 2) {
            tls_abort(p->s.t, ALERT_USER_CANCELED, "enough");
            assert_false(tls_waiting(p->s.t));
        }
        pair_free(p);
        if (fake.held) {
            answer_held();
        }
        session_unref(q.resume);
    }
}

/* ---- what is kept, and what is asked for ---- */
static void test_secrets_are_sealed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct pair_params q = usual(versions[i]);

        fake_reset(NOW);
        assert_false(connects(&q, WIRE_MAX));
        for (size_t e = 0; e < fake.n; e++) {
            assert_null(
                memmem(fake.e[e].value, fake.e[e].nvalue, q.resume->secret, q.resume->secret_len));
            assert_null(memmem(fake.e[e].value, fake.e[e].nvalue, PAIR_HOST, strlen(PAIR_HOST)));
        }
        session_unref(q.resume);
    }
}

static void test_tickets_go_on(void **state)
{
    struct pair_params q = usual(TLS_1_2);

    (void)state;
    fake_reset(NOW);
    q.no_tickets = false;
    assert_false(connects(&q, WIRE_MAX)); /* who takes tickets gets tickets */
    assert_true(connects(&q, WIRE_MAX));
    assert_int_equal(fake.puts + fake.gets, 0);
    session_unref(q.resume);
    /* and one that was given before there was a store */
    q = usual(TLS_1_3);
    q.store = NULL;
    assert_false(connects(&q, WIRE_MAX));
    q.store = &store;
    assert_true(connects(&q, WIRE_MAX));
    assert_int_equal(fake.gets, 0);
    session_unref(q.resume);
}

/* A stored value is no ticket, a ticket no stored value. */
static void test_bound(void **state)
{
    struct buf b = { 0 };
    struct tls_session *s = session_new(), *out = NULL;
    const struct span id = span_text("0123456789abcdef0123456789abcdef");
    const int64_t now = PAIR_NOW * INT64_C(1000);
    bool renew;

    (void)state;
    assert_non_null(s);
    s->version = TLS_1_3;
    s->suite = 0x1301;
    s->secret_len = 32;
    s->made = now;
    s->lifetime = 3600;
    assert_int_equal(ticket_seal_stored(keys, id, s, now, &b), 0);
    assert_int_equal(ticket_open(keys, buf_span(&b), now, &out, &renew), ERR_MISMATCH);
    assert_int_equal(ticket_open_stored(keys, span_of(id.p, 31), buf_span(&b), now, &out, &renew),
                     ERR_MISMATCH);
    assert_int_equal(ticket_open_stored(keys, id, buf_span(&b), now, &out, &renew), 0);
    session_unref(out);
    buf_free(&b);
    assert_int_equal(ticket_seal(keys, s, now, &b), 0);
    assert_int_equal(ticket_open_stored(keys, id, buf_span(&b), now, &out, &renew), ERR_MISMATCH);
    assert_int_equal(ticket_open_stored(keys, span_of(NULL, 0), buf_span(&b), now, &out, &renew),
                     ERR_MISMATCH);
    buf_free(&b);
    assert_int_equal(ticket_seal_stored(keys, span_of(NULL, 0), s, now, &b), ERR_ARG);
    assert_int_equal(ticket_seal_stored(keys, span_of(now ? id.p : NULL, 33), s, now, &b), ERR_ARG);
    session_unref(s);
}

static void test_failure_drops(void **state)
{
    struct pair_params q = usual(TLS_1_2);
    struct pair *p;

    (void)state;
    fake_reset(NOW);
    assert_false(connects(&q, WIRE_MAX));
    p = pair_connected(&q);
    give_clear(&p->s, CT_APPLICATION_DATA, "rubbish", 7);
    assert_true(p->s.rc < 0);
    assert_int_equal(fake.drops, 1); /* RFC 5246 section 7.2.2 */
    pair_free(p);
    assert_false(connects(&q, WIRE_MAX));
    session_unref(q.resume);
}

static void test_end_keeps(void **state)
{
    struct pair_params q = usual(TLS_1_2);
    struct pair *p;

    (void)state;
    fake_reset(NOW);
    p = pair_connected(&q);
    q.resume = tls_session(p->c.t);
    assert_int_equal(tls_close(p->s.t), 0);
    tls_end(p->s.t);
    pair_free(p);
    assert_int_equal(fake.drops, 0);
    assert_true(connects(&q, WIRE_MAX));
    session_unref(q.resume);
}

static int setup(void **state)
{
    pki_make(state);
    keys = ticket_keys_new(4 * SESSION_LIFE_MAX * INT64_C(1000));
    return keys ? 0 : -1;
}

static int teardown(void **state)
{
    ticket_keys_unref(keys);
    return pki_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumes),
        cmocka_unit_test(test_behind_a_retry),
        cmocka_unit_test(test_serves_once),
        cmocka_unit_test(test_and_then_the_key),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_old_values),
        cmocka_unit_test(test_other_config),
        cmocka_unit_test(test_other_keys),
        cmocka_unit_test(test_gone_meanwhile),
        cmocka_unit_test(test_secrets_are_sealed),
        cmocka_unit_test(test_tickets_go_on),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_failure_drops),
        cmocka_unit_test(test_end_keeps),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
