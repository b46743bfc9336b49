/* SPDX-License-Identifier: ISC */
/* The server of TLS 1.2 (RFC 5246) and before. */
#include "base/options.h"

#if defined(USE_TLS_1_2) && defined(USE_SERVER_SIDE_SSL)
#include "handshake/kx12.h"

/* ---- resuming ---- */
/* May this session go on under today's policy (threats 20, 27, 28)? */
static bool resumable(struct hs *h, const struct client_hello *c, const struct tls_session *s)
{
    return s->version == h->version && keys12_resumable(h, s) && settings_list(h->set, s->suite) &&
           hello_client_lists(c, s->suite) && session_fresh(s, hs_now(h)) &&
           memcmp(s->context, h->set->context, SESSION_CONTEXT) == 0 &&
           span_eq(span_text(s->sni), span_text(h->sni)) &&
           (h->set->client_auth != CLIENT_AUTH_REQUIRE || s->peer_cert_len);
}

/* What the client offers, from its ticket, the store or the cache; *renew: it wants a new ticket.
 */
static struct tls_session *find_session(struct hs *h, const struct client_hello *c, bool *renew)
{
    const struct settings *set = h->set;
    struct hs_work *k = h->work;
    struct tls_session *s = NULL;

    *renew = false;
    if (!h->may_resume || !h->set->now) { /* without a clock nothing would ever be too old */
        return NULL;
    }
    if (!k->ticket.n && stored_possible(h)) {
        s = stored_found(h, span_of(c->session.p, c->session.n));
    } else if (k->ticket.n && set->tickets) {
        if (ticket_open(set->tickets, k->ticket, hs_now(h), &s, renew) < 0) {
            s = NULL;
        }
    } else if (c->session.n && set->cache) {
        s = session_cache_get(set->cache, span_of(c->session.p, c->session.n), hs_now(h));
    }
    if (s && !resumable(h, c, s)) {
        session_unref(s);
        s = NULL;
    }
    return s;
}

static int ticket_send(struct hs *h, struct tls_session *s)
{
    struct buf ticket = { 0 };
    struct hs_msg m;

    /* It was promised: when none can be made, an empty one is sent (RFC 5077 section 3.3). */
    if (!s || ticket_seal(h->set->tickets, s, hs_now(h), &ticket) < 0 ||
        buf_len(&ticket) > SESSION_TICKET_MAX) {
        buf_free(&ticket);
    }
    hs_msg_begin(&m, HS_NEW_SESSION_TICKET);
    wr_u32(&m.w, s ? s->lifetime : 0);
    wr_vec(&m.w, 2, buf_data(&ticket), buf_len(&ticket));
    buf_free(&ticket);
    return hs_msg_send(h, &m);
}

/* Takes the reference to s. */
static int resume(struct hs *h, const struct client_hello *c, struct tls_session *s, bool renew)
{
    struct hs_work *k = h->work;

    session_unref(h->session);
    h->session = s;
    if (h->ems != s->ems) { /* RFC 7627 section 5.3 */
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the client resumes its session without extended master secret");
    }
    h->suite = suite_by_id(s->suite);
    h->etm = k->offers_etm && !h->set->no_etm && h->suite->cbc != CBC_NONE;
    TRY(session_take(h, s));
    if (renew && k->offers_tickets) {
        h->facts |= FACT_TICKET;
    }
    k->session_id_len = c->session.n; /* by which the client knows */
    if (c->session.n) {
        memcpy(k->session_id, c->session.p, c->session.n);
    }
    TRY(transcript12_choose(h));
    TRY(hello_server_send(h, IN_SH12));
    if (h->facts & FACT_TICKET) {
        TRY(ticket_send(h, s));
    }
    TRY(keys12_resume(h, s));
    return finished12_send(h);
}

/* ---- the full handshake ---- */
static bool asks_enough(const struct hs *h, const struct kx12 *kx)
{
    return kx12_asks(kx) || h->set->client_auth != CLIENT_AUTH_REQUIRE;
}

