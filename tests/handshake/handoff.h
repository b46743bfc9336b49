/* SPDX-License-Identifier: ISC */
/* What the tests of the hand-off share: an end that moves, and all that it tells about itself. */
#ifndef TESTS_HANDSHAKE_HANDOFF_H
#define TESTS_HANDSHAKE_HANDOFF_H
#include "base/mem.h"
#include "tests/handshake/pair12.h"

/* Every AEAD of both versions, and CBC with both orders of the MAC. */
struct kind {
    uint16_t suite;
    bool no_etm;
};
static const struct kind kinds[] = {
    { 0x1301, false }, { 0x1302, false },       { 0x1303, false },   { SUITE_GCM, false },
    { 0xc030, false }, { SUITE_CHACHA, false }, { SUITE_CBC, true }, { SUITE_CBC, false },
    { 0xc024, false }, { 0xc023, true },        { 0xc028, false },
};
#define KINDS   (sizeof kinds / sizeof *kinds)
#define KINDS13 3 /* the first ones */

static inline struct pair_params kind_params(size_t i)
{
    uint16_t id = kinds[i].suite;

    return (struct pair_params){ .suite = id,
                                 .no_etm = { kinds[i].no_etm, kinds[i].no_etm },
                                 .id = id == 0xc030 || id == 0xc028 ? ID_RSA : ID_P256,
                                 .client_alpn = { "one", "two" },
                                 .server_alpn = { "two" },
                                 .renegotiation = RENEGOTIATE_SECURE };
}

static inline void put_hex(char **at, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        *at += sprintf(*at, "%02x", p[i]);
    }
    *at += sprintf(*at, "\n");
}

/* All that can be asked of a connection, as text. */
static inline void tell(const struct tls *t, char text[static 32768])
{
    struct tls_session *s = tls_session(t);
    struct buf b = { 0 };
    struct tls_info i;
    char *at = text;
    uint8_t out[64];

    tls_get_info(t, &i);
    at += sprintf(at, "%x %s %s %s %s %x %x %x alpn=%s sni=%s host=%s psk=%s\n", i.version,
                  i.version_name, i.suite, i.group, i.scheme, i.suite_id, i.group_id, i.scheme_id,
                  i.alpn, i.sni, i.host, i.psk);
    at += sprintf(at, "%d %d %d %d %d %d %llu %llu\n", i.resumed, i.client_auth, i.finished_last,
                  i.ems, i.etm, i.secure_renegotiation, (unsigned long long)i.sealed_bytes,
                  (unsigned long long)i.opened_bytes);
    at += sprintf(at, "%d %d %x %x %u %llu %lld %zu\n", i.early, i.early_why,
                  atomic_load(&t->status) & ~(unsigned)ST_HALF, atomic_load(&t->notes), t->idle,
                  (unsigned long long)t->burst, (long long)t->sealed_at, t->tx_max);
    put_hex(&at, i.status.p, i.status.n);
    put_hex(&at, i.scts.p, i.scts.n);
    put_hex(&at, i.peer_cert.p, i.peer_cert.n);
    at += sprintf(at, "%d %d %d %d\n", tls_connected(t), tls_can_seal(t), tls_peer_closed(t),
                  tls_role(t));
    at += sprintf(at, "%zu %zu %zu %zu\n", tls_headroom(t), tls_fragment(t), tls_overhead(t, 100),
                  t->rx_max);
    memset(out, 0, sizeof out);
    at += sprintf(at, "%d\n", tls_export(t, "EXPORTER-test", span_text("x"), true, out, 40));
    put_hex(&at, out, sizeof out);
    for (int what = 0; what < 2; what++) {
        size_t n = sizeof out;

        memset(out, 0, sizeof out);
        at += sprintf(at, "%d\n", tls_channel_binding(t, (enum tls_binding)what, out, &n));
        put_hex(&at, out, sizeof out);
    }
    if (s) {
        assert_int_equal(session_write(s, &b), 0);
        put_hex(&at, buf_data(&b), buf_len(&b));
        buf_free(&b);
        session_unref(s);
    }
    assert_true(at < text + 32768);
}

static inline struct buf copy_of(const struct buf *b)
{
    struct buf c = { .secret = true };

    assert_int_equal(buf_append(&c, buf_data(b), buf_len(b)), 0);
    return c;
}

/* Away with what it has not used, and back under c, or under its own config: the same in all that
 * can be told, and as bytes. */
static inline void end_move_to(struct end *e, struct config *c)
{
    static char before[32768], after[32768];
    struct config *own = config_ref(e->t->config);
    struct buf blob = { 0 }, received = { 0 }, plain = { 0 }, first;

    tell(e->t, before);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(
            tls_hand_off(&e->t, span_of(e->in, e->nin), span_of(e->got, e->ngot), &blob), 0);
        assert_null(e->t);
        assert_true(blob.secret);
        if (round == 0) {
            first = copy_of(&blob);
        } else {
            assert_true(span_eq(buf_span(&first), buf_span(&blob)));
        }
        memset(e->in, 0xa5, sizeof e->in);
        memset(e->got, 0xa5, sizeof e->got);
        assert_int_equal(tls_take_over(&e->t, c ? c : own, &blob, &received, &plain, NULL), 0);
        assert_null(blob.mem);
        assert_true(plain.secret);
        assert_int_equal(buf_len(&received), e->nin);
        assert_int_equal(buf_len(&plain), e->ngot);
        if (e->nin) {
            memcpy(e->in, buf_data(&received), e->nin);
        }
        if (e->ngot) {
            memcpy(e->got, buf_data(&plain), e->ngot);
        }
        buf_free(&received);
        buf_free(&plain);
        tell(e->t, after);
        assert_string_equal(before, after);
    }
    buf_free(&first);
    config_unref(own);
}

static inline void end_move(struct end *e)
{
    end_move_to(e, NULL);
}

static inline struct buf hand_off(struct end *e)
{
    struct buf b = { 0 };

    assert_int_equal(tls_hand_off(&e->t, span_text("received"), span_text("plain"), &b), 0);
    return b;
}

static inline int take_over(struct tls **t, struct config *c, struct buf *b)
{
    struct buf received = { 0 }, plain = { 0 };
    struct error err = { 0 };
    int rc = tls_take_over(t, c, b, &received, &plain, &err);

    if (rc < 0) {
        assert_null(*t);
        assert_int_equal(err.code, rc);
        assert_true(strlen(err.text) > 10);
        assert_int_equal(buf_len(&received) + buf_len(&plain), 0);
    } else {
        assert_non_null(*t);
        assert_null(b->mem);
    }
    buf_free(&received);
    buf_free(&plain);
    return rc;
}

static inline void talk(struct pair *p)
{
    static uint8_t bytes[40000];

    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    }
    end_talk(&p->c, &p->s, bytes, sizeof bytes);
    end_talk(&p->s, &p->c, bytes, sizeof bytes);
    end_talk(&p->c, &p->s, "a", 1);
    end_talk(&p->s, &p->c, "b", 1);
}

static inline void updates(struct pair *p)
{
    for (int ask = 0; ask < 2; ask++) {
        assert_int_equal(tls_key_update(p->c.t, ask), 0);
        pair_run(p, WIRE_MAX);
        assert_int_equal(tls_key_update(p->s.t, ask), 0);
        pair_run(p, WIRE_MAX);
        talk(p);
    }
}
#endif
