/* SPDX-License-Identifier: ISC */
/* Resumption in TLS 1.3: what is resumed, and what must not be (RFC 8446 section 4.2.11). */
#include "tests/handshake/resume13.h"

/* ---- what is resumed ---- */
static void test_again_and_again(void **state)
{
    struct pair_params q = usual(NULL);
    struct tls_session *s = first(&q);
    uint8_t seen[20][HASH_MAX], psk[20][HASH_MAX];

    (void)state;
    for (size_t n = 0; n < 20; n++) {
        struct pair *p;

        memcpy(psk[n], s->secret, HASH_MAX);
        q.resume = s;
        p = pair_connected(&q);
        assert_true(resumed(&p->c) && resumed(&p->s));
        memcpy(seen[n], p->secret[SECRET_CA], HASH_MAX);
        for (size_t i = 0; i < n; i++) {
            assert_memory_not_equal(seen[i], seen[n], 32);
            assert_memory_not_equal(psk[i], psk[n], 32);
        }
        session_unref(s);
        s = tls_session(p->c.t);
        assert_non_null(s);
        pair_free(p);
    }
    session_unref(s);
}

/* One ticket twice: two connections, two sets of keys (each has its own key exchange). */
static void test_one_ticket_twice(void **state)
{
    struct pair_params q = usual(NULL);
    struct tls_session *s = first(&q);
    uint8_t seen[HASH_MAX];
    struct pair *p;

    (void)state;
    q.resume = s;
    p = pair_connected(&q);
    assert_true(resumed(&p->c));
    memcpy(seen, p->secret[SECRET_CH], HASH_MAX);
    pair_free(p);
    p = pair_connected(&q);
    assert_true(resumed(&p->c));
    assert_memory_not_equal(seen, p->secret[SECRET_CH], 32);
    pair_free(p);
    session_unref(s);
}

static void test_offered_is_dropped(void **state)
{
    struct pair_params q = usual(NULL);
    struct pair *p;

    (void)state;
    q.resume = first(&q);
    q.tickets = NULL; /* none opened, none given */
    p = pair_connected(&q);
    assert_false(resumed(&p->c) || resumed(&p->s));
    assert_null(tls_session(p->c.t));
    pair_free(p);
    session_unref(q.resume);
}

static void test_suites(void **state)
{
    static const uint16_t ids[] = { 0x1301, 0x1302, 0x1303 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            bool same = suite_by_id(ids[i])->hash == suite_by_id(ids[j])->hash;
            struct pair_params q = usual(NULL);
            struct tls_session *s;

            q.suite = ids[i];
            s = first(&q);
            q.suite = ids[j]; /* of both */
            then(&q, session_ref(s), same);
            q.suite = 0; /* offered, and refused by the server */
            q.server_suites[0] = ids[j];
            then(&q, s, same);
        }
    }
}

static void test_with_retry(void **state)
{
    struct pair_params q = usual(NULL);
    struct tls_session *s;

    (void)state;
    q.suite = 0x1301;
    s = first(&q);
    q.client_groups[0] = 29;
    q.client_groups[1] = q.server_groups[0] = 23;
    then(&q, session_ref(s), true);
    q.suite = 0x1303;
    then(&q, session_ref(s), true);
    /* HelloRetryRequest names a suite with another hash: the session is offered no more */
    q.suite = 0;
    q.server_suites[0] = 0x1302;
    then(&q, s, false);
}

static void test_client_certificate(void **state)
{
    struct pair_params q = usual(NULL);
    struct tls_info i;
    struct pair *p;

    (void)state;
    q.auth = CLIENT_AUTH_REQUIRE;
    q.client_id = true;
    q.resume = first(&q);
    p = pair_connected(&q);
    assert_true(resumed(&p->s));
    tls_get_info(p->s.t, &i);
    assert_true(i.client_auth);
    assert_true(span_eq(i.peer_cert, pki.client->leaf.der));
    pair_free(p);
    session_unref(q.resume);
}

/* ---- when it is not (threats 26, 27, 28) ---- */
static void threat_28_lifetime(void **state)
{
    static const struct {
        int64_t at;
        bool fresh;
    } when[] = { { 0, true }, { LIFE - 1, true }, { LIFE, false }, { LIFE + 1, false } };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct pair_params q = usual(NULL);
        struct tls_session *s = first(&q);

        pair_later = when[i].at;
        then(&q, session_ref(s), when[i].fresh);
        s->made += when[i].at * 1000; /* a client that does not care */
        then(&q, s, when[i].fresh);
        pair_later = 0;
    }
}

