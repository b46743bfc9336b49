/* SPDX-License-Identifier: ISC */
/* The guide's API: the flow of bytes between the application's buffers and the native engine.
 *
 * Received bytes lie in `in` and are opened where they lie; a record that was handed out stays
 * until the application says it is done with it. What is to be sent is one stream: sealed
 * application records in `out`, and behind them what the engine has queued by itself (handshake,
 * alerts). Before another record is sealed the engine's queue is taken over into `out`, so the
 * order on the wire is the order of making. Both buffers are freed when they run empty. */
#include "matrixssl.h"

#include "base/mem.h"
#include "base/secret.h"

/* Least room of a read buffer: most handshake flights and small records come in one read. */
#define ROOM_MIN 2048

/* ---- receiving ---- */
int32 matrixSslGetReadbuf(ssl_t *ssl, unsigned char **buf)
{
    struct session *s = session_of(ssl);
    size_t have, want = ROOM_MIN;
    int rc;

    if (!s || !buf) {
        return PS_ARG_FAIL;
    }
    have = buf_len(&s->in);
    if (s->need > have) {
        want = s->need - have;
    } else if (s->usual > want) {
        want = s->usual;
    }
    rc = buf_reserve(&s->in, want);
    if (rc < 0) {
        return matrixssl_code(rc);
    }
    *buf = buf_tail(&s->in);
    return (int32)(s->in.cap - s->in.end);
}

static int32 hand_alert(struct session *s, unsigned level, unsigned description,
                        unsigned char **ptbuf, uint32 *ptlen)
{
    s->alert[0] = (unsigned char)level;
    s->alert[1] = (unsigned char)description;
    *ptbuf = s->alert;
    *ptlen = sizeof s->alert;
    return MATRIXSSL_RECEIVED_ALERT;
}

/* The connection failed: by an alert of the peer's, or by one of ours that waits to be sent. */
static int32 failed(struct session *s, unsigned char **ptbuf, uint32 *ptlen)
{
    const struct error *e = tls_error(s->tls);

    s->over = true;
    buf_free(&s->in);
    matrixssl_sid_wipe(s); /* RFC 5246 section 7.2.2 */
    if (e->code == ERR_PEER_ALERT) {
        s->peer_closed = true;
        return hand_alert(s, SSL_ALERT_LEVEL_FATAL, e->alert_received, ptbuf, ptlen);
    }
    s->we_closed = true;
    s->announced = tls_output(s->tls).n;
    return s->announced ? MATRIXSSL_REQUEST_SEND : matrixssl_code(e->code);
}

/* A handshake is through: the first, or a later one. When our Finished is the last message, it is
 * complete once that is sent; before the first one is, nothing more is read. */
static int32 handshake_done(struct session *s)
{
    bool first = s->progress == HANDSHAKING, last;
    struct tls_info info;

    tls_get_info(s->tls, &info);
    matrixssl_sid_complete(s, &info);
    if (!first) {
        matrixssl_rehandshake_done(s);
    }
    last = info.finished_last && tls_output(s->tls).n;
    s->says_done = last && !first;
    s->progress = last && first ? LAST_FLIGHT : COMPLETE;
    return last ? MATRIXSSL_REQUEST_SEND : MATRIXSSL_HANDSHAKE_COMPLETE;
}

/* A warning of the peer's: the connection goes on, but perhaps not the handshake that we wanted. */
static int32 warned(struct session *s, uint8_t alert, unsigned char **ptbuf, uint32 *ptlen)
{
    if (alert == ALERT_NO_RENEGOTIATION) {
        matrixssl_rehandshake_refused(s);
    }
    return hand_alert(s, SSL_ALERT_LEVEL_WARNING, alert, ptbuf, ptlen);
}

static size_t pending(const struct session *s)
{
    return buf_len(&s->out) + tls_output(s->tls).n;
}

