/* SPDX-License-Identifier: ISC */
/* A client's and a server's handshake in many settings, message by message, without records. */
#ifndef FUZZ_DUET_H
#define FUZZ_DUET_H
#include "handshake/local.h"
#include "tests/fuzz/party.h"

enum resumption { FRESH, BY_TICKET, BY_ID };
enum more { NO_MORE, ASKS_AGAIN, RENEGOTIATES, SERVER_RENEGOTIATES };

struct scenario {
    bool is12;
    unsigned client, server; /* PARTY_ */
    enum client_auth auth;
    enum resumption resumption;
    enum more more;          /* behind the handshake */
    uint16_t version, suite; /* 0: whatever the flags say */
};
static const struct scenario scenarios[] = {
    { false, PARTY_USUAL, PARTY_USUAL, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_ID, PARTY_USUAL, CLIENT_AUTH_REQUIRE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_USUAL, PARTY_USUAL, CLIENT_AUTH_REQUEST, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_USUAL, PARTY_RETRY, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_ID, PARTY_PLAIN | PARTY_RETRY, CLIENT_AUTH_REQUIRE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_PLAIN | PARTY_ID, PARTY_PLAIN, CLIENT_AUTH_REQUIRE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_USUAL, PARTY_USUAL, CLIENT_AUTH_NONE, BY_TICKET, NO_MORE, 0, 0 },
    { false, PARTY_USUAL, PARTY_RETRY, CLIENT_AUTH_NONE, BY_TICKET, NO_MORE, 0, 0 },
    { false, PARTY_ID | PARTY_KE, PARTY_KE, CLIENT_AUTH_REQUIRE, BY_TICKET, NO_MORE, 0, 0 },
    { false, PARTY_PSK, PARTY_PSK, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_IMPORTED, PARTY_IMPORTED, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_PSK | PARTY_KE, PARTY_PSK | PARTY_RETRY, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0,
      0 },
    { false, PARTY_PSK, PARTY_PSK, CLIENT_AUTH_NONE, BY_TICKET, NO_MORE, 0, 0 },
    { false, PARTY_PSK, PARTY_USUAL, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_ID, PARTY_USUAL, CLIENT_AUTH_REQUEST, FRESH, ASKS_AGAIN, 0, 0 },
    { false, PARTY_USUAL, PARTY_PLAIN, CLIENT_AUTH_NONE, FRESH, ASKS_AGAIN, 0, 0 },
    { true, PARTY_USUAL, PARTY_USUAL, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_ID, PARTY_USUAL, CLIENT_AUTH_REQUIRE, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_USUAL, PARTY_USUAL, CLIENT_AUTH_REQUEST, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_PLAIN | PARTY_ID, PARTY_PLAIN, CLIENT_AUTH_REQUIRE, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_USUAL, PARTY_RSA, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_RSA_KX | PARTY_ID, PARTY_RSA | PARTY_RSA_KX, CLIENT_AUTH_REQUEST, FRESH, NO_MORE,
      0, 0 },
    { true, PARTY_USUAL, PARTY_USUAL, CLIENT_AUTH_NONE, BY_TICKET, NO_MORE, 0, 0 },
    { true, PARTY_ID, PARTY_USUAL, CLIENT_AUTH_REQUIRE, BY_ID, NO_MORE, 0, 0 },
    { true, PARTY_RENEGOTIATE, PARTY_RENEGOTIATE, CLIENT_AUTH_NONE, FRESH, RENEGOTIATES, 0, 0 },
    { true, PARTY_RENEGOTIATE | PARTY_ID, PARTY_RENEGOTIATE, CLIENT_AUTH_REQUEST, FRESH,
      SERVER_RENEGOTIATES, 0, 0 },
    { false, PARTY_APP | PARTY_ID, PARTY_APP, CLIENT_AUTH_REQUIRE, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_APP, PARTY_APP, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_EARLY, PARTY_EARLY, CLIENT_AUTH_NONE, BY_TICKET, NO_MORE, 0, 0 },
    { false, PARTY_EARLY, PARTY_EARLY | PARTY_RETRY, CLIENT_AUTH_NONE, BY_TICKET, NO_MORE, 0, 0 },
    { true, PARTY_PSK12, PARTY_PSK12, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_PSK12 | PARTY_PLAIN, PARTY_PSK12 | PARTY_PLAIN, CLIENT_AUTH_REQUEST, FRESH,
      NO_MORE, 0, 0 },
    { true, PARTY_ECDHE_PSK, PARTY_ECDHE_PSK, CLIENT_AUTH_NONE, BY_TICKET, NO_MORE, 0, 0 },
    { true, PARTY_ECDHE_PSK, PARTY_ECDHE_PSK, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_RSA_PSK, PARTY_RSA_PSK | PARTY_RSA, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { true, PARTY_DHE_PSK, PARTY_DHE_PSK, CLIENT_AUTH_NONE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_ID | PARTY_LATER, PARTY_LATER, CLIENT_AUTH_REQUIRE, FRESH, NO_MORE, 0, 0 },
    { false, PARTY_ID | PARTY_LATER, PARTY_LATER, CLIENT_AUTH_REQUEST, FRESH, ASKS_AGAIN, 0, 0 },
    { true, PARTY_ID | PARTY_LATER | PARTY_RENEGOTIATE, PARTY_LATER | PARTY_RENEGOTIATE,
      CLIENT_AUTH_REQUIRE, FRESH, RENEGOTIATES, 0, 0 },
    { true, PARTY_RSA_KX, PARTY_RSA | PARTY_RSA_KX | PARTY_LATER, CLIENT_AUTH_NONE, FRESH, NO_MORE,
      0, 0 },
    /* AEAD no more: CBC with the MAC before and behind, streams, the versions of old. */
    { true, PARTY_USUAL, PARTY_RSA, CLIENT_AUTH_NONE, FRESH, NO_MORE, TLS_1_2, 0xc027 },
    { true, PARTY_PLAIN, PARTY_RSA | PARTY_PLAIN, CLIENT_AUTH_NONE, FRESH, NO_MORE, TLS_1_2,
      0xc028 },
#ifdef USE_OLD_TLS
    { true, PARTY_USUAL, PARTY_RSA, CLIENT_AUTH_NONE, FRESH, NO_MORE, TLS_1_2, 0x003b },
    { true, PARTY_ANON, PARTY_ANON, CLIENT_AUTH_NONE, FRESH, NO_MORE, TLS_1_2, 0x0034 },
    { true, PARTY_USUAL, PARTY_RSA, CLIENT_AUTH_NONE, BY_TICKET, NO_MORE, TLS_1_1, 0xc013 },
    { true, PARTY_USUAL, PARTY_RSA, CLIENT_AUTH_NONE, FRESH, NO_MORE, TLS_1_0, 0x0039 },
    { true, PARTY_RENEGOTIATE, PARTY_RENEGOTIATE | PARTY_RSA, CLIENT_AUTH_NONE, FRESH, RENEGOTIATES,
      TLS_1_0, 0x0005 },
    { true, PARTY_USUAL, PARTY_RSA, CLIENT_AUTH_REQUEST, FRESH, NO_MORE, SSL_3_0, 0x002f },
    { true, PARTY_PLAIN, PARTY_RSA | PARTY_PLAIN, CLIENT_AUTH_NONE, BY_ID, NO_MORE, SSL_3_0,
      0x000a },
#endif
};
#define SCENARIOS_AEAD 40
#define SCENARIOS      (sizeof scenarios / sizeof *scenarios)

#define DUET_MAX 64 /* messages of a scenario */

/* What one end says, in the order in which the other hears it. */
struct duet_end {
    struct hs hs;
    struct error err;
    struct duet_end *peer;
    struct buf heard; /* whole messages that wait; a change_cipher_spec has type 0xff */
    uint8_t traffic[2][HASH_MAX];
    bool is12; /* a change_cipher_spec means something */
    int rc;
};
struct duet {
    const struct scenario *s;
    struct duet_end end[2]; /* by role */
    bool more_done;
};
#define DUET_CCS  0xff
#define DUET_NONE 0xfe /* SSL 3: the warning no_certificate */

static inline int duet_send(void *ctx, struct span message)
{
    struct duet_end *e = ctx;

    sure(message.n >= HS_HEADER);
    return buf_append(&e->peer->heard, message.p, message.n);
}

static inline int duet_ccs(void *ctx)
{
    struct duet_end *e = ctx;

    return e->is12 ? buf_append(&e->peer->heard, "\xff\0\0\0", HS_HEADER) : 0;
}

static inline int duet_keys(void *ctx, enum hs_direction d, const struct hs_keys *k)
{
    struct duet_end *e = ctx;

    if (k && k->traffic) {
        memcpy(e->traffic[d], k->traffic, HASH_MAX);
    }
    return 0;
}

static inline int duet_warn(void *ctx, enum alert desc)
{
    struct duet_end *e = ctx;

    if (desc == ALERT_NO_CERTIFICATE) {
        return buf_append(&e->peer->heard, "\xfe\0\0\0", HS_HEADER);
    }
    sure(desc == ALERT_NO_RENEGOTIATION);
    return 0;
}

static inline int duet_key_update(void *ctx, bool answer_wanted)
{
    (void)ctx;
    (void)answer_wanted;
    return 0;
}

static inline int duet_skip(void *ctx, size_t max)
{
    (void)ctx;
    (void)max;
    return 0;
}

static inline const uint8_t *duet_traffic(void *ctx, enum hs_direction d)
{
    struct duet_end *e = ctx;

    return e->traffic[d];
}

static const struct hs_host duet_host = {
    .send = duet_send,
    .send_ccs = duet_ccs,
    .set_keys = duet_keys,
    .warn = duet_warn,
    .traffic = duet_traffic,
    .key_update = duet_key_update,
    .skip_early = duet_skip,
};

/* The configs and, once it was had, the session of each scenario at both ends. */
static struct config *duet_configs[2][SCENARIOS];
static struct tls_session *duet_sessions[2][SCENARIOS];
static struct session_cache *duet_cache;

/* As it was when they had just been made: one of TLS 1.3 is offered only once, and a server forgets
 * one under which something went wrong. What the client offers, or NULL. */
static inline struct tls_session *duet_session(size_t which)
{
    struct tls_session *ours = duet_sessions[TLS_CLIENT][which];

    if (ours) {
        atomic_store(&ours->spent, false);
    }
    if (ours && scenarios[which].resumption == BY_ID) {
        session_cache_put(duet_cache, duet_sessions[TLS_SERVER][which],
                          fuzz_clock() * INT64_C(1000));
    }
    return ours;
}

static inline void duet_start(struct duet *d, size_t which)
{
    *d = (struct duet){ .s = &scenarios[which] };
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        struct duet_end *e = &d->end[role];

        e->peer = &d->end[!role];
        e->is12 = d->s->is12;
        e->hs = (struct hs){ .set = config_settings(duet_configs[role][which]),
                             .host = &duet_host,
                             .ctx = e,
                             .err = &e->err };
    }
    if (duet_session(which)) {
        d->end[TLS_CLIENT].hs.session = session_ref(duet_session(which));
    }
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        const char *name = role == TLS_CLIENT ? FUZZ_HOST : NULL;

        sure(hs_start(&d->end[role].hs, name, name) == 0);
    }
}

