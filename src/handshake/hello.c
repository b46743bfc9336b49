/* SPDX-License-Identifier: ISC */
/* The hellos: one ClientHello for all versions. Versions are compared here, in hello_version.c and
 * in the extension files, nowhere else. */
#include "handshake/local.h"

#define FALLBACK_SCSV      0x5600 /* RFC 7507 */
#define RENEGOTIATION_SCSV 0x00ff /* RFC 5746 section 3.3 */

/* SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3). */
const uint8_t hello_retry_random[RANDOM_SIZE] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};
/* ---- reserved values (RFC 8701) ---- */
/* Offered so that servers do not forget how to ignore what they do not know: 0x0a0a, 0x1a1a, up to
 * 0xfafa. None of them is in the settings, so one that is chosen was not offered, as far as our
 * checks can tell. 0: none. */
uint16_t hello_grease(const struct hs *h, unsigned which)
{
    const uint8_t *seed = h->work->grease;
    unsigned n = seed[which] >> 4;

    if (h->set->no_grease) {
        return 0;
    }
    if (which == GREASE_EXTENSION2 && n == seed[GREASE_EXTENSION] >> 4) { /* none twice */
        n ^= 1;
    }
    return (uint16_t)(0x0a0a + 0x1010 * n);
}

void hello_put_grease(const struct hs *h, struct wr *w, unsigned which)
{
    uint16_t value = hello_grease(h, which);

    if (value) {
        wr_u16(w, value);
    }
}

/* ---- what kind of message ---- */
/* The body of one extension of a block with its length. */
static bool find_extension(struct rd r, uint16_t want, struct rd *body)
{
    struct rd block;
    uint16_t id;

    if (!rd_vec(&r, 2, &block)) {
        return false;
    }
    while (rd_u16(&block, &id) && rd_vec(&block, 2, body)) {
        if (id == want) {
            return true;
        }
    }
    return false;
}

/* The extension is only for TLS 1.3 (section 4.2.1); ext_versions_read() refuses any other value.
 */
static bool server_chose_13(struct rd r)
{
    struct rd skipped, body;
    struct span fixed;

    return rd_bytes(&r, 2 + RANDOM_SIZE, &fixed) && rd_vec(&r, 1, &skipped) &&
           rd_bytes(&r, 3, &fixed) && find_extension(r, EXT_SUPPORTED_VERSIONS, &body);
}

/* From the start of a ClientHello to its extensions. */
static bool client_extensions(struct rd *r)
{
    struct rd skipped;
    struct span fixed;

    return rd_bytes(r, 2 + RANDOM_SIZE, &fixed) && rd_vec(r, 1, &skipped) &&
           rd_vec(r, 2, &skipped) && rd_vec(r, 1, &skipped);
}

static bool client_lists_13(struct rd r)
{
    struct rd body, list, begin = r;
    uint16_t v;

    if (!rd_u16(&begin, &v) || v == SSL_3_0 || !client_extensions(&r) ||
        !find_extension(r, EXT_SUPPORTED_VERSIONS, &body) || !rd_vec(&body, 1, &list)) {
        return false;
    }
    while (rd_u16(&list, &v)) {
        if (v == TLS_1_3) {
            return true;
        }
    }
    return false;
}

bool hs_allows(const struct hs *h)
{
    return h->allow == ALLOW_UNSAID ? h->set->renegotiation != RENEGOTIATE_NEVER
                                    : h->allow == ALLOW_YES;
}

/* May the peer start another handshake on this connection (threat 20)? */
static bool may_renegotiate(const struct hs *h)
{
    return (hs_allows(h) || h->asked) && (h->secure || h->set->renegotiation == RENEGOTIATE_ANY);
}

