/* SPDX-License-Identifier: ISC */
/* The guide's API: making sessions, and what is set and asked beyond the guide. */
#include "matrixssl.h"

#include "base/mem.h"
#include "base/trace.h"

#define ALPN_MAX 16

static int64_t wall_clock(void)
{
    return (int64_t)time(NULL);
}

/* The engine's verdict goes to the application, whose word is the last. */
static int ask_application(void *ctx, struct tls *t, const struct cert *chain, size_t n, int alert)
{
    struct session *s = ctx;
    struct cert_memory *memory = NULL;
    psX509Cert_t *certs = NULL;
    int32 rc;

    (void)t;
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
    if (rc == 0 || rc == SSL_ALLOW_ANON_CONNECTION) {
        return 0;
    }
    return rc < 0 || rc > SSL_ALLOW_ANON_CONNECTION ? ALERT_INTERNAL_ERROR : (int)rc;
}

static int set_alpn(const struct session *s, struct config *c)
{
    const char *names[ALPN_MAX], *p = s->alpn;

    for (size_t i = 0; i < s->nalpn; i++) {
        names[i] = p;
        p += strlen(p) + 1;
    }
    return config_set_alpn(c, names, s->nalpn);
}

#ifdef USE_CLIENT_AUTH
#define ASKS_CLIENT CLIENT_AUTH_REQUIRE
#else
#define ASKS_CLIENT CLIENT_AUTH_NONE
#endif

static int configure(struct session *s, struct config *c)
{
    struct sslKeys *k = s->pub.keys;

    TRY(config_set_clock(c, wall_clock));
    TRY(config_set_trust(c, k->trust));
    for (size_t i = 0; i < k->nidentities; i++) {
        TRY(config_add_identity(c, k->identity[i]));
    }
    if (s->suite) {
        TRY(config_set_suites(c, &s->suite, 1));
    }
    if (s->nalpn) {
        TRY(set_alpn(s, c));
    }
    if (s->role == TLS_CLIENT && !s->expected) {
        TRY(config_set_verify(c, VERIFY_CA));
    }
    if (s->role == TLS_SERVER && s->cert_cb) {
        TRY(config_set_client_auth(c, ASKS_CLIENT));
    }
    return config_set_verify_callback(c, ask_application, s);
}

/* A connection under the present settings, in place of the one that was there. */
static int start(struct session *s)
{
    struct error err = { 0 };
    struct config *c = config_new(s->role);
    struct tls *t = NULL;
    int rc = c ? configure(s, c) : ERR_MEM;

    if (rc == 0) {
        rc = config_seal(c, &err);
    }
    if (rc == 0) {
        rc = tls_new(&t, c, s->expected, NULL, &err);
    }
    if (rc < 0) {
        trace(TRACE_ERROR, "session: %s", err.text[0] ? err.text : error_name(rc));
        config_unref(c);
        return rc;
    }
    tls_free(s->tls);
    config_unref(s->config);
    s->tls = t;
    s->config = c;
    s->announced = tls_output(t).n;
    return 0;
}

static int32 new_session(ssl_t **out, const struct session *from)
{
    struct session *s = mem_alloc(sizeof *s);
    int rc;

    if (!s) {
        return PS_MEM_FAIL;
    }
    *s = *from;
    s->in.secret = true;
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
    struct session s = { .pub = { keys, sid }, .role = TLS_CLIENT, .cert_cb = certCb };
    int32 rc;

    (void)extCb;
    if (!ssl) {
        return PS_ARG_FAIL;
    }
    *ssl = NULL;
    if (!keys) {
        return PS_PROTOCOL_FAIL;
    }
    if (extensions || cipherSpec > UINT16_MAX) {
        return PS_UNSUPPORTED_FAIL;
    }
    s.suite = (uint16_t)cipherSpec;
    rc = new_session(ssl, &s);
    if (rc < 0) {
        return rc;
    }
    if (sid && cipherSpec && sid->cipherId != cipherSpec) {
        matrixSslInitSessionId(*sid);
    }
    return MATRIXSSL_REQUEST_SEND;
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
    config_unref(s->config);
    mem_free(s->expected);
    mem_free(s->alpn);
    matrixssl_drop_reserved(s);
    buf_free(&s->in);
    buf_free(&s->out);
    mem_free_secret(s, sizeof *s);
}

/* ---- beyond the guide ---- */
int32 matrixSslSetExpectedName(ssl_t *ssl, const char *name)
{
    struct session *s = session_of(ssl);
    char *before, *copy;
    int rc;

    if (!s || !name || s->role != TLS_CLIENT || !host_is_valid(name)) {
        return PS_ARG_FAIL;
    }
    if (s->touched) {
        return PS_FAILURE;
    }
    copy = mem_strdup(name);
    if (!copy) {
        return PS_MEM_FAIL;
    }
    before = s->expected;
    s->expected = copy;
    rc = start(s);
    if (rc < 0) {
        s->expected = before;
        before = copy;
    }
    mem_free(before);
    return matrixssl_code(rc);
}

int32 matrixSslSetAlpn(ssl_t *ssl, const char *const *names, uint32 count)
{
    struct session *s = session_of(ssl);
    struct session before;
    size_t n = 0, at = 0;
    int rc;

    if (!s || !names || count == 0 || count > ALPN_MAX) {
        return PS_ARG_FAIL;
    }
    if (s->touched) {
        return PS_FAILURE;
    }
    for (uint32 i = 0; i < count; i++) {
        if (!names[i] || !names[i][0] || strlen(names[i]) > 255) {
            return PS_ARG_FAIL;
        }
        n += strlen(names[i]) + 1;
    }
    before = *s;
    s->alpn = mem_alloc(n);
    s->nalpn = count;
    if (!s->alpn) {
        *s = before;
        return PS_MEM_FAIL;
    }
    for (uint32 i = 0; i < count; i++) {
        memcpy(s->alpn + at, names[i], strlen(names[i]) + 1);
        at += strlen(names[i]) + 1;
    }
    rc = start(s);
    if (rc < 0) {
        mem_free(s->alpn);
        *s = before;
        return matrixssl_code(rc);
    }
    mem_free(before.alpn);
    return PS_SUCCESS;
}

int32 matrixSslGetInfo(ssl_t *ssl, sslInfo_t *info)
{
    struct session *s = session_of(ssl);
    const struct error *e;
    struct tls_info i;

    if (!s || !info) {
        return PS_ARG_FAIL;
    }
    tls_get_info(s->tls, &i);
    e = tls_error(s->tls);
    *info = (sslInfo_t){
        .version = i.version_name,
        .suite = i.suite,
        .group = i.group,
        .alpn = i.alpn,
        .error = e->code ? e->text : "",
        .cipherId = i.suite_id,
        .alertSent = e->alert_sent,
        .alertReceived = e->alert_received,
    };
    return PS_SUCCESS;
}
