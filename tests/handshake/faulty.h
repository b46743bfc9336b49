/* SPDX-License-Identifier: ISC */
/* A kind of connection is played again and again, with one thing that fails at another place each
 * time (tests/lib/faults.h): an end says an error, with a sentence, or all went well. No end is
 * connected, and no byte arrives, that should not be. Behind each the same settings, caches and
 * tickets serve a connection that nothing fails (threats 25, 36, 37).
 *
 * A place is tried once in a program, all of them in all kinds with SLEEVE_TEST_FULL=1. */
#ifndef TESTS_HANDSHAKE_FAULTY_H
#define TESTS_HANDSHAKE_FAULTY_H
#include "base/mem.h"
#include "tests/handshake/pair12.h"
#include "tests/lib/faults.h"

struct kind {
    const char *what;
    struct pair_params q;
    bool by_id, by_ticket; /* sessions are kept */
    bool resume;           /* and resumed */
    bool cold;             /* no chain of certificates is known from before: time goes backwards */
    bool lax;              /* the handshake can do without what fails: a ticket, a session */
    bool static_rsa;       /* the server shows who it is by what it deciphers */
    /* What they do once they are connected, in order; NULL ends. An error of a call in rc of the
     * end is the end of it. */
    void (*then[10])(struct pair *p);
};

static struct config *faulty_config[2]; /* by role, of all connections of a kind */
static uint8_t faulty_wire[WIRE_MAX];
static enum fault faulty_kind;
static struct key_job *faulty_job;
static bool faulty_told; /* a call said an error, and the connection goes on */

/* It failed, said so, and left all as it was: once more, then. */
static inline void told(const struct end *e)
{
    assert_true(faults.hit && e->t && tls_connected(e->t));
    faulty_told = true;
    faults_disarm();
}

static inline bool healthy(const struct pair *p)
{
    return p->c.t && p->s.t && p->c.rc == 0 && p->s.rc == 0;
}

/* A call of the write half, or for the whole of the connection. */
static inline bool said(struct end *e, int rc)
{
    if (rc < 0) {
        e->rc = rc;
        assert_true(!tls_connected(e->t) && tls_error(e->t)->code < 0);
    }
    return rc >= 0;
}

/* What one end has to say, to the other. It may change its keys on the way. */
static inline size_t pass(struct end *from, struct end *to)
{
    const size_t n = end_take(from, faulty_wire);

    if (from->rc == 0) {
        (void)said(from, tls_error(from->t)->code);
    }
    end_give(to, faulty_wire, n);
    return n;
}

/* A key callback: the work is done when both ends have said all that they can. */
static inline void faulty_later(void *ctx, struct key_job *job)
{
    (void)ctx;
    assert_null(faulty_job);
    faulty_job = key_job_ref(job);
}

static inline void exchange(struct pair *p)
{
    for (size_t i = 0; i < 12; i++) {
        if (pass(&p->c, &p->s) + pass(&p->s, &p->c) == 0 && !faulty_job) {
            break;
        }
        if (faulty_job) {
            key_job_run(faulty_job);
            key_job_unref(faulty_job);
            faulty_job = NULL;
            end_give(&p->c, "", 0);
            end_give(&p->s, "", 0);
        }
    }
}

/* ---- what connected ends do ---- */

static inline void send_some(struct end *from, struct end *to, size_t n)
{
    static uint8_t text[16500];
    struct span part = span_of(text, n);
    size_t taken = 0, made = 0;
    const size_t had = to->ngot;

    for (size_t i = 0; i < n; i++) {
        text[i] = (uint8_t)(i * 7 + n + 1);
    }
    to->ngot = 0;
    (void)pass(from, to);
    (void)said(from, tls_seal(from->t, &part, 1, &taken, faulty_wire, WIRE_MAX, &made));
    end_give(to, faulty_wire, made);
    assert_true(to->ngot <= taken && had <= sizeof to->got);
    assert_memory_equal(to->got, text, to->ngot);
    assert_true(to->rc < 0 || to->ngot == taken);
    assert_true(from->rc < 0 || taken == n);
}

