/* SPDX-License-Identifier: ISC */
/* A client and a server of the engine joined in memory, the secrets of their connection (from the
 * key log), and a hand that seals any record under them: what a peer without our rules could send.
 */
#ifndef TESTS_HANDSHAKE_PAIR_H
#define TESTS_HANDSHAKE_PAIR_H
#include "engine_local.h"
#include "handshake/local.h"
#include "record/record.h"
#include "tests/handshake/pki.h"

#define WIRE_MAX (1 << 17)

/* ---- two ends ---- */
/* TLS 1.3 secrets, and the master secret of TLS 1.2. */
enum {
    SECRET_CH,
    SECRET_SH,
    SECRET_CA,
    SECRET_SA,
    SECRET_EXPORTER,
    SECRET_CE,
    SECRET_MASTER,
    SECRETS
};

struct end {
    struct tls *t;
    uint8_t in[WIRE_MAX];
    size_t nin;
    int rc; /* the first error, or 0 */
    unsigned done, closed, warned;
    uint8_t warning; /* the last */
    uint8_t got[WIRE_MAX];
    size_t ngot;
    uint8_t early[1 << 15]; /* early data: what came before it was done */
    size_t nearly;
};
/* A key from outside; hash and names as for config_add_psk(). */
struct pair_psk {
    const char *name, *key, *own, *peer;
    enum hash_id hash;
    bool tls12;
};
/* Zero is the usual: a P-256 certificate, every suite and group, no client authentication. */
struct pair_params {
    uint16_t suite, client_suites[3], server_suites[3]; /* suite: of both */
    uint16_t client_groups[3], server_groups[3];
    int id;
    bool client_id, other_ca, other_server;
    enum client_auth auth;
    const char *host, *client_alpn[3], *server_alpn[3];
    unsigned client_max, server_max; /* version; 0: TLS 1.3 */
    unsigned client_min, server_min; /* 0: TLS 1.2, or the one before it that is the last */
    struct tls_session *resume;
    struct session_cache *cache;
    struct ticket_keys *tickets;
    const struct session_store *store;
    enum renegotiation renegotiation;
    bool post_auth; /* TLS 1.3: the client offers it */
    bool pack[2];   /* by role: compresses certificates */
    bool require_secure, no_tickets, fallback, no_ems[2], no_etm[2]; /* by role */
    unsigned max_fragment, record_limit[2], padding[2];              /* by role */
    bool small_records, grease; /* grease: in the client's hello; tests count on its shape */
    uint32_t life;              /* 0: an hour */
    unsigned count;             /* TLS 1.3: of tickets, plus one; 0: the usual */
    const char *status;
    verify_fn *on_verify; /* of the client */
    bool psk_ke[2];
    struct pair_psk psk[2][3]; /* by role */
    const char *psk_hint;
    bool early;         /* the client may send early data */
    uint32_t max_early; /* of the server, which takes all of it unless on_replay says no */
    replay_fn *on_replay;
    struct replay_store *replay;
    key_fn *on_key[2]; /* by role */
    void *on_key_ctx;
    struct identity *own;                     /* of the server, in place of what `id` says */
    bool no_server_id, no_trust, verify_none; /* no_trust: nor a clock, for the client */
    const struct dh_params *dh;               /* of the server */
    uint32_t limit[2][CONFIG_MAX_IDLE + 1];   /* by role and kind; 0: the usual */
    unsigned dh_bits;                         /* that the client calls for; 0: the usual */
};
struct pair {
    struct end c, s;
    uint8_t secret[SECRETS][HASH_MAX];
    uint8_t client_random[RANDOM_SIZE], server_random[RANDOM_SIZE]; /* TLS 1.2 */
};
static int64_t pair_later; /* seconds that have passed since PAIR_NOW */

static inline int64_t pair_clock(void)
{
    return PAIR_NOW + pair_later;
}

static inline void pair_unhex(const char *hex, uint8_t *out, size_t max)
{
    for (size_t j = 0; hex[2 * j] && hex[2 * j] != ' ' && j < max; j++) {
        unsigned v;

        assert_int_equal(sscanf(hex + 2 * j, "%2x", &v), 1);
        out[j] = (uint8_t)v;
    }
}

