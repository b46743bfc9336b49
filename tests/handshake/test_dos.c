/* SPDX-License-Identifier: ISC */
/* Little that is sent must not become much that is kept: lengths that promise what does not come,
 * messages out of place, hellos as large as they may be, connections that go no further. */
#include "tests/handshake/craft13.h"
#include "tests/handshake/pair12.h"
#include "tests/handshake/stage13.h"
#include "tests/lib/counted.h"
#include "tests/lib/worked.h"

#define ALLOWANCE 600 /* an alert and the beginning of a message, and what malloc adds */

static uint8_t copy[WIRE_MAX], wire[WIRE_MAX];
static struct ticket_keys *tickets;

static int make(void **state)
{
    pki_make(state);
    tickets = ticket_keys_new(INT64_C(3600) * 1000);
    return tickets ? 0 : -1;
}

static int drop(void **state)
{
    ticket_keys_unref(tickets);
    return pki_free(state);
}

/* ---- a message that has no place is not waited for ---- */
enum { FIRST_CLIENT, FIRST_SERVER, CONNECTED_CLIENT, CONNECTED_SERVER, PLACES };

/* Only its header comes. Hellos are waited for: which of them it is, the whole of one tells. */
static void threat_31_out_of_place(void **state)
{
    static const char *const fits[PLACES] = { "\1\2", "\1\2", "\1\2\4\15\30", "\1\2\30" };

    (void)state;
    for (unsigned place = 0; place < PLACES; place++) {
        bool connected = place >= CONNECTED_CLIENT, server = place & 1;

        for (unsigned type = 1; type < (connected ? 32 : 256); type++) {
            const uint8_t head[HS_HEADER] = { (uint8_t)type, 0, 0x40, 0 };
            struct pair *p = connected ? pair_connected(NULL) : pair_new(NULL);
            struct end *e = server ? &p->s : &p->c;
            struct hand h = { .aead = NULL };

            counted_start();
            if (connected) {
                h = hand_new(p, server ? SECRET_CA : SECRET_SA, true);
                hand_give(&h, e, CT_HANDSHAKE, head, sizeof head);
            } else {
                give_clear(e, CT_HANDSHAKE, head, sizeof head);
            }
            hand_free(&h);
            if (strchr(fits[place], (int)type)) {
                assert_int_equal(e->rc, 0);
            } else {
                assert_refused(e, ALERT_UNEXPECTED_MESSAGE);
            }
            (void)counted_stop();
            pair_free(p);
        }
    }
}

/* ---- every length there is, at its most ---- */
/* What the k-th message that this role reads costs, with so many bytes at that place all ones; and
 * its size. */
static size_t cost13(bool server, unsigned k, size_t at, size_t width, size_t *n)
{
    struct pair_params q = { .id = ID_ED25519,
                             .client_groups = { 29, 23 },
                             .server_groups = { 23 },
                             .auth = CLIENT_AUTH_REQUEST,
                             .client_id = server,
                             .status = "response",
                             .tickets = tickets,
                             .post_auth = true };
    struct stage13 s = stage13_new(server ? TLS_SERVER : TLS_CLIENT, &q);
    uint8_t *m = stage13_nth(&s, k, n);
    size_t most;

    memcpy(copy, m, *n);
    memset(copy + at, 0xff, at + width <= *n ? width : 0);
    counted_start();
    stage13_record(&s, CT_HANDSHAKE, copy, *n);
    most = counted_most();
    (void)counted_stop();
    stage13_free(&s);
    return most;
}

static size_t cost12(bool server, unsigned k, size_t at, size_t width, size_t *n)
{
    struct pair_params q = { .server_max = TLS_1_2,
                             .auth = CLIENT_AUTH_REQUEST,
                             .client_id = server,
                             .status = "response",
                             .tickets = tickets };
    struct stage12 s = stage12_new(server ? TLS_SERVER : TLS_CLIENT, &q);
    size_t most;
    uint8_t *m = stage12_next(&s, n);

    for (; k > 0; k--) {
        stage12_give(&s, m, *n);
        assert_int_equal(s.e->rc, 0);
        m = stage12_next(&s, n);
    }
    memcpy(copy, m, *n);
    memset(copy + at, 0xff, at + width <= *n ? width : 0);
    counted_start();
    stage12_give(&s, copy, *n);
    most = counted_most();
    (void)counted_stop();
    stage12_free(&s);
    return most;
}

typedef size_t cost_fn(bool server, unsigned k, size_t at, size_t width, size_t *n);

