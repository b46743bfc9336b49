/* SPDX-License-Identifier: ISC */
/* Certificate and CertificateVerify of TLS 1.2 and before, both roles (RFC 5246 sections 7.4.2,
 * 7.4.8). */
#include "base/options.h"

#ifdef USE_TLS_1_2
#include "handshake/local.h"

int cert12_send(struct hs *h)
{
    const struct identity *id = h->work->identity;
    struct hs_msg m;
    size_t list;

    if (!id && !protocol_of(h->version)->has_empty) {
        return h->host->warn(h->ctx, ALERT_NO_CERTIFICATE);
    }
    hs_msg_begin(&m, HS_CERTIFICATE);
    list = wr_begin(&m.w, 3);
    for (size_t i = 0; id && i < id->ncerts; i++) {
        wr_vec(&m.w, 3, id->certs[i].p, id->certs[i].n);
    }
    wr_end(&m.w, 3, list);
    return hs_msg_send(h, &m);
}

/* SSL 3: a warning in place of an empty list. */
int cert12_on_none(struct hs *h, struct rd *body)
{
    struct rd empty = rd_of(NULL, 0);

    (void)body;
    return cert_take(h, &empty);
}

int cert12_on_certificate(struct hs *h, struct rd *body)
{
    enum key_type type;
    struct rd list;

    if (!rd_vec(body, 3, &list)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
    }
    TRY(cert_take(h, &list));
    if (h->set->role == TLS_SERVER) {
        return 0;
    }
    type = pubkey_type(h->work->peer_key);
    if (!cert_auth_fits(h->suite->auth, type) || ((h->facts & FACT_ENCIPHERS) && type != KEY_RSA)) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server's certificate does not fit its cipher suite");
    }
    return 0;
}

/* All messages so far are signed, not their hash: the scheme has a hash of its own. No other one
 * will be. */
static int messages_sign(struct hs *h, hs_step *after)
{
    struct transcript *t = &h->work->transcript;
    struct buf raw = t->raw;
    struct span all = buf_span(&raw);
    int rc;

    t->raw = (struct buf){ 0 };
    t->keep = false;
    hs_msg_begin(&h->work->to_sign, HS_CERTIFICATE_VERIFY);
    rc = key_sign(h, &all, 1, after);
    buf_free(&raw);
    return rc;
}

int cert12_verify_send(struct hs *h, hs_step *after)
{
    const struct protocol *p = protocol_of(h->version);
    uint8_t digest[HASH_MAX];
    struct span part;

    if (!p->verify_digest) {
        return messages_sign(h, after);
    }
    TRY(p->verify_digest(h, 0, digest));
    h->work->our_scheme = p->verify_scheme();
    part = span_of(digest, hash_size(h->work->our_scheme->hash));
    hs_msg_begin(&h->work->to_sign, HS_CERTIFICATE_VERIFY);
    return key_sign(h, &part, 1, after);
}

int cert12_on_verify(struct hs *h, struct rd *body)
{
    const struct protocol *p = protocol_of(h->version);
    struct transcript *t = &h->work->transcript;
    struct span all = buf_span(&t->raw);
    uint8_t digest[HASH_MAX];
    int rc;

    if (p->verify_digest) {
        TRY(p->verify_digest(h, HS_HEADER + body->n, digest));
        all = span_of(digest, hash_size(p->verify_scheme()->hash));
        return cert_check_under(h, body, p->verify_scheme(), &all, 1);
    }
    all.n -= HS_HEADER + body->n; /* this message is in it already */
    rc = cert_check_signature(h, body, &all, 1);
    transcript_drop_raw(t);
    return rc;
}
#endif
