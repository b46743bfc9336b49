/* SPDX-License-Identifier: ISC */
/* A connection goes on in another process, or as bare keys, while its peer goes on talking. No
 * nonce is used twice (threat 40). */
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/handshake/handoff.h"

/* ---- another process ---- */
static void write_all(int fd, const void *p, size_t n)
{
    for (ssize_t w; n; p = (const uint8_t *)p + w, n -= (size_t)w) {
        w = write(fd, p, n);
        if (w <= 0) {
            _exit(3);
        }
    }
}

/* Whatever there is, and waits for that, at most 20 seconds. */
static size_t read_some(int fd, void *p, size_t max)
{
    struct pollfd f = { .fd = fd, .events = POLLIN };
    ssize_t n = poll(&f, 1, 20000) == 1 ? read(fd, p, max) : -1;

    return n < 0 ? 0 : (size_t)n;
}

static void need(bool good, int code)
{
    if (!good) {
        _exit(code);
    }
}

struct child {
    struct tls *t;
    int wire;
    uint8_t in[WIRE_MAX];
    size_t nin;
};

static void child_flush(struct child *c)
{
    struct span s = tls_output(c->t);

    write_all(c->wire, s.p, s.n);
    tls_sent(c->t, s.n);
}

/* Says what it heard; "update" too, with new keys, and "export" with what it can export. */
static void child_say(struct child *c, const uint8_t *p, size_t n)
{
    static uint8_t record[TLS_RECORD_MAX];
    struct span part = span_of(p, n);
    uint8_t material[40];
    size_t taken, made;

    if (n == 6 && memcmp(p, "update", 6) == 0) {
        need(tls_key_update(c->t, true) == 0, 10);
    } else if (n == 6 && memcmp(p, "export", 6) == 0) {
        need(tls_export(c->t, "EXPORTER-test", span_text("x"), true, material, 40) == 0, 11);
        part = span_of(material, 40);
    }
    child_flush(c);
    need(tls_seal(c->t, &part, 1, &taken, record, sizeof record, &made) == 0 && taken == part.n,
         12);
    write_all(c->wire, record, made);
}

static void child_use(struct child *c)
{
    for (;;) {
        struct tls_in in = { .data = c->in, .len = c->nin };
        int rc = tls_input(c->t, &in);

        need(rc >= 0, 13);
        if (rc == TLS_EV_DATA) {
            child_say(c, in.plain, in.nplain);
        } else if (rc == TLS_EV_CLOSED) {
            need(tls_close(c->t) == 0, 14);
            child_flush(c);
            tls_free(c->t);
            _exit(0);
        } else if (rc == TLS_EV_MORE) {
            return;
        }
        memmove(c->in, c->in + in.used, c->nin - in.used);
        c->nin -= in.used;
        child_flush(c);
    }
}

/* The bytes come through the pipe, the records through the socket. */
_Noreturn static void child_main(struct config *config, int from, int wire)
{
    static struct child c;
    static uint8_t piece[4096];
    struct buf blob = { 0 }, received = { 0 }, plain = { 0 };
    size_t n;

    while (n = read_some(from, piece, sizeof piece), n) {
        need(buf_append(&blob, piece, n) == 0, 4);
    }
    need(tls_take_over(&c.t, config, &blob, &received, &plain, NULL) == 0, 5);
    config_unref(config);
    c.wire = wire;
    c.nin = buf_len(&received);
    if (c.nin) {
        memcpy(c.in, buf_data(&received), c.nin);
    }
    if (buf_len(&plain)) {
        child_say(&c, buf_data(&plain), buf_len(&plain));
    }
    buf_free(&plain);
    buf_free(&received);
    child_flush(&c);
    do {
        child_use(&c);
        n = read_some(wire, c.in + c.nin, sizeof c.in - c.nin);
        c.nin += n;
    } while (n);
    _exit(6);
}

/* The peer, which stays here: sends, and waits until so much has come back. */
static void ask(struct end *peer, int fd, const void *p, size_t n, size_t back)
{
    static uint8_t wire[WIRE_MAX];
    size_t got;

    write_all(fd, wire, end_take(peer, wire));
    peer->ngot = 0;
    if (n) {
        write_all(fd, wire, end_seal(peer, p, n, wire));
    }
    while (peer->ngot < back) {
        got = read_some(fd, wire, 1000);
        assert_true(got > 0);
        end_give(peer, wire, got);
        assert_int_equal(peer->rc, 0);
    }
    assert_int_equal(peer->ngot, back);
}

