/* SPDX-License-Identifier: ISC */
/* What a handshake left behind as bytes, for a connection that goes on in another process. Nothing
 * in there is believed that could not be: every field is held to what this end would have agreed
 * to (threat 38). */
#include "base/mem.h"
#include "base/secret.h"
#include "handshake/local.h"

#define TEXT_MAX   255
#define FACTS_KEPT (FACT_PEER_CERT | FACT_RESUMED | FACT_PSK)
enum {
    FLAG_EMS = 1,
    FLAG_ETM = 2,
    FLAG_NAMED = 4,
    FLAG_FINISHED_LAST = 8,
    FLAG_SECURE = 16,
    FLAG_RESUMES = 32,
    FLAG_TICKETS = 64,
    FLAGS = 127,
};

int hs_may_hand_off(const struct hs *h)
{
    if (!hs_connected(h) || h->work || h->renegotiating || h->asked || h->write_blocked) {
        return ERR_STATE;
    }
    /* Its transcript hash cannot leave the process, and the server may ask at any time. A server
     * just does not ask any more. */
    return h->set->role == TLS_CLIENT && h->post && h->post->transcript ? ERR_UNSUPPORTED : 0;
}

/* ---- write ---- */

static void put_text(struct wr *w, const char *text)
{
    wr_vec(w, 1, text, text ? strlen(text) : 0);
}

/* Tickets that are still to come. Those that a server gives, it has given. */
static bool takes_tickets(const struct hs *h)
{
    return h->set->role == TLS_CLIENT && h->post && h->post->tickets;
}

static unsigned flags_of(const struct hs *h)
{
    return (h->ems ? FLAG_EMS : 0) | (h->etm ? FLAG_ETM : 0) | (h->named ? FLAG_NAMED : 0) |
           (h->finished_last ? FLAG_FINISHED_LAST : 0) | (h->secure ? FLAG_SECURE : 0) |
           (h->may_resume ? FLAG_RESUMES : 0) | (takes_tickets(h) ? FLAG_TICKETS : 0);
}

/* One too large to be written is not resumed, which is all that is lost. */
static void put_session(struct wr *w, const struct tls_session *s)
{
    struct buf b = { .secret = true };
    int rc = s ? session_write(s, &b) : 0;

    wr_vec(w, 2, buf_data(&b), buf_len(&b));
    w->failed = w->failed || rc == ERR_MEM;
    buf_free(&b);
}

void hs_hand_off(const struct hs *h, struct wr *w)
{
    wr_u16(w, h->version);
    wr_u16(w, h->suite->id);
    wr_u16(w, h->group ? h->group->id : 0);
    wr_u16(w, h->scheme ? h->scheme->id : 0);
    wr_u16(w, h->max_fragment);
    wr_u16(w, h->send_limit);
    wr_u16(w, h->recv_limit);
    wr_u8(w, flags_of(h));
    wr_u8(w, h->facts & FACTS_KEPT);
    wr_u8(w, h->allow);
    wr_u8(w, h->early);
    wr_u8(w, h->early_why);
    wr_u64(w, (uint64_t)h->peer_not_after);
    put_text(w, h->alpn);
    put_text(w, h->sni);
    put_text(w, h->name);
    put_text(w, h->psk);
    wr_vec(w, 3, cert_list_leaf(h->peer).p, cert_list_leaf(h->peer).n);
    wr_vec(w, 3, buf_data(&h->status), buf_len(&h->status));
    wr_vec(w, 2, buf_data(&h->scts), buf_len(&h->scts));
    wr_vec(w, 3, h->shown ? h->shown->leaf.der.p : NULL, h->shown ? h->shown->leaf.der.n : 0);
    wr_vec(w, 1, h->exporter, h->exporter ? h->exporter_size : 0);
    if (!hs_is_13(h)) {
        wr_bytes(w, h->verify, sizeof h->verify);
    }
    if (takes_tickets(h)) {
        wr_bytes(w, h->post->resumption, hash_size(h->suite->hash));
        wr_u64(w, (uint64_t)h->post->made);
    }
    put_session(w, h->session);
}

/* ---- read ---- */