/* Whichever bytes of a message are a length, promising the most costs no more than some message
 * does that is as it should be: what is changed may be answered like another one. */
static void every_length(cost_fn *cost, bool server, unsigned messages)
{
    size_t n, usual = 0, most;

    for (unsigned k = 0; k < messages; k++) {
        most = cost(server, k, 0, 0, &n);
        assert_true(most > 0);
        usual = most > usual ? most : usual;
    }
    assert_true(usual < 10000);
    for (unsigned k = 0; k < messages; k++) {
        for (size_t at = HS_HEADER; at == HS_HEADER || at < n; at++) {
            most = cost(server, k, at, 1 + at % 3, &n);
            if (most > usual + ALLOWANCE) {
                fail_msg("%s, message %u of %zu bytes, at %zu: %zu taken, not %zu",
                         server ? "server" : "client", k, n, at, most, usual);
            }
        }
    }
}

static void threat_31_every_length(void **state)
{
    (void)state;
    every_length(cost13, false, 2 + 5);
    every_length(cost13, true, 2 + 3);
    every_length(cost12, false, 5);
    every_length(cost12, true, 3);
}

/* ---- hellos as large as they may be ---- */
enum {
    SUITES,
    GROUPS,
    SCHEMES,
    PROTOCOLS,
    VERSIONS,
    SHARES,
    UNKNOWN,
    AUTHORITIES,
    KEYS_AND_BINDERS,
    SESSION_TICKET,
    ONE_LONG,
    HELLOS
};

static void repeat(struct wr *w, size_t until, const char *what, size_t n)
{
    while (w->len + n <= until) {
        wr_bytes(w, what, n);
    }
}

/* What the extension has, if it is there, with more behind it: so many bytes in all. */
static void list_of(struct craft *c, unsigned id, const char *one, size_t n, size_t room)
{
    static uint8_t body[1 << 15];
    struct wr w = wr_of(body, sizeof body);
    size_t list = wr_begin(&w, 2);

    if (craft_find(c, id)) {
        struct span own = craft_body(c, id);

        wr_bytes(&w, own.p + 2, own.n - 2);
    }
    repeat(&w, room, one, n);
    wr_end(&w, 2, list);
    if (craft_find(c, id)) {
        craft_set(c, id, body, w.len);
    } else {
        craft_add(c, id, body, w.len);
    }
}

/* Distinct reserved groups or extensions, each with a byte or nothing. */
static void many(struct craft *c, size_t count, bool shares)
{
    static uint8_t body[1 << 15];
    struct wr w = wr_of(body, sizeof body);
    size_t list = wr_begin(&w, 2);
    struct span own = craft_body(c, EXT_KEY_SHARE);

    for (size_t i = 0; i < count; i++) {
        if (shares) {
            wr_u16(&w, (uint16_t)(0x6000 + i));
            wr_vec(&w, 2, "x", 1);
        } else {
            craft_add(c, (unsigned)(0x6000 + i), body, 200);
        }
    }
    if (shares) {
        wr_bytes(&w, own.p + 2, own.n - 2);
        wr_end(&w, 2, list);
        craft_set(c, EXT_KEY_SHARE, body, w.len);
    }
}

static void keys_and_binders(struct craft *c, size_t count)
{
    static uint8_t body[1 << 15];
    struct wr w = wr_of(body, sizeof body);
    size_t list = wr_begin(&w, 2);

    for (size_t i = 0; i < count; i++) {
        wr_vec(&w, 2, "ticket", 6);
        wr_u32(&w, 0);
    }
    wr_end(&w, 2, list);
    list = wr_begin(&w, 2);
    for (size_t i = 0; i < count; i++) {
        wr_vec(&w, 1, body, 32);
    }
    wr_end(&w, 2, list);
    craft_insert(c, c->n, EXT_PRE_SHARED_KEY, body, w.len);
}

static void suites(struct craft *c)
{
    size_t at = HS_HEADER + 2 + RANDOM_SIZE + 1 + (size_t)c->m[HS_HEADER + 2 + RANDOM_SIZE];
    size_t old = get16(c->m + at), more = 2 * ((16300 - c->n) / 2);

    memmove(c->m + at + 2 + old + more, c->m + at + 2 + old, c->n - at - 2 - old);
    memset(c->m + at + 2 + old, 0x6a, more);
    put16(c->m + at, old + more);
    c->n += more;
    c->ext += more;
    craft_lengths(c);
}