static inline void duet_free(struct duet *d)
{
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        hs_free(&d->end[role].hs);
        buf_free(&d->end[role].heard);
    }
}

static inline bool duet_connected(const struct duet *d)
{
    return d->end[0].rc == 0 && d->end[1].rc == 0 && hs_connected(&d->end[0].hs) &&
           hs_connected(&d->end[1].hs);
}

/* Each reads under the keys that the other writes with (TLS 1.3). */
static inline bool duet_agree(const struct duet *d)
{
    size_t n = hash_size(d->end[0].hs.suite->hash);

    return d->s->is12 || (memcmp(d->end[0].traffic[HS_READ], d->end[1].traffic[HS_WRITE], n) == 0 &&
                          memcmp(d->end[1].traffic[HS_READ], d->end[0].traffic[HS_WRITE], n) == 0);
}

/* What comes behind the first handshake; false: nothing. */
static inline bool duet_more(struct duet *d)
{
    if (d->more_done || d->s->more == NO_MORE || !duet_connected(d)) {
        return false;
    }
    d->more_done = true;
    switch (d->s->more) {
    case ASKS_AGAIN:
        sure(hs_may_request(&d->end[TLS_SERVER].hs) == 0);
        sure(hs_request(&d->end[TLS_SERVER].hs, d->end[TLS_SERVER].hs.set) == 0);
        break;
    case RENEGOTIATES:
        sure(hs_restart(&d->end[TLS_CLIENT].hs, false) == 0);
        break;
    default:
        sure(hs_restart(&d->end[TLS_SERVER].hs, true) == 0);
    }
    return true;
}

