/* SPDX-License-Identifier: ISC */
/* The read half: one record in, one event out. */
#include <stdatomic.h>

#include "base/secret.h"
#include "engine_local.h"

/* Bytes that may wait for a peer which goes on asking and does not read the answers: it may say
 * data between (threat 31). More than whoever sends piecemeal puts there himself. */
#define ANSWERS_MAX (1 << 18)

/* With the handshake's own sentence when it left one. */
static int fail_handshake(struct tls *t, int code)
{
    const char *text = t->scratch.code ? t->scratch.text : error_name(code);

    return engine_fail(t, code, t->scratch.place ? t->scratch.place : "handshake", text);
}

void engine_read_end(struct tls *t)
{
    rec_half_wipe(&t->rx);
    wipe(t->rx_secret, sizeof t->rx_secret);
    buf_free(&t->message);
}

/* Nothing for the caller in this one: so many in a row, and it is a flood. A peer that only listens
 * may change its keys, or have us change ours, as long as we talk. */
static int count_idle(struct tls *t)
{
    if (engine_status_take(t, ST_TALKING)) {
        t->idle = 0;
    }
    if (++t->idle > t->hs.set->max_idle) {
        return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                           "too many records without data");
    }
    return TLS_EV_PROGRESS;
}

static int take_ccs(struct tls *t, const struct rec_opened *o)
{
    const struct span body = o->plain.n ? o->plain : o->rest; /* of one byte one has nothing */
    bool dropped = hs_drops_ccs(&t->hs);
    int rc;

    /* One byte 01, never inside a message (threats 1, 9). In TLS 1.3 it means nothing and is
     * dropped, but not after the peer's Finished (RFC 8446 section 5). */
    if (o->plain.n + o->rest.n != 1 || body.p[0] != 1 || buf_len(&t->message) ||
        (dropped && (engine_status(t) & ST_CONNECTED))) {
        return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                           "unexpected change_cipher_spec");
    }
    if (dropped) {
        return count_idle(t);
    }
    error_clear(&t->scratch);
    rc = hs_change_cipher(&t->hs);
    return rc < 0 ? fail_handshake(t, rc) : TLS_EV_PROGRESS;
}

static int take_alert(struct tls *t, const struct rec_opened *o, struct tls_in *in)
{
    char text[80] = "the peer sent the alert ";
    uint8_t level, desc;
    int rc;

    if (o->plain.n + o->rest.n == 0) { /* section 5.4 */
        return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__, "empty alert record");
    }
    if (o->plain.n + o->rest.n != 2) {
        return engine_fail(t, TLS_ALERT(ALERT_DECODE_ERROR), __func__, "malformed alert");
    }
    /* The caller's buffer may have held none, one or both of the two bytes. */
    level = o->plain.n > 0 ? o->plain.p[0] : o->rest.p[0];
    desc = o->plain.n > 1 ? o->plain.p[1] : o->rest.p[1 - o->plain.n];
    if (desc == ALERT_CLOSE_NOTIFY) {
        engine_status_add(t, ST_PEER_CLOSED);
        engine_read_end(t);
        return TLS_EV_CLOSED;
    }
    if (level == 1 && hs_warning_counts(&t->hs, desc)) {
        error_clear(&t->scratch);
        rc = hs_no_certificate(&t->hs);
        return rc < 0 ? fail_handshake(t, rc) : TLS_EV_PROGRESS;
    }
    if (level == 1 && hs_knows_warnings(&t->hs)) { /* RFC 5246 section 7.2.2 */
        if (desc == ALERT_NO_RENEGOTIATION) {
            hs_abandon(&t->hs);
        }
        in->alert = desc;
        TRY(count_idle(t));
        return TLS_EV_WARNING;
    }
    if (desc == ALERT_USER_CANCELED) { /* section 6.1: a close_notify follows */
        return count_idle(t);
    }
    if (!atomic_flag_test_and_set(&t->failing)) { /* any other is fatal, whatever its level */
        strncat(text, alert_name(desc), sizeof text - strlen(text) - 1);
        error_set(&t->err, ERR_PEER_ALERT, __func__, "%s", text);
        t->err.alert_received = desc;
        engine_status_add(t, ST_FAILED);
    }
    return ERR_PEER_ALERT;
}

