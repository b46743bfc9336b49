/* SPDX-License-Identifier: ISC */
/* The engine leaves no secret behind: not in blocks that it gave back, nor in those of libcrypto,
 * nor on the stack below a call that has returned, nor, when all is freed, anywhere: after success
 * and after every kind of end. SLEEVE_TEST_FULL=1: every allocation fails in every kind of
 * handshake; SLEEVE_TEST_TRACE: watch.h. */
#include "base/trace.h"
#include "tests/secrets/kinds.h"
#include "tests/secrets/spies.h"

#define TEXT 600
static uint8_t plain[TEXT];
static struct ticket_keys *others;

/* What libcrypto frees as it is, and no call that does the same does otherwise: while keys are
 * loaded, and then. */
static const struct known known_loading[] = {
    { AT_LIBCRYPTO, "a private key",
      "its decoder: DER out of PEM, and the string in ECPrivateKey" },
    { PLACES, NULL, NULL },
};
static const struct known known[] = {
    { AT_LIBCRYPTO, "an ephemeral key", "the scalars of a multiplication on P-256" },
    { AT_LIBCRYPTO, "the premaster secret",
      "what RSA deciphered, until its padding was looked at" },
    { PLACES, NULL, NULL },
};

/* Where the key log is wanted, the library keeps none of its lines. */
static void unread(void *ctx, const char *line)
{
    (void)ctx;
    (void)line;
}

/* Nor does a trace of any kind say one. */
static unsigned traced;
static void listen(void *ctx, enum trace_kind kind, const char *line)
{
    (void)ctx;
    (void)kind;
    traced++;
    said(line);
}

/* ---- ends ---- */
static void say(struct end *from, struct end *to)
{
    static uint8_t sealed[WIRE_MAX];
    const size_t queued = end_take(from, sealed);
    const size_t made = queued + end_seal(from, plain, TEXT, sealed + queued);

    to->ngot = 0;
    end_give(to, sealed, made);
    assert_int_equal(to->ngot, TEXT);
    assert_memory_equal(to->got, plain, TEXT);
}

static void say_early(struct pair *p)
{
    static uint8_t sealed[WIRE_MAX];
    const struct span part = span_of(plain, TEXT);
    size_t n = end_take(&p->c, sealed), taken, made;

    assert_int_equal(tls_seal_early(p->c.t, &part, 1, &taken, sealed + n, sizeof sealed - n, &made),
                     0);
    end_give(&p->s, sealed, n + made);
    assert_int_equal(p->s.nearly, TEXT);
}

static void end_forget(struct pair *p)
{
    pair_free(p);
    wipe(p, sizeof *p);
}

static struct tls_session *session_of(const struct pair_params *q)
{
    struct pair *p = pair_connected(q);
    struct tls_session *s = tls_session(p->c.t);

    assert_non_null(s);
    end_forget(p);
    return s;
}

static void close_both(struct pair *p)
{
    assert_int_equal(tls_close(p->c.t), 0);
    assert_int_equal(tls_close(p->s.t), 0);
    pair_run(p, WIRE_MAX);
}

static void ends_close(struct pair *p)
{
    close_both(p);
}

static void ends_exported(struct pair *p)
{
    SECRET(out, 64);

    if (tls_export(p->c.t, "EXPERIMENTAL secrets", span_text("context"), true, out, 64) == 0) {
        assert_int_equal(
            tls_export(p->s.t, "EXPERIMENTAL secrets", span_text("context"), true, out, 64), 0);
    }
    close_both(p);
}

static void ends_updated(struct pair *p)
{
    if (tls_key_update(p->c.t, true) == 0) {
        say(&p->c, &p->s);
        say(&p->s, &p->c);
    }
    tls_park(p->c.t);
    tls_park(p->s.t);
    say(&p->c, &p->s);
    say(&p->s, &p->c);
    close_both(p);
}