/* The next message that somebody has to hear, and who; empty: the end. The client goes first. */
static inline struct span duet_next(struct duet *d, struct duet_end **to)
{
    do {
        for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
            struct span s = buf_span(&d->end[role].heard);

            if (s.n && d->end[role].rc == 0) {
                *to = &d->end[role];
                return span_of(
                    s.p, HS_HEADER + ((size_t)s.p[1] << 16 | (size_t)s.p[2] << 8 | (size_t)s.p[3]));
            }
        }
    } while (duet_more(d));
    return span_of(NULL, 0);
}

/* These bytes, as one message that is heard; exactly so many are readable. */
static inline void duet_hear(struct duet_end *to, const uint8_t *p, size_t n, bool last)
{
    uint8_t *message = malloc(n);

    sure(message && n >= HS_HEADER);
    memcpy(message, p, n);
    error_clear(&to->err);
    if (message[0] == DUET_CCS) {
        to->rc = hs_change_cipher(&to->hs);
    } else if (message[0] == DUET_NONE) {
        to->rc = hs_warning_counts(&to->hs, ALERT_NO_CERTIFICATE)
                     ? hs_no_certificate(&to->hs)
                     : TLS_ALERT(ALERT_UNEXPECTED_MESSAGE);
    } else if (n - HS_HEADER > hs_message_max(message[0])) {
        to->rc = TLS_ALERT(ALERT_ILLEGAL_PARAMETER); /* the engine sees to it */
    } else {
        to->rc = hs_message(&to->hs, span_of(message, n), last);
    }
    if (to->rc == 0 && hs_waiting(&to->hs)) {
        party_work(false);
        to->rc = hs_resume(&to->hs);
    }
    sure(to->rc <= 0);
    sure(to->rc == 0 || to->rc != ERR_STATE);
    free(message);
}

