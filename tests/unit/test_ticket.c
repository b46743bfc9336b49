/* SPDX-License-Identifier: ISC */
/* Tickets: what is sealed comes back, everything else is one error (threat 39); no nonce comes
 * twice. The keys are in test_ticket_keys.c. */
#include "tickets.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- tickets ---- */

/* threat 26: nothing has to happen before the first ticket; threat 27: the context comes back. */
static void threat_26_works_at_once(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE), *other = ticket_keys_new(LIFE);
    struct buf b = sealed(k, NOW);
    struct tls_session *s = NULL;
    bool renew = true;

    (void)state;
    assert_int_equal(ticket_open(k, buf_span(&b), NOW, &s, &renew), 0);
    assert_false(renew);
    assert_int_equal(s->context[0], 0xc7);
    session_unref(s);
    assert_int_equal(opened_buf(other, &b, NOW), -1);
    assert_ptr_equal(ticket_keys_ref(k), k);
    ticket_keys_unref(k);
    assert_int_equal(opened_buf(k, &b, NOW), 0);
    buf_free(&b);
    ticket_keys_unref(k);
    ticket_keys_unref(other);
    ticket_keys_unref(NULL);
}

static void seal_appends(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct tls_session *s = sample(0x0304, WITH_ALL), *t;
    struct buf plain = { 0 }, b = { 0 };
    bool renew;

    (void)state;
    assert_int_equal(session_write(s, &plain), 0);
    assert_int_equal(buf_append(&b, "front", 5), 0);
    assert_int_equal(ticket_seal(k, s, NOW, &b), 0);
    assert_memory_equal(buf_data(&b), "front", 5);
    assert_int_equal(buf_len(&b), 5 + TICKET_OVERHEAD + buf_len(&plain));
    assert_false(holds(buf_data(&b), buf_len(&b), secret_byte));
    buf_consume(&b, 5);
    assert_int_equal(ticket_open(k, buf_span(&b), NOW, &t, &renew), 0);
    assert_true(same(s, t));
    session_unref(t);
    session_unref(s);
    buf_free(&plain);
    buf_free(&b);
    ticket_keys_unref(k);
}

