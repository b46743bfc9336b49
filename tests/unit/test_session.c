/* SPDX-License-Identifier: ISC */
/* Sessions: the object and its serialised form (threat 38). The cache is in test_session_cache.c,
 * tickets are in test_ticket.c. */
#include "sessions.h"

/* ---- the object ---- */

static void object(void **state)
{
    struct tls_session *s = session_new();

    (void)state;
    assert_non_null(s);
    assert_true(s->peer_not_after == INT64_MAX);
    assert_int_equal(s->version, 0);
    assert_ptr_equal(session_ref(s), s);
    session_unref(s);
    assert_int_equal(live, 1);
    session_unref(s);
    assert_int_equal(live, 0);
    session_unref(NULL);
}

static void fields(void **state)
{
    struct tls_session *s = session_new();

    (void)state;
    assert_int_equal(session_set_bytes(&s->ticket, &s->ticket_len, span_of("abcd", 4)), 0);
    assert_int_equal(session_set_text(&s->sni, "long.test"), 0);
    /* A part of itself. */
    assert_int_equal(session_set_bytes(&s->ticket, &s->ticket_len, span_of(s->ticket + 1, 2)), 0);
    assert_int_equal(session_set_text(&s->sni, s->sni + 5), 0);
    assert_int_equal(s->ticket_len, 2);
    assert_memory_equal(s->ticket, "bc", 2);
    assert_string_equal(s->sni, "test");
    assert_int_equal(live, 3);
    /* No memory: as it was. */
    fail_at = total + 1;
    assert_int_equal(session_set_bytes(&s->ticket, &s->ticket_len, span_of("x", 1)), ERR_MEM);
    fail_at = total + 1;
    assert_int_equal(session_set_text(&s->sni, "x"), ERR_MEM);
    assert_int_equal(s->ticket_len, 2);
    assert_string_equal(s->sni, "test");
    /* Nothing becomes NULL. */
    assert_int_equal(session_set_bytes(&s->ticket, &s->ticket_len, span_of("", 0)), 0);
    assert_int_equal(session_set_text(&s->sni, ""), 0);
    assert_null(s->ticket);
    assert_int_equal(s->ticket_len, 0);
    assert_null(s->sni);
    assert_int_equal(session_set_bytes(&s->ticket, &s->ticket_len, span_of(NULL, 3)), 0);
    assert_int_equal(session_set_text(&s->sni, NULL), 0);
    assert_null(s->ticket);
    assert_int_equal(s->ticket_len, 0);
    session_unref(s);
}

static void threat_28_fresh(void **state)
{
    struct tls_session *s = sample(0x0303, 0);

    (void)state;
    s->lifetime = 10;
    assert_false(session_fresh(s, NOW - 1)); /* a clock set back */
    assert_false(session_fresh(s, 0));
    assert_false(session_fresh(s, INT64_MIN));
    assert_true(session_fresh(s, NOW));
    assert_true(session_fresh(s, NOW + 9999));
    assert_false(session_fresh(s, NOW + 10000));
    assert_false(session_fresh(s, NOW + 10001));
    assert_false(session_fresh(s, INT64_MAX));
    s->lifetime = 0;
    assert_false(session_fresh(s, NOW));
    /* RFC 8446 section 4.6.1: seven days, whatever the server says. */
    s->lifetime = UINT32_MAX;
    assert_true(session_fresh(s, NOW + INT64_C(1000) * SESSION_LIFE_MAX - 1));
    assert_false(session_fresh(s, NOW + INT64_C(1000) * SESSION_LIFE_MAX));
    /* notAfter is inclusive: its whole second. */
    s->peer_not_after = NOW / 1000 + 5;
    assert_true(session_fresh(s, NOW + 5999));
    assert_false(session_fresh(s, NOW + 6000));
    s->peer_not_after = NOW / 1000 - 1;
    assert_false(session_fresh(s, NOW));
    s->peer_not_after = INT64_MIN;
    assert_false(session_fresh(s, NOW));
    s->peer_not_after = INT64_MAX;
    s->made = -1;
    assert_false(session_fresh(s, 0));
    assert_false(session_fresh(s, INT64_MAX));
    session_unref(s);
}