static void ends_moved(struct pair *p)
{
    struct buf moved = { 0 }, received = { 0 }, unread = { 0 };
    struct config *c = config_ref(tls_config(p->s.t));

    assert_int_equal(tls_hand_off(&p->s.t, span_of(NULL, 0), span_of(plain, TEXT), &moved), 0);
    assert_int_equal(tls_take_over(&p->s.t, c, &moved, &received, &unread, NULL), 0);
    say(&p->c, &p->s);
    say(&p->s, &p->c);
    buf_free(&moved);
    buf_free(&received);
    buf_free(&unread);
    config_unref(c);
}

static void ends_in_kernel(struct pair *p)
{
    struct tls_kernel k;

    if (tls_kernel_keys(&p->s.t, &k) == 0) {
        wipe(&k, sizeof k);
    }
}

/* A record that was changed on its way. */
static void ends_forged(struct pair *p)
{
    static uint8_t sealed[WIRE_MAX];
    size_t n = end_take(&p->c, sealed);

    n += end_seal(&p->c, plain, TEXT, sealed + n);
    sealed[n - 20] ^= 1;
    end_give(&p->s, sealed, n);
    assert_refused(&p->s, ALERT_BAD_RECORD_MAC);
    pair_run(p, WIRE_MAX);
    assert_true(p->c.rc < 0);
}

static void ends_aborted(struct pair *p)
{
    tls_abort(p->c.t, ALERT_INTERNAL_ERROR, "a test");
    pair_run(p, WIRE_MAX);
    assert_true(p->s.rc < 0);
}

static void ends_cut(struct pair *p)
{
    static uint8_t sealed[WIRE_MAX];
    const size_t n = end_seal(&p->c, plain, TEXT, sealed);

    end_give(&p->s, sealed, n / 2);
    tls_end(p->s.t);
}

static void (*const ends[])(struct pair *p) = { ends_close,   ends_exported,  ends_updated,
                                                ends_moved,   ends_in_kernel, ends_forged,
                                                ends_aborted, ends_cut };
#define ENDS (sizeof ends / sizeof *ends)

/* ---- whole connections ---- */
struct job {
    const struct kind *kind;
    void (*end)(struct pair *p);
    unsigned flight; /* which is changed on its way, or the last, from 1 on; 0: none */
    size_t from_end; /* 0: it is the last */
    bool resume;
};

static void connection(void *arg)
{
    const struct job *j = arg;
    struct pair_params q = j->kind->params();
    struct pair *p;

    q.resume = j->resume ? session_of(&q) : NULL;
    p = pair_new(&q);
    if (q.early && q.resume) {
        say_early(p);
    }
    pair_run(p, WIRE_MAX);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    say(&p->c, &p->s);
    say(&p->s, &p->c);
    j->end(p);
    end_forget(p);
    session_unref(q.resume);
}

static unsigned found_in_all;
static bool full; /* SLEEVE_TEST_FULL */

static void check(void (*fn)(void *arg), const struct job *j, const char *how)
{
    char stage[160];

    snprintf(stage, sizeof stage, "%s%s, %s", j->kind->name, j->resume ? ", resumed" : "", how);
    found_in_all += watch(fn, (void *)(uintptr_t)j, stage);
    watch_forget();
}

/* ---- what fails ---- */
static void wrong_name(struct pair_params *q)
{
    q->host = "other.test";
}
static void wrong_anchor(struct pair_params *q)
{
    q->other_ca = true;
}
static void no_certificate(struct pair_params *q)
{
    q->client_id = false;
    q->auth = q->psk[TLS_SERVER][0].name ? CLIENT_AUTH_NONE : CLIENT_AUTH_REQUIRE;
}
static void wrong_key(struct pair_params *q)
{
    q->psk[TLS_SERVER][0].key = PSK_KEY "but another";
}
static void nothing_in_common(struct pair_params *q)
{
    q->server_alpn[0] = "a";
    q->client_alpn[0] = "b";
}
static void other_tickets(struct pair_params *q)
{
    q->tickets = others;
}
static void (*const faults[])(struct pair_params *q) = { wrong_name,        wrong_anchor,
                                                         no_certificate,    wrong_key,
                                                         nothing_in_common, other_tickets };

