/* SPDX-License-Identifier: ISC */
/* Messages behind the handshake (RFC 8446 section 4.6): tickets, key updates, and authentication of
 * the client whenever the server asks for it. */
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/local.h"

#define NONCE_SIZE   4 /* of a ticket of ours: they are counted */
#define CONTEXT_SIZE 16

int post13_start(struct hs *h, bool tickets, bool auth)
{
    struct hs_work *k = h->work;
    bool resumed = h->facts & FACT_RESUMED;
    uint8_t at[HASH_MAX];
    struct post13 *p;

    if (!tickets && !auth) {
        return 0;
    }
    p = mem_zalloc(sizeof *p);
    if (!p) {
        return FAIL(h->err, ERR_MEM, "out of memory");
    }
    h->post = p;
    p->tickets = tickets;
    p->made = resumed ? k->psk->made : hs_now(h);
    p->lifetime = h->set->session_life;
    if (resumed && k->psk->lifetime < p->lifetime) { /* never beyond the session that began it */
        p->lifetime = k->psk->lifetime;
    }
    TRY(transcript_hash(&k->transcript, at));
    TRY(schedule13_derive(&k->schedule, "res master", at, p->resumption));
    if (auth) {
        p->transcript = hash_copy(k->transcript.hash);
        return p->transcript ? 0 : ERR_CRYPTO;
    }
    return 0;
}

void post13_free(struct hs *h)
{
    if (h->post) {
        hash_free(h->post->transcript);
        mem_free_secret(h->post, sizeof *h->post);
        h->post = NULL;
    }
}

/* ---- tickets (section 4.6.1) ---- */
/* What this connection can be resumed with, but for the ticket; NULL: no memory. */
static struct tls_session *session13_make(struct hs *h, struct span nonce)
{
    struct tls_session *s = session_begin(h);
    size_t n = hash_size(h->suite->hash);

    if (!s || hkdf_expand_label(h->suite->hash, h->post->resumption, "resumption", nonce, s->secret,
                                n) < 0) {
        session_unref(s);
        return NULL;
    }
    s->secret_len = (uint8_t)n;
    return s;
}

/* What the client gets of a session: all of it, sealed, or where a store keeps it, a name. */
static int ticket_give(struct hs *h, const struct tls_session *s, struct buf *ticket)
{
    const struct post13 *p = h->post;
    uint8_t name[STORED_NAME];

    if (!stored_possible(h)) {
        return ticket_seal(h->set->tickets, s, hs_now(h), ticket);
    }
    TRY(rand_bytes(name, sizeof name));
    TRY(stored_put(h, span_of(name, sizeof name), s,
                   (uint32_t)(p->made / 1000 + p->lifetime - hs_now(h) / 1000)));
    return buf_append(ticket, name, sizeof name);
}

static int ticket_make(struct hs *h, struct span nonce, uint32_t *age_add, struct buf *ticket)
{
    const struct post13 *p = h->post;
    struct tls_session *s = session13_make(h, nonce);
    int rc = s ? rand_bytes(&s->age_add, sizeof s->age_add) : ERR_MEM;

    if (rc == 0) {
        *age_add = s->age_add;
        s->made = p->made;
        s->lifetime = p->lifetime;
        /* The client counts from now: this makes it from `made`. */
        s->age_add -= (uint32_t)(hs_now(h) - p->made);
        s->max_early = h->set->max_early;
        rc = ticket_give(h, s, ticket);
    }
    session_unref(s);
    return rc == 0 && buf_len(ticket) > TICKET_MAX ? ERR_LIMIT : rc;
}

static int ticket_send(struct hs *h)
{
    struct post13 *p = h->post;
    int64_t left = h->set->now ? p->made / 1000 + p->lifetime - h->set->now() : 0;
    uint8_t nonce[NONCE_SIZE];
    struct wr w = wr_of(nonce, sizeof nonce);
    struct buf ticket = { 0 };
    uint32_t age_add = 0;
    struct hs_msg m;
    int rc;

    wr_u32(&w, p->count++);
    /* None that can be used or made: the connection goes on without (threat 26). */
    if (left <= 0 || !h->set->tickets ||
        ticket_make(h, span_of(nonce, sizeof nonce), &age_add, &ticket) < 0) {
        buf_free(&ticket);
        return 0;
    }
    hs_msg_begin(&m, HS_NEW_SESSION_TICKET);
    wr_u32(&m.w, (uint32_t)left);
    wr_u32(&m.w, age_add);
    wr_vec(&m.w, 1, nonce, sizeof nonce);
    wr_vec(&m.w, 2, buf_data(&ticket), buf_len(&ticket));
    buf_free(&ticket);
    rc = ext_write(h, &m.w, IN_NST);
    if (rc == 0) {
        return hs_msg_send(h, &m);
    }
    buf_free(&m.buf);
    return rc;
}

