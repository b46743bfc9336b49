/* SPDX-License-Identifier: ISC */
/* DHE: ephemeral Diffie-Hellman over a prime that the server names (RFC 5246 sections 7.4.3 and
 * 7.4.7.2; RFC 7919). */
#include "base/options.h"
#ifdef USE_DHE
#include "base/secret.h"
#include "handshake/kx12.h"

/* The least that the client lets us use, of ours; NULL: there is none. bits: what would go with the
 * rest of the handshake. */
static const struct group *named_group(const struct hs *h, size_t bits)
{
    const struct group *best = NULL;

    for (size_t i = 0; i < h->set->ngroups; i++) {
        const struct group *g = h->set->groups[i];
        bool better =
            best && (8u * best->secret_size < bits
                         ? g->secret_size > best->secret_size
                         : 8u * g->secret_size >= bits && g->secret_size < best->secret_size);

        /* RFC 7919 section 4: who names any takes no other. */
        if (group_is_ffdhe(g) && (!h->work->got_ffdhe || h->work->peer_has_group[i]) &&
            (!best || better)) {
            best = g;
        }
    }
    return best;
}

static size_t wanted_bits(const struct hs *h)
{
    const struct identity *id = h->work->identity;

    return id && id->leaf.key_type == KEY_RSA ? 8 * id->leaf.key_n.n : DH_BITS_MIN;
}

static int server_write(struct hs *h, struct wr *w)
{
    struct hs_work *k = h->work;
    struct dh_params named = { { 0 }, { 0 } };
    const struct dh_params *params = &h->set->dh;
    uint8_t share[DH_BYTES_MAX];
    size_t n;
    int rc = 0;

    kex_free(k->kex);
    k->kex = NULL;
    if (!buf_len(&params->p)) {
        rc = dhparams_named(&named, named_group(h, wanted_bits(h)));
        params = &named;
    }
    rc = rc < 0 ? rc : dhe_start(&k->kex, buf_span(&params->p), buf_span(&params->g), DH_BITS_MIN);
    rc = rc < 0 ? rc : dhe_share(k->kex, share, &n);
    if (rc == 0) {
        h->group = dhe_group(k->kex);
        wr_vec(w, 2, buf_data(&params->p), buf_len(&params->p));
        wr_vec(w, 2, buf_data(&params->g), buf_len(&params->g));
        wr_vec(w, 2, share, n);
    }
    dhparams_free(&named);
    return rc;
}

static int client_read(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    struct rd p, g, y;

    if (!rd_vec(body, 2, &p) || !rd_vec(body, 2, &g) || !rd_vec(body, 2, &y) || p.n == 0 ||
        g.n == 0 || y.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ServerKeyExchange");
    }
    k->dh_p = span_of(p.p, p.n);
    k->dh_g = span_of(g.p, g.n);
    k->share = span_of(y.p, y.n);
    return 0;
}

/* threat 18. */
static int start(struct hs *h)
{
    unsigned least = h->set->dh_bits ? h->set->dh_bits : DH_BITS_MIN;
    int rc = dhe_start(&h->work->kex, h->work->dh_p, h->work->dh_g, least);

    if (rc == ERR_UNSUPPORTED) {
        return FAIL(h->err, TLS_ALERT(ALERT_INSUFFICIENT_SECURITY),
                    "the server's Diffie-Hellman prime has fewer than %u bits, or more than %u",
                    least, 8 * DH_BYTES_MAX);
    }
    return rc == ERR_PARSE ? FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                                  "the server's Diffie-Hellman parameters are none")
                           : rc;
}

static int client_answer(struct hs *h)
{
    struct hs_work *k = h->work;
    SECRET(secret, DH_BYTES_MAX);
    uint8_t share[DH_BYTES_MAX];
    size_t n, nshare;
    struct wr w;
    int rc;

    TRY(start(h));
    h->group = dhe_group(k->kex);
    TRY(dhe_share(k->kex, share, &nshare));
    rc = dhe_finish(k->kex, k->share, secret, &n);
    if (rc < 0) {
        return FAIL(h->err, rc, "the server's key share is not valid");
    }
    TRY(buf_append(&k->premaster, secret, n));
    w = wr_buf(&k->exchange);
    wr_vec(&w, 2, share, nshare);
    return wr_commit(&w);
}

static int server_read(struct hs *h, struct rd *body)
{
    SECRET(secret, DH_BYTES_MAX);
    struct rd y;
    size_t n;
    int rc;

    if (!rd_vec(body, 2, &y) || y.n == 0) { /* empty: "implicit", in a certificate */
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ClientKeyExchange");
    }
    rc = dhe_finish(h->work->kex, span_of(y.p, y.n), secret, &n);
    if (rc < 0) {
        return FAIL(h->err, rc, "the client's key share is not valid");
    }
    return kx12_master(h, span_of(secret, n));
}

static bool usable(struct hs *h, const struct suite *s)
{
    return (buf_len(&h->set->dh.p) || named_group(h, DH_BITS_MIN)) &&
           ((kx12_of(s)->facts & FACT_NO_CERT) || cert_choose(h, s->auth) > 0);
}

const struct kx12 kx12_dhe = {
    .proves = PROVES_CHAIN | PROVES_POSSESSION,
    .ffdhe = true,
    .usable = usable,
    .server_write = server_write,
    .client_read = client_read,
    .client_answer = client_answer,
    .server_read = server_read,
};
#ifdef USE_ANON
const struct kx12 kx12_dh_anon = {
    .facts = FACT_NO_CERT,
    .proves = PROVES_ANONYMOUS,
    .ffdhe = true,
    .usable = usable,
    .server_write = server_write,
    .judge = anon12_judge,
    .client_read = client_read,
    .client_answer = client_answer,
    .server_read = server_read,
};
#endif
#endif
