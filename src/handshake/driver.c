/* SPDX-License-Identifier: ISC */
/* The driver: finds the row, holds the message against it, hashes, calls, moves. Handlers never set
 * the state, and a handshake of our own asking ends in enter_connected() or not at all. */
#include "base/mem.h"
#include "base/options.h"
#include "base/secret.h"
#include "base/trace.h"
#include "handshake/describe.h"
#include "handshake/kx12.h"

#define ANY_FACTS (~0u)

static const struct {
    const struct edge *edges;
    const size_t *n;
} tables[] = {
#ifdef USE_TLS_1_2
    { tls12_edges, &tls12_nedges },
#endif
#ifdef USE_TLS_1_3
    { tls13_edges, &tls13_nedges },
#endif
};

/* The first row of (state, message) whose guard holds. Before the handler has found the facts any
 * row will do: those of one (state, message) share handler and flags. */
static const struct edge *edge_find(enum hs_state from, unsigned message, unsigned facts)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (const struct edge *e = tables[t].edges; e < tables[t].edges + *tables[t].n; e++) {
            if (e->from == from && e->message == message && (e->guard & facts) == e->guard) {
                return e;
            }
        }
    }
    return NULL;
}

static bool is_connected(enum hs_state s)
{
    return s == C_CONNECTED || s == S_CONNECTED || s == C12_CONNECTED || s == S12_CONNECTED;
}

bool hs_connected(const struct hs *h)
{
    return is_connected(h->state);
}

bool hs_data_legal(const struct hs *h)
{
    /* While TLS 1.2 renegotiates data goes on under the old keys, but nothing comes between
     * change_cipher_spec and Finished. */
    return hs_connected(h) || h->state == S_POST_CERT ||
           (h->renegotiating && h->state != C12_WAIT_FINISHED && h->state != S12_WAIT_FINISHED);
}

bool hs_early_legal(const struct hs *h)
{
    return h->state == S_WAIT_EOED;
}

bool hs_key_unproved(const struct hs *h)
{
    return (h->state == C12_WAIT_FINISHED || h->state == S12_WAIT_FINISHED) &&
           (h->facts & FACT_PSK);
}

bool hs_half_open(const struct hs *h)
{
    return (h->state == S_WAIT_EOED || h->state == S_WAIT_FINISHED) &&
           h->early == TLS_EARLY_ACCEPTED;
}

const char *hs_alpn(const struct hs *h)
{
    return h->early == TLS_EARLY_OFFERED && h->work ? h->work->psk->alpn : h->alpn;
}

int64_t hs_now(const struct hs *h)
{
    return h->set->now ? h->set->now() * 1000 : 0;
}

/* What the peer has to have proved, beside Finished. */
static unsigned demanded(const struct hs *h)
{
    /* What the connection began with proves nothing of a client that is asked later. */
    const bool later = h->state == S_POST_FINISHED;
    const struct kx12 *kx = kx12_of(h->suite);
    unsigned need = 0;

    if (!later && (h->facts & FACT_RESUMED)) {
        return PROVES_SESSION;
    }
    if (!later && (h->facts & FACT_PSK)) {
        need = PROVES_PSK;
    } else if (h->set->role == TLS_CLIENT || (h->facts & FACT_PEER_CERT) ||
               h->set->client_auth == CLIENT_AUTH_REQUIRE) {
        need = PROVES_CHAIN | PROVES_POSSESSION;
    }
    return h->set->role == TLS_CLIENT && kx ? kx->proves : need;
}

/* The one way into CONNECTED: everything that this role and mode call for has been proved, and no
 * certificate waits for its verdict (threats 2, 3). */
static int enter_connected(struct hs *h, enum hs_state to)
{
    const unsigned need = PROVES_FINISHED | demanded(h);

    if ((h->proves & need) != need || (h->work && buf_len(&h->work->unjudged))) {
        return FAIL(h->err, TLS_ALERT(ALERT_INTERNAL_ERROR), "the handshake proved too little");
    }
    h->state = to;
    h->renegotiating = h->write_blocked = false;
    h->may_resume = true;
    hs_end(h);
    return 0;
}

