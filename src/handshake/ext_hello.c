/* SPDX-License-Identifier: ISC */
/* The extensions that say the same in every version (RFC 6066, 7301, 8446 section 4.2). */
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/extensions.h"
#include "handshake/kx12.h"

/* ---- server_name (RFC 6066 section 3) ---- */
int ext_sni_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list;

    if (where != IN_CH) { /* section 3: empty, from a server that used it */
        return h->work->got_sni && h->work->name_used && !(h->facts & FACT_RESUMED);
    }
    if (!h->sni) {
        return 0;
    }
    list = wr_begin(w, 2);
    wr_u8(w, 0); /* host_name */
    wr_vec(w, 2, h->sni, strlen(h->sni));
    wr_end(w, 2, list);
    return 1;
}

int ext_sni_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list, name;
    char *before = h->sni;
    uint8_t type;

    if (where != IN_CH) {
        return 0; /* the server's is empty */
    }
    if (!rd_vec(body, 2, &list) || !rd_u8(&list, &type) || type != 0 || !rd_vec(&list, 2, &name) ||
        !rd_done(&list) || name.n == 0 || name.n > 255) {
        return ext_bad(h, "server_name");
    }
    h->work->got_sni = true;
    if (h->renegotiating) { /* section 3: of the same connection */
        return span_eq(span_of(name.p, name.n), span_text(before))
                   ? 0
                   : FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                          "the client renegotiates under another server name");
    }
    mem_free(before);
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
/* Does the client offer a suite of TLS 1.2 with a prime? */
static bool offers_ffdhe(const struct hs *h)
{
    bool any = false;

    for (size_t i = 0; i < h->set->nsuites; i++) {
        const struct kx12 *kx = kx12_of(h->set->suites[i]);

        any = any || (kx && kx->ffdhe);
    }
    return any;
}

int ext_groups_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list;

    if (where != IN_CH) {
        return 0;
    }
    list = wr_begin(w, 2);
    hello_put_grease(h, w, GREASE_GROUP);
    for (size_t i = 0; i < h->set->ngroups; i++) {
        if (hello_offers(h, TLS_1_3) || group_is_classic(h->set->groups[i]) ||
            (group_is_ffdhe(h->set->groups[i]) && offers_ffdhe(h))) {
            wr_u16(w, h->set->groups[i]->id);
        }
    }
    wr_end(w, 2, list);
    return 1;
}

int ext_groups_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;
    uint16_t id;

    if (!rd_vec(body, 2, &list) || list.n == 0 || list.n % 2) {
        return ext_bad(h, "supported_groups");
    }
    if (where != IN_CH) {
        return 0; /* the server's own preferences: of no use to us */
    }
    h->work->got_groups = true;
    while (rd_u16(&list, &id)) {
        h->work->got_ffdhe = h->work->got_ffdhe || (id >= 256 && id < 512); /* RFC 7919 section 2 */
        h->work->peer_curves |=
            id >= GROUP_SECP256R1 && id <= GROUP_SECP521R1 ? 1u << (id - GROUP_SECP256R1) : 0;
        for (size_t i = 0; i < h->set->ngroups; i++) {
            if (h->set->groups[i]->id == id) {
                h->work->peer_has_group[i] = true;
            }
        }
    }
    return 0;
}

/* ---- signature_algorithms, signature_algorithms_cert ---- */
int ext_schemes_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list;

    if (where == IN_CH && !hello_offers_schemes(h)) { /* RFC 5246 section 7.4.1.4.1 */
        return 0;
    }
    list = wr_begin(w, 2);
    if (where == IN_CH) {
        hello_put_grease(h, w, GREASE_SCHEME);
    }
    /* rsa_pkcs1 stands in both: peers that know no _cert extension look here for the chain's. */
    for (size_t i = 0; i < h->set->nschemes; i++) {
        wr_u16(w, h->set->schemes[i]->id);
    }
    wr_end(w, 2, list);
    return 1;
}

