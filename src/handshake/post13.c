/* SPDX-License-Identifier: ISC */
/* Messages after the handshake (RFC 8446 section 4.6). */
#include "handshake/local.h"

int post13_on_ticket(struct hs *h, struct rd *body)
{
    struct rd nonce, ticket, exts;
    uint32_t lifetime, age_add;

    /* Checked, then dropped: this client does not resume. */
    if (!rd_u32(body, &lifetime) || !rd_u32(body, &age_add) || !rd_vec(body, 1, &nonce) ||
        !rd_vec(body, 2, &ticket) || ticket.n == 0 || !rd_vec(body, 2, &exts)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed NewSessionTicket");
    }
    return 0;
}

int post13_on_key_update(struct hs *h, struct rd *body)
{
    uint8_t request;

    if (!rd_u8(body, &request)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed KeyUpdate");
    }
    if (request > 1) { /* section 4.6.3 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "KeyUpdate with value %u", request);
    }
    return h->host->key_update(h->ctx, request == 1);
}
