/* SPDX-License-Identifier: ISC */
/* The certificate of the peer and what it signs with it, for both versions and both directions. */
#include "base/mem.h"
#include "handshake/local.h"

/* The first of them to expire. */
static int64_t least_not_after(const struct cert *chain, size_t n)
{
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < n; i++) {
        least = chain[i].not_after < least ? chain[i].not_after : least;
    }
    return least;
}

static int verdict(struct hs *h, const struct chain_query *q, const struct cert *chain, size_t n,
                   int64_t *until)
{
    const bool nameless = q->peer_is_server && h->set->verify == VERIFY_FULL && !h->name;
    struct chain_result result;
    int rc;

    *until = least_not_after(chain, n);
    if (nameless) { /* threat 32: it was to be known by its key */
        return FAIL(h->err, TLS_ALERT(ALERT_CERTIFICATE_UNKNOWN),
                    "the server has no key of ours, and no name to verify its certificate by is "
                    "set");
    }
    if (h->set->verify == VERIFY_NONE) {
        return chain_check_pin(q, &chain[0], h->err);
    }
    rc = chain_verify(q, chain, n, &result, h->err);
    *until = rc == 0 ? result.not_after : *until;
    return rc;
}

/* The engine's verdict, then the application's word on it. *until: when the path that was found
 * ends, or, without one, any of the certificates. */
static int judge(struct hs *h, const struct cert *chain, size_t n, int64_t *until)
{
    const struct settings *s = h->set;
    const bool client = s->role == TLS_CLIENT;
    const struct chain_query q = {
        .trust = s->trust,
        .now = s->now ? s->now() : 0,
        .peer_is_server = client,
        .enciphers = client && (h->facts & FACT_ENCIPHERS),
        .host = client && s->verify == VERIFY_FULL ? h->name : NULL,
        .partial = s->partial_chain,
        .weak = s->weak_certs,
        .revoke = s->revoke,
        .revocation = s->revocation,
        .staple = client ? buf_span(&h->status) : span_of(NULL, 0),
        .pins = (const uint8_t(*)[PIN_SIZE])s->pins,
        .npins = s->npins,
        .cache = s->chain_cache,
    };
    int rc = verdict(h, &q, chain, n, until), word;

    h->named = q.host && rc == 0;
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

int cert_take_status(struct hs *h, struct rd *body, bool leaf)
{
    struct rd response;
    uint8_t type;

    if (!rd_u8(body, &type) || type != 1 || !rd_vec(body, 3, &response) || response.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed OCSP response");
    }
    return leaf ? buf_append(&h->status, response.p, response.n) : 0;
}

static int entry_extension(struct hs *h, uint16_t id, struct rd *body, bool leaf)
{
    struct span rest;

    TRY(ext_check_place(h, id, IN_CT));
    if (id == EXT_STATUS_REQUEST && h->set->ask_status) {
        return cert_take_status(h, body, leaf);
    }
    if (id == EXT_CERTIFICATE_TIMESTAMP && h->set->ask_scts) {
        if (leaf) {
            return scts_take(h, body);
        }
        (void)!rd_bytes(body, body->n, &rest);
        return 0;
    }
    return FAIL(h->err, TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION),
                "a certificate extension that was not asked for");
}

/* TLS 1.3 puts extensions behind each certificate, of those that we asked for; what is said about
 * the leaf is kept. */
static int entry_extensions(struct hs *h, struct rd *list, bool leaf)
{
    uint16_t id, seen[2] = { 0 };
    struct rd exts, body;

    if (!rd_vec(list, 2, &exts)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
    }
    while (!rd_done(&exts)) {
        if (!rd_u16(&exts, &id) || !rd_vec(&exts, 2, &body)) {
            return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
        }
        if (id && (id == seen[0] || id == seen[1])) { /* section 4.2 */
            return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "extension %u twice", id);
        }
        seen[seen[0] != 0] = id; /* there are two that we may have asked for */
        TRY(entry_extension(h, id, &body, leaf));
        if (!rd_done(&body)) {
            return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "extension %u has bytes left over",
                        id);
        }
    }
    return 0;
}