/* All that the message calls for is done. */
static int move(struct hs *h, unsigned kind)
{
    const struct edge *e = edge_find(h->state, kind, h->facts);

    if (!e) {
        return FAIL(h->err, TLS_ALERT(ALERT_INTERNAL_ERROR), "no way on from message %u", kind);
    }
    h->proves |= e->proves;
    if (is_connected(e->to) && !hs_connected(h)) {
        return enter_connected(h, e->to);
    }
    h->state = e->to;
    return 0;
}

static int step(struct hs *h, unsigned kind, struct span message, bool last_in_record)
{
    struct rd body = rd_of(message.p + HS_HEADER, message.n - HS_HEADER);
    const struct edge *e = edge_find(h->state, kind, ANY_FACTS);

    if (!e) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE),
                    "handshake message %u is not expected here", kind);
    }
    if ((e->flags & LAST_IN_RECORD) && !last_in_record) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE),
                    "bytes follow handshake message %u in its record", kind);
    }
    if ((e->flags & STARTS) && hs_connected(h)) {
        h->renegotiating = !hs_is_13(h);
        TRY(hs_is_13(h) ? post13_begin(h) : hs_work_new(h));
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
    if (hs_waiting(h)) {
        h->work->waiting = kind;
        return 0;
    }
    return move(h, kind);
}

bool hs_waiting(const struct hs *h)
{
    return h->work && h->work->pending;
}

bool hs_ready(const struct hs *h)
{
    return task_ready(h->work->pending);
}

int hs_resume(struct hs *h)
{
    const unsigned kind = h->work->waiting;

    TRY(h->work->go_on(h));
    return hs_waiting(h) ? 0 : move(h, kind);
}

int hs_message(struct hs *h, struct span message, bool last_in_record)
{
    hs_trace(false, h->version, message);
    if (h->state == S_WAIT_CH && message.p[0] == HS_CLIENT_HELLO) {
        TRY(hello_ask_config(h, message));
    }
    return step(h, hello_kind(h, message), message, last_in_record);
}

int hs_change_cipher(struct hs *h)
{
    static const uint8_t none[HS_HEADER];

    trace(TRACE_HANDSHAKE, "received change_cipher_spec");
    return step(h, HS_CHANGE_CIPHER_SPEC, span_of(none, sizeof none), true);
}

bool hs_warning_counts(const struct hs *h, unsigned desc)
{
    const struct protocol *p = protocol_of(h->version);

    return desc == ALERT_NO_CERTIFICATE && p && !p->has_empty && !hs_is_13(h) &&
           h->state == S12_WAIT_CERT;
}

int hs_no_certificate(struct hs *h)
{
    static const uint8_t none[HS_HEADER];

    trace(TRACE_HANDSHAKE, "received no_certificate");
    return step(h, HS_NO_CERTIFICATE, span_of(none, sizeof none), true);
}

unsigned hs_alert(const struct hs *h, unsigned desc)
{
    const struct protocol *p = protocol_of(h->version);

    return p && p->alert ? p->alert(desc) : desc;
}

size_t hs_message_max(unsigned type)
{
    switch (type) {
    case HS_CERTIFICATE:
    case HS_COMPRESSED_CERTIFICATE:
    case HS_CERTIFICATE_REQUEST:
    case HS_CERTIFICATE_STATUS:
    case HS_NEW_SESSION_TICKET:
        return CHAIN_MAX_BYTES + 8192;
    default:
        return 16384; /* threat 31 */
    }
}

size_t hs_longest(const struct hs *h, unsigned type)
{
    const size_t max = hs_message_max(type);
    size_t ours = max;

    if (type == HS_CLIENT_HELLO) {
        ours = h->set->max_hello;
    } else if (type == HS_CERTIFICATE || type == HS_COMPRESSED_CERTIFICATE) {
        ours = h->set->max_chain;
    }
    return ours < max ? ours : max;
}

