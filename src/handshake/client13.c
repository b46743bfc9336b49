/* SPDX-License-Identifier: ISC */
/* The client of TLS 1.3. */
#include "base/secret.h"
#include "handshake/local.h"

/* SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3). */
const uint8_t hello_retry_random[RANDOM_SIZE] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

int client13_hello_send(struct hs *h)
{
    struct hs_work *k = h->work;
    struct hs_msg m;
    size_t list;
    int rc;

    if (!k->share_group) {
        k->share_group = h->set->groups[0];
    }
    hs_msg_begin(&m, HS_CLIENT_HELLO);
    wr_u16(&m.w, TLS_1_2);
    wr_bytes(&m.w, k->random, RANDOM_SIZE);
    wr_vec(&m.w, 1, k->session_id, k->session_id_len);
    list = wr_begin(&m.w, 2);
    for (size_t i = 0; i < h->set->nsuites; i++) {
        wr_u16(&m.w, h->set->suites[i]->id);
    }
    wr_end(&m.w, 2, list);
    wr_u16(&m.w, 0x0100); /* one compression method: null */
    rc = ext_write(h, &m.w, IN_CH);
    if (rc < 0) {
        buf_free(&m.buf);
        return rc;
    }
    return hs_msg_send(h, &m);
}

/* What ServerHello and HelloRetryRequest share, up to and with the extensions (section 4.1.3). */
static int hello_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct hs_work *k = h->work;
    const struct suite *suite = NULL;
    uint16_t version, id;
    uint8_t compression;
    struct span random;
    struct rd session;

    if (!rd_u16(body, &version) || !rd_bytes(body, RANDOM_SIZE, &random) ||
        !rd_vec(body, 1, &session) || !rd_u16(body, &id) || !rd_u8(body, &compression)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ServerHello");
    }
    k->got_version = k->got_shares = false;
    if (rd_done(body)) { /* an older server may send no extensions at all */
        return FAIL(h->err, TLS_ALERT(ALERT_PROTOCOL_VERSION), "the server does not speak TLS 1.3");
    }
    TRY(ext_read(h, body, where));
    if (!k->got_version || version != TLS_1_2) {
        return FAIL(h->err, TLS_ALERT(ALERT_PROTOCOL_VERSION), "the server does not speak TLS 1.3");
    }
    if (session.n != k->session_id_len || memcmp(session.p, k->session_id, session.n) != 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "the session id is not ours");
    }
    for (size_t i = 0; i < h->set->nsuites; i++) {
        suite = h->set->suites[i]->id == id ? h->set->suites[i] : suite;
    }
    if (!suite || (k->retried && suite != h->suite)) { /* threat 34 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server chose a cipher suite that was not offered");
    }
    if (compression != 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "the server chose compression");
    }
    h->suite = suite;
    h->version = TLS_1_3;
    return 0;
}

int client13_on_retry(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    const struct group *g = NULL;

    TRY(hello_read(h, body, IN_HRR));
    if (!k->got_shares && buf_len(&k->cookie) == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "HelloRetryRequest that changes nothing");
    }
    if (k->got_shares) {
        for (size_t i = 0; i < h->set->ngroups; i++) {
            g = h->set->groups[i]->id == k->selected_group ? h->set->groups[i] : g;
        }
        if (!g || g == k->share_group) { /* section 4.2.8 */
            return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                        "HelloRetryRequest asks for a group not offered or already sent");
        }
        k->share_group = g;
    }
    k->retried = true;
    TRY(transcript_choose(&k->transcript, h->suite->hash, true));
    TRY(keys13_compat_ccs(h));
    return client13_hello_send(h);
}

int client13_on_hello(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    SECRET(shared, KEX_SECRET_MAX);
    int rc;

    TRY(hello_read(h, body, IN_SH));
    if (!k->got_shares) {
        return FAIL(h->err, TLS_ALERT(ALERT_MISSING_EXTENSION), "ServerHello without key_share");
    }
    if (!k->retried) {
        TRY(transcript_choose(&k->transcript, h->suite->hash, false));
    }
    rc = kex_finish(k->kex, k->share, shared);
    if (rc < 0) {
        return FAIL(h->err, rc, "the server's key share is not valid");
    }
    h->group = k->share_group;
    TRY(keys13_handshake(h, span_of(shared, h->group->secret_size)));
    TRY(h->host->set_keys(h->ctx, HS_READ, h->suite, k->server_traffic));
    TRY(keys13_compat_ccs(h));
    return h->host->set_keys(h->ctx, HS_WRITE, h->suite, k->client_traffic);
}

int client13_on_extensions(struct hs *h, struct rd *body)
{
    return ext_read(h, body, IN_EE);
}

int client13_on_request(struct hs *h, struct rd *body)
{
    struct rd context;

    if (!rd_vec(body, 1, &context)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed CertificateRequest");
    }
    if (context.n) { /* section 4.3.2: empty in the main handshake */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "unexpected certificate context");
    }
    TRY(ext_read(h, body, IN_CR));
    if (!h->work->got_schemes) {
        return FAIL(h->err, TLS_ALERT(ALERT_MISSING_EXTENSION),
                    "CertificateRequest without signature_algorithms");
    }
    h->facts |= FACT_CLIENT_AUTH;
    (void)cert13_choose(h); /* none that fits: an empty Certificate says so */
    return 0;
}

int client13_on_finished(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    SECRET(client, HASH_MAX);
    SECRET(server, HASH_MAX);

    TRY(finished13_check(h, body, k->server_traffic));
    TRY(keys13_application(h, client, server));
    if (h->facts & FACT_CLIENT_AUTH) {
        TRY(cert13_send(h));
    }
    TRY(finished13_send(h, k->client_traffic));
    TRY(h->host->set_keys(h->ctx, HS_WRITE, h->suite, client));
    return h->host->set_keys(h->ctx, HS_READ, h->suite, server);
}