/* When it should be and is not: why. */
static inline void duet_report(const struct duet *d)
{
    for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
        fprintf(stderr, "%s: state %d, %d: %s\n", role == TLS_CLIENT ? "client" : "server",
                d->end[role].hs.state, d->end[role].rc, d->end[role].err.text);
    }
}

/* As it should be, to the end. */
static inline void duet_play(struct duet *d)
{
    struct duet_end *to;
    struct span m;

    while ((m = duet_next(d, &to)).n) {
        duet_hear(to, m.p, m.n, true);
        sure(to->rc == 0);
        buf_consume(&to->heard, m.n);
    }
    sure(duet_connected(d));
    sure(duet_agree(d));
}

static inline void duet_setup(void)
{
    static struct party ed, rsa;

    duet_cache = session_cache_new(8, 100000);
    sure(duet_cache);
    party_make(&ed, 1);
    party_rsa(&rsa, &ed);
    for (size_t i = 0; i < SCENARIOS; i++) {
        const struct scenario *s = &scenarios[i];
        struct duet d;

        party_version = s->version;
        party_suite = s->suite;
        duet_configs[TLS_CLIENT][i] =
            party_config(s->client & PARTY_ID ? &ed : NULL, ed.trust, TLS_CLIENT, CLIENT_AUTH_NONE,
                         s->client | (s->is12 ? PARTY_12 : 0), NULL);
        duet_configs[TLS_SERVER][i] = party_config(
            s->server & PARTY_RSA ? &rsa : &ed, ed.trust, TLS_SERVER, s->auth,
            s->server | (s->is12 ? PARTY_12 : 0), s->resumption == BY_ID ? duet_cache : NULL);
        if (s->resumption != FRESH) {
            fuzz_start(9);
            duet_start(&d, i);
            duet_play(&d);
            for (int role = TLS_CLIENT; role <= TLS_SERVER; role++) {
                sure(d.end[role].hs.session || role == TLS_SERVER);
                duet_sessions[role][i] =
                    d.end[role].hs.session ? session_ref(d.end[role].hs.session) : NULL;
            }
            duet_free(&d);
        }
    }
}
#endif
