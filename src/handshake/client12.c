/* SPDX-License-Identifier: ISC */
/* The client of TLS 1.2 (RFC 5246) and before. */
#include "base/options.h"

#if defined(USE_TLS_1_2) && defined(USE_CLIENT_SIDE_SSL)
#include "handshake/kx12.h"

/* RFC 5746 sections 3.4, 3.5. The contents of the extension were compared when it was read. */
static int check_secure(struct hs *h)
{
    bool got = h->work->got_renegotiation;

    /* Section 4.2: what the first handshake had the others must have too, and what it had not. */
    if (h->renegotiating ? h->secure != got : !got && h->set->require_secure) {
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the server does not know secure renegotiation (RFC 5746)");
    }
    h->secure = got;
    return 0;
}

static int resume(struct hs *h)
{
    const struct tls_session *s = h->session;

    if (h->suite->id != s->suite) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server resumes the session under another cipher suite");
    }
    if (h->version != s->version) { /* threat 22 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server resumes the session in another version");
    }
    if (h->ems != s->ems) { /* RFC 7627 section 5.3 */
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the server resumes the session without extended master secret");
    }
    transcript_drop_raw(&h->work->transcript);
    TRY(session_take(h, s));
    return keys12_resume(h, s);
}

int client12_on_hello(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    struct server_hello s;
    bool same, had_ems = h->renegotiating && h->ems;

    h->ems = h->etm = false;
    buf_free(&h->scts);
    h->max_fragment = h->send_limit = h->recv_limit = 0;
    TRY(hello_server_parse(h, body, IN_SH12, &s));
    TRY(check_secure(h));
    TRY(hello_check_ems(h, had_ems));
    same = s.session.n &&
           span_eq(span_of(s.session.p, s.session.n), span_of(k->session_id, k->session_id_len));
    if (same && !hello_is_session12(h->session)) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server resumes a session that was not offered");
    }
    TRY(transcript12_choose(h));
    if (same) {
        return resume(h);
    }
    session_unref(h->session);
    h->session = NULL;
    k->session_id_len = s.session.n;
    if (s.session.n) {
        memcpy(k->session_id, s.session.p, s.session.n);
    }
    h->facts |= kx12_of(h->suite)->facts;
    h->named = false;
    if (kx12_of(h->suite)->judge) {
        TRY(kx12_of(h->suite)->judge(h));
    }
    TRY(psk12_begin(h));
    h->group = NULL;
    h->scheme = NULL;
    buf_free(&h->status);
    return 0;
}

int client12_on_status(struct hs *h, struct rd *body)
{
    TRY(cert_take_status(h, body, true));
    return cert_settle(h);
}

/* Where the server may have left one message out, or two. */
static int check_exchanged(struct hs *h)
{
    TRY(cert_settle(h));
    return buf_len(&h->work->exchange) || (h->facts & FACT_SKE_OPTIONAL)
               ? 0
               : FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), "ServerKeyExchange is missing");
}

/* RFC 5246 section 7.4.3. */
int client12_on_key_exchange(struct hs *h, struct rd *body)
{
    const struct kx12 *kx = kx12_of(h->suite);
    struct hs_work *k = h->work;
    struct rd params = *body;
    struct span part[3];

    TRY(cert_settle(h));
    if (!kx->client_read) { /* threat 2: FREAK came this way */
        return FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE),
                    "ServerKeyExchange with a suite that has none");
    }
    TRY(kx->client_read(h, body));
    if (kx12_signs(kx)) {
        part[0] = span_of(k->client_random, RANDOM_SIZE);
        part[1] = span_of(k->server_random, RANDOM_SIZE);
        part[2] = span_of(params.p, params.n - body->n);
        TRY(cert_check_signature(h, body, part, 3));
        h->facts |= FACT_SIGNED;
    }
    return kx->client_answer(h);
}

