/* SPDX-License-Identifier: ISC */
/* The extensions about certificates, in either version where it has them. */
#include "handshake/extensions.h"

/* ---- certificate_authorities (RFC 8446 section 4.2.4) ---- */
int ext_authorities_write(struct hs *h, struct wr *w, enum ext_where where)
{
    const struct buf *names = &h->set->authorities;

    if (where != IN_CR || buf_len(names) == 0) {
        return 0;
    }
    wr_vec(w, 2, buf_data(names), buf_len(names));
    return 1;
}

int ext_authorities_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;

    (void)where;
    if (!rd_vec(body, 2, &list) || list.n == 0 || authorities_take(h, list) < 0) {
        return ext_bad(h, "certificate_authorities");
    }
    return 0;
}

/* ---- signed_certificate_timestamp (RFC 6962 section 3.3) ---- */
/* The list with its length in front, each timestamp likewise; none is empty. */
bool scts_wellformed(struct span all)
{
    struct rd r = rd_span(all), list, sct;

    if (!rd_vec(&r, 2, &list) || !rd_done(&r) || list.n == 0) {
        return false;
    }
    while (!rd_done(&list)) {
        if (!rd_vec(&list, 2, &sct) || sct.n == 0) {
            return false;
        }
    }
    return true;
}

int scts_take(struct hs *h, struct rd *body)
{
    struct span all = span_of(body->p, body->n);

    if (!scts_wellformed(all) || !rd_bytes(body, body->n, &all)) {
        return ext_bad(h, "signed_certificate_timestamp");
    }
    return buf_append(&h->scts, all.p, all.n);
}

int ext_scts_write(struct hs *h, struct wr *w, enum ext_where where)
{
    struct span ours;

    if (where == IN_CH) {
        return h->set->ask_scts;
    }
    if (where != IN_SH12 || !h->work->offers_scts) {
        return 0;
    }
    ours = cert_scts(h); /* none when a session is resumed: there is no certificate */
    wr_bytes(w, ours.p, ours.n);
    return ours.n != 0;
}

int ext_scts_read(struct hs *h, struct rd *body, enum ext_where where)
{
    if (where == IN_SH12) {
        return scts_take(h, body);
    }
    h->work->offers_scts = true;
    return ext_flag_read(h, body, "signed_certificate_timestamp");
}

/* ---- compress_certificate (RFC 8879 section 3) ---- */
int ext_compress_write(struct hs *h, struct wr *w, enum ext_where where)
{
    if (!h->set->compress_certs || (where == IN_CH && !hello_offers(h, TLS_1_3))) {
        return 0;
    }
    wr_u8(w, 2);
    wr_u16(w, ALGORITHM_ZLIB);
    return 1;
}

int ext_compress_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;
    uint16_t id;

    (void)where;
    if (!rd_vec(body, 1, &list) || list.n == 0 || list.n % 2) {
        return ext_bad(h, "compress_certificate");
    }
    while (rd_u16(&list, &id)) {
        h->work->unpacks = h->work->unpacks || (id == ALGORITHM_ZLIB && h->set->compress_certs);
    }
    return 0;
}