/* max_fragment_length holds from when it is agreed (RFC 6066 section 4), record_size_limit for what
 * is sealed under the keys of its handshake (RFC 8449 section 4); those of TLS 1.3 are there before
 * it is. What comes under the keys of before a renegotiation was made without it. */
static void take_limits(struct tls *t)
{
    if (hs_early_legal(&t->hs)) { /* made before anything was agreed */
        t->rx_max = REC_PLAIN_MAX;
    } else if (!t->hs.renegotiating && (!t->hs.recv_limit || t->rx.protection->hides_type)) {
        t->rx_max = engine_content_max(t, t->hs.recv_limit);
    }
}

/* Behind the messages of a record: what we answer goes out, and a handshake may be complete. */
static int conclude(struct tls *t, bool was)
{
    if (t->spoke) { /* else the flight is the write half's to look at */
        int rc = engine_flush(t);

        t->spoke = false;
        if (rc < 0) {
            return engine_fail(t, rc, __func__, "the handshake flight could not be sealed");
        }
        if (was && buf_len(&t->out) > ANSWERS_MAX) {
            return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                               "the peer asks for more and does not read what it asked for");
        }
    }
    if (hs_half_open(&t->hs)) {
        engine_status_add(t, ST_HALF);
    }
    if (!was && hs_connected(&t->hs)) {
        if (engine_status(t) & ST_CONNECTED) { /* one more without data between (threat 30) */
            TRY(count_idle(t));
        } else {
            t->idle = 0;
            engine_status_add(t, ST_CONNECTED);
        }
        if (t->hs.keep && t->hs.session) { /* of TLS 1.2: tickets come later */
            t->hs.keep(t->hs.keep_ctx, t->hs.session);
        }
        return TLS_EV_DONE;
    }
    return TLS_EV_PROGRESS;
}

/* Whole messages out of the reassembly buffer, one after another. One that waits for our private
 * key stays in there, and what it was answered with, in the flight: the peer sees no difference. */
static int run_messages(struct tls *t)
{
    bool was = hs_connected(&t->hs);

    while (buf_len(&t->message) >= HS_HEADER) {
        const uint8_t *p = buf_data(&t->message);
        const unsigned type = p[0];
        size_t n = HS_HEADER + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
        int rc;

        if (n - HS_HEADER > hs_longest(&t->hs, type)) { /* threat 31 */
            return engine_fail(t, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), __func__,
                               "a handshake message is longer than any of its kind may be");
        }
        if (buf_len(&t->message) < n) {
            if (!hs_expects(&t->hs, type)) { /* not worth waiting for, either */
                return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                                   "a handshake message begins that is not expected here");
            }
            break;
        }
        error_clear(&t->scratch);
        rc = hs_waiting(&t->hs) ? hs_resume(&t->hs)
                                : hs_message(&t->hs, span_of(p, n), buf_len(&t->message) == n);
        if (rc < 0) {
            return fail_handshake(t, rc);
        }
        if (engine_status(t) & ST_FAILED) { /* a callback gave up, or the write half did */
            return t->err.code;
        }
        if (hs_waiting(&t->hs)) {
            return TLS_EV_PROGRESS;
        }
        buf_consume(&t->message, n);
        take_limits(t);
        if (was || type == HS_HELLO_REQUEST || type == HS_KEY_UPDATE) {
            rc = count_idle(t);
            TRY(rc);
        }
    }
    return conclude(t, was);
}

