/* SPDX-License-Identifier: ISC */
/* The native engine: joins records and handshake. The read half (tls_input) and the write half (the
 * rest) share nothing but `status`, `notes` and the error, which are atomic or claimed once. */
#include "engine.h"

#include <stdatomic.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/handshake.h"
#include "handshake/schedule13.h"
#include "record/record.h"

enum {
    ST_CONNECTED = 1,
    ST_FAILED = 2,      /* a fatal error: ours or the peer's */
    ST_PEER_CLOSED = 4, /* close_notify arrived */
    ST_CLOSED = 8,      /* we sent close_notify */
};
enum {
    NOTE_ALERT = 0x100,      /* low byte: the fatal alert we owe */
    NOTE_KEY_UPDATE = 0x200, /* the peer asked us to change our keys */
};
/* Consecutive records or messages that carry nothing for the caller (threat 30). */
#define IDLE_MAX 32
/* Bytes of rejected early data we skip (RFC 8446 section 4.2.10). */
#define EARLY_SKIP_MAX (16384 + 2048)

struct tls {
    struct config *config;
    struct hs hs;
    atomic_uint status, notes;
    atomic_flag failing;
    struct error err, scratch; /* scratch: what the handshake says, before it is final */
    /* read half */
    struct rec_half rx;
    struct buf message; /* an unfinished handshake message */
    uint8_t rx_secret[HASH_MAX];
    unsigned idle, ccs;
    size_t skip; /* early data still to be skipped */
    uint64_t opened;
    /* write half */
    struct rec_half tx;
    struct buf out;
    struct buf flight; /* handshake messages not yet in a record */
    uint8_t tx_secret[HASH_MAX];
    uint64_t sealed;
};

static unsigned status_of(const struct tls *t)
{
    return atomic_load_explicit(&t->status, memory_order_acquire);
}

static void status_add(struct tls *t, unsigned bits)
{
    atomic_fetch_or_explicit(&t->status, bits, memory_order_acq_rel);
}

/* The first error wins, whichever half finds it. */
static int fail(struct tls *t, int code, const char *place, const char *text)
{
    if (!atomic_flag_test_and_set(&t->failing)) {
        bool ours = IS_TLS_ALERT(code) || code != ERR_PEER_ALERT;

        error_set(&t->err, code, place, "%s", text);
        if (ours) {
            unsigned desc = IS_TLS_ALERT(code) ? (unsigned)ALERT_OF(code) : ALERT_INTERNAL_ERROR;

            t->err.alert_sent = (uint8_t)desc;
            atomic_fetch_or(&t->notes, NOTE_ALERT | desc);
        }
        status_add(t, ST_FAILED);
    }
    return code;
}

/* With the handshake's own sentence when it left one. */
static int fail_handshake(struct tls *t, int code)
{
    const char *text = t->scratch.code ? t->scratch.text : error_name(code);

    return fail(t, code, t->scratch.place ? t->scratch.place : "handshake", text);
}

/* ---- write half: records of our own ---- */

static int emit(struct tls *t, uint8_t type, const uint8_t *p, size_t n)
{
    do {
        size_t take = n < REC_PLAIN_MAX ? n : REC_PLAIN_MAX;
        struct span part = span_of(p, take);

        TRY(buf_reserve(&t->out, REC_OVERHEAD_MAX + take));
        int made = rec_seal(&t->tx, type, &part, 1, take, buf_tail(&t->out));
        TRY(made);
        buf_added(&t->out, (size_t)made);
        p += take;
        n -= take;
    } while (n > 0);
    return 0;
}

static int flight_flush(struct tls *t)
{
    int rc = 0;

    if (buf_len(&t->flight)) {
        rc = emit(t, CT_HANDSHAKE, buf_data(&t->flight), buf_len(&t->flight));
        buf_free(&t->flight);
    }
    return rc;
}

static int host_send(void *ctx, struct span message)
{
    struct tls *t = ctx;

    return buf_append(&t->flight, message.p, message.n);
}

