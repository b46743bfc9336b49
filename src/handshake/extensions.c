/* SPDX-License-Identifier: ISC */
/* Extensions as rows: where each may stand, what we say, what we make of the peer's (RFC 8446 4.2).
 */
#include "base/mem.h"
#include "handshake/local.h"

enum {
    EXT_SERVER_NAME = 0,
    EXT_SUPPORTED_GROUPS = 10,
    EXT_SIGNATURE_ALGORITHMS = 13,
    EXT_ALPN = 16,
    EXT_PRE_SHARED_KEY = 41,
    EXT_EARLY_DATA = 42,
    EXT_SUPPORTED_VERSIONS = 43,
    EXT_COOKIE = 44,
    EXT_CERTIFICATE_AUTHORITIES = 47,
    EXT_SIGNATURE_ALGORITHMS_CERT = 50,
    EXT_KEY_SHARE = 51,
};

/* write: the body; returns 1 when it wrote one, 0 when there is nothing to say, or an error.
 * read: takes the body; what it leaves over is a decode_error. NULL: legal there and ignored. */
struct ext_row {
    uint16_t id;
    unsigned where; /* legal there */
    int (*write)(struct hs *h, struct wr *w, enum ext_where where);
    int (*read)(struct hs *h, struct rd *body, enum ext_where where);
};

static int bad(struct hs *h, const char *what)
{
    return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed %s extension", what);
}

/* ---- server_name (RFC 6066 section 3) ---- */
static int sni_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list;

    if (where != IN_CH || !h->sni) {
        return 0;
    }
    list = wr_begin(w, 2);
    wr_u8(w, 0); /* host_name */
    wr_vec(w, 2, h->sni, strlen(h->sni));
    wr_end(w, 2, list);
    return 1;
}

static int sni_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list, name;
    uint8_t type;

    if (where != IN_CH) {
        return 0; /* the server's is empty */
    }
    if (!rd_vec(body, 2, &list) || !rd_u8(&list, &type) || type != 0 || !rd_vec(&list, 2, &name) ||
        !rd_done(&list) || name.n == 0 || name.n > 255) {
        return bad(h, "server_name");
    }
    mem_free(h->sni);
    h->sni = mem_zalloc(name.n + 1);
    if (!h->sni) {
        return ERR_MEM;
    }
    memcpy(h->sni, name.p, name.n);
    if (strlen(h->sni) != name.n || !host_is_valid(h->sni)) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "server_name is not a host name");
    }
    return 0;
}

/* ---- supported_groups ---- */
static int groups_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list;

    if (where != IN_CH) {
        return 0;
    }
    list = wr_begin(w, 2);
    for (size_t i = 0; i < h->set->ngroups; i++) {
        wr_u16(w, h->set->groups[i]->id);
    }
    wr_end(w, 2, list);
    return 1;
}

static int groups_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;
    uint16_t id;

    if (!rd_vec(body, 2, &list) || list.n == 0 || list.n % 2) {
        return bad(h, "supported_groups");
    }
    if (where != IN_CH) {
        return 0; /* the server's own preferences: of no use to us */
    }
    h->work->got_groups = true;
    while (rd_u16(&list, &id)) {
        for (size_t i = 0; i < h->set->ngroups; i++) {
            if (h->set->groups[i]->id == id) {
                h->work->peer_has_group[i] = true;
            }
        }
    }
    return 0;
}

/* ---- signature_algorithms, signature_algorithms_cert ---- */
static int schemes_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list = wr_begin(w, 2);

    (void)h;
    (void)where;
    /* rsa_pkcs1 stands in both: peers that know no _cert extension look here for the chain's. */
    for (size_t i = 0; scheme_at(i); i++) {
        wr_u16(w, scheme_at(i)->id);
    }
    wr_end(w, 2, list);
    return 1;
}

static int schemes_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct hs_work *k = h->work;
    struct rd list;
    uint16_t id;

    (void)where;
    if (!rd_vec(body, 2, &list) || list.n == 0 || list.n % 2) {
        return bad(h, "signature_algorithms");
    }
    k->got_schemes = true;
    k->nschemes = 0;
    while (rd_u16(&list, &id)) {
        if (scheme_by_id(id) && k->nschemes < MAX_SCHEMES) {
            k->schemes[k->nschemes++] = id;
        }
    }
    return 0;
}

static int schemes_cert_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;

    (void)where;
    /* We have one chain for each key: which signatures it has cannot be chosen (4.4.2.2 lets us
     * send it all the same). */
    if (!rd_vec(body, 2, &list) || list.n == 0 || list.n % 2) {
        return bad(h, "signature_algorithms_cert");
    }
    return 0;
}

/* ---- ALPN (RFC 7301) ---- */
static int alpn_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list, name;

    if (where == IN_CH) {
        if (buf_len(&h->set->alpn) == 0) {
            return 0;
        }
        wr_vec(w, 2, buf_data(&h->set->alpn), buf_len(&h->set->alpn));
        return 1;
    }
    if (!h->alpn) {
        return 0;
    }
    list = wr_begin(w, 2);
    name = wr_begin(w, 1);
    wr_bytes(w, h->alpn, strlen(h->alpn));
    wr_end(w, 1, name);
    wr_end(w, 2, list);
    return 1;
}