static inline void pair_keylog(void *ctx, const char *line)
{
    static const char *const labels[SECRETS] = { "CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
                                                 "SERVER_HANDSHAKE_TRAFFIC_SECRET ",
                                                 "CLIENT_TRAFFIC_SECRET_0 ",
                                                 "SERVER_TRAFFIC_SECRET_0 ",
                                                 "EXPORTER_SECRET ",
                                                 "CLIENT_EARLY_TRAFFIC_SECRET ",
                                                 "CLIENT_RANDOM " };
    struct pair *p = ctx;

    for (size_t i = 0; i < SECRETS; i++) {
        size_t n = strlen(labels[i]);

        if (strncmp(line, labels[i], n) == 0) {
            pair_unhex(line + n + 65, p->secret[i], HASH_MAX);
            if (i == SECRET_MASTER) {
                pair_unhex(line + n, p->client_random, RANDOM_SIZE);
                if (p->s.t->hs.work) { /* whichever end says it first, the server is at it */
                    memcpy(p->server_random, p->s.t->hs.work->server_random, RANDOM_SIZE);
                }
            }
        }
    }
}

static inline bool pair_never_replayed(void *ctx, struct span binder, int64_t now_ms)
{
    (void)ctx;
    (void)now_ms;
    return binder.n >= 32;
}

/* The same again: an object that was offered is not offered a second time. */
static inline struct tls_session *session_again(struct tls_session *s)
{
    struct tls_session *copy;
    struct buf b = { 0 };

    if (!s || session_write(s, &b) < 0) { /* a test made it up */
        return s ? session_ref(s) : NULL;
    }
    assert_int_equal(session_parse(&copy, buf_span(&b)), 0);
    buf_free(&b);
    return copy;
}

static inline size_t count_ids(const uint16_t ids[3])
{
    return (size_t) !!ids[0] + !!ids[1] + !!ids[2];
}

static inline size_t count_names(const char *const names[3])
{
    return (size_t) !!names[0] + !!names[1] + !!names[2];
}

static inline struct config *pair_config(struct pair *p, enum tls_role role,
                                         const struct pair_params *q)
{
    struct config *c = config_new(role);
    bool client = role == TLS_CLIENT;
    const uint16_t *groups = client ? q->client_groups : q->server_groups;
    const uint16_t *suites = client ? q->client_suites : q->server_suites;
    const char *const *alpn = client ? q->client_alpn : q->server_alpn;
    unsigned max = client ? q->client_max : q->server_max;
    unsigned min = client ? q->client_min : q->server_min;

    assert_non_null(c);
    suites = q->suite ? (const uint16_t[3]){ q->suite } : suites;
    if (!client || !q->no_trust) {
        assert_int_equal(config_set_trust(c, q->other_ca ? pki.other : pki.trust), 0);
        assert_int_equal(config_set_clock(c, pair_clock), 0);
    }
    for (const struct pair_psk *k = q->psk[role]; k < q->psk[role] + 3 && k->name; k++) {
        const struct span name = span_text(k->name), key = span_text(k->key);

        assert_int_equal(k->tls12 ? config_add_psk12(c, name, key)
                                  : config_add_psk(c, name, key, k->hash, k->own, k->peer),
                         0);
    }
    assert_int_equal(config_set_psk_hint(c, span_text(q->psk_hint)), 0);
    assert_int_equal(config_set_flag(c, CONFIG_PSK_KE, q->psk_ke[role]), 0);
    assert_int_equal(config_set_verify(c, q->verify_none ? VERIFY_NONE : VERIFY_FULL), 0);
    assert_int_equal(config_set_suites(c, suites, count_ids(suites)), 0);
    assert_int_equal(config_set_groups(c, groups, count_ids(groups)), 0);
    assert_int_equal(config_set_alpn(c, alpn, count_names(alpn)), 0);
    assert_int_equal(config_set_renegotiation(c, q->renegotiation, q->require_secure), 0);
    assert_int_equal(config_set_keylog(c, pair_keylog, p), 0);
    assert_int_equal(config_set_flag(c, CONFIG_EMS, !q->no_ems[role]), 0);
    assert_int_equal(config_set_flag(c, CONFIG_ETM, !q->no_etm[role]), 0);
    assert_int_equal(config_set_flag(c, CONFIG_GREASE, q->grease), 0);
    assert_int_equal(config_set_flag(c, CONFIG_SMALL_RECORDS, q->small_records), 0);
    assert_int_equal(config_set_record_limit(c, q->record_limit[role]), 0);
    assert_int_equal(config_set_padding(c, q->padding[role]), 0);
    assert_int_equal(config_set_flag(c, CONFIG_CERT_COMPRESSION, q->pack[role]), 0);
    assert_int_equal(config_set_key_callback(c, q->on_key[role], q->on_key_ctx), 0);
    for (int i = 0; i <= CONFIG_MAX_IDLE; i++) {
        uint32_t limit = q->limit[role][i];

        assert_int_equal(limit ? config_set_limit(c, (enum config_limit)i, limit) : 0, 0);
    }
    min = min ? min : max && max < TLS_1_2 ? max : TLS_1_2;
    assert_int_equal(config_set_versions(c, min, max ? max : TLS_1_3), 0);
    if (!client) {
        assert_int_equal(config_set_sessions(c, q->cache, q->tickets, q->life ? q->life : 3600), 0);
        assert_int_equal(config_set_store(c, q->store), 0);
        assert_int_equal(config_set_early_data(c, q->max_early, q->replay,
                                               q->replay || !q->max_early ? NULL
                                               : q->on_replay             ? q->on_replay
                                                                          : pair_never_replayed,
                                               p),
                         0);
        if (!q->no_server_id) {
            assert_int_equal(config_add_identity(c, q->own            ? q->own
                                                    : q->other_server ? pki.other_server
                                                                      : pki.server[q->id]),
                             0);
            assert_int_equal(config_set_status(c, 0, span_text(q->status)), 0);
        }
        assert_int_equal(config_set_client_auth(c, q->auth), 0);
        assert_int_equal(q->dh ? config_set_dh_params(c, q->dh) : 0, 0);
        assert_int_equal(q->count ? config_set_ticket_count(c, q->count - 1) : 0, 0);
    } else {
        assert_int_equal(config_set_max_fragment(c, q->max_fragment), 0);
        assert_int_equal(q->dh_bits ? config_set_dh_bits(c, q->dh_bits) : 0, 0);
        assert_int_equal(config_set_flag(c, CONFIG_TICKETS, !q->no_tickets), 0);
        assert_int_equal(config_set_flag(c, CONFIG_EARLY_DATA, q->early), 0);
        assert_int_equal(config_set_flag(c, CONFIG_FALLBACK, q->fallback), 0);
        assert_int_equal(config_set_flag(c, CONFIG_POST_AUTH, q->post_auth), 0);
        assert_int_equal(config_set_flag(c, CONFIG_STATUS, q->status != NULL), 0);
        assert_int_equal(config_set_verify_callback(c, q->on_verify, p), 0);
        assert_int_equal(q->client_id ? config_add_identity(c, pki.client) : 0, 0);
    }
    assert_int_equal(config_seal(c, NULL), 0);
    return c;
}

