/* SPDX-License-Identifier: ISC */
/* The config that the application chooses by the client's name, and what of it counts: all of it;
 * sessions stay where they were made (threat 27). */
#include "tests/handshake/vhosts.h"
#include "tests/lib/failing.h"

static struct identity *front_id, *one, *two;

/* ---- what the callback says ---- */
static struct {
    unsigned calls;
    char name[256];
    struct config *give; /* ours: it gives references away */
    int word;
} choice;

static int choose(void *ctx, struct tls *t, const char *name, struct config **instead)
{
    struct tls_info i;

    assert_ptr_equal(ctx, &choice);
    assert_null(*instead);
    tls_get_info(t, &i);
    assert_int_equal(i.version, 0); /* nothing is negotiated yet */
    choice.calls++;
    snprintf(choice.name, sizeof choice.name, "%s", name);
    if (choice.give) {
        *instead = config_ref(choice.give);
    }
    return choice.word;
}

static struct config *front_of(sni_fn *fn, void *ctx)
{
    struct config *c = config_of(TLS_SERVER);

    own(c, (struct identity *[]){ front_id, NULL });
    assert_int_equal(config_set_sni_callback(c, fn, ctx), 0);
    return c;
}

static struct pair *join_chosen(struct config *c, struct config *front, struct config *give,
                                int word, const char *name)
{
    struct pair *p;

    choice.calls = 0;
    choice.name[0] = '\0';
    choice.give = give;
    choice.word = word;
    p = join(c, front, name);
    config_unref(give);
    choice.give = NULL;
    return p;
}

static struct config *vhost_of(struct identity *id)
{
    struct config *c = config_of(TLS_SERVER);

    own(c, (struct identity *[]){ id, NULL });
    return c;
}

/* ---- the callback ---- */
static void test_called(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        struct config *c = client(versions[v], any);
        struct pair *p = join_chosen(c, sealed(front_of(choose, &choice)), NULL, 0, HOST_ONE);

        assert_shown(p, front_id);
        assert_int_equal(choice.calls, 1);
        assert_string_equal(choice.name, HOST_ONE);
        part(p);
        p = join_chosen(client(versions[v], any), sealed(front_of(choose, &choice)), NULL, 0, NULL);
        assert_shown(p, front_id);
        assert_int_equal(choice.calls, 0); /* no name */
        part(p);
        p = join_chosen(client(versions[v], any), sealed(front_of(choose, &choice)),
                        sealed(vhost_of(one)), 0, HOST_ONE);
        assert_shown(p, one);
        assert_int_equal(choice.calls, 1);
        end_talk(&p->c, &p->s, "ping", 4);
        end_talk(&p->s, &p->c, "pong", 4);
        part(p);
    }
}

/* Once for a connection: neither for a second hello nor for a renegotiation. */
static void test_called_once(void **state)
{
    static const uint16_t x25519 = 29, p256 = 23;

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        struct config *f = front_of(choose, &choice), *c = config_of(TLS_CLIENT);
        struct pair *p;

        assert_int_equal(config_set_versions(c, TLS_1_2, versions[v]), 0);
        assert_int_equal(config_set_groups(c, (uint16_t[]){ x25519, p256 }, 2), 0);
        assert_int_equal(config_set_groups(f, &p256, 1), 0);
        assert_int_equal(config_set_renegotiation(f, RENEGOTIATE_SECURE, false), 0);
        p = join_chosen(sealed(c), sealed(f), NULL, 0, HOST_ONE);
        assert_shown(p, front_id);
        if (v == 1) {
            assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
            pair_run(p, WIRE_MAX);
            assert_int_equal(p->c.done, 2);
        }
        assert_int_equal(choice.calls, 1);
        part(p);
    }
}

