/* SPDX-License-Identifier: ISC */
/* Offers to resume that our client does not send, and answers that our server does not give
 * (RFC 8446 sections 4.2.9 to 4.2.11). */
#include "tests/handshake/craft13.h"
#include "tests/handshake/resume13.h"

static uint8_t wire[WIRE_MAX];

/* ---- hellos that our client does not send ---- */
/* The body of pre_shared_key (its length); 0: there is none. And its binders. */
static size_t psk_at(const struct craft *o)
{
    size_t at = craft_find(o, EXT_PRE_SHARED_KEY);

    return at ? at + 2 : 0;
}

static size_t macs_at(const struct craft *o)
{
    return psk_at(o) + 2 + 2 + get16(o->m + psk_at(o) + 2);
}

/* Ends with this pre_shared_key, its binders those of that session. */
static void hello_set_psk(struct craft *o, const uint8_t *body, size_t n, size_t macs,
                          const struct tls_session *s)
{
    size_t at = craft_find(o, EXT_PRE_SHARED_KEY);
    uint8_t digest[HASH_MAX], mac[HASH_MAX];

    o->n = at ? at : o->n;
    macs += o->n + 4;
    craft_insert(o, o->n, EXT_PRE_SHARED_KEY, body, n);
    if (s) {
        assert_int_equal(hash_once(HASH_SHA256, o->m, macs, digest), 0);
        assert_int_equal(
            schedule13_binder(HASH_SHA256, span_of(s->secret, 32), "res binder", digest, mac), 0);
        for (size_t i = macs + 2; i < o->n; i += 33) {
            memcpy(o->m + i + 1, mac, 32);
        }
    }
}

/* A server that waits, and the hello that would resume. */
static struct pair *begin(struct tls_session *s, struct craft *o)
{
    struct pair_params q = usual(s);
    struct pair *p = pair_new(&q);

    craft_take(&p->c, o);
    return p;
}

static bool server_resumes(struct pair *p)
{
    return p->s.rc == 0 && (p->s.t->hs.facts & FACT_RESUMED);
}

/* RFC 8448 section 4: PSK, hash of the partial ClientHello, binder. */
static void test_binder_of_rfc8448(void **state)
{
    uint8_t psk[32], hash[32], want[32], got[HASH_MAX];

    (void)state;
    pair_unhex("4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3", psk, 32);
    pair_unhex("63224b2e4573f2d3454ca84b9d009a04f6be9e05711a8396473aefa01e924a14", hash, 32);
    pair_unhex("3add4fb2d8fdf822a0ca3cf7678ef5e88dae990141c5924d57bb6fa31b9e5f9d", want, 32);
    assert_int_equal(schedule13_binder(HASH_SHA256, span_of(psk, 32), "res binder", hash, got), 0);
    assert_memory_equal(got, want, 32);
}

/* threat 34: every byte of the binder, and every one it covers. */
static void threat_34_binder(void **state)
{
    struct tls_session *s = sha256_session();
    struct craft o;
    struct pair *p = begin(s, &o);
    size_t n = o.n, id = psk_at(&o) + 2 + 4, macs = macs_at(&o), age = macs - 4;

    (void)state;
    craft_give(&p->s, &o);
    assert_true(server_resumes(p));
    pair_free(p);
    assert_int_equal(n, macs + 2 + 1 + 32); /* the binder is the end */
    for (size_t i = 6; i < n; i++) {
        bool in_random = i < 38, in_ticket = i >= id && i < age, in_age = i >= age && i < macs;
        bool in_mac = i >= macs + 3;

        if (!in_random && !in_ticket && !in_age && !in_mac) {
            continue; /* lengths and choices: another fault may be seen first */
        }
        p = begin(s, &o);
        o.m[i] ^= 1;
        craft_give(&p->s, &o);
        assert_false(server_resumes(p));
        assert_true(!in_ticket || p->s.rc == 0);
        /* Not ours then, or too old: a full handshake, that fails at the client. */
        if (!in_ticket && !(in_age && p->s.rc == 0)) {
            assert_refused(&p->s, ALERT_DECRYPT_ERROR);
        }
        pair_free(p);
    }
    session_unref(s);
}

