/* SPDX-License-Identifier: ISC */
/* One engine behind the null provider, under a stream of records and of calls of the application.
 * Where a record would begin, a byte from SOLO_CALL on is a call, and the next byte its argument.
 */
#ifndef FUZZ_NULL_SOLO_H
#define FUZZ_NULL_SOLO_H
#include "engine_local.h"
#include "tests/fuzz/null/world.h"

#define SOLO_CALL 0xe0
enum solo_call {
    CALL_WRITE,
    CALL_EARLY,
    CALL_CLOSE,
    CALL_KEY_UPDATE,
    CALL_REHANDSHAKE,
    CALL_REQUEST,
    CALL_EXPORT,
    CALL_PARK,
    CALL_HAND_OFF,
    CALL_ALLOW,
    CALL_ABORT,
    CALL_END,
    CALL_AGAIN,
    CALL_SHARE,
    CALL_HOLD,
    CALL_KERNEL,
    CALL_JOB,
    CALLS
};

/* How the stream is handed over. */
struct cut {
    uint8_t size[3]; /* of the pieces, in turn; all 0: a record at once */
    bool ahead;      /* a whole record comes with all that is behind it */
    bool apart;      /* plaintext is wanted elsewhere, where there is so much room */
    uint8_t room;
};

struct solo {
    struct tls *t;
    enum tls_role role;
    size_t which;
    unsigned turn; /* of struct cut */
    bool over;     /* it failed, or its keys went elsewhere */
    bool holds;    /* what it says waits */
    bool refuses;  /* jobs for its private key fail */
    bool logs;     /* the next three are kept */
    struct buf said, got, events;
};

static inline void solo_note(struct solo *s, int a, int b)
{
    const int note[2] = { a, b };

    sure(!s->logs || buf_append(&s->events, note, sizeof note) == 0);
}

static inline void solo_start(struct solo *s, enum tls_role role, size_t which, bool logs)
{
    *s = (struct solo){ .role = role, .which = which, .logs = logs };
    fuzz_start(1 + which);
    s->t = world_engine(role, which);
}

static inline void solo_end(struct solo *s)
{
    tls_free(s->t);
    party_work(true);
    buf_free(&s->said);
    buf_free(&s->got);
    buf_free(&s->events);
}

/* ---- what is always so ---- */

/* Behind TLS_EV_DONE: nobody is connected to whom nothing was proved (threats 2, 3). */
static inline void solo_check_proofs(const struct tls *t)
{
    const struct hs *h = &t->hs;
    const unsigned chain = PROVES_CHAIN | PROVES_POSSESSION;
    const unsigned any = PROVES_SESSION | PROVES_PSK | PROVES_ANONYMOUS;

    sure(hs_connected(h) && (h->proves & PROVES_FINISHED));
    sure(h->set->role == TLS_SERVER || (h->proves & any) || (h->proves & chain) == chain);
    sure(!(h->facts & FACT_PEER_CERT) || (h->facts & FACT_RESUMED) || (h->proves & chain) == chain);
    sure(h->set->role == TLS_CLIENT || h->set->client_auth != CLIENT_AUTH_REQUIRE ||
         (h->facts & (FACT_PEER_CERT | FACT_RESUMED)));
}

static inline void solo_check(struct solo *s)
{
    const struct tls *t = s->t;
    struct tls_info i;

    tls_get_info(t, &i);
    if (tls_connected(t)) {
        sure(i.version && i.suite_id && i.suite[0] && i.where[0]);
    }
    sure(!tls_connected(t) || tls_error(t)->code == 0 || t->hs.renegotiating || !s->over);
    sure(!tls_can_seal(t) || (tls_connected(t) || i.early == TLS_EARLY_ACCEPTED));
    sure(tls_early_room(t) == 0 || s->role == TLS_CLIENT);
    sure(buf_len(&t->message) <= CHAIN_MAX_BYTES + 8192 + HS_HEADER + TLS_PLAINTEXT_MAX);
}

/* What it says is whole records. */
static inline void solo_drain(struct solo *s)
{
    struct span out = tls_output(s->t);
    struct rd r = rd_of(out.p, out.n), body;
    uint16_t version;
    uint8_t type;

    while (!rd_done(&r)) {
        sure(rd_u8(&r, &type) && type >= 20 && type <= 23 && rd_u16(&r, &version) &&
             version >> 8 == 3 && rd_vec(&r, 2, &body) && body.n > 0 &&
             body.n <= TLS_RECORD_MAX - TLS_HEADER);
    }
    sure(!s->logs || buf_append(&s->said, out.p, out.n) == 0);
    tls_sent(s->t, out.n);
    sure(tls_output(s->t).n == 0);
}

/* ---- records ---- */

static inline size_t solo_whole(const uint8_t *p, size_t n)
{
    size_t whole = n < TLS_HEADER ? n : TLS_HEADER + ((size_t)p[3] << 8 | p[4]);

    return whole < n ? whole : n;
}

