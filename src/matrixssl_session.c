/* SPDX-License-Identifier: ISC */
/* The guide's API: making sessions. */
#include "matrixssl.h"

#include "base/mem.h"
#include "base/trace.h"

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
#ifdef USE_CLIENT_AUTH
#define ASKS_CLIENT CLIENT_AUTH_REQUIRE
#else
#define ASKS_CLIENT CLIENT_AUTH_NONE
#endif
#ifdef SERVER_CAN_SEND_EMPTY_CERT_REQUEST
#define MAY_NAME_NO_CA true
#else
#define MAY_NAME_NO_CA (ASKS_CLIENT == CLIENT_AUTH_NONE)
#endif

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
    struct session *s = ctx;
#ifdef USE_CERT_PARSE
    struct cert_memory *memory = NULL;
    psX509Cert_t *certs = NULL;
    int32 rc;

    (void)t;
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
    s->accepted = rc == SSL_ALLOW_ANON_CONNECTION ? ACCEPTED_ANONYMOUS
                  : alert                         ? ACCEPTED_INVALID
                                                  : ACCEPTED_VALID;
    return answer(rc);
#else
    (void)s, (void)t, (void)chain, (void)n;
    return alert;
#endif
}

static int show_extension(void *ctx, struct tls *t, uint16_t id, struct span body)
{
    struct session *s = ctx;

    (void)t;
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
        TRY(config_set_extension_callback(c, show_extension, s));
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
    if (rc == 0 && s->cert_cb) {
        rc = config_set_client_auth(c, ASKS_CLIENT);
    }
    return rc;
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
    if (s->wish.nalpn) {
        TRY(set_alpn(c, &s->wish));
    }
    TRY(config_set_renegotiation(c, REHANDSHAKES, REQUIRE_SECURE));
    TRY(matrixssl_set_keylog(c));
    TRY(s->role == TLS_CLIENT ? configure_client(s, c) : configure_server(s, c));
    return config_set_verify_callback(c, ask_application, s);
}

int matrixssl_config(struct session *s, struct config **out, struct error *err)
{
    struct config *c;
    int rc;

    *out = NULL;
    if (s->role == TLS_SERVER && s->cert_cb && !MAY_NAME_NO_CA &&
        trust_count(s->pub.keys->trust) == 0) {
        return FAIL(err, ERR_STATE, "no CA is loaded that could be named to clients");
    }
    c = config_new(s->role);
    rc = c ? configure(s, c) : ERR_MEM;
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

/* A connection under the present wishes, in place of the one that was there. */
static int start(struct session *s)
{
    struct error err = { 0 };
    struct tls_session *resume = NULL;
    struct config *c = NULL;
    struct tls *t = NULL;
    int rc = matrixssl_config(s, &c, &err);

    if (rc == 0) {
        resume = s->role == TLS_CLIENT ? matrixssl_sid_load(s) : NULL;
        rc = tls_new(&t, c, s->wish.expected, s->wish.sni, resume, &err);
    }
    session_unref(resume);
    config_unref(c); /* the connection has its own reference */
    if (rc < 0) {
        trace(TRACE_ERROR, "session: %s", err.text[0] ? err.text : error_name(rc));
        return rc;
    }
    tls_free(s->tls);
    s->tls = t;
    s->announced = tls_output(t).n;
    return 0;
}

int32 matrixssl_restart(struct session *s, const struct wishes *before)
{
    int rc = start(s);

    if (rc < 0) {
        s->wish = *before;
    }
    return matrixssl_code(rc);
}

/* Takes over what `from` owns, also when it fails. */
static int32 new_session(ssl_t **out, struct session *from)
{
    struct session *s = mem_alloc(sizeof *s);
    int rc;

    if (!s) {
        matrixssl_free_wishes(&from->wish);
        return PS_MEM_FAIL;
    }
    *s = *from;
    s->in.secret = true;
    s->credits = 1;
    s->permitted = REHANDSHAKES != RENEGOTIATE_NEVER;
    atomic_store(&s->pub.keys->in_use, true);
    rc = start(s);
    if (rc < 0) {
        matrixSslDeleteSession(&s->pub);
        return matrixssl_code(rc);
    }
    *out = &s->pub;
    return PS_SUCCESS;
}

#ifdef USE_CLIENT_SIDE_SSL
int32 matrixSslNewClientSession(ssl_t **ssl, sslKeys_t *keys, sslSessionId_t *sid,
                                uint32 cipherSpec, sslCertCb_t certCb, tlsExtension_t *extensions,
                                sslExtCb_t extCb)
{
    struct session s = {
        .pub = { keys, sid }, .role = TLS_CLIENT, .cert_cb = certCb, .ext_cb = extCb
    };
    int32 rc;
    int taken;

    if (!ssl) {
        return PS_ARG_FAIL;
    }
    *ssl = NULL;
    if (!keys) {
        return PS_PROTOCOL_FAIL;
    }
    rc = cipherSpec ? matrixssl_nominate(&s.wish, cipherSpec) : PS_SUCCESS;
    if (rc < 0) {
        return rc;
    }
    s.wish.suite = (uint16_t)cipherSpec;
    taken = matrixssl_take_extensions(&s.wish, extensions);
    if (taken < 0) {
        matrixssl_free_wishes(&s.wish);
        return matrixssl_code(taken);
    }
    if (sid && cipherSpec && sid->cipherId != cipherSpec) {
        matrixssl_sid_wipe(&s);
    }
    rc = new_session(ssl, &s);
    return rc < 0 ? rc : MATRIXSSL_REQUEST_SEND;
}
#endif

#ifdef USE_SERVER_SIDE_SSL
int32 matrixSslNewServerSession(ssl_t **ssl, sslKeys_t *keys, sslCertCb_t certCb)
{
    struct session s = { .pub = { keys, NULL }, .role = TLS_SERVER, .cert_cb = certCb };

    if (!ssl) {
        return PS_ARG_FAIL;
    }
    *ssl = NULL;
    if (!keys) {
        return PS_FAILURE;
    }
    return new_session(ssl, &s);
}
#endif

void matrixSslDeleteSession(ssl_t *ssl)
{
    struct session *s = session_of(ssl);

    if (!s) {
        return;
    }
    tls_free(s->tls);
    session_unref(s->kept);
    matrixssl_free_wishes(&s->wish);
    matrixssl_drop_reserved(s);
    buf_free(&s->in);
    buf_free(&s->out);
    mem_free_secret(s, sizeof *s);
}

void matrixSslGetAnonStatus(ssl_t *ssl, int32 *anon)
{
    if (anon) {
        *anon = ssl && session_of(ssl)->accepted == ACCEPTED_ANONYMOUS ? PS_TRUE : PS_FALSE;
    }
}