MUST_CHECK static bool get_vec(struct rd *r, size_t width, size_t max, struct span *out)
{
    struct rd in;

    if (!rd_vec(r, width, &in) || in.n > max) {
        return false;
    }
    *out = span_of(in.p, in.n);
    return true;
}

static int get_text(struct rd *r, char **field)
{
    struct span s;

    if (!get_vec(r, 1, TEXT_MAX, &s) || (s.n && memchr(s.p, 0, s.n))) {
        return ERR_PARSE;
    }
    if (s.n) {
        *field = mem_zalloc(s.n + 1);
        if (!*field) {
            return ERR_MEM;
        }
        memcpy(*field, s.p, s.n);
    }
    return 0;
}

/* One that our settings allow. */
static const struct suite *find_suite(const struct settings *s, uint16_t version, uint16_t id)
{
    for (size_t i = 0; i < s->nsuites; i++) {
        const struct suite *suite = s->suites[i];

        if (suite->id == id && suite_fits(suite, version) && s->min_version <= version &&
            version <= s->max_version && protocol_of(version)) {
            return suite;
        }
    }
    return NULL;
}

static enum hs_state connected_state(const struct hs *h)
{
    if (h->set->role == TLS_CLIENT) {
        return hs_is_13(h) ? C_CONNECTED : C12_CONNECTED;
    }
    return hs_is_13(h) ? S_CONNECTED : S12_CONNECTED;
}

static bool limit_is_legal(unsigned n)
{
    return n == 0 || (n >= RECORD_LIMIT_MIN && n <= RECORD_LIMIT_MAX);
}

/* What one version alone has, the other has not. */
static bool agreed_is_legal(const struct hs *h, unsigned flags)
{
    const bool tickets = flags & FLAG_TICKETS;

    if (hs_is_13(h) ? h->ems || h->etm : tickets) {
        return false;
    }
    return (flags & ~(unsigned)FLAGS) == 0 && (!tickets || h->set->role == TLS_CLIENT) &&
           fragment_is_legal(h->max_fragment) && limit_is_legal(h->send_limit) &&
           limit_is_legal(h->recv_limit);
}

static int get_agreed(struct hs *h, struct rd *r, uint8_t *flags)
{
    uint16_t suite, group, scheme;
    uint8_t facts, allow, early, why;
    uint64_t until;

    if (!rd_u16(r, &h->version) || !rd_u16(r, &suite) || !rd_u16(r, &group) ||
        !rd_u16(r, &scheme) || !rd_u16(r, &h->max_fragment) || !rd_u16(r, &h->send_limit) ||
        !rd_u16(r, &h->recv_limit) || !rd_u8(r, flags) || !rd_u8(r, &facts) || !rd_u8(r, &allow) ||
        !rd_u8(r, &early) || !rd_u8(r, &why) || !rd_u64(r, &until)) {
        return ERR_PARSE;
    }
    h->suite = find_suite(h->set, h->version, suite);
    if (!h->suite) {
        return ERR_MISMATCH;
    }
    h->group = group_by_id(group);
    h->scheme = scheme_by_id(scheme);
    h->ems = *flags & FLAG_EMS;
    h->etm = *flags & FLAG_ETM;
    h->named = *flags & FLAG_NAMED;
    h->finished_last = *flags & FLAG_FINISHED_LAST;
    h->secure = *flags & FLAG_SECURE;
    h->may_resume = *flags & FLAG_RESUMES;
    h->facts = facts;
    h->peer_not_after = (int64_t)until;
    h->allow = allow == ALLOW_NO ? ALLOW_NO : allow == ALLOW_YES ? ALLOW_YES : ALLOW_UNSAID;
    h->early = early;
    h->early_why = why;
    h->state = connected_state(h);
    return (!group || h->group) && (!scheme || h->scheme) && allow == h->allow &&
                   (facts & ~FACTS_KEPT) == 0 && early <= TLS_EARLY_ACCEPTED &&
                   early != TLS_EARLY_OFFERED && why <= TLS_EARLY_REPLAY &&
                   agreed_is_legal(h, *flags)
               ? 0
               : ERR_PARSE;
}

