/* SPDX-License-Identifier: ISC */
/* Early data of TLS 1.3 (RFC 8446 sections 2.3, 4.2.10, 8): when a client offers it, when a server
 * takes it, and the keys of it. Whatever is not sure is rejected: the handshake goes on without. */
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "base/secret.h"
#include "handshake/extensions.h"

/* Skipped although no ticket allowed so much: one may have been given under other settings. */
#define SKIP_MIN 16384

static int secret_make(struct hs *h, const struct suite *suite, const struct tls_session *s,
                       const uint8_t *at)
{
    struct hs_work *k = h->work;

    TRY(schedule13_start(&k->schedule, suite->hash, span_of(s->secret, s->secret_len)));
    TRY(schedule13_derive(&k->schedule, "c e traffic", at, k->early_traffic));
    keylog_line(h, "CLIENT_EARLY_TRAFFIC_SECRET", k->early_traffic, hash_size(suite->hash));
    return 0;
}

/* ---- early_data ---- */
int ext_early_write(struct hs *h, struct wr *w, enum ext_where where)
{
    switch (where) {
    case IN_CH:
        return early13_offers(h);
    case IN_EE:
        return (h->facts & FACT_EARLY) != 0;
    default: /* IN_NST: section 4.6.1 */
        wr_u32(w, h->set->max_early);
        return h->set->max_early > 0;
    }
}

int ext_early_read(struct hs *h, struct rd *body, enum ext_where where)
{
    uint32_t max;

    if (where != IN_NST) {
        h->work->early_data = true;
        return ext_flag_read(h, body, "early_data");
    }
    if (!rd_u32(body, &max)) {
        return ext_bad(h, "early_data");
    }
    if (h->post) {
        h->post->max_early = max;
    }
    return 0;
}

/* ---- client ---- */
static bool alpn_is_ours(const struct hs *h, const char *name)
{
    struct rd list = rd_span(buf_span(&h->set->alpn)), one;
    bool found = !name;

    while (!found && rd_vec(&list, 1, &one)) {
        found = span_eq(span_of(one.p, one.n), span_text(name));
    }
    return found;
}

/* Not in a second ClientHello (section 4.1.2). driver.c has seen to all that a resumption needs. */
bool early13_offers(const struct hs *h)
{
    const struct tls_session *s = h->work->psk;

    return h->set->early_data && s && s->max_early && !h->work->retried &&
           settings_list(h->set, s->suite) && alpn_is_ours(h, s->alpn);
}

int early13_begin(struct hs *h)
{
    struct hs_work *k = h->work;
    const struct suite *suite;
    uint8_t at[HASH_MAX];

    if (!early13_offers(h)) {
        return 0;
    }
    suite = suite_by_id(k->psk->suite);
    TRY(transcript_partial(&k->transcript, suite->hash, 0, span_of(NULL, 0), at));
    TRY(secret_make(h, suite, k->psk, at));
    TRY(keys13_compat_ccs(h)); /* appendix D.4: before early data */
    h->early = TLS_EARLY_OFFERED;
    h->early_left = k->psk->max_early;
    return h->host->set_keys(h->ctx, HS_WRITE,
                             &(struct hs_keys){ .suite = suite, .traffic = k->early_traffic });
}

/* What comes next goes out in clear, as if there had been none. */
int early13_refused(struct hs *h)
{
    if (h->early != TLS_EARLY_OFFERED) {
        return 0;
    }
    h->early = TLS_EARLY_REJECTED;
    h->early_left = 0;
    return h->host->set_keys(h->ctx, HS_WRITE, NULL);
}

int early13_answered(struct hs *h)
{
    struct hs_work *k = h->work;

    if (h->early != TLS_EARLY_OFFERED) { /* section 4.2.10 */
        return !k->early_data ? 0
                              : FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                                     "the server takes early data but not the session");
    }
    if (!k->early_data) {
        h->early = TLS_EARLY_REJECTED;
        h->early_left = 0;
        return keys13_set(h, HS_WRITE, k->client_traffic);
    }
    if (h->suite->id != k->psk->suite || !span_eq(span_text(h->alpn), span_text(k->psk->alpn))) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server takes early data under another suite or ALPN name");
    }
    h->early = TLS_EARLY_ACCEPTED;
    return 0;
}

