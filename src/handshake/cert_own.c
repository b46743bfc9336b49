/* SPDX-License-Identifier: ISC */
/* Which of our certificates: both versions, both roles. What the choice looks up is found once,
 * when the settings are sealed. */
#include "base/mem.h"
#include "handshake/local.h"

#define NAMES_MAX 8192 /* bytes of CA names in a request; more are left out altogether */

/* What speaks for an identity, the one more than the other. */
enum { NAMED = 1, VERIFIABLE = 2 };

/* ---- once ---- */
static void chain_learn(struct chain_facts *f, const struct identity *id)
{
    struct cert c;

    for (size_t i = 0; i < id->ncerts && i < CHAIN_MAX_CERTS; i++) {
        if (cert_parse(&c, id->certs[i], NULL) < 0) {
            continue; /* it is sent all the same: what the peer cannot read it may not need */
        }
        f->issuer[f->nissuers++] = c.issuer;
        if (!c.self_issued) { /* of a kind that we do not know: nobody verifies it, either */
            f->sig[f->nsigs].kind = c.sig.kind;
            f->sig[f->nsigs++].hash = c.sig.hash;
        }
    }
}

static void add_name(void *ctx, const struct cert *c)
{
    struct wr *w = ctx;

    if (w->len < NAMES_MAX) {
        wr_vec(w, 2, c->subject.p, c->subject.n);
    }
}

int settings_prepare(struct settings *s)
{
    struct wr w;

    mem_free(s->chains); /* of an attempt that failed */
    s->chains = NULL;
    buf_free(&s->authorities);
    w = wr_buf(&s->authorities);
    if (s->nidentities) {
        s->chains = mem_zalloc(s->nidentities * sizeof *s->chains);
        if (!s->chains) {
            return ERR_MEM;
        }
    }
    for (size_t i = 0; i < s->nidentities; i++) {
        chain_learn(&s->chains[i], s->identities[i]);
    }
    if (s->role == TLS_CLIENT || !s->trust) {
        return 0;
    }
    trust_each(s->trust, add_name, &w);
    if (w.len > NAMES_MAX) {
        w.len = 0; /* of no help to the client: any certificate will do */
    }
    return wr_commit(&w);
}

/* ---- what the peer asks for ---- */
/* certificate_authorities, and the list of that name in TLS 1.2: names in order, none empty. */
int authorities_take(struct hs *h, struct rd list)
{
    struct rd name;

    h->work->authorities = list;
    while (!rd_done(&list)) {
        if (!rd_vec(&list, 2, &name) || name.n == 0) {
            return TLS_ALERT(ALERT_DECODE_ERROR);
        }
    }
    return 0;
}

/* RFC 8446 section 4.4.2.3, RFC 5246 section 7.4.4: someone in the chain was issued by one of
 * them. */
static bool is_named(const struct hs_work *k, const struct chain_facts *f)
{
    struct rd list = k->authorities, name;

    while (rd_vec(&list, 2, &name)) {
        for (size_t i = 0; i < f->nissuers; i++) {
            if (span_eq(span_of(name.p, name.n), f->issuer[i])) {
                return true;
            }
        }
    }
    return false;
}

/* Can the peer verify the chain, too (section 4.4.2.2)? Without signature_algorithms_cert the list
 * for handshakes counts (section 4.2.3). */