unsigned hello_kind(const struct hs *h, struct span message)
{
    struct rd body = rd_of(message.p + HS_HEADER, message.n - HS_HEADER);
    unsigned type = message.p[0];

    if (h->state == C12_CONNECTED && type == HS_HELLO_REQUEST && !may_renegotiate(h)) {
        return HS_RENEGOTIATION_REFUSED;
    }
    if (h->state == S12_CONNECTED && type == HS_CLIENT_HELLO && !may_renegotiate(h)) {
        return HS_RENEGOTIATION_REFUSED;
    }
    if (!hello_offers(h, TLS_1_3) || h->state == C12_CONNECTED || h->state == S12_CONNECTED) {
        return type; /* a renegotiation keeps the version (RFC 8446 section 4.1.2) */
    }
    if (type == HS_SERVER_HELLO) {
        if (body.n >= 2 + RANDOM_SIZE && memcmp(body.p + 2, hello_retry_random, RANDOM_SIZE) == 0) {
            return HS_HELLO_RETRY_REQUEST;
        }
        /* Behind HelloRetryRequest there is nothing else to come (section 4.1.4). */
        return h->state == C_WAIT_SH2 || server_chose_13(body) ? HS_SERVER_HELLO_13 : type;
    }
    return type == HS_CLIENT_HELLO && client_lists_13(body) ? HS_CLIENT_HELLO_13 : type;
}

int hello_on_refused(struct hs *h, struct rd *body)
{
    struct span all;

    (void)!rd_bytes(body, body->n, &all);
    if (hs_alert(h, ALERT_NO_RENEGOTIATION) != ALERT_NO_RENEGOTIATION) {
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the peer renegotiates, and %s has no way to say no", hs_version_name(h));
    }
    return h->host->warn(h->ctx, ALERT_NO_RENEGOTIATION);
}

/* ---- the server's name ---- */
static bool find_name(struct span message, struct rd *name)
{
    struct rd r = rd_of(message.p + HS_HEADER, message.n - HS_HEADER), body, list;
    uint8_t type;

    return client_extensions(&r) && find_extension(r, EXT_SERVER_NAME, &body) &&
           rd_vec(&body, 2, &list) && rd_u8(&list, &type) && type == 0 && rd_vec(&list, 2, name);
}

/* Before anything is negotiated: also the versions are those of the other config. What is malformed
 * is told by the handlers. */
int hello_ask_config(struct hs *h, struct span message)
{
    struct config *instead = NULL;
    char text[256] = "";
    struct rd name;
    int word;

    if (!h->set->on_sni || !find_name(message, &name) || name.n >= sizeof text) {
        return 0;
    }
    memcpy(text, name.p, name.n);
    if (name.n == 0 || strlen(text) != name.n || !host_is_valid(text)) {
        return 0;
    }
    word = h->set->on_sni(h->set->on_sni_ctx, h->ctx, text, &instead);
    if (instead) {
        TRY(h->host->use_config(h->ctx, instead));
        h->work->name_used = true;
    }
    return word == 0 ? 0
                     : FAIL(h->err, TLS_ALERT(ALERT_UNRECOGNIZED_NAME),
                            "the application refused the name \"%.60s\"", text);
}

/* ---- ClientHello ---- */
/* May it be chosen, in one of our versions? */
static bool offers_suite(const struct hs *h, const struct suite *s)
{
    for (uint16_t v = s->since; v <= s->version; v++) {
        if (hello_offers(h, v)) {
            return true;
        }
    }
    return false;
}

int hello_client_send(struct hs *h)
{
    struct hs_work *k = h->work;
    struct hs_msg m;
    size_t list;
    int rc;

    if (!k->share_group) {
        k->share_group = h->set->groups[0];
    }
    hs_msg_begin(&m, HS_CLIENT_HELLO);
    k->client_version = hello_highest(h, TLS_1_2);
    if (!k->client_version) { /* TLS 1.3 has an extension for it (section 4.1.2) */
        k->client_version = TLS_1_2;
    }
    wr_u16(&m.w, k->client_version);
    wr_bytes(&m.w, k->client_random, RANDOM_SIZE);
    wr_vec(&m.w, 1, k->session_id, k->session_id_len);
    list = wr_begin(&m.w, 2);
    hello_put_grease(h, &m.w, GREASE_SUITE);
    for (size_t i = 0; i < h->set->nsuites; i++) {
        if (offers_suite(h, h->set->suites[i])) {
            wr_u16(&m.w, h->set->suites[i]->id);
        }
    }
    if (!hello_has_extensions(h, IN_CH) && !h->renegotiating) { /* RFC 5746 section 3.4 */
        wr_u16(&m.w, RENEGOTIATION_SCSV);
    }
    if (h->set->fallback) {
        wr_u16(&m.w, FALLBACK_SCSV);
    }
    wr_end(&m.w, 2, list);
    wr_u16(&m.w, 0x0100); /* one compression method: null */
    rc = ext_write(h, &m.w, IN_CH);
    rc = rc < 0 ? rc : psk13_bind(h, &m);
    if (rc < 0) {
        buf_free(&m.buf);
        return rc;
    }
    return hs_msg_send(h, &m);
}