bool hs_expects(const struct hs *h, unsigned type)
{
    return type <= HS_SERVER_HELLO || edge_find(h->state, type, ANY_FACTS);
}

int hs_work_new(struct hs *h)
{
    const unsigned facts = h->facts;

    hs_end(h);
    h->work = mem_zalloc(sizeof *h->work);
    if (!h->work) {
        return FAIL(h->err, ERR_MEM, "out of memory");
    }
    h->work->facts_before = facts;
    h->work->premaster.secret = true;
    h->proves = h->facts = 0;
    h->finished_last = h->asked = false;
    return 0;
}

/* A session is offered to whom it came from, while it is fresh, and when it could come about today
 * (threats 27, 28). */
static bool may_offer(const struct hs *h, const struct tls_session *s)
{
    return (hello_is_session13(s) ? psk13_usable(h, s) : settings_list(h->set, s->suite)) &&
           hello_offers(h, s->version) && session_fresh(s, hs_now(h)) &&
           s->ticket_len <= TICKET_MAX &&
           memcmp(s->context, h->set->context, SESSION_CONTEXT) == 0 &&
           span_eq(span_text(s->name), span_text(h->name)) &&
           span_eq(span_text(s->sni), span_text(h->sni)) &&
           (!hello_is_session12(s) || (keys12_resumable(h, s) && (s->id_len || s->ticket_len)));
}

/* What goes into our ClientHello as session id: of the session, or a random one by which the server
 * says that it took the ticket (RFC 5077 section 3.4), or that middleboxes want to see in TLS 1.3
 * (RFC 8446 appendix D.4). */
static void pick_session_id(struct hs *h, const uint8_t any[static SESSION_ID_MAX])
{
    struct hs_work *k = h->work;
    const struct tls_session *s = h->session;

    if (hello_is_session12(s) && s->id_len && !s->ticket_len) {
        memcpy(k->session_id, s->id, s->id_len);
        k->session_id_len = s->id_len;
    } else if (s || hello_offers(h, TLS_1_3)) {
        memcpy(k->session_id, any, SESSION_ID_MAX);
        k->session_id_len = SESSION_ID_MAX;
    }
}

/* All that is random in a ClientHello beside its key shares, drawn at once: it is the call of
 * libcrypto's generator that costs, not the bytes. */
static int draw_hello(struct hs *h)
{
    struct hs_work *k = h->work;
    uint8_t drawn[RANDOM_SIZE + SESSION_ID_MAX + GREASE_VALUES];

    TRY(rand_bytes(drawn, sizeof drawn));
    memcpy(k->client_random, drawn, RANDOM_SIZE);
    pick_session_id(h, drawn + RANDOM_SIZE);
    memcpy(k->grease, drawn + RANDOM_SIZE + SESSION_ID_MAX, sizeof k->grease);
    return 0;
}

int hs_client_begin(struct hs *h)
{
    h->state = C_WAIT_SH;
    if (h->session && (!h->may_resume || !may_offer(h, h->session))) {
        h->work->aside = h->session;
        h->session = NULL;
    }
    if (h->session && hello_is_session13(h->session)) { /* used once (RFC 8446 appendix C.4) */
        if (atomic_exchange(&h->session->spent, true)) {
            session_unref(h->session);
        } else {
            h->work->psk = h->session;
        }
        h->session = NULL;
    }
    TRY(draw_hello(h));
    h->write_blocked = h->renegotiating; /* no peer expects data between our hello and Finished */
    /* Whether TLS 1.2 will ask for our signature over all of it is not known yet. */
    h->work->transcript.keep = hello_offers_12(h) && h->set->nidentities > 0;
    TRY(hello_client_send(h));
    return early13_begin(h);
}

#ifdef USE_SERVER_SIDE_SSL
static int server_begin(struct hs *h)
{
    h->state = S_WAIT_CH;
    return 0;
}
#endif