/* Whatever comes of it. */
static void talk_if(struct pair *p)
{
    static uint8_t sealed[WIRE_MAX];
    const struct span part = span_of(plain, TEXT);
    size_t taken, made;

    if (tls_connected(p->c.t) && p->c.rc == 0 &&
        tls_seal(p->c.t, &part, 1, &taken, sealed, sizeof sealed, &made) == 0) {
        end_give(&p->s, sealed, made);
    }
    pair_run(p, WIRE_MAX);
}

static void faulty(void *arg)
{
    const struct job *j = arg;
    struct pair_params q = j->kind->params();
    struct pair *p;

    q.resume = j->resume ? session_of(&q) : NULL;
    faults[j->flight](&q);
    p = pair_new(&q);
    pair_run(p, WIRE_MAX);
    talk_if(p);
    end_forget(p);
    session_unref(q.resume);
}

/* A flight is changed, or comes in half and is the last. */
static void disturbed(void *arg)
{
    static uint8_t flight[WIRE_MAX];
    const struct job *j = arg;
    struct pair_params q = j->kind->params();
    struct pair *p;

    q.resume = j->resume ? session_of(&q) : NULL;
    p = pair_new(&q);
    for (unsigned f = 1; f <= j->flight; f++) {
        struct end *from = f % 2 ? &p->c : &p->s, *to = f % 2 ? &p->s : &p->c;
        size_t n = end_take(from, flight);

        if (f == j->flight && n) {
            n = j->from_end ? n : n / 2;
            flight[n - 1 - j->from_end % n] ^= j->from_end != 0;
        }
        end_give(to, flight, n);
    }
    if (j->from_end) {
        pair_run(p, WIRE_MAX);
    }
    end_forget(p);
    session_unref(q.resume);
}

/* The nth allocation of a connection fails. */
static void starved(void *arg)
{
    const struct job *j = arg;
    struct pair_params q = j->kind->params();
    struct pair *p = pair_new(&q);

    alloc_count = 0;
    alloc_which = j->resume;
    alloc_fail = j->from_end;
    pair_run(p, WIRE_MAX);
    talk_if(p);
    alloc_fail = 0;
    end_forget(p);
}

/* ---- tests ---- */

/* What is there is found, wherever it is. */
static uint8_t planted[32];
static void plant(void *arg)
{
    const unsigned what = *(const unsigned *)arg;
    uint8_t on_stack[512];
    uint8_t *block = what == 1 ? mem_alloc(100) : OPENSSL_malloc(100);

    for (size_t i = 0; i < 32; i++) {
        on_stack[100 + i] = what == 3 ? plain[i] : 0;
        block[7 + i] = what < 3 ? plain[i] : 0;
        planted[i] = what == 4 ? plain[i] : 0;
    }
    __asm__ volatile("" : : "r"(on_stack) : "memory");
    if (what == 1) {
        mem_free(block);
    } else {
        OPENSSL_free(block);
    }
}

static void leave(void *arg)
{
    plant(arg);
    look("leave");
}

static void everywhere(void *arg)
{
    plant(arg);
    on_watcher(memory_job, NULL);
}

static void test_control(void **state)
{
    (void)state;
    for (unsigned what = 0; what <= 4; what++) {
        const unsigned n = watch(what == 4 ? everywhere : leave, &what, NULL);

        assert_true(what == 0 ? n > 0 : n >= 4);
    }
    wipe(planted, sizeof planted);
}

static void threat_36_every_end(void **state)
{
    (void)state;
    found_in_all = 0;
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t e = 0; e < ENDS; e++) {
            for (unsigned resume = 0; resume <= kinds[k].resumes; resume++) {
                const struct job j = { &kinds[k], ends[e], 0, 0, resume };
                char how[32];

                if (!full && (k + e + resume) % 3) {
                    continue;
                }
                key_log = e % 2 ? unread : NULL;
                snprintf(how, sizeof how, "end %zu", e);
                check(connection, &j, how);
            }
        }
    }
    key_log = NULL;
    assert_int_equal(found_in_all, 0);
}