static int schemes_keep(struct rd list, uint16_t to[static MAX_SCHEMES], size_t *n)
{
    uint16_t id;

    if (list.n == 0 || list.n % 2) {
        return TLS_ALERT(ALERT_DECODE_ERROR);
    }
    *n = 0;
    while (rd_u16(&list, &id)) {
        if (scheme_by_id(id) && *n < MAX_SCHEMES) {
            to[(*n)++] = id;
        }
    }
    return 0;
}

int schemes_take(struct hs *h, struct rd list)
{
    return schemes_keep(list, h->work->schemes, &h->work->nschemes);
}

int ext_schemes_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;

    (void)where;
    if (!rd_vec(body, 2, &list) || schemes_take(h, list) < 0) {
        return ext_bad(h, "signature_algorithms");
    }
    h->work->got_schemes = true;
    return 0;
}

int ext_schemes_cert_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;

    (void)where;
    /* Of several chains one that fits is taken; section 4.4.2.2 lets us send another all the same.
     */
    if (!rd_vec(body, 2, &list) ||
        schemes_keep(list, h->work->cert_schemes, &h->work->ncert_schemes) < 0) {
        return ext_bad(h, "signature_algorithms_cert");
    }
    return 0;
}

/* ---- ALPN (RFC 7301) ---- */
int ext_alpn_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list, name;

    if (where == IN_CH) {
        if (buf_len(&h->set->alpn) == 0 || h->renegotiating) { /* the first answer stands */
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
    mem_free(h->alpn); /* of the handshake before, when this one renegotiates */
    h->alpn = mem_zalloc(name.n + 1);
    if (!h->alpn) {
        return ERR_MEM;
    }
    memcpy(h->alpn, name.p, name.n);
    return 0;
}

int ext_alpn_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list, check, name, ours = rd_span(buf_span(&h->set->alpn));

    if (!rd_vec(body, 2, &list) || list.n == 0) {
        return ext_bad(h, "application_layer_protocol_negotiation");
    }
    for (check = list; !rd_done(&check);) {
        if (!rd_vec(&check, 1, &name) || name.n == 0) {
            return ext_bad(h, "application_layer_protocol_negotiation");
        }
    }
    if (where != IN_CH) { /* exactly one, and one of ours */
        if (!rd_vec(&list, 1, &name) || !rd_done(&list)) {
            return ext_bad(h, "application_layer_protocol_negotiation");
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
int ext_versions_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list;

    if (where != IN_CH) {
        wr_u16(w, TLS_1_3);
        return 1;
    }
    if (!hello_offers(h, TLS_1_3)) {
        return 0;
    }
    list = wr_begin(w, 1);
    hello_put_grease(h, w, GREASE_VERSION);
    for (uint16_t v = TLS_1_3; v > SSL_3_0; v--) { /* which has no extensions */
        if (hello_offers(h, v)) {
            wr_u16(w, v);
        }
    }
    wr_end(w, 1, list);
    return 1;
}

int ext_versions_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct hs_work *k = h->work;
    struct rd list;
    uint16_t v;

    if (where != IN_CH) {
        if (!rd_u16(body, &v)) {
            return ext_bad(h, "supported_versions");
        }
        k->got_version = true;
        return v == TLS_1_3 ? 0
                            : FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                                   "the server chose version 0x%04x", v);
    }
    if (!rd_vec(body, 1, &list) || list.n == 0 || list.n % 2) {
        return ext_bad(h, "supported_versions");
    }
    k->common = 0;
    while (rd_u16(&list, &v)) {
        if (v > k->common && v > SSL_3_0 && v < TLS_1_3 && hello_offers(h, v)) {
            k->common = v;
        }
    }
    return 0;
}

/* ---- status_request (RFC 6066 section 8, RFC 8446 section 4.4.2.1) ---- */
int ext_status_write(struct hs *h, struct wr *w, enum ext_where where)
{
    if (where != IN_CH) {
        return (h->facts & FACT_STATUS) != 0;
    }
    if (!h->set->ask_status) {
        return 0;
    }
    wr_u8(w, 1);  /* ocsp */
    wr_u16(w, 0); /* any responder */
    wr_u16(w, 0); /* no extensions */
    return 1;
}

