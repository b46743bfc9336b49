/* SPDX-License-Identifier: ISC */
/* The program that BoringSSL's test runner drives: the engine behind a blocking socket. It connects
 * to the runner, does a handshake as client or server, echoes inverted what it reads, and leaves
 * one line on stderr when something failed. See README.md. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "engine.h"
#include "handshake/local.h"
#include "setup.h"

#define READ_SIZE 512 /* bytes that the application asks for */
#define ALERT_OWN 30  /* -send-alert: decompression_failure, which nobody else sends */

struct conn {
    const struct options *o, *retry; /* retry: in place of o once early data was rejected */
    struct tls *t;
    int fd;
    bool later;            /* not the first connection */
    bool mute;             /* the runner closed: nothing more can be sent */
    bool retried;          /* a HelloRetryRequest went by */
    size_t said;           /* bytes of "hello", as early data that was accepted */
    unsigned done, hellos; /* handshakes; ClientHellos that we sent */
    size_t used, have;
    uint8_t in[TLS_RECORD_MAX], out[READ_SIZE];
};

/* ---- bytes ---- */
/* Was this the HelloRetryRequest of a server, or a client's second ClientHello? What we send before
 * there are keys is never split. */
static void watch(struct conn *c, struct span out)
{
    struct rd records = rd_span(out), body;
    struct span type;

    while (!c->done && rd_bytes(&records, 3, &type) && rd_vec(&records, 2, &body)) {
        bool hello = type.p[0] == 22 && body.n && body.p[0] == 1;

        c->hellos += hello;
    }
    c->retried = c->retried || c->hellos > 1 ||
                 (!c->done && memmem(out.p, out.n, hello_retry_random, RANDOM_SIZE));
}

static void send_bytes(struct conn *c, const uint8_t *p, size_t n)
{
    while (n && !c->mute) {
        ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);

        if (sent < 0 && errno != EINTR) {
            c->mute = true; /* what it said before it closed is still to be read */
        } else if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        }
    }
}

static void flush(struct conn *c)
{
    struct span out;

    while ((out = tls_output(c->t)).n) {
        watch(c, out);
        send_bytes(c, out.p, out.n);
        tls_sent(c->t, out.n);
    }
}

/* Connected under TLS 1.3, what we owe (a KeyUpdate) goes out before data of ours, as a caller that
 * only reads may have it. */
static bool hurries(const struct conn *c)
{
    struct tls_info i;

    tls_get_info(c->t, &i);
    return !c->done || i.version != TLS_1_3;
}

#define EV_EOF 100

/* The next event; < 0: reported. The bytes that it points to hold until the next call. The two ways
 * to read are both tested: byte by byte and in place, or what there is and into a buffer of the
 * application's, which need not hold it all. */
static int next(struct conn *c, struct tls_in *in)
{
    const bool bytewise = c->o->bytewise;
    uint8_t key[1];

    for (;;) {
        ssize_t n;
        int rc;

        c->have -= c->used;
        memmove(c->in, c->in + c->used, c->have);
        *in = (struct tls_in){ .data = c->in,
                               .len = c->have,
                               .out = bytewise ? NULL : c->out,
                               .room = bytewise ? 0 : sizeof c->out };
        rc = tls_input(c->t, in);
        c->used = in->used;
        if (rc < 0 || hurries(c)) {
            flush(c);
        }
        if (rc < 0) {
            return report(tls_error(c->t));
        }
        if (c->o->export_between && c->done &&
            tls_export(c->t, "EXPORTER-between", (struct span){ 0 }, false, key, sizeof key) < 0) {
            return wrong("failed to export keying material");
        }
        if (rc != TLS_EV_MORE) {
            return rc;
        }
        do {
            n = recv(c->fd, c->in + c->have, bytewise ? 1 : sizeof c->in - c->have, 0);
        } while (n < 0 && errno == EINTR);
        if (n <= 0) {
            return n == 0 || errno == ECONNRESET ? EV_EOF : wrong("recv, %s", strerror(errno));
        }
        c->have += (size_t)n;
    }
}

static int write_all(struct conn *c, const void *p, size_t n)
{
    static uint8_t record[TLS_RECORD_MAX];
    struct span part = { p, n };
    size_t taken, made;

    while (part.n) {
        int rc;

        flush(c);
        rc = tls_seal(c->t, &part, 1, &taken, record, sizeof record, &made);
        if (rc < 0) {
            return wrong("writing, %s", error_name(rc));
        }
        send_bytes(c, record, made);
        part = (struct span){ part.p + taken, part.n - taken };
    }
    return 0;
}

