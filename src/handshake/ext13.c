/* SPDX-License-Identifier: ISC */
/* The extensions that only TLS 1.3 has (RFC 8446 section 4.2). */
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
    if (k->kex_group != k->share_group) { /* a retry for a cookie alone keeps it (4.1.2) */
        kex_free(k->kex);
        k->kex = kex_start(k->share_group, k->sent_share);
        k->kex_group = k->share_group;
    }
    if (!k->kex) {
        return crypto_why(ERR_CRYPTO);
    }
    list = wr_begin(w, 2);
    if (hello_grease(h, GREASE_GROUP) && !asked_for) { /* what was asked for comes alone (4.2.8) */
        hello_put_grease(h, w, GREASE_GROUP);
        wr_vec(w, 2, "", 1);
    }
    wr_u16(w, k->share_group->id);
    wr_vec(w, 2, k->sent_share, k->share_group->share_client);
    wr_end(w, 2, list);
    return 1;
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
    if (id != k->share_group->id) {
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
