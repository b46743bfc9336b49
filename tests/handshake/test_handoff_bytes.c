/* SPDX-License-Identifier: ISC */
/* The bytes of a hand-off: whatever they are, no more comes of it than an error or a connection
 * (threat 38); no memory at any place; what is left of the keys. */
#include <malloc.h>

#include "tests/handshake/handoff.h"

/* What came of changed bytes is used a little. */
static void use(struct tls *t)
{
    static char text[32768];
    static uint8_t wire[WIRE_MAX];
    struct span part = span_text("data");
    struct tls_in in = { .data = wire, .len = 40 };
    struct tls_info i;
    size_t taken, made, n = 40;

    assert_true(tls_connected(t));
    tls_get_info(t, &i);
    assert_true(i.version && *i.suite);
    if (i.alpn && strlen(i.alpn) < 100) {
        tell(t, text);
    }
    tls_park(t);
    (void)!tls_seal(t, &part, 1, &taken, wire, sizeof wire, &made);
    (void)!tls_key_update(t, true);
    (void)!tls_rehandshake(t, NULL, true);
    (void)tls_output(t);
    (void)!tls_channel_binding(t, TLS_BINDING_END_POINT, wire, &n);
    memcpy(wire, (uint8_t[]){ 23, 3, 3, 0, 35 }, 5);
    (void)!tls_input(t, &in);
    (void)tls_close(t);
    (void)tls_output(t);
}

static struct buf changed(const struct buf *b, size_t at, uint8_t mask)
{
    struct buf c = copy_of(b);

    buf_data(&c)[at] ^= mask;
    return c;
}

static struct pair *rich(size_t i)
{
    struct pair_params q = kind_params(i);
    struct ticket_keys *k = ticket_keys_new(1000000);
    struct pair *p;

    q.tickets = k;
    q.client_id = true;
    q.auth = CLIENT_AUTH_REQUIRE;
    q.status = "response";
    p = pair_connected(&q);
    talk(p);
    (void)!tls_key_update(p->c.t, true);
    (void)!tls_key_update(p->s.t, true);
    ticket_keys_unref(k);
    return p;
}

#define UNREAD (3 + 8 + 3 + 5) /* what hand_off() says was received and plain */

static void bytes_of(struct end *e)
{
    struct config *c = config_ref(e->t->config);
    struct buf b = hand_off(e), d;
    size_t good = 0, bad = 0;

    for (size_t n = 0; n < buf_len(&b); n++) { /* cut */
        d = (struct buf){ 0 };
        assert_int_equal(buf_append(&d, buf_data(&b), n), 0);
        assert_int_equal(take_over(&e->t, c, &d), ERR_PARSE);
        assert_int_equal(buf_len(&d), n);
        buf_free(&d);
    }
    d = copy_of(&b);
    assert_int_equal(buf_append(&d, "", 1), 0); /* longer */
    assert_int_equal(take_over(&e->t, c, &d), ERR_PARSE);
    buf_free(&d);
    for (size_t n = 0; n < buf_len(&b); n++) {
        const uint8_t masks[] = { 1, 16, 128, 255, buf_data(&b)[n] }; /* the last: to zero */

        for (size_t m = 0; m < sizeof masks; m++) {
            int rc;

            if (masks[m] == 0) {
                continue;
            }
            d = changed(&b, n, masks[m]);
            rc = take_over(&e->t, c, &d);
            assert_true(rc == 0 || rc == ERR_PARSE || rc == ERR_MISMATCH);
            assert_true(n >= 2 || rc == ERR_PARSE);              /* format */
            assert_true(n < 2 || n >= 35 || rc == ERR_MISMATCH); /* role, context */
            *(rc == 0 ? &good : &bad) += 1;
            if (rc == 0) { /* nothing is ignored: they are the bytes of what they made */
                struct buf again;

                d = changed(&b, n, masks[m]);
                again = hand_off(e);
                assert_int_equal(buf_len(&again), buf_len(&b));
                assert_memory_equal(buf_data(&again), buf_data(&d), buf_len(&b) - UNREAD);
                assert_int_equal(take_over(&e->t, c, &again), 0);
                use(e->t);
                tls_free(e->t);
            }
            buf_free(&d);
        }
    }
    assert_true(good > 100 && bad > 100);
    assert_int_equal(take_over(&e->t, c, &b), 0);
    config_unref(c);
}

static void threat_38_other_bytes(void **state)
{
    static const size_t some[] = { 0, 1, KINDS13, KINDS13 + 3 };

    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct pair *p = rich(some[i]);

        bytes_of(&p->c);
        bytes_of(&p->s);
        pair_run(p, WIRE_MAX);
        talk(p);
        pair_free(p);
    }
}