/* ... and in the second hello. */
static void threat_34_binder_after_retry(void **state)
{
    struct tls_session *s = sha256_session();
    struct pair_params q = usual(s);
    struct craft o;

    (void)state;
    q.suite = 0x1301;
    q.client_groups[0] = 29;
    q.client_groups[1] = q.server_groups[0] = 23;
    for (size_t i = 0; i <= 32; i++) {
        struct pair *p = pair_new(&q);

        end_give(&p->s, wire, end_take(&p->c, wire));
        end_give(&p->c, wire, end_take(&p->s, wire));
        craft_take(&p->c, &o);
        assert_true(psk_at(&o));
        if (i < 32) {
            o.m[o.n - 32 + i] ^= 0x80;
        }
        craft_give(&p->s, &o);
        if (i < 32) {
            assert_refused(&p->s, ALERT_DECRYPT_ERROR);
        } else {
            assert_true(server_resumes(p));
        }
        pair_free(p);
    }
    session_unref(s);
}

/* A second hello that suddenly has a session. */
static void threat_34_session_only_in_second(void **state)
{
    struct tls_session *s = sha256_session();
    struct pair_params q = usual(NULL);
    uint8_t body[600];
    struct craft with, o;
    struct pair *p = begin(s, &with);
    size_t n = get16(with.m + psk_at(&with)), macs = macs_at(&with) - psk_at(&with) - 2;

    (void)state;
    memcpy(body, with.m + psk_at(&with) + 2, n);
    pair_free(p);
    q.client_groups[0] = 29;
    q.client_groups[1] = q.server_groups[0] = 23;
    p = pair_new(&q);
    end_give(&p->s, wire, end_take(&p->c, wire));
    end_give(&p->c, wire, end_take(&p->s, wire));
    craft_take(&p->c, &o);
    hello_set_psk(&o, body, n, macs, s);
    craft_give(&p->s, &o);
    assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
    pair_free(p);
    session_unref(s);
}

/* The right ticket among others: taken at whichever place, as long as that is among the first. */
static void test_many_identities(void **state)
{
    struct tls_session *s = sha256_session();
    static uint8_t body[16000];

    (void)state;
    for (size_t place = 0; place < 8; place++) {
        struct craft o;
        struct pair *p = begin(s, &o);
        size_t len = 2 + s->ticket_len + 4, n = 2, macs, count = 6;
        uint8_t right[600];

        assert_true(len <= sizeof right);
        memcpy(right, o.m + psk_at(&o) + 4, len);
        for (size_t i = 0; i < count; i++) {
            memcpy(body + n, right, len);
            body[n + 2 + 20] ^= i != place; /* damaged but for one */
            n += len;
        }
        put16(body, n - 2);
        macs = n;
        put16(body + n, 33 * count);
        memset(body + n + 2, 0, 33 * count);
        for (size_t i = 0; i < count; i++) {
            body[n + 2 + 33 * i] = 32;
        }
        n += 2 + 33 * count;
        hello_set_psk(&o, body, n, macs, s);
        craft_give(&p->s, &o);
        assert_int_equal(p->s.rc, 0);
        assert_int_equal(server_resumes(p), place < 4);
        if (place > 0 && place < 4) { /* the client has offered one, not so many */
            end_give(&p->c, wire, end_take(&p->s, wire));
            assert_refused(&p->c, ALERT_ILLEGAL_PARAMETER);
        }
        pair_free(p);
    }
    session_unref(s);
}