/* A side that is not compiled does not begin. */
static int begin(struct hs *h)
{
    static int (*const sides[2])(struct hs * h) = {
#ifdef USE_CLIENT_SIDE_SSL
        [TLS_CLIENT] = hs_client_begin,
#endif
#ifdef USE_SERVER_SIDE_SSL
        [TLS_SERVER] = server_begin,
#endif
    };

    return sides[h->set->role] ? sides[h->set->role](h)
                               : FAIL(h->err, ERR_UNSUPPORTED, "this side is not compiled in");
}

int hs_start(struct hs *h, const char *name, const char *sni)
{
    TRY(hs_work_new(h));
    if ((name && !(h->name = mem_strdup(name))) || (sni && !(h->sni = mem_strdup(sni)))) {
        return FAIL(h->err, ERR_MEM, "out of memory");
    }
    h->may_resume = true;
    h->peer_not_after = INT64_MAX;
    return begin(h);
}

int hs_restart(struct hs *h, bool resume)
{
    static const uint8_t request[HS_HEADER] = { HS_HELLO_REQUEST };

    h->may_resume = resume;
    if (h->set->role == TLS_SERVER) { /* not part of any transcript (RFC 5246 section 7.4.1.1) */
        h->asked = true;
        return h->host->send(h->ctx, span_of(request, sizeof request));
    }
    h->renegotiating = true;
    TRY(hs_work_new(h));
    return begin(h);
}

int hs_may_request(const struct hs *h)
{
    if (!hs_connected(h)) {
        return ERR_STATE;
    }
    return h->state == S_CONNECTED && h->post && h->post->transcript ? 0 : ERR_UNSUPPORTED;
}

int hs_request(struct hs *h, const struct settings *set)
{
    h->set = set;
    TRY(post13_ask(h));
    h->state = S_POST_CERT;
    return 0;
}

void hs_abandon(struct hs *h)
{
    h->asked = false;
    h->may_resume = true;
    if (h->renegotiating && h->state == C_WAIT_SH) {
        if (h->work->aside) {
            h->session = h->work->aside;
            h->work->aside = NULL;
        }
        h->facts = h->work->facts_before;
        h->renegotiating = h->write_blocked = false;
        h->state = C12_CONNECTED;
        hs_end(h);
    }
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
        hs_trace(true, h->version, buf_span(&m->buf));
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
    shares_drop(w);
    pubkey_unref(w->peer_key);
    key_job_cancel(w->job);
    session_lookup_cancel(w->lookup);
    session_unref(w->found);
    buf_free(&w->to_sign.buf);
    buf_free(&w->unjudged);
    buf_free(&w->cookie);
    buf_free(&w->request_context);
    buf_free(&w->exchange);
    buf_free(&w->premaster);
    buf_free(&w->new_ticket);
    session_unref(w->psk);
    session_unref(w->aside);
    h->work = NULL;
    mem_free_secret(w, sizeof *w);
    crypto_idle();
}

void hs_forget(struct hs *h)
{
    const struct tls_session *s = h->session;

    if (s && s->id_len && h->set->role == TLS_SERVER) {
        if (h->set->cache) {
            session_cache_drop(h->set->cache, span_of(s->id, s->id_len));
        }
        if (h->set->store.drop) {
            h->set->store.drop(h->set->store.ctx, span_of(s->id, s->id_len));
        }
    }
    session_unref(h->session);
    h->session = NULL;
}

void hs_over(struct hs *h)
{
    post13_free(h);
    exporter_free(h);
    hs_end(h);
}

/* RFC 5246 section 7.2.2. */
void hs_failed(struct hs *h)
{
    hs_forget(h);
    hs_over(h);
}

void hs_free(struct hs *h)
{
    hs_end(h);
    post13_free(h);
    exporter_free(h);
    mem_free(h->alpn);
    mem_free(h->sni);
    mem_free(h->name);
    mem_free(h->psk);
    cert_list_unref(h->peer);
    buf_free(&h->status);
    buf_free(&h->scts);
    session_unref(h->session);
    h->alpn = h->sni = h->name = h->psk = NULL;
    h->peer = NULL;
    h->session = NULL;
}