static inline struct tls *pair_end(struct pair *p, enum tls_role role, const struct pair_params *q)
{
    struct config *c = pair_config(p, role, q);
    const char *host = q->host ? q->host : PAIR_HOST; /* "": none */
    struct tls_session *s = session_again(q->resume);
    struct tls *t;

    assert_int_equal(tls_new(&t, c, role == TLS_SERVER ? NULL : host, NULL, s, NULL), 0);
    session_unref(s);
    config_unref(c);
    return t;
}

static inline struct pair *pair_new(const struct pair_params *q)
{
    static const struct pair_params usual;
    static struct pair p; /* large; one at a time */

    q = q ? q : &usual;
    p.c.nin = p.c.ngot = p.s.nin = p.s.ngot = p.c.nearly = p.s.nearly = 0;
    p.c.rc = p.s.rc = 0;
    p.c.done = p.c.closed = p.c.warned = p.s.done = p.s.closed = p.s.warned = 0;
    p.c.t = pair_end(&p, TLS_CLIENT, q);
    p.s.t = pair_end(&p, TLS_SERVER, q);
    return &p;
}

static inline void pair_free(struct pair *p)
{
    tls_free(p->c.t);
    tls_free(p->s.t);
    p->c.t = p->s.t = NULL;
}

/* Gives bytes to one end, and lets it use all it can. */
static inline void end_give(struct end *e, const void *p, size_t n)
{
    size_t at = 0;

    assert_true(e->nin + n <= sizeof e->in);
    memcpy(e->in + e->nin, p, n);
    e->nin += n;
    while ((at < e->nin || hs_waiting(&e->t->hs)) && e->rc == 0) {
        struct tls_in in = { .data = e->in + at, .len = e->nin - at };
        bool waited = hs_waiting(&e->t->hs);
        int rc = tls_input(e->t, &in);

        if (rc < 0) {
            e->rc = rc;
            assert_false(tls_connected(e->t));
            assert_int_equal(tls_error(e->t)->code, rc);
            break;
        }
        if (rc == TLS_EV_WAIT) { /* end_give(e, "", 0) when it may go on */
            assert_int_equal(in.used, 0);
            break;
        }
        if (rc == TLS_EV_MORE) {
            assert_int_equal(in.used, 0);
            assert_true(in.need > e->nin - at);
            break;
        }
        assert_true(waited ? in.used == 0 : in.used > 0);
        at += in.used;
        e->done += rc == TLS_EV_DONE;
        e->closed += rc == TLS_EV_CLOSED;
        if (rc == TLS_EV_WARNING) {
            e->warned++;
            e->warning = in.alert;
        }
        if (rc == TLS_EV_EARLY_DATA) {
            assert_true(e->done == 0);
            assert_true(in.nplain > 0 && in.nrest == 0 && e->nearly + in.nplain <= sizeof e->early);
            memcpy(e->early + e->nearly, in.plain, in.nplain);
            e->nearly += in.nplain;
        }
        if (rc == TLS_EV_DATA) {
            assert_true(e->done > 0);
            assert_true(in.nplain > 0 && in.nrest == 0 && e->ngot + in.nplain <= sizeof e->got);
            memcpy(e->got + e->ngot, in.plain, in.nplain);
            e->ngot += in.nplain;
        }
    }
    e->nin -= at;
    memmove(e->in, e->in + at, e->nin);
}