static int take_handshake(struct tls *t, struct span body, struct span rest)
{
    if (body.n + rest.n == 0) { /* section 5.1 */
        return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                           "empty handshake record");
    }
    if (buf_append(&t->message, body.p, body.n) < 0 ||
        buf_append(&t->message, rest.p, rest.n) < 0) {
        return engine_fail(t, ERR_MEM, __func__, "out of memory");
    }
    return run_messages(t);
}

static int take_data(struct tls *t, struct tls_in *in, const struct rec_opened *o)
{
    size_t n = o->plain.n + o->rest.n;
    bool early = hs_early_legal(&t->hs);

    if (!early && !hs_data_legal(&t->hs)) {
        return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                           "application data before the handshake is complete");
    }
    if (n == 0) {
        return count_idle(t);
    }
    if (early && n > t->hs.early_left) { /* RFC 8446 section 4.2.10 */
        return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                           "more early data than the session allows");
    }
    t->hs.early_left -= early ? (uint32_t)n : 0;
    t->idle = 0;
    t->opened += n;
    in->plain = o->plain.p;
    in->nplain = o->plain.n;
    in->rest = o->rest.p;
    in->nrest = o->rest.n;
    return early ? TLS_EV_EARLY_DATA : TLS_EV_DATA;
}

/* May this record come without protection although we have keys? A change_cipher_spec, and on a
 * server the alert of a client that failed before it had keys. */
static bool plain_is_legal(const struct tls *t, uint8_t type)
{
    if (t->rx.protection == &protect_none) {
        return true;
    }
    if (!t->rx.protection->hides_type) { /* TLS 1.2 seals everything */
        return false;
    }
    return type == CT_CHANGE_CIPHER_SPEC ||
           (type == CT_ALERT && t->hs.set->role == TLS_SERVER &&
            !(engine_status(t) & ST_CONNECTED) && seq_value(t->rx.seq) == 0);
}

/* Rejected early data: nothing of it can be opened, all of it is skipped, within a limit. */
static bool skip_early(struct tls *t, size_t n)
{
    if (n == 0 || t->skip < n || seq_value(t->rx.seq) != 0) {
        return false;
    }
    t->skip -= n;
    return true;
}

/* 0, or TLS_EV_PROGRESS: it was skipped. */
static int open_record(struct tls *t, const struct rec_header *head, struct mspan fragment,
                       struct mspan out, struct rec_opened *o)
{
    int rc;

    if (t->rx.protection == &protect_none && head->type == CT_APPLICATION_DATA) {
        return skip_early(t, head->len) ? TLS_EV_PROGRESS
                                        : engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE),
                                                      __func__, "data before any keys");
    }
    if (plain_is_legal(t, head->type)) {
        if (head->type == CT_HANDSHAKE) { /* a second ClientHello: no early data comes behind it */
            t->skip = 0;
        }
        *o = (struct rec_opened){ head->type, span_of(fragment.p, fragment.n), { NULL, 0 } };
        return 0;
    }
    rc = rec_open(&t->rx, head->type, fragment, out, o);
    /* A client that was refused its early data may still be sending it. */
    if (rc == TLS_ALERT(ALERT_BAD_RECORD_MAC) && skip_early(t, head->len)) {
        return TLS_EV_PROGRESS;
    }
    /* What a Finished would say that is wrong (RFC 4279 section 2). */
    if (rc == TLS_ALERT(ALERT_BAD_RECORD_MAC) && hs_key_unproved(&t->hs)) {
        return engine_fail(t, TLS_ALERT(ALERT_DECRYPT_ERROR), __func__,
                           "the pre-shared key of the peer is not ours");
    }
    if (rc < 0) {
        return engine_fail(t, rc, __func__,
                           rc == TLS_ALERT(ALERT_BAD_RECORD_MAC) ? "a record is forged or damaged"
                           : IS_TLS_ALERT(rc)                    ? "a record is not legal here"
                                                                 : error_name(rc));
    }
    t->skip = 0;
    return 0;
}