static bool alpn_has(struct rd list, struct span want)
{
    struct rd name;

    while (rd_vec(&list, 1, &name)) {
        if (span_eq(span_of(name.p, name.n), want)) {
            return true;
        }
    }
    return false;
}

static int alpn_take(struct hs *h, struct rd name)
{
    h->alpn = mem_zalloc(name.n + 1);
    if (!h->alpn) {
        return ERR_MEM;
    }
    memcpy(h->alpn, name.p, name.n);
    return 0;
}

static int alpn_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list, check, name, ours = rd_span(buf_span(&h->set->alpn));

    if (!rd_vec(body, 2, &list) || list.n == 0) {
        return bad(h, "application_layer_protocol_negotiation");
    }
    for (check = list; !rd_done(&check);) {
        if (!rd_vec(&check, 1, &name) || name.n == 0) {
            return bad(h, "application_layer_protocol_negotiation");
        }
    }
    if (where == IN_EE) { /* exactly one, and one of ours */
        if (!rd_vec(&list, 1, &name) || !rd_done(&list)) {
            return bad(h, "application_layer_protocol_negotiation");
        }
        if (!alpn_has(ours, span_of(name.p, name.n))) {
            return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                        "the server chose an application protocol that was not offered");
        }
        return alpn_take(h, name);
    }
    if (ours.n == 0 || h->alpn) {
        return 0;
    }
    while (rd_vec(&ours, 1, &name)) {
        if (alpn_has(list, span_of(name.p, name.n))) {
            return alpn_take(h, name);
        }
    }
    return FAIL(h->err, TLS_ALERT(ALERT_NO_APPLICATION_PROTOCOL), /* threat 24 */
                "the client offers none of our application protocols");
}

/* ---- supported_versions ---- */
static int versions_write(struct hs *h, struct wr *w, enum ext_where where)
{
    (void)h;
    if (where == IN_CH) {
        wr_u8(w, 2);
    }
    wr_u16(w, TLS_1_3);
    return 1;
}

static int versions_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;
    uint16_t v;

    if (where != IN_CH) {
        if (!rd_u16(body, &v)) {
            return bad(h, "supported_versions");
        }
        h->work->got_version = true;
        return v == TLS_1_3 ? 0
                            : FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                                   "the server chose a version that was not offered");
    }
    if (!rd_vec(body, 1, &list) || list.n == 0 || list.n % 2) {
        return bad(h, "supported_versions");
    }
    while (rd_u16(&list, &v)) {
        h->work->got_version |= v == TLS_1_3;
    }
    return 0;
}

/* ---- cookie ---- */
static int cookie_write(struct hs *h, struct wr *w, enum ext_where where)
{
    if (where != IN_CH || buf_len(&h->work->cookie) == 0) {
        return 0;
    }
    wr_vec(w, 2, buf_data(&h->work->cookie), buf_len(&h->work->cookie));
    return 1;
}

static int cookie_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd c;

    if (!rd_vec(body, 2, &c) || c.n == 0) {
        return bad(h, "cookie");
    }
    if (where == IN_CH) { /* we send none */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "a cookie that was never given");
    }
    return buf_append(&h->work->cookie, c.p, c.n);
}

/* ---- key_share ---- */
static int share_write(struct hs *h, struct wr *w, enum ext_where where)
{
    struct hs_work *k = h->work;
    size_t list, key;
    uint8_t *room;

    if (where == IN_HRR) {
        wr_u16(w, k->share_group->id);
        return 1;
    }
    if (where == IN_SH) { /* server13.c made it: k->share is ours by then */
        wr_u16(w, k->share_group->id);
        wr_vec(w, 2, k->share.p, k->share.n);
        return 1;
    }
    list = wr_begin(w, 2);
    wr_u16(w, k->share_group->id);
    key = wr_begin(w, 2);
    room = wr_room(w, k->share_group->share_client);
    if (!room) {
        return ERR_MEM;
    }
    kex_free(k->kex);
    k->kex = kex_start(k->share_group, room);
    wr_end(w, 2, key);
    wr_end(w, 2, list);
    return k->kex ? 1 : ERR_CRYPTO;
}

