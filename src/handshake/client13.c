/* SPDX-License-Identifier: ISC */
/* The client of TLS 1.3. */
#include "base/options.h"

#if defined(USE_TLS_1_3) && defined(USE_CLIENT_SIDE_SSL)
#include "base/secret.h"
#include "handshake/local.h"

/* ServerHello or HelloRetryRequest, whose session id echoes ours (section 4.1.3). */
static int hello_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct hs_work *k = h->work;
    struct server_hello s;

    TRY(hello_server_parse(h, body, where, &s));
    if (!k->got_version) { /* section 4.1.4: a second one says the same as the first */
        return FAIL(h->err,
                    TLS_ALERT(k->retried ? ALERT_ILLEGAL_PARAMETER : ALERT_MISSING_EXTENSION),
                    "the server's hello lacks supported_versions");
    }
    if (!span_eq(span_of(s.session.p, s.session.n), span_of(k->session_id, k->session_id_len))) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "the session id is not ours");
    }
    k->transcript.keep = false; /* CertificateVerify signs the hash */
    h->secure = true;           /* there is no renegotiation */
    return 0;
}

int client13_on_retry(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    const struct group *g = NULL;

    TRY(early13_refused(h));
    TRY(hello_read(h, body, IN_HRR));
    if (!k->got_shares && buf_len(&k->cookie) == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "HelloRetryRequest that changes nothing");
    }
    if (k->got_shares) {
        for (size_t i = 0; i < h->set->ngroups; i++) {
            g = h->set->groups[i]->id == k->selected_group ? h->set->groups[i] : g;
        }
        if (!g || g == k->share_group || share_is_beside(h, g->id)) { /* section 4.2.8 */
            return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                        "HelloRetryRequest asks for a group not offered or already sent");
        }
        k->share_group = g;
    }
    k->retried = true;
    k->transcript.keep = psk13_offers(h); /* the next binder covers it */
    TRY(transcript_choose(&k->transcript, h->suite->hash, true));
    TRY(keys13_compat_ccs(h));
    return hello_client_send(h);
}

int client13_on_hello(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    SECRET(shared, KEX_SECRET_MAX);
    int rc;

    TRY(hello_read(h, body, IN_SH));
    if (!k->got_shares && !(k->psk_chosen && h->set->psk_ke)) { /* sections 4.2.11, 9.2 */
        return FAIL(h->err,
                    TLS_ALERT(k->psk_chosen ? ALERT_ILLEGAL_PARAMETER : ALERT_MISSING_EXTENSION),
                    "ServerHello without key_share");
    }
    TRY(psk13_answered(h));
    if (!(h->facts & FACT_RESUMED)) {
        TRY(early13_refused(h));
    }
    if (!k->retried) {
        TRY(transcript_choose(&k->transcript, h->suite->hash, false));
    }
    transcript_drop_raw(&k->transcript);
    rc = k->got_shares ? kex_finish(k->kex, k->share, shared) : 0;
    if (rc < 0) {
        return FAIL(h->err, rc, "the server's key share is not valid");
    }
    h->group = k->got_shares ? k->share_group : NULL;
    TRY(keys13_handshake(h, span_of(shared, h->group ? h->group->secret_size : 0)));
    TRY(keys13_set(h, HS_READ, k->server_traffic));
    TRY(keys13_compat_ccs(h));
    return h->early == TLS_EARLY_OFFERED ? 0 : keys13_set(h, HS_WRITE, k->client_traffic);
}

int client13_on_extensions(struct hs *h, struct rd *body)
{
    TRY(ext_read(h, body, IN_EE));
    return early13_answered(h);
}

int request13_read(struct hs *h, struct rd *body)
{
    struct rd context;

    if (!rd_vec(body, 1, &context)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed CertificateRequest");
    }
    TRY(buf_append(&h->work->request_context, context.p, context.n));
    TRY(ext_read(h, body, IN_CR));
    if (!h->work->got_schemes) {
        return FAIL(h->err, TLS_ALERT(ALERT_MISSING_EXTENSION),
                    "CertificateRequest without signature_algorithms");
    }
    TRY(cert_weigh(h));
    (void)cert_choose(h, AUTH_ANY); /* none that fits: an empty Certificate says so */
    return 0;
}

int client13_on_request(struct hs *h, struct rd *body)
{
    TRY(request13_read(h, body));
    if (buf_len(&h->work->request_context)) { /* section 4.3.2: empty in the main handshake */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "unexpected certificate context");
    }
    h->facts |= FACT_CLIENT_AUTH;
    return 0;
}

static int flight_end(struct hs *h)
{
    struct hs_work *k = h->work;

    h->finished_last = true;
    TRY(finished13_send(h, k->client_traffic));
    TRY(keys13_set(h, HS_WRITE, k->client_application));
    TRY(keys13_set(h, HS_READ, k->server_traffic));
    return post13_start(h, !h->set->no_tickets, h->set->post_auth);
}

int client13_on_finished(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;

    TRY(finished13_check(h, body, k->server_traffic));
    /* From here the server's handshake secret has done its work. */
    TRY(keys13_application(h, k->client_application, k->server_traffic));
    TRY(early13_end(h));
    return h->facts & FACT_CLIENT_AUTH ? cert13_send(h, flight_end) : flight_end(h);
}
#endif