static int host_ccs(void *ctx)
{
    static const uint8_t one = 1;
    struct tls *t = ctx;
    uint8_t record[] = { CT_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, one };

    TRY(flight_flush(t));
    return buf_append(&t->out, record, sizeof record); /* never sealed */
}

static int half_keys(struct tls *t, struct rec_half *half, const uint8_t *traffic)
{
    const struct suite *s = t->hs.suite;
    SECRET(key, AEAD_KEY_MAX);
    SECRET(iv, AEAD_IV);

    TRY(schedule13_keys(s->hash, traffic, aead_key_size(s->aead), key, iv));
    return rec_half_set(half, &protect_tls13, s->aead, key, iv, half == &t->tx);
}

static int host_keys(void *ctx, enum hs_direction d, const struct suite *s, const uint8_t *traffic)
{
    struct tls *t = ctx;

    (void)s; /* == t->hs.suite */
    if (d == HS_WRITE) {
        TRY(flight_flush(t));
        memcpy(t->tx_secret, traffic, HASH_MAX);
        return half_keys(t, &t->tx, traffic);
    }
    memcpy(t->rx_secret, traffic, HASH_MAX);
    return half_keys(t, &t->rx, traffic);
}

/* The peer's keys change with the next record; ours, when it asks, before our next one. */
static int host_key_update(void *ctx, bool answer_wanted)
{
    struct tls *t = ctx;

    TRY(schedule13_next(t->hs.suite->hash, t->rx_secret));
    TRY(half_keys(t, &t->rx, t->rx_secret));
    if (answer_wanted) {
        atomic_fetch_or(&t->notes, NOTE_KEY_UPDATE);
    }
    return 0;
}

static int host_early_data(void *ctx)
{
    struct tls *t = ctx;

    t->skip = EARLY_SKIP_MAX;
    return 0;
}

static const struct hs_host host = {
    .send = host_send,
    .send_ccs = host_ccs,
    .set_keys = host_keys,
    .key_update = host_key_update,
    .early_data = host_early_data,
};

/* Says KeyUpdate under the old keys and takes the next ones. */
static int update_keys(struct tls *t, bool ask)
{
    const uint8_t message[] = { HS_KEY_UPDATE, 0, 0, 1, ask };

    TRY(emit(t, CT_HANDSHAKE, message, sizeof message));
    TRY(schedule13_next(t->hs.suite->hash, t->tx_secret));
    return half_keys(t, &t->tx, t->tx_secret);
}

static void tx_end(struct tls *t)
{
    rec_half_wipe(&t->tx);
    wipe(t->tx_secret, sizeof t->tx_secret);
    buf_free(&t->flight);
}

/* Turns what the read half noted into records. */
static void notes_act(struct tls *t)
{
    bool worn = t->tx.seq >= t->tx.limit; /* RFC 8446 section 5.5 */
    unsigned notes;

    if (atomic_load_explicit(&t->notes, memory_order_relaxed) == 0 && !worn &&
        !(status_of(t) & ST_FAILED)) {
        return;
    }
    notes = atomic_exchange(&t->notes, 0);
    if (!t->tx.protection) {
        return;
    }
    if ((notes & NOTE_ALERT) && !(status_of(t) & ST_CLOSED)) {
        uint8_t alert[2] = { 2, (uint8_t)notes };

        (void)flight_flush(t);
        (void)emit(t, CT_ALERT, alert, sizeof alert);
    }
    if (status_of(t) & ST_FAILED) {
        tx_end(t);
    } else if ((notes & NOTE_KEY_UPDATE) || worn) {
        if (update_keys(t, false) < 0) {
            fail(t, ERR_CRYPTO, __func__, "the sending keys could not be changed");
            tx_end(t);
        }
    }
}

struct span tls_output(struct tls *t)
{
    notes_act(t);
    return buf_span(&t->out);
}

void tls_sent(struct tls *t, size_t n)
{
    buf_consume(&t->out, n);
}

