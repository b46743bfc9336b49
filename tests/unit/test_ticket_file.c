/* SPDX-License-Identifier: ISC */
/* Files of ticket keys: which are taken, which are not, and that one file makes one key wherever it
 * is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "session/local.h"

static uint8_t bytes[256];

static int parse(size_t n, struct ticket_secret list[static TICKET_GENERATIONS], size_t *count)
{
    struct error err;
    int rc;

    error_clear(&err);
    rc = ticket_file_parse(span_of(bytes, n), list, count, &err);
    assert_true((rc == 0) == (err.code == 0));
    assert_true(rc == 0 || rc == ERR_PARSE);
    return rc;
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(crypto_init(), 0);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 37 + 11);
    }
    return 0;
}

static void sizes(void **state)
{
    struct ticket_secret list[TICKET_GENERATIONS];
    size_t n;

    (void)state;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        size_t want = len == 48 || len == 80 ? 1 : len == 96 || len == 160 ? 2 : 0;

        want = len == 144 || len == 240 ? 3 : want;
        assert_int_equal(parse(len, list, &n), want ? 0 : ERR_PARSE);
        assert_int_equal(n, want);
        for (size_t i = 0; i < n; i++) {
            assert_memory_equal(list[i].name, bytes + i * (len / n), TICKET_NAME);
        }
    }
}

/* threat 26: no key that is known to everyone. */
static void threat_26_zeros(void **state)
{
    const struct {
        size_t len, from, to;
    } holes[] = { { 48, 16, 32 }, { 48, 32, 48 },    { 80, 16, 48 },   { 80, 48, 80 },
                  { 96, 64, 80 }, { 144, 128, 144 }, { 160, 96, 128 }, { 240, 208, 240 } };
    struct ticket_secret list[TICKET_GENERATIONS];
    uint8_t was[256];
    size_t n;

    (void)state;
    memcpy(was, bytes, sizeof was);
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
        memset(bytes + holes[i].from, 0, holes[i].to - holes[i].from);
        assert_int_equal(parse(holes[i].len, list, &n), ERR_PARSE);
        assert_int_equal(n, 0);
        bytes[holes[i].to - 1] = 1; /* one bit is enough to be none of zeros */
        assert_int_equal(parse(holes[i].len, list, &n), 0);
        memcpy(bytes, was, sizeof bytes);
    }
    memset(bytes, 0, 16); /* a name may be anything */
    assert_int_equal(parse(48, list, &n), 0);
    memcpy(bytes + 48, bytes, 16); /* but it is one key's */
    assert_int_equal(parse(96, list, &n), ERR_PARSE);
    memcpy(bytes, was, sizeof bytes);
}

static void keys_differ(void **state)
{
    struct ticket_secret a[TICKET_GENERATIONS], b[TICKET_GENERATIONS];
    size_t n;

    (void)state;
    assert_int_equal(parse(80, a, &n), 0);
    assert_int_equal(parse(80, b, &n), 0);
    assert_memory_equal(&a[0], &b[0], sizeof a[0]);
    for (size_t i = 16; i < 80; i++) { /* every bit of it counts */
        bytes[i] ^= 1;
        assert_int_equal(parse(80, b, &n), 0);
        assert_memory_not_equal(a[0].key, b[0].key, TICKET_KEY);
        bytes[i] ^= 1;
    }
    bytes[0] ^= 1; /* the name does not */
    assert_int_equal(parse(80, b, &n), 0);
    assert_memory_equal(a[0].key, b[0].key, TICKET_KEY);
    assert_memory_not_equal(a[0].name, b[0].name, TICKET_NAME);
    bytes[0] ^= 1;
    assert_memory_not_equal(a[0].key, bytes + 16, TICKET_KEY); /* used as they are, they would be */
    assert_memory_not_equal(a[0].key, bytes + 48, TICKET_KEY); /* two ciphers' */
    assert_int_equal(parse(48, b, &n), 0);
    assert_memory_not_equal(a[0].key, b[0].key, TICKET_KEY);
}

static size_t encode(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;

    for (size_t i = 0; i < n; i += 3) {
        const uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)(i + 1 < n ? p[i + 1] : 0) << 8 |
                           (uint32_t)(i + 2 < n ? p[i + 2] : 0);

        out[len++] = digits[v >> 18];
        out[len++] = digits[v >> 12 & 63];
        out[len++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
        out[len++] = i + 2 < n ? digits[v & 63] : '=';
    }
    return len;
}