/* ---- the serialised form ---- */

static struct buf written(const struct tls_session *s)
{
    struct buf b = { 0 };

    assert_int_equal(session_write(s, &b), 0);
    assert_true(b.secret);
    return b;
}

/* ERR_PARSE, and *out stays. */
static void refused(struct span bytes)
{
    struct tls_session *mark = (struct tls_session *)&live, *out = mark;

    assert_int_equal(session_parse(&out, bytes), ERR_PARSE);
    assert_ptr_equal(out, mark);
}

static void round_trips(const struct tls_session *s)
{
    struct buf a = written(s), b;
    struct tls_session *t = NULL;

    assert_int_equal(session_parse(&t, buf_span(&a)), 0);
    assert_true(same(s, t));
    assert_int_equal(t->refs, 1);
    b = written(t);
    assert_true(span_eq(buf_span(&a), buf_span(&b)));
    session_unref(t);
    buf_free(&a);
    buf_free(&b);
}

static void round_trip_of_every_combination(void **state)
{
    struct tls_session *s;

    (void)state;
    for (unsigned with = 0; with <= WITH_ALL; with++) {
        for (uint16_t version = 0x0303; version <= 0x0304; version++) {
            s = sample(version, with);
            round_trips(s);
            session_unref(s);
        }
    }
}

static void write_appends(void **state)
{
    struct tls_session *s = sample(0x0304, WITH_ALL), *t;
    struct buf b = { 0 }, alone = written(s);

    (void)state;
    assert_int_equal(buf_append(&b, "front", 5), 0);
    assert_int_equal(session_write(s, &b), 0);
    assert_memory_equal(buf_data(&b), "front", 5);
    assert_true(span_eq(span_of(buf_data(&b) + 5, buf_len(&b) - 5), buf_span(&alone)));
    assert_int_equal(session_parse(&t, span_of(buf_data(&b) + 5, buf_len(&b) - 5)), 0);
    session_unref(t);
    session_unref(s);
    buf_free(&b);
    buf_free(&alone);
}

/* threat 38: every byte string is refused, or is the one and only form of a session. */
static void canonical_or_refused(struct span bytes)
{
    struct tls_session *s = NULL;
    struct buf b;

    if (session_parse(&s, bytes) < 0) {
        refused(bytes);
        return;
    }
    b = written(s);
    assert_true(span_eq(buf_span(&b), bytes));
    buf_free(&b);
    session_unref(s);
}

static void threat_38_truncated_flipped_longer(void **state)
{
    struct tls_session *s;
    struct buf b;

    (void)state;
    for (uint16_t version = 0x0303; version <= 0x0304; version++) {
        s = sample(version, WITH_ALL);
        b = written(s);
        for (size_t n = 0; n < buf_len(&b); n++) {
            uint8_t *exact = mem_dup(buf_data(&b), n); /* the sanitizer sees what lies behind */

            refused(span_of(exact, n));
            mem_free_secret(exact, n);
        }
        for (size_t i = 0; i < buf_len(&b); i++) {
            for (unsigned x = 1; x < 256; x++) {
                buf_data(&b)[i] ^= (uint8_t)x;
                canonical_or_refused(buf_span(&b));
                buf_data(&b)[i] ^= (uint8_t)x;
            }
        }
        assert_int_equal(buf_append(&b, "", 1), 0);
        refused(buf_span(&b));
        buf_free(&b);
        session_unref(s);
    }
    refused(span_of(NULL, 0));
}

/* The form as an outsider would write it: any lengths, any numbers. */
struct raw {
    uint8_t format, flags;
    uint16_t version, suite, group, fragment;
    uint8_t secret, id, sni, alpn, name; /* lengths */
    uint32_t made_high, lifetime, age_add, early;
    uint16_t ticket;
    uint32_t cert;
    uint8_t fill; /* of all vectors */
};