static void threat_24_refused(void **state)
{
    static const int words[] = { -1, 1, ERR_MEM, ALERT_HANDSHAKE_FAILURE };

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        for (size_t i = 0; i < 8; i++) { /* with a config at the same time: it is not lost */
            struct pair *p =
                join_chosen(client(versions[v], any), sealed(front_of(choose, &choice)),
                            i % 2 ? sealed(vhost_of(one)) : NULL, words[i / 2], HOST_ONE);

            assert_refused(&p->s, ALERT_UNRECOGNIZED_NAME);
            assert_int_equal(tls_error(p->c.t)->alert_received, ALERT_UNRECOGNIZED_NAME);
            part(p);
        }
    }
}

/* Not sealed, or of a client. */
static void test_unusable(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct pair *p =
            join_chosen(client(TLS_1_3, any), sealed(front_of(choose, &choice)),
                        i ? sealed(config_of(TLS_CLIENT)) : vhost_of(one), 0, HOST_ONE);

        assert_int_equal(p->s.rc, ERR_ARG);
        assert_int_equal(end_alert(&p->s), ALERT_INTERNAL_ERROR);
        part(p);
    }
}

/* Versions, groups, protocols, authentication: all are those of the chosen one. */
static void test_all_of_it_counts(void **state)
{
    static const char *const http[] = { "http/1.1" }, *const h2[] = { "h2", "http/1.1" };
    static const uint16_t x25519 = 29, p256 = 23;

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        struct config *f = front_of(choose, &choice), *s = vhost_of(one),
                      *c = config_of(TLS_CLIENT);
        struct tls_info i;
        struct pair *p;

        /* in front what does not get along with the client at all */
        assert_int_equal(config_set_versions(f, versions[1 - v], versions[1 - v]), 0);
        assert_int_equal(config_set_versions(s, versions[v], versions[v]), 0);
        assert_int_equal(config_set_versions(c, TLS_1_2, TLS_1_3), 0);
        assert_int_equal(config_set_groups(f, &x25519, 1), 0);
        assert_int_equal(config_set_groups(s, &p256, 1), 0);
        assert_int_equal(config_set_groups(c, (uint16_t[]){ x25519, p256 }, 2), 0);
        assert_int_equal(config_set_alpn(f, (const char *[]){ "imap" }, 1), 0);
        assert_int_equal(config_set_alpn(s, http, 1), 0);
        assert_int_equal(config_set_alpn(c, h2, 2), 0);
        assert_int_equal(config_set_client_auth(s, CLIENT_AUTH_REQUIRE), 0);
        own(c, (struct identity *[]){ pki.client, NULL });
        p = join_chosen(sealed(c), sealed(f), sealed(s), 0, HOST_ONE);
        if (v == 1) { /* no sign of a downgrade: this server has no TLS 1.3 */
            assert_int_equal(p->s.rc, 0);
        }
        assert_shown(p, one);
        assert_int_equal(choice.calls, 1); /* although the key exchange took a second hello */
        tls_get_info(p->s.t, &i);
        assert_int_equal(i.version, versions[v]);
        assert_int_equal(i.group_id, p256);
        assert_string_equal(i.alpn, "http/1.1");
        assert_true(i.client_auth);
        part(p);
    }
}

/* RFC 6066 section 3, as when a certificate is chosen; and renegotiation by the policy of the
 * chosen config, without another question. */
static void test_acknowledged_and_renegotiated(void **state)
{
    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        struct config *s = vhost_of(two), *c = config_of(TLS_CLIENT); /* for another name */
        struct pair *p;

        assert_int_equal(config_set_versions(c, TLS_1_2, versions[v]), 0);
        assert_int_equal(config_set_extension_callback(c, note_extension, NULL), 0);
        assert_int_equal(config_set_renegotiation(s, RENEGOTIATE_SECURE, false), 0);
        acknowledged = 0;
        p = join_chosen(sealed(c), sealed(front_of(choose, &choice)), sealed(s), 0, HOST_ONE);
        assert_shown(p, two);
        assert_int_equal(acknowledged, 1);
        if (v == 1) {
            assert_int_equal(tls_rehandshake(p->c.t, NULL, false), 0);
            pair_run(p, WIRE_MAX);
            assert_shown(p, two);
            assert_int_equal(p->c.done, 2);
            assert_int_equal(choice.calls, 1);
        }
        part(p);
    }
}