static void lines_of_base64(void **state)
{
    struct ticket_secret raw[TICKET_GENERATIONS], list[TICKET_GENERATIONS];
    char text[512];
    struct error err;
    size_t n, m;

    (void)state;
    error_clear(&err);
    for (size_t size = 48; size <= 80; size += 32) {
        for (size_t keys = 1; keys <= 4; keys++) {
            size_t len = 0;

            for (size_t i = 0; i < keys; i++) {
                len += encode(bytes + (i % 3) * size, size, text + len);
                text[len++] = '\n';
            }
            if (keys == 4) {
                assert_int_equal(ticket_file_parse(span_of(text, len), list, &n, &err), ERR_PARSE);
                continue;
            }
            assert_int_equal(parse(keys * size, raw, &m), 0);
            assert_int_equal(ticket_file_parse(span_of(text, len), list, &n, &err), 0);
            assert_int_equal(n, keys);
            assert_memory_equal(list, raw, keys * sizeof *list);
            /* Without the last newline; every length but these is wrong. */
            assert_int_equal(ticket_file_parse(span_of(text, len - 1), list, &n, &err), 0);
            for (size_t cut = 1; cut < len - 1; cut++) {
                const bool whole = cut % (len / keys) == 0 || (cut + 1) % (len / keys) == 0 ||
                                   cut == 64; /* that is 48 bytes */

                assert_int_equal(ticket_file_parse(span_of(text, cut), list, &n, &err),
                                 whole ? 0 : ERR_PARSE);
            }
            text[5] = '*';
            assert_int_equal(ticket_file_parse(span_of(text, len), list, &n, &err), ERR_PARSE);
        }
    }
}

/* ---- and in use ---- */

static struct tls_session *session(void)
{
    struct tls_session *s = session_new();

    s->version = 0x0304;
    s->suite = 0x1301;
    s->secret_len = 32;
    s->made = 1000;
    s->lifetime = 3600;
    return s;
}

/* -1: not opened, 0, 1: to be renewed. */
static int opens(struct ticket_keys *k, const struct buf *t, int64_t now)
{
    struct tls_session *s = NULL;
    bool renew = false;
    int rc = ticket_open(k, buf_span(t), now, &s, &renew);

    session_unref(s);
    return rc < 0 ? -1 : renew;
}

static struct buf seal(struct ticket_keys *k, int64_t now)
{
    struct tls_session *s = session();
    struct buf out = { 0 };

    assert_int_equal(ticket_seal(k, s, now, &out), 0);
    session_unref(s);
    return out;
}

static void generations(void **state)
{
    enum { LIFE = 100000 };
    struct ticket_keys *k = ticket_keys_new(LIFE);
    struct ticket_secret list[TICKET_GENERATIONS], two[2], twice[2];
    struct buf t[3], drawn = seal(k, 2000);
    size_t n;

    (void)state;
    assert_int_equal(parse(240, list, &n), 0);
    for (size_t i = 0; i < 3; i++) {
        struct ticket_keys *other = ticket_keys_new(LIFE);

        assert_int_equal(ticket_keys_load(other, &list[i], 1), 0);
        t[i] = seal(other, 2000);
        ticket_keys_unref(other);
    }
    /* One of several opens as long as it is named, and no time ends that. */
    two[0] = list[0];
    two[1] = list[1];
    assert_int_equal(ticket_keys_load(k, two, 2), 0);
    assert_int_equal(opens(k, &drawn, 2000), -1);
    assert_int_equal(opens(k, &t[0], 2000), 0);
    assert_int_equal(opens(k, &t[1], 3000000), 1);
    assert_int_equal(opens(k, &t[2], 2000), -1);
    /* The second is the first now: nobody has to begin anew, on whichever server. */
    two[0] = list[1];
    two[1] = list[0];
    k->gen[1].sealed = 77;
    assert_int_equal(ticket_keys_load(k, two, 2), 0);
    assert_int_equal(k->gen[0].sealed, 77);
    assert_int_equal(opens(k, &t[0], 2000), 1);
    assert_int_equal(opens(k, &t[1], 2000), 0);
    /* A file of one: what was there before has a life more. */
    assert_int_equal(ticket_keys_load(k, &list[2], 1), 0);
    assert_int_equal(opens(k, &t[2], 2000), 0);
    assert_int_equal(opens(k, &t[1], 2000), 1);
    assert_int_equal(opens(k, &t[1], 2000 + LIFE), -1);
    assert_int_equal(opens(k, &t[2], 2000 + LIFE), 0);
    /* Wrong ones change nothing. */
    twice[0] = twice[1] = list[0];
    assert_int_equal(ticket_keys_load(k, twice, 2), ERR_ARG);
    assert_int_equal(ticket_keys_load(k, list, 0), ERR_ARG);
    assert_int_equal(ticket_keys_load(k, list, 4), ERR_ARG);
    memset(twice[1].key, 0, TICKET_KEY);
    assert_int_equal(ticket_keys_load(k, &twice[1], 1), ERR_ARG);
    assert_int_equal(opens(k, &t[2], 2000), 0);
    /* Three, the last of which was the first: it goes on counting. */
    k->gen[0].sealed = 99;
    assert_int_equal(ticket_keys_load(k, list, 3), 0);
    assert_int_equal(k->gen[2].sealed, 99);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(opens(k, &t[i], 2000), i > 0);
        buf_free(&t[i]);
    }
    buf_free(&drawn);
    ticket_keys_unref(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),       cmocka_unit_test(threat_26_zeros),
        cmocka_unit_test(keys_differ), cmocka_unit_test(lines_of_base64),
        cmocka_unit_test(generations),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