static bool usable(struct hs *h, const struct suite *s)
{
    const struct kx12 *kx = kx12_of(s);

    return asks_enough(h, kx) && kx->usable(h, s);
}

static int request_send(struct hs *h)
{
    static const uint8_t types[] = { TYPE_RSA_SIGN, TYPE_ECDSA_SIGN };
    const struct protocol *p = protocol_of(h->version);
    const struct buf *names = &h->set->authorities;
    struct hs_msg m;
    size_t schemes;

    hs_msg_begin(&m, HS_CERTIFICATE_REQUEST);
    wr_vec(&m.w, 1, types, p->request_types);
    if (p->names_schemes) {
        schemes = wr_begin(&m.w, 2);
        for (size_t i = 0; i < h->set->nschemes; i++) {
            wr_u16(&m.w, h->set->schemes[i]->id);
        }
        wr_end(&m.w, 2, schemes);
    }
    wr_vec(&m.w, 2, buf_data(names), buf_len(names));
    h->facts |= FACT_CLIENT_AUTH;
    return hs_msg_send(h, &m);
}

static int status_send(struct hs *h)
{
    struct span status = cert_status(h);
    struct hs_msg m;

    hs_msg_begin(&m, HS_CERTIFICATE_STATUS);
    wr_u8(&m.w, 1); /* ocsp */
    wr_vec(&m.w, 3, status.p, status.n);
    return hs_msg_send(h, &m);
}

/* Behind ServerKeyExchange, or where it would be. */
static int flight_end(struct hs *h)
{
    struct hs_msg m;

    if (h->set->client_auth != CLIENT_AUTH_NONE && kx12_asks(kx12_of(h->suite))) {
        TRY(request_send(h));
    }
    hs_msg_begin(&m, HS_SERVER_HELLO_DONE);
    return hs_msg_send(h, &m);
}

/* ServerKeyExchange, and what comes behind it. */
static int key_exchange_send(struct hs *h, const struct kx12 *kx)
{
    struct hs_work *k = h->work;
    struct wr *w = &k->to_sign.w;
    struct span part[3];
    size_t at;

    if (!kx->server_write) {
        return flight_end(h);
    }
    hs_msg_begin(&k->to_sign, HS_SERVER_KEY_EXCHANGE);
    at = w->len;
    TRY(kx->server_write(h, w));
    if (!wr_ok(w)) {
        return ERR_MEM;
    }
    if (!kx12_signs(kx)) {
        if (w->len > at) {
            TRY(hs_msg_send(h, &k->to_sign));
        }
        return flight_end(h);
    }
    part[0] = span_of(k->client_random, RANDOM_SIZE);
    part[1] = span_of(k->server_random, RANDOM_SIZE);
    part[2] = span_of(w->p + at, w->len - at);
    return key_sign(h, part, 3, flight_end);
}

/* One that lacks nothing but a group. */
static bool lacks_group(struct hs *h, const struct suite *s)
{
    const struct kx12 *kx = kx12_of(s);

    return kx->ffdhe && asks_enough(h, kx) &&
           ((kx->facts & FACT_NO_CERT) || cert_choose(h, s->auth) > 0);
}

static int refuse(struct hs *h, const struct client_hello *c)
{
    /* RFC 7919 section 4 */
    if (h->work->got_ffdhe && hello_choose_suite(h, c, h->version, lacks_group)) {
        return FAIL(h->err, TLS_ALERT(ALERT_INSUFFICIENT_SECURITY),
                    "no group for DHE and no other cipher suite in common");
    }
    return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE), "no cipher suite in common");
}

