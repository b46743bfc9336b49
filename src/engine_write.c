/* SPDX-License-Identifier: ISC */
/* The write half: everything that is sealed, in the order in which it goes out. */
#include <stdatomic.h>

#include "base/secret.h"
#include "engine_local.h"
#include "handshake/schedule13.h"

int engine_emit(struct tls *t, uint8_t type, const uint8_t *p, size_t n)
{
    do {
        size_t take = n < t->tx_max ? n : t->tx_max;
        struct span part = span_of(p, take);

        TRY(buf_reserve(&t->out, rec_size(&t->tx, take)));
        int made = rec_seal(&t->tx, type, &part, 1, take, buf_tail(&t->out));
        TRY(made);
        buf_added(&t->out, (size_t)made);
        p += take;
        n -= take;
    } while (n > 0);
    return 0;
}

/* What was agreed holds for the flight that says so, too (RFC 6066 section 4). */
static void lower_tx_max(struct tls *t)
{
    size_t max = engine_content_max(t, t->hs.send_limit);

    if (max < t->tx_max) {
        engine_set_tx_max(t, max);
    }
}

int engine_flush(struct tls *t)
{
    int rc = 0;

    if (t->hs.version) {
        t->tx.version = hs_record_version(&t->hs);
    }
    if (buf_len(&t->flight)) {
        lower_tx_max(t);
        rc = engine_emit(t, CT_HANDSHAKE, buf_data(&t->flight), buf_len(&t->flight));
        buf_free(&t->flight);
    }
    return rc;
}

void engine_write_end(struct tls *t)
{
    rec_half_wipe(&t->tx);
    wipe(t->tx_secret, sizeof t->tx_secret);
    buf_free(&t->flight);
}

/* Says KeyUpdate under the old keys and takes the next ones. Asks for no answer while one is owed:
 * one will do for all. */
static int update_keys(struct tls *t, bool ask)
{
    uint8_t message[] = { HS_KEY_UPDATE, 0, 0, 1, ask && !(engine_status(t) & ST_ASKED) };
    int rc;

    if (message[HS_HEADER]) {
        engine_status_add(t, ST_ASKED);
    }
    rc = engine_emit(t, CT_HANDSHAKE, message, sizeof message);
    if (rc == 0) {
        rc = schedule13_next(t->hs.suite->hash, t->tx_secret);
    }
    if (rc == 0) {
        rc = engine_keys(t, &t->tx, t->hs.suite, t->tx_secret);
    }
    if (rc < 0) { /* the peer may have been told: nothing more under the old ones */
        engine_fail(t, rc, __func__, "the sending keys could not be changed");
        engine_write_end(t);
    }
    return rc;
}

/* Turns what the read half noted into records. While one waits that answers the same, it will do:
 * a peer which goes on asking and does not read would else fill our memory (RFC 8446 section 4.6.3;
 * threat 30). */
static void write_notes(struct tls *t)
{
    /* RFC 8446 section 5.5; those of early data just end (tls_early_room()) */
    bool worn =
        seq_value(t->tx.seq) >= t->tx.limit && (engine_status(t) & (ST_CONNECTED | ST_HALF));
    unsigned notes;

    if (atomic_load_explicit(&t->notes, memory_order_relaxed) == 0 && !worn &&
        !(engine_status(t) & ST_FAILED)) {
        return;
    }
    notes = atomic_exchange(&t->notes, 0) & ~t->answers;
    t->answers |= notes & (NOTE_KEY_UPDATE | NOTE_REFUSE);
    if (!t->tx.protection) {
        return;
    }
    if ((notes & NOTE_ALERT) && !(engine_status(t) & ST_CLOSED)) {
        uint8_t alert[2] = { 2, (uint8_t)notes };

        /* In place of a flight that was not finished, behind whose messages the peer would expect
         * other keys. One that cannot be said (no memory) changes nothing: the connection is over.
         */
        buf_free(&t->flight);
        (void)!engine_emit(t, CT_ALERT, alert, sizeof alert);
    }
    if ((notes & NOTE_REFUSE) && !(engine_status(t) & (ST_CLOSED | ST_FAILED))) {
        const uint8_t alert[2] = { 1, ALERT_NO_RENEGOTIATION };

        if (engine_emit(t, CT_ALERT, alert, sizeof alert) < 0) {
            engine_fail(t, ERR_MEM, __func__, "out of memory");
        }
    }
    if (engine_status(t) & ST_FAILED) {
        if (t->err.code == ERR_PEER_ALERT) { /* nobody reads what waits (section 6) */
            buf_free(&t->out);
        }
        engine_write_end(t);
    } else if ((notes & NOTE_KEY_UPDATE) || worn) {
        (void)!update_keys(t, false);
    }
}