/* One call with exactly these bytes. */
static inline int solo_input(struct solo *s, const uint8_t *p, size_t n, const struct cut *cut,
                             size_t *used)
{
    struct tls_in in = { .len = n, .data = malloc(n + 1), .room = cut->room };
    const bool waits = tls_waiting(s->t);
    const bool was = tls_connected(s->t);
    int rc;

    in.out = cut->apart ? malloc(in.room + 1) : NULL;
    sure(in.data && n > 0);
    memcpy(in.data, p, n);
    rc = tls_input(s->t, &in);
    sure(in.used <= n && (rc == TLS_EV_WAIT) == waits);
    if (rc == TLS_EV_DATA || rc == TLS_EV_EARLY_DATA) {
        sure(in.nplain + in.nrest > 0 && (rc == TLS_EV_DATA ? was : s->role == TLS_SERVER));
        sure(!in.out || (in.nplain <= in.room && (in.nplain == in.room || in.nrest == 0)));
        sure(!s->logs || (buf_append(&s->got, in.plain, in.nplain) == 0 &&
                          buf_append(&s->got, in.rest, in.nrest) == 0));
    } else {
        sure(in.nplain == 0 && in.nrest == 0);
    }
    if (rc == TLS_EV_DONE) {
        solo_check_proofs(s->t);
    }
    sure(rc >= 0 || tls_error(s->t)->code != 0);
    sure(!s->over || rc == ERR_CLOSED || rc == TLS_EV_CLOSED);
    sure(rc != TLS_EV_MORE || (in.used == 0 && in.need > n && in.need <= TLS_RECORD_MAX));
    sure(rc <= TLS_EV_MORE || in.used >= TLS_HEADER || rc == TLS_EV_CLOSED || waits);
    if (rc != TLS_EV_MORE) {
        solo_note(s, rc, in.alert);
    }
    *used = in.used;
    free(in.data);
    free(in.out);
    return rc;
}

/* Its private key has been used, or will not be. */
static inline void solo_job(struct solo *s)
{
    struct tls_in in = { 0 };
    int rc;

    if (tls_waiting(s->t)) {
        party_work(s->refuses);
        rc = tls_input(s->t, &in);
        sure(rc != TLS_EV_WAIT && in.used == 0 && in.nplain == 0);
        solo_note(s, rc, 0);
        s->over = s->over || rc < 0;
        if (rc == TLS_EV_DONE) {
            solo_check_proofs(s->t);
        }
        if (!s->holds) {
            solo_drain(s);
        }
    }
}

/* The record at p, of which there may be less than all; the bytes it took. */
static inline size_t solo_record(struct solo *s, const uint8_t *p, size_t n, const struct cut *cut)
{
    const size_t whole = solo_whole(p, n);
    size_t given = 0, used;
    int rc;

    if (tls_waiting(s->t)) { /* that is what it says to everybody */
        (void)solo_input(s, p, n, cut, &used);
        solo_job(s);
    }
    do {
        size_t piece = cut->size[s->turn++ % 3];

        given += piece ? piece : whole;
        given = given < whole ? given : whole;
        rc = solo_input(s, p, given == whole && cut->ahead ? n : given, cut, &used);
        if (!s->holds) {
            solo_drain(s);
        }
        solo_check(s);
        s->over = s->over || rc < 0;
    } while (rc == TLS_EV_MORE && given < whole);
    sure(rc < 0 || rc == TLS_EV_CLOSED || (rc == TLS_EV_MORE ? whole == n : used == whole));
    return whole;
}

/* ---- calls ---- */

static inline int solo_write(struct solo *s, uint8_t arg, bool early)
{
    static const uint8_t text[255];
    struct span part = span_of(text, arg);
    const bool may = early ? tls_early_room(s->t) > 0 : tls_can_seal(s->t);
    uint8_t sealed[1024];
    size_t taken, made, most;
    int rc;

    solo_drain(s);
    most = tls_overhead(s->t, arg);
    rc = (early ? tls_seal_early : tls_seal)(s->t, &part, 1, &taken, sealed, sizeof sealed, &made);
    sure((rc == 0) == may || rc == ERR_LIMIT);
    sure(taken <= part.n && made <= sizeof sealed && (rc == 0 || made == 0));
    sure(rc < 0 || taken < part.n || made <= taken + most);
    if (rc == 0) {
        sure(tls_queue(s->t, sealed, made) == 0);
    }
    return rc;
}

static inline int solo_export(struct solo *s, uint8_t arg)
{
    uint8_t out[64];
    size_t n = sizeof out;
    int rc = tls_export(s->t, "label", span_of("context", arg & 7), arg & 8, out, 1 + (arg >> 4));

    sure(rc < 0 || tls_connected(s->t));
    return tls_channel_binding(s->t, arg & 1 ? TLS_BINDING_EXPORTER : TLS_BINDING_END_POINT, out,
                               &n) == 0
               ? (int)n
               : rc;
}