/* What its limit is for: padding and type, too, under a record_size_limit of TLS 1.3 (RFC 8449
 * section 4). */
static size_t limited_size(const struct tls *t, const struct rec_header *head,
                           const struct rec_opened *o)
{
    bool padded = t->rx.protection->hides_type && head->type == CT_APPLICATION_DATA;

    return t->hs.recv_limit && padded ? head->len - (size_t)AEAD_TAG - 1 : o->plain.n + o->rest.n;
}

static int take_content(struct tls *t, uint8_t outer, const struct rec_opened *o, struct tls_in *in)
{
    switch (o->type) {
    case CT_APPLICATION_DATA:
        return take_data(t, in, o);
    case CT_HANDSHAKE:
        return take_handshake(t, o->plain, o->rest);
    case CT_ALERT:
        return take_alert(t, o, in);
    case CT_CHANGE_CIPHER_SPEC:
        /* Inside a sealed record it is no such thing (section 5). */
        return outer == CT_CHANGE_CIPHER_SPEC
                   ? take_ccs(t, o)
                   : engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                                 "a sealed change_cipher_spec");
    default:
        return engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                           "unknown content type");
    }
}

static int take_record(struct tls *t, const struct rec_header *head, struct tls_in *in)
{
    struct mspan fragment = { in->data + REC_HEADER, head->len };
    struct mspan out = { in->out, in->room };
    struct rec_opened o;
    int rc = open_record(t, head, fragment, out, &o);

    if (rc != 0) {
        return rc;
    }
    if (limited_size(t, head, &o) > t->rx_max) { /* RFC 6066 section 4, RFC 8449 section 4 */
        rc = engine_fail(t, TLS_ALERT(ALERT_RECORD_OVERFLOW), __func__,
                         "a record is longer than was agreed");
    } else if (buf_len(&t->message) && o.type != CT_HANDSHAKE) { /* threat 9 */
        rc = engine_fail(t, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), __func__,
                         "a record of another type inside a handshake message");
    } else {
        rc = take_content(t, head->type, &o, in);
    }
    if (rc != TLS_EV_DATA && rc != TLS_EV_EARLY_DATA && in->out && in->room) {
        wipe(in->out, in->room < head->len ? in->room : head->len); /* it was not for the caller */
    }
    return rc;
}

static int read_failed(struct tls *t, int rc)
{
    engine_read_end(t);
    hs_failed(&t->hs);
    return rc;
}

int tls_input(struct tls *t, struct tls_in *in)
{
    struct rec_header head;
    int rc;

    in->used = in->need = in->nplain = in->nrest = 0;
    in->alert = ALERT_NONE;
    in->plain = in->rest = NULL;
    if (engine_status(t) & ST_FAILED) {
        return read_failed(t, ERR_CLOSED);
    }
    if (engine_status(t) & ST_PEER_CLOSED) {
        in->used = in->len; /* section 6.1: anything after close_notify is ignored */
        return TLS_EV_CLOSED;
    }
    if (hs_waiting(&t->hs)) {
        if (!hs_ready(&t->hs)) {
            return TLS_EV_WAIT;
        }
        rc = run_messages(t);
        return rc < 0 ? read_failed(t, rc) : rc;
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
        engine_fail(t, rc, __func__, "what arrived is not a TLS record");
    } else if (in->len < (size_t)REC_HEADER + head.len) {
        in->need = (size_t)REC_HEADER + head.len;
        return TLS_EV_MORE;
    } else {
        in->used = (size_t)REC_HEADER + head.len;
        rc = take_record(t, &head, in);
    }
    return rc < 0 ? read_failed(t, rc) : rc;
}

size_t tls_expected(const struct tls *t, size_t len, size_t room)
{
    const size_t size = rec_size(&t->rx, t->rx_max), fit = room / size;
    const size_t n = (len + t->rx_max - 1) / t->rx_max;

    return (n < fit ? n : fit) * size;
}