static int full(struct hs *h, const struct client_hello *c)
{
    struct hs_work *k = h->work;
    const struct kx12 *kx;
    bool lasts;

    do {
        h->suite = hello_choose_suite(h, c, h->version, usable);
    } while (!h->suite && cert_widen(h));
    if (!h->suite) {
        return refuse(h, c);
    }
    h->etm = k->offers_etm && !h->set->no_etm && h->suite->cbc != CBC_NONE;
    h->group = NULL;
    h->scheme = NULL;
    cert_forget(h); /* of the handshake before */
    kx = kx12_of(h->suite);
    h->facts |= kx->facts;
    TRY(psk12_begin(h));
    if (kx->facts & FACT_NO_CERT) {
        k->identity = NULL;
    } else if (k->offers_status && cert_status(h).n) {
        h->facts |= FACT_STATUS;
    }
    k->session_id_len = 0;
    /* Else nothing is resumed. */
    lasts = keys12_lasts(h) && h->set->now && h->set->session_life;
    if (lasts && k->offers_tickets && h->set->tickets) {
        h->facts |= FACT_TICKET;
    } else if (lasts && (h->set->cache || stored_possible(h))) {
        TRY(rand_bytes(k->session_id, SESSION_ID_MAX));
        k->session_id_len = SESSION_ID_MAX;
    }
    k->transcript.keep = h->set->client_auth != CLIENT_AUTH_NONE && kx12_asks(kx);
    TRY(transcript12_choose(h));
    TRY(hello_server_send(h, IN_SH12));
    if (!(h->facts & FACT_NO_CERT)) {
        TRY(cert12_send(h));
    }
    if (h->facts & FACT_STATUS) {
        TRY(status_send(h));
    }
    return key_exchange_send(h, kx);
}

static int answer(struct hs *h)
{
    const struct client_hello *c = &h->work->hello;
    struct tls_session *s;
    bool renew;

    s = find_session(h, c, &renew);
    if (s) {
        return resume(h, c, s, renew);
    }
    session_unref(h->session);
    h->session = NULL;
    return full(h, c);
}

int server12_on_hello(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    struct client_hello *c = &k->hello;
    bool had_ems;

    TRY(hello_client_parse(h, body, c));
    TRY(hello_client_extensions(h, c, body));
    TRY(hello_client_choose12(h, c));
    TRY(cert_weigh(h));
    had_ems = h->renegotiating && h->ems;
    h->write_blocked = h->renegotiating; /* no peer expects data between our hello and Finished */
    h->ems = k->offers_ems && !h->set->no_ems;
    TRY(hello_check_ems(h, had_ems));
    ext_sizes_agree(h);
    memcpy(k->client_random, c->random.p, RANDOM_SIZE);
    TRY(hello_server_random(h, h->version));
    /* Ours are of that length, and resumed by who knows extended master secret. */
    if (stored_possible(h) && !k->ticket.n && h->ems && c->session.n == SESSION_ID_MAX) {
        return stored_find(h, span_of(c->session.p, c->session.n), false, answer);
    }
    return answer(h);
}

int server12_on_key_exchange(struct hs *h, struct rd *body)
{
    if (!(h->facts & FACT_PEER_CERT)) { /* no CertificateVerify will need them */
        transcript_drop_raw(&h->work->transcript);
    }
    return kx12_of(h->suite)->server_read(h, body);
}

int server12_on_finished(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;

    TRY(finished12_check(h, body));
    if (h->facts & FACT_RESUMED) {
        return 0;
    }
    TRY(psk12_end(h));
    /* No memory for the session: the next handshake is a full one. */
    if ((h->facts & FACT_TICKET) || k->session_id_len) {
        h->session = session12_make(h, h->set->session_life, span_of(NULL, 0));
    }
    if (h->facts & FACT_TICKET) {
        TRY(ticket_send(h, h->session));
    } else if (h->session && stored_possible(h)) {
        /* What cannot be kept is not resumed. */
        (void)!stored_put(h, span_of(h->session->id, h->session->id_len), h->session,
                          h->session->lifetime);
    } else if (h->session && h->set->cache) {
        session_cache_put(h->set->cache, h->session, hs_now(h));
    }
    h->finished_last = true;
    return finished12_send(h);
}
#endif