int ext_status_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd responders, exts;
    struct span rest;
    uint8_t type;

    if (where == IN_CR) { /* usually empty; a client has no response to send */
        return rd_bytes(body, body->n, &rest) ? 0 : ext_bad(h, "status_request");
    }
    if (where == IN_SH12) {
        h->facts |= FACT_STATUS;
        return ext_flag_read(h, body, "status_request");
    }
    if (!rd_u8(body, &type)) {
        return ext_bad(h, "status_request");
    }
    if (type != 1) { /* of a kind we do not know: as if it were not there */
        return rd_bytes(body, body->n, &rest) ? 0 : ext_bad(h, "status_request");
    }
    if (!rd_vec(body, 2, &responders) || !rd_vec(body, 2, &exts)) {
        return ext_bad(h, "status_request");
    }
    h->work->offers_status = true;
    return 0;
}

/* ---- max_fragment_length, and record_size_limit that replaces it ---- */
/* RFC 8449 section 5. */
static int two_limits(struct hs *h)
{
    return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                "the server agrees to max_fragment_length and record_size_limit");
}

/* RFC 6066 section 4: 1 is 2^9 bytes, 4 is 2^12. */
int ext_fragment_write(struct hs *h, struct wr *w, enum ext_where where)
{
    unsigned n = where == IN_CH ? (hello_offers_12(h) ? h->set->max_fragment : 0) : h->max_fragment;
    uint8_t code = 0;

    for (; n >= 512; n /= 2) {
        code++;
    }
    if (code) {
        wr_u8(w, code);
    }
    return code != 0;
}

int ext_fragment_read(struct hs *h, struct rd *body, enum ext_where where)
{
    uint16_t n;
    uint8_t code;

    if (!rd_u8(body, &code)) {
        return ext_bad(h, "max_fragment_length");
    }
    n = (uint16_t)(code >= 1 && code <= 4 ? 256u << code : 0);
    if (n == 0 || (where != IN_CH && n != h->set->max_fragment)) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "max_fragment_length of code %u",
                    code);
    }
    if (where != IN_CH && h->send_limit) {
        return two_limits(h);
    }
    *(where == IN_CH ? &h->work->offers_fragment : &h->max_fragment) = n;
    return 0;
}

/* RFC 8449 section 4: the most that can be in a record, of which TLS 1.3 counts the type. */
static uint16_t limit_of(bool with_type, uint16_t wish)
{
    uint16_t most = (uint16_t)(RECORD_LIMIT_MAX - !with_type);

    return wish && wish < most ? wish : most;
}

/* 0: not offered. One beyond what the version has changes nothing. */
static void limits_take(struct hs *h, uint16_t theirs)
{
    h->send_limit = theirs ? limit_of(hs_is_13(h), theirs) : 0;
    h->recv_limit = theirs ? limit_of(hs_is_13(h), h->set->record_limit) : 0;
}

int ext_limit_write(struct hs *h, struct wr *w, enum ext_where where)
{
    if (where != IN_CH) {
        if (!h->send_limit) {
            return 0;
        }
        wr_u16(w, h->recv_limit);
        return 1;
    }
    if (!h->set->record_limit) {
        return 0;
    }
    wr_u16(w, limit_of(hello_offers(h, TLS_1_3), h->set->record_limit));
    return 1;
}

int ext_limit_read(struct hs *h, struct rd *body, enum ext_where where)
{
    uint16_t n;

    if (!rd_u16(body, &n)) {
        return ext_bad(h, "record_size_limit");
    }
    if (n < RECORD_LIMIT_MIN) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "record_size_limit of %u", n);
    }
    if (where == IN_CH) {
        h->work->offers_limit = n;
        return 0;
    }
    if (h->max_fragment) {
        return two_limits(h);
    }
    limits_take(h, n);
    return 0;
}

void ext_sizes_agree(struct hs *h)
{
    limits_take(h, h->work->offers_limit);
    h->max_fragment = h->work->offers_limit ? 0 : h->work->offers_fragment;
}