int hello_client_parse(struct hs *h, struct rd *body, struct client_hello *c)
{
    const struct rd whole = *body;
    struct rd inner;

    if (!rd_u16(body, &c->version) || !rd_bytes(body, RANDOM_SIZE, &c->random) ||
        !rd_vec(body, 1, &c->session) || c->session.n > SESSION_ID_MAX ||
        !rd_vec(body, 2, &c->suites) || c->suites.n == 0 || c->suites.n % 2 ||
        !rd_vec(body, 1, &c->compression) || c->compression.n == 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ClientHello");
    }
    h->work->client_version = c->version;
    /* appendix D.5: whatever its extensions say */
    if (c->version == SSL_3_0 && !hello_offers(h, SSL_3_0)) {
        return FAIL(h->err, TLS_ALERT(ALERT_PROTOCOL_VERSION), "the client's hello is of SSL 3");
    }
    c->head = span_of(whole.p, whole.n - body->n);
    c->extensions = *body;
    inner = *body;
    if (!rd_done(body) && (!rd_vec(&inner, 2, &c->extensions) || !rd_done(&inner))) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ClientHello");
    }
    return 0;
}

bool hello_client_lists(const struct client_hello *c, uint16_t suite)
{
    struct rd list = c->suites;
    uint16_t id;

    while (rd_u16(&list, &id)) {
        if (id == suite) {
            return true;
        }
    }
    return false;
}

static bool is_chacha(const struct suite *s)
{
    return s->cbc == CBC_NONE && s->aead == AEAD_CHACHA20_POLY1305;
}

/* Does the first suite that we know in the client's list say that it has no fast AES? */
static bool prefers_chacha(const struct client_hello *c, uint16_t version)
{
    struct rd list = c->suites;
    uint16_t id;

    while (rd_u16(&list, &id)) {
        const struct suite *s = suite_by_id(id);

        if (s && suite_fits(s, version)) {
            return is_chacha(s);
        }
    }
    return false;
}

const struct suite *hello_choose_suite(struct hs *h, const struct client_hello *c, uint16_t version,
                                       suite_test *usable)
{
    const struct settings *set = h->set;

    /* Ours in order of preference, after a first round for ChaCha20 alone where it is wanted. */
    for (int any = !prefers_chacha(c, version); any < 2; any++) {
        for (size_t i = 0; i < set->nsuites; i++) {
            const struct suite *s = set->suites[i];

            if (suite_fits(s, version) && (any || is_chacha(s)) && hello_client_lists(c, s->id) &&
                (!usable || usable(h, s))) {
                return s;
            }
        }
    }
    return NULL;
}

int hello_client_extensions(struct hs *h, const struct client_hello *c, struct rd *body)
{
    struct hs_work *k = h->work;

    k->share = k->ticket = span_of(NULL, 0);
    k->share_group = NULL;
    k->got_shares = k->got_groups = k->got_ffdhe = k->got_schemes = k->got_renegotiation = false;
    k->offers_ems = k->offers_etm = k->offers_status = k->offers_tickets = false;
    k->offers_dhe = k->offers_ke = k->offers_modes = k->offers_post_auth = false;
    k->got_sni = k->offers_scts = k->unpacks = false;
    k->authorities = rd_of(NULL, 0);
    k->ncert_schemes = 0;
    k->psk_ids = k->psk_macs = rd_of(NULL, 0);
    k->offers_fragment = k->offers_limit = 0;
    k->early_data = false;
    k->peer_curves = 0;
    k->ext_got = 0;
    k->common = hello_highest(h, c->version); /* until supported_versions says otherwise */
    memset(k->peer_has_group, 0, sizeof k->peer_has_group);
    return rd_done(body) ? 0 : ext_read(h, body, IN_CH);
}

