/* SPDX-License-Identifier: ISC */
/* The write half: the caller's iovecs -> sealed into this thread's scratch -> one sendmsg()
 * together with what the engine has to say. What the kernel does not take is kept as a tail, and
 * while a tail waits nothing more is sealed: on a non-blocking fd that is at most one record, on a
 * blocking one the batch that this call is about to wait for.
 *
 * What has been sealed is on its way and counts as written, whatever happens to the wait for it.
 * Two writers at once may find their records interleaved as their segments would be, never one
 * inside another. */
#include <errno.h>

#include "shim/conn.h"

#define BATCH     (4 * (size_t)TLS_PLAINTEXT_MAX)
#define MAX_SPANS 64
#define SLICE_MS  1000 /* shutdown() in another thread makes no POLLOUT, so a writer looks */

/* The caller's bytes that are not sealed yet. */
struct source {
    const struct iovec *iov;
    int n;
    size_t off; /* used of iov[0] */
    size_t left, all;
};

static struct source source_of(const struct iovec *iov, int n)
{
    struct source s = { .iov = iov, .n = n };

    for (int i = 0; i < n; i++) {
        s.left += iov[i].iov_len;
    }
    s.all = s.left;
    return s;
}

/* Up to `max` bytes of it as spans. */
static size_t source_spans(const struct source *s, size_t max, struct span *out)
{
    size_t n = 0, off = s->off;

    for (int i = 0; i < s->n && n < MAX_SPANS && max > 0; i++, off = 0) {
        size_t part = s->iov[i].iov_len - off;

        part = part < max ? part : max;
        if (part) {
            out[n++] = span_of((const uint8_t *)s->iov[i].iov_base + off, part);
            max -= part;
        }
    }
    return n;
}

static void source_taken(struct source *s, size_t n)
{
    s->left -= n;
    while (n > 0 || (s->n > 0 && s->off == s->iov->iov_len)) {
        size_t part = s->iov->iov_len - s->off;

        if (n < part) {
            s->off += n;
            return;
        }
        n -= part;
        s->iov++;
        s->n--;
        s->off = 0;
    }
}

/* ---- the socket ---- */

static int write_broken(struct conn *c)
{
    errno = atomic_load(&c->write_errno);
    return -1;
}

/* As the kernel has it: the first report says why, every later one EPIPE. A call that has written
 * something has not reported. */
static void write_reported(struct conn *c)
{
    int why = errno;

    (void)atomic_compare_exchange_strong(&c->write_errno, &why, EPIPE);
}

static int socket_refuses(struct conn *c, int err)
{
    atomic_store(&c->write_errno, err);
    atomic_store(&c->unsent, false); /* nothing to wait for */
    errno = err;
    return -1;
}

/* Bytes the kernel took, 0 when it has no room, -1 when the socket is broken. */
static ssize_t push(struct conn *c, int fd, struct iovec *parts, size_t n, int flags)
{
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = n };
    ssize_t sent;

    do {
        sent = sys.sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL | (flags & MSG_MORE));
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
        return 0;
    }
    if (sent < 0) {
        return socket_refuses(c, errno);
    }
    c->wire.out += (uint64_t)sent;
    park_note(c);
    return sent;
}

static int flush_output(struct conn *c, int fd)
{
    bool clear = atomic_load(&c->in_clear);

    for (;;) {
        struct span out = clear ? buf_span(&c->clear) : tls_output(c->tls);
        struct iovec part = { (void *)(uintptr_t)out.p, out.n };
        ssize_t sent;

        if (out.n == 0) {
            atomic_store(&c->unsent, false);
            return 0;
        }
        if (atomic_load(&c->write_errno)) {
            errno = atomic_load(&c->write_errno);
            return -1;
        }
        sent = push(c, fd, &part, 1, 0);
        if (sent < 0) {
            return -1;
        }
        if (sent == 0) {
            atomic_store(&c->unsent, true);
            return 1;
        }
        if (clear) {
            buf_consume(&c->clear, (size_t)sent);
        } else {
            tls_sent(c->tls, (size_t)sent);
        }
    }
}

/* Words from before the handshake, now that they can be sealed. */
static int seal_early(struct conn *c)
{
    struct span left = buf_span(&c->early);
    uint8_t *mem = scratch_get();
    size_t taken, made;

    while (left.n) { /* more than once when the peer wants small records */
        if (!mem || tls_seal(c->tls, &left, 1, &taken, mem, SCRATCH, &made) < 0 || made == 0 ||
            tls_queue(c->tls, mem, made) < 0) {
            conn_set_failed(c, ENOMEM, ERR_MEM, "data written before the handshake is lost");
            errno = ENOMEM;
            return -1;
        }
        left = span_of(left.p + taken, left.n - taken);
    }
    buf_free(&c->early);
    return 0;
}

