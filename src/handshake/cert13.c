/* SPDX-License-Identifier: ISC */
/* Certificate and CertificateVerify, both roles and both directions (RFC 8446 4.4.2, 4.4.3). */
#include <stdio.h>

#include "base/mem.h"
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

int cert13_choose(struct hs *h)
{
    struct hs_work *k = h->work;

    for (size_t i = 0; i < h->set->nidentities; i++) {
        const struct identity *id = h->set->identities[i];

        for (size_t j = 0; scheme_at(j); j++) {
            const struct scheme *s = scheme_at(j);

            if (!s->handshake13 || s->key != privkey_type(id->key) ||
                (id->leaf.key_hash != HASH_NONE && id->leaf.key_hash != s->hash)) {
                continue;
            }
            for (size_t n = 0; n < k->nschemes; n++) {
                if (k->schemes[n] == s->id) {
                    k->identity = id;
                    k->our_scheme = s;
                    return 1;
                }
            }
        }
    }
    return 0;
}

static int verify_send(struct hs *h)
{
    struct hs_work *k = h->work;
    struct signed_content c;
    struct hs_msg m;
    uint8_t at[HASH_MAX], sig[SIG_MAX];
    size_t siglen = sizeof sig;

    TRY(transcript_hash(&k->transcript, at));
    content_make(&c, h->set->role, at, hash_size(h->suite->hash));
    TRY(privkey_sign(k->identity->key, k->our_scheme, c.part, 3, sig, &siglen));
    hs_msg_begin(&m, HS_CERTIFICATE_VERIFY);
    wr_u16(&m.w, k->our_scheme->id);
    wr_vec(&m.w, 2, sig, siglen);
    return hs_msg_send(h, &m);
}

int cert13_send(struct hs *h)
{
    struct hs_work *k = h->work;
    struct hs_msg m;
    size_t list;

    hs_msg_begin(&m, HS_CERTIFICATE);
    wr_vec(&m.w, 1, buf_data(&k->request_context), buf_len(&k->request_context));
    list = wr_begin(&m.w, 3);
    for (size_t i = 0; k->identity && i < k->identity->ncerts; i++) {
        wr_vec(&m.w, 3, k->identity->certs[i].p, k->identity->certs[i].n);
        wr_u16(&m.w, 0); /* no extensions */
    }
    wr_end(&m.w, 3, list);
    TRY(hs_msg_send(h, &m));
    if (!k->identity) {
        return 0;
    }
    if (!h->scheme) {
        h->scheme = k->our_scheme;
    }
    return verify_send(h);
}

/* The engine's verdict, then the application's word on it. */
static int judge(struct hs *h, const struct cert *chain, size_t n)
{
    const struct settings *s = h->set;
    struct chain_query q = {
        .trust = s->trust,
        .peer_is_server = s->role == TLS_CLIENT,
        .host = s->role == TLS_CLIENT && s->verify == VERIFY_FULL ? h->name : NULL,
    };
    enum chain_verdict verdict;
    int rc = 0, word;

    if (s->verify != VERIFY_NONE) {
        q.now = s->now ? s->now() : 0;
        rc = chain_verify(&q, chain, n, &verdict, h->err);
    }
    if (!s->on_verify || (rc < 0 && !IS_TLS_ALERT(rc))) {
        return rc;
    }
    word = s->on_verify(s->on_verify_ctx, h->ctx, chain, n, rc < 0 ? ALERT_OF(rc) : 0);
    if (word == 0) {
        error_clear(h->err);
        return 0;
    }
    if (rc == 0) {
        return FAIL(h->err, word < 0 ? TLS_ALERT(ALERT_INTERNAL_ERROR) : TLS_ALERT(word),
                    "the application refused the peer's certificate");
    }
    return word < 0 ? TLS_ALERT(ALERT_INTERNAL_ERROR) : TLS_ALERT(word);
}

/* Takes the list apart: n certificates with no extension we did not ask for. */
static int list_read(struct hs *h, struct rd *list, struct cert *chain, size_t *n)
{
    struct rd der, exts;

    for (*n = 0; !rd_done(list); (*n)++) {
        if (!rd_vec(list, 3, &der) || der.n == 0) {
            return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
        }
        if (!rd_vec(list, 2, &exts)) {
            return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
        }
        if (exts.n) {
            return FAIL(h->err, TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION),
                        "a certificate extension that was not asked for");
        }
        if (*n == CHAIN_MAX_CERTS) {
            return FAIL(h->err, TLS_ALERT(ALERT_BAD_CERTIFICATE),
                        "the peer sent more than %d certificates", CHAIN_MAX_CERTS);
        }
        if (cert_parse(&chain[*n], span_of(der.p, der.n), h->err) < 0) {
            return TLS_ALERT(ALERT_BAD_CERTIFICATE);
        }
    }
    return 0;
}

int cert13_on_certificate(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    struct cert *chain;
    struct rd context, list;
    size_t n = 0;
    int rc;

    /* The context is empty in the main handshake (section 4.4.2). */
    if (!rd_vec(body, 1, &context) || !rd_vec(body, 3, &list)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
    }
    if (context.n) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "unexpected certificate context");
    }
    if (list.n == 0 && h->set->role == TLS_SERVER) {
        return h->set->client_auth == CLIENT_AUTH_REQUIRE
                   ? FAIL(h->err, TLS_ALERT(ALERT_CERTIFICATE_REQUIRED),
                          "the client has no certificate, and one is required")
                   : 0;
    }
    if (list.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "the server sent no certificate");
    }
    chain = mem_alloc(CHAIN_MAX_CERTS * sizeof *chain);
    if (!chain) {
        return ERR_MEM;
    }
    rc = list_read(h, &list, chain, &n);
    rc = rc < 0 ? rc : judge(h, chain, n);
    if (rc == 0 && cert_pubkey(&chain[0], &k->peer_key) < 0) {
        rc = FAIL(h->err, TLS_ALERT(ALERT_UNSUPPORTED_CERTIFICATE),
                  "the peer's key is of a kind that cannot be used");
    }
    if (rc == 0) {
        h->facts |= FACT_PEER_CERT;
        h->peer_cert_len = chain[0].der.n;
        h->peer_cert = mem_dup(chain[0].der.p, chain[0].der.n);
        rc = h->peer_cert ? 0 : ERR_MEM;
    }
    mem_free(chain);
    return rc;
}

int cert13_on_verify(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    const struct scheme *s;
    struct signed_content c;
    struct rd sig;
    uint16_t id;
    int rc;

    if (!rd_u16(body, &id) || !rd_vec(body, 2, &sig)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed CertificateVerify");
    }
    s = scheme_by_id(id); /* all that we have were offered */
    if (!s || !s->handshake13 || s->key != pubkey_type(k->peer_key)) { /* threat 4 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "signature scheme 0x%04x was not offered or does not fit the key", id);
    }
    content_make(&c, h->set->role == TLS_CLIENT ? TLS_SERVER : TLS_CLIENT, k->prior,
                 hash_size(h->suite->hash));
    rc = pubkey_verify(k->peer_key, s->kind, s->hash, c.part, 3, span_of(sig.p, sig.n));
    if (rc < 0) {
        return FAIL(h->err, IS_TLS_ALERT(rc) ? rc : TLS_ALERT(ALERT_DECRYPT_ERROR),
                    "the peer does not hold the key of its certificate");
    }
    h->scheme = s;
    return 0;
}
