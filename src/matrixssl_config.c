/* SPDX-License-Identifier: ISC */
/* The guide's API: from the wishes of a session to a sealed config. Making one costs more the more
 * CAs are loaded, so that sessions of the same keys and the same wishes share it. */
#include "matrixssl.h"

#include "base/mem.h"

#if defined(ENABLE_INSECURE_REHANDSHAKES)
#define REHANDSHAKES RENEGOTIATE_ANY
#elif defined(ENABLE_SECURE_REHANDSHAKES)
#define REHANDSHAKES RENEGOTIATE_SECURE
#else
#define REHANDSHAKES RENEGOTIATE_NEVER
#endif
#ifdef REQUIRE_SECURE_REHANDSHAKES
#define REQUIRE_SECURE true
#else
#define REQUIRE_SECURE false
#endif
#define ASKS_CLIENT (CAN_ASK_CLIENTS ? CLIENT_AUTH_REQUIRE : CLIENT_AUTH_NONE)
#ifdef SERVER_CAN_SEND_EMPTY_CERT_REQUEST
#define MAY_NAME_NO_CA true
#else
#define MAY_NAME_NO_CA (!CAN_ASK_CLIENTS)
#endif

/* Whose bytes are being read: a config belongs to many sessions, so its callbacks ask here. */
static PER_THREAD struct session *running;

int matrixssl_input(struct session *s, struct tls_in *in)
{
    struct session *outer = running; /* a callback may be at work on another session */
    int event;

    running = s;
    event = tls_input(s->tls, in);
    running = outer;
    return event;
}

static int64_t wall_clock(void)
{
    return (int64_t)time(NULL);
}

/* A callback's word: 0 to go on, else the alert. */
static int answer(int32 rc)
{
    if (rc == 0 || rc == SSL_ALLOW_ANON_CONNECTION) {
        return 0;
    }
    return rc < 0 || rc > SSL_ALLOW_ANON_CONNECTION ? ALERT_INTERNAL_ERROR : (int)rc;
}

/* The engine's verdict goes to the application, whose word is the last. */
static int ask_application(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    struct session *s = running;
#ifdef USE_CERT_PARSE
    struct cert_memory *memory = NULL;
    psX509Cert_t *certs = NULL;
    int32 rc;

    (void)ctx, (void)t;
    s->accepted = ACCEPTED_VALID;
    if (!s->cert_cb) {
        return alert;
    }
    if (n) {
        certs = matrixssl_certs(chain, n, alert, &memory);
        if (!certs) {
            return ALERT_INTERNAL_ERROR;
        }
    }
    rc = s->cert_cb(&s->pub, certs, alert);
    matrixssl_certs_free(memory);
    if (n == 0 && rc != SSL_ALLOW_ANON_CONNECTION) { /* nothing less will do */
        return rc > 0 ? answer(rc) : alert ? alert : ALERT_HANDSHAKE_FAILURE;
    }
    s->accepted = rc == SSL_ALLOW_ANON_CONNECTION ? ACCEPTED_ANONYMOUS
                  : alert                         ? ACCEPTED_INVALID
                                                  : ACCEPTED_VALID;
    return answer(rc);
#else
    (void)s, (void)ctx, (void)t, (void)chain, (void)n;
    return alert;
#endif
}

static int show_extension(void *ctx, struct tls *t, uint16_t id, struct span body)
{
    struct session *s = running;

    (void)ctx, (void)t;
    return answer(s->ext_cb(&s->pub, id, (unsigned short)body.n, (void *)(uintptr_t)body.p));
}

static int set_alpn(struct config *c, const struct wishes *w)
{
    const char *names[16], *p = w->alpn;

    for (size_t i = 0; i < w->nalpn; i++) {
        names[i] = p;
        p += strlen(p) + 1;
    }
    return config_set_alpn(c, names, w->nalpn);
}

static int configure_client(struct session *s, struct config *c)
{
    const struct wishes *w = &s->wish;

    if (!w->expected) {
        TRY(config_set_verify(c, VERIFY_CA));
    }
    if (buf_len(&w->extensions)) {
        TRY(config_set_extensions(c, buf_span(&w->extensions)));
    }
    if (s->ext_cb) {
        TRY(config_set_extension_callback(c, show_extension, NULL));
    }
    TRY(config_set_max_fragment(c, w->max_fragment));
    TRY(config_set_flag(c, CONFIG_STATUS, w->ask_status));
    TRY(config_set_flag(c, CONFIG_TICKETS, !w->no_tickets));
    TRY(config_set_flag(c, CONFIG_POST_AUTH, s->pub.keys->nidentities > 0));
    return 0;
}

static int configure_server(struct session *s, struct config *c)
{
    struct session_cache *cache = matrixssl_cache();
    int64_t life = SSL_SESSION_ENTRY_LIFE / 1000;
    int rc = config_set_sessions(c, cache, s->pub.keys->tickets,
                                 (uint32_t)(life < SESSION_LIFE_MAX ? life : SESSION_LIFE_MAX));

    session_cache_unref(cache);
    if (rc == 0) {
        rc = config_set_dh_params(c, &s->pub.keys->dh);
    }
    for (size_t i = 0; rc == 0 && i < s->pub.keys->nidentities; i++) {
        rc = config_set_status(c, i, buf_span(&s->pub.keys->status[i]));
    }
    if (rc == 0 && s->cert_cb) {
        rc = config_set_client_auth(c, ASKS_CLIENT);
    }
    return rc;
}

