/* SPDX-License-Identifier: ISC */
/* The extensions that only TLS 1.3 has (RFC 8446 section 4.2). */
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/memory.h"
#include "handshake/extensions.h"

/* ---- cookie ---- */
int ext_cookie_write(struct hs *h, struct wr *w, enum ext_where where)
{
    if (where != IN_CH || buf_len(&h->work->cookie) == 0) {
        return 0;
    }
    wr_vec(w, 2, buf_data(&h->work->cookie), buf_len(&h->work->cookie));
    return 1;
}

int ext_cookie_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd c;

    if (!rd_vec(body, 2, &c) || c.n == 0) {
        return ext_bad(h, "cookie");
    }
    if (where == IN_CH) { /* we send none */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "a cookie that was never given");
    }
    return buf_append(&h->work->cookie, c.p, c.n);
}

/* ---- key_share ---- */
static const struct group *group_beside(const struct settings *s, const struct group *g)
{
    for (size_t i = 0; i < s->ngroups; i++) {
        if (s->groups[i]->id == g->beside) {
            return s->groups[i];
        }
    }
    return NULL;
}

bool share_is_beside(const struct hs *h, uint16_t id)
{
    return h->work->beside && h->work->kex_group->beside == id;
}

void shares_drop(struct hs_work *k)
{
    kex_free(k->beside);
    k->beside = NULL;
    buf_free(&k->shares);
}

/* A key, and its share behind the others. */
static int share_add(struct hs_work *k, const struct group *g, struct kex **kex)
{
    uint8_t share[KEX_SHARE_MAX],
        head[] = { (uint8_t)(g->id >> 8), (uint8_t)g->id, (uint8_t)(g->share_client >> 8),
                   (uint8_t)g->share_client };

    *kex = kex_start(g, share);
    if (!*kex) {
        return crypto_why(ERR_CRYPTO);
    }
    TRY(buf_append(&k->shares, head, sizeof head));
    return buf_append(&k->shares, share, g->share_client);
}

/* Of a hybrid, and of what a server without it has: it needs no HelloRetryRequest then. What that
 * asks for comes alone (section 4.2.8); one for a cookie changes no share (section 4.1.2). */
static int shares_make(struct hs *h)
{
    struct hs_work *k = h->work;
    const struct group *second = k->retried ? NULL : group_beside(h->set, k->share_group);

    if (k->kex_group == k->share_group) {
        return 0;
    }
    kex_free(k->kex);
    shares_drop(k);
    k->kex_group = k->share_group;
    TRY(share_add(k, k->share_group, &k->kex));
    return second ? share_add(k, second, &k->beside) : 0;
}

int ext_share_write(struct hs *h, struct wr *w, enum ext_where where)
{
    struct hs_work *k = h->work;
    size_t list;
    bool asked_for;

    if (where == IN_HRR) {
        wr_u16(w, k->share_group->id);
        return 1;
    }
    if (where == IN_SH && k->alone) {
        return 0;
    }
    if (where == IN_SH) { /* server13.c made it: k->share is ours by then */
        wr_u16(w, k->share_group->id);
        wr_vec(w, 2, k->share.p, k->share.n);
        return 1;
    }
    if (!hello_offers(h, TLS_1_3)) {
        return 0;
    }
    asked_for = k->kex_group && k->kex_group != k->share_group;
    TRY(shares_make(h));
    list = wr_begin(w, 2);
    if (hello_grease(h, GREASE_GROUP) && !asked_for) {
        hello_put_grease(h, w, GREASE_GROUP);
        wr_vec(w, 2, "", 1);
    }
    wr_bytes(w, buf_data(&k->shares), buf_len(&k->shares));
    wr_end(w, 2, list);
    return 1;
}

/* The server has answered the second share: it becomes the one. */
static void share_swap(struct hs_work *k)
{
    struct kex *first = k->kex;

    k->kex = k->beside;
    k->beside = first;
    k->kex_group = k->share_group = group_by_id(k->kex_group->beside);
}

static int share_read_client(struct hs *h, struct rd *body, enum ext_where where)
{
    struct hs_work *k = h->work;
    struct rd key;
    uint16_t id;

    if (!rd_u16(body, &id)) {
        return ext_bad(h, "key_share");
    }
    if (where == IN_HRR) {
        k->selected_group = id;
        k->got_shares = true;
        return 0;
    }
    if (!rd_vec(body, 2, &key) || key.n == 0) {
        return ext_bad(h, "key_share");
    }
    if (share_is_beside(h, id)) {
        share_swap(k);
    } else if (id != k->share_group->id) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server's key share is of another group than ours");
    }
    k->got_shares = true;
    k->share = span_of(key.p, key.n);
    return 0;
}

/* The client's shares, in any order: the one of the group we like best is taken. */
int ext_share_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct hs_work *k = h->work;
    uint16_t id, seen[MAX_EXTENSIONS];
    size_t best = SETTINGS_GROUPS, nseen = 0;
    struct rd list, key;

    if (where != IN_CH) {
        return share_read_client(h, body, where);
    }
    if (!rd_vec(body, 2, &list)) {
        return ext_bad(h, "key_share");
    }
    k->got_shares = true;
    while (!rd_done(&list)) {
        if (!rd_u16(&list, &id) || !rd_vec(&list, 2, &key) || key.n == 0 ||
            nseen == MAX_EXTENSIONS) {
            return ext_bad(h, "key_share");
        }
        for (size_t i = 0; i < nseen; i++) {
            if (seen[i] == id) {
                return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "two shares of one group");
            }
        }
        seen[nseen++] = id;
        for (size_t i = 0; i < h->set->ngroups; i++) {
            if (i < best && h->set->groups[i]->id == id) {
                best = i;
                k->share = span_of(key.p, key.n);
                k->share_group = h->set->groups[i];
            }
        }
    }
    return 0;
}

/* ---- post_handshake_auth ---- */
int ext_post_auth_write(struct hs *h, struct wr *w, enum ext_where where)
{
    (void)w;
    (void)where;
    return h->set->post_auth && hello_offers(h, TLS_1_3);
}

int ext_post_auth_read(struct hs *h, struct rd *body, enum ext_where where)
{
    (void)where;
    h->work->offers_post_auth = true;
    return ext_flag_read(h, body, "post_handshake_auth");
}
#endif
