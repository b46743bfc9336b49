/* SPDX-License-Identifier: ISC */
/* Bytes in clear on a connection: the talk before the handshake, and peers or callers for whom
 * there is no handshake, because a rule allows that. */
#include "shim/prelude.h"

#include <errno.h>

#include "base/mem.h"
#include "shim/conn.h"

#define PIECE 2048 /* bytes of a talk that are received at once */

int prelude_hear(struct prelude *p, const void *data, size_t n, struct buf *out, struct error *err)
{
    struct rd in;
    int rc;

    p->heard += n;
    if (p->heard > PRELUDE_MAX) {
        return FAIL(err, ERR_LIMIT, "what the peer says before TLS has no end");
    }
    if (n && buf_append(&p->in, data, n) < 0) {
        return FAIL(err, ERR_MEM, "no memory for what comes before TLS");
    }
    in = rd_span(buf_span(&p->in));
    rc = p->step(p, &in, out, err);
    if (rc == PRELUDE_DONE && !rd_done(&in)) {
        return FAIL(err, ERR_PARSE, "bytes in clear came behind the word that begins TLS");
    }
    if (rc >= 0 && buf_len(&p->in)) {
        buf_consume(&p->in, buf_len(&p->in) - in.n);
    }
    p->done = rc == PRELUDE_DONE;
    return rc;
}

void prelude_free(struct prelude *p)
{
    if (p) {
        buf_free(&p->replay);
        buf_free(&p->in);
        mem_free(p);
    }
}

static int broke(struct conn *c, int rc, const struct error *err)
{
    int num = rc == ERR_UNSUPPORTED ? EACCES : rc == ERR_MEM ? ENOMEM : ECONNABORTED;

    conn_set_failed(c, num, rc, err->text);
    errno = num;
    return -1;
}

int conn_prelude(struct conn *c, int fd)
{
    struct prelude *p = c->prelude;
    uint8_t piece[PIECE];
    struct error err;
    ssize_t n;
    int rc;

    error_clear(&err);
    for (;;) {
        rc = conn_flush(c, fd);
        if (rc != 0) {
            return rc < 0 ? -1 : 0;
        }
        if (p->done) {
            atomic_store(&c->in_clear, false);
            atomic_store(&c->unsent, c->role == TLS_CLIENT);
            return 1;
        }
        do {
            n = sys.recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        } while (n < 0 && errno == EINTR);
        if (n < 0) {
            return errno == EAGAIN ? 0 : -1;
        }
        if (n == 0) {
            conn_set_failed(c, ECONNRESET, ERR_CLOSED, "the peer closed the connection before TLS");
            errno = ECONNRESET;
            return -1;
        }
        rc = prelude_hear(p, piece, (size_t)n, &c->clear, &err);
        if (rc < 0) {
            return broke(c, rc, &err);
        }
    }
}

int conn_prelude_begin(struct conn *c, struct prelude *p, struct error *err)
{
    c->prelude = p;
    atomic_store(&c->in_clear, p != NULL);
    return p ? prelude_hear(p, NULL, 0, &c->clear, err) : 0;
}

size_t conn_prelude_skip(struct conn *c, struct span said)
{
    size_t n = 0;

    if (c->prelude && c->prelude->skip && !c->prelude->skipped) {
        n = c->prelude->skip(c->prelude, said);
        c->prelude->skipped = n < said.n;
    }
    return n;
}

/* ---- no TLS at all ---- */

static int turn_clear(struct conn *c)
{
    struct span said = buf_span(&c->early);

    if (buf_append(&c->clear, said.p, said.n) < 0) {
        conn_set_failed(c, ENOMEM, ERR_MEM, "no memory for data that was written");
        errno = ENOMEM;
        return -1;
    }
    buf_free(&c->early);
    atomic_store(&c->in_clear, true);
    atomic_store(&c->unsent, buf_len(&c->clear) > 0);
    atomic_store(&c->state, CONN_OPEN);
    atomic_fetch_or(&c->events_due, 1U << CONN_EVENT_CLEAR);
    return 0;
}

/* RFC 8446 section 5.1: what a client says first is a handshake record (22). */
int conn_first_heard(struct conn *c, int fd)
{
    uint8_t first;
    ssize_t n;

    do {
        n = sys.recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return -1;
    }
    c->clear_ok = false;
    return n == 0 || first == 22 ? 0 : turn_clear(c);
}

/* The beginning of a record (RFC 8446 section 5.1) with a ClientHello. */
static bool is_hello(const struct iovec *iov, int n)
{
    uint8_t head[6];
    size_t have = 0;

    for (int i = 0; i < n && have < sizeof head; i++) {
        size_t part = iov[i].iov_len < sizeof head - have ? iov[i].iov_len : sizeof head - have;

        if (part) {
            memcpy(head + have, iov[i].iov_base, part);
        }
        have += part;
    }
    return have >= 3 && head[0] == 22 && head[1] == 3 && head[2] <= 4 &&
           (have < sizeof head || head[5] == 1);
}

int conn_first_said(struct conn *c, int fd, const struct iovec *iov, int n)
{
    bool hello = is_hello(iov, n);
    struct hold h;
    int rc = 0, first;

    if (conn_enter(&h, c, fd, HALF_BOTH)) {
        return -1;
    }
    first = atomic_exchange(&c->first, CONN_FIRST_ANY);
    if (first == CONN_FIRST_WAITS) {
        conn_clock(c);
    }
    if (hello && first == CONN_FIRST_WAITS && atomic_load(&c->state) == CONN_HANDSHAKE) {
        rc = turn_clear(c);
    } else if (hello && first != CONN_FIRST_ANY && atomic_load(&c->state) != CONN_FAILED) {
        tls_abort(c->tls, ALERT_USER_CANCELED, "the program speaks TLS by itself");
        conn_set_failed(c, EACCES, ERR_STATE, "the program speaks TLS by itself");
        errno = EACCES;
        rc = -1;
    }
    conn_leave(&h);
    return rc;
}

bool conn_waits_to_speak(const struct conn *c)
{
    return atomic_load(&c->first) == CONN_FIRST_WAITS;
}

void conn_only_hears(struct conn *c, short events)
{
    int waits = CONN_FIRST_WAITS;

    if (conn_waits_to_speak(c) && !(events & (POLLOUT | POLLWRNORM))) {
        conn_clock(c);
        atomic_compare_exchange_strong(&c->first, &waits, CONN_FIRST_REFUSE);
    }
}
