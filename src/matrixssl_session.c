/* SPDX-License-Identifier: ISC */
/* The guide's API: making sessions. */
#include "matrixssl.h"

#include "base/mem.h"
#include "base/trace.h"
#include "handshake/suites.h"

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
    s->permitted = true;
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
    if (certCb && !CAN_ASK_CLIENTS) {
        return PS_DISABLED_FEATURE_FAIL;
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
    const struct session *s = session_of(ssl);
    const struct suite *suite = NULL;
    struct tls_info i;

    if (ssl) {
        tls_get_info(s->tls, &i);
        suite = suite_by_id(i.suite_id);
    }
    if (anon) {
        *anon = ssl && (s->accepted == ACCEPTED_ANONYMOUS || (suite && suite->kx == KX_DH_ANON))
                    ? PS_TRUE
                    : PS_FALSE;
    }
}
