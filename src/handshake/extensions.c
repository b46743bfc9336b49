/* SPDX-License-Identifier: ISC */
/* Extensions as rows: where each may stand, what we say, what we make of the peer's. */
#include "handshake/extensions.h"

#include "base/options.h"

struct ext_row {
    uint16_t id;
    unsigned where; /* legal there */
    int (*write)(struct hs *h, struct wr *w, enum ext_where where);
    int (*read)(struct hs *h, struct rd *body, enum ext_where where);
};

static const struct ext_row rows[] = {
    { EXT_SERVER_NAME, IN_CH | IN_EE | IN_SH12, ext_sni_write, ext_sni_read },
    { EXT_MAX_FRAGMENT_LENGTH, IN_CH | IN_EE | IN_SH12, ext_fragment_write, ext_fragment_read },
    { EXT_RECORD_SIZE_LIMIT, IN_CH | IN_EE | IN_SH12, ext_limit_write, ext_limit_read },
    { EXT_STATUS_REQUEST, IN_CH | IN_CR | IN_CT | IN_SH12, ext_status_write, ext_status_read },
    { EXT_SUPPORTED_GROUPS, IN_CH | IN_EE | IN_SH12, ext_groups_write, ext_groups_read },
#ifdef USE_TLS_1_2
    { EXT_EC_POINT_FORMATS, IN_CH | IN_SH12, ext_points_write, ext_points_read },
#endif
    { EXT_SIGNATURE_ALGORITHMS, IN_CH | IN_CR, ext_schemes_write, ext_schemes_read },
    { EXT_SIGNATURE_ALGORITHMS_CERT, IN_CH | IN_CR, ext_schemes_write, ext_schemes_cert_read },
    { EXT_ALPN, IN_CH | IN_EE | IN_SH12, ext_alpn_write, ext_alpn_read },
#ifdef USE_TLS_1_2
    { EXT_ENCRYPT_THEN_MAC, IN_CH | IN_SH12, ext_etm_write, ext_etm_read },
    { EXT_EXTENDED_MASTER_SECRET, IN_CH | IN_SH12, ext_ems_write, ext_ems_read },
    { EXT_SESSION_TICKET, IN_CH | IN_SH12, ext_ticket_write, ext_ticket_read },
    { EXT_RENEGOTIATION_INFO, IN_CH | IN_SH12, ext_secure_write, ext_secure_read },
#endif
    { EXT_SUPPORTED_VERSIONS, IN_CH | IN_SH | IN_HRR, ext_versions_write, ext_versions_read },
#ifdef USE_TLS_1_3
    { EXT_COOKIE, IN_CH | IN_HRR, ext_cookie_write, ext_cookie_read },
    { EXT_KEY_SHARE, IN_CH | IN_SH | IN_HRR, ext_share_write, ext_share_read },
    { EXT_EARLY_DATA, IN_CH | IN_EE | IN_NST, ext_early_write, ext_early_read },
#endif
    { EXT_CERTIFICATE_AUTHORITIES, IN_CH | IN_CR, ext_authorities_write, ext_authorities_read },
    { EXT_OID_FILTERS, IN_CR, NULL, NULL }, /* section 4.2.5: what we do not know is ignored */
    { EXT_CERTIFICATE_TIMESTAMP, IN_CH | IN_CR | IN_CT | IN_SH12, ext_scts_write, ext_scts_read },
#ifdef USE_TLS_1_3
    { EXT_COMPRESS_CERTIFICATE, IN_CH | IN_CR, ext_compress_write, ext_compress_read },
    { EXT_POST_HANDSHAKE_AUTH, IN_CH, ext_post_auth_write, ext_post_auth_read },
    { EXT_PSK_KEY_EXCHANGE_MODES, IN_CH, ext_modes_write, ext_modes_read },
    { EXT_PRE_SHARED_KEY, IN_CH | IN_SH, ext_psk_write, ext_psk_read }, /* the last in a hello */
#endif
};
#define NROWS (sizeof rows / sizeof *rows)

int ext_bad(struct hs *h, const char *what)
{
    return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed %s extension", what);
}

/* An empty body: a flag of the peer's, or of ours. */
int ext_flag_read(struct hs *h, struct rd *body, const char *name)
{
    return rd_done(body) ? 0 : ext_bad(h, name);
}

/* One of the application's that our hello carried. */
static bool is_custom(const struct hs *h, uint16_t want)
{
    struct rd list = rd_span(buf_span(&h->set->extensions)), body;
    uint16_t id;

    while (rd_u16(&list, &id) && rd_vec(&list, 2, &body)) {
        if (id == want) {
            return true;
        }
    }
    return false;
}