static void threat_39_forged_flipped_truncated(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct buf b = sealed(k, NOW);
    uint8_t *big = mem_zalloc(SESSION_SERIAL_MAX + TICKET_OVERHEAD + 1);

    (void)state;
    for (size_t n = 0; n < buf_len(&b); n++) {
        uint8_t *exact = mem_dup(buf_data(&b), n); /* the sanitizer sees what lies behind */

        assert_int_equal(opened(k, span_of(exact, n), NOW), -1);
        mem_free(exact);
    }
    for (size_t i = 0; i < buf_len(&b) * 8; i++) {
        buf_data(&b)[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(opened_buf(k, &b, NOW), -1);
        buf_data(&b)[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(opened_buf(k, &b, NOW), 0);
    assert_int_equal(buf_append(&b, "", 1), 0);
    assert_int_equal(opened_buf(k, &b, NOW), -1);
    assert_int_equal(opened(k, span_of(NULL, 0), NOW), -1);
    /* As long as one may be, under a name that is known; a longer one is not even copied. */
    memcpy(big, buf_data(&b), TICKET_NAME);
    assert_int_equal(opened(k, span_of(big, SESSION_SERIAL_MAX + TICKET_OVERHEAD), NOW), -1);
    total = 0;
    assert_int_equal(opened(k, span_of(big, SESSION_SERIAL_MAX + TICKET_OVERHEAD + 1), NOW), -1);
    assert_int_equal(total, 0);
    mem_free(big);
    buf_free(&b);
    ticket_keys_unref(k);
}

/* Rightly sealed, but no session inside: the same error. */
static void threat_38_unparsable_inside(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    uint8_t key[TICKET_KEY], ticket[TICKET_OVERHEAD + 300] = { 0 };
    struct tls_session *s = sample(0x0303, WITH_ALL);
    struct buf plain = { 0 };
    struct aead *a;

    (void)state;
    outside_key(key, 0);
    assert_int_equal(ticket_keys_set(k, name_a, key), 0);
    assert_int_equal(session_write(s, &plain), 0);
    assert_true(buf_len(&plain) < 300);
    a = aead_new(AEAD_AES_256_GCM, key, true);
    memcpy(ticket, name_a, TICKET_NAME);
    for (size_t cut = 0; cut <= buf_len(&plain); cut++) {
        const struct span in = span_of(buf_data(&plain), buf_len(&plain) - cut);

        assert_int_equal(aead_seal(a, ticket + TICKET_NAME, span_of(name_a, TICKET_NAME), &in, 1,
                                   ticket + TICKET_NAME + AEAD_IV),
                         0);
        assert_int_equal(opened(k, span_of(ticket, TICKET_OVERHEAD + in.n), NOW), cut ? -1 : 0);
    }
    aead_free(a);
    wipe(key, sizeof key);
    buf_free(&plain);
    session_unref(s);
    ticket_keys_unref(k);
}

/* threat 28: the lifetime of the session and of the peer's chain, whatever the keys would open. */
static void threat_28_stale_inside(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE * 1000000);
    struct buf b = sealed(k, NOW);

    (void)state;
    assert_int_equal(opened_buf(k, &b, NOW - 1), -1);
    assert_int_equal(opened_buf(k, &b, NOW + 3600 * 1000 + 999), 0);
    assert_int_equal(opened_buf(k, &b, NOW + 3601 * 1000), -1);
    buf_free(&b);
    ticket_keys_unref(k);
}

static void what_cannot_be_sealed(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct tls_session *s = sample(0x0303, 0);
    struct buf b = { 0 }, small = { .max = 40 };
    uint8_t *big = mem_zalloc(SESSION_SERIAL_MAX);

    (void)state;
    assert_int_equal(buf_append(&b, "front", 5), 0);
    s->made = -1;
    assert_int_equal(ticket_seal(k, s, NOW, &b), ERR_ARG);
    s->made = NOW;
    assert_int_equal(
        session_set_bytes(&s->peer_cert, &s->peer_cert_len, span_of(big, SESSION_SERIAL_MAX)), 0);
    assert_int_equal(ticket_seal(k, s, NOW, &b), ERR_LIMIT);
    assert_int_equal(session_set_bytes(&s->peer_cert, &s->peer_cert_len, span_of(NULL, 0)), 0);
    assert_int_equal(ticket_seal(k, s, NOW, &small), ERR_LIMIT);
    assert_int_equal(buf_len(&small), 0);
    assert_true(span_eq(buf_span(&b), span_of("front", 5)));
    mem_free(big);
    buf_free(&b);
    session_unref(s);
    ticket_keys_unref(k);
}

/* ---- failures ---- */

static bool whole_life(void *ctx)
{
    struct tls_session *mark = (struct tls_session *)&live, *t = mark;
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct buf b = { 0 };
    bool renew = true;
    int rc = k ? buf_append(&b, "front", 5) : ERR_MEM;

    if (rc == 0) {
        rc = ticket_seal(k, ctx, NOW, &b);
        assert_true(rc == 0 || span_eq(buf_span(&b), span_of("front", 5)));
    }
    if (rc == 0) {
        rc = ticket_open(k, span_of(buf_data(&b) + 5, buf_len(&b) - 5), NOW, &t, &renew);
        assert_true(rc == 0 ? same(ctx, t) && !renew : t == mark && renew && rc == ERR_MEM);
    }
    if (t != mark) {
        session_unref(t);
    }
    buf_free(&b);
    ticket_keys_unref(k);
    return rc == 0;
}

/* threat 36, threat 37 */
static void each_allocation_fails(void **state)
{
    struct tls_session *s = sample(0x0304, WITH_ALL);

    (void)state;
    with_each_failure(whole_life, s);
    session_unref(s);
}

/* ---- nonces, threads, processes ---- */

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, AEAD_IV);
}

