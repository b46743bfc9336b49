/* SPDX-License-Identifier: ISC */
/* Pre-shared keys of TLS 1.3 (RFC 8446 section 4.2.11), offered and taken: a session that is to be
 * resumed, and keys from outside. With a key exchange of its own (psk_dhe_ke), or, when asked for,
 * without (psk_ke). */
#include "base/options.h"

#ifdef USE_TLS_1_3
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/extensions.h"

enum { PSK_KE = 0, PSK_DHE_KE = 1 };
/* Identities looked at, and tickets among them: each costs a decryption, and a client has no use
 * for many. */
#define LOOKS 8
#define TRIES 4
/* How much older a client may say that its ticket is than the session is: its clock may have been
 * set. Early data needs more care (early13.c). */
#define AGE_SLACK  (10 * 60 * 1000)
#define BINDER_MIN 32

/* ---- psk_key_exchange_modes ---- */
int ext_modes_write(struct hs *h, struct wr *w, enum ext_where where)
{
    (void)where;
    if (!hello_offers(h, TLS_1_3) || (h->set->no_tickets && !h->set->psks)) {
        return 0;
    }
    /* Also without a session to offer: a server gives tickets only to who can use them. */
    wr_u8(w, h->set->psk_ke ? 2 : 1);
    wr_u8(w, PSK_DHE_KE);
    if (h->set->psk_ke) {
        wr_u8(w, PSK_KE);
    }
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
    h->work->offers_ke = memchr(list.p, PSK_KE, list.n);
    return 0;
}

bool psk13_speaks(const struct hs *h)
{
    return h->work->offers_dhe || (h->set->psk_ke && h->work->offers_ke);
}

bool psk13_only_alone(const struct hs *h)
{
    return psk13_speaks(h) && !h->work->offers_dhe;
}

/* ---- pre_shared_key: what a client offers ---- */
struct offer {
    struct span identity, secret;
    uint32_t age;
    enum hash_id hash;
    const char *label;              /* of the binder */
    const struct ext_psk *external; /* NULL: the session */
};
#define OFFERS (1 + PSK_OFFERS)

/* Is there a suite for keys of that hash? After HelloRetryRequest only that one (section 4.1.4). */
static bool is_wanted(const struct hs *h, enum hash_id hash)
{
    bool wanted = false;

    for (size_t i = 0; i < h->set->nsuites; i++) {
        const struct suite *s = h->set->suites[i];

        wanted = wanted || (hello_is_suite13(s) && s->hash == hash);
    }
    return h->work->retried ? h->suite->hash == hash : wanted;
}

bool psk13_usable(const struct hs *h, const struct tls_session *s)
{
    const struct suite *was = suite_by_id(s->suite);

    return !h->set->no_tickets && s->ticket_len && was && hello_is_suite13(was) &&
           s->secret_len == hash_size(was->hash) && is_wanted(h, was->hash);
}

/* In order: the session, then what we have from outside. The same each time until the server has
 * answered. */
static size_t offers(const struct hs *h, struct offer out[static OFFERS])
{
    const struct tls_session *s = h->work->psk;
    size_t n = 0;

    if (s && is_wanted(h, suite_by_id(s->suite)->hash)) {
        out[n++] = (struct offer){
            .identity = span_of(s->ticket, s->ticket_len),
            .secret = span_of(s->secret, s->secret_len),
            .age = (uint32_t)(hs_now(h) - s->made) + s->age_add, /* section 4.2.11.1 */
            .hash = suite_by_id(s->suite)->hash,
            .label = "res binder",
        };
    }
    if (!hello_offers(h, TLS_1_3)) {
        return n;
    }
    for (const struct ext_psk *p = h->set->psks; p && n < OFFERS; p = p->next) {
        if (is_wanted(h, p->hash)) {
            out[n++] = (struct offer){
                .identity = span_of(p->identity, p->identity_len),
                .secret = psk_key(p),
                .hash = p->hash,
                .label = psk_label(p),
                .external = p,
            };
        }
    }
    return n;
}

bool psk13_offers(const struct hs *h)
{
    struct offer o[OFFERS];

    return offers(h, o) > 0;
}

