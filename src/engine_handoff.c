/* SPDX-License-Identifier: ISC */
/* A connection that goes on elsewhere: in another process, or in the kernel; and one that waits. A
 * connection is in one place only: whoever gives it away has lost it, since two that seal under one
 * key and sequence number give the key away (threats 25, 40). */
#include "base/secret.h"
#include "engine_local.h"

#define CLOSED (ST_PEER_CLOSED | ST_CLOSED)
#define STATUS (CLOSED | ST_ASKED | ST_TALKING) /* what goes along */
#define NOTES  (NOTE_KEY_UPDATE | NOTE_REFUSE)

void tls_park(struct tls *t)
{
    rec_half_park(&t->rx);
    rec_half_park(&t->tx);
    /* What a ticket made is with whom it was given to; in TLS 1.2 a renegotiation may go on from
     * it. */
    if (t->hs.keep && hs_is_13(&t->hs)) {
        session_unref(t->hs.session);
        t->hs.session = NULL;
    }
}

/* Is there nothing between it and another place? */
static int movable(const struct tls *t)
{
    if (engine_status(t) & (ST_FAILED | ST_ENDED)) {
        return ERR_CLOSED;
    }
    if (!(engine_status(t) & ST_CONNECTED) || buf_len(&t->flight)) {
        return ERR_STATE;
    }
    if (t->rx.done > REC_DONE_MAX || t->tx.done > REC_DONE_MAX) {
        return ERR_UNSUPPORTED; /* who took it over would be long at the key stream */
    }
    return hs_may_hand_off(&t->hs);
}

/* ---- to bytes ---- */

/* TLS 1.3 keys follow from the traffic secret. */
static void put_half(const struct tls *t, struct wr *w, const struct rec_half *half,
                     const uint8_t *traffic)
{
    struct rec_keys k;
    struct rec_sizes n;

    if (!rec_half_keys(half, &k)) {
        return; /* closed */
    }
    n = rec_key_sizes(&k);
    if (hs_is_13(&t->hs)) {
        wr_bytes(w, traffic, hash_size(t->hs.suite->hash));
    } else {
        wr_bytes(w, k.key, n.key);
        wr_bytes(w, k.iv, n.iv);
        wr_bytes(w, k.mac_key, n.mac_key);
    }
    if (k.stream != STREAM_NONE) {
        wr_u64(w, k.done);
    }
    wr_u64(w, seq_value(half->seq));
}

static void put_buf(struct wr *w, const struct buf *b)
{
    wr_vec(w, 3, buf_data(b), buf_len(b));
}

static void put(const struct tls *t, struct wr *w)
{
    wr_u16(w, HAND_OFF_FORMAT);
    wr_u8(w, t->hs.set->role);
    wr_bytes(w, t->hs.set->context, SESSION_CONTEXT);
    hs_hand_off(&t->hs, w);
    wr_u8(w, engine_status(t) & STATUS);
    wr_u16(w, atomic_load(&t->notes) & NOTES);
    wr_u8(w, t->idle);
    wr_u64(w, t->sealed);
    wr_u64(w, t->opened);
    wr_u64(w, t->burst);
    wr_u64(w, (uint64_t)t->sealed_at);
    put_half(t, w, &t->rx, t->rx_secret);
    put_half(t, w, &t->tx, t->tx_secret);
    put_buf(w, &t->message);
    put_buf(w, &t->out);
}

int tls_share(const struct tls *t, struct span received, struct span plain, struct buf *out)
{
    const size_t before = buf_len(out);
    struct wr w;

    TRY(movable(t));
    if (received.n > TLS_HAND_OFF_MAX || plain.n > TLS_HAND_OFF_MAX ||
        buf_len(&t->out) > TLS_HAND_OFF_MAX) {
        return ERR_LIMIT;
    }
    if (before == 0) {
        buf_free(out); /* a new one, which was secret from its first byte on */
    }
    out->secret = true;
    w = wr_buf(out);
    put(t, &w);
    wr_vec(&w, 3, received.p, received.n);
    wr_vec(&w, 3, plain.p, plain.n);
    if (!wr_ok(&w)) {
        wipe(out->mem ? buf_tail(out) : NULL, out->mem ? w.len : 0);
        return ERR_MEM;
    }
    return wr_commit(&w);
}

int tls_hand_off(struct tls **t, struct span received, struct span plain, struct buf *out)
{
    TRY(tls_share(*t, received, plain, out));
    tls_free(*t);
    *t = NULL;
    return 0;
}

struct config *tls_config(const struct tls *t)
{
    return t->config;
}

/* ---- and back ---- */

static int get_half(struct tls *t, struct rd *r, struct rec_half *half, uint8_t *traffic)
{
    uint64_t seq;

    if (hs_is_13(&t->hs)) {
        if (!rd_copy(r, traffic, hash_size(t->hs.suite->hash))) {
            return ERR_PARSE;
        }
        TRY(engine_keys(t, half, t->hs.suite, traffic));
    } else {
        const struct rec_keys k = engine_protection12(t);
        const struct rec_sizes n = rec_key_sizes(&k);
        struct span key, iv, mac;
        uint64_t done = 0;

        if (!rd_bytes(r, n.key, &key) || !rd_bytes(r, n.iv, &iv) || !rd_bytes(r, n.mac_key, &mac) ||
            (k.stream != STREAM_NONE && (!rd_u64(r, &done) || done > REC_DONE_MAX))) {
            return ERR_PARSE;
        }
        TRY(engine_keys12(t, half, &(struct hs_keys){ .key = key.p, .iv = iv.p, .mac = mac.p },
                          done));
    }
    if (!rd_u64(r, &seq)) {
        return ERR_PARSE;
    }
    half->seq = seq_of(seq);
    return 0;
}

