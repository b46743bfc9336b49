/* SPDX-License-Identifier: ISC */
/* Resumption in TLS 1.3: a session offered as pre-shared key, and taken (RFC 8446 section 4.2.11).
 * Always with a key exchange of its own (psk_dhe_ke), never with early data. */
#include "base/secret.h"
#include "handshake/extensions.h"

#define PSK_DHE_KE 1
/* Identities looked at: each costs a decryption, and a client has no use for many. */
#define TRIES 4
/* How much older a client may say that its ticket is than the session is: its clock may have been
 * set. Only early data would need more care (section 8.3). */
#define AGE_SLACK  (10 * 60 * 1000)
#define BINDER_MIN 32

bool psk13_usable(const struct hs *h, const struct tls_session *s)
{
    const struct suite *was = suite_by_id(s->suite);
    bool listed = false;

    if (h->set->no_tickets || !s->ticket_len || !was || s->secret_len != hash_size(was->hash)) {
        return false;
    }
    for (size_t i = 0; i < h->set->nsuites; i++) { /* the same hash will do */
        const struct suite *ours = h->set->suites[i];

        listed = listed || (ours->version == was->version && ours->hash == was->hash);
    }
    return listed;
}

/* ---- psk_key_exchange_modes ---- */
int ext_modes_write(struct hs *h, struct wr *w, enum ext_where where)
{
    (void)where;
    if (!hello_offers(h, TLS_1_3) || h->set->no_tickets) {
        return 0;
    }
    /* Also without a session to offer: a server gives tickets only to who can use them. */
    wr_u8(w, 1);
    wr_u8(w, PSK_DHE_KE);
    return 1;
}

int ext_modes_read(struct hs *h, struct rd *body, enum ext_where where)
{
    struct rd list;

    (void)where;
    if (!rd_vec(body, 1, &list) || list.n == 0) {
        return ext_bad(h, "psk_key_exchange_modes");
    }
    h->work->offers_modes = true;
    h->work->offers_dhe = memchr(list.p, PSK_DHE_KE, list.n);
    return 0;
}

/* ---- pre_shared_key ---- */
static size_t binder_size(const struct tls_session *s)
{
    return s->secret_len;
}

int ext_psk_write(struct hs *h, struct wr *w, enum ext_where where)
{
    const struct hs_work *k = h->work;
    static const uint8_t later[HASH_MAX]; /* psk13_bind() fills it in */
    size_t list;

    if (where == IN_SH) {
        wr_u16(w, k->psk_index);
        return (h->facts & FACT_RESUMED) != 0;
    }
    if (!k->psk) {
        return 0;
    }
    list = wr_begin(w, 2);
    wr_vec(w, 2, k->psk->ticket, k->psk->ticket_len);
    wr_u32(w, (uint32_t)(hs_now(h) - k->psk->made) + k->psk->age_add); /* section 4.2.11.1 */
    wr_end(w, 2, list);
    list = wr_begin(w, 2);
    wr_vec(w, 1, later, binder_size(k->psk));
    wr_end(w, 2, list);
    return 1;
}

int psk13_bind(struct hs *h, struct hs_msg *m)
{
    struct hs_work *k = h->work;
    enum hash_id hash;
    uint8_t at[HASH_MAX], binder[HASH_MAX];
    size_t n, cut;

    if (!k->psk) {
        return 0;
    }
    hash = suite_by_id(k->psk->suite)->hash;
    n = binder_size(k->psk);
    cut = 2 + 1 + n; /* the binders with their lengths, at the very end */
    wr_end(&m->w, 3, m->mark);
    if (!wr_ok(&m->w)) {
        return ERR_MEM;
    }
    TRY(transcript_partial(&k->transcript, hash, 0, span_of(m->w.p, m->w.len - cut), at));
    TRY(schedule13_binder(hash, span_of(k->psk->secret, n), at, binder));
    memcpy(m->w.p + m->w.len - n, binder, n);
    return 0;
}