/* Names that are none, and hellos that end anywhere: the callback sees whole host names only. */
static void test_malformed(void **state)
{
    static uint8_t wire[WIRE_MAX];
    static const uint8_t wrong[] = { 0, ' ', '/', 0x80, '"' };
    struct config *c = client(TLS_1_3, any), *s = sealed(front_of(choose, &choice));
    struct end e = { 0 };
    struct tls *t;
    uint8_t *name;
    size_t n;

    (void)state;
    assert_int_equal(tls_new(&t, c, HOST_ONE, NULL, NULL, NULL), 0);
    e.t = t;
    n = end_take(&e, wire);
    name = memmem(wire, n, HOST_ONE, strlen(HOST_ONE));
    assert_non_null(name);
    tls_free(t);
    for (size_t i = 0; i < sizeof wrong; i++) {
        for (size_t at = 0; at < strlen(HOST_ONE); at++) {
            struct end to = { 0 };
            uint8_t was = name[at];

            choice.calls = 0;
            name[at] = wrong[i];
            assert_int_equal(tls_new(&to.t, s, NULL, NULL, NULL, NULL), 0);
            end_give(&to, wire, n);
            assert_refused(&to, ALERT_ILLEGAL_PARAMETER);
            assert_int_equal(choice.calls, 0);
            name[at] = was;
            tls_free(to.t);
        }
    }
    for (size_t len = 0; len < n - REC_HEADER - HS_HEADER; len++) {
        uint8_t *m = mem_dup(wire + REC_HEADER, HS_HEADER + len); /* its end is guarded */
        struct end to = { 0 };

        choice.calls = 0;
        m[2] = (uint8_t)(len >> 8);
        m[3] = (uint8_t)len;
        assert_int_equal(tls_new(&to.t, s, NULL, NULL, NULL, NULL), 0);
        give_clear(&to, CT_HANDSHAKE, m, HS_HEADER + len);
        assert_true(IS_TLS_ALERT(to.rc));
        assert_true(choice.calls == 0 || strcmp(choice.name, HOST_ONE) == 0);
        tls_free(to.t);
        mem_free(m);
    }
    config_unref(c);
    config_unref(s);
}

/* ---- sessions ---- */
enum { FRONT, ONE, TWO, POLICY, PLACES };
static const char *const hosts[PLACES] = { "front.test", HOST_ONE, HOST_TWO, "policy.test" };
static struct {
    struct config *config[PLACES];
    const char *only; /* whatever the name is: the place for that host */
} place;

static int by_name(void *ctx, struct tls *t, const char *name, struct config **instead)
{
    (void)ctx;
    (void)t;
    for (unsigned i = FRONT + 1; i < PLACES; i++) {
        if (strcmp(place.only ? place.only : name, hosts[i]) == 0) {
            *instead = config_ref(place.config[i]);
        }
    }
    return 0;
}

static void connect_at(struct config *c, unsigned at, struct tls_session *resume, bool want,
                       struct tls_session **made)
{
    const char *name = place.only ? HOST_ONE : hosts[at];
    struct identity *const ids[PLACES] = { front_id, one, two, one };
    struct tls_info i;
    struct pair *p;

    if (place.only) {
        place.only = hosts[at];
    }
    p = join_with(config_ref(c), config_ref(place.config[FRONT]), name, resume);
    assert_int_equal(p->c.rc, 0);
    tls_get_info(p->s.t, &i);
    assert_int_equal(i.resumed, want);
    tls_get_info(p->c.t, &i);
    assert_int_equal(i.resumed, want);
    assert_true(span_eq(i.peer_cert, ids[at]->certs[0]));
    if (made) {
        *made = tls_session(p->c.t);
        assert_non_null(*made);
    }
    part(p);
}