/* A reserved extension (RFC 8701), unless the application had the same idea. */
static void put_grease(const struct hs *h, struct wr *w, unsigned which, size_t n)
{
    static const uint8_t zeros[1];
    uint16_t id = hello_grease(h, which);

    if (id && !is_custom(h, id)) {
        wr_u16(w, id);
        wr_vec(w, 2, zeros, n);
    }
}

/* A server answers only what this hello asked; renegotiation_info may have come as a suite. */
static bool was_asked(const struct hs *h, size_t row, enum ext_where where)
{
    return !(where & (IN_SH12 | IN_EE)) || (h->work->ext_got & 1u << row) ||
           rows[row].id == EXT_RENEGOTIATION_INFO;
}

/* In a hello without extensions there is one all the same (RFC 5746 section 4.5). */
static bool exists(const struct hs *h, uint16_t id, enum ext_where where)
{
    return id == EXT_RENEGOTIATION_INFO || hello_has_extensions(h, where);
}

int ext_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t block = wr_begin(w, 2);

    if (where & (IN_CH | IN_CR)) {
        h->work->ext_sent = 0;
    }
    if (where == IN_CH && hello_has_extensions(h, where)) {
        put_grease(h, w, GREASE_EXTENSION, 0);
    }
    for (size_t i = 0; i < NROWS; i++) {
        struct wr before;
        size_t body;
        int rc;

        if (where == IN_CH && rows[i].id == EXT_PRE_SHARED_KEY && exists(h, rows[i].id, where)) {
            wr_bytes(w, buf_data(&h->set->extensions), buf_len(&h->set->extensions));
            put_grease(h, w, GREASE_EXTENSION2, 1); /* servers of old want the last not empty */
        }
        before = *w;
        if (!(rows[i].where & where) || !rows[i].write || !was_asked(h, i, where) ||
            !exists(h, rows[i].id, where)) {
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
    if ((where & (IN_CH | IN_SH12)) && w->len == block) {
        w->len -= 2; /* to who may know no extensions (RFC 5246 section 7.4.1.3) */
    } else {
        wr_end(w, 2, block);
    }
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

bool ext_is_ours(uint16_t id)
{
    size_t at;

    return row_find(id, &at) != NULL;
}

int ext_check_place(struct hs *h, uint16_t id, enum ext_where where)
{
    size_t at;
    const struct ext_row *row = row_find(id, &at);

    return !row || (row->where & where) ? 0
                                        : FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                                               "extension %u does not belong here", id);
}

/* May this extension stand here at all (section 4.2)? 1 read it, 0 ignore it. */
static int ext_admit(struct hs *h, uint16_t id, const struct ext_row *row, size_t at,
                     enum ext_where where)
{
    bool request = where & (IN_CH | IN_CR | IN_NST), asked;

    TRY(ext_check_place(h, id, where));
    if (request) {
        return row && row->read && exists(h, id, where);
    }
    if (!row && (where & (IN_EE | IN_SH12)) && is_custom(h, id)) {
        return 0;
    }
    /* Answers only to what was asked, be it by a suite; a cookie is the one thing HelloRetryRequest
     * may bring. */
    asked = row && (h->work->ext_sent & 1u << at || (where == IN_HRR && id == EXT_COOKIE) ||
                    (id == EXT_RENEGOTIATION_INFO && !hello_has_extensions(h, IN_CH)));
    if (!asked || !exists(h, id, where)) {
        return FAIL(h->err, TLS_ALERT(ALERT_UNSUPPORTED_EXTENSION),
                    "extension %u was not asked for", id);
    }
    return row->read != NULL;
}

/* The application's word on what the server's hello says. */
static int ext_tell(struct hs *h, uint16_t id, struct span body, enum ext_where where)
{
    int word = 0;

    if (h->set->on_extension && (where & (IN_EE | IN_SH12))) {
        word = h->set->on_extension(h->set->on_extension_ctx, h->ctx, id, body);
    }
    return word == 0 ? 0
                     : FAIL(h->err, TLS_ALERT(word < 0 ? ALERT_INTERNAL_ERROR : word),
                            "the application refused extension %u", id);
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
        if (row && where == IN_CH) {
            h->work->ext_got |= 1u << at;
        }
        rc = ext_admit(h, id, row, at, where);
        TRY(rc);
        TRY(ext_tell(h, id, span_of(ext.p, ext.n), where));
        if (rc == 0) {
            continue;
        }
        TRY(row->read(h, &ext, where));
        if (!rd_done(&ext)) {
            return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "extension %u has bytes left over",
                        id);
        }
    }
    return 0;
}