static int get_names(struct hs *h, struct rd *r)
{
    bool client = h->set->role == TLS_CLIENT;

    TRY(get_text(r, &h->alpn));
    TRY(get_text(r, &h->sni));
    TRY(get_text(r, &h->name));
    TRY(get_text(r, &h->psk));
    if (client && h->set->verify == VERIFY_FULL && !h->name && !h->set->psks &&
        !h->set->psks12) { /* threat 32 */
        return ERR_PARSE;
    }
    if (h->name ? !client || (!host_is_valid(h->name) && !host_is_ip(h->name)) : h->named) {
        return ERR_PARSE;
    }
    return client && h->sni && (!host_is_valid(h->sni) || host_is_ip(h->sni)) ? ERR_PARSE : 0;
}

/* Ours that went out: the one of that name that we still have, or a memory of it. */
static int get_shown(struct hs *h, struct rd *r)
{
    const struct settings *s = h->set;
    struct span der;

    if (!get_vec(r, 3, CHAIN_MAX_BYTES, &der) || (der.n && s->role == TLS_CLIENT)) {
        return ERR_PARSE;
    }
    for (size_t i = 0; der.n && i < s->nidentities && !h->shown; i++) {
        if (span_eq(s->identities[i]->leaf.der, der)) {
            h->shown = identity_ref(s->identities[i]);
        }
    }
    return der.n && !h->shown ? identity_from_leaf(&h->shown, der) : 0;
}

static int get_certificates(struct hs *h, struct rd *r)
{
    struct span peer, status, scts;
    struct cert c;

    if (!get_vec(r, 3, CHAIN_MAX_BYTES, &peer) ||
        !get_vec(r, 3, hs_message_max(HS_CERTIFICATE_STATUS), &status) ||
        !get_vec(r, 2, UINT16_MAX, &scts) || (peer.n && cert_parse(&c, peer, NULL) < 0) ||
        (!peer.n && (h->facts & FACT_PEER_CERT)) || (scts.n && !scts_wellformed(scts))) {
        return ERR_PARSE;
    }
    if (peer.n && !(h->peer = cert_list_new(&(struct cert){ .der = peer }, 1))) {
        return ERR_MEM;
    }
    TRY(buf_append(&h->status, status.p, status.n));
    TRY(buf_append(&h->scts, scts.p, scts.n));
    return get_shown(h, r);
}

static int get_exporter(struct hs *h, struct rd *r)
{
    struct span s;

    if (!get_vec(r, 1, UINT8_MAX, &s) || s.n != exporter_size(h)) {
        return ERR_PARSE;
    }
    if (s.n) {
        h->exporter = mem_dup(s.p, s.n);
        if (!h->exporter) {
            return ERR_MEM;
        }
        h->exporter_size = (uint8_t)s.n;
    }
    return hs_is_13(h) || rd_copy(r, h->verify, sizeof h->verify) ? 0 : ERR_PARSE;
}

static int get_tickets(struct hs *h, struct rd *r)
{
    uint64_t made;

    h->post = mem_zalloc(sizeof *h->post);
    if (!h->post) {
        return ERR_MEM;
    }
    h->post->tickets = true;
    if (!rd_copy(r, h->post->resumption, hash_size(h->suite->hash)) || !rd_u64(r, &made) ||
        made > INT64_MAX) {
        return ERR_PARSE;
    }
    h->post->made = (int64_t)made;
    return 0;
}

static int get_session(struct hs *h, struct rd *r)
{
    struct span s;

    if (!get_vec(r, 2, SESSION_SERIAL_MAX, &s)) {
        return ERR_PARSE;
    }
    TRY(s.n ? session_parse(&h->session, s) : 0);
    return !h->session || h->session->version == h->version ? 0 : ERR_PARSE;
}

int hs_take_over(struct hs *h, struct rd *r)
{
    uint8_t flags;

    TRY(get_agreed(h, r, &flags));
    TRY(get_names(h, r));
    TRY(get_certificates(h, r));
    TRY(get_exporter(h, r));
    TRY(flags & FLAG_TICKETS ? get_tickets(h, r) : 0);
    return get_session(h, r);
}