static void enlarge(struct craft *c, unsigned kind)
{
    static const uint8_t zeros[1 << 15];
    const size_t room = 15500;

    switch (kind) {
    case SUITES:
        suites(c);
        break;
    case GROUPS:
        list_of(c, EXT_SUPPORTED_GROUPS, "\x6a\x6a", 2, room);
        break;
    case SCHEMES:
        list_of(c, EXT_SIGNATURE_ALGORITHMS, "\4\3", 2, room);
        break;
    case PROTOCOLS:
        list_of(c, EXT_ALPN, "\1x", 2, room);
        break;
    case VERSIONS:
        craft_set(c, EXT_SUPPORTED_VERSIONS, "\4\x7f\1\3\4", 5);
        break;
    case SHARES:
        many(c, 60, true);
        break;
    case UNKNOWN:
        many(c, 40, false);
        break;
    case AUTHORITIES:
        list_of(c, EXT_CERTIFICATE_AUTHORITIES, "\0\2\60\0", 4, room);
        break;
    case KEYS_AND_BINDERS:
        keys_and_binders(c, 350);
        break;
    case SESSION_TICKET:
        craft_set(c, EXT_SESSION_TICKET, zeros, room);
        break;
    default:
        craft_add(c, 0x6a6a, zeros, room);
    }
    assert_true(c->n <= HS_HEADER + 16384);
}

/* Each is answered, with one key of ours, one signature and as much memory as any other; of keys
 * that the client says to have, a few are looked at. */
static void threat_31_large_hellos(void **state)
{
    static const char *const alpn[3] = { "x", "y" };
    size_t usual = 0;

    (void)state;
    for (unsigned kind = 0; kind <= HELLOS; kind++) { /* the first is nothing special */
        struct pair_params q = { .tickets = tickets, .client_alpn = { "x" } };
        static struct craft c;
        size_t most;
        struct pair *p;

        memcpy(q.server_alpn, alpn, sizeof alpn);
        p = pair_new(&q);
        craft_take(&p->c, &c);
        if (kind) {
            enlarge(&c, kind - 1);
        }
        worked_start();
        counted_start();
        craft_give(&p->s, &c);
        most = counted_most();
        (void)counted_stop();
        worked_stop();
        usual = kind ? usual : most - c.n;
        if (p->s.rc != 0 || most > usual + 4 * c.n) {
            fail_msg("hello %u of %zu bytes: %d, %zu taken, %zu is usual", kind, c.n, p->s.rc, most,
                     usual);
        }
        assert_int_equal(worked.new_keys, 1);
        assert_int_equal(worked.signed_, 1);
        assert_in_range(worked.opened, 0, 4 + 2); /* tickets, and two of the handshake's own */
        pair_free(p);
    }
}

/* One more share than is looked at, one more extension. */
static void threat_31_too_many(void **state)
{
    (void)state;
    for (unsigned shares = 0; shares < 2; shares++) {
        for (unsigned over = 0; over < 2; over++) {
            struct pair *p = pair_new(NULL);
            static struct craft c;
            size_t have = 0;

            craft_take(&p->c, &c);
            for (size_t at = c.ext + 2; at < c.n; at += 4 + get16(c.m + at + 2)) {
                have++;
            }
            for (size_t i = 0; !shares && have < MAX_EXTENSIONS + over; have++, i++) {
                craft_add(&c, (unsigned)(0x6000 + i), "", 0);
            }
            if (shares) { /* of its own there is one */
                many(&c, MAX_EXTENSIONS - 1 + over, true);
            }
            worked_start();
            craft_give(&p->s, &c);
            worked_stop();
            if (over) {
                assert_refused(&p->s, ALERT_DECODE_ERROR);
                assert_int_equal(worked.new_keys, 0);
            } else {
                assert_int_equal(p->s.rc, 0);
            }
            pair_free(p);
        }
    }
}

/* ---- connections that go no further ---- */
#define HALF_OPEN 500