/* No record is left: is there something new to say? */
static int32 idle(struct session *s)
{
    size_t waiting = tls_output(s->tls).n;
    bool news = s->progress == COMPLETE ? waiting > s->announced : pending(s) > 0;

    s->announced = waiting;
    if (news) {
        return MATRIXSSL_REQUEST_SEND;
    }
    return buf_len(&s->in) ? MATRIXSSL_REQUEST_RECV : MATRIXSSL_SUCCESS;
}

static void release_handed(struct session *s)
{
    if (s->handed) {
        buf_consume(&s->in, s->handed);
        s->handed = 0;
    }
}

/* Goes through the records in `in` up to the first that concerns the application. */
static int32 next_record(struct session *s, unsigned char **ptbuf, uint32 *ptlen)
{
    release_handed(s);
    if (s->peer_closed) {
        buf_free(&s->in); /* RFC 8446 6.1: what comes behind close_notify is ignored */
        return MATRIXSSL_SUCCESS;
    }
    while (buf_len(&s->in) && s->progress != LAST_FLIGHT) {
        struct tls_in in = { .data = buf_data(&s->in), .len = buf_len(&s->in) };
        int event = matrixssl_input(s, &in);

        if (event < 0) {
            return failed(s, ptbuf, ptlen);
        }
        s->need = event == TLS_EV_MORE ? in.need : 0;
        if (event == TLS_EV_MORE) {
            break;
        }
        s->usual = in.used;
        if (event == TLS_EV_DATA) {
            matrixssl_earn(s, in.nplain);
            s->handed = in.used;
            *ptbuf = buf_data(&s->in) + (in.plain - buf_data(&s->in));
            *ptlen = (uint32)in.nplain;
            return MATRIXSSL_APP_DATA;
        }
        buf_consume(&s->in, in.used);
        if (event == TLS_EV_DONE) {
            int32 rc = handshake_done(s);

            if (rc == MATRIXSSL_HANDSHAKE_COMPLETE || s->progress == LAST_FLIGHT) {
                return rc;
            }
        } else if (event == TLS_EV_PROGRESS && s->progress == COMPLETE) {
            matrixssl_sid_refresh(s); /* it may have been a ticket */
        } else if (event == TLS_EV_WARNING) {
            return warned(s, in.alert, ptbuf, ptlen);
        } else if (event == TLS_EV_CLOSED) {
            s->peer_closed = true;
            return hand_alert(s, SSL_ALERT_LEVEL_WARNING, ALERT_CLOSE_NOTIFY, ptbuf, ptlen);
        }
    }
    return idle(s);
}

/* After the end: an alert may still have to go out. */
static int32 received_too_late(struct session *s, uint32 bytes)
{
    buf_free(&s->in);
    if (tls_output(s->tls).n) {
        return MATRIXSSL_REQUEST_SEND;
    }
    return bytes ? MATRIXSSL_ERROR : MATRIXSSL_SUCCESS;
}

int32 matrixSslReceivedData(ssl_t *ssl, uint32 bytes, unsigned char **ptbuf, uint32 *ptlen)
{
    struct session *s = session_of(ssl);
    int32 rc;

    if (!s || !ptbuf || !ptlen || bytes > s->in.cap - s->in.end) {
        return PS_ARG_FAIL;
    }
    *ptbuf = NULL;
    *ptlen = 0;
    s->touched = true;
    if (s->over) {
        return received_too_late(s, bytes);
    }
    buf_added(&s->in, bytes);
    rc = next_record(s, ptbuf, ptlen);
    /* All was used and nothing came of it: not "nothing is buffered", which is what 0 says. */
    return rc == MATRIXSSL_SUCCESS && bytes && !s->peer_closed ? MATRIXSSL_REQUEST_RECV : rc;
}

int32 matrixSslProcessedData(ssl_t *ssl, unsigned char **ptbuf, uint32 *ptlen)
{
    struct session *s = session_of(ssl);

    if (!s || !ptbuf || !ptlen) {
        return PS_ARG_FAIL;
    }
    *ptbuf = NULL;
    *ptlen = 0;
    return s->over ? MATRIXSSL_SUCCESS : next_record(s, ptbuf, ptlen);
}