/* All pairs; the client is one that would offer any session to any server. */
static void all_pairs(unsigned max, struct session_cache *cache, struct ticket_keys *keys,
                      bool same_name)
{
    struct identity *const ids[PLACES] = { front_id, one, two, one };
    struct config *c = client(max, any);

    for (unsigned i = 0; i < PLACES; i++) {
        struct config *s = i == FRONT ? front_of(by_name, NULL) : vhost_of(ids[i]);

        assert_int_equal(config_set_sessions(s, cache, keys, 3600), 0);
        assert_int_equal(
            config_set_client_auth(s, i == POLICY ? CLIENT_AUTH_REQUEST : CLIENT_AUTH_NONE), 0);
        place.config[i] = sealed(s);
    }
    place.only = same_name ? HOST_ONE : NULL;
    for (unsigned from = same_name; from < PLACES; from++) { /* the front has no such name */
        for (unsigned to = same_name; to < PLACES; to++) {
            struct tls_session *s;

            connect_at(c, from, NULL, false, &s);
            if (!same_name) {
                assert_int_equal(session_set_text(&s->name, hosts[to]), 0);
                assert_int_equal(session_set_text(&s->sni, hosts[to]), 0);
            }
            connect_at(c, to, s, from == to, NULL);
            session_unref(s);
        }
    }
    for (unsigned i = 0; i < PLACES; i++) {
        config_unref(place.config[i]);
    }
    config_unref(c);
}

static void threat_27_all_pairs(void **state)
{
    struct ticket_keys *keys = ticket_keys_new(SESSION_LIFE_MAX * INT64_C(1000));
    struct session_cache *cache = session_cache_new(64, 3600 * 1000);

    (void)state;
    for (unsigned same = 0; same < 2; same++) {
        all_pairs(TLS_1_3, NULL, keys, same);
        all_pairs(TLS_1_2, NULL, keys, same);
        all_pairs(TLS_1_2, cache, NULL, same);
    }
    ticket_keys_unref(keys);
    session_cache_unref(cache);
}

/* Nor between two names of one config. */
static void threat_27_two_names(void **state)
{
    struct ticket_keys *keys = ticket_keys_new(SESSION_LIFE_MAX * INT64_C(1000));

    (void)state;
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned pair = 0; pair < 4; pair++) {
            const char *const names[] = { HOST_ONE, HOST_TWO };
            const char *from = names[pair / 2], *to = names[pair % 2];
            struct config *c = client(versions[v], any), *s = config_of(TLS_SERVER);
            struct tls_session *left;
            struct tls_info i;
            struct pair *p;

            own(s, (struct identity *[]){ one, two, NULL });
            assert_int_equal(config_set_sessions(s, NULL, keys, 3600), 0);
            p = join(config_ref(c), config_ref(sealed(s)), from);
            left = tls_session(p->c.t);
            assert_non_null(left);
            part(p);
            assert_int_equal(session_set_text(&left->name, to), 0);
            assert_int_equal(session_set_text(&left->sni, to), 0);
            p = join_with(c, s, to, left);
            assert_shown(p, pair % 2 ? two : one);
            tls_get_info(p->s.t, &i);
            assert_int_equal(i.resumed, from == to);
            part(p);
            session_unref(left);
        }
    }
    ticket_keys_unref(keys);
}

/* A config that is built anew: with the same in it sessions go on, with other anchors they do not,
 * on whichever side. */
static void threat_28_reload(void **state)
{
    struct ticket_keys *keys = ticket_keys_new(SESSION_LIFE_MAX * INT64_C(1000));
    struct trust *const after[] = { both, pki.trust, second.trust };

    (void)state;
    for (unsigned i = 0; i < 2 * 2 * 3; i++) {
        bool of_client = i & 1;
        struct tls_session *left = NULL;

        for (unsigned reloaded = 0; reloaded < 2; reloaded++) {
            struct config *c = config_of(TLS_CLIENT), *s = config_of(TLS_SERVER);
            struct tls_info info;
            struct pair *p;

            assert_int_equal(config_set_versions(c, TLS_1_2, versions[i / 2 % 2]), 0);
            own(c, (struct identity *[]){ pki.client, NULL });
            own(s, (struct identity *[]){ one, NULL });
            assert_int_equal(config_set_client_auth(s, CLIENT_AUTH_REQUIRE), 0);
            assert_int_equal(config_set_sessions(s, NULL, keys, 3600), 0);
            if (reloaded) {
                assert_int_equal(config_set_trust(of_client ? c : s, after[i / 4]), 0);
            }
            p = join_with(sealed(c), sealed(s), HOST_ONE, left);
            session_unref(left);
            left = tls_session(p->c.t);
            tls_get_info(p->s.t, &info);
            assert_int_equal(info.resumed, reloaded && i / 4 == 0);
            if (reloaded && i / 4 == 2 && !of_client) { /* the client's authority is gone */
                assert_refused(&p->s, ALERT_UNKNOWN_CA);
            } else {
                assert_true(tls_connected(p->s.t) && info.client_auth);
            }
            part(p);
        }
        session_unref(left);
    }
    ticket_keys_unref(keys);
}