/* States that no handshake leads to. */
static uint8_t not_der[] = { 0x30, 3, 2, 1, 1, 0 };

static void set_text(char **field, const char *text)
{
    mem_free(*field);
    *field = text ? mem_strdup(text) : NULL;
}

static void spoil(struct tls *t, unsigned how)
{
    static const uint8_t update[] = { HS_KEY_UPDATE, 0, 0, 1, 0 }, huge[] = { 20, 1, 0, 0 };
    struct hs *h = &t->hs;

    switch (how) {
    case 0:
        h->exporter_size--;
        break;
    case 1:
        h->max_fragment = 513;
        break;
    case 2:
        h->send_limit = RECORD_LIMIT_MIN - 1;
        break;
    case 3:
        h->recv_limit = RECORD_LIMIT_MAX + 1;
        break;
    case 4:
        set_text(&h->name, h->set->role == TLS_CLIENT ? NULL : PAIR_HOST);
        break;
    case 5:
        set_text(&h->name, "not a name");
        break;
    case 6:
        set_text(h->set->role == TLS_CLIENT ? &h->sni : &h->name, "1.2.3.4");
        break;
    case 7:
        cert_list_unref(h->peer);
        h->peer = cert_list_new(&(struct cert){ .der = span_of(not_der, sizeof not_der) }, 1);
        assert_non_null(h->peer);
        break;
    case 8:
        h->facts |= FACT_PEER_CERT;
        cert_list_unref(h->peer);
        h->peer = NULL;
        break;
    case 9:
        assert_int_equal(buf_append(&h->scts, "abc", 3), 0);
        break;
    case 10:
        assert_int_equal(buf_append(&t->message, update, sizeof update), 0);
        break;
    case 11:
        assert_int_equal(buf_append(&t->message, huge, sizeof huge), 0);
        break;
    case 12:
        atomic_store(&t->status, ST_CONNECTED | ST_PEER_CLOSED);
        rec_half_wipe(&t->rx);
        assert_int_equal(buf_append(&t->message, update, 2), 0);
        break;
    case 13: /* of the other version */
        *(hs_is_13(h) ? &h->ems : &h->etm) = true;
        h->max_fragment = hs_is_13(h) ? 0 : 1;
        break;
    case 14:
        h->allow = (__typeof__(h->allow))(ALLOW_YES + 1);
        break;
    case 15:
        assert_int_equal(buf_append(&t->message, "\x16\xff\xff\xff", 4), 0);
        break;
    case 16:
        h->named = true;
        set_text(&h->name, NULL);
        break;
    case 17: /* early data is on its way */
        h->early = TLS_EARLY_OFFERED;
        break;
    default:
        h->session = session_new();
        assert_non_null(h->session);
        h->session->version = hs_is_13(h) ? TLS_1_2 : TLS_1_3;
        h->session->suite = h->suite->id;
        h->session->secret_len = hs_is_13(h) ? 48 : 32;
        break;
    }
}

static void threat_38_impossible(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 19; how++) {
        for (int role = 0; role < 2; role++) {
            for (size_t i = 0; i <= KINDS13; i += KINDS13) {
                struct pair_params q = kind_params(i);
                struct pair *p;
                struct config *c;
                struct buf b;

                q.client_id = true;
                q.auth = CLIENT_AUTH_REQUIRE;
                p = pair_connected(&q);
                c = config_ref(role ? p->s.t->config : p->c.t->config);
                spoil(role ? p->s.t : p->c.t, how);
                b = hand_off(role ? &p->s : &p->c);
                assert_int_equal(take_over(role ? &p->s.t : &p->c.t, c, &b), ERR_PARSE);
                buf_free(&b);
                config_unref(c);
                pair_free(p);
            }
        }
    }
}

/* Nothing but a hand-off: random bytes, a session, an empty buffer. */
static void threat_38_no_hand_off(void **state)
{
    struct pair *p = rich(0);
    struct tls_session *s = tls_session(p->c.t);
    struct config *c = config_ref(p->c.t->config);
    struct tls *t;
    struct buf b = { 0 };

    (void)state;
    assert_int_equal(take_over(&t, c, &b), ERR_PARSE);
    assert_int_equal(session_write(s, &b), 0);
    assert_int_equal(take_over(&t, c, &b), ERR_PARSE);
    assert_int_equal(rand_bytes(buf_data(&b), buf_len(&b)), 0);
    assert_int_equal(take_over(&t, c, &b), ERR_PARSE);
    buf_free(&b);
    session_unref(s);
    config_unref(c);
    pair_free(p);
}