static void test_malformed_psk(void **state)
{
    struct tls_session *s = sha256_session();
    struct craft o;
    struct pair *p = begin(s, &o);
    size_t n = get16(o.m + psk_at(&o)), macs = macs_at(&o) - psk_at(&o) - 2;
    uint8_t body[600], bad[700];
    static const struct {
        const char *body;
        size_t n;
        enum alert alert;
    } forms[] = {
        { "\0\0\0\0", 4, ALERT_DECODE_ERROR },                            /* no identity */
        { "\0\7\0\1x\0\0\0\0\0\0", 11, ALERT_DECODE_ERROR },              /* no binder */
        { "\0\6\0\0\0\0\0\0\0\41\40abcdefghijklmnopqrstuvwxyz012345", 43, /* empty identity */
          ALERT_DECODE_ERROR },
        { "\0\7\0\1x\0\0\0\0\0\40\37abcdefghijklmnopqrstuvwxyz01234", 43, /* short binder */
          ALERT_DECODE_ERROR },
        { "\0\16\0\1x\0\0\0\0\0\1y\0\0\0\0\0\41\40abcdefghijklmnopqrstuvwxyz012345", 51,
          ALERT_ILLEGAL_PARAMETER }, /* two identities, one binder */
    };

    (void)state;
    memcpy(body, o.m + psk_at(&o) + 2, n);
    pair_free(p);
    for (size_t cut = 0; cut < n; cut++) {
        p = begin(s, &o);
        hello_set_psk(&o, body, cut, 0, NULL);
        craft_give(&p->s, &o);
        assert_refused(&p->s, ALERT_DECODE_ERROR);
        pair_free(p);
    }
    memcpy(bad, body, n);
    bad[n] = 0; /* one byte too many */
    p = begin(s, &o);
    hello_set_psk(&o, bad, n + 1, macs, NULL);
    craft_give(&p->s, &o);
    assert_refused(&p->s, ALERT_DECODE_ERROR);
    pair_free(p);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        p = begin(s, &o);
        hello_set_psk(&o, (const uint8_t *)forms[i].body, forms[i].n, 0, NULL);
        craft_give(&p->s, &o);
        assert_refused(&p->s, forms[i].alert);
        pair_free(p);
    }
    session_unref(s);
}

/* A binder that is right but for its length. */
static void test_binder_length(void **state)
{
    struct tls_session *s = sha256_session();
    struct craft o;
    struct pair *p = begin(s, &o);
    size_t n = get16(o.m + psk_at(&o)), macs = macs_at(&o) - psk_at(&o) - 2;
    uint8_t body[600];

    (void)state;
    memcpy(body, o.m + psk_at(&o) + 2, n);
    body[n] = 0;
    body[macs + 1]++;
    body[macs + 2]++;
    hello_set_psk(&o, body, n + 1, macs, s);
    craft_give(&p->s, &o);
    assert_refused(&p->s, ALERT_DECRYPT_ERROR);
    pair_free(p);
    session_unref(s);
}

/* Which extensions must be there, and where. */
static void test_companions(void **state)
{
    static const struct {
        unsigned remove;
        bool good_ticket;
        enum alert alert; /* ALERT_NONE: it goes on */
        bool resumes;
    } with[] = {
        { 45, true, ALERT_MISSING_EXTENSION, false }, /* section 4.2.9 */
        { 13, true, ALERT_NONE, true },               /* section 9.2 */
        { 13, false, ALERT_MISSING_EXTENSION, false },
        { 51, true, ALERT_MISSING_EXTENSION, false },
        { 10, true, ALERT_MISSING_EXTENSION, false },
    };
    struct tls_session *s = sha256_session();
    struct craft o;
    struct pair *p;
    uint8_t body[600];

    (void)state;
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        size_t n;

        p = begin(s, &o);
        n = get16(o.m + psk_at(&o));
        memcpy(body, o.m + psk_at(&o) + 2, n);
        body[30] ^= !with[i].good_ticket;
        craft_cut(&o, with[i].remove);
        hello_set_psk(&o, body, n, n - 35, s);
        craft_give(&p->s, &o);
        if (with[i].alert == ALERT_NONE) {
            assert_int_equal(server_resumes(p), with[i].resumes);
        } else {
            assert_refused(&p->s, with[i].alert);
        }
        pair_free(p);
    }
    p = begin(s, &o); /* it is not the last */
    memcpy(o.m + o.n, "\x12\x34\0\0", 4);
    o.n += 4;
    craft_lengths(&o);
    craft_give(&p->s, &o);
    assert_refused(&p->s, ALERT_ILLEGAL_PARAMETER);
    pair_free(p);
    session_unref(s);
}