/* Of several lengths, both ways: none, one record, several. */
static inline void talk_some(struct pair *p)
{
    static const size_t sizes[] = { 1, 300, 16500 };

    for (size_t i = 0; i < 3 && healthy(p); i++) {
        send_some(&p->c, &p->s, sizes[i]);
        if (healthy(p)) {
            send_some(&p->s, &p->c, sizes[i]);
        }
    }
}

static inline void update_some(struct pair *p)
{
    if (said(&p->c, tls_key_update(p->c.t, true))) {
        exchange(p);
    }
    talk_some(p);
    if (healthy(p) && said(&p->s, tls_key_update(p->s.t, false))) {
        exchange(p);
    }
    talk_some(p);
}

/* The connection goes on after an error, and then says the same as the other end. */
static inline void export_some(struct pair *p)
{
    uint8_t key[2][48];
    struct end *ends[] = { &p->c, &p->s };

    for (size_t i = 0; i < 2; i++) {
        memset(key[i], 0x5a, sizeof key[i]);
        if (tls_export(ends[i]->t, "EXPORTER-test", span_text("x"), true, key[i], 48) < 0) {
            told(ends[i]);
            for (size_t j = 0; j < sizeof key[i]; j++) {
                assert_int_equal(key[i][j], 0);
            }
            assert_int_equal(
                tls_export(ends[i]->t, "EXPORTER-test", span_text("x"), true, key[i], 48), 0);
        }
    }
    assert_memory_equal(key[0], key[1], sizeof key[0]);
}

static inline void bind_some(struct pair *p)
{
    static const enum tls_binding kinds[] = { TLS_BINDING_EXPORTER, TLS_BINDING_END_POINT };
    uint8_t out[64];

    for (size_t i = 0; i < 2; i++) {
        size_t n = sizeof out;

        memset(out, 0x5a, sizeof out);
        if (tls_channel_binding(p->c.t, kinds[i], out, &n) < 0) {
            told(&p->c);
            for (size_t j = 0; j < sizeof out; j++) {
                assert_int_equal(out[j], 0);
            }
        }
    }
}

static inline void park_some(struct pair *p)
{
    tls_park(p->c.t);
    tls_park(p->s.t);
    talk_some(p);
}

/* To bytes and back. An error leaves all as it was: once more then. */
static inline void move_one(struct pair *p, struct end *e, enum tls_role role)
{
    struct buf blob = { .secret = true }, received = { 0 }, plain = { 0 };
    struct error err = { 0 };

    (void)p;
    if (tls_hand_off(&e->t, span_text(""), span_text(""), &blob) < 0) {
        told(e);
        assert_int_equal(tls_hand_off(&e->t, span_text(""), span_text(""), &blob), 0);
    }
    assert_null(e->t);
    if (tls_take_over(&e->t, faulty_config[role], &blob, &received, &plain, &err) < 0) {
        assert_true(faults.hit && !e->t && err.code < 0 && err.text[0]);
        faulty_told = true;
        faults_disarm();
        assert_int_equal(tls_take_over(&e->t, faulty_config[role], &blob, &received, &plain, NULL),
                         0);
    }
    buf_free(&blob);
    buf_free(&received);
    buf_free(&plain);
}

static inline void move_some(struct pair *p)
{
    exchange(p); /* tickets */
    if (healthy(p)) {
        move_one(p, &p->s, TLS_SERVER);
        move_one(p, &p->c, TLS_CLIENT);
        talk_some(p);
    }
}

/* What was resumed can be written down. */
static inline void write_some(struct pair *p)
{
    struct tls_session *s = tls_session(p->c.t), *copy;
    struct buf b = { 0 };

    if (s && session_write(s, &b) == 0) {
        if (session_parse(&copy, buf_span(&b)) == 0) {
            session_unref(copy);
        }
    }
    assert_true(!s || faults.hit || buf_len(&b));
    buf_free(&b);
    session_unref(s);
}