int client12_on_request(struct hs *h, struct rd *body)
{
    const bool named = protocol_of(h->version)->names_schemes;
    struct rd types, schemes, authorities;
    bool rsa, ecdsa;

    TRY(check_exchanged(h));
    if (!kx12_asks(kx12_of(h->suite))) { /* section 7.4.4 */
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "a certificate is asked for with a suite that has none");
    }
    if (!rd_vec(body, 1, &types) || types.n == 0 || (named && !rd_vec(body, 2, &schemes)) ||
        !rd_vec(body, 2, &authorities) || (named && schemes_take(h, schemes) < 0) ||
        authorities_take(h, authorities) < 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed CertificateRequest");
    }
    h->facts |= FACT_CLIENT_AUTH;
    TRY(cert_weigh(h));
    rsa = types.n && memchr(types.p, TYPE_RSA_SIGN, types.n);
    ecdsa = types.n && memchr(types.p, TYPE_ECDSA_SIGN, types.n);
    if (rsa || ecdsa) { /* none that fits: an empty Certificate says so */
        (void)cert_choose(h, !ecdsa ? AUTH_RSA : !rsa ? AUTH_ECDSA : AUTH_ANY);
    }
    return 0;
}

int client12_on_done(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    struct hs_msg m;

    if (!rd_done(body)) { /* before anything is sent */
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ServerHelloDone");
    }
    TRY(check_exchanged(h));
    if (h->facts & FACT_CLIENT_AUTH) {
        TRY(cert12_send(h));
    }
    if (!(h->facts & FACT_CLIENT_AUTH) || !k->identity) {
        transcript_drop_raw(&k->transcript);
    }
    if (buf_len(&k->exchange) == 0) {
        TRY(kx12_of(h->suite)->client_answer(h));
    }
    hs_msg_begin(&m, HS_CLIENT_KEY_EXCHANGE);
    wr_bytes(&m.w, buf_data(&k->exchange), buf_len(&k->exchange));
    TRY(hs_msg_send(h, &m));
    TRY(kx12_master(h, buf_span(&k->premaster)));
    if ((h->facts & FACT_CLIENT_AUTH) && k->identity) {
        return cert12_verify_send(h, finished12_send);
    }
    return finished12_send(h);
}

int client12_on_ticket(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    struct rd ticket;

    if (!rd_u32(body, &k->ticket_life) || !rd_vec(body, 2, &ticket)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed NewSessionTicket");
    }
    /* Empty: none after all; too long: it would never be offered (threat 31). */
    return ticket.n <= TICKET_MAX ? buf_append(&k->new_ticket, ticket.p, ticket.n) : 0;
}

/* The session to offer next time. No memory for it: the next handshake is a full one. */
static void keep_session(struct hs *h)
{
    struct hs_work *k = h->work;
    bool resumed = h->facts & FACT_RESUMED;
    struct span ticket = buf_span(&k->new_ticket);
    struct tls_session *s;

    if (!keys12_lasts(h) || (resumed && ticket.n == 0) ||
        (k->session_id_len == 0 && ticket.n == 0)) {
        return;
    }
    if (resumed || ticket.n) {
        k->session_id_len = 0; /* ours, made up for the ticket; or the server's for none */
    }
    s = session12_make(h, ticket.n ? k->ticket_life : h->set->session_life, ticket);
    session_unref(h->session);
    h->session = s;
}

int client12_on_finished(struct hs *h, struct rd *body)
{
    TRY(finished12_check(h, body));
    TRY(psk12_end(h));
    keep_session(h);
    if (h->facts & FACT_RESUMED) {
        h->finished_last = true;
        return finished12_send(h);
    }
    return 0;
}

/* CONNECTED: the server wants a new handshake. Before that: it has crossed our ClientHello. */
int client12_on_hello_request(struct hs *h, struct rd *body)
{
    if (h->state != C12_CONNECTED && !h->renegotiating) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNEXPECTED_MESSAGE), "HelloRequest before any hello");
    }
    if (!rd_done(body)) { /* before anything is sent */
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed HelloRequest");
    }
    return h->state == C12_CONNECTED ? hs_client_begin(h) : 0;
}
#endif