/* Sends a record; with -read-with-unfinished-write only its first byte, the rest waits for what is
 * sent next. */
static int send_sealed(struct conn *c, const uint8_t *record, size_t n)
{
    size_t now = c->o->unfinished_write ? 1 : n;

    send_bytes(c, record, now);
    return tls_queue(c->t, record + now, n - now) < 0 ? wrong("no queue") : 0;
}

static int write_unfinished(struct conn *c)
{
    uint8_t record[256];
    struct span part = span_text("hello");
    size_t taken, made;

    if (tls_seal(c->t, &part, 1, &taken, record, sizeof record, &made) < 0) {
        return wrong("no writing");
    }
    return send_sealed(c, record, made);
}

/* ---- checks ---- */
static int check_bytes(const char *what, const char *base64, struct span got)
{
    uint8_t want[256];
    size_t n = base64 ? base64_read(base64, want, sizeof want) : 0;

    return !base64 || span_eq(got, span_of(want, n)) ? 0 : wrong("another %s", what);
}

static int check_peer(const struct options *o, const struct tls_info *i)
{
    struct buf text = { 0 }, der = { 0 };
    struct error err = { 0 };
    char label[64];
    size_t pos = 0;
    bool same;

    same = !o->expect_cert || (file_read(o->expect_cert, &text, &err) == 0 &&
                               pem_next(buf_span(&text), &pos, label, &der) == 1 &&
                               span_eq(buf_span(&der), i->peer_cert));
    buf_free(&text);
    buf_free(&der);
    return same ? 0 : wrong("another certificate of the peer");
}

static int check_session(const struct conn *c, const struct tls_info *i)
{
    const struct options *o = c->o;
    struct tls_session *s = tls_session(c->t);
    size_t id_len = s ? s->id_len : 0;

    session_unref(s);
    if (i->resumed != (c->later && !o->expect_miss)) {
        return wrong("the session was %sresumed", i->resumed ? "" : "not ");
    }
    if ((o->expect_id && !id_len) || (o->expect_no_id && id_len)) {
        return wrong("a session id of %zu bytes", id_len);
    }
    return 0;
}

static int check_number(const char *what, unsigned want, unsigned got)
{
    return want == 0 || want == got ? 0 : wrong("%s %u, not %u", what, got, want);
}

static int check_handshake(const struct conn *c)
{
    const struct options *o = c->o;
    struct tls_info i;

    tls_get_info(c->t, &i);
    TRY(check_number("version", o->expect_version, i.version));
    TRY(check_number("suite", o->expect_cipher, i.suite_id));
    TRY(check_number("group", o->expect_curve, i.group_id));
    TRY(check_session(c, &i));
    if (!i.resumed) { /* a session keeps none of these */
        TRY(check_number("signature scheme", o->expect_scheme, i.scheme_id));
        TRY(check_bytes("OCSP response", o->expect_ocsp, i.status));
        TRY(check_bytes("list of timestamps", o->expect_scts, i.scts));
    }
    TRY(check_peer(o, &i));
    if (o->expect_alpn && strcmp(o->expect_alpn, i.alpn) != 0) {
        return wrong("application protocol \"%s\"", i.alpn);
    }
    if (o->expect_name && strcmp(o->expect_name, i.sni) != 0) {
        return wrong("server name \"%s\"", i.sni);
    }
    if ((o->expect_accept && i.early != TLS_EARLY_ACCEPTED) ||
        (o->expect_reject && i.early == TLS_EARLY_ACCEPTED)) {
        return wrong("early data %d, because of %d", i.early, i.early_why);
    }
    if (o->expect_ems && i.version == TLS_1_2 && !i.ems) {
        return wrong("no extended master secret");
    }
    if ((o->expect_secure && !i.secure_renegotiation) ||
        (o->expect_insecure && i.secure_renegotiation)) {
        return wrong("secure renegotiation %d", i.secure_renegotiation);
    }
    if ((o->expect_hrr && !c->retried) || (o->expect_no_hrr && c->retried)) {
        return wrong("HelloRetryRequest %d", c->retried);
    }
    return 0;
}