static void fill(struct wr *w, size_t width, size_t n, uint8_t byte)
{
    uint8_t *at;

    wr_uint(w, width, (uint32_t)n);
    at = wr_room(w, n);
    assert_non_null(at);
    memset(at, byte, n);
}

static struct buf raw_bytes(const struct raw *x)
{
    struct buf b = { 0 };
    struct wr w = wr_buf(&b);

    wr_u8(&w, x->format);
    wr_u16(&w, x->version);
    wr_u16(&w, x->suite);
    wr_u16(&w, x->group);
    wr_u8(&w, x->flags);
    fill(&w, 1, x->secret, x->fill);
    fill(&w, 1, x->id, x->fill);
    memset(wr_room(&w, 32), x->fill, 32);
    wr_u32(&w, x->made_high);
    wr_u32(&w, 0x80000001);
    wr_u32(&w, x->lifetime);
    wr_u32(&w, 0x7fffffff);
    wr_u32(&w, 0xffffffff);
    wr_u32(&w, x->age_add);
    wr_u32(&w, x->early);
    wr_u16(&w, x->fragment);
    fill(&w, 2, x->ticket, x->fill);
    fill(&w, 1, x->sni, x->fill);
    fill(&w, 1, x->alpn, x->fill);
    fill(&w, 1, x->name, x->fill);
    fill(&w, 3, x->cert, x->fill);
    assert_int_equal(wr_commit(&w), 0);
    return b;
}

static void parses(const struct raw *x, bool expected, int line)
{
    struct buf b = raw_bytes(x);
    struct tls_session *s = NULL;
    int rc = session_parse(&s, buf_span(&b));

    if (rc != (expected ? 0 : ERR_PARSE)) {
        fail_msg("line %d: %d", line, rc);
    }
    if (rc == 0) {
        struct buf again = written(s);

        assert_true(span_eq(buf_span(&again), buf_span(&b)));
        assert_int_equal(s->secret_len, x->secret);
        assert_int_equal(s->id_len, x->id);
        assert_int_equal(s->ticket_len, x->ticket);
        assert_int_equal(s->peer_cert_len, x->cert);
        assert_int_equal(s->sni ? strlen(s->sni) : 0, x->sni);
        assert_true(s->made == (int64_t)((uint64_t)x->made_high << 32 | 0x80000001));
        assert_true(s->peer_not_after == INT64_MAX);
        buf_free(&again);
    }
    session_unref(s);
    buf_free(&b);
}

static const struct raw raw12 = {
    .format = 1, .version = 0x0303, .suite = 0xc02f, .secret = 48, .lifetime = 3600, .fill = 'a'
};
static const struct raw raw13 = {
    .format = 1, .version = 0x0304, .suite = 0x1301, .secret = 32, .lifetime = 3600, .fill = 'a'
};

#define CHANGED(RAW, EXPECTED, ...)      \
    do {                                 \
        struct raw x_ = (RAW);           \
        struct raw *x = &x_;             \
        __VA_ARGS__;                     \
        parses(x, (EXPECTED), __LINE__); \
    } while (0)
#define ACCEPT(RAW, ...) CHANGED(RAW, true, __VA_ARGS__)
#define REFUSE(RAW, ...) CHANGED(RAW, false, __VA_ARGS__)