/* A client that knows psk_ke only: neither resumed nor given a ticket. An empty list is none. */
static void test_modes(void **state)
{
    struct tls_session *s = sha256_session();

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct craft o;
        struct pair *p = begin(s, &o);
        size_t n = get16(o.m + psk_at(&o)), at = craft_find(&o, 45);
        uint8_t body[600];

        memcpy(body, o.m + psk_at(&o) + 2, n);
        assert_memory_equal(o.m + at, "\0\55\0\2\1\1", 6);
        o.m[at + 5] = i == 1 ? 0 : 1;
        o.m[at + 4] = i == 2 ? 0 : 1; /* then a byte is left over as well */
        hello_set_psk(&o, body, n, n - 35, s);
        craft_give(&p->s, &o);
        if (i == 2) {
            assert_refused(&p->s, ALERT_DECODE_ERROR);
        } else {
            assert_int_equal(p->s.rc, 0);
            assert_int_equal(server_resumes(p), i == 0);
        }
        pair_free(p);
    }
    session_unref(s);
}

/* ---- answers that our server does not give ---- */
/* The ServerHello in front of a flight takes the first identity, once more or for the first time;
 * the flight's length. */
static size_t add_psk(uint8_t *records, size_t n)
{
    uint8_t *sh = records + REC_HEADER;
    size_t len = get16(records + 3), exts = 4 + 2 + 32 + 33 + 3;

    memmove(sh + len + 6, sh + len, n - REC_HEADER - len);
    memcpy(sh + len, "\0\51\0\2\0\0", 6);
    put16(records + 3, len + 6);
    put16(sh + 2, len + 6 - 4);
    put16(sh + exts, get16(sh + exts) + 6);
    return n + 6;
}

static void test_server_lies(void **state)
{
    struct tls_session *s = sha256_session();

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct pair_params q = usual(i == 4 ? NULL : s);
        struct pair *p = pair_new(&q);
        uint8_t *sh = wire + REC_HEADER;
        size_t n, len;

        end_give(&p->s, wire, end_take(&p->c, wire));
        n = end_take(&p->s, wire);
        len = get16(wire + 3);
        if (i < 4) {
            assert_memory_equal(sh + len - 6, "\0\51\0\2\0\0", 6);
        }
        if (i < 2) { /* an identity that is not there */
            sh[len - 1 - i] = 1;
        } else if (i == 2) { /* a suite with another hash */
            sh[4 + 2 + 32 + 33 + 1] = 2;
        } else { /* twice; or nothing was offered */
            n = add_psk(wire, n);
        }
        end_give(&p->c, wire, n);
        assert_refused(&p->c, i < 4 ? ALERT_ILLEGAL_PARAMETER : ALERT_UNSUPPORTED_EXTENSION);
        pair_free(p);
    }
    session_unref(s);
}

/* HelloRetryRequest with a suite of another hash: the second hello offers no session any more, and
 * none may be taken. */
static void threat_34_offer_withdrawn(void **state)
{
    struct tls_session *s = sha256_session();
    struct pair_params q = usual(s);
    struct craft o;
    struct pair *p;
    size_t n;

    (void)state;
    q.server_suites[0] = 0x1302;
    q.client_groups[0] = 29;
    q.client_groups[1] = q.server_groups[0] = 23;
    p = pair_new(&q);
    craft_take(&p->c, &o);
    assert_true(psk_at(&o));
    craft_give(&p->s, &o);
    end_give(&p->c, wire, end_take(&p->s, wire));
    craft_take(&p->c, &o);
    assert_false(psk_at(&o));
    craft_give(&p->s, &o);
    n = add_psk(wire, end_take(&p->s, wire));
    end_give(&p->c, wire, n);
    assert_refused(&p->c, ALERT_UNSUPPORTED_EXTENSION);
    pair_free(p);
    session_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binder_of_rfc8448),
        cmocka_unit_test(threat_34_binder),
        cmocka_unit_test(threat_34_binder_after_retry),
        cmocka_unit_test(threat_34_session_only_in_second),
        cmocka_unit_test(test_many_identities),
        cmocka_unit_test(test_malformed_psk),
        cmocka_unit_test(test_binder_length),
        cmocka_unit_test(test_companions),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_server_lies),
        cmocka_unit_test(threat_34_offer_withdrawn),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