/* What one end has to say. */
static inline size_t end_take(struct end *e, uint8_t *out)
{
    struct span s = tls_output(e->t);
    size_t n = s.n;

    assert_true(n <= WIRE_MAX);
    if (n) {
        memcpy(out, s.p, n);
    }
    tls_sent(e->t, n);
    return n;
}

/* Both ways until both are silent, in pieces of `chunk` bytes. */
static inline void pair_run(struct pair *p, size_t chunk)
{
    static uint8_t wire[WIRE_MAX];
    size_t n, m;

    do {
        n = end_take(&p->c, wire);
        for (size_t at = 0; at < n; at += chunk) {
            end_give(&p->s, wire + at, n - at < chunk ? n - at : chunk);
        }
        m = end_take(&p->s, wire);
        for (size_t at = 0; at < m; at += chunk) {
            end_give(&p->c, wire + at, m - at < chunk ? m - at : chunk);
        }
    } while (n || m);
}

static inline struct pair *pair_connected(const struct pair_params *q)
{
    struct pair *p = pair_new(q);

    pair_run(p, WIRE_MAX);
    assert_int_equal(p->c.rc, 0);
    assert_int_equal(p->s.rc, 0);
    assert_true(tls_connected(p->c.t) && tls_connected(p->s.t));
    return p;
}

static inline size_t end_seal(struct end *e, const void *p, size_t n, uint8_t *wire)
{
    struct span part = span_of(p, n);
    size_t taken, made;

    assert_int_equal(tls_seal(e->t, &part, 1, &taken, wire, WIRE_MAX, &made), 0);
    assert_int_equal(taken, n);
    return made;
}

/* Sealed by one end, opened by the other. */
static inline void end_talk(struct end *from, struct end *to, const void *p, size_t n)
{
    static uint8_t wire[WIRE_MAX];
    size_t queued = end_take(from, wire), made;

    end_give(to, wire, queued);
    made = end_seal(from, p, n, wire);
    to->ngot = 0;
    end_give(to, wire, made);
    assert_int_equal(to->rc, 0);
    assert_int_equal(to->ngot, n);
    assert_memory_equal(to->got, p, n);
}

static inline struct tls_info info_of(const struct end *e)
{
    struct tls_info i;

    tls_get_info(e->t, &i);
    return i;
}

static inline unsigned end_alert(const struct end *e)
{
    return tls_error(e->t)->alert_sent;
}
#define assert_refused(e, alert)                     \
    do {                                             \
        assert_int_equal((e)->rc, TLS_ALERT(alert)); \
        assert_int_equal(end_alert(e), (alert));     \
        assert_false(tls_connected((e)->t));         \
    } while (0)

/* ---- the other hand ---- */
struct hand {
    const struct suite *suite;
    uint8_t secret[HASH_MAX], iv[AEAD_IV];
    struct aead *aead;
    uint64_t seq;
    bool seal;
};