static void threat_25_nonces_differ(void **state)
{
    static uint8_t nonces[2000][AEAD_IV];
    struct ticket_keys *k = ticket_keys_new(LIFE);

    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        struct buf b = sealed(k, NOW);

        memcpy(nonces[i], buf_data(&b) + TICKET_NAME, AEAD_IV);
        buf_free(&b);
    }
    qsort(nonces, 2000, AEAD_IV, by_bytes);
    for (size_t i = 1; i < 2000; i++) {
        assert_memory_not_equal(nonces[i - 1], nonces[i], AEAD_IV);
    }
    ticket_keys_unref(k);
}

/* After a fork both sides have the key: their nonces differ, and each opens the other's. */
static void threat_40_fork(void **state)
{
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct buf mine, theirs = { 0 };
    int fd[2], status;
    ssize_t n;
    pid_t pid;

    (void)state;
    mine = sealed(k, NOW);
    assert_int_equal(pipe(fd), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        buf_free(&mine);
        mine = sealed(k, NOW);
        n = write(fd[1], buf_data(&mine), buf_len(&mine)) - (ssize_t)buf_len(&mine);
        buf_free(&mine);
        ticket_keys_unref(k);
        _exit(n != 0);
    }
    buf_free(&mine);
    mine = sealed(k, NOW);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(buf_reserve(&theirs, 4096), 0);
    n = read(fd[0], buf_tail(&theirs), 4096);
    assert_int_equal(n, buf_len(&mine));
    buf_added(&theirs, (size_t)n);
    assert_memory_equal(buf_data(&mine), buf_data(&theirs), TICKET_NAME);
    assert_memory_not_equal(buf_data(&mine) + TICKET_NAME, buf_data(&theirs) + TICKET_NAME,
                            AEAD_IV);
    assert_int_equal(opened_buf(k, &theirs, NOW), 0);
    close(fd[0]);
    close(fd[1]);
    buf_free(&mine);
    buf_free(&theirs);
    ticket_keys_unref(k);
}

static void *hammer(void *arg)
{
    struct ticket_keys *k = arg;
    struct tls_session *s = sample(0x0304, WITH_ALL), *t;
    uint8_t key[TICKET_KEY];
    bool renew;

    outside_key(key, 0);
    for (int i = 0; i < 3000; i++) {
        struct buf b = { 0 };

        /* Half a turn of the keys passes between the two calls at most. */
        if (ticket_seal(k, s, NOW + i, &b) < 0 ||
            ticket_open(k, buf_span(&b), NOW + i, &t, &renew) < 0) {
            abort();
        }
        if (!same(s, t)) {
            abort();
        }
        session_unref(t);
        buf_free(&b);
        if (i > 2000 && i % 16 == 0 && ticket_keys_set(k, name_a, key) < 0) {
            abort();
        }
    }
    wipe(key, sizeof key);
    session_unref(s);
    ticket_keys_unref(k);
    return NULL;
}

/* The threads' clocks drift apart by as much as they like: the keys live longer than all of it. */
static void two_threads_hammer(void **state)
{
    struct ticket_keys *k = ticket_keys_new(40 * LIFE);
    pthread_t t[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, hammer, ticket_keys_ref(k)), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
    }
    ticket_keys_unref(k);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, hooked, unhooked)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threat_26_works_at_once),
        TEST(seal_appends),
        TEST(threat_39_forged_flipped_truncated),
        TEST(threat_38_unparsable_inside),
        TEST(threat_28_stale_inside),
        TEST(what_cannot_be_sealed),
        TEST(each_allocation_fails),
        TEST(threat_25_nonces_differ),
        TEST(threat_40_fork),
        TEST(two_threads_hammer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