/* The beginning of a handshake message and not all of it (or it would have been used). */
static bool message_is_legal(struct rd m, unsigned status)
{
    struct rd r = m, body;
    uint8_t type;
    uint32_t n;

    if (m.n && (status & ST_PEER_CLOSED)) {
        return false;
    }
    if (m.n < HS_HEADER) {
        return true;
    }
    return rd_u8(&r, &type) && !rd_vec(&r, 3, &body) && rd_u24(&r, &n) && n <= hs_message_max(type);
}

static int get_state(struct tls *t, struct rd *r)
{
    struct rd message, out;
    uint8_t status, idle;
    uint64_t at;
    uint16_t notes;

    if (!rd_u8(r, &status) || (status & ~STATUS) || !rd_u16(r, &notes) || (notes & ~NOTES) ||
        (((notes & NOTE_KEY_UPDATE) || (status & ST_ASKED)) && !hs_is_13(&t->hs)) ||
        !rd_u8(r, &idle) || !rd_u64(r, &t->sealed) || !rd_u64(r, &t->opened) ||
        !rd_u64(r, &t->burst) || !rd_u64(r, &at) || at > INT64_MAX) {
        return ERR_PARSE;
    }
    t->sealed_at = (int64_t)at;
    engine_status_add(t, ST_CONNECTED | status);
    atomic_store(&t->notes, notes);
    t->idle = idle;
    t->rx_max = engine_content_max(t, t->hs.recv_limit);
    t->tx_max = engine_content_max(t, t->hs.send_limit);
    if (status & ST_PEER_CLOSED) {
        engine_read_end(t);
    } else {
        TRY(get_half(t, r, &t->rx, t->rx_secret));
    }
    if (status & ST_CLOSED) {
        engine_write_end(t);
    } else {
        TRY(get_half(t, r, &t->tx, t->tx_secret));
    }
    if (!rd_vec(r, 3, &message) || !rd_vec(r, 3, &out) || !message_is_legal(message, status)) {
        return ERR_PARSE;
    }
    TRY(buf_append(&t->message, message.p, message.n));
    return buf_append(&t->out, out.p, out.n);
}

/* All of it, into a new connection. */
static int get(struct tls *t, struct rd r, struct rd *received, struct rd *plain)
{
    const struct settings *s = t->hs.set;
    uint8_t context[SESSION_CONTEXT], role;
    uint16_t format;

    if (!rd_u16(&r, &format) || format != HAND_OFF_FORMAT || !rd_u8(&r, &role) ||
        !rd_copy(&r, context, sizeof context)) {
        return ERR_PARSE;
    }
    /* What the peer proved it proved to these rules (threat 27). */
    if (role != s->role || !ct_equal(context, s->context, sizeof context)) {
        return ERR_MISMATCH;
    }
    TRY(hs_take_over(&t->hs, &r));
    TRY(get_state(t, &r));
    return rd_vec(&r, 3, received) && rd_vec(&r, 3, plain) && rd_done(&r) ? 0 : ERR_PARSE;
}

int tls_take_over(struct tls **out, struct config *c, struct buf *blob, struct buf *received,
                  struct buf *plain, struct error *err)
{
    struct rd in = { 0 }, opened = { 0 };
    struct tls *t;
    int rc;

    *out = NULL;
    if (!config_sealed(c)) {
        return FAIL(err, ERR_ARG, "the configuration is not sealed");
    }
    t = engine_new(c);
    rc = t ? get(t, rd_span(buf_span(blob)), &in, &opened) : ERR_MEM;
    if (rc == 0) {
        plain->secret = true;
        rc = buf_reserve(received, in.n);
    }
    rc = rc < 0 ? rc : buf_reserve(plain, opened.n);
    rc = rc < 0 ? rc : buf_append(received, in.p, in.n);
    rc = rc < 0 ? rc : buf_append(plain, opened.p, opened.n);
    if (rc < 0) {
        tls_free(t);
        return FAIL(err, rc, "%s",
                    rc == ERR_PARSE      ? "the bytes are not those of a connection"
                    : rc == ERR_MISMATCH ? "the connection was made under another configuration"
                                         : error_name(rc));
    }
    blob->secret = true;
    buf_free(blob); /* so that these bytes make one connection and no second */
    *out = t;
    return 0;
}

/* ---- to the kernel ---- */

static void kernel_half(const struct rec_half *half, struct tls_kernel_half *out)
{
    struct rec_keys k;
    struct rec_sizes n;

    if (rec_half_keys(half, &k)) {
        n = rec_key_sizes(&k);
        memcpy(out->key, k.key, n.key);
        memcpy(out->iv, k.iv, n.iv);
        out->key_len = (uint8_t)n.key;
        out->iv_len = (uint8_t)n.iv;
        out->seq = seq_value(half->seq);
    }
}

int tls_kernel_keys(struct tls **t, struct tls_kernel *out)
{
    const struct suite *s = (*t)->hs.suite;

    TRY(movable(*t));
    if (s->mac != HASH_NONE) {
        return ERR_UNSUPPORTED;
    }
    if (buf_len(&(*t)->message) || tls_output(*t).n || (engine_status(*t) & (CLOSED | ST_FAILED))) {
        return ERR_STATE;
    }
    *out = (struct tls_kernel){ .version = (*t)->hs.version, .aead = s->aead };
    kernel_half(&(*t)->rx, &out->rx);
    kernel_half(&(*t)->tx, &out->tx);
    tls_free(*t);
    *t = NULL;
    return 0;
}