/* ---- memory ---- */
static struct mem_hooks usual;
static size_t calls, fail_at;
static bool for_good;
static struct span secret[8];
static size_t nsecrets, leaks;

static void *failing_alloc(size_t n)
{
    calls++;
    return calls == fail_at || (for_good && calls > fail_at) ? NULL : usual.alloc(n);
}

static void watching_release(void *p)
{
    const size_t n = p ? malloc_usable_size(p) : 0;

    for (size_t i = 0; i < nsecrets; i++) {
        leaks += memmem(p, n, secret[i].p, secret[i].n) != NULL;
    }
    usual.release(p);
}

static void arm(size_t at, bool more)
{
    usual = mem_hooks;
    calls = 0;
    fail_at = at;
    for_good = more;
    mem_hooks.alloc = failing_alloc;
}

/* The object is as it was, and so are the bytes, whatever cannot be had. */
static void threat_37_no_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair *p = rich(i);

        for (int role = 0; role < 2; role++) {
            struct end *e = role == TLS_CLIENT ? &p->c : &p->s;
            struct config *c = config_ref(e->t->config);
            struct buf b = { 0 }, copy;
            int rc = ERR_MEM;

            for (size_t n = 1; rc < 0; n++) {
                struct tls *t = e->t;

                arm((n + 1) / 2, n & 1);
                rc = tls_hand_off(&e->t, span_text("received"), span_text("plain"), &b);
                mem_hooks = usual;
                assert_true(rc == 0 ? !e->t : rc == ERR_MEM && e->t == t && !buf_len(&b));
            }
            copy = copy_of(&b);
            rc = ERR_MEM;
            for (size_t n = 1; rc < 0; n++) {
                struct buf received = { 0 }, plain = { 0 };

                arm((n + 1) / 2, n & 1);
                rc = tls_take_over(&e->t, c, &b, &received, &plain, NULL);
                mem_hooks = usual;
                assert_true(rc == 0 || rc == ERR_MEM || rc == ERR_CRYPTO);
                if (rc < 0) {
                    assert_null(e->t);
                    assert_true(span_eq(buf_span(&b), buf_span(&copy)));
                    assert_int_equal(buf_len(&received) + buf_len(&plain), 0);
                }
                assert_true(rc < 0 || n > 12);
                buf_free(&received);
                buf_free(&plain);
            }
            buf_free(&copy);
            config_unref(c);
        }
        pair_run(p, WIRE_MAX);
        talk(p);
        pair_free(p);
    }
}

static void remember(uint8_t *store, size_t *at, const uint8_t *p, size_t n)
{
    if (n >= 16) {
        memcpy(store + *at, p, n);
        secret[nsecrets++] = span_of(store + *at, n);
        *at += n;
    }
}

/* No key is in memory that was given back. */
static void test_wiped(void **state)
{
    static uint8_t store[1024];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair *p = rich(i);
        struct config *c = config_ref(p->c.t->config);
        struct tls *t = p->c.t;
        struct rec_keys k[2];
        struct buf b;
        size_t at = 0;

        pair_run(p, WIRE_MAX); /* no more records in the way */
        nsecrets = leaks = 0;
        assert_true(rec_half_keys(&t->rx, &k[0]) && rec_half_keys(&t->tx, &k[1]));
        remember(store, &at, k[0].key, rec_key_sizes(&k[0]).key);
        remember(store, &at, k[1].key, rec_key_sizes(&k[1]).key);
        remember(store, &at, k[1].mac_key, rec_key_sizes(&k[1]).mac_key);
        remember(store, &at, t->hs.exporter, t->hs.exporter ? 32 : 0);
        if (hs_is_13(&t->hs)) {
            remember(store, &at, t->rx_secret, 32);
            remember(store, &at, t->tx_secret, 32);
            remember(store, &at, t->hs.post->resumption, 32);
        }
        usual = mem_hooks;
        mem_hooks.release = watching_release;
        b = hand_off(&p->c);
        assert_int_equal(leaks, 0);
        assert_non_null(memmem(buf_data(&b), buf_len(&b), secret[nsecrets - 1].p, 32));
        assert_int_equal(take_over(&p->c.t, c, &b), 0);
        pair_free(p);
        mem_hooks = usual;
        assert_int_equal(leaks, 0);
        watching_release(memcpy(malloc(100), store, 100)); /* it does find them */
        assert_true(leaks > 0);
        nsecrets = 0;
        config_unref(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threat_38_other_bytes),
        cmocka_unit_test(threat_38_impossible),
        cmocka_unit_test(threat_38_no_hand_off),
        cmocka_unit_test(threat_37_no_memory),
        cmocka_unit_test(test_wiped),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