bool conn_half_open(struct conn *c)
{
    return c->role == TLS_SERVER ? tls_can_seal(c->tls)
                                 : atomic_load(&c->early_open) && atomic_load(&c->early_room) > 0;
}

int conn_flush(struct conn *c, int fd)
{
    bool open = atomic_load(&c->state) == CONN_OPEN;
    int rc = 0, err;

    if (c->torn_down) {
        return 0;
    }
    if (buf_len(&c->early) && tls_can_seal(c->tls) && seal_early(c)) {
        open = false;
    }
    if (open && atomic_load(&c->closing) && !atomic_load(&c->in_clear)) {
        tls_close(c->tls);
    }
    rc = flush_output(c, fd);
    err = errno;
    if (atomic_load(&c->state) == CONN_FAILED) {
        /* Nothing may pass any more, not even what is written behind our back. */
        c->torn_down = true;
        atomic_store(&c->unsent, false);
        sys.shutdown(fd, SHUT_RDWR);
    } else if (open && rc <= 0 && atomic_load(&c->closing) && !c->detaching && !c->fin_sent) {
        /* Also when close_notify cannot be sent: who waits for our end sees that it is none. */
        c->fin_sent = true;
        sys.shutdown(fd, SHUT_WR);
    }
    errno = err;
    return rc;
}

/* ---- send(2) ---- */