static void threat_38_numbers(void **state)
{
    (void)state;
    ACCEPT(raw12, (void)x);
    ACCEPT(raw13, (void)x);
    REFUSE(raw12, x->format = 0);
    REFUSE(raw12, x->format = 2);
    for (unsigned v = 0; v <= 0xffff; v++) {
        if (v < 0x0300 || v > 0x0303) {
            REFUSE(raw12, x->id = 1; x->version = (uint16_t)v);
        }
        if (v != 0x0304) {
            REFUSE(raw13, x->version = (uint16_t)v);
        }
    }
    REFUSE(raw12, x->suite = 0);
    ACCEPT(raw12, x->group = 0xffff);
    ACCEPT(raw12, x->flags = 1);
    REFUSE(raw12, x->flags = 2);
    REFUSE(raw12, x->flags = 0x81);
    REFUSE(raw13, x->flags = 1);
    REFUSE(raw12, x->age_add = 1);
    REFUSE(raw12, x->early = 1);
    ACCEPT(raw13, x->age_add = UINT32_MAX; x->early = UINT32_MAX);
    ACCEPT(raw12, x->made_high = 0x7fffffff);
    REFUSE(raw12, x->made_high = 0x80000000); /* negative */
    REFUSE(raw12, x->made_high = 0xffffffff);
    ACCEPT(raw13, x->lifetime = 0);
    ACCEPT(raw13, x->lifetime = SESSION_LIFE_MAX);
    REFUSE(raw13, x->lifetime = SESSION_LIFE_MAX + 1);
    REFUSE(raw13, x->lifetime = UINT32_MAX);
    for (unsigned n = 0; n <= 0xffff; n++) {
        const bool good = n == 0 || n == 512 || n == 1024 || n == 2048 || n == 4096;

        CHANGED(raw12, good, x->fragment = (uint16_t)n);
    }
    REFUSE(raw13, x->fragment = 512);
}

static void threat_38_lengths(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 256; n++) {
        CHANGED(raw12, n == 48, x->secret = (uint8_t)n);
        CHANGED(raw13, n == 32 || n == 48, x->secret = (uint8_t)n);
        CHANGED(raw12, n <= SESSION_ID_MAX, x->id = (uint8_t)n);
        CHANGED(raw13, n == 0, x->id = (uint8_t)n);
        ACCEPT(raw13, x->sni = (uint8_t)n);
        ACCEPT(raw13, x->alpn = (uint8_t)n; x->name = (uint8_t)(255 - n));
    }
    /* A NUL in a text; in bytes it is like any other. */
    REFUSE(raw13, x->fill = 0; x->sni = 1);
    REFUSE(raw13, x->fill = 0; x->alpn = 3);
    REFUSE(raw13, x->fill = 0; x->name = 255);
    ACCEPT(raw13, x->fill = 0; x->ticket = 3; x->cert = 3);
}

static void threat_38_size(void **state)
{
    const size_t rest = 80 + 32; /* all that is not the ticket of a bare TLS 1.3 session */
    struct tls_session *s = sample(0x0304, 0);
    struct buf b;
    uint8_t *big = mem_zalloc(SESSION_TICKET_MAX + 1);

    (void)state;
    ACCEPT(raw13, x->ticket = (uint16_t)(SESSION_SERIAL_MAX - rest - 1));
    ACCEPT(raw13, x->ticket = (uint16_t)(SESSION_SERIAL_MAX - rest));
    REFUSE(raw13, x->ticket = (uint16_t)(SESSION_SERIAL_MAX - rest + 1));
    REFUSE(raw13, x->ticket = 0xffff);
    ACCEPT(raw13, x->cert = (uint32_t)(SESSION_SERIAL_MAX - rest));
    REFUSE(raw13, x->cert = (uint32_t)(SESSION_SERIAL_MAX - rest + 1));
    REFUSE(raw13, x->cert = 0x10000);
    /* The writer stops where the parser would. */
    for (size_t n = SESSION_SERIAL_MAX - rest - 1; n <= SESSION_SERIAL_MAX - rest + 1; n++) {
        const int expected = n <= SESSION_SERIAL_MAX - rest ? 0 : ERR_LIMIT;

        b = (struct buf){ 0 };
        assert_int_equal(session_set_bytes(&s->ticket, &s->ticket_len, span_of(big, n)), 0);
        assert_int_equal(session_write(s, &b), expected);
        assert_int_equal(buf_len(&b), expected < 0 ? 0 : n + rest);
        buf_free(&b);
    }
    b = (struct buf){ 0 };
    assert_int_equal(
        session_set_bytes(&s->ticket, &s->ticket_len, span_of(big, SESSION_TICKET_MAX)), 0);
    assert_int_equal(session_write(s, &b), ERR_LIMIT);
    assert_int_equal(
        session_set_bytes(&s->ticket, &s->ticket_len, span_of(big, SESSION_TICKET_MAX + 1)), 0);
    assert_int_equal(session_write(s, &b), ERR_ARG);
    assert_int_equal(buf_len(&b), 0);
    buf_free(&b);
    session_unref(s);
    mem_free(big);
}