static void converse(struct end *peer, int fd)
{
    static uint8_t much[10000];
    uint8_t material[40];

    memset(much, 'm', sizeof much);
    for (int i = 0; i < 20; i++) {
        ask(peer, fd, much, sizeof much, sizeof much);
        assert_memory_equal(peer->got, much, sizeof much);
    }
    ask(peer, fd, "export", 6, 40);
    assert_int_equal(tls_export(peer->t, "EXPORTER-test", span_text("x"), true, material, 40), 0);
    assert_memory_equal(peer->got, material, 40);
    if (hs_is_13(&peer->t->hs)) {
        for (int i = 0; i < 3; i++) {
            ask(peer, fd, "update", 6, 6);
            assert_int_equal(tls_key_update(peer->t, true), 0);
            ask(peer, fd, much, 9, 9);
        }
    }
}

static void one_process(struct end *e, struct end *peer, struct config *c)
{
    static uint8_t wire[WIRE_MAX];
    struct buf blob = { 0 };
    int to[2], sock[2], status;
    size_t n;
    pid_t pid;

    assert_int_equal(pipe(to), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(to[1]);
        close(sock[0]);
        child_main(c, to[0], sock[1]);
    }
    close(to[0]);
    close(sock[1]);
    /* One record is half there, one is read by nobody yet, one waits to be sent. */
    n = end_seal(peer, "first", 5, wire);
    end_give(e, wire, n);
    n = end_seal(peer, "second", 6, wire);
    end_give(e, wire, n / 2);
    write_all(sock[0], wire + n / 2, n - n / 2);
    n = end_seal(e, "nought ", 7, wire);
    assert_int_equal(tls_queue(e->t, wire, n), 0);
    assert_int_equal(tls_hand_off(&e->t, span_of(e->in, e->nin), span_of(e->got, e->ngot), &blob),
                     0);
    write_all(to[1], buf_data(&blob), buf_len(&blob));
    close(to[1]);
    buf_free(&blob);
    peer->ngot = 0;
    ask(peer, sock[0], NULL, 0, 18);
    assert_true(memcmp(peer->got, "nought firstsecond", 18) == 0 ||
                memcmp(peer->got, "firstnought second", 18) == 0);
    converse(peer, sock[0]);
    assert_int_equal(tls_close(peer->t), 0);
    write_all(sock[0], wire, end_take(peer, wire));
    while (!peer->closed) {
        n = read_some(sock[0], wire, sizeof wire);
        assert_true(n > 0);
        end_give(peer, wire, n);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(sock[0]);
}

static void test_other_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        for (int role = 0; role < 2; role++) {
            struct pair_params q = kind_params(i);
            struct pair *p = pair_connected(&q);
            struct config *c = pair_config(p, (enum tls_role)role, &q);

            talk(p);
            p->c.ngot = p->s.ngot = 0;
            one_process(role ? &p->s : &p->c, role ? &p->c : &p->s, c);
            config_unref(c);
            pair_free(p);
        }
    }
}

/* ---- no nonce twice ---- */
/* The same bytes make one connection: there is nothing left of them, and nothing of it where it
 * came from. */
static void threat_40_taken_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair_params q = kind_params(i);
        struct pair *p = pair_connected(&q);
        struct config *c = config_ref(p->c.t->config);
        struct buf blob = { 0 }, received = { 0 }, plain = { 0 };
        struct tls *second = p->c.t;

        assert_int_equal(tls_hand_off(&p->c.t, span_of(NULL, 0), span_of(NULL, 0), &blob), 0);
        assert_null(p->c.t);
        assert_int_equal(tls_take_over(&p->c.t, c, &blob, &received, &plain, NULL), 0);
        assert_int_equal(buf_len(&blob), 0);
        assert_int_equal(tls_take_over(&second, c, &blob, &received, &plain, NULL), ERR_PARSE);
        assert_null(second);
        talk(p);
        config_unref(c);
        pair_free(p);
    }
}

/* The nonces of TLS 1.2 AES-GCM are on the wire; those of TLS 1.3 are known by opening each record
 * under one and only one sequence number. */
static void threat_40_nonces(void **state)
{
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (size_t i = 0; i < KINDS13 + 2; i++) {
        struct pair_params q = kind_params(i);
        struct pair *p = pair_connected(&q);
        struct hand h = { 0 };
        uint64_t next = i < KINDS13 ? 0 : 1; /* Finished was sealed already */

        if (i < KINDS13) {
            h = hand_new(p, SECRET_CA, false);
        }
        for (unsigned n = 0; n < 300; n++, next++) {
            size_t made = end_seal(&p->c, "x", 1, wire);
            uint8_t nonce[AEAD_IV], plain[64];
            struct mspan part = { plain, made - REC_HEADER - AEAD_TAG };

            if (i < KINDS13) {
                h.seq = next;
                hand_nonce(&h, nonce);
                assert_int_equal(aead_open(h.aead, nonce, span_of(wire, REC_HEADER),
                                           span_of(wire + REC_HEADER, made - REC_HEADER), &part, 1),
                                 0);
            } else {
                const uint8_t want[8] = { [6] = (uint8_t)(next >> 8), [7] = (uint8_t)next };

                assert_memory_equal(wire + REC_HEADER, want, 8);
            }
            if (n % 3 == 0) {
                end_move(&p->c);
            } else if (n % 3 == 1) {
                tls_park(p->c.t);
            }
        }
        hand_free(&h);
        pair_free(p);
    }
}