int tls_queue(struct tls *t, const void *sealed, size_t n)
{
    return buf_append(&t->out, sealed, n);
}

/* The parts from `skip` bytes on, at most `want` bytes: into view[]. Returns the bytes covered. */
static size_t parts_view(const struct span *in, size_t nin, size_t skip, size_t want,
                         struct span *view, size_t max, size_t *nview)
{
    size_t got = 0;

    *nview = 0;
    for (size_t i = 0; i < nin && got < want && *nview < max; i++) {
        size_t n = in[i].n;

        if (skip >= n) {
            skip -= n;
            continue;
        }
        n = n - skip < want - got ? n - skip : want - got;
        view[(*nview)++] = span_of(in[i].p + skip, n);
        skip = 0;
        got += n;
    }
    return got;
}

int tls_seal(struct tls *t, const struct span *in, size_t nin, size_t *taken, uint8_t *dst,
             size_t room, size_t *made)
{
    size_t total = 0;

    *taken = *made = 0;
    if (!(status_of(t) & ST_CONNECTED)) {
        return status_of(t) & ST_FAILED ? ERR_CLOSED : ERR_STATE;
    }
    if (status_of(t) & (ST_FAILED | ST_CLOSED)) {
        return ERR_CLOSED;
    }
    for (size_t i = 0; i < nin; i++) {
        total += in[i].n;
    }
    do {
        struct span view[16];
        size_t nview, want = total - *taken, left = room - *made;
        int rc;

        if (left <= TLS_OVERHEAD) {
            break;
        }
        want = want < left - TLS_OVERHEAD ? want : left - TLS_OVERHEAD;
        want = want < TLS_PLAINTEXT_MAX ? want : TLS_PLAINTEXT_MAX;
        want = parts_view(in, nin, *taken, want, view, 16, &nview);
        rc = rec_seal(&t->tx, CT_APPLICATION_DATA, view, nview, want, dst + *made);
        if (rc < 0) {
            return fail(t, rc, __func__, "sealing a record failed");
        }
        *made += (size_t)rc;
        *taken += want;
        t->sealed += want;
    } while (*taken < total);
    return 0;
}

int tls_close(struct tls *t)
{
    const uint8_t alert[2] = { 1, ALERT_CLOSE_NOTIFY };

    notes_act(t);
    if (status_of(t) & (ST_CLOSED | ST_FAILED)) {
        return 0;
    }
    TRY(flight_flush(t));
    TRY(emit(t, CT_ALERT, alert, sizeof alert));
    status_add(t, ST_CLOSED);
    tx_end(t);
    return 0;
}

int tls_key_update(struct tls *t, bool ask_peer)
{
    if (!tls_can_seal(t)) {
        return status_of(t) & ST_CONNECTED ? ERR_CLOSED : ERR_STATE;
    }
    notes_act(t);
    return update_keys(t, ask_peer);
}

void tls_abort(struct tls *t, enum alert desc, const char *why)
{
    fail(t, TLS_ALERT(desc), __func__, why);
    notes_act(t);
}

/* ---- read half ---- */

static void rx_end(struct tls *t)
{
    rec_half_wipe(&t->rx);
    wipe(t->rx_secret, sizeof t->rx_secret);
    buf_free(&t->message);
}

/* Nothing for the caller in this one: so many in a row, and it is a flood. */
static int count_idle(struct tls *t)
{
    if (++t->idle > IDLE_MAX) {
        return fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                    "too many records without data");
    }
    return TLS_EV_PROGRESS;
}

static int take_ccs(struct tls *t, struct span body)
{
    /* RFC 8446 section 5: one byte 01, after the first ClientHello and before the peer's Finished;
     * at most two, never inside a message (threats 1, 9). */
    if (body.n != 1 || body.p[0] != 1 || hs_connected(&t->hs) || !hs_started(&t->hs) ||
        buf_len(&t->message) || ++t->ccs > 2) {
        return fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                    "unexpected change_cipher_spec");
    }
    return TLS_EV_PROGRESS;
}