/* Accounts for `sent` bytes of head (the engine's) and made (ours); the rest becomes the tail. */
static int account(struct conn *c, size_t sent, size_t head, const uint8_t *mem, size_t made)
{
    size_t ours = sent > head ? sent - head : 0;

    tls_sent(c->tls, sent - ours);
    if (sent == head + made) {
        return 0;
    }
    atomic_store(&c->unsent, true);
    if (ours < made && tls_queue(c->tls, mem + ours, made - ours) < 0) {
        conn_set_failed(c, ENOMEM, ERR_MEM, "no memory for data that could not be sent at once");
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

/* A client that seals now, does it for early data. */
static bool is_early(struct conn *c)
{
    return c->role == TLS_CLIENT && atomic_load(&c->state) == CONN_HANDSHAKE;
}

/* Seals and sends up to `batch` bytes. 0 or -1 errno (then nothing of this batch counts). */
static int write_batch(struct conn *c, int fd, struct source *s, size_t batch, int flags)
{
    struct span in[MAX_SPANS], head = tls_output(c->tls);
    bool early = is_early(c);
    size_t room = early ? atomic_load(&c->early_room) : batch;
    size_t nin = source_spans(s, room < batch ? room : batch, in), taken, made;
    uint8_t *mem = scratch_get();
    struct iovec parts[2];
    ssize_t sent;
    int rc;

    if (!mem || (early && buf_reserve(&c->early, room < batch ? room : batch) < 0)) {
        errno = ENOMEM;
        return -1;
    }
    rc = early ? tls_seal_early(c->tls, in, nin, &taken, mem, SCRATCH, &made)
               : tls_seal(c->tls, in, nin, &taken, mem, SCRATCH, &made);
    if (rc == 0 && early) {
        rc = early_kept(c, in, nin, taken);
    }
    if (rc < 0 || taken == 0) {
        conn_failed_tls(c, rc < 0 ? rc : ERR_STATE);
        errno = atomic_load(&c->fail_errno);
        return -1;
    }
    parts[0] = (struct iovec){ (void *)(uintptr_t)head.p, head.n };
    parts[1] = (struct iovec){ mem, made };
    sent = push(c, fd, head.n ? parts : parts + 1, head.n ? 2 : 1, flags);
    if (sent < 0) {
        return write_broken(c);
    }
    if (account(c, (size_t)sent, head.n, mem, made)) {
        return -1;
    }
    source_taken(s, taken);
    return 0;
}

/* The same without TLS: what the kernel does not take is not taken. */
static int write_clear(struct conn *c, int fd, struct source *s, size_t batch, int flags)
{
    struct span in[MAX_SPANS];
    struct iovec parts[MAX_SPANS];
    size_t n = source_spans(s, batch, in), all = 0;
    ssize_t sent;

    for (size_t i = 0; i < n; i++) {
        parts[i] = (struct iovec){ (void *)(uintptr_t)in[i].p, in[i].n };
        all += in[i].n;
    }
    sent = push(c, fd, parts, n, flags);
    if (sent < 0) {
        return write_broken(c);
    }
    atomic_store(&c->unsent, (size_t)sent < all);
    source_taken(s, (size_t)sent);
    return 0;
}

/* The peer has had a greeting from us already, in the prelude. */
static void skip_greeting(struct conn *c, struct source *s)
{
    struct span in[MAX_SPANS];
    size_t n = source_spans(s, s->left, in), skip = 0;

    for (size_t i = 0; i < n; i++) {
        size_t part = conn_prelude_skip(c, in[i]);

        skip += part;
        if (part < in[i].n) {
            break;
        }
    }
    source_taken(s, skip);
}

/* May this connection be written to now? 0, or -1 errno; EINPROGRESS: the handshake comes first. */
static int write_state(struct conn *c, int flags)
{
    switch (atomic_load(&c->state)) {
    case CONN_FAILED:
        errno = atomic_load(&c->fail_errno);
        return -1;
    case CONN_HANDSHAKE:
        /* A server may answer early data at once. */
        if (atomic_load(&c->closing) || !conn_half_open(c) ||
            (c->role == TLS_CLIENT && !(flags & CONN_EARLY))) {
            errno = atomic_load(&c->closing) ? EPIPE : EINPROGRESS;
            return -1;
        }
        break;
    default:
        break;
    }
    if (atomic_load(&c->closing)) {
        errno = EPIPE;
        return -1;
    }
    return atomic_load(&c->write_errno) ? write_broken(c) : 0;
}

/* As much as goes without waiting. 0 all gone; -1 errno, EAGAIN: a tail waits. */
static int write_step(struct conn *c, int fd, struct source *s, size_t batch, int flags)
{
    struct hold h;
    bool hello;
    int rc;

    if (conn_enter(&h, c, fd, HALF_WRITE)) {
        return -1;
    }
    rc = write_state(c, flags);
    /* The ClientHello leaves together with the first early data. */
    hello = is_early(c) && buf_len(&c->early) == 0;
    if (rc == 0 && !hello && (atomic_load(&c->unsent) || buf_len(&c->early) > 0)) {
        rc = conn_flush(c, fd);
        rc = rc < 0 ? write_broken(c) : rc;
    }
    if (rc == 0 && c->prelude) {
        skip_greeting(c, s);
    }
    while (rc == 0 && s->left > 0) {
        rc = atomic_load(&c->in_clear) ? write_clear(c, fd, s, batch, flags)
                                       : write_batch(c, fd, s, batch, flags);
        if (rc == 0 && atomic_load(&c->unsent)) {
            rc = 1;
        } else if (rc == 0 && s->left > 0) {
            rc = write_state(c, flags); /* no more early data may be taken */
        }
    }
    if (rc > 0) {
        errno = EAGAIN;
        rc = -1;
    } else if (rc < 0 && s->left == s->all) {
        write_reported(c);
    }
    conn_leave(&h);
    return rc;
}

/* A server that speaks first and does not wait: its words are kept until the handshake is done. */
static int write_early(struct conn *c, int fd, struct source *s)
{
    struct span in[MAX_SPANS];
    struct hold h;
    size_t n, room, left;
    int rc = -1;

    if (c->role != TLS_SERVER) {
        errno = EAGAIN;
        return -1;
    }
    if (conn_enter(&h, c, fd, HALF_WRITE)) {
        return -1;
    }
    room = EARLY_MAX - buf_len(&c->early);
    if (atomic_load(&c->state) == CONN_HANDSHAKE) {
        left = s->left;
        skip_greeting(c, s);
        rc = s->left < left ? 0 : -1;
    }
    n = source_spans(s, room, in);
    errno = EAGAIN;
    for (size_t i = 0; i < n && atomic_load(&c->state) == CONN_HANDSHAKE; i++) {
        if (buf_append(&c->early, in[i].p, in[i].n) < 0) {
            errno = ENOMEM;
            break;
        }
        source_taken(s, in[i].n);
        rc = 0;
    }
    conn_leave(&h);
    return rc;
}

/* For a stream that cannot be written to any more. */
static ssize_t refused(int flags)
{
    if (errno == EPIPE && !(flags & MSG_NOSIGNAL)) {
        pthread_kill(pthread_self(), SIGPIPE);
        errno = EPIPE;
    }
    return -1;
}

/* Nothing to send: whether it could be, without a record or a handshake. */
static ssize_t write_nothing(struct conn *c, int fd, int flags)
{
    struct hold h;
    int rc;

    if (conn_enter(&h, c, fd, HALF_WRITE)) {
        return -1;
    }
    rc = write_state(c, flags);
    if (rc < 0) {
        write_reported(c);
    }
    conn_leave(&h);
    return rc == 0 || errno == EINPROGRESS ? 0 : refused(flags);
}

ssize_t conn_writev(struct conn *c, int fd, const struct iovec *iov, int n, int flags)
{
    struct patience p = { .option = SO_SNDTIMEO };
    struct source s = source_of(iov, n);
    size_t total = s.left, batch = TLS_PLAINTEXT_MAX;
    int rc, saved = errno;

    if (total == 0) {
        return write_nothing(c, fd, flags);
    }
    if (atomic_load(&c->first) != CONN_FIRST_ANY && conn_first_said(c, fd, iov, n)) {
        return refused(flags);
    }
    if (total > TLS_PLAINTEXT_MAX && !wait_forbidden(c, fd, flags)) {
        batch = BATCH;
    }
    for (;;) {
        rc = write_step(c, fd, &s, batch, flags);
        if (rc == 0) {
            break;
        }
        if (errno == EINPROGRESS) {
            conn_early_over(c);
            rc = conn_complete(c, fd, flags, SO_SNDTIMEO, UNTIL_HELD);
            if (rc < 0 && errno == EAGAIN && wait_forbidden(c, fd, flags)) {
                rc = write_early(c, fd, &s);
                break;
            }
        } else if (errno == EAGAIN && !wait_forbidden(c, fd, flags)) {
            rc = wait_poll(c, fd, POLLOUT, &p, now_ms() + SLICE_MS);
            rc = rc < 0 && errno == ETIMEDOUT ? 0 : rc;
        }
        if (rc < 0) {
            break;
        }
    }
    if (total > s.left || rc == 0) {
        errno = saved;
        return (ssize_t)(total - s.left);
    }
    return refused(flags);
}

/* The kernel's shutdown() leaves the rest to the kernel; our tail has no one but us. */
static void push_out(struct conn *c, int fd)
{
    struct patience p = { .option = SO_SNDTIMEO };
    int64_t end = now_ms() + c->linger_ms;
    struct hold h;

    while (atomic_load(&c->unsent) && !wait_forbidden(c, fd, 0) &&
           wait_poll(c, fd, POLLOUT, &p, end) == 0 && conn_enter(&h, c, fd, HALF_WRITE) == 0) {
        conn_flush(c, fd);
        conn_leave(&h);
    }
}

/* Both directions shut while there is nothing to be sent after the handshake: no need of one. */
static bool give_up(struct conn *c, int fd)
{
    bool given_up = false;
    struct hold h;

    if (atomic_load(&c->state) != CONN_HANDSHAKE || conn_enter(&h, c, fd, HALF_BOTH)) {
        return false;
    }
    if (atomic_load(&c->state) == CONN_HANDSHAKE && buf_len(&c->early) == 0) {
        tls_abort(c->tls, ALERT_USER_CANCELED, "shut down during the handshake");
        conn_set_failed(c, ECONNABORTED, ERR_CLOSED, "shut down during the handshake");
        conn_flush(c, fd);
        given_up = true;
    }
    conn_leave(&h);
    return given_up;
}

int conn_shutdown(struct conn *c, int fd, int how)
{
    struct hold h;
    int rc = 0, saved = errno;

    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        errno = EINVAL;
        return -1;
    }
    if (how == SHUT_RDWR && give_up(c, fd)) {
        return 0;
    }
    /* close_notify can only follow the handshake; a fd that does not wait gets both later. */
    if (how != SHUT_RD && atomic_load(&c->state) == CONN_HANDSHAKE &&
        conn_complete(c, fd, 0, SO_SNDTIMEO, UNTIL_HELD) && errno != EAGAIN) {
        return -1;
    }
    if (conn_enter(&h, c, fd, HALF_BOTH)) {
        return -1;
    }
    if (how != SHUT_WR) {
        c->read_shut = true;
        rc = sys.shutdown(fd, SHUT_RD);
    }
    if (how != SHUT_RD && rc == 0) {
        atomic_store(&c->closing, true);
        c->detaching = false;
        conn_flush(c, fd);
    }
    conn_leave(&h);
    if (rc == 0 && how != SHUT_RD) {
        push_out(c, fd);
    }
    errno = rc == 0 ? saved : errno;
    return rc;
}