static int offer_read(struct hs *h, struct rd *body)
{
    struct rd ids, macs, one;
    size_t nids = 0, nmacs = 0;
    uint32_t age;

    if (!rd_vec(body, 2, &ids) || !rd_vec(body, 2, &macs)) {
        return ext_bad(h, "pre_shared_key");
    }
    h->work->psk_ids = ids;
    h->work->psk_macs = macs;
    for (; !rd_done(&ids); nids++) {
        if (!rd_vec(&ids, 2, &one) || one.n == 0 || !rd_u32(&ids, &age)) {
            return ext_bad(h, "pre_shared_key");
        }
    }
    for (; !rd_done(&macs); nmacs++) {
        if (!rd_vec(&macs, 1, &one) || one.n < BINDER_MIN) {
            return ext_bad(h, "pre_shared_key");
        }
    }
    if (nids == 0 || nmacs == 0) {
        return ext_bad(h, "pre_shared_key");
    }
    return nids == nmacs ? 0
                         : FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                                "%zu identities and %zu binders", nids, nmacs);
}

int ext_psk_read(struct hs *h, struct rd *body, enum ext_where where)
{
    uint16_t selected;

    if (where == IN_CH) {
        return offer_read(h, body);
    }
    if (!rd_u16(body, &selected)) {
        return ext_bad(h, "pre_shared_key");
    }
    if (selected != 0) { /* we offer one */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server resumes a session that was not offered");
    }
    h->work->psk_chosen = true;
    return 0;
}

/* ---- the server's choice ---- */
/* May this session go on under today's policy (threats 27, 28)? ticket_open() has seen to its age.
 */
static bool acceptable(const struct hs *h, const struct tls_session *s, uint32_t hidden_age)
{
    const struct suite *was = suite_by_id(s->suite);
    uint32_t age = hidden_age - s->age_add;

    return hello_is_session13(s) && was && was->version == h->suite->version &&
           was->hash == h->suite->hash && s->secret_len == hash_size(was->hash) &&
           memcmp(s->context, h->set->context, SESSION_CONTEXT) == 0 &&
           span_eq(span_text(s->sni), span_text(h->sni)) &&
           age <= hs_now(h) - s->made + AGE_SLACK &&
           (h->set->client_auth != CLIENT_AUTH_REQUIRE || s->peer_cert_len);
}

/* The first acceptable session among the first identities; NULL: none. */
static struct tls_session *find(struct hs *h, uint16_t *index)
{
    struct rd ids = h->work->psk_ids, ticket;
    uint32_t age;
    bool renew;

    for (*index = 0; *index < TRIES; (*index)++) {
        struct tls_session *s;

        if (!rd_vec(&ids, 2, &ticket) || !rd_u32(&ids, &age)) {
            return NULL;
        }
        if (ticket_open(h->set->tickets, span_of(ticket.p, ticket.n), hs_now(h), &s, &renew) < 0) {
            continue;
        }
        if (acceptable(h, s, age)) {
            return s;
        }
        session_unref(s);
    }
    return NULL;
}

/* The client knows the secret of the session, and means it for this hello (section 4.2.11.2). */
static int check_binder(struct hs *h)
{
    struct hs_work *k = h->work;
    size_t n = hash_size(h->suite->hash);
    struct rd macs = k->psk_macs, mac = rd_of(NULL, 0);
    uint8_t at[HASH_MAX], want[HASH_MAX] = { 0 };

    for (unsigned i = 0; i <= k->psk_index; i++) {
        if (!rd_vec(&macs, 1, &mac)) {
            return ERR_STATE;
        }
    }
    TRY(transcript_partial(&k->transcript, h->suite->hash, 2 + k->psk_macs.n, span_of(NULL, 0),
                           at));
    TRY(schedule13_binder(h->suite->hash, span_of(k->psk->secret, k->psk->secret_len), at, want));
    return mac.n == n && ct_equal(mac.p, want, n)
               ? 0
               : FAIL(h->err, TLS_ALERT(ALERT_DECRYPT_ERROR), "the binder of the session is wrong");
}

int psk13_choose(struct hs *h)
{
    struct hs_work *k = h->work;

    /* Without a clock nothing would ever be too old. */
    if (!k->offers_dhe || !h->set->tickets || h->set->no_tickets || !h->set->now) {
        return 0;
    }
    k->psk = find(h, &k->psk_index);
    if (!k->psk) {
        return 0;
    }
    TRY(check_binder(h));
    return session_take(h, k->psk);
}