/* ---- bare keys ---- */
static struct rec_half half_of(const struct tls_kernel *k, const struct tls_kernel_half *from,
                               bool is_13, bool seal)
{
    const struct rec_keys keys = {
        .version = is_13 ? 0x0304 : 0x0303, .aead = k->aead, .key = from->key, .iv = from->iv
    };
    struct rec_half h;

    assert_int_equal(from->key_len, rec_key_sizes(&keys).key);
    assert_int_equal(from->iv_len, rec_key_sizes(&keys).iv);
    rec_half_init(&h);
    assert_int_equal(rec_half_set(&h, &keys, seal), 0);
    h.seq = from->seq;
    return h;
}

static void keys_of(struct end *e, struct end *peer, bool is_13)
{
    static uint8_t wire[WIRE_MAX];
    struct span part = span_text("from elsewhere");
    unsigned version = e->t->hs.version;
    struct rec_header head;
    struct rec_half tx, rx;
    struct tls_kernel k;
    struct rec_opened o;
    int made;

    assert_int_equal(tls_kernel_keys(&e->t, &k), 0);
    assert_null(e->t);
    assert_int_equal(k.version, version);
    tx = half_of(&k, &k.tx, is_13, true);
    rx = half_of(&k, &k.rx, is_13, false);
    for (int i = 0; i < 3; i++) {
        made = rec_seal(&tx, CT_APPLICATION_DATA, &part, 1, part.n, wire);
        assert_true(made > 0);
        peer->ngot = 0;
        end_give(peer, wire, (size_t)made);
        assert_int_equal(peer->ngot, part.n);
        made = (int)end_seal(peer, "to there", 8, wire);
        assert_int_equal(rec_header_parse(&rx, wire, &head), 0);
        assert_int_equal(rec_open(&rx, head.type, (struct mspan){ wire + REC_HEADER, head.len },
                                  (struct mspan){ NULL, 0 }, &o),
                         0);
        assert_memory_equal(o.plain.p, "to there", 8);
    }
    rec_half_wipe(&tx);
    rec_half_wipe(&rx);
}

static void test_bare_keys(void **state)
{
    static uint8_t wire[WIRE_MAX];

    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        for (int role = 0; role < 2; role++) {
            struct pair_params q = kind_params(i);
            struct pair *p = pair_connected(&q);
            struct end *e = role ? &p->s : &p->c, *peer = role ? &p->c : &p->s;
            struct tls_kernel k;
            bool is_13 = i < KINDS13;

            if (kinds[i].suite == SUITE_CBC || i > KINDS13 + 3) {
                assert_int_equal(tls_kernel_keys(&e->t, &k), ERR_UNSUPPORTED);
                talk(p);
                pair_free(p);
                continue;
            }
            talk(p);
            if (is_13) {
                assert_int_equal(tls_key_update(e->t, true), 0);
                assert_int_equal(tls_kernel_keys(&e->t, &k), ERR_STATE); /* it waits */
                end_give(peer, wire, end_take(e, wire));
                end_give(e, wire, end_take(peer, wire));
                talk(p);
            }
            end_give(e, (uint8_t[]){ 23, 3, 3 }, 3); /* of a record: the caller's */
            tls_park(e->t);
            keys_of(e, peer, is_13);
            pair_free(p);
        }
    }
}

/* Nothing can go on where somebody has said the last word. */
static void test_bare_keys_closed(void **state)
{
    static uint8_t wire[WIRE_MAX];
    struct pair_params q = kind_params(0);
    struct pair *p = pair_connected(&q);
    struct tls_kernel k;

    (void)state;
    assert_int_equal(buf_append(&p->s.t->message, "\x18", 1), 0); /* the first byte of a message */
    assert_int_equal(tls_kernel_keys(&p->s.t, &k), ERR_STATE);
    buf_free(&p->s.t->message);
    assert_int_equal(tls_close(p->c.t), 0);
    end_give(&p->s, wire, end_take(&p->c, wire));
    assert_int_equal(tls_kernel_keys(&p->c.t, &k), ERR_STATE);
    assert_int_equal(tls_kernel_keys(&p->s.t, &k), ERR_STATE);
    assert_non_null(p->c.t);
    assert_non_null(p->s.t);
    pair_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_process),    cmocka_unit_test(threat_40_taken_once),
        cmocka_unit_test(threat_40_nonces),      cmocka_unit_test(test_bare_keys),
        cmocka_unit_test(test_bare_keys_closed),
    };

    return cmocka_run_group_tests(tests, pki_make, pki_free);
}
