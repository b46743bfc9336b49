/* SPDX-License-Identifier: ISC */
/* ECDHE (RFC 8422): a named curve, and a point of each side. */
#include "base/options.h"

#ifdef USE_TLS_1_2
#include "base/secret.h"
#include "crypto/memory.h"
#include "handshake/kx12.h"

static const struct group *common_group(const struct hs *h)
{
    for (size_t i = 0; i < h->set->ngroups; i++) {
        const struct group *g = h->set->groups[i];

        /* RFC 8422 section 4: a client that says nothing takes any; secp256r1 is what all have. */
        if (group_is_classic(g) &&
            (h->work->got_groups ? h->work->peer_has_group[i] : g->id == GROUP_SECP256R1)) {
            return g;
        }
    }
    return NULL;
}

static bool usable(struct hs *h, const struct suite *s)
{
    return common_group(h) && ((kx12_of(s)->facts & FACT_NO_CERT) || cert_choose(h, s->auth) > 0);
}

/* Section 5.4. */
static int server_write(struct hs *h, struct wr *w)
{
    struct hs_work *k = h->work;
    uint8_t share[KEX_SHARE_MAX];

    h->group = common_group(h);
    kex_free(k->kex);
    k->kex = kex_start(h->group, share);
    if (!k->kex) {
        return crypto_why(ERR_CRYPTO);
    }
    wr_u8(w, 3); /* named_curve */
    wr_u16(w, h->group->id);
    wr_vec(w, 1, share, h->group->share_client);
    return 0;
}

static int client_read(struct hs *h, struct rd *body)
{
    struct hs_work *k = h->work;
    struct rd point;
    uint8_t type;

    if (!rd_u8(body, &type) || !rd_u16(body, &k->selected_group) || !rd_vec(body, 1, &point) ||
        point.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ServerKeyExchange");
    }
    if (type != 3) { /* named_curve: anything else is no group of ours */
        k->selected_group = 0;
    }
    k->share = span_of(point.p, point.n);
    return 0;
}

/* A named curve of ours, and a point on it; section 5.7. */
static int client_answer(struct hs *h)
{
    struct hs_work *k = h->work;
    uint8_t share[KEX_SHARE_MAX], size;
    SECRET(secret, KEX_SECRET_MAX);
    int rc;

    for (size_t i = 0; i < h->set->ngroups; i++) {
        if (h->set->groups[i]->id == k->selected_group && group_is_classic(h->set->groups[i])) {
            h->group = h->set->groups[i];
        }
    }
    if (!h->group) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server chose a group that was not offered");
    }
    rc = kex_respond(h->group, k->share, share, secret);
    if (rc < 0) {
        return FAIL(h->err, rc, "the server's key share is not valid");
    }
    size = (uint8_t)h->group->share_server;
    TRY(buf_append(&k->premaster, secret, h->group->secret_size));
    TRY(buf_append(&k->exchange, &size, 1));
    return buf_append(&k->exchange, share, size);
}

static int server_read(struct hs *h, struct rd *body)
{
    SECRET(premaster, KEX_SECRET_MAX);
    struct rd point;
    int rc;

    if (!rd_vec(body, 1, &point) || point.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ClientKeyExchange");
    }
    rc = kex_finish(h->work->kex, span_of(point.p, point.n), premaster);
    if (rc < 0) {
        return FAIL(h->err, rc, "the client's key share is not valid");
    }
    return kx12_master(h, span_of(premaster, h->group->secret_size));
}

const struct kx12 kx12_ecdhe = {
    .proves = PROVES_CHAIN | PROVES_POSSESSION,
    .ec = true,
    .usable = usable,
    .server_write = server_write,
    .client_read = client_read,
    .client_answer = client_answer,
    .server_read = server_read,
};
#endif