/* ---- encoding ---- */
/* Takes the engine's queue over into `out`. */
static int take_over(struct session *s)
{
    struct span queued = tls_output(s->tls);

    if (queued.n) {
        TRY(buf_append(&s->out, queued.p, queued.n));
        tls_sent(s->tls, queued.n);
        s->announced = 0;
    }
    return 0;
}

/* May data be encoded, and that much of it? */
static int32 may_encode(const struct session *s, uint32 len)
{
    if (s->we_closed) {
        return MATRIXSSL_ERROR;
    }
    if (s->progress != COMPLETE || s->peer_closed) {
        return PS_FAILURE;
    }
    return len > SSL_MAX_PLAINTEXT_LEN ? PS_LIMIT_FAIL : PS_SUCCESS;
}

/* Sealed behind what is in `out`, as much as there is room for: whole records, one unless the peer
 * wants shorter ones; the plaintext may lie where the ciphertext of one record will be. Returns how
 * much. The engine's queue must be empty: tls_output() was called, and what it had was taken over.
 */
static int seal(struct session *s, const uint8_t *plain, size_t n)
{
    struct span in = span_of(plain, n);
    size_t taken = 0, made = 0;

    TRY(tls_seal(s->tls, &in, 1, &taken, buf_tail(&s->out), s->out.cap - s->out.end, &made));
    buf_added(&s->out, made);
    matrixssl_earn(s, taken);
    return taken == 0 && n ? ERR_LIMIT : (int)taken;
}

static int seal_copy(struct session *s, const uint8_t *plain, size_t n)
{
    TRY(take_over(s));
    do {
        int taken;

        TRY(buf_reserve(&s->out, n + tls_overhead(s->tls, n)));
        taken = seal(s, plain, n);
        TRY(taken);
        plain = taken ? plain + taken : plain;
        n -= (size_t)taken;
    } while (n);
    return 0;
}

int32 matrixSslEncodeToOutdata(ssl_t *ssl, unsigned char *buf, uint32 len)
{
    struct session *s = session_of(ssl);
    int32 rc;
    int sealed;

    if (!s || (!buf && len)) {
        return PS_ARG_FAIL;
    }
    rc = may_encode(s, len);
    if (rc < 0) {
        return rc;
    }
    matrixssl_drop_reserved(s);
    sealed = seal_copy(s, buf, len);
    return sealed < 0 ? matrixssl_code(sealed) : (int32)pending(s);
}

void matrixssl_drop_reserved(struct session *s)
{
    if (s->reserved) {
        wipe(buf_tail(&s->out) + s->gap, s->reserved);
        s->reserved = 0;
    }
}

int32 matrixSslGetWritebuf(ssl_t *ssl, unsigned char **buf, uint32 reqLen)
{
    struct session *s = session_of(ssl);
    size_t want, room;
    int rc;

    if (!s || !buf) {
        return PS_ARG_FAIL;
    }
    want = reqLen == 0 ? 1 : reqLen < SSL_MAX_PLAINTEXT_LEN ? reqLen : SSL_MAX_PLAINTEXT_LEN;
    if (s->reserved < want) {
        matrixssl_drop_reserved(s);
        rc = take_over(s);
        if (rc == 0) {
            rc = buf_reserve(&s->out, want + TLS_OVERHEAD_MAX);
        }
        if (rc < 0) {
            return matrixssl_code(rc);
        }
        room = s->out.cap - s->out.end - TLS_OVERHEAD_MAX;
        s->gap = tls_headroom(s->tls);
        s->reserved = room < SSL_MAX_PLAINTEXT_LEN ? room : SSL_MAX_PLAINTEXT_LEN;
    }
    *buf = buf_tail(&s->out) + s->gap;
    return (int32)s->reserved;
}

/* Can the plaintext be sealed where it lies? Not when the engine has queued something since the
 * room was given, which goes first; nor when the suite is another one since; nor when it takes more
 * than one record (RFC 6066 section 4). */