/* Its keys go elsewhere; another connection comes in its place. */
static inline int solo_kernel(struct solo *s)
{
    struct tls_kernel keys;
    int rc = tls_kernel_keys(&s->t, &keys);

    sure((rc == 0) == (s->t == NULL));
    if (rc == 0) {
        sure(keys.rx.key_len == keys.tx.key_len && keys.rx.iv_len > 0);
        s->over = s->holds = false;
        s->t = world_engine(s->role, s->which);
    }
    return rc;
}

/* Into bytes and back. */
static inline int solo_hand_off(struct solo *s, uint8_t arg)
{
    struct buf blob = { 0 }, received = { 0 }, plain = { 0 };
    struct tls_info before, after;
    struct span rest = span_of("rest", arg & 3);
    struct config *c = config_ref(tls_config(s->t));
    struct cert cert;
    char where[64];
    int rc;

    tls_get_info(s->t, &before);
    if (before.peer_cert.n && cert_parse(&cert, before.peer_cert, NULL) < 0) {
        config_unref(c);
        return ERR_UNSUPPORTED; /* of a ticket that nobody but the server itself could have made */
    }
    snprintf(where, sizeof where, "%s", before.where);
    rc = tls_hand_off(&s->t, rest, rest, &blob);
    sure((rc == 0) == (s->t == NULL));
    if (rc == 0) {
        sure(tls_take_over(&s->t, c, &blob, &received, &plain, NULL) == 0);
        tls_get_info(s->t, &after);
        sure(after.version == before.version && after.suite_id == before.suite_id &&
             after.resumed == before.resumed && after.client_auth == before.client_auth &&
             after.opened_bytes == before.opened_bytes && strcmp(after.where, where) == 0);
        sure(span_eq(buf_span(&received), rest) && span_eq(buf_span(&plain), rest));
    }
    config_unref(c);
    buf_free(&blob);
    buf_free(&received);
    buf_free(&plain);
    return rc;
}

/* A client comes back with the session that it was left; a server is another one. */
static inline int solo_again(struct solo *s)
{
    struct tls_session *left = tls_session(s->t);
    const bool client = s->role == TLS_CLIENT;
    const bool resumes = client && left;

    tls_free(s->t);
    s->over = s->holds = false;
    sure(tls_new(&s->t, duet_configs[s->role][s->which], client ? FUZZ_HOST : NULL, NULL,
                 client ? left : NULL, NULL) == 0);
    session_unref(left);
    return resumes;
}

static inline int solo_share(struct solo *s)
{
    struct buf blob = { 0 };
    int rc = tls_share(s->t, span_of(NULL, 0), span_of(NULL, 0), &blob);

    buf_free(&blob);
    return rc;
}

static inline int solo_call(struct solo *s, enum solo_call call, uint8_t arg)
{
    struct config *own = arg & 2 ? duet_configs[s->role][s->which] : NULL;

    switch (call) {
    case CALL_WRITE:
    case CALL_EARLY:
        return solo_write(s, arg, call == CALL_EARLY);
    case CALL_CLOSE:
        return tls_close(s->t);
    case CALL_KEY_UPDATE:
        return tls_key_update(s->t, arg & 1);
    case CALL_REHANDSHAKE:
        return tls_rehandshake(s->t, own, arg & 1);
    case CALL_REQUEST:
        return tls_request_client_auth(s->t, own);
    case CALL_EXPORT:
        return solo_export(s, arg);
    case CALL_PARK:
        tls_park(s->t);
        return 0;
    case CALL_HAND_OFF:
        return solo_hand_off(s, arg);
    case CALL_ALLOW:
        tls_allow_renegotiation(s->t, arg & 1);
        return 0;
    case CALL_ABORT:
        tls_abort(s->t, arg, "so it is");
        s->over = true;
        return 0;
    case CALL_END:
        tls_end(s->t);
        s->over = true;
        return 0;
    case CALL_AGAIN:
        return solo_again(s);
    case CALL_SHARE:
        return solo_share(s);
    case CALL_HOLD:
        s->holds = arg & 1;
        return 0;
    case CALL_KERNEL:
        return solo_kernel(s);
    default:
        s->refuses = arg & 1;
        solo_job(s);
        return 0;
    }
}

/* ---- all of it ---- */

static inline void solo_run(struct solo *s, const uint8_t *p, size_t n, const struct cut *cut)
{
    solo_drain(s);
    while (n > 0) {
        size_t used;

        if (*p >= SOLO_CALL) {
            used = n > 1 ? 2 : 1;
            solo_note(s, solo_call(s, (enum solo_call)((*p - SOLO_CALL) % CALLS), p[used - 1]), *p);
            s->over = s->over || tls_error(s->t)->code < 0;
            if (!s->holds) {
                solo_drain(s);
            }
            solo_check(s);
        } else {
            used = solo_record(s, p, n, cut);
        }
        p += used;
        n -= used;
    }
    solo_drain(s);
    sure(tls_close(s->t) == 0);
    solo_drain(s);
}
#endif