/* An error leaves all as it was. */
static inline void close_one(struct end *from, struct end *to)
{
    if (tls_close(from->t) < 0) {
        told(from);
        assert_int_equal(tls_close(from->t), 0);
    }
    (void)pass(from, to);
    assert_true(from->rc < 0 || to->rc < 0 || to->closed == 1);
}

static inline void close_some(struct pair *p)
{
    exchange(p); /* tickets */
    close_one(&p->c, &p->s);
    if (healthy(p)) {
        close_one(&p->s, &p->c);
    }
}

static inline void renegotiate_some(struct pair *p)
{
    const unsigned done = p->c.done;

    if (said(&p->c, tls_rehandshake(p->c.t, NULL, false))) {
        exchange(p);
    }
    assert_true(!healthy(p) || (p->c.done == done + 1 && p->s.done == done + 1));
    talk_some(p);
}

static inline void request_some(struct pair *p)
{
    exchange(p);
    if (healthy(p) && said(&p->s, tls_request_client_auth(p->s.t, NULL))) {
        exchange(p);
    }
    if (healthy(p)) {
        assert_true(p->s.done == 2 && info_of(&p->s).client_auth);
    }
    talk_some(p);
}

/* ---- one connection ---- */

static inline void begin(struct pair *p, const struct kind *k, struct tls_session *s)
{
    const char *host = k->q.host ? k->q.host : PAIR_HOST;
    struct error err = { 0 };

    p->c.nin = p->c.ngot = p->s.nin = p->s.ngot = p->c.nearly = p->s.nearly = 0;
    p->c.done = p->c.closed = p->c.warned = p->s.done = p->s.closed = p->s.warned = 0;
    p->c.t = p->s.t = NULL;
    pair_later -= k->cold;
    faulty_told = false;
    p->c.rc = tls_new(&p->c.t, faulty_config[TLS_CLIENT], host, NULL, s, &err);
    p->s.rc = p->c.rc < 0 ? 0 : tls_new(&p->s.t, faulty_config[TLS_SERVER], NULL, NULL, NULL, &err);
    assert_int_equal(p->c.t == NULL, p->c.rc < 0);
    assert_true(healthy(p) || p->c.rc == 0 || (err.code < 0 && err.text[0]));
}

static inline void early_some(struct pair *p)
{
    static const uint8_t text[20] = "twenty bytes of it";
    const struct span part = span_of(text, sizeof text);
    size_t taken, made, n = end_take(&p->c, faulty_wire);

    if (tls_early_room(p->c.t) &&
        said(&p->c,
             tls_seal_early(p->c.t, &part, 1, &taken, faulty_wire + n, WIRE_MAX / 2, &made))) {
        n += made;
    }
    end_give(&p->s, faulty_wire, n);
    assert_true(p->s.nearly <= sizeof text);
    assert_memory_equal(p->s.early, text, p->s.nearly);
}

/* Whoever is connected has seen signatures that are right, or resumes, or has the key. */
static inline void check_proofs(const struct pair *p, const struct kind *k)
{
    const struct tls_info c = info_of(&p->c), s = info_of(&p->s);
    size_t wanted = 0;

    assert_true(c.resumed == s.resumed && strcmp(c.psk, s.psk) == 0);
    assert_int_equal(c.psk[0] != '\0', k->q.psk[TLS_CLIENT][0].name != NULL);
    if (!c.resumed && !c.psk[0]) {
        assert_true(c.peer_cert.n && (s.client_auth || k->q.auth != CLIENT_AUTH_REQUIRE));
        wanted = 1u + s.client_auth;
    }
    if (k->static_rsa) {
        wanted = 0;
    }
    if (faults.verified < wanted * (1u + k->cold)) {
        fail_msg("%s: connected by %zu signatures", k->what, faults.verified);
    }
}