/* However often it is resumed: it ends with the life of the first. */
static void threat_28_life_is_not_prolonged(void **state)
{
    struct pair_params q = usual(NULL);
    struct tls_session *s = first(&q);

    (void)state;
    assert_int_equal(s->lifetime, LIFE);
    for (pair_later = 900; pair_later < LIFE; pair_later += 900) {
        struct tls_session *before = s;

        q.resume = s;
        s = connect_with(&q, true);
        assert_non_null(s);
        assert_int_equal(s->lifetime, LIFE - pair_later);
        session_unref(before);
    }
    s->lifetime = LIFE; /* a client that does not care */
    then(&q, s, false);
    pair_later = 0;
}

/* The server's life of sessions has changed: the shorter of the two counts. */
static void threat_28_life_of_the_first(void **state)
{
    (void)state;
    for (unsigned longer = 0; longer < 2; longer++) {
        struct pair_params q = usual(NULL);
        struct tls_session *s, *next;

        q.life = longer ? 600 : 1200;
        s = q.resume = first(&q);
        q.life = longer ? 1200 : 600;
        next = connect_with(&q, true);
        assert_non_null(next);
        assert_int_equal(next->lifetime, 600);
        session_unref(s);
        session_unref(next);
    }
}

static void threat_28_peer_chain_ends(void **state)
{
    struct pair_params q = usual(NULL);
    struct tls_session *s;
    struct pair *p;

    (void)state;
    q.auth = CLIENT_AUTH_REQUIRE;
    q.client_id = true;
    q.life = SESSION_LIFE_MAX;
    s = first(&q);
    pair_later = 86400;
    then(&q, session_ref(s), true); /* notAfter itself */
    pair_later++;
    s->peer_not_after = INT64_MAX;
    q.resume = s;
    p = pair_new(&q);
    pair_run(p, WIRE_MAX);
    assert_refused(&p->c, ALERT_CERTIFICATE_EXPIRED); /* the server did not resume */
    pair_free(p);
    session_unref(s);
    pair_later = 0;
}

static void threat_27_policies(void **state)
{
    (void)state;
    for (unsigned change = 0; change < 7; change++) {
        struct pair_params q = usual(NULL), r;
        struct tls_session *s;

        q.client_id = true;
        q.client_alpn[0] = "a";
        s = first(&q);
        r = q;
        switch (change) {
        case 1:
            r.auth = CLIENT_AUTH_REQUEST;
            break;
        case 2:
            r.auth = CLIENT_AUTH_REQUIRE;
            break;
        case 3:
            r.other_server = true;
            break;
        case 4:
            r.server_alpn[0] = "a";
            break;
        case 5: /* the client's own: it does not offer */
            r.client_alpn[0] = "b";
            break;
        case 6:
            r.client_id = false;
            break;
        default:
            break;
        }
        then(&r, s, change == 0);
    }
}

static struct pair *with_sni(const struct pair_params *q, const char *sni)
{
    struct pair *p = pair_new(q);
    struct config *c = pair_config(p, TLS_CLIENT, q);
    struct tls_session *s = session_again(q->resume);

    tls_free(p->c.t);
    assert_int_equal(tls_new(&p->c.t, c, PAIR_HOST, sni, s, NULL), 0);
    session_unref(s);
    config_unref(c);
    pair_run(p, WIRE_MAX);
    assert_int_equal(p->c.rc, 0);
    return p;
}

static void threat_27_server_names(void **state)
{
    struct pair_params q = usual(NULL);
    struct tls_session *s = first(&q);
    struct pair *p;

    (void)state;
    q.resume = s;
    p = with_sni(&q, PAIR_HOST);
    assert_true(resumed(&p->s));
    pair_free(p);
    p = with_sni(&q, "other.test"); /* not offered */
    assert_false(resumed(&p->s));
    pair_free(p);
    assert_int_equal(session_set_text(&s->sni, "other.test"), 0);
    p = with_sni(&q, "other.test"); /* refused */
    assert_false(resumed(&p->s));
    pair_free(p);
    session_unref(s);
}

static void threat_26_ticket_keys(void **state)
{
    struct ticket_keys *mine = ticket_keys_new(LIFE * 1000), *others = ticket_keys_new(LIFE * 1000);
    static const uint8_t name[16] = "name", key[32] = "key";
    struct pair_params q = usual(NULL);
    struct tls_session *s;

    (void)state;
    q.tickets = mine;
    s = first(&q);
    then(&q, session_ref(s), true);
    q.tickets = others;
    then(&q, session_ref(s), false);
    assert_int_equal(ticket_keys_set(mine, name, key), 0);
    q.tickets = mine;
    then(&q, session_ref(s), true); /* the generation before */
    session_unref(s);
    s = first(&q);
    q.tickets = others;
    assert_int_equal(ticket_keys_set(others, name, key), 0);
    then(&q, s, true); /* one service, two servers */
    ticket_keys_unref(mine);
    ticket_keys_unref(others);
}

