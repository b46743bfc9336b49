/* SPDX-License-Identifier: ISC */
/* The extensions that only TLS 1.2 and those before it have: what it takes to make it sound, and
 * its tickets. */
#include "base/options.h"

#ifdef USE_TLS_1_2
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/extensions.h"
#include "handshake/kx12.h"

/* RFC 7627. */
int ext_ems_write(struct hs *h, struct wr *w, enum ext_where where)
{
    (void)w;
    return where == IN_CH ? hello_offers_12(h) && !h->set->no_ems : h->ems;
}

int ext_ems_read(struct hs *h, struct rd *body, enum ext_where where)
{
    *(where == IN_CH ? &h->work->offers_ems : &h->ems) = true;
    return ext_flag_read(h, body, "extended_master_secret");
}

/* RFC 7366. */
int ext_etm_write(struct hs *h, struct wr *w, enum ext_where where)
{
    (void)w;
    if (where != IN_CH) {
        return h->etm;
    }
    for (size_t i = 0; i < h->set->nsuites; i++) {
        if (h->set->suites[i]->cbc != CBC_NONE) {
            return hello_offers_12(h) && !h->set->no_etm;
        }
    }
    return 0;
}

int ext_etm_read(struct hs *h, struct rd *body, enum ext_where where)
{
    *(where == IN_CH ? &h->work->offers_etm : &h->etm) = true;
    if (where != IN_CH && h->suite->cbc == CBC_NONE) { /* section 3 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "encrypt_then_mac with a suite that has no MAC");
    }
    return ext_flag_read(h, body, "encrypt_then_mac");
}

/* RFC 5746; section 4.5: in SSL 3, too, whose Finished is longer. */
int ext_secure_write(struct hs *h, struct wr *w, enum ext_where where)
{
    size_t list;

    if (where == IN_CH ? !hello_offers_12(h) : !h->secure) {
        return 0;
    }
    if (where == IN_CH && !h->renegotiating && !hello_has_extensions(h, where)) {
        return 0; /* a suite says it */
    }
    list = wr_begin(w, 1);
    if (h->renegotiating) {
        const size_t size = protocol_of(h->version)->verify_size;

        wr_bytes(w, h->verify[TLS_CLIENT], size);
        if (where != IN_CH) {
            wr_bytes(w, h->verify[TLS_SERVER], size);
        }
    }
    wr_end(w, 1, list);
    return 1;
}

int ext_secure_read(struct hs *h, struct rd *body, enum ext_where where)
{
    uint8_t want[2 * VERIFY_MAX];
    const size_t size = h->renegotiating ? protocol_of(h->version)->verify_size : 0;
    const size_t n = where == IN_CH ? size : 2 * size;
    struct rd got;

    if (!rd_vec(body, 1, &got)) {
        return ext_bad(h, "renegotiation_info");
    }
    memcpy(want, h->verify[TLS_CLIENT], size);
    memcpy(want + size, h->verify[TLS_SERVER], size);
    if (got.n != n || (n && !ct_equal(got.p, want, n))) {
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the handshake is not bound to this connection");
    }
    h->work->got_renegotiation = true;
    return 0;
}

/* RFC 5077 section 3.2. */
int ext_ticket_write(struct hs *h, struct wr *w, enum ext_where where)
{
    const struct tls_session *s = h->session;

    if (where != IN_CH) {
        return (h->facts & FACT_TICKET) != 0;
    }
    if (!hello_offers_12(h) || h->set->no_tickets) {
        return 0;
    }
    if (hello_is_session12(s)) {
        wr_bytes(w, s->ticket, s->ticket_len);
    }
    return 1;
}

int ext_ticket_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct span unused;

    if (where != IN_CH) {
        h->facts |= FACT_TICKET;
        return ext_flag_read(h, body, "session_ticket");
    }
    h->work->offers_tickets = !h->set->no_tickets;
    return rd_bytes(body, body->n, h->work->offers_tickets ? &h->work->ticket : &unused)
               ? 0
               : ext_bad(h, "session_ticket");
}

/* RFC 8422 section 5.1.2: all that is left of it is that uncompressed (0) must be there. */
int ext_points_write(struct hs *h, struct wr *w, enum ext_where where)
{
    if (where == IN_CH ? !hello_offers_12(h)
                       : !kx12_of(h->suite)->ec || (h->facts & FACT_RESUMED)) {
        return 0;
    }
    wr_u16(w, 0x0100);
    return 1;
}

int ext_points_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;

    (void)where;
    if (!rd_vec(body, 1, &list) || list.n == 0) {
        return ext_bad(h, "ec_point_formats");
    }
    return memchr(list.p, 0, list.n) ? 0
                                     : FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                                            "ec_point_formats without uncompressed points");
}
#endif