static int take_alert(struct tls *t, struct span body)
{
    char text[80] = "the peer sent the alert ";

    if (body.n != 2) {
        return fail(t, TLS_ALERT(ALERT_DECODE_ERROR), __func__, "malformed alert");
    }
    if (body.p[1] == ALERT_CLOSE_NOTIFY) {
        status_add(t, ST_PEER_CLOSED);
        rx_end(t);
        return TLS_EV_CLOSED;
    }
    if (body.p[1] == ALERT_USER_CANCELED) { /* section 6.1: a close_notify follows */
        return count_idle(t);
    }
    if (!atomic_flag_test_and_set(&t->failing)) { /* any other is fatal, whatever its level */
        strncat(text, alert_name(body.p[1]), sizeof text - strlen(text) - 1);
        error_set(&t->err, ERR_PEER_ALERT, __func__, "%s", text);
        t->err.alert_received = body.p[1];
        status_add(t, ST_FAILED);
    }
    return ERR_PEER_ALERT;
}

/* Whole messages out of the reassembly buffer, one after another. */
static int run_messages(struct tls *t)
{
    bool was = hs_connected(&t->hs);

    while (buf_len(&t->message) >= HS_HEADER) {
        const uint8_t *p = buf_data(&t->message);
        size_t n = HS_HEADER + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
        int rc;

        if (n - HS_HEADER > hs_message_max(p[0])) { /* threat 31 */
            return fail(t, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), __func__,
                        "a handshake message is longer than any of its kind");
        }
        if (buf_len(&t->message) < n) {
            break;
        }
        error_clear(&t->scratch);
        rc = hs_message(&t->hs, span_of(p, n), buf_len(&t->message) == n);
        if (rc < 0) {
            return fail_handshake(t, rc);
        }
        buf_consume(&t->message, n);
        if (was) {
            rc = count_idle(t);
            TRY(rc);
        }
    }
    if (!was) {
        int rc = flight_flush(t);

        if (rc < 0) {
            return fail(t, rc, __func__, "the handshake flight could not be sealed");
        }
    }
    if (!was && hs_connected(&t->hs)) {
        t->idle = 0;
        status_add(t, ST_CONNECTED);
        return TLS_EV_DONE;
    }
    return TLS_EV_PROGRESS;
}

static int take_handshake(struct tls *t, struct span body, struct span rest)
{
    if (body.n == 0) { /* section 5.1 */
        return fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__, "empty handshake record");
    }
    if (buf_append(&t->message, body.p, body.n) < 0 ||
        buf_append(&t->message, rest.p, rest.n) < 0) {
        return fail(t, ERR_MEM, __func__, "out of memory");
    }
    return run_messages(t);
}

static int take_data(struct tls *t, struct tls_in *in, const struct rec_opened *o)
{
    if (!hs_connected(&t->hs)) {
        return fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                    "application data before the handshake is complete");
    }
    if (o->plain.n == 0) {
        return count_idle(t);
    }
    t->idle = 0;
    t->opened += o->plain.n + o->rest.n;
    in->plain = o->plain.p;
    in->nplain = o->plain.n;
    in->rest = o->rest.p;
    in->nrest = o->rest.n;
    return TLS_EV_DATA;
}

/* May this record come without protection although we have keys? A change_cipher_spec, and on a
 * server the alert of a client that failed before it had keys. */
static bool plain_is_legal(const struct tls *t, uint8_t type)
{
    return t->rx.protection == &protect_none || type == CT_CHANGE_CIPHER_SPEC ||
           (type == CT_ALERT && t->hs.set->role == TLS_SERVER && !hs_connected(&t->hs) &&
            t->rx.seq == 0);
}

/* Rejected early data: nothing of it can be opened, all of it is skipped, within a limit. */
static bool skip_early(struct tls *t, size_t n)
{
    if (t->skip < n || t->rx.seq != 0) {
        return false;
    }
    t->skip -= n;
    return true;
}

