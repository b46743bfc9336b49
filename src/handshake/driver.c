/* SPDX-License-Identifier: ISC */
/* The driver: finds the row, holds the message against it, hashes, calls, moves. Handlers never set
 * the state, and only enter_connected() ends a handshake. */
#include "base/mem.h"
#include "base/secret.h"
#include "base/trace.h"
#include "handshake/local.h"

static const struct edge *edge_find(enum hs_state from, unsigned message, unsigned facts)
{
    for (size_t i = 0; i < tls13_nedges; i++) {
        const struct edge *e = &tls13_edges[i];

        if (e->from == from && e->message == message && (e->guard & facts) == e->guard) {
            return e;
        }
    }
    return NULL;
}

/* HelloRetryRequest is a ServerHello by its type (RFC 8446 section 4.1.3). */
static unsigned message_kind(struct span message)
{
    if (message.p[0] == HS_SERVER_HELLO && message.n >= HS_HEADER + 2 + RANDOM_SIZE &&
        memcmp(message.p + HS_HEADER + 2, hello_retry_random, RANDOM_SIZE) == 0) {
        return HS_HELLO_RETRY_REQUEST;
    }
    return message.p[0];
}

bool hs_connected(const struct hs *h)
{
    return h->state == C_CONNECTED || h->state == S_CONNECTED;
}

bool hs_started(const struct hs *h)
{
    return h->state != S_WAIT_CH;
}

/* The one way into CONNECTED: everything that this role and mode call for has been proved
 * (threats 2, 3). */
static int enter_connected(struct hs *h, enum hs_state to)
{
    unsigned need = PROVES_FINISHED;

    if (h->set->role == TLS_CLIENT || (h->facts & FACT_PEER_CERT) ||
        h->set->client_auth == CLIENT_AUTH_REQUIRE) {
        need |= PROVES_CHAIN | PROVES_POSSESSION;
    }
    if ((h->proves & need) != need) {
        return FAIL(h->err, TLS_ALERT(ALERT_INTERNAL_ERROR), "the handshake proved too little");
    }
    h->state = to;
    hs_end(h);
    return 0;
}

int hs_message(struct hs *h, struct span message, bool last_in_record)
{
    unsigned kind = message_kind(message);
    const struct edge *e = NULL;
    struct rd body = rd_of(message.p + HS_HEADER, message.n - HS_HEADER);

    /* Any row of (state, message) serves until the handler has found the facts: they share it. */
    for (size_t i = 0; i < tls13_nedges && !e; i++) {
        if (tls13_edges[i].from == h->state && tls13_edges[i].message == kind) {
            e = &tls13_edges[i];
        }
    }
    trace(TRACE_HANDSHAKE, "received handshake message %u, %zu bytes", kind, message.n);
    if (!e) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE),
                    "handshake message %u is not expected here", kind);
    }
    if ((e->flags & LAST_IN_RECORD) && !last_in_record) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE),
                    "bytes follow handshake message %u in its record", kind);
    }
    if (e->flags & NEEDS_PRIOR) {
        TRY(transcript_hash(&h->work->transcript, h->work->prior));
    }
    if (!(e->flags & NO_TRANSCRIPT)) {
        TRY(transcript_add(&h->work->transcript, message));
    }
    TRY(e->handler(h, &body));
    if (!rd_done(&body)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR),
                    "handshake message %u has bytes left over", kind);
    }
    e = edge_find(h->state, kind, h->facts);
    if (!e) {
        return FAIL(h->err, TLS_ALERT(ALERT_INTERNAL_ERROR), "no way on from message %u", kind);
    }
    h->proves |= e->proves;
    if ((e->to == C_CONNECTED || e->to == S_CONNECTED) && !hs_connected(h)) {
        return enter_connected(h, e->to);
    }
    h->state = e->to;
    return 0;
}

size_t hs_message_max(unsigned type)
{
    switch (type) {
    case HS_CERTIFICATE:
    case HS_CERTIFICATE_REQUEST:
    case HS_NEW_SESSION_TICKET:
        return CHAIN_MAX_BYTES + 8192;
    default:
        return 16384; /* threat 31 */
    }
}

int hs_start(struct hs *h, const char *name, const char *sni)
{
    h->work = mem_zalloc(sizeof *h->work);
    if (!h->work || (name && !(h->name = mem_strdup(name))) ||
        (sni && !(h->sni = mem_strdup(sni)))) {
        return FAIL(h->err, ERR_MEM, "out of memory");
    }
    if (h->set->role == TLS_SERVER) {
        h->state = S_WAIT_CH;
        return 0;
    }
    h->state = C_WAIT_SH;
    TRY(rand_bytes(h->work->random, RANDOM_SIZE));
    memcpy(h->work->client_random, h->work->random, RANDOM_SIZE);
    TRY(rand_bytes(h->work->session_id, SESSION_ID_MAX));
    h->work->session_id_len = SESSION_ID_MAX;
    return client13_hello_send(h);
}

void hs_msg_begin(struct hs_msg *m, enum hs_type type)
{
    m->buf = (struct buf){ 0 };
    m->w = wr_buf(&m->buf);
    wr_u8(&m->w, type);
    m->mark = wr_begin(&m->w, 3);
}

int hs_msg_send(struct hs *h, struct hs_msg *m)
{
    int rc;

    wr_end(&m->w, 3, m->mark);
    rc = wr_commit(&m->w);
    if (rc == 0) {
        trace(TRACE_HANDSHAKE, "sending handshake message %u, %zu bytes", buf_data(&m->buf)[0],
              buf_len(&m->buf));
        rc = transcript_add(&h->work->transcript, buf_span(&m->buf));
    }
    if (rc == 0) {
        rc = h->host->send(h->ctx, buf_span(&m->buf));
    }
    buf_free(&m->buf);
    return rc;
}

void hs_end(struct hs *h)
{
    struct hs_work *w = h->work;

    if (!w) {
        return;
    }
    transcript_free(&w->transcript);
    kex_free(w->kex);
    pubkey_free(w->peer_key);
    buf_free(&w->cookie);
    buf_free(&w->request_context);
    h->work = NULL;
    mem_free_secret(w, sizeof *w);
}

void hs_free(struct hs *h)
{
    hs_end(h);
    mem_free(h->alpn);
    mem_free(h->sni);
    mem_free(h->name);
    mem_free(h->peer_cert);
    h->alpn = h->sni = h->name = NULL;
    h->peer_cert = NULL;
}