static inline void play(struct pair *p, const struct kind *k, struct tls_session *s)
{
    begin(p, k, s);
    if (!healthy(p)) {
        return;
    }
    if (k->q.early) {
        early_some(p);
    }
    exchange(p);
    if (!healthy(p)) {
        return;
    }
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    assert_true(p->c.done == 1 && p->s.done == 1);
    check_proofs(p, k);
    talk_some(p);
    for (size_t i = 0; k->then[i] && healthy(p); i++) {
        k->then[i](p);
    }
}

/* ---- what must be true behind it ---- */

/* It did not come to an end in silence, and all of it is over. */
static inline void check_failed(struct end *e, const struct kind *k)
{
    const struct error *err = tls_error(e->t);
    const struct span part = span_text("x");
    struct tls_in in = { .data = faulty_wire };
    size_t taken = 1, made = 1;
    uint8_t out[32];

    if (tls_connected(e->t) || err->code >= 0 || !err->text[0] || !err->place) {
        fail_msg("%s: %s failed: %d \"%s\"", k->what, faults.what, err->code, err->text);
    }
    assert_true(err->code == ERR_PEER_ALERT || err->alert_sent != ALERT_NONE);
    assert_int_equal(tls_input(e->t, &in), ERR_CLOSED);
    assert_int_equal(tls_seal(e->t, &part, 1, &taken, faulty_wire, WIRE_MAX, &made), ERR_CLOSED);
    assert_true(taken == 0 && made == 0);
    assert_true(tls_export(e->t, "EXPORTER-test", part, true, out, sizeof out) < 0);
    assert_int_equal(tls_early_room(e->t), 0);
}

/* Of a connection in which something failed once: who says that it was at fault has told the other,
 * which was able to read it. */
static inline void check_fault(struct pair *p, const struct kind *k)
{
    struct end *ends[] = { &p->c, &p->s };
    size_t guilty = 0;

    for (size_t i = 0; i < 2; i++) {
        const struct error *err = tls_error(ends[i]->t), *peer = tls_error(ends[1 - i]->t);

        if (ends[i]->rc == 0 || err->code == ERR_PEER_ALERT) {
            continue;
        }
        guilty++;
        if (ends[1 - i]->rc && peer->alert_received != err->alert_sent) {
            fail_msg("%s: %s failed: %d \"%s\", and the other: %d \"%s\"", k->what, faults.what,
                     err->code, err->text, peer->code, peer->text);
        }
        /* libcrypto does not say why; whatever fails beside a MAC is a bad one (threat 39), and
         * what was not deciphered is random (threat 12) */
        if (faulty_kind != FAULT_THEIR_MEMORY && err->alert_sent != ALERT_INTERNAL_ERROR &&
            suite_by_id(k->q.suite)->mac == HASH_NONE && !k->static_rsa) {
            fail_msg("%s: %s failed: %d \"%s\"", k->what, faults.what, err->code, err->text);
        }
    }
    assert_int_equal(guilty, 1);
}

static inline void check(struct pair *p, const struct kind *k, bool for_good)
{
    const bool went_well = healthy(p);

    if (!p->c.t || !p->s.t) {
        assert_true(faults.hit);
        return;
    }
    exchange(p);     /* the alert */
    if (went_well) { /* without the digests by which a known chain is found, it is verified */
        if (faults.hit && !k->lax && !faulty_told && faulty_kind <= FAULT_RUBBISH &&
            strcmp(faults.what, "hash_parts") != 0) {
            fail_msg("%s: %s failed and was not missed", k->what, faults.what);
        }
        return;
    }
    assert_true(faults.hit);
    if (!for_good) {
        check_fault(p, k);
    }
    if (p->c.rc < 0) {
        check_failed(&p->c, k);
    }
    if (p->s.rc < 0) {
        check_failed(&p->s, k);
    }
    assert_int_equal(tls_output(p->c.t).n + tls_output(p->s.t).n, 0);
}