static void threat_36_every_refusal(void **state)
{
    (void)state;
    found_in_all = traced = 0;
    trace_set(listen, NULL, TRACE_ALL);
    for (size_t k = 0; k < KINDS; k++) {
        for (unsigned f = 0; f < sizeof faults / sizeof *faults; f++) {
            for (unsigned resume = 0; resume <= kinds[k].resumes; resume++) {
                const struct job j = { &kinds[k], NULL, f, 0, resume };
                char how[32];

                if (!full && (k + f) % 2 != resume) {
                    continue;
                }
                snprintf(how, sizeof how, "fault %u", f);
                check(faulty, &j, how);
            }
        }
    }
    trace_set(NULL, NULL, 0);
    assert_true(traced > 1000);
    assert_int_equal(found_in_all, 0);
}

static void threat_36_every_flight(void **state)
{
    static const size_t places[] = { 0, 1, 20, 100 };

    (void)state;
    found_in_all = 0;
    for (size_t k = 0; k < KINDS; k++) {
        for (unsigned f = 1; f <= 5; f++) {
            for (unsigned i = 0; i < 4u << kinds[k].resumes; i++) {
                const struct job j = { &kinds[k], NULL, f, places[i % 4], i / 4 };
                char how[48];

                if (!full && (k + i + i / 4) % 4 != f % 4) {
                    continue;
                }
                snprintf(how, sizeof how, "flight %u, %zu from its end", f, places[i % 4]);
                check(disturbed, &j, how);
            }
        }
    }
    assert_int_equal(found_in_all, 0);
}

/* By the engine and by libcrypto. */
static void threat_37_every_allocation(void **state)
{
    (void)state;
    found_in_all = 0;
    for (size_t k = 0; k < KINDS; k++) {
        for (unsigned which = 0; which < 2; which++) {
            const size_t step = full ? 1 : which ? 97 : 17;
            struct job j = { &kinds[k], NULL, 0, 1 + k % step, which };
            char how[48];

            do {
                snprintf(how, sizeof how, "%s allocation %zu", which ? "libcrypto's" : "our",
                         j.from_end);
                check(starved, &j, how);
                j.from_end += step;
            } while (alloc_count + step >= j.from_end);
        }
    }
    assert_int_equal(found_in_all, 0);
}

static int start(void **state)
{
    (void)state;
    full = getenv("SLEEVE_TEST_FULL") != NULL;
    key_log_ours = true;
    watch_install();
    return 0;
}

static void make(void *arg)
{
    (void)arg;
    assert_int_equal(resume_make(NULL), 0);
    others = ticket_keys_new(4 * SESSION_LIFE_MAX * INT64_C(1000));
    assert_non_null(others);
}

static void test_make(void **state)
{
    (void)state;
    watch_known = known_loading;
    assert_int_equal(watch(make, NULL, "certificates and keys"), 0);
    watch_known = known;
    assert_int_equal(rand_bytes(plain, TEXT), 0);
    learn("plaintext", plain, TEXT);
    watch_keep();
}

static void drop(void *arg)
{
    (void)arg;
    ticket_keys_unref(others);
    assert_int_equal(resume_drop(NULL), 0);
}

static void test_memory(void **state)
{
    (void)state;
    assert_int_equal(watch(drop, NULL, "the end"), 0);
    wipe(plain, TEXT);
    found = 0;
    memory_job(NULL);
    assert_int_equal(found, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_control),
        cmocka_unit_test(threat_36_every_end),
        cmocka_unit_test(threat_36_every_refusal),
        cmocka_unit_test(threat_36_every_flight),
        cmocka_unit_test(threat_37_every_allocation),
        cmocka_unit_test(test_memory),
    };

#ifdef WATCH_SANITIZED
    puts("freed memory is the sanitizer's");
    return 77;
#endif
    return cmocka_run_group_tests(tests, start, NULL);
}
