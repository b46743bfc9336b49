/* SPDX-License-Identifier: ISC */
/* The guide's API: another handshake on a connection, and how many of them the peer may begin. */
#include "matrixssl.h"

#include "base/trace.h"
#include "handshake/suites.h"

#define CREDIT_BYTES ((uint64_t)20 * 1024 * 1024)

/* Tells the engine, which answers an attempt that is not permitted with a no_renegotiation warning.
 * What we asked the peer for needs no credit. */
static void permit(struct session *s)
{
    bool yes = s->credits > 0 || s->asked;

    if (CAN_REHANDSHAKE && yes != s->permitted) {
        tls_allow_renegotiation(s->tls, yes);
        s->permitted = yes;
    }
}

void matrixssl_rehandshake_done(struct session *s)
{
    if (!s->asked && s->credits > 0) {
        s->credits--;
    }
    s->asked = false;
    permit(s);
}

void matrixssl_rehandshake_refused(struct session *s)
{
    s->asked = false;
    permit(s);
}

void matrixssl_earn(struct session *s, size_t bytes)
{
    s->earned += bytes;
    if (s->earned >= CREDIT_BYTES) {
        s->earned -= CREDIT_BYTES;
        s->credits += s->credits < INT32_MAX;
        permit(s);
    }
}

void matrixSslAddRehandshakeCredits(ssl_t *ssl, int32 credits)
{
    struct session *s = session_of(ssl);
    int64_t sum;

    if (!s) {
        return;
    }
    sum = (int64_t)s->credits + credits;
    s->credits = sum < 0 ? 0 : sum > INT32_MAX ? INT32_MAX : (int32)sum;
    permit(s);
}

/* May a handshake begin now? */
static int32 may_begin(const struct session *s)
{
    if (s->we_closed) {
        return MATRIXSSL_ERROR;
    }
    return s->progress != COMPLETE || s->peer_closed || s->asked ? PS_FAILURE : PS_SUCCESS;
}

/* TLS 1.3 has new keys for the traffic, and a server's question for the client's certificate. */
static int begin13(struct session *s, struct config *other, bool other_suite)
{
    if (other_suite || (other && (s->role == TLS_CLIENT || !s->cert_cb || !CAN_ASK_CLIENTS))) {
        return ERR_UNSUPPORTED;
    }
    if (CAN_ASK_CLIENTS && other) {
        TRY(tls_request_client_auth(s->tls, other));
        s->asked = true;
        return 0;
    }
    TRY(tls_key_update(s->tls, true));
    s->says_done = true;
    return 0;
}

static int begin(struct session *s, bool other_party, bool full, bool other_suite)
{
    struct error err = { 0 };
    struct config *c = NULL;
    struct tls_info i;
    int rc = 0;

    tls_get_info(s->tls, &i);
    if (other_party || other_suite) {
        rc = matrixssl_config(s, &c, &err);
    }
    if (rc == 0 && suite_by_id(i.suite_id)->kx == KX_ANY) { /* a suite of TLS 1.3 */
        rc = begin13(s, c, other_suite);
    } else if (rc == 0 && CAN_REHANDSHAKE) {
        rc = tls_rehandshake(s->tls, c, !full && !c);
        s->asked = rc == 0;
    }
    if (rc < 0) {
        trace(TRACE_ERROR, "re-handshake: %s", err.text[0] ? err.text : error_name(rc));
    }
    config_unref(c);
    return rc;
}

int32 matrixSslEncodeRehandshake(ssl_t *ssl, sslKeys_t *keys, sslCertCb_t certCb,
                                 uint32 sessionOption, uint32 cipherSpec)
{
    struct session *s = session_of(ssl), before;
    struct tls_info i;
    bool other_suite;
    int32 rc;
    int begun;

    if (!s) {
        return PS_ARG_FAIL;
    }
    rc = may_begin(s);
    if (rc == PS_SUCCESS && cipherSpec) {
        rc = matrixssl_nominate(&s->wish, cipherSpec);
    }
    if (rc < 0) {
        return rc;
    }
    tls_get_info(s->tls, &i);
    if ((!CAN_REHANDSHAKE && suite_by_id(i.suite_id)->kx != KX_ANY) ||
        (!CAN_ASK_CLIENTS && certCb && s->role == TLS_SERVER)) {
        return PS_DISABLED_FEATURE_FAIL;
    }
    other_suite = cipherSpec && cipherSpec != i.suite_id;
    before = *s;
    s->pub.keys = keys ? keys : s->pub.keys;
    s->cert_cb = certCb ? certCb : s->cert_cb;
    s->wish.suite = cipherSpec ? (uint16_t)cipherSpec : s->wish.suite;
    begun = begin(s, keys || certCb, sessionOption == SSL_OPTION_FULL_HANDSHAKE, other_suite);
    if (begun < 0) {
        s->pub.keys = before.pub.keys;
        s->cert_cb = before.cert_cb;
        s->wish.suite = before.wish.suite;
        return matrixssl_code(begun);
    }
    permit(s);
    return PS_SUCCESS;
}

int32 matrixSslEncodeKeyUpdate(ssl_t *ssl, uint32 askPeer)
{
    struct session *s = session_of(ssl);
    int32 rc;

    if (!s || (askPeer != PS_TRUE && askPeer != PS_FALSE)) {
        return PS_ARG_FAIL;
    }
    rc = may_begin(s);
    return rc < 0 ? rc : matrixssl_code(tls_key_update(s->tls, askPeer == PS_TRUE));
}
