/* SPDX-License-Identifier: ISC */
/* Certificate and CertificateVerify, both roles and both directions (RFC 8446 4.4.2, 4.4.3). */
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "handshake/local.h"

static const char server_label[] = "TLS 1.3, server CertificateVerify";
static const char client_label[] = "TLS 1.3, client CertificateVerify";

/* What is signed: 64 spaces, the label with its zero byte, the transcript hash. */
struct signed_content {
    uint8_t spaces[64];
    struct span part[3];
};

static void content_make(struct signed_content *c, enum tls_role signer, const uint8_t *hash,
                         size_t n)
{
    memset(c->spaces, ' ', sizeof c->spaces);
    c->part[0] = span_of(c->spaces, sizeof c->spaces);
    c->part[1] = signer == TLS_SERVER ? span_of(server_label, sizeof server_label)
                                      : span_of(client_label, sizeof client_label);
    c->part[2] = span_of(hash, n);
}

static int verify_send(struct hs *h, hs_step *after)
{
    struct signed_content c;
    uint8_t at[HASH_MAX];

    TRY(transcript_hash(&h->work->transcript, at));
    content_make(&c, h->set->role, at, hash_size(h->suite->hash));
    hs_msg_begin(&h->work->to_sign, HS_CERTIFICATE_VERIFY);
    return key_sign(h, c.part, 3, after);
}

/* The extensions behind a certificate of ours: OCSP response and timestamps to whoever asked. */
static void entry_write(struct hs *h, struct wr *w, bool leaf)
{
    struct span status = cert_status(h), scts = cert_scts(h);
    size_t exts = wr_begin(w, 2), body;

    leaf = leaf && h->set->role == TLS_SERVER;
    if (leaf && status.n && h->work->offers_status) {
        wr_u16(w, EXT_STATUS_REQUEST);
        body = wr_begin(w, 2);
        wr_u8(w, 1); /* ocsp */
        wr_vec(w, 3, status.p, status.n);
        wr_end(w, 2, body);
    }
    if (leaf && scts.n && h->work->offers_scts) {
        wr_u16(w, EXT_CERTIFICATE_TIMESTAMP);
        wr_vec(w, 2, scts.p, scts.n);
    }
    wr_end(w, 2, exts);
}

int cert13_send(struct hs *h, hs_step *after)
{
    struct hs_work *k = h->work;
    struct hs_msg m;
    size_t list;

    hs_msg_begin(&m, HS_CERTIFICATE);
    wr_vec(&m.w, 1, buf_data(&k->request_context), buf_len(&k->request_context));
    list = wr_begin(&m.w, 3);
    for (size_t i = 0; k->identity && i < k->identity->ncerts; i++) {
        wr_vec(&m.w, 3, k->identity->certs[i].p, k->identity->certs[i].n);
        entry_write(h, &m.w, i == 0);
    }
    wr_end(&m.w, 3, list);
    if (k->unpacks) {
        cert13_pack(&m);
    }
    TRY(hs_msg_send(h, &m));
    return k->identity ? verify_send(h, after) : after(h);
}

int cert13_on_certificate(struct hs *h, struct rd *body)
{
    struct rd context, list;

    /* The context is that of the request, empty in the main handshake (section 4.4.2). */
    if (!rd_vec(body, 1, &context) || !rd_vec(body, 3, &list)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
    }
    if (!span_eq(span_of(context.p, context.n), buf_span(&h->work->request_context))) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "unexpected certificate context");
    }
    return cert_take(h, &list);
}

int cert13_on_verify(struct hs *h, struct rd *body)
{
    struct signed_content c;

    content_make(&c, h->set->role == TLS_CLIENT ? TLS_SERVER : TLS_CLIENT, h->work->prior,
                 hash_size(h->suite->hash));
    return cert_check_signature(h, body, c.part, 3);
}
#endif