static int take_record(struct tls *t, const struct rec_header *head, struct tls_in *in)
{
    struct mspan fragment = { in->data + REC_HEADER, head->len };
    struct mspan out = { in->out, in->room };
    struct rec_opened o = { head->type, span_of(fragment.p, fragment.n), { NULL, 0 } };
    int rc;

    if (t->rx.protection == &protect_none && head->type == CT_APPLICATION_DATA &&
        skip_early(t, head->len)) {
        return TLS_EV_PROGRESS;
    }
    if (!plain_is_legal(t, head->type)) {
        /* A client that was refused its early data may still be sending it: keep the record. */
        rc = rec_open(&t->rx, head->type, fragment, out, &o);
        if (rc == TLS_ALERT(ALERT_BAD_RECORD_MAC) && skip_early(t, head->len)) {
            return TLS_EV_PROGRESS;
        }
        if (rc < 0) {
            return fail(t, rc, __func__,
                        rc == TLS_ALERT(ALERT_BAD_RECORD_MAC) ? "a record is forged or damaged"
                                                              : "a record is not legal here");
        }
        t->skip = 0;
    } else if (head->type == CT_APPLICATION_DATA) {
        return fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__, "data before any keys");
    }
    if (buf_len(&t->message) && o.type != CT_HANDSHAKE) { /* threat 9 */
        rc = fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                  "a record of another type inside a handshake message");
    } else {
        switch (o.type) {
        case CT_APPLICATION_DATA:
            return take_data(t, in, &o);
        case CT_HANDSHAKE:
            rc = take_handshake(t, o.plain, o.rest);
            break;
        case CT_ALERT: {
            uint8_t both[2] = { 0 };
            size_t n = o.plain.n + o.rest.n;

            for (size_t i = 0; i < n && i < 2; i++) {
                both[i] = i < o.plain.n ? o.plain.p[i] : o.rest.p[i - o.plain.n];
            }
            rc = take_alert(t, span_of(both, n));
            break;
        }
        case CT_CHANGE_CIPHER_SPEC:
            /* Inside a sealed record it is no such thing (section 5). */
            rc = head->type == CT_CHANGE_CIPHER_SPEC
                     ? take_ccs(t, o.plain)
                     : fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                            "a sealed change_cipher_spec");
            break;
        default:
            rc = fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__, "unknown content type");
        }
    }
    if (in->out && in->room) { /* opened into the caller's buffer, but not for it */
        wipe(in->out, in->room < head->len ? in->room : head->len);
    }
    return rc;
}

int tls_input(struct tls *t, struct tls_in *in)
{
    struct rec_header head;
    int rc;

    in->used = in->need = in->nplain = in->nrest = 0;
    in->plain = in->rest = NULL;
    if (status_of(t) & ST_FAILED) {
        rx_end(t);
        return ERR_CLOSED;
    }
    if (status_of(t) & ST_PEER_CLOSED) {
        in->used = in->len; /* section 6.1: anything after close_notify is ignored */
        return TLS_EV_CLOSED;
    }
    if (in->len < REC_HEADER) {
        in->need = REC_HEADER;
        /* Is the beginning already impossible? Then there is nothing to wait for. */
        if (in->len == 0 ||
            (in->data[0] >= CT_CHANGE_CIPHER_SPEC && in->data[0] <= CT_APPLICATION_DATA)) {
            return TLS_EV_MORE;
        }
        rc = TLS_ALERT(ALERT_UNEXPECTED_MESSAGE);
    } else {
        rc = rec_header_parse(&t->rx, in->data, &head);
    }
    if (rc < 0) {
        fail(t, rc, __func__, "what arrived is not a TLS record");
    } else if (in->len < (size_t)REC_HEADER + head.len) {
        in->need = (size_t)REC_HEADER + head.len;
        return TLS_EV_MORE;
    } else {
        in->used = (size_t)REC_HEADER + head.len;
        rc = take_record(t, &head, in);
    }
    if (rc < 0) {
        rx_end(t);
        hs_end(&t->hs);
    }
    return rc;
}