int ext_psk_write(struct hs *h, struct wr *w, enum ext_where where)
{
    static const uint8_t later[HASH_MAX]; /* psk13_bind() fills it in */
    struct offer o[OFFERS];
    size_t list, n;

    if (where == IN_SH) {
        wr_u16(w, h->work->psk_index);
        return (h->facts & (FACT_RESUMED | FACT_PSK)) != 0;
    }
    n = offers(h, o);
    if (n == 0) {
        return 0;
    }
    list = wr_begin(w, 2);
    for (size_t i = 0; i < n; i++) {
        wr_vec(w, 2, o[i].identity.p, o[i].identity.n);
        wr_u32(w, o[i].age);
    }
    wr_end(w, 2, list);
    list = wr_begin(w, 2);
    for (size_t i = 0; i < n; i++) {
        wr_vec(w, 1, later, hash_size(o[i].hash));
    }
    wr_end(w, 2, list);
    return 1;
}

/* The binders with their lengths are at the very end. */
int psk13_bind(struct hs *h, struct hs_msg *m)
{
    struct hs_work *k = h->work;
    struct offer o[OFFERS];
    uint8_t at[HASH_MAX], binder[HASH_MAX];
    size_t n = offers(h, o), cut = 2;
    struct span hello;
    uint8_t *to;

    if (n == 0) {
        return 0;
    }
    wr_end(&m->w, 3, m->mark);
    if (!wr_ok(&m->w)) {
        return ERR_MEM;
    }
    for (size_t i = 0; i < n; i++) {
        cut += 1 + hash_size(o[i].hash);
    }
    hello = span_of(m->w.p, m->w.len - cut);
    to = m->w.p + hello.n + 2;
    for (size_t i = 0; i < n; i++) {
        size_t size = hash_size(o[i].hash);

        TRY(transcript_partial(&k->transcript, o[i].hash, 0, hello, at));
        TRY(schedule13_binder(o[i].hash, o[i].secret, o[i].label, at, binder));
        memcpy(to + 1, binder, size);
        to += 1 + size;
    }
    return 0;
}

/* ---- pre_shared_key: as it is read ---- */
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
    struct offer o[OFFERS];
    uint16_t selected;

    if (where == IN_CH) {
        return offer_read(h, body);
    }
    if (!rd_u16(body, &selected)) {
        return ext_bad(h, "pre_shared_key");
    }
    if (selected >= offers(h, o)) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server takes a key that was not offered");
    }
    h->work->psk_index = selected;
    h->work->psk_chosen = true;
    return 0;
}

/* Client or server: this key authenticates both. */
static int take(struct hs *h, const struct ext_psk *p)
{
    cert_forget(h);
    h->psk = mem_strdup(p->name);
    h->work->external = p;
    h->facts |= FACT_PSK;
    return h->psk ? 0 : ERR_MEM;
}