static inline void hand_rekey(struct hand *h)
{
    uint8_t key[AEAD_KEY_MAX];

    assert_int_equal(
        schedule13_keys(h->suite->hash, h->secret, aead_key_size(h->suite->aead), key, h->iv), 0);
    aead_free(h->aead);
    h->aead = aead_new(h->suite->aead, key, h->seal);
    assert_non_null(h->aead);
    h->seq = 0;
}

static inline struct hand hand_new(const struct pair *p, int which, bool seal)
{
    struct tls_info i;
    struct hand h = { .seal = seal };

    tls_get_info(p->s.t, &i);
    h.suite = suite_by_id(i.suite_id);
    assert_non_null(h.suite);
    memcpy(h.secret, p->secret[which], HASH_MAX);
    hand_rekey(&h);
    return h;
}

static inline void hand_next(struct hand *h)
{
    assert_int_equal(schedule13_next(h->suite->hash, h->secret), 0);
    hand_rekey(h);
}

static inline void hand_free(struct hand *h)
{
    aead_free(h->aead);
}

static inline void hand_nonce(const struct hand *h, uint8_t nonce[static AEAD_IV])
{
    memcpy(nonce, h->iv, AEAD_IV);
    for (unsigned i = 0; i < 8; i++) {
        nonce[AEAD_IV - 1 - i] ^= (uint8_t)(h->seq >> (8 * i));
    }
}

/* A sealed record with exactly this inside: content, type and padding are the caller's. */
static inline size_t hand_seal_inner(struct hand *h, const uint8_t *inner, size_t n, uint8_t *wire)
{
    uint8_t nonce[AEAD_IV];
    struct span part = span_of(inner, n);
    size_t len = n + AEAD_TAG;

    hand_nonce(h, nonce);
    h->seq++;
    memcpy(wire, (uint8_t[]){ 23, 3, 3, (uint8_t)(len >> 8), (uint8_t)len }, REC_HEADER);
    assert_int_equal(
        aead_seal(h->aead, nonce, span_of(wire, REC_HEADER), &part, 1, wire + REC_HEADER), 0);
    return REC_HEADER + len;
}

static inline size_t hand_seal(struct hand *h, uint8_t type, const void *p, size_t n, size_t pad,
                               uint8_t *wire)
{
    static uint8_t inner[WIRE_MAX];

    assert_true(n + pad < sizeof inner);
    memset(inner, 0, n + 1 + pad);
    if (n) {
        memcpy(inner, p, n);
    }
    inner[n] = type;
    return hand_seal_inner(h, inner, n + 1 + pad, wire);
}

static inline void hand_give(struct hand *h, struct end *to, uint8_t type, const void *p, size_t n)
{
    static uint8_t wire[WIRE_MAX];

    end_give(to, wire, hand_seal(h, type, p, n, 0, wire));
}

/* One record in clear. */
static inline void give_clear(struct end *to, uint8_t type, const void *p, size_t n)
{
    uint8_t head[REC_HEADER] = { type, 3, 3, (uint8_t)(n >> 8), (uint8_t)n };

    end_give(to, head, sizeof head);
    end_give(to, p, n);
}

/* The handshake messages inside a flight, one behind another: clear records as they are, sealed
 * ones opened with h (NULL: skipped). *clear: how many bytes of them were not sealed. */
static inline size_t flight_open(struct hand *h, const uint8_t *wire, size_t n, uint8_t *out,
                                 size_t *clear)
{
    size_t made = 0;

    *clear = 0;
    for (size_t at = 0; at < n;) {
        const uint8_t *r = wire + at;
        size_t len = (size_t)r[3] << 8 | r[4];
        uint8_t nonce[AEAD_IV];

        assert_true(at + REC_HEADER + len <= n);
        at += REC_HEADER + len;
        if (r[0] == CT_HANDSHAKE) {
            memcpy(out + made, r + REC_HEADER, len);
            made += len;
            *clear = made;
        } else if (r[0] == CT_APPLICATION_DATA && h) {
            struct mspan part = { out + made, len - AEAD_TAG };

            hand_nonce(h, nonce);
            h->seq++;
            assert_int_equal(aead_open(h->aead, nonce, span_of(r, REC_HEADER),
                                       span_of(r + REC_HEADER, len), &part, 1),
                             0);
            assert_int_equal(out[made + len - AEAD_TAG - 1], CT_HANDSHAKE);
            made += len - AEAD_TAG - 1;
        }
    }
    return made;
}

static inline void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline size_t get16(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

static inline size_t message_size(const uint8_t *p)
{
    return HS_HEADER + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
}
#endif