/* ---- life ---- */

int tls_new(struct tls **out, struct config *c, const char *name, const char *sni,
            struct error *err)
{
    const struct settings *s = config_settings(c);
    struct tls *t;
    int rc;

    *out = NULL;
    if (s->role == TLS_CLIENT && s->verify == VERIFY_FULL && (!name || !*name)) {
        return FAIL(err, ERR_ARG, "no server name to verify is set"); /* threat 32 */
    }
    if (name && !host_is_valid(name) && !host_is_ip(name)) {
        return FAIL(err, ERR_ARG, "\"%.100s\" is not a host name", name);
    }
    if (!sni && name && !host_is_ip(name)) {
        sni = name;
    }
    if (sni && (host_is_ip(sni) || !host_is_valid(sni))) {
        return FAIL(err, ERR_ARG, "the name to send must be a DNS name");
    }
    t = mem_zalloc(sizeof *t);
    if (!t) {
        return FAIL(err, ERR_MEM, "out of memory");
    }
    t->config = config_ref(c);
    atomic_flag_clear(&t->failing);
    error_clear(&t->err);
    error_clear(&t->scratch);
    rec_half_init(&t->rx);
    rec_half_init(&t->tx);
    t->hs = (struct hs){ .set = s, .host = &host, .ctx = t, .err = &t->scratch };
    if (s->role == TLS_CLIENT) {
        t->tx.version = 0x0301; /* section 5.1: for old middleboxes */
    }
    rc = hs_start(&t->hs, name, s->role == TLS_CLIENT ? sni : NULL);
    if (rc == 0) {
        rc = flight_flush(t);
        t->tx.version = 0x0303;
    }
    if (rc < 0) {
        error_set(err, rc, __func__, "%s",
                  t->scratch.code ? t->scratch.text : "the connection could not be set up");
        tls_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tls_free(struct tls *t)
{
    if (!t) {
        return;
    }
    hs_free(&t->hs);
    rx_end(t);
    tx_end(t);
    buf_free(&t->out);
    config_unref(t->config);
    mem_free_secret(t, sizeof *t);
}

/* ---- state ---- */

bool tls_connected(const struct tls *t)
{
    return (status_of(t) & (ST_CONNECTED | ST_FAILED)) == ST_CONNECTED;
}

bool tls_can_seal(const struct tls *t)
{
    return (status_of(t) & (ST_CONNECTED | ST_FAILED | ST_CLOSED)) == ST_CONNECTED;
}

bool tls_peer_closed(const struct tls *t)
{
    return status_of(t) & ST_PEER_CLOSED;
}

const struct error *tls_error(const struct tls *t)
{
    /* In the certificate callback the verdict is still the handshake's. */
    return status_of(t) & ST_FAILED ? &t->err : &t->scratch;
}

enum tls_role tls_role(const struct tls *t)
{
    return t->hs.set->role;
}

void tls_get_info(const struct tls *t, struct tls_info *i)
{
    const struct hs *h = &t->hs;

    *i = (struct tls_info){
        .version = h->version,
        .version_name = h->version ? "TLSv1.3" : "",
        .suite = h->suite ? h->suite->name : "",
        .suite_id = h->suite ? h->suite->id : 0,
        .group = h->group ? h->group->name : "",
        .group_id = h->group ? h->group->id : 0,
        .scheme = h->scheme ? h->scheme->name : "",
        .scheme_id = h->scheme ? h->scheme->id : 0,
        .alpn = h->alpn ? h->alpn : "",
        .sni = h->sni ? h->sni : "",
        .host = h->name && h->set->verify == VERIFY_FULL ? h->name : "",
        .client_auth = h->set->role == TLS_SERVER && (h->facts & FACT_PEER_CERT),
        .peer_cert = span_of(h->peer_cert, h->peer_cert_len),
        .sealed_bytes = t->sealed,
        .opened_bytes = t->opened,
    };
}