static bool is_verifiable(const struct hs_work *k, const struct chain_facts *f)
{
    const uint16_t *list = k->ncert_schemes ? k->cert_schemes : k->schemes;
    size_t n = k->ncert_schemes ? k->ncert_schemes : k->nschemes;

    for (size_t i = 0; i < f->nsigs; i++) {
        bool found = false;

        for (size_t j = 0; j < n && !found; j++) {
            const struct scheme *s = scheme_by_id(list[j]);

            found = s && s->kind == f->sig[i].kind && s->hash == f->sig[i].hash;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

int cert_weigh(struct hs *h)
{
    const struct settings *set = h->set;
    struct hs_work *k = h->work;
    bool server = set->role == TLS_SERVER;

    k->least_fit = NAME_NONE;
    for (size_t i = 0; i < set->nidentities; i++) {
        k->fit[i] = server && h->sni ? (uint8_t)cert_name_fit(&set->identities[i]->leaf, h->sni)
                                     : (uint8_t)NAME_NONE;
        k->least_fit = k->fit[i] > k->least_fit ? k->fit[i] : k->least_fit;
        k->liking[i] = (uint8_t)((is_verifiable(k, &set->chains[i]) ? VERIFIABLE : 0) |
                                 (is_named(k, &set->chains[i]) ? NAMED : 0));
    }
    k->name_used = k->name_used || k->least_fit > NAME_NONE;
    if (server && set->strict_sni && k->least_fit == NAME_NONE) { /* threat 24 */
        return FAIL(h->err, TLS_ALERT(ALERT_UNRECOGNIZED_NAME),
                    "the client names no host of ours: \"%.60s\"", h->sni ? h->sni : "");
    }
    return 0;
}

bool cert_widen(struct hs *h)
{
    struct hs_work *k = h->work;
    bool more = k->least_fit > NAME_WILDCARD;

    k->least_fit = more ? NAME_WILDCARD : k->least_fit;
    return more;
}

bool cert_speaks(const struct hs *h, size_t i)
{
    return h->work->fit[i] >= h->work->least_fit;
}

/* ---- choosing ---- */
bool cert_scheme_fits(const struct hs *h, const struct scheme *s, enum key_type key)
{
    if (hs_is_13(h)) {
        return s->handshake13 && s->key == key;
    }
    /* RFC 8422 section 5.4: in TLS 1.2 the scheme's curve says nothing. */
    return s->kind == SIG_ECDSA ? key == KEY_EC_P256 || key == KEY_EC_P384 || key == KEY_EC_P521
                                : s->key == key;
}

bool cert_auth_fits(enum auth auth, enum key_type key)
{
    bool rsa = key == KEY_RSA || key == KEY_RSA_PSS;

    return auth == AUTH_ANY || (auth == AUTH_RSA) == rsa;
}

/* TLS 1.2: the client's groups are also the curves it can verify on (RFC 8422 section 5.1); one
 * that names none takes any. */
static bool curve_fits(const struct hs *h, enum key_type key)
{
    const struct hs_work *k = h->work;

    if (hs_is_13(h) || h->set->role == TLS_CLIENT || !k->got_groups || key < KEY_EC_P256 ||
        key > KEY_EC_P521) {
        return true;
    }
    return k->peer_curves & 1u << (key - KEY_EC_P256);
}

/* Who names none in TLS 1.2 takes SHA-1 (RFC 5246 section 7.4.1.4.1), which is ours when it was
 * asked for (threat 21). */
static bool peer_takes(const struct hs *h, uint16_t scheme)
{
    const struct hs_work *k = h->work;

    if (h->set->role == TLS_SERVER && !hs_is_13(h) && !k->got_schemes) {
        return scheme == 0x0201 || scheme == 0x0203;
    }
    for (size_t i = 0; i < k->nschemes; i++) {
        if (k->schemes[i] == scheme) {
            return true;
        }
    }
    return false;
}

/* Is the key long enough for the scheme's encoding (RFC 8017 section 9.1.1)? RSA with 1024 bits is
 * not for PSS with SHA-512. */
static bool key_holds(const struct identity *id, const struct scheme *s)
{
    return s->kind != SIG_RSA_PSS || id->leaf.key_n.n >= 2 * hash_size(s->hash) + 2;
}

/* Our first scheme to sign with, by that identity, that the peer can verify; NULL: none. */
static const struct scheme *scheme_for(const struct hs *h, const struct identity *id)
{
    const struct protocol *p = protocol_of(h->version);

    if (p && !p->names_schemes) { /* TLS 1.3 is yet to be, otherwise */
        return p->scheme(id->leaf.key_type);
    }
    for (size_t i = 0; i < h->set->nschemes; i++) {
        const struct scheme *s = h->set->schemes[i];

        if (cert_scheme_fits(h, s, id->leaf.key_type) && key_holds(id, s) && peer_takes(h, s->id) &&
            (id->leaf.key_hash == HASH_NONE || id->leaf.key_hash == s->hash)) {
            return s;
        }
    }
    return NULL;
}

static bool relies_on_sha1(const struct chain_facts *f)
{
    for (size_t i = 0; i < f->nsigs; i++) {
        if (f->sig[i].hash == HASH_SHA1) {
            return true;
        }
    }
    return false;
}

/* May TLS 1.3 show the i-th at all? Its key must be one for signatures. Where the peer cannot
 * verify the chain a server may show it all the same, but never with SHA-1 in it (section 4.4.2.2),
 * a client may not (section 4.4.2.3). */
static bool may_show(const struct hs *h, size_t i)
{
    const struct cert *leaf = &h->set->identities[i]->leaf;

    if (!hs_is_13(h)) {
        return true;
    }
    if (leaf->has_ku && !(leaf->ku & KU_DIGITAL_SIGNATURE)) {
        return false;
    }
    return h->set->role == TLS_SERVER ? !relies_on_sha1(&h->set->chains[i])
                                      : h->work->liking[i] & VERIFIABLE;
}

int cert_choose(struct hs *h, enum auth auth)
{
    struct hs_work *k = h->work;
    int best = -1;

    for (size_t i = 0; i < h->set->nidentities; i++) {
        const struct identity *id = h->set->identities[i];
        enum key_type type = id->leaf.key_type;
        const struct scheme *s;

        if (!cert_speaks(h, i) || !cert_auth_fits(auth, type) || !curve_fits(h, type) ||
            !may_show(h, i) || k->liking[i] <= best) {
            continue;
        }
        s = scheme_for(h, id);
        if (s) {
            k->identity = id;
            k->our_scheme = s;
            best = k->liking[i];
        }
    }
    return best >= 0;
}

/* ---- the one that was chosen ---- */
static struct span of_chosen(const struct hs *h, const struct buf *each)
{
    for (size_t i = 0; i < h->set->nidentities; i++) {
        if (h->set->identities[i] == h->work->identity) {
            return buf_span(&each[i]);
        }
    }
    return span_of(NULL, 0);
}

struct span cert_status(const struct hs *h)
{
    return of_chosen(h, h->set->status);
}

struct span cert_scts(const struct hs *h)
{
    return of_chosen(h, h->set->scts);
}
