/* SPDX-License-Identifier: ISC */
/* What the tests of sessions and tickets share: sessions with known contents, and an allocator that
 * fails on demand and looks for known secrets in all that is given back. */
#ifndef TESTS_UNIT_SESSIONS_H
#define TESTS_UNIT_SESSIONS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/secret.h"
#include "session/session.h"

#define NOW INT64_C(1700000000000) /* ms since 1970: when the samples are made */

enum {
    WITH_ID = 1,
    WITH_EMS = 2,
    WITH_GROUP = 4,
    WITH_FRAGMENT = 8,
    WITH_TICKET = 16,
    WITH_SNI = 32,
    WITH_ALPN = 64,
    WITH_NAME = 128,
    WITH_CERT = 256,
    WITH_EARLY = 512,
    WITH_ALL = 1023
};
enum { ONLY_12 = WITH_ID | WITH_EMS | WITH_FRAGMENT, ONLY_13 = WITH_EARLY };

static atomic_long live, total, fail_at, leaked;

/* No two bytes in a row are alike in there: eight of them are found by no accident. */
static inline uint8_t secret_byte(size_t i)
{
    return (uint8_t)(0x5b + 37 * i);
}
static inline uint8_t key_byte(size_t i)
{
    return (uint8_t)(0xc6 + 59 * i);
}

static bool holds(const uint8_t *p, size_t n, uint8_t (*pattern)(size_t i))
{
    uint8_t part[8];

    for (size_t at = 0; at < 48; at += sizeof part) {
        for (size_t i = 0; i < sizeof part; i++) {
            part[i] = pattern(at + i);
        }
        if (memmem(p, n, part, sizeof part)) {
            return true;
        }
    }
    return false;
}

/* The size stands in front of each block, so that a release can be looked at. */
static void *test_alloc(size_t n)
{
    uint8_t *p;

    if (++total == fail_at) {
        return NULL;
    }
    p = malloc(n + 16);
    if (!p) {
        abort();
    }
    memcpy(p, &n, sizeof n);
    memset(p + 16, 0xa5, n);
    live++;
    return p + 16;
}

static void test_release(void *p)
{
    uint8_t *block = (uint8_t *)p - 16;
    size_t n;

    memcpy(&n, block, sizeof n);
    leaked += holds(p, n, secret_byte) || holds(p, n, key_byte);
    live--;
    free(block);
}

static int hooked(void **state)
{
    (void)state;
    mem_hooks = (struct mem_hooks){ test_alloc, test_release };
    live = total = fail_at = leaked = 0;
    return crypto_init();
}

static int unhooked(void **state)
{
    (void)state;
    mem_hooks = (struct mem_hooks){ malloc, free };
    rand_set_test_source(NULL);
    if (live != 0 || leaked != 0) {
        print_error("%ld blocks not freed, %ld freed with a secret\n", live, leaked);
        return -1;
    }
    return 0;
}

/* Runs op with the first, second, ... allocation failing until none is left to fail. op returns
 * whether it succeeded, has to free what it made, and checks what a failure leaves behind. */
static inline void with_each_failure(bool (*op)(void *ctx), void *ctx)
{
    const long before = live;
    long n = 0;
    bool ok;

    do {
        total = 0;
        fail_at = ++n;
        ok = op(ctx);
        fail_at = 0;
        assert_int_equal(live, before);
        assert_int_equal(ok, total < n);
    } while (!ok);
    assert_true(n > 1);
}

static inline struct tls_session *sample(uint16_t version, unsigned with)
{
    struct tls_session *s = session_new();

    assert_non_null(s);
    with &= version == 0x0303 ? ~(unsigned)ONLY_13 : ~(unsigned)ONLY_12;
    s->version = version;
    s->suite = version == 0x0303 ? 0xc02f : 0x1301;
    s->secret_len = version == 0x0303 ? 48 : 32;
    for (size_t i = 0; i < s->secret_len; i++) {
        s->secret[i] = secret_byte(i);
    }
    memset(s->context, 0xc7, sizeof s->context);
    s->made = NOW;
    s->lifetime = 7200;
    s->id_len = with & WITH_ID ? 32 : 0;
    memset(s->id, 0x1d, s->id_len);
    s->ems = with & WITH_EMS;
    s->group = with & WITH_GROUP ? 29 : 0;
    s->max_fragment = with & WITH_FRAGMENT ? 4096 : 0;
    s->age_add = with & WITH_EARLY ? 0xfedcba98 : 0;
    s->max_early = with & WITH_EARLY ? UINT32_MAX : 0;
    if (with & WITH_TICKET) {
        assert_int_equal(session_set_bytes(&s->ticket, &s->ticket_len, span_of("tick\0et", 7)), 0);
    }
    if (with & WITH_CERT) {
        assert_int_equal(session_set_bytes(&s->peer_cert, &s->peer_cert_len, span_of("0\0", 2)), 0);
        s->peer_not_after = NOW / 1000 + 3600;
    }
    assert_int_equal(session_set_text(&s->sni, with & WITH_SNI ? "sni.test" : NULL), 0);
    assert_int_equal(session_set_text(&s->alpn, with & WITH_ALPN ? "h2" : NULL), 0);
    assert_int_equal(session_set_text(&s->name, with & WITH_NAME ? "name.test" : NULL), 0);
    return s;
}

static inline bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool same(const struct tls_session *a, const struct tls_session *b)
{
    return a->version == b->version && a->suite == b->suite && a->group == b->group &&
           a->ems == b->ems && a->secret_len == b->secret_len &&
           memcmp(a->secret, b->secret, sizeof a->secret) == 0 && a->id_len == b->id_len &&
           memcmp(a->id, b->id, sizeof a->id) == 0 &&
           memcmp(a->context, b->context, sizeof a->context) == 0 && a->made == b->made &&
           a->lifetime == b->lifetime && a->peer_not_after == b->peer_not_after &&
           a->age_add == b->age_add && a->max_early == b->max_early &&
           a->max_fragment == b->max_fragment &&
           span_eq(span_of(a->ticket, a->ticket_len), span_of(b->ticket, b->ticket_len)) &&
           !a->ticket == !b->ticket && !a->peer_cert == !b->peer_cert &&
           span_eq(span_of(a->peer_cert, a->peer_cert_len),
                   span_of(b->peer_cert, b->peer_cert_len)) &&
           same_text(a->sni, b->sni) && same_text(a->alpn, b->alpn) && same_text(a->name, b->name);
}
#endif