/* Is there a suite of TLS 1.2 that wants them? */
static bool wants_psks12(const struct settings *s)
{
    bool wants = false;

    for (size_t i = 0; i < s->nsuites; i++) {
        wants = wants || suite_has_psk(s->suites[i]);
    }
    return wants;
}

/* As they are, in TLS 1.3 with SHA-256 (RFC 8446 section 4.2.11), where a client offers as many as
 * it may of those loaded last; the guide knows no key that is for one version only. Not where
 * clients are to show certificates, as none of them would have to. */
static int add_psks(const struct session *s, struct config *c)
{
    const bool for12 = wants_psks12(config_settings(c));
    int rc = 0;

    if (s->role == TLS_SERVER && s->cert_cb && ASKS_CLIENT != CLIENT_AUTH_NONE) {
        return 0;
    }
    for (const struct psk *p = s->pub.keys->psks; p; p = p->next) {
        const struct span id = span_of(p->id, p->nid), key = span_of(p->key, p->nkey);

        if (!p->is_text) {
            continue;
        }
        TRY(for12 ? config_add_psk12(c, id, key) : 0);
        if (key.n >= PSK_KEY_MIN && rc == 0) {
            rc = config_add_psk(c, id, key, HASH_SHA256, NULL, NULL);
        }
    }
    return rc == ERR_LIMIT ? 0 : rc;
}

static int configure(struct session *s, struct config *c)
{
    struct sslKeys *k = s->pub.keys;

    TRY(config_set_clock(c, wall_clock));
    TRY(config_set_trust(c, k->trust));
    for (size_t i = 0; i < k->nidentities; i++) {
        TRY(config_add_identity(c, k->identity[i]));
    }
    TRY(matrixssl_set_suites(c, &s->wish));
    TRY(add_psks(s, c));
    if (s->wish.nalpn) {
        TRY(set_alpn(c, &s->wish));
    }
    TRY(config_set_renegotiation(c, REHANDSHAKES, REQUIRE_SECURE));
    TRY(config_set_limit(c, CONFIG_MAX_HELLO, SSL_MAX_CLIENT_HELLO));
    TRY(config_set_limit(c, CONFIG_MAX_CHAIN, SSL_MAX_CERTIFICATE_BYTES));
    TRY(config_set_limit(c, CONFIG_MAX_IDLE, SSL_MAX_IDLE_RECORDS));
    TRY(matrixssl_set_keylog(c));
    TRY(s->role == TLS_CLIENT ? configure_client(s, c) : configure_server(s, c));
    return config_set_verify_callback(c, ask_application, NULL);
}

static int make(struct session *s, struct config **out, struct error *err)
{
    struct config *c = config_new(s->role);
    int rc = c ? configure(s, c) : ERR_MEM;

    if (rc == 0) {
        rc = config_seal(c, err);
    }
    if (rc < 0) {
        config_unref(c);
        return rc;
    }
    *out = c;
    return 0;
}

/* ---- sharing ---- */

/* All that a config is made of, beside the keys. */
static struct config_key key_of(const struct session *s)
{
    const struct wishes *w = &s->wish;
    struct config_key k = {
        .generation = matrixssl_generation(),
        .suite = w->suite,
        .min_version = (uint16_t)w->min_version,
        .max_version = (uint16_t)w->max_version,
        .max_fragment = (uint16_t)w->max_fragment,
        .server = s->role == TLS_SERVER,
        .asks = s->role == TLS_SERVER && s->cert_cb,
        .hears = s->ext_cb != NULL,
        .named = w->expected != NULL,
        .ask_status = w->ask_status,
        .no_tickets = w->no_tickets,
    };

    memcpy(k.status, w->status, sizeof k.status);
    return k;
}

int matrixssl_config(struct session *s, struct config **out, struct error *err)
{
    struct sslKeys *keys = s->pub.keys;
    struct config_key k = key_of(s);
    struct shared_config *place;

    *out = NULL;
    atomic_store(&keys->in_use, true); /* what is made of them may serve others */
    if (s->role == TLS_SERVER && s->cert_cb && !MAY_NAME_NO_CA && trust_count(keys->trust) == 0) {
        return FAIL(err, ERR_STATE, "no CA is loaded that could be named to clients");
    }
    if (s->wish.nalpn || buf_len(&s->wish.extensions)) { /* one of a kind */
        return make(s, out, err);
    }
    lock_take(&keys->lock);
    for (size_t i = 0; i < KEYS_SHARED && !*out; i++) {
        if (keys->shared[i].config && memcmp(&keys->shared[i].key, &k, sizeof k) == 0) {
            *out = config_ref(keys->shared[i].config);
        }
    }
    lock_give(&keys->lock);
    if (*out) {
        return 0;
    }
    TRY(make(s, out, err));
    lock_take(&keys->lock);
    place = &keys->shared[keys->next_shared++ % KEYS_SHARED];
    config_unref(place->config);
    place->config = config_ref(*out);
    place->key = k;
    lock_give(&keys->lock);
    return 0;
}