static bool stays(const struct session *s, size_t n)
{
    return tls_output(s->tls).n == 0 && tls_headroom(s->tls) == s->gap && n <= tls_fragment(s->tls);
}

static int seal_elsewhere(struct session *s, size_t n)
{
    uint8_t *plain = mem_dup(buf_tail(&s->out) + s->gap, n);
    int rc;

    if (!plain) {
        return ERR_MEM;
    }
    matrixssl_drop_reserved(s);
    rc = seal_copy(s, plain, n);
    mem_free_secret(plain, n);
    return rc;
}

int32 matrixSslEncodeWritebuf(ssl_t *ssl, uint32 len)
{
    struct session *s = session_of(ssl);
    int32 rc;
    int sealed;

    if (!s) {
        return PS_ARG_FAIL;
    }
    rc = may_encode(s, len);
    if (rc < 0) {
        return rc;
    }
    if (len > s->reserved) {
        return PS_LIMIT_FAIL; /* more than matrixSslGetWritebuf() gave room for */
    }
    if (len == 0) {
        matrixssl_drop_reserved(s);
        sealed = seal_copy(s, NULL, 0);
    } else if (!stays(s, len)) {
        sealed = seal_elsewhere(s, len);
    } else {
        sealed = seal(s, buf_tail(&s->out) + s->gap, len);
        if (sealed < 0) {
            matrixssl_drop_reserved(s);
        }
        s->reserved = 0;
    }
    return sealed < 0 ? matrixssl_code(sealed) : (int32)pending(s);
}

int32 matrixSslEncodeClosureAlert(ssl_t *ssl)
{
    struct session *s = session_of(ssl);
    int rc;

    if (!s) {
        return PS_ARG_FAIL;
    }
    if (s->over) {
        return MATRIXSSL_SUCCESS; /* an alert has been said already, by one side or the other */
    }
    rc = tls_close(s->tls);
    if (rc < 0) {
        return matrixssl_code(rc);
    }
    s->we_closed = true;
    matrixssl_drop_reserved(s);
    return MATRIXSSL_SUCCESS;
}

/* ---- sending ---- */
int32 matrixSslGetOutdata(ssl_t *ssl, unsigned char **buf)
{
    struct session *s = session_of(ssl);
    struct span next;

    if (!s) {
        return PS_ARG_FAIL;
    }
    s->touched = s->touched || buf;
    /* In one piece, unless plaintext is being written behind the first or memory is short. */
    if (buf_len(&s->out) && !s->reserved) {
        (void)take_over(s);
    }
    next = buf_len(&s->out) ? buf_span(&s->out) : tls_output(s->tls);
    if (buf) {
        *buf = (unsigned char *)(uintptr_t)next.p;
    }
    return (int32)next.n;
}

static void sent(struct session *s, size_t n)
{
    if (buf_len(&s->out) == 0) {
        tls_sent(s->tls, n);
        s->announced -= n < s->announced ? n : s->announced;
    } else if (s->reserved) {
        s->out.start += n; /* what lies behind the end stays where it is */
    } else {
        buf_consume(&s->out, n);
    }
}

int32 matrixSslSentData(ssl_t *ssl, uint32 bytes)
{
    struct session *s = session_of(ssl);

    if (!s || bytes > (buf_len(&s->out) ? buf_len(&s->out) : tls_output(s->tls).n)) {
        return PS_ARG_FAIL;
    }
    s->touched = true;
    if (bytes) {
        sent(s, bytes);
    }
    if (pending(s)) {
        return MATRIXSSL_REQUEST_SEND;
    }
    if (s->we_closed) {
        return MATRIXSSL_REQUEST_CLOSE;
    }
    if (s->progress == LAST_FLIGHT || s->says_done) {
        s->progress = COMPLETE;
        s->says_done = false;
        return MATRIXSSL_HANDSHAKE_COMPLETE;
    }
    return MATRIXSSL_SUCCESS;
}