/* What all before TLS 1.3 ask of a ClientHello before anything else is chosen: version, downgrades,
 * RFC 5746. */
int hello_client_choose12(struct hs *h, const struct client_hello *c)
{
    bool scsv = hello_client_lists(c, RENEGOTIATION_SCSV);

    TRY(hello_choose_version(h));
    if (!h->renegotiating && hello_client_lists(c, FALLBACK_SCSV) &&
        h->version < h->set->max_version) { /* RFC 7507, threat 22 */
        return FAIL(h->err, TLS_ALERT(ALERT_INAPPROPRIATE_FALLBACK),
                    "the client fell back to %s although it need not", hs_version_name(h));
    }
    /* RFC 5246 section 7.4.1.2: null must be among them. */
    if (!memchr(c->compression.p, 0, c->compression.n)) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the client does not offer null compression");
    }
    if (h->renegotiating) { /* RFC 5746 section 3.7 */
        if (scsv || h->secure != h->work->got_renegotiation) {
            return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                        "the renegotiation is not bound to this connection");
        }
        return 0;
    }
    h->secure = h->work->got_renegotiation || scsv;
    if (!h->secure && h->set->require_secure) {
        return FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                    "the client does not know secure renegotiation (RFC 5746)");
    }
    return 0;
}

int hello_check_ems(struct hs *h, bool had)
{
    return h->ems || !had ? 0
                          : FAIL(h->err, TLS_ALERT(ALERT_HANDSHAKE_FAILURE),
                                 "the renegotiation is without extended master secret");
}

/* ---- ServerHello ---- */
int hello_server_send(struct hs *h, enum ext_where where)
{
    struct hs_work *k = h->work;
    struct hs_msg m;
    int rc;

    hs_msg_begin(&m, HS_SERVER_HELLO);
    wr_u16(&m.w, where == IN_SH12 ? h->version : TLS_1_2);
    wr_bytes(&m.w, where == IN_HRR ? hello_retry_random : k->server_random, RANDOM_SIZE);
    wr_vec(&m.w, 1, k->session_id, k->session_id_len);
    wr_u16(&m.w, h->suite->id);
    wr_u8(&m.w, 0);
    rc = ext_write(h, &m.w, where);
    if (rc < 0) {
        buf_free(&m.buf);
        return rc;
    }
    return hs_msg_send(h, &m);
}

int hello_server_parse(struct hs *h, struct rd *body, enum ext_where where, struct server_hello *s)
{
    struct hs_work *k = h->work;
    uint16_t id, want;
    const struct rd whole = *body;
    uint8_t compression;

    if (!rd_u16(body, &s->version) || !rd_bytes(body, RANDOM_SIZE, &s->random) ||
        !rd_vec(body, 1, &s->session) || s->session.n > SESSION_ID_MAX || !rd_u16(body, &id) ||
        !rd_u8(body, &compression)) {
        return FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ServerHello");
    }
    TRY(hello_check_version(h, s, where, server_chose_13(whole)));
    want = where == IN_SH12 ? s->version : TLS_1_3;
    s->suite = NULL;
    for (size_t i = 0; i < h->set->nsuites; i++) {
        if (h->set->suites[i]->id == id && suite_fits(h->set->suites[i], want)) {
            s->suite = h->set->suites[i];
        }
    }
    if (!s->suite || (k->retried && s->suite != h->suite)) { /* threat 34 */
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER),
                    "the server chose a cipher suite that was not offered");
    }
    if (compression != 0) {
        return FAIL(h->err, TLS_ALERT(ALERT_ILLEGAL_PARAMETER), "the server chose compression");
    }
    h->suite = s->suite;
    h->version = want;
    k->got_shares = k->got_renegotiation = k->got_version = false;
    memcpy(k->server_random, s->random.p, RANDOM_SIZE);
    if (!rd_done(body)) {
        TRY(ext_read(h, body, where));
    }
    if (where != IN_HRR) {
        shares_drop(k);
    }
    return rd_done(body) ? 0 : FAIL(h->err, TLS_ALERT(ALERT_DECODE_ERROR), "malformed ServerHello");
}