static int share_read_client(struct hs *h, struct rd *body, enum ext_where where)
{
    struct hs_work *k = h->work;
    struct rd key;
    uint16_t id;

    if (!rd_u16(body, &id)) {
        return bad(h, "key_share");
    }
    if (where == IN_HRR) {
        k->selected_group = id;
        k->got_shares = true;
        return 0;
    }
    if (!rd_vec(body, 2, &key) || key.n == 0) {
        return bad(h, "key_share");
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
static int share_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct hs_work *k = h->work;
    uint16_t id, seen[MAX_EXTENSIONS];
    size_t best = SETTINGS_GROUPS, nseen = 0;
    struct rd list, key;

    if (where != IN_CH) {
        return share_read_client(h, body, where);
    }
    if (!rd_vec(body, 2, &list)) {
        return bad(h, "key_share");
    }
    k->got_shares = true;
    while (!rd_done(&list)) {
        if (!rd_u16(&list, &id) || !rd_vec(&list, 2, &key) || key.n == 0 ||
            nseen == MAX_EXTENSIONS) {
            return bad(h, "key_share");
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

/* ---- early_data ---- */
static int early_read(struct hs *h, struct rd *body, enum ext_where where)
{
    (void)body;
    h->work->early_data = where == IN_CH;
    return 0;
}

static const struct ext_row rows[] = {
    { EXT_SERVER_NAME, IN_CH | IN_EE, sni_write, sni_read },
    { EXT_SUPPORTED_GROUPS, IN_CH | IN_EE, groups_write, groups_read },
    { EXT_SIGNATURE_ALGORITHMS, IN_CH | IN_CR, schemes_write, schemes_read },
    { EXT_SIGNATURE_ALGORITHMS_CERT, IN_CH | IN_CR, schemes_write, schemes_cert_read },
    { EXT_ALPN, IN_CH | IN_EE, alpn_write, alpn_read },
    { EXT_SUPPORTED_VERSIONS, IN_CH | IN_SH | IN_HRR, versions_write, versions_read },
    { EXT_COOKIE, IN_CH | IN_HRR, cookie_write, cookie_read },
    { EXT_KEY_SHARE, IN_CH | IN_SH | IN_HRR, share_write, share_read },
    { EXT_EARLY_DATA, IN_CH | IN_EE | IN_NST, NULL, early_read },
    { EXT_CERTIFICATE_AUTHORITIES, IN_CH | IN_CR, NULL, NULL },
    { EXT_PRE_SHARED_KEY, IN_CH | IN_SH, NULL, NULL },
};
#define NROWS (sizeof rows / sizeof *rows)

int ext_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t block = wr_begin(w, 2);

    for (size_t i = 0; i < NROWS; i++) {
        struct wr before = *w;
        size_t body;
        int rc;

        if (!(rows[i].where & where) || !rows[i].write) {
            continue;
        }
        wr_u16(w, rows[i].id);
        body = wr_begin(w, 2);
        rc = rows[i].write(h, w, where);
        TRY(rc);
        if (rc == 0) {
            w->len = before.len; /* nothing to say: take the header back */
            continue;
        }
        wr_end(w, 2, body);
        if (where & (IN_CH | IN_CR)) {
            h->work->ext_sent |= 1u << i;
        }
    }
    wr_end(w, 2, block);
    return wr_ok(w) ? 0 : ERR_MEM;
}

static const struct ext_row *row_find(uint16_t id, size_t *at)
{
    for (*at = 0; *at < NROWS; (*at)++) {
        if (rows[*at].id == id) {
            return &rows[*at];
        }
    }
    return NULL;
}

/* May this extension stand here at all (section 4.2)? 1 read it, 0 ignore it. */
static int ext_admit(struct hs *h, uint16_t id, const struct ext_row *row, size_t at,
                     enum ext_where where)
{
    bool request = where & (IN_CH | IN_CR | IN_NST);

    if (row && !(row->where & where)) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "extension %u does not belong here",
                    id);
    }
    if (request) {
        return row && (row->where & where) && row->read;
    }
    /* Answers only to what was asked; a cookie is the one thing HelloRetryRequest may bring. */
    if (!row || (!(h->work->ext_sent & 1u << at) && !(where == IN_HRR && id == EXT_COOKIE))) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION),
                    "extension %u was not asked for", id);
    }
    return row->read != NULL;
}

int ext_read(struct hs *h, struct rd *body, enum ext_where where)
{
    uint16_t id, seen[MAX_EXTENSIONS];
    size_t nseen = 0, at;
    struct rd block, ext;

    if (!rd_vec(body, 2, &block)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed extensions");
    }
    while (!rd_done(&block)) {
        const struct ext_row *row;
        int rc;

        if (!rd_u16(&block, &id) || !rd_vec(&block, 2, &ext) || nseen == MAX_EXTENSIONS) {
            return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed extensions");
        }
        for (size_t i = 0; i < nseen; i++) {
            if (seen[i] == id) {
                return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "extension %u twice", id);
            }
        }
        seen[nseen++] = id;
        if (where == IN_CH && id == EXT_PRE_SHARED_KEY && !rd_done(&block)) {
            return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), /* section 4.2.11 */
                        "pre_shared_key is not the last extension");
        }
        row = row_find(id, &at);
        rc = ext_admit(h, id, row, at, where);
        TRY(rc);
        if (rc == 0) {
            continue;
        }
        TRY(row->read(h, &ext, where));
        if (!rd_done(&ext) && !(where == IN_NST)) {
            return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "extension %u has bytes left over",
                        id);
        }
    }
    return 0;
}