static int list_read(struct hs *h, struct rd *list, struct cert *chain, size_t *n)
{
    struct rd der;

    for (*n = 0; !rd_done(list); (*n)++) {
        if (!rd_vec(list, 3, &der) || der.n == 0) {
            return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed Certificate");
        }
        if (hs_is_13(h)) {
            TRY(entry_extensions(h, list, *n == 0));
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

void cert_forget(struct hs *h)
{
    cert_list_unref(h->peer);
    h->peer = NULL;
    h->peer_not_after = INT64_MAX;
}

/* Keeps what outlives the handshake, unless this fails. A server that renegotiates may not become
 * another one unless both handshakes are bound to their certificates (threat 20). */
static int keep(struct hs *h, struct cert_list *list, int64_t until)
{
    if (h->renegotiating && h->peer && !span_eq(cert_list_leaf(h->peer), cert_list_leaf(list)) &&
        !h->ems) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the peer changed its certificate without extended master secret");
    }
    cert_forget(h);
    h->peer = cert_list_ref(list);
    h->peer_not_after = until;
    h->facts |= FACT_PEER_CERT;
    return 0;
}

int cert_take(struct hs *h, struct rd *list)
{
    struct cert_list *kept = NULL;
    struct cert *chain;
    struct span certs;
    int64_t until = 0;
    size_t n = 0;
    bool waits;
    int rc;

    if (list->n == 0 && h->set->role == TLS_SERVER) {
        if (h->set->client_auth != CLIENT_AUTH_REQUIRE) {
            return 0;
        }
        /* The alert of that name is new in TLS 1.3 (RFC 5246 section 7.4.6). */
        return FAIL(h->err,
                    TLS_ALERT(hs_is_13(h) ? ALERT_CERTIFICATE_REQUIRED : ALERT_HANDSHAKE_FAILURE),
                    "the client has no certificate, and one is required");
    }
    if (list->n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "the server sent no certificate");
    }
    chain = mem_alloc(CHAIN_MAX_CERTS * sizeof *chain);
    if (!chain) {
        return ERR_MEM;
    }
    certs = span_of(list->p, list->n);
    waits = h->set->role == TLS_CLIENT && (h->facts & FACT_STATUS);
    rc = list_read(h, list, chain, &n);
    if (rc == 0 && waits) { /* the OCSP response follows: cert_settle() */
        until = least_not_after(chain, n);
        rc = buf_append(&h->work->unjudged, certs.p, certs.n);
    } else if (rc == 0) {
        rc = judge(h, chain, n, &until);
    }
    if (rc == 0) {
        rc = chain_cache_keep(h->set->chain_cache, chain, n, &h->work->peer_key, &kept);
    }
    if (rc == ERR_PARSE || rc == ERR_UNSUPPORTED) {
        rc = FAIL(h->err, TLS_ALERT(ALERT_UNSUPPORTED_CERTIFICATE),
                  "the peer's key is of a kind that cannot be used");
    }
    rc = rc < 0 ? rc : keep(h, kept, until);
    cert_list_unref(kept);
    mem_free(chain);
    return rc;
}

int cert_settle(struct hs *h)
{
    struct buf *waiting = &h->work->unjudged;
    struct rd list = rd_span(buf_span(waiting));
    struct cert *chain;
    size_t n = 0;
    int rc;

    if (rd_done(&list)) {
        return 0;
    }
    chain = mem_alloc(CHAIN_MAX_CERTS * sizeof *chain);
    if (!chain) {
        return ERR_MEM;
    }
    rc = list_read(h, &list, chain, &n);
    rc = rc < 0 ? rc : judge(h, chain, n, &h->peer_not_after);
    mem_free(chain);
    buf_free(waiting);
    return rc;
}

/* Which scheme the peer signed under: it says so, or there is but one. */
static int scheme_read(struct hs *h, struct rd *body, const struct scheme **found)
{
    const struct protocol *p = protocol_of(h->version);
    enum key_type key = pubkey_type(h->work->peer_key);
    uint16_t id;

    if (!p->names_schemes) {
        *found = p->scheme(key);
        return *found ? 0
                      : FAIL(h->err, TLS_ALERT(ALERT_UNSUPPORTED_CERTIFICATE),
                             "%s has no signatures by the peer's kind of key", p->name);
    }
    if (!rd_u16(body, &id)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed signature");
    }
    for (size_t i = 0; i < h->set->nschemes; i++) {
        *found = h->set->schemes[i]->id == id ? h->set->schemes[i] : *found;
    }
    if (!*found || !cert_scheme_fits(h, *found, key)) { /* threat 4 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "signature scheme 0x%04x was not offered or does not fit the key", id);
    }
    return 0;
}

int cert_check_under(struct hs *h, struct rd *body, const struct scheme *s, const struct span *part,
                     size_t n)
{
    struct rd sig;
    int rc;

    if (!rd_vec(body, 2, &sig)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed signature");
    }
    rc = s->digested
             ? pubkey_verify_digest(h->work->peer_key, s->kind, s->hash, part[0],
                                    span_of(sig.p, sig.n))
             : pubkey_verify(h->work->peer_key, s->kind, s->hash, part, n, span_of(sig.p, sig.n));
    if (IS_TLS_ALERT(rc) || rc == ERR_MISMATCH) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECRYPT_ERROR),
                    "the peer does not hold the key of its certificate");
    }
    if (rc < 0) {
        return FAIL(h->err, rc, "the peer's signature could not be checked");
    }
    h->scheme = s;
    return 0;
}

int cert_check_signature(struct hs *h, struct rd *body, const struct span *part, size_t n)
{
    const struct scheme *s = NULL;

    TRY(scheme_read(h, body, &s));
    return cert_check_under(h, body, s, part, n);
}