int psk13_answered(struct hs *h)
{
    struct hs_work *k = h->work;
    struct offer o[OFFERS], *chosen = o + k->psk_index;

    if (!k->psk_chosen) {
        session_unref(k->psk);
        k->psk = NULL;
        return 0;
    }
    (void)offers(h, o);                   /* ext_psk_read() has seen to the index */
    if (chosen->hash != h->suite->hash) { /* section 4.2.11 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server takes a key under a suite with another hash");
    }
    return chosen->external ? take(h, chosen->external) : session_take(h, k->psk);
}

/* ---- the server's choice ---- */
/* May this session go on under today's policy (threats 27, 28)? ticket_open() has seen to its age.
 */
static bool acceptable(const struct hs *h, const struct tls_session *s, uint32_t hidden_age)
{
    const struct suite *was = suite_by_id(s->suite);
    uint32_t age = hidden_age - s->age_add;

    return hello_is_session13(s) && was && hello_is_suite13(was) &&
           s->secret_len == hash_size(was->hash) &&
           memcmp(s->context, h->set->context, SESSION_CONTEXT) == 0 &&
           span_eq(span_text(s->sni), span_text(h->sni)) &&
           age <= hs_now(h) - s->made + AGE_SLACK &&
           (h->set->client_auth != CLIENT_AUTH_REQUIRE || s->peer_cert_len);
}

/* One of ours in place of a session? Its name need not be secret. */
bool psk13_fits(struct hs *h, const struct suite *s)
{
    struct rd ids = h->work->psk_ids, id;
    uint32_t age;

    if (!psk13_speaks(h)) {
        return false;
    }
    for (unsigned i = 0; i < LOOKS && rd_vec(&ids, 2, &id) && rd_u32(&ids, &age); i++) {
        if (psk_find(h->set, span_of(id.p, id.n), s->hash)) {
            return true;
        }
    }
    return false;
}

/* The first that is one, and no other: each costs a lookup. It is taken out of the store, so the
 * hello behind a HelloRetryRequest goes by what was found for the first. */
struct span psk13_stored(const struct hs *h)
{
    struct rd ids = h->work->psk_ids, id;
    uint32_t age;

    if (!stored_possible(h) || h->set->no_tickets || h->work->retried || !psk13_speaks(h)) {
        return span_of(NULL, 0);
    }
    for (unsigned i = 0; i < TRIES && rd_vec(&ids, 2, &id) && rd_u32(&ids, &age); i++) {
        if (id.n == STORED_NAME) {
            return span_of(id.p, id.n);
        }
    }
    return span_of(NULL, 0);
}

/* The session of a ticket, when it is acceptable. Without a clock nothing would ever be too old. */
static struct tls_session *open_ticket(const struct hs *h, struct span ticket, uint32_t age)
{
    struct tls_session *s = NULL;
    bool renew;

    if (!h->set->tickets || h->set->no_tickets || !h->set->now) {
        return NULL;
    }
    if (ticket.n == STORED_NAME) {
        s = stored_found(h, ticket);
    } else if (ticket_open(h->set->tickets, ticket, hs_now(h), &s, &renew) < 0) {
        s = NULL;
    }
    if (s && acceptable(h, s, age)) {
        return s;
    }
    session_unref(s);
    return NULL;
}

static bool has_its_hash(struct hs *h, const struct suite *s)
{
    return s->hash == suite_by_id(h->work->psk->suite)->hash;
}

/* Early data needs the very one (section 4.2.10), else it is ours to choose among those with its
 * hash. */
static const struct suite *suite_for(struct hs *h, const struct client_hello *c)
{
    const struct suite *was = suite_by_id(h->work->psk->suite);

    if (h->work->retried) {
        return has_its_hash(h, h->suite) && hello_client_lists(c, h->suite->id) ? h->suite : NULL;
    }
    if (h->work->early_data && settings_list(h->set, was->id) && hello_client_lists(c, was->id)) {
        return was;
    }
    return hello_choose_suite(h, c, TLS_1_3, has_its_hash);
}

const struct suite *psk13_suite(struct hs *h, const struct client_hello *c)
{
    struct hs_work *k = h->work;
    struct rd ids = psk13_speaks(h) ? k->psk_ids : rd_of(NULL, 0), id;
    const struct suite *suite = NULL;
    uint32_t age;

    for (k->psk_at = 0;; k->psk_at++) {
        session_unref(k->psk);
        k->psk = NULL;
        if (k->psk_at == TRIES || !rd_vec(&ids, 2, &id) || !rd_u32(&ids, &age)) {
            return NULL;
        }
        k->psk = open_ticket(h, span_of(id.p, id.n), age);
        suite = k->psk ? suite_for(h, c) : NULL;
        if (suite) {
            return suite;
        }
    }
}

/* The first key among the first identities that goes with the suite, if there is one. */
static void find(struct hs *h)
{
    struct hs_work *k = h->work;
    struct rd ids = k->psk_ids, id;
    uint32_t age;

    for (k->psk_index = 0; k->psk_index < LOOKS; k->psk_index++) {
        if (!rd_vec(&ids, 2, &id) || !rd_u32(&ids, &age)) {
            return;
        }
        k->external = psk_find(h->set, span_of(id.p, id.n), h->suite->hash);
        if (k->external || (k->psk && k->psk_index == k->psk_at)) {
            return;
        }
    }
}

/* The client knows the secret, and means it for this hello (section 4.2.11.2). */
static int check_binder(struct hs *h, struct span secret, const char *label)
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
    TRY(schedule13_binder(h->suite->hash, secret, label, at, want));
    return mac.n == n && ct_equal(mac.p, want, n)
               ? 0
               : FAIL(h->err, TLS_ALERT(ALERT_DECRYPT_ERROR), "the binder of the key is wrong");
}

int psk13_choose(struct hs *h)
{
    struct hs_work *k = h->work;

    if (!k->offers_dhe && !k->alone) {
        return 0;
    }
    find(h);
    if (k->external) {
        TRY(check_binder(h, psk_key(k->external), psk_label(k->external)));
        return take(h, k->external);
    }
    if (k->psk) {
        TRY(check_binder(h, span_of(k->psk->secret, k->psk->secret_len), "res binder"));
        return session_take(h, k->psk);
    }
    return 0;
}

struct span psk13_secret(const struct hs *h)
{
    const struct hs_work *k = h->work;

    if (h->facts & FACT_PSK) {
        return psk_key(k->external);
    }
    return h->facts & FACT_RESUMED ? span_of(k->psk->secret, k->psk->secret_len) : span_of(NULL, 0);
}
#endif