/* What the parser would not take is not written. */
#define NOT_WRITTEN(VERSION, ...)                                \
    do {                                                         \
        struct tls_session *s = sample((VERSION), WITH_ALL);     \
        struct buf b = { 0 };                                    \
        __VA_ARGS__;                                             \
        assert_int_equal(buf_append(&b, "front", 5), 0);         \
        assert_int_equal(session_write(s, &b), ERR_ARG);         \
        assert_true(span_eq(buf_span(&b), span_of("front", 5))); \
        buf_free(&b);                                            \
        session_unref(s);                                        \
    } while (0)

static void write_refuses(void **state)
{
    struct tls_session *fits = sample(0x0304, WITH_ALL);
    char text[257];

    (void)state;
    memset(text, 'a', sizeof text);
    text[256] = '\0';
    NOT_WRITTEN(0x0303, s->version = 0x02ff);
    NOT_WRITTEN(0x0304, s->version = 0x0305);
    NOT_WRITTEN(0x0303, s->secret_len = 47);
    NOT_WRITTEN(0x0304, s->secret_len = 64);
    NOT_WRITTEN(0x0303, s->id_len = 33);
    NOT_WRITTEN(0x0304, s->id_len = 1);
    NOT_WRITTEN(0x0303, s->max_fragment = 513);
    NOT_WRITTEN(0x0304, s->lifetime = SESSION_LIFE_MAX + 1);
    NOT_WRITTEN(0x0304, s->made = -1);
    NOT_WRITTEN(0x0304, s->suite = 0);
    NOT_WRITTEN(0x0304, assert_int_equal(session_set_text(&s->sni, text), 0));
    NOT_WRITTEN(0x0304, assert_int_equal(session_set_text(&s->alpn, text), 0));
    NOT_WRITTEN(0x0304, assert_int_equal(session_set_text(&s->name, text), 0));
    /* 255 bytes are not too many. */
    assert_int_equal(session_set_text(&fits->sni, text + 1), 0);
    assert_int_equal(session_set_text(&fits->alpn, text + 1), 0);
    assert_int_equal(session_set_text(&fits->name, text + 1), 0);
    round_trips(fits);
    session_unref(fits);
}

static bool write_and_parse(void *ctx)
{
    struct tls_session *mark = ctx, *t = mark;
    struct buf b = { 0 };
    int rc = session_write(ctx, &b);

    if (rc == 0) {
        rc = session_parse(&t, buf_span(&b));
    } else {
        assert_int_equal(buf_len(&b), 0);
    }
    buf_free(&b);
    if (rc < 0) {
        assert_int_equal(rc, ERR_MEM);
        assert_ptr_equal(t, mark);
        return false;
    }
    assert_true(same(ctx, t));
    session_unref(t);
    return true;
}

/* threat 36, threat 37 */
static void each_allocation_fails(void **state)
{
    struct tls_session *s = sample(0x0303, WITH_ALL);

    (void)state;
    with_each_failure(write_and_parse, s);
    session_unref(s);
    fail_at = total + 1;
    assert_null(session_new());
}

/* The scan of sessions.h does find what is not wiped. */
static void the_scan_finds(void **state)
{
    struct tls_session *s = sample(0x0303, 0);

    (void)state;
    mem_free(mem_dup(s->secret, sizeof s->secret));
    assert_int_equal(leaked, 1);
    leaked = 0;
    session_unref(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, hooked, unhooked)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(object),
        TEST(fields),
        TEST(threat_28_fresh),
        TEST(round_trip_of_every_combination),
        TEST(write_appends),
        TEST(threat_38_truncated_flipped_longer),
        TEST(threat_38_numbers),
        TEST(threat_38_lengths),
        TEST(threat_38_size),
        TEST(write_refuses),
        TEST(each_allocation_fails),
        TEST(the_scan_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