int post13_tickets(struct hs *h)
{
    for (unsigned i = 0; h->post && h->post->tickets && i < h->set->tickets_sent; i++) {
        TRY(ticket_send(h));
    }
    return 0;
}

/* Keeps the newest. No memory for it: the one before stays. */
static void ticket_keep(struct hs *h, struct span nonce, struct span ticket, uint32_t lifetime,
                        uint32_t age_add)
{
    struct tls_session *s = session13_make(h, nonce);

    if (!s || session_set_bytes(&s->ticket, &s->ticket_len, ticket) < 0) {
        session_unref(s);
        return;
    }
    s->made = hs_now(h);
    s->lifetime = lifetime < SESSION_LIFE_MAX ? lifetime : SESSION_LIFE_MAX;
    s->age_add = age_add;
    s->max_early = h->post->max_early;
    session_unref(h->session);
    h->session = s;
    if (h->keep) {
        h->keep(h->keep_ctx, s);
    }
}

int post13_on_ticket(struct hs *h, struct rd *body)
{
    struct rd nonce, ticket;
    uint32_t lifetime, age_add;

    if (!rd_u32(body, &lifetime) || !rd_u32(body, &age_add) || !rd_vec(body, 1, &nonce) ||
        !rd_vec(body, 2, &ticket) || ticket.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed NewSessionTicket");
    }
    if (h->post) {
        h->post->max_early = 0;
    }
    TRY(ext_read(h, body, IN_NST));
    /* 0: to be discarded at once. One that is too long to be offered is no use to anyone. */
    if (lifetime && ticket.n <= TICKET_MAX && h->post && h->post->tickets) {
        ticket_keep(h, span_of(nonce.p, nonce.n), span_of(ticket.p, ticket.n), lifetime, age_add);
    }
    return 0;
}

/* ---- key update (section 4.6.3) ---- */
int post13_on_key_update(struct hs *h, struct rd *body)
{
    uint8_t request;

    if (!rd_u8(body, &request)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed KeyUpdate");
    }
    if (request > 1) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "KeyUpdate with value %u", request);
    }
    return h->host->key_update(h->ctx, request == 1);
}

/* ---- authentication (section 4.6.2) ---- */
int post13_begin(struct hs *h)
{
    const bool client = h->set->role == TLS_CLIENT, last = h->finished_last;

    if (!h->post || !h->post->transcript) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE),
                    "post-handshake authentication was not offered");
    }
    TRY(hs_work_new(h));
    /* What a client knows of its server stays; a server begins without any proof (threat 3), but
     * knows how the connection began. */
    h->facts = h->work->facts_before & (client ? ~0U : (unsigned)(FACT_RESUMED | FACT_PSK));
    h->finished_last = last;
    h->work->transcript.id = h->suite->hash;
    h->work->transcript.hash = hash_copy(h->post->transcript);
    return h->work->transcript.hash ? 0 : ERR_CRYPTO;
}

int post13_ask(struct hs *h)
{
    uint8_t context[CONTEXT_SIZE];

    TRY(post13_begin(h));
    cert_forget(h);
    TRY(rand_bytes(context, sizeof context)); /* no two requests have the same */
    TRY(buf_append(&h->work->request_context, context, sizeof context));
    return request13_send(h);
}

static int request_answer_end(struct hs *h)
{
    TRY(finished13_send(h, h->host->traffic(h->ctx, HS_WRITE)));
    hs_end(h);
    return 0;
}

int post13_on_request(struct hs *h, struct rd *body)
{
    TRY(request13_read(h, body));
    return cert13_send(h, request_answer_end);
}

int post13_on_finished(struct hs *h, struct rd *body)
{
    TRY(finished13_check(h, body, h->host->traffic(h->ctx, HS_READ)));
    return h->post->tickets ? ticket_send(h) : 0; /* with the certificate in it */
}
#endif