static void test_no_tickets(void **state)
{
    struct pair_params q = usual(NULL);
    struct pair *p;

    (void)state;
    q.no_tickets = true;
    p = pair_connected(&q);
    assert_null(tls_session(p->c.t));
    pair_free(p);
    q = usual(NULL);
    q.resume = first(&q);
    q.no_tickets = true;
    p = pair_connected(&q);
    assert_false(resumed(&p->c));
    pair_free(p);
    session_unref(q.resume);
}

/* ---- tickets that no server of ours gave ---- */
/* A session for both sides, changed by the caller between the two steps. */
static struct tls_session *blank(struct pair_params *q, enum tls_role role)
{
    struct config *c = pair_config(NULL, role, q);
    struct tls_session *s = session_new();

    assert_non_null(s);
    s->version = TLS_1_3;
    s->suite = 0x1301;
    s->group = 29;
    s->secret_len = 32;
    memset(s->secret, 7, 32);
    memcpy(s->context, config_settings(c)->context, SESSION_CONTEXT);
    s->made = pair_clock() * 1000;
    s->lifetime = LIFE;
    s->age_add = 0xfffffff0;
    assert_int_equal(session_set_text(&s->sni, PAIR_HOST), 0);
    if (role == TLS_CLIENT) {
        assert_int_equal(session_set_text(&s->name, PAIR_HOST), 0);
        assert_int_equal(session_set_bytes(&s->peer_cert, &s->peer_cert_len, span_text("leaf")), 0);
    }
    config_unref(c);
    return s;
}

/* As when it was all right, but for one thing. */
static void threat_27_each_condition(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= 16; i++) {
        struct pair_params q = { .tickets = keys, .suite = 0x1301 };
        struct tls_session *s, *c;
        struct buf ticket = { 0 };
        bool good = i == 0;
        struct pair *p;

        q.auth = i >= 14 ? CLIENT_AUTH_REQUIRE : CLIENT_AUTH_NONE;
        q.client_id = true;
        s = blank(&q, TLS_SERVER);
        c = blank(&q, TLS_CLIENT);
        switch (i) {
        case 1:
            s->suite = 0x1302; /* its secret is too short */
            break;
        case 2:
            s->suite = 0x1302;
            s->secret_len = 48;
            break;
        case 3:
            s->suite = 0x1399;
            break;
        case 4:
            s->suite = 0xc02b; /* of TLS 1.2, with the same hash */
            break;
        case 5:
            s->secret_len = 48;
            break;
        case 6:
            s->context[31] ^= 1;
            break;
        case 7:
            assert_int_equal(session_set_text(&s->sni, NULL), 0);
            break;
        case 8:
            assert_int_equal(session_set_text(&s->sni, "server.tes"), 0);
            break;
        case 9:
            s->made += 1000; /* not yet */
            break;
        case 10:
            s->peer_not_after = PAIR_NOW - 1;
            break;
        case 11: /* older than the session is, as far as a clock may be wrong */
            c->made -= 600 * 1000;
            good = true;
            break;
        case 12:
            c->made -= 600 * 1000 + 1;
            break;
        case 13:
            s->version = TLS_1_2;
            s->secret_len = 48;
            s->age_add = 0;
            break;
        case 14:
            break; /* no client certificate, and one is required */
        case 15:
        case 16:
            assert_int_equal(
                session_set_bytes(&s->peer_cert, &s->peer_cert_len, pki.client->leaf.der), 0);
            s->peer_not_after = i == 15 ? PAIR_NOW : PAIR_NOW - 1;
            good = i == 15;
            break;
        default:
            break;
        }
        assert_int_equal(ticket_seal(keys, s, pair_clock() * 1000, &ticket), 0);
        assert_int_equal(session_set_bytes(&c->ticket, &c->ticket_len, buf_span(&ticket)), 0);
        q.resume = c;
        p = pair_connected(&q);
        assert_int_equal(resumed(&p->s), good);
        assert_int_equal(resumed(&p->c), good);
        pair_free(p);
        buf_free(&ticket);
        session_unref(s);
        session_unref(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again_and_again),
        cmocka_unit_test(test_one_ticket_twice),
        cmocka_unit_test(test_offered_is_dropped),
        cmocka_unit_test(test_suites),
        cmocka_unit_test(test_with_retry),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(threat_28_lifetime),
        cmocka_unit_test(threat_28_life_is_not_prolonged),
        cmocka_unit_test(threat_28_life_of_the_first),
        cmocka_unit_test(threat_28_peer_chain_ends),
        cmocka_unit_test(threat_27_policies),
        cmocka_unit_test(threat_27_server_names),
        cmocka_unit_test(threat_26_ticket_keys),
        cmocka_unit_test(test_no_tickets),
        cmocka_unit_test(threat_27_each_condition),
    };

    return cmocka_run_group_tests(tests, resume_make, resume_drop);
}
