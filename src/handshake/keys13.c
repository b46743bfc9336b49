/* SPDX-License-Identifier: ISC */
/* Where the key schedule meets the connection: which secrets become which keys. */
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "base/secret.h"
#include "handshake/local.h"

static void keylog(struct hs *h, const char *label, const uint8_t *secret)
{
    keylog_line(h, label, secret, hash_size(h->suite->hash));
}

int keys13_handshake(struct hs *h, struct span shared)
{
    struct hs_work *k = h->work;
    uint8_t at[HASH_MAX];

    TRY(transcript_hash(&k->transcript, at));
    TRY(schedule13_start(&k->schedule, h->suite->hash, psk13_secret(h)));
    TRY(schedule13_advance(&k->schedule, shared));
    TRY(schedule13_derive(&k->schedule, "c hs traffic", at, k->client_traffic));
    TRY(schedule13_derive(&k->schedule, "s hs traffic", at, k->server_traffic));
    keylog(h, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", k->client_traffic);
    keylog(h, "SERVER_HANDSHAKE_TRAFFIC_SECRET", k->server_traffic);
    return 0;
}

int keys13_application(struct hs *h, uint8_t *client, uint8_t *server)
{
    struct hs_work *k = h->work;
    uint8_t at[HASH_MAX];

    TRY(transcript_hash(&k->transcript, at));
    TRY(schedule13_advance(&k->schedule, span_of(NULL, 0)));
    TRY(schedule13_derive(&k->schedule, "c ap traffic", at, client));
    TRY(schedule13_derive(&k->schedule, "s ap traffic", at, server));
    keylog(h, "CLIENT_TRAFFIC_SECRET_0", client);
    keylog(h, "SERVER_TRAFFIC_SECRET_0", server);
    return exporter13_keep(h, at);
}

int keys13_set(struct hs *h, enum hs_direction d, const uint8_t *traffic)
{
    return h->host->set_keys(h->ctx, d, &(struct hs_keys){ .suite = h->suite, .traffic = traffic });
}

int keys13_compat_ccs(struct hs *h)
{
    if (h->work->ccs_sent || h->work->session_id_len == 0) {
        return 0;
    }
    h->work->ccs_sent = true;
    return h->host->send_ccs(h->ctx);
}

int finished13_send(struct hs *h, const uint8_t *traffic)
{
    struct hs_msg m;
    uint8_t at[HASH_MAX];
    uint8_t *mac;

    TRY(transcript_hash(&h->work->transcript, at));
    hs_msg_begin(&m, HS_FINISHED);
    mac = wr_room(&m.w, hash_size(h->suite->hash));
    if (mac) {
        uint8_t full[HASH_MAX];
        int rc = schedule13_finished(h->suite->hash, traffic, at, full);

        if (rc < 0) {
            buf_free(&m.buf);
            return rc;
        }
        memcpy(mac, full, hash_size(h->suite->hash));
    }
    return hs_msg_send(h, &m);
}

int finished13_check(struct hs *h, struct rd *body, const uint8_t *traffic)
{
    size_t n = hash_size(h->suite->hash);
    uint8_t want[HASH_MAX] = { 0 };
    struct span got;

    TRY(schedule13_finished(h->suite->hash, traffic, h->work->prior, want));
    if (body->n != n || !rd_bytes(body, n, &got)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "Finished has the wrong length");
    }
    if (!ct_equal(got.p, want, n)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECRYPT_ERROR), "the peer's Finished is wrong");
    }
    return 0;
}
#endif