/* What one costs that has said nothing, and one that has sent its hello and waits. */
static void threat_31_half_open(void **state)
{
    static struct tls *t[HALF_OPEN];
    struct pair_params q = { .tickets = tickets };
    struct pair *p = pair_new(&q);
    struct config *c = pair_config(p, TLS_SERVER, &q);
    size_t n = end_take(&p->c, wire), silent, waiting;

    (void)state;
    counted_start();
    for (size_t i = 0; i < HALF_OPEN; i++) {
        assert_int_equal(tls_new(&t[i], c, NULL, NULL, NULL, NULL), 0);
    }
    silent = counted_now() / HALF_OPEN;
    for (size_t i = 0; i < HALF_OPEN; i++) {
        struct tls_in in = { .data = copy, .len = n };

        memcpy(copy, wire, n);
        assert_int_equal(tls_input(t[i], &in), TLS_EV_PROGRESS);
        tls_sent(t[i], tls_output(t[i]).n);
    }
    waiting = counted_now() / HALF_OPEN;
    print_message("half-open: %zu bytes, with its hello answered %zu\n", silent, waiting);
    assert_true(silent < 6000 && waiting < 10000);
    for (size_t i = 0; i < HALF_OPEN; i++) {
        tls_free(t[i]);
    }
    assert_int_equal(counted_stop(), 0);
    config_unref(c);
    pair_free(p);
}

/* ---- the limits that can be set ---- */
static void threat_31_limits_have_limits(void **state)
{
    static const struct {
        enum config_limit which;
        uint32_t min, max;
    } rows[] = { { CONFIG_MAX_HELLO, 512, 16384 },
                 { CONFIG_MAX_CHAIN, 1024, 73728 },
                 { CONFIG_MAX_IDLE, 1, 1000000 } };
    struct config *c = config_new(TLS_SERVER);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(config_set_limit(c, rows[i].which, rows[i].min - 1), ERR_ARG);
        assert_int_equal(config_set_limit(c, rows[i].which, rows[i].min), 0);
        assert_int_equal(config_set_limit(c, rows[i].which, rows[i].max), 0);
        assert_int_equal(config_set_limit(c, rows[i].which, rows[i].max + 1), ERR_ARG);
    }
    assert_int_equal(config_set_limit(c, (enum config_limit)(CONFIG_MAX_IDLE + 1), 5), ERR_ARG);
    config_unref(c);
}

/* A hello, and a certificate, of as many bytes as are allowed; of one more. */
static void threat_31_set_limits(void **state)
{
    struct pair_params q = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
    static struct craft c;
    struct pair *p;

    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        q.limit[TLS_SERVER][CONFIG_MAX_HELLO] = 2000;
        p = pair_new(&q);
        craft_take(&p->c, &c);
        craft_add(&c, 0x6a6a, copy, HS_HEADER + 2000 + over - 4 - c.n);
        craft_give(&p->s, &c);
        if (over) {
            assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
        } else {
            assert_int_equal(p->s.rc, 0);
        }
        pair_free(p);
    }
    for (unsigned role = 0; role < 2; role++) { /* said to be long: that will do */
        for (unsigned over = 0; over < 2; over++) {
            const unsigned n = 5000 + over;
            const uint8_t head[] = { HS_CERTIFICATE, 0, (uint8_t)(n >> 8), (uint8_t)n };
            struct pair_params r = { .auth = CLIENT_AUTH_REQUIRE, .client_id = true };
            struct stage13 s;
            size_t size;

            r.limit[role][CONFIG_MAX_CHAIN] = 5000;
            s = stage13_new((enum tls_role)role, &r);
            (void)stage13_until(&s, HS_CERTIFICATE, &size);
            stage13_record(&s, CT_HANDSHAKE, head, sizeof head);
            if (over) {
                assert_refused(s.e, ALERT_ILLEGAL_PARAMETER);
            } else {
                assert_int_equal(s.e->rc, 0);
            }
            stage13_free(&s);
        }
    }
}

static void threat_30_set_limit(void **state)
{
    static const uint32_t limits[] = { 1, 5, 100 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct pair_params q = { 0 };
        struct hand h;
        struct pair *p;
        uint32_t given = 0;

        q.limit[TLS_SERVER][CONFIG_MAX_IDLE] = limits[i];
        p = pair_connected(&q);
        h = hand_new(p, SECRET_CA, true);
        while (p->s.rc == 0 && given < 1000) {
            hand_give(&h, &p->s, CT_APPLICATION_DATA, "", 0);
            given++;
        }
        assert_refused(&p->s, ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(given, limits[i] + 1);
        hand_free(&h);
        pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_31_out_of_place), cmocka_unit_test(threat_31_every_length),
        cmocka_unit_test(threat_31_large_hellos), cmocka_unit_test(threat_31_too_many),
        cmocka_unit_test(threat_31_half_open),    cmocka_unit_test(threat_31_limits_have_limits),
        cmocka_unit_test(threat_31_set_limits),   cmocka_unit_test(threat_30_set_limit),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