/* ---- a connection ---- */
static int echo(struct conn *c, const uint8_t *p, size_t n)
{
    uint8_t piece[16384];
    size_t most = c->o->read_size && c->o->read_size < sizeof piece ? c->o->read_size : READ_SIZE;

    while (n) {
        size_t m = n < most ? n : most;

        if (c->o->key_update && tls_key_update(c->t, false) < 0) {
            return wrong("no key update");
        }
        for (size_t i = 0; i < m; i++) {
            piece[i] = p[i] ^ 0xff;
        }
        TRY(write_all(c, piece, m));
        p += m;
        n -= m;
    }
    return 0;
}

/* A client that has something to say at once. */
static int say_early(struct conn *c)
{
    struct span part = span_text("hello");
    uint8_t record[256];
    size_t made;

    if (c->o->expect_no_offer && tls_early_room(c->t)) {
        return wrong("early data is offered");
    }
    if ((!c->o->writes_first && !c->o->unfinished_write) || tls_early_room(c->t) == 0) {
        return 0;
    }
    if (tls_seal_early(c->t, &part, 1, &c->said, record, sizeof record, &made) < 0) {
        return wrong("no early data");
    }
    return send_sealed(c, record, made);
}

static int handshake(struct conn *c)
{
    struct tls_info i;
    struct tls_in in;
    int ev;

    flush(c);
    TRY(say_early(c));
    do {
        ev = next(c, &in);
        if (ev == TLS_EV_EARLY_DATA) {
            TRY(echo(c, in.plain, in.nplain));
            TRY(echo(c, in.rest, in.nrest));
        }
    } while (ev == TLS_EV_PROGRESS || ev == TLS_EV_WARNING || ev == TLS_EV_EARLY_DATA);
    if (ev < 0) {
        return ev;
    }
    if (ev != TLS_EV_DONE) {
        return wrong("the connection ended during the handshake");
    }
    c->done = 1;
    tls_get_info(c->t, &i);
    if (i.early == TLS_EARLY_REJECTED) {
        c->o = c->retry;
        c->said = 0;
    }
    return check_handshake(c);
}

static int export_first(struct conn *c)
{
    const struct options *o = c->o;
    uint8_t key[1024];
    int rc;

    if (o->export_size == 0) {
        return 0;
    }
    rc = o->export_size > sizeof key
             ? ERR_ARG
             : tls_export(c->t, o->export_label, span_text(o->export_context),
                          o->use_export_context, key, o->export_size);
    return rc < 0 ? wrong("no key material, %s", error_name(rc))
                  : write_all(c, key, o->export_size);
}

static int export_secrets(struct conn *c)
{
    uint8_t length[2] = { (uint8_t)secrets.n, 0 };

    if (!c->o->export_secrets) {
        return 0;
    }
    TRY(write_all(c, length, sizeof length));
    TRY(write_all(c, c->o->server ? secrets.client : secrets.server, secrets.n));
    return write_all(c, c->o->server ? secrets.server : secrets.client, secrets.n);
}

static int write_first(struct conn *c)
{
    static const size_t sizes[] = { 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769 };
    static uint8_t much[32769];

    if (c->o->unfinished_write && !c->said) {
        return write_unfinished(c);
    }
    if (c->o->writes_first) {
        return write_all(c, &"hello"[c->said], 5 - c->said);
    }
    memset(much, 0x42, sizeof much);
    for (size_t i = 0; c->o->many_sizes && i < sizeof sizes / sizeof *sizes; i++) {
        TRY(write_all(c, much, sizes[i]));
    }
    return 0;
}

/* Until the peer closes, one way or the other. */
static int converse(struct conn *c)
{
    struct tls_in in;

    for (;;) {
        int ev = next(c, &in);

        if (ev == TLS_EV_DATA) {
            ev = echo(c, in.plain, in.nplain);
            ev = ev < 0 ? ev : echo(c, in.rest, in.nrest);
        } else if (ev == TLS_EV_DONE) {
            c->done++;
            if (c->o->renegotiate_once) {
                tls_allow_renegotiation(c->t, false);
            }
        } else if (ev == TLS_EV_CLOSED || ev == EV_EOF) {
            return 0;
        }
        if (ev < 0) {
            return ev;
        }
    }
}

static int finish(struct conn *c)
{
    struct tls_in in;
    int ev = TLS_EV_PROGRESS;

    (void)tls_close(c->t);
    flush(c);
    while (c->o->check_close && !tls_peer_closed(c->t) && ev != EV_EOF) {
        ev = next(c, &in);
        TRY(ev);
    }
    return c->o->check_close && !tls_peer_closed(c->t) ? wrong("no close_notify from the peer") : 0;
}

