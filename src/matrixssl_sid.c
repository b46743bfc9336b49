/* SPDX-License-Identifier: ISC */
/* The guide's API: what a client keeps in the application's sslSessionId_t. */
#include "matrixssl.h"

#include "base/secret.h"

void matrixssl_sid_wipe(struct session *s)
{
    session_unref(s->kept);
    s->kept = NULL;
    if (s->pub.sid) {
        wipe(s->pub.sid, sizeof *s->pub.sid);
    }
}

struct tls_session *matrixssl_sid_load(const struct session *s)
{
    sslSessionId_t *sid = s->pub.sid;
    struct tls_session *found = NULL;

    if (!sid || sid->stateLen == 0 || sid->stateLen > sizeof sid->state) {
        return NULL;
    }
    /* Only a callback can have accepted it, and without one nobody would again. */
    if (sid->accepted != ACCEPTED_VALID && !s->cert_cb) {
        return NULL;
    }
    if (session_parse(&found, span_of(sid->state, sid->stateLen)) < 0) {
        return NULL;
    }
    return found;
}

/* What was accepted, and the suite, stay. */
static void forget(sslSessionId_t *sid)
{
    wipe(sid->state, sizeof sid->state);
    wipe(sid->id, sizeof sid->id);
    wipe(sid->masterSecret, sizeof sid->masterSecret);
    sid->stateLen = 0;
}

/* Copies the session; one that is too long, or cannot be written, is not kept. */
static void store(sslSessionId_t *sid, const struct tls_session *t)
{
    struct buf b = { .secret = true };
    size_t secret =
        t->secret_len < sizeof sid->masterSecret ? t->secret_len : sizeof sid->masterSecret;

    forget(sid);
    if (session_write(t, &b) == 0 && buf_len(&b) <= sizeof sid->state) {
        memcpy(sid->state, buf_data(&b), buf_len(&b));
        sid->stateLen = (uint32)buf_len(&b);
        memcpy(sid->id, t->id, t->id_len);
        memcpy(sid->masterSecret, t->secret, secret);
    }
    buf_free(&b);
}

void matrixssl_sid_refresh(struct session *s)
{
    struct tls_session *now;

    if (!s->pub.sid) {
        return;
    }
    now = tls_session(s->tls);
    if (now && now != s->kept) {
        store(s->pub.sid, now);
        session_unref(s->kept);
        s->kept = now;
    } else {
        session_unref(now);
    }
}

void matrixssl_sid_complete(struct session *s, const struct tls_info *i)
{
    sslSessionId_t *sid = s->pub.sid;

    if (!sid) {
        return;
    }
    if (i->resumed) {
        s->accepted = sid->accepted;
    } else {
        matrixssl_sid_wipe(s); /* the one before was not good enough for the server */
        sid->accepted = s->accepted;
    }
    sid->cipherId = i->suite_id;
    matrixssl_sid_refresh(s);
    if (!s->kept) { /* a session of TLS 1.3 is used once (RFC 8446 appendix C.4) */
        forget(sid);
    }
}