/* Seconds between two looks at the clock that a second has passed for certain between. */
#define PAUSE 2

/* After a pause it is the first bytes that count again. Here and not in tls_seal(), which is to do
 * what tls_fragment() and tls_overhead() have said. Without a clock there are no pauses. */
static void look_for_pause(struct tls *t)
{
    const struct settings *s = t->hs.set;

    if (s->small_records && s->now && t->burst && s->now() - t->sealed_at >= PAUSE) {
        t->burst = 0;
    }
}

struct span tls_output(struct tls *t)
{
    write_notes(t);
    look_for_pause(t);
    return buf_span(&t->out);
}

void tls_sent(struct tls *t, size_t n)
{
    buf_consume(&t->out, n);
    t->answers = buf_len(&t->out) ? t->answers : 0;
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

/* With small records each is of use to the peer when its segment is there, not only with the last
 * of sixteen (RFC 8446 leaves the length to us). Behind the first ones throughput counts. */
#define SMALL_RECORD 1400
#define SMALL_UNTIL  (64 * 1024)

/* The most content of the next record, when so much was sealed since the last pause. */
static size_t next_max(const struct tls *t, uint64_t burst)
{
    size_t small;

    if (!t->hs.set->small_records || burst >= SMALL_UNTIL) {
        return t->tx_max;
    }
    small = rec_fit(&t->tx, SMALL_RECORD); /* 0: a block of padding is larger than that */
    return small && small < t->tx_max ? small : t->tx_max;
}

/* At most `most` bytes of the parts. Where an attacker has seen the next IV, it is a single byte's,
 * which with its MAC makes another one that he has not (threat 14; RFC 7457 section 2.3). */
static int seal(struct tls *t, const struct span *in, size_t nin, size_t most, size_t *taken,
                uint8_t *dst, size_t room, size_t *made)
{
    size_t total = 0;
    bool alone = false; /* the last record was such a byte */

    for (size_t i = 0; i < nin; i++) {
        total += in[i].n;
    }
    total = total < most ? total : most;
    do {
        struct span view[16];
        size_t nview, want = total - *taken, fit = rec_fit(&t->tx, room - *made);
        int rc;

        if (fit == SIZE_MAX || (fit == 0 && want)) {
            break;
        }
        want = want < fit ? want : fit;
        fit = next_max(t, t->burst);
        want = want < fit ? want : fit;
        alone = t->tx.splits && !alone && want > 1;
        want = alone ? 1 : want;
        want = parts_view(in, nin, *taken, want, view, 16, &nview);
        rc = rec_seal(&t->tx, CT_APPLICATION_DATA, view, nview, want, dst + *made);
        if (rc < 0) {
            return engine_fail(t, rc, __func__,
                               rc == ERR_LIMIT ? "the keys have protected as much as they may"
                                               : "sealing a record failed");
        }
        *made += (size_t)rc;
        *taken += want;
        t->answers = 0;
        t->sealed += want;
        t->burst += want;
    } while (*taken < total);
    if (t->hs.set->small_records && t->hs.set->now) {
        t->sealed_at = t->hs.set->now();
    }
    if (*taken && !(engine_status(t) & ST_TALKING)) {
        engine_status_add(t, ST_TALKING);
    }
    return 0;
}

int tls_seal(struct tls *t, const struct span *in, size_t nin, size_t *taken, uint8_t *dst,
             size_t room, size_t *made)
{
    *taken = *made = 0;
    if (!(engine_status(t) & (ST_CONNECTED | ST_HALF))) {
        return engine_status(t) & ST_FAILED ? ERR_CLOSED : ERR_STATE;
    }
    if (engine_status(t) & (ST_FAILED | ST_CLOSED)) {
        return ERR_CLOSED;
    }
    if (t->hs.write_blocked) {
        return ERR_STATE;
    }
    return seal(t, in, nin, SIZE_MAX, taken, dst, room, made);
}

size_t tls_early_room(const struct tls *t)
{
    bool open = t->hs.set->role == TLS_CLIENT && seq_value(t->tx.seq) < t->tx.limit &&
                !(engine_status(t) & (ST_FAILED | ST_CLOSED));

    return open ? t->hs.early_left : 0;
}

int tls_seal_early(struct tls *t, const struct span *in, size_t nin, size_t *taken, uint8_t *dst,
                   size_t room, size_t *made)
{
    int rc;

    *taken = *made = 0;
    if (tls_early_room(t) == 0) {
        return engine_status(t) & (ST_FAILED | ST_CLOSED) ? ERR_CLOSED : ERR_STATE;
    }
    rc = seal(t, in, nin, tls_early_room(t), taken, dst, room, made);
    t->hs.early_left -= (uint32_t)*taken;
    return rc;
}

size_t tls_headroom(const struct tls *t)
{
    return t->tx.protection ? rec_headroom(&t->tx) : TLS_HEADER;
}

size_t tls_overhead(const struct tls *t, size_t len)
{
    const size_t alone = t->tx.splits; /* bytes on their own before each other record */
    const size_t front = alone ? rec_size(&t->tx, alone) : 0;
    size_t size = 0, rest = len, max, last;

    if (!t->tx.protection) {
        return TLS_OVERHEAD_MAX;
    }
    while (max = next_max(t, t->burst + (len - rest)), max < t->tx_max && rest > alone + max) {
        size += front + rec_size(&t->tx, max);
        rest -= alone + max;
    }
    size += rest / (alone + t->tx_max) * (front + rec_size(&t->tx, t->tx_max));
    last = rest % (alone + t->tx_max);
    if (last > alone) {
        size += front + rec_size(&t->tx, last - alone);
    } else if (last || !rest) {
        size += rec_size(&t->tx, last);
    }
    return size - len;
}

size_t tls_fragment(const struct tls *t)
{
    return t->tx.splits ? 1 : next_max(t, t->burst);
}

int tls_close(struct tls *t)
{
    const uint8_t alert[2] = { 1, ALERT_CLOSE_NOTIFY };

    write_notes(t);
    if (engine_status(t) & (ST_CLOSED | ST_FAILED)) {
        return 0;
    }
    if (hs_waiting(&t->hs)) { /* half an answer, with something else behind it, is none */
        buf_free(&t->flight);
    }
    TRY(engine_flush(t));
    TRY(engine_emit(t, CT_ALERT, alert, sizeof alert));
    engine_status_add(t, ST_CLOSED);
    engine_write_end(t);
    return 0;
}

int tls_key_update(struct tls *t, bool ask_peer)
{
    if (t->hs.version && !hs_is_13(&t->hs)) {
        return ERR_UNSUPPORTED;
    }
    if (!tls_can_seal(t) || !(engine_status(t) & ST_CONNECTED)) {
        return engine_status(t) & ST_CONNECTED ? ERR_CLOSED : ERR_STATE;
    }
    write_notes(t);
    return update_keys(t, ask_peer);
}

void tls_end(struct tls *t)
{
    if (engine_status(t) & ST_CONNECTED) {
        engine_status_add(t, ST_CLOSED | ST_PEER_CLOSED | ST_ENDED);
        engine_read_end(t);
        engine_write_end(t);
        buf_free(&t->out);
        hs_over(&t->hs);
    } else {
        tls_abort(t, ALERT_USER_CANCELED, "closed");
        engine_read_end(t);
        hs_failed(&t->hs);
    }
}

void tls_abort(struct tls *t, enum alert desc, const char *why)
{
    engine_fail(t, TLS_ALERT(desc), __func__, why);
    write_notes(t);
}