static int exchange(struct conn *c)
{
    TRY(handshake(c));
    if (c->o->forbid_renegotiation) {
        tls_allow_renegotiation(c->t, false);
    }
    if (c->o->send_alert) {
        tls_abort(c->t, ALERT_OWN, "as asked");
        flush(c);
        return 0;
    }
    TRY(export_first(c));
    TRY(export_secrets(c));
    TRY(write_first(c));
    if (!c->o->shuts_down) {
        TRY(converse(c));
    }
    TRY(finish(c));
    return c->done - 1 == c->o->expect_renegotiations ? 0 : wrong("%u handshakes", c->done);
}

/* The session for the next connection, and what is expected of it. */
static int keep_session(const struct conn *c, struct shared *s)
{
    struct tls_session *newest = c->o->server ? NULL : tls_session(c->t);
    struct tls_session *before = s->session;

    if (c->o->server) {
        return 0;
    }
    s->session = newest ? newest : before ? session_ref(before) : NULL;
    if (c->o->expect_no_session && newest) {
        wrong("an unexpected session");
    } else if (newest && newest != before && newest->version == TLS_1_3 &&
               c->o->expect_early_ticket != (newest->max_early > 0)) {
        wrong("a ticket for %u bytes of early data", newest->max_early);
    } else if (c->o->expect_renewal && (!newest || newest == before)) {
        wrong("the session was not renewed");
    } else {
        session_unref(before);
        return 0;
    }
    session_unref(before);
    return -1;
}

static int dial(const struct options *o)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                .sin6_port = htons((uint16_t)o->port),
                                .sin6_addr = in6addr_loopback };
    struct sockaddr_in four = { .sin_family = AF_INET,
                                .sin_port = htons((uint16_t)o->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(o->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = o->ipv6 ? connect(fd, (struct sockaddr *)&six, sizeof six)
                     : connect(fd, (struct sockaddr *)&four, sizeof four);

    if (rc < 0) {
        (void)wrong("cannot connect, %s", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

/* Half-closes and drains: a reset would take our last alert with it. */
static void hang_up(int fd)
{
    char sink[4096];

    shutdown(fd, SHUT_WR);
    while (recv(fd, sink, sizeof sink, 0) > 0) {
    }
    close(fd);
}

static int run(const struct options *o, const struct options *retry, bool later, struct shared *s)
{
    static struct conn c;
    uint8_t id[8];
    int rc;

    c = (struct conn){ .o = o, .retry = retry, .later = later };
    c.t = make(o, s);
    if (!c.t) {
        return -1;
    }
    c.fd = dial(o);
    if (c.fd < 0) {
        tls_free(c.t);
        return -1;
    }
    for (unsigned i = 0; i < sizeof id; i++) {
        id[i] = (uint8_t)((uint64_t)o->shim_id >> 8 * i);
    }
    send_bytes(&c, id, sizeof id);
    rc = exchange(&c);
    rc = rc < 0 ? rc : keep_session(&c, s);
    hang_up(c.fd);
    tls_free(c.t);
    return rc;
}

int main(int argc, char **argv)
{
    static struct options o[PHASES];
    struct shared s = { 0 };
    int rc = 0;

    if (argc > 1 && strcmp(argv[argc - 1], "-is-handshaker-supported") == 0) {
        puts("No");
        return 0;
    }
    options_parse(o, argc, argv);
    if (crypto_init() < 0 || !(s.cache = session_cache_new(64, LIFE * 1000LL)) ||
        !(s.tickets = ticket_keys_new(LIFE * 1000LL))) {
        rc = wrong("no memory");
    }
    for (unsigned i = 0; rc == 0 && i <= o[INITIAL].resume_count; i++) {
        rc = run(&o[i > 0 ? RESUME : INITIAL], &o[RETRY], i > 0, &s);
        clock_ahead += o[INITIAL].resumption_delay;
        if (o[INITIAL].renew_ticket && rc == 0) {
            rc = ticket_keys_set(s.tickets, (const uint8_t *)"of another server",
                                 (const uint8_t *)"a key that other servers have too");
        }
    }
    session_unref(s.session);
    session_cache_unref(s.cache);
    ticket_keys_unref(s.tickets);
    return rc == 0 ? 0 : 1;
}