/* ---- memory runs out ---- */
/* All that is here, with every kind of thing that goes with a certificate. */
static bool run_without_memory(size_t n, unsigned v)
{
    struct config *f = sealed(front_of(choose, &choice)), *s = vhost_of(one),
                  *c = config_of(TLS_CLIENT);
    static struct pair p;
    struct tls_info i;
    int rc;

    memset(&p, 0, sizeof p);
    own(c, (struct identity *[]){ pki.client, one, NULL });
    assert_int_equal(config_set_versions(c, TLS_1_2, versions[v]), 0);
    assert_int_equal(config_set_flag(c, CONFIG_SCTS, true), 0);
    assert_int_equal(config_set_flag(c, CONFIG_CERT_COMPRESSION, true), 0);
    assert_int_equal(config_set_scts(s, 0, span_of("\0\3\0\1x", 5)), 0);
    assert_int_equal(config_set_flag(s, CONFIG_CERT_COMPRESSION, true), 0);
    assert_int_equal(config_set_client_auth(s, CLIENT_AUTH_REQUIRE), 0);
    sealed(c);
    choice.word = 0;
    failing_arm(n);
    rc = config_seal(s, NULL);
    choice.give = s;
    if (rc == 0 && tls_new(&p.c.t, c, HOST_ONE, NULL, NULL, NULL) == 0 &&
        tls_new(&p.s.t, f, NULL, NULL, NULL, NULL) == 0) {
        pair_run(&p, WIRE_MAX);
        if (p.s.done) {
            tls_get_info(p.s.t, &i);
            assert_true(i.client_auth && span_eq(i.peer_cert, pki.client->leaf.der));
        }
        if (p.c.done) {
            tls_get_info(p.c.t, &i);
            assert_true(span_eq(i.peer_cert, one->leaf.der) && i.scts.n == 5);
        }
        assert_true(p.c.rc != ERR_STATE && p.s.rc != ERR_STATE);
    }
    armed = false;
    choice.give = NULL;
    assert_true(calls >= n || (p.c.done == 1 && p.s.done == 1));
    pair_free(&p);
    config_unref(f);
    config_unref(s);
    config_unref(c);
    return calls >= n;
}

static void threat_37_no_memory(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        size_t n = 1;

        for_good = kind & 1;
        while (run_without_memory(n, kind / 2)) {
            n++;
        }
        assert_true(n > 40);
    }
}

static int make(void **state)
{
    vhosts_make(state);
    front_id = issued(KEY_EC_P256, "front.test");
    one = issued(KEY_EC_P256, HOST_ONE);
    two = issued(KEY_RSA, HOST_TWO);
    return 0;
}

static int drop(void **state)
{
    identity_unref(front_id);
    identity_unref(one);
    identity_unref(two);
    return vhosts_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_called),
        cmocka_unit_test(test_called_once),
        cmocka_unit_test(threat_24_refused),
        cmocka_unit_test(test_unusable),
        cmocka_unit_test(test_all_of_it_counts),
        cmocka_unit_test(test_acknowledged_and_renegotiated),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(threat_27_all_pairs),
        cmocka_unit_test(threat_27_two_names),
        cmocka_unit_test(threat_28_reload),
        cmocka_unit_test(threat_37_no_memory),
    };

    failing_install();
    return cmocka_run_group_tests(tests, make, drop);
}