/* Nothing fails. The session that it can be resumed with. */
static inline struct tls_session *play_well(struct pair *p, const struct kind *k,
                                            struct tls_session *resume)
{
    struct tls_session *s = session_again(resume);

    faults_disarm();
    faults_forget();
    play(p, k, s);
    session_unref(s);
    if (!healthy(p)) {
        fail_msg("%s: %d / %d", k->what, p->c.rc, p->s.rc);
    }
    s = k->resume ? tls_session(p->c.t) : NULL;
    pair_free(p);
    session_unref(resume);
    return s;
}

static inline void faulty_make(struct pair *p, const struct kind *k)
{
    struct pair_params q = k->q;

    memset(p, 0, sizeof *p);
    q.cache = k->by_id ? session_cache_new(4, 3600 * 1000) : NULL;
    q.tickets = k->by_ticket ? ticket_keys_new(4 * SESSION_LIFE_MAX * INT64_C(1000)) : NULL;
    faulty_config[TLS_CLIENT] = pair_config(p, TLS_CLIENT, &q);
    faulty_config[TLS_SERVER] = pair_config(p, TLS_SERVER, &q);
    session_cache_unref(q.cache);
    ticket_keys_unref(q.tickets);
}

/* Every call of one sort in a kind. */
static inline size_t faulty_each(struct pair *p, const struct kind *k, enum fault fault,
                                 bool for_good)
{
    struct tls_session *s, *again;
    size_t tried = 0, n;
    size_t calls;

    faulty_make(p, k);
    s = play_well(p, k, play_well(p, k, NULL));
    again = session_again(s);
    faults_forget();
    faults_arm(fault, 0, for_good);
    play(p, k, again);
    faults_disarm();
    calls = faults.calls;
    session_unref(again);
    pair_free(p);
    for (n = 1; n <= calls; n++) {
        if (!faults_new(n)) {
            continue;
        }
        tried++;
        again = session_again(s);
        faults_forget();
        faults_arm(fault, n, for_good);
        play(p, k, again);
        faults_disarm();
        check(p, k, for_good);
        session_unref(again);
        pair_free(p);
        pair_free(p); /* harmless */
        s = play_well(p, k, s);
    }
    session_unref(s);
    config_unref(faulty_config[TLS_CLIENT]);
    config_unref(faulty_config[TLS_SERVER]);
    return tried;
}

/* What is made once, is made. */
static inline int faulty_begin(void **state)
{
    if (pki_make(state) < 0) {
        return -1;
    }
    pair_free(pair_connected(NULL));
    return 0;
}

static inline void faulty_all(const struct kind *kinds, size_t n, enum fault fault, bool for_good)
{
    static struct pair p; /* large */
    size_t tried = 0;

    faults_disarm();
    faulty_kind = fault;
    for (size_t i = 0; i < n; i++) {
        const size_t before = faults.live;

        /* When memory fails libcrypto as it makes the blinding of an RSA key anew, it goes on with
         * one that is wrong, and so are the key's signatures until the 32nd use. */
        if (fault == FAULT_THEIR_MEMORY && (kinds[i].q.id == ID_RSA || kinds[i].static_rsa)) {
            continue;
        }
        tried += faulty_each(&p, &kinds[i], fault, for_good);
        if (faults.live != before) {
            fail_msg("%s: %zd allocations left", kinds[i].what, (ssize_t)(faults.live - before));
        }
    }
    print_message("%zu places\n", tried);
    assert_true(tried > 20);
}
/* One test, of all kinds in the program's table. */
#define FAULTY(name, fault, for_good)                                       \
    static void name(void **state)                                          \
    {                                                                       \
        (void)state;                                                        \
        faulty_all(kinds, sizeof kinds / sizeof *kinds, (fault), for_good); \
    }
#endif