int early13_end(struct hs *h)
{
    struct hs_msg m;

    if (h->early != TLS_EARLY_ACCEPTED) {
        return 0;
    }
    hs_msg_begin(&m, HS_END_OF_EARLY_DATA);
    TRY(hs_msg_send(h, &m)); /* section 4.5: under the early keys */
    h->early_left = 0;
    return keys13_set(h, HS_WRITE, h->work->client_traffic);
}

/* ---- server ---- */
/* Section 8.3. The ticket's age_add makes what the client says count from `made` (post13.c). */
static bool age_fits(const struct hs *h)
{
    const struct tls_session *s = h->work->psk;
    struct rd ids = h->work->psk_ids, id;
    uint32_t hidden;
    int64_t ahead;

    if (!rd_vec(&ids, 2, &id) || !rd_u32(&ids, &hidden)) {
        return false;
    }
    ahead = (int64_t)(uint32_t)(hidden - s->age_add) - (hs_now(h) - s->made);
    return -EARLY_AGE_MS <= ahead && ahead <= EARLY_AGE_MS;
}

static bool is_fresh(const struct hs *h)
{
    const struct settings *set = h->set;
    struct rd macs = h->work->psk_macs, mac;

    if (!rd_vec(&macs, 1, &mac)) {
        return false;
    }
    return set->replay ? replay_fresh(set->replay, mac.p, mac.n, hs_now(h))
                       : set->on_replay(set->on_replay_ctx, span_of(mac.p, mac.n), hs_now(h));
}

/* Section 4.2.10; the server's name is the session's, or it would not be resumed. A value is
 * remembered only for what would be accepted (section 8). */
static enum tls_early_why why_not(const struct hs *h)
{
    const struct hs_work *k = h->work;

    if (!h->set->max_early) {
        return TLS_EARLY_DISABLED;
    }
    if (k->retried) {
        return TLS_EARLY_RETRY;
    }
    if (!(h->facts & FACT_RESUMED) || k->psk_index != 0) {
        return TLS_EARLY_NO_SESSION;
    }
    if (!k->psk->max_early || k->psk->max_early > h->set->max_early) {
        return TLS_EARLY_TICKET;
    }
    if (k->psk->suite != h->suite->id) {
        return TLS_EARLY_SUITE;
    }
    if (!span_eq(span_text(k->psk->alpn), span_text(h->alpn))) {
        return TLS_EARLY_ALPN;
    }
    if (!age_fits(h)) {
        return TLS_EARLY_AGE;
    }
    return is_fresh(h) ? TLS_EARLY_FINE : TLS_EARLY_REPLAY;
}

static int skip(struct hs *h)
{
    const struct tls_session *s = h->work->psk;
    size_t max = SKIP_MIN;

    max = max > h->set->max_early ? max : h->set->max_early;
    max = !s || max > s->max_early ? max : s->max_early;
    return h->host->skip_early(h->ctx, max + max / 8 + 2048);
}

/* The ClientHello is read, the transcript ends with it or with HelloRetryRequest. */
int early13_choose(struct hs *h)
{
    struct hs_work *k = h->work;
    uint8_t at[HASH_MAX];

    if (!k->early_data) {
        return 0;
    }
    h->early_why = why_not(h);
    h->early = h->early_why == TLS_EARLY_FINE ? TLS_EARLY_ACCEPTED : TLS_EARLY_REJECTED;
    if (h->early == TLS_EARLY_REJECTED) {
        return skip(h);
    }
    h->facts |= FACT_EARLY;
    h->early_left = k->psk->max_early;
    TRY(transcript_hash(&k->transcript, at));
    return secret_make(h, h->suite, k->psk, at);
}

int server13_on_early_end(struct hs *h, struct rd *body)
{
    (void)body; /* section 4.5: empty, which the driver sees to */
    h->early_left = 0;
    return keys13_set(h, HS_READ, h->work->client_traffic);
}
#endif
